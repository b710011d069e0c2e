/* Boxes and names on pictures. */
#include <math.h>

#include "video_test.h"

typedef struct canvas {
    yolk_image image;
    uint8_t *bytes;
    size_t size;
} canvas;

/* All samples 100. */
static canvas make(int width, int height, yolk_pixel_format format)
{
    canvas c = {.image = {.width = width, .height = height, .format = format, .matrix = YOLK_MATRIX_BT709}};
    int half_width = (width + 1) / 2, half_height = (height + 1) / 2;
    size_t luma = (size_t)width * height, chroma = (size_t)half_width * half_height;
    c.size = luma * 3 + 2 * chroma;
    c.bytes = malloc(c.size);
    assert_non_null(c.bytes);
    memset(c.bytes, 100, c.size);
    c.image.planes[0] = c.bytes;
    c.image.strides[0] = format <= YOLK_PIXEL_RGB24 ? 3 * width : width;
    if (format == YOLK_PIXEL_I420 || format == YOLK_PIXEL_NV12) {
        c.image.planes[1] = c.bytes + luma;
        c.image.strides[1] = format == YOLK_PIXEL_I420 ? half_width : 2 * half_width;
    }
    if (format == YOLK_PIXEL_I420) {
        c.image.planes[2] = c.bytes + luma + chroma;
        c.image.strides[2] = half_width;
    }
    return c;
}

static size_t changed(const canvas *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->size; i++)
        count += c->bytes[i] != 100;
    return count;
}

static const uint8_t *pixel(const canvas *c, int x, int y)
{
    return c->image.planes[0] + (ptrdiff_t)y * c->image.strides[0] + 3 * x;
}

static yolk_detection box(float x1, float y1, float x2, float y2, int class_id)
{
    return (yolk_detection){x1, y1, x2, y2, 0.75f, class_id, "thing", 0};
}

static void edges_are_drawn_and_the_inside_is_left(void **state)
{
    (void)state;
    static const uint8_t untouched[] = {100, 100, 100};
    canvas c = make(400, 300, YOLK_PIXEL_RGB24);
    yolk_detection d = box(100, 80, 300, 200, 3);
    assert_ok(yolk_image_draw(&c.image, &d, 1));
    assert_memory_not_equal(pixel(&c, 200, 80), untouched, 3);
    assert_memory_equal(pixel(&c, 200, 80), pixel(&c, 150, 199), 3);
    assert_memory_equal(pixel(&c, 200, 80), pixel(&c, 100, 150), 3);
    assert_memory_equal(pixel(&c, 200, 80), pixel(&c, 299, 150), 3);
    assert_memory_equal(pixel(&c, 200, 150), untouched, 3);
    assert_memory_equal(pixel(&c, 50, 150), untouched, 3);
    assert_memory_equal(pixel(&c, 200, 210), untouched, 3);
    free(c.bytes);
}

static void classes_have_colors_of_their_own(void **state)
{
    (void)state;
    enum { CLASSES = 40 };
    uint8_t colors[CLASSES][3];
    for (int i = 0; i < CLASSES; i++) {
        canvas c = make(100, 100, YOLK_PIXEL_RGB24);
        yolk_detection d = box(20, 40, 80, 90, i);
        assert_ok(yolk_image_draw(&c.image, &d, 1));
        memcpy(colors[i], pixel(&c, 50, 89), 3);
        free(c.bytes);
        for (int k = 0; k < i; k++) {
            int distance = 0;
            for (int p = 0; p < 3; p++)
                distance += abs(colors[i][p] - colors[k][p]);
            assert_true(distance > 12);
        }
    }
}

/* The same picture whatever way its samples lie. */
static void formats_agree(void **state)
{
    (void)state;
    yolk_detection d[] = {box(30.4f, 40.2f, 90, 100, 0), box(60, 20, 150, 90, 7)};
    canvas rgb = make(161, 121, YOLK_PIXEL_RGB24), bgr = make(161, 121, YOLK_PIXEL_BGR24);
    canvas i420 = make(161, 121, YOLK_PIXEL_I420), nv12 = make(161, 121, YOLK_PIXEL_NV12);
    canvas *all[] = {&rgb, &bgr, &i420, &nv12};
    for (size_t i = 0; i < YK_COUNT(all); i++)
        assert_ok(yolk_image_draw(&all[i]->image, d, YK_COUNT(d)));
    for (int y = 0; y < 121; y++) {
        for (int x = 0; x < 161; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(pixel(&rgb, x, y)[c], pixel(&bgr, x, y)[2 - c]);
        assert_memory_equal(i420.image.planes[0] + y * 161, nv12.image.planes[0] + y * 161, 161);
    }
    for (int y = 0; y < 61; y++)
        for (int x = 0; x < 81; x++)
            for (int i = 0; i < 2; i++)
                assert_int_equal(i420.image.planes[1 + i][y * 81 + x], nv12.image.planes[1][y * 162 + 2 * x + i]);
    for (size_t i = 0; i < YK_COUNT(all); i++)
        free(all[i]->bytes);
}

/* Red as Y'CbCr says it for each matrix and range. */
static void colors_follow_matrix_and_range(void **state)
{
    (void)state;
    uint8_t seen[3][2][3];
    for (int matrix = 0; matrix < 3; matrix++)
        for (int full = 0; full < 2; full++) {
            canvas c = make(300, 200, YOLK_PIXEL_I420);
            c.image.matrix = (yolk_color_matrix)matrix;
            c.image.full_range = full;
            yolk_detection d = box(100, 60, 200, 150, 0);
            assert_ok(yolk_image_draw(&c.image, &d, 1));
            seen[matrix][full][0] = c.image.planes[0][148 * 300 + 150];
            seen[matrix][full][1] = c.image.planes[1][74 * 150 + 75];
            seen[matrix][full][2] = c.image.planes[2][74 * 150 + 75];
            assert_true(seen[matrix][full][2] > 128);
            free(c.bytes);
        }
    for (int matrix = 0; matrix < 3; matrix++) {
        int limited = seen[matrix][0][0], full = seen[matrix][1][0];
        assert_in_range(limited, 16 + full * 219 / 255 - 1, 16 + full * 219 / 255 + 1);
    }
    assert_true(seen[YOLK_MATRIX_BT709][0][0] < seen[YOLK_MATRIX_BT601][0][0]);
}

static void boxes_outside_are_clipped(void **state)
{
    (void)state;
    static const yolk_pixel_format formats[] = {YOLK_PIXEL_RGB24, YOLK_PIXEL_I420, YOLK_PIXEL_NV12};
    const yolk_detection outside[] = {box(-50, -50, -10, -10, 1), box(500, 10, 600, 50, 1), box(10, 400, 50, 500, 1),
                                      box(30, 30, 30, 60, 1),     box(60, 30, 30, 60, 1),   box(NAN, 0, 10, 10, 1)};
    const yolk_detection partly[] = {box(-1e9f, -1e9f, 1e9f, 50, 1), box(-20, 10, 30, 90, 1),
                                     box(40, 10, INFINITY, 1e30f, 2)};
    for (size_t f = 0; f < YK_COUNT(formats); f++) {
        canvas c = make(101, 77, formats[f]);
        assert_ok(yolk_image_draw(&c.image, outside, YK_COUNT(outside)));
        assert_int_equal(changed(&c), 0);
        assert_ok(yolk_image_draw(&c.image, NULL, 0));
        assert_int_equal(changed(&c), 0);
        assert_ok(yolk_image_draw(&c.image, partly, YK_COUNT(partly)));
        assert_true(changed(&c) > 100);
        free(c.bytes);
    }
}

static void small_pictures_are_no_trouble(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 40}, {40, 1}, {2, 2}, {3, 5}, {16, 16}};
    for (size_t s = 0; s < YK_COUNT(sizes); s++)
        for (int format = 0; format < 4; format++) {
            canvas c = make(sizes[s][0], sizes[s][1], (yolk_pixel_format)format);
            yolk_detection d = box(0, 0, (float)sizes[s][0], (float)sizes[s][1], 5);
            d.track_id = 2147483647;
            assert_ok(yolk_image_draw(&c.image, &d, 1));
            assert_true(changed(&c) > 0);
            free(c.bytes);
        }
}

static size_t label_pixels(const char *name, int track)
{
    canvas c = make(640, 480, YOLK_PIXEL_RGB24);
    yolk_detection d = {200, 200, 300, 300, 0.5f, 0, name, track};
    assert_ok(yolk_image_draw(&c.image, &d, 1));
    size_t count = changed(&c);
    free(c.bytes);
    return count;
}

static void names_are_written(void **state)
{
    (void)state;
    size_t small = label_pixels("a", 0);
    if (small == label_pixels("a longer name", 0))
        YK_SKIP("no font on this machine");
    assert_true(label_pixels("a", 12) > small);
    assert_true(label_pixels("\xd0\xb8\xd0\xb8\xd0\xb8", 0) > small);
    assert_true(label_pixels("\xff\xfe", 0) > small);
    char name[2000];
    memset(name, 'm', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_true(label_pixels(name, 0) > small);
}

/* The label of a box at the top edge goes inside. */
static void labels_stay_in_the_picture(void **state)
{
    (void)state;
    static const uint8_t untouched[] = {100, 100, 100};
    canvas c = make(640, 480, YOLK_PIXEL_RGB24);
    yolk_detection d = box(600, 0, 640, 100, 0);
    assert_ok(yolk_image_draw(&c.image, &d, 1));
    bool text = memcmp(pixel(&c, 590, 5), untouched, 3) != 0;
    free(c.bytes);
    if (!text)
        YK_SKIP("no font on this machine");
}

static int warnings;

static void count_warnings(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    warnings += level == YOLK_LOG_WARNING && strstr(message, "boxes are drawn without names") != NULL;
}

/* Nowhere to look for fonts, or nothing there: boxes all the same, and one warning in all. */
static void without_a_font_there_are_boxes(void **state)
{
    (void)state;
    const char *configs[] = {"/nonexistent/fonts.conf",
                             yk_temp_text("fonts.conf", "<?xml version=\"1.0\"?><fontconfig></fontconfig>")};
    yolk_log_set(count_warnings, NULL, YOLK_LOG_WARNING);
    for (size_t i = 0; i < YK_COUNT(configs); i++) {
        setenv("FONTCONFIG_FILE", configs[i], 1);
        size_t bare = label_pixels("a", 0);
        assert_true(bare > 0);
        assert_int_equal(label_pixels("a much longer name", 7), bare);
    }
    unsetenv("FONTCONFIG_FILE");
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    assert_int_equal(warnings, 1);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        canvas c = make(200, 100, YOLK_PIXEL_I420);
        yolk_detection d = box(20, 40, 80, 90, 1);
        yk_alloc_fail_at(n);
        yolk_status status = yolk_image_draw(&c.image, &d, 1);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        /* Letters may be missing, the box never is. */
        assert_true(status == YOLK_OK ? changed(&c) > 0 : failed && status == YOLK_ERROR_OUT_OF_MEMORY);
        free(c.bytes);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_drawn_and_the_inside_is_left),
        cmocka_unit_test(classes_have_colors_of_their_own),
        cmocka_unit_test(formats_agree),
        cmocka_unit_test(colors_follow_matrix_and_range),
        cmocka_unit_test(boxes_outside_are_clipped),
        cmocka_unit_test(small_pictures_are_no_trouble),
        cmocka_unit_test(names_are_written),
        cmocka_unit_test(labels_stay_in_the_picture),
        cmocka_unit_test(without_a_font_there_are_boxes),
        cmocka_unit_test(short_memory_is_survived),
    };
    return cmocka_run_group_tests_name("draw", tests, yk_temp_make, yk_temp_remove);
}
