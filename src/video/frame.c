#include "video/ffmpeg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/dict.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

yk_orientation yk_orientation_of_matrix(const int32_t m[9])
{
    /* x' = m[0] x + m[3] y, y' = m[1] x + m[4] y; an angle between is taken to the nearest quarter turn. */
    double straight = fabs((double)m[0]) + fabs((double)m[4]);
    double crossed = fabs((double)m[1]) + fabs((double)m[3]);
    if (straight >= crossed)
        return (yk_orientation){.flip_x = m[0] < 0, .flip_y = m[4] < 0};
    return (yk_orientation){.transpose = true, .flip_x = m[3] < 0, .flip_y = m[1] < 0};
}

yk_orientation yk_orientation_of_exif(int value)
{
    static const yk_orientation table[] = {
        {0},
        {0},
        {.flip_x = true},
        {.flip_x = true, .flip_y = true},
        {.flip_y = true},
        {.transpose = true},
        {.transpose = true, .flip_x = true},
        {.transpose = true, .flip_x = true, .flip_y = true},
        {.transpose = true, .flip_y = true},
    };
    return value >= 1 && value <= 8 ? table[value] : table[0];
}

int yk_orientation_degrees(yk_orientation o)
{
    if (o.transpose)
        return o.flip_y ? 270 : 90;
    return o.flip_y ? 180 : 0;
}

bool yk_orientation_upright(yk_orientation o)
{
    return !o.transpose && !o.flip_x && !o.flip_y;
}

yk_orientation yk_orientation_of_frame(const AVFrame *frame, yk_orientation fallback)
{
    const AVFrameSideData *matrix = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (matrix && (size_t)matrix->size >= 9 * sizeof(int32_t)) {
        int32_t m[9];
        memcpy(m, matrix->data, sizeof(m));
        return yk_orientation_of_matrix(m);
    }
    const AVDictionaryEntry *exif = av_dict_get(frame->metadata, "Orientation", NULL, 0);
    if (exif)
        return yk_orientation_of_exif((int)strtol(exif->value, NULL, 10));
    return fallback;
}

static inline void turn_pixels(const uint8_t *from, ptrdiff_t step, uint8_t *to, int count, size_t bytes)
{
    for (int i = 0; i < count; i++, from += step, to += bytes)
        memcpy(to, from, bytes);
}

/* Width and height are those of `to`. Goes in squares so that columns of the source stay in the cache. */
static void turn_plane(const uint8_t *from, int from_stride, uint8_t *to, int to_stride, int width, int height,
                       int bytes, yk_orientation o)
{
    enum { SQUARE = 64 };
    ptrdiff_t along = o.transpose ? from_stride : bytes; /* in the source, for one pixel to the right */
    ptrdiff_t down = o.transpose ? bytes : from_stride;
    if (o.flip_x) {
        from += along * (width - 1);
        along = -along;
    }
    if (o.flip_y) {
        from += down * (height - 1);
        down = -down;
    }
    for (int y0 = 0; y0 < height; y0 += SQUARE)
        for (int x0 = 0; x0 < width; x0 += SQUARE) {
            int count = YK_MIN(SQUARE, width - x0);
            for (int y = y0; y < YK_MIN(y0 + SQUARE, height); y++) {
                const uint8_t *source = from + along * x0 + down * y;
                uint8_t *target = to + (ptrdiff_t)to_stride * y + (ptrdiff_t)bytes * x0;
                if (bytes == 1)
                    turn_pixels(source, along, target, count, 1);
                else if (bytes == 2)
                    turn_pixels(source, along, target, count, 2);
                else
                    turn_pixels(source, along, target, count, 3);
            }
        }
}

void yk_turn(const yolk_image *from, yolk_image *to, yk_orientation o)
{
    int half_width = (to->width + 1) / 2, half_height = (to->height + 1) / 2;
    bool planar = to->format == YOLK_PIXEL_I420 || to->format == YOLK_PIXEL_NV12;
    turn_plane(from->planes[0], from->strides[0], to->planes[0], to->strides[0], to->width, to->height, planar ? 1 : 3,
               o);
    if (to->format == YOLK_PIXEL_I420)
        for (int i = 1; i < 3; i++)
            turn_plane(from->planes[i], from->strides[i], to->planes[i], to->strides[i], half_width, half_height, 1, o);
    else if (to->format == YOLK_PIXEL_NV12)
        turn_plane(from->planes[1], from->strides[1], to->planes[1], to->strides[1], half_width, half_height, 2, o);
}

static yolk_color_matrix matrix_of(const AVFrame *frame)
{
    switch (frame->colorspace) {
    case AVCOL_SPC_BT709:
        return YOLK_MATRIX_BT709;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return YOLK_MATRIX_BT2020;
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_RESERVED:
        /* What players assume: high definition is BT.709, except JPEG's full range. */
        if (frame->color_range != AVCOL_RANGE_JPEG && (frame->width >= 1280 || frame->height > 576))
            return YOLK_MATRIX_BT709;
        return YOLK_MATRIX_BT601;
    default:
        return YOLK_MATRIX_BT601;
    }
}

void yk_image_of_frame(const AVFrame *frame, yolk_image *out)
{
    *out = (yolk_image){.width = frame->width, .height = frame->height, .format = YOLK_PIXEL_I420};
    if (frame->format == AV_PIX_FMT_NV12)
        out->format = YOLK_PIXEL_NV12;
    else if (frame->format == AV_PIX_FMT_RGB24)
        out->format = YOLK_PIXEL_RGB24;
    else if (frame->format == AV_PIX_FMT_BGR24)
        out->format = YOLK_PIXEL_BGR24;
    out->matrix = matrix_of(frame);
    out->full_range = frame->color_range == AVCOL_RANGE_JPEG || frame->format == AV_PIX_FMT_YUVJ420P;
    int planes = out->format == YOLK_PIXEL_I420 ? 3 : out->format == YOLK_PIXEL_NV12 ? 2 : 1;
    for (int i = 0; i < planes; i++) {
        out->planes[i] = frame->data[i];
        out->strides[i] = frame->linesize[i];
    }
}

enum AVPixelFormat yk_av_format(yolk_pixel_format format)
{
    switch (format) {
    case YOLK_PIXEL_RGB24:
        return AV_PIX_FMT_RGB24;
    case YOLK_PIXEL_I420:
        return AV_PIX_FMT_YUV420P;
    case YOLK_PIXEL_NV12:
        return AV_PIX_FMT_NV12;
    default:
        return AV_PIX_FMT_BGR24;
    }
}

void yk_frame_of_image(const yolk_image *image, AVFrame *out)
{
    memset(out, 0, sizeof(*out));
    out->width = image->width;
    out->height = image->height;
    out->format = yk_av_format(image->format);
    bool rgb = image->format == YOLK_PIXEL_BGR24 || image->format == YOLK_PIXEL_RGB24;
    out->color_range = rgb || image->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    out->colorspace = rgb                                   ? AVCOL_SPC_RGB
                      : image->matrix == YOLK_MATRIX_BT709  ? AVCOL_SPC_BT709
                      : image->matrix == YOLK_MATRIX_BT2020 ? AVCOL_SPC_BT2020_NCL
                                                            : AVCOL_SPC_SMPTE170M;
    for (int i = 0; i < 3; i++) {
        out->data[i] = image->planes[i];
        out->linesize[i] = image->strides[i];
    }
    out->extended_data = out->data;
}

yolk_status yk_frame_pool_get(yk_frame_pool *p, enum AVPixelFormat format, int width, int height, AVFrame *frame)
{
    enum { ALIGNMENT = 64 };
    if (!p->pool || p->format != format || p->width != width || p->height != height) {
        yk_frame_pool_free(p);
        int size = av_image_get_buffer_size(format, width, height, ALIGNMENT);
        if (size < 0 || size > INT32_MAX - ALIGNMENT)
            return yk_fail(YOLK_ERROR_LIMIT, "a picture of %dx%d pixels is too large", width, height);
        p->pool = av_buffer_pool_init(size + ALIGNMENT, NULL);
        if (!p->pool)
            return yk_fail_memory((size_t)size);
        p->format = format;
        p->width = width;
        p->height = height;
    }
    frame->buf[0] = av_buffer_pool_get(p->pool);
    if (!frame->buf[0])
        return yk_fail_memory((size_t)width * (size_t)height);
    frame->format = format;
    frame->width = width;
    frame->height = height;
    av_image_fill_arrays(frame->data, frame->linesize, frame->buf[0]->data, format, width, height, ALIGNMENT);
    frame->extended_data = frame->data;
    return YOLK_OK;
}

void yk_frame_pool_free(yk_frame_pool *p)
{
    av_buffer_pool_uninit(&p->pool);
}

/* The old full-range formats are the new ones with the range set. */
static enum AVPixelFormat plain_format(int format)
{
    switch (format) {
    case AV_PIX_FMT_YUVJ420P:
        return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
        return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
        return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
        return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P:
        return AV_PIX_FMT_YUV411P;
    default:
        return (enum AVPixelFormat)format;
    }
}

static bool full_range(const AVFrame *frame)
{
    return frame->color_range == AVCOL_RANGE_JPEG || plain_format(frame->format) != frame->format;
}

static int coefficients(const AVFrame *frame)
{
    yolk_color_matrix matrix = matrix_of(frame);
    return matrix == YOLK_MATRIX_BT709 ? SWS_CS_ITU709 : matrix == YOLK_MATRIX_BT2020 ? SWS_CS_BT2020 : SWS_CS_ITU601;
}

static yolk_status set_up(yk_scaler *s, const int key[11])
{
    sws_freeContext(s->sws);
    s->sws = sws_alloc_context();
    if (!s->sws)
        return yk_fail_memory(sizeof(void *));
    static const char *const names[] = {"srcw", "srch",       "src_format", "src_range", "dstw",
                                        "dsth", "dst_format", "dst_range",  "sws_flags"};
    for (size_t i = 0; i < YK_COUNT(names); i++)
        av_opt_set_int(s->sws, names[i], key[i], 0);
    int error = sws_init_context(s->sws, NULL, NULL);
    if (error < 0) {
        sws_freeContext(s->sws);
        s->sws = NULL;
        return yk_fail_ffmpeg(error, "pixels of format %s cannot be converted", av_get_pix_fmt_name(key[2]));
    }
    /* Fails, without harm, for formats that no matrix lies between. */
    sws_setColorspaceDetails(s->sws, sws_getCoefficients(key[9]), key[3], sws_getCoefficients(key[10]), key[7], 0,
                             1 << 16, 1 << 16);
    memcpy(s->key, key, sizeof(s->key));
    return YOLK_OK;
}

yolk_status yk_scaler_run(yk_scaler *s, const AVFrame *from, AVFrame *to, int flags)
{
    int key[11] = {from->width,
                   from->height,
                   plain_format(from->format),
                   full_range(from),
                   to->width,
                   to->height,
                   plain_format(to->format),
                   full_range(to),
                   flags,
                   coefficients(from),
                   coefficients(to)};
    if (!s->sws || memcmp(key, s->key, sizeof(key)) != 0) {
        yolk_status status = set_up(s, key);
        if (status != YOLK_OK)
            return status;
    }
    int rows =
        sws_scale(s->sws, (const uint8_t *const *)from->data, from->linesize, 0, from->height, to->data, to->linesize);
    if (rows < 0)
        return yk_fail_ffmpeg(rows, "a picture cannot be converted");
    return YOLK_OK;
}

void yk_scaler_free(yk_scaler *s)
{
    sws_freeContext(s->sws);
    s->sws = NULL;
}
