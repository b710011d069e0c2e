/* Real exports: what is found in them, and that the decoding which yolk appends is again the one that it cut off. */
#include "head_test.h"
#include "import/import.h"

typedef struct expected {
    const char *file;
    yk_head_kind kind;
    int bins, max_det, side;
    const char *family, *decoded;
} expected;

static const expected models[] = {
    {"yolov8n.onnx", YK_HEAD_ANCHOR_FREE, 16, 0, 640, "yolov8n", "1x84x8400"},
    {"yolo11n-dequant.onnx", YK_HEAD_ANCHOR_FREE, 16, 0, 640, "yolo11n", "1x84x8400"},
    {"yolo26n.onnx", YK_HEAD_ANCHOR_FREE, 1, 300, 640, "yolo26n", "1x300x6"},
    {"yolox_nano.onnx", YK_HEAD_YOLOX, 0, 0, 416, "", "1x3549x85"},
};

static yk_graph *import(const char *file)
{
    char path[1024];
    yk_graph *g;
    snprintf(path, sizeof path, "%s/data/weights/%s", yk_shared(), file);
    assert_ok(yk_import_file(path, NULL, &g));
    return g;
}

static void exports_are_recognised(void **state)
{
    (void)state;
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    for (size_t i = 0; i < YK_COUNT(models); i++) {
        const expected *e = &models[i];
        yk_graph *g = import(e->file);
        assert_int_equal(g->head.kind, e->kind);
        assert_int_equal(g->head.classes, 80);
        assert_int_equal(g->head.reg_max, e->bins);
        assert_int_equal(g->head.end2end, e->max_det > 0);
        assert_int_equal(g->head.max_det, e->max_det);
        assert_int_equal(g->head.levels, 3);
        assert_int_equal(g->head.strides[0] * 1000000 + g->head.strides[1] * 1000 + g->head.strides[2], 8016032);
        assert_int_equal(g->head.bgr, e->kind == YK_HEAD_YOLOX);
        assert_int_equal(g->input_height, e->side);
        assert_string_equal(g->family, e->family);
        assert_string_equal(g->class_names[5], "bus"); /* YOLOX's file has no names */
        assert_true(g->dynamic_size && g->dynamic_batch);
        assert_true(yk_graph_accepts(g, 3, 384, 640));
        assert_false(yk_graph_accepts(g, 1, 384, 650));
        yk_graph_destroy(&g);
    }
}

static void the_decoding_appended_is_the_one_cut_off(void **state)
{
    (void)state;
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    for (size_t i = 0; i < YK_COUNT(models); i++) {
        yk_graph *g = import(models[i].file);
        const yk_head head = g->head;
        int outputs = g->output_count;
        assert_ok(yk_head_append_decode(g));
        assert_ok(yk_graph_bind(g, 1, models[i].side, models[i].side));
        assert_string_equal(graph_shape(g, g->outputs[0]), models[i].decoded);
        /* Recognising runs the decoding and compares it with yolk's own. */
        g->head.kind = YK_HEAD_UNKNOWN;
        assert_ok(yk_head_recognise(g, NULL));
        assert_memory_equal(&g->head, &head, sizeof head);
        assert_int_equal(g->output_count, outputs);
        yk_graph_destroy(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_are_recognised),
        cmocka_unit_test(the_decoding_appended_is_the_one_cut_off),
    };
    return cmocka_run_group_tests_name("head_models", tests, NULL, NULL);
}
