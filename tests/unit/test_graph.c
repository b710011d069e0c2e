/* Building graphs: values, names, nodes, ownership. */
#include "graph_test.h"

static yk_graph *fresh(void)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    return g;
}

static void types_and_operators_have_names(void **state)
{
    (void)state;
    assert_int_equal(yk_type_size(YK_F16), 2);
    assert_int_equal(yk_type_size((yk_type)99), 0);
    assert_string_equal(yk_type_name(YK_BOOL), "bool");
    assert_string_equal(yk_type_name((yk_type)-1), "unknown");
    assert_string_equal(yk_op_name(YK_OP_CONV), "Conv");
    assert_string_equal(yk_op_name((yk_op)1000), "unknown");
    yk_op op;
    assert_true(yk_op_find("DequantizeLinear", &op));
    assert_int_equal(op, YK_OP_DEQUANTIZE);
    assert_false(yk_op_find("conv", &op));
    const char *names[] = {"unknown", "anchor-free", "anchors", "yolox", "v8", "v5", "end2end"};
    for (int i = 0; i < 7; i++)
        assert_string_equal(yk_head_kind_name((yk_head_kind)i), names[i]);
}

static void shapes_count_and_print(void **state)
{
    (void)state;
    char text[96];
    yk_shape s = DIMS(1, 3, 640, 640);
    assert_int_equal(yk_shape_count(&s), 3 * 640 * 640);
    yk_shape_text(&s, text);
    assert_string_equal(text, "1x3x640x640");
    s = SCALAR;
    assert_int_equal(yk_shape_count(&s), 1);
    yk_shape_text(&s, text);
    assert_string_equal(text, "scalar");
    s.rank = -1;
    assert_int_equal(yk_shape_count(&s), -1);
    yk_shape_text(&s, text);
    assert_string_equal(text, "unknown");
    s = DIMS(INT64_MAX, 2);
    assert_int_equal(yk_shape_count(&s), -1);
    s = DIMS(4, -1);
    assert_int_equal(yk_shape_count(&s), -1);
    s = DIMS(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
    yk_shape_text(&s, text); /* cut, not overrun */
    assert_int_equal(strlen(text), 95);
    yk_shape a = DIMS(2, 3), b = DIMS(2, 3), c = DIMS(2, 4), d = DIMS(2);
    assert_true(yk_shape_equal(&a, &b));
    assert_false(yk_shape_equal(&a, &c));
    assert_false(yk_shape_equal(&a, &d));
}

static void names_are_unique_and_found(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    assert_int_equal(yk_graph_find(g, "x"), YK_NONE);
    yk_id x = yk_graph_add_value(g, "x", YK_F32);
    yk_id again = yk_graph_add_value(g, "x", YK_F32), unnamed = yk_graph_add_value(g, NULL, YK_F32);
    assert_string_not_equal(g->values[again].name, "x");
    assert_string_not_equal(g->values[unnamed].name, "");
    assert_int_equal(yk_graph_find(g, "x"), x);
    assert_int_equal(yk_graph_find(g, g->values[again].name), again);
    for (int i = 0; i < 1000; i++)
        yk_graph_add_value(g, i % 2 ? "many" : NULL, YK_F32);
    for (int i = 0; i < g->value_count; i++)
        assert_int_equal(yk_graph_find(g, g->values[i].name), i);
    assert_ok(yk_graph_rename(g, again, "y"));
    assert_ok(yk_graph_rename(g, again, "y"));
    assert_int_equal(yk_graph_find(g, "y"), again);
    assert_ok(yk_graph_rename(g, x, "y")); /* taken: something like it */
    assert_int_equal(yk_graph_find(g, "x"), YK_NONE);
    assert_string_not_equal(g->values[x].name, "y");
    yk_graph_destroy(&g);
    assert_null(g);
    yk_graph_destroy(&g);
}

static void one_input_only(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    yk_id x = yk_graph_add_input(g, NULL);
    assert_string_equal(g->values[x].name, "images");
    assert_int_equal(yk_graph_add_input(g, "depth"), YK_NONE);
    assert_non_null(strstr(yolk_last_error(), "more than one input: \"depth\" besides \"images\""));
    yk_graph_destroy(&g);
}

static void constants_are_checked_and_aligned(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    static const float number = 2.5f;
    yk_id direct = yk_graph_add_constant(g, "direct", YK_F32, SCALAR, &number);
    assert_ptr_equal(g->values[direct].data, &number);
    _Alignas(8) char bytes[12] = {0};
    memcpy(bytes + 1, &number, sizeof(number));
    yk_id moved = yk_graph_add_constant(g, "moved", YK_F32, SCALAR, bytes + 1);
    assert_ptr_not_equal(g->values[moved].data, bytes + 1);
    assert_true(*(const float *)g->values[moved].data == 2.5f);
    assert_int_equal(yk_graph_add_constant(g, "bad", YK_F32, DIMS(INT64_MAX), &number), YK_NONE);
    assert_non_null(strstr(yolk_last_error(), "tensor \"bad\" has an impossible shape"));
    assert_int_equal(yk_graph_add_constant_copy(g, "bad", YK_F32, DIMS(-2), &number), YK_NONE);
    assert_int_equal(yk_graph_add_constant(g, NULL, (yk_type)77, SCALAR, &number), YK_NONE);
    yk_shape seven = {.rank = 7, .dims = {1, 1, 1, 1, 1, 1}};
    assert_int_equal(yk_graph_add_constant(g, "seven", YK_F32, seven, &number), YK_NONE);
    assert_int_equal(yk_graph_add_constant(g, "empty", YK_F32, SCALAR, NULL), YK_NONE);
    assert_non_null(strstr(yolk_last_error(), "tensor \"empty\" has no data"));
    assert_int_not_equal(yk_graph_add_constant(g, "none", YK_F32, DIMS(0), NULL), YK_NONE);

    int64_t count;
    yk_id list = INTEGERS(g, DIMS(3), 4, 5, 6);
    assert_int_equal(yk_graph_int64(g, list, &count)[2], 6);
    assert_int_equal(count, 3);
    assert_null(yk_graph_int64(g, direct, &count));
    assert_null(yk_graph_int64(g, YK_NONE, &count));
    assert_int_equal(count, 0);
    assert_int_equal(yk_graph_parameters(g), 2); /* integers of shapes are no parameters */
    yk_graph_destroy(&g);
}

static void nodes_are_checked(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    yk_id x = yk_graph_add_input(g, "x"), pair[2] = {x, x};
    assert_int_equal(yk_graph_add_node(g, (yk_op)-1, "n", pair, 1, 1, NULL), -1);
    assert_int_equal(yk_graph_add_node(g, YK_OP_ADD, "model.3", pair, 1, 1, NULL), -1);
    assert_non_null(strstr(yolk_last_error(), "layer \"model.3\" (Add) has 1 inputs; it takes 2 to 2"));
    assert_int_equal(yk_graph_add_node(g, YK_OP_ADD, "n", pair, 2, 2, NULL), -1);
    assert_non_null(strstr(yolk_last_error(), "2 outputs"));
    pair[1] = YK_NONE;
    assert_int_equal(yk_graph_add_node(g, YK_OP_ADD, "n", pair, 2, 1, NULL), -1);
    assert_non_null(strstr(yolk_last_error(), "input 1 is missing"));
    pair[1] = 99;
    assert_int_equal(yk_graph_add_node(g, YK_OP_ADD, "n", pair, 2, 1, NULL), -1);
    yk_attrs wide = {.axes_count = 7};
    assert_int_equal(yk_graph_add_node(g, YK_OP_SQUEEZE, "n", pair, 1, 1, &wide), -1);
    assert_non_null(strstr(yolk_last_error(), "works on 7 axes"));
    assert_int_equal(g->node_count, 0);
    assert_fails(yk_graph_add_output(g, 99), YOLK_ERROR_INVALID_ARGUMENT, "output 0");
    yk_graph_destroy(&g);
}

static void nodes_know_their_types_and_defaults(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    yk_id x = yk_graph_add_input(g, "x"), k = INTEGERS(g, DIMS(1), 2), w = graph_noise(g, "w", DIMS(4, 3, 3, 5), 1);
    yk_id pair[2] = {x, k};
    int n = yk_graph_add_node(g, YK_OP_TOPK, "top", pair, 2, 2, NULL);
    assert_int_equal(g->values[g->nodes[n].outputs[0]].type, YK_F32);
    assert_int_equal(g->values[g->nodes[n].outputs[1]].type, YK_I64);
    assert_int_equal(g->values[g->nodes[n].outputs[1]].producer, n);
    assert_string_equal(g->values[g->nodes[n].outputs[0]].name, "top");
    yk_id y = NODE(g, YK_OP_CONV, NULL, x, w);
    const yk_attrs *a = &g->nodes[g->values[y].producer].attrs;
    assert_int_equal(a->kernel[0] * 10 + a->kernel[1], 35);
    assert_int_equal(a->stride[0] + a->stride[1] + a->dilation[0] + a->dilation[1] + a->groups, 5);
    yk_attrs slice = {.axes_count = 1, .ends = {1}};
    y = NODE(g, YK_OP_SLICE, &slice, x);
    assert_int_equal(g->nodes[g->values[y].producer].attrs.steps[0], 1);
    y = NODE(g, YK_OP_EQUAL, NULL, x, x);
    assert_int_equal(g->values[y].type, YK_BOOL);
    y = NODE(g, YK_OP_CAST, &(yk_attrs){.to = YK_I32}, x);
    assert_int_equal(g->values[y].type, YK_I32);
    y = NODE(g, YK_OP_QUANTIZE, NULL, x, x);
    assert_int_equal(g->values[y].type, YK_U8);
    yk_graph_destroy(&g);
}

static void the_builder_passes_failures_on(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    yk_id x = yk_graph_add_input(g, "x");
    float weights[54] = {0}, bias[2] = {0};
    yk_conv conv = {.out = 2, .kernel = {3, 3}, .groups = 2, .weights = weights, .bias = bias};
    yk_id bad = yk_build_conv(g, x, 3, &conv, "model.0.conv");
    assert_int_equal(bad, YK_NONE);
    assert_non_null(strstr(yolk_last_error(), "layer \"model.0.conv\": 3 to 2 channels in 2 groups"));
    char before[300];
    snprintf(before, sizeof(before), "%s", yolk_last_error());
    bad = yk_build_unary(g, YK_OP_SILU, bad, "a");
    bad = yk_build_max_pool(g, bad, 2, 2, 0, "b");
    assert_int_equal(yk_build_conv(g, bad, 3, &conv, "c"), YK_NONE);
    assert_int_equal(yk_build_binary(g, YK_OP_ADD, x, bad, "d"), YK_NONE);
    assert_string_equal(yolk_last_error(), before);
    assert_int_equal(g->node_count, 0);
    conv.groups = 1;
    yk_id y = yk_build_conv(g, x, 3, &conv, "model.0.conv");
    assert_string_equal(g->values[y].name, "model.0.conv");
    assert_int_not_equal(yk_graph_find(g, "model.0.conv.weight"), YK_NONE);
    assert_int_not_equal(yk_graph_find(g, "model.0.conv.bias"), YK_NONE);
    assert_int_equal(yk_graph_parameters(g), 56);
    yk_graph_destroy(&g);
}

static void memory_is_taken_over(void **state)
{
    (void)state;
    yk_graph *g = fresh();
    assert_ok(yk_graph_own(g, yk_alloc(16)));
    yk_map map;
    assert_ok(yk_map_open(__FILE__, &map));
    assert_ok(yk_graph_own_map(g, &map));
    assert_null(map.data);
    assert_ok(yk_map_open(__FILE__, &map));
    for (int i = 0; i < 64; i++) { /* until the list of maps has to grow */
        yk_alloc_fail_at(1);
        yolk_status status = yk_graph_own_map(g, &map);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK)
            break;
        assert_ok(yk_map_open(__FILE__, &map));
    }
    assert_int_equal(g->map_count < 64, 1);
    yk_graph_destroy(&g);
}

/* Everything that a small network needs, with the n-th allocation failing. */
static yolk_status build_all(yk_graph **out)
{
    yk_graph *g;
    float weights[108] = {0}, bias[4] = {0};
    yk_conv conv = {.out = 4,
                    .kernel = {3, 3},
                    .stride = {2, 2},
                    .pad = {1, 1, 1, 1},
                    .dilation = 1,
                    .groups = 1,
                    .weights = weights,
                    .bias = bias,
                    .act = YK_ACT_SILU};
    yolk_status status = yk_graph_create(&g);
    if (status != YOLK_OK)
        return status;
    yk_id x = yk_build_conv(g, yk_graph_add_input(g, "images"), 3, &conv, "conv");
    yk_id up = yk_build_upsample(g, yk_build_average_pool(g, x, 2, 2, 0, "pool"), 2, "up");
    yk_id both = yk_build_concat(g, (const yk_id[]){x, up}, 2, 1, "both");
    yk_id half = yk_build_slice(g, yk_build_softmax(g, both, 1, "softmax"), 1, 0, 4, "half");
    yk_id line = yk_build_reshape(g, half, (const int64_t[]){YK_DIM_BATCH, 4, -1}, 3, 0, "line");
    yk_id turned = yk_build_transpose(g, line, (const int[]){0, 2, 1}, 3, "turned");
    yk_id y = yk_build_binary(g, YK_OP_MUL, turned, yk_build_scalar(g, 2), "y");
    status = y == YK_NONE ? YOLK_ERROR_OUT_OF_MEMORY : yk_graph_add_output(g, y);
    if (status == YOLK_OK)
        status = yk_graph_bind(g, 2, 16, 24);
    if (status == YOLK_OK)
        status = yk_graph_copy(g, out);
    yk_graph_destroy(&g);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    yk_graph *g = NULL;
    assert_ok(build_all(&g));
    assert_string_equal(graph_shape(g, g->outputs[0]), "2x96x4");
    int64_t count;
    free(graph_run(g, 0, &count));
    assert_int_equal(count, 768);
    yk_graph_destroy(&g);
    int failures = 0;
    for (long n = 1;; n++) {
        yk_alloc_fail_at(n);
        yolk_status status = build_all(&g);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        failures++;
    }
    yk_graph_destroy(&g);
    assert_true(failures > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_operators_have_names),
        cmocka_unit_test(shapes_count_and_print),
        cmocka_unit_test(names_are_unique_and_found),
        cmocka_unit_test(one_input_only),
        cmocka_unit_test(constants_are_checked_and_aligned),
        cmocka_unit_test(nodes_are_checked),
        cmocka_unit_test(nodes_know_their_types_and_defaults),
        cmocka_unit_test(the_builder_passes_failures_on),
        cmocka_unit_test(memory_is_taken_over),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
