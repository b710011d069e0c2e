/* The run as its caller sees it: starting the threads, serving the sinks, telling progress, ending. */
#include "pipeline/pipeline.h"

#include <string.h>

void yolk_pipeline_options_defaults(yolk_pipeline_options *options)
{
    *options = (yolk_pipeline_options){.struct_size = sizeof(*options), .loop = 1};
}

/* ---- items ---- */

yk_item *yk_item_get(yk_run *run)
{
    pthread_mutex_lock(&run->spare_mutex);
    yk_item *item = run->spare;
    if (item)
        run->spare = item->next;
    pthread_mutex_unlock(&run->spare_mutex);
    if (item)
        item->next = NULL;
    return item ? item : yk_calloc(1, sizeof(*item));
}

const yolk_image *yk_item_image(const yk_item *item)
{
    return item->decoded ? &item->decoded->image : item->loaded;
}

void yk_item_drop_image(yk_item *item)
{
    yolk_frame_release(&item->decoded);
    yolk_image_destroy(&item->loaded);
}

void yk_item_put(yk_run *run, yk_item *item)
{
    yk_item_drop_image(item);
    yk_free(item->error);
    yk_detections found = item->found; /* its memory is worth keeping */
    found.count = 0;
    *item = (yk_item){.found = found};
    pthread_mutex_lock(&run->spare_mutex);
    item->next = run->spare;
    run->spare = item;
    pthread_mutex_unlock(&run->spare_mutex);
}

void yk_item_fail(yk_item *item, yolk_status status)
{
    item->status = status;
    yk_free(item->error);
    item->error = yk_strdup(yolk_last_error());
}

void yk_run_fail(yk_run *run, yolk_status status)
{
    atomic_store(&run->failure, status);
    atomic_store(&run->stop, true);
    yk_interrupt_raise(run->interrupt);
}

/* ---- progress ---- */

enum { SAMPLES = 16, SAMPLE_MS = 250, TICK_MS = 200 };

/* How fast it goes, over the last few seconds. */
typedef struct pace {
    uint64_t start_ns;
    uint64_t times[SAMPLES]; /* a ring of moments and of the frames done by then */
    int64_t frames[SAMPLES];
    unsigned count;
    int64_t done;
} pace;

static void pace_note(pace *p, uint64_t now)
{
    unsigned last = (p->count + SAMPLES - 1) % SAMPLES;
    if (p->count > 0 && now - p->times[last] < SAMPLE_MS * UINT64_C(1000000))
        return;
    p->times[p->count % SAMPLES] = now;
    p->frames[p->count % SAMPLES] = p->done;
    p->count++;
}

static double pace_fps(const pace *p, uint64_t now)
{
    unsigned oldest = p->count > SAMPLES ? p->count % SAMPLES : 0;
    double seconds = (double)(now - p->times[oldest]) * 1e-9;
    return seconds > 0 ? (double)(p->done - p->frames[oldest]) / seconds : 0;
}

/* ---- serving ---- */

typedef struct server {
    yk_run *run;
    yolk_sink *const *sinks;
    size_t sink_count;
    yolk_pipeline_report report;
    pace pace;
    size_t source;      /* of the last item */
    uint64_t found;     /* detections */
    yolk_status status; /* how the run ends, so far */
    char *error;
    bool stopped; /* before its end */
} server;

/* The first failure is the one that is told. */
static void remember(server *s, yolk_status status, const char *error)
{
    if (s->status != YOLK_OK)
        return;
    s->status = status;
    s->error = error ? yk_strdup(error) : NULL;
}

static void stop(server *s, yolk_status status, const char *error)
{
    /* What stops the run outweighs inputs that failed on the way. */
    yk_free(s->error);
    s->error = NULL;
    s->status = YOLK_OK;
    remember(s, status, error);
    s->stopped = true;
    atomic_store(&s->run->stop, true);
    yk_interrupt_raise(s->run->interrupt);
    yk_queue_close(s->run->decoded);
    yk_queue_close(s->run->finished);
}

static void tell_progress(server *s)
{
    const yk_run *run = s->run;
    uint64_t now = yk_now_ns();
    pace_note(&s->pace, now);
    if (!run->options.progress)
        return;
    yolk_progress p = {.source = run->sources.items[s->source].path,
                       .source_index = s->source,
                       .source_count = run->sources.count,
                       .frame = s->pace.done,
                       .seconds = (double)(now - s->pace.start_ns) * 1e-9,
                       .fps = pace_fps(&s->pace, now),
                       .eta = -1};
    if (atomic_load(&run->unknown) == 0)
        p.frame_count = YK_MAX((int64_t)atomic_load(&run->total), p.frame);
    if (p.frame_count > 0 && p.fps > 0)
        p.eta = (double)(p.frame_count - p.frame) / p.fps;
    if (run->options.progress(run->options.progress_user, &p) != 0)
        stop(s, YOLK_ERROR_CANCELED, "the run was stopped on request");
}

static void serve_end(server *s, const yk_item *item)
{
    if (item->status == YOLK_OK)
        return;
    const char *error = item->error ? item->error : yolk_status_sentence(item->status);
    yk_log(YOLK_LOG_ERROR, "%s", error);
    s->report.failed_sources++;
    remember(s, item->status, error);
}

static void serve_frame(server *s, const yk_item *item)
{
    const yk_run *run = s->run;
    yolk_result result = {.source = run->sources.items[item->source].path,
                          .still = run->sources.items[item->source].still,
                          .frame = item->frame,
                          .time = item->time,
                          .fps_num = item->fps_num,
                          .fps_den = item->fps_den,
                          .sar_num = item->sar_num,
                          .sar_den = item->sar_den,
                          .width = item->width,
                          .height = item->height,
                          .image = yk_item_image(item),
                          .detections = item->found.items,
                          .count = item->found.count};
    uint64_t start = yk_now_ns();
    for (size_t i = 0; i < s->sink_count; i++) {
        yolk_status status = yolk_sink_write(s->sinks[i], &result);
        if (status != YOLK_OK) {
            stop(s, status, yolk_last_error());
            return;
        }
    }
    yk_manager_note(run->manager, YOLK_STAGE_OUTPUT, 1, yk_now_ns() - start);
    s->pace.done++;
    s->found += item->found.count;
    s->report.input_width = item->input.width;
    s->report.input_height = item->input.height;
    s->report.batch = YK_MAX(s->report.batch, item->batch);
    tell_progress(s);
}

static void serve(server *s)
{
    yk_run *run = s->run;
    void *next;
    while (!s->stopped && yk_queue_pop_within(run->finished, &next, TICK_MS)) {
        yk_item *item = next;
        if (!item) {
            tell_progress(s);
            continue;
        }
        if (!item->fatal)
            s->source = item->source;
        if (item->fatal)
            stop(s, item->status, item->error);
        else if (item->end)
            serve_end(s, item);
        else
            serve_frame(s, item);
        yk_item_put(run, item);
    }
}

/* ---- the run ---- */

static yolk_status check_options(const yolk_pipeline_options *o)
{
    if (o->crop[0] < 0 || o->crop[1] < 0 || o->crop[2] < 0 || o->crop[3] < 0 || (o->crop[2] > 0) != (o->crop[3] > 0))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "crop %d,%d,%d,%d is not x,y,width,height within a frame",
                       o->crop[0], o->crop[1], o->crop[2], o->crop[3]);
    if ((int)o->eye < YOLK_EYE_BOTH || o->eye > YOLK_EYE_BOTTOM)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "eye %d is none of both, left, right, top and bottom", (int)o->eye);
    if (o->max_frames < 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "max_frames %lld is negative", (long long)o->max_frames);
    return YOLK_OK;
}

static yolk_status prepare(yk_run *run, const char *const *inputs, size_t input_count)
{
    enum { BATCHES = 64 };
    yolk_model_info info;
    yolk_status status = yolk_manager_info(run->manager, &info);
    if (status != YOLK_OK || (status = check_options(&run->options)) != YOLK_OK)
        return status;
    if (input_count == 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "no input was given");
    yolk_config config;
    yk_manager_config(run->manager, &config);
    run->queue = (size_t)YK_MAX(config.queue, 1);
    if ((status = yk_sources_expand(inputs, input_count, &run->sources)) != YOLK_OK ||
        (status = yk_interrupt_create(&run->interrupt)) != YOLK_OK ||
        (status = yk_queue_create(run->queue, &run->decoded)) != YOLK_OK ||
        (status = yk_queue_create(BATCHES, &run->started)) != YOLK_OK)
        return status;
    return yk_queue_create(run->queue, &run->finished);
}

static void release(yk_run *run)
{
    void *left;
    while (run->finished && yk_queue_try_pop(run->finished, &left))
        yk_item_put(run, left);
    for (yk_item *next; run->spare; run->spare = next) {
        next = run->spare->next;
        yk_detections_free(&run->spare->found);
        yk_free(run->spare);
    }
    yk_queue_destroy(&run->decoded);
    yk_queue_destroy(&run->started);
    yk_queue_destroy(&run->finished);
    yk_interrupt_destroy(&run->interrupt);
    yk_sources_free(&run->sources);
    pthread_mutex_destroy(&run->spare_mutex);
}

/* Runs the threads to their end. */
static void run_threads(server *s)
{
    yk_run *run = s->run;
    void *(*const bodies[])(void *) = {yk_finish_thread, yk_start_thread, yk_decode_thread};
    pthread_t threads[YK_COUNT(bodies)];
    size_t started = 0;
    while (started < YK_COUNT(bodies) && pthread_create(&threads[started], NULL, bodies[started], run) == 0)
        started++;
    if (started < YK_COUNT(bodies)) {
        yk_queue_close(run->started);
        stop(s, YOLK_ERROR_OUT_OF_MEMORY, "no thread can be started");
    }
    serve(s);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    yolk_status failure = (yolk_status)atomic_load(&run->failure);
    if (failure != YOLK_OK && !s->stopped)
        stop(s, failure, yolk_status_sentence(failure));
}

static void fill_report(server *s)
{
    yolk_pipeline_report *r = &s->report;
    yolk_manager_stats(s->run->manager, &r->stats);
    r->stats.frames = (uint64_t)s->pace.done;
    r->stats.detections = s->found;
    r->stats.seconds = (double)(yk_now_ns() - s->pace.start_ns) * 1e-9;
    r->stats.fps = r->stats.seconds > 0 ? (double)r->stats.frames / r->stats.seconds : 0;
    r->sources = s->run->sources.count;
}

yolk_status yolk_pipeline_run(yolk_manager *manager, const char *const *inputs, size_t input_count,
                              yolk_sink *const *sinks, size_t sink_count, const yolk_pipeline_options *options,
                              yolk_pipeline_report *report)
{
    yk_run run = {.manager = manager, .spare_mutex = PTHREAD_MUTEX_INITIALIZER};
    server s = {.run = &run, .sinks = sinks, .sink_count = sink_count};
    if (report)
        *report = (yolk_pipeline_report){0};
    yolk_pipeline_options_defaults(&run.options);
    if (options)
        memcpy(&run.options, options, YK_MIN(options->struct_size, sizeof(run.options)));
    for (size_t i = 0; i < sink_count; i++)
        run.wants_image = run.wants_image || sinks[i]->wants_image;
    yolk_status status = prepare(&run, inputs, input_count);
    if (status == YOLK_OK) {
        s.pace.start_ns = yk_now_ns();
        run_threads(&s);
        fill_report(&s);
        if (report)
            *report = s.report;
        status = s.status;
        if (status != YOLK_OK)
            yk_fail(status, "%s", s.error ? s.error : yolk_status_sentence(status));
    }
    yk_free(s.error);
    release(&run);
    return status;
}
