/* 8-bit plans: what runs on bytes, and that it is what the network says with its pairs. */
#include "import/import.h"
#include "int8_test.h"
#include "plan_test.h"

static yk_plan *make(yk_graph *g, yk_layout (*layout)(const yk_graph *, const yk_node *))
{
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = layout};
    yk_plan *p;
    assert_ok(yk_plan_make(g, &options, &p));
    return p;
}

static int count_steps(const yk_plan *p, yk_op op)
{
    int count = 0;
    for (int i = 0; i < p->step_count; i++)
        count += p->steps[i].kind == YK_STEP_NODE && p->steps[i].op == op;
    return count;
}

static int count_int8(const yk_plan *p)
{
    int count = 0;
    for (int i = 0; i < p->step_count; i++) {
        const yk_step *s = &p->steps[i];
        count += s->kind == YK_STEP_NODE && s->op == YK_OP_CONV && p->tensors[s->inputs[1]].type == YK_I8;
    }
    return count;
}

static int count_bytes_out(const yk_plan *p)
{
    int count = 0;
    for (int i = 0; i < p->step_count; i++) {
        const yk_step *s = &p->steps[i];
        count += s->kind == YK_STEP_NODE && s->op == YK_OP_CONV && p->tensors[s->outputs[0]].type != YK_F32;
    }
    return count;
}

/* The plan against the graph with its pairs. A number that lies on the border between two bytes may fall on either
 * side, since the graph adds rounded products; what follows from one such byte stays within `most`. */
static void check(yk_graph *g, yk_layout (*layout)(const yk_graph *, const yk_node *), double most)
{
    yk_plan *p = make(g, layout);
    plan_memory m = plan_memory_make(p);
    float **want = plan_expected(g, m.input);
    plan_run(p, &m);
    plan_compare(p, m.outputs, want, most);
    for (int i = 0; i < g->output_count; i++)
        free(want[i]);
    free(want);
    plan_memory_free(p, &m);
    yk_plan_destroy(&p);
}

static void check_both(yk_graph *g)
{
    for (int batch = 1; batch <= 3; batch += 2) {
        assert_ok(yk_graph_bind(g, batch, 9, 7));
        check(g, plan_nhwc, 1e-5);
        check(g, plan_all_plain, 1e-5);
    }
}

/* Cut, added, pooled, joined, enlarged: nothing is float between the picture and the last convolution. */
static yk_graph *block(bool symmetric, const int *floats)
{
    yk_id x;
    yk_graph *g = int8_begin(&x);
    yk_id y = int8_conv(g, int8_conv(g, x, 3, 16, 3, 2, 1, 1), 16, 16, 1, 1, 1, 2);
    yk_id parts[4] = {yk_build_slice(g, y, 1, 0, 8, "a"), yk_build_slice(g, y, 1, 8, 16, "b")};
    yk_id m = int8_conv(g, int8_conv(g, parts[1], 8, 8, 3, 1, 1, 3), 8, 8, 3, 1, 8, 4);
    parts[2] = yk_build_binary(g, YK_OP_ADD, m, parts[1], "sum");
    parts[3] = yk_build_max_pool(g, parts[2], 5, 1, 2, "pool");
    yk_id wide = yk_build_upsample(g, yk_build_concat(g, parts, 4, 1, "joined"), 2, "wide");
    assert_ok(yk_graph_add_output(g, int8_conv(g, wide, 32, 5, 1, 1, 1, 5)));
    int8_quantize(g, symmetric, floats);
    return g;
}

static void a_block_runs_on_bytes(void **state)
{
    (void)state;
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        yk_graph *g = block(symmetric, NULL);
        assert_ok(yk_graph_bind(g, 1, 8, 8));
        yk_plan *p = make(g, plan_nhwc);
        assert_int_equal(count_int8(p), 5);
        assert_int_equal(count_bytes_out(p), 4);
        assert_int_equal(count_steps(p, YK_OP_DEQUANTIZE), 0);
        assert_int_equal(count_steps(p, YK_OP_CONCAT), 0);
        /* The picture's own bytes are what the network makes of them, unless those have a sign. */
        assert_int_equal(count_steps(p, YK_OP_QUANTIZE), symmetric);
        yk_plan_destroy(&p);
        check_both(g);
        yk_graph_destroy(&g);
    }
}

static void some_want_floats(void **state)
{
    (void)state;
    static const int choices[][4] = {{0, -1}, {1, -1}, {2, 3, -1}, {4, -1}, {0, 2, 4, -1}, {3, -1}};
    for (size_t i = 0; i < YK_COUNT(choices); i++) {
        yk_graph *g = block(i % 2 == 1, choices[i]);
        assert_ok(yk_graph_bind(g, 1, 8, 8));
        yk_plan *p = make(g, plan_nhwc);
        int floats = 0;
        while (choices[i][floats] >= 0)
            floats++;
        assert_int_equal(count_int8(p), 5 - floats);
        yk_plan_destroy(&p);
        check_both(g);
        yk_graph_destroy(&g);
    }
}

static yk_id scalar(yk_graph *g, float value)
{
    return FLOATS(g, SCALAR, value);
}

static yk_id byte(yk_graph *g, uint8_t value)
{
    return yk_graph_add_constant_copy(g, NULL, YK_U8, SCALAR, &value);
}

/* A float reader and two that quantize differently; weights that are floats, or have a zero point. */
static void what_does_not_fit_stays_as_it_is(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = int8_begin(&x);
    yk_id a = int8_conv(g, x, 3, 8, 3, 1, 1, 1);
    yk_id q1 = NODE(g, YK_OP_QUANTIZE, NULL, a, scalar(g, 0.03f), byte(g, 9));
    yk_id q2 = NODE(g, YK_OP_QUANTIZE, NULL, a, scalar(g, 0.05f), byte(g, 20));
    yk_id d1 = NODE(g, YK_OP_DEQUANTIZE, NULL, q1, scalar(g, 0.03f), byte(g, 9));
    /* the same bytes, read in another way */
    yk_id other = NODE(g, YK_OP_DEQUANTIZE, NULL, q1, scalar(g, 0.04f), byte(g, 3));
    yk_id d2 = NODE(g, YK_OP_DEQUANTIZE, NULL, q2, scalar(g, 0.05f), byte(g, 20));
    static const int8_t weights[2 * 8] = {3, -127, 60, 5, 17, -90, 127, 0, 1, 2, 3, 4, 5, -6, -7, -8};
    static const int8_t zeros[2] = {0, 1};
    yk_id w = yk_graph_add_constant_copy(g, "w", YK_I8, DIMS(2, 8, 1, 1), weights);
    yk_id zero = yk_graph_add_constant_copy(g, "zeros", YK_I8, DIMS(2), zeros);
    yk_id scales = FLOATS(g, DIMS(2), 0.01f, 0.002f);
    const yk_attrs attrs = {.kernel = {1, 1}};
    yk_id sound = NODE(g, YK_OP_DEQUANTIZE, &(yk_attrs){.axis = 0}, w, scales);
    yk_id crooked = NODE(g, YK_OP_DEQUANTIZE, &(yk_attrs){.axis = 0}, w, scales, zero);
    yk_id one = NODE(g, YK_OP_DEQUANTIZE, &(yk_attrs){.axis = 0}, w, scalar(g, 0.004f));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CONV, &attrs, d1, sound)));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CONV, &attrs, other, sound)));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CONV, &attrs, d2, crooked)));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CONV, &attrs, d2, one)));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CONV, &attrs, a, sound)));
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_CONCAT, &(yk_attrs){.axis = 1}, d1, d2)));
    assert_ok(yk_graph_bind(g, 1, 5, 5));
    yk_plan *p = make(g, plan_nhwc);
    assert_int_equal(count_int8(p), 2);
    assert_int_equal(count_bytes_out(p), 0);
    assert_int_equal(count_steps(p, YK_OP_QUANTIZE), 2);
    yk_plan_destroy(&p);
    check_both(g);
    yk_graph_destroy(&g);
}

/* Weights and results that are quantized by the network itself, and bytes that are quantized once more. */
static void pairs_around_everything(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = int8_begin(&x);
    yk_id q = NODE(g, YK_OP_QUANTIZE, NULL, x, scalar(g, 1.0f / 255), byte(g, 0));
    yk_id d = NODE(g, YK_OP_DEQUANTIZE, NULL, q, scalar(g, 1.0f / 255), byte(g, 0));
    static const int8_t none = 0;
    yk_id zero = yk_graph_add_constant_copy(g, "zero", YK_I8, SCALAR, &none);
    yk_id wq = NODE(g, YK_OP_QUANTIZE, NULL, graph_noise(g, "w", DIMS(6, 3, 3, 3), 3), scalar(g, 1.0f / 127), zero);
    yk_id w = NODE(g, YK_OP_DEQUANTIZE, NULL, wq, scalar(g, 1.0f / 127), zero);
    const yk_attrs attrs = {.kernel = {3, 3}, .pads = {1, 1, 1, 1}, .act = YK_ACT_RELU};
    yk_id y = NODE(g, YK_OP_CONV, &attrs, d, w);
    for (int i = 0; i < 3; i++) {
        yk_id bytes = NODE(g, YK_OP_QUANTIZE, NULL, y, scalar(g, 0.02f), byte(g, 0));
        y = NODE(g, YK_OP_DEQUANTIZE, NULL, bytes, scalar(g, 0.02f), byte(g, 0));
    }
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_bind(g, 1, 6, 6));
    yk_plan *p = make(g, plan_nhwc);
    assert_int_equal(count_int8(p), 1);
    assert_int_equal(count_bytes_out(p), 1);
    assert_int_equal(count_steps(p, YK_OP_QUANTIZE), 0);
    assert_int_equal(count_steps(p, YK_OP_DEQUANTIZE), 1);
    assert_int_equal(p->steps[0].inputs[0], p->input);
    yk_plan_destroy(&p);
    check_both(g);
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    static const int floats[] = {1, -1};
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = plan_nhwc};
    yk_graph *g = block(false, floats);
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    for (long n = 1;; n++) {
        yk_plan *p;
        yk_alloc_fail_at(n);
        yolk_status status = yk_plan_make(g, &options, &p);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK) {
            assert_true(n > 10);
            yk_plan_destroy(&p);
            break;
        }
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_null(p);
    }
    yk_graph_destroy(&g);
}

static void a_model(void **state)
{
    (void)state;
    static const int floats[] = {0, 3, 4, 20, 63, -1};
    char path[1000];
    yk_graph *g;
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    snprintf(path, sizeof path, "%s/data/weights/yolov8n.pt", yk_shared());
    assert_ok(yk_import_file(path, NULL, &g));
    int8_quantize(g, false, floats);
    assert_ok(yk_graph_bind(g, 1, 32, 64));
    yk_plan *p = make(g, plan_nhwc);
    assert_true(count_int8(p) >= 58);
    assert_int_equal(count_steps(p, YK_OP_CONCAT), 0);
    yk_plan_destroy(&p);
    /* About one byte in a million is another one, and others follow from it. */
    check(g, plan_nhwc, 2e-2);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_runs_on_bytes),
        cmocka_unit_test(some_want_floats),
        cmocka_unit_test(what_does_not_fit_stays_as_it_is),
        cmocka_unit_test(pairs_around_everything),
        cmocka_unit_test(memory_that_runs_out),
        cmocka_unit_test(a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
