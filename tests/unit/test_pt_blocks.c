/* Every kind of module, built from a small checkpoint and run: the numbers wanted are PyTorch's (tests/golden/blocks.py
 * prints them from the same checkpoints). */
#include "yk_test.h"

#include "graph/graph.h"
#include "import/import.h"
#include "yk_pt_blocks.h"

enum { SIZE = 64 };

/* ---- the network: a convolution, the block, a head of one level ---- */

static void detect(fx *f, int c, int stride)
{
    fx_parts(f, "ultralytics.nn.modules.head.Detect");
    for (int i = 0; i < 2; i++) {
        fx_part(f, i ? "cv3" : "cv2");
        module_list(f);
        fx_part(f, "0");
        fx_conv2d(f, c, i ? 2 : 4, 1, 1, 0, 1, true);
        fx_end_module(f);
    }
    fx_end_dict(f);
    fx_attr_int(f, "nc", 2);
    fx_attr_int(f, "nl", 1);
    fx_attr_int(f, "reg_max", 1);
    fx_text(f, "stride");
    fx_floats(f, &(float){(float)stride}, (int[]){1}, 1);
    fx_end(f);
}

static const struct block {
    const char *name;
    void (*emit)(fx *f);
    int (*emit_layers)(fx *f);
    int stride;           /* of the block */
    double sum, weighted; /* of all outputs: as they are, and by place */
} blocks[] = {
    {"conv", emit_conv, NULL, 1, 914.9873, 96.124},
    {"c3", emit_c3, NULL, 1, 1389.2476, 17.400},
    {"rep_csp", emit_rep_csp, NULL, 1, -520.6747, 58.435},
    {"rep_fused", emit_rep_fused, NULL, 1, 1630.1004, 30.308},
    {"c2f", emit_c2f, NULL, 1, 812.6817, -27.958},
    {"c3k2", emit_c3k2, NULL, 1, -469.6555, -27.053},
    {"c2f_cib", emit_c2f_cib, NULL, 1, -440.4302, -1.703},
    {"c2psa", emit_c2psa, NULL, 1, -999.4031, -108.594},
    {"psa", emit_psa, NULL, 1, -999.4031, -108.594},
    {"a2c2f", emit_a2c2f, NULL, 1, 4119.7326, -446.911},
    {"c1", emit_c1, NULL, 1, -1170.3681, 35.255},
    {"c2", emit_c2, NULL, 1, 760.5151, 18.817},
    {"c3f", emit_c3f, NULL, 1, -153.7822, -2.579},
    {"rep_c3", emit_rep_c3, NULL, 1, -59.4964, 124.249},
    {"padded_pool", emit_padded_pool, NULL, 1, 426.1495, -159.160},
    {"sppf", emit_sppf, NULL, 1, 1058.0055, -50.465},
    {"spp", emit_spp, NULL, 1, -778.5711, -42.163},
    {"sppelan", emit_sppelan, NULL, 1, 1449.3373, 22.024},
    {"elan1", emit_elan1, NULL, 1, -106.2229, -97.649},
    {"csp", emit_csp, NULL, 1, -297.6403, -44.601},
    {"ghost", emit_ghost, NULL, 1, -1906.2608, -200.916},
    {"adown", emit_adown, NULL, 2, -150.1961, -20.493},
    {"aconv", emit_aconv, NULL, 2, 225.2325, 13.517},
    {"scdown", emit_scdown, NULL, 2, 14.8799, -230.264},
    {"focus", emit_focus, NULL, 2, 53.8493, -261.856},
    {"fuse", NULL, emit_fuse, 1, -799.5292, -17.002},
    {"concat", NULL, emit_concat, 1, -725.2990, -125.325},
};

static void make_checkpoint(fx *f, const struct block *b)
{
    static const char *const names[] = {"cat", "dog"};
    fx_begin_model(f);
    fx_layer(f, 0);
    fx_conv(f, 3, C, 3, 2);
    int next = 2;
    if (b->emit_layers) {
        next = b->emit_layers(f);
    } else {
        fx_layer(f, 1);
        b->emit(f);
    }
    fx_layer(f, next);
    detect(f, C, 2 * b->stride);
    fx_end_model(f, names, 2);
    assert_ok(yk_buffer_status(&f->zip));
}

/* Runs a graph on numbers that anyone can make again. */
static void run(yk_graph *g, double *sum, double *weighted)
{
    assert_ok(yk_graph_bind(g, 1, SIZE, SIZE));
    void **data = calloc((size_t)g->value_count, sizeof *data);
    assert_non_null(data);
    for (int i = 0; i < g->value_count; i++) {
        const yk_value *v = &g->values[i];
        data[i] = v->data ? (void *)v->data : malloc((size_t)yk_shape_count(&v->shape) * sizeof(float));
    }
    float *input = data[g->input];
    for (int i = 0; i < 3 * SIZE * SIZE; i++)
        input[i] = (float)((i * 37 + i / SIZE * 11) % 256) / 255;
    for (int i = 0; i < g->node_count; i++)
        assert_ok(yk_eval_node(g, &g->nodes[i], data));
    *sum = *weighted = 0;
    int place = 0;
    for (int o = 0; o < g->output_count; o++) {
        const float *out = data[g->outputs[o]];
        for (int64_t i = 0; i < yk_shape_count(&g->values[g->outputs[o]].shape); i++, place++) {
            *sum += out[i];
            *weighted += out[i] * ((place * 29 + 7) % 101 - 50);
        }
    }
    for (int i = 0; i < g->value_count; i++) {
        if (!g->values[i].data)
            free(data[i]);
    }
    free(data);
}

static void test_block(void **state)
{
    const struct block *b = *state;
    const char *folder = getenv("YOLK_WRITE_FIXTURES"); /* for tests/golden/blocks.py */
    double sum, weighted;
    fx f = {.seed = 1};
    yk_graph *g;
    make_checkpoint(&f, b);
    if (folder) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.pt", folder, b->name);
        assert_ok(yk_write_file(path, f.zip.data, f.zip.size));
    }
    assert_ok(yk_import_pt(f.zip.data, f.zip.size, &g));
    assert_int_equal(g->head.strides[0], 2 * b->stride);
    run(g, &sum, &weighted);
    if (fabs(sum - b->sum) > 2e-3 || fabs(weighted - b->weighted) > 5e-3)
        fail_msg("%s gives %.4f and %.3f instead of %.4f and %.3f", b->name, sum, weighted, b->sum, b->weighted);
    yk_graph_destroy(&g);
    fx_free(&f);
}

int main(void)
{
    struct CMUnitTest tests[YK_COUNT(blocks)];
    for (size_t i = 0; i < YK_COUNT(blocks); i++)
        tests[i] = (struct CMUnitTest){blocks[i].name, test_block, NULL, NULL, (void *)&blocks[i]};
    return _cmocka_run_group_tests("pt_blocks", tests, YK_COUNT(tests), NULL, NULL);
}
