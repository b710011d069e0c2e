/* Binding to input sizes: shapes, what is computed beforehand, limits. */
#include "graph_test.h"

static yk_graph *fresh(yk_id *x)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    *x = yk_graph_add_input(g, "images");
    return g;
}

/* A backbone of stride 8 and, as PyTorch exports them, a flattening that computes its target from shapes. */
static yk_graph *with_shape_subgraph(yk_id *grid)
{
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_attrs conv = {.stride = {8, 8}, .pads = {1, 1, 1, 1}};
    yk_id f = NODE(g, YK_OP_CONV, &conv, x, graph_noise(g, "w", DIMS(4, 3, 3, 3), 1));
    yk_id shape = NODE(g, YK_OP_SHAPE, NULL, f), two = INTEGERS(g, DIMS(1), 2), three = INTEGERS(g, DIMS(1), 3);
    yk_id h = NODE(g, YK_OP_GATHER, NULL, shape, two), w = NODE(g, YK_OP_GATHER, NULL, shape, three);
    yk_id area = NODE(g, YK_OP_MUL, NULL, h, w);
    yk_id target = NODE(g, YK_OP_CONCAT, NULL, INTEGERS(g, DIMS(2), 0, 4), area);
    yk_id line = NODE(g, YK_OP_RESHAPE, NULL, f, target);
    yk_id zero = INTEGERS(g, SCALAR, 0), one = INTEGERS(g, SCALAR, 1);
    yk_id limit = NODE(g, YK_OP_SQUEEZE, NULL, area);
    *grid = NODE(g, YK_OP_CAST, NULL, NODE(g, YK_OP_RANGE, NULL, zero, limit, one));
    yk_id y = NODE(g, YK_OP_ADD, NULL, line, *grid);
    assert_ok(yk_graph_add_output(g, y));
    return g;
}

static void shapes_follow_the_input(void **state)
{
    (void)state;
    yk_id grid;
    yk_graph *g = with_shape_subgraph(&grid);
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    assert_string_equal(graph_shape(g, g->outputs[0]), "1x4x64");
    assert_true(g->values[grid].bound);
    assert_true(((const float *)g->values[grid].data)[63] == 63);
    assert_null(g->values[g->outputs[0]].data);
    assert_ok(yk_graph_bind(g, 3, 40, 72));
    assert_string_equal(graph_shape(g, g->outputs[0]), "3x4x45");
    assert_string_equal(graph_shape(g, grid), "45");
    assert_int_equal(g->bound[0] * 10000 + g->bound[1] * 100 + g->bound[2], 34072);
    yk_graph_unbind(g);
    assert_null(g->values[grid].data);
    assert_int_equal(g->values[grid].shape.rank, -1);
    assert_int_equal(g->bound[0], 0);
    yk_graph_destroy(&g);
}

static void a_failed_binding_leaves_the_last_one(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_attrs conv = {.kernel = {9, 9}};
    yk_id y = NODE(g, YK_OP_CONV, &conv, x, graph_noise(g, "w", DIMS(2, 3, 9, 9), 1));
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_bind(g, 1, 10, 12));
    assert_fails(yk_graph_bind(g, 1, 4, 12), YOLK_ERROR_DAMAGED,
                 "with an input of 1x3x4x12: layer \"Conv\" (Conv of 1x3x4x12, 2x3x9x9): the kernel is larger");
    assert_string_equal(graph_shape(g, y), "1x2x2x4");
    assert_int_equal(g->bound[1], 10);
    yk_graph_destroy(&g);
}

static void reshape_understands_symbols(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id pooled = yk_build_max_pool(g, x, 4, 4, 0, "pool");
    yk_id y = yk_build_reshape(g, pooled, (const int64_t[]){YK_DIM_BATCH, YK_DIM_COPY, 1, YK_DIM_HEIGHT, YK_DIM_WIDTH},
                               5, 4, "split");
    yk_id z = yk_build_reshape(g, y, (const int64_t[]){YK_DIM_INFER, YK_DIM_WIDTH}, 2, 4, "lines");
    assert_ok(yk_graph_add_output(g, z));
    assert_ok(yk_graph_bind(g, 2, 16, 8));
    assert_string_equal(graph_shape(g, y), "2x3x1x4x2");
    assert_string_equal(graph_shape(g, z), "24x2");
    assert_ok(yk_graph_bind(g, 1, 8, 40));
    assert_string_equal(graph_shape(g, y), "1x3x1x2x10");
    yk_graph_destroy(&g);
}

static void sizes_that_make_no_sense(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    assert_ok(yk_graph_add_output(g, x));
    const int64_t bad[][3] = {{0, 8, 8}, {1, -1, 8}, {1, 8, 0}, {INT64_MAX, 8, 8}, {1, INT64_MAX, 8}, {1, 8, 1 << 30}};
    for (size_t i = 0; i < YK_COUNT(bad); i++)
        assert_fails(yk_graph_bind(g, bad[i][0], bad[i][1], bad[i][2]), YOLK_ERROR_INVALID_ARGUMENT, "cannot be given");
    assert_fails(yk_graph_bind(g, 1 << 16, 1 << 20, 1 << 20), YOLK_ERROR_LIMIT, "\"images\" is larger");
    yk_graph_destroy(&g);
    assert_ok(yk_graph_create(&g));
    assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_DAMAGED, "no input");
    yk_graph_destroy(&g);
}

static void values_that_nothing_computes(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id ghost = yk_graph_add_value(g, "ghost", YK_F32);
    yk_id y = NODE(g, YK_OP_ADD, NULL, x, ghost);
    assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_DAMAGED, "(Add) needs \"ghost\", which nothing before it");
    (void)y;
    yk_graph_destroy(&g);
    g = fresh(&x);
    assert_ok(yk_graph_add_output(g, yk_graph_add_value(g, "ghost", YK_F32)));
    assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_DAMAGED, "output \"ghost\" is computed by nothing");
    yk_graph_destroy(&g);
}

static void hostile_sizes_are_refused(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id shape = INTEGERS(g, DIMS(3), INT64_C(1) << 40, INT64_C(1) << 40, 0);
    yk_id y = NODE(g, YK_OP_CONSTANT_OF_SHAPE, NULL, shape);
    assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_LIMIT, "more than 8589934592 elements");
    (void)y;
    yk_graph_destroy(&g);

    g = fresh(&x);
    assert_int_not_equal(yk_graph_add_constant(g, "flat", YK_F32, DIMS(0, INT64_MAX), NULL), YK_NONE);
    assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_LIMIT, "tensor \"flat\" is larger");
    yk_graph_destroy(&g);

    /* Each is allowed, all together are not; and nothing of that size is allocated. */
    g = fresh(&x);
    shape = INTEGERS(g, DIMS(2), 1 << 16, 1 << 16);
    for (int i = 0; i < 20; i++)
        NODE(g, YK_OP_CONSTANT_OF_SHAPE, NULL, shape);
    assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_LIMIT, "up to here");
    yk_graph_destroy(&g);

    /* What would take long to compute beforehand is left to the run. */
    g = fresh(&x);
    yk_id big = NODE(g, YK_OP_CONSTANT_OF_SHAPE, NULL, INTEGERS(g, DIMS(2), 2000, 2000));
    yk_id product = NODE(g, YK_OP_MATMUL, NULL, big, big);
    yk_id sum = NODE(g, YK_OP_REDUCE_SUM, NULL, product);
    assert_ok(yk_graph_add_output(g, sum));
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    assert_true(g->values[big].bound);
    assert_null(g->values[product].data);
    assert_null(g->values[sum].data);
    yk_graph_destroy(&g);
}

static void accepted_sizes(void **state)
{
    (void)state;
    yk_id grid;
    yk_graph *g = with_shape_subgraph(&grid);
    g->input_height = g->input_width = 64;
    g->stride = 8;
    assert_true(yk_graph_accepts(g, 1, 64, 64));
    assert_false(yk_graph_accepts(g, 1, 64, 128)); /* nobody has said that the size may change */
    g->dynamic_size = true;
    assert_true(yk_graph_accepts(g, 1, 64, 128));
    assert_false(yk_graph_accepts(g, 1, 64, 100)); /* no multiple of the stride */
    assert_false(yk_graph_accepts(g, 1, 0, 0));
    assert_true(yk_graph_accepts(g, 2, 64, 64));
    assert_int_equal(g->bound[0], 0);
    yk_graph_destroy(&g);

    /* A batch that is written into a Reshape. */
    yk_id x;
    g = fresh(&x);
    yk_id y = yk_build_reshape(g, x, (const int64_t[]){1, YK_DIM_INFER, 3}, 3, 0, "boxes");
    assert_ok(yk_graph_add_output(g, y));
    g->dynamic_size = true;
    assert_true(yk_graph_accepts(g, 1, 8, 8));
    assert_false(yk_graph_accepts(g, 2, 8, 8));
    yk_graph_destroy(&g);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    yk_id grid;
    yk_graph *g = with_shape_subgraph(&grid);
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    for (long n = 1;; n++) {
        yk_alloc_fail_at(n);
        yolk_status status = yk_graph_bind(g, 1, 32, 32);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_int_equal(g->bound[1], 64);
    }
    assert_string_equal(graph_shape(g, grid), "16");
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_follow_the_input),
        cmocka_unit_test(a_failed_binding_leaves_the_last_one),
        cmocka_unit_test(reshape_understands_symbols),
        cmocka_unit_test(sizes_that_make_no_sense),
        cmocka_unit_test(values_that_nothing_computes),
        cmocka_unit_test(hostile_sizes_are_refused),
        cmocka_unit_test(accepted_sizes),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
