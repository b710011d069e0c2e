/* The steps of a network and what comes after them as one CUDA graph. */
#include "backend/cuda/exec.h"

/* What is captured so far: for each step the node that ends it, NULL for one that is left out, and which steps are done
 * by then. */
typedef struct recording {
    const yk_exec *exec;
    const yk_cuda_slot *slot;
    bool boxes;
    void **data;
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
        if (done[i] || !r->last[i] || !yk_plan_depends(p, index, i))
            continue;
        r->waits[count++] = r->last[i];
        const bool *before = r->done + (size_t)i * (size_t)p->step_count;
        for (int k = 0; k < i; k++)
            done[k] = done[k] || before[k];
        done[i] = true;
    }
    return count;
}

/* What is captured next waits for the first `count` of r->waits. */
static yolk_status wait_for(const recording *r, size_t count)
{
    return yk_cuda_status(
        cudaStreamUpdateCaptureDependencies(r->slot->copies, r->waits, NULL, count, cudaStreamSetCaptureDependencies),
        "a graph");
}

static yolk_status record_step(recording *r, int index)
{
    const yk_cuda_program *p = r->exec->program;
    cudaStream_t stream = r->slot->copies;
    enum cudaStreamCaptureStatus now;
    cudaGraph_t graph;
    const cudaGraphNode_t *ends = NULL;
    size_t end_count = 0;
    yolk_status status = wait_for(r, find_waits(p->plan, r, index));
    if (status == YOLK_OK)
        status = yk_cuda_program_step(p, index, r->data, stream);
    if (status == YOLK_OK)
        status =
            yk_cuda_status(cudaStreamGetCaptureInfo(stream, &now, NULL, &graph, &ends, NULL, &end_count), "a graph");
    if (status == YOLK_OK && end_count != 1)
        status = yk_fail(YOLK_ERROR_BACKEND, "layer \"%s\" is no single work for the GPU", p->plan->steps[index].name);
    if (status == YOLK_OK)
        r->last[index] = ends[0];
    return status;
}

/* Steps that do not need each other go on at once: what is captured next waits for no more than it has to. */
static yolk_status record(recording *r)
{
    const int steps = r->exec->program->plan->step_count;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < steps && status == YOLK_OK; i++) {
        if (!r->boxes || !yk_cuda_finder_skips(r->exec, i))
            status = record_step(r, i);
    }
    /* The end of all is the end of each. */
    size_t count = 0;
    for (int i = 0; i < steps; i++) {
        if (r->last[i])
            r->waits[count++] = r->last[i];
    }
    if (status == YOLK_OK)
        status = wait_for(r, count);
    if (status == YOLK_OK && r->boxes)
        status = yk_cuda_finder_run(r->exec, r->data, r->slot->results, r->slot->copies);
    return status;
}

yolk_status yk_cuda_capture(const yk_exec *e, const yk_cuda_slot *t, bool boxes, cudaGraphExec_t *out)
{
    const yk_cuda_program *p = e->program;
    const size_t steps = (size_t)p->plan->step_count;
    cudaGraph_t graph = NULL;
    recording r = {.exec = e,
                   .slot = t,
                   .boxes = boxes,
                   .data = yk_calloc((size_t)p->plan->tensor_count, sizeof *r.data),
                   .last = yk_calloc(steps, sizeof *r.last),
                   .done = yk_calloc(steps * steps, sizeof *r.done),
                   .waits = yk_calloc(steps, sizeof *r.waits)};
    yolk_status status = r.data && r.last && r.done && r.waits ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK) {
        yk_cuda_program_bind(p, e->arena, t->device_input, boxes ? e->finder.outputs : t->device_outputs, r.data);
        status = yk_cuda_status(cudaStreamBeginCapture(t->copies, cudaStreamCaptureModeThreadLocal), "a graph");
    }
    if (status == YOLK_OK) {
        status = record(&r);
        const yolk_status ended = yk_cuda_status(cudaStreamEndCapture(t->copies, &graph), "a graph");
        status = status == YOLK_OK ? ended : status;
    }
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaGraphInstantiate(out, graph, 0), "a graph");
    if (status == YOLK_OK)
        status = yk_cuda_status(cudaGraphUpload(*out, t->copies), "a graph");
    if (graph)
        cudaGraphDestroy(graph);
    yk_free(r.data);
    yk_free(r.last);
    yk_free(r.done);
    yk_free(r.waits);
    return status;
}
