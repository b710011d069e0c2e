/* Choosing a backend by measuring: backends that differ in nothing but how long they take. */
#include <time.h>

#include "backend/backend.h"
#include "import/import.h"
#include "yk_temp.h"
#include "yk_tiny.h"

static yk_graph *graph;
static const char *const colours[] = {"red", "green", "blue"};

static int make(void **state)
{
    if (yk_temp_make(state) != 0)
        return -1;
    yk_tiny_write(yk_temp_path("tiny.onnx"), 0, colours);
    assert_ok(yk_import_file(yk_temp_path("tiny.onnx"), NULL, &graph));
    return yk_graph_bind(graph, 1, 64, 64) == YOLK_OK ? 0 : -1;
}

static int drop(void **state)
{
    yk_graph_destroy(&graph);
    return yk_temp_remove(state);
}

static int runs;

static yolk_status wait_long(yk_exec *exec, int slot)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    runs++;
    return yk_backend_reference.wait(exec, slot);
}

/* Half of that, so that the other one is not hopeless. */
static yolk_status wait_half(yk_exec *exec, int slot)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return yk_backend_reference.wait(exec, slot);
}

static yolk_status wait_ten_times(yk_exec *exec, int slot)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    runs++;
    return yk_backend_reference.wait(exec, slot);
}

static yolk_status cannot_compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    (void)g, (void)options;
    *out = NULL;
    return yk_fail(YOLK_ERROR_BACKEND, "no kernel");
}

static yolk_status cannot_run(yk_exec *exec, int slot)
{
    const yolk_status status = yk_backend_reference.wait(exec, slot);
    return status == YOLK_OK ? yk_fail(YOLK_ERROR_BACKEND, "lost") : status;
}

static const yk_backend *choose(const yk_backend *first, const yk_backend *second)
{
    const yk_compile_options options = {.threads = 1, .latency = true};
    const yk_backend *candidates[] = {first, second}, *chosen = NULL;
    assert_ok(yk_backend_fastest(candidates, 2, graph, &options, &chosen));
    return chosen;
}

static void the_faster_one_is_taken_wherever_it_stands(void **state)
{
    (void)state;
    yk_backend slow = yk_backend_reference, fast = yk_backend_reference;
    slow.wait = wait_long;
    fast.wait = wait_half;
    runs = 0;
    assert_ptr_equal(choose(&slow, &fast), &fast);
    assert_true(runs > 2);
    assert_ptr_equal(choose(&fast, &slow), &fast);
}

/* One that takes ten times as long is not waited for in every round. */
static void what_is_hopeless_is_measured_no_further(void **state)
{
    (void)state;
    yk_backend slow = yk_backend_reference, slower = yk_backend_reference;
    slow.wait = wait_long;
    slower.wait = wait_ten_times;
    runs = 0;
    assert_ptr_equal(choose(&slower, &slow), &slow);
    const int fewer = runs;
    runs = 0;
    assert_ptr_equal(choose(&slow, &slow), &slow);
    assert_true(fewer < runs);
}

static void one_that_fails_is_passed_over(void **state)
{
    (void)state;
    yk_backend without = yk_backend_reference, lost = yk_backend_reference;
    without.compile = cannot_compile;
    lost.wait = cannot_run;
    assert_ptr_equal(choose(&yk_backend_reference, &without), &yk_backend_reference);
    assert_ptr_equal(choose(&without, &yk_backend_reference), &yk_backend_reference);
    assert_ptr_equal(choose(&lost, &yk_backend_reference), &yk_backend_reference);
    const yk_backend *candidates[] = {&without, &without}, *chosen;
    assert_fails(yk_backend_fastest(candidates, 2, graph, &(yk_compile_options){0}, &chosen), YOLK_ERROR_BACKEND,
                 "no kernel");
}

static void one_alone_is_not_measured(void **state)
{
    (void)state;
    yk_backend without = yk_backend_reference;
    without.compile = cannot_compile;
    const yk_backend *candidates[] = {&without}, *chosen = NULL;
    assert_ok(yk_backend_fastest(candidates, 1, graph, &(yk_compile_options){0}, &chosen));
    assert_ptr_equal(chosen, &without);
}

static void candidates_are_what_can_be_kept(void **state)
{
    (void)state;
    const yk_backend *found[8];
    const size_t count = yk_backend_candidates("cpu", found, YK_COUNT(found));
    assert_true(count >= 1);
    assert_ptr_equal(found[0], &yk_backend_native);
    for (size_t i = 0; i < count; i++)
        assert_true(found[i]->save && !found[i]->for_tests);
    assert_int_equal(yk_backend_candidates("cpu", found, 0), 0);
    assert_int_equal(yk_backend_candidates("cuda", found, YK_COUNT(found)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_faster_one_is_taken_wherever_it_stands),
        cmocka_unit_test(what_is_hopeless_is_measured_no_further),
        cmocka_unit_test(one_that_fails_is_passed_over),
        cmocka_unit_test(one_alone_is_not_measured),
        cmocka_unit_test(candidates_are_what_can_be_kept),
    };
    return cmocka_run_group_tests_name("fastest", tests, make, drop);
}
