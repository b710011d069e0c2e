/* Vectors of floats on x86-64 with AVX-512 (F, BW, DQ, VL), in the words of vec_avx2.h. With VNNI, products of bytes
 * are added up at once. */
#ifndef YK_VEC_H
#define YK_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512VNNI__)
#define VEC_NAME "avx512vnni"
#else
#define VEC_NAME "avx512"
#endif
enum {
    VEC = 16,
    /* 16 sums are enough for two multiplications a cycle that take 4 each; 8 divides the sizes of YOLO's maps, and the
     * pointers to the rows stay in registers too. */
    TILE_ROWS = 8,
    TILE_VECS = 2
};

typedef __m512 vec;

/* The first n of 0..VEC lanes. */
static inline __mmask16 vec_first(int n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vec_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

static inline vec vec_load_first(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(vec_first(n), p);
}

static inline void vec_store_first(float *p, vec a, int n)
{
    _mm512_mask_storeu_ps(p, vec_first(n), a);
}

static inline vec vec_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static inline vec vec_all(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec vec_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

static inline vec vec_exponent(vec a, vec shifted)
{
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), n));
}

static inline vec vec_positive(vec x, vec a, vec b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), b, a);
}

/* ---- vectors of VEC whole numbers of 32 bits ---- */

typedef __m512i vec_int;

enum {
    DOT_SIGNED = 0,
#if defined(__AVX512VNNI__)
    DOT_SATURATES = 0
#else
    DOT_SATURATES = 1
#endif
};

static inline vec_int vec_int_all(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static inline vec_int vec_int_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline vec_int vec_int_four(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

static inline vec_int vec_int_pick(const void *eight, vec_int which)
{
    int64_t x;
    memcpy(&x, eight, sizeof x);
    return _mm512_shuffle_epi8(_mm512_set1_epi64(x), which);
}

static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    return _mm512_add_epi32(a, b);
}

static inline vec_int vec_int_xor(vec_int a, vec_int b)
{
    return _mm512_xor_si512(a, b);
}

static inline vec_int vec_int_dot(vec_int sum, vec_int a, vec_int b)
{
#if defined(__AVX512VNNI__)
    /* Round the function for it gcc 12 copies all sums in every pass of a loop. */
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)));
#endif
}

static inline vec vec_of_int(vec_int a)
{
    return _mm512_cvtepi32_ps(a);
}

static inline vec_int vec_int_round(vec a)
{
    return _mm512_cvtps_epi32(a);
}

static inline vec vec_load_signed(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static inline void vec_int_store_bytes(uint8_t *p, vec_int a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a));
}

/* ---- vectors of SHORTS whole numbers of 16 bits ---- */

typedef __m512i vec_short;
enum { SHORTS = 2 * VEC };

static inline vec_short vec_short_all(int x)
{
    return _mm512_set1_epi16((int16_t)x);
}

static inline void vec_short_store(int16_t *p, vec_short a)
{
    _mm512_storeu_si512(p, a);
}

static inline vec_short vec_short_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

static inline vec_short vec_short_load_signed(const int8_t *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

static inline vec_short vec_short_add(vec_short a, vec_short b)
{
    return _mm512_add_epi16(a, b);
}

static inline vec_short vec_short_sub(vec_short a, vec_short b)
{
    return _mm512_sub_epi16(a, b);
}

static inline vec_short vec_short_shift(vec_short a, int n)
{
    return _mm512_slli_epi16(a, (unsigned)n);
}

static inline vec_int vec_int_dot2(vec_int sum, vec_int a, vec_int b)
{
#if defined(__AVX512VNNI__)
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
}

#endif
