/* Counters and histograms behind yolk_stats. Writers take no locks; a reader repeats until no writer was at it. */
#ifndef YK_COUNTERS_H
#define YK_COUNTERS_H

#include <stdatomic.h>

#include "base/base.h"
#include "yolk/stats.h"

/* Nanoseconds in buckets of 1/32 of a power of two: the middle of a bucket is within 1.6 % of all that is in it. The
 * last bucket begins above an hour. */
enum { YK_BUCKETS_LOG = 5, YK_BUCKETS_TOP = 42, YK_BUCKETS = (YK_BUCKETS_TOP - YK_BUCKETS_LOG + 1) << YK_BUCKETS_LOG };

typedef struct yk_stage_counters {
    _Atomic uint64_t total_ns;
    _Atomic uint64_t buckets[YK_BUCKETS]; /* frames, by their batch's time a frame */
} yk_stage_counters;

typedef struct yk_counters {
    _Atomic uint64_t begun, ended; /* changes: equal when none is under way */
    _Atomic uint64_t frames, batches, detections;
    _Atomic uint64_t first_ns, last_ns; /* 0: nothing yet */
    yk_stage_counters stages[YOLK_STAGE_COUNT];
} yk_counters;

void yk_counters_reset(yk_counters *c);
/* A batch of `frames` took `nanoseconds` in a stage, and is through it now. */
void yk_counters_stage(yk_counters *c, yolk_stage stage, int frames, uint64_t nanoseconds);
/* A network run over `frames` is done and has found `detections`. */
void yk_counters_batch(yk_counters *c, int frames, uint64_t detections);
void yk_counters_read(yk_counters *c, yolk_stats *out);

int yk_bucket_of(uint64_t nanoseconds);
double yk_bucket_middle(int bucket); /* nanoseconds */

#endif
