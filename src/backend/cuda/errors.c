#include "backend/cuda/errors.h"

#include <stdio.h>

#include "base/base.h"

enum { LEAST_CAPABILITY = 80 };

typedef enum kind { OTHER, SHORT, NO_DRIVER, OLD_DRIVER, NO_DEVICE, NOT_READY, NO_CODE, LOST } kind;

static kind kind_of(int error)
{
    switch (error) {
#define KIND(name, number, kind)                                                                                       \
    case number:                                                                                                       \
        return kind;
        YK_CUDA_ERROR_MAP(KIND)
#undef KIND
    default:
        return OTHER;
    }
}

yolk_status yk_cuda_fail(int error, const char *text, const char *what)
{
    if (error == 0)
        return YOLK_OK;
    switch (kind_of(error)) {
    case SHORT:
        return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "%s: the GPU has not enough free memory; a smaller --batch takes less",
                       what);
    case NO_CODE:
        return yk_fail(YOLK_ERROR_BACKEND,
                       "%s: this yolk was built without kernels for this GPU's compute capability: build it with "
                       "-DYOLK_CUDA_ARCHS=native",
                       what);
    case LOST:
        return yk_fail(YOLK_ERROR_DEVICE_LOST,
                       "%s: the GPU is lost to this process (%s): start the program again, and see what nvidia-smi and "
                       "the kernel's log say",
                       what, text);
    case OLD_DRIVER:
        return yk_fail(YOLK_ERROR_BACKEND, "%s: the NVIDIA driver is too old (%s): update it", what, text);
    case NO_DRIVER:
    case NO_DEVICE:
    case NOT_READY:
    case OTHER:
        break;
    }
    return yk_fail(YOLK_ERROR_BACKEND, "%s: %s", what, text);
}

void yk_cuda_say_missing(int error, const char *text, int driver, int runtime, char *reason, size_t size)
{
    const kind k = kind_of(error);
    if (driver == 0 || k == NO_DRIVER)
        snprintf(reason, size, "there is no NVIDIA driver here (libcuda.so.1)");
    else if (driver / 1000 < runtime / 1000)
        snprintf(reason, size, "the NVIDIA driver is too old: it knows CUDA %d.%d, and CUDA %d.0 is needed: update it",
                 driver / 1000, driver % 1000 / 10, runtime / 1000);
    else if (k == OLD_DRIVER)
        snprintf(reason, size,
                 "the NVIDIA driver does not fit (%s): update it, and restart the machine when that was "
                 "done just now",
                 text);
    else if (k == NO_DEVICE || error == 0)
        snprintf(reason, size, "the NVIDIA driver finds no GPU");
    else if (k == NOT_READY)
        snprintf(reason, size, "the NVIDIA driver is not ready (%s): is nvidia-fabricmanager running?", text);
    else
        snprintf(reason, size, "the NVIDIA driver does not start: %s", text);
}

void yk_cuda_say_too_old(const char *name, int major, int minor, char *reason, size_t size)
{
    reason[0] = '\0';
    if (major * 10 + minor < LEAST_CAPABILITY)
        snprintf(reason, size, "%s has compute capability %d.%d, and the kernels need %d.0 or more (Ampere)", name,
                 major, minor, LEAST_CAPABILITY / 10);
}
