/* Times a network on the GPU, alone: what the device does between its input and its outputs being there.
 *
 * usage: network_gpu MODEL HEIGHT WIDTH BATCH fp16|fp32|int8 [untuned]
 * int8 is what the model's file says, with 16-bit floats in between. Prints one JSON object: compile_s, load_s (of what
 * was compiled), memory_mb (beyond the bare context), steps, bound_ms (what the card's memory and its tensor cores
 * would take at their peak, step by step). Then for each line with a number N on its input one more: median_ms and
 * least_ms of N runs. A line "steps" gives a table of steps, each timed by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/cuda.h"
#include "import/import.h"

static double seconds_since(uint64_t start)
{
    return (double)(yk_now_ns() - start) / 1e9;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static size_t device_memory(void)
{
    size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    return total - available;
}

/* What the card does at its peak, from its highest clocks: for an H100 SXM at 1980 MHz 1070 TFLOP/s and 3.35 TB/s (the
 * data sheet's 989 TFLOP/s are of a lower clock). */
static yk_device_peak peak_of(int device)
{
    int clock = 0, memory_clock = 0, bus = 0, processors = 0, major = 0, minor = 0;
    cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, device); /* kHz */
    cudaDeviceGetAttribute(&memory_clock, cudaDevAttrMemoryClockRate, device);
    cudaDeviceGetAttribute(&bus, cudaDevAttrGlobalMemoryBusWidth, device); /* bits, two a clock */
    cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    /* Operations of 16-bit floats, summed in 32 bits, that a multiprocessor's tensor cores do a clock. */
    const int each = major == 9 || major == 10  ? 4096
                     : major == 8 && minor == 0 ? 2048
                     : major == 8 && minor == 9 ? 1024
                                                : 512;
    const double operations = 1e3 * clock * processors * each;
    return (yk_device_peak){
        .bytes = 2e3 * memory_clock * (bus / 8), .operations = operations, .byte_operations = 2 * operations};
}

enum { MOST = 10000 };

static yolk_status time_network(yk_exec *e, int runs)
{
    static float ms[MOST];
    runs = runs < 1 ? 1 : runs > MOST ? MOST : runs;
    const yolk_status status = yk_cuda_time(e, 0, runs, ms);
    if (status != YOLK_OK)
        return status;
    qsort(ms, (size_t)runs, sizeof *ms, ascending);
    printf("{\"median_ms\": %.5f, \"least_ms\": %.5f, \"runs\": %d}\n", (double)ms[runs / 2], (double)ms[0], runs);
    return YOLK_OK;
}

/* Each step twenty times in a row; the time of one is a twentieth, with the launch that it costs outside of a graph. */
static yolk_status time_steps(const yk_cuda_program *p, const yk_device_peak *peak)
{
    enum { TIMES = 20 };
    uint8_t *arena = NULL, *input = NULL;
    float *outputs[YK_CUDA_OUTPUTS] = {NULL};
    void **data = yk_calloc((size_t)p->plan->tensor_count, sizeof *data);
    cudaEvent_t before, after;
    cudaStream_t stream;
    yolk_status status = yk_cuda_memory(p->plan, &arena, &input, outputs);
    cudaEventCreate(&before);
    cudaEventCreate(&after);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    yk_cuda_program_bind(p, arena, input, outputs, data);
    if (status == YOLK_OK)
        status = yk_cuda_program_run(p, data, stream);
    double sum = 0, sum_least = 0;
    for (int i = 0; i < p->plan->step_count && status == YOLK_OK; i++) {
        const yk_step *s = &p->plan->steps[i];
        cudaGraph_t graph;
        cudaGraphExec_t exec;
        float ms;
        cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
        for (int k = 0; k < TIMES && status == YOLK_OK; k++)
            status = yk_cuda_program_step(p, i, data, stream);
        cudaStreamEndCapture(stream, &graph);
        cudaGraphInstantiate(&exec, graph, 0);
        cudaGraphLaunch(exec, stream);
        cudaEventRecord(before, stream);
        cudaGraphLaunch(exec, stream);
        cudaEventRecord(after, stream);
        cudaEventSynchronize(after);
        cudaEventElapsedTime(&ms, before, after);
        cudaGraphExecDestroy(exec);
        cudaGraphDestroy(graph);
        const yk_plan_tensor *x = &p->plan->tensors[s->inputs[0]], *y = &p->plan->tensors[s->outputs[0]];
        const double us = 1e3 * (double)ms / TIMES;
        char in[96], out[96];
        const yk_step_cost cost = yk_plan_step_cost(p->plan, s);
        const double least = 1e6 * yk_step_seconds(cost, peak);
        yk_shape_text(&x->shape, in);
        yk_shape_text(&y->shape, out);
        sum += us;
        sum_least += least;
        printf("%3d %8.2f us %7.2f us at least %7.1f GB/s %7.2f TFLOP/s  %-16s %-18s %s -> %s k%d s%d g%d %s\n", i, us,
               least, cost.bytes / us / 1e3, cost.operations / us / 1e6,
               p->actions[i].conv ? p->actions[i].conv->name : "", s->kind == YK_STEP_NODE ? yk_op_name(s->op) : "copy",
               in, out, s->attrs.kernel[0], s->attrs.stride[0], s->attrs.groups, s->name);
    }
    printf("sum %.1f us, %.1f us at least\n", sum, sum_least);
    yk_cuda_memory_free(p->plan, &arena, &input, outputs);
    cudaEventDestroy(before);
    cudaEventDestroy(after);
    cudaStreamDestroy(stream);
    yk_free(data);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: network_gpu MODEL HEIGHT WIDTH BATCH fp16|fp32|int8 [untuned]\n");
        return 2;
    }
    const yk_backend *b = &yk_backend_cuda;
    const int height = atoi(argv[2]), width = atoi(argv[3]), batch = atoi(argv[4]);
    const yk_compile_options options = {
        .half = strcmp(argv[5], "fp32") != 0, .tune = argc < 7 || strcmp(argv[6], "untuned") != 0, .slots = 1};
    yk_graph *graph = NULL;
    yk_exec *exec = NULL;
    yk_buffer saved = {0};
    char line[64];
    int status = 1;
    cudaFree(NULL);
    const size_t bare = device_memory();
    const yk_device_peak peak = peak_of(0);
    uint64_t start = yk_now_ns();
    if (yk_import_file(argv[1], &(yk_import_options){0}, &graph) || yk_graph_bind(graph, batch, height, width) ||
        b->compile(graph, &options, &exec))
        goto fail;
    const double compile_s = seconds_since(start);
    if (b->save(exec, &saved))
        goto fail;
    b->destroy(&exec);
    start = yk_now_ns();
    if (b->load(saved.data, saved.size, graph, &options, &exec))
        goto fail;
    uint32_t state = 1;
    uint8_t *input = b->input(exec, 0);
    const double load_s = seconds_since(start);
    for (size_t i = 0; i < (size_t)batch * (size_t)height * (size_t)width * 3; i++) {
        state = state * 1664525u + 1013904223u;
        input[i] = (uint8_t)(state >> 24);
    }
    start = yk_now_ns();
    if (b->start(exec, 0) || b->wait(exec, 0))
        goto fail;
    printf(
        "{\"model\": \"%s\", \"height\": %d, \"width\": %d, \"batch\": %d, \"precision\": \"%s\", \"compile_s\": %.3f, "
        "\"load_s\": %.4f, \"first_s\": %.4f, \"engine_mb\": %.1f, \"memory_mb\": %.1f, \"steps\": %d, \"bound_ms\": "
        "%.5f}\n",
        yk_base_name(argv[1]), height, width, batch, argv[5], compile_s, load_s, seconds_since(start),
        1e-6 * (double)saved.size, 1e-6 * (double)(device_memory() - bare), yk_cuda_program_of(exec)->plan->step_count,
        1e3 * yk_plan_seconds(yk_cuda_program_of(exec)->plan, &peak));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if ((strncmp(line, "steps", 5) == 0 ? time_steps(yk_cuda_program_of(exec), &peak)
                                            : time_network(exec, atoi(line))) != YOLK_OK)
            goto fail;
        fflush(stdout);
    }
    status = 0;
fail:
    if (status)
        fprintf(stderr, "network_gpu: %s\n", yolk_last_error());
    b->destroy(&exec);
    yk_buffer_free(&saved);
    yk_graph_destroy(&graph);
    return status;
}
