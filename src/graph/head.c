/* How the outputs of a network become boxes. */
#include "graph/head.h"

#include <stdio.h>
#include <string.h>

/* An end-to-end output does not say how many classes there are; where nothing else does, this many have room. */
enum { MAX_CLASSES = 20000, MOST_END2END = 1000, UNNAMED_CLASSES = 1000 };

static const char how_to_name[] =
    "say how its output is laid out with --head v8 (N x 4+classes x boxes), v5 or yolox (N x boxes x 5+classes) or "
    "end2end (N x boxes x 6)";

/* "output0" 1x84x8400, "output1" 1x32x160x160 */
static void describe_outputs(const yk_graph *g, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < g->output_count && used < size; i++) {
        char shape[96];
        const yk_value *v = &g->values[g->outputs[i]];
        yk_shape_text(&v->shape, shape);
        int n = snprintf(out + used, size - used, "%s\"%.64s\" %s", i ? ", " : "", v->name, shape);
        used += n > 0 ? (size_t)n : 0;
    }
}

static yolk_status unknown_head(const yk_graph *g, const char *why)
{
    char outputs[400];
    describe_outputs(g, outputs, sizeof outputs);
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "the model's output (%s) %s; %s", outputs, why, how_to_name);
}

/* ---- by what the graph does ---- */

static void like_yolox(yk_head *head)
{
    head->bgr = true;
    head->unit_range = false;
    head->top_left = true;
}

/* Makes the convolutions before the decoding the outputs. */
static yolk_status cut_off(yk_graph *g, const yk_id *outputs, int count)
{
    g->output_count = 0;
    for (int i = 0; i < count; i++) {
        yolk_status status = yk_graph_add_output(g, outputs[i]);
        if (status != YOLK_OK)
            return status;
    }
    return yk_pass_prune(g);
}

/* A head found by running what is behind the last convolutions, and what its raw outputs would be. */
typedef struct finding {
    bool found;
    yk_head head;
    yk_id outputs[YK_MAX_CUTS];
    int output_count;
} finding;

static yolk_status find_by_behaviour(const yk_graph *g, yk_id output, finding *out)
{
    yk_tail tail;
    yk_scales scales;
    *out = (finding){.head = g->head};
    yolk_status status = yk_tail_find(g, output, &tail, &out->found);
    if (status != YOLK_OK)
        return status;
    out->found = out->found && yk_scales_of(&tail, &scales);
    if (!out->found)
        goto done;
    status = yk_check_anchor_free(&tail, &scales, &out->head, out->outputs, &out->found);
    if (status == YOLK_OK && !out->found)
        status = yk_check_anchors(&tail, &scales, &out->head, out->outputs, &out->found);
    if (status == YOLK_OK && !out->found)
        status = yk_check_yolox(&tail, &scales, &out->head, &out->found);
    if (status != YOLK_OK || !out->found)
        goto done;
    out->head.levels = scales.count;
    out->output_count = scales.count * scales.each;
    for (int l = 0; l < scales.count; l++)
        out->head.strides[l] = scales.level[l].stride;
    if (scales.each == 3)
        like_yolox(&out->head);
done:
    yk_tail_free(&tail);
    return status;
}

static yolk_status apply(yk_graph *g, const finding *f)
{
    g->head = f->head;
    bool raw = f->head.kind == YK_HEAD_ANCHOR_FREE || f->head.kind == YK_HEAD_ANCHORS;
    return raw ? cut_off(g, f->outputs, f->output_count) : YOLK_OK;
}

/* ---- by its shape ---- */

/* Cells of the maps at strides from `first` to `last`. */
static int64_t cells_of(const yk_graph *g, int first, int last)
{
    int64_t cells = 0;
    for (int s = first; s <= last; s *= 2)
        cells += (g->bound[1] / s) * (g->bound[2] / s);
    return cells;
}

static bool is_cells(const yk_graph *g, int64_t boxes, int each)
{
    return boxes == each * cells_of(g, 8, 32) || boxes == each * cells_of(g, 8, 64) ||
           boxes == each * cells_of(g, 4, 32);
}

static bool classes_fit(const yk_graph *g, int64_t classes)
{
    return classes >= 1 && classes <= MAX_CLASSES && (g->head.classes == 0 || g->head.classes == classes);
}

static yk_head_kind kind_by_shape(const yk_graph *g, const yk_shape *s)
{
    int64_t a = s->dims[1], b = s->dims[2];
    if (is_cells(g, b, 1) && classes_fit(g, a - 4))
        return YK_HEAD_DECODED_V8;
    if (is_cells(g, a, 3) && classes_fit(g, b - 5))
        return YK_HEAD_DECODED_V5;
    if (a == cells_of(g, 8, 32) && classes_fit(g, b - 5))
        return YK_HEAD_YOLOX;
    if (b == 6 && a <= MOST_END2END)
        return YK_HEAD_DECODED_END2END;
    return YK_HEAD_UNKNOWN;
}

/* The layout is said or seen; is the output one of that layout? */
static yolk_status set_decoded(yk_graph *g, yk_head_kind kind, const yk_shape *s)
{
    int64_t row = kind == YK_HEAD_DECODED_V8 ? s->dims[1] : s->dims[2], boxes = s->dims[1] + s->dims[2] - row;
    int64_t classes = row - (kind == YK_HEAD_DECODED_V8 ? 4 : 5);
    char why[96];
    snprintf(why, sizeof why, "is not laid out like the head \"%s\"", yk_head_kind_name(kind));
    bool end2end = kind == YK_HEAD_DECODED_END2END, raw = kind == YK_HEAD_ANCHOR_FREE || kind == YK_HEAD_ANCHORS;
    if (raw || (end2end ? row != 6 : !classes_fit(g, classes)) ||
        (kind == YK_HEAD_YOLOX && boxes != cells_of(g, 8, 32)))
        return unknown_head(g, why);
    if (!end2end)
        g->head.classes = (int)classes;
    else if (g->head.classes == 0)
        g->head.classes = UNNAMED_CLASSES;
    g->head.kind = kind;
    g->head.max_det = end2end ? (int)YK_MIN(boxes, INT32_MAX) : 0;
    if (kind == YK_HEAD_YOLOX) {
        like_yolox(&g->head);
        g->head.levels = 3;
        for (int l = 0; l < 3; l++)
            g->head.strides[l] = 8 << l;
    }
    return YOLK_OK;
}

/* ---- raw outputs, as yolk's own files say they have ---- */

static yolk_status check_raw(const yk_graph *g)
{
    const yk_head *h = &g->head;
    int each = h->kind == YK_HEAD_ANCHOR_FREE ? 2 : 1;
    int64_t channels[2] = {4 * (int64_t)h->reg_max, h->classes};
    if (h->kind == YK_HEAD_ANCHORS)
        channels[0] = h->anchors_per_level * (5 + (int64_t)h->classes);
    bool fits = h->levels > 0 && h->classes > 0 && channels[0] > 0 && g->output_count == each * h->levels;
    for (int i = 0; i < g->output_count && fits; i++) {
        const yk_shape *s = &g->values[g->outputs[i]].shape;
        int stride = h->strides[i / each];
        fits = stride > 0 && s->rank == 4 && s->dims[1] == channels[i % each] && s->dims[2] == g->bound[1] / stride &&
               s->dims[3] == g->bound[2] / stride;
    }
    return fits ? YOLK_OK : unknown_head(g, "is not the raw head that the file says it has");
}

/* ---- all together ---- */

static bool find_kind(const char *name, yk_head_kind *out)
{
    for (yk_head_kind k = YK_HEAD_ANCHOR_FREE; k <= YK_HEAD_DECODED_END2END; k++) {
        if (yk_equal_ignoring_case(name, yk_head_kind_name(k))) {
            *out = k;
            return true;
        }
    }
    return false;
}

/* The decoding that a recognised head had before it was cut off. */
static yk_head_kind decoded_kind(const yk_head *h)
{
    if (h->kind == YK_HEAD_ANCHOR_FREE)
        return h->end2end ? YK_HEAD_DECODED_END2END : YK_HEAD_DECODED_V8;
    return h->kind == YK_HEAD_ANCHORS ? YK_HEAD_DECODED_V5 : h->kind;
}

/* Older exports give the raw maps besides the decoded boxes; the boxes come first. */
static bool is_beside_maps(const yk_graph *g)
{
    for (int i = 1; i < g->output_count; i++) {
        if (g->values[g->outputs[i]].shape.rank < 5)
            return false;
    }
    return true;
}

yolk_status yk_head_recognise(yk_graph *g, const char *wanted)
{
    yk_head_kind kind = YK_HEAD_UNKNOWN;
    if (wanted && !find_kind(wanted, &kind))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "there is no head \"%s\"; it is one of v8, v5, end2end and yolox",
                       wanted);
    if (g->bound[0] <= 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a head is recognised for an input size only: bind the network");
    if (!wanted && (g->head.kind == YK_HEAD_ANCHOR_FREE || g->head.kind == YK_HEAD_ANCHORS))
        return check_raw(g);
    g->head.kind = YK_HEAD_UNKNOWN;

    if (g->output_count == 0)
        return yk_fail(YOLK_ERROR_DAMAGED, "the network has no output");
    if (!is_beside_maps(g))
        return unknown_head(g, "is in several parts, which no detector that yolk knows has");
    g->output_count = 1;
    finding f;
    yolk_status status = find_by_behaviour(g, g->outputs[0], &f);
    if (status != YOLK_OK)
        return status;
    if (f.found && (!wanted || kind == f.head.kind || kind == decoded_kind(&f.head)))
        return apply(g, &f);
    const yk_shape *shape = &g->values[g->outputs[0]].shape;
    if (shape->rank != 3)
        return unknown_head(g, "is not a list of boxes");
    if (!wanted)
        kind = kind_by_shape(g, shape);
    if (kind == YK_HEAD_UNKNOWN)
        return unknown_head(g, "is not one that yolk recognises");
    return set_decoded(g, kind, shape);
}
