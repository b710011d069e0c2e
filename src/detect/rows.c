/* The letterbox's inner loops, each as plain C and, because what compilers make of that differs by a factor of three,
 * with the SSE2 that every x86-64 has. Both compute the same. */
#include "detect/rows.h"

#include <math.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { SHIFT = 14, BYTE_SHIFT = SHIFT + YK_ROW_FRACTION }; /* from a sample times a share to a sample, to a byte */

/* Upper half of a product, for which processors have an instruction. */
static inline int16_t scaled(int16_t a, int16_t b)
{
    return (int16_t)((a * b) >> 16);
}

void yk_row_blend(const uint8_t *restrict a, const uint8_t *restrict b, int weight, size_t count, int16_t *restrict out)
{
    const int16_t w = (int16_t)weight;
    size_t i = 0;
#ifdef __SSE2__
    const __m128i zero = _mm_setzero_si128(), weights = _mm_set1_epi16(w);
    for (; i + 16 <= count; i += 16) {
        const __m128i from = _mm_loadu_si128((const __m128i *)(a + i)), to = _mm_loadu_si128((const __m128i *)(b + i));
        for (int h = 0; h < 2; h++) {
            const __m128i x = h ? _mm_unpackhi_epi8(from, zero) : _mm_unpacklo_epi8(from, zero);
            const __m128i y = h ? _mm_unpackhi_epi8(to, zero) : _mm_unpacklo_epi8(to, zero);
            const __m128i rise = _mm_mulhi_epi16(_mm_slli_epi16(_mm_sub_epi16(y, x), 7), weights);
            _mm_storeu_si128((__m128i *)(out + i + 8 * h), _mm_add_epi16(_mm_slli_epi16(x, YK_ROW_FRACTION), rise));
        }
    }
#endif
    for (; i < count; i++)
        out[i] = (int16_t)(a[i] * (1 << YK_ROW_FRACTION) + scaled((int16_t)((b[i] - a[i]) * (1 << 7)), w));
}

static inline int32_t mixed(const int16_t *at, size_t step, yk_shares shares)
{
    return at[0] * shares.left + at[step] * shares.right;
}

void yk_row_sample1(const int16_t *restrict row, const yk_columns *columns, size_t count, int16_t *restrict out)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i half_unit = _mm_set1_epi32(1 << (SHIFT - 1));
    for (; i + 8 <= count; i += 8) {
        __m128i four[2];
        for (int h = 0; h < 2; h++) {
            const int32_t *index = columns->index + i + 4 * h;
            int32_t pairs[4];
            for (int k = 0; k < 4; k++)
                memcpy(&pairs[k], row + index[k], sizeof pairs[k]);
            const __m128i samples = _mm_set_epi32(pairs[3], pairs[2], pairs[1], pairs[0]);
            const __m128i shares = _mm_loadu_si128((const __m128i *)(columns->shares + i + 4 * h));
            four[h] = _mm_srai_epi32(_mm_add_epi32(_mm_madd_epi16(samples, shares), half_unit), SHIFT);
        }
        _mm_storeu_si128((__m128i *)(out + i), _mm_packs_epi32(four[0], four[1]));
    }
#endif
    for (; i < count; i++)
        out[i] = (int16_t)((mixed(row + columns->index[i], 1, columns->shares[i]) + (1 << (SHIFT - 1))) >> SHIFT);
}

#ifdef __SSE2__
static inline __m128i load_four(const int16_t *at)
{
    return _mm_loadl_epi64((const __m128i *)at);
}

/* Two channels of two columns. */
static inline __m128i mix_two(const int16_t *row, const int32_t *index, const yk_shares *shares)
{
    const __m128i a = load_four(row + index[0]), b = load_four(row + index[1]);
    const __m128i samples =
        _mm_unpacklo_epi64(_mm_unpacklo_epi16(a, _mm_srli_si128(a, 4)), _mm_unpacklo_epi16(b, _mm_srli_si128(b, 4)));
    const __m128i both = _mm_loadl_epi64((const __m128i *)shares);
    return _mm_madd_epi16(samples, _mm_unpacklo_epi32(both, both));
}
#endif

void yk_row_sample2(const int16_t *restrict row, const yk_columns *columns, size_t count, int16_t *restrict first,
                    int16_t *restrict second)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i half_unit = _mm_set1_epi32(1 << (SHIFT - 1));
    for (; i + 4 <= count; i += 4) {
        const __m128i a = _mm_add_epi32(mix_two(row, columns->index + i, columns->shares + i), half_unit);
        const __m128i b = _mm_add_epi32(mix_two(row, columns->index + i + 2, columns->shares + i + 2), half_unit);
        /* 16-bit results: first, second, first, ... */
        __m128i mixed_up = _mm_packs_epi32(_mm_srai_epi32(a, SHIFT), _mm_srai_epi32(b, SHIFT));
        mixed_up = _mm_shufflehi_epi16(_mm_shufflelo_epi16(mixed_up, _MM_SHUFFLE(3, 1, 2, 0)), _MM_SHUFFLE(3, 1, 2, 0));
        mixed_up = _mm_shuffle_epi32(mixed_up, _MM_SHUFFLE(3, 1, 2, 0));
        _mm_storel_epi64((__m128i *)(first + i), mixed_up);
        _mm_storel_epi64((__m128i *)(second + i), _mm_unpackhi_epi64(mixed_up, mixed_up));
    }
#endif
    for (; i < count; i++) {
        const int16_t *at = row + columns->index[i];
        first[i] = (int16_t)((mixed(at, 2, columns->shares[i]) + (1 << (SHIFT - 1))) >> SHIFT);
        second[i] = (int16_t)((mixed(at + 1, 2, columns->shares[i]) + (1 << (SHIFT - 1))) >> SHIFT);
    }
}

void yk_row_sample3(const int16_t *restrict row, const yk_columns *columns, bool swap, size_t count,
                    uint8_t *restrict out)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i half_unit = _mm_set1_epi32(1 << (BYTE_SHIFT - 1));
    /* The fourth byte of each store is the next pixel's first, so the last pixel is not done here. */
    for (; i + 1 < count; i++) {
        const int16_t *at = row + columns->index[i];
        int32_t shares, pixel;
        memcpy(&shares, &columns->shares[i], sizeof shares);
        __m128i v = _mm_madd_epi16(_mm_unpacklo_epi16(load_four(at), load_four(at + 3)), _mm_set1_epi32(shares));
        v = _mm_srai_epi32(_mm_add_epi32(v, half_unit), BYTE_SHIFT);
        if (swap)
            v = _mm_shuffle_epi32(v, _MM_SHUFFLE(3, 0, 1, 2));
        v = _mm_packs_epi32(v, v);
        pixel = _mm_cvtsi128_si32(_mm_packus_epi16(v, v));
        memcpy(out + 3 * i, &pixel, sizeof pixel);
    }
#endif
    for (; i < count; i++) {
        for (size_t c = 0; c < 3; c++) {
            const int32_t value = mixed(row + columns->index[i] + c, 3, columns->shares[i]) + (1 << (BYTE_SHIFT - 1));
            out[3 * i + (swap ? 2 - c : c)] = (uint8_t)(value >> BYTE_SHIFT);
        }
    }
}

/* A converted sample has 3 bits of fraction. Each of its `terms` was rounded down, by half a unit on average. */
enum { HALF = 1 << 2, COLOUR_SHIFT = 3, GREY = 128 << YK_ROW_FRACTION };
#define ROUNDING(terms) (HALF + (terms) / 2)

static inline uint8_t rounded(int sum, int terms)
{
    const int value = (sum + ROUNDING(terms)) >> COLOUR_SHIFT;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static inline void convert_plain(const int16_t *restrict y, const int16_t *restrict u, const int16_t *restrict v,
                                 yk_row_matrix m, size_t red, size_t blue, size_t count, uint8_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        const int16_t luma = scaled((int16_t)(y[i] - m.black), m.y);
        const int16_t cb = (int16_t)(u[i] - GREY), cr = (int16_t)(v[i] - GREY);
        out[3 * i + red] = rounded(luma + scaled(cr, m.v_to_red), 2);
        out[3 * i + 1] = rounded(luma + scaled(cb, m.u_to_green) + scaled(cr, m.v_to_green), 3);
        out[3 * i + blue] = rounded(luma + scaled(cb, m.u_to_blue), 2);
    }
}

#ifdef __SSE2__
static inline __m128i rounded_eight(__m128i sum, int terms)
{
    const __m128i value = _mm_srai_epi16(_mm_add_epi16(sum, _mm_set1_epi16(ROUNDING(terms))), COLOUR_SHIFT);
    return _mm_packus_epi16(value, value);
}

/* Four pixels of four bytes, the last of them 0, to 12 bytes; 2 more are written. */
static inline void store_four(uint8_t *out, __m128i pixels)
{
    const __m128i first = _mm_set_epi32(0, 0xffffff, 0, 0xffffff), second = _mm_slli_epi64(first, 24);
    const __m128i pairs = _mm_or_si128(_mm_and_si128(pixels, first), _mm_and_si128(_mm_srli_epi64(pixels, 8), second));
    _mm_storel_epi64((__m128i *)out, pairs);
    _mm_storel_epi64((__m128i *)(out + 6), _mm_unpackhi_epi64(pairs, pairs));
}
#endif

void yk_row_convert(const int16_t *y, const int16_t *u, const int16_t *v, const yk_row_matrix *matrix, bool bgr,
                    size_t count, uint8_t *out)
{
    const yk_row_matrix m = *matrix;
    size_t i = 0;
#ifdef __SSE2__
    const __m128i grey = _mm_set1_epi16(GREY), black = _mm_set1_epi16(m.black), zero = _mm_setzero_si128();
    for (; i + 8 < count; i += 8) {
        const __m128i bright = _mm_sub_epi16(_mm_loadu_si128((const __m128i *)(y + i)), black);
        const __m128i cb = _mm_sub_epi16(_mm_loadu_si128((const __m128i *)(u + i)), grey);
        const __m128i cr = _mm_sub_epi16(_mm_loadu_si128((const __m128i *)(v + i)), grey);
        const __m128i luma = _mm_mulhi_epi16(bright, _mm_set1_epi16(m.y));
        const __m128i v_red = _mm_mulhi_epi16(cr, _mm_set1_epi16(m.v_to_red));
        const __m128i u_green = _mm_mulhi_epi16(cb, _mm_set1_epi16(m.u_to_green));
        const __m128i v_green = _mm_mulhi_epi16(cr, _mm_set1_epi16(m.v_to_green));
        const __m128i u_blue = _mm_mulhi_epi16(cb, _mm_set1_epi16(m.u_to_blue));
        const __m128i red = rounded_eight(_mm_add_epi16(luma, v_red), 2);
        const __m128i green = rounded_eight(_mm_add_epi16(luma, _mm_add_epi16(u_green, v_green)), 3);
        const __m128i blue = rounded_eight(_mm_add_epi16(luma, u_blue), 2);
        const __m128i two = _mm_unpacklo_epi8(bgr ? blue : red, green),
                      third = _mm_unpacklo_epi8(bgr ? red : blue, zero);
        store_four(out + 3 * i, _mm_unpacklo_epi16(two, third));
        store_four(out + 3 * i + 12, _mm_unpackhi_epi16(two, third));
    }
#endif
    if (bgr)
        convert_plain(y + i, u + i, v + i, m, 2, 0, count - i, out + 3 * i);
    else
        convert_plain(y + i, u + i, v + i, m, 0, 2, count - i, out + 3 * i);
}

/* Luma = red * kr + green * (1 - kr - kb) + blue * kb. */
yk_row_matrix yk_row_matrix_of(yolk_color_matrix matrix, int full_range)
{
    static const double weights[][2] = {[YOLK_MATRIX_BT601] = {0.299, 0.114},
                                        [YOLK_MATRIX_BT709] = {0.2126, 0.0722},
                                        [YOLK_MATRIX_BT2020] = {0.2627, 0.0593}};
    const size_t row = (size_t)matrix < sizeof weights / sizeof weights[0] ? (size_t)matrix : 0;
    const double kr = weights[row][0], kb = weights[row][1], kg = 1 - kr - kb;
    const double luma = (1 << 13) * (full_range ? 1 : 255.0 / 219), chroma = (1 << 13) * (full_range ? 1 : 255.0 / 224);
    return (yk_row_matrix){
        .y = (int16_t)lrint(luma),
        .v_to_red = (int16_t)lrint(chroma * 2 * (1 - kr)),
        .u_to_green = (int16_t)lrint(-chroma * 2 * kb * (1 - kb) / kg),
        .v_to_green = (int16_t)lrint(-chroma * 2 * kr * (1 - kr) / kg),
        .u_to_blue = (int16_t)lrint(chroma * 2 * (1 - kb)),
        .black = (int16_t)(full_range ? 0 : 16 << YK_ROW_FRACTION),
    };
}
