/* Reading whole videos: times, sizes, formats, orientation. */
#include <math.h>

#include "video_test.h"

static void times_are_the_containers(void **state)
{
    (void)state;
    static const int rates[][2] = {{60, 1}, {30000, 1001}, {10, 1}, {120, 1}};
    static const char *const names[] = {"a.mp4", "b.mkv", "c.mov", "d.avi"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        int num = rates[i][0], den = rates[i][1];
        const char *path = clip_write(names[i], 64, 48, 30, num, den, NULL);
        yolk_video *video;
        assert_ok(yolk_video_open(path, NULL, &video));
        const yolk_video_info *info = yolk_video_get_info(video);
        assert_int_equal(info->width, 64);
        assert_int_equal(info->height, 48);
        assert_int_equal(info->rotation, 0);
        assert_true(fabs(info->fps - (double)num / den) < 0.01);
        assert_true(fabs(info->duration - 30.0 * den / num) < 0.05);
        assert_int_equal(info->frame_count, 30);
        assert_string_equal(info->codec, "h264");
        assert_int_equal(info->has_audio, 0);
        yolk_frame *frame;
        for (int k = 0; k < 30; k++) {
            assert_ok(yolk_video_read(video, &frame));
            assert_int_equal(frame->index, k);
            /* Matroska counts milliseconds. */
            assert_true(fabs(frame->time - (double)k * den / num) < 0.0006);
            assert_int_equal(frame->image.format, YOLK_PIXEL_I420);
            assert_in_range(frame->image.planes[0][0], CLIP_GRAY - 3, CLIP_GRAY + 3);
            assert_in_range(frame->image.planes[0][10 * frame->image.strides[0] + 4 + 2 * k % 44 + 4], CLIP_WHITE - 12,
                            CLIP_WHITE + 12);
            yolk_frame_release(&frame);
        }
        assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
        assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
        yolk_video_close(&video);
        assert_null(video);
    }
}

static void a_changing_frame_rate_is_kept(void **state)
{
    (void)state;
    static const double times[] = {0, 0.04, 0.08, 0.5, 0.54, 2, 2.04, 2.3};
    const char *path = clip_write("vfr.mp4", 64, 48, 8, 25, 1, times);
    yolk_video *video;
    yolk_frame *frame;
    assert_ok(yolk_video_open(path, NULL, &video));
    for (size_t i = 0; i < YK_COUNT(times); i++) {
        assert_ok(yolk_video_read(video, &frame));
        assert_true(fabs(frame->time - times[i]) < 1e-4);
        yolk_frame_release(&frame);
    }
    assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
    yolk_video_close(&video);
}

/* Writes a matrix into the track header of an MP4 file. */
static const char *turned(const char *path, const char *name, const int32_t four[4])
{
    size_t size;
    uint8_t *bytes = file_bytes(path, &size);
    size_t at = 0;
    while (at + 4 < size && memcmp(bytes + at, "tkhd", 4) != 0)
        at++;
    assert_true(at + 84 < size);
    static const int places[] = {0, 1, 3, 4};
    for (int i = 0; i < 4; i++)
        for (int b = 0; b < 4; b++)
            bytes[at + 4 + 40 + (size_t)places[i] * 4 + b] = (uint8_t)((uint32_t)four[i] >> (24 - 8 * b));
    const char *to = yk_temp_write(name, bytes, size);
    free(bytes);
    return to;
}

static void rotated_videos_are_turned_upright(void **state)
{
    (void)state;
    enum { ONE = 1 << 16 };
    /* The square is at the top left as coded: where it goes says how the frame was turned. */
    static const struct {
        int32_t matrix[4];
        int rotation, width, height, x, y;
    } cases[] = {
        {{ONE, 0, 0, ONE}, 0, 64, 32, 8, 12},      {{0, ONE, -ONE, 0}, 90, 32, 64, 19, 8},
        {{-ONE, 0, 0, -ONE}, 180, 64, 32, 55, 19}, {{0, -ONE, ONE, 0}, 270, 32, 64, 12, 55},
        {{-ONE, 0, 0, ONE}, 0, 64, 32, 55, 12},
    };
    const char *path = clip_write("flat.mp4", 64, 32, 1, 25, 1, NULL);
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_video *video;
        yolk_frame *frame;
        assert_ok(yolk_video_open(turned(path, "turned.mp4", cases[i].matrix), NULL, &video));
        const yolk_video_info *info = yolk_video_get_info(video);
        assert_int_equal(info->rotation, cases[i].rotation);
        assert_int_equal(info->width, cases[i].width);
        assert_int_equal(info->height, cases[i].height);
        assert_ok(yolk_video_read(video, &frame));
        const yolk_image *image = &frame->image;
        assert_int_equal(image->width, cases[i].width);
        assert_int_equal(image->height, cases[i].height);
        assert_in_range(image->planes[0][cases[i].y * image->strides[0] + cases[i].x], CLIP_WHITE - 12,
                        CLIP_WHITE + 12);
        int other_x = image->width - 1 - cases[i].x, other_y = image->height - 1 - cases[i].y;
        assert_in_range(image->planes[0][other_y * image->strides[0] + other_x], CLIP_GRAY - 12, CLIP_GRAY + 12);
        yolk_frame_release(&frame);
        yolk_video_close(&video);
    }
}

static void other_pixel_formats_are_converted(void **state)
{
    (void)state;
    static const struct {
        const char *parameters;
        size_t size;
        yolk_pixel_format format;
    } cases[] = {
        {"W31 H17 F25:1 C420jpeg", 31 * 17 + 2 * 16 * 9, YOLK_PIXEL_I420},
        {"W31 H17 F25:1 C422", 31 * 17 + 2 * 16 * 17, YOLK_PIXEL_I420},
        {"W31 H17 F25:1 C444", 3 * 31 * 17, YOLK_PIXEL_I420},
        {"W31 H17 F25:1 Cmono", 31 * 17, YOLK_PIXEL_RGB24},
        {"W32 H16 F25:1 C420p10", 2 * (32 * 16 * 3 / 2), YOLK_PIXEL_I420},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_video *video;
        yolk_frame *frame;
        assert_ok(yolk_video_open(clip_y4m("format.y4m", cases[i].parameters, cases[i].size, 3), NULL, &video));
        for (int k = 0; k < 3; k++) {
            assert_ok(yolk_video_read(video, &frame));
            assert_int_equal(frame->image.format, cases[i].format);
            assert_int_equal(frame->image.width, i == 4 ? 32 : 31);
            assert_int_equal(frame->image.height, i == 4 ? 16 : 17);
            if (i < 3)
                assert_int_equal(frame->image.planes[0][4], 60 + k);
            yolk_frame_release(&frame);
        }
        assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
        yolk_video_close(&video);
    }
}

static void frames_may_change_their_size(void **state)
{
    (void)state;
    size_t sizes[2];
    uint8_t *first = file_bytes(clip_write("one.h264", 64, 48, 5, 25, 1, NULL), &sizes[0]);
    uint8_t *second = file_bytes(clip_write("two.h264", 32, 32, 4, 25, 1, NULL), &sizes[1]);
    yk_buffer joined = {0};
    yk_buffer_add(&joined, first, sizes[0]);
    yk_buffer_add(&joined, second, sizes[1]);
    yolk_video *video;
    yolk_frame *frame;
    assert_ok(yolk_video_open(yk_temp_write("joined.h264", joined.data, joined.size), NULL, &video));
    for (int i = 0; i < 9; i++) {
        assert_ok(yolk_video_read(video, &frame));
        assert_int_equal(frame->image.width, i < 5 ? 64 : 32);
        assert_int_equal(frame->image.height, i < 5 ? 48 : 32);
        yolk_frame_release(&frame);
    }
    assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
    yolk_video_close(&video);
    yk_buffer_free(&joined);
    free(first);
    free(second);
}

/* Time stamps begin again in the middle; time does not. */
static void time_goes_on_over_joined_recordings(void **state)
{
    (void)state;
    size_t size;
    uint8_t *part = file_bytes(clip_write("part.ts", 64, 48, 60, 25, 1, NULL), &size);
    yk_buffer joined = {0};
    yk_buffer_add(&joined, part, size);
    yk_buffer_add(&joined, part, size);
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(yk_temp_write("twice.ts", joined.data, joined.size), NULL, &video));
    yolk_frame *frame;
    double last = -0.04;
    for (frames = 0; yolk_video_read(video, &frame) == YOLK_OK; frames++) {
        assert_true(frame->time > last && frame->time < last + 0.2);
        last = frame->time;
        yolk_frame_release(&frame);
    }
    assert_int_equal(frames, 120);
    assert_true(fabs(last - 119 / 25.0) < 0.2);
    yolk_video_close(&video);
    yk_buffer_free(&joined);
    free(part);
}

static void frames_outlive_their_video(void **state)
{
    (void)state;
    yolk_video *video;
    yolk_frame *frames[3], *again;
    yolk_video_options options;
    yolk_video_options_defaults(&options);
    options.threads = 2;
    assert_ok(yolk_video_open(clip_write("kept.mp4", 64, 48, 3, 25, 1, NULL), &options, &video));
    for (int i = 0; i < 3; i++)
        assert_ok(yolk_video_read(video, &frames[i]));
    yolk_video_close(&video);
    yolk_video_close(&video);
    for (int i = 0; i < 3; i++) {
        again = yolk_frame_retain(frames[i]);
        yolk_frame_release(&frames[i]);
        assert_null(frames[i]);
        assert_in_range(again->image.planes[0][10 * again->image.strides[0] + 8 + 2 * i], CLIP_WHITE - 12, 255);
        yolk_frame_release(&again);
    }
    yolk_frame_release(&again);
}

/* A picture is a video of one frame, in RGB where it is no luma and chroma. */
static void a_picture_is_a_short_video(void **state)
{
    (void)state;
    uint8_t pixels[5 * 4 * 3];
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 3);
    yolk_image image = {.width = 5, .height = 4, .format = YOLK_PIXEL_RGB24, .planes = {pixels}, .strides = {15}};
    const char *path = yk_temp_path("small.png");
    assert_ok(yolk_image_save(&image, path));
    yolk_video *video;
    yolk_frame *frame;
    assert_ok(yolk_video_open(path, NULL, &video));
    assert_ok(yolk_video_read(video, &frame));
    assert_int_equal(frame->image.format, YOLK_PIXEL_RGB24);
    for (int y = 0; y < 4; y++)
        assert_memory_equal(frame->image.planes[0] + y * frame->image.strides[0], pixels + y * 15, 15);
    yolk_frame_release(&frame);
    assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
    yolk_video_close(&video);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_the_containers),          cmocka_unit_test(a_changing_frame_rate_is_kept),
        cmocka_unit_test(rotated_videos_are_turned_upright), cmocka_unit_test(other_pixel_formats_are_converted),
        cmocka_unit_test(frames_may_change_their_size),      cmocka_unit_test(frames_outlive_their_video),
        cmocka_unit_test(a_picture_is_a_short_video),        cmocka_unit_test(time_goes_on_over_joined_recordings),
    };
    return cmocka_run_group_tests_name("reader", tests, yk_temp_make, yk_temp_remove);
}
