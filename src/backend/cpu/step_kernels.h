/* What is not a convolution: on reals, row by row. A row is a pixel's channels of an NHWC tensor, or all of a PLAIN
 * one cut into pieces, so that most operators need not know the layout. */

enum { STEP_ELEMENTS = 32 << 10, STEP_PIECE = 4096 }; /* of a part, and of a PLAIN row */

/* A tensor as rows that lie `pitch` elements apart; the last one of a PLAIN tensor may be shorter. */
typedef struct step_rows {
    int64_t rows, length, pitch, count;
} step_rows;

static step_rows rows_of(const yk_plan_tensor *t)
{
    const int64_t count = yk_shape_count(&t->shape);
    if (t->layout == YK_LAYOUT_NHWC)
        return (step_rows){
            .rows = count / YK_MAX(t->shape.dims[1], 1), .length = t->shape.dims[1], .pitch = t->pixel, .count = count};
    return (step_rows){
        .rows = (count + STEP_PIECE - 1) / STEP_PIECE, .length = STEP_PIECE, .pitch = STEP_PIECE, .count = count};
}

static int64_t row_length(const step_rows *r, int64_t row)
{
    return YK_MIN(r->length, r->count - row * r->length);
}

static int64_t rows_of_part(const step_rows *r)
{
    return YK_MAX(STEP_ELEMENTS / YK_MAX(r->length, 1), 1);
}

static int parts_of_rows(const step_rows *r)
{
    const int64_t each = rows_of_part(r);
    return (int)YK_MAX((r->rows + each - 1) / each, 1);
}

static const yk_plan_tensor *in_tensor(const yk_plan *p, const yk_step *s, int i)
{
    return &p->tensors[s->inputs[i]];
}

static const yk_plan_tensor *out_tensor(const yk_plan *p, const yk_step *s)
{
    return &p->tensors[s->outputs[0]];
}

static int parts_of_output(const yk_plan *p, const yk_step *s)
{
    const step_rows r = rows_of(out_tensor(p, s));
    return parts_of_rows(&r);
}

/* In a plan of halves, outputs and constants are floats all the same. */
static bool is_real(const yk_plan *p, int tensor)
{
    return p->tensors[tensor].type == YK_F32 && (sizeof(real) == sizeof(float) || yk_plan_is_half(p, tensor));
}

static bool all_real(const yk_plan *p, const yk_step *s)
{
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] == YK_NONE || !is_real(p, s->inputs[i]))
            return false;
    }
    return is_real(p, s->outputs[0]);
}

static bool is_node(const yk_step *s, yk_op op)
{
    return s->kind == YK_STEP_NODE && s->op == op;
}

/* ---- of one tensor ---- */

static bool unary_fits(const yk_plan *p, const yk_step *s)
{
    const bool known = is_node(s, YK_OP_SILU) || is_node(s, YK_OP_SIGMOID) || is_node(s, YK_OP_RELU) ||
                       is_node(s, YK_OP_LEAKY_RELU) || is_node(s, YK_OP_HARD_SWISH);
    return known && all_real(p, s) && in_tensor(p, s, 0)->layout == out_tensor(p, s)->layout;
}

static yk_act act_of(yk_op op)
{
    switch (op) {
    case YK_OP_SILU:
        return YK_ACT_SILU;
    case YK_OP_SIGMOID:
        return YK_ACT_SIGMOID;
    case YK_OP_RELU:
        return YK_ACT_RELU;
    case YK_OP_LEAKY_RELU:
        return YK_ACT_LEAKY_RELU;
    default:
        return YK_ACT_HARD_SWISH;
    }
}

static void unary_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_step *s = c->step;
    const step_rows from = rows_of(in_tensor(c->plan, s, 0)), to = rows_of(out_tensor(c->plan, s));
    const real *in = c->data[s->inputs[0]];
    real *out = c->data[s->outputs[0]];
    const int64_t first = part * rows_of_part(&to), end = YK_MIN(first + rows_of_part(&to), to.rows);
    const yk_act act = act_of(s->op);
    (void)scratch;
    for (int64_t r = first; r < end; r++) {
        const real *x = in + r * from.pitch;
        real *y = out + r * to.pitch;
        const int64_t length = row_length(&to, r);
        int64_t i = 0;
        for (; i + VEC <= length; i += VEC)
            real_store(y + i, vec_activate(act, s->attrs.alpha, real_load(x + i)));
        if (i < length)
            real_store_first(y + i, vec_activate(act, s->attrs.alpha, real_load_first(x + i, (int)(length - i))),
                             (int)(length - i));
    }
}

/* ---- of two tensors of one shape, or of one and a number ---- */

static bool is_number(const yk_plan_tensor *t)
{
    return t->data && t->type == YK_F32 && yk_shape_count(&t->shape) == 1;
}

static bool binary_fits(const yk_plan *p, const yk_step *s)
{
    const bool known = is_node(s, YK_OP_ADD) || is_node(s, YK_OP_SUB) || is_node(s, YK_OP_MUL) || is_node(s, YK_OP_DIV);
    if (!known || !is_real(p, s->outputs[0]))
        return false;
    const yk_plan_tensor *out = out_tensor(p, s);
    for (int i = 0; i < 2; i++) {
        const yk_plan_tensor *t = in_tensor(p, s, i);
        const bool same = is_real(p, s->inputs[i]) && yk_shape_equal(&t->shape, &out->shape);
        if (!is_number(t) && (!same || t->layout != out->layout))
            return false;
    }
    return true;
}

static inline __attribute__((always_inline)) vec binary(yk_op op, vec a, vec b)
{
    switch (op) {
    case YK_OP_ADD:
        return vec_add(a, b);
    case YK_OP_SUB:
        return vec_sub(a, b);
    case YK_OP_MUL:
        return vec_mul(a, b);
    default:
        return vec_div(a, b);
    }
}

static void binary_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_step *s = c->step;
    const yk_plan_tensor *tensors[2] = {in_tensor(c->plan, s, 0), in_tensor(c->plan, s, 1)};
    const step_rows to = rows_of(out_tensor(c->plan, s));
    const int64_t first = part * rows_of_part(&to), end = YK_MIN(first + rows_of_part(&to), to.rows);
    (void)scratch;
    for (int64_t r = first; r < end; r++) {
        const real *x[2] = {NULL};
        vec v[2] = {vec_all(0), vec_all(0)};
        real *y = (real *)c->data[s->outputs[0]] + r * to.pitch;
        for (int k = 0; k < 2; k++) {
            if (is_number(tensors[k]))
                v[k] = vec_all(*(const float *)c->data[s->inputs[k]]);
            else
                x[k] = (const real *)c->data[s->inputs[k]] + r * rows_of(tensors[k]).pitch;
        }
        const int64_t length = row_length(&to, r);
        for (int64_t i = 0; i < length; i += VEC) {
            const int count = (int)YK_MIN(length - i, VEC);
            for (int k = 0; k < 2; k++) {
                if (x[k])
                    v[k] = count == VEC ? real_load(x[k] + i) : real_load_first(x[k] + i, count);
            }
            const vec result = binary(s->op, v[0], v[1]);
            if (count == VEC)
                real_store(y + i, result);
            else
                real_store_first(y + i, result, count);
        }
    }
}

/* ---- pictures ---- */

static bool max_pool_fits(const yk_plan *p, const yk_step *s)
{
    return is_node(s, YK_OP_MAX_POOL) && all_real(p, s) && in_tensor(p, s, 0)->layout == YK_LAYOUT_NHWC &&
           out_tensor(p, s)->layout == YK_LAYOUT_NHWC;
}

/* The window of an output pixel, cut at the borders: rows and columns of the input. */
typedef struct step_window {
    int64_t first[2], end[2], step[2];
} step_window;

static step_window window_of(const yk_attrs *a, const int64_t *in, int64_t y, int64_t x)
{
    const int64_t at[2] = {y, x};
    step_window w;
    for (int i = 0; i < 2; i++) {
        const int64_t begin = at[i] * a->stride[i] - a->pads[i];
        const int64_t end = begin + (int64_t)a->dilation[i] * (a->kernel[i] - 1) + 1;
        w.step[i] = a->dilation[i];
        w.first[i] = begin >= 0 ? begin : begin + (-begin + a->dilation[i] - 1) / a->dilation[i] * a->dilation[i];
        w.end[i] = YK_MIN(end, in[2 + i]);
    }
    return w;
}

static void max_pool_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_step *s = c->step;
    const yk_plan_tensor *from = in_tensor(c->plan, s, 0), *to = out_tensor(c->plan, s);
    const int64_t *in = from->shape.dims, *out = to->shape.dims;
    const step_rows rows = rows_of(to);
    const int64_t first = part * rows_of_part(&rows), end = YK_MIN(first + rows_of_part(&rows), rows.rows);
    (void)scratch;
    for (int64_t r = first; r < end; r++) {
        const int64_t x = r % out[3], y = r / out[3] % out[2], n = r / out[3] / out[2];
        const step_window w = window_of(&s->attrs, in, y, x);
        const real *picture = (const real *)c->data[s->inputs[0]] + n * in[2] * in[3] * from->pixel;
        real *pixel = (real *)c->data[s->outputs[0]] + r * to->pixel;
        for (int64_t k = 0; k < out[1]; k += VEC) {
            const int count = (int)YK_MIN(out[1] - k, VEC);
            vec most = vec_all(-INFINITY);
            for (int64_t i = w.first[0]; i < w.end[0]; i += w.step[0]) {
                for (int64_t j = w.first[1]; j < w.end[1]; j += w.step[1]) {
                    const real *at = picture + (i * in[3] + j) * from->pixel + k;
                    most = vec_max(most, count == VEC ? real_load(at) : real_load_first(at, count));
                }
            }
            if (count == VEC)
                real_store(pixel + k, most);
            else
                real_store_first(pixel + k, most, count);
        }
    }
}

/* Whether each pixel becomes so many, which are the same ones in whichever way their middles are counted. Twice as many
 * come of a factor of 2.1 too, from pixels a little further up. */
static bool is_whole_factor(const yk_plan *p, const yk_step *s)
{
    const yk_attrs *a = &s->attrs;
    const int64_t *in = in_tensor(p, s, 0)->shape.dims, *out = out_tensor(p, s)->shape.dims;
    const int sizes[2] = {a->size_h, a->size_w};
    const float scales[2] = {a->scale_h, a->scale_w};
    for (int i = 0; i < 2; i++) {
        const int64_t factor = in[2 + i] > 0 ? out[2 + i] / in[2 + i] : 0;
        if (out[2 + i] != in[2 + i] * factor || (sizes[i] == 0 && scales[i] != (float)factor))
            return false;
    }
    return !a->linear && a->coordinate_mode != 2;
}

static bool resize_fits(const yk_plan *p, const yk_step *s)
{
    return is_node(s, YK_OP_RESIZE) && all_real(p, s) && in_tensor(p, s, 0)->layout == YK_LAYOUT_NHWC &&
           out_tensor(p, s)->layout == YK_LAYOUT_NHWC && is_whole_factor(p, s);
}

static void resize_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_step *s = c->step;
    const yk_plan_tensor *from = in_tensor(c->plan, s, 0), *to = out_tensor(c->plan, s);
    const int64_t *in = from->shape.dims, *out = to->shape.dims, down = out[2] / in[2], across = out[3] / in[3];
    const step_rows rows = rows_of(to);
    const int64_t first = part * rows_of_part(&rows), end = YK_MIN(first + rows_of_part(&rows), rows.rows);
    (void)scratch;
    for (int64_t r = first; r < end; r++) {
        const int64_t x = r % out[3], y = r / out[3] % out[2], n = r / out[3] / out[2];
        const real *at =
            (const real *)c->data[s->inputs[0]] + ((n * in[2] + y / down) * in[3] + x / across) * from->pixel;
        memcpy((real *)c->data[s->outputs[0]] + r * to->pixel, at, (size_t)out[1] * sizeof *at);
    }
}

/* ---- bytes to reals, and from place to place ---- */

static bool input_fits(const yk_plan *p, const yk_step *s)
{
    return s->kind == YK_STEP_INPUT && is_real(p, s->outputs[0]);
}

static void input_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_plan_tensor *to = out_tensor(c->plan, c->step);
    const step_rows rows = rows_of(to);
    const int64_t first = part * rows_of_part(&rows), end = YK_MIN(first + rows_of_part(&rows), rows.rows);
    const uint8_t *in = c->data[c->step->inputs[0]];
    real *out = c->data[c->step->outputs[0]];
    (void)scratch;
    for (int64_t r = first; r < end; r++) {
        for (int k = 0; k < 3; k++)
            out[r * to->pixel + k] = (real)((float)in[3 * r + k] / c->plan->input_divisor);
    }
}

static bool copy_fits(const yk_plan *p, const yk_step *s)
{
    if (s->kind != YK_STEP_COPY || !all_real(p, s))
        return false;
    const yk_plan_tensor *from = in_tensor(p, s, 0), *to = out_tensor(p, s);
    return (from->layout == YK_LAYOUT_PLAIN && to->layout == YK_LAYOUT_PLAIN) ||
           yk_shape_equal(&from->shape, &to->shape);
}

/* Rows of the NHWC side are parts of the work; both sides have N x C x H x W elements. */
static int copy_parts(const yk_plan *p, const yk_step *s)
{
    const yk_plan_tensor *from = in_tensor(p, s, 0), *to = out_tensor(p, s);
    const step_rows r = rows_of(from->layout == YK_LAYOUT_NHWC ? from : to);
    return parts_of_rows(&r);
}

static void copy_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_plan_tensor *from = in_tensor(c->plan, c->step, 0), *to = out_tensor(c->plan, c->step);
    const real *in = c->data[c->step->inputs[0]];
    real *out = c->data[c->step->outputs[0]];
    const step_rows rows = rows_of(from->layout == YK_LAYOUT_NHWC ? from : to);
    const int64_t first = part * rows_of_part(&rows), end = YK_MIN(first + rows_of_part(&rows), rows.rows);
    (void)scratch;
    if (from->layout == to->layout) {
        for (int64_t r = first; r < end; r++)
            memcpy(out + r * rows_of(to).pitch, in + r * rows_of(from).pitch,
                   (size_t)row_length(&rows, r) * sizeof *in);
        return;
    }
    /* So many pixels at once that what one side jumps over stays in the first cache. */
    enum { PIXELS = 32 };
    const int64_t *d = to->shape.dims, area = d[2] * d[3];
    for (int64_t r = first; r < end;) {
        const int64_t n = r / area, at = r % area, count = YK_MIN(YK_MIN(end - r, PIXELS), area - at);
        const int64_t plane = n * d[1] * area + at;
        for (int64_t k = 0; k < d[1]; k++) {
            if (from->layout == YK_LAYOUT_NHWC) {
                for (int64_t i = 0; i < count; i++)
                    out[plane + k * area + i] = in[(r + i) * from->pixel + k];
            } else {
                for (int64_t i = 0; i < count; i++)
                    out[(r + i) * to->pixel + k] = in[plane + k * area + i];
            }
        }
        r += count;
    }
}

#define STEP_KERNEL(kernel, parts_of)                                                                                  \
    static const yk_cpu_step_kernel step_##kernel = {                                                                  \
        .name = #kernel, .fits = kernel##_fits, .parts = parts_of, .run = kernel##_run}

STEP_KERNEL(unary, parts_of_output);
STEP_KERNEL(binary, parts_of_output);
STEP_KERNEL(max_pool, parts_of_output);
STEP_KERNEL(resize, parts_of_output);
STEP_KERNEL(input, parts_of_output);
STEP_KERNEL(copy, copy_parts);
