/* Takes a ModelProto apart: one pass counts, one fills, then names are linked and nodes sorted. */
#include "import/onnx_model.h"

#include <string.h>

/* Far above any detector. */
enum { MAX_NODES = 100000, MAX_TENSORS = 100000, MAX_LINKS = 1000000 };
enum { OLDEST_OPSET = 11 };

enum {
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2,
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_SPARSE_INITIALIZER = 15,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP = 4,
    NODE_DOMAIN = 7,
    TENSOR_NAME = 8,
    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    TYPE_TENSOR = 1,
    TENSOR_ELEMENT = 1,
    TENSOR_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1
};

static yolk_status damaged(const char *what)
{
    return yk_fail(YOLK_ERROR_DAMAGED, "the ONNX model is damaged or cut short (in %s); get the file again", what);
}

/* ---- names ---- */

static uint64_t hash(yk_span s)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.size; i++)
        h = (h ^ s.data[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* Index of the value with this name, made when it is new; -1 for the empty name. There is room for all. */
static int value_of(yk_onnx_model *m, yk_span name)
{
    if (name.size == 0)
        return -1;
    size_t at = hash(name) & (m->table_size - 1);
    for (; m->table[at] >= 0; at = (at + 1) & (m->table_size - 1)) {
        if (yk_span_equal(m->values[m->table[at]].name, name))
            return m->table[at];
    }
    m->values[m->value_count] = (yk_onnx_value){.name = name, .id = YK_NONE};
    return m->table[at] = m->value_count++;
}

static yolk_status set_source(yk_onnx_model *m, int value, yk_onnx_source source, int index)
{
    yk_onnx_value *v = &m->values[value];
    /* Until IR version 4 an initializer was listed as an input as well. */
    bool default_value = source == YK_ONNX_INITIALIZER && v->source == YK_ONNX_INPUT;
    if (v->source != YK_ONNX_NOWHERE && !default_value)
        return yk_fail(YOLK_ERROR_DAMAGED, "value \"%s\" of the ONNX model is defined twice",
                       yk_onnx_text_of(v->name).text);
    v->source = source;
    v->index = index;
    return YOLK_OK;
}

/* ---- counting ---- */

static yolk_status count_node(yk_onnx_model *m, yk_span body)
{
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.wire == YK_PB_BYTES && (f.number == NODE_INPUT || f.number == NODE_OUTPUT))
            m->link_count++;
        if (m->link_count > MAX_LINKS)
            return yk_fail(YOLK_ERROR_LIMIT, "the ONNX model has more than %d connections", MAX_LINKS);
    }
    m->node_count++;
    return r.damaged ? damaged("a node") : YOLK_OK;
}

static yolk_status count_graph(yk_onnx_model *m, yk_span graph)
{
    yk_pb_reader r = yk_pb_reader_of(graph);
    yk_pb_field f;
    yolk_status status = YOLK_OK;
    while (status == YOLK_OK && yk_pb_next(&r, &f)) {
        if (f.wire != YK_PB_BYTES)
            continue;
        if (f.number == GRAPH_NODE)
            status = count_node(m, f.bytes);
        else if (f.number == GRAPH_INITIALIZER)
            m->tensor_count++;
        else if (f.number == GRAPH_INPUT)
            m->input_count++;
        else if (f.number == GRAPH_OUTPUT)
            m->output_count++;
        else if (f.number == GRAPH_SPARSE_INITIALIZER)
            status = yk_fail(YOLK_ERROR_UNSUPPORTED, "the ONNX model has sparse weights, which yolk does not read");
        if (m->node_count > MAX_NODES)
            status = yk_fail(YOLK_ERROR_LIMIT, "the ONNX model has more than %d nodes", MAX_NODES);
        if (m->tensor_count + m->input_count + m->output_count > MAX_TENSORS)
            status = yk_fail(YOLK_ERROR_LIMIT, "the ONNX model has more than %d tensors", MAX_TENSORS);
    }
    if (status == YOLK_OK && r.damaged)
        status = damaged("its graph");
    return status;
}

static yolk_status allocate(yk_onnx_model *m)
{
    size_t names = (size_t)m->link_count + (size_t)m->tensor_count + (size_t)m->input_count + (size_t)m->output_count;
    m->table_size = 64;
    while (m->table_size < 2 * names)
        m->table_size *= 2;
    m->nodes = yk_calloc((size_t)m->node_count, sizeof *m->nodes);
    m->order = yk_calloc((size_t)m->node_count, sizeof *m->order);
    m->tensors = yk_calloc((size_t)m->tensor_count, sizeof *m->tensors);
    m->inputs = yk_calloc((size_t)m->input_count, sizeof *m->inputs);
    m->outputs = yk_calloc((size_t)m->output_count, sizeof *m->outputs);
    m->links = yk_calloc((size_t)m->link_count, sizeof *m->links);
    m->values = yk_calloc(names, sizeof *m->values);
    m->table = yk_calloc(m->table_size, sizeof *m->table);
    if (!m->nodes || !m->order || !m->tensors || !m->inputs || !m->outputs || !m->links || !m->values || !m->table)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < m->table_size; i++)
        m->table[i] = -1;
    return YOLK_OK;
}

/* ---- filling ---- */

yk_span yk_onnx_field(yk_span message, int number)
{
    yk_span name = {0};
    yk_pb_reader r = yk_pb_reader_of(message);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == number && f.wire == YK_PB_BYTES)
            name = f.bytes;
    }
    return name;
}

static yolk_status fill_node(yk_onnx_model *m, yk_span body, int *links_used)
{
    int index = m->node_count;
    yk_onnx_node *n = &m->nodes[m->node_count++];
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    n->body = body;
    n->inputs = m->links + *links_used;
    while (yk_pb_next(&r, &f)) {
        if (f.wire != YK_PB_BYTES)
            continue;
        if (f.number == NODE_INPUT) {
            int value = value_of(m, f.bytes);
            m->links[*links_used + n->input_count++] = value;
        } else if (f.number == NODE_NAME) {
            n->name = f.bytes;
        } else if (f.number == NODE_OP) {
            n->op = f.bytes;
        } else if (f.number == NODE_DOMAIN) {
            n->domain = f.bytes;
        }
    }
    *links_used += n->input_count;
    n->outputs = m->links + *links_used;
    yolk_status status = YOLK_OK;
    r = yk_pb_reader_of(body);
    while (status == YOLK_OK && yk_pb_next(&r, &f)) {
        if (f.wire != YK_PB_BYTES || f.number != NODE_OUTPUT)
            continue;
        int value = value_of(m, f.bytes);
        m->links[*links_used + n->output_count++] = value;
        if (value >= 0)
            status = set_source(m, value, YK_ONNX_NODE, index);
    }
    *links_used += n->output_count;
    return status;
}

static yolk_status fill_graph(yk_onnx_model *m, yk_span graph)
{
    yk_pb_reader r = yk_pb_reader_of(graph);
    yk_pb_field f;
    int links_used = 0, value;
    yolk_status status = YOLK_OK;
    m->node_count = m->tensor_count = m->input_count = m->output_count = 0;
    while (status == YOLK_OK && yk_pb_next(&r, &f)) {
        if (f.wire != YK_PB_BYTES)
            continue;
        switch (f.number) {
        case GRAPH_NODE:
            status = fill_node(m, f.bytes, &links_used);
            break;
        case GRAPH_INITIALIZER:
            value = value_of(m, yk_onnx_field(f.bytes, TENSOR_NAME));
            m->tensors[m->tensor_count] = f.bytes;
            if (value >= 0)
                status = set_source(m, value, YK_ONNX_INITIALIZER, m->tensor_count);
            m->tensor_count++;
            break;
        case GRAPH_INPUT:
            value = value_of(m, yk_onnx_field(f.bytes, VALUE_NAME));
            if (value < 0)
                return damaged("the list of its inputs");
            m->values[value].shape = f.bytes;
            if (m->values[value].source != YK_ONNX_INITIALIZER)
                status = set_source(m, value, YK_ONNX_INPUT, m->input_count);
            m->inputs[m->input_count++] = value;
            break;
        case GRAPH_OUTPUT:
            value = value_of(m, yk_onnx_field(f.bytes, VALUE_NAME));
            if (value < 0)
                return damaged("the list of its outputs");
            m->values[value].shape = f.bytes;
            m->values[value].uses++;
            m->outputs[m->output_count++] = value;
            break;
        default:
            break;
        }
    }
    return status;
}

/* Initializers that IR versions before 4 list among the inputs are none. */
static void drop_default_inputs(yk_onnx_model *m)
{
    int kept = 0;
    for (int i = 0; i < m->input_count; i++) {
        if (m->values[m->inputs[i]].source == YK_ONNX_INPUT)
            m->inputs[kept++] = m->inputs[i];
    }
    m->input_count = kept;
}

static yolk_status check_links(yk_onnx_model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        yk_onnx_node *n = &m->nodes[i];
        for (int j = 0; j < n->input_count; j++) {
            if (n->inputs[j] < 0)
                continue;
            yk_onnx_value *v = &m->values[n->inputs[j]];
            if (v->source == YK_ONNX_NOWHERE)
                return yk_fail(YOLK_ERROR_DAMAGED, "node \"%s\" (%s) of the ONNX model reads \"%s\", which is missing",
                               yk_onnx_node_text(m, n).text, yk_onnx_text_of(n->op).text,
                               yk_onnx_text_of(v->name).text);
            v->uses++;
        }
    }
    for (int i = 0; i < m->output_count; i++) {
        if (m->values[m->outputs[i]].source == YK_ONNX_NOWHERE)
            return yk_fail(YOLK_ERROR_DAMAGED, "output \"%s\" of the ONNX model is computed by no node",
                           yk_onnx_text_of(m->values[m->outputs[i]].name).text);
    }
    return YOLK_OK;
}

/* ---- sorting ---- */

typedef struct visit {
    int node, next_input;
} visit;

/* Depth first from one node, on a stack of its own since a file may be deeper than ours. state: 0 new, 1 on the stack,
 * 2 done. */
static yolk_status sort_from(yk_onnx_model *m, int node, visit *stack, uint8_t *state)
{
    int depth = 0;
    if (state[node])
        return YOLK_OK;
    state[node] = 1;
    stack[depth++] = (visit){node, 0};
    while (depth > 0) {
        visit *top = &stack[depth - 1];
        const yk_onnx_node *n = &m->nodes[top->node];
        if (top->next_input == n->input_count) {
            state[top->node] = 2;
            m->order[m->order_count++] = top->node;
            depth--;
            continue;
        }
        int value = n->inputs[top->next_input++];
        if (value < 0 || m->values[value].source != YK_ONNX_NODE)
            continue;
        int producer = m->values[value].index;
        if (state[producer] == 1)
            return yk_fail(YOLK_ERROR_DAMAGED, "node \"%s\" (%s) of the ONNX model needs its own result: a cycle",
                           yk_onnx_node_text(m, &m->nodes[producer]).text, yk_onnx_text_of(m->nodes[producer].op).text);
        if (state[producer] == 0) {
            state[producer] = 1;
            stack[depth++] = (visit){producer, 0};
        }
    }
    return YOLK_OK;
}

static yolk_status sort_nodes(yk_onnx_model *m)
{
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    visit *stack = yk_calloc((size_t)m->node_count, sizeof *stack);
    uint8_t *state = yk_calloc((size_t)m->node_count, 1);
    if (stack && state) {
        status = YOLK_OK;
        for (int i = 0; i < m->output_count && status == YOLK_OK; i++) {
            const yk_onnx_value *v = &m->values[m->outputs[i]];
            if (v->source == YK_ONNX_NODE)
                status = sort_from(m, v->index, stack, state);
        }
    }
    yk_free(stack);
    yk_free(state);
    return status;
}

/* ---- the model ---- */

static yolk_status read_opset(yk_onnx_model *m, yk_span body)
{
    yk_span domain = {0};
    int64_t version = 0;
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == OPSET_DOMAIN && f.wire == YK_PB_BYTES)
            domain = f.bytes;
        else if (f.number == OPSET_VERSION && f.wire == YK_PB_VARINT)
            version = (int64_t)f.value;
    }
    if (domain.size == 0 || yk_span_is(domain, "ai.onnx"))
        m->opset = version;
    return r.damaged ? damaged("its operator set") : YOLK_OK;
}

yolk_status yk_onnx_model_parse(yk_span body, yk_onnx_model *m)
{
    *m = (yk_onnx_model){.body = body};
    yk_span graph = {0};
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    yolk_status status = YOLK_OK;
    while (status == YOLK_OK && yk_pb_next(&r, &f)) {
        if (f.number == MODEL_GRAPH && f.wire == YK_PB_BYTES)
            graph = f.bytes;
        else if (f.number == MODEL_OPSET && f.wire == YK_PB_BYTES)
            status = read_opset(m, f.bytes);
    }
    if (status != YOLK_OK)
        goto fail;
    if (r.damaged || graph.size == 0) {
        status = damaged(r.damaged ? "its outermost part" : "its graph, which is missing");
        goto fail;
    }
    if (m->opset < OLDEST_OPSET) {
        status = yk_fail(YOLK_ERROR_UNSUPPORTED,
                         "the ONNX model uses operator set %lld; yolk reads %d and later: export it again, for "
                         "example with opset=17",
                         (long long)m->opset, OLDEST_OPSET);
        goto fail;
    }
    status = count_graph(m, graph);
    if (status == YOLK_OK)
        status = allocate(m);
    if (status == YOLK_OK)
        status = fill_graph(m, graph);
    if (status == YOLK_OK) {
        drop_default_inputs(m);
        status = check_links(m);
    }
    if (status == YOLK_OK)
        status = sort_nodes(m);
    if (status == YOLK_OK)
        return YOLK_OK;
fail:
    yk_onnx_model_free(m);
    return status;
}

void yk_onnx_model_free(yk_onnx_model *m)
{
    yk_free(m->nodes);
    yk_free(m->order);
    yk_free(m->tensors);
    yk_free(m->inputs);
    yk_free(m->outputs);
    yk_free(m->links);
    yk_free(m->values);
    yk_free(m->table);
    *m = (yk_onnx_model){0};
}

static void read_dim(yk_span body, yk_shape *shape)
{
    int64_t dim = -1;
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == DIM_VALUE && f.wire == YK_PB_VARINT)
            dim = (int64_t)f.value;
    }
    /* Some writers say 0 or -1 for an open dimension. */
    shape->dims[shape->rank++] = dim > 0 ? dim : -1;
}

yolk_status yk_onnx_value_type(const yk_onnx_value *v, yk_onnx_type_info *out)
{
    *out = (yk_onnx_type_info){.shape.rank = -1};
    yk_span shape = {0};
    yk_pb_reader r = yk_pb_reader_of(yk_onnx_field(yk_onnx_field(v->shape, VALUE_TYPE), TYPE_TENSOR));
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == TENSOR_ELEMENT && f.wire == YK_PB_VARINT) {
            out->type = (int64_t)f.value;
        } else if (f.number == TENSOR_SHAPE && f.wire == YK_PB_BYTES) {
            shape = f.bytes;
            out->shape.rank = 0;
        }
    }
    r = yk_pb_reader_of(shape);
    while (yk_pb_next(&r, &f)) {
        if (f.number != SHAPE_DIM || f.wire != YK_PB_BYTES)
            continue;
        if (out->shape.rank == YK_MAX_RANK)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "\"%s\" of the ONNX model has more than %d dimensions",
                           yk_onnx_text_of(v->name).text, YK_MAX_RANK);
        read_dim(f.bytes, &out->shape);
    }
    return YOLK_OK;
}
