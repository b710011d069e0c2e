/* Status codes in words, and the thread's last error. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "yolk/yolk.h"

enum { SENTENCE_SIZE = 1024 };

static _Thread_local char last_error[SENTENCE_SIZE];
static _Thread_local yolk_status last_status;

const char *yolk_version(void)
{
    return YOLK_VERSION;
}

const char *yolk_status_name(yolk_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, sentence)                                                                             \
    case YOLK_##name:                                                                                                  \
        return #name;
        YOLK_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "UNKNOWN";
}

const char *yolk_status_sentence(yolk_status status)
{
    switch (status) {
#define STATUS_SENTENCE(name, value, sentence)                                                                         \
    case YOLK_##name:                                                                                                  \
        return sentence;
        YOLK_STATUS_MAP(STATUS_SENTENCE)
#undef STATUS_SENTENCE
    }
    return "unknown status code";
}

const char *yolk_last_error(void)
{
    return last_error;
}

yolk_status yk_last_status(void)
{
    return last_status;
}

/* Takes the sentence over. It often quotes a file, so what could move a terminal's cursor becomes '?', and a
 * character that the buffer's end cut in two goes. */
static void set_error(yolk_status status, const char *text)
{
    last_status = status;
    size_t n = strnlen(text, SENTENCE_SIZE - 1);
    if (text[n]) {
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        last_error[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    last_error[n] = '\0';
}

/* The arguments may quote last_error itself, hence the buffers beside it. */
yolk_status yk_fail(yolk_status status, const char *format, ...)
{
    char text[SENTENCE_SIZE + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    set_error(status, text);
    return status;
}

yolk_status yk_fail_prefix(yolk_status status, const char *format, ...)
{
    char text[2 * SENTENCE_SIZE + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, SENTENCE_SIZE + 1, format, arguments);
    va_end(arguments);
    size_t n = strlen(text);
    memcpy(text + n, last_error, strlen(last_error) + 1);
    set_error(status, text);
    return status;
}

static yolk_status status_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return YOLK_ERROR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return YOLK_ERROR_NO_SPACE;
    case EPIPE:
        return YOLK_ERROR_CLOSED;
    case ENOMEM:
        return YOLK_ERROR_OUT_OF_MEMORY;
    default:
        return YOLK_ERROR_IO;
    }
}

yolk_status yk_fail_errno(int error, const char *format, ...)
{
    char text[SENTENCE_SIZE];
    char buffer[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return yk_fail(status_of_errno(error), "%s: %s", text, strerror_r(error, buffer, sizeof buffer));
}

yolk_status yk_fail_memory(size_t size)
{
    return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "not enough memory for %zu bytes", size);
}
