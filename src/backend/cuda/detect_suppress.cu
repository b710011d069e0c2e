/* From candidates to detections, a block for each frame: sorted by falling confidence, then class, then place, and what
 * a better one covers left out. All that happens is in shared memory but for the boxes, which are read once. */
#include "backend/cuda/detect.cuh"

enum { WARP = 32, WARPS = 32, THREADS = WARP * WARPS };
static const unsigned ALL = 0xffffffff;

/* Kept boxes take the place of the keys once these are sorted. */
typedef struct workspace {
    union {
        unsigned long long keys[YK_CUDA_CANDIDATES];
        struct {
            yk_box boxes[YK_CUDA_MAX_DET];
            float areas[YK_CUDA_MAX_DET];
            int classes[YK_CUDA_MAX_DET];
        } kept;
    };
    uint16_t slots[YK_CUDA_CANDIDATES]; /* whose key it is */
    unsigned covers[WARP];              /* of each box of a tile, those before it in the tile that cover it */
    bool gone[WARP];
    int count;
} workspace;

/* Sorts `count` keys and their slots (bitonic), what follows them to a power of two being filled up. The block has
 * written them and not waited yet. */
static __device__ void sort(workspace *s, int count)
{
    int size = 2;
    while (size < count)
        size *= 2;
    for (int i = count + threadIdx.x; i < size; i += THREADS)
        s->keys[i] = ~0ull;
    __syncthreads();
    for (int run = 2; run <= size; run *= 2) {
        for (int step = run / 2; step > 0; step /= 2) {
            for (int t = threadIdx.x; t < size / 2; t += THREADS) {
                const int a = 2 * t - (t & (step - 1)), b = a + step;
                const unsigned long long low = s->keys[a], high = s->keys[b];
                if ((low > high) == ((a & run) == 0)) {
                    s->keys[a] = high;
                    s->keys[b] = low;
                    const uint16_t slot = s->slots[a];
                    s->slots[a] = s->slots[b];
                    s->slots[b] = slot;
                }
            }
            __syncthreads();
        }
    }
}

static __device__ unsigned long long word_of(float score, unsigned rest)
{
    return (unsigned long long)yk_falling_key(score) << 32 | rest;
}

static __device__ float score_of(unsigned long long word)
{
    return yk_key_score((uint32_t)(word >> 32));
}

static __device__ const yk_detect_level *level_of(const yk_detect_work *w, int item)
{
    const yk_detect_level *v = w->levels;
    while (item >= v->first + v->items)
        v++;
    return v;
}

/* A one-to-one head's anchors to its candidates: those with the best classes, and of their (anchor, class) pairs the
 * best. Returns how many pairs there are, more than YK_CUDA_CANDIDATES when they did not fit. `chosen` has room for the
 * head's limit. */
static __device__ int choose_pairs(const yk_detect_work *w, workspace *s, yk_candidate *candidates, int count,
                                   int frame, int *chosen)
{
    const int lane = threadIdx.x % WARP;
    for (int i = threadIdx.x; i < count; i += THREADS)
        s->keys[i] = word_of(candidates[i].confidence, candidates[i].place);
    sort(s, count);
    count = min(count, w->limit);
    /* Each has a pair with its best class, so that pairs below the last one's are not among the best. */
    const float least = count == w->limit && count > 0 ? score_of(s->keys[count - 1]) : -INFINITY;
    for (int i = threadIdx.x; i < count; i += THREADS)
        chosen[i] = (int)(uint32_t)s->keys[i];
    if (threadIdx.x == 0)
        s->count = 0;
    __syncthreads();

    for (int k = threadIdx.x / WARP; k < count; k += WARPS) {
        const yk_detect_level *v = level_of(w, chosen[k]);
        const int64_t at = frame * v->values.frame + (chosen[k] - v->first) * v->values.pixel;
        for (int c = lane; c < w->classes; c += WARP) {
            const float x = yk_tensor_get(&v->values, at + c * v->values.channel);
            if (!(x > w->threshold && x >= least))
                continue;
            const int i = atomicAdd(&s->count, 1);
            if (i < YK_CUDA_CANDIDATES)
                s->keys[i] = word_of(x, k * w->classes + c);
        }
    }
    __syncthreads();
    const int pairs = s->count;
    if (pairs > YK_CUDA_CANDIDATES)
        return pairs;
    sort(s, pairs);
    if (threadIdx.x == 0)
        s->count = 0;
    __syncthreads();

    for (int p = threadIdx.x; p < min(pairs, w->limit); p += THREADS) {
        const unsigned id = (uint32_t)s->keys[p];
        const int anchor = chosen[id / w->classes], class_id = id % w->classes;
        const yk_detect_level *v = level_of(w, anchor);
        const int cell = anchor - v->first;
        const int64_t at = frame * v->boxes.frame + cell * v->boxes.pixel;
        float sides[4];
        for (int side = 0; side < 4; side++)
            sides[side] = yk_side_distance(&v->boxes, at, side, w->bins);
        const yk_box box = yk_cell_box(cell, v->width, v->stride, sides);
        if (is_wanted(w, class_id, box)) {
            const yk_candidate candidate = {box, yk_sigmoid(score_of(s->keys[p])), class_id, p, 0};
            candidates[atomicAdd(&s->count, 1)] = candidate;
        }
    }
    __syncthreads();
    return s->count;
}

static __device__ void write(const yk_detect_work *w, int frame, int place, const yk_candidate *c)
{
    const yk_found_box found = {c->box, c->confidence, c->class_id};
    w->boxes[(size_t)frame * w->max_det + place] = found;
}

/* Whether one of `found` kept boxes covers the box; asked by a whole warp. */
static __device__ bool is_covered(const yk_detect_work *w, const workspace *s, int found, yk_box box, float area,
                                  int class_id)
{
    bool hit = false;
    for (int k = threadIdx.x % WARP; k < found; k += WARP)
        hit = hit || ((w->agnostic || s->kept.classes[k] == class_id) &&
                      yk_overlap(s->kept.boxes[k], s->kept.areas[k], box, area, w->iou));
    return __any_sync(ALL, hit);
}

/* Greedy suppression of sorted candidates, a tile of 32 at a time: each warp compares one of them with all that were
 * kept and with those before it in the tile. Returns how many were kept. */
static __device__ int suppress_tiles(const yk_detect_work *w, workspace *s, const yk_candidate *candidates, int count,
                                     int frame)
{
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const yk_candidate none = {{0, 0, 0, 0}, 0, -1, 0, 0};
    int found = 0;
    /* Every warp has the whole tile, the lane's box in each of its threads, and reads the next one ahead. */
    yk_candidate next = lane < count ? candidates[s->slots[lane]] : none;
    for (int tile = 0; tile < count && found < w->max_det; tile += WARP) {
        const yk_candidate own = next;
        const int ahead = tile + WARP + lane;
        next = ahead < count ? candidates[s->slots[ahead]] : none;
        const float own_area = yk_box_area(own.box);
        const yk_box box = {__shfl_sync(ALL, own.box.x1, warp), __shfl_sync(ALL, own.box.y1, warp),
                            __shfl_sync(ALL, own.box.x2, warp), __shfl_sync(ALL, own.box.y2, warp)};
        const float area = __shfl_sync(ALL, own_area, warp);
        const int class_id = __shfl_sync(ALL, own.class_id, warp);
        const bool gone = tile + warp >= count || is_covered(w, s, found, box, area, class_id);
        const bool before = lane < warp && (w->agnostic || own.class_id == class_id) &&
                            yk_overlap(own.box, own_area, box, area, w->iou);
        const unsigned covers = __ballot_sync(ALL, before);
        if (lane == 0) {
            s->covers[warp] = covers;
            s->gone[warp] = gone;
        }
        __syncthreads();

        /* All warps settle the tile, each for itself. A box is kept when nothing kept covers it and all that might is
         * settled: the first unsettled one always is. */
        const unsigned mine = s->covers[lane];
        unsigned open = __ballot_sync(ALL, !s->gone[lane]), kept = 0;
        while (open) {
            const bool unsettled = open >> lane & 1, covered = (mine & kept) != 0;
            const unsigned more = __ballot_sync(ALL, unsettled && !covered && (mine & open) == 0);
            open &= ~(more | __ballot_sync(ALL, unsettled && covered));
            kept |= more;
        }
        const int place = found + __popc(kept & ((1u << lane) - 1));
        if (warp == 0 && (kept >> lane & 1) && place < w->max_det) {
            s->kept.boxes[place] = own.box;
            s->kept.areas[place] = own_area;
            s->kept.classes[place] = own.class_id;
            write(w, frame, place, &own);
        }
        found = min(found + __popc(kept), w->max_det);
        __syncthreads();
    }
    return found;
}

template <bool ONE_TO_ONE>
static __global__ void __launch_bounds__(THREADS) suppress(const __grid_constant__ yk_detect_work w)
{
    __shared__ workspace s;
    __shared__ int chosen[ONE_TO_ONE ? YK_CUDA_MAX_DET : 1];
    const int frame = blockIdx.x;
    yk_candidate *candidates = w.candidates + (size_t)frame * YK_CUDA_CANDIDATES;
    int count = w.counts[frame];
    if (ONE_TO_ONE && count <= YK_CUDA_CANDIDATES)
        count = choose_pairs(&w, &s, candidates, count, frame, chosen);
    int found = -1;
    if (count <= YK_CUDA_CANDIDATES) {
        for (int i = threadIdx.x; i < count; i += THREADS) {
            const yk_candidate *c = &candidates[i];
            s.keys[i] = word_of(c->confidence, (unsigned)c->class_id << YK_PLACE_BITS | (unsigned)c->place);
            s.slots[i] = (uint16_t)i;
        }
        sort(&s, count);
        if (w.sort_only) {
            found = min(count, w.max_det);
            for (int i = threadIdx.x; i < found; i += THREADS)
                write(&w, frame, i, &candidates[s.slots[i]]);
        } else {
            found = suppress_tiles(&w, &s, candidates, count, frame);
        }
    }
    if (threadIdx.x == 0) {
        const yk_found result = {found, count};
        w.found[frame] = result;
    }
}

void yk_scan_suppress(const yk_detect_work *w, int batch, cudaStream_t stream)
{
    if (w->one_to_one)
        suppress<true><<<batch, THREADS, 0, stream>>>(*w);
    else
        suppress<false><<<batch, THREADS, 0, stream>>>(*w);
}
