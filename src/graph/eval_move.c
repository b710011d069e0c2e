/* Operators that move elements and do not look at them. */
#include "graph/call.h"

#include <string.h>

yolk_status yk_eval_copy(const yk_call *c)
{
    memcpy(c->out[0].data, c->in[0].data, (size_t)c->in[0].count * yk_type_size(c->in[0].type));
    return YOLK_OK;
}

yolk_status yk_eval_concat(const yk_call *c)
{
    const yk_tensor *out = &c->out[0];
    int axis = yk_axis(c->attrs->axis, out->shape.rank);
    size_t inner = yk_type_size(out->type), outer = 1;
    for (int i = axis + 1; i < out->shape.rank; i++)
        inner *= (size_t)out->shape.dims[i];
    for (int i = 0; i < axis; i++)
        outer *= (size_t)out->shape.dims[i];
    size_t line = inner * (size_t)out->shape.dims[axis], at = 0;
    for (int k = 0; k < c->input_count; k++) {
        size_t part = inner * (size_t)c->in[k].shape.dims[axis];
        for (size_t o = 0; o < outer && part > 0; o++)
            memcpy((uint8_t *)out->data + o * line + at, (const uint8_t *)c->in[k].data + o * part, part);
        at += part;
    }
    return YOLK_OK;
}

/* A walk over the output with the output's own strides as operand 0 and none yet for the input. */
static void walk_output(yk_rows *r, const yk_call *c)
{
    yk_rows_shape(r, &c->out[0].shape, 2);
    yk_rows_operand(r, 0, &c->out[0].shape);
}

static void row_major(const yk_shape *shape, int64_t strides[YK_MAX_RANK])
{
    int64_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= shape->dims[i];
    }
}

static yolk_status finish(const yk_call *c, yk_rows *r)
{
    yk_rows_copy(r, yk_type_size(c->out[0].type), c->out[0].data, c->in[0].data);
    return YOLK_OK;
}

yolk_status yk_eval_slice(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    yk_rows r;
    walk_output(&r, c);
    row_major(&c->in[0].shape, r.strides[1]);
    if (c->out[0].count == 0)
        return YOLK_OK;
    for (int i = 0; i < a->axes_count; i++) {
        int axis = yk_axis(a->axes[i], c->in[0].shape.rank);
        int64_t first, stride = r.strides[1][axis];
        int64_t taken = yk_slice_range(c->in[0].shape.dims[axis], a->starts[i], a->ends[i], a->steps[i], &first);
        r.offset[1] += first * stride;
        /* Of a single element there is no next, and its step may be as large as it likes. */
        r.strides[1][axis] = taken > 1 ? stride * a->steps[i] : 0;
    }
    return finish(c, &r);
}

yolk_status yk_eval_pad(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *in = &c->in[0].shape;
    size_t size = yk_type_size(c->out[0].type);
    union {
        float f;
        int64_t i;
    } value;
    yk_convert(YK_F32, &a->alpha, c->out[0].type, &value, 1);
    yk_rows r;
    yk_rows_shape(&r, &c->out[0].shape, 2);
    yk_rows_operand(&r, 0, &c->out[0].shape);
    memset(r.strides[1], 0, sizeof(r.strides[1]));
    yk_rows_copy(&r, size, c->out[0].data, &value);

    /* What is kept of the input, when an end is negative a part of it. */
    yk_rows_shape(&r, in, 2);
    row_major(in, r.strides[1]);
    row_major(&c->out[0].shape, r.strides[0]);
    for (int i = 0; i < in->rank; i++) {
        int64_t skip = YK_MAX(-a->axes[i], 0), drop = YK_MAX(-a->ends[i], 0);
        r.dims[i] = YK_MAX(in->dims[i] - skip - drop, 0);
        r.offset[1] += skip * r.strides[1][i];
        r.offset[0] += YK_MAX(a->axes[i], 0) * r.strides[0][i];
    }
    return finish(c, &r);
}

yolk_status yk_eval_transpose(const yk_call *c)
{
    int64_t strides[YK_MAX_RANK];
    int rank = c->in[0].shape.rank;
    yk_rows r;
    walk_output(&r, c);
    row_major(&c->in[0].shape, strides);
    for (int i = 0; i < rank; i++)
        r.strides[1][i] = strides[c->attrs->axes_count ? yk_axis(c->attrs->axes[i], rank) : rank - 1 - i];
    return finish(c, &r);
}

yolk_status yk_eval_expand(const yk_call *c)
{
    yk_rows r;
    walk_output(&r, c);
    yk_rows_operand(&r, 1, &c->in[0].shape);
    return finish(c, &r);
}

yolk_status yk_eval_tile(const yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    int64_t from[YK_MAX_RANK] = {0}, to[YK_MAX_RANK] = {0};
    row_major(in, from);
    row_major(&c->out[0].shape, to);
    yk_rows r = {.rank = 2 * in->rank, .operands = 2};
    for (int i = 0; i < in->rank; i++) { /* repetition, then place in the original */
        r.dims[2 * i] = in->dims[i] ? c->out[0].shape.dims[i] / in->dims[i] : 0;
        r.dims[2 * i + 1] = in->dims[i];
        r.strides[0][2 * i] = to[i] * in->dims[i];
        r.strides[0][2 * i + 1] = to[i];
        r.strides[1][2 * i + 1] = from[i];
    }
    return finish(c, &r);
}

/* Both directions move N x by x bx x C x H x W, the small side, to and from N x C x H x by x W x bx, the large one. */
static yolk_status move_blocks(const yk_call *c, const yk_shape *large, int large_operand)
{
    int64_t b = c->attrs->block, width = large->dims[3], height = large->dims[2], channels = large->dims[1];
    int64_t w = width / b, h = height / b;
    yk_rows r = {.rank = 6, .operands = 2, .dims = {large->dims[0], b, b, channels, h, w}};
    const int64_t small_strides[6] = {b * b * channels * h * w, b * channels * h * w, channels * h * w, h * w, w, 1};
    const int64_t large_strides[6] = {channels * height * width, width, 1, height * width, b * width, b};
    memcpy(r.strides[large_operand], large_strides, sizeof(large_strides));
    memcpy(r.strides[1 - large_operand], small_strides, sizeof(small_strides));
    return finish(c, &r);
}

yolk_status yk_eval_space_to_depth(const yk_call *c)
{
    return move_blocks(c, &c->in[0].shape, 1);
}

yolk_status yk_eval_depth_to_space(const yk_call *c)
{
    return move_blocks(c, &c->out[0].shape, 0);
}
