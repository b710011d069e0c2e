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
        if (t->root != i && data[t->root])
            data[i] = (uint8_t *)data[t->root] + t->start * (int64_t)yk_type_size(t->type);
    }
}

/* Between a place in a root and elements that lie as the graph has them. */
static void move_nhwc(const yk_plan_tensor *t, void *plain, void *at, bool gather)
{
    const size_t size = yk_type_size(t->type);
    const int64_t *d = t->shape.dims, area = d[2] * d[3];
    for (int64_t n = 0; n < d[0]; n++) {
        for (int64_t c = 0; c < d[1]; c++) {
            uint8_t *row = (uint8_t *)plain + (size_t)((n * d[1] + c) * area) * size;
            uint8_t *place = (uint8_t *)at + (size_t)(n * area * t->pixel + c) * size;
            for (int64_t i = 0; i < area; i++, row += size, place += (size_t)t->pixel * size) {
                if (gather)
                    memcpy(row, place, size);
                else
                    memcpy(place, row, size);
            }
        }
    }
}

/* A tensor's elements as the graph has them: at their place, or in memory of their own, which is `*own`. */
static yolk_status fetch(const yk_plan_tensor *t, void *at, bool gather, void **own, yk_tensor *out)
{
    *own = NULL;
    if (!at)
        return yk_fail(YOLK_ERROR_BACKEND, "a step uses a tensor that has no place");
    if (t->layout == YK_LAYOUT_NHWC) {
        *own = yk_calloc((size_t)yk_shape_count(&t->shape), yk_type_size(t->type));
        if (!*own)
            return YOLK_ERROR_OUT_OF_MEMORY;
        if (gather)
            move_nhwc(t, *own, at, true);
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
    if (p->float_bytes != (int)sizeof(float))
        return yk_fail(YOLK_ERROR_BACKEND, "a plan of halves cannot be run by plain loops");
    yk_call_begin(&c, &node, p->size);
    for (int i = 0; i < s->input_count && status == YOLK_OK; i++) {
        const int t = s->inputs[i];
        if (t != YK_NONE)
            status = fetch(&p->tensors[t], data[t], true, &own[i], &c.in[i]);
    }
    for (int i = 0; i < s->output_count && status == YOLK_OK; i++) {
        const int t = s->outputs[i];
        status = fetch(&p->tensors[t], data[t], false, &own[YK_STEP_INPUTS + i], &c.out[i]);
    }
    if (s->residual != YK_NONE && status == YOLK_OK)
        status = fetch(&p->tensors[s->residual], data[s->residual], true, &own[YK_STEP_INPUTS + 2], &residual);
    if (status == YOLK_OK)
        status = compute(p, s, &c, &residual);
    for (int i = 0; i < s->output_count && status == YOLK_OK; i++) {
        const yk_plan_tensor *t = &p->tensors[s->outputs[i]];
        if (t->layout == YK_LAYOUT_NHWC)
            move_nhwc(t, own[YK_STEP_INPUTS + i], data[s->outputs[i]], false);
    }
    for (size_t i = 0; i < YK_COUNT(own); i++)
        yk_free(own[i]);
    return status;
}
