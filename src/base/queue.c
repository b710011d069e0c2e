/* A bounded queue of pointers between threads. */
#include <pthread.h>
#include <time.h>

#include "base/base.h"

struct yk_queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_full, not_empty;
    bool closed;
    size_t capacity, limit, count, first;
    void *items[];
};

yolk_status yk_queue_create(size_t capacity, yk_queue **out)
{
    *out = NULL;
    if (capacity == 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a queue must have room for at least one item");
    size_t size;
    if (__builtin_mul_overflow(capacity, sizeof(void *), &size) ||
        __builtin_add_overflow(size, sizeof(yk_queue), &size))
        return yk_fail_memory(SIZE_MAX);
    yk_queue *q = yk_calloc(1, size);
    if (!q)
        return YOLK_ERROR_OUT_OF_MEMORY;
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->not_full, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->not_empty, &monotonic);
    pthread_condattr_destroy(&monotonic);
    q->capacity = q->limit = capacity;
    *out = q;
    return YOLK_OK;
}

bool yk_queue_push(yk_queue *q, void *item)
{
    pthread_mutex_lock(&q->mutex);
    while (q->count >= q->limit && !q->closed)
        pthread_cond_wait(&q->not_full, &q->mutex);
    bool room = !q->closed;
    if (room) {
        q->items[(q->first + q->count) % q->capacity] = item;
        q->count++;
        pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->mutex);
    return room;
}

/* With the mutex held. */
static bool take_first(yk_queue *q, void **item)
{
    if (q->count == 0)
        return false;
    *item = q->items[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->count--;
    pthread_cond_signal(&q->not_full);
    return true;
}

bool yk_queue_pop(yk_queue *q, void **item)
{
    pthread_mutex_lock(&q->mutex);
    while (q->count == 0 && !q->closed)
        pthread_cond_wait(&q->not_empty, &q->mutex);
    bool got = take_first(q, item);
    pthread_mutex_unlock(&q->mutex);
    return got;
}

bool yk_queue_pop_within(yk_queue *q, void **item, int milliseconds)
{
    enum { BILLION = 1000000000 };
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t nanoseconds = until.tv_nsec + (int64_t)milliseconds * 1000000;
    until.tv_sec += nanoseconds / BILLION;
    until.tv_nsec = nanoseconds % BILLION;
    *item = NULL;
    pthread_mutex_lock(&q->mutex);
    int error = 0;
    while (q->count == 0 && !q->closed && error == 0)
        error = pthread_cond_timedwait(&q->not_empty, &q->mutex, &until);
    bool more = take_first(q, item) || !q->closed;
    pthread_mutex_unlock(&q->mutex);
    return more;
}

void yk_queue_limit(yk_queue *q, size_t limit)
{
    pthread_mutex_lock(&q->mutex);
    q->limit = YK_MAX(1, YK_MIN(limit, q->capacity));
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->mutex);
}

bool yk_queue_try_pop(yk_queue *q, void **item)
{
    pthread_mutex_lock(&q->mutex);
    bool got = take_first(q, item);
    pthread_mutex_unlock(&q->mutex);
    return got;
}

void yk_queue_close(yk_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->closed = true;
    pthread_cond_broadcast(&q->not_full);
    pthread_cond_broadcast(&q->not_empty);
    pthread_mutex_unlock(&q->mutex);
}

void yk_queue_destroy(yk_queue **q)
{
    if (!*q)
        return;
    pthread_mutex_destroy(&(*q)->mutex);
    pthread_cond_destroy(&(*q)->not_full);
    pthread_cond_destroy(&(*q)->not_empty);
    yk_free(*q);
    *q = NULL;
}
