/* Average precision as COCO defines it: the mean over classes and over overlaps of 0.50, 0.55, ... 0.95 of the area
 * under the curve of precision by recall, read at 101 recalls, with at most 100 boxes a class and picture. */
#ifndef YK_AP_H
#define YK_AP_H

#include "convert/truth.h"

typedef struct yk_ap yk_ap;

yolk_status yk_ap_create(int class_count, yk_ap **out);
/* One picture, whose detections are by falling confidence. */
yolk_status yk_ap_add(yk_ap *ap, const yk_true_box *truth, size_t truth_count, const yolk_detection *found,
                      size_t found_count);
/* Over all pictures added; `at50` (NULL: not wanted) is that for an overlap of 0.5 alone. 0 when there was nothing to
 * find. */
yolk_status yk_ap_result(yk_ap *ap, double *result, double *at50);
void yk_ap_destroy(yk_ap **ap); /* &NULL allowed */

#endif
