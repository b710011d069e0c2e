/* The letterbox's arithmetic for one pixel, for the GPU and for whoever wants to see on a CPU that it is that of
 * detect/letterbox.c and detect/rows.c: the same roundings in the same places give the same bytes. */
#ifndef YK_CUDA_LETTERBOX_MATH_H
#define YK_CUDA_LETTERBOX_MATH_H

#include "backend/cuda/detect.h"

#ifdef __CUDACC__
#define YK_BOTH static __host__ __device__ __forceinline__
#else
#define YK_BOTH static inline
#endif

/* Two neighbouring samples and the share of the second: of YK_ROW_SHARE along a row, of YK_ROW_WEIGHT across rows. */
typedef struct yk_between {
    int first, second, share;
} yk_between;

enum { YK_LUMA, YK_CHROMA, YK_GRIDS };
enum { YK_SHARE_BITS = 14 }; /* of YK_ROW_SHARE */

/* Multiplied and added one after the other, as the CPU does: a fused one rounds once less. */
YK_BOTH double yk_source_position(int i, double step, double offset)
{
#ifdef __CUDA_ARCH__
    return __dadd_rn(__dmul_rn(i + 0.5, step), offset);
#else
    return (i + 0.5) * step + offset;
#endif
}

/* Beyond the ends the end holds. */
YK_BOTH int yk_split(double position, int count, double *share)
{
    *share = 0;
    if (position <= 0)
        return 0;
    if (position >= count - 1)
        return count - 1;
    const int index = (int)position;
    *share = position - index;
    return index;
}

/* Where column `x` of the scaled picture, which may lie outside it, is in the source's luma (or RGB) or chroma. */
YK_BOTH yk_between yk_source_column(const yk_cuda_picture *p, int grid, int x)
{
    const int count = grid == YK_LUMA ? p->width : p->width / 2 + p->width % 2;
    double share;
    const int index = grid == YK_LUMA ? yk_split(yk_source_position(x, p->step_x, -0.5), count, &share)
                                      : yk_split(yk_source_position(x, p->step_x / 2, -0.25), count, &share);
    yk_between b = {index, index + 1 < count ? index + 1 : index, 0};
#ifdef __CUDA_ARCH__
    b.share = __double2int_rn(share * YK_ROW_SHARE);
#else
    b.share = (int)lrint(share * YK_ROW_SHARE);
#endif
    return b;
}

YK_BOTH yk_between yk_source_row(const yk_cuda_picture *p, int grid, int y)
{
    const int count = grid == YK_LUMA ? p->height : p->height / 2 + p->height % 2;
    const double step = grid == YK_LUMA ? p->step_y : p->step_y / 2;
    double share;
    const int index = yk_split(yk_source_position(y, step, -0.5), count, &share);
    const yk_between b = {index, index + 1 < count ? index + 1 : index, (int)(share * YK_ROW_WEIGHT)};
    return b;
}

YK_BOTH int yk_byte(const uint8_t *p)
{
#ifdef __CUDA_ARCH__
    return __ldg(p);
#else
    return *p;
#endif
}

/* The upper half of a product of 16 bits. */
YK_BOTH int yk_scaled(int a, int b)
{
    return (a * b) >> 16;
}

/* Two rows' samples blended, with YK_ROW_FRACTION bits of fraction. */
YK_BOTH int yk_blend(int a, int b, int weight)
{
    return a * (1 << YK_ROW_FRACTION) + yk_scaled((b - a) * (1 << 7), weight);
}

/* Four samples of a plane, blended and mixed, times YK_ROW_SHARE. `step` bytes lie between samples. */
YK_BOTH int yk_mix(const uint8_t *plane, int stride, int step, yk_between column, yk_between row)
{
    const uint8_t *a = plane + (ptrdiff_t)row.first * stride, *b = plane + (ptrdiff_t)row.second * stride;
    const ptrdiff_t left = (ptrdiff_t)column.first * step, right = (ptrdiff_t)column.second * step;
    return yk_blend(yk_byte(a + left), yk_byte(b + left), row.share) * (YK_ROW_SHARE - column.share) +
           yk_blend(yk_byte(a + right), yk_byte(b + right), row.share) * column.share;
}

/* A mix, which is never negative, to a sample with YK_ROW_FRACTION bits of fraction, or to a byte. */
YK_BOTH int yk_mix_sample(int mix)
{
    return (mix + YK_ROW_SHARE / 2) >> YK_SHARE_BITS;
}

YK_BOTH int yk_mix_byte(int mix)
{
    const int shift = YK_SHARE_BITS + YK_ROW_FRACTION;
    return (mix + (1 << (shift - 1))) >> shift;
}

/* A sum with 3 bits of fraction, whose terms were rounded down. */
YK_BOTH int yk_sum_byte(int sum)
{
    const int value = (sum + 5) >> 3;
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* A pixel of the scaled picture, in the order that the network wants; columns and rows by grid. */
YK_BOTH void yk_picture_pixel(const yk_cuda_picture *p, const yk_between columns[YK_GRIDS],
                              const yk_between rows[YK_GRIDS], uint8_t out[3])
{
    const yk_between x = columns[YK_LUMA], y = rows[YK_LUMA];
    int first, second, third;
    if (!p->planar) {
        first = yk_mix_byte(yk_mix(p->planes[0], p->strides[0], 3, x, y));
        second = yk_mix_byte(yk_mix(p->planes[0] + 1, p->strides[0], 3, x, y));
        third = yk_mix_byte(yk_mix(p->planes[0] + 2, p->strides[0], 3, x, y));
    } else {
        const yk_between cx = columns[YK_CHROMA], cy = rows[YK_CHROMA];
        const yk_row_matrix m = p->matrix;
        const int grey = 128 << YK_ROW_FRACTION;
        const int light = yk_mix_sample(yk_mix(p->planes[0], p->strides[0], 1, x, y)) - m.black;
        const int cb = yk_mix_sample(yk_mix(p->planes[1], p->strides[1], p->chroma_step, cx, cy)) - grey;
        const int cr = yk_mix_sample(yk_mix(p->planes[2], p->strides[2], p->chroma_step, cx, cy)) - grey;
        const int luma = yk_scaled(light, m.y);
        first = yk_sum_byte(luma + yk_scaled(cr, m.v_to_red));
        second = yk_sum_byte(luma + yk_scaled(cb, m.u_to_green) + yk_scaled(cr, m.v_to_green));
        third = yk_sum_byte(luma + yk_scaled(cb, m.u_to_blue));
    }
    out[0] = (uint8_t)(p->swap ? third : first);
    out[1] = (uint8_t)second;
    out[2] = (uint8_t)(p->swap ? first : third);
}

#endif
