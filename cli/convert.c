/* yolk convert: a model file into another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* The source with another ending, to be freed; NULL when memory is short. */
static char *default_destination(const char *source)
{
    size_t stem = strlen(source) - strlen(path_ending(source));
    char *path = NULL;
    return asprintf(&path, "%.*s.onnx", (int)stem, source) < 0 ? NULL : path;
}

/* "auto" leaves it at the default. */
static void read_precision(const char *name, yolk_precision *out)
{
    for (int p = 0; yolk_precision_name((yolk_precision)p); p++) {
        if (strcmp(yolk_precision_name((yolk_precision)p), name) == 0)
            *out = (yolk_precision)p;
    }
}

static int read_options(const arguments *args, yolk_convert_options *out)
{
    yolk_config settings; /* reads what has the same meaning everywhere */
    long long count, threads;
    yolk_convert_options_defaults(out);
    yolk_config_defaults(&settings);
    if (!arguments_setting(args, OPT_IMGSZ, &settings) || !arguments_setting(args, OPT_HEAD, &settings) ||
        !arguments_setting(args, OPT_PRECISION, &settings) || !arguments_setting(args, OPT_BACKEND, &settings) ||
        !arguments_integer(args, OPT_CALIB_COUNT, 1, 100000, out->calib_count, &count) ||
        !arguments_integer(args, OPT_THREADS, 0, 1024, 0, &threads))
        return STATUS_USAGE;
    read_precision(settings.precision, &out->precision);
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
    out->threads = (int)threads;
    return STATUS_DONE;
}

static int show_progress(void *user, const yolk_convert_progress *p)
{
    const bool *draw = user;
    if (*draw)
        progress_draw_share(p->stage, p->fraction, p->eta);
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

int command_convert(const arguments *args)
{
    const char *source = args->inputs[0], *destination = args->values[OPT_OUTPUT];
    char *made = NULL;
    yolk_convert_options options;
    yolk_convert_report *report = NULL;
    bool draw = progress_wanted() && !args->values[OPT_QUIET] && !args->values[OPT_NO_PROGRESS];
    int status = read_options(args, &options);
    if (status != STATUS_DONE)
        return status;
    options.progress = show_progress;
    options.user = &draw;
    arguments_logging(args);
    if (!destination)
        destination = made = default_destination(source);
    if (!destination)
        status = fail("not enough memory");
    else if (path_same(source, destination))
        status = fail("%s would replace the model that it is made from; name another file with -o", destination);
    else {
        yolk_status result = yolk_convert(source, destination, &options, &report);
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
