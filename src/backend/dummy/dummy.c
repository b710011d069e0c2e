#include "backend/dummy/dummy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 2 };

typedef struct device {
    yk_dummy_device settings;
    bool lost, held;
    uint64_t occupied;
    yk_dummy_figures figures;
} device;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    int count; /* 0: none, for `reason` */
    char reason[512];
    device devices[YK_MAX_DEVICES];
} world = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct yk_exec {
    const yk_backend *inner;
    yk_exec *computing; /* the inner one's */
    device *device;
    uint64_t bytes;
    int batch, slots;
    uint64_t *started_ns; /* by slot */
};

static void place(const yk_dummy_device *devices, int count)
{
    world.count = count;
    for (int i = 0; i < YK_MAX_DEVICES; i++) {
        world.devices[i] = (device){0};
        if (i < count)
            world.devices[i].settings = devices[i];
    }
    world.ready = true;
    pthread_cond_broadcast(&world.changed);
}

/* Locks the world, which is made from the environment when nobody has made it yet. */
static void enter(void)
{
    pthread_mutex_lock(&world.mutex);
    if (world.ready)
        return;
    yk_dummy_device devices[YK_MAX_DEVICES];
    const char *text = getenv("YOLK_DUMMY");
    int count = text ? yk_dummy_parse(text, devices) : 0;
    snprintf(world.reason, sizeof world.reason, "%s",
             text ? yolk_last_error() : "it simulates devices for tests, and YOLK_DUMMY does not say which");
    place(devices, count);
}

static void leave(void)
{
    pthread_mutex_unlock(&world.mutex);
}

void yk_dummy_configure(const yk_dummy_device *devices, int count)
{
    pthread_mutex_lock(&world.mutex);
    place(devices, count);
    world.ready = count > 0;
    leave();
}

void yk_dummy_change(int index, const yk_dummy_device *to)
{
    enter();
    world.devices[index].settings = *to;
    leave();
}

void yk_dummy_lose(int index)
{
    enter();
    world.devices[index].lost = true;
    pthread_cond_broadcast(&world.changed);
    leave();
}

void yk_dummy_occupy(int index, uint64_t bytes)
{
    enter();
    world.devices[index].occupied = bytes;
    leave();
}

void yk_dummy_hold(int index, bool hold)
{
    enter();
    world.devices[index].held = hold;
    pthread_cond_broadcast(&world.changed);
    leave();
}

yk_dummy_figures yk_dummy_look(int index)
{
    enter();
    yk_dummy_figures figures = world.devices[index].figures;
    leave();
    return figures;
}

/* ---- the table ---- */

static void probe(yk_probe *out)
{
    enter();
    const bool half = world.count > 0 && world.devices[0].settings.half;
    *out = (yk_probe){.available = world.count > 0, .half = half, .half_first = half};
    if (world.count == 0)
        snprintf(out->reason, sizeof out->reason, "%s", world.reason);
    snprintf(out->device, sizeof out->device, "%d simulated devices", world.count);
    leave();
}

static int device_count(void)
{
    enter();
    int count = world.count;
    leave();
    return count;
}

static uint64_t left_on(const device *d)
{
    uint64_t used = d->figures.used + d->occupied;
    return d->settings.memory > used ? d->settings.memory - used : 0;
}

static uint64_t free_memory(int index)
{
    enter();
    const device *d = &world.devices[index];
    /* A byte is none, but known. */
    uint64_t bytes = d->settings.memory == 0 ? 0 : YK_MAX(left_on(d), 1);
    leave();
    return bytes;
}

static yolk_status fail_lost(const device *d)
{
    return yk_fail(YOLK_ERROR_DEVICE_LOST, "device 'dummy:%d' stopped answering", (int)(d - world.devices));
}

static yolk_status fail_short(const device *d, const char *what)
{
    char left[48] = "";
    if (d->settings.memory > 0)
        snprintf(left, sizeof left, ": %llu bytes are left", (unsigned long long)left_on(d));
    return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "device 'dummy:%d' has not enough memory to %s%s",
                   (int)(d - world.devices), what, left);
}

/* Counts down to the one that fails. */
static bool is_short(long *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

static yolk_status take_memory(yk_exec *e)
{
    device *d = e->device;
    if (d->lost)
        return fail_lost(d);
    if (is_short(&d->settings.short_compile) || (d->settings.memory > 0 && e->bytes > left_on(d))) {
        e->bytes = 0;
        return fail_short(d, "compile the network");
    }
    d->figures.compiled++;
    d->figures.used += e->bytes;
    d->figures.peak = YK_MAX(d->figures.peak, d->figures.used);
    return YOLK_OK;
}

static void destroy(yk_exec **exec)
{
    yk_exec *e = *exec;
    *exec = NULL;
    if (!e)
        return;
    if (e->inner)
        e->inner->destroy(&e->computing);
    enter();
    e->device->figures.used -= YK_MIN(e->bytes, e->device->figures.used);
    leave();
    yk_free(e->started_ns);
    yk_free(e);
}

/* Takes a device's memory for a network that is compiled from `g`, or was: `bytes` of `size`, when they are given. */
static yolk_status make(const yk_graph *g, const yk_compile_options *options, const void *bytes, size_t size,
                        yk_exec **out)
{
    *out = NULL;
    yk_exec *e = yk_calloc(1, sizeof *e);
    if (!e)
        return YOLK_ERROR_OUT_OF_MEMORY;
    enter();
    e->device = &world.devices[options->device];
    const yk_dummy_device *d = &e->device->settings;
    e->batch = (int)g->bound[0];
    e->slots = options->slots > 0 ? options->slots : d->slots > 0 ? d->slots : SLOTS;
    e->bytes = d->network_bytes + d->frame_bytes * (uint64_t)e->batch * (uint64_t)e->slots;
    yolk_status status = take_memory(e);
    leave();
    if (status != YOLK_OK)
        goto fail;
    e->started_ns = yk_calloc((size_t)e->slots, sizeof *e->started_ns);
    if (!e->started_ns) {
        status = YOLK_ERROR_OUT_OF_MEMORY;
        goto fail;
    }
    const yk_compile_options inner = {.slots = e->slots, .threads = 1};
    e->inner = bytes || options->tune ? &yk_backend_native : &yk_backend_reference;
    status =
        bytes ? e->inner->load(bytes, size, g, &inner, &e->computing) : e->inner->compile(g, &inner, &e->computing);
    if (status != YOLK_OK)
        goto fail;
    *out = e;
    return YOLK_OK;
fail:
    destroy(&e);
    return status;
}

static yolk_status compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    return make(g, options, NULL, 0, out);
}

static yolk_status load(const void *bytes, size_t size, const yk_graph *g, const yk_compile_options *options,
                        yk_exec **out)
{
    return make(g, options, bytes, size, out);
}

static yolk_status save(yk_exec *e, yk_buffer *out)
{
    return e->inner->save ? e->inner->save(e->computing, out)
                          : yk_fail(YOLK_ERROR_UNSUPPORTED, "what was compiled without tuning cannot be kept");
}

static void fingerprint(int device, const yk_compile_options *options, char *text, size_t size)
{
    (void)options;
    snprintf(text, size, "dummy:%d", device);
}

static int slot_count(const yk_exec *e)
{
    return e->slots;
}

static uint8_t *input(yk_exec *e, int slot)
{
    return e->inner->input(e->computing, slot);
}

static yolk_status start(yk_exec *e, int slot)
{
    device *d = e->device;
    yolk_status status = YOLK_OK;
    enter();
    d->figures.started++;
    e->started_ns[slot] = yk_now_ns();
    if (d->lost)
        status = fail_lost(d);
    else if (is_short(&d->settings.short_start) ||
             (d->settings.memory > 0 && d->figures.used + d->occupied > d->settings.memory))
        status = fail_short(d, "start a batch");
    leave();
    return status;
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static yolk_status wait_for(yk_exec *e, int slot)
{
    device *d = e->device;
    yolk_status status = YOLK_OK;
    enter();
    d->figures.waiting++;
    while (d->held && !d->lost)
        pthread_cond_wait(&world.changed, &world.mutex);
    d->figures.waiting--;
    if (d->settings.lives >= 0 && d->settings.lives-- == 0)
        d->lost = true;
    if (d->lost)
        status = fail_lost(d);
    else if (is_short(&d->settings.short_wait))
        status = fail_short(d, "run a batch");
    const int milliseconds = d->settings.milliseconds;
    leave();
    if (status != YOLK_OK)
        return status;
    status = e->inner->start(e->computing, slot);
    if (status == YOLK_OK)
        status = e->inner->wait(e->computing, slot);
    if (milliseconds > 0)
        sleep_until(e->started_ns[slot] + (uint64_t)milliseconds * 1000000);
    if (status != YOLK_OK)
        return status;
    enter();
    d->figures.finished++;
    d->figures.largest = YK_MAX(d->figures.largest, e->batch);
    leave();
    return YOLK_OK;
}

static const float *output(yk_exec *e, int slot, int index)
{
    return e->inner->output(e->computing, slot, index);
}

const yk_backend yk_backend_dummy = {
    .api_version = YK_BACKEND_API,
    .name = "dummy",
    .kind = "dummy",
    .description = "devices that do not exist, for tests",
    .gains_from_batch = true,
    .for_tests = true,
    .probe = probe,
    .device_count = device_count,
    .free_memory = free_memory,
    .compile = compile,
    .destroy = destroy,
    .slot_count = slot_count,
    .input = input,
    .start = start,
    .wait = wait_for,
    .output = output,
    .save = save,
    .load = load,
    .fingerprint = fingerprint,
};
