/* What a run came to, for --stats and --prometheus. */
#include <time.h>

#include "cli.h"

enum { PROMETHEUS_SECONDS = 5 };

void stats_step(stats_steps *steps, const char *name)
{
    if (steps->count == STATS_STEPS)
        return;
    steps->items[steps->count].name = name;
    yolk_memory_read(&steps->items[steps->count++].memory);
    yolk_memory_reset_peak(); /* where that cannot be, a step's peak is the highest so far */
}

static json_t *stage_json(const yolk_stage_stats *s)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "frames", (json_int_t)s->frames, "mean_ms", s->mean_ms, "p50_ms",
                     s->p50_ms, "p95_ms", s->p95_ms, "p99_ms", s->p99_ms, "total_ms", s->total_ms);
}

static json_t *stages_json(const yolk_stats *s)
{
    json_t *stages = json_object();
    for (int i = 0; i < YOLK_STAGE_COUNT; i++)
        json_object_set_new(stages, yolk_stage_name((yolk_stage)i), stage_json(&s->stages[i]));
    return stages;
}

static json_t *batch_sizes_json(const yolk_stats *s)
{
    json_t *list = json_array();
    int least, most;
    for (size_t i = 0; yolk_stats_batch_sizes(i, &least, &most); i++)
        if (s->batch_sizes[i] > 0)
            json_array_append_new(list, json_pack("{s:i, s:i, s:I}", "least", least, "most", most, "batches",
                                                  (json_int_t)s->batch_sizes[i]));
    return list;
}

static json_t *devices_json(const yolk_stats *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->device_count; i++) {
        const yolk_device_stats *d = &s->devices[i];
        json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:f, s:f, s:I, s:b}", "name", json_text(d->name),
                                              "frames", (json_int_t)d->frames, "batches", (json_int_t)d->batches,
                                              "busy_seconds", d->busy_seconds, "mean_ms", d->mean_ms, "memory_bytes",
                                              (json_int_t)d->memory_bytes, "lost", d->lost));
    }
    return list;
}

static json_t *steps_json(const stats_steps *steps)
{
    json_t *list = json_array();
    for (size_t i = 0; i < steps->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "step", steps->items[i].name, "bytes",
                                              (json_int_t)steps->items[i].memory.now, "peak_bytes",
                                              (json_int_t)steps->items[i].memory.peak));
    return list;
}

static json_t *memory_json(const yolk_memory *m, const stats_steps *steps)
{
    uint64_t peak = m->peak;
    for (size_t i = 0; i < steps->count; i++)
        peak = steps->items[i].memory.peak > peak ? steps->items[i].memory.peak : peak;
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "memory_bytes", (json_int_t)m->now, "memory_peak_bytes",
                     (json_int_t)peak, "memory_limit_bytes", (json_int_t)m->limit, "memory_available_bytes",
                     (json_int_t)m->available, "memory_steps", steps_json(steps));
}

static json_t *words_json(int argc, char **argv)
{
    json_t *list = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(list, json_text(argv[i]));
    return list;
}

int stats_write(const arguments *args, const yolk_model_info *model, const yolk_pipeline_report *report,
                const stats_steps *steps, yolk_status ended)
{
    const yolk_stats *s = &report->stats;
    json_t *root = json_pack(
        "{s:s, s:o, s:s, s:{s:o, s:o, s:s, s:o, s:s}, s:s, s:s, s:{s:i, s:i}, s:i, s:I, s:I}", "yolk", yolk_version(),
        "command", words_json(args->argc, args->argv), "status", yolk_status_name(ended), "model", "name",
        json_text(model->name), "path", json_text(model->path), "format", model->format, "family",
        json_text(model->family), "precision", model->precision, "backend", model->backend, "device", model->device,
        "input", "width", report->input_width, "height", report->input_height, "batch", report->batch, "sources",
        (json_int_t)report->sources, "failed_sources", (json_int_t)report->failed_sources);
    json_t *figures =
        json_pack("{s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o}", "frames", (json_int_t)s->frames, "batches",
                  (json_int_t)s->batches, "detections", (json_int_t)s->detections, "seconds", s->seconds, "fps", s->fps,
                  "stages", stages_json(s), "batch_sizes", batch_sizes_json(s), "devices", devices_json(s));
    json_t *memory = memory_json(&s->memory, steps);
    if (root && (json_object_update(root, figures) != 0 || json_object_update(root, memory) != 0)) {
        json_decref(root);
        root = NULL;
    }
    json_decref(figures);
    json_decref(memory);
    return write_json(root, args->values[OPT_STATS]);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void prometheus_update(prometheus *p, const yolk_manager *manager)
{
    yolk_stats stats;
    double now = p->path ? seconds_now() : 0;
    if (!p->path || now < p->next)
        return;
    p->next = now + PROMETHEUS_SECONDS;
    /* A failure is told at the end, if it lasts. */
    if (yolk_manager_stats(manager, &stats) == YOLK_OK)
        yolk_stats_save_prometheus(&stats, p->model, p->path);
}

int prometheus_finish(const prometheus *p, const yolk_stats *stats)
{
    return !p->path || yolk_stats_save_prometheus(stats, p->model, p->path) == YOLK_OK ? STATUS_DONE : fail_last();
}
