/* A manager on simulated devices, and frames whose detections are known. */
#ifndef DUMMY_TEST_H
#define DUMMY_TEST_H

#include "backend/dummy/dummy.h"
#include "model/model.h"
#include "yk_temp.h"
#include "yk_tiny.h"

enum { DUMMY_FRAMES = 96 };

static const char *const dummy_colours[] = {"red", "green", "blue"};
static uint8_t dummy_pixels[DUMMY_FRAMES][64 * 64 * 3];
static yolk_image dummy_frames[DUMMY_FRAMES];

/* Group fixtures. */
static inline int dummy_make(void **state)
{
    if (yk_temp_make(state) != 0)
        return -1;
    unsetenv("YOLK_DUMMY");
    yk_tiny_write(yk_temp_path("tiny.onnx"), 0, dummy_colours);
    for (int i = 0; i < DUMMY_FRAMES; i++)
        dummy_frames[i] = yk_tiny_picture(dummy_pixels[i], 64, 64, i % 8, i / 8 % 8, i % 3);
    return 0;
}

static inline yolk_config dummy_settings(const char *devices, int batch)
{
    yolk_config c;
    yolk_config_defaults(&c);
    snprintf(c.models_dir, sizeof c.models_dir, "%s", yk_temp_folder);
    snprintf(c.device, sizeof c.device, "%s", devices);
    strcpy(c.model, "tiny");
    c.batch = batch;
    c.warmup = 0;
    return c;
}

static inline yolk_manager *dummy_manager(const char *devices, int batch)
{
    yolk_config c = dummy_settings(devices, batch);
    yolk_manager *m;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    return m;
}

/* Whether frame i's one detection is what its picture shows. */
static inline bool dummy_right(size_t i, const yolk_detection *items, size_t count)
{
    return count == 1 && items->class_id == (int)(i % 3) && items->x1 == (float)(i % 8 * 8) &&
           items->y1 == (float)(i / 8 % 8 * 8);
}

/* Every frame once, in order. */
static inline void assert_all_found(yolk_manager *m, size_t count)
{
    yolk_results *results;
    assert_ok(yolk_manager_predict_batch(m, dummy_frames, count, NULL, &results));
    assert_int_equal(yolk_results_count(results), count);
    for (size_t i = 0; i < count; i++) {
        yolk_frame_detections found = yolk_results_frame(results, i);
        if (!dummy_right(i, found.items, found.count))
            fail_msg("frame %zu has %zu detections or a wrong one", i, found.count);
    }
    yolk_results_destroy(&results);
}

static inline yolk_stats dummy_stats(const yolk_manager *m)
{
    yolk_stats stats;
    assert_ok(yolk_manager_stats(m, &stats));
    return stats;
}

/* What is said while a test runs. */
static char dummy_log[16384];
static pthread_mutex_t dummy_log_mutex = PTHREAD_MUTEX_INITIALIZER;

static inline void dummy_note(void *user, yolk_log_level level, const char *text)
{
    (void)user, (void)level;
    pthread_mutex_lock(&dummy_log_mutex);
    size_t used = strlen(dummy_log);
    snprintf(dummy_log + used, sizeof dummy_log - used, "%s\n", text);
    pthread_mutex_unlock(&dummy_log_mutex);
}

static inline bool dummy_said(const char *words)
{
    pthread_mutex_lock(&dummy_log_mutex);
    bool said = strstr(dummy_log, words) != NULL;
    pthread_mutex_unlock(&dummy_log_mutex);
    return said;
}

#endif
