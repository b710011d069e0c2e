/* Real weights: OpenVINO must find what the reference finds, to 1e-3 in score and half a pixel. */
#include <math.h>

#include "backend/backend.h"
#include "detect/detect.h"
#include "import/import.h"
#include "yk_test.h"

enum { MOST_OUTPUTS = 2 * YK_MAX_LEVELS };

static const double SCORE_LIMIT = 1e-3, BOX_LIMIT = 0.5;
static const float CONF = 0.02f;

/* What `backend` finds in the input, before suppression, so that a small difference cannot hide or grow. */
static void find(const yk_backend *backend, const yk_graph *g, const uint8_t *input, size_t size, yk_detections *out)
{
    yk_exec *exec;
    const float *outputs[MOST_OUTPUTS];
    yk_shape shapes[MOST_OUTPUTS];
    assert_true(g->output_count <= MOST_OUTPUTS);
    assert_ok(backend->compile(g, &(yk_compile_options){.slots = 1, .latency = true}, &exec));
    memcpy(backend->input(exec, 0), input, size);
    assert_ok(backend->start(exec, 0));
    assert_ok(backend->wait(exec, 0));
    for (int i = 0; i < g->output_count; i++) {
        outputs[i] = backend->output(exec, 0, i);
        shapes[i] = g->values[g->outputs[i]].shape;
    }
    const yk_detect_options options = {.conf = CONF, .multi_label = true, .max_det = 300};
    assert_ok(yk_decode(&g->head, outputs, shapes, 0, (int)g->bound[2], (int)g->bound[1], &options, out));
    backend->destroy(&exec);
}

/* Every one of `a` that is clearly above the threshold has its like in `b`. */
static void contained(const yk_detections *a, const yk_detections *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const yolk_detection *x = &a->items[i];
        double nearest = INFINITY;
        if (x->confidence < CONF + SCORE_LIMIT)
            continue;
        for (size_t k = 0; k < b->count; k++) {
            const yolk_detection *y = &b->items[k];
            if (y->class_id == x->class_id && fabs((double)x->confidence - y->confidence) <= SCORE_LIMIT)
                nearest = fmin(nearest, fmax(fmax(fabs((double)x->x1 - y->x1), fabs((double)x->y1 - y->y1)),
                                             fmax(fabs((double)x->x2 - y->x2), fabs((double)x->y2 - y->y2))));
        }
        if (nearest > BOX_LIMIT)
            fail_msg("class %d, confidence %.4f: the nearest box of that score is %.2f px away", x->class_id,
                     x->confidence, nearest);
    }
}

static void compare(const char *model, int height, int width)
{
    char picture[1024];
    yk_graph *g;
    yolk_image *image;
    yk_detections reference = {0}, openvino = {0};
    yk_letterbox_scratch scratch = {0};
    yk_probe probe;
    yk_backend_openvino.probe(&probe);
    if (!probe.available)
        YK_SKIP("%s", probe.reason);
    snprintf(picture, sizeof picture, "%s/images/bus.jpg", yk_deps());
    if (access(model, R_OK) != 0 || access(picture, R_OK) != 0)
        YK_SKIP("%s is not there", access(picture, R_OK) != 0 ? picture : model);

    assert_ok(yk_import_file(model, &(yk_import_options){0}, &g));
    assert_ok(yk_graph_bind(g, 1, height, width));
    assert_ok(yolk_image_load(picture, &image));
    const size_t size = (size_t)height * (size_t)width * 3;
    uint8_t *input = malloc(size);
    assert_non_null(input);
    const yk_letterbox fit = yk_letterbox_fit(image->width, image->height, width, height, g->head.top_left);
    assert_ok(yk_letterbox_run(image, &fit, g->head.bgr, width, height, input, &scratch));
    find(&yk_backend_reference, g, input, size, &reference);
    find(&yk_backend_openvino, g, input, size, &openvino);
    assert_true(reference.count > 4);
    contained(&reference, &openvino);
    contained(&openvino, &reference);

    yk_detections_free(&reference);
    yk_detections_free(&openvino);
    yk_letterbox_scratch_free(&scratch);
    yolk_image_destroy(&image);
    yk_graph_destroy(&g);
    free(input);
}

static void demo_checkpoint(void **state)
{
    (void)state;
    char model[1024];
    snprintf(model, sizeof model, "%s/models/yolo26n.pt", yk_deps());
    compare(model, 224, 320);
}

static void compare_shared(const char *name, int height, int width)
{
    char model[1024];
    if (!yk_shared())
        YK_SKIP("there is no ../shared");
    snprintf(model, sizeof model, "%s/data/weights/%s", yk_shared(), name);
    compare(model, height, width);
}

static void checkpoint_with_suppression(void **state)
{
    (void)state;
    compare_shared("yolov8n.pt", 320, 256);
}

static void onnx_with_attention(void **state)
{
    (void)state;
    compare_shared("yolo11n-dequant.onnx", 320, 320);
}

static void onnx_of_yolox(void **state)
{
    (void)state;
    compare_shared("yolox_nano.onnx", 416, 416);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_checkpoint),
        cmocka_unit_test(checkpoint_with_suppression),
        cmocka_unit_test(onnx_with_attention),
        cmocka_unit_test(onnx_of_yolox),
    };
    return cmocka_run_group_tests_name("agreement", tests, NULL, NULL);
}
