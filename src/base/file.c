/* Files, folders and paths. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

enum { STREAM_LIMIT = 256 << 20 }; /* bytes read from a pipe or device, which may never end */

bool yk_is_directory(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool yk_is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* What cannot be mapped (a pipe, /proc) is read into memory that can be unmapped like a file. */
static yolk_status read_stream(int fd, const char *path, yk_map *out)
{
    yolk_status status = YOLK_OK;
    yk_buffer b = {0};
    uint8_t chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = yk_fail_errno(errno, "%s", path);
            goto end;
        }
        yk_buffer_add(&b, chunk, (size_t)n);
        if ((status = yk_buffer_status(&b)) != YOLK_OK)
            goto end;
        if (b.size > STREAM_LIMIT) {
            status = yk_fail(YOLK_ERROR_LIMIT, "%s: more than %d MiB come out of this pipe or device; use a plain file",
                             path, STREAM_LIMIT >> 20);
            goto end;
        }
    }
    if (b.size == 0) {
        status = yk_fail(YOLK_ERROR_DAMAGED, "%s: the file is empty", path);
        goto end;
    }
    void *memory = mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        status = yk_fail_memory(b.size);
        goto end;
    }
    memcpy(memory, b.data, b.size);
    *out = (yk_map){.data = memory, .size = b.size, .address = memory};
end:
    yk_buffer_free(&b);
    return status;
}

yolk_status yk_map_open(const char *path, yk_map *out)
{
    *out = (yk_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return yk_fail_errno(errno, "%s", path);
    yolk_status status = YOLK_OK;
    struct stat s;
    if (fstat(fd, &s) != 0) {
        status = yk_fail_errno(errno, "%s", path);
    } else if (S_ISDIR(s.st_mode)) {
        status = yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: this is a folder, a file is needed", path);
    } else if (S_ISREG(s.st_mode) && s.st_size > 0) {
        void *address = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (address == MAP_FAILED)
            status = yk_fail_errno(errno, "%s", path);
        else
            *out = (yk_map){.data = address, .size = (size_t)s.st_size, .address = address, .backed = true};
    } else {
        status = read_stream(fd, path, out);
    }
    close(fd);
    return status;
}

void yk_map_idle(const yk_map *map)
{
    if (map->backed)
        madvise(map->address, map->size, MADV_DONTNEED);
}

void yk_map_close(yk_map *map)
{
    if (map->address)
        munmap(map->address, map->size);
    *map = (yk_map){0};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

yolk_status yk_list_directory(const char *path, char ***names, size_t *count)
{
    *names = NULL;
    *count = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return yk_fail_errno(errno, "%s", path);
    char **list = NULL;
    size_t n = 0, capacity = 0;
    yolk_status status;
    for (;;) {
        /* One entry more than names: the NULL at the end. */
        status = yk_grow(&list, &capacity, n + 1, sizeof *list);
        if (status != YOLK_OK)
            goto fail;
        list[n] = NULL;
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry && errno) {
            status = yk_fail_errno(errno, "%s", path);
            goto fail;
        }
        if (!entry)
            break;
        if (entry->d_name[0] == '.')
            continue;
        list[n] = yk_strdup(entry->d_name);
        if (!list[n]) {
            status = YOLK_ERROR_OUT_OF_MEMORY;
            goto fail;
        }
        n++;
    }
    closedir(dir);
    qsort(list, n, sizeof *list, compare_names);
    *names = list;
    *count = n;
    return YOLK_OK;
fail:
    closedir(dir);
    yk_names_free(list);
    return status;
}

void yk_names_free(char **names)
{
    for (char **name = names; name && *name; name++)
        yk_free(*name);
    yk_free(names);
}

const char *yk_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *yk_extension(const char *path)
{
    const char *name = yk_base_name(path);
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? dot : "";
}

char *yk_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    return yk_format("%s%s%s", folder, n == 0 || folder[n - 1] == '/' ? "" : "/", name);
}

char *yk_path_stem(const char *path)
{
    const char *name = yk_base_name(path);
    return yk_strndup(name, strlen(name) - strlen(yk_extension(path)));
}
