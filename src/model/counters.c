#include "model/counters.h"

#include <sched.h>
#include <string.h>

enum { READ_ATTEMPTS = 1000 };

int yk_bucket_of(uint64_t nanoseconds)
{
    if (nanoseconds >= (uint64_t)1 << YK_BUCKETS_TOP)
        return YK_BUCKETS - 1;
    int top_bit = 63 - __builtin_clzll(nanoseconds | 1);
    int shift = YK_MAX(top_bit - YK_BUCKETS_LOG, 0);
    return (shift << YK_BUCKETS_LOG) + (int)(nanoseconds >> shift);
}

double yk_bucket_middle(int bucket)
{
    int shift = YK_MAX((bucket >> YK_BUCKETS_LOG) - 1, 0);
    uint64_t low = (uint64_t)(bucket - (shift << YK_BUCKETS_LOG)) << shift;
    return (double)low + (double)(((uint64_t)1 << shift) - 1) / 2;
}

static void begin(yk_counters *c)
{
    atomic_fetch_add(&c->begun, 1);
}

static void end(yk_counters *c)
{
    atomic_fetch_add(&c->ended, 1);
}

void yk_counters_reset(yk_counters *c)
{
    begin(c);
    atomic_store(&c->frames, 0);
    atomic_store(&c->batches, 0);
    atomic_store(&c->detections, 0);
    atomic_store(&c->first_ns, 0);
    atomic_store(&c->last_ns, 0);
    for (int s = 0; s < YOLK_STAGE_COUNT; s++) {
        atomic_store(&c->stages[s].total_ns, 0);
        for (int i = 0; i < YK_BUCKETS; i++)
            atomic_store_explicit(&c->stages[s].buckets[i], 0, memory_order_relaxed);
    }
    end(c);
}

void yk_counters_stage(yk_counters *c, yolk_stage stage, int frames, uint64_t nanoseconds)
{
    if ((int)stage < 0 || stage >= YOLK_STAGE_COUNT || frames < 1)
        return;
    uint64_t now = yk_now_ns();
    uint64_t start = now > nanoseconds ? now - nanoseconds : 1;
    begin(c);
    yk_stage_counters *s = &c->stages[stage];
    atomic_fetch_add(&s->total_ns, nanoseconds);
    atomic_fetch_add(&s->buckets[yk_bucket_of(nanoseconds / (uint64_t)frames)], (uint64_t)frames);
    uint64_t seen = atomic_load(&c->first_ns);
    while ((seen == 0 || start < seen) && !atomic_compare_exchange_weak(&c->first_ns, &seen, start))
        ;
    seen = atomic_load(&c->last_ns);
    while (now > seen && !atomic_compare_exchange_weak(&c->last_ns, &seen, now))
        ;
    end(c);
}

void yk_counters_batch(yk_counters *c, int frames, uint64_t detections)
{
    begin(c);
    atomic_fetch_add(&c->frames, (uint64_t)frames);
    atomic_fetch_add(&c->batches, 1);
    atomic_fetch_add(&c->detections, detections);
    end(c);
}

/* Milliseconds that `share` of the frames stayed at or below. */
static double quantile(const uint64_t *buckets, uint64_t frames, double share)
{
    uint64_t rank = (uint64_t)(share * (double)frames), passed = 0;
    for (int i = 0; i < YK_BUCKETS; i++) {
        passed += buckets[i];
        if (passed > rank)
            return yk_bucket_middle(i) / 1e6;
    }
    return 0;
}

static void read_stage(yk_stage_counters *s, yolk_stage_stats *out)
{
    uint64_t buckets[YK_BUCKETS], frames = 0;
    for (int i = 0; i < YK_BUCKETS; i++)
        frames += buckets[i] = atomic_load(&s->buckets[i]);
    *out = (yolk_stage_stats){.frames = frames, .total_ms = (double)atomic_load(&s->total_ns) / 1e6};
    if (frames > 0) {
        out->mean_ms = out->total_ms / (double)frames;
        out->p50_ms = quantile(buckets, frames, 0.50);
        out->p95_ms = quantile(buckets, frames, 0.95);
        out->p99_ms = quantile(buckets, frames, 0.99);
    }
}

void yk_counters_read(yk_counters *c, yolk_stats *out)
{
    for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        uint64_t ended = atomic_load(&c->ended);
        uint64_t first = atomic_load(&c->first_ns), last = atomic_load(&c->last_ns);
        *out = (yolk_stats){
            .frames = atomic_load(&c->frames),
            .batches = atomic_load(&c->batches),
            .detections = atomic_load(&c->detections),
            .seconds = last > first ? (double)(last - first) / 1e9 : 0,
        };
        for (int s = 0; s < YOLK_STAGE_COUNT; s++)
            read_stage(&c->stages[s], &out->stages[s]);
        /* Nothing that had begun by now was unfinished when the reading began. */
        if (atomic_load(&c->begun) == ended)
            break;
        sched_yield();
    }
    out->fps = out->seconds > 0 ? (double)out->frames / out->seconds : 0;
    yolk_memory_usage(&out->memory_bytes, &out->memory_peak_bytes);
}
