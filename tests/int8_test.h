/* Small networks in eight bits, for tests. */
#ifndef YK_INT8_TEST_H
#define YK_INT8_TEST_H

#include "graph_test.h"

static inline yk_id int8_conv(yk_graph *g, yk_id x, int in, int out, int kernel, int stride, int groups, unsigned seed)
{
    yk_shape shape = DIMS(out, in / groups, kernel, kernel), line = DIMS(out);
    const yk_id inputs[3] = {x, graph_noise(g, NULL, shape, seed), graph_noise(g, NULL, line, seed + 100)};
    yk_attrs attrs = {.kernel = {kernel, kernel}, .stride = {stride, stride}, .groups = groups, .act = YK_ACT_SILU};
    for (int i = 0; i < 4; i++)
        attrs.pads[i] = kernel / 2;
    return graph_node(g, YK_OP_CONV, &attrs, inputs, 3);
}

static inline yk_graph *int8_begin(yk_id *x)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    *x = yk_graph_add_input(g, "images");
    g->head.unit_range = true;
    return g;
}

/* Every convolution but those of `floats` (by index among them; -1 ends). */
static inline void int8_quantize(yk_graph *g, bool symmetric, const int *floats)
{
    float *low = calloc((size_t)g->value_count, sizeof *low), *high = calloc((size_t)g->value_count, sizeof *high);
    bool *chosen = calloc((size_t)g->node_count, sizeof *chosen);
    for (int i = 0; i < g->value_count; i++) {
        low[i] = i == g->input ? 0 : -0.5f;
        high[i] = i == g->input ? 1 : 9;
    }
    for (int i = 0, at = 0; i < g->node_count; i++) {
        chosen[i] = true;
        for (const int *f = floats; f && *f >= 0; f++)
            chosen[i] = chosen[i] && (g->nodes[i].op != YK_OP_CONV || *f != at);
        at += g->nodes[i].op == YK_OP_CONV;
    }
    const yk_quantization q = {chosen, low, high, symmetric, NULL};
    assert_ok(yk_pass_quantize(g, &q));
    free(low);
    free(high);
    free(chosen);
}

#endif
