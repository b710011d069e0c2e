/* Finding what a misspelt word was meant to be. */
#include <ctype.h>
#include <string.h>

#include "cli.h"

enum { LONGEST = 63 };

static int lower(char c)
{
    return tolower((unsigned char)c);
}

/* Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours cost 1 each. */
static int distance(const char *a, const char *b)
{
    int rows[3][LONGEST + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = before[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
                earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *suggest(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    int smallest = LONGEST;
    size_t length = strlen(word);
    for (size_t i = 0; i < count; i++) {
        int d = distance(word, candidates[i]);
        /* What was begun and not finished ("--max" for "--max-det") is near, whatever its length. */
        if (length >= 3 && strncmp(word, candidates[i], length) == 0)
            d = 1;
        if (d < smallest) {
            smallest = d;
            nearest = candidates[i];
        }
    }
    int allowed = length <= 4 ? 1 : length <= 8 ? 2 : 3;
    return smallest <= allowed ? nearest : NULL;
}
