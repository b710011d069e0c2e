/* What a frame costs around the network, on one core: letterbox, head decoding, suppression. Each result is checked
 * against a plain version first.
 *
 * usage: detect_kernels [ROUNDS]
 * Prints one JSON object a line: kernel, what it was given, best_ms, median_ms, error (largest difference found). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/picture.h"
#include "detect/detect.h"

static uint32_t state = 1;

static uint32_t noise(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static float uniform(void)
{
    return (float)noise() / (1 << 24);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int rounds = 300;

/* Times `statement`, which may fail; `error` is what checking found. */
#define TIME(kernel, given, error, statement)                                                                          \
    do {                                                                                                               \
        double *times = malloc((size_t)rounds * sizeof(*times));                                                       \
        for (int r_ = 0; times && r_ < rounds; r_++) {                                                                 \
            const uint64_t start_ = yk_now_ns();                                                                       \
            if (statement)                                                                                             \
                return 1;                                                                                              \
            times[r_] = (double)(yk_now_ns() - start_) / 1e6;                                                          \
        }                                                                                                              \
        if (!times)                                                                                                    \
            return 1;                                                                                                  \
        qsort(times, (size_t)rounds, sizeof(*times), by_value);                                                        \
        printf("{\"kernel\": \"%s\", \"given\": \"%s\", \"best_ms\": %.4f, \"median_ms\": %.4f, \"error\": %g}\n",     \
               kernel, given, times[0], times[rounds / 2], (double)(error));                                           \
        free(times);                                                                                                   \
    } while (0)

/* ---- letterbox ---- */

static double at(const uint8_t *plane, int width, int height, int stride, int step, double x, double y)
{
    x = fmin(fmax(x, 0), width - 1);
    y = fmin(fmax(y, 0), height - 1);
    const int l = (int)x, t = (int)y, r = l + 1 < width ? l + 1 : l, b = t + 1 < height ? t + 1 : t;
    const double fx = x - l, fy = y - t;
    const uint8_t *top = plane + (size_t)t * (size_t)stride, *bottom = plane + (size_t)b * (size_t)stride;
    return (top[l * step] * (1 - fx) + top[r * step] * fx) * (1 - fy) +
           (bottom[l * step] * (1 - fx) + bottom[r * step] * fx) * fy;
}

/* Largest difference between `out` and the plain formula, BT.709 limited range or RGB. */
static double letterbox_error(const yolk_image *image, const yk_letterbox *fit, int input_width, const uint8_t *out)
{
    double worst = 0;
    const int half_w = (image->width + 1) / 2, half_h = (image->height + 1) / 2;
    for (int y = 0; y < fit->height; y++) {
        for (int x = 0; x < fit->width; x++) {
            const double sx = (x + 0.5) * image->width / fit->width - 0.5,
                         sy = (y + 0.5) * image->height / fit->height - 0.5;
            double rgb[3];
            if (image->format == YOLK_PIXEL_RGB24) {
                for (int c = 0; c < 3; c++)
                    rgb[c] = at(image->planes[0] + c, image->width, image->height, image->strides[0], 3, sx, sy);
            } else {
                const bool nv12 = image->format == YOLK_PIXEL_NV12;
                const uint8_t *v_plane = nv12 ? image->planes[1] + 1 : image->planes[2];
                const double l =
                    (at(image->planes[0], image->width, image->height, image->strides[0], 1, sx, sy) - 16) * 255 / 219;
                const double u =
                    (at(image->planes[1], half_w, half_h, image->strides[1], nv12 ? 2 : 1, sx / 2, sy / 2 - 0.25) -
                     128) *
                    255 / 224;
                const double v =
                    (at(v_plane, half_w, half_h, image->strides[nv12 ? 1 : 2], nv12 ? 2 : 1, sx / 2, sy / 2 - 0.25) -
                     128) *
                    255 / 224;
                rgb[0] = l + 1.5748 * v;
                rgb[1] = l - 0.187324 * u - 0.468124 * v;
                rgb[2] = l + 1.8556 * u;
            }
            const uint8_t *got =
                out + ((size_t)(y + (int)fit->pad_y) * (size_t)input_width + (size_t)(x + (int)fit->pad_x)) * 3;
            for (int c = 0; c < 3; c++)
                worst = fmax(worst, fabs(fmin(fmax(rgb[c], 0), 255) - got[c]));
        }
    }
    return worst;
}

static int letterboxes(void)
{
    static const struct {
        const char *given;
        int width, height, input_width, input_height;
        yolk_pixel_format format;
    } rows[] = {
        {"1920x1080 I420 -> 384x640", 1920, 1080, 640, 384, YOLK_PIXEL_I420},
        {"1920x1080 NV12 -> 384x640", 1920, 1080, 640, 384, YOLK_PIXEL_NV12},
        {"1920x1080 RGB24 -> 384x640", 1920, 1080, 640, 384, YOLK_PIXEL_RGB24},
        {"768x576 I420 -> 480x640", 768, 576, 640, 480, YOLK_PIXEL_I420},
        {"640x480 RGB24 -> 640x640", 640, 480, 640, 640, YOLK_PIXEL_RGB24},
        {"3840x2160 I420 -> 384x640", 3840, 2160, 640, 384, YOLK_PIXEL_I420},
    };
    yk_letterbox_scratch scratch = {0};
    for (size_t i = 0; i < YK_COUNT(rows); i++) {
        const int w = rows[i].width, h = rows[i].height;
        uint8_t *pixels = malloc((size_t)w * (size_t)h * 3);
        uint8_t *out = malloc((size_t)rows[i].input_width * (size_t)rows[i].input_height * 3);
        if (!pixels || !out)
            return 1;
        for (size_t k = 0; k < (size_t)w * (size_t)h * 3; k++)
            pixels[k] = (uint8_t)noise();
        const yolk_image kind = {.width = w, .height = h, .format = rows[i].format, .matrix = YOLK_MATRIX_BT709};
        const yolk_image image = yk_image_at(&kind, pixels);
        const yk_letterbox fit = yk_letterbox_fit(w, h, rows[i].input_width, rows[i].input_height, false);
        if (yk_letterbox_run(&image, &fit, false, rows[i].input_width, rows[i].input_height, out, &scratch))
            return 1;
        const double error = letterbox_error(&image, &fit, rows[i].input_width, out);
        TIME("letterbox", rows[i].given, error,
             yk_letterbox_run(&image, &fit, false, rows[i].input_width, rows[i].input_height, out, &scratch));
        free(pixels);
        free(out);
    }
    yk_letterbox_scratch_free(&scratch);
    return 0;
}

/* ---- decoding ---- */

enum { CLASSES = 80, LEVELS = 3 };

static int decoding(const char *given, yk_head head, float conf, float share, int height, int width)
{
    static const int strides[LEVELS] = {8, 16, 32};
    float *values[2 * LEVELS];
    yk_shape shapes[2 * LEVELS];
    yk_detections found = {0};
    size_t expected = 0;
    const float threshold = logf(conf / (1 - conf));
    head.kind = YK_HEAD_ANCHOR_FREE;
    head.classes = CLASSES;
    head.levels = LEVELS;
    head.max_det = 300;
    for (int l = 0; l < LEVELS; l++) {
        head.strides[l] = strides[l];
        for (int k = 0; k < 2; k++) {
            yk_shape *s = &shapes[2 * l + k];
            *s = (yk_shape){4, {1, k ? CLASSES : 4 * head.reg_max, height / strides[l], width / strides[l]}};
            const size_t count = (size_t)yk_shape_count(s), cells = (size_t)(s->dims[2] * s->dims[3]);
            float *v = values[2 * l + k] = malloc(count * sizeof(float));
            if (!v)
                return 1;
            for (size_t i = 0; i < count; i++)
                v[i] = k ? -12 + uniform() * 3 : uniform() * 4;
            for (size_t i = 0; k && i < cells; i++) {
                if (uniform() < share)
                    v[noise() % CLASSES * cells + i] = threshold + 0.001f + uniform() * 4;
            }
            for (size_t i = 0; k && i < count; i++)
                expected += v[i] > threshold;
        }
    }
    const yk_detect_options options = {.conf = conf, .iou = 0.7f, .max_det = 300};
    if (yk_decode(&head, (const float *const *)values, shapes, 0, width, height, &options, &found))
        return 1;
    if (head.end2end)
        expected = YK_MIN(expected, (size_t)300);
    const double error = fabs((double)found.count - (double)expected);
    TIME("decode", given, error,
         yk_decode(&head, (const float *const *)values, shapes, 0, width, height, &options, &found));
    for (int i = 0; i < 2 * LEVELS; i++)
        free(values[i]);
    yk_detections_free(&found);
    return 0;
}

/* ---- suppression ---- */

static double overlap(const yolk_detection *a, const yolk_detection *b)
{
    const double w = fmin(a->x2, b->x2) - fmax(a->x1, b->x1), h = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
    const double common = w > 0 && h > 0 ? w * h : 0;
    return common / ((double)(a->x2 - a->x1) * (a->y2 - a->y1) + (double)(b->x2 - b->x1) * (b->y2 - b->y1) - common);
}

static int suppression(const char *given, size_t count, int classes, int max_det)
{
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = classes};
    const yk_detect_options options = {.conf = 0.001f, .iou = 0.7f, .max_det = max_det};
    yk_detections d = {0};
    yolk_detection *source = malloc(count * sizeof(*source));
    if (!source || yk_grow(&d.items, &d.capacity, count, sizeof(*source)))
        return 1;
    for (size_t i = 0; i < count; i++) {
        /* Around few centres, as an object's candidates lie. */
        const float x = 40 + (float)(noise() % 12) * 50 + uniform() * 6,
                    y = 40 + (float)(noise() % 12) * 50 + uniform() * 6;
        const float w = 20 + uniform() * 40, h = 20 + uniform() * 40;
        source[i] = (yolk_detection){
            x - w, y - h, x + w, y + h, 0.001f + 0.9f * uniform(), (int)(noise() % (uint32_t)classes), NULL, 0};
    }
    memcpy(d.items, source, count * sizeof(*source));
    d.count = count;
    if (yk_suppress(&head, &options, &d))
        return 1;
    /* No two kept ones overlap, and what was left out is covered by a better one that was kept or comes after the last.
     */
    double error = 0;
    for (size_t i = 0; i < d.count; i++) {
        for (size_t k = 0; k < i; k++)
            error += d.items[i].class_id == d.items[k].class_id && overlap(&d.items[i], &d.items[k]) > 0.7001;
    }
    for (size_t i = 0; i < count; i++) {
        bool explained = source[i].confidence < d.items[d.count - 1].confidence;
        for (size_t k = 0; k < d.count && !explained; k++)
            explained = d.items[k].class_id == source[i].class_id && d.items[k].confidence >= source[i].confidence &&
                        overlap(&d.items[k], &source[i]) > 0.6999;
        error += !explained;
    }
    TIME("suppress", given, error,
         (memcpy(d.items, source, count * sizeof(*source)), d.count = count, yk_suppress(&head, &options, &d)));
    free(source);
    yk_detections_free(&d);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = atoi(argv[1]);
    if (rounds < 1) {
        fprintf(stderr, "usage: detect_kernels [ROUNDS]\n");
        return 2;
    }
    const yk_head dfl = {.reg_max = 16}, one_to_one = {.reg_max = 1, .end2end = true};
    if (letterboxes() || decoding("v8, 384x640, 30 found, conf 0.25", dfl, 0.25f, 0.006f, 384, 640) ||
        decoding("v8, 640x640, 2000 found, conf 0.001", dfl, 0.001f, 0.25f, 640, 640) ||
        decoding("one-to-one, 384x640, 30 found, conf 0.25", one_to_one, 0.25f, 0.006f, 384, 640) ||
        decoding("one-to-one, 640x640, 300 found, conf 0.001", one_to_one, 0.001f, 0.25f, 640, 640) ||
        suppression("200 of 80 classes, best 300", 200, 80, 300) ||
        suppression("3000 of 80 classes, best 300", 3000, 80, 300) ||
        suppression("30000 of 1 class, best 300", 30000, 1, 300) ||
        suppression("30000 of 80 classes, all", 30000, 80, 30000)) {
        fprintf(stderr, "detect_kernels: %s\n", yolk_last_error());
        return 1;
    }
    return 0;
}
