/* One graph for every input size: numbers that an exporter worked out for one size become what they stand for.
 *
 * Reshapes are looked at in order, each with the shapes that its input has at the model's own size and at another one,
 * for which everything before it has been freed already. What does not work out in the end is taken back. */
#include "graph/graph.h"

#include <string.h>

/* Nodes times Reshapes that is still quick to go through; the largest detectors have a tenth of it. */
enum { OTHER_BATCH = 3, MAX_STRIDE = 1024, MAX_WORK = 4000000 };

typedef struct freeing {
    yk_graph *g;
    int64_t own[3];   /* N, H, W that the model was made for */
    int64_t other[3]; /* what is tried */
    yk_attrs *saved;  /* of all nodes */
} freeing;

/* Shapes of all values before node `until`, as if the graph ended there. */
static yolk_status bind_until(yk_graph *g, int until, const int64_t *size)
{
    int nodes = g->node_count, outputs = g->output_count;
    g->node_count = until;
    g->output_count = 0;
    yolk_status status = yk_graph_bind(g, size[0], size[1], size[2]);
    g->node_count = nodes;
    g->output_count = outputs;
    return status;
}

/* Bound as a whole: is every output of this batch and, if it is a map, of this size? */
static bool outputs_follow(const yk_graph *g)
{
    const yk_head *h = &g->head;
    int each = h->kind == YK_HEAD_ANCHOR_FREE ? 2 : h->kind == YK_HEAD_ANCHORS ? 1 : 0;
    for (int i = 0; i < g->output_count; i++) {
        const yk_shape *s = &g->values[g->outputs[i]].shape;
        if (s->rank < 1 || s->dims[0] != g->bound[0])
            return false;
        if (each == 0)
            continue;
        int stride = i / each < h->levels ? h->strides[i / each] : 0;
        if (s->rank != 4 || stride < 1 || s->dims[2] != g->bound[1] / stride || s->dims[3] != g->bound[2] / stride)
            return false;
    }
    return true;
}

static bool works(yk_graph *g, const int64_t *size)
{
    return yk_graph_bind(g, size[0], size[1], size[2]) == YOLK_OK && outputs_follow(g);
}

/* ---- Resize ---- */

/* To a size that is a whole multiple of the input's becomes by a factor. */
static yolk_status free_resize(freeing *f, int index, bool *freed)
{
    yk_attrs *a = &f->g->nodes[index].attrs;
    yolk_status status = bind_until(f->g, index, f->own);
    if (status != YOLK_OK)
        return status;
    const yk_shape *in = &f->g->values[f->g->nodes[index].inputs[0]].shape;
    if (in->rank != 4 || in->dims[2] < 1 || in->dims[3] < 1 || a->size_h % in->dims[2] || a->size_w % in->dims[3])
        return YOLK_OK;
    *freed = true;
    a->scale_h = (float)a->size_h / (float)in->dims[2];
    a->scale_w = (float)a->size_w / (float)in->dims[3];
    a->size_h = a->size_w = 0;
    return YOLK_OK;
}

/* ---- Reshape ---- */

/* What a target's dimensions come to for an input shape and size; false when the elements do not fit. */
static bool resolves(const int64_t *target, int rank, int stride, const yk_shape *in, const int64_t *size,
                     yk_shape *out)
{
    int64_t rest = 1, count = yk_shape_count(in);
    int open = -1;
    *out = (yk_shape){.rank = rank};
    for (int i = 0; i < rank; i++) {
        int64_t d = target[i];
        if (d == YK_DIM_INFER) {
            open = i;
            continue;
        }
        if (d == YK_DIM_COPY)
            d = i < in->rank ? in->dims[i] : -1;
        else if (d == YK_DIM_BATCH)
            d = size[0];
        else if (d == YK_DIM_HEIGHT)
            d = size[1] / stride;
        else if (d == YK_DIM_WIDTH)
            d = size[2] / stride;
        if (d < 1 || __builtin_mul_overflow(rest, d, &rest))
            return false;
        out->dims[i] = d;
    }
    if (open >= 0)
        out->dims[open] = count / rest;
    return open >= 0 ? out->dims[open] * rest == count : rest == count;
}

/* What a Reshape is given and gives at both sizes. */
typedef struct pair_of_sizes {
    yk_shape own, other; /* of its input */
    yk_shape now;        /* of its result at the model's own size */
} pair_of_sizes;

/* Elements keep their order, so a run of dimensions of the input becomes a run of the result's with the same product:
 * that must hold at the other size for the same runs. */
static bool keeps_runs(const pair_of_sizes *p, const yk_shape *then)
{
    for (int i = 0, k = 0; i < p->own.rank && k < p->now.rank;) {
        int64_t in = p->own.dims[i], out = p->now.dims[k], other_in = p->other.dims[i], other_out = then->dims[k];
        for (i++, k++; in != out;) {
            if (in < out ? i == p->own.rank : k == p->now.rank)
                return false;
            if (in < out) {
                in *= p->own.dims[i];
                other_in *= p->other.dims[i++];
            } else {
                out *= p->now.dims[k];
                other_out *= then->dims[k++];
            }
        }
        if (other_in != other_out)
            return false;
    }
    return true;
}

static bool suits(const freeing *f, const pair_of_sizes *p, const yk_attrs *a)
{
    yk_shape then;
    return resolves(a->axes, a->axes_count, YK_MAX(a->reshape_stride, 1), &p->other, f->other, &then) &&
           keeps_runs(p, &then);
}

/* The first dimension as the batch. */
static bool free_batch(const freeing *f, const pair_of_sizes *p, yk_attrs *a)
{
    yk_attrs guess = *a;
    if (suits(f, p, a))
        return true;
    if (a->axes_count == 0 || a->axes[0] != f->own[0])
        return false;
    guess.axes[0] = p->own.rank > 0 && p->own.dims[0] == f->own[0] ? YK_DIM_COPY : YK_DIM_BATCH;
    if (!suits(f, p, &guess))
        return false;
    *a = guess;
    return true;
}

/* Two neighbours that are a map's height and width. */
static bool free_map(const freeing *f, const pair_of_sizes *p, yk_attrs *a)
{
    for (int i = 0; i + 1 < a->axes_count; i++) {
        int64_t h = p->now.dims[i], w = p->now.dims[i + 1];
        yk_attrs guess = *a;
        if (h < 1 || w < 1 || f->own[1] % h != 0 || f->own[2] % w != 0 || f->own[1] / h != f->own[2] / w ||
            f->own[1] / h > MAX_STRIDE)
            continue;
        guess.reshape_stride = (int)(f->own[1] / h);
        guess.axes[i] = YK_DIM_HEIGHT;
        guess.axes[i + 1] = YK_DIM_WIDTH;
        if (suits(f, p, &guess)) {
            *a = guess;
            return true;
        }
    }
    return false;
}

/* One dimension left open, as for a map laid flat, when only one can be. */
static bool free_one(const freeing *f, const pair_of_sizes *p, yk_attrs *a)
{
    yk_attrs found = *a, guess;
    int count = 0;
    for (int i = 0; i < a->axes_count; i++) {
        guess = *a;
        for (int k = 0; k < a->axes_count; k++)
            guess.axes[k] = k == i ? YK_DIM_INFER : a->axes[k] == YK_DIM_INFER ? p->now.dims[k] : a->axes[k];
        if (suits(f, p, &guess)) {
            found = guess;
            count++;
        }
    }
    if (count == 1)
        *a = found;
    return count == 1;
}

static bool free_target(const freeing *f, pair_of_sizes *p, yk_attrs *a)
{
    if (!resolves(a->axes, a->axes_count, 1, &p->own, f->own, &p->now))
        return false;
    if (f->own[0] != f->other[0])
        return free_batch(f, p, a);
    return suits(f, p, a) || free_map(f, p, a) || free_one(f, p, a);
}

static yolk_status free_reshape(freeing *f, int index, bool *freed)
{
    yk_node *n = &f->g->nodes[index];
    pair_of_sizes p;
    yolk_status status = bind_until(f->g, index, f->own);
    if (status != YOLK_OK)
        return status;
    p.own = f->g->values[n->inputs[0]].shape;
    status = bind_until(f->g, index, f->other);
    if (status != YOLK_OK)
        return status;
    p.other = f->g->values[n->inputs[0]].shape;
    *freed = free_target(f, &p, &n->attrs);
    return YOLK_OK;
}

static bool is_fixed_reshape(const yk_node *n)
{
    if (n->op != YK_OP_RESHAPE || n->input_count > 1)
        return false;
    for (int i = 0; i < n->attrs.axes_count; i++) {
        if (n->attrs.axes[i] == YK_DIM_HEIGHT || n->attrs.axes[i] == YK_DIM_WIDTH)
            return false;
    }
    return true;
}

/* ---- the whole graph ---- */

/* Frees for `f->other`; `*freed` says whether every output then follows the input. */
static yolk_status free_all(freeing *f, bool *freed)
{
    yk_graph *g = f->g;
    yolk_status status = YOLK_OK;
    bool batch = f->own[0] != f->other[0];
    *freed = true;
    for (int i = 0; i < g->node_count; i++)
        f->saved[i] = g->nodes[i].attrs;
    for (int i = 0; i < g->node_count && status == YOLK_OK && *freed; i++) {
        if (g->nodes[i].op == YK_OP_RESIZE && g->nodes[i].attrs.size_h > 0 && !batch)
            status = free_resize(f, i, freed);
        else if (is_fixed_reshape(&g->nodes[i]))
            status = free_reshape(f, i, freed);
    }
    *freed = *freed && status == YOLK_OK && works(g, f->other);
    for (int i = 0; i < g->node_count && !*freed; i++)
        g->nodes[i].attrs = f->saved[i];
    return status == YOLK_ERROR_OUT_OF_MEMORY ? status : YOLK_OK;
}

static bool is_affordable(const yk_graph *g)
{
    int64_t fixed = 0;
    for (int i = 0; i < g->node_count; i++)
        fixed += g->nodes[i].op == YK_OP_RESIZE || g->nodes[i].op == YK_OP_RESHAPE;
    return fixed * g->node_count <= MAX_WORK;
}

yolk_status yk_pass_free_shapes(yk_graph *g)
{
    /* The batch that a graph was made for is known only while it is bound to it.
     * Two pairs of sides with different odd factors, so that a number left from one size does not fit the other. */
    int64_t unit = 2 * (int64_t)YK_MAX(g->stride, 1), batch = g->bound[0] > 0 ? g->bound[0] : 1;
    const int64_t height = g->input_height, width = g->input_width;
    const int64_t first[3] = {batch, 11 * unit, 7 * unit}, second[3] = {batch, 5 * unit, 13 * unit};
    const int64_t more[3] = {OTHER_BATCH * batch, height, width}, both[3] = {OTHER_BATCH * batch, 5 * unit, 13 * unit};
    freeing f = {.g = g, .own = {batch, height, width}};
    yolk_status status = YOLK_OK;
    f.saved = yk_calloc((size_t)g->node_count, sizeof *f.saved);
    if (!f.saved)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(f.other, more, sizeof f.other);
    g->dynamic_batch = works(g, more);
    if (!g->dynamic_batch && is_affordable(g))
        status = free_all(&f, &g->dynamic_batch);
    memcpy(f.other, first, sizeof f.other);
    g->dynamic_size = works(g, first) && works(g, second);
    if (status == YOLK_OK && !g->dynamic_size && is_affordable(g))
        status = free_all(&f, &g->dynamic_size);
    /* What was freed for one size must serve a second one, and both together. */
    if (g->dynamic_size)
        g->dynamic_size = works(g, second);
    if (g->dynamic_size && g->dynamic_batch)
        g->dynamic_batch = works(g, both);
    yk_graph_unbind(g);
    yk_free(f.saved);
    return status;
}
