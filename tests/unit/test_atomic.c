#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/base.h"
#include "yk_temp.h"

static void assert_content(const char *path, const char *text)
{
    yk_map map;
    assert_ok(yk_map_open(path, &map));
    assert_int_equal(map.size, strlen(text));
    assert_memory_equal(map.data, text, map.size);
    yk_map_close(&map);
}

/* Nothing temporary stays in the folder, hidden names included. */
static int count_entries(const char *folder)
{
    char command[1200];
    int count = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &count), 1);
    pclose(f);
    return count;
}

static void a_file_appears_when_committed(void **state)
{
    (void)state;
    mkdir(yk_temp_path("one"), 0777);
    const char *path = yk_temp_path("one/file");
    yk_atomic *file;
    assert_ok(yk_atomic_open(path, &file));
    assert_ok(yk_atomic_write(file, "half ", 5));
    assert_false(yk_is_file(path));
    assert_ok(yk_atomic_write(file, "whole", 5));
    assert_ok(yk_atomic_commit(&file));
    assert_null(file);
    assert_content(path, "half whole");
    assert_int_equal(count_entries(yk_temp_path("one")), 1);
    struct stat s;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0666 & ~mask);
}

static void an_aborted_file_leaves_the_old_one(void **state)
{
    (void)state;
    const char *path = yk_temp_text("two/file", "old");
    yk_atomic *file;
    assert_ok(yk_atomic_open(path, &file));
    assert_ok(yk_atomic_write(file, "new", 3));
    yk_atomic_abort(&file);
    assert_null(file);
    yk_atomic_abort(&file);
    assert_content(path, "old");
    assert_int_equal(count_entries(yk_temp_path("two")), 1);
    assert_ok(yk_write_file(path, "new", 3));
    assert_content(path, "new");
}

static void links_are_followed(void **state)
{
    (void)state;
    const char *real = yk_temp_text("three/real", "old");
    const char *link = yk_temp_path("three/link");
    assert_int_equal(symlink("real", link), 0);
    assert_ok(yk_write_file(link, "through", 7));
    struct stat s;
    assert_int_equal(lstat(link, &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    assert_content(real, "through");
}

static void devices_are_written_to_and_stay(void **state)
{
    (void)state;
    assert_ok(yk_write_file("/dev/null", "gone", 4));
    struct stat s;
    assert_int_equal(stat("/dev/null", &s), 0);
    assert_true(S_ISCHR(s.st_mode));
}

static void failures_name_the_file(void **state)
{
    (void)state;
    yk_atomic *file;
    assert_fails(yk_atomic_open(yk_temp_path("no/such/file"), &file), YOLK_ERROR_NOT_FOUND, "does not exist; make it");
    assert_null(file);
    assert_fails(yk_write_file(yk_temp_folder, "x", 1), YOLK_ERROR_INVALID_ARGUMENT, "this is a folder");
    if (access("/dev/full", W_OK) == 0)
        assert_fails(yk_write_file("/dev/full", "x", 1), YOLK_ERROR_NO_SPACE, "/dev/full");
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_fails(yk_write_file(yk_temp_path(name), "x", 1), YOLK_ERROR_IO, "File name too long");
}

static void a_closed_pipe_is_told_apart(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    const char *path = yk_temp_path("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    yk_atomic *file;
    assert_ok(yk_atomic_open(path, &file));
    close(reader);
    assert_fails(yk_atomic_write(file, "x", 1), YOLK_ERROR_CLOSED, "pipe");
    yk_atomic_abort(&file);
    assert_int_equal(access(path, F_OK), 0);
}

static void short_memory_leaves_nothing(void **state)
{
    (void)state;
    mkdir(yk_temp_path("four"), 0777);
    const char *path = yk_temp_path("four/file");
    long n = 1;
    for (; n < 20; n++) {
        yk_alloc_fail_at(n);
        yolk_status status = yk_write_file(path, "x", 1);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_int_equal(count_entries(yk_temp_path("four")), 0);
    }
    assert_in_range(n, 4, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_appears_when_committed),
        cmocka_unit_test(an_aborted_file_leaves_the_old_one),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(devices_are_written_to_and_stay),
        cmocka_unit_test(failures_name_the_file),
        cmocka_unit_test(a_closed_pipe_is_told_apart),
        cmocka_unit_test(short_memory_leaves_nothing),
    };
    return cmocka_run_group_tests_name("atomic", tests, yk_temp_make, yk_temp_remove);
}
