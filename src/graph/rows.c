/* Walking tensors of different strides together. */
#include "graph/call.h"

#include <string.h>

void yk_rows_shape(yk_rows *r, const yk_shape *shape, int operands)
{
    *r = (yk_rows){.rank = shape->rank, .operands = operands};
    for (int i = 0; i < shape->rank; i++)
        r->dims[i] = shape->dims[i];
}

void yk_rows_operand(yk_rows *r, int operand, const yk_shape *shape)
{
    int64_t stride = 1;
    int lead = r->rank - shape->rank;
    for (int i = r->rank - 1; i >= lead; i--) {
        int64_t dim = shape->dims[i - lead];
        r->strides[operand][i] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
    for (int i = 0; i < lead; i++)
        r->strides[operand][i] = 0;
}

/* True when a step along dimension i lands where dimension j, inside it, ends, for every operand. */
static bool end_to_end(const yk_rows *r, int i, int j)
{
    for (int k = 0; k < r->operands; k++) {
        if (r->strides[k][i] != r->strides[k][j] * r->dims[j])
            return false;
    }
    return true;
}

void yk_rows_begin(yk_rows *r)
{
    int kept = 0;
    r->more = true;
    for (int i = 0; i < r->rank; i++) {
        if (r->dims[i] == 0)
            r->more = false;
        if (r->dims[i] == 1)
            continue;
        r->dims[kept] = r->dims[i];
        for (int k = 0; k < r->operands; k++)
            r->strides[k][kept] = r->strides[k][i];
        if (kept > 0 && end_to_end(r, kept - 1, kept)) {
            r->dims[kept - 1] *= r->dims[kept];
            for (int k = 0; k < r->operands; k++)
                r->strides[k][kept - 1] = r->strides[k][kept];
        } else {
            kept++;
        }
    }
    if (kept == 0) {
        r->dims[0] = 1;
        for (int k = 0; k < r->operands; k++)
            r->strides[k][0] = 0;
        kept = 1;
    }
    r->rank = kept;
    r->length = r->dims[kept - 1];
    for (int k = 0; k < r->operands; k++)
        r->step[k] = r->strides[k][kept - 1];
    memset(r->at, 0, sizeof(r->at));
}

void yk_rows_next(yk_rows *r)
{
    for (int i = r->rank - 2; i >= 0; i--) {
        for (int k = 0; k < r->operands; k++)
            r->offset[k] += r->strides[k][i];
        if (++r->at[i] < r->dims[i])
            return;
        for (int k = 0; k < r->operands; k++)
            r->offset[k] -= r->strides[k][i] * r->dims[i];
        r->at[i] = 0;
    }
    r->more = false;
}

/* Elements are moved without knowing whether they are floats or integers. */
typedef uint16_t __attribute__((may_alias)) any16;
typedef uint32_t __attribute__((may_alias)) any32;
typedef uint64_t __attribute__((may_alias)) any64;

#define COPY_ROW(type)                                                                                                 \
    do {                                                                                                               \
        type *to = (type *)target + r->offset[0];                                                                      \
        const type *from = (const type *)source + r->offset[1];                                                        \
        for (int64_t i = 0; i < r->length; i++)                                                                        \
            to[i * r->step[0]] = from[i * r->step[1]];                                                                 \
    } while (0)

void yk_rows_copy(yk_rows *r, size_t size, void *target, const void *source)
{
    for (yk_rows_begin(r); r->more; yk_rows_next(r)) {
        if (r->step[0] == 1 && r->step[1] == 1)
            memcpy((uint8_t *)target + (size_t)r->offset[0] * size,
                   (const uint8_t *)source + (size_t)r->offset[1] * size, (size_t)r->length * size);
        else if (size == 1)
            COPY_ROW(uint8_t);
        else if (size == 2)
            COPY_ROW(any16);
        else if (size == 4)
            COPY_ROW(any32);
        else
            COPY_ROW(any64);
    }
}
