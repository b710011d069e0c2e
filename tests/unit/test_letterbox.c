/* Fitting pictures into the network's input: resampling, colour and padding. */
#include <math.h>

#include "detect/detect.h"
#include "yk_test.h"

static uint32_t noise_state;

static uint8_t noise(void)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (uint8_t)(noise_state >> 24);
}

/* A picture of noise whose rows are longer than they need to be. */
typedef struct picture {
    yolk_image image;
    uint8_t *memory;
} picture;

static picture make_picture(int width, int height, yolk_pixel_format format, yolk_color_matrix matrix, int full_range)
{
    const int half_w = (width + 1) / 2, half_h = (height + 1) / 2, slack = 13;
    picture p = {
        .image = {.width = width, .height = height, .format = format, .matrix = matrix, .full_range = full_range}};
    const int row[3] = {format < YOLK_PIXEL_I420 ? 3 * width : width, format == YOLK_PIXEL_NV12 ? 2 * half_w : half_w,
                        half_w};
    const int rows[3] = {height, half_h, half_h};
    const int planes = format < YOLK_PIXEL_I420 ? 1 : format == YOLK_PIXEL_NV12 ? 2 : 3;
    size_t size = 0;
    for (int i = 0; i < planes; i++)
        size += (size_t)(row[i] + slack) * (size_t)rows[i];
    p.memory = malloc(size);
    assert_non_null(p.memory);
    for (size_t i = 0; i < size; i++)
        p.memory[i] = noise();
    uint8_t *at = p.memory;
    for (int i = 0; i < planes; i++) {
        p.image.planes[i] = at;
        p.image.strides[i] = row[i] + slack;
        at += (size_t)(row[i] + slack) * (size_t)rows[i];
    }
    return p;
}

static double sampled(const yolk_image *image, int plane, int channel, int step, int width, int height, double x,
                      double y)
{
    const double u = fmin(fmax(x, 0), width - 1), v = fmin(fmax(y, 0), height - 1);
    const int left = (int)floor(u), top = (int)floor(v);
    double sum = 0;
    for (int dy = 0; dy < 2; dy++) {
        for (int dx = 0; dx < 2; dx++) {
            const int column = left + dx < width ? left + dx : left, row = top + dy < height ? top + dy : top;
            sum += image->planes[plane][row * image->strides[plane] + column * step + channel] *
                   (dx ? u - left : 1 - (u - left)) * (dy ? v - top : 1 - (v - top));
        }
    }
    return sum;
}

/* The same by the book: positions, weights and colours in double precision. */
static void by_the_book(const yolk_image *m, const yk_letterbox *fit, int x, int y, double rgb[3])
{
    static const double kr[] = {0.299, 0.2126, 0.2627}, kb[] = {0.114, 0.0722, 0.0593};
    const double sx = (x + 0.5) * m->width / fit->width - 0.5, sy = (y + 0.5) * m->height / fit->height - 0.5;
    if (m->format < YOLK_PIXEL_I420) {
        for (int c = 0; c < 3; c++)
            rgb[c] = sampled(m, 0, m->format == YOLK_PIXEL_BGR24 ? 2 - c : c, 3, m->width, m->height, sx, sy);
        return;
    }
    const bool nv12 = m->format == YOLK_PIXEL_NV12;
    const int w = (m->width + 1) / 2, h = (m->height + 1) / 2, step = nv12 ? 2 : 1;
    double luma = sampled(m, 0, 0, 1, m->width, m->height, sx, sy);
    double cb = sampled(m, 1, 0, step, w, h, sx / 2, sy / 2 - 0.25) - 128;
    double cr = sampled(m, nv12 ? 1 : 2, nv12 ? 1 : 0, step, w, h, sx / 2, sy / 2 - 0.25) - 128;
    if (!m->full_range) {
        luma = (luma - 16) * 255 / 219;
        cb *= 255.0 / 224;
        cr *= 255.0 / 224;
    }
    const double r = kr[m->matrix], b = kb[m->matrix];
    rgb[0] = luma + 2 * (1 - r) * cr;
    rgb[1] = luma - (2 * b * (1 - b) * cb + 2 * r * (1 - r) * cr) / (1 - r - b);
    rgb[2] = luma + 2 * (1 - b) * cb;
}

static void compare(const yolk_image *image, int input_width, int input_height, bool bgr, bool top_left)
{
    const size_t size = (size_t)input_width * (size_t)input_height * 3;
    uint8_t *out = malloc(size);
    assert_non_null(out);
    memset(out, 7, size);
    yk_letterbox_scratch scratch = {0};
    yk_letterbox fit = yk_letterbox_fit(image->width, image->height, input_width, input_height, top_left);
    assert_ok(yk_letterbox_run(image, &fit, bgr, input_width, input_height, out, &scratch));
    for (int y = 0; y < input_height; y++) {
        for (int x = 0; x < input_width; x++) {
            const int px = x - (int)fit.pad_x, py = y - (int)fit.pad_y;
            const uint8_t *got = out + ((size_t)y * (size_t)input_width + (size_t)x) * 3;
            double rgb[3] = {114, 114, 114};
            if (px >= 0 && py >= 0 && px < fit.width && py < fit.height)
                by_the_book(image, &fit, px, py, rgb);
            for (int c = 0; c < 3; c++) {
                double wanted = fmin(fmax(rgb[bgr ? 2 - c : c], 0), 255);
                if (fabs(got[c] - wanted) > 0.8)
                    fail_msg("%dx%d format %d to %dx%d: %d instead of %.2f at %d,%d channel %d", image->width,
                             image->height, (int)image->format, input_width, input_height, got[c], wanted, x, y, c);
            }
        }
    }
    yk_letterbox_scratch_free(&scratch);
    free(out);
}

static void every_format_and_size_is_as_by_the_book(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 32, 32},     {1, 2, 32, 64},      {2, 1, 64, 32},   {3, 3, 32, 32},
                                   {33, 97, 64, 96},   {97, 33, 64, 96},    {64, 64, 64, 64}, {63, 65, 96, 96},
                                   {640, 360, 64, 64}, {320, 180, 160, 96}, {17, 1, 64, 32},  {250, 250, 32, 32}};
    for (size_t i = 0; i < YK_COUNT(sizes); i++) {
        for (int format = 0; format <= YOLK_PIXEL_NV12; format++) {
            picture p = make_picture(sizes[i][0], sizes[i][1], (yolk_pixel_format)format, (yolk_color_matrix)(i % 3),
                                     (int)(i & 1));
            compare(&p.image, sizes[i][2], sizes[i][3], (i & 2) != 0, (i & 4) != 0);
            free(p.memory);
        }
    }
}

static void every_matrix_and_range_is_as_by_the_book(void **state)
{
    (void)state;
    for (int matrix = 0; matrix <= YOLK_MATRIX_BT2020; matrix++) {
        for (int full = 0; full < 2; full++) {
            picture p = make_picture(48, 32, YOLK_PIXEL_I420, (yolk_color_matrix)matrix, full);
            compare(&p.image, 64, 64, false, false);
            free(p.memory);
        }
    }
}

/* cv2.resize with INTER_LINEAR and copyMakeBorder, OpenCV 4.10, of a picture that opencv_pixel() computes. */
static uint8_t opencv_pixel(int x, int y, int c)
{
    return (uint8_t)(x * x * 37 + y * 91 + x * y * 13 + c * 53);
}

static const uint8_t smaller[8 * 8 * 3] = {
    114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114,
    114, 114, 35,  88,  141, 110, 163, 216, 113, 102, 155, 125, 166, 63,  72,  61,  114, 101, 154, 123, 108, 161,
    214, 179, 100, 109, 178, 171, 92,  104, 145, 198, 127, 116, 169, 170, 55,  108, 149, 138, 191, 126, 179, 124,
    57,  110, 163, 159, 212, 89,  64,  117, 150, 202, 75,  124, 205, 66,  119, 88,  129, 182, 98,  87,  140, 107,
    132, 185, 65,  58,  111, 139, 192, 69,  147, 200, 101, 185, 58,  107, 111, 80,  133, 134, 175, 72,  176, 165,
    62,  108, 133, 102, 194, 187, 60,  120, 173, 50,  94,  127, 180, 115, 164, 157, 133, 158, 103, 103, 92,  145,
    73,  114, 167, 169, 114, 167, 159, 196, 69,  180, 153, 74,  176, 77,  130, 97,  146, 139, 147, 172, 117, 149,
    138, 191, 150, 191, 88,  87,  140, 193, 108, 145, 198, 161, 134, 187, 114, 114, 114, 114, 114, 114, 114, 114,
    114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114};
static const uint8_t larger[8 * 6 * 3] = {
    0,   53,  106, 16,  69,  122, 44,  97,  150, 113, 166, 219, 126, 179, 232, 81,  134, 187, 79,  132, 184,
    80,  133, 186, 36,  89,  142, 55,  108, 161, 79,  132, 185, 88,  141, 194, 104, 125, 178, 127, 84,  136,
    133, 84,  137, 137, 88,  141, 91,  144, 197, 113, 166, 219, 133, 186, 239, 50,  103, 156, 71,  44,  97,
    195, 8,   61,  216, 13,  66,  223, 20,  73,  145, 199, 98,  171, 157, 123, 196, 105, 157, 118, 123, 176,
    95,  116, 169, 128, 85,  138, 145, 95,  148, 155, 106, 159, 182, 235, 32,  209, 150, 59,  238, 50,  103,
    163, 136, 189, 112, 165, 218, 84,  137, 190, 97,  150, 203, 110, 163, 216, 114, 114, 114, 114, 114, 114,
    114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114};
static const uint8_t narrow[8 * 4 * 3] = {
    114, 114, 114, 114, 114, 114, 151, 119, 172, 135, 60,  113, 106, 159, 169, 114, 114, 114, 114, 114,
    114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 115, 125, 178, 119, 172, 97,  153, 163, 131, 114,
    114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 122, 89,  100, 103, 156, 81,
    114, 39,  92,  114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 114, 171, 96,
    149, 87,  140, 193, 75,  86,  139, 114, 114, 114, 114, 114, 114, 114, 114, 114};

static void pixels_are_those_of_opencv(void **state)
{
    (void)state;
    static const struct {
        int width, height, input_width, input_height;
        const uint8_t *wanted;
    } cases[] = {{13, 9, 8, 8, smaller}, {5, 3, 8, 6, larger}, {11, 16, 8, 4, narrow}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        const int w = cases[i].width, h = cases[i].height, iw = cases[i].input_width, ih = cases[i].input_height;
        uint8_t pixels[16 * 16 * 3], out[8 * 8 * 3];
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                for (int c = 0; c < 3; c++)
                    pixels[(y * w + x) * 3 + c] = opencv_pixel(x, y, c);
        yolk_image image = {
            .width = w, .height = h, .format = YOLK_PIXEL_RGB24, .planes = {pixels}, .strides = {3 * w}};
        yk_letterbox fit = yk_letterbox_fit(w, h, iw, ih, false);
        yk_letterbox_scratch scratch = {0};
        assert_ok(yk_letterbox_run(&image, &fit, false, iw, ih, out, &scratch));
        yk_letterbox_scratch_free(&scratch);
        for (int k = 0; k < iw * ih * 3; k++)
            assert_in_range(out[k] + 1 - cases[i].wanted[k], 0, 2);
    }
}

static void rows_may_run_upwards(void **state)
{
    (void)state;
    picture p = make_picture(40, 30, YOLK_PIXEL_RGB24, YOLK_MATRIX_BT601, 0);
    p.image.planes[0] += 29 * p.image.strides[0];
    p.image.strides[0] = -p.image.strides[0];
    compare(&p.image, 32, 32, false, false);
    free(p.memory);
}

static void wrong_pictures_get_a_sentence(void **state)
{
    (void)state;
    uint8_t pixels[64 * 64 * 3] = {0}, out[32 * 32 * 3];
    yk_letterbox_scratch scratch = {0};
    const yolk_image good = {
        .width = 64, .height = 64, .format = YOLK_PIXEL_RGB24, .planes = {pixels}, .strides = {64 * 3}};
    const yk_letterbox fit = yk_letterbox_fit(64, 64, 32, 32, false);

    yolk_image image = good;
    image.width = 0;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "0x64");
    image = good;
    image.planes[0] = NULL;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "plane 0");
    image = good;
    image.strides[0] = 64;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT,
                 "stride 64");
    image.format = YOLK_PIXEL_I420;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "plane 1");
    image.planes[1] = pixels;
    image.strides[1] = 32;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "plane 2");
    image.format = YOLK_PIXEL_NV12;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT,
                 "stride 32");
    image.format = (yolk_pixel_format)9;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "format 9");
    image = good;
    image.height = 63;
    assert_fails(yk_letterbox_run(&image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "64x63");
    assert_fails(yk_letterbox_run(&good, &fit, false, 16, 32, out, &scratch), YOLK_ERROR_INVALID_ARGUMENT, "16x32");
}

static void short_memory_is_reported_and_scratch_is_kept(void **state)
{
    (void)state;
    picture p = make_picture(64, 48, YOLK_PIXEL_I420, YOLK_MATRIX_BT601, 0);
    uint8_t out[32 * 32 * 3];
    yk_letterbox_scratch scratch = {0};
    const yk_letterbox fit = yk_letterbox_fit(64, 48, 32, 32, false);
    yk_alloc_fail_at(1);
    assert_fails(yk_letterbox_run(&p.image, &fit, false, 32, 32, out, &scratch), YOLK_ERROR_OUT_OF_MEMORY, "memory");
    yk_alloc_fail_at(0);
    assert_ok(yk_letterbox_run(&p.image, &fit, false, 32, 32, out, &scratch));
    const long once = yk_alloc_count();
    assert_ok(yk_letterbox_run(&p.image, &fit, false, 32, 32, out, &scratch));
    assert_int_equal(yk_alloc_count(), once);
    yk_letterbox_scratch_free(&scratch);
    free(p.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_and_size_is_as_by_the_book),
        cmocka_unit_test(every_matrix_and_range_is_as_by_the_book),
        cmocka_unit_test(pixels_are_those_of_opencv),
        cmocka_unit_test(rows_may_run_upwards),
        cmocka_unit_test(wrong_pictures_get_a_sentence),
        cmocka_unit_test(short_memory_is_reported_and_scratch_is_kept),
    };
    return cmocka_run_group_tests_name("letterbox", tests, NULL, NULL);
}
