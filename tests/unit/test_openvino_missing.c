/* A machine without OpenVINO: what is said, and what runs instead. */
#include "backend/backend.h"
#include "yk_temp.h"
#include "yk_test.h"
#include "yolk/model.h"

static char logged[1024];

static void keep_log(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    if (level == YOLK_LOG_WARNING)
        snprintf(logged, sizeof logged, "%s", message);
}

static void probing_says_what_is_missing(void **state)
{
    (void)state;
    yk_probe probe;
    yk_backend_openvino.probe(&probe);
    assert_false(probe.available);
    assert_non_null(strstr(probe.reason, "libopenvino_c.so"));
    assert_non_null(strstr(probe.reason, "/nowhere"));
    assert_string_equal(probe.version, "");
}

static void another_one_is_chosen(void **state)
{
    (void)state;
    const yk_backend *chosen = NULL;
    yk_probe missing, probe;
    logged[0] = '\0';
    yolk_log_set(keep_log, NULL, YOLK_LOG_WARNING);
    assert_ok(yk_backend_choose("auto", "auto", &chosen));
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    assert_ptr_equal(chosen, &yk_backend_native);
    /* What is missing is worth a warning where it would have been faster. */
    yk_backend_native.probe(&probe);
    yk_backend_openvino.probe(&missing);
    if (missing.score > probe.score)
        assert_non_null(strstr(logged, "'openvino', which would be faster than 'native', cannot run here"));
    else
        assert_string_equal(logged, "");
}

static void asking_for_it_fails_with_the_reason(void **state)
{
    (void)state;
    const yk_backend *chosen = &yk_backend_reference;
    yolk_backend_info info = {0};
    assert_fails(yk_backend_choose("openvino", NULL, &chosen), YOLK_ERROR_BACKEND, "/nowhere");
    assert_null(chosen);
    for (size_t i = 0; i < yolk_backend_count() && (!info.name || strcmp(info.name, "openvino") != 0); i++)
        assert_ok(yolk_backend_get(i, &info));
    assert_string_equal(info.name, "openvino");
    assert_false(info.available);
    assert_non_null(strstr(info.reason, "YOLK_OPENVINO"));
}

static void compiling_fails_with_the_reason(void **state)
{
    (void)state;
    yk_exec *exec;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    assert_fails(yk_backend_openvino.compile(g, &(yk_compile_options){.slots = 1}, &exec), YOLK_ERROR_BACKEND,
                 "/nowhere");
    assert_null(exec);
    yk_graph_destroy(&g);
}

static int point_nowhere(void **state)
{
    return yk_temp_make(state) || setenv("YOLK_OPENVINO", yk_temp_path("nowhere"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probing_says_what_is_missing),
        cmocka_unit_test(another_one_is_chosen),
        cmocka_unit_test(asking_for_it_fails_with_the_reason),
        cmocka_unit_test(compiling_fails_with_the_reason),
    };
    return cmocka_run_group_tests_name("openvino_missing", tests, point_nowhere, yk_temp_remove);
}
