/* Choosing kernels by timing them. */
#ifndef YK_CPU_TUNE_H
#define YK_CPU_TUNE_H

#include "backend/cpu/program.h"

/* Times the kernels that fit each convolution, on as many threads as it will have, takes the fastest ones and packs the
 * weights for them. Takes a few seconds for a small network. */
yolk_status yk_cpu_tune(yk_cpu_program *p, int threads);

#endif
