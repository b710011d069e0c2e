/* Words that are the same for all vectors of 16 bytes, in compilers' own terms: vec_neon.h and vec_portable.h include
 * this once they have said what vec, vec_int and vec_short are. */
#ifndef YK_VEC_FOUR_H
#define YK_VEC_FOUR_H

static inline vec vec_load(const float *p)
{
    vec a;
    memcpy(&a, p, sizeof a);
    return a;
}

static inline void vec_store(float *p, vec a)
{
    memcpy(p, &a, sizeof a);
}

static inline vec vec_load_first(const float *p, int n)
{
    float all[VEC] = {0};
    for (int i = 0; i < n; i++)
        all[i] = p[i];
    return vec_load(all);
}

static inline void vec_store_first(float *p, vec a, int n)
{
    float all[VEC];
    vec_store(all, a);
    for (int i = 0; i < n; i++)
        p[i] = all[i];
}

static inline vec vec_all(float x)
{
    return (vec){x, x, x, x};
}

static inline vec vec_add(vec a, vec b)
{
    return a + b;
}

static inline vec vec_sub(vec a, vec b)
{
    return a - b;
}

static inline vec vec_mul(vec a, vec b)
{
    return a * b;
}

static inline vec vec_div(vec a, vec b)
{
    return a / b;
}

/* ---- vectors of VEC whole numbers of 32 bits ---- */

static inline vec_int vec_int_all(int32_t x)
{
    return (vec_int){x, x, x, x};
}

static inline vec_int vec_int_load(const void *p)
{
    vec_int a;
    memcpy(&a, p, sizeof a);
    return a;
}

/* Four bytes, the same for all lanes. */
static inline vec_int vec_int_four(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vec_int_all(x);
}

static inline vec_int vec_int_xor(vec_int a, vec_int b)
{
    return a ^ b;
}

/* ---- vectors of SHORTS whole numbers of 16 bits ---- */

static inline vec_short vec_short_all(int x)
{
    const int16_t a = (int16_t)x;
    return (vec_short){a, a, a, a, a, a, a, a};
}

static inline void vec_short_store(int16_t *p, vec_short a)
{
    memcpy(p, &a, sizeof a);
}

static inline vec_short vec_short_add(vec_short a, vec_short b)
{
    return a + b;
}

static inline vec_short vec_short_sub(vec_short a, vec_short b)
{
    return a - b;
}

#endif
