/* Operators that make tensors of shapes and numbers, or change the type of what they are given. */
#include "graph/call.h"

#include <math.h>
#include <string.h>

yolk_status yk_eval_shape(const yk_call *c)
{
    memcpy(c->out[0].data, c->in[0].shape.dims, (size_t)c->in[0].shape.rank * sizeof(int64_t));
    return YOLK_OK;
}

yolk_status yk_eval_range(const yk_call *c)
{
    int64_t count = c->out[0].count;
    if (c->out[0].type == YK_F32) {
        float start = *(const float *)c->in[0].data, step = *(const float *)c->in[2].data;
        for (int64_t i = 0; i < count; i++)
            ((float *)c->out[0].data)[i] = start + (float)i * step;
    } else {
        uint64_t value = (uint64_t) * (const int64_t *)c->in[0].data,
                 step = (uint64_t) * (const int64_t *)c->in[2].data;
        for (int64_t i = 0; i < count; i++, value += step)
            ((int64_t *)c->out[0].data)[i] = (int64_t)value;
    }
    return YOLK_OK;
}

yolk_status yk_eval_constant_of_shape(const yk_call *c)
{
    size_t size = yk_type_size(c->out[0].type);
    union {
        float f;
        int64_t i;
    } value;
    yk_convert(YK_F32, &c->attrs->alpha, c->out[0].type, &value, 1);
    for (int64_t i = 0; i < c->out[0].count; i++)
        memcpy((uint8_t *)c->out[0].data + (size_t)i * size, &value, size);
    return YOLK_OK;
}

yolk_status yk_eval_cast(const yk_call *c)
{
    yk_convert(c->in[0].type, c->in[0].data, c->out[0].type, c->out[0].data, c->in[0].count);
    return YOLK_OK;
}

/* ---- quantization: one scale for all, or one for each place along an axis ---- */

typedef struct quant_walk {
    int64_t inner, places; /* elements that follow with the same scale; scales */
} quant_walk;

static quant_walk walk(const yk_call *c)
{
    const yk_shape *in = &c->in[0].shape;
    quant_walk w = {.inner = c->in[0].count, .places = c->in[1].count};
    if (w.places > 1) {
        w.inner = 1;
        for (int i = yk_axis(c->attrs->axis, in->rank) + 1; i < in->rank; i++)
            w.inner *= in->dims[i];
    }
    return w;
}

static float scale_at(const yk_call *c, int64_t place)
{
    float scale;
    size_t size = yk_type_size(c->in[1].type);
    yk_convert(c->in[1].type, (const uint8_t *)c->in[1].data + (size_t)place * size, YK_F32, &scale, 1);
    return scale;
}

static int64_t integer_at(const yk_tensor *t, int64_t i)
{
    switch (t->type) {
    case YK_I8:
        return ((const int8_t *)t->data)[i];
    case YK_U8:
        return ((const uint8_t *)t->data)[i];
    default:
        return ((const int32_t *)t->data)[i];
    }
}

yolk_status yk_eval_quantize(const yk_call *c)
{
    quant_walk w = walk(c);
    bool is_signed = c->out[0].type == YK_I8, has_zero = c->input_count > 2 && c->in[2].given;
    float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    for (int64_t i = 0; i < c->in[0].count; i += w.inner) {
        int64_t place = i / w.inner % w.places;
        float scale = scale_at(c, place), zero = has_zero ? (float)integer_at(&c->in[2], place) : 0;
        for (int64_t k = i; k < i + w.inner; k++) {
            float v;
            if (c->in[0].type == YK_F32)
                v = ((const float *)c->in[0].data)[k];
            else
                yk_convert(c->in[0].type, (const uint8_t *)c->in[0].data + (size_t)k * yk_type_size(c->in[0].type),
                           YK_F32, &v, 1);
            v = rintf(v / scale) + zero; /* halves to even in the default rounding mode */
            int q = v >= high ? (int)high : v > low ? (int)v : (int)low;
            ((uint8_t *)c->out[0].data)[k] = (uint8_t)q;
        }
    }
    return YOLK_OK;
}

yolk_status yk_eval_dequantize(const yk_call *c)
{
    quant_walk w = walk(c);
    bool has_zero = c->input_count > 2 && c->in[2].given;
    size_t size = yk_type_size(c->out[0].type);
    for (int64_t i = 0; i < c->in[0].count; i += w.inner) {
        int64_t place = i / w.inner % w.places;
        float scale = scale_at(c, place);
        int64_t zero = has_zero ? integer_at(&c->in[2], place) : 0;
        for (int64_t k = i; k < i + w.inner; k++) {
            float v = (float)(integer_at(&c->in[0], k) - zero) * scale;
            if (c->out[0].type == YK_F32)
                ((float *)c->out[0].data)[k] = v;
            else
                yk_convert(YK_F32, &v, c->out[0].type, (uint8_t *)c->out[0].data + (size_t)k * size, 1);
        }
    }
    return YOLK_OK;
}
