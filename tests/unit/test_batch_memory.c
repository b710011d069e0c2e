/* Devices that are short of memory: batches become smaller, and no frame is lost. */
#include "dummy_test.h"

/* One slot, so that a batch of n frames takes 10 * n bytes. */
static const yk_dummy_device hundred = {.memory = 100, .frame_bytes = 10, .slots = 1, .lives = -1};

static int fresh(void **state)
{
    (void)state;
    dummy_log[0] = '\0';
    yolk_log_set(dummy_note, NULL, YOLK_LOG_WARNING);
    return 0;
}

static int quiet(void **state)
{
    (void)state;
    yolk_log_set(NULL, NULL, YOLK_LOG_WARNING);
    return 0;
}

/* Frames that a batch of at most `wanted` has room for now. */
static int room(yolk_manager *m, int wanted)
{
    yk_batch *b;
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, wanted, &b));
    int found = yk_batch_room(b);
    yk_batch_close(&b);
    return found;
}

static void a_batch_that_does_not_fit_is_compiled_smaller(void **state)
{
    (void)state;
    yk_dummy_configure(&hundred, 1);
    yolk_manager *m = dummy_manager("dummy", 16);
    assert_all_found(m, 50);
    assert_int_equal(yk_dummy_look(0).largest, 8);
    assert_int_equal(yk_dummy_look(0).peak, 80);
    assert_true(dummy_said("device dummy:0: batches of 8 frames instead of 16"));
    assert_int_equal(dummy_stats(m).frames, 50);
    assert_int_equal(dummy_stats(m).batches, 7);
    yolk_manager_destroy(&m);
    assert_int_equal(yk_dummy_look(0).used, 0);
}

/* Memory that runs out once, at each call in turn that may find it so. */
static void each_call_may_run_out_of_memory(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        for (long n = 1; n <= 5; n++) {
            yk_dummy_device d = {.lives = -1, .slots = 2};
            *(what == 0 ? &d.short_compile : what == 1 ? &d.short_start : &d.short_wait) = n;
            yk_dummy_configure(&d, 1);
            yolk_manager *m = dummy_manager("dummy", 8);
            assert_all_found(m, 44);
            assert_int_equal(dummy_stats(m).frames, 44);
            assert_int_equal(dummy_stats(m).detections, 44);
            yolk_manager_destroy(&m);
        }
    }
    assert_true(dummy_said("not enough memory for 8 frames of 64x64 at once, going on with 4"));
}

static void halves_are_counted_as_they_were_run(void **state)
{
    (void)state;
    yk_dummy_device d = {.lives = -1, .slots = 1, .short_wait = 1};
    yk_dummy_configure(&d, 1);
    yolk_manager *m = dummy_manager("dummy", 8);
    assert_all_found(m, 8);
    assert_int_equal(dummy_stats(m).frames, 8);
    assert_int_equal(dummy_stats(m).batches, 2);
    assert_int_equal(yk_dummy_look(0).largest, 4);
    assert_int_equal(yk_dummy_look(0).finished, 2);
    yolk_manager_destroy(&m);
}

static void it_goes_down_to_one_frame(void **state)
{
    (void)state;
    yk_dummy_configure(&hundred, 1);
    yolk_manager *m = dummy_manager("dummy", 8);
    assert_int_equal(room(m, 8), 8);
    yk_batch *b;
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 8, &b));
    for (int i = 0; i < 8; i++)
        assert_ok(yk_batch_fill(b, i, &dummy_frames[i]));
    yk_dummy_occupy(0, 90); /* by somebody else, between two calls */
    yk_batch_start(b, 8);
    yk_detections found[8] = {{0}};
    assert_ok(yk_batch_finish(b, found));
    for (size_t i = 0; i < 8; i++) {
        assert_true(dummy_right(i, found[i].items, found[i].count));
        yk_detections_free(&found[i]);
    }
    yk_batch_close(&b);
    assert_int_equal(yk_dummy_look(0).finished, 8);
    yolk_manager_destroy(&m);
}

static void memory_for_no_frame_fails_with_a_sentence(void **state)
{
    (void)state;
    yk_dummy_configure(&hundred, 1);
    yolk_manager *m = dummy_manager("dummy", 4);
    yolk_results *results;
    assert_all_found(m, 4);
    yk_dummy_occupy(0, 95);
    assert_fails(yolk_manager_predict_batch(m, dummy_frames, 4, NULL, &results), YOLK_ERROR_OUT_OF_MEMORY,
                 "tiny.onnx: device 'dummy:0' has not enough memory to compile");
    assert_null(results);
    assert_fails(yolk_manager_predict_batch(m, dummy_frames, 40, NULL, &results), YOLK_ERROR_OUT_OF_MEMORY, "dummy:0");
    yk_dummy_occupy(0, 0);
    assert_all_found(m, 40);
    yolk_manager_destroy(&m);
}

static void another_device_does_what_one_has_no_memory_for(void **state)
{
    (void)state;
    yk_dummy_device d[2] = {hundred, {.lives = -1}};
    d[0].memory = 5;
    yk_dummy_configure(d, 2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64}, 4));
    assert_all_found(m, 30);
    assert_int_equal(yk_dummy_look(0).finished, 0);
    yolk_manager_destroy(&m);
    /* And what it has no memory for any more, in the middle of the work. */
    d[0].memory = 100;
    yk_dummy_configure(d, 2);
    m = dummy_manager("dummy:0,1", 4);
    yk_batch *b;
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 4, &b));
    for (int i = 0; i < 4; i++)
        assert_ok(yk_batch_fill(b, i, &dummy_frames[i]));
    yk_dummy_occupy(0, 100);
    yk_batch_start(b, 4);
    yk_detections found[4] = {{0}};
    assert_ok(yk_batch_finish(b, found));
    for (size_t i = 0; i < 4; i++) {
        assert_true(dummy_right(i, found[i].items, found[i].count));
        yk_detections_free(&found[i]);
    }
    yk_batch_close(&b);
    assert_int_equal(yk_dummy_look(0).finished, 0);
    yolk_manager_destroy(&m);
}

static void batches_grow_again_when_memory_returns(void **state)
{
    (void)state;
    yk_dummy_configure(&hundred, 1);
    yolk_manager *m = dummy_manager("dummy", 8);
    yk_dummy_occupy(0, 70);
    assert_int_equal(room(m, 8), 2);
    for (int i = 0; i < 2 * YK_SIZING_MOST_PATIENCE && room(m, 8) < 8; i += 10) {
        assert_all_found(m, 80);
        if (i == 200) {
            /* Time alone does not help. */
            assert_int_equal(room(m, 8), 2);
            yk_dummy_occupy(0, 0);
        }
    }
    assert_int_equal(room(m, 8), 8);
    assert_true(yk_dummy_look(0).peak <= 100);
    yolk_manager_destroy(&m);
}

static void memory_is_looked_at_before_each_batch(void **state)
{
    (void)state;
    yk_dummy_configure(&hundred, 1);
    yolk_manager *m = dummy_manager("dummy", 8);
    assert_all_found(m, 16);
    assert_int_equal(room(m, 8), 8);
    /* 15 are free and 80 held: 80 % of that are 7 frames, so that the next half is taken, and 40 given back. */
    yk_dummy_occupy(0, 5);
    assert_int_equal(room(m, 8), 4);
    assert_all_found(m, 16);
    yk_dummy_occupy(0, 0);
    assert_int_equal(room(m, 8), 8);
    assert_int_equal(yk_dummy_look(0).started, yk_dummy_look(0).finished); /* nothing had failed before */
    yolk_manager_destroy(&m);
}

/* Several batches of the large size are under way when memory runs out under all of them. */
static void what_is_under_way_is_run_again_too(void **state)
{
    (void)state;
    yk_dummy_device d = {.memory = 1000, .frame_bytes = 10, .slots = 3, .lives = -1};
    yk_dummy_configure(&d, 1);
    yolk_manager *m = dummy_manager("dummy", 8);
    yk_batch *batches[3];
    for (int k = 0; k < 3; k++) {
        assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 8, &batches[k]));
        for (int i = 0; i < 8; i++)
            assert_ok(yk_batch_fill(batches[k], i, &dummy_frames[k * 8 + i]));
    }
    yk_dummy_occupy(0, 900); /* too little for the 240 that are held; three slots of a half would take 120 */
    for (int k = 0; k < 3; k++)
        yk_batch_start(batches[k], 8);
    for (size_t k = 0; k < 3; k++) {
        yk_detections found[8] = {{0}};
        assert_ok(yk_batch_finish(batches[k], found));
        for (size_t i = 0; i < 8; i++) {
            assert_true(dummy_right(k * 8 + i, found[i].items, found[i].count));
            yk_detections_free(&found[i]);
        }
        yk_batch_close(&batches[k]);
    }
    assert_true(yk_dummy_look(0).largest <= 2);
    assert_int_equal(dummy_stats(m).frames, 24);
    yolk_manager_destroy(&m);
    assert_int_equal(yk_dummy_look(0).used, 0);
}

static void a_batch_of_fixed_size_is_not_divided(void **state)
{
    (void)state;
    yk_tiny_write(yk_temp_path("pairs.onnx"), 2, dummy_colours);
    yk_dummy_configure(&hundred, 1);
    yolk_manager *m = dummy_manager("dummy", 0);
    yolk_results *results;
    assert_ok(yolk_manager_load(m, "pairs", 0));
    assert_all_found(m, 6);
    yk_dummy_occupy(0, 81);
    assert_fails(yolk_manager_predict_batch(m, dummy_frames, 6, NULL, &results), YOLK_ERROR_OUT_OF_MEMORY,
                 "not enough memory to start a batch");
    yk_dummy_occupy(0, 80);
    assert_all_found(m, 6);
    assert_int_equal(yk_dummy_look(0).largest, 2);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_that_does_not_fit_is_compiled_smaller, fresh, quiet),
        cmocka_unit_test_setup_teardown(each_call_may_run_out_of_memory, fresh, quiet),
        cmocka_unit_test(halves_are_counted_as_they_were_run),
        cmocka_unit_test(it_goes_down_to_one_frame),
        cmocka_unit_test(memory_for_no_frame_fails_with_a_sentence),
        cmocka_unit_test(another_device_does_what_one_has_no_memory_for),
        cmocka_unit_test(batches_grow_again_when_memory_returns),
        cmocka_unit_test(memory_is_looked_at_before_each_batch),
        cmocka_unit_test(what_is_under_way_is_run_again_too),
        cmocka_unit_test(a_batch_of_fixed_size_is_not_divided),
    };
    return cmocka_run_group_tests_name("batch_memory", tests, dummy_make, yk_temp_remove);
}
