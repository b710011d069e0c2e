/* Runs from inputs to sinks: nothing lost, nothing out of order, nothing that fails takes the rest with it. */
#include "pipeline_test.h"

/* Where the network sees the square of frame `i` of a clip that is 64 pixels wide: the cells it covers whole. */
static void check_square(const record *r, int i)
{
    int left = (4 + 2 * i) % 48, first = (left + 7) / 8, last = (left + 16) / 8;
    assert_int_equal(r->count, 2 * (last - first));
    assert_true(fabsf(r->x1 - (float)first * 8) < 0.01f && fabsf(r->x2 - (float)last * 8) < 0.01f);
    assert_true(fabsf(r->y1 - 8) < 0.01f && fabsf(r->y2 - 24) < 0.01f);
}

static void every_frame_comes_in_order(void **state)
{
    (void)state;
    enum { FRAMES = 101 };
    char path[1024];
    snprintf(path, sizeof(path), "%s", clip_write("clip.mp4", 64, 48, FRAMES, 60, 1, NULL));
    const char *input = path;
    static const int settings[][2] = {{0, 8}, {1, 1}, {3, 8}, {8, 2}, {200, 4}};
    for (size_t s = 0; s < YK_COUNT(settings); s++) {
        yolk_manager *manager = tiny_manager(settings[s][0], settings[s][1]);
        yolk_pipeline_report report;
        assert_ok(run(manager, &input, 1, &seen, NULL, &report));
        assert_int_equal(seen.count, FRAMES);
        for (int i = 0; i < FRAMES; i++) {
            const record *r = &seen.items[i];
            assert_int_equal(r->frame, i);
            assert_true(fabs(r->time - i / 60.0) < 1e-4);
            assert_int_equal(r->width, 64);
            assert_false(r->image);
            check_square(r, i);
        }
        assert_int_equal(report.stats.frames, FRAMES);
        assert_int_equal(report.sources, 1);
        assert_int_equal(report.failed_sources, 0);
        assert_int_equal(report.input_width, 64);
        assert_int_equal(report.input_height, 48);
        assert_int_equal(report.batch, YK_MAX(settings[s][0], 1));
        assert_int_equal(report.stats.stages[YOLK_STAGE_DECODE].frames, FRAMES);
        assert_int_equal(report.stats.stages[YOLK_STAGE_OUTPUT].frames, FRAMES);
        yolk_manager_destroy(&manager);
    }
}

/* A white picture with a border of black that is one cell wide in the network's view. */
static void write_still(const char *name, int width, int height)
{
    yolk_image image = clip_frame(width, height, 0);
    memset(image.planes[0], 235, (size_t)width * height);
    assert_ok(yolk_image_save(&image, yk_temp_path(name)));
    free(image.planes[0]);
}

static void pictures_of_all_sizes_share_batches(void **state)
{
    (void)state;
    mkdir(yk_temp_path("stills"), 0777);
    static const struct {
        const char *name;
        int width, height;
    } stills[] = {{"stills/a.png", 64, 48},
                  {"stills/b.jpg", 128, 96},
                  {"stills/c.png", 64, 48},
                  {"stills/d.png", 32, 24},
                  {"stills/e.png", 256, 192}};
    for (size_t i = 0; i < YK_COUNT(stills); i++)
        write_still(stills[i].name, stills[i].width, stills[i].height);
    yk_temp_text("stills/bad.png", "not a picture");
    char folder[1024];
    snprintf(folder, sizeof(folder), "%s", yk_temp_path("stills"));
    const char *input = folder;
    yolk_manager *manager = tiny_manager(4, 8);
    yolk_pipeline_report report;
    assert_fails(run(manager, &input, 1, &seen, NULL, &report), YOLK_ERROR_DAMAGED, "bad.png");
    assert_int_equal(seen.count, YK_COUNT(stills));
    assert_int_equal(report.sources, YK_COUNT(stills) + 1);
    assert_int_equal(report.failed_sources, 1);
    assert_int_equal(report.stats.batches, 2);
    for (size_t i = 0; i < YK_COUNT(stills); i++) {
        const record *r = &seen.items[i];
        assert_string_equal(r->source, yk_base_name(stills[i].name));
        assert_int_equal(r->still, 1);
        assert_int_equal(r->count, 48);
        assert_true(fabsf(r->x2 - (float)stills[i].width) < 0.01f && fabsf(r->y2 - (float)stills[i].height) < 0.01f);
        assert_true(fabsf(r->x1) < 0.01f && fabsf(r->y1) < 0.01f);
    }
    /* With rect each keeps its own shape. */
    write_still("stills/f.png", 64, 16);
    yolk_pipeline_options options;
    yolk_pipeline_options_defaults(&options);
    options.rect = 1;
    assert_int_equal(run(manager, &input, 1, &seen, &options, &report), YOLK_ERROR_DAMAGED);
    assert_int_equal(seen.count, 6);
    assert_int_equal(report.input_height, 16);
    assert_int_equal(seen.items[5].count, 16);
    yolk_manager_destroy(&manager);
}

static void parts_of_frames_are_mapped_back(void **state)
{
    (void)state;
    yolk_image image = clip_frame(128, 96, 0);
    memset(image.planes[0], 16, 128 * 96);
    for (int y = 56; y < 88; y++)
        memset(image.planes[0] + y * 128 + 72, 235, 32);
    assert_ok(yolk_image_save(&image, yk_temp_path("part.png")));
    free(image.planes[0]);
    char path[1024];
    snprintf(path, sizeof(path), "%s", yk_temp_path("part.png"));
    const char *input = path;
    static const struct {
        yolk_eye eye;
        int crop[4];
        int count;
    } cases[] = {{YOLK_EYE_BOTH, {64, 48, 64, 48}, 16},
                 {YOLK_EYE_RIGHT, {0, 48, 64, 48}, 16},
                 {YOLK_EYE_BOTTOM, {64, 0, 64, 48}, 16},
                 {YOLK_EYE_LEFT, {0}, 0}};
    yolk_manager *manager = tiny_manager(1, 8);
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_pipeline_options options;
        yolk_pipeline_options_defaults(&options);
        options.eye = cases[i].eye;
        memcpy(options.crop, cases[i].crop, sizeof(options.crop));
        assert_ok(run(manager, &input, 1, &seen, &options, NULL));
        const record *r = &seen.items[0];
        assert_int_equal(r->width, 128);
        assert_int_equal(r->height, 96);
        assert_int_equal(r->count, cases[i].count);
        if (r->count > 0)
            assert_true(r->x1 == 72 && r->y1 == 56 && r->x2 == 104 && r->y2 == 88);
    }
    yolk_pipeline_options options;
    yolk_pipeline_options_defaults(&options);
    memcpy(options.crop, (int[]){128, 0, 4, 4}, sizeof(options.crop));
    assert_fails(run(manager, &input, 1, &seen, &options, NULL), YOLK_ERROR_INVALID_ARGUMENT, "lies outside");
    yolk_manager_destroy(&manager);
}

static void videos_can_be_looped_and_limited(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof(path), "%s", clip_write("loop.mp4", 64, 48, 10, 25, 1, NULL));
    const char *inputs[] = {path, path};
    static const struct {
        int loop, frames;
        int64_t limit;
    } cases[] = {{1, 10, 0}, {3, 30, 0}, {3, 15, 15}, {1, 4, 4}, {0, 10, 100}};
    yolk_manager *manager = tiny_manager(4, 8);
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_pipeline_options options;
        yolk_pipeline_options_defaults(&options);
        options.loop = cases[i].loop;
        options.max_frames = cases[i].limit;
        assert_ok(run(manager, inputs, 2, &seen, &options, NULL));
        assert_int_equal(seen.count, 2 * cases[i].frames);
        for (int k = 0; k < 2 * cases[i].frames; k++) {
            int frame = k % cases[i].frames;
            assert_int_equal(seen.items[k].frame, frame);
            assert_true(fabs(seen.items[k].time - frame / 25.0) < 1e-3);
            check_square(&seen.items[k], frame % 10);
        }
    }
    yolk_manager_destroy(&manager);
}

static void sizes_may_change_on_the_way(void **state)
{
    (void)state;
    size_t sizes[2];
    uint8_t *parts[2] = {file_bytes(clip_write("one.h264", 64, 48, 5, 25, 1, NULL), &sizes[0]),
                         file_bytes(clip_write("two.h264", 64, 32, 6, 25, 1, NULL), &sizes[1])};
    yk_buffer joined = {0};
    for (int i = 0; i < 2; i++) {
        yk_buffer_add(&joined, parts[i], sizes[i]);
        free(parts[i]);
    }
    char path[1024];
    snprintf(path, sizeof(path), "%s", yk_temp_write("joined.h264", joined.data, joined.size));
    yk_buffer_free(&joined);
    const char *input = path;
    yolk_manager *manager = tiny_manager(4, 8);
    yolk_pipeline_report report;
    assert_ok(run(manager, &input, 1, &seen, NULL, &report));
    assert_int_equal(seen.count, 11);
    for (int i = 0; i < 11; i++) {
        assert_int_equal(seen.items[i].frame, i);
        assert_int_equal(seen.items[i].height, i < 5 ? 48 : 32);
        check_square(&seen.items[i], i < 5 ? i : i - 5);
    }
    assert_int_equal(report.stats.batches, 4);
    yolk_manager_destroy(&manager);
}

static void keep_message(void *user, yolk_log_level level, const char *message)
{
    int *errors = user;
    *errors += level == YOLK_LOG_ERROR && strstr(message, ": ");
}

static void an_input_that_fails_stops_no_other(void **state)
{
    (void)state;
    char paths[5][1024];
    const char *inputs[5];
    snprintf(paths[0], sizeof(paths[0]), "%s", yk_temp_path("absent.mp4"));
    snprintf(paths[1], sizeof(paths[1]), "%s", clip_write("fine.mkv", 128, 96, 40, 25, 1, NULL));
    snprintf(paths[2], sizeof(paths[2]), "%s", clip_cut(paths[1], "cut.mkv", 0.5));
    snprintf(paths[3], sizeof(paths[3]), "%s", yk_temp_text("words.jpg", "words"));
    snprintf(paths[4], sizeof(paths[4]), "%s", paths[1]);
    mkdir(yk_temp_path("nothing"), 0777);
    for (int i = 0; i < 5; i++)
        inputs[i] = paths[i];
    yolk_manager *manager = tiny_manager(3, 4);
    yolk_pipeline_report report;
    int errors = 0;
    yolk_log_set(keep_message, &errors, YOLK_LOG_ERROR);
    assert_fails(run(manager, inputs, 5, &seen, NULL, &report), YOLK_ERROR_NOT_FOUND, "absent.mp4");
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    assert_int_equal(errors, 3);
    assert_int_equal(report.failed_sources, 3);
    assert_in_range(seen.count, 90, 110);
    assert_string_equal(seen.items[39].source, "fine.mkv");
    assert_string_equal(seen.items[40].source, "cut.mkv");
    assert_string_equal(seen.items[seen.count - 1].source, "fine.mkv");
    assert_int_equal(seen.items[seen.count - 1].frame, 39);
    yolk_manager_destroy(&manager);
}

static void images_are_given_when_asked_for(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof(path), "%s", clip_write("images.mp4", 64, 48, 12, 25, 1, NULL));
    const char *input = path;
    yolk_manager *manager = tiny_manager(5, 2);
    yolk_sink *sinks[3];
    seen.count = 0;
    assert_ok(yolk_sink_open_callback(take, &seen, 1, &sinks[0]));
    assert_ok(yolk_sink_open_annotated(yk_temp_path("images_out.mp4"), 1, &sinks[1]));
    assert_ok(yolk_sink_open_jsonl(yk_temp_path("images.jsonl"), 0, &sinks[2]));
    assert_ok(yolk_pipeline_run(manager, &input, 1, sinks, 3, NULL, NULL));
    for (int i = 0; i < 3; i++)
        assert_ok(yolk_sink_finish(&sinks[i]));
    assert_int_equal(seen.count, 12);
    for (size_t i = 0; i < seen.count; i++)
        assert_true(seen.items[i].image);
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(yk_temp_path("images_out.mp4"), NULL, &video));
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 12);
    yolk_video_close(&video);
    yolk_manager_destroy(&manager);
}

static void options_are_checked(void **state)
{
    (void)state;
    yolk_manager *manager = tiny_manager(1, 1);
    const char *input = "/absent.mp4";
    yolk_pipeline_options options;
    static const int crops[][4] = {{-1, 0, 4, 4}, {0, 0, 4, 0}, {0, 0, -4, 4}};
    for (size_t i = 0; i < YK_COUNT(crops); i++) {
        yolk_pipeline_options_defaults(&options);
        memcpy(options.crop, crops[i], sizeof(options.crop));
        assert_fails(run(manager, &input, 1, &seen, &options, NULL), YOLK_ERROR_INVALID_ARGUMENT, "crop ");
    }
    yolk_pipeline_options_defaults(&options);
    options.eye = (yolk_eye)9;
    assert_fails(run(manager, &input, 1, &seen, &options, NULL), YOLK_ERROR_INVALID_ARGUMENT, "eye 9");
    yolk_pipeline_options_defaults(&options);
    options.max_frames = -1;
    assert_fails(run(manager, &input, 1, &seen, &options, NULL), YOLK_ERROR_INVALID_ARGUMENT, "max_frames -1");
    assert_fails(run(manager, NULL, 0, &seen, NULL, NULL), YOLK_ERROR_INVALID_ARGUMENT, "no input");
    yolk_manager_destroy(&manager);
    assert_ok(yolk_manager_create(NULL, &manager));
    assert_int_equal(run(manager, &input, 1, &seen, NULL, NULL), YOLK_ERROR_NOT_FOUND);
    yolk_manager_destroy(&manager);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_comes_in_order),      cmocka_unit_test(pictures_of_all_sizes_share_batches),
        cmocka_unit_test(parts_of_frames_are_mapped_back), cmocka_unit_test(videos_can_be_looped_and_limited),
        cmocka_unit_test(sizes_may_change_on_the_way),     cmocka_unit_test(an_input_that_fails_stops_no_other),
        cmocka_unit_test(images_are_given_when_asked_for), cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests_name("pipeline", tests, yk_temp_make, yk_temp_remove);
}
