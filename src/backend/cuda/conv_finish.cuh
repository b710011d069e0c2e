/* The beginning and the end of a convolution on tensor cores: weights, what sums begin with; bias, activation, residual,
 * and the way to memory. */
#ifndef YK_CUDA_CONV_FINISH_CUH
#define YK_CUDA_CONV_FINISH_CUH

#include "backend/cuda/int8.cuh"
#include "backend/cuda/mma.cuh"

/* ---- weights, as they are packed ---- */

template <typename KIND> struct weight;

template <> struct weight<halves> {
    typedef __half packed;
    static packed zero()
    {
        return __float2half(0);
    }
    static packed of(const void *weights, size_t i)
    {
        return __float2half(((const float *)weights)[i]);
    }
};

template <> struct weight<bytes> {
    typedef int8_t packed;
    static packed zero()
    {
        return 0;
    }
    static packed of(const void *weights, size_t i)
    {
        return ((const int8_t *)weights)[i];
    }
};

/* ---- sums ---- */

template <int WM, int WN>
static __device__ __forceinline__ void begin(const yk_cuda_conv &, float (&sums)[WM / 16][WN / 8][4], int)
{
#pragma unroll
    for (int i = 0; i < WM / 16; i++) {
#pragma unroll
        for (int j = 0; j < WN / 8; j++)
            sums[i][j][0] = sums[i][j][1] = sums[i][j][2] = sums[i][j][3] = 0;
    }
}

/* A warp's channels from `first_channel` on. */
template <int WM, int WN>
static __device__ __forceinline__ void begin(const yk_cuda_conv &c, int (&sums)[WM / 16][WN / 8][4], int first_channel)
{
#pragma unroll
    for (int j = 0; j < WN / 8; j++) {
        const int2 start = __ldg((const int2 *)(c.starts + first_channel + j * 8 + (threadIdx.x & 3) * 2));
#pragma unroll
        for (int i = 0; i < WM / 16; i++) {
            sums[i][j][0] = sums[i][j][2] = start.x;
            sums[i][j][1] = sums[i][j][3] = start.y;
        }
    }
}

/* ---- the end ---- */

/* Of shared memory that finish() needs. */
static __host__ __device__ constexpr int finish_bytes(int rows, int channels)
{
    return rows * (channels + 8) * 2; /* of bytes half of it, but their results may be halves */
}

/* A block's sums, BM pixels by BN channels, of which each warp has WM by WN from (warp_row, warp_column) on. They go
 * through `shared` (BM x (BN + 8) halves, which nobody uses any more), so that 16 bytes at a time are written side by
 * side. pixel_of(row) is the number of a row's output pixel; less than 0: there is none. */
template <int BM, int BN, int WM, int WN, int THREADS, typename PIXEL>
static __device__ __forceinline__ void finish(const yk_cuda_conv &c, void *memory, float (&sums)[WM / 16][WN / 8][4],
                                              int warp_row, int warp_column, int first_channel, PIXEL pixel_of)
{
    __half *shared = (__half *)memory;
    const int pad = BN + 8, lane = threadIdx.x & 31;
    with_activation(c.act, c.slope, [&](auto activation) {
#pragma unroll
        for (int j = 0; j < WN / 8; j++) {
            const int column = warp_column + j * 8 + (lane & 3) * 2, channel = first_channel + column;
            const float b0 = channel < c.out_channels ? __ldg(c.bias + channel) : 0;
            const float b1 = channel + 1 < c.out_channels ? __ldg(c.bias + channel + 1) : 0;
#pragma unroll
            for (int i = 0; i < WM / 16; i++) {
#pragma unroll
                for (int h = 0; h < 2; h++)
                    *(__half2 *)(shared + (warp_row + i * 16 + (lane >> 2) + h * 8) * pad + column) =
                        to_halves(activation(sums[i][j][2 * h] + b0), activation(sums[i][j][2 * h + 1] + b1));
            }
        }
    });
    __syncthreads();
    const int chunks = BN / 8;
    for (int i = threadIdx.x; i < BM * chunks; i += THREADS) {
        const int row = i / chunks, column = i % chunks * 8, channel = first_channel + column;
        const long long pixel = pixel_of(row);
        if (pixel < 0 || channel >= c.out_channels)
            continue;
        chunk v;
        v.bits = *(const uint4 *)(shared + row * pad + column);
        const int count = c.out_channels - channel;
        if (c.residual) {
            const __half *from = (const __half *)c.residual + pixel * c.residual_pixel + channel;
            chunk r;
            if (count >= 8) {
                r.bits = *(const uint4 *)from;
            } else {
#pragma unroll
                for (int k = 0; k < 8; k++)
                    r.halves[k] = k < count ? from[k] : __float2half(0);
            }
#pragma unroll
            for (int k = 0; k < 4; k++)
                v.pairs[k] = add_halves(v.pairs[k], r.pairs[k]);
        }
        __half *to = (__half *)c.out + pixel * c.out_pixel + channel;
        if (count >= 8) {
            *(uint4 *)to = v.bits;
        } else {
#pragma unroll
            for (int k = 0; k < 8; k++) {
                if (k < count)
                    to[k] = v.halves[k];
            }
        }
    }
}

/* Copies up to 16 bytes, as many as there are channels left. */
static __device__ __forceinline__ void copy_bytes(uint8_t *to, const uint8_t *from, int count)
{
    if (count >= 16) {
        *(uint4 *)to = *(const uint4 *)from;
        return;
    }
    if (count >= 8)
        *(uint2 *)to = *(const uint2 *)from;
#pragma unroll 1
    for (int k = count >= 8 ? 8 : 0; k < count; k++)
        to[k] = from[k];
}

/* The bytes of a block between memory and `shared`, BM rows of BN + 16. */
template <int BM, int BN, int THREADS, typename PIXEL>
static __device__ __forceinline__ void move_block(const yk_cuda_conv &c, uint8_t *shared, uint8_t *memory, int per_pixel,
                                                  bool to_memory, int first_channel, PIXEL pixel_of)
{
    const int chunks = BN / 16;
    for (int i = threadIdx.x; i < BM * chunks; i += THREADS) {
        const int row = i / chunks, column = i % chunks * 16, channel = first_channel + column;
        const long long pixel = pixel_of(row);
        if (pixel < 0 || channel >= c.out_channels)
            continue;
        uint8_t *here = shared + row * (BN + 16) + column, *there = memory + pixel * per_pixel + channel;
        copy_bytes(to_memory ? there : here, to_memory ? here : there, c.out_channels - channel);
    }
}

/* Calls body(row, column, i, j, h) for each two sums side by side that this lane has, columns outermost: sums[i][j][2h]
 * and the one after it. before(column) comes first for each column. */
template <int WM, int WN, typename BEFORE, typename BODY>
static __device__ __forceinline__ void each_pair(int warp_row, int warp_column, BEFORE before, BODY body)
{
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < WN / 8; j++) {
        const int column = warp_column + j * 8 + (lane & 3) * 2;
        before(column);
#pragma unroll
        for (int i = 0; i < WM / 16; i++) {
#pragma unroll
            for (int h = 0; h < 2; h++)
                body(warp_row + i * 16 + (lane >> 2) + h * 8, column, i, j, h);
        }
    }
}

/* One that is added, of either kind. */
static __device__ __forceinline__ float residual_at(const yk_cuda_conv &c, long long i)
{
    return c.residual_type == YK_CUDA_BYTE ? from_byte(c.residual_number, ((const uint8_t *)c.residual)[i])
                                           : load((const __half *)c.residual + i);
}

/* The same for sums of bytes: the result is bytes or halves. Bytes that are added wait in `shared` (BM x (BN + 16) bytes)
 * where those of the result will be. There is no choice within the loops that most layers take, as one keeps what is
 * computed for a number from overlapping with the next. NARROW: sums have 22 bits at most. */
template <int BM, int BN, int WM, int WN, int THREADS, bool NARROW = false, typename PIXEL>
static __device__ __forceinline__ void finish(const yk_cuda_conv &c, void *memory, int (&sums)[WM / 16][WN / 8][4],
                                              int warp_row, int warp_column, int first_channel, PIXEL pixel_of)
{
    uint8_t *shared = (uint8_t *)memory;
    const int pad = BN + 16;
    const bool to_bytes = c.out_type == YK_CUDA_BYTE, adds = c.residual != NULL;
    const bool adds_bytes = adds && to_bytes && c.residual_type == YK_CUDA_BYTE;
    float2 scale, bias;
    if (c.out_type == YK_CUDA_HALF && (!adds || c.residual_type == YK_CUDA_HALF)) {
        float floats[WM / 16][WN / 8][4];
#pragma unroll
        for (int j = 0; j < WN / 8; j++) {
            scale = __ldg((const float2 *)(c.scales + first_channel + warp_column + j * 8 + (threadIdx.x & 3) * 2));
#pragma unroll
            for (int i = 0; i < WM / 16; i++) {
#pragma unroll
                for (int k = 0; k < 4; k++)
                    floats[i][j][k] = (float)sums[i][j][k] * (k % 2 == 0 ? scale.x : scale.y);
            }
        }
        finish<BM, BN, WM, WN, THREADS>(c, memory, floats, warp_row, warp_column, first_channel, pixel_of);
        return;
    }
    auto before = [&](int column) {
        scale = __ldg((const float2 *)(c.scales + first_channel + column));
        bias = __ldg((const float2 *)(c.bias + first_channel + column));
    };
    if (adds_bytes) {
        move_block<BM, BN, THREADS>(c, shared, (uint8_t *)c.residual, c.residual_pixel, false, first_channel, pixel_of);
        __syncthreads();
    }
    with_coarse_activation(c.act, c.slope, [&](auto activation) {
        auto pair = [&](int i, int j, int h) {
            const int a = sums[i][j][2 * h], b = sums[i][j][2 * h + 1];
            return make_float2(activation(fmaf(NARROW ? narrow_float(a) : (float)a, scale.x, bias.x)),
                               activation(fmaf(NARROW ? narrow_float(b) : (float)b, scale.y, bias.y)));
        };
        if (to_bytes && !adds) {
            each_pair<WM, WN>(warp_row, warp_column, before, [&](int row, int column, int i, int j, int h) {
                *(uint16_t *)(shared + row * pad + column) = two_bytes(c.out_number, pair(i, j, h));
            });
        } else if (adds_bytes) {
            each_pair<WM, WN>(warp_row, warp_column, before, [&](int row, int column, int i, int j, int h) {
                uint16_t *own = (uint16_t *)(shared + row * pad + column);
                float2 v = pair(i, j, h);
                v.x += from_byte(c.residual_number, *own & 0xff);
                v.y += from_byte(c.residual_number, *own >> 8);
                *own = two_bytes(c.out_number, v);
            });
        } else {
            each_pair<WM, WN>(warp_row, warp_column, before, [&](int row, int column, int i, int j, int h) {
                const long long pixel = pixel_of(row);
                const int channel = first_channel + column, left = pixel < 0 ? 0 : c.out_channels - channel;
                float2 v = pair(i, j, h);
                if (adds && left > 0)
                    v.x += residual_at(c, pixel * c.residual_pixel + channel);
                if (adds && left > 1)
                    v.y += residual_at(c, pixel * c.residual_pixel + channel + 1);
                if (to_bytes) {
                    *(uint16_t *)(shared + row * pad + column) = two_bytes(c.out_number, v);
                    return;
                }
                __half *to = (__half *)c.out + pixel * c.out_pixel + channel;
                if (left > 1)
                    *(__half2 *)to = to_halves(v.x, v.y);
                else if (left > 0)
                    store(to, v.x);
            });
        }
    });
    if (!to_bytes)
        return;
    __syncthreads();
    move_block<BM, BN, THREADS>(c, shared, (uint8_t *)c.out, c.out_pixel, true, first_channel, pixel_of);
}

/* What convolutions on tensor cores ask of all tensors. Offsets are 32-bit numbers. */
static inline bool has_int_offsets(const yk_cuda_conv *c)
{
    return (int64_t)c->batch * c->in_height * c->in_width * c->in_pixel < INT32_MAX - (1 << 20) &&
           (int64_t)c->batch * c->out_height * c->out_width < INT32_MAX / 2;
}

template <typename KIND> static bool suits_tensor_cores(const yk_cuda_conv *c);

template <> inline bool suits_tensor_cores<halves>(const yk_cuda_conv *c)
{
    return !c->int8 && c->groups == 1 && c->in_type == YK_CUDA_HALF && c->out_type == YK_CUDA_HALF &&
           c->in_channels % 8 == 0 && has_int_offsets(c) && is_aligned(c->in, c->in_pixel) &&
           is_aligned(c->out, c->out_pixel) && (!c->residual || is_aligned(c->residual, c->residual_pixel));
}

/* Channels up to a whole chunk are read, as pixels are whole chunks; what they hold is multiplied by zero. */
template <> inline bool suits_tensor_cores<bytes>(const yk_cuda_conv *c)
{
    return suits_int8(c) && c->groups == 1 && has_int_offsets(c) && has_byte_chunks(c->in, c->in_pixel);
}

#endif
