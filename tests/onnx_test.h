/* Writing small ONNX models, right and wrong ones, for tests of the importer. */
#ifndef YK_ONNX_TEST_H
#define YK_ONNX_TEST_H

#include "export/wire.h"
#include "graph_test.h"
#include "import/import.h"

enum {
    ONNX_F32 = 1,
    ONNX_U8 = 2,
    ONNX_I8 = 3,
    ONNX_I32 = 6,
    ONNX_I64 = 7,
    ONNX_BOOL = 9,
    ONNX_F16 = 10,
    ONNX_F64 = 11
};

/* The parts of a graph as they are added, and what stands around it. */
typedef struct onnx_model {
    yk_buffer graph, metadata;
    int opset; /* 0: 17 */
} onnx_model;

/* Names separated by spaces; "-" is one that is left out. */
static inline void onnx_names(yk_buffer *b, int field, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, " ");
        yk_pb_bytes(b, field, names, n == 1 && *names == '-' ? 0 : n);
        names += n + (names[n] == ' ');
    }
}

static inline size_t onnx_begin(onnx_model *m, const char *op, const char *inputs, const char *outputs)
{
    size_t mark = yk_pb_begin(&m->graph, 1);
    onnx_names(&m->graph, 1, inputs);
    onnx_names(&m->graph, 2, outputs);
    yk_pb_text(&m->graph, 4, op);
    return mark;
}

static inline void onnx_end(onnx_model *m, size_t mark)
{
    yk_pb_end(&m->graph, mark);
}

/* A node without attributes; it takes the name of its output. */
static inline void onnx_node(onnx_model *m, const char *op, const char *inputs, const char *outputs)
{
    onnx_end(m, onnx_begin(m, op, inputs, outputs));
}

static inline void onnx_int(onnx_model *m, const char *name, int64_t value)
{
    size_t mark = yk_pb_begin(&m->graph, 5);
    yk_pb_text(&m->graph, 1, name);
    yk_pb_int(&m->graph, 3, value);
    yk_pb_int(&m->graph, 20, 2);
    yk_pb_end(&m->graph, mark);
}

static inline void onnx_float(onnx_model *m, const char *name, float value)
{
    size_t mark = yk_pb_begin(&m->graph, 5);
    yk_pb_text(&m->graph, 1, name);
    yk_pb_float(&m->graph, 2, value);
    yk_pb_end(&m->graph, mark);
}

static inline void onnx_text(onnx_model *m, const char *name, const char *value)
{
    size_t mark = yk_pb_begin(&m->graph, 5);
    yk_pb_text(&m->graph, 1, name);
    yk_pb_text(&m->graph, 4, value);
    yk_pb_end(&m->graph, mark);
}

static inline void onnx_ints_of(onnx_model *m, const char *name, const int64_t *values, int count)
{
    size_t mark = yk_pb_begin(&m->graph, 5);
    yk_pb_text(&m->graph, 1, name);
    for (int i = 0; i < count; i++)
        yk_pb_int(&m->graph, 8, values[i]);
    yk_pb_end(&m->graph, mark);
}
#define onnx_ints(m, name, ...)                                                                                        \
    onnx_ints_of(m, name, (const int64_t[]){__VA_ARGS__}, (int)(sizeof((const int64_t[]){__VA_ARGS__}) / 8))

/* The fields of a TensorProto with raw data. */
static inline void onnx_tensor(yk_buffer *b, const char *name, int type, yk_shape shape, const void *data, size_t size)
{
    for (int i = 0; i < shape.rank; i++)
        yk_pb_int(b, 1, shape.dims[i]);
    yk_pb_int(b, 2, type);
    yk_pb_text(b, 8, name);
    yk_pb_bytes(b, 9, data, size);
}

static inline void onnx_weights(onnx_model *m, const char *name, int type, yk_shape shape, const void *data,
                                size_t size)
{
    size_t mark = yk_pb_begin(&m->graph, 5);
    onnx_tensor(&m->graph, name, type, shape, data, size);
    yk_pb_end(&m->graph, mark);
}
#define onnx_floats(m, name, shape, ...)                                                                               \
    onnx_weights(m, name, ONNX_F32, shape, (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}))
/* A list of integers as an initializer. */
#define onnx_list(m, name, ...)                                                                                        \
    onnx_weights(m, name, ONNX_I64, DIMS(sizeof((const int64_t[]){__VA_ARGS__}) / 8), (const int64_t[]){__VA_ARGS__},  \
                 sizeof((const int64_t[]){__VA_ARGS__}))

/* An input (field 11) or output (12); a dimension of 0 gets a name, one of -1 nothing. */
static inline void onnx_value(onnx_model *m, int field, const char *name, int type, yk_shape shape)
{
    yk_buffer *b = &m->graph;
    size_t info = yk_pb_begin(b, field);
    yk_pb_text(b, 1, name);
    size_t outer = yk_pb_begin(b, 2), tensor = yk_pb_begin(b, 1);
    yk_pb_int(b, 1, type);
    size_t dims = yk_pb_begin(b, 2);
    for (int i = 0; i < shape.rank; i++) {
        size_t dim = yk_pb_begin(b, 1);
        if (shape.dims[i] == 0)
            yk_pb_text(b, 2, "open");
        else if (shape.dims[i] > 0)
            yk_pb_int(b, 1, shape.dims[i]);
        yk_pb_end(b, dim);
    }
    yk_pb_end(b, dims);
    yk_pb_end(b, tensor);
    yk_pb_end(b, outer);
    yk_pb_end(b, info);
}

static inline void onnx_metadata(onnx_model *m, const char *key, const char *value)
{
    size_t mark = yk_pb_begin(&m->metadata, 14);
    yk_pb_text(&m->metadata, 1, key);
    yk_pb_text(&m->metadata, 2, value);
    yk_pb_end(&m->metadata, mark);
}

/* The whole model; `m` is empty afterwards. */
static inline yk_buffer onnx_finish(onnx_model *m)
{
    yk_buffer b = {0};
    yk_pb_int(&b, 1, 8);
    yk_pb_text(&b, 2, "test");
    size_t opset = yk_pb_begin(&b, 8);
    yk_pb_int(&b, 2, m->opset ? m->opset : 17);
    yk_pb_end(&b, opset);
    size_t graph = yk_pb_begin(&b, 7);
    yk_buffer_add(&b, m->graph.data, m->graph.size);
    yk_pb_end(&b, graph);
    if (m->metadata.size)
        yk_buffer_add(&b, m->metadata.data, m->metadata.size);
    yk_buffer_free(&m->graph);
    yk_buffer_free(&m->metadata);
    *m = (onnx_model){0};
    return b;
}

static inline yolk_status onnx_import(onnx_model *m, const char *head, yk_graph **out)
{
    yk_buffer bytes = onnx_finish(m);
    /* Exactly as many bytes as there are, so that a step too far is seen; the graph keeps them. */
    uint8_t *data = yk_alloc(bytes.size);
    size_t size = bytes.size;
    memcpy(data, bytes.data, size);
    yk_buffer_free(&bytes);
    const yk_import_options options = {.head = head};
    yolk_status status = yk_import_onnx(data, size, NULL, &options, out);
    if (status != YOLK_OK) {
        assert_null(*out);
        yk_free(data);
    } else {
        assert_ok(yk_graph_own(*out, data));
    }
    return status;
}

/* A model that turns a 1x3x4x6 picture `x` into `y` by what the test adds between: `y` of any shape becomes boxes, so
 * that it is accepted as a detector. */
static inline onnx_model onnx_small(void)
{
    onnx_model m = {0};
    onnx_value(&m, 11, "x", ONNX_F32, DIMS(1, 3, 4, 6));
    onnx_list(&m, "boxes_shape", 1, -1, 6);
    onnx_node(&m, "Reshape", "y boxes_shape", "boxes");
    onnx_value(&m, 12, "boxes", ONNX_F32, DIMS(1, -1, 6));
    return m;
}

static inline float onnx_pixel(int i)
{
    return (float)((i * 37 + i / 11 * 5) % 101) / 101;
}

/* Imports such a model and computes it on graph_run()'s picture. */
static inline float *onnx_compute(onnx_model *m, int64_t *count)
{
    yk_graph *g;
    assert_ok(onnx_import(m, "end2end", &g));
    assert_int_equal(g->head.kind, YK_HEAD_DECODED_END2END);
    assert_ok(yk_graph_bind(g, 1, 4, 6));
    float *out = graph_run(g, 0, count);
    yk_graph_destroy(&g);
    return out;
}

/* `want` is a formula over the element's number `i` and the pixel `p` at it. */
#define onnx_expect(m, elements, want)                                                                                 \
    do {                                                                                                               \
        int64_t count_;                                                                                                \
        float *out_ = onnx_compute(m, &count_);                                                                        \
        assert_int_equal(count_, elements);                                                                            \
        for (int i = 0; i < (elements); i++) {                                                                         \
            float p = onnx_pixel(i);                                                                                   \
            (void)p;                                                                                                   \
            if (fabsf(out_[i] - (float)(want)) > 1e-5f)                                                                \
                fail_msg("element %d is %g instead of %g", i, (double)out_[i], (double)(want));                        \
        }                                                                                                              \
        free(out_);                                                                                                    \
    } while (0)

#endif
