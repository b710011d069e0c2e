/* Is this tail the decoding that yolk does itself? */
#include "graph/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BINS = 64, MAX_CLASSES = 20000 };

/* Numbers that look random and are the same each time. */
static float uniform(uint64_t *state, float low, float high)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return low + (high - low) * (float)((*state >> 40) / 16777216.0);
}

static void fill(const yk_tail *t, int cut, uint64_t *state, float low, float high)
{
    int64_t count = yk_shape_count(&t->g->values[t->cuts[cut]].shape);
    for (int64_t i = 0; i < count; i++)
        t->data[cut][i] = uniform(state, low, high);
}

static int64_t channels_of(const yk_tail *t, int cut)
{
    return t->g->values[t->cuts[cut]].shape.dims[1];
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Pixels agree to a part of them that no detection shows; float16 anchors and strides are exact. */
static bool near_pixel(float a, float b)
{
    return fabsf(a - b) <= 2e-3f + 2e-5f * fabsf(b);
}

static bool near_score(float a, float b)
{
    return fabsf(a - b) <= 1e-4f;
}

/* ---- anchor-free ---- */

typedef struct guess {
    int box, cls; /* which of a scale's two convolutions */
    int64_t bins, classes;
} guess;

/* The same channels at every scale. */
static bool make_guess(const yk_tail *t, const yk_scales *s, int box, guess *out)
{
    *out = (guess){.box = box, .cls = 1 - box};
    for (int l = 0; l < s->count; l++) {
        int64_t sides = channels_of(t, s->level[l].cuts[box]), classes = channels_of(t, s->level[l].cuts[1 - box]);
        if (sides % 4 != 0 || sides / 4 > MAX_BINS || classes > MAX_CLASSES)
            return false;
        if (l > 0 && (sides / 4 != out->bins || classes != out->classes))
            return false;
        out->bins = sides / 4;
        out->classes = classes;
    }
    return true;
}

/* Convolutions are found in any order within a scale: boxes first at one, classes first at another. */
static void order_cuts(const yk_tail *t, yk_scales *s)
{
    for (int l = 1; l < s->count; l++) {
        int *cuts = s->level[l].cuts;
        if (channels_of(t, cuts[0]) != channels_of(t, s->level[0].cuts[0])) {
            int first = cuts[0];
            cuts[0] = cuts[1];
            cuts[1] = first;
        }
    }
}

/* Distance to one side, in strides: the mean of a distribution, or the number itself. */
static float distance(const float *box, int64_t bins, int64_t area, int64_t cell, int side)
{
    const float *first = box + side * bins * area + cell;
    if (bins == 1)
        return *first;
    float most = *first, sum = 0, mean = 0;
    for (int64_t b = 1; b < bins; b++)
        most = fmaxf(most, first[b * area]);
    for (int64_t b = 0; b < bins; b++) {
        float e = expf(first[b * area] - most);
        sum += e;
        mean += e * (float)b;
    }
    return mean / sum;
}

/* Corners in pixels of picture n's box at a cell of a scale. */
static void corners(const yk_tail *t, const yk_scale *level, const guess *g, int64_t n, int64_t cell, float out[4])
{
    int64_t area = level->height * level->width;
    const float *box = t->data[level->cuts[g->box]] + n * 4 * g->bins * area;
    int64_t x = cell % level->width, y = cell / level->width;
    float centre[2] = {(float)x + 0.5f, (float)y + 0.5f};
    for (int side = 0; side < 4; side++) {
        float d = distance(box, g->bins, area, cell, side);
        out[side] = (centre[side % 2] + (side < 2 ? -d : d)) * (float)level->stride;
    }
}

static bool is_decoded_v8(const yk_tail *t, const yk_scales *s, const guess *g, const float *out)
{
    int64_t batch = t->g->bound[0], rows = 4 + g->classes;
    for (int64_t n = 0; n < batch; n++) {
        int64_t place = 0;
        for (int l = 0; l < s->count; l++) {
            const yk_scale *level = &s->level[l];
            int64_t area = level->height * level->width;
            const float *cls = t->data[level->cuts[g->cls]] + n * g->classes * area;
            for (int64_t cell = 0; cell < area; cell++, place++) {
                const float *column = out + n * rows * s->cells + place;
                float c[4];
                corners(t, level, g, n, cell, c);
                if (!near_pixel(column[0], (c[0] + c[2]) / 2) || !near_pixel(column[s->cells], (c[1] + c[3]) / 2) ||
                    !near_pixel(column[2 * s->cells], c[2] - c[0]) || !near_pixel(column[3 * s->cells], c[3] - c[1]))
                    return false;
                for (int64_t k = 0; k < g->classes; k++) {
                    if (!near_score(column[(4 + k) * s->cells], sigmoid(cls[k * area + cell])))
                        return false;
                }
            }
        }
    }
    return true;
}

static void fill_boxes(const yk_tail *t, const yk_scales *s, const guess *g, uint64_t *state)
{
    for (int l = 0; l < s->count; l++)
        fill(t, s->level[l].cuts[g->box], state, g->bins > 1 ? -4.0f : 0.25f, g->bins > 1 ? 4.0f : 9.0f);
}

static yolk_status check_v8(yk_tail *t, const yk_scales *s, const guess *g, bool *is)
{
    uint64_t state = 88172645463325252u;
    float *out;
    fill_boxes(t, s, g, &state);
    for (int l = 0; l < s->count; l++)
        fill(t, s->level[l].cuts[g->cls], &state, -6, 6);
    yolk_status status = yk_tail_run(t, &out);
    *is = status == YOLK_OK && is_decoded_v8(t, s, g, out);
    yk_free(out);
    return status;
}

/* ---- anchor-free, end to end ---- */

/* Level and cell of the n-th anchor of all scales. */
static const yk_scale *find_cell(const yk_scales *s, int64_t anchor, int64_t *cell)
{
    int l = 0;
    for (; l < s->count - 1 && anchor >= s->level[l].height * s->level[l].width; l++)
        anchor -= s->level[l].height * s->level[l].width;
    *cell = anchor;
    return &s->level[l];
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A stride with which a walk over all (anchor, class) pairs meets each of them once. */
static int64_t pair_step(int64_t pairs)
{
    int64_t step = pairs / 2 + pairs / 8 + 1;
    while (common_divisor(step, pairs) != 1)
        step++;
    return step;
}

static float score_of_rank(int64_t rank, int64_t ranked)
{
    return 2.0f - 4.0f * (float)rank / (float)ranked;
}

static yolk_status check_end2end(yk_tail *t, const yk_scales *s, const guess *g, int64_t kept, bool *is)
{
    uint64_t state = 88172645463325252u;
    int64_t pairs = s->cells * g->classes, step = pair_step(pairs);
    int64_t ranked = YK_MIN(2 * kept, pairs), batch = t->g->bound[0];
    float *out;
    *is = pairs > 0;
    if (!*is)
        return YOLK_OK;
    fill_boxes(t, s, g, &state);
    for (int l = 0; l < s->count; l++)
        fill(t, s->level[l].cuts[g->cls], &state, -9, -5);
    for (int64_t r = 0; r < ranked; r++) {
        int64_t pair = r * step % pairs, cell;
        const yk_scale *level = find_cell(s, pair / g->classes, &cell);
        int64_t area = level->height * level->width;
        for (int64_t n = 0; n < batch; n++)
            t->data[level->cuts[g->cls]][(n * g->classes + pair % g->classes) * area + cell] = score_of_rank(r, ranked);
    }
    yolk_status status = yk_tail_run(t, &out);
    *is = status == YOLK_OK;
    for (int64_t n = 0; n < batch && *is; n++) {
        for (int64_t r = 0; r < kept && *is; r++) {
            const float *row = out + (n * kept + r) * 6;
            int64_t pair = r * step % pairs, cell;
            const yk_scale *level = find_cell(s, pair / g->classes, &cell);
            float c[4];
            corners(t, level, g, n, cell, c);
            for (int i = 0; i < 4; i++)
                *is = *is && near_pixel(row[i], c[i]);
            *is = *is && near_score(row[4], sigmoid(score_of_rank(r, ranked))) && row[5] == (float)(pair % g->classes);
        }
    }
    yk_free(out);
    return status;
}

yolk_status yk_check_anchor_free(yk_tail *t, const yk_scales *scales, yk_head *head, yk_id outputs[YK_MAX_CUTS],
                                 bool *is)
{
    const yk_shape *shape = &t->g->values[t->output].shape;
    yk_scales s = *scales;
    *is = false;
    if (s.each != 2 || shape->rank != 3 || shape->dims[0] != t->g->bound[0])
        return YOLK_OK;
    order_cuts(t, &s);
    for (int box = 0; box < 2 && !*is; box++) {
        guess g;
        yolk_status status = YOLK_OK;
        if (!make_guess(t, &s, box, &g))
            continue;
        bool end2end = shape->dims[2] == 6 && shape->dims[1] <= s.cells;
        if (shape->dims[1] == 4 + g.classes && shape->dims[2] == s.cells) {
            status = check_v8(t, &s, &g, is);
            end2end = false;
        } else if (end2end) {
            status = check_end2end(t, &s, &g, shape->dims[1], is);
        }
        if (status != YOLK_OK)
            return status;
        if (!*is)
            continue;
        head->kind = YK_HEAD_ANCHOR_FREE;
        head->classes = (int)g.classes;
        head->reg_max = (int)g.bins;
        head->end2end = end2end;
        head->max_det = end2end ? (int)shape->dims[1] : 0;
        for (int l = 0; l < s.count; l++) {
            outputs[2 * l] = t->cuts[s.level[l].cuts[g.box]];
            outputs[2 * l + 1] = t->cuts[s.level[l].cuts[g.cls]];
        }
    }
    return YOLK_OK;
}

/* ---- anchors ---- */

/* With logits of zero every box has its anchor's size. */
static yolk_status read_anchors(yk_tail *t, const yk_scales *s, int64_t row, yk_head *head)
{
    float *out;
    for (int l = 0; l < s->count; l++)
        memset(t->data[s->level[l].cuts[0]], 0,
               (size_t)yk_shape_count(&t->g->values[t->cuts[s->level[l].cuts[0]]].shape) * sizeof(float));
    yolk_status status = yk_tail_run(t, &out);
    int64_t place = 0;
    for (int l = 0; l < s->count && status == YOLK_OK; l++) {
        for (int a = 0; a < head->anchors_per_level; a++) {
            head->anchors[l][a][0] = out[place * row + 2];
            head->anchors[l][a][1] = out[place * row + 3];
            place += s->level[l].height * s->level[l].width;
        }
    }
    yk_free(out);
    return status;
}

static bool is_decoded_v5(const yk_tail *t, const yk_scales *s, const yk_head *head, int64_t row, const float *out)
{
    for (int64_t n = 0; n < t->g->bound[0]; n++) {
        for (int l = 0; l < s->count; l++) {
            const yk_scale *level = &s->level[l];
            int64_t area = level->height * level->width;
            const float *in = t->data[level->cuts[0]] + n * head->anchors_per_level * row * area;
            float stride = (float)level->stride;
            for (int a = 0; a < head->anchors_per_level; a++, in += row * area) {
                for (int64_t cell = 0; cell < area; cell++, out += row) {
                    for (int i = 0; i < 2; i++) {
                        float grid = (float)(i == 0 ? cell % level->width : cell / level->width);
                        float xy = sigmoid(in[i * area + cell]), wh = 2 * sigmoid(in[(2 + i) * area + cell]);
                        if (!near_pixel(out[i], (2 * xy - 0.5f + grid) * stride) ||
                            !near_pixel(out[2 + i], wh * wh * head->anchors[l][a][i]))
                            return false;
                    }
                    for (int64_t k = 4; k < row; k++) {
                        if (!near_score(out[k], sigmoid(in[k * area + cell])))
                            return false;
                    }
                }
            }
        }
    }
    return true;
}

yolk_status yk_check_anchors(yk_tail *t, const yk_scales *s, yk_head *head, yk_id outputs[YK_MAX_CUTS], bool *is)
{
    const yk_shape *shape = &t->g->values[t->output].shape;
    uint64_t state = 88172645463325252u;
    *is = false;
    if (s->each != 1 || shape->rank != 3 || shape->dims[0] != t->g->bound[0] || shape->dims[1] % s->cells != 0)
        return YOLK_OK;
    int64_t each = shape->dims[1] / s->cells, row = shape->dims[2];
    if (each < 1 || each > YK_MAX_ANCHORS || row < 6 || row > MAX_CLASSES)
        return YOLK_OK;
    for (int l = 0; l < s->count; l++) {
        if (channels_of(t, s->level[l].cuts[0]) != each * row)
            return YOLK_OK;
    }
    yk_head found = *head;
    found.kind = YK_HEAD_ANCHORS;
    found.classes = (int)row - 5;
    found.anchors_per_level = (int)each;
    yolk_status status = read_anchors(t, s, row, &found);
    if (status != YOLK_OK)
        return status;
    float *out;
    for (int l = 0; l < s->count; l++) {
        fill(t, s->level[l].cuts[0], &state, -4, 4);
        outputs[l] = t->cuts[s->level[l].cuts[0]];
    }
    status = yk_tail_run(t, &out);
    *is = status == YOLK_OK && is_decoded_v5(t, s, &found, row, out);
    yk_free(out);
    if (*is)
        *head = found;
    return status;
}

/* ---- YOLOX ---- */

/* Result of a convolution whose sigmoid may have been made part of it. */
static float probability(const yk_tail *t, int cut, float value)
{
    const yk_graph *g = t->g;
    bool inside = g->nodes[g->values[t->cuts[cut]].producer].attrs.act == YK_ACT_SIGMOID;
    return inside ? value : sigmoid(value);
}

/* Which of a scale's three convolutions has so many channels, not being `taken`; -1 when none has. */
static int cut_with(const yk_tail *t, const yk_scale *level, int64_t channels, unsigned *taken)
{
    for (int i = 0; i < level->cut_count; i++) {
        if (!(*taken & 1u << i) && channels_of(t, level->cuts[i]) == channels) {
            *taken |= 1u << i;
            return level->cuts[i];
        }
    }
    return -1;
}

static bool is_yolox(const yk_tail *t, const yk_scales *s, int cuts[YK_MAX_LEVELS][3], int64_t classes,
                     const float *out, bool decoded)
{
    int64_t row = 5 + classes;
    for (int64_t n = 0; n < t->g->bound[0]; n++) {
        for (int l = 0; l < s->count; l++) {
            const yk_scale *level = &s->level[l];
            int64_t area = level->height * level->width;
            const float *reg = t->data[cuts[l][0]] + n * 4 * area, *obj = t->data[cuts[l][1]] + n * area;
            const float *cls = t->data[cuts[l][2]] + n * classes * area;
            for (int64_t cell = 0; cell < area; cell++, out += row) {
                for (int i = 0; i < 4; i++) {
                    float v = reg[i * area + cell], grid = (float)(i == 0 ? cell % level->width : cell / level->width);
                    if (decoded)
                        v = (i < 2 ? v + grid : expf(v)) * (float)level->stride;
                    if (!near_pixel(out[i], v))
                        return false;
                }
                if (!near_score(out[4], probability(t, cuts[l][1], obj[cell])))
                    return false;
                for (int64_t k = 0; k < classes; k++) {
                    if (!near_score(out[5 + k], probability(t, cuts[l][2], cls[k * area + cell])))
                        return false;
                }
            }
        }
    }
    return true;
}

yolk_status yk_check_yolox(yk_tail *t, const yk_scales *s, yk_head *head, bool *is)
{
    const yk_shape *shape = &t->g->values[t->output].shape;
    uint64_t state = 88172645463325252u;
    int cuts[YK_MAX_LEVELS][3];
    *is = false;
    if (s->each != 3 || shape->rank != 3 || shape->dims[0] != t->g->bound[0] || shape->dims[1] != s->cells ||
        shape->dims[2] < 6 || shape->dims[2] > MAX_CLASSES)
        return YOLK_OK;
    int64_t classes = shape->dims[2] - 5;
    for (int l = 0; l < s->count; l++) {
        unsigned taken = 0;
        cuts[l][0] = cut_with(t, &s->level[l], 4, &taken);
        cuts[l][1] = cut_with(t, &s->level[l], 1, &taken);
        cuts[l][2] = cut_with(t, &s->level[l], classes, &taken);
        if (cuts[l][0] < 0 || cuts[l][1] < 0 || cuts[l][2] < 0)
            return YOLK_OK;
        for (int i = 0; i < 3; i++)
            fill(t, cuts[l][i], &state, 0.0f, 1.0f);
    }
    float *out;
    yolk_status status = yk_tail_run(t, &out);
    if (status != YOLK_OK)
        return status;
    /* With one class, or four, two of the convolutions look alike. */
    bool raw = is_yolox(t, s, cuts, classes, out, false), decoded = is_yolox(t, s, cuts, classes, out, true);
    if (!raw && !decoded && (classes == 1 || classes == 4)) {
        for (int l = 0; l < s->count; l++) {
            int twin = classes == 1 ? 1 : 0, other = cuts[l][2];
            cuts[l][2] = cuts[l][twin];
            cuts[l][twin] = other;
        }
        raw = is_yolox(t, s, cuts, classes, out, false);
        decoded = is_yolox(t, s, cuts, classes, out, true);
    }
    yk_free(out);
    *is = raw || decoded;
    if (*is) {
        head->kind = raw ? YK_HEAD_YOLOX : YK_HEAD_DECODED_V5;
        head->classes = (int)classes;
    }
    return YOLK_OK;
}
