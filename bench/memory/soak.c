/* Batches of pictures of every kind through one manager for a long time: nothing lost, and memory that stays.
 *
 * usage: soak MODEL IMGSZ SECONDS FRAMES [RELOAD_SECONDS]
 * Two threads predict batches of 1 to 16 frames of mixed sizes and formats until SECONDS have passed or FRAMES are done
 * (0: no such limit), and check each batch's count. A third loads the model anew every RELOAD_SECONDS (default 60; 0:
 * never). The main thread prints one JSON object every hundredth of the way: seconds, frames, resident_mb, peak_mb. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yolk/yolk.h>

#include "base/base.h"

enum { WORKERS = 2, LARGEST = 16, SIDE = 320, SHAPES = 4 };

static struct {
    yolk_manager *manager;
    const char *model;
    yolk_size input;
    atomic_bool stop;
    atomic_bool failed;
    atomic_llong frames;
    double reload_seconds;
} soak;

static void fail(const char *what)
{
    if (!atomic_exchange(&soak.failed, true))
        fprintf(stderr, "soak: %s: %s\n", what, yolk_last_error());
    atomic_store(&soak.stop, true);
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A picture of one of a few sizes, odd ones too, in one of the formats, somewhere in `noise`. */
static yolk_image picture(uint32_t *state, uint8_t *noise)
{
    static const int sizes[SHAPES][2] = {{SIDE, SIDE}, {319, 177}, {64, 250}, {1, 1}};
    const int *size = sizes[next(state) % SHAPES];
    const int width = size[0], height = size[1], half = (width + 1) / 2;
    yolk_image image = {.width = width, .height = height, .format = (yolk_pixel_format)(next(state) % 4)};
    image.planes[0] = noise + next(state) % 1000;
    switch (image.format) {
    case YOLK_PIXEL_I420:
        for (int i = 1; i < 3; i++) {
            image.planes[i] = noise + next(state) % 1000;
            image.strides[i] = half;
        }
        image.strides[0] = width;
        break;
    case YOLK_PIXEL_NV12:
        image.planes[1] = noise + next(state) % 1000;
        image.strides[0] = width;
        image.strides[1] = half * 2;
        break;
    default:
        image.strides[0] = width * 3;
    }
    return image;
}

static void *work(void *user)
{
    uint32_t state = (uint32_t)(uintptr_t)user;
    yolk_image images[LARGEST];
    uint8_t *noise = yk_alloc(SIDE * SIDE * 3 + 1000);
    if (!noise)
        fail("no memory");
    for (size_t i = 0; noise && i < SIDE * SIDE * 3 + 1000; i++)
        noise[i] = (uint8_t)next(&state);
    while (!atomic_load(&soak.stop)) {
        const size_t count = 1 + next(&state) % LARGEST;
        yolk_results *results = NULL;
        for (size_t i = 0; i < count; i++)
            images[i] = picture(&state, noise);
        if (yolk_manager_predict_batch(soak.manager, images, count, &soak.input, &results) != YOLK_OK)
            fail("predict_batch");
        else if (yolk_results_count(results) != count)
            fail("frames were lost");
        yolk_results_destroy(&results);
        atomic_fetch_add(&soak.frames, (long long)count);
    }
    yk_free(noise);
    return NULL;
}

static void *reload(void *user)
{
    (void)user;
    uint64_t last = yk_now_ns();
    while (!atomic_load(&soak.stop)) {
        usleep(100000);
        if (soak.reload_seconds <= 0 || (double)(yk_now_ns() - last) * 1e-9 < soak.reload_seconds)
            continue;
        last = yk_now_ns();
        if (yolk_manager_load(soak.manager, soak.model, 0) != YOLK_OK)
            fail("load");
    }
    return NULL;
}

static void report(double seconds)
{
    uint64_t now, peak;
    yolk_memory_usage(&now, &peak);
    printf("{\"seconds\": %.1f, \"frames\": %lld, \"resident_mb\": %.2f, \"peak_mb\": %.2f}\n", seconds,
           (long long)atomic_load(&soak.frames), (double)now / 1048576, (double)peak / 1048576);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: soak MODEL IMGSZ SECONDS FRAMES [RELOAD_SECONDS]\n");
        return 2;
    }
    const int side = atoi(argv[2]);
    const double limit = atof(argv[3]);
    const long long most = atoll(argv[4]);
    pthread_t threads[WORKERS + 1];
    yolk_config config;
    soak.model = argv[1];
    soak.input = (yolk_size){side, side};
    soak.reload_seconds = argc > 5 ? atof(argv[5]) : 60;
    if (yolk_config_resolve(&config, NULL, NULL) != YOLK_OK || yolk_manager_create(&config, &soak.manager) != YOLK_OK ||
        yolk_manager_load(soak.manager, soak.model, 0) != YOLK_OK) {
        fprintf(stderr, "soak: %s\n", yolk_last_error());
        return 1;
    }
    const uint64_t start = yk_now_ns();
    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    pthread_create(&threads[WORKERS], NULL, reload, NULL);
    for (double told = 0, share = 0; share < 1 && !atomic_load(&soak.stop);) {
        usleep(20000);
        const double seconds = (double)(yk_now_ns() - start) * 1e-9;
        const double by_time = limit > 0 ? seconds / limit : 0;
        const double by_frames = most > 0 ? (double)atomic_load(&soak.frames) / (double)most : 0;
        share = YK_MAX(by_time, by_frames);
        if (share >= told + 0.01 || share >= 1) {
            report(seconds);
            told = share;
        }
    }
    atomic_store(&soak.stop, true);
    for (int i = 0; i <= WORKERS; i++)
        pthread_join(threads[i], NULL);
    yolk_manager_destroy(&soak.manager);
    return atomic_load(&soak.failed);
}
