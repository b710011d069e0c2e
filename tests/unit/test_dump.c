/* The text form of a graph. */
#include "graph_test.h"

static void a_small_network(void **state)
{
    (void)state;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    float weights[81] = {0};
    yk_conv conv = {.out = 3,
                    .kernel = {3, 3},
                    .stride = {2, 2},
                    .pad = {2, 2, 2, 2},
                    .dilation = 2,
                    .groups = 3,
                    .weights = weights,
                    .act = YK_ACT_LEAKY_RELU};
    yk_id c = yk_build_conv(g, x, 3, &conv, "conv");
    g->nodes[0].attrs.alpha = 0.1f;
    yk_id p = yk_build_average_pool(g, yk_build_max_pool(g, c, 2, 2, 0, "max"), 3, 1, 1, "avg");
    yk_id up = yk_build_upsample(g, p, 2, "up");
    yk_id flat = yk_build_reshape(g, up, (const int64_t[]){YK_DIM_BATCH, 3, YK_DIM_HEIGHT, YK_DIM_WIDTH}, 4, 2, "grid");
    yk_id s = yk_build_slice(g, yk_build_softmax(g, flat, -1, "soft"), 1, 1, INT64_MAX, "slice");
    yk_id y = yk_build_concat(g, (const yk_id[]){s, yk_build_transpose(g, s, (const int[]){0, 1, 2, 3}, 4, "t")}, 2, 1,
                              "both");
    assert_ok(yk_graph_add_output(g, y));
    g->head = (yk_head){.kind = YK_HEAD_ANCHOR_FREE, .classes = 2, .reg_max = 16, .levels = 2, .strides = {8, 16}};
    g->head.unit_range = true;
    assert_ok(yk_graph_bind(g, 1, 16, 16));
    yk_buffer text = {0};
    assert_ok(yk_graph_dump(g, &text));
    const char *want =
        "input images:1x3x16x16\n"
        "conv:1x3x8x8 = Conv(images:1x3x16x16, conv.weight:3x1x3x3 (constant)) kernel=3x3 stride=2x2 pads=2,2,2,2"
        " dilation=2x2 groups=3 act=leaky_relu(0.1)\n"
        "max:1x3x4x4 = MaxPool(conv:1x3x8x8) kernel=2x2 stride=2x2 pads=0,0,0,0\n"
        "avg:1x3x4x4 = AveragePool(max:1x3x4x4) kernel=3x3 stride=1x1 pads=1,1,1,1 count_include_pad\n"
        "up:1x3x8x8 = Resize(avg:1x3x4x4) scale=2x2 nearest asymmetric\n";
    assert_memory_equal(text.data, want, strlen(want));
    yk_buffer_free(&text);
    yk_graph_destroy(&g);
}

/* One node over the input, unbound: its line without the part before the operator. */
static void expect_line(yk_op op, const yk_attrs *a, int extra, const char *want)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id inputs[5] = {yk_graph_add_input(g, "x")};
    for (int i = 0; i < extra; i++)
        inputs[1 + i] = INTEGERS(g, DIMS(1), 1);
    int n = yk_graph_add_node(g, op, "y", inputs, 1 + extra, op == YK_OP_TOPK ? 2 : 1, a);
    assert_true(n >= 0);
    yk_buffer text = {0};
    assert_ok(yk_graph_dump(g, &text));
    const char *line = strstr((const char *)text.data, " = ");
    assert_non_null(line);
    const char *attrs = strchr(line, '\n') - strlen(want);
    if (strncmp(attrs, want, strlen(want)) != 0 || attrs[-1] != ')')
        fail_msg("'%s' is not the end of '%s'", want, line);
    yk_buffer_free(&text);
    yk_graph_destroy(&g);
}

static void every_attribute(void **state)
{
    (void)state;
    expect_line(YK_OP_ELU, &(yk_attrs){.alpha = .5f}, 0, " alpha=0.5");
    expect_line(YK_OP_HARD_SIGMOID, &(yk_attrs){.alpha = .5f, .beta = 2}, 0, " alpha=0.5 beta=2");
    expect_line(YK_OP_GELU, &(yk_attrs){.approximate = 1}, 0, " approximate");
    expect_line(YK_OP_CAST, &(yk_attrs){.to = YK_I64}, 0, " to=int64");
    expect_line(YK_OP_CONSTANT_OF_SHAPE, &(yk_attrs){.alpha = 2}, 0, " value=2 to=float32");
    expect_line(YK_OP_RESIZE, &(yk_attrs){.size_h = 4, .size_w = 5, .linear = 1, .coordinate_mode = 2}, 0,
                " size=4x5 linear align_corners");
    expect_line(YK_OP_RESIZE, &(yk_attrs){.scale_h = 2, .scale_w = .5f, .coordinate_mode = 9}, 0,
                " scale=2x0.5 nearest unknown");
    expect_line(YK_OP_MAX_POOL, &(yk_attrs){.kernel = {2, 3}, .ceil_mode = 1}, 0,
                " kernel=2x3 stride=1x1 pads=0,0,0,0 ceil");
    expect_line(YK_OP_ARG_MAX, &(yk_attrs){.axis = 1, .keepdims = 1}, 0, " axis=1 keepdims=1");
    expect_line(
        YK_OP_SLICE,
        &(yk_attrs){.axes_count = 2, .axes = {1, 2}, .starts = {0, -1}, .ends = {9, INT64_MIN}, .steps = {2, -1}}, 0,
        " axes=[1,2] starts=[0,-1] ends=[9,begin] steps=[2,-1]");
    expect_line(YK_OP_PAD, &(yk_attrs){.axes_count = 1, .axes = {1}, .ends = {2}, .alpha = 3}, 0,
                " begins=[1] ends=[2] value=3");
    expect_line(YK_OP_RESHAPE, &(yk_attrs){.axes_count = 4, .axes = {-2, 0, -3, -1}, .reshape_stride = 8}, 0,
                " target=[batch,0,height/8,-1]");
    expect_line(YK_OP_TRANSPOSE, &(yk_attrs){.axes_count = 2, .axes = {1, 0}}, 0, " perm=[1,0]");
    expect_line(YK_OP_SQUEEZE, &(yk_attrs){.axes_count = 1, .axes = {1}}, 0, " axes=[1]");
    expect_line(YK_OP_REDUCE_MAX, &(yk_attrs){.axes_count = 1, .axes = {1}, .keepdims = 1}, 0, " axes=[1] keepdims=1");
    expect_line(YK_OP_DEPTH_TO_SPACE, &(yk_attrs){.block = 2}, 0, " block=2");
    expect_line(YK_OP_TANH, NULL, 0, "");
    expect_line(YK_OP_BATCH_NORM, &(yk_attrs){.alpha = .5f}, 4, " epsilon=0.5");
}

static void texts_of_values(void **state)
{
    (void)state;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "x"), pair[3] = {x, YK_NONE, yk_build_scalar(g, 2)};
    int n = yk_graph_add_node(g, YK_OP_CLIP, "y", pair, 3, 1, NULL);
    yk_id shape = NODE(g, YK_OP_SHAPE, NULL, x);
    assert_ok(yk_graph_add_output(g, g->nodes[n].outputs[0]));
    assert_ok(yk_graph_add_output(g, shape));
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    yk_buffer text = {0};
    assert_ok(yk_graph_dump(g, &text));
    assert_non_null(strstr((const char *)text.data, "y:1x3x8x8 = Clip(x:1x3x8x8, -, value_1:scalar (constant))\n"));
    assert_non_null(strstr((const char *)text.data, "output Shape:4:int64 (bound)\n"));
    assert_non_null(strstr((const char *)text.data, "head unknown classes=0 rgb 0..255 centred\n"));
    yk_buffer_free(&text);
    yk_alloc_fail_at(1);
    assert_fails(yk_graph_dump(g, &text), YOLK_ERROR_OUT_OF_MEMORY, "not enough memory");
    yk_alloc_fail_at(0);
    yk_buffer_free(&text);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_network),
        cmocka_unit_test(every_attribute),
        cmocka_unit_test(texts_of_values),
    };
    return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
