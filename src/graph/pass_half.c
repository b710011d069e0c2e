/* Float16 for the part of a network that costs time: convolutions, and whatever leads to one. What comes after the last
 * convolution works with pixels and stays float32. */
#include "graph/graph.h"

#include <math.h>
#include <string.h>

typedef struct halver {
    yk_graph *g;
    bool *half;   /* by node: computed in float16 */
    yk_id *other; /* by value: the same in the other float type, or YK_NONE */
} halver;

bool yk_half_holds(const yk_value *v)
{
    const float *data = v->data;
    if (v->type != YK_F32 || !data)
        return true;
    int64_t count = yk_shape_count(&v->shape);
    for (int64_t i = 0; i < count; i++) {
        if (!(fabsf(data[i]) < 65520.0f))
            return false;
    }
    return true;
}

static void choose(halver *h, const bool *float32, bool *kept)
{
    const yk_graph *g = h->g;
    bool *leads = h->half; /* by node; its result reaches a convolution */
    for (int i = g->node_count - 1; i >= 0; i--) {
        const yk_node *n = &g->nodes[i];
        leads[i] = leads[i] || n->op == YK_OP_CONV || n->op == YK_OP_CONV_TRANSPOSE;
        for (int k = 0; k < n->input_count && leads[i]; k++) {
            int p = n->inputs[k] == YK_NONE ? -1 : g->values[n->inputs[k]].producer;
            if (p >= 0)
                leads[p] = true;
        }
    }
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        bool fits = !float32 || !float32[i];
        for (int k = 0; k < n->input_count; k++)
            fits = fits && (n->inputs[k] == YK_NONE || yk_half_holds(&g->values[n->inputs[k]]));
        if (kept)
            kept[i] = h->half[i] && !fits;
        h->half[i] = h->half[i] && fits;
    }
}

/* A value in the type that its reader computes in. */
static yk_id in_type(halver *h, yk_id v, yk_type type)
{
    yk_graph *g = h->g;
    const yk_value from = g->values[v];
    if ((from.type != YK_F32 && from.type != YK_F16) || from.type == type)
        return v;
    if (h->other[v] != YK_NONE)
        return h->other[v];
    char *name = yk_format("%s.%s", from.name, yk_type_name(type));
    if (!name)
        return YK_NONE;
    if (from.data) {
        int64_t count = yk_shape_count(&from.shape);
        void *data = yk_alloc_aligned((size_t)count * yk_type_size(type));
        if (data && yk_graph_own(g, data) == YOLK_OK) {
            yk_convert(from.type, from.data, type, data, count);
            h->other[v] = yk_graph_add_constant(g, name, type, from.shape, data);
        }
    } else {
        int n = yk_graph_add_node(g, YK_OP_CAST, name, &v, 1, 1, &(yk_attrs){.to = type});
        h->other[v] = n < 0 ? YK_NONE : g->nodes[n].outputs[0];
    }
    yk_free(name);
    return h->other[v];
}

/* What an operator reads besides numbers to compute with: sizes and factors have types of their own. */
static bool computes_in(const yk_node *n, int input)
{
    return (n->op != YK_OP_QUANTIZE && n->op != YK_OP_DEQUANTIZE) || input == 0;
}

static yolk_status convert_node(halver *h, yk_node *n, bool half)
{
    yk_graph *g = h->g;
    bool floats = g->values[n->outputs[0]].type == YK_F32 || n->op == YK_OP_CAST;
    for (int k = 0; k < n->input_count; k++) {
        if (n->inputs[k] == YK_NONE || !computes_in(n, k))
            continue;
        n->inputs[k] = in_type(h, n->inputs[k], half ? YK_F16 : YK_F32);
        if (n->inputs[k] == YK_NONE)
            return yk_last_status();
    }
    yolk_status status = yk_grow(&g->nodes, &g->node_capacity, (size_t)g->node_count + 1, sizeof *g->nodes);
    if (status != YOLK_OK)
        return status;
    if (half && n->attrs.to == YK_F32 && (n->op == YK_OP_CAST || n->op == YK_OP_CONSTANT_OF_SHAPE))
        n->attrs.to = YK_F16;
    for (int k = 0; k < n->output_count; k++) {
        yk_value *v = &g->values[n->outputs[k]];
        v->producer = g->node_count;
        if (half && floats && v->type == YK_F32)
            v->type = YK_F16;
    }
    g->nodes[g->node_count++] = *n;
    *n = (yk_node){0};
    return YOLK_OK;
}

/* An output keeps its name and is float32. */
static yolk_status finish_output(halver *h, int index)
{
    yk_graph *g = h->g;
    yk_id v = g->outputs[index];
    if (g->values[v].type != YK_F16)
        return YOLK_OK;
    yk_id cast = in_type(h, v, YK_F32);
    char *name = cast == YK_NONE ? NULL : yk_strdup(g->values[v].name);
    char *inner = name ? yk_format("%s.%s", name, yk_type_name(YK_F16)) : NULL;
    yolk_status status = inner ? yk_graph_rename(g, v, inner) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = yk_graph_rename(g, cast, name);
    g->outputs[index] = cast;
    yk_free(name);
    yk_free(inner);
    return status;
}

yolk_status yk_pass_to_f16(yk_graph *g, const bool *float32, bool *kept)
{
    const int count = g->node_count;
    /* Each value gets one twin at most. */
    const size_t most = 2 * (size_t)g->value_count;
    yk_graph_unbind(g);
    halver h = {.g = g};
    yk_node *old = NULL;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    h.half = yk_calloc((size_t)count, sizeof *h.half);
    h.other = yk_calloc(most, sizeof *h.other);
    if (!h.half || !h.other)
        goto fail;
    for (size_t i = 0; i < most; i++)
        h.other[i] = YK_NONE;
    choose(&h, float32, kept);
    old = yk_graph_take_nodes(g);
    status = YOLK_OK;
    for (int i = 0; i < count && status == YOLK_OK; i++)
        status = convert_node(&h, &old[i], h.half[i]);
    for (int i = 0; i < g->output_count && status == YOLK_OK; i++)
        status = finish_output(&h, i);
    if (status == YOLK_OK)
        status = yk_pass_prune(g);
fail:
    yk_nodes_free(old, count);
    yk_free(h.half);
    yk_free(h.other);
    return status;
}
