/* Conversions to yolk's own engines. */
#include "backend/backend.h"
#include "engine_test.h"
#include "yolk/yolk.h"

static const char *const names[YK_TINY_CLASSES] = {"red", "green", "blue"};
static char source[1024], made[1024], pictures[1024];

static int make(void **state)
{
    static uint8_t pixels[YK_TINY_SIDE * YK_TINY_SIDE * 3];
    char name[64];
    if (yk_temp_make(state) != 0)
        return -1;
    snprintf(source, sizeof source, "%s", yk_temp_path("tiny.onnx"));
    snprintf(made, sizeof made, "%s", yk_temp_path("tiny.engine"));
    snprintf(pictures, sizeof pictures, "%s", yk_temp_path("pictures"));
    yk_tiny_write(source, 0, names);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "pictures/%03d.png", i);
        const char *path = yk_temp_text(name, "");
        yolk_image image = yk_tiny_picture(pixels, YK_TINY_SIDE, YK_TINY_SIDE, i % 8, i / 8 % 8, i % 3);
        assert_ok(yolk_image_save(&image, path));
    }
    return 0;
}

static int remove_made(void **state)
{
    (void)state;
    unlink(made);
    return 0;
}

#define NEEDS_OPENVINO()                                                                                               \
    do {                                                                                                               \
        yk_probe probe_;                                                                                               \
        (void)state;                                                                                                   \
        yk_backend_openvino.probe(&probe_);                                                                            \
        if (!probe_.available)                                                                                         \
            YK_SKIP("%s", probe_.reason);                                                                              \
    } while (0)

static yolk_convert_options options_for(yolk_precision precision)
{
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.precision = precision;
    o.backend = "openvino";
    o.threads = 1;
    return o;
}

static void floats_need_no_check(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    yolk_convert_report *report;
    yk_engine *e;
    struct stat s;
    assert_ok(yolk_convert(source, made, &o, &report));
    assert_int_equal(stat(made, &s), 0);
    assert_true(report->bytes > 0 && report->bytes <= (uint64_t)s.st_size);
    assert_int_equal(report->check, YOLK_CHECK_NONE);
    yolk_convert_report_destroy(&report);
    assert_ok(yk_engine_open(made, &e));
    const yk_engine_header *h = yk_engine_header_of(e);
    assert_string_equal(h->source.name, "tiny.onnx");
    assert_string_equal(h->backend, "openvino");
    assert_string_equal(h->precision, "fp32");
    assert_string_equal(h->check, "");
    assert_false(h->converted);
    assert_string_equal(h->graph->class_names[2], "blue");
    yk_engine_close(&e);
}

static void pictures_and_video_are_compiled_for(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    yk_engine *e;
    o.input_width = o.input_height = 128;
    assert_ok(yolk_convert(source, made, &o, NULL));
    assert_ok(yk_engine_open(made, &e));
    const yk_graph *g = yk_engine_header_of(e)->graph;
    assert_true(g->input_width == 128 && g->input_height == 128 && g->dynamic_size && g->dynamic_batch);
    assert_int_equal(yk_engine_form_count(e), 2);
    const yk_engine_form *square = yk_engine_form_at(e, 0), *video = yk_engine_form_at(e, 1);
    assert_true(square->batch == 1 && square->height == 128 && square->width == 128 && !square->half);
    assert_true(video->batch == 1 && video->height == 72 && video->width == 128);
    yk_engine_close(&e);
}

static void a_model_of_fixed_size_has_one_form(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    yk_engine *e;
    const char *fixed = yk_temp_path("fixed.onnx");
    yk_tiny_write(fixed, 1, names);
    assert_ok(yolk_convert(fixed, made, &o, NULL));
    assert_ok(yk_engine_open(made, &e));
    assert_int_equal(yk_engine_form_count(e), 1);
    assert_false(yk_engine_header_of(e)->graph->dynamic_size);
    assert_false(yk_engine_header_of(e)->graph->dynamic_batch);
    assert_int_equal(yk_engine_header_of(e)->fixed_batch, 1);
    yk_engine_close(&e);
}

static void what_was_checked_is_in_the_file(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_convert_report *report;
    yk_engine *e;
    o.calib = pictures;
    assert_ok(yolk_convert(source, made, &o, &report));
    assert_true(report->passed);
    assert_ok(yk_engine_open(made, &e));
    const yk_engine_header *h = yk_engine_header_of(e);
    assert_string_equal(h->precision, "int8");
    assert_true(h->converted);
    assert_string_equal(h->check, report->text);
    assert_non_null(strstr(h->check, "boxes agree"));
    assert_int_equal(strlen(h->calibration), 64);
    yk_engine_close(&e);
    yolk_convert_report_destroy(&report);
    o = options_for(YOLK_PRECISION_FP16);
    o.no_validate = 1;
    assert_ok(yolk_convert(source, made, &o, NULL));
    assert_ok(yk_engine_open(made, &e));
    assert_string_equal(yk_engine_header_of(e)->check, "not checked");
    assert_string_equal(yk_engine_header_of(e)->calibration, "");
    yk_engine_close(&e);
}

static void assert_nothing_is_left(void)
{
    char **found;
    size_t count;
    assert_int_not_equal(access(made, F_OK), 0);
    assert_ok(yk_list_directory(yk_temp_folder, &found, &count));
    for (size_t i = 0; i < count; i++)
        assert_null(strstr(found[i], ".tmp"));
    yk_names_free(found);
}

static void a_failed_check_leaves_nothing(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    uint8_t black[YK_TINY_SIDE * YK_TINY_SIDE * 3] = {0};
    const yolk_image image = {.format = YOLK_PIXEL_RGB24,
                              .width = YK_TINY_SIDE,
                              .height = YK_TINY_SIDE,
                              .planes = {black},
                              .strides = {YK_TINY_SIDE * 3}};
    const char *path = yk_temp_text("black/1.png", "");
    assert_ok(yolk_image_save(&image, path));
    o.val = yk_temp_path("black");
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_INACCURATE, "finds nothing");
    assert_nothing_is_left();
}

static int stop_when_compiling(void *user, const yolk_convert_progress *progress)
{
    int *calls = user;
    *calls += strcmp(progress->stage, "compiling") == 0;
    return *calls == 2;
}

static void a_stopped_conversion_leaves_nothing(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    int calls = 0;
    o.progress = stop_when_compiling;
    o.user = &calls;
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_CANCELED, "");
    assert_int_equal(calls, 2);
    assert_nothing_is_left();
}

static void what_does_not_apply_is_refused(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    o.raw_head = 1;
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "leave out raw_head");
    o.raw_head = 0;
    o.backend = "reference";
    assert_fails(yolk_convert(source, made, &o, NULL), YOLK_ERROR_UNSUPPORTED,
                 "the reference backend compiles nothing that could be kept");
    o = options_for(YOLK_PRECISION_FP32);
    o.target = YOLK_TARGET_ENGINE;
    assert_fails(yolk_convert(source, yk_temp_path("x.onnx"), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT,
                 "an engine's name ends with .engine");
    assert_nothing_is_left();
}

static void short_memory_leaves_nothing(void **state)
{
    NEEDS_OPENVINO();
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    /* In steps, as each round compiles the network. */
    for (long n = 1; status != YOLK_OK && n < 5000; n += 1 + n / 8) {
        assert_nothing_is_left();
        yk_alloc_fail_at(n);
        status = yolk_convert(source, made, &o, NULL);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(floats_need_no_check, remove_made),
        cmocka_unit_test_teardown(pictures_and_video_are_compiled_for, remove_made),
        cmocka_unit_test_teardown(a_model_of_fixed_size_has_one_form, remove_made),
        cmocka_unit_test_teardown(what_was_checked_is_in_the_file, remove_made),
        cmocka_unit_test_teardown(a_failed_check_leaves_nothing, remove_made),
        cmocka_unit_test_teardown(a_stopped_conversion_leaves_nothing, remove_made),
        cmocka_unit_test_teardown(what_does_not_apply_is_refused, remove_made),
        cmocka_unit_test_teardown(short_memory_leaves_nothing, remove_made),
    };
    return cmocka_run_group_tests_name("convert_engine", tests, make, yk_temp_remove);
}
