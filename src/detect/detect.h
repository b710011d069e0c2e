/* From pictures to network input, and from network output to boxes. These are also the truth for the GPU's kernels. */
#ifndef YK_DETECT_H
#define YK_DETECT_H

#include "graph/graph.h"
#include "yolk/image.h"

/* How a picture was fitted into the network's input. Coordinates: input = picture * scale + pad. */
typedef struct yk_letterbox {
    double scale;
    double pad_x, pad_y; /* of the picture's left and top edge, in input pixels */
    int width, height;   /* of the scaled picture */
    int source_width, source_height;
} yk_letterbox;

/* Size and place of a w x h picture in an input of input_w x input_h. */
yk_letterbox yk_letterbox_fit(int width, int height, int input_width, int input_height, bool top_left);

/* letterbox.c: scales (bilinear, half-pixel centres, as OpenCV's INTER_LINEAR), converts and pads (114) a picture into
 * input_w x input_h x 3 bytes, RGB or BGR. `image` may be any format. Scratch memory is kept in `scratch`, which starts
 * zeroed, belongs to one thread and is released with yk_letterbox_scratch_free(). */
typedef struct yk_letterbox_scratch {
    void *memory;
    size_t size;
} yk_letterbox_scratch;
yolk_status yk_letterbox_run(const yolk_image *image, const yk_letterbox *fit, bool bgr, int input_width,
                             int input_height, uint8_t *out, yk_letterbox_scratch *scratch);
void yk_letterbox_scratch_free(yk_letterbox_scratch *scratch);
/* Whether yk_letterbox_run() takes these; a failure says what is wrong. Looks at no pixels. */
yolk_status yk_letterbox_check(const yolk_image *image, const yk_letterbox *fit, int input_width, int input_height);

typedef struct yk_detect_options {
    float conf, iou;
    int max_det;
    bool multi_label, agnostic;
    const uint8_t *class_mask; /* head.classes bytes, 1 keeps; NULL keeps all */
} yk_detect_options;

/* A growing list of detections in input pixels, reused from frame to frame. Starts zeroed. */
typedef struct yk_detections {
    yolk_detection *items;
    size_t count, capacity;
    void *scratch;
    size_t scratch_size;
} yk_detections;
void yk_detections_free(yk_detections *d);

/* decode.c: candidates above options->conf of frame `n` of a batch, in input pixels. `outputs` and `shapes` are those
 * of the graph's outputs. Class-wise best or, with multi_label, every class. class_name and track_id are left zero. */
yolk_status yk_decode(const yk_head *head, const float *const *outputs, const yk_shape *shapes, int n, int input_width,
                      int input_height, const yk_detect_options *options, yk_detections *out);

/* Whether yk_decode() takes frame `n` of outputs of these shapes; a failure says what does not fit. */
yolk_status yk_decode_check(const yk_head *head, const yk_shape *shapes, int n, int input_width, int input_height);

/* nms.c: greedy suppression by falling confidence (ties by lower class, then by earlier place, so that results do not
 * depend on sorting), at most max_det kept. Heads that are end to end are only sorted and cut. */
yolk_status yk_suppress(const yk_head *head, const yk_detect_options *options, yk_detections *d);

/* Takes detections from input pixels to pixels of the original picture and clips them to it. */
void yk_unletterbox(const yk_letterbox *fit, yolk_detection *items, size_t count);

#endif
