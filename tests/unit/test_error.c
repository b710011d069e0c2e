#include <errno.h>
#include <pthread.h>

#include "base/base.h"
#include "yk_test.h"
#include "yolk/yolk.h"

static void names_and_sentences(void **state)
{
    (void)state;
    assert_string_equal(yolk_status_name(YOLK_OK), "OK");
    assert_string_equal(yolk_status_name(YOLK_ERROR_DAMAGED), "ERROR_DAMAGED");
    assert_string_equal(yolk_status_name(YOLK_END), "END");
    assert_string_equal(yolk_status_name((yolk_status)7), "UNKNOWN");
    assert_string_equal(yolk_status_sentence(YOLK_ERROR_OUT_OF_MEMORY), "not enough memory");
    assert_string_equal(yolk_status_sentence((yolk_status)-99), "unknown status code");
    for (int i = YOLK_ERROR_INACCURATE; i <= YOLK_OK; i++) {
        assert_string_not_equal(yolk_status_name((yolk_status)i), "UNKNOWN");
        assert_true(strlen(yolk_status_sentence((yolk_status)i)) > 0);
    }
    assert_string_equal(yolk_version(), YOLK_VERSION);
}

static void fail_sets_the_sentence(void **state)
{
    (void)state;
    assert_int_equal(yk_fail(YOLK_ERROR_LIMIT, "%s: %d", "file", 7), YOLK_ERROR_LIMIT);
    assert_string_equal(yolk_last_error(), "file: 7");
    assert_int_equal(yk_fail_prefix(YOLK_ERROR_DAMAGED, "%s: ", "model.pt"), YOLK_ERROR_DAMAGED);
    assert_string_equal(yolk_last_error(), "model.pt: file: 7");
    yk_fail(YOLK_ERROR_LIMIT, "again %s", yolk_last_error());
    assert_string_equal(yolk_last_error(), "again model.pt: file: 7");
    assert_int_equal(yk_fail_memory(12), YOLK_ERROR_OUT_OF_MEMORY);
    assert_string_equal(yolk_last_error(), "not enough memory for 12 bytes");
}

static void control_characters_are_defused(void **state)
{
    (void)state;
    yk_fail(YOLK_ERROR_DAMAGED, "layer '\x1b[31m\n' %s", "\xc3\xa4");
    assert_string_equal(yolk_last_error(), "layer '?[31m?' \xc3\xa4");
}

static void long_sentences_are_cut_between_characters(void **state)
{
    (void)state;
    char text[4000];
    for (size_t offset = 0; offset < 2; offset++) {
        memset(text, 'a', offset);
        for (size_t i = offset; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xc3\xa4", 3);
        yk_fail(YOLK_ERROR_DAMAGED, "%s", text);
        size_t n = strlen(yolk_last_error());
        assert_in_range(n, 1000, 1023);
        assert_int_equal((n - offset) % 2, 0);
        yk_fail_prefix(YOLK_ERROR_DAMAGED, "%s", text);
        assert_int_equal((strlen(yolk_last_error()) - offset) % 2, 0);
    }
}

static void errno_becomes_a_status(void **state)
{
    (void)state;
    assert_int_equal(yk_fail_errno(ENOENT, "%s", "x.pt"), YOLK_ERROR_NOT_FOUND);
    assert_string_equal(yolk_last_error(), "x.pt: No such file or directory");
    assert_int_equal(yk_fail_errno(ENOSPC, "x"), YOLK_ERROR_NO_SPACE);
    assert_int_equal(yk_fail_errno(EDQUOT, "x"), YOLK_ERROR_NO_SPACE);
    assert_int_equal(yk_fail_errno(EPIPE, "x"), YOLK_ERROR_CLOSED);
    assert_int_equal(yk_fail_errno(ENOMEM, "x"), YOLK_ERROR_OUT_OF_MEMORY);
    assert_int_equal(yk_fail_errno(EIO, "x"), YOLK_ERROR_IO);
    assert_int_equal(yk_fail_errno(EACCES, "x"), YOLK_ERROR_IO);
}

static void *look_at_error(void *user)
{
    *(size_t *)user = strlen(yolk_last_error());
    yk_fail(YOLK_ERROR_IO, "from another thread");
    return NULL;
}

static void the_sentence_belongs_to_the_thread(void **state)
{
    (void)state;
    size_t length = 99;
    pthread_t thread;
    yk_fail(YOLK_ERROR_IO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, look_at_error, &length), 0);
    pthread_join(thread, NULL);
    assert_int_equal(length, 0);
    assert_string_equal(yolk_last_error(), "mine");
}

static char logged[4096];
static int log_count;

static void remember(void *user, yolk_log_level level, const char *message)
{
    log_count += *(int *)user;
    snprintf(logged, sizeof logged, "%d %s", (int)level, message);
}

static void log_goes_to_the_callback(void **state)
{
    (void)state;
    int one = 1;
    yk_log(YOLK_LOG_ERROR, "nobody listens");
    assert_false(yk_log_wants(YOLK_LOG_ERROR));
    yolk_log_set(remember, &one, YOLK_LOG_INFO);
    assert_true(yk_log_wants(YOLK_LOG_INFO));
    assert_false(yk_log_wants(YOLK_LOG_DEBUG));
    yk_log(YOLK_LOG_INFO, "batch %d\nof\x1b", 4);
    assert_string_equal(logged, "2 batch 4 of?");
    yk_log(YOLK_LOG_DEBUG, "too fine");
    assert_int_equal(log_count, 1);
    yolk_log_set(NULL, NULL, YOLK_LOG_DEBUG);
    yk_log(YOLK_LOG_ERROR, "silence");
    assert_int_equal(log_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_sentences),
        cmocka_unit_test(fail_sets_the_sentence),
        cmocka_unit_test(control_characters_are_defused),
        cmocka_unit_test(long_sentences_are_cut_between_characters),
        cmocka_unit_test(errno_becomes_a_status),
        cmocka_unit_test(the_sentence_belongs_to_the_thread),
        cmocka_unit_test(log_goes_to_the_callback),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
