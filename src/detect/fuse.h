/* One list of detections from those of several models that looked at the same picture. */
#ifndef YK_FUSE_H
#define YK_FUSE_H

#include "config/ensemble.h"
#include "detect/detect.h"
#include "yolk/config.h"

typedef enum yk_fuse_method {
    YK_FUSE_WBF,         /* weighted box fusion: boxes averaged, and a model that saw nothing counts as confidence 0 */
    YK_FUSE_VOTE_BEST,   /* what enough models found: the most confident box as it is */
    YK_FUSE_VOTE_AVERAGE /* likewise: boxes and confidence averaged over the models that found it */
} yk_fuse_method;

typedef struct yk_fuse_options {
    yk_fuse_method method;
    float iou;                         /* boxes that overlap by more are one object */
    float conf;                        /* least confidence of a result */
    float weights[YK_ENSEMBLE_MODELS]; /* what each model counts, above 0 */
    int votes;                         /* models that have to find an object, 1 or more; for voting */
    int max_det;
    bool agnostic; /* boxes of different classes are one object too, of the most confident one's class */
} yk_fuse_options;

/* From the settings, for so many models. Fails with a sentence when their number does not fit weights or votes. */
yolk_status yk_fuse_configure(const yolk_config *config, int models, yk_fuse_options *out);

/* The confidence from which on a model's own detections are worth fusing. With weighted box fusion one model's doubt
 * may add to another's certainty; what it doubts even more is left out. */
float yk_fuse_least(const yk_fuse_options *options, int models);

/* Replaces the detections in `out`, which is none of `lists`, by those of all lists together, by falling confidence;
 * equal ones by their best boxes' confidence, model and place. Class ids are 0 or more. class_name and track_id are the
 * best box's. Boxes with a coordinate or confidence that is not finite are left out. Thread-safe for different `out`.
 */
yolk_status yk_fuse(const yk_fuse_options *options, const yk_detections *lists, int models, yk_detections *out);

#endif
