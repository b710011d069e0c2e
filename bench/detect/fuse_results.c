/* Fuses files of COCO results, one a model, as an ensemble would, without running the models again.
 *
 * usage: fuse_results OUTPUT SETTING=VALUE... -- RESULTS...
 * Prints one JSON object: boxes in and out, microseconds a picture. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/fuse.h"
#include "detect/rank.h"

enum { CLASSES = 1024 };

typedef struct picture {
    json_int_t id;
    yk_detections lists[YK_ENSEMBLE_MODELS];
} picture;

static picture *pictures;
static size_t picture_count;

static picture *picture_of(json_int_t id)
{
    for (size_t i = picture_count; i-- > 0;)
        if (pictures[i].id == id)
            return &pictures[i];
    picture *grown = realloc(pictures, (picture_count + 1) * sizeof(*pictures));
    if (!grown)
        return NULL;
    pictures = grown;
    pictures[picture_count] = (picture){.id = id};
    return &pictures[picture_count++];
}

static bool read_results(const char *path, int model)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error), *item;
    size_t i;
    if (!root)
        return fprintf(stderr, "%s: %s\n", path, error.text), false;
    json_array_foreach(root, i, item)
    {
        json_int_t image, category;
        double x, y, w, h, score;
        if (json_unpack(item, "{s:I, s:I, s:F, s:[FFFF]}", "image_id", &image, "category_id", &category, "score",
                        &score, "bbox", &x, &y, &w, &h) != 0)
            return fprintf(stderr, "%s: these are no COCO results\n", path), false;
        picture *p = picture_of(image);
        yolk_detection *d = p && category >= 0 && category < CLASSES ? yk_detections_next(&p->lists[model]) : NULL;
        if (!d)
            return false;
        *d = (yolk_detection){(float)x, (float)y, (float)(x + w), (float)(y + h), (float)score, (int)category, NULL, 0};
        p->lists[model].count++;
    }
    json_decref(root);
    return true;
}

static bool fuse_all(const yk_fuse_options *options, int models, FILE *out)
{
    size_t given = 0, kept = 0;
    uint64_t spent = 0;
    yk_detections fused = {0};
    fputs("[", out);
    for (size_t i = 0; i < picture_count; i++) {
        picture *p = &pictures[i];
        for (int m = 0; m < models; m++)
            given += p->lists[m].count;
        uint64_t start = yk_now_ns();
        if (yk_fuse(options, p->lists, models, &fused) != YOLK_OK)
            return fprintf(stderr, "%s\n", yolk_last_error()), false;
        spent += yk_now_ns() - start;
        for (size_t k = 0; k < fused.count; k++) {
            const yolk_detection *d = &fused.items[k];
            fprintf(out, "%s\n{\"image_id\":%lld,\"category_id\":%d,\"bbox\":[%.3f,%.3f,%.3f,%.3f],\"score\":%.6f}",
                    kept + k ? "," : "", (long long)p->id, d->class_id, (double)d->x1, (double)d->y1,
                    (double)d->x2 - d->x1, (double)d->y2 - d->y1, (double)d->confidence);
        }
        kept += fused.count;
        for (int m = 0; m < models; m++)
            yk_detections_free(&p->lists[m]);
    }
    fputs("]\n", out);
    yk_detections_free(&fused);
    printf("{\"given\": %zu, \"kept\": %zu, \"us_a_picture\": %.1f}\n", given, kept,
           (double)spent / 1e3 / (double)(picture_count ? picture_count : 1));
    return true;
}

int main(int argc, char **argv)
{
    yolk_config config;
    yk_fuse_options options;
    int at = 2, models = 0;
    yolk_config_defaults(&config);
    config.conf = 0;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        char *value = strchr(argv[at], '=');
        if (value)
            *value++ = '\0';
        if (!value || yolk_config_set(&config, argv[at], value) != YOLK_OK)
            return fprintf(stderr, "%s: %s\n", argv[at], yolk_last_error()), 2;
    }
    for (at++; at < argc && models < YK_ENSEMBLE_MODELS; at++)
        if (!read_results(argv[at], models++))
            return 1;
    if (yk_fuse_configure(&config, models, &options) != YOLK_OK)
        return fprintf(stderr, "%s\n", yolk_last_error()), 2;
    FILE *out = fopen(argv[1], "w");
    if (!out || !fuse_all(&options, models, out) || fclose(out) != 0)
        return 1;
    free(pictures);
    return 0;
}
