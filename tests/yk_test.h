/* What every unit test includes: cmocka, and skipping with a reason. One file a subject, one group a file;
 * each program prints TAP when CMOCKA_MESSAGE_OUTPUT=TAP and is run by prove. */
#ifndef YK_TEST_H
#define YK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "yolk/status.h"

/* Ends the test as skipped and says why. */
#define YK_SKIP(...)                                                                                                   \
    do {                                                                                                               \
        fprintf(stderr, "# skipped: ");                                                                                \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fprintf(stderr, " (%s)\n", __func__);                                                                          \
        skip();                                                                                                        \
    } while (0)

/* Fails with the library's own sentence when a call does not succeed. */
#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        yolk_status status_ = (call);                                                                                  \
        if (status_ != YOLK_OK)                                                                                        \
            fail_msg("%s: %s: %s", #call, yolk_status_name(status_), yolk_last_error());                               \
    } while (0)

/* Asserts a failure with this status whose sentence contains `words`. */
#define assert_fails(call, status, words)                                                                              \
    do {                                                                                                               \
        yolk_status status_ = (call);                                                                                  \
        if (status_ != (status))                                                                                       \
            fail_msg("%s: %s instead of %s: %s", #call, yolk_status_name(status_), #status, yolk_last_error());        \
        if (!strstr(yolk_last_error(), (words)))                                                                       \
            fail_msg("%s: '%s' is not in '%s'", #call, (words), yolk_last_error());                                    \
    } while (0)

/* Folder of test data outside the tree, or NULL: $YOLK_SHARED, else ../shared beside the checkout. Tests that need it
 * skip when it is missing. */
static inline const char *yk_shared(void)
{
    static const char *found;
    if (!found) {
        const char *set = getenv("YOLK_SHARED");
        found = set ? set : YOLK_SOURCE_DIR "/../shared";
    }
    return access(found, R_OK) == 0 ? found : NULL;
}

/* Folder that set-up fills (models, clips, OpenVINO): $YOLK_DEPS, else .deps in the checkout. */
static inline const char *yk_deps(void)
{
    const char *set = getenv("YOLK_DEPS");
    return set ? set : YOLK_SOURCE_DIR "/.deps";
}

#endif
