/* Results as text: JSON lines, COCO, MOTChallenge, and functions. */
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <jansson.h>

#include "pipeline/sink.h"
#include "video_test.h"

static yolk_detection some[] = {{1.005f, 2, 30.456f, 41.2f, 0.912345f, 0, "person", 0},
                                {-0.001f, 0, 5, 6, 1, 17, "a \"b\"\\\n\x01\xff\xc3\xa9", 3}};

static yolk_result result_of(const char *source, int still, int64_t frame, double time, size_t count)
{
    return (yolk_result){.source = source,
                         .still = still,
                         .frame = frame,
                         .time = time,
                         .width = 64,
                         .height = 48,
                         .detections = some,
                         .count = count};
}

static char *text_of(const char *path)
{
    size_t size;
    return (char *)file_bytes(path, &size);
}

static void lines_are_json(void **state)
{
    (void)state;
    /* Commas instead of points must not get in. */
    char *old = strdup(setlocale(LC_NUMERIC, NULL));
    setlocale(LC_NUMERIC, "de_DE.UTF-8");
    const char *path = yk_temp_path("a.jsonl");
    yolk_sink *sink;
    assert_ok(yolk_sink_open_jsonl(path, 0, &sink));
    yolk_result r = result_of("a.mp4", 0, 0, 0, 0);
    assert_ok(yolk_sink_write(sink, &r));
    char *text = text_of(path);
    assert_string_equal(text, "{\"frame\":0,\"time\":0.0,\"detections\":[]}\n"); /* there while the sink is open */
    free(text);
    r = result_of("a.mp4", 0, 1234567, 20576.116666666, 2);
    assert_ok(yolk_sink_write(sink, &r));
    assert_ok(yolk_sink_finish(&sink));
    assert_null(sink);
    assert_ok(yolk_sink_finish(&sink));
    setlocale(LC_NUMERIC, old);
    free(old);
    text = text_of(path);
    assert_string_equal(
        strchr(text, '\n') + 1,
        "{\"frame\":1234567,\"time\":20576.116667,\"detections\":[{\"box\":[1.00,2.00,30.46,41.20],"
        "\"confidence\":0.91234,\"class\":0,\"name\":\"person\"},{\"box\":[0.00,0.00,5.00,6.00],"
        "\"confidence\":1.00000,\"class\":17,\"name\":\"a \\\"b\\\"\\\\\\u000a\\u0001\xef\xbf\xbd\xc3\xa9\","
        "\"track\":3}]}\n");
    json_t *json = json_loads(strchr(text, '\n') + 1, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    free(text);
}

static void lines_name_their_source_when_asked(void **state)
{
    (void)state;
    const char *path = yk_temp_path("b.jsonl");
    yolk_sink *sink;
    assert_ok(yolk_sink_open_jsonl(path, 1, &sink));
    yolk_result r = result_of("dir/\"x\".png", 1, 0, 1.5, 0);
    assert_ok(yolk_sink_write(sink, &r));
    assert_ok(yolk_sink_finish(&sink));
    char *text = text_of(path);
    assert_string_equal(text, "{\"source\":\"dir/\\\"x\\\".png\",\"frame\":0,\"time\":1.5,\"detections\":[]}\n");
    free(text);
}

static void odd_numbers_stay_numbers(void **state)
{
    (void)state;
    yolk_detection odd = {NAN, -INFINITY, 1e30f, -12.345f, NAN, -1, "", 0};
    yolk_result r = result_of("a", 0, INT64_MAX, 1e300, 1);
    r.detections = &odd;
    const char *path = yk_temp_path("odd.jsonl");
    yolk_sink *sink;
    assert_ok(yolk_sink_open_jsonl(path, 0, &sink));
    assert_ok(yolk_sink_write(sink, &r));
    assert_ok(yolk_sink_finish(&sink));
    char *text = text_of(path);
    assert_string_equal(text,
                        "{\"frame\":9223372036854775807,\"time\":1000000000.0,\"detections\":[{\"box\":[0.00,"
                        "-1000000000.00,1000000000.00,-12.35],\"confidence\":0.00000,\"class\":-1,\"name\":\"\"}]}\n");
    free(text);
}

/* A limit on the size of files stands in for a disk that fills up in the middle of a line. */
static void no_line_is_left_half_written(void **state)
{
    (void)state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const char *path = yk_temp_path("full.jsonl");
    yolk_sink *sink;
    yolk_result r = result_of("a", 0, 0, 0, 2);
    assert_ok(yolk_sink_open_jsonl(path, 0, &sink));
    setrlimit(RLIMIT_FSIZE, &small);
    yolk_status status = YOLK_OK;
    int lines = 0;
    while ((status = yolk_sink_write(sink, &r)) == YOLK_OK)
        lines++;
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, YOLK_ERROR_IO);
    assert_ok(yolk_sink_finish(&sink));
    char *text = text_of(path);
    size_t length = strlen(text);
    assert_true(lines >= 2 && length < 1000 && text[length - 1] == '\n');
    for (const char *c = text; *c; c++)
        lines -= *c == '\n';
    assert_int_equal(lines, 0);
    free(text);
}

static void full_devices_are_told(void **state)
{
    (void)state;
    yolk_result r = result_of("1.jpg", 1, 0, 0, 2);
    yolk_sink *sink;
    assert_ok(yolk_sink_open_jsonl("/dev/full", 0, &sink));
    assert_fails(yolk_sink_write(sink, &r), YOLK_ERROR_NO_SPACE, "/dev/full");
    assert_ok(yolk_sink_finish(&sink));
    static yolk_status (*const opens[])(const char *, yolk_sink **) = {yolk_sink_open_coco, yolk_sink_open_mot};
    for (size_t i = 0; i < YK_COUNT(opens); i++) {
        assert_ok(opens[i]("/dev/full", &sink));
        assert_ok(yolk_sink_write(sink, &r));
        assert_fails(yolk_sink_finish(&sink), YOLK_ERROR_NO_SPACE, "/dev/full");
        assert_null(sink);
        /* Many results do not wait for the end. */
        assert_ok(opens[i]("/dev/full", &sink));
        yolk_status status = YOLK_OK;
        for (int k = 0; k < 10000 && status == YOLK_OK; k++)
            status = yolk_sink_write(sink, &r);
        assert_int_equal(status, YOLK_ERROR_NO_SPACE);
        assert_ok(yolk_sink_finish(&sink)); /* told already */
    }
}

static void folders_that_are_missing_are_named(void **state)
{
    (void)state;
    const char *path = yk_temp_path("no/where");
    yolk_sink *sink;
    assert_fails(yolk_sink_open_jsonl(path, 0, &sink), YOLK_ERROR_NOT_FOUND, "folder does not exist");
    assert_fails(yolk_sink_open_coco(path, &sink), YOLK_ERROR_NOT_FOUND, "does not exist");
    assert_fails(yolk_sink_open_mot(path, &sink), YOLK_ERROR_NOT_FOUND, "does not exist");
    assert_fails(yolk_sink_open_jsonl(yk_temp_folder, 0, &sink), YOLK_ERROR_IO, yk_temp_folder);
    assert_null(sink);
}

static void coco_numbers_images_by_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int still;
        int64_t frame;
        long long id;
    } cases[] = {{"d1/000000000139.jpg", 1, 0, 139}, {"COCO_val2014_000000000042.jpg", 1, 0, 42},
                 {"d/no digits.png", 1, 0, 2},       {"99999999999999999999.jpg", 1, 0, 3},
                 {"12b.tar.gz7", 1, 0, 12},          {"v9.mp4", 0, 77, 77}};
    const char *path = yk_temp_path("c.json");
    yolk_sink *sink;
    assert_ok(yolk_sink_open_coco(path, &sink));
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yolk_result r = result_of(cases[i].source, cases[i].still, cases[i].frame, 0, 1);
        assert_ok(yolk_sink_write(sink, &r));
    }
    yolk_result empty = result_of("5.jpg", 1, 0, 0, 0);
    assert_ok(yolk_sink_write(sink, &empty));
    assert_false(yk_is_file(path));
    assert_ok(yolk_sink_finish(&sink));
    json_t *array = json_load_file(path, 0, NULL);
    assert_int_equal(json_array_size(array), YK_COUNT(cases));
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        const json_t *d = json_array_get(array, i);
        assert_int_equal(json_integer_value(json_object_get(d, "image_id")), cases[i].id);
        assert_int_equal(json_integer_value(json_object_get(d, "category_id")), 0);
        assert_true(fabs(json_real_value(json_object_get(d, "score")) - 0.912345) < 1e-6);
        const json_t *bbox = json_object_get(d, "bbox");
        static const double expected[] = {1.005, 2, 29.451, 39.2};
        for (size_t k = 0; k < 4; k++)
            assert_true(fabs(json_real_value(json_array_get(bbox, k)) - expected[k]) < 1e-3);
    }
    json_decref(array);
}

static void no_results_are_an_empty_array(void **state)
{
    (void)state;
    const char *path = yk_temp_path("none.json");
    yolk_sink *sink;
    assert_ok(yolk_sink_open_coco(path, &sink));
    assert_ok(yolk_sink_finish(&sink));
    char *text = text_of(path);
    assert_string_equal(text, "[]\n");
    free(text);
}

static void mot_counts_frames_from_one(void **state)
{
    (void)state;
    const char *path = yk_temp_path("m.txt");
    yolk_sink *sink;
    assert_ok(yolk_sink_open_mot(path, &sink));
    yolk_result r = result_of("a.mp4", 0, 6, 0, 2);
    assert_ok(yolk_sink_write(sink, &r));
    assert_ok(yolk_sink_finish(&sink));
    char *text = text_of(path);
    assert_string_equal(text,
                        "7,-1,1.00,2.00,29.45,39.20,0.91234,-1,-1,-1\n7,3,0.00,0.00,5.00,6.00,1.00000,-1,-1,-1\n");
    free(text);
}

static yolk_sink *open_standard(int which)
{
    yolk_sink *sink;
    assert_ok(which == 0   ? yolk_sink_open_jsonl("-", 0, &sink)
              : which == 1 ? yolk_sink_open_coco("-", &sink)
                           : yolk_sink_open_mot("-", &sink));
    return sink;
}

static void standard_output_is_a_destination(void **state)
{
    (void)state;
    static const char *const begins[] = {"{\"frame\":6,", "[{\"image_id\":6,", "7,-1,1.00,"};
    for (int i = 0; i < 3; i++) {
        fflush(stdout);
        int saved = dup(STDOUT_FILENO);
        int fd = open(yk_temp_path("out"), O_RDWR | O_CREAT | O_TRUNC, 0666);
        dup2(fd, STDOUT_FILENO);
        yolk_sink *sink = open_standard(i);
        yolk_result r = result_of("a.mp4", 0, 6, 0, 1);
        yolk_status written = yolk_sink_write(sink, &r), finished = yolk_sink_finish(&sink);
        dup2(saved, STDOUT_FILENO);
        close(saved);
        close(fd);
        assert_ok(written);
        assert_ok(finished);
        char *text = text_of(yk_temp_path("out"));
        assert_int_equal(strncmp(text, begins[i], strlen(begins[i])), 0);
        free(text);
    }
}

static void a_closed_pipe_is_told(void **state)
{
    (void)state;
    void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    yolk_sink *sink = open_standard(0);
    yolk_result r = result_of("a.mp4", 0, 6, 0, 1);
    yolk_status status = yolk_sink_write(sink, &r);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
    signal(SIGPIPE, handler);
    assert_int_equal(status, YOLK_ERROR_CLOSED);
    assert_non_null(strstr(yolk_last_error(), "standard output: "));
    assert_ok(yolk_sink_finish(&sink));
}

static yolk_status count_down(void *user, const yolk_result *result)
{
    int *left = user;
    assert_int_equal(result->frame, 6);
    return (*left)-- > 0 ? YOLK_OK : YOLK_ERROR_CANCELED;
}

static void functions_are_called(void **state)
{
    (void)state;
    int left = 2;
    yolk_sink *sink;
    yolk_result r = result_of("a.mp4", 0, 6, 0, 1);
    assert_ok(yolk_sink_open_callback(count_down, &left, 1, &sink));
    assert_ok(yolk_sink_write(sink, &r));
    assert_ok(yolk_sink_write(sink, &r));
    assert_int_equal(yolk_sink_write(sink, &r), YOLK_ERROR_CANCELED);
    assert_ok(yolk_sink_finish(&sink));
}

static yolk_status run_all(void)
{
    yolk_result r = result_of("a.mp4", 0, 6, 0, 2);
    yolk_status worst = YOLK_OK;
    for (int i = 0; i < 4; i++) {
        yolk_sink *sink = NULL;
        yolk_status status = i == 0   ? yolk_sink_open_jsonl(yk_temp_path("m0"), 1, &sink)
                             : i == 1 ? yolk_sink_open_coco(yk_temp_path("m1"), &sink)
                             : i == 2 ? yolk_sink_open_mot(yk_temp_path("m2"), &sink)
                                      : yolk_sink_open_callback(NULL, NULL, 0, &sink);
        if (status == YOLK_OK && i < 3)
            status = yolk_sink_write(sink, &r);
        yolk_status finished = yolk_sink_finish(&sink);
        worst = worst != YOLK_OK ? worst : status != YOLK_OK ? status : finished;
    }
    return worst;
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        yk_alloc_fail_at(n);
        yolk_status status = run_all();
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || (failed && status == YOLK_ERROR_OUT_OF_MEMORY));
        if (!failed)
            break;
    }
}

/* ---- what programs around yolk do ---- */

static yolk_status give_up(void *user, const yolk_result *result)
{
    (void)user;
    (void)result;
    return YOLK_ERROR_CANCELED;
}

static void a_function_need_not_leave_a_sentence(void **state)
{
    (void)state;
    yolk_sink *sink;
    yolk_result r = result_of("a.mp4", 0, 12, 0.5, 0);
    assert_ok(yolk_sink_open_callback(give_up, NULL, 0, &sink));
    yk_fail(YOLK_ERROR_IO, "something of long ago");
    assert_fails(yolk_sink_write(sink, &r), YOLK_ERROR_CANCELED, "a.mp4: the program ended the run at frame 12");
    assert_ok(yolk_sink_finish(&sink));
}

static void *drain(void *user)
{
    char bytes[1000];
    size_t *total = user;
    for (ssize_t n; (n = read((int)total[1], bytes, sizeof(bytes))) > 0;)
        total[0] += (size_t)n;
    return NULL;
}

static void a_pipe_that_does_not_wait_is_waited_for(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    size_t total[2] = {0, (size_t)ends[0]}, written;
    char *bytes = calloc(1, SIZE);
    pthread_t reader;
    assert_non_null(bytes);
    assert_int_equal(pthread_create(&reader, NULL, drain, total), 0);
    assert_ok(yk_write_all(ends[1], "pipe", bytes, SIZE, &written));
    close(ends[1]);
    pthread_join(reader, NULL);
    close(ends[0]);
    assert_int_equal(written, SIZE);
    assert_int_equal(total[0], SIZE);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_json),
        cmocka_unit_test(lines_name_their_source_when_asked),
        cmocka_unit_test(odd_numbers_stay_numbers),
        cmocka_unit_test(no_line_is_left_half_written),
        cmocka_unit_test(full_devices_are_told),
        cmocka_unit_test(folders_that_are_missing_are_named),
        cmocka_unit_test(coco_numbers_images_by_their_names),
        cmocka_unit_test(no_results_are_an_empty_array),
        cmocka_unit_test(mot_counts_frames_from_one),
        cmocka_unit_test(standard_output_is_a_destination),
        cmocka_unit_test(a_closed_pipe_is_told),
        cmocka_unit_test(functions_are_called),
        cmocka_unit_test(short_memory_is_survived),
        cmocka_unit_test(a_function_need_not_leave_a_sentence),
        cmocka_unit_test(a_pipe_that_does_not_wait_is_waited_for),
    };
    return cmocka_run_group_tests_name("sinks", tests, yk_temp_make, yk_temp_remove);
}
