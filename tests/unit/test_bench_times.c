/* Statistics of times whose results are known. */
#include <math.h>

#include "convert/measure.h"
#include "yk_test.h"

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void known_numbers(void **state)
{
    (void)state;
    const double ms[] = {5, 1, 4, 2, 3};
    yolk_times t;
    assert_ok(yk_times_make(ms, 5, &t));
    assert_int_equal(t.runs, 5);
    assert_near(t.mean, 3);
    assert_near(t.std, sqrt(2.5)); /* of a sample: divided by 4 */
    assert_near(t.min, 1);
    assert_near(t.max, 5);
    assert_near(t.p50, 3);
    assert_near(t.p90, 4.6);
    assert_near(t.p95, 4.8);
    assert_near(t.p99, 4.96);
    assert_near(ms[0], 5); /* left as it was */
}

static void one_run_and_none(void **state)
{
    (void)state;
    const double one = 7.5;
    yolk_times t;
    assert_ok(yk_times_make(&one, 1, &t));
    assert_near(t.mean, 7.5);
    assert_near(t.std, 0);
    assert_near(t.p99, 7.5);
    assert_ok(yk_times_make(NULL, 0, &t));
    assert_int_equal(t.runs, 0);
    assert_near(t.mean + t.std + t.min + t.max + t.p50 + t.p99, 0);
}

static void percentiles_lie_between_the_nearest(void **state)
{
    (void)state;
    const double two[] = {10, 20};
    assert_near(yk_percentile(two, 2, 0), 10);
    assert_near(yk_percentile(two, 2, 0.25), 12.5);
    assert_near(yk_percentile(two, 2, 0.5), 15);
    assert_near(yk_percentile(two, 2, 1), 20);
    assert_near(yk_percentile(two, 0, 0.5), 0);
    double hundred[101];
    for (int i = 0; i <= 100; i++)
        hundred[i] = i;
    assert_near(yk_percentile(hundred, 101, 0.90), 90);
    assert_near(yk_percentile(hundred, 101, 0.99), 99);
}

static void the_interval_holds_the_median(void **state)
{
    (void)state;
    double values[25], median, low, high, again_low, again_high;
    for (int i = 0; i < 25; i++)
        values[i] = 1 + 0.01 * (i * 7 % 25);
    assert_ok(yk_median_interval(values, 25, &median, &low, &high));
    assert_near(median, 1.12);
    assert_true(low < median && median < high);
    assert_true(low >= 1.0 && high <= 1.24);
    /* The same every time, so that a report can be repeated. */
    assert_ok(yk_median_interval(values, 25, &median, &again_low, &again_high));
    assert_true(low == again_low && high == again_high);
}

static void the_interval_narrows_with_agreement(void **state)
{
    (void)state;
    double same[10], spread[10], median, low, high, wide_low, wide_high;
    for (int i = 0; i < 10; i++) {
        same[i] = 1.5;
        spread[i] = 1 + 0.1 * i;
    }
    assert_ok(yk_median_interval(same, 10, &median, &low, &high));
    assert_true(low == 1.5 && median == 1.5 && high == 1.5);
    assert_ok(yk_median_interval(spread, 10, &median, &wide_low, &wide_high));
    assert_true(wide_high - wide_low > 0.2);
    assert_ok(yk_median_interval(NULL, 0, &median, &low, &high));
    assert_near(median + low + high, 0);
}

static void memory_may_be_short(void **state)
{
    (void)state;
    const double ms[] = {1, 2, 3};
    yolk_times t;
    double median, low, high;
    yk_alloc_fail_at(1);
    assert_int_equal(yk_times_make(ms, 3, &t), YOLK_ERROR_OUT_OF_MEMORY);
    yk_alloc_fail_at(2);
    assert_int_equal(yk_median_interval(ms, 3, &median, &low, &high), YOLK_ERROR_OUT_OF_MEMORY);
    yk_texts texts = {0};
    yk_alloc_fail_at(1);
    assert_string_equal(yk_texts_add(&texts, "lost"), "");
    yk_alloc_fail_at(0);
    assert_int_equal(yk_texts_status(&texts), YOLK_ERROR_OUT_OF_MEMORY);
    yk_texts_free(&texts);
}

static void frames_are_copied_in_every_format(void **state)
{
    (void)state;
    uint8_t bytes[200];
    for (int i = 0; i < 200; i++)
        bytes[i] = (uint8_t)i;
    /* 5 x 3, rows 8 apart; chroma 3 x 2. */
    yolk_image images[] = {
        {.width = 5, .height = 3, .format = YOLK_PIXEL_BGR24, .planes = {bytes}, .strides = {20}},
        {.width = 5,
         .height = 3,
         .format = YOLK_PIXEL_I420,
         .planes = {bytes, bytes + 50, bytes + 90},
         .strides = {8, 4, 5}},
        {.width = 5, .height = 3, .format = YOLK_PIXEL_NV12, .planes = {bytes, bytes + 50}, .strides = {8, 7}}};
    yk_frames f = {0};
    for (int i = 0; i < 3; i++)
        assert_ok(yk_frames_add(&f, &images[i]));
    assert_int_equal(f.count, 3);
    assert_int_equal(f.images[0].strides[0], 15);
    assert_int_equal(f.images[0].planes[0][15], 20); /* the second row */
    assert_null(f.images[0].planes[1]);
    assert_int_equal(f.images[1].planes[1][3], 54);
    assert_int_equal(f.images[1].planes[2][2], 92);
    assert_int_equal(f.images[1].planes[2][5], 97);
    assert_int_equal(f.images[2].strides[1], 6);
    assert_int_equal(f.images[2].planes[1][6], 57);
    yk_frames_free(&f);
    assert_int_equal(f.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers),
        cmocka_unit_test(one_run_and_none),
        cmocka_unit_test(percentiles_lie_between_the_nearest),
        cmocka_unit_test(the_interval_holds_the_median),
        cmocka_unit_test(the_interval_narrows_with_agreement),
        cmocka_unit_test(memory_may_be_short),
        cmocka_unit_test(frames_are_copied_in_every_format),
    };
    return cmocka_run_group_tests_name("bench times", tests, NULL, NULL);
}
