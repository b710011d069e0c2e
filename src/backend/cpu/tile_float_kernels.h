/* Tiles of feature maps of floats, and those in the words of vec_*.h. */

typedef float real;
enum { LOT = VEC };

static inline vec real_load(const real *p)
{
    return vec_load(p);
}

static inline vec real_load_first(const real *p, int n)
{
    return vec_load_first(p, n);
}

static inline void real_store(real *p, vec a)
{
    vec_store(p, a);
}

static inline void real_store_first(real *p, vec a, int n)
{
    vec_store_first(p, a, n);
}

#include "backend/cpu/tile_kernels.h"

/* What the sums of a longer loop cost beside it, in cycles for each of its turns. */
#define TILE_CARRY 0.0

/* Always inlined with a constant number of vectors, so that the sums are registers. */
static inline __attribute__((always_inline)) void tile(const int vecs, const tile_input *x, const real *weights,
                                                       const float *bias, const tile_end *e)
{
    vec sum[TILE_ROWS][TILE_VECS];
    UNROLLED for (int v = 0; v < vecs; v++)
    {
        const vec start = vec_load(bias + v * VEC);
        UNROLLED for (int r = 0; r < TILE_ROWS; r++) sum[r][v] = start;
    }
    for (int t = 0; t < x->taps; t++, weights += (int64_t)x->length * vecs * VEC)
        sum_up(vecs, x->in + t * x->stride, x->length, weights, sum);
    if (e->act == YK_ACT_NONE && !e->residual && e->rows == TILE_ROWS && e->columns >= vecs * VEC) {
        UNROLLED for (int r = 0; r < TILE_ROWS; r++)
        {
            UNROLLED for (int v = 0; v < vecs; v++) vec_store(e->out + r * e->out_pixel + v * VEC, sum[r][v]);
        }
    } else {
        float values[TILE_ROWS * PANEL];
        UNROLLED for (int r = 0; r < TILE_ROWS; r++)
        {
            UNROLLED for (int v = 0; v < vecs; v++) vec_store(values + (r * vecs + v) * VEC, sum[r][v]);
        }
        tile_finish(e, values, vecs);
    }
}
