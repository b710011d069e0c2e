/* What the kernels for 8-bit convolutions share: how sums become results.
 *
 * A sum of (x - zero) * weight is exact in 32 bits; zero * weight is taken off beforehand. The sum times the product of
 * the scales plus the bias, the activation, what is added, and the result's scale are in floats. */

/* What becomes of the sums of a row of channels. */
typedef struct qend {
    uint8_t *out;            /* where the first pixel's first channel is; floats or bytes */
    const uint8_t *residual; /* or NULL */
    int64_t out_pixel, residual_pixel;
    yk_act act;
    float slope;
    yk_cpu_number to, added;
    float inverse; /* 1 / to.scale */
    int columns;   /* that are real */
} qend;

static size_t qsize(const yk_cpu_number *n)
{
    return n->type == YK_F32 ? sizeof(float) : 1;
}

static qend qend_of(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int64_t pixel, int column)
{
    const qend e = {
        .out = (uint8_t *)d->out + (pixel * c->out_pixel + column) * (int64_t)qsize(&c->out8),
        .residual = c->residual ? (const uint8_t *)d->residual +
                                      (pixel * c->residual_pixel + column) * (int64_t)qsize(&c->residual8)
                                : NULL,
        .out_pixel = c->out_pixel * (int64_t)qsize(&c->out8),
        .residual_pixel = c->residual_pixel * (int64_t)qsize(&c->residual8),
        .act = c->act,
        .slope = c->slope,
        .to = c->out8,
        .added = c->residual8,
        .inverse = c->out8.type == YK_F32 ? 1 : 1 / c->out8.scale,
    };
    return e;
}

static inline vec qload(const yk_cpu_number *n, const uint8_t *at, int count)
{
    const void *floats = at;
    uint8_t bytes[VEC] = {0};
    if (n->type == YK_F32)
        return count >= VEC ? vec_load(floats) : vec_load_first(floats, count);
    if (count < VEC) {
        memcpy(bytes, at, (size_t)count);
        at = bytes;
    }
    const vec value = n->type == YK_I8 ? vec_load_signed((const int8_t *)at) : vec_load_bytes(at);
    return vec_mul(vec_sub(value, vec_all((float)n->zero)), vec_all(n->scale));
}

static inline void qstore(const yk_cpu_number *n, float inverse, uint8_t *at, int count, vec value)
{
    const int low = n->type == YK_I8 ? -128 : 0;
    void *floats = at;
    uint8_t bytes[VEC];
    if (n->type == YK_F32) {
        if (count >= VEC)
            vec_store(floats, value);
        else
            vec_store_first(floats, value, count);
        return;
    }
    /* Into the range first, so that what is rounded is a small number whatever it was. */
    value = vec_max(vec_mul(value, vec_all(inverse)), vec_all((float)(low - n->zero)));
    value = vec_min(value, vec_all((float)(low + 255 - n->zero)));
    const vec_int whole = vec_int_add(vec_int_round(value), vec_int_all(n->zero));
    if (count >= VEC) {
        vec_int_store_bytes(at, whole);
        return;
    }
    vec_int_store_bytes(bytes, whole);
    memcpy(at, bytes, (size_t)count);
}

static inline __attribute__((always_inline)) void qstore_all(const yk_cpu_number to, const qend *e, const float *values,
                                                             int rows, int vecs)
{
    for (int r = 0; r < rows; r++) {
        uint8_t *out = e->out + r * e->out_pixel;
        for (int v = 0; v < vecs && v * VEC < e->columns; v++, out += VEC * (int)qsize(&to))
            qstore(&to, e->inverse, out, e->columns - v * VEC, vec_load(values + (r * vecs + v) * VEC));
    }
}

/* `rows` times `vecs` vectors of sums that are scaled already, of which row r goes to e's pixel r. Step by step for all
 * of them, since what one takes is waiting for the step before. */
static __attribute__((noinline)) void qfinish(const qend *e, float *values, int rows, int vecs)
{
    vec_activate_all(e->act, e->slope, values, rows * vecs);
    for (int r = 0; r < rows && e->residual; r++) {
        const uint8_t *residual = e->residual + r * e->residual_pixel;
        for (int v = 0; v < vecs && v * VEC < e->columns; v++, residual += VEC * (int)qsize(&e->added)) {
            float *sum = values + (r * vecs + v) * VEC;
            vec_store(sum, vec_add(vec_load(sum), qload(&e->added, residual, e->columns - v * VEC)));
        }
    }
    if (e->to.type == YK_U8)
        qstore_all((yk_cpu_number){YK_U8, 1, e->to.zero}, e, values, rows, vecs);
    else
        qstore_all(e->to, e, values, rows, vecs);
}

/* What bytes are turned round by for vec_int_dot(), and what each is then more than it was. */
static int qflip(const yk_cpu_conv *c)
{
    return (c->in8.type == YK_I8) != DOT_SIGNED ? 0x80 : 0;
}

static int qzero(const yk_cpu_conv *c)
{
    return c->in8.zero + (qflip(c) == 0 ? 0 : DOT_SIGNED ? -128 : 128);
}
