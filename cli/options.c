/* The table of options, which serves parsing, help, completion and suggestions alike, and the parser. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define G_INPUT   "Input"
#define G_MODEL   "Model"
#define G_FIND    "Detections"
#define G_OUTPUT  "Output"
#define G_CHECK   "Calibration and check"
#define G_MEASURE "Measuring"
#define G_CONFIG  "Settings"
#define G_OTHER   "General"

const option options[OPT_COUNT] = {
    [OPT_MODEL] = {"model", 'm', "NAME|FILE", "model", G_MODEL, "@files", CMD_SETTINGS | CMD_BENCH,
                   "model file (.pt, .onnx), or its name in the models folder; several: A,B (default yolo26n)"},
    [OPT_MODELS] = {"models", 0, "DIR", "models_dir", G_MODEL, "@folders", CMD_RUNS | CMD_MODELS | CMD_INFO,
                    "folder of model files (default models)"},
    [OPT_HEAD] = {"head", 0, "HEAD", "head", G_MODEL, "auto v8 v5 end2end yolox", CMD_RUNS | CMD_CONVERT,
                  "layout of an ONNX model's output, when it is not recognised: auto, v8, v5, end2end or yolox"},
    [OPT_DEVICE] = {"device", 0, "DEVICE", "device", G_MODEL, "auto cpu cpu:0,1 cuda cuda:0", CMD_RUNS | CMD_CONVERT,
                    "auto, cpu, cuda, cuda:N or cuda:N,M, which share the frames; for convert what an engine is for, "
                    "and what models are checked on (default auto)"},
    [OPT_BACKEND] = {"backend", 0, "NAME", "backend", G_MODEL, "auto cuda native openvino reference",
                     CMD_RUNS | CMD_CONVERT, "auto, cuda, native, openvino or reference (default auto)"},
    [OPT_PRECISION] = {"precision", 0, "P", "precision", G_MODEL, "auto fp32 fp16 int8", CMD_RUNS | CMD_CONVERT,
                       "auto, fp32, fp16 or int8 (default auto; for convert fp32)"},
    [OPT_IMGSZ] = {"imgsz", 0, "N|HxW", "imgsz", G_MODEL, "320 416 480 640 960 1280", CMD_RUNS | CMD_CONVERT,
                   "network input: its long side, the other one following the video's aspect, or height x width; "
                   "still pictures get a square; for bench also a list of them (default: the model's own)"},
    [OPT_BATCH] = {"batch", 0, "auto|N", "batch", G_MODEL, "auto 1 2 4 8", CMD_RUNS | CMD_CONVERT,
                   "frames the network takes at once; for bench a list: 1,2,4 (default auto: by resolution and "
                   "memory); for convert --to tensorrt the smallest, usual and largest batch, or the largest alone "
                   "(default 1,8,16)"},
    [OPT_THREADS] = {"threads", 0, "N", "threads", G_MODEL, NULL, CMD_RUNS | CMD_CONVERT,
                     "inference threads (default 0: the physical cores)"},
    [OPT_STREAMS] = {"streams", 0, "N", "streams", G_MODEL, NULL, CMD_RUNS,
                     "inference requests run side by side (default 0: chosen by the backend)"},
    [OPT_WARMUP] = {"warmup", 0, "N", "warmup", G_MODEL, NULL, CMD_RUNS,
                    "runs before the first frame, unless it is a single picture (default 2)"},
    [OPT_OPTIMIZE] = {"optimize", 0, NULL, NULL, G_MODEL, NULL, CMD_DETECT,
                      "keep what is compiled in an .engine file beside the model, so that the next start is quick"},

    [OPT_CONF] = {"conf", 0, "0..1", "conf", G_FIND, "0.1 0.25 0.5", CMD_SETTINGS,
                  "least confidence of a detection (default 0.25)"},
    [OPT_IOU] = {"iou", 0, "0..1", "iou", G_FIND, "0.45 0.5 0.7", CMD_SETTINGS,
                 "overlap from which the weaker of two boxes is dropped (default 0.45)"},
    [OPT_MAX_DET] = {"max-det", 0, "N", "max_det", G_FIND, "100 300", CMD_SETTINGS,
                     "detections kept a frame (default 300)"},
    [OPT_CLASSES] = {"classes", 0, "A,B", "classes", G_FIND, NULL, CMD_SETTINGS,
                     "classes to keep, by name or number (default all)"},
    [OPT_MULTI_LABEL] = {"multi-label", 0, NULL, "multi_label", G_FIND, NULL, CMD_SETTINGS,
                         "let a box carry several classes, as accuracy figures are measured"},
    [OPT_AGNOSTIC] = {"agnostic", 0, NULL, "agnostic", G_FIND, NULL, CMD_SETTINGS,
                      "let boxes of different classes suppress each other"},
    [OPT_ENSEMBLE] = {"ensemble", 0, "wbf|vote", "ensemble", G_FIND, "wbf vote", CMD_SETTINGS,
                      "with several models: wbf averages their boxes (weighted box fusion), vote keeps what enough of "
                      "them found (default wbf)"},
    [OPT_ENSEMBLE_IOU] = {"ensemble-iou", 0, "0..1", "ensemble_iou", G_FIND, "0.55 0.65 0.7", CMD_SETTINGS,
                          "overlap above which boxes of several models are one object (default 0.7)"},
    [OPT_ENSEMBLE_WEIGHTS] = {"ensemble-weights", 0, "A,B", "ensemble_weights", G_FIND, NULL, CMD_SETTINGS,
                              "what each model counts, as 2,1 (default all the same)"},
    [OPT_ENSEMBLE_VOTES] = {"ensemble-votes", 0, "N|WORD", "ensemble_votes", G_FIND,
                            "affirmative consensus unanimous 1 2 3", CMD_SETTINGS,
                            "with vote: models that have to find an object, a number or affirmative (one), consensus "
                            "(more than half) or unanimous (all) (default consensus)"},
    [OPT_ENSEMBLE_MERGE] = {"ensemble-merge", 0, "best|average", "ensemble_merge", G_FIND, "best average", CMD_SETTINGS,
                            "with vote: the most confident box stays, or their average (default best)"},

    [OPT_CROP] = {"crop", 0, "X,Y,W,H", NULL, G_INPUT, NULL, CMD_DETECT, "look at this part of the frame, in pixels"},
    [OPT_EYE] = {"eye", 0, "SIDE", NULL, G_INPUT, "both left right top bottom", CMD_DETECT,
                 "look at one half of a stereo frame: left, right, top or bottom"},
    [OPT_RECT] = {"rect", 0, NULL, NULL, G_INPUT, NULL, CMD_DETECT,
                  "let still pictures keep their aspect, as videos do, instead of a square"},
    [OPT_MAX_FRAMES] =
        {"max-frames", 0, "N", NULL, G_INPUT, NULL, CMD_DETECT | CMD_BENCH,
         "stop each video after N frames, all rounds of --loop together (default 0: all; for bench 300)"},
    [OPT_LOOP] = {"loop", 0, "N", NULL, G_INPUT, NULL, CMD_DETECT, "read each video N times over (default 1)"},

    [OPT_SAVE_JSONL] = {"save-jsonl", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_DETECT,
                        "JSON, one line a frame, as the run goes; - is standard output, the default"},
    [OPT_SAVE_COCO] = {"save-coco", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_DETECT, "COCO results"},
    [OPT_SAVE_MOT] = {"save-mot", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_DETECT, "MOTChallenge lines"},
    [OPT_SAVE_VIDEO] = {"save-video", 0, "FILE|DIR", NULL, G_OUTPUT, "@files", CMD_DETECT,
                        "annotated video with the source's sound, or a folder for annotated pictures"},
    [OPT_VIDEO_SCALE] = {"video-scale", 0, "0.1..1", "video_scale", G_OUTPUT, "0 0.5 1", CMD_SETTINGS,
                         "size of annotated video against the input's; 0: by resolution (default 1)"},
    [OPT_STATS] = {"stats", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_DETECT,
                   "JSON: frames, seconds, fps, milliseconds by stage, batch sizes, devices, memory"},
    [OPT_PROMETHEUS] = {"prometheus", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_DETECT,
                        "the same for Prometheus' textfile collector, written anew every five seconds"},
    [OPT_OUTPUT] = {"output", 'o', "FILE|DIR", NULL, G_OUTPUT, "@files", CMD_CONVERT,
                    "file to write (default: the model's name with .onnx or .engine, beside it); for a folder of "
                    "models a folder (default: one in it, named after kind and precision)"},
    [OPT_TO] = {"to", 0, "KIND", NULL, G_OUTPUT, "onnx engine tensorrt", CMD_CONVERT,
                "onnx, engine (yolk's own, for this machine) or tensorrt (default: by the ending of -o, else onnx)"},
    [OPT_GPU] = {"gpu", 0, "sm_NN", NULL, G_OUTPUT, "sm_75 sm_80 sm_86 sm_89 sm_120", CMD_CONVERT,
                 "tensorrt: the GPU to build for, by compute capability, e.g. sm_86 for an RTX 3090 (default: the one "
                 "that is here)"},
    [OPT_CALIB] = {"calib", 0, "DIR|FILE", NULL, G_CHECK, "@files", CMD_CONVERT,
                   "int8: a folder of pictures, or a video, like those the model will see"},
    [OPT_CALIB_COUNT] = {"calib-count", 0, "N", NULL, G_CHECK, "32 64 128", CMD_CONVERT,
                         "int8: pictures or frames taken from it, evenly (default 64)"},
    [OPT_SYMMETRIC] = {"symmetric", 0, NULL, NULL, G_CHECK, NULL, CMD_CONVERT,
                       "int8: around zero, as TensorRT wants it; a little less accurate"},
    [OPT_VAL] = {"val", 0, "DIR|FILE", NULL, G_CHECK, "@files", CMD_CONVERT,
                 "pictures, or a video, to check the result on (default: the part of --calib that was kept for it)"},
    [OPT_LABELS] = {"labels", 0, "DIR|FILE", NULL, G_CHECK, "@files", CMD_CONVERT | CMD_COMPARE,
                    "what is to be found in --val: a folder of YOLO labels or a COCO file; the result is then judged "
                    "by average precision"},
    [OPT_NO_VALIDATE] = {"no-validate", 0, NULL, NULL, G_CHECK, NULL, CMD_CONVERT,
                         "do not check the result; the file says so"},
    [OPT_DYNAMIC] = {"dynamic", 0, NULL, NULL, G_OUTPUT, NULL, CMD_CONVERT, "leave batch, height and width open"},
    [OPT_RAW_HEAD] = {"raw-head", 0, NULL, NULL, G_OUTPUT, NULL, CMD_CONVERT,
                      "leave the decoding of boxes out: one output a level"},
    [OPT_PICTURES] = {"val", 0, "DIR|FILE", NULL, G_INPUT, "@files", CMD_MEASURE,
                      "pictures, or a video, to run on and to compare what is found in (default: noise)"},
    [OPT_RUNS] = {"runs", 0, "N", NULL, G_MEASURE, "20 100 500", CMD_MEASURE,
                  "timed runs of each batch and size, or of each model (default 100)"},
    [OPT_SECONDS] = {"seconds", 0, "S", NULL, G_MEASURE, NULL, CMD_MEASURE,
                     "time for the runs of one batch and size, or of both models, which are then fewer (default 0: no "
                     "limit)"},
    [OPT_STEPS] = {"steps", 0, NULL, NULL, G_MEASURE, NULL, CMD_BENCH,
                   "time and memory of import, compilation and runs apart, and the largest layers"},
    [OPT_REPORT] = {"report", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_MEASURE,
                    "a page with charts (HTML) that needs nothing else"},
    [OPT_JSON_FILE] = {"json", 0, "FILE", NULL, G_OUTPUT, "@files", CMD_MEASURE,
                       "every figure as JSON; - is standard output, in place of the table"},
    [OPT_JSON] = {"json", 0, NULL, NULL, G_OUTPUT, NULL, CMD_MODELS | CMD_INFO | CMD_CONFIG,
                  "print JSON instead of text"},

    [OPT_CONFIG] = {"config", 0, "FILE", NULL, G_CONFIG, "@files", CMD_RUNS | CMD_MODELS | CMD_INFO,
                    "settings from a JSON file (see yolk help config)"},
    [OPT_PROFILE] = {"profile", 0, "NAME", NULL, G_CONFIG, "@profiles", CMD_RUNS | CMD_MODELS | CMD_INFO,
                     "settings for a kind of machine (see yolk config profiles; default auto)"},
    [OPT_QUEUE] = {"queue", 0, "N", "queue", G_CONFIG, NULL, CMD_SETTINGS,
                   "frames that may wait between two stages (default 8)"},
    [OPT_MEMORY_LIMIT] = {"memory-limit", 0, "MIB", "memory_limit_mb", G_CONFIG, NULL, CMD_RUNS,
                          "resident memory not to pass, in MiB (default 0: no limit)"},

    [OPT_NO_PROGRESS] = {"no-progress", 0, NULL, NULL, G_OTHER, NULL, CMD_DETECT | CMD_CONVERT | CMD_MEASURE,
                         "no progress line (there is none anyway unless standard error is a terminal)"},
    [OPT_QUIET] = {"quiet", 'q', NULL, NULL, G_OTHER, NULL, CMD_ALL, "say nothing but errors"},
    [OPT_VERBOSE] = {"verbose", 'v', NULL, NULL, G_OTHER, NULL, CMD_ALL,
                     "say what is chosen on the way; twice: every step"},
    [OPT_VERSION] = {"version", 'V', NULL, NULL, G_OTHER, NULL, CMD_ALL, "print the version"},
    [OPT_HELP] = {"help", 'h', NULL, NULL, G_OTHER, NULL, CMD_ALL, "print this help"},
};

static int unknown_option(const command *of, const char *word, size_t length)
{
    const char *names[OPT_COUNT];
    size_t count = 0;
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name) - 1), word);
    for (int i = 0; i < OPT_COUNT; i++) {
        if (!(options[i].commands & of->id)) {
            if (strcmp(options[i].name, name) == 0)
                return fail_usage(of, "--%s is not an option of %s", name, of->name);
            continue;
        }
        names[count++] = options[i].name;
    }
    const char *meant = suggest(name, names, count);
    return meant ? fail_usage(of, "unknown option --%s; did you mean --%s?", name, meant)
                 : fail_usage(of, "unknown option --%s", name);
}

static int find_long(const command *of, const char *name, size_t length)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if ((options[i].commands & of->id) && strlen(options[i].name) == length &&
            strncmp(options[i].name, name, length) == 0)
            return i;
    return -1;
}

static int find_letter(const command *of, char letter)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if ((options[i].commands & of->id) && options[i].letter == letter)
            return i;
    return -1;
}

static void set_option(arguments *args, int id, const char *value)
{
    args->values[id] = value ? value : "1";
    args->verbose += id == OPT_VERBOSE;
}

/* "--name", "--name=value" or "--name value"; *at is moved past what was used. */
static int parse_long(arguments *args, int *at)
{
    const char *name = args->argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    int id = find_long(args->command, name, length);
    if (id < 0)
        return unknown_option(args->command, name, length);
    const char *value = equals ? equals + 1 : NULL;
    if (value && !options[id].value)
        return fail_usage(args->command, "--%s takes no value", options[id].name);
    if (!value && options[id].value) {
        if (*at + 1 >= args->argc)
            return fail_usage(args->command, "--%s needs a value: --%s %s", options[id].name, options[id].name,
                              options[id].value);
        value = args->argv[++*at];
    }
    set_option(args, id, value);
    return STATUS_DONE;
}

/* "-v", "-vq", "-oFILE" or "-o FILE" */
static int parse_letters(arguments *args, int *at)
{
    const char *word = args->argv[*at] + 1;
    if (word[1] && find_long(args->command, word, strcspn(word, "=")) >= 0)
        return fail_usage(args->command, "unknown option -%s; did you mean --%s?", word, word);
    for (const char *c = word; *c; c++) {
        int id = find_letter(args->command, *c);
        if (id < 0)
            return fail_usage(args->command, "unknown option -%c in '-%s'", *c, word);
        if (!options[id].value) {
            set_option(args, id, NULL);
            continue;
        }
        if (c[1]) {
            set_option(args, id, c + 1);
            return STATUS_DONE;
        }
        if (*at + 1 >= args->argc)
            return fail_usage(args->command, "-%c needs a value: -%c %s", *c, *c, options[id].value);
        set_option(args, id, args->argv[++*at]);
    }
    return STATUS_DONE;
}

int arguments_parse(arguments *args, int argc, char **argv)
{
    const command *of = args->command;
    bool only_words = false;
    args->argc = argc;
    args->argv = argv;
    args->inputs = calloc((size_t)argc + 1, sizeof(*args->inputs));
    if (!args->inputs)
        return fail("not enough memory");
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        int status = STATUS_DONE;
        if (only_words || word[0] != '-' || !word[1])
            args->inputs[args->input_count++] = word;
        else if (strcmp(word, "--") == 0)
            only_words = true;
        else if (word[1] == '-')
            status = parse_long(args, &i);
        else
            status = parse_letters(args, &i);
        if (status != STATUS_DONE)
            return status;
    }
    if (args->values[OPT_HELP] || args->values[OPT_VERSION])
        return STATUS_DONE;
    if (args->input_count < of->least)
        return fail_usage(of, "%s needs %s", of->name, of->what);
    if (args->input_count > of->most)
        return fail_usage(of, "%s does not know what to do with '%s'", of->name, args->inputs[of->most]);
    return STATUS_DONE;
}

void arguments_free(arguments *args)
{
    free(args->inputs);
    args->inputs = NULL;
}

bool arguments_integer(const arguments *args, option_id id, long long least, long long most, long long absent,
                       long long *out)
{
    const char *text = args->values[id];
    char *end;
    *out = absent;
    if (!text)
        return true;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (!*text || *end || errno || *out < least || *out > most) {
        fail_usage(args->command, "--%s: '%s' is not a whole number from %lld to %lld", options[id].name, text, least,
                   most);
        return false;
    }
    return true;
}

/* What --quiet and --verbose make of the log level, or NULL. */
static const char *level_asked(const arguments *args)
{
    if (args->values[OPT_QUIET])
        return "error";
    return args->verbose > 1 ? "debug" : args->verbose ? "info" : NULL;
}

static void set_logging(const char *level)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    for (size_t i = 0; i < COUNT(levels); i++)
        if (strcmp(level, levels[i]) == 0)
            yolk_log_set(report_log, NULL, (yolk_log_level)i);
}

bool arguments_setting(const arguments *args, option_id id, yolk_config *config)
{
    const char *field = options[id].field;
    if (!args->values[id] || yolk_config_set(config, field, args->values[id]) == YOLK_OK)
        return true;
    /* The sentence begins with the setting's name; the user knows it as the option's. */
    const char *sentence = yolk_last_error();
    size_t length = strlen(field);
    if (strncmp(sentence, field, length) == 0 && strncmp(sentence + length, ": ", 2) == 0)
        sentence += length + 2;
    fail_usage(args->command, "--%s: %s", options[id].name, sentence);
    return false;
}

void arguments_logging(const arguments *args)
{
    const char *level = level_asked(args);
    if (level)
        set_logging(level);
}

int arguments_settings(const arguments *args, yolk_config *config)
{
    const char *level = level_asked(args);
    arguments_logging(args);
    if (yolk_config_resolve(config, args->values[OPT_PROFILE], args->values[OPT_CONFIG]) != YOLK_OK)
        return fail_last();
    for (int i = 0; i < OPT_COUNT; i++)
        if (options[i].field && args->values[i] && !arguments_setting(args, (option_id)i, config))
            return STATUS_USAGE;
    if (level && yolk_config_set(config, "log_level", level) != YOLK_OK)
        return fail_last();
    char *faults = NULL;
    if (yolk_config_validate(config, &faults) != YOLK_OK) {
        int status = faults ? fail_usage(args->command, "settings do not fit together: %s", faults) : fail_last();
        yolk_config_text_free(faults);
        return status;
    }
    set_logging(config->log_level);
    return STATUS_DONE;
}
