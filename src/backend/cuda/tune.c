/* The fastest kernel for each convolution, by trying all that fit. */
#include <string.h>

#include "backend/cuda/step.h"

enum { WARM = 2, RUNS = 10 };

typedef struct trial {
    const yk_cuda_program *program;
    void **data; /* in an arena that holds anything */
    uint8_t *weights;
    size_t room;
    const void *packed_by; /* the function that laid out what is in weights */
    cudaStream_t stream;
    cudaEvent_t before, after;
} trial;

/* One kernel's weights, unless those that are there will do. */
static yolk_status provide_weights(trial *t, int step, const yk_cuda_conv *c, const yk_cuda_conv_kernel *k)
{
    const yk_step *s = &t->program->plan->steps[step];
    const size_t size = k->packed_bytes(c);
    if (t->packed_by == (const void *)(uintptr_t)k->pack)
        return YOLK_OK;
    if (size > t->room) {
        cudaFree(t->weights);
        t->weights = NULL;
        t->room = 0;
        const yolk_status status = yk_cuda_status(cudaMalloc((void **)&t->weights, size), "weights");
        if (status != YOLK_OK)
            return status;
        t->room = size;
    }
    void *host = yk_calloc(size, 1);
    if (!host)
        return YOLK_ERROR_OUT_OF_MEMORY;
    k->pack(c, t->program->plan->tensors[s->inputs[1]].data, host);
    const yolk_status status =
        yk_cuda_status(cudaMemcpyAsync(t->weights, host, size, cudaMemcpyHostToDevice, t->stream), "weights");
    cudaStreamSynchronize(t->stream);
    yk_free(host);
    t->packed_by = (const void *)(uintptr_t)k->pack;
    return status;
}

/* Milliseconds for RUNS of it. */
static yolk_status measure(trial *t, const yk_cuda_conv *c, const yk_cuda_conv_kernel *k, float *ms)
{
    cudaError_t error = cudaSuccess;
    for (int i = 0; i < WARM + RUNS && error == cudaSuccess; i++) {
        if (i == WARM)
            cudaEventRecord(t->before, t->stream);
        error = k->run(c, t->stream);
    }
    if (error == cudaSuccess)
        error = cudaEventRecord(t->after, t->stream);
    if (error == cudaSuccess)
        error = cudaEventSynchronize(t->after);
    if (error == cudaSuccess)
        error = cudaEventElapsedTime(ms, t->before, t->after);
    return yk_cuda_status(error, k->name);
}

static bool are_equal(const int *a, const int *b)
{
    return a[0] == b[0] && a[1] == b[1];
}

/* The same work, whatever it is done on. */
static bool is_same(const yk_cuda_conv *a, const yk_cuda_conv *b)
{
    return a->batch == b->batch && a->in_height == b->in_height && a->in_width == b->in_width &&
           a->in_channels == b->in_channels && a->in_pixel == b->in_pixel && a->out_channels == b->out_channels &&
           a->out_pixel == b->out_pixel && !a->residual == !b->residual && are_equal(a->kernel, b->kernel) &&
           are_equal(a->stride, b->stride) && are_equal(a->pad, b->pad) && are_equal(a->dilation, b->dilation) &&
           a->groups == b->groups && a->act == b->act && a->in_type == b->in_type && a->out_type == b->out_type &&
           a->int8 == b->int8 && a->residual_type == b->residual_type;
}

static yolk_status tune_step(yk_cuda_program *p, trial *t, int step)
{
    yk_cuda_action *a = &p->actions[step];
    yk_cuda_conv c, other;
    yk_cuda_describe_conv(p, step, t->data, &c);
    /* What was found for one layer holds for all of its shape. */
    for (int i = 0; i < step; i++) {
        if (!p->actions[i].conv)
            continue;
        yk_cuda_describe_conv(p, i, t->data, &other);
        if (is_same(&c, &other) && p->actions[i].conv->fits(&c)) {
            a->conv = p->actions[i].conv;
            return YOLK_OK;
        }
    }
    yk_cuda_conv_channels(&c, p->constants + a->channels);
    float least = 0;
    const yk_cuda_conv_kernel *best = NULL;
    t->packed_by = NULL;
    const double limit = 30 * a->conv->cost(&c, p->processors);
    for (const yk_cuda_conv_kernel *const *k = yk_cuda_conv_kernels; *k; k++) {
        float ms = 0;
        if (!(*k)->fits(&c) || (*k)->cost(&c, p->processors) > limit)
            continue;
        yolk_status status = provide_weights(t, step, &c, *k);
        c.weights = t->weights;
        if (status == YOLK_OK)
            status = measure(t, &c, *k, &ms);
        if (status != YOLK_OK)
            return status;
        if (!best || ms < least) {
            best = *k;
            least = ms;
        }
    }
    a->conv = best;
    return YOLK_OK;
}

yolk_status yk_cuda_program_tune(yk_cuda_program *p)
{
    trial t = {.program = p};
    const yk_plan *plan = p->plan;
    uint8_t *arena = NULL, *input = NULL;
    float *outputs[YK_CUDA_OUTPUTS] = {NULL};
    t.data = yk_calloc((size_t)plan->tensor_count, sizeof *t.data);
    yolk_status status = t.data ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = yk_cuda_memory(plan, &arena, &input, outputs);
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaStreamCreateWithFlags(&t.stream, cudaStreamNonBlocking), "a stream");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaEventCreate(&t.before), "an event");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaEventCreate(&t.after), "an event");
    if (status == YOLK_OK) {
        yk_cuda_program_bind(p, arena, input, outputs, t.data);
        /* Not zeros, with which tensor cores take less power and run faster than with what networks hold. */
        status = yk_cuda_program_run(p, t.data, t.stream);
    }
    for (int i = 0; i < plan->step_count && status == YOLK_OK; i++) {
        if (p->actions[i].conv)
            status = tune_step(p, &t, i);
    }
    if (t.stream)
        cudaStreamSynchronize(t.stream);
    cudaFree(t.weights);
    yk_cuda_memory_free(plan, &arena, &input, outputs);
    if (t.before)
        cudaEventDestroy(t.before);
    if (t.after)
        cudaEventDestroy(t.after);
    if (t.stream)
        cudaStreamDestroy(t.stream);
    yk_free(t.data);
    return status == YOLK_OK ? yk_cuda_program_pack(p) : status;
}
