/* One step of a plan as a launch. What only moves elements is a copy between views. */
#include <string.h>

#include "backend/cuda/step.h"

/* An address that is as aligned as an arena's, for programs that are only looked at. */
static void *nowhere(void)
{
    return (void *)(uintptr_t)256;
}

/* ---- views ---- */

static bool is_byte_type(yk_type type)
{
    return type == YK_U8 || type == YK_I8;
}

/* Bytes with a sign are held with 128 added. */
static yk_cuda_number number_of(const yk_plan_tensor *t)
{
    return yk_cuda_number_of(t->scale, t->zero + (t->type == YK_I8 ? 128 : 0));
}

static yk_cuda_type type_of(const yk_cuda_program *p, int tensor)
{
    const yk_plan_tensor *t = &p->plan->tensors[tensor];
    if (is_byte_type(t->type))
        return YK_CUDA_BYTE;
    const bool is_constant = p->places[tensor] != YK_CUDA_NO_PLACE;
    return p->half && !is_constant && !yk_plan_is_output(p->plan, t->root) ? YK_CUDA_HALF : YK_CUDA_FLOAT;
}

static size_t size_of(yk_cuda_type type)
{
    return type == YK_CUDA_HALF ? 2 : type == YK_CUDA_FLOAT ? 4 : 1;
}

static yk_cuda_view view_of(const yk_cuda_program *p, int tensor, void *const *data)
{
    const yk_plan_tensor *t = &p->plan->tensors[tensor];
    yk_cuda_view v = {.data = data[tensor], .type = type_of(p, tensor), .rank = t->shape.rank};
    int64_t step = 1;
    for (int i = v.rank - 1; i >= 0; i--) {
        v.dims[i] = (int)t->shape.dims[i];
        v.strides[i] = (int)step;
        step *= t->shape.dims[i];
    }
    if (t->layout == YK_LAYOUT_NHWC) {
        v.strides[3] = (int)t->pixel;
        v.strides[2] = v.strides[3] * v.dims[3];
        v.strides[0] = v.strides[2] * v.dims[2];
        v.strides[1] = 1;
    }
    return v;
}

/* So many elements further on. */
static void move(yk_cuda_view *v, int64_t elements)
{
    v->data = (uint8_t *)v->data + elements * (int64_t)size_of(v->type);
}

/* All of a row-major view as one dimension. */
static yk_cuda_view flat(yk_cuda_view v)
{
    int count = 1;
    for (int i = 0; i < v.rank; i++)
        count *= v.dims[i];
    v.rank = 1;
    v.dims[0] = count;
    v.strides[0] = 1;
    return v;
}

/* With dimensions of one in front, and strides of 0 along what `like` has more of. */
static yk_cuda_view broadcast(yk_cuda_view v, const yk_cuda_view *like, int whole)
{
    yk_cuda_view out = v;
    const int more = like->rank - v.rank;
    out.rank = like->rank;
    for (int i = 0; i < out.rank; i++) {
        const int from = i - more;
        const bool keep = i >= out.rank - whole;
        out.dims[i] = keep ? v.dims[from] : like->dims[i];
        out.strides[i] = from < 0 || (!keep && v.dims[from] == 1) ? 0 : v.strides[from];
    }
    return out;
}

static int axis_of(int64_t axis, int rank)
{
    return (int)(axis < 0 ? axis + rank : axis);
}

/* With dimension `axis` as the last one. */
static yk_cuda_view turned(yk_cuda_view v, int axis)
{
    const int dim = v.dims[axis], stride = v.strides[axis];
    for (int i = axis; i < v.rank - 1; i++) {
        v.dims[i] = v.dims[i + 1];
        v.strides[i] = v.strides[i + 1];
    }
    v.dims[v.rank - 1] = dim;
    v.strides[v.rank - 1] = stride;
    return v;
}

/* ---- convolutions ---- */

void yk_cuda_describe_conv(const yk_cuda_program *p, int index, void *const *data, yk_cuda_conv *c)
{
    const yk_plan *plan = p->plan;
    const yk_step *s = &plan->steps[index];
    const yk_plan_tensor *x = &plan->tensors[s->inputs[0]], *y = &plan->tensors[s->outputs[0]];
    const yk_attrs *a = &s->attrs;
    *c = (yk_cuda_conv){.in = data[s->inputs[0]],
                        .out = data[s->outputs[0]],
                        .batch = (int)x->shape.dims[0],
                        .in_channels = (int)x->shape.dims[1],
                        .in_height = (int)x->shape.dims[2],
                        .in_width = (int)x->shape.dims[3],
                        .in_pixel = (int)x->pixel,
                        .out_channels = (int)y->shape.dims[1],
                        .out_height = (int)y->shape.dims[2],
                        .out_width = (int)y->shape.dims[3],
                        .out_pixel = (int)y->pixel,
                        .groups = a->groups,
                        .act = a->act,
                        .slope = a->alpha,
                        .scale = s->inputs[0] == plan->input ? 1 / plan->input_divisor : 1,
                        .in_type = type_of(p, s->inputs[0]),
                        .out_type = type_of(p, s->outputs[0]),
                        .int8 = plan->tensors[s->inputs[1]].type == YK_I8,
                        .in_number = number_of(x),
                        .out_number = number_of(y)};
    for (int i = 0; i < 2; i++) {
        c->kernel[i] = a->kernel[i];
        c->stride[i] = a->stride[i];
        c->pad[i] = a->pads[i];
        c->dilation[i] = a->dilation[i];
    }
    if (s->residual != YK_NONE) {
        c->residual = data[s->residual];
        c->residual_pixel = (int)plan->tensors[s->residual].pixel;
        c->residual_type = type_of(p, s->residual);
        c->residual_number = number_of(&plan->tensors[s->residual]);
    }
}

static cudaError_t run_conv(const yk_cuda_program *p, int index, void *const *data, cudaStream_t stream)
{
    const yk_cuda_action *a = &p->actions[index];
    yk_cuda_conv c;
    yk_cuda_describe_conv(p, index, data, &c);
    c.weights = p->constants + a->weights;
    yk_cuda_conv_channels(&c, p->constants + a->channels);
    return a->conv->run(&c, stream);
}

/* ---- what moves elements ---- */

static cudaError_t run_concat(const yk_cuda_program *p, const yk_step *s, void *const *data, cudaStream_t stream)
{
    const yk_cuda_view whole = view_of(p, s->outputs[0], data);
    const int axis = axis_of(s->attrs.axis, whole.rank);
    int64_t at = 0;
    cudaError_t error = cudaSuccess;
    for (int i = 0; i < s->input_count && error == cudaSuccess; i++) {
        const yk_cuda_view in = view_of(p, s->inputs[i], data);
        yk_cuda_view part = whole;
        part.dims[axis] = in.dims[axis];
        move(&part, at * whole.strides[axis]);
        at += in.dims[axis];
        error = yk_cuda_copy(&in, &part, 1, stream);
    }
    return error;
}

static cudaError_t run_slice(const yk_step *s, yk_cuda_view in, const yk_cuda_view *out, cudaStream_t stream)
{
    const yk_attrs *a = &s->attrs;
    for (int i = 0; i < a->axes_count; i++) {
        const int axis = axis_of(a->axes[i], in.rank);
        const int64_t size = in.dims[axis], step = a->steps[i] == 0 ? 1 : a->steps[i];
        int64_t start = a->starts[i] < 0 ? a->starts[i] + size : a->starts[i];
        start = YK_MAX(0, YK_MIN(start, step < 0 ? size - 1 : size));
        move(&in, start * in.strides[axis]);
        in.strides[axis] *= (int)step;
    }
    memcpy(in.dims, out->dims, sizeof in.dims);
    return yk_cuda_copy(&in, out, 1, stream);
}

/* Blocks of pixels to channels or back: `deep` is the one whose channels hold them. */
static void view_blocks(yk_cuda_view *deep, yk_cuda_view *wide, int block)
{
    const yk_cuda_view d = *deep, w = *wide;
    const int dims[6] = {w.dims[0], block, block, w.dims[1], d.dims[2], d.dims[3]};
    const int deep_strides[6] = {
        d.strides[0], block * w.dims[1] * d.strides[1], w.dims[1] * d.strides[1], d.strides[1], d.strides[2],
        d.strides[3]};
    const int wide_strides[6] = {w.strides[0], w.strides[2],         w.strides[3],
                                 w.strides[1], block * w.strides[2], block * w.strides[3]};
    deep->rank = wide->rank = 6;
    memcpy(deep->dims, dims, sizeof dims);
    memcpy(wide->dims, dims, sizeof dims);
    memcpy(deep->strides, deep_strides, sizeof dims);
    memcpy(wide->strides, wide_strides, sizeof dims);
}

static cudaError_t run_copy(const yk_cuda_program *p, const yk_step *s, void *const *data, cudaStream_t stream)
{
    yk_cuda_view in = view_of(p, s->inputs[0], data), out = view_of(p, s->outputs[0], data);
    const yk_plan_tensor *x = &p->plan->tensors[s->inputs[0]], *y = &p->plan->tensors[s->outputs[0]];
    if (x->layout == YK_LAYOUT_PLAIN && y->layout == YK_LAYOUT_PLAIN) {
        in = flat(in);
        out = flat(out);
    }
    return yk_cuda_copy(&in, &out, s->kind == YK_STEP_INPUT ? 1 / p->plan->input_divisor : 1, stream);
}

/* ---- the rest ---- */

static void describe_attention(const yk_plan *p, const yk_step *s, void *const *data, yk_cuda_attention *out)
{
    const yk_plan_tensor *x = &p->tensors[s->inputs[0]], *y = &p->tensors[s->outputs[0]];
    const yk_attention *a = &s->attention;
    const uint16_t *map = data ? data[s->inputs[0]] : nowhere();
    *out = (yk_cuda_attention){.q = map + a->q,
                               .k = map + a->k,
                               .v = map + a->v,
                               .out = data ? data[s->outputs[0]] : nowhere(),
                               /* Pictures lie end to end: an area is as good as one. */
                               .batch = (int)x->shape.dims[0] * a->areas,
                               .heads = a->heads,
                               .pixels = (int)(x->shape.dims[2] * x->shape.dims[3]) / a->areas,
                               .depth = a->depth,
                               .value_depth = a->value_depth,
                               .pixel = (int)x->pixel,
                               .out_pixel = (int)y->pixel,
                               .head = a->head,
                               .value_head = a->value_head,
                               .out_head = a->value_depth,
                               .scale = a->scale};
}

/* ---- numbers as bytes ---- */

/* To bytes, or back. */
static bool is_pair(const yk_step *s)
{
    return s->kind == YK_STEP_NODE && (s->op == YK_OP_QUANTIZE || s->op == YK_OP_DEQUANTIZE);
}

static int bytes_of_pair(const yk_step *s)
{
    return s->op == YK_OP_QUANTIZE ? s->outputs[0] : s->inputs[0];
}

static int constant_zero(const yk_plan_tensor *t)
{
    return t->type == YK_I8 ? *(const int8_t *)t->data : *(const uint8_t *)t->data;
}

/* Whether a pair's scale and zero point are those that its bytes are known by; so far as constants are still there, as
 * they are when a program is made. */
static bool has_pair(const yk_plan *p, const yk_step *s)
{
    const int floats = s->op == YK_OP_QUANTIZE ? s->inputs[0] : s->outputs[0];
    const yk_plan_tensor *bytes = &p->tensors[bytes_of_pair(s)], *scale = &p->tensors[s->inputs[1]];
    const yk_plan_tensor *zero = s->input_count > 2 && s->inputs[2] != YK_NONE ? &p->tensors[s->inputs[2]] : NULL;
    if (!is_byte_type(bytes->type) || !(bytes->scale > 0) || p->tensors[floats].type != YK_F32 ||
        scale->type != YK_F32 || yk_shape_count(&scale->shape) != 1 ||
        (scale->data && *(const float *)scale->data != bytes->scale))
        return false;
    return zero ? zero->type == bytes->type && yk_shape_count(&zero->shape) == 1 &&
                      (!zero->data || constant_zero(zero) == bytes->zero)
                : bytes->zero == 0;
}

/* What bytes may be used for as they are: where the result is the same bytes at other places, or the largest of some.
 */
static bool moves_bytes(const yk_step *s)
{
    return s->kind == YK_STEP_COPY ||
           (s->kind == YK_STEP_NODE && (s->op == YK_OP_CONCAT || s->op == YK_OP_SLICE || s->op == YK_OP_MAX_POOL ||
                                        (s->op == YK_OP_RESIZE && !s->attrs.linear)));
}

static bool has_bytes(const yk_plan *p, const yk_step *s)
{
    const yk_plan_tensor *out = &p->tensors[s->outputs[0]];
    if (is_pair(s))
        return has_pair(p, s);
    if (s->kind == YK_STEP_NODE && s->op == YK_OP_CONV)
        return p->tensors[s->inputs[1]].type == YK_I8;
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] == YK_NONE || p->tensors[s->inputs[i]].type != out->type)
            return false;
    }
    return moves_bytes(s);
}

static cudaError_t run_reduce(const yk_step *s, yk_cuda_view in, yk_cuda_view out, cudaStream_t stream)
{
    const int axis = axis_of(s->attrs.axes[0], in.rank);
    if (s->attrs.keepdims) {
        out = turned(out, axis);
    } else {
        out.dims[out.rank] = 1;
        out.strides[out.rank++] = 0;
    }
    in = turned(in, axis);
    return yk_cuda_reduce(s->op, &in, &out, stream);
}

static cudaError_t run_matmul(yk_cuda_view a, yk_cuda_view b, const yk_cuda_view *out, cudaStream_t stream)
{
    a = broadcast(a, out, 2);
    b = broadcast(b, out, 2);
    return yk_cuda_matmul(&a, &b, out, stream);
}

static cudaError_t run_node(const yk_cuda_program *p, const yk_step *s, void *const *data, cudaStream_t stream)
{
    yk_cuda_view out = view_of(p, s->outputs[0], data), in = view_of(p, s->inputs[0], data);
    switch (s->op) {
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
    case YK_OP_GLOBAL_AVERAGE_POOL:
        return yk_cuda_pool(s->op, &s->attrs, &in, &out, stream);
    case YK_OP_RESIZE:
        return yk_cuda_resize(&s->attrs, &in, &out, stream);
    case YK_OP_CONCAT:
        return run_concat(p, s, data, stream);
    case YK_OP_SLICE:
        return run_slice(s, in, &out, stream);
    case YK_OP_TRANSPOSE: {
        yk_cuda_view from = in;
        for (int i = 0; i < in.rank; i++) {
            from.dims[i] = in.dims[s->attrs.axes[i]];
            from.strides[i] = in.strides[s->attrs.axes[i]];
        }
        return yk_cuda_copy(&from, &out, 1, stream);
    }
    case YK_OP_EXPAND:
        in = broadcast(in, &out, 0);
        return yk_cuda_copy(&in, &out, 1, stream);
    case YK_OP_SPACE_TO_DEPTH:
        view_blocks(&out, &in, s->attrs.block);
        return yk_cuda_copy(&in, &out, 1, stream);
    case YK_OP_DEPTH_TO_SPACE:
        view_blocks(&in, &out, s->attrs.block);
        return yk_cuda_copy(&in, &out, 1, stream);
    case YK_OP_SOFTMAX: {
        const int axis = axis_of(s->attrs.axis, in.rank);
        in = turned(in, axis);
        out = turned(out, axis);
        return yk_cuda_softmax(&in, &out, stream);
    }
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_SUM:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
        return run_reduce(s, in, out, stream);
    case YK_OP_MATMUL:
        return run_matmul(in, view_of(p, s->inputs[1], data), &out, stream);
    case YK_OP_CONV_TRANSPOSE: {
        const bool bias = s->input_count > 2 && s->inputs[2] != YK_NONE;
        return yk_cuda_conv_transpose(&s->attrs, &in, data[s->inputs[1]], bias ? data[s->inputs[2]] : NULL, &out,
                                      stream);
    }
    default:
        break;
    }
    if (is_pair(s)) {
        const yk_cuda_number n = number_of(&p->plan->tensors[bytes_of_pair(s)]);
        return yk_cuda_quantize(&in, &out, &n, stream);
    }
    if (yk_cuda_has_unary(s->op))
        return yk_cuda_unary(s->op, &s->attrs, &in, &out, stream);
    const yk_cuda_view a = broadcast(in, &out, 0), other = view_of(p, s->inputs[1], data);
    const yk_cuda_view b = broadcast(other, &out, 0);
    return yk_cuda_binary(s->op, &a, &b, &out, stream);
}

/* Floats or bytes that stand for numbers, with room for 32-bit offsets. */
static bool is_known(const yk_plan *p, int tensor)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    return (t->type == YK_F32 || (is_byte_type(t->type) && t->scale > 0)) &&
           (t->root != tensor || yk_plan_root_count(t) < INT32_MAX);
}

int yk_cuda_tensor_inputs(const yk_step *s)
{
    const bool first = s->op == YK_OP_CONV || s->op == YK_OP_EXPAND || is_pair(s);
    return s->kind == YK_STEP_NODE && first ? 1 : s->input_count;
}

static bool uses_bytes(const yk_plan *p, const yk_step *s)
{
    bool found = is_byte_type(p->tensors[s->outputs[0]].type);
    for (int i = 0; i < s->input_count; i++)
        found = found ||
                (s->inputs[i] != YK_NONE && s->inputs[i] != p->input && is_byte_type(p->tensors[s->inputs[i]].type));
    return found;
}

static bool has_attention(const yk_plan *p, const yk_step *s)
{
    yk_cuda_attention a;
    describe_attention(p, s, NULL, &a);
    return p->float_bytes == 2 && p->tensors[s->inputs[0]].start % 8 == 0 && p->tensors[s->outputs[0]].start % 2 == 0 &&
           yk_cuda_attention_fits(&a);
}

bool yk_cuda_has_step(const yk_plan *p, const yk_step *s)
{
    if (s->kind == YK_STEP_ATTENTION && !has_attention(p, s))
        return false;
    for (int i = 0; i < yk_cuda_tensor_inputs(s); i++) {
        if (s->inputs[i] != YK_NONE && s->inputs[i] != p->input && !is_known(p, s->inputs[i]))
            return false;
    }
    if (s->output_count != 1 || !is_known(p, s->outputs[0]) || (uses_bytes(p, s) && !has_bytes(p, s)))
        return false;
    if (is_pair(s))
        return true;
    if (s->kind != YK_STEP_NODE || s->op == YK_OP_CONV)
        return true;
    switch (s->op) {
    case YK_OP_MAX_POOL:
    case YK_OP_AVERAGE_POOL:
    case YK_OP_GLOBAL_AVERAGE_POOL:
    case YK_OP_RESIZE:
    case YK_OP_CONCAT:
    case YK_OP_SLICE:
    case YK_OP_TRANSPOSE:
    case YK_OP_EXPAND:
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
    case YK_OP_SOFTMAX:
    case YK_OP_CONV_TRANSPOSE:
        return true;
    case YK_OP_MATMUL:
        return p->tensors[s->inputs[0]].shape.rank >= 2 && p->tensors[s->inputs[1]].shape.rank >= 2;
    case YK_OP_REDUCE_MEAN:
    case YK_OP_REDUCE_SUM:
    case YK_OP_REDUCE_MAX:
    case YK_OP_REDUCE_MIN:
        return s->attrs.axes_count == 1 && p->tensors[s->inputs[0]].shape.rank < YK_MAX_RANK;
    default:
        return yk_cuda_has_unary(s->op) || yk_cuda_has_binary(s->op);
    }
}

yolk_status yk_cuda_program_step(const yk_cuda_program *p, int index, void *const *data, cudaStream_t stream)
{
    const yk_step *s = &p->plan->steps[index];
    cudaError_t error;
    if (p->actions[index].conv) {
        error = run_conv(p, index, data, stream);
    } else if (s->kind == YK_STEP_ATTENTION) {
        yk_cuda_attention a;
        describe_attention(p->plan, s, data, &a);
        error = yk_cuda_attend(&a, stream);
    } else {
        error = s->kind == YK_STEP_NODE ? run_node(p, s, data, stream) : run_copy(p, s, data, stream);
    }
    if (error == cudaSuccess)
        return YOLK_OK;
    yk_cuda_status(error, "it could not be started");
    return yk_fail_prefix(yk_last_status(), "layer \"%s\": ", s->name);
}

yolk_status yk_cuda_program_run(const yk_cuda_program *p, void *const *data, cudaStream_t stream)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < p->plan->step_count && status == YOLK_OK; i++)
        status = yk_cuda_program_step(p, i, data, stream);
    return status;
}

void yk_cuda_program_bind(const yk_cuda_program *p, void *arena, const uint8_t *input, float *const *outputs,
                          void **data)
{
    const yk_plan *plan = p->plan;
    uint8_t *base = arena ? arena : nowhere();
    for (int i = 0; i < plan->tensor_count; i++) {
        data[i] = plan->tensors[i].offset >= 0 ? base + plan->tensors[i].offset : NULL;
        if (p->places[i] != YK_CUDA_NO_PLACE && p->constants)
            data[i] = p->constants + p->places[i];
    }
    data[plan->input] = input ? (void *)(uintptr_t)input : nowhere();
    for (int i = 0; i < plan->output_count; i++)
        data[plan->outputs[i]] = outputs ? outputs[i] : nowhere();
    for (int i = 0; i < plan->tensor_count; i++) {
        const yk_plan_tensor *t = &plan->tensors[i];
        if (t->root != i && data[t->root])
            data[i] = (uint8_t *)data[t->root] + t->start * (int64_t)size_of(type_of(p, t->root));
    }
}

yolk_status yk_cuda_memory(const yk_plan *p, uint8_t **arena, uint8_t **input, float **outputs)
{
    yolk_status status = yk_cuda_status(cudaMalloc((void **)arena, (size_t)YK_MAX(p->arena, 1)), "feature maps");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaMalloc((void **)input, (size_t)p->tensors[p->input].bytes), "the input");
    for (int i = 0; i < p->output_count && status == YOLK_OK; i++)
        status =
            yk_cuda_status(cudaMalloc((void **)&outputs[i], (size_t)p->tensors[p->outputs[i]].bytes), "the outputs");
    return status;
}

void yk_cuda_memory_free(const yk_plan *p, uint8_t **arena, uint8_t **input, float **outputs)
{
    cudaFree(*arena);
    cudaFree(*input);
    *arena = *input = NULL;
    for (int i = 0; i < p->output_count; i++) {
        cudaFree(outputs[i]);
        outputs[i] = NULL;
    }
}
