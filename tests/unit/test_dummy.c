/* The simulated devices: that they fail when they are told to, and find what is there. */
#include "backend/dummy/dummy.h"
#include "yk_test.h"
#include "yk_tiny.h"

static const char *const colours[] = {"red", "green", "blue"};
static const yk_backend *const dummy = &yk_backend_dummy;
static yk_graph *g;

static int make(void **state)
{
    (void)state;
    unsetenv("YOLK_DUMMY");
    setenv("YOLK_OPENVINO", "/nowhere", 1); /* of no use here, and slow to open */
    g = yk_tiny_graph(colours);
    return yk_graph_bind(g, 2, 64, 64);
}

static int end(void **state)
{
    (void)state;
    yk_graph_destroy(&g);
    return 0;
}

static yk_exec *compiled(int device)
{
    yk_exec *e;
    assert_ok(dummy->compile(g, &(yk_compile_options){.device = device}, &e));
    return e;
}

static yolk_status once(yk_exec *e, int slot)
{
    yolk_status status = dummy->start(e, slot);
    return status == YOLK_OK ? dummy->wait(e, slot) : status;
}

static void settings_are_read_from_text(void **state)
{
    (void)state;
    yk_dummy_device d[YK_MAX_DEVICES];
    assert_int_equal(yk_dummy_parse("", d), 1);
    assert_int_equal(d[0].lives, -1);
    assert_int_equal(
        yk_dummy_parse("devices=3,memory=100M,frame=2K/3,network=1G,slots=4,ms=5/6/7,oom-compile=1,"
                       "oom-start=2,oom-wait=3/0,lost=10,pictures=0/1,candidates=7,first=1,refuses=MaxPool",
                       d),
        3);
    assert_int_equal(d[0].memory, 100 << 20);
    assert_int_equal(d[2].memory, 100 << 20);
    assert_int_equal(d[0].frame_bytes, 2048);
    assert_int_equal(d[1].frame_bytes, 3);
    assert_int_equal(d[2].frame_bytes, 3);
    assert_int_equal(d[0].network_bytes, 1 << 30);
    assert_int_equal(d[1].slots, 4);
    assert_int_equal(d[2].milliseconds, 7);
    assert_int_equal(d[0].short_compile, 1);
    assert_int_equal(d[0].short_start, 2);
    assert_int_equal(d[0].short_wait, 3);
    assert_int_equal(d[1].short_wait, 0);
    assert_int_equal(d[0].lives, 10);
    assert_false(d[0].pictures);
    assert_true(d[1].pictures);
    assert_int_equal(d[0].candidates, 7);
    assert_true(d[0].first);
    assert_string_equal(d[0].refuses, "MaxPool");
    static const char *const bad[] = {"devices",   "devices=0", "devices=17", "devices=1/2", "memory=-1",
                                      "speed=1",   "ms=x",      "ms=1,,ms=1", "ms=",         "ms=99999999999",
                                      "frame=9G9", "=1",        "first=2",    "refuses=Cov", "refuses=1"};
    for (size_t i = 0; i < YK_COUNT(bad); i++) {
        if (yk_dummy_parse(bad[i], d) != 0)
            fail_msg("'%s' is taken", bad[i]);
        assert_non_null(strstr(yolk_last_error(), "YOLK_DUMMY: '"));
    }
}

static void they_exist_when_somebody_says_so(void **state)
{
    (void)state;
    const yk_backend *b;
    yk_probe probe;
    yk_dummy_configure(NULL, 0);
    dummy->probe(&probe);
    assert_false(probe.available);
    assert_fails(yk_backend_choose(NULL, "dummy", &b), YOLK_ERROR_BACKEND, "YOLK_DUMMY does not say which");
    yk_dummy_configure(NULL, 0);
    setenv("YOLK_DUMMY", "devices=2", 1);
    assert_ok(yk_backend_choose(NULL, "dummy:1", &b));
    assert_ptr_equal(b, dummy);
    assert_fails(yk_backend_choose(NULL, "dummy:2", &b), YOLK_ERROR_NOT_FOUND, "the last one is dummy:1");
    assert_ok(yk_backend_choose(NULL, NULL, &b));
    assert_ptr_not_equal(b, dummy);
    yk_dummy_configure(NULL, 0);
    setenv("YOLK_DUMMY", "devices=none", 1);
    assert_fails(yk_backend_choose(NULL, "dummy", &b), YOLK_ERROR_BACKEND, "YOLK_DUMMY: 'devices=none'");
    unsetenv("YOLK_DUMMY");
}

static void what_they_compute_is_the_references(void **state)
{
    (void)state;
    yk_exec *r;
    yk_dummy_configure(&(yk_dummy_device){.lives = -1}, 1);
    yk_exec *e = compiled(0);
    assert_int_equal(dummy->slot_count(e), 2);
    assert_ok(yk_backend_reference.compile(g, &(yk_compile_options){.slots = 1}, &r));
    uint8_t *to = dummy->input(e, 1), *same = yk_backend_reference.input(r, 0);
    for (int i = 0; i < 2 * 64 * 64 * 3; i++)
        to[i] = same[i] = (uint8_t)(i * 7);
    assert_ok(once(e, 1));
    assert_ok(yk_backend_reference.start(r, 0));
    for (int o = 0; o < g->output_count; o++)
        assert_memory_equal(dummy->output(e, 1, o), yk_backend_reference.output(r, 0, o), 2 * 3 * 64 * sizeof(float));
    yk_backend_reference.destroy(&r);
    dummy->destroy(&e);
    dummy->destroy(&e);
    assert_int_equal(yk_dummy_look(0).finished, 1);
    assert_int_equal(yk_dummy_look(0).largest, 2);
}

static void memory_is_taken_and_given_back(void **state)
{
    (void)state;
    const yk_dummy_device d = {.memory = 100, .frame_bytes = 10, .network_bytes = 5, .lives = -1};
    yk_dummy_configure(&d, 1);
    yk_exec *e = compiled(0), *more;
    /* Two frames in each of two slots, and the network. */
    assert_int_equal(yk_dummy_look(0).used, 45);
    assert_int_equal(dummy->free_memory(0), 55);
    yk_exec *second = compiled(0);
    assert_fails(dummy->compile(g, &(yk_compile_options){0}, &more), YOLK_ERROR_OUT_OF_MEMORY, "10 bytes are left");
    assert_null(more);
    assert_int_equal(yk_dummy_look(0).used, 90);
    dummy->destroy(&second);
    assert_int_equal(yk_dummy_look(0).used, 45);
    assert_int_equal(yk_dummy_look(0).peak, 90);
    yk_dummy_occupy(0, 55);
    assert_ok(once(e, 0));
    yk_dummy_occupy(0, 56);
    assert_int_equal(dummy->free_memory(0), 1);
    assert_fails(dummy->start(e, 0), YOLK_ERROR_OUT_OF_MEMORY, "'dummy:0' has not enough memory to start");
    yk_dummy_occupy(0, 0);
    assert_ok(once(e, 0));
    dummy->destroy(&e);
    assert_int_equal(yk_dummy_look(0).used, 0);
}

static void memory_runs_out_at_the_nth_call(void **state)
{
    (void)state;
    const yk_dummy_device d = {.short_compile = 2, .short_start = 3, .short_wait = 2, .lives = -1};
    yk_dummy_configure(&d, 1);
    yk_exec *e = compiled(0), *more;
    assert_fails(dummy->compile(g, &(yk_compile_options){0}, &more), YOLK_ERROR_OUT_OF_MEMORY, "compile");
    more = compiled(0);
    dummy->destroy(&more);
    assert_ok(once(e, 0));
    assert_fails(once(e, 0), YOLK_ERROR_OUT_OF_MEMORY, "run a batch");
    assert_fails(once(e, 0), YOLK_ERROR_OUT_OF_MEMORY, "start a batch");
    assert_ok(once(e, 0));
    assert_int_equal(dummy->free_memory(0), 0); /* no end of it */
    dummy->destroy(&e);
}

static void a_device_can_be_lost(void **state)
{
    (void)state;
    const yk_dummy_device d[2] = {{.lives = 2}, {.lives = -1}};
    yk_dummy_configure(d, 2);
    yk_exec *e = compiled(0), *other = compiled(1), *more;
    assert_ok(once(e, 0));
    assert_ok(once(e, 1));
    assert_ok(dummy->start(e, 0));
    assert_fails(dummy->wait(e, 0), YOLK_ERROR_DEVICE_LOST, "device 'dummy:0' stopped answering");
    assert_fails(dummy->start(e, 0), YOLK_ERROR_DEVICE_LOST, "dummy:0");
    assert_fails(dummy->compile(g, &(yk_compile_options){0}, &more), YOLK_ERROR_DEVICE_LOST, "dummy:0");
    assert_ok(once(other, 0));
    yk_dummy_lose(1);
    assert_fails(once(other, 0), YOLK_ERROR_DEVICE_LOST, "dummy:1");
    dummy->destroy(&e);
    dummy->destroy(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read_from_text),         cmocka_unit_test(they_exist_when_somebody_says_so),
        cmocka_unit_test(what_they_compute_is_the_references), cmocka_unit_test(memory_is_taken_and_given_back),
        cmocka_unit_test(memory_runs_out_at_the_nth_call),     cmocka_unit_test(a_device_can_be_lost),
    };
    return cmocka_run_group_tests_name("dummy", tests, make, end);
}
