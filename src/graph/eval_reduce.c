/* Operators along axes: reductions, softmax, the largest values. */
#include "graph/call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tensor seen as outer x length x inner, the axis in the middle. */
typedef struct lines {
    int64_t outer, length, inner;
} lines;

static lines along(const yk_shape *s, int axis)
{
    lines l = {.outer = 1, .length = s->dims[axis], .inner = 1};
    for (int i = 0; i < axis; i++)
        l.outer *= s->dims[i];
    for (int i = axis + 1; i < s->rank; i++)
        l.inner *= s->dims[i];
    return l;
}

yolk_status yk_eval_softmax(const yk_call *c)
{
    lines l = along(&c->in[0].shape, yk_axis(c->attrs->axis, c->in[0].shape.rank));
    for (int64_t o = 0; o < l.outer; o++) {
        for (int64_t i = 0; i < l.inner; i++) {
            const float *in = (const float *)c->in[0].data + o * l.length * l.inner + i;
            float *out = (float *)c->out[0].data + o * l.length * l.inner + i;
            float most = -INFINITY;
            double sum = 0;
            for (int64_t k = 0; k < l.length; k++)
                most = YK_MAX(most, in[k * l.inner]);
            for (int64_t k = 0; k < l.length; k++) {
                out[k * l.inner] = expf(in[k * l.inner] - most);
                sum += (double)out[k * l.inner];
            }
            float share = (float)(1 / sum);
            for (int64_t k = 0; k < l.length; k++)
                out[k * l.inner] *= share;
        }
    }
    return YOLK_OK;
}

static void reduce_floats(const yk_call *c, const yk_rows *r)
{
    float *out = (float *)c->out[0].data + r->offset[0];
    const float *in = (const float *)c->in[0].data + r->offset[1];
    for (int64_t i = 0; i < r->length; i++) {
        float *to = out + i * r->step[0], v = in[i * r->step[1]];
        if (c->op == YK_OP_REDUCE_MAX)
            *to = isnan(v) || v > *to ? v : *to;
        else if (c->op == YK_OP_REDUCE_MIN)
            *to = isnan(v) || v < *to ? v : *to;
        else
            *to += v;
    }
}

static void reduce_integers(const yk_call *c, const yk_rows *r)
{
    int64_t *out = (int64_t *)c->out[0].data + r->offset[0];
    const int64_t *in = (const int64_t *)c->in[0].data + r->offset[1];
    for (int64_t i = 0; i < r->length; i++) {
        int64_t *to = out + i * r->step[0], v = in[i * r->step[1]];
        if (c->op == YK_OP_REDUCE_MAX)
            *to = YK_MAX(*to, v);
        else if (c->op == YK_OP_REDUCE_MIN)
            *to = YK_MIN(*to, v);
        else
            *to = (int64_t)((uint64_t)*to + (uint64_t)v);
    }
}

yolk_status yk_eval_reduce(const yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    bool floats = c->in[0].type == YK_F32;
    int64_t count = c->out[0].count, folded = count ? c->in[0].count / count : 0;
    for (int64_t i = 0; i < count; i++) {
        if (floats)
            ((float *)c->out[0].data)[i] = c->op == YK_OP_REDUCE_MAX   ? -INFINITY
                                           : c->op == YK_OP_REDUCE_MIN ? INFINITY
                                                                       : 0;
        else
            ((int64_t *)c->out[0].data)[i] = c->op == YK_OP_REDUCE_MAX   ? INT64_MIN
                                             : c->op == YK_OP_REDUCE_MIN ? INT64_MAX
                                                                         : 0;
    }
    /* The output as a tensor of the input's rank, with 1 where an axis is folded up. */
    yk_shape kept = *in;
    for (int i = 0; i < in->rank && c->attrs->axes_count == 0; i++)
        kept.dims[i] = 1;
    for (int i = 0; i < c->attrs->axes_count; i++)
        kept.dims[yk_axis(c->attrs->axes[i], in->rank)] = 1;
    yk_rows r;
    yk_rows_shape(&r, in, 2);
    yk_rows_operand(&r, 0, &kept);
    yk_rows_operand(&r, 1, in);
    for (yk_rows_begin(&r); r.more; yk_rows_next(&r)) {
        if (floats)
            reduce_floats(c, &r);
        else
            reduce_integers(c, &r);
    }
    for (int64_t i = 0; i < count && c->op == YK_OP_REDUCE_MEAN; i++) {
        if (floats)
            ((float *)c->out[0].data)[i] /= (float)folded;
        else if (folded > 0)
            ((int64_t *)c->out[0].data)[i] /= folded;
    }
    return YOLK_OK;
}

/* ---- order ---- */

/* A number that orders as the element does, NaN above all. */
static uint64_t order_key(const yk_tensor *t, int64_t i)
{
    if (t->type == YK_I64)
        return (uint64_t)((const int64_t *)t->data)[i] ^ (uint64_t)1 << 63;
    float v = ((const float *)t->data)[i] + 0.0f; /* -0 becomes 0 */
    if (isnan(v))
        return UINT32_MAX;
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits >> 31 ? ~bits : bits | (uint32_t)1 << 31;
}

yolk_status yk_eval_arg_max(const yk_call *c)
{
    lines l = along(&c->in[0].shape, yk_axis(c->attrs->axis, c->in[0].shape.rank));
    for (int64_t o = 0; o < l.outer; o++) {
        for (int64_t i = 0; i < l.inner; i++) {
            int64_t best = 0;
            uint64_t most = order_key(&c->in[0], o * l.length * l.inner + i);
            for (int64_t k = 1; k < l.length; k++) {
                uint64_t key = order_key(&c->in[0], (o * l.length + k) * l.inner + i);
                if (key > most) {
                    most = key;
                    best = k;
                }
            }
            ((int64_t *)c->out[0].data)[o * l.inner + i] = best;
        }
    }
    return YOLK_OK;
}

typedef struct ranked {
    uint64_t key;
    int64_t place;
} ranked;

/* Falling; of equals the one that comes first. */
static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

yolk_status yk_eval_topk(const yk_call *c)
{
    int axis = yk_axis(c->attrs->axis, c->in[0].shape.rank);
    lines l = along(&c->in[0].shape, axis);
    int64_t k = c->out[0].shape.dims[axis];
    size_t size = yk_type_size(c->in[0].type);
    ranked *order = yk_calloc((size_t)l.length, sizeof(*order));
    if (!order)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int64_t line = 0; line < l.outer * l.inner; line++) {
        int64_t o = line / l.inner, i = line % l.inner;
        for (int64_t p = 0; p < l.length; p++) {
            uint64_t key = order_key(&c->in[0], (o * l.length + p) * l.inner + i);
            order[p] = (ranked){.key = c->attrs->largest ? key : ~key, .place = p};
        }
        qsort(order, (size_t)l.length, sizeof(*order), by_rank);
        for (int64_t p = 0; p < k; p++) {
            int64_t to = (o * k + p) * l.inner + i, from = (o * l.length + order[p].place) * l.inner + i;
            memcpy((uint8_t *)c->out[0].data + (size_t)to * size, (const uint8_t *)c->in[0].data + (size_t)from * size,
                   size);
            if (c->output_count > 1)
                ((int64_t *)c->out[1].data)[to] = order[p].place;
        }
    }
    yk_free(order);
    return YOLK_OK;
}
