/* Convolutions that are no matrix products: depthwise ones, and any other one by plain sums. */
#include "backend/cuda/device.cuh"

/* ---- any convolution: a thread for each element of the result ---- */

template <typename IN, typename OUT>
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
    const IN *in = (const IN *)c.in + n * c.in_height * c.in_width * c.in_pixel + group * in_group;
    const float *w = (const float *)c.weights + o;
    float sum = 0;
    for (int ky = 0; ky < c.kernel[0]; ky++) {
        const int y = oy * c.stride[0] - c.pad[0] + ky * c.dilation[0];
        for (int kx = 0; kx < c.kernel[1]; kx++) {
            const int x = ox * c.stride[1] - c.pad[1] + kx * c.dilation[1];
            if (y < 0 || y >= c.in_height || x < 0 || x >= c.in_width) {
                w += (size_t)in_group * c.out_channels;
                continue;
            }
            const IN *from = in + ((long long)y * c.in_width + x) * c.in_pixel;
            for (int k = 0; k < in_group; k++, w += c.out_channels)
                sum += load(from + k) * *w;
        }
    }
    sum = activate(c.act, c.slope, sum * c.scale + c.bias[o]);
    if (c.residual)
        sum += load((const OUT *)c.residual + pixel * c.residual_pixel + o);
    store((OUT *)c.out + pixel * c.out_pixel + o, sum);
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

static double simple_cost(const yk_cuda_conv *c, int processors)
{
    return 1000 + products(c) / processors / 16;
}

static bool direct_fits(const yk_cuda_conv *c)
{
    return !c->int8 && c->out_type != YK_CUDA_BYTE && (c->in_type == c->out_type || c->in_type == YK_CUDA_BYTE);
}

static size_t direct_bytes(const yk_cuda_conv *c)
{
    return (size_t)c->out_channels * (c->in_channels / c->groups) * c->kernel[0] * c->kernel[1] * sizeof(float);
}

/* Output channels side by side, as the threads of a warp read them. */
static void direct_pack(const yk_cuda_conv *c, const void *weights, void *to)
{
    const int in = c->in_channels / c->groups, taps = c->kernel[0] * c->kernel[1];
    float *out = (float *)to;
    for (int k = 0; k < taps; k++) {
        for (int i = 0; i < in; i++) {
            for (int o = 0; o < c->out_channels; o++)
                *out++ = ((const float *)weights)[((size_t)o * in + i) * taps + k];
        }
    }
}

static cudaError_t direct_run(const yk_cuda_conv *c, cudaStream_t stream)
{
    const long long count = (long long)c->batch * c->out_height * c->out_width * c->out_channels;
    const unsigned blocks = blocks_for(count, 256);
    if (c->in_type == YK_CUDA_BYTE && c->out_type == YK_CUDA_HALF)
        direct<uint8_t, __half><<<blocks, 256, 0, stream>>>(*c, count);
    else if (c->in_type == YK_CUDA_BYTE)
        direct<uint8_t, float><<<blocks, 256, 0, stream>>>(*c, count);
    else if (c->in_type == YK_CUDA_HALF)
        direct<__half, __half><<<blocks, 256, 0, stream>>>(*c, count);
    else
        direct<float, float><<<blocks, 256, 0, stream>>>(*c, count);
    return cudaGetLastError();
}

/* ---- depthwise: a thread for 8 channels of some neighbours in a row ---- */

template <int K, int S, int PIXELS>
__global__ void __launch_bounds__(128) depthwise(const __grid_constant__ yk_cuda_conv c, long long count)
{
    const long long i = (long long)blockIdx.x * 128 + threadIdx.x;
    if (i >= count)
        return;
    const int chunks = c.out_channels / 8, per_row = (c.out_width + PIXELS - 1) / PIXELS;
    const int channel = (int)(i % chunks) * 8;
    const long long strip = i / chunks;
    const int ox = (int)(strip % per_row) * PIXELS, oy = (int)(strip / per_row % c.out_height);
    const long long n = strip / per_row / c.out_height;
    const __half *in = (const __half *)c.in + n * c.in_height * c.in_width * c.in_pixel + channel;
    float sums[PIXELS][8] = {};
    constexpr int columns = (PIXELS - 1) * S + K;
#pragma unroll
    for (int ky = 0; ky < K; ky++) {
        const int y = oy * S - c.pad[0] + ky;
        if (y < 0 || y >= c.in_height)
            continue;
        float w[K][8];
#pragma unroll
        for (int kx = 0; kx < K; kx++) {
            const float4 *from = (const float4 *)((const float *)c.weights + (ky * K + kx) * c.out_channels + channel);
            const float4 a = __ldg(from), b = __ldg(from + 1);
            w[kx][0] = a.x, w[kx][1] = a.y, w[kx][2] = a.z, w[kx][3] = a.w;
            w[kx][4] = b.x, w[kx][5] = b.y, w[kx][6] = b.z, w[kx][7] = b.w;
        }
        /* All of a line before the first is used, so that their ways from memory overlap. */
        chunk line[columns];
#pragma unroll
        for (int column = 0; column < columns; column++) {
            const int x = ox * S - c.pad[1] + column;
            line[column].bits = make_uint4(0, 0, 0, 0);
            if (x >= 0 && x < c.in_width)
                line[column].bits = __ldg((const uint4 *)(in + ((long long)y * c.in_width + x) * c.in_pixel));
        }
#pragma unroll
        for (int column = 0; column < columns; column++) {
#pragma unroll
            for (int p = 0; p < PIXELS; p++) {
                const int kx = column - p * S;
                if (kx < 0 || kx >= K)
                    continue;
#pragma unroll
                for (int k = 0; k < 8; k++)
                    sums[p][k] += __half2float(line[column].halves[k]) * w[kx][k];
            }
        }
    }
    const float4 b0 = __ldg((const float4 *)(c.bias + channel)), b1 = __ldg((const float4 *)(c.bias + channel) + 1);
    const float bias[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
    with_activation(c.act, c.slope, [&](auto activation) {
#pragma unroll
        for (int p = 0; p < PIXELS; p++) {
            if (ox + p >= c.out_width)
                break;
            const long long pixel = (n * c.out_height + oy) * c.out_width + ox + p;
            chunk v;
#pragma unroll
            for (int k = 0; k < 4; k++)
                v.pairs[k] = to_halves(activation(sums[p][2 * k] + bias[2 * k]),
                                       activation(sums[p][2 * k + 1] + bias[2 * k + 1]));
            if (c.residual) {
                chunk r;
                r.bits = *(const uint4 *)((const __half *)c.residual + pixel * c.residual_pixel + channel);
#pragma unroll
                for (int k = 0; k < 4; k++)
                    v.pairs[k] = add_halves(v.pairs[k], r.pairs[k]);
            }
            *(uint4 *)((__half *)c.out + pixel * c.out_pixel + channel) = v.bits;
        }
    });
}

static bool depthwise_fits(const yk_cuda_conv *c)
{
    return c->in_type == YK_CUDA_HALF && c->out_type == YK_CUDA_HALF && c->groups == c->in_channels &&
           c->groups == c->out_channels && c->groups % 8 == 0 && c->kernel[0] == c->kernel[1] &&
           (c->kernel[0] == 3 || c->kernel[0] == 5 || c->kernel[0] == 7) && c->stride[0] == c->stride[1] &&
           (c->stride[0] == 1 || c->stride[0] == 2) && c->dilation[0] == 1 && c->dilation[1] == 1 &&
           is_aligned(c->in, c->in_pixel) && is_aligned(c->out, c->out_pixel) &&
           (!c->residual || is_aligned(c->residual, c->residual_pixel));
}

template <int PIXELS> static cudaError_t depthwise_run(const yk_cuda_conv *c, cudaStream_t stream)
{
    const long long count = (long long)c->batch * c->out_height * ((c->out_width + PIXELS - 1) / PIXELS) *
                            (c->out_channels / 8);
    const unsigned blocks = blocks_for(count, 128);
    switch (c->kernel[0] * 10 + c->stride[0]) {
    case 31:
        depthwise<3, 1, PIXELS><<<blocks, 128, 0, stream>>>(*c, count);
        break;
    case 32:
        depthwise<3, 2, PIXELS><<<blocks, 128, 0, stream>>>(*c, count);
        break;
    case 51:
        depthwise<5, 1, PIXELS><<<blocks, 128, 0, stream>>>(*c, count);
        break;
    case 52:
        depthwise<5, 2, PIXELS><<<blocks, 128, 0, stream>>>(*c, count);
        break;
    case 71:
        depthwise<7, 1, PIXELS><<<blocks, 128, 0, stream>>>(*c, count);
        break;
    default:
        depthwise<7, 2, PIXELS><<<blocks, 128, 0, stream>>>(*c, count);
    }
    return cudaGetLastError();
}

/* All of them lay weights out in the same way: with one input channel a group, that is taps by channels. */
extern "C" {
extern const yk_cuda_conv_kernel yk_cuda_direct = {"direct", direct_fits, direct_bytes, direct_pack, direct_run,
                                                   direct_cost};
extern const yk_cuda_conv_kernel yk_cuda_depthwise1 = {"depthwise 1", depthwise_fits, direct_bytes, direct_pack,
                                                       depthwise_run<1>, simple_cost};
extern const yk_cuda_conv_kernel yk_cuda_depthwise2 = {
    "depthwise 2", depthwise_fits, direct_bytes, direct_pack, depthwise_run<2>, simple_cost};
extern const yk_cuda_conv_kernel yk_cuda_depthwise4 = {"depthwise 4", depthwise_fits, direct_bytes, direct_pack,
                                                       depthwise_run<4>, simple_cost};
}
