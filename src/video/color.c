/* A picture's chroma to RGB, as the libraries for JPEG and WebP do it: halved chroma is interpolated with weights of
 * 3/4 and 1/4 from its two nearest samples in each direction, where swscale would repeat or shift it. Networks were
 * trained on pictures made that way. */
#include "video/ffmpeg.h"

#include <libavutil/pixdesc.h>

/* One row of chroma at full width from the nearer and the farther row, both halved. */
static void widen_both(const uint8_t *near, const uint8_t *far, uint8_t *out, int width)
{
    int count = (width + 1) / 2;
    for (int i = 0; i < count; i++) {
        int here = 3 * near[i] + far[i];
        int left = i > 0 ? 3 * near[i - 1] + far[i - 1] : here;
        int right = i + 1 < count ? 3 * near[i + 1] + far[i + 1] : here;
        out[2 * i] = (uint8_t)((3 * here + left + 8) >> 4);
        out[2 * i + 1] = (uint8_t)((3 * here + right + 7) >> 4);
    }
}

static void widen(const uint8_t *row, uint8_t *out, int width)
{
    int count = (width + 1) / 2;
    for (int i = 0; i < count; i++) {
        int left = i > 0 ? row[i - 1] : row[i];
        int right = i + 1 < count ? row[i + 1] : row[i];
        out[2 * i] = (uint8_t)((3 * row[i] + left + 1) >> 2);
        out[2 * i + 1] = (uint8_t)((3 * row[i] + right + 2) >> 2);
    }
}

static void blend(const uint8_t *near, const uint8_t *far, int round, uint8_t *out, int width)
{
    for (int i = 0; i < width; i++)
        out[i] = (uint8_t)((3 * near[i] + far[i] + round) >> 2);
}

/* BT.601 in 16.16 fixed point. */
typedef struct weights {
    int black, y, cr_r, cb_b, cb_g, cr_g;
} weights;
static const weights full = {0, 65536, 91881, 116130, 22554, 46802};
static const weights limited = {16, 76309, 104597, 132201, 25675, 53279};

static inline uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void row_to_rgb(const weights *w, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                       int width)
{
    enum { HALF = 1 << 15 };
    for (int i = 0; i < width; i++, rgb += 3) {
        int luma = w->y * (y[i] - w->black) + HALF, u = cb[i] - 128, v = cr[i] - 128;
        rgb[0] = clamp((luma + w->cr_r * v) >> 16);
        rgb[1] = clamp((luma - w->cb_g * u - w->cr_g * v) >> 16);
        rgb[2] = clamp((luma + w->cb_b * u) >> 16);
    }
}

bool yk_color_fits(const AVFrame *frame)
{
    switch (frame->format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
        return frame->colorspace == AVCOL_SPC_BT470BG || frame->colorspace == AVCOL_SPC_SMPTE170M ||
               frame->colorspace == AVCOL_SPC_UNSPECIFIED;
    default:
        return false;
    }
}

yolk_status yk_color_run(const AVFrame *frame, yolk_image *out)
{
    int width = frame->width, height = frame->height;
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    bool half_width = format->log2_chroma_w > 0, half_height = format->log2_chroma_h > 0;
    bool is_full = frame->color_range == AVCOL_RANGE_JPEG || frame->format != AV_PIX_FMT_YUV420P;
    size_t row = (size_t)width + 2;
    uint8_t *wide = yk_alloc(2 * row);
    if (!wide)
        return YOLK_ERROR_OUT_OF_MEMORY;
    int last = (height + 1) / 2 - 1;
    for (int y = 0; y < height; y++) {
        const uint8_t *chroma[2];
        for (int i = 0; i < 2; i++) {
            const uint8_t *plane = frame->data[i + 1];
            ptrdiff_t stride = frame->linesize[i + 1];
            uint8_t *target = wide + (size_t)i * row;
            const uint8_t *near = plane + (half_height ? y / 2 : y) * stride;
            const uint8_t *far = plane + (y % 2 ? YK_MIN(y / 2 + 1, last) : YK_MAX(y / 2 - 1, 0)) * stride;
            chroma[i] = half_width || half_height ? target : near;
            if (half_width && half_height)
                widen_both(near, far, target, width);
            else if (half_width)
                widen(near, target, width);
            else if (half_height)
                blend(near, far, y % 2 ? 2 : 1, target, width);
        }
        row_to_rgb(is_full ? &full : &limited, frame->data[0] + (ptrdiff_t)y * frame->linesize[0], chroma[0], chroma[1],
                   out->planes[0] + (ptrdiff_t)y * out->strides[0], width);
    }
    yk_free(wide);
    return YOLK_OK;
}
