/* A fresh folder for the files of one test program, and files in it. */
#ifndef YK_TEMP_H
#define YK_TEMP_H

#include <ftw.h>
#include <sys/stat.h>

#include "yk_test.h"

static char yk_temp_folder[256];

static inline int yk_temp_remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

/* Group fixtures: cmocka_run_group_tests(tests, yk_temp_make, yk_temp_remove). */
static inline int yk_temp_make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(yk_temp_folder, sizeof yk_temp_folder, "%s/yolk-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(yk_temp_folder) ? 0 : -1;
}

static inline int yk_temp_remove(void **state)
{
    (void)state;
    return nftw(yk_temp_folder, yk_temp_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Path of `name` in the folder, in one of a few buffers used in turn. */
static inline const char *yk_temp_path(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", yk_temp_folder, name);
    return path;
}

/* Writes a file in the folder, making the folders in `name`, and returns its path. */
static inline const char *yk_temp_write(const char *name, const void *bytes, size_t size)
{
    const char *path = yk_temp_path(name);
    char folder[1024];
    for (const char *slash = strchr(path + strlen(yk_temp_folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        mkdir(folder, 0777);
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline const char *yk_temp_text(const char *name, const char *text)
{
    return yk_temp_write(name, text, strlen(text));
}

#endif
