/* Every allocation fails in turn, in the whole way from a file to detections and through recovery: no crash, no wait
 * without end, no leak, and either an error or everything found. */
#include "dummy_test.h"

/* Loads and predicts with the n-th allocation and all later ones failing; true when there were fewer. */
static bool survives(long n, const char *devices, const char *models, bool changes)
{
    enum { COUNT = 11 };
    yolk_config c = dummy_settings(devices, 4);
    yolk_manager *m = NULL;
    yolk_results *results = NULL;
    c.warmup = 1;
    yk_alloc_fail_at(n);
    yolk_status status = yolk_manager_create(&c, &m);
    if (status == YOLK_OK)
        status = yolk_manager_load(m, models, 0);
    if (status == YOLK_OK)
        status = yolk_manager_predict_batch(m, dummy_frames, COUNT, NULL, &results);
    if (status == YOLK_OK && changes) {
        yk_dummy_lose(0);
        yolk_results_destroy(&results);
        status = yolk_manager_predict_batch(m, dummy_frames, COUNT, NULL, &results);
    }
    bool enough = yk_alloc_count() < n;
    yk_alloc_fail_at(0);
    if (status == YOLK_OK) {
        for (size_t i = 0; i < COUNT; i++) {
            yolk_frame_detections found = yolk_results_frame(results, i);
            assert_true(dummy_right(i, found.items, found.count));
        }
    } else {
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_null(results);
        assert_true(yolk_last_error()[0] != '\0');
    }
    assert_true(status == YOLK_OK || !enough);
    yolk_results_destroy(&results);
    yolk_manager_destroy(&m);
    assert_int_equal(yk_dummy_look(0).used + yk_dummy_look(1).used, 0);
    return enough;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const yk_dummy_device d[2] = {{.lives = -1, .frame_bytes = 10}, {.lives = -1, .frame_bytes = 10}};
    long n = 1;
    yk_dummy_configure(d, 2);
    while (!survives(n, "dummy:0,1", "tiny", false))
        n++;
    assert_true(n > 100);
}

/* While a device runs short of its own memory or is lost. */
static void they_may_fail_while_something_else_goes_wrong(void **state)
{
    (void)state;
    long n = 100;
    bool enough = false;
    for (; !enough; n++) {
        const yk_dummy_device d[2] = {{.lives = -1, .short_wait = 2, .short_compile = 2},
                                      {.short_start = 3, .lives = -1}};
        yk_dummy_configure(d, 2);
        enough = survives(n, "dummy:0,1", "tiny", true);
    }
    assert_true(n > 150);
}

static void they_may_fail_with_several_models(void **state)
{
    (void)state;
    const yk_dummy_device d = {.lives = -1, .frame_bytes = 10};
    yk_dummy_configure(&d, 1);
    /* Those of one model were seen to: from where the second one begins, and not each. */
    long n = 150;
    while (!survives(n, "dummy", "tiny,tiny", false))
        n += 3;
    assert_true(n > 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(they_may_fail_while_something_else_goes_wrong),
        cmocka_unit_test(they_may_fail_with_several_models),
    };
    return cmocka_run_group_tests_name("batch_faults", tests, dummy_make, yk_temp_remove);
}
