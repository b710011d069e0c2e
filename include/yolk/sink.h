/** @file sink.h
 *  Where detections go: JSON lines, COCO results, MOTChallenge, annotated video and pictures, or a function of yours.
 */
#ifndef YOLK_SINK_H
#define YOLK_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What was found in one frame. Everything in it is valid during the call only. */
typedef struct yolk_result {
    const char *source;               /**< path of the input it comes from */
    int still;                        /**< 1 when the input is a still picture */
    int64_t frame;                    /**< 0-based frame number within the source */
    double time;                      /**< seconds from the start of the source */
    int fps_num;                      /**< frame rate of the source as a fraction; 0 when it has none */
    int fps_den;                      /**< likewise */
    int width;                        /**< width of the original frame in pixels */
    int height;                       /**< height of the original frame in pixels */
    const yolk_image *image;          /**< the frame, upright; NULL unless some sink asked for it */
    const yolk_detection *detections; /**< by falling confidence, in pixels of the original frame */
    size_t count;                     /**< number of detections */
    int sar_num;                      /**< width of a pixel against its height as a fraction; 0 is taken for 1 */
    int sar_den;                      /**< likewise */
} yolk_result;

/** A destination of results. Opaque. Use it from one thread at a time. */
typedef struct yolk_sink yolk_sink;

/** Receives one result; anything but YOLK_OK stops the run with that status. */
typedef yolk_status (*yolk_sink_callback)(void *user, const yolk_result *result);

/** Writes one JSON object a line and flushes it. "-" is standard output. The file grows as results come and every line
 *  in it is whole, so that it can be read while it is written and nothing is lost when the run is cut.
 *  `with_source` adds the input's path to each line, for runs over several inputs. */
YOLK_API yolk_status yolk_sink_open_jsonl(const char *path, int with_source, yolk_sink **out);

/** Writes one COCO results array; `image_id` is the number in the input's file name, or the frame number for video.
 *  The file appears whole when the sink is finished. "-" is standard output. */
YOLK_API yolk_status yolk_sink_open_coco(const char *path, yolk_sink **out);

/** Writes MOTChallenge lines, frames from 1: frame,id,x,y,w,h,confidence,-1,-1,-1. The file appears whole when the sink
 *  is finished. "-" is standard output. */
YOLK_API yolk_status yolk_sink_open_mot(const char *path, yolk_sink **out);

/** Draws and encodes. For a video `path` is the video file to write, which keeps the source's audio; for pictures, or
 *  when `path` is a folder, files of the sources' names are written in that folder. `scale` as in
 *  yolk_video_writer_options, or 0: by the frames' resolution, from the process-wide settings. */
YOLK_API yolk_status yolk_sink_open_annotated(const char *path, double scale, yolk_sink **out);

/** Calls `callback` for each result, with the image when `wants_image` is 1. */
YOLK_API yolk_status yolk_sink_open_callback(yolk_sink_callback callback, void *user, int wants_image, yolk_sink **out);

/** Gives a result to the sink. */
YOLK_API yolk_status yolk_sink_write(yolk_sink *sink, const yolk_result *result);

/** Completes what the sink writes and ends it; the pointer is set to NULL even on failure. `&NULL` is allowed. */
YOLK_API yolk_status yolk_sink_finish(yolk_sink **sink);

#ifdef __cplusplus
}
#endif
#endif
