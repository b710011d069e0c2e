/* The first convolution, of bytes or of a few channels: the window's rows are runs of floats in a band of the picture
 * that is laid out with its padding, so that a row of the window is one tap.
 *
 * Bytes are laid out times STEM_BYTE, the weights divided by it: 1, or for halves 1/256, so that neither these nor
 * those become too small for one. */

#define STEM_BYTE (sizeof(real) == sizeof(float) ? 1.0f : 1 / 256.0f)

static bool stem_fits(const yk_cpu_conv *c)
{
    return c->groups == 1 && c->in_channels <= 4 && c->dilation[0] == 1 && c->dilation[1] == 1 &&
           (!c->bytes || (c->in_channels == 3 && c->in_pixel == 3));
}

static int stem_depth(const yk_cpu_conv *c)
{
    return c->kernel[0] * c->kernel[1] * c->in_channels;
}

/* Numbers in a row of the band, all that the last window touches included. */
static int64_t stem_row(const yk_cpu_conv *c)
{
    const int64_t pixels = (int64_t)(c->out_width - 1) * c->stride[1] + c->kernel[1];
    return (YK_MAX(pixels, c->pad[1] + c->in_width) * c->in_channels + 2 * VEC + 15) / 16 * 16;
}

static double stem_cost(const yk_cpu_conv *c)
{
    const double rows = (double)c->batch * c->out_height * c->out_width;
    const double band = (double)c->batch * c->out_height * c->kernel[0] * (double)stem_row(c) / VEC;
    return tile_cycles(c, rows, c->out_channels, stem_depth(c)) + 2 * band;
}

static size_t stem_packed(const yk_cpu_conv *c)
{
    return panels_size(c->out_channels, stem_depth(c));
}

static void stem_pack(const yk_cpu_conv *c, const float *weights, const float *bias, void *packed)
{
    pack_panels(c, weights, bias, c->bytes ? c->scale / STEM_BYTE : 1, packed);
}

static int stem_part_rows(const yk_cpu_conv *c)
{
    return YK_MIN(part_rows(stem_cost(c), (int64_t)c->batch * c->out_height, 1), c->out_height);
}

static int stem_parts_of_picture(const yk_cpu_conv *c)
{
    return (c->out_height + stem_part_rows(c) - 1) / stem_part_rows(c);
}

static int stem_parts(const yk_cpu_conv *c)
{
    return c->batch * stem_parts_of_picture(c);
}

/* A band has the rows of one window. */
static size_t stem_scratch(const yk_cpu_conv *c)
{
    const size_t rows = (size_t)c->kernel[0];
    return rows * (size_t)stem_row(c) * sizeof(real) + rows * MATMUL_ROWS * sizeof(real *);
}

static inline vec stem_bytes(vec bytes)
{
    return sizeof(real) == sizeof(float) ? bytes : vec_mul(bytes, vec_all(STEM_BYTE));
}

/* Row `y` of the picture, which may be in the padding. */
static void stem_lay_out(const yk_cpu_conv *c, const void *picture, int y, real *row)
{
    const int channels = c->in_channels;
    const int64_t size = stem_row(c), count = (int64_t)c->in_width * channels;
    real *to = row + (int64_t)c->pad[1] * channels;
    int64_t i = 0;
    if (y < 0 || y >= c->in_height) {
        for (i = 0; i < size; i++)
            row[i] = 0;
        return;
    }
    for (i = 0; i < c->pad[1] * channels; i++)
        row[i] = 0;
    if (c->bytes) {
        const uint8_t *from = (const uint8_t *)picture + y * count;
        for (i = 0; i + VEC <= count; i += VEC)
            real_store(to + i, stem_bytes(vec_load_bytes(from + i)));
        for (; i < count; i++)
            to[i] = (real)((float)from[i] * STEM_BYTE);
    } else {
        const real *from = (const real *)picture + (int64_t)y * c->in_width * c->in_pixel;
        i = 0;
        for (int x = 0; x < c->in_width; x++, from += c->in_pixel) {
            for (int k = 0; k < channels; k++)
                to[i++] = from[k];
        }
    }
    for (i += (int64_t)c->pad[1] * channels; i < size; i++)
        row[i] = 0;
}

static void stem_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const int64_t size = stem_row(c), picture_size = (int64_t)c->in_height * c->in_width * c->in_pixel;
    const int height = c->kernel[0], n = part / stem_parts_of_picture(c), begin = part % stem_parts_of_picture(c);
    const int first = begin * stem_part_rows(c), end = YK_MIN(first + stem_part_rows(c), c->out_height);
    const void *picture = c->bytes ? (const void *)((const uint8_t *)d->in + n * picture_size)
                                   : (const void *)((const real *)d->in + n * picture_size);
    real *band = scratch;
    const real **in = (const real **)(band + height * size), *residual = d->residual;
    int laid = first * c->stride[0] - c->pad[0]; /* the next row to lay out; row y lies at y mod height */
    for (int y = first; y < end; y++) {
        const int top = y * c->stride[0] - c->pad[0];
        for (laid = YK_MAX(laid, top); laid < top + height; laid++)
            stem_lay_out(c, picture, laid, band + ((laid + c->pad[0]) % height) * size);
        for (int x = 0; x < c->out_width; x += MATMUL_ROWS) {
            const int rows = YK_MIN(c->out_width - x, MATMUL_ROWS);
            const int64_t at = ((int64_t)n * c->out_height + y) * c->out_width + x;
            for (int t = 0; t < height; t++) {
                const real *row = band + ((top + t + c->pad[0]) % height) * size;
                for (int r = 0; r < rows; r++)
                    in[t * MATMUL_ROWS + r] = row + (int64_t)(x + r) * c->stride[1] * c->in_channels;
            }
            point_behind(in, height, rows);
            const tile_input tiles = {
                .in = in, .stride = MATMUL_ROWS, .taps = height, .length = c->kernel[1] * c->in_channels};
            const tile_end e = {.out = (real *)d->out + at * c->out_pixel,
                                .residual = residual ? residual + at * c->residual_pixel : NULL,
                                .out_pixel = c->out_pixel,
                                .residual_pixel = c->residual_pixel,
                                .act = c->act,
                                .slope = c->slope};
            run_panels(d->packed, c->out_channels, stem_depth(c), &tiles, rows, &e);
        }
    }
}

static const yk_cpu_conv_kernel conv_stem = {
    .name = "stem",
    .fits = stem_fits,
    .cost = stem_cost,
    .packed_bytes = stem_packed,
    .pack = stem_pack,
    .scratch_bytes = stem_scratch,
    .parts = stem_parts,
    .run = stem_run,
};
