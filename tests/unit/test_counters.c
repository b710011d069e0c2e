/* Counting from many threads: what belongs together is seen together, nothing is lost, nothing is counted twice. */
#include <limits.h>
#include <pthread.h>

#include "model/counters.h"
#include "yk_test.h"

static yk_counters counters;

static int fresh(void **state)
{
    (void)state;
    yk_counters_reset(&counters);
    return 0;
}

static void every_batch_size_has_its_place(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 0},    {2, 1},    {16, 15},  {17, 16},  {32, 16},  {33, 17},  {64, 17},
                                   {128, 18}, {129, 19}, {256, 19}, {257, 20}, {512, 20}, {513, 21}, {INT_MAX, 21}};
    int least, most, last = 0;
    for (size_t i = 0; i < YK_COUNT(sizes); i++)
        assert_int_equal(yk_size_bucket(sizes[i][0]), sizes[i][1]);
    for (size_t i = 0; i < YOLK_STATS_BATCHES; i++) {
        assert_true(yolk_stats_batch_sizes(i, &least, &most));
        assert_int_equal(least, last + 1);
        assert_true(most >= least);
        assert_int_equal(yk_size_bucket(least), i);
        assert_int_equal(yk_size_bucket(most), i);
        last = most;
    }
    assert_int_equal(last, INT_MAX);
    assert_false(yolk_stats_batch_sizes(YOLK_STATS_BATCHES, &least, &most));
    assert_true(yolk_stats_batch_sizes(3, NULL, NULL));
}

static void the_histogram_counts_runs(void **state)
{
    (void)state;
    static const int runs[] = {1, 1, 1, 8, 16, 20, 32, 700};
    yolk_stats s;
    for (size_t i = 0; i < YK_COUNT(runs); i++)
        yk_counters_batch(&counters, runs[i], 0);
    yk_counters_batch(&counters, 0, 5); /* no run */
    yk_counters_read(&counters, &s);
    assert_int_equal(s.batches, YK_COUNT(runs));
    assert_int_equal(s.frames, 779);
    assert_int_equal(s.detections, 0);
    assert_int_equal(s.batch_sizes[0], 3);
    assert_int_equal(s.batch_sizes[7], 1);
    assert_int_equal(s.batch_sizes[15], 1);
    assert_int_equal(s.batch_sizes[16], 2);
    assert_int_equal(s.batch_sizes[21], 1);
}

static void devices_have_their_own_figures(void **state)
{
    (void)state;
    yolk_stats s;
    yk_counters_read(&counters, &s);
    assert_int_equal(s.device_count, 0);
    yk_counters_device(&counters, 2, 8, 400000000);
    yk_counters_device(&counters, 2, 2, 100000000);
    yk_counters_device(&counters, 0, 1, 30000000);
    yk_counters_device(&counters, -1, 1, 1);
    yk_counters_device(&counters, YOLK_STATS_DEVICES, 1, 1);
    yk_counters_device(&counters, 1, 0, 1);
    yk_counters_read(&counters, &s);
    assert_int_equal(s.device_count, 3);
    assert_int_equal(s.devices[2].frames, 10);
    assert_int_equal(s.devices[2].batches, 2);
    assert_float_equal(s.devices[2].busy_seconds, 0.5, 1e-9);
    assert_float_equal(s.devices[2].mean_ms, 50, 1e-9);
    assert_int_equal(s.devices[1].frames, 0);
    assert_true(s.devices[1].mean_ms == 0);
    assert_int_equal(s.devices[0].batches, 1);
}

static void reading_changes_nothing(void **state)
{
    (void)state;
    yolk_stats first, again;
    for (int round = 0; round < 5; round++) {
        yk_counters_stage(&counters, YOLK_STAGE_INFER, 4, 1000000);
        yk_counters_batch(&counters, 4, 9);
        yk_counters_device(&counters, 0, 4, 1000000);
        yk_counters_read(&counters, &first);
        yk_counters_read(&counters, &again);
        first.memory = again.memory = (yolk_memory){0};
        assert_int_equal(first.frames, 4 * (round + 1));
        assert_memory_equal(&first, &again, sizeof first);
    }
}

static void a_reset_forgets_everything(void **state)
{
    (void)state;
    yolk_stats s;
    yk_counters_stage(&counters, YOLK_STAGE_DECODE, 1, 1000);
    yk_counters_read(&counters, &s); /* so that both sets have been current */
    yk_counters_batch(&counters, 3, 1);
    yk_counters_device(&counters, 1, 3, 1000);
    yk_counters_reset(&counters);
    yk_counters_read(&counters, &s);
    assert_int_equal(s.frames + s.batches + s.detections + s.batch_sizes[2], 0);
    assert_int_equal(s.stages[YOLK_STAGE_DECODE].frames, 0);
    assert_int_equal(s.device_count, 0);
    assert_true(s.seconds == 0);
}

/* ---- threads ---- */

enum { WRITERS = 3, ROUNDS = 20000, FRAMES = 3 };

static atomic_int running;

/* Whole batches: three stages, a run, a device. */
static void *count_batches(void *user)
{
    const int device = *(const int *)user;
    for (int i = 0; i < ROUNDS; i++) {
        yk_counts *set = yk_counters_begin(&counters);
        yk_counts_stage(set, YOLK_STAGE_PREPROCESS, FRAMES, 1000);
        yk_counts_stage(set, YOLK_STAGE_INFER, FRAMES, (uint64_t)i * 50);
        yk_counts_stage(set, YOLK_STAGE_POSTPROCESS, FRAMES, 2000);
        yk_counts_batch(set, FRAMES, 7);
        yk_counts_device(set, device, FRAMES, 500);
        yk_counters_end(set);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void assert_whole(const yolk_stats *s)
{
    uint64_t devices = 0, runs = 0;
    for (int i = 0; i < s->device_count; i++) {
        assert_int_equal(s->devices[i].frames, FRAMES * s->devices[i].batches);
        devices += s->devices[i].frames;
    }
    for (int i = 0; i < YOLK_STATS_BATCHES; i++)
        runs += s->batch_sizes[i];
    assert_int_equal(s->frames, FRAMES * s->batches);
    assert_int_equal(s->detections, 7 * s->batches);
    assert_int_equal(runs, s->batches);
    assert_int_equal(s->batch_sizes[FRAMES - 1], s->batches);
    assert_int_equal(devices, s->frames);
    for (int stage = YOLK_STAGE_PREPROCESS; stage <= YOLK_STAGE_POSTPROCESS; stage++)
        assert_int_equal(s->stages[stage].frames, s->frames);
    assert_float_equal(s->stages[YOLK_STAGE_PREPROCESS].total_ms, (double)s->batches * 1e-3, 1e-6);
}

static void start(pthread_t *threads, int *devices)
{
    atomic_store(&running, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        devices[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, count_batches, &devices[i]), 0);
    }
}

static void *read_on(void *user)
{
    uint64_t last = 0, *reads = user;
    do {
        yolk_stats s;
        yk_counters_read(&counters, &s);
        assert_whole(&s);
        assert_true(s.batches >= last);
        last = s.batches;
        ++*reads;
    } while (atomic_load(&running) > 0);
    return NULL;
}

/* Two readers at once, while the writers never pause. */
static void snapshots_are_whole_while_all_are_at_it(void **state)
{
    (void)state;
    pthread_t threads[WRITERS], reader;
    int devices[WRITERS];
    uint64_t reads[2] = {0};
    yolk_stats s;
    start(threads, devices);
    assert_int_equal(pthread_create(&reader, NULL, read_on, &reads[0]), 0);
    read_on(&reads[1]);
    pthread_join(reader, NULL);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(reads[0] > 0 && reads[1] > 0);
    yk_counters_read(&counters, &s);
    assert_whole(&s);
    assert_int_equal(s.batches, WRITERS * ROUNDS);
    assert_int_equal(s.device_count, WRITERS);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(s.devices[i].batches, ROUNDS);
}

/* What is counted is either gone with a reset or in a later snapshot, as a whole. */
static void resets_lose_whole_batches_only(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    int devices[WRITERS];
    uint64_t seen = 0;
    start(threads, devices);
    while (atomic_load(&running) > 0) {
        yolk_stats s;
        yk_counters_read(&counters, &s);
        assert_whole(&s);
        seen = YK_MAX(seen, s.batches);
        yk_counters_reset(&counters);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    yolk_stats s;
    yk_counters_reset(&counters);
    yk_counters_read(&counters, &s);
    assert_int_equal(s.batches, 0);
    assert_true(seen <= WRITERS * ROUNDS);
}

static void a_change_that_is_not_whole_is_waited_for(void **state)
{
    (void)state;
    yolk_stats s;
    pthread_t thread;
    int device = 0;
    yk_counts *set = yk_counters_begin(&counters);
    yk_counts_batch(set, FRAMES, 7);
    atomic_store(&running, 1);
    /* Others are not held up by it. */
    assert_int_equal(pthread_create(&thread, NULL, count_batches, &device), 0);
    pthread_join(thread, NULL);
    yk_counts_device(set, 0, FRAMES, 500);
    for (int stage = YOLK_STAGE_PREPROCESS; stage <= YOLK_STAGE_POSTPROCESS; stage++)
        yk_counts_stage(set, (yolk_stage)stage, FRAMES, 1000);
    yk_counters_end(set);
    yk_counters_read(&counters, &s);
    assert_whole(&s);
    assert_int_equal(s.batches, ROUNDS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_batch_size_has_its_place),
        cmocka_unit_test_setup(the_histogram_counts_runs, fresh),
        cmocka_unit_test_setup(devices_have_their_own_figures, fresh),
        cmocka_unit_test_setup(reading_changes_nothing, fresh),
        cmocka_unit_test_setup(a_reset_forgets_everything, fresh),
        cmocka_unit_test_setup(snapshots_are_whole_while_all_are_at_it, fresh),
        cmocka_unit_test_setup(resets_lose_whole_batches_only, fresh),
        cmocka_unit_test_setup(a_change_that_is_not_whole_is_waited_for, fresh),
    };
    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
