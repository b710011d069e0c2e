/* Files told apart by what is in them. */
#include "yk_temp.h"

#include "import/import.h"
#include "yk_pt_tiny.h"

static void checkpoints_under_any_name(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    yk_graph *g;
    tiny_make(&f, &(tiny){0});
    static const char *const names[] = {"tiny.pt", "tiny.onnx", "tiny", "tiny.zip"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        assert_ok(yk_import_file(yk_temp_write(names[i], f.zip.data, f.zip.size), NULL, &g));
        assert_string_equal(g->family, "tiny");
        assert_int_equal(g->bound[0], 0);
        assert_int_equal(g->map_count, 0); /* its weights are the graph's own: the file is not needed any more */
        yk_graph_destroy(&g);
    }
    fx_free(&f);
}

/* Begins as an ONNX model does. Its own importer has its own tests. */
static void onnx_models_go_to_their_importer(void **state)
{
    (void)state;
    static const char model[] = "\x08\x08 not a message";
    yk_graph *g;
    static const char *const names[] = {"model.onnx", "model.pt", "model"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        const char *path = yk_temp_write(names[i], model, sizeof model - 1);
        yolk_status status = yk_import_file(path, NULL, &g);
        assert_int_not_equal(status, YOLK_OK);
        assert_null(g);
        assert_int_equal(strncmp(yolk_last_error(), path, strlen(path)), 0);
        assert_non_null(strstr(yolk_last_error(), "ONNX"));
    }
}

static void sentences_begin_with_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *name, *contents;
        yolk_status status;
        const char *words;
    } cases[] = {
        {"text.pt", "hello", YOLK_ERROR_DAMAGED, "text.pt: it is neither a checkpoint (.pt) nor an ONNX model"},
        {"zip.pt", "PK\3\4", YOLK_ERROR_DAMAGED, "zip.pt: the zip archive is damaged"},
        {"old.pt", "\x80\2N.", YOLK_ERROR_DAMAGED, "old.pt: it is no checkpoint"},
        {"text.onnx", "hello", YOLK_ERROR_DAMAGED, "text.onnx: "},
        {"empty.pt", "", YOLK_ERROR_DAMAGED, "empty.pt"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_graph *g;
        const char *path = yk_temp_text(cases[i].name, cases[i].contents);
        assert_fails(yk_import_file(path, NULL, &g), cases[i].status, cases[i].words);
        assert_null(g);
        assert_int_equal(strncmp(yolk_last_error(), path, strlen(path)), 0);
    }
    yk_graph *g;
    assert_fails(yk_import_file(yk_temp_path("absent.pt"), NULL, &g), YOLK_ERROR_NOT_FOUND, "absent.pt");
    assert_fails(yk_import_file(yk_temp_folder, NULL, &g), YOLK_ERROR_INVALID_ARGUMENT, yk_temp_folder);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    yk_graph *g;
    const char *path = yk_temp_text("short.onnx", "\x08\x08");
    yk_alloc_fail_at(1);
    yolk_status status = yk_import_file(path, NULL, &g);
    yk_alloc_fail_at(0);
    assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_under_any_name),
        cmocka_unit_test(onnx_models_go_to_their_importer),
        cmocka_unit_test(sentences_begin_with_the_path),
        cmocka_unit_test(short_memory_is_reported),
    };
    return cmocka_run_group_tests_name("import", tests, yk_temp_make, yk_temp_remove);
}
