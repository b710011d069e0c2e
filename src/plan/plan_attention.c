/* Attention as one step.
 *
 * A graph says it with two matrix products, a softmax between them, and a dozen steps that only move what goes into
 * them and comes out. Where all three of queries, keys and values turn out to be channels of one feature map, seen in
 * some other order, the whole is one step from that map to the map of the results.
 *
 * To find out, each tensor is followed back through what only moves elements, as a view of the map that it came from:
 * where its element (0, 0, ...) lies among the elements of the map in the graph's order, and how far apart its elements
 * lie along each dimension. */
#include <math.h>
#include <string.h>

#include "plan/plan_build.h"
#include "plan/plan_eval.h"

typedef struct view {
    int base; /* the tensor that is seen */
    int rank;
    int64_t start, dims[YK_MAX_RANK], strides[YK_MAX_RANK]; /* in elements of the base in the graph's order */
    float scale;                                            /* what elements are multiplied by */
} view;

static view whole(const yk_plan *p, int tensor)
{
    const yk_shape *s = &p->tensors[tensor].shape;
    view v = {.base = tensor, .rank = s->rank, .scale = 1};
    int64_t step = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        v.dims[i] = s->dims[i];
        v.strides[i] = step;
        step *= s->dims[i];
    }
    return v;
}

/* The same elements with other dimensions. Each run of dimensions that lie end to end is one, which new ones are cut
 * from, the last ones first. */
static bool reshape(view *v, const yk_shape *to)
{
    view out = {.base = v->base, .rank = to->rank, .start = v->start, .scale = v->scale};
    int from = v->rank - 1;
    int64_t left = 1, step = 0; /* of the run that is being cut: elements not yet used, and between them */
    for (int i = to->rank - 1; i >= 0; i--) {
        int64_t want = to->dims[i];
        out.dims[i] = want;
        if (want == 1)
            continue;
        while (left == 1) {
            if (from < 0)
                return false;
            left = v->dims[from];
            step = v->strides[from--];
        }
        out.strides[i] = step;
        /* Takes in what comes before for as long as it lies end to end. */
        while (left < want || left % want != 0) {
            if (from < 0 || v->strides[from] != step * left)
                return false;
            left *= v->dims[from--];
        }
        left /= want;
        step *= want;
    }
    *v = out;
    return true;
}

static bool slice(view *v, const yk_step *s, const yk_shape *to)
{
    const yk_attrs *a = &s->attrs;
    for (int i = 0; i < a->axes_count; i++) {
        const int axis = (int)(a->axes[i] < 0 ? a->axes[i] + v->rank : a->axes[i]);
        const int64_t size = v->dims[axis], start = a->starts[i] < 0 ? a->starts[i] + size : a->starts[i];
        if (a->steps[i] != 1)
            return false;
        v->start += YK_MAX(0, YK_MIN(start, size)) * v->strides[axis];
        v->dims[axis] = to->dims[axis];
    }
    return true;
}

/* The value of a constant of one element. */
static bool number(const yk_plan *p, int tensor, float *out)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    if (!t->data || t->type != YK_F32 || yk_shape_count(&t->shape) != 1)
        return false;
    memcpy(out, t->data, sizeof *out);
    return true;
}

/* What a tensor is a view of; of itself, when it is more than moved. */
static view find(const yk_plan *p, int tensor)
{
    const int writer = yk_plan_writer(p, tensor);
    const view own = whole(p, tensor);
    if (writer == YK_NONE)
        return own;
    const yk_step *s = &p->steps[writer];
    const yk_shape *shape = &p->tensors[tensor].shape;
    float scale;
    if (s->kind == YK_STEP_INPUT || (s->kind == YK_STEP_NODE && s->op == YK_OP_CONV))
        return own;
    view v = find(p, s->inputs[0]);
    if (s->kind == YK_STEP_COPY)
        return v;
    switch (s->op) {
    case YK_OP_RESHAPE:
    case YK_OP_SQUEEZE:
    case YK_OP_UNSQUEEZE:
    case YK_OP_FLATTEN:
        return reshape(&v, shape) ? v : own;
    case YK_OP_SLICE:
        return slice(&v, s, shape) ? v : own;
    case YK_OP_TRANSPOSE: {
        const view before = v;
        for (int i = 0; i < v.rank; i++) {
            v.dims[i] = before.dims[s->attrs.axes[i]];
            v.strides[i] = before.strides[s->attrs.axes[i]];
        }
        return v;
    }
    case YK_OP_MUL:
        if (!number(p, s->inputs[1], &scale))
            return own;
        v.scale *= scale;
        return v;
    case YK_OP_DIV:
        if (!number(p, s->inputs[1], &scale))
            return own;
        v.scale /= scale;
        return v;
    default:
        return own;
    }
}

/* Pictures x heads x pixels x channels of a feature map: where in its channels the heads lie. */
static bool is_heads(const yk_plan *p, const view *v, int *start, int *head)
{
    const yk_plan_tensor *t = &p->tensors[v->base];
    if (t->layout != YK_LAYOUT_NHWC || t->type != YK_F32 || v->rank != 4)
        return false;
    const int64_t pixels = t->shape.dims[2] * t->shape.dims[3];
    const int64_t *d = v->dims, *s = v->strides;
    if (d[0] != t->shape.dims[0] || (d[0] > 1 && s[0] != t->shape.dims[1] * pixels) || d[2] != pixels ||
        (pixels > 1 && s[2] != 1) || (d[3] > 1 && s[3] != pixels) || v->start % pixels != 0 ||
        (d[1] > 1 && s[1] % pixels != 0) || v->start / pixels >= t->shape.dims[1])
        return false;
    *start = (int)(v->start / pixels);
    *head = d[1] > 1 ? (int)(s[1] / pixels) : 0;
    return true;
}

static view turned(view v)
{
    const int a = v.rank - 2, b = v.rank - 1;
    const int64_t dim = v.dims[a], stride = v.strides[a];
    v.dims[a] = v.dims[b];
    v.strides[a] = v.strides[b];
    v.dims[b] = dim;
    v.strides[b] = stride;
    return v;
}

/* The only step that uses a tensor, or YK_NONE. */
static int only_user(const yk_plan *p, int tensor)
{
    if (yk_plan_uses(p, tensor) != 1 || yk_plan_is_output(p, tensor))
        return YK_NONE;
    for (int i = 0; i < p->step_count; i++) {
        for (int k = 0; k < p->steps[i].input_count; k++) {
            if (p->steps[i].inputs[k] == tensor)
                return i;
        }
    }
    return YK_NONE;
}

static bool is_node(const yk_plan *p, int step, yk_op op)
{
    return step != YK_NONE && p->steps[step].kind == YK_STEP_NODE && p->steps[step].op == op;
}

static bool turns_last_two(const yk_plan *p, int step)
{
    const int64_t *axes = p->steps[step].attrs.axes;
    return is_node(p, step, YK_OP_TRANSPOSE) && p->steps[step].attrs.axes_count == 4 && axes[0] == 0 && axes[1] == 1 &&
           axes[2] == 3 && axes[3] == 2;
}

/* The step that puts the results into a feature map, all heads' channels one after the other; `turn`: pixels come
 * before channels until then. */
static int find_result(const yk_plan *p, int tensor, bool turn)
{
    int user = only_user(p, tensor);
    if (turn) {
        if (user == YK_NONE || !turns_last_two(p, user))
            return YK_NONE;
        tensor = p->steps[user].outputs[0];
        user = only_user(p, tensor);
    }
    const int64_t *d = p->tensors[tensor].shape.dims;
    if (!is_node(p, user, YK_OP_RESHAPE))
        return YK_NONE;
    tensor = p->steps[user].outputs[0];
    const yk_shape *map = &p->tensors[tensor].shape;
    if (map->rank != 4 || map->dims[0] != d[0] || map->dims[1] != d[1] * d[2] || map->dims[2] * map->dims[3] != d[3])
        return YK_NONE;
    user = only_user(p, tensor);
    return user != YK_NONE && p->steps[user].kind == YK_STEP_COPY &&
                   p->tensors[p->steps[user].outputs[0]].layout == YK_LAYOUT_NHWC
               ? user
               : YK_NONE;
}

/* Fills in what is known of the attention whose softmax step `index` is; the step that writes its result, or YK_NONE.
 */
static int match(const yk_plan *p, int index, yk_attention *a, int *map)
{
    const yk_step *softmax = &p->steps[index];
    const int rank = p->tensors[softmax->inputs[0]].shape.rank;
    const int scores = yk_plan_writer(p, softmax->inputs[0]), axis = softmax->attrs.axis;
    if (rank != 4 || (axis != -1 && axis != rank - 1) || scores == YK_NONE)
        return YK_NONE;
    /* The scores, and what they are multiplied by. */
    const view score = find(p, softmax->inputs[0]);
    const int product = yk_plan_writer(p, score.base);
    const view same = whole(p, score.base);
    if (!is_node(p, product, YK_OP_MATMUL) || score.rank != same.rank || score.start != 0 ||
        memcmp(score.dims, same.dims, sizeof same.dims) != 0 ||
        memcmp(score.strides, same.strides, sizeof same.strides) != 0)
        return YK_NONE;
    const view q = find(p, p->steps[product].inputs[0]), k = turned(find(p, p->steps[product].inputs[1]));

    int user = only_user(p, softmax->outputs[0]), chance = softmax->outputs[0];
    const bool was_turned = user != YK_NONE && turns_last_two(p, user);
    if (was_turned) {
        chance = p->steps[user].outputs[0];
        user = only_user(p, chance);
    }
    if (!is_node(p, user, YK_OP_MATMUL))
        return YK_NONE;
    /* Either chances x values, or values x turned chances, in which channels come before pixels. */
    const bool first = p->steps[user].inputs[0] == chance;
    if (first == was_turned)
        return YK_NONE;
    view v = find(p, p->steps[user].inputs[first ? 1 : 0]);
    v = first ? v : turned(v);
    const int result = find_result(p, p->steps[user].outputs[0], first);
    int k_head, v_head;
    if (result == YK_NONE || q.base != k.base || q.base != v.base || v.scale != 1 ||
        !is_heads(p, &q, &a->q, &a->head) || !is_heads(p, &k, &a->k, &k_head) || !is_heads(p, &v, &a->v, &v_head) ||
        a->head != k_head || q.dims[1] != k.dims[1] || q.dims[1] != v.dims[1] || q.dims[3] != k.dims[3])
        return YK_NONE;
    a->value_head = v_head;
    a->heads = (int)q.dims[1];
    a->depth = (int)q.dims[3];
    a->value_depth = (int)v.dims[3];
    a->scale = score.scale * q.scale * k.scale;
    *map = q.base;
    return result;
}

/* Steps whose results nobody uses. */
static void drop_unused(yk_plan *p)
{
    for (int i = p->step_count - 1; i >= 0; i--) {
        bool used = false;
        for (int k = 0; k < p->steps[i].output_count; k++)
            used = used || yk_plan_uses(p, p->steps[i].outputs[k]) > 0;
        if (!used)
            yk_plan_drop_step(p, i);
    }
}

void yk_plan_fuse_attention(yk_plan *p)
{
    bool found = false;
    for (int i = 0; i < p->step_count; i++) {
        yk_attention a = {0};
        int map;
        if (!is_node(p, i, YK_OP_SOFTMAX))
            continue;
        const int result = match(p, i, &a, &map);
        if (result == YK_NONE)
            continue;
        yk_step *s = &p->steps[result];
        s->kind = YK_STEP_ATTENTION;
        s->attention = a;
        s->inputs[0] = map;
        found = true;
    }
    if (found)
        drop_unused(p);
}

/* ---- by plain loops ---- */

/* One query's result. `scores` has room for one a pixel. */
static void attend(const yk_attention *a, int64_t pixels, const float *q, const float *k, const float *v, int64_t query,
                   float *scores, float *out)
{
    float most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < pixels; i++) {
        float x = 0;
        for (int c = 0; c < a->depth; c++)
            x += q[c * pixels + query] * k[c * pixels + i];
        scores[i] = x * a->scale;
        most = YK_MAX(most, scores[i]);
    }
    for (int64_t i = 0; i < pixels; i++)
        sum += scores[i] = expf(scores[i] - most);
    for (int c = 0; c < a->value_depth; c++) {
        float x = 0;
        for (int64_t i = 0; i < pixels; i++)
            x += scores[i] * v[c * pixels + i];
        out[c * pixels + query] = x / sum;
    }
}

yolk_status yk_plan_eval_attention(const yk_attention *a, const yk_shape *shape, const float *in, float *out)
{
    const int64_t pixels = shape->dims[2] * shape->dims[3];
    float *scores = yk_calloc((size_t)pixels, sizeof *scores);
    if (!scores)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int64_t n = 0; n < shape->dims[0]; n++) {
        for (int h = 0; h < a->heads; h++) {
            const float *map = in + n * shape->dims[1] * pixels;
            for (int64_t query = 0; query < pixels; query++)
                attend(a, pixels, map + (a->q + h * a->head) * pixels, map + (a->k + h * a->head) * pixels,
                       map + (a->v + h * a->value_head) * pixels, query, scores,
                       out + (n * a->heads + h) * a->value_depth * pixels);
        }
    }
    yk_free(scores);
    return YOLK_OK;
}
