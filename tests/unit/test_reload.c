#include "model/model.h"
#include "yk_temp.h"
#include "yk_tiny.h"

static const char *const colours[] = {"red", "green", "blue"};
static const char *const others[] = {"rot", "gruen", "blau"};
static uint8_t pixels[64 * 64 * 3];

static int make(void **state)
{
    if (yk_temp_make(state) != 0)
        return -1;
    yk_tiny_write(yk_temp_path("tiny.onnx"), 0, colours);
    yk_tiny_write(yk_temp_path("other.onnx"), 0, others);
    yk_tiny_write(yk_temp_path("fixed.onnx"), 1, others);
    yk_tiny_write(yk_temp_path("pairs.onnx"), 2, others);
    yk_temp_text("damaged.onnx", "this is no model");
    yk_temp_write("old.engine", "\x10\x01\x00\x00{\"description\": 1}", 22);
    return 0;
}

static yolk_config settings(void)
{
    yolk_config c;
    yolk_config_defaults(&c);
    snprintf(c.models_dir, sizeof c.models_dir, "%s", yk_temp_folder);
    strcpy(c.backend, "reference");
    c.warmup = 1;
    return c;
}

static yolk_manager *loaded(const yolk_config *c, const char *model)
{
    yolk_manager *m;
    assert_ok(yolk_manager_create(c, &m));
    assert_ok(yolk_manager_load(m, model, 0));
    return m;
}

static void assert_serves(yolk_manager *m, const char *name)
{
    yolk_image frame = yk_tiny_picture(pixels, 64, 64, 1, 1, 0);
    yolk_results *results;
    assert_ok(yolk_manager_predict_batch(m, &frame, 1, NULL, &results));
    assert_int_equal(yolk_results_frame(results, 0).count, 1);
    assert_string_equal(yolk_results_frame(results, 0).items[0].class_name, name);
    yolk_results_destroy(&results);
}

static void a_failed_load_leaves_the_model_served(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c, "tiny");
    yolk_stats before, after;
    assert_serves(m, "red");
    assert_ok(yolk_manager_stats(m, &before));
    assert_fails(yolk_manager_load(m, "absent", 0), YOLK_ERROR_NOT_FOUND, "model 'absent' is neither in");
    assert_serves(m, "red");
    assert_int_not_equal(yolk_manager_load(m, "damaged", 0), YOLK_OK);
    assert_non_null(strstr(yolk_last_error(), "damaged.onnx: "));
    assert_serves(m, "red");
    assert_fails(yolk_manager_load(m, "old", 0), YOLK_ERROR_UNSUPPORTED, "old.engine: this is a TensorRT engine");
    assert_fails(yolk_manager_load(m, yk_temp_folder, 0), YOLK_ERROR_INVALID_ARGUMENT, "");
    assert_serves(m, "red");
    assert_ok(yolk_manager_stats(m, &after));
    assert_int_equal(after.frames, before.frames + 3);
    yolk_manager_destroy(&m);
}

static void a_load_replaces_model_and_statistics(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c, "tiny");
    yolk_stats stats;
    assert_serves(m, "red");
    assert_ok(yolk_manager_load(m, "other", 0));
    assert_ok(yolk_manager_stats(m, &stats));
    assert_int_equal(stats.frames, 0);
    assert_int_equal(stats.stages[YOLK_STAGE_INFER].frames, 0);
    assert_serves(m, "rot");
    assert_ok(yolk_manager_load(m, yk_temp_path("fixed.onnx"), 0));
    assert_serves(m, "rot");
    yolk_manager_destroy(&m);
}

/* The names in results live as long as they do, and a batch ends on the model that it began on. */
static void what_is_held_outlives_a_load(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c, "tiny");
    yolk_image frame = yk_tiny_picture(pixels, 64, 64, 1, 1, 2);
    yolk_results *results;
    yk_batch *batch;
    yk_detections found = {0};
    assert_ok(yolk_manager_predict_batch(m, &frame, 1, NULL, &results));
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 1, &batch));
    assert_ok(yk_batch_fill(batch, 0, &frame));
    yk_batch_start(batch, 1);
    assert_ok(yolk_manager_load(m, "other", 0));
    assert_ok(yk_batch_finish(batch, &found));
    assert_int_equal(found.count, 1);
    assert_string_equal(found.items[0].class_name, "blue");
    yk_detections_free(&found);
    yk_batch_close(&batch);
    assert_null(batch);
    yk_batch_close(&batch);
    assert_string_equal(yolk_results_frame(results, 0).items[0].class_name, "blue");
    yolk_results_destroy(&results);
    assert_serves(m, "rot");
    yolk_manager_destroy(&m);
}

/* A session that the first model keeps on its first device. */
static yk_session *kept(const yk_set *set, int place)
{
    return set->models[0]->replicas[0].kept[place];
}

static void what_was_ready_is_ready_in_the_next_model(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c, "tiny");
    assert_ok(yolk_manager_prepare(m, (yolk_size){128, 64}, 1));
    yk_set *old = yk_manager_set(m);
    assert_ok(yolk_manager_load(m, "other", 0));
    yk_set *fresh = yk_manager_set(m);
    assert_ptr_not_equal(old, fresh);
    assert_null(kept(old, 0));
    assert_non_null(kept(fresh, 0));
    assert_int_equal(kept(fresh, 0)->key.size.width, 128);
    yk_set_release(&old);
    yk_set_release(&fresh);
    /* One that cannot run that size is made ready for its own. */
    assert_ok(yolk_manager_load(m, "pairs", 0));
    fresh = yk_manager_set(m);
    assert_int_equal(kept(fresh, 0)->key.size.width, 64);
    assert_int_equal(kept(fresh, 0)->key.batch, 2);
    yk_set_release(&fresh);
    yolk_manager_destroy(&m);
}

static void few_sessions_are_kept(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c, "tiny");
    yk_batch *held[YK_KEPT_SESSIONS + 2];
    yk_set *set = yk_manager_set(m);
    assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64}, 1));
    yk_session *first = kept(set, 0);
    assert_ok(yolk_manager_prepare(m, (yolk_size){64, 64}, 1));
    assert_ptr_equal(kept(set, 0), first);
    assert_null(kept(set, 1));
    for (int i = 0; i < YK_KEPT_SESSIONS; i++)
        assert_ok(yolk_manager_prepare(m, (yolk_size){64, 72 + 8 * i}, 1));
    /* The one that was used longest ago made way. */
    assert_int_equal(kept(set, 0)->key.size.height, 72 + 8 * (YK_KEPT_SESSIONS - 1));
    /* More than are kept can be in use at once. */
    for (int i = 0; i < YK_KEPT_SESSIONS + 2; i++)
        assert_ok(yk_batch_open(m, (yolk_size){72 + 8 * i, 64}, 1, &held[i]));
    for (int i = 0; i < YK_KEPT_SESSIONS + 2; i++) {
        assert_int_equal(yk_batch_room(held[i]), 1);
        yk_batch_close(&held[i]);
    }
    assert_serves(m, "red");
    yk_set_release(&set);
    yolk_manager_destroy(&m);
}

static void batches_can_be_closed_at_any_point(void **state)
{
    (void)state;
    yolk_config c = settings(), copy;
    yolk_manager *m = loaded(&c, "tiny");
    yk_batch *batch;
    yk_detections found[2] = {{0}};
    yolk_image frame = yk_tiny_picture(pixels, 64, 64, 0, 0, 0);
    /* The reference has one place only: each time it must have come back. */
    for (int point = 0; point < 4; point++) {
        assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 2, &batch));
        assert_int_equal(yk_batch_room(batch), 2);
        if (point > 0)
            assert_ok(yk_batch_fill(batch, 0, &frame));
        if (point > 1)
            yk_batch_start(batch, 1);
        if (point > 2)
            assert_ok(yk_batch_finish(batch, found));
        yk_batch_close(&batch);
    }
    assert_int_equal(found[0].count, 1);
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 2, &batch));
    frame.width = 0;
    assert_fails(yk_batch_fill(batch, 0, &frame), YOLK_ERROR_INVALID_ARGUMENT, "0x64 pixels");
    yk_batch_close(&batch);
    yk_detections_free(&found[0]);
    yk_manager_note(m, YOLK_STAGE_DECODE, 2, 4000000);
    yolk_stats stats;
    assert_ok(yolk_manager_stats(m, &stats));
    assert_int_equal(stats.frames, 1);
    assert_int_equal(stats.stages[YOLK_STAGE_DECODE].frames, 2);
    assert_float_equal(stats.stages[YOLK_STAGE_DECODE].mean_ms, 2, 1e-6);
    yk_manager_config(m, &copy);
    assert_memory_equal(&copy, &c, sizeof c);
    yolk_manager_destroy(&m);
}

static void a_memory_limit_is_kept(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m;
    c.memory_limit_mb = 1;
    m = loaded(&c, "tiny");
    assert_fails(yolk_manager_prepare(m, (yolk_size){64, 64}, 1), YOLK_ERROR_LIMIT,
                 "more, 1 are allowed; raise the limit");
    yolk_manager_destroy(&m);
    c.memory_limit_mb = 1 << 20;
    m = loaded(&c, "tiny");
    assert_serves(m, "red");
    yolk_manager_destroy(&m);
}

static void the_batch_is_the_settings_or_the_models(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c, "tiny");
    assert_int_equal(yk_manager_batch(m, 1920, 1080), 1);
    assert_ok(yolk_manager_load(m, "pairs", 0));
    assert_int_equal(yk_manager_batch(m, 1920, 1080), 2);
    yolk_manager_destroy(&m);
    c.batch = 6;
    m = loaded(&c, "tiny");
    assert_int_equal(yk_manager_batch(m, 7680, 4320), 6);
    yolk_manager_destroy(&m);
}

static void assert_size(const char *model, const char *imgsz, int width, int height, int still, int w, int h)
{
    yolk_config c = settings();
    yolk_size size;
    assert_ok(yolk_config_set(&c, "imgsz", imgsz));
    yolk_manager *m = loaded(&c, model);
    assert_ok(yolk_manager_input_size(m, width, height, still, &size));
    if (size.width != w || size.height != h)
        fail_msg("%s, imgsz %s, %dx%d: %dx%d instead of %dx%d", model, imgsz, width, height, size.width, size.height, w,
                 h);
    yolk_manager_destroy(&m);
}

static void the_input_follows_settings_and_picture(void **state)
{
    (void)state;
    /* The tiny model's stride is 8 and its own size 64 x 64. */
    assert_size("tiny", "auto", 1920, 1080, 1, 64, 64);
    assert_size("tiny", "auto", 1920, 1080, 0, 64, 40);
    assert_size("tiny", "auto", 1080, 1920, 0, 40, 64);
    assert_size("tiny", "640", 1920, 1080, 0, 640, 360);
    assert_size("tiny", "640", 1920, 1080, 1, 640, 640);
    assert_size("tiny", "640", 768, 576, 0, 640, 480);
    assert_size("tiny", "636", 1920, 1080, 0, 640, 360);
    assert_size("tiny", "640", 1920, 1081, 0, 640, 360);
    assert_size("tiny", "640", 10000, 1, 0, 640, 8);
    assert_size("tiny", "100x200", 1920, 1080, 0, 200, 104);
    assert_size("tiny", "100x200", 1920, 1080, 1, 200, 104);
    assert_size("fixed", "auto", 1920, 1080, 0, 64, 64);
    assert_size("fixed", "64", 1920, 1080, 0, 64, 64);
    assert_size("fixed", "64x64", 1920, 1080, 0, 64, 64);
}

static void a_fixed_model_refuses_other_sizes(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m;
    yolk_size size;
    c.imgsz_width = 640;
    assert_ok(yolk_manager_create(&c, &m));
    assert_fails(yolk_manager_load(m, "fixed", 0), YOLK_ERROR_UNSUPPORTED,
                 "fixed.onnx: this model was exported for 64x64 (height x width) only and cannot run at imgsz 640");
    yolk_manager_destroy(&m);
    c.imgsz_height = 384;
    assert_ok(yolk_manager_create(&c, &m));
    assert_fails(yolk_manager_load(m, "fixed", 0), YOLK_ERROR_UNSUPPORTED, "cannot run at imgsz 384x640");
    yolk_manager_destroy(&m);
    c.imgsz_height = c.imgsz_width = 0;
    m = loaded(&c, "fixed");
    assert_fails(yolk_manager_prepare(m, (yolk_size){128, 64}, 1), YOLK_ERROR_UNSUPPORTED,
                 "exported for 64x64 (width x height) only and cannot run at 128x64");
    assert_fails(yolk_manager_input_size(m, 0, 5, 0, &size), YOLK_ERROR_INVALID_ARGUMENT, "0x5 has no pixels");
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_load_leaves_the_model_served),
        cmocka_unit_test(a_load_replaces_model_and_statistics),
        cmocka_unit_test(what_is_held_outlives_a_load),
        cmocka_unit_test(what_was_ready_is_ready_in_the_next_model),
        cmocka_unit_test(few_sessions_are_kept),
        cmocka_unit_test(batches_can_be_closed_at_any_point),
        cmocka_unit_test(a_memory_limit_is_kept),
        cmocka_unit_test(the_batch_is_the_settings_or_the_models),
        cmocka_unit_test(the_input_follows_settings_and_picture),
        cmocka_unit_test(a_fixed_model_refuses_other_sizes),
    };
    return cmocka_run_group_tests_name("reload", tests, make, yk_temp_remove);
}
