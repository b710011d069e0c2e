/* Pictures in and boxes out: what the device does around the models in YOLK_GPU_MODELS is what the processor does with
 * the outputs of the same networks. Pictures are noise, and the .ppm files that lie in that folder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/cuda.h"
#include "base/picture.h"
#include "gpu_memory.h"
#include "import/import.h"

enum { MOST = 8, SIDE = 700 };

static uint8_t *memory[MOST], *copies[MOST]; /* on the host and on the device */
static yolk_image pictures[MOST];
static int picture_count;

static void must(yolk_status status)
{
    if (status != YOLK_OK)
        fail_msg("%s", yolk_last_error());
}

static yolk_image layout(uint8_t *at, yolk_pixel_format format, int width, int height)
{
    const bool packed = format == YOLK_PIXEL_RGB24 || format == YOLK_PIXEL_BGR24;
    const int half = (width + 1) / 2;
    yolk_image p = {.width = width, .height = height, .format = format, .planes = {at}};
    p.strides[0] = packed ? 3 * width : width + 5;
    p.planes[1] = at + (size_t)p.strides[0] * (size_t)height;
    p.strides[1] = format == YOLK_PIXEL_NV12 ? 2 * half : half + 3;
    p.planes[2] = p.planes[1] + (size_t)p.strides[1] * (size_t)((height + 1) / 2);
    p.strides[2] = half + 3;
    return p;
}

static void add_noise(yolk_pixel_format format, int width, int height)
{
    const size_t size = 4 * (size_t)SIDE * SIDE;
    uint8_t *at = calloc(size, 1);
    uint32_t state = (uint32_t)picture_count;
    assert_non_null(at);
    for (size_t i = 3; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        at[i] = state >> 26 ? (uint8_t)(at[i - 3] + (int)(state >> 16 & 15) - 7) : (uint8_t)(state >> 20);
    }
    memory[picture_count] = at;
    copies[picture_count] = gpu_copy(at, size);
    pictures[picture_count++] = layout(at, format, width, height);
}

/* A binary PPM of 8 bits without comments; false for what is none. */
static bool add_file(const char *path, yolk_pixel_format format)
{
    FILE *file = fopen(path, "rb");
    int width = 0, height = 0;
    bool whole = file && fscanf(file, "P6 %d %d 255", &width, &height) == 2 && fgetc(file) != EOF && width > 0 &&
                 height > 0 && width < 4096 && height < 4096;
    const size_t size = (size_t)width * (size_t)height * 3;
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    whole = whole && fread(bytes, 1, size, file) == size;
    if (file)
        fclose(file);
    memory[picture_count] = bytes;
    copies[picture_count] = gpu_copy(bytes, size + 1);
    pictures[picture_count++] = layout(bytes, format, width, height);
    return whole;
}

/* C libraries' exponentials may be off in the last bit. */
static void assert_near(const yolk_detection *a, const yolk_detection *b)
{
    const float pairs[][2] = {
        {a->confidence, b->confidence}, {a->x1, b->x1}, {a->y1, b->y1}, {a->x2, b->x2}, {a->y2, b->y2}};
    assert_int_equal(a->class_id, b->class_id);
    for (size_t i = 0; i < YK_COUNT(pairs); i++) {
        if (!(fabsf(pairs[i][0] - pairs[i][1]) <= 1e-6f * YK_MAX(fabsf(pairs[i][1]), i == 0 ? 1e-3f : 100)))
            fail_msg("%.9g instead of %.9g", (double)pairs[i][0], (double)pairs[i][1]);
    }
}

/* Picture `i` as it lies on the device, upside down when `turned`. */
static yolk_image on_device(int i, bool turned)
{
    yolk_image p = pictures[i];
    p.memory = YOLK_MEMORY_CUDA;
    for (int k = 0; k < 3 && p.planes[k]; k++) {
        p.planes[k] = copies[i] + (p.planes[k] - memory[i]);
        if (turned) {
            const int rows = k == 0 || p.format < YOLK_PIXEL_I420 ? p.height : (p.height + 1) / 2;
            p.planes[k] += (ptrdiff_t)p.strides[k] * (rows - 1);
            p.strides[k] = -p.strides[k];
        }
    }
    return p;
}

/* How frames come to the device. */
typedef enum way { AS_BYTES, FROM_HOST, FROM_DEVICE, FROM_BOTH } way;

typedef struct found {
    size_t boxes; /* that the device found, and frames that it left to the processor */
    int left;
} found;

/* One slot finds boxes, the other one gives outputs, each from the same pictures or bytes. */
static found compare(const yk_graph *g, yk_exec *e, const yk_detect_options *o, way way)
{
    const yk_backend *gpu = &yk_backend_cuda;
    const int batch = (int)g->bound[0], height = (int)g->bound[1], width = (int)g->bound[2];
    const float *outputs[YK_CUDA_OUTPUTS];
    yk_shape shapes[YK_CUDA_OUTPUTS];
    yolk_image images[MOST];
    yk_letterbox fits[MOST];
    yk_letterbox_scratch scratch = {0};
    yk_detections got = {0}, wanted = {0};
    found sum = {0};
    for (int from = 0; from < picture_count; from += batch) {
        const int count = YK_MIN(batch, picture_count - from);
        for (int i = 0; i < count; i++) {
            images[i] =
                way == FROM_DEVICE || (way == FROM_BOTH && i % 2) ? on_device(from + i, false) : pictures[from + i];
            fits[i] = yk_letterbox_fit(images[i].width, images[i].height, width, height, g->head.top_left);
            for (int slot = 0; slot < 2 && way == AS_BYTES; slot++)
                must(yk_letterbox_run(&images[i], &fits[i], g->head.bgr, width, height,
                                      gpu->input(e, slot) + (size_t)i * (size_t)height * (size_t)width * 3, &scratch));
        }
        yk_input frames = {.count = count, .boxes = true};
        if (way != AS_BYTES) {
            frames.images = images;
            frames.fits = fits;
        }
        must(gpu->start_frames(e, 0, &frames));
        frames.boxes = false;
        must(gpu->start_frames(e, 1, &frames));
        must(gpu->wait(e, 0));
        must(gpu->wait(e, 1));
        for (int i = 0; i < g->output_count; i++) {
            outputs[i] = gpu->output(e, 1, i);
            shapes[i] = g->values[g->outputs[i]].shape;
        }
        bool any_left = false;
        for (int n = 0; n < count; n++) {
            bool complete;
            must(gpu->found(e, 0, n, &complete, &got));
            must(yk_decode(&g->head, outputs, shapes, n, width, height, o, &wanted));
            must(yk_suppress(&g->head, o, &wanted));
            sum.left += !complete;
            any_left = any_left || !complete;
            if (!complete)
                continue;
            assert_int_equal(got.count, wanted.count);
            for (size_t i = 0; i < got.count; i++)
                assert_near(&got.items[i], &wanted.items[i]);
            sum.boxes += got.count;
        }
        /* What was left comes with outputs: those of the whole batch. */
        for (int i = 0; i < g->output_count && any_left; i++)
            assert_memory_equal(gpu->output(e, 0, i), outputs[i],
                                (size_t)(yk_shape_count(&shapes[i]) / batch * count) * sizeof(float));
    }
    yk_detections_free(&got);
    yk_detections_free(&wanted);
    yk_letterbox_scratch_free(&scratch);
    return sum;
}

/* What says that it is on the device and is not. */
static void refuse_other_memory(const yk_graph *g, yk_exec *e)
{
    yolk_image image = pictures[0];
    const yk_letterbox fit =
        yk_letterbox_fit(image.width, image.height, (int)g->bound[2], (int)g->bound[1], g->head.top_left);
    image.memory = YOLK_MEMORY_CUDA;
    assert_int_equal(yk_backend_cuda.start_frames(e, 0, &(yk_input){.count = 1, .images = &image, .fits = &fit}),
                     YOLK_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(yolk_last_error(), "no GPU's memory"));
}

static void check_model(const char *path)
{
    static uint8_t mask[1000];
    yk_graph *g;
    must(yk_import_file(path, NULL, &g));
    for (int i = 0; i < (int)sizeof mask; i++)
        mask[i] = i % 3 != 1;
    const yk_detect_options ways[] = {
        {.conf = 0.25f, .iou = 0.45f, .max_det = 300},
        {.conf = 0.001f, .iou = 0.7f, .max_det = 300, .multi_label = true},
        {.conf = 0.02f, .iou = 0.45f, .max_det = 50, .agnostic = true, .class_mask = mask},
        {.conf = 0, .iou = 0.45f, .max_det = 300, .multi_label = true},
    };
    for (int half = 0; half < 2; half++) {
        must(yk_graph_bind(g, g->dynamic_batch ? 3 : 1, g->input_height, g->input_width));
        for (size_t i = 0; i < YK_COUNT(ways); i++) {
            yk_exec *e;
            must(yk_backend_cuda.compile(g, &(yk_compile_options){.half = half, .slots = 2, .detect = &ways[i]}, &e));
            assert_int_equal(yk_backend_cuda.abilities(e), YK_TAKES_PICTURES | YK_FINDS_BOXES);
            refuse_other_memory(g, e);
            const found f = compare(g, e, &ways[i], FROM_HOST);
            for (way way = AS_BYTES; way <= FROM_BOTH; way++) {
                const found again = compare(g, e, &ways[i], way);
                assert_int_equal(f.boxes, again.boxes);
                assert_int_equal(f.left, again.left);
            }
            if (half)
                printf("# %s, conf %g: %zu boxes, %d of %d pictures left to the processor\n", yk_base_name(path),
                       (double)ways[i].conf, f.boxes, f.left, picture_count);
            assert_true(f.boxes > 0 || f.left > 0 || i != 1);
            assert_true(f.left > 0 || ways[i].conf > 0 || g->head.end2end);
            yk_backend_cuda.destroy(&e);
        }
    }
    yk_graph_destroy(&g);
}

/* Picture by picture, as they would be fetched from a device that has no memory left. */
static void check_fetching(void)
{
    for (int i = 0; i < picture_count; i++) {
        for (int turned = 0; turned < 2; turned++) {
            const yolk_image there = on_device(i, turned);
            const size_t size = yk_image_bytes(&there);
            uint8_t *got = malloc(size), *wanted = malloc(size);
            assert_true(got && wanted);
            const yolk_image to = yk_image_at(&pictures[i], got), flat = yk_image_at(&pictures[i], wanted);
            yolk_image from = there;
            for (int k = 0; k < 3 && from.planes[k]; k++)
                from.planes[k] = memory[i] + (there.planes[k] - copies[i]);
            yk_image_copy(&from, &flat);
            must(yk_backend_cuda.fetch(&there, &to));
            assert_memory_equal(got, wanted, size);
            free(got);
            free(wanted);
        }
    }
}

static void real_models_find_what_their_outputs_say(void **unused)
{
    (void)unused;
    gpu_needed();
    const char *folder = getenv("YOLK_GPU_MODELS");
    char **names;
    size_t count, checked = 0;
    if (!folder)
        skip();
    must(yk_list_directory(folder, &names, &count));
    add_noise(YOLK_PIXEL_NV12, 639, 401);
    add_noise(YOLK_PIXEL_I420, 301, 700);
    add_noise(YOLK_PIXEL_I420, 640, 384);
    add_noise(YOLK_PIXEL_BGR24, 17, 5);
    for (size_t i = 0; i < count && picture_count < MOST; i++) {
        char *path = yk_path_join(folder, names[i]);
        if (strcmp(yk_extension(names[i]), ".ppm") == 0)
            assert_true(add_file(path, picture_count % 2 ? YOLK_PIXEL_BGR24 : YOLK_PIXEL_RGB24));
        yk_free(path);
    }
    check_fetching();
    for (size_t i = 0; i < count; i++) {
        const char *ending = yk_extension(names[i]);
        char *path = yk_path_join(folder, names[i]);
        if (strcmp(ending, ".pt") == 0 || strcmp(ending, ".onnx") == 0) {
            check_model(path);
            checked++;
        }
        yk_free(path);
    }
    yk_names_free(names);
    for (int i = 0; i < picture_count; i++) {
        free(memory[i]);
        cudaFree(copies[i]);
    }
    assert_true(checked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(real_models_find_what_their_outputs_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
