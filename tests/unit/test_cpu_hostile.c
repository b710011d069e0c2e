/* Saved programs whose every word was changed: refused, or run without harm, which AddressSanitizer sees. */
#include "saved_program.h"
#include "yk_test.h"

/* The packed weights at the end are numbers, of which a part is enough. */
static void every_word(int network, const yk_cpu_isa *isa)
{
    yk_buffer saved = {0};
    saved_make(network, isa, &saved);
    assert_true(saved_run(saved.data, saved.size, isa));
    /* Of just the size, so that what is read behind it is seen. */
    uint8_t *bytes = malloc(saved.size);
    memcpy(bytes, saved.data, saved.size);
    uint32_t random = 1;
    int refused = 0, taken = 0;
    uint64_t plan;
    memcpy(&plan, saved.data + 32, sizeof plan);
    for (size_t at = 0; at + 4 <= saved.size; at += at < plan + 400 ? 4 : 404) {
        random = random * 1664525u + 1013904223u;
        uint32_t was;
        memcpy(&was, saved.data + at, 4);
        const uint32_t values[] = {0, UINT32_MAX, INT32_MAX, random, was + 1, was - 1, was ^ 4, was * 2};
        for (size_t i = 0; i < YK_COUNT(values); i++) {
            memcpy(bytes + at, &values[i], 4);
            if (saved_run(bytes, saved.size, isa))
                taken++;
            else
                refused++;
        }
        memcpy(bytes + at, &was, 4);
    }
    assert_true(saved_run(bytes, saved.size, isa));
    assert_true(refused > 2000 && taken > 500);
    free(bytes);
    yk_buffer_free(&saved);
}

static void floats(void **state)
{
    (void)state;
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    for (int i = 0; i < count; i++)
        every_word(0, isas[i]);
}

static void bytes(void **state)
{
    (void)state;
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    for (int i = 0; i < count; i++)
        every_word(1, isas[i]);
}

static void cut_short(void **state)
{
    (void)state;
    int count;
    const yk_cpu_isa *isa = yk_cpu_isas(&count)[0];
    yk_buffer saved = {0};
    saved_make(0, isa, &saved);
    for (size_t size = 0; size < saved.size; size += 61) {
        uint8_t *part = malloc(size + 1);
        memcpy(part, saved.data, size);
        assert_false(saved_run(part, size, isa));
        free(part);
    }
    yk_buffer_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats),
        cmocka_unit_test(bytes),
        cmocka_unit_test(cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
