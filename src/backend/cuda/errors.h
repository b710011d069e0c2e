/* Sentences for what the CUDA runtime answers: by its numbers, so that they are built and tested without it as well. */
#ifndef YK_CUDA_ERRORS_H
#define YK_CUDA_ERRORS_H

#include <stddef.h>

#include "yolk/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Those that have a sentence or a status of their own: X(CUDA's name, number, kind). */
/* clang-format off */
#define YK_CUDA_ERROR_MAP(X) \
    X(cudaErrorMemoryAllocation, 2, SHORT) \
    X(cudaErrorStubLibrary, 34, NO_DRIVER) \
    X(cudaErrorInsufficientDriver, 35, OLD_DRIVER) \
    X(cudaErrorCallRequiresNewerDriver, 36, OLD_DRIVER) \
    X(cudaErrorUnsupportedPtxVersion, 222, OLD_DRIVER) \
    X(cudaErrorSystemDriverMismatch, 803, OLD_DRIVER) \
    X(cudaErrorCompatNotSupportedOnDevice, 804, OLD_DRIVER) \
    X(cudaErrorNoDevice, 100, NO_DEVICE) \
    X(cudaErrorSystemNotReady, 802, NOT_READY) \
    X(cudaErrorInvalidDeviceFunction, 98, NO_CODE) \
    X(cudaErrorNoKernelImageForDevice, 209, NO_CODE) \
    X(cudaErrorJitCompilerNotFound, 221, NO_CODE) \
    X(cudaErrorDevicesUnavailable, 46, LOST) \
    X(cudaErrorECCUncorrectable, 214, LOST) \
    X(cudaErrorNvlinkUncorrectable, 220, LOST) \
    X(cudaErrorContained, 226, LOST) \
    X(cudaErrorIllegalAddress, 700, LOST) \
    X(cudaErrorLaunchTimeout, 702, LOST) \
    X(cudaErrorContextIsDestroyed, 709, LOST) \
    X(cudaErrorAssert, 710, LOST) \
    X(cudaErrorHardwareStackError, 714, LOST) \
    X(cudaErrorIllegalInstruction, 715, LOST) \
    X(cudaErrorMisalignedAddress, 716, LOST) \
    X(cudaErrorInvalidAddressSpace, 717, LOST) \
    X(cudaErrorInvalidPc, 718, LOST) \
    X(cudaErrorLaunchFailure, 719, LOST) \
    X(cudaErrorExternalDevice, 911, LOST)
/* clang-format on */

/* `what` could not be done, because of `error`, which CUDA calls `text`. 0 is YOLK_OK. */
yolk_status yk_cuda_fail(int error, const char *text, const char *what);
/* Why there is no device: from what counting them gave, and the CUDA versions (13020 for 13.2) that the driver, 0:
 * there is none, and the runtime are of. */
void yk_cuda_say_missing(int error, const char *text, int driver, int runtime, char *reason, size_t size);
/* Why a GPU is too old, or "" when it is not: by its compute capability. */
void yk_cuda_say_too_old(const char *name, int major, int minor, char *reason, size_t size);

#ifdef __cplusplus
}
#endif
#endif
