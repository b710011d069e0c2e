/** @file stats.h
 *  What running a model or a pipeline cost.
 */
#ifndef YOLK_STATS_H
#define YOLK_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Parts of the work on a frame, in order. */
typedef enum yolk_stage {
    YOLK_STAGE_DECODE = 0,  /**< reading and decoding */
    YOLK_STAGE_PREPROCESS,  /**< letterbox and colour conversion */
    YOLK_STAGE_INFER,       /**< the network */
    YOLK_STAGE_POSTPROCESS, /**< head decoding and suppression */
    YOLK_STAGE_OUTPUT,      /**< drawing, encoding and writing */
    YOLK_STAGE_COUNT        /**< number of stages */
} yolk_stage;

/** Lower-case name of a stage, e.g. "decode"; NULL outside the list. Static string. */
YOLK_API const char *yolk_stage_name(yolk_stage stage);

/** Time that one stage took. */
typedef struct yolk_stage_stats {
    uint64_t frames; /**< frames that went through */
    double mean_ms;  /**< milliseconds a frame, mean */
    double p50_ms;   /**< median of a batch's time a frame, within 2 % */
    double p95_ms;   /**< 95th percentile, likewise */
    double p99_ms;   /**< 99th percentile, likewise */
    double total_ms; /**< milliseconds in all */
} yolk_stage_stats;

#define YOLK_STATS_DEVICES 16 /**< most devices that statistics tell of */
#define YOLK_STATS_BATCHES 22 /**< entries of the histogram of batch sizes */

/** Batch sizes counted together in entry `index` of the histogram: 1, 2, ... 16 each alone, then 17..32, 33..64, ...,
 *  257..512 and everything above. `*most` is INT_MAX in the last. Either pointer may be NULL.
 *  @return 1, or 0 outside the histogram */
YOLK_API int yolk_stats_batch_sizes(size_t index, int *least, int *most);

/** What one device did. */
typedef struct yolk_device_stats {
    char name[32];         /**< as the setting `device` names it, e.g. "cpu:0"; "" when it has no name */
    uint64_t frames;       /**< frames it ran */
    uint64_t batches;      /**< network runs */
    double busy_seconds;   /**< time in which it was at it */
    double mean_ms;        /**< milliseconds a frame, mean */
    uint64_t memory_bytes; /**< memory that models take there; 0 when unknown */
    int lost;              /**< 1 when it stopped answering and is no longer used */
} yolk_device_stats;

/** Memory of this process, in bytes; 0 where unknown. */
typedef struct yolk_memory {
    uint64_t now;       /**< resident now */
    uint64_t peak;      /**< highest resident so far, or since yolk_memory_reset_peak() */
    uint64_t limit;     /**< not to be passed, by the setting `memory_limit_mb`; 0: no limit */
    uint64_t available; /**< that the system, or the control group, still has to give */
} yolk_memory;

/** A consistent picture of the work done so far: a batch is in all of its figures or in none. */
typedef struct yolk_stats {
    uint64_t frames;                               /**< frames finished */
    uint64_t batches;                              /**< network runs */
    uint64_t detections;                           /**< objects found */
    double seconds;                                /**< wall time from the first frame's start to the last one's end */
    double fps;                                    /**< frames / seconds, 0 before the first */
    yolk_stage_stats stages[YOLK_STAGE_COUNT];     /**< by yolk_stage */
    uint64_t batch_sizes[YOLK_STATS_BATCHES];      /**< network runs by their frames; see yolk_stats_batch_sizes() */
    yolk_device_stats devices[YOLK_STATS_DEVICES]; /**< in the order of the setting `device` */
    int device_count;                              /**< of `devices` that there are */
    yolk_memory memory;                            /**< of the process */
} yolk_stats;

/** The figures as text in the exposition format of Prometheus (version 0.0.4), times in seconds. `model` (NULL: none)
 *  is the label of that name on every sample. To be released with yolk_stats_text_free(); NULL when memory is short.
 *  Thread-safe. */
YOLK_API char *yolk_stats_to_prometheus(const yolk_stats *stats, const char *model);

/** Releases text from yolk_stats_to_prometheus(). NULL is allowed. */
YOLK_API void yolk_stats_text_free(char *text);

/** Writes yolk_stats_to_prometheus() to a file, which appears whole or not at all, as the textfile collector of
 *  Prometheus' node exporter wants it. Thread-safe. */
YOLK_API yolk_status yolk_stats_save_prometheus(const yolk_stats *stats, const char *model, const char *path);

/** Resident memory of this process now, and its peak (either pointer may be NULL), in bytes; 0 where unknown.
 *  Takes a few microseconds. Thread-safe. */
YOLK_API void yolk_memory_usage(uint64_t *now, uint64_t *peak);

/** Fills in everything but `limit`, which is 0. Thread-safe. */
YOLK_API void yolk_memory_read(yolk_memory *out);

/** Lets the peak begin anew from what is used now. Where the kernel does not allow it (a read-only /proc),
 *  YOLK_ERROR_UNSUPPORTED is returned, and the peak is from then on the highest that yolk_memory_usage(),
 *  yolk_memory_read() and statistics have seen. Thread-safe.
 *  @return YOLK_OK or YOLK_ERROR_UNSUPPORTED */
YOLK_API yolk_status yolk_memory_reset_peak(void);

#ifdef __cplusplus
}
#endif
#endif
