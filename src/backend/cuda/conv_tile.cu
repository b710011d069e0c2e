/* 3x3 convolutions of a tile of the picture that lies in shared memory with the pixels around it.
 *
 * As a matrix product (conv_mma.cuh) each input pixel is read nine times. Here it is read once: a row of a tap's matrix
 * is a pixel of the tile, wherever that lies, as ldmatrix takes the address of each row. Channels are done in blocks,
 * and the weights of one block come line by line of the filter while the line before is computed with. */
#include <math.h>

#include "backend/cuda/conv_finish.cuh"

template <int TH, int TW, int CB, int BN, int S> struct shape {
    static const int pixels = TH * TW;                                    /* of the result: 128 */
    static const int height = (TH - 1) * S + 3, width = (TW - 1) * S + 3; /* of the tile */
    static const int warps = BN >= 64 ? 8 : 4, threads = warps * 32;
    static const int wn = BN >= 64 ? BN / 2 : BN, wm = pixels / (warps / (BN / wn));
    static const int pixel = CB * sizeof(__half); /* bytes */
    static const int chunks = pixel / 16;         /* of a pixel */
    static const int line = 3 * pixel + 16;       /* bytes of one output channel, padded against bank conflicts */
    static const int tile_bytes = height * width * pixel;
    static const int lines_bytes = BN * line;
    static const int out_bytes = finish_bytes<halves>(pixels, BN);
};

/* Where chunk `c` of pixel `p` of the tile lies, in bytes: turned so that the chunks of eight pixels that ldmatrix
 * reads at once, S apart, lie in different banks. */
template <int PIXEL, int S> static __device__ __forceinline__ int place(int p, int c)
{
    const int turn = PIXEL == 128 ? p / S & 7 : PIXEL == 64 ? p / S >> 1 & 3 : PIXEL == 32 ? p / S >> 2 & 1 : 0;
    return p * PIXEL + ((c ^ turn) << 4);
}

template <int TH, int TW, int CB, int BN, int S>
__global__ void __launch_bounds__((shape<TH, TW, CB, BN, S>::threads))
    tile(const __grid_constant__ yk_cuda_conv c, int down, int across, int columns, int two_tiles)
{
    typedef shape<TH, TW, CB, BN, S> T;
    const int chunks = T::chunks;
    extern __shared__ __align__(128) uint8_t shared[];
    const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
    int block = blockIdx.x;
    const int first_channel = block % columns * BN;
    block /= columns;
    const int first_x = block % across * TW, first_y = block / across % down * TH, n = block / across / down;
    const uint32_t base = shared_address(shared);
    const uint32_t lines_at = base + (two_tiles ? 2 : 1) * T::tile_bytes;
    const __half *in = (const __half *)c.in + (long long)n * c.in_height * c.in_width * c.in_pixel;
    const int blocks = c.in_channels / CB, row = c.in_channels * 9; /* of packed weights */

    auto fetch_tile = [&](int b) {
        const uint32_t to = base + (b & 1 ? T::tile_bytes : 0);
        for (int i = t; i < T::height * T::width * chunks; i += T::threads) {
            const int p = i / chunks, k = i % chunks;
            const int y = first_y * S - c.pad[0] + p / T::width, x = first_x * S - c.pad[1] + p % T::width;
            const bool valid = (unsigned)y < (unsigned)c.in_height && (unsigned)x < (unsigned)c.in_width;
            copy_chunk<halves>(to + place<T::pixel, S>(p, k),
                               in + (y * c.in_width + x) * c.in_pixel + b * CB + k * YK_CUDA_CHUNK, valid, c);
        }
    };
    auto fetch_line = [&](int step) {
        const uint32_t to = lines_at + (step & 1 ? T::lines_bytes : 0);
        const __half *from = (const __half *)c.weights + step * 3 * CB;
        for (int i = t; i < BN * 3 * chunks; i += T::threads) {
            const int o = i / (3 * chunks), k = i % (3 * chunks);
            const bool valid = first_channel + o < c.out_channels;
            copy16(to + o * T::line + k * 16,
                   valid ? from + (long long)(first_channel + o) * row + k * YK_CUDA_CHUNK : (const __half *)c.weights,
                   valid);
        }
    };

    const int down_warps = T::pixels / T::wm, warp_row = warp % down_warps * T::wm,
              warp_column = warp / down_warps * T::wn;
    float sums[T::wm / 16][T::wn / 8][4];
    begin<T::wm, T::wn>(c, sums, first_channel + warp_column);
    /* The pixel of this lane's row in each of the warp's matrices, for the tap in the corner. */
    int corner[T::wm / 16];
#pragma unroll
    for (int i = 0; i < T::wm / 16; i++) {
        const int m = warp_row + i * 16 + (lane & 15);
        corner[i] = m / TW * S * T::width + m % TW * S;
    }
    fetch_tile(0);
    fetch_line(0);
    asm volatile("cp.async.commit_group;\n");
    const int steps = blocks * 3;
    for (int step = 0; step < steps; step++) {
        asm volatile("cp.async.wait_group 0;\n");
        __syncthreads();
        const int b = step / 3, ky = step - b * 3;
        if (step + 1 < steps)
            fetch_line(step + 1);
        if (ky == 0 && b + 1 < blocks)
            fetch_tile(b + 1);
        asm volatile("cp.async.commit_group;\n");
        const uint32_t tile_at = base + (b & 1 ? T::tile_bytes : 0),
                       line_at = lines_at + (step & 1 ? T::lines_bytes : 0);
#pragma unroll
        for (int s = 0; s < 3 * chunks / 2; s++) {
            uint32_t left[T::wm / 16][4], right[T::wn / 16][4];
            /* This lane's chunk of the line, which is one of a tap. */
            const int at = 2 * s + (lane >> 4), kx = 2 * s / chunks, k = at - kx * chunks;
#pragma unroll
            for (int i = 0; i < T::wm / 16; i++)
                load_matrices(left[i], tile_at + place<T::pixel, S>(corner[i] + ky * T::width + kx, k));
#pragma unroll
            for (int j = 0; j < T::wn / 16; j++)
                load_matrices(right[j], line_at + (warp_column + j * 16 + (lane & 7) + (lane >> 4) * 8) * T::line +
                                            s * 32 + ((lane >> 3) & 1) * 16);
#pragma unroll
            for (int i = 0; i < T::wm / 16; i++) {
#pragma unroll
                for (int j = 0; j < T::wn / 8; j++)
                    multiply(sums[i][j], left[i], right[j / 2][(j & 1) * 2], right[j / 2][(j & 1) * 2 + 1]);
            }
        }
    }
    __syncthreads();
    const int out_height = c.out_height, out_width = c.out_width;
    finish<T::pixels, BN, T::wm, T::wn, T::threads>(c, shared, sums, warp_row, warp_column, first_channel, [=](int m) {
        const int y = first_y + m / TW, x = first_x + m % TW;
        return y < out_height && x < out_width ? ((long long)n * out_height + y) * out_width + x : -1;
    });
}

/* ---- towards C ---- */

template <int CB, int S> static bool fits(const yk_cuda_conv *c)
{
    return suits_tensor_cores<halves>(c) && c->in_channels % CB == 0 && c->kernel[0] == 3 && c->kernel[1] == 3 &&
           c->stride[0] == S && c->stride[1] == S && c->dilation[0] == 1 && c->dilation[1] == 1;
}

static size_t packed_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * (size_t)c->in_channels * 9 * sizeof(__half);
}

/* For each output channel its blocks of input channels, of each the taps in order, of each the channels side by side.
 */
template <int CB> static void pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    __half *out = (__half *)to;
    for (int o = 0; o < c->out_channels; o++) {
        for (int b = 0; b < c->in_channels; b += CB) {
            for (int tap = 0; tap < 9; tap++) {
                for (int i = b; i < b + CB; i++)
                    *out++ = weight<halves>::of(weights, ((size_t)o * c->in_channels + i) * 9 + tap);
            }
        }
    }
}

template <int TH, int TW, int CB, int BN, int S> static cudaError_t run(const yk_cuda_conv *c, cudaStream_t stream)
{
    typedef shape<TH, TW, CB, BN, S> T;
    const int down = (c->out_height + TH - 1) / TH, across = (c->out_width + TW - 1) / TW;
    const int columns = (c->out_channels + BN - 1) / BN, two = c->in_channels > CB;
    const int work = (two ? 2 : 1) * T::tile_bytes + 2 * T::lines_bytes;
    const int size = work > T::out_bytes ? work : T::out_bytes;
    if (size > 48 * 1024) {
        const cudaError_t error = cudaFuncSetAttribute((const void *)tile<TH, TW, CB, BN, S>,
                                                       cudaFuncAttributeMaxDynamicSharedMemorySize, size);
        if (error != cudaSuccess)
            return error;
    }
    const long long blocks = (long long)c->batch * down * across * columns;
    tile<TH, TW, CB, BN, S><<<(unsigned)blocks, T::threads, size, stream>>>(*c, down, across, columns, two);
    return cudaGetLastError();
}

template <int TH, int TW, int BN> static double cost(const yk_cuda_conv *c, int processors)
{
    const double sum = 9.0 * c->in_channels * sizeof(__half) / 2;
    const double tiles = (double)c->batch * ceil((double)c->out_height / TH) * ceil((double)c->out_width / TW) *
                         ceil((double)c->out_channels / BN) / processors;
    return fmax(tiles, 1.0) * (sum * (128 * BN / 512.0 + (32 + BN) / 8.0) + 128 * BN / 4.0 + 2500);
}

#define TILE_KERNEL(th, tw, cb, bn, s)                                                                                 \
    extern const yk_cuda_conv_kernel yk_cuda_tile_##th##x##tw##x##cb##x##bn##_##s = {"tile " #th "x" #tw "x" #cb       \
                                                                                     "x" #bn "/" #s,                   \
                                                                                     fits<cb, s>,                      \
                                                                                     packed_bytes,                     \
                                                                                     pack<cb>,                         \
                                                                                     run<th, tw, cb, bn, s>,           \
                                                                                     cost<th, tw, bn>}

extern "C" {
TILE_KERNEL(8, 16, 64, 64, 1);
TILE_KERNEL(8, 16, 64, 32, 1);
TILE_KERNEL(8, 16, 32, 64, 1);
TILE_KERNEL(8, 16, 32, 32, 1);
TILE_KERNEL(8, 16, 32, 16, 1);
TILE_KERNEL(8, 16, 16, 64, 1);
TILE_KERNEL(8, 16, 16, 32, 1);
TILE_KERNEL(8, 16, 16, 16, 1);
TILE_KERNEL(16, 8, 64, 64, 1);
TILE_KERNEL(16, 8, 64, 32, 1);
TILE_KERNEL(16, 8, 32, 64, 1);
TILE_KERNEL(16, 8, 32, 32, 1);
TILE_KERNEL(16, 8, 32, 16, 1);
TILE_KERNEL(16, 8, 16, 64, 1);
TILE_KERNEL(16, 8, 16, 32, 1);
TILE_KERNEL(16, 8, 16, 16, 1);
TILE_KERNEL(8, 16, 32, 64, 2);
TILE_KERNEL(8, 16, 32, 32, 2);
TILE_KERNEL(8, 16, 16, 64, 2);
TILE_KERNEL(8, 16, 16, 32, 2);
TILE_KERNEL(8, 16, 16, 16, 2);
TILE_KERNEL(8, 16, 32, 128, 2);
TILE_KERNEL(8, 16, 64, 128, 1);
}
