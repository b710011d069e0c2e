/* Standard input as FFmpeg reads it, whose waiting can be ended from another thread. */
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

static int read_input(void *user, uint8_t *buffer, int size)
{
    const yk_interrupt *interrupt = user;
    struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = interrupt ? interrupt->wake[0] : -1, .events = POLLIN}};
    for (;;) {
        if (poll(wait, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return AVERROR(errno);
        }
        if (wait[1].revents)
            return AVERROR_EXIT;
        ssize_t got = read(STDIN_FILENO, buffer, (size_t)size);
        if (got > 0)
            return (int)got;
        if (got == 0)
            return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN)
            return AVERROR(errno);
    }
}

yolk_status yk_stdin_open(yk_interrupt *interrupt, AVIOContext **out)
{
    enum { BUFFER = 1 << 16 };
    uint8_t *buffer = av_malloc(BUFFER);
    *out = buffer ? avio_alloc_context(buffer, BUFFER, 0, interrupt, read_input, NULL, NULL) : NULL;
    if (*out)
        return YOLK_OK;
    av_free(buffer);
    return yk_fail_memory(BUFFER);
}

void yk_stdin_close(AVIOContext **io)
{
    if (*io)
        av_freep(&(*io)->buffer);
    avio_context_free(io);
}
