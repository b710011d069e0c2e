/* Small graphs of one kind of step, of any size, whose operands and results are parts of larger tensors. */
#ifndef YK_STEPS_MAKER_H
#define YK_STEPS_MAKER_H

#include "steps_test.h"

/* What a graph is made of: two ranges of a feature map's channels, and, for kernels that want rows end to end,
 * something of one of them as N x C x H*W, some elements behind the beginning of its root. */
typedef struct maker {
    yk_graph *g;
    yk_id a, b, rows;
    int64_t batch, channels, height, width; /* of a and b */
    int64_t d[3];                           /* of rows */
    yk_op op;
    float scale; /* of bytes, which have a sign or not */
    bool is_signed;
} maker;

typedef struct maker_kind {
    const char *kernel;
    yk_id (*make)(maker *m);
    yk_op op;
} maker_kind;

static inline yk_id maker_join(maker *m, yk_id left, yk_id right)
{
    return yk_build_concat(m->g, (yk_id[]){left, right}, 2, 1, "joined");
}

static inline yk_id maker_pair(maker *m, yk_id x)
{
    const uint8_t value = m->is_signed ? (uint8_t)-7 : 19;
    const yk_id zero = yk_graph_add_constant_copy(m->g, NULL, m->is_signed ? YK_I8 : YK_U8, SCALAR, &value);
    const yk_id bytes = NODE(m->g, YK_OP_QUANTIZE, NULL, x, yk_build_scalar(m->g, m->scale), zero);
    return NODE(m->g, YK_OP_DEQUANTIZE, NULL, bytes, yk_build_scalar(m->g, m->scale), zero);
}

static inline yk_id maker_pool(maker *m, yk_id x, const yk_attrs *a)
{
    return NODE(m->g, YK_OP_MAX_POOL, a, x);
}

/* Some window that fits, padded by less than its own size. */
static inline yk_attrs maker_window(const maker *m)
{
    yk_attrs a = {.ceil_mode = next() % 2};
    const int64_t size[2] = {m->height, m->width};
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = PICK(1, 2, 3, 3, 5);
        a.stride[i] = PICK(1, 1, 2, 3);
        a.dilation[i] = PICK(1, 1, 2);
        const int reach = a.dilation[i] * (a.kernel[i] - 1) + 1;
        a.pads[i] = (int)(next() % (uint32_t)reach);
        a.pads[2 + i] = (int)(next() % (uint32_t)reach);
        if (size[i] + a.pads[i] + a.pads[2 + i] < reach)
            a.pads[i] = a.pads[2 + i] = reach - 1;
    }
    return a;
}

static inline yk_id maker_resize(maker *m, yk_id x, const yk_attrs *a)
{
    return NODE(m->g, YK_OP_RESIZE, a, x);
}

static inline yk_attrs maker_factor(const maker *m)
{
    yk_attrs a = {.coordinate_mode = PICK(0, 1, 3), .scale_h = (float)PICK(2, 3, 4), .scale_w = (float)PICK(2, 3, 7)};
    if (next() % 2) {
        a.size_h = (int)m->height * (int)a.scale_h;
        a.size_w = (int)m->width * (int)a.scale_w;
        a.scale_h = a.scale_w = 0;
    }
    return a;
}

/* Ranges of the picture's three channels, over and over. `size` is batch, channels, height and width. */
static inline maker maker_begin(yk_op op, const int *size)
{
    maker m = {.batch = size[0], .channels = size[1], .height = size[2], .width = size[3], .op = op};
    m.scale = next() % 2 ? 0.0123f : 0.3f;
    m.is_signed = next() % 2;
    assert_ok(yk_graph_create(&m.g));
    m.g->head.unit_range = next() % 2;
    yk_id wide = yk_graph_add_input(m.g, "images");
    for (int count = 3; count < size[1] + 2; count *= 2)
        wide = maker_join(&m, wide, wide);
    m.a = yk_build_slice(m.g, wide, 1, 1, 1 + m.channels, "a");
    m.b = yk_build_slice(m.g, wide, 1, 2, 2 + m.channels, "b");
    return m;
}

/* What is left of the first axis that is longer than one, without its first element, is a view. */
static inline void maker_rows(maker *m)
{
    const int64_t all[3] = {m->batch, m->channels, m->height * m->width};
    memcpy(m->d, all, sizeof all);
    m->rows = yk_build_reshape(m->g, m->a, all, 3, 0, "rows");
    for (int i = 0; i < 3; i++) {
        if (all[i] > 1) {
            m->rows = yk_build_slice(m->g, m->rows, i, 1, all[i], "some");
            m->d[i]--;
            return;
        }
    }
}

/* With `y` for an output, on every instruction set. */
static inline void maker_check(maker *m, yk_id y, const char *kernel, int loops)
{
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    if (y == YK_NONE)
        fail_msg("%s: %s", steps_case, yolk_last_error());
    assert_ok(yk_graph_add_output(m->g, y));
    assert_ok(yk_graph_bind(m->g, m->batch, m->height, m->width));
    for (int i = 0; i < count; i++)
        steps_check(m->g, isas[i], kernel, loops);
    yk_graph_destroy(&m->g);
}

/* The same for halves, whose kernels write no output but by a copy: that is floats. */
static inline void maker_check_half(maker *m, yk_id y, const char *kernel)
{
    y = yk_build_unary(m->g, YK_OP_RELU, y, "inside");
    if (y == YK_NONE)
        fail_msg("%s: %s", steps_case, yolk_last_error());
    assert_ok(yk_graph_add_output(m->g, y));
    assert_ok(yk_graph_bind(m->g, m->batch, m->height, m->width));
    steps_check(m->g, yk_cpu_half(), kernel, -1);
    yk_graph_destroy(&m->g);
}

static inline bool maker_has(const yk_cpu_isa *isa, const char *kernel)
{
    for (const yk_cpu_step_kernel *const *k = isa ? isa->steps : NULL; k && *k; k++) {
        if (strcmp((*k)->name, kernel) == 0)
            return true;
    }
    return false;
}

static inline yk_id maker_make(maker *m, const maker_kind *k, const int *size, bool rows)
{
    *m = maker_begin(k->op, size);
    snprintf(steps_case, sizeof steps_case, "%s %s of %dx%dx%dx%d", k->kernel,
             k->op == YK_OP_COUNT ? "" : yk_op_name(k->op), size[0], size[1], size[2], size[3]);
    if (rows)
        maker_rows(m);
    const yk_id y = k->make(m);
    if (!rows)
        assert_ok(yk_graph_add_output(m->g, yk_build_slice(m->g, y, 1, 1, m->channels + 1, "part")));
    return y;
}

/* One of a kind that is made of `a` and `b`, or of `rows`. */
static inline void maker_check_kind(const maker_kind *k, const int *size, bool rows)
{
    const bool to_output = !rows && strcmp(k->kernel, "copy") == 0;
    maker m;
    yk_id y = maker_make(&m, k, size, rows);
    maker_check(&m, y, k->kernel, 0);
    if (maker_has(yk_cpu_half(), k->kernel)) {
        y = maker_make(&m, k, size, rows);
        maker_check_half(&m, y, to_output ? "output" : k->kernel);
    }
}

static inline void maker_check_random(const maker_kind *pictures, size_t picture_count, const maker_kind *rows,
                                      size_t row_count)
{
    const int size[4] = {PICK(1, 2, 3), PICK(1, 3, 4, 7, 8, 16, 20, 33, 80), PICK(1, 2, 5, 8, 13),
                         PICK(1, 3, 8, 12, 21)};
    const size_t k = next() % (picture_count + row_count);
    if (k < picture_count)
        maker_check_kind(&pictures[k], size, false);
    else
        maker_check_kind(&rows[k - picture_count], size, true);
}

/* What looks like a kernel's and is not: one step is left to loops. */
static inline void maker_check_loops(yk_id (*make)(maker *m), int number)
{
    maker m = maker_begin(YK_OP_COUNT, (const int[]){3, 8, 5, 5});
    snprintf(steps_case, sizeof steps_case, "what is left to loops, %d", number);
    maker_rows(&m);
    maker_check(&m, make(&m), NULL, 1);
}

#endif
