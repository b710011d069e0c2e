/* Ground truth from files. */
#include "convert/truth.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct labelled {
    char *name;
    int64_t id;
    size_t first, count; /* of the boxes */
} labelled;

struct yk_truth {
    char *folder; /* of YOLO labels, or NULL */
    int class_count;
    yk_true_box *boxes;
    size_t box_count, box_capacity;
    labelled *pictures; /* of a COCO file, by name */
    size_t picture_count;
};

/* ---- YOLO: "class cx cy w h" a line, as shares of the picture ---- */

static bool read_numbers(char *line, double out[5])
{
    char *rest = NULL, *word = strtok_r(line, " \t\r", &rest);
    for (int i = 0; i < 5; i++, word = strtok_r(NULL, " \t\r", &rest)) {
        if (!word || !yk_parse_double(word, &out[i]) || !isfinite(out[i]))
            return false;
    }
    return true;
}

static yolk_status add_box(yk_truth *t, yk_true_box box)
{
    yolk_status status = yk_grow(&t->boxes, &t->box_capacity, t->box_count + 1, sizeof *t->boxes);
    if (status == YOLK_OK)
        t->boxes[t->box_count++] = box;
    return status;
}

static yolk_status add_line(yk_truth *t, const char *path, int number, char *line, int width, int height)
{
    double v[5];
    if (line[strspn(line, " \t\r")] == 0)
        return YOLK_OK;
    if (!read_numbers(line, v))
        return yk_fail(YOLK_ERROR_DAMAGED, "%s, line %d: it is not \"class x y width height\"", path, number);
    if (v[0] < 0 || v[0] >= t->class_count || v[0] != floor(v[0]))
        return yk_fail(YOLK_ERROR_DAMAGED, "%s, line %d: there is no class %g, the model's are 0 to %d", path, number,
                       v[0], t->class_count - 1);
    return add_box(t, (yk_true_box){.class_id = (int)v[0],
                                    .x1 = (float)((v[1] - v[3] / 2) * width),
                                    .y1 = (float)((v[2] - v[4] / 2) * height),
                                    .x2 = (float)((v[1] + v[3] / 2) * width),
                                    .y2 = (float)((v[2] + v[4] / 2) * height)});
}

static yolk_status read_labels(yk_truth *t, const char *path, int width, int height)
{
    yk_map map;
    yolk_status status = yk_map_open(path, &map);
    if (status != YOLK_OK)
        return status;
    char *text = yk_strndup((const char *)map.data, map.size), *next = text;
    yk_map_close(&map);
    if (!text)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int number = 1; next && status == YOLK_OK; number++) {
        char *line = strsep(&next, "\n");
        status = add_line(t, path, number, line, width, height);
    }
    yk_free(text);
    return status;
}

/* A picture without a file, or with an empty one, shows nothing that is to be found. */
static yolk_status find_labels(yk_truth *t, const char *picture, int width, int height)
{
    char *stem = yk_path_stem(picture), *name = stem ? yk_format("%s.txt", stem) : NULL;
    char *path = name ? yk_path_join(t->folder, name) : NULL;
    FILE *f = path ? fopen(path, "rb") : NULL;
    yolk_status status = path ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    t->box_count = 0;
    if (f) {
        bool empty = fgetc(f) == EOF;
        fclose(f);
        status = empty ? YOLK_OK : read_labels(t, path, width, height);
    }
    yk_free(path);
    yk_free(name);
    yk_free(stem);
    return status;
}

/* ---- COCO ---- */

static int by_id(const void *a, const void *b)
{
    const labelled *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const labelled *)a)->name, ((const labelled *)b)->name);
}

static yolk_status fail_coco(const char *path, const char *what)
{
    return yk_fail(YOLK_ERROR_DAMAGED, "%s: %s", path, what);
}

static yolk_status read_pictures(yk_truth *t, const char *path, const json_t *images)
{
    t->pictures = yk_calloc(json_array_size(images), sizeof *t->pictures);
    if (!t->pictures)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i), *id = json_object_get(image, "id");
        const char *name = json_string_value(json_object_get(image, "file_name"));
        if (!name || !json_is_integer(id))
            return fail_coco(path, "one of its images has no file_name or id");
        labelled *p = &t->pictures[t->picture_count];
        p->id = json_integer_value(id);
        p->name = yk_strdup(yk_base_name(name));
        if (!p->name)
            return YOLK_ERROR_OUT_OF_MEMORY;
        t->picture_count++;
    }
    qsort(t->pictures, t->picture_count, sizeof *t->pictures, by_id);
    return YOLK_OK;
}

/* The model's class of each category: by name when every name is known, else by number. -1: none. */
static int class_of(const json_t *categories, json_int_t category, bool named, const char *const *names, int count)
{
    if (!named)
        return category >= 0 && category < count ? (int)category : -1;
    for (size_t i = 0; i < json_array_size(categories); i++) {
        const json_t *c = json_array_get(categories, i);
        const char *name = json_string_value(json_object_get(c, "name"));
        if (!name || json_integer_value(json_object_get(c, "id")) != category)
            continue;
        for (int k = 0; k < count; k++) {
            if (yk_equal_ignoring_case(name, names[k]))
                return k;
        }
    }
    return -1;
}

static bool has_names(const json_t *categories, const char *const *names, int count)
{
    for (size_t i = 0; i < json_array_size(categories); i++) {
        const json_t *id = json_object_get(json_array_get(categories, i), "id");
        if (class_of(categories, json_integer_value(id), true, names, count) >= 0)
            return true;
    }
    return false;
}

static int by_picture(const void *a, const void *b)
{
    int64_t x = ((const int64_t *)a)[0], y = ((const int64_t *)b)[0];
    int64_t p = ((const int64_t *)a)[1], q = ((const int64_t *)b)[1];
    return x != y ? (x < y ? -1 : 1) : p < q ? -1 : p > q;
}

static bool read_box(const json_t *annotation, yk_true_box *out)
{
    const json_t *bbox = json_object_get(annotation, "bbox");
    double v[4];
    for (size_t i = 0; i < 4; i++) {
        const json_t *n = json_array_get(bbox, i);
        if (!json_is_number(n))
            return false;
        v[i] = json_number_value(n);
    }
    *out = (yk_true_box){(float)v[0], (float)v[1], (float)(v[0] + v[2]), (float)(v[1] + v[3]), 0, false};
    out->crowd = json_integer_value(json_object_get(annotation, "iscrowd")) != 0;
    return true;
}

/* Annotations come in any order; they are kept picture by picture. */
static yolk_status read_annotations(yk_truth *t, const char *path, const json_t *root, const char *const *names)
{
    const json_t *annotations = json_object_get(root, "annotations"), *categories = json_object_get(root, "categories");
    const size_t count = json_array_size(annotations);
    const bool named = has_names(categories, names, t->class_count);
    int64_t(*order)[2] = yk_calloc(count, sizeof *order);
    yolk_status status = order ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        order[i][0] = json_integer_value(json_object_get(json_array_get(annotations, i), "image_id"));
        order[i][1] = (int64_t)i;
    }
    if (status == YOLK_OK)
        qsort(order, count, sizeof *order, by_picture);
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        const json_t *a = json_array_get(annotations, (size_t)order[i][1]);
        labelled key = {.id = order[i][0]};
        labelled *p = bsearch(&key, t->pictures, t->picture_count, sizeof *t->pictures, by_id);
        yk_true_box box;
        if (!p || !read_box(a, &box)) {
            status = fail_coco(path, "one of its annotations has no bbox or an unknown image_id");
            break;
        }
        box.class_id =
            class_of(categories, json_integer_value(json_object_get(a, "category_id")), named, names, t->class_count);
        if (box.class_id < 0)
            continue;
        if (p->count++ == 0)
            p->first = t->box_count;
        status = add_box(t, box);
    }
    yk_free(order);
    return status;
}

static yolk_status read_coco(yk_truth *t, const char *path, const char *const *names)
{
    yk_map map;
    json_error_t error;
    yolk_status status = yk_map_open(path, &map);
    if (status != YOLK_OK)
        return status;
    json_t *root = json_loadb((const char *)map.data, map.size, 0, &error);
    yk_map_close(&map);
    if (!root)
        return yk_fail(YOLK_ERROR_DAMAGED, "%s, line %d: %s; ground truth is a COCO file or a folder of YOLO labels",
                       path, error.line, error.text);
    if (!json_is_array(json_object_get(root, "images")) || !json_is_array(json_object_get(root, "annotations")))
        status = fail_coco(path, "it has no images and annotations, as ground truth in COCO's format does");
    if (status == YOLK_OK)
        status = read_pictures(t, path, json_object_get(root, "images"));
    if (status == YOLK_OK)
        status = read_annotations(t, path, root, names);
    json_decref(root);
    if (status == YOLK_OK)
        qsort(t->pictures, t->picture_count, sizeof *t->pictures, by_name);
    return status;
}

/* ---- all together ---- */

yolk_status yk_truth_open(const char *path, const char *const *names, int class_count, yk_truth **out)
{
    *out = NULL;
    yk_truth *t = yk_calloc(1, sizeof *t);
    if (!t)
        return YOLK_ERROR_OUT_OF_MEMORY;
    t->class_count = class_count;
    yolk_status status = YOLK_OK;
    if (yk_is_directory(path)) {
        t->folder = yk_strdup(path);
        status = t->folder ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    } else {
        status = read_coco(t, path, names);
    }
    if (status != YOLK_OK) {
        yk_truth_close(&t);
        return status;
    }
    *out = t;
    return YOLK_OK;
}

yolk_status yk_truth_find(yk_truth *t, const char *picture, int width, int height, const yk_true_box **boxes,
                          size_t *count, bool *known)
{
    labelled key = {.name = (char *)picture};
    yolk_status status = YOLK_OK;
    *count = 0;
    if (t->folder) {
        status = find_labels(t, picture, width, height);
        *known = true;
        *boxes = t->boxes;
        *count = t->box_count;
        return status;
    }
    const labelled *p = bsearch(&key, t->pictures, t->picture_count, sizeof *t->pictures, by_name);
    *known = p != NULL;
    *boxes = p && p->count > 0 ? t->boxes + p->first : NULL;
    *count = p ? p->count : 0;
    return YOLK_OK;
}

void yk_truth_close(yk_truth **truth)
{
    yk_truth *t = *truth;
    *truth = NULL;
    if (!t)
        return;
    for (size_t i = 0; i < t->picture_count; i++)
        yk_free(t->pictures[i].name);
    yk_free(t->pictures);
    yk_free(t->boxes);
    yk_free(t->folder);
    yk_free(t);
}
