/* Which layout runners want, all of which have found the same so far: pixels with their channels side by side wherever
 * there are pixels. */
#include "plan/plan.h"

yk_layout yk_plan_layout(const yk_graph *g, const yk_node *n)
{
    switch (n->op) {
    case YK_OP_CONV:
    case YK_OP_CONV_TRANSPOSE:
    case YK_OP_SIGMOID:
    case YK_OP_SILU:
    case YK_OP_RELU:
    case YK_OP_LEAKY_RELU:
    case YK_OP_HARD_SWISH:
    case YK_OP_HARD_SIGMOID:
    case YK_OP_TANH:
    case YK_OP_MISH:
    case YK_OP_GELU:
    case YK_OP_ELU:
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
    case YK_OP_GLOBAL_AVERAGE_POOL:
    case YK_OP_RESIZE:
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        return YK_LAYOUT_NHWC;
    case YK_OP_CONCAT:
        return n->attrs.axis == 1 || n->attrs.axis == 1 - 4 ? YK_LAYOUT_NHWC : YK_LAYOUT_PLAIN;
    case YK_OP_SLICE:
        return n->attrs.axes_count == 1 && (n->attrs.axes[0] == 1 || n->attrs.axes[0] == 1 - 4) ? YK_LAYOUT_NHWC
                                                                                                : YK_LAYOUT_PLAIN;
    case YK_OP_ADD:
    case YK_OP_SUB:
    case YK_OP_MUL:
    case YK_OP_DIV: {
        /* Of two feature maps; what meets a constant of some other shape is mostly the decoding of boxes. */
        const yk_shape *a = &g->values[n->inputs[0]].shape, *b = &g->values[n->inputs[1]].shape;
        return yk_shape_equal(a, b) || yk_shape_count(a) == 1 || yk_shape_count(b) == 1 ? YK_LAYOUT_NHWC
                                                                                        : YK_LAYOUT_PLAIN;
    }
    default:
        return YK_LAYOUT_PLAIN;
    }
}

bool yk_plan_takes_bytes(const yk_graph *g, const yk_node *n)
{
    return n->op == YK_OP_CONV && n->attrs.groups == 1 && n->attrs.dilation[0] == 1 && n->attrs.dilation[1] == 1 &&
           g->values[n->inputs[1]].type == YK_F32 && g->values[n->inputs[1]].data;
}
