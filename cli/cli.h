/* What the files of the command line tool share. The tool uses yolk's public interface alone. */
#ifndef CLI_H
#define CLI_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "yolk/yolk.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_SIGNAL = 128 };

/* ---- commands (main.c) ---- */

enum {
    CMD_DETECT = 1 << 0,
    CMD_CONVERT = 1 << 1,
    CMD_MODELS = 1 << 2,
    CMD_INFO = 1 << 3,
    CMD_CONFIG = 1 << 4,
    CMD_HELP = 1 << 5,
    CMD_VERSION = 1 << 6,
    CMD_BENCH = 1 << 7,
    CMD_COMPARE = 1 << 8,
    CMD_ALL = (1 << 9) - 1,
    CMD_SETTINGS = CMD_DETECT | CMD_CONFIG, /* takes every setting */
    CMD_MEASURE = CMD_BENCH | CMD_COMPARE,
    CMD_RUNS = CMD_SETTINGS | CMD_MEASURE /* runs a model */
};

typedef struct arguments arguments;

typedef struct command {
    int id; /* one CMD_ bit */
    const char *name;
    const char *summary;
    const char *usage;    /* what follows the name */
    const char *examples; /* lines of "comment\n  command" */
    const char *more;     /* further paragraphs of its help, or NULL */
    const char *words;    /* what may follow, for completion: words, or "@files", "@folders" */
    size_t least;         /* fewest words that must follow */
    size_t most;          /* most words that may follow */
    const char *what;     /* what is missing when there are fewer than `least` */
    int (*run)(const arguments *args);
} command;

extern const command commands[];
extern const size_t command_count;
const command *command_find(const char *name);

int command_detect(const arguments *args);
int command_convert(const arguments *args);
int command_models(const arguments *args);
int command_info(const arguments *args);
int command_config(const arguments *args);
int command_bench(const arguments *args);
int command_compare(const arguments *args);
int command_help(const arguments *args);
int command_version(const arguments *args);
/* `yolk complete WORD...`: what may stand for the last word, one a line, for the shell. */
int complete(int argc, char **argv);

/* Signal that asked for an end, or 0. */
int interrupted(void);

/* ---- options (options.c) ---- */

typedef enum option_id {
    OPT_MODEL,
    OPT_MODELS,
    OPT_HEAD,
    OPT_DEVICE,
    OPT_BACKEND,
    OPT_PRECISION,
    OPT_IMGSZ,
    OPT_BATCH,
    OPT_THREADS,
    OPT_STREAMS,
    OPT_WARMUP,
    OPT_OPTIMIZE,
    OPT_CONF,
    OPT_IOU,
    OPT_MAX_DET,
    OPT_CLASSES,
    OPT_MULTI_LABEL,
    OPT_AGNOSTIC,
    OPT_ENSEMBLE,
    OPT_ENSEMBLE_IOU,
    OPT_ENSEMBLE_WEIGHTS,
    OPT_ENSEMBLE_VOTES,
    OPT_ENSEMBLE_MERGE,
    OPT_CROP,
    OPT_EYE,
    OPT_RECT,
    OPT_MAX_FRAMES,
    OPT_LOOP,
    OPT_SAVE_JSONL,
    OPT_SAVE_COCO,
    OPT_SAVE_MOT,
    OPT_SAVE_VIDEO,
    OPT_VIDEO_SCALE,
    OPT_STATS,
    OPT_PROMETHEUS,
    OPT_OUTPUT,
    OPT_TO,
    OPT_GPU,
    OPT_CALIB,
    OPT_CALIB_COUNT,
    OPT_SYMMETRIC,
    OPT_VAL,
    OPT_LABELS,
    OPT_NO_VALIDATE,
    OPT_DYNAMIC,
    OPT_RAW_HEAD,
    OPT_CONFIG,
    OPT_PROFILE,
    OPT_QUEUE,
    OPT_MEMORY_LIMIT,
    OPT_PICTURES,
    OPT_RUNS,
    OPT_SECONDS,
    OPT_STEPS,
    OPT_REPORT,
    OPT_JSON_FILE,
    OPT_JSON,
    OPT_NO_PROGRESS,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_HELP,
    OPT_COUNT
} option_id;

typedef struct option {
    const char *name;  /* without the dashes */
    char letter;       /* short form, or 0 */
    const char *value; /* what its value is, or NULL for a switch */
    const char *field; /* setting of yolk_config_set() that it gives, or NULL */
    const char *group; /* heading in the help */
    const char *words; /* values, for completion; "@files", "@folders", or NULL */
    int commands;      /* CMD_ bits */
    const char *help;
} option;

extern const option options[OPT_COUNT];

struct arguments {
    int argc; /* as main() got them */
    char **argv;
    const command *command;
    const char *values[OPT_COUNT]; /* NULL: not given; "1" for a switch; the last one wins */
    int verbose;                   /* times that --verbose was given */
    const char **inputs;           /* words that are not options */
    size_t input_count;
};

/* Parses what follows the command's name. Returns STATUS_DONE, or STATUS_USAGE or STATUS_FAILED after saying why. */
int arguments_parse(arguments *args, int argc, char **argv);
void arguments_free(arguments *args);
/* Logging as --quiet and --verbose ask. */
void arguments_logging(const arguments *args);
/* Settings after every layer, the command line the last; logging is set to match. Returns an exit status. */
int arguments_settings(const arguments *args, yolk_config *config);
/* Puts the option's value into the setting that it gives. False after saying what is wrong. */
bool arguments_setting(const arguments *args, option_id id, yolk_config *config);
/* Whole number of an option within limits, or `absent` when it was not given. False after saying what is wrong. */
bool arguments_integer(const arguments *args, option_id id, long long least, long long most, long long absent,
                       long long *out);

/* ---- suggest.c ---- */

/* The nearest candidate to `word`, or NULL when none is near enough to be what was meant. */
const char *suggest(const char *word, const char *const *candidates, size_t count);

/* ---- report.c: what the user reads on standard error ---- */

/* Says "yolk: SENTENCE" and returns STATUS_FAILED. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* fail() with the library's sentence about its last failure; nothing when the log already said it. */
int fail_last(void);
/* Says "yolk: SENTENCE", points to the command's help (NULL: the general one), and returns STATUS_USAGE. */
int fail_usage(const command *of, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line for the user that is not about a failure. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_log(void *user, yolk_log_level level, const char *message);

/* ---- progress.c: the line at the bottom of a terminal ---- */

/* Whether standard error is a terminal that can redraw a line. */
bool progress_wanted(void);
/* Redraws the line, now and then. */
void progress_draw(const yolk_progress *progress);
/* The same for something that is `share` (0..1) done; `eta` is negative when unknown. */
void progress_draw_share(const char *what, double share, double eta);
void progress_end(void);
/* Prints a line on standard error, above the progress line when there is one. Control characters become '?'. */
void terminal_line(const char *prefix, const char *format, va_list list) __attribute__((format(printf, 2, 0)));

/* ---- output.c: JSON and tables ---- */

/* Text from outside as JSON, which has to be UTF-8: bytes that are not become '?'. NULL when memory is short. */
json_t *json_text(const char *text);
/* Writes JSON, and gives it up. "-" is standard output; a file appears whole or not at all. Returns an exit status. */
int write_json(json_t *root, const char *path);

/* A table whose columns are padded to their widest cell; cells are added row by row, the heading first. */
enum { TABLE_COLUMNS = 16 };

typedef struct table {
    size_t columns; /* at most TABLE_COLUMNS */
    size_t cells;
    char **text;
    bool failed;
} table;

void table_add(table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and ends it. Columns whose bit is set in `right` are aligned right. Returns an exit status. */
int table_print(table *t, unsigned right);

void format_bytes(char *out, size_t size, unsigned long long bytes);
void format_seconds(char *out, size_t size, double seconds);

/* ---- stats.c: what a run came to ---- */

enum { STATS_STEPS = 4 };

/* Memory at the end of each part of a run, and its highest during it. */
typedef struct stats_steps {
    struct {
        const char *name;
        yolk_memory memory;
    } items[STATS_STEPS];
    size_t count;
} stats_steps;

void stats_step(stats_steps *steps, const char *name); /* ends the step of that name, which a constant is */
/* Writes --stats. Returns an exit status. */
int stats_write(const arguments *args, const yolk_model_info *model, const yolk_pipeline_report *report,
                const stats_steps *steps, yolk_status ended);

/* The file of --prometheus. */
typedef struct prometheus {
    const char *path; /* NULL: none */
    const char *model;
    double next; /* when it is due, on the monotonic clock */
} prometheus;

void prometheus_update(prometheus *p, const yolk_manager *manager); /* when it is due */
int prometheus_finish(const prometheus *p, const yolk_stats *stats);

/* ---- measure.c: what bench and compare share ---- */

/* Whether --json and --report can be written, as far as that is known beforehand. Returns an exit status. */
int measure_outputs(const arguments *args);
/* arguments_settings(), but without --batch and --imgsz where they are `lists`. */
int measure_settings(const arguments *args, bool lists, yolk_config *config);
/* --seconds, or 0. False after saying what is wrong. */
bool measure_seconds(const arguments *args, double *out);
/* A yolk_bench_callback whose `user` points to a bool: whether to draw. */
int measure_progress(void *user, const yolk_bench_progress *p);
bool measure_draws(const arguments *args);
/* Whether standard output is free for a table. */
bool measure_prints_table(const arguments *args);
int measure_write_json(const arguments *args, const char *json);
/* Exit status of a measurement, after saying why it failed. */
int measure_ended(yolk_status status);

/* ---- paths.c ---- */

bool path_exists(const char *path);
bool path_is_folder(const char *path);
bool path_same(const char *a, const char *b); /* both exist and are one regular file or folder */
/* Folder that `path` lies in, to be freed; NULL when memory is short. */
char *path_folder(const char *path);
const char *path_base(const char *path);
const char *path_ending(const char *path); /* ".pt", or "" */

#endif
