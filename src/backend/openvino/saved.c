/* Compiled networks as bytes and back. OpenVINO writes them to files alone, and takes their settings from its core
 * alone. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/openvino/library.h"

/* All of a file that has no name. */
static yolk_status read_all(int fd, yk_buffer *out)
{
    struct stat s;
    if (fstat(fd, &s) != 0)
        return yk_fail_errno(errno, "a compiled network");
    if (s.st_size == 0)
        return yk_fail(YOLK_ERROR_BACKEND, "OpenVINO wrote a compiled network of no bytes");
    void *bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return yk_fail_memory((size_t)s.st_size);
    yk_buffer_add(out, bytes, (size_t)s.st_size);
    munmap(bytes, (size_t)s.st_size);
    return yk_buffer_status(out);
}

yolk_status yk_ov_export(const yk_ov *ov, const ov_compiled_model_t *compiled, yk_buffer *out)
{
    char path[64];
    int fd = memfd_create("yolk", MFD_CLOEXEC);
    if (fd < 0)
        return yk_fail_errno(errno, "a file in memory for a compiled network");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ov_status_e error = ov->compiled_model_export_model(compiled, path);
    yolk_status status = error == 0 ? read_all(fd, out) : yk_ov_fail(ov, error, "cannot save a compiled network");
    close(fd);
    return status;
}

yolk_status yk_ov_import(const yk_ov *ov, const void *bytes, size_t size, const char *const *properties, size_t count,
                         ov_compiled_model_t **out)
{
    /* What is compiled meanwhile brings its own settings and does not look at the core's. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    ov_status_e error = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count && error == 0; i++)
        error = ov->core_set_property(ov->core, "CPU", properties[2 * i], properties[2 * i + 1]);
    if (error == 0)
        error = ov->core_import_model(ov->core, bytes, size, "CPU", out);
    pthread_mutex_unlock(&lock);
    return error == 0 ? YOLK_OK : yk_ov_fail(ov, error, "does not take a compiled network back");
}
