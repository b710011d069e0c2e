/* Functions of vectors, written once for all instruction sets: activations and the end of a convolution. */
#ifndef YK_VEC_MATH_H
#define YK_VEC_MATH_H

#include "backend/cpu/cpu.h"

/* Vectors that hold so many floats. */
static inline int vecs_for(int floats)
{
    return (floats + VEC - 1) / VEC;
}

#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 32")
#endif

/* The functions take `n` vectors, a constant, step by step for all of them: each step waits for the one before, so that
 * a single vector would leave the processor idle most of the time. */
#define VEC_FUNCTION static inline __attribute__((always_inline)) void
#define EACH         UNROLLED for (int i = 0; i < n; i++)
enum { VEC_AT_ONCE = 4 };

/* 2^(x * scale), x * scale within -126..127 and what those ends give beyond them: a relative error of at most
 * 3e-7 + 5e-8 * |x * scale|, what is behind the plus being that of `scale` itself. It is 2^n * 2^f with f in -0.5..0.5,
 * and 2^f the polynomial of degree 5 of least relative error there, 7.5e-8, found by Remez's exchange. n comes of
 * adding a number so large that nothing behind the point is left. Infinities give the ends, what is no number stays
 * none. */
VEC_FUNCTION vec_power(const int n, const vec *x, float scale, vec *out)
{
    const vec large = vec_all(12582912.0f); /* 1.5 * 2^23 */
    const float end = 126 / scale;
    const vec least = vec_all(end > 0 ? -end : end), most = vec_all(end > 0 ? end : -end);
    vec f[VEC_AT_ONCE], shifted[VEC_AT_ONCE], p[VEC_AT_ONCE];
    EACH f[i] = vec_min(most, vec_max(least, x[i]));
    EACH shifted[i] = vec_fma(f[i], vec_all(scale), large);
    EACH f[i] = vec_fma(f[i], vec_all(scale), vec_sub(large, shifted[i]));
    EACH p[i] = vec_fma(vec_all(1.32764725e-3f), f[i], vec_all(9.67554096e-3f));
    EACH p[i] = vec_fma(p[i], f[i], vec_all(5.55071309e-2f));
    EACH p[i] = vec_fma(p[i], f[i], vec_all(2.40221202e-1f));
    EACH p[i] = vec_fma(p[i], f[i], vec_all(6.93146944e-1f));
    EACH p[i] = vec_fma(p[i], f[i], vec_all(1.00000012f));
    EACH out[i] = vec_exponent(p[i], shifted[i]);
}

#define LOG2_E 1.44269504089f

static inline vec vec_exp(vec x)
{
    vec_power(1, &x, LOG2_E, &x);
    return x;
}

VEC_FUNCTION vec_activate_at_once(const int n, yk_act act, float slope, vec *x)
{
    vec power[VEC_AT_ONCE];
    switch (act) {
    case YK_ACT_NONE:
        break;
    case YK_ACT_SILU:
        vec_power(n, x, -LOG2_E, power);
        EACH x[i] = vec_div(x[i], vec_add(vec_all(1), power[i]));
        break;
    case YK_ACT_RELU:
        EACH x[i] = vec_max(x[i], vec_all(0));
        break;
    case YK_ACT_LEAKY_RELU:
        EACH x[i] = vec_positive(x[i], x[i], vec_mul(x[i], vec_all(slope)));
        break;
    case YK_ACT_SIGMOID:
        vec_power(n, x, -LOG2_E, power);
        EACH x[i] = vec_div(vec_all(1), vec_add(vec_all(1), power[i]));
        break;
    case YK_ACT_HARD_SWISH:
        EACH x[i] =
            vec_mul(x[i], vec_max(vec_all(0), vec_min(vec_all(1), vec_fma(x[i], vec_all(1.0f / 6), vec_all(0.5f)))));
        break;
    }
}

static inline vec vec_activate(yk_act act, float slope, vec x)
{
    vec_activate_at_once(1, act, slope, &x);
    return x;
}

/* `count` vectors in memory. */
static inline void vec_activate_all(yk_act act, float slope, float *values, int count)
{
    int i = 0;
    if (act == YK_ACT_NONE)
        return;
    for (; i + VEC_AT_ONCE <= count; i += VEC_AT_ONCE, values += VEC_AT_ONCE * VEC) {
        vec x[VEC_AT_ONCE];
        UNROLLED for (int j = 0; j < VEC_AT_ONCE; j++) x[j] = vec_load(values + j * VEC);
        vec_activate_at_once(VEC_AT_ONCE, act, slope, x);
        UNROLLED for (int j = 0; j < VEC_AT_ONCE; j++) vec_store(values + j * VEC, x[j]);
    }
    for (; i < count; i++, values += VEC)
        vec_store(values, vec_activate(act, slope, vec_load(values)));
}

#undef EACH
#undef VEC_FUNCTION

#endif
