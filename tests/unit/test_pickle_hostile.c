/* Pickles that are damaged or meant to do harm: each gets a sentence, and nothing of it is done. */
#include "yk_test.h"

#include "base/base.h"
#include "import/pickle.h"

static yolk_status read_bytes(const void *bytes, size_t size)
{
    static const char *const callable[] = {"collections.OrderedDict"};
    /* On its own piece of memory, so that a read past the end is seen. */
    uint8_t *copy = malloc(size ? size : 1);
    yk_pickle p;
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    yolk_status status = yk_pickle_read(copy, size, callable, YK_COUNT(callable), &p);
    if (status == YOLK_OK)
        yk_pickle_free(&p);
    assert_null(p.root);
    free(copy);
    return status;
}

static void calls_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *words;
    } cases[] = {
        {"cos\nsystem\n(S'rm -rf ~'\ntR.", "the checkpoint calls os.system; yolk reads data only and refuses it"},
        {"cposix\nsystem\nU\2ls\x85R.", "calls posix.system;"},
        {"c__builtin__\neval\nU\1"
         "1\x85R.",
         "calls __builtin__.eval;"},
        {"cbuiltins\nexec\nU\1"
         "1\x85R.",
         "calls builtins.exec;"},
        {"\x8c\x02os\x8c\x06system\x93U\2ls\x85R.", "calls os.system;"},
        {"(S'ls'\nios\nsystem\n.", "calls os.system;"},
        {"(cos\nsystem\nS'ls'\no.", "calls os.system;"},
        {"ccollections\nOrderedDic\n)R.", "calls collections.OrderedDic;"},
        {"ccollection\nsOrderedDict\n)R.", "calls collection.sOrderedDict;"},
        {"ccollections\nOrderedDict\n)R)R.", "calls something that is not a plain name"},
        {"U\1x)R.", "calls something that is not a plain name"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++)
        assert_fails(read_bytes(cases[i].bytes, strlen(cases[i].bytes)), YOLK_ERROR_UNSUPPORTED, cases[i].words);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } cases[] = {
#define CASE(text, words) {text, sizeof(text) - 1, words}
        CASE("", "does not stop"),
        CASE("K\1", "does not stop"),
        CASE(".", "stack is empty"),
        CASE("K\1(.", "stack is empty"), /* the number belongs to the mark */
        CASE("0.", "stack is empty"),
        CASE("2.", "stack is empty"),
        CASE("K\1(2.", "stack is empty"),
        CASE("t.", "mark is missing"),
        CASE("1.", "mark is missing"),
        CASE("K\1e.", "mark is missing"),
        CASE("K\1\x86.", "stack is empty"),
        CASE("K\1(K\2\x86.", "stack is empty"),
        CASE("a.", "stack is empty"),
        CASE("]a.", "stack is empty"),
        CASE("K\1K\2a.", "does not hold such things"),
        CASE("]K\1K\2s.", "does not hold such things"),
        CASE("}K\1a.", "does not hold such things"),
        CASE("](K\1\x90.", "does not hold such things"),
        CASE("ccollections\nOrderedDict\n)RK\1K\2sK\1a.", "does not hold such things"),
        CASE("}(K\1u.", "key has no value"),
        CASE("(K\1d.", "key has no value"),
        CASE("h\0.", "memo number was never given"),
        CASE("K\1q\1h\0.", "memo number was never given"),
        CASE("K\1r\xff\xff\xff\x7fK\2.", "memo number is larger"),
        CASE("K\1p-1\n.", "memo number is not one"),
        CASE("K\1px\n.", "memo number is not one"),
        CASE("K\1p99999999999999999999\n.", "memo number is not one"),
        CASE("q\0.", "stack is empty"),
        CASE("Ix\n.", "number is not one"),
        CASE("I1", "line does not end"),
        CASE("F\n.", "number is not one"),
        CASE("Sx\n.", "no quotes"),
        CASE("S'\n.", "no quotes"),
        CASE("S'x\"\n.", "no quotes"),
        CASE("X\xff\xff\xff\xff.", "ends in the middle"),
        CASE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "ends in the middle"),
        CASE("\x8b\xff\xff\xff\xff.", "ends in the middle"),
        CASE("G\0\0.", "ends in the middle"),
        CASE("c\nx\n.", "no proper name"),
        CASE("cx\n\n.", "no proper name"),
        CASE("K\1K\2\x93.", "no proper name"),
        CASE("ccollections\nOrderedDict\nK\1R.", "call has no arguments"),
        CASE("K\1)\x81.", "object has no class"),
        CASE("(o.", "object has no class"),
        CASE("K\1}b.", "given to what is no object"),
        CASE("Q.", "stack is empty"),
        CASE("\xff.", "0xff, is no opcode"),
        CASE("\x82\x01.", "0x82, is no opcode"), /* EXT1: needs a registry of classes */
        CASE("\x97.", "0x97, is no opcode"),     /* NEXT_BUFFER: needs data from elsewhere */
#undef CASE
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++)
        assert_fails(read_bytes(cases[i].bytes, cases[i].size), YOLK_ERROR_DAMAGED, cases[i].words);
    assert_fails(read_bytes("\x80\x06N.", 4), YOLK_ERROR_UNSUPPORTED, "protocol 6");
}

static void long_names_are_cut_in_sentences(void **state)
{
    (void)state;
    char bytes[900];
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, "cos\n", 4);
    memcpy(bytes + 800, "\n)R.", 4);
    assert_fails(read_bytes(bytes, 804), YOLK_ERROR_UNSUPPORTED, "calls os.xxx");
    assert_true(strlen(yolk_last_error()) < 300);
}

/* A few megabytes that would be many more as values. */
static void too_many_values_are_refused(void **state)
{
    (void)state;
    size_t size = (5 << 20) + 3;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    bytes[0] = '(';
    memset(bytes + 1, ')', size - 3);
    memcpy(bytes + size - 2, "t.", 2);
    assert_fails(read_bytes(bytes, size), YOLK_ERROR_LIMIT, "more than 4194304 values");
    free(bytes);
}

static void deep_nesting_is_no_harm(void **state)
{
    (void)state;
    size_t size = 200000 * 2 + 2;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    bytes[0] = ')';
    for (size_t i = 1; i + 1 < size; i++)
        bytes[i] = '\x85';
    bytes[size - 1] = '.';
    assert_ok(read_bytes(bytes, size));
    memset(bytes, '(', size - 1);
    assert_fails(read_bytes(bytes, size), YOLK_ERROR_DAMAGED, "stack is empty");
    free(bytes);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    static const char whole[] =
        "\x80\x02}(X\1\0\0\0aK\1U\1bG\x3f\xe0\0\0\0\0\0\0U\1cccollections\nOrderedDict\n)RU\1dcx\nY\n)\x81}b"
        "I12\n](S'x'\nM\1\2e\x8a\2\1\2Nu.";
    for (size_t size = 0; size + 1 < sizeof whole; size++) {
        yolk_status status = read_bytes(whole, size);
        assert_int_equal(status, YOLK_ERROR_DAMAGED);
    }
    assert_ok(read_bytes(whole, sizeof whole - 1));
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    static const char bytes[] = "(K\1q\0]K\2at.";
    long n = 0;
    yolk_status status;
    do {
        yk_alloc_fail_at(++n);
        status = read_bytes(bytes, sizeof bytes - 1);
        yk_alloc_fail_at(0);
    } while (status == YOLK_ERROR_OUT_OF_MEMORY && n < 100);
    assert_int_equal(status, YOLK_OK);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_refused_by_name),       cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(long_names_are_cut_in_sentences), cmocka_unit_test(too_many_values_are_refused),
        cmocka_unit_test(deep_nesting_is_no_harm),         cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(short_memory_is_reported),
    };
    return cmocka_run_group_tests_name("pickle_hostile", tests, NULL, NULL);
}
