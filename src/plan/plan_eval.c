/* One step of a plan by plain loops, through the graph's own evaluation. */
#include <string.h>

#include "plan/plan_eval.h"

void yk_plan_bind(const yk_plan *p, void *arena, const uint8_t *input, float *const *outputs, void **data)
{
    for (int i = 0; i < p->tensor_count; i++) {
        const yk_plan_tensor *t = &p->tensors[i];
        data[i] = t->data ? (void *)t->data : t->offset >= 0 ? (uint8_t *)arena + t->offset : NULL;
    }
    data[p->input] = (void *)input;
    for (int i = 0; i < p->output_count; i++)
        data[p->outputs[i]] = outputs[i];
    for (int i = 0; i < p->tensor_count; i++) {
        const yk_plan_tensor *t = &p->tensors[i];
        const size_t size = yk_plan_is_half(p, i) ? sizeof(uint16_t) : yk_type_size(t->type);
        if (t->root != i && data[t->root])
            data[i] = (uint8_t *)data[t->root] + t->start * (int64_t)size;
    }
}

/* One element, which is a half at its place. */
static void move_half(void *element, void *place, bool gather)
{
    uint16_t half;
    float value;
    if (gather) {
        memcpy(&half, place, sizeof half);
        value = yk_half_to_float(half);
        memcpy(element, &value, sizeof value);
    } else {
        memcpy(&value, element, sizeof value);
        half = yk_float_to_half(value);
        memcpy(place, &half, sizeof half);
    }
}

/* Between a place in a root and elements that lie as the graph has them. */
static void move(const yk_plan_tensor *t, bool half, void *plain, void *at, bool gather)
{
    const bool pixels = t->layout == YK_LAYOUT_NHWC;
    const size_t size = yk_type_size(t->type), step = half ? sizeof(uint16_t) : size;
    const int64_t *d = t->shape.dims, pitch = pixels ? t->pixel : 1;
    const int64_t count = pixels ? d[0] : 1, channels = pixels ? d[1] : 1;
    const int64_t area = pixels ? d[2] * d[3] : yk_shape_count(&t->shape);
    for (int64_t n = 0; n < count; n++) {
        for (int64_t c = 0; c < channels; c++) {
            uint8_t *row = (uint8_t *)plain + (size_t)((n * channels + c) * area) * size;
            uint8_t *place = (uint8_t *)at + (size_t)(n * area * pitch + c) * step;
            for (int64_t i = 0; i < area; i++, row += size, place += (size_t)pitch * step) {
                if (half)
                    move_half(row, place, gather);
                else
                    memcpy(gather ? row : place, gather ? place : row, size);
            }
        }
    }
}

/* Tensor `index`'s elements as the graph has them: at their place, or in memory of their own, which is `*own`. */
static yolk_status fetch(const yk_plan *p, int index, void *at, bool gather, void **own, yk_tensor *out)
{
    const yk_plan_tensor *t = &p->tensors[index];
    const bool half = yk_plan_is_half(p, index);
    *own = NULL;
    if (!at)
        return yk_fail(YOLK_ERROR_BACKEND, "a step uses a tensor that has no place");
    if (t->layout == YK_LAYOUT_NHWC || half) {
        *own = yk_calloc((size_t)YK_MAX(yk_shape_count(&t->shape), 1), yk_type_size(t->type));
        if (!*own)
            return YOLK_ERROR_OUT_OF_MEMORY;
        if (gather)
            move(t, half, *own, at, true);
    }
    *out = yk_call_tensor(t->type, &t->shape, *own ? *own : at);
    return YOLK_OK;
}

static void to_floats(const yk_plan *p, const yk_tensor *in, yk_tensor *out)
{
    const uint8_t *bytes = in->data;
    float *floats = out->data;
    for (int64_t i = 0; i < out->count; i++)
        floats[i] = (float)bytes[i] / p->input_divisor;
}

static yolk_status add_residual(const yk_tensor *residual, yk_tensor *sum)
{
    const float *from = residual->data;
    float *to = sum->data;
    for (int64_t i = 0; i < sum->count; i++)
        to[i] += from[i];
    return YOLK_OK;
}

static yolk_status compute(const yk_plan *p, const yk_step *s, yk_call *c, const yk_tensor *residual)
{
    if (s->kind == YK_STEP_INPUT) {
        to_floats(p, &c->in[0], &c->out[0]);
        return YOLK_OK;
    }
    if (s->kind == YK_STEP_ATTENTION)
        return yk_plan_eval_attention(&s->attention, &c->in[0].shape, c->in[0].data, c->out[0].data);
    if (yk_plan_is_quantized(s, c))
        return yk_plan_eval_quantized(p, s, c, residual);
    if (s->kind == YK_STEP_NODE && s->op == YK_OP_CONV && s->inputs[0] == p->input) {
        /* A convolution that takes bytes. */
        yk_tensor floats = yk_call_tensor(YK_F32, &c->in[0].shape, NULL);
        floats.data = yk_calloc((size_t)floats.count, sizeof(float));
        if (!floats.data)
            return YOLK_ERROR_OUT_OF_MEMORY;
        to_floats(p, &c->in[0], &floats);
        c->in[0] = floats;
        yolk_status status = yk_eval(c);
        yk_free(floats.data);
        return status == YOLK_OK && residual->given ? add_residual(residual, &c->out[0]) : status;
    }
    if (s->kind == YK_STEP_COPY) {
        yk_convert(c->in[0].type, c->in[0].data, c->out[0].type, c->out[0].data, c->out[0].count);
        return YOLK_OK;
    }
    yolk_status status = yk_eval(c);
    return status == YOLK_OK && residual->given ? add_residual(residual, &c->out[0]) : status;
}

yolk_status yk_plan_eval(const yk_plan *p, const yk_step *s, void *const *data)
{
    const yk_node node = {.op = s->op,
                          .name = s->name,
                          .input_count = s->input_count,
                          .output_count = s->output_count,
                          .attrs = s->attrs};
    void *own[YK_STEP_INPUTS + 3] = {NULL};
    yk_tensor residual = {.given = false};
    yolk_status status = YOLK_OK;
    yk_call c;
    yk_call_begin(&c, &node, p->size);
    for (int i = 0; i < s->input_count && status == YOLK_OK; i++) {
        const int t = s->inputs[i];
        if (t != YK_NONE)
            status = fetch(p, t, data[t], true, &own[i], &c.in[i]);
    }
    for (int i = 0; i < s->output_count && status == YOLK_OK; i++) {
        const int t = s->outputs[i];
        status = fetch(p, t, data[t], false, &own[YK_STEP_INPUTS + i], &c.out[i]);
    }
    if (s->residual != YK_NONE && status == YOLK_OK)
        status = fetch(p, s->residual, data[s->residual], true, &own[YK_STEP_INPUTS + 2], &residual);
    if (status == YOLK_OK)
        status = compute(p, s, &c, &residual);
    for (int i = 0; i < s->output_count && status == YOLK_OK; i++) {
        void *made = own[YK_STEP_INPUTS + i];
        if (made)
            move(&p->tensors[s->outputs[i]], yk_plan_is_half(p, s->outputs[i]), made, data[s->outputs[i]], false);
    }
    for (size_t i = 0; i < YK_COUNT(own); i++)
        yk_free(own[i]);
    return status;
}
