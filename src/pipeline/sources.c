/* What the inputs of a run stand for. */
#include "pipeline/pipeline.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A video by its name stays one whatever its first frame looks like; else the content decides, then the name. */
static bool is_still(const char *path)
{
    if (yk_names_video(path) || strcmp(path, "-") == 0)
        return false;
    uint8_t head[32];
    /* Opening and closing a pipe would end its writer. */
    int fd = yk_is_file(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t size = fd >= 0 ? read(fd, head, sizeof(head)) : 0;
    if (fd >= 0)
        close(fd);
    return (size > 0 && yk_sniff_picture(head, (size_t)size)) || yk_names_picture(path);
}

/* Takes over `path`, also on failure. */
static yk_source *add(yk_sources *s, char *path)
{
    if (!path || yk_grow(&s->items, &s->capacity, s->count + 1, sizeof(*s->items)) != YOLK_OK) {
        yk_free(path);
        return NULL;
    }
    yk_source *source = &s->items[s->count++];
    *source = (yk_source){.path = path, .still = is_still(path)};
    return source;
}

static yolk_status add_bad(yk_sources *s, const char *input, yolk_status status)
{
    char *error = yk_strdup(yolk_last_error());
    yk_source *source = error ? add(s, yk_strdup(input)) : NULL;
    if (!source) {
        yk_free(error);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    source->error = error;
    source->status = status;
    return YOLK_OK;
}

static yolk_status add_folder(yk_sources *s, const char *folder)
{
    char **names = NULL;
    size_t count = 0, before = s->count;
    yolk_status status = yk_list_directory(folder, &names, &count);
    if (status == YOLK_ERROR_OUT_OF_MEMORY)
        return status;
    if (status != YOLK_OK)
        return add_bad(s, folder, status);
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        if (!yk_names_picture(names[i]) && !yk_names_video(names[i]))
            continue;
        char *path = yk_path_join(folder, names[i]);
        if (path && yk_is_directory(path))
            yk_free(path);
        else if (!add(s, path))
            status = YOLK_ERROR_OUT_OF_MEMORY;
    }
    yk_names_free(names);
    if (status == YOLK_OK && s->count == before) {
        status = yk_fail(YOLK_ERROR_NOT_FOUND, "%s: this folder holds no picture and no video", folder);
        return add_bad(s, folder, status);
    }
    return status;
}

yolk_status yk_sources_expand(const char *const *inputs, size_t count, yk_sources *out)
{
    *out = (yk_sources){0};
    yolk_status status = YOLK_OK;
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        if (yk_is_directory(inputs[i]))
            status = add_folder(out, inputs[i]);
        else if (!add(out, yk_strdup(inputs[i])))
            status = YOLK_ERROR_OUT_OF_MEMORY;
    }
    if (status != YOLK_OK)
        yk_sources_free(out);
    return status;
}

void yk_sources_free(yk_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        yk_free(sources->items[i].path);
        yk_free(sources->items[i].error);
    }
    yk_free(sources->items);
    *sources = (yk_sources){0};
}
