/* What steps cost at least: counted by hand for a small network. */
#include "plan_test.h"

/* 3 -> 16 channels, 3x3, on 8 x 6 pixels, then pooled to 4 x 3, as 16-bit floats. */
static yk_plan *make(void)
{
    yk_graph *g;
    yk_plan *p;
    assert_ok(yk_graph_create(&g));
    const yk_id x = yk_graph_add_input(g, "images");
    const yk_id inputs[2] = {x, graph_noise(g, NULL, DIMS(16, 3, 3, 3), 1)};
    const yk_id y = graph_node(g, YK_OP_CONV, &(yk_attrs){.kernel = {3, 3}, .pads = {1, 1, 1, 1}}, inputs, 2);
    const yk_id z = graph_node(g, YK_OP_MAX_POOL, &(yk_attrs){.kernel = {2, 2}, .stride = {2, 2}}, &y, 1);
    assert_ok(yk_graph_add_output(g, z));
    assert_ok(yk_graph_bind(g, 2, 8, 6));
    const yk_plan_options options = {.align = 64, .channels = 8, .half = true, .layout = plan_nhwc};
    assert_ok(yk_plan_make(g, &options, &p));
    yk_graph_destroy(&g);
    return p;
}

static yk_step_cost cost_of(const yk_plan *p, yk_step_kind kind, yk_op op)
{
    for (int i = 0; i < p->step_count; i++) {
        if (p->steps[i].kind == kind && (kind != YK_STEP_NODE || p->steps[i].op == op))
            return yk_plan_step_cost(p, &p->steps[i]);
    }
    fail_msg("there is no such step");
    return (yk_step_cost){0};
}

static void bytes_and_operations_are_counted(void **state)
{
    (void)state;
    yk_plan *p = make();
    const yk_step_cost conv = cost_of(p, YK_STEP_NODE, YK_OP_CONV), pool = cost_of(p, YK_STEP_NODE, YK_OP_MAX_POOL);
    const yk_step_cost input = cost_of(p, YK_STEP_INPUT, 0);
    /* A byte a colour in, two a float out. */
    assert_true(input.bytes == 2 * 48 * 3 * (1 + 2) && input.operations == 0);
    assert_true(conv.operations == 2.0 * (2 * 48 * 16) * 27);
    assert_true(conv.bytes == 2 * (2 * 48 * 3 + 2 * 48 * 16 + 16 * 27));
    assert_false(conv.in_bytes);
    assert_true(pool.operations == 0);
    assert_true(pool.bytes == 2 * (2 * 48 * 16 + 2 * 12 * 16));
    yk_plan_destroy(&p);
}

static void the_slower_of_moving_and_computing_counts(void **state)
{
    (void)state;
    const yk_device_peak peak = {.bytes = 1000, .operations = 500, .byte_operations = 1000};
    assert_true(yk_step_seconds((yk_step_cost){.bytes = 2000, .operations = 500}, &peak) == 2);
    assert_true(yk_step_seconds((yk_step_cost){.bytes = 2000, .operations = 1500}, &peak) == 3);
    assert_true(yk_step_seconds((yk_step_cost){.bytes = 1, .operations = 1500, .in_bytes = true}, &peak) == 1.5);
}

static void a_plan_takes_what_its_steps_take(void **state)
{
    (void)state;
    yk_plan *p = make();
    const yk_device_peak slow_memory = {.bytes = 1, .operations = 1e30, .byte_operations = 1e30};
    const yk_device_peak slow_cores = {.bytes = 1e30, .operations = 1, .byte_operations = 1};
    double bytes = 0;
    for (int i = 0; i < p->step_count; i++)
        bytes += yk_plan_step_cost(p, &p->steps[i]).bytes;
    assert_true(yk_plan_seconds(p, &slow_memory) == bytes);
    assert_true(yk_plan_seconds(p, &slow_cores) == 2.0 * (2 * 48 * 16) * 27);
    yk_plan_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_operations_are_counted),
        cmocka_unit_test(the_slower_of_moving_and_computing_counts),
        cmocka_unit_test(a_plan_takes_what_its_steps_take),
    };
    return cmocka_run_group_tests_name("plan cost", tests, NULL, NULL);
}
