/* Convolution as a product of matrices that are never laid out: rows are output pixels, columns are output channels,
 * and what is summed over are the taps of the window times the input channels.
 *
 * For each tap of a tile (tile_kernels.h) its pixels are read through pointers, those in the padding through a pointer
 * to zeros, so that the loop itself knows nothing of windows, strides and borders. Weights lie in panels of as many
 * channels as a tile has, in the order in which they are read. */

enum {
    MATMUL_ROWS = 8 * TILE_ROWS, /* pixels whose pointers are made at once: a panel is used for all of them */
    PART_UNIT = 2 * TILE_ROWS,   /* a part has a multiple of so many */
};

static __attribute__((noinline)) void tile_full(const tile_input *x, const real *weights, const float *bias,
                                                const tile_end *e)
{
    tile(TILE_VECS, x, weights, bias, e);
}

static __attribute__((noinline)) void tile_narrow(const tile_input *x, const real *weights, const float *bias,
                                                  const tile_end *e)
{
    tile(1, x, weights, bias, e);
}

/* ---- panels: `columns` output channels, `depth` numbers to sum up for each ---- */

/* Those of floats: the last panel is a single vector where that is enough. */
static int panel_vecs(int columns, int panel)
{
    return columns - panel * PANEL <= VEC ? 1 : TILE_VECS;
}

static int panel_count(int columns)
{
    return (columns + PANEL - 1) / PANEL;
}

/* The same of reals, whose biases are floats. */
static int panel_lots(int columns, int panel)
{
    return columns - panel * LOT_PANEL <= LOT ? 1 : TILE_VECS;
}

static int lot_panel_count(int columns)
{
    return (columns + LOT_PANEL - 1) / LOT_PANEL;
}

static size_t panel_size(int lots, int depth)
{
    return (size_t)lots * LOT * (sizeof(float) + (size_t)depth * sizeof(real));
}

static size_t panels_size(int columns, int depth)
{
    const int last = lot_panel_count(columns) - 1;
    return (size_t)last * panel_size(TILE_VECS, depth) + panel_size(panel_lots(columns, last), depth);
}

/* The rows of whole tiles. */
static int tile_rows(int rows)
{
    return (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
}

/* All panels for `rows` pixels. The end's rows and columns are set here. */
static void run_panels(const void *packed, int columns, int depth, const tile_input *x, int rows, const tile_end *end)
{
    const uint8_t *panel = packed;
    for (int p = 0; p < lot_panel_count(columns); p++) {
        const int lots = panel_lots(columns, p), width = lots * LOT;
        const float *bias = (const void *)panel;
        const real *weights = (const real *)(bias + width);
        tile_input at = *x;
        tile_end e = *end;
        e.columns = YK_MIN(columns - p * LOT_PANEL, width);
        e.out += p * LOT_PANEL;
        e.residual = e.residual ? e.residual + p * LOT_PANEL : NULL;
        for (int r = 0; r < rows; r += TILE_ROWS) {
            at.in = x->in + r;
            e.rows = YK_MIN(rows - r, TILE_ROWS);
            if (lots == 1)
                tile_narrow(&at, weights, bias, &e);
            else
                tile_full(&at, weights, bias, &e);
            e.out += TILE_ROWS * e.out_pixel;
            e.residual = e.residual ? e.residual + TILE_ROWS * e.residual_pixel : NULL;
        }
        panel += panel_size(lots, depth);
    }
}

/* Cycles of a tile's loop and of its end, roughly. */
static double tile_cycles(const yk_cpu_conv *c, double rows, int columns, double depth)
{
    const int whole = (columns + LOT - 1) / LOT;
    const double vecs = vecs_for(columns), lots = whole;
    const double tiles = rows * (double)lot_panel_count(columns) / TILE_ROWS;
    return rows * lots * depth / 2 * 1.06 + rows * lots * depth * TILE_CARRY + tiles * 30 +
           (c->act == YK_ACT_NONE ? 1 : 8) * rows * vecs;
}

/* Among how many parts so much is shared out: up to 16 of at least 20 us, and beyond that of 80. Few parts are an even
 * number, as what two threads cannot halve leaves one of them idle. */
static int pieces(double cycles)
{
    const double wanted = YK_MAX(YK_MIN(cycles / 60000, 16), cycles / 250000);
    return wanted < 0.5 ? 1 : wanted <= 2 ? 2 : ((int)YK_MIN(wanted, 1 << 20) + 3) / 4 * 4;
}

/* Rows of a part, a multiple of `unit`, where all of them take so many cycles. */
static int part_rows(double cycles, int64_t rows, int unit)
{
    const int64_t count = pieces(cycles), units = (rows + unit - 1) / unit;
    return (int)YK_MIN((units + count - 1) / count, 1 << 16) * unit;
}

/* Pointers behind the `rows` real ones of each tap, to the end of the last tile. */
static void point_behind(const real **in, int taps, int rows)
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
    return (size_t)c->groups * panels_size(c->out_channels / c->groups, matmul_depth(c));
}

/* The weights times `factor`. Those of a tap lie side by side for all channels in the packed order, and taps do in the
 * given one. */
static void pack_panels(const yk_cpu_conv *c, const float *weights, const float *bias, float factor, void *packed)
{
    const int columns = c->out_channels / c->groups, channels = c->in_channels / c->groups, taps = matmul_taps(c);
    uint8_t *panel = packed;
    for (int g = 0; g < c->groups; g++) {
        const float *from = weights + (int64_t)g * columns * channels * taps;
        for (int p = 0; p < lot_panel_count(columns); p++) {
            const int lots = panel_lots(columns, p), width = lots * LOT, real_ones = columns - p * LOT_PANEL;
            float *biases = (void *)panel;
            real *to = (real *)(biases + width);
            for (int i = 0; i < YK_MIN(width, real_ones); i++)
                biases[i] = bias ? bias[g * columns + p * LOT_PANEL + i] : 0;
            for (int t = 0; t < taps; t++) {
                for (int k = 0; k < channels; k++, to += width) {
                    for (int i = 0; i < YK_MIN(width, real_ones); i++)
                        to[i] = (real)(from[((int64_t)(p * LOT_PANEL + i) * channels + k) * taps + t] * factor);
                }
            }
            panel += panel_size(lots, taps * channels);
        }
    }
}

static void matmul_pack(const yk_cpu_conv *c, const float *weights, const float *bias, void *packed)
{
    pack_panels(c, weights, bias, 1, packed);
}

/* Pointers for each tap and row of a block, and the zeros that some of them point to. */
static size_t matmul_scratch(const yk_cpu_conv *c)
{
    return (size_t)matmul_taps(c) * MATMUL_ROWS * sizeof(real *) + (size_t)c->in_channels * sizeof(real) + 64;
}

static int matmul_part_rows(const yk_cpu_conv *c)
{
    return part_rows(matmul_cost(c), matmul_pixels(c), PART_UNIT);
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

static void point_to_pixels(const yk_cpu_conv *c, const real *in, const real *zeros, int64_t first, int rows,
                            const real **to)
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
        const real *picture = in + n * c->in_height * c->in_width * c->in_pixel;
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
    const real **in = scratch, *residual = d->residual;
    real *zeros = (real *)(in + (size_t)taps * MATMUL_ROWS);
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
            const tile_end e = {.out = (real *)d->out + at * c->out_pixel + g * columns,
                                .residual = residual ? residual + at * c->residual_pixel + g * columns : NULL,
                                .out_pixel = c->out_pixel,
                                .residual_pixel = c->residual_pixel,
                                .act = c->act,
                                .slope = c->slope};
            run_panels((const uint8_t *)d->packed + (size_t)g * panels, columns, taps * channels, &x, rows, &e);
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
