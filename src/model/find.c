/* From what a user calls a model to its file. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"

static const char *const endings[] = {".engine", ".onnx", ".pt"}; /* in the order in which they are looked for */

bool yk_is_model_name(const char *name)
{
    for (size_t i = 0; i < YK_COUNT(endings); i++) {
        if (strcmp(yk_extension(name), endings[i]) == 0)
            return true;
    }
    return false;
}

/* Sets *out to FOLDER/NAME<ending> when that is a file. */
static yolk_status try_file(const char *folder, const char *name, const char *ending, char **out)
{
    char *path = yk_format("%s%s%s%s", folder, *folder ? "/" : "", name, ending);
    if (!path)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (yk_is_file(path))
        *out = path;
    else
        yk_free(path);
    return YOLK_OK;
}

static bool is_one_of(const char *name, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* Adds the stems of a folder's model files to a list; a folder that cannot be read has none. */
static yolk_status add_stems(const char *folder, char ***stems, size_t *count, size_t *capacity)
{
    char **names;
    size_t name_count;
    yolk_status status = YOLK_OK;
    if (yk_list_directory(folder, &names, &name_count) != YOLK_OK)
        return YOLK_OK;
    for (size_t i = 0; i < name_count && status == YOLK_OK; i++) {
        if (!yk_is_model_name(names[i]))
            continue;
        char *stem = yk_path_stem(names[i]);
        if (stem && is_one_of(stem, *stems, *count)) {
            yk_free(stem);
            continue;
        }
        status = stem ? yk_grow(stems, capacity, *count + 1, sizeof **stems) : YOLK_ERROR_OUT_OF_MEMORY;
        if (status == YOLK_OK)
            (*stems)[(*count)++] = stem;
        else
            yk_free(stem);
    }
    yk_names_free(names);
    return status;
}

/* The sentence for a model that is nowhere: where was looked, and what is there instead. */
static yolk_status fail_missing(const char *folder, const char *name)
{
    char **stems = NULL;
    size_t count = 0, capacity = 0;
    char *stem = yk_path_stem(name);
    yolk_status status = stem ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = add_stems(folder, &stems, &count, &capacity);
    if (status == YOLK_OK)
        status = add_stems(".", &stems, &count, &capacity);
    if (status == YOLK_OK) {
        const char *nearest =
            yk_nearest(yk_is_model_name(name) ? stem : yk_base_name(name), (const char *const *)stems, count);
        const char *place = yk_is_directory(folder) ? "" : ", which does not exist,";
        const char *tail = yk_is_model_name(name) ? "" : " with .engine, .onnx or .pt behind its name";
        if (nearest)
            status = yk_fail(YOLK_ERROR_NOT_FOUND,
                             "model '%s' is neither in %s%s nor in the working folder%s; did you mean '%s'?", name,
                             folder, place, tail, nearest);
        else
            status =
                yk_fail(YOLK_ERROR_NOT_FOUND,
                        "model '%s' is neither in %s%s nor in the working folder%s; name a file, or set the folder "
                        "of models with models_dir (--models)",
                        name, folder, place, tail);
    }
    for (size_t i = 0; i < count; i++)
        yk_free(stems[i]);
    yk_free(stems);
    yk_free(stem);
    return status;
}

/* The first that is there, from endings[first] on. */
static yolk_status find_in_places(const char *folder, const char *name, size_t first, char **out)
{
    const char *const places[] = {folder, ""};
    yolk_status status = YOLK_OK;
    for (size_t i = 0; i < YK_COUNT(places); i++) {
        for (size_t k = first; k < YK_COUNT(endings) && status == YOLK_OK && !*out; k++)
            status = try_file(places[i], name, endings[k], out);
    }
    return status;
}

yolk_status yk_model_find_source(const char *folder, const char *name, const char *engine, char **out)
{
    *out = NULL;
    char *beside = yk_strndup(engine, (size_t)(yk_base_name(engine) - engine)), *stem = yk_path_stem(engine);
    yolk_status status = beside && stem ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    /* try_file() puts the slash there itself. */
    if (status == YOLK_OK && *beside)
        beside[strlen(beside) - 1] = '\0';
    for (size_t k = 1; k < YK_COUNT(endings) && status == YOLK_OK && !*out; k++)
        status = try_file(beside, stem, endings[k], out);
    if (status == YOLK_OK && !*out && !yk_is_model_name(name))
        status = find_in_places(folder, name, 1, out);
    yk_free(beside);
    yk_free(stem);
    return status;
}

yolk_status yk_model_find(const char *folder, const char *name, char **out)
{
    *out = NULL;
    if (!*name)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "model: the name is empty");
    /* A file as it is named, pipes included. */
    if (access(name, F_OK) == 0 && (!yk_is_directory(name) || strchr(name, '/'))) {
        *out = yk_strdup(name);
        return *out ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    }
    yolk_status status = YOLK_OK;
    if (yk_is_model_name(name)) {
        status = try_file(folder, name, "", out);
    } else {
        status = find_in_places(folder, name, 0, out);
    }
    if (status == YOLK_OK && !*out)
        status = fail_missing(folder, name);
    if (status != YOLK_OK) {
        yk_free(*out);
        *out = NULL;
    }
    return status;
}

/* First bytes of a regular file; a pipe is left alone, as it can be read only once. */
static size_t read_start(const char *path, uint8_t *bytes, size_t size)
{
    int fd = yk_is_file(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, bytes, size);
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* ultralytics writes the length of its JSON as 4 bytes, the JSON, then TensorRT's plan, and yolk does the same for
 * those who read it. A plan begins with "ftrt", or "vtrt" when it is TensorRT-RTX's. */
typedef enum kind { KIND_ENGINE, KIND_ZIP, KIND_PLAN, KIND_ULTRALYTICS, KIND_BUILT, KIND_OTHER, KIND_UNREADABLE } kind;

static kind kind_of(const char *path)
{
    uint8_t start[12] = {0};
    size_t n = read_start(path, start, sizeof start);
    if (n == 0)
        return KIND_UNREADABLE;
    if (yk_engine_matches(start, n))
        return KIND_ENGINE;
    if (n < 8)
        return KIND_OTHER;
    if (memcmp(start, "PK\3\4", 4) == 0)
        return KIND_ZIP;
    if (memcmp(start, "ftrt", 4) == 0 || memcmp(start, "vtrt", 4) == 0)
        return KIND_PLAN;
    if (start[2] < 0x10 && start[3] == 0 && start[4] == '{' && start[5] == '"')
        return memcmp(start + 6, "yolk\":", 6) == 0 ? KIND_BUILT : KIND_ULTRALYTICS;
    return KIND_OTHER;
}

bool yk_model_is_engine(const char *path)
{
    return kind_of(path) == KIND_ENGINE;
}

bool yk_model_is_foreign_engine(const char *path)
{
    const kind k = kind_of(path);
    return k == KIND_PLAN || k == KIND_ULTRALYTICS || k == KIND_BUILT;
}

const char *yk_model_format(const char *path)
{
    switch (kind_of(path)) {
    case KIND_ZIP:
        return "pt";
    case KIND_ENGINE:
    case KIND_PLAN:
    case KIND_ULTRALYTICS:
    case KIND_BUILT:
        return "engine";
    case KIND_OTHER:
    case KIND_UNREADABLE:
        break;
    }
    return yk_is_model_name(path) ? yk_extension(path) + 1 : "onnx";
}

yolk_status yk_model_refuse_engine(const char *path)
{
    kind k = kind_of(path);
    if (k == KIND_PLAN || k == KIND_ULTRALYTICS || k == KIND_BUILT)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s: this is a TensorRT engine%s, which runs only with the TensorRT and on the GPU it was built "
                       "for; give the .pt or .onnx it was made from",
                       path,
                       k == KIND_ULTRALYTICS ? " exported by ultralytics"
                       : k == KIND_BUILT     ? " that yolk built for others"
                                             : "");
    if (k == KIND_OTHER && strcmp(yk_extension(path), ".engine") == 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s: this is not an engine that yolk knows; give the .pt or .onnx it was made from", path);
    return YOLK_OK;
}
