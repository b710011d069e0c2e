/* A batch's way over the device and back: bytes or pictures there, the graph, outputs or boxes here. */
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/exec.h"
#include "base/picture.h"

/* ---- making ---- */

static cudaError_t make_event(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDisableTiming | cudaEventBlockingSync);
}

static cudaError_t make_outputs(const yk_exec *e, yk_cuda_slot *t)
{
    const yk_plan *p = e->program->plan;
    cudaError_t error = cudaSuccess;
    for (int i = 0; i < p->output_count && error == cudaSuccess; i++) {
        const size_t size = (size_t)p->tensors[p->outputs[i]].bytes;
        if (!t->device_outputs[i])
            error = cudaMalloc((void **)&t->device_outputs[i], size);
        if (error == cudaSuccess && !t->outputs[i])
            error = cudaHostAlloc((void **)&t->outputs[i], size, cudaHostAllocDefault);
    }
    return error;
}

static cudaError_t make_results(const yk_exec *e, yk_cuda_slot *t)
{
    const size_t size = yk_cuda_results_bytes((int)e->program->plan->size[0], e->finder.options.max_det);
    return t->results ? cudaSuccess : cudaHostAlloc(&t->results, size, cudaHostAllocDefault);
}

/* The graph for this way of running, and where its results go. The slot has nothing under way. */
static yolk_status prepare(const yk_exec *e, yk_cuda_slot *t, bool boxes)
{
    cudaGraphExec_t *graph = boxes ? &t->to_boxes : &t->to_outputs;
    if (*graph)
        return YOLK_OK;
    yolk_status status = yk_cuda_status(boxes ? make_results(e, t) : make_outputs(e, t), "a slot");
    if (status == YOLK_OK)
        status = yk_cuda_capture(e, t, boxes, graph);
    return status == YOLK_OK ? yk_cuda_status(cudaStreamSynchronize(t->copies), "a graph") : status;
}

yolk_status yk_cuda_slot_make(const yk_exec *e, yk_cuda_slot *t)
{
    const yk_plan *p = e->program->plan;
    const size_t input = (size_t)p->tensors[p->input].bytes;
    t->images = yk_calloc((size_t)p->size[0], sizeof *t->images);
    t->fits = yk_calloc((size_t)p->size[0], sizeof *t->fits);
    if (!t->images || !t->fits)
        return YOLK_ERROR_OUT_OF_MEMORY;
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
    const yolk_status status = yk_cuda_status(error, "a slot");
    return status == YOLK_OK ? prepare(e, t, e->finder.able) : status;
}

static void free_staged(yk_cuda_slot *t)
{
    cudaFreeHost(t->staged);
    cudaFree(t->device_staged);
    t->staged = t->device_staged = NULL;
    t->staged_size = 0;
}

void yk_cuda_slot_destroy(const yk_exec *e, yk_cuda_slot *t)
{
    const yk_plan *p = e->program->plan;
    uint8_t *no_arena = NULL;
    if (t->done)
        cudaEventSynchronize(t->done);
    if (t->to_outputs)
        cudaGraphExecDestroy(t->to_outputs);
    if (t->to_boxes)
        cudaGraphExecDestroy(t->to_boxes);
    yk_cuda_memory_free(p, &no_arena, &t->device_input, t->device_outputs);
    cudaFreeHost(t->input);
    for (int i = 0; i < p->output_count; i++)
        cudaFreeHost(t->outputs[i]);
    cudaFreeHost(t->results);
    free_staged(t);
    if (t->copied)
        cudaEventDestroy(t->copied);
    if (t->computed)
        cudaEventDestroy(t->computed);
    if (t->done)
        cudaEventDestroy(t->done);
    if (t->copies)
        cudaStreamDestroy(t->copies);
    yk_letterbox_scratch_free(&t->scratch);
    yk_free(t->images);
    yk_free(t->fits);
}

/* ---- pictures ---- */

/* Where a picture is, seen from a network's device. */
typedef enum where {
    ON_HOST,
    ON_DEVICE,
    ELSEWHERE /* on another device */
} where;

static yolk_status find(const yk_exec *e, const yolk_image *image, where *out)
{
    struct cudaPointerAttributes a;
    *out = ON_HOST;
    if (image->memory == YOLK_MEMORY_HOST)
        return YOLK_OK;
    const cudaError_t error = cudaPointerGetAttributes(&a, image->planes[0]);
    if (error != cudaSuccess || a.type == cudaMemoryTypeUnregistered) {
        cudaGetLastError();
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "a picture's planes are no GPU's memory, as its field 'memory' says");
    }
    *out = a.type == cudaMemoryTypeDevice && a.device != e->device ? ELSEWHERE : ON_DEVICE;
    return YOLK_OK;
}

/* Row by row, between any two memories. */
static cudaError_t copy_planes(const yolk_image *from, const yolk_image *to, cudaStream_t stream)
{
    yk_plane planes[3];
    cudaError_t error = cudaSuccess;
    for (int i = yk_image_planes(from, planes); i-- > 0 && error == cudaSuccess;) {
        const size_t stride = (size_t)abs(from->strides[i]), rows = planes[i].rows;
        const bool upwards = from->strides[i] < 0; /* for which there are no copies of several rows */
        for (size_t y = 0; y < (upwards ? rows : 1) && error == cudaSuccess; y++)
            error = cudaMemcpy2DAsync(to->planes[i] + y * planes[i].row, planes[i].row, from->planes[i] - y * stride,
                                      stride, planes[i].row, upwards ? 1 : rows, cudaMemcpyDefault, stream);
    }
    return error;
}

yolk_status yk_cuda_fetch(const yolk_image *from, const yolk_image *to)
{
    cudaStream_t stream = cudaStreamPerThread;
    cudaError_t error = copy_planes(from, to, stream);
    if (error == cudaSuccess)
        error = cudaStreamSynchronize(stream);
    return yk_cuda_status(error, "a picture could not be copied");
}

static bool reserve_staged(yk_cuda_slot *t, size_t size)
{
    if (size <= t->staged_size)
        return true;
    free_staged(t);
    if (cudaHostAlloc((void **)&t->staged, size, cudaHostAllocDefault) == cudaSuccess &&
        cudaMalloc((void **)&t->device_staged, size) == cudaSuccess) {
        t->staged_size = size;
        return true;
    }
    cudaGetLastError(); /* or the next launch would be blamed for it */
    free_staged(t);
    return false;
}

/* Pictures to where the device can fetch them or, where there is no room for that, fitted into the input by the
 * processor, so that `*bytes`, which are to be copied, and `*fit` are 0. Those on the device are read where they are.
 */
static yolk_status stage(const yk_exec *e, yk_cuda_slot *t, const yk_input *frames, size_t *bytes, bool *fit)
{
    const yk_plan *p = e->program->plan;
    const int height = (int)p->size[1], width = (int)p->size[2];
    size_t sizes[ELSEWHERE + 1] = {0};
    where at;
    yolk_status status = YOLK_OK;
    *bytes = 0;
    for (int i = 0; i < frames->count && status == YOLK_OK; i++) {
        status = find(e, &frames->images[i], &at);
        sizes[at] += yk_image_bytes(&frames->images[i]);
    }
    if (status != YOLK_OK)
        return status;
    *fit = reserve_staged(t, sizes[ON_HOST] + sizes[ELSEWHERE]);
    if (!*fit && sizes[ON_DEVICE] + sizes[ELSEWHERE] > 0)
        return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "cuda: no memory for %d pictures", frames->count);
    size_t elsewhere = sizes[ON_HOST];
    for (int i = 0; i < frames->count && status == YOLK_OK; i++) {
        const yolk_image *image = &frames->images[i];
        t->fits[i] = frames->fits[i];
        if (!*fit) {
            status = yk_letterbox_run(image, &frames->fits[i], e->bgr, width, height,
                                      t->input + (size_t)i * (size_t)height * (size_t)width * 3, &t->scratch);
            continue;
        }
        status = find(e, image, &at);
        if (at == ON_HOST) {
            const yolk_image pinned = yk_image_at(image, t->staged + *bytes);
            yk_image_copy(image, &pinned);
            t->images[i] = yk_image_at(image, t->device_staged + *bytes);
            *bytes += yk_image_bytes(image);
        } else if (at == ELSEWHERE) {
            t->images[i] = yk_image_at(image, t->device_staged + elsewhere);
            elsewhere += yk_image_bytes(image);
            status = yk_cuda_status(copy_planes(image, &t->images[i], t->copies), "a picture could not be copied");
        } else {
            t->images[i] = *image;
        }
    }
    return status;
}

/* ---- running; the first three with the lock held ---- */

/* Brings the input to the device: the first `staged` bytes of pictures and what fits them in, or its own bytes. */
static yolk_status send(const yk_exec *e, yk_cuda_slot *t, size_t staged, bool fit)
{
    const yk_plan *p = e->program->plan;
    const int height = (int)p->size[1], width = (int)p->size[2];
    const size_t bytes = (size_t)t->count * (size_t)height * (size_t)width * 3;
    cudaError_t error = cudaSuccess;
    if (!fit)
        error = cudaMemcpyAsync(t->device_input, t->input, bytes, cudaMemcpyHostToDevice, t->copies);
    else if (staged > 0)
        error = cudaMemcpyAsync(t->device_staged, t->staged, staged, cudaMemcpyHostToDevice, t->copies);
    const yolk_status status = yk_cuda_status(error, "the input could not be copied");
    return status == YOLK_OK && fit
               ? yk_cuda_letterbox(t->images, t->fits, t->count, e->bgr, width, height, t->device_input, t->copies)
               : status;
}

static cudaError_t fetch_outputs(const yk_exec *e, const yk_cuda_slot *t)
{
    const yk_plan *p = e->program->plan;
    cudaError_t error = cudaEventRecord(t->computed, e->stream);
    if (error == cudaSuccess)
        error = cudaStreamWaitEvent(t->copies, t->computed, 0);
    for (int i = 0; i < p->output_count && error == cudaSuccess; i++)
        error = cudaMemcpyAsync(t->outputs[i], t->device_outputs[i], (size_t)p->tensors[p->outputs[i]].bytes,
                                cudaMemcpyDeviceToHost, t->copies);
    return error == cudaSuccess ? cudaEventRecord(t->done, t->copies) : error;
}

/* Runs on what is on its way to the device or there. The device itself writes boxes to where they are read. */
static yolk_status launch(const yk_exec *e, const yk_cuda_slot *t, bool boxes)
{
    cudaError_t error = cudaEventRecord(t->copied, t->copies);
    if (error == cudaSuccess)
        error = cudaStreamWaitEvent(e->stream, t->copied, 0);
    if (error == cudaSuccess)
        error = cudaGraphLaunch(boxes ? t->to_boxes : t->to_outputs, e->stream);
    if (error == cudaSuccess)
        error = boxes ? cudaEventRecord(t->done, e->stream) : fetch_outputs(e, t);
    return yk_cuda_status(error, "the network could not be started");
}

yolk_status yk_cuda_slot_start(yk_exec *e, yk_cuda_slot *t, const yk_input *frames)
{
    size_t staged = 0;
    bool fit = false;
    t->count = frames->count;
    t->boxes = frames->boxes;
    yolk_status status = yk_cuda_status(cudaSetDevice(e->device), "the network could not be started");
    if (status == YOLK_OK)
        status = prepare(e, t, t->boxes);
    if (status == YOLK_OK && frames->images)
        status = stage(e, t, frames, &staged, &fit);
    if (status != YOLK_OK)
        return status;
    pthread_mutex_lock(&e->lock);
    status = send(e, t, staged, fit);
    if (status == YOLK_OK)
        status = launch(e, t, t->boxes);
    pthread_mutex_unlock(&e->lock);
    return status;
}

static yolk_status finished(const yk_cuda_slot *t)
{
    return yk_cuda_status(cudaEventSynchronize(t->done), "the network could not be run");
}

/* The network again, for its outputs: the input is still there. */
static yolk_status run_for_outputs(yk_exec *e, yk_cuda_slot *t)
{
    yolk_status status = yk_cuda_status(cudaSetDevice(e->device), "the network could not be run");
    if (status == YOLK_OK)
        status = prepare(e, t, false);
    if (status != YOLK_OK)
        return status;
    pthread_mutex_lock(&e->lock);
    status = launch(e, t, false);
    pthread_mutex_unlock(&e->lock);
    return status == YOLK_OK ? finished(t) : status;
}

yolk_status yk_cuda_slot_wait(yk_exec *e, yk_cuda_slot *t)
{
    const yolk_status status = finished(t);
    if (status != YOLK_OK || !t->boxes)
        return status;
    for (int i = 0; i < t->count; i++) {
        if (!yk_cuda_is_complete(t->results, i))
            return run_for_outputs(e, t);
    }
    return YOLK_OK;
}
