/* ONNX operators whose windows, axes or bounds the graph keeps in attributes. */
#include "import/onnx_import.h"

#include <string.h>

/* Larger than any window or padding that makes sense; and the largest integer up to which a float holds all. */
enum { MAX_EXTENT = 1 << 20, MAX_FILL = 1 << 24 };

/* One number for height and one for width. */
static yolk_status read_pair(yk_onnx_importer *im, const yk_onnx_node *n, const char *attribute, int out[2])
{
    int64_t values[2];
    int count = yk_onnx_attribute_ints(n, attribute, values, 2);
    if (count < 0)
        return YOLK_OK;
    if (count != 2)
        return yk_onnx_fail(im, n, "%s is not a pair: yolk handles two-dimensional pictures only", attribute);
    for (int i = 0; i < 2; i++) {
        if (values[i] < 1 || values[i] > MAX_EXTENT)
            return yk_onnx_fail(im, n, "%s %lld is out of range", attribute, (long long)values[i]);
        out[i] = (int)values[i];
    }
    return YOLK_OK;
}

static yolk_status read_padding(yk_onnx_importer *im, const yk_onnx_node *n, yk_attrs *a)
{
    int64_t pads[4];
    int count = yk_onnx_attribute_ints(n, "pads", pads, 4);
    bool upper = yk_onnx_attribute_is(n, "auto_pad", "SAME_UPPER"),
         lower = yk_onnx_attribute_is(n, "auto_pad", "SAME_LOWER");
    if (upper || lower) {
        for (int i = 0; i < 2; i++) {
            int64_t total = (int64_t)YK_MAX(a->dilation[i], 1) * (a->kernel[i] - 1);
            if (a->kernel[i] < 1 || total > MAX_EXTENT || a->stride[i] > 1)
                return yk_onnx_fail(im, n,
                                    "auto_pad with a stride depends on the picture's size; export the model with "
                                    "explicit padding");
            a->pads[i] = (int)(upper ? total / 2 : total - total / 2);
            a->pads[i + 2] = (int)total - a->pads[i];
        }
        return YOLK_OK;
    }
    if (count < 0)
        return YOLK_OK;
    if (count != 4)
        return yk_onnx_fail(im, n, "pads does not have four numbers: yolk handles two-dimensional pictures only");
    for (int i = 0; i < 4; i++) {
        if (pads[i] < 0 || pads[i] > MAX_EXTENT)
            return yk_onnx_fail(im, n, "padding %lld is out of range", (long long)pads[i]);
        a->pads[i] = (int)pads[i];
    }
    return YOLK_OK;
}

static yolk_status read_window(yk_onnx_importer *im, const yk_onnx_node *n, yk_attrs *a)
{
    yolk_status status = read_pair(im, n, "kernel_shape", a->kernel);
    if (status == YOLK_OK)
        status = read_pair(im, n, "strides", a->stride);
    if (status == YOLK_OK)
        status = read_pair(im, n, "dilations", a->dilation);
    return status == YOLK_OK ? read_padding(im, n, a) : status;
}

static yolk_status convert_conv(yk_onnx_importer *im, const yk_onnx_node *n)
{
    bool transposed = yk_span_is(n->op, "ConvTranspose");
    yk_id inputs[3] = {YK_NONE, YK_NONE, YK_NONE};
    int count = yk_onnx_has_input(n, 2) ? 3 : 2;
    yk_attrs a = {0};
    for (int i = 0; i < count; i++) {
        inputs[i] = yk_onnx_input(im, n, i);
        if (inputs[i] == YK_NONE)
            return yk_last_status();
    }
    const yk_shape *w = &im->g->values[inputs[1]].shape;
    for (int i = 0; i < 2 && w->rank == 4; i++)
        a.kernel[i] = w->dims[2 + i] < MAX_EXTENT ? (int)w->dims[2 + i] : 0;
    yolk_status status = read_window(im, n, &a);
    if (status != YOLK_OK)
        return status;
    int64_t groups = yk_onnx_attribute_int(n, "group", 1), extra[2] = {0, 0};
    if (groups < 1 || groups > MAX_EXTENT)
        return yk_onnx_fail(im, n, "%lld groups make no sense", (long long)groups);
    a.groups = (int)groups;
    if (transposed && (yk_onnx_attribute_ints(n, "output_shape", extra, 2) >= 0 ||
                       (yk_onnx_attribute_ints(n, "output_padding", extra, 2) >= 0 && (extra[0] || extra[1]))))
        return yk_onnx_fail(im, n, "output_shape and output_padding are not done by yolk");
    return yk_onnx_add(im, n, transposed ? YK_OP_CONV_TRANSPOSE : YK_OP_CONV, inputs, count, &a, NULL);
}

static yolk_status convert_pool(yk_onnx_importer *im, const yk_onnx_node *n)
{
    bool max = yk_span_is(n->op, "MaxPool");
    yk_id x = yk_onnx_input(im, n, 0);
    yk_attrs a = {0};
    if (x == YK_NONE)
        return yk_last_status();
    yolk_status status = read_window(im, n, &a);
    if (status != YOLK_OK)
        return status;
    a.ceil_mode = yk_onnx_attribute_int(n, "ceil_mode", 0) != 0;
    a.count_include_pad = yk_onnx_attribute_int(n, "count_include_pad", 0) != 0;
    if (!max && (a.dilation[0] > 1 || a.dilation[1] > 1))
        return yk_onnx_fail(im, n, "an average over a dilated window is not done by yolk");
    return yk_onnx_add(im, n, max ? YK_OP_MAX_POOL : YK_OP_AVERAGE_POOL, &x, 1, &a, NULL);
}

static yolk_status convert_slice(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_attrs a = {0};
    int starts, ends, axes = 0, steps = 0;
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE)
        return yk_last_status();
    yolk_status status = yk_onnx_input_ints(im, n, 1, a.starts, YK_MAX_RANK, &starts);
    if (status == YOLK_OK)
        status = yk_onnx_input_ints(im, n, 2, a.ends, YK_MAX_RANK, &ends);
    if (status == YOLK_OK && yk_onnx_has_input(n, 3))
        status = yk_onnx_input_ints(im, n, 3, a.axes, YK_MAX_RANK, &axes);
    if (status == YOLK_OK && yk_onnx_has_input(n, 4))
        status = yk_onnx_input_ints(im, n, 4, a.steps, YK_MAX_RANK, &steps);
    if (status != YOLK_OK)
        return status;
    a.axes_count = starts;
    for (int i = 0; i < starts && !yk_onnx_has_input(n, 3); i++)
        a.axes[axes++] = i;
    for (int i = 0; i < starts && !yk_onnx_has_input(n, 4); i++)
        a.steps[steps++] = 1;
    if (starts != ends || axes != starts || steps != starts)
        return yk_onnx_fail(im, n, "starts, ends, axes and steps differ in number");
    return yk_onnx_add(im, n, YK_OP_SLICE, &x, 1, &a, NULL);
}

static yolk_status convert_pad(yk_onnx_importer *im, const yk_onnx_node *n)
{
    int64_t pads[2 * YK_MAX_RANK];
    int count, values = 0;
    yk_attrs a = {0};
    yk_id x = yk_onnx_input(im, n, 0);
    yk_onnx_attribute mode;
    if (x == YK_NONE)
        return yk_last_status();
    if (yk_onnx_attribute_find(n, "mode", &mode) && !yk_span_is(mode.text, "constant"))
        return yk_onnx_fail(im, n, "mode %s is not done by yolk", yk_onnx_text_of(mode.text).text);
    yolk_status status = yk_onnx_input_ints(im, n, 1, pads, 2 * YK_MAX_RANK, &count);
    if (status == YOLK_OK && yk_onnx_has_input(n, 2))
        status = yk_onnx_input_floats(im, n, 2, &a.alpha, 1, &values);
    if (status != YOLK_OK)
        return status;
    if (count % 2 != 0 || yk_onnx_has_input(n, 3))
        return yk_onnx_fail(im, n, "padding of chosen axes is not done by yolk");
    a.axes_count = count / 2;
    for (int i = 0; i < a.axes_count; i++) {
        a.axes[i] = pads[i];
        a.ends[i] = pads[a.axes_count + i];
    }
    return yk_onnx_add(im, n, YK_OP_PAD, &x, 1, &a, NULL);
}

/* Axes from an attribute or, later, an input. */
static yolk_status convert_axes(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_attrs a = {0};
    yk_op op;
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE || !yk_op_find(yk_onnx_text_of(n->op).text, &op))
        return yk_last_status();
    yolk_status status = yk_onnx_ints(im, n, "axes", 1, a.axes, YK_MAX_RANK, &a.axes_count);
    if (status != YOLK_OK)
        return status;
    a.keepdims = yk_onnx_attribute_int(n, "keepdims", 1) != 0;
    if (a.axes_count == 0 && yk_onnx_attribute_int(n, "noop_with_empty_axes", 0)) {
        yk_onnx_result(im, n, 0, x);
        return YOLK_OK;
    }
    return yk_onnx_add(im, n, op, &x, 1, &a, NULL);
}

static yolk_status convert_reshape(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_attrs a = {0};
    yk_id inputs[2] = {yk_onnx_input(im, n, 0), YK_NONE};
    inputs[1] = inputs[0] == YK_NONE ? YK_NONE : yk_onnx_input(im, n, 1);
    if (inputs[1] == YK_NONE)
        return yk_last_status();
    /* A target that the model computes stays an input. */
    const yk_value *target = &im->g->values[inputs[1]];
    if (!target->data || target->bound)
        return yk_onnx_add(im, n, YK_OP_RESHAPE, inputs, 2, &a, NULL);
    yolk_status status = yk_onnx_input_ints(im, n, 1, a.axes, YK_MAX_RANK, &a.axes_count);
    if (status != YOLK_OK)
        return status;
    for (int i = 0; i < a.axes_count; i++) {
        if (a.axes[i] < -1 || (a.axes[i] == 0 && yk_onnx_attribute_int(n, "allowzero", 0)))
            return yk_onnx_fail(im, n, "dimension %lld is not one that yolk can make", (long long)a.axes[i]);
    }
    return yk_onnx_add(im, n, YK_OP_RESHAPE, inputs, 1, &a, NULL);
}

static yolk_status convert_shape(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_id x = yk_onnx_input(im, n, 0), shape;
    if (x == YK_NONE)
        return yk_last_status();
    int64_t start = yk_onnx_attribute_int(n, "start", 0), end = yk_onnx_attribute_int(n, "end", INT64_MAX);
    if (start == 0 && end == INT64_MAX)
        return yk_onnx_add(im, n, YK_OP_SHAPE, &x, 1, NULL, NULL);
    yolk_status status = yk_onnx_add(im, n, YK_OP_SHAPE, &x, 1, NULL, &shape);
    yk_attrs a = {.axes_count = 1, .axes = {0}, .starts = {start}, .ends = {end}, .steps = {1}};
    return status == YOLK_OK ? yk_onnx_add(im, n, YK_OP_SLICE, &shape, 1, &a, NULL) : status;
}

static yolk_status convert_constant_of_shape(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_attrs a = {.to = YK_F32};
    yk_onnx_attribute value;
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE)
        return yk_last_status();
    if (yk_onnx_attribute_find(n, "value", &value)) {
        yk_onnx_tensor t;
        yolk_status status = yk_onnx_read_tensor(im, value.tensor, yk_onnx_node_text(&im->m, n).text, &t);
        if (status != YOLK_OK)
            return status;
        if (yk_shape_count(&t.shape) != 1)
            return yk_onnx_fail(im, n, "its value is not a single number");
        int64_t number, bits;
        a.to = t.type;
        if (t.type == YK_F32) {
            memcpy(&a.alpha, t.data, sizeof a.alpha);
        } else if (t.type == YK_I64 || t.type == YK_I32) {
            memcpy(&bits, t.data, yk_type_size(t.type)); /* the file does not align it */
            yk_convert(t.type, &bits, YK_I64, &number, 1);
            if (number > MAX_FILL || number < -MAX_FILL)
                return yk_onnx_fail(im, n, "its value %lld is too large", (long long)number);
            a.alpha = (float)number;
        } else if (t.type == YK_BOOL || t.type == YK_U8) {
            a.alpha = *(const uint8_t *)t.data;
        } else {
            return yk_onnx_fail(im, n, "a value of type %s is not done by yolk", yk_type_name(t.type));
        }
    }
    return yk_onnx_add(im, n, YK_OP_CONSTANT_OF_SHAPE, &x, 1, &a, NULL);
}

static yolk_status convert_constant(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_onnx_text name = yk_onnx_node_text(&im->m, n);
    yk_onnx_attribute a;
    yk_id id;
    int64_t ints[64];
    float floats[64];
    int count;
    if (yk_onnx_attribute_find(n, "value", &a)) {
        yk_onnx_tensor t;
        yolk_status status = yk_onnx_read_tensor(im, a.tensor, name.text, &t);
        if (status != YOLK_OK)
            return status;
        id = yk_graph_add_constant(im->g, name.text, t.type, t.shape, t.data);
    } else if (yk_onnx_attribute_find(n, "value_int", &a)) {
        id = yk_graph_add_constant_copy(im->g, name.text, YK_I64, (yk_shape){0}, &a.integer);
    } else if (yk_onnx_attribute_find(n, "value_float", &a)) {
        id = yk_graph_add_constant_copy(im->g, name.text, YK_F32, (yk_shape){0}, &a.number);
    } else if ((count = yk_onnx_attribute_ints(n, "value_ints", ints, 64)) >= 0 && count <= 64) {
        id = yk_graph_add_constant_copy(im->g, name.text, YK_I64, (yk_shape){.rank = 1, .dims = {count}}, ints);
    } else if ((count = yk_onnx_attribute_floats(n, "value_floats", floats, 64)) >= 0 && count <= 64) {
        id = yk_graph_add_constant_copy(im->g, name.text, YK_F32, (yk_shape){.rank = 1, .dims = {count}}, floats);
    } else {
        return yk_onnx_fail(im, n, "it holds no value that yolk reads");
    }
    if (id == YK_NONE)
        return yk_last_status();
    yk_onnx_result(im, n, 0, id);
    return YOLK_OK;
}

yk_onnx_converter yk_onnx_layer_converter(yk_span op)
{
    static const struct {
        const char *op;
        yk_onnx_converter convert;
    } table[] = {
        {"Conv", convert_conv},         {"ConvTranspose", convert_conv},
        {"MaxPool", convert_pool},      {"AveragePool", convert_pool},
        {"Slice", convert_slice},       {"Pad", convert_pad},
        {"Squeeze", convert_axes},      {"Unsqueeze", convert_axes},
        {"ReduceMean", convert_axes},   {"ReduceMax", convert_axes},
        {"ReduceMin", convert_axes},    {"ReduceSum", convert_axes},
        {"Reshape", convert_reshape},   {"Shape", convert_shape},
        {"Constant", convert_constant}, {"ConstantOfShape", convert_constant_of_shape},
    };
    for (size_t i = 0; i < YK_COUNT(table); i++) {
        if (yk_span_is(op, table[i].op))
            return table[i].convert;
    }
    return NULL;
}
