/* Other programs: what they are given, what they say, and how they end. */
#include <signal.h>
#include <sys/stat.h>

#include "convert/child.h"
#include "yk_temp.h"
#include "yk_test.h"

typedef struct heard {
    char output[256], lines[256];
    size_t bytes;
    int line_count, waits;
    int stop_after; /* waits; 0: never */
} heard;

static yolk_status output(void *user, const void *bytes, size_t size)
{
    heard *h = user;
    for (size_t i = 0; i < size; i++) {
        if (h->bytes + i + 1 < sizeof h->output)
            h->output[h->bytes + i] = ((const char *)bytes)[i];
    }
    h->bytes += size;
    return YOLK_OK;
}

static yolk_status line(void *user, const char *text)
{
    heard *h = user;
    if (strcmp(text, "stop") == 0)
        return yk_fail(YOLK_ERROR_LIMIT, "told to stop");
    snprintf(h->lines + strlen(h->lines), sizeof h->lines - strlen(h->lines), "%s|", text);
    h->line_count++;
    return YOLK_OK;
}

static yolk_status pause_or_stop(void *user)
{
    heard *h = user;
    h->waits++;
    return h->stop_after && h->waits >= h->stop_after ? yk_fail(YOLK_ERROR_CANCELED, "stopped") : YOLK_OK;
}

/* Runs a shell script. */
static yolk_status shell(const char *script, const char *extra, heard *h, int *end)
{
    const char *const arguments[] = {"/bin/sh", "-s", "one", "two words", NULL};
    const yk_child c = {.arguments = arguments,
                        .input = script,
                        .input_size = strlen(script),
                        .extra = extra,
                        .extra_size = strlen(extra),
                        .output = output,
                        .line = line,
                        .wait = pause_or_stop,
                        .user = h};
    return yk_child_run(&c, end);
}

static void what_it_reads_and_writes(void **state)
{
    (void)state;
    heard h = {0};
    int end;
    assert_ok(shell("echo \"$1,$2\"; cat <&3; echo first >&2; printf 'second, without an end' >&2; exit 7", "extra", &h,
                    &end));
    assert_int_equal(end, 7);
    assert_string_equal(h.output, "one,two words\nextra");
    assert_string_equal(h.lines, "first|second, without an end|");
}

static void much_of_it(void **state)
{
    (void)state;
    heard h = {0};
    int end;
    /* More than a pipe holds, both ways. */
    const size_t size = 3 << 20;
    char *extra = malloc(size + 1);
    memset(extra, 'x', size);
    extra[size] = 0;
    assert_ok(shell("cat <&3; i=0; while [ $i -lt 3000 ]; do echo a line of some length, again and again >&2; "
                    "i=$((i+1)); done",
                    extra, &h, &end));
    free(extra);
    assert_int_equal(end, 0);
    assert_int_equal(h.bytes, size);
    assert_int_equal(h.line_count, 3000);
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    (void)state;
    heard h = {0};
    int end;
    assert_ok(shell("head -c 5000 /dev/zero | tr '\\0' y >&2; echo >&2; echo next >&2", "", &h, &end));
    assert_int_equal(h.line_count, 2);
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    heard h = {.stop_after = 2};
    int end;
    uint64_t start = yk_now_ns();
    assert_fails(shell("sleep 600 & sleep 600", "", &h, &end), YOLK_ERROR_CANCELED, "stopped");
    assert_int_equal(end, 128 + SIGKILL);
    assert_true(yk_now_ns() - start < 60000000000u);
    /* By what it says, too. */
    h = (heard){0};
    assert_fails(shell("echo stop >&2; exec sleep 600", "", &h, &end), YOLK_ERROR_LIMIT, "told to stop");
    /* And when it has closed its files but does not end. */
    h = (heard){.stop_after = 5};
    assert_fails(shell("exec >&- 2>&-; exec sleep 600", "", &h, &end), YOLK_ERROR_CANCELED, "stopped");
}

static void how_it_ended(void **state)
{
    (void)state;
    heard h = {0};
    int end;
    assert_ok(shell("kill -TERM $$", "", &h, &end));
    assert_int_equal(end, 128 + SIGTERM);
    const char *const nowhere[] = {yk_temp_path("nowhere"), NULL};
    const yk_child c = {.arguments = nowhere, .output = output, .line = line, .wait = pause_or_stop, .user = &h};
    assert_ok(yk_child_run(&c, &end));
    assert_int_equal(end, 127);
    assert_non_null(strstr(h.lines, "could not be started"));
}

static void programs_are_found_as_the_shell_does(void **state)
{
    (void)state;
    char *was = strdup(getenv("PATH")), path[2048];
    assert_int_equal(chmod(yk_temp_text("bin/prog", "#!/bin/sh\n"), 0755), 0);
    yk_temp_text("bin/data", "");
    snprintf(path, sizeof path, "/nowhere::%s:", yk_temp_path("bin"));
    setenv("PATH", path, 1);
    char *found = yk_find_program("prog");
    assert_non_null(found);
    assert_string_equal(found, yk_temp_path("bin/prog"));
    yk_free(found);
    assert_null(yk_find_program("data"));
    assert_null(yk_find_program("other"));
    assert_null(yk_find_program(yk_temp_path("bin/data")));
    found = yk_find_program(yk_temp_path("bin/prog"));
    assert_string_equal(found, yk_temp_path("bin/prog"));
    yk_free(found);
    yk_alloc_fail_at(1);
    assert_null(yk_find_program("prog"));
    yk_alloc_fail_at(0);
    setenv("PATH", was, 1);
    free(was);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_reads_and_writes),
        cmocka_unit_test(much_of_it),
        cmocka_unit_test(a_line_that_is_too_long_is_cut),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(how_it_ended),
        cmocka_unit_test(programs_are_found_as_the_shell_does),
    };
    return cmocka_run_group_tests_name("child", tests, yk_temp_make, yk_temp_remove);
}
