/* What a look at memory costs.
 *
 * usage: memory_check [ROUNDS]
 * Prints one JSON object a line: what, median_us, p99_us, worst_us. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "yolk/stats.h"

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void usage_now(void)
{
    uint64_t now;
    yolk_memory_usage(&now, NULL);
}

static void usage_and_peak(void)
{
    uint64_t now, peak;
    yolk_memory_usage(&now, &peak);
}

static void available(void)
{
    yk_memory_available();
}

static void find_groups(void)
{
    yk_memory_groups groups;
    yk_memory_find_groups("", &groups);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *what;
        void (*look)(void);
    } looks[] = {{"yolk_memory_usage, now", usage_now},
                 {"yolk_memory_usage, now and peak", usage_and_peak},
                 {"yk_memory_available", available},
                 {"finding the control groups, once a second of the latter", find_groups}};
    const int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    double *times = rounds > 0 ? malloc((size_t)rounds * sizeof(*times)) : NULL;
    if (!times)
        return 1;
    for (size_t i = 0; i < YK_COUNT(looks); i++) {
        for (int r = 0; r < rounds; r++) {
            const uint64_t start = yk_now_ns();
            looks[i].look();
            times[r] = (double)(yk_now_ns() - start) / 1e3;
        }
        qsort(times, (size_t)rounds, sizeof(*times), by_value);
        printf("{\"what\": \"%s\", \"median_us\": %.2f, \"p99_us\": %.2f, \"worst_us\": %.1f}\n", looks[i].what,
               times[rounds / 2], times[(size_t)rounds * 99 / 100], times[rounds - 1]);
    }
    free(times);
    return 0;
}
