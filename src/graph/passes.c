/* Passes over the whole graph: what no output needs, and other float types. */
#include "graph/call.h"

#include <string.h>

/* Marks the values that the outputs need. */
static void mark_needed(const yk_graph *g, bool *needed)
{
    if (g->input != YK_NONE)
        needed[g->input] = true;
    for (int i = 0; i < g->output_count; i++)
        needed[g->outputs[i]] = true;
    for (int i = g->node_count - 1; i >= 0; i--) {
        const yk_node *n = &g->nodes[i];
        bool wanted = false;
        for (int k = 0; k < n->output_count; k++)
            wanted |= needed[n->outputs[k]] && g->values[n->outputs[k]].producer == i;
        for (int k = 0; k < n->output_count && wanted; k++)
            needed[n->outputs[k]] = true;
        for (int k = 0; k < n->input_count && wanted; k++) {
            if (n->inputs[k] != YK_NONE)
                needed[n->inputs[k]] = true;
        }
    }
}

static void keep_nodes(yk_graph *g, const bool *needed)
{
    int kept = 0;
    for (int i = 0; i < g->node_count; i++) {
        yk_node *n = &g->nodes[i];
        /* A value whose producer is another node, or none, was taken over from this one. */
        if (needed[n->outputs[0]] && g->values[n->outputs[0]].producer == i) {
            for (int k = 0; k < n->output_count; k++)
                g->values[n->outputs[k]].producer = kept;
            g->nodes[kept++] = *n;
        } else {
            yk_free(n->name);
            yk_free(n->inputs);
        }
    }
    g->node_count = kept;
}

static yk_id moved(const yk_id *places, yk_id id)
{
    return id == YK_NONE ? YK_NONE : places[id];
}

yolk_status yk_pass_prune(yk_graph *g)
{
    yk_graph_unbind(g);
    bool *needed = yk_calloc((size_t)g->value_count, sizeof(*needed));
    yk_id *places = yk_calloc((size_t)g->value_count, sizeof(*places));
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    if (!needed || !places)
        goto fail;
    mark_needed(g, needed);
    keep_nodes(g, needed);
    int kept = 0;
    for (int i = 0; i < g->value_count; i++) {
        if (!needed[i]) {
            yk_free(g->values[i].name);
            continue;
        }
        places[i] = kept;
        g->values[kept++] = g->values[i];
    }
    g->value_count = kept;
    for (int i = 0; i < g->node_count; i++) {
        yk_node *n = &g->nodes[i];
        for (int k = 0; k < n->input_count; k++)
            n->inputs[k] = moved(places, n->inputs[k]);
        for (int k = 0; k < n->output_count; k++)
            n->outputs[k] = moved(places, n->outputs[k]);
    }
    for (int i = 0; i < g->output_count; i++)
        g->outputs[i] = places[g->outputs[i]];
    g->input = moved(places, g->input);
    status = yk_graph_index(g);

fail:
    yk_free(needed);
    yk_free(places);
    return status;
}

static yolk_status constant_to_f32(yk_graph *g, yk_value *v)
{
    int64_t count = yk_shape_count(&v->shape);
    float *data = yk_alloc_aligned((size_t)count * sizeof(*data));
    if (!data)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_convert(v->type, v->data, YK_F32, data, count);
    yolk_status status = yk_graph_own(g, data);
    if (status != YOLK_OK)
        return status;
    v->data = data;
    v->type = YK_F32;
    return YOLK_OK;
}

static bool other_float(yk_type type)
{
    return type == YK_F16 || type == YK_F64;
}

yolk_status yk_pass_to_f32(yk_graph *g)
{
    yk_graph_unbind(g);
    for (int i = 0; i < g->value_count; i++) {
        if (g->values[i].data && other_float(g->values[i].type)) {
            yolk_status status = constant_to_f32(g, &g->values[i]);
            if (status != YOLK_OK)
                return status;
        }
    }
    for (int i = 0; i < g->node_count; i++) {
        yk_node *n = &g->nodes[i];
        yk_type types[YK_MAX_INPUTS];
        if (other_float(n->attrs.to))
            n->attrs.to = YK_F32;
        for (int k = 0; k < n->input_count; k++)
            types[k] = n->inputs[k] == YK_NONE ? YK_TYPE_COUNT : g->values[n->inputs[k]].type;
        for (int k = 0; k < n->output_count; k++)
            g->values[n->outputs[k]].type = yk_output_type(n->op, &n->attrs, types, n->input_count, k);
    }
    return YOLK_OK;
}
