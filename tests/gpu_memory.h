/* What tests on a GPU share: skipping where there is none, and memory on it. */
#ifndef GPU_MEMORY_H
#define GPU_MEMORY_H

#include <cuda_runtime_api.h>

#include "yk_test.h"

static inline void gpu_needed(void)
{
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0)
        YK_SKIP("there is no GPU: %s", cudaGetErrorString(error != cudaSuccess ? error : cudaErrorNoDevice));
}

#define assert_cuda(call)                                                                                              \
    do {                                                                                                               \
        cudaError_t error_ = (call);                                                                                   \
        if (error_ != cudaSuccess)                                                                                     \
            fail_msg("%s: %s", #call, cudaGetErrorString(error_));                                                     \
    } while (0)

/* Memory whose every byte is `fill`. */
static inline void *gpu_filled(size_t size, int fill)
{
    void *p = NULL;
    assert_cuda(cudaMalloc(&p, size));
    assert_cuda(cudaMemset(p, fill, size));
    return p;
}

static inline void *gpu_copy(const void *bytes, size_t size)
{
    void *p = NULL;
    assert_cuda(cudaMalloc(&p, size));
    assert_cuda(cudaMemcpy(p, bytes, size, cudaMemcpyHostToDevice));
    return p;
}

/* What is there once everything before it is done; released with free(). */
static inline void *gpu_fetch(const void *p, size_t size)
{
    void *bytes = malloc(size);
    assert_non_null(bytes);
    assert_cuda(cudaDeviceSynchronize());
    assert_cuda(cudaMemcpy(bytes, p, size, cudaMemcpyDeviceToHost));
    return bytes;
}

#endif
