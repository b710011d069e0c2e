/* What benchmarks of single convolutions share. */
#ifndef CONV_BENCH_H
#define CONV_BENCH_H

#include <string.h>
#include <time.h>

#include "backend/cpu/cpu.h"

/* Of this thread, so that what else runs does not count. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Multiplications. */
static inline double work(const yk_cpu_conv *c)
{
    return (double)c->batch * c->out_height * c->out_width * c->out_channels * (c->in_channels / c->groups) *
           c->kernel[0] * c->kernel[1];
}

static inline void *numbers(size_t count)
{
    float *data = yk_alloc_aligned(count * sizeof *data + 256);
    for (size_t i = 0; i < count; i++)
        data[i] = (float)((i * 37) % 101) / 101 - 0.5f;
    return data;
}

/* The best one where there is none of that name. */
static inline const yk_cpu_isa *isa_named(const char *name)
{
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    for (int i = 0; i < count; i++) {
        if (strcmp(isas[i]->name, name) == 0)
            return isas[i];
    }
    return isas[0];
}

#endif
