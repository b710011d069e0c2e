/* Zip archives: what is read, and what is refused with which words. */
#include "yk_test.h"

#include "yk_pt_fixture.h"

/* Two entries, "m/a" with 5 bytes and "m/bc" with 3. */
static fx two_entries(void)
{
    fx f = {.seed = 1};
    fx_entry(&f, "m/a", "hello", 5);
    fx_entry(&f, "m/bc", "xyz", 3);
    fx_finish_zip(&f);
    return f;
}

/* Where the directory's record number `index` lies. */
static size_t record_at(const fx *f, int index)
{
    return f->zip.size - 22 - f->directory.size + (index ? 46 + strlen("m/a") : 0);
}

static void entries_are_found_by_name(void **state)
{
    (void)state;
    fx f = two_entries();
    yk_zip zip;
    assert_true(yk_zip_matches(f.zip.data, f.zip.size));
    assert_ok(yk_zip_open(f.zip.data, f.zip.size, &zip));
    assert_int_equal(zip.count, 2);
    const yk_zip_entry *e = yk_zip_find(&zip, "m/bc", 4);
    assert_non_null(e);
    assert_int_equal(e->size, 3);
    assert_memory_equal(e->data, "xyz", 3);
    assert_ok(yk_zip_check(e));
    assert_non_null(yk_zip_find(&zip, "m/a", 3));
    assert_null(yk_zip_find(&zip, "m/b", 3));
    assert_null(yk_zip_find(&zip, "m/bcd", 5));
    assert_null(yk_zip_find(&zip, "", 0));
    yk_zip_close(&zip);
    yk_zip_close(&zip);
    fx_free(&f);
}

static void empty_archives_have_no_entries(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    yk_zip zip;
    fx_finish_zip(&f);
    assert_true(yk_zip_matches(f.zip.data, f.zip.size));
    assert_ok(yk_zip_open(f.zip.data, f.zip.size, &zip));
    assert_int_equal(zip.count, 0);
    yk_zip_close(&zip);
    fx_free(&f);
}

static void comments_at_the_end_are_passed_over(void **state)
{
    (void)state;
    fx f = two_entries();
    yk_zip zip;
    f.zip.data[f.zip.size - 2] = 9;
    yk_buffer_text(&f.zip, "PK\5\6 text");
    assert_ok(yk_zip_open(f.zip.data, f.zip.size, &zip));
    assert_int_equal(zip.count, 2);
    yk_zip_close(&zip);
    fx_free(&f);
}

/* Turns the end record into one whose values are in a 64-bit one, and the sizes of the first entry into 64-bit ones. */
static fx wide_archive(void)
{
    fx f = {.seed = 1};
    fx_entry(&f, "m/a", "hello", 5);
    uint8_t *record = f.directory.data;
    memset(record + 20, 0xff, 8);
    record[30] = 20; /* extra */
    fx_number(&f.directory, 1, 2);
    fx_number(&f.directory, 16, 2);
    fx_number(&f.directory, 5, 8);
    fx_number(&f.directory, 5, 8);
    size_t at = f.zip.size, end;
    yk_buffer_add(&f.zip, f.directory.data, f.directory.size);
    end = f.zip.size;
    yk_buffer_add(&f.zip, "PK\6\6", 4);
    fx_number(&f.zip, 44, 8);
    fx_number(&f.zip, 0, 2 + 2 + 4);
    fx_number(&f.zip, 0, 4);
    fx_number(&f.zip, 1, 8);
    fx_number(&f.zip, 1, 8);
    fx_number(&f.zip, f.directory.size, 8);
    fx_number(&f.zip, at, 8);
    yk_buffer_add(&f.zip, "PK\6\7\0\0\0\0", 8);
    fx_number(&f.zip, end, 8);
    fx_number(&f.zip, 1, 4);
    yk_buffer_add(&f.zip, "PK\5\6\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);
    return f;
}

static void wide_archives_are_read(void **state)
{
    (void)state;
    fx f = wide_archive();
    yk_zip zip;
    assert_ok(yk_zip_open(f.zip.data, f.zip.size, &zip));
    assert_int_equal(zip.entries[0].size, 5);
    assert_memory_equal(zip.entries[0].data, "hello", 5);
    yk_zip_close(&zip);
    f.zip.data[f.zip.size - 22 - 20 + 8]++; /* where the 64-bit end record is */
    assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), YOLK_ERROR_DAMAGED, "64-bit end record");
    fx_free(&f);
    f = wide_archive();
    f.zip.data[f.zip.size - 22 - 20 - 56 - 18] = 8; /* the length of the entry's 64-bit field */
    assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), YOLK_ERROR_DAMAGED, "64-bit size is missing");
    f.zip.data[f.zip.size - 22 - 20 - 56 - 20] = 2; /* another kind of field: the sizes stay 4 GiB */
    assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), YOLK_ERROR_DAMAGED, "more than there are");
    fx_free(&f);
}

/* One byte changed, and what is said then. */
static void changed_bytes_are_noticed(void **state)
{
    (void)state;
    static const struct {
        bool local; /* else in the directory's record */
        int offset, value;
        yolk_status status;
        const char *words;
    } cases[] = {
        {false, 10, 8, YOLK_ERROR_UNSUPPORTED, "\"m/bc\" is compressed"},
        {false, 8, 1, YOLK_ERROR_UNSUPPORTED, "\"m/bc\" is encrypted"},
        {false, 20, 9, YOLK_ERROR_DAMAGED, "claims two sizes"},
        {false, 42, 1, YOLK_ERROR_DAMAGED, "not where the directory says"},
        {false, 45, 1, YOLK_ERROR_DAMAGED, "not where the directory says"},
        {false, 46, 'n', YOLK_ERROR_DAMAGED, "another name"},
        {false, 0, 0, YOLK_ERROR_DAMAGED, "record of its directory is broken"},
        {false, 29, 9, YOLK_ERROR_DAMAGED, "record of its directory is cut"},
        {true, 30, 'n', YOLK_ERROR_DAMAGED, "another name"},
        {true, 26, 3, YOLK_ERROR_DAMAGED, "another name"},
        {true, 29, 1, YOLK_ERROR_DAMAGED, "another name"},
        {true, 8, 8, YOLK_ERROR_DAMAGED, "another name or form"},
        {true, 1, 0, YOLK_ERROR_DAMAGED, "not where the directory says"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        fx f = two_entries();
        yk_zip zip;
        size_t local = 30 + strlen("m/a") + 5;
        f.zip.data[(cases[i].local ? local : record_at(&f, 1)) + (size_t)cases[i].offset] = (uint8_t)cases[i].value;
        assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), cases[i].status, cases[i].words);
        fx_free(&f);
    }
}

static void sizes_past_the_end_are_refused(void **state)
{
    (void)state;
    fx f = two_entries();
    yk_zip zip;
    size_t at = record_at(&f, 1);
    f.zip.data[at + 22] = f.zip.data[at + 26] = 1; /* 64 KiB more */
    assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), YOLK_ERROR_DAMAGED, "\"m/bc\" claims 65539 bytes");
    fx_free(&f);
}

static void overlapping_and_repeated_entries_are_refused(void **state)
{
    (void)state;
    yk_zip zip;
    fx f = two_entries();
    size_t at = record_at(&f, 0);
    f.zip.data[at + 20] = f.zip.data[at + 24] = 6; /* the first one reaches into the second */
    assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), YOLK_ERROR_DAMAGED, "entries overlap");
    fx_free(&f);

    fx_entry(&f, "m/a", "1", 1);
    fx_entry(&f, "m/a", "2", 1);
    fx_finish_zip(&f);
    assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), YOLK_ERROR_DAMAGED, "two entries named \"m/a\"");
    fx_free(&f);
}

static void a_directory_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        int from_end, value;
        yolk_status status;
        const char *words;
    } cases[] = {
        {18, 1, YOLK_ERROR_UNSUPPORTED, "split over several files"},
        {12, 3, YOLK_ERROR_DAMAGED, "does not fit"},
        {10, 255, YOLK_ERROR_DAMAGED, "does not fit"},
        {6, 255, YOLK_ERROR_DAMAGED, "does not fit"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        fx f = two_entries();
        yk_zip zip;
        f.zip.data[f.zip.size - (size_t)cases[i].from_end] = (uint8_t)cases[i].value;
        assert_fails(yk_zip_open(f.zip.data, f.zip.size, &zip), cases[i].status, cases[i].words);
        fx_free(&f);
    }
}

static void checksums_tell_of_changed_contents(void **state)
{
    (void)state;
    assert_int_equal(yk_zip_crc((const uint8_t *)"123456789", 9), 0xcbf43926);
    assert_int_equal(yk_zip_crc(NULL, 0), 0);
    fx f = two_entries();
    yk_zip zip;
    f.zip.data[30 + 3] = 'j'; /* "jello" */
    assert_ok(yk_zip_open(f.zip.data, f.zip.size, &zip));
    assert_fails(yk_zip_check(yk_zip_find(&zip, "m/a", 3)), YOLK_ERROR_DAMAGED, "\"m/a\" do not match their checksum");
    yk_zip_close(&zip);
    fx_free(&f);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    fx f = two_entries();
    yk_zip zip;
    for (size_t size = 0; size < f.zip.size; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, f.zip.data, size);
        assert_fails(yk_zip_open(copy, size, &zip), YOLK_ERROR_DAMAGED, "cut short");
        free(copy);
    }
    fx_free(&f);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    fx f = two_entries();
    yk_zip zip;
    for (int n = 1; n <= 2; n++) {
        yk_alloc_fail_at(n);
        yolk_status status = yk_zip_open(f.zip.data, f.zip.size, &zip);
        yk_alloc_fail_at(0);
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
    }
    fx_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_by_name),
        cmocka_unit_test(empty_archives_have_no_entries),
        cmocka_unit_test(comments_at_the_end_are_passed_over),
        cmocka_unit_test(wide_archives_are_read),
        cmocka_unit_test(changed_bytes_are_noticed),
        cmocka_unit_test(sizes_past_the_end_are_refused),
        cmocka_unit_test(overlapping_and_repeated_entries_are_refused),
        cmocka_unit_test(a_directory_that_does_not_fit_is_refused),
        cmocka_unit_test(checksums_tell_of_changed_contents),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(short_memory_is_reported),
    };
    return cmocka_run_group_tests_name("zip", tests, NULL, NULL);
}
