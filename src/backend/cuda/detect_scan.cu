/* Candidates from the network's outputs. Nearly every anchor lies far below the threshold, so the time is that of
 * reading what is compared with it; boxes are computed for what passes only. Candidates are written in any order:
 * suppression sorts them, and their places settle what is equal. */
#include "backend/cuda/detect.cuh"

enum { WARP = 32, THREADS = 256, SIDES = 4, AHEAD = 3 };
static const unsigned ALL = 0xffffffff;

/* Called by whole warps. */
static __device__ void add(const yk_detect_work *w, int frame, bool wanted, yk_candidate candidate)
{
    const unsigned lane = threadIdx.x % WARP, all = __ballot_sync(ALL, wanted);
    if (all == 0)
        return;
    int first = 0;
    if (lane == 0)
        first = atomicAdd(&w->counts[frame], __popc(all));
    const int slot = __shfl_sync(ALL, first, 0) + __popc(all & ((1u << lane) - 1));
    if (wanted && slot < YK_CUDA_CANDIDATES)
        w->candidates[(size_t)frame * YK_CUDA_CANDIDATES + slot] = candidate;
}

static __device__ void add_box(const yk_detect_work *w, int frame, bool wanted, yk_box box, float confidence,
                               int class_id, int place)
{
    const yk_candidate candidate = {box, confidence, class_id, place, 0};
    add(w, frame, wanted && is_wanted(w, class_id, box), candidate);
}

static __device__ const yk_detect_level *level_of_block(const yk_detect_work *w)
{
    const yk_detect_level *v = w->levels;
    while ((int)blockIdx.x >= v->end_block)
        v++;
    return v;
}

/* ---- heads whose cells have a value for each class ---- */

/* The best of 16 bytes of classes, from class `c` on, when one is above the threshold. */
static __device__ void look_at(const yk_detect_work *w, uint4 bytes, bool halves, int c, unsigned long long *best)
{
    float values[8];
    if (halves) {
        union {
            uint4 bytes;
            __half2 pairs[4];
        } chunk;
        chunk.bytes = bytes;
        const float2 most =
            __half22float2(__hmax2(__hmax2(chunk.pairs[0], chunk.pairs[1]), __hmax2(chunk.pairs[2], chunk.pairs[3])));
        if (!(most.x > w->threshold || most.y > w->threshold))
            return;
        for (int i = 0; i < 4; i++) {
            const float2 pair = __half22float2(chunk.pairs[i]);
            values[2 * i] = pair.x;
            values[2 * i + 1] = pair.y;
        }
    } else {
        values[0] = __uint_as_float(bytes.x);
        values[1] = __uint_as_float(bytes.y);
        values[2] = __uint_as_float(bytes.z);
        values[3] = __uint_as_float(bytes.w);
    }
    unsigned long long rank = 0;
    for (int i = 0; i < (halves ? 8 : 4); i++) {
        /* Behind the last class there may be anything. */
        if (c + i < w->classes && values[i] > w->threshold)
            rank = max(rank, (unsigned long long)yk_class_rank(values[i], c + i));
    }
    if (rank)
        atomicMax(best, rank);
}

/* best[] gets the rank of each cell's best class above the threshold. Classes lie side by side, and 16 bytes at a time
 * are read by as many threads as it takes, several ahead. */
template <bool HALVES>
static __device__ void find_best_aligned(const yk_detect_work *w, const yk_detect_level *v, int frame, int first,
                                         int cells, unsigned long long *best)
{
    const int size = HALVES ? 8 : 4, element = 16 / size;
    const unsigned chunks = (w->classes + size - 1) / size, total = cells * chunks;
    const char *data =
        (const char *)v->values.data + (frame * v->values.frame + first * v->values.pixel) * (int64_t)element;
    for (unsigned from = threadIdx.x; from < total; from += AHEAD * THREADS) {
        uint4 bytes[AHEAD];
#pragma unroll
        for (int k = 0; k < AHEAD; k++) {
            const unsigned t = from + k * THREADS;
            if (t < total)
                bytes[k] = __ldg((const uint4 *)(data + t / chunks * v->values.pixel * element) + t % chunks);
        }
#pragma unroll
        for (int k = 0; k < AHEAD; k++) {
            const unsigned t = from + k * THREADS;
            if (t < total)
                look_at(w, bytes[k], HALVES, t % chunks * size, &best[t / chunks]);
        }
    }
}

/* The same for any layout; planes are read along their pixels. */
static __device__ void find_best_anywhere(const yk_detect_work *w, const yk_detect_level *v, int frame, int first,
                                          int cells, unsigned long long *best)
{
    const int cell = threadIdx.x % YK_SCAN_CELLS;
    if (cell >= cells)
        return;
    const int64_t at = frame * v->values.frame + (first + cell) * v->values.pixel;
    unsigned long long rank = 0;
#pragma unroll 4
    for (int c = threadIdx.x / YK_SCAN_CELLS; c < w->classes; c += THREADS / YK_SCAN_CELLS) {
        const float x = yk_tensor_get(&v->values, at + c * v->values.channel);
        if (x > w->threshold)
            rank = max(rank, (unsigned long long)yk_class_rank(x, c));
    }
    if (rank)
        atomicMax(&best[cell], rank);
}

/* Four threads make a cell's box, a side each, and all get it. */
static __device__ yk_box find_box(const yk_detect_work *w, const yk_detect_level *v, int frame, int cell, bool passes)
{
    const int side = threadIdx.x % SIDES, lane = threadIdx.x % WARP;
    const int64_t at = frame * v->boxes.frame + cell * v->boxes.pixel;
    const bool decoded = w->kind == YK_HEAD_DECODED_V8;
    const float mine = passes ? yk_side_distance(&v->boxes, at, side, decoded ? 1 : w->bins) : 0;
    float sides[SIDES];
    for (int s = 0; s < SIDES; s++)
        sides[s] = __shfl_sync(ALL, mine, lane - side + s);
    return decoded ? yk_box_around(sides[0], sides[1], sides[2], sides[3])
                   : yk_cell_box(cell, v->width, v->stride, sides);
}

template <yk_scan_layout LAYOUT>
static __global__ void __launch_bounds__(THREADS) scan_cells(const __grid_constant__ yk_detect_work w)
{
    __shared__ unsigned long long best[YK_SCAN_CELLS];
    __shared__ yk_box boxes[YK_SCAN_CELLS];
    __shared__ bool full;
    const yk_detect_level *v = level_of_block(&w);
    const int thread = threadIdx.x, lane = thread % WARP, frame = blockIdx.y;
    const int first = (blockIdx.x - v->first_block) * YK_SCAN_CELLS, cells = min(YK_SCAN_CELLS, v->cells - first);
    const int seen = thread == 0 ? *(volatile int *)&w.counts[frame] : 0;
    if (thread < YK_SCAN_CELLS)
        best[thread] = 0;
    __syncthreads();
    if (LAYOUT == YK_SCAN_ANY)
        find_best_anywhere(&w, v, frame, first, cells, best);
    else
        find_best_aligned<LAYOUT == YK_SCAN_HALVES>(&w, v, frame, first, cells, best);
    if (thread == 0)
        full = seen > YK_CUDA_CANDIDATES;
    __syncthreads();
    /* What is lost already need not be counted on. */
    if (full)
        return;

    const int cell = thread / SIDES, place = v->first + first + cell;
    const unsigned long long rank = best[cell];
    const bool mine = rank != 0 && thread % SIDES == 0;
    if (w.one_to_one) {
        const yk_candidate candidate = {{0, 0, 0, 0}, yk_rank_score(rank), 0, place, 0};
        add(&w, frame, mine, candidate);
        return;
    }
    const yk_box box = find_box(&w, v, frame, first + cell, rank != 0);
    const bool logits = w.kind == YK_HEAD_ANCHOR_FREE;
    if (!w.several) {
        const float x = yk_rank_score(rank);
        add_box(&w, frame, mine, box, mine && logits ? yk_sigmoid(x) : x, mine ? yk_rank_class(rank) : 0, place);
        return;
    }
    if (mine)
        boxes[cell] = box;
    __syncthreads();
    const int total = cells * w.classes;
    for (int from = thread - lane; from < total; from += THREADS) {
        /* Neighbouring threads look at neighbouring memory. */
        const int t = min(from + lane, total - 1);
        const int c = LAYOUT == YK_SCAN_ANY ? t / cells : t % w.classes;
        const int k = LAYOUT == YK_SCAN_ANY ? t % cells : t / w.classes;
        float x = 0;
        bool wanted = from + lane < total && best[k] != 0;
        if (wanted) {
            x = yk_tensor_get(&v->values,
                              frame * v->values.frame + (first + k) * v->values.pixel + c * v->values.channel);
            wanted = x > w.threshold;
        }
        const yk_box none = {0, 0, 0, 0};
        add_box(&w, frame, wanted, wanted ? boxes[k] : none, wanted && logits ? yk_sigmoid(x) : x, c,
                v->first + first + k);
    }
}

void yk_scan_cells(const yk_detect_work *w, yk_scan_layout layout, int blocks, int batch, cudaStream_t stream)
{
    const dim3 grid(blocks, batch);
    if (layout == YK_SCAN_HALVES)
        scan_cells<YK_SCAN_HALVES><<<grid, THREADS, 0, stream>>>(*w);
    else if (layout == YK_SCAN_FLOATS)
        scan_cells<YK_SCAN_FLOATS><<<grid, THREADS, 0, stream>>>(*w);
    else
        scan_cells<YK_SCAN_ANY><<<grid, THREADS, 0, stream>>>(*w);
}

/* ---- heads whose items have an objectness, which the confidence is a product with ---- */

/* A warp looks at the classes of an item whose objectness passed. */
static __device__ void add_item(const yk_detect_work *w, const yk_detect_level *v, int frame, int item)
{
    const int lane = threadIdx.x % WARP, cell = item % v->cells, anchor = item / v->cells;
    const yk_cuda_tensor *t = &v->values;
    const bool logits = w->kind == YK_HEAD_ANCHORS;
    const int64_t at = frame * t->frame + cell * t->pixel + (int64_t)anchor * (5 + w->classes) * t->channel;
    float values[5];
    for (int i = 0; i < 5; i++)
        values[i] = yk_tensor_get(t, at + i * t->channel);
    const float objectness = logits ? yk_sigmoid(values[4]) : values[4];
    const yk_box box = w->kind == YK_HEAD_ANCHORS ? yk_anchor_box(cell, v->width, v->stride, v->anchors[anchor], values)
                       : w->kind == YK_HEAD_YOLOX ? yk_yolox_box(cell, v->width, v->stride, values)
                                                  : yk_box_around(values[0], values[1], values[2], values[3]);
    unsigned long long best = 0;
    for (int from = 0; from < w->classes; from += WARP) {
        const int c = from + lane;
        const float x = c < w->classes ? yk_tensor_get(t, at + (5 + c) * t->channel) : -INFINITY;
        if (w->several) {
            const float confidence = yk_multiply(objectness, logits ? yk_sigmoid(x) : x);
            add_box(w, frame, c < w->classes && confidence > w->conf, box, confidence, min(c, w->classes - 1),
                    v->first + item);
        } else if (x > -INFINITY) {
            best = max(best, (unsigned long long)yk_class_rank(x, c));
        }
    }
    if (w->several)
        return;
    for (int step = WARP / 2; step > 0; step /= 2)
        best = max(best, __shfl_xor_sync(ALL, best, step));
    const float x = yk_rank_score(best);
    const float confidence = best ? yk_multiply(objectness, logits ? yk_sigmoid(x) : x) : 0;
    add_box(w, frame, lane == 0 && best && confidence > w->conf, box, confidence, best ? yk_rank_class(best) : 0,
            v->first + item);
}

/* Rows that are detections already. */
static __device__ void add_row(const yk_detect_work *w, const yk_detect_level *v, int frame, int item)
{
    const yk_cuda_tensor *t = &v->values;
    float values[6] = {0};
    if (item < v->items) {
        for (int i = 0; i < 6; i++)
            values[i] = yk_tensor_get(t, frame * t->frame + item * t->pixel + i * t->channel);
    }
    /* The class is a float that the network computed: out of range or NaN it names nothing. */
    const bool wanted = item < v->items && values[4] > w->threshold && values[5] >= 0 && values[5] < (float)w->classes;
    const yk_box box = {values[0], values[1], values[2], values[3]};
    add_box(w, frame, wanted, box, values[4], wanted ? (int)values[5] : 0, item);
}

static __global__ void __launch_bounds__(THREADS) scan_rows(const __grid_constant__ yk_detect_work w)
{
    __shared__ int passed[YK_SCAN_ROWS], count;
    __shared__ bool full;
    const yk_detect_level *v = level_of_block(&w);
    const int frame = blockIdx.y, item = (blockIdx.x - v->first_block) * YK_SCAN_ROWS + threadIdx.x;
    if (w.kind == YK_HEAD_DECODED_END2END) {
        add_row(&w, v, frame, item);
        return;
    }
    if (threadIdx.x == 0) {
        count = 0;
        full = *(volatile int *)&w.counts[frame] > YK_CUDA_CANDIDATES;
    }
    __syncthreads();
    if (item < v->items && !full) {
        const yk_cuda_tensor *t = &v->values;
        const int64_t channel = (int64_t)(item / v->cells) * (5 + w.classes) + 4;
        const float x = yk_tensor_get(t, frame * t->frame + item % v->cells * t->pixel + channel * t->channel);
        if (x > w.threshold)
            passed[atomicAdd(&count, 1)] = item;
    }
    __syncthreads();
    for (int k = threadIdx.x / WARP; k < count; k += THREADS / WARP)
        add_item(&w, v, frame, passed[k]);
}

void yk_scan_rows(const yk_detect_work *w, int blocks, int batch, cudaStream_t stream)
{
    scan_rows<<<dim3(blocks, batch), THREADS, 0, stream>>>(*w);
}
