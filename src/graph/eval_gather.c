/* Operators that pick elements by index. */
#include "graph/call.h"

#include <inttypes.h>
#include <string.h>

static int64_t index_at(const yk_tensor *index, int64_t i)
{
    return index->type == YK_I64 ? ((const int64_t *)index->data)[i] : ((const int32_t *)index->data)[i];
}

/* Place `i` of the indices as a place along a dimension, or -1 after failing. */
static int64_t place(const yk_call *c, int64_t i, int64_t dim)
{
    int64_t at = index_at(&c->in[1], i);
    if (at >= -dim && at < dim)
        return at < 0 ? at + dim : at;
    yk_call_fail(c, YOLK_ERROR_DAMAGED, "index %" PRId64 " lies outside %" PRId64 " places", at, dim);
    return -1;
}

yolk_status yk_eval_gather(const yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    int axis = yk_axis(c->attrs->axis, in->rank);
    size_t outer = 1, inner = yk_type_size(c->in[0].type);
    for (int i = 0; i < axis; i++)
        outer *= (size_t)in->dims[i];
    for (int i = axis + 1; i < in->rank; i++)
        inner *= (size_t)in->dims[i];
    size_t line = inner * (size_t)in->dims[axis], count = (size_t)c->in[1].count;
    for (size_t k = 0; k < count; k++) {
        int64_t at = place(c, (int64_t)k, in->dims[axis]);
        if (at < 0)
            return YOLK_ERROR_DAMAGED;
        for (size_t o = 0; o < outer; o++)
            memcpy((uint8_t *)c->out[0].data + (o * count + k) * inner,
                   (const uint8_t *)c->in[0].data + o * line + (size_t)at * inner, inner);
    }
    return YOLK_OK;
}

yolk_status yk_eval_gather_elements(const yk_call *c)
{
    const yk_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    int axis = yk_axis(c->attrs->axis, in->rank);
    size_t size = yk_type_size(c->in[0].type);
    int64_t at[YK_MAX_RANK] = {0};
    for (int64_t k = 0; k < c->out[0].count; k++) {
        int64_t from = 0;
        for (int d = 0; d < in->rank; d++) {
            int64_t along = d == axis ? place(c, k, in->dims[d]) : at[d];
            if (along < 0)
                return YOLK_ERROR_DAMAGED;
            from = from * in->dims[d] + along;
        }
        memcpy((uint8_t *)c->out[0].data + (size_t)k * size, (const uint8_t *)c->in[0].data + (size_t)from * size,
               size);
        for (int d = out->rank - 1; d >= 0 && ++at[d] == out->dims[d]; d--)
            at[d] = 0;
    }
    return YOLK_OK;
}

yolk_status yk_eval_gather_nd(const yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    int depth = (int)c->in[1].shape.dims[c->in[1].shape.rank - 1];
    size_t inner = yk_type_size(c->in[0].type);
    for (int i = depth; i < in->rank; i++)
        inner *= (size_t)in->dims[i];
    for (int64_t k = 0; k < c->in[1].count / depth; k++) {
        int64_t from = 0;
        for (int d = 0; d < depth; d++) {
            int64_t along = place(c, k * depth + d, in->dims[d]);
            if (along < 0)
                return YOLK_ERROR_DAMAGED;
            from = from * in->dims[d] + along;
        }
        memcpy((uint8_t *)c->out[0].data + (size_t)k * inner, (const uint8_t *)c->in[0].data + (size_t)from * inner,
               inner);
    }
    return YOLK_OK;
}
