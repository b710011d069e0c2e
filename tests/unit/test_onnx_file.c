/* The ONNX files that are written: inputs and outputs, open sizes, bytes, metadata. */
#include "export/export.h"
#include "head_test.h"
#include "import/onnx_model.h"

static yk_buffer write_head(yk_graph *g, yk_onnx_options options)
{
    yk_buffer bytes = {0};
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_export_onnx(g, &options, &bytes));
    yk_graph_destroy(&g);
    return bytes;
}

static void open(const yk_buffer *bytes, yk_onnx_model *m)
{
    assert_ok(yk_onnx_model_parse((yk_span){bytes->data, bytes->size}, m));
    assert_int_equal(m->opset, 17);
}

static const char *type_text(const yk_onnx_model *m, int value)
{
    static char text[400];
    char shape[96];
    yk_onnx_type_info info;
    assert_ok(yk_onnx_value_type(&m->values[value], &info));
    yk_shape_text(&info.shape, shape);
    snprintf(text, sizeof text, "%s %lld %s", yk_onnx_text_of(m->values[value].name).text, (long long)info.type, shape);
    return text;
}

static void inputs_and_outputs(void **state)
{
    (void)state;
    yk_onnx_model m;
    yk_graph *g = head_anchor_free(3, 4, 0);
    assert_ok(yk_head_append_decode(g));
    yk_buffer bytes = write_head(g, (yk_onnx_options){0});
    open(&bytes, &m);
    assert_string_equal(type_text(&m, m.inputs[0]), "images 1 1x3x64x64");
    assert_string_equal(type_text(&m, m.outputs[0]), "output0 1 1x7x84");
    for (int i = 0; i < m.node_count; i++) /* anchors of one size are constants */
        assert_false(yk_span_is(m.nodes[i].op, "Range") || yk_span_is(m.nodes[i].op, "Shape"));
    yk_onnx_model_free(&m);
    yk_buffer_free(&bytes);

    static const char *const shapes[] = {"-1x7x-1", "-1x10x6", "-1x-1x8"};
    for (int i = 0; i < 3; i++) {
        g = i == 2 ? head_anchors(3) : head_anchor_free(3, 1, i ? 10 : 0);
        assert_ok(yk_head_append_decode(g));
        bytes = write_head(g, (yk_onnx_options){.dynamic = true});
        open(&bytes, &m);
        assert_string_equal(type_text(&m, m.inputs[0]), "images 1 -1x3x-1x-1");
        assert_string_equal(strrchr(type_text(&m, m.outputs[0]), ' ') + 1, shapes[i]);
        yk_onnx_model_free(&m);
        yk_buffer_free(&bytes);
    }
    bytes = write_head(head_anchor_free(3, 1, 0), (yk_onnx_options){.dynamic = true});
    open(&bytes, &m);
    assert_int_equal(m.output_count, 6);
    assert_string_equal(strrchr(type_text(&m, m.outputs[3]), ' ') + 1, "-1x3x-1x-1");
    yk_onnx_model_free(&m);
    yk_buffer_free(&bytes);
}

static void an_input_of_bytes(void **state)
{
    (void)state;
    for (int unit = 0; unit < 2; unit++) {
        yk_onnx_model m;
        yk_graph *g = head_anchor_free(3, 1, 0);
        g->head.unit_range = unit;
        yk_buffer bytes = write_head(g, (yk_onnx_options){.u8_input = true});
        open(&bytes, &m);
        assert_string_equal(type_text(&m, m.inputs[0]), "images:bytes 2 1x64x64x3");
        int divisions = 0;
        for (int i = 0; i < m.node_count; i++)
            divisions += yk_span_is(m.nodes[i].op, "Div");
        assert_int_equal(divisions, unit);
        yk_onnx_model_free(&m);
        yk_buffer_free(&bytes);
    }
}

static void metadata_as_ultralytics_reads_it(void **state)
{
    (void)state;
    yk_onnx_model m = {0};
    yk_graph *g = head_anchors(2);
    g->class_names = yk_calloc(2, sizeof *g->class_names);
    g->class_names[0] = yk_strdup("it's");
    g->class_names[1] = yk_strdup("tab\t\\\xc3\xa9");
    yk_free(g->family);
    g->family = yk_strdup("yolov5n");
    yk_buffer bytes = write_head(g, (yk_onnx_options){.metadata = true});
    static const char *const entries[][2] = {
        {"task", "detect"},
        {"stride", "32"},
        {"batch", "1"},
        {"imgsz", "[64, 64]"},
        {"channels", "3"},
        {"end2end", "False"},
        {"names", "{0: 'it\\'s', 1: 'tab\\x09\\\\\xc3\xa9'}"},
        {"yolk_family", "yolov5n"},
        {"yolk_head", "kind=anchors classes=2 reg_max=0 end2end=0 max_det=0 bgr=0 unit_range=1 top_left=0 "
                      "strides=8,16,32 anchors=10,13,16,30,30,61,62,45,116,90,156,198"},
    };
    open(&bytes, &m);
    for (size_t i = 0; i < YK_COUNT(entries); i++) {
        yk_span value = yk_onnx_metadata(&m, entries[i][0]);
        if (!yk_span_is(value, entries[i][1]))
            fail_msg("%s is %.*s", entries[i][0], (int)value.size, (const char *)value.data);
    }
    yk_onnx_model_free(&m);
    yk_buffer_free(&bytes);
}

static void what_is_not_bound_is_not_written(void **state)
{
    (void)state;
    yk_buffer bytes = {0};
    yk_graph *g = head_anchors(2);
    assert_fails(yk_export_onnx(g, &(yk_onnx_options){0}, &bytes), YOLK_ERROR_INVALID_ARGUMENT, "bind it before");
    assert_ok(yk_head_append_decode(g));
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK && n < 100; n++) {
        yk_buffer_free(&bytes);
        yk_alloc_fail_at(n);
        status = yk_export_onnx(g, &(yk_onnx_options){.metadata = true}, &bytes);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_int_equal(status, YOLK_OK);
    yk_buffer_free(&bytes);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_and_outputs),
        cmocka_unit_test(an_input_of_bytes),
        cmocka_unit_test(metadata_as_ultralytics_reads_it),
        cmocka_unit_test(what_is_not_bound_is_not_written),
    };
    return cmocka_run_group_tests_name("onnx_file", tests, NULL, NULL);
}
