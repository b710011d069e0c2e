/* The beginning and the end of a convolution on tensor cores: weights, what sums begin with; bias, activation,
 * residual, and the way to memory. */
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

/* mma.sync gives a lane two columns of each eight. Which channel a column is is free to choose, as it is no more than
 * the order of the weights' rows in shared memory: of a group of columns each lane has a quarter of the channels, side
 * by side, so that bytes go to memory as they are. WN: columns of a warp. */
template <int WN> struct group {
    static const int columns = WN % 32 == 0 ? 32 : 16, each = columns / 4;
};

template <int WN> static __host__ __device__ __forceinline__ int channel_of(int column)
{
    const int columns = group<WN>::columns;
    return column / columns * columns + column / 2 % 4 * group<WN>::each + column % columns / 8 * 2 + column % 2;
}

/* Four at a time of what is kept for each channel. */
template <int N, typename FROM, typename TO>
static __device__ __forceinline__ void load_channels(const FROM *from, TO (&to)[N])
{
    static_assert(N % 4 == 0 && sizeof(FROM) == 4, "");
#pragma unroll
    for (int k = 0; k < N; k += 4) {
        const int4 v = __ldg((const int4 *)(from + k));
        memcpy(to + k, &v, sizeof v);
    }
}

/* A warp's channels from `first_channel` on. */
template <int WM, int WN>
static __device__ __forceinline__ void begin(const yk_cuda_conv &c, int (&sums)[WM / 16][WN / 8][4], int first_channel)
{
    const int columns = group<WN>::columns, each = group<WN>::each;
#pragma unroll
    for (int g = 0; g < WN / columns; g++) {
        int starts[each];
        load_channels(c.starts + first_channel + g * columns + (threadIdx.x & 3) * each, starts);
#pragma unroll
        for (int i = 0; i < WM / 16; i++) {
#pragma unroll
            for (int k = 0; k < each; k++)
                sums[i][g * columns / 8 + k / 2][k % 2] = sums[i][g * columns / 8 + k / 2][k % 2 + 2] = starts[k];
        }
    }
}

/* ---- the end ---- */

/* Of shared memory that finish() needs, of halves. */
template <typename KIND> static __host__ __device__ constexpr int finish_bytes(int rows, int channels)
{
    return KIND::type == YK_CUDA_HALF ? rows * (channels + 8) * 2 : 0;
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

/* N numbers as bytes or halves, side by side in whole words. */
template <int N>
static __device__ __forceinline__ void to_words(const yk_cuda_conv &c, const float (&x)[N], uint8_t,
                                                uint32_t (&words)[N / 4])
{
#pragma unroll
    for (int k = 0; k < N; k += 4)
        words[k / 4] = pack_bytes(c.out_number, x + k);
}

template <int N>
static __device__ __forceinline__ void to_words(const yk_cuda_conv &, const float (&x)[N], __half,
                                                uint32_t (&words)[N / 2])
{
#pragma unroll
    for (int k = 0; k < N; k += 2) {
        const __half2 two = to_halves(x[k], x[k + 1]);
        memcpy(words + k / 2, &two, sizeof two);
    }
}

template <int WORDS> static __device__ __forceinline__ void store_words(void *to, const uint32_t (&words)[WORDS])
{
    static_assert(WORDS == 1 || WORDS == 2 || WORDS == 4, "");
    if (WORDS == 4)
        *(uint4 *)to = make_uint4(words[0], words[1 % WORDS], words[2 % WORDS], words[3 % WORDS]);
    else if (WORDS == 2)
        *(uint2 *)to = make_uint2(words[0], words[1 % WORDS]);
    else
        *(uint32_t *)to = words[0];
}

/* The first bytes of them. */
template <int WORDS>
static __device__ __forceinline__ void store_first(void *to, const uint32_t (&words)[WORDS], int bytes)
{
#pragma unroll
    for (int k = 0; k < 4 * WORDS; k++) {
        if (k < bytes)
            ((uint8_t *)to)[k] = (uint8_t)(words[k / 4] >> k % 4 * 8);
    }
}

/* N numbers that are added, from channel `channel` of a pixel on, where whole words of them begin. */
template <int N>
static __device__ __forceinline__ void add_residual(const yk_cuda_conv &c, long long pixel, int channel, float (&x)[N])
{
    if (c.residual_type == YK_CUDA_BYTE) {
        const uint32_t *from = (const uint32_t *)((const uint8_t *)c.residual + pixel * c.residual_pixel + channel);
        const float zero = 8388608.0f + (float)c.residual_number.zero; /* 2^23, in whose last bits a byte is */
        uint32_t words[N / 4];
#pragma unroll
        for (int k = 0; k < N / 4; k++)
            words[k] = __ldg(from + k);
#pragma unroll
        for (int k = 0; k < N; k++)
            x[k] = fmaf(__uint_as_float(__byte_perm(words[k / 4], 0x4b000000, 0x7440 + k % 4)) - zero,
                        c.residual_number.scale, x[k]);
    } else {
        const __half2 *from = (const __half2 *)((const __half *)c.residual + pixel * c.residual_pixel + channel);
#pragma unroll
        for (int k = 0; k < N; k += 2) {
            const float2 added = __half22float2(__ldg(from + k / 2));
            x[k] += added.x;
            x[k + 1] += added.y;
        }
    }
}

/* What sums are multiplied by, and what comes after: as fast as bytes allow, or as exact as halves. */
template <int N>
static __device__ __forceinline__ void load_scales(const yk_cuda_conv &c, int channel, int, float (&to)[N])
{
    load_channels(c.scales + channel, to);
}

template <int N> static __device__ __forceinline__ void load_scales(const yk_cuda_conv &c, int, float, float (&to)[N])
{
#pragma unroll
    for (int k = 0; k < N; k++)
        to[k] = c.scale;
}

template <typename BODY>
static __device__ __forceinline__ void with_activation_of(const yk_cuda_conv &c, int, BODY body)
{
    with_coarse_activation(c.act, c.slope, body);
}

template <typename BODY>
static __device__ __forceinline__ void with_activation_of(const yk_cuda_conv &c, float, BODY body)
{
    with_activation(c.act, c.slope, body);
}

/* The end where each lane's channels are side by side (channel_of()). A warp has WM pixels from row `warp_row` on by WN
 * channels from `first_channel` on. pixel_of(row) is the number of a row's output pixel; less than 0: there is none.
 * Where all channels are there and nothing is added, there is no choice within the loops, as one keeps what is computed
 * for a pixel from overlapping with the next. */
template <int WM, int WN, typename SUM, typename PIXEL>
static __device__ __forceinline__ void finish(const yk_cuda_conv &c, const SUM (&sums)[WM / 16][WN / 8][4],
                                              int warp_row, int first_channel, PIXEL pixel_of)
{
    const int columns = group<WN>::columns, each = group<WN>::each, lane = threadIdx.x & 31;
    const bool is_plain = !c.residual && first_channel + WN <= c.out_channels;
    with_activation_of(c, SUM(), [&](auto activation) {
        auto each_pixel = [&](auto body) {
#pragma unroll
            for (int g = 0; g < WN / columns; g++) {
                const int channel = first_channel + g * columns + (lane & 3) * each;
                float scales[each], bias[each];
                if (!is_plain && channel >= c.out_channels)
                    continue;
                load_scales(c, channel, SUM(), scales);
                load_channels(c.bias + channel, bias);
#pragma unroll
                for (int i = 0; i < WM / 8; i++) {
                    float x[each];
#pragma unroll
                    for (int k = 0; k < each; k++)
                        x[k] = activation(
                            fmaf((float)sums[i / 2][g * columns / 8 + k / 2][i % 2 * 2 + k % 2], scales[k], bias[k]));
                    body((long long)pixel_of(warp_row + i * 8 + (lane >> 2)), channel, x);
                }
            }
        };
        auto plain = [&](auto kind) {
            typedef decltype(kind) element;
            element *to = (element *)c.out;
            each_pixel([&](long long pixel, int channel, const float(&x)[each]) {
                uint32_t words[each * sizeof(element) / 4];
                to_words(c, x, element(), words);
                if (pixel >= 0)
                    store_words(to + pixel * c.out_pixel + channel, words);
            });
        };
        if (is_plain && c.out_type == YK_CUDA_BYTE) {
            plain(uint8_t());
        } else if (is_plain) {
            plain(__half());
        } else {
            each_pixel([&](long long pixel, int channel, float(&x)[each]) {
                if (pixel < 0)
                    return;
                if (c.residual)
                    add_residual(c, pixel, channel, x);
                const int left = c.out_channels - channel;
                auto store_left = [&](auto kind) {
                    typedef decltype(kind) element;
                    element *to = (element *)c.out + pixel * c.out_pixel + channel;
                    uint32_t words[each * sizeof(element) / 4];
                    to_words(c, x, element(), words);
                    if (left >= each)
                        store_words(to, words);
                    else
                        store_first(to, words, (int)sizeof(element) * left);
                };
                if (c.out_type == YK_CUDA_BYTE)
                    store_left(uint8_t());
                else
                    store_left(__half());
            });
        }
    });
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
