/* Rate of a model's network alone at one shape: no decoding, no letterbox, no head; every slot kept in flight.
 *
 * usage: network_alone MODEL HEIGHT WIDTH THREADS SECONDS [BACKEND [BATCH [fp32|fp16]]]
 * Prints one JSON object: frames, seconds, fps, ms (a frame), latency_ms (one request by itself). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "import/import.h"

static double seconds_since(uint64_t start)
{
    return (double)(yk_now_ns() - start) / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: network_alone MODEL HEIGHT WIDTH THREADS SECONDS [BACKEND [BATCH [fp32|fp16]]]\n");
        return 2;
    }
    const int height = atoi(argv[2]), width = atoi(argv[3]), threads = atoi(argv[4]);
    const double limit = atof(argv[5]);
    const int batch = argc > 7 ? atoi(argv[7]) : 1;
    yk_graph *graph = NULL;
    yk_exec *exec = NULL;
    const yk_backend *backend = NULL;
    const yk_compile_options options = {.threads = threads, .half = argc > 8 && strcmp(argv[8], "fp16") == 0};
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

    for (int slot = 0; slot < slots; slot++)
        if (backend->start(exec, slot))
            goto fail;
    const uint64_t start = yk_now_ns();
    long done = 0;
    double elapsed = 0;
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
