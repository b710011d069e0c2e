/* Pictures and clips for tests: a bright square on gray that moves a little each frame, written by yolk itself, and
 * files made from those by cutting, patching and joining. */
#ifndef VIDEO_TEST_H
#define VIDEO_TEST_H

#include "base/base.h"
#include "yk_temp.h"
#include "yolk/yolk.h"

enum { CLIP_GRAY = 90, CLIP_WHITE = 220, CLIP_SIDE = 16 };

/* I420 with the square's corner at (4 + 2 * index, 8), wrapped within the width. Freed with yk_free(planes[0]). */
static inline yolk_image clip_frame(int width, int height, int index)
{
    int half_width = (width + 1) / 2, half_height = (height + 1) / 2;
    size_t luma = (size_t)width * height, chroma = (size_t)half_width * half_height;
    uint8_t *bytes = malloc(luma + 2 * chroma);
    assert_non_null(bytes);
    memset(bytes, CLIP_GRAY, luma);
    memset(bytes + luma, 128, 2 * chroma);
    /* Below row 48 nothing is like the frame before, so that each frame takes its share of the file. */
    unsigned seed = 1 + (unsigned)index;
    for (size_t i = (size_t)width * 48; i < luma; i++)
        bytes[i] = (uint8_t)(CLIP_GRAY + ((seed = seed * 1103515245 + 12345) >> 16) % 64);
    int left = (4 + 2 * index) % (width > CLIP_SIDE + 4 ? width - CLIP_SIDE : 1);
    for (int y = 8; y < height && y < 8 + CLIP_SIDE; y++)
        for (int x = left; x < width && x < left + CLIP_SIDE; x++)
            bytes[(size_t)y * width + x] = CLIP_WHITE;
    return (yolk_image){.width = width,
                        .height = height,
                        .format = YOLK_PIXEL_I420,
                        .planes = {bytes, bytes + luma, bytes + luma + chroma},
                        .strides = {width, half_width, half_width}};
}

/* Writes frames at the given times, or at i * den / num when that is NULL. */
static inline const char *clip_write(const char *name, int width, int height, int frames, int num, int den,
                                     const double *times)
{
    const char *path = yk_temp_path(name);
    yolk_video_writer_options options;
    yolk_video_writer_options_defaults(&options);
    options.width = width;
    options.height = height;
    options.fps_num = num;
    options.fps_den = den;
    options.preset = "ultrafast";
    yolk_video_writer *writer;
    assert_ok(yolk_video_writer_open(path, &options, &writer));
    for (int i = 0; i < frames; i++) {
        yolk_image image = clip_frame(width, height, i);
        assert_ok(yolk_video_writer_write(writer, &image, times ? times[i] : (double)i * den / num));
        free(image.planes[0]);
    }
    assert_ok(yolk_video_writer_finish(&writer));
    assert_null(writer);
    return path;
}

static inline uint8_t *file_bytes(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    bytes[*size] = '\0';
    fclose(f);
    return bytes;
}

/* The first `share` of a file under another name. */
static inline const char *clip_cut(const char *path, const char *name, double share)
{
    size_t size;
    uint8_t *bytes = file_bytes(path, &size);
    const char *cut = yk_temp_write(name, bytes, (size_t)((double)size * share));
    free(bytes);
    return cut;
}

/* A y4m stream of `frames` frames whose planes hold `size` bytes in all; `parameters` as in "W32 H16 F25:1 C420". */
static inline const char *clip_y4m(const char *name, const char *parameters, size_t size, int frames)
{
    yk_buffer b = {0};
    yk_buffer_format(&b, "YUV4MPEG2 %s\n", parameters);
    for (int i = 0; i < frames; i++) {
        yk_buffer_text(&b, "FRAME\n");
        for (size_t k = 0; k < size; k++)
            yk_buffer_add(&b, &(uint8_t){(uint8_t)(60 + i)}, 1);
    }
    const char *path = yk_temp_write(name, b.data, b.size);
    yk_buffer_free(&b);
    return path;
}

/* Reads to the end; returns its status with the number of frames given before. */
static inline yolk_status clip_read_all(yolk_video *video, int *frames)
{
    yolk_frame *frame;
    yolk_status status;
    double last = -1;
    *frames = 0;
    while ((status = yolk_video_read(video, &frame)) == YOLK_OK) {
        assert_int_equal(frame->index, *frames);
        assert_true(frame->time > last);
        last = frame->time;
        ++*frames;
        yolk_frame_release(&frame);
        assert_null(frame);
    }
    assert_null(frame);
    return status;
}

#endif
