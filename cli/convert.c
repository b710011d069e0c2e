/* yolk convert: a model file into another. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* The source with another ending, to be freed; NULL when memory is short. */
static char *default_destination(const char *source, yolk_target target)
{
    const char *ending = target == YOLK_TARGET_ENGINE || target == YOLK_TARGET_TENSORRT ? ".engine" : ".onnx";
    size_t stem = strlen(source) - strlen(path_ending(source));
    char *path = NULL;
    return asprintf(&path, "%.*s%s", (int)stem, source, ending) < 0 ? NULL : path;
}

/* "auto" leaves it at the default. */
static void read_precision(const char *name, yolk_precision *out)
{
    for (int p = 0; yolk_precision_name((yolk_precision)p); p++) {
        if (strcmp(yolk_precision_name((yolk_precision)p), name) == 0)
            *out = (yolk_precision)p;
    }
}

/* "onnx", "engine" or "tensorrt". */
static bool read_target(const arguments *args, yolk_target *out)
{
    const char *text = args->values[OPT_TO];
    *out = YOLK_TARGET_AUTO;
    if (!text)
        return true;
    for (int t = YOLK_TARGET_ONNX; yolk_target_name((yolk_target)t); t++) {
        if (strcmp(yolk_target_name((yolk_target)t), text) == 0)
            *out = (yolk_target)t;
    }
    if (*out == YOLK_TARGET_AUTO)
        fail_usage(args->command, "--to: '%s' is none of onnx, engine, tensorrt", text);
    return *out != YOLK_TARGET_AUTO;
}

/* "16", the largest, or "1,8,16". */
static bool read_batches(const arguments *args, yolk_convert_options *out)
{
    enum { MOST = 3 };
    const char *text = args->values[OPT_BATCH], *at = text;
    long batches[MOST];
    int count = 0;
    bool good;
    char *end;
    if (!text)
        return true;
    do {
        batches[count] = strtol(at, &end, 10);
        good = end != at && batches[count] > 0 && batches[count] <= INT_MAX;
        count++;
        at = end + 1;
    } while (good && *end == ',' && count < MOST);
    good = good && !*end;
    if (good && count == 1) {
        out->batch_least = 1;
        out->batch_usual = batches[0] < 8 ? (int)batches[0] : 8;
        out->batch_most = (int)batches[0];
        return true;
    }
    if (good && count == MOST) {
        out->batch_least = (int)batches[0];
        out->batch_usual = (int)batches[1];
        out->batch_most = (int)batches[2];
        return true;
    }
    fail_usage(args->command, "--batch: '%s' is neither a number nor three of them, smallest, usual, largest: 1,8,16",
               text);
    return false;
}

/* What was given for another kind of file. */
static bool options_fit(const arguments *args, const yolk_convert_options *o)
{
    const bool tensorrt = o->target == YOLK_TARGET_TENSORRT;
    const char *sentence = NULL;
    if (o->gpu && !tensorrt)
        sentence = "--gpu names the GPU of a TensorRT engine; add --to tensorrt";
    else if (args->values[OPT_BATCH] && !tensorrt)
        sentence = "--batch is about TensorRT engines (--to tensorrt); --dynamic leaves an ONNX file's batch open";
    else if (tensorrt && o->dynamic)
        sentence = "a TensorRT engine has one input size, and its batch is open by itself (--batch 1,8,16): leave out "
                   "--dynamic";
    else if (tensorrt && o->raw_head)
        sentence = "a TensorRT engine gives decoded boxes, as its readers expect: leave out --raw-head";
    else if (o->precision != YOLK_PRECISION_INT8 && o->symmetric)
        sentence = "--symmetric is about int8; add --precision int8";
    if (sentence)
        fail_usage(args->command, "%s", sentence);
    return !sentence;
}

static int read_options(const arguments *args, yolk_convert_options *out)
{
    yolk_config settings; /* reads what has the same meaning everywhere */
    long long count, threads;
    yolk_convert_options_defaults(out);
    yolk_config_defaults(&settings);
    if (!arguments_setting(args, OPT_IMGSZ, &settings) || !arguments_setting(args, OPT_HEAD, &settings) ||
        !arguments_setting(args, OPT_PRECISION, &settings) || !arguments_setting(args, OPT_BACKEND, &settings) ||
        !arguments_setting(args, OPT_DEVICE, &settings) ||
        !arguments_integer(args, OPT_CALIB_COUNT, 1, 100000, out->calib_count, &count) ||
        !arguments_integer(args, OPT_THREADS, 0, 1024, 0, &threads) || !read_target(args, &out->target) ||
        !read_batches(args, out))
        return STATUS_USAGE;
    /* Nobody wants TensorRT for float32. */
    if (out->target == YOLK_TARGET_TENSORRT)
        out->precision = YOLK_PRECISION_FP16;
    read_precision(settings.precision, &out->precision);
    out->gpu = args->values[OPT_GPU];
    out->input_width = settings.imgsz_width;
    out->input_height = settings.imgsz_height ? settings.imgsz_height : settings.imgsz_width;
    out->dynamic = args->values[OPT_DYNAMIC] != NULL;
    out->raw_head = args->values[OPT_RAW_HEAD] != NULL;
    out->head = args->values[OPT_HEAD];
    out->calib = args->values[OPT_CALIB];
    out->calib_count = (int)count;
    out->symmetric = args->values[OPT_SYMMETRIC] != NULL;
    out->val = args->values[OPT_VAL];
    out->labels = args->values[OPT_LABELS];
    out->no_validate = args->values[OPT_NO_VALIDATE] != NULL;
    out->backend = args->values[OPT_BACKEND];
    out->device = args->values[OPT_DEVICE];
    out->threads = (int)threads;
    return options_fit(args, out) ? STATUS_DONE : STATUS_USAGE;
}

static int show_progress(void *user, const yolk_convert_progress *p)
{
    const bool *draw = user;
    char what[160];
    if (p->count > 1) /* of a folder: which one it is at */
        snprintf(what, sizeof(what), "%d/%d %s: %s", p->index + 1, p->count, path_base(p->source), p->stage);
    else
        snprintf(what, sizeof(what), "%s", p->stage);
    if (*draw)
        progress_draw_share(what, p->fraction, p->eta);
    return interrupted();
}

static void say_report(const char *path, const yolk_convert_report *r)
{
    struct stat s;
    char size[32], time[32];
    if (stat(path, &s) != 0)
        return;
    format_bytes(size, sizeof(size), (unsigned long long)s.st_size);
    if (r->precision == YOLK_PRECISION_FP32 && !*r->text) {
        say("%s: %s", path, size);
        return;
    }
    for (size_t i = 0; i < r->kept_count; i++)
        say("%s stays fp32: %s", r->kept[i].name, r->kept[i].why);
    format_seconds(time, sizeof(time), r->seconds);
    if (r->precision == YOLK_PRECISION_INT8)
        say("ranges by %s on %d pictures", r->ranges, r->calib_pictures);
    say("%s: %s, %d of %d layers in %s, %s; %s", path, size, r->converted, r->layers, yolk_precision_name(r->precision),
        time, r->text);
}

static int convert_file(const arguments *args, const yolk_convert_options *options)
{
    const char *source = args->inputs[0], *destination = args->values[OPT_OUTPUT];
    char *made = NULL;
    yolk_convert_report *report = NULL;
    int status = STATUS_DONE;
    if (!destination)
        destination = made = default_destination(source, options->target);
    if (!destination)
        status = fail("not enough memory");
    else if (path_same(source, destination))
        status = fail("%s would replace the model that it is made from; name another file with -o", destination);
    else {
        yolk_status result = yolk_convert(source, destination, options, &report);
        progress_end();
        if (result == YOLK_ERROR_CANCELED && interrupted())
            status = STATUS_SIGNAL + interrupted();
        else if (result != YOLK_OK)
            status = fail_last();
        else if (!args->values[OPT_QUIET])
            say_report(destination, report);
    }
    yolk_convert_report_destroy(&report);
    free(made);
    return status;
}

/* ---- a folder ---- */

static void add_model(table *t, const yolk_folder_item *item)
{
    char size[32] = "-", time[32] = "-", speed_up[32] = "-";
    if (item->status == YOLK_OK)
        format_bytes(size, sizeof(size), item->bytes);
    if (item->seconds > 0)
        format_seconds(time, sizeof(time), item->seconds);
    if (item->speed_up > 0)
        snprintf(speed_up, sizeof(speed_up), "%.2fx", item->speed_up);
    table_add(t, "%s", item->name);
    table_add(t, "%s", yolk_precision_name(item->precision));
    table_add(t, "%s", size);
    table_add(t, "%s", speed_up);
    table_add(t, "%s", time);
    if (item->status != YOLK_OK)
        table_add(t, "failed: %s", item->error);
    else
        table_add(t, "%s%s%s", item->unchanged ? "unchanged" : "made", *item->check ? "; " : "", item->check);
}

static int print_models(const yolk_folder_report *r)
{
    static const char *const heading[] = {"NAME", "PRECISION", "SIZE", "SPEED-UP", "TIME", "RESULT"};
    table t = {.columns = COUNT(heading)};
    for (size_t i = 0; i < COUNT(heading); i++)
        table_add(&t, "%s", heading[i]);
    for (size_t i = 0; i < r->count; i++)
        add_model(&t, &r->items[i]);
    return table_print(&t, 1 << 2 | 1 << 3 | 1 << 4);
}

static int convert_folder(const arguments *args, const yolk_convert_options *options)
{
    yolk_folder_report *report = NULL;
    yolk_status result = yolk_convert_folder(args->inputs[0], args->values[OPT_OUTPUT], options, &report);
    int status = STATUS_DONE;
    progress_end();
    if (!report)
        return fail_last();
    if (!args->values[OPT_QUIET])
        status = print_models(report);
    if (result == YOLK_ERROR_CANCELED && interrupted()) {
        status = STATUS_SIGNAL + interrupted();
    } else if (result != YOLK_OK && report->failed == 1) {
        status = fail_last();
    } else if (result != YOLK_OK) {
        status = fail("%zu of %zu models were not converted; the first: %s", report->failed, report->count,
                      yolk_last_error());
    } else if (!args->values[OPT_QUIET]) {
        char time[32];
        format_seconds(time, sizeof(time), report->seconds);
        say("%s: %zu made, %zu unchanged, in %s", report->output, report->made, report->unchanged, time);
    }
    yolk_folder_report_destroy(&report);
    return status;
}

int command_convert(const arguments *args)
{
    yolk_convert_options options;
    bool draw = progress_wanted() && !args->values[OPT_QUIET] && !args->values[OPT_NO_PROGRESS];
    int status = read_options(args, &options);
    if (status != STATUS_DONE)
        return status;
    options.progress = show_progress;
    options.user = &draw;
    arguments_logging(args);
    return path_is_folder(args->inputs[0]) ? convert_folder(args, &options) : convert_file(args, &options);
}
