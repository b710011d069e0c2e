/* Names of devices, and the backends that have them. */
#include "backend/backend.h"
#include "yk_test.h"
#include "yolk/config.h"

static void assert_devices(const char *text, const char *kind, int count, const int *index)
{
    yk_devices d;
    if (!yk_devices_parse(text, &d))
        fail_msg("'%s' is refused", text);
    assert_string_equal(d.kind, kind);
    assert_int_equal(d.count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(d.index[i], index[i]);
}

static void names_of_devices_are_read(void **state)
{
    (void)state;
    assert_devices("auto", "auto", 0, NULL);
    assert_devices("cpu", "cpu", 0, NULL);
    assert_devices("cpu:0", "cpu", 1, (const int[]){0});
    assert_devices("cuda:1,0", "cuda", 2, (const int[]){1, 0});
    assert_devices("dummy:2,0,999", "dummy", 3, (const int[]){2, 0, 999});
    assert_devices("cpu:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", "cpu", 16,
                   (const int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
}

static void what_is_no_device_is_refused_everywhere(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        ":",       "cpu:",      "cpu:,",   "cpu:0,",    "cpu:,0",   "cpu:x",
                                      "cpu:0 ",  "CPU",     "cpu0",      "cpu:0;1", "cuda:1234", "gpu",      "auto:0",
                                      "cpu:0,0", "cuda:-1", "dummy:1,1", "cpux:0",  "cp",        "dummyyy:0"};
    yk_devices d;
    yolk_config c;
    const yk_backend *backend;
    yolk_config_defaults(&c);
    for (size_t i = 0; i < YK_COUNT(bad); i++) {
        if (yk_devices_parse(bad[i], &d))
            fail_msg("'%s' is taken", bad[i]);
        assert_int_equal(yolk_config_set(&c, "device", bad[i]), YOLK_ERROR_INVALID_ARGUMENT);
        assert_fails(yk_backend_choose(NULL, bad[i], &backend), YOLK_ERROR_NOT_FOUND, "there is no device '");
        assert_null(backend);
    }
    /* One more than are looked after. */
    assert_false(yk_devices_parse("cpu:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", &d));
}

static void a_backend_says_which_of_its_devices_are_meant(void **state)
{
    (void)state;
    const yk_backend *b = &yk_backend_reference;
    yk_devices d;
    assert_ok(yk_backend_devices(b, NULL, &d));
    assert_string_equal(d.kind, "cpu");
    assert_int_equal(d.count, 1);
    assert_int_equal(d.index[0], 0);
    assert_ok(yk_backend_devices(b, "auto", &d));
    assert_int_equal(d.count, 1);
    assert_ok(yk_backend_devices(b, "cpu:3,1", &d));
    assert_int_equal(d.count, 2);
    assert_int_equal(d.index[0], 3);
    assert_fails(yk_backend_devices(b, "cpu:16", &d), YOLK_ERROR_NOT_FOUND,
                 "there is no device 'cpu:16', the last one is cpu:15");
}

static void backends_are_chosen_by_their_devices(void **state)
{
    (void)state;
    const yk_backend *b;
    assert_ok(yk_backend_choose(NULL, "cpu:0,1", &b));
    assert_string_equal(b->kind, "cpu");
    assert_ok(yk_backend_choose("reference", "cpu:0,1", &b));
    assert_ptr_equal(b, &yk_backend_reference);
    assert_fails(yk_backend_choose("reference", "cuda", &b), YOLK_ERROR_BACKEND,
                 "backend 'reference' has no device 'cuda'");
    assert_fails(yk_backend_choose("reference", "dummy:0", &b), YOLK_ERROR_BACKEND,
                 "backend 'reference' has no device 'dummy:0'");
    assert_fails(yk_backend_choose(NULL, "cpu:0,16", &b), YOLK_ERROR_NOT_FOUND, "'cpu:16'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_devices_are_read),
        cmocka_unit_test(what_is_no_device_is_refused_everywhere),
        cmocka_unit_test(a_backend_says_which_of_its_devices_are_meant),
        cmocka_unit_test(backends_are_chosen_by_their_devices),
    };
    return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
