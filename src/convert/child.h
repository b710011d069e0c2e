/* Another program, run to its end: what it is given, what it says, and a way to stop it. */
#ifndef YK_CHILD_H
#define YK_CHILD_H

#include "base/base.h"

typedef struct yk_child {
    const char *const *arguments; /* NULL-terminated; the first one is the program's path */
    const void *input;            /* what it reads as file 0 */
    size_t input_size;
    const void *extra; /* and as file 3 */
    size_t extra_size;
    /* What it writes as file 1, a line that it writes as file 2, and nothing, several times a second. Whichever fails
     * ends the program and is the result. */
    yolk_status (*output)(void *user, const void *bytes, size_t size);
    yolk_status (*line)(void *user, const char *line);
    yolk_status (*wait)(void *user);
    void *user;
} yk_child;

/* `*end` is its exit status, or 128 and the signal that ended it; -1 when somebody else has waited for it. The program
 * ends with the thread that runs it. */
yolk_status yk_child_run(const yk_child *c, int *end);

/* Where the shell would find `name`, allocated; NULL when it is nowhere or memory is short. */
char *yk_find_program(const char *name);

#endif
