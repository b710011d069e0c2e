/* Copies between layouts and types, and operators on one or two elements at a time. */
#include "backend/cuda/int8.cuh"

#define TYPES(call)                                                                                                    \
    do {                                                                                                               \
        if (in->type == YK_CUDA_HALF && out->type == YK_CUDA_HALF)                                                     \
            call(__half, __half);                                                                                      \
        else if (in->type == YK_CUDA_HALF && out->type == YK_CUDA_FLOAT)                                               \
            call(__half, float);                                                                                       \
        else if (in->type == YK_CUDA_FLOAT && out->type == YK_CUDA_HALF)                                               \
            call(float, __half);                                                                                       \
        else if (in->type == YK_CUDA_FLOAT && out->type == YK_CUDA_FLOAT)                                              \
            call(float, float);                                                                                        \
        else if (in->type == YK_CUDA_BYTE && out->type == YK_CUDA_HALF)                                                \
            call(uint8_t, __half);                                                                                     \
        else if (in->type == YK_CUDA_BYTE && out->type == YK_CUDA_FLOAT)                                               \
            call(uint8_t, float);                                                                                      \
        else                                                                                                           \
            return cudaErrorInvalidValue;                                                                              \
    } while (0)

/* Where element `i` of out's row-major order lies in each of up to three views. */
template <int VIEWS> struct places {
    long long at[VIEWS];
};

template <int VIEWS> struct strided {
    int rank;
    int dims[YK_MAX_RANK];
    int strides[VIEWS][YK_MAX_RANK];
};

template <int VIEWS> static __device__ __forceinline__ places<VIEWS> find(const strided<VIEWS> &s, long long index)
{
    places<VIEWS> p = {};
    unsigned i = (unsigned)index;
    for (int d = s.rank - 1; d >= 0; d--) {
        const unsigned q = i / (unsigned)s.dims[d], r = i - q * (unsigned)s.dims[d];
        i = q;
#pragma unroll
        for (int v = 0; v < VIEWS; v++)
            p.at[v] += (long long)r * s.strides[v][d];
    }
    return p;
}

template <int VIEWS> static strided<VIEWS> describe(const yk_cuda_view *const (&views)[VIEWS])
{
    strided<VIEWS> s;
    s.rank = views[0]->rank;
    for (int d = 0; d < s.rank; d++) {
        s.dims[d] = views[0]->dims[d];
        for (int v = 0; v < VIEWS; v++)
            s.strides[v][d] = views[v]->strides[d];
    }
    return s;
}

/* ---- copies ---- */

template <typename IN, typename OUT>
__global__ void __launch_bounds__(256) copy(const IN *in, OUT *out, const __grid_constant__ strided<2> s, float scale, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    store(out + p.at[0], load(in + p.at[1]) * scale);
}

/* Between pixels with their channels side by side and planes, 32 of each at a time. */
template <typename IN, typename OUT>
__global__ void __launch_bounds__(256)
    turn(const IN *in, OUT *out, int rows, int columns, long long in_picture, long long out_picture, int in_row, int out_column)
{
    __shared__ float tile[32][33];
    const int column = blockIdx.x * 32 + threadIdx.x % 32, row = blockIdx.y * 32 + threadIdx.x / 32;
    in += blockIdx.z * in_picture;
    out += blockIdx.z * out_picture;
#pragma unroll
    for (int i = 0; i < 32; i += 8) {
        if (row + i < rows && column < columns)
            tile[threadIdx.x / 32 + i][threadIdx.x % 32] = load(in + (long long)(row + i) * in_row + column);
    }
    __syncthreads();
    const int to_row = blockIdx.y * 32 + threadIdx.x % 32, to_column = blockIdx.x * 32 + threadIdx.x / 32;
#pragma unroll
    for (int i = 0; i < 32; i += 8) {
        if (to_row < rows && to_column + i < columns)
            store(out + (long long)(to_column + i) * out_column + to_row, tile[threadIdx.x % 32][threadIdx.x / 32 + i]);
    }
}

/* 16 bytes at a time. */
__global__ void __launch_bounds__(256)
    copy_chunks(const uint4 *in, uint4 *out, const __grid_constant__ strided<2> s, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    out[p.at[0]] = in[p.at[1]];
}

/* Pixels by pixels, the channels last; all is counted by chunks. */
static yk_cuda_view by_chunks(const yk_cuda_view *v, int chunk)
{
    yk_cuda_view out = *v;
    out.dims[1] = v->dims[2], out.dims[2] = v->dims[3], out.dims[3] = v->dims[1] / chunk;
    out.strides[0] = v->strides[0] / chunk, out.strides[1] = v->strides[2] / chunk;
    out.strides[2] = v->strides[3] / chunk, out.strides[3] = 1;
    return out;
}

/* Whether height and width are one run of pixels that are `step` apart. */
static bool is_run(const yk_cuda_view *v, int step)
{
    return v->strides[3] == step && v->strides[2] == step * v->dims[3];
}

template <typename IN, typename OUT>
static cudaError_t copy_as(const yk_cuda_view *in, const yk_cuda_view *out, float scale, cudaStream_t stream)
{
    const long long count = count_of(out);
    if (count == 0)
        return cudaSuccess;
    if (in->rank == 4 && scale == 1 && have_chunks(in, out)) {
        const int chunk = chunk_of(in);
        const yk_cuda_view from = by_chunks(in, chunk), to = by_chunks(out, chunk);
        const yk_cuda_view *const views[2] = {&to, &from};
        copy_chunks<<<blocks_for(count / chunk, 256), 256, 0, stream>>>((const uint4 *)in->data, (uint4 *)out->data,
                                                                        describe(views), count / chunk);
        return cudaGetLastError();
    }
    if (in->rank == 4 && scale == 1 && out->dims[0] <= 65535) {
        const int area = in->dims[2] * in->dims[3], channels = in->dims[1];
        const bool to_planes = in->strides[1] == 1 && is_run(in, in->strides[3]) && is_run(out, 1);
        const bool to_pixels = out->strides[1] == 1 && is_run(out, out->strides[3]) && is_run(in, 1);
        const int rows = to_planes ? area : channels, columns = to_planes ? channels : area;
        const dim3 blocks(blocks_for(columns, 32), blocks_for(rows, 32), (unsigned)in->dims[0]);
        if ((to_planes || to_pixels) && blocks.y <= 65535) {
            turn<<<blocks, 256, 0, stream>>>((const IN *)in->data, (OUT *)out->data, rows, columns, in->strides[0],
                                             out->strides[0], to_planes ? in->strides[3] : in->strides[1],
                                             to_planes ? out->strides[1] : out->strides[3]);
            return cudaGetLastError();
        }
    }
    const yk_cuda_view *const views[2] = {out, in};
    copy<<<blocks_for(count, 256), 256, 0, stream>>>((const IN *)in->data, (OUT *)out->data, describe(views), scale,
                                                     count);
    return cudaGetLastError();
}

/* ---- numbers and bytes ---- */

template <typename IN>
__global__ void __launch_bounds__(256)
    quantize(const IN *in, uint8_t *out, const __grid_constant__ strided<2> s, yk_cuda_number number, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    out[p.at[0]] = (uint8_t)to_byte(number, load(in + p.at[1]));
}

template <typename OUT>
__global__ void __launch_bounds__(256)
    dequantize(const uint8_t *in, OUT *out, const __grid_constant__ strided<2> s, yk_cuda_number number, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    store(out + p.at[0], from_byte(number, in[p.at[1]]));
}

/* 8 halves at a time, in the places that are counted by them. */
__global__ void __launch_bounds__(256)
    quantize_chunks(const uint4 *in, uint2 *out, const __grid_constant__ strided<2> s, yk_cuda_number number, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    chunk v;
    v.bits = in[p.at[1]];
    float x[8];
#pragma unroll
    for (int k = 0; k < 8; k++)
        x[k] = __half2float(v.halves[k]);
    out[p.at[0]] = make_uint2(to_bytes(number, x), to_bytes(number, x + 4));
}

__global__ void __launch_bounds__(256)
    dequantize_chunks(const uint2 *in, uint4 *out, const __grid_constant__ strided<2> s, yk_cuda_number number,
                      long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    const uint2 bytes = in[p.at[1]];
    chunk v;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        const unsigned pair = (k < 2 ? bytes.x : bytes.y) >> (k & 1) * 16;
        v.pairs[k] = to_halves(from_byte(number, pair & 0xff), from_byte(number, pair >> 8 & 0xff));
    }
    out[p.at[0]] = v.bits;
}

extern "C" cudaError_t yk_cuda_quantize(const yk_cuda_view *in, const yk_cuda_view *out, const yk_cuda_number *number,
                                        cudaStream_t stream)
{
    const long long count = count_of(out);
    const bool to_bytes = out->type == YK_CUDA_BYTE;
    const yk_cuda_view *floats = to_bytes ? in : out, *bytes = to_bytes ? out : in;
    const yk_cuda_view *const views[2] = {out, in};
    if (count == 0)
        return cudaSuccess;
    if (bytes->type != YK_CUDA_BYTE || floats->type == YK_CUDA_BYTE)
        return cudaErrorInvalidValue;
    if (in->rank == 4 && chunk_of(floats) == 8 && has_chunks_of(bytes, 8, 8)) {
        const yk_cuda_view from = by_chunks(in, 8), to = by_chunks(out, 8);
        const yk_cuda_view *const chunks[2] = {&to, &from};
        const unsigned blocks = blocks_for(count / 8, 256);
        if (to_bytes)
            quantize_chunks<<<blocks, 256, 0, stream>>>((const uint4 *)in->data, (uint2 *)out->data, describe(chunks),
                                                        *number, count / 8);
        else
            dequantize_chunks<<<blocks, 256, 0, stream>>>((const uint2 *)in->data, (uint4 *)out->data, describe(chunks),
                                                          *number, count / 8);
        return cudaGetLastError();
    }
    const strided<2> s = describe(views);
    const unsigned blocks = blocks_for(count, 256);
    if (in->type == YK_CUDA_HALF)
        quantize<<<blocks, 256, 0, stream>>>((const __half *)in->data, (uint8_t *)out->data, s, *number, count);
    else if (to_bytes)
        quantize<<<blocks, 256, 0, stream>>>((const float *)in->data, (uint8_t *)out->data, s, *number, count);
    else if (out->type == YK_CUDA_HALF)
        dequantize<<<blocks, 256, 0, stream>>>((const uint8_t *)in->data, (__half *)out->data, s, *number, count);
    else
        dequantize<<<blocks, 256, 0, stream>>>((const uint8_t *)in->data, (float *)out->data, s, *number, count);
    return cudaGetLastError();
}

/* ---- one element ---- */

static __device__ float apply(yk_op op, float alpha, float beta, float x)
{
    switch (op) {
    case YK_OP_SIGMOID:
        return sigmoid(x);
    case YK_OP_SILU:
        return x * sigmoid(x);
    case YK_OP_RELU:
        return fmaxf(x, 0.0f);
    case YK_OP_LEAKY_RELU:
        return x > 0 ? x : alpha * x;
    case YK_OP_HARD_SWISH:
        return x * fminf(fmaxf(x * (1.0f / 6) + 0.5f, 0.0f), 1.0f);
    case YK_OP_HARD_SIGMOID:
        return fminf(fmaxf(alpha * x + beta, 0.0f), 1.0f);
    case YK_OP_TANH:
        return tanhf(x);
    case YK_OP_MISH:
        return x * tanhf(x > 20 ? x : log1pf(expf(x)));
    case YK_OP_GELU:
        return alpha != 0 ? 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)))
                          : 0.5f * x * (1 + erff(x * 0.70710678f));
    case YK_OP_ERF:
        return erff(x);
    case YK_OP_SOFTPLUS:
        return x > 20 ? x : log1pf(expf(x));
    case YK_OP_ELU:
        return x > 0 ? x : alpha * (expf(x) - 1);
    case YK_OP_EXP:
        return expf(x);
    case YK_OP_LOG:
        return logf(x);
    case YK_OP_SQRT:
        return sqrtf(x);
    case YK_OP_NEG:
        return -x;
    case YK_OP_ABS:
        return fabsf(x);
    case YK_OP_RECIPROCAL:
        return 1 / x;
    default: /* CLIP */
        return fminf(fmaxf(x, alpha), beta);
    }
}

template <typename IN, typename OUT>
__global__ void __launch_bounds__(256)
    unary(const IN *in, OUT *out, const __grid_constant__ strided<2> s, yk_op op, float alpha, float beta, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<2> p = find(s, i);
    store(out + p.at[0], apply(op, alpha, beta, load(in + p.at[1])));
}

/* ---- two elements ---- */

static __device__ float combine(yk_op op, float a, float b)
{
    switch (op) {
    case YK_OP_ADD:
        return a + b;
    case YK_OP_SUB:
        return a - b;
    case YK_OP_MUL:
        return a * b;
    case YK_OP_DIV:
        return a / b;
    case YK_OP_POW:
        return b == 2 ? a * a : powf(a, b);
    case YK_OP_MIN:
        return fminf(a, b);
    default:
        return fmaxf(a, b);
    }
}

template <typename A, typename B, typename OUT>
__global__ void __launch_bounds__(256)
    binary(const A *a, const B *b, OUT *out, const __grid_constant__ strided<3> s, yk_op op, long long count)
{
    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= count)
        return;
    const places<3> p = find(s, i);
    store(out + p.at[0], combine(op, load(a + p.at[1]), load(b + p.at[2])));
}

template <typename OUT>
static cudaError_t binary_as(yk_op op, const yk_cuda_view *a, const yk_cuda_view *b, const yk_cuda_view *out,
                             cudaStream_t stream)
{
    const long long count = count_of(out);
    const unsigned blocks = blocks_for(count, 256);
    const yk_cuda_view *const views[3] = {out, a, b};
    const strided<3> s = describe(views);
    OUT *to = (OUT *)out->data;
    if (a->type == YK_CUDA_HALF && b->type == YK_CUDA_HALF)
        binary<<<blocks, 256, 0, stream>>>((const __half *)a->data, (const __half *)b->data, to, s, op, count);
    else if (a->type == YK_CUDA_HALF)
        binary<<<blocks, 256, 0, stream>>>((const __half *)a->data, (const float *)b->data, to, s, op, count);
    else if (b->type == YK_CUDA_HALF)
        binary<<<blocks, 256, 0, stream>>>((const float *)a->data, (const __half *)b->data, to, s, op, count);
    else
        binary<<<blocks, 256, 0, stream>>>((const float *)a->data, (const float *)b->data, to, s, op, count);
    return cudaGetLastError();
}

extern "C" cudaError_t yk_cuda_copy(const yk_cuda_view *in, const yk_cuda_view *out, float scale, cudaStream_t stream)
{
#define CALL(from, to) return copy_as<from, to>(in, out, scale, stream)
    if (in->type == YK_CUDA_BYTE && out->type == YK_CUDA_BYTE)
        CALL(uint8_t, uint8_t);
    TYPES(CALL);
#undef CALL
}

extern "C" bool yk_cuda_has_unary(yk_op op)
{
    switch (op) {
    case YK_OP_SIGMOID:
    case YK_OP_SILU:
    case YK_OP_RELU:
    case YK_OP_LEAKY_RELU:
    case YK_OP_HARD_SWISH:
    case YK_OP_HARD_SIGMOID:
    case YK_OP_TANH:
    case YK_OP_MISH:
    case YK_OP_GELU:
    case YK_OP_ERF:
    case YK_OP_SOFTPLUS:
    case YK_OP_ELU:
    case YK_OP_EXP:
    case YK_OP_LOG:
    case YK_OP_SQRT:
    case YK_OP_NEG:
    case YK_OP_ABS:
    case YK_OP_RECIPROCAL:
        return true;
    default:
        return false;
    }
}

extern "C" cudaError_t yk_cuda_unary(yk_op op, const yk_attrs *attrs, const yk_cuda_view *in, const yk_cuda_view *out,
                                     cudaStream_t stream)
{
    const long long count = count_of(out);
    const yk_cuda_view *const views[2] = {out, in};
    const float alpha = op == YK_OP_GELU ? (float)attrs->approximate : attrs->alpha;
    if (count == 0)
        return cudaSuccess;
#define CALL(from, to)                                                                                                 \
    unary<<<blocks_for(count, 256), 256, 0, stream>>>((const from *)in->data, (to *)out->data, describe(views), op,    \
                                                      alpha, attrs->beta, count)
    TYPES(CALL);
#undef CALL
    return cudaGetLastError();
}

extern "C" bool yk_cuda_has_binary(yk_op op)
{
    return op == YK_OP_ADD || op == YK_OP_SUB || op == YK_OP_MUL || op == YK_OP_DIV || op == YK_OP_POW ||
           op == YK_OP_MIN || op == YK_OP_MAX;
}

extern "C" cudaError_t yk_cuda_binary(yk_op op, const yk_cuda_view *a, const yk_cuda_view *b, const yk_cuda_view *out,
                                      cudaStream_t stream)
{
    if (count_of(out) == 0)
        return cudaSuccess;
    return out->type == YK_CUDA_HALF ? binary_as<__half>(op, a, b, out, stream) : binary_as<float>(op, a, b, out, stream);
}
