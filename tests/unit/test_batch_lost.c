/* Devices that are lost, at every point of the work: others do it again, and no frame is lost or doubled. */
#include <sched.h>

#include "dummy_test.h"

static void configure(int count)
{
    yk_dummy_device devices[YK_MAX_DEVICES];
    for (int i = 0; i < count; i++)
        devices[i] = (yk_dummy_device){.lives = -1};
    yk_dummy_configure(devices, count);
}

static yk_batch *filled(yolk_manager *m, size_t first, int count)
{
    yk_batch *b;
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, count, &b));
    for (int i = 0; i < count; i++)
        assert_ok(yk_batch_fill(b, i, &dummy_frames[first + (size_t)i]));
    return b;
}

static void assert_finishes(yk_batch *b, size_t first)
{
    yk_detections found[8] = {{0}};
    assert_ok(yk_batch_finish(b, found));
    for (int i = 0; i < yk_batch_count(b); i++) {
        assert_true(dummy_right(first + (size_t)i, found[i].items, found[i].count));
        yk_detections_free(&found[i]);
    }
    yk_batch_close(&b);
}

static void a_device_may_go_after_any_batch(void **state)
{
    (void)state;
    for (int lives = 0; lives < 6; lives++) {
        const yk_dummy_device d[2] = {{.lives = lives}, {.lives = -1}};
        yk_dummy_configure(d, 2);
        yolk_manager *m = dummy_manager("dummy:0,1", 4);
        assert_all_found(m, 90);
        assert_all_found(m, 9);
        yolk_stats stats = dummy_stats(m);
        assert_int_equal(stats.frames, 99);
        assert_int_equal(stats.detections, 99);
        assert_true(yk_dummy_look(0).finished <= lives);
        yolk_manager_destroy(&m);
        assert_int_equal(yk_dummy_look(0).used + yk_dummy_look(1).used, 0);
    }
}

static void it_may_be_gone_before_anything_is_compiled(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    yk_dummy_lose(0);
    assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64}, 4));
    assert_all_found(m, 20);
    assert_int_equal(yk_dummy_look(0).compiled, 0);
    yolk_manager_destroy(&m);
}

static void it_may_go_while_a_batch_is_filled(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    yk_batch *b = filled(m, 10, 4);
    assert_int_equal(yk_dummy_look(0).compiled, 1);
    yk_dummy_lose(0);
    yk_batch_start(b, 4);
    assert_finishes(b, 10);
    assert_int_equal(yk_dummy_look(1).finished, 1);
    yolk_manager_destroy(&m);
}

static void it_may_go_while_batches_run(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    yk_batch *batches[4];
    yk_dummy_hold(0, true);
    yk_dummy_hold(1, true);
    for (size_t i = 0; i < 4; i++) {
        batches[i] = filled(m, i * 4, 4);
        yk_batch_start(batches[i], 4);
    }
    assert_int_equal(yk_dummy_look(0).started, 2);
    while (yk_dummy_look(0).waiting == 0)
        sched_yield();
    yk_dummy_lose(0);
    yk_dummy_hold(1, false);
    for (size_t i = 0; i < 4; i++)
        assert_finishes(batches[i], i * 4);
    assert_int_equal(yk_dummy_look(0).finished, 0);
    assert_int_equal(yk_dummy_look(1).finished, 4);
    assert_int_equal(dummy_stats(m).frames, 16);
    yolk_manager_destroy(&m);
}

static void batches_that_nobody_collects_do_no_harm(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    for (int i = 0; i < 3; i++) {
        yk_batch *b = filled(m, 0, 4);
        yk_batch_start(b, 4);
        if (i == 1)
            yk_dummy_lose(0);
        yk_batch_close(&b);
    }
    assert_all_found(m, 12);
    yolk_manager_destroy(&m);
}

static void the_others_may_have_less_memory(void **state)
{
    (void)state;
    const yk_dummy_device d[2] = {{.lives = 1}, {.memory = 30, .frame_bytes = 10, .slots = 1, .lives = -1}};
    yk_dummy_configure(d, 2);
    yolk_manager *m = dummy_manager("dummy:0,1", 8);
    assert_all_found(m, 50);
    assert_int_equal(dummy_stats(m).frames, 50);
    assert_int_equal(yk_dummy_look(1).largest, 2);
    yolk_manager_destroy(&m);
}

static void losing_and_running_short_may_coincide(void **state)
{
    (void)state;
    const yk_dummy_device d[3] = {{.lives = 2, .short_wait = 1},
                                  {.short_start = 2, .short_compile = 2, .lives = 6},
                                  {.short_wait = 3, .lives = -1}};
    yk_dummy_configure(d, 3);
    yolk_manager *m = dummy_manager("dummy:0,1,2", 8);
    for (int i = 0; i < 6; i++)
        assert_all_found(m, 70);
    assert_int_equal(dummy_stats(m).frames, 420);
    yolk_manager_destroy(&m);
}

static void it_is_told_once(void **state)
{
    (void)state;
    configure(2);
    dummy_log[0] = '\0';
    yolk_log_set(dummy_note, NULL, YOLK_LOG_WARNING);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    yk_dummy_lose(0);
    for (int i = 0; i < 3; i++)
        assert_all_found(m, 30);
    yolk_manager_destroy(&m);
    yolk_log_set(NULL, NULL, YOLK_LOG_WARNING);
    const char *words = "tiny.onnx: device dummy:0 stopped answering and is used no more",
               *at = strstr(dummy_log, words);
    assert_non_null(at);
    assert_null(strstr(at + 1, words));
}

static void the_last_ones_loss_ends_it(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    yolk_results *results;
    yk_batch *b = filled(m, 0, 4), *open;
    yk_dummy_hold(0, true);
    yk_batch_start(b, 4);
    yk_dummy_lose(1);
    yk_dummy_lose(0);
    yk_detections found[4] = {{0}};
    assert_fails(yk_batch_finish(b, found), YOLK_ERROR_DEVICE_LOST, "every device is lost (dummy:0,1): load the model");
    yk_batch_close(&b);
    for (int i = 0; i < 3; i++) {
        assert_fails(yolk_manager_predict_batch(m, dummy_frames, 90, NULL, &results), YOLK_ERROR_DEVICE_LOST,
                     "every device is lost");
        assert_null(results);
        assert_fails(yk_batch_open(m, (yolk_size){64, 64}, 1, &open), YOLK_ERROR_DEVICE_LOST, "every device is lost");
    }
    /* Loaded again once they answer, it serves again. */
    configure(2);
    assert_ok(yolk_manager_load(m, NULL, 0));
    assert_all_found(m, 30);
    yolk_manager_destroy(&m);
    /* One device is said to be one. */
    configure(1);
    m = dummy_manager("dummy", 1);
    yk_dummy_lose(0);
    assert_fails(yolk_manager_predict_batch(m, dummy_frames, 1, NULL, &results), YOLK_ERROR_DEVICE_LOST,
                 "the device is lost (dummy)");
    yolk_manager_destroy(&m);
}

static void a_load_that_finds_no_device_keeps_the_old_model(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    assert_all_found(m, 8);
    yk_dummy_change(1, &(yk_dummy_device){.lives = -1, .short_compile = 1});
    yk_dummy_change(0, &(yk_dummy_device){.lives = -1, .memory = 1, .frame_bytes = 100});
    assert_ok(yolk_manager_load(m, NULL, 0)); /* smaller on one, and not at all on the other */
    assert_all_found(m, 20);
    yk_dummy_change(1, &(yk_dummy_device){.lives = -1, .memory = 1, .frame_bytes = 100});
    assert_fails(yolk_manager_load(m, NULL, 0), YOLK_ERROR_OUT_OF_MEMORY, "not enough memory to compile");
    yk_dummy_change(1, &(yk_dummy_device){.lives = -1});
    assert_all_found(m, 20);
    yolk_manager_destroy(&m);
}

typedef struct job {
    yolk_manager *manager;
    int right;
} job;

static void *predict_often(void *user)
{
    job *j = user;
    for (int r = 0; r < 12; r++) {
        yolk_results *results;
        if (yolk_manager_predict_batch(j->manager, dummy_frames, 25, NULL, &results) != YOLK_OK)
            continue;
        bool right = true;
        for (size_t i = 0; i < 25; i++) {
            yolk_frame_detections found = yolk_results_frame(results, i);
            right = right && dummy_right(i, found.items, found.count);
        }
        j->right += right;
        yolk_results_destroy(&results);
    }
    return NULL;
}

static void threads_do_not_notice(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    const yk_dummy_device d[4] = {{.lives = 3}, {.lives = 9, .short_wait = 4}, {.lives = 20}, {.lives = -1}};
    yk_dummy_configure(d, 4);
    yolk_manager *m = dummy_manager("dummy:0,1,2,3", 4);
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){m, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, predict_often, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(jobs[i].right, 12);
    assert_int_equal(dummy_stats(m).frames, THREADS * 12 * 25);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_may_go_after_any_batch),
        cmocka_unit_test(it_may_be_gone_before_anything_is_compiled),
        cmocka_unit_test(it_may_go_while_a_batch_is_filled),
        cmocka_unit_test(it_may_go_while_batches_run),
        cmocka_unit_test(batches_that_nobody_collects_do_no_harm),
        cmocka_unit_test(the_others_may_have_less_memory),
        cmocka_unit_test(losing_and_running_short_may_coincide),
        cmocka_unit_test(it_is_told_once),
        cmocka_unit_test(the_last_ones_loss_ends_it),
        cmocka_unit_test(a_load_that_finds_no_device_keeps_the_old_model),
        cmocka_unit_test(threads_do_not_notice),
    };
    return cmocka_run_group_tests_name("batch_lost", tests, dummy_make, yk_temp_remove);
}
