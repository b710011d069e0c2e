/* A graph's twin that shares nothing with it. */
#include "graph/graph.h"

#include <string.h>

static yolk_status copy_value(yk_graph *to, const yk_value *v)
{
    bool keep = v->data && !v->bound;
    yk_id id = keep ? yk_graph_add_constant_copy(to, v->name, v->type, v->shape, v->data)
                    : yk_graph_add_value(to, v->name, v->type);
    if (id == YK_NONE)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_value *made = &to->values[id];
    made->shape = v->shape;
    made->producer = v->producer;
    if (!v->bound || !v->data)
        return YOLK_OK;
    size_t size = (size_t)yk_shape_count(&v->shape) * yk_type_size(v->type);
    void *data = yk_alloc_aligned(size);
    if (!data)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(data, v->data, size);
    made->data = data;
    made->bound = true;
    return YOLK_OK;
}

static yolk_status copy_node(yk_graph *to, const yk_node *n)
{
    yk_node made = *n;
    yolk_status status = yk_grow(&to->nodes, &to->node_capacity, (size_t)to->node_count + 1, sizeof(*to->nodes));
    if (status != YOLK_OK)
        return status;
    made.name = yk_strdup(n->name);
    made.inputs = yk_calloc((size_t)n->input_count, sizeof(*made.inputs));
    if (!made.name || !made.inputs) {
        yk_free(made.name);
        yk_free(made.inputs);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    memcpy(made.inputs, n->inputs, (size_t)n->input_count * sizeof(*made.inputs));
    to->nodes[to->node_count++] = made;
    return YOLK_OK;
}

yolk_status yk_graph_copy_facts(yk_graph *to, const yk_graph *g)
{
    to->head = g->head;
    to->stride = g->stride;
    to->input_height = g->input_height;
    to->input_width = g->input_width;
    to->dynamic_size = g->dynamic_size;
    to->dynamic_batch = g->dynamic_batch;
    to->fp16_source = g->fp16_source;
    yk_free(to->family);
    to->family = yk_strdup(g->family ? g->family : "");
    if (!to->family)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (!g->class_names)
        return YOLK_OK;
    to->class_names = yk_calloc((size_t)YK_MAX(g->head.classes, 1), sizeof *to->class_names);
    if (!to->class_names)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->head.classes; i++) {
        to->class_names[i] = yk_strdup(g->class_names[i]);
        if (!to->class_names[i])
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    return YOLK_OK;
}

yolk_status yk_graph_copy(const yk_graph *g, yk_graph **out)
{
    yk_graph *to;
    *out = NULL;
    yolk_status status = yk_graph_create(&to);
    if (status != YOLK_OK)
        return status;
    memcpy(to->bound, g->bound, sizeof(to->bound));
    status = yk_graph_copy_facts(to, g);
    to->check = g->check ? yk_strdup(g->check) : NULL;
    if (g->check && !to->check)
        status = YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->value_count && status == YOLK_OK; i++)
        status = copy_value(to, &g->values[i]);
    to->input = g->input;
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++)
        status = copy_node(to, &g->nodes[i]);
    for (int i = 0; i < g->output_count && status == YOLK_OK; i++)
        status = yk_graph_add_output(to, g->outputs[i]);
    if (status != YOLK_OK) {
        yk_graph_destroy(&to);
        return status;
    }
    *out = to;
    return YOLK_OK;
}
