/* Tensors of a checkpoint: kinds of numbers, byte orders, steps, and what does not fit. */
#include "yk_test.h"

#include <math.h>

#include "import/import.h"
#include "yk_pt_tiny.h"

/* The bias of layer 1's convolution, TINY_C numbers 1, -2, 0.5, 3: written by `emit`. */
static void (*emit_bias)(fx *f);

static void body_with_bias(fx *f)
{
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", (int[]){TINY_C, TINY_C, 1, 1}, 4, -1, 1);
    fx_text(f, "bias");
    emit_bias(f);
    fx_end_dict(f);
    fx_attr_int(f, "stride", 2);
    fx_attr_int(f, "padding", 0);
    fx_end(f);
}

static const tiny with_bias = {.body = body_with_bias};

static yk_graph *import_bias(void (*emit)(fx *f), bool big_endian)
{
    fx f = {.seed = 1};
    yk_graph *g;
    emit_bias = emit;
    fx_free(&f);
    f.big_endian = big_endian;
    if (big_endian)
        fx_entry(&f, "m/byteorder", "big", 3);
    fx_begin_dict(&f, NULL);
    fx_text(&f, "model");
    tiny_network(&f, &with_bias);
    fx_end_dict(&f);
    tiny_finish(&f);
    assert_ok(yk_import_pt(f.zip.data, f.zip.size, &g));
    fx_free(&f);
    return g;
}

static void check_bias(yk_graph *g)
{
    static const float wanted[TINY_C] = {1, -2, 0.5f, 3};
    const yk_node *n = &g->nodes[1];
    assert_int_equal(n->op, YK_OP_CONV);
    assert_int_equal(n->input_count, 3);
    const float *bias = g->values[n->inputs[2]].data;
    for (int i = 0; i < TINY_C; i++)
        assert_true(bias[i] == wanted[i]);
}

static void put(fx *f, const char *storage, const void *bytes, size_t size, int offset, int step)
{
    fx_tensor_of(f, storage, bytes, size, offset, (int[]){TINY_C}, &step, 1);
}

static void emit_float(fx *f)
{
    put(f, "FloatStorage", (const float[]){1, -2, 0.5f, 3}, 16, 0, 1);
}

static void emit_half(fx *f)
{
    put(f, "HalfStorage", (const uint16_t[]){0x3c00, 0xc000, 0x3800, 0x4200}, 8, 0, 1);
}

static void emit_bfloat(fx *f)
{
    put(f, "BFloat16Storage", (const uint16_t[]){0x3f80, 0xc000, 0x3f00, 0x4040}, 8, 0, 1);
}

static void emit_double(fx *f)
{
    put(f, "DoubleStorage", (const double[]){1, -2, 0.5, 3}, 32, 0, 1);
}

/* Every third number of a storage, from the second on. */
static void emit_steps(fx *f)
{
    put(f, "FloatStorage", (const float[]){9, 1, 9, 9, -2, 9, 9, 0.5f, 9, 9, 3}, 44, 1, 3);
}

static void emit_big_float(fx *f)
{
    static const uint8_t bytes[] = {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0, 0x40, 0x40, 0, 0};
    put(f, "FloatStorage", bytes, sizeof bytes, 0, 1);
}

static void emit_big_half(fx *f)
{
    put(f, "HalfStorage", (const uint8_t[]){0x3c, 0, 0xc0, 0, 0x38, 0, 0x42, 0}, 8, 0, 1);
}

static void emit_parameter(fx *f)
{
    fx_global(f, "torch._utils._rebuild_parameter");
    fx_op(f, '(');
    emit_half(f);
    fx_bool(f, true);
    fx_global(f, "collections.OrderedDict");
    yk_buffer_text(&f->pickle, ")RtR");
}

static void numbers_of_every_kind(void **state)
{
    (void)state;
    static const struct {
        void (*emit)(fx *f);
        bool big_endian, half;
    } cases[] = {
        {emit_float, false, false},  {emit_half, false, true},      {emit_bfloat, false, false},
        {emit_double, false, false}, {emit_steps, false, false},    {emit_big_float, true, false},
        {emit_big_half, true, true}, {emit_parameter, false, true},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_graph *g = import_bias(cases[i].emit, cases[i].big_endian);
        check_bias(g);
        assert_true(g->fp16_source == cases[i].half);
        yk_graph_destroy(&g);
    }
}

static void emit_integers(fx *f)
{
    put(f, "LongStorage", (const int64_t[]){1, -2, 1 << 20, 3}, 32, 0, 1);
}

static void emit_small_integers(fx *f)
{
    put(f, "IntStorage", (const int32_t[]){1, -2, 1 << 20, 3}, 16, 0, 1);
}

static void integers_are_numbers(void **state)
{
    (void)state;
    void (*const emits[])(fx * f) = {emit_integers, emit_small_integers};
    for (size_t i = 0; i < YK_COUNT(emits); i++) {
        yk_graph *g = import_bias(emits[i], false);
        const float *bias = g->values[g->nodes[1].inputs[2]].data;
        assert_true(bias[1] == -2 && bias[2] == 1 << 20);
        yk_graph_destroy(&g);
    }
}

static void emit_special_halves(fx *f)
{
    put(f, "HalfStorage", (const uint16_t[]){0x7c00, 0xfc00, 0x8001, 0x7e00}, 8, 0, 1);
}

static void special_halves_keep_their_values(void **state)
{
    (void)state;
    yk_graph *g = import_bias(emit_special_halves, false);
    const float *bias = g->values[g->nodes[1].inputs[2]].data;
    assert_true(isinf(bias[0]) && bias[0] > 0 && isinf(bias[1]) && bias[1] < 0);
    assert_true(bias[2] == -0x1p-24f && isnan(bias[3]));
    yk_graph_destroy(&g);
}

/* A weight whose rows and columns were exchanged without moving a number. */
static void emit_transposed(fx *f)
{
    float values[TINY_C * TINY_C];
    for (int i = 0; i < TINY_C * TINY_C; i++)
        values[i] = (float)i;
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_text(f, "weight");
    fx_tensor_of(f, "FloatStorage", values, sizeof values, 0, (int[]){TINY_C, TINY_C, 1, 1}, (int[]){1, TINY_C, 1, 1},
                 4);
    fx_end_dict(f);
    fx_attr_int(f, "stride", 2);
    fx_attr_text(f, "padding", "same");
    fx_end(f);
}

static void steps_are_honoured(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    yk_graph *g;
    tiny_make(&f, &(tiny){.body = emit_transposed});
    assert_ok(yk_import_pt(f.zip.data, f.zip.size, &g));
    const float *weight = g->values[g->nodes[1].inputs[1]].data;
    for (int o = 0; o < TINY_C; o++) {
        for (int i = 0; i < TINY_C; i++)
            assert_true(weight[o * TINY_C + i] == (float)(i * TINY_C + o));
    }
    yk_graph_destroy(&g);
    fx_free(&f);
}

/* ---- what does not fit ---- */

static void emit_short(fx *f)
{
    put(f, "FloatStorage", (const float[]){1, 2, 3, 4}, 15, 0, 1);
}

static void emit_offset(fx *f)
{
    put(f, "FloatStorage", (const float[]){1, 2, 3, 4}, 16, 1, 1);
}

static void emit_negative(fx *f)
{
    put(f, "FloatStorage", (const float[]){1, 2, 3, 4}, 16, -1, 1);
}

static void emit_backwards(fx *f)
{
    put(f, "FloatStorage", (const float[]){1, 2, 3, 4}, 16, 3, -1);
}

static void emit_far(fx *f)
{
    put(f, "FloatStorage", (const float[]){1, 2, 3, 4}, 16, 0, INT32_MAX);
}

static void emit_empty(fx *f)
{
    fx_tensor_of(f, "FloatStorage", "", 0, 0, (int[]){0}, (int[]){1}, 1);
}

static void emit_huge(fx *f)
{
    fx_tensor_of(f, "FloatStorage", (const float[]){1}, 4, 0, (int[]){1 << 30, 1 << 30, 1 << 30}, (int[]){0, 0, 0}, 3);
}

/* A billion numbers out of one. */
static void emit_swelling(fx *f)
{
    fx_tensor_of(f, "FloatStorage", (const float[]){1}, 4, 0, (int[]){1 << 30}, (int[]){0}, 1);
}

static void emit_short_bias(fx *f)
{
    fx_floats(f, (const float[]){1, 2, 3}, (int[]){3}, 1);
}

static void emit_square(fx *f)
{
    fx_floats(f, (const float[]){1, 2, 3, 4}, (int[]){2, 2}, 2);
}

static void emit_complex(fx *f)
{
    put(f, "ComplexFloatStorage", (const float[]){1, 2, 3, 4, 5, 6, 7, 8}, 32, 0, 1);
}

static void emit_number(fx *f)
{
    fx_int(f, 7);
}

static void emit_strange_key(fx *f)
{
    fx_global(f, "torch._utils._rebuild_tensor_v2");
    yk_buffer_text(&f->pickle, "((");
    fx_text(f, "storage");
    fx_global(f, "torch.FloatStorage");
    fx_text(f, "../../etc/passwd");
    yk_buffer_text(&f->pickle, "tQ");
    fx_int(f, 0);
    fx_ints(f, (int[]){4}, 1, false);
    fx_ints(f, (int[]){1}, 1, false);
    yk_buffer_text(&f->pickle, "tR");
}

static void misfits_are_refused(void **state)
{
    (void)state;
    static const struct {
        void (*emit)(fx *f);
        yolk_status status;
        const char *words;
    } cases[] = {
        {emit_short, YOLK_ERROR_DAMAGED, "bias does not fit the 15 bytes of data/"},
        {emit_offset, YOLK_ERROR_DAMAGED, "does not fit the 16 bytes"},
        {emit_negative, YOLK_ERROR_DAMAGED, "does not fit"},
        {emit_backwards, YOLK_ERROR_DAMAGED, "does not fit"},
        {emit_far, YOLK_ERROR_DAMAGED, "does not fit"},
        {emit_empty, YOLK_ERROR_DAMAGED, "does not fit"},
        {emit_huge, YOLK_ERROR_DAMAGED, "does not fit"},
        {emit_swelling, YOLK_ERROR_LIMIT, "more numbers than the file holds"},
        {emit_short_bias, YOLK_ERROR_DAMAGED, "bias does not have 4 numbers"},
        {emit_square, YOLK_ERROR_DAMAGED, "bias does not have 4 numbers"},
        {emit_complex, YOLK_ERROR_UNSUPPORTED, "number type"},
        {emit_number, YOLK_ERROR_UNSUPPORTED, "not a plain tensor"},
        {emit_strange_key, YOLK_ERROR_DAMAGED, "(data/../../etc/passwd) are missing"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        fx f = {.seed = 1};
        yk_graph *g;
        emit_bias = cases[i].emit;
        tiny_make(&f, &with_bias);
        assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), cases[i].status, cases[i].words);
        assert_null(g);
        assert_non_null(strstr(yolk_last_error(), "layer model.1 (torch.nn.modules.conv.Conv2d)"));
        fx_free(&f);
    }
}

static void damaged_numbers_are_noticed(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    yk_graph *g;
    tiny_make(&f, &(tiny){0});
    uint8_t *data = memmem(f.zip.data, f.zip.size, "m/data/1", 8);
    assert_non_null(data);
    data[8] ^= 1;
    assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), YOLK_ERROR_DAMAGED, "\"m/data/1\" do not match");
    fx_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_kind),
        cmocka_unit_test(integers_are_numbers),
        cmocka_unit_test(special_halves_keep_their_values),
        cmocka_unit_test(steps_are_honoured),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(damaged_numbers_are_noticed),
    };
    return cmocka_run_group_tests_name("pt_tensor", tests, NULL, NULL);
}
