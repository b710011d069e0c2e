/* 8-bit networks: from pairs of QuantizeLinear and DequantizeLinear to steps on 8-bit tensors.
 *
 * Where all that a step reads comes out of DequantizeLinear, it can read the bytes themselves. What only moves values
 * becomes the same step on bytes with a DequantizeLinear behind it, so that the next step sees the same again. A
 * convolution whose weights are dequantized too takes both in eight bits; where all that read its result quantize it in
 * the same way, it gives bytes as well, and where some want floats it gives floats, which the others quantize: bytes
 * cannot be turned back into them. What nobody reads any more goes; what is left is right as it stands. */
#include <math.h>
#include <string.h>

#include "plan/plan_build.h"

enum { MOST_PRODUCTS = 1 << 16 }; /* of two 8-bit numbers, whose sum surely fits into 32 bits */

/* How a tensor is held in eight bits. */
typedef struct number {
    yk_type type;
    float scale;
    int zero;
} number;

static bool same_number(const number *a, const number *b)
{
    return a->type == b->type && a->scale == b->scale && a->zero == b->zero;
}

static bool is_node(const yk_step *s, yk_op op)
{
    return s->kind == YK_STEP_NODE && s->op == op;
}

static bool is_bytes(yk_type type)
{
    return type == YK_U8 || type == YK_I8;
}

/* Of a step that quantizes, or the other way round, with one scale for all. */
static bool find_number(const yk_plan *p, const yk_step *s, number *out)
{
    const bool to = is_node(s, YK_OP_QUANTIZE);
    if (!to && !is_node(s, YK_OP_DEQUANTIZE))
        return false;
    const yk_plan_tensor *bytes = &p->tensors[to ? s->outputs[0] : s->inputs[0]];
    const yk_plan_tensor *floats = &p->tensors[to ? s->inputs[0] : s->outputs[0]];
    const yk_plan_tensor *scale = &p->tensors[s->inputs[1]];
    const yk_plan_tensor *zero = s->input_count > 2 && s->inputs[2] != YK_NONE ? &p->tensors[s->inputs[2]] : NULL;
    if (!is_bytes(bytes->type) || floats->type != YK_F32 || bytes->layout != floats->layout || !scale->data ||
        scale->type != YK_F32 || yk_shape_count(&scale->shape) != 1 ||
        (zero && (!zero->data || zero->type != bytes->type || yk_shape_count(&zero->shape) != 1)))
        return false;
    out->type = bytes->type;
    out->scale = *(const float *)scale->data;
    out->zero = !zero ? 0 : zero->type == YK_I8 ? *(const int8_t *)zero->data : *(const uint8_t *)zero->data;
    return out->scale > 0 && isfinite(out->scale);
}

/* Whether an 8-bit tensor does not stand for other numbers already: a network might read it in two ways. */
static bool can_hold(const yk_plan *p, int tensor, const number *n)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    return t->scale == 0 || (t->scale == n->scale && t->zero == n->zero);
}

/* The 8-bit tensor that a float one is dequantized from, or YK_NONE. */
static int bytes_of(const yk_plan *p, int tensor, number *out)
{
    const int writer = tensor == YK_NONE ? YK_NONE : yk_plan_writer(p, tensor);
    if (writer == YK_NONE || !is_node(&p->steps[writer], YK_OP_DEQUANTIZE) || !find_number(p, &p->steps[writer], out))
        return YK_NONE;
    const int bytes = p->steps[writer].inputs[0];
    return !p->tensors[bytes].data && can_hold(p, bytes, out) ? bytes : YK_NONE;
}

static void hold(yk_plan *p, int tensor, const number *n)
{
    p->tensors[tensor].scale = n->scale;
    p->tensors[tensor].zero = n->zero;
}

static void replace_uses(yk_plan *p, int from, int to)
{
    for (int i = 0; i < p->step_count; i++) {
        yk_step *s = &p->steps[i];
        for (int k = 0; k < s->input_count; k++)
            s->inputs[k] = s->inputs[k] == from ? to : s->inputs[k];
        s->residual = s->residual == from ? to : s->residual;
    }
}

/* ---- constants ---- */

/* Computes a step whose inputs are all constants; its output becomes one, and the step goes. */
static yolk_status fold(yk_plan *p, int index)
{
    const yk_step *s = &p->steps[index];
    const int out = s->outputs[0];
    void **data = yk_calloc((size_t)p->tensor_count, sizeof *data);
    const size_t size = yk_type_size(p->tensors[out].type);
    void *result = yk_alloc_aligned((size_t)yk_shape_count(&p->tensors[out].shape) * size + 1);
    yolk_status status = data && result ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK) {
        for (int i = 0; i < s->input_count; i++) {
            if (s->inputs[i] != YK_NONE)
                data[s->inputs[i]] = (void *)p->tensors[s->inputs[i]].data;
        }
        data[out] = result;
        p->tensors[out].layout = YK_LAYOUT_PLAIN;
        /* Constants are 32-bit floats in every plan. */
        const int float_bytes = p->float_bytes;
        p->float_bytes = (int)sizeof(float);
        status = yk_plan_eval(p, s, data);
        p->float_bytes = float_bytes;
    }
    yk_free(data);
    if (status != YOLK_OK) {
        yk_free(result);
        return status;
    }
    p->tensors[out].data = p->tensors[out].owned = result;
    yk_plan_drop_step(p, index);
    return YOLK_OK;
}

static bool can_fold(const yk_plan *p, const yk_step *s)
{
    if (yk_plan_is_output(p, s->outputs[0]))
        return false;
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] != YK_NONE && !p->tensors[s->inputs[i]].data)
            return false;
    }
    return true;
}

/* Weights that are kept as floats and quantized by the network. */
static yolk_status fold_quantized(yk_plan *p)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < p->step_count && status == YOLK_OK;) {
        if (is_node(&p->steps[i], YK_OP_QUANTIZE) && can_fold(p, &p->steps[i]))
            status = fold(p, i);
        else
            i++;
    }
    return status;
}

/* What was to be turned round is a constant, which has one layout only. */
static void skip_copies(yk_plan *p)
{
    for (int i = 0; i < p->step_count;) {
        const yk_step *s = &p->steps[i];
        const int writer = s->kind == YK_STEP_COPY ? yk_plan_writer(p, s->inputs[0]) : YK_NONE;
        if (writer == YK_NONE || !is_node(&p->steps[writer], YK_OP_DEQUANTIZE) || !can_fold(p, &p->steps[writer]) ||
            yk_plan_is_output(p, s->outputs[0])) {
            i++;
            continue;
        }
        replace_uses(p, s->outputs[0], s->inputs[0]);
        yk_plan_drop_step(p, i);
    }
}

/* Weights that stay floats are dequantized once and for all. */
static yolk_status fold_dequantized(yk_plan *p)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < p->step_count && status == YOLK_OK;) {
        if (is_node(&p->steps[i], YK_OP_DEQUANTIZE) && can_fold(p, &p->steps[i]))
            status = fold(p, i);
        else
            i++;
    }
    return status;
}

/* ---- what only moves values ---- */

/* Bytes that come out of the picture's own as they were. */
static bool is_input_itself(const yk_plan *p, const yk_step *s, const number *n)
{
    const int writer = yk_plan_writer(p, s->inputs[0]);
    if (writer == YK_NONE || p->steps[writer].kind != YK_STEP_INPUT || n->type != YK_U8 || !can_hold(p, p->input, n) ||
        p->tensors[s->outputs[0]].layout != YK_LAYOUT_NHWC)
        return false;
    for (int i = 0; i < 256; i++) {
        if (rintf((float)i / p->input_divisor / n->scale) + (float)n->zero != (float)i)
            return false;
    }
    return true;
}

/* Bytes that were turned into floats and back are the same bytes. */
static bool skip_quantize(yk_plan *p, int index)
{
    number n, before;
    if (!is_node(&p->steps[index], YK_OP_QUANTIZE) || !find_number(p, &p->steps[index], &n))
        return false;
    int same = bytes_of(p, p->steps[index].inputs[0], &before);
    if (same != YK_NONE && !same_number(&n, &before))
        same = YK_NONE;
    if (same == YK_NONE && is_input_itself(p, &p->steps[index], &n))
        same = p->input;
    if (same == YK_NONE)
        return false;
    hold(p, same, &n);
    replace_uses(p, p->steps[index].outputs[0], same);
    yk_plan_drop_step(p, index);
    return true;
}

static bool moves_values(const yk_step *s)
{
    return is_node(s, YK_OP_CONCAT) || is_node(s, YK_OP_SLICE) || is_node(s, YK_OP_MAX_POOL) ||
           (is_node(s, YK_OP_RESIZE) && !s->attrs.linear);
}

/* The same on bytes, with their DequantizeLinear after it. */
static yolk_status move_bytes(yk_plan_build *b, int index, bool *done)
{
    yk_plan *p = b->plan;
    number first = {.type = YK_F32}, n;
    int inputs[YK_STEP_INPUTS];
    *done = false;
    if (!moves_values(&p->steps[index]))
        return YOLK_OK;
    for (int i = 0; i < p->steps[index].input_count; i++) {
        const int from = p->steps[index].inputs[i];
        inputs[i] = bytes_of(p, from, &n);
        if (i == 0)
            first = n;
        if (inputs[i] == YK_NONE || !same_number(&n, &first))
            return YOLK_OK;
    }
    const int floats = p->steps[index].outputs[0];
    yk_plan_tensor t = p->tensors[floats];
    t.type = first.type;
    int bytes;
    yolk_status status = yk_plan_add_tensor(b, &t, &bytes);
    yk_step *made;
    if (status == YOLK_OK)
        status = yk_plan_add_step(b, YK_STEP_NODE, p->steps[index].name, 3, &made);
    if (status != YOLK_OK)
        return status;
    const yk_step *how = &p->steps[yk_plan_writer(p, p->steps[index].inputs[0])];
    made->op = YK_OP_DEQUANTIZE;
    made->attrs = how->attrs;
    memcpy(made->inputs, how->inputs, (size_t)how->input_count * sizeof *made->inputs);
    made->inputs[0] = bytes;
    made->input_count = how->input_count;
    made->outputs[0] = floats;
    made->output_count = 1;
    hold(p, bytes, &first);
    for (int i = 0; i < p->steps[index].input_count; i++) {
        hold(p, inputs[i], &first);
        p->steps[index].inputs[i] = inputs[i];
    }
    p->steps[index].outputs[0] = bytes;
    const yk_step last = p->steps[p->step_count - 1];
    memmove(&p->steps[index + 2], &p->steps[index + 1], (size_t)(p->step_count - index - 2) * sizeof last);
    p->steps[index + 1] = last;
    *done = true;
    return YOLK_OK;
}

/* ---- convolutions ---- */

/* The step that gives 8-bit weights around zero, with one scale or one for each output channel; or NULL. */
static const yk_step *find_weights(const yk_plan *p, int tensor)
{
    const int writer = yk_plan_writer(p, tensor);
    const yk_step *s = writer == YK_NONE ? NULL : &p->steps[writer];
    if (!s || !is_node(s, YK_OP_DEQUANTIZE) || !can_fold(p, s))
        return NULL;
    const yk_plan_tensor *w = &p->tensors[s->inputs[0]], *scale = &p->tensors[s->inputs[1]];
    const int64_t scales = yk_shape_count(&scale->shape);
    const bool along = s->attrs.axis == 0 || s->attrs.axis == -w->shape.rank;
    if (w->type != YK_I8 || w->shape.rank != 4 || scale->type != YK_F32 || p->tensors[tensor].type != YK_F32 ||
        (scales != 1 && (scales != w->shape.dims[0] || !along)))
        return NULL;
    if (w->shape.dims[1] * w->shape.dims[2] * w->shape.dims[3] > MOST_PRODUCTS)
        return NULL;
    if (s->input_count > 2 && s->inputs[2] != YK_NONE) {
        const yk_plan_tensor *zero = &p->tensors[s->inputs[2]];
        for (int64_t i = 0; i < yk_shape_count(&zero->shape) * (int64_t)yk_type_size(zero->type); i++) {
            if (((const uint8_t *)zero->data)[i] != 0)
                return NULL;
        }
    }
    return s;
}

/* One scale for each output channel, as a constant. */
static yolk_status add_scales(yk_plan_build *b, int scale, int64_t channels, int *out)
{
    yk_plan_tensor t = b->plan->tensors[scale];
    *out = scale;
    if (t.shape.rank == 1 && t.shape.dims[0] == channels)
        return YOLK_OK;
    float *all = yk_calloc((size_t)channels + 1, sizeof *all);
    if (!all)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int64_t i = 0; i < channels; i++)
        all[i] = *(const float *)t.data;
    t.shape = (yk_shape){.rank = 1, .dims = {channels}};
    t.data = t.owned = all;
    yolk_status status = yk_plan_add_tensor(b, &t, out);
    if (status != YOLK_OK)
        yk_free(all);
    return status;
}

static yolk_status take_bytes(yk_plan_build *b, int index)
{
    yk_plan *p = b->plan;
    number n, added;
    const yk_step *s = &p->steps[index];
    if (!is_node(s, YK_OP_CONV) || p->tensors[s->outputs[0]].type != YK_F32)
        return YOLK_OK;
    const int x = bytes_of(p, s->inputs[0], &n);
    const yk_step *weights = x == YK_NONE ? NULL : find_weights(p, s->inputs[1]);
    if (!weights)
        return YOLK_OK;
    int scales;
    const int w = weights->inputs[0], bias = s->input_count > 2 ? s->inputs[2] : YK_NONE;
    int *inputs = yk_calloc(4, sizeof *inputs);
    yolk_status status = inputs ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = add_scales(b, weights->inputs[1], p->tensors[w].shape.dims[0], &scales);
    if (status != YOLK_OK) {
        yk_free(inputs);
        return status;
    }
    yk_step *conv = &p->steps[index];
    yk_free(conv->inputs);
    conv->inputs = inputs;
    conv->input_count = 4;
    inputs[0] = x;
    inputs[1] = w;
    inputs[2] = bias;
    inputs[3] = scales;
    hold(p, x, &n);
    const int residual = bytes_of(p, conv->residual, &added);
    if (residual != YK_NONE) {
        conv->residual = residual;
        hold(p, residual, &added);
    }
    return YOLK_OK;
}

static bool is_int8_conv(const yk_plan *p, const yk_step *s)
{
    return is_node(s, YK_OP_CONV) && p->tensors[s->inputs[1]].type == YK_I8;
}

/* Whether all that read a tensor quantize it in the same way, and how. */
static bool is_only_quantized(const yk_plan *p, int tensor, number *out)
{
    int uses = 0;
    number n = {.type = YK_F32};
    for (int i = 0; i < p->step_count; i++) {
        if (!is_node(&p->steps[i], YK_OP_QUANTIZE) || p->steps[i].inputs[0] != tensor)
            continue;
        if (!find_number(p, &p->steps[i], &n) || (uses > 0 && !same_number(&n, out)) ||
            !can_hold(p, p->steps[i].outputs[0], &n))
            return false;
        *out = n;
        uses++;
    }
    return uses > 0 && uses == yk_plan_uses(p, tensor);
}

/* The convolution writes what it was quantized to; index of the step after it. */
static int give_bytes(yk_plan *p, int index)
{
    const int floats = p->steps[index].outputs[0];
    number n = {.type = YK_F32};
    if (!is_int8_conv(p, &p->steps[index]) || !is_only_quantized(p, floats, &n))
        return index + 1;
    int bytes = YK_NONE;
    for (int i = p->step_count - 1; i > index; i--) {
        if (!is_node(&p->steps[i], YK_OP_QUANTIZE) || p->steps[i].inputs[0] != floats)
            continue;
        if (bytes != YK_NONE)
            replace_uses(p, bytes, p->steps[i].outputs[0]);
        bytes = p->steps[i].outputs[0];
        yk_plan_drop_step(p, i);
    }
    hold(p, bytes, &n);
    p->steps[index].outputs[0] = bytes;
    return index + 1;
}

/* What pairs are left: their bytes stand for numbers too. */
static void hold_pairs(yk_plan *p)
{
    number n;
    for (int i = 0; i < p->step_count; i++) {
        const yk_step *s = &p->steps[i];
        if (!find_number(p, s, &n))
            continue;
        const int bytes = is_node(s, YK_OP_QUANTIZE) ? s->outputs[0] : s->inputs[0];
        if (can_hold(p, bytes, &n))
            hold(p, bytes, &n);
    }
}

/* ---- the pass ---- */

static void drop_unread(yk_plan *p)
{
    for (int i = p->step_count - 1; i >= 0; i--) {
        bool read = false;
        for (int k = 0; k < p->steps[i].output_count; k++)
            read = read || yk_plan_uses(p, p->steps[i].outputs[k]) > 0;
        if (!read)
            yk_plan_drop_step(p, i);
    }
}

static bool has_pairs(const yk_plan *p)
{
    for (int i = 0; i < p->step_count; i++) {
        if (is_node(&p->steps[i], YK_OP_DEQUANTIZE))
            return true;
    }
    return false;
}

yolk_status yk_plan_quantized(yk_plan_build *b)
{
    yk_plan *p = b->plan;
    if (!has_pairs(p))
        return YOLK_OK;
    yolk_status status = fold_quantized(p);
    skip_copies(p);
    for (int i = 0; i < p->step_count && status == YOLK_OK;) {
        bool moved = false;
        if (skip_quantize(p, i))
            continue;
        status = move_bytes(b, i, &moved);
        if (status == YOLK_OK)
            status = take_bytes(b, i);
        i += moved ? 2 : 1;
    }
    if (status != YOLK_OK)
        return status;
    drop_unread(p);
    for (int i = 0; i < p->step_count;)
        i = give_bytes(p, i);
    status = fold_dequantized(p);
    hold_pairs(p);
    return status;
}
