/* yolk detect: a model over pictures, folders and videos. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { SINKS = 4 };

static const option_id outputs[] = {OPT_SAVE_JSONL, OPT_SAVE_COCO, OPT_SAVE_MOT,
                                    OPT_SAVE_VIDEO, OPT_STATS,     OPT_PROMETHEUS};

/* A run from its options to its results. */
typedef struct run {
    const arguments *args;
    yolk_config config;
    yolk_pipeline_options options;
    yolk_pipeline_report report;
    yolk_manager *manager;
    yolk_sink *sinks[SINKS];
    size_t sink_count;
    stats_steps steps;
    prometheus prometheus;
    bool lines_on_stdout, draws;
} run;

static bool is_stdout(const char *path)
{
    return strcmp(path, "-") == 0;
}

static bool input_is_several(const arguments *args)
{
    return args->input_count > 1 || path_is_folder(args->inputs[0]);
}

static int on_progress(void *user, const yolk_progress *progress)
{
    run *r = user;
    if (r->draws)
        progress_draw(progress);
    prometheus_update(&r->prometheus, r->manager);
    return interrupted() != 0;
}

static bool read_crop(const arguments *args, int crop[4])
{
    const char *text = args->values[OPT_CROP], *at = text;
    for (int i = 0; at && i < 4; i++) {
        char *end;
        long value = strtol(at, &end, 10);
        bool good = end != at && *end == (i < 3 ? ',' : 0) && value >= (i < 2 ? 0 : 1) && value <= INT_MAX;
        crop[i] = good ? (int)value : 0;
        at = good ? end + 1 : NULL;
    }
    if (text && !at)
        fail_usage(args->command, "--crop: '%s' is not X,Y,W,H in pixels, such as 0,0,1280,720", text);
    return !text || at;
}

static bool read_eye(const arguments *args, yolk_eye *eye)
{
    static const char *const sides[] = {"both", "left", "right", "top", "bottom"};
    const char *text = args->values[OPT_EYE];
    if (!text)
        return true;
    for (size_t i = 0; i < COUNT(sides); i++) {
        if (strcmp(text, sides[i]) == 0) {
            *eye = (yolk_eye)i; /* the order of yolk_eye */
            return true;
        }
    }
    const char *meant = suggest(text, sides, COUNT(sides));
    fail_usage(args->command, "--eye: '%s' is none of both, left, right, top, bottom%s%s%s", text,
               meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
    return false;
}

static int read_options(run *r)
{
    const arguments *args = r->args;
    long long frames, loop;
    yolk_pipeline_options_defaults(&r->options);
    if (!read_crop(args, r->options.crop) || !read_eye(args, &r->options.eye) ||
        !arguments_integer(args, OPT_MAX_FRAMES, 0, LLONG_MAX, 0, &frames) ||
        !arguments_integer(args, OPT_LOOP, 1, INT_MAX, 1, &loop))
        return STATUS_USAGE;
    r->options.rect = args->values[OPT_RECT] != NULL;
    r->options.max_frames = frames;
    r->options.loop = (int)loop;
    return STATUS_DONE;
}

/* Whether writing `path` would replace an input: the same file, or an annotated copy among the inputs. */
static bool is_input(const run *r, const char *path, bool annotated)
{
    const arguments *args = r->args;
    char *folder = path_is_folder(path) ? strdup(path) : path_folder(path);
    bool found = false;
    for (size_t i = 0; i < args->input_count && !found; i++) {
        const char *input = args->inputs[i];
        char *beside = path_folder(input);
        found = path_same(path, input);
        if (annotated && folder && beside)
            found = found || path_same(folder, input) || (path_is_folder(path) && path_same(path, beside));
        free(beside);
    }
    free(folder);
    return found;
}

static int check_output(const run *r, option_id id)
{
    const char *path = r->args->values[id], *name = options[id].name;
    if (!*path)
        return fail_usage(r->args->command, "--%s needs a file name", name);
    if (is_stdout(path))
        return id == OPT_SAVE_VIDEO || id == OPT_PROMETHEUS
                   ? fail_usage(r->args->command, "--%s cannot write to standard output", name)
                   : STATUS_DONE;
    if (is_input(r, path, id == OPT_SAVE_VIDEO))
        return fail("--%s %s would replace an input; name another place", name, path);
    if (path_same(path, r->config.model) ||
        (r->args->values[OPT_CONFIG] && path_same(path, r->args->values[OPT_CONFIG])))
        return fail("--%s %s would replace a file that the run reads; name another place", name, path);
    if (id != OPT_SAVE_VIDEO && path_is_folder(path))
        return fail("--%s %s is a folder; name a file", name, path);
    char *folder = path_folder(path);
    bool there = folder && path_is_folder(folder), several = input_is_several(r->args);
    if (folder && !there)
        fail("--%s %s: the folder %s does not exist; make it first", name, path, folder);
    free(folder);
    if (there && several && id == OPT_SAVE_VIDEO && !path_is_folder(path))
        return fail("--%s %s: for several inputs it has to be a folder, and there is none of that name; make it first",
                    name, path);
    if (there && id == OPT_SAVE_VIDEO && !path_is_folder(path) && !*path_ending(path))
        return fail("--%s %s: name a video (.mp4, .mkv, .mov), a picture (.jpg, .png) or a folder that exists", name,
                    path);
    return there ? STATUS_DONE : STATUS_FAILED;
}

static int check_outputs(run *r)
{
    const char *const *values = r->args->values;
    bool any = false;
    for (size_t i = 0; i < COUNT(outputs); i++) {
        const char *path = values[outputs[i]];
        if (!path)
            continue;
        any = true;
        int status = check_output(r, outputs[i]);
        if (status != STATUS_DONE)
            return status;
        for (size_t j = 0; j < i; j++)
            if (values[outputs[j]] && strcmp(values[outputs[j]], path) == 0 && strcmp(path, "/dev/null") != 0)
                return fail_usage(r->args->command, "--%s and --%s cannot share %s", options[outputs[j]].name,
                                  options[outputs[i]].name, is_stdout(path) ? "standard output" : path);
    }
    r->lines_on_stdout = !any || (values[OPT_SAVE_JSONL] && is_stdout(values[OPT_SAVE_JSONL]));
    return STATUS_DONE;
}

/* Nothing to do is found out before a model is loaded; with several inputs the run tells about each. */
static int check_inputs(const arguments *args)
{
    for (size_t i = 0; i < args->input_count; i++)
        if (is_stdout(args->inputs[i]) || path_exists(args->inputs[i]))
            return STATUS_DONE;
    for (size_t i = 0; i < args->input_count; i++)
        fail("%s: there is no such file or folder", args->inputs[i]);
    return STATUS_FAILED;
}

static int open_sinks(run *r)
{
    const char *const *values = r->args->values;
    const char *lines = r->lines_on_stdout ? "-" : values[OPT_SAVE_JSONL];
    if (lines && yolk_sink_open_jsonl(lines, input_is_several(r->args), &r->sinks[r->sink_count++]) != YOLK_OK)
        return fail_last();
    if (values[OPT_SAVE_COCO] && yolk_sink_open_coco(values[OPT_SAVE_COCO], &r->sinks[r->sink_count++]) != YOLK_OK)
        return fail_last();
    if (values[OPT_SAVE_MOT] && yolk_sink_open_mot(values[OPT_SAVE_MOT], &r->sinks[r->sink_count++]) != YOLK_OK)
        return fail_last();
    if (values[OPT_SAVE_VIDEO] &&
        yolk_sink_open_annotated(values[OPT_SAVE_VIDEO], r->config.video_scale, &r->sinks[r->sink_count++]) != YOLK_OK)
        return fail_last();
    return STATUS_DONE;
}

static void summarise(const run *r, yolk_status ended)
{
    const yolk_stats *s = &r->report.stats;
    char where[512] = "";
    for (size_t i = 0; i < COUNT(outputs); i++) {
        const char *path = r->args->values[outputs[i]];
        size_t used = strlen(where);
        if (path && !is_stdout(path))
            snprintf(where + used, sizeof(where) - used, "%s%s", used ? ", " : "; results: ", path);
    }
    say("%s%llu frame%s in %.1f s (%.1f fps), %llu detection%s%s", ended == YOLK_ERROR_CANCELED ? "stopped: " : "",
        (unsigned long long)s->frames, s->frames == 1 ? "" : "s", s->seconds, s->fps, (unsigned long long)s->detections,
        s->detections == 1 ? "" : "s", where);
}

static int write_figures(run *r, yolk_status ended)
{
    yolk_model_info model;
    int status = STATUS_DONE;
    stats_step(&r->steps, "run");
    if (yolk_manager_info(r->manager, &model) != YOLK_OK)
        return fail_last();
    if (r->args->values[OPT_STATS])
        status = stats_write(r->args, &model, &r->report, &r->steps, ended);
    return prometheus_finish(&r->prometheus, &r->report.stats) == STATUS_DONE ? status : STATUS_FAILED;
}

/* The worst of what the run and the completion of its files came to. */
static int conclude(run *r, yolk_status ended)
{
    const arguments *args = r->args;
    int status = ended == YOLK_OK ? STATUS_DONE : STATUS_FAILED;
    progress_end();
    if (ended != YOLK_OK && ended != YOLK_ERROR_CANCELED && ended != YOLK_ERROR_CLOSED)
        status = fail_last();
    for (size_t i = 0; i < r->sink_count; i++) {
        yolk_status finished = yolk_sink_finish(&r->sinks[i]);
        if (finished != YOLK_OK && finished != YOLK_ERROR_CLOSED)
            status = fail_last();
    }
    if (r->report.sources > 0 && write_figures(r, ended) != STATUS_DONE)
        status = STATUS_FAILED;
    if (!args->values[OPT_QUIET] && ended != YOLK_ERROR_CLOSED && (r->report.stats.frames > 0 || ended == YOLK_OK))
        summarise(r, ended);
    return interrupted() ? STATUS_SIGNAL + interrupted() : status;
}

static int perform(run *r)
{
    const arguments *args = r->args;
    int status = arguments_settings(args, &r->config);
    if (status != STATUS_DONE || (status = read_options(r)) != STATUS_DONE ||
        (status = check_outputs(r)) != STATUS_DONE || (status = check_inputs(args)) != STATUS_DONE)
        return status;
    stats_step(&r->steps, "start");
    if (yolk_manager_create(&r->config, &r->manager) != YOLK_OK ||
        yolk_manager_load(r->manager, NULL, args->values[OPT_OPTIMIZE] != NULL) != YOLK_OK)
        return fail_last();
    stats_step(&r->steps, "load");
    yolk_model_info model;
    if (yolk_manager_info(r->manager, &model) != YOLK_OK)
        return fail_last();
    r->prometheus = (prometheus){.path = args->values[OPT_PROMETHEUS], .model = model.name};
    /* A sink that scales by resolution takes the process's table. */
    if (yolk_config_global_set(&r->config) != YOLK_OK)
        return fail_last();
    if ((status = open_sinks(r)) != STATUS_DONE)
        return status;
    if (interrupted())
        return STATUS_SIGNAL + interrupted();
    /* Lines that scroll by on the same terminal are progress enough. */
    r->draws = progress_wanted() && !args->values[OPT_QUIET] && !args->values[OPT_NO_PROGRESS] &&
               !(r->lines_on_stdout && isatty(STDOUT_FILENO));
    r->options.progress = on_progress;
    r->options.progress_user = r;
    yolk_status ended = yolk_pipeline_run(r->manager, args->inputs, args->input_count, r->sinks, r->sink_count,
                                          &r->options, &r->report);
    return conclude(r, ended);
}

int command_detect(const arguments *args)
{
    run r = {.args = args};
    int status = perform(&r);
    for (size_t i = 0; i < r.sink_count; i++)
        yolk_sink_finish(&r.sinks[i]);
    yolk_manager_destroy(&r.manager);
    return status;
}
