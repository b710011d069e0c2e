/* The reference backend. */
#include "backend/backend.h"
#include "graph_test.h"

static const yk_backend *const reference = &yk_backend_reference;

/* y = tanh(x) + x, and the sum of each channel besides. */
static yk_graph *two_outputs(void)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    yk_id y = NODE(g, YK_OP_ADD, NULL, NODE(g, YK_OP_TANH, NULL, x), x);
    yk_attrs plane = {.axes_count = 2, .axes = {2, 3}};
    yk_id sum = NODE(g, YK_OP_REDUCE_SUM, &plane, x);
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_add_output(g, sum));
    return g;
}

static void it_says_what_it_is(void **state)
{
    (void)state;
    yk_probe probe;
    reference->probe(&probe);
    assert_int_equal(reference->api_version, YK_BACKEND_API);
    assert_string_equal(reference->name, "reference");
    assert_true(probe.available);
    assert_string_equal(probe.reason, "");
}

static void bytes_become_planes_in_range(void **state)
{
    (void)state;
    for (int unit = 0; unit < 2; unit++) {
        yk_graph *g = two_outputs();
        g->head.unit_range = unit;
        assert_ok(yk_graph_bind(g, 2, 2, 3));
        yk_exec *e;
        assert_ok(reference->compile(g, &(yk_compile_options){.slots = 2}, &e));
        yk_graph_destroy(&g); /* not needed any more */
        assert_int_equal(reference->slot_count(e), 2);
        for (int slot = 1; slot >= 0; slot--) {
            uint8_t *in = reference->input(e, slot);
            for (int i = 0; i < 36; i++)
                in[i] = (uint8_t)(i * 7 + slot);
        }
        for (int slot = 0; slot < 2; slot++)
            assert_ok(reference->start(e, slot));
        float range = unit ? 255 : 1;
        for (int slot = 0; slot < 2; slot++) {
            assert_ok(reference->wait(e, slot));
            const float *y = reference->output(e, slot, 0), *sums = reference->output(e, slot, 1);
            for (int n = 0; n < 2; n++) {
                for (int c = 0; c < 3; c++) {
                    float sum = 0;
                    for (int p = 0; p < 6; p++) {
                        float v = (float)(uint8_t)(((n * 6 + p) * 3 + c) * 7 + slot) / range;
                        assert_true(fabsf(y[(n * 3 + c) * 6 + p] - (tanhf(v) + v)) < 1e-4f);
                        sum += v;
                    }
                    assert_true(fabsf(sums[n * 3 + c] - sum) < 1e-2f);
                }
            }
        }
        reference->destroy(&e);
        assert_null(e);
        reference->destroy(&e);
    }
}

static void outputs_that_are_known_or_whole_numbers(void **state)
{
    (void)state;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    yk_id shape = NODE(g, YK_OP_SHAPE, NULL, x);
    yk_id best = NODE(g, YK_OP_ARG_MAX, &(yk_attrs){.axis = 3}, x);
    yk_id fixed = FLOATS(g, DIMS(2), 3, 4);
    yk_build_unary(g, YK_OP_EXP, x, "nobody wants this");
    const yk_id outputs[] = {x, shape, best, fixed, best};
    for (int i = 0; i < 5; i++)
        assert_ok(yk_graph_add_output(g, outputs[i]));
    assert_ok(yk_graph_bind(g, 1, 1, 4));
    yk_exec *e;
    assert_ok(reference->compile(g, &(yk_compile_options){0}, &e));
    yk_graph_destroy(&g);
    const uint8_t bytes[12] = {9, 1, 0, 3, 1, 0, 4, 8, 0, 5, 2, 1};
    for (int round = 0; round < 2; round++) { /* nothing of the first run is left in the second */
        memcpy(reference->input(e, 0), bytes, sizeof(bytes));
        assert_ok(reference->start(e, 0));
        assert_ok(reference->wait(e, 0));
        assert_true(reference->output(e, 0, 0)[3] == 5);
        assert_true(reference->output(e, 0, 1)[3] == 4);
        assert_true(reference->output(e, 0, 2)[0] == 0);
        assert_true(reference->output(e, 0, 2)[1] == 2);
        assert_true(reference->output(e, 0, 4)[2] == 3);
        assert_true(reference->output(e, 0, 3)[1] == 4);
    }
    reference->destroy(&e);
}

static void faults_of_a_run_are_reported(void **state)
{
    (void)state;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    yk_id where = NODE(g, YK_OP_CAST, &(yk_attrs){.to = YK_I64}, x);
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_GATHER, NULL, FLOATS(g, DIMS(3), 1, 2, 3), where)));
    yk_exec *e = NULL;
    assert_fails(reference->compile(g, &(yk_compile_options){0}, &e), YOLK_ERROR_INVALID_ARGUMENT, "not bound");
    assert_null(e);
    assert_ok(yk_graph_bind(g, 1, 1, 1));
    assert_ok(reference->compile(g, &(yk_compile_options){0}, &e));
    memcpy(reference->input(e, 0), "\1\2\7", 3);
    assert_fails(reference->start(e, 0), YOLK_ERROR_DAMAGED, "index 7 lies outside 3 places");
    assert_int_equal(reference->wait(e, 0), YOLK_ERROR_DAMAGED);
    memcpy(reference->input(e, 0), "\1\2\0", 3);
    assert_ok(reference->start(e, 0));
    assert_true(reference->output(e, 0, 0)[1] == 3);
    reference->destroy(&e);
    yk_graph_destroy(&g);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    yk_graph *g = two_outputs();
    g->class_names = yk_calloc(2, sizeof(*g->class_names));
    g->head.classes = 2;
    g->class_names[0] = yk_strdup("person");
    g->class_names[1] = yk_strdup("bicycle");
    assert_ok(yk_graph_bind(g, 1, 4, 4));
    int failures = 0;
    for (long n = 1;; n++) {
        yk_exec *e = NULL;
        yk_alloc_fail_at(n);
        yolk_status status = reference->compile(g, &(yk_compile_options){.slots = 2}, &e);
        if (status == YOLK_OK)
            status = reference->start(e, 1);
        yk_alloc_fail_at(0);
        if (e && status != YOLK_OK)
            assert_int_equal(reference->wait(e, 1), status);
        reference->destroy(&e);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        failures++;
    }
    assert_true(failures > 20);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_it_is),
        cmocka_unit_test(bytes_become_planes_in_range),
        cmocka_unit_test(outputs_that_are_known_or_whole_numbers),
        cmocka_unit_test(faults_of_a_run_are_reported),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
