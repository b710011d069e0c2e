/* Plans: what becomes a view, what is fused, and that no step finds its memory overwritten. */
#include "import/import.h"
#include "plan_test.h"

static yk_id conv(yk_graph *g, yk_id x, int in, int out, int kernel, unsigned seed)
{
    yk_shape shape = DIMS(out, in, kernel, kernel);
    const yk_id inputs[2] = {x, graph_noise(g, NULL, shape, seed)};
    yk_attrs attrs = {.kernel = {kernel, kernel}, .pads = {kernel / 2, kernel / 2, kernel / 2, kernel / 2}};
    attrs.act = YK_ACT_SILU;
    return graph_node(g, YK_OP_CONV, &attrs, inputs, 2);
}

static yk_graph *begin(yk_id *x)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    *x = yk_graph_add_input(g, "images");
    return g;
}

static yk_plan *make(yk_graph *g, yk_layout (*layout)(const yk_graph *, const yk_node *))
{
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = layout};
    yk_plan *p;
    assert_ok(yk_plan_make(g, &options, &p));
    return p;
}

static int count_steps(const yk_plan *p, yk_step_kind kind, yk_op op)
{
    int count = 0;
    for (int i = 0; i < p->step_count; i++)
        count += p->steps[i].kind == kind && (kind != YK_STEP_NODE || p->steps[i].op == op);
    return count;
}

/* In both layouts, in floats and, rounded a few times, in halves, at an odd size, with one picture and with three. */
static void check(yk_graph *g)
{
    for (int batch = 1; batch <= 3; batch += 2) {
        assert_ok(yk_graph_bind(g, batch, 7, 5));
        plan_check(g, plan_all_plain);
        plan_check(g, plan_nhwc);
        plan_check_numbers(g, plan_all_plain, true, 3e-3);
        plan_check_numbers(g, plan_nhwc, true, 3e-3);
    }
}

/* A convolution cut in two, of which one half goes through another one, and all of them joined. */
static yk_graph *c2f(void)
{
    yk_id x;
    yk_graph *g = begin(&x);
    yk_id y = conv(g, x, 3, 16, 1, 1);
    yk_id parts[3] = {yk_build_slice(g, y, 1, 0, 8, "a"), yk_build_slice(g, y, 1, 8, 16, "b"), 0};
    yk_id m = conv(g, conv(g, parts[1], 8, 8, 3, 2), 8, 8, 3, 3);
    parts[2] = yk_build_binary(g, YK_OP_ADD, m, parts[1], "sum");
    yk_id out = conv(g, yk_build_concat(g, parts, 3, 1, "joined"), 24, 5, 1, 4);
    assert_ok(yk_graph_add_output(g, out));
    return g;
}

static void joining_and_cutting_costs_nothing(void **state)
{
    (void)state;
    yk_graph *g = c2f();
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    yk_plan *p = make(g, plan_nhwc);
    /* input, four convolutions, and the output as the graph has it; the sum is in a convolution */
    assert_int_equal(p->step_count, 6);
    assert_int_equal(count_steps(p, YK_STEP_NODE, YK_OP_CONV), 4);
    assert_int_equal(count_steps(p, YK_STEP_COPY, 0), 1);
    const yk_step *first = &p->steps[1], *last = &p->steps[4];
    assert_int_equal(p->tensors[first->outputs[0]].root, p->tensors[last->inputs[0]].root);
    assert_int_equal(p->tensors[first->outputs[0]].pixel, 24);
    assert_true(p->steps[3].residual != YK_NONE);
    assert_int_equal(p->tensors[p->steps[3].residual].start, 8);
    assert_int_equal(p->tensors[p->steps[3].outputs[0]].start, 16);
    yk_plan_destroy(&p);
    check(g);
    yk_graph_destroy(&g);
}

/* What is joined is also needed elsewhere, comes twice, or is only a part of what it was cut from. */
static void joining_what_lies_elsewhere(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    yk_id a = conv(g, x, 3, 6, 1, 1), b = conv(g, x, 3, 4, 3, 2);
    yk_id half = yk_build_slice(g, a, 1, 2, 5, "half");
    yk_id first = yk_build_concat(g, (yk_id[]){a, b, a}, 3, 1, "first");
    yk_id second = yk_build_concat(g, (yk_id[]){b, half, x}, 3, 1, "second");
    yk_id both = yk_build_concat(g, (yk_id[]){first, second}, 2, 1, "both");
    assert_ok(yk_graph_add_output(g, conv(g, both, 26, 3, 1, 3)));
    assert_ok(yk_graph_add_output(g, half));
    assert_ok(yk_graph_add_output(g, first));
    check(g);
    yk_graph_destroy(&g);
}

static void outputs_that_are_read_inside(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    yk_id a = conv(g, x, 3, 8, 3, 1);
    yk_id b = conv(g, a, 8, 8, 3, 2);
    yk_id sum = yk_build_binary(g, YK_OP_ADD, a, b, "sum");
    yk_id flat = yk_build_reshape(g, sum, (int64_t[]){YK_DIM_COPY, 8, YK_DIM_INFER}, 3, 0, "flat");
    yk_id turned = yk_build_transpose(g, flat, (int[]){0, 2, 1}, 3, "turned");
    assert_ok(yk_graph_add_output(g, a));
    assert_ok(yk_graph_add_output(g, flat));
    assert_ok(yk_graph_add_output(g, turned));
    assert_ok(yk_graph_add_output(g, sum));
    assert_ok(yk_graph_add_output(g, x));
    assert_ok(yk_graph_add_output(g, sum));
    check(g);
    yk_graph_destroy(&g);
}

/* What is added is computed after the convolution that it is added to. */
static void sums_in_any_order(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    yk_id a = conv(g, x, 3, 8, 3, 1);
    yk_id b = conv(g, a, 8, 8, 3, 2);
    yk_id c = yk_build_unary(g, YK_OP_SIGMOID, conv(g, a, 8, 8, 1, 3), "c");
    yk_id d = yk_build_binary(g, YK_OP_ADD, b, c, "d");
    yk_id e = yk_build_binary(g, YK_OP_ADD, conv(g, d, 8, 8, 1, 4), conv(g, d, 8, 8, 1, 5), "e");
    yk_id f = yk_build_binary(g, YK_OP_ADD, e, e, "f");
    assert_ok(yk_graph_add_output(g, f));
    assert_ok(yk_graph_bind(g, 1, 4, 4));
    yk_plan *p = make(g, plan_nhwc);
    assert_int_equal(count_steps(p, YK_STEP_NODE, YK_OP_ADD), 1);
    yk_plan_destroy(&p);
    check(g);
    yk_graph_destroy(&g);
}

static void plain_slices_are_views_where_they_lie_end_to_end(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = begin(&x);
    g->head.unit_range = true; /* else products are too large for halves */
    yk_id a = conv(g, x, 3, 8, 1, 1);
    yk_id heads = yk_build_reshape(g, a, (int64_t[]){YK_DIM_COPY, 2, 4, YK_DIM_INFER}, 4, 0, "heads");
    yk_id q = yk_build_slice(g, heads, 2, 0, 2, "q"), k = yk_build_slice(g, heads, 2, -2, INT64_MAX, "k");
    yk_id rows = yk_build_transpose(g, q, (int[]){0, 1, 3, 2}, 4, "rows");
    yk_id scores = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, rows, k, "scores"), 3, "softmax");
    yk_id one = yk_build_slice(g, scores, 1, 1, 2, "one");
    assert_ok(yk_graph_add_output(g, scores));
    assert_ok(yk_graph_add_output(g, yk_build_binary(g, YK_OP_MUL, one, one, "squared")));
    check(g);
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = plan_nhwc};
    yk_graph *g = c2f();
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

static void an_unbound_graph_has_no_plan(void **state)
{
    (void)state;
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = plan_nhwc};
    yk_plan *p;
    yk_graph *g = c2f();
    assert_fails(yk_plan_make(g, &options, &p), YOLK_ERROR_INVALID_ARGUMENT, "not bound");
    yk_graph_destroy(&g);
}

static void check_model(const char *file)
{
    char path[1000];
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    snprintf(path, sizeof path, "%s/data/weights/%s", yk_shared(), file);
    yk_graph *g;
    assert_ok(yk_import_file(path, NULL, &g));
    assert_ok(yk_graph_bind(g, 1, g->dynamic_size ? 64 : g->input_height, g->dynamic_size ? 96 : g->input_width));
    plan_check(g, plan_nhwc);
    plan_check(g, plan_all_plain);
    plan_check_numbers(g, plan_nhwc, true, 1e-2);
    yk_graph_destroy(&g);
}

static void yolo26n(void **state)
{
    (void)state;
    check_model("yolo26n.pt");
}

static void yolov8n(void **state)
{
    (void)state;
    check_model("yolov8n.pt");
}

static void yolox(void **state)
{
    (void)state;
    check_model("yolox_nano.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_and_cutting_costs_nothing),
        cmocka_unit_test(joining_what_lies_elsewhere),
        cmocka_unit_test(outputs_that_are_read_inside),
        cmocka_unit_test(sums_in_any_order),
        cmocka_unit_test(plain_slices_are_views_where_they_lie_end_to_end),
        cmocka_unit_test(memory_that_runs_out),
        cmocka_unit_test(an_unbound_graph_has_no_plan),
        cmocka_unit_test(yolo26n),
        cmocka_unit_test(yolov8n),
        cmocka_unit_test(yolox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
