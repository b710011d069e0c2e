/** @file bench.h
 *  How fast a model is and what it takes, and how two models compare.
 *
 *  Measuring goes through the model manager, so that what is timed is what a program would get. Memory is the resident
 *  memory of the calling process: measure in a process that does nothing else. All times are milliseconds.
 */
#ifndef YOLK_BENCH_H
#define YOLK_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "convert.h"
#include "model.h"
#include "stats.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Times of a number of runs. */
typedef struct yolk_times {
    int runs;    /**< number of them; with 0 all else is 0 */
    double mean; /**< arithmetic mean */
    double std;  /**< standard deviation, of a sample */
    double min;  /**< the shortest */
    double max;  /**< the longest */
    double p50;  /**< median; percentiles are interpolated between the two nearest runs */
    double p90;  /**< 90th percentile */
    double p95;  /**< 95th percentile */
    double p99;  /**< 99th percentile */
} yolk_times;

/** How far a measurement is. */
typedef struct yolk_bench_progress {
    const char *stage; /**< what is being done, e.g. "batch 4 at 640x640"; valid during the call */
    double fraction;   /**< of the whole, 0..1 */
    double seconds;    /**< since its start */
    double eta;        /**< seconds that are left; negative while unknown */
} yolk_bench_progress;

/** Is told after each run, outside the time that is measured, on the thread that measures. Anything but 0 stops the
 *  measurement, which then ends with YOLK_ERROR_CANCELED. */
typedef int (*yolk_bench_callback)(void *user, const yolk_bench_progress *progress);

/** The machine and the program that measured. */
typedef struct yolk_bench_machine {
    const char *processor; /**< model name, "" when unknown */
    int cores;             /**< physical cores that the process may run on */
    uint64_t memory_bytes; /**< in all, 0 when unknown */
    const char *version;   /**< of yolk */
    const char *when;      /**< time of the measurement, e.g. "2026-11-24T17:46:55Z" */
} yolk_bench_machine;

/** The model that was measured. */
typedef struct yolk_bench_model {
    const char *name;      /**< see yolk_model_info */
    const char *path;      /**< the file */
    const char *format;    /**< "pt", "onnx" or "engine" */
    const char *family;    /**< e.g. "yolo26n"; "" when unknown */
    const char *precision; /**< what it was computed in */
    const char *backend;   /**< what ran it */
    const char *device;    /**< where */
    const char *check;     /**< how its conversion checked it; "" */
    int class_count;       /**< number of classes */
    uint64_t parameters;   /**< number of weights */
    uint64_t file_bytes;   /**< size of the file */
} yolk_bench_model;

/* ---- one model ---- */

/** Options of yolk_benchmark(). What they point to is read during the call only. */
typedef struct yolk_benchmark_options {
    size_t struct_size;        /**< set by yolk_benchmark_options_defaults() */
    const yolk_config *config; /**< device, backend, precision, thresholds, ...; its batch is not used; NULL: the
                                  process-wide settings; default NULL */
    const int *batches;        /**< batch sizes; NULL: 1, 2, 4, 8 and 16, or the one that the model was made for */
    size_t batch_count;        /**< number of those; default 0 */
    const yolk_size *sizes;    /**< network inputs; NULL: the config's, or the model's own */
    size_t size_count;         /**< number of those; default 0 */
    int runs;                  /**< timed runs of each batch and size, 1 or more; default 100 */
    int warmup;                /**< runs before them that are not counted, after the first one; default 5 */
    double max_seconds;   /**< time for the runs of one batch and size, which are then fewer; 0: no limit; default 0 */
    const char *pictures; /**< pictures to run on: a folder or a video; NULL: noise; default NULL */
    int picture_count;    /**< pictures or frames taken from it, evenly, and kept in memory; default 16 */
    int steps;            /**< 1: measure import, compilation, first run and the others apart, and list the layers
                             that take the most memory; default 0 */
    yolk_bench_callback progress; /**< NULL: none; default NULL */
    void *user;                   /**< handed to `progress`; default NULL */
} yolk_benchmark_options;

/** Fills in every default. */
YOLK_API void yolk_benchmark_options_defaults(yolk_benchmark_options *options);

/** What one batch size at one input size came to. */
typedef struct yolk_benchmark_row {
    yolk_size input;        /**< of the network */
    int batch;              /**< frames a run */
    const char *skipped;    /**< why it was not run, one sentence; NULL: it was */
    int cut;                /**< 1 when `max_seconds` made the runs fewer */
    yolk_times call;        /**< a call of yolk_manager_predict_batch(): letterbox, network, boxes; ms a batch */
    yolk_times network;     /**< the network's part of that; ms a batch */
    const double *calls_ms; /**< the calls one by one, in order; call.runs of them */
    double fps;             /**< frames a second: frames / time of all calls */
    double ms_per_frame;    /**< median call / batch */
    double network_runs;    /**< runs of the network a call, mean: more than 1 when a batch had to be split */
    double detections;      /**< objects found a frame, mean */
    double prepare_ms;      /**< compilation for this batch and size, and the manager's own warm-up */
    double first_ms;        /**< first call after that */
    double first_ratio;     /**< the same against the median call */
    uint64_t memory_before; /**< resident memory before the model was loaded, in bytes */
    uint64_t memory_loaded; /**< with the model loaded */
    uint64_t memory_ready;  /**< compiled and warmed up */
    uint64_t memory_after;  /**< after the runs */
    uint64_t memory_peak;   /**< highest meanwhile */
} yolk_benchmark_row;

/** Part of getting a model to run. */
typedef struct yolk_benchmark_step {
    const char *name;     /**< "import", "compile", "first run", "other runs" */
    double ms;            /**< time it took, for the other runs that of one */
    int64_t memory_added; /**< bytes that resident memory grew by */
    uint64_t memory;      /**< resident memory afterwards, in bytes */
} yolk_benchmark_step;

/** A layer of the network as it was imported. */
typedef struct yolk_benchmark_layer {
    const char *name;      /**< of the layer */
    const char *operation; /**< ONNX's name of it */
    const char *shape;     /**< of its output, e.g. "1x64x160x160" */
    uint64_t output_bytes; /**< size of that */
    uint64_t live_bytes;   /**< everything that is needed while it runs, weights aside: inputs, outputs, what waits */
} yolk_benchmark_layer;

/** What a benchmark came to. Strings and arrays live as long as the report. */
typedef struct yolk_benchmark_report {
    yolk_bench_machine machine;         /**< what measured */
    yolk_bench_model model;             /**< what was measured */
    double load_ms;                     /**< finding and reading the model, the first time */
    const char *pictures;               /**< folder or video that it ran on; "" for noise */
    int picture_count;                  /**< pictures that it ran on in turn */
    int runs;                           /**< runs that were asked for */
    double max_seconds;                 /**< limit that was set; 0: none */
    const yolk_benchmark_row *rows;     /**< by input size, then by batch size, as asked for */
    size_t row_count;                   /**< number of rows */
    const yolk_benchmark_step *steps;   /**< with options.steps */
    size_t step_count;                  /**< number of steps */
    const yolk_benchmark_layer *layers; /**< with options.steps: those with the largest outputs, the largest first */
    size_t layer_count;                 /**< number of those, 10 at most */
    uint64_t live_peak_bytes;           /**< with options.steps: the largest live_bytes of any layer, batch 1 */
    uint64_t weight_bytes;              /**< with options.steps: bytes of all weights, as imported */
    double seconds;                     /**< that it all took */
    const char *json;                   /**< all of this as JSON */
} yolk_benchmark_report;

/** Measures a model: a file, or a name in the config's models folder. Each batch size is loaded, compiled, warmed up
 * and run by itself; one that does not fit into memory is skipped and its row says why. `*report` is set on success,
 * and with what was finished on YOLK_ERROR_CANCELED, to be ended with yolk_benchmark_report_destroy(); it is NULL on
 * other failures. `options` NULL: defaults. Thread-safe, but two measurements at once disturb each other. */
YOLK_API yolk_status yolk_benchmark(const char *model, const yolk_benchmark_options *options,
                                    yolk_benchmark_report **report);

/** Writes a report as one HTML file that needs nothing else: tables and charts, no scripts. The file appears whole or
 *  not at all. Thread-safe. */
YOLK_API yolk_status yolk_benchmark_write_html(const yolk_benchmark_report *report, const char *path);

/** Ends a report and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_benchmark_report_destroy(yolk_benchmark_report **report);

/* ---- a video from end to end ---- */

/** Options of yolk_benchmark_video(). What they point to is read during the call only. */
typedef struct yolk_video_benchmark_options {
    size_t struct_size;           /**< set by yolk_video_benchmark_options_defaults() */
    const yolk_config *config;    /**< as in yolk_benchmark_options, its batch included; default NULL */
    int64_t max_frames;           /**< frames of the video to use; 0: all; default 300 */
    int rounds;                   /**< times that everything is measured, in turn; default 3 */
    yolk_bench_callback progress; /**< NULL: none; default NULL */
    void *user;                   /**< handed to `progress`; default NULL */
} yolk_video_benchmark_options;

/** Fills in every default. */
YOLK_API void yolk_video_benchmark_options_defaults(yolk_video_benchmark_options *options);

/** Frames a second over a few rounds. */
typedef struct yolk_rate {
    double fps;  /**< median */
    double low;  /**< slowest round */
    double high; /**< fastest round */
} yolk_rate;

/** What a video came to. Strings live as long as the report. */
typedef struct yolk_video_benchmark_report {
    yolk_bench_machine machine;                /**< what measured */
    yolk_bench_model model;                    /**< what was measured */
    const char *video;                         /**< the file */
    const char *codec;                         /**< its codec */
    int width;                                 /**< of its frames, in pixels */
    int height;                                /**< likewise */
    yolk_size input;                           /**< network input that its frames are letterboxed to */
    int batch;                                 /**< largest batch run */
    int64_t frames;                            /**< frames of each round */
    int rounds;                                /**< rounds measured */
    yolk_rate decode;                          /**< decoding alone */
    yolk_rate network;                         /**< the network alone, on frames that are in memory at its input size */
    yolk_rate pipeline;                        /**< everything: decoding, letterbox, network, boxes */
    double decode_share;                       /**< pipeline against decoding alone */
    double network_share;                      /**< pipeline against the network alone */
    double bound_share;                        /**< pipeline against the slower of the two */
    yolk_stage_stats stages[YOLK_STAGE_COUNT]; /**< of the pipeline, all rounds together */
    uint64_t detections;                       /**< objects that it found in a round */
    uint64_t memory_peak_bytes;                /**< highest resident memory of the process */
    double seconds;                            /**< that it all took */
    const char *json;                          /**< all of this as JSON */
} yolk_video_benchmark_report;

/** Measures a model over a video: decoding alone, the network alone and the whole pipeline, in turn, so that what else
 *  the machine does disturbs all three alike. `*report` is set on success, to be ended with
 *  yolk_video_benchmark_report_destroy(), and is NULL on failure. `options` NULL: defaults. Thread-safe, but two
 *  measurements at once disturb each other. */
YOLK_API yolk_status yolk_benchmark_video(const char *video, const char *model,
                                          const yolk_video_benchmark_options *options,
                                          yolk_video_benchmark_report **report);

/** As yolk_benchmark_write_html(). */
YOLK_API yolk_status yolk_video_benchmark_write_html(const yolk_video_benchmark_report *report, const char *path);

/** Ends a report and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_video_benchmark_report_destroy(yolk_video_benchmark_report **report);

/* ---- two models ---- */

/** Options of yolk_compare(). What they point to is read during the call only. */
typedef struct yolk_compare_options {
    size_t struct_size;        /**< set by yolk_compare_options_defaults() */
    const yolk_config *config; /**< as in yolk_benchmark_options; default NULL */
    int batch;                 /**< frames a run; default 1 */
    int runs;                  /**< timed runs of each, rounded up to whole rounds of 4; default 100 */
    double max_seconds;        /**< time for the runs, which are then fewer; 0: no limit; default 0 */
    const char *val;    /**< pictures to compare on: a folder or a video; NULL: speed alone, on noise; default NULL */
    int val_count;      /**< pictures compared, evenly; 0: all with labels, else 64; default 0 */
    const char *labels; /**< ground truth for `val`, as in yolk_convert_options; default NULL */
    yolk_bench_callback progress; /**< NULL: none; default NULL */
    void *user;                   /**< handed to `progress`; default NULL */
} yolk_compare_options;

/** Fills in every default. */
YOLK_API void yolk_compare_options_defaults(yolk_compare_options *options);

/** One of the two. */
typedef struct yolk_compare_side {
    yolk_bench_model model; /**< which it is */
    yolk_size input;        /**< of its network */
    double load_ms;         /**< finding and reading it */
    double prepare_ms;      /**< compilation and the manager's own warm-up */
    double first_ms;        /**< first call after that */
    yolk_times call;        /**< as in yolk_benchmark_row */
    yolk_times network;     /**< likewise */
    const double *calls_ms; /**< likewise */
    double fps;             /**< frames a second */
    uint64_t memory_added;  /**< bytes of resident memory that loading and preparing it added; the first
                                 model's include the backend's libraries, which both use */
    int boxes;              /**< that it found, above 0.25 */
    double ap;              /**< AP50-95; 0 without ground truth */
    double ap50;            /**< AP50; 0 without ground truth */
} yolk_compare_side;

/** The confidence that both gave to one object. */
typedef struct yolk_score_pair {
    float a; /**< the first model's; 0: it did not find it */
    float b; /**< the second model's; 0: it did not find it */
} yolk_score_pair;

/** How two models compare. Strings and arrays live as long as the report. */
typedef struct yolk_compare_report {
    yolk_bench_machine machine;    /**< what measured */
    yolk_compare_side a;           /**< the first model */
    yolk_compare_side b;           /**< the second model */
    int batch;                     /**< frames a run */
    int cut;                       /**< 1 when `max_seconds` made the runs fewer */
    double speedup;                /**< time of a over time of b: how many times as fast b is; median of the rounds */
    double speedup_low;            /**< that is above this with a confidence of 95 % (bootstrap over the rounds) */
    double speedup_high;           /**< and below this */
    const double *ratios;          /**< the rounds' own, in order */
    size_t ratio_count;            /**< number of rounds */
    yolk_check_kind check;         /**< what was compared besides speed */
    const char *val;               /**< pictures that it was compared on; "" */
    int pictures;                  /**< how many those were */
    int boxes;                     /**< boxes above 0.25 that either found */
    double agreement;              /**< share that both found: same class, overlap of 0.5 or more; 0..1 */
    double score_difference;       /**< mean difference of their confidences over those */
    const yolk_score_pair *scores; /**< of boxes that either found, in order of pictures */
    size_t score_count;            /**< number of those, 5000 at most */
    double seconds;                /**< that it all took */
    const char *json;              /**< all of this as JSON */
} yolk_compare_report;

/** Runs two models in turn (a b, b a, a b, ...) so that what else the machine does disturbs both alike, and compares
 * what they find. Both get the config's input size, or their own. `*report` is set on success, to be ended with
 *  yolk_compare_report_destroy(), and is NULL on failure. `options` NULL: defaults. Thread-safe, but two measurements
 * at once disturb each other.
 *  @return YOLK_ERROR_INVALID_ARGUMENT for models whose classes are not the same in number, when there are pictures */
YOLK_API yolk_status yolk_compare(const char *a, const char *b, const yolk_compare_options *options,
                                  yolk_compare_report **report);

/** As yolk_benchmark_write_html(). */
YOLK_API yolk_status yolk_compare_write_html(const yolk_compare_report *report, const char *path);

/** Ends a report and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_compare_report_destroy(yolk_compare_report **report);

#ifdef __cplusplus
}
#endif
#endif
