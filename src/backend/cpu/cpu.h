/* Inside the processor's own backend: kernels as tables, one table for each instruction set.
 *
 * The kernels are written once, in *_kernels.h, in the words of vec_*.h; isa_avx2.c, isa_avx512.c, isa_neon.c and
 * the like include them and are compiled for what they are named after. All feature maps are NHWC floats, or halves
 * in a table for them. A kernel computes each element in the same way whatever part it is in and whoever does the part,
 * so that results are the same bits for any number of threads. */
#ifndef YK_CPU_H
#define YK_CPU_H

#include "plan/plan.h"

/* What the elements of an operand stand for: floats for themselves, 8-bit ones for (element - zero) * scale. */
typedef struct yk_cpu_number {
    yk_type type; /* F32, U8, I8 */
    float scale;
    int zero;
} yk_cpu_number;

/* One convolution: NHWC floats (halves) in and out, or bytes in. */
typedef struct yk_cpu_conv {
    int batch, in_height, in_width, in_channels, out_height, out_width, out_channels; /* in_channels: of all groups */
    int kernel[2], stride[2], pad[2], dilation[2], groups;                            /* h, w; pad: top, left */
    int64_t in_pixel, out_pixel, residual_pixel; /* elements from one pixel to the next */
    yk_act act;
    float slope;   /* of LEAKY_RELU */
    bool residual; /* something is added after the activation */
    bool bytes;    /* the input is bytes, which are multiplied by `scale` (folded into the packed weights) */
    float scale;
    /* With 8-bit weights, for the kernels of `qconvs`, which look at these three; `bytes` is false then. */
    bool int8;
    yk_cpu_number in8, out8, residual8;
} yk_cpu_conv;

/* What it works on. Pointers are to the first channel of the first pixel, and to floats, halves or bytes, as the
 * convolution and the table say. */
typedef struct yk_cpu_conv_data {
    const void *in;
    const void *residual; /* or NULL */
    void *out;
    const void *packed; /* 64-byte aligned */
} yk_cpu_conv_data;

typedef struct yk_cpu_conv_kernel {
    const char *name; /* "matmul", "winograd4": it stands in engines, so it is never reused for something else */
    bool (*fits)(const yk_cpu_conv *c);
    /* Cycles of one core, roughly: how the choice is made where nothing was measured, the same on every run. */
    double (*cost)(const yk_cpu_conv *c);
    size_t (*packed_bytes)(const yk_cpu_conv *c);
    /* Lays weights (OIHW) and bias (or NULL) out for run(). `packed` is 64-byte aligned and zeroed. */
    void (*pack)(const yk_cpu_conv *c, const float *weights, const float *bias, void *packed);
    /* The same for the kernels of `qconvs`: weights of -128 to 127 times a scale for each output channel. */
    void (*pack8)(const yk_cpu_conv *c, const int8_t *weights, const float *scales, const float *bias, void *packed);
    /* Whether packed weights that were read from somewhere lead to no place outside of them and the input. NULL: they
     * are nothing but numbers. */
    bool (*sound)(const yk_cpu_conv *c, const void *packed);
    size_t (*scratch_bytes)(const yk_cpu_conv *c); /* for each thread, 64-byte aligned */
    int (*parts)(const yk_cpu_conv *c);            /* pieces of about 20 to 200 us that may run in any order, side by
                                                      side; at least a few for each of 16 threads where there is work */
    void (*run)(const yk_cpu_conv *c, const yk_cpu_conv_data *d, int part, void *scratch);
} yk_cpu_conv_kernel;

/* Any other step, on the plan's tensors. */
typedef struct yk_cpu_call {
    const yk_plan *plan;
    const yk_step *step;
    void *const *data; /* by tensor: where its first element is */
} yk_cpu_call;

typedef struct yk_cpu_step_kernel {
    const char *name;
    /* Whether it does this step: operator, types, layouts, sizes. The first in the table that fits is taken; what none
     * fits is left to yk_plan_eval(). */
    bool (*fits)(const yk_plan *p, const yk_step *s);
    size_t (*scratch_bytes)(const yk_plan *p, const yk_step *s); /* for each thread; NULL: none */
    int (*parts)(const yk_plan *p, const yk_step *s);
    void (*run)(const yk_cpu_call *c, int part, void *scratch);
} yk_cpu_step_kernel;

typedef struct yk_cpu_isa {
    const char *name; /* "avx2" */
    int lanes;        /* numbers in a vector: pixels of NHWC roots are padded to a multiple of it */
    bool half;        /* for plans of halves */
    const yk_cpu_conv_kernel *const *convs;  /* NULL-terminated, in order of preference at equal cost */
    const yk_cpu_conv_kernel *const *qconvs; /* the same for convolutions with 8-bit weights */
    const yk_cpu_step_kernel *const *steps;  /* NULL-terminated */
} yk_cpu_isa;

extern const yk_cpu_isa yk_cpu_avx2, yk_cpu_avxvnni, yk_cpu_avx512, yk_cpu_avx512vnni, yk_cpu_neon, yk_cpu_neondot,
    yk_cpu_portable, yk_cpu_neonhalf;
/* isa.c: those that were built and that this processor can run, best first, but the one that the environment's YOLK_CPU
 * names before all; chosen once. `count` is at least 1. */
const yk_cpu_isa *const *yk_cpu_isas(int *count);
/* The one for plans of halves; NULL where the processor or the build has none, or YOLK_CPU names another set than the
 * best. */
const yk_cpu_isa *yk_cpu_half(void);
/* Names of those that were built but that it cannot run: "avx512vnni, avx512", or "". */
const char *yk_cpu_others(void);

#endif
