/* Several models in one manager. */
#include "dummy_test.h"

static const char *const others[] = {"red", "green", "violet"};

static int make(void **state)
{
    if (dummy_make(state) != 0)
        return -1;
    yk_tiny_write(yk_temp_path("second.onnx"), 0, dummy_colours);
    yk_tiny_write(yk_temp_path("fixed.onnx"), 1, dummy_colours);
    yk_tiny_write(yk_temp_path("pairs.onnx"), 2, dummy_colours);
    yk_tiny_write(yk_temp_path("violet.onnx"), 0, others);
    yk_tiny_write(yk_temp_path("with,comma.onnx"), 0, dummy_colours);
    return 0;
}

static void configure(int count)
{
    yk_dummy_device devices[YK_MAX_DEVICES];
    for (int i = 0; i < count; i++)
        devices[i] = (yk_dummy_device){.lives = -1};
    yk_dummy_configure(devices, count);
}

static yolk_manager *created(const char *devices, const char *vote)
{
    yolk_config c = dummy_settings(devices, 4);
    yolk_manager *m;
    if (vote) {
        assert_ok(yolk_config_set(&c, "ensemble", "vote"));
        assert_ok(yolk_config_set(&c, "ensemble_votes", vote));
    }
    assert_ok(yolk_manager_create(&c, &m));
    return m;
}

static void each_model_can_be_asked_about(void **state)
{
    (void)state;
    configure(1);
    yolk_manager *m = created("dummy", NULL);
    yolk_model_info info;
    assert_int_equal(yolk_manager_model_count(m), 0);
    assert_fails(yolk_manager_info_at(m, 0, &info), YOLK_ERROR_NOT_FOUND, "no model is loaded");
    assert_ok(yolk_manager_load(m, "tiny, second,fixed", 0));
    assert_int_equal(yolk_manager_model_count(m), 3);
    static const char *const names[] = {"tiny", "second", "fixed"};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(yolk_manager_info_at(m, i, &info));
        assert_string_equal(info.name, names[i]);
    }
    assert_fails(yolk_manager_info_at(m, 3, &info), YOLK_ERROR_NOT_FOUND, "there is no model 3, only 3 of them");
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.name, "tiny");
    yolk_manager_destroy(&m);
}

static void what_all_of_them_find_is_found_once(void **state)
{
    (void)state;
    configure(1);
    static const char *const lists[] = {"tiny,second", "second,fixed", "tiny,pairs,second", "tiny,tiny,tiny,tiny"};
    for (size_t i = 0; i < YK_COUNT(lists); i++) {
        yolk_manager *m = created("dummy", i % 2 ? "unanimous" : NULL);
        assert_ok(yolk_manager_load(m, lists[i], 0));
        yolk_results *results;
        uint64_t start = yk_now_ns();
        assert_ok(yolk_manager_predict_batch(m, dummy_frames, 30, NULL, &results));
        double wall = (double)(yk_now_ns() - start) * 1e-9;
        for (size_t k = 0; k < 30; k++) {
            yolk_frame_detections found = yolk_results_frame(results, k);
            assert_int_equal(found.count, 1);
            assert_float_equal(found.items->x1, (float)(k % 8 * 8), 1e-3);
            assert_float_equal(found.items->y2, (float)(k / 8 * 8 + 8), 1e-3);
            assert_string_equal(found.items->class_name, dummy_colours[k % 3]);
            assert_true(found.items->confidence > 0.9f);
        }
        yolk_results_destroy(&results);
        /* A frame is one frame, by however many models it was looked at. */
        yolk_stats stats = dummy_stats(m);
        assert_int_equal(stats.frames, 30);
        assert_int_equal(stats.detections, 30);
        assert_int_equal(stats.stages[YOLK_STAGE_INFER].frames, 30);
        /* The models take turns on the device, so that it is not busy for longer than it took. */
        assert_true(stats.devices[0].busy_seconds <= wall);
        yolk_manager_destroy(&m);
    }
}

/* With a letterbox of its own each: the second one's input is of another shape than the first one's. */
static void each_model_has_its_own_input(void **state)
{
    (void)state;
    configure(1);
    yolk_manager *m = created("dummy", NULL);
    static uint8_t pixels[128 * 64 * 3];
    yolk_image wide = yk_tiny_picture(pixels, 128, 64, 0, 0, 0);
    /* 16 x 16 pixels at (64, 16), so that a cell shows it in half the size too. */
    memset(pixels, 0, sizeof pixels);
    for (int y = 16; y < 32; y++) {
        for (int x = 64; x < 80; x++)
            pixels[(y * 128 + x) * 3 + 1] = 255;
    }
    yolk_size input = {64, 32};
    yolk_results *results;
    assert_ok(yolk_manager_load(m, "tiny,fixed", 0));
    assert_ok(yolk_manager_predict_batch(m, &wide, 1, &input, &results));
    assert_int_equal(yolk_results_frame(results, 0).count, 1);
    const yolk_detection *d = yolk_results_frame(results, 0).items;
    assert_float_equal(d->x1, 64, 0.5);
    assert_float_equal(d->y1, 16, 0.5);
    assert_float_equal(d->x2, 80, 0.5);
    assert_float_equal(d->y2, 32, 0.5);
    yolk_results_destroy(&results);
    yk_set *set = yk_manager_set(m);
    assert_int_equal(set->models[0]->replicas[0].kept[0]->key.size.height, 32);
    assert_int_equal(set->models[1]->replicas[0].kept[0]->key.size.height, 64);
    yk_set_release(&set);
    yolk_manager_destroy(&m);
}

static void models_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    configure(1);
    yolk_manager *m = created("dummy", NULL);
    assert_ok(yolk_manager_load(m, "tiny,second", 0));
    assert_fails(yolk_manager_load(m, "tiny,violet", 0), YOLK_ERROR_UNSUPPORTED, "violet.onnx and 'blue' in");
    assert_non_null(strstr(yolk_last_error(), "class 2 is 'violet' in"));
    assert_non_null(strstr(yolk_last_error(), "models that run together must have the same classes"));
    assert_fails(yolk_manager_load(m, "tiny,absent", 0), YOLK_ERROR_NOT_FOUND, "model 'absent'");
    assert_fails(yolk_manager_load(m, "tiny,,second", 0), YOLK_ERROR_INVALID_ARGUMENT, "the name is empty");
    assert_fails(yolk_manager_load(m, "tiny,", 0), YOLK_ERROR_INVALID_ARGUMENT, "the name is empty");
    assert_fails(yolk_manager_load(m, "tiny,tiny,tiny,tiny,tiny,tiny,tiny,tiny,tiny", 0), YOLK_ERROR_LIMIT,
                 "at most 8 models can run together");
    /* The old ones serve on. */
    assert_int_equal(yolk_manager_model_count(m), 2);
    assert_all_found(m, 10);
    /* The settings may ask for more than there is. */
    yolk_config c = dummy_settings("dummy", 1);
    yolk_manager *strict;
    assert_ok(yolk_config_set(&c, "ensemble_weights", "1,2,3"));
    assert_ok(yolk_manager_create(&c, &strict));
    yolk_status status = yolk_manager_load(strict, "tiny,second", 0);
    assert_int_equal(status, YOLK_ERROR_INVALID_ARGUMENT);
    yolk_manager_destroy(&strict);
    yolk_manager_destroy(&m);
}

static void a_comma_may_be_part_of_a_name(void **state)
{
    (void)state;
    configure(1);
    yolk_manager *m = created("dummy", NULL);
    assert_ok(yolk_manager_load(m, yk_temp_path("with,comma.onnx"), 0));
    assert_int_equal(yolk_manager_model_count(m), 1);
    assert_all_found(m, 3);
    yolk_manager_destroy(&m);
}

static void a_load_replaces_all_of_them(void **state)
{
    (void)state;
    configure(1);
    yolk_manager *m = created("dummy", NULL);
    assert_ok(yolk_manager_load(m, "tiny", 0));
    assert_all_found(m, 9);
    long compiled = yk_dummy_look(0).compiled;
    assert_ok(yolk_manager_load(m, "second,tiny", 0));
    /* Both were made ready before they took over. */
    assert_int_equal(yk_dummy_look(0).compiled, compiled + 2);
    assert_all_found(m, 9);
    assert_int_equal(yk_dummy_look(0).compiled, compiled + 2);
    assert_ok(yolk_manager_load(m, "tiny", 0));
    assert_int_equal(yolk_manager_model_count(m), 1);
    assert_all_found(m, 9);
    yolk_manager_destroy(&m);
    assert_int_equal(yk_dummy_look(0).used, 0);
}

static void failures_in_one_model_are_mended_too(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        for (long n = 1; n <= 6; n++) {
            yk_dummy_device d[2] = {{.lives = -1}, {.lives = -1}};
            if (what == 2)
                d[0].lives = n;
            else
                *(what == 0 ? &d[0].short_start : &d[0].short_wait) = n;
            yk_dummy_configure(d, 2);
            yolk_manager *m = created("dummy:0,1", "unanimous");
            assert_ok(yolk_manager_load(m, "tiny,second", 0));
            assert_all_found(m, 40);
            assert_int_equal(dummy_stats(m).frames, 40);
            yolk_manager_destroy(&m);
        }
    }
}

static void devices_are_told_of(void **state)
{
    (void)state;
    const yk_dummy_device d[2] = {{.lives = -1, .frame_bytes = 10, .slots = 1, .memory = 1000}, {.lives = 0}};
    yk_dummy_configure(d, 2);
    yolk_manager *m = created("dummy:0,1", NULL);
    assert_ok(yolk_manager_load(m, "tiny", 0));
    assert_all_found(m, 40);
    yolk_stats stats = dummy_stats(m);
    assert_int_equal(stats.device_count, 2);
    assert_string_equal(stats.devices[0].name, "dummy:0");
    assert_string_equal(stats.devices[1].name, "dummy:1");
    assert_int_equal(stats.devices[0].frames, 40);
    assert_int_equal(stats.devices[1].frames, 0);
    assert_int_equal(stats.devices[0].lost, 0);
    assert_int_equal(stats.devices[0].memory_bytes, yk_dummy_look(0).used);
    assert_true(stats.devices[0].busy_seconds > 0);
    assert_int_equal(stats.devices[0].batches, stats.batches);
    /* Whether the second one was needed, and so found lost, depends on how quick the first one is. */
    assert_int_equal(stats.devices[1].lost, yk_dummy_look(1).started > 0);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_model_can_be_asked_about),
        cmocka_unit_test(what_all_of_them_find_is_found_once),
        cmocka_unit_test(each_model_has_its_own_input),
        cmocka_unit_test(models_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_comma_may_be_part_of_a_name),
        cmocka_unit_test(a_load_replaces_all_of_them),
        cmocka_unit_test(failures_in_one_model_are_mended_too),
        cmocka_unit_test(devices_are_told_of),
    };
    return cmocka_run_group_tests_name("ensemble_manager", tests, make, yk_temp_remove);
}
