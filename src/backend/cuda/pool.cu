/* Pooling and resizing: a thread for each element of the result, or for 8 channels where they lie side by side. */
#include "backend/cuda/device.cuh"

struct window {
    int kernel[2], stride[2], pad[2], dilation[2];
    int channels, in_height, in_width, out_height, out_width;
    int in[4], out[4]; /* strides */
    bool mean, count_padding;
    int padded[2]; /* height and width with the padding, for means that count it */
};

/* N x C x H x W indexes of element `i`, of which there are `channels` in each pixel. */
struct place {
    int n, c, y, x;
};

static __device__ __forceinline__ place find(long long i, int channels, int height, int width)
{
    place p;
    p.c = (int)(i % channels);
    i /= channels;
    p.x = (int)(i % width);
    i /= width;
    p.y = (int)(i % height);
    p.n = (int)(i / height);
    return p;
}

template <typename T>
__global__ void __launch_bounds__(256) pool(const T *in, T *out, const __grid_constant__ window w, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const place p = find(i, w.channels, w.out_height, w.out_width);
    in += (long long)p.n * w.in[0] + (long long)p.c * w.in[1];
    float most = -INFINITY, sum = 0;
    int used = 0;
    for (int ky = 0; ky < w.kernel[0]; ky++) {
        const int y = p.y * w.stride[0] - w.pad[0] + ky * w.dilation[0];
        for (int kx = 0; kx < w.kernel[1]; kx++) {
            const int x = p.x * w.stride[1] - w.pad[1] + kx * w.dilation[1];
            if (y < 0 || y >= w.in_height || x < 0 || x >= w.in_width) {
                used += w.count_padding && y < w.padded[0] && x < w.padded[1];
                continue;
            }
            const float v = load(in + (long long)y * w.in[2] + (long long)x * w.in[3]);
            most = fmaxf(most, v);
            sum += v;
            used++;
        }
    }
    store(out + (long long)p.n * w.out[0] + (long long)p.c * w.out[1] + (long long)p.y * w.out[2] +
              (long long)p.x * w.out[3],
          w.mean ? sum / used : most);
}

/* The largest of 16 bytes of halves or of bytes each. */
template <typename T> struct largest;

template <> struct largest<__half> {
    __half2 most[4];

    __device__ __forceinline__ largest()
    {
        most[0] = most[1] = most[2] = most[3] = __float2half2_rn(-INFINITY);
    }

    __device__ __forceinline__ void take(uint4 bits)
    {
        chunk v;
        v.bits = bits;
#pragma unroll
        for (int k = 0; k < 4; k++)
            most[k] = __hmax2(most[k], v.pairs[k]);
    }

    __device__ __forceinline__ uint4 result() const
    {
        chunk v;
#pragma unroll
        for (int k = 0; k < 4; k++)
            v.pairs[k] = most[k];
        return v.bits;
    }
};

/* Bytes are ordered as the smallest halves are that have the same bits: every other byte of a word is one half of two.
 */
template <> struct largest<uint8_t> {
    __half2 even[4], odd[4];

    __device__ __forceinline__ largest()
    {
#pragma unroll
        for (int k = 0; k < 4; k++)
            even[k] = odd[k] = __half2();
    }

    static __device__ __forceinline__ __half2 pair(uint32_t word)
    {
        return *(const __half2 *)&word;
    }

    __device__ __forceinline__ void take(uint4 bits)
    {
        const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            even[k] = __hmax2(even[k], pair(words[k] & 0x00ff00ffu));
            odd[k] = __hmax2(odd[k], pair(__byte_perm(words[k], 0, 0x4341)));
        }
    }

    __device__ __forceinline__ uint4 result() const
    {
        uint32_t words[4];
#pragma unroll
        for (int k = 0; k < 4; k++)
            words[k] = *(const uint32_t *)&even[k] | *(const uint32_t *)&odd[k] << 8;
        return make_uint4(words[0], words[1], words[2], words[3]);
    }
};

/* The largest of 16 bytes of channels at once. */
template <typename T>
__global__ void __launch_bounds__(128)
    max_chunks(const T *in, T *out, const __grid_constant__ window w, long long count)
{
    const int per_chunk = 16 / sizeof(T);
    const long long i = (long long)blockIdx.x * 128 + threadIdx.x;
    if (i >= count)
        return;
    const place p = find(i, w.channels / per_chunk, w.out_height, w.out_width);
    in += (long long)p.n * w.in[0] + p.c * per_chunk;
    largest<T> most;
    /* What lies outside is taken from the edge instead, which is in the window anyway: so no load waits for another. */
    for (int ky = 0; ky < w.kernel[0]; ky++) {
        int y = p.y * w.stride[0] - w.pad[0] + ky * w.dilation[0];
        y = w.dilation[0] == 1 ? min(max(y, 0), w.in_height - 1) : y;
        if (y < 0 || y >= w.in_height)
            continue;
#pragma unroll 5
        for (int kx = 0; kx < w.kernel[1]; kx++) {
            int x = p.x * w.stride[1] - w.pad[1] + kx * w.dilation[1];
            x = w.dilation[1] == 1 ? min(max(x, 0), w.in_width - 1) : x;
            if (x < 0 || x >= w.in_width)
                continue;
            most.take(__ldg((const uint4 *)(in + (long long)y * w.in[2] + (long long)x * w.in[3])));
        }
    }
    out += (long long)p.n * w.out[0] + (long long)p.y * w.out[2] + (long long)p.x * w.out[3] + p.c * per_chunk;
    *(uint4 *)out = most.result();
}

template <typename T>
static void launch_pool(const yk_cuda_view *in, const yk_cuda_view *out, const window &w, cudaStream_t stream)
{
    const long long count = count_of(out);
    pool<<<blocks_for(count, 256), 256, 0, stream>>>((const T *)in->data, (T *)out->data, w, count);
}

template <typename T>
static void launch_max(const yk_cuda_view *in, const yk_cuda_view *out, const window &w, cudaStream_t stream)
{
    const long long count = count_of(out) / chunk_of(out);
    max_chunks<<<blocks_for(count, 128), 128, 0, stream>>>((const T *)in->data, (T *)out->data, w, count);
}

extern "C" cudaError_t yk_cuda_pool(yk_op op, const yk_attrs *a, const yk_cuda_view *in, const yk_cuda_view *out,
                                    cudaStream_t stream)
{
    window w = {};
    const bool whole = op == YK_OP_GLOBAL_AVERAGE_POOL;
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = whole ? in->dims[2 + i] : a->kernel[i];
        w.stride[i] = whole || a->stride[i] == 0 ? 1 : a->stride[i];
        w.pad[i] = whole ? 0 : a->pads[i];
        w.dilation[i] = whole || a->dilation[i] == 0 ? 1 : a->dilation[i];
        w.padded[i] = in->dims[2 + i] + (whole ? 0 : a->pads[2 + i]);
    }
    for (int i = 0; i < 4; i++) {
        w.in[i] = in->strides[i];
        w.out[i] = out->strides[i];
    }
    w.channels = in->dims[1];
    w.in_height = in->dims[2];
    w.in_width = in->dims[3];
    w.out_height = out->dims[2];
    w.out_width = out->dims[3];
    w.mean = op != YK_OP_MAX_POOL;
    w.count_padding = a->count_include_pad != 0;
    if (count_of(out) == 0)
        return cudaSuccess;
    if (in->type != out->type || (in->type == YK_CUDA_BYTE && w.mean))
        return cudaErrorInvalidValue;
    if (!w.mean && have_chunks(in, out) && in->type == YK_CUDA_HALF)
        launch_max<__half>(in, out, w, stream);
    else if (!w.mean && have_chunks(in, out))
        launch_max<uint8_t>(in, out, w, stream);
    else if (in->type == YK_CUDA_HALF)
        launch_pool<__half>(in, out, w, stream);
    else if (in->type == YK_CUDA_BYTE)
        launch_pool<uint8_t>(in, out, w, stream);
    else
        launch_pool<float>(in, out, w, stream);
    return cudaGetLastError();
}

/* ---- resizing ---- */

struct scaling {
    int channels, in_height, in_width, out_height, out_width;
    int in[4], out[4];
    float scale[2]; /* out over in */
    int mode;       /* attrs.coordinate_mode */
    bool linear;
};

static __device__ float coordinate(int i, float scale, int in, int out, int mode)
{
    switch (mode) {
    case 1:
        return (i + 0.5f) / scale - 0.5f;
    case 2:
        return out == 1 ? 0 : (float)i * (in - 1) / (out - 1);
    case 3:
        return out == 1 ? 0 : (i + 0.5f) / scale - 0.5f;
    default:
        return i / scale;
    }
}

/* Of a coordinate: floor when asymmetric, else to the nearest, halves down. */
static __device__ int nearest(float x, int size, int mode)
{
    const int i = (int)(mode == 0 ? floorf(x) : ceilf(x - 0.5f));
    return min(max(i, 0), size - 1);
}

template <typename T>
__global__ void __launch_bounds__(256) resize(const T *in, T *out, const __grid_constant__ scaling s, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const place p = find(i, s.channels, s.out_height, s.out_width);
    const float fy = coordinate(p.y, s.scale[0], s.in_height, s.out_height, s.mode);
    const float fx = coordinate(p.x, s.scale[1], s.in_width, s.out_width, s.mode);
    in += (long long)p.n * s.in[0] + (long long)p.c * s.in[1];
    float v;
    if (s.linear) {
        const float cy = fminf(fmaxf(fy, 0.0f), (float)(s.in_height - 1)),
                    cx = fminf(fmaxf(fx, 0.0f), (float)(s.in_width - 1));
        const int y0 = (int)cy, x0 = (int)cx, y1 = min(y0 + 1, s.in_height - 1), x1 = min(x0 + 1, s.in_width - 1);
        const float wy = cy - y0, wx = cx - x0;
        const float a = load(in + (long long)y0 * s.in[2] + (long long)x0 * s.in[3]);
        const float b = load(in + (long long)y0 * s.in[2] + (long long)x1 * s.in[3]);
        const float c = load(in + (long long)y1 * s.in[2] + (long long)x0 * s.in[3]);
        const float d = load(in + (long long)y1 * s.in[2] + (long long)x1 * s.in[3]);
        v = (a * (1 - wx) + b * wx) * (1 - wy) + (c * (1 - wx) + d * wx) * wy;
    } else {
        v = load(in + (long long)nearest(fy, s.in_height, s.mode) * s.in[2] +
                 (long long)nearest(fx, s.in_width, s.mode) * s.in[3]);
    }
    store(out + (long long)p.n * s.out[0] + (long long)p.c * s.out[1] + (long long)p.y * s.out[2] +
              (long long)p.x * s.out[3],
          v);
}

/* 16 bytes at a time; channels and strides are counted by them. */
__global__ void __launch_bounds__(128)
    resize_chunks(const uint4 *in, uint4 *out, const __grid_constant__ scaling s, long long count)
{
    const long long i = (long long)blockIdx.x * 128 + threadIdx.x;
    if (i >= count)
        return;
    const place p = find(i, s.channels, s.out_height, s.out_width);
    const int y = nearest(coordinate(p.y, s.scale[0], s.in_height, s.out_height, s.mode), s.in_height, s.mode);
    const int x = nearest(coordinate(p.x, s.scale[1], s.in_width, s.out_width, s.mode), s.in_width, s.mode);
    out[(long long)p.n * s.out[0] + (long long)p.y * s.out[2] + (long long)p.x * s.out[3] + p.c] =
        in[(long long)p.n * s.in[0] + (long long)y * s.in[2] + (long long)x * s.in[3] + p.c];
}

template <typename T>
static void launch_resize(const yk_cuda_view *in, const yk_cuda_view *out, const scaling &s, cudaStream_t stream)
{
    const long long count = count_of(out);
    resize<<<blocks_for(count, 256), 256, 0, stream>>>((const T *)in->data, (T *)out->data, s, count);
}

extern "C" cudaError_t yk_cuda_resize(const yk_attrs *a, const yk_cuda_view *in, const yk_cuda_view *out,
                                      cudaStream_t stream)
{
    scaling s = {};
    for (int i = 0; i < 4; i++) {
        s.in[i] = in->strides[i];
        s.out[i] = out->strides[i];
    }
    s.channels = in->dims[1];
    s.in_height = in->dims[2];
    s.in_width = in->dims[3];
    s.out_height = out->dims[2];
    s.out_width = out->dims[3];
    s.scale[0] = a->size_h > 0 ? (float)s.out_height / (float)s.in_height : a->scale_h;
    s.scale[1] = a->size_w > 0 ? (float)s.out_width / (float)s.in_width : a->scale_w;
    s.mode = a->coordinate_mode;
    s.linear = a->linear != 0;
    if (count_of(out) == 0)
        return cudaSuccess;
    if (in->type != out->type || (in->type == YK_CUDA_BYTE && s.linear))
        return cudaErrorInvalidValue;
    if (!s.linear && have_chunks(in, out)) {
        const int chunk = chunk_of(in);
        const long long count = count_of(out) / chunk;
        s.channels /= chunk;
        for (int i = 0; i < 4; i++) {
            s.in[i] /= chunk;
            s.out[i] /= chunk;
        }
        resize_chunks<<<blocks_for(count, 128), 128, 0, stream>>>((const uint4 *)in->data, (uint4 *)out->data, s,
                                                                  count);
    } else if (in->type == YK_CUDA_HALF) {
        launch_resize<__half>(in, out, s, stream);
    } else if (in->type == YK_CUDA_BYTE) {
        launch_resize<uint8_t>(in, out, s, stream);
    } else {
        launch_resize<float>(in, out, s, stream);
    }
    return cudaGetLastError();
}
