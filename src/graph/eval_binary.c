/* Operators on two or three elements at a time, broadcast as numpy does. */
#include "graph/call.h"

#include <math.h>

/* One row: both inputs move, or one of them stays. Written out so that each loop becomes vectors. */
#define ROW(in_type, out_type, expression)                                                                             \
    do {                                                                                                               \
        const in_type *pa = (const in_type *)c->in[0].data + r->offset[1];                                             \
        const in_type *pb = (const in_type *)c->in[1].data + r->offset[2];                                             \
        out_type *out = (out_type *)c->out[0].data + r->offset[0];                                                     \
        int64_t n = r->length;                                                                                         \
        if (r->step[1] == 1 && r->step[2] == 1) {                                                                      \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                in_type a = pa[i], b = pb[i];                                                                          \
                out[i] = (out_type)(expression);                                                                       \
            }                                                                                                          \
        } else if (r->step[1] == 1) {                                                                                  \
            in_type b = pb[0];                                                                                         \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                in_type a = pa[i];                                                                                     \
                out[i] = (out_type)(expression);                                                                       \
            }                                                                                                          \
        } else {                                                                                                       \
            in_type a = pa[0];                                                                                         \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                in_type b = pb[r->step[2] * i];                                                                        \
                out[i] = (out_type)(expression);                                                                       \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/* The sign of Python's %, which ONNX takes for integers. */
static int64_t integer_mod(int64_t a, int64_t b, bool fmod_sign)
{
    if (b == -1)
        return 0;
    int64_t m = a % b;
    return !fmod_sign && m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

static int64_t integer_div(int64_t a, int64_t b)
{
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t integer_pow(int64_t a, int64_t b)
{
    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    uint64_t power = 1, base = (uint64_t)a;
    for (; b > 0; b /= 2, base *= base)
        power *= b % 2 ? base : 1;
    return (int64_t)power;
}

static float float_min(float a, float b)
{
    return isnan(a) || a < b ? a : b;
}

static float float_max(float a, float b)
{
    return isnan(a) || a > b ? a : b;
}

static void float_row(const yk_call *c, const yk_rows *r)
{
    switch (c->op) {
    case YK_OP_ADD:
        ROW(float, float, a + b);
        break;
    case YK_OP_SUB:
        ROW(float, float, a - b);
        break;
    case YK_OP_MUL:
        ROW(float, float, a *b);
        break;
    case YK_OP_DIV:
        ROW(float, float, a / b);
        break;
    case YK_OP_POW:
        ROW(float, float, b == 2 ? a * a : powf(a, b));
        break;
    case YK_OP_MIN:
        ROW(float, float, float_min(a, b));
        break;
    case YK_OP_MAX:
        ROW(float, float, float_max(a, b));
        break;
    case YK_OP_MOD:
        ROW(float, float, fmodf(a, b));
        break;
    case YK_OP_EQUAL:
        ROW(float, uint8_t, a == b);
        break;
    case YK_OP_GREATER:
        ROW(float, uint8_t, a > b);
        break;
    default: /* YK_OP_LESS */
        ROW(float, uint8_t, a < b);
        break;
    }
}

static void integer_row(const yk_call *c, const yk_rows *r)
{
    switch (c->op) {
    case YK_OP_ADD:
        ROW(int64_t, int64_t, (uint64_t)a + (uint64_t)b);
        break;
    case YK_OP_SUB:
        ROW(int64_t, int64_t, (uint64_t)a - (uint64_t)b);
        break;
    case YK_OP_MUL:
        ROW(int64_t, int64_t, (uint64_t)a * (uint64_t)b);
        break;
    case YK_OP_DIV:
        ROW(int64_t, int64_t, integer_div(a, b));
        break;
    case YK_OP_POW:
        ROW(int64_t, int64_t, integer_pow(a, b));
        break;
    case YK_OP_MIN:
        ROW(int64_t, int64_t, a < b ? a : b);
        break;
    case YK_OP_MAX:
        ROW(int64_t, int64_t, a > b ? a : b);
        break;
    case YK_OP_MOD:
        ROW(int64_t, int64_t, integer_mod(a, b, c->attrs->fmod));
        break;
    case YK_OP_EQUAL:
        ROW(int64_t, uint8_t, a == b);
        break;
    case YK_OP_GREATER:
        ROW(int64_t, uint8_t, a > b);
        break;
    default: /* YK_OP_LESS */
        ROW(int64_t, uint8_t, a < b);
        break;
    }
}

static void bool_row(const yk_call *c, const yk_rows *r)
{
    switch (c->op) {
    case YK_OP_AND:
        ROW(uint8_t, uint8_t, a && b);
        break;
    case YK_OP_OR:
        ROW(uint8_t, uint8_t, a || b);
        break;
    default: /* YK_OP_EQUAL */
        ROW(uint8_t, uint8_t, !a == !b);
        break;
    }
}

yolk_status yk_eval_binary(const yk_call *c)
{
    yk_type type = c->in[0].type;
    if (type == YK_I64 && (c->op == YK_OP_DIV || c->op == YK_OP_MOD)) {
        for (int64_t i = 0; i < c->in[1].count; i++) {
            if (((const int64_t *)c->in[1].data)[i] == 0)
                return YK_MISFIT(c, "an integer is divided by zero");
        }
    }
    yk_rows r;
    yk_rows_shape(&r, &c->out[0].shape, 3);
    yk_rows_operand(&r, 0, &c->out[0].shape);
    yk_rows_operand(&r, 1, &c->in[0].shape);
    yk_rows_operand(&r, 2, &c->in[1].shape);
    for (yk_rows_begin(&r); r.more; yk_rows_next(&r)) {
        if (type == YK_F32)
            float_row(c, &r);
        else if (type == YK_I64)
            integer_row(c, &r);
        else
            bool_row(c, &r);
    }
    return YOLK_OK;
}

yolk_status yk_eval_where(const yk_call *c)
{
    size_t size = yk_type_size(c->out[0].type);
    yk_rows r;
    yk_rows_shape(&r, &c->out[0].shape, 4);
    yk_rows_operand(&r, 0, &c->out[0].shape);
    for (int i = 0; i < 3; i++)
        yk_rows_operand(&r, 1 + i, &c->in[i].shape);
    for (yk_rows_begin(&r); r.more; yk_rows_next(&r)) {
        const uint8_t *choice = (const uint8_t *)c->in[0].data + r.offset[1];
        uint8_t *out = (uint8_t *)c->out[0].data + (size_t)r.offset[0] * size;
        for (int64_t i = 0; i < r.length; i++) {
            int k = choice[i * r.step[1]] ? 1 : 2;
            const uint8_t *from = (const uint8_t *)c->in[k].data + (size_t)(r.offset[1 + k] + i * r.step[1 + k]) * size;
            for (size_t b = 0; b < size; b++)
                out[(size_t)i * size + b] = from[b];
        }
    }
    return YOLK_OK;
}
