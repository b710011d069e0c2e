/* Boxes and their names on pictures of any format, without converting the picture. */
#include "base/picture.h"
#include "video/font.h"
#include "video/video.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct yk_drawer {
    yk_font *font; /* NULL until needed, and where there is none */
    bool no_font;
    int text_size;
};

/* A colour as the picture stores it: red, green, blue or Y, Cb, Cr. */
typedef struct paint {
    uint8_t part[3];
} paint;

typedef struct rectangle {
    int x, y, width, height;
} rectangle;

yolk_status yk_drawer_create(yk_drawer **out)
{
    *out = yk_calloc(1, sizeof(**out));
    return *out ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

void yk_drawer_destroy(yk_drawer **drawer)
{
    if (!*drawer)
        return;
    yk_font_destroy(&(*drawer)->font);
    yk_free(*drawer);
    *drawer = NULL;
}

/* ---- colours ---- */

static bool is_yuv(const yolk_image *image)
{
    return image->format == YOLK_PIXEL_I420 || image->format == YOLK_PIXEL_NV12;
}

static paint paint_of(const yolk_image *image, const double rgb[3])
{
    static const double weights[][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
    paint p;
    if (!is_yuv(image)) {
        for (int i = 0; i < 3; i++)
            p.part[i] = (uint8_t)lround(255 * rgb[image->format == YOLK_PIXEL_BGR24 ? 2 - i : i]);
        return p;
    }
    const double *w = weights[image->matrix <= YOLK_MATRIX_BT2020 ? image->matrix : YOLK_MATRIX_BT601];
    double y = w[0] * rgb[0] + (1 - w[0] - w[1]) * rgb[1] + w[1] * rgb[2];
    double cb = (rgb[2] - y) / (2 * (1 - w[1])), cr = (rgb[0] - y) / (2 * (1 - w[0]));
    double luma = image->full_range ? 255 : 219, chroma = image->full_range ? 255 : 224;
    p.part[0] = (uint8_t)lround((image->full_range ? 0 : 16) + luma * y);
    p.part[1] = (uint8_t)fmin(lround(128 + chroma * cb), 255);
    p.part[2] = (uint8_t)fmin(lround(128 + chroma * cr), 255);
    return p;
}

/* Hues a golden angle apart stay distinct however many classes there are; strength and lightness vary as well. */
static void color_of_class(int class_id, double rgb[3])
{
    static const double strengths[] = {0.82, 0.62, 0.95}, values[] = {0.96, 0.85};
    unsigned id = (unsigned)class_id;
    double whole, hue = 6 * modf(0.98 + id * 0.6180339887498949, &whole);
    double strength = strengths[id % 3], value = values[id / 3 % 2];
    for (int i = 0; i < 3; i++) {
        double k = fmod((i == 0 ? 5 : i == 1 ? 3 : 1) + hue, 6);
        rgb[i] = value - value * strength * fmax(0, fmin(fmin(k, 4 - k), 1));
    }
}

/* ---- rectangles and letters ---- */

static inline void mix(uint8_t *sample, uint8_t to, int coverage)
{
    int difference = (to - *sample) * coverage;
    *sample = (uint8_t)(*sample + (difference + (difference < 0 ? -127 : 127)) / 255);
}

static void paint_packed(yolk_image *image, rectangle r, const uint8_t *mask, int mask_stride, paint p)
{
    for (int y = 0; y < r.height; y++) {
        uint8_t *pixel = image->planes[0] + (ptrdiff_t)(r.y + y) * image->strides[0] + (ptrdiff_t)3 * r.x;
        for (int x = 0; x < r.width; x++, pixel += 3)
            for (int i = 0; i < 3; i++)
                mix(&pixel[i], p.part[i], mask ? mask[(ptrdiff_t)y * mask_stride + x] : 255);
    }
}

static void paint_luma(yolk_image *image, rectangle r, const uint8_t *mask, int mask_stride, paint p)
{
    for (int y = 0; y < r.height; y++) {
        uint8_t *row = image->planes[0] + (ptrdiff_t)(r.y + y) * image->strides[0] + r.x;
        if (!mask) {
            memset(row, p.part[0], (size_t)r.width);
            continue;
        }
        for (int x = 0; x < r.width; x++)
            mix(&row[x], p.part[0], mask[(ptrdiff_t)y * mask_stride + x]);
    }
}

/* A chroma sample belongs to 2x2 pixels and takes the mean of their coverage. */
static void paint_chroma(yolk_image *image, rectangle r, const uint8_t *mask, int mask_stride, paint p)
{
    bool planar = image->format == YOLK_PIXEL_I420;
    for (int cy = r.y / 2; cy <= (r.y + r.height - 1) / 2; cy++)
        for (int cx = r.x / 2; cx <= (r.x + r.width - 1) / 2; cx++) {
            int x0 = YK_MAX(2 * cx, r.x) - r.x, x1 = YK_MIN(2 * cx + 2, r.x + r.width) - r.x;
            int y0 = YK_MAX(2 * cy, r.y) - r.y, y1 = YK_MIN(2 * cy + 2, r.y + r.height) - r.y;
            int coverage = 0;
            if (!mask)
                coverage = 255 * (x1 - x0) * (y1 - y0);
            else
                for (int y = y0; y < y1; y++)
                    for (int x = x0; x < x1; x++)
                        coverage += mask[(ptrdiff_t)y * mask_stride + x];
            int pixels = (2 * cx + 1 < image->width ? 2 : 1) * (2 * cy + 1 < image->height ? 2 : 1);
            for (int i = 1; i < 3; i++) {
                uint8_t *sample = planar ? image->planes[i] + (ptrdiff_t)cy * image->strides[i] + cx
                                         : image->planes[1] + (ptrdiff_t)cy * image->strides[1] + 2 * cx + i - 1;
                mix(sample, p.part[i], coverage / pixels);
            }
        }
}

/* Paints a rectangle, through a mask of its size unless that is NULL, where it lies in the picture. */
static void paint_rectangle(yolk_image *image, rectangle r, const uint8_t *mask, paint p)
{
    int mask_stride = r.width;
    int left = YK_MAX(-r.x, 0), top = YK_MAX(-r.y, 0);
    r = (rectangle){r.x + left, r.y + top, r.width - left, r.height - top};
    r.width = YK_MIN(r.width, image->width - r.x);
    r.height = YK_MIN(r.height, image->height - r.y);
    if (r.width <= 0 || r.height <= 0)
        return;
    if (mask)
        mask += (ptrdiff_t)top * mask_stride + left;
    if (!is_yuv(image)) {
        paint_packed(image, r, mask, mask_stride, p);
        return;
    }
    paint_luma(image, r, mask, mask_stride, p);
    paint_chroma(image, r, mask, mask_stride, p);
}

static void paint_text(yolk_image *image, yk_font *font, int x, int base, const char *text, paint p)
{
    for (uint32_t code; (code = yk_utf8_next(&text)) != 0;) {
        const yk_glyph *g = yk_font_glyph(font, code);
        if (!g)
            continue;
        if (g->coverage)
            paint_rectangle(image, (rectangle){x + g->left, base - g->top, g->width, g->height}, g->coverage, p);
        x += g->advance;
    }
}

/* ---- detections ---- */

typedef struct style {
    int line, text; /* line width, height of letters */
    int out;        /* part of the line that is outside the box */
    double scale_x, scale_y;
} style;

static style style_of(const yolk_image *image, double scale_x, double scale_y)
{
    double size = (image->width + image->height) / 2.0;
    style s = {.scale_x = scale_x, .scale_y = scale_y};
    s.line = size < 200 ? 1 : YK_MAX(2, (int)lround(size * 0.0028));
    s.out = s.line / 2;
    if (is_yuv(image) && s.line > 1) { /* whole chroma samples */
        s.line -= s.line % 2;
        s.out -= s.out % 2;
    }
    s.text = YK_MAX(11, (int)lround(size * 0.018));
    return s;
}

/* Where a detection lies, in whole pixels (chroma samples where there are some, for clean edges); false when it has no
 * area in the picture. */
static bool place(const yolk_image *image, const yolk_detection *d, const style *s, rectangle *out)
{
    double x1 = d->x1 * s->scale_x, y1 = d->y1 * s->scale_y, x2 = d->x2 * s->scale_x, y2 = d->y2 * s->scale_y;
    if (!(x1 < x2 && y1 < y2 && x2 > 0 && y2 > 0 && x1 < image->width && y1 < image->height))
        return false;
    double step = is_yuv(image) && s->line > 1 ? 2 : 1;
    enum { BEYOND = 64 }; /* far enough for an edge that is outside to stay so */
    int left = (int)(round(fmax(x1, -BEYOND) / step) * step), top = (int)(round(fmax(y1, -BEYOND) / step) * step);
    int right = (int)(round(fmin(x2, image->width + BEYOND) / step) * step);
    int bottom = (int)(round(fmin(y2, image->height + BEYOND) / step) * step);
    *out = (rectangle){left, top, YK_MAX(right - left, 1), YK_MAX(bottom - top, 1)};
    return true;
}

static void draw_box(yolk_image *image, rectangle r, const style *s, paint p)
{
    int line = s->line;
    rectangle outer = {r.x - s->out, r.y - s->out, r.width + 2 * s->out, r.height + 2 * s->out};
    int sides = YK_MAX(outer.height - 2 * line, 0);
    paint_rectangle(image, (rectangle){outer.x, outer.y, outer.width, line}, NULL, p);
    paint_rectangle(image, (rectangle){outer.x, outer.y + outer.height - line, outer.width, line}, NULL, p);
    paint_rectangle(image, (rectangle){outer.x, outer.y + line, line, sides}, NULL, p);
    paint_rectangle(image, (rectangle){outer.x + outer.width - line, outer.y + line, line, sides}, NULL, p);
}

static void draw_label(yolk_image *image, yk_font *font, const yolk_detection *d, rectangle box, const style *s)
{
    char text[192];
    int confidence = (int)lround(100 * fmin(fmax(d->confidence, 0), 1));
    if (d->track_id > 0)
        snprintf(text, sizeof(text), "#%d %.150s %d.%02d", d->track_id, d->class_name, confidence / 100,
                 confidence % 100);
    else
        snprintf(text, sizeof(text), "%.150s %d.%02d", d->class_name, confidence / 100, confidence % 100);
    double rgb[3], ink[3];
    color_of_class(d->class_id, rgb);
    bool dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 0.55;
    ink[0] = ink[1] = ink[2] = dark ? 0.05 : 1;
    int ascent = yk_font_ascent(font), height = ascent + yk_font_descent(font);
    int padding = YK_MAX(s->line, height / 5);
    rectangle r = {box.x - s->out, 0, yk_font_width(font, text) + 2 * padding, height};
    r.height += is_yuv(image) ? r.height % 2 : 0;
    r.width += is_yuv(image) ? r.width % 2 : 0;
    r.y = box.y - s->out - r.height;
    if (r.y < 0)
        r.y = YK_MAX(box.y - s->out, 0); /* no room above: inside */
    r.x = YK_MAX(YK_MIN(r.x, image->width - r.width), 0);
    paint_rectangle(image, r, NULL, paint_of(image, rgb));
    paint_text(image, font, r.x + padding, r.y + ascent, text, paint_of(image, ink));
}

/* Boxes matter more than their names: without a font there are boxes, and a word about it once. */
static yk_font *font_of(yk_drawer *drawer, int size)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    if (drawer->font && drawer->text_size == size)
        return drawer->font;
    if (drawer->no_font)
        return NULL;
    yk_font_destroy(&drawer->font);
    drawer->text_size = size;
    if (yk_font_create(size, &drawer->font) != YOLK_OK) {
        drawer->no_font = true;
        if (!atomic_flag_test_and_set(&warned))
            yk_log(YOLK_LOG_WARNING, "boxes are drawn without names: %s", yolk_last_error());
    }
    return drawer->font;
}

yolk_status yk_drawer_draw(yk_drawer *drawer, yolk_image *image, const yolk_detection *detections, size_t count,
                           double scale_x, double scale_y)
{
    yolk_status status = yk_image_needs_host(image, "drawing");
    if (status != YOLK_OK || count == 0)
        return status;
    style s = style_of(image, scale_x, scale_y);
    yk_font *font = font_of(drawer, s.text);
    rectangle r;
    /* The surest last, on top; names above all boxes. */
    for (size_t i = count; i-- > 0;) {
        double rgb[3];
        color_of_class(detections[i].class_id, rgb);
        if (place(image, &detections[i], &s, &r))
            draw_box(image, r, &s, paint_of(image, rgb));
    }
    for (size_t i = count; font && i-- > 0;)
        if (place(image, &detections[i], &s, &r))
            draw_label(image, font, &detections[i], r, &s);
    return YOLK_OK;
}

yolk_status yolk_image_draw(yolk_image *image, const yolk_detection *detections, size_t count)
{
    yk_drawer *drawer;
    yolk_status status = yk_drawer_create(&drawer);
    if (status == YOLK_OK)
        status = yk_drawer_draw(drawer, image, detections, count, 1, 1);
    yk_drawer_destroy(&drawer);
    return status;
}
