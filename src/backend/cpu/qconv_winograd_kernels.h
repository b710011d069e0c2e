/* 3x3 convolutions of 8-bit numbers by Winograd's F(4x4, 3x3) (A. Lavin, S. Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2015) in whole numbers: a quarter of the multiplications, of 16-bit numbers.
 *
 * A tile's 36 turned inputs are at most 10 * 10 * 255, which 16 bits hold. The matrix that turns weights is taken
 * without the fractions 1/4, 1/6 and 1/24 of its rows, so that turned weights are whole, at most 7 * 7 * 127. Products
 * of both are summed up in 32 bits, over so many channels at a time that the sum of the largest possible ones fits,
 * which is found from the weights when they are packed: all of them, as a rule. So far everything is exact. The sums
 * become floats, are multiplied by the fractions that were left out, and are turned back into 4x4 outputs; the error is
 * a few millionths of the sum of the magnitudes of what is added up. */

enum { QW_TILE = 4, QW_SIDE = 6, QW_POINTS = 36, QW_LEAST_CHUNK = 36 };

/* Of a row of the input's matrix, the sum of its magnitudes; of the weights' matrix, what was left out. */
static const int qw_reach[QW_SIDE] = {10, 10, 10, 6, 6, 10};
static const double qw_fraction[QW_SIDE] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24, 1};

typedef struct qw_cut {
    int across, down, tiles;          /* tiles of a picture's row and column, and of all pictures */
    int block, blocks;                /* tiles of a part, and how often they fit */
    int panels, column_parts;         /* panels of output channels, and among how many parts they are shared out */
    int channels;                     /* of the input, rounded up to whole vectors */
    int pairs, width;                 /* pairs of input channels; columns of all panels */
    int64_t input_step, product_step; /* numbers from a point to the next: never a multiple of 4 KB */
} qw_cut;

static double qw_cycles(const yk_cpu_conv *c)
{
    const int tiles = c->batch * ((c->out_height + QW_TILE - 1) / QW_TILE) * ((c->out_width + QW_TILE - 1) / QW_TILE);
    const int in = (c->in_channels + SHORTS - 1) / SHORTS, out = vecs_for(c->out_channels);
    return (double)tiles * (QW_POINTS * (c->in_channels / 4.0 * 1.3 + 5) * out + in * 120.0 +
                            out * (c->act == YK_ACT_NONE ? 160.0 : 290.0));
}

static qw_cut qw_cut_of(const yk_cpu_conv *c)
{
    qw_cut w = {.across = (c->out_width + QW_TILE - 1) / QW_TILE, .down = (c->out_height + QW_TILE - 1) / QW_TILE};
    w.tiles = c->batch * w.across * w.down;
    w.channels = (c->in_channels + SHORTS - 1) / SHORTS * SHORTS;
    w.pairs = (c->in_channels + 1) / 2;
    w.panels = panel_count(c->out_channels);
    w.width = (w.panels - 1) * PANEL + panel_vecs(c->out_channels, w.panels - 1) * VEC;
    const int each = QW_POINTS * (w.channels * (int)sizeof(int16_t) + PANEL * (int)sizeof(float));
    const int wanted = pieces(qw_cycles(c)), rows = ((w.tiles + wanted - 1) / wanted + TILE_ROWS - 1) / TILE_ROWS;
    const int most = YK_MIN(YK_MAX(YK_MIN((320 << 10) / each / TILE_ROWS, rows), 2), 16) * TILE_ROWS;
    w.blocks = (w.tiles + most - 1) / most;
    w.block = ((w.tiles + w.blocks - 1) / w.blocks + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    w.blocks = (w.tiles + w.block - 1) / w.block;
    w.column_parts = YK_MAX(1, YK_MIN(wanted / w.blocks, w.panels * PANEL / 32));
    w.input_step = (int64_t)w.block * w.channels + 4 * SHORTS;
    w.product_step = (int64_t)w.block * PANEL + 2 * VEC;
    return w;
}

static bool qw_fits(const yk_cpu_conv *c)
{
    return c->int8 && c->groups == 1 && c->in_channels >= 8 && c->kernel[0] == 3 && c->kernel[1] == 3 &&
           c->stride[0] == 1 && c->stride[1] == 1 && c->dilation[0] == 1 && c->dilation[1] == 1;
}

/* ---- weights ---- */

static void qw_turn_weights(const int *w, int step, int *out, int out_step)
{
    const int a = w[0], b = w[step], c = w[2 * step];
    out[0] = a;
    out[out_step] = a + b + c;
    out[2 * out_step] = a - b + c;
    out[3 * out_step] = a + 2 * b + 4 * c;
    out[4 * out_step] = a - 2 * b + 4 * c;
    out[5 * out_step] = c;
}

static void qw_turn_window(const int8_t *window, int *out)
{
    int w[9], half[QW_SIDE * 3];
    for (int i = 0; i < 9; i++)
        w[i] = window[i];
    for (int x = 0; x < 3; x++)
        qw_turn_weights(w + x, 3, half + x, 3);
    for (int y = 0; y < QW_SIDE; y++)
        qw_turn_weights(half + 3 * y, 1, out + QW_SIDE * y, 1);
}

/* How many channels are summed up at a time; biases and scales; then panel by panel and point by point a row of pairs
 * of weights for each pair of input channels. */
typedef struct qw_packed {
    int32_t *chunk;
    float *bias, *scale;
    int16_t *weights;
} qw_packed;

static qw_packed qw_packed_at(void *packed, const qw_cut *w)
{
    qw_packed p = {.chunk = packed};
    p.bias = (float *)packed + VEC;
    p.scale = p.bias + w->width;
    void *weights = p.scale + w->width;
    p.weights = weights;
    return p;
}

static size_t qw_packed_bytes(const yk_cpu_conv *c)
{
    const qw_cut w = qw_cut_of(c);
    return sizeof(float) * (size_t)(VEC + 2 * w.width + QW_POINTS * w.width * w.pairs);
}

/* The places of a column's weights: of point p and channel k. */
static int16_t *qw_weight(const yk_cpu_conv *c, const qw_cut *w, int16_t *weights, int column, int point, int channel)
{
    const int panel = column / PANEL, width = panel_vecs(c->out_channels, panel) * VEC;
    return weights +
           2 * ((int64_t)panel * PANEL * QW_POINTS * w->pairs + ((int64_t)point * w->pairs + channel / 2) * width +
                column % PANEL) +
           channel % 2;
}

/* Whether the largest sums over `chunk` channels fit into 32 bits. */
static bool qw_chunk_fits(const yk_cpu_conv *c, const qw_cut *w, int16_t *weights, int chunk)
{
    for (int o = 0; o < c->out_channels; o++) {
        for (int p = 0; p < QW_POINTS; p++) {
            const int64_t each = (int64_t)qw_reach[p / QW_SIDE] * qw_reach[p % QW_SIDE] * 255;
            int64_t sum = 0;
            for (int k = 0; k < c->in_channels; k++) {
                sum = k % chunk == 0 ? 0 : sum;
                sum += each * abs(*qw_weight(c, w, weights, o, p, k));
                if (sum > INT32_MAX)
                    return false;
            }
        }
    }
    return true;
}

static void qw_pack(const yk_cpu_conv *c, const int8_t *weights, const float *scales, const float *bias, void *packed)
{
    const qw_cut w = qw_cut_of(c);
    const qw_packed p = qw_packed_at(packed, &w);
    int turned[QW_POINTS];
    for (int o = 0; o < c->out_channels; o++) {
        p.bias[o] = bias ? bias[o] : 0;
        p.scale[o] = c->in8.scale * scales[o];
        for (int k = 0; k < c->in_channels; k++) {
            qw_turn_window(weights + ((int64_t)o * c->in_channels + k) * 9, turned);
            for (int i = 0; i < QW_POINTS; i++)
                *qw_weight(c, &w, p.weights, o, i, k) = (int16_t)turned[i];
        }
    }
    /* 36 channels always fit: a point's products are at most 42 * 42 * 255 * 127. */
    int chunk = w.pairs * 2;
    for (int parts = 2; chunk > QW_LEAST_CHUNK && !qw_chunk_fits(c, &w, p.weights, chunk); parts++)
        chunk = YK_MAX((w.pairs + parts - 1) / parts * 2, QW_LEAST_CHUNK);
    *p.chunk = chunk;
}

static bool qw_sound(const yk_cpu_conv *c, const void *packed)
{
    const qw_cut w = qw_cut_of(c);
    const int32_t chunk = *(const int32_t *)packed;
    return chunk >= 2 && chunk % 2 == 0 && chunk <= YK_MAX(2 * w.pairs, QW_LEAST_CHUNK);
}

/* ---- input ---- */

static inline __attribute__((always_inline)) void qw_turn_input(const vec_short *d, vec_short *out)
{
    const vec_short t = vec_short_sub(d[4], vec_short_shift(d[2], 2)),
                    u = vec_short_sub(d[3], vec_short_shift(d[1], 2));
    const vec_short p = vec_short_sub(d[4], d[2]), q = vec_short_sub(d[3], d[1]), r = vec_short_add(q, q);
    out[0] = vec_short_add(vec_short_shift(vec_short_sub(d[0], d[2]), 2), p);
    out[1] = vec_short_add(t, u);
    out[2] = vec_short_sub(t, u);
    out[3] = vec_short_add(p, r);
    out[4] = vec_short_sub(p, r);
    out[5] = vec_short_sub(vec_short_sub(d[5], d[3]), vec_short_add(r, r));
}

/* Where a tile's pixels are: side by side in the picture, or some of them in the padding. */
typedef struct qw_source {
    const uint8_t *const *at; /* pointers to all pixels; NULL: from `first` on */
    const uint8_t *first;
    int64_t row, pixel;
    yk_type type;
    int zero;
} qw_source;

static inline __attribute__((always_inline)) vec_short qw_load(const qw_source *s, int y, int x, int channel, int left)
{
    const uint8_t *at = (s->at ? s->at[y * QW_SIDE + x] : s->first + y * s->row + x * s->pixel) + channel;
    uint8_t bytes[SHORTS];
    if (left < SHORTS) {
        memset(bytes, (uint8_t)s->zero, sizeof bytes);
        memcpy(bytes, at, (size_t)left);
        at = bytes;
    }
    const vec_short a = s->type == YK_I8 ? vec_short_load_signed((const int8_t *)at) : vec_short_load_bytes(at);
    return vec_short_sub(a, vec_short_all(s->zero));
}

static inline __attribute__((always_inline)) void qw_turn_tile(const qw_source *s, int channel, int left, int16_t *out,
                                                               int64_t step)
{
    vec_short half[QW_POINTS];
    UNROLLED for (int x = 0; x < QW_SIDE; x++)
    {
        vec_short d[QW_SIDE], t[QW_SIDE];
        UNROLLED for (int y = 0; y < QW_SIDE; y++) d[y] = qw_load(s, y, x, channel, left);
        qw_turn_input(d, t);
        UNROLLED for (int y = 0; y < QW_SIDE; y++) half[y * QW_SIDE + x] = t[y];
    }
    UNROLLED for (int y = 0; y < QW_SIDE; y++)
    {
        vec_short t[QW_SIDE];
        qw_turn_input(half + y * QW_SIDE, t);
        UNROLLED for (int x = 0; x < QW_SIDE; x++) vec_short_store(out + (y * QW_SIDE + x) * step, t[x]);
    }
}

/* Apart for what is whole and lies in the picture, which is nearly all. */
static void qw_turn_channels(const yk_cpu_conv *c, const qw_source *s, int16_t *out, int64_t step)
{
    int k = 0;
    const qw_source plain = {.first = s->first, .row = s->row, .pixel = s->pixel, .type = YK_U8, .zero = s->zero};
    for (; !s->at && s->type == YK_U8 && k + SHORTS <= c->in_channels; k += SHORTS)
        qw_turn_tile(&plain, k, SHORTS, out + k, step);
    for (; k < c->in_channels; k += SHORTS)
        qw_turn_tile(s, k, c->in_channels - k, out + k, step);
}

static void qw_turn_inputs(const yk_cpu_conv *c, const qw_cut *w, const uint8_t *in, int first, int count,
                           const uint8_t *padding, int16_t *out)
{
    const uint8_t *at[QW_POINTS];
    for (int t = 0; t < count; t++) {
        const int tile = first + t, n = tile / (w->across * w->down);
        const int top = tile / w->across % w->down * QW_TILE - c->pad[0];
        const int left = tile % w->across * QW_TILE - c->pad[1];
        const uint8_t *picture = in + (int64_t)n * c->in_height * c->in_width * c->in_pixel;
        qw_source s = {
            .row = c->in_width * c->in_pixel, .pixel = c->in_pixel, .type = c->in8.type, .zero = c->in8.zero};
        if (top >= 0 && left >= 0 && top + QW_SIDE <= c->in_height && left + QW_SIDE <= c->in_width) {
            s.first = picture + ((int64_t)top * c->in_width + left) * c->in_pixel;
        } else {
            s.at = at;
            for (int i = 0; i < QW_POINTS; i++) {
                const int y = top + i / QW_SIDE, x = left + i % QW_SIDE;
                const bool real = y >= 0 && x >= 0 && y < c->in_height && x < c->in_width;
                at[i] = real ? picture + ((int64_t)y * c->in_width + x) * c->in_pixel : padding;
            }
        }
        qw_turn_channels(c, &s, out + (int64_t)t * w->channels, w->input_step);
    }
}

/* ---- products ---- */

/* Sums of a point's products for TILE_ROWS tiles, which begin at `in` and lie `step` numbers apart. */
static inline __attribute__((always_inline)) void qw_tile(const int vecs, const int16_t *const *in, int pairs,
                                                          const int16_t *weights, float fraction, bool more, float *out)
{
    vec_int sum[TILE_ROWS][TILE_VECS];
    UNROLLED for (int r = 0; r < TILE_ROWS; r++)
    {
        UNROLLED for (int v = 0; v < vecs; v++) sum[r][v] = vec_int_all(0);
    }
    const int16_t *at[TILE_ROWS];
    UNROLLED for (int r = 0; r < TILE_ROWS; r++) at[r] = in[r];
    for (int64_t k = 0; k < 2 * (int64_t)pairs; k += 2) {
        vec_int w[TILE_VECS];
        UNROLLED for (int v = 0; v < vecs; v++) w[v] = vec_int_load(weights + v * SHORTS);
        weights += vecs * SHORTS;
        UNROLLED for (int r = 0; r < TILE_ROWS; r++)
        {
            const vec_int a = vec_int_four(at[r] + k);
            UNROLLED for (int v = 0; v < vecs; v++) sum[r][v] = vec_int_dot2(sum[r][v], a, w[v]);
        }
    }
    UNROLLED for (int r = 0; r < TILE_ROWS; r++)
    {
        UNROLLED for (int v = 0; v < vecs; v++)
        {
            float *to = out + (r * vecs + v) * VEC;
            vec a = vec_mul(vec_of_int(sum[r][v]), vec_all(fraction));
            vec_store(to, more ? vec_add(vec_load(to), a) : a);
        }
    }
}

static __attribute__((noinline)) void qw_tile_full(const int16_t *const *in, int pairs, const int16_t *weights,
                                                   float fraction, bool more, float *out)
{
    qw_tile(TILE_VECS, in, pairs, weights, fraction, more, out);
}

static __attribute__((noinline)) void qw_tile_narrow(const int16_t *const *in, int pairs, const int16_t *weights,
                                                     float fraction, bool more, float *out)
{
    qw_tile(1, in, pairs, weights, fraction, more, out);
}

static void qw_multiply(const qw_cut *w, const int16_t *inputs, int count, int vecs, const int16_t *weights, int chunk,
                        float *products)
{
    const int width = vecs * VEC;
    for (int p = 0; p < QW_POINTS; p++) {
        const float fraction = (float)(qw_fraction[p / QW_SIDE] * qw_fraction[p % QW_SIDE]);
        for (int r = 0; r < count; r += TILE_ROWS) {
            float *to = products + p * w->product_step + (int64_t)r * width;
            for (int k = 0; k < w->pairs; k += chunk / 2) {
                /* Rows behind the last tile are that tile again. */
                const int16_t *at[TILE_ROWS];
                const int pairs = YK_MIN(chunk / 2, w->pairs - k);
                const int16_t *from = weights + 2 * ((int64_t)p * w->pairs + k) * width;
                for (int i = 0; i < TILE_ROWS; i++)
                    at[i] = inputs + p * w->input_step + (int64_t)YK_MIN(r + i, count - 1) * w->channels + 2 * k;
                (vecs == 1 ? qw_tile_narrow : qw_tile_full)(at, pairs, from, fraction, k > 0, to);
            }
        }
    }
}

/* ---- output ---- */

static inline __attribute__((always_inline)) void qw_turn_output(const vec *d, vec *out)
{
    const vec a = vec_add(d[1], d[2]), b = vec_sub(d[1], d[2]), e = vec_add(d[3], d[4]), f = vec_sub(d[3], d[4]);
    out[0] = vec_add(vec_add(d[0], a), e);
    out[1] = vec_fma(vec_all(2), f, b);
    out[2] = vec_fma(vec_all(4), e, a);
    out[3] = vec_add(vec_fma(vec_all(8), f, b), d[5]);
}

static inline __attribute__((always_inline)) void qw_turn_back(const float *products, int64_t step, vec *out)
{
    vec half[QW_TILE * QW_SIDE];
    UNROLLED for (int x = 0; x < QW_SIDE; x++)
    {
        vec d[QW_SIDE], t[QW_TILE];
        UNROLLED for (int y = 0; y < QW_SIDE; y++) d[y] = vec_load(products + (y * QW_SIDE + x) * step);
        qw_turn_output(d, t);
        UNROLLED for (int y = 0; y < QW_TILE; y++) half[y * QW_SIDE + x] = t[y];
    }
    UNROLLED for (int y = 0; y < QW_TILE; y++) qw_turn_output(half + y * QW_SIDE, out + y * QW_TILE);
}

static void qw_turn_outputs(const yk_cpu_conv *c, const qw_cut *w, const yk_cpu_conv_data *d, const float *products,
                            int first, int count, int panel, const qw_packed *packed)
{
    const int vecs = panel_vecs(c->out_channels, panel), width = vecs * VEC;
    for (int t = 0; t < count; t++) {
        const int tile = first + t, n = tile / (w->across * w->down);
        const int top = tile / w->across % w->down * QW_TILE, left = tile % w->across * QW_TILE;
        const int rows = YK_MIN(QW_TILE, c->out_height - top), across = YK_MIN(QW_TILE, c->out_width - left);
        const int64_t at = ((int64_t)n * c->out_height + top) * c->out_width + left;
        for (int v = 0; v < vecs; v++) {
            const int column = panel * PANEL + v * VEC;
            const vec scale = vec_load(packed->scale + column), bias = vec_load(packed->bias + column);
            float values[QW_TILE * QW_TILE * VEC];
            vec out[QW_TILE * QW_TILE];
            if (column >= c->out_channels)
                continue;
            qw_turn_back(products + (int64_t)t * width + v * VEC, w->product_step, out);
            UNROLLED for (int i = 0; i < QW_TILE * QW_TILE; i++)
                vec_store(values + i * VEC, vec_fma(out[i], scale, bias));
            for (int y = 0; y < rows; y++) {
                qend e = qend_of(c, d, at + (int64_t)y * c->out_width, column);
                e.columns = c->out_channels - column;
                qfinish(&e, values + y * QW_TILE * VEC, across, 1);
            }
        }
    }
}

/* ---- a part ---- */

static size_t qw_scratch(const yk_cpu_conv *c)
{
    const qw_cut w = qw_cut_of(c);
    return QW_POINTS * ((size_t)w.input_step * sizeof(int16_t) + (size_t)w.product_step * sizeof(float)) +
           (size_t)w.channels;
}

static int qw_parts(const yk_cpu_conv *c)
{
    const qw_cut w = qw_cut_of(c);
    return w.blocks * w.column_parts;
}

static void qw_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const qw_cut w = qw_cut_of(c);
    const int first = part / w.column_parts * w.block, count = YK_MIN(w.block, w.tiles - first);
    const int column_part = part % w.column_parts;
    const qw_packed packed = qw_packed_at((void *)d->packed, &w);
    int16_t *inputs = scratch;
    void *after_inputs = inputs + QW_POINTS * w.input_step;
    float *products = after_inputs;
    uint8_t *padding = (uint8_t *)(products + QW_POINTS * w.product_step);
    memset(padding, (uint8_t)c->in8.zero, (size_t)w.channels);
    qw_turn_inputs(c, &w, d->in, first, count, padding, inputs);
    for (int panel = w.panels * column_part / w.column_parts; panel < w.panels * (column_part + 1) / w.column_parts;
         panel++) {
        const int16_t *weights = packed.weights + 2 * (int64_t)panel * PANEL * QW_POINTS * w.pairs;
        qw_multiply(&w, inputs, count, panel_vecs(c->out_channels, panel), weights, *packed.chunk, products);
        qw_turn_outputs(c, &w, d, products, first, count, panel, &packed);
    }
}

static const yk_cpu_conv_kernel qconv_winograd4 = {
    .name = "qwinograd4",
    .fits = qw_fits,
    .cost = qw_cycles,
    .packed_bytes = qw_packed_bytes,
    .pack8 = qw_pack,
    .sound = qw_sound,
    .scratch_bytes = qw_scratch,
    .parts = qw_parts,
    .run = qw_run,
};
