#include "pipeline/sink.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_SIZE = 1 << 16 };

yolk_status yk_write_all(int fd, const char *name, const void *bytes, size_t size, size_t *written)
{
    *written = 0;
    while (*written < size) {
        ssize_t n = write(fd, (const char *)bytes + *written, size - *written);
        if (n >= 0)
            *written += (size_t)n;
        else if (errno == EAGAIN) /* a pipe that another program has told not to wait */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            return yk_fail_errno(errno, "%s", name);
    }
    return YOLK_OK;
}

yolk_status yk_output_open(const char *path, yk_output *out)
{
    *out = (yk_output){0};
    return strcmp(path, "-") == 0 ? YOLK_OK : yk_atomic_open(path, &out->file);
}

yolk_status yk_output_flush(yk_output *out, bool all)
{
    yolk_status status = yk_buffer_status(&out->text);
    if (status != YOLK_OK || (!all && out->text.size < FLUSH_SIZE) || out->text.size == 0)
        return status;
    size_t written;
    status = out->file ? yk_atomic_write(out->file, out->text.data, out->text.size)
                       : yk_write_all(STDOUT_FILENO, "standard output", out->text.data, out->text.size, &written);
    out->text.size = 0;
    return status;
}

yolk_status yk_output_close(yk_output *out, bool commit)
{
    yolk_status status = commit ? yk_output_flush(out, true) : YOLK_OK;
    yk_buffer_free(&out->text);
    if (out->file && commit && status == YOLK_OK)
        return yk_atomic_commit(&out->file);
    yk_atomic_abort(&out->file);
    return status;
}

/* ---- numbers ---- */

static void put_digits(yk_buffer *b, uint64_t value, int least)
{
    char digits[24];
    int at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
        least--;
    } while (value > 0 || least > 0);
    yk_buffer_add(b, digits + at, sizeof(digits) - (size_t)at);
}

void yk_put_int(yk_buffer *b, int64_t value)
{
    if (value < 0)
        yk_buffer_add(b, "-", 1);
    put_digits(b, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

void yk_put_fixed(yk_buffer *b, double value, int decimals)
{
    static const double scales[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    enum { LIMIT = 1000000000 }; /* what is past it was never a coordinate */
    if (!(value == value))
        value = 0;
    value = fmax(-LIMIT, fmin(value, LIMIT));
    uint64_t scale = (uint64_t)scales[decimals];
    int64_t units = llround(value * scales[decimals]);
    uint64_t size = units < 0 ? -(uint64_t)units : (uint64_t)units;
    if (units < 0)
        yk_buffer_add(b, "-", 1);
    put_digits(b, size / scale, 1);
    if (decimals > 0) {
        yk_buffer_add(b, ".", 1);
        put_digits(b, size % scale, decimals);
    }
}

void yk_put_seconds(yk_buffer *b, double value)
{
    yk_put_fixed(b, value, 6);
    while (!b->failed && b->data[b->size - 1] == '0' && b->data[b->size - 2] != '.')
        b->size--;
}

/* ---- text ---- */

static void put_utf8(yk_buffer *b, uint32_t code)
{
    uint8_t bytes[4];
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    bytes[0] = (uint8_t)(leads[more] | code >> 6 * more);
    for (int i = 1; i <= more; i++)
        bytes[i] = (uint8_t)(0x80 | (code >> 6 * (more - i) & 0x3f));
    yk_buffer_add(b, bytes, (size_t)more + 1);
}

void yk_put_json(yk_buffer *b, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    yk_buffer_add(b, "\"", 1);
    for (uint32_t code; (code = yk_utf8_next(&text)) != 0;) {
        if (code == '"' || code == '\\') {
            const char escaped[] = {'\\', (char)code};
            yk_buffer_add(b, escaped, sizeof(escaped));
        } else if (code < ' ' || code == 0x7f) {
            const char escaped[] = {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};
            yk_buffer_add(b, escaped, sizeof(escaped));
        } else {
            put_utf8(b, code);
        }
    }
    yk_buffer_add(b, "\"", 1);
}
