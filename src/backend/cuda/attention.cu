/* Attention over the pixels of a picture without ever writing the scores: softmax as the keys go by, as in
 * "FlashAttention-2" (Dao, 2023). A block has 64 queries of one head, a warp 16 of them; scores stay in registers and
 * are the left operand of the product with the values. */
#include "backend/cuda/mma.cuh"

enum { QUERIES = 64, KEYS = 64, ATTENTION_THREADS = 128 };

static __device__ __forceinline__ uint32_t pack(float a, float b)
{
    const __half2 h = __floats2half2_rn(a, b);
    return *(const uint32_t *)&h;
}

/* Rows of `width` halves, padded by 8 so that ldmatrix finds eight rows in different banks; zeros after the last. */
template <int WIDTH>
static __device__ void fetch(__half *to, const __half *from, int first, int rows, int pixels, int pixel)
{
    for (int i = threadIdx.x; i < rows * (WIDTH / 8); i += ATTENTION_THREADS) {
        const int row = i / (WIDTH / 8), c = i % (WIDTH / 8) * 8;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (first + row < pixels)
            v = *(const uint4 *)(from + (long long)(first + row) * pixel + c);
        *(uint4 *)(to + row * (WIDTH + 8) + c) = v;
    }
}

template <int D, int V>
__global__ void __launch_bounds__(ATTENTION_THREADS) attention(const __grid_constant__ yk_cuda_attention a)
{
    __shared__ __align__(16) __half queries[QUERIES * (D + 8)], keys[KEYS * (D + 8)], values[KEYS * (V + 8)];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int first = blockIdx.x * QUERIES, head = blockIdx.y;
    const long long picture = (long long)blockIdx.z * a.pixels;
    const __half *q = (const __half *)a.q + picture * a.pixel + head * a.head;
    const __half *k = (const __half *)a.k + picture * a.pixel + head * a.head;
    const __half *v = (const __half *)a.v + picture * a.pixel + head * a.value_head;
    const uint32_t q_at = shared_address(queries), k_at = shared_address(keys);
    const uint32_t v_at = shared_address(values);

    fetch<D>(queries, q, first, QUERIES, a.pixels, a.pixel);
    __syncthreads();
    uint32_t left[D / 16][4];
#pragma unroll
    for (int s = 0; s < D / 16; s++)
        load_matrices(left[s], q_at + 2 * ((warp * 16 + (lane & 15)) * (D + 8) + s * 16 + (lane >> 4) * 8));

    /* Of rows lane/4 and lane/4 + 8: the largest score so far, in powers of two, and the sum of what was added. */
    float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    float result[V / 8][4] = {};
    const float scale = a.scale * 1.4426950409f;
    for (int key = 0; key < a.pixels; key += KEYS) {
        __syncthreads();
        fetch<D>(keys, k, key, KEYS, a.pixels, a.pixel);
        fetch<V>(values, v, key, KEYS, a.pixels, a.pixel);
        __syncthreads();
        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int s = 0; s < D / 16; s++) {
#pragma unroll
            for (int j = 0; j < KEYS / 16; j++) {
                uint32_t right[4];
                load_matrices(right, k_at + 2 * ((j * 16 + (lane & 7) + (lane >> 4) * 8) * (D + 8) + s * 16 +
                                                 ((lane >> 3) & 1) * 8));
                multiply(scores[2 * j], left[s], right[0], right[1]);
                multiply(scores[2 * j + 1], left[s], right[2], right[3]);
            }
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float now = most[h];
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    const int column = key + j * 8 + (lane & 3) * 2 + e;
                    float &x = scores[j][2 * h + e];
                    x = column < a.pixels ? x * scale : -INFINITY;
                    now = fmaxf(now, x);
                }
            }
            now = fmaxf(now, __shfl_xor_sync(~0u, now, 1));
            now = fmaxf(now, __shfl_xor_sync(~0u, now, 2));
            const float shrink = exp2f(most[h] - now);
            most[h] = now;
            sum[h] *= shrink;
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = scores[j][2 * h + e];
                    x = exp2f(x - now);
                    sum[h] += x;
                }
            }
#pragma unroll
            for (int j = 0; j < V / 8; j++) {
                result[j][2 * h] *= shrink;
                result[j][2 * h + 1] *= shrink;
            }
        }
#pragma unroll
        for (int s = 0; s < KEYS / 16; s++) {
            const uint32_t weights[4] = {pack(scores[2 * s][0], scores[2 * s][1]), pack(scores[2 * s][2], scores[2 * s][3]),
                                         pack(scores[2 * s + 1][0], scores[2 * s + 1][1]),
                                         pack(scores[2 * s + 1][2], scores[2 * s + 1][3])};
#pragma unroll
            for (int j = 0; j < V / 16; j++) {
                uint32_t right[4];
                load_turned(right, v_at + 2 * ((s * 16 + (lane & 15)) * (V + 8) + j * 16 + (lane >> 4) * 8));
                multiply(result[2 * j], weights, right[0], right[1]);
                multiply(result[2 * j + 1], weights, right[2], right[3]);
            }
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float total = sum[h];
        total += __shfl_xor_sync(~0u, total, 1);
        total += __shfl_xor_sync(~0u, total, 2);
        const int row = first + warp * 16 + (lane >> 2) + h * 8;
        if (row >= a.pixels)
            continue;
        __half *out = (__half *)a.out + (picture + row) * a.out_pixel + head * a.out_head + (lane & 3) * 2;
#pragma unroll
        for (int j = 0; j < V / 8; j++) {
            store(out + j * 8, result[j][2 * h] / total);
            store(out + j * 8 + 1, result[j][2 * h + 1] / total);
        }
    }
}

static bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

extern "C" bool yk_cuda_attention_fits(const yk_cuda_attention *a)
{
    const bool depths = (a->depth == 32 || a->depth == 64) && (a->value_depth == 32 || a->value_depth == 64);
    return depths && aligned(a->q) && aligned(a->k) && aligned(a->v) && a->pixel % 8 == 0 && a->head % 8 == 0 &&
           a->value_head % 8 == 0 && a->heads <= 65535 && a->batch <= 65535;
}

extern "C" cudaError_t yk_cuda_attend(const yk_cuda_attention *a, cudaStream_t stream)
{
    const dim3 blocks(blocks_for(a->pixels, QUERIES), (unsigned)a->heads, (unsigned)a->batch);
    if (a->depth == 32 && a->value_depth == 32)
        attention<32, 32><<<blocks, ATTENTION_THREADS, 0, stream>>>(*a);
    else if (a->depth == 32)
        attention<32, 64><<<blocks, ATTENTION_THREADS, 0, stream>>>(*a);
    else if (a->value_depth == 32)
        attention<64, 32><<<blocks, ATTENTION_THREADS, 0, stream>>>(*a);
    else
        attention<64, 64><<<blocks, ATTENTION_THREADS, 0, stream>>>(*a);
    return cudaGetLastError();
}
