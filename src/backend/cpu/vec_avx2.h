/* Vectors of floats on x86-64 with AVX2 and FMA: the words in which the kernels are written. Every vec_*.h has the same
 * ones, and a kernel file is compiled once with each. With AVX-VNNI, products of bytes are added up at once. */
#ifndef YK_VEC_H
#define YK_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVXVNNI__)
#define VEC_NAME "avxvnni"
#else
#define VEC_NAME "avx2"
#endif
enum {
    VEC = 8,       /* floats in a vector */
    TILE_ROWS = 6, /* of the register tile of matrix products: rows, and vectors of columns */
    TILE_VECS = 2
};

typedef __m256 vec;

static inline vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vec_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}

/* The first n of 0..VEC floats; the others are 0. */
static inline vec vec_load_first(const float *p, int n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
}

static inline void vec_store_first(float *p, vec a, int n)
{
    float all[VEC];
    _mm256_storeu_ps(all, a);
    for (int i = 0; i < n; i++)
        p[i] = all[i];
}

/* VEC bytes as floats. */
static inline vec vec_load_bytes(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

static inline vec vec_all(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

/* a * b + c, rounded once */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* c - a * b, rounded once */
static inline vec vec_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

/* a * 2^n for the n that is in `shifted`, n + 1.5 * 2^23; a normal number in and out */
static inline vec vec_exponent(vec a, vec shifted)
{
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), n));
}

/* a where x > 0, else b */
static inline vec vec_positive(vec x, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}

/* ---- vectors of VEC whole numbers of 32 bits ---- */

typedef __m256i vec_int;

enum {
    DOT_SIGNED = 0, /* vec_int_dot() takes a's bytes as 0..255 */
#if defined(__AVXVNNI__)
    DOT_SATURATES = 0
#else
    DOT_SATURATES = 1 /* where a pair's products, of a's bytes 0, 1 and 2, 3, add up to more than 16 bits hold */
#endif
};

static inline vec_int vec_int_all(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static inline vec_int vec_int_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* Four bytes, the same for all lanes. */
static inline vec_int vec_int_four(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

/* Four of eight bytes, the same for all lanes: byte i of each of `which` says which one goes there. */
static inline vec_int vec_int_pick(const void *eight, vec_int which)
{
    int64_t x;
    memcpy(&x, eight, sizeof x);
    return _mm256_shuffle_epi8(_mm256_set1_epi64x(x), which);
}

static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    return _mm256_add_epi32(a, b);
}

static inline vec_int vec_int_xor(vec_int a, vec_int b)
{
    return _mm256_xor_si256(a, b);
}

/* sum + a's four bytes times b's four signed ones, in each lane */
static inline vec_int vec_int_dot(vec_int sum, vec_int a, vec_int b)
{
#if defined(__AVXVNNI__)
    return _mm256_dpbusd_avx_epi32(sum, a, b);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
#endif
}

static inline vec vec_of_int(vec_int a)
{
    return _mm256_cvtepi32_ps(a);
}

/* To the nearest whole number, halves to the even one, within 32 bits. */
static inline vec_int vec_int_round(vec a)
{
    return _mm256_cvtps_epi32(a);
}

/* VEC signed bytes as floats. */
static inline vec vec_load_signed(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

/* The lowest byte of each lane. */
static inline void vec_int_store_bytes(uint8_t *p, vec_int a)
{
    a = _mm256_and_si256(a, _mm256_set1_epi32(0xff));
    const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(half, half));
}

/* ---- vectors of SHORTS whole numbers of 16 bits ---- */

typedef __m256i vec_short;
enum { SHORTS = 2 * VEC };

static inline vec_short vec_short_all(int x)
{
    return _mm256_set1_epi16((int16_t)x);
}

static inline void vec_short_store(int16_t *p, vec_short a)
{
    _mm256_storeu_si256((__m256i *)p, a);
}

static inline vec_short vec_short_load_bytes(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static inline vec_short vec_short_load_signed(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static inline vec_short vec_short_add(vec_short a, vec_short b)
{
    return _mm256_add_epi16(a, b);
}

static inline vec_short vec_short_sub(vec_short a, vec_short b)
{
    return _mm256_sub_epi16(a, b);
}

/* a * 2^n */
static inline vec_short vec_short_shift(vec_short a, int n)
{
    return _mm256_slli_epi16(a, n);
}

/* sum + a's two numbers of 16 bits times b's, in each lane of 32 bits */
static inline vec_int vec_int_dot2(vec_int sum, vec_int a, vec_int b)
{
#if defined(__AVXVNNI__)
    return _mm256_dpwssd_avx_epi32(sum, a, b);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

#endif
