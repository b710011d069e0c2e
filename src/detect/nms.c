/* Greedy non-maximum suppression. */
#include <string.h>

#include "detect/rank.h"

/* Candidates beyond the best so many are not looked at, as ultralytics does: it bounds the time of a frame when the
 * threshold lets everything through. */
enum { MOST_CANDIDATES = 30000, ALIGNMENT = 64 };

/* Boxes kept so far, class by class: those of class c begin at starts[c]. */
typedef struct kept {
    float *x1, *y1, *x2, *y2, *area;
    uint32_t *starts, *counts;
} kept;

typedef struct workspace {
    yk_ranked *ranked, *spare;
    kept kept;
    yolk_detection *items;
} workspace;

static void *carve(uint8_t **at, size_t bytes)
{
    void *p = *at;
    *at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return p;
}

static yolk_status get_workspace(yk_detections *d, size_t classes, size_t max_det, workspace *w)
{
    const size_t count = d->count, most = YK_MIN(count, max_det), parts = 10;
    uint8_t *at = yk_detections_scratch(d, count * (2 * sizeof(yk_ranked) + 5 * sizeof(float)) +
                                               (2 * classes + 1) * sizeof(uint32_t) + most * sizeof(yolk_detection) +
                                               parts * ALIGNMENT);
    if (!at)
        return YOLK_ERROR_OUT_OF_MEMORY;
    w->ranked = carve(&at, count * sizeof(yk_ranked));
    w->spare = carve(&at, count * sizeof(yk_ranked));
    w->kept.x1 = carve(&at, count * sizeof(float));
    w->kept.y1 = carve(&at, count * sizeof(float));
    w->kept.x2 = carve(&at, count * sizeof(float));
    w->kept.y2 = carve(&at, count * sizeof(float));
    w->kept.area = carve(&at, count * sizeof(float));
    w->kept.starts = carve(&at, (classes + 1) * sizeof(uint32_t));
    w->kept.counts = carve(&at, classes * sizeof(uint32_t));
    w->items = carve(&at, most * sizeof(yolk_detection));
    return YOLK_OK;
}

/* By class, within a class by place: what equal scores then keep when the score sorts. */
static void list_by_class(const yk_detections *d, size_t classes, workspace *w)
{
    uint32_t *starts = w->kept.starts, *counts = w->kept.counts;
    memset(counts, 0, classes * sizeof(*counts));
    for (size_t i = 0; i < d->count; i++)
        counts[d->items[i].class_id]++;
    starts[0] = 0;
    for (size_t c = 0; c < classes; c++) {
        starts[c + 1] = starts[c] + counts[c];
        counts[c] = 0;
    }
    for (size_t i = 0; i < d->count; i++) {
        int c = d->items[i].class_id;
        w->ranked[starts[c] + counts[c]++] = (yk_ranked){d->items[i].confidence, (uint32_t)i};
    }
    memset(counts, 0, classes * sizeof(*counts));
}

static float area_of(const yolk_detection *box)
{
    float width = box->x2 - box->x1, height = box->y2 - box->y1;
    return width > 0 && height > 0 ? width * height : 0;
}

/* Whether one of `count` kept boxes from `first` on covers `box` by more than `iou`. */
static bool covered(const kept *k, size_t first, size_t count, const yolk_detection *box, float area, float iou)
{
    const float *x1 = k->x1 + first, *y1 = k->y1 + first, *x2 = k->x2 + first, *y2 = k->y2 + first;
    const float *areas = k->area + first;
    const float left = box->x1, top = box->y1, right = box->x2, bottom = box->y2;
    enum { BLOCK = 32 };
    for (size_t from = 0; from < count; from += BLOCK) {
        size_t to = YK_MIN(from + BLOCK, count);
        int hits = 0;
        for (size_t i = from; i < to; i++) {
            float l = x1[i] > left ? x1[i] : left, r = x2[i] < right ? x2[i] : right;
            float t = y1[i] > top ? y1[i] : top, b = y2[i] < bottom ? y2[i] : bottom;
            float width = r - l > 0 ? r - l : 0, height = b - t > 0 ? b - t : 0;
            float common = width * height;
            hits |= common > iou * (areas[i] + area - common);
        }
        if (hits)
            return true;
    }
    return false;
}

static void keep(kept *k, size_t at, const yolk_detection *box, float area)
{
    k->x1[at] = box->x1;
    k->y1[at] = box->y1;
    k->x2[at] = box->x2;
    k->y2[at] = box->y2;
    k->area[at] = area;
}

yolk_status yk_suppress(const yk_head *head, const yk_detect_options *options, yk_detections *d)
{
    if (d->count == 0)
        return YOLK_OK;
    const bool sort_only = head->kind == YK_HEAD_DECODED_END2END || head->end2end;
    const size_t classes = (size_t)head->classes, max_det = (size_t)YK_MAX(options->max_det, 0);
    workspace w;
    yolk_status status = get_workspace(d, classes, max_det, &w);
    if (status != YOLK_OK)
        return status;
    list_by_class(d, classes, &w);
    yk_rank(w.ranked, w.spare, d->count);

    size_t count = YK_MIN(d->count, (size_t)MOST_CANDIDATES), found = 0;
    for (size_t i = 0; i < count && found < max_det; i++) {
        const yolk_detection *box = &d->items[w.ranked[i].id];
        if (!sort_only) {
            int c = options->agnostic ? 0 : box->class_id;
            float area = area_of(box);
            /* Without classes all boxes are one list, which has the whole arrays. */
            size_t first = options->agnostic ? 0 : w.kept.starts[c];
            if (covered(&w.kept, first, w.kept.counts[c], box, area, options->iou))
                continue;
            keep(&w.kept, first + w.kept.counts[c]++, box, area);
        }
        w.items[found++] = *box;
    }
    memcpy(d->items, w.items, found * sizeof(*d->items));
    d->count = found;
    return YOLK_OK;
}
