/* The host's side of detection on the GPU: what can be done there, where everything lies, and what came of it. */
#include "backend/cuda/detect.cuh"
#include "backend/cuda/device.h"

extern "C" {
#include "detect/rank.h"
}

enum { ALIGNMENT = 256, MOST_FRAMES = 65535 };

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* ---- what can be done ---- */

static yolk_status left_to_cpu(const char *what, int64_t is, int64_t most)
{
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "the CPU has to find the boxes: %s is %lld, and the GPU takes at most %lld",
                   what, (long long)is, (long long)most);
}

static int tensors_of(const yk_head *head)
{
    return head->kind == YK_HEAD_ANCHOR_FREE ? 2 * head->levels : head->kind == YK_HEAD_ANCHORS ? head->levels : 1;
}

/* Cells of a level in rows of `width`; heads without strides are one level. */
static int64_t cells_of(const yk_cuda_outputs *o, int l, int *width)
{
    const yk_head *head = o->head;
    const yk_shape *shape = &o->shapes[head->kind == YK_HEAD_ANCHOR_FREE ? 2 * l + 1
                                       : head->kind == YK_HEAD_ANCHORS   ? l
                                                                         : 0];
    *width = 1;
    switch (head->kind) {
    case YK_HEAD_ANCHOR_FREE:
    case YK_HEAD_ANCHORS:
        *width = (int)shape->dims[3];
        return shape->dims[2] * shape->dims[3];
    case YK_HEAD_YOLOX:
        *width = o->input_width / head->strides[l];
        return (int64_t)*width * (o->input_height / head->strides[l]);
    case YK_HEAD_DECODED_V8:
        return shape->dims[2];
    default:
        return shape->dims[1];
    }
}

static int levels_of(const yk_head *head)
{
    return head->kind == YK_HEAD_ANCHOR_FREE || head->kind == YK_HEAD_ANCHORS || head->kind == YK_HEAD_YOLOX
               ? head->levels
               : 1;
}

static int anchors_of(const yk_head *head)
{
    return head->kind == YK_HEAD_ANCHORS ? head->anchors_per_level : 1;
}

yolk_status yk_cuda_detect_check(const yk_cuda_outputs *o, const yk_detect_options *options)
{
    const yk_head *head = o->head;
    if (o->batch < 1 || o->batch > MOST_FRAMES)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%d frames cannot be looked at", o->batch);
    const yolk_status status = yk_decode_check(head, o->shapes, o->batch - 1, o->input_width, o->input_height);
    if (status != YOLK_OK)
        return status;
    int64_t items = 0;
    for (int l = 0; l < levels_of(head); l++) {
        int width;
        items += cells_of(o, l, &width) * anchors_of(head);
    }
    if (items > 1 << YK_PLACE_BITS)
        return left_to_cpu("the number of anchors", items, 1 << YK_PLACE_BITS);
    if (head->classes > 1 << YK_CLASS_BITS)
        return left_to_cpu("the number of classes", head->classes, 1 << YK_CLASS_BITS);
    if (options->max_det > YK_CUDA_MAX_DET)
        return left_to_cpu("max_det", options->max_det, YK_CUDA_MAX_DET);
    if (head->kind == YK_HEAD_ANCHOR_FREE && head->end2end && head->max_det > YK_CUDA_MAX_DET)
        return left_to_cpu("the head's max_det", head->max_det, YK_CUDA_MAX_DET);
    for (int t = 0; t < tensors_of(head); t++) {
        if (!o->tensors[t].data)
            return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "output %d of the network is NULL", t);
    }
    return YOLK_OK;
}

/* ---- where everything lies ---- */

size_t yk_cuda_workspace_bytes(int batch)
{
    return aligned((size_t)batch * sizeof(int)) + (size_t)batch * YK_CUDA_CANDIDATES * sizeof(yk_candidate);
}

size_t yk_cuda_results_bytes(int batch, int max_det)
{
    return (size_t)batch * (sizeof(yk_found) + (size_t)YK_MAX(max_det, 0) * sizeof(yk_found_box));
}

/* The tensor from a channel and a pixel on. */
static yk_cuda_tensor from(const yk_cuda_tensor *t, int64_t channel, int64_t pixel)
{
    yk_cuda_tensor part = *t;
    part.data = (const char *)t->data + (channel * t->channel + pixel * t->pixel) * (t->half ? 2 : 4);
    return part;
}

static void place_level(const yk_cuda_outputs *o, int l, int first, int block, int items_a_block, yk_detect_level *v)
{
    const yk_head *head = o->head;
    const yk_cuda_tensor *t = o->tensors;
    v->cells = (int)cells_of(o, l, &v->width);
    v->items = v->cells * anchors_of(head);
    v->first = first;
    v->first_block = block;
    v->end_block = block + (v->items + items_a_block - 1) / items_a_block;
    v->stride = (float)head->strides[l];
    switch (head->kind) {
    case YK_HEAD_ANCHOR_FREE:
        v->boxes = t[2 * l];
        v->values = t[2 * l + 1];
        break;
    case YK_HEAD_ANCHORS:
        v->values = t[l];
        for (int a = 0; a < head->anchors_per_level; a++) {
            v->anchors[a][0] = head->anchors[l][a][0];
            v->anchors[a][1] = head->anchors[l][a][1];
        }
        break;
    case YK_HEAD_DECODED_V8:
        v->boxes = t[0];
        v->values = from(t, 4, 0);
        break;
    default:
        v->values = from(t, 0, first);
    }
}

/* Whether a cell's classes can be read 16 bytes at a time: also what follows the last one is the cell's then. */
static bool is_aligned(const yk_cuda_tensor *t)
{
    const int size = t->half ? 8 : 4;
    return t->channel == 1 && t->pixel % size == 0 && t->frame % size == 0 && (uintptr_t)t->data % 16 == 0;
}

static yk_scan_layout layout_of(const yk_detect_level *levels, int count)
{
    const bool half = levels[0].values.half;
    for (int l = 0; l < count; l++) {
        if (levels[l].values.half != half || !is_aligned(&levels[l].values))
            return YK_SCAN_ANY;
    }
    return half ? YK_SCAN_HALVES : YK_SCAN_FLOATS;
}

yolk_status yk_cuda_detect(const yk_cuda_outputs *o, const yk_detect_options *options, void *workspace, void *results,
                           void *stream)
{
    const yolk_status status = yk_cuda_detect_check(o, options);
    if (status != YOLK_OK)
        return status;
    const yk_head *head = o->head;
    const bool cells = head->kind == YK_HEAD_ANCHOR_FREE || head->kind == YK_HEAD_DECODED_V8;
    const bool logits = head->kind == YK_HEAD_ANCHOR_FREE || head->kind == YK_HEAD_ANCHORS;
    yk_detect_work w = {};
    w.kind = head->kind;
    w.classes = head->classes;
    w.bins = head->reg_max;
    w.limit = head->max_det;
    w.conf = options->conf;
    w.threshold = logits ? yk_logit(options->conf) : options->conf;
    w.iou = options->iou;
    w.max_det = YK_MAX(options->max_det, 0);
    w.several = options->multi_label && head->classes > 1;
    w.agnostic = options->agnostic;
    w.one_to_one = head->kind == YK_HEAD_ANCHOR_FREE && head->end2end;
    w.sort_only = head->kind == YK_HEAD_DECODED_END2END || head->end2end;
    w.mask = options->class_mask;
    w.counts = (int *)workspace;
    w.candidates = (yk_candidate *)((char *)workspace + aligned((size_t)o->batch * sizeof(int)));
    w.found = (yk_found *)results;
    w.boxes = (yk_found_box *)(w.found + o->batch);

    int first = 0, blocks = 0;
    for (int l = 0; l < levels_of(head); l++) {
        yk_detect_level *v = &w.levels[l];
        place_level(o, l, first, blocks, cells ? YK_SCAN_CELLS : YK_SCAN_ROWS, v);
        first += v->items;
        blocks = v->end_block;
    }

    cudaStream_t s = (cudaStream_t)stream;
    cudaError_t error = cudaMemsetAsync(w.counts, 0, (size_t)o->batch * sizeof(int), s);
    if (error == cudaSuccess) {
        if (cells)
            yk_scan_cells(&w, layout_of(w.levels, levels_of(head)), blocks, o->batch, s);
        else
            yk_scan_rows(&w, blocks, o->batch, s);
        error = cudaGetLastError();
    }
    if (error == cudaSuccess) {
        yk_scan_suppress(&w, o->batch, s);
        error = cudaGetLastError();
    }
    return yk_cuda_status(error, "boxes could not be found");
}

/* ---- what came of it ---- */

bool yk_cuda_is_complete(const void *results, int n)
{
    return ((const yk_found *)results)[n].count >= 0;
}

yolk_status yk_cuda_detections(const void *results, int batch, int max_det, int n, bool *complete, yk_detections *out)
{
    const yk_found *found = (const yk_found *)results;
    const int count = found[n].count;
    out->count = 0;
    *complete = yk_cuda_is_complete(results, n);
    if (count < -1 || count > YK_MAX(max_det, 0))
        return yk_fail(YOLK_ERROR_BACKEND, "the GPU found %d boxes where %d are the most", count, max_det);
    const yk_found_box *boxes = (const yk_found_box *)(found + batch) + (size_t)n * YK_MAX(max_det, 0);
    for (int i = 0; i < count; i++) {
        yolk_detection *d = yk_detections_next(out);
        if (!d)
            return YOLK_ERROR_OUT_OF_MEMORY;
        *d = yolk_detection{};
        d->x1 = boxes[i].box.x1;
        d->y1 = boxes[i].box.y1;
        d->x2 = boxes[i].box.x2;
        d->y2 = boxes[i].box.y2;
        d->confidence = boxes[i].confidence;
        d->class_id = boxes[i].class_id;
        out->count++;
    }
    return YOLK_OK;
}
