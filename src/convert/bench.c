/* One model, batch size by batch size. */
#include <stdio.h>
#include <string.h>

#include "convert/bench_report.h"
#include "model/model.h"

enum { MOST_BATCH = 1024, NOISE_FRAMES = 4 };

static const int usual_batches[] = {1, 2, 4, 8, 16};

typedef struct bench {
    yolk_benchmark_options options;
    const char *model;
    yolk_config config;
    yk_bench_report *report;
    yk_clock clock;
    yk_frames pictures;     /* given; of noise there are others for each input size */
    yolk_size own_size;     /* where no sizes are asked for */
    const yolk_size *sizes; /* of the options, or that */
    size_t size_count;
    uint64_t frame_bytes; /* that a frame of that size keeps alive in the network */
    int fixed_batch;      /* the only one that the model takes; 0: any */
    const int *batches;
    size_t batch_count;
} bench;

void yolk_benchmark_options_defaults(yolk_benchmark_options *options)
{
    *options = (yolk_benchmark_options){.struct_size = sizeof *options, .runs = 100, .warmup = 5, .picture_count = 16};
}

/* ---- what is asked for ---- */

static yolk_status take_options(const yolk_benchmark_options *given, yolk_benchmark_options *out)
{
    yolk_benchmark_options_defaults(out);
    if (given && given->struct_size < sizeof given->struct_size)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the options were not filled by yolk_benchmark_options_defaults()");
    if (given)
        memcpy(out, given, YK_MIN(given->struct_size, sizeof *out));
    if (out->runs < 1 || out->warmup < 0 || !(out->max_seconds >= 0))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%d runs after %d to warm up, in %g seconds, cannot be measured; take 1 run or more", out->runs,
                       out->warmup, out->max_seconds);
    if (out->picture_count < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%d pictures cannot be run on; take 1 or more", out->picture_count);
    for (size_t i = 0; out->batches && i < out->batch_count; i++) {
        if (out->batches[i] < 1 || out->batches[i] > MOST_BATCH)
            return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "batch: %d is not a whole number from 1 to %d", out->batches[i],
                           MOST_BATCH);
    }
    return YOLK_OK;
}

/* Settings of a run with `batch` frames of this size. */
static yolk_config row_config(const bench *b, yolk_size size, int batch)
{
    yolk_config config = b->config;
    config.batch = batch;
    config.imgsz_width = size.width;
    config.imgsz_height = size.height;
    return config;
}

/* What the model says about itself, read once: the only time that its file may not be in the system's cache. */
static yolk_status look_at_model(bench *b)
{
    yk_bench_report *r = b->report;
    yolk_config config = b->config;
    yolk_manager *manager = NULL;
    config.batch = 1;
    if (b->options.sizes && b->options.size_count > 0) {
        config.imgsz_width = b->options.sizes[0].width;
        config.imgsz_height = b->options.sizes[0].height;
    }
    yolk_status status = yk_measure_load(&config, b->model, &manager, &r->public.load_ms);
    if (status == YOLK_OK)
        status = yk_measure_model(&r->texts, manager, &r->public.model);
    if (status == YOLK_OK)
        status = yolk_manager_input_size(manager, 1, 1, 1, &b->own_size);
    yk_set *set = status == YOLK_OK ? yk_manager_set(manager) : NULL;
    if (set) {
        const int batch = YK_MAX(set->models[0]->fixed_batch, 1);
        b->fixed_batch = set->models[0]->fixed_batch;
        yk_set_release(&set);
        /* An engine whose layers cannot be read runs all the same. */
        status = yk_bench_live_peak(manager, b->own_size, batch, &b->frame_bytes);
        status = status == YOLK_ERROR_OUT_OF_MEMORY ? status : YOLK_OK;
        b->frame_bytes /= (uint64_t)batch;
    }
    yolk_manager_destroy(&manager);
    return status;
}

static yolk_status choose_rows(bench *b)
{
    const yolk_benchmark_options *o = &b->options;
    const bool own = !o->batches || o->batch_count == 0;
    b->sizes = o->sizes && o->size_count > 0 ? o->sizes : &b->own_size;
    b->size_count = b->sizes == o->sizes ? o->size_count : 1;
    b->batches = !own ? o->batches : b->fixed_batch ? &b->fixed_batch : usual_batches;
    b->batch_count = !own ? o->batch_count : b->fixed_batch ? 1 : YK_COUNT(usual_batches);
    b->report->rows = yk_calloc(b->size_count * b->batch_count, sizeof *b->report->rows);
    b->report->public.rows = b->report->rows;
    for (size_t s = 0; s < b->size_count; s++) {
        for (size_t i = 0; i < b->batch_count; i++)
            b->clock.total +=
                (double)b->sizes[s].width * b->sizes[s].height * b->batches[i] * (o->runs + o->warmup + 1);
    }
    return b->report->rows ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

/* ---- does it fit? ---- */

static double added(const yolk_benchmark_row *row)
{
    return row->memory_peak > row->memory_before ? (double)(row->memory_peak - row->memory_before) : 0;
}

double yk_bench_expected(const yolk_benchmark_row *rows, const yolk_benchmark_row *row, double frame_bytes)
{
    const yolk_benchmark_row *last = NULL, *earlier = NULL;
    for (const yolk_benchmark_row *r = rows; r < row; r++) {
        if (r->skipped || r->input.width != row->input.width || r->input.height != row->input.height)
            continue;
        earlier = last;
        last = r;
    }
    if (!last)
        return frame_bytes * row->batch;
    double each = frame_bytes;
    if (earlier && earlier->batch != last->batch)
        each = (added(last) - added(earlier)) / (last->batch - earlier->batch);
    return added(last) + YK_MAX(each, 0) * (row->batch - last->batch);
}

/* Why the row cannot be run, as the last error, or YOLK_OK. */
static yolk_status check_row(const bench *b, const yolk_benchmark_row *row)
{
    const double pixels = (double)row->input.width * row->input.height;
    const double own_pixels = (double)b->own_size.width * b->own_size.height;
    /* Backends were seen to take up to twice that: inputs and results of the next run, scratch memory. */
    const double frame_bytes = 2 * (double)b->frame_bytes * pixels / own_pixels;
    const double needed = yk_bench_expected(b->report->rows, row, frame_bytes);
    const double there = 0.8 * (double)yk_memory_available();
    if (b->fixed_batch && row->batch != b->fixed_batch)
        return yk_fail(YOLK_ERROR_LIMIT, "the model was exported for batches of %d only", b->fixed_batch);
    if (there > 0 && needed > there)
        return yk_fail(YOLK_ERROR_LIMIT, "it would take about %.0f MiB, and %.0f MiB may be taken", needed / 1048576,
                       there / 1048576);
    return YOLK_OK;
}

static bool is_shortage(yolk_status status)
{
    return status == YOLK_ERROR_LIMIT || status == YOLK_ERROR_OUT_OF_MEMORY;
}

/* ---- a row ---- */

static yolk_status run_all(bench *b, yk_series *s, yolk_benchmark_row *row)
{
    const yolk_benchmark_options *o = &b->options;
    const double work = (double)row->input.width * row->input.height * row->batch;
    char stage[96];
    snprintf(stage, sizeof stage, "batch %d at %dx%d", row->batch, row->input.height, row->input.width);
    yolk_status status = yk_series_call(s, false);
    row->first_ms = s->last_call_ms;
    if (status == YOLK_OK)
        status = yk_clock_step(&b->clock, stage, work);
    for (int i = 0; i < o->warmup && status == YOLK_OK; i++) {
        status = yk_series_call(s, false);
        if (status == YOLK_OK)
            status = yk_clock_step(&b->clock, stage, work);
    }
    uint64_t start = yk_now_ns();
    for (int i = 0; i < o->runs && status == YOLK_OK; i++) {
        status = yk_series_call(s, true);
        if (status == YOLK_OK)
            status = yk_clock_step(&b->clock, stage, work);
        if (o->max_seconds > 0 && i + 1 < o->runs && yk_ms_since(start) >= 1e3 * o->max_seconds) {
            row->cut = 1;
            b->clock.done += work * (o->runs - i - 1);
            break;
        }
    }
    return status;
}

static yolk_status sum_up(bench *b, const yk_series *s, yolk_benchmark_row *row)
{
    yolk_status status = yk_times_make(s->calls, s->count, &row->call);
    if (status == YOLK_OK)
        status = yk_times_make(s->network, s->count, &row->network);
    double *calls = status == YOLK_OK ? yk_calloc((size_t)s->count, sizeof *calls) : NULL;
    if (!calls)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(calls, s->calls, (size_t)s->count * sizeof *calls);
    yk_texts_take(&b->report->texts, (char *)calls); /* ends with the report */
    row->calls_ms = calls;
    row->fps = s->total_ms > 0 ? 1e3 * s->count * row->batch / s->total_ms : 0;
    row->ms_per_frame = row->call.p50 / row->batch;
    row->network_runs = (double)s->runs / s->count;
    row->detections = (double)s->detections / ((double)s->count * row->batch);
    row->first_ratio = row->call.p50 > 0 ? row->first_ms / row->call.p50 : 0;
    return yk_texts_status(&b->report->texts);
}

static yolk_status measure_row(bench *b, yolk_benchmark_row *row)
{
    const yolk_config config = row_config(b, row->input, row->batch);
    yk_frames noise = {0};
    yk_series series = {0};
    yolk_manager *manager = NULL;
    double ms;
    yolk_status status = YOLK_OK;
    if (b->pictures.count == 0)
        status = yk_frames_noise(row->input, NOISE_FRAMES, &noise);
    yolk_memory_reset_peak(); /* where that cannot be done it is what was seen */
    yolk_memory_usage(&row->memory_before, NULL);
    if (status == YOLK_OK)
        status = yk_measure_load(&config, b->model, &manager, &ms);
    yolk_memory_usage(&row->memory_loaded, NULL);
    uint64_t start = yk_now_ns();
    if (status == YOLK_OK)
        status = yolk_manager_prepare(manager, row->input, row->batch);
    row->prepare_ms = yk_ms_since(start);
    yolk_memory_usage(&row->memory_ready, NULL);
    if (status == YOLK_OK)
        status = yk_series_open(&series, manager, row->input, row->batch, noise.count ? &noise : &b->pictures);
    if (status == YOLK_OK)
        status = run_all(b, &series, row);
    yolk_memory_usage(&row->memory_after, &row->memory_peak);
    if (status == YOLK_OK)
        status = sum_up(b, &series, row);
    yk_series_close(&series);
    yk_frames_free(&noise);
    yolk_manager_destroy(&manager);
    return status;
}

static yolk_status skip_row(bench *b, yolk_benchmark_row *row)
{
    const yolk_benchmark_options *o = &b->options;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", yolk_last_error());
    *row = (yolk_benchmark_row){.input = row->input, .batch = row->batch};
    row->skipped = yk_texts_add(&b->report->texts, reason);
    b->clock.total -= (double)row->input.width * row->input.height * row->batch * (o->runs + o->warmup + 1);
    return yk_texts_status(&b->report->texts);
}

static yolk_status measure_rows(bench *b)
{
    yolk_benchmark_report *made = &b->report->public;
    size_t run = 0;
    for (size_t i = 0; i < b->size_count * b->batch_count; i++) {
        yolk_benchmark_row *row = &b->report->rows[i];
        row->input = b->sizes[i / b->batch_count];
        row->batch = b->batches[i % b->batch_count];
        double done = b->clock.done;
        yolk_status status = check_row(b, row);
        if (status == YOLK_OK)
            status = measure_row(b, row);
        run += status == YOLK_OK;
        if (is_shortage(status)) {
            b->clock.done = done;
            /* With nothing to show the last reason is the failure. */
            if (run == 0 && i + 1 == b->size_count * b->batch_count)
                return status;
            status = skip_row(b, row);
        }
        if (status != YOLK_OK)
            return status;
        made->row_count = i + 1;
    }
    return YOLK_OK;
}

/* ---- all together ---- */

static yolk_status benchmark(bench *b)
{
    const yolk_benchmark_options *o = &b->options;
    yk_bench_report *r = b->report;
    yolk_status status = yk_measure_machine(&r->texts, &r->public.machine);
    if (status == YOLK_OK)
        status = look_at_model(b);
    if (status == YOLK_OK)
        status = choose_rows(b);
    if (status == YOLK_OK && o->pictures)
        status = yk_frames_load(o->pictures, o->picture_count, &b->pictures);
    r->public.pictures = o->pictures ? yk_texts_add(&r->texts, o->pictures) : "";
    r->public.picture_count = o->pictures ? b->pictures.count : NOISE_FRAMES;
    if (status == YOLK_OK && o->steps) {
        const yolk_config config = row_config(b, b->sizes[0], b->fixed_batch ? b->fixed_batch : 1);
        status = yk_bench_steps(r, &config, b->model, &b->clock);
    }
    if (status == YOLK_OK)
        status = measure_rows(b);
    return status;
}

yolk_status yolk_benchmark(const char *model, const yolk_benchmark_options *options, yolk_benchmark_report **report)
{
    bench b = {.model = model};
    *report = NULL;
    yolk_status status = take_options(options, &b.options);
    if (status != YOLK_OK)
        return status;
    b.report = yk_calloc(1, sizeof *b.report);
    if (!b.report)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_benchmark_report *made = &b.report->public;
    yk_measure_config(b.options.config, &b.config);
    b.clock = (yk_clock){.callback = b.options.progress, .user = b.options.user, .start_ns = yk_now_ns()};
    made->runs = b.options.runs;
    made->max_seconds = b.options.max_seconds;
    status = benchmark(&b);
    yk_frames_free(&b.pictures);
    made->seconds = yk_clock_seconds(&b.clock);
    bool shown = status == YOLK_OK || (status == YOLK_ERROR_CANCELED && made->row_count > 0);
    if (shown) {
        yolk_status written = yk_bench_finish(b.report);
        status = written == YOLK_OK ? status : written;
        shown = written == YOLK_OK;
    }
    if (shown)
        *report = made;
    else
        yolk_benchmark_report_destroy(&made);
    return status;
}
