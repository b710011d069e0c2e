/* Small networks with raw heads of every kind, for tests. */
#ifndef YK_HEAD_TEST_H
#define YK_HEAD_TEST_H

#include "graph_test.h"

enum { HEAD_SIDE = 64 };

static inline yk_id head_conv(yk_graph *g, yk_id x, int in, int out, int kernel, int stride, const char *name)
{
    yk_conv conv = {.out = out, .kernel = {kernel, kernel}, .stride = {stride, stride}, .dilation = 1, .groups = 1};
    size_t count = (size_t)in * out * kernel * kernel;
    float *weights = calloc(count, sizeof *weights), *bias = calloc((size_t)out, sizeof *bias);
    uint32_t seed = (uint32_t)(in * 31 + out * 7 + kernel + name[0]);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        weights[i] = ((float)(seed >> 8) / 8388608.0f - 1) * 2 / (float)(in * kernel);
    }
    for (int i = 0; i < out; i++)
        bias[i] = (float)(i * 5 % 7) * 0.3f - 0.5f;
    conv.weights = weights;
    conv.bias = bias;
    yk_id id = yk_build_conv(g, x, in, &conv, name);
    free(weights);
    free(bias);
    return id;
}

/* Three maps of 8 channels at strides 8, 16 and 32. */
static inline yk_graph *head_backbone(yk_id maps[3])
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    maps[0] = head_conv(g, yk_graph_add_input(g, "images"), 3, 8, 8, 8, "p3");
    maps[1] = head_conv(g, maps[0], 8, 8, 2, 2, "p4");
    maps[2] = head_conv(g, maps[1], 8, 8, 2, 2, "p5");
    g->stride = 32;
    g->input_height = g->input_width = HEAD_SIDE;
    g->head = (yk_head){.unit_range = true, .levels = 3, .strides = {8, 16, 32}};
    return g;
}

/* With boxes of `bins` a side and classes as outputs; max_det not 0: end to end. */
static inline yk_graph *head_anchor_free(int classes, int bins, int max_det)
{
    yk_id maps[3];
    yk_graph *g = head_backbone(maps);
    g->head.kind = YK_HEAD_ANCHOR_FREE;
    g->head.classes = classes;
    g->head.reg_max = bins;
    g->head.end2end = max_det > 0;
    g->head.max_det = max_det;
    for (int l = 0; l < 3; l++) {
        assert_ok(yk_graph_add_output(g, head_conv(g, maps[l], 8, 4 * bins, 1, 1, "box")));
        assert_ok(yk_graph_add_output(g, head_conv(g, maps[l], 8, classes, 1, 1, "class")));
    }
    return g;
}

static inline yk_graph *head_anchors(int classes)
{
    static const float anchors[3][2][2] = {{{10, 13}, {16, 30}}, {{30, 61}, {62, 45}}, {{116, 90}, {156, 198}}};
    yk_id maps[3];
    yk_graph *g = head_backbone(maps);
    g->head.kind = YK_HEAD_ANCHORS;
    g->head.classes = classes;
    g->head.anchors_per_level = 2;
    for (int l = 0; l < 3; l++) {
        memcpy(g->head.anchors[l], anchors[l], sizeof anchors[l]);
        assert_ok(yk_graph_add_output(g, head_conv(g, maps[l], 8, 2 * (5 + classes), 1, 1, "map")));
    }
    return g;
}

/* As YOLOX exports: boxes, objectness and classes joined, N x A x (5 + classes). */
static inline yk_graph *head_yolox(int classes, bool decoded)
{
    yk_id maps[3], levels[3];
    yk_graph *g = head_backbone(maps);
    for (int l = 0; l < 3; l++) {
        yk_id box = head_conv(g, maps[l], 8, 4, 1, 1, "reg");
        yk_id parts[3] = {box, yk_build_unary(g, YK_OP_SIGMOID, head_conv(g, maps[l], 8, 1, 1, 1, "obj"), "obj"),
                          yk_build_unary(g, YK_OP_SIGMOID, head_conv(g, maps[l], 8, classes, 1, 1, "cls"), "cls")};
        if (decoded) {
            int side = HEAD_SIDE >> (3 + l);
            float *grid = calloc((size_t)(2 * side * side), sizeof *grid);
            for (int i = 0; i < side * side; i++) {
                grid[i] = (float)(i % side);
                grid[side * side + i] = (float)(i / side);
            }
            yk_id cells = yk_graph_add_constant_copy(g, "grid", YK_F32, DIMS(1, 2, side, side), grid);
            yk_id stride = yk_build_scalar(g, (float)(8 << l));
            free(grid);
            yk_id xy = yk_build_binary(g, YK_OP_ADD, yk_build_slice(g, box, 1, 0, 2, "xy"), cells, "xy");
            yk_id wh = yk_build_unary(g, YK_OP_EXP, yk_build_slice(g, box, 1, 2, 4, "wh"), "wh");
            parts[0] = yk_build_concat(g, (yk_id[]){xy, wh}, 2, 1, "box");
            parts[0] = yk_build_binary(g, YK_OP_MUL, parts[0], stride, "box");
        }
        yk_id joined = yk_build_concat(g, parts, 3, 1, "joined");
        levels[l] = yk_build_reshape(g, joined, (int64_t[]){1, 5 + classes, -1}, 3, 0, "flat");
    }
    yk_id out = yk_build_transpose(g, yk_build_concat(g, levels, 3, 2, "all"), (int[]){0, 2, 1}, 3, "output");
    assert_ok(yk_graph_add_output(g, out));
    g->head = (yk_head){.unit_range = true};
    return g;
}

/* Computes output 0 on a picture of height x width. */
static inline float *head_run(yk_graph *g, int64_t height, int64_t width, int64_t *count)
{
    assert_ok(yk_graph_bind(g, 1, height, width));
    return graph_run(g, 0, count);
}

static inline void head_same(const float *a, const float *b, int64_t count, float tolerance)
{
    for (int64_t i = 0; i < count; i++) {
        if (!(fabsf(a[i] - b[i]) <= tolerance))
            fail_msg("element %d of %d: %g and %g", (int)i, (int)count, (double)a[i], (double)b[i]);
    }
}

#endif
