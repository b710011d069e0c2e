#include <pthread.h>

#include "base/base.h"
#include "yk_test.h"

enum { ITEMS = 5000, THREADS = 3 };

static void items_come_out_in_order(void **state)
{
    (void)state;
    yk_queue *q;
    assert_ok(yk_queue_create(3, &q));
    int numbers[7];
    void *item = NULL;
    assert_false(yk_queue_try_pop(q, &item));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(yk_queue_push(q, &numbers[i]));
        assert_true(yk_queue_try_pop(q, &item));
        assert_ptr_equal(item, &numbers[0]);
        for (int i = 1; i < 3; i++) {
            assert_true(yk_queue_pop(q, &item));
            assert_ptr_equal(item, &numbers[i]);
        }
    }
    yk_queue_destroy(&q);
    assert_null(q);
    yk_queue_destroy(&q);
}

static void a_closed_queue_empties(void **state)
{
    (void)state;
    yk_queue *q;
    int number;
    void *item = NULL;
    assert_ok(yk_queue_create(2, &q));
    assert_true(yk_queue_push(q, &number));
    yk_queue_close(q);
    assert_false(yk_queue_push(q, &number));
    assert_true(yk_queue_pop(q, &item));
    assert_false(yk_queue_pop(q, &item));
    assert_false(yk_queue_try_pop(q, &item));
    yk_queue_destroy(&q);
}

static void odd_capacities_are_refused(void **state)
{
    (void)state;
    yk_queue *q;
    assert_fails(yk_queue_create(0, &q), YOLK_ERROR_INVALID_ARGUMENT, "at least one item");
    assert_fails(yk_queue_create(SIZE_MAX, &q), YOLK_ERROR_OUT_OF_MEMORY, "not enough memory");
    assert_null(q);
    yk_alloc_fail_at(1);
    assert_int_equal(yk_queue_create(1, &q), YOLK_ERROR_OUT_OF_MEMORY);
    yk_alloc_fail_at(0);
}

typedef struct shared {
    yk_queue *queue;
    pthread_mutex_t mutex;
    int seen[ITEMS * THREADS];
} shared;

static int values[ITEMS * THREADS];

static void *push_all(void *user)
{
    int **range = user;
    yk_queue *q = ((shared *)(void *)range[1])->queue;
    for (int i = 0; i < ITEMS; i++)
        yk_queue_push(q, range[0] + i);
    return NULL;
}

static void *pop_all(void *user)
{
    shared *s = user;
    void *item;
    while (yk_queue_pop(s->queue, &item)) {
        pthread_mutex_lock(&s->mutex);
        s->seen[(int *)item - values]++;
        pthread_mutex_unlock(&s->mutex);
    }
    return NULL;
}

static void threads_lose_and_repeat_nothing(void **state)
{
    (void)state;
    static shared s;
    pthread_mutex_init(&s.mutex, NULL);
    assert_ok(yk_queue_create(4, &s.queue));
    pthread_t pushers[THREADS], poppers[THREADS];
    int *ranges[THREADS][2];
    for (int i = 0; i < THREADS; i++) {
        ranges[i][0] = values + i * ITEMS;
        ranges[i][1] = (int *)(void *)&s;
        assert_int_equal(pthread_create(&poppers[i], NULL, pop_all, &s), 0);
        assert_int_equal(pthread_create(&pushers[i], NULL, push_all, ranges[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(pushers[i], NULL);
    yk_queue_close(s.queue);
    for (int i = 0; i < THREADS; i++)
        pthread_join(poppers[i], NULL);
    for (int i = 0; i < ITEMS * THREADS; i++)
        assert_int_equal(s.seen[i], 1);
    yk_queue_destroy(&s.queue);
    pthread_mutex_destroy(&s.mutex);
}

static void *push_until_refused(void *user)
{
    yk_queue *q = user;
    while (yk_queue_push(q, q))
        ;
    return NULL;
}

static void closing_wakes_who_waits(void **state)
{
    (void)state;
    yk_queue *q;
    assert_ok(yk_queue_create(1, &q));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, push_until_refused, q), 0);
    void *item;
    for (int i = 0; i < 10; i++)
        assert_true(yk_queue_pop(q, &item));
    yk_queue_close(q);
    pthread_join(thread, NULL);
    yk_queue_destroy(&q);
}

static void waiting_can_have_an_end(void **state)
{
    (void)state;
    yk_queue *q;
    int number;
    void *item = &number;
    assert_ok(yk_queue_create(2, &q));
    assert_true(yk_queue_pop_within(q, &item, 1));
    assert_null(item);
    assert_true(yk_queue_push(q, &number));
    assert_true(yk_queue_pop_within(q, &item, 0));
    assert_ptr_equal(item, &number);
    yk_queue_close(q);
    assert_false(yk_queue_pop_within(q, &item, 100000));
    yk_queue_destroy(&q);
}

/* With room for one the pusher is at most one item ahead. */
static void fewer_may_wait_than_there_is_room_for(void **state)
{
    (void)state;
    yk_queue *q;
    void *item;
    assert_ok(yk_queue_create(100, &q));
    yk_queue_limit(q, 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, push_until_refused, q), 0);
    for (int i = 0; i < 100; i++)
        assert_true(yk_queue_pop(q, &item));
    yk_queue_close(q);
    pthread_join(thread, NULL);
    int left = 0;
    while (yk_queue_try_pop(q, &item))
        left++;
    assert_in_range(left, 0, 1);
    yk_queue_destroy(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order),
        cmocka_unit_test(a_closed_queue_empties),
        cmocka_unit_test(odd_capacities_are_refused),
        cmocka_unit_test(closing_wakes_who_waits),
        cmocka_unit_test(threads_lose_and_repeat_nothing),
        cmocka_unit_test(waiting_can_have_an_end),
        cmocka_unit_test(fewer_may_wait_than_there_is_room_for),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
