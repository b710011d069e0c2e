/* Graphs made for one size that serve others afterwards, and those that cannot. */
#include "head_test.h"

/* A backbone whose last map goes through `middle`, with raw outputs. */
static yk_graph *graph_with(yk_id (*middle)(yk_graph *g, yk_id x))
{
    yk_id maps[3];
    yk_graph *g = head_backbone(maps);
    g->head.kind = YK_HEAD_ANCHOR_FREE;
    g->head.classes = 2;
    g->head.reg_max = 1;
    maps[2] = middle(g, maps[2]);
    for (int l = 0; l < 3; l++) {
        assert_ok(yk_graph_add_output(g, head_conv(g, maps[l], 8, 4, 1, 1, "box")));
        assert_ok(yk_graph_add_output(g, head_conv(g, maps[l], 8, 2, 1, 1, "class")));
    }
    return g;
}

static yk_id plain(yk_graph *g, yk_id x)
{
    return yk_build_unary(g, YK_OP_RELU, x, "relu");
}

/* Attention as exporters write it: the map laid flat in two heads, and back. */
static yk_id attention(yk_graph *g, yk_id x)
{
    yk_id q = yk_build_reshape(g, x, (int64_t[]){1, 2, 4, 4}, 4, 0, "heads");
    yk_id scores =
        yk_build_binary(g, YK_OP_MATMUL, yk_build_transpose(g, q, (int[]){0, 1, 3, 2}, 4, "turned"), q, "scores");
    yk_id y = yk_build_binary(g, YK_OP_MATMUL, q, yk_build_softmax(g, scores, 3, "softmax"), "mixed");
    return yk_build_reshape(g, y, (int64_t[]){1, 8, 2, 2}, 4, 0, "map");
}

/* Channels last and back, with the flat map in the middle. */
static yk_id tokens(yk_graph *g, yk_id x)
{
    yk_id flat = yk_build_reshape(g, x, (int64_t[]){1, 8, 4}, 3, 0, "flat");
    yk_id last = yk_build_transpose(g, flat, (int[]){0, 2, 1}, 3, "tokens");
    last = yk_build_reshape(g, last, (int64_t[]){1, 2, 2, 8}, 4, 0, "rows");
    return yk_build_transpose(g, last, (int[]){0, 3, 1, 2}, 4, "map");
}

static yk_id resized(yk_graph *g, yk_id x)
{
    const yk_attrs up = {.size_h = 4, .size_w = 4}, pool = {.kernel = {2, 2}, .stride = {2, 2}};
    yk_id big = NODE(g, YK_OP_RESIZE, &up, x);
    return NODE(g, YK_OP_MAX_POOL, &pool, big);
}

/* Something is added that has the map's size for good. */
static yk_id held(yk_graph *g, yk_id x)
{
    return yk_build_binary(g, YK_OP_ADD, x, graph_noise(g, "fixed", DIMS(1, 1, 2, 2), 3), "add");
}

static yk_id held_batch(yk_graph *g, yk_id x)
{
    /* The batch goes into the channels and stays one. */
    yk_id flat = yk_build_reshape(g, x, (int64_t[]){8, -1}, 2, 0, "flat");
    flat = yk_build_binary(g, YK_OP_ADD, flat, graph_noise(g, "fixed", DIMS(8, 1), 3), "add");
    return yk_build_reshape(g, flat, (int64_t[]){1, 8, 2, 2}, 4, 0, "map");
}

static void same_as_before(yk_graph *(*make)(void), int64_t own)
{
    int64_t count, again;
    yk_graph *a = make(), *b = make();
    assert_ok(yk_pass_free_shapes(b));
    assert_int_equal(b->bound[0], 0);
    float *before = head_run(a, own, own, &count), *after = head_run(b, own, own, &again);
    assert_int_equal(count, again);
    head_same(before, after, count, 0);
    free(before);
    free(after);
    yk_graph_destroy(&a);
    yk_graph_destroy(&b);
}

static yk_graph *with_attention(void)
{
    return graph_with(attention);
}

static yk_graph *with_tokens(void)
{
    return graph_with(tokens);
}

static yk_graph *with_resize(void)
{
    return graph_with(resized);
}

static void check(yk_graph *g, bool size, bool batch)
{
    assert_ok(yk_pass_free_shapes(g));
    assert_int_equal(g->dynamic_size, size);
    assert_int_equal(g->dynamic_batch, batch);
    assert_int_equal(yk_graph_accepts(g, 1, 96, 160), size);
    assert_int_equal(yk_graph_accepts(g, 4, 64, 64), batch);
    assert_true(yk_graph_accepts(g, 1, 64, 64));
    yk_graph_destroy(&g);
}

static void free_from_the_start(void **state)
{
    (void)state;
    check(graph_with(plain), true, true);
}

static void attention_is_freed(void **state)
{
    (void)state;
    check(with_attention(), true, true);
    same_as_before(with_attention, 64);
    yk_graph *g = with_attention();
    assert_ok(yk_pass_free_shapes(g));
    assert_ok(yk_graph_bind(g, 2, 96, 160));
    assert_string_equal(graph_shape(g, g->outputs[4]), "2x4x3x5");
    yk_graph_destroy(&g);
}

static void tokens_are_freed(void **state)
{
    (void)state;
    check(with_tokens(), true, true);
    same_as_before(with_tokens, 64);
    yk_graph *g = with_tokens();
    assert_ok(yk_pass_free_shapes(g));
    assert_ok(yk_graph_bind(g, 1, 96, 160));
    assert_string_equal(graph_shape(g, g->outputs[4]), "1x4x3x5"); /* not 5x3 */
    yk_graph_destroy(&g);
}

static void a_size_becomes_a_factor(void **state)
{
    (void)state;
    check(with_resize(), true, true);
    same_as_before(with_resize, 64);
}

static void what_is_held_stays_held(void **state)
{
    (void)state;
    check(graph_with(held), false, true);
    check(graph_with(held_batch), true, false);
}

static yk_id wrong_resize(yk_graph *g, yk_id x)
{
    const yk_attrs up = {.size_h = 3, .size_w = 3}, pool = {.kernel = {2, 2}, .stride = {1, 1}};
    return NODE(g, YK_OP_MAX_POOL, &pool, NODE(g, YK_OP_RESIZE, &up, x));
}

static yk_id ambiguous(yk_graph *g, yk_id x)
{
    /* A flat map of four cells cut in two twos: which of them grows? */
    yk_id flat = yk_build_reshape(g, x, (int64_t[]){1, 8, 2, 2, 1}, 5, 0, "cut");
    flat = yk_build_transpose(g, flat, (int[]){0, 1, 4, 3, 2}, 5, "turned");
    return yk_build_reshape(g, flat, (int64_t[]){1, 8, 2, 2}, 4, 0, "map");
}

static void what_cannot_be_said_leaves_no_trace(void **state)
{
    (void)state;
    check(graph_with(wrong_resize), false, true);
    yk_graph *g = graph_with(held);
    assert_ok(yk_pass_free_shapes(g));
    for (int i = 0; i < g->node_count; i++) {
        for (int k = 0; k < g->nodes[i].attrs.axes_count; k++)
            assert_true(g->nodes[i].attrs.axes[k] >= YK_DIM_INFER);
    }
    yk_graph_destroy(&g);
    g = graph_with(ambiguous);
    assert_ok(yk_pass_free_shapes(g)); /* height and width change places: only squares would fit */
    assert_false(g->dynamic_size);
    yk_graph_destroy(&g);
}

static yk_id batch_of_four(yk_graph *g, yk_id x)
{
    yk_id flat = yk_build_reshape(g, x, (int64_t[]){4, 8, -1}, 3, 0, "flat");
    return yk_build_reshape(g, flat, (int64_t[]){4, 8, 2, 2}, 4, 0, "map");
}

static void a_model_made_for_four_pictures(void **state)
{
    (void)state;
    yk_graph *g = graph_with(batch_of_four);
    assert_ok(yk_graph_bind(g, 4, 64, 64)); /* says what it was made for */
    assert_ok(yk_pass_free_shapes(g));
    assert_true(g->dynamic_batch && g->dynamic_size);
    assert_true(yk_graph_accepts(g, 1, 96, 160));
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK && n < 500; n++) {
        yk_graph *g = with_attention();
        yk_alloc_fail_at(n);
        status = yk_pass_free_shapes(g);
        yk_alloc_fail_at(0);
        assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
        yk_graph_destroy(&g);
    }
    assert_int_equal(status, YOLK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_from_the_start),
        cmocka_unit_test(attention_is_freed),
        cmocka_unit_test(tokens_are_freed),
        cmocka_unit_test(a_size_becomes_a_factor),
        cmocka_unit_test(what_is_held_stays_held),
        cmocka_unit_test(what_cannot_be_said_leaves_no_trace),
        cmocka_unit_test(a_model_made_for_four_pictures),
        cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests_name("free_shapes", tests, NULL, NULL);
}
