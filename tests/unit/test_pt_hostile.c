/* Files that are no checkpoint, are cut or changed anywhere, or try to take all memory or time. */
#include "yk_test.h"

#include "import/import.h"
#include "yk_pt_tiny.h"

/* Reads a copy of exactly these bytes, so that a read past the end is seen. */
static yolk_status import_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    yk_graph *g;
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    yolk_status status = yk_import_pt(copy, size, &g);
    assert_true((status == YOLK_OK) == (g != NULL));
    assert_true(status == YOLK_OK || yolk_last_error()[0] != '\0');
    yk_graph_destroy(&g);
    free(copy);
    return status;
}

/* An archive with one entry, a pickle of these bytes. */
static void check_pickle(const char *name, const void *pickle, size_t size, yolk_status status, const char *words)
{
    fx f = {.seed = 1};
    yk_graph *g;
    fx_entry(&f, name, pickle, size);
    fx_finish_zip(&f);
    assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), status, words);
    fx_free(&f);
}

#define CHECK_PICKLE(pickle, status, words) check_pickle("m/data.pkl", pickle, sizeof(pickle) - 1, status, words)

static void no_checkpoints(void **state)
{
    (void)state;
    static const uint8_t old[] = {0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    yk_graph *g;
    assert_fails(yk_import_pt(old, sizeof old, &g), YOLK_ERROR_UNSUPPORTED, "PyTorch before 1.6");
    assert_fails(yk_import_pt((const uint8_t *)"GIF89a", 6, &g), YOLK_ERROR_DAMAGED, "it is no checkpoint");
    assert_fails(yk_import_pt((const uint8_t *)"", 0, &g), YOLK_ERROR_DAMAGED, "it is no checkpoint");
    check_pickle("m/other.pkl", "N.", 2, YOLK_ERROR_UNSUPPORTED, "no data.pkl");
    check_pickle("data.pkl", "N.", 2, YOLK_ERROR_UNSUPPORTED, "no data.pkl");
    CHECK_PICKLE("N.", YOLK_ERROR_UNSUPPORTED, "holds no network");
    CHECK_PICKLE("}.", YOLK_ERROR_UNSUPPORTED, "weights only (a state_dict)");
    CHECK_PICKLE("}(U\5modelNu.", YOLK_ERROR_UNSUPPORTED, "weights only");
    CHECK_PICKLE("}(U\5model}u.", YOLK_ERROR_UNSUPPORTED, "weights only");
    CHECK_PICKLE("}(U\5modelK\1u.", YOLK_ERROR_UNSUPPORTED, "holds no network");
    CHECK_PICKLE("cx\nY\n)\x81}U\10_modules}sb.", YOLK_ERROR_UNSUPPORTED, "no network of 1 to");
    CHECK_PICKLE("cx\nY\n)\x81(}U\10_modules}sNtb.", YOLK_ERROR_UNSUPPORTED, "no network of 1 to");
    CHECK_PICKLE("cos\nsystem\nU\2ls\x85R.", YOLK_ERROR_UNSUPPORTED,
                 "the checkpoint calls os.system; yolk reads data only and refuses it");
    fx f = {.seed = 1};
    fx_entry(&f, "m/constants.pkl", ").", 2);
    fx_entry(&f, "m/data.pkl", "N.", 2);
    fx_finish_zip(&f);
    assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), YOLK_ERROR_UNSUPPORTED, "TorchScript");
    fx_free(&f);
}

static void damaged_pickles_are_noticed(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    yk_graph *g;
    tiny_make(&f, &(tiny){0});
    uint8_t *dog = memmem(f.zip.data, f.zip.size, "dog", 3);
    assert_non_null(dog);
    dog[0] = 'f';
    assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), YOLK_ERROR_DAMAGED, "\"m/data.pkl\" do not match");
    fx_free(&f);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    tiny_make(&f, &(tiny){0});
    for (size_t size = 0; size < f.zip.size; size += size < f.zip.size - 300 ? 7 : 1)
        assert_int_equal(import_copy(f.zip.data, size), YOLK_ERROR_DAMAGED);
    assert_ok(import_copy(f.zip.data, f.zip.size));
    fx_free(&f);
}

/* The pickle inside a sound archive, cut or changed: whatever comes out of it, it is a sentence or a network. */
static void changed_pickles_do_no_harm(void **state)
{
    (void)state;
    fx whole = {.seed = 1};
    tiny_make(&whole, &(tiny){0});
    size_t size = whole.pickle.size, tensors = whole.zip.size;
    uint8_t *pickle = malloc(size);
    assert_non_null(pickle);
    uint8_t *at = memmem(whole.zip.data, tensors, whole.pickle.data, size);
    assert_non_null(at);
    for (int i = 0; i < 1500; i++) {
        fx f = {.seed = 1};
        size_t place = (size_t)i * 2654435761u % size;
        memcpy(pickle, whole.pickle.data, size);
        pickle[place] = (uint8_t)(pickle[place] + 1 + i % 255);
        /* The entries before the pickle are copied as they are. */
        for (size_t n = 0, offset = 0; n < (size_t)whole.storages; n++) {
            uint8_t *header = whole.zip.data + offset;
            size_t name = header[26], bytes = header[18] | (size_t)header[19] << 8;
            char text[64];
            snprintf(text, sizeof text, "%.*s", (int)name, (char *)header + 30);
            fx_entry(&f, text, header + 30 + name, bytes);
            offset += 30 + name + bytes;
        }
        fx_entry(&f, "m/data.pkl", pickle, i % 3 ? size : place);
        fx_finish_zip(&f);
        import_copy(f.zip.data, f.zip.size);
        fx_free(&f);
    }
    free(pickle);
    fx_free(&whole);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    long n = 0;
    yolk_status status;
    tiny_make(&f, &(tiny){0});
    do {
        yk_graph *g;
        yk_alloc_fail_at(++n);
        status = yk_import_pt(f.zip.data, f.zip.size, &g);
        yk_alloc_fail_at(0);
        yk_graph_destroy(&g);
    } while (status == YOLK_ERROR_OUT_OF_MEMORY && n < 10000);
    assert_int_equal(status, YOLK_OK);
    assert_true(n > 50);
    fx_free(&f);
}

/* ---- networks without end ---- */

/* A list that holds itself. */
static void endless_body(fx *f)
{
    fx_global(f, "torch.nn.modules.container.Sequential");
    yk_buffer_add(&f->pickle, ")\x81q\1}(", 6);
    fx_attr_int(f, "f", -1);
    fx_begin_dict(f, "_modules");
    fx_part(f, "0");
    yk_buffer_text(&f->pickle, "h\1");
    fx_end_dict(f);
    fx_end(f);
}

/* Lists of ten lists of ten lists ...: ten thousand million modules in a few hundred bytes. */
static void exponential_body(fx *f)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    fx_leaf(f, "torch.nn.modules.linear.Identity");
    yk_buffer_add(&f->pickle, "q\2", 2);
    for (int depth = 0; depth < 10; depth++) {
        fx_op(f, '0');
        fx_begin(f, "torch.nn.modules.container.Sequential");
        fx_attr_int(f, "f", -1);
        fx_begin_dict(f, "_modules");
        for (int i = 0; i < 10; i++) {
            fx_part(f, digits[i]);
            yk_buffer_add(&f->pickle, (uint8_t[]){'h', (uint8_t)(2 + depth)}, 2);
        }
        fx_end_dict(f);
        fx_end(f);
        yk_buffer_add(&f->pickle, (uint8_t[]){'q', (uint8_t)(3 + depth)}, 2);
    }
}

static void crowded_body(fx *f)
{
    fx_begin(f, "torch.nn.modules.conv.Conv2d");
    for (int i = 0; i < 3000; i++)
        fx_attr_int(f, "x", i);
    fx_attr_int(f, "f", -1);
    fx_end(f);
}

static void networks_without_end(void **state)
{
    (void)state;
    static const struct {
        void (*body)(fx *f);
        yolk_status status;
        const char *words;
    } cases[] = {
        {endless_body, YOLK_ERROR_LIMIT, "more modules, or nests them deeper"},
        {exponential_body, YOLK_ERROR_LIMIT, "more modules, or nests them deeper"},
        {crowded_body, YOLK_ERROR_DAMAGED, "where its input comes from is missing"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        fx f = {.seed = 1};
        yk_graph *g;
        tiny_make(&f, &(tiny){.body = cases[i].body});
        assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), cases[i].status, cases[i].words);
        fx_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_checkpoints),           cmocka_unit_test(damaged_pickles_are_noticed),
        cmocka_unit_test(every_cut_is_refused),     cmocka_unit_test(changed_pickles_do_no_harm),
        cmocka_unit_test(short_memory_is_reported), cmocka_unit_test(networks_without_end),
    };
    return cmocka_run_group_tests_name("pt_hostile", tests, NULL, NULL);
}
