/* Convolution of 8-bit numbers as a product of matrices that are never laid out, as conv_matmul_kernels.h has it for
 * floats: rows are output pixels, columns output channels. Four input channels are summed up at once, of four bytes of
 * a pixel and four of weights for each column.
 *
 * Where the processor adds a pair of products in 16 bits (AVX2 without VNNI), a pair of weights of one sign whose sum
 * is more than 128 could be too much. Of each eight input channels those go together of which the fewest pairs are; the
 * bytes are picked to match. A pair that is left is cut: one of its two stays, the other one goes into a second list of
 * weights, with the place of the bytes that it belongs to, so that the result is exact always. */

#include <stdlib.h>

enum {
    QUAD = 4,
    OCTET = 8,
    MOST_WEIGHT = 128,                              /* times 255 is less than 2^15 */
    QREACH = DOT_SATURATES ? (int)OCTET : (int)QUAD /* bytes that are read at once */
};

typedef struct qinput {
    const uint8_t *const *in; /* for run t and row r in[t * stride + r]: `length` bytes */
    int64_t stride;
    int runs, length; /* length: a multiple of four, at least QREACH */
    int flip;
} qinput;

/* Of one panel, and where it lies from its beginning on. */
typedef struct qpanel {
    const float *bias, *scale;
    const int32_t *start;
    const uint8_t *picks; /* where DOT_SATURATES: for each four weights, which of their octet's bytes they belong to */
    const int8_t *weights;
    const int32_t *extras; /* for each vector of columns how many, then run, octet's place and picks of each */
    const int8_t *extra_weights;
    int quads;
} qpanel;

static size_t qpanel_size(int vecs, int quads)
{
    const size_t width = (size_t)vecs * VEC, each = DOT_SATURATES ? 3 * sizeof(int32_t) + QUAD * VEC : 0;
    return width * (3 * sizeof(float) + QUAD * (size_t)quads) + (DOT_SATURATES ? QUAD * (size_t)quads : 0) +
           (size_t)vecs * (sizeof(float[VEC]) + each * (size_t)quads);
}

static qpanel qpanel_at(const void *packed, int vecs, int quads)
{
    const int width = vecs * VEC;
    qpanel p = {.bias = packed, .quads = quads};
    p.scale = p.bias + width;
    const void *whole_numbers = p.scale + width;
    p.start = whole_numbers;
    p.picks = (const uint8_t *)(p.start + width);
    p.weights = (const int8_t *)(p.picks + (DOT_SATURATES ? QUAD * (size_t)quads : 0));
    p.extra_weights = p.weights + (size_t)width * QUAD * (size_t)quads;
    p.extras = (const int32_t *)(p.extra_weights + (DOT_SATURATES ? (size_t)width * QUAD * (size_t)quads : 0));
    return p;
}

/* Where the octet begins that byte k is in. The last one may share four bytes with the one before. */
static inline int64_t qoctet(int64_t k, int64_t length)
{
    return YK_MIN(k & ~(int64_t)(OCTET - 1), length - OCTET);
}

/* Four bytes of a pixel, the same for all lanes: from k on, or those of their octet that the weights belong to. */
static inline __attribute__((always_inline)) vec_int qfour(const uint8_t *in, int64_t k, int64_t length,
                                                           const uint8_t *picks)
{
    return DOT_SATURATES ? vec_int_pick(in + qoctet(k, length), vec_int_four(picks)) : vec_int_four(in + k);
}

/* Always inlined with constant rows and vectors, so that the sums are registers. */
static inline __attribute__((always_inline)) void qtile(const int rows, const int vecs, const bool flip,
                                                        const qinput *x, const qpanel *p, const qend *e)
{
    const vec_int turn = vec_int_all((int32_t)0x80808080);
    const int8_t *weights = p->weights;
    const uint8_t *picks = p->picks;
    vec_int sum[TILE_ROWS][TILE_VECS];
    float values[TILE_ROWS * PANEL];
    UNROLLED for (int v = 0; v < vecs; v++)
    {
        const vec_int start = vec_int_load(p->start + v * VEC);
        UNROLLED for (int r = 0; r < rows; r++) sum[r][v] = start;
    }
    for (int t = 0; t < x->runs; t++) {
        const uint8_t *in[TILE_ROWS];
        UNROLLED for (int r = 0; r < rows; r++) in[r] = x->in[t * x->stride + r];
        for (int64_t k = 0; k < x->length; k += QUAD, picks += DOT_SATURATES ? QUAD : 0) {
            vec_int w[TILE_VECS];
            UNROLLED for (int v = 0; v < vecs; v++) w[v] = vec_int_load(weights + v * VEC * QUAD);
            weights += vecs * VEC * QUAD;
            UNROLLED for (int r = 0; r < rows; r++)
            {
                vec_int a = qfour(in[r], k, x->length, picks);
                a = flip ? vec_int_xor(a, turn) : a;
                UNROLLED for (int v = 0; v < vecs; v++) sum[r][v] = vec_int_dot(sum[r][v], a, w[v]);
            }
        }
    }
    if (DOT_SATURATES) {
        const int32_t *extras = p->extras + vecs;
        const int8_t *more = p->extra_weights;
        UNROLLED for (int v = 0; v < vecs; v++)
        {
            for (int i = 0; i < p->extras[v]; i++, extras += 3, more += VEC * QUAD) {
                const vec_int w = vec_int_load(more), which = vec_int_four(extras + 2);
                const uint8_t *const *in = x->in + extras[0] * x->stride;
                UNROLLED for (int r = 0; r < rows; r++)
                {
                    vec_int a = vec_int_pick(in[r] + extras[1], which);
                    a = flip ? vec_int_xor(a, turn) : a;
                    sum[r][v] = vec_int_dot(sum[r][v], a, w);
                }
            }
        }
    }
    UNROLLED for (int v = 0; v < vecs; v++)
    {
        const vec scale = vec_load(p->scale + v * VEC), bias = vec_load(p->bias + v * VEC);
        UNROLLED for (int r = 0; r < rows; r++)
            vec_store(values + (r * vecs + v) * VEC, vec_fma(vec_of_int(sum[r][v]), scale, bias));
    }
    qfinish(e, values, rows, vecs);
}

static __attribute__((noinline)) void qtile_full(const qinput *x, const qpanel *p, const qend *e)
{
    qtile(TILE_ROWS, TILE_VECS, false, x, p, e);
}

static __attribute__((noinline)) void qtile_narrow(const qinput *x, const qpanel *p, const qend *e)
{
    qtile(TILE_ROWS, 1, false, x, p, e);
}

static __attribute__((noinline)) void qtile_full_flip(const qinput *x, const qpanel *p, const qend *e)
{
    qtile(TILE_ROWS, TILE_VECS, true, x, p, e);
}

static __attribute__((noinline)) void qtile_narrow_flip(const qinput *x, const qpanel *p, const qend *e)
{
    qtile(TILE_ROWS, 1, true, x, p, e);
}

/* What is left over, one by one. */
static __attribute__((noinline)) void qtile_row(int vecs, const qinput *x, const qpanel *p, const qend *e)
{
    if (x->flip && vecs == 1)
        qtile(1, 1, true, x, p, e);
    else if (x->flip)
        qtile(1, TILE_VECS, true, x, p, e);
    else if (vecs == 1)
        qtile(1, 1, false, x, p, e);
    else
        qtile(1, TILE_VECS, false, x, p, e);
}

static void qtile_any(int step, int vecs, const qinput *x, const qpanel *p, const qend *e)
{
    if (step == 1)
        qtile_row(vecs, x, p, e);
    else if (vecs == 1)
        (x->flip ? qtile_narrow_flip : qtile_narrow)(x, p, e);
    else
        (x->flip ? qtile_full_flip : qtile_full)(x, p, e);
}

static size_t qpanels_size(int columns, int quads)
{
    const int last = panel_count(columns) - 1;
    return (size_t)last * qpanel_size(TILE_VECS, quads) + qpanel_size(panel_vecs(columns, last), quads);
}

static void qrun_panels(const uint8_t *packed, int columns, const qinput *x, int rows, const qend *end)
{
    const int quads = x->runs * x->length / QUAD;
    for (int i = 0; i < panel_count(columns); i++) {
        const int vecs = panel_vecs(columns, i);
        const qpanel p = qpanel_at(packed, vecs, quads);
        qinput at = *x;
        qend e = *end;
        e.columns = YK_MIN(columns - i * PANEL, vecs * VEC);
        e.out += i * PANEL * (int64_t)qsize(&e.to);
        e.residual = e.residual ? e.residual + i * PANEL * (int64_t)qsize(&e.added) : NULL;
        for (int r = 0; r < rows;) {
            const int step = rows - r >= TILE_ROWS ? TILE_ROWS : 1;
            at.in = x->in + r;
            qtile_any(step, vecs, &at, &p, &e);
            e.out += step * e.out_pixel;
            e.residual = e.residual ? e.residual + step * e.residual_pixel : NULL;
            r += step;
        }
        packed += qpanel_size(vecs, quads);
    }
}

/* ---- how bytes are read ---- */

static int qchannels(const yk_cpu_conv *c)
{
    return c->in_channels / c->groups;
}

/* Whether each tap can be read where it lies. Else windows are laid out one after the other, so that a few channels do
 * not take four bytes each time, and nothing is read behind a pixel. */
static bool qdirect(const yk_cpu_conv *c)
{
    return qchannels(c) % QUAD == 0 && qchannels(c) >= QREACH;
}

static int qtaps(const yk_cpu_conv *c)
{
    return c->kernel[0] * c->kernel[1];
}

/* How windows are read: as `runs` runs of `length` bytes, as qinput wants it, each of `taps` taps and, where those do
 * not fill it, of something that weights of 0 make nothing of. */
typedef struct qform {
    int runs, length, taps;
} qform;

static int qlength(int bytes)
{
    return YK_MAX(round_up(bytes, QUAD), QREACH);
}

static qform qmatmul_form(const yk_cpu_conv *c)
{
    if (qdirect(c))
        return (qform){qtaps(c), qchannels(c), 1};
    return (qform){1, qlength(qtaps(c) * qchannels(c)), qtaps(c)};
}

static int qquads(const qform *f)
{
    return f->runs * f->length / QUAD;
}

static bool qmatmul_fits(const yk_cpu_conv *c)
{
    return c->int8;
}

/* Four products take as long as two would in floats, and cut pairs a little more. */
static double qtile_cycles(const yk_cpu_conv *c, const qform *f)
{
    const int columns = c->out_channels / c->groups, vecs = vecs_for(columns);
    const double dot = DOT_SATURATES ? 1.1 : 0.55;
    return c->groups * (double)matmul_pixels(c) *
           (vecs * (qquads(f) * dot + (c->act == YK_ACT_NONE ? 2.5 : 9.5)) +
            (double)panel_count(columns) / TILE_ROWS * 30);
}

static double qmatmul_cycles(const yk_cpu_conv *c)
{
    const qform f = qmatmul_form(c);
    const double laid_out = qdirect(c) ? 0 : f.length * 0.5 + 20;
    return qtile_cycles(c, &f) + c->groups * (double)matmul_pixels(c) * laid_out;
}

/* ---- weights ---- */

static size_t qpacked_bytes(const yk_cpu_conv *c, const qform *f)
{
    return (size_t)c->groups * qpanels_size(c->out_channels / c->groups, qquads(f));
}

/* Which of a pair's two weights is put off to the second list: the smaller one, where both together are too much. */
static int cut_pair(int a, int b)
{
    if (!DOT_SATURATES || (a > 0) != (b > 0) || abs(a) + abs(b) <= MOST_WEIGHT)
        return -1;
    return abs(a) < abs(b) ? 0 : 1;
}

/* Channels in pairs: `cost` of each pair, the order that is tried, and the best one so far. */
typedef struct pairing {
    int cost[OCTET][OCTET], count;
    uint8_t order[OCTET], best[OCTET];
    int least;
} pairing;

static void try_pairs(pairing *p, int done, int used, int cost)
{
    int a = 0;
    if (cost >= p->least)
        return;
    if (done == p->count) {
        p->least = cost;
        memcpy(p->best, p->order, sizeof p->best);
        return;
    }
    while (used & 1 << a)
        a++;
    for (int b = a + 1; b < p->count && done + 1 < OCTET; b++) {
        if (used & 1 << b)
            continue;
        p->order[done] = (uint8_t)a;
        p->order[done + 1] = (uint8_t)b;
        try_pairs(p, done + 2, used | 1 << a | 1 << b, cost + p->cost[a][b]);
    }
}

/* What is weighed together: eight input channels, or the last four of a run, whose weights begin at row `quad`. */
typedef struct octet {
    const qpanel *panel;
    int vecs, quad, count;
} octet;

static octet octet_at(const qform *f, const qpanel *p, int vecs, int quad)
{
    return (octet){p, vecs, quad, YK_MIN(OCTET, f->length - quad * QUAD % f->length)};
}

/* The weight of channel k in a column. */
static int8_t *octet_weight(const octet *o, int k, int column)
{
    const int64_t row = o->quad + k / QUAD;
    return (int8_t *)o->panel->weights + (row * o->vecs * VEC + column) * QUAD + k % QUAD;
}

static uint8_t *octet_picks(const octet *o)
{
    return (uint8_t *)o->panel->picks + (int64_t)o->quad * QUAD;
}

static void pair_octet(const octet *o)
{
    pairing p = {.count = o->count, .least = INT32_MAX};
    for (int a = 0; a < o->count; a++) {
        for (int b = a + 1; b < o->count; b++) {
            for (int column = 0; column < o->vecs * VEC; column++)
                p.cost[a][b] += cut_pair(*octet_weight(o, a, column), *octet_weight(o, b, column)) >= 0;
        }
    }
    try_pairs(&p, 0, 0, 0);
    for (int column = 0; column < o->vecs * VEC; column++) {
        int8_t was[OCTET];
        for (int k = 0; k < o->count; k++)
            was[k] = *octet_weight(o, k, column);
        for (int k = 0; k < o->count; k++)
            *octet_weight(o, k, column) = was[p.best[k]];
    }
    for (int k = 0; k < o->count; k++)
        octet_picks(o)[k] = (uint8_t)(OCTET - o->count + p.best[k]);
}

/* Moves what is too much out of one vector's weights for four bytes; true when there was such. */
static bool cut_quad(int8_t *weights, int8_t *more)
{
    bool any = false;
    for (int i = 0; i < VEC * QUAD; i += 2) {
        const int which = cut_pair(weights[i], weights[i + 1]);
        more[i] = more[i + 1] = 0;
        if (which >= 0) {
            more[i + which] = weights[i + which];
            weights[i + which] = 0;
            any = true;
        }
    }
    return any;
}

static void cut_panel(const qform *f, uint8_t *packed, int vecs)
{
    const qpanel p = qpanel_at(packed, vecs, qquads(f));
    int8_t *more = (int8_t *)p.extra_weights;
    int32_t *extras = (int32_t *)p.extras, *place = extras + vecs;
    for (int q = 0; q < p.quads;) {
        const octet o = octet_at(f, &p, vecs, q);
        pair_octet(&o);
        q += o.count / QUAD;
    }
    for (int v = 0; v < vecs; v++) {
        for (int q = 0; q < p.quads; q++) {
            if (!cut_quad((int8_t *)p.weights + ((int64_t)q * vecs + v) * VEC * QUAD, more))
                continue;
            extras[v]++;
            place[0] = q * QUAD / f->length;
            place[1] = (int32_t)qoctet(q * QUAD % f->length, f->length);
            memcpy(place + 2, p.picks + (int64_t)q * QUAD, QUAD);
            place += 3;
            more += VEC * QUAD;
        }
    }
    if (more < (const int8_t *)p.extras)
        memset(more, 0, VEC * QUAD);
}

/* One output channel into its column. */
static void qpack_column(const yk_cpu_conv *c, const qform *f, const int8_t *weights, float scale, float bias,
                         const qpanel *p, int width, int column)
{
    const int channels = qchannels(c), taps = qtaps(c);
    int32_t sum = 0;
    for (int t = 0; t < taps; t++) {
        for (int k = 0; k < channels; k++) {
            const int at = t / f->taps * f->length + t % f->taps * channels + k;
            const int8_t w = weights[k * taps + t];
            ((int8_t *)p->weights)[((size_t)(at / QUAD) * (size_t)width + (size_t)column) * QUAD + at % QUAD] = w;
            sum += w;
        }
    }
    ((float *)p->bias)[column] = bias;
    ((float *)p->scale)[column] = c->in8.scale * scale;
    ((int32_t *)p->start)[column] = -qzero(c) * sum;
}

static void qpack(const yk_cpu_conv *c, const qform *f, const int8_t *weights, const float *scales, const float *bias,
                  uint8_t *to)
{
    const int columns = c->out_channels / c->groups;
    const int64_t each = (int64_t)qchannels(c) * qtaps(c);
    for (int o = 0; o < c->out_channels; o += columns) {
        for (int i = 0; i < panel_count(columns); i++) {
            const int vecs = panel_vecs(columns, i);
            const qpanel p = qpanel_at(to, vecs, qquads(f));
            for (int k = 0; k < vecs * VEC && i * PANEL + k < columns; k++) {
                const int at = o + i * PANEL + k;
                qpack_column(c, f, weights + at * each, scales[at], bias ? bias[at] : 0, &p, vecs * VEC, k);
            }
            if (DOT_SATURATES)
                cut_panel(f, to, vecs);
            to += qpanel_size(vecs, qquads(f));
        }
    }
}

static bool qpanel_sound(const qform *f, const qpanel *p, int vecs)
{
    const int32_t *place = p->extras + vecs;
    for (int v = 0; v < vecs; v++) {
        if (p->extras[v] < 0 || p->extras[v] > p->quads)
            return false;
        for (int i = 0; i < p->extras[v]; i++, place += 3) {
            if (place[0] < 0 || place[0] >= f->runs || place[1] < 0 || place[1] > f->length - OCTET)
                return false;
        }
    }
    return true;
}

static bool qsound(const yk_cpu_conv *c, const qform *f, const uint8_t *packed)
{
    if (!DOT_SATURATES)
        return true;
    const int columns = c->out_channels / c->groups;
    for (int g = 0; g < c->groups; g++) {
        for (int i = 0; i < panel_count(columns); i++) {
            const int vecs = panel_vecs(columns, i);
            const qpanel p = qpanel_at(packed, vecs, qquads(f));
            if (!qpanel_sound(f, &p, vecs))
                return false;
            packed += qpanel_size(vecs, qquads(f));
        }
    }
    return true;
}

static size_t qmatmul_packed(const yk_cpu_conv *c)
{
    const qform f = qmatmul_form(c);
    return qpacked_bytes(c, &f);
}

static void qmatmul_pack(const yk_cpu_conv *c, const int8_t *weights, const float *scales, const float *bias,
                         void *packed)
{
    const qform f = qmatmul_form(c);
    qpack(c, &f, weights, scales, bias, packed);
}

static bool qmatmul_sound(const yk_cpu_conv *c, const void *packed)
{
    const qform f = qmatmul_form(c);
    return qsound(c, &f, packed);
}

/* ---- running ---- */

/* Pointers for each tap and row of a block; a pixel of padding; windows that are laid out. */
static size_t qmatmul_scratch(const yk_cpu_conv *c)
{
    return (size_t)qtaps(c) * MATMUL_ROWS * sizeof(uint8_t *) + (size_t)c->in_channels + 64 +
           (qdirect(c) ? 0 : (size_t)qmatmul_form(c).length * MATMUL_ROWS);
}

static int qmatmul_part_rows(const yk_cpu_conv *c)
{
    return part_rows(qmatmul_cycles(c), matmul_pixels(c), PART_UNIT);
}

static int qmatmul_parts(const yk_cpu_conv *c)
{
    const int rows = qmatmul_part_rows(c);
    return (int)((matmul_pixels(c) + rows - 1) / rows);
}

static void point_to_bytes(const yk_cpu_conv *c, const uint8_t *in, const uint8_t *padding, int64_t first, int rows,
                           const uint8_t **to)
{
    int x = (int)(first % c->out_width);
    int y = (int)(first / c->out_width % c->out_height);
    int64_t n = first / c->out_width / c->out_height;
    for (int r = 0; r < rows; r++) {
        const uint8_t *picture = in + n * c->in_height * c->in_width * c->in_pixel;
        for (int ky = 0, t = 0; ky < c->kernel[0]; ky++) {
            const int in_y = y * c->stride[0] + ky * c->dilation[0] - c->pad[0];
            for (int kx = 0; kx < c->kernel[1]; kx++, t++) {
                const int in_x = x * c->stride[1] + kx * c->dilation[1] - c->pad[1];
                const bool inside = in_y >= 0 && in_y < c->in_height && in_x >= 0 && in_x < c->in_width;
                to[t * MATMUL_ROWS + r] =
                    inside ? picture + ((int64_t)in_y * c->in_width + in_x) * c->in_pixel : padding;
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

/* The windows of a group's channels one after the other, and pointers to them. */
static void lay_out(const yk_cpu_conv *c, const uint8_t *const *from, int first, int rows, int size, uint8_t *windows,
                    const uint8_t **to)
{
    const int taps = qtaps(c), channels = qchannels(c);
    for (int r = 0; r < rows; r++) {
        uint8_t *at = windows + (size_t)r * (size_t)size;
        to[r] = at;
        for (int t = 0; t < taps; t++, at += channels) {
            const uint8_t *pixel = from[t * MATMUL_ROWS + r] + first;
            for (int k = 0; k < channels; k++)
                at[k] = pixel[k];
        }
        for (; at < windows + (size_t)(r + 1) * (size_t)size; at++)
            *at = 0;
    }
}

static void qmatmul_block(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int64_t at, int rows, const uint8_t **in,
                          uint8_t *windows)
{
    const int columns = c->out_channels / c->groups, channels = qchannels(c);
    const qform f = qmatmul_form(c);
    const size_t size = qpanels_size(columns, qquads(&f));
    const uint8_t *laid_out[MATMUL_ROWS];
    for (int g = 0; g < c->groups; g++) {
        const qinput x = {.in = qdirect(c) ? in : laid_out,
                          .stride = MATMUL_ROWS,
                          .runs = f.runs,
                          .length = f.length,
                          .flip = qflip(c)};
        if (!qdirect(c))
            lay_out(c, in, g * channels, rows, f.length, windows, laid_out);
        const qend e = qend_of(c, d, at, g * columns);
        qrun_panels((const uint8_t *)d->packed + (size_t)g * size, columns, &x, rows, &e);
        for (int i = 0; i < qtaps(c) * MATMUL_ROWS && c->groups > 1 && qdirect(c); i++)
            in[i] += i % MATMUL_ROWS < rows ? channels : 0;
    }
}

static void qmatmul_run(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch)
{
    const uint8_t **in = scratch;
    uint8_t *padding = (uint8_t *)(in + (size_t)qtaps(c) * MATMUL_ROWS);
    uint8_t *windows = padding + c->in_channels;
    const int64_t first = (int64_t)part * qmatmul_part_rows(c);
    const int64_t end = YK_MIN(first + qmatmul_part_rows(c), matmul_pixels(c));
    memset(padding, (uint8_t)c->in8.zero, (size_t)c->in_channels);
    for (int64_t at = first; at < end; at += MATMUL_ROWS) {
        const int rows = (int)YK_MIN(end - at, MATMUL_ROWS);
        point_to_bytes(c, d->in, padding, at, rows, in);
        qmatmul_block(c, d, at, rows, in, windows);
    }
}

static const yk_cpu_conv_kernel qconv_matmul = {
    .name = "qmatmul",
    .fits = qmatmul_fits,
    .cost = qmatmul_cycles,
    .packed_bytes = qmatmul_packed,
    .pack8 = qmatmul_pack,
    .sound = qmatmul_sound,
    .scratch_bytes = qmatmul_scratch,
    .parts = qmatmul_parts,
    .run = qmatmul_run,
};
