/* Pickles: what each opcode makes, and that nothing but data is ever made. */
#include "yk_test.h"

#include "base/base.h"
#include "import/pickle.h"

typedef yk_pickle_value value;

static const char *const callable[] = {"collections.OrderedDict", "torch.Size", "pathlib.PosixPath"};

static yolk_status read_bytes(const void *bytes, size_t size, yk_pickle *out)
{
    return yk_pickle_read(bytes, size, callable, YK_COUNT(callable), out);
}

/* A literal without its closing NUL. */
#define READ(text, out) read_bytes(text, sizeof(text) - 1, out)

static void numbers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int64_t wanted;
    } cases[] = {
#define CASE(text, wanted) {text, sizeof(text) - 1, wanted}
        CASE("K\x07.", 7),
        CASE("M\x01\x02.", 513),
        CASE("J\xff\xff\xff\xff.", -1),
        CASE("J\0\0\0\x80.", INT32_MIN),
        CASE("\x8a\x00.", 0),
        CASE("\x8a\x01\xff.", -1),
        CASE("\x8a\x02\x00\x80.", -32768),
        CASE("\x8a\x02\xff\x00.", 255),
        CASE("\x8b\x08\0\0\0\0\0\0\0\0\0\0\x80.", INT64_MIN),
        CASE("I-12\n.", -12),
        CASE("I01\n.", 1),
        CASE("L34L\n.", 34),
        CASE("\x88.", 1),
        CASE("\x80\x04\x95\0\0\0\0\0\0\0\0K\x05.", 5),
#undef CASE
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_pickle p;
        int64_t number = 99;
        assert_ok(read_bytes(cases[i].bytes, cases[i].size, &p));
        assert_true(yk_pickle_int(p.root, &number));
        assert_int_equal(number, cases[i].wanted);
        yk_pickle_free(&p);
    }
}

static void other_scalars_are_read(void **state)
{
    (void)state;
    yk_pickle p;
    double number = 0;
    int64_t integer;
    assert_ok(READ("G\x3f\xe0\0\0\0\0\0\0.", &p));
    assert_true(yk_pickle_number(p.root, &number) && number == 0.5);
    assert_false(yk_pickle_int(p.root, &integer));
    yk_pickle_free(&p);
    assert_ok(READ("F-2.5\n.", &p));
    assert_true(yk_pickle_number(p.root, &number) && number == -2.5);
    yk_pickle_free(&p);
    assert_ok(READ("K\x03.", &p));
    assert_true(yk_pickle_number(p.root, &number) && number == 3);
    yk_pickle_free(&p);
    assert_ok(READ("N.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_NONE);
    assert_false(yk_pickle_number(p.root, &number));
    yk_pickle_free(&p);
    assert_ok(READ("\x8a\x09\1\2\3\4\5\6\7\x08\x09.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_LONG);
    yk_pickle_free(&p);
    assert_ok(READ("L123456789012345678901234567890L\n.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_LONG);
    yk_pickle_free(&p);
}

static void texts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        yk_pickle_type type;
    } cases[] = {
#define CASE(text, type) {text, sizeof(text) - 1, type}
        CASE("X\x02\0\0\0hi.", YK_PICKLE_TEXT),
        CASE("T\x02\0\0\0hi.", YK_PICKLE_TEXT),
        CASE("U\x02hi.", YK_PICKLE_TEXT),
        CASE("\x8c\x02hi.", YK_PICKLE_TEXT),
        CASE("\x8d\x02\0\0\0\0\0\0\0hi.", YK_PICKLE_TEXT),
        CASE("S'hi'\n.", YK_PICKLE_TEXT),
        CASE("Vhi\n.", YK_PICKLE_TEXT),
        CASE("C\x02hi.", YK_PICKLE_BYTES),
        CASE("B\x02\0\0\0hi.", YK_PICKLE_BYTES),
        CASE("\x8e\x02\0\0\0\0\0\0\0hi.", YK_PICKLE_BYTES),
        CASE("\x96\x02\0\0\0\0\0\0\0hi.", YK_PICKLE_BYTES),
#undef CASE
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_pickle p;
        assert_ok(read_bytes(cases[i].bytes, cases[i].size, &p));
        assert_int_equal(p.root->type, cases[i].type);
        assert_int_equal(p.root->length, 2);
        assert_memory_equal(p.root->text, "hi", 2);
        assert_true(yk_pickle_is_text(p.root, "hi") == (cases[i].type == YK_PICKLE_TEXT));
        assert_false(yk_pickle_is_text(p.root, "h"));
        yk_pickle_free(&p);
    }
}

static void sequences_are_read(void **state)
{
    (void)state;
    static const char *const three[] = {"(K\1K\2K\3t.",   "(K\1K\2K\3l.",   "](K\1K\2K\3e.",
                                        "]K\1aK\2aK\3a.", "K\1K\2K\3\x87.", "(lK\1a(K\2K\3e."};
    for (size_t i = 0; i < YK_COUNT(three); i++) {
        yk_pickle p;
        int64_t number = 0;
        assert_ok(read_bytes(three[i], strlen(three[i]), &p));
        assert_int_equal(yk_pickle_length(p.root), 3);
        assert_true(yk_pickle_int(yk_pickle_at(p.root, 2), &number));
        assert_int_equal(number, 3);
        assert_null(yk_pickle_at(p.root, 3));
        yk_pickle_free(&p);
    }
    yk_pickle p;
    assert_ok(READ(").", &p));
    assert_int_equal(yk_pickle_length(p.root), 0);
    yk_pickle_free(&p);
    assert_ok(READ("K\1\x85.", &p));
    assert_int_equal(yk_pickle_length(p.root), 1);
    yk_pickle_free(&p);
    assert_ok(READ("ctorch\nSize\n(K\1K\2t\x85R.", &p)); /* torch.Size((1, 2)) */
    assert_int_equal(yk_pickle_length(p.root), 2);
    yk_pickle_free(&p);
    assert_ok(READ("\x8f(K\1K\2\x90.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_SET);
    assert_int_equal(p.root->count, 2);
    assert_int_equal(yk_pickle_length(p.root), 0);
    yk_pickle_free(&p);
    assert_ok(READ("(K\1\x91.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_SET);
    yk_pickle_free(&p);
}

static void mappings_are_read(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "}(U\1aK\1U\1bK\2K\7K\3u.",          "(U\1aK\1U\1bK\2K\7K\3d.",
        "}U\1aK\1sU\1bK\2sK\7K\3s.",         "ccollections\nOrderedDict\n)R(U\1aK\1U\1bK\2K\7K\3u.",
        "}(U\1aK\x09U\1aK\1U\1bK\2K\7K\3u.", /* the last of equal keys wins */
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_pickle p;
        int64_t a = 0, b = 0, seven = 0;
        assert_ok(read_bytes(cases[i], strlen(cases[i]), &p));
        assert_true(yk_pickle_int(yk_pickle_get(p.root, "a"), &a));
        assert_true(yk_pickle_int(yk_pickle_get(p.root, "b"), &b));
        assert_true(yk_pickle_int(yk_pickle_get_int(p.root, 7), &seven));
        assert_int_equal(a * 100 + b * 10 + seven, 123);
        assert_null(yk_pickle_get(p.root, "c"));
        assert_null(yk_pickle_get_int(p.root, 8));
        assert_null(yk_pickle_at(p.root, 0));
        yk_pickle_free(&p);
    }
    assert_null(yk_pickle_get(NULL, "a"));
    assert_null(yk_pickle_get_int(NULL, 1));
}

static void memo_and_stack_work(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
    /* each makes (5, 5) */
#define CASE(text) {text, sizeof(text) - 1}
        CASE("K\5q\0h\0\x86."),         CASE("K\5r\1\0\0\0j\1\0\0\0\x86."),
        CASE("K\5p2\ng2\n\x86."),       CASE("K\5\x94h\0\x86."),
        CASE("K\5\x32\x86."),           CASE("K\5K\5K\7\x30\x86."),
        CASE("K\5K\5(K\1K\2\x31\x86."), CASE("K\5K\5(\x30\x86."),
#undef CASE
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_pickle p;
        int64_t a = 0, b = 0;
        assert_ok(read_bytes(cases[i].bytes, cases[i].size, &p));
        assert_int_equal(yk_pickle_length(p.root), 2);
        assert_true(yk_pickle_int(yk_pickle_at(p.root, 0), &a) && yk_pickle_int(yk_pickle_at(p.root, 1), &b));
        assert_true(a == 5 && b == 5);
        yk_pickle_free(&p);
    }
}

static void objects_are_inert(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "ctorch.nn\nConv2d\n)\x81}U\1aK\1sb.",
        "\x8c\x08torch.nn\x8c\x06"
        "Conv2d\x93)}\x92}U\1aK\1sb.",
    };
    char label[YK_PICKLE_LABEL];
    yk_pickle p;
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        assert_ok(read_bytes(cases[i], strlen(cases[i]), &p));
        assert_int_equal(p.root->type, YK_PICKLE_OBJECT);
        assert_true(yk_pickle_is_object(p.root, "torch.nn.Conv2d"));
        assert_false(yk_pickle_is_object(p.root, "torch.nn.Conv2"));
        assert_false(yk_pickle_is_global(p.root, "torch.nn.Conv2d"));
        assert_string_equal(yk_pickle_label(p.root, label), "torch.nn.Conv2d");
        assert_non_null(yk_pickle_get(p.root->state, "a"));
        yk_pickle_free(&p);
    }
    assert_ok(READ("cpathlib\nPosixPath\n(U\1/U\1xtR.", &p));
    assert_true(yk_pickle_is_object(p.root, "pathlib.PosixPath"));
    assert_int_equal(p.root->args->count, 2);
    yk_pickle_free(&p);
    assert_ok(READ("(cpathlib\nPosixPath\nU\1/o.", &p));
    assert_true(yk_pickle_is_object(p.root, "pathlib.PosixPath"));
    assert_int_equal(p.root->args->count, 1);
    yk_pickle_free(&p);
    assert_ok(READ("(U\1/ipathlib\nPosixPath\n.", &p));
    assert_true(yk_pickle_is_object(p.root, "pathlib.PosixPath"));
    yk_pickle_free(&p);
    assert_ok(READ("U\3keyQ.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_PERSISTENT);
    assert_true(yk_pickle_is_text(p.root->items[0], "key"));
    yk_pickle_free(&p);
    assert_ok(READ("Pkey\n.", &p));
    assert_int_equal(p.root->type, YK_PICKLE_PERSISTENT);
    assert_string_equal(yk_pickle_label(p.root, label), "something without a name");
    assert_string_equal(yk_pickle_label(p.root->items[0], label), "key");
    yk_pickle_free(&p);
}

static void a_list_may_hold_itself(void **state)
{
    (void)state;
    yk_pickle p;
    assert_ok(READ("]q\0h\0a.", &p));
    assert_ptr_equal(yk_pickle_at(p.root, 0), p.root);
    yk_pickle_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),  cmocka_unit_test(other_scalars_are_read),
        cmocka_unit_test(texts_are_read),    cmocka_unit_test(sequences_are_read),
        cmocka_unit_test(mappings_are_read), cmocka_unit_test(memo_and_stack_work),
        cmocka_unit_test(objects_are_inert), cmocka_unit_test(a_list_may_hold_itself),
    };
    return cmocka_run_group_tests_name("pickle", tests, NULL, NULL);
}
