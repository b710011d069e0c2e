#include "base/base.h"
#include "config/fields.h"
#include "yk_temp.h"

extern char **environ;

static char warnings[4096];

static void remember(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    if (level <= YOLK_LOG_WARNING)
        strncat(warnings, message, sizeof warnings - strlen(warnings) - 1);
}

/* Each test starts without YOLK_ variables. */
static int clear_environment(void **state)
{
    (void)state;
    for (char **v = environ; *v;) {
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*v, "="), *v);
        if (strncmp(name, "YOLK_", 5) == 0) {
            unsetenv(name);
            v = environ;
        } else {
            v++;
        }
    }
    warnings[0] = '\0';
    yolk_log_set(remember, NULL, YOLK_LOG_WARNING);
    return 0;
}

static void variables_win_over_what_was_there(void **state)
{
    (void)state;
    yolk_config c;
    yolk_config_defaults(&c);
    setenv("YOLK_CONF", "0.4", 1);
    setenv("YOLK_IMGSZ", "384x640", 1);
    setenv("YOLK_DEVICE", "cpu", 1);
    setenv("YOLK_MODELS_DIR", "/somewhere", 1);
    setenv("YOLK_MAX_DET", "", 1);
    assert_ok(yolk_config_apply_environment(&c));
    assert_true(c.conf == 0.4);
    assert_int_equal(c.imgsz_height, 384);
    assert_string_equal(c.models_dir, "/somewhere");
    assert_int_equal(c.max_det, 300);
    assert_string_equal(warnings, "");
}

static void all_bad_variables_are_named(void **state)
{
    (void)state;
    yolk_config c, before;
    yolk_config_defaults(&c);
    before = c;
    setenv("YOLK_CONF", "4", 1);
    setenv("YOLK_BATCH", "many", 1);
    setenv("YOLK_IOU", "0.3", 1);
    assert_fails(yolk_config_apply_environment(&c), YOLK_ERROR_INVALID_ARGUMENT, "environment: ");
    assert_non_null(strstr(yolk_last_error(), "conf: '4'"));
    assert_non_null(strstr(yolk_last_error(), "batch: 'many'"));
    assert_memory_equal(&c, &before, sizeof c);
}

static void unknown_variables_are_warned_about(void **state)
{
    (void)state;
    yolk_config c;
    yolk_config_defaults(&c);
    setenv("YOLK_CONFF", "0.4", 1);
    setenv("YOLK_OPENVINO", "/x", 1);
    setenv("YOLK_DEPS", "/x", 1);
    setenv("YOLK_SHARED", "/x", 1);
    setenv("YOLK_PROFILE", "debug", 1);
    setenv("YOLK_CONFIG", "/x", 1);
    setenv("YOLK_A_VERY_LONG_NAME_THAT_IS_LONGER_THAN_ANY_SETTING_COULD_EVER_BECOME", "1", 1);
    setenv("YOLKISH", "1", 1);
    assert_ok(yolk_config_apply_environment(&c));
    assert_string_equal(warnings, "the environment variable YOLK_CONFF has no effect: there is no setting 'conff', "
                                  "did you mean 'conf'?");
}

static void the_order_is_profile_file_environment(void **state)
{
    (void)state;
    yolk_config c;
    const char *file = yk_temp_text("order.json", "{\"queue\": 5, \"conf\": 0.3, \"profile\": \"dev_pi\"}");
    assert_ok(yolk_config_resolve(&c, "debug", file));
    assert_string_equal(c.profile, "debug");
    assert_int_equal(c.threads, 1);
    assert_int_equal(c.queue, 5);
    assert_true(c.conf == 0.3);
    setenv("YOLK_QUEUE", "6", 1);
    assert_ok(yolk_config_resolve(&c, "debug", file));
    assert_int_equal(c.queue, 6);
    assert_ok(yolk_config_resolve(&c, NULL, file));
    assert_string_equal(c.profile, "dev_pi");
    assert_int_equal(c.memory_limit_mb, 1024);
    setenv("YOLK_PROFILE", "prod_rtx3090", 1);
    assert_ok(yolk_config_resolve(&c, NULL, file));
    assert_string_equal(c.profile, "prod_rtx3090");
    assert_int_equal(c.memory_limit_mb, 0);
    assert_ok(yolk_config_resolve(&c, "debug", NULL));
    assert_string_equal(c.profile, "debug");
    assert_true(c.conf == 0.25);
}

static void without_anything_the_machine_decides(void **state)
{
    (void)state;
    yolk_config c, expected;
    yolk_config_defaults(&expected);
    assert_ok(yolk_config_apply_profile(&expected, yolk_config_detect()));
    assert_ok(yolk_config_resolve(&c, NULL, NULL));
    assert_memory_equal(&c, &expected, sizeof c);
}

static void failures_leave_the_settings(void **state)
{
    (void)state;
    yolk_config c, before;
    memset(&c, 0x5a, sizeof c);
    before = c;
    assert_fails(yolk_config_resolve(&c, "debugg", NULL), YOLK_ERROR_NOT_FOUND, "did you mean 'debug'?");
    assert_fails(yolk_config_resolve(&c, "elephant", NULL), YOLK_ERROR_NOT_FOUND, "there is no profile 'elephant'");
    assert_fails(yolk_config_resolve(&c, NULL, yk_temp_path("absent")), YOLK_ERROR_NOT_FOUND, "absent");
    assert_fails(yolk_config_resolve(&c, NULL, yk_temp_text("p.json", "{\"profile\": \"dev\"}")), YOLK_ERROR_NOT_FOUND,
                 "p.json: there is no profile 'dev'");
    assert_fails(yolk_config_resolve(&c, NULL, yk_temp_text("f.json", "{\"conf\": {}}")), YOLK_ERROR_INVALID_ARGUMENT,
                 "f.json: conf: '{}'");
    assert_fails(yolk_config_resolve(&c, NULL, yk_temp_text("v.json", "{\"conf\": 3, \"iou\": 4}")),
                 YOLK_ERROR_INVALID_ARGUMENT, "conf: '3'");
    setenv("YOLK_IOU", "x", 1);
    assert_fails(yolk_config_resolve(&c, NULL, NULL), YOLK_ERROR_INVALID_ARGUMENT, "iou: 'x'");
    assert_memory_equal(&c, &before, sizeof c);
}

static void every_profile_is_listed_and_valid(void **state)
{
    (void)state;
    bool seen[4] = {false};
    const char *const names[] = {"dev_pi", "prod_rtx3090", "debug", "auto"};
    assert_int_equal(yolk_config_profile_count(), 4);
    for (size_t i = 0; i < 4; i++) {
        yolk_config c;
        yolk_config_defaults(&c);
        for (int k = 0; k < 4; k++)
            seen[k] |= strcmp(yolk_config_profile_name(i), names[k]) == 0;
        assert_true(strlen(yolk_config_profile_description(i)) > 20);
        assert_ok(yolk_config_apply_profile(&c, yolk_config_profile_name(i)));
        assert_ok(yolk_config_validate(&c, NULL));
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    assert_null(yolk_config_profile_name(4));
    assert_null(yolk_config_profile_description(4));
}

/* What is found must not depend on the machine. */
static void profiles_do_not_change_what_is_found(void **state)
{
    (void)state;
    const char *const fields[] = {"conf", "iou", "max_det", "imgsz", "classes", "model", "multi_label", "agnostic"};
    for (size_t i = 0; i < yolk_config_profile_count(); i++) {
        yolk_config c, plain;
        char a[256], b[256];
        yolk_config_defaults(&plain);
        c = plain;
        assert_ok(yolk_config_apply_profile(&c, yolk_config_profile_name(i)));
        for (size_t k = 0; k < YK_COUNT(fields); k++) {
            assert_ok(yolk_config_get(&c, fields[k], a, sizeof a));
            assert_ok(yolk_config_get(&plain, fields[k], b, sizeof b));
            assert_string_equal(a, b);
        }
    }
}

static void machines_get_the_profile_that_suits(void **state)
{
    (void)state;
    const uint64_t gib = (uint64_t)1 << 30;
    assert_string_equal(yk_profile_choose(true, false, "", 64 * gib), "prod_rtx3090");
    assert_string_equal(yk_profile_choose(false, false, "", 16 * gib), "auto");
    assert_string_equal(yk_profile_choose(false, false, "", gib), "dev_pi");
    assert_string_equal(yk_profile_choose(false, true, "Raspberry Pi 5 Model B Rev 1.0", 16 * gib), "dev_pi");
    assert_string_equal(yk_profile_choose(false, true, "", 4 * gib), "dev_pi");
    assert_string_equal(yk_profile_choose(false, true, "", 64 * gib), "auto");
    assert_string_equal(yk_profile_choose(false, false, "", 0), "auto");
    assert_true(yk_profile_exists(yolk_config_detect()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(variables_win_over_what_was_there, clear_environment),
        cmocka_unit_test_setup(all_bad_variables_are_named, clear_environment),
        cmocka_unit_test_setup(unknown_variables_are_warned_about, clear_environment),
        cmocka_unit_test_setup(the_order_is_profile_file_environment, clear_environment),
        cmocka_unit_test_setup(without_anything_the_machine_decides, clear_environment),
        cmocka_unit_test_setup(failures_leave_the_settings, clear_environment),
        cmocka_unit_test_setup(every_profile_is_listed_and_valid, clear_environment),
        cmocka_unit_test_setup(profiles_do_not_change_what_is_found, clear_environment),
        cmocka_unit_test_setup(machines_get_the_profile_that_suits, clear_environment),
    };
    return cmocka_run_group_tests_name("config_resolve", tests, yk_temp_make, yk_temp_remove);
}
