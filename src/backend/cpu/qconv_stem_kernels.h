/* The first convolution of 8-bit numbers: a row of the window is one run of bytes in a band of the picture that is laid
 * out with its padding, as conv_stem_kernels.h has it for floats. */

static bool qstem_fits(const yk_cpu_conv *c)
{
    return c->int8 && c->groups == 1 && c->in_channels <= 4 && c->dilation[0] == 1 && c->dilation[1] == 1;
}

static qform qstem_form(const yk_cpu_conv *c)
{
    return (qform){c->kernel[0], qlength(c->kernel[1] * c->in_channels), c->kernel[1]};
}

/* Bytes in a row of the band, all that the last window's run touches included. */
static int64_t qstem_row(const yk_cpu_conv *c)
{
    const int64_t pixels = (int64_t)(c->out_width - 1) * c->stride[1] + c->kernel[1];
    return (YK_MAX(pixels, c->pad[1] + c->in_width) * c->in_channels + OCTET + 63) / 64 * 64;
}

static double qstem_cost(const yk_cpu_conv *c)
{
    const qform f = qstem_form(c);
    const bool packed = c->in_pixel == c->in_channels;
    return qtile_cycles(c, &f) + (double)c->batch * c->in_height * (double)qstem_row(c) * (packed ? 0.1 : 1);
}

static size_t qstem_packed(const yk_cpu_conv *c)
{
    const qform f = qstem_form(c);
    return qpacked_bytes(c, &f);
}

static void qstem_pack(const yk_cpu_conv *c, const int8_t *weights, const float *scales, const float *bias,
                       void *packed)
{
    const qform f = qstem_form(c);
    qpack(c, &f, weights, scales, bias, packed);
}

static bool qstem_sound(const yk_cpu_conv *c, const void *packed)
{
    const qform f = qstem_form(c);
    return qsound(c, &f, packed);
}

static int qstem_part_rows(const yk_cpu_conv *c)
{
    return YK_MIN(part_rows(qstem_cost(c), (int64_t)c->batch * c->out_height, 1), c->out_height);
}

static int qstem_parts_of_picture(const yk_cpu_conv *c)
{
    return (c->out_height + qstem_part_rows(c) - 1) / qstem_part_rows(c);
}

static int qstem_parts(const yk_cpu_conv *c)
{
    return c->batch * qstem_parts_of_picture(c);
}

/* A band has the rows of one window. */
static size_t qstem_scratch(const yk_cpu_conv *c)
{
    const size_t rows = (size_t)c->kernel[0];
    return rows * (size_t)qstem_row(c) + rows * MATMUL_ROWS * sizeof(uint8_t *);
}

/* Row `y` of the picture, which may be in the padding. */
static void qstem_lay_out(const yk_cpu_conv *c, const uint8_t *picture, int y, uint8_t *row)
{
    const int channels = c->in_channels;
    const uint8_t *from = picture + (int64_t)y * c->in_width * c->in_pixel;
    uint8_t *to = row + (int64_t)c->pad[1] * channels;
    memset(row, (uint8_t)c->in8.zero, (size_t)qstem_row(c));
    if (y < 0 || y >= c->in_height)
        return;
    if (c->in_pixel == channels) {
        memcpy(to, from, (size_t)c->in_width * (size_t)channels);
        return;
    }
    for (int x = 0; x < c->in_width; x++, from += c->in_pixel) {
        for (int k = 0; k < channels; k++)
            *to++ = from[k];
    }
}

static void qstem_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const qform f = qstem_form(c);
    const int64_t size = qstem_row(c);
    const int height = c->kernel[0], n = part / qstem_parts_of_picture(c), begin = part % qstem_parts_of_picture(c);
    const int first = begin * qstem_part_rows(c), end = YK_MIN(first + qstem_part_rows(c), c->out_height);
    const uint8_t *picture = (const uint8_t *)d->in + (int64_t)n * c->in_height * c->in_width * c->in_pixel;
    uint8_t *band = scratch;
    void *behind = band + height * size;
    const uint8_t **in = behind;
    int laid = first * c->stride[0] - c->pad[0]; /* the next row to lay out; row y lies at y mod height */
    for (int y = first; y < end; y++) {
        const int top = y * c->stride[0] - c->pad[0];
        for (laid = YK_MAX(laid, top); laid < top + height; laid++)
            qstem_lay_out(c, picture, laid, band + ((laid + c->pad[0]) % height) * size);
        for (int x = 0; x < c->out_width; x += MATMUL_ROWS) {
            const int rows = YK_MIN(c->out_width - x, MATMUL_ROWS);
            for (int t = 0; t < height; t++) {
                const uint8_t *row = band + ((top + t + c->pad[0]) % height) * size;
                for (int r = 0; r < rows; r++)
                    in[t * MATMUL_ROWS + r] = row + (int64_t)(x + r) * c->stride[1] * c->in_channels;
            }
            const qinput tiles = {
                .in = in, .stride = MATMUL_ROWS, .runs = f.runs, .length = f.length, .flip = qflip(c)};
            const qend e = qend_of(c, d, ((int64_t)n * c->out_height + y) * c->out_width + x, 0);
            qrun_panels(d->packed, c->out_channels, &tiles, rows, &e);
        }
    }
}

static const yk_cpu_conv_kernel qconv_stem = {
    .name = "qstem",
    .fits = qstem_fits,
    .cost = qstem_cost,
    .packed_bytes = qstem_packed,
    .pack8 = qstem_pack,
    .sound = qstem_sound,
    .scratch_bytes = qstem_scratch,
    .parts = qstem_parts,
    .run = qstem_run,
};
