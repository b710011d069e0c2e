/* Rate of a model's network alone at one shape: no decoding, no letterbox, no head; every slot kept in flight.
 *
 * usage: network_alone MODEL HEIGHT WIDTH THREADS SECONDS [BACKEND [BATCH [fp32|fp16 [latency]]]]
 * Prints one JSON object: frames, seconds, fps, ms (a frame), latency_ms (one request by itself, the least of five).
 * With "latency" one request at a time has all threads, and median_ms is the middle one of their times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "import/import.h"

static double seconds_since(uint64_t start)
{
    return (double)(yk_now_ns() - start) / 1e9;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr,
                "usage: network_alone MODEL HEIGHT WIDTH THREADS SECONDS [BACKEND [BATCH [fp32|fp16 [latency]]]]\n");
        return 2;
    }
    const int height = atoi(argv[2]), width = atoi(argv[3]), threads = atoi(argv[4]);
    const double limit = atof(argv[5]);
    const int batch = argc > 7 ? atoi(argv[7]) : 1;
    yk_graph *graph = NULL;
    yk_exec *exec = NULL;
    const yk_backend *backend = NULL;
    const bool alone = argc > 9 && strcmp(argv[9], "latency") == 0;
    const yk_compile_options options = {
        .threads = threads, .slots = alone ? 1 : 0, .latency = alone, .half = argc > 8 && strcmp(argv[8], "fp16") == 0};
    int status = 1;

    if (yk_import_file(argv[1], &(yk_import_options){0}, &graph) || yk_graph_bind(graph, batch, height, width) ||
        yk_backend_choose(argc > 6 ? argv[6] : "auto", "cpu", &backend) || backend->compile(graph, &options, &exec))
        goto fail;
    yk_graph_destroy(&graph);

    /* Noise, not zeros: zeros can run faster than pictures do. */
    const int slots = backend->slot_count(exec);
    const size_t bytes = (size_t)batch * (size_t)height * (size_t)width * 3;
    uint32_t state = 1;
    for (int slot = 0; slot < slots; slot++) {
        uint8_t *input = backend->input(exec, slot);
        for (size_t i = 0; i < bytes; i++) {
            state = state * 1664525u + 1013904223u;
            input[i] = (uint8_t)(state >> 24);
        }
    }

    double latency = 1e9;
    for (int i = 0; i < 5; i++) {
        const uint64_t start = yk_now_ns();
        if (backend->start(exec, 0) || backend->wait(exec, 0))
            goto fail;
        const double t = seconds_since(start);
        latency = YK_MIN(latency, t);
    }

    enum { MOST = 4096 };
    static double times[MOST];
    int count = 0;
    double elapsed = 0;
    for (; alone && count < MOST && elapsed < limit; count++) {
        const uint64_t start = yk_now_ns();
        if (backend->start(exec, 0) || backend->wait(exec, 0))
            goto fail;
        times[count] = 1e3 * seconds_since(start);
        elapsed += times[count] / 1e3;
    }
    if (alone) {
        qsort(times, (size_t)count, sizeof *times, ascending);
        printf("{\"backend\": \"%s\", \"height\": %d, \"width\": %d, \"batch\": %d, \"threads\": %d, \"runs\": %d, "
               "\"median_ms\": %.4f, \"least_ms\": %.4f}\n",
               backend->name, height, width, batch, threads, count, times[count / 2], times[0]);
        status = 0;
        goto fail;
    }

    for (int slot = 0; slot < slots; slot++)
        if (backend->start(exec, slot))
            goto fail;
    const uint64_t start = yk_now_ns();
    long done = 0;
    elapsed = 0;
    for (int slot = 0; elapsed < limit; slot = (slot + 1) % slots) {
        if (backend->wait(exec, slot) || backend->start(exec, slot))
            goto fail;
        done++;
        elapsed = seconds_since(start);
    }
    for (int slot = 0; slot < slots; slot++)
        if (backend->wait(exec, slot))
            goto fail;

    const double frames = (double)done * batch;
    printf("{\"backend\": \"%s\", \"height\": %d, \"width\": %d, \"batch\": %d, \"threads\": %d, \"frames\": %.0f, "
           "\"seconds\": %.4f, \"fps\": %.3f, \"ms\": %.4f, \"latency_ms\": %.4f}\n",
           backend->name, height, width, batch, threads, frames, elapsed, frames / elapsed, elapsed * 1e3 / frames,
           latency * 1e3);
    status = 0;
fail:
    if (status)
        fprintf(stderr, "network_alone: %s\n", yolk_last_error());
    if (backend)
        backend->destroy(&exec);
    yk_graph_destroy(&graph);
    return status;
}
