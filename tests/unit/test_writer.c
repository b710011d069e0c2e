/* Writing videos. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <libavformat/avformat.h>

#include "video_test.h"

static yolk_video_writer_options options_for(int width, int height)
{
    yolk_video_writer_options options;
    yolk_video_writer_options_defaults(&options);
    assert_int_equal(options.crf, 23);
    assert_string_equal(options.preset, "veryfast");
    options.width = width;
    options.height = height;
    return options;
}

/* Writes `frames` of one picture and opens the result. */
static yolk_video *written(const char *name, const yolk_image *image, const yolk_video_writer_options *options,
                           int frames)
{
    yolk_video_writer *writer;
    yolk_video *video;
    assert_ok(yolk_video_writer_open(yk_temp_path(name), options, &writer));
    for (int i = 0; i < frames; i++)
        assert_ok(yolk_video_writer_write(writer, image, i / 25.0));
    assert_ok(yolk_video_writer_finish(&writer));
    assert_ok(yolk_video_open(yk_temp_path(name), NULL, &video));
    return video;
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *folder = opendir(yk_temp_folder);
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2;
}

static void sides_become_even(void **state)
{
    (void)state;
    static const struct {
        int width, height;
        double scale;
        int to_width, to_height;
    } cases[] = {
        {65, 49, 1, 64, 48}, {64, 48, 0.5, 32, 24}, {101, 67, 0.5, 50, 32}, {1, 1, 1, 2, 2}, {20, 20, 0.1, 2, 2}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_image image = clip_frame(cases[i].width, cases[i].height, 0);
        yolk_video_writer_options options = options_for(image.width, image.height);
        options.scale = cases[i].scale;
        yolk_video *video = written("even.mp4", &image, &options, 3);
        assert_int_equal(yolk_video_get_info(video)->width, cases[i].to_width);
        assert_int_equal(yolk_video_get_info(video)->height, cases[i].to_height);
        int frames;
        assert_int_equal(clip_read_all(video, &frames), YOLK_END);
        assert_int_equal(frames, 3);
        yolk_video_close(&video);
        free(image.planes[0]);
    }
}

/* An odd side is cropped: every pixel stays where it was. */
static void cropping_moves_nothing(void **state)
{
    (void)state;
    yolk_image image = clip_frame(65, 47, 0);
    yolk_video_writer_options options = options_for(65, 47);
    options.crf = 1;
    yolk_video *video = written("crop.mkv", &image, &options, 1);
    yolk_frame *frame;
    assert_ok(yolk_video_read(video, &frame));
    for (int y = 0; y < 46; y++)
        for (int x = 0; x < 64; x++)
            assert_in_range(abs(frame->image.planes[0][y * frame->image.strides[0] + x] - image.planes[0][y * 65 + x]),
                            0, 3);
    yolk_frame_release(&frame);
    yolk_video_close(&video);
    free(image.planes[0]);
}

static void colors_are_told_to_the_player(void **state)
{
    (void)state;
    for (int matrix = 0; matrix < 3; matrix++)
        for (int full = 0; full < 2; full++) {
            yolk_image image = clip_frame(64, 48, 0);
            image.matrix = (yolk_color_matrix)matrix;
            image.full_range = full;
            yolk_video_writer_options options = options_for(64, 48);
            yolk_video *video = written("colors.mp4", &image, &options, 1);
            yolk_frame *frame;
            assert_ok(yolk_video_read(video, &frame));
            assert_int_equal(frame->image.matrix, matrix);
            assert_int_equal(frame->image.full_range, full);
            assert_in_range(frame->image.planes[0][0], CLIP_GRAY - 2, CLIP_GRAY + 2);
            yolk_frame_release(&frame);
            yolk_video_close(&video);
            free(image.planes[0]);
        }
}

static void every_format_is_taken(void **state)
{
    (void)state;
    uint8_t bytes[64 * 48 * 3];
    for (size_t i = 0; i < sizeof(bytes); i += 3)
        memcpy(bytes + i, (uint8_t[]){200, 60, 60}, 3);
    static const struct {
        yolk_pixel_format format;
        int luma, red;
    } cases[] = {{YOLK_PIXEL_RGB24, 102, 189}, {YOLK_PIXEL_BGR24, 79, 118}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_image image = {
            .width = 64, .height = 48, .format = cases[i].format, .planes = {bytes}, .strides = {64 * 3}};
        yolk_video_writer_options options = options_for(64, 48);
        yolk_video *video = written("format.mp4", &image, &options, 1);
        yolk_frame *frame;
        assert_ok(yolk_video_read(video, &frame));
        assert_in_range(frame->image.planes[0][40], cases[i].luma - 4, cases[i].luma + 4);
        assert_in_range(frame->image.planes[2][10], cases[i].red - 16, cases[i].red + 16);
        yolk_frame_release(&frame);
        yolk_video_close(&video);
    }
    memset(bytes, 150, sizeof(bytes));
    yolk_image image = {
        .width = 64, .height = 48, .format = YOLK_PIXEL_NV12, .planes = {bytes, bytes}, .strides = {64, 64}};
    yolk_video_writer_options options = options_for(64, 48);
    yolk_video *video = written("format.mp4", &image, &options, 1);
    yolk_frame *frame;
    assert_ok(yolk_video_read(video, &frame));
    for (int i = 0; i < 3; i++)
        assert_in_range(frame->image.planes[i][5], 146, 154);
    yolk_frame_release(&frame);
    yolk_video_close(&video);
}

static void other_sizes_are_scaled_and_times_rise(void **state)
{
    (void)state;
    static const double times[] = {0, 0.04, 0.04, 0.02, 1};
    yolk_video_writer_options options = options_for(64, 48);
    yolk_video_writer *writer;
    const char *path = yk_temp_path("sizes.mp4");
    assert_ok(yolk_video_writer_open(path, &options, &writer));
    for (size_t i = 0; i < YK_COUNT(times); i++) {
        yolk_image image = clip_frame(64 + 20 * (int)i, 48 + 4 * (int)i, 0);
        assert_ok(yolk_video_writer_write(writer, &image, times[i]));
        free(image.planes[0]);
    }
    assert_ok(yolk_video_writer_finish(&writer));
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(path, NULL, &video));
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 5);
    yolk_video_close(&video);
}

/* ---- audio ---- */

enum { RATE = 8000, SECONDS = 3 };

/* Samples of 8 bits, which no FFmpeg puts into MP4; wider ones go there since 6.0. */
static const char *wave_file(void)
{
    static uint8_t wave[44 + RATE * SECONDS] =
        "RIFF\xe4\x5d\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x8\0data\xc0\x5d\0";
    for (size_t i = 44; i < sizeof(wave); i++)
        wave[i] = (uint8_t)(i * 7 >> 2);
    return yk_temp_write("sound.wav", wave, sizeof(wave));
}

/* All bytes of a file's audio. */
static size_t audio_bytes(const char *path, yk_buffer *out)
{
    AVFormatContext *format = NULL;
    AVPacket *packet = av_packet_alloc();
    assert_true(avformat_open_input(&format, path, NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(format, NULL) >= 0);
    int stream = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    while (av_read_frame(format, packet) >= 0) {
        if (packet->stream_index == stream)
            yk_buffer_add(out, packet->data, (size_t)packet->size);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    avformat_close_input(&format);
    return out->size;
}

static void audio_is_copied_and_cut(void **state)
{
    (void)state;
    const char *sound = wave_file();
    yolk_image image = clip_frame(64, 48, 0);
    yolk_video_writer_options options = options_for(64, 48);
    options.audio_from = sound;
    yolk_video *video = written("loud.mkv", &image, &options, 25);
    assert_int_equal(yolk_video_get_info(video)->has_audio, 1);
    assert_true(yolk_video_get_info(video)->duration < 1.3);
    yolk_video_close(&video);
    yk_buffer before = {0}, after = {0};
    size_t size = audio_bytes(yk_temp_path("loud.mkv"), &after);
    assert_in_range(size, RATE * 9 / 10, RATE * 13 / 10);
    assert_true(audio_bytes(sound, &before) > size);
    assert_memory_equal(before.data, after.data, size);
    yk_buffer_free(&before);
    yk_buffer_free(&after);
    /* MP4 does not hold these samples: the pictures are kept all the same. */
    video = written("silent.mp4", &image, &options, 25);
    assert_int_equal(yolk_video_get_info(video)->has_audio, 0);
    yolk_video_close(&video);
    free(image.planes[0]);
}

static void audio_of_a_real_clip_is_kept(void **state)
{
    (void)state;
    char source[1024];
    snprintf(source, sizeof(source), "%s/clips/bigbuckbunny.mp4", yk_deps());
    if (access(source, R_OK) != 0)
        YK_SKIP("%s is not there", source);
    yolk_image image = clip_frame(64, 48, 0);
    yolk_video_writer_options options = options_for(64, 48);
    options.audio_from = source;
    yolk_video *video = written("bunny.mp4", &image, &options, 50);
    assert_int_equal(yolk_video_get_info(video)->has_audio, 1);
    assert_true(fabs(yolk_video_get_info(video)->duration - 2) < 0.01);
    yolk_video_close(&video);
    yk_buffer before = {0}, after = {0};
    size_t size = audio_bytes(yk_temp_path("bunny.mp4"), &after);
    assert_true(audio_bytes(source, &before) > size && size > 10000);
    assert_memory_equal(before.data, after.data, size);
    yk_buffer_free(&before);
    yk_buffer_free(&after);
    free(image.planes[0]);
}

/* Flash video with sound alone: plain samples at the given milliseconds, whatever order they are in. */
static const char *sound_at(const char *name, const int *times, int count)
{
    enum { SAMPLES = 1102 };
    yk_buffer b = {0};
    yk_buffer_add(&b, "FLV\1\4\0\0\0\x9\0\0\0\0", 13);
    for (int i = 0; i < count; i++) {
        const unsigned size = 1 + 2 * SAMPLES, t = (unsigned)times[i], whole = size + 11;
        const uint8_t head[] = {8,
                                (uint8_t)(size >> 16),
                                (uint8_t)(size >> 8),
                                (uint8_t)size,
                                (uint8_t)(t >> 16),
                                (uint8_t)(t >> 8),
                                (uint8_t)t,
                                0,
                                0,
                                0,
                                0,
                                0x36};
        const uint8_t tail[] = {0, (uint8_t)(whole >> 16), (uint8_t)(whole >> 8), (uint8_t)whole};
        uint8_t samples[2 * SAMPLES];
        memset(samples, i + 1, sizeof(samples));
        yk_buffer_add(&b, head, sizeof(head));
        yk_buffer_add(&b, samples, sizeof(samples));
        yk_buffer_add(&b, tail, sizeof(tail));
    }
    const char *path = yk_temp_write(name, b.data, b.size);
    yk_buffer_free(&b);
    return path;
}

/* Joined recordings have such times; the pictures must not be lost for them. */
static void sound_whose_times_go_back_is_left_out(void **state)
{
    (void)state;
    static const int times[] = {0, 100, 200, 50, 150, 300, 400};
    yolk_image image = clip_frame(64, 48, 0);
    yolk_video_writer_options options = options_for(64, 48);
    options.audio_from = sound_at("back.flv", times, YK_COUNT(times));
    yolk_video *video = written("back.mkv", &image, &options, 25);
    int frames;
    assert_int_equal(yolk_video_get_info(video)->has_audio, 1);
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 25);
    yolk_video_close(&video);
    yk_buffer kept = {0};
    assert_int_equal(audio_bytes(yk_temp_path("back.mkv"), &kept), 5 * 2 * 1102);
    assert_int_equal(((const uint8_t *)kept.data)[3 * 2 * 1102], 6);
    yk_buffer_free(&kept);
    free(image.planes[0]);
}

/* ---- what goes wrong ---- */

static void an_unfinished_video_leaves_no_trace(void **state)
{
    (void)state;
    yolk_image image = clip_frame(64, 48, 0);
    yolk_video_writer_options options = options_for(64, 48);
    const char *old = yk_temp_text("old.mp4", "precious");
    int before = files_in_folder();
    yolk_video_writer *writer;
    assert_ok(yolk_video_writer_open(old, &options, &writer));
    assert_ok(yolk_video_writer_write(writer, &image, 0));
    yolk_video_writer_abort(&writer);
    assert_null(writer);
    yolk_video_writer_abort(&writer);
    assert_ok(yolk_video_writer_open(old, &options, &writer));
    assert_ok(yolk_video_writer_finish(&writer)); /* no frame, no file */
    assert_int_equal(files_in_folder(), before);
    size_t size;
    uint8_t *bytes = file_bytes(old, &size);
    assert_string_equal((const char *)bytes, "precious");
    free(bytes);
    free(image.planes[0]);
}

static void what_cannot_be_written_gets_a_sentence(void **state)
{
    (void)state;
    yolk_video_writer *writer = NULL;
    yolk_video_writer_options good = options_for(64, 48), bad;
    assert_fails(yolk_video_writer_open(yk_temp_path("no/where.mp4"), &good, &writer), YOLK_ERROR_NOT_FOUND, "no/");
    assert_fails(yolk_video_writer_open(yk_temp_path("a.jpg.xyz"), &good, &writer), YOLK_ERROR_INVALID_ARGUMENT,
                 "\".xyz\" is not the ending");
    assert_fails(yolk_video_writer_open(yk_temp_path("a.jpg"), &good, &writer), YOLK_ERROR_INVALID_ARGUMENT, ".jpg");
    assert_fails(yolk_video_writer_open(yk_temp_path("a.webm"), &good, &writer), YOLK_ERROR_INVALID_ARGUMENT,
                 "cannot hold h264");
    bad = good, bad.encoder = "nosuch";
    assert_fails(yolk_video_writer_open(yk_temp_path("a.mp4"), &bad, &writer), YOLK_ERROR_NOT_FOUND, "\"nosuch\"");
    bad = good, bad.width = 0;
    assert_fails(yolk_video_writer_open(yk_temp_path("a.mp4"), &bad, &writer), YOLK_ERROR_INVALID_ARGUMENT, "0x48");
    bad = good, bad.scale = NAN;
    assert_fails(yolk_video_writer_open(yk_temp_path("a.mp4"), &bad, &writer), YOLK_ERROR_INVALID_ARGUMENT, "scale");
    bad = good, bad.crf = 52;
    assert_fails(yolk_video_writer_open(yk_temp_path("a.mp4"), &bad, &writer), YOLK_ERROR_INVALID_ARGUMENT, "crf 52");
    bad = good, bad.audio_from = "/absent.mp4";
    assert_fails(yolk_video_writer_open(yk_temp_path("a.mp4"), &bad, &writer), YOLK_ERROR_NOT_FOUND, "absent.mp4");
    assert_null(writer);
    assert_false(yk_is_file(yk_temp_path("a.mp4")));
}

/* MJPEG takes full range only. Trying again is no way around that. */
static void an_encoder_that_cannot_start_never_does(void **state)
{
    (void)state;
    yolk_image image = clip_frame(64, 48, 0);
    yolk_video_writer_options options = options_for(64, 48);
    options.encoder = "mjpeg";
    yolk_video_writer *writer;
    assert_ok(yolk_video_writer_open(yk_temp_path("m.mkv"), &options, &writer));
    for (int i = 0; i < 2; i++)
        assert_fails(yolk_video_writer_write(writer, &image, i), YOLK_ERROR_INVALID_ARGUMENT,
                     "encoder mjpeg cannot be started");
    assert_ok(yolk_video_writer_finish(&writer));
    free(image.planes[0]);
}

/* Opening it waits for a reader, and closing it again would end that one. */
static void a_pipe_is_not_opened_to_look(void **state)
{
    (void)state;
    const char *path = yk_temp_path("pipe.mkv");
    yolk_sink *sink;
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_ok(yolk_sink_open_annotated(path, 1, &sink));
    alarm(0);
    assert_ok(yolk_sink_finish(&sink));
    assert_int_equal(unlink(path), 0);
}

static void other_encoders_can_be_named(void **state)
{
    (void)state;
    yolk_image image = clip_frame(64, 48, 0);
    yolk_video_writer_options options = options_for(64, 48);
    options.encoder = "mpeg4";
    options.fps_num = 100000; /* more ticks than MPEG-4 has */
    options.fps_den = 1001;
    yolk_video *video = written("mpeg4.mp4", &image, &options, 5);
    assert_string_equal(yolk_video_get_info(video)->codec, "mpeg4");
    yolk_video_close(&video);
    options.encoder = "ffv1";
    options.fps_num = options.fps_den = 0;
    video = written("ffv1.mkv", &image, &options, 5);
    assert_string_equal(yolk_video_get_info(video)->codec, "ffv1");
    yolk_video_close(&video);
    free(image.planes[0]);
}

/* A limit on the size of files stands in for a full disk. */
static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 40000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    int before = files_in_folder();
    yolk_video_writer_options options = options_for(320, 240);
    options.crf = 1;
    yolk_video_writer *writer;
    assert_ok(yolk_video_writer_open(yk_temp_path("full.mp4"), &options, &writer));
    setrlimit(RLIMIT_FSIZE, &small);
    yolk_status status = YOLK_OK;
    for (int i = 0; i < 20 && status == YOLK_OK; i++) {
        yolk_image image = clip_frame(320, 240, i);
        status = yolk_video_writer_write(writer, &image, i / 25.0);
        free(image.planes[0]);
    }
    if (status == YOLK_OK)
        status = yolk_video_writer_finish(&writer);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, YOLK_ERROR_IO);
    assert_non_null(strstr(yolk_last_error(), "full.mp4: writing failed: File too large"));
    yolk_video_writer_abort(&writer);
    assert_int_equal(files_in_folder(), before);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    yolk_image image = clip_frame(64, 48, 0);
    char sound[1024];
    snprintf(sound, sizeof(sound), "%s", wave_file());
    for (long n = 1;; n++) {
        yolk_video_writer_options options = options_for(64, 48);
        options.audio_from = sound;
        yolk_video_writer *writer = NULL;
        yk_alloc_fail_at(n);
        yolk_status status = yolk_video_writer_open(yk_temp_path("memory.mkv"), &options, &writer);
        if (status == YOLK_OK)
            status = yolk_video_writer_write(writer, &image, 0);
        if (status == YOLK_OK)
            status = yolk_video_writer_finish(&writer);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        yolk_video_writer_abort(&writer);
        assert_true(status == YOLK_OK || (failed && status == YOLK_ERROR_OUT_OF_MEMORY));
        if (!failed)
            break;
    }
    free(image.planes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_become_even),
        cmocka_unit_test(cropping_moves_nothing),
        cmocka_unit_test(colors_are_told_to_the_player),
        cmocka_unit_test(every_format_is_taken),
        cmocka_unit_test(other_sizes_are_scaled_and_times_rise),
        cmocka_unit_test(audio_is_copied_and_cut),
        cmocka_unit_test(sound_whose_times_go_back_is_left_out),
        cmocka_unit_test(audio_of_a_real_clip_is_kept),
        cmocka_unit_test(an_unfinished_video_leaves_no_trace),
        cmocka_unit_test(what_cannot_be_written_gets_a_sentence),
        cmocka_unit_test(an_encoder_that_cannot_start_never_does),
        cmocka_unit_test(a_pipe_is_not_opened_to_look),
        cmocka_unit_test(other_encoders_can_be_named),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(short_memory_is_survived),
    };
    return cmocka_run_group_tests_name("writer", tests, yk_temp_make, yk_temp_remove);
}
