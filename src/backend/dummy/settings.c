/* $YOLK_DUMMY: NAME=VALUE with commas between. VALUE is one for every device, or one for each with '/' between, the
 * last of which goes for those left. */
#include <stdio.h>
#include <string.h>

#include "backend/dummy/dummy.h"

typedef enum name {
    DEVICES,
    MEMORY,
    FRAME,
    NETWORK,
    SLOTS,
    MS,
    OOM_COMPILE,
    OOM_START,
    OOM_WAIT,
    LOST,
    HALF,
    PICTURES,
    CANDIDATES,
    FIRST,
    REFUSES,
    NAMES
} name;

static const char *const names[NAMES] = {"devices", "memory",      "frame",      "network",  "slots",
                                         "ms",      "oom-compile", "oom-start",  "oom-wait", "lost",
                                         "half",    "pictures",    "candidates", "first",    "refuses"};

/* A whole number, with K, M or G behind it for powers of 1024; or an operator by its name. */
static bool parse_value(name which, const char *text, size_t length, int64_t *out)
{
    static const char units[] = "KMG";
    char number[24];
    int shift = 0;
    yk_op op;
    if (length == 0 || length >= sizeof number)
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (which == REFUSES) {
        const bool known = yk_op_find(number, &op);
        *out = known ? (int64_t)op : 0;
        return known;
    }
    const char *unit = strchr(units, number[length - 1]);
    if (unit) {
        shift = 10 * (int)(unit - units + 1);
        number[length - 1] = '\0';
    }
    if (!yk_parse_int(number, out) || *out < 0 || *out > INT64_MAX >> shift)
        return false;
    *out <<= shift;
    return true;
}

static bool store(yk_dummy_device *d, name which, int64_t value)
{
    static const int64_t most[NAMES] = {YK_MAX_DEVICES, INT64_MAX, INT64_MAX >> 20, INT64_MAX >> 1, 64, 60000,
                                        1 << 30,        1 << 30,   1 << 30,         1 << 30,        1,  1,
                                        1 << 30,        1,         YK_OP_COUNT};
    if (value > most[which])
        return false;
    switch (which) {
    case MEMORY:
        d->memory = (uint64_t)value;
        break;
    case FRAME:
        d->frame_bytes = (uint64_t)value;
        break;
    case NETWORK:
        d->network_bytes = (uint64_t)value;
        break;
    case SLOTS:
        d->slots = (int)value;
        break;
    case MS:
        d->milliseconds = (int)value;
        break;
    case OOM_COMPILE:
        d->short_compile = (long)value;
        break;
    case OOM_START:
        d->short_start = (long)value;
        break;
    case OOM_WAIT:
        d->short_wait = (long)value;
        break;
    case LOST:
        d->lives = (long)value;
        break;
    case HALF:
        d->half = value != 0;
        break;
    case PICTURES:
        d->pictures = value != 0;
        break;
    case CANDIDATES:
        d->candidates = (long)value;
        break;
    case FIRST:
        d->first = value != 0;
        break;
    case REFUSES:
        d->refuses = yk_op_name((yk_op)value);
        break;
    case DEVICES:
    case NAMES:
        break;
    }
    return true;
}

/* One NAME=VALUE of `length` bytes. */
static bool parse_setting(const char *text, size_t length, int *count, yk_dummy_device *out)
{
    const char *value = memchr(text, '=', length), *end = text + length;
    int64_t number;
    int which = 0;
    if (!value)
        return false;
    size_t name_length = (size_t)(value++ - text);
    while (which < NAMES && (strlen(names[which]) != name_length || memcmp(names[which], text, name_length) != 0))
        which++;
    if (which == NAMES)
        return false;
    for (int i = 0; i < YK_MAX_DEVICES; i++) {
        const char *slash = memchr(value, '/', (size_t)(end - value));
        if (!parse_value((name)which, value, (size_t)((slash ? slash : end) - value), &number) ||
            !store(&out[i], (name)which, number))
            return false;
        if (which == DEVICES) {
            *count = (int)number;
            return !slash && number > 0;
        }
        if (slash)
            value = slash + 1;
    }
    return true;
}

int yk_dummy_parse(const char *text, yk_dummy_device out[YK_MAX_DEVICES])
{
    int count = 1;
    for (int i = 0; i < YK_MAX_DEVICES; i++)
        out[i] = (yk_dummy_device){.lives = -1};
    for (const char *p = text; *p;) {
        size_t length = strcspn(p, ",");
        if (!parse_setting(p, length, &count, out)) {
            yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                    "YOLK_DUMMY: '%.*s' is not allowed; it must be NAME=VALUE[/VALUE...] with a name of devices, "
                    "memory, frame, network, slots, ms, oom-compile, oom-start, oom-wait, lost, half, pictures, "
                    "candidates, first and refuses",
                    (int)YK_MIN(length, 60), p);
            return 0;
        }
        p += length + (p[length] == ',');
    }
    return count;
}
