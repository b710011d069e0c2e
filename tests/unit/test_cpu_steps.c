/* Every kernel for steps that are no convolutions, of every instruction set that this processor has, against the plain
 * loops, on fresh random numbers: odd sizes, views, borders, parts one by one, any number of threads. Those for bytes
 * are in test_cpu_bytes.c. */
#include "steps_maker.h"

static yk_id unary_of(maker *m, yk_id x)
{
    return NODE(m->g, m->op, (&(yk_attrs){.alpha = 0.1f}), x);
}

static yk_id binary_of(maker *m, yk_id a, yk_id b)
{
    return yk_build_binary(m->g, m->op, a, b, "binary");
}

static yk_id number(maker *m)
{
    const float value = 0.1f + fabsf(real());
    return next() % 2 ? yk_build_scalar(m->g, value) : FLOATS(m->g, DIMS(1, 1, 1), value);
}

/* ---- pictures: NHWC ---- */

static yk_id nothing(maker *m)
{
    return maker_join(m, m->a, m->b);
}

static yk_id unary(maker *m)
{
    return maker_join(m, unary_of(m, m->a), unary_of(m, m->b));
}

static yk_id binary(maker *m)
{
    const yk_id with_number = maker_join(m, binary_of(m, m->a, number(m)), binary_of(m, number(m), m->b));
    return maker_join(m, maker_join(m, binary_of(m, m->a, m->b), with_number), binary_of(m, m->a, m->a));
}

static yk_id max_pool(maker *m)
{
    const yk_attrs a = maker_window(m);
    return maker_join(m, maker_pool(m, m->a, &a), maker_pool(m, m->b, &a));
}

static yk_id resize(maker *m)
{
    const yk_attrs a = maker_factor(m);
    return maker_join(m, maker_resize(m, m->a, &a), maker_resize(m, m->b, &a));
}

/* ---- rows: PLAIN ---- */

static yk_id unary_rows(maker *m)
{
    return unary_of(m, m->rows);
}

static yk_id binary_rows(maker *m)
{
    assert_ok(yk_graph_add_output(m->g, binary_of(m, m->rows, number(m))));
    assert_ok(yk_graph_add_output(m->g, binary_of(m, number(m), m->rows)));
    return binary_of(m, m->rows, yk_build_unary(m->g, YK_OP_RELU, m->rows, "other"));
}

/* The rows as two, three or four axes. */
static yk_id folded(maker *m, int rank)
{
    const int64_t *d = m->d;
    const int64_t two[2] = {d[0] * d[1], d[2]}, four[4] = {d[0], 1, d[1], d[2]};
    return rank == 3 ? m->rows : yk_build_reshape(m->g, m->rows, rank == 2 ? two : four, rank, 0, "folded");
}

static yk_id turned(maker *m, yk_id x, int rank)
{
    int perm[4] = {0, 1, 2, 3};
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    return yk_build_transpose(m->g, x, perm, rank, "turned");
}

static yk_id turn(maker *m)
{
    for (int rank = 2; rank <= 4; rank++)
        assert_ok(yk_graph_add_output(m->g, turned(m, folded(m, rank), rank)));
    return turned(m, m->a, 4);
}

static yk_id softmax(maker *m)
{
    for (int rank = 2; rank <= 4; rank++)
        assert_ok(yk_graph_add_output(m->g, yk_build_softmax(m->g, folded(m, rank), rank - 1, "softmax")));
    return yk_build_softmax(m->g, m->a, -1, "softmax");
}

static yk_id matrix(maker *m)
{
    for (int rank = 2; rank <= 4; rank++) {
        const yk_id x = folded(m, rank), y = turned(m, x, rank);
        assert_ok(yk_graph_add_output(m->g, yk_build_binary(m->g, YK_OP_MATMUL, x, y, "channels")));
        if (m->d[2] < 400)
            assert_ok(yk_graph_add_output(m->g, yk_build_binary(m->g, YK_OP_MATMUL, y, x, "places")));
    }
    return yk_build_binary(m->g, YK_OP_MATMUL, m->a, turned(m, m->b, 4), "pictures");
}

/* From PLAIN to PLAIN for an output, and from PLAIN to NHWC for what wants that. */
static yk_id copied_rows(maker *m)
{
    assert_ok(yk_graph_add_output(m->g, folded(m, 2)));
    return maker_join(m, yk_build_unary(m->g, YK_OP_RELU, folded(m, 4), "wide"), folded(m, 4));
}

/* ---- all of them ---- */

static const maker_kind pictures[] = {
    {"input", nothing, YK_OP_COUNT},     {"copy", nothing, YK_OP_COUNT},      {"unary", unary, YK_OP_SILU},
    {"unary", unary, YK_OP_SIGMOID},     {"unary", unary, YK_OP_RELU},        {"unary", unary, YK_OP_LEAKY_RELU},
    {"unary", unary, YK_OP_HARD_SWISH},  {"binary", binary, YK_OP_ADD},       {"binary", binary, YK_OP_SUB},
    {"binary", binary, YK_OP_MUL},       {"binary", binary, YK_OP_DIV},       {"max_pool", max_pool, YK_OP_COUNT},
    {"max_pool", max_pool, YK_OP_COUNT}, {"max_pool", max_pool, YK_OP_COUNT}, {"resize", resize, YK_OP_COUNT},
    {"resize", resize, YK_OP_COUNT},
};

static const maker_kind rows[] = {
    {"unary", unary_rows, YK_OP_SILU},  {"unary", unary_rows, YK_OP_LEAKY_RELU}, {"binary", binary_rows, YK_OP_SUB},
    {"binary", binary_rows, YK_OP_DIV}, {"copy", copied_rows, YK_OP_COUNT},      {"turn", turn, YK_OP_COUNT},
    {"softmax", softmax, YK_OP_COUNT},  {"matrix", matrix, YK_OP_COUNT},
};

/* Batch, channels, height, width: one element, a pixel, a row, and so much that there are several parts. */
static void feature_maps(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 1, 1},   {3, 80, 1, 1},  {2, 3, 1, 7},
                                   {2, 80, 9, 13}, {3, 1, 33, 97}, {1, 40, 33, 97}};
    for (size_t k = 0; k < YK_COUNT(pictures); k++) {
        for (size_t i = 0; i < YK_COUNT(sizes); i++)
            maker_check_kind(&pictures[k], sizes[i], false);
    }
}

static void rows_of_numbers(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 1, 1}, {3, 80, 1, 1}, {2, 3, 1, 7}, {1, 80, 19, 17}, {1, 3, 133, 331}};
    for (size_t k = 0; k < YK_COUNT(rows); k++) {
        for (size_t i = 0; i < YK_COUNT(sizes); i++)
            maker_check_kind(&rows[k], sizes[i], true);
    }
}

static void random_sizes(void **state)
{
    (void)state;
    for (int i = 0; i < cases(150); i++)
        maker_check_random(pictures, YK_COUNT(pictures), rows, YK_COUNT(rows));
}

/* ---- what looks like a kernel's, and is not ---- */

static yk_id smooth(maker *m)
{
    return maker_resize(m, m->a, &(yk_attrs){.scale_h = 2, .scale_w = 2, .linear = 1, .coordinate_mode = 1});
}

static yk_id by_corners(maker *m)
{
    return maker_resize(m, m->a, &(yk_attrs){.scale_h = 2, .scale_w = 2, .coordinate_mode = 2});
}

/* 5 pixels become 10, of which the third is the first one's still. */
static yk_id by_a_little_more(maker *m)
{
    return maker_resize(m, m->a, &(yk_attrs){.scale_h = 2.1f, .scale_w = 2.1f});
}

static yk_id softmax_of_channels(maker *m)
{
    return yk_build_softmax(m->g, m->rows, 1, "softmax");
}

static yk_id pictures_turned(maker *m)
{
    return yk_build_transpose(m->g, m->rows, (int[]){1, 0, 2}, 3, "turned");
}

static yk_id one_matrix_for_all(maker *m)
{
    return yk_build_binary(m->g, YK_OP_MATMUL, m->rows, graph_noise(m->g, NULL, DIMS(m->d[2], 7), 1), "product");
}

static yk_id number_for_each_channel(maker *m)
{
    return yk_build_binary(m->g, YK_OP_ADD, m->rows, graph_noise(m->g, NULL, DIMS(m->d[1], 1), 2), "sum");
}

static void what_is_left_to_loops(void **state)
{
    (void)state;
    static yk_id (*const makes[])(maker * m) = {
        smooth,          by_corners,         by_a_little_more,        softmax_of_channels,
        pictures_turned, one_matrix_for_all, number_for_each_channel,
    };
    for (size_t i = 0; i < YK_COUNT(makes); i++)
        maker_check_loops(makes[i], (int)i);
}

static bool is_one_of(const maker_kind *kinds, size_t count, const char *kernel)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].kernel, kernel) == 0)
            return true;
    }
    return false;
}

static void no_kernel_is_forgotten(void **state)
{
    (void)state;
    static const maker_kind bytes[] = {
        {.kernel = "quantize"},      {.kernel = "dequantize"}, {.kernel = "copy_bytes"},
        {.kernel = "nearest_bytes"}, {.kernel = "max_bytes"},  {.kernel = "output"}, /* by copies of pictures */
    };
    const yk_cpu_isa *isa;
    for (int i = 0; (isa = tested_isa(i)); i++) {
        for (const yk_cpu_step_kernel *const *k = isa->steps; *k; k++) {
            if (!is_one_of(pictures, YK_COUNT(pictures), (*k)->name) && !is_one_of(rows, YK_COUNT(rows), (*k)->name) &&
                !is_one_of(bytes, YK_COUNT(bytes), (*k)->name))
                fail_msg("%s: %s is not tested", isa->name, (*k)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feature_maps),           cmocka_unit_test(rows_of_numbers),
        cmocka_unit_test(random_sizes),           cmocka_unit_test(what_is_left_to_loops),
        cmocka_unit_test(no_kernel_is_forgotten),
    };
    begin_random();
    say_isas();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
