/* Files that appear whole or not at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

struct yk_atomic {
    int fd;
    char *path;      /* as the caller names it, for messages */
    char *target;    /* where the file goes: `path` with its symbolic links followed */
    char *temporary; /* NULL when written in place: a pipe or device has no name to take */
};

static void release(yk_atomic **file)
{
    yk_atomic *f = *file;
    if (f->fd >= 0)
        close(f->fd);
    yk_free(f->path);
    yk_free(f->target);
    yk_free(f->temporary);
    yk_free(f);
    *file = NULL;
}

/* Folder part of `path`, with the slash at its end when there is one. */
static char *folder_of(const char *path)
{
    return yk_strndup(path, (size_t)(yk_base_name(path) - path));
}

/* Sets f->target and, when that can be replaced, f->temporary, and opens what is written to. */
static yolk_status open_target(yk_atomic *f)
{
    static atomic_uint serial;
    struct stat s;
    bool exists = stat(f->path, &s) == 0;
    if (exists && S_ISDIR(s.st_mode))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: this is a folder, name a file in it", f->path);
    if (exists && !S_ISREG(s.st_mode)) {
        f->fd = open(f->path, O_WRONLY | O_CLOEXEC);
        return f->fd >= 0 ? YOLK_OK : yk_fail_errno(errno, "%s", f->path);
    }
    char *real = exists ? realpath(f->path, NULL) : NULL;
    f->target = yk_strdup(real ? real : f->path);
    free(real);
    char *folder = f->target ? folder_of(f->target) : NULL;
    if (!folder)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = YOLK_OK;
    if (*folder && !yk_is_directory(folder)) {
        status = yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the folder %s does not exist; make it first", f->path, folder);
        goto end;
    }
    do {
        yk_free(f->temporary);
        f->temporary = yk_format("%s.yolk-%ld-%u.tmp", folder, (long)getpid(), atomic_fetch_add(&serial, 1));
        if (!f->temporary) {
            status = YOLK_ERROR_OUT_OF_MEMORY;
            goto end;
        }
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (f->fd < 0 && errno == EEXIST);
    if (f->fd < 0)
        status = yk_fail_errno(errno, "%s", f->path);
    else
        flock(f->fd, LOCK_EX | LOCK_NB); /* gone when the writer is: how yk_atomic_sweep() knows */
end:
    yk_free(folder);
    return status;
}

yolk_status yk_atomic_open(const char *path, yk_atomic **out)
{
    *out = NULL;
    yk_atomic *f = yk_calloc(1, sizeof *f);
    if (!f)
        return YOLK_ERROR_OUT_OF_MEMORY;
    f->fd = -1;
    f->path = yk_strdup(path);
    yolk_status status = f->path ? open_target(f) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status != YOLK_OK) {
        release(&f);
        return status;
    }
    *out = f;
    return YOLK_OK;
}

yolk_status yk_atomic_write(yk_atomic *file, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    while (size > 0) {
        ssize_t n = write(file->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return yk_fail_errno(errno, "%s", file->path);
        p += n;
        size -= (size_t)n;
    }
    return YOLK_OK;
}

const char *yk_atomic_temporary(const yk_atomic *file)
{
    return file->temporary;
}

/* So that the new name survives a power cut. Not every file system can; the file itself is complete either way. */
static void sync_folder(const char *target)
{
    char *folder = folder_of(target);
    int fd = folder ? open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    yk_free(folder);
}

yolk_status yk_atomic_commit(yk_atomic **file)
{
    yk_atomic *f = *file;
    yolk_status status = YOLK_OK;
    /* EINVAL and ENOTSUP: nothing to sync, as on a pipe. */
    if (fsync(f->fd) != 0 && errno != EINVAL && errno != ENOTSUP) {
        status = yk_fail_errno(errno, "%s", f->path);
        goto fail;
    }
    int closed = close(f->fd);
    f->fd = -1;
    if (closed != 0 || (f->temporary && rename(f->temporary, f->target) != 0)) {
        status = yk_fail_errno(errno, "%s", f->path);
        goto fail;
    }
    if (f->temporary)
        sync_folder(f->target);
    release(file);
    return YOLK_OK;
fail:
    yk_atomic_abort(file);
    return status;
}

void yk_atomic_abort(yk_atomic **file)
{
    if (!*file)
        return;
    if ((*file)->temporary)
        unlink((*file)->temporary);
    release(file);
}

yolk_status yk_write_file(const char *path, const void *bytes, size_t size)
{
    yk_atomic *file;
    yolk_status status = yk_atomic_open(path, &file);
    if (status != YOLK_OK)
        return status;
    status = yk_atomic_write(file, bytes, size);
    if (status == YOLK_OK)
        return yk_atomic_commit(&file);
    yk_atomic_abort(&file);
    return status;
}

/* Nobody holds it, and it is not one whose writer is about to lock it. */
static bool is_left_over(int folder, const char *name)
{
    enum { SECONDS = 60 };
    const size_t n = strlen(name);
    struct stat s;
    if (strncmp(name, ".yolk-", 6) != 0 || n < 4 || strcmp(name + n - 4, ".tmp") != 0)
        return false;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool left = fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_mtime + SECONDS < time(NULL) &&
                flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0)
        close(fd);
    return left;
}

void yk_atomic_sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (is_left_over(dirfd(dir), entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            yk_log(YOLK_LOG_INFO, "%s: removed %s, which somebody who was killed left there", folder, entry->d_name);
    }
    if (dir)
        closedir(dir);
}
