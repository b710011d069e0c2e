/* Passes leave what a graph computes, and make it smaller. */
#include "graph_test.h"

static yk_graph *fresh(yk_id *x)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    *x = yk_graph_add_input(g, "images");
    return g;
}

static int count_op(const yk_graph *g, yk_op op)
{
    int count = 0;
    for (int i = 0; i < g->node_count; i++)
        count += g->nodes[i].op == op;
    return count;
}

/* Runs the graph before and after simplification at two sizes and compares. */
static void simplify_and_compare(yk_graph *g, float tolerance)
{
    const int64_t sizes[][3] = {{1, 16, 16}, {2, 24, 8}};
    float *before[2];
    int64_t count;
    char name[200];
    snprintf(name, sizeof(name), "%s", g->values[g->outputs[0]].name);
    for (int i = 0; i < 2; i++) {
        assert_ok(yk_graph_bind(g, sizes[i][0], sizes[i][1], sizes[i][2]));
        before[i] = graph_run(g, 0, &count);
    }
    assert_ok(yk_pass_simplify(g));
    assert_int_equal(g->bound[0], 0);
    assert_string_equal(g->values[g->outputs[0]].name, name);
    assert_int_equal(yk_graph_find(g, name), g->outputs[0]);
    for (int i = 0; i < 2; i++) {
        assert_ok(yk_graph_bind(g, sizes[i][0], sizes[i][1], sizes[i][2]));
        float *after = graph_run(g, 0, &count);
        for (int64_t k = 0; k < count; k++)
            assert_true(fabsf(after[k] - before[i][k]) <= tolerance);
        free(after);
        free(before[i]);
    }
}

static yk_id conv(yk_graph *g, yk_id x, int in, int out, bool bias, const char *name)
{
    yk_attrs a = {.pads = {1, 1, 1, 1}};
    yk_id inputs[3] = {x, graph_noise(g, "weights", DIMS(out, in, 3, 3), (unsigned)out), YK_NONE};
    if (bias)
        inputs[2] = graph_noise(g, "bias", DIMS(out), 9);
    int n = yk_graph_add_node(g, YK_OP_CONV, name, inputs, bias ? 3 : 2, 1, &a);
    return g->nodes[n].outputs[0];
}

static yk_id batch_norm(yk_graph *g, yk_id x, int channels)
{
    yk_id variance = yk_graph_add_constant_copy(g, "variance", YK_F32, DIMS(channels), (const float[]){1, .5f, 2, 4});
    return NODE(g, YK_OP_BATCH_NORM, &(yk_attrs){.alpha = 1e-3f}, x, graph_noise(g, "scale", DIMS(channels), 3),
                graph_noise(g, "shift", DIMS(channels), 4), graph_noise(g, "mean", DIMS(channels), 5), variance);
}

static void batch_norm_and_silu_go_into_the_convolution(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        yk_id x;
        yk_graph *g = fresh(&x);
        yk_id y = batch_norm(g, conv(g, x, 3, 4, bias, "c"), 4);
        y = NODE(g, YK_OP_MUL, NULL, y, NODE(g, YK_OP_SIGMOID, NULL, y));
        assert_ok(yk_graph_add_output(g, y));
        simplify_and_compare(g, 1e-5f);
        assert_int_equal(g->node_count, 1);
        assert_int_equal(g->nodes[0].attrs.act, YK_ACT_SILU);
        assert_int_equal(g->nodes[0].input_count, 3);
        assert_int_equal(g->value_count, 4); /* input, weights, bias, result */
        yk_graph_destroy(&g);
    }
}

static void a_shared_convolution_is_left_alone(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id c = conv(g, x, 3, 4, true, "c"), both[2];
    both[0] = batch_norm(g, c, 4);
    both[1] = NODE(g, YK_OP_RELU, NULL, c);
    assert_ok(yk_graph_add_output(g, yk_build_concat(g, both, 2, 1, "y")));
    simplify_and_compare(g, 0);
    assert_int_equal(g->node_count, 4);
    yk_graph_destroy(&g);

    g = fresh(&x); /* also one whose result is wanted */
    c = conv(g, x, 3, 4, true, "c");
    assert_ok(yk_graph_add_output(g, c));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_RELU, NULL, c)));
    simplify_and_compare(g, 0);
    assert_int_equal(g->node_count, 2);
    yk_graph_destroy(&g);
}

static void each_activation_is_fused(void **state)
{
    (void)state;
    const yk_op ops[] = {YK_OP_SILU, YK_OP_RELU, YK_OP_LEAKY_RELU, YK_OP_SIGMOID, YK_OP_HARD_SWISH};
    const yk_act acts[] = {YK_ACT_SILU, YK_ACT_RELU, YK_ACT_LEAKY_RELU, YK_ACT_SIGMOID, YK_ACT_HARD_SWISH};
    for (size_t i = 0; i < YK_COUNT(ops); i++) {
        yk_id x;
        yk_graph *g = fresh(&x);
        yk_attrs a = {.alpha = 0.1f};
        assert_ok(yk_graph_add_output(g, NODE(g, ops[i], &a, conv(g, x, 3, 2, true, "c"))));
        simplify_and_compare(g, 1e-6f);
        assert_int_equal(g->node_count, 1);
        assert_int_equal(g->nodes[0].attrs.act, acts[i]);
        yk_graph_destroy(&g);
    }
}

static void constants_are_folded(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id a = FLOATS(g, DIMS(3, 1, 1), 1, 2, 3), b = FLOATS(g, SCALAR, 2);
    yk_id c = NODE(g, YK_OP_MUL, NULL, a, b), d = NODE(g, YK_OP_SUB, NULL, c, b);
    yk_id y = NODE(g, YK_OP_ADD, NULL, x, d);
    yk_id target = NODE(g, YK_OP_CONCAT, NULL, INTEGERS(g, DIMS(1), 0), INTEGERS(g, DIMS(2), 3, -1));
    yk_id z = NODE(g, YK_OP_RESHAPE, NULL, y, target);
    assert_ok(yk_graph_add_output(g, z));
    simplify_and_compare(g, 0);
    assert_int_equal(g->node_count, 2);
    const yk_node *reshape = &g->nodes[1];
    assert_int_equal(reshape->input_count, 1);
    assert_int_equal(reshape->attrs.axes_count, 3);
    assert_int_equal(reshape->attrs.axes[2], -1);
    yk_graph_destroy(&g);

    g = fresh(&x); /* in other types than those that are computed in */
    a = yk_graph_add_constant_copy(g, "halves", YK_F16, DIMS(2), (const uint16_t[]){0x3c00, 0xc000});
    b = yk_graph_add_constant_copy(g, "ints", YK_I32, SCALAR, (const int32_t[]){3});
    c = NODE(g, YK_OP_NEG, NULL, a);
    d = NODE(g, YK_OP_CAST, NULL, NODE(g, YK_OP_MUL, NULL, b, b));
    y = NODE(g, YK_OP_ADD, NULL, NODE(g, YK_OP_CAST, NULL, c), d);
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_pass_simplify(g));
    assert_int_equal(g->node_count, 0);
    assert_true(((const float *)g->values[g->outputs[0]].data)[1] == 11);
    yk_graph_destroy(&g);

    /* A wrong constant expression is reported when it is met. */
    g = fresh(&x);
    y = NODE(g, YK_OP_GATHER, NULL, FLOATS(g, DIMS(1), 1), INTEGERS(g, SCALAR, 4));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_ADD, NULL, x, y)));
    assert_fails(yk_pass_simplify(g), YOLK_ERROR_DAMAGED, "index 4 lies outside");
    yk_graph_destroy(&g);
}

static void quantized_weights_stay(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id q = yk_graph_add_constant_copy(g, "q", YK_I8, DIMS(3, 1, 1), (const int8_t[]){1, 2, 3});
    yk_id w = NODE(g, YK_OP_DEQUANTIZE, NULL, q, FLOATS(g, SCALAR, .5f));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_MUL, NULL, x, w)));
    simplify_and_compare(g, 0);
    assert_int_equal(count_op(g, YK_OP_DEQUANTIZE), 1);
    yk_graph_destroy(&g);
}

static void identities_go(void **state)
{
    (void)state;
    const struct {
        yk_op op;
        yk_attrs attrs;
        bool goes;
    } cases[] = {
        {YK_OP_CAST, {.to = YK_F32}, true},
        {YK_OP_CONCAT, {.axis = 1}, true},
        {YK_OP_CLIP, {.axis = 0}, true},
        {YK_OP_SLICE, {.axes_count = 1, .axes = {1}, .ends = {INT64_MAX}}, true},
        {YK_OP_SLICE, {.axes_count = 1, .axes = {1}, .ends = {2}}, false},
        {YK_OP_TRANSPOSE, {.axes_count = 4, .axes = {0, 1, 2, 3}}, true},
        {YK_OP_TRANSPOSE, {.axes_count = 4, .axes = {0, 1, 3, 2}}, false},
        {YK_OP_TRANSPOSE, {.axes_count = 0}, false},
        {YK_OP_PAD, {.axes_count = 4}, true},
        {YK_OP_PAD, {.axes_count = 4, .ends = {0, 0, 1, 0}}, false},
        {YK_OP_UNSQUEEZE, {.axes_count = 0}, true},
        {YK_OP_RESIZE, {.scale_h = 1, .scale_w = 1}, true},
        {YK_OP_RESIZE, {.scale_h = 1, .scale_w = 2}, false},
        {YK_OP_MAX_POOL, {.kernel = {1, 1}}, true},
        {YK_OP_AVERAGE_POOL, {.kernel = {1, 1}, .stride = {1, 2}}, false},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_id x;
        yk_graph *g = fresh(&x);
        yk_id y = NODE(g, cases[i].op, &cases[i].attrs, NODE(g, YK_OP_TANH, NULL, x));
        assert_ok(yk_graph_add_output(g, y));
        simplify_and_compare(g, 0);
        assert_int_equal(g->node_count, cases[i].goes ? 1 : 2);
        yk_graph_destroy(&g);
    }
}

static void arithmetic_with_neutral_numbers_goes(void **state)
{
    (void)state;
    const struct {
        yk_op op;
        float number;
        bool left, goes;
    } cases[] = {
        {YK_OP_ADD, 0, false, true}, {YK_OP_ADD, 0, true, true},  {YK_OP_ADD, 1, false, false},
        {YK_OP_MUL, 1, true, true},  {YK_OP_SUB, 0, false, true}, {YK_OP_SUB, 0, true, false},
        {YK_OP_DIV, 1, false, true}, {YK_OP_DIV, 1, true, false}, {YK_OP_POW, 1, false, true},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_id x;
        yk_graph *g = fresh(&x);
        yk_id t = NODE(g, YK_OP_EXP, NULL, x), n = FLOATS(g, SCALAR, cases[i].number);
        yk_id y = cases[i].left ? NODE(g, cases[i].op, NULL, n, t) : NODE(g, cases[i].op, NULL, t, n);
        assert_ok(yk_graph_add_output(g, y));
        simplify_and_compare(g, 0);
        assert_int_equal(g->node_count, cases[i].goes ? 1 : 2);
        yk_graph_destroy(&g);
    }
    /* One that would raise the rank stays. */
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id y = NODE(g, YK_OP_ADD, NULL, x, FLOATS(g, DIMS(1, 1, 1, 1, 1), 0));
    assert_ok(yk_graph_add_output(g, y));
    simplify_and_compare(g, 0);
    assert_int_equal(g->node_count, 1);
    yk_graph_destroy(&g);
}

static void outputs_keep_their_names(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id t = yk_build_unary(g, YK_OP_TANH, x, "inner");
    yk_id y = yk_build_unary(g, YK_OP_CLIP, t, "output0"), z = yk_build_unary(g, YK_OP_CLIP, x, "copy");
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_add_output(g, z));
    assert_ok(yk_pass_simplify(g));
    assert_string_equal(g->values[g->outputs[0]].name, "output0");
    assert_int_equal(g->outputs[0], g->outputs[1]);
    assert_string_equal(g->values[g->outputs[2]].name, "copy"); /* the input cannot take another name */
    assert_int_equal(g->node_count, 2);
    yk_graph_destroy(&g);
}

static void pruning_keeps_what_is_needed(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    yk_id dead = yk_build_unary(g, YK_OP_EXP, x, "dead"), k = INTEGERS(g, DIMS(1), 2), pair[2] = {x, k};
    yk_build_binary(g, YK_OP_ADD, dead, yk_build_scalar(g, 4), "deader");
    int top = yk_graph_add_node(g, YK_OP_TOPK, "top", pair, 2, 2, &(yk_attrs){.axis = 3, .largest = 1});
    yk_id second = g->nodes[top].outputs[1];
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CAST, NULL, second)));
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    assert_ok(yk_pass_prune(g));
    assert_int_equal(g->node_count, 2);
    assert_int_equal(g->value_count, 5);
    assert_int_equal(yk_graph_find(g, "dead"), YK_NONE);
    assert_int_equal(g->values[g->nodes[0].outputs[1]].producer, 0);
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    assert_string_equal(graph_shape(g, g->outputs[0]), "1x3x8x2");
    yk_graph_destroy(&g);
}

static void other_floats_become_float32(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = fresh(&x);
    uint16_t halves[2] = {yk_float_to_half(1.5f), yk_float_to_half(-2)};
    yk_id h = yk_graph_add_constant_copy(g, "h", YK_F16, DIMS(2, 1, 1), halves);
    yk_id d = yk_graph_add_constant_copy(g, "d", YK_F64, SCALAR, (const double[]){0.25});
    yk_id x16 = NODE(g, YK_OP_CAST, &(yk_attrs){.to = YK_F16}, yk_build_slice(g, x, 1, 0, 2, "rg"));
    yk_id y = NODE(g, YK_OP_MUL, NULL, x16, h);
    assert_int_equal(g->values[y].type, YK_F16);
    yk_id y64 = NODE(g, YK_OP_CAST, &(yk_attrs){.to = YK_F64}, y), z = NODE(g, YK_OP_ADD, NULL, y64, d);
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CAST, &(yk_attrs){.to = YK_F32}, z)));
    assert_ok(yk_pass_to_f32(g));
    for (int i = 0; i < g->value_count; i++)
        assert_int_equal(g->values[i].type, YK_F32);
    simplify_and_compare(g, 1e-6f);
    assert_int_equal(count_op(g, YK_OP_CAST), 0);
    assert_int_equal(g->node_count, 3);
    yk_graph_destroy(&g);
}

static yk_graph *for_all_passes(void)
{
    yk_id x;
    yk_graph *g = fresh(&x);
    uint16_t half = 0x3c00;
    yk_id one = yk_graph_add_constant_copy(g, "one", YK_F16, SCALAR, &half);
    yk_id y = batch_norm(g, conv(g, x, 3, 4, true, "c"), 4);
    y = NODE(g, YK_OP_MUL, NULL, NODE(g, YK_OP_SIGMOID, NULL, y), y);
    yk_id e = NODE(g, YK_OP_EXP, NULL, NODE(g, YK_OP_CAST, NULL, one));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_ADD, NULL, y, e)));
    return g;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int failures = 0;
    for (long n = 1;; n++) {
        yk_graph *g = for_all_passes();
        yk_alloc_fail_at(n);
        yolk_status status = yk_pass_to_f32(g);
        if (status == YOLK_OK)
            status = yk_pass_simplify(g);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            assert_int_equal(g->node_count, 2);
        yk_graph_destroy(&g);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        failures++;
    }
    assert_true(failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_and_silu_go_into_the_convolution),
        cmocka_unit_test(a_shared_convolution_is_left_alone),
        cmocka_unit_test(each_activation_is_fused),
        cmocka_unit_test(constants_are_folded),
        cmocka_unit_test(quantized_weights_stay),
        cmocka_unit_test(identities_go),
        cmocka_unit_test(arithmetic_with_neutral_numbers_goes),
        cmocka_unit_test(outputs_keep_their_names),
        cmocka_unit_test(pruning_keeps_what_is_needed),
        cmocka_unit_test(other_floats_become_float32),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("passes", tests, NULL, NULL);
}
