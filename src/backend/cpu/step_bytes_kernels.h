/* Steps on 8-bit tensors that are no convolutions: to and from floats, the largest of a window, nearest pixels, copies.
 * The results are those of yk_plan_eval(), bit for bit. */

enum { BYTES_PART = 1 << 16 }; /* elements */

/* A tensor as rows of elements that lie side by side: pixels, or all of it. */
typedef struct bytes_rows {
    int64_t rows, length, step;
} bytes_rows;

static bytes_rows bytes_rows_of(const yk_plan_tensor *t)
{
    const int64_t *d = t->shape.dims;
    if (t->layout == YK_LAYOUT_NHWC)
        return (bytes_rows){d[0] * d[2] * d[3], d[1], t->pixel};
    return (bytes_rows){1, yk_shape_count(&t->shape), 0};
}

static bool bytes_type(yk_type type)
{
    return type == YK_U8 || type == YK_I8;
}

static const yk_plan_tensor *bytes_in(const yk_plan *p, const yk_step *s)
{
    return &p->tensors[s->inputs[0]];
}

static const yk_plan_tensor *bytes_out(const yk_plan *p, const yk_step *s)
{
    return &p->tensors[s->outputs[0]];
}

static bool bytes_node(const yk_step *s, yk_op op)
{
    return s->kind == YK_STEP_NODE && s->op == op && s->residual == YK_NONE;
}

/* Parts of about as many elements each; what part has the rows [*first, *last), or of a single row the elements. */
static int bytes_parts(const yk_plan *p, const yk_step *s)
{
    const bytes_rows r = bytes_rows_of(bytes_out(p, s));
    const int64_t most = r.rows > 1 ? r.rows : YK_MAX(r.length, 1);
    return (int)YK_MIN(YK_MAX(r.rows * r.length / BYTES_PART, 1), most);
}

static void bytes_share(const yk_plan *p, const yk_step *s, int part, int64_t all, int64_t *first, int64_t *last)
{
    const int parts = bytes_parts(p, s);
    *first = all * part / parts;
    *last = all * (part + 1) / parts;
}

/* ---- QuantizeLinear and DequantizeLinear with one scale ---- */

static bool pair_fits(const yk_plan *p, const yk_step *s, int bytes, int floats)
{
    const yk_plan_tensor *scale = &p->tensors[s->inputs[1]];
    const int zero = s->input_count > 2 ? s->inputs[2] : YK_NONE;
    return bytes_type(p->tensors[bytes].type) && p->tensors[floats].type == YK_F32 &&
           p->tensors[bytes].layout == p->tensors[floats].layout && scale->data && scale->type == YK_F32 &&
           yk_shape_count(&scale->shape) == 1 &&
           (zero == YK_NONE || (p->tensors[zero].data && p->tensors[zero].type == p->tensors[bytes].type &&
                                yk_shape_count(&p->tensors[zero].shape) == 1));
}

static yk_cpu_number pair_number(const yk_plan *p, const yk_step *s, int bytes)
{
    yk_cpu_number n = {.type = p->tensors[bytes].type, .scale = *(const float *)p->tensors[s->inputs[1]].data};
    if (s->input_count > 2 && s->inputs[2] != YK_NONE) {
        const void *zero = p->tensors[s->inputs[2]].data;
        n.zero = n.type == YK_I8 ? *(const int8_t *)zero : *(const uint8_t *)zero;
    }
    return n;
}

static bool quantize_fits(const yk_plan *p, const yk_step *s)
{
    return bytes_node(s, YK_OP_QUANTIZE) && pair_fits(p, s, s->outputs[0], s->inputs[0]);
}

static bool dequantize_fits(const yk_plan *p, const yk_step *s)
{
    return bytes_node(s, YK_OP_DEQUANTIZE) && pair_fits(p, s, s->inputs[0], s->outputs[0]);
}

/* Elements [from, to) of one row. */
static void quantize_row(const yk_cpu_number *n, const float *in, uint8_t *out, int64_t from, int64_t to)
{
    const vec scale = vec_all(n->scale);
    for (int64_t i = from; i < to; i += VEC) {
        const int left = (int)YK_MIN(to - i, VEC);
        const vec value = left == VEC ? vec_load(in + i) : vec_load_first(in + i, left);
        qstore(n, 1, out + i, left, vec_div(value, scale));
    }
}

static void dequantize_row(const yk_cpu_number *n, const uint8_t *in, float *out, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i += VEC) {
        const int left = (int)YK_MIN(to - i, VEC);
        const vec value = qload(n, in + i, left);
        if (left == VEC)
            vec_store(out + i, value);
        else
            vec_store_first(out + i, value, left);
    }
}

static void pair_run(const yk_cpu_call *c, int part, bool to_bytes)
{
    const yk_step *s = c->step;
    const bytes_rows in = bytes_rows_of(bytes_in(c->plan, s)), out = bytes_rows_of(bytes_out(c->plan, s));
    const yk_cpu_number n = pair_number(c->plan, s, to_bytes ? s->outputs[0] : s->inputs[0]);
    void *from = c->data[s->inputs[0]], *to = c->data[s->outputs[0]];
    int64_t first, last;
    bytes_share(c->plan, s, part, out.rows > 1 ? out.rows : out.length, &first, &last);
    if (out.rows == 1 && to_bytes)
        quantize_row(&n, from, to, first, last);
    else if (out.rows == 1)
        dequantize_row(&n, from, to, first, last);
    for (int64_t i = first; i < last && out.rows > 1; i++) {
        if (to_bytes)
            quantize_row(&n, (const float *)from + i * in.step, (uint8_t *)to + i * out.step, 0, out.length);
        else
            dequantize_row(&n, (const uint8_t *)from + i * in.step, (float *)to + i * out.step, 0, out.length);
    }
}

static void quantize_run(const yk_cpu_call *c, int part, void *scratch)
{
    (void)scratch;
    pair_run(c, part, true);
}

static void dequantize_run(const yk_cpu_call *c, int part, void *scratch)
{
    (void)scratch;
    pair_run(c, part, false);
}

/* ---- what moves bytes ---- */

static bool moves_nhwc_bytes(const yk_plan *p, const yk_step *s)
{
    const yk_plan_tensor *in = bytes_in(p, s), *out = bytes_out(p, s);
    return bytes_type(in->type) && in->type == out->type && in->layout == YK_LAYOUT_NHWC &&
           out->layout == YK_LAYOUT_NHWC;
}

static bool copy_bytes_fits(const yk_plan *p, const yk_step *s)
{
    return s->kind == YK_STEP_COPY && moves_nhwc_bytes(p, s);
}

static void copy_bytes_run(const yk_cpu_call *c, int part, void *scratch)
{
    const bytes_rows in = bytes_rows_of(bytes_in(c->plan, c->step)), out = bytes_rows_of(bytes_out(c->plan, c->step));
    const uint8_t *from = c->data[c->step->inputs[0]];
    uint8_t *to = c->data[c->step->outputs[0]];
    int64_t first, last;
    (void)scratch;
    bytes_share(c->plan, c->step, part, out.rows > 1 ? out.rows : out.length, &first, &last);
    if (out.rows == 1)
        memcpy(to + first, from + first, (size_t)(last - first));
    for (int64_t i = first; i < last && out.rows > 1; i++)
        memcpy(to + i * out.step, from + i * in.step, (size_t)out.length);
}

static bool nearest_bytes_fits(const yk_plan *p, const yk_step *s)
{
    return bytes_node(s, YK_OP_RESIZE) && moves_nhwc_bytes(p, s) && is_whole_factor(p, s);
}

static void nearest_bytes_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_plan_tensor *in = bytes_in(c->plan, c->step), *out = bytes_out(c->plan, c->step);
    const int64_t *from = in->shape.dims, *to = out->shape.dims;
    const uint8_t *source = c->data[c->step->inputs[0]];
    uint8_t *target = c->data[c->step->outputs[0]];
    int64_t first, last;
    (void)scratch;
    bytes_share(c->plan, c->step, part, to[0] * to[2] * to[3], &first, &last);
    for (int64_t i = first; i < last; i++) {
        const int64_t x = i % to[3] / (to[3] / from[3]), y = i / to[3] % to[2] / (to[2] / from[2]),
                      n = i / to[3] / to[2];
        memcpy(target + i * out->pixel, source + ((n * from[2] + y) * from[3] + x) * in->pixel, (size_t)to[1]);
    }
}

static bool max_bytes_fits(const yk_plan *p, const yk_step *s)
{
    return bytes_node(s, YK_OP_MAX_POOL) && moves_nhwc_bytes(p, s);
}

/* Bytes with a sign are compared without it, their range shifted. */
static void max_bytes_row(uint8_t *restrict most, const uint8_t *restrict from, int64_t count, uint8_t flip)
{
    for (int64_t i = 0; i < count; i++) {
        const uint8_t a = (uint8_t)(most[i] ^ flip), b = (uint8_t)(from[i] ^ flip);
        most[i] = (uint8_t)((a > b ? a : b) ^ flip);
    }
}

static void max_bytes_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_attrs *a = &c->step->attrs;
    const yk_plan_tensor *in = bytes_in(c->plan, c->step), *out = bytes_out(c->plan, c->step);
    const int64_t *from = in->shape.dims, *to = out->shape.dims;
    const uint8_t *source = c->data[c->step->inputs[0]], flip = in->type == YK_I8 ? 0x80 : 0;
    int64_t first, last;
    (void)scratch;
    bytes_share(c->plan, c->step, part, to[0] * to[2] * to[3], &first, &last);
    for (int64_t i = first; i < last; i++) {
        const int64_t left = i % to[3] * a->stride[1] - a->pads[1], top = i / to[3] % to[2] * a->stride[0] - a->pads[0];
        uint8_t *most = (uint8_t *)c->data[c->step->outputs[0]] + i * out->pixel;
        memset(most, flip, (size_t)to[1]); /* the least there is */
        for (int64_t k = 0; k < (int64_t)a->kernel[0] * a->kernel[1]; k++) {
            const int64_t y = top + k / a->kernel[1] * a->dilation[0], x = left + k % a->kernel[1] * a->dilation[1];
            if (y >= 0 && y < from[2] && x >= 0 && x < from[3])
                max_bytes_row(most, source + ((i / to[3] / to[2] * from[2] + y) * from[3] + x) * in->pixel, to[1],
                              flip);
        }
    }
}

static const yk_cpu_step_kernel step_quantize = {
    .name = "quantize", .fits = quantize_fits, .parts = bytes_parts, .run = quantize_run};
static const yk_cpu_step_kernel step_dequantize = {
    .name = "dequantize", .fits = dequantize_fits, .parts = bytes_parts, .run = dequantize_run};
static const yk_cpu_step_kernel step_copy_bytes = {
    .name = "copy_bytes", .fits = copy_bytes_fits, .parts = bytes_parts, .run = copy_bytes_run};
static const yk_cpu_step_kernel step_nearest_bytes = {
    .name = "nearest_bytes", .fits = nearest_bytes_fits, .parts = bytes_parts, .run = nearest_bytes_run};
static const yk_cpu_step_kernel step_max_bytes = {
    .name = "max_bytes", .fits = max_bytes_fits, .parts = bytes_parts, .run = max_bytes_run};
