/* What the CUDA backend offers beside its table, to benchmarks and tests. */
#ifndef YK_CUDA_CUDA_H
#define YK_CUDA_CUDA_H

#include "backend/backend.h"
#include "backend/cuda/program.h"

/* Milliseconds that the device takes for the network alone, `times` times, with what is in slot `index`'s input there.
 */
yolk_status yk_cuda_time(yk_exec *e, int index, int times, float *ms);
const yk_cuda_program *yk_cuda_program_of(const yk_exec *e);

#endif
