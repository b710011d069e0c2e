/* Inside src/backend/cuda. */
#ifndef YK_CUDA_STEP_H
#define YK_CUDA_STEP_H

#include "backend/cuda/program.h"

#define YK_CUDA_NO_PLACE SIZE_MAX /* of a tensor that is no constant */

/* Whether there is a kernel for it; for a convolution, a description of it says which. */
bool yk_cuda_has_step(const yk_plan *p, const yk_step *s);
/* How many of its inputs are tensors that it reads as they are, the first ones: others are weights, numbers, sizes. */
int yk_cuda_tensor_inputs(const yk_step *s);
/* Step `index`, a convolution: everything but weights and what is kept for each channel. */
void yk_cuda_describe_conv(const yk_cuda_program *p, int index, void *const *data, yk_cuda_conv *c);
/* NULL when there is none of the name that fits. */
const yk_cuda_conv_kernel *yk_cuda_find_conv(const yk_cuda_conv *c, const char *name);
/* Lays weights out for the kernels that were chosen, and brings them to the device. */
yolk_status yk_cuda_program_pack(yk_cuda_program *p);

#endif
