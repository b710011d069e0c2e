/* Halves on 64-bit ARM with the 16-bit arithmetic of ARMv8.2, beside the floats of vec_neon.h. A `real` is what lies in
 * feature maps, a `lot` a vector of LOT of them; vectors of floats are read from reals and written to them. */
#ifndef YK_VEC_HALF_H
#define YK_VEC_HALF_H

#include "backend/cpu/vec_neon.h"

#define HALF_NAME "neonhalf"

typedef float16_t real;
typedef float16x8_t lot;
enum { LOT = 8 };

static inline vec real_load(const real *p)
{
    return vcvt_f32_f16(vld1_f16(p));
}

static inline vec real_load_first(const real *p, int n)
{
    real all[VEC] = {0};
    for (int i = 0; i < n; i++)
        all[i] = p[i];
    return real_load(all);
}

static inline void real_store(real *p, vec a)
{
    vst1_f16(p, vcvt_f16_f32(a));
}

static inline void real_store_first(real *p, vec a, int n)
{
    real all[VEC];
    real_store(all, a);
    for (int i = 0; i < n; i++)
        p[i] = all[i];
}

static inline lot lot_load(const real *p)
{
    return vld1q_f16(p);
}

static inline lot lot_all(real x)
{
    return vdupq_n_f16(x);
}

/* a * b + c */
static inline lot lot_fma(lot a, lot b, lot c)
{
    return vfmaq_f16(c, a, b);
}

static inline void lot_add_to(float *sums, lot a)
{
    vec_store(sums, vec_add(vec_load(sums), vcvt_f32_f16(vget_low_f16(a))));
    vec_store(sums + VEC, vec_add(vec_load(sums + VEC), vcvt_high_f32_f16(a)));
}

#endif
