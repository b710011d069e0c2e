/* A network that the best device has no kernels for goes to another one, where the choice is left to yolk. */
#include "convert/job.h"
#include "dummy_test.h"
#include "plan/engine.h"
#include "yolk/yolk.h"

static int make(void **state)
{
    setenv("YOLK_OPENVINO", "/nowhere", 1); /* of no use here, and slow to open */
    return dummy_make(state);
}

/* The simulated device is the best one there is, and has no kernel for `refused`. */
static void start_with(const char *refused)
{
    const yk_dummy_device d = {.lives = -1, .first = true, .refuses = refused};
    yk_dummy_configure(&d, 1);
    dummy_log[0] = '\0';
    yolk_log_set(dummy_note, NULL, YOLK_LOG_WARNING);
}

static const char *const passed_over = "dummy is passed over for native: layer \"boxes\": there is no simulated kernel "
                                       "for the operator Conv";

static void the_next_best_backend_is_taken(void **state)
{
    (void)state;
    yk_graph *g = yk_tiny_graph(dummy_colours);
    const yk_backend *b;
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    start_with("Softmax");
    assert_ok(yk_backend_choose("auto", NULL, &b));
    assert_ptr_equal(b, &yk_backend_dummy);
    assert_ok(yk_backend_settle(g, &b));
    assert_ptr_equal(b, &yk_backend_dummy); /* which has kernels for all that is in it */
    start_with("Conv");
    assert_ok(yk_backend_settle(g, &b));
    assert_ptr_equal(b, &yk_backend_native);
    assert_true(dummy_said(passed_over));
    assert_true(yk_backend_is_open("auto", NULL));
    assert_false(yk_backend_is_open("auto", "dummy"));
    assert_false(yk_backend_is_open("dummy", "auto"));
    yk_graph_destroy(&g);
}

static void a_model_runs_on_it(void **state)
{
    (void)state;
    yolk_model_info info;
    start_with("Conv");
    yolk_manager *m = dummy_manager("auto", 1);
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.backend, "native");
    assert_string_equal(info.device, "cpu");
    assert_true(dummy_said(passed_over));
    assert_all_found(m, 3);
    yolk_manager_destroy(&m);
    start_with(NULL);
    m = dummy_manager("auto", 1);
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.backend, "dummy");
    assert_all_found(m, 3);
    yolk_manager_destroy(&m);
    assert_string_equal(dummy_log, "");
}

static void a_device_that_is_named_is_an_error(void **state)
{
    (void)state;
    yolk_results *results = NULL;
    start_with("Conv");
    yolk_manager *m = dummy_manager("dummy", 1);
    assert_fails(yolk_manager_predict_batch(m, dummy_frames, 1, NULL, &results), YOLK_ERROR_UNSUPPORTED,
                 "there is no simulated kernel for the operator Conv");
    yolk_manager_destroy(&m);
}

static yolk_status convert(const char *device)
{
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.device = device;
    o.threads = 1;
    return yolk_convert(yk_temp_path("tiny.onnx"), yk_temp_path("made.engine"), &o, NULL);
}

static void engines_are_made_for_it(void **state)
{
    (void)state;
    yk_engine *e;
    start_with("Conv");
    assert_fails(convert("dummy"), YOLK_ERROR_UNSUPPORTED, "there is no simulated kernel for the operator Conv");
    assert_ok(convert("auto"));
    assert_true(dummy_said(passed_over));
    assert_ok(yk_engine_open(yk_temp_path("made.engine"), &e));
    assert_string_equal(yk_engine_header_of(e)->backend, "native");
    yk_engine_close(&e);
}

/* Whoever compiled it had kernels for it. */
static void what_an_engine_holds_is_not_asked_about(void **state)
{
    (void)state;
    start_with(NULL);
    assert_ok(convert("auto"));
    start_with("Conv");
    yolk_config c = dummy_settings("auto", 1);
    yolk_model_info info;
    yolk_manager *m;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, yk_temp_path("made.engine"), 0));
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.backend, "dummy");
    assert_all_found(m, 1);
    yolk_manager_destroy(&m);
    assert_string_equal(dummy_log, "");
}

static int end(void **state)
{
    yk_dummy_configure(NULL, 0);
    yolk_log_set(NULL, NULL, YOLK_LOG_WARNING);
    return yk_temp_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_best_backend_is_taken),          cmocka_unit_test(a_model_runs_on_it),
        cmocka_unit_test(a_device_that_is_named_is_an_error),      cmocka_unit_test(engines_are_made_for_it),
        cmocka_unit_test(what_an_engine_holds_is_not_asked_about),
    };
    return cmocka_run_group_tests_name("fallback", tests, make, end);
}
