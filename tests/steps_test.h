/* Programs whose steps are done by kernels and by plain loops, from the same fresh random numbers: what each part
 * writes, how far results are apart, and that nothing else in memory has changed. */
#ifndef YK_STEPS_TEST_H
#define YK_STEPS_TEST_H

#include "backend/cpu/program.h"
#include "cpu_test.h"
#include "graph_test.h"

/* Arena, input and outputs of a run in one piece, with some bytes between them. */
typedef struct steps_memory {
    uint8_t *all;
    size_t size;
    void **data;
} steps_memory;

static inline size_t steps_room(size_t *size, int64_t bytes)
{
    const size_t at = *size;
    *size = (at + (size_t)bytes + 64 + 63) / 64 * 64;
    return at;
}

static inline steps_memory steps_memory_make(const yk_plan *p)
{
    steps_memory m = {.size = 64};
    float *outputs[16];
    assert_in_range(p->output_count, 1, 16);
    const size_t arena = steps_room(&m.size, p->arena), input = steps_room(&m.size, p->tensors[p->input].bytes);
    size_t first = m.size;
    for (int i = 0; i < p->output_count; i++)
        steps_room(&m.size, p->tensors[p->outputs[i]].bytes);
    m.all = yk_alloc_aligned(m.size);
    m.data = calloc((size_t)p->tensor_count + 1, sizeof *m.data);
    for (int i = 0; i < p->output_count; i++)
        outputs[i] = (float *)(m.all + steps_room(&first, p->tensors[p->outputs[i]].bytes));
    yk_plan_bind(p, m.all + arena, m.all + input, outputs, m.data);
    return m;
}

static inline void steps_memory_free(steps_memory *m)
{
    yk_free(m->all);
    free(m->data);
}

/* What a message begins with: the case that the test has set, and the step. */
static char steps_case[200];

static inline const char *steps_name(const yk_cpu_program *p, int index)
{
    static char text[400];
    const yk_step *s = &p->plan->steps[index];
    snprintf(text, sizeof text, "seed %llu: %s: %s %s: step %d, %s %s", (unsigned long long)seed, steps_case,
             p->isa->name, p->actions[index].other->name, index, s->kind == YK_STEP_NODE ? yk_op_name(s->op) : "",
             s->name);
    return text;
}

/* ---- a tensor's place in memory: rows of elements that are its own ---- */

typedef struct steps_rows {
    uint8_t *first;
    int64_t rows, length, pitch; /* length and pitch in bytes */
} steps_rows;

static inline size_t steps_size(const yk_plan *p, int tensor)
{
    return yk_plan_is_half(p, tensor) ? sizeof(uint16_t) : yk_type_size(p->tensors[tensor].type);
}

/* A float at its place, where it may be a half. */
static inline float steps_get(bool half, const void *place)
{
    float value;
    uint16_t bits;
    memcpy(half ? (void *)&bits : &value, place, half ? sizeof bits : sizeof value);
    return half ? yk_half_to_float(bits) : value;
}

static inline void steps_put(bool half, void *place, float value)
{
    const uint16_t bits = yk_float_to_half(value);
    memcpy(place, half ? (const void *)&bits : &value, half ? sizeof bits : sizeof value);
}

static inline steps_rows steps_rows_of(const yk_plan *p, int tensor, const steps_memory *m)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    const int64_t count = yk_shape_count(&t->shape), size = (int64_t)steps_size(p, tensor);
    if (t->layout == YK_LAYOUT_PLAIN)
        return (steps_rows){m->data[tensor], 1, count * size, 0};
    return (steps_rows){m->data[tensor], count / t->shape.dims[1], t->shape.dims[1] * size, t->pixel * size};
}

static inline void steps_set(const steps_rows *r, int value)
{
    for (int64_t i = 0; i < r->rows; i++)
        memset(r->first + i * r->pitch, value, (size_t)r->length);
}

static inline float steps_float(int range)
{
    return next() % 16 ? (float)range * real() : 1e-20f * real();
}

/* New numbers for all of a root, what belongs to nobody or to others included. */
static inline void steps_fill(const yk_plan *p, int root, const steps_memory *m)
{
    const yk_plan_tensor *t = &p->tensors[root];
    const int64_t count = yk_plan_root_count(t);
    const bool half = yk_plan_is_half(p, root);
    const int range = p->float_bytes == 2 ? PICK(1, 3) : PICK(1, 10, 90); /* the largest half is 65504 */
    for (int64_t i = 0; i < count && !t->data; i++) {
        if (t->type == YK_F32)
            steps_put(half, (uint8_t *)m->data[root] + (size_t)i * steps_size(p, root), steps_float(range));
        else
            ((uint8_t *)m->data[root])[i] = (uint8_t)next();
    }
}

/* ---- one step ---- */

/* Takes over what a group of parts has written over the poison; writer[] is the group that has, and one. */
static inline void steps_take(const yk_cpu_program *p, int index, const steps_rows *out, int group, int poison,
                              uint8_t *result, uint8_t *writer)
{
    enum { PIECE = 256 };
    uint8_t untouched[PIECE];
    memset(untouched, poison, sizeof untouched);
    for (int64_t i = 0; i < out->rows * out->length;) {
        const int64_t column = i % out->length, left = YK_MIN(out->length - column, PIECE);
        const uint8_t *from = out->first + i / out->length * out->pitch + column;
        if (memcmp(from, untouched, (size_t)left) == 0) {
            i += left;
            continue;
        }
        for (int64_t end = i + left; i < end; i++, from++) {
            if (*from == poison)
                continue;
            if (writer[i] && (writer[i] != group + 1 || result[i] != *from))
                fail_msg("%s: byte %d is written by group %d as %d and by group %d as %d", steps_name(p, index), (int)i,
                         writer[i] - 1, result[i], group, *from);
            writer[i] = (uint8_t)(group + 1);
            result[i] = *from;
        }
    }
}

/* Each part apart from the next ones, over bytes that are none set and over bytes that are all set, which shows what it
 * writes: parts share the output, each byte of which is written by just one of them. */
static inline void steps_run_parts(const yk_cpu_program *p, int index, const steps_memory *m)
{
    enum { GROUPS = 4 };
    const yk_step *s = &p->plan->steps[index];
    const yk_cpu_step_kernel *k = p->actions[index].other;
    const yk_cpu_call call = {p->plan, s, m->data};
    const steps_rows out = steps_rows_of(p->plan, s->outputs[0], m);
    const size_t count = (size_t)(out.rows * out.length);
    const size_t scratch_size = k->scratch_bytes ? k->scratch_bytes(p->plan, s) : 0;
    uint8_t *result = malloc(count + 1), *writer = calloc(count + 1, 1), *scratch = yk_alloc_aligned(scratch_size + 64);
    const int parts = p->actions[index].parts;
    assert_int_equal(parts, k->parts(p->plan, s));
    assert_in_range(parts, 1, YK_POOL_PARTS);
    assert_true(scratch_size <= p->scratch);
    for (int group = 0; group < YK_MIN(parts, GROUPS); group++) {
        for (int poison = 0; poison <= 0xff; poison += 0xff) {
            steps_set(&out, poison);
            for (int part = group; part < parts; part += GROUPS) {
                memset(scratch, 0xff, scratch_size);
                memset(scratch + scratch_size, 0x5a, 64);
                k->run(&call, part, scratch);
                for (int i = 0; i < 64; i++)
                    assert_int_equal(scratch[scratch_size + (size_t)i], 0x5a);
            }
            steps_take(p, index, &out, group, poison, result, writer);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!writer[i])
            fail_msg("%s: byte %zu is not written", steps_name(p, index), i);
    }
    for (int64_t r = 0; r < out.rows; r++)
        memcpy(out.first + r * out.pitch, result + r * out.length, (size_t)out.length);
    free(result);
    free(writer);
    yk_free(scratch);
}

static inline double steps_largest(const yk_plan *p, int tensor, const steps_memory *m)
{
    double largest = 0;
    for (int64_t i = 0; i < yk_shape_count(&p->tensors[tensor].shape); i++) /* PLAIN */
        largest =
            fmax(largest, fabs((double)steps_get(yk_plan_is_half(p, tensor), (const uint8_t *)m->data[tensor] +
                                                                                 (size_t)i * steps_size(p, tensor))));
    return largest;
}

/* How far a result may be off: a share of what it should be, and something whatever it should be. What only moves
 * numbers, or rounds once as the loops do, is the same number. */
static inline void steps_tolerance(const yk_plan *p, const yk_step *s, const steps_memory *m, double *share,
                                   double *least)
{
    *share = *least = 0;
    if (s->kind != YK_STEP_NODE)
        return;
    switch (s->op) {
    case YK_OP_SILU:
    case YK_OP_SIGMOID: /* exp() of up to 90; where it is nothing, the kernels' is 2^-126 */
        *share = 1e-5;
        *least = 2e-36;
        break;
    case YK_OP_HARD_SWISH: /* x / 6 + 0.5 is near 0 for some x */
        *share = 1e-6;
        *least = 1e-6;
        break;
    case YK_OP_SOFTMAX: /* exp() of up to 180 */
        *share = 4e-5;
        *least = 2e-36;
        break;
    case YK_OP_MATMUL: {
        const yk_shape *a = &p->tensors[s->inputs[0]].shape;
        *least =
            2e-7 * (double)a->dims[a->rank - 1] * steps_largest(p, s->inputs[0], m) * steps_largest(p, s->inputs[1], m);
        break;
    }
    default:
        break;
    }
    if (yk_plan_is_half(p, s->outputs[0])) {
        /* Both are rounded once, softmax's powers too; what a matrix adds up, each time. */
        *share += s->op == YK_OP_SOFTMAX ? 2e-3 : 1e-3;
        *least = s->op == YK_OP_MATMUL ? 1e4 * *least : 1.2e-7;
    }
}

/* Takes what the kernel has computed over into the truth where it is near enough: all the rest is the same then. */
static inline void steps_compare(const yk_cpu_program *p, int index, const steps_memory *m, const steps_memory *truth)
{
    const yk_step *s = &p->plan->steps[index];
    const steps_rows got = steps_rows_of(p->plan, s->outputs[0], m);
    const steps_rows want = steps_rows_of(p->plan, s->outputs[0], truth);
    double share, least;
    steps_tolerance(p->plan, s, truth, &share, &least);
    const size_t size = steps_size(p->plan, s->outputs[0]);
    const bool half = yk_plan_is_half(p->plan, s->outputs[0]);
    for (int64_t r = 0; r < got.rows && p->plan->tensors[s->outputs[0]].type == YK_F32; r++) {
        for (int64_t i = 0; i < got.length / (int64_t)size; i++) {
            const uint8_t *from = got.first + r * got.pitch + (size_t)i * size;
            uint8_t *to = want.first + r * want.pitch + (size_t)i * size;
            const float a = steps_get(half, from), b = steps_get(half, to);
            const double error = fabs((double)a - (double)b);
            if (!(error <= share * fabs((double)b) + least) && a != b && !(isnan(a) && isnan(b)))
                fail_msg("%s: row %d, element %d: %.9g instead of %.9g", steps_name(p, index), (int)r, (int)i,
                         (double)a, (double)b);
            memcpy(to, from, size);
        }
    }
    const bool same = memcmp(m->all, truth->all, m->size) == 0;
    for (size_t i = 0; i < m->size && !same; i++) {
        if (m->all[i] == truth->all[i])
            continue;
        const ptrdiff_t at = m->all + i - got.first;
        fail_msg("%s: byte %td after its first one is %d instead of %d", steps_name(p, index), at, m->all[i],
                 truth->all[i]);
    }
}

static inline void steps_check_step(const yk_cpu_program *p, int index, const steps_memory *m,
                                    const steps_memory *truth)
{
    const yk_step *s = &p->plan->steps[index];
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] != YK_NONE)
            steps_fill(p->plan, p->plan->tensors[s->inputs[i]].root, m);
    }
    memcpy(truth->all, m->all, m->size);
    assert_ok(yk_plan_eval(p->plan, s, truth->data));
    steps_run_parts(p, index, m);
    steps_compare(p, index, m, truth);
}

/* ---- all steps ---- */

typedef struct steps_turn {
    const yk_cpu_program *program;
    yk_cpu_memory memory;
    yolk_status status;
} steps_turn;

static inline void steps_lead(yk_pool_job *job, void *user)
{
    steps_turn *t = user;
    t->status = yk_cpu_program_run(t->program, job, &t->memory);
}

static inline void steps_run(const yk_cpu_program *p, int threads, const steps_memory *m)
{
    enum { MOST = 8 };
    uint8_t *scratch[MOST];
    yk_pool_job *job;
    for (int i = 0; i < threads; i++)
        scratch[i] = yk_alloc_aligned(p->scratch + 64);
    steps_turn t = {.program = p, .memory = {.data = m->data, .scratch = scratch}};
    assert_ok(yk_pool_acquire(threads));
    assert_ok(yk_pool_job_create(threads, steps_lead, &t, &job));
    yk_pool_job_start(job);
    yk_pool_job_wait(job);
    yk_pool_job_destroy(&job);
    yk_pool_release(threads);
    assert_ok(t.status);
    for (int i = 0; i < threads; i++)
        yk_free(scratch[i]);
}

/* The same memory after the whole program, for any number of threads. */
static inline void steps_check_threads(const yk_cpu_program *p, const steps_memory *m, const steps_memory *other)
{
    memset(m->all, 0x66, m->size);
    steps_fill(p->plan, p->plan->input, m);
    for (int threads = 2; threads <= 5; threads += 3) {
        memset(other->all, 0x66, m->size);
        memcpy(other->data[p->plan->input], m->data[p->plan->input], (size_t)p->plan->tensors[p->plan->input].bytes);
        if (threads == 2)
            steps_run(p, 1, m);
        steps_run(p, threads, other);
        if (memcmp(m->all, other->all, m->size) != 0)
            fail_msg("seed %llu: %s: %s: not the same by %d threads", (unsigned long long)seed, steps_case,
                     p->isa->name, threads);
    }
}

/* Checks the bound graph's steps that have the kernel of this name, of which there are some; `loops` steps have none,
 * or any number of them where it is negative. */
static inline void steps_check(const yk_graph *g, const yk_cpu_isa *isa, const char *kernel, int loops)
{
    yk_cpu_program *p;
    int found = 0, without = 0;
    assert_ok(yk_cpu_program_make(g, isa, &p));
    steps_memory m = steps_memory_make(p->plan), truth = steps_memory_make(p->plan);
    for (size_t i = 0; i < m.size; i++)
        m.all[i] = (uint8_t)(i * 37 + i / 256 * 5);
    for (int i = 0; i < p->plan->step_count; i++) {
        assert_null(p->actions[i].conv);
        without += !p->actions[i].other;
        if (p->actions[i].other && (!kernel || strcmp(p->actions[i].other->name, kernel) == 0)) {
            steps_check_step(p, i, &m, &truth);
            found++;
        }
    }
    if ((kernel && !found) || (loops >= 0 && without != loops))
        fail_msg("%s: %s: %d steps by the kernel, %d by plain loops", steps_case, isa->name, found, without);
    steps_check_threads(p, &m, &truth);
    steps_memory_free(&m);
    steps_memory_free(&truth);
    yk_cpu_program_destroy(&p);
}

#endif
