/* Convolutions as matrix products on tensor cores: a row for each output pixel, a column for each output channel, and
 * along what is summed the taps of the filter, the channels of each side by side.
 *
 * The rows are never laid out in memory ("implicit GEMM"): each thread finds where its 16 bytes of a row come from
 * while it copies them to shared memory, and what lies outside of the picture is filled with zeros, or with bytes' zero
 * point. cp.async brings several steps ahead, ldmatrix and mma.sync (m16n8k16 of halves, m16n8k32 of bytes) do the
 * rest; all of it runs from compute capability 8.0 on. */
#ifndef YK_CUDA_CONV_MMA_CUH
#define YK_CUDA_CONV_MMA_CUH

#include <math.h>

#include "backend/cuda/conv_finish.cuh"

enum { MOST_ROW = 128 }; /* bytes of a row that are in shared memory at a time */

struct problem {
    yk_cuda_conv c;
    int chunks;  /* of 16 bytes in a tap */
    int steps;   /* along the sum */
    int row;     /* elements in a row of packed weights */
    int rows;    /* output pixels */
    int columns; /* tiles side by side */
};

/* Where chunk `c` of a row of so many bytes lies in shared memory: turned about so that eight rows of one chunk, which
 * ldmatrix reads at once, lie in different banks. */
template <int BYTES> static __device__ __forceinline__ int place(int row, int c)
{
    return BYTES == 128 ? row * 128 + ((c ^ (row & 7)) << 4) : row * 64 + ((c ^ ((row >> 1) & 3)) << 4);
}

/* Steps of BK elements along the sum. */
template <typename KIND, int BM, int BN, int BK, int WM, int WN, int STAGES> struct tile {
    static const int threads = (BM / WM) * (BN / WN) * 32;
    /* At least so many on a multiprocessor: with a few registers more, large ones of bytes would be alone on it. 0: as
     * the compiler sees fit, which is not the same as 1. */
    static const int blocks = KIND::type == YK_CUDA_BYTE && threads == 256 ? 2 : 0;
    static const int row = BK * sizeof(typename KIND::element); /* bytes */
    static const int stage = (BM + BN) * row;
    static const int out = finish_bytes<KIND>(BM, BN);
    static const int shared = STAGES * stage > out ? STAGES * stage : out;
};

/* POINT: a 1x1 convolution of stride 1, whose rows are the input's pixels as they lie. */
template <typename KIND, int BM, int BN, int BK, int WM, int WN, int STAGES, bool POINT>
__global__ void __launch_bounds__((tile<KIND, BM, BN, BK, WM, WN, STAGES>::threads),
                                  (tile<KIND, BM, BN, BK, WM, WN, STAGES>::blocks))
    conv(const __grid_constant__ problem p)
{
    typedef tile<KIND, BM, BN, BK, WM, WN, STAGES> T;
    typedef typename KIND::element element;
    const int per_row = T::row / 16, step = T::threads / per_row;
    const int a_count = BM / step, b_count = (BN + step - 1) / step;
    extern __shared__ __align__(128) uint8_t shared[];
    const yk_cuda_conv &c = p.c;
    const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
    const int first_row = (int)(blockIdx.x / p.columns) * BM, first_column = (int)(blockIdx.x % p.columns) * BN;
    const uint32_t base = shared_address(shared);

    /* The rows that this thread copies: always the same chunk of them, `step` rows apart. */
    const int own_chunk = t % per_row, own_row = t / per_row;
    const element *in = (const element *)c.in;
    int offset[a_count], y[a_count], x[a_count];
#pragma unroll
    for (int i = 0; i < a_count; i++) {
        const int row = first_row + own_row + i * step;
        if (POINT) {
            offset[i] = row * c.in_pixel;
            y[i] = row < p.rows ? 0 : -1;
        } else {
            const int area = c.out_height * c.out_width, n = row / area, place = row - n * area;
            const int oy = place / c.out_width, ox = place - oy * c.out_width;
            y[i] = row < p.rows ? oy * c.stride[0] - c.pad[0] : -(1 << 20);
            x[i] = ox * c.stride[1] - c.pad[1];
            offset[i] = ((n * c.in_height + (row < p.rows ? y[i] : 0)) * c.in_width + x[i]) * c.in_pixel;
        }
    }
    /* Where that chunk is along the sum: which tap, and which chunk of it. */
    int ky = 0, kx = 0, at = own_chunk;
    while (!POINT && at >= p.chunks) {
        at -= p.chunks;
        if (++kx == c.kernel[1]) {
            kx = 0;
            ky++;
        }
    }
    const element *weights = (const element *)c.weights + own_chunk * KIND::chunk;

    auto fetch = [&](int k) {
        const uint32_t a = base + (k % STAGES) * T::stage, b = a + BM * T::row;
        if (POINT) {
#pragma unroll
            for (int i = 0; i < a_count; i++) {
                const bool valid = y[i] == 0 && at < p.chunks;
                copy_chunk<KIND>(a + place<T::row>(own_row + i * step, own_chunk), in + offset[i] + at * KIND::chunk,
                                 valid, c);
            }
        } else {
            const int dy = ky * c.dilation[0], dx = kx * c.dilation[1];
            const int moved = (dy * c.in_width + dx) * c.in_pixel + at * KIND::chunk;
#pragma unroll
            for (int i = 0; i < a_count; i++) {
                const bool valid = ky < c.kernel[0] && (unsigned)(y[i] + dy) < (unsigned)c.in_height &&
                                   (unsigned)(x[i] + dx) < (unsigned)c.in_width;
                copy_chunk<KIND>(a + place<T::row>(own_row + i * step, own_chunk), in + offset[i] + moved, valid, c);
            }
        }
#pragma unroll
        for (int i = 0; i < b_count; i++) {
            const int row = own_row + i * step,
                      channel = first_column + (KIND::type == YK_CUDA_BYTE ? channel_of<WN>(row) : row);
            const bool valid = channel < c.out_channels;
            if (BN % step == 0 || row < BN)
                copy16(b + place<T::row>(row, own_chunk),
                       valid ? weights + (size_t)channel * p.row + k * BK : (const element *)c.weights, valid);
        }
        at += per_row;
        while (!POINT && at >= p.chunks) {
            at -= p.chunks;
            if (++kx == c.kernel[1]) {
                kx = 0;
                ky++;
            }
        }
    };

    const int warp_row = warp % (BM / WM) * WM, warp_column = warp / (BM / WM) * WN;
    typename KIND::sum sums[WM / 16][WN / 8][4];
    begin<WM, WN>(c, sums, first_column + warp_column);
#pragma unroll
    for (int k = 0; k < STAGES - 1; k++) {
        if (k < p.steps)
            fetch(k);
        asm volatile("cp.async.commit_group;\n");
    }
    for (int k = 0; k < p.steps; k++) {
        asm volatile("cp.async.wait_group %0;\n" ::"n"(STAGES - 2));
        __syncthreads();
        if (k + STAGES - 1 < p.steps)
            fetch(k + STAGES - 1);
        asm volatile("cp.async.commit_group;\n");
        const uint32_t a = base + (k % STAGES) * T::stage, b = a + BM * T::row;
#pragma unroll
        for (int s = 0; s < T::row / 32; s++) {
            uint32_t left[WM / 16][4], right[(WN + 15) / 16][4];
#pragma unroll
            for (int i = 0; i < WM / 16; i++)
                load_matrices(left[i], a + place<T::row>(warp_row + i * 16 + (lane & 15), s * 2 + (lane >> 4)));
#pragma unroll
            for (int j = 0; j < WN / 16; j++)
                load_matrices(right[j], b + place<T::row>(warp_column + j * 16 + (lane & 7) + ((lane >> 4) << 3),
                                                          s * 2 + ((lane >> 3) & 1)));
#pragma unroll
            for (int i = 0; i < WM / 16; i++) {
#pragma unroll
                for (int j = 0; j < WN / 8; j++)
                    multiply(sums[i][j], left[i], right[j / 2][(j & 1) * 2], right[j / 2][(j & 1) * 2 + 1]);
            }
        }
    }
    const int rows = p.rows;
    auto pixel_of = [=](int row) { return first_row + row < rows ? (long long)first_row + row : -1; };
    if constexpr (KIND::type == YK_CUDA_HALF) {
        asm volatile("cp.async.wait_group 0;\n");
        __syncthreads();
        finish<BM, BN, WM, WN, T::threads>(c, shared, sums, warp_row, warp_column, first_column, pixel_of);
    } else {
        finish<WM, WN>(c, sums, warp_row, first_column + warp_column, pixel_of);
    }
}

/* ---- towards C ---- */

static bool is_point(const yk_cuda_conv *c)
{
    return c->kernel[0] == 1 && c->kernel[1] == 1 && c->stride[0] == 1 && c->stride[1] == 1 && c->pad[0] == 0 &&
           c->pad[1] == 0 && c->out_height == c->in_height && c->out_width == c->in_width;
}

template <typename KIND> static int chunks_of(const yk_cuda_conv *c)
{
    return (c->in_channels + KIND::chunk - 1) / KIND::chunk;
}

/* The same for all tiles: rows padded to the largest step. In elements. */
template <typename KIND> static int packed_row(const yk_cuda_conv *c)
{
    const int most = MOST_ROW / (int)sizeof(typename KIND::element);
    const int sum = c->kernel[0] * c->kernel[1] * chunks_of<KIND>(c) * KIND::chunk;
    return (sum + most - 1) / most * most;
}

template <typename KIND> static size_t packed_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * packed_row<KIND>(c) * sizeof(typename KIND::element);
}

/* Taps one after the other, of each the channels, up to a whole chunk. */
template <typename KIND> static void pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    typedef typename weight<KIND>::packed packed;
    const int taps = c->kernel[0] * c->kernel[1], row = packed_row<KIND>(c), tap = chunks_of<KIND>(c) * KIND::chunk;
    packed *out = (packed *)to;
    for (int o = 0; o < c->out_channels; o++, out += row) {
        for (int i = 0; i < row; i++)
            out[i] = weight<KIND>::zero();
        for (int i = 0; i < c->in_channels; i++) {
            for (int k = 0; k < taps; k++)
                out[k * tap + i] = weight<KIND>::of(weights, ((size_t)o * c->in_channels + i) * taps + k);
        }
    }
}

template <typename KIND, int BM, int BN, int BK, int WM, int WN, int STAGES, bool POINT>
static cudaError_t launch(const problem *p, cudaStream_t stream)
{
    typedef tile<KIND, BM, BN, BK, WM, WN, STAGES> T;
    if (T::shared > 48 * 1024) {
        const cudaError_t error = cudaFuncSetAttribute((const void *)conv<KIND, BM, BN, BK, WM, WN, STAGES, POINT>,
                                                       cudaFuncAttributeMaxDynamicSharedMemorySize, T::shared);
        if (error != cudaSuccess)
            return error;
    }
    const unsigned blocks = blocks_for(p->rows, BM) * (unsigned)p->columns;
    conv<KIND, BM, BN, BK, WM, WN, STAGES, POINT><<<blocks, T::threads, T::shared, stream>>>(*p);
    return cudaGetLastError();
}

template <typename KIND, int BM, int BN, int BK, int WM, int WN, int STAGES>
static cudaError_t run(const yk_cuda_conv *c, cudaStream_t stream)
{
    problem p;
    p.c = *c;
    p.chunks = chunks_of<KIND>(c);
    p.row = packed_row<KIND>(c);
    p.steps = (c->kernel[0] * c->kernel[1] * p.chunks * KIND::chunk + BK - 1) / BK;
    p.rows = c->batch * c->out_height * c->out_width;
    p.columns = (c->out_channels + BN - 1) / BN;
    return is_point(c) ? launch<KIND, BM, BN, BK, WM, WN, STAGES, true>(&p, stream)
                       : launch<KIND, BM, BN, BK, WM, WN, STAGES, false>(&p, stream);
}

/* Of the tiles that a multiprocessor has to do, with what is the same for each however little there is to sum. */
template <typename KIND, int BM, int BN> static double cost(const yk_cuda_conv *c, int processors)
{
    const double sum = (double)c->kernel[0] * c->kernel[1] * c->in_channels * sizeof(typename KIND::element) / 2;
    const double rows = (double)c->batch * c->out_height * c->out_width;
    const double tiles = ceil(rows / BM) * ceil((double)c->out_channels / BN) / processors;
    return fmax(tiles, 1.0) * (sum * (BM * BN / 512.0 + (BM + BN) / 8.0) + BM * BN / 4.0 + 2000);
}

#define MMA_KERNEL(kind, name, bm, bn, bk, wm, wn, stages)                                                             \
    extern const yk_cuda_conv_kernel yk_cuda_##name##_##bm##x##bn##x##bk##_##stages = {                                \
        #name " " #bm "x" #bn "x" #bk "/" #stages, suits_tensor_cores<kind>, packed_bytes<kind>, pack<kind>,           \
        run<kind, bm, bn, bk, wm, wn, stages>,     cost<kind, bm, bn>}

#endif
