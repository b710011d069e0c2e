/* What the kernels after the network share: what they are given, and candidates on their way to suppression. */
#ifndef YK_CUDA_DETECT_CUH
#define YK_CUDA_DETECT_CUH

#include <cuda_runtime.h>

#include "backend/cuda/detect_math.h"

/* A candidate's class and place share a word in the order of suppression. */
enum { YK_PLACE_BITS = 20, YK_CLASS_BITS = 12 };

/* Cells of one stride, or all rows of a head that has no strides. An item is a cell, or one of a cell's anchors. */
typedef struct yk_detect_level {
    yk_cuda_tensor boxes, values; /* of the level's first cell; values are classes, or box, objectness and classes */
    int cells, width;
    int items, first; /* and items of the levels before */
    int first_block, end_block;
    float stride;
    float anchors[YK_MAX_ANCHORS][2];
} yk_detect_level;

typedef struct __align__(16) yk_candidate
{
    yk_box box;
    float confidence; /* the best class's logit for one-to-one heads */
    int class_id, place, unused;
}
yk_candidate;

typedef struct yk_found {
    int count;      /* -1: there were too many candidates */
    int candidates; /* that were seen */
} yk_found;

typedef struct yk_found_box {
    yk_box box;
    float confidence;
    int class_id;
} yk_found_box;

typedef struct yk_detect_work {
    yk_detect_level levels[YK_MAX_LEVELS];
    yk_head_kind kind;
    int classes, bins;
    int limit;       /* of one-to-one heads: anchors, and pairs of anchor and class */
    float threshold; /* that raw values are compared with */
    float conf, iou;
    int max_det;
    bool several, agnostic, one_to_one, sort_only;
    const uint8_t *mask;
    int *counts; /* candidates a frame, also those beyond YK_CUDA_CANDIDATES */
    yk_candidate *candidates;
    yk_found *found;
    yk_found_box *boxes; /* max_det a frame */
} yk_detect_work;

/* How class values lie in memory. */
typedef enum yk_scan_layout { YK_SCAN_ANY, YK_SCAN_HALVES, YK_SCAN_FLOATS } yk_scan_layout;

/* Items that a block of each kind of scan takes. */
enum { YK_SCAN_CELLS = 64, YK_SCAN_ROWS = 256 };

/* detect_scan.cu: candidates from the network's outputs; `counts` is 0 before. */
void yk_scan_cells(const yk_detect_work *w, yk_scan_layout layout, int blocks, int batch, cudaStream_t stream);
void yk_scan_rows(const yk_detect_work *w, int blocks, int batch, cudaStream_t stream);
/* detect_suppress.cu: results from the candidates. */
void yk_scan_suppress(const yk_detect_work *w, int batch, cudaStream_t stream);

static __device__ __forceinline__ bool is_wanted(const yk_detect_work *w, int class_id, yk_box b)
{
    return (!w->mask || w->mask[class_id]) && isfinite(b.x1) && isfinite(b.y1) && isfinite(b.x2) && isfinite(b.y2);
}

#endif
