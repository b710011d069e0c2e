/* 8-bit convolutions that are no matrix products: depthwise ones, any other one. */
#include "backend/cuda/int8.cuh"

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
    const long long count = (long long)c->batch * c->out_height * ((c->out_width + P - 1) / P) * (c->out_channels / 8);
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
extern const yk_cuda_conv_kernel yk_cuda_int8_depthwise = {"int8 depthwise", depthwise_fits, depthwise_bytes,
                                                           depthwise_pack,   depthwise_run,  depthwise_cost};
extern const yk_cuda_conv_kernel yk_cuda_int8_direct = {"int8 direct", direct_fits, direct_bytes,
                                                        direct_pack,   direct_run,  direct_cost};
}
