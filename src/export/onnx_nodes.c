/* Nodes of a graph as nodes of ONNX, opset 17. */
#include <string.h>

#include "export/onnx_writer.h"
#include "export/wire.h"

enum { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_TEXT = 3, ATTRIBUTE_TENSOR = 4, ATTRIBUTE_INTS = 7 };

static const yk_onnx_name none = {NULL, NULL};

static yk_onnx_name value_name(yk_onnx_writer *w, yk_id id)
{
    if (id == YK_NONE)
        return none;
    w->used[id] = true;
    return (yk_onnx_name){w->g->values[id].name, NULL};
}

static yk_onnx_name derived(const char *base, const char *suffix)
{
    return (yk_onnx_name){base, suffix};
}

static void add_name(yk_onnx_writer *w, int field, yk_onnx_name name)
{
    size_t mark = yk_pb_begin(w->out, field);
    if (name.base)
        yk_buffer_text(w->out, name.base);
    if (name.suffix) {
        yk_buffer_text(w->out, w->separator);
        yk_buffer_text(w->out, name.suffix);
    }
    yk_pb_end(w->out, mark);
}

static size_t begin(yk_onnx_writer *w, const char *op, yk_onnx_name name, const yk_onnx_name *inputs, int input_count,
                    yk_onnx_name output)
{
    size_t mark = yk_pb_begin(w->out, PB_GRAPH_NODE);
    for (int i = 0; i < input_count; i++)
        add_name(w, PB_NODE_INPUT, inputs[i]);
    add_name(w, PB_NODE_OUTPUT, output);
    add_name(w, PB_NODE_NAME, name);
    yk_pb_text(w->out, PB_NODE_OP, op);
    return mark;
}

static void end(yk_onnx_writer *w, size_t mark)
{
    yk_pb_end(w->out, mark);
}

static void simple(yk_onnx_writer *w, const char *op, yk_onnx_name name, yk_onnx_name a, yk_onnx_name b,
                   yk_onnx_name output)
{
    const yk_onnx_name inputs[2] = {a, b};
    end(w, begin(w, op, name, inputs, b.base ? 2 : 1, output));
}

static size_t begin_attribute(yk_onnx_writer *w, const char *name, int type)
{
    size_t mark = yk_pb_begin(w->out, PB_NODE_ATTRIBUTE);
    yk_pb_text(w->out, PB_ATTRIBUTE_NAME, name);
    yk_pb_int(w->out, PB_ATTRIBUTE_TYPE, type);
    return mark;
}

static void attribute_int(yk_onnx_writer *w, const char *name, int64_t value)
{
    size_t mark = begin_attribute(w, name, ATTRIBUTE_INT);
    yk_pb_int(w->out, PB_ATTRIBUTE_INT, value);
    yk_pb_end(w->out, mark);
}

static void attribute_float(yk_onnx_writer *w, const char *name, float value)
{
    size_t mark = begin_attribute(w, name, ATTRIBUTE_FLOAT);
    yk_pb_float(w->out, PB_ATTRIBUTE_FLOAT, value);
    yk_pb_end(w->out, mark);
}

static void attribute_text(yk_onnx_writer *w, const char *name, const char *value)
{
    size_t mark = begin_attribute(w, name, ATTRIBUTE_TEXT);
    yk_pb_text(w->out, PB_ATTRIBUTE_TEXT, value);
    yk_pb_end(w->out, mark);
}

static void attribute_ints(yk_onnx_writer *w, const char *name, const int64_t *values, int count)
{
    size_t mark = begin_attribute(w, name, ATTRIBUTE_INTS);
    for (int i = 0; i < count; i++)
        yk_pb_int(w->out, PB_ATTRIBUTE_INTS, values[i]);
    yk_pb_end(w->out, mark);
}

static void attribute_dims(yk_onnx_writer *w, const char *name, const int *values, int count)
{
    int64_t wide[4] = {0};
    for (int i = 0; i < count; i++)
        wide[i] = values[i];
    attribute_ints(w, name, wide, count);
}

/* A constant that the graph keeps in a node's attributes and ONNX in an input. */
static yk_onnx_name constant(yk_onnx_writer *w, const char *base, const char *suffix, yk_type type, int64_t count,
                             const void *data)
{
    size_t mark = yk_pb_begin(w->out, PB_GRAPH_INITIALIZER);
    if (count >= 0)
        yk_pb_int(w->out, PB_TENSOR_DIMS, count);
    yk_pb_int(w->out, PB_TENSOR_TYPE, yk_onnx_type(type));
    add_name(w, PB_TENSOR_NAME, derived(base, suffix));
    yk_pb_bytes(w->out, PB_TENSOR_RAW, data, yk_type_size(type) * (size_t)(count < 0 ? 1 : count));
    yk_pb_end(w->out, mark);
    return derived(base, suffix);
}

static yk_onnx_name constant_ints(yk_onnx_writer *w, const char *base, const char *suffix, const int64_t *values,
                                  int count)
{
    return constant(w, base, suffix, YK_I64, count, values);
}

/* In the float type of the node that is being written. */
static yk_onnx_name constant_float(yk_onnx_writer *w, const char *base, const char *suffix, float value)
{
    uint16_t half = yk_float_to_half(value);
    return constant(w, base, suffix, w->real, -1, w->real == YK_F16 ? (const void *)&half : &value);
}

/* ---- activations ---- */

static void write_gelu(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const char *base = y.base;
    yk_onnx_name inner = x;
    if (n->attrs.approximate) {
        /* tanh(sqrt(2/pi) * (x + 0.044715 x^3)) */
        simple(w, "Mul", derived(n->name, "square"), x, x, derived(base, "square"));
        simple(w, "Mul", derived(n->name, "cube"), derived(base, "square"), x, derived(base, "cube"));
        simple(w, "Mul", derived(n->name, "weigh"), derived(base, "cube"), constant_float(w, base, "cubic", 0.044715f),
               derived(base, "weighed"));
        simple(w, "Add", derived(n->name, "bend"), x, derived(base, "weighed"), derived(base, "bent"));
        inner = derived(base, "bent");
    }
    simple(w, "Mul", derived(n->name, "scale"), inner,
           constant_float(w, base, "factor", n->attrs.approximate ? 0.7978845608f : 0.7071067812f),
           derived(base, "scaled"));
    simple(w, n->attrs.approximate ? "Tanh" : "Erf", derived(n->name, "curve"), derived(base, "scaled"), none,
           derived(base, "curve"));
    simple(w, "Add", derived(n->name, "shift"), derived(base, "curve"), constant_float(w, base, "one", 1.0f),
           derived(base, "gate"));
    simple(w, "Mul", derived(n->name, "gate"), x, derived(base, "gate"), derived(base, "gated"));
    simple(w, "Mul", derived(n->name, "half"), derived(base, "gated"), constant_float(w, base, "half", 0.5f), y);
}

static void write_silu(yk_onnx_writer *w, const char *node, yk_onnx_name x, yk_onnx_name y)
{
    simple(w, "Sigmoid", derived(node, "sigmoid"), x, none, derived(y.base, "sigmoid"));
    simple(w, "Mul", derived(node, "mul"), x, derived(y.base, "sigmoid"), y);
}

static void write_act(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    yk_onnx_name name = derived(n->name, "act");
    size_t mark;
    switch (n->attrs.act) {
    case YK_ACT_NONE:
        break;
    case YK_ACT_SILU:
        write_silu(w, n->name, x, y);
        break;
    case YK_ACT_RELU:
        simple(w, "Relu", name, x, none, y);
        break;
    case YK_ACT_LEAKY_RELU:
        mark = begin(w, "LeakyRelu", name, &x, 1, y);
        attribute_float(w, "alpha", n->attrs.alpha);
        end(w, mark);
        break;
    case YK_ACT_SIGMOID:
        simple(w, "Sigmoid", name, x, none, y);
        break;
    case YK_ACT_HARD_SWISH:
        simple(w, "HardSwish", name, x, none, y);
        break;
    }
}

/* ---- operators whose attributes are inputs in ONNX ---- */

/* Dimension 0, 2 or 3 of the graph's input as a tensor of one element. */
static yk_onnx_name input_dim(yk_onnx_writer *w, int dim)
{
    static const char *const suffixes[4] = {"batch", "channels", "height", "width"};
    static const char *const places[4] = {"batch.place", "channels.place", "height.place", "width.place"};
    const char *input = w->g->values[w->g->input].name;
    if (!w->have_dim[dim]) {
        bool first = !(w->have_dim[0] || w->have_dim[2] || w->have_dim[3]);
        if (first)
            simple(w, "Shape", derived(input, "shape"), value_name(w, w->g->input), none, derived(input, "shape"));
        int64_t place = dim;
        simple(w, "Gather", derived(input, suffixes[dim]), derived(input, "shape"),
               constant_ints(w, input, places[dim], &place, 1), derived(input, suffixes[dim]));
        w->have_dim[dim] = true;
    }
    return derived(input, suffixes[dim]);
}

static bool depends_on_input(int64_t dim)
{
    return dim == YK_DIM_BATCH || dim == YK_DIM_HEIGHT || dim == YK_DIM_WIDTH;
}

/* A target of a model whose input size is open, as numbers if they can say it. */
static bool open_target(const yk_onnx_writer *w, const yk_node *n, int64_t *target)
{
    const yk_shape *in = &w->g->values[n->inputs[0]].shape;
    int rank = n->attrs.axes_count, infer = -1, open = 0;
    for (int i = 0; i < rank; i++) {
        if (target[i] == YK_DIM_BATCH && i == 0 && in->rank > 0 && in->dims[0] == w->g->bound[0])
            target[i] = YK_DIM_COPY;
        open += depends_on_input(target[i]);
        if (target[i] == YK_DIM_INFER)
            infer = i;
    }
    for (int i = 0; i < rank && open == 1 && infer < 0; i++) {
        if (depends_on_input(target[i])) {
            target[i] = YK_DIM_INFER;
            open = 0;
        }
    }
    return open == 0;
}

static yk_onnx_name computed_target(yk_onnx_writer *w, const yk_node *n, const int64_t *target)
{
    static const char *const parts[YK_MAX_RANK] = {"dim0", "dim1", "dim2", "dim3", "dim4", "dim5"};
    const char *out = w->g->values[n->outputs[0]].name;
    int64_t divisor = YK_MAX(1, n->attrs.reshape_stride);
    yk_onnx_name stride = none;
    yk_onnx_name names[YK_MAX_RANK];
    for (int i = 0; i < n->attrs.axes_count; i++) {
        int dim = target[i] == YK_DIM_BATCH ? 0 : target[i] == YK_DIM_HEIGHT ? 2 : 3;
        if (!depends_on_input(target[i])) {
            names[i] = constant_ints(w, out, parts[i], &target[i], 1);
        } else if (dim == 0 || divisor == 1) {
            names[i] = input_dim(w, dim);
        } else {
            if (!stride.base)
                stride = constant_ints(w, out, "stride", &divisor, 1);
            names[i] = derived(out, parts[i]);
            simple(w, "Div", derived(n->name, parts[i]), input_dim(w, dim), stride, names[i]);
        }
    }
    size_t mark = begin(w, "Concat", derived(n->name, "target"), names, n->attrs.axes_count, derived(out, "target"));
    attribute_int(w, "axis", 0);
    end(w, mark);
    return derived(out, "target");
}

static void write_reshape(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    int64_t target[YK_MAX_RANK];
    int rank = n->attrs.axes_count;
    memcpy(target, n->attrs.axes, sizeof target);
    yk_onnx_name shape;
    if (w->options->dynamic && !open_target(w, n, target)) {
        shape = computed_target(w, n, target);
    } else {
        int64_t divisor = YK_MAX(1, n->attrs.reshape_stride);
        for (int i = 0; i < rank; i++) {
            if (target[i] == YK_DIM_BATCH)
                target[i] = w->g->bound[0];
            else if (target[i] == YK_DIM_HEIGHT)
                target[i] = w->g->bound[1] / divisor;
            else if (target[i] == YK_DIM_WIDTH)
                target[i] = w->g->bound[2] / divisor;
        }
        shape = constant_ints(w, y.base, "shape", target, rank);
    }
    simple(w, "Reshape", derived(n->name, NULL), x, shape, y);
}

static void write_slice(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const yk_attrs *a = &n->attrs;
    const yk_onnx_name inputs[5] = {x, constant_ints(w, y.base, "starts", a->starts, a->axes_count),
                                    constant_ints(w, y.base, "ends", a->ends, a->axes_count),
                                    constant_ints(w, y.base, "axes", a->axes, a->axes_count),
                                    constant_ints(w, y.base, "steps", a->steps, a->axes_count)};
    end(w, begin(w, "Slice", derived(n->name, NULL), inputs, 5, y));
}

static void write_pad(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    int64_t pads[2 * YK_MAX_RANK];
    int rank = n->attrs.axes_count;
    for (int i = 0; i < rank; i++) {
        pads[i] = n->attrs.axes[i];
        pads[rank + i] = n->attrs.ends[i];
    }
    const yk_onnx_name inputs[3] = {x, constant_ints(w, y.base, "pads", pads, 2 * rank),
                                    constant_float(w, y.base, "value", n->attrs.alpha)};
    end(w, begin(w, "Pad", derived(n->name, NULL), inputs, 3, y));
}

static void write_resize(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    static const char *const modes[] = {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"};
    const yk_attrs *a = &n->attrs;
    yk_onnx_name inputs[4] = {x, none, none, none};
    int count;
    if (a->size_h > 0) {
        const yk_shape *in = &w->g->values[n->inputs[0]].shape;
        const int64_t sizes[4] = {in->dims[0], in->dims[1], a->size_h, a->size_w};
        inputs[3] = constant_ints(w, y.base, "sizes", sizes, 4);
        count = 4;
    } else {
        const float scales[4] = {1.0f, 1.0f, a->scale_h, a->scale_w};
        inputs[2] = constant(w, y.base, "scales", YK_F32, 4, scales);
        count = 3;
    }
    size_t mark = begin(w, "Resize", derived(n->name, NULL), inputs, count, y);
    attribute_text(w, "mode", a->linear ? "linear" : "nearest");
    attribute_text(w, "coordinate_transformation_mode", modes[a->coordinate_mode & 3]);
    if (!a->linear)
        attribute_text(w, "nearest_mode", a->coordinate_mode == 0 ? "floor" : "round_prefer_floor");
    end(w, mark);
}

static void write_constant_of_shape(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const yk_attrs *a = &n->attrs;
    uint64_t value = 0; /* room for one of any type */
    yk_convert(YK_F32, &a->alpha, a->to, &value, 1);
    const int64_t one = 1;
    size_t mark = begin(w, "ConstantOfShape", derived(n->name, NULL), &x, 1, y);
    size_t attribute = begin_attribute(w, "value", ATTRIBUTE_TENSOR);
    yk_onnx_write_tensor(w->out, PB_ATTRIBUTE_TENSOR, "value", a->to, &one, 1, &value, yk_type_size(a->to));
    yk_pb_end(w->out, attribute);
    end(w, mark);
}

/* ---- attributes of the operators that ONNX has as they are ---- */

static void write_window(yk_onnx_writer *w, const yk_attrs *a, bool dilations)
{
    const int64_t pads[4] = {a->pads[0], a->pads[1], a->pads[2], a->pads[3]};
    attribute_dims(w, "kernel_shape", a->kernel, 2);
    attribute_dims(w, "strides", a->stride, 2);
    attribute_ints(w, "pads", pads, 4);
    if (dilations)
        attribute_dims(w, "dilations", a->dilation, 2);
}

static void write_attributes(yk_onnx_writer *w, const yk_node *n)
{
    const yk_attrs *a = &n->attrs;
    switch (n->op) {
    case YK_OP_CONV:
    case YK_OP_CONV_TRANSPOSE:
        write_window(w, a, true);
        attribute_int(w, "group", YK_MAX(1, a->groups));
        break;
    case YK_OP_MAX_POOL:
        write_window(w, a, true);
        attribute_int(w, "ceil_mode", a->ceil_mode);
        break;
    case YK_OP_AVERAGE_POOL:
        write_window(w, a, false);
        attribute_int(w, "ceil_mode", a->ceil_mode);
        attribute_int(w, "count_include_pad", a->count_include_pad);
        break;
    case YK_OP_BATCH_NORM:
        attribute_float(w, "epsilon", a->alpha);
        break;
    case YK_OP_LEAKY_RELU:
    case YK_OP_ELU:
        attribute_float(w, "alpha", a->alpha);
        break;
    case YK_OP_HARD_SIGMOID:
        attribute_float(w, "alpha", a->alpha);
        attribute_float(w, "beta", a->beta);
        break;
    case YK_OP_GEMM:
        attribute_float(w, "alpha", a->alpha);
        attribute_float(w, "beta", a->beta);
        attribute_int(w, "transA", a->transpose_a);
        attribute_int(w, "transB", a->transpose_b);
        break;
    case YK_OP_CONCAT:
    case YK_OP_SOFTMAX:
    case YK_OP_GATHER:
    case YK_OP_GATHER_ELEMENTS:
    case YK_OP_FLATTEN:
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        attribute_int(w, "axis", a->axis);
        break;
    case YK_OP_TOPK:
        attribute_int(w, "axis", a->axis);
        attribute_int(w, "largest", a->largest);
        attribute_int(w, "sorted", a->sorted);
        break;
    case YK_OP_ARG_MAX:
        attribute_int(w, "axis", a->axis);
        attribute_int(w, "keepdims", a->keepdims);
        break;
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
        if (a->axes_count > 0)
            attribute_ints(w, "axes", a->axes, a->axes_count);
        attribute_int(w, "keepdims", a->keepdims);
        break;
    case YK_OP_REDUCE_SUM:
        attribute_int(w, "keepdims", a->keepdims);
        break;
    case YK_OP_TRANSPOSE:
        attribute_ints(w, "perm", a->axes, a->axes_count);
        break;
    case YK_OP_MOD:
        attribute_int(w, "fmod", a->fmod);
        break;
    case YK_OP_CAST:
        attribute_int(w, "to", yk_onnx_type(a->to));
        break;
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
        attribute_int(w, "blocksize", a->block);
        break;
    default:
        break;
    }
}

static void write_plain(yk_onnx_writer *w, const yk_node *n, yk_onnx_name y)
{
    size_t mark = yk_pb_begin(w->out, PB_GRAPH_NODE);
    for (int i = 0; i < n->input_count; i++)
        add_name(w, PB_NODE_INPUT, value_name(w, n->inputs[i]));
    add_name(w, PB_NODE_OUTPUT, y);
    for (int i = 1; i < n->output_count; i++)
        yk_pb_text(w->out, PB_NODE_OUTPUT, w->g->values[n->outputs[i]].name);
    yk_pb_text(w->out, PB_NODE_NAME, n->name);
    yk_pb_text(w->out, PB_NODE_OP, yk_op_name(n->op));
    write_attributes(w, n);
    end(w, mark);
}

/* A value in int8 as uint8, which says the same with another zero: OpenVINO 2026.4 computes some chains of int8
 * wrongly, and of uint8 none. False for what is to be written as it is. */
static bool write_shifted(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const yk_value *zero = n->input_count > 2 && n->inputs[2] != YK_NONE ? &w->g->values[n->inputs[2]] : NULL;
    if (!w->options->u8_input || !zero || zero->type != YK_I8 || !zero->data || zero->shape.rank != 0 ||
        w->g->values[n->inputs[0]].data)
        return false;
    const uint8_t shifted = (uint8_t)(*(const int8_t *)zero->data + 128);
    const yk_onnx_name inputs[3] = {x, value_name(w, n->inputs[1]), constant(w, y.base, "zero", YK_U8, -1, &shifted)};
    end(w, begin(w, yk_op_name(n->op), derived(n->name, NULL), inputs, 3, y));
    return true;
}

void yk_onnx_write_node(yk_onnx_writer *w, const yk_node *n)
{
    const yk_attrs *a = &n->attrs;
    yk_onnx_name node = derived(n->name, NULL), x = value_name(w, n->inputs[0]);
    yk_onnx_name y = derived(w->g->values[n->outputs[0]].name, NULL);
    w->real = w->g->values[n->outputs[0]].type == YK_F16 ? YK_F16 : YK_F32;
    switch (n->op) {
    case YK_OP_CONV:
        if (a->act == YK_ACT_NONE) {
            write_plain(w, n, y);
        } else {
            write_plain(w, n, derived(y.base, "linear"));
            write_act(w, n, derived(y.base, "linear"), y);
        }
        break;
    case YK_OP_SILU:
        write_silu(w, n->name, x, y);
        break;
    case YK_OP_MISH:
        simple(w, "Softplus", derived(n->name, "softplus"), x, none, derived(y.base, "softplus"));
        simple(w, "Tanh", derived(n->name, "tanh"), derived(y.base, "softplus"), none, derived(y.base, "tanh"));
        simple(w, "Mul", derived(n->name, "mul"), x, derived(y.base, "tanh"), y);
        break;
    case YK_OP_GELU:
        write_gelu(w, n, x, y);
        break;
    case YK_OP_RESHAPE:
        if (n->input_count > 1)
            write_plain(w, n, y);
        else
            write_reshape(w, n, x, y);
        break;
    case YK_OP_SLICE:
        write_slice(w, n, x, y);
        break;
    case YK_OP_PAD:
        write_pad(w, n, x, y);
        break;
    case YK_OP_RESIZE:
        write_resize(w, n, x, y);
        break;
    case YK_OP_SQUEEZE:
    case YK_OP_UNSQUEEZE:
    case YK_OP_REDUCE_SUM:
        if (a->axes_count == 0) {
            write_plain(w, n, y);
        } else {
            const yk_onnx_name inputs[2] = {x, constant_ints(w, y.base, "axes", a->axes, a->axes_count)};
            size_t mark = begin(w, yk_op_name(n->op), node, inputs, 2, y);
            write_attributes(w, n);
            end(w, mark);
        }
        break;
    case YK_OP_CONSTANT_OF_SHAPE:
        write_constant_of_shape(w, n, x, y);
        break;
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        if (!write_shifted(w, n, x, y))
            write_plain(w, n, y);
        break;
    default:
        write_plain(w, n, y);
    }
}

void yk_onnx_write_byte_input(yk_onnx_writer *w)
{
    static const int64_t perm[4] = {0, 3, 1, 2};
    const char *input = w->g->values[w->g->input].name;
    yk_onnx_name bytes = derived(input, "bytes"), floats = derived(input, "float");
    bool unit = w->g->head.unit_range;
    w->real = YK_F32;
    size_t mark = begin(w, "Cast", floats, &bytes, 1, floats);
    attribute_int(w, "to", yk_onnx_type(YK_F32));
    end(w, mark);
    if (unit) {
        yk_onnx_name scaled = derived(input, "unit");
        simple(w, "Div", scaled, floats, constant_float(w, input, "range", 255.0f), scaled);
        floats = scaled;
    }
    mark = begin(w, "Transpose", derived(input, "planar"), &floats, 1, derived(input, NULL));
    attribute_ints(w, "perm", perm, 4);
    end(w, mark);
}
