/* The OpenVINO backend on small graphs against the reference, its slots, and what it says when something is missing. */
#include <dlfcn.h>
#include <math.h>

#include "backend/backend.h"
#include "backend/openvino/library.h"
#include "yk_temp.h"
#include "yk_test.h"

enum { BATCH = 2, HEIGHT = 32, WIDTH = 48, INPUT = BATCH * HEIGHT * WIDTH * 3 };

static uint32_t noise_state;

static float noise(void)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (float)(noise_state >> 8) / (1 << 23) - 1;
}

#define NEEDS_OPENVINO()                                                                                               \
    do {                                                                                                               \
        yk_probe probe_;                                                                                               \
        (void)state;                                                                                                   \
        yk_backend_openvino.probe(&probe_);                                                                            \
        if (!probe_.available)                                                                                         \
            YK_SKIP("%s", probe_.reason);                                                                              \
    } while (0)

static yk_id add_conv(yk_graph *g, yk_id x, int in, int out, int stride, yk_act act, const char *name)
{
    float weights[8 * 8 * 9], bias[8];
    for (size_t i = 0; i < YK_COUNT(weights); i++)
        weights[i] = noise() / 4;
    for (size_t i = 0; i < YK_COUNT(bias); i++)
        bias[i] = noise();
    const yk_conv conv = {.out = out,
                          .kernel = {3, 3},
                          .stride = {stride, stride},
                          .pad = {1, 1, 1, 1},
                          .dilation = 1,
                          .groups = 1,
                          .weights = weights,
                          .bias = bias,
                          .act = act};
    return yk_build_conv(g, x, in, &conv, name);
}

/* Two outputs of different shapes, in an order that is not that of their computation. */
static yk_graph *make_graph(bool unit_range)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    g->head.unit_range = unit_range;
    noise_state = 1;
    yk_id x = yk_graph_add_input(g, "images");
    yk_id a = add_conv(g, x, 3, 8, 2, YK_ACT_SILU, "a");
    yk_id b = add_conv(g, a, 8, 4, 2, YK_ACT_NONE, "b");
    assert_true(b >= 0);
    assert_ok(yk_graph_add_output(g, b));
    assert_ok(yk_graph_add_output(g, add_conv(g, a, 8, 2, 1, YK_ACT_SIGMOID, "c")));
    assert_ok(yk_graph_bind(g, BATCH, HEIGHT, WIDTH));
    return g;
}

static void fill(uint8_t *bytes, uint32_t seed)
{
    noise_state = seed;
    for (int i = 0; i < INPUT; i++)
        bytes[i] = (uint8_t)(127 + noise() * 127);
}

/* Largest difference between two slots' outputs, in parts of the largest value. */
static double difference(const yk_graph *g, yk_exec *wanted, int wanted_slot, yk_exec *got, int got_slot)
{
    double worst = 0, largest = 1;
    for (int o = 0; o < g->output_count; o++) {
        const float *a = yk_backend_reference.output(wanted, wanted_slot, o);
        const float *b = yk_backend_openvino.output(got, got_slot, o);
        const int64_t count = yk_shape_count(&g->values[g->outputs[o]].shape);
        for (int64_t i = 0; i < count; i++) {
            worst = fmax(worst, fabs((double)a[i] - b[i]));
            largest = fmax(largest, fabs(a[i]));
        }
    }
    return worst / largest;
}

static void compare(bool unit_range, bool half, double tolerance)
{
    yk_graph *g = make_graph(unit_range);
    yk_exec *reference, *exec;
    assert_ok(yk_backend_reference.compile(g, &(yk_compile_options){.slots = 1}, &reference));
    assert_ok(yk_backend_openvino.compile(g, &(yk_compile_options){.slots = 3, .half = half}, &exec));
    assert_int_equal(yk_backend_openvino.slot_count(exec), 3);
    /* All in flight at once, each with its own picture. */
    for (int slot = 0; slot < 3; slot++) {
        fill(yk_backend_openvino.input(exec, slot), (uint32_t)slot);
        assert_ok(yk_backend_openvino.start(exec, slot));
    }
    for (int slot = 2; slot >= 0; slot--) {
        fill(yk_backend_reference.input(reference, 0), (uint32_t)slot);
        assert_ok(yk_backend_reference.start(reference, 0));
        assert_ok(yk_backend_reference.wait(reference, 0));
        assert_ok(yk_backend_openvino.wait(exec, slot));
        const double found = difference(g, reference, 0, exec, slot);
        if (found > tolerance)
            fail_msg("slot %d differs by %g", slot, found);
    }
    yk_backend_openvino.destroy(&exec);
    assert_null(exec);
    yk_backend_openvino.destroy(&exec);
    yk_backend_reference.destroy(&reference);
    yk_graph_destroy(&g);
}

static void bytes_give_what_the_reference_gives(void **state)
{
    NEEDS_OPENVINO();
    compare(true, false, 1e-5);
    compare(false, false, 1e-5);
}

static void half_precision_is_near(void **state)
{
    NEEDS_OPENVINO();
    compare(true, true, 0.02);
}

static void probe_names_version_and_processor(void **state)
{
    NEEDS_OPENVINO();
    yk_probe probe;
    yk_backend_openvino.probe(&probe);
    assert_non_null(strchr(probe.version, '.'));
    assert_true(probe.device[0] != '\0');
    assert_true(probe.reason[0] == '\0');
    assert_true(probe.score > 0);
}

static void slots_follow_threads_and_streams(void **state)
{
    NEEDS_OPENVINO();
    static const struct {
        yk_compile_options options;
        int slots;
    } cases[] = {
        {{.threads = 1}, 2},
        {{.threads = 2, .streams = 1}, 2},
        {{.threads = 2}, 3},
        {{.threads = 2, .latency = true}, 2},
        {{.threads = 1, .streams = 9}, 2},
    };
    yk_graph *g = make_graph(true);
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_exec *exec;
        assert_ok(yk_backend_openvino.compile(g, &cases[i].options, &exec));
        assert_int_equal(yk_backend_openvino.slot_count(exec), cases[i].slots);
        yk_backend_openvino.destroy(&exec);
    }
    yk_graph_destroy(&g);
}

static void destroying_waits_for_what_runs(void **state)
{
    NEEDS_OPENVINO();
    yk_graph *g = make_graph(true);
    yk_exec *exec;
    assert_ok(yk_backend_openvino.compile(g, &(yk_compile_options){.slots = 2}, &exec));
    for (int slot = 0; slot < 2; slot++) {
        fill(yk_backend_openvino.input(exec, slot), 1);
        assert_ok(yk_backend_openvino.start(exec, slot));
    }
    yk_backend_openvino.destroy(&exec);
    yk_graph_destroy(&g);
}

static void a_graph_without_a_size_is_refused(void **state)
{
    NEEDS_OPENVINO();
    yk_graph *g;
    yk_exec *exec;
    assert_ok(yk_graph_create(&g));
    yk_graph_add_input(g, "images");
    assert_true(yk_backend_openvino.compile(g, &(yk_compile_options){.slots = 1}, &exec) != YOLK_OK);
    assert_true(yolk_last_error()[0] != '\0');
    assert_null(exec);
    yk_graph_destroy(&g);
}

static void every_failing_allocation_is_reported(void **state)
{
    NEEDS_OPENVINO();
    yk_graph *g = make_graph(true);
    yk_exec *exec;
    yk_alloc_fail_at(0);
    assert_ok(yk_backend_openvino.compile(g, &(yk_compile_options){.slots = 1}, &exec));
    const long count = yk_alloc_count();
    yk_backend_openvino.destroy(&exec);
    /* Each step of the export is the export's test; here some of them and all that come after. */
    for (long n = 1; n <= count; n += n < count - 6 ? YK_MAX(count / 8, 1) : 1) {
        yk_alloc_fail_at(n);
        assert_int_equal(yk_backend_openvino.compile(g, &(yk_compile_options){.slots = 1}, &exec),
                         YOLK_ERROR_OUT_OF_MEMORY);
        assert_null(exec);
    }
    yk_alloc_fail_at(0);
    yk_graph_destroy(&g);
}

static void errors_are_in_its_own_words(void **state)
{
    NEEDS_OPENVINO();
    const yk_ov *ov;
    ov_model_t *model = NULL;
    assert_ok(yk_ov_get(&ov));
    ov_status_e error = ov->core_read_model_from_memory_buffer(ov->core, "no model", 8, NULL, &model);
    assert_true(error != 0);
    assert_fails(yk_ov_fail(ov, error, "cannot read the network"), YOLK_ERROR_BACKEND,
                 "OpenVINO cannot read the network: Unable to read the model");
    assert_null(strstr(yolk_last_error(), "Exception from"));
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    yk_ov ov;
    yk_temp_text("empty/readme", "");
    assert_fails(yk_ov_open(yk_temp_path("empty"), &ov), YOLK_ERROR_BACKEND, "/empty");
    assert_fails(yk_ov_open(yk_temp_path("empty"), &ov), YOLK_ERROR_BACKEND, "YOLK_OPENVINO");
    assert_fails(yk_ov_open(yk_temp_path("nowhere"), &ov), YOLK_ERROR_BACKEND, "/nowhere");
    yk_temp_text("damaged/lib/libopenvino_c.so.1", "not a library");
    assert_fails(yk_ov_open(yk_temp_path("damaged"), &ov), YOLK_ERROR_BACKEND, "libopenvino_c.so.1 cannot be opened");
}

static void a_library_without_its_functions_is_refused(void **state)
{
    (void)state;
    yk_ov ov;
    Dl_info cmocka;
    void *function;
    void (*const known)(const char *, int) = _skip;
    memcpy(&function, &known, sizeof function);
    assert_true(dladdr(function, &cmocka) != 0);
    yk_temp_text("other/readme", "");
    assert_int_equal(symlink(cmocka.dli_fname, yk_temp_path("other/libopenvino_c.so")), 0);
    assert_fails(yk_ov_open(yk_temp_path("other"), &ov), YOLK_ERROR_BACKEND, "lacks ov_");
    assert_null(ov.handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_give_what_the_reference_gives),
        cmocka_unit_test(half_precision_is_near),
        cmocka_unit_test(probe_names_version_and_processor),
        cmocka_unit_test(slots_follow_threads_and_streams),
        cmocka_unit_test(destroying_waits_for_what_runs),
        cmocka_unit_test(a_graph_without_a_size_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(errors_are_in_its_own_words),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_library_without_its_functions_is_refused),
    };
    return cmocka_run_group_tests_name("openvino", tests, yk_temp_make, yk_temp_remove);
}
