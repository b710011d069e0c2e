/* Progress, timed calls, and the facts of a report. */
#include <string.h>
#include <time.h>

#include "convert/measure.h"
#include "yolk/yolk.h"

/* ---- texts ---- */

const char *yk_texts_take(yk_texts *t, char *text)
{
    if (!text || yk_grow(&t->items, &t->capacity, t->count + 1, sizeof *t->items) != YOLK_OK) {
        yk_free(text);
        t->failed = true;
        return "";
    }
    t->items[t->count++] = text;
    return text;
}

const char *yk_texts_add(yk_texts *t, const char *text)
{
    return yk_texts_take(t, yk_strdup(text));
}

yolk_status yk_texts_status(const yk_texts *t)
{
    return t->failed ? YOLK_ERROR_OUT_OF_MEMORY : YOLK_OK;
}

void yk_texts_free(yk_texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        yk_free(t->items[i]);
    yk_free(t->items);
    *t = (yk_texts){0};
}

/* ---- progress ---- */

double yk_ms_since(uint64_t start_ns)
{
    return (double)(yk_now_ns() - start_ns) / 1e6;
}

double yk_clock_seconds(const yk_clock *c)
{
    return yk_ms_since(c->start_ns) / 1e3;
}

yolk_status yk_clock_step(yk_clock *c, const char *stage, double work)
{
    yolk_bench_progress p = {.stage = stage, .seconds = yk_clock_seconds(c), .eta = -1};
    c->done += work;
    if (!c->callback)
        return YOLK_OK;
    p.fraction = c->total > 0 ? YK_MIN(c->done / c->total, 1) : 0;
    if (p.fraction > 0.02)
        p.eta = p.seconds / p.fraction - p.seconds;
    if (c->callback(c->user, &p) == 0)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_CANCELED, "the measurement was stopped on request");
}

/* ---- timed calls ---- */

yolk_status yk_series_open(yk_series *s, yolk_manager *manager, yolk_size input, int batch, const yk_frames *frames)
{
    *s = (yk_series){.manager = manager, .input = input, .frame_count = batch, .frames = frames};
    s->batch = yk_calloc((size_t)batch, sizeof *s->batch);
    return s->batch ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

yolk_status yk_series_call(yk_series *s, bool counted)
{
    yolk_stats before, after;
    yolk_results *results = NULL;
    size_t needed = (size_t)s->count + 1;
    yolk_status status = yk_grow(&s->calls, &s->call_capacity, needed, sizeof *s->calls);
    if (status == YOLK_OK)
        status = yk_grow(&s->network, &s->network_capacity, needed, sizeof *s->network);
    if (status == YOLK_OK)
        status = yolk_manager_stats(s->manager, &before);
    if (status != YOLK_OK)
        return status;
    for (int i = 0; i < s->frame_count; i++, s->next = (s->next + 1) % s->frames->count)
        s->batch[i] = s->frames->images[s->next];
    uint64_t start = yk_now_ns();
    status = yolk_manager_predict_batch(s->manager, s->batch, (size_t)s->frame_count, &s->input, &results);
    s->last_call_ms = yk_ms_since(start);
    yolk_results_destroy(&results);
    if (status == YOLK_OK)
        status = yolk_manager_stats(s->manager, &after);
    if (status != YOLK_OK)
        return status;
    if (!counted)
        return YOLK_OK;
    s->calls[s->count] = s->last_call_ms;
    s->network[s->count++] = after.stages[YOLK_STAGE_INFER].total_ms - before.stages[YOLK_STAGE_INFER].total_ms;
    s->total_ms += s->last_call_ms;
    s->runs += after.batches - before.batches;
    s->detections += after.detections - before.detections;
    return YOLK_OK;
}

void yk_series_close(yk_series *s)
{
    yk_free(s->calls);
    yk_free(s->network);
    yk_free(s->batch);
    *s = (yk_series){0};
}

/* ---- managers and facts ---- */

void yk_measure_config(const yolk_config *given, yolk_config *out)
{
    if (given)
        *out = *given;
    else
        yolk_config_global_get(out);
}

yolk_status yk_measure_load(const yolk_config *config, const char *model, yolk_manager **out, double *ms)
{
    uint64_t start = yk_now_ns();
    yolk_status status = yolk_manager_create(config, out);
    if (status == YOLK_OK)
        status = yolk_manager_load(*out, model, 0);
    *ms = yk_ms_since(start);
    if (status != YOLK_OK)
        yolk_manager_destroy(out);
    return status;
}

yolk_status yk_measure_model(yk_texts *texts, const yolk_manager *manager, yolk_bench_model *out)
{
    yolk_model_info info;
    yolk_status status = yolk_manager_info(manager, &info);
    if (status != YOLK_OK)
        return status;
    *out = (yolk_bench_model){.name = yk_texts_add(texts, info.name),
                              .path = yk_texts_add(texts, info.path),
                              .format = yk_texts_add(texts, info.format),
                              .family = yk_texts_add(texts, info.family),
                              .precision = yk_texts_add(texts, info.precision),
                              .backend = yk_texts_add(texts, info.backend),
                              .device = yk_texts_add(texts, info.device),
                              .check = yk_texts_add(texts, info.check),
                              .class_count = info.class_count,
                              .parameters = info.parameters,
                              .file_bytes = info.file_bytes};
    return yk_texts_status(texts);
}

yolk_status yk_measure_machine(yk_texts *texts, yolk_bench_machine *out)
{
    char when[32] = "";
    time_t now = time(NULL);
    struct tm t;
    if (gmtime_r(&now, &t))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &t);
    *out = (yolk_bench_machine){.processor = yk_texts_add(texts, yk_cpu_name()),
                                .cores = yk_physical_cores(),
                                .memory_bytes = yk_memory_total(),
                                .version = yolk_version(),
                                .when = yk_texts_add(texts, when)};
    return yk_texts_status(texts);
}
