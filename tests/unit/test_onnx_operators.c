/* ONNX operators in a small model, computed and compared with what ONNX says they give. The picture is 1x3x4x6 with
 * onnx_pixel(i) at element i. */
#include "onnx_test.h"

enum { PIXELS = 72 };

/* Row and column of element i of the picture, and its channel. */
#define COLUMN(i)  ((i) % 6)
#define CHANNEL(i) ((i) / 24)

static void identity_and_dropout_are_dropped(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_node(&m, "Identity", "x", "a");
    onnx_node(&m, "Dropout", "a", "b mask");
    onnx_node(&m, "Relu", "b", "y");
    onnx_expect(&m, PIXELS, p);
}

static void clip_with_inputs_and_attributes(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "low", SCALAR, 0.25f);
    onnx_floats(&m, "high", SCALAR, 0.75f);
    onnx_node(&m, "Clip", "x low high", "y");
    onnx_expect(&m, PIXELS, fminf(fmaxf(p, 0.25f), 0.75f));
    m = onnx_small();
    onnx_floats(&m, "high", SCALAR, 0.75f);
    onnx_node(&m, "Clip", "x - high", "a");
    size_t n = onnx_begin(&m, "Clip", "a", "y");
    onnx_float(&m, "min", 0.5f);
    onnx_end(&m, n);
    onnx_expect(&m, PIXELS, fminf(fmaxf(p, 0.5f), 0.75f));
}

static void reductions_with_axes_as_attribute_or_input(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    size_t n = onnx_begin(&m, "ReduceMax", "x", "a");
    onnx_ints(&m, "axes", 1);
    onnx_int(&m, "keepdims", 0);
    onnx_end(&m, n);
    onnx_list(&m, "axes", 0);
    onnx_node(&m, "Unsqueeze", "a axes", "b"); /* 1x1x4x6 */
    onnx_list(&m, "second", 1);
    onnx_node(&m, "Squeeze", "b second", "c");
    onnx_list(&m, "rows", 1);
    onnx_node(&m, "ReduceSum", "c rows", "y");
#define MOST(i) fmaxf(fmaxf(onnx_pixel(i), onnx_pixel(24 + i)), onnx_pixel(48 + i))
    onnx_expect(&m, 6, MOST(i) + MOST(6 + i) + MOST(12 + i) + MOST(18 + i));
    m = onnx_small();
    n = onnx_begin(&m, "ReduceMean", "x", "y");
    onnx_int(&m, "noop_with_empty_axes", 1);
    onnx_end(&m, n);
    onnx_expect(&m, PIXELS, p);
}

static void sums_and_extremes_of_many(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "half", SCALAR, 0.5f);
    onnx_floats(&m, "third", SCALAR, 0.3f);
    onnx_node(&m, "Max", "x half third", "a");
    onnx_node(&m, "Min", "x half third", "b");
    onnx_node(&m, "Sum", "a b half", "c");
    onnx_node(&m, "Max", "c", "y");
    onnx_expect(&m, PIXELS, fmaxf(p, 0.5f) + fminf(p, 0.3f) + 0.5f);
}

static void comparisons_with_equality(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "limit", SCALAR, onnx_pixel(7));
    onnx_floats(&m, "two", SCALAR, 2);
    onnx_node(&m, "GreaterOrEqual", "x limit", "over");
    onnx_node(&m, "LessOrEqual", "x limit", "under");
    onnx_node(&m, "And", "over under", "equal");
    onnx_node(&m, "Where", "equal two x", "y");
    onnx_expect(&m, PIXELS, p == onnx_pixel(7) ? 2 : p);
}

static void prelu_and_swish(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "half", SCALAR, 0.5f);
    onnx_floats(&m, "slope", DIMS(3, 1, 1), 0.1f, 0.2f, 0.3f);
    onnx_node(&m, "Sub", "x half", "a");
    onnx_node(&m, "PRelu", "a slope", "b");
    onnx_node(&m, "Swish", "b", "y");
#define SLOPED(v) ((v) > 0 ? (v) : (v)*0.1f * (float)(1 + CHANNEL(i)))
    onnx_expect(&m, PIXELS, SLOPED(p - 0.5f) / (1 + expf(-SLOPED(p - 0.5f))));
}

static void layer_normalization(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "scale", DIMS(6), 1, 2, 3, 4, 5, 6);
    onnx_floats(&m, "bias", DIMS(6), 6, 5, 4, 3, 2, 1);
    onnx_node(&m, "LayerNormalization", "x scale bias", "y");
    int64_t count;
    float *out = onnx_compute(&m, &count);
    assert_int_equal(count, PIXELS);
    for (int row = 0; row < 12; row++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < 6; i++)
            mean += (double)onnx_pixel(6 * row + i) / 6;
        for (int i = 0; i < 6; i++)
            variance += pow((double)onnx_pixel(6 * row + i) - mean, 2) / 6;
        for (int i = 0; i < 6; i++) {
            double want = ((double)onnx_pixel(6 * row + i) - mean) / sqrt(variance + 1e-5) * (i + 1) + 6 - i;
            assert_true(fabs((double)out[6 * row + i] - want) < 1e-4);
        }
    }
    free(out);
}

static void constants_of_every_form(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    size_t n = onnx_begin(&m, "Constant", "", "number");
    onnx_float(&m, "value_float", 0.5f);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Constant", "", "row");
    size_t a = yk_pb_begin(&m.graph, 5);
    yk_pb_text(&m.graph, 1, "value_floats");
    for (int i = 0; i < 6; i++)
        yk_pb_float(&m.graph, 7, (float)i);
    yk_pb_end(&m.graph, a);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Constant", "", "two");
    onnx_int(&m, "value_int", 2);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Constant", "", "tensor");
    a = yk_pb_begin(&m.graph, 5);
    yk_pb_text(&m.graph, 1, "value");
    size_t t = yk_pb_begin(&m.graph, 5);
    onnx_tensor(&m.graph, "", ONNX_F32, DIMS(1), &(float){0.25f}, 4);
    yk_pb_end(&m.graph, t);
    yk_pb_end(&m.graph, a);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Constant", "", "target");
    onnx_ints(&m, "value_ints", 1, 3, -1, 6);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Cast", "two", "float_two");
    onnx_int(&m, "to", ONNX_F32);
    onnx_end(&m, n);
    onnx_node(&m, "Add", "x number", "a");
    onnx_node(&m, "Add", "a row", "b");
    onnx_node(&m, "Mul", "b float_two", "c");
    onnx_node(&m, "Sub", "c tensor", "d");
    onnx_node(&m, "Reshape", "d target", "y");
    onnx_expect(&m, PIXELS, (p + 0.5f + (float)COLUMN(i)) * 2 - 0.25f);
}

static void constant_of_shape(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_node(&m, "Shape", "x", "shape");
    size_t n = onnx_begin(&m, "ConstantOfShape", "shape", "threes");
    size_t a = yk_pb_begin(&m.graph, 5);
    yk_pb_text(&m.graph, 1, "value");
    size_t t = yk_pb_begin(&m.graph, 5);
    onnx_tensor(&m.graph, "", ONNX_I64, DIMS(1), &(int64_t){3}, 8);
    yk_pb_end(&m.graph, t);
    yk_pb_end(&m.graph, a);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Cast", "threes", "a");
    onnx_int(&m, "to", ONNX_F32);
    onnx_end(&m, n);
    onnx_node(&m, "ConstantOfShape", "shape", "zeros");
    onnx_node(&m, "Add", "a zeros", "b");
    onnx_node(&m, "Mul", "x b", "y");
    onnx_expect(&m, PIXELS, p * 3);
}

static void softmax_before_and_since_operator_set_13(void **state)
{
    (void)state;
    for (int opset = 12; opset <= 13; opset++) {
        onnx_model m = onnx_small();
        m.opset = opset;
        size_t n = onnx_begin(&m, "Softmax", "x", "y");
        onnx_int(&m, "axis", 3);
        onnx_end(&m, n);
        int64_t count;
        float *out = onnx_compute(&m, &count), sum = 0;
        for (int i = 0; i < 6; i++)
            sum += expf(onnx_pixel(i));
        assert_true(fabsf(out[2] - expf(onnx_pixel(2)) / sum) < 1e-5f);
        free(out);
    }
}

static void plain_operators_with_their_attributes(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "half", SCALAR, 0.5f);
    onnx_node(&m, "Sub", "x half", "a");
    size_t n = onnx_begin(&m, "LeakyRelu", "a", "b");
    onnx_float(&m, "alpha", 0.25f);
    onnx_end(&m, n);
    n = onnx_begin(&m, "HardSigmoid", "b", "c");
    onnx_end(&m, n);
    n = onnx_begin(&m, "Elu", "c", "d");
    onnx_end(&m, n);
    n = onnx_begin(&m, "Transpose", "d", "e");
    onnx_ints(&m, "perm", 0, 1, 3, 2);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Transpose", "e", "y");
    onnx_ints(&m, "perm", 0, 1, 3, 2);
    onnx_end(&m, n);
#define LEAKY(v) ((v) > 0 ? (v) : (v)*0.25f)
    onnx_expect(&m, PIXELS, LEAKY(p - 0.5f) * 0.2f + 0.5f);
}

static void matrix_products(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "a", DIMS(2, 1), 1, 2);
    onnx_floats(&m, "b", DIMS(6, 2), 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6);
    onnx_floats(&m, "c", DIMS(6), 1, 1, 1, 1, 1, 1);
    size_t n = onnx_begin(&m, "Gemm", "a b c", "d"); /* 0.5 * 3 * (1..6) + 2 */
    onnx_float(&m, "alpha", 0.5f);
    onnx_float(&m, "beta", 2);
    onnx_int(&m, "transA", 1);
    onnx_int(&m, "transB", 1);
    onnx_end(&m, n);
    onnx_node(&m, "Add", "x d", "y");
    onnx_expect(&m, PIXELS, p + 1.5f * (float)(COLUMN(i) + 1) + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_and_dropout_are_dropped),
        cmocka_unit_test(clip_with_inputs_and_attributes),
        cmocka_unit_test(reductions_with_axes_as_attribute_or_input),
        cmocka_unit_test(sums_and_extremes_of_many),
        cmocka_unit_test(comparisons_with_equality),
        cmocka_unit_test(prelu_and_swish),
        cmocka_unit_test(layer_normalization),
        cmocka_unit_test(constants_of_every_form),
        cmocka_unit_test(constant_of_shape),
        cmocka_unit_test(softmax_before_and_since_operator_set_13),
        cmocka_unit_test(plain_operators_with_their_attributes),
        cmocka_unit_test(matrix_products),
    };
    return cmocka_run_group_tests_name("onnx_operators", tests, NULL, NULL);
}
