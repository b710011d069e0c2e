/* Shape inference: elementwise operators, reductions, and what all share. */
#include "graph/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Elements of one tensor. Far above a detector's, far below what wraps a size. */
#define MAX_ELEMENTS ((int64_t)1 << 33)

bool yk_shape_sane(const yk_shape *s)
{
    /* A dimension of 0 must not hide others whose product wraps: strides are made of them. */
    int64_t product = 1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0 || __builtin_mul_overflow(product, YK_MAX(s->dims[i], 1), &product) ||
            product > MAX_ELEMENTS)
            return false;
    }
    return s->rank >= 0 && s->rank <= YK_MAX_RANK;
}

void yk_call_begin(yk_call *c, const yk_node *n, const int64_t *size)
{
    c->op = n->op;
    c->name = n->name;
    c->attrs = &n->attrs;
    c->size = size;
    c->input_count = n->input_count;
    c->output_count = n->output_count;
    for (int i = 0; i < n->input_count; i++)
        c->in[i] = (yk_tensor){.given = false};
}

yk_tensor yk_call_tensor(yk_type type, const yk_shape *shape, const void *data)
{
    return (yk_tensor){
        .given = true, .type = type, .shape = *shape, .count = yk_shape_count(shape), .data = (void *)data};
}

yolk_status yk_call_fail(const yk_call *c, yolk_status status, const char *format, ...)
{
    char why[256], inputs[256] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    size_t used = 0;
    for (int i = 0; i < c->input_count && used < sizeof(inputs); i++) {
        char text[96];
        yk_shape_text(&c->in[i].shape, text);
        if (!c->in[i].given)
            snprintf(text, sizeof(text), "nothing");
        int n = snprintf(inputs + used, sizeof(inputs) - used, "%s%s", i ? ", " : "", text);
        used += n > 0 ? (size_t)n : 0;
    }
    return yk_fail(status, "layer \"%s\" (%s of %s): %s", c->name, yk_op_name(c->op), inputs, why);
}

int yk_axis(int64_t axis, int rank)
{
    if (axis < 0)
        axis += rank;
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

static yolk_status same_as_first(yk_call *c)
{
    c->out[0].shape = c->in[0].shape;
    return YOLK_OK;
}

static bool broadcast(const yk_shape *a, const yk_shape *b, yk_shape *out)
{
    yk_shape r = {.rank = YK_MAX(a->rank, b->rank)};
    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dims[ia], db = ib < 0 ? 1 : b->dims[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        r.dims[i] = da == 1 ? db : da;
    }
    *out = r;
    return true;
}

static yolk_status infer_broadcast(yk_call *c)
{
    yk_shape shape = c->in[0].shape;
    for (int i = 1; i < c->input_count; i++) {
        if (!broadcast(&shape, &c->in[i].shape, &shape))
            return YK_MISFIT(c, "the shapes cannot be broadcast to one another");
    }
    c->out[0].shape = shape;
    return YOLK_OK;
}

static yolk_status infer_clip(yk_call *c)
{
    for (int i = 1; i < c->input_count; i++) {
        if (c->in[i].given && c->in[i].count != 1)
            return YK_MISFIT(c, "limit %d is not a single number", i);
    }
    return same_as_first(c);
}

static yolk_status infer_batch_norm(yk_call *c)
{
    if (c->in[0].shape.rank < 2)
        return YK_MISFIT(c, "the input has no channels");
    for (int i = 1; i < 5; i++) {
        if (c->in[i].shape.rank != 1 || c->in[i].shape.dims[0] != c->in[0].shape.dims[1])
            return YK_MISFIT(c, "input %d does not have one value for each of %" PRId64 " channels", i,
                             c->in[0].shape.dims[1]);
    }
    return same_as_first(c);
}

static yolk_status infer_softmax(yk_call *c)
{
    if (yk_axis(c->attrs->axis, c->in[0].shape.rank) < 0)
        return YK_MISFIT(c, "the input has no axis %d", c->attrs->axis);
    return same_as_first(c);
}

static yolk_status infer_expand(yk_call *c)
{
    const yk_tensor *want = &c->in[1];
    yk_shape target = {.rank = (int)want->count};
    if (want->type != YK_I64 || want->shape.rank != 1 || want->count > YK_MAX_RANK)
        return YK_MISFIT(c, "the target is not a list of at most %d dimensions", YK_MAX_RANK);
    if (!want->data)
        return YK_MISFIT(c, "the target depends on the picture, not on its size alone");
    for (int i = 0; i < target.rank; i++)
        target.dims[i] = ((const int64_t *)want->data)[i];
    char text[96];
    yk_shape_text(&target, text);
    if (!yk_shape_sane(&target) || !broadcast(&c->in[0].shape, &target, &c->out[0].shape))
        return YK_MISFIT(c, "the input cannot be expanded to %s", text);
    return YOLK_OK;
}

static yolk_status infer_reduce(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *in = &c->in[0].shape;
    bool reduced[YK_MAX_RANK] = {false};
    for (int i = 0; i < a->axes_count; i++) {
        int axis = yk_axis(a->axes[i], in->rank);
        if (axis < 0)
            return YK_MISFIT(c, "the input has no axis %" PRId64, a->axes[i]);
        reduced[axis] = true;
    }
    yk_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        if (a->axes_count == 0 || reduced[i]) {
            if (a->keepdims)
                out->dims[out->rank++] = 1;
        } else {
            out->dims[out->rank++] = in->dims[i];
        }
    }
    return YOLK_OK;
}

static yolk_status infer_arg_max(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    int axis = yk_axis(c->attrs->axis, in->rank);
    if (axis < 0 || in->dims[axis] == 0)
        return YK_MISFIT(c, "axis %d is empty or missing", c->attrs->axis);
    yk_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        if (i != axis || c->attrs->keepdims)
            out->dims[out->rank++] = i == axis ? 1 : in->dims[i];
    }
    return YOLK_OK;
}

static yolk_status infer_topk(yk_call *c)
{
    int axis = yk_axis(c->attrs->axis, c->in[0].shape.rank);
    if (axis < 0)
        return YK_MISFIT(c, "the input has no axis %d", c->attrs->axis);
    if (c->in[1].type != YK_I64 || c->in[1].count != 1 || !c->in[1].data)
        return YK_MISFIT(c, "the number of values to keep is not known beforehand");
    int64_t k = *(const int64_t *)c->in[1].data;
    if (k < 0 || k > c->in[0].shape.dims[axis])
        return YK_MISFIT(c, "%" PRId64 " values are wanted of %" PRId64, k, c->in[0].shape.dims[axis]);
    for (int i = 0; i < c->output_count; i++) {
        c->out[i].shape = c->in[0].shape;
        c->out[i].shape.dims[axis] = k;
    }
    return YOLK_OK;
}

static yolk_status infer_quantize(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    bool per_axis = c->in[1].shape.rank == 1 && c->in[1].count != 1;
    int axis = yk_axis(c->attrs->axis, in->rank);
    if (c->in[1].shape.rank > 1 || (per_axis && (axis < 0 || in->dims[axis] != c->in[1].count)))
        return YK_MISFIT(c, "the scale is neither one number nor one for each place of axis %d", c->attrs->axis);
    if (c->input_count > 2 && c->in[2].given && c->in[2].count != c->in[1].count)
        return YK_MISFIT(c, "scale and zero point differ in number");
    return same_as_first(c);
}

/* ---- types ---- */

static bool is_float(yk_type t)
{
    return t == YK_F32 || t == YK_F16 || t == YK_F64;
}

/* What an operator's inputs must be. */
typedef enum type_rule { FLOATS, NUMBERS, BOOLS, SAME, ANY } type_rule;

static type_rule rule_of(yk_op op)
{
    switch (op) {
    case YK_OP_NEG:
    case YK_OP_ABS:
    case YK_OP_ADD:
    case YK_OP_SUB:
    case YK_OP_MUL:
    case YK_OP_DIV:
    case YK_OP_MIN:
    case YK_OP_MAX:
    case YK_OP_MOD:
    case YK_OP_GREATER:
    case YK_OP_LESS:
    case YK_OP_CLIP:
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
    case YK_OP_REDUCE_SUM:
    case YK_OP_ARG_MAX:
    case YK_OP_RANGE:
        return NUMBERS;
    case YK_OP_NOT:
    case YK_OP_AND:
    case YK_OP_OR:
        return BOOLS;
    case YK_OP_EQUAL:
    case YK_OP_CONCAT:
        return SAME;
    case YK_OP_POW:
    case YK_OP_WHERE:
    case YK_OP_CAST:
    case YK_OP_SLICE:
    case YK_OP_PAD:
    case YK_OP_RESHAPE:
    case YK_OP_TRANSPOSE:
    case YK_OP_EXPAND:
    case YK_OP_TILE:
    case YK_OP_SQUEEZE:
    case YK_OP_UNSQUEEZE:
    case YK_OP_FLATTEN:
    case YK_OP_TOPK:
    case YK_OP_GATHER:
    case YK_OP_GATHER_ELEMENTS:
    case YK_OP_GATHER_ND:
    case YK_OP_SHAPE:
    case YK_OP_CONSTANT_OF_SHAPE:
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        return ANY;
    default:
        return FLOATS;
    }
}

static yolk_status check_types(const yk_call *c)
{
    yk_type first = c->in[0].type;
    type_rule rule = rule_of(c->op);
    if ((rule == FLOATS && !is_float(first)) || (rule == NUMBERS && first == YK_BOOL) ||
        (rule == BOOLS && first != YK_BOOL))
        return YK_MISFIT(c, "it does not take %s", yk_type_name(first));
    for (int i = 1; i < c->input_count && rule != ANY; i++) {
        if (c->in[i].given && c->in[i].type != first)
            return YK_MISFIT(c, "%s and %s do not mix", yk_type_name(first), yk_type_name(c->in[i].type));
    }
    switch (c->op) {
    case YK_OP_POW:
        if (first == YK_BOOL || c->in[1].type == YK_BOOL)
            return YK_MISFIT(c, "it does not take bool");
        if (!is_float(first) && is_float(c->in[1].type))
            return yk_call_fail(c, YOLK_ERROR_UNSUPPORTED, "yolk does not raise %s to a power of %s",
                                yk_type_name(first), yk_type_name(c->in[1].type));
        break;
    case YK_OP_WHERE:
        if (first != YK_BOOL || c->in[1].type != c->in[2].type)
            return YK_MISFIT(c, "it chooses by %s between %s and %s", yk_type_name(first), yk_type_name(c->in[1].type),
                             yk_type_name(c->in[2].type));
        break;
    case YK_OP_TOPK:
        if (first == YK_BOOL)
            return YK_MISFIT(c, "it does not take bool");
        break;
    case YK_OP_GATHER:
    case YK_OP_GATHER_ELEMENTS:
    case YK_OP_GATHER_ND:
        if (c->in[1].type != YK_I64 && c->in[1].type != YK_I32)
            return YK_MISFIT(c, "indices are %s instead of int64", yk_type_name(c->in[1].type));
        break;
    case YK_OP_QUANTIZE:
        if (!is_float(first) || !is_float(c->in[1].type) || (c->out[0].type != YK_I8 && c->out[0].type != YK_U8))
            return YK_MISFIT(c, "it makes %s of %s", yk_type_name(c->out[0].type), yk_type_name(first));
        break;
    case YK_OP_DEQUANTIZE:
        if ((first != YK_I8 && first != YK_U8 && first != YK_I32) || !is_float(c->in[1].type))
            return YK_MISFIT(c, "it makes %s of %s", yk_type_name(c->in[1].type), yk_type_name(first));
        if (c->input_count > 2 && c->in[2].given && c->in[2].type != first)
            return YK_MISFIT(c, "%s and a zero point of %s do not mix", yk_type_name(first),
                             yk_type_name(c->in[2].type));
        break;
    default:
        break;
    }
    return YOLK_OK;
}

/* ---- all together ---- */

static yk_infer_fn infer_function(yk_op op)
{
    switch (op) {
    case YK_OP_ADD:
    case YK_OP_SUB:
    case YK_OP_MUL:
    case YK_OP_DIV:
    case YK_OP_POW:
    case YK_OP_MIN:
    case YK_OP_MAX:
    case YK_OP_MOD:
    case YK_OP_EQUAL:
    case YK_OP_GREATER:
    case YK_OP_LESS:
    case YK_OP_AND:
    case YK_OP_OR:
    case YK_OP_WHERE:
        return infer_broadcast;
    case YK_OP_CLIP:
        return infer_clip;
    case YK_OP_BATCH_NORM:
        return infer_batch_norm;
    case YK_OP_SOFTMAX:
        return infer_softmax;
    case YK_OP_EXPAND:
        return infer_expand;
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
    case YK_OP_REDUCE_SUM:
        return infer_reduce;
    case YK_OP_ARG_MAX:
        return infer_arg_max;
    case YK_OP_TOPK:
        return infer_topk;
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        return infer_quantize;
    default:
        break;
    }
    yk_infer_fn fn = yk_infer_layer(op);
    if (!fn)
        fn = yk_infer_movement(op);
    return fn ? fn : same_as_first;
}

yolk_status yk_infer(yk_call *c)
{
    yk_type types[YK_MAX_INPUTS];
    for (int i = 0; i < c->input_count; i++)
        types[i] = c->in[i].given ? c->in[i].type : YK_TYPE_COUNT;
    for (int i = 0; i < c->output_count; i++) {
        c->out[i].given = true;
        c->out[i].type = yk_output_type(c->op, c->attrs, types, c->input_count, i);
    }
    yolk_status status = check_types(c);
    if (status == YOLK_OK)
        status = infer_function(c->op)(c);
    for (int i = 0; i < c->output_count && status == YOLK_OK; i++) {
        if (yk_shape_sane(&c->out[i].shape))
            c->out[i].count = yk_shape_count(&c->out[i].shape);
        else
            status =
                yk_call_fail(c, YOLK_ERROR_LIMIT, "the result would have more than %" PRId64 " elements", MAX_ELEMENTS);
    }
    return status;
}

double yk_call_work(const yk_call *c)
{
    double in = 0, out = (double)c->out[0].count;
    for (int i = 0; i < c->input_count; i++)
        in += c->in[i].given ? (double)c->in[i].count : 0;
    switch (c->op) {
    case YK_OP_CONV:
        return out * (double)c->in[1].count / (double)YK_MAX(c->in[1].shape.dims[0], 1);
    case YK_OP_CONV_TRANSPOSE:
        return (double)c->in[0].count * (double)c->in[1].count / (double)YK_MAX(c->in[1].shape.dims[0], 1);
    case YK_OP_MATMUL:
    case YK_OP_GEMM: {
        const yk_shape *a = &c->in[0].shape;
        return out * (double)a->dims[c->attrs->transpose_a ? 0 : a->rank - 1];
    }
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
        return out * c->attrs->kernel[0] * c->attrs->kernel[1];
    case YK_OP_SHAPE:
        return out;
    case YK_OP_TOPK:
        return in * 32;
    default:
        return in + out;
    }
}
