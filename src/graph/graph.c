/* Building a graph: values, nodes, and the memory they stand on. */
#include "graph/call.h"

#include <string.h>

/* Far above any detector; keeps ids inside an int and a hostile file from growing a graph without end. */
enum { MAX_ITEMS = 1 << 20 };

static const struct {
    int least, most;
} input_counts[YK_OP_COUNT] = {
#define COUNT_ROW(name, text, least, most) {least, most},
    YK_OP_MAP(COUNT_ROW)
#undef COUNT_ROW
};

yolk_status yk_graph_create(yk_graph **out)
{
    *out = NULL;
    yk_graph *g = yk_calloc(1, sizeof(*g));
    if (!g)
        return YOLK_ERROR_OUT_OF_MEMORY;
    g->input = YK_NONE;
    g->family = yk_strdup("");
    if (!g->family) {
        yk_free(g);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    *out = g;
    return YOLK_OK;
}

yk_node *yk_graph_take_nodes(yk_graph *g)
{
    yk_node *nodes = g->nodes;
    g->nodes = NULL;
    g->node_capacity = 0;
    g->node_count = 0;
    return nodes;
}

void yk_nodes_free(yk_node *nodes, int count)
{
    for (int i = 0; nodes && i < count; i++) {
        yk_free(nodes[i].name);
        yk_free(nodes[i].inputs);
    }
    yk_free(nodes);
}

void yk_graph_destroy(yk_graph **graph)
{
    yk_graph *g = *graph;
    if (!g)
        return;
    *graph = NULL;
    for (int i = 0; i < g->value_count; i++) {
        if (g->values[i].bound)
            yk_free((void *)g->values[i].data);
        yk_free(g->values[i].name);
    }
    yk_nodes_free(g->nodes, g->node_count);
    for (size_t i = 0; i < g->owned_count; i++)
        yk_free(g->owned[i]);
    for (size_t i = 0; i < g->map_count; i++)
        yk_map_close(&g->maps[i]);
    if (g->class_names) {
        for (int i = 0; i < g->head.classes; i++)
            yk_free(g->class_names[i]);
    }
    yk_free(g->class_names);
    yk_free(g->family);
    yk_free(g->check);
    yk_free(g->values);
    yk_free(g->outputs);
    yk_free(g->owned);
    yk_free(g->maps);
    yk_free(g->index);
    yk_free(g);
}

yolk_status yk_graph_own(yk_graph *g, void *memory)
{
    yolk_status status = yk_grow(&g->owned, &g->owned_capacity, g->owned_count + 1, sizeof(*g->owned));
    if (status != YOLK_OK) {
        yk_free(memory);
        return status;
    }
    g->owned[g->owned_count++] = memory;
    return YOLK_OK;
}

yolk_status yk_graph_own_map(yk_graph *g, yk_map *map)
{
    yolk_status status = yk_grow(&g->maps, &g->map_capacity, g->map_count + 1, sizeof(*g->maps));
    if (status != YOLK_OK) {
        yk_map_close(map);
        return status;
    }
    g->maps[g->map_count++] = *map;
    *map = (yk_map){0};
    return YOLK_OK;
}

/* ---- names: an open-addressed table of value ids, at most half full, so that large graphs stay linear ---- */

static size_t name_hash(const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static void index_insert(yk_graph *g, yk_id id)
{
    size_t mask = g->index_capacity - 1;
    size_t at = name_hash(g->values[id].name) & mask;
    while (g->index[at] != YK_NONE)
        at = (at + 1) & mask;
    g->index[at] = id;
}

yolk_status yk_graph_index(yk_graph *g)
{
    size_t wanted = g->index_capacity ? g->index_capacity : 64;
    while (wanted < 2 * ((size_t)g->value_count + 1))
        wanted *= 2;
    if (wanted != g->index_capacity) {
        yk_id *bigger = yk_realloc(g->index, wanted, sizeof(*bigger));
        if (!bigger)
            return YOLK_ERROR_OUT_OF_MEMORY;
        g->index = bigger;
        g->index_capacity = wanted;
    }
    for (size_t i = 0; i < wanted; i++)
        g->index[i] = YK_NONE;
    for (yk_id id = 0; id < g->value_count; id++)
        index_insert(g, id);
    return YOLK_OK;
}

yk_id yk_graph_find(const yk_graph *g, const char *value_name)
{
    if (g->index_capacity == 0)
        return YK_NONE;
    size_t mask = g->index_capacity - 1;
    for (size_t at = name_hash(value_name) & mask; g->index[at] != YK_NONE; at = (at + 1) & mask) {
        if (strcmp(g->values[g->index[at]].name, value_name) == 0)
            return g->index[at];
    }
    return YK_NONE;
}

/* The wanted name, or one made from it that is free. */
static char *unique_name(const yk_graph *g, const char *name)
{
    if (!name || !*name)
        name = "value";
    else if (yk_graph_find(g, name) == YK_NONE)
        return yk_strdup(name);
    for (int n = g->value_count;; n++) {
        char *made = yk_format("%s_%d", name, n);
        if (!made || yk_graph_find(g, made) == YK_NONE)
            return made;
        yk_free(made);
    }
}

yolk_status yk_graph_rename(yk_graph *g, yk_id value, const char *name)
{
    if (strcmp(g->values[value].name, name) == 0)
        return YOLK_OK;
    char *made = unique_name(g, name);
    if (!made)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_free(g->values[value].name);
    g->values[value].name = made;
    return yk_graph_index(g);
}

/* ---- values ---- */

static yk_id add_value(yk_graph *g, const char *name, yk_type type, yk_shape shape)
{
    if (g->value_count >= MAX_ITEMS) {
        yk_fail(YOLK_ERROR_LIMIT, "the network has more than %d tensors", MAX_ITEMS);
        return YK_NONE;
    }
    if (yk_grow(&g->values, &g->value_capacity, (size_t)g->value_count + 1, sizeof(*g->values)) != YOLK_OK)
        return YK_NONE;
    if (2 * ((size_t)g->value_count + 1) > g->index_capacity && yk_graph_index(g) != YOLK_OK)
        return YK_NONE;
    char *unique = unique_name(g, name);
    if (!unique)
        return YK_NONE;
    yk_id id = g->value_count++;
    g->values[id] = (yk_value){.name = unique, .type = type, .shape = shape, .producer = -1};
    index_insert(g, id);
    return id;
}

yk_id yk_graph_add_input(yk_graph *g, const char *name)
{
    if (g->input != YK_NONE) {
        yk_fail(YOLK_ERROR_UNSUPPORTED, "the network has more than one input: \"%s\" besides \"%s\"", name ? name : "",
                g->values[g->input].name);
        return YK_NONE;
    }
    g->input = add_value(g, name ? name : "images", YK_F32, (yk_shape){.rank = -1});
    return g->input;
}

yk_id yk_graph_add_value(yk_graph *g, const char *name, yk_type type)
{
    return add_value(g, name, type, (yk_shape){.rank = -1});
}

/* Size in bytes of a constant, or false after failing. */
static bool constant_size(const char *name, yk_type type, const yk_shape *shape, size_t *size)
{
    int64_t count = shape->rank <= YK_MAX_RANK ? yk_shape_count(shape) : -1;
    if (count < 0 || yk_type_size(type) == 0 || __builtin_mul_overflow((size_t)count, yk_type_size(type), size)) {
        yk_fail(YOLK_ERROR_DAMAGED, "tensor \"%s\" has an impossible shape", name ? name : "");
        return false;
    }
    return true;
}

yk_id yk_graph_add_constant(yk_graph *g, const char *name, yk_type type, yk_shape shape, const void *data)
{
    size_t size;
    if (!constant_size(name, type, &shape, &size))
        return YK_NONE;
    /* Files do not align their tensors as C wants its types. */
    if (!data || (uintptr_t)data % yk_type_size(type) != 0)
        return yk_graph_add_constant_copy(g, name, type, shape, data);
    yk_id id = add_value(g, name, type, shape);
    if (id != YK_NONE)
        g->values[id].data = data;
    return id;
}

yk_id yk_graph_add_constant_copy(yk_graph *g, const char *name, yk_type type, yk_shape shape, const void *data)
{
    size_t size;
    if (!constant_size(name, type, &shape, &size))
        return YK_NONE;
    if (!data && size > 0) {
        yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "tensor \"%s\" has no data", name ? name : "");
        return YK_NONE;
    }
    void *copy = yk_alloc_aligned(size);
    if (!copy)
        return YK_NONE;
    if (size > 0)
        memcpy(copy, data, size);
    if (yk_graph_own(g, copy) != YOLK_OK)
        return YK_NONE;
    yk_id id = add_value(g, name, type, shape);
    if (id != YK_NONE)
        g->values[id].data = copy;
    return id;
}

yolk_status yk_graph_add_output(yk_graph *g, yk_id value)
{
    if (value < 0 || value >= g->value_count)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "output %d of the network does not exist", g->output_count);
    yolk_status status = yk_grow(&g->outputs, &g->output_capacity, (size_t)g->output_count + 1, sizeof(*g->outputs));
    if (status == YOLK_OK)
        g->outputs[g->output_count++] = value;
    return status;
}

/* ---- nodes ---- */

/* Attributes whose zero can only mean "not given". */
static void fill_attrs(const yk_graph *g, yk_node *n)
{
    yk_attrs *a = &n->attrs;
    switch (n->op) {
    case YK_OP_CONV:
    case YK_OP_CONV_TRANSPOSE: {
        const yk_shape *w = &g->values[n->inputs[1]].shape;
        for (int i = 0; i < 2 && w->rank == 4; i++) {
            if (a->kernel[i] == 0 && w->dims[2 + i] <= INT32_MAX)
                a->kernel[i] = (int)w->dims[2 + i];
        }
    }
    /* fall through */
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
        for (int i = 0; i < 2; i++) {
            a->stride[i] = a->stride[i] ? a->stride[i] : 1;
            a->dilation[i] = a->dilation[i] ? a->dilation[i] : 1;
        }
        a->groups = a->groups ? a->groups : 1;
        break;
    case YK_OP_SLICE:
        for (int i = 0; i < a->axes_count && i < YK_MAX_RANK; i++)
            a->steps[i] = a->steps[i] ? a->steps[i] : 1;
        break;
    default:
        break;
    }
}

void yk_op_inputs(yk_op op, int *least, int *most)
{
    *least = input_counts[op].least;
    *most = input_counts[op].most;
}

static yolk_status check_node(const yk_graph *g, yk_op op, const char *name, const yk_id *inputs, int input_count,
                              int output_count, const yk_attrs *attrs)
{
    if ((unsigned)op >= YK_OP_COUNT)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "layer \"%s\": operator %d does not exist", name, (int)op);
    int least = input_counts[op].least, most = input_counts[op].most;
    if (input_count < least || input_count > most)
        return yk_fail(YOLK_ERROR_DAMAGED, "layer \"%s\" (%s) has %d inputs; it takes %d to %d", name, yk_op_name(op),
                       input_count, least, most);
    if (output_count < 1 || output_count > (op == YK_OP_TOPK ? 2 : 1))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "layer \"%s\" (%s) has %d outputs, which yolk cannot compute", name,
                       yk_op_name(op), output_count);
    for (int i = 0; i < input_count; i++) {
        bool missing = (i < least || op == YK_OP_CONCAT) && inputs[i] == YK_NONE;
        if (missing || inputs[i] < YK_NONE || inputs[i] >= g->value_count)
            return yk_fail(YOLK_ERROR_DAMAGED, "layer \"%s\" (%s): input %d is missing", name, yk_op_name(op), i);
    }
    if (attrs && (attrs->axes_count < 0 || attrs->axes_count > YK_MAX_RANK))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "layer \"%s\" (%s) works on %d axes; yolk handles up to %d", name,
                       yk_op_name(op), attrs->axes_count, YK_MAX_RANK);
    return YOLK_OK;
}

int yk_graph_add_node(yk_graph *g, yk_op op, const char *name, const yk_id *inputs, int input_count, int output_count,
                      const yk_attrs *attrs)
{
    if (check_node(g, op, name ? name : "", inputs, input_count, output_count, attrs) != YOLK_OK)
        return -1;
    if (g->node_count >= MAX_ITEMS) {
        yk_fail(YOLK_ERROR_LIMIT, "the network has more than %d layers", MAX_ITEMS);
        return -1;
    }
    if (yk_grow(&g->nodes, &g->node_capacity, (size_t)g->node_count + 1, sizeof(*g->nodes)) != YOLK_OK)
        return -1;
    yk_node n = {.op = op, .input_count = input_count, .outputs = {YK_NONE, YK_NONE}, .output_count = output_count};
    if (attrs)
        n.attrs = *attrs;
    n.name = yk_strdup(name && *name ? name : yk_op_name(op));
    n.inputs = yk_calloc((size_t)input_count, sizeof(*n.inputs));
    if (!n.name || !n.inputs)
        goto fail;
    memcpy(n.inputs, inputs, (size_t)input_count * sizeof(*n.inputs));
    fill_attrs(g, &n);
    yk_type types[YK_MAX_INPUTS];
    for (int i = 0; i < input_count; i++)
        types[i] = inputs[i] == YK_NONE ? YK_TYPE_COUNT : g->values[inputs[i]].type;
    for (int i = 0; i < output_count; i++) {
        yk_type type = yk_output_type(op, &n.attrs, types, input_count, i);
        n.outputs[i] = add_value(g, n.name, type, (yk_shape){.rank = -1});
        if (n.outputs[i] == YK_NONE)
            goto fail;
        g->values[n.outputs[i]].producer = g->node_count;
    }
    /* Names of values are unique, and so are those of nodes by taking them: ONNX asks for it. */
    const char *unique = g->values[n.outputs[0]].name;
    if (strcmp(n.name, unique) != 0) {
        char *copy = yk_strdup(unique);
        if (!copy)
            goto fail;
        yk_free(n.name);
        n.name = copy;
    }
    g->nodes[g->node_count] = n;
    return g->node_count++;

fail:
    /* Values that were made stay, unused; only the message matters after a failure. */
    for (int i = 0; i < 2; i++) {
        if (n.outputs[i] != YK_NONE)
            g->values[n.outputs[i]].producer = -1;
    }
    yk_free(n.name);
    yk_free(n.inputs);
    return -1;
}

const int64_t *yk_graph_int64(const yk_graph *g, yk_id value, int64_t *count)
{
    *count = 0;
    if (value < 0 || value >= g->value_count || g->values[value].type != YK_I64 || !g->values[value].data)
        return NULL;
    *count = yk_shape_count(&g->values[value].shape);
    return g->values[value].data;
}

uint64_t yk_graph_parameters(const yk_graph *g)
{
    uint64_t total = 0;
    for (int i = 0; i < g->value_count; i++) {
        const yk_value *v = &g->values[i];
        bool weight = v->type == YK_F32 || v->type == YK_F16 || v->type == YK_F64 || v->type == YK_I8;
        if (v->data && !v->bound && weight)
            total += (uint64_t)yk_shape_count(&v->shape);
    }
    return total;
}

const char *yk_graph_precision(const yk_graph *g)
{
    for (int i = 0; i < g->node_count; i++) {
        if (g->nodes[i].op == YK_OP_QUANTIZE)
            return "int8";
    }
    return g->fp16_source ? "fp16" : "fp32";
}
