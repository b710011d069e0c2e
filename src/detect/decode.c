/* Candidates from a network's outputs.
 *
 * Nearly every anchor lies far below the threshold, so the work is to pass over those quickly: raw outputs are compared
 * as logits, and boxes and probabilities are computed for what passes only. */
#include <math.h>
#include <string.h>

#include "detect/rank.h"

/* One frame's part of everything that the functions below read. */
typedef struct frame {
    const yk_head *head;
    const yk_detect_options *options;
    const float *const *outputs;
    const yk_shape *shapes;
    int n; /* its place in the batch */
    int height, width;
    yk_detections *out;
} frame;

typedef struct box {
    float x1, y1, x2, y2;
} box;

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

float yk_logit(float p)
{
    if (p <= 0)
        return -INFINITY;
    return p >= 1 ? INFINITY : logf(p / (1 - p));
}

static yolk_status add(const frame *f, box b, float confidence, int class_id)
{
    if (f->options->class_mask && !f->options->class_mask[class_id])
        return YOLK_OK;
    if (!isfinite(b.x1) || !isfinite(b.y1) || !isfinite(b.x2) || !isfinite(b.y2))
        return YOLK_OK;
    yolk_detection *d = yk_detections_next(f->out);
    if (!d)
        return YOLK_ERROR_OUT_OF_MEMORY;
    *d = (yolk_detection){
        .x1 = b.x1, .y1 = b.y1, .x2 = b.x2, .y2 = b.y2, .confidence = confidence, .class_id = class_id};
    f->out->count++;
    return YOLK_OK;
}

static bool several_labels(const frame *f)
{
    return f->options->multi_label && f->head->classes > 1;
}

/* ---- planar heads: one plane of anchors for each class ---- */

/* best[i] = the largest of `classes` planes at i. A NaN is never the largest. */
static void find_best(const float *planes, int classes, size_t count, float *best)
{
    for (size_t i = 0; i < count; i++)
        best[i] = -INFINITY;
    for (int c = 0; c < classes; c++) {
        const float *restrict plane = planes + (size_t)c * count;
        for (size_t i = 0; i < count; i++)
            best[i] = plane[i] > best[i] ? plane[i] : best[i];
    }
}

/* Adds anchor `i` once for its best class, or for each class above the threshold. */
static yolk_status add_planar(const frame *f, const float *planes, size_t count, size_t i, float best, float threshold,
                              bool logits, box b)
{
    const bool several = several_labels(f);
    for (int c = 0; c < f->head->classes; c++) {
        float x = planes[(size_t)c * count + i];
        if (several ? !(x > threshold) : x != best)
            continue;
        yolk_status status = add(f, b, logits ? sigmoid(x) : x, c);
        if (status != YOLK_OK || !several)
            return status;
    }
    return YOLK_OK;
}

/* A level of a raw anchor-free head. */
typedef struct level {
    const float *boxes, *classes;
    size_t count, first; /* anchors, and those of the levels before */
    int width, stride;
} level;

static level get_level(const frame *f, int l)
{
    const int64_t *boxes = f->shapes[2 * l].dims, *classes = f->shapes[2 * l + 1].dims;
    level v = {.count = (size_t)(boxes[2] * boxes[3]), .width = (int)boxes[3], .stride = f->head->strides[l]};
    v.boxes = f->outputs[2 * l] + (size_t)f->n * (size_t)boxes[1] * v.count;
    v.classes = f->outputs[2 * l + 1] + (size_t)f->n * (size_t)classes[1] * v.count;
    return v;
}

/* Mean of a side's distribution over `bins` distances. */
static float expected_distance(const float *bins, size_t step, int count)
{
    float most = bins[0], sum = 0, weighted = 0;
    for (int b = 1; b < count; b++)
        most = YK_MAX(most, bins[(size_t)b * step]);
    for (int b = 0; b < count; b++) {
        float e = expf(bins[(size_t)b * step] - most);
        sum += e;
        weighted += e * (float)b;
    }
    return weighted / sum;
}

static box anchor_free_box(const level *v, int reg_max, size_t i)
{
    float side[4];
    for (int s = 0; s < 4; s++) {
        const float *bins = v->boxes + (size_t)(s * reg_max) * v->count + i;
        side[s] = reg_max == 1 ? *bins : expected_distance(bins, v->count, reg_max);
    }
    const size_t column = i % (size_t)v->width, row = i / (size_t)v->width;
    const float x = (float)column + 0.5f, y = (float)row + 0.5f;
    const float stride = (float)v->stride;
    return (box){(x - side[0]) * stride, (y - side[1]) * stride, (x + side[2]) * stride, (y + side[3]) * stride};
}

static size_t most_anchors(const frame *f, bool together)
{
    size_t most = 0;
    for (int l = 0; l < f->head->levels; l++) {
        size_t count = get_level(f, l).count;
        most = together ? most + count : YK_MAX(most, count);
    }
    return most;
}

static yolk_status decode_anchor_free(const frame *f)
{
    const float threshold = yk_logit(f->options->conf);
    float *best = yk_detections_scratch(f->out, most_anchors(f, false) * sizeof(float));
    if (!best)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int l = 0; l < f->head->levels; l++) {
        const level v = get_level(f, l);
        find_best(v.classes, f->head->classes, v.count, best);
        for (size_t i = 0; i < v.count; i++) {
            if (!(best[i] > threshold))
                continue;
            yolk_status status = add_planar(f, v.classes, v.count, i, best[i], threshold, true,
                                            anchor_free_box(&v, f->head->reg_max, i));
            if (status != YOLK_OK)
                return status;
        }
    }
    return YOLK_OK;
}

/* A one-to-one head as ultralytics' postprocess does: the max_det anchors with the best classes, and of their
 * (anchor, class) pairs the max_det best. */
static yolk_status decode_one_to_one(const frame *f)
{
    const yk_head *head = f->head;
    const float threshold = yk_logit(f->options->conf);
    const size_t anchors = most_anchors(f, true), classes = (size_t)head->classes, limit = (size_t)head->max_det;
    const size_t pairs_most = YK_MIN(anchors, limit) * classes, ranks = YK_MAX(anchors, pairs_most);
    yk_ranked *chosen =
        yk_detections_scratch(f->out, (anchors + 2 * ranks) * sizeof(*chosen) + anchors * sizeof(float));
    if (!chosen)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_ranked *pairs = chosen + anchors, *spare = pairs + ranks;
    float *best = (float *)(spare + ranks);

    level levels[YK_MAX_LEVELS];
    size_t first = 0, count = 0;
    for (int l = 0; l < head->levels; l++) {
        level *v = &levels[l];
        *v = get_level(f, l);
        v->first = first;
        find_best(v->classes, head->classes, v->count, best + first);
        for (size_t i = first; i < first + v->count; i++) {
            if (best[i] > threshold)
                chosen[count++] = (yk_ranked){best[i], (uint32_t)i};
        }
        first += v->count;
    }
    yk_rank(chosen, spare, count);
    count = YK_MIN(count, limit);

    size_t pair_count = 0;
    for (size_t k = 0; k < count; k++) {
        const level *v = levels;
        while (chosen[k].id - v->first >= v->count)
            v++;
        for (size_t c = 0; c < classes; c++) {
            float x = v->classes[c * v->count + chosen[k].id - v->first];
            if (x > threshold)
                pairs[pair_count++] = (yk_ranked){x, (uint32_t)(k * classes + c)};
        }
    }
    yk_rank(pairs, spare, pair_count);
    pair_count = YK_MIN(pair_count, limit);
    for (size_t p = 0; p < pair_count; p++) {
        const uint32_t anchor = chosen[pairs[p].id / classes].id;
        const level *v = levels;
        while (anchor - v->first >= v->count)
            v++;
        yolk_status status = add(f, anchor_free_box(v, head->reg_max, anchor - v->first), sigmoid(pairs[p].score),
                                 (int)(pairs[p].id % classes));
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

static box box_around(float x, float y, float width, float height)
{
    return (box){x - width / 2, y - height / 2, x + width / 2, y + height / 2};
}

static yolk_status decode_v8(const frame *f)
{
    const int64_t *dims = f->shapes[0].dims;
    const size_t count = (size_t)dims[2];
    const float *values = f->outputs[0] + (size_t)f->n * (size_t)dims[1] * count, *classes = values + 4 * count;
    float *best = yk_detections_scratch(f->out, count * sizeof(float));
    if (!best)
        return YOLK_ERROR_OUT_OF_MEMORY;
    find_best(classes, f->head->classes, count, best);
    for (size_t i = 0; i < count; i++) {
        if (!(best[i] > f->options->conf))
            continue;
        box b = box_around(values[i], values[count + i], values[2 * count + i], values[3 * count + i]);
        yolk_status status = add_planar(f, classes, count, i, best[i], f->options->conf, false, b);
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

/* ---- heads with an objectness: the confidence is its product with the class's probability ---- */

/* Adds one anchor whose objectness passed. classes[c * step] are logits or probabilities. */
static yolk_status add_product(const frame *f, const float *classes, size_t step, bool logits, float objectness, box b)
{
    const bool several = several_labels(f);
    float best = -INFINITY;
    int best_class = -1;
    for (int c = 0; c < f->head->classes; c++) {
        float x = classes[(size_t)c * step];
        if (several) {
            float confidence = objectness * (logits ? sigmoid(x) : x);
            yolk_status status = confidence > f->options->conf ? add(f, b, confidence, c) : YOLK_OK;
            if (status != YOLK_OK)
                return status;
        } else if (x > best) {
            best = x;
            best_class = c;
        }
    }
    float confidence = best_class < 0 ? 0 : objectness * (logits ? sigmoid(best) : best);
    return best_class >= 0 && confidence > f->options->conf ? add(f, b, confidence, best_class) : YOLK_OK;
}

static yolk_status decode_anchors(const frame *f)
{
    const yk_head *head = f->head;
    const float threshold = yk_logit(f->options->conf);
    const int values = 5 + head->classes;
    for (int l = 0; l < head->levels; l++) {
        const int64_t *dims = f->shapes[l].dims;
        const size_t count = (size_t)(dims[2] * dims[3]), width = (size_t)dims[3];
        const float stride = (float)head->strides[l];
        for (int a = 0; a < head->anchors_per_level; a++) {
            const float *planes = f->outputs[l] + ((size_t)f->n * (size_t)dims[1] + (size_t)a * (size_t)values) * count;
            for (size_t i = 0; i < count; i++) {
                if (!(planes[4 * count + i] > threshold))
                    continue;
                const float *v = planes + i;
                const size_t column = i % width, row = i / width;
                float x = (sigmoid(v[0]) * 2 - 0.5f + (float)column) * stride;
                float y = (sigmoid(v[count]) * 2 - 0.5f + (float)row) * stride;
                float w = sigmoid(v[2 * count]) * 2, h = sigmoid(v[3 * count]) * 2;
                box b = box_around(x, y, w * w * head->anchors[l][a][0], h * h * head->anchors[l][a][1]);
                yolk_status status = add_product(f, v + 5 * count, count, true, sigmoid(v[4 * count]), b);
                if (status != YOLK_OK)
                    return status;
            }
        }
    }
    return YOLK_OK;
}

static yolk_status decode_v5(const frame *f)
{
    const int64_t *dims = f->shapes[0].dims;
    const float *row = f->outputs[0] + (size_t)f->n * (size_t)(dims[1] * dims[2]);
    for (int64_t i = 0; i < dims[1]; i++, row += dims[2]) {
        if (!(row[4] > f->options->conf))
            continue;
        yolk_status status = add_product(f, row + 5, 1, false, row[4], box_around(row[0], row[1], row[2], row[3]));
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

static yolk_status decode_yolox(const frame *f)
{
    const int64_t *dims = f->shapes[0].dims;
    const float *row = f->outputs[0] + (size_t)f->n * (size_t)(dims[1] * dims[2]);
    for (int l = 0; l < f->head->levels; l++) {
        const int columns = f->width / f->head->strides[l], rows = f->height / f->head->strides[l];
        const float stride = (float)f->head->strides[l];
        for (int i = 0; i < rows * columns; i++, row += dims[2]) {
            if (!(row[4] > f->options->conf))
                continue;
            const int column = i % columns, line = i / columns;
            box b = box_around((row[0] + (float)column) * stride, (row[1] + (float)line) * stride,
                               expf(row[2]) * stride, expf(row[3]) * stride);
            yolk_status status = add_product(f, row + 5, 1, false, row[4], b);
            if (status != YOLK_OK)
                return status;
        }
    }
    return YOLK_OK;
}

static yolk_status decode_end2end(const frame *f)
{
    const int64_t *dims = f->shapes[0].dims;
    const float *row = f->outputs[0] + (size_t)f->n * (size_t)(dims[1] * dims[2]);
    for (int64_t i = 0; i < dims[1]; i++, row += dims[2]) {
        /* The class is a float that the network computed: out of range or NaN it names nothing. */
        if (!(row[4] > f->options->conf) || !(row[5] >= 0 && row[5] < (float)f->head->classes))
            continue;
        yolk_status status = add(f, (box){row[0], row[1], row[2], row[3]}, row[4], (int)row[5]);
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

/* ---- choosing, after looking whether the shapes are what the head says ---- */

static yolk_status shape_fault(const frame *f, int output, const char *wanted)
{
    char text[96];
    yk_shape_text(&f->shapes[output], text);
    return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "output %d of the network is %s, which is no %s head of %d classes: %s",
                   output, text, yk_head_kind_name(f->head->kind), f->head->classes, wanted);
}

static bool has_shape(const frame *f, int output, int rank, int axis, int64_t size)
{
    const yk_shape *s = &f->shapes[output];
    return s->rank == rank && f->n >= 0 && f->n < s->dims[0] && s->dims[axis] == size && yk_shape_count(s) > 0;
}

static yolk_status check(const frame *f)
{
    const yk_head *head = f->head;
    const int64_t classes = head->classes;
    int64_t cells = 0;
    switch (head->kind) {
    case YK_HEAD_ANCHOR_FREE:
        for (int l = 0; l < head->levels; l++) {
            const yk_shape *boxes = &f->shapes[2 * l], *scores = &f->shapes[2 * l + 1];
            if (!has_shape(f, 2 * l, 4, 1, 4 * (int64_t)head->reg_max))
                return shape_fault(f, 2 * l, "four sides a cell were expected");
            if (!has_shape(f, 2 * l + 1, 4, 1, classes) || boxes->dims[2] != scores->dims[2] ||
                boxes->dims[3] != scores->dims[3])
                return shape_fault(f, 2 * l + 1, "one value a class and cell was expected");
        }
        return YOLK_OK;
    case YK_HEAD_ANCHORS:
        for (int l = 0; l < head->levels; l++) {
            if (!has_shape(f, l, 4, 1, head->anchors_per_level * (5 + classes)))
                return shape_fault(f, l, "5 values and the classes were expected for each anchor");
        }
        return YOLK_OK;
    case YK_HEAD_YOLOX:
        for (int l = 0; l < head->levels; l++)
            cells += (int64_t)(f->width / head->strides[l]) * (f->height / head->strides[l]);
        if (!has_shape(f, 0, 3, 2, 5 + classes) || f->shapes[0].dims[1] != cells)
            return shape_fault(f, 0, "5 values and the classes were expected for each cell of the strides");
        return YOLK_OK;
    case YK_HEAD_DECODED_V8:
        return has_shape(f, 0, 3, 1, 4 + classes) ? YOLK_OK : shape_fault(f, 0, "N x (4 + classes) x A was expected");
    case YK_HEAD_DECODED_V5:
        return has_shape(f, 0, 3, 2, 5 + classes) ? YOLK_OK : shape_fault(f, 0, "N x A x (5 + classes) was expected");
    case YK_HEAD_DECODED_END2END:
        return has_shape(f, 0, 3, 2, 6) ? YOLK_OK : shape_fault(f, 0, "N x K x 6 was expected");
    case YK_HEAD_UNKNOWN:
        break;
    }
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "the network's outputs have no known layout, so they cannot be decoded: "
                                           "name it with --head");
}

yolk_status yk_decode_check(const yk_head *head, const yk_shape *shapes, int n, int input_width, int input_height)
{
    return check(&(frame){.head = head, .shapes = shapes, .n = n, .height = input_height, .width = input_width});
}

yolk_status yk_decode(const yk_head *head, const float *const *outputs, const yk_shape *shapes, int n, int input_width,
                      int input_height, const yk_detect_options *options, yk_detections *out)
{
    const frame f = {.head = head,
                     .options = options,
                     .outputs = outputs,
                     .shapes = shapes,
                     .n = n,
                     .height = input_height,
                     .width = input_width,
                     .out = out};
    out->count = 0;
    yolk_status status = check(&f);
    if (status != YOLK_OK)
        return status;
    switch (head->kind) {
    case YK_HEAD_ANCHOR_FREE:
        return head->end2end ? decode_one_to_one(&f) : decode_anchor_free(&f);
    case YK_HEAD_ANCHORS:
        return decode_anchors(&f);
    case YK_HEAD_YOLOX:
        return decode_yolox(&f);
    case YK_HEAD_DECODED_V8:
        return decode_v8(&f);
    case YK_HEAD_DECODED_V5:
        return decode_v5(&f);
    default:
        return decode_end2end(&f);
    }
}
