/* Engines of TensorRT: by interpreters that are shell scripts, and by NVIDIA's package where set-up has put it. */
#include <jansson.h>
#include <sys/stat.h>

#include "convert/tensorrt.h"
#include "yk_temp.h"
#include "yk_tiny.h"
#include "yolk/yolk.h"

static const char *const names[3] = {"red", "green", "caf\xc3\xa9"};

static const char *source(void)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/tiny.onnx", yk_temp_folder);
    if (access(path, R_OK) != 0)
        yk_tiny_write(path, 0, names);
    return path;
}

static const char *made(void)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/made.engine", yk_temp_folder);
    return path;
}

/* A folder of pictures with one cell each. */
static const char *pictures(void)
{
    static uint8_t pixels[YK_TINY_SIDE * YK_TINY_SIDE * 3];
    char name[64];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "pictures/%03d.png", i);
        const char *path = yk_temp_text(name, "");
        yolk_image image = yk_tiny_picture(pixels, YK_TINY_SIDE, YK_TINY_SIDE, i % 8, i / 8 % 8, i % 2);
        assert_ok(yolk_image_save(&image, path));
    }
    return yk_temp_path("pictures");
}

static yolk_convert_options for_rtx_3090(void)
{
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.precision = YOLK_PRECISION_FP16;
    o.target = YOLK_TARGET_TENSORRT;
    o.gpu = "sm_86";
    o.no_validate = 1;
    o.backend = "reference";
    return o;
}

/* Makes `script` the interpreter. It is asked twice: the first time, with two arguments after "-", what it has. */
static void python(const char *probe, const char *build)
{
    char text[2048];
    snprintf(text, sizeof text, "#!/bin/sh\nif [ $# -eq 3 ]; then\n%s\nelse\n%s\nfi\n", probe, build);
    const char *path = yk_temp_text("python", text);
    chmod(path, 0755);
    setenv("YOLK_PYTHON", path, 1);
}

#define HAS_IT "echo '@library fake_trt 1.2 sm_86' >&2"

static yolk_status convert(void)
{
    yolk_convert_options o = for_rtx_3090();
    return yolk_convert(source(), made(), &o, NULL);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The JSON before the plan, and the plan. */
static json_t *read_engine(const char *path, yk_map *map, const uint8_t **plan, size_t *size)
{
    assert_ok(yk_map_open(path, map));
    assert_true(map->size > 4);
    size_t length = map->data[0] | map->data[1] << 8 | map->data[2] << 16 | (size_t)map->data[3] << 24;
    assert_true(length < map->size - 4);
    *plan = map->data + 4 + length;
    *size = map->size - 4 - length;
    json_t *root = json_loadb((const char *)map->data + 4, length, 0, NULL);
    assert_non_null(root);
    return root;
}

static void the_file_is_as_ultralytics_reads_it(void **state)
{
    (void)state;
    yk_map map;
    const uint8_t *plan;
    size_t size;
    int least, usual, most, height, width, stride, batch, open, half;
    const char *gpu, *library, *check, *precision, *task;
    python(HAS_IT, HAS_IT "; echo '@progress 0.5' >&2; printf 'plan for %s %s' \"$4\" \"$8\"; echo '@done 13' >&2");
    assert_ok(convert());
    json_t *root = read_engine(made(), &map, &plan, &size);
    assert_int_equal(size, 13);
    assert_memory_equal(plan, "plan for 1 64", 13);
    assert_int_equal(json_unpack(root, "{s:{s:s, s:s, s:s, s:s, s:[i,i,i]}, s:s, s:[i,i], s:i, s:i, s:{s:b, s:b}}",
                                 "yolk", "gpu", &gpu, "library", &library, "check", &check, "precision", &precision,
                                 "batches", &least, &usual, &most, "task", &task, "imgsz", &height, &width, "stride",
                                 &stride, "batch", &batch, "args", "dynamic", &open, "half", &half),
                     0);
    assert_string_equal(gpu, "sm_86");
    assert_string_equal(library, "fake_trt 1.2");
    assert_string_equal(check, "not checked");
    assert_string_equal(precision, "fp16");
    assert_string_equal(task, "detect");
    assert_true(least == 1 && usual == 8 && most == 16 && batch == 16 && height == 64 && width == 64 && stride == 8);
    assert_true(open && half);
    const json_t *classes = json_object_get(root, "names");
    assert_int_equal(json_object_size(classes), 3);
    assert_string_equal(json_string_value(json_object_get(classes, "0")), "red");
    assert_string_equal(json_string_value(json_object_get(classes, "2")), "caf\xc3\xa9");
    json_decref(root);
    yk_map_close(&map);
    /* yolk says what it is when asked to run it. */
    yolk_model_list *list;
    assert_ok(yolk_model_list_create_file(made(), &list));
    assert_non_null(strstr(yolk_model_list_get(list, 0)->error, "TensorRT engine that yolk built"));
    assert_string_equal(yolk_model_list_get(list, 0)->format, "engine");
    yolk_model_list_destroy(&list);
    unlink(made());
}

static void without_the_package_it_says_how_to_get_it(void **state)
{
    (void)state;
    python("echo @missing >&2; exit 1", "exit 1");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "-m pip install tensorrt-rtx-cu13-libs==");
    setenv("YOLK_PYTHON", yk_temp_path("nowhere"), 1);
    assert_fails(convert(), YOLK_ERROR_BACKEND, "which YOLK_PYTHON names, cannot be run");
    char *was = strdup(getenv("PATH"));
    unsetenv("YOLK_PYTHON");
    setenv("PATH", "/nowhere", 1);
    assert_fails(convert(), YOLK_ERROR_BACKEND, "there is no python3");
    setenv("PATH", was, 1);
    free(was);
    assert_false(exists(made()));
}

static void what_it_says_becomes_the_sentence(void **state)
{
    (void)state;
    python("echo '@error does not build for sm_86' >&2; exit 1", "exit 1");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "tiny.onnx: TensorRT: does not build for sm_86");
    python("echo Traceback >&2; echo 'SyntaxError: invalid syntax' >&2; exit 1", "exit 1");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "ended with status 1 and says: SyntaxError: invalid syntax");
    python(HAS_IT, "echo '@error node Conv_3 is not supported' >&2; exit 1");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "TensorRT: node Conv_3 is not supported");
    python(HAS_IT, "printf plan; kill -KILL $$");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "ended by signal 9; memory may be short");
    /* An engine that was cut, or that nobody vouches for. */
    python(HAS_IT, "printf plan; echo '@done 5' >&2");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "build failed");
    python(HAS_IT, "printf plan");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "says: nothing");
    python(HAS_IT, "echo '@done 0' >&2");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "build failed");
    python("exit 0", "exit 0");
    assert_fails(convert(), YOLK_ERROR_BACKEND, "build failed");
    assert_false(exists(made()));
}

static int stop_when_building(void *user, const yolk_convert_progress *p)
{
    int *calls = user;
    assert_string_equal(p->source, source());
    return strcmp(p->stage, "building with TensorRT") == 0 && p->fraction > 0.5 && ++*calls > 2;
}

static void a_build_that_hangs_can_be_stopped(void **state)
{
    (void)state;
    int calls = 0;
    yolk_convert_options o = for_rtx_3090();
    o.progress = stop_when_building;
    o.user = &calls;
    python(HAS_IT, "echo '@progress 0.9' >&2; printf plan; sleep 600");
    assert_fails(yolk_convert(source(), made(), &o, NULL), YOLK_ERROR_CANCELED, "nothing was written");
    assert_false(exists(made()));
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    yolk_convert_options o = for_rtx_3090();
    python(HAS_IT, "exit 1");
    o.gpu = "rtx3090";
    assert_fails(yolk_convert(source(), made(), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "sm_86 for an RTX 3090");
    o = for_rtx_3090();
    o.batch_usual = 32;
    assert_fails(yolk_convert(source(), made(), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "batches 1, 32, 16");
    o = for_rtx_3090();
    o.dynamic = 1;
    assert_fails(yolk_convert(source(), made(), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "one input size");
    o = for_rtx_3090();
    assert_fails(yolk_convert(source(), yk_temp_path("x.onnx"), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT,
                 "ends with .engine");
    o.target = YOLK_TARGET_ONNX;
    assert_fails(yolk_convert(source(), yk_temp_path("x.onnx"), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT,
                 "add --to tensorrt");
    o.target = (yolk_target)9;
    assert_fails(yolk_convert(source(), made(), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "target 9");
    yk_tiny_write(yk_temp_path("fixed.onnx"), 2, names);
    o = for_rtx_3090();
    assert_fails(yolk_convert(yk_temp_path("fixed.onnx"), made(), &o, NULL), YOLK_ERROR_UNSUPPORTED,
                 "batches of another size");
    assert_false(exists(made()));
}

static void memory_may_be_short(void **state)
{
    (void)state;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    python(HAS_IT, "printf plan; echo '@done 4' >&2");
    source();
    for (long n = 1; status != YOLK_OK; n += 11) {
        yk_alloc_fail_at(n);
        status = convert();
        yk_alloc_fail_at(0);
        /* A program that cannot be looked for is as good as missing. */
        if (status != YOLK_OK)
            assert_true(status == YOLK_ERROR_OUT_OF_MEMORY || status == YOLK_ERROR_BACKEND);
        assert_true(exists(made()) == (status == YOLK_OK));
    }
    unlink(made());
}

/* For real, where set-up has put the package: fp16, and int8, which TensorRT wants around zero. */
static void real_engines(void **state)
{
    (void)state;
    char folder[1024];
    const char *set = getenv("YOLK_DEPS");
    snprintf(folder, sizeof folder, "%s/tensorrt", yk_deps());
    if (access(folder, R_OK) != 0 || (set && *set))
        YK_SKIP("TensorRT-RTX is not in .deps");
    unsetenv("YOLK_PYTHON");
    yolk_convert_options o = for_rtx_3090();
    yolk_convert_report *r = NULL;
    yk_map map;
    const uint8_t *plan;
    size_t size;
    const char *check;
    for (int int8 = 0; int8 < 2; int8++) {
        o.precision = int8 ? YOLK_PRECISION_INT8 : YOLK_PRECISION_FP16;
        o.calib = pictures();
        o.no_validate = 0;
        yolk_status status = yolk_convert(source(), made(), &o, &r);
        if (status == YOLK_ERROR_BACKEND && strstr(yolk_last_error(), "pip install"))
            YK_SKIP("there is no package for this Python");
        assert_ok(status);
        assert_non_null(strstr(r->text, "as ONNX on the processor"));
        json_t *root = read_engine(made(), &map, &plan, &size);
        assert_int_equal(json_unpack(root, "{s:{s:s}}", "yolk", "check", &check), 0);
        assert_string_equal(check, r->text);
        assert_true(size > 1000 && r->bytes == map.size);
        assert_memory_equal(plan, "vtrt", 4);
        json_decref(root);
        yk_map_close(&map);
        yolk_convert_report_destroy(&r);
        unlink(made());
    }
    o.gpu = "sm_35";
    assert_fails(yolk_convert(source(), made(), &o, NULL), YOLK_ERROR_BACKEND, "does not build for sm_35; it knows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_as_ultralytics_reads_it),
        cmocka_unit_test(without_the_package_it_says_how_to_get_it),
        cmocka_unit_test(what_it_says_becomes_the_sentence),
        cmocka_unit_test(a_build_that_hangs_can_be_stopped),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(memory_may_be_short),
        cmocka_unit_test(real_engines),
    };
    return cmocka_run_group_tests_name("tensorrt", tests, yk_temp_make, yk_temp_remove);
}
