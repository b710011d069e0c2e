/* A network's outputs made of noise, on both sides, and the comparison of what the GPU and the CPU find in them. */
#ifndef GPU_NET_H
#define GPU_NET_H

#include <math.h>

#include "backend/cuda/detect.h"
#include "gpu_memory.h"

enum { NET_OUTPUTS = 2 * YK_MAX_LEVELS, NET_POISON = 0xa5, NET_GUARD = 64 };

/* How outputs lie on the device. Where pixels are longer than their channels, large numbers fill them up. */
typedef enum net_layout {
    NET_PLANES_FLOAT,
    NET_PLANES_HALF,
    NET_PIXELS_FLOAT, /* aligned to 16 bytes */
    NET_PIXELS_HALF,  /* likewise */
    NET_PIXELS_HALF_TIGHT /* no longer than they are, whatever that is */,
    NET_LAYOUTS
} net_layout;

typedef struct net {
    yk_head head;
    yk_shape shapes[NET_OUTPUTS];
    float *values[NET_OUTPUTS]; /* as the graph has them; halves could hold all of them */
    int count, batch, width, height;
} net;

static uint32_t net_state = 1;

static inline uint32_t net_noise(uint32_t below)
{
    net_state = net_state * 1664525u + 1013904223u;
    return (net_state >> 8) % below;
}

/* Evenly distributed, as a half would hold it. */
static inline float net_value(float low, float high)
{
    return yk_half_to_float(yk_float_to_half(low + (high - low) * (float)net_noise(1 << 20) / (1 << 20)));
}

static inline float *net_add(net *n, yk_shape shape)
{
    float *values = calloc((size_t)yk_shape_count(&shape), sizeof(float));
    assert_non_null(values);
    n->shapes[n->count] = shape;
    n->values[n->count++] = values;
    return values;
}

static inline void net_free(net *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->values[i]);
}

/* Elements of the graph's form: channels, pixels, and what lies between them. */
typedef struct net_form {
    int64_t frames, channels, pixels, frame, channel, pixel;
} net_form;

static inline net_form net_form_of(const net *n, int output)
{
    const int64_t *d = n->shapes[output].dims;
    if (n->shapes[output].rank == 4)
        return (net_form){d[0], d[1], d[2] * d[3], d[1] * d[2] * d[3], d[2] * d[3], 1};
    if (n->head.kind == YK_HEAD_DECODED_V8)
        return (net_form){d[0], d[1], d[2], d[1] * d[2], d[2], 1};
    return (net_form){d[0], d[2], d[1], d[1] * d[2], 1, d[2]};
}

static inline yk_cuda_tensor net_upload(const net *n, int output, net_layout layout)
{
    const net_form f = net_form_of(n, output);
    const bool half = layout == NET_PLANES_HALF || layout >= NET_PIXELS_HALF, planes = layout <= NET_PLANES_HALF;
    const int64_t length = layout == NET_PIXELS_HALF_TIGHT ? f.channels : (f.channels + 7) / 8 * 8;
    yk_cuda_tensor t = {.half = half,
                        .channel = planes ? f.pixels : 1,
                        .pixel = planes ? 1 : length,
                        .frame = f.pixels * (planes ? f.channels : length)};
    const size_t count = (size_t)(f.frames * t.frame);
    uint16_t *halves = malloc(count * sizeof(*halves));
    float *floats = malloc(count * sizeof(*floats));
    assert_true(halves && floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = 30000;
    for (int64_t i = 0; i < f.frames; i++)
        for (int64_t c = 0; c < f.channels; c++)
            for (int64_t p = 0; p < f.pixels; p++)
                floats[i * t.frame + c * t.channel + p * t.pixel] =
                    n->values[output][i * f.frame + c * f.channel + p * f.pixel];
    for (size_t i = 0; i < count; i++)
        halves[i] = yk_float_to_half(floats[i]);
    t.data = half ? gpu_copy(halves, count * sizeof(*halves)) : gpu_copy(floats, count * sizeof(*floats));
    free(halves);
    free(floats);
    return t;
}

static inline void net_check_frame(const net *n, int i, const yk_detections *got, const yk_detections *wanted)
{
    if (got->count != wanted->count)
        fail_msg("%s, frame %d of %d: %zu boxes instead of %zu", yk_head_kind_name(n->head.kind), i, n->batch,
                 got->count, wanted->count);
    for (size_t k = 0; k < wanted->count; k++) {
        const yolk_detection *a = &got->items[k], *b = &wanted->items[k];
        const float boxes[][2] = {{a->x1, b->x1}, {a->y1, b->y1}, {a->x2, b->x2}, {a->y2, b->y2}};
        bool same = a->class_id == b->class_id && fabsf(a->confidence - b->confidence) <= 1e-6f;
        for (int s = 0; s < 4; s++)
            same = same && fabsf(boxes[s][0] - boxes[s][1]) <= 1e-3f * fmaxf(1, fabsf(boxes[s][1]));
        if (!same)
            fail_msg("%s, frame %d of %d, box %zu of %zu: class %d %.7f [%g %g %g %g] instead of %d %.7f [%g %g %g %g]",
                     yk_head_kind_name(n->head.kind), i, n->batch, k, wanted->count, a->class_id, a->confidence, a->x1,
                     a->y1, a->x2, a->y2, b->class_id, b->confidence, b->x1, b->y1, b->x2, b->y2);
    }
}

/* What a comparison found: of all frames the candidates, the detections, and how many frames were left to the CPU. */
typedef struct net_found {
    size_t candidates, detections;
    int left;
} net_found;

/* Compares results, which NET_GUARD bytes follow. A frame is left to the CPU when it has too many candidates, or where
 * `may_leave` says that that cannot be told from outside. */
static inline net_found net_check(const net *n, const yk_detect_options *options, const void *results, bool may_leave)
{
    net_found found = {0};
    yk_detections got = {0}, wanted = {0};
    const size_t size = yk_cuda_results_bytes(n->batch, options->max_det), header = 2 * sizeof(int);
    const size_t box = (size - (size_t)n->batch * header) / (size_t)YK_MAX(n->batch * options->max_det, 1);
    for (int i = 0; i < n->batch; i++) {
        bool complete;
        assert_ok(
            yk_decode(&n->head, (const float *const *)n->values, n->shapes, i, n->width, n->height, options, &wanted));
        const bool too_many = wanted.count > YK_CUDA_CANDIDATES;
        found.candidates += wanted.count;
        assert_ok(yk_suppress(&n->head, options, &wanted));
        assert_ok(yk_cuda_detections(results, n->batch, options->max_det, i, &complete, &got));
        if (!may_leave)
            assert_int_equal(complete, !too_many);
        if (complete)
            net_check_frame(n, i, &got, &wanted);
        found.detections += got.count;
        found.left += !complete;
        /* What there is no detection for is not written. */
        const uint8_t *boxes = (const uint8_t *)results + (size_t)n->batch * header;
        for (size_t k = ((size_t)(i * options->max_det) + got.count) * box;
             k < (size_t)((i + 1) * options->max_det) * box; k++)
            assert_int_equal(boxes[k], NET_POISON);
    }
    for (size_t k = 0; k < NET_GUARD; k++)
        assert_int_equal(((const uint8_t *)results)[size + k], NET_POISON);
    yk_detections_free(&got);
    yk_detections_free(&wanted);
    return found;
}

/* Runs the GPU on outputs that lie so, with memory that holds anything, and compares. options->class_mask is in host
 * memory. */
static inline net_found net_compare(const net *n, net_layout layout, const yk_detect_options *options, bool may_leave)
{
    yk_cuda_tensor tensors[NET_OUTPUTS];
    for (int t = 0; t < n->count; t++)
        tensors[t] = net_upload(n, t, layout);
    yk_detect_options there = *options;
    if (options->class_mask)
        there.class_mask = gpu_copy(options->class_mask, (size_t)n->head.classes);
    const size_t size = yk_cuda_results_bytes(n->batch, options->max_det) + NET_GUARD;
    void *workspace = gpu_filled(yk_cuda_workspace_bytes(n->batch), NET_POISON),
         *results = gpu_filled(size, NET_POISON);
    const yk_cuda_outputs outputs = {&n->head, tensors, n->shapes, n->batch, n->width, n->height};
    assert_ok(yk_cuda_detect(&outputs, &there, workspace, results, NULL));
    void *bytes = gpu_fetch(results, size);
    const net_found found = net_check(n, options, bytes, may_leave);
    free(bytes);
    cudaFree(results);
    cudaFree(workspace);
    if (options->class_mask)
        cudaFree((void *)(uintptr_t)there.class_mask);
    for (int t = 0; t < n->count; t++)
        cudaFree((void *)(uintptr_t)tensors[t].data);
    return found;
}

#endif
