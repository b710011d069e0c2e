/* Standard input and pipes as FFmpeg reads them; waiting for them can be ended from another thread. */
#include "video/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

struct yk_interrupt {
    int wake[2]; /* a pipe: a byte in it ends the waiting */
    atomic_bool raised;
};

yolk_status yk_interrupt_create(yk_interrupt **out)
{
    *out = NULL;
    yk_interrupt *interrupt = yk_calloc(1, sizeof(*interrupt));
    if (!interrupt)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (pipe2(interrupt->wake, O_CLOEXEC | O_NONBLOCK) < 0) {
        yk_free(interrupt);
        return yk_fail_errno(errno, "a pipe cannot be made");
    }
    *out = interrupt;
    return YOLK_OK;
}

void yk_interrupt_raise(yk_interrupt *interrupt)
{
    atomic_store(&interrupt->raised, true);
    /* A pipe too full for one more byte wakes as well. */
    ssize_t written = write(interrupt->wake[1], "", 1);
    (void)written;
}

bool yk_interrupt_raised(const yk_interrupt *interrupt)
{
    return interrupt && atomic_load(&interrupt->raised);
}

void yk_interrupt_destroy(yk_interrupt **interrupt)
{
    if (!*interrupt)
        return;
    close((*interrupt)->wake[0]);
    close((*interrupt)->wake[1]);
    yk_free(*interrupt);
    *interrupt = NULL;
}

typedef struct stream {
    int fd;
    bool owned;
    const yk_interrupt *interrupt; /* or NULL */
} stream;

static int read_stream(void *user, uint8_t *buffer, int size)
{
    const stream *s = user;
    struct pollfd wait[2] = {{.fd = s->fd, .events = POLLIN},
                             {.fd = s->interrupt ? s->interrupt->wake[0] : -1, .events = POLLIN}};
    for (;;) {
        if (poll(wait, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return AVERROR(errno);
        }
        if (wait[1].revents)
            return AVERROR_EXIT;
        ssize_t got = read(s->fd, buffer, (size_t)size);
        if (got > 0)
            return (int)got;
        if (got == 0)
            return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN)
            return AVERROR(errno);
    }
}

yolk_status yk_stream_open(const char *path, const yk_interrupt *interrupt, AVIOContext **out)
{
    enum { BUFFER = 1 << 16 };
    *out = NULL;
    uint8_t *buffer = NULL;
    stream *s = yk_calloc(1, sizeof(*s));
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = YOLK_OK;
    /* Opened without waiting for a writer: poll() waits for that too. */
    *s = (stream){.fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : STDIN_FILENO,
                  .owned = path != NULL,
                  .interrupt = interrupt};
    if (s->fd < 0) {
        status = yk_fail_errno(errno, "%s", path);
        goto fail;
    }
    buffer = av_malloc(BUFFER);
    *out = buffer ? avio_alloc_context(buffer, BUFFER, 0, s, read_stream, NULL, NULL) : NULL;
    if (*out)
        return YOLK_OK;
    status = yk_fail_memory(BUFFER);
fail:
    av_free(buffer);
    if (s->owned && s->fd >= 0)
        close(s->fd);
    yk_free(s);
    return status;
}

void yk_stream_close(AVIOContext **io)
{
    if (!*io)
        return;
    stream *s = (*io)->opaque;
    if (s->owned)
        close(s->fd);
    yk_free(s);
    av_freep(&(*io)->buffer);
    avio_context_free(io);
}
