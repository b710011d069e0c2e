/* Telling the user what went wrong and what happens. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The run's own failure repeats the first input's, which the log has told: kept so that it is not told twice. */
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static char *told;

int fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    terminal_line("yolk: ", format, list);
    va_end(list);
    return STATUS_FAILED;
}

int fail_last(void)
{
    const char *sentence = yolk_last_error();
    pthread_mutex_lock(&told_lock);
    bool known = told && strstr(told, sentence);
    pthread_mutex_unlock(&told_lock);
    return known ? STATUS_FAILED : fail("%s", sentence);
}

int fail_usage(const command *of, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    terminal_line("yolk: ", format, list);
    va_end(list);
    if (of)
        say("see 'yolk help %s'", of->name);
    else
        say("see 'yolk help'");
    return STATUS_USAGE;
}

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    terminal_line("", format, list);
    va_end(list);
}

void report_log(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    if (level == YOLK_LOG_ERROR) {
        fail("%s", message);
        pthread_mutex_lock(&told_lock);
        if (!told)
            told = strdup(message);
        pthread_mutex_unlock(&told_lock);
    } else if (level == YOLK_LOG_WARNING) {
        say("yolk: warning: %s", message);
    } else {
        say("%s", message);
    }
}
