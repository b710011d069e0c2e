/* Runs graphs on NVIDIA GPUs by yolk's own kernels, each slot's as one CUDA graph.
 *
 * A slot has its own input and outputs, here and on the device, and a stream that copies them; what is computed lies in
 * one arena, and the slots' graphs run one after the other in one stream, while others are copied. */
#include "backend/cuda/cuda.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/cuda/program.h"
#include "yolk/yolk.h"

typedef struct slot {
    uint8_t *input;                  /* pinned */
    float *outputs[YK_CUDA_OUTPUTS]; /* pinned */
    uint8_t *device_input;
    float *device_outputs[YK_CUDA_OUTPUTS];
    cudaGraphExec_t graph;
    cudaStream_t copies;
    cudaEvent_t copied, computed, done;
} slot;

struct yk_exec {
    yk_cuda_program *program;
    int device;
    uint8_t *arena;
    cudaStream_t stream;
    pthread_mutex_t lock; /* one start at a time */
    slot *slots;
    int slot_count;
};

enum { SCORE = 300, SLOTS = 2, LEAST_CAPABILITY = 80 };

static const char *name_device(int device, char *text, size_t size)
{
    struct cudaDeviceProp d;
    if (cudaGetDeviceProperties(&d, device) != cudaSuccess)
        snprintf(text, size, "GPU %d", device);
    else
        snprintf(text, size, "%.80s, sm_%d%d", d.name, d.major, d.minor);
    return text;
}

static void probe(yk_probe *out)
{
    int count, driver = 0, major = 0, minor = 0;
    *out = (yk_probe){.half = true, .half_first = true};
    snprintf(out->version, sizeof out->version, "%s", yolk_version());
    const bool available = yk_cuda_available(&count, out->reason, sizeof out->reason);
    cudaDriverGetVersion(&driver);
    /* A machine without a driver is none that something is wrong with. */
    out->score = driver > 0 ? SCORE : 0;
    if (!available)
        return;
    name_device(0, out->device, sizeof out->device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
    if (major * 10 + minor < LEAST_CAPABILITY) {
        snprintf(out->reason, sizeof out->reason,
                 "%s has compute capability %d.%d, and the kernels need 8.0 or more (Ampere)", out->device, major,
                 minor);
        return;
    }
    snprintf(out->version, sizeof out->version, "%s, CUDA %d.%d", yolk_version(), driver / 1000, driver % 1000 / 10);
    out->available = true;
}

static int device_count(void)
{
    int count;
    char reason[512];
    return yk_cuda_available(&count, reason, sizeof reason) ? YK_MIN(count, YK_MAX_DEVICES) : 0;
}

static uint64_t free_memory(int device)
{
    size_t available = 0, total = 0;
    if (cudaSetDevice(device) != cudaSuccess || cudaMemGetInfo(&available, &total) != cudaSuccess)
        return 0;
    return available;
}

/* ---- running ---- */

static yolk_status start(yk_exec *e, int index)
{
    slot *t = &e->slots[index];
    const yk_plan *p = e->program->plan;
    pthread_mutex_lock(&e->lock);
    cudaError_t error = cudaSetDevice(e->device);
    if (error == cudaSuccess)
        error = cudaMemcpyAsync(t->device_input, t->input, (size_t)p->tensors[p->input].bytes, cudaMemcpyHostToDevice,
                                t->copies);
    if (error == cudaSuccess)
        error = cudaEventRecord(t->copied, t->copies);
    if (error == cudaSuccess)
        error = cudaStreamWaitEvent(e->stream, t->copied, 0);
    if (error == cudaSuccess)
        error = cudaGraphLaunch(t->graph, e->stream);
    if (error == cudaSuccess)
        error = cudaEventRecord(t->computed, e->stream);
    if (error == cudaSuccess)
        error = cudaStreamWaitEvent(t->copies, t->computed, 0);
    for (int i = 0; i < p->output_count && error == cudaSuccess; i++)
        error = cudaMemcpyAsync(t->outputs[i], t->device_outputs[i], (size_t)p->tensors[p->outputs[i]].bytes,
                                cudaMemcpyDeviceToHost, t->copies);
    if (error == cudaSuccess)
        error = cudaEventRecord(t->done, t->copies);
    pthread_mutex_unlock(&e->lock);
    return yk_cuda_status(error, "the network could not be started");
}

static yolk_status wait_for(yk_exec *e, int index)
{
    return yk_cuda_status(cudaEventSynchronize(e->slots[index].done), "the network could not be run");
}

yolk_status yk_cuda_time(yk_exec *e, int index, int times, float *ms)
{
    const slot *t = &e->slots[index];
    cudaEvent_t before = NULL, after = NULL;
    cudaError_t error = cudaSetDevice(e->device);
    if (error == cudaSuccess)
        error = cudaEventCreate(&before);
    if (error == cudaSuccess)
        error = cudaEventCreate(&after);
    for (int i = 0; i < times && error == cudaSuccess; i++) {
        cudaEventRecord(before, e->stream);
        cudaGraphLaunch(t->graph, e->stream);
        cudaEventRecord(after, e->stream);
        error = cudaEventSynchronize(after);
        if (error == cudaSuccess)
            error = cudaEventElapsedTime(&ms[i], before, after);
    }
    if (before)
        cudaEventDestroy(before);
    if (after)
        cudaEventDestroy(after);
    return yk_cuda_status(error, "the network could not be timed");
}

const yk_cuda_program *yk_cuda_program_of(const yk_exec *e)
{
    return e->program;
}

/* ---- making ---- */

static void destroy_slot(const yk_exec *e, slot *t)
{
    const yk_plan *p = e->program->plan;
    uint8_t *no_arena = NULL;
    if (t->done)
        cudaEventSynchronize(t->done);
    if (t->graph)
        cudaGraphExecDestroy(t->graph);
    yk_cuda_memory_free(p, &no_arena, &t->device_input, t->device_outputs);
    cudaFreeHost(t->input);
    for (int i = 0; i < p->output_count; i++)
        cudaFreeHost(t->outputs[i]);
    if (t->copied)
        cudaEventDestroy(t->copied);
    if (t->computed)
        cudaEventDestroy(t->computed);
    if (t->done)
        cudaEventDestroy(t->done);
    if (t->copies)
        cudaStreamDestroy(t->copies);
}

static void destroy(yk_exec **exec)
{
    yk_exec *e = *exec;
    *exec = NULL;
    if (!e)
        return;
    cudaSetDevice(e->device);
    if (e->stream)
        cudaStreamSynchronize(e->stream);
    for (int i = 0; e->slots && i < e->slot_count; i++)
        destroy_slot(e, &e->slots[i]);
    yk_free(e->slots);
    cudaFree(e->arena);
    if (e->stream)
        cudaStreamDestroy(e->stream);
    yk_cuda_program_destroy(&e->program);
    pthread_mutex_destroy(&e->lock);
    yk_free(e);
}

/* ---- all steps as one graph, which costs the processor one call ---- */

/* What is captured so far: for each step the node that ends it, and which steps are done by then. */
typedef struct recording {
    cudaGraphNode_t *last;
    bool *done; /* [step * step_count + other] */
    cudaGraphNode_t *waits;
} recording;

/* The ends of those steps that step `index` waits for and that none of the others waits for. */
static size_t find_waits(const yk_plan *p, recording *r, int index)
{
    bool *done = r->done + (size_t)index * (size_t)p->step_count;
    size_t count = 0;
    for (int i = index - 1; i >= 0; i--) {
        if (done[i] || !yk_plan_depends(p, index, i))
            continue;
        r->waits[count++] = r->last[i];
        const bool *before = r->done + (size_t)i * (size_t)p->step_count;
        for (int k = 0; k < i; k++)
            done[k] = done[k] || before[k];
        done[i] = true;
    }
    return count;
}

/* Steps that do not need each other go on at once: what is captured next waits for no more than it has to. */
static yolk_status record(yk_exec *e, void *const *data, recording *r)
{
    const yk_plan *p = e->program->plan;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < p->step_count && status == YOLK_OK; i++) {
        const size_t count = find_waits(p, r, i);
        enum cudaStreamCaptureStatus now;
        cudaGraph_t graph;
        const cudaGraphNode_t *ends = NULL;
        size_t end_count = 0;
        status = yk_cuda_status(
            cudaStreamUpdateCaptureDependencies(e->stream, r->waits, NULL, count, cudaStreamSetCaptureDependencies),
            "a graph");
        if (status == YOLK_OK)
            status = yk_cuda_program_step(e->program, i, data, e->stream);
        if (status == YOLK_OK)
            status = yk_cuda_status(cudaStreamGetCaptureInfo(e->stream, &now, NULL, &graph, &ends, NULL, &end_count),
                                    "a graph");
        if (status == YOLK_OK && end_count != 1)
            status = yk_fail(YOLK_ERROR_BACKEND, "layer \"%s\" is no single work for the GPU", p->steps[i].name);
        if (status == YOLK_OK)
            r->last[i] = ends[0];
    }
    /* The end of all is the end of each. */
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaStreamUpdateCaptureDependencies(e->stream, r->last, NULL, (size_t)p->step_count,
                                                                    cudaStreamSetCaptureDependencies),
                                "a graph");
    return status;
}

static yolk_status capture(yk_exec *e, slot *t)
{
    const yk_cuda_program *p = e->program;
    const size_t steps = (size_t)p->plan->step_count;
    cudaGraph_t graph = NULL;
    void **data = yk_calloc((size_t)p->plan->tensor_count, sizeof *data);
    recording r = {.last = yk_calloc(steps, sizeof *r.last),
                   .done = yk_calloc(steps * steps, sizeof *r.done),
                   .waits = yk_calloc(steps, sizeof *r.waits)};
    yolk_status status = data && r.last && r.done && r.waits ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK) {
        yk_cuda_program_bind(p, e->arena, t->device_input, t->device_outputs, data);
        status = yk_cuda_status(cudaStreamBeginCapture(e->stream, cudaStreamCaptureModeThreadLocal), "a graph");
    }
    if (status == YOLK_OK) {
        status = record(e, data, &r);
        const yolk_status ended = yk_cuda_status(cudaStreamEndCapture(e->stream, &graph), "a graph");
        status = status == YOLK_OK ? ended : status;
    }
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaGraphInstantiate(&t->graph, graph, 0), "a graph");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaGraphUpload(t->graph, e->stream), "a graph");
    if (graph)
        cudaGraphDestroy(graph);
    yk_free(data);
    yk_free(r.last);
    yk_free(r.done);
    yk_free(r.waits);
    return status;
}

static cudaError_t make_event(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDisableTiming | cudaEventBlockingSync);
}

static yolk_status make_slot(yk_exec *e, slot *t)
{
    const yk_plan *p = e->program->plan;
    const size_t input = (size_t)p->tensors[p->input].bytes;
    cudaError_t error = cudaStreamCreateWithFlags(&t->copies, cudaStreamNonBlocking);
    if (error == cudaSuccess)
        error = make_event(&t->copied);
    if (error == cudaSuccess)
        error = make_event(&t->computed);
    if (error == cudaSuccess)
        error = make_event(&t->done);
    if (error == cudaSuccess)
        error = cudaHostAlloc((void **)&t->input, input, cudaHostAllocDefault);
    if (error == cudaSuccess)
        memset(t->input, 0, input);
    if (error == cudaSuccess)
        error = cudaMalloc((void **)&t->device_input, input);
    for (int i = 0; i < p->output_count && error == cudaSuccess; i++) {
        const size_t size = (size_t)p->tensors[p->outputs[i]].bytes;
        error = cudaMalloc((void **)&t->device_outputs[i], size);
        if (error == cudaSuccess)
            error = cudaHostAlloc((void **)&t->outputs[i], size, cudaHostAllocDefault);
    }
    const yolk_status status = yk_cuda_status(error, "a slot");
    return status == YOLK_OK ? capture(e, t) : status;
}

static yolk_status make_exec(const yk_compile_options *options, yk_exec **out)
{
    yk_exec *e = yk_calloc(1, sizeof *e);
    *out = e;
    if (!e)
        return YOLK_ERROR_OUT_OF_MEMORY;
    pthread_mutex_init(&e->lock, NULL);
    e->device = options->device;
    return yk_cuda_status(cudaSetDevice(e->device), "the GPU could not be opened");
}

static yolk_status finish(yk_exec *e, const yk_compile_options *options, const char *how)
{
    const yk_plan *p = e->program->plan;
    char device[128];
    e->slot_count = options->slots > 0 ? options->slots : SLOTS;
    e->slots = yk_calloc((size_t)e->slot_count, sizeof *e->slots);
    if (!e->slots)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = yk_cuda_status(cudaMalloc((void **)&e->arena, (size_t)YK_MAX(p->arena, 1)), "feature maps");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaStreamCreateWithFlags(&e->stream, cudaStreamNonBlocking), "a stream");
    for (int i = 0; i < e->slot_count && status == YOLK_OK; i++)
        status = make_slot(e, &e->slots[i]);
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaStreamSynchronize(e->stream), "a graph");
    if (status == YOLK_OK)
        yk_log(YOLK_LOG_INFO, "cuda: %lldx%lldx%lld, %s, %s%s; %.1f MB of weights, %.1f MB of feature maps",
               (long long)p->size[0], (long long)p->size[1], (long long)p->size[2],
               name_device(e->device, device, sizeof device), e->program->half ? "fp16" : "fp32", how,
               1e-6 * (double)e->program->constant_bytes, 1e-6 * (double)p->arena);
    return status;
}

static yolk_status compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    yk_exec *e;
    *out = NULL;
    yolk_status status = make_exec(options, &e);
    if (status == YOLK_OK)
        status = yk_cuda_program_make(g, options->half, &e->program);
    if (status == YOLK_OK && options->tune)
        status = yk_cuda_program_tune(e->program);
    if (status == YOLK_OK) {
        yk_cuda_program_settle(e->program);
        status = finish(e, options, options->tune ? ", tuned" : "");
    }
    if (status != YOLK_OK)
        destroy(&e);
    *out = e;
    return status;
}

static yolk_status save(yk_exec *e, yk_buffer *out)
{
    cudaSetDevice(e->device);
    return yk_cuda_program_save(e->program, out);
}

static yolk_status load(const void *bytes, size_t size, const yk_graph *g, const yk_compile_options *options,
                        yk_exec **out)
{
    yk_exec *e;
    *out = NULL;
    yolk_status status = make_exec(options, &e);
    if (status == YOLK_OK)
        status = yk_cuda_program_load(bytes, size, &e->program);
    if (status == YOLK_OK && !yk_plan_is_of_graph(e->program->plan, g))
        status =
            yk_fail(YOLK_ERROR_DAMAGED, "a compiled network is of another size or has other outputs than the engine");
    if (status == YOLK_OK)
        status = finish(e, options, ", saved");
    if (status != YOLK_OK)
        destroy(&e);
    *out = e;
    return status;
}

static void fingerprint(int device, const yk_compile_options *options, char *text, size_t size)
{
    char name[128];
    int driver = 0;
    (void)options; /* a form says itself what it computes in */
    cudaDriverGetVersion(&driver);
    snprintf(text, size, "yolk %s, %s, CUDA %d.%d", yolk_version(), name_device(device, name, sizeof name),
             driver / 1000, driver % 1000 / 10);
}

static int slot_count(const yk_exec *e)
{
    return e->slot_count;
}

static uint8_t *input(yk_exec *e, int index)
{
    return e->slots[index].input;
}

static const float *output(yk_exec *e, int index, int which)
{
    return e->slots[index].outputs[which];
}

const yk_backend yk_backend_cuda = {
    .api_version = YK_BACKEND_API,
    .name = "cuda",
    .kind = "cuda",
    .description = "yolk's own kernels on NVIDIA GPUs",
    .gains_from_batch = true,
    .floats_only = true,
    .score = SCORE,
    .probe = probe,
    .device_count = device_count,
    .free_memory = free_memory,
    .compile = compile,
    .destroy = destroy,
    .slot_count = slot_count,
    .input = input,
    .start = start,
    .wait = wait_for,
    .output = output,
    .save = save,
    .load = load,
    .fingerprint = fingerprint,
};
