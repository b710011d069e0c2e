#include <math.h>
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

static void buckets_follow_each_other(void **state)
{
    (void)state;
    int last = -1;
    for (uint64_t ns = 0; ns < 100000; ns++) {
        int bucket = yk_bucket_of(ns);
        assert_in_range(bucket - last, 0, 1);
        last = bucket;
        assert_true(fabs(yk_bucket_middle(bucket) - (double)ns) <= 0.016 * (double)ns + 0.5);
    }
    for (uint64_t ns = 100000; ns < 3600000000000; ns += ns / 77)
        assert_true(fabs(yk_bucket_middle(yk_bucket_of(ns)) - (double)ns) <= 0.016 * (double)ns);
    assert_int_equal(yk_bucket_of(UINT64_MAX), YK_BUCKETS - 1);
    assert_int_equal(yk_bucket_of((uint64_t)1 << YK_BUCKETS_TOP), YK_BUCKETS - 1);
    assert_int_equal(yk_bucket_of(((uint64_t)1 << YK_BUCKETS_TOP) - 1), YK_BUCKETS - 1);
}

static void nothing_is_all_zero(void **state)
{
    (void)state;
    yolk_stats s;
    yk_counters_read(&counters, &s);
    assert_int_equal(s.frames, 0);
    assert_true(s.fps == 0 && s.seconds == 0);
    assert_true(s.stages[YOLK_STAGE_INFER].p99_ms == 0 && s.stages[YOLK_STAGE_INFER].mean_ms == 0);
    assert_true(s.memory.now > 0);
    assert_true(s.memory.peak >= s.memory.now);
}

static void percentiles_are_within_two_percent(void **state)
{
    (void)state;
    /* 1 to 1000 ms, shuffled by a step that shares no factor with 1000. */
    for (int i = 0; i < 1000; i++)
        yk_counters_stage(&counters, YOLK_STAGE_INFER, 1, (uint64_t)(i * 387 % 1000 + 1) * 1000000);
    yolk_stats s;
    yk_counters_read(&counters, &s);
    const yolk_stage_stats *t = &s.stages[YOLK_STAGE_INFER];
    assert_int_equal(t->frames, 1000);
    assert_float_equal(t->mean_ms, 500.5, 1e-6);
    assert_float_equal(t->total_ms, 500500, 1e-3);
    assert_float_equal(t->p50_ms, 500, 10);
    assert_float_equal(t->p95_ms, 950, 19);
    assert_float_equal(t->p99_ms, 990, 19.8);
    assert_int_equal(s.stages[YOLK_STAGE_DECODE].frames, 0);
}

static void batches_count_by_frame(void **state)
{
    (void)state;
    yk_counters_stage(&counters, YOLK_STAGE_INFER, 8, 80000000);
    yk_counters_stage(&counters, YOLK_STAGE_INFER, 2, 60000000);
    yk_counters_batch(&counters, 8, 20);
    yk_counters_batch(&counters, 2, 3);
    yolk_stats s;
    yk_counters_read(&counters, &s);
    assert_int_equal(s.frames, 10);
    assert_int_equal(s.batches, 2);
    assert_int_equal(s.detections, 23);
    assert_float_equal(s.stages[YOLK_STAGE_INFER].p50_ms, 10, 0.2);
    assert_float_equal(s.stages[YOLK_STAGE_INFER].p95_ms, 30, 0.6);
    assert_float_equal(s.stages[YOLK_STAGE_INFER].mean_ms, 14, 1e-6);
    /* 80 ms ago is when the first began. */
    assert_true(s.seconds >= 0.08 && s.seconds < 10);
    assert_float_equal(s.fps, 10 / s.seconds, 1e-6);
}

static void what_makes_no_sense_is_ignored(void **state)
{
    (void)state;
    yk_counters_stage(&counters, YOLK_STAGE_COUNT, 1, 1);
    yk_counters_stage(&counters, (yolk_stage)-1, 1, 1);
    yk_counters_stage(&counters, YOLK_STAGE_INFER, 0, 1);
    yolk_stats s;
    yk_counters_read(&counters, &s);
    for (int i = 0; i < YOLK_STAGE_COUNT; i++)
        assert_int_equal(s.stages[i].frames, 0);
    /* Longer than the clock has run. */
    yk_counters_stage(&counters, YOLK_STAGE_INFER, 1, UINT64_MAX);
    yk_counters_read(&counters, &s);
    assert_int_equal(s.stages[YOLK_STAGE_INFER].frames, 1);
    assert_true(s.seconds > 0);
}

enum { ROUNDS = 20000, WRITERS = 3 };

static void *write_much(void *user)
{
    (void)user;
    for (int i = 0; i < ROUNDS; i++) {
        yk_counters_stage(&counters, (yolk_stage)(i % YOLK_STAGE_COUNT), 2, (uint64_t)i * 100);
        yk_counters_batch(&counters, 2, 6);
    }
    return NULL;
}

static void readers_see_whole_changes(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    yolk_stats s = {0};
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, NULL), 0);
    for (uint64_t last = 0; s.frames < ROUNDS; last = s.frames) {
        yk_counters_read(&counters, &s);
        assert_int_equal(s.frames, 2 * s.batches);
        assert_int_equal(s.detections, 3 * s.frames);
        assert_true(s.frames >= last);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    yk_counters_read(&counters, &s);
    assert_int_equal(s.frames, 2 * ROUNDS * WRITERS);
    uint64_t staged = 0;
    for (int i = 0; i < YOLK_STAGE_COUNT; i++)
        staged += s.stages[i].frames;
    assert_int_equal(staged, s.frames);
}

static void stages_have_names(void **state)
{
    (void)state;
    assert_string_equal(yolk_stage_name(YOLK_STAGE_DECODE), "decode");
    assert_string_equal(yolk_stage_name(YOLK_STAGE_OUTPUT), "output");
    assert_null(yolk_stage_name(YOLK_STAGE_COUNT));
    assert_null(yolk_stage_name((yolk_stage)-1));
}

static void memory_use_follows_what_is_touched(void **state)
{
    (void)state;
    uint64_t before, after, peak;
    const size_t size = 64 << 20;
    yolk_memory_usage(&before, NULL);
    char *p = malloc(size);
    assert_non_null(p);
    memset(p, 1, size);
    yolk_memory_usage(&after, &peak);
    assert_true(p[size / 2] == 1);
    free(p);
    assert_true(after > before + size / 2);
    assert_true(peak >= after);
    yolk_memory_usage(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other),
        cmocka_unit_test_setup(nothing_is_all_zero, fresh),
        cmocka_unit_test_setup(percentiles_are_within_two_percent, fresh),
        cmocka_unit_test_setup(batches_count_by_frame, fresh),
        cmocka_unit_test_setup(what_makes_no_sense_is_ignored, fresh),
        cmocka_unit_test_setup(readers_see_whole_changes, fresh),
        cmocka_unit_test(stages_have_names),
        cmocka_unit_test(memory_use_follows_what_is_touched),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
