/** @file video.h
 *  Reading and writing video.
 *
 *  FFmpeg does the work. Its messages go to yolk's log (its errors as information, the rest for debugging) and are
 * never printed: the first use of video or pictures sets FFmpeg's log callback, of which there is one a process. A
 * program that wants FFmpeg's messages for itself sets its own with av_log_set_callback() after that.
 */
#ifndef YOLK_VIDEO_H
#define YOLK_VIDEO_H

#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A video being read. Opaque. Use it from one thread at a time. */
typedef struct yolk_video yolk_video;

/** Facts about a video. Strings live as long as the video. */
typedef struct yolk_video_info {
    int width;           /**< upright width in pixels, after rotation */
    int height;          /**< upright height in pixels, after rotation */
    int rotation;        /**< clockwise degrees that frames are turned by to be upright: 0, 90, 180 or 270 */
    double fps;          /**< average frames a second; 0 when unknown */
    int fps_num;         /**< the same as a fraction */
    int fps_den;         /**< the same as a fraction */
    double duration;     /**< seconds; 0 when unknown */
    int64_t frame_count; /**< from the container, or estimated; 0 when unknown */
    const char *codec;   /**< e.g. "h264" */
    const char *format;  /**< container, e.g. "mov,mp4,m4a,3gp,3g2,mj2" */
    int has_audio;       /**< 1 when there is an audio stream */
    int sar_num;         /**< width of an upright pixel against its height, as a fraction; 1 for square ones */
    int sar_den;         /**< likewise */
} yolk_video_info;

/** One decoded frame, reference-counted. */
typedef struct yolk_frame {
    yolk_image image; /**< upright picture, I420, NV12 or RGB24; valid until the last release */
    int64_t index;    /**< 0-based number of the frame in this reading */
    double time;      /**< presentation time in seconds from the start of the video */
} yolk_frame;

/** Options of yolk_video_open(). */
typedef struct yolk_video_options {
    size_t struct_size; /**< set by yolk_video_options_defaults() */
    int threads;        /**< decoder threads; 0: chosen by the frames' size and the processor; default 0 */
} yolk_video_options;

/** Fills in every default. */
YOLK_API void yolk_video_options_defaults(yolk_video_options *options);

/** Opens a video file, or "-" for a y4m stream on standard input. `*out` is set on success, to be ended with
 *  yolk_video_close(), and is NULL on failure. `options` NULL: defaults. Thread-safe.
 *  @return YOLK_ERROR_NOT_FOUND, YOLK_ERROR_DAMAGED, YOLK_ERROR_UNSUPPORTED (no video stream, no decoder), ... */
YOLK_API yolk_status yolk_video_open(const char *path, const yolk_video_options *options, yolk_video **out);

/** Facts about an open video. */
YOLK_API const yolk_video_info *yolk_video_get_info(const yolk_video *video);

/** Reads the next frame in presentation order; `*out` is to be ended with yolk_frame_release(). A frame may differ in
 *  size from the one before.
 *  @return YOLK_END (with `*out` NULL) after the last frame; YOLK_ERROR_DAMAGED when the stream is cut or corrupt past
 *  repair: every frame before that was given out, and the next call returns YOLK_END */
YOLK_API yolk_status yolk_video_read(yolk_video *video, yolk_frame **out);

/** Takes one more reference to a frame. Thread-safe. Returns `frame`. */
YOLK_API yolk_frame *yolk_frame_retain(yolk_frame *frame);

/** Gives one reference back and sets the pointer to NULL. `&NULL` is allowed. Thread-safe. */
YOLK_API void yolk_frame_release(yolk_frame **frame);

/** Ends reading and sets the pointer to NULL. `&NULL` is allowed. Frames read stay valid. */
YOLK_API void yolk_video_close(yolk_video **video);

/** A video being written. Opaque. Use it from one thread at a time. */
typedef struct yolk_video_writer yolk_video_writer;

/** Options of yolk_video_writer_open(). */
typedef struct yolk_video_writer_options {
    size_t struct_size; /**< set by yolk_video_writer_options_defaults() */
    int width;          /**< of the first frame; must be set */
    int height;         /**< of the first frame; must be set */
    double scale;       /**< size written against width x height, 0.1..1; default 1 */
    int fps_num;        /**< frame rate told to the encoder; default 25 */
    int fps_den;        /**< likewise; default 1 */
    const char
        *audio_from;     /**< file whose audio streams are copied without re-encoding; NULL: no audio; default NULL */
    const char *encoder; /**< FFmpeg's encoder name; NULL: the best H.264 encoder there is; default NULL */
    int crf;             /**< constant rate factor where the encoder has one, 0..51, lower is better; default 23 */
    const char *preset;  /**< encoder's speed preset; default "veryfast" */
    int sar_num;         /**< width of a pixel against its height, told to the player; default 1 */
    int sar_den;         /**< likewise; default 1 */
} yolk_video_writer_options;

/** Fills in every default. */
YOLK_API void yolk_video_writer_options_defaults(yolk_video_writer_options *options);

/** Starts a video file (.mp4, .mkv, .mov, ... by its ending). It is written under a temporary name beside `path` and
 *  takes its name in yolk_video_writer_finish(). `*out` is set on success, to be ended with yolk_video_writer_finish()
 *  or yolk_video_writer_abort(), and is NULL on failure. */
YOLK_API yolk_status yolk_video_writer_open(const char *path, const yolk_video_writer_options *options,
                                            yolk_video_writer **out);

/** Adds a frame shown at `time` seconds; times must rise. A frame of another size is scaled to the first one's. */
YOLK_API yolk_status yolk_video_writer_write(yolk_video_writer *writer, const yolk_image *image, double time);

/** Completes the file, renames it into place and ends the writer, whose pointer is set to NULL even on failure. When
 *  audio was asked for it is cut at the last frame's end. With no frame written there is no file. */
YOLK_API yolk_status yolk_video_writer_finish(yolk_video_writer **writer);

/** Throws the unfinished file away and ends the writer. `&NULL` is allowed. */
YOLK_API void yolk_video_writer_abort(yolk_video_writer **writer);

#ifdef __cplusplus
}
#endif
#endif
