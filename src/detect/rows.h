/* The loops of the letterbox, each over one row. Samples carry fractions on the way: 8 bits after yk_row_blend(), 6
 * after yk_row_sample(). */
#ifndef YK_ROWS_H
#define YK_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum { YK_ROW_WEIGHT_BITS = 14 };

/* Where a sample of the result lies between two of the source. */
typedef struct yk_column {
    int32_t index;  /* of the left one */
    int32_t weight; /* of the right one, of 1 << YK_ROW_WEIGHT_BITS */
} yk_column;

/* Y'CbCr to R'G'B': what each sample is multiplied by, with 13 bits of fraction, and black, with 6. */
typedef struct yk_row_matrix {
    int16_t y, v_to_red, u_to_green, v_to_green, u_to_blue, black;
} yk_row_matrix;

/* out = a * (256 - weight) + b * weight; weight is 0..256. */
void yk_row_blend(const uint8_t *a, const uint8_t *b, int weight, size_t count, uint16_t *out);

/* Samples a blended row; the right one of a pair lies `step` after the left one. */
void yk_row_sample(const uint16_t *row, const yk_column *columns, size_t step, size_t count, int16_t *out);

void yk_row_convert(const int16_t *y, const int16_t *u, const int16_t *v, const yk_row_matrix *matrix, size_t count,
                    uint8_t *red, uint8_t *green, uint8_t *blue);

/* Sampled values to bytes. */
void yk_row_round(const int16_t *in, size_t count, uint8_t *out);

/* Three rows to one of pixels. */
void yk_row_pack(const uint8_t *first, const uint8_t *second, const uint8_t *third, size_t count, uint8_t *out);

#endif
