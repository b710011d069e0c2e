/* 8-bit convolutions that are no matrix products of feature maps: the first one, depthwise ones, any other one. */
#include "backend/cuda/conv_finish.cuh"

/* ---- the first one, which reads the picture's bytes: a row of taps for each output pixel ---- */

enum { PIXELS = 128, CHANNELS = 16 };

/* Pixels `x` to `x + K - 1` of a row, as words: what lies outside is `outside`. By words where there are four more
 * pixels behind them, as up to two words more are read. */
template <int K>
static __device__ __forceinline__ void read_row(const uint8_t *row, int x, int width, bool words, unsigned outside,
                                                uint32_t (&line)[(K * 3 + 3) / 4])
{
    if (words && x >= 0) {
        const int first = x * 3;
        const uint32_t *from = (const uint32_t *)(row + (first & ~3));
        uint32_t low = __ldg(from);
#pragma unroll
        for (int i = 0; i < (K * 3 + 3) / 4; i++) {
            const uint32_t high = __ldg(from + i + 1);
            line[i] = __funnelshift_r(low, high, (first & 3) * 8);
            low = high;
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < (K * 3 + 3) / 4; i++)
        line[i] = 0;
#pragma unroll
    for (int i = 0; i < K; i++) {
        const bool valid = x + i >= 0 && x + i < width;
#pragma unroll
        for (int k = 0; k < 3; k++)
            line[(i * 3 + k) / 4] |= (valid ? row[(x + i) * 3 + k] : outside) << (i * 3 + k) % 4 * 8;
    }
}

template <int K> struct taps {
    static const int sum = (K * K * 3 + 31) / 32 * 32;
    static const int row = sum + 16; /* bytes: so that eight rows of a chunk lie in different banks */
};

template <int K, int S>
__global__ void __launch_bounds__(PIXELS) stem(const __grid_constant__ yk_cuda_conv c, int pixels)
{
    typedef taps<K> T;
    __shared__ __align__(16) uint8_t rows[PIXELS * T::row];
    __shared__ __align__(16) uint8_t weights[CHANNELS * T::row];
    __shared__ __align__(16) uint8_t result[finish_bytes(PIXELS, CHANNELS)];
    const int t = threadIdx.x, lane = t & 31, warp = t >> 5, pixel = blockIdx.x * PIXELS + t;

    /* This thread's pixel: the lines of its taps end to end. */
    uint32_t words[T::sum / 4] = {};
    if (pixel < pixels) {
        const int area = c.out_height * c.out_width, n = pixel / area, place = pixel - n * area;
        const int oy = place / c.out_width, ox = place - oy * c.out_width;
        const uint8_t *in = (const uint8_t *)c.in + (long long)n * c.in_height * c.in_width * 3;
        const int x = ox * S - c.pad[1];
        const bool by_words = c.in_width % 4 == 0 && (uintptr_t)c.in % 4 == 0 && x + K + 4 <= c.in_width;
        const unsigned outside = (unsigned)c.in_number.zero;
#pragma unroll
        for (int ky = 0; ky < K; ky++) {
            const int y = oy * S - c.pad[0] + ky, first = ky * K * 3, count = (K * 3 + 3) / 4;
            uint32_t line[count];
            if (y >= 0 && y < c.in_height) {
                read_row<K>(in + (long long)y * c.in_width * 3, x, c.in_width, by_words, outside, line);
            } else {
#pragma unroll
                for (int i = 0; i < count; i++)
                    line[i] = outside * 0x01010101u;
            }
            if (K * 3 % 4 != 0)
                line[count - 1] &= (1u << K * 3 % 4 * 8) - 1;
#pragma unroll
            for (int i = 0; i < count; i++) {
                const int at = first / 4 + i, shift = first % 4 * 8;
                words[at] |= line[i] << shift;
                if (shift > 0 && at + 1 < T::sum / 4)
                    words[at + 1] |= line[i] >> (32 - shift) % 32;
            }
        }
    }
#pragma unroll
    for (int i = 0; i < T::sum / 16; i++)
        *(uint4 *)(rows + t * T::row + i * 16) =
            make_uint4(words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]);
    __syncwarp();

    /* Each warp has 32 pixels, twice 16 rows. */
    uint32_t left[2][T::sum / 32][4];
    const uint32_t rows_at = shared_address(rows + warp * 32 * T::row), weights_at = shared_address(weights);
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int s = 0; s < T::sum / 32; s++)
            load_matrices(left[i][s], rows_at + (i * 16 + (lane & 15)) * T::row + s * 32 + (lane >> 4) * 16);
    }
    for (int first = 0; first < c.out_channels; first += CHANNELS) {
        __syncthreads();
        for (int i = t; i < CHANNELS * T::sum / 16; i += PIXELS) {
            const int o = i / (T::sum / 16), k = i % (T::sum / 16) * 16;
            *(uint4 *)(weights + o * T::row + k) =
                first + o < c.out_channels
                    ? __ldg((const uint4 *)((const uint8_t *)c.weights + (size_t)(first + o) * T::sum + k))
                    : make_uint4(0, 0, 0, 0);
        }
        __syncthreads();
        int sums[2][2][4];
        begin<32, 16>(c, sums, first);
#pragma unroll
        for (int s = 0; s < T::sum / 32; s++) {
            uint32_t right[4];
            load_matrices(right,
                          weights_at + ((lane & 7) + (lane >> 4) * 8) * T::row + s * 32 + ((lane >> 3) & 1) * 16);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                multiply(sums[i][0], left[i][s], right[0], right[1]);
                multiply(sums[i][1], left[i][s], right[2], right[3]);
            }
        }
        /* Of up to 6 x 6 x 3 taps of at most 255 * 128. */
        finish<PIXELS, CHANNELS, 32, 16, PIXELS, true>(c, result, sums, warp * 32, 0, first, [=](int row) {
            const int p = blockIdx.x * PIXELS + row;
            return p < pixels ? (long long)p : -1;
        });
    }
}

static bool stem_fits(const yk_cuda_conv *c)
{
    const int shape = c->kernel[0] * 10 + c->stride[0];
    return suits_int8(c) && c->in_channels == 3 && c->in_pixel == 3 && c->groups == 1 &&
           c->kernel[0] == c->kernel[1] && c->stride[0] == c->stride[1] && (shape == 31 || shape == 32 || shape == 62) &&
           c->dilation[0] == 1 && c->dilation[1] == 1 &&
           (int64_t)c->batch * c->out_height * c->out_width < INT32_MAX - PIXELS;
}

static int stem_row(const yk_cuda_conv *c)
{
    return c->kernel[0] == 3 ? taps<3>::sum : taps<6>::sum;
}

static size_t stem_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * stem_row(c);
}

/* A row for each output channel: line by line, pixel by pixel, the three channels side by side. */
static void stem_pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    const int area = c->kernel[0] * c->kernel[1], row = stem_row(c);
    int8_t *out = (int8_t *)to;
    for (int o = 0; o < c->out_channels; o++, out += row) {
        for (int i = 0; i < row; i++)
            out[i] = i < area * 3 ? ((const int8_t *)weights)[((size_t)o * 3 + i % 3) * area + i / 3] : 0;
    }
}

static cudaError_t stem_run(const yk_cuda_conv *c, cudaStream_t stream)
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

static double stem_cost(const yk_cuda_conv *c, int processors)
{
    (void)c, (void)processors;
    return 0; /* always */
}

/* ---- depthwise: a thread for 8 channels of some neighbours in a row ---- */

/* d + a b of four bytes each, those of `a` without a sign. */
static __device__ __forceinline__ int dot(uint32_t a, uint32_t b, int d)
{
    asm("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(d) : "r"(a), "r"(b));
    return d;
}

/* Four pixels of four channels each become four channels of four pixels each. */
static __device__ __forceinline__ void turn(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t (&out)[4])
{
    const uint32_t ab = __byte_perm(a, b, 0x5140), more_ab = __byte_perm(a, b, 0x7362);
    const uint32_t cd = __byte_perm(c, d, 0x5140), more_cd = __byte_perm(c, d, 0x7362);
    out[0] = __byte_perm(ab, cd, 0x5410);
    out[1] = __byte_perm(ab, cd, 0x7632);
    out[2] = __byte_perm(more_ab, more_cd, 0x5410);
    out[3] = __byte_perm(more_ab, more_cd, 0x7632);
}

/* Neighbours that a thread does, so that what they read is whole words of four pixels, or nearly. */
static __host__ __device__ constexpr int neighbours(int kernel, int stride)
{
    return stride == 1 ? (kernel == 5 ? 4 : 2) : kernel == 5 ? 2 : 1;
}

static __host__ __device__ constexpr int words_of(int kernel, int stride)
{
    return ((neighbours(kernel, stride) - 1) * stride + kernel + 3) / 4;
}

template <int K, int S>
__global__ void __launch_bounds__(128) depthwise(const __grid_constant__ yk_cuda_conv c, long long count)
{
    const int P = neighbours(K, S), W = words_of(K, S), columns = (P - 1) * S + K;
    const long long i = (long long)blockIdx.x * 128 + threadIdx.x;
    if (i >= count)
        return;
    const int chunks = c.out_channels / 8, per_row = (c.out_width + P - 1) / P;
    const int channel = (int)(i % chunks) * 8;
    const long long strip = i / chunks;
    const int ox = (int)(strip % per_row) * P, oy = (int)(strip / per_row % c.out_height);
    const long long n = strip / per_row / c.out_height;
    const uint8_t *in = (const uint8_t *)c.in + n * c.in_height * c.in_width * c.in_pixel + channel;
    const uint32_t outside = (uint32_t)c.in_number.zero * 0x01010101u;
    int sums[P][8];
#pragma unroll
    for (int k = 0; k < 8; k++) {
        const int start = __ldg(c.starts + channel + k);
#pragma unroll
        for (int p = 0; p < P; p++)
            sums[p][k] = start;
    }
#pragma unroll
    for (int ky = 0; ky < K; ky++) {
        const int y = oy * S - c.pad[0] + ky;
        const bool in_picture = y >= 0 && y < c.in_height;
        /* All of a line before the first is used, so that their ways from memory overlap. */
        uint2 line[4 * W];
#pragma unroll
        for (int column = 0; column < 4 * W; column++) {
            const int x = ox * S - c.pad[1] + column;
            line[column] = make_uint2(outside, outside);
            if (column < columns && in_picture && x >= 0 && x < c.in_width)
                line[column] = __ldg((const uint2 *)(in + ((long long)y * c.in_width + x) * c.in_pixel));
        }
#pragma unroll
        for (int m = 0; m < W; m++) {
            uint32_t low[4], high[4];
            turn(line[4 * m].x, line[4 * m + 1].x, line[4 * m + 2].x, line[4 * m + 3].x, low);
            turn(line[4 * m].y, line[4 * m + 1].y, line[4 * m + 2].y, line[4 * m + 3].y, high);
#pragma unroll
            for (int p = 0; p < P; p++) {
                const uint4 *from = (const uint4 *)((const uint32_t *)c.weights +
                                                    (size_t)((ky * P + p) * W + m) * c.out_channels + channel);
                const uint4 a = __ldg(from), b = __ldg(from + 1);
                sums[p][0] = dot(low[0], a.x, sums[p][0]);
                sums[p][1] = dot(low[1], a.y, sums[p][1]);
                sums[p][2] = dot(low[2], a.z, sums[p][2]);
                sums[p][3] = dot(low[3], a.w, sums[p][3]);
                sums[p][4] = dot(high[0], b.x, sums[p][4]);
                sums[p][5] = dot(high[1], b.y, sums[p][5]);
                sums[p][6] = dot(high[2], b.z, sums[p][6]);
                sums[p][7] = dot(high[3], b.w, sums[p][7]);
            }
        }
    }
    with_coarse_activation(c.act, c.slope, [&](auto activation) {
#pragma unroll
        for (int p = 0; p < P; p++) {
            if (ox + p >= c.out_width)
                break;
            const long long pixel = (n * c.out_height + oy) * c.out_width + ox + p;
            float x[8];
#pragma unroll
            for (int k = 0; k < 8; k++)
                x[k] = activation(fmaf((float)sums[p][k], __ldg(c.scales + channel + k), __ldg(c.bias + channel + k)));
            if (c.residual && c.residual_type == YK_CUDA_HALF) {
                chunk r;
                r.bits = *(const uint4 *)((const __half *)c.residual + pixel * c.residual_pixel + channel);
#pragma unroll
                for (int k = 0; k < 8; k++)
                    x[k] += __half2float(r.halves[k]);
            } else if (c.residual) {
                const uint2 r = *(const uint2 *)((const uint8_t *)c.residual + pixel * c.residual_pixel + channel);
#pragma unroll
                for (int k = 0; k < 8; k++)
                    x[k] += from_byte(c.residual_number, (k < 4 ? r.x : r.y) >> k % 4 * 8 & 0xff);
            }
            if (c.out_type == YK_CUDA_BYTE) {
                *(uint2 *)((uint8_t *)c.out + pixel * c.out_pixel + channel) =
                    make_uint2(to_bytes(c.out_number, x), to_bytes(c.out_number, x + 4));
            } else {
                chunk v;
#pragma unroll
                for (int k = 0; k < 4; k++)
                    v.pairs[k] = to_halves(x[2 * k], x[2 * k + 1]);
                *(uint4 *)((__half *)c.out + pixel * c.out_pixel + channel) = v.bits;
            }
        }
    });
}

static bool depthwise_fits(const yk_cuda_conv *c)
{
    return suits_int8(c) && c->groups == c->in_channels && c->groups == c->out_channels && c->groups % 8 == 0 &&
           c->kernel[0] == c->kernel[1] && (c->kernel[0] == 3 || c->kernel[0] == 5 || c->kernel[0] == 7) &&
           c->stride[0] == c->stride[1] && (c->stride[0] == 1 || c->stride[0] == 2) && c->dilation[0] == 1 &&
           c->dilation[1] == 1 && has_byte_chunks(c->in, c->in_pixel);
}

static size_t depthwise_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->kernel[0] * neighbours(c->kernel[0], c->stride[0]) * words_of(c->kernel[0], c->stride[0]) *
           c->out_channels * 4;
}

/* For each line of the filter, each neighbour and each word of four pixels: the taps that fall on them, by channel. */
static void depthwise_pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    const int kernel = c->kernel[0], stride = c->stride[0], words = words_of(kernel, stride);
    int8_t *out = (int8_t *)to;
    for (int ky = 0; ky < kernel; ky++) {
        for (int p = 0; p < neighbours(kernel, stride); p++) {
            for (int m = 0; m < words; m++) {
                for (int i = 0; i < c->out_channels * 4; i++) {
                    const int kx = 4 * m + i % 4 - p * stride;
                    const bool valid = kx >= 0 && kx < kernel;
                    *out++ = valid ? ((const int8_t *)weights)[((size_t)(i / 4) * kernel + ky) * kernel + kx] : 0;
                }
            }
        }
    }
}

template <int K, int S> static cudaError_t depthwise_launch(const yk_cuda_conv *c, cudaStream_t stream)
{
    const int P = neighbours(K, S);
    const long long count =
        (long long)c->batch * c->out_height * ((c->out_width + P - 1) / P) * (c->out_channels / 8);
    depthwise<K, S><<<blocks_for(count, 128), 128, 0, stream>>>(*c, count);
    return cudaGetLastError();
}

static cudaError_t depthwise_run(const yk_cuda_conv *c, cudaStream_t stream)
{
    switch (c->kernel[0] * 10 + c->stride[0]) {
    case 31:
        return depthwise_launch<3, 1>(c, stream);
    case 32:
        return depthwise_launch<3, 2>(c, stream);
    case 51:
        return depthwise_launch<5, 1>(c, stream);
    case 52:
        return depthwise_launch<5, 2>(c, stream);
    case 71:
        return depthwise_launch<7, 1>(c, stream);
    default:
        return depthwise_launch<7, 2>(c, stream);
    }
}

/* ---- any convolution: a thread for each element of the result ---- */

static __device__ float real(yk_cuda_type type, const yk_cuda_number &number, const void *data, long long at)
{
    if (type == YK_CUDA_BYTE)
        return from_byte(number, ((const uint8_t *)data)[at]);
    return type == YK_CUDA_HALF ? load((const __half *)data + at) : load((const float *)data + at);
}

__global__ void __launch_bounds__(256) direct(const __grid_constant__ yk_cuda_conv c, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const int o = (int)(i % c.out_channels);
    const long long pixel = i / c.out_channels;
    const int ox = (int)(pixel % c.out_width), oy = (int)(pixel / c.out_width % c.out_height);
    const long long n = pixel / c.out_width / c.out_height;
    const int in_group = c.in_channels / c.groups, group = o / (c.out_channels / c.groups);
    const uint8_t *in = (const uint8_t *)c.in + n * c.in_height * c.in_width * c.in_pixel + group * in_group;
    const int8_t *w = (const int8_t *)c.weights + o;
    int sum = 0;
    for (int ky = 0; ky < c.kernel[0]; ky++) {
        const int y = oy * c.stride[0] - c.pad[0] + ky * c.dilation[0];
        for (int kx = 0; kx < c.kernel[1]; kx++) {
            const int x = ox * c.stride[1] - c.pad[1] + kx * c.dilation[1];
            if (y < 0 || y >= c.in_height || x < 0 || x >= c.in_width) {
                w += (size_t)in_group * c.out_channels;
                continue;
            }
            const uint8_t *from = in + ((long long)y * c.in_width + x) * c.in_pixel;
            for (int k = 0; k < in_group; k++, w += c.out_channels)
                sum += (from[k] - c.in_number.zero) * *w;
        }
    }
    float v = activate(c.act, c.slope, fmaf((float)sum, c.scales[o], c.bias[o]));
    if (c.residual)
        v += real(c.residual_type, c.residual_number, c.residual, pixel * c.residual_pixel + o);
    const long long at = pixel * c.out_pixel + o;
    if (c.out_type == YK_CUDA_BYTE)
        ((uint8_t *)c.out)[at] = (uint8_t)to_byte(c.out_number, v);
    else if (c.out_type == YK_CUDA_HALF)
        store((__half *)c.out + at, v);
    else
        store((float *)c.out + at, v);
}

static bool direct_fits(const yk_cuda_conv *c)
{
    return c->int8 && c->in_type == YK_CUDA_BYTE;
}

static size_t direct_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * (c->in_channels / c->groups) * c->kernel[0] * c->kernel[1];
}

/* Output channels side by side, as the threads of a warp read them. */
static void direct_pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    const int in = c->in_channels / c->groups, taps = c->kernel[0] * c->kernel[1];
    int8_t *out = (int8_t *)to;
    for (int k = 0; k < taps; k++) {
        for (int i = 0; i < in; i++) {
            for (int o = 0; o < c->out_channels; o++)
                *out++ = ((const int8_t *)weights)[((size_t)o * in + i) * taps + k];
        }
    }
}

static cudaError_t direct_run(const yk_cuda_conv *c, cudaStream_t stream)
{
    const long long count = (long long)c->batch * c->out_height * c->out_width * c->out_channels;
    direct<<<blocks_for(count, 256), 256, 0, stream>>>(*c, count);
    return cudaGetLastError();
}

static double products(const yk_cuda_conv *c)
{
    return (double)c->batch * c->out_height * c->out_width * c->out_channels * (c->in_channels / c->groups) *
           c->kernel[0] * c->kernel[1];
}

static double direct_cost(const yk_cuda_conv *c, int processors)
{
    return 2000 + products(c) / processors;
}

static double depthwise_cost(const yk_cuda_conv *c, int processors)
{
    return 1000 + products(c) / processors / 16;
}

extern "C" {
extern const yk_cuda_conv_kernel yk_cuda_int8_stem = {"int8 stem", stem_fits, stem_bytes, stem_pack, stem_run, stem_cost};
extern const yk_cuda_conv_kernel yk_cuda_int8_depthwise = {
    "int8 depthwise", depthwise_fits, depthwise_bytes, depthwise_pack, depthwise_run, depthwise_cost};
extern const yk_cuda_conv_kernel yk_cuda_int8_direct = {"int8 direct", direct_fits, direct_bytes, direct_pack, direct_run,
                                                        direct_cost};
}
