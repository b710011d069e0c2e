/* Results as pictures and videos. */
#include <signal.h>
#include <sys/resource.h>

#include "video/video.h"
#include "video_test.h"

static yolk_detection found = {10, 20, 40, 44, 0.9f, 0, "person", 0};

/* Gives frame `index` of a source to the sink. */
static yolk_status give(yolk_sink *sink, const char *source, int still, int64_t index, int width, int height)
{
    yolk_image image = clip_frame(width, height, (int)index);
    yolk_result r = {.source = source,
                     .still = still,
                     .frame = index,
                     .time = (double)index / 50,
                     .fps_num = 50,
                     .fps_den = 1,
                     .width = width,
                     .height = height,
                     .image = &image,
                     .detections = &found,
                     .count = 1};
    yolk_status status = yolk_sink_write(sink, &r);
    free(image.planes[0]);
    return status;
}

static yolk_video *open_video(const char *name)
{
    yolk_video *video;
    assert_ok(yolk_video_open(yk_temp_path(name), NULL, &video));
    return video;
}

static void a_video_becomes_a_video(void **state)
{
    (void)state;
    yolk_sink *sink;
    yolk_frame *frame;
    assert_ok(yolk_sink_open_annotated(yk_temp_path("out.mp4"), 1, &sink));
    for (int i = 0; i < 5; i++)
        assert_ok(give(sink, "/absent/street.mp4", 0, i, 128, 48));
    assert_false(yk_is_file(yk_temp_path("out.mp4")));
    assert_ok(yolk_sink_finish(&sink));
    yolk_video *video = open_video("out.mp4");
    assert_true(yolk_video_get_info(video)->fps == 50);
    for (int i = 0; i < 5; i++) {
        assert_ok(yolk_video_read(video, &frame));
        const uint8_t *row = frame->image.planes[2] + 15 * frame->image.strides[2];
        assert_true(row[5] > 140); /* the box's left edge is red */
        assert_in_range(row[60], 124, 132);
        yolk_frame_release(&frame);
    }
    assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
    yolk_video_close(&video);
}

static void scale_makes_it_smaller(void **state)
{
    (void)state;
    static const struct {
        double scale;
        int width, to;
    } cases[] = {{0.5, 128, 64}, {0, 128, 128}, {1, 129, 128}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_sink *sink;
        assert_ok(yolk_sink_open_annotated(yk_temp_path("small.mkv"), cases[i].scale, &sink));
        assert_ok(give(sink, "-", 0, 0, cases[i].width, 48));
        assert_ok(yolk_sink_finish(&sink));
        yolk_video *video = open_video("small.mkv");
        assert_int_equal(yolk_video_get_info(video)->width, cases[i].to);
        yolk_video_close(&video);
    }
}

static void a_folder_takes_many(void **state)
{
    (void)state;
    yolk_sink *sink;
    mkdir(yk_temp_path("many"), 0777);
    assert_ok(yolk_sink_open_annotated(yk_temp_path("many"), 1, &sink));
    assert_ok(give(sink, "a/one.jpg", 1, 0, 64, 48));
    assert_ok(give(sink, "b/one.jpg", 1, 0, 64, 48));
    assert_ok(give(sink, "b/two.webp", 1, 0, 64, 48));
    for (int i = 0; i < 3; i++)
        assert_ok(give(sink, "street.mkv", 0, i, 64, 48));
    assert_ok(give(sink, "b/three.PNG", 1, 0, 64, 48));
    for (int i = 0; i < 2; i++)
        assert_ok(give(sink, "street.webm", 0, i, 64, 48));
    for (int i = 0; i < 2; i++)
        assert_ok(give(sink, "street.webm", 0, i, 64, 48)); /* the same again */
    assert_ok(give(sink, "-", 0, 0, 64, 48));
    assert_ok(yolk_sink_finish(&sink));
    static const char *const names[] = {"many/one.jpg",   "many/one-2.jpg",  "many/two.jpg",      "many/street.mkv",
                                        "many/three.PNG", "many/street.mp4", "many/street-2.mp4", "many/stdin.mp4"};
    for (size_t i = 0; i < YK_COUNT(names); i++)
        if (!yk_is_file(yk_temp_path(names[i])))
            fail_msg("%s is missing", names[i]);
    yolk_video *video = open_video("many/street.mkv");
    int frames;
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 3);
    yolk_video_close(&video);
    yolk_image *image;
    assert_ok(yolk_image_load(yk_temp_path("many/three.PNG"), &image));
    assert_int_equal(image->width, 64);
    yolk_image_destroy(&image);
}

static void one_file_takes_one_input(void **state)
{
    (void)state;
    yolk_sink *sink;
    assert_ok(yolk_sink_open_annotated(yk_temp_path("one.png"), 1, &sink));
    assert_ok(give(sink, "one.jpg", 1, 0, 64, 48));
    assert_fails(give(sink, "two.jpg", 1, 0, 64, 48), YOLK_ERROR_INVALID_ARGUMENT, "several inputs");
    assert_ok(yolk_sink_finish(&sink));
    assert_true(yk_is_file(yk_temp_path("one.png")));

    assert_ok(yolk_sink_open_annotated(yk_temp_path("one.mp4"), 1, &sink));
    assert_fails(give(sink, "one.jpg", 1, 0, 64, 48), YOLK_ERROR_INVALID_ARGUMENT, "not the name of a picture");
    assert_ok(yolk_sink_finish(&sink));
    assert_ok(yolk_sink_open_annotated(yk_temp_path("one.jpg"), 1, &sink));
    assert_fails(give(sink, "one.mp4", 0, 0, 64, 48), YOLK_ERROR_INVALID_ARGUMENT, "name of a picture but one.mp4");
    assert_ok(yolk_sink_finish(&sink));
    assert_false(yk_is_file(yk_temp_path("one.mp4")));
}

static void the_input_is_never_overwritten(void **state)
{
    (void)state;
    char clip[1024], picture[1024];
    snprintf(clip, sizeof(clip), "%s", clip_write("input.mp4", 64, 48, 2, 25, 1, NULL));
    snprintf(picture, sizeof(picture), "%s", yk_temp_path("input.png"));
    yolk_image image = clip_frame(64, 48, 0);
    assert_ok(yolk_image_save(&image, picture));
    free(image.planes[0]);
    const char *targets[] = {clip, yk_temp_folder, yk_temp_folder};
    const char *sources[] = {clip, clip, picture};
    for (size_t i = 0; i < YK_COUNT(targets); i++) {
        yolk_sink *sink;
        assert_ok(yolk_sink_open_annotated(targets[i], 1, &sink));
        assert_fails(give(sink, sources[i], i == 2, 0, 64, 48), YOLK_ERROR_INVALID_ARGUMENT, "is the input itself");
        assert_ok(yolk_sink_finish(&sink));
    }
    yolk_video *video = open_video("input.mp4");
    int frames;
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 2);
    yolk_video_close(&video);
}

static void bad_paths_are_told_at_once(void **state)
{
    (void)state;
    yolk_sink *sink;
    assert_fails(yolk_sink_open_annotated(yk_temp_path("nowhere/"), 1, &sink), YOLK_ERROR_NOT_FOUND, "make it first");
    assert_fails(yolk_sink_open_annotated("", 1, &sink), YOLK_ERROR_NOT_FOUND, "does not exist");
    assert_fails(yolk_sink_open_annotated(yk_temp_path("nowhere/a.mp4"), 1, &sink), YOLK_ERROR_NOT_FOUND, "nowhere/");
    assert_fails(yolk_sink_open_annotated(yk_temp_path("nowhere/a.jpg"), 1, &sink), YOLK_ERROR_NOT_FOUND, "nowhere/");
    assert_fails(yolk_sink_open_annotated(yk_temp_path("a.doc"), 1, &sink), YOLK_ERROR_INVALID_ARGUMENT, "\".doc\"");
    assert_fails(yolk_sink_open_annotated(yk_temp_path("a.mp4"), 2, &sink), YOLK_ERROR_INVALID_ARGUMENT, "scale 2");
    assert_null(sink);
}

static void results_without_a_picture_are_refused(void **state)
{
    (void)state;
    yolk_sink *sink;
    yolk_result r = {.source = "a.mp4", .width = 64, .height = 48};
    assert_ok(yolk_sink_open_annotated(yk_temp_path("none.mp4"), 1, &sink));
    assert_fails(yolk_sink_write(sink, &r), YOLK_ERROR_INVALID_ARGUMENT, "no picture");
    assert_ok(yolk_sink_finish(&sink));
    assert_false(yk_is_file(yk_temp_path("none.mp4")));
}

/* What is not a readable source of audio costs the audio only. */
static void audio_that_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    yolk_sink *sink;
    assert_ok(yolk_sink_open_annotated(yk_temp_path("mute.mp4"), 1, &sink));
    assert_ok(give(sink, yk_temp_text("noise.mp4", "no video at all"), 0, 0, 64, 48));
    assert_ok(yolk_sink_finish(&sink));
    yolk_video *video = open_video("mute.mp4");
    yolk_video_close(&video);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        yolk_sink *sink = NULL;
        yk_alloc_fail_at(n);
        yolk_status status = yolk_sink_open_annotated(yk_temp_folder, 1, &sink);
        if (status == YOLK_OK)
            status = give(sink, "memory.jpg", 1, 0, 64, 48);
        if (status == YOLK_OK)
            status = give(sink, "memory.mp4", 0, 0, 64, 48);
        yolk_status finished = yolk_sink_finish(&sink);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        status = status != YOLK_OK ? status : finished;
        assert_true(status == YOLK_OK || (failed && status == YOLK_ERROR_OUT_OF_MEMORY));
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_video_becomes_a_video),
        cmocka_unit_test(scale_makes_it_smaller),
        cmocka_unit_test(a_folder_takes_many),
        cmocka_unit_test(one_file_takes_one_input),
        cmocka_unit_test(the_input_is_never_overwritten),
        cmocka_unit_test(bad_paths_are_told_at_once),
        cmocka_unit_test(results_without_a_picture_are_refused),
        cmocka_unit_test(audio_that_cannot_be_read_is_left_out),
        cmocka_unit_test(short_memory_is_survived),
    };
    return cmocka_run_group_tests_name("annotated", tests, yk_temp_make, yk_temp_remove);
}
