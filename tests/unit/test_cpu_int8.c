/* 8-bit networks on the processor's own backend: every step as the plan's own evaluation has it on the same bytes, for
 * every instruction set, and the same bits out of a saved form. */
#include <stdarg.h>

#include "backend/cpu/program.h"
#include "backend/cpu/saved.h"
#include "backend/cpu/tune.h"
#include "damage_test.h"
#include "int8_test.h"
#include "plan_test.h"

static const yk_backend *const native = &yk_backend_native;

/* ---- step by step ---- */

typedef struct check {
    const yk_cpu_program *program;
    const plan_memory *memory, *truth;
    uint8_t *scratch;
    yolk_status status;
    int compared, beside; /* bytes, and those that are the number beside */
    char wrong[300];
} check;

static void note(check *c, const char *format, ...)
{
    va_list args;
    if (c->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(c->wrong, sizeof c->wrong, format, args);
    va_end(args);
}

/* Element i of a tensor, in the graph's order. */
static double element(const yk_plan_tensor *t, const void *data, int64_t i)
{
    int64_t at = i;
    if (t->layout == YK_LAYOUT_NHWC) {
        const int64_t *d = t->shape.dims, area = d[2] * d[3];
        at = (i / area / d[1] * area + i % area) * t->pixel + i / area % d[1];
    }
    switch (t->type) {
    case YK_F32:
        return (double)((const float *)data)[at];
    case YK_I8:
        return ((const int8_t *)data)[at];
    default:
        return ((const uint8_t *)data)[at];
    }
}

static void compare(check *c, int step)
{
    const yk_step *s = &c->program->plan->steps[step];
    const yk_plan_tensor *t = &c->program->plan->tensors[s->outputs[0]];
    const int64_t count = yk_shape_count(&t->shape);
    const void *got = c->memory->data[s->outputs[0]], *want = c->truth->data[s->outputs[0]];
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(element(t, want, i)));
    for (int64_t i = 0; i < count; i++) {
        const double a = element(t, got, i), b = element(t, want, i), error = fabs(a - b);
        c->compared += t->type != YK_F32;
        c->beside += t->type != YK_F32 && error == 1;
        if (!(error <= (t->type == YK_F32 ? 1e-5 * largest : 1)))
            note(c, "step %d (%s), element %d: %.9g instead of %.9g", step, s->name, (int)i, a, b);
    }
}

/* Both begin each step with the same memory. */
static void run_steps(yk_pool_job *job, void *user)
{
    check *c = user;
    const yk_plan *p = c->program->plan;
    const yk_cpu_memory m = {.data = c->memory->data, .scratch = &c->scratch};
    for (int i = 0; i < p->step_count && c->status == YOLK_OK; i++) {
        memcpy(c->truth->arena, c->memory->arena, (size_t)p->arena);
        c->status = yk_plan_eval(p, &p->steps[i], c->truth->data);
        if (c->status == YOLK_OK)
            c->status = yk_cpu_program_step(c->program, i, job, &m);
        compare(c, i);
    }
}

static void check_steps(const yk_graph *g, const yk_cpu_isa *isa, bool tune)
{
    yk_cpu_program *p;
    yk_pool_job *job;
    assert_ok(yk_pool_acquire(1));
    assert_ok(yk_cpu_program_make(g, isa, &p));
    if (tune)
        assert_ok(yk_cpu_tune(p, 1));
    plan_memory memory = plan_memory_make(p->plan), truth = plan_memory_make(p->plan);
    memset(memory.arena, 0xff, (size_t)p->plan->arena);
    check c = {.program = p, .memory = &memory, .truth = &truth, .scratch = yk_alloc_aligned(p->scratch + 64)};
    assert_ok(yk_pool_job_create(1, run_steps, &c, &job));
    yk_pool_job_start(job);
    yk_pool_job_wait(job);
    yk_pool_job_destroy(&job);
    assert_ok(c.status);
    if (c.wrong[0])
        fail_msg("%s: %s", isa->name, c.wrong);
    assert_true(c.compared > 0 && c.beside <= c.compared / 100 + 1);
    yk_free(c.scratch);
    plan_memory_free(p->plan, &truth);
    plan_memory_free(p->plan, &memory);
    yk_cpu_program_destroy(&p);
    yk_pool_release(1);
}

/* ---- networks ---- */

/* Everything that 8-bit networks do: bytes cut, added, pooled, joined and enlarged, several at once of each kind of
 * convolution, floats in between where `floats` says so. */
static yk_graph *block(bool symmetric, const int *floats)
{
    yk_id x;
    yk_graph *g = int8_begin(&x);
    yk_id y = int8_conv(g, int8_conv(g, x, 3, 16, 3, 2, 1, 1), 16, 36, 3, 2, 1, 2);
    y = int8_conv(g, y, 36, 32, 1, 1, 1, 3);
    yk_id parts[4] = {yk_build_slice(g, y, 1, 0, 12, "a"), yk_build_slice(g, y, 1, 12, 32, "b")};
    yk_id m = int8_conv(g, int8_conv(g, parts[1], 20, 20, 3, 1, 1, 4), 20, 20, 3, 1, 20, 5);
    parts[2] = yk_build_binary(g, YK_OP_ADD, m, parts[1], "sum");
    parts[3] = yk_build_max_pool(g, parts[2], 5, 1, 2, "pool");
    yk_id wide = yk_build_upsample(g, yk_build_concat(g, parts, 4, 1, "joined"), 2, "wide");
    y = int8_conv(g, int8_conv(g, wide, 72, 24, 5, 1, 1, 6), 24, 24, 3, 2, 24, 7);
    assert_ok(yk_graph_add_output(g, int8_conv(g, int8_conv(g, y, 24, 16, 3, 1, 2, 8), 16, 5, 1, 1, 1, 9)));
    int8_quantize(g, symmetric, floats);
    return g;
}

static const int some[] = {0, 3, 7, -1}, others[] = {1, 4, -1};
static const int *const choices[] = {NULL, some, others};

static void every_step_is_right(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 32, 48}, {2, 12, 20}, {3, 40, 8}, {1, 8, 8}};
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    for (int i = 0; i < 6; i++) {
        yk_graph *g = block(i % 2 == 1, choices[i / 2]);
        for (size_t k = 0; k < YK_COUNT(sizes); k++) {
            assert_ok(yk_graph_bind(g, sizes[k][0], sizes[k][1], sizes[k][2]));
            for (int isa = 0; isa < count; isa++)
                check_steps(g, isas[isa], k == 0);
        }
        yk_graph_destroy(&g);
    }
}

/* None is left to plain loops. */
static void convolutions_have_kernels(void **state)
{
    (void)state;
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    yk_graph *g = block(false, others);
    assert_ok(yk_graph_bind(g, 1, 32, 32));
    for (int isa = 0; isa < count; isa++) {
        yk_cpu_program *p;
        int int8 = 0, floats = 0;
        assert_ok(yk_cpu_program_make(g, isas[isa], &p));
        for (int i = 0; i < p->plan->step_count; i++) {
            const yk_step *s = &p->plan->steps[i];
            if (s->kind != YK_STEP_NODE || s->op != YK_OP_CONV)
                continue;
            assert_non_null(p->actions[i].conv);
            assert_true(p->actions[i].parts > 0);
            int8 += p->actions[i].shape.int8;
            floats += !p->actions[i].shape.int8;
        }
        assert_int_equal(int8, 7);
        assert_int_equal(floats, 2);
        yk_cpu_program_destroy(&p);
    }
    yk_graph_destroy(&g);
}

/* ---- the backend ---- */

static void fill(uint8_t *input, const yk_graph *g)
{
    for (int64_t i = 0; i < yk_shape_count(&g->values[g->input].shape); i++)
        input[i] = (uint8_t)((i * 37 + i / 11 * 5) % 251);
}

static void run(yk_exec *e, const yk_graph *g)
{
    fill(native->input(e, 0), g);
    assert_ok(native->start(e, 0));
    assert_ok(native->wait(e, 0));
}

static void assert_same(const yk_graph *g, yk_exec *a, yk_exec *b)
{
    for (int i = 0; i < g->output_count; i++)
        assert_memory_equal(native->output(a, 0, i), native->output(b, 0, i),
                            (size_t)yk_shape_count(&g->values[g->outputs[i]].shape) * sizeof(float));
}

static void the_same_bits_saved_and_by_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        yk_graph *g = block(i % 2 == 1, choices[i / 2]);
        yk_exec *alone, *again, *more;
        yk_buffer bytes = {0};
        assert_ok(yk_graph_bind(g, 2, 32, 48));
        assert_ok(native->compile(g, &(yk_compile_options){.threads = 1, .tune = i < 2}, &alone));
        run(alone, g);
        assert_ok(native->save(alone, &bytes));
        assert_ok(native->load(bytes.data, bytes.size, g, &(yk_compile_options){.threads = 3}, &again));
        run(again, g);
        assert_same(g, alone, again);
        if (i >= 2) { /* tuned by itself, it may have other kernels */
            assert_ok(native->compile(g, &(yk_compile_options){.threads = 4, .latency = true}, &more));
            run(more, g);
            assert_same(g, alone, more);
            native->destroy(&more);
        }
        yk_buffer_free(&bytes);
        native->destroy(&alone);
        native->destroy(&again);
        yk_graph_destroy(&g);
    }
}

/* The engine of one that plain loops compute holds its weights. */
static void what_has_no_kernel_runs_by_loops(void **state)
{
    (void)state;
    int count;
    const yk_cpu_conv_kernel *const none[] = {NULL};
    yk_cpu_isa bare = *yk_cpu_isas(&count)[0];
    bare.qconvs = none;
    yk_graph *g = block(false, NULL);
    yk_cpu_program *p, *again;
    yk_buffer bytes = {0};
    assert_ok(yk_graph_bind(g, 1, 16, 16));
    check_steps(g, &bare, true);
    assert_ok(yk_cpu_program_make(g, &bare, &p));
    assert_ok(yk_cpu_program_settle(p));
    assert_ok(yk_cpu_save(p, &bytes));
    yk_graph_destroy(&g);
    assert_ok(yk_cpu_load(bytes.data, bytes.size, &bare, &again));
    plan_memory a = plan_memory_make(p->plan), b = plan_memory_make(again->plan);
    plan_run(p->plan, &a);
    plan_run(again->plan, &b);
    plan_compare(p->plan, b.outputs, a.outputs, 0);
    plan_memory_free(p->plan, &a);
    plan_memory_free(again->plan, &b);
    yk_buffer_free(&bytes);
    yk_cpu_program_destroy(&p);
    yk_cpu_program_destroy(&again);
}

static void damaged_saved_bytes(void **state)
{
    (void)state;
    yk_graph *g = block(false, NULL);
    assert_ok(yk_graph_bind(g, 1, 16, 16));
    damage_check(g);
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    yk_graph *g = block(false, others);
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    for (long n = 1;; n++) {
        const yk_compile_options options = {.threads = 1, .tune = n % 7 == 0};
        yk_exec *e;
        yk_alloc_fail_at(n);
        yolk_status status = native->compile(g, &options, &e);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK) {
            assert_true(n > 20);
            native->destroy(&e);
            break;
        }
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_null(e);
    }
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_right),
        cmocka_unit_test(convolutions_have_kernels),
        cmocka_unit_test(the_same_bits_saved_and_by_threads),
        cmocka_unit_test(what_has_no_kernel_runs_by_loops),
        cmocka_unit_test(damaged_saved_bytes),
        cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
