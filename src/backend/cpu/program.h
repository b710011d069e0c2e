/* A plan with a kernel for each step: what the processor runs. Read-only once made; may be run by several threads at
 * once, each run with its own memory. */
#ifndef YK_CPU_PROGRAM_H
#define YK_CPU_PROGRAM_H

#include "backend/cpu/cpu.h"
#include "base/pool.h"

typedef struct yk_cpu_action {
    const yk_cpu_conv_kernel *conv; /* of a convolution */
    const yk_cpu_step_kernel *other;
    yk_cpu_conv shape;           /* with conv */
    size_t packed, packed_bytes; /* bytes from the program's packed weights' beginning */
    int parts;                   /* 0: by plain loops on one thread */
} yk_cpu_action;

typedef struct yk_cpu_program {
    const yk_cpu_isa *isa;
    yk_plan *plan;
    yk_cpu_action *actions; /* one a step */
    uint8_t *packed;        /* weights of all convolutions, 64-byte aligned */
    size_t packed_bytes;
    size_t scratch; /* bytes that each thread needs */
} yk_cpu_program;

/* Of a bound graph, which must stay until the program has settled. */
yolk_status yk_cpu_program_make(const yk_graph *g, const yk_cpu_isa *isa, yk_cpu_program **out);
/* Copies the constants that are still needed, lets go of those that are packed, and with that of the graph. */
yolk_status yk_cpu_program_settle(yk_cpu_program *p);
void yk_cpu_program_destroy(yk_cpu_program **program); /* &NULL allowed */

/* Packs the weights for the kernels that the actions have. */
yolk_status yk_cpu_program_pack(yk_cpu_program *p);
/* Those of step `index`, of shape `c`, for one kernel; `to` is as yk_cpu_conv_kernel's pack() wants it. */
void yk_cpu_pack(const yk_plan *p, int index, const yk_cpu_conv *c, const yk_cpu_conv_kernel *kernel, void *to);
/* Kernels for all steps, convolutions by least cost, or, when `names` is not NULL, by name: one for each step. False
 * when a name is not known or does not fit. One with 8-bit weights that has no kernel is left to plain loops. */
bool yk_cpu_program_choose(yk_cpu_program *p, const char *const *names);
/* Parts, scratch and places for packed weights, by the kernels that were chosen. */
void yk_cpu_program_lay_out(yk_cpu_program *p);
/* Whether step `index` is a convolution that kernels know, and its shape. */
bool yk_cpu_describe(const yk_plan *p, const yk_step *s, yk_cpu_conv *out);
/* The table for a convolution: names are looked for in no other one. */
const yk_cpu_conv_kernel *const *yk_cpu_convs(const yk_cpu_isa *isa, const yk_cpu_conv *c);
const yk_cpu_conv_kernel *yk_cpu_cheapest(const yk_cpu_isa *isa, const yk_cpu_conv *c);
/* NULL when there is none of the name that fits. */
const yk_cpu_conv_kernel *yk_cpu_find_conv(const yk_cpu_isa *isa, const yk_cpu_conv *c, const char *name);

/* Memory of one run: scratch[thread] of program->scratch bytes. data[] as yk_plan_bind() leaves it. */
typedef struct yk_cpu_memory {
    void **data;
    uint8_t *const *scratch;
} yk_cpu_memory;
yolk_status yk_cpu_program_run(const yk_cpu_program *p, yk_pool_job *job, const yk_cpu_memory *m);
/* One step of it. */
yolk_status yk_cpu_program_step(const yk_cpu_program *p, int index, yk_pool_job *job, const yk_cpu_memory *m);

#endif
