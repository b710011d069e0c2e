/* Batches over several devices: shared out, and in order. */
#include <sched.h>

#include "dummy_test.h"

static const yk_dummy_device any = {.lives = -1};

static void configure(int count, yk_dummy_device d)
{
    yk_dummy_device devices[YK_MAX_DEVICES];
    for (int i = 0; i < count; i++)
        devices[i] = d;
    yk_dummy_configure(devices, count);
}

static yk_batch *started(yolk_manager *m, size_t first, int count)
{
    yk_batch *b;
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, count, &b));
    assert_int_equal(yk_batch_room(b), count);
    for (int i = 0; i < count; i++)
        assert_ok(yk_batch_fill(b, i, &dummy_frames[first + (size_t)i]));
    yk_batch_start(b, count);
    return b;
}

static void assert_finishes(yk_batch *b, size_t first)
{
    yk_detections found[8] = {{0}};
    assert_ok(yk_batch_finish(b, found));
    for (int i = 0; i < yk_batch_count(b); i++) {
        assert_true(dummy_right(first + (size_t)i, found[i].items, found[i].count));
        assert_string_equal(found[i].items->class_name, dummy_colours[(first + (size_t)i) % 3]);
        yk_detections_free(&found[i]);
    }
    yk_batch_close(&b);
}

static void every_device_gets_a_share(void **state)
{
    (void)state;
    enum { DEVICES = 3 };
    configure(DEVICES, any);
    yolk_manager *m = dummy_manager("dummy:0,1,2", 4);
    yk_batch *batches[2 * DEVICES];
    for (int i = 0; i < DEVICES; i++)
        yk_dummy_hold(i, true);
    for (int i = 0; i < 2 * DEVICES; i++)
        batches[i] = started(m, (size_t)i * 4, 4);
    for (int i = 0; i < DEVICES; i++)
        assert_int_equal(yk_dummy_look(i).started, 2);
    for (int i = DEVICES - 1; i >= 0; i--)
        yk_dummy_hold(i, false);
    for (int i = 0; i < 2 * DEVICES; i++)
        assert_finishes(batches[i], (size_t)i * 4);
    for (int i = 0; i < DEVICES; i++)
        assert_int_equal(yk_dummy_look(i).finished, 2);
    yolk_manager_destroy(&m);
    for (int i = 0; i < DEVICES; i++)
        assert_int_equal(yk_dummy_look(i).used, 0);
}

static void only_the_devices_asked_for_are_used(void **state)
{
    (void)state;
    configure(4, any);
    yolk_manager *m = dummy_manager("dummy:1,3", 2);
    yolk_model_info info;
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.device, "dummy:1,3");
    assert_string_equal(info.backend, "dummy");
    assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64}, 2));
    assert_all_found(m, 40);
    assert_int_equal(yk_dummy_look(0).compiled + yk_dummy_look(2).compiled, 0);
    assert_int_equal(yk_dummy_look(1).compiled, 2); /* ready for two frames, and for many */
    assert_in_range(yk_dummy_look(3).compiled, 1, 2);
    assert_int_equal(yk_dummy_look(1).finished + yk_dummy_look(3).finished, 20);
    yolk_manager_destroy(&m);
}

static void a_slow_device_does_not_hold_up_a_fast_one(void **state)
{
    (void)state;
    configure(2, any);
    yolk_manager *m = dummy_manager("dummy:0,1", 1);
    yk_dummy_hold(0, true);
    yk_batch *slow = started(m, 0, 1);
    for (size_t i = 1; i < 30; i++)
        assert_finishes(started(m, i, 1), i);
    assert_int_equal(yk_dummy_look(1).finished, 29);
    assert_int_equal(yk_dummy_look(0).finished, 0);
    yk_dummy_hold(0, false);
    assert_finishes(slow, 0);
    assert_int_equal(yk_dummy_look(0).finished, 1);
    assert_int_equal(dummy_stats(m).frames, 30);
    yolk_manager_destroy(&m);
}

/* Batches that are done give their places back though nobody has collected them yet. */
static void places_come_back_before_results_are_collected(void **state)
{
    (void)state;
    configure(1, (yk_dummy_device){.lives = -1, .slots = 1});
    yolk_manager *m = dummy_manager("dummy", 2);
    yk_batch *batches[12];
    for (size_t i = 0; i < 12; i++)
        batches[i] = started(m, i * 2, 2);
    for (size_t i = 12; i-- > 0;)
        assert_finishes(batches[i], i * 2);
    yolk_manager_destroy(&m);
}

typedef struct job {
    yolk_manager *manager;
    size_t count;
    int rounds, right;
} job;

static void *predict(void *user)
{
    job *j = user;
    for (int r = 0; r < j->rounds; r++) {
        yolk_results *results;
        bool right = true;
        if (yolk_manager_predict_batch(j->manager, dummy_frames, j->count, NULL, &results) != YOLK_OK)
            return NULL;
        for (size_t i = 0; i < j->count; i++) {
            yolk_frame_detections found = yolk_results_frame(results, i);
            right = right && dummy_right(i, found.items, found.count);
        }
        yolk_results_destroy(&results);
        j->right += right;
    }
    return NULL;
}

static void who_finds_no_place_waits_for_one(void **state)
{
    (void)state;
    configure(1, (yk_dummy_device){.lives = -1, .slots = 2});
    yolk_manager *m = dummy_manager("dummy", 1);
    job j = {m, 9, 1, 0};
    pthread_t thread;
    yk_dummy_hold(0, true);
    assert_int_equal(pthread_create(&thread, NULL, predict, &j), 0);
    while (yk_dummy_look(0).started < 2)
        sched_yield();
    assert_int_equal(yk_dummy_look(0).finished, 0);
    yk_dummy_hold(0, false);
    pthread_join(thread, NULL);
    assert_int_equal(j.right, 1);
    assert_int_equal(yk_dummy_look(0).finished, 9);
    yolk_manager_destroy(&m);
}

static void many_threads_get_their_own_results(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    configure(3, (yk_dummy_device){.lives = -1, .slots = 1});
    yolk_manager *m = dummy_manager("dummy:0,1,2", 4);
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){m, (size_t)(7 + 9 * i), 5, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, predict, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(jobs[i].right, 5);
    yolk_stats stats = dummy_stats(m);
    assert_int_equal(stats.frames, 5 * (7 + 16 + 25 + 34));
    assert_int_equal(stats.detections, stats.frames);
    assert_int_equal(stats.stages[YOLK_STAGE_INFER].frames, stats.frames);
    yolk_manager_destroy(&m);
}

static void few_frames_are_divided_among_the_devices(void **state)
{
    (void)state;
    configure(2, any);
    yolk_manager *m = dummy_manager("dummy:0,1", 0); /* the table's batch for small frames is 8 */
    yk_dummy_hold(0, true);
    yk_dummy_hold(1, true);
    job j = {m, 8, 1, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, predict, &j), 0);
    while (yk_dummy_look(0).started + yk_dummy_look(1).started < 2)
        sched_yield();
    yk_dummy_hold(0, false);
    yk_dummy_hold(1, false);
    pthread_join(thread, NULL);
    assert_int_equal(j.right, 1);
    assert_int_equal(yk_dummy_look(0).largest, 4);
    assert_int_equal(yk_dummy_look(1).largest, 4);
    assert_all_found(m, 64);
    assert_int_equal(YK_MAX(yk_dummy_look(0).largest, yk_dummy_look(1).largest), 8);
    yolk_manager_destroy(&m);
}

static void replicas_on_the_processor_share_it(void **state)
{
    (void)state;
    yolk_config c = dummy_settings("cpu:0,1", 3);
    yolk_manager *m;
    yolk_model_info info;
    strcpy(c.backend, "reference");
    c.threads = 2;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.device, "cpu:0,1");
    assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64}, 3));
    yk_set *set = yk_manager_set(m);
    assert_int_equal(set->models[0]->replica_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_non_null(set->models[0]->replicas[i].kept[0]);
        assert_string_equal(set->models[0]->replicas[i].name, i ? "cpu:1" : "cpu:0");
    }
    yk_set_release(&set);
    assert_all_found(m, 50);
    assert_int_equal(dummy_stats(m).frames, 50);
    yolk_manager_destroy(&m);
}

static void what_is_wrong_is_said_of_the_first_batch(void **state)
{
    (void)state;
    yolk_manager *m;
    yolk_config c = dummy_settings("dummy:5", 1);
    configure(2, any);
    assert_ok(yolk_manager_create(&c, &m));
    assert_fails(yolk_manager_load(m, NULL, 0), YOLK_ERROR_NOT_FOUND, "there is no device 'dummy:5'");
    yolk_manager_destroy(&m);
    m = dummy_manager("dummy:0,1", 1);
    yk_batch *b;
    assert_fails(yk_batch_open(m, (yolk_size){60, 64}, 1, &b), YOLK_ERROR_INVALID_ARGUMENT, "multiples of 8");
    assert_null(b);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_device_gets_a_share),
        cmocka_unit_test(only_the_devices_asked_for_are_used),
        cmocka_unit_test(a_slow_device_does_not_hold_up_a_fast_one),
        cmocka_unit_test(places_come_back_before_results_are_collected),
        cmocka_unit_test(who_finds_no_place_waits_for_one),
        cmocka_unit_test(many_threads_get_their_own_results),
        cmocka_unit_test(few_frames_are_divided_among_the_devices),
        cmocka_unit_test(replicas_on_the_processor_share_it),
        cmocka_unit_test(what_is_wrong_is_said_of_the_first_batch),
    };
    return cmocka_run_group_tests_name("batch", tests, dummy_make, yk_temp_remove);
}
