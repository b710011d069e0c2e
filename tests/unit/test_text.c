#include <locale.h>

#include "base/base.h"
#include "yk_test.h"

static const char *const words[] = {"openvino", "reference", "auto", "cpu", "cuda", "person", "motorcycle", "bicycle"};

static const char *nearest(const char *word)
{
    return yk_nearest(word, words, YK_COUNT(words));
}

static void the_nearest_word_is_suggested(void **state)
{
    (void)state;
    assert_string_equal(nearest("openvin"), "openvino");
    assert_string_equal(nearest("OpenVINO"), "openvino");
    assert_string_equal(nearest("refrence"), "reference");
    assert_string_equal(nearest("persno"), "person");
    assert_string_equal(nearest("bycicle"), "bicycle");
    assert_string_equal(nearest("cpuu"), "cpu");
    assert_string_equal(nearest("gpu"), "cpu");
    assert_string_equal(nearest("motor"), "motorcycle");
}

static void far_words_are_not_suggested(void **state)
{
    (void)state;
    assert_null(nearest("elephant"));
    assert_null(nearest("x"));
    assert_null(nearest(""));
    assert_null(yk_nearest("x", NULL, 0));
    char longest[100];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(nearest(longest));
    const char *const odd[] = {"", longest, "ab"};
    assert_string_equal(yk_nearest("ac", odd, 3), "ab");
    longest[63] = '\0';
    assert_ptr_equal(yk_nearest(longest, odd, 3), longest);
}

static void numbers_are_read_whole(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool good;
        double value;
    } reals[] = {
        {"0.25", true, 0.25}, {"-1e3", true, -1000}, {"+.5", true, 0.5},  {"7.", true, 7},
        {"", false, 0},       {" 1", false, 0},      {"1 ", false, 0},    {"0x10", false, 0},
        {"nan", false, 0},    {"inf", false, 0},     {"1e999", false, 0}, {"0,25", false, 0},
        {"1.2.3", false, 0},  {"e", false, 0},       {"--1", false, 0},   {"1e-999", true, 0.0},
    };
    for (size_t i = 0; i < YK_COUNT(reals); i++) {
        double value = 99;
        if (yk_parse_double(reals[i].text, &value) != reals[i].good)
            fail_msg("'%s'", reals[i].text);
        if (reals[i].good && value != reals[i].value)
            fail_msg("'%s' is %g", reals[i].text, value);
    }
    const struct {
        const char *text;
        bool good;
        int64_t value;
    } integers[] = {
        {"0", true, 0},
        {"-12", true, -12},
        {"+9", true, 9},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"1.0", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
    };
    for (size_t i = 0; i < YK_COUNT(integers); i++) {
        int64_t value = 99;
        if (yk_parse_int(integers[i].text, &value) != integers[i].good)
            fail_msg("'%s'", integers[i].text);
        if (integers[i].good && value != integers[i].value)
            fail_msg("'%s' is %lld", integers[i].text, (long long)value);
    }
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        YK_SKIP("no locale with a decimal comma is installed");
    double value = 0;
    assert_true(yk_parse_double("0.5", &value));
    assert_true(value == 0.5);
    setlocale(LC_NUMERIC, "C");
}

static void case_is_ignored_for_ascii(void **state)
{
    (void)state;
    assert_true(yk_equal_ignoring_case("Auto", "aUTO"));
    assert_true(yk_equal_ignoring_case("", ""));
    assert_false(yk_equal_ignoring_case("auto", "auto "));
    assert_false(yk_equal_ignoring_case("a", "b"));
    assert_false(yk_equal_ignoring_case("\xc4", "\xe4"));
}

static void utf8_is_read_by_character(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint32_t codes[6];
    } rows[] = {
        {"", {0}},
        {"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", {'a', 0xe4, 0x20ac, 0x1f600}},
        {"\xff"
         "a",
         {0xfffd, 'a'}},
        {"\xc3", {0xfffd}},
        {"\xe2\x82"
         "a",
         {0xfffd, 0xfffd, 'a'}},
        {"\xc0\xaf", {0xfffd, 0xfffd}},                         /* longer than needed */
        {"\xe0\x80\xaf", {0xfffd, 0xfffd, 0xfffd}},             /* longer than needed */
        {"\xed\xa0\x80", {0xfffd, 0xfffd, 0xfffd}},             /* surrogate */
        {"\xf4\x90\x80\x80", {0xfffd, 0xfffd, 0xfffd, 0xfffd}}, /* past the last */
    };
    for (size_t i = 0; i < YK_COUNT(rows); i++) {
        const char *text = rows[i].text;
        for (int k = 0; k < 6; k++) {
            uint32_t code = yk_utf8_next(&text);
            assert_int_equal(code, rows[i].codes[k]);
            if (code == 0)
                break;
        }
        assert_int_equal(*text, 0);
    }
}

static void sha256_of(const char *text, const char *expected)
{
    char hex[65];
    yk_sha256_hex(text, strlen(text), hex);
    assert_string_equal(hex, expected);
}

static void sha256_matches_the_standard(void **state)
{
    (void)state;
    sha256_of("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_of("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    static char million[1000001];
    memset(million, 'a', 1000000);
    sha256_of(million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void sha256_does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    uint8_t bytes[300], whole[32], pieces[32];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t length = 0; length <= sizeof bytes; length += 5) {
        for (size_t step = 1; step < 140; step += 23) {
            yk_sha256 a, b;
            yk_sha256_init(&a);
            yk_sha256_add(&a, bytes, length);
            yk_sha256_end(&a, whole);
            yk_sha256_init(&b);
            for (size_t at = 0; at < length; at += step)
                yk_sha256_add(&b, bytes + at, YK_MIN(step, length - at));
            yk_sha256_end(&b, pieces);
            assert_memory_equal(whole, pieces, 32);
        }
    }
}

static void the_clock_does_not_go_back(void **state)
{
    (void)state;
    uint64_t last = yk_now_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = yk_now_ns();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_suggested), cmocka_unit_test(far_words_are_not_suggested),
        cmocka_unit_test(numbers_are_read_whole),        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(case_is_ignored_for_ascii),     cmocka_unit_test(utf8_is_read_by_character),
        cmocka_unit_test(sha256_matches_the_standard),   cmocka_unit_test(sha256_does_not_depend_on_the_pieces),
        cmocka_unit_test(the_clock_does_not_go_back),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
