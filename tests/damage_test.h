/* What the processor's own backend does with saved bytes that are damaged. */
#ifndef YK_DAMAGE_TEST_H
#define YK_DAMAGE_TEST_H

#include "backend/backend.h"
#include "yk_test.h"

/* The bound graph's saved form, cut anywhere, and with bits changed all over what describes it and here and there in
 * the weights: refused, or run without harm. */
static inline void damage_check(const yk_graph *g)
{
    const yk_backend *const native = &yk_backend_native;
    const yk_compile_options options = {.threads = 1};
    yk_exec *e;
    yk_buffer saved = {0};
    assert_ok(native->compile(g, &options, &e));
    assert_ok(native->save(e, &saved));
    native->destroy(&e);
    for (size_t size = 0; size < saved.size; size += size < 4000 ? 7 : 977) {
        assert_int_not_equal(native->load(saved.data, size, g, &options, &e), YOLK_OK);
        assert_null(e);
    }
    int refused = 0;
    for (size_t at = 0; at < saved.size; at += at < 8000 ? 3 : at < 30000 ? 11 : 1013) {
        saved.data[at] ^= (uint8_t)(1 << at % 8);
        if (native->load(saved.data, saved.size, g, &options, &e) == YOLK_OK) {
            assert_ok(native->start(e, 0));
            native->wait(e, 0);
            native->destroy(&e);
        } else {
            refused++;
        }
        saved.data[at] ^= (uint8_t)(1 << at % 8);
    }
    assert_true(refused > 100);
    assert_ok(native->load(saved.data, saved.size, g, &options, &e));
    native->destroy(&e);
    yk_buffer_free(&saved);
}

#endif
