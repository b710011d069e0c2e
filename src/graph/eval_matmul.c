/* Matrix products. */
#include "graph/call.h"

/* Adds the product of an m x k and a k x n matrix, given by their strides, to rows of `out`. */
static void multiply(const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row, int64_t b_column,
                     float *out, int64_t m, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++) {
        float *restrict row = out + i * n;
        for (int64_t j = 0; j < k; j++) {
            float factor = a[i * a_row + j * a_column];
            const float *line = b + j * b_row;
            if (b_column == 1) {
                for (int64_t x = 0; x < n; x++)
                    row[x] += factor * line[x];
            } else {
                for (int64_t x = 0; x < n; x++)
                    row[x] += factor * line[x * b_column];
            }
        }
    }
}

yolk_status yk_eval_matmul(const yk_call *c)
{
    const yk_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    int64_t k = a->dims[a->rank - 1];
    int64_t m = a->rank > 1 ? a->dims[a->rank - 2] : 1, n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    float *out = c->out[0].data;
    for (int64_t i = 0; i < c->out[0].count; i++)
        out[i] = 0;
    /* The leading dimensions are walked matrix by matrix, each as one element of a larger stride. */
    yk_shape lead_a = {.rank = YK_MAX(a->rank - 2, 0)}, lead_b = {.rank = YK_MAX(b->rank - 2, 0)};
    yk_shape lead = {.rank = YK_MAX(lead_a.rank, lead_b.rank)};
    for (int i = 0; i < lead_a.rank; i++)
        lead_a.dims[i] = a->dims[i];
    for (int i = 0; i < lead_b.rank; i++)
        lead_b.dims[i] = b->dims[i];
    for (int i = 0; i < lead.rank; i++)
        lead.dims[i] = c->out[0].shape.dims[i];
    yk_rows r;
    yk_rows_shape(&r, &lead, 3);
    yk_rows_operand(&r, 0, &lead);
    yk_rows_operand(&r, 1, &lead_a);
    yk_rows_operand(&r, 2, &lead_b);
    for (yk_rows_begin(&r); r.more; yk_rows_next(&r)) {
        for (int64_t i = 0; i < r.length; i++) {
            const float *left = (const float *)c->in[0].data + (r.offset[1] + i * r.step[1]) * m * k;
            const float *right = (const float *)c->in[1].data + (r.offset[2] + i * r.step[2]) * k * n;
            multiply(left, k, 1, right, n, 1, out + (r.offset[0] + i * r.step[0]) * m * n, m, n, k);
        }
    }
    return YOLK_OK;
}

yolk_status yk_eval_gemm(const yk_call *c)
{
    const yk_attrs *t = c->attrs;
    const yk_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    int64_t m = c->out[0].shape.dims[0], n = c->out[0].shape.dims[1], k = a->dims[t->transpose_a ? 0 : 1];
    float *out = c->out[0].data;
    for (int64_t i = 0; i < m * n; i++)
        out[i] = 0;
    int64_t a_row = t->transpose_a ? 1 : a->dims[1], a_column = t->transpose_a ? a->dims[1] : 1;
    int64_t b_row = t->transpose_b ? 1 : b->dims[1], b_column = t->transpose_b ? b->dims[1] : 1;
    multiply(c->in[0].data, a_row, a_column, c->in[1].data, b_row, b_column, out, m, n, k);
    const float *add = c->input_count > 2 && c->in[2].given ? c->in[2].data : NULL;
    const yk_shape *s = &c->in[2].shape;
    bool rows = add && s->rank > 1 && s->dims[0] > 1, columns = add && s->rank > 0 && s->dims[s->rank - 1] > 1;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            float extra = add ? add[(rows ? i * (columns ? n : 1) : 0) + (columns ? j : 0)] : 0;
            out[i * n + j] = t->alpha * out[i * n + j] + t->beta * extra;
        }
    }
    return YOLK_OK;
}
