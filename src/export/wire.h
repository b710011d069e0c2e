/* Writing protobuf's wire format (protobuf.dev/programming-guides/encoding). A failed append marks the buffer. */
#ifndef YK_EXPORT_WIRE_H
#define YK_EXPORT_WIRE_H

#include "base/base.h"

void yk_pb_int(yk_buffer *b, int field, int64_t value);
void yk_pb_float(yk_buffer *b, int field, float value);
void yk_pb_text(yk_buffer *b, int field, const char *text);
void yk_pb_bytes(yk_buffer *b, int field, const void *bytes, size_t size);
void yk_pb_packed_ints(yk_buffer *b, int field, const int64_t *values, int count);
/* A message inside the one being written: what is appended between the two calls is its content. */
size_t yk_pb_begin(yk_buffer *b, int field);
void yk_pb_end(yk_buffer *b, size_t mark);

#endif
