/* Statistics in the text format that Prometheus reads, version 0.0.4. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "config/fields.h"
#include "yolk/stats.h"

typedef struct text {
    yk_buffer out;
    const char *model; /* label of every sample, or NULL */
} text;

static void head(text *t, const char *name, const char *kind, const char *help)
{
    yk_buffer_format(&t->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* A label's value: UTF-8, with backslash, quote and line feed escaped. */
static void put_value(yk_buffer *out, const char *value)
{
    yk_buffer_text(out, "\"");
    for (const char *from = value; *from;) {
        const char *at = from;
        uint32_t code = yk_utf8_next(&at);
        if (code == '\n')
            yk_buffer_text(out, "\\n");
        else if (code == '"' || code == '\\')
            yk_buffer_format(out, "\\%c", (int)code);
        else if (code == 0xfffd)
            yk_buffer_text(out, "\xef\xbf\xbd");
        else
            yk_buffer_add(out, from, (size_t)(at - from));
        from = at;
    }
    yk_buffer_text(out, "\"");
}

/* "NAME{model=...,LABEL=...} "; `label` NULL: none of its own. */
static void sample(text *t, const char *name, const char *label, const char *value, const char *label2,
                   const char *value2)
{
    const char *const labels[][2] = {{"model", t->model}, {label, value}, {label2, value2}};
    const char *before = "{";
    yk_buffer_text(&t->out, name);
    for (size_t i = 0; i < YK_COUNT(labels); i++) {
        if (!labels[i][0] || !labels[i][1])
            continue;
        yk_buffer_format(&t->out, "%s%s=", before, labels[i][0]);
        put_value(&t->out, labels[i][1]);
        before = ",";
    }
    yk_buffer_text(&t->out, *before == ',' ? "} " : " ");
}

static void put_count(text *t, uint64_t value)
{
    yk_buffer_format(&t->out, "%" PRIu64 "\n", value);
}

static void put_real(text *t, double value)
{
    yk_real_text(isfinite(value) ? value : 0, &t->out);
    yk_buffer_text(&t->out, "\n");
}

static void count(text *t, const char *name, const char *kind, const char *help, uint64_t value)
{
    head(t, name, kind, help);
    sample(t, name, NULL, NULL, NULL, NULL);
    put_count(t, value);
}

static void real(text *t, const char *name, const char *kind, const char *help, double value)
{
    head(t, name, kind, help);
    sample(t, name, NULL, NULL, NULL, NULL);
    put_real(t, value);
}

static void put_stages(text *t, const yolk_stats *s)
{
    static const char name[] = "yolk_stage_seconds";
    head(t, name, "summary", "Time of a frame in each stage.");
    for (int i = 0; i < YOLK_STAGE_COUNT; i++) {
        const yolk_stage_stats *f = &s->stages[i];
        const char *stage = yolk_stage_name((yolk_stage)i);
        const struct {
            const char *quantile;
            double ms;
        } quantiles[] = {{"0.5", f->p50_ms}, {"0.95", f->p95_ms}, {"0.99", f->p99_ms}};
        for (size_t q = 0; q < YK_COUNT(quantiles) && f->frames > 0; q++) {
            sample(t, name, "stage", stage, "quantile", quantiles[q].quantile);
            put_real(t, quantiles[q].ms / 1e3);
        }
        sample(t, "yolk_stage_seconds_sum", "stage", stage, NULL, NULL);
        put_real(t, f->total_ms / 1e3);
        sample(t, "yolk_stage_seconds_count", "stage", stage, NULL, NULL);
        put_count(t, f->frames);
    }
}

static void put_batches(text *t, const yolk_stats *s)
{
    uint64_t passed = 0;
    int most;
    head(t, "yolk_batch_frames", "histogram", "Frames of a network run.");
    for (size_t i = 0; yolk_stats_batch_sizes(i, NULL, &most); i++) {
        char limit[16] = "+Inf";
        passed += s->batch_sizes[i];
        if (i + 1 < YOLK_STATS_BATCHES)
            snprintf(limit, sizeof limit, "%d", most);
        sample(t, "yolk_batch_frames_bucket", "le", limit, NULL, NULL);
        put_count(t, passed);
    }
    sample(t, "yolk_batch_frames_sum", NULL, NULL, NULL, NULL);
    put_count(t, s->stages[YOLK_STAGE_INFER].frames);
    sample(t, "yolk_batch_frames_count", NULL, NULL, NULL, NULL);
    put_count(t, passed);
}

static void put_devices(text *t, const yolk_stats *s)
{
    static const struct {
        const char *name, *kind, *help;
    } metrics[] = {{"yolk_device_frames_total", "counter", "Frames that each device ran."},
                   {"yolk_device_batches_total", "counter", "Network runs of each device."},
                   {"yolk_device_busy_seconds_total", "counter", "Time in which each device was at it."},
                   {"yolk_device_memory_bytes", "gauge", "Memory that models take on each device, 0 when unknown."},
                   {"yolk_device_up", "gauge", "1 while the device answers, 0 once it is lost."}};
    for (size_t m = 0; m < YK_COUNT(metrics) && s->device_count > 0; m++) {
        head(t, metrics[m].name, metrics[m].kind, metrics[m].help);
        for (int i = 0; i < YK_MIN(s->device_count, YOLK_STATS_DEVICES); i++) {
            const yolk_device_stats *d = &s->devices[i];
            char number[16];
            snprintf(number, sizeof number, "%d", i);
            sample(t, metrics[m].name, "device", *d->name ? d->name : number, NULL, NULL);
            if (m == 2)
                put_real(t, d->busy_seconds);
            else
                put_count(t, m == 0 ? d->frames : m == 1 ? d->batches : m == 3 ? d->memory_bytes : !d->lost);
        }
    }
}

static yolk_status write_text(const yolk_stats *s, const char *model, yk_buffer *out)
{
    text t = {.model = model};
    count(&t, "yolk_frames_total", "counter", "Frames finished.", s->frames);
    count(&t, "yolk_batches_total", "counter", "Network runs.", s->batches);
    count(&t, "yolk_detections_total", "counter", "Objects found.", s->detections);
    real(&t, "yolk_run_seconds_total", "counter", "Time from the first frame's start to the last one's end.",
         s->seconds);
    real(&t, "yolk_frames_per_second", "gauge", "Frames a second over all that time.", s->fps);
    put_stages(&t, s);
    put_batches(&t, s);
    put_devices(&t, s);
    count(&t, "yolk_memory_resident_bytes", "gauge", "Resident memory of the process.", s->memory.now);
    count(&t, "yolk_memory_resident_peak_bytes", "gauge", "Highest resident memory of the process.", s->memory.peak);
    count(&t, "yolk_memory_available_bytes", "gauge", "Memory that the system still has to give.", s->memory.available);
    if (s->memory.limit > 0)
        count(&t, "yolk_memory_limit_bytes", "gauge", "Resident memory that is not to be passed.", s->memory.limit);
    *out = t.out;
    return yk_buffer_status(out);
}

char *yolk_stats_to_prometheus(const yolk_stats *stats, const char *model)
{
    yk_buffer out;
    if (write_text(stats, model, &out) == YOLK_OK)
        return (char *)out.data;
    yk_buffer_free(&out);
    return NULL;
}

void yolk_stats_text_free(char *text)
{
    yk_free(text);
}

yolk_status yolk_stats_save_prometheus(const yolk_stats *stats, const char *model, const char *path)
{
    yk_buffer out;
    yolk_status status = write_text(stats, model, &out);
    if (status == YOLK_OK)
        status = yk_write_file(path, out.data, out.size);
    yk_buffer_free(&out);
    return status;
}
