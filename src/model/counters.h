/* Counters and histograms behind yolk_stats.
 *
 * There are two sets of counts. Whoever has something to count adds it to the one that is current, without a lock; a
 * reader makes the other one current, waits for those few who are still at the first, and has a set that nobody
 * changes, which it then adds to the current one. So what was counted between yk_counters_begin() and
 * yk_counters_end() is in a snapshot as a whole or not at all, however busy the writers are. */
#ifndef YK_COUNTERS_H
#define YK_COUNTERS_H

#include <stdatomic.h>

#include "base/base.h"
#include "yolk/stats.h"

/* Nanoseconds in buckets of 1/32 of a power of two: the middle of a bucket is within 1.6 % of all that is in it. The
 * last bucket begins above an hour. */
enum { YK_BUCKETS_LOG = 5, YK_BUCKETS_TOP = 42, YK_BUCKETS = (YK_BUCKETS_TOP - YK_BUCKETS_LOG + 1) << YK_BUCKETS_LOG };

typedef struct yk_stage_counts {
    _Atomic uint64_t total_ns;
    _Atomic uint64_t buckets[YK_BUCKETS]; /* frames, by their batch's time a frame */
} yk_stage_counts;

typedef struct yk_device_counts {
    _Atomic uint64_t frames, batches, busy_ns;
} yk_device_counts;

typedef struct yk_counts {
    _Atomic uint64_t ended; /* changes that are whole */
    _Atomic uint64_t frames, batches, detections;
    _Atomic uint64_t first_ns, last_ns; /* 0: nothing yet */
    _Atomic uint64_t sizes[YOLK_STATS_BATCHES];
    yk_device_counts devices[YOLK_STATS_DEVICES];
    yk_stage_counts stages[YOLK_STAGE_COUNT];
} yk_counts;

/* Starts zeroed. */
typedef struct yk_counters {
    _Atomic uint64_t begun; /* changes; the top bit says which set is current */
    yk_counts sets[2];
    atomic_flag reading; /* one reader at a time */
} yk_counters;

/* Around figures that belong together. Neither they nor what is between them takes a lock or waits. */
yk_counts *yk_counters_begin(yk_counters *c);
void yk_counters_end(yk_counts *set);
/* A batch of `frames` took `nanoseconds` in a stage, and is through it now. */
void yk_counts_stage(yk_counts *set, yolk_stage stage, int frames, uint64_t nanoseconds);
/* A network run over `frames` is done and has found `detections`. */
void yk_counts_batch(yk_counts *set, int frames, uint64_t detections);
/* A network run over `frames` kept a device busy for so long. */
void yk_counts_device(yk_counts *set, int device, int frames, uint64_t nanoseconds);

/* The same for one figure alone. */
void yk_counters_stage(yk_counters *c, yolk_stage stage, int frames, uint64_t nanoseconds);
void yk_counters_batch(yk_counters *c, int frames, uint64_t detections);
void yk_counters_device(yk_counters *c, int device, int frames, uint64_t nanoseconds);

void yk_counters_reset(yk_counters *c);
/* All but the limit of memory, and names, memory and loss of devices. Not between begin() and end(). */
void yk_counters_read(yk_counters *c, yolk_stats *out);

int yk_bucket_of(uint64_t nanoseconds);
double yk_bucket_middle(int bucket); /* nanoseconds */
int yk_size_bucket(int frames);      /* entry of yolk_stats.batch_sizes */

#endif
