/* The decoding of raw heads as nodes of the graph. Everything that depends on the input's size alone is computed from
 * the shapes of the raw outputs, so that one graph serves every size; for one size binding makes constants of it. */
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

/* A failed step gives YK_NONE, and so do those that build on it: one check at the end is enough. */
typedef struct decoder {
    yk_graph *g;
    char prefix[32]; /* "decode" or "decode.LEVEL" */
    char name[64];
} decoder;

static const char *named(decoder *d, const char *part)
{
    snprintf(d->name, sizeof d->name, "%s.%s", d->prefix, part);
    return d->name;
}

static yk_id add(decoder *d, yk_op op, const yk_id *inputs, int count, const yk_attrs *attrs, const char *part)
{
    for (int i = 0; i < count; i++) {
        if (inputs[i] == YK_NONE)
            return YK_NONE;
    }
    int n = yk_graph_add_node(d->g, op, named(d, part), inputs, count, 1, attrs);
    return n < 0 ? YK_NONE : d->g->nodes[n].outputs[0];
}

static yk_id ints(decoder *d, const int64_t *values, int count, const char *part)
{
    return yk_graph_add_constant_copy(d->g, named(d, part), YK_I64, (yk_shape){.rank = 1, .dims = {count}}, values);
}

static yk_id scalar_int(decoder *d, int64_t value, const char *part)
{
    return yk_graph_add_constant_copy(d->g, named(d, part), YK_I64, (yk_shape){.rank = 0}, &value);
}

static yk_id reshape(decoder *d, yk_id x, int64_t a, int64_t b, int64_t c, const char *part)
{
    return yk_build_reshape(d->g, x, (int64_t[]){a, b, c}, 3, 0, named(d, part));
}

static yk_id reshape4(decoder *d, yk_id x, const int64_t target[4], const char *part)
{
    return yk_build_reshape(d->g, x, target, 4, 0, named(d, part));
}

static yk_id binary(decoder *d, yk_op op, yk_id a, yk_id b, const char *part)
{
    return yk_build_binary(d->g, op, a, b, named(d, part));
}

static yk_id scaled(decoder *d, yk_id x, float factor, const char *part)
{
    return binary(d, YK_OP_MUL, x, yk_build_scalar(d->g, factor), part);
}

static yk_id concat(decoder *d, const yk_id *parts, int count, int axis, const char *part)
{
    return yk_build_concat(d->g, parts, count, axis, named(d, part));
}

static yk_id slice(decoder *d, yk_id x, int axis, int64_t start, int64_t end, const char *part)
{
    return yk_build_slice(d->g, x, axis, start, end, named(d, part));
}

static yk_id unary(decoder *d, yk_op op, yk_id x, const char *part)
{
    return yk_build_unary(d->g, op, x, named(d, part));
}

static yk_id transpose(decoder *d, yk_id x, const int *perm, int rank, const char *part)
{
    return yk_build_transpose(d->g, x, perm, rank, named(d, part));
}

static yk_id axes_op(decoder *d, yk_op op, yk_id x, int64_t axis, const char *part)
{
    const yk_attrs a = {.axes_count = 1, .axes = {axis}};
    return add(d, op, &x, 1, &a, part);
}

/* ---- cells ---- */

/* What one scale's map says about its cells, each 1 x 1 x H x W. */
typedef struct cells {
    yk_id x, y;    /* column and row */
    yk_id strides; /* the scale's stride everywhere */
} cells;

/* 0, 1, 2, ... along dimension `dim` of a map, over the whole map. */
static yk_id numbered(decoder *level, yk_id shape, yk_id size, int dim)
{
    decoder axis = {.g = level->g}, *d = &axis;
    snprintf(d->prefix, sizeof d->prefix, "%.24s.%s", level->prefix, dim == 2 ? "y" : "x");
    const int64_t target[4] = {1, 1, dim == 2 ? YK_DIM_INFER : 1, dim == 2 ? 1 : YK_DIM_INFER};
    const yk_attrs first = {.axis = 0}, to_float = {.to = YK_F32};
    yk_id count = add(d, YK_OP_GATHER, (yk_id[]){shape, scalar_int(d, dim, "dim")}, 2, &first, "count");
    yk_id range[3] = {scalar_int(d, 0, "zero"), count, scalar_int(d, 1, "one")};
    yk_id places = add(d, YK_OP_RANGE, range, 3, NULL, "range");
    yk_id line = reshape4(d, add(d, YK_OP_CAST, &places, 1, &to_float, "float"), target, "line");
    return add(d, YK_OP_EXPAND, (yk_id[]){line, size}, 2, NULL, "map");
}

static cells cells_of(decoder *d, yk_id map, int stride)
{
    const int64_t ones[2] = {1, 1};
    const float value = (float)stride;
    yk_id shape = add(d, YK_OP_SHAPE, &map, 1, NULL, "shape");
    yk_id sides[2] = {ints(d, ones, 2, "ones"), slice(d, shape, 0, 2, 4, "sides")};
    yk_id size = concat(d, sides, 2, 0, "size");
    yk_id one = yk_graph_add_constant_copy(d->g, named(d, "stride"), YK_F32,
                                           (yk_shape){.rank = 4, .dims = {1, 1, 1, 1}}, &value);
    cells c;
    c.x = numbered(d, shape, size, 3);
    c.y = numbered(d, shape, size, 2);
    c.strides = add(d, YK_OP_EXPAND, (yk_id[]){one, size}, 2, NULL, "strides");
    return c;
}

/* ---- anchor-free ---- */

/* The mean of each side's distribution: N x 4*bins x A to N x 4 x A. */
static yk_id mean_distance(decoder *d, yk_id boxes, int bins)
{
    float weights[64];
    if (bins == 1)
        return boxes;
    if (bins < 1 || bins > (int)YK_COUNT(weights)) {
        yk_fail(YOLK_ERROR_UNSUPPORTED, "a head with %d bins a side cannot be decoded", bins);
        return YK_NONE;
    }
    for (int i = 0; i < bins; i++)
        weights[i] = (float)i;
    const yk_conv conv = {.out = 1, .kernel = {1, 1}, .stride = {1, 1}, .dilation = 1, .groups = 1, .weights = weights};
    yk_id sides = reshape4(d, boxes, (int64_t[]){YK_DIM_COPY, 4, bins, YK_DIM_INFER}, "bins");
    sides = transpose(d, sides, (int[]){0, 2, 1, 3}, 4, "bins_first");
    sides = yk_build_softmax(d->g, sides, 1, named(d, "softmax"));
    yk_id mean = yk_build_conv(d->g, sides, bins, &conv, named(d, "mean"));
    return reshape(d, mean, YK_DIM_COPY, 4, YK_DIM_INFER, "distances");
}

/* The best (box, class) pairs, as ultralytics finds them: the best boxes first, then the best pairs among those. */
static yk_id best_pairs(decoder *d, yk_id boxes, yk_id scores, const yk_head *head)
{
    const int64_t most = head->max_det, classes = head->classes;
    const yk_attrs top = {.axis = 1, .largest = 1, .sorted = 1}, along = {.axis = 1}, to_float = {.to = YK_F32};
    yk_graph *g = d->g;
    boxes = transpose(d, boxes, (int[]){0, 2, 1}, 3, "boxes_first");
    scores = transpose(d, scores, (int[]){0, 2, 1}, 3, "scores_first");
    yk_id shape = add(d, YK_OP_SHAPE, &scores, 1, NULL, "scores_shape");
    yk_id kept = binary(d, YK_OP_MIN, slice(d, shape, 0, 1, 2, "count"), ints(d, &most, 1, "most"), "kept");
    yk_id best = axes_op(d, YK_OP_REDUCE_MAX, scores, -1, "best_class");
    if (kept == YK_NONE || best == YK_NONE)
        return YK_NONE;
    int first = yk_graph_add_node(g, YK_OP_TOPK, named(d, "best_boxes"), (yk_id[]){best, kept}, 2, 2, &top);
    if (first < 0)
        return YK_NONE;
    yk_id place = g->nodes[first].outputs[1];
    yk_id wide = add(d, YK_OP_EXPAND,
                     (yk_id[]){axes_op(d, YK_OP_UNSQUEEZE, place, 2, "place"),
                               ints(d, (int64_t[]){1, 1, classes}, 3, "class_count")},
                     2, NULL, "place_by_class");
    scores = add(d, YK_OP_GATHER_ELEMENTS, (yk_id[]){scores, wide}, 2, &along, "best_scores");
    scores = add(d, YK_OP_FLATTEN, &scores, 1, &along, "pairs");
    if (scores == YK_NONE)
        return YK_NONE;
    int second = yk_graph_add_node(g, YK_OP_TOPK, named(d, "best_pairs"), (yk_id[]){scores, kept}, 2, 2, &top);
    if (second < 0)
        return YK_NONE;
    yk_id score = g->nodes[second].outputs[0], pair = g->nodes[second].outputs[1];
    yk_id divisor = scalar_int(d, classes, "classes");
    yk_id cls = binary(d, YK_OP_MOD, pair, divisor, "class_index");
    yk_id among = binary(d, YK_OP_DIV, pair, divisor, "box_of_pair");
    place = add(d, YK_OP_GATHER_ELEMENTS, (yk_id[]){place, among}, 2, &along, "box_index");
    wide =
        add(d, YK_OP_EXPAND,
            (yk_id[]){axes_op(d, YK_OP_UNSQUEEZE, place, 2, "box_place"), ints(d, (int64_t[]){1, 1, 4}, 3, "corners")},
            2, NULL, "box_place_by_corner");
    const yk_id columns[3] = {
        add(d, YK_OP_GATHER_ELEMENTS, (yk_id[]){boxes, wide}, 2, &along, "best_corners"),
        axes_op(d, YK_OP_UNSQUEEZE, score, 2, "score"),
        axes_op(d, YK_OP_UNSQUEEZE, add(d, YK_OP_CAST, &cls, 1, &to_float, "class"), 2, "class_column")};
    return concat(d, columns, 3, 2, "output");
}

static yk_id decode_anchor_free(decoder *d)
{
    const yk_head *head = &d->g->head;
    yk_id boxes[YK_MAX_LEVELS], scores[YK_MAX_LEVELS], centres[YK_MAX_LEVELS], strides[YK_MAX_LEVELS];
    yk_graph *g = d->g;
    for (int l = 0; l < head->levels; l++) {
        snprintf(d->prefix, sizeof d->prefix, "decode.%d", l);
        yk_id map = g->outputs[2 * l], cls = g->outputs[2 * l + 1];
        cells c = cells_of(d, map, head->strides[l]);
        const yk_id xy[2] = {c.x, c.y};
        yk_id centre = binary(d, YK_OP_ADD, concat(d, xy, 2, 1, "corner"), yk_build_scalar(g, 0.5f), "centre");
        centres[l] = reshape(d, centre, 1, 2, YK_DIM_INFER, "centres");
        strides[l] = reshape(d, c.strides, 1, 1, YK_DIM_INFER, "stride_row");
        boxes[l] = reshape(d, map, YK_DIM_COPY, 4 * (int64_t)head->reg_max, YK_DIM_INFER, "boxes");
        scores[l] = reshape(d, cls, YK_DIM_COPY, head->classes, YK_DIM_INFER, "scores");
    }
    snprintf(d->prefix, sizeof d->prefix, "decode");
    yk_id centre = concat(d, centres, head->levels, 2, "centres"),
          stride = concat(d, strides, head->levels, 2, "strides");
    yk_id distance = mean_distance(d, concat(d, boxes, head->levels, 2, "boxes"), head->reg_max);
    yk_id score = unary(d, YK_OP_SIGMOID, concat(d, scores, head->levels, 2, "logits"), "scores");
    yk_id low = binary(d, YK_OP_SUB, centre, slice(d, distance, 1, 0, 2, "left_top"), "top_left");
    yk_id high = binary(d, YK_OP_ADD, centre, slice(d, distance, 1, 2, 4, "right_bottom"), "bottom_right");
    if (head->end2end) {
        yk_id corners = concat(d, (yk_id[]){low, high}, 2, 1, "corners_in_cells");
        return best_pairs(d, binary(d, YK_OP_MUL, corners, stride, "corners_in_pixels"), score, head);
    }
    yk_id middle = scaled(d, binary(d, YK_OP_ADD, low, high, "sum"), 0.5f, "middle");
    yk_id size = binary(d, YK_OP_SUB, high, low, "size");
    yk_id box = concat(d, (yk_id[]){middle, size}, 2, 1, "boxes_in_cells");
    return concat(d, (yk_id[]){binary(d, YK_OP_MUL, box, stride, "boxes_in_pixels"), score}, 2, 1, "output");
}

/* ---- anchors ---- */

static yk_id decode_anchor_level(decoder *d, int level)
{
    const yk_head *head = &d->g->head;
    const int64_t row = 5 + head->classes, each = head->anchors_per_level;
    yk_graph *g = d->g;
    yk_id map = g->outputs[level];
    cells c = cells_of(d, map, head->strides[level]);
    const yk_id xy[2] = {reshape4(d, c.x, (int64_t[]){1, 1, YK_DIM_INFER, 1}, "column"),
                         reshape4(d, c.y, (int64_t[]){1, 1, YK_DIM_INFER, 1}, "row")};
    yk_id corner = binary(d, YK_OP_SUB, concat(d, xy, 2, 3, "cell"), yk_build_scalar(g, 0.5f), "corner");
    yk_id anchors = yk_graph_add_constant_copy(g, named(d, "anchors"), YK_F32,
                                               (yk_shape){.rank = 4, .dims = {1, each, 1, 2}}, head->anchors[level]);
    yk_id p = reshape4(d, map, (int64_t[]){YK_DIM_COPY, each, row, YK_DIM_INFER}, "rows");
    p = transpose(d, p, (int[]){0, 1, 3, 2}, 4, "rows_last");
    p = unary(d, YK_OP_SIGMOID, p, "sigmoid");
    yk_id place = binary(d, YK_OP_ADD, scaled(d, slice(d, p, 3, 0, 2, "xy"), 2.0f, "offset"), corner, "place");
    place = scaled(d, place, (float)head->strides[level], "place_in_pixels");
    yk_id size = scaled(d, slice(d, p, 3, 2, 4, "wh"), 2.0f, "factor");
    size = binary(d, YK_OP_MUL, binary(d, YK_OP_MUL, size, size, "square"), anchors, "size_in_pixels");
    const yk_id parts[3] = {place, size, slice(d, p, 3, 4, row, "probabilities")};
    return reshape(d, concat(d, parts, 3, 3, "decoded"), YK_DIM_COPY, YK_DIM_INFER, row, "decoded_rows");
}

static yk_id decode_anchors(decoder *d)
{
    yk_id levels[YK_MAX_LEVELS];
    for (int l = 0; l < d->g->head.levels; l++) {
        snprintf(d->prefix, sizeof d->prefix, "decode.%d", l);
        levels[l] = decode_anchor_level(d, l);
    }
    snprintf(d->prefix, sizeof d->prefix, "decode");
    return concat(d, levels, d->g->head.levels, 1, "output");
}

yolk_status yk_head_append_decode(yk_graph *g)
{
    decoder d = {.g = g};
    yk_id output;
    yk_head_kind decoded;
    if (g->head.kind == YK_HEAD_ANCHOR_FREE) {
        output = decode_anchor_free(&d);
        decoded = g->head.end2end ? YK_HEAD_DECODED_END2END : YK_HEAD_DECODED_V8;
    } else if (g->head.kind == YK_HEAD_ANCHORS) {
        output = decode_anchors(&d);
        decoded = YK_HEAD_DECODED_V5;
    } else {
        return YOLK_OK;
    }
    if (output == YK_NONE)
        return yk_last_status();
    g->head.kind = decoded;
    g->output_count = 0;
    yolk_status status = yk_graph_add_output(g, output);
    if (status == YOLK_OK)
        status = yk_graph_rename(g, output, "output0");
    if (status == YOLK_OK)
        yk_graph_unbind(g);
    return status;
}
