/* JSON and tables for standard output and files. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static int fail_write(const char *path)
{
    return fail("%s: %s", path, strerror(errno));
}

static int write_text(FILE *file, const char *text)
{
    bool good = fputs(text, file) >= 0 && fputc('\n', file) != EOF && fflush(file) == 0;
    return good ? 0 : -1;
}

/* Through a temporary file beside it, so that it appears whole or not at all. */
static int write_file(const char *path, const char *text)
{
    struct stat s;
    FILE *file = NULL;
    char *temporary = NULL;
    int status = STATUS_FAILED, descriptor = -1;
    bool special = stat(path, &s) == 0 && !S_ISREG(s.st_mode); /* a device or a pipe cannot be renamed over */
    if (special) {
        file = fopen(path, "w");
    } else {
        if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
            temporary = NULL;
            return fail("not enough memory");
        }
        descriptor = mkstemp(temporary);
        if (descriptor >= 0) {
            mode_t mask = umask(0);
            umask(mask);
            fchmod(descriptor, 0666 & ~mask);
            file = fdopen(descriptor, "w");
        }
    }
    if (!file || write_text(file, text) != 0) {
        fail_write(path);
        goto done;
    }
    int closed = fclose(file);
    file = NULL;
    descriptor = -1;
    if (closed != 0 || (temporary && rename(temporary, path) != 0)) {
        fail_write(path);
        goto done;
    }
    free(temporary);
    temporary = NULL;
    status = STATUS_DONE;
done:
    if (file)
        fclose(file);
    else if (descriptor >= 0)
        close(descriptor);
    if (temporary) {
        unlink(temporary);
        free(temporary);
    }
    return status;
}

json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    char *plain = value ? NULL : strdup(text);
    for (char *c = plain; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    if (plain)
        value = json_string(plain);
    free(plain);
    return value;
}

int write_json(json_t *root, const char *path)
{
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(root);
    if (!text)
        return fail("not enough memory");
    /* A failure to write to standard output is told once, when the command ends. */
    int status = strcmp(path, "-") == 0 ? (puts(text), STATUS_DONE) : write_file(path, text);
    free(text);
    return status;
}

/* Names come from files, which have no business with the terminal's settings. */
static void hide_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void table_add(table *t, const char *format, ...)
{
    char **grown = realloc(t->text, (t->cells + 1) * sizeof(*grown));
    va_list list;
    if (!grown) {
        t->failed = true;
        return;
    }
    t->text = grown;
    va_start(list, format);
    if (vasprintf(&t->text[t->cells], format, list) < 0)
        t->failed = true;
    else
        hide_controls(t->text[t->cells++]);
    va_end(list);
}

static int columns_of(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

int table_print(table *t, unsigned right)
{
    int widths[TABLE_COLUMNS] = {0};
    for (size_t i = 0; i < t->cells; i++) {
        int own = columns_of(t->text[i]), *widest = &widths[i % t->columns];
        *widest = own > *widest ? own : *widest;
    }
    for (size_t i = 0; i < t->cells && !t->failed; i++) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns, to_right = right >> column & 1;
        int padding = widths[column] - columns_of(t->text[i]);
        printf("%*s%s%*s%s", to_right ? padding : 0, "", t->text[i], to_right || last ? 0 : padding, "",
               last ? "\n" : "  ");
    }
    for (size_t i = 0; i < t->cells; i++)
        free(t->text[i]);
    free(t->text);
    return t->failed ? fail("not enough memory") : STATUS_DONE;
}

void format_bytes(char *out, size_t size, unsigned long long bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < COUNT(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, size, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void format_seconds(char *out, size_t size, double seconds)
{
    long long whole = seconds < 1e9 ? llround(seconds) : 1000000000;
    if (whole >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(out, size, "%lld:%02lld", whole / 60, whole % 60);
}
