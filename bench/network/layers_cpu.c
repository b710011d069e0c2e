/* Each step of a network as the native backend runs it: one JSON object a line for each step, and one for all of it:
 * the middle of its times, and the least, which others on the machine disturb less; and how much of what the processor
 * can do that is. Before each run of the network the same threads multiply and add in registers alone, and copy as much
 * memory as the network's feature maps take: the middle of these rates is the peak. A step's `share` is the rate of its
 * multiplications and additions, as a convolution by its window has them, over that peak, so that Winograd's may pass
 * 1; `bound_ms` is the time that computing or moving takes at the peak, whichever is longer.
 *
 * usage: layers_cpu MODEL HEIGHT WIDTH THREADS ROUNDS [tune] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "backend/cpu/tune.h"
#include "fma.h"
#include "import/import.h"

enum { FMA_PARTS = 16, FMA_TURNS = 6000, COPY_PIECE = 256 << 10 };

typedef struct run {
    const yk_cpu_program *program;
    yk_cpu_memory memory;
    double *ms;               /* rounds of each step */
    double *fma_ms, *copy_ms; /* of each round */
    int rounds, threads;
    fma_loop fma;
    int lanes;             /* of its vectors */
    volatile float factor; /* which the compiler does not know */
    float nothing[YK_POOL_THREADS];
    uint8_t *copied; /* as large as the arena */
    int pieces;      /* of half of it */
    yolk_status status;
} run;

static void multiply(void *user, int part, int thread)
{
    run *r = user;
    (void)part;
    r->nothing[thread] += r->fma(r->factor, FMA_TURNS);
}

static void copy(void *user, int part, int thread)
{
    run *r = user;
    (void)thread;
    memcpy(r->copied + (int64_t)(r->pieces + part) * COPY_PIECE, r->copied + (int64_t)part * COPY_PIECE, COPY_PIECE);
}

/* The second of two turns, as all threads are awake then. */
static double time_phase(yk_pool_job *job, int parts, yk_part_fn part, run *r)
{
    uint64_t start = 0;
    for (int turn = 0; turn < 2; turn++) {
        start = yk_now_ns();
        yk_pool_job_phase(job, parts, part, r);
    }
    return 1e-6 * (double)(yk_now_ns() - start);
}

static void measure(yk_pool_job *job, void *user)
{
    run *r = user;
    const int steps = r->program->plan->step_count;
    for (int round = 0; round < r->rounds; round++) {
        r->copy_ms[round] = time_phase(job, r->pieces, copy, r);
        if (r->fma)
            r->fma_ms[round] = time_phase(job, FMA_PARTS * r->threads, multiply, r);
        for (int i = 0; i < steps && r->status == YOLK_OK; i++) {
            const uint64_t start = yk_now_ns();
            r->status = yk_cpu_program_step(r->program, i, job, &r->memory);
            r->ms[i * r->rounds + round] = 1e-6 * (double)(yk_now_ns() - start);
        }
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The middle one; `times` are sorted. */
static double middle(double *times, int count)
{
    qsort(times, (size_t)count, sizeof *times, ascending);
    return times[count / 2];
}

/* Infinity for what is not measured, which then bounds nothing. */
static yk_device_peak peak_of(const run *r)
{
    const double multiplied = 2.0 * FMA_SUMS * r->lanes * FMA_TURNS * FMA_PARTS * r->threads;
    return (yk_device_peak){.bytes = 2e3 * COPY_PIECE * r->pieces / middle(r->copy_ms, r->rounds),
                            .operations = r->fma ? 1e3 * multiplied / middle(r->fma_ms, r->rounds) : INFINITY,
                            .byte_operations = INFINITY};
}

static void show(const yk_cpu_program *p, const run *r)
{
    const yk_device_peak peak = peak_of(r);
    double all = 0, least = 0, flops = 0, convs = 0, conv_flops = 0;
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        const yk_cpu_action *a = &p->actions[i];
        const yk_step_cost cost = yk_plan_step_cost(p->plan, s);
        char in[96], out[96];
        double *times = &r->ms[i * r->rounds];
        const double ms = middle(times, r->rounds), gflop = 1e-9 * cost.operations;
        yk_shape_text(&p->plan->tensors[s->inputs[0]].shape, in);
        yk_shape_text(&p->plan->tensors[s->outputs[0]].shape, out);
        const char *kernel = a->conv ? a->conv->name : a->other ? a->other->name : "loops";
        const char *op = s->kind == YK_STEP_NODE ? yk_op_name(s->op) : s->kind == YK_STEP_COPY ? "copy" : "input";
        all += ms;
        least += times[0];
        flops += gflop;
        convs += a->conv ? ms : 0;
        conv_flops += a->conv ? gflop : 0;
        printf("{\"step\": %d, \"name\": \"%s\", \"op\": \"%s\", \"kernel\": \"%s\", \"in\": \"%s\", \"out\": \"%s\", "
               "\"ms\": %.4f, \"least_ms\": %.4f, \"gflop\": %.5f, \"gflops\": %.1f, \"mb\": %.3f, \"share\": %.3f, "
               "\"bound_ms\": %.4f, \"parts\": %d}\n",
               i, s->name, op, kernel, in, out, ms, times[0], gflop, gflop / ms * 1e3, 1e-6 * cost.bytes,
               1e3 * cost.operations / ms / peak.operations, 1e3 * yk_step_seconds(cost, &peak), a->parts);
    }
    printf("{\"steps\": %d, \"isa\": \"%s\", \"ms\": %.3f, \"least_ms\": %.3f, \"gflop\": %.3f, "
           "\"peak_gflops\": %.1f, \"copy_gbs\": %.1f, \"conv_ms\": %.3f, \"conv_share\": %.3f, \"share\": %.3f, "
           "\"bound_ms\": %.3f, \"arena_mb\": %.2f, \"packed_mb\": %.2f}\n",
           p->plan->step_count, p->isa->name, all, least, flops, r->fma ? 1e-9 * peak.operations : 0, 1e-9 * peak.bytes,
           convs, 1e12 * conv_flops / convs / peak.operations, 1e12 * flops / all / peak.operations,
           1e3 * yk_plan_seconds(p->plan, &peak), 1e-6 * (double)p->plan->arena, 1e-6 * (double)p->packed_bytes);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: layers_cpu MODEL HEIGHT WIDTH THREADS ROUNDS [tune]\n");
        return 2;
    }
    const int threads = atoi(argv[4]), rounds = atoi(argv[5]);
    int count;
    yk_graph *g = NULL;
    yk_cpu_program *p = NULL;
    yk_pool_job *job = NULL;
    if (yk_import_file(argv[1], NULL, &g) || yk_graph_bind(g, 1, atoi(argv[2]), atoi(argv[3])) ||
        yk_pool_acquire(threads) || yk_cpu_program_make(g, yk_cpu_isas(&count)[0], &p) ||
        (argc > 6 && yk_cpu_tune(p, threads)) || yk_cpu_program_settle(p)) {
        fprintf(stderr, "%s\n", yolk_last_error());
        return 1;
    }
    yk_graph_destroy(&g);
    const yk_plan *plan = p->plan;
    float **outputs = calloc((size_t)plan->output_count, sizeof *outputs);
    for (int i = 0; i < plan->output_count; i++)
        outputs[i] = yk_alloc_aligned((size_t)plan->tensors[plan->outputs[i]].bytes + 64);
    uint8_t *input = calloc((size_t)plan->tensors[plan->input].bytes + 64, 1);
    for (int64_t i = 0; i < plan->tensors[plan->input].bytes; i++)
        input[i] = (uint8_t)(i * 37 % 251);
    void **data = calloc((size_t)plan->tensor_count, sizeof *data);
    yk_plan_bind(plan, yk_alloc_aligned((size_t)plan->arena + 256), input, outputs, data);
    uint8_t *scratch[YK_POOL_THREADS];
    for (int i = 0; i < threads; i++)
        scratch[i] = yk_alloc_aligned(p->scratch + 64);
    run r = {.program = p, .memory = {.data = data, .scratch = scratch}, .rounds = rounds, .threads = threads};
    r.ms = calloc((size_t)plan->step_count * (size_t)rounds, sizeof *r.ms);
    r.fma_ms = calloc((size_t)rounds, sizeof *r.fma_ms);
    r.copy_ms = calloc((size_t)rounds, sizeof *r.copy_ms);
    r.fma = fma_loop_of(p->isa, &r.lanes);
    r.factor = 1e-3f;
    r.pieces = (int)(plan->arena / COPY_PIECE / 2) + 1;
    r.copied = yk_alloc_aligned((size_t)r.pieces * 2 * COPY_PIECE);
    memset(r.copied, 1, (size_t)r.pieces * 2 * COPY_PIECE);
    if (yk_pool_job_create(threads, measure, &r, &job))
        return 1;
    yk_pool_job_start(job);
    yk_pool_job_wait(job);
    if (r.status != YOLK_OK)
        return 1;
    show(p, &r);
    return 0;
}
