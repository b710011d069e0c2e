/* Matching the boxes of two models. */
#include "convert/agree.h"

#include <math.h>
#include <string.h>

float yk_overlap(const yolk_detection *a, const yolk_detection *b)
{
    float w = YK_MIN(a->x2, b->x2) - YK_MAX(a->x1, b->x1), h = YK_MIN(a->y2, b->y2) - YK_MAX(a->y1, b->y1);
    if (!(w > 0) || !(h > 0))
        return 0;
    float shared = w * h, all = (a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1) - shared;
    return all > 0 ? shared / all : 0;
}

/* The free box that lies nearest to `d`, or -1. */
static int best_match(const yolk_detection *d, const yk_detections *among, const bool *taken)
{
    int best = -1;
    float overlap = 0.5f;
    for (size_t i = 0; i < among->count; i++) {
        if (taken[i] || among->items[i].class_id != d->class_id)
            continue;
        float o = yk_overlap(d, &among->items[i]);
        if (o >= overlap && (best < 0 || o > overlap)) {
            overlap = o;
            best = (int)i;
        }
    }
    return best;
}

yolk_status yk_match(const yk_detections *first, const yk_detections *second, int *match)
{
    bool *taken = yk_calloc(second->count, sizeof *taken);
    if (!taken)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < first->count; i++) {
        match[i] = best_match(&first->items[i], second, taken);
        if (match[i] >= 0)
            taken[match[i]] = true;
    }
    yk_free(taken);
    return YOLK_OK;
}

yolk_status yk_agreement_add(yk_agreement *a, const yk_detections *first, const yk_detections *second, float threshold)
{
    int *match = yk_calloc(first->count, sizeof *match);
    yolk_status status = match ? yk_match(first, second, match) : YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < second->count && status == YOLK_OK; i++) {
        a->second += second->items[i].confidence > threshold;
        a->total += (double)second->items[i].confidence;
    }
    for (size_t i = 0; i < first->count && status == YOLK_OK; i++) {
        const yolk_detection *d = &first->items[i];
        a->first += d->confidence > threshold;
        a->total += (double)d->confidence;
        if (match[i] < 0)
            continue;
        const yolk_detection *m = &second->items[match[i]];
        a->common += (double)(yk_overlap(d, m) * YK_MIN(d->confidence, m->confidence));
        if (d->confidence > threshold && m->confidence > threshold) {
            a->both++;
            a->difference += fabs((double)d->confidence - (double)m->confidence);
        }
    }
    yk_free(match);
    return status;
}

double yk_agreement_share(const yk_agreement *a)
{
    return a->first + a->second > 0 ? 2.0 * (double)a->both / (double)(a->first + a->second) : 1;
}

double yk_agreement_difference(const yk_agreement *a)
{
    return a->both > 0 ? a->difference / (double)a->both : 0;
}

double yk_agreement_loss(const yk_agreement *a)
{
    return a->total > 0 ? 1 - 2 * a->common / a->total : 0;
}
