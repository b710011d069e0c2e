/* How far two lists of detections of the same pictures agree. */
#ifndef YK_AGREE_H
#define YK_AGREE_H

#include "detect/detect.h"

/* Sums over pictures; starts zeroed. */
typedef struct yk_agreement {
    int64_t first, second; /* boxes above the threshold */
    int64_t both;          /* pairs of them: same class, overlap of 0.5 or more */
    double difference;     /* of confidence over those, in all */
    double common, total;  /* confidence that pairs share, by their overlap; confidence in all */
} yk_agreement;

/* For each box of the first list the one of the second that stands for the same thing, or -1: same class, overlap of
 * 0.5 or more, the nearest that is free. Both lists are by falling confidence. */
yolk_status yk_match(const yk_detections *first, const yk_detections *second, int *match);
/* Adds one picture. */
yolk_status yk_agreement_add(yk_agreement *a, const yk_detections *first, const yk_detections *second, float threshold);
double yk_agreement_share(const yk_agreement *a);      /* 1 when nothing was found by either */
double yk_agreement_difference(const yk_agreement *a); /* mean */
/* What is lost between the two, 0..1: falls with every overlap and confidence that comes nearer. */
double yk_agreement_loss(const yk_agreement *a);

float yk_overlap(const yolk_detection *a, const yolk_detection *b);

#endif
