/** @file stats.h
 *  What running a model or a pipeline cost.
 */
#ifndef YOLK_STATS_H
#define YOLK_STATS_H

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

/** A consistent picture of the work done so far. */
typedef struct yolk_stats {
    uint64_t frames;                           /**< frames finished */
    uint64_t batches;                          /**< network runs */
    uint64_t detections;                       /**< objects found */
    double seconds;                            /**< wall time from the first frame's start to the last one's end */
    double fps;                                /**< frames / seconds, 0 before the first */
    yolk_stage_stats stages[YOLK_STAGE_COUNT]; /**< by yolk_stage */
    uint64_t memory_bytes;                     /**< resident memory of the process now */
    uint64_t memory_peak_bytes;                /**< highest resident memory of the process so far */
} yolk_stats;

/** Resident memory of this process now, and its peak (either pointer may be NULL), in bytes; 0 where unknown.
 *  Thread-safe. */
YOLK_API void yolk_memory_usage(uint64_t *now, uint64_t *peak);

#ifdef __cplusplus
}
#endif
#endif
