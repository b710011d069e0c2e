/* Suppression against a plain one, its order, its limits, and the order of scores. */
#include <math.h>

#include "detect/rank.h"
#include "yk_test.h"

static uint32_t noise_state;

static uint32_t noise(uint32_t below)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (noise_state >> 8) % below;
}

static void add(yk_detections *d, yolk_detection item)
{
    yolk_detection *next = yk_detections_next(d);
    assert_non_null(next);
    *next = item;
    d->count++;
}

/* Boxes around few places, and few different confidences, so that many are equal. */
static void add_noise(yk_detections *d, size_t count, uint32_t classes)
{
    for (size_t i = 0; i < count; i++) {
        float x = (float)(noise(5) * 40 + noise(8)), y = (float)(noise(5) * 40 + noise(8));
        add(d, (yolk_detection){.x1 = x,
                                .y1 = y,
                                .x2 = x + 20 + (float)noise(16),
                                .y2 = y + 20 + (float)noise(16),
                                .confidence = (float)(1 + noise(40)) / 41,
                                .class_id = (int)noise(classes)});
    }
}

static double overlap(const yolk_detection *a, const yolk_detection *b)
{
    double w = fmin(a->x2, b->x2) - fmax(a->x1, b->x1), h = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
    double common = w > 0 && h > 0 ? w * h : 0;
    double all = (double)(a->x2 - a->x1) * (a->y2 - a->y1) + (double)(b->x2 - b->x1) * (b->y2 - b->y1) - common;
    return all > 0 ? common / all : 0;
}

/* The definition: again and again the best of what is left, without what it covers. Returns how many are in `kept`. */
static size_t by_definition(const yk_detections *d, const yk_detect_options *o, size_t *kept)
{
    bool *gone = calloc(d->count + 1, sizeof(*gone));
    size_t count = 0;
    assert_non_null(gone);
    while (count < (size_t)o->max_det) {
        size_t best = d->count;
        for (size_t i = 0; i < d->count; i++) {
            const yolk_detection *a = &d->items[i], *b = &d->items[best];
            if (!gone[i] && (best == d->count || a->confidence > b->confidence ||
                             (a->confidence == b->confidence && a->class_id < b->class_id)))
                best = i;
        }
        if (best == d->count)
            break;
        kept[count++] = best;
        for (size_t i = 0; i < d->count; i++) {
            if (o->agnostic || d->items[i].class_id == d->items[best].class_id)
                gone[i] = gone[i] || i == best || overlap(&d->items[i], &d->items[best]) > o->iou;
        }
    }
    free(gone);
    return count;
}

/* Member by member: what lies between them need not be copied. */
static void assert_same(const yolk_detection *a, const yolk_detection *b)
{
    assert_true(a->x1 == b->x1 && a->y1 == b->y1 && a->x2 == b->x2 && a->y2 == b->y2);
    assert_true(a->confidence == b->confidence && a->class_id == b->class_id && a->track_id == b->track_id);
    assert_ptr_equal(a->class_name, b->class_name);
}

static void result_is_that_of_the_definition(void **state)
{
    (void)state;
    static const struct {
        size_t count;
        uint32_t classes;
        int max_det;
        bool agnostic;
        float iou;
        /* Thresholds are no ratios of small numbers, so that rounding decides nothing. */
    } cases[] = {
        {1, 1, 300, false, 0.4567f},  {40, 3, 300, false, 0.4567f},   {400, 3, 300, false, 0.4567f},
        {400, 3, 300, true, 0.4567f}, {400, 80, 300, false, 0.7123f}, {400, 80, 300, true, 0.7123f},
        {400, 3, 7, false, 0.4567f},  {400, 1, 1, false, 0.4567f},    {400, 3, 0, false, 0.4567f},
        {400, 3, 300, false, 0.0f},   {400, 3, 300, false, 1.0f},     {900, 2, 30000, false, 0.9123f},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = (int)cases[i].classes};
        const yk_detect_options o = {.iou = cases[i].iou, .max_det = cases[i].max_det, .agnostic = cases[i].agnostic};
        yk_detections d = {0}, before = {0};
        size_t kept[1000];
        noise_state = (uint32_t)i;
        add_noise(&d, cases[i].count, cases[i].classes);
        for (size_t k = 0; k < d.count; k++)
            add(&before, d.items[k]);
        size_t wanted = by_definition(&d, &o, kept);
        assert_ok(yk_suppress(&head, &o, &d));
        assert_int_equal(d.count, wanted);
        for (size_t k = 0; k < wanted; k++)
            assert_same(&d.items[k], &before.items[kept[k]]);
        yk_detections_free(&d);
        yk_detections_free(&before);
    }
}

static void nothing_stays_nothing(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 3};
    yk_detections d = {0};
    assert_ok(yk_suppress(&head, &(yk_detect_options){.iou = 0.5f, .max_det = 300}, &d));
    assert_int_equal(d.count, 0);
    yk_detections_free(&d);
}

static void end_to_end_heads_are_sorted_and_cut_only(void **state)
{
    (void)state;
    const yk_head heads[] = {{.kind = YK_HEAD_DECODED_END2END, .classes = 2},
                             {.kind = YK_HEAD_ANCHOR_FREE, .classes = 2, .end2end = true}};
    for (size_t i = 0; i < YK_COUNT(heads); i++) {
        yk_detections d = {0};
        add(&d, (yolk_detection){0, 0, 10, 10, 0.3f, 1, NULL, 0});
        add(&d, (yolk_detection){0, 0, 10, 10, 0.9f, 1, NULL, 0});
        add(&d, (yolk_detection){0, 0, 10, 10, 0.9f, 0, NULL, 0});
        add(&d, (yolk_detection){0, 0, 10, 10, 0.1f, 1, NULL, 0});
        assert_ok(yk_suppress(&heads[i], &(yk_detect_options){.iou = 0.5f, .max_det = 3}, &d));
        assert_int_equal(d.count, 3);
        assert_int_equal(d.items[0].class_id, 0);
        assert_float_equal(d.items[1].confidence, 0.9f, 0);
        assert_float_equal(d.items[2].confidence, 0.3f, 0);
        yk_detections_free(&d);
    }
}

static void boxes_without_an_area_suppress_nothing(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 1};
    yk_detections d = {0};
    add(&d, (yolk_detection){5, 5, 5, 5, 0.9f, 0, NULL, 0});
    add(&d, (yolk_detection){9, 9, 1, 1, 0.8f, 0, NULL, 0});
    add(&d, (yolk_detection){0, 0, 10, 10, 0.7f, 0, NULL, 0});
    assert_ok(yk_suppress(&head, &(yk_detect_options){.iou = 0.5f, .max_det = 300}, &d));
    assert_int_equal(d.count, 3);
    yk_detections_free(&d);
}

/* ultralytics looks at the best 30000 candidates only. */
static void candidates_beyond_the_limit_are_left_out(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 1};
    yk_detections d = {0};
    for (int i = 0; i < 30100; i++)
        add(&d, (yolk_detection){(float)i * 10, 0, (float)i * 10 + 5, 5, 0.5f, 0, NULL, 0});
    d.items[30050].confidence = 0.6f;
    assert_ok(yk_suppress(&head, &(yk_detect_options){.iou = 0.5f, .max_det = 100000}, &d));
    assert_int_equal(d.count, 30000);
    assert_float_equal(d.items[0].confidence, 0.6f, 0);
    yk_detections_free(&d);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 1};
    yk_detections d = {0};
    add_noise(&d, 10, 1);
    yk_alloc_fail_at(1);
    assert_fails(yk_suppress(&head, &(yk_detect_options){.iou = 0.5f, .max_det = 300}, &d), YOLK_ERROR_OUT_OF_MEMORY,
                 "memory");
    yk_alloc_fail_at(0);
    yk_detections_free(&d);
    yk_alloc_fail_at(1);
    assert_null(yk_detections_next(&d));
    yk_alloc_fail_at(0);
    yk_detections_free(&d);
}

static void ranking_is_stable_whatever_the_sign(void **state)
{
    (void)state;
    static const float values[] = {-INFINITY, -1e30f, -3, -0.5f, 0, 1e-40f, 0.25f, 0.5f, 7, 1e30f, INFINITY};
    static const size_t counts[] = {0, 1, 2, 47, 48, 3000};
    yk_ranked items[3000], spare[3000];
    for (size_t i = 0; i < YK_COUNT(counts); i++) {
        for (size_t k = 0; k < counts[i]; k++)
            items[k] = (yk_ranked){values[noise(YK_COUNT(values))], (uint32_t)k};
        yk_rank(items, spare, counts[i]);
        for (size_t k = 1; k < counts[i]; k++) {
            assert_true(items[k - 1].score >= items[k].score);
            assert_true(items[k - 1].score > items[k].score || items[k - 1].id < items[k].id);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_is_that_of_the_definition),
        cmocka_unit_test(nothing_stays_nothing),
        cmocka_unit_test(end_to_end_heads_are_sorted_and_cut_only),
        cmocka_unit_test(boxes_without_an_area_suppress_nothing),
        cmocka_unit_test(candidates_beyond_the_limit_are_left_out),
        cmocka_unit_test(short_memory_is_reported),
        cmocka_unit_test(ranking_is_stable_whatever_the_sign),
    };
    return cmocka_run_group_tests_name("nms", tests, NULL, NULL);
}
