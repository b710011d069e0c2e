/* What inputs stand for, and parts of frames. */
#include "pipeline/pipeline.h"
#include "video_test.h"

static void folders_are_listed_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"f/b.mp4", "f/a.jpg",  "f/c.txt",        "f/.hidden.jpg",
                                        "f/B.PNG", "f/d.json", "f/sub.mp4/x.jpg"};
    for (size_t i = 0; i < YK_COUNT(names); i++)
        yk_temp_text(names[i], "x");
    char folder[1024], alone[1024];
    snprintf(folder, sizeof(folder), "%s", yk_temp_path("f"));
    snprintf(alone, sizeof(alone), "%s", yk_temp_path("f/c.txt"));
    const char *inputs[] = {folder, "-", "absent.jpg", alone};
    static const struct {
        const char *end;
        bool still;
    } expected[] = {{"f/B.PNG", true}, {"f/a.jpg", true},    {"f/b.mp4", false},
                    {"-", false},      {"absent.jpg", true}, {"f/c.txt", false}};
    yk_sources sources;
    assert_ok(yk_sources_expand(inputs, YK_COUNT(inputs), &sources));
    assert_int_equal(sources.count, YK_COUNT(expected));
    for (size_t i = 0; i < sources.count; i++) {
        const yk_source *s = &sources.items[i];
        size_t length = strlen(s->path), end = strlen(expected[i].end);
        assert_true(length >= end);
        assert_string_equal(s->path + length - end, expected[i].end);
        assert_int_equal(s->still, expected[i].still);
        assert_null(s->error);
    }
    yk_sources_free(&sources);
}

static void the_content_tells_a_picture(void **state)
{
    (void)state;
    static const struct {
        const char *name, *head;
        size_t size;
        bool still;
    } cases[] = {{"x", "\xff\xd8\xff\xe0", 4, true},
                 {"y.dat", "\x89PNG\r\n\x1a\n", 8, true},
                 {"z.mjpeg", "\xff\xd8\xff\xe0", 4, false},
                 {"w", "RIFF....WEBPVP8 ", 16, true},
                 {"v", "RIFF....AVI LIST", 16, false},
                 {"u", "P6 4 4 255 ", 11, true},
                 {"t", "P6x", 3, false},
                 {"s", "", 0, false},
                 {"r.jpg", "", 0, true}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        const char *path = yk_temp_write(cases[i].name, cases[i].head, cases[i].size);
        yk_sources sources;
        assert_ok(yk_sources_expand(&path, 1, &sources));
        assert_int_equal(sources.items[0].still, cases[i].still);
        yk_sources_free(&sources);
    }
}

static void empty_folders_are_told(void **state)
{
    (void)state;
    mkdir(yk_temp_path("empty"), 0777);
    const char *path = yk_temp_path("empty");
    yk_sources sources;
    assert_ok(yk_sources_expand(&path, 1, &sources));
    assert_int_equal(sources.count, 1);
    assert_int_equal(sources.items[0].status, YOLK_ERROR_NOT_FOUND);
    assert_non_null(strstr(sources.items[0].error, "holds no picture and no video"));
    yk_sources_free(&sources);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    yk_temp_text("g/a.jpg", "x");
    mkdir(yk_temp_path("h"), 0777);
    char folders[2][1024];
    snprintf(folders[0], sizeof(folders[0]), "%s", yk_temp_path("g"));
    snprintf(folders[1], sizeof(folders[1]), "%s", yk_temp_path("h"));
    const char *inputs[] = {folders[0], folders[1], "-"};
    for (long n = 1;; n++) {
        yk_sources sources;
        yk_alloc_fail_at(n);
        yolk_status status = yk_sources_expand(inputs, YK_COUNT(inputs), &sources);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        yk_sources_free(&sources);
        assert_int_equal(status, failed ? YOLK_ERROR_OUT_OF_MEMORY : YOLK_OK);
        if (!failed)
            break;
    }
}

static void eyes_are_halves(void **state)
{
    (void)state;
    static const int none[4] = {0};
    static const struct {
        int width, height;
        yolk_eye eye;
        yk_region region;
    } cases[] = {
        {100, 50, YOLK_EYE_BOTH, {0, 0, 100, 50}},    {100, 50, YOLK_EYE_LEFT, {0, 0, 50, 50}},
        {100, 50, YOLK_EYE_RIGHT, {50, 0, 50, 50}},   {100, 60, YOLK_EYE_TOP, {0, 0, 100, 30}},
        {100, 60, YOLK_EYE_BOTTOM, {0, 30, 100, 30}}, {102, 50, YOLK_EYE_RIGHT, {50, 0, 52, 50}},
        {1, 1, YOLK_EYE_RIGHT, {0, 0, 1, 1}},         {1, 1, YOLK_EYE_TOP, {0, 0, 1, 1}},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_region r;
        assert_true(yk_region_of(cases[i].width, cases[i].height, cases[i].eye, none, &r));
        assert_memory_equal(&r, &cases[i].region, sizeof(r));
    }
}

static void crops_keep_to_the_frame(void **state)
{
    (void)state;
    static const struct {
        int crop[4];
        yolk_eye eye;
        bool good;
        yk_region region;
    } cases[] = {
        {{10, 20, 30, 20}, YOLK_EYE_BOTH, true, {10, 20, 30, 20}},
        {{11, 21, 30, 20}, YOLK_EYE_BOTH, true, {10, 20, 31, 21}},
        {{90, 40, 2147483647, 2147483647}, YOLK_EYE_BOTH, true, {90, 40, 10, 20}},
        {{10, 4, 20, 10}, YOLK_EYE_RIGHT, true, {60, 4, 20, 10}},
        {{40, 4, 20, 10}, YOLK_EYE_LEFT, true, {40, 4, 10, 10}},
        {{100, 0, 20, 10}, YOLK_EYE_BOTH, false, {0}},
        {{50, 0, 20, 10}, YOLK_EYE_LEFT, false, {0}},
        {{0, 60, 1, 1}, YOLK_EYE_BOTH, false, {0}},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_region r;
        assert_int_equal(yk_region_of(100, 60, cases[i].eye, cases[i].crop, &r), cases[i].good);
        if (cases[i].good)
            assert_memory_equal(&r, &cases[i].region, sizeof(r));
    }
}

static void views_begin_at_the_right_samples(void **state)
{
    (void)state;
    static uint8_t planes[3][4000];
    yk_region r = {6, 4, 10, 8};
    for (int format = 0; format < 4; format++) {
        yolk_image image = {.width = 40,
                            .height = 20,
                            .format = (yolk_pixel_format)format,
                            .planes = {planes[0], planes[1], planes[2]},
                            .strides = {120, 50, 30}};
        yolk_image view = yk_region_view(&image, &r);
        bool packed = format == YOLK_PIXEL_RGB24 || format == YOLK_PIXEL_BGR24;
        assert_int_equal(view.width, 10);
        assert_int_equal(view.height, 8);
        assert_ptr_equal(view.planes[0], planes[0] + 4 * 120 + (packed ? 18 : 6));
        if (format == YOLK_PIXEL_NV12)
            assert_ptr_equal(view.planes[1], planes[1] + 2 * 50 + 6);
        if (format == YOLK_PIXEL_I420) {
            assert_ptr_equal(view.planes[1], planes[1] + 2 * 50 + 3);
            assert_ptr_equal(view.planes[2], planes[2] + 2 * 30 + 3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_listed_by_name),
        cmocka_unit_test(the_content_tells_a_picture),
        cmocka_unit_test(empty_folders_are_told),
        cmocka_unit_test(short_memory_is_survived),
        cmocka_unit_test(eyes_are_halves),
        cmocka_unit_test(crops_keep_to_the_frame),
        cmocka_unit_test(views_begin_at_the_right_samples),
    };
    return cmocka_run_group_tests_name("sources", tests, yk_temp_make, yk_temp_remove);
}
