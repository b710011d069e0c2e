/* Every sentence with which the ONNX reader refuses a model. */
#include "onnx_test.h"

#define refused(m, status, words)                                                                                      \
    do {                                                                                                               \
        yk_graph *g_;                                                                                                  \
        assert_fails(onnx_import(m, "end2end", &g_), status, words);                                                   \
    } while (0)

/* One node "y" of the small model with one integer attribute, or none. */
static void refuse_node(const char *op, const char *inputs, const char *attribute, int64_t value, const char *words)
{
    onnx_model m = onnx_small();
    onnx_list(&m, "list", 1, 2, 3);
    onnx_floats(&m, "w", DIMS(1, 3, 1, 1), 1, 1, 1);
    size_t n = onnx_begin(&m, op, inputs, "y");
    if (attribute)
        onnx_int(&m, attribute, value);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, words);
}

static void refuse_text(const char *op, const char *inputs, const char *attribute, const char *value, const char *words)
{
    onnx_model m = onnx_small();
    onnx_floats(&m, "scales", DIMS(4), 1, 1, 2, 3);
    onnx_list(&m, "pads", 0, 0, 0, 0, 0, 0, 0, 0);
    size_t n = onnx_begin(&m, op, inputs, "y");
    onnx_text(&m, attribute, value);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, words);
}

static void refuse_ints(const char *op, const char *inputs, const char *attribute, const int64_t *values, int count,
                        const char *words)
{
    onnx_model m = onnx_small();
    onnx_floats(&m, "w", DIMS(1, 3, 1, 1), 1, 1, 1);
    size_t n = onnx_begin(&m, op, inputs, "y");
    onnx_ints_of(&m, attribute, values, count);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, words);
}

static void operators_that_are_not_known_are_named(void **state)
{
    (void)state;
    refuse_node("Frobnicate", "x", NULL, 0, "node \"y\" (Frobnicate): yolk does not know the operator Frobnicate");
    refuse_node("NonMaxSuppression", "x", NULL, 0, "export it with nms=False");
    onnx_model m = onnx_small();
    size_t n = onnx_begin(&m, "Relu", "x", "y");
    yk_pb_text(&m.graph, 3,
               "last \x1b[31m\xff"
               "act");
    yk_pb_text(&m.graph, 7, "com.example");
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED,
            "node \"last _[31m_act\" (Relu): yolk does not know the operator com.example.Relu");
}

static void attributes_that_are_not_done(void **state)
{
    (void)state;
    refuse_node("Concat", "x", "axis", 100, "axis 100 is out of range");
    refuse_node("ArgMax", "x", "select_last_index", 1, "takes the last of equals");
    refuse_node("GatherND", "x list", "batch_dims", 1, "batch_dims is not 0");
    refuse_node("Cast", "x", "to", 16, "element type 16");
    refuse_node("Conv", "x w", "group", 0, "0 groups make no sense");
    refuse_node("LayerNormalization", "x w", "axis", 1, "only the last dimension");
    refuse_node("Constant", "", NULL, 0, "it holds no value that yolk reads");
    refuse_text("DepthToSpace", "x", "mode", "CRD", "mode CRD");
    refuse_text("Pad", "x pads", "mode", "reflect", "mode reflect is not done");
    refuse_text("Resize", "x - scales", "mode", "cubic", "mode cubic is not done");
    refuse_text("Resize", "x - scales", "coordinate_transformation_mode", "tf_crop_and_resize", "coordinates tf_crop");
    refuse_text("Resize", "x - scales", "nearest_mode", "ceil", "rounding of nearest pixels");
    refuse_text("Resize", "x - scales", "keep_aspect_ratio_policy", "not_larger", "keep_aspect_ratio_policy");
    refuse_ints("Resize", "x - w", "axes", (int64_t[]){1, 2}, 2, "other axes than height and width");
    refuse_ints("Conv", "x w", "strides", (int64_t[]){1}, 1, "strides is not a pair");
    refuse_ints("Conv", "x w", "dilations", (int64_t[]){1, 0}, 2, "dilations 0 is out of range");
    refuse_ints("Conv", "x w", "pads", (int64_t[]){1, 1}, 2, "pads does not have four numbers");
    refuse_ints("Conv", "x w", "pads", (int64_t[]){1, 1, 1, -1}, 4, "padding -1 is out of range");
    refuse_ints("ConvTranspose", "x w", "output_padding", (int64_t[]){1, 1}, 2, "output_padding");
    refuse_ints("Transpose", "x", "perm", (int64_t[]){0, 1, 2, 3, 4, 5, 6}, 7, "more than 6 dimensions");
    refuse_ints("ReduceMax", "x", "axes", (int64_t[]){0, 1, 2, 3, 4, 5, 6}, 7, "axes has more than 6 numbers");
    onnx_model m = onnx_small();
    size_t n = onnx_begin(&m, "MaxPool", "x", "y");
    onnx_ints(&m, "kernel_shape", 2, 2);
    onnx_ints(&m, "strides", 2, 2);
    onnx_text(&m, "auto_pad", "SAME_UPPER");
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "auto_pad with a stride");
    m = onnx_small();
    n = onnx_begin(&m, "MaxPool", "x", "y");
    onnx_ints(&m, "kernel_shape", 1 << 20, 2);
    onnx_ints(&m, "dilations", 1 << 20, 2);
    onnx_text(&m, "auto_pad", "SAME_UPPER");
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "explicit padding");
    m = onnx_small();
    n = onnx_begin(&m, "AveragePool", "x", "y");
    onnx_ints(&m, "kernel_shape", 2, 2);
    onnx_ints(&m, "dilations", 2, 2);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "dilated window");
    m = onnx_small();
    n = onnx_begin(&m, "Swish", "x", "y");
    onnx_float(&m, "alpha", 2);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "an alpha that is not 1");
    m = onnx_small();
    m.opset = 11;
    n = onnx_begin(&m, "Softmax", "x", "y");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "several dimensions at once; export the model with opset=13");
}

static void values_that_a_constant_of_shape_cannot_have(void **state)
{
    (void)state;
    static const struct {
        int type, count, size;
        const char *words;
    } cases[] = {{ONNX_F64, 1, 8, "a value of type float64"},
                 {ONNX_I8, 1, 1, "a value of type int8"},
                 {ONNX_F32, 2, 8, "not a single number"},
                 {ONNX_I64, 1, 8, "is too large"}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        onnx_model m = onnx_small();
        onnx_list(&m, "list", 1, 2, 3);
        size_t n = onnx_begin(&m, "ConstantOfShape", "list", "y"), a = yk_pb_begin(&m.graph, 5);
        yk_pb_text(&m.graph, 1, "value");
        size_t t = yk_pb_begin(&m.graph, 5);
        onnx_tensor(&m.graph, "", cases[i].type, DIMS(cases[i].count), "01234567", (size_t)cases[i].size);
        yk_pb_end(&m.graph, t);
        yk_pb_end(&m.graph, a);
        onnx_end(&m, n);
        refused(&m, YOLK_ERROR_UNSUPPORTED, cases[i].words);
    }
}

static void inputs_that_do_not_fit(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_list(&m, "one", 1);
    onnx_list(&m, "two", 1, 1);
    onnx_node(&m, "Slice", "x one two", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "starts, ends, axes and steps differ in number");
    m = onnx_small();
    onnx_list(&m, "long", 1, 1, 1, 1, 1, 1, 1);
    onnx_node(&m, "Slice", "x long long", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "input 1 is not a list of at most 6 numbers of type int64");
    m = onnx_small();
    onnx_node(&m, "Slice", "x x x", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "known beforehand");
    m = onnx_small();
    onnx_list(&m, "sizes", 1, 1);
    size_t n = onnx_begin(&m, "Split", "x sizes", "y z w");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "3 outputs and 2 sizes");
    m = onnx_small();
    onnx_list(&m, "sizes", 4, -1);
    n = onnx_begin(&m, "Split", "x sizes", "y z");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    refused(&m, YOLK_ERROR_UNSUPPORTED, "a part of -1 makes no sense");
    m = onnx_small();
    onnx_list(&m, "target", 1, -2);
    onnx_node(&m, "Reshape", "x target", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "dimension -2");
    m = onnx_small();
    onnx_list(&m, "pads", 1, 1, 1);
    onnx_node(&m, "Pad", "x pads", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "padding of chosen axes");
    m = onnx_small();
    onnx_floats(&m, "scales", DIMS(4), 2, 1, 1, 1);
    onnx_node(&m, "Resize", "x - scales", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "its scales are not those of a picture");
    m = onnx_small();
    onnx_list(&m, "sizes", 1, 3, 0, 4);
    onnx_node(&m, "Resize", "x - - sizes", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "its sizes are not those of a picture");
    m = onnx_small();
    onnx_node(&m, "TopK", "x x", "y z");
    refused(&m, YOLK_ERROR_DAMAGED, "not known beforehand");
    m = onnx_small();
    onnx_node(&m, "MaxPool", "x", "z places");
    onnx_node(&m, "Relu", "places", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "reads \"places\", a second result that yolk does not compute");
    m = onnx_small();
    onnx_floats(&m, "w", DIMS(4, 2, 1, 1), 1, 1, 1, 1, 1, 1, 1, 1);
    onnx_node(&m, "Conv", "x w", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "layer \"y\" (Conv of 1x3x4x6, 4x2x1x1): the weights are for 2 channels");
}

static void links_that_lead_nowhere(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_node(&m, "Reshape", "x", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "node \"y\" (Reshape): input 1 is missing");
    m = onnx_small();
    onnx_node(&m, "Add", "x nothing", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "node \"y\" (Add) of the ONNX model reads \"nothing\", which is missing");
    m = onnx_small();
    onnx_node(&m, "Add", "x b", "a");
    onnx_node(&m, "Relu", "a", "b");
    onnx_node(&m, "Relu", "b", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "needs its own result: a cycle");
    m = onnx_small();
    onnx_node(&m, "Relu", "y", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "node \"y\" (Relu) of the ONNX model needs its own result");
    m = onnx_small();
    onnx_node(&m, "Relu", "x", "y");
    onnx_node(&m, "Exp", "x", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "value \"y\" of the ONNX model is defined twice");
    m = onnx_small();
    onnx_value(&m, 12, "z", ONNX_F32, DIMS(1));
    onnx_node(&m, "Relu", "x", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "output \"z\" of the ONNX model is computed by no node");
    m = (onnx_model){0};
    onnx_value(&m, 11, "x", ONNX_F32, DIMS(1, 3, 4, 6));
    onnx_value(&m, 12, "x", ONNX_F32, DIMS(1, 3, 4, 6));
    refused(&m, YOLK_ERROR_UNSUPPORTED, "output \"x\" of the ONNX model is not computed from the picture");
    m = (onnx_model){0};
    onnx_value(&m, 11, "x", ONNX_F32, DIMS(1, 3, 4, 6));
    onnx_node(&m, "Relu", "x", "y");
    refused(&m, YOLK_ERROR_DAMAGED, "has no output");
}

static void nodes_in_any_order_are_sorted(void **state)
{
    (void)state;
    onnx_model m = onnx_small(); /* its Reshape comes before what it reads */
    onnx_node(&m, "Relu", "b", "y");
    onnx_node(&m, "Exp", "a", "b");
    onnx_node(&m, "Neg", "x", "a");
    onnx_node(&m, "Frobnicate", "x", "unused");
    yk_graph *g;
    assert_ok(onnx_import(&m, "end2end", &g));
    assert_int_equal(g->node_count, 4);
    assert_int_equal(g->nodes[0].op, YK_OP_NEG);
    yk_graph_destroy(&g);
}

static void input_of(onnx_model *m, int type, yk_shape shape)
{
    *m = (onnx_model){0};
    onnx_value(m, 11, "x", type, shape);
    onnx_node(m, "Relu", "x", "y");
    onnx_value(m, 12, "y", ONNX_F32, DIMS(1, 5, 6));
}

static void inputs_that_are_no_picture(void **state)
{
    (void)state;
    onnx_model m;
    input_of(&m, ONNX_U8, DIMS(1, 3, 4, 6));
    refused(&m, YOLK_ERROR_UNSUPPORTED, "input \"x\" of the ONNX model is not float32 or float16");
    input_of(&m, ONNX_F32, DIMS(1, 640, 640, 3));
    refused(&m, YOLK_ERROR_UNSUPPORTED, "1x640x640x3, channels last");
    input_of(&m, ONNX_F32, DIMS(1, 1, 64, 64));
    refused(&m, YOLK_ERROR_UNSUPPORTED, "is 1x1x64x64; yolk needs N x 3 x H x W");
    input_of(&m, ONNX_F32, DIMS(3, 64, 64));
    refused(&m, YOLK_ERROR_UNSUPPORTED, "is 3x64x64");
    input_of(&m, ONNX_F32, DIMS(1, 3, 64, 1 << 20));
    refused(&m, YOLK_ERROR_LIMIT, "too large");
    input_of(&m, ONNX_F32, DIMS(1, 3, 4, 6));
    onnx_value(&m, 11, "z", ONNX_F32, DIMS(1));
    refused(&m, YOLK_ERROR_UNSUPPORTED, "has 2 inputs (\"x\", \"z\", ...)");
    m = (onnx_model){0};
    onnx_floats(&m, "x", DIMS(1), 1);
    onnx_node(&m, "Relu", "x", "y");
    onnx_value(&m, 12, "y", ONNX_F32, DIMS(1));
    refused(&m, YOLK_ERROR_DAMAGED, "has no input");
}

static void models_that_are_not_read(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    m.opset = 9;
    onnx_node(&m, "Relu", "x", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "operator set 9; yolk reads 11 and later");
    m = onnx_small();
    onnx_metadata(&m, "task", "segment");
    onnx_node(&m, "Relu", "x", "y");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "the model is for the task \"segment\"");
    m = onnx_small();
    onnx_node(&m, "Relu", "x", "y");
    yk_pb_text(&m.graph, 15, "");
    refused(&m, YOLK_ERROR_UNSUPPORTED, "sparse weights");
    m = onnx_small();
    onnx_node(&m, "Relu", "x", "y");
    yk_graph *g;
    assert_fails(onnx_import(&m, "v9", &g), YOLK_ERROR_INVALID_ARGUMENT, "there is no head \"v9\"");
    m = (onnx_model){0};
    refused(&m, YOLK_ERROR_DAMAGED, "its graph, which is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_that_are_not_known_are_named),
        cmocka_unit_test(attributes_that_are_not_done),
        cmocka_unit_test(values_that_a_constant_of_shape_cannot_have),
        cmocka_unit_test(inputs_that_do_not_fit),
        cmocka_unit_test(links_that_lead_nowhere),
        cmocka_unit_test(nodes_in_any_order_are_sorted),
        cmocka_unit_test(inputs_that_are_no_picture),
        cmocka_unit_test(models_that_are_not_read),
    };
    return cmocka_run_group_tests_name("onnx_errors", tests, NULL, NULL);
}
