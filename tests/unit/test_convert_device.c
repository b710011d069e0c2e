/* Engines for a device other than the processor: what is in them, and who takes them. */
#include "dummy_test.h"
#include "engine_test.h"
#include "yolk/yolk.h"

static char source[1024], made[1024], pictures[1024], log_text[4096];

static void keep_log(void *user, yolk_log_level level, const char *message)
{
    const size_t used = strlen(log_text);
    (void)user;
    if (level <= YOLK_LOG_WARNING || strstr(message, "native: "))
        snprintf(log_text + used, sizeof log_text - used, "%s\n", message);
}

static int make(void **state)
{
    if (dummy_make(state) != 0)
        return -1;
    snprintf(source, sizeof source, "%s", yk_temp_path("tiny.onnx"));
    snprintf(made, sizeof made, "%s", yk_temp_path("made.engine"));
    snprintf(pictures, sizeof pictures, "%s", yk_temp_path("pictures"));
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures/%03d.png", i);
        assert_ok(yolk_image_save(&dummy_frames[i * 7], yk_temp_text(name, "")));
    }
    return 0;
}

/* Two devices, the first of which computes in 16-bit floats by itself when `half`. */
static int start_with(bool half)
{
    const yk_dummy_device devices[] = {{.lives = -1, .half = half}, {.lives = -1, .half = half}};
    yk_dummy_configure(devices, 2);
    unlink(made);
    log_text[0] = '\0';
    yolk_log_set(keep_log, NULL, YOLK_LOG_INFO);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(false);
}

static yolk_convert_options options_for(const char *device)
{
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.device = device;
    o.threads = 1;
    return o;
}

static void convert(const char *device)
{
    const yolk_convert_options o = options_for(device);
    assert_ok(yolk_convert(source, made, &o, NULL));
}

/* Loads what was made on `device` and looks at pictures in batches of eight. */
static void detect_on(const char *device)
{
    yolk_config c = dummy_settings(device, 8);
    yolk_manager *m;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, "made", 0));
    assert_all_found(m, 16);
    yolk_manager_destroy(&m);
}

/* The log has nothing but the native backend's sentences, which computes for the dummy what was kept. */
static void assert_saved_is_used(void)
{
    assert_non_null(strstr(log_text, "native: 8x64x64, "));
    assert_non_null(strstr(log_text, ", saved"));
    assert_null(strstr(log_text, "made.engine"));
}

static void one_frame_and_many_are_compiled_in_what_the_device_computes_in(void **state)
{
    (void)state;
    yk_engine *e;
    for (int half = 0; half < 2; half++) {
        start_with(half);
        convert("dummy");
        assert_ok(yk_engine_open(made, &e));
        assert_string_equal(yk_engine_header_of(e)->backend, "dummy");
        assert_string_equal(yk_engine_header_of(e)->precision, "fp32"); /* of the model in it */
        assert_int_equal(yk_engine_form_count(e), 4);
        for (int i = 0; i < 4; i++) {
            const yk_engine_form *f = yk_engine_form_at(e, (size_t)i);
            assert_int_equal(f->half, half);
            assert_int_equal(f->batch, i < 2 ? 1 : 8);
            assert_int_equal(f->width, YK_TINY_SIDE);
            assert_int_equal(f->height, i % 2 ? 40 : YK_TINY_SIDE);
        }
        yk_engine_close(&e);
    }
}

static void detection_on_that_device_takes_it(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        start_with(half);
        convert("dummy");
        log_text[0] = '\0';
        detect_on("dummy");
        assert_saved_is_used();
    }
}

static void it_is_for_the_device_of_that_number(void **state)
{
    (void)state;
    convert("dummy:1");
    assert_int_equal(yk_dummy_look(0).compiled, 0);
    assert_int_equal(yk_dummy_look(1).compiled, 8); /* four, each taken back once */
    log_text[0] = '\0';
    detect_on("dummy:1");
    assert_saved_is_used();
    detect_on("dummy:0");
    assert_non_null(strstr(log_text, "made.engine: what is compiled in the engine is for another device (simulated "
                                     "device 1) and passed over: this is simulated device 0"));
}

static void another_backend_passes_it_over(void **state)
{
    (void)state;
    convert("dummy");
    detect_on("cpu");
    assert_non_null(
        strstr(log_text, "what is compiled in the engine is for dummy and passed over: native runs it now"));
    log_text[0] = '\0';
    yolk_convert_options o = options_for("cpu");
    o.backend = "native";
    assert_ok(yolk_convert(source, made, &o, NULL));
    log_text[0] = '\0';
    detect_on("dummy");
    assert_non_null(
        strstr(log_text, "what is compiled in the engine is for native and passed over: dummy runs it now"));
}

static void models_are_checked_on_the_device_asked_for(void **state)
{
    (void)state;
    yolk_convert_options o = options_for("dummy");
    yolk_convert_report *report;
    o.precision = YOLK_PRECISION_FP16;
    o.val = pictures;
    assert_ok(yolk_convert(source, yk_temp_path("half.onnx"), &o, &report));
    assert_true(report->passed);
    yolk_convert_report_destroy(&report);
    assert_true(yk_dummy_look(0).finished >= 12);
    o.device = NULL;
    const long before = yk_dummy_look(0).finished;
    assert_ok(yolk_convert(source, yk_temp_path("half.onnx"), &o, NULL));
    assert_int_equal(yk_dummy_look(0).finished, before);
}

static void devices_that_are_not_there_are_refused(void **state)
{
    (void)state;
    yolk_convert_options o = options_for("dummy:2");
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_NOT_FOUND, "the last one is dummy:1");
    o.device = "gpu";
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_NOT_FOUND, "there is no device 'gpu'");
    o.device = "dummy";
    o.backend = "native";
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_BACKEND, "backend 'native' has no device 'dummy'");
    yk_probe probe;
    yk_backend_cuda.probe(&probe);
    if (!probe.available) {
        o = options_for("cuda");
        assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_BACKEND, "device 'cuda' cannot be used");
    }
    assert_int_not_equal(access(made, F_OK), 0);
}

static void a_device_short_of_memory_leaves_nothing(void **state)
{
    (void)state;
    const yk_dummy_device small = {.lives = -1, .memory = 1000, .frame_bytes = 100};
    yk_dummy_configure(&small, 1);
    const yolk_convert_options o = options_for("dummy");
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_OUT_OF_MEMORY, "'dummy:0' has not enough memory");
    assert_int_not_equal(access(made, F_OK), 0);
    assert_int_equal(yk_dummy_look(0).used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_frame_and_many_are_compiled_in_what_the_device_computes_in, start),
        cmocka_unit_test_setup(detection_on_that_device_takes_it, start),
        cmocka_unit_test_setup(it_is_for_the_device_of_that_number, start),
        cmocka_unit_test_setup(another_backend_passes_it_over, start),
        cmocka_unit_test_setup(models_are_checked_on_the_device_asked_for, start),
        cmocka_unit_test_setup(devices_that_are_not_there_are_refused, start),
        cmocka_unit_test_setup(a_device_short_of_memory_leaves_nothing, start),
    };
    return cmocka_run_group_tests_name("convert_device", tests, make, yk_temp_remove);
}
