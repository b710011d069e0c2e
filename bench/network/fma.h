/* What a processor multiplies and adds at most: a loop of fused multiplications that touches no memory, in vectors as
 * wide as those of a table of kernels. */
#ifndef BENCH_FMA_H
#define BENCH_FMA_H

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "backend/cpu/cpu.h"

/* Sums that do not wait for each other: more than the two a cycle, each of which takes four, that processors have, and
 * no more than AVX2 has registers for beside the factors. */
enum { FMA_SUMS = 12 };

/* Returns what nobody needs, so that the sums are computed. */
typedef float (*fma_loop)(float x, int64_t turns);

#define FMA_LOOP(name, target, vector, all, fma, first)                                                                \
    target static float name(float x, int64_t turns)                                                                   \
    {                                                                                                                  \
        const vector a = all(x), b = all(x + 1);                                                                       \
        vector s0 = all(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, \
               s11 = s0;                                                                                               \
        for (int64_t i = 0; i < turns; i++) {                                                                          \
            s0 = fma(a, b, s0), s1 = fma(a, b, s1), s2 = fma(a, b, s2), s3 = fma(a, b, s3);                            \
            s4 = fma(a, b, s4), s5 = fma(a, b, s5), s6 = fma(a, b, s6), s7 = fma(a, b, s7);                            \
            s8 = fma(a, b, s8), s9 = fma(a, b, s9), s10 = fma(a, b, s10), s11 = fma(a, b, s11);                        \
            /* They begin alike, which the compiler is not to know. */                                                 \
            __asm__ volatile("" : FMA_EACH(s0), FMA_EACH(s1), FMA_EACH(s2), FMA_EACH(s3), FMA_EACH(s4), FMA_EACH(s5)); \
            __asm__ volatile(""                                                                                        \
                             : FMA_EACH(s6), FMA_EACH(s7), FMA_EACH(s8), FMA_EACH(s9), FMA_EACH(s10), FMA_EACH(s11));  \
        }                                                                                                              \
        return first(s0) + first(s1) + first(s2) + first(s3) + first(s4) + first(s5) + first(s6) + first(s7) +         \
               first(s8) + first(s9) + first(s10) + first(s11);                                                        \
    }

#if defined(__x86_64__)
#define FMA_EACH(s) "+v"(s)
FMA_LOOP(fma_avx512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)
#undef FMA_EACH
#define FMA_EACH(s) "+x"(s)
FMA_LOOP(fma_avx2, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)
#elif defined(__aarch64__)
#define FMA_EACH(s)         "+w"(s)
#define FMA_NEON(a, b, sum) vfmaq_f32(sum, a, b)
#define FMA_FIRST(sum)      vgetq_lane_f32(sum, 0)
FMA_LOOP(fma_neon, , float32x4_t, vdupq_n_f32, FMA_NEON, FMA_FIRST)
#endif

/* The loop for a table of kernels, and the floats of its vectors; NULL where there is none. */
static inline fma_loop fma_loop_of(const yk_cpu_isa *isa, int *lanes)
{
    *lanes = 0;
#if defined(__x86_64__)
    if (strncmp(isa->name, "avx512", 6) == 0)
        return *lanes = 16, fma_avx512;
    if (strncmp(isa->name, "avx", 3) == 0)
        return *lanes = 8, fma_avx2;
#elif defined(__aarch64__)
    if (strncmp(isa->name, "neon", 4) == 0)
        return *lanes = 4, fma_neon;
#endif
    return NULL;
}

#endif
