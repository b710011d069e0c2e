/* 8-bit numbers on the device: from bytes to floats and back. */
#ifndef YK_CUDA_INT8_CUH
#define YK_CUDA_INT8_CUH

#include "backend/cuda/device.cuh"

static __device__ __forceinline__ float from_byte(const yk_cuda_number &n, unsigned byte)
{
    return (float)((int)byte - n.zero) * n.scale;
}

/* In the last byte; there is something else above it. Of no number 0. */
static __device__ __forceinline__ unsigned to_byte(const yk_cuda_number &n, float x)
{
    return __float_as_uint(fminf(fmaxf(x * n.inverse, n.least), n.most) + n.round);
}

/* Four, side by side. */
static __device__ __forceinline__ unsigned to_bytes(const yk_cuda_number &n, const float *x)
{
    const unsigned low = __byte_perm(to_byte(n, x[0]), to_byte(n, x[1]), 0x0040);
    const unsigned high = __byte_perm(to_byte(n, x[2]), to_byte(n, x[3]), 0x0040);
    return __byte_perm(low, high, 0x5410);
}

/* The same in fewer instructions, for numbers that are no more than 2^21 steps: beyond that it is some byte. */
static __device__ __forceinline__ unsigned pack_bytes(const yk_cuda_number &n, const float *x)
{
    int steps[4];
    unsigned high, all;
#pragma unroll
    for (int k = 0; k < 4; k++)
        steps[k] = __float_as_int(fmaf(x[k], n.inverse, n.round)) - 0x4b400000; /* 1.5 * 2^23 */
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, 0;" : "=r"(high) : "r"(steps[3]), "r"(steps[2]));
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, %3;" : "=r"(all) : "r"(steps[1]), "r"(steps[0]), "r"(high));
    return all;
}

/* Within 2^-11 of what is halved, which is less than a tenth of what bytes tell apart, at half the price. */
static __device__ __forceinline__ float coarse_silu(float x)
{
    float half = 0.5f * x, y;
    asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(half));
    return fmaf(half, y, half);
}

/* Those that fast 8-bit convolutions have. */
static inline bool has_coarse_activation(const yk_cuda_conv *c)
{
    return c->act == YK_ACT_SILU || c->act == YK_ACT_HARD_SWISH || c->act == YK_ACT_NONE || c->act == YK_ACT_RELU ||
           (c->act == YK_ACT_LEAKY_RELU && c->slope >= 0 && c->slope <= 1);
}

/* with_activation() for them. */
template <typename BODY>
static __device__ __forceinline__ void with_coarse_activation(yk_act act, float slope, BODY body)
{
    if (act == YK_ACT_SILU) {
        body([](float x) { return coarse_silu(x); });
    } else if (act == YK_ACT_HARD_SWISH) {
        body([](float x) { return x * __saturatef(fmaf(x, 1.0f / 6, 0.5f)); });
    } else {
        const float below = act == YK_ACT_NONE ? 1 : act == YK_ACT_RELU ? 0 : slope;
        body([=](float x) { return fmaxf(x, x * below); });
    }
}

/* Whether tensors of bytes can be read 16 at a time: where they begin, and from one pixel to the next. */
static inline bool has_byte_chunks(const void *data, int pixel)
{
    return (uintptr_t)data % YK_CUDA_BYTES == 0 && pixel % YK_CUDA_BYTES == 0;
}

/* What the fast 8-bit convolutions ask of their end: what they write and add is bytes or halves. */
static inline bool suits_int8(const yk_cuda_conv *c)
{
    const bool out = c->out_type == YK_CUDA_BYTE ? has_byte_chunks(c->out, c->out_pixel)
                                                 : c->out_type == YK_CUDA_HALF && is_aligned(c->out, c->out_pixel);
    return c->int8 && c->in_type == YK_CUDA_BYTE && has_coarse_activation(c) && out &&
           (!c->residual || (c->residual_type == YK_CUDA_BYTE && has_byte_chunks(c->residual, c->residual_pixel)) ||
            (c->residual_type == YK_CUDA_HALF && is_aligned(c->residual, c->residual_pixel)));
}

#endif
