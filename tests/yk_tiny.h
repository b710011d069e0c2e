/* A network of two convolutions that finds 8 x 8 cells of pure red, green or blue, for tests of what is around
 * networks. */
#ifndef YK_TINY_H
#define YK_TINY_H

#include "export/export.h"
#include "graph/graph.h"
#include "yk_test.h"
#include "yolk/image.h"

enum { YK_TINY_CELL = 8, YK_TINY_SIDE = 64, YK_TINY_CLASSES = 3 };

static inline yk_graph *yk_tiny_graph(const char *const *names)
{
    enum { AREA = YK_TINY_CELL * YK_TINY_CELL };
    static float box_weights[4 * 3 * AREA], class_weights[YK_TINY_CLASSES * 3 * AREA];
    const float box_bias[4] = {0.5f, 0.5f, 0.5f, 0.5f}, class_bias[YK_TINY_CLASSES] = {-14, -14, -14};
    for (int c = 0; c < YK_TINY_CLASSES; c++) {
        for (int i = 0; i < AREA; i++)
            class_weights[(c * 3 + c) * AREA + i] = 20.0f / AREA;
    }
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    yk_conv conv = {.kernel = {YK_TINY_CELL, YK_TINY_CELL}, .stride = {YK_TINY_CELL, YK_TINY_CELL}, .dilation = 1};
    conv.groups = 1;
    yk_id x = yk_graph_add_input(g, "images");
    conv.out = 4;
    conv.weights = box_weights;
    conv.bias = box_bias;
    yk_id boxes = yk_build_conv(g, x, 3, &conv, "boxes");
    conv.out = YK_TINY_CLASSES;
    conv.weights = class_weights;
    conv.bias = class_bias;
    yk_id classes = yk_build_conv(g, x, 3, &conv, "classes");
    assert_ok(yk_graph_add_output(g, boxes));
    assert_ok(yk_graph_add_output(g, classes));
    g->head = (yk_head){.kind = YK_HEAD_ANCHOR_FREE,
                        .classes = YK_TINY_CLASSES,
                        .reg_max = 1,
                        .levels = 1,
                        .strides = {YK_TINY_CELL},
                        .unit_range = true};
    g->class_names = yk_calloc(YK_TINY_CLASSES, sizeof *g->class_names);
    for (int c = 0; c < YK_TINY_CLASSES; c++)
        g->class_names[c] = yk_strdup(names[c]);
    yk_free(g->family);
    g->family = yk_strdup("tiny");
    g->stride = YK_TINY_CELL;
    g->input_height = g->input_width = YK_TINY_SIDE;
    g->dynamic_size = g->dynamic_batch = true;
    return g;
}

/* Writes it as an ONNX model: of open size, or for batches of `fixed_batch` at 64 x 64 when that is not 0, held to them
 * by a constant of that shape. */
static inline void yk_tiny_write(const char *path, int fixed_batch, const char *const *names)
{
    enum { CELLS = YK_TINY_SIDE / YK_TINY_CELL };
    yk_graph *g = yk_tiny_graph(names);
    yk_buffer onnx = {0};
    if (fixed_batch) {
        static float little[8 * YK_TINY_CLASSES * CELLS * CELLS];
        for (size_t i = 0; i < sizeof little / sizeof *little; i++)
            little[i] = 1e-3f;
        yk_shape shape = {.rank = 4, .dims = {fixed_batch, YK_TINY_CLASSES, CELLS, CELLS}};
        yk_id added = yk_graph_add_constant(g, "little", YK_F32, shape, little);
        g->outputs[1] = yk_build_binary(g, YK_OP_ADD, g->outputs[1], added, "add");
        g->dynamic_size = g->dynamic_batch = false;
    }
    assert_ok(yk_graph_bind(g, fixed_batch ? fixed_batch : 1, YK_TINY_SIDE, YK_TINY_SIDE));
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = !fixed_batch, .metadata = true}, &onnx));
    assert_ok(yk_write_file(path, onnx.data, onnx.size));
    yk_buffer_free(&onnx);
    yk_graph_destroy(&g);
}

/* A black picture in one of a few buffers, RGB24, with one cell of a class's colour. */
static inline yolk_image yk_tiny_picture(uint8_t *pixels, int width, int height, int column, int row, int class_id)
{
    memset(pixels, 0, (size_t)width * height * 3);
    for (int y = row * YK_TINY_CELL; y < (row + 1) * YK_TINY_CELL; y++) {
        for (int x = column * YK_TINY_CELL; x < (column + 1) * YK_TINY_CELL; x++)
            pixels[(y * width + x) * 3 + class_id] = 255;
    }
    return (yolk_image){
        .width = width, .height = height, .format = YOLK_PIXEL_RGB24, .planes = {pixels}, .strides = {width * 3}};
}

#endif
