#include "base/base.h"
#include "yk_test.h"

static void sizes_are_checked(void **state)
{
    (void)state;
    void *p = yk_alloc(0);
    assert_non_null(p);
    yk_free(p);
    p = yk_calloc(0, 8);
    assert_non_null(p);
    p = yk_realloc(p, 0, 8);
    assert_non_null(p);
    yk_free(p);
    yk_free(NULL);
    assert_null(yk_alloc(SIZE_MAX));
    assert_non_null(strstr(yolk_last_error(), "not enough memory"));
    assert_null(yk_calloc(SIZE_MAX / 2, 3));
    assert_null(yk_realloc(NULL, SIZE_MAX / 2, 3));
    assert_null(yk_alloc_aligned(SIZE_MAX));
    assert_null(yk_alloc((size_t)1 << 50));
}

static void calloc_clears_and_aligned_aligns(void **state)
{
    (void)state;
    uint8_t *p = yk_calloc(100, 3);
    for (int i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    yk_free(p);
    for (size_t size = 0; size < 200; size += 33) {
        p = yk_alloc_aligned(size);
        assert_int_equal((uintptr_t)p % 64, 0);
        yk_free(p);
    }
}

static void realloc_keeps_the_old_on_failure(void **state)
{
    (void)state;
    char *p = yk_strdup("kept");
    yk_alloc_fail_at(1);
    assert_null(yk_realloc(p, 100, 100));
    yk_alloc_fail_at(0);
    assert_string_equal(p, "kept");
    p = yk_realloc(p, 100, 100);
    assert_string_equal(p, "kept");
    yk_free(p);
}

static void text_is_copied(void **state)
{
    (void)state;
    char *p = yk_strndup("abcdef", 3);
    assert_string_equal(p, "abc");
    yk_free(p);
    p = yk_strndup("ab", 100);
    assert_string_equal(p, "ab");
    yk_free(p);
    p = yk_format("%s-%d", "x", 12);
    assert_string_equal(p, "x-12");
    yk_free(p);
}

static void failures_are_injected_and_counted(void **state)
{
    (void)state;
    yk_alloc_fail_at(3);
    void *a = yk_alloc(1), *b = yk_calloc(1, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(yk_alloc(1));
    assert_null(yk_strdup("later ones fail too"));
    assert_null(yk_format("%d", 1));
    assert_null(yk_alloc_aligned(1));
    assert_int_equal(yk_alloc_count(), 6);
    yk_alloc_fail_at(0);
    assert_int_equal(yk_alloc_count(), 0);
    void *c = yk_alloc(1);
    assert_non_null(c);
    yk_free(a);
    yk_free(b);
    yk_free(c);
}

static void arrays_grow(void **state)
{
    (void)state;
    uint32_t *p = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_ok(yk_grow(&p, &capacity, i + 1, sizeof *p));
        assert_true(capacity > i);
        p[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], i);
    size_t before = capacity;
    assert_int_equal(yk_grow(&p, &capacity, SIZE_MAX / 2, sizeof *p), YOLK_ERROR_OUT_OF_MEMORY);
    assert_int_equal(capacity, before);
    assert_int_equal(p[999], 999);
    yk_free(p);
}

static void buffers_append(void **state)
{
    (void)state;
    yk_buffer b = {0};
    yk_buffer_text(&b, "a");
    yk_buffer_add(&b, "\0b", 2);
    yk_buffer_add(&b, NULL, 0);
    yk_buffer_format(&b, "%05d", 42);
    assert_ok(yk_buffer_status(&b));
    assert_int_equal(b.size, 8);
    assert_memory_equal(b.data, "a\0b00042", 9);
    for (int i = 0; i < 10000; i++)
        yk_buffer_format(&b, "%d,", i);
    assert_ok(yk_buffer_status(&b));
    assert_memory_equal(b.data + b.size - 6, ",9999,", 7);
    yk_buffer_free(&b);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
}

static void a_failed_buffer_stays_failed(void **state)
{
    (void)state;
    yk_buffer b = {0};
    yk_buffer_text(&b, "ok");
    yk_buffer_add(&b, "", SIZE_MAX);
    assert_int_equal(yk_buffer_status(&b), YOLK_ERROR_OUT_OF_MEMORY);
    yk_buffer_text(&b, "ignored");
    yk_buffer_format(&b, "%d", 1);
    assert_int_equal(b.size, 2);
    assert_int_equal(yk_buffer_status(&b), YOLK_ERROR_OUT_OF_MEMORY);
    yk_buffer_free(&b);
    assert_ok(yk_buffer_status(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(calloc_clears_and_aligned_aligns),
        cmocka_unit_test(realloc_keeps_the_old_on_failure),
        cmocka_unit_test(text_is_copied),
        cmocka_unit_test(failures_are_injected_and_counted),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(buffers_append),
        cmocka_unit_test(a_failed_buffer_stays_failed),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
