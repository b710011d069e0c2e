/* Times every GPU kernel that fits one convolution, on noise.
 *
 * usage: conv_gpu BATCH HEIGHT WIDTH IN OUT KERNEL STRIDE [GROUPS [KERNEL-NAME]]
 * Prints a line for each: microseconds, TFLOP/s, GB/s of what has to be read and written once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/program.h"

enum { RUNS = 20 };

static void *noise(size_t halves)
{
    uint16_t *host = yk_calloc(halves, 2);
    void *device = NULL;
    uint32_t state = 1;
    for (size_t i = 0; host && i < halves; i++) {
        state = state * 1664525u + 1013904223u;
        host[i] = yk_float_to_half((float)(state >> 8) / 8388608.0f - 1);
    }
    if (host && cudaMalloc(&device, halves * 2) == cudaSuccess)
        cudaMemcpy(device, host, halves * 2, cudaMemcpyHostToDevice);
    yk_free(host);
    return device;
}

int main(int argc, char **argv)
{
    int n[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    for (int i = 0; i < 8 && i + 1 < argc; i++)
        n[i] = atoi(argv[i + 1]);
    if (argc < 8 || n[0] < 1 || n[6] < 1 || n[7] < 1) {
        fprintf(stderr, "usage: conv_gpu BATCH HEIGHT WIDTH IN OUT KERNEL STRIDE [GROUPS [KERNEL-NAME]]\n");
        return 2;
    }
    yk_cuda_conv c = {.batch = n[0],
                      .in_height = n[1],
                      .in_width = n[2],
                      .in_channels = n[3],
                      .in_pixel = (n[3] + 7) / 8 * 8,
                      .out_channels = n[4],
                      .out_pixel = (n[4] + 7) / 8 * 8,
                      .kernel = {n[5], n[5]},
                      .stride = {n[6], n[6]},
                      .pad = {n[5] / 2, n[5] / 2},
                      .dilation = {1, 1},
                      .groups = n[7],
                      .act = YK_ACT_SILU,
                      .scale = 1,
                      .in_type = YK_CUDA_HALF,
                      .out_type = YK_CUDA_HALF};
    c.out_height = (n[1] + 2 * c.pad[0] - n[5]) / n[6] + 1;
    c.out_width = (n[2] + 2 * c.pad[1] - n[5]) / n[6] + 1;
    const size_t in = (size_t)(c.batch * c.in_height * c.in_width) * (size_t)c.in_pixel;
    const size_t pixels = (size_t)(c.batch * c.out_height * c.out_width), out = pixels * (size_t)c.out_pixel;
    const size_t weights = (size_t)c.out_channels * (size_t)(c.in_channels / c.groups * n[5] * n[5]);
    const double flops = 2.0 * (double)pixels * (double)weights, bytes = 2.0 * (double)(in + out + weights);
    float *w = yk_calloc(weights, sizeof *w);
    for (size_t i = 0; w && i < weights; i++)
        w[i] = (float)((i * 7919) % 201) / 1000.0f - 0.1f;
    c.in = noise(in);
    c.out = noise(out);
    c.bias = noise((size_t)c.out_channels * 2);
    cudaEvent_t before, after;
    cudaStream_t stream;
    cudaEventCreate(&before);
    cudaEventCreate(&after);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    for (const yk_cuda_conv_kernel *const *k = yk_cuda_conv_kernels; *k; k++) {
        if (!(*k)->fits(&c) || (argc > 9 && strcmp((*k)->name, argv[9]) != 0))
            continue;
        const size_t size = (*k)->packed_bytes(&c);
        void *host = yk_calloc(size, 1), *packed = NULL;
        (*k)->pack(&c, w, host);
        cudaMalloc(&packed, size);
        cudaMemcpy(packed, host, size, cudaMemcpyHostToDevice);
        yk_free(host);
        c.weights = packed;
        /* As nodes of a graph, so that launching is not what is timed. */
        cudaGraph_t graph;
        cudaGraphExec_t exec;
        cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
        for (int i = 0; i < RUNS; i++)
            (*k)->run(&c, stream);
        cudaStreamEndCapture(stream, &graph);
        cudaGraphInstantiate(&exec, graph, 0);
        float ms = 0;
        for (int i = 0; i < 3; i++) {
            cudaEventRecord(before, stream);
            cudaGraphLaunch(exec, stream);
            cudaEventRecord(after, stream);
            cudaEventSynchronize(after);
            cudaEventElapsedTime(&ms, before, after);
        }
        const cudaError_t error = cudaGetLastError();
        const double us = 1e3 * (double)ms / RUNS;
        printf("%-22s %9.2f us %8.2f TFLOP/s %8.1f GB/s %s\n", (*k)->name, us, flops / us / 1e6, bytes / us / 1e3,
               error == cudaSuccess ? "" : cudaGetErrorString(error));
        cudaGraphExecDestroy(exec);
        cudaGraphDestroy(graph);
        cudaFree(packed);
    }
    yk_free(w);
    return 0;
}
