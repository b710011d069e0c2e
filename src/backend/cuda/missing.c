/* The CUDA backend of a yolk that was built without CUDA's compiler. */
#include <stdio.h>

#include "backend/backend.h"

static void probe(yk_probe *out)
{
    *out = (yk_probe){.score = 0};
    snprintf(out->reason, sizeof out->reason,
             "this yolk was built without it: build it where CUDA's compiler nvcc is found");
}

static int device_count(void)
{
    return 0;
}

static uint64_t free_memory(int device)
{
    (void)device;
    return 0;
}

static yolk_status compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    (void)g, (void)options;
    *out = NULL;
    return yk_fail(YOLK_ERROR_BACKEND, "this yolk was built without CUDA");
}

static void destroy(yk_exec **exec)
{
    *exec = NULL;
}

const yk_backend yk_backend_cuda = {
    .api_version = YK_BACKEND_API,
    .name = "cuda",
    .kind = "cuda",
    .description = "yolk's own kernels on NVIDIA GPUs",
    .gains_from_batch = true,
    .score = 300,
    .probe = probe,
    .device_count = device_count,
    .free_memory = free_memory,
    .compile = compile,
    .destroy = destroy,
};
