/* How far two lists of detections agree; ranges from histograms. */
#include <math.h>

#include "base/base.h"
#include "convert/agree.h"
#include "convert/histogram.h"
#include "yk_test.h"

static yolk_detection box(float x, float size, float confidence, int class_id)
{
    return (yolk_detection){.x1 = x, .y1 = 0, .x2 = x + size, .y2 = 10, .confidence = confidence, .class_id = class_id};
}

static yk_agreement compare(const yolk_detection *a, size_t a_count, const yolk_detection *b, size_t b_count)
{
    yk_agreement sum = {0};
    const yk_detections first = {.items = (yolk_detection *)a, .count = a_count};
    const yk_detections second = {.items = (yolk_detection *)b, .count = b_count};
    assert_ok(yk_agreement_add(&sum, &first, &second, 0.25f));
    return sum;
}

static void overlaps(void **state)
{
    (void)state;
    const yolk_detection a = box(0, 10, 1, 0), b = box(5, 10, 1, 0), c = box(20, 10, 1, 0), none = box(0, 0, 1, 0);
    assert_true(yk_overlap(&a, &a) == 1);
    assert_true(fabsf(yk_overlap(&a, &b) - 1.0f / 3) < 1e-6f);
    assert_true(yk_overlap(&a, &c) == 0);
    assert_true(yk_overlap(&none, &none) == 0);
}

static void the_same_agree_wholly(void **state)
{
    (void)state;
    const yolk_detection a[2] = {box(0, 10, 0.9f, 0), box(20, 10, 0.3f, 1)};
    yk_agreement sum = compare(a, 2, a, 2);
    assert_true(yk_agreement_share(&sum) == 1);
    assert_true(yk_agreement_difference(&sum) == 0);
    assert_true(fabs(yk_agreement_loss(&sum)) < 1e-6);
    sum = compare(NULL, 0, NULL, 0);
    assert_true(yk_agreement_share(&sum) == 1 && yk_agreement_loss(&sum) == 0);
}

static void what_differs_counts(void **state)
{
    (void)state;
    const yolk_detection a[3] = {box(0, 10, 0.9f, 0), box(20, 10, 0.8f, 1), box(40, 10, 0.26f, 1)};
    const yolk_detection b[3] = {box(0, 10, 0.8f, 0), box(20, 10, 0.8f, 2), box(40, 10, 0.24f, 1)};
    yk_agreement sum = compare(a, 3, b, 3);
    assert_int_equal(sum.first, 3);
    assert_int_equal(sum.second, 2);
    assert_int_equal(sum.both, 1);
    assert_true(fabs(yk_agreement_share(&sum) - 0.4) < 1e-9);
    assert_true(fabs(yk_agreement_difference(&sum) - 0.1) < 1e-6);
    double total = 0.9 + 0.8 + 0.26 + 0.8 + 0.8 + 0.24;
    assert_true(fabs(yk_agreement_loss(&sum) - (1 - 2 * (0.8 + 0.24) / total)) < 1e-6);
}

/* The nearest one is taken, and only once. */
static void pairs_are_one_to_one(void **state)
{
    (void)state;
    const yolk_detection a[2] = {box(0, 10, 0.9f, 0), box(1, 10, 0.9f, 0)};
    const yolk_detection b[2] = {box(1, 10, 0.9f, 0), box(0, 10, 0.9f, 0)};
    yk_agreement sum = compare(a, 2, b, 2);
    assert_int_equal(sum.both, 2);
    assert_true(fabs(yk_agreement_loss(&sum)) < 1e-6);
    sum = compare(a, 2, b, 1);
    assert_int_equal(sum.both, 1);
}

static void memory_may_be_short(void **state)
{
    (void)state;
    const yk_detections none = {0};
    yk_agreement sum = {0};
    yk_alloc_fail_at(1);
    yolk_status status = yk_agreement_add(&sum, &none, &none, 0.25f);
    yk_alloc_fail_at(0);
    assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
}

/* ---- histograms ---- */

static yk_histogram histogram;

static void a_percentile_leaves_the_rest_out(void **state)
{
    (void)state;
    static float values[10000];
    for (int i = 0; i < 10000; i++)
        values[i] = (float)i / 10000;
    values[9999] = 100;
    values[0] = -0.25f;
    histogram = (yk_histogram){0};
    yk_histogram_add(&histogram, values, 10000);
    assert_int_equal(histogram.total, 10000);
    assert_true(histogram.most == 100 && histogram.least == -0.25f);
    float p = yk_histogram_percentile(&histogram, 0.9);
    assert_true(p > 0.85f && p < 0.97f);
    assert_true(yk_histogram_percentile(&histogram, 1) == 100);
}

static void what_comes_later_may_be_larger(void **state)
{
    (void)state;
    const float small[4] = {0.1f, 0.2f, 0.3f, -0.4f}, large[2] = {1000, -NAN}, endless = INFINITY;
    histogram = (yk_histogram){0};
    yk_histogram_add(&histogram, small, 4);
    yk_histogram_add(&histogram, large, 2);
    yk_histogram_add(&histogram, &endless, 1);
    assert_int_equal(histogram.total, 5);
    assert_true(histogram.most == 1000);
    assert_true(yk_histogram_percentile(&histogram, 0.5) < 1);
}

static void least_squares_clips_the_rare(void **state)
{
    (void)state;
    static float values[100000];
    for (int i = 0; i < 100000; i++)
        values[i] = (float)(i % 1000) / 1000;
    histogram = (yk_histogram){0};
    yk_histogram_add(&histogram, values, 100000);
    assert_true(yk_histogram_least_squares(&histogram, true) > 0.95f);
    const float far = 4;
    yk_histogram_add(&histogram, &far, 1);
    float range = yk_histogram_least_squares(&histogram, true);
    assert_true(range >= 0.9f && range < 3.0f);
    histogram = (yk_histogram){0};
    assert_true(yk_histogram_least_squares(&histogram, false) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlaps),
        cmocka_unit_test(the_same_agree_wholly),
        cmocka_unit_test(what_differs_counts),
        cmocka_unit_test(pairs_are_one_to_one),
        cmocka_unit_test(memory_may_be_short),
        cmocka_unit_test(a_percentile_leaves_the_rest_out),
        cmocka_unit_test(what_comes_later_may_be_larger),
        cmocka_unit_test(least_squares_clips_the_rare),
    };
    return cmocka_run_group_tests_name("agreement", tests, NULL, NULL);
}
