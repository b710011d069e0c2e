/** @file pipeline.h
 *  Runs a model over pictures and videos, with decoding, inference and output overlapped.
 */
#ifndef YOLK_PIPELINE_H
#define YOLK_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "sink.h"
#include "stats.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Part of a frame that a stereo (VR) video shows to one eye. */
typedef enum yolk_eye {
    YOLK_EYE_BOTH = 0, /**< the whole frame */
    YOLK_EYE_LEFT,     /**< left half */
    YOLK_EYE_RIGHT,    /**< right half */
    YOLK_EYE_TOP,      /**< top half */
    YOLK_EYE_BOTTOM    /**< bottom half */
} yolk_eye;

/** How far a run has come. */
typedef struct yolk_progress {
    const char *source;  /**< input being worked on */
    size_t source_index; /**< its number among the inputs */
    size_t source_count; /**< number of inputs; pictures of a folder counted one by one */
    int64_t frame;       /**< frames of all inputs done so far */
    int64_t frame_count; /**< frames of all inputs; 0 when unknown */
    double seconds;      /**< since the start of the run */
    double fps;          /**< over the last few seconds */
    double eta;          /**< seconds that are left; negative when unknown */
} yolk_progress;

/** Called after each frame, and a few times a second while none comes, from the thread that called yolk_pipeline_run().
 *  Anything but 0 ends the run there, with YOLK_ERROR_CANCELED. */
typedef int (*yolk_progress_callback)(void *user, const yolk_progress *progress);

/** Options of yolk_pipeline_run(). */
typedef struct yolk_pipeline_options {
    size_t struct_size;              /**< set by yolk_pipeline_options_defaults() */
    int crop[4];                     /**< x, y, width, height in pixels to look at; width 0: everything; default 0 */
    yolk_eye eye;                    /**< half of a stereo frame to look at, before `crop`; default YOLK_EYE_BOTH */
    int rect;                        /**< 1: still pictures keep their aspect too; default 0 */
    int64_t max_frames;              /**< frames of each video to look at; 0: all; default 0 */
    int loop;                        /**< times that each video is read; default 1 */
    yolk_progress_callback progress; /**< or NULL; default NULL */
    void *progress_user;             /**< passed to `progress`; default NULL */
} yolk_pipeline_options;

/** How a run ended. */
typedef struct yolk_pipeline_report {
    yolk_stats stats;      /**< frames, time by stage, memory */
    size_t sources;        /**< inputs worked on */
    size_t failed_sources; /**< inputs that could not be read, or not to their end; each was logged as an error */
    int input_width;       /**< network input of the last batch */
    int input_height;      /**< likewise */
    int batch;             /**< largest batch run */
} yolk_pipeline_report;

/** Fills in every default. */
YOLK_API void yolk_pipeline_options_defaults(yolk_pipeline_options *options);

/** Runs the manager's model over inputs: pictures, videos, folders (their pictures and videos, by name) and "-" (y4m on
 *  standard input), and gives each result, in order, to every sink. Sinks stay the caller's. An input that fails does
 * not stop the others; what was found before it failed is kept. `options` NULL: defaults; `report` may be NULL.
 *  @return YOLK_OK; YOLK_ERROR_CANCELED when `progress` said so; the first failed input's status; a sink's status */
YOLK_API yolk_status yolk_pipeline_run(yolk_manager *manager, const char *const *inputs, size_t input_count,
                                       yolk_sink *const *sinks, size_t sink_count, const yolk_pipeline_options *options,
                                       yolk_pipeline_report *report);

#ifdef __cplusplus
}
#endif
#endif
