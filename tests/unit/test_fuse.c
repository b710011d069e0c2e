/* Several models' detections as one list, against examples worked out by hand. */
#include <math.h>

#include "detect/fuse.h"
#include "detect/rank.h"
#include "yk_test.h"

static yk_detections lists[YK_ENSEMBLE_MODELS], out;
static yk_fuse_options options;

static int fresh(void **state)
{
    (void)state;
    options = (yk_fuse_options){.iou = 0.5f, .votes = 1, .max_det = 300, .weights = {1, 1, 1, 1, 1, 1, 1, 1}};
    return 0;
}

static int clear(void **state)
{
    (void)state;
    for (int m = 0; m < YK_ENSEMBLE_MODELS; m++)
        yk_detections_free(&lists[m]);
    yk_detections_free(&out);
    return 0;
}

static void put(int model, float x1, float y1, float x2, float y2, float confidence, int class_id)
{
    yolk_detection *next = yk_detections_next(&lists[model]);
    assert_non_null(next);
    *next = (yolk_detection){x1, y1, x2, y2, confidence, class_id, NULL, 0};
    lists[model].count++;
}

static void assert_box(size_t at, float x1, float y1, float x2, float y2, float confidence, int class_id)
{
    assert_true(at < out.count);
    const yolk_detection *d = &out.items[at];
    assert_float_equal(d->x1, x1, 1e-4);
    assert_float_equal(d->y1, y1, 1e-4);
    assert_float_equal(d->x2, x2, 1e-4);
    assert_float_equal(d->y2, y2, 1e-4);
    assert_float_equal(d->confidence, confidence, 1e-6);
    assert_int_equal(d->class_id, class_id);
}

/* Overlap 10 x 9 / (100 + 100 - 90) = 0.818. */
static void boxes_are_averaged_by_confidence(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.8f, 3);
    put(1, 0, 1, 10, 11, 0.4f, 3);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 1);
    /* (0.8 * 0 + 0.4 * 1) / 1.2, (0.8 * 10 + 0.4 * 11) / 1.2; (0.8 + 0.4) / 2 */
    assert_box(0, 0, 1.f / 3, 10, 10 + 1.f / 3, 0.6f, 3);
}

static void a_model_that_saw_nothing_counts_as_zero(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.9f, 0);
    put(2, 100, 100, 110, 110, 0.3f, 0);
    put(1, 100, 100, 110, 110, 0.9f, 0);
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 2);
    assert_box(0, 100, 100, 110, 110, 0.4f, 0);
    assert_box(1, 0, 0, 10, 10, 0.3f, 0);
}

static void weights_say_what_each_model_counts(void **state)
{
    (void)state;
    options.weights[0] = 3;
    put(0, 0, 0, 10, 10, 0.6f, 0);
    put(1, 2, 0, 12, 10, 0.9f, 0);
    put(1, 50, 50, 60, 60, 0.8f, 0);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 2);
    /* Shares 1.8 and 0.9: a third of the way; (1.8 + 0.9) / 4. */
    assert_box(0, 2.f / 3, 0, 10 + 2.f / 3, 10, 0.675f, 0);
    assert_box(1, 50, 50, 60, 60, 0.2f, 0);
}

/* The second box of a model moves the box but makes the model no surer, nor less sure. */
static void a_model_counts_once_in_an_object(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.8f, 0);
    put(0, 0, 0, 10, 9, 0.2f, 0);
    put(1, 0, 0, 10, 10, 0.6f, 0);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 1);
    assert_box(0, 0, 0, 10, 9.875f, 0.7f, 0);
}

/* c overlaps a by 6 / 14 = 0.43, but what a and b average to by 7.5 / 12.5 = 0.6. */
static void boxes_are_compared_with_the_running_average(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.5f, 0);
    put(1, 3, 0, 13, 10, 0.5f, 0);
    put(2, 4, 0, 14, 10, 0.4f, 0);
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 1);
    assert_box(0, 3.1f / 1.4f, 0, 10 + 3.1f / 1.4f, 10, 1.4f / 3, 0);
    /* The best box stands for a vote as it is. */
    options.method = YK_FUSE_VOTE_BEST;
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 2);
    assert_box(0, 0, 0, 10, 10, 0.5f, 0);
    assert_box(1, 4, 0, 14, 10, 0.4f, 0);
}

static void a_box_joins_what_it_overlaps_most(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.9f, 0);
    put(0, 0, 0, 10, 16, 0.8f, 0);
    put(1, 0, 0, 10, 15, 0.7f, 0);
    options.iou = 0.65f;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 2);
    assert_box(0, 0, 0, 10, (0.8f * 16 + 0.7f * 15) / 1.5f, 0.75f, 0);
    assert_box(1, 0, 0, 10, 10, 0.45f, 0);
}

static void classes_are_apart_unless_agnostic(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.5f, 1);
    put(1, 0, 0, 10, 10, 0.7f, 79);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 2);
    assert_box(0, 0, 0, 10, 10, 0.35f, 79);
    options.agnostic = true;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 1);
    assert_box(0, 0, 0, 10, 10, 0.6f, 79);
}

static void overlap_has_to_be_more_than_the_threshold(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.5f, 0);
    put(1, 0, 0, 10, 5, 0.5f, 0);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 2);
    options.iou = 0.49f;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 1);
    /* Threshold 1 fuses nothing, 0 whatever touches. */
    options.iou = 1;
    put(0, 0, 0, 10, 10, 0.5f, 0);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 3);
    options.iou = 0;
    put(0, 9, 1, 30, 30, 0.1f, 0);
    put(0, 30, 30, 40, 40, 0.1f, 0);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 2);
}

static void vote_three_objects(void)
{
    put(0, 0, 0, 10, 10, 0.9f, 0);
    put(1, 0, 0, 10, 11, 0.6f, 0);
    put(2, 0, 0, 10, 12, 0.3f, 0);
    put(0, 100, 0, 110, 10, 0.5f, 0);
    put(2, 100, 0, 110, 12, 0.7f, 0);
    put(1, 200, 0, 210, 10, 0.8f, 0);
    put(1, 200, 0, 210, 10, 0.7f, 0);
}

static void votes_are_of_models_not_of_boxes(void **state)
{
    (void)state;
    vote_three_objects();
    options.method = YK_FUSE_VOTE_BEST;
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 3);
    assert_box(0, 0, 0, 10, 10, 0.9f, 0);
    assert_box(1, 200, 0, 210, 10, 0.8f, 0);
    assert_box(2, 100, 0, 110, 12, 0.7f, 0);
    options.votes = 2;
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 2);
    assert_box(1, 100, 0, 110, 12, 0.7f, 0);
    options.votes = 3;
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 1);
    options.votes = 4;
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 0);
}

static void a_vote_may_average_those_who_found_it(void **state)
{
    (void)state;
    vote_three_objects();
    options.method = YK_FUSE_VOTE_AVERAGE;
    options.votes = 2;
    assert_ok(yk_fuse(&options, lists, 3, &out));
    assert_int_equal(out.count, 2);
    assert_box(0, 0, 0, 10, (9 + 6.6f + 3.6f) / 1.8f, 0.6f, 0);
    assert_box(1, 100, 0, 110, (5 + 8.4f) / 1.2f, 0.6f, 0);
}

static void one_model_alone_changes_nothing_but_what_overlaps(void **state)
{
    (void)state;
    put(0, 3, 4, 5, 6, 0.1f, 2);
    put(0, 0, 0, 10, 10, 0.9f, 0);
    options.method = YK_FUSE_WBF;
    assert_ok(yk_fuse(&options, lists, 1, &out));
    assert_int_equal(out.count, 2);
    assert_box(0, 0, 0, 10, 10, 0.9f, 0);
    assert_box(1, 3, 4, 5, 6, 0.1f, 2);
}

static void nothing_stays_nothing(void **state)
{
    (void)state;
    out.count = 5;
    assert_ok(yk_fuse(&options, lists, 8, &out));
    assert_int_equal(out.count, 0);
}

static void the_weakest_go_first(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        put(i % 2, (float)i * 20, 0, (float)i * 20 + 10, 10, (float)(i + 1) / 100, 0);
    options.max_det = 7;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 7);
    assert_box(0, 1980, 0, 1990, 10, 0.5f, 0);
    assert_box(6, 1860, 0, 1870, 10, 0.47f, 0);
    options.max_det = 300;
    options.conf = 0.4f;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 21); /* 0.8 and above */
    options.max_det = 0;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 0);
}

static void equal_confidences_keep_the_order_of_models_and_places(void **state)
{
    (void)state;
    put(1, 100, 0, 110, 10, 0.5f, 7);
    put(0, 200, 0, 210, 10, 0.5f, 7);
    put(0, 300, 0, 310, 10, 0.5f, 2);
    for (int round = 0; round < 2; round++) {
        assert_ok(yk_fuse(&options, lists, 2, &out));
        assert_int_equal(out.count, 3);
        assert_box(0, 200, 0, 210, 10, 0.25f, 7);
        assert_box(1, 300, 0, 310, 10, 0.25f, 2);
        assert_box(2, 100, 0, 110, 10, 0.25f, 7);
    }
}

static void what_is_no_box_does_no_harm(void **state)
{
    (void)state;
    put(0, NAN, 0, 10, 10, 0.9f, 0);
    put(0, 0, 0, INFINITY, 10, 0.9f, 0);
    put(0, 0, 0, 10, 10, NAN, 0);
    put(0, 0, 0, 10, 10, INFINITY, 0);
    put(0, 0, 0, 10, 10, -1, 0);
    put(0, 0, 0, 10, 10, 0.9f, -4);
    put(0, 5, 5, 5, 5, 0.8f, 0);                /* no area */
    put(1, 9, 9, 1, 1, 0.7f, 0);                /* inside out */
    put(1, -3e38f, -3e38f, 3e38f, 3e38f, 0, 0); /* no confidence, and an area that no float holds */
    put(0, -3e38f, -3e38f, 3e38f, 3e38f, 0, 0);
    for (options.method = YK_FUSE_WBF; options.method <= YK_FUSE_VOTE_AVERAGE; options.method++) {
        assert_ok(yk_fuse(&options, lists, 2, &out));
        assert_int_equal(out.count, 3);
        for (size_t i = 0; i < out.count; i++) {
            const yolk_detection *d = &out.items[i];
            assert_true(isfinite(d->x1) && isfinite(d->y2) && isfinite(d->confidence));
        }
        assert_float_equal(out.items[2].x2, 3e38f, 1e32);
    }
}

/* As many as a threshold of nothing lets through: the best 30000 are looked at, and memory is linear. */
static void many_boxes_are_fused_in_bounded_time(void **state)
{
    (void)state;
    for (int i = 0; i < 40000; i++)
        put(i % 2, (float)(i / 2) * 20, 0, (float)(i / 2) * 20 + 10, 10, (float)(40000 - i / 2) / 80000, i / 2 % 80);
    options.max_det = 30000;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 15000);
    assert_box(0, 0, 0, 10, 10, 0.5f, 0);
    assert_true(out.scratch_size < 40000 * 200);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    put(0, 0, 0, 10, 10, 0.5f, 0);
    for (long n = 1; n <= 2; n++) {
        yk_detections_free(&out);
        yk_alloc_fail_at(n);
        yolk_status status = yk_fuse(&options, lists, 2, &out);
        yk_alloc_fail_at(0);
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_int_equal(out.count, 0);
    }
}

static void settings_say_how(void **state)
{
    (void)state;
    yolk_config c;
    yolk_config_defaults(&c);
    assert_ok(yk_fuse_configure(&c, 3, &options));
    assert_int_equal(options.method, YK_FUSE_WBF);
    assert_float_equal(options.iou, c.ensemble_iou, 1e-6);
    assert_float_equal(options.conf, 0.25, 0);
    assert_int_equal(options.max_det, 300);
    assert_true(options.weights[0] == 1 && options.weights[2] == 1);
    static const struct {
        const char *votes;
        int models, expected;
    } cases[] = {{"affirmative", 5, 1}, {"consensus", 2, 2}, {"consensus", 3, 2}, {"consensus", 4, 3},
                 {"consensus", 1, 1},   {"unanimous", 8, 8}, {"3", 3, 3}};
    assert_ok(yolk_config_set(&c, "ensemble", "vote"));
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        assert_ok(yolk_config_set(&c, "ensemble_votes", cases[i].votes));
        assert_ok(yk_fuse_configure(&c, cases[i].models, &options));
        assert_int_equal(options.votes, cases[i].expected);
        assert_int_equal(options.method, YK_FUSE_VOTE_BEST);
    }
    assert_ok(yolk_config_set(&c, "ensemble_merge", "average"));
    assert_ok(yolk_config_set(&c, "ensemble_weights", "0.5, 2,1"));
    assert_ok(yk_fuse_configure(&c, 3, &options));
    assert_int_equal(options.method, YK_FUSE_VOTE_AVERAGE);
    assert_float_equal(options.weights[1], 2, 0);
}

/* An object that the second model hardly sees: at its own threshold it would count against the first. */
static void what_a_model_is_in_doubt_of_counts_with_averaging_alone(void **state)
{
    (void)state;
    options.conf = 0.25f;
    options.method = YK_FUSE_WBF;
    assert_float_equal(yk_fuse_least(&options, 1), 0.25f, 0);
    assert_float_equal(yk_fuse_least(&options, 2), 0.125f, 0);
    put(0, 0, 0, 10, 10, 0.4f, 0);
    put(1, 0, 0, 10, 10, 0.13f, 0);
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 1);
    lists[1].count = 0;
    assert_ok(yk_fuse(&options, lists, 2, &out));
    assert_int_equal(out.count, 0);
    options.method = YK_FUSE_VOTE_BEST;
    assert_float_equal(yk_fuse_least(&options, 2), 0.25f, 0);
}

static void settings_that_do_not_fit_the_models_are_refused(void **state)
{
    (void)state;
    yolk_config c;
    yolk_config_defaults(&c);
    assert_fails(yk_fuse_configure(&c, 9, &options), YOLK_ERROR_INVALID_ARGUMENT, "9 models");
    assert_fails(yk_fuse_configure(&c, 0, &options), YOLK_ERROR_INVALID_ARGUMENT, "name 1 to 8");
    assert_ok(yolk_config_set(&c, "ensemble_weights", "1,2"));
    assert_fails(yk_fuse_configure(&c, 3, &options), YOLK_ERROR_INVALID_ARGUMENT,
                 "ensemble_weights: '1,2' is not one number for each of the 3 models");
    assert_ok(yolk_config_set(&c, "ensemble_votes", "4"));
    assert_ok(yk_fuse_configure(&c, 2, &options));
    assert_ok(yolk_config_set(&c, "ensemble", "vote"));
    assert_fails(yk_fuse_configure(&c, 2, &options), YOLK_ERROR_INVALID_ARGUMENT,
                 "ensemble_votes: '4' is more than the 2 models");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(boxes_are_averaged_by_confidence),
        TEST(a_model_that_saw_nothing_counts_as_zero),
        TEST(weights_say_what_each_model_counts),
        TEST(a_model_counts_once_in_an_object),
        TEST(boxes_are_compared_with_the_running_average),
        TEST(a_box_joins_what_it_overlaps_most),
        TEST(classes_are_apart_unless_agnostic),
        TEST(overlap_has_to_be_more_than_the_threshold),
        TEST(votes_are_of_models_not_of_boxes),
        TEST(a_vote_may_average_those_who_found_it),
        TEST(one_model_alone_changes_nothing_but_what_overlaps),
        TEST(nothing_stays_nothing),
        TEST(the_weakest_go_first),
        TEST(equal_confidences_keep_the_order_of_models_and_places),
        TEST(what_is_no_box_does_no_harm),
        TEST(many_boxes_are_fused_in_bounded_time),
        TEST(short_memory_is_reported),
        TEST(settings_say_how),
        TEST(what_a_model_is_in_doubt_of_counts_with_averaging_alone),
        TEST(settings_that_do_not_fit_the_models_are_refused),
    };
    return cmocka_run_group_tests_name("fuse", tests, NULL, NULL);
}
