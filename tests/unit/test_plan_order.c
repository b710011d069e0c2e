/* Which steps have to wait for which: in any order that respects it a plan computes the same. */
#include "import/import.h"
#include "plan_test.h"

/* Steps in an order of its own: of those that may run, the last one. How many came before one that is before them. */
static int run_backwards(const yk_plan *p, plan_memory *m)
{
    bool *done = calloc((size_t)YK_MAX(p->step_count, 1), sizeof *done);
    int moved = 0;
    for (int count = 0; count < p->step_count; count++) {
        int next = -1;
        for (int i = p->step_count - 1; i >= 0 && next < 0; i--) {
            bool ready = !done[i];
            for (int k = 0; k < i && ready; k++)
                ready = done[k] || !yk_plan_depends(p, i, k);
            if (ready)
                next = i;
        }
        assert_true(next >= 0);
        for (int k = 0; k < next; k++)
            moved += !done[k];
        done[next] = true;
        assert_ok(yk_plan_eval(p, &p->steps[next], m->data));
    }
    free(done);
    return moved;
}

static void check(yk_graph *g, yk_layout (*layout)(const yk_graph *, const yk_node *))
{
    const yk_plan_options options = {.align = 64, .channels = 8, .attention = true, .layout = layout};
    yk_plan *p;
    assert_ok(yk_plan_make(g, &options, &p));
    plan_memory forwards = plan_memory_make(p), backwards = plan_memory_make(p);
    plan_run(p, &forwards);
    assert_true(run_backwards(p, &backwards) > 0);
    plan_compare(p, backwards.outputs, forwards.outputs, 0);
    plan_memory_free(p, &forwards);
    plan_memory_free(p, &backwards);
    yk_plan_destroy(&p);
}

static void two_branches(void **unused)
{
    (void)unused;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    const yk_id x = yk_graph_add_input(g, "images");
    const yk_id a = yk_build_unary(g, YK_OP_RELU, x, "a"), b = yk_build_unary(g, YK_OP_TANH, x, "b");
    const yk_id parts[2] = {yk_build_unary(g, YK_OP_ABS, a, "c"), yk_build_unary(g, YK_OP_NEG, b, "d")};
    const yk_id joined = yk_build_concat(g, parts, 2, 1, "joined");
    assert_ok(yk_graph_add_output(g, yk_build_unary(g, YK_OP_SIGMOID, yk_build_slice(g, joined, 1, 0, 3, "s"), "e")));
    assert_ok(yk_graph_add_output(g, yk_build_unary(g, YK_OP_EXP, yk_build_slice(g, joined, 1, 3, 6, "t"), "f")));
    assert_ok(yk_graph_bind(g, 2, 5, 7));
    check(g, plan_nhwc);
    check(g, plan_all_plain);
    yk_graph_destroy(&g);
}

static void a_model(void **unused)
{
    (void)unused;
    yk_graph *g;
    assert_ok(yk_import_file(YOLK_SOURCE_DIR "/.deps/models/yolo26n.pt", NULL, &g));
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    check(g, yk_plan_layout);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_branches),
        cmocka_unit_test(a_model),
    };
    return cmocka_run_group_tests_name("plan order", tests, NULL, NULL);
}
