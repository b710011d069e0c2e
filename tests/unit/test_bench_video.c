/* Benchmarks of a video from end to end, on the reference backend. */
#include "bench_test.h"
#include "video_test.h"

enum { FRAMES = 24 };

static const char *clip(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s", yk_temp_path("clip.mp4"));
    if (access(path, R_OK) != 0)
        clip_write("clip.mp4", 64, 48, FRAMES, 25, 1, NULL);
    return path;
}

static yolk_video_benchmark_options quick(const yolk_config *config)
{
    yolk_video_benchmark_options o;
    yolk_video_benchmark_options_defaults(&o);
    o.config = config;
    o.rounds = 2;
    return o;
}

static void check_rate(const yolk_rate *r)
{
    assert_true(r->low > 0 && r->low <= r->fps && r->fps <= r->high);
}

static void three_things_are_measured(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    static watcher w;
    yolk_video_benchmark_options o = quick(&config);
    yolk_video_benchmark_report *r;
    o.progress = watch;
    o.user = &w;
    w.fraction = 0;
    assert_ok(yolk_benchmark_video(clip(), bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(r->frames, FRAMES);
    assert_int_equal(r->rounds, 2);
    assert_int_equal(r->width, 64);
    assert_int_equal(r->height, 48);
    assert_string_equal(r->codec, "h264");
    assert_int_equal(r->input.width, 64);
    assert_int_equal(r->input.height, 48);
    check_rate(&r->decode);
    check_rate(&r->network);
    check_rate(&r->pipeline);
    assert_true(r->decode_share > 0 && r->network_share > 0);
    assert_true(r->bound_share == YK_MAX(r->decode_share, r->network_share));
    /* What was run to warm up is in no figure. */
    assert_int_equal(r->stages[YOLK_STAGE_DECODE].frames, 2 * FRAMES);
    assert_int_equal(r->stages[YOLK_STAGE_INFER].frames, 2 * FRAMES);
    assert_true(r->batch >= 1 && r->memory_peak_bytes > 0 && r->seconds > 0);
    assert_string_equal(r->model.name, "tiny");
    yolk_video_benchmark_report_destroy(&r);
    assert_null(r);
}

static void a_part_of_it(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_video_benchmark_options o = quick(&config);
    yolk_video_benchmark_report *r;
    o.max_frames = 7;
    o.rounds = 1;
    assert_ok(yolk_benchmark_video(clip(), bench_model("tiny.onnx"), &o, &r));
    assert_int_equal(r->frames, 7);
    assert_int_equal(r->stages[YOLK_STAGE_INFER].frames, 7);
    assert_true(r->pipeline.low == r->pipeline.high);
    json_t *root = bench_json(r->json);
    assert_string_equal(json_string_value(bench_find(root, "kind")), "video");
    assert_int_equal(json_integer_value(bench_find(root, "frames")), 7);
    assert_int_equal(json_integer_value(bench_find(root, "stages/infer/frames")), 7);
    assert_true(json_real_value(bench_find(root, "pipeline/fps")) > 0);
    assert_true(json_is_number(bench_find(root, "pipeline_share/of_the_slower")));
    json_decref(root);
    const char *path = bench_path("video.html");
    assert_ok(yolk_video_benchmark_write_html(r, path));
    yk_map map;
    assert_ok(yk_map_open(path, &map));
    assert_non_null(memmem(map.data, map.size, "Frames a second", 15));
    assert_non_null(memmem(map.data, map.size, "7 of 64 x 48, h264, in each of 1 round<", 39));
    yk_map_close(&map);
    yolk_video_benchmark_report_destroy(&r);
}

static void stopping(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_video_benchmark_options o = quick(&config);
    yolk_video_benchmark_report *r;
    static watcher w;
    o.progress = watch;
    o.user = &w;
    for (int at = 1; at < 8; at++) {
        w = (watcher){.stop_at = at};
        assert_int_equal(yolk_benchmark_video(clip(), bench_model("tiny.onnx"), &o, &r), YOLK_ERROR_CANCELED);
        assert_null(r);
    }
}

static void what_cannot_be_measured(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_video_benchmark_options o = quick(&config);
    yolk_video_benchmark_report *r;
    const char *model = bench_model("tiny.onnx");
    o.rounds = 0;
    assert_fails(yolk_benchmark_video(clip(), model, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "0 rounds");
    o = (yolk_video_benchmark_options){.struct_size = 4};
    assert_fails(yolk_benchmark_video(clip(), model, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "_defaults()");
    o = quick(&config);
    assert_fails(yolk_benchmark_video(yk_temp_path("no.mp4"), model, &o, &r), YOLK_ERROR_NOT_FOUND, "no.mp4");
    assert_fails(yolk_benchmark_video(clip(), yk_temp_path("no.onnx"), &o, &r), YOLK_ERROR_NOT_FOUND, "no.onnx");
    assert_null(r);
}

static void memory_may_be_short(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *model = bench_model("tiny.onnx"), *video = clip(), *page = bench_path("short.html");
    yolk_video_benchmark_options o = quick(&config);
    yolk_video_benchmark_report *r = NULL;
    o.rounds = 1;
    o.max_frames = 4;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n += 17 + n / 8) {
        yk_alloc_fail_at(n);
        status = yolk_benchmark_video(video, model, &o, &r);
        yk_alloc_fail_at(0);
        assert_true((status == YOLK_OK) == (r != NULL));
    }
    status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n++) {
        yk_alloc_fail_at(n);
        status = yolk_video_benchmark_write_html(r, page);
        yk_alloc_fail_at(0);
        assert_true((status == YOLK_OK) == (access(page, F_OK) == 0));
    }
    yolk_video_benchmark_report_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_things_are_measured), cmocka_unit_test(a_part_of_it),        cmocka_unit_test(stopping),
        cmocka_unit_test(what_cannot_be_measured),   cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests_name("bench video", tests, yk_temp_make, yk_temp_remove);
}
