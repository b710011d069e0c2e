/* A plan as bytes and back. The bytes are those of this build's own structures: they lie in engines that are for one
 * version of yolk on one kind of processor. */
#include <float.h>
#include <string.h>

#include "graph/call.h"
#include "plan/plan_build.h"

static const char magic[8] = "yolkplan";

typedef struct head {
    char magic[8];
    uint32_t tensor_size, step_size; /* of a record: another build's are refused */
    int32_t tensors, steps, outputs, input;
    int64_t arena, size[3];
    float input_divisor;
    int32_t float_bytes;
} head;

typedef struct tensor_record {
    yk_shape shape;
    int64_t start, pixel, offset, bytes, data; /* data: bytes that follow the records; -1: none */
    int32_t type, layout, root, first, last, zero, constant;
    float scale;
} tensor_record;

typedef struct step_record {
    yk_attrs attrs;
    yk_attention attention;
    int32_t kind, op, input_count, outputs[2], output_count, residual, name; /* name: its length */
} step_record;

yolk_status yk_plan_write(const yk_plan *p, yk_buffer *out)
{
    head h = {.tensor_size = sizeof(tensor_record),
              .step_size = sizeof(step_record),
              .tensors = p->tensor_count,
              .steps = p->step_count,
              .outputs = p->output_count,
              .input = p->input,
              .arena = p->arena,
              .input_divisor = p->input_divisor,
              .float_bytes = p->float_bytes};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.size, p->size, sizeof h.size);
    yk_buffer_add(out, &h, sizeof h);
    yk_buffer_add(out, p->outputs, (size_t)p->output_count * sizeof *p->outputs);
    for (int i = 0; i < p->tensor_count; i++) {
        const yk_plan_tensor *t = &p->tensors[i];
        tensor_record r;
        memset(&r, 0, sizeof r);
        r.shape = t->shape;
        r.start = t->start;
        r.pixel = t->pixel;
        r.offset = t->offset;
        r.bytes = t->bytes;
        r.data = t->data ? yk_shape_count(&t->shape) * (int64_t)yk_type_size(t->type) : -1;
        r.type = (int32_t)t->type;
        r.layout = (int32_t)t->layout;
        r.root = t->root;
        r.first = t->first;
        r.last = t->last;
        r.zero = t->zero;
        r.scale = t->scale;
        yk_buffer_add(out, &r, sizeof r);
        if (r.data > 0)
            yk_buffer_add(out, t->data, (size_t)r.data);
    }
    for (int i = 0; i < p->step_count; i++) {
        const yk_step *s = &p->steps[i];
        step_record r;
        memset(&r, 0, sizeof r);
        r.attrs = s->attrs;
        r.attention = s->attention;
        r.kind = (int32_t)s->kind;
        r.op = (int32_t)s->op;
        r.input_count = s->input_count;
        memcpy(r.outputs, s->outputs, sizeof r.outputs);
        r.output_count = s->output_count;
        r.residual = s->residual;
        r.name = (int32_t)strlen(s->name);
        yk_buffer_add(out, &r, sizeof r);
        yk_buffer_add(out, s->inputs, (size_t)s->input_count * sizeof *s->inputs);
        yk_buffer_add(out, s->name, (size_t)r.name);
    }
    return yk_buffer_status(out);
}

/* ---- reading ---- */

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static bool take(reader *r, void *to, size_t size)
{
    if ((size_t)(r->end - r->at) < size)
        return false;
    memcpy(to, r->at, size);
    r->at += size;
    return true;
}

static yolk_status damaged(const char *what)
{
    return yk_fail(YOLK_ERROR_DAMAGED, "the plan of a compiled network is damaged: %s", what);
}

static yolk_status read_tensor(reader *in, yk_plan_tensor *t)
{
    tensor_record r;
    if (!take(in, &r, sizeof r))
        return damaged("it ends early");
    if (r.type < 0 || r.type >= YK_TYPE_COUNT || (r.layout != YK_LAYOUT_PLAIN && r.layout != YK_LAYOUT_NHWC) ||
        r.shape.rank < 0 || r.shape.rank > YK_MAX_RANK || !yk_shape_sane(&r.shape) ||
        (r.layout == YK_LAYOUT_NHWC && r.shape.rank != 4))
        return damaged("a tensor is of no type or shape");
    *t = (yk_plan_tensor){.type = (yk_type)r.type,
                          .shape = r.shape,
                          .layout = (yk_layout)r.layout,
                          .root = r.root,
                          .start = r.start,
                          .pixel = r.pixel,
                          .offset = r.offset,
                          .bytes = r.bytes,
                          .first = r.first,
                          .last = r.last,
                          .scale = r.scale,
                          .zero = r.zero};
    if (r.data < 0)
        return YOLK_OK;
    if (r.data != yk_shape_count(&t->shape) * (int64_t)yk_type_size(t->type) || in->end - in->at < r.data)
        return damaged("a constant has another size than its shape");
    t->owned = yk_alloc_aligned((size_t)YK_MAX(r.data, 1));
    if (!t->owned)
        return YOLK_ERROR_OUT_OF_MEMORY;
    t->data = t->owned;
    take(in, t->owned, (size_t)r.data);
    return YOLK_OK;
}

static yolk_status read_step(reader *in, yk_step *s)
{
    step_record r;
    if (!take(in, &r, sizeof r))
        return damaged("it ends early");
    if (r.kind < YK_STEP_NODE || r.kind > YK_STEP_ATTENTION || r.op < 0 || r.op >= YK_OP_COUNT || r.input_count < 1 ||
        r.input_count > YK_STEP_INPUTS || r.output_count < 1 || r.output_count > 2 || r.name < 0 || r.name > 4096)
        return damaged("a step is of no kind");
    *s = (yk_step){.kind = (yk_step_kind)r.kind,
                   .op = (yk_op)r.op,
                   .attrs = r.attrs,
                   .attention = r.attention,
                   .input_count = r.input_count,
                   .outputs = {r.outputs[0], r.outputs[1]},
                   .output_count = r.output_count,
                   .residual = r.residual};
    s->inputs = yk_calloc((size_t)r.input_count, sizeof *s->inputs);
    s->name = yk_calloc((size_t)r.name + 1, 1);
    if (!s->inputs || !s->name)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (!take(in, s->inputs, (size_t)r.input_count * sizeof *s->inputs) || !take(in, s->name, (size_t)r.name))
        return damaged("it ends early");
    return YOLK_OK;
}

/* ---- checking: what evaluation and kernels take for granted ---- */

/* Far above any detector's, so that kernels may count pixels and taps in ints. */
enum { MOST_PIXELS = 1 << 28, MOST_WINDOW = 1 << 12, MOST_STRIDE = 1 << 20, MOST_SUM = 1 << 16 };
#define MOST_WEIGHTS ((int64_t)1 << 28)

static bool is_tensor(const yk_plan *p, int index)
{
    return index >= 0 && index < p->tensor_count;
}

static bool is_byte_type(yk_type type)
{
    return type == YK_U8 || type == YK_I8;
}

/* Floats, or bytes that stand for real numbers. */
static bool is_number(const yk_plan_tensor *t)
{
    return t->type == YK_F32 || (is_byte_type(t->type) && t->scale > 0);
}

static bool tensor_is_right(const yk_plan_tensor *t)
{
    const int low = t->type == YK_I8 ? -128 : 0, high = is_byte_type(t->type) ? low + 255 : 0;
    if (!(t->scale >= 0 && t->scale <= FLT_MAX) || t->zero < low || t->zero > high)
        return false;
    if (t->data)
        return t->layout == YK_LAYOUT_PLAIN && t->offset == -1;
    for (int i = 0; i < t->shape.rank; i++) {
        if (t->shape.dims[i] < 1)
            return false;
    }
    const int64_t *d = t->shape.dims;
    return t->layout != YK_LAYOUT_NHWC || (d[1] <= MOST_PIXELS && d[0] * d[2] * d[3] <= MOST_PIXELS);
}

static bool place_is_right(const yk_plan *p, int index)
{
    const yk_plan_tensor *t = &p->tensors[index];
    if (!is_tensor(p, t->root) || p->tensors[t->root].root != t->root)
        return false;
    const yk_plan_tensor *root = &p->tensors[t->root];
    if (t->type != root->type || t->layout != root->layout || t->start < 0 || (t->data && t->root != index))
        return false;
    if (t->layout == YK_LAYOUT_NHWC) {
        const int64_t *a = t->shape.dims, *b = root->shape.dims;
        if (a[0] != b[0] || a[2] != b[2] || a[3] != b[3] || t->pixel != root->pixel || t->pixel < b[1] ||
            t->pixel > b[1] + 64 || t->start > b[1] || t->start + a[1] > b[1])
            return false;
    } else if (t->start > yk_shape_count(&root->shape) ||
               t->start + yk_shape_count(&t->shape) > yk_shape_count(&root->shape)) {
        return false;
    }
    if (t->root != index)
        return true;
    if (t->start != 0 || t->bytes != yk_plan_root_bytes(p, t, t->offset >= 0))
        return false;
    return t->offset == -1 ||
           (t->offset >= 0 && t->offset % 64 == 0 && t->offset <= p->arena && t->bytes <= p->arena - t->offset);
}

/* No byte of the arena lies behind its last root. */
static bool arena_is_right(const yk_plan *p)
{
    int64_t end = 0;
    for (int i = 0; i < p->tensor_count; i++) {
        const yk_plan_tensor *t = &p->tensors[i];
        if (t->root == i && t->offset >= 0)
            end = YK_MAX(end, t->offset + t->bytes);
    }
    return end == p->arena;
}

static bool is_written(const yk_plan *p, int root)
{
    for (int i = 0; i < p->step_count; i++) {
        for (int k = 0; k < p->steps[i].output_count; k++) {
            if (p->tensors[p->steps[i].outputs[k]].root == root)
                return true;
        }
    }
    return false;
}

static bool ends_are_right(const yk_plan *p)
{
    if (!is_tensor(p, p->input))
        return false;
    const yk_plan_tensor *in = &p->tensors[p->input];
    if (in->root != p->input || in->type != YK_U8 || in->layout != YK_LAYOUT_NHWC || in->pixel != 3 ||
        in->offset != -1 || in->data)
        return false;
    if (!yk_shape_equal(&in->shape, &(yk_shape){.rank = 4, .dims = {p->size[0], 3, p->size[1], p->size[2]}}))
        return false;
    for (int i = 0; i < p->output_count; i++) {
        if (!is_tensor(p, p->outputs[i]))
            return false;
        const yk_plan_tensor *t = &p->tensors[p->outputs[i]];
        if (t->root != p->outputs[i] || t->type != YK_F32 || t->layout != YK_LAYOUT_PLAIN || t->offset != -1 || t->data)
            return false;
        for (int k = 0; k < i; k++) {
            if (p->outputs[k] == p->outputs[i])
                return false;
        }
    }
    return true;
}

/* Whether what is written to `a` stays out of `b`. */
static bool are_apart(const yk_plan *p, int a, int b)
{
    const yk_plan_tensor *x = &p->tensors[a], *y = &p->tensors[b];
    const yk_plan_tensor *rx = &p->tensors[x->root], *ry = &p->tensors[y->root];
    if (x->root == y->root) {
        const bool nhwc = x->layout == YK_LAYOUT_NHWC;
        const int64_t width_x = nhwc ? x->shape.dims[1] : yk_shape_count(&x->shape);
        const int64_t width_y = nhwc ? y->shape.dims[1] : yk_shape_count(&y->shape);
        return x->start + width_x <= y->start || y->start + width_y <= x->start;
    }
    return rx->offset < 0 || ry->offset < 0 || rx->offset + rx->bytes <= ry->offset ||
           ry->offset + ry->bytes <= rx->offset;
}

/* Indices are tensors; what is written is neither constant, nor the input, nor read by the same step. */
static bool operands_are_right(const yk_plan *p, const yk_step *s)
{
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] != YK_NONE && !is_tensor(p, s->inputs[i]))
            return false;
    }
    if (s->residual != YK_NONE && (!is_tensor(p, s->residual) || s->kind != YK_STEP_NODE || s->op != YK_OP_CONV))
        return false;
    for (int i = 0; i < s->output_count; i++) {
        const int out = s->outputs[i];
        if (!is_tensor(p, out))
            return false;
        const int root = p->tensors[out].root;
        if (p->tensors[root].data || root == p->input || (p->tensors[root].offset < 0 && !yk_plan_is_output(p, root)))
            return false;
        for (int k = 0; k < s->input_count; k++) {
            if (s->inputs[k] != YK_NONE && !are_apart(p, out, s->inputs[k]))
                return false;
        }
        if ((s->residual != YK_NONE && !are_apart(p, out, s->residual)) || (i > 0 && !are_apart(p, out, s->outputs[0])))
            return false;
    }
    return true;
}

/* Windows, in numbers that do not wrap when places are made of them. */
static bool window_is_right(const yk_plan *p, const yk_step *s)
{
    const yk_attrs *a = &s->attrs;
    const bool weights = s->op == YK_OP_CONV || s->op == YK_OP_CONV_TRANSPOSE;
    if (!weights && s->op != YK_OP_MAX_POOL && s->op != YK_OP_AVERAGE_POOL)
        return true;
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1 || a->kernel[i] > MOST_WINDOW || a->stride[i] < 1 || a->stride[i] > MOST_STRIDE ||
            a->dilation[i] < 1 || a->dilation[i] > MOST_WINDOW || a->pads[i] < 0 || a->pads[i] > MOST_STRIDE ||
            a->pads[2 + i] < 0 || a->pads[2 + i] > MOST_STRIDE)
            return false;
    }
    return !weights || yk_shape_count(&p->tensors[s->inputs[1]].shape) <= MOST_WEIGHTS;
}

/* The types of a convolution, which inference is not asked about: floats with floats, or bytes with 8-bit weights. */
static bool conv_is_right(const yk_plan *p, const yk_step *s)
{
    const yk_plan_tensor *x = &p->tensors[s->inputs[0]], *w = &p->tensors[s->inputs[1]],
                         *y = &p->tensors[s->outputs[0]];
    const yk_plan_tensor *bias = s->input_count > 2 && s->inputs[2] != YK_NONE ? &p->tensors[s->inputs[2]] : NULL;
    const yk_plan_tensor *added = s->residual != YK_NONE ? &p->tensors[s->residual] : NULL;
    if (w->layout != YK_LAYOUT_PLAIN || (bias && bias->type != (w->type == YK_I8 ? YK_F32 : w->type)))
        return false;
    if (added && !yk_shape_equal(&added->shape, &y->shape))
        return false;
    if (w->type != YK_I8)
        return s->input_count <= 3 && y->type == w->type && (!added || (added->type == YK_F32 && y->type == YK_F32)) &&
               (x->type == w->type || (s->inputs[0] == p->input && w->type == YK_F32));
    const int64_t *d = w->shape.dims;
    const yk_plan_tensor *scales = s->input_count == 4 && s->inputs[3] != YK_NONE ? &p->tensors[s->inputs[3]] : NULL;
    return scales && scales->type == YK_F32 && scales->layout == YK_LAYOUT_PLAIN && w->shape.rank == 4 &&
           yk_shape_count(&scales->shape) == d[0] && d[1] * d[2] * d[3] <= MOST_SUM && is_byte_type(x->type) &&
           x->scale > 0 && is_number(y) && (!added || is_number(added));
}

/* A NODE's shapes and types are what inference says. */
static bool node_is_right(const yk_plan *p, const yk_step *s)
{
    const bool conv = s->op == YK_OP_CONV;
    int least, most;
    yk_op_inputs(s->op, &least, &most);
    if (s->input_count < least || s->input_count > (conv ? 4 : most) ||
        s->output_count > (s->op == YK_OP_TOPK ? 2 : 1) || s->attrs.act < YK_ACT_NONE ||
        s->attrs.act > YK_ACT_HARD_SWISH || (int)s->attrs.to < 0 || s->attrs.to >= YK_TYPE_COUNT ||
        s->attrs.axes_count < 0 || s->attrs.axes_count > YK_MAX_RANK)
        return false;
    for (int i = 0; i < s->input_count; i++) {
        if ((i < least || s->op == YK_OP_CONCAT) && s->inputs[i] == YK_NONE)
            return false;
    }
    if (!window_is_right(p, s) || (conv && !conv_is_right(p, s)))
        return false;
    /* Bytes that stand for real numbers are taken for them; a convolution's scales come behind its bias. */
    const yk_plan_tensor *x = &p->tensors[s->inputs[0]];
    const bool real = conv ? x->type != p->tensors[s->inputs[1]].type || x->type == YK_I8
                           : (s->op == YK_OP_MAX_POOL || s->op == YK_OP_RESIZE) && is_byte_type(x->type);
    const yk_node node = {.op = s->op,
                          .name = s->name,
                          .input_count = conv ? YK_MIN(s->input_count, 3) : s->input_count,
                          .output_count = s->output_count,
                          .attrs = s->attrs};
    yk_call c;
    yk_call_begin(&c, &node, p->size);
    for (int i = 0; i < node.input_count; i++) {
        if (s->inputs[i] == YK_NONE)
            continue;
        const yk_plan_tensor *t = &p->tensors[s->inputs[i]];
        c.in[i] = yk_call_tensor(real ? YK_F32 : t->type, &t->shape, t->data);
    }
    if (yk_infer(&c) != YOLK_OK)
        return false;
    for (int i = 0; i < s->output_count; i++) {
        const yk_plan_tensor *t = &p->tensors[s->outputs[i]];
        const yk_type type = !real ? c.out[i].type : conv ? t->type : x->type;
        if (!yk_shape_equal(&c.out[i].shape, &t->shape) || t->type != type)
            return false;
    }
    return true;
}

/* So many channels, from `first` on, of each head lie in the map. */
static bool heads_are_right(int heads, int first, int head, int depth, int64_t channels)
{
    return first >= 0 && head >= 0 && first < channels && head <= channels && depth >= 1 && depth <= channels &&
           first + (int64_t)(heads - 1) * head + depth <= channels;
}

static bool attention_is_right(const yk_step *s, const yk_plan_tensor *from, const yk_plan_tensor *to)
{
    const yk_attention *a = &s->attention;
    const int64_t *x = from->shape.dims, *y = to->shape.dims;
    if (from->type != YK_F32 || to->type != YK_F32 || from->layout != YK_LAYOUT_NHWC || to->layout != YK_LAYOUT_NHWC ||
        a->areas < 1 || x[2] * x[3] % a->areas != 0 || a->heads < 1 || a->heads > x[1] ||
        !(a->scale >= -FLT_MAX && a->scale <= FLT_MAX))
        return false;
    return heads_are_right(a->heads, a->q, a->head, a->depth, x[1]) &&
           heads_are_right(a->heads, a->k, a->head, a->depth, x[1]) &&
           heads_are_right(a->heads, a->v, a->value_head, a->value_depth, x[1]) && x[0] == y[0] && x[2] == y[2] &&
           x[3] == y[3] && y[1] == (int64_t)a->heads * a->value_depth;
}

static bool step_is_right(const yk_plan *p, const yk_step *s)
{
    if (!operands_are_right(p, s))
        return false;
    if (s->kind == YK_STEP_NODE)
        return node_is_right(p, s);
    if (s->input_count != 1 || s->output_count != 1 || s->inputs[0] == YK_NONE)
        return false;
    const yk_plan_tensor *from = &p->tensors[s->inputs[0]], *to = &p->tensors[s->outputs[0]];
    const bool equal = yk_shape_equal(&from->shape, &to->shape);
    if (s->kind == YK_STEP_ATTENTION)
        return attention_is_right(s, from, to);
    if (s->kind == YK_STEP_INPUT)
        return s->inputs[0] == p->input && to->type == YK_F32 && to->layout == YK_LAYOUT_NHWC && equal;
    return equal || (from->layout == YK_LAYOUT_PLAIN && to->layout == YK_LAYOUT_PLAIN &&
                     yk_shape_count(&from->shape) == yk_shape_count(&to->shape));
}

static yolk_status check(const yk_plan *p)
{
    for (int i = 0; i < p->tensor_count; i++) {
        if (!tensor_is_right(&p->tensors[i]) || !place_is_right(p, i))
            return damaged("a tensor lies outside of its memory");
    }
    if (!arena_is_right(p))
        return damaged("its memory is not what its tensors need");
    if (!ends_are_right(p))
        return damaged("its input or outputs are none");
    for (int i = 0; i < p->step_count; i++) {
        const yk_step *s = &p->steps[i];
        if (!step_is_right(p, s))
            return yk_fail(YOLK_ERROR_DAMAGED,
                           "the plan of a compiled network is damaged: step \"%s\" (%s) does not fit its tensors",
                           s->name, s->kind == YK_STEP_NODE ? yk_op_name(s->op) : "copy");
    }
    for (int i = 0; i < p->output_count; i++) {
        if (!is_written(p, p->outputs[i]))
            return damaged("nothing writes one of its outputs");
    }
    return YOLK_OK;
}

static yolk_status read_all(reader *in, yk_plan *p)
{
    head h;
    if (!take(in, &h, sizeof h) || memcmp(h.magic, magic, sizeof magic) != 0 ||
        h.tensor_size != sizeof(tensor_record) || h.step_size != sizeof(step_record))
        return damaged("it is not of this build of yolk");
    const int64_t left = in->end - in->at;
    if (h.tensors < 1 || h.steps < 0 || h.outputs < 0 || h.tensors > left / (int64_t)sizeof(tensor_record) ||
        h.steps > left / (int64_t)sizeof(step_record) || h.outputs > left / (int64_t)sizeof(int) || h.arena < 0 ||
        h.arena > (int64_t)1 << 40 || !(h.input_divisor > 0 && h.input_divisor <= FLT_MAX) ||
        (h.float_bytes != 2 && h.float_bytes != 4))
        return damaged("its counts are not possible");
    p->input = h.input;
    p->arena = h.arena;
    p->input_divisor = h.input_divisor;
    p->float_bytes = h.float_bytes;
    memcpy(p->size, h.size, sizeof h.size);
    p->outputs = yk_calloc((size_t)YK_MAX(h.outputs, 1), sizeof *p->outputs);
    p->tensors = yk_calloc((size_t)h.tensors, sizeof *p->tensors);
    p->steps = yk_calloc((size_t)YK_MAX(h.steps, 1), sizeof *p->steps);
    if (!p->outputs || !p->tensors || !p->steps)
        return YOLK_ERROR_OUT_OF_MEMORY;
    p->output_count = h.outputs;
    if (!take(in, p->outputs, (size_t)h.outputs * sizeof *p->outputs))
        return damaged("it ends early");
    yolk_status status = YOLK_OK;
    for (int i = 0; i < h.tensors && status == YOLK_OK; i++)
        status = read_tensor(in, &p->tensors[p->tensor_count++]);
    for (int i = 0; i < h.steps && status == YOLK_OK; i++)
        status = read_step(in, &p->steps[p->step_count++]);
    return status == YOLK_OK ? check(p) : status;
}

yolk_status yk_plan_read(const void *bytes, size_t size, yk_plan **out)
{
    reader in = {bytes, (const uint8_t *)bytes + size};
    yk_plan *p = yk_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = read_all(&in, p);
    if (status == YOLK_OK && in.at != in.end)
        status = damaged("something follows its end");
    if (status != YOLK_OK)
        yk_plan_destroy(&p);
    *out = p;
    return status;
}
