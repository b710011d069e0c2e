/* Threads that work together: every part is done once, by nobody twice at once. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "yk_test.h"

enum { PHASES = 200, PARTS = 37, THREADS = 4 };

typedef struct work {
    yk_pool_job *job;
    _Atomic int done[PARTS];
    _Atomic int busy[THREADS]; /* threads of that number at work */
    int who[PARTS];            /* did a part last */
    int phases, wrong;
} work;

static void part(void *user, int index, int thread)
{
    work *w = user;
    assert_in_range(thread, 0, THREADS - 1);
    if (atomic_fetch_add(&w->busy[thread], 1) != 0)
        w->wrong++;
    w->who[index] = thread;
    atomic_fetch_add(&w->done[index], 1);
    atomic_fetch_sub(&w->busy[thread], 1);
}

static void lead(yk_pool_job *job, void *user)
{
    work *w = user;
    for (int phase = 1; phase <= PHASES; phase++) {
        yk_pool_job_phase(job, PARTS, part, w);
        for (int i = 0; i < PARTS; i++)
            w->wrong += atomic_load(&w->done[i]) != phase;
        for (int i = 1; i < PARTS; i++) /* the leader's are the first ones */
            w->wrong += w->who[i] == 0 && w->who[i - 1] != 0;
        w->phases++;
    }
}

static void check(work *w)
{
    assert_int_equal(w->phases, PHASES);
    assert_int_equal(w->wrong, 0);
}

static void every_part_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= THREADS; threads++) {
        work w = {0};
        assert_ok(yk_pool_acquire(threads));
        assert_ok(yk_pool_job_create(threads, lead, &w, &w.job));
        yk_pool_job_wait(w.job); /* was not started */
        yk_pool_job_start(w.job);
        yk_pool_job_wait(w.job);
        check(&w);
        yk_pool_job_destroy(&w.job);
        yk_pool_release(threads);
    }
}

static void jobs_start_again(void **state)
{
    (void)state;
    assert_ok(yk_pool_acquire(2));
    work w = {0};
    assert_ok(yk_pool_job_create(2, lead, &w, &w.job));
    for (int i = 0; i < 20; i++) {
        memset(w.done, 0, sizeof w.done);
        w.phases = 0;
        yk_pool_job_start(w.job);
        yk_pool_job_wait(w.job);
        check(&w);
    }
    yk_pool_job_destroy(&w.job);
    yk_pool_release(2);
}

/* More jobs than threads, started from several threads. */
static void *start_some(void *unused)
{
    work w[3] = {0};
    (void)unused;
    for (int i = 0; i < 3; i++) {
        if (yk_pool_job_create(i + 1, lead, &w[i], &w[i].job) != YOLK_OK)
            return "no job";
        yk_pool_job_start(w[i].job);
    }
    for (int i = 2; i >= 0; i--) {
        yk_pool_job_destroy(&w[i].job); /* waits */
        if (w[i].phases != PHASES || w[i].wrong)
            return "wrong";
    }
    return NULL;
}

static void many_jobs_on_few_threads(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        pthread_t starters[4];
        assert_ok(yk_pool_acquire(threads));
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&starters[i], NULL, start_some, NULL), 0);
        for (int i = 0; i < 4; i++) {
            void *wrong;
            pthread_join(starters[i], &wrong);
            assert_null(wrong);
        }
        yk_pool_release(threads);
    }
}

/* A job starts another one, as a queue behind it would. */
static void lead_and_start(yk_pool_job *job, void *user)
{
    (void)job;
    yk_pool_job_start(user);
}

static void jobs_start_jobs(void **state)
{
    (void)state;
    work w = {0};
    yk_pool_job *first;
    assert_ok(yk_pool_acquire(1));
    assert_ok(yk_pool_job_create(1, lead, &w, &w.job));
    assert_ok(yk_pool_job_create(1, lead_and_start, w.job, &first));
    yk_pool_job_start(first);
    yk_pool_job_wait(first);
    yk_pool_job_wait(w.job);
    check(&w);
    yk_pool_job_destroy(&first);
    yk_pool_job_destroy(&w.job);
    yk_pool_release(1);
}

/* A job that wants to be run again says so while it runs. */
typedef struct again {
    yk_pool_job *job;
    int runs;
} again;

static void run_again(yk_pool_job *job, void *user)
{
    again *a = user;
    if (++a->runs < 5)
        yk_pool_job_start(job);
}

static void a_job_starts_itself(void **state)
{
    (void)state;
    again a = {0};
    assert_ok(yk_pool_acquire(2));
    assert_ok(yk_pool_job_create(2, run_again, &a, &a.job));
    yk_pool_job_start(a.job);
    yk_pool_job_wait(a.job);
    assert_int_equal(a.runs, 5);
    yk_pool_job_destroy(&a.job);
    yk_pool_release(2);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    yk_pool_job *job;
    yk_alloc_fail_at(1);
    yolk_status status = yk_pool_job_create(1, lead, NULL, &job);
    yk_alloc_fail_at(0);
    assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
    assert_null(job);
    yk_pool_job_destroy(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_once),          cmocka_unit_test(jobs_start_again),
        cmocka_unit_test(many_jobs_on_few_threads), cmocka_unit_test(jobs_start_jobs),
        cmocka_unit_test(a_job_starts_itself),      cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
