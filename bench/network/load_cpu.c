/* How long a model takes from the start of the process until it is loaded, ready, and has done its first frame.
 *
 * usage: load_cpu MODEL START_NS THREADS WARMUP
 * START_NS is CLOCK_MONOTONIC when the process was started; memory is what the process holds then. Prints one JSON
 * object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "yolk/yolk.h"

enum { WIDTH = 1280, HEIGHT = 720, RUNS = 21 };

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double since(uint64_t start)
{
    return (double)(yk_now_ns() - start) / 1e6;
}

int main(int argc, char **argv)
{
    static uint8_t pixels[WIDTH * HEIGHT * 3];
    const yolk_image frame = {
        .format = YOLK_PIXEL_RGB24, .width = WIDTH, .height = HEIGHT, .planes = {pixels}, .strides = {WIDTH * 3}};
    yolk_config config;
    yolk_manager *manager = NULL;
    yolk_results *results = NULL;
    yolk_size size;
    double times[RUNS], loaded, ready;
    uint64_t resident = 0;
    if (argc != 5) {
        fprintf(stderr, "usage: load_cpu MODEL START_NS THREADS WARMUP\n");
        return 2;
    }
    const uint64_t start = strtoull(argv[2], NULL, 10);
    const double began = since(start);
    yolk_config_defaults(&config);
    config.threads = atoi(argv[3]);
    config.warmup = atoi(argv[4]);
    if (yolk_manager_create(&config, &manager) || yolk_manager_load(manager, argv[1], 0))
        goto fail;
    loaded = since(start);
    if (yolk_manager_input_size(manager, WIDTH, HEIGHT, 1, &size) || yolk_manager_prepare(manager, size, 1))
        goto fail;
    ready = since(start);
    yolk_memory_usage(&resident, NULL);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    for (int i = 0; i < RUNS; i++) {
        const uint64_t before = yk_now_ns();
        if (yolk_manager_predict_batch(manager, &frame, 1, &size, &results))
            goto fail;
        times[i] = since(before);
        yolk_results_destroy(&results);
    }
    const double first = times[0];
    qsort(times + 1, RUNS - 1, sizeof *times, compare);
    printf("{\"main_ms\": %.1f, \"loaded_ms\": %.1f, \"ready_ms\": %.1f, \"first_ms\": %.1f, \"next_ms\": %.1f, "
           "\"resident_mb\": %.0f}\n",
           began, loaded, ready, first, times[RUNS / 2], (double)resident / 1e6);
    yolk_manager_destroy(&manager);
    return 0;
fail:
    fprintf(stderr, "%s\n", yolk_last_error());
    return 1;
}
