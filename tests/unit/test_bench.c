/* Benchmarks of one model, on the reference backend. */
#include <math.h>

#include "bench_test.h"
#include "convert/bench_report.h"

static yolk_benchmark_options quick(const yolk_config *config)
{
    yolk_benchmark_options o;
    yolk_benchmark_options_defaults(&o);
    o.config = config;
    o.runs = 3;
    o.warmup = 1;
    return o;
}

static void check_times(const yolk_times *t, int runs)
{
    assert_int_equal(t->runs, runs);
    assert_true(t->min > 0 && t->min <= t->p50 && t->p50 <= t->p90 && t->p90 <= t->p95 && t->p95 <= t->p99);
    assert_true(t->p99 <= t->max && t->min <= t->mean && t->mean <= t->max && t->std >= 0);
}

static void the_usual_batches_are_measured(void **state)
{
    (void)state;
    static const int expected[] = {1, 2, 4, 8, 16};
    const yolk_config config = bench_config();
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(r->row_count, 5);
    for (size_t i = 0; i < 5; i++) {
        const yolk_benchmark_row *row = &r->rows[i];
        assert_null(row->skipped);
        assert_int_equal(row->batch, expected[i]);
        assert_int_equal(row->input.width, YK_TINY_SIDE);
        assert_int_equal(row->input.height, YK_TINY_SIDE);
        check_times(&row->call, 3);
        check_times(&row->network, 3);
        assert_true(row->network.p50 <= row->call.p50);
        assert_true(row->calls_ms[0] > 0 && row->calls_ms[2] <= row->call.max);
        assert_true(row->fps > 0 && row->first_ms > 0 && row->first_ratio > 0 && row->prepare_ms >= 0);
        assert_true(row->ms_per_frame <= row->call.p50);
        assert_true(row->network_runs == 1); /* each batch as a whole */
        assert_true(row->memory_peak >= row->memory_after && row->memory_before > 0);
        assert_false(row->cut);
    }
    assert_string_equal(r->model.name, "tiny");
    assert_string_equal(r->model.backend, "reference");
    assert_int_equal(r->model.class_count, YK_TINY_CLASSES);
    assert_string_equal(r->pictures, "");
    assert_true(r->load_ms > 0 && r->machine.cores >= 1);
    assert_int_equal(strlen(r->machine.when), 20);
    assert_int_equal(r->step_count, 0);
    yolk_benchmark_report_destroy(&r);
    assert_null(r);
    yolk_benchmark_report_destroy(&r);
}

static void every_size_gets_every_batch(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int batches[] = {3, 1};
    const yolk_size sizes[] = {{64, 32}, {96, 64}};
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.batches = batches;
    o.batch_count = 2;
    o.sizes = sizes;
    o.size_count = 2;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(r->row_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->rows[i].batch, batches[i % 2]);
        assert_int_equal(r->rows[i].input.width, sizes[i / 2].width);
        assert_int_equal(r->rows[i].input.height, sizes[i / 2].height);
    }
    yolk_benchmark_report_destroy(&r);
}

static void a_fixed_batch_is_the_only_one(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *path = bench_path("fixed.onnx");
    const int batches[] = {1, 4};
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    yk_tiny_write(path, 4, bench_names);
    assert_ok(yolk_benchmark(path, &o, &r));
    assert_int_equal(r->row_count, 1);
    assert_int_equal(r->rows[0].batch, 4);
    assert_true(r->rows[0].network_runs == 1);
    yolk_benchmark_report_destroy(&r);
    o.batches = batches;
    o.batch_count = 2;
    assert_ok(yolk_benchmark(path, &o, &r));
    assert_int_equal(r->row_count, 2);
    assert_non_null(strstr(r->rows[0].skipped, "batches of 4 only"));
    assert_int_equal(r->rows[0].call.runs, 0);
    assert_null(r->rows[1].skipped);
    yolk_benchmark_report_destroy(&r);
    /* Nothing that could be measured is a failure. */
    o.batch_count = 1;
    assert_fails(yolk_benchmark(path, &o, &r), YOLK_ERROR_LIMIT, "batches of 4 only");
    assert_null(r);
}

static void a_limit_of_memory_skips(void **state)
{
    (void)state;
    yolk_config config = bench_config();
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    config.memory_limit_mb = 1;
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_LIMIT, "memory_limit_mb");
    assert_null(r);
}

static void memory_is_foreseen_from_the_rows_before(void **state)
{
    (void)state;
    const yolk_size size = {64, 64}, other = {32, 32};
    yolk_benchmark_row rows[] = {{.input = size, .batch = 1, .memory_before = 1000, .memory_peak = 1500},
                                 {.input = other, .batch = 64, .memory_before = 1000, .memory_peak = 900000},
                                 {.input = size, .batch = 2, .skipped = "no"},
                                 {.input = size, .batch = 3, .memory_before = 1000, .memory_peak = 1700},
                                 {.input = size, .batch = 16},
                                 {.input = {8, 8}, .batch = 4}};
    /* Nothing is known, then one row, then two: 100 a frame. */
    assert_true(fabs(yk_bench_expected(rows, &rows[0], 30) - 30) < 1e-9);
    assert_true(fabs(yk_bench_expected(rows, &rows[3], 30) - (500 + 2 * 30)) < 1e-9);
    assert_true(fabs(yk_bench_expected(rows, &rows[4], 30) - (700 + 13 * 100)) < 1e-9);
    assert_true(fabs(yk_bench_expected(rows, &rows[5], 30) - 120) < 1e-9);
    rows[3].memory_peak = 1200; /* noise: less than the smaller batch took */
    assert_true(fabs(yk_bench_expected(rows, &rows[4], 30) - 200) < 1e-9);
}

static void time_may_be_short(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int batch = 1;
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.runs = 1000000;
    o.max_seconds = 0.02;
    o.batches = &batch;
    o.batch_count = 1;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    assert_true(r->rows[0].cut);
    assert_true(r->rows[0].call.runs >= 1 && r->rows[0].call.runs < 1000000);
    assert_int_equal(r->runs, 1000000);
    json_t *root = bench_json(r->json);
    assert_true(json_is_true(bench_find(root, "rows/0/cut")));
    json_decref(root);
    yolk_benchmark_report_destroy(&r);
}

static void progress_comes_to_an_end(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int batches[] = {1, 2};
    static watcher w;
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.batches = batches;
    o.batch_count = 2;
    o.progress = watch;
    o.user = &w;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(w.calls, 2 * (1 + 1 + 3));
    assert_true(w.fraction > 0.999);
    assert_string_equal(w.stages[0], "batch 1 at 64x64");
    assert_string_equal(w.stages[9], "batch 2 at 64x64");
    yolk_benchmark_report_destroy(&r);
}

static void stopping_keeps_what_was_finished(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    static watcher w;
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.progress = watch;
    o.user = &w;
    w.stop_at = 3;
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_CANCELED, "stopped");
    assert_null(r);
    w = (watcher){.stop_at = 12};
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_CANCELED, "stopped");
    assert_non_null(r);
    assert_int_equal(r->row_count, 2);
    check_times(&r->rows[1].call, 3);
    json_t *root = bench_json(r->json);
    assert_int_equal(json_array_size(bench_find(root, "rows")), 2);
    json_decref(root);
    yolk_benchmark_report_destroy(&r);
}

static void real_pictures_are_run_on(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int batch = 2;
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.batches = &batch;
    o.batch_count = 1;
    o.pictures = bench_pictures("pictures", 5);
    o.picture_count = 3;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(r->picture_count, 3);
    assert_string_equal(r->pictures, o.pictures);
    assert_true(r->rows[0].detections == 1); /* one in each */
    yolk_benchmark_report_destroy(&r);
    o.pictures = yk_temp_path("nowhere");
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_NOT_FOUND, "nowhere");
}

static void steps_and_layers(void **state)
{
    (void)state;
    static const char *const names[] = {"import", "compile", "first run", "other runs"};
    const yolk_config config = bench_config();
    const int batch = 1;
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.batches = &batch;
    o.batch_count = 1;
    o.steps = 1;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(r->step_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(r->steps[i].name, names[i]);
        assert_true(r->steps[i].ms >= 0 && r->steps[i].memory > 0);
        if (i > 0)
            assert_true(r->steps[i].memory == r->steps[i - 1].memory + (uint64_t)r->steps[i].memory_added);
    }
    /* Two convolutions of the picture: 4 and 3 channels of 8 x 8. */
    assert_int_equal(r->layer_count, 2);
    assert_string_equal(r->layers[0].name, "boxes");
    assert_string_equal(r->layers[0].operation, "Conv");
    assert_string_equal(r->layers[0].shape, "1x4x8x8");
    assert_int_equal(r->layers[0].output_bytes, 4 * 64 * 4);
    assert_int_equal(r->layers[1].output_bytes, 3 * 64 * 4);
    /* The picture waits for the second one; the first one's result for the end. */
    assert_int_equal(r->layers[0].live_bytes, (3 * 4096 + 4 * 64) * 4);
    assert_int_equal(r->layers[1].live_bytes, (3 * 4096 + 7 * 64) * 4);
    assert_int_equal(r->live_peak_bytes, r->layers[1].live_bytes);
    assert_int_equal(r->weight_bytes, (7 * 3 * 64 + 7) * 4);
    yolk_benchmark_report_destroy(&r);
}

static void the_report_as_json(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int batches[] = {1, 2};
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.batches = batches;
    o.batch_count = 2;
    o.steps = 1;
    assert_ok(yolk_benchmark(bench_model("tiny.onnx"), &o, &r));
    json_t *root = bench_json(r->json);
    assert_string_equal(json_string_value(bench_find(root, "kind")), "benchmark");
    assert_string_equal(json_string_value(bench_find(root, "yolk")), yolk_version());
    assert_string_equal(json_string_value(bench_find(root, "model/family")), "tiny");
    assert_int_equal(json_integer_value(bench_find(root, "model/bytes")), r->model.file_bytes);
    assert_int_equal(json_integer_value(bench_find(root, "rows/1/batch")), 2);
    assert_int_equal(json_array_size(bench_find(root, "rows/1/calls_ms")), 3);
    assert_int_equal(json_integer_value(bench_find(root, "rows/1/memory_bytes/peak")), r->rows[1].memory_peak);
    static const char *const times[] = {"mean", "std", "min", "max", "p50", "p90", "p95", "p99"};
    for (size_t i = 0; i < YK_COUNT(times); i++) {
        char path[64];
        snprintf(path, sizeof path, "rows/0/call_ms/%s", times[i]);
        assert_true(json_is_number(bench_find(root, path)));
    }
    assert_string_equal(json_string_value(bench_find(root, "memory/steps/1/name")), "compile");
    assert_int_equal(json_integer_value(bench_find(root, "memory/largest_layers/0/output_bytes")), 1024);
    json_decref(root);
    yolk_benchmark_report_destroy(&r);
}

static void what_cannot_be_measured(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int none = 0;
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r;
    o.runs = 0;
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "0 runs");
    o = quick(&config);
    o.batches = &none;
    o.batch_count = 1;
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "batch: 0");
    o = quick(&config);
    o.picture_count = 0;
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "0 pictures");
    o = (yolk_benchmark_options){.struct_size = 0};
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "_defaults()");
    o = quick(&config);
    assert_fails(yolk_benchmark(yk_temp_path("absent.onnx"), &o, &r), YOLK_ERROR_NOT_FOUND, "absent.onnx");
    assert_fails(yolk_benchmark(yk_temp_text("bad.onnx", "not a model"), &o, &r), YOLK_ERROR_DAMAGED, "bad.onnx");
    const yolk_size odd = {60, 60};
    o.sizes = &odd;
    o.size_count = 1;
    assert_fails(yolk_benchmark(bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "multiples of 8");
    assert_null(r);
}

static void memory_may_be_short(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const int batch = 1;
    const char *model = bench_model("tiny.onnx");
    yolk_benchmark_options o = quick(&config);
    yolk_benchmark_report *r = NULL;
    o.batches = &batch;
    o.batch_count = 1;
    o.runs = 1;
    o.warmup = 0;
    o.steps = 1;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n += 11) {
        yk_alloc_fail_at(n);
        status = yolk_benchmark(model, &o, &r);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK) {
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
            assert_null(r);
        }
    }
    assert_null(r->rows[0].skipped);
    yolk_benchmark_report_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_batches_are_measured),
        cmocka_unit_test(every_size_gets_every_batch),
        cmocka_unit_test(a_fixed_batch_is_the_only_one),
        cmocka_unit_test(a_limit_of_memory_skips),
        cmocka_unit_test(memory_is_foreseen_from_the_rows_before),
        cmocka_unit_test(time_may_be_short),
        cmocka_unit_test(progress_comes_to_an_end),
        cmocka_unit_test(stopping_keeps_what_was_finished),
        cmocka_unit_test(real_pictures_are_run_on),
        cmocka_unit_test(steps_and_layers),
        cmocka_unit_test(the_report_as_json),
        cmocka_unit_test(what_cannot_be_measured),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests_name("benchmark", tests, yk_temp_make, yk_temp_remove);
}
