/* A graph as an ONNX model. */
#include "export/onnx_writer.h"

#include <stdio.h>
#include <string.h>

#include "export/wire.h"
#include "yolk/yolk.h"

enum { IR_VERSION = 8, OPSET = 17 };

int yk_onnx_type(yk_type type)
{
    switch (type) {
    case YK_F32:
        return 1;
    case YK_U8:
        return 2;
    case YK_I8:
        return 3;
    case YK_I32:
        return 6;
    case YK_I64:
        return 7;
    case YK_BOOL:
        return 9;
    case YK_F16:
        return 10;
    case YK_F64:
        return 11;
    default:
        return 0;
    }
}

void yk_onnx_write_tensor(yk_buffer *b, int field, const char *name, yk_type type, const int64_t *dims, int rank,
                          const void *data, size_t size)
{
    size_t mark = yk_pb_begin(b, field);
    for (int i = 0; i < rank; i++)
        yk_pb_int(b, PB_TENSOR_DIMS, dims[i]);
    yk_pb_int(b, PB_TENSOR_TYPE, yk_onnx_type(type));
    yk_pb_text(b, PB_TENSOR_NAME, name);
    yk_pb_bytes(b, PB_TENSOR_RAW, data, size);
    yk_pb_end(b, mark);
}

/* ---- inputs and outputs ---- */

typedef struct dim {
    int64_t value;
    char name[40]; /* of a dimension that is open, else "" */
} dim;

static void write_value_info(yk_onnx_writer *w, int field, const char *base, const char *suffix, yk_type type,
                             const dim *dims, int rank)
{
    yk_buffer *b = w->out;
    size_t info = yk_pb_begin(b, field);
    size_t name = yk_pb_begin(b, PB_VALUE_NAME);
    yk_buffer_text(b, base);
    if (suffix) {
        yk_buffer_text(b, w->separator);
        yk_buffer_text(b, suffix);
    }
    yk_pb_end(b, name);
    size_t outer = yk_pb_begin(b, PB_VALUE_TYPE);
    size_t tensor = yk_pb_begin(b, PB_TYPE_TENSOR);
    yk_pb_int(b, PB_TENSOR_TYPE_ELEMENT, yk_onnx_type(type));
    size_t shape = yk_pb_begin(b, PB_TENSOR_TYPE_SHAPE);
    for (int i = 0; i < rank; i++) {
        size_t one = yk_pb_begin(b, PB_SHAPE_DIM);
        if (dims[i].name[0])
            yk_pb_text(b, PB_DIM_PARAM, dims[i].name);
        else
            yk_pb_int(b, PB_DIM_VALUE, dims[i].value);
        yk_pb_end(b, one);
    }
    yk_pb_end(b, shape);
    yk_pb_end(b, tensor);
    yk_pb_end(b, outer);
    yk_pb_end(b, info);
}

static void write_input(yk_onnx_writer *w)
{
    const yk_graph *g = w->g;
    bool open = w->options->dynamic;
    const char *name = g->values[g->input].name;
    dim batch = {g->bound[0], ""}, channels = {3, ""}, height = {g->bound[1], ""}, width = {g->bound[2], ""};
    const yk_shape *shape = &g->values[g->input].shape;
    if (shape->rank == 4)
        channels.value = shape->dims[1];
    if (open)
        snprintf(batch.name, sizeof batch.name, "batch");
    if (open && !w->options->fixed_size) {
        snprintf(height.name, sizeof height.name, "height");
        snprintf(width.name, sizeof width.name, "width");
    }
    if (w->options->u8_input) {
        const dim dims[4] = {batch, height, width, channels};
        write_value_info(w, PB_GRAPH_INPUT, name, "bytes", YK_U8, dims, 4);
    } else {
        const dim dims[4] = {batch, channels, height, width};
        write_value_info(w, PB_GRAPH_INPUT, name, NULL, YK_F32, dims, 4);
    }
}

/* Which dimension of a decoded output counts the anchors, or -1. */
static int anchor_dim(const yk_head *head)
{
    switch (head->kind) {
    case YK_HEAD_DECODED_V8:
        return 2;
    case YK_HEAD_DECODED_V5:
    case YK_HEAD_YOLOX:
        return 1;
    default:
        return -1;
    }
}

static void write_output(yk_onnx_writer *w, int index)
{
    const yk_graph *g = w->g;
    const yk_value *v = &g->values[g->outputs[index]];
    dim dims[YK_MAX_RANK];
    int rank = YK_MIN(YK_MAX(v->shape.rank, 0), (int)YK_MAX_RANK), anchors = anchor_dim(&g->head);
    bool raw = g->head.kind == YK_HEAD_ANCHOR_FREE || g->head.kind == YK_HEAD_ANCHORS;
    for (int i = 0; i < rank; i++) {
        dims[i] = (dim){v->shape.dims[i], ""};
        if (!w->options->dynamic)
            continue;
        if (i == 0)
            snprintf(dims[i].name, sizeof dims[i].name, "batch");
        else if (w->options->fixed_size)
            continue;
        else if (i == anchors)
            snprintf(dims[i].name, sizeof dims[i].name, "anchors");
        else if ((raw && i >= 2) || g->head.kind == YK_HEAD_UNKNOWN)
            snprintf(dims[i].name, sizeof dims[i].name, "output%d_dim%d", index, i);
    }
    write_value_info(w, PB_GRAPH_OUTPUT, v->name, NULL, v->type, dims, rank);
}

/* ---- the whole ---- */

/* Between a name and what is appended to it stands ":", or with a number where some name has it already. */
static void choose_separator(yk_onnx_writer *w)
{
    snprintf(w->separator, sizeof w->separator, ":");
    for (int tries = 1, i = 0; i < w->g->value_count; i++) {
        if (strstr(w->g->values[i].name, w->separator)) {
            snprintf(w->separator, sizeof w->separator, ":%d:", tries++);
            i = -1;
        }
    }
}

static bool computed_already(const yk_onnx_writer *w, const yk_node *n)
{
    for (int i = 0; i < n->output_count; i++) {
        if (!w->g->values[n->outputs[i]].data)
            return false;
    }
    return true;
}

static void write_graph(yk_onnx_writer *w)
{
    const yk_graph *g = w->g;
    size_t mark = yk_pb_begin(w->out, PB_MODEL_GRAPH);
    yk_pb_text(w->out, PB_GRAPH_NAME, g->family && g->family[0] ? g->family : "main_graph");
    if (w->options->u8_input)
        yk_onnx_write_byte_input(w);
    for (int i = 0; i < g->node_count; i++) {
        /* What depends on shapes only is a constant in a model of one size. */
        if (w->options->dynamic || !computed_already(w, &g->nodes[i]))
            yk_onnx_write_node(w, &g->nodes[i]);
    }
    for (int i = 0; i < g->output_count; i++) {
        w->used[g->outputs[i]] = true;
        write_output(w, i);
    }
    for (int i = 0; i < g->value_count; i++) {
        const yk_value *v = &g->values[i];
        if (!w->used[i] || !v->data || (w->options->dynamic && v->producer >= 0))
            continue;
        yk_onnx_write_tensor(w->out, PB_GRAPH_INITIALIZER, v->name, v->type, v->shape.dims, v->shape.rank, v->data,
                             (size_t)yk_shape_count(&v->shape) * yk_type_size(v->type));
    }
    write_input(w);
    yk_pb_end(w->out, mark);
}

yolk_status yk_export_onnx(const yk_graph *g, const yk_onnx_options *options, yk_buffer *out)
{
    if (g->bound[0] <= 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the network has no input size yet: bind it before writing it");
    yk_onnx_writer w = {.g = g, .options = options, .out = out};
    w.used = yk_calloc((size_t)g->value_count, sizeof *w.used);
    if (!w.used)
        return YOLK_ERROR_OUT_OF_MEMORY;
    choose_separator(&w);

    yk_pb_int(out, PB_MODEL_IR_VERSION, IR_VERSION);
    yk_pb_text(out, PB_MODEL_PRODUCER, "yolk");
    yk_pb_text(out, PB_MODEL_PRODUCER_VERSION, yolk_version());
    size_t opset = yk_pb_begin(out, PB_MODEL_OPSET);
    yk_pb_int(out, PB_OPSET_VERSION, OPSET);
    yk_pb_end(out, opset);
    write_graph(&w);
    if (options->metadata)
        yk_onnx_write_metadata(out, g, options);
    yk_free(w.used);

    if (yk_buffer_status(out) != YOLK_OK)
        return yk_buffer_status(out);
    if (out->size > INT32_MAX)
        return yk_fail(YOLK_ERROR_LIMIT, "the network takes %zu bytes as ONNX, more than the format's 2 GiB",
                       out->size);
    return YOLK_OK;
}
