/* Each distinct convolution by each kernel that fits, in turn, so that what disturbs one disturbs all of them. */
#include "backend/cpu/tune.h"

#include <string.h>

enum { MOST_KERNELS = 16, ROUNDS = 6 };

/* A kernel must be so much faster than the one with the least cost to take its place: differences below that are noise,
 * which would make two engines of one model differ. */
#define WORTH_IT 0.97

typedef struct trial {
    const yk_cpu_program *program;
    int step;
    const yk_cpu_conv_kernel *kernels[MOST_KERNELS];
    uint8_t *packed[MOST_KERNELS];
    uint64_t best[MOST_KERNELS];
    int count;
    uint8_t *scratch[YK_POOL_THREADS];
    yk_cpu_conv_data data;
    int now; /* the kernel that runs */
} trial;

static void part(void *user, int index, int thread)
{
    const trial *t = user;
    t->kernels[t->now]->run(&t->program->actions[t->step].shape, &t->data, index, t->scratch[thread]);
}

static void time_all(yk_pool_job *job, void *user)
{
    trial *t = user;
    for (int round = 0; round < ROUNDS; round++) {
        for (t->now = 0; t->now < t->count; t->now++) {
            t->data.packed = t->packed[t->now];
            const uint64_t start = yk_now_ns();
            yk_pool_job_phase(job, t->kernels[t->now]->parts(&t->program->actions[t->step].shape), part, t);
            const uint64_t took = yk_now_ns() - start;
            if (round > 0) /* the first one finds nothing in the caches */
                t->best[t->now] = YK_MIN(t->best[t->now], took);
        }
    }
}

static int64_t elements(int batch, int height, int width, int64_t pixel)
{
    return (int64_t)batch * height * width * pixel + 64;
}

/* Numbers to work on: what they are does not matter as long as none of them is slow. */
static yolk_status prepare(trial *t, int threads, void **memory)
{
    const yk_cpu_conv *c = &t->program->actions[t->step].shape;
    size_t scratch = 0;
    const size_t in =
        (size_t)elements(c->batch, c->in_height, c->in_width, c->in_pixel) * (c->bytes || c->int8 ? 1 : sizeof(float));
    const size_t out = (size_t)elements(c->batch, c->out_height, c->out_width, c->out_pixel) * sizeof(float);
    const size_t residual = (size_t)elements(c->batch, c->out_height, c->out_width, c->residual_pixel) * sizeof(float);
    memory[0] = yk_calloc(in, 1);
    memory[1] = yk_calloc(out, 1);
    memory[2] = yk_calloc(c->residual ? residual : 1, 1);
    for (int k = 0; k < t->count; k++)
        scratch = YK_MAX(scratch, (t->kernels[k]->scratch_bytes(c) + 127) / 64 * 64);
    memory[3] = yk_alloc_aligned(scratch * (size_t)threads);
    if (!memory[0] || !memory[1] || !memory[2] || !memory[3])
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < threads; i++)
        t->scratch[i] = (uint8_t *)memory[3] + scratch * (size_t)i;
    for (int k = 0; k < t->count; k++) {
        const size_t size = t->kernels[k]->packed_bytes(c);
        t->packed[k] = yk_alloc_aligned(YK_MAX(size, 64));
        if (!t->packed[k])
            return YOLK_ERROR_OUT_OF_MEMORY;
        memset(t->packed[k], 0, size);
        yk_cpu_pack(t->program->plan, t->step, c, t->kernels[k], t->packed[k]);
        t->best[k] = UINT64_MAX;
    }
    t->data = (yk_cpu_conv_data){.in = memory[0], .out = memory[1], .residual = c->residual ? memory[2] : NULL};
    return YOLK_OK;
}

static yolk_status try_step(trial *t, int threads)
{
    yk_pool_job *job = NULL;
    void *memory[4] = {NULL};
    yolk_status status = prepare(t, threads, memory);
    if (status == YOLK_OK)
        status = yk_pool_job_create(threads, time_all, t, &job);
    if (status == YOLK_OK) {
        yk_pool_job_start(job);
        yk_pool_job_wait(job);
    }
    yk_pool_job_destroy(&job);
    for (size_t i = 0; i < YK_COUNT(memory); i++)
        yk_free(memory[i]);
    for (int k = 0; k < t->count; k++) {
        yk_free(t->packed[k]);
        t->packed[k] = NULL;
    }
    return status;
}

static const yk_cpu_conv_kernel *fastest(const trial *t, const yk_cpu_conv_kernel *now)
{
    int current = 0, best = 0;
    for (int k = 0; k < t->count; k++) {
        if (t->kernels[k] == now)
            current = k;
        if (t->best[k] < t->best[best])
            best = k;
    }
    return (double)t->best[best] < WORTH_IT * (double)t->best[current] ? t->kernels[best] : now;
}

/* The same convolution is tried once. */
static int seen_before(const yk_cpu_program *p, int step)
{
    for (int i = 0; i < step; i++) {
        /* NOLINTNEXTLINE(*-memory-comparison,cert-exp42-c,cert-flp37-c): yk_cpu_describe() zeroes what lies between */
        if (p->actions[i].conv && memcmp(&p->actions[i].shape, &p->actions[step].shape, sizeof(yk_cpu_conv)) == 0)
            return i;
    }
    return -1;
}

yolk_status yk_cpu_tune(yk_cpu_program *p, int threads)
{
    yolk_status status = YOLK_OK;
    int changed = 0;
    for (int i = 0; i < p->plan->step_count && status == YOLK_OK; i++) {
        yk_cpu_action *a = &p->actions[i];
        if (!a->conv)
            continue;
        const int before = seen_before(p, i);
        if (before >= 0) {
            a->conv = p->actions[before].conv;
            continue;
        }
        trial t = {.program = p, .step = i};
        for (const yk_cpu_conv_kernel *const *k = yk_cpu_convs(p->isa, &a->shape); *k && t.count < MOST_KERNELS; k++) {
            if ((*k)->fits(&a->shape))
                t.kernels[t.count++] = *k;
        }
        if (t.count < 2)
            continue;
        status = try_step(&t, threads);
        if (status == YOLK_OK) {
            const yk_cpu_conv_kernel *best = fastest(&t, a->conv);
            changed += best != a->conv;
            a->conv = best;
        }
    }
    if (status == YOLK_OK && changed > 0)
        yk_log(YOLK_LOG_INFO, "native: %d of the kernels that were measured are others than expected", changed);
    return status == YOLK_OK ? yk_cpu_program_pack(p) : status;
}
