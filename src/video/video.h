/* What the pipeline asks of the video room beyond the public headers. */
#ifndef YK_VIDEO_H
#define YK_VIDEO_H

#include "base/base.h"
#include "yolk/image.h"
#include "yolk/video.h"

/* Ends the waiting of reads from standard input and pipes, from any thread: the read that waits, and every later one,
 * returns YOLK_ERROR_CANCELED. Files are not waited for. */
typedef struct yk_interrupt yk_interrupt;
yolk_status yk_interrupt_create(yk_interrupt **out);
void yk_interrupt_raise(yk_interrupt *interrupt);
void yk_interrupt_destroy(yk_interrupt **interrupt); /* &NULL allowed */

/* As yolk_video_open(); `interrupt` may be NULL and must outlive the video. */
yolk_status yk_video_open(const char *path, const yolk_video_options *options, yk_interrupt *interrupt,
                          yolk_video **out);

/* What the first bytes say: the name of a still picture's codec as FFmpeg calls it ("mjpeg", "png"), or NULL. */
const char *yk_sniff_picture(const uint8_t *data, size_t size);
/* By the ending of a name. */
bool yk_names_picture(const char *path);
bool yk_names_video(const char *path);

/* A copy in RGB24, to be ended with yolk_image_destroy(). */
yolk_status yk_image_scaled(const yolk_image *image, double scale, yolk_image **out);

/* ---- draw.c ---- */

/* Draws on pictures of one size again and again: keeps font and glyphs. One thread at a time. */
typedef struct yk_drawer yk_drawer;
yolk_status yk_drawer_create(yk_drawer **out);
void yk_drawer_destroy(yk_drawer **drawer); /* &NULL allowed */
/* As yolk_image_draw(), with boxes multiplied by `scale_x` and `scale_y` first. */
yolk_status yk_drawer_draw(yk_drawer *drawer, yolk_image *image, const yolk_detection *detections, size_t count,
                           double scale_x, double scale_y);

/* ---- writer.c ---- */

/* Fails with a sentence when `path` cannot become a video file, by its ending or because its folder does not let it. */
yolk_status yk_writer_check(const char *path);

/* yolk_video_writer_write() in two halves, to draw in between. The first copies or scales `image` into the next frame
 * to encode; `canvas` views it until yk_writer_end(). */
yolk_status yk_writer_begin(yolk_video_writer *writer, const yolk_image *image, yolk_image *canvas);
yolk_status yk_writer_end(yolk_video_writer *writer, double time);

#endif
