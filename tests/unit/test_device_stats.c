/* Statistics of several devices and several models, through the manager. */
#include "dummy_test.h"

static void configure(int count)
{
    yk_dummy_device devices[YK_MAX_DEVICES];
    for (int i = 0; i < count; i++)
        devices[i] = (yk_dummy_device){.lives = -1};
    yk_dummy_configure(devices, count);
}

/* Every batch is in all figures. `models` of them looked at each frame. */
static void assert_adds_up(const yolk_stats *s, uint64_t frames, uint64_t models)
{
    uint64_t on_devices = 0, runs_on_devices = 0, runs = 0;
    for (int i = 0; i < s->device_count; i++) {
        on_devices += s->devices[i].frames;
        runs_on_devices += s->devices[i].batches;
    }
    for (int i = 0; i < YOLK_STATS_BATCHES; i++)
        runs += s->batch_sizes[i];
    assert_int_equal(s->frames, frames);
    assert_int_equal(on_devices, models * frames);
    assert_int_equal(runs_on_devices, models * s->batches);
    assert_int_equal(runs, s->batches);
    for (int stage = YOLK_STAGE_PREPROCESS; stage <= YOLK_STAGE_POSTPROCESS; stage++)
        assert_int_equal(s->stages[stage].frames, frames);
}

static void each_device_is_named_and_counted(void **state)
{
    (void)state;
    configure(3);
    yolk_manager *m = dummy_manager("dummy:0,1,2", 4);
    yolk_stats s = dummy_stats(m);
    assert_int_equal(s.device_count, 3);
    assert_int_equal(s.devices[2].frames, 0);
    assert_all_found(m, 96);
    s = dummy_stats(m);
    assert_adds_up(&s, 96, 1);
    uint64_t memory = 0;
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "dummy:%d", i);
        assert_string_equal(s.devices[i].name, name);
        assert_int_equal(s.devices[i].lost, 0);
        assert_int_equal(s.devices[i].batches, yk_dummy_look(i).finished);
        assert_true(s.devices[i].frames == 0 || s.devices[i].busy_seconds > 0);
        memory += s.devices[i].memory_bytes;
    }
    assert_true(memory > 0);
    assert_int_equal(s.batch_sizes[3], s.batches);
    yolk_manager_destroy(&m);
}

static void a_lost_device_keeps_what_it_did(void **state)
{
    (void)state;
    const yk_dummy_device d[2] = {{.lives = 2}, {.lives = -1}};
    yk_dummy_configure(d, 2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    for (int i = 0; i < 5; i++)
        assert_all_found(m, 40);
    yolk_stats s = dummy_stats(m);
    assert_adds_up(&s, 200, 1);
    assert_int_equal(s.devices[0].lost, 1);
    assert_int_equal(s.devices[0].batches, 2);
    assert_int_equal(s.devices[0].memory_bytes, 0);
    assert_int_equal(s.devices[1].lost, 0);
    yolk_manager_destroy(&m);
}

static void models_of_an_ensemble_share_the_devices(void **state)
{
    (void)state;
    configure(2);
    yk_tiny_write(yk_temp_path("other.onnx"), 0, dummy_colours);
    yolk_config c = dummy_settings("dummy:0,1", 4);
    strcpy(c.model, "tiny,other");
    yolk_manager *m;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    assert_all_found(m, 32);
    yolk_stats s = dummy_stats(m);
    assert_int_equal(s.device_count, 2);
    assert_int_equal(s.detections, 32);
    assert_adds_up(&s, 32, 2);
    yolk_manager_destroy(&m);
}

static void the_limit_is_that_of_the_settings(void **state)
{
    (void)state;
    configure(1);
    yolk_config c = dummy_settings("dummy", 1);
    c.memory_limit_mb = 3000;
    yolk_manager *m;
    assert_ok(yolk_manager_create(&c, &m));
    yolk_stats s = dummy_stats(m); /* nothing is loaded yet */
    assert_int_equal(s.memory.limit, UINT64_C(3000) << 20);
    assert_int_equal(s.device_count, 0);
    yolk_manager_destroy(&m);
}

/* A new model begins at zero, on the same devices. */
static void loading_again_begins_anew(void **state)
{
    (void)state;
    configure(2);
    yolk_manager *m = dummy_manager("dummy:0,1", 4);
    assert_all_found(m, 20);
    assert_ok(yolk_manager_load(m, NULL, 0));
    yolk_stats s = dummy_stats(m);
    assert_int_equal(s.frames + s.batches + s.devices[0].frames + s.devices[1].frames, 0);
    assert_string_equal(s.devices[1].name, "dummy:1");
    assert_all_found(m, 8);
    s = dummy_stats(m);
    assert_adds_up(&s, 8, 1);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device_is_named_and_counted),
        cmocka_unit_test(a_lost_device_keeps_what_it_did),
        cmocka_unit_test(models_of_an_ensemble_share_the_devices),
        cmocka_unit_test(the_limit_is_that_of_the_settings),
        cmocka_unit_test(loading_again_begins_anew),
    };
    return cmocka_run_group_tests_name("device_stats", tests, dummy_make, yk_temp_remove);
}
