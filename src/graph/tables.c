/* Names and sizes of types, operators and heads; arithmetic on shapes. */
#include "graph/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    size_t size;
    const char *name;
} types[YK_TYPE_COUNT] = {
#define TYPE_ROW(name, size, text) {size, text},
    YK_TYPE_MAP(TYPE_ROW)
#undef TYPE_ROW
};

static const char *const op_names[YK_OP_COUNT] = {
#define OP_ROW(name, text, least, most) text,
    YK_OP_MAP(OP_ROW)
#undef OP_ROW
};

size_t yk_type_size(yk_type type)
{
    return (unsigned)type < YK_TYPE_COUNT ? types[type].size : 0;
}

const char *yk_type_name(yk_type type)
{
    return (unsigned)type < YK_TYPE_COUNT ? types[type].name : "unknown";
}

const char *yk_op_name(yk_op op)
{
    return (unsigned)op < YK_OP_COUNT ? op_names[op] : "unknown";
}

bool yk_op_find(const char *name, yk_op *out)
{
    for (int i = 0; i < YK_OP_COUNT; i++) {
        if (strcmp(op_names[i], name) == 0) {
            *out = (yk_op)i;
            return true;
        }
    }
    return false;
}

const char *yk_head_kind_name(yk_head_kind kind)
{
    switch (kind) {
    case YK_HEAD_ANCHOR_FREE:
        return "anchor-free";
    case YK_HEAD_ANCHORS:
        return "anchors";
    case YK_HEAD_YOLOX:
        return "yolox";
    case YK_HEAD_DECODED_V8:
        return "v8";
    case YK_HEAD_DECODED_V5:
        return "v5";
    case YK_HEAD_DECODED_END2END:
        return "end2end";
    case YK_HEAD_UNKNOWN:
        break;
    }
    return "unknown";
}

int64_t yk_shape_count(const yk_shape *s)
{
    if (s->rank < 0)
        return -1;
    int64_t count = 1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0 || __builtin_mul_overflow(count, s->dims[i], &count))
            return -1;
    }
    return count;
}

bool yk_shape_equal(const yk_shape *a, const yk_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i])
            return false;
    }
    return true;
}

void yk_shape_text(const yk_shape *s, char out[96])
{
    if (s->rank <= 0) {
        snprintf(out, 96, "%s", s->rank == 0 ? "scalar" : "unknown");
        return;
    }
    size_t used = 0;
    for (int i = 0; i < s->rank && used < 96; i++) {
        int n = snprintf(out + used, 96 - used, "%s%" PRId64, i ? "x" : "", s->dims[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

yk_type yk_output_type(yk_op op, const yk_attrs *attrs, const yk_type *types, int count, int output)
{
    switch (op) {
    case YK_OP_SHAPE:
    case YK_OP_ARG_MAX:
        return YK_I64;
    case YK_OP_TOPK:
        return output == 1 ? YK_I64 : types[0];
    case YK_OP_EQUAL:
    case YK_OP_GREATER:
    case YK_OP_LESS:
    case YK_OP_AND:
    case YK_OP_OR:
    case YK_OP_NOT:
        return YK_BOOL;
    case YK_OP_CAST:
    case YK_OP_CONSTANT_OF_SHAPE:
        return attrs->to;
    case YK_OP_WHERE:
    case YK_OP_DEQUANTIZE:
        return types[1];
    case YK_OP_QUANTIZE:
        return count > 2 && types[2] != YK_TYPE_COUNT ? types[2] : YK_U8;
    default:
        return types[0];
    }
}
