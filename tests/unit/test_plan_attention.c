/* Attention found in graphs as importers make them, and computed as one step. */
#include "plan_test.h"

static const int64_t split[] = {YK_DIM_COPY, 2, 16, YK_DIM_INFER};

static yk_id conv(yk_graph *g, yk_id x, int in, int out, unsigned seed)
{
    const yk_id inputs[2] = {x, graph_noise(g, NULL, DIMS(out, in, 1, 1), seed)};
    return graph_node(g, YK_OP_CONV, &(yk_attrs){.kernel = {1, 1}}, inputs, 2);
}

static yk_graph *begin(yk_id *x)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    *x = yk_graph_add_input(g, "images");
    return g;
}

static yk_id map_of(yk_graph *g, yk_id y, int channels)
{
    return yk_build_reshape(g, y, (int64_t[]){YK_DIM_COPY, channels, YK_DIM_HEIGHT, YK_DIM_WIDTH}, 4, 1, "joined");
}

/* Queries, keys and values one after the other, as the checkpoints' importer has them; 2 heads of 16, 16 and 24. */
static yk_graph *in_rows(void)
{
    yk_id x;
    yk_graph *g = begin(&x);
    const yk_id qkv = conv(g, x, 3, 112, 1);
    yk_id q = yk_build_reshape(g, yk_build_slice(g, qkv, 1, 0, 32, "q"), split, 4, 0, "q");
    yk_id k = yk_build_reshape(g, yk_build_slice(g, qkv, 1, 32, 64, "k"), split, 4, 0, "k");
    const yk_id values = yk_build_slice(g, qkv, 1, 64, 112, "v");
    yk_id v = yk_build_reshape(g, values, (int64_t[]){YK_DIM_COPY, 2, 24, YK_DIM_INFER}, 4, 0, "v");
    q = yk_build_transpose(g, q, (int[]){0, 1, 3, 2}, 4, "q");
    v = yk_build_transpose(g, v, (int[]){0, 1, 3, 2}, 4, "v");
    const yk_id chances = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, q, k, "scores"), 3, "chances");
    yk_id y = yk_build_binary(g, YK_OP_MATMUL, chances, v, "values");
    y = map_of(g, yk_build_transpose(g, y, (int[]){0, 1, 3, 2}, 4, "joined"), 48);
    y = yk_build_binary(g, YK_OP_ADD, y, conv(g, values, 48, 48, 2), "sum");
    assert_ok(yk_graph_add_output(g, conv(g, y, 48, 5, 3)));
    return g;
}

/* Head by head, the queries scaled, values times turned chances, as PyTorch's exports to ONNX have them. */
static yk_graph *in_columns(void)
{
    yk_id x;
    yk_graph *g = begin(&x);
    const yk_id qkv = conv(g, x, 3, 112, 1);
    const yk_id heads = yk_build_reshape(g, qkv, (int64_t[]){YK_DIM_COPY, 2, 56, YK_DIM_INFER}, 4, 0, "heads");
    yk_id q = yk_build_slice(g, heads, 2, 0, 16, "q"), k = yk_build_slice(g, heads, 2, 16, 32, "k");
    const yk_id v = yk_build_slice(g, heads, 2, 32, 56, "v");
    q = yk_build_binary(g, YK_OP_MUL, q, yk_build_scalar(g, 0.25f), "scaled");
    q = yk_build_transpose(g, q, (int[]){0, 1, 3, 2}, 4, "q");
    yk_id chances = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, q, k, "scores"), -1, "chances");
    chances = yk_build_transpose(g, chances, (int[]){0, 1, 3, 2}, 4, "turned");
    const yk_id y = map_of(g, yk_build_binary(g, YK_OP_MATMUL, v, chances, "values"), 48);
    const yk_id again = map_of(g, v, 48);
    assert_ok(
        yk_graph_add_output(g, conv(g, yk_build_binary(g, YK_OP_ADD, y, conv(g, again, 48, 48, 2), "s"), 48, 5, 3)));
    return g;
}

/* The picture in `areas` strips, each for itself, as the checkpoints' importer has them; or values times turned
 * chances.
 */
static yk_graph *in_areas(int areas, bool turned)
{
    yk_id x, part[3];
    yk_graph *g = begin(&x);
    const yk_id qkv = conv(g, x, 3, 96, 1);
    static const int rows[] = {0, 3, 1, 4, 2}, columns[] = {0, 3, 1, 2, 4};
    for (int i = 0; i < 3; i++) {
        part[i] = yk_build_slice(g, qkv, 1, 32 * i, 32 * (i + 1), "part");
        part[i] = yk_build_reshape(g, part[i], (int64_t[]){YK_DIM_COPY, 2, 16, areas, YK_DIM_INFER}, 5, 0, "heads");
        part[i] = yk_build_transpose(g, part[i], i == 1 || (i == 2 && turned) ? columns : rows, 5, "split");
    }
    yk_id chances = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, part[0], part[1], "scores"), 4, "chances");
    if (turned)
        chances = yk_build_transpose(g, chances, (int[]){0, 1, 2, 4, 3}, 5, "turned");
    yk_id y = yk_build_binary(g, YK_OP_MATMUL, turned ? part[2] : chances, turned ? chances : part[2], "values");
    y = map_of(g, yk_build_transpose(g, y, turned ? (int[]){0, 2, 3, 1, 4} : (int[]){0, 2, 4, 1, 3}, 5, "joined"), 32);
    assert_ok(yk_graph_add_output(g, conv(g, y, 32, 5, 3)));
    return g;
}

/* Keys that are no channels of the map that queries are of. */
static yk_graph *of_two_maps(void)
{
    yk_id x;
    yk_graph *g = begin(&x);
    yk_id q = yk_build_reshape(g, conv(g, x, 3, 32, 1), split, 4, 0, "q");
    yk_id k = yk_build_reshape(g, conv(g, x, 3, 32, 2), split, 4, 0, "k");
    q = yk_build_transpose(g, q, (int[]){0, 1, 3, 2}, 4, "t");
    const yk_id chances = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, q, k, "scores"), 3, "chances");
    yk_id y = yk_build_binary(g, YK_OP_MATMUL, chances, q, "values");
    y = map_of(g, yk_build_transpose(g, y, (int[]){0, 1, 3, 2}, 4, "joined"), 32);
    assert_ok(yk_graph_add_output(g, conv(g, y, 32, 5, 3)));
    return g;
}

static int count(const yk_plan *p, yk_step_kind kind, yk_op op)
{
    int n = 0;
    for (int i = 0; i < p->step_count; i++)
        n += p->steps[i].kind == kind && (kind != YK_STEP_NODE || p->steps[i].op == op);
    return n;
}

static void check(yk_graph *g, int found)
{
    for (int batch = 1; batch <= 3; batch += 2) {
        const yk_plan_options options = {.align = 64, .channels = 8, .attention = true, .layout = yk_plan_layout};
        yk_plan *p, *again;
        yk_buffer saved = {0};
        assert_ok(yk_graph_bind(g, batch, 7, 5));
        assert_ok(yk_plan_make(g, &options, &p));
        assert_int_equal(count(p, YK_STEP_ATTENTION, 0), found);
        assert_int_equal(count(p, YK_STEP_NODE, YK_OP_SOFTMAX), 1 - found);
        if (found)
            assert_int_equal(count(p, YK_STEP_NODE, YK_OP_TRANSPOSE), 0);
        plan_memory m = plan_memory_make(p);
        float **want = plan_expected(g, m.input);
        plan_run(p, &m);
        plan_compare(p, m.outputs, want, 1e-6);
        assert_ok(yk_plan_write(p, &saved));
        assert_ok(yk_plan_read(saved.data, saved.size, &again));
        assert_int_equal(count(again, YK_STEP_ATTENTION, 0), found);
        yk_plan_destroy(&again);
        for (int i = 0; i < g->output_count; i++)
            free(want[i]);
        free(want);
        plan_memory_free(p, &m);
        yk_buffer_free(&saved);
        yk_plan_destroy(&p);
    }
    yk_graph_destroy(&g);
}

static void rows(void **unused)
{
    (void)unused;
    check(in_rows(), 1);
}

static void columns(void **unused)
{
    (void)unused;
    check(in_columns(), 1);
}

/* Of 7 x 5 pixels. */
static void areas(void **unused)
{
    (void)unused;
    check(in_areas(5, false), 1);
    check(in_areas(7, true), 1);
    check(in_areas(1, false), 1);
}

static void what_is_of_two_maps_stays_as_it_is(void **unused)
{
    (void)unused;
    check(of_two_maps(), 0);
}

/* Heads that would reach beyond the map are damage. */
static void heads_outside_of_the_map_are_refused(void **unused)
{
    (void)unused;
    yk_graph *g = in_rows();
    const yk_plan_options options = {.align = 64, .channels = 8, .attention = true, .layout = yk_plan_layout};
    yk_plan *p, *again;
    assert_ok(yk_graph_bind(g, 1, 7, 5));
    assert_ok(yk_plan_make(g, &options, &p));
    yk_step *s = p->steps;
    while (s->kind != YK_STEP_ATTENTION)
        s++;
    const yk_attention good = s->attention;
    for (int i = 0; i < 7; i++) {
        yk_buffer saved = {0};
        s->attention = good;
        int *const fields[] = {&s->attention.q,     &s->attention.k,          &s->attention.v,    &s->attention.depth,
                               &s->attention.heads, &s->attention.value_head, &s->attention.areas};
        *fields[i] += 90;
        assert_ok(yk_plan_write(p, &saved));
        assert_fails(yk_plan_read(saved.data, saved.size, &again), YOLK_ERROR_DAMAGED, "does not fit");
        yk_buffer_free(&saved);
    }
    yk_plan_destroy(&p);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(columns),
        cmocka_unit_test(areas),
        cmocka_unit_test(what_is_of_two_maps_stays_as_it_is),
        cmocka_unit_test(heads_outside_of_the_map_are_refused),
    };
    return cmocka_run_group_tests_name("plan attention", tests, NULL, NULL);
}
