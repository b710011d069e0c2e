/* Shape inference: convolution, pooling, resizing, matrix products. */
#include "graph/call.h"

#include <inttypes.h>

static yolk_status check_window(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    if (c->in[0].shape.rank != 4)
        return YK_MISFIT(c, "the input is not N x C x H x W");
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1 || a->stride[i] < 1 || a->dilation[i] < 1 || a->pads[i] < 0 || a->pads[i + 2] < 0)
            return YK_MISFIT(c, "kernel %dx%d, stride %dx%d, dilation %dx%d, padding %d,%d,%d,%d make no window",
                             a->kernel[0], a->kernel[1], a->stride[0], a->stride[1], a->dilation[0], a->dilation[1],
                             a->pads[0], a->pads[1], a->pads[2], a->pads[3]);
    }
    return YOLK_OK;
}

/* Places of the window along height (i = 0) or width (1). */
static yolk_status slide(const yk_call *c, int i, int64_t *out)
{
    const yk_attrs *a = c->attrs;
    int64_t in = c->in[0].shape.dims[2 + i];
    int64_t room = in + a->pads[i] + a->pads[i + 2] - (int64_t)a->dilation[i] * (a->kernel[i] - 1) - 1;
    if (room < 0)
        return YK_MISFIT(c, "the kernel is larger than the padded input");
    int64_t places = room / a->stride[i] + 1;
    /* A last window that begins in the padding behind the input would see nothing of it. */
    if (a->ceil_mode && room % a->stride[i] != 0 && places * a->stride[i] < in + a->pads[i])
        places++;
    *out = places;
    return YOLK_OK;
}

static yolk_status check_weights(const yk_call *c, int64_t in_channels, int64_t out_channels)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *w = &c->in[1].shape;
    if (a->kernel[0] != w->dims[2] || a->kernel[1] != w->dims[3])
        return YK_MISFIT(c, "the kernel is said to be %dx%d and is not", a->kernel[0], a->kernel[1]);
    if (in_channels != c->in[0].shape.dims[1])
        return YK_MISFIT(c, "the weights are for %" PRId64 " channels, the input has %" PRId64, in_channels,
                         c->in[0].shape.dims[1]);
    if (c->input_count > 2 && c->in[2].given && (c->in[2].shape.rank != 1 || c->in[2].count != out_channels))
        return YK_MISFIT(c, "the bias does not have %" PRId64 " values", out_channels);
    return YOLK_OK;
}

static yolk_status infer_conv(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    yolk_status status = check_window(c);
    if (status != YOLK_OK)
        return status;
    int64_t channels;
    if (w->rank != 4 || a->groups < 1 || w->dims[0] < 1 || w->dims[0] % a->groups != 0 || w->dims[1] < 1 ||
        __builtin_mul_overflow(w->dims[1], a->groups, &channels))
        return YK_MISFIT(c, "the weights are not O x I x H x W in %d groups", a->groups);
    c->out[0].shape = (yk_shape){.rank = 4, .dims = {x->dims[0], w->dims[0]}};
    status = check_weights(c, channels, w->dims[0]);
    for (int i = 0; i < 2 && status == YOLK_OK; i++)
        status = slide(c, i, &c->out[0].shape.dims[2 + i]);
    return status;
}

static yolk_status infer_conv_transpose(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    yolk_status status = check_window(c);
    if (status != YOLK_OK)
        return status;
    int64_t channels;
    if (w->rank != 4 || a->groups < 1 || w->dims[0] < 1 || w->dims[0] % a->groups != 0 || w->dims[1] < 1 ||
        __builtin_mul_overflow(w->dims[1], a->groups, &channels))
        return YK_MISFIT(c, "the weights are not I x O x H x W in %d groups", a->groups);
    c->out[0].shape = (yk_shape){.rank = 4, .dims = {x->dims[0], channels}};
    status = check_weights(c, w->dims[0], channels);
    for (int i = 0; i < 2 && status == YOLK_OK; i++) {
        int64_t reach = (int64_t)a->dilation[i] * (a->kernel[i] - 1) + 1 - a->pads[i] - a->pads[i + 2], size;
        if (__builtin_mul_overflow(x->dims[2 + i] - 1, (int64_t)a->stride[i], &size) ||
            __builtin_add_overflow(size, reach, &size) || size < 1 || x->dims[2 + i] < 1)
            return YK_MISFIT(c, "nothing or too much is left of the result");
        c->out[0].shape.dims[2 + i] = size;
    }
    return status;
}

static yolk_status infer_pool(yk_call *c)
{
    yolk_status status = check_window(c);
    c->out[0].shape = c->in[0].shape;
    for (int i = 0; i < 2 && status == YOLK_OK; i++) {
        if (c->attrs->pads[i] >= c->attrs->dilation[i] * (int64_t)(c->attrs->kernel[i] - 1) + 1)
            return YK_MISFIT(c, "the padding is as large as the window");
        status = slide(c, i, &c->out[0].shape.dims[2 + i]);
    }
    return status;
}

static yolk_status infer_global_pool(yk_call *c)
{
    if (c->in[0].shape.rank < 3)
        return YK_MISFIT(c, "the input is not N x C x H x W");
    c->out[0].shape = c->in[0].shape;
    for (int i = 2; i < c->in[0].shape.rank; i++)
        c->out[0].shape.dims[i] = 1;
    return YOLK_OK;
}

static yolk_status infer_resize(yk_call *c)
{
    const yk_attrs *a = c->attrs;
    if (c->in[0].shape.rank != 4 || c->in[0].shape.dims[2] < 1 || c->in[0].shape.dims[3] < 1)
        return YK_MISFIT(c, "the input is not N x C x H x W");
    if (a->coordinate_mode < 0 || a->coordinate_mode > 3)
        return YK_MISFIT(c, "coordinate mode %d does not exist", a->coordinate_mode);
    const int sizes[2] = {a->size_h, a->size_w};
    const float scales[2] = {a->scale_h, a->scale_w};
    c->out[0].shape = c->in[0].shape;
    for (int i = 0; i < 2; i++) {
        float size = sizes[i] ? (float)sizes[i] : scales[i] * (float)c->in[0].shape.dims[2 + i];
        if (!(size >= 1 && size < 1e9f))
            return YK_MISFIT(c, "it cannot be resized by %gx%g to %dx%d", scales[0], scales[1], sizes[0], sizes[1]);
        c->out[0].shape.dims[2 + i] = sizes[i] ? sizes[i] : (int64_t)size;
    }
    return YOLK_OK;
}

static yolk_status infer_matmul(yk_call *c)
{
    yk_shape a = c->in[0].shape, b = c->in[1].shape;
    if (a.rank < 1 || b.rank < 1)
        return YK_MISFIT(c, "a scalar is no matrix");
    /* As in numpy: a vector is a row on the left and a column on the right, and its dimension goes away. */
    bool row = a.rank == 1, column = b.rank == 1;
    if (row)
        a = (yk_shape){.rank = 2, .dims = {1, a.dims[0]}};
    if (column)
        b = (yk_shape){.rank = 2, .dims = {b.dims[0], 1}};
    if (a.dims[a.rank - 1] != b.dims[b.rank - 2])
        return YK_MISFIT(c, "%" PRId64 " columns do not meet %" PRId64 " rows", a.dims[a.rank - 1], b.dims[b.rank - 2]);
    yk_shape out = {.rank = YK_MAX(a.rank, b.rank)};
    for (int i = 0; i < out.rank - 2; i++) {
        int ia = i - (out.rank - a.rank), ib = i - (out.rank - b.rank);
        int64_t da = ia < 0 ? 1 : a.dims[ia], db = ib < 0 ? 1 : b.dims[ib];
        if (da != db && da != 1 && db != 1)
            return YK_MISFIT(c, "the leading dimensions cannot be broadcast");
        out.dims[i] = da == 1 ? db : da;
    }
    int kept = out.rank - 2;
    if (!row)
        out.dims[kept++] = a.dims[a.rank - 2];
    if (!column)
        out.dims[kept++] = b.dims[b.rank - 1];
    out.rank = kept;
    c->out[0].shape = out;
    return YOLK_OK;
}

static yolk_status infer_gemm(yk_call *c)
{
    const yk_attrs *t = c->attrs;
    const yk_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    if (a->rank != 2 || b->rank != 2)
        return YK_MISFIT(c, "the inputs are not two matrices");
    int64_t m = a->dims[t->transpose_a ? 1 : 0], n = b->dims[t->transpose_b ? 0 : 1];
    if (a->dims[t->transpose_a ? 0 : 1] != b->dims[t->transpose_b ? 1 : 0])
        return YK_MISFIT(c, "the inner dimensions differ");
    if (c->input_count > 2 && c->in[2].given) {
        const yk_shape *s = &c->in[2].shape;
        int64_t rows = s->rank > 1 ? s->dims[0] : 1, columns = s->rank > 0 ? s->dims[s->rank - 1] : 1;
        if (s->rank > 2 || (rows != 1 && rows != m) || (columns != 1 && columns != n))
            return YK_MISFIT(c, "what is added cannot be broadcast to %" PRId64 "x%" PRId64, m, n);
    }
    c->out[0].shape = (yk_shape){.rank = 2, .dims = {m, n}};
    return YOLK_OK;
}

yk_infer_fn yk_infer_layer(yk_op op)
{
    switch (op) {
    case YK_OP_CONV:
        return infer_conv;
    case YK_OP_CONV_TRANSPOSE:
        return infer_conv_transpose;
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
        return infer_pool;
    case YK_OP_GLOBAL_AVERAGE_POOL:
        return infer_global_pool;
    case YK_OP_RESIZE:
        return infer_resize;
    case YK_OP_MATMUL:
        return infer_matmul;
    case YK_OP_GEMM:
        return infer_gemm;
    default:
        return NULL;
    }
}
