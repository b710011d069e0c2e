/* Recognising a detection head by what it does: the part of the graph behind the last convolutions is run on made-up
 * values and compared with the decoding that it is thought to be. Used inside src/graph only. */
#ifndef YK_GRAPH_HEAD_H
#define YK_GRAPH_HEAD_H

#include "graph/graph.h"

enum { YK_MAX_CUTS = 3 * YK_MAX_LEVELS };

/* What lies between the last convolutions and an output. */
typedef struct yk_tail {
    const yk_graph *g; /* bound */
    yk_id output;
    yk_id cuts[YK_MAX_CUTS];  /* results of those convolutions, N x C x H x W */
    float *data[YK_MAX_CUTS]; /* what the tail is run on */
    int cut_count;
    bool *inside; /* nodes that belong to it */
    int *uses;    /* how often each value is read inside */
} yk_tail;

/* `*found` is false when there is no such part: the output hangs on something else than a few convolutions. */
yolk_status yk_tail_find(const yk_graph *g, yk_id output, yk_tail *out, bool *found);
void yk_tail_free(yk_tail *t);
/* Computes the output; to be released with yk_free(). */
yolk_status yk_tail_run(const yk_tail *t, float **out);

/* The convolutions of one scale. */
typedef struct yk_scale {
    int stride;
    int64_t height, width;
    int cuts[3], cut_count; /* indices into yk_tail.cuts */
} yk_scale;

typedef struct yk_scales {
    yk_scale level[YK_MAX_LEVELS];
    int count;
    int each;      /* convolutions a scale */
    int64_t cells; /* of all scales */
} yk_scales;
/* Sorts the cuts by stride; false when they are not the same number for each of some whole strides. */
bool yk_scales_of(const yk_tail *t, yk_scales *out);

/* head_check.c: each runs the tail and says whether it is that decoding, filling in `head`. */
yolk_status yk_check_anchor_free(yk_tail *t, const yk_scales *s, yk_head *head, yk_id outputs[YK_MAX_CUTS], bool *is);
yolk_status yk_check_anchors(yk_tail *t, const yk_scales *s, yk_head *head, yk_id outputs[YK_MAX_CUTS], bool *is);
yolk_status yk_check_yolox(yk_tail *t, const yk_scales *s, yk_head *head, bool *is);

#endif
