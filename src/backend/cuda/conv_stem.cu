/* The first convolution, which reads the picture's bytes: each thread lays out the taps of one output pixel in shared
 * memory as halves, which hold bytes exactly, and tensor cores do the rest. */
#include "backend/cuda/mma.cuh"

enum { PIXELS = 128, CHANNELS = 16 };

/* The bytes of COLUMNS pixels in a row as floats, from column `x` on; zeros outside of the picture. By words where there
 * are four more pixels behind them, as up to two words more are read. */
template <int COLUMNS>
static __device__ __forceinline__ void read_row(const uint8_t *row, int x, int width, bool words, float (&v)[COLUMNS * 3])
{
    if (words && x >= 0) {
        /* Words from the aligned address before it, shifted. */
        const int first = x * 3;
        const uint32_t *from = (const uint32_t *)(row + (first & ~3));
        const int shift = (first & 3) * 8;
        uint32_t low = __ldg(from);
#pragma unroll
        for (int i = 0; i < (COLUMNS * 3 + 3) / 4; i++) {
            const uint32_t high = __ldg(from + i + 1);
            const uint32_t word = __funnelshift_r(low, high, shift);
#pragma unroll
            for (int k = 0; k < 4; k++) {
                if (i * 4 + k < COLUMNS * 3)
                    v[i * 4 + k] = (float)(word >> 8 * k & 0xff);
            }
            low = high;
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) {
        const bool valid = x + i >= 0 && x + i < width;
#pragma unroll
        for (int k = 0; k < 3; k++)
            v[i * 3 + k] = valid ? (float)row[(x + i) * 3 + k] : 0;
    }
}

template <int K> struct taps {
    static const int sum = (K * K * 3 + 15) / 16 * 16;
    static const int row = sum + 8; /* halves: so that eight rows of a chunk lie in different banks */
};

template <int K, int S>
__global__ void __launch_bounds__(PIXELS) stem(const __grid_constant__ yk_cuda_conv c, int pixels)
{
    typedef taps<K> T;
    __shared__ __align__(16) __half rows[PIXELS * T::row];
    __shared__ __align__(16) __half weights[CHANNELS * T::row];
    __shared__ __align__(16) __half result[PIXELS * (CHANNELS + 8)];
    const int t = threadIdx.x, lane = t & 31, warp = t >> 5, pixel = blockIdx.x * PIXELS + t;

    /* This thread's pixel. */
    __half *own = rows + t * T::row;
    if (pixel < pixels) {
        const int area = c.out_height * c.out_width, n = pixel / area, place = pixel - n * area;
        const int oy = place / c.out_width, ox = place - oy * c.out_width;
        const uint8_t *in = (const uint8_t *)c.in + (long long)n * c.in_height * c.in_width * 3;
        const int x = ox * S - c.pad[1];
        const bool words = c.in_width % 4 == 0 && (uintptr_t)c.in % 4 == 0 && x + K + 4 <= c.in_width;
        __align__(16) __half taps[T::sum];
#pragma unroll
        for (int ky = 0; ky < K; ky++) {
            const int y = oy * S - c.pad[0] + ky;
            float v[K * 3] = {};
            if (y >= 0 && y < c.in_height)
                read_row<K>(in + (long long)y * c.in_width * 3, x, c.in_width, words, v);
#pragma unroll
            for (int i = 0; i < K * 3; i++)
                taps[ky * K * 3 + i] = __float2half(v[i]);
        }
#pragma unroll
        for (int i = K * K * 3; i < T::sum; i++)
            taps[i] = __float2half(0);
#pragma unroll
        for (int i = 0; i < T::sum; i += 8)
            *(uint4 *)(own + i) = *(const uint4 *)(taps + i);
    } else {
#pragma unroll
        for (int i = 0; i < T::sum; i += 8)
            *(uint4 *)(own + i) = make_uint4(0, 0, 0, 0);
    }
    __syncwarp();

    /* Each warp has 32 pixels, twice 16 rows. */
    uint32_t left[2][T::sum / 16][4];
    const uint32_t rows_at = shared_address(rows + warp * 32 * T::row), weights_at = shared_address(weights);
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int s = 0; s < T::sum / 16; s++)
            load_matrices(left[i][s], rows_at + 2 * ((i * 16 + (lane & 15)) * T::row + s * 16 + (lane >> 4) * 8));
    }
    for (int first = 0; first < c.out_channels; first += CHANNELS) {
        __syncthreads();
        for (int i = t; i < CHANNELS * T::sum / 8; i += PIXELS) {
            const int o = i / (T::sum / 8), k = i % (T::sum / 8) * 8;
            *(uint4 *)(weights + o * T::row + k) =
                first + o < c.out_channels
                    ? __ldg((const uint4 *)((const __half *)c.weights + (size_t)(first + o) * T::sum + k))
                    : make_uint4(0, 0, 0, 0);
        }
        __syncthreads();
        float sums[2][2][4] = {};
#pragma unroll
        for (int s = 0; s < T::sum / 16; s++) {
            uint32_t right[4];
            load_matrices(right, weights_at + 2 * (((lane & 7) + (lane >> 4) * 8) * T::row + s * 16 + ((lane >> 3) & 1) * 8));
#pragma unroll
            for (int i = 0; i < 2; i++) {
                multiply(sums[i][0], left[i][s], right[0], right[1]);
                multiply(sums[i][1], left[i][s], right[2], right[3]);
            }
        }
        __half *out = result + warp * 32 * (CHANNELS + 8);
        with_activation(c.act, c.slope, [&](auto activation) {
#pragma unroll
            for (int j = 0; j < 2; j++) {
                const int column = j * 8 + (lane & 3) * 2, o = first + column;
                const float b0 = o < c.out_channels ? __ldg(c.bias + o) : 0;
                const float b1 = o < c.out_channels ? __ldg(c.bias + o + 1) : 0;
#pragma unroll
                for (int i = 0; i < 2; i++) {
#pragma unroll
                    for (int h = 0; h < 2; h++)
                        *(__half2 *)(out + (i * 16 + (lane >> 2) + h * 8) * (CHANNELS + 8) + column) =
                            to_halves(activation(sums[i][j][2 * h] * c.scale + b0),
                                      activation(sums[i][j][2 * h + 1] * c.scale + b1));
                }
            }
        });
        __syncwarp();
        /* Two lanes a pixel. */
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int row = i * 16 + lane / 2, column = lane % 2 * 8, p = blockIdx.x * PIXELS + warp * 32 + row;
            if (p < pixels && first + column < c.out_channels)
                *(uint4 *)((__half *)c.out + (long long)p * c.out_pixel + first + column) =
                    *(const uint4 *)(out + row * (CHANNELS + 8) + column);
        }
        __syncwarp();
    }
}

static bool fits(const yk_cuda_conv *c)
{
    const int shape = c->kernel[0] * 10 + c->stride[0];
    return !c->int8 && c->in_type == YK_CUDA_BYTE && c->out_type == YK_CUDA_HALF && c->in_channels == 3 && c->in_pixel == 3 &&
           c->groups == 1 && c->kernel[0] == c->kernel[1] && c->stride[0] == c->stride[1] &&
           (shape == 31 || shape == 32 || shape == 62) && c->dilation[0] == 1 && c->dilation[1] == 1 &&
           c->out_channels % 8 == 0 && c->out_pixel % 8 == 0 && (uintptr_t)c->out % 16 == 0 && !c->residual &&
           (int64_t)c->batch * c->out_height * c->out_width < INT32_MAX - PIXELS;
}

static int packed_row(const yk_cuda_conv *c)
{
    return c->kernel[0] == 3 ? taps<3>::sum : taps<6>::sum;
}

static size_t packed_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * packed_row(c) * sizeof(__half);
}

/* A row for each output channel: line by line, pixel by pixel, the three channels side by side. */
static void pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    const int area = c->kernel[0] * c->kernel[1], row = packed_row(c);
    __half *out = (__half *)to;
    for (int o = 0; o < c->out_channels; o++, out += row) {
        for (int i = 0; i < row; i++)
            out[i] = __float2half(i < area * 3 ? ((const float *)weights)[((size_t)o * 3 + i % 3) * area + i / 3] : 0);
    }
}

static cudaError_t run(const yk_cuda_conv *c, cudaStream_t stream)
{
    const int pixels = c->batch * c->out_height * c->out_width;
    const unsigned blocks = blocks_for(pixels, PIXELS);
    if (c->kernel[0] == 6)
        stem<6, 2><<<blocks, PIXELS, 0, stream>>>(*c, pixels);
    else if (c->stride[0] == 2)
        stem<3, 2><<<blocks, PIXELS, 0, stream>>>(*c, pixels);
    else
        stem<3, 1><<<blocks, PIXELS, 0, stream>>>(*c, pixels);
    return cudaGetLastError();
}

static double cost(const yk_cuda_conv *c, int processors)
{
    (void)c, (void)processors;
    return 0; /* always */
}

extern "C" {
extern const yk_cuda_conv_kernel yk_cuda_stem = {"stem", fits, packed_bytes, pack, run, cost};
}
