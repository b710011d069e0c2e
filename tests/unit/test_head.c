/* Heads: appended, recognised again whatever is said about them, and the same boxes either way. */
#include "head_test.h"

/* What a graph decodes to must not change when its head is cut off and appended again. */
static void round_trip(yk_graph *g, const char *output_shape)
{
    const yk_head raw = g->head;
    int raw_outputs = g->output_count;
    assert_ok(yk_head_append_decode(g));
    assert_int_equal(g->output_count, 1);
    assert_string_equal(g->values[g->outputs[0]].name, "output0");
    int64_t count, again;
    float *before = head_run(g, HEAD_SIDE, HEAD_SIDE, &count);
    assert_string_equal(graph_shape(g, g->outputs[0]), output_shape);

    g->head = (yk_head){.unit_range = true};
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->head.kind, raw.kind);
    assert_int_equal(g->head.classes, raw.classes);
    assert_int_equal(g->head.reg_max, raw.reg_max);
    assert_int_equal(g->head.end2end, raw.end2end);
    assert_int_equal(g->head.max_det, raw.max_det);
    assert_int_equal(g->head.levels, raw.levels);
    assert_memory_equal(g->head.strides, raw.strides, sizeof raw.strides);
    assert_int_equal(g->head.anchors_per_level, raw.anchors_per_level);
    for (int i = 0; i < raw.levels * raw.anchors_per_level * 2; i++)
        assert_true(
            fabsf(((const float *)g->head.anchors[i / (2 * raw.anchors_per_level)])[i % (2 * raw.anchors_per_level)] -
                  ((const float *)raw.anchors[i / (2 * raw.anchors_per_level)])[i % (2 * raw.anchors_per_level)]) <
            1e-3f);
    assert_int_equal(g->output_count, raw_outputs);

    assert_ok(yk_head_append_decode(g));
    float *after = head_run(g, HEAD_SIDE, HEAD_SIDE, &again);
    assert_int_equal(count, again);
    head_same(before, after, count, 1e-4f);
    free(before);
    free(after);
    yk_graph_destroy(&g);
}

static void distributions(void **state)
{
    (void)state;
    round_trip(head_anchor_free(5, 16, 0), "1x9x84");
    round_trip(head_anchor_free(1, 4, 0), "1x5x84");
}

static void distances(void **state)
{
    (void)state;
    round_trip(head_anchor_free(3, 1, 0), "1x7x84");
}

static void as_many_classes_as_box_channels(void **state)
{
    (void)state;
    round_trip(head_anchor_free(4, 1, 0), "1x8x84");
    round_trip(head_anchor_free(16, 4, 0), "1x20x84");
}

static void end_to_end(void **state)
{
    (void)state;
    round_trip(head_anchor_free(3, 1, 20), "1x20x6");
    round_trip(head_anchor_free(4, 1, 84), "1x84x6");
    round_trip(head_anchor_free(2, 8, 5), "1x5x6");
}

static void fewer_boxes_than_an_end_to_end_head_gives(void **state)
{
    (void)state;
    yk_graph *g = head_anchor_free(3, 1, 300);
    assert_ok(yk_head_append_decode(g));
    assert_ok(yk_graph_bind(g, 1, 64, 64));
    assert_string_equal(graph_shape(g, g->outputs[0]), "1x84x6");
    assert_ok(yk_graph_bind(g, 1, 160, 128));
    assert_string_equal(graph_shape(g, g->outputs[0]), "1x300x6");
    yk_graph_destroy(&g);
}

static void anchors(void **state)
{
    (void)state;
    round_trip(head_anchors(4), "1x168x9");
    round_trip(head_anchors(1), "1x168x6");
}

static void yolox_as_it_is_exported(void **state)
{
    (void)state;
    static const int classes[] = {80, 1, 4};
    for (int i = 0; i < 3; i++) {
        yk_graph *g = head_yolox(classes[i], false);
        assert_ok(yk_pass_simplify(g)); /* sigmoids become part of the convolutions */
        assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
        assert_ok(yk_head_recognise(g, NULL));
        assert_int_equal(g->head.kind, YK_HEAD_YOLOX);
        assert_int_equal(g->head.classes, classes[i]);
        assert_true(g->head.bgr && !g->head.unit_range && g->head.top_left);
        assert_int_equal(g->head.strides[2], 32);
        assert_int_equal(g->output_count, 1);
        assert_ok(yk_head_append_decode(g)); /* nothing to do: every YOLOX file is like this */
        assert_int_equal(g->head.kind, YK_HEAD_YOLOX);
        yk_graph_destroy(&g);
    }
}

static void yolox_that_decodes_itself(void **state)
{
    (void)state;
    yk_graph *g = head_yolox(3, true);
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->head.kind, YK_HEAD_DECODED_V5);
    assert_true(g->head.bgr && !g->head.unit_range && g->head.top_left);
    yk_graph_destroy(&g);
}

/* As exporters of 2023 wrote it: boxes and classes of a scale joined before they are laid flat, split afterwards. */
static yk_graph *joined_head(float wrong)
{
    enum { CLASSES = 3, BINS = 4, ROW = 4 * BINS + CLASSES };
    yk_id maps[3], flat[3];
    yk_graph *g = head_backbone(maps);
    float grid[2][84], strides[84], weights[BINS] = {0, 1, 2, 3};
    int place = 0;
    for (int l = 0; l < 3; l++) {
        yk_id parts[2] = {head_conv(g, maps[l], 8, 4 * BINS, 1, 1, "box"),
                          head_conv(g, maps[l], 8, CLASSES, 1, 1, "cls")};
        yk_id joined = yk_build_concat(g, parts, 2, 1, "joined");
        flat[l] = yk_build_reshape(g, joined, (int64_t[]){1, ROW, -1}, 3, 0, "flat");
        int side = HEAD_SIDE >> (3 + l);
        for (int i = 0; i < side * side; i++, place++) {
            grid[0][place] = (float)(i % side) + 0.5f;
            grid[1][place] = (float)(i / side) + 0.5f;
            strides[place] = (float)(8 << l);
        }
    }
    yk_id all = yk_build_concat(g, flat, 3, 2, "all");
    yk_id box = yk_build_slice(g, all, 1, 0, 4 * BINS, "box"), cls = yk_build_slice(g, all, 1, 4 * BINS, ROW, "cls");
    /* The mean by a matrix product instead of a convolution. */
    yk_id bins = yk_build_reshape(g, box, (int64_t[]){1, 4, BINS, 84}, 4, 0, "bins");
    bins = yk_build_softmax(g, yk_build_transpose(g, bins, (int[]){0, 1, 3, 2}, 4, "last"), 3, "softmax");
    yk_id mean = yk_build_binary(g, YK_OP_MATMUL, bins,
                                 yk_graph_add_constant_copy(g, "w", YK_F32, DIMS(BINS, 1), weights), "mean");
    yk_id d = yk_build_reshape(g, mean, (int64_t[]){1, 4, 84}, 3, 0, "distance");
    yk_id centre = yk_graph_add_constant_copy(g, "grid", YK_F32, DIMS(1, 2, 84), grid);
    yk_id stride = yk_graph_add_constant_copy(g, "strides", YK_F32, DIMS(1, 1, 84), strides);
    yk_id low = yk_build_binary(g, YK_OP_SUB, centre, yk_build_slice(g, d, 1, 0, 2, "lt"), "low");
    yk_id high = yk_build_binary(g, YK_OP_ADD, centre, yk_build_slice(g, d, 1, 2, 4, "rb"), "high");
    yk_id middle =
        yk_build_binary(g, YK_OP_DIV, yk_build_binary(g, YK_OP_ADD, low, high, "sum"), yk_build_scalar(g, 2), "middle");
    yk_id xywh[2] = {middle, yk_build_binary(g, YK_OP_SUB, high, low, "size")};
    yk_id boxes = yk_build_binary(g, YK_OP_MUL, yk_build_concat(g, xywh, 2, 1, "xywh"), stride, "boxes");
    boxes = yk_build_binary(g, YK_OP_MUL, boxes, yk_build_scalar(g, wrong), "scale");
    yk_id out[2] = {boxes, yk_build_unary(g, YK_OP_SIGMOID, cls, "scores")};
    assert_ok(yk_graph_add_output(g, yk_build_concat(g, out, 2, 1, "output0")));
    g->head = (yk_head){.unit_range = true};
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    return g;
}

static void another_way_to_write_the_same(void **state)
{
    (void)state;
    int64_t count, again;
    yk_graph *g = joined_head(1);
    float *before = graph_run(g, 0, &count);
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->head.kind, YK_HEAD_ANCHOR_FREE);
    assert_int_equal(g->head.reg_max, 4);
    assert_int_equal(g->output_count, 6);
    assert_ok(yk_head_append_decode(g));
    float *after = head_run(g, HEAD_SIDE, HEAD_SIDE, &again);
    assert_int_equal(count, again);
    head_same(before, after, count, 1e-4f);
    free(before);
    free(after);
    yk_graph_destroy(&g);
}

static void boxes_that_are_not_quite_those_are_left_alone(void **state)
{
    (void)state;
    yk_graph *g = joined_head(1.01f);
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->head.kind, YK_HEAD_DECODED_V8); /* by its shape alone */
    assert_int_equal(g->output_count, 1);
    assert_int_equal(g->head.classes, 3);
    assert_fails(yk_head_recognise(g, "anchor-free"), YOLK_ERROR_UNSUPPORTED,
                 "is not laid out like the head \"anchor-free\"");
    yk_graph_destroy(&g);
}

static void what_is_wanted_is_what_was_found(void **state)
{
    (void)state;
    static const char *const names[] = {"v8", "V8", "anchor-free"};
    for (int i = 0; i < 3; i++) {
        yk_graph *g = joined_head(1);
        assert_ok(yk_head_recognise(g, names[i]));
        assert_int_equal(g->head.kind, YK_HEAD_ANCHOR_FREE);
        yk_graph_destroy(&g);
    }
}

static void raw_outputs_as_a_file_says(void **state)
{
    (void)state;
    yk_graph *g = head_anchor_free(3, 4, 0);
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->output_count, 6);
    g->head.reg_max = 5;
    assert_fails(yk_head_recognise(g, NULL), YOLK_ERROR_UNSUPPORTED, "is not the raw head that the file says it has");
    yk_graph_destroy(&g);
    g = head_anchors(3);
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_head_recognise(g, NULL));
    g->head.strides[1] = 0;
    assert_fails(yk_head_recognise(g, NULL), YOLK_ERROR_UNSUPPORTED, "--head v8");
    yk_graph_destroy(&g);
}

static void bins_that_no_head_has(void **state)
{
    (void)state;
    yk_graph *g = head_anchor_free(3, 4, 0);
    g->head.reg_max = 65;
    assert_fails(yk_head_append_decode(g), YOLK_ERROR_UNSUPPORTED, "65 bins");
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
        for (long n = 1; status != YOLK_OK && n < 3000; n++) {
            yk_graph *g = kind == 2 ? head_anchors(2) : head_anchor_free(2, kind ? 1 : 4, kind ? 9 : 0);
            yk_alloc_fail_at(n);
            status = yk_head_append_decode(g);
            if (status == YOLK_OK)
                status = yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE);
            g->head.kind = YK_HEAD_UNKNOWN;
            if (status == YOLK_OK)
                status = yk_head_recognise(g, NULL);
            yk_alloc_fail_at(0);
            assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
            yk_graph_destroy(&g);
        }
        assert_int_equal(status, YOLK_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions),
        cmocka_unit_test(distances),
        cmocka_unit_test(as_many_classes_as_box_channels),
        cmocka_unit_test(end_to_end),
        cmocka_unit_test(fewer_boxes_than_an_end_to_end_head_gives),
        cmocka_unit_test(anchors),
        cmocka_unit_test(yolox_as_it_is_exported),
        cmocka_unit_test(yolox_that_decodes_itself),
        cmocka_unit_test(another_way_to_write_the_same),
        cmocka_unit_test(boxes_that_are_not_quite_those_are_left_alone),
        cmocka_unit_test(what_is_wanted_is_what_was_found),
        cmocka_unit_test(raw_outputs_as_a_file_says),
        cmocka_unit_test(bins_that_no_head_has),
        cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
