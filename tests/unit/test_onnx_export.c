/* Graphs written as ONNX: what every operator becomes, read back and computed again. */
#include "export/export.h"
#include "head_test.h"
#include "import/import.h"

/* Writes a graph whose output ends in rows of six, reads it back, and compares what both compute. */
static void survives(yk_graph *g, bool dynamic)
{
    yk_buffer bytes = {0};
    yk_graph *back;
    int64_t count, again;
    g->head.kind = YK_HEAD_UNKNOWN;
    g->input_height = 8;
    g->input_width = 12;
    float *before = head_run(g, 8, 12, &count);
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = dynamic}, &bytes));
    const yk_import_options options = {.head = "end2end"};
    assert_ok(yk_import_onnx(bytes.data, bytes.size, NULL, &options, &back));
    float *after = head_run(back, 8, 12, &again);
    assert_int_equal(count, again);
    head_same(before, after, count, 1e-5f);
    free(before);
    free(after);
    yk_graph_destroy(&back);
    yk_graph_destroy(&g);
    yk_buffer_free(&bytes);
}

static yk_graph *begin(yk_id *x)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    *x = yk_graph_add_input(g, "images");
    g->head.unit_range = true;
    g->stride = 4;
    return g;
}

static yk_graph *finish(yk_graph *g, yk_id y)
{
    assert_int_not_equal(y, YK_NONE);
    assert_ok(yk_graph_add_output(g, yk_build_reshape(g, y, (int64_t[]){1, -1, 6}, 3, 0, "rows")));
    return g;
}

static void activations(void **state)
{
    (void)state;
    static const yk_op unary[] = {YK_OP_SILU,  YK_OP_MISH,     YK_OP_GELU, YK_OP_HARD_SWISH, YK_OP_SIGMOID,
                                  YK_OP_RELU,  YK_OP_SOFTPLUS, YK_OP_TANH, YK_OP_ERF,        YK_OP_EXP,
                                  YK_OP_FLOOR, YK_OP_NEG,      YK_OP_ABS};
    for (size_t i = 0; i < YK_COUNT(unary); i++) {
        yk_id x;
        yk_graph *g = begin(&x);
        x = yk_build_binary(g, YK_OP_SUB, x, yk_build_scalar(g, 0.5f), "shift");
        survives(finish(g, yk_build_unary(g, unary[i], x, "act")), i % 2);
    }
    yk_id x;
    yk_graph *g = begin(&x);
    x = NODE(g, YK_OP_GELU, &(yk_attrs){.approximate = 1}, x);
    x = NODE(g, YK_OP_LEAKY_RELU, &(yk_attrs){.alpha = 0.3f}, x);
    x = NODE(g, YK_OP_ELU, &(yk_attrs){.alpha = 0.7f}, x);
    const yk_attrs hard = {.alpha = 0.3f, .beta = 0.4f};
    survives(finish(g, NODE(g, YK_OP_HARD_SIGMOID, &hard, x)), false);
}

static void convolutions_with_every_activation(void **state)
{
    (void)state;
    for (yk_act act = YK_ACT_NONE; act <= YK_ACT_HARD_SWISH; act++) {
        yk_id x;
        yk_graph *g = begin(&x);
        yk_id y = head_conv(g, x, 3, 6, 3, 1, "conv");
        yk_node *conv = &g->nodes[g->values[y].producer];
        conv->attrs.act = act;
        conv->attrs.alpha = 0.2f;
        survives(finish(g, y), act % 2);
    }
}

static void windows(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    const yk_attrs up = {.stride = {2, 2}, .groups = 1};
    yk_id y = NODE(g, YK_OP_CONV_TRANSPOSE, &up, x, graph_noise(g, "w", DIMS(3, 2, 2, 2), 1));
    const yk_attrs max = {.kernel = {3, 2}, .stride = {2, 2}, .pads = {1, 0, 1, 0}, .ceil_mode = 1};
    y = NODE(g, YK_OP_MAX_POOL, &max, y);
    const yk_attrs mean = {.kernel = {3, 3}, .stride = {1, 1}, .pads = {1, 1, 1, 1}, .count_include_pad = 1};
    y = NODE(g, YK_OP_AVERAGE_POOL, &mean, y);
    yk_id norm[5] = {y, graph_noise(g, "s", DIMS(2), 2), graph_noise(g, "b", DIMS(2), 3),
                     graph_noise(g, "m", DIMS(2), 4), FLOATS(g, DIMS(2), 1, 2)};
    y = graph_node(g, YK_OP_BATCH_NORM, &(yk_attrs){.alpha = 1e-3f}, norm, 5);
    survives(finish(g, y), false);
    g = begin(&x);
    y = NODE(g, YK_OP_SPACE_TO_DEPTH, &(yk_attrs){.block = 2}, x);
    y = NODE(g, YK_OP_DEPTH_TO_SPACE, &(yk_attrs){.block = 2}, y);
    y = yk_build_binary(g, YK_OP_ADD, y, NODE(g, YK_OP_GLOBAL_AVERAGE_POOL, NULL, y), "add");
    survives(finish(g, y), false);
}

static void resizing(void **state)
{
    (void)state;
    static const yk_attrs cases[] = {
        {.scale_h = 2, .scale_w = 3},
        {.size_h = 4, .size_w = 6, .coordinate_mode = 1},
        {.scale_h = 2, .scale_w = 2, .linear = 1, .coordinate_mode = 1},
        {.scale_h = 2, .scale_w = 2, .linear = 1, .coordinate_mode = 2},
        {.scale_h = 2, .scale_w = 2, .linear = 1, .coordinate_mode = 3},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_id x;
        yk_graph *g = begin(&x);
        survives(finish(g, NODE(g, YK_OP_RESIZE, &cases[i], x)), false);
    }
}

static void what_moves_elements(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    const yk_attrs some = {.axes_count = 2, .axes = {2, 3}, .starts = {1, -1}, .ends = {7, 0}, .steps = {2, -2}};
    yk_id y = NODE(g, YK_OP_SLICE, &some, x); /* 1x3x3x6, the last column left out */
    const yk_attrs pad = {.axes_count = 4, .axes = {0, 0, 1, 0}, .ends = {0, 0, 0, 1}, .alpha = 0.5f};
    y = NODE(g, YK_OP_PAD, &pad, y);
    y = yk_build_transpose(g, y, (int[]){0, 3, 1, 2}, 4, "turn");
    y = NODE(g, YK_OP_SQUEEZE, &((yk_attrs){.axes_count = 1, .axes = {0}}), y);
    y = NODE(g, YK_OP_UNSQUEEZE, &((yk_attrs){.axes_count = 1, .axes = {0}}), y);
    yk_id times = INTEGERS(g, DIMS(4), 1, 2, 1, 1);
    y = NODE(g, YK_OP_TILE, NULL, y, times);
    yk_id index = INTEGERS(g, DIMS(6), 5, 0, 3, 3, 1, 2);
    y = NODE(g, YK_OP_GATHER, &(yk_attrs){.axis = 1}, y, index);
    y = NODE(g, YK_OP_FLATTEN, &(yk_attrs){.axis = 2}, y);
    y = yk_build_concat(g, (yk_id[]){y, y}, 2, 0, "twice");
    survives(finish(g, y), false);
}

static void reductions_and_choices(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    const yk_attrs rows = {.axes_count = 1, .axes = {2}, .keepdims = 1},
                   channels = {.axes_count = 1, .axes = {1}, .keepdims = 1};
    yk_id sum = NODE(g, YK_OP_REDUCE_SUM, &rows, x), most = NODE(g, YK_OP_REDUCE_MAX, &channels, x);
    yk_id least = NODE(g, YK_OP_REDUCE_MIN, &rows, x), mean = NODE(g, YK_OP_REDUCE_MEAN, &channels, x);
    yk_id all = NODE(g, YK_OP_REDUCE_SUM, &(yk_attrs){.keepdims = 0}, x);
    yk_id over = yk_build_binary(g, YK_OP_GREATER, x, mean, "over");
    yk_id y = NODE(g, YK_OP_WHERE, NULL, over, yk_build_binary(g, YK_OP_ADD, sum, most, "a"), least);
    y = yk_build_binary(g, YK_OP_DIV, y, all, "share");
    yk_id limits[3] = {y, YK_NONE, yk_build_scalar(g, 0.02f)};
    y = graph_node(g, YK_OP_CLIP, NULL, limits, 3);
    yk_id best = NODE(g, YK_OP_ARG_MAX, &((yk_attrs){.axis = 1, .keepdims = 1}), x);
    y = yk_build_binary(g, YK_OP_ADD, y, NODE(g, YK_OP_CAST, &(yk_attrs){.to = YK_F32}, best), "b");
    y = yk_build_binary(g, YK_OP_MOD, y, yk_build_scalar(g, 1.5f), "mod");
    g->nodes[g->values[y].producer].attrs.fmod = 1;
    survives(finish(g, yk_build_softmax(g, y, 3, "softmax")), true);
}

static void matrices_and_constants(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    const yk_attrs gemm = {.alpha = 0.5f, .beta = 2, .transpose_b = 1};
    yk_id rows = yk_build_reshape(g, x, (int64_t[]){-1, 12}, 2, 0, "rows");
    yk_id y = NODE(g, YK_OP_GEMM, &gemm, rows, graph_noise(g, "w", DIMS(6, 12), 1), graph_noise(g, "b", DIMS(6), 2));
    yk_id shape = NODE(g, YK_OP_SHAPE, NULL, y);
    static const yk_type types[] = {YK_F32, YK_F64, YK_I64, YK_I32, YK_U8};
    for (size_t i = 0; i < YK_COUNT(types); i++) {
        const yk_attrs fill = {.to = types[i], .alpha = 3}, cast = {.to = YK_F32};
        yk_id threes = NODE(g, YK_OP_CONSTANT_OF_SHAPE, &fill, shape);
        if (types[i] == YK_F64)
            continue; /* yolk does not read it back */
        y = yk_build_binary(g, YK_OP_ADD, y, types[i] == YK_F32 ? threes : NODE(g, YK_OP_CAST, &cast, threes), "add");
    }
    survives(finish(g, y), false);
}

static void names_that_get_in_the_way(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    /* What the writer would call the parts of a SiLU is taken. */
    yk_id y = yk_build_unary(g, YK_OP_SILU, x, "a");
    yk_id taken = yk_build_unary(g, YK_OP_EXP, y, "a:sigmoid");
    yk_id again = yk_build_unary(g, YK_OP_SILU, taken, "b:1:");
    survives(finish(g, again), false);
}

static void open_sizes_that_only_a_shape_can_tell(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x), *back;
    yk_buffer bytes = {0};
    int64_t count, again;
    yk_id y = yk_build_max_pool(g, x, 2, 2, 0, "half");
    y = yk_build_reshape(g, y, (int64_t[]){YK_DIM_BATCH, 3, YK_DIM_INFER}, 3, 0, "flat");
    y = yk_build_reshape(g, y, (int64_t[]){YK_DIM_BATCH, 3, YK_DIM_HEIGHT, YK_DIM_WIDTH}, 4, 2, "map");
    y = yk_build_max_pool(g, y, 2, 2, 0, "quarter");
    y = yk_build_reshape(g, y, (int64_t[]){3, YK_DIM_HEIGHT, YK_DIM_WIDTH}, 3, 4, "rows");
    y = yk_build_reshape(g, y, (int64_t[]){YK_DIM_BATCH, 3, YK_DIM_INFER}, 3, 0, "flat_again");
    y = yk_build_concat(g, (yk_id[]){y, y}, 2, 1, "six");
    y = yk_build_transpose(g, y, (int[]){0, 2, 1}, 3, "boxes");
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_bind(g, 1, 8, 12));
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = true}, &bytes));
    const yk_import_options options = {.head = "end2end"};
    assert_ok(yk_import_onnx(bytes.data, bytes.size, NULL, &options, &back));
    float *before = head_run(g, 16, 20, &count), *after = head_run(back, 16, 20, &again);
    assert_int_equal(count, again);
    head_same(before, after, count, 0);
    free(before);
    free(after);
    yk_graph_destroy(&g);
    yk_graph_destroy(&back);
    yk_buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations),
        cmocka_unit_test(convolutions_with_every_activation),
        cmocka_unit_test(windows),
        cmocka_unit_test(resizing),
        cmocka_unit_test(what_moves_elements),
        cmocka_unit_test(reductions_and_choices),
        cmocka_unit_test(matrices_and_constants),
        cmocka_unit_test(names_that_get_in_the_way),
        cmocka_unit_test(open_sizes_that_only_a_shape_can_tell),
    };
    return cmocka_run_group_tests_name("onnx_export", tests, NULL, NULL);
}
