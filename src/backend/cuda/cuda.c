/* Runs graphs on NVIDIA GPUs by yolk's own kernels, each slot's as one CUDA graph.
 *
 * A slot has its own input and results, here and on the device, and a stream that copies and fits in pictures; what is
 * computed lies in one arena, and the slots' graphs run one after the other in one stream, while others are copied. */
#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <string.h>

#include "backend/cuda/errors.h"
#include "backend/cuda/exec.h"
#include "yolk/yolk.h"

enum { SCORE = 300, SLOTS = 2 };

static void name_device(int device, char *text, size_t size)
{
    struct cudaDeviceProp d;
    if (cudaGetDeviceProperties(&d, device) != cudaSuccess)
        snprintf(text, size, "GPU %d", device);
    else
        snprintf(text, size, "%.80s, sm_%d%d", d.name, d.major, d.minor);
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
    yk_cuda_say_too_old(out->device, major, minor, out->reason, sizeof out->reason);
    if (out->reason[0])
        return;
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

yolk_status yk_cuda_time(yk_exec *e, int index, int times, float *ms)
{
    const yk_cuda_slot *t = &e->slots[index];
    cudaEvent_t before = NULL, after = NULL;
    cudaError_t error = cudaSetDevice(e->device);
    if (error == cudaSuccess)
        error = cudaEventCreate(&before);
    if (error == cudaSuccess)
        error = cudaEventCreate(&after);
    for (int i = 0; i < times && error == cudaSuccess; i++) {
        cudaEventRecord(before, e->stream);
        cudaGraphLaunch(t->to_outputs, e->stream);
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
        yk_cuda_slot_destroy(e, &e->slots[i]);
    yk_free(e->slots);
    yk_cuda_finder_free(&e->finder);
    cudaFree(e->arena);
    if (e->stream)
        cudaStreamDestroy(e->stream);
    yk_cuda_program_destroy(&e->program);
    pthread_mutex_destroy(&e->lock);
    yk_free(e);
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

static yolk_status finish(yk_exec *e, const yk_graph *g, const yk_compile_options *options, const char *how)
{
    const yk_plan *p = e->program->plan;
    char device[128];
    e->bgr = g->head.bgr;
    e->slot_count = options->slots > 0 ? options->slots : SLOTS;
    e->slots = yk_calloc((size_t)e->slot_count, sizeof *e->slots);
    if (!e->slots)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = yk_cuda_status(cudaMalloc((void **)&e->arena, (size_t)YK_MAX(p->arena, 1)), "feature maps");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaStreamCreateWithFlags(&e->stream, cudaStreamNonBlocking), "a stream");
    if (status == YOLK_OK)
        status = yk_cuda_finder_make(e, g, options->detect);
    for (int i = 0; i < e->slot_count && status == YOLK_OK; i++)
        status = yk_cuda_slot_make(e, &e->slots[i]);
    name_device(e->device, device, sizeof device);
    if (status == YOLK_OK)
        yk_log(YOLK_LOG_INFO, "cuda: %lldx%lldx%lld, %s, %s%s; %.1f MB of weights, %.1f MB of feature maps",
               (long long)p->size[0], (long long)p->size[1], (long long)p->size[2], device,
               e->program->half ? "fp16" : "fp32", how, 1e-6 * (double)e->program->constant_bytes,
               1e-6 * (double)p->arena);
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
        status = finish(e, g, options, options->tune ? ", tuned" : "");
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
        status = finish(e, g, options, ", saved");
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
    name_device(device, name, sizeof name);
    snprintf(text, size, "yolk %s, %s, driver of CUDA %d.%d", yolk_version(), name, driver / 1000, driver % 1000 / 10);
}

static int slot_count(const yk_exec *e)
{
    return e->slot_count;
}

static uint8_t *input(yk_exec *e, int index)
{
    return e->slots[index].input;
}

static yolk_status start_frames(yk_exec *e, int index, const yk_input *frames)
{
    return yk_cuda_slot_start(e, &e->slots[index], frames);
}

static yolk_status start(yk_exec *e, int index)
{
    return start_frames(e, index, &(yk_input){.count = (int)e->program->plan->size[0]});
}

static yolk_status wait_for(yk_exec *e, int index)
{
    return yk_cuda_slot_wait(e, &e->slots[index]);
}

static unsigned abilities(const yk_exec *e)
{
    return YK_TAKES_PICTURES | (e->finder.able ? YK_FINDS_BOXES : 0u);
}

static yolk_status found(yk_exec *e, int index, int n, bool *complete, yk_detections *out)
{
    return yk_cuda_detections(e->slots[index].results, (int)e->program->plan->size[0], e->finder.options.max_det, n,
                              complete, out);
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
    .score = SCORE,
    .probe = probe,
    .device_count = device_count,
    .device_name = name_device,
    .free_memory = free_memory,
    .check = yk_cuda_program_check,
    .compile = compile,
    .destroy = destroy,
    .slot_count = slot_count,
    .input = input,
    .start = start,
    .wait = wait_for,
    .output = output,
    .abilities = abilities,
    .fetch = yk_cuda_fetch,
    .start_frames = start_frames,
    .found = found,
    .save = save,
    .load = load,
    .fingerprint = fingerprint,
};
