/* What decoding and suppression share: thresholds, order by score, and memory that is kept from frame to frame. */
#ifndef YK_RANK_H
#define YK_RANK_H

#include "detect/detect.h"

/* Logit of a threshold; all pass at 0 and none at 1. */
float yk_logit(float p);

typedef struct yk_ranked {
    float score; /* not NaN */
    uint32_t id;
} yk_ranked;

/* Sorts by falling score; equal scores keep their order. `spare` has room for `count` too. */
void yk_rank(yk_ranked *items, yk_ranked *spare, size_t count);

/* d->scratch with at least `size` bytes, 64-byte aligned, its old content gone; NULL when memory is short. */
void *yk_detections_scratch(yk_detections *d, size_t size);

/* Room for one more at the end of `d`, not counted yet; NULL when memory is short. */
yolk_detection *yk_detections_next(yk_detections *d);

#endif
