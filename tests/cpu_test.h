/* What tests of the processor's kernels share. */
#ifndef YK_CPU_TEST_H
#define YK_CPU_TEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/cpu/cpu.h"
#include "graph/graph.h"

/* Which instruction sets are tested, and which were only compiled: as a comment for the one who reads the output. */
static void say_isas(void)
{
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    printf("# instruction sets tested:");
    for (int i = 0; i < count; i++)
        printf(" %s", isas[i]->name);
    if (yk_cpu_half())
        printf(" %s", yk_cpu_half()->name);
    printf("; compiled only: %s\n", *yk_cpu_others() ? yk_cpu_others() : "none");
    fflush(stdout);
}

/* Each instruction set that is tested, the one for halves last; NULL behind it. */
static inline const yk_cpu_isa *tested_isa(int index)
{
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    return index < count ? isas[index] : index == count ? yk_cpu_half() : NULL;
}

/* How many random cases: fewer where CASES says so, as on an emulated processor or
 * under sanitizers. */
static inline int cases(int usual)
{
    const char *text = getenv("CASES");
    return text ? atoi(text) : usual;
}

/* ---- random numbers, other ones in each run unless SEED says which; `seed` is for messages ---- */

static uint64_t seed, state_of_random;

static inline uint32_t next(void)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state_of_random >> 33);
}

static inline void begin_random(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *given = getenv("SEED");
    seed = state_of_random = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec * 1000 + (uint64_t)now.tv_sec;
}

static inline float real(void) /* -1..1 */
{
    return (float)(next() % 20001) / 10000 - 1;
}

static inline int pick(const int *of, int count)
{
    return of[next() % (uint32_t)count];
}
#define PICK(...) pick((const int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))

static inline double activate(const yk_cpu_conv *c, double x)
{
    switch (c->act) {
    case YK_ACT_SILU:
        return x / (1 + exp(-x));
    case YK_ACT_RELU:
        return x > 0 ? x : 0;
    case YK_ACT_LEAKY_RELU:
        return x > 0 ? x : x * (double)c->slope;
    case YK_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case YK_ACT_HARD_SWISH:
        return x * fmax(0, fmin(1, x / 6 + 0.5));
    default:
        return x;
    }
}

#endif
