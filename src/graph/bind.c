/* Binding: every shape for one input size, and the values that follow from shapes and constants alone. */
#include "graph/call.h"

#include <inttypes.h>
#include <string.h>

/* What a file may ask for. The largest detectors at 8K stay far below; terabytes do not. */
#define MAX_TOTAL_ELEMENTS ((int64_t)1 << 36)
#define MAX_FOLDED_BYTES   ((int64_t)1 << 29)
#define MAX_FOLDED_WORK    ((double)(1 << 28))
enum { MAX_BATCH = 1 << 16, MAX_SIDE = 1 << 20 };

/* What one binding finds out about a value; handed to the graph only when all went well. */
typedef struct found {
    yk_type type;
    yk_shape shape; /* rank -1: not known yet */
    const void *data;
    bool bound;
} found;

typedef struct binding {
    const yk_graph *g;
    int64_t size[3];
    found *values;
    int64_t elements, folded_bytes;
    double work;
} binding;

static void binding_free(binding *b)
{
    for (int i = 0; b->values && i < b->g->value_count; i++) {
        if (b->values[i].bound)
            yk_free((void *)b->values[i].data);
    }
    yk_free(b->values);
    b->values = NULL;
}

static yolk_status binding_start(binding *b)
{
    const yk_graph *g = b->g;
    const int64_t *s = b->size;
    b->values = yk_calloc((size_t)g->value_count, sizeof(*b->values));
    if (!b->values)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (g->input == YK_NONE)
        return yk_fail(YOLK_ERROR_DAMAGED, "the network has no input");
    if (s[0] < 1 || s[0] > MAX_BATCH || s[1] < 1 || s[1] > MAX_SIDE || s[2] < 1 || s[2] > MAX_SIDE)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "a network cannot be given %" PRId64 " pictures of %" PRId64 "x%" PRId64, s[0], s[2], s[1]);
    for (int i = 0; i < g->value_count; i++) {
        const yk_value *v = &g->values[i];
        found *f = &b->values[i];
        f->type = v->type;
        f->shape.rank = -1;
        if (i == g->input) {
            f->shape = (yk_shape){.rank = 4, .dims = {s[0], 3, s[1], s[2]}};
        } else if (v->data && !v->bound) {
            f->shape = v->shape;
            f->data = v->data;
        } else {
            continue;
        }
        if (!yk_shape_sane(&f->shape))
            return yk_fail(YOLK_ERROR_LIMIT, "tensor \"%s\" is larger than yolk handles", v->name);
    }
    return YOLK_OK;
}

/* The node as a call, its inputs as far as they are known. */
static yolk_status make_call(const binding *b, const yk_node *n, yk_call *c)
{
    yk_call_begin(c, n, b->size);
    for (int i = 0; i < n->input_count; i++) {
        if (n->inputs[i] == YK_NONE)
            continue;
        const found *f = &b->values[n->inputs[i]];
        if (f->shape.rank < 0)
            return yk_fail(YOLK_ERROR_DAMAGED, "layer \"%s\" (%s) needs \"%s\", which nothing before it computes",
                           n->name, yk_op_name(n->op), b->g->values[n->inputs[i]].name);
        c->in[i] = yk_call_tensor(f->type, &f->shape, f->data);
    }
    return YOLK_OK;
}

/* True when the result follows from what is known and is cheap enough to be computed beforehand. */
static bool foldable(binding *b, const yk_call *c)
{
    /* Quantized weights stay as they are: runners that know int8 want them so. */
    if (c->op == YK_OP_QUANTIZE || c->op == YK_OP_DEQUANTIZE)
        return false;
    for (int i = 0; i < c->input_count && c->op != YK_OP_SHAPE; i++) {
        if (c->in[i].given && !c->in[i].data)
            return false;
    }
    int64_t bytes = 0;
    for (int i = 0; i < c->output_count; i++)
        bytes += c->out[i].count * (int64_t)yk_type_size(c->out[i].type);
    double work = yk_call_work(c);
    if (b->folded_bytes + bytes > MAX_FOLDED_BYTES || b->work + work > MAX_FOLDED_WORK)
        return false;
    b->folded_bytes += bytes;
    b->work += work;
    return true;
}

static yolk_status fold(binding *b, const yk_node *n, yk_call *c)
{
    for (int i = 0; i < n->output_count; i++) {
        c->out[i].data = yk_alloc_aligned((size_t)c->out[i].count * yk_type_size(c->out[i].type));
        if (!c->out[i].data)
            return YOLK_ERROR_OUT_OF_MEMORY;
        b->values[n->outputs[i]].data = c->out[i].data;
        b->values[n->outputs[i]].bound = true;
    }
    return yk_eval(c);
}

static yolk_status bind_node(binding *b, const yk_node *n, yk_call *c)
{
    yolk_status status = make_call(b, n, c);
    if (status == YOLK_OK)
        status = yk_infer(c);
    if (status != YOLK_OK)
        return status;
    for (int i = 0; i < n->output_count; i++) {
        found *f = &b->values[n->outputs[i]];
        f->type = c->out[i].type;
        f->shape = c->out[i].shape;
        b->elements += c->out[i].count;
    }
    if (b->elements > MAX_TOTAL_ELEMENTS)
        return yk_call_fail(c, YOLK_ERROR_LIMIT, "the network would need more than %" PRId64 " elements up to here",
                            MAX_TOTAL_ELEMENTS);
    return foldable(b, c) ? fold(b, n, c) : YOLK_OK;
}

static yolk_status binding_run(binding *b)
{
    yk_call call;
    yolk_status status = binding_start(b);
    for (int i = 0; i < b->g->node_count && status == YOLK_OK; i++)
        status = bind_node(b, &b->g->nodes[i], &call);
    for (int i = 0; i < b->g->output_count && status == YOLK_OK; i++) {
        if (b->values[b->g->outputs[i]].shape.rank < 0)
            status = yk_fail(YOLK_ERROR_DAMAGED, "output \"%s\" is computed by nothing",
                             b->g->values[b->g->outputs[i]].name);
    }
    if (status == YOLK_ERROR_DAMAGED || status == YOLK_ERROR_LIMIT)
        yk_fail_prefix(status, "with an input of %" PRId64 "x3x%" PRId64 "x%" PRId64 ": ", b->size[0], b->size[1],
                       b->size[2]);
    return status;
}

void yk_graph_unbind(yk_graph *g)
{
    for (int i = 0; i < g->value_count; i++) {
        yk_value *v = &g->values[i];
        if (v->bound)
            yk_free((void *)v->data);
        if (v->bound || !v->data) {
            v->data = NULL;
            v->bound = false;
            v->shape = (yk_shape){.rank = -1};
        }
    }
    memset(g->bound, 0, sizeof(g->bound));
}

yolk_status yk_graph_bind(yk_graph *g, int64_t batch, int64_t height, int64_t width)
{
    binding b = {.g = g, .size = {batch, height, width}};
    yolk_status status = binding_run(&b);
    if (status == YOLK_OK) {
        for (int i = 0; i < g->value_count; i++) {
            yk_value *v = &g->values[i];
            found *f = &b.values[i];
            if (v->bound)
                yk_free((void *)v->data);
            v->type = f->type;
            v->shape = f->shape;
            v->data = f->data;
            v->bound = f->bound;
            f->bound = false;
        }
        memcpy(g->bound, b.size, sizeof(g->bound));
    }
    binding_free(&b);
    return status;
}

bool yk_graph_accepts(const yk_graph *g, int64_t batch, int64_t height, int64_t width)
{
    int stride = YK_MAX(g->stride, 1);
    bool own_size = height == g->input_height && width == g->input_width;
    if (!own_size && (!g->dynamic_size || height % stride != 0 || width % stride != 0))
        return false;
    binding b = {.g = g, .size = {batch, height, width}};
    bool accepted = binding_run(&b) == YOLK_OK;
    /* A Reshape with a fixed batch may still take more pictures, as more boxes of one. */
    for (int i = 0; i < g->output_count && accepted && !g->dynamic_batch; i++) {
        const yk_shape *s = &b.values[g->outputs[i]].shape;
        accepted = s->rank > 0 && s->dims[0] == batch;
    }
    binding_free(&b);
    return accepted;
}
