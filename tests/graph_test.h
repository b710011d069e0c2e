/* Small graphs for tests. */
#ifndef YK_GRAPH_TEST_H
#define YK_GRAPH_TEST_H

#include <math.h>

#include "graph/graph.h"
#include "yk_test.h"

#define DIMS(...)               ((yk_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dims = {__VA_ARGS__}})
#define SCALAR                  ((yk_shape){.rank = 0})
#define FLOATS(g, shape, ...)   yk_graph_add_constant_copy(g, NULL, YK_F32, shape, (const float[]){__VA_ARGS__})
#define INTEGERS(g, shape, ...) yk_graph_add_constant_copy(g, NULL, YK_I64, shape, (const int64_t[]){__VA_ARGS__})
/* The first result of a node on the inputs, YK_NONE when it cannot be added. */
#define NODE(g, op, attrs, ...)                                                                                        \
    graph_node(g, op, attrs, (const yk_id[]){__VA_ARGS__}, (int)(sizeof((const yk_id[]){__VA_ARGS__}) / sizeof(yk_id)))

static inline yk_id graph_node(yk_graph *g, yk_op op, const yk_attrs *attrs, const yk_id *inputs, int count)
{
    int n = yk_graph_add_node(g, op, NULL, inputs, count, 1, attrs);
    return n < 0 ? YK_NONE : g->nodes[n].outputs[0];
}

/* A constant of numbers that look random and are the same in every run, within -1..1. */
static inline yk_id graph_noise(yk_graph *g, const char *name, yk_shape shape, unsigned seed)
{
    int64_t count = yk_shape_count(&shape);
    float *data = calloc((size_t)count + 1, sizeof(*data));
    uint32_t x = seed * 2654435761u + 1;
    for (int64_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        data[i] = (float)(x >> 8) / 8388608.0f - 1;
    }
    yk_id id = yk_graph_add_constant_copy(g, name, YK_F32, shape, data);
    free(data);
    return id;
}

static inline const char *graph_shape(const yk_graph *g, yk_id id)
{
    static char text[96];
    yk_shape_text(&g->values[id].shape, text);
    return text;
}

/* Computes a bound graph on a picture of noise; the output is the caller's to free(). */
static inline float *graph_run(const yk_graph *g, int output, int64_t *count)
{
    void **data = calloc((size_t)g->value_count, sizeof(*data));
    for (yk_id id = 0; id < g->value_count; id++) {
        const yk_value *v = &g->values[id];
        data[id] = v->data ? (void *)v->data : calloc((size_t)yk_shape_count(&v->shape) + 1, yk_type_size(v->type));
    }
    float *input = data[g->input];
    for (int64_t i = 0; i < yk_shape_count(&g->values[g->input].shape); i++)
        input[i] = (float)((i * 37 + i / 11 * 5) % 101) / 101;
    for (int i = 0; i < g->node_count; i++) {
        if (!g->values[g->nodes[i].outputs[0]].data)
            assert_ok(yk_eval_node(g, &g->nodes[i], data));
    }
    yk_id id = g->outputs[output];
    *count = yk_shape_count(&g->values[id].shape);
    float *result = calloc((size_t)*count + 1, sizeof(*result));
    yk_convert(g->values[id].type, data[id], YK_F32, result, *count);
    for (yk_id k = 0; k < g->value_count; k++) {
        if (!g->values[k].data)
            free(data[k]);
    }
    free(data);
    return result;
}

#endif
