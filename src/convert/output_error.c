/* How far the raw outputs of two models are apart: smoother than what is found, in which boxes come and go. */
#include <math.h>
#include <string.h>

#include "convert/job.h"

enum { MOST_BINS = 64 };
static const float UNLIKELY = -4; /* logit below which a class is as good as absent */

/* A side's distance: the mean of its distribution over `bins` values that lie `step` apart. */
static double distance(const float *at, int bins, int64_t step)
{
    double weights = 0, sum = 0;
    float most = at[0];
    if (bins == 1)
        return (double)at[0];
    for (int i = 1; i < bins; i++)
        most = YK_MAX(most, at[i * step]);
    for (int i = 0; i < bins; i++) {
        double w = exp((double)(at[i * step] - most));
        weights += w;
        sum += w * i;
    }
    return sum / weights;
}

/* Difference of the four sides against the box's size, at most 1. */
static double box_error(const float *a, const float *b, int bins, int64_t cells)
{
    double difference = 0, size = 0;
    for (int side = 0; side < 4; side++) {
        double x = distance(a + side * bins * cells, bins, cells), y = distance(b + side * bins * cells, bins, cells);
        difference += fabs(x - y);
        size += fabs(x);
    }
    return difference < size ? difference / size : 1;
}

static double probability(float logit)
{
    return 1 / (1 + exp(-(double)logit));
}

bool yk_output_error(const yk_head *head, const yk_shape *shapes, const float *const *expected,
                     const float *const *found, yk_output_sums *sums)
{
    if (head->kind != YK_HEAD_ANCHOR_FREE || head->reg_max < 1 || head->reg_max > MOST_BINS)
        return false;
    for (int l = 0; l < head->levels; l++) {
        const int64_t cells = shapes[2 * l].dims[2] * shapes[2 * l].dims[3];
        const float *a = expected[2 * l + 1], *b = found[2 * l + 1];
        for (int64_t i = 0; i < cells; i++) {
            float likely = -INFINITY;
            for (int c = 0; c < head->classes; c++) {
                float x = a[c * cells + i], y = b[c * cells + i];
                likely = YK_MAX(likely, x);
                if (x < UNLIKELY && y < UNLIKELY)
                    continue;
                double p = probability(x), q = probability(y);
                sums->error += (p - q) * (p - q);
                sums->total += p * p;
            }
            if (likely < UNLIKELY)
                continue;
            double p = probability(likely), e = box_error(expected[2 * l] + i, found[2 * l] + i, head->reg_max, cells);
            sums->error += p * p * e * e;
        }
    }
    return true;
}
