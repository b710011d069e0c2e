/* How many frames a batch may have on one device at one input size: by measured memory, and by what went wrong before.
 */
#ifndef YK_SIZING_H
#define YK_SIZING_H

#include <stdbool.h>

#include "yolk/model.h"

/* Batches that have to go well before a larger one is tried, at first and at most: each time that it does not fit, it
 * takes twice as many. */
enum { YK_SIZING_PATIENCE = 16, YK_SIZING_MOST_PATIENCE = 1024 };

typedef struct yk_measured {
    int batch; /* 0: none */
    uint64_t bytes;
} yk_measured;

/* Starts zeroed. */
typedef struct yk_sizing {
    int cap;                  /* frames at most, since memory ran out; 0: none */
    int good, patience;       /* batches that went well at the cap, and how many let it double */
    yk_measured small, large; /* the smallest and the largest batch that was compiled */
} yk_sizing;

/* A network compiled for `batch` frames has taken so many bytes. */
void yk_sizing_measure(yk_sizing *z, int batch, uint64_t bytes);
/* Bytes of each frame of a batch, 0 while nothing is known; `*network` gets what is the same for every batch. */
uint64_t yk_sizing_frame_bytes(const yk_sizing *z, uint64_t *network);
/* The largest of wanted, wanted/2, wanted/4, ... 1 below the cap that takes at most 80 % of `available` bytes, where
 * those and the bytes a frame are known (not 0). */
int yk_sizing_batch(const yk_sizing *z, int wanted, uint64_t available);
/* The most frames for 80 % of `available` bytes, at least 1. */
int yk_sizing_most(uint64_t frame_bytes, uint64_t network, uint64_t available);
/* There was no memory for a batch of so many frames. Returns the new cap. */
int yk_sizing_short(yk_sizing *z, int batch);
/* A batch of so many frames went well while so many bytes were available (0: unknown), those that it holds among them.
 * True when larger ones are tried from now on. */
bool yk_sizing_well(yk_sizing *z, int batch, uint64_t available);

#endif
