/* The progress line at the bottom of a terminal, and the lines printed above it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

enum { BAR = 20, LINE = 256, REDRAWS_A_SECOND = 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* log lines come from any thread */
static bool drawn;
static double drawn_at;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool progress_wanted(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

static void clear(void)
{
    if (drawn)
        fputs("\r\033[K", stderr);
    drawn = false;
}

/* Appends to a line; what does not fit in it is dropped. */
__attribute__((format(printf, 2, 3))) static void add(char *line, const char *format, ...)
{
    size_t used = strlen(line);
    va_list list;
    va_start(list, format);
    vsnprintf(line + used, LINE - used, format, list);
    va_end(list);
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Cuts UTF-8 text to `columns` characters and hides control characters. */
static void cut(char *text, int columns)
{
    int used = 0;
    for (char *c = text; *c; c++) {
        if (is_continuation(*c))
            continue;
        if (used++ == columns) {
            *c = 0;
            return;
        }
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

/* Whether it is time to draw the line anew; then the lock is held until finish(). */
static bool begin(void)
{
    double time = now();
    pthread_mutex_lock(&lock);
    if (drawn && time - drawn_at < 1.0 / REDRAWS_A_SECOND) {
        pthread_mutex_unlock(&lock);
        return false;
    }
    drawn_at = time;
    return true;
}

static void finish(char *line)
{
    cut(line, width() - 1);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    drawn = true;
    pthread_mutex_unlock(&lock);
}

static void add_share(char *line, double share)
{
    int filled = share < 1 ? (int)(share * BAR) : BAR;
    add(line, "%3.0f%% ", share < 1 ? share * 100 : 100);
    if (width() > 60)
        add(line, "[%.*s%.*s] ", filled, "####################", BAR - filled, "--------------------");
}

static void add_eta(char *line, double eta)
{
    char left[32];
    if (eta < 0)
        return;
    format_seconds(left, sizeof(left), eta);
    add(line, "  eta %s", left);
}

void progress_draw_share(const char *what, double share, double eta)
{
    char line[LINE] = "";
    if (!begin())
        return;
    add_share(line, share);
    add(line, "%s", what);
    add_eta(line, eta);
    finish(line);
}

void progress_draw(const yolk_progress *p)
{
    char line[LINE] = "";
    if (!begin())
        return;
    if (p->frame_count > 0) {
        add_share(line, (double)p->frame / (double)p->frame_count);
        add(line, "%lld/%lld", (long long)p->frame, (long long)p->frame_count);
    } else {
        add(line, "%lld frames", (long long)p->frame);
    }
    add(line, "  %.1f fps", p->fps);
    add_eta(line, p->eta);
    if (p->source_count > 1)
        add(line, "  %zu/%zu", p->source_index + 1, p->source_count);
    if (p->source)
        add(line, "  %s", path_base(p->source));
    finish(line);
}

void progress_end(void)
{
    pthread_mutex_lock(&lock);
    clear();
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}

void terminal_line(const char *prefix, const char *format, va_list list)
{
    char *text = NULL;
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    for (char *c = text; c && *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
            *c = '?';
    pthread_mutex_lock(&lock);
    clear();
    fprintf(stderr, "%s%s\n", prefix, text ? text : "not enough memory");
    pthread_mutex_unlock(&lock);
    free(text);
}
