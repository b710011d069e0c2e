/* The arithmetic of the GPU's letterbox, on the CPU: pixel by pixel what yk_letterbox_run() writes. */
#include "backend/cuda/letterbox_math.h"
#include "yk_test.h"

static uint32_t noise_state;

static uint32_t noise(uint32_t below)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (noise_state >> 8) % below;
}

/* What yk_cuda_picture_make() does, which needs CUDA. */
static yk_cuda_picture describe(const yolk_image *m, const yk_letterbox *fit, bool bgr)
{
    const bool packed = m->format < YOLK_PIXEL_I420, nv12 = m->format == YOLK_PIXEL_NV12;
    return (yk_cuda_picture){.planes = {m->planes[0], m->planes[1], nv12 ? m->planes[1] + 1 : m->planes[2]},
                             .strides = {m->strides[0], m->strides[1], nv12 ? m->strides[1] : m->strides[2]},
                             .width = m->width,
                             .height = m->height,
                             .fit_width = fit->width,
                             .fit_height = fit->height,
                             .chroma_step = nv12 ? 2 : 1,
                             .step_x = (double)m->width / fit->width,
                             .step_y = (double)m->height / fit->height,
                             .matrix = yk_row_matrix_of(m->matrix, m->full_range),
                             .planar = !packed,
                             .swap = packed ? bgr != (m->format == YOLK_PIXEL_BGR24) : bgr};
}

static void compare(const yolk_image *image, bool bgr, int width, int height)
{
    uint8_t *wanted = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(wanted);
    yk_letterbox_scratch scratch = {0};
    const yk_letterbox fit = yk_letterbox_fit(image->width, image->height, width, height, true);
    assert_ok(yk_letterbox_run(image, &fit, bgr, width, height, wanted, &scratch));
    const yk_cuda_picture p = describe(image, &fit, bgr);
    for (int y = 0; y < fit.height; y++) {
        const yk_between rows[YK_GRIDS] = {yk_source_row(&p, YK_LUMA, y), yk_source_row(&p, YK_CHROMA, y)};
        for (int x = 0; x < fit.width; x++) {
            const yk_between columns[YK_GRIDS] = {yk_source_column(&p, YK_LUMA, x), yk_source_column(&p, YK_CHROMA, x)};
            uint8_t pixel[3];
            yk_picture_pixel(&p, columns, rows, pixel);
            if (memcmp(pixel, wanted + ((size_t)y * (size_t)width + (size_t)x) * 3, 3) != 0)
                fail_msg("%dx%d format %d to %dx%d: another pixel at %d,%d", image->width, image->height,
                         (int)image->format, width, height, x, y);
        }
    }
    yk_letterbox_scratch_free(&scratch);
    free(wanted);
}

static void bytes_are_those_of_the_twin(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 32, 32},   {3, 2, 33, 64},     {97, 33, 64, 96},
                                   {64, 64, 64, 64}, {640, 360, 64, 64}, {31, 57, 160, 96}};
    uint8_t *bytes = malloc(3 * 640 * 360);
    assert_non_null(bytes);
    for (int i = 0; i < 3 * 640 * 360; i++)
        bytes[i] = (uint8_t)noise(256);
    for (size_t i = 0; i < YK_COUNT(sizes); i++) {
        const int w = sizes[i][0], h = sizes[i][1], half = (w + 1) / 2;
        for (int format = 0; format <= YOLK_PIXEL_NV12; format++) {
            for (int kind = 0; kind < 6; kind++) {
                yolk_image image = {.width = w,
                                    .height = h,
                                    .format = (yolk_pixel_format)format,
                                    .matrix = (yolk_color_matrix)(kind / 2),
                                    .full_range = kind % 2,
                                    .planes = {bytes, bytes + w * h, bytes + w * h + half * ((h + 1) / 2)},
                                    .strides = {w, half, half}};
                if (format < YOLK_PIXEL_I420)
                    image.strides[0] = 3 * w;
                if (format == YOLK_PIXEL_NV12)
                    image.strides[1] = 2 * half;
                compare(&image, noise(2) != 0, sizes[i][2], sizes[i][3]);
            }
        }
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_the_twin),
    };
    return cmocka_run_group_tests_name("letterbox math", tests, NULL, NULL);
}
