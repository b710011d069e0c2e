/* Tiles of feature maps of halves: products are summed up in halves, LOT_MOST of them at a time, and those sums in
 * floats, so that what is lost is little more than by rounding a number to a half once. */

enum { LOT_MOST = 16 };

#include "backend/cpu/tile_kernels.h"

/* By counting instructions: two to widen and two to add for each vector, for two of them at a time, once in LOT_MOST
 * turns. */
#define TILE_CARRY (2.5 / LOT_MOST)

SUM_UP(sum_up_lots, real, lot, lot_load, lot_all, lot_fma)

static inline __attribute__((always_inline)) void tile_clear(const int lots, lot sum[TILE_ROWS][TILE_VECS])
{
    UNROLLED for (int r = 0; r < TILE_ROWS; r++)
    {
        UNROLLED for (int v = 0; v < lots; v++) sum[r][v] = lot_all(0);
    }
}

/* Moves the sums to those in floats. */
static inline __attribute__((always_inline)) void tile_carry(const int lots, lot sum[TILE_ROWS][TILE_VECS],
                                                             float *values)
{
    UNROLLED for (int r = 0; r < TILE_ROWS; r++)
    {
        UNROLLED for (int v = 0; v < lots; v++) lot_add_to(values + (r * lots + v) * LOT, sum[r][v]);
    }
    tile_clear(lots, sum);
}

/* Always inlined with a constant number of vectors, so that the sums are registers. */
static inline __attribute__((always_inline)) void tile(const int lots, const tile_input *x, const real *weights,
                                                       const float *bias, const tile_end *e)
{
    const int width = lots * LOT;
    lot sum[TILE_ROWS][TILE_VECS];
    float values[TILE_ROWS * LOT_PANEL];
    int left = LOT_MOST;
    for (int r = 0; r < TILE_ROWS; r++)
        memcpy(values + r * width, bias, (size_t)width * sizeof *bias);
    tile_clear(lots, sum);
    for (int t = 0; t < x->taps; t++) {
        const real *in[TILE_ROWS];
        UNROLLED for (int r = 0; r < TILE_ROWS; r++) in[r] = x->in[t * x->stride + r];
        for (int k = 0, n; k < x->length; k += n) {
            n = YK_MIN(x->length - k, left);
            sum_up_lots(lots, in, n, weights, sum);
            weights += (int64_t)n * width;
            UNROLLED for (int r = 0; r < TILE_ROWS; r++) in[r] += n;
            left -= n;
            if (left == 0) {
                tile_carry(lots, sum, values);
                left = LOT_MOST;
            }
        }
    }
    tile_carry(lots, sum, values);
    tile_finish(e, values, width / VEC);
}
