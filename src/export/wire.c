#include "export/wire.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5, VARINT_MAX = 10 };
/* Room kept for a message's length until it is known: 35 bits, more than protobuf allows a message to have. */
enum { LENGTH_ROOM = 5 };

static size_t encode_varint(uint64_t value, uint8_t out[VARINT_MAX])
{
    size_t n = 0;
    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

static void add_varint(yk_buffer *b, uint64_t value)
{
    uint8_t bytes[VARINT_MAX];
    yk_buffer_add(b, bytes, encode_varint(value, bytes));
}

static void add_tag(yk_buffer *b, int field, int wire)
{
    add_varint(b, (uint64_t)field << 3 | (uint64_t)wire);
}

void yk_pb_int(yk_buffer *b, int field, int64_t value)
{
    add_tag(b, field, WIRE_VARINT);
    add_varint(b, (uint64_t)value);
}

void yk_pb_float(yk_buffer *b, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint8_t bytes[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
    add_tag(b, field, WIRE_FIXED32);
    yk_buffer_add(b, bytes, sizeof bytes);
}

void yk_pb_bytes(yk_buffer *b, int field, const void *bytes, size_t size)
{
    add_tag(b, field, WIRE_BYTES);
    add_varint(b, size);
    if (size > 0)
        yk_buffer_add(b, bytes, size);
}

void yk_pb_text(yk_buffer *b, int field, const char *text)
{
    yk_pb_bytes(b, field, text, strlen(text));
}

void yk_pb_packed_ints(yk_buffer *b, int field, const int64_t *values, int count)
{
    size_t mark = yk_pb_begin(b, field);
    for (int i = 0; i < count; i++)
        add_varint(b, (uint64_t)values[i]);
    yk_pb_end(b, mark);
}

size_t yk_pb_begin(yk_buffer *b, int field)
{
    static const uint8_t room[LENGTH_ROOM];
    add_tag(b, field, WIRE_BYTES);
    yk_buffer_add(b, room, sizeof room);
    return b->size;
}

void yk_pb_end(yk_buffer *b, size_t mark)
{
    if (b->failed)
        return;
    uint8_t bytes[VARINT_MAX];
    size_t length = b->size - mark;
    size_t n = encode_varint(length, bytes);
    uint8_t *at = b->data + mark - LENGTH_ROOM;
    memcpy(at, bytes, n);
    memmove(at + n, b->data + mark, length);
    b->size = mark - LENGTH_ROOM + n + length;
    b->data[b->size] = 0;
}
