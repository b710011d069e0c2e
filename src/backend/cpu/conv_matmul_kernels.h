/* Convolution as a product of matrices that are never laid out: rows are output pixels, columns are output channels,
 * and what is summed over are the taps of the window times the input channels.
 *
 * A tile of TILE_ROWS pixels by TILE_VECS vectors of channels stays in registers while it is summed up. For each tap
 * its pixels are read through pointers, those in the padding through a pointer to zeros, so that the loop itself knows
 * nothing of windows, strides and borders. Weights lie in panels of as many channels as a tile has, in the order in
 * which they are read. */

enum {
    PANEL = TILE_VECS * VEC,
    MATMUL_ROWS = 8 * TILE_ROWS, /* pixels whose pointers are made at once: a panel is used for all of them */
};

/* What becomes of the sums. */
typedef struct tile_end {
    float *out;            /* of the tile's first pixel */
    const float *residual; /* or NULL */
    int64_t out_pixel, residual_pixel;
    yk_act act;
    float slope;
    int rows, columns; /* that are real */
} tile_end;

/* Where the pixels are read: for tap t and row r from in[t * stride + r], `length` floats. There are pointers for all
 * rows of the last tile, those that are not real being any that may be read. */
typedef struct tile_input {
    const float *const *in;
    int64_t stride;
    int taps, length;
} tile_input;

/* A vector that is activated, or what is real of it. */
static inline __attribute__((always_inline)) void tile_store(float *out, const float *residual, vec value, int left)
{
    if (left >= VEC) {
        if (residual)
            value = vec_add(value, vec_load(residual));
        vec_store(out, value);
    } else if (left > 0) {
        if (residual)
            value = vec_add(value, vec_load_first(residual, left));
        vec_store_first(out, value, left);
    }
}

/* The sums of a tile, row by row. */
static __attribute__((noinline)) void tile_finish(const tile_end *e, float *values, int vecs)
{
    vec_activate_all(e->act, e->slope, values, e->rows * vecs);
    for (int r = 0; r < e->rows; r++) {
        float *out = e->out + r * e->out_pixel;
        const float *residual = e->residual ? e->residual + r * e->residual_pixel : NULL;
        for (int v = 0; v < vecs; v++, values += VEC)
            tile_store(out + v * VEC, residual ? residual + v * VEC : NULL, vec_load(values), e->columns - v * VEC);
    }
}

/* Always inlined with a constant number of vectors, so that the sums are registers. */
static inline __attribute__((always_inline)) void tile(const int vecs, const tile_input *x, const float *weights,
                                                       const float *bias, const tile_end *e)
{
    vec sum[TILE_ROWS][TILE_VECS];
    UNROLLED for (int v = 0; v < vecs; v++)
    {
        const vec start = vec_load(bias + v * VEC);
        UNROLLED for (int r = 0; r < TILE_ROWS; r++) sum[r][v] = start;
    }
    for (int t = 0; t < x->taps; t++) {
        const float *in[TILE_ROWS];
        UNROLLED for (int r = 0; r < TILE_ROWS; r++) in[r] = x->in[t * x->stride + r];
        for (int64_t k = 0; k < x->length; k++) {
            vec w[TILE_VECS];
            UNROLLED for (int v = 0; v < vecs; v++) w[v] = vec_load(weights + v * VEC);
            weights += vecs * VEC;
            UNROLLED for (int r = 0; r < TILE_ROWS; r++)
            {
                const vec a = vec_all(in[r][k]);
                UNROLLED for (int v = 0; v < vecs; v++) sum[r][v] = vec_fma(a, w[v], sum[r][v]);
            }
        }
    }
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

static __attribute__((noinline)) void tile_full(const tile_input *x, const float *weights, const float *bias,
                                                const tile_end *e)
{
    tile(TILE_VECS, x, weights, bias, e);
}

static __attribute__((noinline)) void tile_narrow(const tile_input *x, const float *weights, const float *bias,
                                                  const tile_end *e)
{
    tile(1, x, weights, bias, e);
}

/* ---- panels: `columns` output channels, `depth` numbers to sum up for each ---- */

/* The last panel is a single vector where that is enough. */
static int panel_vecs(int columns, int panel)
{
    return columns - panel * PANEL <= VEC ? 1 : TILE_VECS;
}

static int panel_count(int columns)
{
    return (columns + PANEL - 1) / PANEL;
}

static size_t panels_size(int columns, int depth) /* floats, the bias included */
{
    const int last = panel_count(columns) - 1;
    const size_t width = (size_t)last * PANEL + (size_t)panel_vecs(columns, last) * VEC;
    return width * (size_t)(depth + 1);
}

/* The rows of whole tiles. */
static int tile_rows(int rows)
{
    return (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
}

/* All panels for `rows` pixels. The end's rows and columns are set here. */
static void run_panels(const float *packed, int columns, int depth, const tile_input *x, int rows, const tile_end *end)
{
    for (int p = 0; p < panel_count(columns); p++) {
        const int vecs = panel_vecs(columns, p), width = vecs * VEC;
        const float *bias = packed, *weights = packed + width;
        tile_input at = *x;
        tile_end e = *end;
        e.columns = YK_MIN(columns - p * PANEL, width);
        e.out += p * PANEL;
        e.residual = e.residual ? e.residual + p * PANEL : NULL;
        for (int r = 0; r < rows; r += TILE_ROWS) {
            at.in = x->in + r;
            e.rows = YK_MIN(rows - r, TILE_ROWS);
            if (vecs == 1)
                tile_narrow(&at, weights, bias, &e);
            else
                tile_full(&at, weights, bias, &e);
            e.out += TILE_ROWS * e.out_pixel;
            e.residual = e.residual ? e.residual + TILE_ROWS * e.residual_pixel : NULL;
        }
        packed += (size_t)width * (size_t)(depth + 1);
    }
}

/* Cycles of a tile's loop and of its end, roughly. */
static double tile_cycles(const yk_cpu_conv *c, double rows, int columns, double depth)
{
    const double vecs = vecs_for(columns);
    const double tiles = rows * (double)panel_count(columns) / TILE_ROWS;
    return rows * vecs * depth / 2 * 1.06 + tiles * 30 + (c->act == YK_ACT_NONE ? 1 : 8) * rows * vecs;
}

static int part_rows(double row_cycles, int least)
{
    const double rows = 250000 / row_cycles; /* about 80 us */
    return rows < least ? least : rows > 1 << 20 ? 1 << 20 : (int)rows;
}

/* Pointers behind the `rows` real ones of each tap, to the end of the last tile. */
static void point_behind(const float **in, int taps, int rows)
{
    for (int t = 0; t < taps; t++, in += MATMUL_ROWS) {
        for (int r = rows; r < tile_rows(rows); r++)
            in[r] = in[rows - 1];
    }
}

/* ---- any convolution ---- */

static int matmul_taps(const yk_cpu_conv *c)
{
    return c->kernel[0] * c->kernel[1];
}

static int64_t matmul_pixels(const yk_cpu_conv *c)
{
    return (int64_t)c->batch * c->out_height * c->out_width;
}

static int matmul_depth(const yk_cpu_conv *c)
{
    return matmul_taps(c) * (c->in_channels / c->groups);
}

static bool matmul_fits(const yk_cpu_conv *c)
{
    return !c->bytes;
}

static double matmul_cost(const yk_cpu_conv *c)
{
    return c->groups * tile_cycles(c, (double)matmul_pixels(c), c->out_channels / c->groups, matmul_depth(c));
}

static size_t matmul_packed(const yk_cpu_conv *c)
{
    return (size_t)c->groups * panels_size(c->out_channels / c->groups, matmul_depth(c)) * sizeof(float);
}

static void matmul_pack(const yk_cpu_conv *c, const float *weights, const float *bias, void *packed)
{
    const int columns = c->out_channels / c->groups, channels = c->in_channels / c->groups, taps = matmul_taps(c);
    const size_t size = panels_size(columns, taps * channels);
    float *turned = packed;
    /* The weights of a tap lie side by side for all channels in the packed order, and taps do in the given one. */
    for (int g = 0; g < c->groups; g++, turned += size) {
        const float *from = weights + (int64_t)g * columns * channels * taps;
        float *to = turned;
        for (int p = 0; p < panel_count(columns); p++) {
            const int width = panel_vecs(columns, p) * VEC;
            for (int i = 0; i < width && p * PANEL + i < columns; i++)
                to[i] = bias ? bias[g * columns + p * PANEL + i] : 0;
            to += width;
            for (int t = 0; t < taps; t++) {
                for (int k = 0; k < channels; k++, to += width) {
                    for (int i = 0; i < width && p * PANEL + i < columns; i++)
                        to[i] = from[((int64_t)(p * PANEL + i) * channels + k) * taps + t];
                }
            }
        }
    }
}

/* Pointers for each tap and row of a block, and the zeros that some of them point to. */
static size_t matmul_scratch(const yk_cpu_conv *c)
{
    return (size_t)matmul_taps(c) * MATMUL_ROWS * sizeof(float *) + (size_t)c->in_channels * sizeof(float) + 64;
}

static int matmul_part_rows(const yk_cpu_conv *c)
{
    const int rows = part_rows(matmul_cost(c) / (double)matmul_pixels(c), MATMUL_ROWS);
    return (rows + MATMUL_ROWS - 1) / MATMUL_ROWS * MATMUL_ROWS;
}

static int matmul_parts(const yk_cpu_conv *c)
{
    const int rows = matmul_part_rows(c);
    return (int)((matmul_pixels(c) + rows - 1) / rows);
}

/* Whether pixel i of the output is made of pixel i of the input and no other. */
static bool same_pixels(const yk_cpu_conv *c)
{
    return matmul_taps(c) == 1 && c->stride[0] == 1 && c->stride[1] == 1 && c->pad[0] == 0 && c->pad[1] == 0 &&
           c->in_height == c->out_height && c->in_width == c->out_width;
}

static void point_to_pixels(const yk_cpu_conv *c, const float *in, const float *zeros, int64_t first, int rows,
                            const float **to)
{
    if (same_pixels(c)) {
        for (int r = 0; r < rows; r++)
            to[r] = in + (first + r) * c->in_pixel;
        return;
    }
    int x = (int)(first % c->out_width);
    int y = (int)(first / c->out_width % c->out_height);
    int64_t n = first / c->out_width / c->out_height;
    for (int r = 0; r < rows; r++) {
        const float *picture = in + n * c->in_height * c->in_width * c->in_pixel;
        for (int ky = 0, t = 0; ky < c->kernel[0]; ky++) {
            const int in_y = y * c->stride[0] + ky * c->dilation[0] - c->pad[0];
            for (int kx = 0; kx < c->kernel[1]; kx++, t++) {
                const int in_x = x * c->stride[1] + kx * c->dilation[1] - c->pad[1];
                const bool inside = in_y >= 0 && in_y < c->in_height && in_x >= 0 && in_x < c->in_width;
                to[t * MATMUL_ROWS + r] = inside ? picture + ((int64_t)in_y * c->in_width + in_x) * c->in_pixel : zeros;
            }
        }
        if (++x == c->out_width) {
            x = 0;
            if (++y == c->out_height) {
                y = 0;
                n++;
            }
        }
    }
}

static void matmul_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const int taps = matmul_taps(c), columns = c->out_channels / c->groups, channels = c->in_channels / c->groups;
    const size_t panels = panels_size(columns, taps * channels);
    const float **in = scratch;
    float *zeros = (float *)(in + (size_t)taps * MATMUL_ROWS);
    const int64_t first = (int64_t)part * matmul_part_rows(c);
    const int64_t end = YK_MIN(first + matmul_part_rows(c), matmul_pixels(c));
    for (int i = 0; i < c->in_channels; i++)
        zeros[i] = 0;
    for (int64_t at = first; at < end; at += MATMUL_ROWS) {
        const int rows = (int)YK_MIN(end - at, MATMUL_ROWS);
        point_to_pixels(c, d->in, zeros, at, rows, in);
        point_behind(in, taps, rows);
        for (int g = 0; g < c->groups; g++) {
            const tile_input x = {.in = in, .stride = MATMUL_ROWS, .taps = taps, .length = channels};
            const tile_end e = {.out = d->out + at * c->out_pixel + g * columns,
                                .residual = d->residual ? d->residual + at * c->residual_pixel + g * columns : NULL,
                                .out_pixel = c->out_pixel,
                                .residual_pixel = c->residual_pixel,
                                .act = c->act,
                                .slope = c->slope};
            run_panels((const float *)d->packed + (size_t)g * panels, columns, taps * channels, &x, rows, &e);
            for (int i = 0; i < taps * MATMUL_ROWS && c->groups > 1; i++)
                in[i] += i % MATMUL_ROWS < rows ? channels : 0;
        }
    }
}

static const yk_cpu_conv_kernel conv_matmul = {
    .name = "matmul",
    .fits = matmul_fits,
    .cost = matmul_cost,
    .packed_bytes = matmul_packed,
    .pack = matmul_pack,
    .scratch_bytes = matmul_scratch,
    .parts = matmul_parts,
    .run = matmul_run,
};
