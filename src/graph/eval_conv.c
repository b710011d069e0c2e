/* Convolutions. The inner loops run along a row of the output, so that compilers turn them into vectors. */
#include "graph/call.h"

#include <math.h>
#include <string.h>

/* Places [*first, *last) of a row of `places` whose tap, `shift` elements off, falls into the input's `size`. */
static void valid_range(int64_t places, int64_t size, int64_t stride, int64_t shift, int64_t *first, int64_t *last)
{
    *first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    *last = size - shift > 0 ? YK_MIN((size - shift - 1) / stride + 1, places) : 0;
}

void yk_activate(yk_act act, float slope, float *row, int64_t n)
{
    switch (act) {
    case YK_ACT_NONE:
        break;
    case YK_ACT_SILU:
        for (int64_t i = 0; i < n; i++)
            row[i] = row[i] / (1 + expf(-row[i]));
        break;
    case YK_ACT_RELU:
        for (int64_t i = 0; i < n; i++)
            row[i] = row[i] > 0 ? row[i] : 0;
        break;
    case YK_ACT_LEAKY_RELU:
        for (int64_t i = 0; i < n; i++)
            row[i] = row[i] > 0 ? row[i] : row[i] * slope;
        break;
    case YK_ACT_SIGMOID:
        for (int64_t i = 0; i < n; i++)
            row[i] = 1 / (1 + expf(-row[i]));
        break;
    case YK_ACT_HARD_SWISH:
        for (int64_t i = 0; i < n; i++)
            row[i] *= YK_MAX(0.0f, YK_MIN(1.0f, row[i] / 6 + 0.5f));
        break;
    }
}

/* Adds one tap of the kernel to rows of several output channels: the input's row is read once for all of them. */
enum { CHANNELS = 4 };

static void add_tap(float *const rows[CHANNELS], const float weights[CHANNELS], const float *in, int64_t n,
                    int64_t stride)
{
    float *restrict r0 = rows[0], *restrict r1 = rows[1], *restrict r2 = rows[2], *restrict r3 = rows[3];
    float w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++) {
            r0[i] += w0 * in[i];
            r1[i] += w1 * in[i];
            r2[i] += w2 * in[i];
            r3[i] += w3 * in[i];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            r0[i] += w0 * in[i * stride];
            r1[i] += w1 * in[i * stride];
            r2[i] += w2 * in[i * stride];
            r3[i] += w3 * in[i * stride];
        }
    }
}

/* The same for what is left over. */
static void add_tap_single(float *restrict row, float w, const float *in, int64_t n, int64_t stride)
{
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++)
            row[i] += w * in[i];
    } else {
        for (int64_t i = 0; i < n; i++)
            row[i] += w * in[i * stride];
    }
}

typedef struct conv {
    const yk_attrs *attrs;
    int64_t in_h, in_w, out_h, out_w, taps; /* taps: input channels of a group */
    int64_t kernel[2], stride[2], pad[2];
} conv;

/* Rows of `count` output channels at height y. `in` is the group's first input channel; `weights` the first output
 * channel's. */
static void conv_rows(const conv *k, const float *in, const float *weights, float *const rows[CHANNELS], int count,
                      int64_t y)
{
    int64_t kernel = k->kernel[0] * k->kernel[1];
    for (int64_t ky = 0; ky < k->kernel[0]; ky++) {
        int64_t in_y = y * k->stride[0] + ky * k->attrs->dilation[0] - k->pad[0];
        if (in_y < 0 || in_y >= k->in_h)
            continue;
        for (int64_t c = 0; c < k->taps; c++) {
            const float *in_row = in + (c * k->in_h + in_y) * k->in_w;
            for (int64_t kx = 0; kx < k->kernel[1]; kx++) {
                int64_t shift = kx * k->attrs->dilation[1] - k->pad[1], first, last;
                valid_range(k->out_w, k->in_w, k->stride[1], shift, &first, &last);
                if (first >= last)
                    continue;
                float w[CHANNELS];
                float *at[CHANNELS];
                for (int o = 0; o < count; o++) {
                    w[o] = weights[(o * k->taps + c) * kernel + ky * k->kernel[1] + kx];
                    at[o] = rows[o] + first;
                }
                const float *from = in_row + first * k->stride[1] + shift;
                if (count == CHANNELS)
                    add_tap(at, w, from, last - first, k->stride[1]);
                else
                    for (int o = 0; o < count; o++)
                        add_tap_single(at[o], w[o], from, last - first, k->stride[1]);
            }
        }
    }
}

/* A convolution whose windows are single elements takes the whole picture for one row; cut into pieces that stay in
 * cache together. */
static void conv_points(const conv *k, const float *in, const float *weights, float *const planes[CHANNELS], int count)
{
    int64_t size = k->in_h * k->in_w, piece = 1024;
    for (int64_t start = 0; start < size; start += piece) {
        int64_t n = YK_MIN(piece, size - start);
        for (int64_t c = 0; c < k->taps; c++) {
            float w[CHANNELS];
            float *at[CHANNELS];
            for (int o = 0; o < count; o++) {
                w[o] = weights[o * k->taps + c];
                at[o] = planes[o] + start;
            }
            if (count == CHANNELS)
                add_tap(at, w, in + c * size + start, n, 1);
            else
                for (int o = 0; o < count; o++)
                    add_tap_single(at[o], w[o], in + c * size + start, n, 1);
        }
    }
}

yolk_status yk_eval_conv(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *x = &c->in[0].shape, *out = &c->out[0].shape;
    conv k = {.attrs = a,
              .in_h = x->dims[2],
              .in_w = x->dims[3],
              .out_h = out->dims[2],
              .out_w = out->dims[3],
              .taps = c->in[1].shape.dims[1],
              .kernel = {a->kernel[0], a->kernel[1]},
              .stride = {a->stride[0], a->stride[1]},
              .pad = {a->pads[0], a->pads[1]}};
    const float *in = c->in[0].data, *weights = c->in[1].data;
    const float *bias = c->input_count > 2 && c->in[2].given ? c->in[2].data : NULL;
    int64_t per_group = out->dims[1] / a->groups, plane = k.out_h * k.out_w, filter = c->in[1].count / out->dims[1];
    bool points = filter == k.taps && plane == k.in_h * k.in_w && k.stride[0] == 1 && k.stride[1] == 1 &&
                  k.pad[0] == 0 && k.pad[1] == 0;
    for (int64_t n = 0; n < x->dims[0]; n++) {
        for (int64_t o = 0; o < out->dims[1];) {
            int64_t group = o / per_group;
            int count = (int)YK_MIN(CHANNELS, (group + 1) * per_group - o);
            const float *group_in = in + (n * x->dims[1] + group * k.taps) * k.in_h * k.in_w;
            float *planes[CHANNELS];
            for (int i = 0; i < count; i++) {
                planes[i] = (float *)c->out[0].data + (n * out->dims[1] + o + i) * plane;
                float start = bias ? bias[o + i] : 0;
                for (int64_t p = 0; p < plane; p++)
                    planes[i][p] = start;
            }
            if (points) {
                conv_points(&k, group_in, weights + o * filter, planes, count);
            } else {
                for (int64_t y = 0; y < k.out_h; y++) {
                    float *rows[CHANNELS];
                    for (int i = 0; i < count; i++)
                        rows[i] = planes[i] + y * k.out_w;
                    conv_rows(&k, group_in, weights + o * filter, rows, count, y);
                }
            }
            for (int i = 0; i < count; i++)
                yk_activate(a->act, a->alpha, planes[i], plane);
            o += count;
        }
    }
    return YOLK_OK;
}

yolk_status yk_eval_conv_transpose(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    const yk_shape *x = &c->in[0].shape, *out = &c->out[0].shape;
    const float *weights = c->in[1].data;
    const float *bias = c->input_count > 2 && c->in[2].given ? c->in[2].data : NULL;
    int64_t in_per_group = x->dims[1] / a->groups, out_per_group = c->in[1].shape.dims[1];
    int64_t plane = out->dims[2] * out->dims[3];
    for (int64_t n = 0; n < x->dims[0]; n++) {
        for (int64_t o = 0; o < out->dims[1]; o++) {
            float *to = (float *)c->out[0].data + (n * out->dims[1] + o) * plane;
            for (int64_t p = 0; p < plane; p++)
                to[p] = bias ? bias[o] : 0;
            for (int64_t ic = 0; ic < in_per_group; ic++) {
                int64_t i = o / out_per_group * in_per_group + ic;
                const float *from = (const float *)c->in[0].data + (n * x->dims[1] + i) * x->dims[2] * x->dims[3];
                const float *w = weights + (i * out_per_group + o % out_per_group) * a->kernel[0] * a->kernel[1];
                for (int64_t y = 0; y < x->dims[2]; y++) {
                    for (int64_t ky = 0; ky < a->kernel[0]; ky++) {
                        int64_t out_y = y * a->stride[0] + ky * a->dilation[0] - a->pads[0];
                        if (out_y < 0 || out_y >= out->dims[2])
                            continue;
                        for (int64_t kx = 0; kx < a->kernel[1]; kx++) {
                            int64_t shift = kx * a->dilation[1] - a->pads[1], first, last;
                            valid_range(x->dims[3], out->dims[3], a->stride[1], shift, &first, &last);
                            for (int64_t j = first; j < last; j++)
                                to[out_y * out->dims[3] + j * a->stride[1] + shift] +=
                                    w[ky * a->kernel[1] + kx] * from[y * x->dims[3] + j];
                        }
                    }
                }
            }
            yk_activate(a->act, a->alpha, to, plane);
        }
    }
    return YOLK_OK;
}
