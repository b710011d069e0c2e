/* Matrix products of views, softmax and sums along a dimension: what of a network is left beside convolutions and fused
 * attention, which is little, so these are simple. */
#include "backend/cuda/device.cuh"

/* The place of row `i` of a view, over all but the last `inner` dimensions. */
struct outer {
    int rank; /* of the outer dimensions */
    int dims[YK_MAX_RANK];
};

static __device__ long long row_place(const outer &o, const int *strides, long long i)
{
    long long at = 0;
    for (int d = o.rank - 1; d >= 0; d--) {
        at += i % o.dims[d] * strides[d];
        i /= o.dims[d];
    }
    return at;
}

struct rows_of {
    outer o;
    int in[YK_MAX_RANK], out[YK_MAX_RANK]; /* strides */
    int length, in_step, out_step;
};

static long long describe_rows(const yk_cuda_view *in, const yk_cuda_view *out, rows_of *r)
{
    long long count = 1;
    r->o.rank = in->rank - 1;
    for (int d = 0; d < r->o.rank; d++) {
        r->o.dims[d] = in->dims[d];
        r->in[d] = in->strides[d];
        r->out[d] = out->strides[d];
        count *= in->dims[d];
    }
    r->length = in->dims[in->rank - 1];
    r->in_step = in->strides[in->rank - 1];
    r->out_step = out->strides[out->rank - 1];
    return count;
}

static __device__ float over_warp(float x, bool sum)
{
    for (int i = 16; i > 0; i /= 2) {
        const float other = __shfl_xor_sync(~0u, x, i);
        x = sum ? x + other : fmaxf(x, other);
    }
    return x;
}

/* A warp for each row. */
template <typename T>
__global__ void __launch_bounds__(128) softmax(const T *in, T *out, const __grid_constant__ rows_of r, long long count)
{
    const long long row = (long long)blockIdx.x * 4 + threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    if (row >= count)
        return;
    in += row_place(r.o, r.in, row);
    out += row_place(r.o, r.out, row);
    float most = -INFINITY, sum = 0;
    for (int i = lane; i < r.length; i += 32)
        most = fmaxf(most, load(in + (long long)i * r.in_step));
    most = over_warp(most, false);
    for (int i = lane; i < r.length; i += 32)
        sum += expf(load(in + (long long)i * r.in_step) - most);
    sum = over_warp(sum, true);
    for (int i = lane; i < r.length; i += 32)
        store(out + (long long)i * r.out_step, expf(load(in + (long long)i * r.in_step) - most) / sum);
}

extern "C" cudaError_t yk_cuda_softmax(const yk_cuda_view *in, const yk_cuda_view *out, cudaStream_t stream)
{
    rows_of r;
    const long long count = describe_rows(in, out, &r);
    if (count == 0)
        return cudaSuccess;
    if (in->type != out->type || in->type == YK_CUDA_BYTE)
        return cudaErrorInvalidValue;
    if (in->type == YK_CUDA_HALF)
        softmax<<<blocks_for(count, 4), 128, 0, stream>>>((const __half *)in->data, (__half *)out->data, r, count);
    else
        softmax<<<blocks_for(count, 4), 128, 0, stream>>>((const float *)in->data, (float *)out->data, r, count);
    return cudaGetLastError();
}

template <typename T>
__global__ void __launch_bounds__(128)
    reduce(const T *in, T *out, const __grid_constant__ rows_of r, yk_op op, long long count)
{
    const long long row = (long long)blockIdx.x * 4 + threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    if (row >= count)
        return;
    in += row_place(r.o, r.in, row);
    out += row_place(r.o, r.out, row);
    const bool sums = op == YK_OP_REDUCE_SUM || op == YK_OP_REDUCE_MEAN;
    const float sign = op == YK_OP_REDUCE_MIN ? -1 : 1;
    float x = sums ? 0 : -INFINITY;
    for (int i = lane; i < r.length; i += 32) {
        const float v = load(in + (long long)i * r.in_step);
        x = sums ? x + v : fmaxf(x, sign * v);
    }
    x = over_warp(x, sums);
    if (lane == 0)
        store(out, op == YK_OP_REDUCE_MEAN ? x / r.length : sign * x);
}

extern "C" cudaError_t yk_cuda_reduce(yk_op op, const yk_cuda_view *in, const yk_cuda_view *out, cudaStream_t stream)
{
    rows_of r;
    const long long count = describe_rows(in, out, &r);
    if (count == 0)
        return cudaSuccess;
    if (in->type != out->type || in->type == YK_CUDA_BYTE)
        return cudaErrorInvalidValue;
    if (in->type == YK_CUDA_HALF)
        reduce<<<blocks_for(count, 4), 128, 0, stream>>>((const __half *)in->data, (__half *)out->data, r, op, count);
    else
        reduce<<<blocks_for(count, 4), 128, 0, stream>>>((const float *)in->data, (float *)out->data, r, op, count);
    return cudaGetLastError();
}

/* ---- matrix products ---- */

struct product {
    outer o;
    int a[YK_MAX_RANK], b[YK_MAX_RANK], out[YK_MAX_RANK]; /* outer strides */
    int m, n, k;
    int a_m, a_k, b_k, b_n, out_m, out_n;
};

enum { TILE = 32 };

/* 32 x 32 of the result by 8 x 32 threads, four rows each. */
template <typename A, typename B, typename OUT>
__global__ void __launch_bounds__(256) matmul(const A *a, const B *b, OUT *out, const __grid_constant__ product p)
{
    __shared__ float left[TILE][TILE + 1], right[TILE][TILE + 1];
    const int column = threadIdx.x % TILE, row = threadIdx.x / TILE;
    const int first_m = blockIdx.y * TILE, first_n = blockIdx.x * TILE;
    a += row_place(p.o, p.a, blockIdx.z);
    b += row_place(p.o, p.b, blockIdx.z);
    out += row_place(p.o, p.out, blockIdx.z);
    float sums[4] = {};
    for (int k = 0; k < p.k; k += TILE) {
#pragma unroll
        for (int i = 0; i < TILE; i += 8) {
            /* Along whichever dimension lies side by side. */
            const int am = p.a_k == 1 ? row + i : column, ak = p.a_k == 1 ? column : row + i;
            const int bk = p.b_n == 1 ? row + i : column, bn = p.b_n == 1 ? column : row + i;
            left[am][ak] = first_m + am < p.m && k + ak < p.k
                               ? load(a + (long long)(first_m + am) * p.a_m + (long long)(k + ak) * p.a_k)
                               : 0;
            right[bk][bn] = k + bk < p.k && first_n + bn < p.n
                                ? load(b + (long long)(k + bk) * p.b_k + (long long)(first_n + bn) * p.b_n)
                                : 0;
        }
        __syncthreads();
#pragma unroll
        for (int s = 0; s < TILE; s++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                sums[i] += left[row + 8 * i][s] * right[s][column];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int m = first_m + row + 8 * i, n = first_n + column;
        if (m < p.m && n < p.n)
            store(out + (long long)m * p.out_m + (long long)n * p.out_n, sums[i]);
    }
}

template <typename A, typename B>
static cudaError_t matmul_as(const yk_cuda_view *a, const yk_cuda_view *b, const yk_cuda_view *out, const product *p,
                             dim3 blocks, cudaStream_t stream)
{
    if (out->type == YK_CUDA_HALF)
        matmul<<<blocks, 256, 0, stream>>>((const A *)a->data, (const B *)b->data, (__half *)out->data, *p);
    else
        matmul<<<blocks, 256, 0, stream>>>((const A *)a->data, (const B *)b->data, (float *)out->data, *p);
    return cudaGetLastError();
}

extern "C" cudaError_t yk_cuda_matmul(const yk_cuda_view *a, const yk_cuda_view *b, const yk_cuda_view *out,
                                      cudaStream_t stream)
{
    product p;
    long long batches = 1;
    const int r = out->rank;
    p.o.rank = r - 2;
    for (int d = 0; d < r - 2; d++) {
        p.o.dims[d] = out->dims[d];
        p.a[d] = a->strides[d];
        p.b[d] = b->strides[d];
        p.out[d] = out->strides[d];
        batches *= out->dims[d];
    }
    p.m = out->dims[r - 2];
    p.n = out->dims[r - 1];
    p.k = a->dims[r - 1];
    p.a_m = a->strides[r - 2];
    p.a_k = a->strides[r - 1];
    p.b_k = b->strides[r - 2];
    p.b_n = b->strides[r - 1];
    p.out_m = out->strides[r - 2];
    p.out_n = out->strides[r - 1];
    const dim3 blocks(blocks_for(p.n, TILE), blocks_for(p.m, TILE), (unsigned)batches);
    if (batches == 0 || p.m == 0 || p.n == 0)
        return cudaSuccess;
    if (batches > 65535 || blocks.y > 65535)
        return cudaErrorInvalidValue;
    if (a->type == YK_CUDA_HALF && b->type == YK_CUDA_HALF)
        return matmul_as<__half, __half>(a, b, out, &p, blocks, stream);
    if (a->type == YK_CUDA_HALF)
        return matmul_as<__half, float>(a, b, out, &p, blocks, stream);
    if (b->type == YK_CUDA_HALF)
        return matmul_as<float, __half>(a, b, out, &p, blocks, stream);
    return matmul_as<float, float>(a, b, out, &p, blocks, stream);
}

/* ---- transposed convolutions: each element of the result gathers what would have been spread to it ---- */

struct spread {
    int kernel[2], stride[2], pad[2], dilation[2], groups;
    int in_channels, in_height, in_width, out_channels, out_height, out_width;
    int in[4], out[4];
    yk_act act;
    float slope;
};

template <typename T>
__global__ void __launch_bounds__(256)
    transposed(const T *in, const float *weights, const float *bias, T *out, const __grid_constant__ spread s, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const int o = (int)(i % s.out_channels), x = (int)(i / s.out_channels % s.out_width);
    const int y = (int)(i / s.out_channels / s.out_width % s.out_height);
    const long long n = i / s.out_channels / s.out_width / s.out_height;
    const int per_group = s.in_channels / s.groups, outs = s.out_channels / s.groups, first = o / outs * per_group;
    float sum = bias ? bias[o] : 0;
    for (int ky = 0; ky < s.kernel[0]; ky++) {
        const int from_y = y + s.pad[0] - ky * s.dilation[0];
        if (from_y < 0 || from_y % s.stride[0] != 0 || from_y / s.stride[0] >= s.in_height)
            continue;
        for (int kx = 0; kx < s.kernel[1]; kx++) {
            const int from_x = x + s.pad[1] - kx * s.dilation[1];
            if (from_x < 0 || from_x % s.stride[1] != 0 || from_x / s.stride[1] >= s.in_width)
                continue;
            const T *p = in + n * s.in[0] + (long long)first * s.in[1] + (long long)(from_y / s.stride[0]) * s.in[2] +
                         (long long)(from_x / s.stride[1]) * s.in[3];
            const float *w = weights + (((size_t)first * outs + o % outs) * s.kernel[0] + ky) * s.kernel[1] + kx;
            for (int c = 0; c < per_group; c++)
                sum += load(p + (long long)c * s.in[1]) * w[(size_t)c * outs * s.kernel[0] * s.kernel[1]];
        }
    }
    store(out + n * s.out[0] + (long long)o * s.out[1] + (long long)y * s.out[2] + (long long)x * s.out[3],
          activate(s.act, s.slope, sum));
}

extern "C" cudaError_t yk_cuda_conv_transpose(const yk_attrs *a, const yk_cuda_view *in, const float *weights,
                                              const float *bias, const yk_cuda_view *out, cudaStream_t stream)
{
    spread s = {};
    for (int i = 0; i < 2; i++) {
        s.kernel[i] = a->kernel[i];
        s.stride[i] = a->stride[i];
        s.pad[i] = a->pads[i];
        s.dilation[i] = a->dilation[i];
    }
    for (int i = 0; i < 4; i++) {
        s.in[i] = in->strides[i];
        s.out[i] = out->strides[i];
    }
    s.groups = a->groups;
    s.in_channels = in->dims[1];
    s.in_height = in->dims[2];
    s.in_width = in->dims[3];
    s.out_channels = out->dims[1];
    s.out_height = out->dims[2];
    s.out_width = out->dims[3];
    s.act = a->act;
    s.slope = a->alpha;
    const long long count = (long long)out->dims[0] * out->dims[1] * out->dims[2] * out->dims[3];
    if (count == 0)
        return cudaSuccess;
    if (in->type != out->type || in->type == YK_CUDA_BYTE)
        return cudaErrorInvalidValue;
    if (in->type == YK_CUDA_HALF)
        transposed<<<blocks_for(count, 256), 256, 0, stream>>>((const __half *)in->data, weights, bias,
                                                               (__half *)out->data, s, count);
    else
        transposed<<<blocks_for(count, 256), 256, 0, stream>>>((const float *)in->data, weights, bias,
                                                               (float *)out->data, s, count);
    return cudaGetLastError();
}
