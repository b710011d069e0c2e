#include "base/base.h"
#include "config/fields.h"
#include "yk_temp.h"

static yolk_config defaults(void)
{
    yolk_config c;
    yolk_config_defaults(&c);
    return c;
}

static yolk_status load(yolk_config *c, const char *text)
{
    return yolk_config_load_text(c, text, strlen(text));
}

static void a_file_changes_what_it_names(void **state)
{
    (void)state;
    yolk_config c = defaults();
    assert_ok(load(&c, "{\"conf\": 0.4, \"iou\": 1, \"max_det\": 5, \"multi_label\": true, \"agnostic\": 1,"
                       " \"batch\": \"auto\", \"device\": \"cpu\", \"imgsz\": 320, \"memory_limit_mb\": 350}"));
    assert_true(c.conf == 0.4 && c.iou == 1);
    assert_int_equal(c.max_det, 5);
    assert_int_equal(c.multi_label, 1);
    assert_int_equal(c.agnostic, 1);
    assert_string_equal(c.device, "cpu");
    assert_int_equal(c.imgsz_width, 320);
    assert_int_equal(c.memory_limit_mb, 350);
    assert_string_equal(c.model, "yolo26n");
    assert_ok(load(&c, "{\"imgsz\": [384, 640], \"classes\": [\"person\", 2], \"conf\": \"0.3\"}"));
    assert_int_equal(c.imgsz_height, 384);
    assert_int_equal(c.imgsz_width, 640);
    assert_string_equal(c.classes, "person,2");
    assert_ok(load(&c, "{\"ensemble_weights\": [2, 0.5], \"ensemble_votes\": \"unanimous\"}"));
    assert_string_equal(c.ensemble_weights, "2,0.5");
    assert_string_equal(c.ensemble_votes, "unanimous");
    assert_ok(load(&c, "\xef\xbb\xbf{\"classes\": [], \"imgsz\": \"auto\"}"));
    assert_string_equal(c.classes, "");
    assert_ok(load(&c, "{\"resolutions\": [{\"width\": 640, \"height\": 480, \"batch\": 4, \"scale\": 1},"
                       " {\"width\": 1920, \"height\": 1080, \"batch\": 2, \"scale\": 0.5}]}"));
    assert_int_equal(c.resolution_count, 2);
    assert_true(c.resolutions[1].scale == 0.5);
    assert_ok(load(&c, "{}"));
}

/* Ranges are validate()'s: so that it can list all that is wrong with a file. */
static void values_out_of_range_are_left_to_validation(void **state)
{
    (void)state;
    yolk_config c = defaults();
    char *faults;
    assert_ok(load(&c, "{\"conf\": 7, \"backend\": \"magic\", \"queue\": 0, \"agnostic\": 3}"));
    assert_int_equal(yolk_config_validate(&c, &faults), YOLK_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(faults, "conf: '7'"));
    assert_non_null(strstr(faults, "backend: 'magic'"));
    assert_non_null(strstr(faults, "queue: '0'"));
    assert_non_null(strstr(faults, "agnostic: '3'"));
    yolk_config_text_free(faults);
}

static void bad_files_change_nothing(void **state)
{
    (void)state;
    const struct {
        const char *text;
        yolk_status status;
        const char *words;
    } bad[] = {
        {"", YOLK_ERROR_DAMAGED, "line 1, column 0: this is not JSON"},
        {"{\"conf\": }", YOLK_ERROR_DAMAGED, "line 1, column 10: this is not JSON"},
        {"{\"conf\": 1, \"conf\": 1}", YOLK_ERROR_DAMAGED, "duplicate object key"},
        {"{\"conf\": 0.3} x", YOLK_ERROR_DAMAGED, "not JSON"},
        {"[1]", YOLK_ERROR_INVALID_ARGUMENT, "settings must be one JSON object"},
        {"{\"iou\": 0.1, \"cnf\": 0.3}", YOLK_ERROR_INVALID_ARGUMENT, "no setting 'cnf', did you mean 'conf'?"},
        {"{\"conf\": [1]}", YOLK_ERROR_INVALID_ARGUMENT, "conf: '[1]' is not allowed; it must be a number from 0 to 1"},
        {"{\"conf\": null}", YOLK_ERROR_INVALID_ARGUMENT, "conf: 'null'"},
        {"{\"max_det\": 2.5}", YOLK_ERROR_INVALID_ARGUMENT, "max_det: '2.5'"},
        {"{\"max_det\": 5000000000}", YOLK_ERROR_INVALID_ARGUMENT, "max_det: '5000000000'"},
        {"{\"max_det\": 99999999999999999999}", YOLK_ERROR_DAMAGED, "too big integer"},
        {"{\"model\": 3}", YOLK_ERROR_INVALID_ARGUMENT, "model: '3' is not allowed; it must be the name of a model"},
        {"{\"model\": [\"a\"]}", YOLK_ERROR_INVALID_ARGUMENT, "model: '[\"a\"]'"},
        {"{\"classes\": [1.5]}", YOLK_ERROR_INVALID_ARGUMENT, "classes: 'a list of something else'"},
        {"{\"imgsz\": [1, 2, 3]}", YOLK_ERROR_INVALID_ARGUMENT, "imgsz: '[1,2,3]'"},
        {"{\"imgsz\": true}", YOLK_ERROR_INVALID_ARGUMENT, "imgsz: 'true'"},
        {"{\"imgsz\": {}}", YOLK_ERROR_INVALID_ARGUMENT, "imgsz: '{}'"},
        {"{\"multi_label\": 0.5}", YOLK_ERROR_INVALID_ARGUMENT, "multi_label: '0.5'"},
        {"{\"resolutions\": 5}", YOLK_ERROR_INVALID_ARGUMENT, "resolutions: '5'"},
        {"{\"resolutions\": [{\"width\": 5}]}", YOLK_ERROR_INVALID_ARGUMENT, "resolutions: "},
        {"{\"resolutions\": [{\"width\": -5, \"height\": 1, \"batch\": 1, \"scale\": 1}]}", YOLK_ERROR_INVALID_ARGUMENT,
         "resolutions: "},
        {"{\"resolutions\": [0,0,0,0,0,0,0,0,0]}", YOLK_ERROR_INVALID_ARGUMENT, "1 to 8 rows"},
        {"{\"cnf\": 1, \"conf\": 7}", YOLK_ERROR_INVALID_ARGUMENT, "did you mean 'conf'?; conf: '7' is not allowed"},
        {"{\"a\": 1, \"conf\": \"x\", \"batch\": {}}", YOLK_ERROR_INVALID_ARGUMENT,
         "there is no setting 'a'; conf: 'x' is not allowed; it must be a number from 0 to 1; batch: '{}'"},
    };
    for (size_t i = 0; i < YK_COUNT(bad); i++) {
        yolk_config c = defaults(), before = c;
        assert_fails(load(&c, bad[i].text), bad[i].status, bad[i].words);
        assert_memory_equal(&c, &before, sizeof c);
    }
}

static void failures_begin_with_the_path(void **state)
{
    (void)state;
    yolk_config c = defaults();
    assert_fails(yolk_config_load(&c, yk_temp_path("absent.json")), YOLK_ERROR_NOT_FOUND, "absent.json: No such file");
    assert_fails(yolk_config_load(&c, yk_temp_text("cut.json", "{\"conf\": 0.")), YOLK_ERROR_DAMAGED,
                 "cut.json: line 1, column");
    assert_fails(yolk_config_load(&c, yk_temp_text("odd.json", "{\"cnf\": 0}")), YOLK_ERROR_INVALID_ARGUMENT,
                 "odd.json: there is no setting 'cnf'");
    assert_fails(yolk_config_load(&c, yk_temp_text("empty.json", "")), YOLK_ERROR_DAMAGED, "the file is empty");
    char *large = malloc((1 << 20) + 2);
    memset(large, ' ', (1 << 20) + 1);
    assert_fails(yolk_config_load(&c, yk_temp_write("large.json", large, (1 << 20) + 1)), YOLK_ERROR_LIMIT,
                 "large.json: the settings take 1048577 bytes");
    free(large);
}

static void what_is_saved_loads_the_same(void **state)
{
    (void)state;
    yolk_config c = defaults(), back = c;
    c.conf = 1.0 / 3;
    c.iou = 0.45;
    c.imgsz_height = 384;
    c.imgsz_width = 640;
    c.agnostic = 1;
    c.memory_limit_mb = 1 << 20;
    strcpy(c.classes, "person,traffic light,\"odd\"\\");
    strcpy(c.models_dir, "m\xc3\xb6"
                         "del");
    c.resolution_count = 2;
    memset(&c.resolutions[2], 0, sizeof c.resolutions[2]);
    c.resolutions[0].scale = 0.7;
    assert_ok(yolk_config_save(&c, yk_temp_path("saved.json")));
    assert_ok(yolk_config_load(&back, yk_temp_path("saved.json")));
    assert_memory_equal(&back, &c, sizeof c);
    char *text = yolk_config_to_text(&c);
    assert_non_null(strstr(text, "\"multi_label\": false"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    yolk_config_text_free(text);
    c = defaults();
    text = yolk_config_to_text(&c);
    assert_non_null(strstr(text, "\"iou\": 0.45,"));
    assert_non_null(strstr(text, "\"imgsz\": 0,"));
    yolk_config_text_free(text);
}

static void what_json_cannot_hold_is_not_saved(void **state)
{
    (void)state;
    yolk_config c = defaults();
    strcpy(c.models_dir, "\xff");
    assert_fails(yolk_config_save(&c, yk_temp_path("bad.json")), YOLK_ERROR_INVALID_ARGUMENT,
                 "models_dir: the value cannot be written");
    assert_null(yolk_config_to_text(&c));
    assert_false(yk_is_file(yk_temp_path("bad.json")));
    c = defaults();
    assert_fails(yolk_config_save(&c, yk_temp_path("no/folder.json")), YOLK_ERROR_NOT_FOUND, "make it first");
}

static void short_memory_changes_nothing(void **state)
{
    (void)state;
    const char *good = "{\"conf\": 0.4, \"classes\": [\"person\"]}";
    const char *bad = "{\"conf\": 9, \"clases\": 1, \"batch\": {}}";
    for (int pass = 0; pass < 2; pass++) {
        for (long n = 1; n < 40; n++) {
            yolk_config c = defaults(), before = c;
            yk_alloc_fail_at(n);
            yolk_status status = load(&c, pass ? bad : good);
            bool enough = yk_alloc_count() < n;
            yk_alloc_fail_at(0);
            if (status != YOLK_OK)
                assert_memory_equal(&c, &before, sizeof c);
            assert_int_equal(status, !enough ? YOLK_ERROR_OUT_OF_MEMORY : pass ? YOLK_ERROR_INVALID_ARGUMENT : YOLK_OK);
        }
    }
    yolk_config c = defaults();
    char text[32], *faults;
    yk_alloc_fail_at(1);
    assert_null(yolk_config_to_text(&c));
    assert_int_equal(yolk_config_get(&c, "conf", text, sizeof text), YOLK_ERROR_OUT_OF_MEMORY);
    c.conf = 2;
    assert_int_equal(yolk_config_validate(&c, &faults), YOLK_ERROR_OUT_OF_MEMORY);
    assert_null(faults);
    yk_alloc_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_changes_what_it_names), cmocka_unit_test(values_out_of_range_are_left_to_validation),
        cmocka_unit_test(bad_files_change_nothing),     cmocka_unit_test(failures_begin_with_the_path),
        cmocka_unit_test(what_is_saved_loads_the_same), cmocka_unit_test(what_json_cannot_hold_is_not_saved),
        cmocka_unit_test(short_memory_changes_nothing),
    };
    return cmocka_run_group_tests_name("config_file", tests, yk_temp_make, yk_temp_remove);
}
