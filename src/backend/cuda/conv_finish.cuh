/* The end of a convolution on tensor cores: bias, activation, residual, and the way to memory. */
#ifndef YK_CUDA_CONV_FINISH_CUH
#define YK_CUDA_CONV_FINISH_CUH

#include "backend/cuda/mma.cuh"

/* A block's sums, BM pixels by BN channels, of which each warp has WM by WN from (warp_row, warp_column) on. They go
 * through `shared` (BM x (BN + 8) halves, which nobody uses any more), so that 16 bytes at a time are written side by
 * side. pixel_of(row) is the number of a row's output pixel; less than 0: there is none. */
template <int BM, int BN, int WM, int WN, int THREADS, typename PIXEL>
static __device__ __forceinline__ void finish(const yk_cuda_conv &c, __half *shared, float (&sums)[WM / 16][WN / 8][4],
                                              int warp_row, int warp_column, int first_channel, PIXEL pixel_of)
{
    const int pad = BN + 8, lane = threadIdx.x & 31;
    with_activation(c.act, c.slope, [&](auto activation) {
#pragma unroll
        for (int j = 0; j < WN / 8; j++) {
            const int column = warp_column + j * 8 + (lane & 3) * 2, channel = first_channel + column;
            const float b0 = channel < c.out_channels ? __ldg(c.bias + channel) : 0;
            const float b1 = channel + 1 < c.out_channels ? __ldg(c.bias + channel + 1) : 0;
#pragma unroll
            for (int i = 0; i < WM / 16; i++) {
#pragma unroll
                for (int h = 0; h < 2; h++)
                    *(__half2 *)(shared + (warp_row + i * 16 + (lane >> 2) + h * 8) * pad + column) =
                        to_halves(activation(sums[i][j][2 * h] + b0), activation(sums[i][j][2 * h + 1] + b1));
            }
        }
    });
    __syncthreads();
    const int chunks = BN / 8;
    for (int i = threadIdx.x; i < BM * chunks; i += THREADS) {
        const int row = i / chunks, column = i % chunks * 8, channel = first_channel + column;
        const long long pixel = pixel_of(row);
        if (pixel < 0 || channel >= c.out_channels)
            continue;
        chunk v;
        v.bits = *(const uint4 *)(shared + row * pad + column);
        const int count = c.out_channels - channel;
        if (c.residual) {
            const __half *from = (const __half *)c.residual + pixel * c.residual_pixel + channel;
            chunk r;
            if (count >= 8) {
                r.bits = *(const uint4 *)from;
            } else {
#pragma unroll
                for (int k = 0; k < 8; k++)
                    r.halves[k] = k < count ? from[k] : __float2half(0);
            }
#pragma unroll
            for (int k = 0; k < 4; k++)
                v.pairs[k] = add_halves(v.pairs[k], r.pairs[k]);
        }
        __half *to = (__half *)c.out + pixel * c.out_pixel + channel;
        if (count >= 8) {
            *(uint4 *)to = v.bits;
        } else {
#pragma unroll
            for (int k = 0; k < 8; k++) {
                if (k < count)
                    to[k] = v.halves[k];
            }
        }
    }
}

/* What convolutions on tensor cores ask of all tensors. Offsets are 32-bit numbers. */
static inline bool suits_tensor_cores(const yk_cuda_conv *c)
{
    const int64_t in = (int64_t)c->batch * c->in_height * c->in_width * c->in_pixel;
    return c->groups == 1 && c->in_type == YK_CUDA_HALF && c->out_type == YK_CUDA_HALF && c->in_channels % 8 == 0 &&
           in < INT32_MAX - (1 << 20) && (int64_t)c->batch * c->out_height * c->out_width < INT32_MAX / 2 &&
           is_aligned(c->in, c->in_pixel) && is_aligned(c->out, c->out_pixel) &&
           (!c->residual || is_aligned(c->residual, c->residual_pixel));
}

#endif
