/* What the tests of benchmarks and comparisons share: settings, a network that finds cells of pure colour, pictures of
 * such cells, and a watcher of progress. */
#ifndef BENCH_TEST_H
#define BENCH_TEST_H

#include <jansson.h>

#include "base/base.h"
#include "yk_temp.h"
#include "yk_tiny.h"
#include "yolk/yolk.h"

static const char *const bench_names[YK_TINY_CLASSES] = {"red", "green", "blue"};

/* A path that stays, where those of yk_temp_path() are used in turn. */
static inline const char *bench_path(const char *name)
{
    static char paths[64][512];
    static int used;
    const char *path = yk_temp_path(name);
    for (int i = 0; i < used; i++) {
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    }
    assert_true(used < 64);
    snprintf(paths[used], sizeof paths[0], "%s", path);
    return paths[used++];
}

static inline const char *bench_model(const char *name)
{
    const char *path = bench_path(name);
    if (access(path, R_OK) != 0)
        yk_tiny_write(path, 0, bench_names);
    return path;
}

static inline yolk_config bench_config(void)
{
    yolk_config config;
    yolk_config_defaults(&config);
    assert_ok(yolk_config_set(&config, "backend", "reference"));
    assert_ok(yolk_config_set(&config, "threads", "1"));
    return config;
}

/* A folder of `count` pictures, in each one cell of a class's colour. */
static inline const char *bench_pictures(const char *folder, int count)
{
    static uint8_t pixels[YK_TINY_SIDE * YK_TINY_SIDE * 3];
    char name[64];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%03d.png", folder, i);
        const char *path = yk_temp_text(name, "");
        yolk_image image = yk_tiny_picture(pixels, YK_TINY_SIDE, YK_TINY_SIDE, i % 8, i / 8 % 8, i % 3);
        assert_ok(yolk_image_save(&image, path));
    }
    return bench_path(folder);
}

/* Notes each stage and stops at a call. */
typedef struct watcher {
    int calls, stop_at; /* 0: never */
    double fraction;
    char stages[400][64];
} watcher;

static inline int watch(void *user, const yolk_bench_progress *p)
{
    watcher *w = user;
    assert_true(p->fraction >= w->fraction - 1e-9 && p->fraction <= 1);
    assert_true(p->seconds >= 0);
    assert_true(p->eta < 0 || p->fraction > 0);
    w->fraction = p->fraction;
    snprintf(w->stages[w->calls % 400], sizeof w->stages[0], "%s", p->stage);
    return ++w->calls == w->stop_at;
}

static inline json_t *bench_json(const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("line %d: %s", error.line, error.text);
    return root;
}

/* The value that a path of names and numbers leads to: "rows/0/batch". */
static inline json_t *bench_find(json_t *root, const char *path)
{
    char copy[128], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", path);
    json_t *at = root;
    for (char *part = strtok_r(copy, "/", &rest); part && at; part = strtok_r(NULL, "/", &rest))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(part)) : json_object_get(at, part);
    if (!at)
        fail_msg("%s is not in the report", path);
    return at;
}

#endif
