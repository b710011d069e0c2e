/* The manager from several threads at once; made for the thread sanitizer. */
#include <pthread.h>

#include "model/model.h"
#include "yk_temp.h"
#include "yk_tiny.h"

enum { THREADS = 3, ROUNDS = 12 };

static const char *const colours[] = {"red", "green", "blue"};
static yolk_manager *manager;

static int make(void **state)
{
    if (yk_temp_make(state) != 0)
        return -1;
    yk_tiny_write(yk_temp_path("a.onnx"), 0, colours);
    yk_tiny_write(yk_temp_path("b.onnx"), 0, colours);
    yolk_config c;
    yolk_config_defaults(&c);
    snprintf(c.models_dir, sizeof c.models_dir, "%s", yk_temp_folder);
    strcpy(c.backend, "reference");
    c.warmup = 0;
    return yolk_manager_create(&c, &manager) || yolk_manager_load(manager, "a", 0);
}

static int end(void **state)
{
    yolk_manager_destroy(&manager);
    return yk_temp_remove(state);
}

/* cmocka's assertions belong to the main thread: the others report how many rounds were right. */
static void *predict_often(void *user)
{
    int *right = user;
    const int id = *right;
    uint8_t pixels[2][64 * 64 * 3];
    *right = 0;
    for (int i = 0; i < ROUNDS; i++) {
        yolk_image frames[2] = {yk_tiny_picture(pixels[0], 64, 64, i % 8, id, id % 3),
                                yk_tiny_picture(pixels[1], 64, 64, id, i % 8, i % 3)};
        yolk_size size = {64 + 16 * (i % 6), 64};
        yolk_results *results;
        yolk_stats stats;
        if (yolk_manager_predict_batch(manager, frames, 2, &size, &results) != YOLK_OK)
            continue;
        yolk_frame_detections a = yolk_results_frame(results, 0), b = yolk_results_frame(results, 1);
        *right += a.count == 1 && b.count == 1 && a.items[0].class_id == id % 3 && b.items[0].class_id == i % 3 &&
                  strcmp(a.items[0].class_name, colours[id % 3]) == 0 && yolk_manager_stats(manager, &stats) == YOLK_OK;
        yolk_results_destroy(&results);
    }
    return NULL;
}

static void *load_often(void *user)
{
    int *right = user;
    *right = 0;
    for (int i = 0; i < ROUNDS; i++) {
        bool loaded = yolk_manager_load(manager, i % 2 ? "a" : "b", 0) == YOLK_OK;
        bool refused = yolk_manager_load(manager, "c", 0) == YOLK_ERROR_NOT_FOUND;
        *right += loaded && refused;
    }
    return NULL;
}

static void predicting_while_loading_gives_right_results(void **state)
{
    (void)state;
    pthread_t threads[THREADS + 1];
    int right[THREADS + 1];
    for (int i = 0; i < THREADS; i++) {
        right[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, predict_often, &right[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[THREADS], NULL, load_often, &right[THREADS]), 0);
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i <= THREADS; i++)
        assert_int_equal(right[i], ROUNDS);
}

/* The pipeline's way: one thread fills, another finishes, each batch handed over by a queue. */
typedef struct line {
    yk_queue *queue;
    int found;
} line;

static void *finish_all(void *user)
{
    line *l = user;
    yk_detections found = {0};
    void *item;
    while (yk_queue_pop(l->queue, &item)) {
        yk_batch *batch = item;
        if (yk_batch_finish(batch, &found) == YOLK_OK)
            l->found += (int)found.count;
        yk_batch_close(&batch);
    }
    yk_detections_free(&found);
    return NULL;
}

static void batches_pass_from_thread_to_thread(void **state)
{
    (void)state;
    static uint8_t pixels[64 * 64 * 3];
    line l = {0};
    pthread_t thread;
    yolk_stats before, after;
    assert_ok(yolk_manager_stats(manager, &before));
    assert_ok(yk_queue_create(4, &l.queue));
    assert_int_equal(pthread_create(&thread, NULL, finish_all, &l), 0);
    for (int i = 0; i < 50; i++) {
        yolk_image frame = yk_tiny_picture(pixels, 64, 64, i % 8, i / 8, i % 3);
        yk_batch *batch;
        assert_ok(yk_batch_open(manager, (yolk_size){64, 64}, 1, &batch));
        assert_ok(yk_batch_fill(batch, 0, &frame));
        yk_batch_start(batch, 1);
        assert_true(yk_queue_push(l.queue, batch));
    }
    yk_queue_close(l.queue);
    pthread_join(thread, NULL);
    assert_int_equal(l.found, 50);
    assert_ok(yolk_manager_stats(manager, &after));
    assert_int_equal(after.frames - before.frames, 50);
    yk_queue_destroy(&l.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predicting_while_loading_gives_right_results),
        cmocka_unit_test(batches_pass_from_thread_to_thread),
    };
    return cmocka_run_group_tests_name("manager_threads", tests, make, end);
}
