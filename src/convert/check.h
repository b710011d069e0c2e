/* What two models find in the same pictures: how far they agree and, with ground truth, how well each does. */
#ifndef YK_CHECK_H
#define YK_CHECK_H

#include "convert/agree.h"
#include "convert/ap.h"
#include "convert/pictures.h"
#include "convert/truth.h"

/* Boxes that agreement is about, and what published average precision counts. */
extern const yk_detect_options yk_check_sure, yk_check_all;

typedef struct yk_check {
    /* Set by the caller. */
    yk_pictures *pictures;
    int skip;        /* pictures at the start that are left out */
    yk_truth *truth; /* or NULL */
    /* Model `which` (0 or 1) finds by yk_check_sure and, where `all` is not NULL, by yk_check_all. Both models are
     * asked about a picture, the first one first, before the next. */
    yolk_status (*find)(void *user, int which, const yolk_image *image, yk_detections *sure, yk_detections *all);
    /* Looks at what they found above yk_check_sure; NULL: nobody does. */
    yolk_status (*look)(void *user, const yk_detections *first, const yk_detections *second);
    yolk_status (*step)(void *user, double done, double total); /* fails to stop */
    void *user;

    /* What came out. */
    yk_agreement agreement;
    int count;             /* pictures that were looked at */
    int64_t true_boxes;    /* in them, by the ground truth */
    double ap[2], ap50[2]; /* with ground truth */
} yk_check;

yolk_status yk_check_run(yk_check *c, int class_count);

#endif
