/* Where tensors lie: views into one another, and offsets in the arena. */
#include <stdlib.h>
#include <string.h>

#include "plan/plan_build.h"

/* ---- views ---- */

/* While views are decided, `root` is the tensor that another one lies in, which may lie in a third. */
typedef struct place {
    int root;
    int64_t start;
} place;

static place find(const yk_plan *p, int tensor)
{
    place at = {tensor, 0};
    while (p->tensors[at.root].root != at.root) {
        at.start += p->tensors[at.root].start;
        at.root = p->tensors[at.root].root;
    }
    return at;
}

static void put(yk_plan *p, int tensor, int into, int64_t start)
{
    p->tensors[tensor].root = into;
    p->tensors[tensor].start = start;
}

/* Input, outputs and constants have places of their own. */
static bool is_pinned(const yk_plan *p, int tensor)
{
    return tensor == p->input || p->tensors[tensor].data || yk_plan_is_output(p, tensor);
}

static bool is_channel_axis(const yk_plan_tensor *t, int64_t axis)
{
    return t->layout == YK_LAYOUT_NHWC && (axis == 1 || axis == 1 - 4);
}

static int64_t slice_start(int64_t start, int64_t size)
{
    return start < 0 ? YK_MAX(start + size, 0) : YK_MIN(start, size);
}

/* A slice of one axis with nothing but ones before it, or of channels, is a view. */
static bool view_slice(yk_plan *p, const yk_step *s)
{
    const yk_plan_tensor *in = &p->tensors[s->inputs[0]], *out = &p->tensors[s->outputs[0]];
    if (s->attrs.axes_count != 1 || s->attrs.steps[0] != 1 || in->data || is_pinned(p, s->outputs[0]))
        return false;
    const int axis = (int)(s->attrs.axes[0] < 0 ? s->attrs.axes[0] + in->shape.rank : s->attrs.axes[0]);
    int64_t start = slice_start(s->attrs.starts[0], in->shape.dims[axis]);
    if (in->layout == YK_LAYOUT_PLAIN) {
        for (int i = 0; i < axis; i++) {
            if (in->shape.dims[i] != 1)
                return false;
        }
        for (int i = axis + 1; i < in->shape.rank; i++)
            start *= in->shape.dims[i];
    } else if (axis != 1 || out->layout != YK_LAYOUT_NHWC) {
        return false;
    }
    put(p, s->outputs[0], s->inputs[0], start);
    return true;
}

static bool view_reshape(yk_plan *p, yk_step *s)
{
    const yk_plan_tensor *in = &p->tensors[s->inputs[0]], *out = &p->tensors[s->outputs[0]];
    if (in->layout != YK_LAYOUT_PLAIN || out->layout != YK_LAYOUT_PLAIN || in->type != out->type)
        return false;
    if (is_pinned(p, s->outputs[0]) || in->data) {
        s->kind = YK_STEP_COPY;
        s->input_count = 1;
        return false;
    }
    put(p, s->outputs[0], s->inputs[0], 0);
    return true;
}

/* Whether all of a root is taken by inputs of the concatenation that lie in it just as they will lie in the result. */
static bool falls_into(const yk_plan *p, const yk_step *s, int root, int64_t shift)
{
    int64_t covered = 0, at = 0;
    for (int i = 0; i < s->input_count; i++) {
        const place in = find(p, s->inputs[i]);
        if (in.root == root && at - in.start == shift)
            covered += p->tensors[s->inputs[i]].shape.dims[1];
        at += p->tensors[s->inputs[i]].shape.dims[1];
    }
    return shift >= 0 && covered == p->tensors[root].shape.dims[1];
}

static yolk_status view_concat(yk_plan_build *b, int index)
{
    yk_plan *p = b->plan;
    const int out = p->steps[index].outputs[0];
    int64_t at = 0;
    for (int i = 0; i < p->steps[index].input_count; i++) {
        const yk_step *s = &p->steps[index];
        const int in = s->inputs[i];
        const int64_t channels = p->tensors[in].shape.dims[1];
        const place from = find(p, in);
        if (from.root == out && from.start == at) {
            /* went into the result together with another part of its root */
        } else if (from.root != out && !is_pinned(p, from.root) && p->tensors[from.root].type == p->tensors[out].type &&
                   p->tensors[from.root].layout == YK_LAYOUT_NHWC && falls_into(p, s, from.root, at - from.start)) {
            put(p, from.root, out, at - from.start);
        } else {
            yk_plan_tensor part = p->tensors[in];
            int view;
            part.data = NULL;
            yolk_status status = yk_plan_add_tensor(b, &part, &view);
            if (status == YOLK_OK)
                status = yk_plan_add_copy(b, s->name, in, view);
            if (status != YOLK_OK)
                return status;
            p->tensors[view].layout = YK_LAYOUT_NHWC;
            put(p, view, out, at);
            /* The new step takes its place before the concatenation. */
            yk_step copy = p->steps[p->step_count - 1];
            memmove(&p->steps[index + 1], &p->steps[index], (size_t)(p->step_count - 1 - index) * sizeof copy);
            p->steps[index++] = copy;
        }
        at += channels;
    }
    yk_plan_drop_step(p, index);
    return YOLK_OK;
}

static bool only_changes_shape(yk_op op)
{
    return op == YK_OP_RESHAPE || op == YK_OP_SQUEEZE || op == YK_OP_UNSQUEEZE || op == YK_OP_FLATTEN;
}

yolk_status yk_plan_place_views(yk_plan_build *b)
{
    yk_plan *p = b->plan;
    for (int i = 0; i < p->step_count;) {
        yk_step *s = &p->steps[i];
        const bool node = s->kind == YK_STEP_NODE;
        if ((node && s->op == YK_OP_SLICE && view_slice(p, s)) ||
            (node && only_changes_shape(s->op) && view_reshape(p, s))) {
            yk_plan_drop_step(p, i);
        } else if (node && s->op == YK_OP_CONCAT && is_channel_axis(&p->tensors[s->outputs[0]], s->attrs.axis) &&
                   !is_pinned(p, s->outputs[0])) {
            const int before = p->step_count;
            yolk_status status = view_concat(b, i);
            if (status != YOLK_OK)
                return status;
            i += p->step_count - before + 1;
        } else {
            i++;
        }
    }
    for (int i = 0; i < p->tensor_count; i++) {
        const place at = find(p, i);
        put(p, i, at.root, at.start);
    }
    return YOLK_OK;
}

/* ---- memory ---- */

int64_t yk_plan_root_count(const yk_plan_tensor *t)
{
    if (t->layout == YK_LAYOUT_NHWC)
        return t->shape.dims[0] * t->shape.dims[2] * t->shape.dims[3] * t->pixel;
    return yk_shape_count(&t->shape);
}

bool yk_plan_is_half(const yk_plan *p, int tensor)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    return p->float_bytes == 2 && t->type == YK_F32 && p->tensors[t->root].offset >= 0;
}

int64_t yk_plan_root_bytes(const yk_plan *p, const yk_plan_tensor *t, bool in_arena)
{
    const bool narrow = t->type == YK_F32 && in_arena;
    return yk_plan_root_count(t) * (narrow ? p->float_bytes : (int64_t)yk_type_size(t->type));
}

static void size_roots(yk_plan *p, const yk_plan_options *options)
{
    for (int i = 0; i < p->tensor_count; i++) {
        yk_plan_tensor *t = &p->tensors[i];
        const int channels = options->bytes > 0 && yk_type_size(t->type) == 1 ? options->bytes : options->channels;
        t->first = t->last = -1;
        if (t->root != i)
            continue;
        if (t->layout == YK_LAYOUT_NHWC)
            t->pixel = i == p->input ? 3 : (t->shape.dims[1] + channels - 1) / channels * channels;
    }
    for (int i = 0; i < p->tensor_count; i++)
        p->tensors[i].pixel = p->tensors[p->tensors[i].root].pixel;
}

static void touch(yk_plan *p, int tensor, int step)
{
    if (tensor == YK_NONE)
        return;
    yk_plan_tensor *root = &p->tensors[p->tensors[tensor].root];
    if (root->first < 0)
        root->first = step;
    root->last = step;
}

static void find_lives(yk_plan *p)
{
    for (int i = 0; i < p->step_count; i++) {
        const yk_step *s = &p->steps[i];
        for (int k = 0; k < s->input_count; k++)
            touch(p, s->inputs[k], i);
        touch(p, s->residual, i);
        for (int k = 0; k < s->output_count; k++)
            touch(p, s->outputs[k], i);
    }
}

static bool in_arena(const yk_plan *p, int i)
{
    return p->tensors[i].root == i && p->tensors[i].first >= 0 && !is_pinned(p, i);
}

static int larger_first(const void *a, const void *b)
{
    const yk_plan_tensor *x = *(const yk_plan_tensor *const *)a, *y = *(const yk_plan_tensor *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : 1;
}

/* The lowest place that is free for as long as `t` lives. `placed` are in order of their offsets. */
static int64_t lowest_place(yk_plan_tensor *const *placed, int count, const yk_plan_tensor *t, int64_t align)
{
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        const yk_plan_tensor *o = placed[i];
        if (o->last < t->first || o->first > t->last)
            continue;
        if (at + t->bytes <= o->offset)
            break;
        at = YK_MAX(at, (o->offset + o->bytes + align - 1) / align * align);
    }
    return at;
}

yolk_status yk_plan_place_memory(yk_plan *p, const yk_plan_options *options)
{
    size_roots(p, options);
    find_lives(p);
    yk_plan_tensor **roots = yk_calloc((size_t)p->tensor_count, sizeof *roots);
    yk_plan_tensor **placed = yk_calloc((size_t)p->tensor_count, sizeof *placed);
    yolk_status status = roots && placed ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    int count = 0;
    for (int i = 0; i < p->tensor_count && status == YOLK_OK; i++) {
        yk_plan_tensor *t = &p->tensors[i];
        t->offset = -1;
        if (t->root == i)
            t->bytes = yk_plan_root_bytes(p, t, in_arena(p, i));
        if (in_arena(p, i))
            roots[count++] = t;
    }
    if (count > 0)
        qsort(roots, (size_t)count, sizeof(yk_plan_tensor *), larger_first);
    p->arena = 0;
    for (int i = 0; i < count; i++) {
        yk_plan_tensor *t = roots[i];
        t->offset = lowest_place(placed, i, t, options->align);
        p->arena = YK_MAX(p->arena, t->offset + t->bytes);
        int at = i;
        for (; at > 0 && placed[at - 1]->offset > t->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = t;
    }
    yk_free(roots);
    yk_free(placed);
    return status;
}

/* ---- who has to wait for whom ---- */

static bool overlap(int64_t a, int64_t a_size, int64_t b, int64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static bool meet(const yk_plan *p, int a, int b)
{
    if (a == YK_NONE || b == YK_NONE)
        return false;
    const yk_plan_tensor *x = &p->tensors[a], *y = &p->tensors[b];
    if (x->root == y->root && x->layout == YK_LAYOUT_NHWC)
        return overlap(x->start, x->shape.dims[1], y->start, y->shape.dims[1]);
    if (x->root == y->root)
        return overlap(x->start, yk_shape_count(&x->shape), y->start, yk_shape_count(&y->shape));
    const yk_plan_tensor *in = &p->tensors[x->root], *other = &p->tensors[y->root];
    return in->offset >= 0 && other->offset >= 0 && overlap(in->offset, in->bytes, other->offset, other->bytes);
}

static bool meets_operand(const yk_plan *p, int tensor, const yk_step *s, bool reads)
{
    for (int i = 0; i < s->output_count; i++) {
        if (meet(p, tensor, s->outputs[i]))
            return true;
    }
    for (int i = 0; i < s->input_count && reads; i++) {
        if (meet(p, tensor, s->inputs[i]))
            return true;
    }
    return reads && meet(p, tensor, s->residual);
}

bool yk_plan_depends(const yk_plan *p, int later, int earlier)
{
    const yk_step *b = &p->steps[later], *a = &p->steps[earlier];
    for (int i = 0; i < b->output_count; i++) {
        if (meets_operand(p, b->outputs[i], a, true))
            return true;
    }
    for (int i = 0; i < b->input_count; i++) {
        if (meets_operand(p, b->inputs[i], a, false))
            return true;
    }
    return meets_operand(p, b->residual, a, false);
}
