/* Outputs that are not cut off: told apart by their shape, by the number of names, or by what the user says. */
#include "head_test.h"

/* A graph bound to 64x64 whose output has this shape and that no convolution alone explains: a picture laid flat. */
static yk_graph *output_of(yk_shape shape, int names)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    yk_id mean = graph_node(g, YK_OP_REDUCE_MEAN, &(yk_attrs){.axes_count = 0, .keepdims = 0}, &x, 1);
    yk_id zeros = graph_noise(g, "noise", shape, 1);
    assert_ok(yk_graph_add_output(g, yk_build_binary(g, YK_OP_ADD, zeros, mean, "out")));
    g->head = (yk_head){.unit_range = true, .classes = names};
    g->stride = 32;
    g->input_height = g->input_width = HEAD_SIDE;
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    return g;
}

static void is(yk_shape shape, int names, const char *wanted, yk_head_kind kind, int classes)
{
    yk_graph *g = output_of(shape, names);
    assert_ok(yk_head_recognise(g, wanted));
    assert_int_equal(g->head.kind, kind);
    assert_int_equal(g->head.classes, classes);
    yk_graph_destroy(&g);
}

static void is_not(yk_shape shape, int names, const char *wanted, const char *words)
{
    yk_graph *g = output_of(shape, names);
    assert_fails(yk_head_recognise(g, wanted), YOLK_ERROR_UNSUPPORTED, words);
    assert_int_equal(g->head.kind, YK_HEAD_UNKNOWN);
    yk_graph_destroy(&g);
}

static void told_by_the_number_of_boxes(void **state)
{
    (void)state;
    is(DIMS(1, 84, 84), 0, NULL, YK_HEAD_DECODED_V8, 80); /* 84 cells at 8, 16 and 32, even if square */
    is(DIMS(1, 6, 84), 0, NULL, YK_HEAD_DECODED_V8, 2);
    is(DIMS(1, 10, 85), 6, NULL, YK_HEAD_DECODED_V8, 6);  /* a fourth map at 64 */
    is(DIMS(1, 10, 340), 6, NULL, YK_HEAD_DECODED_V8, 6); /* or at 4 */
    is(DIMS(1, 252, 85), 80, NULL, YK_HEAD_DECODED_V5, 80);
    is(DIMS(1, 252, 6), 0, NULL, YK_HEAD_DECODED_V5, 1);
    is(DIMS(1, 84, 8), 3, NULL, YK_HEAD_YOLOX, 3);
    is(DIMS(1, 300, 6), 7, NULL, YK_HEAD_DECODED_END2END, 7);
    is(DIMS(1, 10, 6), 0, NULL, YK_HEAD_DECODED_END2END, 1000);
}

static void said_by_the_user(void **state)
{
    (void)state;
    is(DIMS(1, 84, 77), 0, "v8", YK_HEAD_DECODED_V8, 80);
    is(DIMS(1, 77, 85), 80, "V5", YK_HEAD_DECODED_V5, 80);
    is(DIMS(1, 2000, 6), 3, "end2end", YK_HEAD_DECODED_END2END, 3);
    is(DIMS(1, 84, 6), 0, "yolox", YK_HEAD_YOLOX, 1);
    yk_graph *g = output_of(DIMS(1, 84, 6), 0);
    assert_ok(yk_head_recognise(g, "yolox"));
    assert_int_equal(g->head.levels, 3);
    assert_int_equal(g->head.strides[0], 8);
    assert_true(g->head.bgr && !g->head.unit_range && g->head.top_left);
    yk_graph_destroy(&g);
}

static void not_of_the_layout_that_was_said(void **state)
{
    (void)state;
    is_not(DIMS(1, 300, 6), 80, "v8", "(\"out\" 1x300x6) is not laid out like the head \"v8\"");
    is_not(DIMS(1, 4, 84), 0, "v8", "like the head \"v8\"");
    is_not(DIMS(1, 252, 85), 20, "v5", "like the head \"v5\"");
    is_not(DIMS(1, 300, 7), 0, "end2end", "like the head \"end2end\"");
    is_not(DIMS(1, 77, 85), 80, "yolox", "like the head \"yolox\"");
    is_not(DIMS(1, 84, 84), 80, "anchors", "like the head \"anchors\"");
}

static void not_told_at_all(void **state)
{
    (void)state;
    is_not(DIMS(1, 50, 77), 0, NULL,
           "the model's output (\"out\" 1x50x77) is not one that yolk recognises; say how its output is laid out with "
           "--head v8 (N x 4+classes x boxes), v5 or yolox (N x boxes x 5+classes) or end2end (N x boxes x 6)");
    is_not(DIMS(1, 84, 84), 3, NULL, "is not one that yolk recognises"); /* names say three classes */
    is_not(DIMS(1, 1000), 0, NULL, "(\"out\" 1x1000) is not a list of boxes");
    is_not(DIMS(1, 84, 8, 8), 0, NULL, "is not a list of boxes");
}

static void several_outputs(void **state)
{
    (void)state;
    /* Masks beside boxes: not a detector. */
    yk_graph *g = output_of(DIMS(1, 116, 84), 0);
    assert_ok(yk_graph_add_output(g, graph_noise(g, "masks", DIMS(1, 32, 16, 16), 2)));
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_fails(yk_head_recognise(g, NULL), YOLK_ERROR_UNSUPPORTED,
                 "(\"out\" 1x116x84, \"masks\" 1x32x16x16) is in several parts");
    yk_graph_destroy(&g);
    /* Maps that the boxes were made of, as older exports give: the boxes come first. */
    g = output_of(DIMS(1, 252, 85), 80);
    assert_ok(yk_graph_add_output(g, graph_noise(g, "map", DIMS(1, 3, 8, 8, 85), 2)));
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->head.kind, YK_HEAD_DECODED_V5);
    assert_int_equal(g->output_count, 1);
    yk_graph_destroy(&g);
    g = output_of(DIMS(1, 84, 84), 0);
    g->output_count = 0;
    assert_fails(yk_head_recognise(g, NULL), YOLK_ERROR_DAMAGED, "the network has no output");
    yk_graph_destroy(&g);
}

static void a_head_is_recognised_for_a_size(void **state)
{
    (void)state;
    yk_graph *g = output_of(DIMS(1, 84, 84), 0);
    yk_graph_unbind(g);
    assert_fails(yk_head_recognise(g, NULL), YOLK_ERROR_INVALID_ARGUMENT, "bind the network");
    assert_fails(yk_head_recognise(g, "unknown"), YOLK_ERROR_INVALID_ARGUMENT, "there is no head \"unknown\"");
    yk_graph_destroy(&g);
}

/* A tail that would take for ever is told by its shape. */
static void too_much_to_try(void **state)
{
    (void)state;
    yk_id maps[3];
    yk_graph *g = head_backbone(maps);
    yk_id x = yk_build_reshape(g, maps[0], (int64_t[]){1, 512, 1}, 3, 0, "flat");
    yk_id wide = INTEGERS(g, DIMS(3), 1, 512, 100000);
    x = NODE(g, YK_OP_EXPAND, NULL, x, wide);
    yk_id y = yk_build_transpose(g, x, (int[]){0, 2, 1}, 3, "turned");
    x = yk_build_binary(g, YK_OP_MATMUL, x, y, "product"); /* 512 x 100000 x 512 */
    x = NODE(g, YK_OP_REDUCE_MAX, (&(yk_attrs){.axes_count = 1, .axes = {2}, .keepdims = 1}), x);
    wide = INTEGERS(g, DIMS(3), 1, 512, 6);
    assert_ok(yk_graph_add_output(g, NODE(g, YK_OP_EXPAND, NULL, x, wide)));
    g->head = (yk_head){.unit_range = true};
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_head_recognise(g, NULL));
    assert_int_equal(g->head.kind, YK_HEAD_DECODED_END2END);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_by_the_number_of_boxes),
        cmocka_unit_test(said_by_the_user),
        cmocka_unit_test(not_of_the_layout_that_was_said),
        cmocka_unit_test(not_told_at_all),
        cmocka_unit_test(several_outputs),
        cmocka_unit_test(a_head_is_recognised_for_a_size),
        cmocka_unit_test(too_much_to_try),
    };
    return cmocka_run_group_tests_name("head_shapes", tests, NULL, NULL);
}
