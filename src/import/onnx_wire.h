/* Reading protobuf's wire format out of memory, without copying. */
#ifndef YK_IMPORT_ONNX_WIRE_H
#define YK_IMPORT_ONNX_WIRE_H

#include "base/base.h"

typedef struct yk_span {
    const uint8_t *data;
    size_t size;
} yk_span;

enum { YK_PB_VARINT = 0, YK_PB_FIXED64 = 1, YK_PB_BYTES = 2, YK_PB_FIXED32 = 5 };

typedef struct yk_pb_field {
    int number, wire;
    uint64_t value; /* of a varint or a fixed number */
    yk_span bytes;  /* of a string, bytes, message or packed field */
} yk_pb_field;

typedef struct yk_pb_reader {
    const uint8_t *at, *end;
    bool damaged; /* reading stopped before the end because of it */
} yk_pb_reader;

yk_pb_reader yk_pb_reader_of(yk_span message);
/* False at the end and on damage. */
bool yk_pb_next(yk_pb_reader *r, yk_pb_field *field);
/* One number of a packed field; false at the end and on damage. */
bool yk_pb_next_varint(yk_pb_reader *r, uint64_t *value);

bool yk_span_equal(yk_span a, yk_span b);
bool yk_span_is(yk_span s, const char *text);

#endif
