/* Products of matrices, softmax and turning: the steps of attention, on PLAIN reals. */

enum { MATRIX_ROWS = 16 * TILE_ROWS }; /* of a part */

/* N x ... x rows x depth times N x ... x depth x columns. */
typedef struct matrix_sizes {
    int64_t batch, rows, depth, columns, row_parts;
} matrix_sizes;

static matrix_sizes matrix_sizes_of(const yk_plan *p, const yk_step *s)
{
    const yk_shape *a = &in_tensor(p, s, 0)->shape, *out = &out_tensor(p, s)->shape;
    matrix_sizes m = {.rows = out->dims[out->rank - 2],
                      .columns = out->dims[out->rank - 1],
                      .depth = a->dims[a->rank - 1],
                      .batch = 1};
    for (int i = 0; i + 2 < out->rank; i++)
        m.batch *= out->dims[i];
    m.row_parts = (m.rows + MATRIX_ROWS - 1) / MATRIX_ROWS;
    return m;
}

static bool matrix_fits(const yk_plan *p, const yk_step *s)
{
    if (!is_node(s, YK_OP_MATMUL) || !all_real(p, s))
        return false;
    const yk_plan_tensor *a = in_tensor(p, s, 0), *b = in_tensor(p, s, 1), *out = out_tensor(p, s);
    if (a->layout != YK_LAYOUT_PLAIN || b->layout != YK_LAYOUT_PLAIN || out->layout != YK_LAYOUT_PLAIN ||
        a->shape.rank < 2 || a->shape.rank != b->shape.rank || a->shape.rank != out->shape.rank)
        return false;
    for (int i = 0; i + 2 < a->shape.rank; i++) {
        if (a->shape.dims[i] != b->shape.dims[i])
            return false;
    }
    return yk_shape_count(&out->shape) > 0 && a->shape.dims[a->shape.rank - 1] > 0 &&
           a->shape.dims[a->shape.rank - 1] <= 1 << 20 && out->shape.dims[out->shape.rank - 1] <= 1 << 20;
}

static int matrix_parts(const yk_plan *p, const yk_step *s)
{
    const matrix_sizes m = matrix_sizes_of(p, s);
    return (int)(m.batch * m.row_parts);
}

/* One panel of the right matrix at a time. */
static size_t matrix_scratch(const yk_plan *p, const yk_step *s)
{
    const matrix_sizes m = matrix_sizes_of(p, s);
    return panel_size(TILE_VECS, (int)m.depth) + MATRIX_ROWS * sizeof(real *) + 64;
}

static void matrix_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_step *s = c->step;
    const matrix_sizes m = matrix_sizes_of(c->plan, s);
    const int64_t n = part / m.row_parts, first = part % m.row_parts * MATRIX_ROWS;
    const int rows = (int)YK_MIN(m.rows - first, MATRIX_ROWS);
    const real *a = (const real *)c->data[s->inputs[0]] + (n * m.rows + first) * m.depth;
    const real *b = (const real *)c->data[s->inputs[1]] + n * m.depth * m.columns;
    real *out = (real *)c->data[s->outputs[0]] + (n * m.rows + first) * m.columns;
    float *bias = scratch;
    const real **at = (const real **)((uint8_t *)scratch + panel_size(TILE_VECS, (int)m.depth));
    for (int r = 0; r < tile_rows(rows); r++)
        at[r] = a + YK_MIN(r, rows - 1) * m.depth;
    const tile_input x = {.in = at, .stride = MATRIX_ROWS, .taps = 1, .length = (int)m.depth};
    for (int64_t column = 0; column < m.columns; column += LOT_PANEL) {
        const int columns = (int)YK_MIN(m.columns - column, LOT_PANEL), width = panel_lots(columns, 0) * LOT;
        real *packed = (real *)(bias + width);
        for (int i = 0; i < width; i++)
            bias[i] = 0;
        for (int64_t k = 0; k < m.depth; k++) {
            for (int i = 0; i < width; i++)
                packed[k * width + i] = i < columns ? b[k * m.columns + column + i] : 0;
        }
        const tile_end e = {.out = out + column, .out_pixel = m.columns};
        run_panels(bias, columns, (int)m.depth, &x, rows, &e);
    }
}

/* Along the last axis. */
static bool softmax_fits(const yk_plan *p, const yk_step *s)
{
    if (!is_node(s, YK_OP_SOFTMAX) || !all_real(p, s))
        return false;
    const yk_plan_tensor *in = in_tensor(p, s, 0), *out = out_tensor(p, s);
    return in->layout == YK_LAYOUT_PLAIN && out->layout == YK_LAYOUT_PLAIN && in->shape.rank > 0 &&
           (s->attrs.axis == in->shape.rank - 1 || s->attrs.axis == -1) && yk_shape_count(&in->shape) > 0;
}

static int64_t softmax_length(const yk_plan *p, const yk_step *s)
{
    return in_tensor(p, s, 0)->shape.dims[in_tensor(p, s, 0)->shape.rank - 1];
}

static int softmax_parts(const yk_plan *p, const yk_step *s)
{
    const int64_t length = softmax_length(p, s), rows = yk_shape_count(&in_tensor(p, s, 0)->shape) / length;
    const int64_t each = YK_MAX(STEP_ELEMENTS / length, 1);
    return (int)((rows + each - 1) / each);
}

static void softmax_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_step *s = c->step;
    const int64_t length = softmax_length(c->plan, s), rows = yk_shape_count(&in_tensor(c->plan, s, 0)->shape) / length;
    const int64_t each = YK_MAX(STEP_ELEMENTS / length, 1), end = YK_MIN((part + 1) * each, rows);
    (void)scratch;
    for (int64_t r = part * each; r < end; r++) {
        const real *in = (const real *)c->data[s->inputs[0]] + r * length;
        real *out = (real *)c->data[s->outputs[0]] + r * length;
        float most = in[0], sum = 0;
        const int64_t whole = length / VEC * VEC;
        vec mosts = vec_all(in[0]), sums = vec_all(0);
        float each_most[VEC], each_sum[VEC];
        for (int64_t i = 0; i < whole; i += VEC)
            mosts = vec_max(mosts, real_load(in + i));
        vec_store(each_most, mosts);
        for (int i = 0; i < VEC; i++)
            most = each_most[i] > most ? each_most[i] : most;
        for (int64_t i = whole; i < length; i++)
            most = in[i] > most ? in[i] : most;
        for (int64_t i = 0; i < whole; i += VEC) {
            const vec power = vec_exp(vec_sub(real_load(in + i), vec_all(most)));
            sums = vec_add(sums, power);
            real_store(out + i, power);
        }
        if (whole < length) {
            const int left = (int)(length - whole);
            real_store_first(out + whole, vec_exp(vec_sub(real_load_first(in + whole, left), vec_all(most))), left);
        }
        vec_store(each_sum, sums);
        for (int i = 0; i < VEC; i++)
            sum += each_sum[i];
        for (int64_t i = whole; i < length; i++)
            sum += out[i];
        for (int64_t i = 0; i < length; i++)
            out[i] = (real)(out[i] / sum);
    }
}

/* The last two axes change places. */
static bool turn_fits(const yk_plan *p, const yk_step *s)
{
    if (!is_node(s, YK_OP_TRANSPOSE) || !all_real(p, s))
        return false;
    const yk_plan_tensor *in = in_tensor(p, s, 0);
    const int rank = in->shape.rank;
    if (in->layout != YK_LAYOUT_PLAIN || out_tensor(p, s)->layout != YK_LAYOUT_PLAIN || rank < 2 ||
        s->attrs.axes_count != rank)
        return false;
    for (int i = 0; i + 2 < rank; i++) {
        if (s->attrs.axes[i] != i)
            return false;
    }
    return s->attrs.axes[rank - 2] == rank - 1 && s->attrs.axes[rank - 1] == rank - 2;
}

enum { TURN_ROWS = 64 };

static int turn_parts(const yk_plan *p, const yk_step *s)
{
    const yk_shape *in = &in_tensor(p, s, 0)->shape;
    const int64_t rows = in->dims[in->rank - 2], matrix = YK_MAX(rows * in->dims[in->rank - 1], 1);
    return (int)YK_MAX(yk_shape_count(in) / matrix * ((rows + TURN_ROWS - 1) / TURN_ROWS), 1);
}

static void turn_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_shape *shape = &in_tensor(c->plan, c->step, 0)->shape;
    const int64_t rows = shape->dims[shape->rank - 2], columns = shape->dims[shape->rank - 1];
    const int64_t blocks = (rows + TURN_ROWS - 1) / TURN_ROWS;
    (void)scratch;
    if (rows * columns == 0)
        return;
    const int64_t n = part / blocks, first = part % blocks * TURN_ROWS, end = YK_MIN(first + TURN_ROWS, rows);
    const real *in = (const real *)c->data[c->step->inputs[0]] + n * rows * columns;
    real *out = (real *)c->data[c->step->outputs[0]] + n * rows * columns;
    for (int64_t j = 0; j < columns; j++) {
        for (int64_t i = first; i < end; i++)
            out[j * rows + i] = in[i * columns + j];
    }
}

static const yk_cpu_step_kernel step_matrix = {
    .name = "matrix", .fits = matrix_fits, .scratch_bytes = matrix_scratch, .parts = matrix_parts, .run = matrix_run};
STEP_KERNEL(softmax, softmax_parts);
STEP_KERNEL(turn, turn_parts);
