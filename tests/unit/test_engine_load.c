/* Engines in a folder of models: which file is taken, what the log says of one that is not, and what optimize keeps. */
#include <fcntl.h>

#include "backend/backend.h"
#include "engine_test.h"
#include "model_test.h"

static char log_text[8192];

static void keep_log(void *user, yolk_log_level level, const char *message)
{
    size_t used = strlen(log_text);
    (void)user;
    if (level <= YOLK_LOG_WARNING)
        snprintf(log_text + used, sizeof log_text - used, "%s\n", message);
}

static int make(void **state)
{
    return yk_temp_make(state);
}

#define NEEDS_OPENVINO()                                                                                               \
    do {                                                                                                               \
        yk_probe probe_;                                                                                               \
        (void)state;                                                                                                   \
        yk_backend_openvino.probe(&probe_);                                                                            \
        if (!probe_.available)                                                                                         \
            YK_SKIP("%s", probe_.reason);                                                                              \
        log_text[0] = '\0';                                                                                            \
        yolk_log_set(keep_log, NULL, YOLK_LOG_WARNING);                                                                \
    } while (0)

static yolk_manager *manager_with(const char *field, const char *value)
{
    yolk_config config;
    yolk_manager *m;
    yolk_config_defaults(&config);
    assert_ok(yolk_config_set(&config, "backend", "openvino"));
    assert_ok(yolk_config_set(&config, "models_dir", yk_temp_folder));
    if (field)
        assert_ok(yolk_config_set(&config, field, value));
    assert_ok(yolk_manager_create(&config, &m));
    return m;
}

/* Boxes found in a picture with one bright cell. */
static size_t boxes_found(yolk_manager *m, int side)
{
    static uint8_t pixels[256 * 256 * 3];
    yolk_results *results = NULL;
    memset(pixels, 0, sizeof pixels);
    for (int y = 8; y < 16; y++)
        memset(pixels + (y * side + 8) * 3, 255, 8 * 3);
    const yolk_image image = {
        .format = YOLK_PIXEL_RGB24, .width = side, .height = side, .planes = {pixels}, .strides = {side * 3}};
    const yolk_size size = {side, side};
    assert_ok(yolk_manager_predict_batch(m, &image, 1, &size, &results));
    size_t count = yolk_results_frame(results, 0).count;
    yolk_results_destroy(&results);
    return count;
}

/* Loads `name`, runs it at `side` and returns the path that it was loaded from, in a static buffer. */
static const char *use(const char *name, int optimize, int side)
{
    static char path[1024];
    yolk_model_info info;
    yolk_manager *m = manager_with(NULL, NULL);
    assert_ok(yolk_manager_load(m, name, optimize));
    assert_int_equal(boxes_found(m, side), 1);
    assert_ok(yolk_manager_info(m, &info));
    snprintf(path, sizeof path, "%s", info.path);
    yolk_manager_destroy(&m);
    return path;
}

static size_t forms_in(const char *name)
{
    yk_engine *e;
    assert_ok(yk_engine_open(yk_temp_path(name), &e));
    size_t count = yk_engine_form_count(e);
    yk_engine_close(&e);
    return count;
}

/* Rewrites an engine with one text of its header changed; its sections stay. */
static void change_header(const char *name, void (*change)(yk_engine_header *h))
{
    yk_engine *e;
    yk_engine_part parts[YK_ENGINE_FORMS + 1];
    const char *path = yk_temp_path(name);
    assert_ok(yk_engine_open(path, &e));
    size_t count = 0;
    for (int i = -1; i < (int)yk_engine_form_count(e); i++, count++) {
        const uint8_t *bytes;
        size_t size;
        assert_ok(yk_engine_bytes(e, i, &bytes, &size));
        parts[count] = (yk_engine_part){i < 0 ? NULL : yk_engine_form_at(e, (size_t)i), bytes, size};
    }
    yk_engine_header h = *yk_engine_header_of(e);
    change(&h);
    assert_ok(yk_engine_write(path, &h, parts, count));
    yk_engine_close(&e);
}

static void no_file_is_written_unasked(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("unasked.onnx");
    use("unasked", 0, 64);
    assert_int_not_equal(access(yk_temp_path("unasked.engine"), F_OK), 0);
}

static void what_is_compiled_is_kept_and_used(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("kept.onnx");
    assert_string_equal(use("kept", 1, 64), yk_temp_path("kept.onnx"));
    assert_int_equal(forms_in("kept.engine"), 1);
    assert_string_equal(use("kept", 0, 64), yk_temp_path("kept.engine"));
    assert_string_equal(use("kept.onnx", 0, 64), yk_temp_path("kept.onnx"));
    assert_string_equal(log_text, "");
    /* Another size is compiled from the model inside, and kept when that is asked for. */
    use("kept", 0, 128);
    assert_int_equal(forms_in("kept.engine"), 1);
    use("kept", 1, 128);
    assert_int_equal(forms_in("kept.engine"), 2);
    use("kept", 1, 128);
    assert_int_equal(forms_in("kept.engine"), 2);
}

static void a_source_named_with_optimize_uses_its_engine(void **state)
{
    NEEDS_OPENVINO();
    const char *source = tiny_model("named.onnx");
    char path[1024];
    snprintf(path, sizeof path, "%s", source);
    use(path, 1, 64);
    assert_string_equal(use(path, 1, 64), yk_temp_path("named.engine"));
    assert_string_equal(use(path, 0, 64), path);
}

static void engines_work_without_their_source(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("alone.onnx");
    use("alone", 1, 64);
    assert_int_equal(unlink(yk_temp_path("alone.onnx")), 0);
    use("alone", 0, 64);
    use("alone", 1, 96); /* a size that it does not have */
    assert_int_equal(forms_in("alone.engine"), 2);
    assert_string_equal(log_text, "");
}

static void facts_come_from_the_engine(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("facts.onnx");
    use("facts", 1, 64);
    yolk_model_info from_source, from_engine;
    yolk_manager *a = manager_with(NULL, NULL), *b = manager_with(NULL, NULL);
    assert_ok(yolk_manager_load(a, "facts.onnx", 0));
    assert_ok(yolk_manager_load(b, "facts", 0));
    assert_ok(yolk_manager_info(a, &from_source));
    assert_ok(yolk_manager_info(b, &from_engine));
    assert_string_equal(from_engine.format, "engine");
    assert_string_equal(from_engine.head, from_source.head);
    assert_string_equal(from_engine.precision, from_source.precision);
    assert_string_equal(from_engine.device, from_source.device);
    assert_string_equal(from_engine.class_names[1], "dark");
    assert_true(from_engine.class_count == 2 && from_engine.stride == from_source.stride);
    assert_true(from_engine.input_width == TINY_WIDTH && from_engine.input_height == TINY_HEIGHT);
    assert_true(from_engine.dynamic_size && from_engine.dynamic_batch);
    assert_true(from_engine.parameters == from_source.parameters);
    yolk_manager_destroy(&a);
    yolk_manager_destroy(&b);
}

static void set_device(yk_engine_header *h)
{
    h->device = "an abacus";
    h->fingerprint = "beads";
}

static void forms_for_another_device_are_passed_over(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("device.onnx");
    use("device", 1, 64);
    use("device", 1, 128);
    change_header("device.engine", set_device);
    use("device", 0, 64);
    assert_non_null(
        strstr(log_text, "device.engine: what is compiled in the engine is for another device (an abacus)"));
    assert_int_equal(forms_in("device.engine"), 2);
    log_text[0] = '\0';
    use("device", 1, 64); /* they give way */
    assert_int_equal(forms_in("device.engine"), 1);
    log_text[0] = '\0';
    use("device", 0, 64);
    assert_string_equal(log_text, "");
}

static void set_yolk(yk_engine_header *h)
{
    h->yolk = "0.0.1";
    h->fingerprint = "yolk 0.0.1";
}

static void set_library(yk_engine_header *h)
{
    h->fingerprint = "OpenVINO 1";
}

static void set_backend(yk_engine_header *h)
{
    h->backend = "cuda";
    h->fingerprint = "CUDA";
}

static void forms_of_another_yolk_library_or_backend_are_passed_over(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("other.onnx");
    use("other", 1, 64);
    change_header("other.engine", set_yolk);
    use("other", 0, 64);
    assert_non_null(strstr(log_text, "of another yolk (0.0.1) and passed over"));
    change_header("other.engine", set_library);
    log_text[0] = '\0';
    use("other", 1, 64); /* rebuilt by this yolk */
    change_header("other.engine", set_library);
    log_text[0] = '\0';
    use("other", 0, 64);
    assert_non_null(strstr(log_text, "of another library (OpenVINO 1) and passed over"));
    change_header("other.engine", set_backend);
    log_text[0] = '\0';
    use("other", 0, 64);
    assert_non_null(strstr(log_text, "is for cuda and passed over: openvino runs it now"));
}

static void another_source_is_noticed(void **state)
{
    NEEDS_OPENVINO();
    const char *path = tiny_model("source.onnx");
    use("source", 1, 64);
    /* The same content with another time is the same file. */
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_string_equal(use("source", 0, 64), yk_temp_path("source.engine"));
    /* A trailing metadata entry that nothing reads makes another file of the same model. */
    size_t size;
    uint8_t *bytes = engine_read_file(yk_temp_path("source.onnx"), &size);
    yk_buffer longer = {0};
    yk_buffer_add(&longer, bytes, size);
    yk_export_onnx_entry(&longer, "note", "retrained");
    yk_temp_write("source.onnx", longer.data, longer.size);
    yk_buffer_free(&longer);
    free(bytes);
    assert_string_equal(use("source", 0, 64), yk_temp_path("source.onnx"));
    assert_non_null(strstr(log_text, "source.engine: the engine was made from another source.onnx than the one that is "
                                     "there now; it is passed over for"));
    use("source", 1, 64);
    log_text[0] = '\0';
    assert_string_equal(use("source", 0, 64), yk_temp_path("source.engine"));
    assert_string_equal(log_text, "");
}

static void flip(const char *name, long from_end)
{
    size_t size;
    uint8_t *bytes = engine_read_file(yk_temp_path(name), &size);
    bytes[from_end > 0 ? size - (size_t)from_end : 100] ^= 1;
    yk_temp_write(name, bytes, size);
    free(bytes);
}

static void damaged_engines_are_passed_over_and_rebuilt(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("damaged.onnx");
    use("damaged", 1, 64);
    flip("damaged.engine", 0); /* the header */
    assert_string_equal(use("damaged", 0, 64), yk_temp_path("damaged.onnx"));
    assert_non_null(
        strstr(log_text, "the engine is damaged: its header is not as it was written; it is passed over for"));
    use("damaged", 1, 64);
    assert_string_equal(use("damaged", 0, 64), yk_temp_path("damaged.engine"));
    /* Cut off, and of another format. */
    size_t size;
    uint8_t *bytes = engine_read_file(yk_temp_path("damaged.engine"), &size);
    yk_temp_write("damaged.engine", bytes, size / 2);
    log_text[0] = '\0';
    assert_string_equal(use("damaged", 0, 64), yk_temp_path("damaged.onnx"));
    assert_non_null(strstr(log_text, "were written; it is passed over for"));
    bytes[8] = 77;
    yk_temp_write("damaged.engine", bytes, size);
    free(bytes);
    log_text[0] = '\0';
    assert_string_equal(use("damaged", 1, 64), yk_temp_path("damaged.onnx"));
    assert_non_null(strstr(log_text, "of format 77"));
    assert_string_equal(use("damaged", 0, 64), yk_temp_path("damaged.engine"));
}

static void what_is_no_engine_at_all_is_damaged_too(void **state)
{
    NEEDS_OPENVINO();
    static const char *const contents[] = {"", "garbage", "garbage that is longer than any magic number"};
    tiny_model("garbage.onnx");
    for (size_t i = 0; i < YK_COUNT(contents); i++) {
        yk_temp_text("garbage.engine", contents[i]);
        log_text[0] = '\0';
        assert_string_equal(use("garbage", 0, 64), yk_temp_path("garbage.onnx"));
        assert_non_null(strstr(log_text, "garbage.engine: "));
        assert_non_null(strstr(log_text, "it is passed over for"));
        assert_string_equal(use("garbage", 1, 64), yk_temp_path("garbage.onnx"));
        assert_string_equal(use("garbage", 0, 64), yk_temp_path("garbage.engine"));
    }
}

static void a_damaged_form_is_compiled_anew(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("form.onnx");
    use("form", 1, 64);
    flip("form.engine", 1);
    assert_string_equal(use("form", 0, 64), yk_temp_path("form.engine"));
    assert_non_null(strstr(log_text, "a compiled form cannot be used and is passed over"));
    use("form", 1, 64);
    log_text[0] = '\0';
    use("form", 0, 64);
    assert_string_equal(log_text, "");
}

/* The model comes first after the header. */
static void a_damaged_model_is_read_from_the_source(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("inside.onnx");
    use("inside", 1, 64);
    size_t size;
    uint32_t header;
    uint8_t *bytes = engine_read_file(yk_temp_path("inside.engine"), &size);
    memcpy(&header, bytes + 12, 4);
    bytes[64 + header + 50] ^= 1;
    yk_temp_write("inside.engine", bytes, size);
    free(bytes);
    use("inside", 0, 64); /* the form alone is enough */
    assert_string_equal(log_text, "");
    use("inside", 0, 128);
    assert_non_null(strstr(log_text, "the model in it is not as it was written; it is read from"));
    assert_int_equal(unlink(yk_temp_path("inside.onnx")), 0);
    yolk_manager *m = manager_with(NULL, NULL);
    assert_ok(yolk_manager_load(m, "inside", 0));
    assert_fails(yolk_manager_prepare(m, (yolk_size){128, 128}, 1), YOLK_ERROR_DAMAGED, "the model in it is not");
    yolk_manager_destroy(&m);
}

static void what_cannot_be_used_at_all_gets_a_sentence(void **state)
{
    NEEDS_OPENVINO();
    yolk_manager *m = manager_with(NULL, NULL);
    yk_temp_text("lonely.engine", "\x89YOLK\r\n\x1a");
    assert_fails(yolk_manager_load(m, "lonely", 0), YOLK_ERROR_DAMAGED,
                 "lonely.engine: the engine is cut off: it has 8 bytes; the .pt or .onnx that it could be made from is "
                 "not there either");
    yk_temp_text("rt.engine", "ftrt and a plan");
    assert_fails(yolk_manager_load(m, "rt", 0), YOLK_ERROR_UNSUPPORTED, "this is a TensorRT engine");
    yolk_manager_destroy(&m);
}

static void engines_of_others_are_passed_over_and_left_alone(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("foreign.onnx");
    yk_temp_text("foreign.engine", "ftrt and a plan");
    assert_string_equal(use("foreign", 1, 64), yk_temp_path("foreign.onnx"));
    assert_non_null(strstr(log_text, "this is a TensorRT engine"));
    assert_non_null(strstr(log_text, "it is passed over for"));
    size_t size;
    uint8_t *bytes = engine_read_file(yk_temp_path("foreign.engine"), &size);
    assert_memory_equal(bytes, "ftrt and a plan", size);
    free(bytes);
    assert_string_equal(use(yk_temp_path("foreign.engine"), 0, 64), yk_temp_path("foreign.onnx"));
}

static void set_int8(yk_engine_header *h)
{
    h->precision = "int8";
    h->converted = true;
    h->check = "AP50-95 0.4, source 0.4";
}

static void conversions_of_another_precision_are_left_alone(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("int8.onnx");
    use("int8", 1, 64);
    change_header("int8.engine", set_int8);
    yolk_model_info info;
    yolk_manager *m = manager_with("precision", "int8");
    assert_ok(yolk_manager_load(m, "int8", 0));
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.precision, "int8");
    assert_string_equal(info.check, "AP50-95 0.4, source 0.4");
    yolk_manager_destroy(&m);
    assert_string_equal(log_text, "");
    m = manager_with("precision", "fp32");
    assert_ok(yolk_manager_load(m, "int8", 1));
    assert_non_null(strstr(log_text,
                           "int8.engine: the engine was converted to int8 and fp32 is asked for; it is passed "
                           "over for"));
    assert_int_equal(boxes_found(m, 64), 1);
    yolk_manager_destroy(&m);
    /* The source itself, named, is not the conversion; nor is that replaced. */
    log_text[0] = '\0';
    assert_string_equal(use(yk_temp_path("int8.onnx"), 1, 64), yk_temp_path("int8.onnx"));
    assert_non_null(strstr(log_text, "holds a conversion to int8"));
    m = manager_with("precision", "int8");
    assert_ok(yolk_manager_load(m, "int8", 0));
    yolk_manager_destroy(&m);
}

static void a_given_head_is_none_of_an_engines(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("head.onnx");
    use("head", 1, 64);
    yolk_manager *m = manager_with("head", "v8");
    yolk_manager_load(m, "head", 0);
    assert_non_null(strstr(log_text, "an engine has its head"));
    yolk_manager_destroy(&m);
}

static void a_backend_without_forms_uses_the_model(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("plain.onnx");
    use("plain", 1, 64);
    yolk_manager *m = manager_with("backend", "reference");
    assert_ok(yolk_manager_load(m, "plain", 1));
    assert_int_equal(boxes_found(m, 64), 1);
    assert_non_null(strstr(log_text, "is for openvino and passed over: reference runs it now"));
    assert_non_null(strstr(log_text, "nothing is kept in an engine: the backend has no form that could be kept"));
    assert_int_equal(forms_in("plain.engine"), 1);
    yolk_manager_destroy(&m);
}

static void a_file_that_cannot_be_written_is_warned_of_once(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("taken.onnx");
    assert_int_equal(mkdir(yk_temp_path("taken.engine"), 0777), 0);
    yolk_manager *m = manager_with(NULL, NULL);
    assert_ok(yolk_manager_load(m, "taken", 1));
    assert_int_equal(boxes_found(m, 64), 1);
    assert_non_null(strstr(log_text, "what is compiled cannot be kept: "));
    log_text[0] = '\0';
    assert_int_equal(boxes_found(m, 128), 1);
    assert_string_equal(log_text, "");
    yolk_manager_destroy(&m);
}

static void short_memory_is_told_and_harmless(void **state)
{
    NEEDS_OPENVINO();
    tiny_model("memory.onnx");
    use("memory", 1, 64);
    yolk_manager *m = manager_with(NULL, NULL);
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK && n < 500; n++) {
        yk_alloc_fail_at(n);
        status = yolk_manager_load(m, "memory", 1);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_ok(status);
    assert_int_equal(boxes_found(m, 64), 1);
    yolk_manager_destroy(&m);
    assert_int_equal(forms_in("memory.engine"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_file_is_written_unasked),
        cmocka_unit_test(what_is_compiled_is_kept_and_used),
        cmocka_unit_test(a_source_named_with_optimize_uses_its_engine),
        cmocka_unit_test(engines_work_without_their_source),
        cmocka_unit_test(facts_come_from_the_engine),
        cmocka_unit_test(forms_for_another_device_are_passed_over),
        cmocka_unit_test(forms_of_another_yolk_library_or_backend_are_passed_over),
        cmocka_unit_test(another_source_is_noticed),
        cmocka_unit_test(damaged_engines_are_passed_over_and_rebuilt),
        cmocka_unit_test(what_is_no_engine_at_all_is_damaged_too),
        cmocka_unit_test(a_damaged_form_is_compiled_anew),
        cmocka_unit_test(a_damaged_model_is_read_from_the_source),
        cmocka_unit_test(what_cannot_be_used_at_all_gets_a_sentence),
        cmocka_unit_test(engines_of_others_are_passed_over_and_left_alone),
        cmocka_unit_test(conversions_of_another_precision_are_left_alone),
        cmocka_unit_test(a_given_head_is_none_of_an_engines),
        cmocka_unit_test(a_backend_without_forms_uses_the_model),
        cmocka_unit_test(a_file_that_cannot_be_written_is_warned_of_once),
        cmocka_unit_test(short_memory_is_told_and_harmless),
    };
    return cmocka_run_group_tests_name("engine_load", tests, make, yk_temp_remove);
}
