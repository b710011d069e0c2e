/* The GPU's letterbox writes the bytes that the CPU's writes. */
#include "backend/cuda/detect.h"
#include "gpu_memory.h"

enum { POISON = 0xa5, GUARD = 64 };

static uint32_t noise_state = 1;

static uint32_t noise(uint32_t below)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (noise_state >> 8) % below;
}

/* The same picture on both sides, its rows longer than they need to be and its planes at odd addresses. */
typedef struct picture {
    yolk_image host, device;
    uint8_t *memory, *there;
} picture;

static picture make_picture(int width, int height, yolk_pixel_format format)
{
    const int half_w = (width + 1) / 2, half_h = (height + 1) / 2, slack = (int)noise(20),
              planar = format >= YOLK_PIXEL_I420;
    const int row[3] = {planar ? width : 3 * width, format == YOLK_PIXEL_NV12 ? 2 * half_w : half_w, half_w};
    const int rows[3] = {height, half_h, half_h}, planes = !planar ? 1 : format == YOLK_PIXEL_NV12 ? 2 : 3;
    picture p = {.host = {.width = width,
                          .height = height,
                          .format = format,
                          .matrix = (yolk_color_matrix)noise(3),
                          .full_range = (int)noise(2)}};
    size_t size = 1, offsets[3] = {0};
    for (int i = 0; i < planes; i++) {
        offsets[i] = size;
        size += (size_t)(row[i] + slack) * (size_t)rows[i];
    }
    p.memory = malloc(size);
    assert_non_null(p.memory);
    for (size_t i = 0; i < size; i++)
        p.memory[i] = (uint8_t)noise(256);
    p.there = gpu_copy(p.memory, size);
    p.device = p.host;
    for (int i = 0; i < planes; i++) {
        p.host.planes[i] = p.memory + offsets[i];
        p.device.planes[i] = p.there + offsets[i];
        p.host.strides[i] = p.device.strides[i] = row[i] + slack;
    }
    return p;
}

static void free_picture(picture *p)
{
    cudaFree(p->there);
    free(p->memory);
}

/* `got` begins `before` bytes before the batch's first input, and has GUARD bytes after the last. */
static void check(const picture *pictures, const yk_letterbox *fits, int count, bool bgr, int width, int height,
                  const uint8_t *got, size_t before)
{
    const size_t size = (size_t)width * (size_t)height * 3;
    uint8_t *wanted = malloc(size);
    assert_non_null(wanted);
    yk_letterbox_scratch scratch = {0};
    for (int n = 0; n < count; n++) {
        const yolk_image *image = &pictures[n].host;
        assert_ok(yk_letterbox_run(image, &fits[n], bgr, width, height, wanted, &scratch));
        for (size_t i = 0; i < size; i++) {
            const uint8_t byte = got[before + (size_t)n * size + i];
            if (byte != wanted[i])
                fail_msg("picture %d of %d, %dx%d format %d to %dx%d: %d instead of %d at %zu,%zu channel %zu", n,
                         count, image->width, image->height, (int)image->format, width, height, byte, wanted[i],
                         i / 3 % (size_t)width, i / 3 / (size_t)width, i % 3);
        }
    }
    for (size_t i = 0; i < before; i++)
        assert_int_equal(got[i], POISON);
    for (size_t i = 0; i < GUARD; i++)
        assert_int_equal(got[before + (size_t)count * size + i], POISON);
    yk_letterbox_scratch_free(&scratch);
    free(wanted);
}

/* Both ways of giving pictures. */
static void compare(picture *pictures, int count, bool bgr, bool top_left, int width, int height, size_t before)
{
    const size_t size = before + (size_t)count * (size_t)width * (size_t)height * 3 + GUARD;
    yolk_image *images = calloc((size_t)count, sizeof(*images));
    yk_letterbox *fits = calloc((size_t)count, sizeof(*fits));
    yk_cuda_picture *described = calloc((size_t)count, sizeof(*described));
    assert_true(images && fits && described);
    for (int n = 0; n < count; n++) {
        images[n] = pictures[n].device;
        fits[n] = yk_letterbox_fit(images[n].width, images[n].height, width, height, top_left);
        assert_ok(yk_cuda_picture_make(&images[n], &fits[n], bgr, width, height, &described[n]));
    }
    uint8_t *out = gpu_filled(size, POISON);
    assert_ok(yk_cuda_letterbox(images, fits, count, bgr, width, height, out + before, NULL));
    uint8_t *got = gpu_fetch(out, size);
    check(pictures, fits, count, bgr, width, height, got, before);
    free(got);

    assert_cuda(cudaMemset(out, POISON, size));
    yk_cuda_picture *list = gpu_copy(described, (size_t)count * sizeof(*described));
    assert_ok(yk_cuda_letterbox_pictures(list, count, width, height, out + before, NULL));
    got = gpu_fetch(out, size);
    check(pictures, fits, count, bgr, width, height, got, before);
    free(got);
    cudaFree(list);
    cudaFree(out);
    free(described);
    free(fits);
    free(images);
}

static void every_format_and_size_is_that_of_the_cpu(void **state)
{
    (void)state;
    gpu_needed();
    /* Picture, input: enlarged, reduced, as it is; inputs of odd widths and narrower than a tile. */
    static const int sizes[][4] = {{1, 1, 32, 32},       {1, 2, 32, 64},     {2, 1, 64, 32},     {3, 3, 32, 32},
                                   {33, 97, 64, 96},     {97, 33, 64, 96},   {64, 64, 64, 64},   {63, 65, 96, 96},
                                   {640, 360, 160, 96},  {317, 181, 65, 33}, {17, 1, 67, 35},    {250, 251, 130, 9},
                                   {641, 359, 640, 384}, {36, 20, 320, 192}, {500, 333, 321, 65}};
    for (size_t i = 0; i < YK_COUNT(sizes); i++) {
        for (int format = 0; format <= YOLK_PIXEL_NV12; format++) {
            picture p = make_picture(sizes[i][0], sizes[i][1], (yolk_pixel_format)format);
            compare(&p, 1, noise(2) != 0, noise(2) != 0, sizes[i][2], sizes[i][3], 0);
            free_picture(&p);
        }
    }
}

static void every_matrix_and_range_is_that_of_the_cpu(void **state)
{
    (void)state;
    gpu_needed();
    for (int matrix = 0; matrix <= YOLK_MATRIX_BT2020; matrix++) {
        for (int full = 0; full < 2; full++) {
            picture p = make_picture(161, 91, full ? YOLK_PIXEL_I420 : YOLK_PIXEL_NV12);
            p.host.matrix = p.device.matrix = (yolk_color_matrix)matrix;
            p.host.full_range = p.device.full_range = full;
            compare(&p, 1, false, false, 96, 64, 0);
            free_picture(&p);
        }
    }
}

static void a_batch_may_hold_pictures_of_all_kinds(void **state)
{
    (void)state;
    gpu_needed();
    static const int counts[] = {3, 32, 35};
    for (size_t i = 0; i < YK_COUNT(counts); i++) {
        picture pictures[35];
        for (int n = 0; n < counts[i]; n++)
            pictures[n] = make_picture(1 + (int)noise(200), 1 + (int)noise(200), (yolk_pixel_format)noise(4));
        compare(pictures, counts[i], i == 1, i == 2, 160, 96, 0);
        for (int n = 0; n < counts[i]; n++)
            free_picture(&pictures[n]);
    }
}

static void the_input_may_begin_anywhere(void **state)
{
    (void)state;
    gpu_needed();
    picture pictures[2] = {make_picture(300, 200, YOLK_PIXEL_NV12), make_picture(200, 300, YOLK_PIXEL_BGR24)};
    for (size_t before = 0; before < 5; before++)
        compare(pictures, 2, false, false, 160, 96, before);
    free_picture(&pictures[0]);
    free_picture(&pictures[1]);
}

static void rows_may_run_upwards(void **state)
{
    (void)state;
    gpu_needed();
    picture p = make_picture(40, 30, YOLK_PIXEL_RGB24);
    p.host.planes[0] += 29 * p.host.strides[0];
    p.device.planes[0] += 29 * p.device.strides[0];
    p.host.strides[0] = p.device.strides[0] = -p.host.strides[0];
    compare(&p, 1, false, false, 32, 32, 0);
    free_picture(&p);
}

static void full_frames_are_those_of_the_cpu(void **state)
{
    (void)state;
    gpu_needed();
    picture pictures[2] = {make_picture(1920, 1080, YOLK_PIXEL_NV12), make_picture(1280, 720, YOLK_PIXEL_I420)};
    compare(pictures, 2, false, false, 640, 384, 0);
    compare(pictures, 2, true, true, 640, 640, 0);
    free_picture(&pictures[0]);
    free_picture(&pictures[1]);
}

static void a_captured_launch_takes_other_pictures(void **state)
{
    (void)state;
    gpu_needed();
    const int width = 96, height = 64;
    const size_t size = (size_t)width * (size_t)height * 3 + GUARD;
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    yk_cuda_picture described, *there = gpu_filled(sizeof *there, POISON);
    uint8_t *out = gpu_filled(size, POISON);
    assert_cuda(cudaStreamCreate(&stream));
    assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    assert_ok(yk_cuda_letterbox_pictures(there, 1, width, height, out, stream));
    assert_cuda(cudaStreamEndCapture(stream, &graph));
    assert_cuda(cudaGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++) {
        picture p = make_picture(50 + 70 * i, 100 - 20 * i, i == 1 ? YOLK_PIXEL_BGR24 : YOLK_PIXEL_NV12);
        const yk_letterbox fit = yk_letterbox_fit(p.host.width, p.host.height, width, height, false);
        assert_ok(yk_cuda_picture_make(&p.device, &fit, false, width, height, &described));
        assert_cuda(cudaMemcpy(there, &described, sizeof described, cudaMemcpyHostToDevice));
        assert_cuda(cudaGraphLaunch(exec, stream));
        uint8_t *got = gpu_fetch(out, size);
        check(&p, &fit, 1, false, width, height, got, 0);
        free(got);
        free_picture(&p);
    }
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
    cudaFree(there);
    cudaFree(out);
}

/* No GPU is needed to see that. */
static void wrong_pictures_get_a_sentence(void **state)
{
    (void)state;
    uint8_t pixel = 0;
    const yk_letterbox fit = yk_letterbox_fit(64, 64, 32, 32, false);
    yolk_image image = {
        .width = 64, .height = 64, .format = YOLK_PIXEL_I420, .planes = {&pixel, &pixel}, .strides = {64, 32, 32}};
    yk_cuda_picture p;
    assert_fails(yk_cuda_picture_make(&image, &fit, false, 32, 32, &p), YOLK_ERROR_INVALID_ARGUMENT, "plane 2");
    assert_fails(yk_cuda_letterbox(&image, &fit, 1, false, 32, 32, &pixel, NULL), YOLK_ERROR_INVALID_ARGUMENT,
                 "plane 2");
    image.planes[2] = &pixel;
    assert_fails(yk_cuda_picture_make(&image, &fit, false, 16, 32, &p), YOLK_ERROR_INVALID_ARGUMENT, "16x32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_and_size_is_that_of_the_cpu),
        cmocka_unit_test(every_matrix_and_range_is_that_of_the_cpu),
        cmocka_unit_test(a_batch_may_hold_pictures_of_all_kinds),
        cmocka_unit_test(the_input_may_begin_anywhere),
        cmocka_unit_test(rows_may_run_upwards),
        cmocka_unit_test(full_frames_are_those_of_the_cpu),
        cmocka_unit_test(a_captured_launch_takes_other_pictures),
        cmocka_unit_test(wrong_pictures_get_a_sentence),
    };
    return cmocka_run_group_tests_name("cuda letterbox", tests, NULL, NULL);
}
