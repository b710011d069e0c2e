/* Decoding and suppression for one box, for the GPU and for whoever wants to see on a CPU that it is that of
 * detect/decode.c and detect/nms.c. No sum is fused with a product, and exponentials are rounded once, as good C
 * libraries do it: then equal inputs give equal boxes, whose order and overlaps leave no doubt. */
#ifndef YK_CUDA_DETECT_MATH_H
#define YK_CUDA_DETECT_MATH_H

#include <string.h>

#include "backend/cuda/detect.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
#define YK_BOTH static __host__ __device__ __forceinline__
#else
#define YK_BOTH static inline
#endif

typedef struct yk_box {
    float x1, y1, x2, y2;
} yk_box;

/* ---- arithmetic ---- */

YK_BOTH float yk_add(float a, float b)
{
#ifdef __CUDA_ARCH__
    return __fadd_rn(a, b);
#else
    return a + b;
#endif
}

YK_BOTH float yk_subtract(float a, float b)
{
    return yk_add(a, -b);
}

YK_BOTH float yk_multiply(float a, float b)
{
#ifdef __CUDA_ARCH__
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}

YK_BOTH float yk_divide(float a, float b)
{
#ifdef __CUDA_ARCH__
    return __fdiv_rn(a, b);
#else
    return a / b;
#endif
}

YK_BOTH float yk_exp(float x)
{
    return (float)exp((double)x);
}

YK_BOTH float yk_sigmoid(float x)
{
    return yk_divide(1.0f, yk_add(1.0f, yk_exp(-x)));
}

/* ---- order ---- */

YK_BOTH uint32_t yk_float_bits(float x)
{
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

YK_BOTH float yk_bits_float(uint32_t bits)
{
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

/* Falls where the score rises, and back. */
YK_BOTH uint32_t yk_falling_key(float score)
{
    const uint32_t bits = yk_float_bits(score);
    return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

YK_BOTH float yk_key_score(uint32_t key)
{
    return yk_bits_float(key & 0x80000000u ? key : ~key & 0x7fffffffu);
}

/* Largest for the largest score and, among equal ones, the lowest class; never 0. Both zeros are equal. */
YK_BOTH uint64_t yk_class_rank(float score, int class_id)
{
    return (uint64_t)~yk_falling_key(yk_add(score, 0.0f)) << 32 | (uint32_t)~class_id;
}

YK_BOTH float yk_rank_score(uint64_t rank)
{
    return yk_key_score(~(uint32_t)(rank >> 32));
}

YK_BOTH int yk_rank_class(uint64_t rank)
{
    return (int)~(uint32_t)rank;
}

/* ---- boxes ---- */

YK_BOTH float yk_tensor_get(const yk_cuda_tensor *t, int64_t at)
{
#ifdef __CUDA_ARCH__
    return t->half ? __half2float(__ldg((const __half *)t->data + at)) : __ldg((const float *)t->data + at);
#else
    return t->half ? yk_half_to_float(((const uint16_t *)t->data)[at]) : ((const float *)t->data)[at];
#endif
}

/* Distance to one side of a cell whose boxes begin at `at`: the mean of a distribution over `bins`, or directly. */
YK_BOTH float yk_side_distance(const yk_cuda_tensor *t, int64_t at, int side, int bins)
{
    at += (int64_t)side * bins * t->channel;
    float most = yk_tensor_get(t, at), sum = 0, weighted = 0;
    if (bins == 1)
        return most;
    for (int b = 1; b < bins; b++) {
        const float x = yk_tensor_get(t, at + b * t->channel);
        most = most > x ? most : x;
    }
    for (int b = 0; b < bins; b++) {
        const float e = yk_exp(yk_subtract(yk_tensor_get(t, at + b * t->channel), most));
        sum = yk_add(sum, e);
        weighted = yk_add(weighted, yk_multiply(e, (float)b));
    }
    return yk_divide(weighted, sum);
}

/* Distances in strides to a box in pixels. */
YK_BOTH yk_box yk_cell_box(int cell, int width, float stride, const float distances[4])
{
    const float x = (float)(cell % width) + 0.5f, y = (float)(cell / width) + 0.5f;
    const yk_box b = {yk_multiply(yk_subtract(x, distances[0]), stride),
                      yk_multiply(yk_subtract(y, distances[1]), stride), yk_multiply(yk_add(x, distances[2]), stride),
                      yk_multiply(yk_add(y, distances[3]), stride)};
    return b;
}

YK_BOTH yk_box yk_box_around(float x, float y, float width, float height)
{
    const yk_box b = {yk_subtract(x, width / 2), yk_subtract(y, height / 2), yk_add(x, width / 2),
                      yk_add(y, height / 2)};
    return b;
}

/* The four values of an anchor that YOLOv5 scales by the anchor's own size. */
YK_BOTH yk_box yk_anchor_box(int cell, int width, float stride, const float anchor[2], const float values[4])
{
    const float column = (float)(cell % width), row = (float)(cell / width);
    const float x = yk_add(yk_subtract(yk_multiply(yk_sigmoid(values[0]), 2), 0.5f), column);
    const float y = yk_add(yk_subtract(yk_multiply(yk_sigmoid(values[1]), 2), 0.5f), row);
    const float w = yk_multiply(yk_sigmoid(values[2]), 2), h = yk_multiply(yk_sigmoid(values[3]), 2);
    return yk_box_around(yk_multiply(x, stride), yk_multiply(y, stride), yk_multiply(yk_multiply(w, w), anchor[0]),
                         yk_multiply(yk_multiply(h, h), anchor[1]));
}

YK_BOTH yk_box yk_yolox_box(int cell, int width, float stride, const float values[4])
{
    const float x = yk_add(values[0], (float)(cell % width)), y = yk_add(values[1], (float)(cell / width));
    return yk_box_around(yk_multiply(x, stride), yk_multiply(y, stride), yk_multiply(yk_exp(values[2]), stride),
                         yk_multiply(yk_exp(values[3]), stride));
}

/* ---- suppression ---- */

YK_BOTH float yk_box_area(yk_box b)
{
    const float width = yk_subtract(b.x2, b.x1), height = yk_subtract(b.y2, b.y1);
    return width > 0 && height > 0 ? yk_multiply(width, height) : 0;
}

/* Whether the boxes have more than `iou` in common. */
YK_BOTH bool yk_overlap(yk_box a, float area_a, yk_box b, float area_b, float iou)
{
    const float left = a.x1 > b.x1 ? a.x1 : b.x1, right = a.x2 < b.x2 ? a.x2 : b.x2;
    const float top = a.y1 > b.y1 ? a.y1 : b.y1, bottom = a.y2 < b.y2 ? a.y2 : b.y2;
    const float width = yk_subtract(right, left), height = yk_subtract(bottom, top);
    const float common = yk_multiply(width > 0 ? width : 0, height > 0 ? height : 0);
    return common > yk_multiply(iou, yk_subtract(yk_add(area_a, area_b), common));
}

#endif
