/* What comes before and after the network on the GPU, towards C: pictures to its input, its outputs to boxes. The twins
 * of detect/detect.h, which say what each result must be.
 *
 * Nothing here allocates or waits: work is put into the stream, and can be captured in a graph. A failure has set
 * yolk_last_error(). `stream` is a cudaStream_t. */
#ifndef YK_CUDA_DETECT_H
#define YK_CUDA_DETECT_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "detect/detect.h"
#include "detect/rows.h"

/* ---- letterbox.cu ---- */

/* A picture and where it goes, as the kernel reads it. */
typedef struct yk_cuda_picture {
    const uint8_t *planes[3];
    int strides[3];
    int width, height;
    int fit_width, fit_height, left, top; /* of the scaled picture, its place in the input */
    int chroma_step;                      /* bytes from one chroma sample to the next */
    double step_x, step_y;                /* source pixels for one of the result */
    yk_row_matrix matrix;
    bool planar; /* Y, U, V in planes of their own; NV12's U and V are two planes with a step of 2 */
    bool swap;   /* the first and third channel */
} yk_cuda_picture;

/* Fits pictures, whose planes are in device memory, into an input of count x input_height x input_width x 3 bytes
 * there: what yk_letterbox_run() would write. One launch for up to YK_CUDA_PICTURES of them. */
enum { YK_CUDA_PICTURES = 32 };
yolk_status yk_cuda_letterbox(const yolk_image *images, const yk_letterbox *fits, int count, bool bgr, int input_width,
                              int input_height, uint8_t *out, void *stream);

/* The same in two steps, for a launch that is captured once and run for other pictures later: they are described here,
 * copied to device memory by the caller, and read from there. */
yolk_status yk_cuda_picture_make(const yolk_image *image, const yk_letterbox *fit, bool bgr, int input_width,
                                 int input_height, yk_cuda_picture *out);
yolk_status yk_cuda_letterbox_pictures(const yk_cuda_picture *pictures, int count, int input_width, int input_height,
                                       uint8_t *out, void *stream);

/* ---- detect.cu: thresholds, boxes and suppression, as yk_decode() and then yk_suppress() do them ---- */

/* An output of the network. Rows of pixels follow one another, so that a pixel is one number. What is not N x C x H x
 * W: the rows of N x A x V are pixels of V channels, and N x V x A are planes of A pixels. */
typedef struct yk_cuda_tensor {
    const void *data;              /* in device memory */
    bool half;                     /* 16-bit floats; else 32-bit ones */
    int64_t frame, channel, pixel; /* elements from one to the next */
} yk_cuda_tensor;

typedef struct yk_cuda_outputs {
    const yk_head *head;
    const yk_cuda_tensor *tensors;
    const yk_shape *shapes; /* as the graph has them, whatever the layout */
    int batch;              /* frames to look at, from the first on */
    int input_width, input_height;
} yk_cuda_outputs;

enum {
    YK_CUDA_CANDIDATES = 4096, /* a frame that has more is left to the CPU, so that results are always the same */
    YK_CUDA_MAX_DET = 1024
};

/* Whether yk_cuda_detect() takes these. YOLK_ERROR_UNSUPPORTED: the CPU has to do it. */
yolk_status yk_cuda_detect_check(const yk_cuda_outputs *outputs, const yk_detect_options *options);

size_t yk_cuda_workspace_bytes(int batch); /* device memory whose content before and afterwards does not matter */
size_t yk_cuda_results_bytes(int batch, int max_det);

/* Writes the detections of all frames, in input pixels, to `results`: device memory, or host memory that the device can
 * write; it is never read. options->class_mask is in device memory. */
yolk_status yk_cuda_detect(const yk_cuda_outputs *outputs, const yk_detect_options *options, void *workspace,
                           void *results, void *stream);

/* Whether a frame had no more candidates than can be looked at; of results that are in host memory now. */
bool yk_cuda_is_complete(const void *results, int n);

/* Takes a frame's detections out of results that are in host memory now. `*complete` is false, and there are none, when
 * the frame has too many candidates. */
yolk_status yk_cuda_detections(const void *results, int batch, int max_det, int n, bool *complete, yk_detections *out);

#ifdef __cplusplus
}
#endif
#endif
