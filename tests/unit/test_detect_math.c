/* The arithmetic of the GPU's detection, on the CPU: box by box what yk_decode() makes, and its order and overlaps. */
#include <math.h>

#include "backend/cuda/detect_math.h"
#include "detect/rank.h"
#include "yk_test.h"

enum { INPUT = 64, BINS = 16, CELLS = 64 };

static uint32_t noise_state;

static float noise(float low, float high)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return yk_half_to_float(yk_float_to_half(low + (high - low) * (float)(noise_state >> 8) / (1 << 24)));
}

static void fill(float *values, size_t count, float low, float high)
{
    for (size_t i = 0; i < count; i++)
        values[i] = noise(low, high);
}

static void check_box(const yolk_detection *d, yk_box b, float confidence)
{
    assert_float_equal(d->x1, b.x1, 1e-4);
    assert_float_equal(d->y1, b.y1, 1e-4);
    assert_float_equal(d->x2, b.x2, 1e-4);
    assert_float_equal(d->y2, b.y2, 1e-4);
    assert_float_equal(d->confidence, confidence, 1e-6);
}

/* All cells of a head of one level and one class, which a threshold of 0 lets through in their order. */
static void decode(const yk_head *head, const float *const *outputs, const yk_shape *shapes, yk_detections *out)
{
    assert_ok(yk_decode(head, outputs, shapes, 0, INPUT, INPUT, &(yk_detect_options){.conf = 0}, out));
}

static void cells_are_those_of_the_twin(void **state)
{
    (void)state;
    for (int bins = 1; bins <= BINS; bins += BINS - 1) {
        const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 1, .reg_max = bins, .levels = 1, .strides = {8}};
        const yk_shape shapes[2] = {{4, {1, 4 * bins, 8, 8}}, {4, {1, 1, 8, 8}}};
        float boxes[4 * BINS * CELLS], classes[CELLS];
        uint16_t halves[4 * BINS * CELLS];
        fill(boxes, YK_COUNT(boxes), -4, 4);
        fill(classes, YK_COUNT(classes), -3, 3);
        /* Once as the graph has it, once as halves whose pixels lie together. */
        for (int c = 0; c < 4 * bins; c++)
            for (int i = 0; i < CELLS; i++)
                halves[i * 4 * bins + c] = yk_float_to_half(boxes[c * CELLS + i]);
        const yk_cuda_tensor tensors[2] = {{boxes, false, 0, CELLS, 1}, {halves, true, 0, 1, 4 * bins}};
        yk_detections d = {0};
        decode(&head, (const float *const[]){boxes, classes}, shapes, &d);
        assert_int_equal(d.count, CELLS);
        for (int i = 0; i < 2 * CELLS; i++) {
            const yk_cuda_tensor *t = &tensors[i / CELLS];
            const int cell = i % CELLS;
            float sides[4];
            for (int s = 0; s < 4; s++)
                sides[s] = yk_side_distance(t, cell * t->pixel, s, bins);
            check_box(&d.items[cell], yk_cell_box(cell, 8, 8, sides), yk_sigmoid(classes[cell]));
        }
        yk_detections_free(&d);
    }
}

static void anchors_are_those_of_the_twin(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_ANCHORS,
                          .classes = 1,
                          .levels = 1,
                          .strides = {8},
                          .anchors_per_level = 2,
                          .anchors = {{{10, 20}, {30, 15}}}};
    const yk_shape shape = {4, {1, 12, 8, 8}};
    float values[12 * CELLS];
    fill(values, YK_COUNT(values), -3, 3);
    yk_detections d = {0};
    decode(&head, (const float *const[]){values}, &shape, &d);
    assert_int_equal(d.count, 2 * CELLS);
    for (int i = 0; i < 2 * CELLS; i++) {
        const float *at = values + i / CELLS * 6 * CELLS + i % CELLS;
        const float box[4] = {at[0], at[CELLS], at[2 * CELLS], at[3 * CELLS]};
        check_box(&d.items[i], yk_anchor_box(i % CELLS, 8, 8, head.anchors[0][i / CELLS], box),
                  yk_sigmoid(at[4 * CELLS]) * yk_sigmoid(at[5 * CELLS]));
    }
    yk_detections_free(&d);
}

static void yolox_is_that_of_the_twin(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_YOLOX, .classes = 1, .levels = 1, .strides = {8}};
    const yk_shape shape = {3, {1, CELLS, 6}};
    float values[6 * CELLS];
    fill(values, YK_COUNT(values), 0.01f, 1);
    yk_detections d = {0};
    decode(&head, (const float *const[]){values}, &shape, &d);
    assert_int_equal(d.count, CELLS);
    for (int i = 0; i < CELLS; i++)
        check_box(&d.items[i], yk_yolox_box(i, 8, 8, values + 6 * i), values[6 * i + 4] * values[6 * i + 5]);
    yk_detections_free(&d);
}

static void overlaps_are_those_of_the_twin(void **state)
{
    (void)state;
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 1};
    yk_detections d = {0};
    for (int i = 0; i < 20000; i++) {
        yk_box boxes[2];
        d.count = 0;
        for (int k = 0; k < 2; k++) {
            yolk_detection *item = yk_detections_next(&d);
            assert_non_null(item);
            const float x = noise(0, 8), y = noise(0, 8);
            boxes[k] = (yk_box){x, y, x + noise(-1, 16), y + noise(-1, 16)};
            *item = (yolk_detection){
                .x1 = x, .y1 = y, .x2 = boxes[k].x2, .y2 = boxes[k].y2, .confidence = 0.9f - 0.1f * (float)k};
            d.count++;
        }
        const float iou = noise(0, 1);
        const bool covered = yk_overlap(boxes[0], yk_box_area(boxes[0]), boxes[1], yk_box_area(boxes[1]), iou);
        assert_ok(yk_suppress(&head, &(yk_detect_options){.iou = iou, .max_det = 300}, &d));
        assert_int_equal(d.count, covered ? 1 : 2);
    }
    yk_detections_free(&d);
}

static void keys_fall_where_scores_rise(void **state)
{
    (void)state;
    static const float values[] = {-INFINITY, -1e30f, -3, -1e-40f, 0, 1e-40f, 0.25f, 0.5f, 7, 1e30f, INFINITY};
    for (size_t i = 0; i < YK_COUNT(values); i++) {
        assert_true(yk_key_score(yk_falling_key(values[i])) == values[i]);
        assert_true(i == 0 || yk_falling_key(values[i]) < yk_falling_key(values[i - 1]));
        assert_true(yk_rank_score(yk_class_rank(values[i], 79)) == values[i]);
        assert_int_equal(yk_rank_class(yk_class_rank(values[i], 79)), 79);
        assert_true(yk_class_rank(values[i], 79) > (i == 0 ? 0 : yk_class_rank(values[i - 1], 0)));
        assert_true(yk_class_rank(values[i], 3) > yk_class_rank(values[i], 4));
    }
    assert_true(yk_class_rank(-0.0f, 5) == yk_class_rank(0, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_those_of_the_twin), cmocka_unit_test(anchors_are_those_of_the_twin),
        cmocka_unit_test(yolox_is_that_of_the_twin),   cmocka_unit_test(overlaps_are_those_of_the_twin),
        cmocka_unit_test(keys_fall_where_scores_rise),
    };
    return cmocka_run_group_tests_name("detect math", tests, NULL, NULL);
}
