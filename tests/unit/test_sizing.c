/* How many frames a batch gets, by measured memory and after failures. */
#include "base/base.h"
#include "model/sizing.h"
#include "yk_test.h"

static void nothing_known_is_no_limit(void **state)
{
    (void)state;
    yk_sizing z = {0};
    uint64_t network = 1;
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 0);
    assert_int_equal(network, 0);
    assert_int_equal(yk_sizing_batch(&z, 16, 0), 16);
    assert_int_equal(yk_sizing_batch(&z, 16, 1000), 16);
}

static void one_size_counts_everything_as_frames(void **state)
{
    (void)state;
    yk_sizing z = {0};
    uint64_t network;
    yk_sizing_measure(&z, 4, 100);
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 25);
    assert_int_equal(network, 0);
    yk_sizing_measure(&z, 4, 200); /* measured again */
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 50);
}

static void two_sizes_tell_frames_from_network(void **state)
{
    (void)state;
    yk_sizing z = {0};
    uint64_t network;
    yk_sizing_measure(&z, 8, 180);
    yk_sizing_measure(&z, 2, 60);
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 20);
    assert_int_equal(network, 20);
    yk_sizing_measure(&z, 4, 1); /* between them: changes nothing */
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 20);
    yk_sizing_measure(&z, 16, 340);
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 20);
    /* A larger batch that seems to take less: nothing can be told apart. */
    z = (yk_sizing){0};
    yk_sizing_measure(&z, 1, 500);
    yk_sizing_measure(&z, 4, 400);
    assert_int_equal(yk_sizing_frame_bytes(&z, &network), 100);
    assert_int_equal(network, 0);
}

static void a_batch_takes_four_fifths_at_most(void **state)
{
    (void)state;
    assert_int_equal(yk_sizing_most(10, 0, 100), 8);
    assert_int_equal(yk_sizing_most(10, 5, 100), 7);
    assert_int_equal(yk_sizing_most(10, 90, 100), 1); /* at least one, whatever it says */
    assert_int_equal(yk_sizing_most(10, 0, 0), 1);
    assert_int_equal(yk_sizing_most(1, 0, UINT64_MAX), INT32_MAX);
    yk_sizing z = {0};
    yk_sizing_measure(&z, 1, 10);
    for (uint64_t available = 1; available < 400; available++) {
        int batch = yk_sizing_batch(&z, 16, available);
        assert_true(batch == 1 || (uint64_t)batch * 10 <= available * 4 / 5);
        assert_true(batch == 16 || (uint64_t)batch * 2 * 10 > available / 5 * 4);
    }
    /* Halves of what was asked for, so that few sizes are compiled. */
    assert_int_equal(yk_sizing_batch(&z, 12, 100), 6);
    assert_int_equal(yk_sizing_batch(&z, 7, 50), 3);
}

static void short_memory_halves_the_batch(void **state)
{
    (void)state;
    yk_sizing z = {0};
    assert_int_equal(yk_sizing_short(&z, 16), 8);
    assert_int_equal(yk_sizing_batch(&z, 16, 0), 8);
    assert_int_equal(yk_sizing_short(&z, 16), 8); /* another of the same size, started before */
    assert_int_equal(yk_sizing_short(&z, 8), 4);
    assert_int_equal(yk_sizing_short(&z, 4), 2);
    assert_int_equal(yk_sizing_short(&z, 2), 1);
    assert_int_equal(yk_sizing_short(&z, 1), 1);
    assert_int_equal(yk_sizing_batch(&z, 16, 0), 1);
}

static int goods_until_growth(yk_sizing *z, int batch, uint64_t available)
{
    for (int i = 1; i <= 4 * YK_SIZING_MOST_PATIENCE; i++) {
        if (yk_sizing_well(z, batch, available))
            return i;
    }
    return -1;
}

static void enough_good_batches_double_it_again(void **state)
{
    (void)state;
    yk_sizing z = {0};
    assert_false(yk_sizing_well(&z, 16, 0)); /* nothing to grow back to */
    yk_sizing_short(&z, 16);
    assert_int_equal(goods_until_growth(&z, 4, 0), -1); /* smaller ones prove nothing */
    assert_int_equal(goods_until_growth(&z, 8, 0), YK_SIZING_PATIENCE);
    assert_int_equal(yk_sizing_batch(&z, 16, 0), 16);
    /* It did not fit after all: the next attempt comes later, but it comes. */
    int last = YK_SIZING_PATIENCE;
    for (int i = 0; i < 10; i++) {
        yk_sizing_short(&z, 16);
        int next = goods_until_growth(&z, 8, 0);
        assert_true(next == last * 2 || next == YK_SIZING_MOST_PATIENCE);
        last = next;
    }
    assert_int_equal(last, YK_SIZING_MOST_PATIENCE);
}

static void it_grows_only_into_memory_that_is_there(void **state)
{
    (void)state;
    yk_sizing z = {0};
    yk_sizing_measure(&z, 8, 80);
    yk_sizing_short(&z, 16);
    assert_int_equal(goods_until_growth(&z, 8, 199), -1);
    assert_true(yk_sizing_well(&z, 8, 200)); /* at once: it has waited long enough */
    assert_int_equal(yk_sizing_batch(&z, 16, 200), 16);
    assert_int_equal(yk_sizing_batch(&z, 16, 199), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_is_no_limit),
        cmocka_unit_test(one_size_counts_everything_as_frames),
        cmocka_unit_test(two_sizes_tell_frames_from_network),
        cmocka_unit_test(a_batch_takes_four_fifths_at_most),
        cmocka_unit_test(short_memory_halves_the_batch),
        cmocka_unit_test(enough_good_batches_double_it_again),
        cmocka_unit_test(it_grows_only_into_memory_that_is_there),
    };
    return cmocka_run_group_tests_name("sizing", tests, NULL, NULL);
}
