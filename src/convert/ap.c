/* Average precision. Pictures are matched as they come; what is kept of a box is its confidence and, for each overlap,
 * whether it was right. */
#include "convert/ap.h"

#include <stdlib.h>
#include <string.h>

enum { OVERLAPS = 10, RECALLS = 101, MOST_FOUND = 100 };

typedef struct outcome {
    int class_id;
    float confidence;
    size_t order;     /* as they came, which settles ties */
    uint16_t right;   /* a bit an overlap */
    uint16_t ignored; /* likewise: inside a crowd */
} outcome;

struct yk_ap {
    int class_count;
    int64_t *wanted; /* by class: boxes to find */
    outcome *outcomes;
    size_t count, capacity;
};

yolk_status yk_ap_create(int class_count, yk_ap **out)
{
    *out = NULL;
    yk_ap *ap = yk_calloc(1, sizeof *ap);
    if (!ap)
        return YOLK_ERROR_OUT_OF_MEMORY;
    ap->class_count = class_count;
    ap->wanted = yk_calloc((size_t)class_count, sizeof *ap->wanted);
    if (!ap->wanted) {
        yk_ap_destroy(&ap);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    *out = ap;
    return YOLK_OK;
}

/* Against a crowd the overlap is the part of the found box that lies inside. */
static double overlap(const yolk_detection *d, const yk_true_box *t)
{
    double w = (double)YK_MIN(d->x2, t->x2) - (double)YK_MAX(d->x1, t->x1);
    double h = (double)YK_MIN(d->y2, t->y2) - (double)YK_MAX(d->y1, t->y1);
    if (!(w > 0) || !(h > 0))
        return 0;
    double own = ((double)d->x2 - (double)d->x1) * ((double)d->y2 - (double)d->y1);
    double other = ((double)t->x2 - (double)t->x1) * ((double)t->y2 - (double)t->y1), shared = w * h;
    double all = t->crowd ? own : own + other - shared;
    return all > 0 ? shared / all : 0;
}

/* The box that a found one stands for at an overlap, or -1: the free one that it covers best, else a crowd. */
static int match(const yolk_detection *d, const yk_true_box *truth, size_t count, double least, const uint16_t *taken,
                 uint16_t bit)
{
    for (int crowd = 0; crowd < 2; crowd++) {
        double best = least;
        int found = -1;
        for (size_t i = 0; i < count; i++) {
            if (truth[i].class_id != d->class_id || truth[i].crowd != (crowd == 1) || (!crowd && (taken[i] & bit)))
                continue;
            double o = overlap(d, &truth[i]);
            if (o >= best) {
                best = o;
                found = (int)i;
            }
        }
        if (found >= 0)
            return found;
    }
    return -1;
}

yolk_status yk_ap_add(yk_ap *ap, const yk_true_box *truth, size_t truth_count, const yolk_detection *found,
                      size_t found_count)
{
    uint16_t *taken = yk_calloc(truth_count, sizeof *taken);
    int *seen = yk_calloc((size_t)ap->class_count, sizeof *seen);
    yolk_status status = yk_grow(&ap->outcomes, &ap->capacity, ap->count + found_count, sizeof *ap->outcomes);
    if (!taken || !seen)
        status = YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < truth_count && status == YOLK_OK; i++)
        ap->wanted[truth[i].class_id] += !truth[i].crowd;
    for (size_t i = 0; i < found_count && status == YOLK_OK; i++) {
        const yolk_detection *d = &found[i];
        if (d->class_id < 0 || d->class_id >= ap->class_count || seen[d->class_id]++ >= MOST_FOUND)
            continue;
        outcome *o = &ap->outcomes[ap->count];
        *o = (outcome){.class_id = d->class_id, .confidence = d->confidence, .order = ap->count};
        ap->count++;
        for (int k = 0; k < OVERLAPS; k++) {
            uint16_t bit = (uint16_t)(1u << k);
            int at = match(d, truth, truth_count, 0.5 + 0.05 * k, taken, bit);
            if (at >= 0 && truth[at].crowd)
                o->ignored |= bit;
            else if (at >= 0)
                o->right |= bit, taken[at] |= bit;
        }
    }
    yk_free(taken);
    yk_free(seen);
    return status;
}

static int by_class(const void *a, const void *b)
{
    const outcome *x = a, *y = b;
    if (x->class_id != y->class_id)
        return x->class_id < y->class_id ? -1 : 1;
    if (x->confidence != y->confidence)
        return x->confidence > y->confidence ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Of one class at one overlap. `precision` has room for `count` values. */
static double area(const outcome *o, size_t count, int overlap_index, int64_t wanted, double *precision, double *recall)
{
    const uint16_t bit = (uint16_t)(1u << overlap_index);
    int64_t right = 0, wrong = 0;
    size_t points = 0;
    for (size_t i = 0; i < count; i++) {
        if (o[i].ignored & bit)
            continue;
        if (o[i].right & bit)
            right++;
        else
            wrong++;
        precision[points] = (double)right / (double)(right + wrong);
        recall[points++] = (double)right / (double)wanted;
    }
    for (size_t i = points; i-- > 1;)
        precision[i - 1] = YK_MAX(precision[i - 1], precision[i]);
    double sum = 0;
    size_t at = 0;
    for (int r = 0; r < RECALLS; r++) {
        while (at < points && recall[at] < r / 100.0)
            at++;
        sum += at < points ? precision[at] : 0;
    }
    return sum / RECALLS;
}

yolk_status yk_ap_result(yk_ap *ap, double *result, double *at50)
{
    double *precision = yk_calloc(ap->count, sizeof *precision), *recall = yk_calloc(ap->count, sizeof *recall);
    double sum = 0, sum50 = 0;
    int classes = 0;
    yolk_status status = precision && recall ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK && ap->count > 0)
        qsort(ap->outcomes, ap->count, sizeof *ap->outcomes, by_class);
    size_t at = 0;
    for (int c = 0; c < ap->class_count && status == YOLK_OK; c++) {
        size_t first = at;
        while (at < ap->count && ap->outcomes[at].class_id == c)
            at++;
        if (ap->wanted[c] == 0)
            continue;
        classes++;
        for (int k = 0; k < OVERLAPS && at > first; k++) {
            double a = area(ap->outcomes + first, at - first, k, ap->wanted[c], precision, recall);
            sum += a / OVERLAPS;
            sum50 += k == 0 ? a : 0;
        }
    }
    *result = classes ? sum / classes : 0;
    if (at50)
        *at50 = classes ? sum50 / classes : 0;
    yk_free(precision);
    yk_free(recall);
    return status;
}

void yk_ap_destroy(yk_ap **ap)
{
    if (!*ap)
        return;
    yk_free((*ap)->wanted);
    yk_free((*ap)->outcomes);
    yk_free(*ap);
    *ap = NULL;
}
