/* Devices, and sentences for what goes wrong on them. */
#include <stdio.h>

#include "backend/cuda/program.h"

yolk_status yk_cuda_status(cudaError_t error, const char *what)
{
    switch (error) {
    case cudaSuccess:
        return YOLK_OK;
    case cudaErrorMemoryAllocation:
        return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "%s: the GPU has not enough free memory; a smaller --batch takes less",
                       what);
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
        return yk_fail(YOLK_ERROR_BACKEND,
                       "%s: this yolk was built without kernels for this GPU's compute capability: build it with "
                       "-DYOLK_CUDA_ARCHS=native",
                       what);
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorHardwareStackError:
    case cudaErrorECCUncorrectable:
    case cudaErrorDevicesUnavailable:
    case cudaErrorContained:
    case cudaErrorMisalignedAddress:
        return yk_fail(YOLK_ERROR_DEVICE_LOST, "%s: the GPU is lost to this process (%s)", what,
                       cudaGetErrorString(error));
    default:
        return yk_fail(YOLK_ERROR_BACKEND, "%s: %s", what, cudaGetErrorString(error));
    }
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
    if (driver == 0)
        snprintf(reason, size, "there is no NVIDIA driver here (libcuda.so.1)");
    else if (driver / 1000 < runtime / 1000)
        snprintf(reason, size, "the NVIDIA driver is too old: it knows CUDA %d.%d, and CUDA %d.0 is needed",
                 driver / 1000, driver % 1000 / 10, runtime / 1000);
    else if (error == cudaErrorNoDevice || error == cudaSuccess)
        snprintf(reason, size, "the NVIDIA driver finds no GPU");
    else
        snprintf(reason, size, "the NVIDIA driver does not start: %s", cudaGetErrorString(error));
    return false;
}
