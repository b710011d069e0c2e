/* Devices that do not exist, for tests of what happens when devices are many, slow, short of memory or gone. What they
 * find is computed by the reference backend and is right; by the native one where it will be kept (options->tune),
 * since that has a form for it.
 *
 * A program under test gets them from $YOLK_DUMMY, a unit test from yk_dummy_configure(). Everything here may be called
 * while networks run. */
#ifndef YK_DUMMY_H
#define YK_DUMMY_H

#include "backend/backend.h"

typedef struct yk_dummy_device {
    uint64_t memory;        /* bytes that it has; 0: no end of them */
    uint64_t frame_bytes;   /* that each frame of a compiled batch takes, in each slot */
    uint64_t network_bytes; /* that a compiled network takes besides */
    int slots;              /* of a compiled network; 0: 2 */
    int milliseconds;       /* that a batch takes at least, really */
    /* The n-th from now runs out of memory, once; 0: none. */
    long short_compile, short_start, short_wait;
    bool half; /* computes in 16-bit floats, as it says, where nothing else is asked for */
    /* The device takes pictures; it finds boxes where a frame has no more candidates than so many, 0: nowhere. */
    bool pictures;
    long candidates;
    long lives; /* batches after which the device is lost; -1: it is never */
    /* Of the first device, for all of them. */
    bool first;          /* "auto" takes it before any other backend */
    const char *refuses; /* operator that it has no kernel for; NULL: it has all */
} yk_dummy_device;

/* Replaces all devices, in their first state. `count` 0: those of $YOLK_DUMMY again. */
void yk_dummy_configure(const yk_dummy_device *devices, int count);
/* One device's settings from now on; what it has done stays counted. */
void yk_dummy_change(int index, const yk_dummy_device *to);
void yk_dummy_lose(int index);
/* Bytes that somebody else takes on it. */
void yk_dummy_occupy(int index, uint64_t bytes);
/* While a device is held, what it was given does not come to an end: the slow device of tests that do not sleep. */
void yk_dummy_hold(int index, bool hold);

typedef struct yk_dummy_figures {
    long compiled, started, finished; /* networks, batches, batches that went well */
    long waiting;                     /* threads that wait for a batch now */
    int largest;                      /* frames of the largest batch that went well */
    long pictures, found;             /* frames that the device fitted in itself, and whose boxes it found */
    long left;                        /* and those with too many candidates */
    uint64_t used, peak;              /* bytes, other takers not counted */
} yk_dummy_figures;
yk_dummy_figures yk_dummy_look(int index);

/* settings.c: devices from text such as "devices=2,memory=100M,frame=4M/8M,ms=5"; 0 after setting the last error. */
int yk_dummy_parse(const char *text, yk_dummy_device out[YK_MAX_DEVICES]);

#endif
