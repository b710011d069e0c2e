/* Checked allocation that tests can make fail. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

/* No machine grants more: a size past it is a mistake or an attack, and sanitizers abort on it. */
#define SIZE_LIMIT ((size_t)PTRDIFF_MAX >> (sizeof(size_t) > 4 ? 24 : 0))

static atomic_long allocation_count;
static atomic_long fail_at;

void yk_alloc_fail_at(long n)
{
    atomic_store(&fail_at, n);
    atomic_store(&allocation_count, 0);
}

long yk_alloc_count(void)
{
    return atomic_load(&allocation_count);
}

static bool may_allocate(size_t size)
{
    long n = atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed) + 1;
    long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return size <= SIZE_LIMIT && (at <= 0 || n < at);
}

static void *checked(void *p, size_t size)
{
    if (!p)
        yk_fail_memory(size);
    return p;
}

void *yk_alloc(size_t size)
{
    return checked(may_allocate(size) ? malloc(size ? size : 1) : NULL, size);
}

void *yk_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        total = SIZE_MAX;
    return checked(may_allocate(total) ? calloc(total ? total : 1, 1) : NULL, total);
}

void *yk_realloc(void *old, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        total = SIZE_MAX;
    return checked(may_allocate(total) ? realloc(old, total ? total : 1) : NULL, total);
}

/* Large blocks hold feature maps and weights. In pages of 4 KB they are more pages than a processor's tables of
 * translations hold, so the kernel is asked for large ones, where a whole one fits. */
void *yk_alloc_aligned(size_t size)
{
    enum { LARGE_PAGE = 2 << 20 };
    const bool large = size >= 2 * LARGE_PAGE;
    void *p = NULL;
    if (!may_allocate(size) || posix_memalign(&p, large ? LARGE_PAGE : 64, size ? size : 1) != 0)
        p = NULL;
#ifdef MADV_HUGEPAGE
    if (p && large)
        madvise(p, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* if not, then slower */
#endif
    return checked(p, size);
}

char *yk_strdup(const char *text)
{
    return yk_strndup(text, strlen(text));
}

char *yk_strndup(const char *text, size_t length)
{
    length = strnlen(text, length);
    char *copy = yk_alloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *yk_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = yk_alloc(n < 0 ? SIZE_MAX : (size_t)n + 1);
    if (text) {
        va_start(arguments, format);
        vsnprintf(text, (size_t)n + 1, format, arguments);
        va_end(arguments);
    }
    return text;
}

void yk_free(void *p)
{
    free(p);
}

yolk_status yk_grow(void *p, size_t *capacity, size_t needed, size_t size)
{
    void *old;
    memcpy(&old, p, sizeof old);
    if (needed <= *capacity)
        return YOLK_OK;
    size_t grown = *capacity + *capacity / 2;
    if (grown < needed)
        grown = needed;
    if (grown < 8)
        grown = 8;
    void *fresh = yk_realloc(old, grown, size);
    if (!fresh)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(p, &fresh, sizeof fresh);
    *capacity = grown;
    return YOLK_OK;
}
