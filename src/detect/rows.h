/* The loops of the letterbox, each over one row. A blended sample is 256 * (value - 128), so that it fits 16 bits with
 * a sign; a sampled one is 64 * value. */
#ifndef YK_ROWS_H
#define YK_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yolk/image.h"

enum { YK_ROW_FRACTION = 6, YK_ROW_SHARE = 1 << 14, YK_ROW_WEIGHT = 1 << 15, YK_ROW_SLACK = 8 };

/* Shares of the samples left and right of a column, YK_ROW_SHARE in all. */
typedef struct yk_shares {
    int16_t left, right;
} yk_shares;

/* Where the columns of the result lie in a blended row. */
typedef struct yk_columns {
    int32_t *index; /* of the left sample's first channel */
    yk_shares *shares;
} yk_columns;

/* Y'CbCr to R'G'B': what each sample is multiplied by, with 13 bits of fraction, and black as a sample. */
typedef struct yk_row_matrix {
    int16_t y, v_to_red, u_to_green, v_to_green, u_to_blue, black;
} yk_row_matrix;
yk_row_matrix yk_row_matrix_of(yolk_color_matrix matrix, int full_range);

/* a + (b - a) * weight / YK_ROW_WEIGHT; weight is less than YK_ROW_WEIGHT. */
void yk_row_blend(const uint8_t *a, const uint8_t *b, int weight, size_t count, int16_t *out);

/* Samples blended rows of 1, 2 or 3 channels. The row has a right neighbour for every column, and YK_ROW_SLACK values
 * after those that may be read but do not matter. */
void yk_row_sample1(const int16_t *row, const yk_columns *columns, size_t count, int16_t *out);
void yk_row_sample2(const int16_t *row, const yk_columns *columns, size_t count, int16_t *first, int16_t *second);
/* Pixels at once, in their order or with the first and third channel swapped. */
void yk_row_sample3(const int16_t *row, const yk_columns *columns, bool swap, size_t count, uint8_t *out);

/* Sampled rows to pixels, RGB or BGR. */
void yk_row_convert(const int16_t *y, const int16_t *u, const int16_t *v, const yk_row_matrix *matrix, bool bgr,
                    size_t count, uint8_t *out);

#endif
