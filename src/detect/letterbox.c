/* Fitting a picture into the network's input: scaling, colour conversion and padding in one go.
 *
 * Bilinear with half-pixel centres. A row of the result is made in three steps, each a loop over one row (rows.h): two
 * source rows are blended at every column, the blend is sampled at the columns wanted, and three sampled rows become
 * pixels. Planes of I420 and NV12 are sampled where they are and converted at the small size. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/picture.h"
#include "detect/detect.h"
#include "detect/rows.h"

enum { PADDING = 114, ALIGNMENT = 64 };

/* A grid of samples: luma, chroma, or the channels of RGB together. */
typedef struct grid {
    int width, height;                         /* of the source, in samples of one channel */
    int channels;                              /* interleaved ones, which are blended together */
    double step_x, step_y, offset_x, offset_y; /* source = (result + 0.5) * step + offset */
    yk_columns columns;
} grid;

typedef struct job {
    const yolk_image *image;
    const yk_letterbox *fit;
    grid main, chroma;
    yk_row_matrix matrix;
    int16_t *blend;
    int16_t *samples[3];
} job;

yk_letterbox yk_letterbox_fit(int width, int height, int input_width, int input_height, bool top_left)
{
    yk_letterbox fit = {.source_width = width, .source_height = height};
    const double x = (double)input_width / width, y = (double)input_height / height;
    fit.scale = YK_MIN(x, y);
    /* As Python rounds, to even, or as YOLOX does, down: a row more or less moves every box. */
    const double w = width * fit.scale, h = height * fit.scale;
    fit.width = (int)YK_MAX(top_left ? floor(w) : nearbyint(w), 1);
    fit.height = (int)YK_MAX(top_left ? floor(h) : nearbyint(h), 1);
    if (!top_left) {
        fit.pad_x = YK_MAX(nearbyint((input_width - fit.width) / 2.0 - 0.1), 0);
        fit.pad_y = YK_MAX(nearbyint((input_height - fit.height) / 2.0 - 0.1), 0);
    }
    return fit;
}

void yk_unletterbox(const yk_letterbox *fit, yolk_detection *items, size_t count)
{
    /* The scale that the picture really has, its sides being whole numbers of pixels. */
    const double x = (double)fit->source_width / fit->width, y = (double)fit->source_height / fit->height;
    for (size_t i = 0; i < count; i++) {
        yolk_detection *d = &items[i];
        d->x1 = (float)YK_MIN(YK_MAX((d->x1 - fit->pad_x) * x, 0), fit->source_width);
        d->y1 = (float)YK_MIN(YK_MAX((d->y1 - fit->pad_y) * y, 0), fit->source_height);
        d->x2 = (float)YK_MIN(YK_MAX((d->x2 - fit->pad_x) * x, 0), fit->source_width);
        d->y2 = (float)YK_MIN(YK_MAX((d->y2 - fit->pad_y) * y, 0), fit->source_height);
    }
}

/* ---- checking ---- */

static bool planar(yolk_pixel_format format)
{
    return format == YOLK_PIXEL_I420 || format == YOLK_PIXEL_NV12;
}

static yolk_status check_plane(const yolk_image *image, int plane, int row_bytes)
{
    if (!image->planes[plane])
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "plane %d of the %dx%d picture is NULL", plane, image->width,
                       image->height);
    if (image->strides[plane] < row_bytes && image->strides[plane] > -row_bytes)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "stride %d of plane %d is less than the %d bytes of a row",
                       image->strides[plane], plane, row_bytes);
    return YOLK_OK;
}

yolk_status yk_letterbox_check(const yolk_image *image, const yk_letterbox *fit, int input_width, int input_height)
{
    if (image->width < 1 || image->height < 1 || image->width > INT_MAX / 4)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a picture cannot be %dx%d pixels", image->width, image->height);
    if (fit->source_width != image->width || fit->source_height != image->height || fit->width < 1 || fit->height < 1 ||
        fit->pad_x < 0 || fit->pad_y < 0 || fit->pad_x + fit->width > input_width ||
        fit->pad_y + fit->height > input_height)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the letterbox was not made for a %dx%d picture in %dx%d",
                       image->width, image->height, input_width, input_height);
    if ((unsigned)image->format > YOLK_PIXEL_NV12)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "pixel format %d is none of yolk's", (int)image->format);
    yk_plane planes[3];
    const int count = yk_image_planes(image, planes);
    yolk_status status = YOLK_OK;
    for (int i = 0; i < count && status == YOLK_OK; i++)
        status = check_plane(image, i, (int)planes[i].row);
    return status;
}

/* ---- preparing ---- */

/* Every part begins aligned. */
static void *carve(uint8_t **at, size_t bytes)
{
    void *p = *at;
    *at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return p;
}

static yolk_status get_memory(job *j, yk_letterbox_scratch *scratch)
{
    const size_t width = (size_t)j->fit->width, channels = (size_t)YK_MAX(j->main.channels, j->chroma.channels);
    const size_t blend = ((size_t)j->main.width + 1) * channels + YK_ROW_SLACK;
    const size_t column = sizeof(int32_t) + sizeof(yk_shares);
    const size_t size = width * (2 * column + 3 * sizeof(int16_t)) + blend * sizeof(int16_t) + 8 * (size_t)ALIGNMENT;
    if (scratch->size < size) {
        yk_free(scratch->memory);
        scratch->size = 0;
        scratch->memory = yk_alloc_aligned(size);
        if (!scratch->memory)
            return YOLK_ERROR_OUT_OF_MEMORY;
        scratch->size = size;
    }
    uint8_t *at = scratch->memory;
    for (int g = 0; g < 2; g++) {
        yk_columns *columns = g == 0 ? &j->main.columns : &j->chroma.columns;
        columns->index = carve(&at, width * sizeof(int32_t));
        columns->shares = carve(&at, width * sizeof(yk_shares));
    }
    for (int i = 0; i < 3; i++)
        j->samples[i] = carve(&at, width * sizeof(int16_t));
    j->blend = carve(&at, blend * sizeof(int16_t));
    return YOLK_OK;
}

/* Splits a position into the sample at or before it and the share of the one after it; beyond the ends the end holds.
 */
static int split(double position, int count, double *share)
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

static void find_columns(grid *g, int count)
{
    for (int x = 0; x < count; x++) {
        double share;
        const int index = split((x + 0.5) * g->step_x + g->offset_x, g->width, &share);
        const int right = (int)lrint(share * YK_ROW_SHARE);
        g->columns.index[x] = index * g->channels;
        g->columns.shares[x] = (yk_shares){(int16_t)(YK_ROW_SHARE - right), (int16_t)right};
    }
}

static void prepare_grids(job *j)
{
    const yolk_image *image = j->image;
    const double step_x = (double)image->width / j->fit->width, step_y = (double)image->height / j->fit->height;
    j->main = (grid){.width = image->width,
                     .height = image->height,
                     .channels = planar(image->format) ? 1 : 3,
                     .step_x = step_x,
                     .step_y = step_y,
                     .offset_x = -0.5,
                     .offset_y = -0.5};
    /* A chroma sample lies on the left one of its two columns and between its two rows, as in MPEG-2 and all after. */
    j->chroma = (grid){.width = image->width / 2 + image->width % 2,
                       .height = image->height / 2 + image->height % 2,
                       .channels = image->format == YOLK_PIXEL_NV12 ? 2 : 1,
                       .step_x = step_x / 2,
                       .step_y = step_y / 2,
                       .offset_x = -0.25,
                       .offset_y = -0.5};
}

/* ---- running ---- */

/* Blends what row `y` of the result needs of a plane. */
static void blend(const job *j, const grid *g, int plane, int y)
{
    double share;
    const int row = split((y + 0.5) * g->step_y + g->offset_y, g->height, &share);
    const uint8_t *a = j->image->planes[plane] + (ptrdiff_t)row * j->image->strides[plane];
    const uint8_t *b = row + 1 < g->height ? a + j->image->strides[plane] : a;
    const size_t count = (size_t)g->width * (size_t)g->channels;
    yk_row_blend(a, b, (int)(share * YK_ROW_WEIGHT), count, j->blend);
    /* The last column has a right neighbour too, of weight 0. */
    for (size_t c = 0; c < (size_t)g->channels; c++)
        j->blend[count + c] = j->blend[count - (size_t)g->channels + c];
}

/* Makes row `y` of the picture at `out`. */
static void make_row(const job *j, int y, bool bgr, uint8_t *out)
{
    const size_t width = (size_t)j->fit->width;
    const yolk_pixel_format format = j->image->format;
    blend(j, &j->main, 0, y);
    if (!planar(format)) {
        yk_row_sample3(j->blend, &j->main.columns, bgr != (format == YOLK_PIXEL_BGR24), width, out);
        return;
    }
    yk_row_sample1(j->blend, &j->main.columns, width, j->samples[0]);
    blend(j, &j->chroma, 1, y);
    if (format == YOLK_PIXEL_NV12) {
        yk_row_sample2(j->blend, &j->chroma.columns, width, j->samples[1], j->samples[2]);
    } else {
        yk_row_sample1(j->blend, &j->chroma.columns, width, j->samples[1]);
        blend(j, &j->chroma, 2, y);
        yk_row_sample1(j->blend, &j->chroma.columns, width, j->samples[2]);
    }
    yk_row_convert(j->samples[0], j->samples[1], j->samples[2], &j->matrix, bgr, width, out);
}

yolk_status yk_letterbox_run(const yolk_image *image, const yk_letterbox *fit, bool bgr, int input_width,
                             int input_height, uint8_t *out, yk_letterbox_scratch *scratch)
{
    job j = {.image = image, .fit = fit};
    yolk_status status = yk_image_needs_host(image, "the processor");
    if (status == YOLK_OK)
        status = yk_letterbox_check(image, fit, input_width, input_height);
    if (status != YOLK_OK)
        return status;
    prepare_grids(&j);
    status = get_memory(&j, scratch);
    if (status != YOLK_OK)
        return status;
    find_columns(&j.main, fit->width);
    if (planar(image->format)) {
        find_columns(&j.chroma, fit->width);
        j.matrix = yk_row_matrix_of(image->matrix, image->full_range);
    }

    const size_t row_bytes = (size_t)input_width * 3, width = (size_t)fit->width;
    const size_t left = (size_t)fit->pad_x * 3, right = row_bytes - left - width * 3;
    const int top = (int)fit->pad_y, bottom = input_height - top - fit->height;
    memset(out, PADDING, (size_t)top * row_bytes);
    out += (size_t)top * row_bytes;
    for (int y = 0; y < fit->height; y++, out += row_bytes) {
        memset(out, PADDING, left);
        make_row(&j, y, bgr, out + left);
        memset(out + left + width * 3, PADDING, right);
    }
    memset(out, PADDING, (size_t)bottom * row_bytes);
    return YOLK_OK;
}

void yk_letterbox_scratch_free(yk_letterbox_scratch *scratch)
{
    yk_free(scratch->memory);
    *scratch = (yk_letterbox_scratch){.memory = NULL};
}
