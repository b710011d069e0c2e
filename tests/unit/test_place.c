/* Which of several devices a batch goes to. */
#include "model/replica.h"
#include "yk_test.h"

static void the_idle_one_is_taken(void **state)
{
    (void)state;
    const yk_load loads[] = {{true, true, 4, 100}, {true, true, 0, 100}, {true, true, 8, 100}};
    assert_int_equal(yk_load_pick(loads, 3, 4), 1);
    assert_int_equal(yk_load_pick(loads, 1, 4), 0);
}

static void a_slow_one_is_taken_when_it_is_sooner_done(void **state)
{
    (void)state;
    yk_load loads[] = {{true, true, 0, 100}, {true, true, 0, 300}};
    assert_int_equal(yk_load_pick(loads, 2, 1), 0);
    loads[0].frames = 2; /* three times as fast: they would be done at the same time */
    assert_int_equal(yk_load_pick(loads, 2, 1), 0);
    loads[0].frames = 3;
    assert_int_equal(yk_load_pick(loads, 2, 1), 1);
}

static void nobody_waits_while_a_place_is_free(void **state)
{
    (void)state;
    yk_load loads[] = {{true, false, 2, 100}, {true, true, 0, 900}};
    assert_int_equal(yk_load_pick(loads, 2, 1), 1);
    loads[1].free = false;
    assert_int_equal(yk_load_pick(loads, 2, 1), YK_LOAD_WAIT);
}

static void but_for_one_that_is_very_slow(void **state)
{
    (void)state;
    yk_load loads[] = {{true, false, 2, 100}, {true, true, 0, 2500}};
    assert_int_equal(yk_load_pick(loads, 2, 1), YK_LOAD_WAIT);
    loads[1].frame_ns = 2400;
    assert_int_equal(yk_load_pick(loads, 2, 1), 1);
    /* With the fast one lost it is as good as any. */
    loads[0].live = false;
    loads[1].frame_ns = 1000000;
    assert_int_equal(yk_load_pick(loads, 2, 1), 1);
}

static void a_new_device_is_thought_to_be_fast(void **state)
{
    (void)state;
    const yk_load loads[] = {{true, true, 1, 100}, {true, true, 0, 0}, {true, true, 0, 5000}};
    assert_int_equal(yk_load_pick(loads, 3, 1), 1);
    const yk_load fresh[] = {{true, true, 1, 0}, {true, true, 0, 0}};
    assert_int_equal(yk_load_pick(fresh, 2, 1), 1);
}

static void lost_ones_are_left_out(void **state)
{
    (void)state;
    yk_load loads[] = {{false, true, 0, 1}, {true, true, 50, 1000}};
    assert_int_equal(yk_load_pick(loads, 2, 1), 1);
    loads[1].live = false;
    assert_int_equal(yk_load_pick(loads, 2, 1), YK_LOAD_NONE);
    assert_int_equal(yk_load_pick(loads, 0, 1), YK_LOAD_NONE);
    loads[1] = (yk_load){true, false, 50, 1000};
    assert_int_equal(yk_load_pick(loads, 2, 1), YK_LOAD_WAIT);
}

/* Devices of speeds 1, 2 and 4 share a long run about as their speeds: a small world with a clock of its own. */
static void work_is_shared_by_speed(void **state)
{
    (void)state;
    enum { DEVICES = 3, PLACES = 3, BATCHES = 7000 };
    const uint64_t speeds[DEVICES] = {400, 200, 100};
    uint64_t now = 0, done_at[DEVICES][PLACES] = {{0}}, busy_until[DEVICES] = {0};
    int given[DEVICES] = {0};
    for (int n = 0; n < BATCHES;) {
        yk_load loads[DEVICES];
        uint64_t next = UINT64_MAX;
        for (int i = 0; i < DEVICES; i++) {
            loads[i] = (yk_load){.live = true, .frame_ns = speeds[i]};
            for (int k = 0; k < PLACES; k++) {
                if (done_at[i][k] <= now) {
                    loads[i].free = true;
                } else {
                    loads[i].frames++;
                    next = done_at[i][k] < next ? done_at[i][k] : next;
                }
            }
        }
        int picked = yk_load_pick(loads, DEVICES, 1);
        if (picked == YK_LOAD_WAIT) {
            now = next;
            continue;
        }
        assert_in_range(picked, 0, DEVICES - 1);
        int k = 0;
        while (done_at[picked][k] > now)
            k++;
        busy_until[picked] = (busy_until[picked] > now ? busy_until[picked] : now) + speeds[picked];
        done_at[picked][k] = busy_until[picked];
        given[picked]++;
        n++;
    }
    assert_in_range(given[0], 950, 1050);
    assert_in_range(given[1], 1950, 2050);
    assert_in_range(given[2], 3900, 4100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_idle_one_is_taken),
        cmocka_unit_test(a_slow_one_is_taken_when_it_is_sooner_done),
        cmocka_unit_test(nobody_waits_while_a_place_is_free),
        cmocka_unit_test(but_for_one_that_is_very_slow),
        cmocka_unit_test(a_new_device_is_thought_to_be_fast),
        cmocka_unit_test(lost_ones_are_left_out),
        cmocka_unit_test(work_is_shared_by_speed),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
