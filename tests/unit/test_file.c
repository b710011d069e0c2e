#include <fcntl.h>
#include <pthread.h>

#include "base/base.h"
#include "yk_temp.h"

static void files_are_mapped(void **state)
{
    (void)state;
    yk_map map;
    assert_ok(yk_map_open(yk_temp_text("plain", "hello"), &map));
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "hello", 5);
    yk_map_idle(&map);
    assert_memory_equal(map.data, "hello", 5);
    yk_map_close(&map);
    assert_null(map.data);
    yk_map_close(&map);
}

static void what_cannot_be_mapped_says_why(void **state)
{
    (void)state;
    yk_map map;
    assert_fails(yk_map_open(yk_temp_path("absent"), &map), YOLK_ERROR_NOT_FOUND, "absent: No such file");
    assert_fails(yk_map_open(yk_temp_folder, &map), YOLK_ERROR_INVALID_ARGUMENT, "this is a folder");
    assert_fails(yk_map_open(yk_temp_text("empty", ""), &map), YOLK_ERROR_DAMAGED, "the file is empty");
    assert_null(map.data);
    assert_fails(yk_map_open("/dev/zero", &map), YOLK_ERROR_LIMIT, "use a plain file");
}

static void *write_to_pipe(void *path)
{
    int fd = open(path, O_WRONLY);
    for (int i = 0; fd >= 0 && i < 10000; i++) {
        if (write(fd, "0123456789", 10) != 10)
            break;
    }
    close(fd);
    return NULL;
}

static void pipes_are_read_to_their_end(void **state)
{
    (void)state;
    const char *path = yk_temp_path("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_to_pipe, (void *)path), 0);
    yk_map map;
    assert_ok(yk_map_open(path, &map));
    pthread_join(thread, NULL);
    assert_int_equal(map.size, 100000);
    yk_map_idle(&map); /* which can be read only once */
    assert_memory_equal(map.data + 99990, "0123456789", 10);
    yk_map_close(&map);
    unlink(path);
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    const char *file = yk_temp_text("kind", "x");
    assert_true(yk_is_file(file));
    assert_false(yk_is_directory(file));
    assert_true(yk_is_directory(yk_temp_folder));
    assert_false(yk_is_file(yk_temp_folder));
    assert_false(yk_is_file(yk_temp_path("absent")));
    assert_false(yk_is_directory(yk_temp_path("absent")));
}

static void folders_are_listed_in_order(void **state)
{
    (void)state;
    yk_temp_text("list/b", "");
    yk_temp_text("list/a10", "");
    yk_temp_text("list/.hidden", "");
    yk_temp_text("list/B/x", "");
    char **names;
    size_t count;
    assert_ok(yk_list_directory(yk_temp_path("list"), &names, &count));
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "B");
    assert_string_equal(names[1], "a10");
    assert_string_equal(names[2], "b");
    assert_null(names[3]);
    yk_names_free(names);
    mkdir(yk_temp_path("nothing"), 0777);
    assert_ok(yk_list_directory(yk_temp_path("nothing"), &names, &count));
    assert_int_equal(count, 0);
    assert_null(names[0]);
    yk_names_free(names);
    yk_names_free(NULL);
    assert_fails(yk_list_directory(yk_temp_path("absent"), &names, &count), YOLK_ERROR_NOT_FOUND, "absent");
    for (long n = 1; n <= 3; n++) {
        yk_alloc_fail_at(n);
        assert_int_equal(yk_list_directory(yk_temp_path("list"), &names, &count), YOLK_ERROR_OUT_OF_MEMORY);
    }
    yk_alloc_fail_at(0);
}

static void paths_are_taken_apart(void **state)
{
    (void)state;
    assert_string_equal(yk_base_name("a/b/c.pt"), "c.pt");
    assert_string_equal(yk_base_name("c.pt"), "c.pt");
    assert_string_equal(yk_base_name("a/"), "");
    assert_string_equal(yk_extension("a.b/c.tar.pt"), ".pt");
    assert_string_equal(yk_extension("a.b/c"), "");
    assert_string_equal(yk_extension(".hidden"), "");
    assert_string_equal(yk_extension("x."), ".");
    const char *const stems[][2] = {{"a.b/c.tar.pt", "c.tar"}, {"x", "x"}, {"d/.hidden", ".hidden"}};
    for (size_t i = 0; i < YK_COUNT(stems); i++) {
        char *stem = yk_path_stem(stems[i][0]);
        assert_string_equal(stem, stems[i][1]);
        yk_free(stem);
    }
    const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < YK_COUNT(joins); i++) {
        char *path = yk_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(path, joins[i][2]);
        yk_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_mapped),      cmocka_unit_test(what_cannot_be_mapped_says_why),
        cmocka_unit_test(kinds_are_told_apart),  cmocka_unit_test(pipes_are_read_to_their_end),
        cmocka_unit_test(paths_are_taken_apart), cmocka_unit_test(folders_are_listed_in_order),
    };
    return cmocka_run_group_tests_name("file", tests, yk_temp_make, yk_temp_remove);
}
