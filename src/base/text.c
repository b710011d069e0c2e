/* Names and numbers as text. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"

enum { LONGEST_WORD = 63 };

/* ASCII only, whatever the locale is. */
static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

bool yk_equal_ignoring_case(const char *a, const char *b)
{
    for (; *a && lower(*a) == lower(*b); a++, b++)
        ;
    return lower(*a) == lower(*b);
}

/* Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST_WORD + 1];
    size_t *two_up = rows[0], *up = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        up[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = up[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            best = YK_MIN(best, YK_MIN(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                best = YK_MIN(best, two_up[j - 2] + 1);
            row[j] = best;
        }
        size_t *oldest = two_up;
        two_up = up;
        up = row;
        row = oldest;
    }
    return up[b_length];
}

const char *yk_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    if (length == 0 || length > LONGEST_WORD)
        return NULL;
    const char *nearest = NULL, *longer = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(candidates[i]);
        if (n == 0 || n > LONGEST_WORD)
            continue;
        size_t distance = edit_distance(word, length, candidates[i], n);
        /* One slip, and one more every four letters; but something of the word must be left. */
        if (distance < least && distance <= 1 + length / 4 && distance < YK_MAX(length, n)) {
            least = distance;
            nearest = candidates[i];
        }
        if (!longer && length >= 3 && n > length && edit_distance(word, length, candidates[i], length) == 0)
            longer = candidates[i];
    }
    return nearest ? nearest : longer;
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool yk_parse_double(const char *text, double *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    /* Leaves out what strtod() would take beside plain numbers: blanks, hexadecimal, infinity. */
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text) || !c_locale)
        return false;
    char *end;
    double value = strtod_l(text, &end, c_locale);
    if (end == text || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool yk_parse_int(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno)
        return false;
    *out = value;
    return true;
}

uint32_t yk_utf8_next(const char **text)
{
    enum { REPLACEMENT = 0xfffd };
    const unsigned char *s = (const unsigned char *)*text;
    if (s[0] == 0)
        return 0;
    *text += 1;
    if (s[0] < 0x80)
        return s[0];
    int more = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : s[0] < 0xf5 ? 3 : 0;
    uint32_t code = s[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool longer_than_needed = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    bool surrogate = code >= 0xd800 && code < 0xe000;
    if (more == 0 || longer_than_needed || surrogate || code > 0x10ffff)
        return REPLACEMENT;
    *text += more;
    return code;
}
