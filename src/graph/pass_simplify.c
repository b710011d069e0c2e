/* Simplification: constants folded, identities gone, small patterns made one operator. */
#include "graph/call.h"

#include <math.h>
#include <string.h>

/* Largest constant that is worth keeping instead of the layer that makes it. */
enum { MAX_FOLDED_BYTES = 1 << 26, MAX_FOLDED_WORK = 1 << 27 };

static bool is_constant(const yk_graph *g, yk_id id)
{
    return id != YK_NONE && g->values[id].data != NULL;
}

/* ---- constants ---- */

static bool depends_on_size(const yk_node *n)
{
    for (int i = 0; i < n->attrs.axes_count && n->op == YK_OP_RESHAPE && n->input_count == 1; i++) {
        if (n->attrs.axes[i] < YK_DIM_INFER)
            return true;
    }
    return false;
}

static yolk_status fold_node(yk_graph *g, const yk_node *n)
{
    static const int64_t no_size[3];
    yk_call c;
    yk_call_begin(&c, n, no_size);
    for (int i = 0; i < n->input_count; i++) {
        if (n->inputs[i] == YK_NONE)
            continue;
        const yk_value *v = &g->values[n->inputs[i]];
        if (!yk_shape_sane(&v->shape))
            return yk_fail(YOLK_ERROR_LIMIT, "tensor \"%s\" is larger than yolk handles", v->name);
        c.in[i] = yk_call_tensor(v->type, &v->shape, v->data);
    }
    yolk_status status = yk_infer(&c);
    if (status != YOLK_OK)
        return status;
    for (int i = 0; i < n->output_count; i++) {
        if (c.out[i].count > MAX_FOLDED_BYTES / 8 || yk_call_work(&c) > MAX_FOLDED_WORK)
            return YOLK_OK;
    }
    for (int i = 0; i < n->output_count; i++) {
        c.out[i].data = yk_alloc_aligned((size_t)c.out[i].count * yk_type_size(c.out[i].type));
        status = c.out[i].data ? yk_graph_own(g, c.out[i].data) : YOLK_ERROR_OUT_OF_MEMORY;
        if (status != YOLK_OK)
            return status;
    }
    status = yk_eval(&c);
    for (int i = 0; i < n->output_count && status == YOLK_OK; i++) {
        yk_value *v = &g->values[n->outputs[i]];
        v->type = c.out[i].type;
        v->shape = c.out[i].shape;
        v->data = c.out[i].data;
        v->producer = -1;
    }
    return status;
}

static yolk_status fold_constants(yk_graph *g)
{
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        /* Quantized weights stay as they are: runners that know int8 want them so. */
        bool constant = n->op != YK_OP_QUANTIZE && n->op != YK_OP_DEQUANTIZE && !depends_on_size(n);
        for (int k = 0; k < n->input_count && constant; k++)
            constant = n->inputs[k] == YK_NONE || is_constant(g, n->inputs[k]);
        yolk_status status = constant ? fold_node(g, n) : YOLK_OK;
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

/* A Reshape's constant target becomes its attribute, where passes can read it. */
static void take_target(const yk_graph *g, yk_node *n)
{
    int64_t count;
    const int64_t *target = n->input_count > 1 ? yk_graph_int64(g, n->inputs[1], &count) : NULL;
    if (!target || count > YK_MAX_RANK)
        return;
    for (int i = 0; i < count; i++) {
        if (target[i] < YK_DIM_INFER)
            return;
    }
    for (int i = 0; i < count; i++)
        n->attrs.axes[i] = target[i];
    n->attrs.axes_count = (int)count;
    n->input_count = 1;
}

/* ---- identities ---- */

static bool is_scalar(const yk_graph *g, yk_id id, float number)
{
    const yk_value *v = &g->values[id];
    /* Another rank than 0 could raise the rank of the result. */
    if (!v->data || v->shape.rank != 0)
        return false;
    float value;
    yk_convert(v->type, v->data, YK_F32, &value, 1);
    return value == number;
}

static bool is_unit_window(const yk_attrs *a)
{
    return a->kernel[0] == 1 && a->kernel[1] == 1 && a->stride[0] == 1 && a->stride[1] == 1 && !a->pads[0] &&
           !a->pads[1] && !a->pads[2] && !a->pads[3];
}

/* Index of the input that the node's result equals, or -1. */
static int identity_of(const yk_graph *g, const yk_node *n)
{
    const yk_attrs *a = &n->attrs;
    switch (n->op) {
    case YK_OP_CAST:
        return g->values[n->inputs[0]].type == a->to ? 0 : -1;
    case YK_OP_CONCAT:
        return n->input_count == 1 ? 0 : -1;
    case YK_OP_ADD:
    case YK_OP_MUL: {
        float neutral = n->op == YK_OP_MUL;
        return is_scalar(g, n->inputs[1], neutral) ? 0 : is_scalar(g, n->inputs[0], neutral) ? 1 : -1;
    }
    case YK_OP_SUB:
        return is_scalar(g, n->inputs[1], 0) ? 0 : -1;
    case YK_OP_DIV:
    case YK_OP_POW:
        return is_scalar(g, n->inputs[1], 1) ? 0 : -1;
    case YK_OP_CLIP:
        for (int i = 1; i < n->input_count; i++) {
            if (n->inputs[i] != YK_NONE)
                return -1;
        }
        return 0;
    case YK_OP_SLICE:
        for (int i = 0; i < a->axes_count; i++) {
            if (a->starts[i] != 0 || a->ends[i] < INT32_MAX || a->steps[i] != 1)
                return -1;
        }
        return 0;
    case YK_OP_TRANSPOSE:
        for (int i = 0; i < a->axes_count; i++) {
            if (a->axes[i] != i)
                return -1;
        }
        return a->axes_count > 0 ? 0 : -1;
    case YK_OP_PAD:
        for (int i = 0; i < a->axes_count; i++) {
            if (a->axes[i] != 0 || a->ends[i] != 0)
                return -1;
        }
        return 0;
    case YK_OP_UNSQUEEZE:
        return a->axes_count == 0 ? 0 : -1;
    case YK_OP_RESIZE:
        return !a->size_h && !a->size_w && a->scale_h == 1 && a->scale_w == 1 ? 0 : -1;
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
        return is_unit_window(a) ? 0 : -1;
    default:
        return -1;
    }
}

/* Index of `id` among the outputs, or -1. */
static int output_index(const yk_graph *g, yk_id id)
{
    for (int i = 0; i < g->output_count; i++) {
        if (g->outputs[i] == id)
            return i;
    }
    return -1;
}

static void drop_identities(yk_graph *g, yk_id *same)
{
    for (int i = 0; i < g->value_count; i++)
        same[i] = i;
    for (int i = 0; i < g->node_count; i++) {
        yk_node *n = &g->nodes[i];
        for (int k = 0; k < n->input_count; k++)
            n->inputs[k] = n->inputs[k] == YK_NONE ? YK_NONE : same[n->inputs[k]];
        int k = identity_of(g, n);
        if (k < 0 || is_constant(g, n->outputs[0]))
            continue;
        yk_id from = n->inputs[k], to = n->outputs[0];
        int output = output_index(g, to);
        if (output >= 0) {
            /* The result keeps its name; what has one of its own that people see keeps that. */
            if (g->values[from].producer < 0 || output_index(g, from) >= 0)
                continue;
            char *name = g->values[from].name;
            g->values[from].name = g->values[to].name;
            g->values[to].name = name;
            for (int o = output; o < g->output_count; o++)
                g->outputs[o] = g->outputs[o] == to ? from : g->outputs[o];
        }
        same[to] = from;
    }
}

/* ---- patterns ---- */

/* How often each value is used, as an input or an output of the graph. */
static void count_uses(const yk_graph *g, int *uses)
{
    memset(uses, 0, (size_t)g->value_count * sizeof(*uses));
    for (int i = 0; i < g->node_count; i++) {
        for (int k = 0; k < g->nodes[i].input_count; k++) {
            if (g->nodes[i].inputs[k] != YK_NONE)
                uses[g->nodes[i].inputs[k]]++;
        }
    }
    for (int i = 0; i < g->output_count; i++)
        uses[g->outputs[i]]++;
}

static yk_node *producer(const yk_graph *g, yk_id id, yk_op op)
{
    int p = id == YK_NONE ? -1 : g->values[id].producer;
    return p >= 0 && g->nodes[p].op == op ? &g->nodes[p] : NULL;
}

static void find_silu(yk_graph *g)
{
    for (int i = 0; i < g->node_count; i++) {
        yk_node *n = &g->nodes[i];
        if (n->op != YK_OP_MUL)
            continue;
        for (int k = 0; k < 2; k++) {
            const yk_node *gate = producer(g, n->inputs[k], YK_OP_SIGMOID);
            if (gate && gate->inputs[0] == n->inputs[1 - k]) {
                n->op = YK_OP_SILU;
                n->inputs[0] = gate->inputs[0];
                n->input_count = 1;
                break;
            }
        }
    }
}

/* The node's result is made by `by` from now on; pruning removes the node. */
static void take_over(yk_graph *g, yk_node *by, const yk_node *n)
{
    g->values[by->outputs[0]].producer = -1;
    by->outputs[0] = n->outputs[0];
    g->values[n->outputs[0]].producer = (int)(by - g->nodes);
}

static bool is_f32_constant(const yk_graph *g, yk_id id)
{
    return is_constant(g, id) && g->values[id].type == YK_F32;
}

/* Puts a batch normalization's factors into the weights and bias of the convolution before it. */
static yolk_status fold_batch_norm(yk_graph *g, int at)
{
    yk_node n = g->nodes[at];
    int conv = (int)(producer(g, n.inputs[0], YK_OP_CONV) - g->nodes);
    yk_id weights = g->nodes[conv].inputs[1];
    yk_id bias = g->nodes[conv].input_count > 2 ? g->nodes[conv].inputs[2] : YK_NONE;
    yk_shape shape = g->values[weights].shape;
    int64_t channels = shape.rank == 4 ? shape.dims[0] : 0, count = yk_shape_count(&shape);
    bool fits = channels > 0 && (bias == YK_NONE || yk_shape_count(&g->values[bias].shape) == channels);
    for (int i = 1; i < 5; i++)
        fits = fits && yk_shape_count(&g->values[n.inputs[i]].shape) == channels;
    if (!fits) /* binding will say what does not */
        return YOLK_OK;

    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    yk_id *inputs = yk_calloc(3, sizeof(*inputs));
    float *w = yk_calloc((size_t)count, sizeof(*w)), *b = yk_calloc((size_t)channels, sizeof(*b));
    if (!inputs || !w || !b)
        goto fail;
    const float *old_w = g->values[weights].data, *old_b = bias == YK_NONE ? NULL : g->values[bias].data;
    const float *scale = g->values[n.inputs[1]].data, *shift = g->values[n.inputs[2]].data;
    const float *mean = g->values[n.inputs[3]].data, *variance = g->values[n.inputs[4]].data;
    for (int64_t o = 0; o < channels; o++) {
        double factor = (double)scale[o] / sqrt((double)variance[o] + (double)n.attrs.alpha);
        for (int64_t i = o * (count / channels); i < (o + 1) * (count / channels); i++)
            w[i] = (float)((double)old_w[i] * factor);
        b[o] = (float)(((old_b ? (double)old_b[o] : 0) - (double)mean[o]) * factor + (double)shift[o]);
    }
    const char *name = g->values[weights].name;
    inputs[0] = g->nodes[conv].inputs[0];
    inputs[1] = yk_graph_add_constant_copy(g, name, YK_F32, shape, w);
    if (inputs[1] == YK_NONE)
        goto fail;
    yk_shape line = {.rank = 1, .dims = {channels}};
    inputs[2] = yk_graph_add_constant_copy(g, n.name, YK_F32, line, b);
    if (inputs[2] == YK_NONE)
        goto fail;
    yk_free(g->nodes[conv].inputs);
    g->nodes[conv].inputs = inputs;
    g->nodes[conv].input_count = 3;
    inputs = NULL;
    take_over(g, &g->nodes[conv], &g->nodes[at]);
    status = YOLK_OK;

fail:
    yk_free(inputs);
    yk_free(w);
    yk_free(b);
    return status;
}

static yolk_status fold_batch_norms(yk_graph *g, const int *uses)
{
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        const yk_node *conv = n->op == YK_OP_BATCH_NORM ? producer(g, n->inputs[0], YK_OP_CONV) : NULL;
        bool folds = conv && uses[n->inputs[0]] == 1 && conv->attrs.act == YK_ACT_NONE;
        folds = folds && is_f32_constant(g, conv->inputs[1]);
        if (folds && conv->input_count > 2 && conv->inputs[2] != YK_NONE)
            folds = is_f32_constant(g, conv->inputs[2]);
        for (int k = 1; k < 5 && folds; k++)
            folds = is_f32_constant(g, n->inputs[k]);
        yolk_status status = folds ? fold_batch_norm(g, i) : YOLK_OK;
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

static yk_act act_of(yk_op op)
{
    switch (op) {
    case YK_OP_SILU:
        return YK_ACT_SILU;
    case YK_OP_RELU:
        return YK_ACT_RELU;
    case YK_OP_LEAKY_RELU:
        return YK_ACT_LEAKY_RELU;
    case YK_OP_SIGMOID:
        return YK_ACT_SIGMOID;
    case YK_OP_HARD_SWISH:
        return YK_ACT_HARD_SWISH;
    default:
        return YK_ACT_NONE;
    }
}

static void fuse_activations(yk_graph *g, const int *uses)
{
    for (int i = 0; i < g->node_count; i++) {
        yk_node *n = &g->nodes[i];
        yk_act act = act_of(n->op);
        yk_node *conv = act != YK_ACT_NONE ? producer(g, n->inputs[0], YK_OP_CONV) : NULL;
        if (!conv || uses[n->inputs[0]] != 1 || conv->attrs.act != YK_ACT_NONE)
            continue;
        conv->attrs.act = act;
        conv->attrs.alpha = n->attrs.alpha;
        take_over(g, conv, n);
    }
}

yolk_status yk_pass_simplify(yk_graph *g)
{
    int *uses = NULL;
    yk_id *same = NULL;
    yolk_status status = yk_pass_prune(g);
    if (status == YOLK_OK)
        status = fold_constants(g);
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++) {
        if (g->nodes[i].op == YK_OP_RESHAPE)
            take_target(g, &g->nodes[i]);
    }
    if (status != YOLK_OK)
        return status;

    status = YOLK_ERROR_OUT_OF_MEMORY;
    /* Folding adds at most two constants for each batch normalization. */
    size_t most = (size_t)g->value_count + 2 * (size_t)g->node_count;
    uses = yk_calloc(most, sizeof(*uses));
    same = yk_calloc(most, sizeof(*same));
    if (!uses || !same)
        goto fail;
    drop_identities(g, same);
    find_silu(g);
    status = yk_pass_prune(g); /* also makes exchanged names findable */
    if (status != YOLK_OK)
        goto fail;
    count_uses(g, uses);
    status = fold_batch_norms(g, uses);
    if (status == YOLK_OK)
        status = yk_pass_prune(g);
    if (status != YOLK_OK)
        goto fail;
    count_uses(g, uses);
    fuse_activations(g, uses);
    status = yk_pass_prune(g);

fail:
    yk_free(uses);
    yk_free(same);
    return status;
}
