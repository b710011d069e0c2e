/* Products of matrices: a tile of TILE_ROWS rows by TILE_VECS vectors of columns stays in registers while it is summed
 * up.
 *
 * Feature maps and the weights that they meet are `real`s, which tile_float_kernels.h or tile_half_kernels.h says, and
 * a tile of those has vectors of LOT of them. What ends a tile is computed in floats in either case. */

enum {
    PANEL = TILE_VECS * VEC,     /* columns of a tile of floats */
    LOT_PANEL = TILE_VECS * LOT, /* and of reals */
};

/* What becomes of the sums. */
typedef struct tile_end {
    real *out;            /* of the tile's first pixel */
    const real *residual; /* or NULL */
    int64_t out_pixel, residual_pixel;
    yk_act act;
    float slope;
    int rows, columns; /* that are real */
} tile_end;

/* Where the pixels are read: for tap t and row r from in[t * stride + r], `length` numbers. There are pointers for all
 * rows of the last tile, those that are not real being any that may be read. */
typedef struct tile_input {
    const real *const *in;
    int64_t stride;
    int taps, length;
} tile_input;

/* A vector that is activated, or what is real of it. */
static inline __attribute__((always_inline)) void tile_store(real *out, const real *residual, vec value, int left)
{
    if (left >= VEC) {
        if (residual)
            value = vec_add(value, real_load(residual));
        real_store(out, value);
    } else if (left > 0) {
        if (residual)
            value = vec_add(value, real_load_first(residual, left));
        real_store_first(out, value, left);
    }
}

/* The sums of a tile, row by row. */
static __attribute__((noinline)) void tile_finish(const tile_end *e, float *values, int vecs)
{
    vec_activate_all(e->act, e->slope, values, e->rows * vecs);
    for (int r = 0; r < e->rows; r++) {
        real *out = e->out + r * e->out_pixel;
        const real *residual = e->residual ? e->residual + r * e->residual_pixel : NULL;
        for (int v = 0; v < vecs; v++, values += VEC)
            tile_store(out + v * VEC, residual ? residual + v * VEC : NULL, vec_load(values), e->columns - v * VEC);
    }
}

/* Adds the products of `length` numbers of each row with as many rows of weights to the sums. Always inlined with a
 * constant number of vectors, so that the sums are registers. */
#define SUM_UP(name, number, vector, load, all, fma)                                                                   \
    static inline __attribute__((always_inline)) void name(const int vecs, const number *const *rows, int64_t length,  \
                                                           const number *weights, vector sum[TILE_ROWS][TILE_VECS])    \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(number) };                                                              \
        const number *in[TILE_ROWS];                                                                                   \
        UNROLLED for (int r = 0; r < TILE_ROWS; r++) in[r] = rows[r];                                                  \
        for (int64_t k = 0; k < length; k++, weights += vecs * LANES) {                                                \
            vector w[TILE_VECS];                                                                                       \
            UNROLLED for (int v = 0; v < vecs; v++) w[v] = load(weights + v * LANES);                                  \
            UNROLLED for (int r = 0; r < TILE_ROWS; r++)                                                               \
            {                                                                                                          \
                const vector a = all(in[r][k]);                                                                        \
                UNROLLED for (int v = 0; v < vecs; v++) sum[r][v] = fma(a, w[v], sum[r][v]);                           \
            }                                                                                                          \
        }                                                                                                              \
    }

SUM_UP(sum_up, float, vec, vec_load, vec_all, vec_fma)
