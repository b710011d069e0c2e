/* What kernels share: elements as floats and back, and activations. */
#ifndef YK_CUDA_DEVICE_CUH
#define YK_CUDA_DEVICE_CUH

#include <cuda_fp16.h>

#include "backend/cuda/kernels.h"

static __device__ __forceinline__ float load(const __half *p)
{
    return __half2float(*p);
}

static __device__ __forceinline__ float load(const float *p)
{
    return *p;
}

static __device__ __forceinline__ float load(const uint8_t *p)
{
    return *p;
}

/* Beyond what a half holds is the largest half, as infinities would become NaN further on. */
static __device__ __forceinline__ void store(__half *p, float x)
{
    *p = __float2half(fminf(fmaxf(x, -65504.0f), 65504.0f));
}

static __device__ __forceinline__ void store(float *p, float x)
{
    *p = x;
}

/* A whole number that a byte holds. */
static __device__ __forceinline__ void store(uint8_t *p, float x)
{
    *p = (uint8_t)x;
}

/* Two, side by side. */
static __device__ __forceinline__ __half2 to_halves(float a, float b)
{
    const __half2 most = __float2half2_rn(65504.0f);
    return __hmax2(__hmin2(__floats2half2_rn(a, b), most), __hneg2(most));
}

/* The sum of two halves is rounded once, as it would be from floats. */
static __device__ __forceinline__ __half2 add_halves(__half2 a, __half2 b)
{
    const __half2 most = __float2half2_rn(65504.0f);
    return __hmax2(__hmin2(__hadd2(a, b), most), __hneg2(most));
}

/* Within 2 of the last bits of a float; of an infinity 0. */
static __device__ __forceinline__ float reciprocal(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

static __device__ __forceinline__ float sigmoid(float x)
{
    return reciprocal(1.0f + __expf(-x));
}

static __device__ __forceinline__ float activate(yk_act act, float slope, float x)
{
    switch (act) {
    case YK_ACT_SILU:
        return x * sigmoid(x);
    case YK_ACT_RELU:
        return fmaxf(x, 0.0f);
    case YK_ACT_LEAKY_RELU:
        return x > 0 ? x : x * slope;
    case YK_ACT_SIGMOID:
        return sigmoid(x);
    case YK_ACT_HARD_SWISH:
        return x * fminf(fmaxf(x * (1.0f / 6) + 0.5f, 0.0f), 1.0f);
    default:
        return x;
    }
}

/* The activations that nearly all convolutions have are known when the kernel is compiled; which of them is decided once
 * for all elements: with_activation(act, slope, [&](auto activate) { ... activate(x) ... }). */
template <typename BODY> static __device__ __forceinline__ void with_activation(yk_act act, float slope, BODY body)
{
    if (act == YK_ACT_SILU)
        body([](float x) { return x * sigmoid(x); });
    else if (act == YK_ACT_NONE)
        body([](float x) { return x; });
    else
        body([=](float x) { return activate(act, slope, x); });
}

/* Eight halves, as loads and stores of 16 bytes move them. */
union chunk {
    uint4 bits;
    __half2 pairs[4];
    __half halves[8];
};

/* Whether tensors of halves can be read so: where they begin, and from one pixel to the next. */
static inline bool is_aligned(const void *data, int pixel)
{
    return (uintptr_t)data % 16 == 0 && pixel % 8 == 0;
}

/* Likewise a view of rank 4 whose channels lie side by side: whether they are whole chunks of so many. */
static inline bool has_chunks_of(const yk_cuda_view *v, int chunk, int bytes)
{
    return v->strides[1] == 1 && v->dims[1] % chunk == 0 && v->strides[0] % chunk == 0 && v->strides[2] % chunk == 0 &&
           v->strides[3] % chunk == 0 && (uintptr_t)v->data % bytes == 0;
}

/* Of 16 bytes: how many elements that is; 0 where there is no such thing. */
static inline int chunk_of(const yk_cuda_view *v)
{
    const int chunk = v->type == YK_CUDA_HALF ? YK_CUDA_CHUNK : v->type == YK_CUDA_BYTE ? YK_CUDA_BYTES : 0;
    return chunk > 0 && has_chunks_of(v, chunk, 16) ? chunk : 0;
}

/* Whether two have the same chunks. */
static inline bool have_chunks(const yk_cuda_view *a, const yk_cuda_view *b)
{
    return a->type == b->type && chunk_of(a) > 0 && chunk_of(b) > 0;
}

static inline long long count_of(const yk_cuda_view *v)
{
    long long count = 1;
    for (int i = 0; i < v->rank; i++)
        count *= v->dims[i];
    return count;
}

static inline unsigned blocks_for(long long count, int size)
{
    return (unsigned)((count + size - 1) / size);
}

#endif
