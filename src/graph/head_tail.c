/* The part of a graph behind its last convolutions. */
#include "graph/head.h"

#include <string.h>

/* What trying a tail may cost. The heads of sixteen pictures of 1280x1280 stay below; a file made to keep us busy is
 * taken by its shape alone. */
#define MAX_ELEMENTS ((int64_t)1 << 27)
#define MAX_WORK     ((double)(1ull << 32))

/* The convolution that takes the mean of a distribution has the weights 0, 1, 2, ...; it belongs to the decoding. */
static bool is_mean(const yk_graph *g, const yk_node *n)
{
    const yk_value *w = &g->values[n->inputs[1]];
    if (!w->data || w->type != YK_F32 || w->shape.rank != 4 || w->shape.dims[0] != 1)
        return false;
    int64_t count = yk_shape_count(&w->shape);
    for (int64_t i = 0; i < count; i++) {
        if (((const float *)w->data)[i] != (float)i)
            return false;
    }
    return true;
}

/* False when the tail reaches further than a few convolutions. */
static bool walk_back(yk_tail *t, bool *needed)
{
    const yk_graph *g = t->g;
    needed[t->output] = true;
    for (int i = g->node_count - 1; i >= 0; i--) {
        const yk_node *n = &g->nodes[i];
        bool wanted = false;
        for (int k = 0; k < n->output_count; k++)
            wanted = wanted || (needed[n->outputs[k]] && !g->values[n->outputs[k]].data);
        if (!wanted)
            continue;
        if (n->op == YK_OP_CONV && !is_mean(g, n)) {
            if (t->cut_count == YK_MAX_CUTS || g->values[n->outputs[0]].shape.rank != 4)
                return false;
            t->cuts[t->cut_count++] = n->outputs[0];
            continue;
        }
        t->inside[i] = true;
        for (int k = 0; k < n->input_count; k++) {
            if (n->inputs[k] == YK_NONE)
                continue;
            needed[n->inputs[k]] = true;
            t->uses[n->inputs[k]]++;
        }
    }
    return t->cut_count > 0 && !needed[g->input];
}

/* Multiplications and additions that a node takes, at most. */
static double work_of(const yk_graph *g, const yk_node *n)
{
    static const yk_shape empty = {.rank = 0};
    const yk_shape *in = n->inputs[0] == YK_NONE ? &empty : &g->values[n->inputs[0]].shape;
    double out = (double)yk_shape_count(&g->values[n->outputs[0]].shape), largest = 1;
    for (int i = 0; i < in->rank; i++)
        largest = YK_MAX(largest, (double)in->dims[i]);
    switch (n->op) {
    case YK_OP_MATMUL:
    case YK_OP_GEMM:
    case YK_OP_CONV:
    case YK_OP_CONV_TRANSPOSE:
        return out * largest;
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
        return out * n->attrs.kernel[0] * n->attrs.kernel[1];
    default:
        return out + (double)yk_shape_count(in) * (n->op == YK_OP_TOPK ? 32 : 1);
    }
}

static bool is_affordable(const yk_tail *t)
{
    const yk_graph *g = t->g;
    int64_t elements = 0;
    double work = 0;
    for (int i = 0; i < t->cut_count; i++)
        elements += yk_shape_count(&g->values[t->cuts[i]].shape);
    for (int i = 0; i < g->node_count; i++) {
        if (!t->inside[i])
            continue;
        for (int k = 0; k < g->nodes[i].output_count; k++)
            elements += yk_shape_count(&g->values[g->nodes[i].outputs[k]].shape);
        work += work_of(g, &g->nodes[i]);
    }
    return elements <= MAX_ELEMENTS && work <= MAX_WORK;
}

yolk_status yk_tail_find(const yk_graph *g, yk_id output, yk_tail *t, bool *found)
{
    *t = (yk_tail){.g = g, .output = output};
    *found = false;
    bool *needed = yk_calloc((size_t)g->value_count, sizeof *needed);
    t->inside = yk_calloc((size_t)g->node_count, sizeof *t->inside);
    t->uses = yk_calloc((size_t)g->value_count, sizeof *t->uses);
    if (!needed || !t->inside || !t->uses)
        goto fail;
    *found = walk_back(t, needed) && g->values[output].type == YK_F32 && is_affordable(t);
    for (int i = 0; i < t->cut_count && *found; i++) {
        *found = t->cuts[i] != output;
        t->data[i] = yk_calloc((size_t)yk_shape_count(&g->values[t->cuts[i]].shape), sizeof(float));
        if (!t->data[i])
            goto fail;
    }
    yk_free(needed);
    return YOLK_OK;

fail:
    yk_free(needed);
    yk_tail_free(t);
    return YOLK_ERROR_OUT_OF_MEMORY;
}

void yk_tail_free(yk_tail *t)
{
    for (int i = 0; i < t->cut_count; i++)
        yk_free(t->data[i]);
    yk_free(t->inside);
    yk_free(t->uses);
    *t = (yk_tail){0};
}

/* ---- running ---- */

static bool is_cut(const yk_tail *t, yk_id id)
{
    for (int i = 0; i < t->cut_count; i++) {
        if (t->cuts[i] == id)
            return true;
    }
    return false;
}

static yolk_status run_node(const yk_tail *t, const yk_node *n, void **data, int *left)
{
    const yk_graph *g = t->g;
    for (int k = 0; k < n->output_count; k++) {
        const yk_value *v = &g->values[n->outputs[k]];
        data[n->outputs[k]] = yk_alloc_aligned((size_t)yk_shape_count(&v->shape) * yk_type_size(v->type));
        if (!data[n->outputs[k]])
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    yolk_status status = yk_eval_node(g, n, data);
    for (int k = 0; k < n->input_count; k++) {
        yk_id id = n->inputs[k];
        if (id == YK_NONE || --left[id] > 0 || g->values[id].data || is_cut(t, id))
            continue;
        yk_free(data[id]);
        data[id] = NULL;
    }
    return status;
}

yolk_status yk_tail_run(const yk_tail *t, float **out)
{
    const yk_graph *g = t->g;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    *out = NULL;
    void **data = yk_calloc((size_t)g->value_count, sizeof *data);
    int *left = yk_calloc((size_t)g->value_count, sizeof *left);
    if (!data || !left)
        goto fail;
    memcpy(left, t->uses, (size_t)g->value_count * sizeof *left);
    left[t->output]++;
    for (int i = 0; i < g->value_count; i++)
        data[i] = (void *)g->values[i].data;
    for (int i = 0; i < t->cut_count; i++)
        data[t->cuts[i]] = t->data[i];
    status = YOLK_OK;
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++) {
        if (t->inside[i])
            status = run_node(t, &g->nodes[i], data, left);
    }
    if (status == YOLK_OK) {
        *out = data[t->output];
        data[t->output] = NULL;
    }
fail:
    for (int i = 0; data && i < g->value_count; i++) {
        if (!g->values[i].data && !is_cut(t, i))
            yk_free(data[i]);
    }
    yk_free(data);
    yk_free(left);
    return status;
}

/* ---- scales ---- */

static yk_scale *scale_of(yk_scales *s, int stride, const yk_shape *shape)
{
    for (int i = 0; i < s->count; i++) {
        if (s->level[i].stride == stride)
            return &s->level[i];
    }
    if (s->count == YK_MAX_LEVELS)
        return NULL;
    /* Kept in order of stride. */
    int at = s->count++;
    for (; at > 0 && s->level[at - 1].stride > stride; at--)
        s->level[at] = s->level[at - 1];
    s->level[at] = (yk_scale){.stride = stride, .height = shape->dims[2], .width = shape->dims[3]};
    return &s->level[at];
}

bool yk_scales_of(const yk_tail *t, yk_scales *s)
{
    const int64_t *in = t->g->bound;
    *s = (yk_scales){0};
    for (int i = 0; i < t->cut_count; i++) {
        const yk_shape *shape = &t->g->values[t->cuts[i]].shape;
        const int64_t *d = shape->dims;
        if (d[0] != in[0] || d[1] < 1 || d[2] < 1 || d[3] < 1 || in[1] % d[2] != 0 || in[1] / d[2] != in[2] / d[3] ||
            in[2] % d[3] != 0 || in[1] / d[2] > 1024)
            return false;
        yk_scale *level = scale_of(s, (int)(in[1] / d[2]), shape);
        if (!level || level->cut_count == 3)
            return false;
        level->cuts[level->cut_count++] = i;
    }
    s->each = s->level[0].cut_count;
    for (int i = 0; i < s->count; i++) {
        s->cells += s->level[i].height * s->level[i].width;
        if (s->level[i].cut_count != s->each)
            return false;
    }
    return s->count > 0;
}
