/* Depthwise convolutions of 8-bit numbers, in floats: a sum of so few products of two bytes is below 2^24, so that it
 * is exact, and each channel by itself leaves nothing to multiply in pairs. Vectors run along the channels of a pixel,
 * and the outputs of a row that are summed up at once share the pixels they read. */

enum { QDEPTHWISE_AT_ONCE = 6, QDEPTHWISE_TAPS = 256 /* 2^24 / (255 * 128) is twice as much: pixels and zeros */ };

static bool qdepthwise_fits(const yk_cpu_conv *c)
{
    return c->int8 && is_depthwise(c) && c->kernel[0] * c->kernel[1] <= QDEPTHWISE_TAPS;
}

static double qdepthwise_cost(const yk_cpu_conv *c)
{
    const double outputs = (double)c->batch * c->out_height * c->out_width * vecs_for(c->in_channels);
    return outputs * (c->kernel[0] * c->kernel[1] * 1.2 + (c->act == YK_ACT_NONE ? 4 : 11));
}

/* Biases, scales, for each row of the window what its zeros add up to, and for each tap a weight for each channel. */
static size_t qdepthwise_packed(const yk_cpu_conv *c)
{
    return (size_t)depthwise_width(c) * (size_t)(2 + c->kernel[0] * (1 + c->kernel[1])) * sizeof(float);
}

static void qdepthwise_pack(const yk_cpu_conv *c, const int8_t *weights, const float *scales, const float *bias,
                            void *packed)
{
    const int width = depthwise_width(c), taps = c->kernel[0] * c->kernel[1];
    float *to = packed, *rows = to + 2 * width, *each = rows + c->kernel[0] * width;
    for (int k = 0; k < c->in_channels; k++) {
        to[k] = bias ? bias[k] : 0;
        to[width + k] = c->in8.scale * scales[k];
        for (int t = 0; t < taps; t++) {
            const float w = weights[k * taps + t];
            each[t * width + k] = w;
            rows[t / c->kernel[1] * width + k] -= w * (float)c->in8.zero;
        }
    }
}

/* Rows of the output, those of all pictures one after the other. */
static int qdepthwise_rows(const yk_cpu_conv *c)
{
    return part_rows(qdepthwise_cost(c), (int64_t)c->batch * c->out_height, 1);
}

static int qdepthwise_parts(const yk_cpu_conv *c)
{
    const int rows = qdepthwise_rows(c);
    return (c->batch * c->out_height + rows - 1) / rows;
}

/* Where a row of outputs reads. */
typedef struct qdepthwise_row {
    const uint8_t *in;        /* the picture */
    const float *rows, *each; /* as packed */
    int width;                /* floats from a tap to the next */
    int y;                    /* of the first tap, which may be in the padding */
    int first_tap, taps;      /* rows of the window that are inside */
} qdepthwise_row;

static inline __attribute__((always_inline)) vec qdepthwise_load(const bool is_signed, const uint8_t *p, int count)
{
    uint8_t bytes[VEC] = {0};
    if (count < VEC) {
        memcpy(bytes, p, (size_t)count);
        p = bytes;
    }
    return is_signed ? vec_load_signed((const void *)p) : vec_load_bytes(p);
}

/* `many` outputs from x on, of which none reads beside the row. Each pixel is read once where `across`, the window's
 * width, and `stride` are known: a vector of constants then. */
static inline __attribute__((always_inline)) void qdepthwise_inside(const bool is_signed, const int many,
                                                                    const int across, const int stride,
                                                                    const yk_cpu_conv *c, const qdepthwise_row *r,
                                                                    int x, int channel, int count, vec *sum)
{
    UNROLLED for (int i = 0; i < many; i++) sum[i] = vec_all(0);
    for (int ky = r->first_tap; ky < r->first_tap + r->taps; ky++) {
        const int in_y = r->y + ky * c->dilation[0];
        const uint8_t *in =
            r->in + ((int64_t)in_y * c->in_width + x * c->stride[1] - c->pad[1]) * c->in_pixel + channel;
        const float *w = r->each + ky * c->kernel[1] * r->width + channel;
        const vec zeros = vec_load(r->rows + ky * r->width + channel);
        UNROLLED for (int i = 0; i < many; i++) sum[i] = vec_add(sum[i], zeros);
        if (across > 0) {
            UNROLLED for (int k = 0; k < (many - 1) * stride + across; k++)
            {
                const vec pixel = qdepthwise_load(is_signed, in + k * c->in_pixel, count);
                UNROLLED for (int i = 0; i < many; i++)
                {
                    const int kx = k - i * stride;
                    if (kx >= 0 && kx < across)
                        sum[i] = vec_fma(pixel, vec_load(w + kx * r->width), sum[i]);
                }
            }
            continue;
        }
        const int64_t step = c->stride[1] * c->in_pixel;
        for (int kx = 0; kx < c->kernel[1]; kx++, w += r->width, in += c->dilation[1] * c->in_pixel) {
            const vec weight = vec_load(w);
            UNROLLED for (int i = 0; i < many; i++) sum[i] =
                vec_fma(qdepthwise_load(is_signed, in + i * step, count), weight, sum[i]);
        }
    }
}

/* One output, whose window may reach over the border. */
static vec qdepthwise_border(const yk_cpu_conv *c, const qdepthwise_row *r, int x, int channel, int count)
{
    const vec zero = vec_all((float)c->in8.zero);
    vec sum = vec_all(0);
    for (int ky = r->first_tap; ky < r->first_tap + r->taps; ky++) {
        const uint8_t *in = r->in + (int64_t)(r->y + ky * c->dilation[0]) * c->in_width * c->in_pixel + channel;
        for (int kx = 0; kx < c->kernel[1]; kx++) {
            const int in_x = x * c->stride[1] + kx * c->dilation[1] - c->pad[1];
            if (in_x >= 0 && in_x < c->in_width)
                sum = vec_fma(vec_sub(qdepthwise_load(c->in8.type == YK_I8, in + in_x * c->in_pixel, count), zero),
                              vec_load(r->each + (ky * c->kernel[1] + kx) * r->width + channel), sum);
        }
    }
    return sum;
}

/* A vector of channels of a row of outputs. */
static inline __attribute__((always_inline)) void qdepthwise_channels(const bool is_signed, const int across,
                                                                      const int stride, const yk_cpu_conv *c,
                                                                      const float *packed, const qdepthwise_row *r,
                                                                      const qend *e, int channel, int count)
{
    const int reach = (c->kernel[1] - 1) * c->dilation[1];
    const vec bias = vec_load(packed + channel), scale = vec_load(packed + r->width + channel);
    float values[QDEPTHWISE_AT_ONCE * VEC];
    qend at = *e;
    for (int x = 0; x < c->out_width;) {
        const int left = x * c->stride[1] - c->pad[1];
        vec sum[QDEPTHWISE_AT_ONCE];
        int many = 1;
        if (left >= 0 && x + QDEPTHWISE_AT_ONCE <= c->out_width &&
            left + (QDEPTHWISE_AT_ONCE - 1) * c->stride[1] + reach < c->in_width) {
            many = QDEPTHWISE_AT_ONCE;
            qdepthwise_inside(is_signed, QDEPTHWISE_AT_ONCE, across, stride, c, r, x, channel, count, sum);
        } else {
            sum[0] = qdepthwise_border(c, r, x, channel, count);
        }
        for (int i = 0; i < many; i++)
            vec_store(values + i * VEC, vec_fma(sum[i], scale, bias));
        qfinish(&at, values, many, 1);
        at.out += many * at.out_pixel;
        at.residual = at.residual ? at.residual + many * at.residual_pixel : NULL;
        x += many;
    }
}

static __attribute__((noinline)) void qdepthwise_3(const yk_cpu_conv *c, const float *packed, const qdepthwise_row *r,
                                                   const qend *e, int channel)
{
    qdepthwise_channels(false, 3, 1, c, packed, r, e, channel, VEC);
}

static __attribute__((noinline)) void qdepthwise_3_by_2(const yk_cpu_conv *c, const float *packed,
                                                        const qdepthwise_row *r, const qend *e, int channel)
{
    qdepthwise_channels(false, 3, 2, c, packed, r, e, channel, VEC);
}

static __attribute__((noinline)) void qdepthwise_any(const yk_cpu_conv *c, const float *packed, const qdepthwise_row *r,
                                                     const qend *e, int channel, int count)
{
    if (c->in8.type == YK_I8)
        qdepthwise_channels(true, 0, 0, c, packed, r, e, channel, count);
    else
        qdepthwise_channels(false, 0, 0, c, packed, r, e, channel, count);
}

static void qdepthwise_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const int first = part * qdepthwise_rows(c), end = YK_MIN(first + qdepthwise_rows(c), c->batch * c->out_height);
    const bool three = c->in8.type == YK_U8 && c->kernel[1] == 3 && c->dilation[1] == 1;
    const float *packed = d->packed;
    (void)scratch;
    for (int row = first; row < end; row++) {
        qdepthwise_row r = {.in = (const uint8_t *)d->in +
                                  (int64_t)(row / c->out_height) * c->in_height * c->in_width * c->in_pixel,
                            .width = depthwise_width(c),
                            .y = row % c->out_height * c->stride[0] - c->pad[0]};
        r.rows = packed + 2 * r.width;
        r.each = r.rows + c->kernel[0] * r.width;
        depthwise_inside_rows(c, r.y, &r.first_tap, &r.taps);
        for (int k = 0; k < c->in_channels; k += VEC) {
            qend e = qend_of(c, d, (int64_t)row * c->out_width, k);
            e.columns = c->in_channels - k;
            if (three && c->stride[1] == 1 && k + VEC <= c->in_channels)
                qdepthwise_3(c, packed, &r, &e, k);
            else if (three && c->stride[1] == 2 && k + VEC <= c->in_channels)
                qdepthwise_3_by_2(c, packed, &r, &e, k);
            else
                qdepthwise_any(c, packed, &r, &e, k, YK_MIN(c->in_channels - k, VEC));
        }
    }
}

static const yk_cpu_conv_kernel qconv_depthwise = {
    .name = "qdepthwise",
    .fits = qdepthwise_fits,
    .cost = qdepthwise_cost,
    .packed_bytes = qdepthwise_packed,
    .pack8 = qdepthwise_pack,
    .scratch_bytes = depthwise_scratch,
    .parts = qdepthwise_parts,
    .run = qdepthwise_run,
};
