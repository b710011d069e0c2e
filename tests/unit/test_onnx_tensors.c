/* Weights in every form that a file may hold them in, and files beside the model. */
#include "onnx_test.h"
#include "yk_temp.h"

enum { PIXELS = 72 };

/* A model that adds six numbers "w" to each row, written by `write` as a TensorProto. */
static onnx_model adding(void (*write)(yk_buffer *b))
{
    onnx_model m = onnx_small();
    size_t n = yk_pb_begin(&m.graph, 5);
    write(&m.graph);
    yk_pb_text(&m.graph, 8, "w");
    yk_pb_end(&m.graph, n);
    n = onnx_begin(&m, "Cast", "w", "floats");
    onnx_int(&m, "to", ONNX_F32);
    onnx_end(&m, n);
    onnx_node(&m, "Add", "x floats", "y");
    return m;
}

static void adds_its_numbers(void (*write)(yk_buffer *b))
{
    int64_t count;
    onnx_model m = adding(write);
    float *out = onnx_compute(&m, &count);
    assert_int_equal(count, PIXELS);
    for (int i = 0; i < PIXELS; i++)
        assert_true(fabsf(out[i] - onnx_pixel(i) - (float)(i % 6)) < 1e-5f);
    free(out);
}

static void head_of(yk_buffer *b, int type)
{
    yk_pb_int(b, 1, 6);
    yk_pb_int(b, 2, type);
}

static void raw_halves(yk_buffer *b)
{
    static const uint16_t halves[6] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500};
    head_of(b, ONNX_F16);
    yk_pb_bytes(b, 9, halves, sizeof halves);
}

static void typed_halves(yk_buffer *b)
{
    static const int64_t halves[6] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500};
    head_of(b, ONNX_F16);
    yk_pb_packed_ints(b, 5, halves, 6);
}

static void typed_floats(yk_buffer *b)
{
    static const float packed[4] = {2, 3, 4, 5};
    head_of(b, ONNX_F32);
    yk_pb_float(b, 4, 0);
    yk_pb_float(b, 4, 1);
    yk_pb_bytes(b, 4, packed, sizeof packed);
}

static void typed_doubles(yk_buffer *b)
{
    static const double packed[6] = {0, 1, 2, 3, 4, 5};
    head_of(b, ONNX_F64);
    yk_pb_bytes(b, 10, packed, sizeof packed);
}

static void typed_integers(yk_buffer *b)
{
    head_of(b, ONNX_I64);
    for (int i = 0; i < 6; i++)
        yk_pb_int(b, 7, i);
}

static void typed_bytes(yk_buffer *b)
{
    static const int64_t numbers[6] = {0, 1, 2, 3, 4, 5};
    head_of(b, ONNX_U8);
    yk_pb_packed_ints(b, 5, numbers, 6);
}

static void packed_dims(yk_buffer *b)
{
    static const int64_t dims[2] = {1, 6};
    static const int32_t numbers[6] = {0, 1, 2, 3, 4, 5};
    yk_pb_packed_ints(b, 1, dims, 2);
    yk_pb_int(b, 2, ONNX_I32);
    yk_pb_bytes(b, 9, numbers, sizeof numbers);
}

static void every_form_gives_the_same(void **state)
{
    (void)state;
    adds_its_numbers(raw_halves);
    adds_its_numbers(typed_halves);
    adds_its_numbers(typed_floats);
    adds_its_numbers(typed_doubles);
    adds_its_numbers(typed_integers);
    adds_its_numbers(typed_bytes);
    adds_its_numbers(packed_dims);
}

static void too_few(yk_buffer *b)
{
    head_of(b, ONNX_F32);
    yk_pb_bytes(b, 9, "12345678", 8);
}

static void too_few_typed(yk_buffer *b)
{
    head_of(b, ONNX_I64);
    yk_pb_int(b, 7, 1);
}

static void nothing(yk_buffer *b)
{
    head_of(b, ONNX_F32);
}

static void endless(yk_buffer *b)
{
    for (int i = 0; i < 4; i++)
        yk_pb_int(b, 1, INT64_MAX / 2);
    yk_pb_int(b, 2, ONNX_F32);
}

static void less_than_nothing(yk_buffer *b)
{
    yk_pb_int(b, 1, -6);
    yk_pb_int(b, 2, ONNX_F32);
}

static void seven_dimensions(yk_buffer *b)
{
    for (int i = 0; i < 7; i++)
        yk_pb_int(b, 1, 1);
    yk_pb_int(b, 2, ONNX_F32);
}

static void text_elements(yk_buffer *b)
{
    head_of(b, 8);
}

static void segments(yk_buffer *b)
{
    head_of(b, ONNX_F32);
    yk_pb_text(b, 3, "");
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        void (*write)(yk_buffer *b);
        yolk_status status;
        const char *words;
    } cases[] = {
        {too_few, YOLK_ERROR_DAMAGED, "tensor \"w\" of the ONNX model has 8 bytes; its shape 6 needs 24"},
        {too_few_typed, YOLK_ERROR_DAMAGED,
         "tensor \"w\" of the ONNX model does not hold as many values as its shape 6"},
        {nothing, YOLK_ERROR_DAMAGED, "does not hold as many values"},
        {endless, YOLK_ERROR_DAMAGED, "tensor \"w\" of the ONNX model has an impossible shape"},
        {less_than_nothing, YOLK_ERROR_DAMAGED, "impossible shape"},
        {seven_dimensions, YOLK_ERROR_UNSUPPORTED, "more than 6 dimensions"},
        {text_elements, YOLK_ERROR_UNSUPPORTED, "element type 8"},
        {segments, YOLK_ERROR_UNSUPPORTED, "split in segments"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_graph *g;
        onnx_model m = adding(cases[i].write);
        assert_fails(onnx_import(&m, "end2end", &g), cases[i].status, cases[i].words);
    }
}

static void a_half_precision_model_computes_in_float32(void **state)
{
    (void)state;
    static const uint16_t two[1] = {0x4000};
    onnx_model m = {0};
    onnx_value(&m, 11, "x", ONNX_F16, DIMS(1, 3, 4, 6));
    onnx_weights(&m, "two", ONNX_F16, SCALAR, two, sizeof two);
    onnx_node(&m, "Mul", "x two", "a");
    size_t n = onnx_begin(&m, "Cast", "a", "b");
    onnx_int(&m, "to", ONNX_F16);
    onnx_end(&m, n);
    onnx_list(&m, "shape", 1, -1, 6);
    onnx_node(&m, "Reshape", "b shape", "y");
    onnx_value(&m, 12, "y", ONNX_F16, DIMS(1, 12, 6));
    yk_graph *g;
    assert_ok(onnx_import(&m, "end2end", &g));
    assert_true(g->fp16_source);
    for (int i = 0; i < g->value_count; i++)
        assert_int_not_equal(g->values[i].type, YK_F16);
    yk_graph_destroy(&g);
}

/* ---- external data ---- */

typedef struct place {
    const char *location, *offset, *length;
} place;

static void entry(yk_buffer *b, const char *key, const char *value)
{
    if (!value)
        return;
    size_t n = yk_pb_begin(b, 13);
    yk_pb_text(b, 1, key);
    yk_pb_text(b, 2, value);
    yk_pb_end(b, n);
}

/* Two tensors of six numbers, the second half a file further in. */
static yk_buffer external(place first, place second)
{
    const place places[2] = {first, second};
    static const char *const names[2] = {"w", "v"};
    onnx_model m = onnx_small();
    for (int i = 0; i < 2; i++) {
        size_t n = yk_pb_begin(&m.graph, 5);
        head_of(&m.graph, ONNX_F32);
        yk_pb_text(&m.graph, 8, names[i]);
        yk_pb_int(&m.graph, 14, 1);
        entry(&m.graph, "location", places[i].location);
        entry(&m.graph, "offset", places[i].offset);
        entry(&m.graph, "length", places[i].length);
        entry(&m.graph, "checksum", "0");
        yk_pb_end(&m.graph, n);
    }
    onnx_node(&m, "Add", "x w", "a");
    onnx_node(&m, "Add", "a v", "y");
    return onnx_finish(&m);
}

static yolk_status import_external(place first, place second, const char *folder, yk_graph **out)
{
    static yk_buffer bytes;
    yk_buffer_free(&bytes);
    bytes = external(first, second);
    const yk_import_options options = {.head = "end2end"};
    return yk_import_onnx(bytes.data, bytes.size, folder, &options, out);
}

static void weights_in_another_file(void **state)
{
    (void)state;
    float numbers[13] = {0};
    for (int i = 0; i < 6; i++) {
        numbers[i] = (float)i;
        numbers[7 + i] = (float)(10 * i);
    }
    yk_temp_write("sub/weights.bin", numbers, sizeof numbers);
    yk_graph *g;
    assert_ok(import_external((place){"sub/weights.bin", NULL, "24"}, (place){"sub/weights.bin", "28", NULL},
                              yk_temp_folder, &g));
    assert_int_equal(g->map_count, 1);
    assert_ok(yk_graph_bind(g, 1, 4, 6));
    int64_t count;
    float *out = graph_run(g, 0, &count);
    for (int i = 0; i < PIXELS; i++)
        assert_true(fabsf(out[i] - onnx_pixel(i) - 11 * (float)(i % 6)) < 1e-4f);
    free(out);
    yk_graph_destroy(&g);
}

static void other_files_that_are_not_there_or_not_ours(void **state)
{
    (void)state;
    yk_graph *g;
    const place good = {"short.bin", "0", "24"};
    yk_temp_write("short.bin", "0123456789012345678901234567", 28);
    yk_temp_write("empty.bin", "", 0);
    const char *folder = yk_temp_folder;
    assert_fails(import_external((place){"gone.bin", NULL, NULL}, good, folder, &g), YOLK_ERROR_NOT_FOUND,
                 "the weights of \"w\" lie in another file, which cannot be read: ");
    assert_non_null(strstr(yolk_last_error(), "gone.bin"));
    assert_fails(import_external((place){"empty.bin", NULL, NULL}, good, folder, &g), YOLK_ERROR_DAMAGED, "empty.bin");
    assert_fails(import_external(good, (place){"short.bin", "8", "24"}, folder, &g), YOLK_ERROR_DAMAGED,
                 "\"short.bin\" is cut short: \"v\" needs 24 bytes at 8 of its 28");
    assert_fails(import_external(good, (place){"short.bin", "99", NULL}, folder, &g), YOLK_ERROR_DAMAGED, "cut short");
    assert_fails(import_external(good, (place){"short.bin", "0", "8"}, folder, &g), YOLK_ERROR_DAMAGED, "needs 24");
    assert_fails(import_external(good, (place){"short.bin", "-1", "24"}, folder, &g), YOLK_ERROR_DAMAGED,
                 "where is not readable");
    assert_fails(import_external(good, (place){"short.bin", "999999999999999999999999", NULL}, folder, &g),
                 YOLK_ERROR_DAMAGED, "where is not readable");
    assert_fails(import_external(good, (place){"a\nb", NULL, NULL}, folder, &g), YOLK_ERROR_DAMAGED,
                 "where is not readable");
    assert_fails(import_external(good, good, NULL, &g), YOLK_ERROR_UNSUPPORTED, "from a model in memory");
    static const char *const outside[] = {"/etc/passwd", "../short.bin", "a/../../short.bin", "..", "a\\..\\b"};
    for (size_t i = 0; i < YK_COUNT(outside); i++)
        assert_fails(import_external((place){outside[i], NULL, NULL}, good, folder, &g), YOLK_ERROR_DAMAGED,
                     "only files in the model's own folder are read");
    assert_fails(import_external((place){NULL, NULL, NULL}, good, folder, &g), YOLK_ERROR_DAMAGED, "own folder");
    import_external((place){"..short", NULL, NULL}, good, folder, &g); /* a name, not a way up */
    assert_non_null(strstr(yolk_last_error(), "cannot be read"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_gives_the_same),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_half_precision_model_computes_in_float32),
        cmocka_unit_test(weights_in_another_file),
        cmocka_unit_test(other_files_that_are_not_there_or_not_ours),
    };
    return cmocka_run_group_tests_name("onnx_tensors", tests, yk_temp_make, yk_temp_remove);
}
