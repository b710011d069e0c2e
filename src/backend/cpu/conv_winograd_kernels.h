/* 3x3 convolutions of stride 1 by Winograd's minimal filtering (A. Lavin, S. Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2015): F(4x4, 3x3) needs 36 multiplications for 16 outputs where the window alone needs 144, and
 * F(2x2, 3x3) 16 for 4 instead of 36.
 *
 * Tiles of the input overlap by two pixels. Each is turned into 36 (16) numbers a channel; for each of these, the
 * products with the turned weights are summed over the channels as a product of matrices, with tiles for rows; and what
 * comes out is turned back into 4x4 (2x2) outputs. A part does this for a block of tiles whose turned inputs stay in
 * the second cache, panel by panel of output channels, so that the products never leave it.
 *
 * The largest error of F(4x4, 3x3) in 32-bit floats is about 1e-5 of the sum of the magnitudes of what is added up,
 * that of F(2x2, 3x3) about 2e-6; tests/unit/test_cpu_conv.c holds them to twice that. */

/* A few tiles' worth of memory less than the second cache that processors have for each core. */
enum { WINOGRAD_CACHE = 320 << 10, WINOGRAD_LEAST_TILES = 2 * TILE_ROWS, WINOGRAD_MOST_TILES = 16 * TILE_ROWS };

/* How a convolution is cut. */
typedef struct winograd_cut {
    int side, points;                 /* of a tile of the input, and its square */
    int across, down, tiles;          /* tiles of a picture's row and column, and of all pictures */
    int block, blocks;                /* tiles of a part, and how often they fit */
    int panels, column_parts;         /* panels of output channels, and among how many parts they are shared out */
    int rows;                         /* tiles of a block, rounded up to whole register tiles */
    int channels;                     /* of the input, rounded up to whole vectors */
    int64_t input_step, product_step; /* floats from a point to the next: never a multiple of 4 KB */
} winograd_cut;

static int round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

static double winograd_cycles(const yk_cpu_conv *c, int m, double *transforms)
{
    const int down = (c->out_height + m - 1) / m, across = (c->out_width + m - 1) / m;
    const double tiles = (double)c->batch * down * across;
    const double points = (m + 2) * (m + 2), in = vecs_for(c->in_channels), out = vecs_for(c->out_channels);
    *transforms = tiles * in * points * 3.2;
    return tiles * points * (c->in_channels / 2.0 * 1.08 + 4) * out + *transforms +
           tiles * out * (points * 2.6 + m * m * (c->act == YK_ACT_NONE ? 1.5 : 9));
}

static winograd_cut winograd_cut_of(const yk_cpu_conv *c, int m)
{
    winograd_cut w = {.side = m + 2, .points = (m + 2) * (m + 2)};
    double transforms;
    w.across = (c->out_width + m - 1) / m;
    w.down = (c->out_height + m - 1) / m;
    w.tiles = c->batch * w.across * w.down;
    w.channels = round_up(c->in_channels, VEC);
    w.panels = panel_count(c->out_channels);
    const int wanted = pieces(winograd_cycles(c, m, &transforms));
    int most = WINOGRAD_CACHE / (w.points * w.channels * (int)sizeof(float)) / TILE_ROWS * TILE_ROWS;
    most = YK_MIN(YK_MIN(most, (w.tiles + wanted - 1) / wanted), WINOGRAD_MOST_TILES);
    most = YK_MAX(most, WINOGRAD_LEAST_TILES);
    /* Blocks of one size, so that no part is a small rest. */
    w.blocks = (w.tiles + most - 1) / most;
    w.block = round_up((w.tiles + w.blocks - 1) / w.blocks, TILE_ROWS);
    w.blocks = (w.tiles + w.block - 1) / w.block;
    w.rows = w.block;
    /* Few tiles with many channels are shared out by channels too, though each part then turns the input. */
    w.column_parts = YK_MAX(1, YK_MIN(wanted / w.blocks, w.panels * PANEL / 32));
    w.input_step = (int64_t)w.rows * w.channels + 2 * VEC;
    w.product_step = (int64_t)w.rows * PANEL + 2 * VEC;
    return w;
}

static bool winograd_fits(const yk_cpu_conv *c)
{
    return !c->bytes && c->groups == 1 && c->in_channels >= VEC / 2 && c->kernel[0] == 3 && c->kernel[1] == 3 &&
           c->stride[0] == 1 && c->stride[1] == 1 && c->dilation[0] == 1 && c->dilation[1] == 1;
}

/* ---- weights ---- */

/* One row of G's product with three weights. */
static void turn_weights(int m, const double *w, int step, double *out, int out_step)
{
    const double a = w[0], b = w[step], c = w[2 * step];
    if (m == 2) {
        out[0] = a;
        out[out_step] = (a + b + c) / 2;
        out[2 * out_step] = (a - b + c) / 2;
        out[3 * out_step] = c;
        return;
    }
    out[0] = a / 4;
    out[out_step] = -(a + b + c) / 6;
    out[2 * out_step] = -(a - b + c) / 6;
    out[3 * out_step] = (a + 2 * b + 4 * c) / 24;
    out[4 * out_step] = (a - 2 * b + 4 * c) / 24;
    out[5 * out_step] = c;
}

static void turn_window(int m, const float *window, double *out)
{
    double w[9], half[6 * 3];
    for (int i = 0; i < 9; i++)
        w[i] = (double)window[i];
    for (int x = 0; x < 3; x++)
        turn_weights(m, w + x, 3, half + x, 3);
    for (int y = 0; y < m + 2; y++)
        turn_weights(m, half + 3 * y, 1, out + (m + 2) * y, 1);
}

static int winograd_width(const yk_cpu_conv *c)
{
    const int last = panel_count(c->out_channels) - 1;
    return last * PANEL + panel_vecs(c->out_channels, last) * VEC;
}

/* Biases, then panel by panel and point by point a row of weights for each input channel. */
static size_t winograd_packed(const yk_cpu_conv *c, int m)
{
    return (size_t)winograd_width(c) * (size_t)(1 + (m + 2) * (m + 2) * c->in_channels) * sizeof(float);
}

static void winograd_pack(const yk_cpu_conv *c, int m, const float *weights, const float *bias, float *packed)
{
    const int points = (m + 2) * (m + 2);
    double turned[36];
    float *to = packed + winograd_width(c);
    for (int o = 0; o < c->out_channels; o++) {
        const int panel = o / PANEL, width = panel_vecs(c->out_channels, panel) * VEC;
        packed[o] = bias ? bias[o] : 0;
        float *column = to + (int64_t)panel * PANEL * points * c->in_channels + o % PANEL;
        for (int k = 0; k < c->in_channels; k++) {
            turn_window(m, weights + ((int64_t)o * c->in_channels + k) * 9, turned);
            for (int p = 0; p < points; p++)
                column[((int64_t)p * c->in_channels + k) * width] = (float)turned[p];
        }
    }
}

/* ---- input ---- */

static inline __attribute__((always_inline)) void turn_input(const int m, const vec *d, vec *out)
{
    if (m == 2) {
        out[0] = vec_sub(d[0], d[2]);
        out[1] = vec_add(d[1], d[2]);
        out[2] = vec_sub(d[2], d[1]);
        out[3] = vec_sub(d[1], d[3]);
        return;
    }
    const vec four = vec_all(4), two = vec_all(2);
    const vec t = vec_fnma(four, d[2], d[4]), u = vec_fnma(four, d[1], d[3]);
    const vec p = vec_sub(d[4], d[2]), q = vec_sub(d[3], d[1]);
    out[0] = vec_fma(four, vec_sub(d[0], d[2]), p);
    out[1] = vec_add(t, u);
    out[2] = vec_sub(t, u);
    out[3] = vec_fma(two, q, p);
    out[4] = vec_fnma(two, q, p);
    out[5] = vec_fnma(four, q, vec_sub(d[5], d[3]));
}

/* Where a tile's pixels are: side by side in the picture, or some of them in the padding. */
typedef struct winograd_source {
    const real *const *at; /* pointers to all pixels; NULL: from `first` on */
    const real *first;
    int64_t row, pixel;
} winograd_source;

static inline __attribute__((always_inline)) void turn_tile(const int m, const bool inside, const int first,
                                                            const winograd_source *s, int channel, float *out,
                                                            int64_t step)
{
    enum { MOST = 6 };
    const int side = m + 2;
    vec half[MOST * MOST];
    UNROLLED for (int x = 0; x < side; x++)
    {
        vec d[MOST], t[MOST];
        UNROLLED for (int y = 0; y < side; y++)
        {
            const real *at = (inside ? s->first + y * s->row + x * s->pixel : s->at[y * side + x]) + channel;
            d[y] = first ? real_load_first(at, first) : real_load(at);
        }
        turn_input(m, d, t);
        UNROLLED for (int y = 0; y < side; y++) half[y * side + x] = t[y];
    }
    UNROLLED for (int y = 0; y < side; y++)
    {
        vec t[MOST];
        turn_input(m, half + y * side, t);
        UNROLLED for (int x = 0; x < side; x++) vec_store(out + (y * side + x) * step, t[x]);
    }
}

static inline __attribute__((always_inline)) void turn_channels(const int m, const yk_cpu_conv *c,
                                                                const winograd_source *s, float *out, int64_t step)
{
    int k = 0;
    if (!s->at) {
        for (; k + VEC <= c->in_channels; k += VEC)
            turn_tile(m, true, 0, s, k, out + k, step);
        if (k < c->in_channels)
            turn_tile(m, true, c->in_channels - k, s, k, out + k, step);
    } else {
        for (; k < c->in_channels; k += VEC)
            turn_tile(m, false, YK_MIN(c->in_channels - k, VEC), s, k, out + k, step);
    }
}

static inline __attribute__((always_inline)) void turn_inputs(const int m, const yk_cpu_conv *c, const winograd_cut *w,
                                                              const real *in, int first, int count, const real *zeros,
                                                              float *out)
{
    const real *at[36];
    for (int t = 0; t < count; t++) {
        const int tile = first + t, n = tile / (w->across * w->down);
        const int top = tile / w->across % w->down * m - c->pad[0], left = tile % w->across * m - c->pad[1];
        const real *picture = in + (int64_t)n * c->in_height * c->in_width * c->in_pixel;
        winograd_source s = {.row = c->in_width * c->in_pixel, .pixel = c->in_pixel};
        if (top >= 0 && left >= 0 && top + w->side <= c->in_height && left + w->side <= c->in_width) {
            s.first = picture + ((int64_t)top * c->in_width + left) * c->in_pixel;
        } else {
            s.at = at;
            for (int i = 0; i < w->points; i++) {
                const int y = top + i / w->side, x = left + i % w->side;
                const bool within = y >= 0 && x >= 0 && y < c->in_height && x < c->in_width;
                at[i] = within ? picture + ((int64_t)y * c->in_width + x) * c->in_pixel : zeros;
            }
        }
        turn_channels(m, c, &s, out + (int64_t)t * w->channels, w->input_step);
    }
}

/* ---- output ---- */

static inline __attribute__((always_inline)) void turn_output(const int m, const vec *d, vec *out)
{
    if (m == 2) {
        out[0] = vec_add(vec_add(d[0], d[1]), d[2]);
        out[1] = vec_sub(vec_sub(d[1], d[2]), d[3]);
        return;
    }
    const vec a = vec_add(d[1], d[2]), b = vec_sub(d[1], d[2]), e = vec_add(d[3], d[4]), f = vec_sub(d[3], d[4]);
    out[0] = vec_add(vec_add(d[0], a), e);
    out[1] = vec_fma(vec_all(2), f, b);
    out[2] = vec_fma(vec_all(4), e, a);
    out[3] = vec_add(vec_fma(vec_all(8), f, b), d[5]);
}

static inline __attribute__((always_inline)) void turn_back(const int m, const float *products, int64_t step, vec bias,
                                                            float *out)
{
    enum { MOST = 6 };
    const int side = m + 2;
    vec half[4 * MOST];
    UNROLLED for (int x = 0; x < side; x++)
    {
        vec d[MOST], t[4];
        UNROLLED for (int y = 0; y < side; y++) d[y] = vec_load(products + (y * side + x) * step);
        turn_output(m, d, t);
        UNROLLED for (int y = 0; y < m; y++) half[y * side + x] = t[y];
    }
    UNROLLED for (int y = 0; y < m; y++)
    {
        vec t[4];
        turn_output(m, half + y * side, t);
        UNROLLED for (int x = 0; x < m; x++) vec_store(out + (y * m + x) * VEC, vec_add(t[x], bias));
    }
}

static inline __attribute__((always_inline)) void turn_outputs(const int m, const yk_cpu_conv *c, const winograd_cut *w,
                                                               const yk_cpu_conv_data *d, const float *products,
                                                               int first, int count, int panel, const float *bias)
{
    const int vecs = panel_vecs(c->out_channels, panel), width = vecs * VEC;
    const real *residual = d->residual;
    for (int t = 0; t < count; t++) {
        const int tile = first + t, n = tile / (w->across * w->down);
        const int top = tile / w->across % w->down * m, left = tile % w->across * m;
        const int rows = YK_MIN(m, c->out_height - top), across = YK_MIN(m, c->out_width - left);
        const int64_t at = ((int64_t)n * c->out_height + top) * c->out_width + left;
        for (int v = 0; v < vecs; v++) {
            const int column = panel * PANEL + v * VEC;
            float out[16 * VEC];
            turn_back(m, products + (int64_t)t * width + v * VEC, w->product_step, vec_load(bias + column), out);
            vec_activate_all(c->act, c->slope, out, m * m);
            for (int y = 0; y < rows; y++) {
                for (int x = 0; x < across; x++) {
                    const int64_t pixel = at + (int64_t)y * c->out_width + x;
                    tile_store((real *)d->out + pixel * c->out_pixel + column,
                               residual ? residual + pixel * c->residual_pixel + column : NULL,
                               vec_load(out + (y * m + x) * VEC), c->out_channels - column);
                }
            }
        }
    }
}

/* ---- a part ---- */

/* The products of TILE_ROWS tiles' numbers with a panel. */
static inline __attribute__((always_inline)) void multiply(const int vecs, const float *const *in, int length,
                                                           const float *weights, float *out)
{
    vec sum[TILE_ROWS][TILE_VECS];
    UNROLLED for (int r = 0; r < TILE_ROWS; r++)
    {
        UNROLLED for (int v = 0; v < vecs; v++) sum[r][v] = vec_all(0);
    }
    sum_up(vecs, in, length, weights, sum);
    UNROLLED for (int r = 0; r < TILE_ROWS; r++)
    {
        UNROLLED for (int v = 0; v < vecs; v++) vec_store(out + (r * vecs + v) * VEC, sum[r][v]);
    }
}

static __attribute__((noinline)) void multiply_full(const float *const *in, int length, const float *weights,
                                                    float *out)
{
    multiply(TILE_VECS, in, length, weights, out);
}

static __attribute__((noinline)) void multiply_narrow(const float *const *in, int length, const float *weights,
                                                      float *out)
{
    multiply(1, in, length, weights, out);
}

static size_t winograd_scratch(const yk_cpu_conv *c, int m)
{
    const winograd_cut w = winograd_cut_of(c, m);
    const size_t floats = (size_t)w.points * (size_t)(w.input_step + w.product_step) + (size_t)w.channels;
    return floats * sizeof(float);
}

static int winograd_parts(const yk_cpu_conv *c, int m)
{
    const winograd_cut w = winograd_cut_of(c, m);
    return w.blocks * w.column_parts;
}

static inline __attribute__((always_inline)) void winograd_run(const int m, const yk_cpu_conv *c,
                                                               const yk_cpu_conv_data *d, int part, void *scratch)
{
    const winograd_cut w = winograd_cut_of(c, m);
    const int first = part / w.column_parts * w.block, count = YK_MIN(w.block, w.tiles - first);
    const int column_part = part % w.column_parts;
    const int panel_begin = w.panels * column_part / w.column_parts;
    const int panel_end = w.panels * (column_part + 1) / w.column_parts;
    float *inputs = scratch, *products = inputs + w.points * w.input_step;
    real *zeros = (real *)(products + w.points * w.product_step);
    const float *bias = d->packed, *weights = bias + winograd_width(c);
    for (int i = 0; i < w.channels; i++)
        zeros[i] = 0;
    turn_inputs(m, c, &w, d->in, first, count, zeros, inputs);
    for (int panel = panel_begin; panel < panel_end; panel++) {
        const int vecs = panel_vecs(c->out_channels, panel), width = vecs * VEC;
        for (int p = 0; p < w.points; p++) {
            const float *from = weights + ((int64_t)panel * PANEL * w.points + (int64_t)p * width) * c->in_channels;
            for (int r = 0; r < count; r += TILE_ROWS) {
                /* Rows behind the last tile are that tile again. */
                const float *at[TILE_ROWS];
                for (int i = 0; i < TILE_ROWS; i++)
                    at[i] = inputs + p * w.input_step + (int64_t)YK_MIN(r + i, count - 1) * w.channels;
                float *to = products + p * w.product_step + (int64_t)r * width;
                if (vecs == 1)
                    multiply_narrow(at, c->in_channels, from, to);
                else
                    multiply_full(at, c->in_channels, from, to);
            }
        }
        turn_outputs(m, c, &w, d, products, first, count, panel, bias);
    }
}

#define WINOGRAD(m)                                                                                                    \
    static double winograd##m##_cost(const yk_cpu_conv *c)                                                             \
    {                                                                                                                  \
        double transforms;                                                                                             \
        return winograd_cycles(c, m, &transforms);                                                                     \
    }                                                                                                                  \
    static size_t winograd##m##_packed(const yk_cpu_conv *c)                                                           \
    {                                                                                                                  \
        return winograd_packed(c, m);                                                                                  \
    }                                                                                                                  \
    static void winograd##m##_pack(const yk_cpu_conv *c, const float *weights, const float *bias, void *packed)        \
    {                                                                                                                  \
        winograd_pack(c, m, weights, bias, packed);                                                                    \
    }                                                                                                                  \
    static size_t winograd##m##_scratch(const yk_cpu_conv *c)                                                          \
    {                                                                                                                  \
        return winograd_scratch(c, m);                                                                                 \
    }                                                                                                                  \
    static int winograd##m##_parts(const yk_cpu_conv *c)                                                               \
    {                                                                                                                  \
        return winograd_parts(c, m);                                                                                   \
    }                                                                                                                  \
    static void winograd##m##_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)            \
    {                                                                                                                  \
        winograd_run(m, c, d, part, scratch);                                                                          \
    }                                                                                                                  \
    static const yk_cpu_conv_kernel conv_winograd##m = {                                                               \
        .name = "winograd" #m,                                                                                         \
        .fits = winograd_fits,                                                                                         \
        .cost = winograd##m##_cost,                                                                                    \
        .packed_bytes = winograd##m##_packed,                                                                          \
        .pack = winograd##m##_pack,                                                                                    \
        .scratch_bytes = winograd##m##_scratch,                                                                        \
        .parts = winograd##m##_parts,                                                                                  \
        .run = winograd##m##_run,                                                                                      \
    }

WINOGRAD(4);
WINOGRAD(2);
