/* Convolutions as matrix products on tensor cores: a row for each output pixel, a column for each output channel, and
 * along what is summed the taps of the filter, the channels of each side by side.
 *
 * The rows are never laid out in memory ("implicit GEMM"): each thread finds where its 16 bytes of a row come from while
 * it copies them to shared memory, and what lies outside of the picture is filled with zeros. cp.async brings several
 * steps ahead, ldmatrix and mma.sync (m16n8k16) do the rest; all of it runs from compute capability 8.0 on. */
#include <math.h>

#include "backend/cuda/conv_finish.cuh"

enum { MOST_BLOCK_K = 64 };

struct problem {
    yk_cuda_conv c;
    int chunks;    /* of 8 channels in a tap */
    int steps;     /* along the sum */
    int row;       /* halves in a row of packed weights */
    int rows;      /* output pixels */
    int columns;   /* tiles side by side */
};

/* Where chunk `c` of a row lies in shared memory, in bytes: turned about so that eight rows of one chunk, which
 * ldmatrix reads at once, lie in different banks. */
template <int BK> static __device__ __forceinline__ int place(int row, int c)
{
    return BK == 64 ? row * 128 + ((c ^ (row & 7)) << 4) : row * 64 + ((c ^ ((row >> 1) & 3)) << 4);
}

template <int BM, int BN, int BK, int WM, int WN, int STAGES> struct tile {
    static const int threads = (BM / WM) * (BN / WN) * 32;
    static const int stage = (BM + BN) * BK * 2; /* bytes */
    static const int out = BM * (BN + 8) * 2;
    static const int shared = STAGES * stage > out ? STAGES * stage : out;
};

/* POINT: a 1x1 convolution of stride 1, whose rows are the input's pixels as they lie. */
template <int BM, int BN, int BK, int WM, int WN, int STAGES, bool POINT>
__global__ void __launch_bounds__((tile<BM, BN, BK, WM, WN, STAGES>::threads))
    conv(const __grid_constant__ problem p)
{
    typedef tile<BM, BN, BK, WM, WN, STAGES> T;
    const int per_row = BK / 8, step = T::threads / per_row;
    const int a_count = BM / step, b_count = (BN + step - 1) / step;
    extern __shared__ __align__(128) uint8_t shared[];
    const yk_cuda_conv &c = p.c;
    const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
    const int first_row = (int)(blockIdx.x / p.columns) * BM, first_column = (int)(blockIdx.x % p.columns) * BN;
    const uint32_t base = shared_address(shared);

    /* The rows that this thread copies: always the same chunk of them, `step` rows apart. */
    const int own_chunk = t % per_row, own_row = t / per_row;
    const __half *in = (const __half *)c.in;
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
    const __half *weights = (const __half *)c.weights + (size_t)(first_column + own_row) * p.row + own_chunk * 8;

    auto fetch = [&](int k) {
        const uint32_t a = base + (k % STAGES) * T::stage, b = a + BM * BK * 2;
        if (POINT) {
#pragma unroll
            for (int i = 0; i < a_count; i++) {
                const bool valid = y[i] == 0 && at < p.chunks;
                copy16(a + place<BK>(own_row + i * step, own_chunk), valid ? in + offset[i] + at * 8 : in, valid);
            }
        } else {
            const int dy = ky * c.dilation[0], dx = kx * c.dilation[1];
            const int moved = (dy * c.in_width + dx) * c.in_pixel + at * 8;
#pragma unroll
            for (int i = 0; i < a_count; i++) {
                const bool valid = ky < c.kernel[0] && (unsigned)(y[i] + dy) < (unsigned)c.in_height &&
                                   (unsigned)(x[i] + dx) < (unsigned)c.in_width;
                copy16(a + place<BK>(own_row + i * step, own_chunk), valid ? in + offset[i] + moved : in, valid);
            }
        }
#pragma unroll
        for (int i = 0; i < b_count; i++) {
            const int row = own_row + i * step;
            const bool valid = first_column + row < c.out_channels;
            if (BN % step == 0 || row < BN)
                copy16(b + place<BK>(row, own_chunk),
                       valid ? weights + (size_t)(i * step) * p.row + k * BK : (const __half *)c.weights, valid);
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
    float sums[WM / 16][WN / 8][4] = {};
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
        const uint32_t a = base + (k % STAGES) * T::stage, b = a + BM * BK * 2;
#pragma unroll
        for (int s = 0; s < BK / 16; s++) {
            uint32_t left[WM / 16][4], right[(WN + 15) / 16][4];
#pragma unroll
            for (int i = 0; i < WM / 16; i++)
                load_matrices(left[i], a + place<BK>(warp_row + i * 16 + (lane & 15), s * 2 + (lane >> 4)));
#pragma unroll
            for (int j = 0; j < WN / 16; j++)
                load_matrices(right[j], b + place<BK>(warp_column + j * 16 + (lane & 7) + ((lane >> 4) << 3),
                                                      s * 2 + ((lane >> 3) & 1)));
#pragma unroll
            for (int i = 0; i < WM / 16; i++) {
#pragma unroll
                for (int j = 0; j < WN / 8; j++)
                    multiply(sums[i][j], left[i], right[j / 2][(j & 1) * 2], right[j / 2][(j & 1) * 2 + 1]);
            }
        }
    }
    asm volatile("cp.async.wait_group 0;\n");
    __syncthreads();

    const int rows = p.rows;
    finish<BM, BN, WM, WN, T::threads>(c, (__half *)shared, sums, warp_row, warp_column, first_column, [=](int row) {
        return first_row + row < rows ? (long long)first_row + row : -1;
    });
}

/* ---- towards C ---- */

static bool is_point(const yk_cuda_conv *c)
{
    return c->kernel[0] == 1 && c->kernel[1] == 1 && c->stride[0] == 1 && c->stride[1] == 1 && c->pad[0] == 0 &&
           c->pad[1] == 0 && c->out_height == c->in_height && c->out_width == c->in_width;
}

/* The same for all tiles: rows padded to the largest step. */
static int packed_row(const yk_cuda_conv *c)
{
    const int sum = c->kernel[0] * c->kernel[1] * c->in_channels;
    return (sum + MOST_BLOCK_K - 1) / MOST_BLOCK_K * MOST_BLOCK_K;
}

static size_t packed_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * packed_row(c) * sizeof(__half);
}

static void pack(const yk_cuda_conv *c, const float *weights, void *to)
{
    const int taps = c->kernel[0] * c->kernel[1], row = packed_row(c);
    __half *out = (__half *)to;
    for (int o = 0; o < c->out_channels; o++, out += row) {
        for (int i = 0; i < row; i++)
            out[i] = __float2half(0);
        for (int i = 0; i < c->in_channels; i++) {
            for (int k = 0; k < taps; k++)
                out[k * c->in_channels + i] = __float2half(weights[((size_t)o * c->in_channels + i) * taps + k]);
        }
    }
}

template <int BM, int BN, int BK, int WM, int WN, int STAGES, bool POINT>
static cudaError_t launch(const problem *p, cudaStream_t stream)
{
    typedef tile<BM, BN, BK, WM, WN, STAGES> T;
    if (T::shared > 48 * 1024) {
        const cudaError_t error = cudaFuncSetAttribute((const void *)conv<BM, BN, BK, WM, WN, STAGES, POINT>,
                                                       cudaFuncAttributeMaxDynamicSharedMemorySize, T::shared);
        if (error != cudaSuccess)
            return error;
    }
    const unsigned blocks = blocks_for(p->rows, BM) * (unsigned)p->columns;
    conv<BM, BN, BK, WM, WN, STAGES, POINT><<<blocks, T::threads, T::shared, stream>>>(*p);
    return cudaGetLastError();
}

template <int BM, int BN, int BK, int WM, int WN, int STAGES>
static cudaError_t run(const yk_cuda_conv *c, cudaStream_t stream)
{
    problem p;
    p.c = *c;
    p.chunks = c->in_channels / 8;
    p.row = packed_row(c);
    p.steps = (c->kernel[0] * c->kernel[1] * c->in_channels + BK - 1) / BK;
    p.rows = c->batch * c->out_height * c->out_width;
    p.columns = (c->out_channels + BN - 1) / BN;
    return is_point(c) ? launch<BM, BN, BK, WM, WN, STAGES, true>(&p, stream)
                       : launch<BM, BN, BK, WM, WN, STAGES, false>(&p, stream);
}

/* Of the tiles that a multiprocessor has to do, with what is the same for each however little there is to sum. */
template <int BM, int BN> static double cost(const yk_cuda_conv *c, int processors)
{
    const double sum = (double)c->kernel[0] * c->kernel[1] * c->in_channels;
    const double rows = (double)c->batch * c->out_height * c->out_width;
    const double tiles = ceil(rows / BM) * ceil((double)c->out_channels / BN) / processors;
    return fmax(tiles, 1.0) * (sum * (BM * BN / 512.0 + (BM + BN) / 8.0) + BM * BN / 4.0 + 2000);
}

#define KERNEL(bm, bn, bk, wm, wn, stages)                                                                             \
    extern const yk_cuda_conv_kernel yk_cuda_mma_##bm##x##bn##x##bk##_##stages = {                                                \
        "mma " #bm "x" #bn "x" #bk "/" #stages, suits_tensor_cores, packed_bytes, pack, run<bm, bn, bk, wm, wn, stages>,      \
        cost<bm, bn>}

extern "C" {
KERNEL(256, 64, 32, 64, 32, 3);
KERNEL(128, 128, 32, 64, 32, 4);
KERNEL(128, 128, 64, 64, 32, 3);
KERNEL(128, 64, 32, 32, 32, 4);
KERNEL(128, 64, 64, 32, 32, 3);
KERNEL(128, 32, 32, 32, 32, 4);
KERNEL(128, 16, 32, 32, 16, 4);
KERNEL(64, 128, 64, 32, 32, 3);
KERNEL(64, 64, 64, 32, 32, 3);
KERNEL(64, 32, 64, 32, 16, 4);
KERNEL(64, 16, 32, 16, 16, 4);
KERNEL(32, 64, 64, 16, 32, 4);
KERNEL(32, 32, 64, 16, 16, 4);
KERNEL(128, 64, 32, 32, 32, 2);
KERNEL(128, 32, 32, 32, 32, 2);
KERNEL(128, 16, 32, 32, 16, 2);
KERNEL(64, 64, 32, 32, 32, 2);
KERNEL(64, 32, 32, 32, 16, 2);
KERNEL(64, 16, 32, 16, 16, 2);
KERNEL(128, 128, 32, 64, 32, 2);

/* Those of other files. */
extern const yk_cuda_conv_kernel yk_cuda_tile_8x16x64x64_1, yk_cuda_tile_8x16x64x32_1, yk_cuda_tile_8x16x32x64_1, yk_cuda_tile_8x16x32x32_1, yk_cuda_tile_8x16x32x16_1, yk_cuda_tile_8x16x16x64_1, yk_cuda_tile_8x16x16x32_1, yk_cuda_tile_8x16x16x16_1, yk_cuda_tile_16x8x64x64_1, yk_cuda_tile_16x8x64x32_1, yk_cuda_tile_16x8x32x64_1, yk_cuda_tile_16x8x32x32_1, yk_cuda_tile_16x8x32x16_1, yk_cuda_tile_16x8x16x64_1, yk_cuda_tile_16x8x16x32_1, yk_cuda_tile_16x8x16x16_1, yk_cuda_tile_8x16x32x64_2, yk_cuda_tile_8x16x32x32_2, yk_cuda_tile_8x16x16x64_2, yk_cuda_tile_8x16x16x32_2, yk_cuda_tile_8x16x16x16_2, yk_cuda_tile_8x16x32x128_2, yk_cuda_tile_8x16x64x128_1;
extern const yk_cuda_conv_kernel yk_cuda_stem, yk_cuda_depthwise1, yk_cuda_depthwise2, yk_cuda_depthwise4, yk_cuda_direct;

const yk_cuda_conv_kernel *const yk_cuda_conv_kernels[] = {
    &yk_cuda_mma_256x64x32_3,
    &yk_cuda_mma_128x128x32_4,
    &yk_cuda_mma_128x128x64_3,
    &yk_cuda_mma_128x64x32_4,
    &yk_cuda_mma_128x64x64_3,
    &yk_cuda_mma_128x32x32_4,
    &yk_cuda_mma_128x16x32_4,
    &yk_cuda_mma_64x128x64_3,
    &yk_cuda_mma_64x64x64_3,
    &yk_cuda_mma_64x32x64_4,
    &yk_cuda_mma_64x16x32_4,
    &yk_cuda_mma_32x64x64_4,
    &yk_cuda_mma_32x32x64_4,
    &yk_cuda_mma_128x64x32_2,
    &yk_cuda_mma_128x32x32_2,
    &yk_cuda_mma_128x16x32_2,
    &yk_cuda_mma_64x64x32_2,
    &yk_cuda_mma_64x32x32_2,
    &yk_cuda_mma_64x16x32_2,
    &yk_cuda_mma_128x128x32_2,
    &yk_cuda_tile_8x16x64x64_1,
    &yk_cuda_tile_8x16x64x32_1,
    &yk_cuda_tile_8x16x32x64_1,
    &yk_cuda_tile_8x16x32x32_1,
    &yk_cuda_tile_8x16x32x16_1,
    &yk_cuda_tile_8x16x16x64_1,
    &yk_cuda_tile_8x16x16x32_1,
    &yk_cuda_tile_8x16x16x16_1,
    &yk_cuda_tile_16x8x64x64_1,
    &yk_cuda_tile_16x8x64x32_1,
    &yk_cuda_tile_16x8x32x64_1,
    &yk_cuda_tile_16x8x32x32_1,
    &yk_cuda_tile_16x8x32x16_1,
    &yk_cuda_tile_16x8x16x64_1,
    &yk_cuda_tile_16x8x16x32_1,
    &yk_cuda_tile_16x8x16x16_1,
    &yk_cuda_tile_8x16x32x64_2,
    &yk_cuda_tile_8x16x32x32_2,
    &yk_cuda_tile_8x16x16x64_2,
    &yk_cuda_tile_8x16x16x32_2,
    &yk_cuda_tile_8x16x16x16_2,
    &yk_cuda_tile_8x16x32x128_2,
    &yk_cuda_tile_8x16x64x128_1,
    &yk_cuda_stem,
    &yk_cuda_depthwise1,
    &yk_cuda_depthwise2,
    &yk_cuda_depthwise4,
    &yk_cuda_direct,
    NULL,
};
}
