/* Average precision, against pycocotools' figure for the same made-up boxes. */
#include <math.h>

#include "base/base.h"
#include "convert/ap.h"
#include "yk_test.h"

enum { PICTURES = 40, CLASSES = 3 };

static uint32_t seed;
static int number(int below)
{
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 8) % (uint32_t)below);
}

/* True boxes, and found ones that are near them or nowhere; every ninth true one is a crowd. */
static yk_ap *made_up(bool crowds)
{
    yk_ap *ap;
    assert_ok(yk_ap_create(CLASSES, &ap));
    seed = 7;
    for (int p = 0; p < PICTURES; p++) {
        yk_true_box truth[8];
        yolk_detection found[16] = {0};
        int wanted = number(8), count = 0;
        for (int i = 0; i < wanted; i++) {
            int x = number(400), y = number(400), w = 20 + number(180), h = 20 + number(180), c = number(CLASSES);
            int crowd = number(9) == 0;
            truth[i] = (yk_true_box){(float)x, (float)y, (float)(x + w), (float)(y + h), c, crowds && crowd};
            int times = number(3);
            for (int k = 0; k < times; k++) {
                int dx = number(w / 4), dy = number(h / 4), score = number(1000);
                found[count++] = (yolk_detection){.x1 = (float)(x + dx),
                                                  .y1 = (float)(y + dy),
                                                  .x2 = (float)(x + dx + w),
                                                  .y2 = (float)(y + dy + h),
                                                  .confidence = (float)score / 1000,
                                                  .class_id = c};
            }
        }
        /* By falling confidence, those that are equal in their order. */
        for (int i = 1; i < count; i++) {
            for (int k = i; k > 0 && found[k - 1].confidence < found[k].confidence; k--) {
                yolk_detection other = found[k];
                found[k] = found[k - 1];
                found[k - 1] = other;
            }
        }
        assert_ok(yk_ap_add(ap, truth, (size_t)wanted, found, (size_t)count));
    }
    return ap;
}

static void it_is_what_pycocotools_finds(void **state)
{
    (void)state;
    double result, at50;
    yk_ap *ap = made_up(false);
    assert_ok(yk_ap_result(ap, &result, &at50));
    yk_ap_destroy(&ap);
    assert_true(fabs(result - 0.205967) < 1e-4);
    assert_true(fabs(at50 - 0.584520) < 1e-4);
}

static void crowds_are_neither_right_nor_wrong(void **state)
{
    (void)state;
    double result, at50;
    yk_ap *ap = made_up(true);
    assert_ok(yk_ap_result(ap, &result, &at50));
    yk_ap_destroy(&ap);
    assert_true(fabs(result - 0.199552) < 1e-4);
    assert_true(fabs(at50 - 0.584262) < 1e-4);
}

static void perfect_and_nothing(void **state)
{
    (void)state;
    const yk_true_box truth[2] = {{0, 0, 10, 10, 0, false}, {20, 20, 40, 40, 2, false}};
    yolk_detection found[2] = {{0, 0, 10, 10, 0.9f, 0, NULL, 0}, {20, 20, 40, 40, 0.8f, 2, NULL, 0}};
    double result, at50;
    yk_ap *ap;
    assert_ok(yk_ap_create(CLASSES, &ap));
    assert_ok(yk_ap_result(ap, &result, &at50));
    assert_true(result == 0 && at50 == 0);
    assert_ok(yk_ap_add(ap, truth, 2, found, 2));
    assert_ok(yk_ap_result(ap, &result, &at50));
    assert_true(fabs(result - 1) < 1e-12);
    yk_ap_destroy(&ap);
    assert_ok(yk_ap_create(CLASSES, &ap));
    assert_ok(yk_ap_add(ap, truth, 2, NULL, 0));
    assert_ok(yk_ap_result(ap, &result, NULL));
    assert_true(result == 0);
    yk_ap_destroy(&ap);
}

/* A second box on the same object is wrong, and so is one of another class. */
static void each_object_counts_once(void **state)
{
    (void)state;
    const yk_true_box truth = {0, 0, 10, 10, 0, false};
    const yolk_detection twice[2] = {{0, 0, 10, 10, 0.9f, 1, NULL, 0}, {0, 0, 10, 10, 0.8f, 0, NULL, 0}};
    const yolk_detection again[2] = {{0, 0, 10, 5, 0.9f, 0, NULL, 0}, {0, 0, 10, 10, 0.8f, 0, NULL, 0}};
    double result, at50;
    yk_ap *ap;
    assert_ok(yk_ap_create(CLASSES, &ap));
    assert_ok(yk_ap_add(ap, &truth, 1, twice, 2));
    assert_ok(yk_ap_result(ap, &result, &at50));
    assert_true(fabs(result - 1) < 1e-12); /* class 1 has nothing to find and does not count */
    yk_ap_destroy(&ap);
    assert_ok(yk_ap_create(CLASSES, &ap));
    assert_ok(yk_ap_add(ap, &truth, 1, again, 2));
    assert_ok(yk_ap_result(ap, &result, &at50));
    assert_true(fabs(at50 - 1) < 1e-12);
    assert_true(fabs(result - (1 + 9 * 0.5) / 10) < 1e-12);
    yk_ap_destroy(&ap);
}

static void no_more_than_100_of_a_class(void **state)
{
    (void)state;
    enum { MANY = 101 };
    const yk_true_box truth = {0, 0, 10, 10, 0, false};
    static yolk_detection found[MANY];
    double result;
    for (int i = 0; i < MANY; i++)
        found[i] = (yolk_detection){.x1 = 100, .y1 = 100, .x2 = 110, .y2 = 110, .confidence = 0.9f};
    found[MANY - 1] = (yolk_detection){.x2 = 10, .y2 = 10, .confidence = 0.5f};
    yk_ap *ap;
    assert_ok(yk_ap_create(CLASSES, &ap));
    assert_ok(yk_ap_add(ap, &truth, 1, found, MANY));
    assert_ok(yk_ap_result(ap, &result, NULL));
    assert_true(result == 0);
    assert_ok(yk_ap_add(ap, &truth, 1, found + 1, MANY - 1));
    assert_ok(yk_ap_result(ap, &result, NULL));
    assert_true(result > 0);
    yk_ap_destroy(&ap);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const yk_true_box truth = {0, 0, 10, 10, 0, false};
    const yolk_detection found = {0, 0, 10, 10, 0.9f, 0, NULL, 0};
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n++) {
        yk_ap *ap;
        double result;
        yk_alloc_fail_at(n);
        status = yk_ap_create(CLASSES, &ap);
        if (status == YOLK_OK)
            status = yk_ap_add(ap, &truth, 1, &found, 1);
        if (status == YOLK_OK)
            status = yk_ap_result(ap, &result, NULL);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
        yk_ap_destroy(&ap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_pycocotools_finds), cmocka_unit_test(crowds_are_neither_right_nor_wrong),
        cmocka_unit_test(perfect_and_nothing),          cmocka_unit_test(each_object_counts_once),
        cmocka_unit_test(no_more_than_100_of_a_class),  cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("average precision", tests, NULL, NULL);
}
