/* How large the values of a tensor are. */
#include "convert/histogram.h"

#include <math.h>

/* Doubles the range until it holds `most`: neighbouring bins become one. */
static void widen(yk_histogram *h, float most)
{
    if (h->limit == 0)
        h->limit = 0x1p-20f;
    while (h->limit <= most && h->limit < 0x1p120f) {
        for (int i = 0; i < YK_HISTOGRAM_BINS / 2 && h->total > 0; i++)
            h->bins[i] = h->bins[2 * i] + h->bins[2 * i + 1];
        for (int i = YK_HISTOGRAM_BINS / 2; i < YK_HISTOGRAM_BINS && h->total > 0; i++)
            h->bins[i] = 0;
        h->limit *= 2;
    }
}

void yk_histogram_add(yk_histogram *h, const float *values, int64_t count)
{
    float most = 0, least = 0;
    for (int64_t i = 0; i < count; i++) {
        float v = fabsf(values[i]);
        most = v > most && v < 0x1p119f ? v : most;
        least = values[i] < least && v < 0x1p119f ? values[i] : least;
    }
    widen(h, most);
    h->most = YK_MAX(h->most, most);
    h->least = YK_MIN(h->least, least);
    const float factor = YK_HISTOGRAM_BINS / h->limit;
    for (int64_t i = 0; i < count; i++) {
        float v = fabsf(values[i]);
        if (!(v < h->limit))
            continue;
        h->bins[(int)(v * factor)]++;
        h->total++;
    }
}

static float upper_end(const yk_histogram *h, int bin)
{
    return YK_MIN(h->limit / YK_HISTOGRAM_BINS * (float)(bin + 1), h->most);
}

float yk_histogram_percentile(const yk_histogram *h, double share)
{
    uint64_t below = 0;
    for (int i = 0; i < YK_HISTOGRAM_BINS; i++) {
        below += h->bins[i];
        if (h->bins[i] > 0 && (double)below >= share * (double)h->total)
            return upper_end(h, i);
    }
    return h->most;
}

static double squared_error(const yk_histogram *h, double range, bool symmetric)
{
    const double width = (double)h->limit / YK_HISTOGRAM_BINS, below = YK_MIN(range, -(double)h->least);
    const double step = symmetric ? range / 127 : (range + below) / 255;
    double error = 0;
    for (int i = 0; i < YK_HISTOGRAM_BINS; i++) {
        double over = (i + 0.5) * width - range;
        error += (double)h->bins[i] * (over > 0 ? over * over : step * step / 12);
    }
    return error;
}

float yk_histogram_least_squares(const yk_histogram *h, bool symmetric)
{
    enum { TRIES = 128 };
    double best = (double)h->most, least = INFINITY;
    for (int i = TRIES; i >= 4; i--) {
        double range = (double)h->most * i / TRIES, error = squared_error(h, range, symmetric);
        if (error < least) {
            least = error;
            best = range;
        }
    }
    return (float)best;
}
