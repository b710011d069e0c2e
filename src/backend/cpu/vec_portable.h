/* Vectors of four floats in the compiler's own words, which become SSE2, NEON or plain arithmetic. */
#ifndef YK_VEC_H
#define YK_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define VEC_NAME "portable"
enum { VEC = 4, TILE_ROWS = 4, TILE_VECS = 2 };

typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_int __attribute__((vector_size(16)));
typedef int16_t vec_short __attribute__((vector_size(16)));
enum { SHORTS = 2 * VEC };

#include "backend/cpu/vec_four.h"

static inline vec vec_load_bytes(const uint8_t *p)
{
    return (vec){p[0], p[1], p[2], p[3]};
}

/* Rounded twice where the processor has no fused operation. */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return a * b + c;
}

static inline vec vec_fnma(vec a, vec b, vec c)
{
    return c - a * b;
}

static inline vec vec_choose(vec_int mask, vec a, vec b)
{
    vec_int x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & mask) | (y & ~mask);
    memcpy(&a, &x, sizeof a);
    return a;
}

static inline vec vec_max(vec a, vec b)
{
    return vec_choose(a > b, a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return vec_choose(a < b, a, b);
}

/* To the nearest whole number, for |a| < 2^22. */
static inline vec vec_round(vec a)
{
    const vec big = vec_all(12582912.0f); /* 1.5 * 2^23: what is added to it keeps no fraction */
    vec sum = a + big;
    return sum - big;
}

static inline vec vec_exponent(vec a, vec shifted)
{
    vec_int bits, n;
    memcpy(&bits, &a, sizeof bits);
    memcpy(&n, &shifted, sizeof n);
    bits += n << 23;
    memcpy(&a, &bits, sizeof a);
    return a;
}

static inline vec vec_positive(vec x, vec a, vec b)
{
    return vec_choose(x > vec_all(0), a, b);
}

/* ---- vectors of VEC whole numbers of 32 bits ---- */

enum {
    DOT_SIGNED = 0, /* vec_int_dot() takes a's bytes as 0..255 */
    DOT_SATURATES = 0
};

/* Four of eight bytes, the same for all lanes: byte i of each of `which` says which one goes there. */
static inline vec_int vec_int_pick(const void *eight, vec_int which)
{
    const uint8_t *from = eight;
    uint8_t four[4], at[4];
    memcpy(at, &which, sizeof at);
    for (int i = 0; i < 4; i++)
        four[i] = from[at[i] & 7];
    return vec_int_four(four);
}

/* Sums wrap, as they do in other sets: weights of a damaged engine may be anything. */
static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    typedef uint32_t vec_wrap __attribute__((vector_size(16)));
    vec_wrap x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x += y;
    memcpy(&a, &x, sizeof x);
    return a;
}

/* sum + a's four bytes times b's four signed ones, in each lane */
static inline vec_int vec_int_dot(vec_int sum, vec_int a, vec_int b)
{
    uint8_t x[4 * VEC];
    int8_t y[4 * VEC];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    vec_int products = {0};
    for (int i = 0; i < VEC; i++)
        products[i] = x[4 * i] * y[4 * i] + x[4 * i + 1] * y[4 * i + 1] + x[4 * i + 2] * y[4 * i + 2] +
                      x[4 * i + 3] * y[4 * i + 3];
    return vec_int_add(sum, products);
}

static inline vec vec_of_int(vec_int a)
{
    return __builtin_convertvector(a, vec);
}

/* To the nearest whole number, halves to the even one, for |a| < 2^22. */
static inline vec_int vec_int_round(vec a)
{
    return __builtin_convertvector(vec_round(a), vec_int);
}

/* VEC signed bytes as floats. */
static inline vec vec_load_signed(const int8_t *p)
{
    return (vec){p[0], p[1], p[2], p[3]};
}

/* The lowest byte of each lane. */
static inline void vec_int_store_bytes(uint8_t *p, vec_int a)
{
    for (int i = 0; i < VEC; i++)
        p[i] = (uint8_t)a[i];
}

/* ---- vectors of SHORTS whole numbers of 16 bits ---- */

static inline vec_short vec_short_load_bytes(const uint8_t *p)
{
    return (vec_short){p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
}

static inline vec_short vec_short_load_signed(const int8_t *p)
{
    return (vec_short){p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
}

/* a * 2^n */
static inline vec_short vec_short_shift(vec_short a, int n)
{
    return a * vec_short_all(1 << n);
}

/* sum + a's two numbers of 16 bits times b's, in each lane of 32 bits */
static inline vec_int vec_int_dot2(vec_int sum, vec_int a, vec_int b)
{
    vec_short x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    vec_int even = {0}, odd = {0};
    for (int i = 0; i < VEC; i++) {
        even[i] = x[2 * i] * y[2 * i];
        odd[i] = x[2 * i + 1] * y[2 * i + 1];
    }
    return vec_int_add(sum, vec_int_add(even, odd));
}

#endif
