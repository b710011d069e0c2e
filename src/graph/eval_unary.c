/* Operators on one element at a time, and those whose other inputs are a few numbers. */
#include "graph/call.h"

#include <math.h>

#define EACH(type, expression)                                                                                         \
    do {                                                                                                               \
        const type *in = c->in[0].data;                                                                                \
        type *out = c->out[0].data;                                                                                    \
        for (int64_t i = 0; i < c->in[0].count; i++) {                                                                 \
            type x = in[i];                                                                                            \
            out[i] = (expression);                                                                                     \
        }                                                                                                              \
    } while (0)

static float softplus(float x)
{
    /* exp(x) alone would overflow where the result is x to the last bit anyway. */
    return x > 20 ? x : log1pf(expf(x));
}

static float gelu(float x, int approximate)
{
    if (approximate)
        return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    return 0.5f * x * (1 + erff(x * 0.7071067812f));
}

static float clamp_unit(float x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static uint8_t invert(uint8_t x)
{
    return !x;
}

yolk_status yk_eval_unary(const yk_call *c)
{
    const yk_attrs *a = c->attrs;
    bool integers = c->in[0].type == YK_I64;
    switch (c->op) {
    case YK_OP_SIGMOID:
        EACH(float, 1 / (1 + expf(-x)));
        break;
    case YK_OP_SILU:
        EACH(float, x / (1 + expf(-x)));
        break;
    case YK_OP_RELU:
        EACH(float, x > 0 ? x : 0);
        break;
    case YK_OP_LEAKY_RELU:
        EACH(float, x > 0 ? x : x * a->alpha);
        break;
    case YK_OP_HARD_SWISH:
        EACH(float, x *clamp_unit(x / 6 + 0.5f));
        break;
    case YK_OP_HARD_SIGMOID:
        EACH(float, clamp_unit(x * a->alpha + a->beta));
        break;
    case YK_OP_TANH:
        EACH(float, tanhf(x));
        break;
    case YK_OP_MISH:
        EACH(float, x *tanhf(softplus(x)));
        break;
    case YK_OP_GELU:
        EACH(float, gelu(x, a->approximate));
        break;
    case YK_OP_ERF:
        EACH(float, erff(x));
        break;
    case YK_OP_SOFTPLUS:
        EACH(float, softplus(x));
        break;
    case YK_OP_ELU:
        EACH(float, x > 0 ? x : a->alpha * expm1f(x));
        break;
    case YK_OP_EXP:
        EACH(float, expf(x));
        break;
    case YK_OP_LOG:
        EACH(float, logf(x));
        break;
    case YK_OP_SQRT:
        EACH(float, sqrtf(x));
        break;
    case YK_OP_NEG:
        if (integers)
            EACH(int64_t, (int64_t)(0 - (uint64_t)x));
        else
            EACH(float, -x);
        break;
    case YK_OP_ABS:
        if (integers)
            EACH(int64_t, x < 0 ? (int64_t)(0 - (uint64_t)x) : x);
        else
            EACH(float, fabsf(x));
        break;
    case YK_OP_FLOOR:
        EACH(float, floorf(x));
        break;
    case YK_OP_CEIL:
        EACH(float, ceilf(x));
        break;
    case YK_OP_ROUND:
        EACH(float, rintf(x)); /* halves to even in the default rounding mode */
        break;
    case YK_OP_RECIPROCAL:
        EACH(float, 1 / x);
        break;
    default: /* YK_OP_NOT */
        EACH(uint8_t, invert(x));
        break;
    }
    return YOLK_OK;
}

yolk_status yk_eval_batch_norm(const yk_call *c)
{
    const yk_shape *s = &c->in[0].shape;
    const float *in = c->in[0].data, *scale = c->in[1].data, *bias = c->in[2].data;
    const float *mean = c->in[3].data, *variance = c->in[4].data;
    float *out = c->out[0].data;
    int64_t lines = s->dims[0] * s->dims[1], size = lines ? c->in[0].count / lines : 0;
    for (int64_t l = 0; l < lines; l++) {
        int64_t k = l % s->dims[1];
        float factor = scale[k] / sqrtf(variance[k] + c->attrs->alpha), shift = bias[k] - mean[k] * factor;
        for (int64_t i = l * size; i < (l + 1) * size; i++)
            out[i] = in[i] * factor + shift;
    }
    return YOLK_OK;
}

yolk_status yk_eval_clip(const yk_call *c)
{
    const void *low = c->input_count > 1 && c->in[1].given ? c->in[1].data : NULL;
    const void *high = c->input_count > 2 && c->in[2].given ? c->in[2].data : NULL;
    if (c->in[0].type == YK_I64) {
        int64_t least = low ? *(const int64_t *)low : INT64_MIN, most = high ? *(const int64_t *)high : INT64_MAX;
        EACH(int64_t, YK_MIN(YK_MAX(x, least), most));
    } else {
        float least = low ? *(const float *)low : -INFINITY, most = high ? *(const float *)high : INFINITY;
        EACH(float, x<least ? (least < most ? least : most) : x> most ? most : x);
    }
    return YOLK_OK;
}
