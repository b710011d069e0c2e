/* Finding and opening OpenVINO, and its errors as sentences. */
#include "backend/openvino/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY    "libopenvino_c.so"
#define HOW_TO_GET "run scripts/setup.sh, or set YOLK_OPENVINO to the folder that holds " LIBRARY

/* Path of the library in one of the layouts that `folder` may have, or NULL: the folder itself, that of the Python
 * package ("libs") or of an installation ("lib"). Allocated. */
static char *find_in(const char *folder)
{
    static const char *const below[] = {"", "/lib", "/libs"};
    char *found = NULL;
    for (size_t i = 0; i < YK_COUNT(below) && !found; i++) {
        char *place = yk_format("%s%s", folder, below[i]);
        char **names = NULL;
        size_t count = 0;
        if (!place)
            return NULL;
        if (yk_is_directory(place) && yk_list_directory(place, &names, &count) == YOLK_OK) {
            /* The last of "libopenvino_c.so", "libopenvino_c.so.2641" is the newest. */
            for (size_t n = count; n-- > 0 && !found;) {
                if (strncmp(names[n], LIBRARY, strlen(LIBRARY)) == 0)
                    found = yk_path_join(place, names[n]);
            }
            yk_names_free(names);
        }
        yk_free(place);
    }
    return found;
}

static yolk_status open_handle(const char *folder, void **out)
{
    static const char *const usual[] = {YOLK_OPENVINO_DIR, YOLK_LIBDIR};
    char *path = NULL;
    if (folder && folder[0]) {
        path = find_in(folder);
        if (!path)
            return yk_fail(YOLK_ERROR_BACKEND, "OpenVINO: there is no %s in %s, the folder that YOLK_OPENVINO names",
                           LIBRARY, folder);
    }
    for (size_t i = 0; i < YK_COUNT(usual) && !path; i++) {
        if (usual[i][0])
            path = find_in(usual[i]);
    }
    /* The files beside it are found by its run path, which is its own folder. */
    *out = dlopen(path ? path : LIBRARY, RTLD_NOW | RTLD_LOCAL);
    yolk_status status = YOLK_OK;
    if (!*out && path)
        status = yk_fail(YOLK_ERROR_BACKEND, "OpenVINO: %s cannot be opened: %s", path, dlerror());
    else if (!*out)
        status =
            yk_fail(YOLK_ERROR_BACKEND, "OpenVINO is missing (%s is neither in %s%s%s nor where the system looks): %s",
                    LIBRARY, usual[0], usual[0][0] ? ", in " : "", usual[1], HOW_TO_GET);
    yk_free(path);
    return status;
}

/* dlsym() gives a pointer to data, which C does not turn into one to a function. */
static bool look_up(void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

yolk_status yk_ov_open(const char *folder, yk_ov *out)
{
    *out = (yk_ov){.handle = NULL};
    yolk_status status = open_handle(folder, &out->handle);
    if (status != YOLK_OK)
        return status;
    const char *missing = NULL;
#define LOOK_UP(result, name, parameters)                                                                              \
    if (!look_up(out->handle, "ov_" #name, &out->name))                                                                \
        missing = "ov_" #name;
    YK_OV_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    if (missing) {
        status = yk_fail(YOLK_ERROR_BACKEND, "OpenVINO: the library that was found lacks %s, it is too old: %s",
                         missing, HOW_TO_GET);
        goto fail;
    }
    ov_status_e created = out->core_create(&out->core);
    if (created != 0) {
        status = yk_ov_fail(out, created, "does not start");
        goto fail;
    }
    return YOLK_OK;
fail:
    yk_ov_close(out);
    return status;
}

void yk_ov_close(yk_ov *ov)
{
    if (ov->core)
        ov->core_free(ov->core);
    if (ov->handle)
        dlclose(ov->handle);
    *ov = (yk_ov){.handle = NULL};
}

yolk_status yk_ov_get(const yk_ov **out)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static yk_ov ov;
    pthread_mutex_lock(&lock);
    yolk_status status = ov.core ? YOLK_OK : yk_ov_open(getenv("YOLK_OPENVINO"), &ov);
    pthread_mutex_unlock(&lock);
    *out = status == YOLK_OK ? &ov : NULL;
    return status;
}

/* Copies OpenVINO's text as one line, without the lines that name its source files. */
static void copy_words(const char *text, char *out, size_t size)
{
    static const char trace[] = "Exception from ";
    size_t n = 0;
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (strncmp(text, trace, strlen(trace)) != 0) {
            for (size_t i = 0; i < length && n + 2 < size; i++)
                out[n++] = text[i];
            if (length > 0 && n + 2 < size)
                out[n++] = ' ';
        }
        text += length + (text[length] == '\n');
    }
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
        n--;
    out[n] = '\0';
}

yolk_status yk_ov_fail(const yk_ov *ov, ov_status_e status, const char *what)
{
    char words[600] = "";
    const char *text = ov->get_last_err_msg();
    if (text) {
        copy_words(text, words, sizeof words);
        ov->free(text);
    }
    if (!words[0]) {
        const char *general = ov->get_error_info(status);
        copy_words(general ? general : "", words, sizeof words);
    }
    return yk_fail(YOLK_ERROR_BACKEND, "OpenVINO %s: %s", what, words[0] ? words : "it does not say why");
}
