/* Shape inference: operators that move elements, and those that make tensors out of shapes. */
#include "graph/call.h"

#include <inttypes.h>
#include <math.h>

static yolk_status infer_concat(yk_call *c)
{
    yk_shape out = c->in[0].shape;
    int axis = yk_axis(c->attrs->axis, out.rank);
    if (axis < 0)
        return YK_MISFIT(c, "the inputs have no axis %d", c->attrs->axis);
    for (int i = 1; i < c->input_count; i++) {
        const yk_shape *s = &c->in[i].shape;
        if (s->rank != out.rank)
            return YK_MISFIT(c, "input %d has another number of dimensions than input 0", i);
        for (int d = 0; d < out.rank; d++) {
            if (d != axis && s->dims[d] != out.dims[d])
                return YK_MISFIT(c, "input %d differs from input 0 in dimension %d, not only in %d", i, d, axis);
        }
        out.dims[axis] += s->dims[axis];
    }
    c->out[0].shape = out;
    return YOLK_OK;
}

int64_t yk_slice_range(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *first)
{
    /* Negative ends count from the back, and what lies outside is cut. Going backwards an end of -1, before the first
     * element, is allowed, but no such start: there ONNX differs from numpy. */
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    start = start < 0 ? YK_MAX(start, -dim - 1) + dim : start;
    end = end < 0 ? YK_MAX(end, -dim - 1) + dim : end;
    start = YK_MIN(YK_MAX(start, 0), high);
    end = YK_MIN(YK_MAX(end, low), high);
    *first = start;
    if (step > 0)
        return end > start ? (end - start - 1) / step + 1 : 0;
    /* The smallest step has no positive twin. */
    uint64_t pace = (uint64_t)0 - (uint64_t)step;
    return start > end ? (int64_t)((uint64_t)(start - end - 1) / pace) + 1 : 0;
}

static yolk_status infer_slice(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    yk_shape out = c->in[0].shape;
    bool seen[YK_MAX_RANK] = {false};
    for (int i = 0; i < a->axes_count; i++) {
        int axis = yk_axis(a->axes[i], out.rank);
        if (axis < 0 || seen[axis])
            return YK_MISFIT(c, "axis %" PRId64 " is missing or given twice", a->axes[i]);
        if (a->steps[i] == 0)
            return YK_MISFIT(c, "the step along axis %d is 0", axis);
        seen[axis] = true;
        int64_t first;
        out.dims[axis] = yk_slice_range(out.dims[axis], a->starts[i], a->ends[i], a->steps[i], &first);
    }
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_pad(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    yk_shape out = c->in[0].shape;
    if (a->axes_count != out.rank)
        return YK_MISFIT(c, "%d dimensions are padded, the input has %d", a->axes_count, out.rank);
    for (int i = 0; i < out.rank; i++) {
        /* Taken away at one end more than is there, then added at the other, is not worth a meaning. */
        if (a->axes[i] < -out.dims[i] || a->ends[i] < -out.dims[i] ||
            __builtin_add_overflow(out.dims[i], a->axes[i], &out.dims[i]) ||
            __builtin_add_overflow(out.dims[i], a->ends[i], &out.dims[i]) || out.dims[i] < 0)
            return YK_MISFIT(c, "dimension %d cannot be padded by %" PRId64 " and %" PRId64, i, a->axes[i], a->ends[i]);
    }
    c->out[0].shape = out;
    return YOLK_OK;
}

/* One dimension of a Reshape's target, or -1 after failing. YK_DIM_INFER is seen to by the caller. */
static int64_t target_dim(const yk_call *c, const int64_t *target, int i)
{
    const yk_shape *in = &c->in[0].shape;
    int stride = YK_MAX(c->attrs->reshape_stride, 1);
    switch (target[i]) {
    case YK_DIM_COPY:
        if (i < in->rank)
            return in->dims[i];
        YK_MISFIT(c, "there is no dimension %d to copy", i);
        return -1;
    case YK_DIM_BATCH:
        return c->size[0];
    case YK_DIM_HEIGHT:
        return c->size[1] / stride;
    case YK_DIM_WIDTH:
        return c->size[2] / stride;
    default:
        if (target[i] < 0)
            YK_MISFIT(c, "%" PRId64 " is no dimension", target[i]);
        return target[i] < 0 ? -1 : target[i];
    }
}

static yolk_status infer_reshape(yk_call *c)
{
    const int64_t *target = c->attrs->axes;
    int rank = c->attrs->axes_count;
    if (c->input_count > 1 && c->in[1].given) {
        const yk_tensor *t = &c->in[1];
        if (t->type != YK_I64 || t->shape.rank != 1 || t->count > YK_MAX_RANK)
            return YK_MISFIT(c, "the target is not a list of at most %d dimensions", YK_MAX_RANK);
        if (!t->data)
            return YK_MISFIT(c, "the target depends on the picture, not on its size alone");
        target = t->data;
        rank = (int)t->count;
        for (int i = 0; i < rank; i++) {
            if (target[i] < YK_DIM_INFER)
                return YK_MISFIT(c, "%" PRId64 " is no dimension", target[i]);
        }
    }
    yk_shape out = {.rank = rank};
    int inferred = -1;
    int64_t rest = 1;
    for (int i = 0; i < rank; i++) {
        if (target[i] == YK_DIM_INFER) {
            if (inferred >= 0)
                return YK_MISFIT(c, "two dimensions of the target are left open");
            inferred = i;
            continue;
        }
        out.dims[i] = target_dim(c, target, i);
        if (out.dims[i] < 0)
            return YOLK_ERROR_DAMAGED;
        if (__builtin_mul_overflow(rest, out.dims[i], &rest))
            return YK_MISFIT(c, "the target is too large");
    }
    if (inferred >= 0 && rest > 0)
        out.dims[inferred] = c->in[0].count / rest;
    if (yk_shape_count(&out) != c->in[0].count) {
        char text[96];
        yk_shape_text(&out, text);
        return YK_MISFIT(c, "%" PRId64 " elements do not fill %s", c->in[0].count, text);
    }
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_transpose(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *in = &c->in[0].shape;
    unsigned seen = 0;
    c->out[0].shape.rank = in->rank;
    for (int i = 0; i < in->rank; i++) {
        int from = a->axes_count == 0 ? in->rank - 1 - i : yk_axis(a->axes[i], in->rank);
        if ((a->axes_count != 0 && a->axes_count != in->rank) || from < 0 || seen & (1u << from))
            return YK_MISFIT(c, "the order of axes does not suit %d dimensions", in->rank);
        seen |= 1u << from;
        c->out[0].shape.dims[i] = in->dims[from];
    }
    return YOLK_OK;
}

static yolk_status infer_tile(yk_call *c)
{
    const yk_tensor *t = &c->in[1];
    yk_shape out = c->in[0].shape;
    if (t->type != YK_I64 || t->shape.rank != 1 || t->count != out.rank)
        return YK_MISFIT(c, "it does not say how often to repeat each of %d dimensions", out.rank);
    if (!t->data)
        return YK_MISFIT(c, "the repetitions depend on the picture, not on its size alone");
    for (int i = 0; i < out.rank; i++) {
        int64_t times = ((const int64_t *)t->data)[i];
        if (times < 0 || __builtin_mul_overflow(out.dims[i], times, &out.dims[i]))
            return YK_MISFIT(c, "dimension %d cannot be repeated %" PRId64 " times", i, times);
    }
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_squeeze(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *in = &c->in[0].shape;
    bool gone[YK_MAX_RANK] = {false};
    for (int i = 0; i < a->axes_count; i++) {
        int axis = yk_axis(a->axes[i], in->rank);
        if (axis < 0 || in->dims[axis] != 1)
            return YK_MISFIT(c, "axis %" PRId64 " is not there or not 1", a->axes[i]);
        gone[axis] = true;
    }
    yk_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        if (a->axes_count ? !gone[i] : in->dims[i] != 1)
            out->dims[out->rank++] = in->dims[i];
    }
    return YOLK_OK;
}

static yolk_status infer_unsqueeze(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *in = &c->in[0].shape;
    int rank = in->rank + a->axes_count, from = 0;
    bool made[YK_MAX_RANK] = {false};
    if (rank > YK_MAX_RANK)
        return yk_call_fail(c, YOLK_ERROR_UNSUPPORTED, "%d dimensions are more than yolk's %d", rank, YK_MAX_RANK);
    for (int i = 0; i < a->axes_count; i++) {
        int axis = yk_axis(a->axes[i], rank);
        if (axis < 0 || made[axis])
            return YK_MISFIT(c, "axis %" PRId64 " is out of range or given twice", a->axes[i]);
        made[axis] = true;
    }
    c->out[0].shape.rank = rank;
    for (int i = 0; i < rank; i++)
        c->out[0].shape.dims[i] = made[i] ? 1 : in->dims[from++];
    return YOLK_OK;
}

static yolk_status infer_flatten(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    /* One past the last axis is allowed here. */
    int axis = c->attrs->axis == in->rank ? in->rank : yk_axis(c->attrs->axis, in->rank);
    if (axis < 0)
        return YK_MISFIT(c, "the input has no axis %d", c->attrs->axis);
    yk_shape out = {.rank = 2, .dims = {1, 1}};
    for (int i = 0; i < in->rank; i++)
        out.dims[i >= axis] *= in->dims[i];
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_gather(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape, *index = &c->in[1].shape;
    int axis = yk_axis(c->attrs->axis, in->rank);
    if (axis < 0)
        return YK_MISFIT(c, "the input has no axis %d", c->attrs->axis);
    yk_shape out = {.rank = in->rank - 1 + index->rank};
    if (out.rank > YK_MAX_RANK)
        return yk_call_fail(c, YOLK_ERROR_UNSUPPORTED, "%d dimensions are more than yolk's %d", out.rank, YK_MAX_RANK);
    int to = 0;
    for (int i = 0; i < axis; i++)
        out.dims[to++] = in->dims[i];
    for (int i = 0; i < index->rank; i++)
        out.dims[to++] = index->dims[i];
    for (int i = axis + 1; i < in->rank; i++)
        out.dims[to++] = in->dims[i];
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_gather_elements(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape, *index = &c->in[1].shape;
    int axis = yk_axis(c->attrs->axis, in->rank);
    if (axis < 0 || index->rank != in->rank)
        return YK_MISFIT(c, "input and indices differ in rank, or there is no axis %d", c->attrs->axis);
    for (int i = 0; i < in->rank; i++) {
        if (i != axis && index->dims[i] > in->dims[i])
            return YK_MISFIT(c, "the indices reach past dimension %d of the input", i);
    }
    c->out[0].shape = *index;
    return YOLK_OK;
}

static yolk_status infer_gather_nd(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape, *index = &c->in[1].shape;
    int64_t depth = index->rank > 0 ? index->dims[index->rank - 1] : 0;
    if (depth < 1 || depth > in->rank)
        return YK_MISFIT(c, "indices of %" PRId64 " numbers do not point into %d dimensions", depth, in->rank);
    yk_shape out = {.rank = index->rank - 1 + in->rank - (int)depth};
    if (out.rank > YK_MAX_RANK)
        return yk_call_fail(c, YOLK_ERROR_UNSUPPORTED, "%d dimensions are more than yolk's %d", out.rank, YK_MAX_RANK);
    int to = 0;
    for (int i = 0; i < index->rank - 1; i++)
        out.dims[to++] = index->dims[i];
    for (int i = (int)depth; i < in->rank; i++)
        out.dims[to++] = in->dims[i];
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_shape(yk_call *c)
{
    c->out[0].shape = (yk_shape){.rank = 1, .dims = {c->in[0].shape.rank}};
    return YOLK_OK;
}

static yolk_status infer_range(yk_call *c)
{
    double v[3];
    for (int i = 0; i < 3; i++) {
        if (c->in[i].count != 1 || !c->in[i].data)
            return YK_MISFIT(c, "start, limit and step are not numbers known beforehand");
        float f;
        yk_convert(c->in[i].type, c->in[i].data, YK_F32, &f, 1);
        v[i] = c->in[i].type == YK_I64 ? (double)*(const int64_t *)c->in[i].data : (double)f;
    }
    double count = ceil((v[1] - v[0]) / v[2]);
    if (!(fabs(v[2]) > 0) || !(count < 1e9))
        return YK_MISFIT(c, "from %g to %g in steps of %g there is no end", v[0], v[1], v[2]);
    c->out[0].shape = (yk_shape){.rank = 1, .dims = {count > 0 ? (int64_t)count : 0}};
    return YOLK_OK;
}

static yolk_status infer_constant_of_shape(yk_call *c)
{
    const yk_tensor *t = &c->in[0];
    if (t->type != YK_I64 || t->shape.rank != 1 || t->count > YK_MAX_RANK || !t->data)
        return YK_MISFIT(c, "the shape is not a list of at most %d dimensions known beforehand", YK_MAX_RANK);
    c->out[0].shape.rank = (int)t->count;
    for (int i = 0; i < (int)t->count; i++) {
        c->out[0].shape.dims[i] = ((const int64_t *)t->data)[i];
        if (c->out[0].shape.dims[i] < 0)
            return YK_MISFIT(c, "dimension %d is negative", i);
    }
    return YOLK_OK;
}

static yolk_status infer_block(yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    int64_t b = c->attrs->block;
    if (in->rank != 4 || b < 1)
        return YK_MISFIT(c, "the input is not N x C x H x W, or blocks of %" PRId64 " make no sense", b);
    yk_shape out = *in;
    if (c->op == YK_OP_SPACE_TO_DEPTH) {
        if (in->dims[2] % b != 0 || in->dims[3] % b != 0)
            return YK_MISFIT(c, "height and width are not multiples of %" PRId64, b);
        out.dims[2] /= b;
        out.dims[3] /= b;
        out.dims[1] = out.dims[2] && out.dims[3] ? in->dims[1] * b * b : 0;
    } else {
        if (in->dims[1] % (b * b) != 0)
            return YK_MISFIT(c, "the channels are no multiple of %" PRId64, b * b);
        out.dims[1] /= b * b;
        if (__builtin_mul_overflow(out.dims[2], b, &out.dims[2]) ||
            __builtin_mul_overflow(out.dims[3], b, &out.dims[3]))
            return YK_MISFIT(c, "the result is too large");
    }
    c->out[0].shape = out;
    return YOLK_OK;
}

yk_infer_fn yk_infer_movement(yk_op op)
{
    switch (op) {
    case YK_OP_CONCAT:
        return infer_concat;
    case YK_OP_SLICE:
        return infer_slice;
    case YK_OP_PAD:
        return infer_pad;
    case YK_OP_RESHAPE:
        return infer_reshape;
    case YK_OP_TRANSPOSE:
        return infer_transpose;
    case YK_OP_TILE:
        return infer_tile;
    case YK_OP_SQUEEZE:
        return infer_squeeze;
    case YK_OP_UNSQUEEZE:
        return infer_unsqueeze;
    case YK_OP_FLATTEN:
        return infer_flatten;
    case YK_OP_GATHER:
        return infer_gather;
    case YK_OP_GATHER_ELEMENTS:
        return infer_gather_elements;
    case YK_OP_GATHER_ND:
        return infer_gather_nd;
    case YK_OP_SHAPE:
        return infer_shape;
    case YK_OP_RANGE:
        return infer_range;
    case YK_OP_CONSTANT_OF_SHAPE:
        return infer_constant_of_shape;
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
        return infer_block;
    default:
        return NULL;
    }
}
