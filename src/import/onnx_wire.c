#include "import/onnx_wire.h"

#include <string.h>

enum { VARINT_MAX = 10, FIELD_MAX = (1 << 29) - 1 };

yk_pb_reader yk_pb_reader_of(yk_span message)
{
    static const uint8_t nothing[1];
    const uint8_t *at = message.data ? message.data : nothing;
    return (yk_pb_reader){.at = at, .end = at + message.size};
}

static bool damage(yk_pb_reader *r)
{
    r->damaged = true;
    r->at = r->end;
    return false;
}

bool yk_pb_next_varint(yk_pb_reader *r, uint64_t *value)
{
    *value = 0;
    if (r->at == r->end)
        return false;
    for (int i = 0; i < VARINT_MAX && r->at < r->end; i++) {
        uint8_t byte = *r->at++;
        /* The tenth byte holds the 64th bit and no more. */
        if (i == VARINT_MAX - 1 && byte > 1)
            return damage(r);
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return damage(r);
}

static uint64_t little_endian(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

bool yk_pb_next(yk_pb_reader *r, yk_pb_field *field)
{
    uint64_t tag, length;
    size_t left;
    if (!yk_pb_next_varint(r, &tag))
        return false;
    *field = (yk_pb_field){.wire = (int)(tag & 7)};
    tag >>= 3;
    if (tag == 0 || tag > FIELD_MAX)
        return damage(r);
    field->number = (int)tag;
    left = (size_t)(r->end - r->at);
    switch (field->wire) {
    case YK_PB_VARINT:
        return yk_pb_next_varint(r, &field->value) || damage(r);
    case YK_PB_FIXED64:
    case YK_PB_FIXED32: {
        int count = field->wire == YK_PB_FIXED64 ? 8 : 4;
        if (left < (size_t)count)
            return damage(r);
        field->value = little_endian(r->at, count);
        r->at += count;
        return true;
    }
    case YK_PB_BYTES:
        if (!yk_pb_next_varint(r, &length))
            return damage(r);
        left = (size_t)(r->end - r->at);
        if (length > left)
            return damage(r);
        field->bytes = (yk_span){r->at, (size_t)length};
        r->at += length;
        return true;
    default: /* groups, which nothing writes any more, and numbers without meaning */
        return damage(r);
    }
}

bool yk_span_equal(yk_span a, yk_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool yk_span_is(yk_span s, const char *text)
{
    return yk_span_equal(s, (yk_span){(const uint8_t *)text, strlen(text)});
}
