/* What nodes of ONNX are made of: names, attributes, and constants that the graph keeps in attributes. */
#include "export/onnx_writer.h"
#include "export/wire.h"

const yk_onnx_name yk_onnx_no_name = {NULL, NULL};

yk_onnx_name yk_onnx_value_name(yk_onnx_writer *w, yk_id id)
{
    if (id == YK_NONE)
        return yk_onnx_no_name;
    w->used[id] = true;
    return (yk_onnx_name){w->g->values[id].name, NULL};
}

yk_onnx_name yk_onnx_derived(const char *base, const char *suffix)
{
    return (yk_onnx_name){base, suffix};
}

void yk_onnx_add_name(yk_onnx_writer *w, int field, yk_onnx_name name)
{
    size_t mark = yk_pb_begin(w->out, field);
    if (name.base)
        yk_buffer_text(w->out, name.base);
    if (name.suffix) {
        yk_buffer_text(w->out, w->separator);
        yk_buffer_text(w->out, name.suffix);
    }
    yk_pb_end(w->out, mark);
}

size_t yk_onnx_begin(yk_onnx_writer *w, const char *op, yk_onnx_name name, const yk_onnx_name *inputs, int input_count,
                     yk_onnx_name output)
{
    size_t mark = yk_pb_begin(w->out, PB_GRAPH_NODE);
    for (int i = 0; i < input_count; i++)
        yk_onnx_add_name(w, PB_NODE_INPUT, inputs[i]);
    yk_onnx_add_name(w, PB_NODE_OUTPUT, output);
    yk_onnx_add_name(w, PB_NODE_NAME, name);
    yk_pb_text(w->out, PB_NODE_OP, op);
    return mark;
}

void yk_onnx_end(yk_onnx_writer *w, size_t mark)
{
    yk_pb_end(w->out, mark);
}

void yk_onnx_simple(yk_onnx_writer *w, const char *op, yk_onnx_name name, yk_onnx_name a, yk_onnx_name b,
                    yk_onnx_name output)
{
    const yk_onnx_name inputs[2] = {a, b};
    yk_onnx_end(w, yk_onnx_begin(w, op, name, inputs, b.base ? 2 : 1, output));
}

size_t yk_onnx_begin_attribute(yk_onnx_writer *w, const char *name, int type)
{
    size_t mark = yk_pb_begin(w->out, PB_NODE_ATTRIBUTE);
    yk_pb_text(w->out, PB_ATTRIBUTE_NAME, name);
    yk_pb_int(w->out, PB_ATTRIBUTE_TYPE, type);
    return mark;
}

void yk_onnx_put_int(yk_onnx_writer *w, const char *name, int64_t value)
{
    size_t mark = yk_onnx_begin_attribute(w, name, PB_IS_INT);
    yk_pb_int(w->out, PB_ATTRIBUTE_INT, value);
    yk_pb_end(w->out, mark);
}

void yk_onnx_put_float(yk_onnx_writer *w, const char *name, float value)
{
    size_t mark = yk_onnx_begin_attribute(w, name, PB_IS_FLOAT);
    yk_pb_float(w->out, PB_ATTRIBUTE_FLOAT, value);
    yk_pb_end(w->out, mark);
}

void yk_onnx_put_text(yk_onnx_writer *w, const char *name, const char *value)
{
    size_t mark = yk_onnx_begin_attribute(w, name, PB_IS_TEXT);
    yk_pb_text(w->out, PB_ATTRIBUTE_TEXT, value);
    yk_pb_end(w->out, mark);
}

void yk_onnx_put_ints(yk_onnx_writer *w, const char *name, const int64_t *values, int count)
{
    size_t mark = yk_onnx_begin_attribute(w, name, PB_IS_INTS);
    for (int i = 0; i < count; i++)
        yk_pb_int(w->out, PB_ATTRIBUTE_INTS, values[i]);
    yk_pb_end(w->out, mark);
}

yk_onnx_name yk_onnx_constant(yk_onnx_writer *w, const char *base, const char *suffix, yk_type type, int64_t count,
                              const void *data)
{
    size_t mark = yk_pb_begin(w->out, PB_GRAPH_INITIALIZER);
    if (count >= 0)
        yk_pb_int(w->out, PB_TENSOR_DIMS, count);
    yk_pb_int(w->out, PB_TENSOR_TYPE, yk_onnx_type(type));
    yk_onnx_add_name(w, PB_TENSOR_NAME, yk_onnx_derived(base, suffix));
    yk_pb_bytes(w->out, PB_TENSOR_RAW, data, yk_type_size(type) * (size_t)(count < 0 ? 1 : count));
    yk_pb_end(w->out, mark);
    return yk_onnx_derived(base, suffix);
}

yk_onnx_name yk_onnx_constant_ints(yk_onnx_writer *w, const char *base, const char *suffix, const int64_t *values,
                                   int count)
{
    return yk_onnx_constant(w, base, suffix, YK_I64, count, values);
}

yk_onnx_name yk_onnx_constant_float(yk_onnx_writer *w, const char *base, const char *suffix, float value)
{
    uint16_t half = yk_float_to_half(value);
    return yk_onnx_constant(w, base, suffix, w->real, -1, w->real == YK_F16 ? (const void *)&half : &value);
}
