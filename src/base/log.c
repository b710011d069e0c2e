/* The process-wide log callback. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/base.h"

enum { MESSAGE_SIZE = 2048, SILENT = -1 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* held while the callback runs */
static yolk_log_callback log_callback;
static void *log_user;
static atomic_int threshold = SILENT;

void yolk_log_set(yolk_log_callback callback, void *user, yolk_log_level level)
{
    pthread_mutex_lock(&mutex);
    log_callback = callback;
    log_user = user;
    atomic_store(&threshold, callback ? (int)level : SILENT);
    pthread_mutex_unlock(&mutex);
}

bool yk_log_wants(yolk_log_level level)
{
    return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void yk_log(yolk_log_level level, const char *format, ...)
{
    if (!yk_log_wants(level))
        return;
    char text[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = *c == '\n' || *c == '\t' ? ' ' : '?';
    }
    pthread_mutex_lock(&mutex);
    if (log_callback && yk_log_wants(level))
        log_callback(log_user, level, text);
    pthread_mutex_unlock(&mutex);
}
