/* Elements from one type into another, and half precision. */
#include "graph_test.h"

static void halves_survive_a_round_trip(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        float value = yk_half_to_float((uint16_t)bits);
        if (isnan(value))
            assert_true((yk_float_to_half(value) & 0x7fff) > 0x7c00);
        else
            assert_int_equal(yk_float_to_half(value), bits);
    }
}

static void halves_have_their_values(void **state)
{
    (void)state;
    assert_true(yk_half_to_float(0x3c00) == 1.0f);
    assert_true(yk_half_to_float(0xc000) == -2.0f);
    assert_true(yk_half_to_float(0x7bff) == 65504.0f);
    assert_true(yk_half_to_float(0x0001) == 0x1p-24f);
    assert_true(yk_half_to_float(0x83ff) == -1023 * 0x1p-24f);
    assert_true(isinf(yk_half_to_float(0xfc00)) && yk_half_to_float(0xfc00) < 0);
}

static void floats_round_to_the_nearest_half(void **state)
{
    (void)state;
    assert_int_equal(yk_float_to_half(1 + 0x1p-11f), 0x3c00);     /* halfway: to even */
    assert_int_equal(yk_float_to_half(1 + 3 * 0x1p-11f), 0x3c02); /* halfway: to even, upwards */
    assert_int_equal(yk_float_to_half(1 + 0x1p-11f + 0x1p-20f), 0x3c01);
    assert_int_equal(yk_float_to_half(65519.996f), 0x7bff);
    assert_int_equal(yk_float_to_half(65520.0f), 0x7c00);
    assert_int_equal(yk_float_to_half(-INFINITY), 0xfc00);
    assert_int_equal(yk_float_to_half(0x1p-25f), 0x0000);
    assert_int_equal(yk_float_to_half(0x1.8p-25f), 0x0001);
    assert_int_equal(yk_float_to_half(0x1.fffp-15f), 0x0400); /* carried into the normal ones */
}

/* Every type into every other and back: small whole numbers stay what they are. */
static void small_numbers_fit_everywhere(void **state)
{
    (void)state;
    const double numbers[] = {0, 1, 2, 100, 127};
    enum { COUNT = 5 };
    for (int from = 0; from < YK_TYPE_COUNT; from++) {
        for (int to = 0; to < YK_TYPE_COUNT; to++) {
            double first[COUNT], second[COUNT], back[COUNT];
            yk_convert(YK_F64, numbers, (yk_type)from, first, COUNT);
            yk_convert((yk_type)from, first, (yk_type)to, second, COUNT);
            yk_convert((yk_type)to, second, YK_F64, back, COUNT);
            for (int i = 0; i < COUNT; i++) {
                bool truth = from == YK_BOOL || to == YK_BOOL;
                assert_true(back[i] == (truth ? numbers[i] != 0 : numbers[i]));
            }
        }
    }
}

static void long_runs_are_whole(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static int64_t numbers[COUNT];
    static float floats[COUNT];
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i - 500;
    yk_convert(YK_I64, numbers, YK_F32, floats, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_true(floats[i] == (float)(i - 500));
}

static void what_does_not_fit(void **state)
{
    (void)state;
    const float floats[] = {NAN, 1e30f, -1e30f, -0.9f};
    int64_t wide[4];
    int32_t narrow[4];
    uint8_t bytes[4];
    yk_convert(YK_F32, floats, YK_I64, wide, 4);
    yk_convert(YK_F32, floats, YK_I32, narrow, 4);
    yk_convert(YK_F32, floats, YK_U8, bytes, 4);
    assert_true(wide[0] == 0 && wide[1] == INT64_MAX && wide[2] == INT64_MIN && wide[3] == 0);
    assert_true(narrow[0] == 0 && narrow[1] == INT32_MAX && narrow[2] == INT32_MIN && narrow[3] == 0);
    assert_true(bytes[0] == 0 && bytes[1] == 255 && bytes[2] == 0 && bytes[3] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_survive_a_round_trip),
        cmocka_unit_test(halves_have_their_values),
        cmocka_unit_test(floats_round_to_the_nearest_half),
        cmocka_unit_test(small_numbers_fit_everywhere),
        cmocka_unit_test(long_runs_are_whole),
        cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
