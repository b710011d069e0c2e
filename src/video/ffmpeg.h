/* What the files of this room share: FFmpeg's errors as sentences, its log, and the way between its frames and
 * yolk's pictures. Nothing outside the room includes this. */
#ifndef YK_FFMPEG_H
#define YK_FFMPEG_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>

#include "base/base.h"
#include "yolk/image.h"
#include "yolk/video.h"

/* Pixels of the largest picture that is read: hostile headers claim more than a machine can hold. */
enum { YK_MAX_PIXELS = 1 << 28, YK_MAX_SIDE = 65535 };

/* ---- ffmpeg.c ---- */

/* Takes FFmpeg's messages, which it would print, into yolk's log, once a process. */
void yk_ffmpeg_init(void);
/* FFmpeg's last error message on this thread, or "". Says what a bare "Invalid data found" does not. */
const char *yk_ffmpeg_message(void);
void yk_ffmpeg_forget(void);
/* Whether that message is about a picture past YK_MAX_PIXELS. */
bool yk_ffmpeg_too_large(void);
/* yk_fail() with FFmpeg's words for `error` and the thread's last message of FFmpeg after the sentence. */
yolk_status yk_fail_ffmpeg(int error, const char *format, ...) YK_PRINTF(2, 3);
/* "file:PATH", so that no path is taken for a protocol. Allocated. */
char *yk_file_url(const char *path);

/* ---- frame.c ---- */

/* How stored pictures are turned to be upright: first transposed, then mirrored. */
typedef struct yk_orientation {
    bool transpose, flip_x, flip_y;
} yk_orientation;
yk_orientation yk_orientation_of_matrix(const int32_t matrix[9]); /* FFmpeg's display matrix */
yk_orientation yk_orientation_of_exif(int value);                 /* 1..8; others are upright */
int yk_orientation_degrees(yk_orientation o);                     /* clockwise: 0, 90, 180, 270 */
bool yk_orientation_upright(yk_orientation o);
/* The orientation that a decoded frame carries, else `fallback`. */
yk_orientation yk_orientation_of_frame(const AVFrame *frame, yk_orientation fallback);
/* Turns I420, NV12 or RGB24 `from` into `to`, whose planes and size are set up by the caller. */
void yk_turn(const yolk_image *from, yolk_image *to, yk_orientation o);

/* The picture that an 8-bit 4:2:0, RGB24 or BGR24 frame holds, as a view. */
void yk_image_of_frame(const AVFrame *frame, yolk_image *out);
/* A frame that views a picture, without owning anything: for swscale. */
void yk_frame_of_image(const yolk_image *image, AVFrame *out);
enum AVPixelFormat yk_av_format(yolk_pixel_format format);

/* Buffers for frames of one format and size, used again when they come back. Starts zeroed. */
typedef struct yk_frame_pool {
    AVBufferPool *pool;
    enum AVPixelFormat format;
    int width, height;
} yk_frame_pool;
/* Gives `frame` (blank) writable planes. */
yolk_status yk_frame_pool_get(yk_frame_pool *p, enum AVPixelFormat format, int width, int height, AVFrame *frame);
void yk_frame_pool_free(yk_frame_pool *p);

/* Conversion between two formats, sizes, matrices and ranges; set up again when they change. Starts zeroed. */
typedef struct yk_scaler {
    struct SwsContext *sws;
    int key[11];
} yk_scaler;
/* Converts all of `from` into the planes of `to`; matrix and range of each are in the frame. */
yolk_status yk_scaler_run(yk_scaler *s, const AVFrame *from, AVFrame *to, int flags);
void yk_scaler_free(yk_scaler *s);

/* ---- color.c ---- */

/* Exact RGB for the chroma formats of pictures: those that `fits` says yes to. */
bool yk_color_fits(const AVFrame *frame);
yolk_status yk_color_run(const AVFrame *frame, yolk_image *out); /* RGB24 of the same size */

#endif
