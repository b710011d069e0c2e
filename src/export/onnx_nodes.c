/* Nodes of a graph as nodes of ONNX, opset 17. */
#include "export/onnx_writer.h"
#include "export/wire.h"

/* ---- activations ---- */

static void write_gelu(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const char *base = y.base;
    yk_onnx_name inner = x;
    if (n->attrs.approximate) {
        /* tanh(sqrt(2/pi) * (x + 0.044715 x^3)) */
        yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "square"), x, x, yk_onnx_derived(base, "square"));
        yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "cube"), yk_onnx_derived(base, "square"), x,
                       yk_onnx_derived(base, "cube"));
        yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "weigh"), yk_onnx_derived(base, "cube"),
                       yk_onnx_constant_float(w, base, "cubic", 0.044715f), yk_onnx_derived(base, "weighed"));
        yk_onnx_simple(w, "Add", yk_onnx_derived(n->name, "bend"), x, yk_onnx_derived(base, "weighed"),
                       yk_onnx_derived(base, "bent"));
        inner = yk_onnx_derived(base, "bent");
    }
    yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "scale"), inner,
                   yk_onnx_constant_float(w, base, "factor", n->attrs.approximate ? 0.7978845608f : 0.7071067812f),
                   yk_onnx_derived(base, "scaled"));
    yk_onnx_simple(w, n->attrs.approximate ? "Tanh" : "Erf", yk_onnx_derived(n->name, "curve"),
                   yk_onnx_derived(base, "scaled"), yk_onnx_no_name, yk_onnx_derived(base, "curve"));
    yk_onnx_simple(w, "Add", yk_onnx_derived(n->name, "shift"), yk_onnx_derived(base, "curve"),
                   yk_onnx_constant_float(w, base, "one", 1.0f), yk_onnx_derived(base, "gate"));
    yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "gate"), x, yk_onnx_derived(base, "gate"),
                   yk_onnx_derived(base, "gated"));
    yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "half"), yk_onnx_derived(base, "gated"),
                   yk_onnx_constant_float(w, base, "half", 0.5f), y);
}

static void write_silu(yk_onnx_writer *w, const char *node, yk_onnx_name x, yk_onnx_name y)
{
    yk_onnx_simple(w, "Sigmoid", yk_onnx_derived(node, "sigmoid"), x, yk_onnx_no_name,
                   yk_onnx_derived(y.base, "sigmoid"));
    yk_onnx_simple(w, "Mul", yk_onnx_derived(node, "mul"), x, yk_onnx_derived(y.base, "sigmoid"), y);
}

static void write_act(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    yk_onnx_name name = yk_onnx_derived(n->name, "act");
    size_t mark;
    switch (n->attrs.act) {
    case YK_ACT_NONE:
        break;
    case YK_ACT_SILU:
        write_silu(w, n->name, x, y);
        break;
    case YK_ACT_RELU:
        yk_onnx_simple(w, "Relu", name, x, yk_onnx_no_name, y);
        break;
    case YK_ACT_LEAKY_RELU:
        mark = yk_onnx_begin(w, "LeakyRelu", name, &x, 1, y);
        yk_onnx_put_float(w, "alpha", n->attrs.alpha);
        yk_onnx_end(w, mark);
        break;
    case YK_ACT_SIGMOID:
        yk_onnx_simple(w, "Sigmoid", name, x, yk_onnx_no_name, y);
        break;
    case YK_ACT_HARD_SWISH:
        yk_onnx_simple(w, "HardSwish", name, x, yk_onnx_no_name, y);
        break;
    }
}

/* ---- attributes of the operators that ONNX has as they are ---- */

static void attribute_dims(yk_onnx_writer *w, const char *name, const int *values, int count)
{
    int64_t wide[4] = {0};
    for (int i = 0; i < count; i++)
        wide[i] = values[i];
    yk_onnx_put_ints(w, name, wide, count);
}

static void write_window(yk_onnx_writer *w, const yk_attrs *a, bool dilations)
{
    const int64_t pads[4] = {a->pads[0], a->pads[1], a->pads[2], a->pads[3]};
    attribute_dims(w, "kernel_shape", a->kernel, 2);
    attribute_dims(w, "strides", a->stride, 2);
    yk_onnx_put_ints(w, "pads", pads, 4);
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
        yk_onnx_put_int(w, "group", YK_MAX(1, a->groups));
        break;
    case YK_OP_MAX_POOL:
        write_window(w, a, true);
        yk_onnx_put_int(w, "ceil_mode", a->ceil_mode);
        break;
    case YK_OP_AVERAGE_POOL:
        write_window(w, a, false);
        yk_onnx_put_int(w, "ceil_mode", a->ceil_mode);
        yk_onnx_put_int(w, "count_include_pad", a->count_include_pad);
        break;
    case YK_OP_BATCH_NORM:
        yk_onnx_put_float(w, "epsilon", a->alpha);
        break;
    case YK_OP_LEAKY_RELU:
    case YK_OP_ELU:
        yk_onnx_put_float(w, "alpha", a->alpha);
        break;
    case YK_OP_HARD_SIGMOID:
        yk_onnx_put_float(w, "alpha", a->alpha);
        yk_onnx_put_float(w, "beta", a->beta);
        break;
    case YK_OP_GEMM:
        yk_onnx_put_float(w, "alpha", a->alpha);
        yk_onnx_put_float(w, "beta", a->beta);
        yk_onnx_put_int(w, "transA", a->transpose_a);
        yk_onnx_put_int(w, "transB", a->transpose_b);
        break;
    case YK_OP_CONCAT:
    case YK_OP_SOFTMAX:
    case YK_OP_GATHER:
    case YK_OP_GATHER_ELEMENTS:
    case YK_OP_FLATTEN:
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        yk_onnx_put_int(w, "axis", a->axis);
        break;
    case YK_OP_TOPK:
        yk_onnx_put_int(w, "axis", a->axis);
        yk_onnx_put_int(w, "largest", a->largest);
        yk_onnx_put_int(w, "sorted", a->sorted);
        break;
    case YK_OP_ARG_MAX:
        yk_onnx_put_int(w, "axis", a->axis);
        yk_onnx_put_int(w, "keepdims", a->keepdims);
        break;
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
        if (a->axes_count > 0)
            yk_onnx_put_ints(w, "axes", a->axes, a->axes_count);
        yk_onnx_put_int(w, "keepdims", a->keepdims);
        break;
    case YK_OP_REDUCE_SUM:
        yk_onnx_put_int(w, "keepdims", a->keepdims);
        break;
    case YK_OP_TRANSPOSE:
        yk_onnx_put_ints(w, "perm", a->axes, a->axes_count);
        break;
    case YK_OP_MOD:
        yk_onnx_put_int(w, "fmod", a->fmod);
        break;
    case YK_OP_CAST:
        yk_onnx_put_int(w, "to", yk_onnx_type(a->to));
        break;
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
        yk_onnx_put_int(w, "blocksize", a->block);
        break;
    default:
        break;
    }
}

static void write_plain(yk_onnx_writer *w, const yk_node *n, yk_onnx_name y)
{
    size_t mark = yk_pb_begin(w->out, PB_GRAPH_NODE);
    for (int i = 0; i < n->input_count; i++)
        yk_onnx_add_name(w, PB_NODE_INPUT, yk_onnx_value_name(w, n->inputs[i]));
    yk_onnx_add_name(w, PB_NODE_OUTPUT, y);
    for (int i = 1; i < n->output_count; i++)
        yk_pb_text(w->out, PB_NODE_OUTPUT, w->g->values[n->outputs[i]].name);
    yk_pb_text(w->out, PB_NODE_NAME, n->name);
    yk_pb_text(w->out, PB_NODE_OP, yk_op_name(n->op));
    write_attributes(w, n);
    yk_onnx_end(w, mark);
}

/* A value in int8 as uint8, which says the same with another zero: OpenVINO 2026.4 computes some chains of int8
 * wrongly, and of uint8 yk_onnx_no_name. False for what is to be written as it is. */
static bool write_shifted(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const yk_value *zero = n->input_count > 2 && n->inputs[2] != YK_NONE ? &w->g->values[n->inputs[2]] : NULL;
    if (!w->options->u8_input || !zero || zero->type != YK_I8 || !zero->data || zero->shape.rank != 0 ||
        w->g->values[n->inputs[0]].data)
        return false;
    const uint8_t shifted = (uint8_t)(*(const int8_t *)zero->data + 128);
    const yk_onnx_name inputs[3] = {x, yk_onnx_value_name(w, n->inputs[1]),
                                    yk_onnx_constant(w, y.base, "zero", YK_U8, -1, &shifted)};
    yk_onnx_end(w, yk_onnx_begin(w, yk_op_name(n->op), yk_onnx_derived(n->name, NULL), inputs, 3, y));
    return true;
}

void yk_onnx_write_node(yk_onnx_writer *w, const yk_node *n)
{
    const yk_attrs *a = &n->attrs;
    yk_onnx_name node = yk_onnx_derived(n->name, NULL), x = yk_onnx_value_name(w, n->inputs[0]);
    yk_onnx_name y = yk_onnx_derived(w->g->values[n->outputs[0]].name, NULL);
    w->real = w->g->values[n->outputs[0]].type == YK_F16 ? YK_F16 : YK_F32;
    switch (n->op) {
    case YK_OP_CONV:
        if (a->act == YK_ACT_NONE) {
            write_plain(w, n, y);
        } else {
            write_plain(w, n, yk_onnx_derived(y.base, "linear"));
            write_act(w, n, yk_onnx_derived(y.base, "linear"), y);
        }
        break;
    case YK_OP_SILU:
        write_silu(w, n->name, x, y);
        break;
    case YK_OP_MISH:
        yk_onnx_simple(w, "Softplus", yk_onnx_derived(n->name, "softplus"), x, yk_onnx_no_name,
                       yk_onnx_derived(y.base, "softplus"));
        yk_onnx_simple(w, "Tanh", yk_onnx_derived(n->name, "tanh"), yk_onnx_derived(y.base, "softplus"),
                       yk_onnx_no_name, yk_onnx_derived(y.base, "tanh"));
        yk_onnx_simple(w, "Mul", yk_onnx_derived(n->name, "mul"), x, yk_onnx_derived(y.base, "tanh"), y);
        break;
    case YK_OP_GELU:
        write_gelu(w, n, x, y);
        break;
    case YK_OP_RESHAPE:
        if (n->input_count > 1)
            write_plain(w, n, y);
        else
            yk_onnx_write_reshape(w, n, x, y);
        break;
    case YK_OP_SLICE:
        yk_onnx_write_slice(w, n, x, y);
        break;
    case YK_OP_PAD:
        yk_onnx_write_pad(w, n, x, y);
        break;
    case YK_OP_RESIZE:
        yk_onnx_write_resize(w, n, x, y);
        break;
    case YK_OP_SQUEEZE:
    case YK_OP_UNSQUEEZE:
    case YK_OP_REDUCE_SUM:
        if (a->axes_count == 0) {
            write_plain(w, n, y);
        } else {
            const yk_onnx_name inputs[2] = {x, yk_onnx_constant_ints(w, y.base, "axes", a->axes, a->axes_count)};
            size_t mark = yk_onnx_begin(w, yk_op_name(n->op), node, inputs, 2, y);
            write_attributes(w, n);
            yk_onnx_end(w, mark);
        }
        break;
    case YK_OP_CONSTANT_OF_SHAPE:
        yk_onnx_write_constant_of_shape(w, n, x, y);
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
    yk_onnx_name bytes = yk_onnx_derived(input, "bytes"), floats = yk_onnx_derived(input, "float");
    bool unit = w->g->head.unit_range;
    w->real = YK_F32;
    size_t mark = yk_onnx_begin(w, "Cast", floats, &bytes, 1, floats);
    yk_onnx_put_int(w, "to", yk_onnx_type(YK_F32));
    yk_onnx_end(w, mark);
    if (unit) {
        yk_onnx_name scaled = yk_onnx_derived(input, "unit");
        yk_onnx_simple(w, "Div", scaled, floats, yk_onnx_constant_float(w, input, "range", 255.0f), scaled);
        floats = scaled;
    }
    mark = yk_onnx_begin(w, "Transpose", yk_onnx_derived(input, "planar"), &floats, 1, yk_onnx_derived(input, NULL));
    yk_onnx_put_ints(w, "perm", perm, 4);
    yk_onnx_end(w, mark);
}
