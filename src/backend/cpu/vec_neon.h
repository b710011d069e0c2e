/* Vectors of floats on 64-bit ARM, in the words of vec_avx2.h. With the dot product of ARMv8.2, products of bytes are
 * added up at once. */
#ifndef YK_VEC_H
#define YK_VEC_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DOTPROD)
#define VEC_NAME "neondot"
#else
#define VEC_NAME "neon"
#endif
enum { VEC = 4, TILE_ROWS = 8, TILE_VECS = 2 };

typedef float32x4_t vec;
typedef int32x4_t vec_int;
typedef int16x8_t vec_short;
enum { SHORTS = 2 * VEC };

#include "backend/cpu/vec_four.h"

static inline vec vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec vec_fnma(vec a, vec b, vec c)
{
    return vfmsq_f32(c, a, b);
}

/* b where one of the two is no number, as on x86. */
static inline vec vec_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vec vec_exponent(vec a, vec shifted)
{
    const int32x4_t n = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), n));
}

static inline vec vec_positive(vec x, vec a, vec b)
{
    return vbslq_f32(vcgtzq_f32(x), a, b);
}

/* ---- vectors of VEC whole numbers of 32 bits ---- */

enum { DOT_SIGNED = 1, DOT_SATURATES = 0 };

static inline vec_int vec_int_pick(const void *eight, vec_int which)
{
    int64_t x;
    memcpy(&x, eight, sizeof x);
    return vreinterpretq_s32_s8(vqtbl1q_s8(vreinterpretq_s8_s64(vdupq_n_s64(x)), vreinterpretq_u8_s32(which)));
}

static inline vec_int vec_int_add(vec_int a, vec_int b)
{
    return vaddq_s32(a, b);
}

/* sum + a's four signed bytes times b's, in each lane. Two products of -128 are one too much for 16 bits. */
static inline vec_int vec_int_dot(vec_int sum, vec_int a, vec_int b)
{
    const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(b);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, x, y);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(y)), high = vmull_high_s8(x, y);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

static inline vec vec_of_int(vec_int a)
{
    return vcvtq_f32_s32(a);
}

static inline vec_int vec_int_round(vec a)
{
    return vcvtnq_s32_f32(a);
}

static inline vec vec_load_bytes(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(four));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}

static inline vec vec_load_signed(const int8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(four));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}

/* The lowest byte of each lane. */
static inline void vec_int_store_bytes(uint8_t *p, vec_int a)
{
    const uint16x4_t half = vreinterpret_u16_s16(vmovn_s32(a));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(half, half))), 0);
    memcpy(p, &four, sizeof four);
}

/* ---- vectors of SHORTS whole numbers of 16 bits ---- */

static inline vec_short vec_short_load_bytes(const uint8_t *p)
{
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}

static inline vec_short vec_short_load_signed(const int8_t *p)
{
    return vmovl_s8(vld1_s8(p));
}

/* a * 2^n */
static inline vec_short vec_short_shift(vec_short a, int n)
{
    return vshlq_s16(a, vdupq_n_s16((int16_t)n));
}

/* sum + a's two numbers of 16 bits times b's, in each lane of 32 bits */
static inline vec_int vec_int_dot2(vec_int sum, vec_int a, vec_int b)
{
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y)), high = vmull_high_s16(x, y);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

#endif
