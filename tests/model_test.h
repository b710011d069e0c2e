/* A network so small that the reference backend runs it in no time: it finds what is bright in squares of 8x8 pixels,
 * each of which becomes a box of class "bright". */
#ifndef MODEL_TEST_H
#define MODEL_TEST_H

#include "export/export.h"
#include "yk_temp.h"
#include "yolk/yolk.h"

enum { TINY_CELL = 8, TINY_WIDTH = 64, TINY_HEIGHT = 48 };

/* Writes it as ONNX and returns its path. */
static inline const char *tiny_model(const char *name)
{
    enum { WEIGHTS = 3 * TINY_CELL * TINY_CELL };
    static const float half[4] = {0.5f, 0.5f, 0.5f, 0.5f}, threshold[2] = {-34.4f, -20};
    static float zeros[4 * WEIGHTS], bright[2 * WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++)
        bright[i] = 40.0f / WEIGHTS; /* logit 40 * (mean - 0.86) */
    yk_conv conv = {.kernel = {TINY_CELL, TINY_CELL}, .stride = {TINY_CELL, TINY_CELL}, .dilation = 1, .groups = 1};
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_id x = yk_graph_add_input(g, "images");
    conv.out = 4, conv.weights = zeros, conv.bias = half;
    assert_ok(yk_graph_add_output(g, yk_build_conv(g, x, 3, &conv, "boxes")));
    conv.out = 2, conv.weights = bright, conv.bias = threshold;
    assert_ok(yk_graph_add_output(g, yk_build_conv(g, x, 3, &conv, "scores")));
    g->head = (yk_head){.kind = YK_HEAD_ANCHOR_FREE,
                        .classes = 2,
                        .reg_max = 1,
                        .levels = 1,
                        .strides = {TINY_CELL},
                        .unit_range = true};
    g->class_names = yk_calloc(2, sizeof(char *));
    assert_non_null(g->class_names);
    g->class_names[0] = yk_strdup("bright");
    g->class_names[1] = yk_strdup("dark");
    g->stride = TINY_CELL;
    g->input_width = TINY_WIDTH;
    g->input_height = TINY_HEIGHT;
    g->dynamic_size = g->dynamic_batch = true;
    assert_ok(yk_graph_bind(g, 1, TINY_HEIGHT, TINY_WIDTH));
    yk_buffer bytes = {0};
    yk_onnx_options options = {.dynamic = true, .metadata = true};
    assert_ok(yk_export_onnx(g, &options, &bytes));
    const char *path = yk_temp_write(name, bytes.data, bytes.size);
    yk_buffer_free(&bytes);
    yk_graph_destroy(&g);
    return path;
}

/* A manager that has it loaded, on the reference backend. */
static inline yolk_manager *tiny_manager(int batch, int queue)
{
    yolk_config config;
    yolk_manager *manager;
    yolk_config_defaults(&config);
    assert_ok(yolk_config_set(&config, "backend", "reference"));
    config.batch = batch;
    config.queue = queue;
    config.warmup = 0;
    assert_ok(yolk_manager_create(&config, &manager));
    assert_ok(yolk_manager_load(manager, tiny_model("tiny.onnx"), 0));
    return manager;
}

#endif
