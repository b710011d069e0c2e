/* Order by score, and the memory of a list of detections. */
#include "detect/rank.h"

#include <string.h>

enum { DIGITS = 4, VALUES = 256 };

/* Falls where the score rises: a float's bits order as a sign and a magnitude. */
static uint32_t falling_key(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

/* Below this many the four passes over 256 counters cost more than comparing. */
static void insert(yk_ranked *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        yk_ranked item = items[i];
        size_t k = i;
        for (; k > 0 && items[k - 1].score < item.score; k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

void yk_rank(yk_ranked *items, yk_ranked *spare, size_t count)
{
    if (count < 48) {
        insert(items, count);
        return;
    }
    size_t places[DIGITS][VALUES] = {{0}};
    for (size_t i = 0; i < count; i++) {
        uint32_t key = falling_key(items[i].score);
        for (int d = 0; d < DIGITS; d++)
            places[d][key >> 8 * d & 0xff]++;
    }
    /* An even number of passes ends where it began. */
    for (int d = 0; d < DIGITS; d++) {
        size_t sum = 0;
        for (int v = 0; v < VALUES; v++) {
            size_t here = places[d][v];
            places[d][v] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            spare[places[d][falling_key(items[i].score) >> 8 * d & 0xff]++] = items[i];
        yk_ranked *swap = items;
        items = spare;
        spare = swap;
    }
}

void *yk_detections_scratch(yk_detections *d, size_t size)
{
    if (d->scratch_size < size) {
        yk_free(d->scratch);
        d->scratch_size = 0;
        d->scratch = yk_alloc_aligned(size + size / 2);
        if (d->scratch)
            d->scratch_size = size + size / 2;
    }
    return d->scratch;
}

yolk_detection *yk_detections_next(yk_detections *d)
{
    if (d->count == d->capacity &&
        yk_grow(&d->items, &d->capacity, YK_MAX(d->count * 2, (size_t)64), sizeof(*d->items)) != YOLK_OK)
        return NULL;
    return &d->items[d->count];
}

void yk_detections_free(yk_detections *d)
{
    yk_free(d->items);
    yk_free(d->scratch);
    *d = (yk_detections){.items = NULL};
}
