/* Convolutions in 8-bit integers, said with QuantizeLinear and DequantizeLinear.
 *
 * A convolution reads its input and weights through such a pair. Where the input comes through operators that only move
 * values, the pair stands before those, so that they move bytes; what meets in one of them shares one scale. */
#include "graph/graph.h"

#include <math.h>
#include <string.h>

bool yk_moves_values(const yk_graph *g, const yk_node *n)
{
    switch (n->op) {
    case YK_OP_CONCAT:
        return n->attrs.axis == 1 || n->attrs.axis == 1 - 4;
    case YK_OP_SLICE:
    case YK_OP_MAX_POOL:
        return g->values[n->outputs[0]].type == YK_F32;
    case YK_OP_RESIZE:
        return !n->attrs.linear;
    default:
        return false;
    }
}

bool yk_can_quantize(const yk_graph *g, const yk_node *n)
{
    if (n->op != YK_OP_CONV)
        return false;
    const yk_value *x = &g->values[n->inputs[0]], *w = &g->values[n->inputs[1]];
    return !x->data && x->type == YK_F32 && w->data && !w->bound && w->type == YK_F32 && w->shape.rank == 4;
}

/* Marks what must be quantized for the chosen convolutions: their inputs, and what those are moved together from. */
static void mark_needed(const yk_graph *g, const bool *chosen, bool *needed)
{
    for (int i = g->node_count - 1; i >= 0; i--) {
        const yk_node *n = &g->nodes[i];
        if (chosen[i] && yk_can_quantize(g, n))
            needed[n->inputs[0]] = true;
        if (!needed[n->outputs[0]] || !yk_moves_values(g, n))
            continue;
        for (int k = 0; k < n->input_count; k++) {
            if (!g->values[n->inputs[k]].data)
                needed[n->inputs[k]] = true;
        }
    }
}

static int root_of(int *group, int v)
{
    while (group[v] != v)
        v = group[v] = group[group[v]];
    return v;
}

yolk_status yk_quantize_groups(const yk_graph *g, int *group)
{
    bool *chosen = yk_calloc((size_t)g->node_count, sizeof *chosen);
    bool *needed = yk_calloc((size_t)g->value_count, sizeof *needed);
    yolk_status status = chosen && needed ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status != YOLK_OK)
        goto fail;
    memset(chosen, 1, (size_t)g->node_count);
    mark_needed(g, chosen, needed);
    for (int i = 0; i < g->value_count; i++)
        group[i] = i;
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        if (!needed[n->outputs[0]] || !yk_moves_values(g, n))
            continue;
        for (int k = 0; k < n->input_count; k++) {
            if (needed[n->inputs[k]])
                group[root_of(group, n->inputs[k])] = root_of(group, n->outputs[0]);
        }
    }
    for (int i = 0; i < g->value_count; i++)
        group[i] = needed[i] ? root_of(group, i) : -1;
fail:
    yk_free(chosen);
    yk_free(needed);
    return status;
}

/* ---- inserting the pairs ---- */

typedef struct quantizer {
    yk_graph *g;
    const yk_quantization *q;
    bool *needed;
    yk_id *pair; /* by value: what its quantized readers read, or YK_NONE */
} quantizer;

static yk_id scalar(yk_graph *g, const char *name, const char *part, yk_type type, const void *data)
{
    char *full = yk_format("%s.%s", name, part);
    if (!full)
        return YK_NONE;
    yk_id id = yk_graph_add_constant_copy(g, full, type, (yk_shape){.rank = 0}, data);
    yk_free(full);
    return id;
}

static yk_id named_node(yk_graph *g, yk_op op, const char *name, const char *part, const yk_id *inputs, int count,
                        const yk_attrs *attrs)
{
    char *full = yk_format("%s.%s", name, part);
    int n = full ? yk_graph_add_node(g, op, full, inputs, count, 1, attrs) : -1;
    yk_free(full);
    return n < 0 ? YK_NONE : g->nodes[n].outputs[0];
}

yk_eight_bits yk_eight_bits_of(const yk_quantization *q, yk_id value)
{
    const float low = YK_MIN(q->low[value], 0), high = YK_MAX(q->high[value], 0);
    yk_eight_bits s = {.is_signed = q->symmetric};
    s.scale = q->symmetric ? YK_MAX(high, -low) / 127 : (high - low) / 255;
    if (!(s.scale > 0) || !isfinite(s.scale))
        s.scale = 1.0f / 127;
    s.zero = q->symmetric ? 0 : (int)rintf(YK_MIN(-low / s.scale, 255));
    return s;
}

float yk_quantize_row(const float *row, int64_t count, int8_t *out)
{
    float most = 0;
    for (int64_t i = 0; i < count; i++)
        most = YK_MAX(most, fabsf(row[i]));
    const float scale = most > 0 && isfinite(most) ? most / 127 : 1;
    for (int64_t i = 0; i < count; i++) {
        float v = rintf(row[i] / scale);
        out[i] = (int8_t)(v >= 127 ? 127 : v > -127 ? v : -127);
    }
    return scale;
}

/* The pair for a computed value, which now exists. */
static yolk_status add_pair(quantizer *z, yk_id v)
{
    yk_graph *g = z->g;
    const char *name = g->values[v].name;
    const yk_eight_bits s = yk_eight_bits_of(z->q, v);
    const uint8_t zero = (uint8_t)s.zero;
    yk_id inputs[3] = {v, scalar(g, name, "scale", YK_F32, &s.scale), YK_NONE};
    if (inputs[1] != YK_NONE)
        inputs[2] = scalar(g, name, "zero", z->q->symmetric ? YK_I8 : YK_U8, &zero);
    if (inputs[2] != YK_NONE)
        inputs[0] = named_node(g, YK_OP_QUANTIZE, name, "quantize", inputs, 3, NULL);
    if (inputs[2] == YK_NONE || inputs[0] == YK_NONE)
        return yk_last_status();
    z->pair[v] = named_node(g, YK_OP_DEQUANTIZE, name, "dequantize", inputs, 3, NULL);
    return z->pair[v] == YK_NONE ? yk_last_status() : YOLK_OK;
}

/* Symmetric, with a scale for each output channel, so that zero stays zero and no channel's range costs another. */
static yolk_status quantize_weights(quantizer *z, yk_node *n)
{
    yk_graph *g = z->g;
    const yk_value w = g->values[n->inputs[1]];
    const int64_t channels = w.shape.dims[0], each = channels > 0 ? yk_shape_count(&w.shape) / channels : 0;
    const yk_shape line = {.rank = 1, .dims = {channels}};
    yk_id parts[2] = {YK_NONE, YK_NONE}, result = YK_NONE;
    int8_t *bytes = yk_alloc((size_t)(channels * each) + 1);
    float *scales = yk_calloc((size_t)channels + 1, sizeof *scales);
    char *name = yk_format("%s.int8", w.name);
    if (!bytes || !scales || !name)
        goto fail;
    for (int64_t o = 0; o < channels; o++)
        scales[o] = yk_quantize_row((const float *)w.data + o * each, each, bytes + o * each);
    parts[0] = yk_graph_add_constant_copy(g, name, YK_I8, w.shape, bytes);
    if (parts[0] != YK_NONE)
        parts[1] = yk_graph_add_constant_copy(g, name, YK_F32, line, scales);
    if (parts[1] != YK_NONE)
        result = named_node(g, YK_OP_DEQUANTIZE, w.name, "dequantize", parts, 2, &(yk_attrs){.axis = 0});
    if (result != YK_NONE)
        n->inputs[1] = result;
fail:
    yk_free(bytes);
    yk_free(scales);
    yk_free(name);
    return result == YK_NONE ? YOLK_ERROR_OUT_OF_MEMORY : YOLK_OK;
}

static yolk_status shift_biases(yk_graph *g, yk_node *n, const float *shift)
{
    const yk_value w = g->values[n->inputs[1]];
    const int64_t channels = w.shape.dims[0];
    const yk_shape line = {.rank = 1, .dims = {channels}};
    const float *old = n->input_count > 2 && n->inputs[2] != YK_NONE ? g->values[n->inputs[2]].data : NULL;
    float *sums = yk_calloc((size_t)channels + 1, sizeof *sums);
    char *name = yk_format("%s.bias", w.name);
    yk_id *inputs = yk_calloc(3, sizeof *inputs), id = YK_NONE;
    if (!sums || !name || !inputs)
        goto fail;
    for (int64_t c = 0; c < channels; c++)
        sums[c] = (old ? old[c] : 0) + shift[c];
    id = yk_graph_add_constant_copy(g, name, YK_F32, line, sums);
    if (id == YK_NONE)
        goto fail;
    inputs[0] = n->inputs[0];
    inputs[1] = n->inputs[1];
    inputs[2] = id;
    yk_free(n->inputs);
    n->inputs = inputs;
    n->input_count = 3;
    inputs = NULL;
fail:
    yk_free(sums);
    yk_free(name);
    yk_free(inputs);
    return id == YK_NONE ? YOLK_ERROR_OUT_OF_MEMORY : YOLK_OK;
}

/* A sum reads what is there in bytes already, so that those need not be kept in float besides. */
static bool reads_pairs(const quantizer *z, const yk_node *n, bool chosen)
{
    return chosen || n->op == YK_OP_ADD || (z->needed[n->outputs[0]] && yk_moves_values(z->g, n));
}

static yolk_status convert_node(quantizer *z, yk_node *n, bool chosen, const float *shift)
{
    yk_graph *g = z->g;
    yolk_status status = YOLK_OK;
    chosen = chosen && yk_can_quantize(g, n);
    bool moves = z->needed[n->outputs[0]] && yk_moves_values(g, n), pairs = reads_pairs(z, n, chosen);
    if (chosen && shift)
        status = shift_biases(g, n, shift);
    if (chosen && status == YOLK_OK)
        status = quantize_weights(z, n);
    /* Of a chosen node only the first input: its weights are new values, which have no pair to look up. */
    const int most = !pairs ? 0 : chosen ? 1 : n->input_count;
    for (int k = 0; k < most && status == YOLK_OK; k++) {
        yk_id v = n->inputs[k];
        if (v != YK_NONE && z->pair[v] != YK_NONE)
            n->inputs[k] = z->pair[v];
    }
    if (status == YOLK_OK)
        status = yk_grow(&g->nodes, &g->node_capacity, (size_t)g->node_count + 1, sizeof *g->nodes);
    if (status != YOLK_OK)
        return status;
    for (int k = 0; k < n->output_count; k++)
        g->values[n->outputs[k]].producer = g->node_count;
    const yk_id out = n->outputs[0];
    g->nodes[g->node_count++] = *n;
    *n = (yk_node){0};
    if (moves && z->pair[out] == YK_NONE)
        return YOLK_OK;
    return z->needed[out] ? add_pair(z, out) : YOLK_OK;
}

yolk_status yk_pass_quantize(yk_graph *g, const yk_quantization *q)
{
    const int values = g->value_count, count = g->node_count;
    yk_graph_unbind(g);
    quantizer z = {.g = g, .q = q};
    yk_node *old = NULL;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    z.needed = yk_calloc((size_t)values, sizeof *z.needed);
    z.pair = yk_calloc((size_t)values, sizeof *z.pair);
    if (!z.needed || !z.pair)
        goto fail;
    mark_needed(g, q->chosen, z.needed);
    for (int i = 0; i < values; i++)
        z.pair[i] = YK_NONE;
    old = yk_graph_take_nodes(g);
    status = z.needed[g->input] ? add_pair(&z, g->input) : YOLK_OK;
    for (int i = 0; i < count && status == YOLK_OK; i++)
        status = convert_node(&z, &old[i], q->chosen[i], q->shift ? q->shift[i] : NULL);
    if (status == YOLK_OK)
        status = yk_pass_prune(g);
fail:
    yk_nodes_free(old, count);
    yk_free(z.needed);
    yk_free(z.pair);
    return status;
}
