/* Passes that change the types which a network is computed in. */
#include "export/export.h"
#include "graph_test.h"
#include "import/import.h"

static int count_op(const yk_graph *g, yk_op op)
{
    int count = 0;
    for (int i = 0; i < g->node_count; i++)
        count += g->nodes[i].op == op;
    return count;
}

static yk_id conv(yk_graph *g, yk_id x, int in, int out, const char *name)
{
    yk_attrs a = {.pads = {1, 1, 1, 1}};
    yk_id inputs[3] = {x, graph_noise(g, "weights", DIMS(out, in, 3, 3), (unsigned)(in + out)),
                       graph_noise(g, "bias", DIMS(out), 9)};
    int n = yk_graph_add_node(g, YK_OP_CONV, name, inputs, 3, 1, &a);
    return g->nodes[n].outputs[0];
}

/* Two convolutions of one input meet in a concatenation, of which a third reads. */
static yk_graph *meeting(void)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    yk_id a = conv(g, x, 3, 4, "a"), b = conv(g, a, 4, 4, "b");
    yk_id both = yk_build_concat(g, (yk_id[]){a, b}, 2, 1, "both");
    yk_id sum = yk_build_binary(g, YK_OP_ADD, a, b, "sum");
    yk_id y = conv(g, both, 8, 2, "c");
    assert_ok(yk_graph_add_output(g, y));
    assert_ok(yk_graph_add_output(g, sum));
    return g;
}

static float *run(yk_graph *g, int64_t *count)
{
    assert_ok(yk_graph_bind(g, 1, 8, 12));
    return graph_run(g, 0, count);
}

static double difference(const float *a, const float *b, int64_t count)
{
    double sum = 0, all = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += fabs((double)a[i] - (double)b[i]);
        all += fabs((double)a[i]);
    }
    return sum / all;
}

/* ---- float16 ---- */

static void half_is_near_and_ends_in_float(void **state)
{
    (void)state;
    yk_graph *g = meeting();
    int64_t count;
    bool kept[16];
    float *before = run(g, &count);
    char name[64];
    snprintf(name, sizeof name, "%s", g->values[g->outputs[0]].name);
    assert_ok(yk_pass_to_f16(g, NULL, kept));
    float *after = run(g, &count);
    assert_true(difference(before, after, count) < 3e-3);
    assert_string_equal(g->values[g->outputs[0]].name, name);
    assert_int_equal(g->values[g->outputs[0]].type, YK_F32);
    /* One on the way in, one for each convolution's result that float32 reads. */
    assert_int_equal(count_op(g, YK_OP_CAST), 4);
    for (int i = 0; i < g->node_count; i++) {
        if (g->nodes[i].op == YK_OP_CONV)
            assert_int_equal(g->values[g->nodes[i].inputs[1]].type, YK_F16);
        if (g->nodes[i].op == YK_OP_ADD) /* leads to no convolution */
            assert_int_equal(g->values[g->nodes[i].outputs[0]].type, YK_F32);
    }
    free(before);
    free(after);
    yk_graph_destroy(&g);
}

static void what_half_cannot_hold_stays(void **state)
{
    (void)state;
    yk_graph *g = meeting();
    bool kept[5], large[5] = {false, true, false, false, false};
    ((float *)g->values[yk_graph_find(g, "weights")].data)[3] = 70000;
    assert_false(yk_half_holds(&g->values[yk_graph_find(g, "weights")]));
    assert_int_equal(g->node_count, 5);
    assert_ok(yk_pass_to_f16(g, large, kept));
    assert_true(kept[0] && kept[1]); /* by its weights, by what was said */
    assert_false(kept[2] || kept[3] || kept[4]);
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    yk_graph_destroy(&g);
}

/* ---- int8 ---- */

static void quantize(yk_graph *g, bool symmetric, const bool *chosen)
{
    float low[64], high[64];
    bool all[16];
    assert_true(g->value_count <= 64 && g->node_count <= 16);
    for (int i = 0; i < 64; i++) {
        low[i] = -24;
        high[i] = i == g->input ? 1 : 24;
    }
    low[g->input] = 0;
    memset(all, 1, sizeof all);
    const yk_quantization q = {chosen ? chosen : all, low, high, symmetric, NULL};
    assert_ok(yk_pass_quantize(g, &q));
}

static void bytes_are_near(void **state)
{
    (void)state;
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        yk_graph *g = meeting();
        int64_t count;
        float *before = run(g, &count);
        quantize(g, symmetric, NULL);
        float *after = run(g, &count);
        assert_true(difference(before, after, count) < 0.05);
        /* The input, a and b; what is concatenated needs no third pair. */
        assert_int_equal(count_op(g, YK_OP_QUANTIZE), 3);
        assert_int_equal(count_op(g, YK_OP_DEQUANTIZE), 6);
        for (int i = 0; i < g->node_count; i++) {
            if (g->nodes[i].op == YK_OP_QUANTIZE)
                assert_int_equal(g->values[g->nodes[i].outputs[0]].type, symmetric ? YK_I8 : YK_U8);
            if (g->nodes[i].op == YK_OP_ADD) /* reads what is there in bytes */
                assert_int_equal(g->nodes[g->values[g->nodes[i].inputs[0]].producer].op, YK_OP_DEQUANTIZE);
        }
        free(before);
        free(after);
        yk_graph_destroy(&g);
    }
}

static void only_what_is_chosen(void **state)
{
    (void)state;
    yk_graph *g = meeting();
    const bool chosen[16] = {[1] = true};
    quantize(g, false, chosen);
    assert_int_equal(count_op(g, YK_OP_QUANTIZE), 1);
    assert_int_equal(count_op(g, YK_OP_DEQUANTIZE), 2);
    yk_graph_destroy(&g);
    g = meeting();
    const bool none[16] = {0};
    quantize(g, false, none);
    assert_int_equal(count_op(g, YK_OP_QUANTIZE), 0);
    assert_int_equal(g->node_count, 5);
    yk_graph_destroy(&g);
}

static void what_meets_shares_its_range(void **state)
{
    (void)state;
    yk_graph *g = meeting();
    int group[64];
    assert_ok(yk_quantize_groups(g, group));
    yk_id a = yk_graph_find(g, "a"), b = yk_graph_find(g, "b"), both = yk_graph_find(g, "both");
    assert_true(group[a] >= 0 && group[a] == group[b] && group[a] == group[both]);
    assert_true(group[g->input] >= 0 && group[g->input] != group[a]);
    assert_int_equal(group[yk_graph_find(g, "sum")], -1);
    assert_int_equal(group[yk_graph_find(g, "weights")], -1);
    yk_graph_destroy(&g);
}

/* Pairs stay what they are when a graph is simplified and bound: weights remain bytes. */
static void simplifying_keeps_pairs(void **state)
{
    (void)state;
    yk_graph *g = meeting();
    quantize(g, false, NULL);
    assert_ok(yk_pass_simplify(g));
    assert_ok(yk_graph_bind(g, 1, 8, 8));
    assert_int_equal(count_op(g, YK_OP_DEQUANTIZE), 6);
    for (int i = 0; i < g->node_count; i++) {
        if (g->nodes[i].op == YK_OP_DEQUANTIZE)
            assert_null(g->values[g->nodes[i].outputs[0]].data);
    }
    yk_graph_destroy(&g);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    float range[64];
    bool all[16];
    for (int i = 0; i < 64; i++)
        range[i] = 4;
    memset(all, 1, sizeof all);
    const yk_quantization q = {all, range, range, false, NULL};
    for (int half = 0; half < 2; half++) {
        yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
        for (long n = 1; status != YOLK_OK; n++) {
            yk_graph *g = meeting();
            yk_alloc_fail_at(n);
            status = half ? yk_pass_to_f16(g, NULL, NULL) : yk_pass_quantize(g, &q);
            yk_alloc_fail_at(0);
            assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
            yk_graph_destroy(&g);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_is_near_and_ends_in_float),
        cmocka_unit_test(what_half_cannot_hold_stays),
        cmocka_unit_test(bytes_are_near),
        cmocka_unit_test(only_what_is_chosen),
        cmocka_unit_test(what_meets_shares_its_range),
        cmocka_unit_test(simplifying_keeps_pairs),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("types", tests, NULL, NULL);
}
