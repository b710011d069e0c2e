/* The letterbox's inner loops, written so that compilers vectorise them. */
#include "detect/rows.h"

void yk_row_blend(const uint8_t *restrict a, const uint8_t *restrict b, int weight, size_t count,
                  uint16_t *restrict out)
{
    const uint16_t right = (uint16_t)weight, left = (uint16_t)(256 - weight);
    for (size_t i = 0; i < count; i++)
        out[i] = (uint16_t)(a[i] * left + b[i] * right);
}

void yk_row_sample(const uint16_t *restrict row, const yk_column *restrict columns, size_t step, size_t count,
                   int16_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        const uint16_t *at = row + columns[i].index;
        const int32_t left = at[0], right = at[step];
        out[i] = (int16_t)(((left << YK_ROW_WEIGHT_BITS) + (right - left) * columns[i].weight + (1 << 15)) >> 16);
    }
}

/* Upper half of a product, for which processors have an instruction. */
static inline int16_t scaled(int16_t a, int16_t b)
{
    return (int16_t)((a * b) >> 16);
}

/* To a byte from 3 bits of fraction. Every scaled() rounded down, by half a unit on average. */
static inline uint8_t rounded(int sum, int terms)
{
    int16_t value = (int16_t)((int16_t)(sum + 4 + terms / 2) >> 3);
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void yk_row_convert(const int16_t *restrict y, const int16_t *restrict u, const int16_t *restrict v,
                    const yk_row_matrix *matrix, size_t count, uint8_t *restrict red, uint8_t *restrict green,
                    uint8_t *restrict blue)
{
    const yk_row_matrix m = *matrix;
    for (size_t i = 0; i < count; i++) {
        const int16_t luma = scaled((int16_t)(y[i] - m.black), m.y);
        const int16_t cb = (int16_t)(u[i] - (128 << 6)), cr = (int16_t)(v[i] - (128 << 6));
        red[i] = rounded(luma + scaled(cr, m.v_to_red), 2);
        green[i] = rounded(luma + scaled(cb, m.u_to_green) + scaled(cr, m.v_to_green), 3);
        blue[i] = rounded(luma + scaled(cb, m.u_to_blue), 2);
    }
}

void yk_row_round(const int16_t *restrict in, size_t count, uint8_t *restrict out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)((in[i] + 32) >> 6);
}

void yk_row_pack(const uint8_t *restrict first, const uint8_t *restrict second, const uint8_t *restrict third,
                 size_t count, uint8_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        out[3 * i] = first[i];
        out[3 * i + 1] = second[i];
        out[3 * i + 2] = third[i];
    }
}
