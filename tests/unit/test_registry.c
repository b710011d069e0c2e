/* Choosing a backend and asking about them. */
#include "backend/backend.h"
#include "yk_test.h"
#include "yolk/model.h"

static bool is_loaded(const char *library)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        found = found || strstr(line, library);
    if (maps)
        fclose(maps);
    return found;
}

/* A library takes time and memory to load; this test comes before those that ask for it. */
static void what_cannot_win_is_not_loaded(void **state)
{
    (void)state;
    const yk_backend *chosen;
    yk_probe probe;
    yk_backend_native.probe(&probe);
    if (probe.score < yk_backend_openvino.score)
        YK_SKIP("OpenVINO is the better one here");
    assert_ok(yk_backend_choose("auto", "auto", &chosen));
    assert_ptr_equal(chosen, &yk_backend_native);
    assert_false(is_loaded("libopenvino"));
    yk_backend_openvino.probe(&probe);
    assert_int_equal(is_loaded("libopenvino"), probe.available);
}

static void the_best_that_can_run_is_chosen(void **state)
{
    (void)state;
    const yk_backend *chosen = NULL, *wanted = &yk_backend_reference;
    size_t count;
    const yk_backend *const *backends = yk_backends(&count);
    int best = 0;
    for (size_t i = 0; i < count; i++) {
        yk_probe probe;
        backends[i]->probe(&probe);
        assert_true(probe.score <= backends[i]->score);
        if (!backends[i]->for_tests && probe.available && probe.score > best) {
            wanted = backends[i];
            best = probe.score;
        }
    }
    assert_ptr_not_equal(wanted, &yk_backend_reference);
    assert_ok(yk_backend_choose("auto", "auto", &chosen));
    assert_ptr_equal(chosen, wanted);
    assert_ok(yk_backend_choose(NULL, NULL, &chosen));
    assert_ptr_equal(chosen, wanted);
    assert_ok(yk_backend_choose("auto", "cpu", &chosen));
    assert_ptr_equal(chosen, wanted);
}

static void a_name_is_taken_at_its_word(void **state)
{
    (void)state;
    const yk_backend *chosen = NULL;
    assert_ok(yk_backend_choose("reference", "cpu", &chosen));
    assert_ptr_equal(chosen, &yk_backend_reference);
    yk_probe probe;
    yk_backend_openvino.probe(&probe);
    if (probe.available)
        assert_ok(yk_backend_choose("openvino", NULL, &chosen));
    else
        assert_fails(yk_backend_choose("openvino", NULL, &chosen), YOLK_ERROR_BACKEND, "backend 'openvino'");
}

static void unknown_names_get_a_suggestion(void **state)
{
    (void)state;
    const yk_backend *chosen = &yk_backend_reference;
    assert_fails(yk_backend_choose("openvion", NULL, &chosen), YOLK_ERROR_NOT_FOUND, "did you mean 'openvino'?");
    assert_null(chosen);
    assert_fails(yk_backend_choose("zzzzzzzzzzzz", NULL, &chosen), YOLK_ERROR_NOT_FOUND,
                 "(auto, cuda, native, openvino, reference)");
    assert_fails(yk_backend_choose("auto", "cpp", &chosen), YOLK_ERROR_NOT_FOUND, "did you mean 'cpu'?");
    assert_fails(yk_backend_choose("auto", "zzzzzzzz", &chosen), YOLK_ERROR_NOT_FOUND, "there is no device 'zzzzzzzz'");
    yk_probe probe;
    yk_backend_cuda.probe(&probe);
    if (!probe.available)
        assert_fails(yk_backend_choose("auto", "cuda:1", &chosen), YOLK_ERROR_BACKEND, "device 'cuda:1'");
}

static void facts_are_complete(void **state)
{
    (void)state;
    size_t count = 0;
    const yk_backend *const *backends = yk_backends(&count);
    /* The last one is for tests and not told of. */
    assert_ptr_equal(backends[--count], &yk_backend_dummy);
    assert_int_equal(count, yolk_backend_count());
    assert_true(count >= 2);
    for (size_t i = 0; i < count; i++) {
        yolk_backend_info info;
        assert_ok(yolk_backend_get(i, &info));
        assert_string_equal(info.name, backends[i]->name);
        assert_int_equal(backends[i]->api_version, YK_BACKEND_API);
        assert_true(backends[i]->kind[0] != '\0');
        if (info.available || strcmp(backends[i]->kind, "cpu") == 0) {
            assert_true(backends[i]->device_count() >= 1);
            assert_true(backends[i]->free_memory(0) > 0);
        }
        assert_true(info.description[0] != '\0');
        /* Either it runs, or there is a reason why not. */
        assert_int_equal(info.available, info.reason[0] == '\0');
    }
    yolk_backend_info info;
    assert_fails(yolk_backend_get(count, &info), YOLK_ERROR_NOT_FOUND, "there is no backend");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_win_is_not_loaded),
        cmocka_unit_test(the_best_that_can_run_is_chosen),
        cmocka_unit_test(a_name_is_taken_at_its_word),
        cmocka_unit_test(unknown_names_get_a_suggestion),
        cmocka_unit_test(facts_are_complete),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
