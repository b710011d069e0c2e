/* Pooling and resizing of planes. */
#include "graph/call.h"

#include <math.h>

static int64_t planes_of(const yk_shape *s)
{
    return s->dims[0] * s->dims[1];
}

yolk_status yk_eval_max_pool(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const int64_t *in = c->in[0].shape.dims, *out = c->out[0].shape.dims;
    for (int64_t p = 0; p < planes_of(&c->in[0].shape); p++) {
        const float *from = (const float *)c->in[0].data + p * in[2] * in[3];
        for (int64_t y = 0; y < out[2]; y++) {
            float *restrict row = (float *)c->out[0].data + (p * out[2] + y) * out[3];
            for (int64_t x = 0; x < out[3]; x++)
                row[x] = -INFINITY;
            for (int64_t ky = 0; ky < a->kernel[0]; ky++) {
                int64_t in_y = y * a->stride[0] + ky * a->dilation[0] - a->pads[0];
                if (in_y < 0 || in_y >= in[2])
                    continue;
                const float *line = from + in_y * in[3];
                for (int64_t kx = 0; kx < a->kernel[1]; kx++) {
                    int64_t shift = kx * a->dilation[1] - a->pads[1];
                    for (int64_t x = 0; x < out[3]; x++) {
                        int64_t in_x = x * a->stride[1] + shift;
                        if (in_x >= 0 && in_x < in[3] && line[in_x] > row[x])
                            row[x] = line[in_x];
                    }
                }
            }
        }
    }
    return YOLK_OK;
}

yolk_status yk_eval_average_pool(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const int64_t *in = c->in[0].shape.dims, *out = c->out[0].shape.dims;
    for (int64_t p = 0; p < planes_of(&c->in[0].shape); p++) {
        const float *from = (const float *)c->in[0].data + p * in[2] * in[3];
        float *to = (float *)c->out[0].data + p * out[2] * out[3];
        for (int64_t y = 0; y < out[2]; y++) {
            for (int64_t x = 0; x < out[3]; x++) {
                float sum = 0;
                int64_t inside = 0, padded = 0; /* taps on the input; taps on it or its padding */
                for (int64_t ky = 0; ky < a->kernel[0]; ky++) {
                    for (int64_t kx = 0; kx < a->kernel[1]; kx++) {
                        int64_t in_y = y * a->stride[0] + ky * a->dilation[0] - a->pads[0];
                        int64_t in_x = x * a->stride[1] + kx * a->dilation[1] - a->pads[1];
                        padded += in_y < in[2] + a->pads[2] && in_x < in[3] + a->pads[3];
                        if (in_y < 0 || in_y >= in[2] || in_x < 0 || in_x >= in[3])
                            continue;
                        sum += from[in_y * in[3] + in_x];
                        inside++;
                    }
                }
                to[y * out[3] + x] = sum / (float)(a->count_include_pad ? padded : inside);
            }
        }
    }
    return YOLK_OK;
}

yolk_status yk_eval_global_average_pool(const yk_call *c)
{
    int64_t planes = planes_of(&c->in[0].shape), size = planes ? c->in[0].count / planes : 0;
    for (int64_t p = 0; p < planes; p++) {
        const float *from = (const float *)c->in[0].data + p * size;
        double sum = 0;
        for (int64_t i = 0; i < size; i++)
            sum += (double)from[i];
        ((float *)c->out[0].data)[p] = (float)(sum / (double)size);
    }
    return YOLK_OK;
}

/* Place in the input that output place i of `out` comes from. */
static float source_place(const yk_attrs *a, int64_t i, int64_t in, int64_t out, float scale)
{
    switch (a->coordinate_mode) {
    case 0: /* asymmetric */
        return (float)i / scale;
    case 2: /* align_corners */
        return out > 1 ? (float)i * (float)(in - 1) / (float)(out - 1) : 0;
    case 3: /* pytorch_half_pixel */
        if (out == 1)
            return 0;
    /* fall through */
    default: /* half_pixel */
        return ((float)i + 0.5f) / scale - 0.5f;
    }
}

/* The two input places around it, and the share of the second. */
typedef struct tap {
    int64_t low, high;
    float share;
} tap;

static tap make_tap(const yk_attrs *a, int64_t i, int64_t in, int64_t out, float scale)
{
    float at = source_place(a, i, in, out, scale), last = (float)(in - 1);
    if (!a->linear) {
        float nearest = a->coordinate_mode == 0 ? floorf(at) : ceilf(at - 0.5f);
        int64_t place = (int64_t)YK_MAX(0.0f, YK_MIN(nearest, last));
        return (tap){.low = YK_MIN(place, in - 1)};
    }
    at = YK_MAX(0.0f, YK_MIN(at, last));
    int64_t low = YK_MIN((int64_t)at, in - 1);
    return (tap){.low = low, .high = YK_MIN(low + 1, in - 1), .share = at - (float)low};
}

yolk_status yk_eval_resize(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const int64_t *in = c->in[0].shape.dims, *out = c->out[0].shape.dims;
    float scale_h = a->size_h ? (float)out[2] / (float)in[2] : a->scale_h;
    float scale_w = a->size_w ? (float)out[3] / (float)in[3] : a->scale_w;
    tap *columns = yk_calloc((size_t)out[3], sizeof(*columns));
    if (!columns)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int64_t x = 0; x < out[3]; x++)
        columns[x] = make_tap(a, x, in[3], out[3], scale_w);
    for (int64_t y = 0; y < out[2]; y++) {
        tap row = make_tap(a, y, in[2], out[2], scale_h);
        for (int64_t p = 0; p < planes_of(&c->in[0].shape); p++) {
            const float *plane = (const float *)c->in[0].data + p * in[2] * in[3];
            const float *above = plane + row.low * in[3], *below = plane + row.high * in[3];
            float *to = (float *)c->out[0].data + (p * out[2] + y) * out[3];
            for (int64_t x = 0; x < out[3]; x++) {
                tap t = columns[x];
                if (!a->linear) {
                    to[x] = above[t.low];
                    continue;
                }
                float top = above[t.low] + (above[t.high] - above[t.low]) * t.share;
                float bottom = below[t.low] + (below[t.high] - below[t.low]) * t.share;
                to[x] = top + (bottom - top) * row.share;
            }
        }
    }
    yk_free(columns);
    return YOLK_OK;
}
