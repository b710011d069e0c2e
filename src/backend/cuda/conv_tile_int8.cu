/* 3x3 convolutions of bytes, of tiles of the picture that lie in shared memory with the pixels around them, as
 * conv_tile.cu does, for few channels. All weights of a block's output channels stay in shared memory while the block
 * goes from tile to tile, and the next tile comes while one is computed with, as waiting for memory would take most of
 * the time. */
#include <math.h>

#include "backend/cuda/conv_finish.cuh"

enum { TILE_HEIGHT = 8, TILE_WIDTH = 16, THREADS = 128 };

/* CB: input channels, filled up with what is multiplied by zero; BN: output channels of a block. */
template <int CB, int BN> struct shape {
    static const int height = TILE_HEIGHT + 2, width = TILE_WIDTH + 2, chunks = CB / 16;
    /* Of a line of the filter: its three taps, and a chunk of zeros where they are no whole steps of 32 bytes. */
    static const int line_chunks = (3 * chunks + 1) / 2 * 2;
    static const int row = 3 * line_chunks * 16 + 16; /* bytes of an output channel, padded against bank conflicts */
    static const int tile_bytes = height * width * CB, weight_bytes = BN * row;
    static const int shared_bytes = 2 * tile_bytes + weight_bytes;
    static const int wm = 32, wn = BN; /* of each of the four warps */
};

/* Where chunk `c` of pixel `p` of the tile lies, in bytes: turned so that the chunks of eight pixels that ldmatrix
 * reads at once lie in different banks. An odd number of chunks does that by itself. */
template <int CB> static __device__ __forceinline__ int place(int p, int c)
{
    const int turn = CB == 64 ? p >> 1 & 3 : CB == 32 ? p >> 2 & 1 : 0;
    return p * CB + ((c ^ turn) << 4);
}

template <int CB, int BN>
__global__ void __launch_bounds__(THREADS)
    tile(const __grid_constant__ yk_cuda_conv c, int down, int across, int columns, int tiles)
{
    typedef shape<CB, BN> T;
    extern __shared__ __align__(128) uint8_t shared[];
    const int t = threadIdx.x, lane = t & 31, warp_row = (t >> 5) * T::wm, row_chunks = 3 * T::line_chunks;
    const int first_channel = blockIdx.x % columns * BN, step = gridDim.x / columns;
    /* Weights last, as what is beside the taps is read beyond a tile. */
    const uint32_t tiles_at = shared_address(shared), weights_at = tiles_at + 2 * T::tile_bytes;

    auto fetch = [&](int number, uint32_t to) {
        const int x = number % across * TILE_WIDTH - c.pad[1], n = number / across / down;
        const int y = (number / across - n * down) * TILE_HEIGHT - c.pad[0];
        const uint8_t *in = (const uint8_t *)c.in + (long long)n * c.in_height * c.in_width * c.in_pixel;
        for (int i = t; i < T::height * T::width * T::chunks; i += THREADS) {
            const int p = i / T::chunks, k = i % T::chunks, py = y + p / T::width, px = x + p % T::width;
            const bool valid =
                (unsigned)py < (unsigned)c.in_height && (unsigned)px < (unsigned)c.in_width && k * 16 < c.in_channels;
            copy_chunk<bytes>(to + place<CB>(p, k), in + (py * c.in_width + px) * c.in_pixel + k * 16, valid, c);
        }
    };

    int number = blockIdx.x / columns;
    for (int i = t; i < BN * row_chunks; i += THREADS) {
        const int column = i / row_chunks, k = i % row_chunks, channel = first_channel + channel_of<T::wn>(column);
        const bool valid = channel < c.out_channels;
        copy16(weights_at + column * T::row + k * 16,
               (const uint8_t *)c.weights + (valid ? (channel * row_chunks + k) * 16 : 0), valid);
    }
    fetch(number, tiles_at);
    asm volatile("cp.async.commit_group;\n");
    /* The pixel of this lane's row in each of the warp's matrices, for the tap in the corner. */
    int corner[T::wm / 16];
#pragma unroll
    for (int i = 0; i < T::wm / 16; i++) {
        const int m = warp_row + i * 16 + (lane & 15);
        corner[i] = m / TILE_WIDTH * T::width + m % TILE_WIDTH;
    }
    for (int buffer = 0; number < tiles; number += step, buffer ^= 1) {
        const uint32_t tile_at = tiles_at + buffer * T::tile_bytes;
        if (number + step < tiles)
            fetch(number + step, tiles_at + (buffer ^ 1) * T::tile_bytes);
        asm volatile("cp.async.commit_group;\n");
        asm volatile("cp.async.wait_group 1;\n");
        __syncthreads();
        int sums[T::wm / 16][T::wn / 8][4];
        begin<T::wm, T::wn>(c, sums, first_channel);
#pragma unroll 1
        for (int ky = 0; ky < 3; ky++) {
            const uint32_t line_at = weights_at + ((lane & 7) + (lane >> 4) * 8) * T::row + ky * T::line_chunks * 16 +
                                     ((lane >> 3) & 1) * 16;
#pragma unroll
            for (int s = 0; s < T::line_chunks / 2; s++) {
                uint32_t left[T::wm / 16][4], right[T::wn / 16][4];
                /* This lane's chunk of the line. Of odd numbers of chunks the taps' lie end to end. */
                const int at = 2 * s + (lane >> 4), kx = T::chunks % 2 != 0 ? 0 : 2 * s / T::chunks;
#pragma unroll
                for (int i = 0; i < T::wm / 16; i++)
                    load_matrices(left[i], tile_at + place<CB>(corner[i] + ky * T::width + kx, at - kx * T::chunks));
#pragma unroll
                for (int j = 0; j < T::wn / 16; j++)
                    load_matrices(right[j], line_at + j * 16 * T::row + s * 32);
#pragma unroll
                for (int i = 0; i < T::wm / 16; i++) {
#pragma unroll
                    for (int j = 0; j < T::wn / 8; j++)
                        multiply(sums[i][j], left[i], right[j / 2][(j & 1) * 2], right[j / 2][(j & 1) * 2 + 1]);
                }
            }
        }
        __syncthreads(); /* from here on the next but one may come */
        const int first_x = number % across * TILE_WIDTH, n = number / across / down;
        const int first_y = (number / across - n * down) * TILE_HEIGHT;
        finish<T::wm, T::wn>(c, sums, warp_row, first_channel, [&](int m) {
            const int y = first_y + m / TILE_WIDTH, x = first_x + m % TILE_WIDTH;
            return y < c.out_height && x < c.out_width ? (n * c.out_height + y) * c.out_width + x : -1;
        });
    }
}

/* ---- towards C ---- */

template <int CB> static bool fits(const yk_cuda_conv *c)
{
    return suits_tensor_cores<bytes>(c) && c->in_channels <= CB && (CB == 16 || CB * 3 <= c->in_channels * 4) &&
           c->kernel[0] == 3 && c->kernel[1] == 3 && c->stride[0] == 1 && c->stride[1] == 1 && c->dilation[0] == 1 &&
           c->dilation[1] == 1;
}

template <int CB> static size_t packed_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * (size_t)(3 * shape<CB, 16>::line_chunks * 16);
}

/* For each output channel the filter's lines, of each the taps in order, of each the channels side by side. */
template <int CB> static void pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    const int line = shape<CB, 16>::line_chunks * 16;
    int8_t *out = (int8_t *)to;
    for (int o = 0; o < c->out_channels; o++) {
        for (int k = 0; k < 3 * line; k++) {
            const int i = k % line % CB, kx = k % line / CB;
            *out++ = i < c->in_channels && kx < 3
                         ? ((const int8_t *)weights)[((size_t)o * c->in_channels + i) * 9 + k / line * 3 + kx]
                         : 0;
        }
    }
}

/* As many blocks as there is room for at once. */
template <int CB, int BN> static cudaError_t run(const yk_cuda_conv *c, cudaStream_t stream)
{
    typedef shape<CB, BN> T;
    const int down = (c->out_height + TILE_HEIGHT - 1) / TILE_HEIGHT;
    const int across = (c->out_width + TILE_WIDTH - 1) / TILE_WIDTH;
    const int columns = (c->out_channels + BN - 1) / BN, tiles = c->batch * down * across;
    int device = 0, processors = 0, each = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    if (error == cudaSuccess)
        error = cudaFuncSetAttribute((const void *)tile<CB, BN>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     T::shared_bytes);
    if (error == cudaSuccess)
        error =
            cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, (const void *)tile<CB, BN>, THREADS, T::shared_bytes);
    if (error != cudaSuccess)
        return error;
    const int room = (each * processors + columns - 1) / columns;
    tile<CB, BN><<<(unsigned)(columns * (tiles < room ? tiles : room)), THREADS, T::shared_bytes, stream>>>(
        *c, down, across, columns, tiles);
    return cudaGetLastError();
}

template <int BN> static double cost(const yk_cuda_conv *c, int processors)
{
    const double tiles = (double)c->batch * ceil((double)c->out_height / TILE_HEIGHT) *
                         ceil((double)c->out_width / TILE_WIDTH) * ceil((double)c->out_channels / BN) / processors;
    return fmax(tiles, 1.0) * (4.5 * c->in_channels * (128 * BN / 512.0 + (32 + BN) / 8.0) + 128 * BN / 4.0 + 1000);
}

#define TILE_KERNEL(cb, bn)                                                                                            \
    extern const yk_cuda_conv_kernel yk_cuda_tile8_##cb##x##bn = {                                                     \
        "tile8 " #cb "x" #bn, fits<cb>, packed_bytes<cb>, pack<cb>, run<cb, bn>, cost<bn>}

extern "C" {
TILE_KERNEL(80, 80);
TILE_KERNEL(80, 32);
TILE_KERNEL(64, 80);
TILE_KERNEL(64, 64);
TILE_KERNEL(64, 32);
TILE_KERNEL(32, 32);
TILE_KERNEL(32, 16);
TILE_KERNEL(16, 32);
TILE_KERNEL(16, 16);
}
