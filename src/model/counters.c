#include "model/counters.h"

#include <sched.h>

/* Of `begun`: the set that is current. Adding it once more changes to the other one. */
#define CURRENT ((uint64_t)1 << 63)

/* ---- buckets ---- */

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

int yk_size_bucket(int frames)
{
    int index = 0, most;
    while (yolk_stats_batch_sizes((size_t)index, NULL, &most) && frames > most)
        index++;
    return index;
}

/* ---- writers ---- */

static void add(_Atomic uint64_t *count, uint64_t more)
{
    atomic_fetch_add_explicit(count, more, memory_order_relaxed);
}

static void lower(_Atomic uint64_t *first, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(first, memory_order_relaxed);
    while ((seen == 0 || value < seen) &&
           !atomic_compare_exchange_weak_explicit(first, &seen, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void raise_to(_Atomic uint64_t *last, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(last, memory_order_relaxed);
    while (value > seen &&
           !atomic_compare_exchange_weak_explicit(last, &seen, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

yk_counts *yk_counters_begin(yk_counters *c)
{
    return &c->sets[atomic_fetch_add_explicit(&c->begun, 1, memory_order_acquire) & CURRENT ? 1 : 0];
}

void yk_counters_end(yk_counts *set)
{
    atomic_fetch_add_explicit(&set->ended, 1, memory_order_release);
}

void yk_counts_stage(yk_counts *set, yolk_stage stage, int frames, uint64_t nanoseconds)
{
    if ((int)stage < 0 || stage >= YOLK_STAGE_COUNT || frames < 1)
        return;
    uint64_t now = yk_now_ns();
    add(&set->stages[stage].total_ns, nanoseconds);
    add(&set->stages[stage].buckets[yk_bucket_of(nanoseconds / (uint64_t)frames)], (uint64_t)frames);
    lower(&set->first_ns, now > nanoseconds ? now - nanoseconds : 1);
    raise_to(&set->last_ns, now);
}

void yk_counts_batch(yk_counts *set, int frames, uint64_t detections)
{
    if (frames < 1)
        return;
    add(&set->frames, (uint64_t)frames);
    add(&set->batches, 1);
    add(&set->detections, detections);
    add(&set->sizes[yk_size_bucket(frames)], 1);
}

void yk_counts_device(yk_counts *set, int device, int frames, uint64_t nanoseconds)
{
    if (device < 0 || device >= YOLK_STATS_DEVICES || frames < 1)
        return;
    add(&set->devices[device].frames, (uint64_t)frames);
    add(&set->devices[device].batches, 1);
    add(&set->devices[device].busy_ns, nanoseconds);
}

void yk_counters_stage(yk_counters *c, yolk_stage stage, int frames, uint64_t nanoseconds)
{
    yk_counts *set = yk_counters_begin(c);
    yk_counts_stage(set, stage, frames, nanoseconds);
    yk_counters_end(set);
}

void yk_counters_batch(yk_counters *c, int frames, uint64_t detections)
{
    yk_counts *set = yk_counters_begin(c);
    yk_counts_batch(set, frames, detections);
    yk_counters_end(set);
}

void yk_counters_device(yk_counters *c, int device, int frames, uint64_t nanoseconds)
{
    yk_counts *set = yk_counters_begin(c);
    yk_counts_device(set, device, frames, nanoseconds);
    yk_counters_end(set);
}

/* ---- readers ---- */

static void lock(yk_counters *c)
{
    while (atomic_flag_test_and_set_explicit(&c->reading, memory_order_acquire))
        sched_yield();
}

static void unlock(yk_counters *c)
{
    atomic_flag_clear_explicit(&c->reading, memory_order_release);
}

/* Makes the other set current and returns the one that was, which nobody changes any more. With the lock held. */
static yk_counts *turn(yk_counters *c)
{
    uint64_t before = atomic_fetch_add(&c->begun, CURRENT);
    yk_counts *old = &c->sets[before & CURRENT ? 1 : 0];
    /* All changes so far are counted as ended in the set that was current, whichever they were made to. */
    while (atomic_load_explicit(&old->ended, memory_order_acquire) != (before & ~CURRENT))
        sched_yield();
    return old;
}

static uint64_t take(_Atomic uint64_t *from)
{
    return atomic_exchange_explicit(from, 0, memory_order_relaxed);
}

/* Moves what is in `old` into the other set, or away when that is NULL. */
static void move_all(yk_counts *old, yk_counts *to)
{
#define MOVE(field)                                                                                                    \
    do {                                                                                                               \
        uint64_t value_ = atomic_load_explicit(&old->field, memory_order_relaxed) ? take(&old->field) : 0;             \
        if (to && value_)                                                                                              \
            add(&to->field, value_);                                                                                   \
    } while (0)
    MOVE(frames);
    MOVE(batches);
    MOVE(detections);
    for (int i = 0; i < YOLK_STATS_BATCHES; i++)
        MOVE(sizes[i]);
    for (int i = 0; i < YOLK_STATS_DEVICES; i++) {
        MOVE(devices[i].frames);
        MOVE(devices[i].batches);
        MOVE(devices[i].busy_ns);
    }
    for (int s = 0; s < YOLK_STAGE_COUNT; s++) {
        MOVE(stages[s].total_ns);
        for (int i = 0; i < YK_BUCKETS; i++)
            MOVE(stages[s].buckets[i]);
    }
#undef MOVE
    uint64_t first = take(&old->first_ns), last = take(&old->last_ns);
    if (to && first)
        lower(&to->first_ns, first);
    if (to)
        raise_to(&to->last_ns, last);
}

static yk_counts *other(yk_counters *c, const yk_counts *set)
{
    return set == &c->sets[0] ? &c->sets[1] : &c->sets[0];
}

void yk_counters_reset(yk_counters *c)
{
    lock(c);
    yk_counts *old = turn(c);
    move_all(old, NULL);
    atomic_fetch_add(&other(c, old)->ended, take(&old->ended));
    unlock(c);
}

/* Milliseconds that `share` of the frames stayed at or below. */
static double quantile(const yk_stage_counts *s, uint64_t frames, double share)
{
    uint64_t rank = (uint64_t)(share * (double)frames), passed = 0;
    for (int i = 0; i < YK_BUCKETS; i++) {
        passed += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        if (passed > rank)
            return yk_bucket_middle(i) / 1e6;
    }
    return 0;
}

static void read_stage(const yk_stage_counts *s, yolk_stage_stats *out)
{
    uint64_t frames = 0;
    for (int i = 0; i < YK_BUCKETS; i++)
        frames += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
    *out = (yolk_stage_stats){.frames = frames, .total_ms = (double)atomic_load(&s->total_ns) / 1e6};
    if (frames > 0) {
        out->mean_ms = out->total_ms / (double)frames;
        out->p50_ms = quantile(s, frames, 0.50);
        out->p95_ms = quantile(s, frames, 0.95);
        out->p99_ms = quantile(s, frames, 0.99);
    }
}

static void read_device(const yk_device_counts *d, yolk_device_stats *out)
{
    *out = (yolk_device_stats){.frames = atomic_load(&d->frames),
                               .batches = atomic_load(&d->batches),
                               .busy_seconds = (double)atomic_load(&d->busy_ns) / 1e9,
                               .mean_ms = 0};
    if (out->frames > 0)
        out->mean_ms = out->busy_seconds * 1e3 / (double)out->frames;
}

static void read_counts(const yk_counts *set, yolk_stats *out)
{
    uint64_t first = atomic_load(&set->first_ns), last = atomic_load(&set->last_ns);
    *out = (yolk_stats){.frames = atomic_load(&set->frames),
                        .batches = atomic_load(&set->batches),
                        .detections = atomic_load(&set->detections),
                        .seconds = last > first ? (double)(last - first) / 1e9 : 0};
    for (int s = 0; s < YOLK_STAGE_COUNT; s++)
        read_stage(&set->stages[s], &out->stages[s]);
    for (int i = 0; i < YOLK_STATS_BATCHES; i++)
        out->batch_sizes[i] = atomic_load(&set->sizes[i]);
    for (int i = 0; i < YOLK_STATS_DEVICES; i++) {
        read_device(&set->devices[i], &out->devices[i]);
        if (out->devices[i].batches > 0)
            out->device_count = i + 1;
    }
}

void yk_counters_read(yk_counters *c, yolk_stats *out)
{
    lock(c);
    yk_counts *old = turn(c);
    read_counts(old, out);
    move_all(old, other(c, old));
    atomic_fetch_add(&other(c, old)->ended, take(&old->ended));
    unlock(c);
    out->fps = out->seconds > 0 ? (double)out->frames / out->seconds : 0;
    yolk_memory_read(&out->memory);
}
