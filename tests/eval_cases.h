/* Operators against expectations that onnxruntime computed: each case is a test of its own. */
#ifndef YK_EVAL_CASES_H
#define YK_EVAL_CASES_H

#include <math.h>

#include "graph/graph.h"
#include "yk_test.h"

/* A tensor of given values, or, when there are none, of the pattern ((7 i + 5 seed) mod 13 - 6), halved for floats. */
typedef struct eval_tensor {
    yk_type type;
    yk_shape shape;
    int seed;
    const double *values;
    bool left_out;
} eval_tensor;

typedef struct eval_case {
    const char *name;
    yk_op op;
    yk_attrs attrs;
    int inputs;
    eval_tensor in[5];
    int outputs;
    eval_tensor out[2];
    double tolerance;
} eval_case;

static inline yk_id eval_add(yk_graph *g, const eval_tensor *t)
{
    if (t->left_out)
        return YK_NONE;
    int64_t count = yk_shape_count(&t->shape);
    double *values = calloc((size_t)count + 1, sizeof(*values));
    void *data = calloc((size_t)count + 1, sizeof(double));
    bool whole = yk_type_size(t->type) == 1 || t->type == YK_I64 || t->type == YK_I32;
    for (int64_t i = 0; i < count; i++)
        values[i] = t->values ? t->values[i] : (double)((7 * i + 5 * t->seed) % 13 - 6) * (whole ? 1.0 : 0.5);
    yk_convert(YK_F64, values, t->type, data, count);
    yk_id id = yk_graph_add_constant_copy(g, NULL, t->type, t->shape, data);
    free(values);
    free(data);
    return id;
}

static inline void eval_check(const yk_graph *g, yk_id id, const void *data, const eval_tensor *want, double tolerance)
{
    const yk_value *v = &g->values[id];
    char got_text[96], want_text[96];
    yk_shape_text(&v->shape, got_text);
    yk_shape_text(&want->shape, want_text);
    assert_string_equal(got_text, want_text);
    assert_string_equal(yk_type_name(v->type), yk_type_name(want->type));
    assert_non_null(data);
    for (int64_t i = 0; i < yk_shape_count(&v->shape); i++) {
        double got;
        yk_convert(v->type, (const uint8_t *)data + (size_t)i * yk_type_size(v->type), YK_F64, &got, 1);
        if (!(fabs(got - want->values[i]) <= tolerance) && !(isinf(got) && got == want->values[i]))
            fail_msg("element %d is %.9g instead of %.9g", (int)i, got, want->values[i]);
    }
}

/* Adds the case's node over constants, so that binding computes it. */
static inline int eval_build(yk_graph *g, const eval_case *c)
{
    yk_id inputs[5];
    assert_int_not_equal(yk_graph_add_input(g, NULL), YK_NONE);
    for (int i = 0; i < c->inputs; i++)
        inputs[i] = eval_add(g, &c->in[i]);
    return yk_graph_add_node(g, c->op, c->name, inputs, c->inputs, c->outputs, &c->attrs);
}

/* The result of a node with one output that binding did not compute, for the caller to free; NULL when it did. */
static inline void *eval_unbound(const yk_graph *g, const yk_node *n)
{
    const yk_value *out = &g->values[n->outputs[0]];
    if (out->data || n->output_count != 1)
        return NULL;
    void **data = calloc((size_t)g->value_count, sizeof(*data));
    for (int i = 0; i < g->value_count; i++)
        data[i] = (void *)g->values[i].data;
    void *made = calloc((size_t)yk_shape_count(&out->shape) + 1, sizeof(double));
    data[n->outputs[0]] = made;
    assert_ok(yk_eval_node(g, n, data));
    free(data);
    return made;
}

static inline void eval_run(void **state)
{
    const eval_case *c = *state;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    int n = eval_build(g, c);
    assert_true(n >= 0);
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    /* What binding leaves for run time (quantized weights, say) is run here. */
    void *made = eval_unbound(g, &g->nodes[n]);
    for (int i = 0; i < c->outputs; i++) {
        yk_id id = g->nodes[n].outputs[i];
        eval_check(g, id, made ? made : g->values[id].data, &c->out[i], c->tolerance);
    }
    free(made);
    yk_graph_destroy(&g);
}

static inline int eval_main(const char *subject, const eval_case *cases, size_t count)
{
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    for (size_t i = 0; i < count; i++)
        tests[i] =
            (struct CMUnitTest){.name = cases[i].name, .test_func = eval_run, .initial_state = (void *)&cases[i]};
    int failed = _cmocka_run_group_tests(subject, tests, count, NULL, NULL);
    free(tests);
    return failed;
}

#endif
