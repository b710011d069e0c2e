/* Devices, and sentences for what goes wrong on them. */
#ifndef YK_CUDA_DEVICE_H
#define YK_CUDA_DEVICE_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "yolk/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A sentence for what CUDA answered: `what` could not be done. cudaSuccess is YOLK_OK. */
yolk_status yk_cuda_status(cudaError_t error, const char *what);
/* Whether there is a device; else a sentence that says what is missing. */
bool yk_cuda_available(int *count, char *reason, size_t size);

#ifdef __cplusplus
}
#endif
#endif
