/* Pixels on their way between FFmpeg and yolk: turning, colours, buffers. */
#include "video/ffmpeg.h"
#include "yk_test.h"

enum { WIDTH = 70, HEIGHT = 67 }; /* more than one of the squares that turning goes in, and odd */

typedef struct picture {
    yolk_image image;
    uint8_t bytes[3 * 80 * 80];
} picture;

static void lay_out(picture *p, yolk_pixel_format format, int width, int height)
{
    int half_width = (width + 1) / 2;
    p->image = (yolk_image){.width = width, .height = height, .format = format, .planes = {p->bytes}};
    if (format <= YOLK_PIXEL_RGB24) {
        p->image.strides[0] = 3 * width;
        return;
    }
    p->image.strides[0] = width;
    p->image.planes[1] = p->bytes + 80 * 80;
    p->image.strides[1] = format == YOLK_PIXEL_NV12 ? 2 * half_width : half_width;
    if (format == YOLK_PIXEL_I420) {
        p->image.planes[2] = p->bytes + 2 * 80 * 80;
        p->image.strides[2] = half_width;
    }
}

/* Sample of plane `plane`, channel `c`, at x, y of that plane. */
static uint8_t *sample(picture *p, int plane, int x, int y, int c, int channels)
{
    return p->image.planes[plane] + y * p->image.strides[plane] + x * channels + c;
}

static void check_plane(picture *from, picture *to, int plane, int channels, yk_orientation o)
{
    int width = to->image.width, height = to->image.height;
    if (plane > 0 && to->image.format != YOLK_PIXEL_RGB24) {
        width = (width + 1) / 2;
        height = (height + 1) / 2;
    }
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) {
                int a = o.flip_x ? width - 1 - x : x, b = o.flip_y ? height - 1 - y : y;
                assert_int_equal(*sample(to, plane, x, y, c, channels),
                                 *sample(from, plane, o.transpose ? b : a, o.transpose ? a : b, c, channels));
            }
}

static void pictures_turn_in_every_format(void **state)
{
    (void)state;
    static const yolk_pixel_format formats[] = {YOLK_PIXEL_RGB24, YOLK_PIXEL_I420, YOLK_PIXEL_NV12};
    static picture from, to;
    for (size_t i = 0; i < sizeof(from.bytes); i++)
        from.bytes[i] = (uint8_t)(i * 31 >> 3);
    for (size_t f = 0; f < YK_COUNT(formats); f++)
        for (int exif = 1; exif <= 8; exif++) {
            yk_orientation o = yk_orientation_of_exif(exif);
            lay_out(&from, formats[f], WIDTH, HEIGHT);
            lay_out(&to, formats[f], o.transpose ? HEIGHT : WIDTH, o.transpose ? WIDTH : HEIGHT);
            yk_turn(&from.image, &to.image, o);
            check_plane(&from, &to, 0, formats[f] == YOLK_PIXEL_RGB24 ? 3 : 1, o);
            if (formats[f] != YOLK_PIXEL_RGB24)
                check_plane(&from, &to, 1, formats[f] == YOLK_PIXEL_NV12 ? 2 : 1, o);
            if (formats[f] == YOLK_PIXEL_I420)
                check_plane(&from, &to, 2, 1, o);
        }
}

static void orientations_have_degrees(void **state)
{
    (void)state;
    static const int degrees[] = {0, 0, 0, 180, 180, 90, 90, 270, 270, 0};
    for (int exif = 0; exif < 10; exif++) {
        assert_int_equal(yk_orientation_degrees(yk_orientation_of_exif(exif)), degrees[exif]);
        assert_int_equal(yk_orientation_upright(yk_orientation_of_exif(exif)), exif < 2 || exif > 8);
    }
    /* Angles between are taken to the nearest quarter turn. */
    static const int32_t slanted[9] = {10000, 60000, 0, -60000, 10000, 0, 0, 0, 1 << 30};
    assert_int_equal(yk_orientation_degrees(yk_orientation_of_matrix(slanted)), 90);
}

static void frames_tell_their_orientation(void **state)
{
    (void)state;
    AVFrame *frame = av_frame_alloc();
    yk_orientation lying = {.transpose = true, .flip_x = true};
    assert_int_equal(yk_orientation_degrees(yk_orientation_of_frame(frame, lying)), 90);
    av_dict_set(&frame->metadata, "Orientation", "  3", 0);
    assert_int_equal(yk_orientation_degrees(yk_orientation_of_frame(frame, lying)), 180);
    static const int32_t left[9] = {0, -(1 << 16), 0, 1 << 16, 0, 0, 0, 0, 1 << 30};
    AVFrameSideData *side = av_frame_new_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX, sizeof(left));
    memcpy(side->data, left, sizeof(left));
    assert_int_equal(yk_orientation_degrees(yk_orientation_of_frame(frame, lying)), 270);
    av_frame_free(&frame);
}

/* ---- colours ---- */

static AVFrame *gray_frame(enum AVPixelFormat format, int width, int height, yk_frame_pool *pool)
{
    AVFrame *frame = av_frame_alloc();
    assert_ok(yk_frame_pool_get(pool, format, width, height, frame));
    memset(frame->buf[0]->data, 128, frame->buf[0]->size);
    return frame;
}

static const enum AVPixelFormat picture_formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P,
                                                     AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ444P};

static void plain_colors_are_exact(void **state)
{
    (void)state;
    /* Y, Cb, Cr and what BT.601 makes of them, at full and at limited range. */
    static const uint8_t cases[][9] = {{128, 128, 128, 128, 128, 128, 130, 130, 130},
                                       {0, 128, 128, 0, 0, 0, 0, 0, 0},
                                       {255, 128, 128, 255, 255, 255, 255, 255, 255},
                                       {76, 85, 255, 254, 0, 0, 255, 0, 0},
                                       {150, 44, 21, 0, 255, 1, 0, 255, 0}};
    yk_frame_pool pool = {0};
    static picture out;
    for (size_t f = 0; f < YK_COUNT(picture_formats); f++)
        for (size_t c = 0; c < YK_COUNT(cases); c++) {
            AVFrame *frame = gray_frame(picture_formats[f], 7, 5, &pool);
            assert_true(yk_color_fits(frame));
            for (int plane = 0; plane < 3; plane++)
                for (int y = 0; y < 5; y++)
                    if (y < 3 || plane == 0 || f == 2 || f == 4)
                        memset(frame->data[plane] + y * frame->linesize[plane], cases[c][plane], 8);
            lay_out(&out, YOLK_PIXEL_RGB24, 7, 5);
            assert_ok(yk_color_run(frame, &out.image));
            for (int i = 0; i < 3 * 7 * 5; i++)
                assert_in_range(abs(out.bytes[i] - cases[c][(f == 0 ? 6 : 3) + i % 3]), 0, 1);
            av_frame_free(&frame);
        }
    yk_frame_pool_free(&pool);
}

/* One coloured sample spreads over its neighbours by quarters, in each direction that is halved. */
static void chroma_is_interpolated(void **state)
{
    (void)state;
    static const bool halved[][2] = {{true, true}, {true, true}, {true, false}, {false, true}, {false, false}};
    static const double near[] = {0, 0.25, 0.75, 0.75, 0.25, 0};
    yk_frame_pool pool = {0};
    static picture out;
    for (size_t f = 1; f < YK_COUNT(picture_formats); f++) {
        AVFrame *frame = gray_frame(picture_formats[f], 12, 12, &pool);
        int at_x = halved[f][0] ? 2 : 4, at_y = halved[f][1] ? 2 : 4;
        frame->data[2][at_y * frame->linesize[2] + at_x] = 128 + 64;
        lay_out(&out, YOLK_PIXEL_RGB24, 12, 12);
        assert_ok(yk_color_run(frame, &out.image));
        for (int y = 2; y < 8; y++)
            for (int x = 2; x < 8; x++) {
                double share = (halved[f][0] ? near[x - 2] : x == 4) * (halved[f][1] ? near[y - 2] : y == 4);
                int expected = 128 + (int)(1.402 * 64 * share + 0.5);
                assert_in_range(abs(out.bytes[(y * 12 + x) * 3] - expected), 0, 2);
            }
        av_frame_free(&frame);
    }
    yk_frame_pool_free(&pool);
}

static void other_colors_are_left_to_swscale(void **state)
{
    (void)state;
    AVFrame *frame = av_frame_alloc();
    frame->format = AV_PIX_FMT_YUV420P;
    frame->colorspace = AVCOL_SPC_BT709;
    assert_false(yk_color_fits(frame));
    frame->format = AV_PIX_FMT_YUV411P;
    frame->colorspace = AVCOL_SPC_UNSPECIFIED;
    assert_false(yk_color_fits(frame));
    av_frame_free(&frame);
}

/* What swscale makes of full-range red in each matrix, which it must be told. */
static void matrices_and_ranges_are_told_to_swscale(void **state)
{
    (void)state;
    static const struct {
        enum AVColorSpace space;
        enum AVColorRange range;
        uint8_t samples[3];
    } cases[] = {{AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, {63, 102, 240}},
                 {AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, {81, 90, 240}},
                 {AVCOL_SPC_BT2020_NCL, AVCOL_RANGE_MPEG, {74, 97, 240}},
                 {AVCOL_SPC_SMPTE170M, AVCOL_RANGE_JPEG, {76, 85, 255}}};
    yk_scaler scaler = {0};
    yk_frame_pool pool = {0};
    static picture out;
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        AVFrame *frame = gray_frame(AV_PIX_FMT_YUV444P, 16, 16, &pool), to;
        frame->colorspace = cases[i].space;
        frame->color_range = cases[i].range;
        for (int plane = 0; plane < 3; plane++)
            for (int y = 0; y < 16; y++)
                memset(frame->data[plane] + y * frame->linesize[plane], cases[i].samples[plane], 16);
        lay_out(&out, YOLK_PIXEL_RGB24, 16, 16);
        yk_frame_of_image(&out.image, &to);
        assert_ok(yk_scaler_run(&scaler, frame, &to, SWS_BILINEAR | SWS_ACCURATE_RND));
        const uint8_t *pixel = out.bytes + 16 * 3 * 8 + 24;
        assert_in_range(pixel[0], 250, 255);
        assert_in_range(pixel[1], 0, 5);
        assert_in_range(pixel[2], 0, 5);
        av_frame_free(&frame);
    }
    yk_scaler_free(&scaler);
    yk_frame_pool_free(&pool);
}

static void pixels_that_cannot_be_converted_are_named(void **state)
{
    (void)state;
    yk_scaler scaler = {0};
    static picture out;
    AVFrame to, from;
    lay_out(&out, YOLK_PIXEL_RGB24, 16, 16);
    yk_frame_of_image(&out.image, &to);
    from = to;
    from.format = AV_PIX_FMT_VAAPI;
    assert_int_not_equal(yk_scaler_run(&scaler, &from, &to, SWS_BILINEAR), YOLK_OK);
    assert_non_null(strstr(yolk_last_error(), "vaapi"));
    yk_scaler_free(&scaler);
}

static void sizes_beyond_measure_get_no_buffer(void **state)
{
    (void)state;
    yk_frame_pool pool = {0};
    AVFrame *frame = av_frame_alloc();
    assert_fails(yk_frame_pool_get(&pool, AV_PIX_FMT_RGB24, 1 << 20, 1 << 20, frame), YOLK_ERROR_LIMIT, "too large");
    av_frame_free(&frame);
    yk_frame_pool_free(&pool);
}

static void errors_of_ffmpeg_become_ours(void **state)
{
    (void)state;
    yk_ffmpeg_forget();
    assert_fails(yk_fail_ffmpeg(AVERROR(ENOSPC), "%s", "f"), YOLK_ERROR_NO_SPACE, "f: No space left");
    assert_fails(yk_fail_ffmpeg(AVERROR(EPIPE), "f"), YOLK_ERROR_CLOSED, "f: ");
    assert_fails(yk_fail_ffmpeg(AVERROR(ENOMEM), "f"), YOLK_ERROR_OUT_OF_MEMORY, "f: ");
    assert_fails(yk_fail_ffmpeg(AVERROR_ENCODER_NOT_FOUND, "f"), YOLK_ERROR_UNSUPPORTED, "f: ");
    assert_fails(yk_fail_ffmpeg(AVERROR_EOF, "f"), YOLK_ERROR_DAMAGED, "f: ");
    assert_fails(yk_fail_ffmpeg(AVERROR(EIO), "f"), YOLK_ERROR_IO, "f: ");
}

static char logged[512];

static void keep(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(logged, sizeof(logged), "%s", message);
}

static void ffmpeg_speaks_through_our_log(void **state)
{
    (void)state;
    yk_ffmpeg_init();
    yolk_log_set(keep, NULL, YOLK_LOG_INFO);
    av_log(NULL, AV_LOG_ERROR, "a\tb%d\n", 7);
    assert_string_equal(logged, "ffmpeg: a b7");
    assert_string_equal(yk_ffmpeg_message(), "a b7");
    logged[0] = '\0';
    av_log(NULL, AV_LOG_WARNING, "less\n");
    av_log(NULL, AV_LOG_DEBUG, "least\n");
    av_log(NULL, AV_LOG_ERROR, "\n");
    assert_string_equal(logged, "");
    yolk_log_set(keep, NULL, YOLK_LOG_DEBUG);
    av_log(NULL, AV_LOG_WARNING, "less\n");
    assert_string_equal(logged, "ffmpeg: less");
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    assert_string_equal(yk_ffmpeg_message(), "a b7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_turn_in_every_format),
        cmocka_unit_test(orientations_have_degrees),
        cmocka_unit_test(frames_tell_their_orientation),
        cmocka_unit_test(plain_colors_are_exact),
        cmocka_unit_test(chroma_is_interpolated),
        cmocka_unit_test(other_colors_are_left_to_swscale),
        cmocka_unit_test(matrices_and_ranges_are_told_to_swscale),
        cmocka_unit_test(pixels_that_cannot_be_converted_are_named),
        cmocka_unit_test(sizes_beyond_measure_get_no_buffer),
        cmocka_unit_test(errors_of_ffmpeg_become_ours),
        cmocka_unit_test(ffmpeg_speaks_through_our_log),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
