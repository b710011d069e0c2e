/* Boxes found on the device, from feature maps where they lie. */
#include <string.h>

#include "backend/cuda/exec.h"

/* The feature map that an output is a copy of in the graph's layout, when it still has its numbers in the end. */
static int source_of(const yk_plan *p, int output)
{
    const int writer = yk_plan_writer(p, output);
    if (writer == YK_NONE || p->steps[writer].kind != YK_STEP_COPY)
        return YK_NONE;
    const int source = p->steps[writer].inputs[0];
    const yk_plan_tensor *from = &p->tensors[source];
    if (from->layout != YK_LAYOUT_NHWC || from->type != YK_F32 || p->tensors[from->root].offset < 0 ||
        !yk_shape_equal(&from->shape, &p->tensors[output].shape))
        return YK_NONE;
    for (int i = writer + 1; i < p->step_count; i++) {
        if (yk_plan_depends(p, i, writer))
            return YK_NONE;
    }
    return source;
}

/* An output as the head's kernels see it: as the graph has it, or the feature map. */
static yk_cuda_tensor describe(const yk_exec *e, int index, void *const *data)
{
    const yk_cuda_finder *f = &e->finder;
    const yk_plan *p = e->program->plan;
    const int64_t *dims = f->shapes[index].dims;
    if (f->sources[index] != YK_NONE) {
        const yk_plan_tensor *t = &p->tensors[f->sources[index]];
        return (yk_cuda_tensor){.data = data[f->sources[index]],
                                .half = e->program->half,
                                .frame = dims[2] * dims[3] * t->pixel,
                                .channel = 1,
                                .pixel = t->pixel};
    }
    yk_cuda_tensor t = {.data = data[p->outputs[index]], .frame = yk_shape_count(&f->shapes[index]) / dims[0]};
    const bool rows = f->shapes[index].rank == 3 && f->head.kind != YK_HEAD_DECODED_V8;
    t.pixel = rows ? dims[2] : 1;
    t.channel = rows ? 1 : t.frame / dims[1];
    return t;
}

static yk_cuda_outputs look(const yk_exec *e, void *const *data, yk_cuda_tensor tensors[YK_CUDA_OUTPUTS])
{
    const yk_cuda_finder *f = &e->finder;
    const yk_plan *p = e->program->plan;
    memset(tensors, 0, YK_CUDA_OUTPUTS * sizeof *tensors);
    for (int i = 0; i < p->output_count; i++)
        tensors[i] = describe(e, i, data);
    return (yk_cuda_outputs){.head = &f->head,
                             .tensors = tensors,
                             .shapes = f->shapes,
                             .batch = (int)p->size[0],
                             .input_width = (int)p->size[2],
                             .input_height = (int)p->size[1]};
}

static yolk_status upload_mask(yk_cuda_finder *f, const uint8_t *mask)
{
    const size_t size = (size_t)YK_MAX(f->head.classes, 1);
    cudaError_t error = cudaMalloc((void **)&f->class_mask, size);
    if (error == cudaSuccess)
        error = cudaMemcpy(f->class_mask, mask, size, cudaMemcpyHostToDevice);
    f->options.class_mask = f->class_mask;
    return yk_cuda_status(error, "classes");
}

static yolk_status get_memory(const yk_exec *e, yk_cuda_finder *f)
{
    const yk_plan *p = e->program->plan;
    cudaError_t error = cudaMalloc(&f->workspace, yk_cuda_workspace_bytes((int)p->size[0]));
    for (int i = 0; i < p->output_count && error == cudaSuccess; i++) {
        if (f->sources[i] == YK_NONE)
            error = cudaMalloc((void **)&f->outputs[i], (size_t)p->tensors[p->outputs[i]].bytes);
    }
    return yk_cuda_status(error, "detection");
}

yolk_status yk_cuda_finder_make(yk_exec *e, const yk_graph *g, const yk_detect_options *options)
{
    yk_cuda_finder *f = &e->finder;
    const yk_plan *p = e->program->plan;
    yk_cuda_tensor tensors[YK_CUDA_OUTPUTS];
    if (!options)
        return YOLK_OK;
    f->head = g->head;
    f->options = *options;
    for (int i = 0; i < p->output_count; i++) {
        f->shapes[i] = p->tensors[p->outputs[i]].shape;
        f->sources[i] = source_of(p, p->outputs[i]);
    }
    const yk_cuda_outputs o = look(e, e->program->nowhere, tensors);
    if (yk_cuda_detect_check(&o, options) != YOLK_OK) {
        yk_log(YOLK_LOG_INFO, "cuda: boxes are found by the processor: %s", yolk_last_error());
        return YOLK_OK;
    }
    yolk_status status = options->class_mask ? upload_mask(f, options->class_mask) : YOLK_OK;
    if (status == YOLK_OK)
        status = get_memory(e, f);
    f->able = status == YOLK_OK;
    return status;
}

void yk_cuda_finder_free(yk_cuda_finder *f)
{
    for (int i = 0; i < YK_CUDA_OUTPUTS; i++)
        cudaFree(f->outputs[i]);
    cudaFree(f->class_mask);
    cudaFree(f->workspace);
}

bool yk_cuda_finder_skips(const yk_exec *e, int step)
{
    const yk_plan *p = e->program->plan;
    for (int i = 0; i < p->output_count; i++) {
        if (e->finder.sources[i] != YK_NONE && yk_plan_writer(p, p->outputs[i]) == step)
            return true;
    }
    return false;
}

yolk_status yk_cuda_finder_run(const yk_exec *e, void *const *data, void *results, cudaStream_t stream)
{
    yk_cuda_tensor tensors[YK_CUDA_OUTPUTS];
    const yk_cuda_outputs o = look(e, data, tensors);
    return yk_cuda_detect(&o, &e->finder.options, e->finder.workspace, results, stream);
}
