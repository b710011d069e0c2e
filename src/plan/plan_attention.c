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

/* Of queries, keys and values: pictures x areas x heads x pixels x channels, or RANK of them where there are no areas.
 */
enum { AREAS = 1, HEADS, PIXELS, CHANNELS, RANK = 4 };

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
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        /* What others read as bytes, attention reads before it is rounded to them. */
        return v;
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

/* With a dimension for areas, of which there is one where there was none. */
static view with_areas(view v)
{
    if (v.rank != RANK)
        return v;
    memmove(v.dims + AREAS + 1, v.dims + AREAS, (RANK - AREAS) * sizeof *v.dims);
    memmove(v.strides + AREAS + 1, v.strides + AREAS, (RANK - AREAS) * sizeof *v.strides);
    v.dims[AREAS] = 1;
    v.strides[AREAS] = 0;
    v.rank++;
    return v;
}

static bool lies(const view *v, int dim, int64_t stride)
{
    return v->dims[dim] == 1 || v->strides[dim] == stride;
}

/* Pictures x areas x heads x pixels x channels of a feature map: where in its channels the heads lie. */
static bool is_heads(const yk_plan *p, const view *v, int *start, int *head)
{
    const yk_plan_tensor *t = &p->tensors[v->base];
    if (t->layout != YK_LAYOUT_NHWC || t->type != YK_F32 || v->rank != RANK + 1)
        return false;
    const int64_t pixels = t->shape.dims[2] * t->shape.dims[3];
    const int64_t *d = v->dims, *s = v->strides;
    if (d[0] != t->shape.dims[0] || d[AREAS] * d[PIXELS] != pixels || !lies(v, 0, t->shape.dims[1] * pixels) ||
        !lies(v, AREAS, d[PIXELS]) || !lies(v, PIXELS, 1) || !lies(v, CHANNELS, pixels) || v->start % pixels != 0 ||
        (d[HEADS] > 1 && s[HEADS] % pixels != 0) || v->start / pixels >= t->shape.dims[1])
        return false;
    *start = (int)(v->start / pixels);
    *head = d[HEADS] > 1 ? (int)(s[HEADS] / pixels) : 0;
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

/* Whether it brings dimensions into this order, of which there is one digit each. */
static bool reorders(const yk_plan *p, int step, const char *order)
{
    if (!is_node(p, step, YK_OP_TRANSPOSE) || p->steps[step].attrs.axes_count != (int)strlen(order))
        return false;
    for (int i = 0; order[i]; i++) {
        if (p->steps[step].attrs.axes[i] != order[i] - '0')
            return false;
    }
    return true;
}

static bool turns_last_two(const yk_plan *p, int step)
{
    return reorders(p, step, "0132") || reorders(p, step, "01243");
}

/* The step that puts the results into a feature map, all heads' channels one after the other and all areas' pixels;
 * `turn`: pixels come before channels until then. */
static int find_result(const yk_plan *p, int tensor, bool turn)
{
    const bool areas = p->tensors[tensor].shape.rank > RANK;
    int user = only_user(p, tensor);
    if (turn || areas) {
        if (!reorders(p, user, !areas ? "0132" : turn ? "02413" : "02314"))
            return YK_NONE;
        tensor = p->steps[user].outputs[0];
        user = only_user(p, tensor);
    }
    const int64_t *d = p->tensors[tensor].shape.dims, pixels = areas ? d[3] * d[4] : d[3];
    if (!is_node(p, user, YK_OP_RESHAPE))
        return YK_NONE;
    tensor = p->steps[user].outputs[0];
    const yk_shape *map = &p->tensors[tensor].shape;
    if (map->rank != 4 || map->dims[0] != d[0] || map->dims[1] != d[1] * d[2] || map->dims[2] * map->dims[3] != pixels)
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
    if (rank < RANK || rank > RANK + 1 || (axis != -1 && axis != rank - 1) || scores == YK_NONE)
        return YK_NONE;
    /* The scores, and what they are multiplied by. */
    const view score = find(p, softmax->inputs[0]);
    const int product = yk_plan_writer(p, score.base);
    const view same = whole(p, score.base);
    if (!is_node(p, product, YK_OP_MATMUL) || score.rank != same.rank || score.start != 0 ||
        memcmp(score.dims, same.dims, sizeof same.dims) != 0 ||
        memcmp(score.strides, same.strides, sizeof same.strides) != 0)
        return YK_NONE;
    const view q = with_areas(find(p, p->steps[product].inputs[0]));
    const view k = with_areas(turned(find(p, p->steps[product].inputs[1])));

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
    v = with_areas(first ? v : turned(v));
    const int result = find_result(p, p->steps[user].outputs[0], first);
    int k_head, v_head;
    if (result == YK_NONE || q.base != k.base || q.base != v.base || v.scale != 1 ||
        !is_heads(p, &q, &a->q, &a->head) || !is_heads(p, &k, &a->k, &k_head) || !is_heads(p, &v, &a->v, &v_head) ||
        a->head != k_head || q.dims[AREAS] != k.dims[AREAS] || q.dims[AREAS] != v.dims[AREAS] ||
        q.dims[HEADS] != k.dims[HEADS] || q.dims[HEADS] != v.dims[HEADS] || q.dims[CHANNELS] != k.dims[CHANNELS])
        return YK_NONE;
    a->value_head = v_head;
    a->areas = (int)q.dims[AREAS];
    a->heads = (int)q.dims[HEADS];
    a->depth = (int)q.dims[CHANNELS];
    a->value_depth = (int)v.dims[CHANNELS];
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

/* One query's result among `count` of the map's pixels. `scores` has room for one a pixel. */
static void attend(const yk_attention *a, int64_t pixels, int64_t count, const float *q, const float *k, const float *v,
                   int64_t query, float *scores, float *out)
{
    float most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        float x = 0;
        for (int c = 0; c < a->depth; c++)
            x += q[c * pixels + query] * k[c * pixels + i];
        scores[i] = x * a->scale;
        most = YK_MAX(most, scores[i]);
    }
    for (int64_t i = 0; i < count; i++)
        sum += scores[i] = expf(scores[i] - most);
    for (int c = 0; c < a->value_depth; c++) {
        float x = 0;
        for (int64_t i = 0; i < count; i++)
            x += scores[i] * v[c * pixels + i];
        out[c * pixels + query] = x / sum;
    }
}

yolk_status yk_plan_eval_attention(const yk_attention *a, const yk_shape *shape, const float *in, float *out)
{
    const int64_t pixels = shape->dims[2] * shape->dims[3], each = pixels / a->areas;
    float *scores = yk_calloc((size_t)pixels, sizeof *scores);
    if (!scores)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int64_t n = 0; n < shape->dims[0]; n++) {
        for (int h = 0; h < a->heads; h++) {
            for (int64_t i = 0; i < pixels; i++) {
                const int64_t area = i / each * each;
                const float *map = in + n * shape->dims[1] * pixels + area;
                attend(a, pixels, each, map + (a->q + h * a->head) * pixels, map + (a->k + h * a->head) * pixels,
                       map + (a->v + h * a->value_head) * pixels, i - area, scores,
                       out + (n * a->heads + h) * a->value_depth * pixels + area);
            }
        }
    }
    yk_free(scores);
    return YOLK_OK;
}
