/* Steps on 8-bit tensors by plain loops.
 *
 * A convolution sums (x - zero) * weight up in 32-bit integers, which is exact. The rest is in floats, in this order:
 * the sum times the product of the two scales, plus the bias, the activation, plus what is added, divided by the
 * result's scale, rounded to the nearest whole number with halves to the even one, plus its zero, held in its range.
 * Kernels may multiply by 1 / scale and round less often: where what is rounded lies within a few millionths of a
 * half, their result may be the number beside. */
#include <math.h>
#include <string.h>

#include "plan/plan_eval.h"

static int element(const yk_tensor *t, int64_t i)
{
    return t->type == YK_I8 ? ((const int8_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
}

static float real(const yk_plan_tensor *as, const yk_tensor *t, int64_t i)
{
    if (t->type == YK_F32)
        return ((const float *)t->data)[i];
    return (float)(element(t, i) - as->zero) * as->scale;
}

static void store(const yk_plan_tensor *as, const yk_tensor *t, int64_t i, float value)
{
    const float low = t->type == YK_I8 ? -128 : 0, high = low + 255;
    if (t->type == YK_F32) {
        ((float *)t->data)[i] = value;
        return;
    }
    value = rintf(value / as->scale) + (float)as->zero;
    ((uint8_t *)t->data)[i] = (uint8_t)(int)(value >= high ? high : value > low ? value : low);
}

/* Sums of one output channel o of picture n, row y. */
static void sum_row(const yk_call *c, int zero, int64_t n, int64_t o, int64_t y, int32_t *sums)
{
    const yk_attrs *a = c->attrs;
    const int64_t *in = c->in[0].shape.dims, *out = c->out[0].shape.dims, *w = c->in[1].shape.dims;
    const int64_t first = o / (out[1] / a->groups) * w[1];
    memset(sums, 0, (size_t)out[3] * sizeof *sums);
    for (int64_t k = 0; k < w[1]; k++) {
        for (int64_t ky = 0; ky < w[2]; ky++) {
            const int64_t in_y = y * a->stride[0] + ky * a->dilation[0] - a->pads[0];
            if (in_y < 0 || in_y >= in[2])
                continue;
            const int64_t row = ((n * in[1] + first + k) * in[2] + in_y) * in[3];
            for (int64_t kx = 0; kx < w[3]; kx++) {
                const int weight = element(&c->in[1], ((o * w[1] + k) * w[2] + ky) * w[3] + kx);
                for (int64_t x = 0; x < out[3]; x++) {
                    const int64_t in_x = x * a->stride[1] + kx * a->dilation[1] - a->pads[1];
                    if (in_x >= 0 && in_x < in[3])
                        sums[x] += (element(&c->in[0], row + in_x) - zero) * weight;
                }
            }
        }
    }
}

static yolk_status eval_conv(const yk_plan *p, const yk_step *s, const yk_call *c, const yk_tensor *residual)
{
    const yk_plan_tensor *x = &p->tensors[s->inputs[0]], *to = &p->tensors[s->outputs[0]];
    const int64_t *out = c->out[0].shape.dims;
    const float *bias = c->in[2].given ? c->in[2].data : NULL, *scales = c->in[3].data;
    int32_t *sums = yk_calloc((size_t)out[3] + 1, sizeof *sums);
    float *row = yk_calloc((size_t)out[3] + 1, sizeof *row);
    for (int64_t i = 0; sums && row && i < out[0] * out[1] * out[2]; i++) {
        const int64_t o = i / out[2] % out[1];
        const float scale = x->scale * scales[o];
        sum_row(c, x->zero, i / out[2] / out[1], o, i % out[2], sums);
        for (int64_t k = 0; k < out[3]; k++)
            row[k] = (float)sums[k] * scale + (bias ? bias[o] : 0);
        yk_activate(c->attrs->act, c->attrs->alpha, row, out[3]);
        for (int64_t k = 0; k < out[3]; k++) {
            const int64_t at = i * out[3] + k;
            const float added = residual->given ? real(&p->tensors[s->residual], residual, at) : 0;
            store(to, &c->out[0], at, row[k] + added);
        }
    }
    const yolk_status status = sums && row ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    yk_free(sums);
    yk_free(row);
    return status;
}

/* What only moves values, or takes the largest: through floats, which hold bytes exactly. */
static yolk_status eval_floats(yk_call *c)
{
    const yk_tensor in = c->in[0], out = c->out[0];
    c->in[0].type = c->out[0].type = YK_F32;
    c->in[0].data = yk_calloc((size_t)in.count + 1, sizeof(float));
    c->out[0].data = yk_calloc((size_t)out.count + 1, sizeof(float));
    yolk_status status = c->in[0].data && c->out[0].data ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK) {
        yk_convert(in.type, in.data, YK_F32, c->in[0].data, in.count);
        status = yk_eval(c);
    }
    if (status == YOLK_OK)
        yk_convert(YK_F32, c->out[0].data, out.type, out.data, out.count);
    yk_free(c->in[0].data);
    yk_free(c->out[0].data);
    c->in[0] = in;
    c->out[0] = out;
    return status;
}

bool yk_plan_is_quantized(const yk_step *s, const yk_call *c)
{
    if (s->kind != YK_STEP_NODE)
        return false;
    if (s->op == YK_OP_CONV)
        return c->in[1].type == YK_I8;
    return (s->op == YK_OP_MAX_POOL || s->op == YK_OP_RESIZE) && (c->in[0].type == YK_U8 || c->in[0].type == YK_I8);
}

yolk_status yk_plan_eval_quantized(const yk_plan *p, const yk_step *s, yk_call *c, const yk_tensor *residual)
{
    return s->op == YK_OP_CONV ? eval_conv(p, s, c, residual) : eval_floats(c);
}
