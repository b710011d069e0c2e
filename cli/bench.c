/* yolk bench: how fast a model is, or a video from end to end. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { MOST_LISTED = 32 };

/* ---- lists: "1,2,4", "320,384x640" ---- */

/* The next part of a list, in `part`; false at its end or when it is too long to be one. */
static bool next_part(const char **list, char *part, size_t size)
{
    size_t length = strcspn(*list, ",");
    if (!**list && !length)
        return false;
    snprintf(part, size, "%.*s", (int)(length < INT_MAX ? length : INT_MAX), *list);
    *list += length + ((*list)[length] == ',');
    return true;
}

static bool read_batches(const arguments *args, int *out, size_t *count)
{
    const char *list = args->values[OPT_BATCH];
    char part[32];
    *count = 0;
    if (!list || strcmp(list, "auto") == 0)
        return true;
    while (*count < MOST_LISTED && next_part(&list, part, sizeof(part))) {
        char *end;
        long batch = strtol(part, &end, 10);
        if (end == part || *end || batch < 1 || batch > 1024) {
            fail_usage(args->command, "--batch: '%s' is not a whole number from 1 to 1024, or a list of them: 1,2,4",
                       part);
            return false;
        }
        out[(*count)++] = (int)batch;
    }
    if (*count > 0 && !*list)
        return true;
    fail_usage(args->command, "--batch: a list of 1 to %d numbers is wanted: 1,2,4", MOST_LISTED);
    return false;
}

/* Each one a square, or height x width. */
static bool read_sizes(const arguments *args, yolk_size *out, size_t *count)
{
    arguments one = *args;
    const char *list = args->values[OPT_IMGSZ];
    char part[32];
    *count = 0;
    if (!list)
        return true;
    while (*count < MOST_LISTED && next_part(&list, part, sizeof(part))) {
        yolk_config settings;
        yolk_config_defaults(&settings);
        one.values[OPT_IMGSZ] = part;
        if (!arguments_setting(&one, OPT_IMGSZ, &settings))
            return false;
        if (settings.imgsz_width == 0)
            continue; /* the model's own */
        out[(*count)++] =
            (yolk_size){settings.imgsz_width, settings.imgsz_height ? settings.imgsz_height : settings.imgsz_width};
    }
    if (!*list)
        return true;
    fail_usage(args->command, "--imgsz: a list of 1 to %d sizes is wanted: 320,640", MOST_LISTED);
    return false;
}

/* ---- a model ---- */

static int print_rows(const yolk_benchmark_report *r)
{
    static const char *const heading[] = {"INPUT", "BATCH", "RUNS", "FPS", "MS/FRAME", "MEAN",  "STD",
                                          "MIN",   "P50",   "P95",  "P99", "NETWORK",  "FIRST", "MEMORY"};
    table t = {.columns = COUNT(heading)};
    for (size_t i = 0; i < COUNT(heading); i++)
        table_add(&t, "%s", heading[i]);
    for (size_t i = 0; i < r->row_count; i++) {
        const yolk_benchmark_row *row = &r->rows[i];
        const double times[] = {row->ms_per_frame, row->call.mean, row->call.std, row->call.min,
                                row->call.p50,     row->call.p95,  row->call.p99, row->network.p50};
        char memory[32];
        if (row->skipped)
            continue;
        format_bytes(memory, sizeof(memory), row->memory_peak);
        table_add(&t, "%dx%d", row->input.height, row->input.width);
        table_add(&t, "%d", row->batch);
        table_add(&t, "%d%s", row->call.runs, row->cut ? "*" : "");
        table_add(&t, "%.1f", row->fps);
        for (size_t k = 0; k < COUNT(times); k++)
            table_add(&t, "%.2f", times[k]);
        table_add(&t, "%.2fx", row->first_ratio);
        table_add(&t, "%s", memory);
    }
    return table_print(&t, ~1u);
}

static int print_steps(const yolk_benchmark_report *r)
{
    static const char *const heading[] = {"STEP", "MS", "ADDED", "MEMORY"};
    static const char *const columns[] = {"LAYER", "OPERATION", "OUTPUT", "BYTES", "ALIVE"};
    table steps = {.columns = COUNT(heading)}, layers = {.columns = COUNT(columns)};
    char a[32], b[32];
    for (size_t i = 0; i < COUNT(heading); i++)
        table_add(&steps, "%s", heading[i]);
    for (size_t i = 0; i < r->step_count; i++) {
        const yolk_benchmark_step *s = &r->steps[i];
        format_bytes(a, sizeof(a), (unsigned long long)llabs(s->memory_added));
        format_bytes(b, sizeof(b), s->memory);
        table_add(&steps, "%s", s->name);
        table_add(&steps, "%.2f", s->ms);
        table_add(&steps, "%s%s", s->memory_added < 0 ? "-" : "", a);
        table_add(&steps, "%s", b);
    }
    putchar('\n');
    int status = table_print(&steps, ~1u);
    for (size_t i = 0; i < COUNT(columns); i++)
        table_add(&layers, "%s", columns[i]);
    for (size_t i = 0; i < r->layer_count; i++) {
        const yolk_benchmark_layer *l = &r->layers[i];
        format_bytes(a, sizeof(a), l->output_bytes);
        format_bytes(b, sizeof(b), l->live_bytes);
        table_add(&layers, "%s", l->name);
        table_add(&layers, "%s", l->operation);
        table_add(&layers, "%s", l->shape);
        table_add(&layers, "%s", a);
        table_add(&layers, "%s", b);
    }
    putchar('\n');
    int second = table_print(&layers, 3u << 3);
    format_bytes(a, sizeof(a), r->live_peak_bytes);
    format_bytes(b, sizeof(b), r->weight_bytes);
    printf("at most %s alive at once, beside %s of weights\n", a, b);
    return status != STATUS_DONE ? status : second;
}

static int print_benchmark(const yolk_benchmark_report *r)
{
    bool cut = false;
    int status = print_rows(r);
    for (size_t i = 0; i < r->row_count; i++) {
        const yolk_benchmark_row *row = &r->rows[i];
        cut = cut || row->cut;
        if (row->skipped)
            printf("batch %d at %dx%d was not run: %s\n", row->batch, row->input.height, row->input.width,
                   row->skipped);
    }
    if (cut)
        printf("* the time allowed (%g s) was over before %d runs\n", r->max_seconds, r->runs);
    if (status == STATUS_DONE && r->step_count > 0)
        status = print_steps(r);
    return status;
}

static void say_summary(const yolk_benchmark_report *r)
{
    say("%s: %s by %s on %s, loaded in %.0f ms, on %s; times in ms a run, letterbox to boxes", r->model.name,
        r->model.precision, r->model.backend, r->model.device, r->load_ms, *r->pictures ? r->pictures : "noise");
}

static int bench_model(const arguments *args)
{
    int batches[MOST_LISTED];
    yolk_size sizes[MOST_LISTED];
    yolk_config config;
    yolk_benchmark_options o;
    yolk_benchmark_report *report = NULL;
    bool draw = measure_draws(args);
    long long runs;
    yolk_benchmark_options_defaults(&o);
    int status = measure_settings(args, true, &config);
    if (status != STATUS_DONE)
        return status;
    if (!read_batches(args, batches, &o.batch_count) || !read_sizes(args, sizes, &o.size_count) ||
        !arguments_integer(args, OPT_RUNS, 1, 1000000, o.runs, &runs) || !measure_seconds(args, &o.max_seconds))
        return STATUS_USAGE;
    o.config = &config;
    o.batches = o.batch_count > 0 ? batches : NULL;
    o.sizes = o.size_count > 0 ? sizes : NULL;
    o.runs = (int)runs;
    o.pictures = args->values[OPT_PICTURES];
    o.steps = args->values[OPT_STEPS] != NULL;
    o.progress = measure_progress;
    o.user = &draw;
    status = measure_ended(yolk_benchmark(args->inputs[0], &o, &report));
    if (report) {
        int told = measure_prints_table(args) ? print_benchmark(report) : STATUS_DONE;
        int written = measure_write_json(args, report->json);
        if (args->values[OPT_REPORT] && yolk_benchmark_write_html(report, args->values[OPT_REPORT]) != YOLK_OK)
            written = fail_last();
        if (!args->values[OPT_QUIET])
            say_summary(report);
        status = status != STATUS_DONE ? status : told != STATUS_DONE ? told : written;
    }
    yolk_benchmark_report_destroy(&report);
    return status;
}

/* ---- a video ---- */

static void add_rate(table *t, const char *name, const yolk_rate *rate, double share)
{
    table_add(t, "%s", name);
    table_add(t, "%.1f", rate->fps);
    table_add(t, "%.1f", rate->low);
    table_add(t, "%.1f", rate->high);
    table_add(t, "%.0f%%", 100 * share);
}

static int print_video(const yolk_video_benchmark_report *r)
{
    static const char *const heading[] = {"MEASURED", "FPS", "SLOWEST", "FASTEST", "PIPELINE"};
    static const char *const columns[] = {"STAGE", "FRAMES", "MEAN", "P50", "P95", "P99", "TOTAL S"};
    table rates = {.columns = COUNT(heading)}, stages = {.columns = COUNT(columns)};
    for (size_t i = 0; i < COUNT(heading); i++)
        table_add(&rates, "%s", heading[i]);
    add_rate(&rates, "decoding alone", &r->decode, r->decode_share);
    add_rate(&rates, "network alone", &r->network, r->network_share);
    add_rate(&rates, "whole pipeline", &r->pipeline, 1);
    int status = table_print(&rates, ~1u);
    for (size_t i = 0; i < COUNT(columns); i++)
        table_add(&stages, "%s", columns[i]);
    for (int i = 0; i < YOLK_STAGE_COUNT; i++) {
        const yolk_stage_stats *s = &r->stages[i];
        table_add(&stages, "%s", yolk_stage_name((yolk_stage)i));
        table_add(&stages, "%llu", (unsigned long long)s->frames);
        table_add(&stages, "%.2f", s->mean_ms);
        table_add(&stages, "%.2f", s->p50_ms);
        table_add(&stages, "%.2f", s->p95_ms);
        table_add(&stages, "%.2f", s->p99_ms);
        table_add(&stages, "%.2f", s->total_ms / 1e3);
    }
    putchar('\n');
    int second = table_print(&stages, ~1u);
    return status != STATUS_DONE ? status : second;
}

static int bench_video(const arguments *args)
{
    yolk_config config;
    yolk_video_benchmark_options o;
    yolk_video_benchmark_report *report = NULL;
    bool draw = measure_draws(args);
    long long frames;
    yolk_video_benchmark_options_defaults(&o);
    if (args->values[OPT_STEPS] || args->values[OPT_RUNS] || args->values[OPT_PICTURES] || args->values[OPT_SECONDS])
        return fail_usage(args->command, "--steps, --runs, --seconds and --pictures are for a model, and %s is a video",
                          args->inputs[0]);
    int status = measure_settings(args, false, &config);
    if (status != STATUS_DONE)
        return status;
    if (!arguments_integer(args, OPT_MAX_FRAMES, 0, LLONG_MAX, o.max_frames, &frames))
        return STATUS_USAGE;
    o.config = &config;
    o.max_frames = frames;
    o.progress = measure_progress;
    o.user = &draw;
    status = measure_ended(yolk_benchmark_video(args->inputs[0], config.model, &o, &report));
    if (report) {
        int told = measure_prints_table(args) ? print_video(report) : STATUS_DONE;
        int written = measure_write_json(args, report->json);
        if (args->values[OPT_REPORT] && yolk_video_benchmark_write_html(report, args->values[OPT_REPORT]) != YOLK_OK)
            written = fail_last();
        if (!args->values[OPT_QUIET])
            say("%s over %s: %lld frames of %dx%d in each of %d rounds, network input %dx%d; the pipeline runs at "
                "%.0f%% "
                "of the slower part alone",
                report->model.name, path_base(report->video), (long long)report->frames, report->width, report->height,
                report->rounds, report->input.height, report->input.width, 100 * report->bound_share);
        status = told != STATUS_DONE ? told : written;
    }
    yolk_video_benchmark_report_destroy(&report);
    return status;
}

static bool is_video(const char *input)
{
    static const char *const endings[] = {".pt", ".onnx", ".engine"};
    for (size_t i = 0; i < COUNT(endings); i++)
        if (strcmp(path_ending(input), endings[i]) == 0)
            return false;
    return path_exists(input) && !path_is_folder(input);
}

int command_bench(const arguments *args)
{
    int status = measure_outputs(args);
    if (status != STATUS_DONE)
        return status;
    if (is_video(args->inputs[0]))
        return bench_video(args);
    if (args->values[OPT_MODEL] || args->values[OPT_MAX_FRAMES])
        return fail_usage(args->command, "--%s is for a video, and there is none of the name %s",
                          args->values[OPT_MODEL] ? "model" : "max-frames", args->inputs[0]);
    return bench_model(args);
}
