#include "model/memory.h"

static uint64_t value_bytes(const yk_graph *g, yk_id id)
{
    int64_t count = yk_shape_count(&g->values[id].shape);
    return count > 0 ? (uint64_t)count * yk_type_size(g->values[id].type) : 0;
}

yolk_status yk_memory_estimate(const yk_graph *g, yk_need *out)
{
    *out = (yk_need){.network = yk_graph_parameters(g) * sizeof(float)};
    int *last_use = yk_calloc((size_t)g->value_count, sizeof *last_use);
    if (!last_use)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->node_count; i++) {
        for (int k = 0; k < g->nodes[i].input_count; k++) {
            if (g->nodes[i].inputs[k] != YK_NONE)
                last_use[g->nodes[i].inputs[k]] = i;
        }
    }
    uint64_t alive = value_bytes(g, g->input), most = alive, kept = alive;
    for (int i = 0; i < g->output_count; i++) {
        last_use[g->outputs[i]] = g->node_count;
        kept += value_bytes(g, g->outputs[i]);
    }
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        for (int k = 0; k < n->output_count; k++)
            alive += value_bytes(g, n->outputs[k]);
        most = YK_MAX(most, alive);
        for (int k = 0; k < n->input_count; k++) {
            yk_id id = n->inputs[k];
            if (id == YK_NONE || g->values[id].data || last_use[id] != i)
                continue;
            alive -= YK_MIN(value_bytes(g, id), alive);
            last_use[id] = -1; /* a node may read a value twice */
        }
    }
    out->frame = (most + kept) / (uint64_t)YK_MAX(g->bound[0], 1);
    yk_free(last_use);
    return YOLK_OK;
}
