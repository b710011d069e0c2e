/* Videos that are not whole, and files that are no video: the frames there are, then one sentence. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include <libavformat/avformat.h>

#include "video/video.h"
#include "video_test.h"

static void cut_files_give_what_is_there(void **state)
{
    (void)state;
    static const char *const names[] = {"whole.mp4", "whole.mkv", "whole.avi", "whole.flv"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        const char *path = clip_write(names[i], 128, 96, 60, 25, 1, NULL);
        const char *cut = clip_cut(path, strchr(names[i], '.') - 3, 0.6);
        yolk_video *video;
        yolk_frame *frame;
        int frames;
        assert_ok(yolk_video_open(path, NULL, &video));
        assert_int_equal(clip_read_all(video, &frames), YOLK_END);
        assert_int_equal(frames, 60);
        yolk_video_close(&video);

        assert_ok(yolk_video_open(cut, NULL, &video));
        assert_fails(clip_read_all(video, &frames), YOLK_ERROR_DAMAGED, "is cut or damaged at ");
        assert_non_null(strstr(yolk_last_error(), cut));
        assert_non_null(strstr(yolk_last_error(), " s of 2.40 s"));
        assert_in_range(frames, 5, 55);
        assert_int_equal(yolk_video_read(video, &frame), YOLK_END);
        yolk_video_close(&video);
    }
}

static void a_raw_stream_cut_in_a_frame_is_reported(void **state)
{
    (void)state;
    const char *path = clip_y4m("raw.y4m", "W64 H48 F25:1 C420", 64 * 48 * 3 / 2, 10);
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(path, NULL, &video));
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 10);
    yolk_video_close(&video);
    assert_ok(yolk_video_open(clip_cut(path, "raw_cut.y4m", 0.55), NULL, &video));
    assert_fails(clip_read_all(video, &frames), YOLK_ERROR_DAMAGED, "raw_cut.y4m: is cut or damaged at 0.16 s");
    assert_int_equal(frames, 5);
    yolk_video_close(&video);
}

/* Random bytes over the middle: whatever can be decoded comes, and the damage is told. */
static void damage_in_the_middle_is_reported(void **state)
{
    (void)state;
    const char *path = clip_write("good.avi", 128, 96, 80, 25, 1, NULL);
    size_t size;
    uint8_t *bytes = file_bytes(path, &size);
    unsigned seed = 5;
    for (size_t i = size / 3; i < size / 2; i++)
        bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(yk_temp_write("bad.avi", bytes, size), NULL, &video));
    assert_int_equal(clip_read_all(video, &frames), YOLK_ERROR_DAMAGED);
    assert_in_range(frames, 10, 80);
    yolk_video_close(&video);
    free(bytes);
}

static int warnings;

static void count_warnings(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    warnings += level <= YOLK_LOG_WARNING && strstr(message, "; going on");
}

/* Makes packets from number `first` on undecodable: they claim to be longer than they are. */
static void spoil_packets(const char *path, int first, int count, uint8_t *bytes)
{
    AVFormatContext *format = NULL;
    AVPacket *packet = av_packet_alloc();
    assert_true(avformat_open_input(&format, path, NULL, NULL) >= 0);
    for (int i = 0; av_read_frame(format, packet) >= 0; i++) {
        if (i >= first && i < first + count)
            memset(bytes + packet->pos, 0xff, 4);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    avformat_close_input(&format);
}

static void bad_packets_are_counted_and_told_once(void **state)
{
    (void)state;
    static const struct {
        int first, warned;
    } cases[] = {{10, 1}, {17, 0}}; /* nothing goes on after the last packet */
    const char *path = clip_write("packets.mp4", 128, 96, 20, 25, 1, NULL);
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        size_t size;
        uint8_t *bytes = file_bytes(path, &size);
        yolk_video *video;
        int frames;
        spoil_packets(path, cases[i].first, 3, bytes);
        warnings = 0;
        yolk_log_set(count_warnings, NULL, YOLK_LOG_WARNING);
        assert_ok(yolk_video_open(yk_temp_write("spoilt.mp4", bytes, size), NULL, &video));
        assert_fails(clip_read_all(video, &frames), YOLK_ERROR_DAMAGED, "3 of 20 packets could not be decoded");
        yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
        assert_int_equal(frames, 17);
        assert_int_equal(warnings, cases[i].warned);
        yolk_video_close(&video);
        free(bytes);
    }
}

/* One sentence is enough for what never gives a frame. */
static void nothing_goes_on_where_nothing_began(void **state)
{
    (void)state;
    uint8_t noise[5000];
    unsigned seed = 3;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    yolk_image *image = NULL;
    warnings = 0;
    yolk_log_set(count_warnings, NULL, YOLK_LOG_WARNING);
    assert_fails(yolk_image_load(yk_temp_write("noise.jpg", noise, sizeof(noise)), &image), YOLK_ERROR_DAMAGED,
                 "noise.jpg: holds no frame that can be decoded");
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    assert_int_equal(warnings, 0);
}

static void what_is_no_video_gets_a_sentence(void **state)
{
    (void)state;
    yolk_video *video = NULL;
    uint8_t noise[3000];
    unsigned seed = 9;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    assert_fails(yolk_video_open(yk_temp_path("absent.mp4"), NULL, &video), YOLK_ERROR_NOT_FOUND, "absent.mp4");
    assert_fails(yolk_video_open(yk_temp_folder, NULL, &video), YOLK_ERROR_INVALID_ARGUMENT, "is a folder");
    assert_fails(yolk_video_open(yk_temp_text("empty.mp4", ""), NULL, &video), YOLK_ERROR_DAMAGED, "is empty");
    uint8_t art[2000];
    for (size_t i = 0; i + 10 <= sizeof(art); i += 10)
        memcpy(art + i, "\x1b[31mred\r\n", 10);
    assert_fails(yolk_video_open(yk_temp_write("text.ans", art, sizeof(art)), NULL, &video), YOLK_ERROR_UNSUPPORTED,
                 "is a text file");
    assert_fails(yolk_video_open(yk_temp_text("text.mp4", "only words\n"), NULL, &video), YOLK_ERROR_DAMAGED,
                 "text.mp4: ");
    assert_fails(yolk_video_open(yk_temp_write("noise.mkv", noise, sizeof(noise)), NULL, &video), YOLK_ERROR_DAMAGED,
                 "noise.mkv: ");
    assert_fails(yolk_video_open("rtsp://camera/1", NULL, &video), YOLK_ERROR_UNSUPPORTED, "pipe a stream in");
    assert_null(video);
}

/* A playlist could make yolk read what its author likes. */
static void playlists_reach_nothing_beyond_files(void **state)
{
    (void)state;
    yolk_video *video = NULL;
    yolk_status status = yolk_video_open(
        yk_temp_text("list.m3u8",
                     "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"),
        NULL, &video);
    assert_int_not_equal(status, YOLK_OK);
    assert_null(video);
}

/* Not the file's fault. */
static void memory_that_ffmpeg_lacks_is_no_damage(void **state)
{
    (void)state;
    yolk_video *video;
    yolk_frame *frame;
    yolk_status status;
    assert_ok(yolk_video_open(clip_y4m("short.y4m", "W64 H48 F25:1 C420", 64 * 48 * 3 / 2, 10), NULL, &video));
    av_max_alloc(1000);
    while ((status = yolk_video_read(video, &frame)) == YOLK_OK)
        yolk_frame_release(&frame);
    av_max_alloc(INT32_MAX);
    assert_fails(status, YOLK_ERROR_OUT_OF_MEMORY, "short.y4m: reading failed at ");
    yolk_video_close(&video);
}

/* A Matroska element with this content. */
static void put_element(yk_buffer *b, uint32_t id, const void *bytes, size_t size)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        if (id >> shift)
            yk_buffer_add(b, &(uint8_t){(uint8_t)(id >> shift)}, 1);
    for (int shift = 56; shift >= 0; shift -= 8)
        yk_buffer_add(b, &(uint8_t){(uint8_t)(shift == 56 ? 1 : size >> shift)}, 1);
    yk_buffer_add(b, bytes, size);
}

static void put_number(yk_buffer *b, uint32_t id, uint64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> 8 * (7 - i));
    put_element(b, id, bytes, sizeof(bytes));
}

static void put_master(yk_buffer *b, uint32_t id, yk_buffer *children)
{
    put_element(b, id, children->data, children->size);
    yk_buffer_free(children);
}

/* Raw pictures at times that no clock shows, each said to last as long: sums of them do not fit 64 bits. */
static void times_beyond_all_measure_are_no_numbers_to_add(void **state)
{
    (void)state;
    enum { SIDE = 16 };
    static const uint64_t times[] = {0, UINT64_C(0x7ffffffffffffff0), UINT64_C(0x8000000000000010), 40};
    yk_buffer file = {0}, part = {0}, track = {0}, picture = {0}, segment = {0};
    put_element(&part, 0x4282, "matroska", 8);
    put_master(&file, 0x1a45dfa3, &part);
    put_number(&part, 0x2ad7b1, 1000000);
    put_master(&segment, 0x1549a966, &part);
    put_number(&picture, 0xb0, SIDE);
    put_number(&picture, 0xba, SIDE);
    put_element(&picture, 0x2eb524, "I420", 4);
    put_number(&track, 0xd7, 1);
    put_number(&track, 0x73c5, 1);
    put_number(&track, 0x83, 1);
    put_element(&track, 0x86, "V_UNCOMPRESSED", 14);
    put_master(&track, 0xe0, &picture);
    put_master(&part, 0xae, &track);
    put_master(&segment, 0x1654ae6b, &part);
    for (size_t i = 0; i < YK_COUNT(times); i++) {
        uint8_t block[4 + SIDE * SIDE * 3 / 2] = {0x81, 0, 0, 0x80};
        put_number(&part, 0xe7, times[i]);
        put_element(&track, 0xa1, block, sizeof(block));
        put_number(&track, 0x9b, UINT64_C(0x7fffffffffffffff));
        put_master(&part, 0xa0, &track);
        put_master(&segment, 0x1f43b675, &part);
    }
    put_master(&file, 0x18538067, &segment);
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(yk_temp_write("times.mkv", file.data, file.size), NULL, &video));
    assert_in_range(yolk_video_get_info(video)->frame_count, 0, INT32_MAX);
    clip_read_all(video, &frames);
    assert_int_equal(frames, YK_COUNT(times));
    yolk_video_close(&video);
    yk_buffer_free(&file);
}

static void sound_alone_is_no_video(void **state)
{
    (void)state;
    uint8_t wave[44 + 8000] =
        "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\x40\x1f\0";
    yolk_video *video;
    assert_fails(yolk_video_open(yk_temp_write("sound.wav", wave, sizeof(wave)), NULL, &video), YOLK_ERROR_UNSUPPORTED,
                 "has no video stream");
}

static void an_index_that_is_missing_is_named(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = file_bytes(clip_write("index.mp4", 64, 48, 10, 25, 1, NULL), &size);
    for (size_t i = 0; i + 4 <= size; i++)
        if (memcmp(bytes + i, "moov", 4) == 0)
            memcpy(bytes + i, "junk", 4);
    yolk_video *video;
    assert_fails(yolk_video_open(yk_temp_write("no_index.mp4", bytes, size), NULL, &video), YOLK_ERROR_DAMAGED,
                 "its index (moov) is missing");
    free(bytes);
}

static void frames_beyond_all_measure_are_refused(void **state)
{
    (void)state;
    yolk_video *video;
    const char *path = yk_temp_text("vast.y4m", "YUV4MPEG2 W60000 H60000 F25:1 C420\nFRAME\n");
    assert_fails(yolk_video_open(path, NULL, &video), YOLK_ERROR_LIMIT, "60000x60000");
}

static void with_standard_input(int fd, void (*f)(void))
{
    int saved = dup(STDIN_FILENO);
    assert_true(saved >= 0 && dup2(fd, STDIN_FILENO) >= 0);
    f();
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void read_ten(void)
{
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open("-", NULL, &video));
    assert_int_equal(yolk_video_get_info(video)->width, 64);
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 10);
    yolk_video_close(&video);
}

static void read_cut(void)
{
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open("-", NULL, &video));
    assert_fails(clip_read_all(video, &frames), YOLK_ERROR_DAMAGED, "standard input: is cut or damaged");
    assert_int_equal(frames, 5);
    yolk_video_close(&video);
}

static void read_nothing(void)
{
    yolk_video *video;
    assert_fails(yolk_video_open("-", NULL, &video), YOLK_ERROR_DAMAGED, "standard input: ");
}

static void standard_input_is_a_stream(void **state)
{
    (void)state;
    const char *path = clip_y4m("in.y4m", "W64 H48 F25:1 C420", 64 * 48 * 3 / 2, 10);
    static void (*const reads[])(void) = {read_ten, read_cut, read_nothing};
    const char *files[] = {path, clip_cut(path, "in_cut.y4m", 0.55), "/dev/null"};
    for (size_t i = 0; i < YK_COUNT(files); i++) {
        int fd = open(files[i], O_RDONLY);
        assert_true(fd >= 0);
        with_standard_input(fd, reads[i]);
        close(fd);
    }
}

static void read_interrupted(void)
{
    yolk_video *video;
    yk_interrupt *interrupt;
    assert_ok(yk_interrupt_create(&interrupt));
    yk_interrupt_raise(interrupt);
    assert_fails(yk_video_open("-", NULL, interrupt, &video), YOLK_ERROR_CANCELED, "was stopped");
    yk_interrupt_destroy(&interrupt);
    yk_interrupt_destroy(&interrupt);
}

/* A pipe that nothing is written to would be waited for without end. */
static void waiting_for_input_can_be_ended(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    with_standard_input(ends[0], read_interrupted);
    close(ends[0]);
    close(ends[1]);
}

typedef struct waiting {
    const char *path;
    yk_interrupt *interrupt;
} waiting;

static void *open_pipe(void *user)
{
    const waiting *w = user;
    yolk_video *video = NULL;
    yolk_status status = yk_video_open(w->path, NULL, w->interrupt, &video);
    yolk_video_close(&video);
    return status == YOLK_ERROR_CANCELED ? NULL : "not canceled";
}

/* Nobody writes, and nobody ever will. */
static void waiting_for_a_named_pipe_can_be_ended(void **state)
{
    (void)state;
    waiting w = {.path = yk_temp_path("pipe")};
    pthread_t thread;
    void *fault;
    assert_int_equal(mkfifo(w.path, 0600), 0);
    assert_ok(yk_interrupt_create(&w.interrupt));
    assert_int_equal(pthread_create(&thread, NULL, open_pipe, &w), 0);
    yk_interrupt_raise(w.interrupt);
    pthread_join(thread, &fault);
    assert_null(fault);
    yk_interrupt_destroy(&w.interrupt);
    assert_int_equal(unlink(w.path), 0);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    const char *path = clip_write("memory.mp4", 64, 48, 4, 25, 1, NULL);
    for (long n = 1;; n++) {
        yolk_video *video = NULL;
        yolk_frame *frame = NULL;
        yk_alloc_fail_at(n);
        yolk_status status = yolk_video_open(path, NULL, &video);
        if (status == YOLK_OK)
            status = yolk_video_read(video, &frame);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        yolk_frame_release(&frame);
        yolk_video_close(&video);
        assert_int_equal(status, failed ? YOLK_ERROR_OUT_OF_MEMORY : YOLK_OK);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_files_give_what_is_there),
        cmocka_unit_test(a_raw_stream_cut_in_a_frame_is_reported),
        cmocka_unit_test(damage_in_the_middle_is_reported),
        cmocka_unit_test(bad_packets_are_counted_and_told_once),
        cmocka_unit_test(nothing_goes_on_where_nothing_began),
        cmocka_unit_test(what_is_no_video_gets_a_sentence),
        cmocka_unit_test(playlists_reach_nothing_beyond_files),
        cmocka_unit_test(memory_that_ffmpeg_lacks_is_no_damage),
        cmocka_unit_test(times_beyond_all_measure_are_no_numbers_to_add),
        cmocka_unit_test(sound_alone_is_no_video),
        cmocka_unit_test(an_index_that_is_missing_is_named),
        cmocka_unit_test(frames_beyond_all_measure_are_refused),
        cmocka_unit_test(standard_input_is_a_stream),
        cmocka_unit_test(waiting_for_input_can_be_ended),
        cmocka_unit_test(waiting_for_a_named_pipe_can_be_ended),
        cmocka_unit_test(short_memory_is_survived),
    };
    return cmocka_run_group_tests_name("reader errors", tests, yk_temp_make, yk_temp_remove);
}
