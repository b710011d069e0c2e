/* Every kind of head with outputs made by hand, and what does not belong in them. */
#include <math.h>

#include "detect/detect.h"
#include "yk_test.h"

enum { INPUT = 64, CLASSES = 3 };

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float logit(float p)
{
    return logf(p / (1 - p));
}

/* Outputs of one head for a batch of two; the frame decoded is the second. */
typedef struct net {
    yk_head head;
    yk_shape shapes[6];
    float *values[6];
    int count;
} net;

static void add_output(net *n, yk_shape shape, float fill)
{
    size_t count = (size_t)yk_shape_count(&shape);
    float *v = malloc(count * sizeof(*v));
    assert_non_null(v);
    for (size_t i = 0; i < count; i++)
        v[i] = fill;
    n->shapes[n->count] = shape;
    n->values[n->count++] = v;
}

static void free_net(net *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->values[i]);
}

/* Element of the second frame. */
static float *at(net *n, int output, int64_t a, int64_t b, int64_t c)
{
    const yk_shape *s = &n->shapes[output];
    const int64_t d2 = s->rank > 2 ? s->dims[2] : 1, d3 = s->rank > 3 ? s->dims[3] : 1;
    return &n->values[output][((s->dims[1] + a) * d2 + b) * d3 + c];
}

static yolk_status decode(net *n, const yk_detect_options *options, yk_detections *out)
{
    return yk_decode(&n->head, (const float *const *)n->values, n->shapes, 1, INPUT, INPUT, options, out);
}

static void check_box(const yolk_detection *d, int class_id, float confidence, float x1, float y1, float x2, float y2)
{
    assert_int_equal(d->class_id, class_id);
    assert_float_equal(d->confidence, confidence, 1e-5);
    assert_float_equal(d->x1, x1, 1e-3);
    assert_float_equal(d->y1, y1, 1e-3);
    assert_float_equal(d->x2, x2, 1e-3);
    assert_float_equal(d->y2, y2, 1e-3);
    assert_null(d->class_name);
    assert_int_equal(d->track_id, 0);
}

static net anchor_free(int reg_max, bool end2end)
{
    net n = {.head = {.kind = YK_HEAD_ANCHOR_FREE,
                      .classes = CLASSES,
                      .reg_max = reg_max,
                      .end2end = end2end,
                      .max_det = 4,
                      .levels = 2,
                      .strides = {8, 16}}};
    for (int l = 0; l < 2; l++) {
        int64_t side = INPUT / n.head.strides[l];
        add_output(&n, (yk_shape){4, {2, 4 * reg_max, side, side}}, 0);
        add_output(&n, (yk_shape){4, {2, CLASSES, side, side}}, -20);
    }
    return n;
}

static void anchor_free_distances_are_in_strides(void **state)
{
    (void)state;
    net n = anchor_free(1, false);
    yk_detections d = {0};
    const float sides[4] = {1, 0.5f, 2, 3};
    for (int s = 0; s < 4; s++)
        *at(&n, 2, s, 1, 2) = sides[s];
    *at(&n, 3, 1, 1, 2) = 2;
    *at(&n, 3, 2, 1, 2) = 1;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    /* The centre of cell (2, 1) of stride 16 is (40, 24). */
    check_box(&d.items[0], 1, sigmoid(2), 24, 16, 72, 72);

    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f, .multi_label = true}, &d));
    assert_int_equal(d.count, 2);
    check_box(&d.items[1], 2, sigmoid(1), 24, 16, 72, 72);
    yk_detections_free(&d);
    free_net(&n);
}

static void anchor_free_distributions_become_their_mean(void **state)
{
    (void)state;
    net n = anchor_free(16, false);
    yk_detections d = {0};
    /* Left: all in bin 3. Top: bins 0 and 1 alike. Right: flat, mean 7.5. Bottom: huge values. */
    *at(&n, 0, 3, 4, 5) = 80;
    *at(&n, 0, 16, 4, 5) = *at(&n, 0, 17, 4, 5) = 50;
    *at(&n, 0, 48 + 15, 4, 5) = 1e30f;
    *at(&n, 1, 0, 4, 5) = 0;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    check_box(&d.items[0], 0, 0.5f, 44 - 24, 36 - 4, 44 + 60, 36 + 120);
    yk_detections_free(&d);
    free_net(&n);
}

static void threshold_is_exclusive_and_zero_lets_all_pass(void **state)
{
    (void)state;
    net n = anchor_free(1, false);
    yk_detections d = {0};
    *at(&n, 1, 0, 0, 0) = logit(0.3f) + 1e-4f;
    *at(&n, 1, 0, 0, 1) = logit(0.3f) - 1e-4f;
    *at(&n, 1, 0, 0, 2) = NAN;
    *at(&n, 1, 1, 0, 2) = 5;
    *at(&n, 1, 0, 0, 3) = *at(&n, 1, 1, 0, 3) = *at(&n, 1, 2, 0, 3) = NAN;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.3f}, &d));
    assert_int_equal(d.count, 2);
    assert_int_equal(d.items[1].class_id, 1);
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0}, &d));
    assert_int_equal(d.count, 64 + 16 - 1);
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0, .multi_label = true}, &d));
    assert_int_equal(d.count, (64 + 16) * CLASSES - 4);
    assert_ok(decode(&n, &(yk_detect_options){.conf = 1}, &d));
    assert_int_equal(d.count, 0);
    yk_detections_free(&d);
    free_net(&n);
}

static void boxes_that_are_no_numbers_are_left_out(void **state)
{
    (void)state;
    net n = anchor_free(1, false);
    yk_detections d = {0};
    for (int i = 0; i < 3; i++)
        *at(&n, 1, 0, 0, i) = 5;
    *at(&n, 0, 2, 0, 0) = NAN;
    *at(&n, 0, 1, 0, 1) = INFINITY;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.5f}, &d));
    assert_int_equal(d.count, 1);
    yk_detections_free(&d);
    free_net(&n);
}

/* The class is chosen among all first and masked after, as ultralytics does. */
static void masked_classes_still_win_their_anchor(void **state)
{
    (void)state;
    net n = anchor_free(1, false);
    yk_detections d = {0};
    const uint8_t mask[CLASSES] = {1, 0, 0};
    *at(&n, 1, 0, 0, 0) = 1;
    *at(&n, 1, 1, 0, 0) = 2;
    *at(&n, 1, 0, 0, 1) = 1;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.5f, .class_mask = mask}, &d));
    assert_int_equal(d.count, 1);
    assert_float_equal(d.items[0].x1, 12, 0);
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.5f, .class_mask = mask, .multi_label = true}, &d));
    assert_int_equal(d.count, 2);
    yk_detections_free(&d);
    free_net(&n);
}

static void one_to_one_heads_give_the_best_pairs(void **state)
{
    (void)state;
    net n = anchor_free(1, true);
    yk_detections d = {0};
    /* Five anchors compete for four places; the best has a second class that is better than the third's. */
    *at(&n, 1, 0, 0, 0) = 1;
    *at(&n, 1, 0, 0, 1) = 2;
    *at(&n, 3, 1, 3, 3) = 6;
    *at(&n, 3, 2, 3, 3) = 5;
    *at(&n, 1, 2, 7, 7) = 4;
    *at(&n, 1, 2, 7, 6) = 3;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 4);
    check_box(&d.items[0], 1, sigmoid(6), 56, 56, 56, 56);
    check_box(&d.items[1], 2, sigmoid(5), 56, 56, 56, 56);
    check_box(&d.items[2], 2, sigmoid(4), 60, 60, 60, 60);
    check_box(&d.items[3], 2, sigmoid(3), 52, 60, 52, 60);

    const uint8_t mask[CLASSES] = {1, 0, 1};
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.95f, .class_mask = mask}, &d));
    assert_int_equal(d.count, 3);
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0}, &d));
    assert_int_equal(d.count, 4);
    yk_detections_free(&d);
    free_net(&n);
}

static void anchors_are_decoded_as_in_yolov5(void **state)
{
    (void)state;
    net n = {.head = {.kind = YK_HEAD_ANCHORS,
                      .classes = CLASSES,
                      .levels = 1,
                      .strides = {16},
                      .anchors_per_level = 2,
                      .anchors = {{{10, 20}, {30, 40}}}}};
    add_output(&n, (yk_shape){4, {2, 2 * (5 + CLASSES), 4, 4}}, -20);
    yk_detections d = {0};
    float values[5 + CLASSES] = {0.5f, -0.5f, 0, 1, 3, -1, 2, 1};
    for (int v = 0; v < 5 + CLASSES; v++)
        *at(&n, 0, (5 + CLASSES) + v, 2, 1) = values[v];
    /* An objectness below the threshold hides classes above it. */
    *at(&n, 0, 4, 0, 0) = -2;
    *at(&n, 0, 5, 0, 0) = 9;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    const float x = (sigmoid(0.5f) * 2 - 0.5f + 1) * 16, y = (sigmoid(-0.5f) * 2 - 0.5f + 2) * 16;
    const float w = 30, h = powf(sigmoid(1) * 2, 2) * 40;
    check_box(&d.items[0], 1, sigmoid(3) * sigmoid(2), x - w / 2, y - h / 2, x + w / 2, y + h / 2);
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f, .multi_label = true}, &d));
    assert_int_equal(d.count, 3);
    assert_float_equal(d.items[0].confidence, sigmoid(3) * sigmoid(-1), 1e-5);
    /* The objectness alone passes, no product does. */
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.93f}, &d));
    assert_int_equal(d.count, 0);
    yk_detections_free(&d);
    free_net(&n);
}

static void yolox_offsets_are_in_cells(void **state)
{
    (void)state;
    net n = {.head = {.kind = YK_HEAD_YOLOX, .classes = CLASSES, .levels = 2, .strides = {16, 32}}};
    add_output(&n, (yk_shape){3, {2, 16 + 4, 5 + CLASSES}}, 0);
    yk_detections d = {0};
    float values[5 + CLASSES] = {0.25f, 0.75f, logf(2), logf(0.5f), 0.9f, 0.1f, 0.2f, 0.8f};
    for (int v = 0; v < 5 + CLASSES; v++)
        *at(&n, 0, 16 + 2, v, 0) = values[v];
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    /* Cell (0, 1) of stride 32: centre (8, 56), size 64 x 16. */
    check_box(&d.items[0], 2, 0.72f, -24, 48, 40, 64);
    *at(&n, 0, 16 + 2, 2, 0) = 1e6f;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 0);
    yk_detections_free(&d);
    free_net(&n);
}

static void decoded_outputs_are_read_as_they_are(void **state)
{
    (void)state;
    const float values[7] = {30, 20, 10, 8, 0.9f, 0.5f, 0.1f};
    yk_detections d = {0};
    net v8 = {.head = {.kind = YK_HEAD_DECODED_V8, .classes = CLASSES}};
    add_output(&v8, (yk_shape){3, {2, 4 + CLASSES, 5}}, 0);
    for (int v = 0; v < 7; v++)
        *at(&v8, 0, v, 4, 0) = values[v];
    assert_ok(decode(&v8, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    check_box(&d.items[0], 0, 0.9f, 25, 16, 35, 24);
    assert_ok(decode(&v8, &(yk_detect_options){.conf = 0.25f, .multi_label = true}, &d));
    assert_int_equal(d.count, 2);
    free_net(&v8);

    net v5 = {.head = {.kind = YK_HEAD_DECODED_V5, .classes = CLASSES - 1}};
    add_output(&v5, (yk_shape){3, {2, 5, 5 + CLASSES - 1}}, 0);
    for (int v = 0; v < 7; v++)
        *at(&v5, 0, 3, v, 0) = values[v];
    assert_ok(decode(&v5, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    check_box(&d.items[0], 0, 0.45f, 25, 16, 35, 24);
    free_net(&v5);

    net end = {.head = {.kind = YK_HEAD_DECODED_END2END, .classes = CLASSES}};
    add_output(&end, (yk_shape){3, {2, 7, 6}}, 0);
    const float rows[5][6] = {{1, 2, 3, 4, 0.9f, 2},
                              {1, 2, 3, 4, 0.9f, 3},
                              {1, 2, 3, 4, 0.9f, -1},
                              {1, 2, 3, 4, 0.9f, NAN},
                              {1, 2, 3, 4, 0.2f, 2}};
    for (int r = 0; r < 5; r++) {
        for (int v = 0; v < 6; v++)
            *at(&end, 0, r, v, 0) = rows[r][v];
    }
    assert_ok(decode(&end, &(yk_detect_options){.conf = 0.25f}, &d));
    assert_int_equal(d.count, 1);
    check_box(&d.items[0], 2, 0.9f, 1, 2, 3, 4);
    free_net(&end);
    yk_detections_free(&d);
}

static void a_single_class_has_one_label(void **state)
{
    (void)state;
    net n = anchor_free(1, false);
    yk_detections d = {0};
    n.head.classes = 1;
    n.shapes[1].dims[1] = n.shapes[3].dims[1] = 1;
    /* The second frame begins after one class now. */
    n.values[1][64] = 3;
    assert_ok(decode(&n, &(yk_detect_options){.conf = 0.25f, .multi_label = true}, &d));
    assert_int_equal(d.count, 1);
    yk_detections_free(&d);
    free_net(&n);
}

static void shapes_that_do_not_fit_are_named(void **state)
{
    (void)state;
    const yk_detect_options o = {.conf = 0.25f};
    yk_detections d = {0};
    net n = anchor_free(1, false);
    n.shapes[0].dims[1] = 5;
    assert_fails(decode(&n, &o, &d), YOLK_ERROR_INVALID_ARGUMENT, "output 0 of the network is 2x5x8x8");
    n.shapes[0].dims[1] = 4;
    n.shapes[3].dims[2] = 2;
    assert_fails(decode(&n, &o, &d), YOLK_ERROR_INVALID_ARGUMENT, "output 3");
    n.shapes[3].dims[2] = 4;
    n.shapes[2].dims[0] = 1;
    assert_fails(decode(&n, &o, &d), YOLK_ERROR_INVALID_ARGUMENT, "output 2");

    static const yk_head_kind kinds[] = {YK_HEAD_ANCHORS, YK_HEAD_YOLOX, YK_HEAD_DECODED_V8, YK_HEAD_DECODED_V5,
                                         YK_HEAD_DECODED_END2END};
    for (size_t i = 0; i < YK_COUNT(kinds); i++) {
        n.head.kind = kinds[i];
        assert_fails(decode(&n, &o, &d), YOLK_ERROR_INVALID_ARGUMENT, "of 3 classes");
    }
    n.head.kind = YK_HEAD_UNKNOWN;
    assert_fails(decode(&n, &o, &d), YOLK_ERROR_UNSUPPORTED, "--head");
    free_net(&n);
    yk_detections_free(&d);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    net heads[] = {anchor_free(1, false), anchor_free(1, true)};
    for (size_t i = 0; i < YK_COUNT(heads); i++) {
        *at(&heads[i], 1, 0, 0, 0) = 5;
        for (long fail = 1; fail <= 2; fail++) {
            yk_detections d = {0};
            yk_alloc_fail_at(fail);
            assert_fails(decode(&heads[i], &(yk_detect_options){.conf = 0.25f}, &d), YOLK_ERROR_OUT_OF_MEMORY,
                         "memory");
            yk_alloc_fail_at(0);
            yk_detections_free(&d);
        }
        free_net(&heads[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchor_free_distances_are_in_strides),
        cmocka_unit_test(anchor_free_distributions_become_their_mean),
        cmocka_unit_test(threshold_is_exclusive_and_zero_lets_all_pass),
        cmocka_unit_test(boxes_that_are_no_numbers_are_left_out),
        cmocka_unit_test(masked_classes_still_win_their_anchor),
        cmocka_unit_test(one_to_one_heads_give_the_best_pairs),
        cmocka_unit_test(anchors_are_decoded_as_in_yolov5),
        cmocka_unit_test(yolox_offsets_are_in_cells),
        cmocka_unit_test(decoded_outputs_are_read_as_they_are),
        cmocka_unit_test(a_single_class_has_one_label),
        cmocka_unit_test(shapes_that_do_not_fit_are_named),
        cmocka_unit_test(short_memory_is_reported),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
