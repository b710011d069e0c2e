#include "model/model.h"
#include "yk_temp.h"

static char *start_folder;

static int make(void **state)
{
    start_folder = getcwd(NULL, 0);
    if (yk_temp_make(state) != 0)
        return -1;
    yk_temp_text("models/yolo26n.pt", "PK\3\4zip of weights");
    yk_temp_write("models/yolo26n.engine", "\x10\x01\x00\x00{\"description\": 1}", 22);
    yk_temp_text("models/both.onnx", "x");
    yk_temp_text("models/both.pt", "x");
    yk_temp_text("models/onlyengine.engine", "ftrt1234");
    yk_temp_text("work/here.onnx", "x");
    yk_temp_text("work/onlyengine.pt", "x");
    yk_temp_text("work/yolo26n", "a file of that very name");
    mkdir(yk_temp_path("work/folder"), 0777);
    yk_temp_text("models/folder.onnx", "x");
    return chdir(yk_temp_path("work"));
}

static int remove_all(void **state)
{
    int status = chdir(start_folder);
    free(start_folder);
    return status ? status : yk_temp_remove(state);
}

static void assert_found(const char *name, const char *expected)
{
    char *path;
    assert_ok(yk_model_find("../models", name, &path));
    assert_string_equal(path, expected);
    yk_free(path);
}

static void names_are_looked_up(void **state)
{
    (void)state;
    assert_found("both", "../models/both.onnx");
    assert_found("here", "here.onnx");
    assert_found("both.pt", "../models/both.pt");
    assert_found("here.onnx", "here.onnx");
    assert_found("../models/both.pt", "../models/both.pt");
    assert_found("yolo26n", "yolo26n");
    assert_found("folder", "../models/folder.onnx");
    assert_found("onlyengine", "../models/onlyengine.engine");
    assert_found("onlyengine.engine", "../models/onlyengine.engine");
}

static void assert_source(const char *name, const char *engine, const char *expected)
{
    char *path;
    assert_ok(yk_model_find_source("../models", name, engine, &path));
    if (expected)
        assert_string_equal(path, expected);
    else
        assert_null(path);
    yk_free(path);
}

static void sources_stand_in_for_engines(void **state)
{
    (void)state;
    assert_source("both", "../models/both.engine", "../models/both.onnx");
    assert_source("../models/both.engine", "../models/both.engine", "../models/both.onnx");
    assert_source("here.engine", "here.engine", "here.onnx");
    /* A name is looked for further, a file is not. */
    assert_source("onlyengine", "../models/onlyengine.engine", "onlyengine.pt");
    assert_source("../models/onlyengine.engine", "../models/onlyengine.engine", NULL);
}

static void missing_models_say_where_was_looked(void **state)
{
    (void)state;
    char *path;
    assert_fails(yk_model_find("../models", "yolo26m", &path), YOLK_ERROR_NOT_FOUND,
                 "model 'yolo26m' is neither in ../models nor in the working folder with .engine, .onnx or .pt behind "
                 "its name; did you mean 'yolo26n'?");
    assert_null(path);
    assert_fails(yk_model_find("../models", "heer.onnx", &path), YOLK_ERROR_NOT_FOUND, "did you mean 'here'?");
    assert_fails(yk_model_find("../models", "elephant", &path), YOLK_ERROR_NOT_FOUND,
                 "name a file, or set the folder of models with models_dir (--models)");
    assert_fails(yk_model_find("nowhere", "elephant", &path), YOLK_ERROR_NOT_FOUND,
                 "in nowhere, which does not exist, nor");
    assert_fails(yk_model_find("../models", "", &path), YOLK_ERROR_INVALID_ARGUMENT, "the name is empty");
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    const char *const names[] = {"both", "onlyengine", "yolo26m", "here.onnx"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        for (long n = 1; n < 60; n++) {
            char *path;
            yk_alloc_fail_at(n);
            yolk_status status = yk_model_find("../models", names[i], &path);
            bool enough = yk_alloc_count() < n;
            yk_alloc_fail_at(0);
            if (enough) {
                yk_free(path);
                break;
            }
            /* A folder whose listing fails counts as one without models. */
            assert_true(status == YOLK_ERROR_OUT_OF_MEMORY || status == YOLK_ERROR_NOT_FOUND);
            assert_null(path);
        }
    }
}

static void engines_get_a_sentence(void **state)
{
    (void)state;
    assert_fails(yk_model_refuse_engine("../models/yolo26n.engine"), YOLK_ERROR_UNSUPPORTED,
                 "../models/yolo26n.engine: this is a TensorRT engine exported by ultralytics");
    assert_fails(yk_model_refuse_engine("../models/onlyengine.engine"), YOLK_ERROR_UNSUPPORTED,
                 "this is a TensorRT engine, which runs only");
    assert_fails(yk_model_refuse_engine(yk_temp_text("odd.engine", "?")), YOLK_ERROR_UNSUPPORTED,
                 "not an engine that yolk knows");
    assert_ok(yk_model_refuse_engine("../models/yolo26n.pt"));
    assert_ok(yk_model_refuse_engine("here.onnx"));
    assert_ok(yk_model_refuse_engine("absent.onnx"));
}

static void formats_go_by_content(void **state)
{
    (void)state;
    assert_string_equal(yk_model_format("../models/yolo26n.pt"), "pt");
    assert_string_equal(yk_model_format("../models/yolo26n.engine"), "engine");
    assert_string_equal(yk_model_format(yk_temp_text("zip.onnx", "PK\3\4....")), "pt");
    assert_string_equal(yk_model_format(yk_temp_text("onnx.bin", "\x08\x08....")), "onnx");
    assert_string_equal(yk_model_format(yk_temp_path("absent.engine")), "engine");
    assert_true(yk_is_model_name("a/b.pt"));
    assert_false(yk_is_model_name("a.pt/b"));
    assert_false(yk_is_model_name(".pt"));
    assert_false(yk_is_model_name("b.pth"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(sources_stand_in_for_engines),
        cmocka_unit_test(missing_models_say_where_was_looked),
        cmocka_unit_test(engines_get_a_sentence),
        cmocka_unit_test(short_memory_is_reported),
        cmocka_unit_test(formats_go_by_content),
    };
    return cmocka_run_group_tests_name("find", tests, make, remove_all);
}
