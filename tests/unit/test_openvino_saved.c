/* Networks that OpenVINO has compiled, saved and taken back. */
#include "backend/backend.h"
#include "yk_tiny.h"

static const char *const names[YK_TINY_CLASSES] = {"red", "green", "blue"};
static yk_graph *g;
static yk_buffer saved;

static const yk_backend *const b = &yk_backend_openvino;

static int make(void **state)
{
    (void)state;
    yk_probe probe;
    yk_exec *exec;
    b->probe(&probe);
    if (!probe.available)
        return 0;
    g = yk_tiny_graph(names);
    assert_ok(yk_graph_bind(g, 2, 64, 96));
    assert_ok(b->compile(g, &(yk_compile_options){.latency = true}, &exec));
    assert_ok(b->save(exec, &saved));
    b->destroy(&exec);
    return 0;
}

static int end(void **state)
{
    (void)state;
    yk_buffer_free(&saved);
    yk_graph_destroy(&g);
    return 0;
}

#define NEEDS_OPENVINO()                                                                                               \
    do {                                                                                                               \
        (void)state;                                                                                                   \
        if (!g)                                                                                                        \
            YK_SKIP("OpenVINO is not here");                                                                           \
    } while (0)

static void run(yk_exec *exec, int slot)
{
    uint8_t *input = b->input(exec, slot);
    for (int i = 0; i < 2 * 64 * 96 * 3; i++)
        input[i] = (uint8_t)(i * 7 + i / 256);
    assert_ok(b->start(exec, slot));
    assert_ok(b->wait(exec, slot));
}

static void assert_same(yk_exec *x, int x_slot, yk_exec *y, int y_slot)
{
    for (int o = 0; o < g->output_count; o++) {
        size_t count = (size_t)yk_shape_count(&g->values[g->outputs[o]].shape);
        assert_memory_equal(b->output(x, x_slot, o), b->output(y, y_slot, o), count * sizeof(float));
    }
}

static void what_is_taken_back_computes_the_same(void **state)
{
    NEEDS_OPENVINO();
    const yk_compile_options options = {.latency = true};
    yk_exec *compiled, *loaded;
    assert_ok(b->compile(g, &options, &compiled));
    assert_ok(b->load(saved.data, saved.size, g, &options, &loaded));
    run(compiled, 0);
    run(loaded, 0);
    assert_same(compiled, 0, loaded, 0);
    b->destroy(&compiled);
    b->destroy(&loaded);
}

/* How it runs is chosen when it is taken back, so one form serves all. */
static void threads_and_streams_are_chosen_on_loading(void **state)
{
    NEEDS_OPENVINO();
    const yk_compile_options one = {.latency = true}, many = {.threads = 2, .streams = 2};
    yk_exec *latency, *throughput;
    assert_ok(b->load(saved.data, saved.size, g, &one, &latency));
    assert_ok(b->load(saved.data, saved.size, g, &many, &throughput));
    assert_int_equal(b->slot_count(latency), 2);
    assert_int_equal(b->slot_count(throughput), 3);
    run(latency, 0);
    for (int slot = 0; slot < 3; slot++) {
        run(throughput, slot);
        assert_same(latency, 0, throughput, slot);
    }
    b->destroy(&latency);
    b->destroy(&throughput);
}

static void what_is_no_network_is_refused(void **state)
{
    NEEDS_OPENVINO();
    yk_exec *exec = NULL;
    const yk_compile_options options = {.latency = true};
    assert_fails(b->load("nonsense", 8, g, &options, &exec), YOLK_ERROR_BACKEND,
                 "OpenVINO does not take a compiled network back");
    assert_null(exec);
}

static void another_shape_is_noticed(void **state)
{
    NEEDS_OPENVINO();
    yk_exec *exec = NULL;
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    assert_fails(b->load(saved.data, saved.size, g, &(yk_compile_options){.latency = true}, &exec), YOLK_ERROR_BACKEND,
                 "bytes where the graph has");
    assert_null(exec);
    assert_ok(yk_graph_bind(g, 2, 64, 96));
}

static void memory_that_is_short_is_told(void **state)
{
    NEEDS_OPENVINO();
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK && n < 100; n++) {
        yk_exec *exec = NULL;
        yk_alloc_fail_at(n);
        status = b->load(saved.data, saved.size, g, &(yk_compile_options){.latency = true}, &exec);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
        b->destroy(&exec);
    }
    assert_ok(status);
}

static void fingerprints_name_version_and_processor(void **state)
{
    NEEDS_OPENVINO();
    char text[512], cut[8];
    yk_probe probe;
    b->probe(&probe);
    b->fingerprint(0, &(yk_compile_options){0}, text, sizeof text);
    assert_non_null(strstr(text, probe.version));
    assert_non_null(strstr(text, probe.device));
    b->fingerprint(0, &(yk_compile_options){0}, cut, sizeof cut);
    assert_int_equal(strlen(cut), sizeof cut - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_back_computes_the_same),
        cmocka_unit_test(threads_and_streams_are_chosen_on_loading),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(another_shape_is_noticed),
        cmocka_unit_test(memory_that_is_short_is_told),
        cmocka_unit_test(fingerprints_name_version_and_processor),
    };
    return cmocka_run_group_tests_name("openvino_saved", tests, make, end);
}
