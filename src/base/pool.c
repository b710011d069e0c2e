/* One set of threads for all who compute. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* A phase's parts are given out by one word: its number, the end of those that are left, and the first of them. Whoever
 * has exchanged it for one with a part less has that part, of that phase and of no other. Who leads takes the first one
 * and helpers the last, as each then has much the same end of a picture in every phase, and with it what it wrote in
 * the phase before in its own cache. */
#define PARTS_SHIFT 21
#define PHASE_SHIFT 42
#define PART_MASK   (((uint64_t)1 << PARTS_SHIFT) - 1)

/* Turns that a thread waits for the next phase before it goes to sleep: about 50 us. Waking up takes as long. */
enum { PATIENCE = 2000 };

struct yk_pool_job {
    int threads;
    yk_pool_job_fn fn;
    void *user;
    yk_part_fn part;
    void *part_user;
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic int done; /* parts of this phase */
    /* No phase comes any more. A whole word: the compiler may read the flags below, which are not atomic, by words. */
    _Atomic int over;
    /* Guarded by the pool's lock. */
    bool queued, running, again; /* again: started while it was running */
    uint64_t numbers;            /* of helping threads: a bit each */
    int helpers;
    yk_pool_job *next; /* in the queue, or among those that run */
    pthread_cond_t ended;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work; /* something to begin, to help with, or to end for */
    yk_pool_job *queue, **queue_end, *running;
    int threads, wanted;
    int users[YK_POOL_THREADS + 1]; /* how many want so many threads */
    _Atomic int sleeping;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .queue_end = &pool.queue};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- parts ---- */

static bool is_open(uint64_t ticket)
{
    return (ticket & PART_MASK) < (ticket >> PARTS_SHIFT & PART_MASK);
}

/* Takes parts and does them until none is left. */
static void do_parts(yk_pool_job *j, int thread)
{
    uint64_t ticket = atomic_load_explicit(&j->ticket, memory_order_acquire);
    while (is_open(ticket)) {
        const bool leads = thread == 0;
        const uint64_t first = ticket & PART_MASK, end = ticket >> PARTS_SHIFT & PART_MASK;
        const uint64_t less = leads ? ticket + 1 : ticket - ((uint64_t)1 << PARTS_SHIFT);
        if (!atomic_compare_exchange_weak_explicit(&j->ticket, &ticket, less, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        /* The phase cannot end before this part is done, so what to do is still its. */
        j->part(j->part_user, (int)(leads ? first : end - 1), thread);
        atomic_fetch_add_explicit(&j->done, 1, memory_order_release);
        ticket = atomic_load_explicit(&j->ticket, memory_order_acquire);
    }
}

void yk_pool_job_phase(yk_pool_job *j, int parts, yk_part_fn part, void *user)
{
    const uint64_t phase = (atomic_load_explicit(&j->ticket, memory_order_relaxed) >> PHASE_SHIFT) + 1;
    if (parts == 1 || j->threads == 1) {
        for (int i = 0; i < parts; i++)
            part(user, i, 0);
        return;
    }
    j->part = part;
    j->part_user = user;
    atomic_store_explicit(&j->done, 0, memory_order_relaxed);
    atomic_store_explicit(&j->ticket, phase << PHASE_SHIFT | (uint64_t)parts << PARTS_SHIFT, memory_order_release);
    if (atomic_load(&pool.sleeping) > 0) {
        pthread_mutex_lock(&pool.lock);
        if (j->helpers + 1 < j->threads)
            pthread_cond_broadcast(&pool.work);
        pthread_mutex_unlock(&pool.lock);
    }
    do_parts(j, 0);
    for (int turn = 0; atomic_load_explicit(&j->done, memory_order_acquire) < parts; turn++) {
        if (turn < PATIENCE)
            relax();
        else
            sched_yield();
    }
}

/* ---- threads; functions that are called with the lock held say so ---- */

static void enqueue(yk_pool_job *j) /* locked */
{
    j->queued = true;
    j->next = NULL;
    *pool.queue_end = j;
    pool.queue_end = &j->next;
    pthread_cond_signal(&pool.work);
}

static void lead(yk_pool_job *j) /* locked, and again on return */
{
    pool.queue = j->next;
    if (!pool.queue)
        pool.queue_end = &pool.queue;
    j->queued = false;
    j->running = true;
    j->next = pool.running;
    pool.running = j;
    atomic_store(&j->over, 0);
    pthread_mutex_unlock(&pool.lock);
    j->fn(j, j->user);
    atomic_store(&j->over, 1);
    pthread_mutex_lock(&pool.lock);
    yk_pool_job **at = &pool.running;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    while (j->helpers > 0)
        pthread_cond_wait(&j->ended, &pool.lock);
    j->running = false;
    if (j->again) {
        j->again = false;
        enqueue(j);
    }
    pthread_cond_broadcast(&j->ended);
}

static yk_pool_job *find_to_help(void) /* locked */
{
    for (yk_pool_job *j = pool.running; j; j = j->next) {
        if (j->helpers + 1 < j->threads && is_open(atomic_load(&j->ticket)) && !atomic_load(&j->over))
            return j;
    }
    return NULL;
}

static void help(yk_pool_job *j) /* locked, and again on return */
{
    int number = 1;
    while (j->numbers >> number & 1)
        number++;
    j->numbers |= (uint64_t)1 << number;
    j->helpers++;
    pthread_mutex_unlock(&pool.lock);
    for (int turn = 0; turn < PATIENCE && !atomic_load_explicit(&j->over, memory_order_relaxed); turn++) {
        if (is_open(atomic_load_explicit(&j->ticket, memory_order_relaxed))) {
            do_parts(j, number);
            turn = 0;
        }
        relax();
    }
    pthread_mutex_lock(&pool.lock);
    j->numbers &= ~((uint64_t)1 << number);
    if (--j->helpers == 0)
        pthread_cond_broadcast(&j->ended);
}

static void *work(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    while (pool.threads <= pool.wanted) {
        yk_pool_job *helped;
        if (pool.queue) {
            lead(pool.queue);
            continue;
        }
        /* Counted as asleep before the last look: who opens a phase after it sees the count and wakes somebody up. */
        atomic_fetch_add(&pool.sleeping, 1);
        helped = find_to_help();
        if (helped) {
            atomic_fetch_sub(&pool.sleeping, 1);
            help(helped);
        } else {
            pthread_cond_wait(&pool.work, &pool.lock);
            atomic_fetch_sub(&pool.sleeping, 1);
        }
    }
    pool.threads--;
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static yolk_status add_thread(void) /* locked */
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return yk_fail_memory(0);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* Signals are the application's business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, &attributes, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        return yk_fail_errno(error, "a thread to compute with");
    pool.threads++;
    return YOLK_OK;
}

static int most_wanted(void) /* locked */
{
    int most = YK_POOL_THREADS;
    while (most > 0 && pool.users[most] == 0)
        most--;
    return most;
}

static int limited(int threads)
{
    return YK_MAX(1, YK_MIN(threads, YK_POOL_THREADS));
}

yolk_status yk_pool_acquire(int threads)
{
    yolk_status status = YOLK_OK;
    pthread_mutex_lock(&pool.lock);
    pool.users[limited(threads)]++;
    pool.wanted = most_wanted();
    while (pool.threads < pool.wanted && status == YOLK_OK)
        status = add_thread();
    if (status != YOLK_OK) {
        pool.users[limited(threads)]--;
        pool.wanted = most_wanted();
        pthread_cond_broadcast(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    return status;
}

void yk_pool_release(int threads)
{
    pthread_mutex_lock(&pool.lock);
    pool.users[limited(threads)]--;
    pool.wanted = most_wanted();
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

/* ---- jobs ---- */

yolk_status yk_pool_job_create(int threads, yk_pool_job_fn fn, void *user, yk_pool_job **out)
{
    yk_pool_job *j = yk_alloc_aligned(sizeof *j);
    *out = NULL;
    if (!j)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memset(j, 0, sizeof *j);
    j->threads = limited(threads);
    j->fn = fn;
    j->user = user;
    if (pthread_cond_init(&j->ended, NULL) != 0) {
        yk_free(j);
        return yk_fail_memory(sizeof *j);
    }
    *out = j;
    return YOLK_OK;
}

void yk_pool_job_start(yk_pool_job *j)
{
    pthread_mutex_lock(&pool.lock);
    if (j->running)
        j->again = true;
    else
        enqueue(j);
    pthread_mutex_unlock(&pool.lock);
}

void yk_pool_job_wait(yk_pool_job *j)
{
    pthread_mutex_lock(&pool.lock);
    while (j->queued || j->running)
        pthread_cond_wait(&j->ended, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

void yk_pool_job_destroy(yk_pool_job **job)
{
    yk_pool_job *j = *job;
    *job = NULL;
    if (!j)
        return;
    yk_pool_job_wait(j);
    pthread_cond_destroy(&j->ended);
    yk_free(j);
}
