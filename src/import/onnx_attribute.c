/* Attributes of a node, looked up in the file when they are wanted. */
#include "import/onnx_import.h"

#include <string.h>

enum {
    NODE_ATTRIBUTE = 5,
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_FLOAT = 2,
    ATTRIBUTE_INT = 3,
    ATTRIBUTE_TEXT = 4,
    ATTRIBUTE_TENSOR = 5,
    ATTRIBUTE_FLOATS = 7,
    ATTRIBUTE_INTS = 8
};

static float as_float(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static void read_attribute(yk_span body, yk_onnx_attribute *out)
{
    *out = (yk_onnx_attribute){.body = body};
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == ATTRIBUTE_FLOAT && f.wire == YK_PB_FIXED32)
            out->number = as_float(f.value);
        else if (f.number == ATTRIBUTE_INT && f.wire == YK_PB_VARINT)
            out->integer = (int64_t)f.value;
        else if (f.number == ATTRIBUTE_TEXT && f.wire == YK_PB_BYTES)
            out->text = f.bytes;
        else if (f.number == ATTRIBUTE_TENSOR && f.wire == YK_PB_BYTES)
            out->tensor = f.bytes;
    }
}

bool yk_onnx_attribute_find(const yk_onnx_node *n, const char *name, yk_onnx_attribute *out)
{
    yk_pb_reader r = yk_pb_reader_of(n->body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == NODE_ATTRIBUTE && f.wire == YK_PB_BYTES &&
            yk_span_is(yk_onnx_field(f.bytes, ATTRIBUTE_NAME), name)) {
            read_attribute(f.bytes, out);
            return true;
        }
    }
    *out = (yk_onnx_attribute){0};
    return false;
}

int64_t yk_onnx_attribute_int(const yk_onnx_node *n, const char *name, int64_t otherwise)
{
    yk_onnx_attribute a;
    return yk_onnx_attribute_find(n, name, &a) ? a.integer : otherwise;
}

float yk_onnx_attribute_float(const yk_onnx_node *n, const char *name, float otherwise)
{
    yk_onnx_attribute a;
    return yk_onnx_attribute_find(n, name, &a) ? a.number : otherwise;
}

bool yk_onnx_attribute_is(const yk_onnx_node *n, const char *name, const char *text)
{
    yk_onnx_attribute a;
    return yk_onnx_attribute_find(n, name, &a) && yk_span_is(a.text, text);
}

int yk_onnx_attribute_ints(const yk_onnx_node *n, const char *name, int64_t *out, int most)
{
    yk_onnx_attribute a;
    if (!yk_onnx_attribute_find(n, name, &a))
        return -1;
    int count = 0;
    yk_pb_reader r = yk_pb_reader_of(a.body);
    yk_pb_field f;
    while (count <= most && yk_pb_next(&r, &f)) {
        if (f.number != ATTRIBUTE_INTS)
            continue;
        /* One number a field, or packed. */
        yk_pb_reader packed = yk_pb_reader_of(f.bytes);
        uint64_t value = f.value;
        bool more = f.wire == YK_PB_BYTES ? yk_pb_next_varint(&packed, &value) : f.wire == YK_PB_VARINT;
        while (more && count <= most) {
            if (count < most)
                out[count] = (int64_t)value;
            count++;
            more = f.wire == YK_PB_BYTES && yk_pb_next_varint(&packed, &value);
        }
    }
    return count;
}

int yk_onnx_attribute_floats(const yk_onnx_node *n, const char *name, float *out, int most)
{
    yk_onnx_attribute a;
    if (!yk_onnx_attribute_find(n, name, &a))
        return -1;
    int count = 0;
    yk_pb_reader r = yk_pb_reader_of(a.body);
    yk_pb_field f;
    while (count <= most && yk_pb_next(&r, &f)) {
        if (f.number != ATTRIBUTE_FLOATS)
            continue;
        size_t here = f.wire == YK_PB_BYTES ? f.bytes.size / 4 : 1;
        for (size_t i = 0; i < here && count <= most; i++, count++) {
            if (count == most)
                continue;
            if (f.wire == YK_PB_BYTES)
                memcpy(&out[count], f.bytes.data + 4 * i, 4);
            else
                out[count] = as_float(f.value);
        }
    }
    return count;
}
