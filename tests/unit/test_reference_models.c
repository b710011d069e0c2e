/* Real networks through the importers and the reference backend, against what PyTorch computes from the same
 * checkpoints on the same picture of numbers: sums and last elements of the raw outputs. */
#include "backend/backend.h"
#include "graph_test.h"
#include "import/import.h"

enum { HEIGHT = 64, WIDTH = 96, OUTPUTS = 6 };

typedef struct expectation {
    double sum, size, last; /* of all elements, of their absolute values, the last element */
} expectation;

static const expectation yolo26n[OUTPUTS] = {
    {923.803403, 923.867577, 0.46492487}, {-134999.090535, 134999.090535, -13.512804},
    {234.841694, 234.841694, 0.49178475}, {-37733.777255, 37733.777255, -14.216135},
    {41.626469, 41.626469, 4.827612},     {-9146.384744, 9146.384744, -22.035515},
};
static const expectation yolov8n[OUTPUTS] = {
    {6142.565652, 12341.123192, -0.38721436}, {-113483.510296, 113483.510296, -12.626949},
    {1534.070532, 3897.421229, -1.909764},    {-26054.949494, 26054.949494, -14.213534},
    {383.997563, 907.741797, -1.6706939},     {-3584.336563, 3584.336563, -8.92967},
};

static void check_model(const char *file, const expectation *want)
{
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    char path[1000];
    snprintf(path, sizeof(path), "%s/data/weights/%s", yk_shared(), file);
    yk_graph *g;
    assert_ok(yk_import_file(path, NULL, &g));
    assert_int_equal(g->head.kind, YK_HEAD_ANCHOR_FREE);
    assert_int_equal(g->output_count, OUTPUTS);
    assert_true(yk_graph_accepts(g, 1, HEIGHT, WIDTH));
    assert_ok(yk_graph_bind(g, 1, HEIGHT, WIDTH));
    yk_exec *e;
    assert_ok(yk_backend_reference.compile(g, &(yk_compile_options){0}, &e));
    uint8_t *input = yk_backend_reference.input(e, 0);
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++)
        input[i] = (uint8_t)((i * 37 + i / 11 * 5) % 251);
    assert_ok(yk_backend_reference.start(e, 0));
    for (int k = 0; k < OUTPUTS; k++) {
        const float *out = yk_backend_reference.output(e, 0, k);
        int64_t count = yk_shape_count(&g->values[g->outputs[k]].shape);
        double sum = 0, size = 0;
        for (int64_t i = 0; i < count; i++) {
            sum += (double)out[i];
            size += fabs((double)out[i]);
        }
        if (fabs(sum - want[k].sum) > 1e-4 * want[k].size || fabs(size - want[k].size) > 1e-4 * want[k].size ||
            fabs((double)out[count - 1] - want[k].last) > 1e-3)
            fail_msg("output %d of %s: sum %f, size %f, last %f", k, file, sum, size, (double)out[count - 1]);
    }
    yk_backend_reference.destroy(&e);
    yk_graph_destroy(&g);
}

static void yolo26n_checkpoint(void **state)
{
    (void)state;
    check_model("yolo26n.pt", yolo26n);
}

static void yolo26n_onnx(void **state)
{
    (void)state;
    check_model("yolo26n.onnx", yolo26n);
}

static void yolov8n_checkpoint(void **state)
{
    (void)state;
    check_model("yolov8n.pt", yolov8n);
}

static void yolov8n_onnx(void **state)
{
    (void)state;
    check_model("yolov8n.onnx", yolov8n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolo26n_checkpoint),
        cmocka_unit_test(yolo26n_onnx),
        cmocka_unit_test(yolov8n_checkpoint),
        cmocka_unit_test(yolov8n_onnx),
    };
    return cmocka_run_group_tests_name("reference_models", tests, NULL, NULL);
}
