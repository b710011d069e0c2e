/* The processor's own backend: the same results as the reference's, for any number of threads, from a saved form too.
 */
#include "cpu_test.h"
#include "damage_test.h"
#include "graph_test.h"
#include "import/import.h"
#include "yk_tiny.h"

static const yk_backend *const native = &yk_backend_native, *const reference = &yk_backend_reference;

static void fill(uint8_t *input, const yk_graph *g, unsigned seed)
{
    const int64_t count = yk_shape_count(&g->values[g->input].shape);
    uint32_t x = seed;
    for (int64_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        /* Something like a picture: slow waves and a little noise. */
        input[i] = (uint8_t)(128 + 90 * sin((double)i / 97 + seed) + (int)(x >> 28));
    }
}

static void run(const yk_backend *b, yk_exec *e, const yk_graph *g, int slot, unsigned seed)
{
    fill(b->input(e, slot), g, seed);
    assert_ok(b->start(e, slot));
    assert_ok(b->wait(e, slot));
}

static int64_t output_count(const yk_graph *g, int i)
{
    return yk_shape_count(&g->values[g->outputs[i]].shape);
}

/* Within `tolerance` of the largest. */
static void compare(const yk_graph *g, const yk_backend *a, yk_exec *x, const yk_backend *b, yk_exec *y,
                    double tolerance)
{
    for (int i = 0; i < g->output_count; i++) {
        const float *got = a->output(x, 0, i), *want = b->output(y, 0, i);
        double largest = 0;
        for (int64_t k = 0; k < output_count(g, i); k++)
            largest = fmax(largest, fabs((double)want[k]));
        for (int64_t k = 0; k < output_count(g, i); k++) {
            if (!(fabs((double)got[k] - (double)want[k]) <= tolerance * largest))
                fail_msg("output %d, element %d: %.9g instead of %.9g", i, (int)k, (double)got[k], (double)want[k]);
        }
    }
}

static yk_graph *read_model(const char *file)
{
    char path[1000];
    yk_graph *g;
    snprintf(path, sizeof path, "%s/data/weights/%s", yk_shared(), file);
    assert_ok(yk_import_file(path, NULL, &g));
    return g;
}

static void check_model(const char *file, int batch)
{
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    yk_graph *g = read_model(file);
    yk_exec *x, *y;
    const int height = g->dynamic_size ? 96 : g->input_height, width = g->dynamic_size ? 160 : g->input_width;
    assert_ok(yk_graph_bind(g, g->dynamic_batch ? batch : 1, height, width));
    assert_ok(native->compile(g, &(yk_compile_options){.threads = 2}, &x));
    assert_ok(reference->compile(g, &(yk_compile_options){0}, &y));
    run(native, x, g, 0, 1);
    run(reference, y, g, 0, 1);
    compare(g, native, x, reference, y, 1e-4);
    native->destroy(&x);
    reference->destroy(&y);
    yk_graph_destroy(&g);
}

static void yolo26n(void **state)
{
    (void)state;
    check_model("yolo26n.pt", 2);
}

static void yolov8n(void **state)
{
    (void)state;
    check_model("yolov8n.pt", 1);
}

static void yolo11n(void **state)
{
    (void)state;
    check_model("yolo11n-dequant.onnx", 1);
}

static void yolox_nano(void **state)
{
    (void)state;
    check_model("yolox_nano.onnx", 1);
}

static yk_conv layer(int in, int out, int kernel, int stride, unsigned seed, float *weights)
{
    yk_conv c = {.out = out, .kernel = {kernel, kernel}, .stride = {stride, stride}, .dilation = 1, .groups = 1};
    uint32_t x = seed;
    for (int i = 0; i < out * in * kernel * kernel; i++) {
        x = x * 1664525u + 1013904223u;
        weights[i] = ((float)(x >> 8) / 8388608.0f - 1) / (float)(kernel * in);
    }
    for (int i = 0; i < 4; i++)
        c.pad[i] = kernel / 2;
    c.weights = weights;
    c.act = YK_ACT_SILU;
    return c;
}

/* A small network of everything that has a kernel. */
static yk_graph *small(void)
{
    static float weights[1 << 16];
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    yk_conv c = layer(3, 16, 3, 2, 1, weights);
    yk_id a = yk_build_conv(g, x, 3, &c, "stem");
    c = layer(16, 20, 3, 1, 2, weights);
    yk_id b = yk_build_conv(g, a, 16, &c, "window");
    c = layer(1, 20, 3, 1, 3, weights);
    c.groups = 20;
    yk_id d = yk_build_conv(g, b, 20, &c, "depthwise");
    yk_id pool = yk_build_max_pool(g, d, 5, 1, 2, "pool");
    yk_id up = yk_build_upsample(g, yk_build_max_pool(g, pool, 2, 2, 0, "half"), 2, "up");
    yk_id joined = yk_build_concat(g, (yk_id[]){d, pool, up, a}, 4, 1, "joined");
    c = layer(76, 24, 1, 1, 4, weights);
    yk_id e = yk_build_conv(g, joined, 76, &c, "mix");
    yk_id halves[2] = {yk_build_slice(g, e, 1, 0, 12, "left"), yk_build_slice(g, e, 1, 12, 24, "right")};
    yk_id gated =
        yk_build_binary(g, YK_OP_MUL, halves[0], yk_build_unary(g, YK_OP_SIGMOID, halves[1], "gate"), "gated");
    yk_id rows = yk_build_reshape(g, gated, (int64_t[]){YK_DIM_COPY, 3, 4, YK_DIM_INFER}, 4, 0, "rows");
    yk_id turned = yk_build_transpose(g, rows, (int[]){0, 1, 3, 2}, 4, "turned");
    yk_id scores = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, turned, rows, "scores"), 3, "softmax");
    assert_ok(yk_graph_add_output(g, scores));
    assert_ok(yk_graph_add_output(g, gated));
    g->head.unit_range = true;
    g->dynamic_size = g->dynamic_batch = true;
    return g;
}

static void any_batch_and_odd_sizes(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 16, 16}, {2, 36, 20}, {5, 12, 28}, {1, 4, 4}, {3, 20, 12}};
    yk_graph *g = small();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        yk_exec *x, *y;
        assert_ok(yk_graph_bind(g, sizes[i][0], sizes[i][1], sizes[i][2]));
        assert_ok(native->compile(g, &(yk_compile_options){.threads = 2}, &x));
        assert_ok(reference->compile(g, &(yk_compile_options){0}, &y));
        run(native, x, g, 0, (unsigned)i);
        run(reference, y, g, 0, (unsigned)i);
        compare(g, native, x, reference, y, 1e-5);
        native->destroy(&x);
        reference->destroy(&y);
    }
    yk_graph_destroy(&g);
}

/* In halves where the processor has them: about three digits of the largest number are right. Where it has none, the
 * same bits as in floats. */
static void any_batch_in_halves(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 16, 16}, {2, 36, 20}, {5, 12, 28}, {1, 4, 4}, {3, 20, 12}};
    const yk_compile_options floats = {.threads = 2}, halves = {.threads = 2, .half = true};
    yk_graph *g = small();
    yk_probe probe;
    native->probe(&probe);
    assert_int_equal(probe.half, yk_cpu_half() != NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        yk_exec *x, *y, *again;
        yk_buffer bytes = {0};
        assert_ok(yk_graph_bind(g, sizes[i][0], sizes[i][1], sizes[i][2]));
        assert_ok(native->compile(g, &halves, &x));
        assert_ok(native->compile(g, &floats, &y));
        run(native, x, g, 0, (unsigned)i);
        run(native, y, g, 0, (unsigned)i);
        compare(g, native, x, native, y, probe.half ? 5e-3 : 0);
        assert_ok(native->save(x, &bytes));
        assert_ok(native->load(bytes.data, bytes.size, g, &halves, &again));
        run(native, again, g, 0, (unsigned)i);
        compare(g, native, again, native, x, 0);
        native->destroy(&again);
        if (probe.half)
            assert_fails(native->load(bytes.data, bytes.size, g, &floats, &again), YOLK_ERROR_UNSUPPORTED, "neonhalf");
        yk_buffer_free(&bytes);
        native->destroy(&x);
        native->destroy(&y);
    }
    yk_graph_destroy(&g);
}

static void the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    yk_graph *g = small();
    yk_exec *first;
    assert_ok(yk_graph_bind(g, 2, 64, 96));
    assert_ok(native->compile(g, &(yk_compile_options){.threads = 1}, &first));
    run(native, first, g, 0, 7);
    for (int threads = 1; threads <= 5; threads++) {
        for (int latency = 0; latency < 2; latency++) {
            yk_exec *e;
            assert_ok(native->compile(g, &(yk_compile_options){.threads = threads, .latency = latency}, &e));
            for (int again = 0; again < 3; again++) {
                run(native, e, g, 0, 7);
                for (int i = 0; i < g->output_count; i++)
                    assert_memory_equal(native->output(e, 0, i), native->output(first, 0, i),
                                        (size_t)output_count(g, i) * sizeof(float));
            }
            native->destroy(&e);
        }
    }
    native->destroy(&first);
    yk_graph_destroy(&g);
}

/* More slots than streams, all started at once, each with its own picture. */
static void slots_beyond_the_streams_wait(void **state)
{
    (void)state;
    enum { SLOTS = 7 };
    yk_graph *g = small();
    yk_exec *e, *alone;
    assert_ok(yk_graph_bind(g, 1, 64, 96));
    assert_ok(native->compile(g, &(yk_compile_options){.threads = 3, .streams = 2, .slots = SLOTS}, &e));
    assert_ok(native->compile(g, &(yk_compile_options){.threads = 1}, &alone));
    assert_int_equal(native->slot_count(e), SLOTS);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < SLOTS; i++) {
            fill(native->input(e, i), g, (unsigned)(i + round));
            assert_ok(native->start(e, i));
        }
        for (int i = SLOTS - 1; i >= 0; i--) {
            assert_ok(native->wait(e, i));
            run(native, alone, g, 0, (unsigned)(i + round));
            for (int k = 0; k < g->output_count; k++)
                assert_memory_equal(native->output(e, i, k), native->output(alone, 0, k),
                                    (size_t)output_count(g, k) * sizeof(float));
        }
    }
    /* Ending it waits for what is under way. */
    for (int i = 0; i < SLOTS; i++)
        assert_ok(native->start(e, i));
    native->destroy(&e);
    native->destroy(&alone);
    yk_graph_destroy(&g);
}

static void saved_and_loaded(void **state)
{
    (void)state;
    for (int tune = 0; tune < 2; tune++) {
        yk_graph *g = small();
        yk_exec *e, *again;
        yk_buffer bytes = {0};
        assert_ok(yk_graph_bind(g, 1, 32, 48));
        assert_ok(native->compile(g, &(yk_compile_options){.threads = 2, .tune = tune}, &e));
        assert_ok(native->save(e, &bytes));
        assert_ok(native->load(bytes.data, bytes.size, g, &(yk_compile_options){.threads = 2}, &again));
        yk_buffer_free(&bytes);
        run(native, e, g, 0, 3);
        run(native, again, g, 0, 3);
        for (int i = 0; i < g->output_count; i++)
            assert_memory_equal(native->output(e, 0, i), native->output(again, 0, i),
                                (size_t)output_count(g, i) * sizeof(float));
        native->destroy(&e);
        native->destroy(&again);
        yk_graph_destroy(&g);
    }
}

static void damaged_saved_bytes(void **state)
{
    (void)state;
    yk_graph *g = yk_tiny_graph((const char *const[]){"red", "green", "blue"});
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    damage_check(g);
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    yk_graph *g = small();
    yk_buffer bytes = {0};
    assert_ok(yk_graph_bind(g, 1, 16, 16));
    for (int loading = 0; loading < 2; loading++) {
        for (long n = 1;; n++) {
            const yk_compile_options options = {.threads = 2, .tune = !loading && n % 7 == 0};
            yk_exec *e;
            yk_alloc_fail_at(n);
            yolk_status status =
                loading ? native->load(bytes.data, bytes.size, g, &options, &e) : native->compile(g, &options, &e);
            yk_alloc_fail_at(0);
            if (status == YOLK_OK) {
                assert_true(n > 20);
                if (!loading)
                    assert_ok(native->save(e, &bytes));
                native->destroy(&e);
                break;
            }
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
            assert_null(e);
        }
    }
    yk_buffer_free(&bytes);
    yk_graph_destroy(&g);
}

static void it_says_what_it_runs_on(void **state)
{
    (void)state;
    yk_probe probe;
    char text[400];
    int count;
    native->probe(&probe);
    assert_true(probe.available);
    assert_non_null(strstr(probe.device, yk_cpu_isas(&count)[0]->name));
    assert_true(count >= 1);
    native->fingerprint(0, &(yk_compile_options){0}, text, sizeof text);
    assert_non_null(strstr(text, yk_cpu_isas(&count)[0]->name));
    native->destroy(&(yk_exec *){NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolo26n),
        cmocka_unit_test(yolov8n),
        cmocka_unit_test(yolo11n),
        cmocka_unit_test(yolox_nano),
        cmocka_unit_test(any_batch_and_odd_sizes),
        cmocka_unit_test(any_batch_in_halves),
        cmocka_unit_test(the_same_bits_for_any_number_of_threads),
        cmocka_unit_test(slots_beyond_the_streams_wait),
        cmocka_unit_test(saved_and_loaded),
        cmocka_unit_test(damaged_saved_bytes),
        cmocka_unit_test(memory_that_runs_out),
        cmocka_unit_test(it_says_what_it_runs_on),
    };
    say_isas();
    cmocka_set_test_filter(getenv("ONLY")); /* for emulated processors, on which some take minutes */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
