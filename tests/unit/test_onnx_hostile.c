/* The wire format read from bytes that mean harm, and memory that runs out. */
#include "export/export.h"
#include "import/onnx_model.h"
#include "onnx_test.h"

static yk_buffer model_bytes(void)
{
    onnx_model m = onnx_small();
    onnx_floats(&m, "w", DIMS(3, 3, 1, 1), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    onnx_node(&m, "Conv", "x w", "a");
    onnx_list(&m, "sizes", 1, 2);
    size_t n = onnx_begin(&m, "Split", "a sizes", "b c");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    n = onnx_begin(&m, "Concat", "b c", "y");
    onnx_int(&m, "axis", 1);
    onnx_end(&m, n);
    onnx_metadata(&m, "names", "{0: 'egg', 1: \"yo'lk\"}");
    onnx_metadata(&m, "stride", "8");
    return onnx_finish(&m);
}

/* In a block of exactly this size, so that a sanitizer sees a step too far. */
static yolk_status import_exactly(const uint8_t *bytes, size_t size, yk_graph **out)
{
    const yk_import_options options = {.head = "end2end"};
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    yolk_status status = yk_import_onnx(copy, size, NULL, &options, out);
    if (status != YOLK_OK)
        assert_null(*out);
    if (status != YOLK_OK)
        assert_true(strlen(yolk_last_error()) > 10);
    yk_graph_destroy(out);
    free(copy);
    return status;
}

static void cut_anywhere(void **state)
{
    (void)state;
    yk_buffer b = model_bytes();
    yk_graph *g;
    assert_ok(import_exactly(b.data, b.size, &g));
    for (size_t size = 0; size < b.size; size++)
        import_exactly(b.data, size, &g);
    assert_fails(import_exactly(b.data, 0, &g), YOLK_ERROR_DAMAGED, "its graph, which is missing");
    assert_fails(import_exactly(b.data, 40, &g), YOLK_ERROR_DAMAGED, "damaged or cut short");
    yk_buffer_free(&b);
}

static void changed_anywhere(void **state)
{
    (void)state;
    yk_buffer b = model_bytes();
    yk_graph *g;
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        uint8_t saved[4];
        size_t at[4];
        int changes = 1 + round % 4;
        for (int i = 0; i < changes; i++) {
            seed = seed * 1664525u + 1013904223u;
            at[i] = (seed >> 8) % b.size;
            saved[i] = b.data[at[i]];
            b.data[at[i]] = round % 3 ? (uint8_t)(seed >> 24) : (uint8_t)(saved[i] ^ 1u << (seed >> 29));
        }
        import_exactly(b.data, b.size, &g);
        for (int i = changes - 1; i >= 0; i--)
            b.data[at[i]] = saved[i];
    }
    assert_ok(import_exactly(b.data, b.size, &g));
    yk_buffer_free(&b);
}

static void refuse(const uint8_t *bytes, size_t size, const char *words)
{
    yk_graph *g;
    assert_fails(import_exactly(bytes, size, &g), YOLK_ERROR_DAMAGED, words);
}
#define REFUSE(words, ...) refuse((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), words)

static void fields_that_are_none(void **state)
{
    (void)state;
    REFUSE("outermost", 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01); /* 11 bytes */
    REFUSE("outermost", 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);       /* 65 bits */
    REFUSE("outermost", 0x08, 0x80);                                                             /* no end */
    REFUSE("outermost", 0x00, 0x01);                                                             /* field 0 */
    REFUSE("outermost", 0xf8, 0xff, 0xff, 0xff, 0x7f, 0x01);                                     /* field 2^32 */
    REFUSE("outermost", 0x0b, 0x0c);                                                             /* a group */
    REFUSE("outermost", 0x0f);                                                                   /* wire type 7 */
    REFUSE("outermost", 0x09, 1, 2, 3, 4, 5, 6, 7);                                              /* 7 of 8 bytes */
    REFUSE("outermost", 0x0d, 1, 2, 3);                                                          /* 3 of 4 bytes */
    REFUSE("outermost", 0x3a, 0x05, 1, 2, 3, 4);                                                 /* 4 of 5 bytes */
    REFUSE("outermost", 0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1);    /* 2^64 - 1 */
    REFUSE("outermost", 0x3a);                                                                   /* no length */
    REFUSE("its operator set", 0x42, 0x02, 0x10, 0x80);
    REFUSE("its graph", 0x42, 0x02, 0x10, 0x11, 0x3a, 0x02, 0x0a, 0x05);
    REFUSE("a node", 0x42, 0x02, 0x10, 0x11, 0x3a, 0x04, 0x0a, 0x02, 0x0a, 0x05);
    REFUSE("the list of its inputs", 0x42, 0x02, 0x10, 0x11, 0x3a, 0x02, 0x5a, 0x00);
    REFUSE("the list of its outputs", 0x42, 0x02, 0x10, 0x11, 0x3a, 0x02, 0x62, 0x00);
}

static void overlong_numbers_are_read(void **state)
{
    (void)state;
    /* Ten bytes for a small number are allowed; writers that patch lengths make such. */
    static const uint8_t bytes[] = {0x08, 0x88, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    yk_pb_reader r = yk_pb_reader_of((yk_span){bytes, sizeof bytes});
    yk_pb_field f;
    assert_true(yk_pb_next(&r, &f));
    assert_int_equal(f.value, 8);
    assert_false(yk_pb_next(&r, &f));
    assert_false(r.damaged);
}

static void more_than_anybody_needs(void **state)
{
    (void)state;
    yk_graph *g;
    onnx_model m = onnx_small();
    for (int i = 0; i < 100001; i++)
        yk_pb_bytes(&m.graph, 1, "", 0);
    assert_fails(onnx_import(&m, NULL, &g), YOLK_ERROR_LIMIT, "more than 100000 nodes");
    m = onnx_small();
    for (int i = 0; i < 100001; i++)
        yk_pb_bytes(&m.graph, 5, "", 0);
    assert_fails(onnx_import(&m, NULL, &g), YOLK_ERROR_LIMIT, "more than 100000 tensors");
    m = onnx_small();
    size_t n = yk_pb_begin(&m.graph, 1);
    for (int i = 0; i < 1000001; i++)
        yk_pb_bytes(&m.graph, 1, "", 0);
    onnx_end(&m, n);
    assert_fails(onnx_import(&m, NULL, &g), YOLK_ERROR_LIMIT, "more than 1000000 connections");
}

static void a_chain_deeper_than_any_stack(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    char a[16] = "x", b[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(b, sizeof b, i == 19999 ? "y" : "v%d", i);
        onnx_node(&m, "Identity", a, b);
        memcpy(a, b, sizeof a);
    }
    yk_graph *g;
    assert_ok(onnx_import(&m, "end2end", &g));
    assert_int_equal(g->node_count, 1);
    yk_graph_destroy(&g);
}

static void arithmetic_on_shapes_without_end(void **state)
{
    (void)state;
    onnx_model m = onnx_small();
    onnx_list(&m, "zero", 0);
    onnx_list(&m, "one", 1);
    onnx_list(&m, "large", 1 << 20);
    onnx_node(&m, "Shape", "x", "shape");
    onnx_node(&m, "Gather", "shape zero", "batch");
    onnx_node(&m, "Mul", "batch large", "much");
    onnx_node(&m, "ConstantOfShape", "much", "zeros");
    char a[16] = "x", b[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(b, sizeof b, i == 2999 ? "y" : "v%d", i);
        char inputs[64];
        snprintf(inputs, sizeof inputs, "%s zero batch zero", a);
        onnx_node(&m, "Slice", inputs, b);
        memcpy(a, b, sizeof a);
    }
    onnx_node(&m, "Add", "zeros zeros", "unused");
    onnx_value(&m, 12, "zeros", ONNX_F32, DIMS(1, 1, 1, 1, 1));
    yk_graph *g;
    assert_fails(onnx_import(&m, "end2end", &g), YOLK_ERROR_LIMIT, "computes too much from shapes");
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    yk_buffer b = model_bytes();
    yk_graph *g;
    yolk_status status;
    long n = 1;
    for (; n < 5000; n++) {
        yk_alloc_fail_at(n);
        status = import_exactly(b.data, b.size, &g);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_in_range(n, 50, 4999);
    yk_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(changed_anywhere),
        cmocka_unit_test(fields_that_are_none),
        cmocka_unit_test(overlong_numbers_are_read),
        cmocka_unit_test(more_than_anybody_needs),
        cmocka_unit_test(a_chain_deeper_than_any_stack),
        cmocka_unit_test(arithmetic_on_shapes_without_end),
        cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests_name("onnx_hostile", tests, NULL, NULL);
}
