/* What bench and compare share: settings, lists, where results go, progress. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Found out before minutes are spent. */
static int check_output(const arguments *args, option_id id)
{
    const char *path = args->values[id], *name = options[id].name;
    if (!path || (id == OPT_JSON_FILE && strcmp(path, "-") == 0))
        return STATUS_DONE;
    if (!*path || strcmp(path, "-") == 0)
        return fail_usage(args->command, "--%s needs a file name", name);
    for (size_t i = 0; i < args->input_count; i++)
        if (path_same(path, args->inputs[i]))
            return fail("--%s %s would replace an input; name another place", name, path);
    if (path_is_folder(path))
        return fail("--%s %s is a folder; name a file", name, path);
    char *folder = path_folder(path);
    int status = folder ? STATUS_DONE : fail("not enough memory");
    if (folder && !path_is_folder(folder))
        status = fail("--%s %s: the folder %s does not exist; make it first", name, path, folder);
    free(folder);
    return status;
}

int measure_outputs(const arguments *args)
{
    const char *json = args->values[OPT_JSON_FILE], *report = args->values[OPT_REPORT];
    int status = check_output(args, OPT_JSON_FILE);
    if (status == STATUS_DONE)
        status = check_output(args, OPT_REPORT);
    if (status == STATUS_DONE && json && report && strcmp(json, report) == 0)
        return fail_usage(args->command, "--json and --report cannot share %s", json);
    return status;
}

int measure_settings(const arguments *args, bool lists, yolk_config *config)
{
    arguments plain = *args;
    if (lists)
        plain.values[OPT_BATCH] = plain.values[OPT_IMGSZ] = NULL;
    return arguments_settings(&plain, config);
}

bool measure_seconds(const arguments *args, double *out)
{
    const char *text = args->values[OPT_SECONDS];
    char *end;
    *out = 0;
    if (!text)
        return true;
    *out = strtod(text, &end);
    if (*text && !*end && *out >= 0 && *out <= 1e9)
        return true;
    fail_usage(args->command, "--seconds: '%s' is not a number of seconds", text);
    return false;
}

int measure_progress(void *user, const yolk_bench_progress *p)
{
    const bool *draw = user;
    if (*draw)
        progress_draw_share(p->stage, p->fraction, p->eta);
    return interrupted();
}

bool measure_draws(const arguments *args)
{
    return progress_wanted() && !args->values[OPT_QUIET] && !args->values[OPT_NO_PROGRESS];
}

int measure_write_json(const arguments *args, const char *json)
{
    const char *path = args->values[OPT_JSON_FILE];
    return path ? write_json(json_loads(json, 0, NULL), path) : STATUS_DONE;
}

bool measure_prints_table(const arguments *args)
{
    const char *json = args->values[OPT_JSON_FILE];
    return !json || strcmp(json, "-") != 0;
}

int measure_ended(yolk_status status)
{
    progress_end();
    if (status == YOLK_ERROR_CANCELED && interrupted())
        return STATUS_SIGNAL + interrupted();
    return status == YOLK_OK ? STATUS_DONE : fail_last();
}
