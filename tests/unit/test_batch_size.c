/* What batch the manager would choose, and why; and the limit on memory. */
#include "dummy_test.h"
#include "model/memory.h"

static const yolk_size small = {64, 64};

static int make(void **state)
{
    if (dummy_make(state) != 0)
        return -1;
    yk_tiny_write(yk_temp_path("pairs.onnx"), 2, dummy_colours);
    return 0;
}

static yolk_batch_choice choice(yolk_manager *m, uint64_t available)
{
    yolk_batch_choice c;
    assert_ok(yolk_manager_optimal_batch(m, small, available, &c));
    return c;
}

static void bytes_are_measured_when_a_model_is_made_ready(void **state)
{
    (void)state;
    yk_dummy_configure(
        &(yk_dummy_device){.memory = 1000000, .frame_bytes = 1000, .network_bytes = 500, .slots = 2, .lives = -1}, 1);
    yolk_manager *m = dummy_manager("dummy", 8);
    assert_int_equal(choice(m, 0).measured, 0);
    assert_true(choice(m, 0).bytes_per_frame > 64 * 64 * 3);
    assert_all_found(m, 30);
    yolk_batch_choice c = choice(m, 0);
    assert_int_equal(c.measured, 1);
    /* Two slots of 8 frames, and the network, which one size alone does not tell apart. */
    assert_int_equal(c.bytes_per_frame, (2 * 8 * 1000 + 500) / 8);
    assert_int_equal(c.available, yk_backend_dummy.free_memory(0));
    assert_int_equal(c.batch, 8);
    assert_non_null(strstr(c.reason, "8 frames: as the settings say; 80 % of "));
    assert_non_null(strstr(c.reason, "as measured"));
    /* A second size tells them apart. */
    yk_batch *b;
    assert_ok(yk_batch_open(m, small, 4, &b));
    yk_batch_close(&b);
    c = choice(m, 0);
    assert_int_equal(c.bytes_per_frame, 2000);
    assert_int_equal(c.network_bytes, 500);
    yolk_manager_destroy(&m);
}

static void four_fifths_are_taken_at_most(void **state)
{
    (void)state;
    yk_dummy_configure(&(yk_dummy_device){.memory = 1000000, .frame_bytes = 1000, .slots = 1, .lives = -1}, 1);
    yolk_manager *m = dummy_manager("dummy", 64);
    assert_all_found(m, 64);
    for (uint64_t available = 1; available < 100000; available += 97) {
        yolk_batch_choice c = choice(m, available);
        assert_int_equal(c.available, available);
        assert_true(c.batch == 1 || (uint64_t)c.batch * c.bytes_per_frame <= available * 4 / 5);
        assert_true(c.batch == 64 || (uint64_t)(c.batch + 1) * c.bytes_per_frame > available / 5 * 4);
        if (c.batch < 64)
            assert_non_null(strstr(c.reason, "memory allows no more"));
    }
    assert_int_equal(choice(m, 1000000).batch, 64);
    yolk_manager_destroy(&m);
}

static void without_a_setting_the_table_is_the_limit(void **state)
{
    (void)state;
    yk_dummy_configure(&(yk_dummy_device){.lives = -1}, 1);
    yolk_manager *m = dummy_manager("dummy", 0);
    yolk_batch_choice c = choice(m, 0);
    assert_int_equal(c.batch, 8);
    assert_int_equal(c.available, 0);
    assert_non_null(strstr(c.reason, "the settings' table allows no more; how much memory is free is not known"));
    assert_int_equal(yk_manager_batch(m, 3840, 2160), 4);
    assert_int_equal(yk_manager_batch(m, 7680, 4320), 2);
    yolk_manager_destroy(&m);
}

static void a_processor_gains_nothing_from_batches(void **state)
{
    (void)state;
    yolk_config c = dummy_settings("cpu", 0);
    yolk_manager *m;
    strcpy(c.backend, "reference");
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    yolk_batch_choice chosen = choice(m, 0);
    assert_int_equal(chosen.batch, 1);
    assert_non_null(strstr(chosen.reason, "1 frame: larger batches gain nothing on this device; 80 % of "));
    assert_int_equal(yk_manager_batch(m, 1920, 1080), 1);
    yolk_manager_destroy(&m);
    c.batch = 6; /* but does as it is told */
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    assert_int_equal(choice(m, 0).batch, 6);
    yk_batch *b;
    assert_ok(yk_batch_open(m, small, yk_manager_batch(m, 1920, 1080), &b));
    assert_int_equal(yk_batch_room(b), 6);
    yk_batch_close(&b);
    yolk_manager_destroy(&m);
}

static void what_cannot_be_chosen_is_said(void **state)
{
    (void)state;
    yolk_batch_choice c;
    yk_dummy_configure(&(yk_dummy_device){.memory = 100, .lives = -1}, 1);
    yolk_config settings = dummy_settings("dummy", 0);
    yolk_manager *m;
    assert_ok(yolk_manager_create(&settings, &m));
    assert_fails(yolk_manager_optimal_batch(m, small, 0, &c), YOLK_ERROR_NOT_FOUND, "no model is loaded");
    assert_ok(yolk_manager_load(m, "pairs", 0));
    assert_fails(yolk_manager_optimal_batch(m, (yolk_size){128, 64}, 0, &c), YOLK_ERROR_UNSUPPORTED, "64x64");
    /* A model of fixed batch has no choice, and says so. */
    c = choice(m, 10);
    assert_int_equal(c.batch, 2);
    assert_non_null(strstr(c.reason, "the model was exported for batches of this size"));
    assert_ok(yolk_manager_load(m, "tiny", 0));
    assert_fails(yolk_manager_optimal_batch(m, (yolk_size){60, 64}, 0, &c), YOLK_ERROR_INVALID_ARGUMENT,
                 "multiples of 8");
    yolk_manager_destroy(&m);
}

static void models_together_need_memory_together(void **state)
{
    (void)state;
    yk_dummy_configure(&(yk_dummy_device){.memory = 100000, .frame_bytes = 1000, .slots = 1, .lives = -1}, 1);
    yolk_manager *m = dummy_manager("dummy", 4);
    assert_ok(yolk_manager_load(m, "tiny,tiny,tiny", 0));
    assert_all_found(m, 12);
    yolk_batch_choice c = choice(m, 10000);
    assert_int_equal(c.bytes_per_frame, 3000);
    assert_int_equal(c.batch, 2);
    yolk_manager_destroy(&m);
}

static void needs_are_estimated_by_the_layers(void **state)
{
    (void)state;
    yk_graph *g = yk_tiny_graph(dummy_colours);
    yk_need one, four;
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    assert_ok(yk_memory_estimate(g, &one));
    assert_ok(yk_graph_bind(g, 4, 64, 64));
    assert_ok(yk_memory_estimate(g, &four));
    assert_int_equal(one.network, 4 * yk_graph_parameters(g));
    assert_int_equal(four.network, one.network);
    assert_int_equal(four.frame, one.frame);
    /* The input and both outputs live at once, and are kept as well. */
    assert_int_equal(one.frame, 2 * 4 * (3 * 64 * 64 + (4 + 3) * 64));
    yk_alloc_fail_at(1);
    yolk_status status = yk_memory_estimate(g, &one);
    yk_alloc_fail_at(0);
    assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
    yk_graph_destroy(&g);
}

static yolk_manager *limited(int64_t mb, int batch)
{
    yolk_config c = dummy_settings("cpu", batch);
    yolk_manager *m;
    strcpy(c.backend, "reference");
    c.memory_limit_mb = mb;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    return m;
}

static int64_t resident_mb(void)
{
    uint64_t now;
    yolk_memory_usage(&now, NULL);
    return (int64_t)(now >> 20);
}

/* A frame takes about 100 MB, twice that with what is alive beside it. */
static void a_limit_is_kept_by_taking_smaller_batches(void **state)
{
    (void)state;
    const yolk_size large = {2048, 2048};
    const int64_t limit = resident_mb() + 500;
    yolk_manager *m = limited(limit, 16);
    yk_batch *b;
    assert_ok(yk_batch_open(m, large, 16, &b));
    assert_in_range(yk_batch_room(b), 1, 8);
    yk_batch_close(&b);
    uint64_t peak;
    yolk_memory_usage(NULL, &peak);
    assert_true(peak <= (uint64_t)limit << 20);
    yolk_manager_destroy(&m);
}

static void idle_sessions_are_given_back_for_a_limit(void **state)
{
    (void)state;
    yolk_manager *m = limited(resident_mb() + 400, 1);
    yk_set *set = yk_manager_set(m);
    for (int i = 0; i < 4; i++)
        assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64 + 8 * i}, 1));
    assert_non_null(set->models[0]->replicas[0].kept[3]);
    /* Much larger: only when the others are gone is it even tried, and then it is refused. */
    assert_fails(yolk_manager_prepare(m, (yolk_size){8192, 8192}, 1), YOLK_ERROR_LIMIT, "the network needs about");
    for (int i = 0; i < YK_KEPT_SESSIONS; i++)
        assert_null(set->models[0]->replicas[0].kept[i]);
    assert_all_found(m, 5);
    yk_set_release(&set);
    yolk_manager_destroy(&m);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void looking_at_memory_takes_no_time(void **state)
{
    (void)state;
    static uint64_t took[2001];
    yolk_manager *m = limited(1 << 20, 1);
    yk_set *set = yk_manager_set(m);
    for (size_t i = 0; i < YK_COUNT(took); i++) {
        uint64_t start = yk_now_ns();
        assert_ok(yk_model_make_room(set->models[0], 1 << 20));
        took[i] = yk_now_ns() - start;
    }
    qsort(took, YK_COUNT(took), sizeof *took, by_size);
    print_message("a check takes %llu ns, the quickest %llu\n", (unsigned long long)took[YK_COUNT(took) / 2],
                  (unsigned long long)took[0]);
    assert_true(took[YK_COUNT(took) / 2] < 20000);
    yk_set_release(&set);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_measured_when_a_model_is_made_ready),
        cmocka_unit_test(four_fifths_are_taken_at_most),
        cmocka_unit_test(without_a_setting_the_table_is_the_limit),
        cmocka_unit_test(a_processor_gains_nothing_from_batches),
        cmocka_unit_test(what_cannot_be_chosen_is_said),
        cmocka_unit_test(models_together_need_memory_together),
        cmocka_unit_test(needs_are_estimated_by_the_layers),
        cmocka_unit_test(a_limit_is_kept_by_taking_smaller_batches),
        cmocka_unit_test(idle_sessions_are_given_back_for_a_limit),
        cmocka_unit_test(looking_at_memory_takes_no_time),
    };
    return cmocka_run_group_tests_name("batch_size", tests, make, yk_temp_remove);
}
