/* 8-bit numbers on the device: from bytes to floats and back. */
#ifndef YK_CUDA_INT8_CUH
#define YK_CUDA_INT8_CUH

#include "backend/cuda/device.cuh"

/* A whole number of at most 22 bits as a float, without the slow conversion. */
static __device__ __forceinline__ float narrow_float(int x)
{
    return __int_as_float(x + 0x4b400000) - 12582912.0f; /* 1.5 * 2^23, in whose last bits it is */
}

static __device__ __forceinline__ float from_byte(const yk_cuda_number &n, unsigned byte)
{
    return (float)((int)byte - n.zero) * n.scale;
}

/* In the last byte; there is something else above it. Of no number 0. */
static __device__ __forceinline__ unsigned to_byte(const yk_cuda_number &n, float x)
{
    return __float_as_uint(fminf(fmaxf(x * n.inverse, n.least), n.most) + n.round);
}

/* Two, side by side. */
static __device__ __forceinline__ uint16_t two_bytes(const yk_cuda_number &n, float2 x)
{
    return (uint16_t)__byte_perm(to_byte(n, x.x), to_byte(n, x.y), 0x0040);
}

/* Four, side by side. */
static __device__ __forceinline__ unsigned to_bytes(const yk_cuda_number &n, const float *x)
{
    const unsigned low = __byte_perm(to_byte(n, x[0]), to_byte(n, x[1]), 0x0040);
    const unsigned high = __byte_perm(to_byte(n, x[2]), to_byte(n, x[3]), 0x0040);
    return __byte_perm(low, high, 0x5410);
}

/* Within 2^-11 of what is halved, which is less than a tenth of what bytes tell apart, at half the price. */
static __device__ __forceinline__ float coarse_silu(float x)
{
    float half = 0.5f * x, y;
    asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(half));
    return fmaf(half, y, half);
}

/* with_activation() for results that become bytes. */
template <typename BODY> static __device__ __forceinline__ void with_coarse_activation(yk_act act, float slope, BODY body)
{
    if (act == YK_ACT_SILU)
        body([](float x) { return coarse_silu(x); });
    else if (act == YK_ACT_NONE)
        body([](float x) { return x; });
    else
        body([=](float x) { return activate(act, slope, x); });
}

/* Whether tensors of bytes can be read 16 at a time: where they begin, and from one pixel to the next. */
static inline bool has_byte_chunks(const void *data, int pixel)
{
    return (uintptr_t)data % YK_CUDA_BYTES == 0 && pixel % YK_CUDA_BYTES == 0;
}

/* What the fast 8-bit convolutions ask of what they write and add: bytes or halves. */
static inline bool suits_int8(const yk_cuda_conv *c)
{
    const bool out = c->out_type == YK_CUDA_BYTE ? has_byte_chunks(c->out, c->out_pixel)
                                                 : c->out_type == YK_CUDA_HALF && is_aligned(c->out, c->out_pixel);
    return c->int8 && c->in_type == YK_CUDA_BYTE && out &&
           (!c->residual ||
            (c->residual_type == YK_CUDA_BYTE && has_byte_chunks(c->residual, c->residual_pixel)) ||
            (c->residual_type == YK_CUDA_HALF && is_aligned(c->residual, c->residual_pixel)));
}

#endif
