/* ONNX operators that move, cut, join and scale in a small model, computed and compared with what ONNX says they give.
 * The picture is 1x3x4x6 with onnx_pixel(i) at element i. */
#include "onnx_test.h"

enum { PIXELS = 72 };

/* Row and column of element i of the picture, and its channel. */
#define COLUMN(i)  ((i) % 6)
#define CHANNEL(i) ((i) / 24)

static void split_with_sizes_from_an_attribute(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    m.opset = 11;
    size_t n = onnx_begin(&m, "Split", "x", "a b");
    onnx_int(&m, "axis", 1);
    onnx_ints(&m, "split", 2, 1);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Concat", "b a", "y");
    onnx_int(&m, "axis", -3);
    onnx_end(&m, n);
    onnx_expect(&m, PIXELS, onnx_pixel((i + 48) % PIXELS));
}

static void split_with_sizes_from_an_input_and_in_equal_parts(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_list(&m, "sizes", 4, 2);
    size_t n = onnx_begin(&m, "Split", "x sizes", "a b");
    onnx_int(&m, "axis", 3);
    onnx_end(&m, n);
    onnx_node(&m, "Mul", "a a", "c");
    n = onnx_begin(&m, "Split", "c", "d e");
    onnx_int(&m, "axis", -1);
    onnx_end(&m, n);
    onnx_node(&m, "Sub", "d e", "f"); /* columns 0, 1 less columns 2, 3, squared */
    n = onnx_begin(&m, "Concat", "f b f", "y");
    onnx_int(&m, "axis", 3);
    onnx_end(&m, n);
#define SQUARE(i) (onnx_pixel(i) * onnx_pixel(i))
#define LESS(i)   (SQUARE(i / 6 * 6 + i % 2) - SQUARE(i / 6 * 6 + i % 2 + 2))
    onnx_expect(&m, PIXELS, COLUMN(i) / 2 == 1 ? onnx_pixel(i + 2) : LESS(i));
}

static void slices_by_input_with_steps_and_defaults(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_list(&m, "starts", 0, 1);
    onnx_list(&m, "ends", INT64_MAX, INT64_MAX);
    onnx_list(&m, "axes", 2, 3);
    onnx_list(&m, "steps", 2, 2);
    onnx_node(&m, "Slice", "x starts ends axes steps", "a");
    onnx_list(&m, "from", 0, 1);
    onnx_list(&m, "to", 1, 3);
    onnx_node(&m, "Slice", "a from to", "y"); /* channels 1 and 2 */
    onnx_expect(&m, 12, onnx_pixel(24 * (1 + i / 6) + 12 * (i / 3 % 2) + 2 * (i % 3) + 1));
}

static void slice_bounds_computed_from_a_shape(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_node(&m, "Shape", "x", "shape");
    onnx_list(&m, "one", 1);
    onnx_node(&m, "Gather", "shape one", "channels");
    onnx_node(&m, "Sub", "channels one", "end");
    onnx_list(&m, "zero", 0);
    onnx_node(&m, "Slice", "x zero end one", "y");
    onnx_expect(&m, 48, p);
}

static void shape_of_a_part(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    size_t n = onnx_begin(&m, "Shape", "x", "sides");
    onnx_int(&m, "start", 2);
    onnx_int(&m, "end", 4);
    onnx_end(&m, n);
    onnx_list(&m, "front", 1, 3);
    n = onnx_begin(&m, "Concat", "front sides", "target");
    onnx_int(&m, "axis", 0);
    onnx_end(&m, n);
    onnx_node(&m, "Reshape", "x target", "y");
    onnx_expect(&m, PIXELS, p);
}

static void resize_by_scales(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "scales", DIMS(4), 1, 1, 2, 2);
    size_t n = onnx_begin(&m, "Resize", "x - scales", "y");
    onnx_text(&m, "mode", "nearest");
    onnx_text(&m, "coordinate_transformation_mode", "asymmetric");
    onnx_text(&m, "nearest_mode", "floor");
    onnx_end(&m, n);
    onnx_expect(&m, 4 * PIXELS, onnx_pixel(i / 96 * 24 + i / 24 % 4 * 6 + i % 12 / 2));
}

static void resize_to_sizes(void **state)
{
    (void)state;
    /* An empty list of scales stands for none; half pixels and the nearest give the same as above. */
    onnx_model m = onnx_small();
    onnx_weights(&m, "none", ONNX_F32, DIMS(0), "", 0);
    onnx_list(&m, "sizes", 1, 3, 8, 12);
    onnx_node(&m, "Resize", "x none none sizes", "y");
    onnx_expect(&m, 4 * PIXELS, onnx_pixel(i / 96 * 24 + i / 24 % 4 * 6 + i % 12 / 2));
}

static void upsample_is_an_old_resize(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "scales", DIMS(4), 1, 1, 1, 3);
    onnx_node(&m, "Upsample", "x scales", "y");
    onnx_expect(&m, 3 * PIXELS, onnx_pixel(i / 3));
}

static void padding_and_pooling(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_list(&m, "pads", 0, 0, 1, 0, 0, 0, 1, 0);
    onnx_floats(&m, "two", SCALAR, 2);
    onnx_node(&m, "Pad", "x pads two", "a"); /* rows of 2 above and below */
    size_t n = onnx_begin(&m, "MaxPool", "a", "y");
    onnx_ints(&m, "kernel_shape", 2, 1);
    onnx_ints(&m, "strides", 2, 1);
    onnx_end(&m, n);
    onnx_expect(&m, 54,
                i / 6 % 3 == 1 ? fmaxf(onnx_pixel(i / 18 * 24 + 6 + i % 6), onnx_pixel(i / 18 * 24 + 12 + i % 6)) : 2);
}

static void same_padding_of_a_window_without_stride(void **state)
{
    (void)state;
    static const char *const modes[2] = {"SAME_UPPER", "SAME_LOWER"};
    for (int lower = 0; lower < 2; lower++) {
        onnx_model m = onnx_small();
        size_t n = onnx_begin(&m, "AveragePool", "x", "y");
        onnx_ints(&m, "kernel_shape", 1, 2);
        onnx_text(&m, "auto_pad", modes[lower]);
        onnx_end(&m, n);
        int edge = lower ? 0 : 5, step = lower ? -1 : 1;
        onnx_expect(&m, PIXELS, COLUMN(i) == edge ? p : (p + onnx_pixel(i + step)) / 2);
    }
}

static void convolution_with_groups_and_bias(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "w", DIMS(3, 1, 1, 2), 1, 2, 3, 4, 5, 6);
    onnx_floats(&m, "b", DIMS(3), 10, 20, 30);
    size_t n = onnx_begin(&m, "Conv", "x w b", "y");
    onnx_int(&m, "group", 3);
    onnx_ints(&m, "pads", 0, 0, 0, 1);
    onnx_end(&m, n);
#define NEXT(i) (COLUMN(i) == 5 ? 0 : onnx_pixel((i) + 1))
    onnx_expect(&m, PIXELS,
                p * (float)(2 * CHANNEL(i) + 1) + NEXT(i) * (float)(2 * CHANNEL(i) + 2) +
                    (float)(10 * (CHANNEL(i) + 1)));
}

static void transposed_convolution(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_floats(&m, "w", DIMS(3, 1, 1, 2), 1, 0, 0, 1, 0, 0); /* channel 0 to even columns, 1 to odd ones */
    size_t n = onnx_begin(&m, "ConvTranspose", "x w", "y");
    onnx_ints(&m, "strides", 1, 2);
    onnx_end(&m, n);
    onnx_expect(&m, 48, onnx_pixel(i % 2 * 24 + i / 2));
}

static void global_maximum(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_node(&m, "GlobalMaxPool", "x", "a"); /* 1x3x1x1 */
    onnx_list(&m, "axes", 1);
    onnx_node(&m, "Sub", "x a", "b");
    onnx_list(&m, "all", 2, 3);
    size_t n = onnx_begin(&m, "ReduceMax", "b", "c"); /* zero in each channel */
    onnx_ints(&m, "axes", 2, 3);
    onnx_end(&m, n);
    onnx_node(&m, "Add", "x c", "y");
    onnx_expect(&m, PIXELS, p);
}

static void best_values_and_where_they_are(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_list(&m, "flat", 1, -1);
    onnx_node(&m, "Reshape", "x flat", "a");
    onnx_list(&m, "three", 3);
    onnx_node(&m, "TopK", "a three", "values places");
    size_t n = onnx_begin(&m, "Cast", "places", "b");
    onnx_int(&m, "to", ONNX_F32);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Concat", "values b", "y");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    int64_t count;
    float *out = onnx_compute(&m, &count);
    assert_int_equal(count, 6);
    for (int k = 0; k < 3; k++) {
        assert_true(out[k] == onnx_pixel((int)out[3 + k]));
        assert_true(k == 0 || out[k] <= out[k - 1]);
    }
    for (int i = 0; i < PIXELS; i++)
        assert_true(onnx_pixel(i) <= out[0]);
    free(out);
}

/* A picture of any size, whose numbers of rows and columns the model works with. */
static onnx_model open_sized(void)
{
    onnx_model m = {0};
    onnx_value(&m, 11, "x", ONNX_F32, DIMS(0, 3, 0, 0));
    onnx_list(&m, "boxes_shape", 1, -1, 6);
    onnx_node(&m, "Reshape", "y boxes_shape", "boxes");
    onnx_value(&m, 12, "boxes", ONNX_F32, DIMS(1, -1, 6));
    onnx_node(&m, "Shape", "x", "shape");
    onnx_list(&m, "zero", 0);
    onnx_list(&m, "one", 1);
    onnx_list(&m, "two", 2);
    onnx_list(&m, "four", 4);
    onnx_metadata(&m, "imgsz", "96");
    return m;
}

static void resize_to_sizes_that_follow_the_picture(void **state)
{
    (void)state;
    onnx_model m = open_sized();
    onnx_node(&m, "Slice", "shape zero two", "front");
    onnx_node(&m, "Slice", "shape two four", "sides");
    onnx_node(&m, "Mul", "sides two", "doubled");
    size_t n = onnx_begin(&m, "Concat", "front doubled", "sizes");
    onnx_int(&m, "axis", 0);
    onnx_end(&m, n);
    onnx_node(&m, "Resize", "x - - sizes", "y");
    yk_graph *g;
    assert_ok(onnx_import(&m, "end2end", &g));
    assert_int_equal(g->input_width, 96);
    assert_ok(yk_graph_bind(g, 1, 4, 6));
    assert_string_equal(graph_shape(g, g->outputs[0]), "1x48x6");
    assert_true(g->nodes[0].attrs.scale_h == 2 && g->nodes[0].attrs.scale_w == 2);
    yk_graph_destroy(&g);
    m = open_sized();
    onnx_node(&m, "Slice", "shape two four", "sides");
    onnx_node(&m, "Add", "sides one", "sizes");
    n = onnx_begin(&m, "Resize", "x - - sizes", "y");
    onnx_ints(&m, "axes", 2, 3);
    onnx_end(&m, n);
    assert_fails(onnx_import(&m, "end2end", &g), YOLK_ERROR_UNSUPPORTED, "follow the picture's in a way");
}

static void numbers_that_change_with_the_picture(void **state)
{
    (void)state;
    yk_graph *g;
    onnx_model m = open_sized();
    onnx_node(&m, "Slice", "shape two four", "sides");
    onnx_list(&m, "places", 2, 3);
    onnx_node(&m, "Sub", "sides one", "end");
    onnx_list(&m, "start", 0, 0);
    onnx_node(&m, "Slice", "x start end places", "y");
    assert_fails(onnx_import(&m, "end2end", &g), YOLK_ERROR_UNSUPPORTED, "input 2 changes with the picture's size");
    m = open_sized();
    size_t n = onnx_begin(&m, "Split", "x", "y z");
    onnx_int(&m, "axis", 2);
    onnx_end(&m, n);
    assert_fails(onnx_import(&m, "end2end", &g), YOLK_ERROR_UNSUPPORTED, "splits a dimension that changes");
    /* The number of channels does not. */
    m = open_sized();
    n = onnx_begin(&m, "Split", "x", "a y b");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    assert_ok(onnx_import(&m, "end2end", &g));
    assert_int_equal(g->nodes[0].attrs.ends[0], 2);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_with_sizes_from_an_attribute),
        cmocka_unit_test(split_with_sizes_from_an_input_and_in_equal_parts),
        cmocka_unit_test(slices_by_input_with_steps_and_defaults),
        cmocka_unit_test(slice_bounds_computed_from_a_shape),
        cmocka_unit_test(shape_of_a_part),
        cmocka_unit_test(resize_by_scales),
        cmocka_unit_test(resize_to_sizes),
        cmocka_unit_test(upsample_is_an_old_resize),
        cmocka_unit_test(padding_and_pooling),
        cmocka_unit_test(same_padding_of_a_window_without_stride),
        cmocka_unit_test(convolution_with_groups_and_bias),
        cmocka_unit_test(transposed_convolution),
        cmocka_unit_test(global_maximum),
        cmocka_unit_test(best_values_and_where_they_are),
        cmocka_unit_test(resize_to_sizes_that_follow_the_picture),
        cmocka_unit_test(numbers_that_change_with_the_picture),
    };
    return cmocka_run_group_tests_name("onnx_layers", tests, NULL, NULL);
}
