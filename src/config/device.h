/* Names of devices: "auto", "cpu", "cpu:0,1", "cuda:2". */
#ifndef YK_DEVICE_H
#define YK_DEVICE_H

#include "base/base.h"

enum { YK_MAX_DEVICES = 16 };

typedef struct yk_devices {
    char kind[8]; /* "auto", "cpu", "cuda" or "dummy" */
    int count;    /* of numbers; 0 when there are none */
    int index[YK_MAX_DEVICES];
} yk_devices;

/* False, with nothing more said, for what is no name of devices; a device twice is none. */
bool yk_devices_parse(const char *text, yk_devices *out);

#endif
