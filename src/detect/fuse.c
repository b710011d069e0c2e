/* Weighted box fusion (Solovyev, Wang, Gabruseva: Weighted boxes fusion, Image and Vision Computing 107, 2021) and
 * voting (Casado-Garcia, Heras: Ensemble methods for object detection, ECAI 2020). */
#include "detect/fuse.h"

#include <math.h>
#include <string.h>

#include "detect/rank.h"

/* Boxes beyond the best so many are not looked at, as in suppression. */
enum { MOST_BOXES = 30000, NONE = -1 };

/* An object so far: boxes of one class that overlap what they average to. */
typedef struct cluster {
    yolk_detection box;    /* what further boxes are compared with */
    double share;          /* of all boxes in it, weight times confidence */
    double x1, y1, x2, y2; /* sums, each times its box's share */
    double score, weight;  /* of the best box of each model in it: weight times confidence, and weight */
    unsigned models;       /* a bit for each that is in it */
    int next;              /* of the same class */
} cluster;

typedef struct workspace {
    yk_ranked *ranked, *spare;
    cluster *clusters;
    int *heads; /* by class: the newest cluster */
    size_t count, cluster_count;
    size_t starts[YK_ENSEMBLE_MODELS + 1]; /* where each model's boxes begin when all are one list */
} workspace;

yolk_status yk_fuse_configure(const yolk_config *config, int models, yk_fuse_options *out)
{
    if (models < 1 || models > YK_ENSEMBLE_MODELS)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "model: an ensemble of %d models is not possible; name 1 to %d",
                       models, YK_ENSEMBLE_MODELS);
    const bool vote = strcmp(config->ensemble, "vote") == 0;
    *out = (yk_fuse_options){.method = !vote                                            ? YK_FUSE_WBF
                                       : strcmp(config->ensemble_merge, "average") == 0 ? YK_FUSE_VOTE_AVERAGE
                                                                                        : YK_FUSE_VOTE_BEST,
                             .iou = (float)config->ensemble_iou,
                             .conf = (float)config->conf,
                             .votes = yk_ensemble_votes(config->ensemble_votes, models),
                             .max_det = config->max_det,
                             .agnostic = config->agnostic};
    int weights = yk_ensemble_weights(config->ensemble_weights, out->weights);
    for (int m = 0; weights == 0 && m < models; m++)
        out->weights[m] = 1;
    if (weights != 0 && weights != models)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "ensemble_weights: '%s' is not one number for each of the %d models of the ensemble",
                       config->ensemble_weights, models);
    if (vote && (out->votes < 1 || out->votes > models))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "ensemble_votes: '%s' is more than the %d models of the ensemble",
                       config->ensemble_votes, models);
    return YOLK_OK;
}

float yk_fuse_least(const yk_fuse_options *options, int models)
{
    return options->method == YK_FUSE_WBF ? options->conf / (float)models : options->conf;
}

static bool is_box(const yolk_detection *d)
{
    return isfinite(d->x1) && isfinite(d->y1) && isfinite(d->x2) && isfinite(d->y2) && isfinite(d->confidence) &&
           d->confidence >= 0 && d->class_id >= 0;
}

static yolk_status get_workspace(const yk_detections *lists, int models, yk_detections *out, workspace *w)
{
    size_t total = 0, classes = 1;
    for (int m = 0; m < models; m++) {
        w->starts[m] = total;
        total += lists[m].count;
        for (size_t i = 0; i < lists[m].count; i++)
            classes = YK_MAX(classes, (size_t)YK_MAX(lists[m].items[i].class_id, 0) + 1);
    }
    w->starts[models] = total;
    const size_t most = YK_MIN(total, (size_t)MOST_BOXES);
    /* Largest elements first, so that each part is aligned. */
    uint8_t *at =
        yk_detections_scratch(out, most * sizeof(cluster) + total * 2 * sizeof(yk_ranked) + classes * sizeof(int));
    if (!at)
        return YOLK_ERROR_OUT_OF_MEMORY;
    w->clusters = (cluster *)(void *)at;
    w->ranked = (yk_ranked *)(void *)(w->clusters + most);
    w->spare = w->ranked + total;
    w->heads = (int *)(void *)(w->spare + total);
    for (size_t c = 0; c < classes; c++)
        w->heads[c] = NONE;
    return YOLK_OK;
}

static void rank_boxes(const yk_fuse_options *o, const yk_detections *lists, int models, workspace *w)
{
    size_t count = 0;
    for (int m = 0; m < models; m++) {
        for (size_t i = 0; i < lists[m].count; i++) {
            const yolk_detection *d = &lists[m].items[i];
            if (is_box(d))
                w->ranked[count++] = (yk_ranked){d->confidence * o->weights[m], (uint32_t)(w->starts[m] + i)};
        }
    }
    yk_rank(w->ranked, w->spare, count);
    w->count = YK_MIN(count, (size_t)MOST_BOXES);
}

static double area_of(const yolk_detection *d)
{
    double width = (double)d->x2 - d->x1, height = (double)d->y2 - d->y1;
    return width > 0 && height > 0 ? width * height : 0;
}

static double overlap(const yolk_detection *a, const yolk_detection *b)
{
    double width = (double)YK_MIN(a->x2, b->x2) - YK_MAX(a->x1, b->x1);
    double height = (double)YK_MIN(a->y2, b->y2) - YK_MAX(a->y1, b->y1);
    if (!(width > 0 && height > 0))
        return 0;
    double common = width * height;
    return common / (area_of(a) + area_of(b) - common);
}

/* The cluster that the box overlaps most, the oldest of equal ones, or NULL. */
static cluster *find(workspace *w, int head, const yolk_detection *box, double iou)
{
    cluster *best = NULL;
    for (int i = head; i != NONE; i = w->clusters[i].next) {
        double common = overlap(&w->clusters[i].box, box);
        if (common > iou || (best && common == iou)) {
            best = &w->clusters[i];
            iou = common;
        }
    }
    return best;
}

static void join(const yk_fuse_options *o, cluster *c, const yolk_detection *d, int model)
{
    const double weight = o->weights[model], share = weight * d->confidence;
    c->share += share;
    c->x1 += share * d->x1;
    c->y1 += share * d->y1;
    c->x2 += share * d->x2;
    c->y2 += share * d->y2;
    /* A model's best box comes first; its further ones say nothing about how sure it is. */
    if (!(c->models & 1u << model)) {
        c->models |= 1u << model;
        c->score += share;
        c->weight += weight;
    }
    if (o->method == YK_FUSE_VOTE_BEST || !(c->share > 0))
        return;
    c->box.x1 = (float)(c->x1 / c->share);
    c->box.y1 = (float)(c->y1 / c->share);
    c->box.x2 = (float)(c->x2 / c->share);
    c->box.y2 = (float)(c->y2 / c->share);
}

static void gather(const yk_fuse_options *o, const yk_detections *lists, workspace *w)
{
    for (size_t i = 0; i < w->count; i++) {
        int model = 0;
        while (w->ranked[i].id >= w->starts[model + 1])
            model++;
        const yolk_detection *d = &lists[model].items[w->ranked[i].id - w->starts[model]];
        int *head = &w->heads[o->agnostic ? 0 : d->class_id];
        cluster *c = find(w, *head, d, o->iou);
        if (!c) {
            c = &w->clusters[w->cluster_count];
            *c = (cluster){.box = *d, .next = *head};
            *head = (int)w->cluster_count++;
        }
        join(o, c, d, model);
    }
}

/* Settles each cluster's confidence and lists those that stay, best first. Returns how many. */
static size_t judge(const yk_fuse_options *o, int models, workspace *w)
{
    double all = 0;
    size_t count = 0;
    for (int m = 0; m < models; m++)
        all += o->weights[m];
    for (size_t i = 0; i < w->cluster_count; i++) {
        cluster *c = &w->clusters[i];
        if (o->method == YK_FUSE_WBF)
            c->box.confidence = (float)(c->score / all);
        else if (__builtin_popcount(c->models) < o->votes)
            continue;
        else if (o->method == YK_FUSE_VOTE_AVERAGE)
            c->box.confidence = (float)(c->score / c->weight);
        if (c->box.confidence >= o->conf)
            w->ranked[count++] = (yk_ranked){c->box.confidence, (uint32_t)i};
    }
    yk_rank(w->ranked, w->spare, count);
    return YK_MIN(count, (size_t)YK_MAX(o->max_det, 0));
}

yolk_status yk_fuse(const yk_fuse_options *options, const yk_detections *lists, int models, yk_detections *out)
{
    workspace w = {0};
    out->count = 0;
    yolk_status status = get_workspace(lists, models, out, &w);
    if (status != YOLK_OK)
        return status;
    rank_boxes(options, lists, models, &w);
    gather(options, lists, &w);
    size_t count = judge(options, models, &w);
    status = yk_grow(&out->items, &out->capacity, count, sizeof(*out->items));
    if (status != YOLK_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        out->items[i] = w.clusters[w.ranked[i].id].box;
    out->count = count;
    return YOLK_OK;
}
