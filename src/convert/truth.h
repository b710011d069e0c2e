/* Ground truth: what there is to find in pictures. */
#ifndef YK_TRUTH_H
#define YK_TRUTH_H

#include "detect/detect.h"

typedef struct yk_true_box {
    float x1, y1, x2, y2; /* pixels of the picture */
    int class_id;
    bool crowd; /* a region of many, in which finding is neither right nor wrong */
} yk_true_box;

typedef struct yk_truth yk_truth;

/* A folder of YOLO labels, or a COCO file whose categories are matched to `names` by name where they have those, else
 * by number. */
yolk_status yk_truth_open(const char *path, const char *const *names, int class_count, yk_truth **out);
/* The boxes of a picture of a file name and size, in `boxes`, which are valid until the next call. `*known` is false
 * for a picture that the ground truth does not speak of. */
yolk_status yk_truth_find(yk_truth *t, const char *picture, int width, int height, const yk_true_box **boxes,
                          size_t *count, bool *known);
void yk_truth_close(yk_truth **t); /* &NULL allowed */

#endif
