/* From a graph to steps: which layout each operand has, and what is fused. */
#include "plan/plan.h"

#include <string.h>

#include "plan/plan_build.h"

/* ---- building ---- */

yolk_status yk_plan_add_tensor(yk_plan_build *b, const yk_plan_tensor *t, int *out)
{
    yk_plan *p = b->plan;
    yolk_status status = yk_grow(&p->tensors, &b->tensor_capacity, (size_t)p->tensor_count + 1, sizeof *p->tensors);
    if (status != YOLK_OK)
        return status;
    *out = p->tensor_count++;
    p->tensors[*out] = *t;
    p->tensors[*out].root = *out;
    return YOLK_OK;
}

yolk_status yk_plan_add_step(yk_plan_build *b, yk_step_kind kind, const char *name, int count, yk_step **out)
{
    yk_plan *p = b->plan;
    yolk_status status = yk_grow(&p->steps, &b->step_capacity, (size_t)p->step_count + 1, sizeof *p->steps);
    if (status != YOLK_OK)
        return status;
    yk_step s = {.kind = kind, .residual = YK_NONE, .outputs = {YK_NONE, YK_NONE}};
    s.name = yk_strdup(name);
    s.inputs = yk_calloc((size_t)YK_MAX(count, 1), sizeof *s.inputs);
    if (!s.name || !s.inputs) {
        yk_free(s.name);
        yk_free(s.inputs);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    p->steps[p->step_count] = s;
    *out = &p->steps[p->step_count++];
    return YOLK_OK;
}

yolk_status yk_plan_add_copy(yk_plan_build *b, const char *name, int from, int to)
{
    yk_step *s;
    yolk_status status = yk_plan_add_step(b, YK_STEP_COPY, name, 1, &s);
    if (status != YOLK_OK)
        return status;
    s->inputs[s->input_count++] = from;
    s->outputs[s->output_count++] = to;
    return YOLK_OK;
}

/* Tensors of a value: one in each layout, YK_NONE while it is not there. */
static int *tensors_of(yk_plan_build *b, yk_id value)
{
    return &b->tensors[2 * value];
}

static yolk_status add_value(yk_plan_build *b, yk_id id, yk_layout layout)
{
    const yk_value *v = &b->graph->values[id];
    const yk_plan_tensor t = {
        .type = v->type, .shape = v->shape, .layout = layout, .data = v->data, .offset = -1, .first = -1, .last = -1};
    return yk_plan_add_tensor(b, &t, &tensors_of(b, id)[layout]);
}

static bool can_be_nhwc(const yk_value *v)
{
    return v->shape.rank == 4 && !v->data;
}

/* The input's bytes; floats are made of them when somebody wants floats. */
static yolk_status add_input(yk_plan_build *b)
{
    const yk_value *v = &b->graph->values[b->graph->input];
    const yk_plan_tensor bytes = {.type = YK_U8, .shape = v->shape, .layout = YK_LAYOUT_NHWC, .offset = -1};
    return yk_plan_add_tensor(b, &bytes, &b->plan->input);
}

static yolk_status add_input_floats(yk_plan_build *b)
{
    const yk_id id = b->graph->input;
    yk_step *s;
    yolk_status status = add_value(b, id, YK_LAYOUT_NHWC);
    if (status == YOLK_OK)
        status = yk_plan_add_step(b, YK_STEP_INPUT, b->graph->values[id].name, 1, &s);
    if (status != YOLK_OK)
        return status;
    s->inputs[s->input_count++] = b->plan->input;
    s->outputs[s->output_count++] = tensors_of(b, id)[YK_LAYOUT_NHWC];
    return YOLK_OK;
}

/* The tensor of a value in this layout, copied from the other one where it is not there yet. */
static yolk_status operand(yk_plan_build *b, yk_id id, yk_layout layout, int *out)
{
    const yk_value *v = &b->graph->values[id];
    int *known = tensors_of(b, id);
    if (!can_be_nhwc(v))
        layout = YK_LAYOUT_PLAIN;
    yolk_status status = YOLK_OK;
    if (id == b->graph->input && known[YK_LAYOUT_NHWC] == YK_NONE)
        status = add_input_floats(b);
    if (status == YOLK_OK && known[layout] == YK_NONE) {
        const int other = known[1 - layout];
        status = add_value(b, id, layout);
        if (status == YOLK_OK && !v->data)
            status = other == YK_NONE ? yk_fail(YOLK_ERROR_BACKEND, "\"%s\" is used before it is computed", v->name)
                                      : yk_plan_add_copy(b, v->name, other, known[layout]);
    }
    *out = known[layout];
    return status;
}

static yolk_status add_node(yk_plan_build *b, const yk_node *n, yk_layout layout)
{
    int inputs[YK_STEP_INPUTS];
    yk_step *s;
    if (n->input_count > YK_STEP_INPUTS)
        return yk_fail(YOLK_ERROR_LIMIT, "layer \"%s\" has %d inputs", n->name, n->input_count);
    const bool bytes =
        n->inputs[0] == b->graph->input && b->options->takes_bytes && b->options->takes_bytes(b->graph, n);
    for (int i = 0; i < n->input_count; i++) {
        inputs[i] = i == 0 && bytes ? b->plan->input : YK_NONE;
        yolk_status status =
            n->inputs[i] == YK_NONE || inputs[i] != YK_NONE ? YOLK_OK : operand(b, n->inputs[i], layout, &inputs[i]);
        if (status != YOLK_OK)
            return status;
    }
    yolk_status status = yk_plan_add_step(b, YK_STEP_NODE, n->name, n->input_count, &s);
    if (status != YOLK_OK)
        return status;
    s->op = n->op;
    s->attrs = n->attrs;
    memcpy(s->inputs, inputs, (size_t)n->input_count * sizeof *inputs);
    s->input_count = n->input_count;
    for (int i = 0; i < n->output_count; i++) {
        yk_id id = n->outputs[i];
        const yk_layout own = can_be_nhwc(&b->graph->values[id]) ? layout : YK_LAYOUT_PLAIN;
        status = add_value(b, id, own);
        if (status != YOLK_OK)
            return status;
        b->plan->steps[b->plan->step_count - 1].outputs[i] = tensors_of(b, id)[own];
        b->plan->steps[b->plan->step_count - 1].output_count++;
    }
    return YOLK_OK;
}

/* A tensor of its own for an output: the one that is there where nothing else stands in the way. */
static yolk_status add_output(yk_plan_build *b, yk_id id)
{
    yk_plan *p = b->plan;
    const yk_value *v = &b->graph->values[id];
    const int *known = tensors_of(b, id);
    int plain = known[YK_LAYOUT_PLAIN], own;
    bool free_to_use = plain != YK_NONE && !v->data && v->type == YK_F32;
    for (int i = 0; i < p->output_count; i++)
        free_to_use = free_to_use && p->outputs[i] != plain;
    if (free_to_use) {
        p->outputs[p->output_count++] = plain;
        return YOLK_OK;
    }
    const yk_plan_tensor t = {.type = YK_F32, .shape = v->shape, .layout = YK_LAYOUT_PLAIN, .offset = -1};
    int from = known[YK_LAYOUT_NHWC] != YK_NONE ? known[YK_LAYOUT_NHWC] : plain;
    yolk_status status = from == YK_NONE ? operand(b, id, YK_LAYOUT_PLAIN, &from) : YOLK_OK;
    if (status == YOLK_OK)
        status = yk_plan_add_tensor(b, &t, &own);
    if (status == YOLK_OK)
        status = yk_plan_add_copy(b, v->name, from, own);
    if (status == YOLK_OK)
        p->outputs[p->output_count++] = own;
    return status;
}

static yolk_status add_steps(yk_plan_build *b)
{
    const yk_graph *g = b->graph;
    yolk_status status = add_input(b);
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++) {
        const yk_node *n = &g->nodes[i];
        bool known = true;
        for (int k = 0; k < n->output_count; k++)
            known = known && g->values[n->outputs[k]].data;
        if (!known)
            status = add_node(b, n, b->options->layout(g, n));
    }
    for (int i = 0; i < g->output_count && status == YOLK_OK; i++)
        status = add_output(b, g->outputs[i]);
    return status;
}

/* ---- fusing ---- */

void yk_plan_drop_step(yk_plan *p, int index)
{
    yk_free(p->steps[index].name);
    yk_free(p->steps[index].inputs);
    memmove(&p->steps[index], &p->steps[index + 1], (size_t)(p->step_count - index - 1) * sizeof *p->steps);
    p->step_count--;
}

int yk_plan_writer(const yk_plan *p, int tensor)
{
    for (int i = 0; i < p->step_count; i++) {
        for (int k = 0; k < p->steps[i].output_count; k++) {
            if (p->steps[i].outputs[k] == tensor)
                return i;
        }
    }
    return YK_NONE;
}

bool yk_plan_is_output(const yk_plan *p, int tensor)
{
    for (int i = 0; i < p->output_count; i++) {
        if (p->outputs[i] == tensor)
            return true;
    }
    return false;
}

int yk_plan_uses(const yk_plan *p, int tensor)
{
    int uses = 0;
    for (int i = 0; i < p->step_count; i++) {
        for (int k = 0; k < p->steps[i].input_count; k++)
            uses += p->steps[i].inputs[k] == tensor;
        uses += p->steps[i].residual == tensor;
    }
    for (int i = 0; i < p->output_count; i++)
        uses += p->outputs[i] == tensor;
    return uses;
}

/* Whether the sum at step `at` can be done by the convolution that computes its operand `which`. */
static bool can_take_sum(const yk_plan *p, int at, int which)
{
    const yk_step *sum = &p->steps[at];
    const int conv = yk_plan_writer(p, sum->inputs[which]);
    return conv != YK_NONE && p->steps[conv].kind == YK_STEP_NODE && p->steps[conv].op == YK_OP_CONV &&
           p->steps[conv].residual == YK_NONE && yk_plan_uses(p, sum->inputs[which]) == 1;
}

/* The sum goes into the later of the two that could take it, so that the other operand is there by then. */
static void fuse_sum(yk_plan *p, int at)
{
    const yk_step *sum = &p->steps[at];
    const yk_plan_tensor *a = &p->tensors[sum->inputs[0]], *b = &p->tensors[sum->inputs[1]];
    const yk_plan_tensor *out = &p->tensors[sum->outputs[0]];
    if (a->data || b->data || sum->inputs[0] == sum->inputs[1] || !yk_shape_equal(&a->shape, &b->shape) ||
        a->type != YK_F32 || b->type != YK_F32 || a->layout != b->layout || a->layout != out->layout)
        return;
    const int first = yk_plan_writer(p, sum->inputs[0]), second = yk_plan_writer(p, sum->inputs[1]);
    int which = first > second ? 0 : 1;
    if (!can_take_sum(p, at, which))
        which = 1 - which;
    if (!can_take_sum(p, at, which))
        return;
    const int conv = which == 0 ? first : second, other = which == 0 ? second : first;
    const int residual = sum->inputs[1 - which];
    p->steps[conv].residual = residual;
    p->steps[conv].outputs[0] = sum->outputs[0];
    if (other < conv) {
        yk_plan_drop_step(p, at);
        return;
    }
    /* What is added comes later: the convolution is done where the sum was. */
    const yk_step moved = p->steps[conv];
    yk_free(p->steps[at].name);
    yk_free(p->steps[at].inputs);
    p->steps[at] = moved;
    memmove(&p->steps[conv], &p->steps[conv + 1], (size_t)(p->step_count - conv - 1) * sizeof moved);
    p->step_count--;
}

static void fuse_sums(yk_plan *p)
{
    for (int i = p->step_count - 1; i >= 0; i--) {
        if (i < p->step_count && p->steps[i].kind == YK_STEP_NODE && p->steps[i].op == YK_OP_ADD)
            fuse_sum(p, i);
    }
}

/* ---- the plan ---- */

bool yk_plan_is_of_graph(const yk_plan *p, const yk_graph *g)
{
    bool same = p->output_count == g->output_count && memcmp(p->size, g->bound, sizeof p->size) == 0;
    for (int i = 0; i < p->output_count && same; i++)
        same = yk_shape_equal(&p->tensors[p->outputs[i]].shape, &g->values[g->outputs[i]].shape);
    return same;
}

void yk_plan_destroy(yk_plan **plan)
{
    yk_plan *p = *plan;
    *plan = NULL;
    if (!p)
        return;
    for (int i = 0; i < p->step_count; i++) {
        yk_free(p->steps[i].name);
        yk_free(p->steps[i].inputs);
    }
    for (int i = 0; i < p->tensor_count; i++)
        yk_free(p->tensors[i].owned);
    yk_free(p->steps);
    yk_free(p->tensors);
    yk_free(p->outputs);
    yk_free(p);
}

yolk_status yk_plan_make(const yk_graph *g, const yk_plan_options *options, yk_plan **out)
{
    yk_plan_build b = {.graph = g, .options = options};
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    *out = NULL;
    if (g->bound[0] == 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the network is not bound to an input size yet");
    b.plan = yk_calloc(1, sizeof *b.plan);
    b.tensors = yk_calloc((size_t)g->value_count * 2, sizeof *b.tensors);
    if (!b.plan || !b.tensors)
        goto fail;
    b.plan->outputs = yk_calloc((size_t)YK_MAX(g->output_count, 1), sizeof *b.plan->outputs);
    if (!b.plan->outputs)
        goto fail;
    for (int i = 0; i < 2 * g->value_count; i++)
        b.tensors[i] = YK_NONE;
    memcpy(b.plan->size, g->bound, sizeof b.plan->size);
    b.plan->input_divisor = g->head.unit_range ? 255.0f : 1.0f;
    b.plan->float_bytes = options->half ? 2 : 4;
    status = add_steps(&b);
    if (status != YOLK_OK)
        goto fail;
    fuse_sums(b.plan);
    if (options->attention)
        yk_plan_fuse_attention(b.plan);
    status = yk_plan_quantized(&b);
    if (status == YOLK_OK)
        status = yk_plan_place_views(&b);
    if (status == YOLK_OK)
        status = yk_plan_place_memory(b.plan, options);
    if (status != YOLK_OK)
        goto fail;
    *out = b.plan;
    b.plan = NULL;
fail:
    yk_plan_destroy(&b.plan);
    yk_free(b.tensors);
    return status;
}
