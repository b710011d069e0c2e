/** @file image.h
 *  Pictures in memory, detections, and drawing the one on the other.
 */
#ifndef YOLK_IMAGE_H
#define YOLK_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How the samples of a picture lie in memory; all are 8 bits a sample. */
typedef enum yolk_pixel_format {
    YOLK_PIXEL_BGR24 = 0, /**< one plane, 3 bytes a pixel: blue, green, red */
    YOLK_PIXEL_RGB24,     /**< one plane, 3 bytes a pixel: red, green, blue */
    YOLK_PIXEL_I420,      /**< three planes Y, U, V; U and V halved both ways, rounded up */
    YOLK_PIXEL_NV12       /**< two planes Y and interleaved U, V; the second halved both ways, rounded up */
} yolk_pixel_format;

/** Matrix that relates Y'CbCr to R'G'B' (ITU-T H.273); used for I420 and NV12 only. */
typedef enum yolk_color_matrix {
    YOLK_MATRIX_BT601 = 0, /**< standard definition, JPEG */
    YOLK_MATRIX_BT709,     /**< high definition */
    YOLK_MATRIX_BT2020     /**< ultra high definition, non-constant luminance */
} yolk_color_matrix;

/** Whose memory the planes of a picture are in. */
typedef enum yolk_image_memory {
    YOLK_MEMORY_HOST = 0, /**< the processor's */
    YOLK_MEMORY_CUDA      /**< an NVIDIA GPU's, as cudaMalloc() or a hardware decoder gives it, or managed memory. For
                               yolk_manager_predict_batch() with models that run on such GPUs; everything else answers
                               YOLK_ERROR_UNSUPPORTED. What fills the planes must be done before the call */
} yolk_image_memory;

/** A view of a picture. It owns nothing: whoever filled it in keeps the planes alive while yolk uses it.
 *  Images made by yolk_image_load() own their planes and end with yolk_image_destroy(). Views of your own begin as
 *  zeros, which is what fields that you do not know mean. */
typedef struct yolk_image {
    int width;                /**< in pixels, 1 or more */
    int height;               /**< in pixels, 1 or more */
    yolk_pixel_format format; /**< layout of the planes */
    yolk_color_matrix matrix; /**< for I420 and NV12 */
    int full_range;           /**< for I420 and NV12: 1 when samples span 0..255, 0 for 16..235 */
    uint8_t
        *planes[3]; /**< first byte of each plane; unused ones NULL. yolk writes to them in yolk_image_draw() only */
    int strides[3]; /**< bytes from one row to the next */
    yolk_image_memory memory; /**< whose memory the planes are in */
} yolk_image;

/** One object found in a picture. */
typedef struct yolk_detection {
    float x1;               /**< left edge, pixels of the original picture */
    float y1;               /**< top edge */
    float x2;               /**< right edge, exclusive */
    float y2;               /**< bottom edge, exclusive */
    float confidence;       /**< 0..1 */
    int class_id;           /**< 0-based */
    const char *class_name; /**< owned by the model manager (see yolk_manager_predict_batch()); never NULL */
    int track_id;           /**< identity from 1 on, or 0 when there is none */
} yolk_detection;

/** Reads a still picture of any format FFmpeg knows (JPEG, PNG, WebP, BMP, TIFF, ...) as RGB24, turned upright when
 *  its metadata says so. `*out` is set on success, to be ended with yolk_image_destroy(), and is NULL on failure.
 *  Thread-safe.
 *  @return YOLK_ERROR_NOT_FOUND, YOLK_ERROR_DAMAGED, YOLK_ERROR_UNSUPPORTED, YOLK_ERROR_LIMIT or
 * YOLK_ERROR_OUT_OF_MEMORY */
YOLK_API yolk_status yolk_image_load(const char *path, yolk_image **out);

/** Writes a picture as JPEG or PNG, chosen by the ending of `path`. The file appears whole or not at all. Thread-safe.
 */
YOLK_API yolk_status yolk_image_save(const yolk_image *image, const char *path);

/** Ends an image made by yolk_image_load() and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_image_destroy(yolk_image **image);

/** Draws boxes with name, confidence and, when there is one, track identity; one colour a class. Line width and text
 *  follow the picture's size. The picture is changed in place; boxes outside it are clipped. Thread-safe for
 *  different images. */
YOLK_API yolk_status yolk_image_draw(yolk_image *image, const yolk_detection *detections, size_t count);

#ifdef __cplusplus
}
#endif
#endif
