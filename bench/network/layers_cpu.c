/* Each step of a network as the native backend runs it: one JSON object a line for each step, and one for all of it:
 * the middle of its times, and the least, which others on the machine disturb less.
 *
 * usage: layers_cpu MODEL HEIGHT WIDTH THREADS ROUNDS [tune] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "backend/cpu/tune.h"
#include "import/import.h"

typedef struct run {
    const yk_cpu_program *program;
    yk_cpu_memory memory;
    double *ms; /* rounds of each step */
    int rounds;
    yolk_status status;
} run;

static void measure(yk_pool_job *job, void *user)
{
    run *r = user;
    const int steps = r->program->plan->step_count;
    for (int round = 0; round < r->rounds; round++) {
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

static double work(const yk_cpu_conv *c)
{
    return 2e-9 * (double)c->batch * c->out_height * c->out_width * c->out_channels * (c->in_channels / c->groups) *
           c->kernel[0] * c->kernel[1];
}

static void show(const yk_cpu_program *p, const run *r)
{
    double all = 0, least = 0, flops = 0;
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        const yk_cpu_action *a = &p->actions[i];
        char in[96], out[96];
        double *times = &r->ms[i * r->rounds];
        qsort(times, (size_t)r->rounds, sizeof *times, ascending);
        yk_shape_text(&p->plan->tensors[s->inputs[0]].shape, in);
        yk_shape_text(&p->plan->tensors[s->outputs[0]].shape, out);
        const double gflop = a->conv ? work(&a->shape) : 0, ms = times[r->rounds / 2];
        const char *kernel = a->conv ? a->conv->name : a->other ? a->other->name : "loops";
        const char *op = s->kind == YK_STEP_NODE ? yk_op_name(s->op) : s->kind == YK_STEP_COPY ? "copy" : "input";
        all += ms;
        least += times[0];
        flops += gflop;
        printf("{\"step\": %d, \"name\": \"%s\", \"op\": \"%s\", \"kernel\": \"%s\", \"in\": \"%s\", \"out\": \"%s\", "
               "\"ms\": %.4f, \"least_ms\": %.4f, \"gflop\": %.5f, \"gflops\": %.1f, \"parts\": %d}\n",
               i, s->name, op, kernel, in, out, ms, times[0], gflop, gflop / ms * 1e3, a->parts);
    }
    printf("{\"steps\": %d, \"isa\": \"%s\", \"ms\": %.3f, \"least_ms\": %.3f, \"gflop\": %.3f, "
           "\"arena_mb\": %.2f, \"packed_mb\": %.2f}\n",
           p->plan->step_count, p->isa->name, all, least, flops, 1e-6 * (double)p->plan->arena,
           1e-6 * (double)p->packed_bytes);
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
    run r = {.program = p, .memory = {.data = data, .scratch = scratch}, .rounds = rounds};
    r.ms = calloc((size_t)plan->step_count * (size_t)rounds, sizeof *r.ms);
    if (yk_pool_job_create(threads, measure, &r, &job))
        return 1;
    yk_pool_job_start(job);
    yk_pool_job_wait(job);
    if (r.status != YOLK_OK)
        return 1;
    show(p, &r);
    return 0;
}
