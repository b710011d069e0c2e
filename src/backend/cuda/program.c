/* Kernels for a plan's steps, and its constants laid out for them. */
#include "backend/cuda/program.h"

#include <string.h>

#include "backend/cuda/step.h"
#include "plan/saved.h"

enum { ALIGN = 256 };
static const char magic[8] = "yolkgpu3";

/* ---- constants ---- */

/* Whether a tensor is constant, which is still so when what it held has gone to the device. */
static bool is_constant(const yk_plan *p, int tensor)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    return t->root == tensor && t->offset < 0 && tensor != p->input && !yk_plan_is_output(p, tensor);
}

static size_t take(size_t *end, size_t size)
{
    const size_t at = *end;
    *end = (at + size + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

/* Constants that steps read as they are, besides weights, biases and how bytes are numbers. */
static void place_constants(yk_cuda_program *p)
{
    const yk_plan *plan = p->plan;
    for (int i = 0; i < plan->step_count; i++) {
        const yk_step *s = &plan->steps[i];
        for (int k = 0; k < yk_cuda_tensor_inputs(s); k++) {
            const int t = s->inputs[k];
            if (t != YK_NONE && is_constant(plan, t) && plan->tensors[t].type == YK_F32 &&
                p->places[t] == YK_CUDA_NO_PLACE)
                p->places[t] = take(&p->plain_bytes, (size_t)yk_shape_count(&plan->tensors[t].shape) * sizeof(float));
        }
    }
}

/* After them the weights, as the chosen kernels want them. */
static void place_weights(yk_cuda_program *p)
{
    p->constant_bytes = p->plain_bytes;
    for (int i = 0; i < p->plan->step_count; i++) {
        yk_cuda_action *a = &p->actions[i];
        yk_cuda_conv c;
        if (!a->conv)
            continue;
        yk_cuda_describe_conv(p, i, p->nowhere, &c);
        a->weights = take(&p->constant_bytes, a->conv->packed_bytes(&c));
        a->channels = take(&p->constant_bytes, yk_cuda_conv_channel_bytes(&c));
    }
}

static void fill(const yk_cuda_program *p, uint8_t *to)
{
    const yk_plan *plan = p->plan;
    for (int i = 0; i < plan->tensor_count; i++) {
        const yk_plan_tensor *t = &plan->tensors[i];
        if (p->places[i] != YK_CUDA_NO_PLACE)
            memcpy(to + p->places[i], t->data, (size_t)yk_shape_count(&t->shape) * sizeof(float));
    }
    for (int i = 0; i < plan->step_count; i++) {
        const yk_step *s = &plan->steps[i];
        const yk_cuda_action *a = &p->actions[i];
        yk_cuda_conv c;
        if (!a->conv)
            continue;
        yk_cuda_describe_conv(p, i, p->nowhere, &c);
        const void *weights = plan->tensors[s->inputs[1]].data;
        const float *scales = c.int8 ? plan->tensors[s->inputs[3]].data : NULL;
        const float *bias = s->input_count > 2 && s->inputs[2] != YK_NONE ? plan->tensors[s->inputs[2]].data : NULL;
        a->conv->pack(&c, weights, to + a->weights);
        yk_cuda_conv_pack_channels(&c, weights, scales, bias, to + a->channels);
    }
}

static yolk_status upload(yk_cuda_program *p, const void *constants)
{
    yolk_status status = yk_cuda_status(cudaMalloc((void **)&p->constants, YK_MAX(p->constant_bytes, 1)), "weights");
    if (status == YOLK_OK)
        status =
            yk_cuda_status(cudaMemcpy(p->constants, constants, p->constant_bytes, cudaMemcpyHostToDevice), "weights");
    return status;
}

yolk_status yk_cuda_program_pack(yk_cuda_program *p)
{
    cudaFree(p->constants);
    p->constants = NULL;
    place_weights(p);
    uint8_t *host = yk_calloc(YK_MAX(p->constant_bytes, 1), 1);
    if (!host)
        return YOLK_ERROR_OUT_OF_MEMORY;
    fill(p, host);
    const yolk_status status = upload(p, host);
    yk_free(host);
    return status;
}

/* ---- what is kept for each channel ---- */

/* As many more at least as a tile has. */
static size_t padded_channels(const yk_cuda_conv *c)
{
    return ((size_t)c->out_channels + 2 * YK_CUDA_INT8_CHANNELS - 1) / YK_CUDA_INT8_CHANNELS * YK_CUDA_INT8_CHANNELS;
}

size_t yk_cuda_conv_channel_bytes(const yk_cuda_conv *c)
{
    return c->int8 ? padded_channels(c) * (2 * sizeof(float) + sizeof(int32_t))
                   : (size_t)c->out_channels * sizeof(float);
}

void yk_cuda_conv_channels(yk_cuda_conv *c, const void *channels)
{
    c->bias = channels;
    if (!c->int8)
        return;
    c->scales = c->bias + padded_channels(c);
    c->starts = (const int32_t *)(const void *)(c->scales + padded_channels(c));
}

void yk_cuda_conv_pack_channels(const yk_cuda_conv *c, const int8_t *weights, const float *scales, const float *bias,
                                void *to)
{
    float *biases = to;
    if (bias)
        memcpy(biases, bias, (size_t)c->out_channels * sizeof *bias);
    if (!c->int8 || !scales)
        return;
    float *products = biases + padded_channels(c);
    int32_t *starts = (int32_t *)(void *)(products + padded_channels(c));
    const int count = c->in_channels / c->groups * c->kernel[0] * c->kernel[1];
    for (int o = 0; o < c->out_channels; o++) {
        int32_t sum = 0;
        for (int i = 0; i < count; i++)
            sum += *weights++;
        products[o] = c->in_number.scale * scales[o];
        starts[o] = -c->in_number.zero * sum;
    }
}

/* ---- which kernel ---- */

const yk_cuda_conv_kernel *yk_cuda_find_conv(const yk_cuda_conv *c, const char *name)
{
    for (const yk_cuda_conv_kernel *const *k = yk_cuda_conv_kernels; *k; k++) {
        if (strcmp((*k)->name, name) == 0)
            return (*k)->fits(c) ? *k : NULL;
    }
    return NULL;
}

/* The one that costs least by its own word. */
static const yk_cuda_conv_kernel *cheapest(const yk_cuda_conv *c, int processors)
{
    const yk_cuda_conv_kernel *best = NULL;
    double least = 0;
    for (const yk_cuda_conv_kernel *const *k = yk_cuda_conv_kernels; *k; k++) {
        if (!(*k)->fits(c))
            continue;
        const double cost = (*k)->cost(c, processors);
        if (!best || cost < least) {
            best = *k;
            least = cost;
        }
    }
    return best;
}

static bool is_of_bytes(const yk_plan *p, const yk_step *s)
{
    return yk_type_size(p->tensors[s->inputs[0]].type) == 1 || yk_type_size(p->tensors[s->outputs[0]].type) == 1;
}

/* By name, or by cost where names are NULL. */
static yolk_status choose(yk_cuda_program *p, const char *names)
{
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        yk_cuda_conv c;
        if (!yk_cuda_has_step(p->plan, s))
            return yk_fail(YOLK_ERROR_UNSUPPORTED,
                           "layer \"%s\": there is no GPU kernel for the operator %s%s: --device cpu has one", s->name,
                           yk_op_name(s->op), is_of_bytes(p->plan, s) ? " of these 8-bit numbers" : "");
        if (s->kind != YK_STEP_NODE || s->op != YK_OP_CONV)
            continue;
        yk_cuda_describe_conv(p, i, p->nowhere, &c);
        p->actions[i].conv =
            names ? yk_cuda_find_conv(&c, names + (size_t)i * YK_SAVED_NAME) : cheapest(&c, p->processors);
        if (!p->actions[i].conv)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "layer \"%s\": there is no GPU kernel for this convolution",
                           s->name);
    }
    return YOLK_OK;
}

/* ---- the program ---- */

static yolk_status prepare(yk_cuda_program *p, const char *names)
{
    const yk_plan *plan = p->plan;
    int device = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&p->processors, cudaDevAttrMultiProcessorCount, device);
    if (plan->output_count > YK_CUDA_OUTPUTS)
        return yk_fail(YOLK_ERROR_LIMIT, "the network has %d outputs", plan->output_count);
    p->half = plan->float_bytes == 2;
    p->actions = yk_calloc((size_t)YK_MAX(plan->step_count, 1), sizeof *p->actions);
    p->places = yk_calloc((size_t)plan->tensor_count, sizeof *p->places);
    p->nowhere = yk_calloc((size_t)plan->tensor_count, sizeof *p->nowhere);
    if (!p->actions || !p->places || !p->nowhere)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < plan->tensor_count; i++)
        p->places[i] = YK_CUDA_NO_PLACE;
    place_constants(p);
    yk_cuda_program_bind(p, NULL, NULL, NULL, p->nowhere);
    return choose(p, names);
}

void yk_cuda_program_destroy(yk_cuda_program **program)
{
    yk_cuda_program *p = *program;
    *program = NULL;
    if (!p)
        return;
    cudaFree(p->constants);
    yk_plan_destroy(&p->plan);
    yk_free(p->actions);
    yk_free(p->places);
    yk_free(p->nowhere);
    yk_free(p);
}

/* Whether attention of other depths than the kernel's is in it. */
static bool has_attention(const yk_plan *p)
{
    for (int i = 0; i < p->step_count; i++) {
        if (p->steps[i].kind == YK_STEP_ATTENTION && !yk_cuda_has_step(p, &p->steps[i]))
            return false;
    }
    return true;
}

/* All but the constants. */
static yolk_status make_plan(const yk_graph *g, bool half, yk_cuda_program **out)
{
    yk_plan_options options = {.align = ALIGN,
                               .channels = YK_CUDA_CHUNK,
                               .bytes = YK_CUDA_BYTES,
                               .half = half,
                               .attention = half,
                               .layout = yk_plan_layout,
                               .takes_bytes = yk_plan_takes_bytes};
    yk_cuda_program *p = yk_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = yk_plan_make(g, &options, &p->plan);
    if (status == YOLK_OK && !has_attention(p->plan)) {
        yk_plan_destroy(&p->plan);
        options.attention = false;
        status = yk_plan_make(g, &options, &p->plan);
    }
    if (status == YOLK_OK)
        status = prepare(p, NULL);
    *out = p;
    return status;
}

yolk_status yk_cuda_program_check(const yk_graph *g)
{
    yk_cuda_program *p;
    const yolk_status status = make_plan(g, true, &p);
    yk_cuda_program_destroy(&p);
    return status;
}

yolk_status yk_cuda_program_make(const yk_graph *g, bool half, yk_cuda_program **out)
{
    yolk_status status = make_plan(g, half, out);
    if (status == YOLK_OK)
        status = yk_cuda_program_pack(*out);
    if (status != YOLK_OK)
        yk_cuda_program_destroy(out);
    return status;
}

void yk_cuda_program_settle(yk_cuda_program *p)
{
    for (int i = 0; i < p->plan->tensor_count; i++) {
        yk_plan_tensor *t = &p->plan->tensors[i];
        yk_free(t->owned);
        t->owned = NULL;
        t->data = NULL;
    }
}

/* ---- as bytes ---- */

yolk_status yk_cuda_program_save(const yk_cuda_program *p, yk_buffer *out)
{
    void *constants = yk_alloc(YK_MAX(p->constant_bytes, 1));
    yolk_status status =
        constants ? yk_saved_begin(magic, "", p->plan, p->constant_bytes, out) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status =
            yk_cuda_status(cudaMemcpy(constants, p->constants, p->constant_bytes, cudaMemcpyDeviceToHost), "weights");
    if (status == YOLK_OK) {
        for (int i = 0; i < p->plan->step_count; i++)
            yk_saved_add_name(out, p->actions[i].conv ? p->actions[i].conv->name : NULL);
        yk_buffer_add(out, constants, p->constant_bytes);
        status = yk_buffer_status(out);
    }
    yk_free(constants);
    return status;
}

/* Whether each tensor that a step reads lies somewhere. */
static bool has_places(const yk_cuda_program *p)
{
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        for (int k = 0; k < YK_MAX(yk_cuda_tensor_inputs(s), 1); k++) {
            if (s->inputs[k] != YK_NONE && !p->nowhere[s->inputs[k]] && p->places[s->inputs[k]] == YK_CUDA_NO_PLACE)
                return false;
        }
        if ((s->residual != YK_NONE && !p->nowhere[s->residual]) || !p->nowhere[s->outputs[0]])
            return false;
    }
    return true;
}

static yolk_status load_all(const uint8_t *bytes, size_t size, yk_cuda_program *p)
{
    yk_saved saved;
    yolk_status status = yk_saved_read(magic, "", bytes, size, &p->plan, &saved);
    if (status != YOLK_OK)
        return status;
    status = prepare(p, saved.names);
    if (status != YOLK_OK)
        return status;
    place_weights(p);
    if (!has_places(p) || p->constant_bytes != saved.weight_bytes)
        return yk_saved_damaged("its constants have another size than its kernels want");
    return upload(p, saved.weights);
}

yolk_status yk_cuda_program_load(const void *bytes, size_t size, yk_cuda_program **out)
{
    yk_cuda_program *p = yk_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return YOLK_ERROR_OUT_OF_MEMORY;
    const yolk_status status = load_all(bytes, size, p);
    if (status != YOLK_OK)
        yk_cuda_program_destroy(&p);
    *out = p;
    return status;
}
