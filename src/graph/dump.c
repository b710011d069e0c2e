/* A graph as text, for people and for tests that compare it with what it was. */
#include "graph/graph.h"

#include <inttypes.h>

static const char *const act_names[] = {"none", "silu", "relu", "leaky_relu", "sigmoid", "hard_swish"};
static const char *const coordinate_names[] = {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"};

static void add_value(yk_buffer *out, const yk_graph *g, yk_id id)
{
    if (id == YK_NONE) {
        yk_buffer_text(out, "-");
        return;
    }
    const yk_value *v = &g->values[id];
    yk_buffer_text(out, v->name);
    if (v->shape.rank >= 0) {
        char text[96];
        yk_shape_text(&v->shape, text);
        yk_buffer_format(out, ":%s", text);
    }
    if (v->type != YK_F32)
        yk_buffer_format(out, ":%s", yk_type_name(v->type));
    if (v->data)
        yk_buffer_text(out, v->bound ? " (bound)" : " (constant)");
}

static void add_list(yk_buffer *out, const char *name, const int64_t *numbers, int count)
{
    yk_buffer_format(out, " %s=[", name);
    for (int i = 0; i < count; i++) {
        const char *comma = i ? "," : "";
        switch (numbers[i]) {
        case INT64_MAX:
            yk_buffer_format(out, "%send", comma);
            break;
        case INT64_MIN:
            yk_buffer_format(out, "%sbegin", comma);
            break;
        default:
            yk_buffer_format(out, "%s%" PRId64, comma, numbers[i]);
        }
    }
    yk_buffer_text(out, "]");
}

static void add_target(yk_buffer *out, const yk_attrs *a)
{
    yk_buffer_text(out, " target=[");
    for (int i = 0; i < a->axes_count; i++) {
        static const char *const letters[] = {"batch", "height", "width"};
        yk_buffer_text(out, i ? "," : "");
        if (a->axes[i] <= YK_DIM_BATCH && a->axes[i] >= YK_DIM_WIDTH) {
            yk_buffer_text(out, letters[YK_DIM_BATCH - a->axes[i]]);
            if (a->axes[i] != YK_DIM_BATCH)
                yk_buffer_format(out, "/%d", a->reshape_stride);
        } else {
            yk_buffer_format(out, "%" PRId64, a->axes[i]);
        }
    }
    yk_buffer_text(out, "]");
}

static void add_window(yk_buffer *out, const yk_attrs *a)
{
    yk_buffer_format(out, " kernel=%dx%d stride=%dx%d pads=%d,%d,%d,%d", a->kernel[0], a->kernel[1], a->stride[0],
                     a->stride[1], a->pads[0], a->pads[1], a->pads[2], a->pads[3]);
    if (a->dilation[0] != 1 || a->dilation[1] != 1)
        yk_buffer_format(out, " dilation=%dx%d", a->dilation[0], a->dilation[1]);
    if (a->groups != 1)
        yk_buffer_format(out, " groups=%d", a->groups);
    if (a->ceil_mode)
        yk_buffer_text(out, " ceil");
    if (a->count_include_pad)
        yk_buffer_text(out, " count_include_pad");
    if (a->act != YK_ACT_NONE)
        yk_buffer_format(out, " act=%s", act_names[a->act]);
    if (a->act == YK_ACT_LEAKY_RELU)
        yk_buffer_format(out, "(%g)", (double)a->alpha);
}

void yk_attrs_dump(yk_op op, const yk_attrs *a, int input_count, yk_buffer *out)
{
    switch (op) {
    case YK_OP_CONV:
    case YK_OP_CONV_TRANSPOSE:
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
        add_window(out, a);
        break;
    case YK_OP_BATCH_NORM:
        yk_buffer_format(out, " epsilon=%g", (double)a->alpha);
        break;
    case YK_OP_LEAKY_RELU:
    case YK_OP_ELU:
        yk_buffer_format(out, " alpha=%g", (double)a->alpha);
        break;
    case YK_OP_HARD_SIGMOID:
        yk_buffer_format(out, " alpha=%g beta=%g", (double)a->alpha, (double)a->beta);
        break;
    case YK_OP_GEMM:
        yk_buffer_format(out, " alpha=%g beta=%g transpose=%d,%d", (double)a->alpha, (double)a->beta, a->transpose_a,
                         a->transpose_b);
        break;
    case YK_OP_GELU:
        yk_buffer_text(out, a->approximate ? " approximate" : "");
        break;
    case YK_OP_MOD:
        yk_buffer_text(out, a->fmod ? " fmod" : "");
        break;
    case YK_OP_CAST:
        yk_buffer_format(out, " to=%s", yk_type_name(a->to));
        break;
    case YK_OP_CONSTANT_OF_SHAPE:
        yk_buffer_format(out, " value=%g to=%s", (double)a->alpha, yk_type_name(a->to));
        break;
    case YK_OP_RESIZE:
        if (a->size_h)
            yk_buffer_format(out, " size=%dx%d", a->size_h, a->size_w);
        else
            yk_buffer_format(out, " scale=%gx%g", (double)a->scale_h, (double)a->scale_w);
        yk_buffer_format(out, " %s %s", a->linear ? "linear" : "nearest",
                         (unsigned)a->coordinate_mode < YK_COUNT(coordinate_names)
                             ? coordinate_names[a->coordinate_mode]
                             : "unknown");
        break;
    case YK_OP_CONCAT:
    case YK_OP_SOFTMAX:
    case YK_OP_GATHER:
    case YK_OP_GATHER_ELEMENTS:
    case YK_OP_FLATTEN:
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        yk_buffer_format(out, " axis=%d", a->axis);
        break;
    case YK_OP_ARG_MAX:
        yk_buffer_format(out, " axis=%d keepdims=%d", a->axis, a->keepdims);
        break;
    case YK_OP_TOPK:
        yk_buffer_format(out, " axis=%d %s", a->axis, a->largest ? "largest" : "smallest");
        break;
    case YK_OP_SLICE:
        add_list(out, "axes", a->axes, a->axes_count);
        add_list(out, "starts", a->starts, a->axes_count);
        add_list(out, "ends", a->ends, a->axes_count);
        add_list(out, "steps", a->steps, a->axes_count);
        break;
    case YK_OP_PAD:
        add_list(out, "begins", a->axes, a->axes_count);
        add_list(out, "ends", a->ends, a->axes_count);
        yk_buffer_format(out, " value=%g", (double)a->alpha);
        break;
    case YK_OP_RESHAPE:
        if (input_count == 1)
            add_target(out, a);
        break;
    case YK_OP_TRANSPOSE:
    case YK_OP_SQUEEZE:
    case YK_OP_UNSQUEEZE:
        add_list(out, op == YK_OP_TRANSPOSE ? "perm" : "axes", a->axes, a->axes_count);
        break;
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
    case YK_OP_REDUCE_SUM:
        add_list(out, "axes", a->axes, a->axes_count);
        yk_buffer_format(out, " keepdims=%d", a->keepdims);
        break;
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
        yk_buffer_format(out, " block=%d", a->block);
        break;
    default:
        break;
    }
}

static void add_head(yk_buffer *out, const yk_graph *g)
{
    const yk_head *h = &g->head;
    yk_buffer_format(out, "head %s classes=%d", yk_head_kind_name(h->kind), h->classes);
    if (h->kind == YK_HEAD_ANCHOR_FREE)
        yk_buffer_format(out, " reg_max=%d end2end=%d", h->reg_max, h->end2end);
    if (h->levels > 0)
        yk_buffer_text(out, " strides=");
    for (int i = 0; i < h->levels && i < YK_MAX_LEVELS; i++)
        yk_buffer_format(out, "%s%d", i ? "," : "", h->strides[i]);
    yk_buffer_format(out, " %s %s %s\n", h->bgr ? "bgr" : "rgb", h->unit_range ? "0..1" : "0..255",
                     h->top_left ? "top-left" : "centred");
}

yolk_status yk_graph_dump(const yk_graph *g, yk_buffer *out)
{
    yk_buffer_text(out, "input ");
    add_value(out, g, g->input);
    yk_buffer_text(out, "\n");
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        for (int k = 0; k < n->output_count; k++) {
            yk_buffer_text(out, k ? ", " : "");
            add_value(out, g, n->outputs[k]);
        }
        yk_buffer_format(out, " = %s(", yk_op_name(n->op));
        for (int k = 0; k < n->input_count; k++) {
            yk_buffer_text(out, k ? ", " : "");
            add_value(out, g, n->inputs[k]);
        }
        yk_buffer_text(out, ")");
        yk_attrs_dump(n->op, &n->attrs, n->input_count, out);
        yk_buffer_text(out, "\n");
    }
    for (int i = 0; i < g->output_count; i++) {
        yk_buffer_text(out, "output ");
        add_value(out, g, g->outputs[i]);
        yk_buffer_text(out, "\n");
    }
    add_head(out, g);
    return yk_buffer_status(out);
}
