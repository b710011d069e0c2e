/* Depthwise convolutions: each channel by itself, so that vectors run along the channels of a pixel. A few outputs of a
 * row are summed up at once, which is what hides how long an addition takes. */

enum { DEPTHWISE_AT_ONCE = 4 };

static bool is_depthwise(const yk_cpu_conv *c)
{
    return c->groups == c->in_channels && c->out_channels == c->in_channels;
}

static bool depthwise_fits(const yk_cpu_conv *c)
{
    return !c->bytes && is_depthwise(c) && c->groups > 1;
}

static double depthwise_cost(const yk_cpu_conv *c)
{
    const double outputs = (double)c->batch * c->out_height * c->out_width * vecs_for(c->in_channels);
    return outputs * (c->kernel[0] * c->kernel[1] * 0.9 + (c->act == YK_ACT_NONE ? 2 : 9));
}

static int depthwise_width(const yk_cpu_conv *c)
{
    return round_up(c->in_channels, VEC);
}

/* Biases, then for each tap a weight for each channel. */
static size_t depthwise_packed(const yk_cpu_conv *c)
{
    return (size_t)depthwise_width(c) * (size_t)(c->kernel[0] * c->kernel[1] + 1) * sizeof(float);
}

static void depthwise_pack(const yk_cpu_conv *c, const float *weights, const float *bias, void *packed)
{
    const int taps = c->kernel[0] * c->kernel[1], width = depthwise_width(c);
    float *to = packed;
    for (int k = 0; k < c->in_channels; k++) {
        to[k] = bias ? bias[k] : 0;
        for (int t = 0; t < taps; t++)
            to[(t + 1) * width + k] = weights[k * taps + t];
    }
}

static size_t depthwise_scratch(const yk_cpu_conv *c)
{
    (void)c;
    return 64;
}

/* Rows of the output, those of all pictures one after the other. */
static int depthwise_rows(const yk_cpu_conv *c)
{
    return part_rows(depthwise_cost(c), (int64_t)c->batch * c->out_height, 1);
}

static int depthwise_parts(const yk_cpu_conv *c)
{
    const int rows = depthwise_rows(c);
    return (c->batch * c->out_height + rows - 1) / rows;
}

/* Which rows of a window that begins at row y of the picture are inside of it. */
static void depthwise_inside_rows(const yk_cpu_conv *c, int y, int *first, int *count)
{
    *first = *count = 0;
    while (*first < c->kernel[0] && y + *first * c->dilation[0] < 0)
        (*first)++;
    while (*first + *count < c->kernel[0] && y + (*first + *count) * c->dilation[0] < c->in_height)
        (*count)++;
}

/* Where a row of outputs reads. */
typedef struct depthwise_row {
    const real *in; /* the picture */
    const float *weights;
    int y;                 /* of the first tap, which may be in the padding */
    int first_tap, taps;   /* rows of the window that are inside */
    int64_t out, residual; /* of the row's first pixel */
} depthwise_row;

static inline __attribute__((always_inline)) vec depthwise_load(const real *p, int count)
{
    return count == VEC ? real_load(p) : real_load_first(p, count);
}

/* `many` outputs from x on, of which none reads beside the row. `across` taps of a row, known to the compiler. */
static inline __attribute__((always_inline)) void depthwise_inside(const int many, const int across,
                                                                   const yk_cpu_conv *c, const depthwise_row *r, int x,
                                                                   int channel, int count, vec *sum)
{
    const int width = depthwise_width(c);
    const int64_t step = c->stride[1] * c->in_pixel, tap = c->dilation[1] * c->in_pixel;
    const real *in = r->in +
                     ((int64_t)(r->y + r->first_tap * c->dilation[0]) * c->in_width + x * c->stride[1]) * c->in_pixel -
                     c->pad[1] * c->in_pixel + channel;
    const float *w = r->weights + (r->first_tap * across + 1) * width + channel;
    const vec bias = vec_load(r->weights + channel);
    UNROLLED for (int i = 0; i < many; i++) sum[i] = bias;
    for (int ky = 0; ky < r->taps; ky++, w += across * width, in += c->dilation[0] * c->in_width * c->in_pixel) {
        for (int kx = 0; kx < across; kx++) {
            const vec weight = vec_load(w + kx * width);
            UNROLLED for (int i = 0; i < many; i++) sum[i] =
                vec_fma(depthwise_load(in + kx * tap + i * step, count), weight, sum[i]);
        }
    }
}

/* One output, whose window may reach over the border. */
static vec depthwise_border(const yk_cpu_conv *c, const depthwise_row *r, int x, int channel, int count)
{
    const int width = depthwise_width(c);
    vec sum = vec_load(r->weights + channel);
    for (int ky = r->first_tap; ky < r->first_tap + r->taps; ky++) {
        const real *in = r->in + (int64_t)(r->y + ky * c->dilation[0]) * c->in_width * c->in_pixel + channel;
        for (int kx = 0; kx < c->kernel[1]; kx++) {
            const int in_x = x * c->stride[1] + kx * c->dilation[1] - c->pad[1];
            if (in_x >= 0 && in_x < c->in_width)
                sum = vec_fma(depthwise_load(in + in_x * c->in_pixel, count),
                              vec_load(r->weights + (ky * c->kernel[1] + kx + 1) * width + channel), sum);
        }
    }
    return sum;
}

/* VEC channels, or the last few, of `many` outputs, which share most of what they read. */
static inline __attribute__((always_inline)) void depthwise_outputs(const int many, const int across,
                                                                    const yk_cpu_conv *c, const yk_cpu_conv_data *d,
                                                                    const depthwise_row *r, int x, int channel,
                                                                    const int count)
{
    vec sum[DEPTHWISE_AT_ONCE];
    real *out = (real *)d->out + (r->out + x) * c->out_pixel + channel;
    const real *residual = d->residual;
    residual = residual ? residual + (r->residual + x) * c->residual_pixel + channel : NULL;
    if (many == 1)
        sum[0] = depthwise_border(c, r, x, channel, count);
    else
        depthwise_inside(many, across, c, r, x, channel, count, sum);
    vec_activate_at_once(many, c->act, c->slope, sum);
    UNROLLED for (int i = 0; i < many; i++)
        tile_store(out + i * c->out_pixel, residual ? residual + i * c->residual_pixel : NULL, sum[i], count);
}

static inline __attribute__((always_inline)) void depthwise_pixels(const int many, const int across,
                                                                   const yk_cpu_conv *c, const yk_cpu_conv_data *d,
                                                                   const depthwise_row *r, int x)
{
    int k = 0;
    for (; k + VEC <= c->in_channels; k += VEC)
        depthwise_outputs(many, across, c, d, r, x, k, VEC);
    if (k < c->in_channels)
        depthwise_outputs(many, across, c, d, r, x, k, c->in_channels - k);
}

static void depthwise_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const int first = part * depthwise_rows(c), end = YK_MIN(first + depthwise_rows(c), c->batch * c->out_height);
    (void)scratch;
    for (int row = first; row < end; row++) {
        depthwise_row r = {.in = (const real *)d->in +
                                 (int64_t)(row / c->out_height) * c->in_height * c->in_width * c->in_pixel,
                           .weights = d->packed,
                           .y = row % c->out_height * c->stride[0] - c->pad[0]};
        r.out = r.residual = (int64_t)row * c->out_width;
        depthwise_inside_rows(c, r.y, &r.first_tap, &r.taps);
        const int reach = (c->kernel[1] - 1) * c->dilation[1];
        for (int x = 0, many; x < c->out_width; x += many) {
            const int left = x * c->stride[1] - c->pad[1];
            const bool inside = left >= 0 && x + DEPTHWISE_AT_ONCE <= c->out_width &&
                                left + (DEPTHWISE_AT_ONCE - 1) * c->stride[1] + reach < c->in_width;
            many = inside ? DEPTHWISE_AT_ONCE : 1;
            if (!inside)
                depthwise_pixels(1, c->kernel[1], c, d, &r, x);
            else if (c->kernel[1] == 3)
                depthwise_pixels(DEPTHWISE_AT_ONCE, 3, c, d, &r, x);
            else
                depthwise_pixels(DEPTHWISE_AT_ONCE, c->kernel[1], c, d, &r, x);
        }
    }
}

static const yk_cpu_conv_kernel conv_depthwise = {
    .name = "depthwise",
    .fits = depthwise_fits,
    .cost = depthwise_cost,
    .packed_bytes = depthwise_packed,
    .pack = depthwise_pack,
    .scratch_bytes = depthwise_scratch,
    .parts = depthwise_parts,
    .run = depthwise_run,
};
