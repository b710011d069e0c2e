/* Every kernel for steps on bytes that are no convolutions, as test_cpu_steps.c has it for floats: the same bytes as by
 * the plain loops. */
#include "steps_maker.h"

static yk_id pairs(maker *m)
{
    return maker_join(m, maker_pair(m, m->a), maker_pair(m, m->b));
}

static yk_id copied(maker *m)
{
    const yk_id x = maker_pair(m, m->a);
    return maker_join(m, x, x);
}

static yk_id pooled(maker *m)
{
    const yk_attrs a = maker_window(m);
    return maker_join(m, maker_pool(m, maker_pair(m, m->a), &a), maker_pool(m, maker_pair(m, m->b), &a));
}

static yk_id enlarged(maker *m)
{
    const yk_attrs a = maker_factor(m);
    return maker_join(m, maker_resize(m, maker_pair(m, m->a), &a), maker_resize(m, maker_pair(m, m->b), &a));
}

static yk_id pair_of_rows(maker *m)
{
    return maker_pair(m, m->rows);
}

static const maker_kind pictures[] = {
    {"quantize", pairs, YK_OP_COUNT},         {"dequantize", pairs, YK_OP_COUNT}, {"copy_bytes", copied, YK_OP_COUNT},
    {"nearest_bytes", enlarged, YK_OP_COUNT}, {"max_bytes", pooled, YK_OP_COUNT}, {"max_bytes", pooled, YK_OP_COUNT},
};

static const maker_kind rows[] = {
    {"quantize", pair_of_rows, YK_OP_COUNT},
    {"dequantize", pair_of_rows, YK_OP_COUNT},
};

/* The last ones are large enough for several parts. */
static const int sizes[][4] = {{1, 1, 1, 1}, {3, 80, 1, 1}, {2, 3, 1, 7}, {3, 1, 33, 97}, {1, 48, 33, 97}};

static void feature_maps(void **state)
{
    (void)state;
    for (size_t k = 0; k < YK_COUNT(pictures); k++) {
        for (size_t i = 0; i < YK_COUNT(sizes); i++)
            maker_check_kind(&pictures[k], sizes[i], false);
    }
}

static void rows_of_numbers(void **state)
{
    (void)state;
    for (size_t k = 0; k < YK_COUNT(rows); k++) {
        for (size_t i = 0; i < YK_COUNT(sizes); i++)
            maker_check_kind(&rows[k], sizes[i], true);
    }
}

static void random_sizes(void **state)
{
    (void)state;
    for (int i = 0; i < cases(100); i++)
        maker_check_random(pictures, YK_COUNT(pictures), rows, YK_COUNT(rows));
}

/* 5 pixels become 10, of which the third is the first one's still. */
static yk_id by_a_little_more(maker *m)
{
    return maker_resize(m, maker_pair(m, m->a), &(yk_attrs){.scale_h = 2.1f, .scale_w = 2.1f});
}

static void what_is_left_to_loops(void **state)
{
    (void)state;
    maker_check_loops(by_a_little_more, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feature_maps),
        cmocka_unit_test(rows_of_numbers),
        cmocka_unit_test(random_sizes),
        cmocka_unit_test(what_is_left_to_loops),
    };
    begin_random();
    say_isas();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
