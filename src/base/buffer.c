/* Bytes that grow. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* Makes room for `more` bytes and the NUL behind them. */
static bool reserve(yk_buffer *b, size_t more)
{
    if (b->failed)
        return false;
    size_t needed;
    if (__builtin_add_overflow(b->size, more, &needed) || __builtin_add_overflow(needed, 1, &needed))
        needed = SIZE_MAX;
    /* Doubling keeps many small appends cheap. */
    size_t wanted = needed > b->capacity && needed < SIZE_MAX / 2 ? YK_MAX(needed, b->capacity * 2) : needed;
    if (yk_grow(&b->data, &b->capacity, wanted, 1) != YOLK_OK)
        b->failed = true;
    return !b->failed;
}

void yk_buffer_add(yk_buffer *b, const void *bytes, size_t size)
{
    if (!reserve(b, size))
        return;
    if (size)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void yk_buffer_text(yk_buffer *b, const char *text)
{
    yk_buffer_add(b, text, strlen(text));
}

void yk_buffer_format(yk_buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0 || !reserve(b, (size_t)n))
        return;
    va_start(arguments, format);
    vsnprintf((char *)b->data + b->size, (size_t)n + 1, format, arguments);
    va_end(arguments);
    b->size += (size_t)n;
}

yolk_status yk_buffer_status(const yk_buffer *b)
{
    return b->failed ? YOLK_ERROR_OUT_OF_MEMORY : YOLK_OK;
}

void yk_buffer_free(yk_buffer *b)
{
    yk_free(b->data);
    *b = (yk_buffer){0};
}
