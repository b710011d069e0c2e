/* How large the values of a tensor are, and the range that 8 bits should hold of it: no more than it on either side of
 * zero, and no more than there is. */
#ifndef YK_HISTOGRAM_H
#define YK_HISTOGRAM_H

#include "base/base.h"

enum { YK_HISTOGRAM_BINS = 4096 };

/* Of absolute values; starts zeroed. */
typedef struct yk_histogram {
    float limit; /* upper end of the last bin: a power of two, 0 while empty */
    float most;  /* largest of them */
    float least; /* smallest value, below zero, or 0 */
    uint64_t total;
    uint64_t bins[YK_HISTOGRAM_BINS];
} yk_histogram;

/* What is not a number is left out. */
void yk_histogram_add(yk_histogram *h, const float *values, int64_t count);
/* The value below which `share` (0..1) of all lie. */
float yk_histogram_percentile(const yk_histogram *h, double share);
/* The one for which rounding and clipping cost the least squared error. */
float yk_histogram_least_squares(const yk_histogram *h, bool symmetric);

#endif
