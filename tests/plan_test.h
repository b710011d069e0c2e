/* Running plans for tests: each step by plain loops, with everything poisoned that is not alive. */
#ifndef YK_PLAN_TEST_H
#define YK_PLAN_TEST_H

#include "graph_test.h"
#include "plan/plan.h"

static inline yk_layout plan_all_plain(const yk_graph *g, const yk_node *n)
{
    (void)g, (void)n;
    return YK_LAYOUT_PLAIN;
}

/* Everything of rank 4 that has channels for its second dimension. */
static inline yk_layout plan_nhwc(const yk_graph *g, const yk_node *n)
{
    (void)g;
    switch (n->op) {
    case YK_OP_RESHAPE:
    case YK_OP_TRANSPOSE:
    case YK_OP_MATMUL:
    case YK_OP_SOFTMAX:
        return YK_LAYOUT_PLAIN;
    default:
        return YK_LAYOUT_NHWC;
    }
}

static inline bool plan_convolution(const yk_graph *g, const yk_node *n)
{
    (void)g;
    return n->op == YK_OP_CONV;
}

typedef struct plan_memory {
    uint8_t *arena, *input;
    float **outputs;
    void **data;
} plan_memory;

static inline plan_memory plan_memory_make(const yk_plan *p)
{
    plan_memory m;
    m.arena = malloc((size_t)p->arena + 64);
    m.input = malloc((size_t)p->tensors[p->input].bytes + 1);
    for (int64_t i = 0; i < p->tensors[p->input].bytes; i++)
        m.input[i] = (uint8_t)((i * 37 + i / 11 * 5) % 251);
    m.outputs = calloc((size_t)p->output_count + 1, sizeof *m.outputs);
    for (int i = 0; i < p->output_count; i++)
        m.outputs[i] = calloc((size_t)yk_shape_count(&p->tensors[p->outputs[i]].shape) + 1, sizeof(float));
    m.data = calloc((size_t)p->tensor_count + 1, sizeof *m.data);
    yk_plan_bind(p, m.arena, m.input, m.outputs, m.data);
    return m;
}

static inline void plan_memory_free(const yk_plan *p, plan_memory *m)
{
    for (int i = 0; i < p->output_count; i++)
        free(m->outputs[i]);
    free(m->outputs);
    free(m->data);
    free(m->input);
    free(m->arena);
}

/* Fills what no tensor needs at this step, and what its outputs are about to be written over, with bytes that are NaN
 * as a float. */
static inline void plan_poison(const yk_plan *p, int step, uint8_t *arena)
{
    uint8_t *alive = calloc((size_t)p->arena + 1, 1);
    for (int i = 0; i < p->tensor_count; i++) {
        const yk_plan_tensor *t = &p->tensors[i];
        if (t->root == i && t->offset >= 0 && t->first < step && t->last >= step)
            memset(alive + t->offset, 1, (size_t)t->bytes);
    }
    for (int64_t i = 0; i < p->arena; i++) {
        if (!alive[i])
            arena[i] = 0xff;
    }
    free(alive);
}

static inline void plan_run(const yk_plan *p, plan_memory *m)
{
    for (int i = 0; i < p->step_count; i++) {
        plan_poison(p, i, m->arena);
        assert_ok(yk_plan_eval(p, &p->steps[i], m->data));
    }
}

/* What the graph itself computes from the same picture; outputs are the caller's to free(). */
static inline float **plan_expected(const yk_graph *g, const uint8_t *input)
{
    void **data = calloc((size_t)g->value_count, sizeof *data);
    float **outputs = calloc((size_t)g->output_count + 1, sizeof *outputs);
    for (yk_id id = 0; id < g->value_count; id++) {
        const yk_value *v = &g->values[id];
        data[id] = v->data ? (void *)v->data : calloc((size_t)yk_shape_count(&v->shape) + 1, yk_type_size(v->type));
    }
    const int64_t *d = g->values[g->input].shape.dims, area = d[2] * d[3];
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t c = 0; c < 3; c++)
            for (int64_t i = 0; i < area; i++)
                ((float *)data[g->input])[(n * 3 + c) * area + i] =
                    (float)input[(n * area + i) * 3 + c] / (g->head.unit_range ? 255.0f : 1.0f);
    for (int i = 0; i < g->node_count; i++) {
        if (!g->values[g->nodes[i].outputs[0]].data)
            assert_ok(yk_eval_node(g, &g->nodes[i], data));
    }
    for (int i = 0; i < g->output_count; i++) {
        const yk_value *v = &g->values[g->outputs[i]];
        outputs[i] = calloc((size_t)yk_shape_count(&v->shape) + 1, sizeof(float));
        yk_convert(v->type, data[g->outputs[i]], YK_F32, outputs[i], yk_shape_count(&v->shape));
    }
    for (yk_id id = 0; id < g->value_count; id++) {
        if (!g->values[id].data)
            free(data[id]);
    }
    free(data);
    return outputs;
}

/* Outputs are the same within `tolerance` of the largest. */
static inline void plan_compare(const yk_plan *p, float *const *got, float *const *want, double tolerance)
{
    for (int i = 0; i < p->output_count; i++) {
        const int64_t count = yk_shape_count(&p->tensors[p->outputs[i]].shape);
        double largest = 0;
        for (int64_t k = 0; k < count; k++)
            largest = fmax(largest, fabs((double)want[i][k]));
        for (int64_t k = 0; k < count; k++) {
            const double error = fabs((double)got[i][k] - (double)want[i][k]);
            if (!(error <= tolerance * largest) && got[i][k] != want[i][k])
                fail_msg("output %d, element %d: %.9g instead of %.9g", i, (int)k, (double)got[i][k],
                         (double)want[i][k]);
        }
    }
}

/* Plans the bound graph, in halves too, runs the plan poisoned and compares it with the graph itself. */
static inline void plan_check_numbers(const yk_graph *g, yk_layout (*layout)(const yk_graph *, const yk_node *),
                                      bool half, double tolerance)
{
    const yk_plan_options options = {.align = 64,
                                     .channels = 8,
                                     .half = half,
                                     .layout = layout,
                                     .takes_bytes = layout == plan_nhwc ? plan_convolution : NULL};
    yk_plan *p;
    assert_ok(yk_plan_make(g, &options, &p));
    plan_memory m = plan_memory_make(p);
    float **want = plan_expected(g, m.input);
    plan_run(p, &m);
    plan_compare(p, m.outputs, want, tolerance);
    for (int i = 0; i < g->output_count; i++)
        free(want[i]);
    free(want);
    plan_memory_free(p, &m);
    yk_plan_destroy(&p);
}

static inline void plan_check(const yk_graph *g, yk_layout (*layout)(const yk_graph *, const yk_node *))
{
    plan_check_numbers(g, layout, false, 0);
}

#endif
