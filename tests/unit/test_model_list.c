#include "base/base.h"
#include "yk_temp.h"
#include "yk_tiny.h"
#include "yolk/model.h"

static const char *const colours[] = {"red", "green", "blue"};

static int make(void **state)
{
    if (yk_temp_make(state) != 0)
        return -1;
    mkdir(yk_temp_path("models"), 0777);
    yk_tiny_write(yk_temp_path("models/tiny.onnx"), 0, colours);
    yk_tiny_write(yk_temp_path("models/fixed.onnx"), 1, colours);
    yk_temp_text("models/damaged.pt", "nothing of the kind");
    yk_temp_text("models/empty.onnx", "");
    yk_temp_text("models/trt.engine", "ftrt....");
    yk_temp_text("models/readme.txt", "not a model");
    mkdir(yk_temp_path("models/folder.onnx"), 0777);
    return 0;
}

static void a_folder_is_listed_by_name(void **state)
{
    (void)state;
    yolk_model_list *list;
    assert_ok(yolk_model_list_create(yk_temp_path("models"), &list));
    const char *const names[] = {"damaged", "empty", "fixed", "tiny", "trt"};
    const char *const formats[] = {"pt", "onnx", "onnx", "onnx", "engine"};
    assert_int_equal(yolk_model_list_count(list), YK_COUNT(names));
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        const yolk_model_info *info = yolk_model_list_get(list, i);
        assert_string_equal(info->name, names[i]);
        assert_string_equal(info->format, formats[i]);
        assert_string_equal(info->backend, "");
        assert_string_equal(info->device, "");
        bool good = i == 2 || i == 3;
        assert_int_equal(*info->error == '\0', good);
        assert_int_equal(info->class_count, good ? 3 : 0);
        assert_string_equal(info->family, good ? "tiny" : "");
    }
    assert_null(yolk_model_list_get(list, YK_COUNT(names)));
    assert_int_equal(yolk_model_list_get(list, 2)->dynamic_size, 0);
    assert_int_equal(yolk_model_list_get(list, 3)->dynamic_size, 1);
    assert_string_equal(yolk_model_list_get(list, 3)->class_names[1], "green");
    assert_non_null(strstr(yolk_model_list_get(list, 1)->error, "empty"));
    assert_non_null(strstr(yolk_model_list_get(list, 4)->error, "TensorRT"));
    yolk_model_list_destroy(&list);
    assert_null(list);
    yolk_model_list_destroy(&list);
}

static void one_file_is_a_list_of_one(void **state)
{
    (void)state;
    yolk_model_list *list;
    assert_ok(yolk_model_list_create_file(yk_temp_path("models/tiny.onnx"), &list));
    assert_int_equal(yolk_model_list_count(list), 1);
    assert_string_equal(yolk_model_list_get(list, 0)->error, "");
    assert_int_equal(yolk_model_list_get(list, 0)->stride, 8);
    yolk_model_list_destroy(&list);
    assert_ok(yolk_model_list_create_file(yk_temp_path("models/damaged.pt"), &list));
    assert_string_not_equal(yolk_model_list_get(list, 0)->error, "");
    yolk_model_list_destroy(&list);
    assert_ok(yolk_model_list_create_file(yk_temp_path("models/empty.onnx"), &list));
    assert_non_null(strstr(yolk_model_list_get(list, 0)->error, "the file is empty"));
    yolk_model_list_destroy(&list);
}

static void what_is_not_there_is_an_error(void **state)
{
    (void)state;
    yolk_model_list *list;
    assert_fails(yolk_model_list_create(yk_temp_path("absent"), &list), YOLK_ERROR_NOT_FOUND, "absent");
    assert_null(list);
    assert_fails(yolk_model_list_create_file(yk_temp_path("absent.pt"), &list), YOLK_ERROR_NOT_FOUND, "absent.pt");
    assert_fails(yolk_model_list_create_file(yk_temp_folder, &list), YOLK_ERROR_INVALID_ARGUMENT, "this is a folder");
    assert_null(list);
    mkdir(yk_temp_path("nothing"), 0777);
    assert_ok(yolk_model_list_create(yk_temp_path("nothing"), &list));
    assert_int_equal(yolk_model_list_count(list), 0);
    yolk_model_list_destroy(&list);
}

static void short_memory_is_an_error(void **state)
{
    (void)state;
    bool enough = false;
    for (long n = 1; !enough; n++) {
        yolk_model_list *list;
        yk_alloc_fail_at(n);
        yolk_status status = yolk_model_list_create_file(yk_temp_path("models/tiny.onnx"), &list);
        enough = yk_alloc_count() < n;
        yk_alloc_fail_at(0);
        assert_int_equal(status, enough ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY);
        assert_int_equal(list != NULL, enough);
        yolk_model_list_destroy(&list);
    }
}

/* Checkpoints that people have. */
static void real_checkpoints_are_described(void **state)
{
    (void)state;
    char path[1024];
    if (!yk_shared())
        YK_SKIP("no shared test data");
    const char *const files[][5] = {{"yolo26n.pt", "pt", "yolo26n", "end-to-end", "fp16"},
                                    {"yolov8n.pt", "pt", "yolov8n", "anchor-free", "fp16"},
                                    {"yolov8n.onnx", "onnx", "yolov8n", "anchor-free", "fp32"}};
    for (size_t i = 0; i < YK_COUNT(files); i++) {
        yolk_model_list *list;
        snprintf(path, sizeof path, "%s/data/weights/%s", yk_shared(), files[i][0]);
        assert_ok(yolk_model_list_create_file(path, &list));
        const yolk_model_info *info = yolk_model_list_get(list, 0);
        assert_string_equal(info->error, "");
        assert_string_equal(info->format, files[i][1]);
        assert_string_equal(info->family, files[i][2]);
        assert_string_equal(info->head, files[i][3]);
        assert_string_equal(info->precision, files[i][4]);
        assert_int_equal(info->class_count, 80);
        assert_string_equal(info->class_names[0], "person");
        assert_int_equal(info->stride, 32);
        assert_int_equal(info->input_width, 640);
        assert_in_range(info->parameters, 2000000, 4000000);
        yolk_model_list_destroy(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_listed_by_name),     cmocka_unit_test(one_file_is_a_list_of_one),
        cmocka_unit_test(what_is_not_there_is_an_error),  cmocka_unit_test(short_memory_is_an_error),
        cmocka_unit_test(real_checkpoints_are_described),
    };
    return cmocka_run_group_tests_name("model_list", tests, make, yk_temp_remove);
}
