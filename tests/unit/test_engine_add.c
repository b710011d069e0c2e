/* Engines that grow: what stays, what gives way, and several processes at once. */
#include <fcntl.h>
#include <sys/wait.h>

#include "engine_test.h"

static int models_made;

static yolk_status make_model(void *user, yk_buffer *out)
{
    models_made++;
    yk_buffer_text(out, user);
    return yk_buffer_status(out);
}

static yolk_status no_model(void *user, yk_buffer *out)
{
    (void)user, (void)out;
    return yk_fail(YOLK_ERROR_IO, "the source is gone");
}

static yolk_status add(const char *path, const char *source_hash, const char *fingerprint, int batch, int side,
                       const char *bytes)
{
    yk_engine_header h = engine_header(source_hash, fingerprint);
    yk_engine_form form = engine_form(batch, side, false);
    const yk_engine_part part = {&form, bytes, strlen(bytes)};
    yolk_status status = yk_engine_add(path, &h, make_model, "a model", &part);
    engine_header_end(&h);
    return status;
}

/* Asserts that the form is there with these bytes, or, for NULL, that it is not. */
static void assert_form(const char *path, int batch, int side, const char *expected)
{
    yk_engine *e;
    assert_ok(yk_engine_open(path, &e));
    yk_engine_form form = engine_form(batch, side, false);
    int index = yk_engine_find(e, &form);
    assert_int_equal(index >= 0, expected != NULL);
    if (expected) {
        const uint8_t *bytes;
        size_t size;
        assert_ok(yk_engine_bytes(e, index, &bytes, &size));
        assert_int_equal(size, strlen(expected));
        assert_memory_equal(bytes, expected, size);
    }
    yk_engine_close(&e);
}

static void the_first_form_makes_the_file(void **state)
{
    (void)state;
    const char *path = yk_temp_path("first.engine");
    models_made = 0;
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    assert_int_equal(models_made, 1);
    assert_form(path, 1, 64, "one");
    assert_form(path, 2, 64, NULL);
}

static void what_fits_stays(void **state)
{
    (void)state;
    const char *path = yk_temp_path("stays.engine");
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    models_made = 0;
    assert_ok(add(path, "a", "print", 2, 64, "two"));
    assert_ok(add(path, "a", "print", 1, 64, "one anew"));
    assert_int_equal(models_made, 0);
    assert_form(path, 1, 64, "one anew");
    assert_form(path, 2, 64, "two");
}

static void forms_for_another_device_give_way(void **state)
{
    (void)state;
    const char *path = yk_temp_path("device.engine");
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    models_made = 0;
    assert_ok(add(path, "a", "another device", 2, 64, "two"));
    assert_int_equal(models_made, 0); /* the model is the same on any */
    assert_form(path, 1, 64, NULL);
    assert_form(path, 2, 64, "two");
}

static void another_source_begins_anew(void **state)
{
    (void)state;
    const char *path = yk_temp_path("source.engine");
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    models_made = 0;
    assert_ok(add(path, "b", "print", 2, 64, "two"));
    assert_int_equal(models_made, 1);
    assert_form(path, 1, 64, NULL);
    assert_form(path, 2, 64, "two");
}

static void a_damaged_file_begins_anew(void **state)
{
    (void)state;
    const char *path = yk_temp_text("damaged.engine", "\x89YOLK\r\n\x1a and then nonsense");
    models_made = 0;
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    assert_int_equal(models_made, 1);
    assert_form(path, 1, 64, "one");
}

static void a_damaged_form_is_left_out(void **state)
{
    (void)state;
    const char *path = yk_temp_path("form.engine");
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    size_t size;
    uint8_t *bytes = engine_read_file(path, &size);
    bytes[size - 1] ^= 1;
    yk_temp_write("form.engine", bytes, size);
    free(bytes);
    models_made = 0;
    assert_ok(add(path, "a", "print", 2, 64, "two"));
    assert_int_equal(models_made, 0);
    assert_form(path, 1, 64, NULL);
    assert_form(path, 2, 64, "two");
}

static void the_oldest_form_gives_way(void **state)
{
    (void)state;
    const char *path = yk_temp_path("oldest.engine");
    for (int batch = 1; batch <= YK_ENGINE_FORMS + 1; batch++)
        assert_ok(add(path, "a", "print", batch, 64, "form"));
    assert_form(path, 1, 64, NULL);
    for (int batch = 2; batch <= YK_ENGINE_FORMS + 1; batch++)
        assert_form(path, batch, 64, "form");
}

static void how_the_model_was_checked_stays(void **state)
{
    (void)state;
    const char *path = yk_temp_path("check.engine");
    yk_engine_header h = engine_header("a", "print");
    h.check = "checked well";
    h.calibration = "abc";
    const yk_engine_part model = {NULL, "model", 5};
    assert_ok(yk_engine_write(path, &h, &model, 1));
    engine_header_end(&h);
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    yk_engine *e;
    assert_ok(yk_engine_open(path, &e));
    assert_string_equal(yk_engine_header_of(e)->check, "checked well");
    assert_string_equal(yk_engine_header_of(e)->calibration, "abc");
    yk_engine_close(&e);
}

static void a_failed_addition_leaves_what_was_there(void **state)
{
    (void)state;
    const char *path = yk_temp_path("failed.engine");
    assert_ok(add(path, "a", "print", 1, 64, "one"));
    yk_engine_header h = engine_header("b", "print");
    yk_engine_form form = engine_form(2, 64, false);
    const yk_engine_part part = {&form, "two", 3};
    assert_fails(yk_engine_add(path, &h, no_model, NULL, &part), YOLK_ERROR_IO, "the source is gone");
    assert_form(path, 1, 64, "one");
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK && n < 300; n++) {
        assert_form(path, 1, 64, "one");
        yk_alloc_fail_at(n);
        status = yk_engine_add(path, &h, make_model, "a model", &part);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_ok(status);
    assert_form(path, 2, 64, "two");
    engine_header_end(&h);
}

/* Each process adds its own forms to one file; none is lost, and whoever opens it meanwhile finds it whole. */
static void processes_add_at_the_same_time(void **state)
{
    (void)state;
    enum { PROCESSES = 4, EACH = 2 };
    const char *path = yk_temp_path("processes.engine");
    pid_t children[PROCESSES];
    assert_ok(add(path, "a", "print", 100, 64, "first"));
    for (int p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        assert_true(children[p] >= 0);
        if (children[p] > 0)
            continue;
        int failed = 0;
        for (int i = 0; i < EACH; i++) {
            yk_engine *e;
            failed |= add(path, "a", "print", 1 + p * EACH + i, 64, "form") != YOLK_OK;
            failed |= yk_engine_open(path, &e) != YOLK_OK;
            yk_engine_close(&e);
        }
        _exit(failed);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status = 1;
        assert_int_equal(waitpid(children[p], &status, 0), children[p]);
        assert_int_equal(status, 0);
    }
    for (int batch = 1; batch <= PROCESSES * EACH; batch++)
        assert_form(path, batch, 64, "form");
}

static void sources_are_known_again(void **state)
{
    (void)state;
    yk_engine_source s;
    bool same;
    const char *path = yk_temp_text("source.pt", "weights");
    assert_ok(yk_engine_source_read(path, &s));
    assert_string_equal(s.name, "source.pt");
    assert_true(s.bytes == 7);
    assert_ok(yk_engine_source_same(&s, path, &same));
    assert_true(same);
    /* Another time and the same content: a copy. Another content of the same size: another file. */
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_ok(yk_engine_source_same(&s, path, &same));
    assert_true(same);
    yk_temp_text("source.pt", "Weights");
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_ok(yk_engine_source_same(&s, path, &same));
    assert_false(same);
    yk_temp_text("source.pt", "weights and more");
    assert_ok(yk_engine_source_same(&s, path, &same));
    assert_false(same);
    assert_fails(yk_engine_source_same(&s, yk_temp_path("gone.pt"), &same), YOLK_ERROR_NOT_FOUND, "gone.pt");
    yk_engine_source_free(&s);
    assert_fails(yk_engine_source_read("/dev/null", &s), YOLK_ERROR_UNSUPPORTED, "not a plain file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_form_makes_the_file),
        cmocka_unit_test(what_fits_stays),
        cmocka_unit_test(forms_for_another_device_give_way),
        cmocka_unit_test(another_source_begins_anew),
        cmocka_unit_test(a_damaged_file_begins_anew),
        cmocka_unit_test(a_damaged_form_is_left_out),
        cmocka_unit_test(the_oldest_form_gives_way),
        cmocka_unit_test(how_the_model_was_checked_stays),
        cmocka_unit_test(a_failed_addition_leaves_what_was_there),
        cmocka_unit_test(processes_add_at_the_same_time),
        cmocka_unit_test(sources_are_known_again),
    };
    return cmocka_run_group_tests_name("engine_add", tests, yk_temp_make, yk_temp_remove);
}
