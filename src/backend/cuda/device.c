/* Devices, and sentences for what goes wrong on them. */
#include "backend/cuda/device.h"

#include "backend/cuda/errors.h"

/* The numbers are CUDA's own. */
#define SAME(name, number, kind) _Static_assert((int)name == (number), #name);
YK_CUDA_ERROR_MAP(SAME)
#undef SAME

yolk_status yk_cuda_status(cudaError_t error, const char *what)
{
    return error == cudaSuccess ? YOLK_OK : yk_cuda_fail((int)error, cudaGetErrorString(error), what);
}

bool yk_cuda_available(int *count, char *reason, size_t size)
{
    int driver = 0, runtime = 0;
    *count = 0;
    const cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaSuccess && *count > 0)
        return true;
    *count = 0;
    cudaGetLastError(); /* forget it */
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    yk_cuda_say_missing((int)error, cudaGetErrorString(error), driver, runtime, reason, size);
    return false;
}
