/* Threads that work together, one set for the whole process.
 *
 * A job is a row of phases, each of which is cut into parts that may be done in any order. One thread leads the job
 * from phase to phase; others help while there are parts to take, and come and go, so that a thread which the system
 * has taken away holds up the part that it has begun and nothing else. Threads that find nothing to do sleep. */
#ifndef YK_POOL_H
#define YK_POOL_H

#include "base/base.h"

enum { YK_POOL_THREADS = 64, YK_POOL_PARTS = 1 << 20 }; /* at most: of a job, and of a phase */

typedef struct yk_pool_job yk_pool_job;
/* Called once on the leading thread: does the phases, one after the other, by yk_pool_job_phase(). */
typedef void (*yk_pool_job_fn)(yk_pool_job *job, void *user);
/* Does one part. `thread` is below the job's threads, and no two threads have the same number at once in a job. */
typedef void (*yk_part_fn)(void *user, int part, int thread);

/* Makes sure that the process has at least so many threads, until yk_pool_release() with the same number. */
yolk_status yk_pool_acquire(int threads);
void yk_pool_release(int threads);

/* A job that at most `threads` threads work on, to be started as often as wanted. */
yolk_status yk_pool_job_create(int threads, yk_pool_job_fn fn, void *user, yk_pool_job **out);
/* Queues it, or, while it runs, lets it run once more afterwards; not twice before it runs. Jobs are begun in the order
 * in which they are queued, and a free thread begins a job rather than help with another one. Needs threads: see
 * yk_pool_acquire(). */
void yk_pool_job_start(yk_pool_job *job);
void yk_pool_job_wait(yk_pool_job *job);     /* until it is done; at once when it was not started */
void yk_pool_job_destroy(yk_pool_job **job); /* waits for it; &NULL allowed */

/* Inside the job's function: does parts 0..parts-1 on all threads that come, and returns when they are done. */
void yk_pool_job_phase(yk_pool_job *job, int parts, yk_part_fn part, void *user);

#endif
