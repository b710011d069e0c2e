/* A plan with kernels for its steps and its constants on the device: what the GPU runs. Read-only once made. */
#ifndef YK_CUDA_PROGRAM_H
#define YK_CUDA_PROGRAM_H

#include "backend/cuda/device.h"
#include "backend/cuda/kernels.h"
#include "plan/plan.h"

typedef struct yk_cuda_action {
    const yk_cuda_conv_kernel *conv; /* of a convolution; NULL */
    size_t weights, channels;        /* bytes from the constants' beginning: what is kept for each channel */
} yk_cuda_action;

typedef struct yk_cuda_program {
    yk_plan *plan;
    bool half;               /* feature maps are 16-bit floats */
    yk_cuda_action *actions; /* one a step */
    size_t *places;          /* of the plan's tensors that are constants: bytes from the constants' beginning */
    uint8_t *constants;      /* on the device */
    size_t constant_bytes, plain_bytes; /* all of them; those that are no weights, which come first */
    void **nowhere; /* where tensors would lie in an arena that is not there: what is asked of kernels beforehand */
    int processors; /* of the device */
} yk_cuda_program;

enum { YK_CUDA_OUTPUTS = 2 * YK_MAX_LEVELS }; /* at most */

/* Of a bound graph, which must stay until the program has settled, on the current device. */
yolk_status yk_cuda_program_make(const yk_graph *g, bool half, yk_cuda_program **out);
/* Whether there are kernels for all of it: the sentence of yk_cuda_program_make() when not. */
yolk_status yk_cuda_program_check(const yk_graph *g);
/* Lets go of what the graph holds. */
void yk_cuda_program_settle(yk_cuda_program *p);
void yk_cuda_program_destroy(yk_cuda_program **program); /* &NULL allowed */

/* Where what is kept for each channel lies: biases; of 8-bit convolutions scales and starts besides. */
void yk_cuda_conv_channels(yk_cuda_conv *c, const void *channels);
size_t yk_cuda_conv_channel_bytes(const yk_cuda_conv *c);
/* Puts it there, in host memory: from OIHW weights of 8 bits, their scales, and biases or NULL. */
void yk_cuda_conv_pack_channels(const yk_cuda_conv *c, const int8_t *weights, const float *scales, const float *bias,
                                void *to);

/* Lets the fastest kernel do each convolution, as measured on the current device. */
yolk_status yk_cuda_program_tune(yk_cuda_program *p);

/* Puts all steps into the stream. data[] as yk_plan_bind() leaves it, with device addresses. */
yolk_status yk_cuda_program_run(const yk_cuda_program *p, void *const *data, cudaStream_t stream);
/* One of them. */
yolk_status yk_cuda_program_step(const yk_cuda_program *p, int index, void *const *data, cudaStream_t stream);
/* Memory of a run, in the device: the arena, the input and the outputs. On failure what there is stays the caller's. */
yolk_status yk_cuda_memory(const yk_plan *p, uint8_t **arena, uint8_t **input, float **outputs);
void yk_cuda_memory_free(const yk_plan *p, uint8_t **arena, uint8_t **input, float **outputs);

/* Addresses of all tensors, as yk_plan_bind() does it; without an arena and outputs, some that are as aligned. */
void yk_cuda_program_bind(const yk_cuda_program *p, void *arena, const uint8_t *input, float *const *outputs,
                          void **data);

yolk_status yk_cuda_program_save(const yk_cuda_program *p, yk_buffer *out);
yolk_status yk_cuda_program_load(const void *bytes, size_t size, yk_cuda_program **out);

#endif
