/* The first convolution, which reads the picture's bytes, three for each pixel, in floats and in 8 bits.
 *
 * Of a line of the picture, what a filter's line meets begins at any byte; but of every second pixel, or of every
 * fourth one where the stride is 1, at the same byte of a word. So these are done together: a row of the left matrix is
 * the words around what the filter meets, as they lie in memory, and the right matrix has zeros where the filter is
 * not. Weights are packed in the order in which lanes hold them. */
#include "backend/cuda/conv_finish.cuh"

enum { WARPS = 4, CHANNELS = 16, ENOUGH = 512 };

template <int K, int S> struct taps {
    static const int phases = S % 4 == 0 ? 1 : S % 2 == 0 ? 2 : 4;
    /* Of 16 bytes, a word for each lane of four: for a line of the filter, with up to three bytes before it; for all.
     */
    static const int line = (3 * K + 3 + 15) / 16, units = K * line;
    static const int pixels = 16 * phases; /* of a warp, in a row */
};

/* A matrix product has two units of bytes, or one of halves. */
template <typename KIND, int K, int S> static __host__ __device__ constexpr int steps_of(void)
{
    return KIND::type == YK_CUDA_BYTE ? (taps<K, S>::units + 1) / 2 : taps<K, S>::units;
}

/* Four bytes of a row from `at` on as a word, with `outside` for what lies outside. */
static __device__ __forceinline__ uint32_t gather(const uint8_t *row, int at, int width, uint32_t outside)
{
    uint32_t word = 0;
#pragma unroll
    for (int k = 0; k < 4; k++)
        word |= (at + k >= 0 && at + k < width ? row[at + k] : outside & 0xff) << 8 * k;
    return word;
}

/* Two bytes of a word, from the first or the third one on, as halves: 1024 is what a half has its last bits for. */
static __device__ __forceinline__ uint32_t two_halves(uint32_t word, int which)
{
    const uint32_t bits = __byte_perm(word, 0x64646464, which == 0 ? 0x4140 : 0x4342);
    const __half2 two = __hsub2(*(const __half2 *)&bits, __float2half2_rn(1024));
    return *(const uint32_t *)&two;
}

/* A warp's way through a line of the result: `each` times 16 pixels of every phase. */
template <typename KIND, int K, int S>
__global__ void __launch_bounds__(WARPS * 32)
    stem(const __grid_constant__ yk_cuda_conv c, int parts, int each, int groups, int count)
{
    typedef taps<K, S> T;
    const int lane = threadIdx.x & 31, steps = steps_of<KIND, K, S>();
    int task = blockIdx.x * WARPS + (threadIdx.x >> 5);
    if (task >= count)
        return;
    const int channel = task % groups * CHANNELS;
    task /= groups;
    const int line = task / parts, n = line / c.out_height, width = 3 * c.in_width;
    int first_x = (task - line * parts) * each * T::pixels;
    const int first_y = (line - n * c.out_height) * S - c.pad[0];
    const uint8_t *in = (const uint8_t *)c.in + ((long long)n * c.in_height + first_y) * width;
    const uint32_t outside = KIND::type == YK_CUDA_BYTE ? (uint32_t)c.in_number.zero * 0x01010101u : 0;
    /* Where rows are whole words, no word lies half inside. */
    const bool words = width % 4 == 0 && (uintptr_t)c.in % 4 == 0;

    uint4 right[T::phases][steps];
#pragma unroll
    for (int i = 0; i < T::phases * steps; i++)
        right[i / steps][i % steps] = __ldg(
            (const uint4 *)c.weights + ((i / steps * groups + channel / CHANNELS) * steps + i % steps) * 32 + lane);
    /* Where this lane's words begin, in its line: of the first eight pixels of each phase. */
    int begins[T::phases];
    bool has_line[K];
#pragma unroll
    for (int phase = 0; phase < T::phases; phase++)
        begins[phase] = (3 * ((phase + T::phases * (lane >> 2)) * S - c.pad[1]) & ~3) + (lane & 3) * 4;
#pragma unroll
    for (int ky = 0; ky < K; ky++)
        has_line[ky] = first_y + ky >= 0 && first_y + ky < c.in_height;
#pragma unroll 1
    for (int i = 0; i < each && first_x < c.out_width; i++, first_x += T::pixels) {
        /* This lane's word of each unit, for rows lane / 4 and eight further on. */
        uint32_t left[T::phases][2][T::units];
        auto each_word = [&](auto read) {
#pragma unroll
            for (int k = 0; k < T::phases * 2 * T::units; k++) {
                const int u = k % T::units, h = k / T::units % 2, phase = k / T::units / 2;
                const int at = 3 * S * first_x + begins[phase], more = 24 * S * T::phases * h + u % T::line * 16;
                left[phase][h][u] = outside;
                if (has_line[u / T::line] && at + more > -4 && at + more < width)
                    left[phase][h][u] = read(in + (long long)(u / T::line) * width, at, more);
            }
        };
        if (words)
            each_word([](const uint8_t *row, int at, int more) { return __ldg((const uint32_t *)(row + at + more)); });
        else
            each_word([=](const uint8_t *row, int at, int more) { return gather(row, at + more, width, outside); });
#pragma unroll
        for (int phase = 0; phase < T::phases; phase++) {
            typename KIND::sum sums[1][2][4];
            begin<16, CHANNELS>(c, sums, channel);
#pragma unroll
            for (int s = 0; s < steps; s++) {
                const uint4 b = right[phase][s];
                uint32_t a[4];
#pragma unroll
                for (int q = 0; q < 4; q++) {
                    if (KIND::type == YK_CUDA_HALF)
                        a[q] = two_halves(left[phase][q % 2][s], q / 2);
                    else
                        a[q] = 2 * s + q / 2 < T::units ? left[phase][q % 2][2 * s + q / 2] : 0;
                }
                multiply(sums[0][0], a, b.x, b.y);
                multiply(sums[0][1], a, b.z, b.w);
            }
            finish<16, CHANNELS>(c, sums, 0, channel, [=](int row) {
                const int x = first_x + phase + T::phases * row;
                return x < c.out_width ? (long long)line * c.out_width + x : -1;
            });
        }
    }
}

static bool has_shape(const yk_cuda_conv *c)
{
    const int shape = c->kernel[0] * 10 + c->stride[0];
    return c->in_channels == 3 && c->in_pixel == 3 && c->groups == 1 && c->kernel[0] == c->kernel[1] &&
           c->stride[0] == c->stride[1] && (shape == 31 || shape == 32 || shape == 62) && c->dilation[0] == 1 &&
           c->dilation[1] == 1 && (int64_t)c->batch * c->out_height * c->out_width < INT32_MAX / 4;
}

static bool fits_halves(const yk_cuda_conv *c)
{
    return has_shape(c) && !c->int8 && c->in_type == YK_CUDA_BYTE && c->out_type == YK_CUDA_HALF &&
           c->out_channels % 8 == 0 && is_aligned(c->out, c->out_pixel) && !c->residual;
}

static bool fits_bytes(const yk_cuda_conv *c)
{
    return has_shape(c) && suits_int8(c);
}

/* call(K, S) for this one. */
#define WITH_SHAPE(c, call) ((c)->kernel[0] == 6 ? call(6, 2) : (c)->stride[0] == 2 ? call(3, 2) : call(3, 1))

template <typename KIND, int K, int S> static size_t packed_bytes_of(const yk_cuda_conv *c)
{
    const int groups = (c->out_channels + CHANNELS - 1) / CHANNELS;
    return (size_t)(taps<K, S>::phases * groups * steps_of<KIND, K, S>() * 32) * sizeof(uint4);
}

template <typename KIND> static size_t packed_bytes(const yk_cuda_conv *c)
{
#define CALL(k, s) packed_bytes_of<KIND, k, s>(c)
    return WITH_SHAPE(c, CALL);
#undef CALL
}

/* For each phase, sixteen channels, product and lane: two words for each of two times eight channels, in which each
 * byte of what the lane has on the left has its weight. */
template <typename KIND, int K, int S> static void pack_of(const yk_cuda_conv *c, const void *weights, void *to)
{
    typedef taps<K, S> T;
    typedef weight<KIND> W;
    const int groups = (c->out_channels + CHANNELS - 1) / CHANNELS, steps = steps_of<KIND, K, S>();
    const int each = 4 / (int)sizeof(typename W::packed); /* in a word */
    typename W::packed *out = (typename W::packed *)to;
    for (int i = 0; i < T::phases * groups * steps * 32 * 4 * each; i++) {
        const int k = i % each, word = i / each % 4, lane = i / each / 4 % 32, step = i / each / 4 / 32 % steps;
        const int group = i / each / 4 / 32 / steps % groups, phase = i / each / 4 / 32 / steps / groups;
        const int unit = KIND::type == YK_CUDA_BYTE ? 2 * step + word % 2 : step;
        const int byte = lane % 4 * 4 + (KIND::type == YK_CUDA_BYTE ? k : word % 2 * 2 + k);
        const int o = group * CHANNELS + channel_of<CHANNELS>(word / 2 * 8 + lane / 4);
        const int at = unit % T::line * 16 + byte - (3 * (phase * S - c->pad[1]) & 3);
        const bool valid = unit < T::units && o < c->out_channels && at >= 0 && at < 3 * K;
        out[i] = valid ? W::of(weights, (((size_t)o * 3 + at % 3) * K + unit / T::line) * K + at / 3) : W::zero();
    }
}

template <typename KIND> static void pack(const yk_cuda_conv *c, const void *weights, void *to)
{
#define CALL(k, s) pack_of<KIND, k, s>(c, weights, to)
    WITH_SHAPE(c, CALL);
#undef CALL
}

/* Warps go as far along a line as leaves enough of them. */
template <typename KIND, int K, int S> static cudaError_t run_of(const yk_cuda_conv *c, cudaStream_t stream)
{
    const int across = (c->out_width + taps<K, S>::pixels - 1) / taps<K, S>::pixels, lines = c->batch * c->out_height;
    const int groups = (c->out_channels + CHANNELS - 1) / CHANNELS;
    const int most = lines * groups / ENOUGH + 1, each = most < across ? most : across,
              parts = (across + each - 1) / each;
    const int count = groups * lines * parts;
    stem<KIND, K, S><<<blocks_for(count, WARPS), WARPS * 32, 0, stream>>>(*c, parts, each, groups, count);
    return cudaGetLastError();
}

template <typename KIND> static cudaError_t run(const yk_cuda_conv *c, cudaStream_t stream)
{
#define CALL(k, s) run_of<KIND, k, s>(c, stream)
    return WITH_SHAPE(c, CALL);
#undef CALL
}

static double cost(const yk_cuda_conv *c, int processors)
{
    (void)c, (void)processors;
    return 0; /* always */
}

extern "C" {
extern const yk_cuda_conv_kernel yk_cuda_stem = {"stem",       fits_halves, packed_bytes<halves>,
                                                 pack<halves>, run<halves>, cost};
extern const yk_cuda_conv_kernel yk_cuda_int8_stem = {"int8 stem", fits_bytes, packed_bytes<bytes>,
                                                      pack<bytes>, run<bytes>, cost};
}
