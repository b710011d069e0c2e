/* Videos over several devices: every frame once and in order, whatever the devices do meanwhile. */
#include "backend/dummy/dummy.h"
#include "pipeline_test.h"

enum { FRAMES = 60 };

static yolk_manager *on(const char *device, int batch)
{
    yolk_config config;
    yolk_manager *manager;
    yolk_config_defaults(&config);
    if (strcmp(device, "reference") == 0)
        assert_ok(yolk_config_set(&config, "backend", device));
    else
        assert_ok(yolk_config_set(&config, "device", device));
    config.batch = batch;
    config.warmup = 0;
    assert_ok(yolk_manager_create(&config, &manager));
    assert_ok(yolk_manager_load(manager, tiny_model("tiny.onnx"), 0));
    return manager;
}

static journal wanted;

/* Runs the clip on these devices, and compares with what the reference finds. */
static yolk_stats assert_same(const char *device, const yk_dummy_device *d, int count, int batch)
{
    static const char *input;
    yolk_pipeline_report report;
    if (!input) {
        static char path[512];
        snprintf(path, sizeof path, "%s", clip_write("moving.mp4", 64, 48, FRAMES, 25, 1, NULL));
        input = path;
        yolk_manager *reference = on("reference", 1);
        assert_ok(run(reference, &input, 1, &wanted, NULL, NULL));
        assert_int_equal(wanted.count, FRAMES);
        yolk_manager_destroy(&reference);
    }
    yk_dummy_configure(d, count);
    yolk_manager *manager = on(device, batch);
    assert_ok(run(manager, &input, 1, &seen, NULL, &report));
    assert_int_equal(seen.count, FRAMES);
    for (int i = 0; i < FRAMES; i++) {
        const record *a = &wanted.items[i], *b = &seen.items[i];
        assert_int_equal(b->frame, i);
        assert_int_equal(a->count, b->count);
        assert_true(a->time == b->time && a->x1 == b->x1 && a->y1 == b->y1 && a->x2 == b->x2 && a->y2 == b->y2);
    }
    assert_int_equal(report.stats.frames, FRAMES);
    yolk_manager_destroy(&manager);
    for (int i = 0; i < count; i++)
        assert_int_equal(yk_dummy_look(i).used, 0);
    return report.stats;
}

static void several_devices_give_what_one_gives(void **state)
{
    (void)state;
    const yk_dummy_device d[3] = {{.lives = -1}, {.lives = -1}, {.lives = -1}};
    for (int batch = 1; batch <= 7; batch += 3)
        assert_same("dummy:0,1,2", d, 3, batch);
    /* Without a setting, batches are by the table for frames of this size. */
    assert_same("dummy:0,1", d, 3, 0);
    assert_int_equal(yk_dummy_look(0).largest, 8);
}

static void a_device_that_is_lost_leaves_no_gap(void **state)
{
    (void)state;
    for (int lives = 0; lives < 12; lives += 2) {
        const yk_dummy_device d[2] = {{.lives = lives}, {.lives = -1}};
        assert_same("dummy:0,1", d, 2, 2);
    }
}

static void devices_may_look_at_the_frames_themselves(void **state)
{
    (void)state;
    for (int boxes = 0; boxes < 2; boxes++) {
        const long candidates = boxes ? 1000 : 0;
        const yk_dummy_device d[2] = {{.lives = -1, .pictures = true, .candidates = candidates},
                                      {.lives = 3, .pictures = true, .candidates = candidates}};
        assert_same("dummy:0,1", d, 2, 4);
        const yk_dummy_figures one = yk_dummy_look(0), other = yk_dummy_look(1);
        /* What was lost is done again from what was kept of it. */
        assert_true(one.pictures + other.pictures >= FRAMES - 2 * 4);
        assert_int_equal(one.found + other.found, boxes ? FRAMES : 0);
        assert_int_equal(one.left + other.left, 0);
    }
}

static void short_memory_leaves_no_gap(void **state)
{
    (void)state;
    const yk_dummy_device little = {.memory = 100, .frame_bytes = 9, .slots = 2, .lives = -1};
    assert_same("dummy", &little, 1, 16);
    assert_int_equal(yk_dummy_look(0).largest, 4);
    for (long n = 1; n < 8; n += 2) {
        const yk_dummy_device d[2] = {{.lives = -1, .short_wait = n}, {.lives = -1, .short_start = n}};
        assert_same("dummy:0,1", d, 2, 8);
    }
}

static void the_last_device_ends_the_run_with_what_was_found(void **state)
{
    (void)state;
    const yk_dummy_device d = {.lives = 10};
    const char *input = clip_write("moving.mp4", 64, 48, FRAMES, 25, 1, NULL);
    yk_dummy_configure(&d, 1);
    yolk_manager *manager = on("dummy", 2);
    assert_int_equal(run(manager, &input, 1, &seen, NULL, NULL), YOLK_ERROR_DEVICE_LOST);
    assert_non_null(strstr(yolk_last_error(), "the device is lost (dummy): load the model again once it answers"));
    /* What it had done before is there, in order. */
    assert_int_equal(seen.count, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(seen.items[i].frame, i);
    yolk_manager_destroy(&manager);
}

static void a_single_picture_is_not_warmed_up_for(void **state)
{
    (void)state;
    static uint8_t grey[48 * 64 * 3];
    const yk_dummy_device d = {.slots = 2, .lives = -1};
    const yolk_image image = {
        .format = YOLK_PIXEL_BGR24, .width = 64, .height = 48, .planes = {grey}, .strides = {64 * 3}};
    char one[512], other[512];
    snprintf(one, sizeof one, "%s", yk_temp_path("one.png"));
    snprintf(other, sizeof other, "%s", yk_temp_path("other.png"));
    assert_ok(yolk_image_save(&image, one));
    assert_ok(yolk_image_save(&image, other));
    const char *inputs[] = {one, other};
    for (size_t count = 1; count <= 2; count++) {
        yolk_config config;
        yolk_manager *manager;
        yolk_config_defaults(&config);
        assert_ok(yolk_config_set(&config, "device", "dummy"));
        config.batch = 1;
        config.warmup = 4;
        yk_dummy_configure(&d, 1);
        assert_ok(yolk_manager_create(&config, &manager));
        assert_ok(yolk_manager_load(manager, tiny_model("tiny.onnx"), 0));
        assert_ok(run(manager, inputs, count, &seen, NULL, NULL));
        assert_int_equal(seen.count, count);
        assert_int_equal(yk_dummy_look(0).finished, count == 1 ? 1 : 4 + 2);
        yolk_manager_destroy(&manager);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_devices_give_what_one_gives),
        cmocka_unit_test(a_device_that_is_lost_leaves_no_gap),
        cmocka_unit_test(devices_may_look_at_the_frames_themselves),
        cmocka_unit_test(short_memory_leaves_no_gap),
        cmocka_unit_test(the_last_device_ends_the_run_with_what_was_found),
        cmocka_unit_test(a_single_picture_is_not_warmed_up_for),
    };
    return cmocka_run_group_tests_name("pipeline_devices", tests, yk_temp_make, yk_temp_remove);
}
