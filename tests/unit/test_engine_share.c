/* What the forms of an engine have in common: stored once, found again whole, and no more trusted than anything else.
 */
#include "engine_test.h"

enum { SIZE = 40000, FORMS = 3 };

static uint8_t noise[FORMS][SIZE];

/* The second form has the first one's bytes in other places around some of its own, the third one a bit of both. */
static void make_forms(void)
{
    uint32_t seed = 7;
    for (int f = 0; f < FORMS; f++) {
        for (int i = 0; i < SIZE; i++) {
            seed = seed * 1664525u + 1013904223u;
            noise[f][i] = (uint8_t)(seed >> 24);
        }
    }
    memcpy(noise[1] + 101, noise[0] + 20003, 15000);
    memcpy(noise[1] + 16000, noise[0] + 7, 9999);
    memcpy(noise[1] + 39000, noise[0], 900); /* too short to be worth anything */
    memcpy(noise[2], noise[0], SIZE / 2);
    memcpy(noise[2] + SIZE / 2, noise[1] + 28000, 8000); /* of what is the second's own */
    memset(noise[2] + 30000, 0, 10000);
}

static const char *write_engine(const char *name, int count)
{
    yk_engine_header h = engine_header("a", "print");
    yk_engine_form forms[FORMS];
    yk_engine_part parts[FORMS + 1] = {{NULL, engine_model, sizeof engine_model}};
    for (int i = 0; i < count; i++) {
        forms[i] = engine_form(1, 64 * (i + 1), false);
        parts[i + 1] = (yk_engine_part){&forms[i], noise[i], SIZE};
    }
    const char *path = yk_temp_path(name);
    assert_ok(yk_engine_write(path, &h, parts, (size_t)count + 1));
    engine_header_end(&h);
    return path;
}

static void assert_forms(const yk_engine *e, int count)
{
    assert_int_equal(yk_engine_form_count(e), count);
    for (int i = count; i-- > 0;) {
        const uint8_t *bytes;
        size_t size;
        assert_ok(yk_engine_bytes(e, i, &bytes, &size));
        assert_int_equal(size, SIZE);
        assert_memory_equal(bytes, noise[i], SIZE);
    }
}

static void common_bytes_are_stored_once(void **state)
{
    (void)state;
    size_t size;
    yk_engine *e;
    make_forms();
    const char *path = write_engine("shared.engine", FORMS);
    free(engine_read_file(path, &size));
    /* All of the first, 15001 of the second, 2000 and the zeros of the third, and a header. */
    assert_true(size > SIZE + 15001 + 12000 && size < SIZE + 15001 + 12000 + 4000);
    assert_ok(yk_engine_open(path, &e));
    assert_forms(e, FORMS);
    yk_engine_idle(e);
    assert_forms(e, FORMS);
    yk_engine_close(&e);
}

static void forms_that_are_equal_are_both_there(void **state)
{
    (void)state;
    yk_engine *e;
    make_forms();
    memcpy(noise[1], noise[0], SIZE);
    memset(noise[2], 0, SIZE);
    assert_ok(yk_engine_open(write_engine("equal.engine", FORMS), &e));
    assert_forms(e, FORMS);
    yk_engine_close(&e);
}

/* The first form gives way to a ninth one; those that had borrowed from it stay whole. */
static void a_form_that_goes_leaves_the_others_whole(void **state)
{
    (void)state;
    make_forms();
    const char *path = write_engine("grown.engine", 2);
    yk_engine_header h = engine_header("a", "print");
    for (int i = 2; i <= YK_ENGINE_FORMS; i++) {
        const yk_engine_form form = engine_form(1, 64 * (i + 1), false);
        const yk_engine_part part = {&form, noise[2], SIZE};
        assert_ok(yk_engine_add(path, &h, NULL, NULL, &part));
    }
    engine_header_end(&h);
    yk_engine *e;
    const uint8_t *bytes;
    size_t size;
    assert_ok(yk_engine_open(path, &e));
    assert_int_equal(yk_engine_form_count(e), YK_ENGINE_FORMS);
    assert_ok(yk_engine_bytes(e, 0, &bytes, &size));
    assert_int_equal(size, SIZE);
    assert_memory_equal(bytes, noise[1], SIZE);
    assert_ok(yk_engine_bytes(e, YK_ENGINE_FORMS - 1, &bytes, &size));
    assert_memory_equal(bytes, noise[2], SIZE);
    yk_engine_close(&e);
}

/* A form is as sound as what it borrows. */
static void damage_is_noticed_where_it_is_borrowed(void **state)
{
    (void)state;
    size_t size, length;
    yk_engine *e;
    const uint8_t *found;
    make_forms();
    uint8_t *bytes = engine_read_file(write_engine("damaged.engine", 2), &size);
    uint8_t *first = bytes;
    while (memcmp(first, noise[0], 64) != 0)
        first++;
    first[20003] ^= 1;
    assert_ok(yk_engine_open_memory("damaged.engine", bytes, size, &e));
    assert_fails(yk_engine_bytes(e, 1, &found, &length), YOLK_ERROR_DAMAGED, "a compiled form in it");
    yk_engine_close(&e);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_bytes_are_stored_once),
        cmocka_unit_test(forms_that_are_equal_are_both_there),
        cmocka_unit_test(a_form_that_goes_leaves_the_others_whole),
        cmocka_unit_test(damage_is_noticed_where_it_is_borrowed),
    };
    return cmocka_run_group_tests_name("engine share", tests, yk_temp_make, yk_temp_remove);
}
