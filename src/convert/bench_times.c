/* Statistics of times. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/measure.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void yk_sort(double *values, int count)
{
    if (count > 0)
        qsort(values, (size_t)count, sizeof *values, by_value);
}

double yk_percentile(const double *sorted, int count, double share)
{
    if (count < 1)
        return 0;
    double place = share * (count - 1);
    int below = (int)place;
    if (below >= count - 1)
        return sorted[count - 1];
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

static double *sorted_copy(const double *values, int count)
{
    double *sorted = yk_calloc((size_t)count, sizeof *sorted);
    if (sorted && count > 0) {
        memcpy(sorted, values, (size_t)count * sizeof *sorted);
        yk_sort(sorted, count);
    }
    return sorted;
}

yolk_status yk_times_make(const double *ms, int count, yolk_times *out)
{
    *out = (yolk_times){.runs = count};
    if (count < 1)
        return YOLK_OK;
    double *sorted = sorted_copy(ms, count);
    if (!sorted)
        return YOLK_ERROR_OUT_OF_MEMORY;
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++)
        sum += sorted[i];
    out->mean = sum / count;
    for (int i = 0; i < count; i++)
        squares += (sorted[i] - out->mean) * (sorted[i] - out->mean);
    out->std = count > 1 ? sqrt(squares / (count - 1)) : 0;
    out->min = sorted[0];
    out->max = sorted[count - 1];
    out->p50 = yk_percentile(sorted, count, 0.50);
    out->p90 = yk_percentile(sorted, count, 0.90);
    out->p95 = yk_percentile(sorted, count, 0.95);
    out->p99 = yk_percentile(sorted, count, 0.99);
    yk_free(sorted);
    return YOLK_OK;
}

/* xorshift64: a seed that never changes makes a report repeatable. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

yolk_status yk_median_interval(const double *values, int count, double *median, double *low, double *high)
{
    enum { RESAMPLES = 2000 };
    *median = *low = *high = 0;
    if (count < 1)
        return YOLK_OK;
    double *sample = sorted_copy(values, count), *medians = yk_calloc(RESAMPLES, sizeof *medians);
    yolk_status status = sample && medians ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK) {
        uint64_t state = 0x9e3779b97f4a7c15u;
        *median = yk_percentile(sample, count, 0.5);
        for (int r = 0; r < RESAMPLES; r++) {
            for (int i = 0; i < count; i++)
                sample[i] = values[next_random(&state) % (uint64_t)count];
            yk_sort(sample, count);
            medians[r] = yk_percentile(sample, count, 0.5);
        }
        yk_sort(medians, RESAMPLES);
        *low = yk_percentile(medians, RESAMPLES, 0.025);
        *high = yk_percentile(medians, RESAMPLES, 0.975);
    }
    yk_free(sample);
    yk_free(medians);
    return status;
}
