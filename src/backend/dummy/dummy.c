#include "backend/dummy/dummy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/picture.h"
#include "detect/rank.h"

enum { SLOTS = 2, SCORE = 1000 };

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

/* What the device does by itself with a slot's batch. */
typedef struct seeing {
    yk_input frames;
    yk_letterbox_scratch scratch;
    yk_detections *lists; /* one a frame of a batch */
    bool *complete;
} seeing;

struct yk_exec {
    const yk_backend *inner;
    yk_exec *computing; /* the inner one's */
    device *device;
    uint64_t bytes;
    int batch, slots;
    uint64_t *started_ns; /* by slot */
    unsigned abilities;
    size_t candidates; /* of a frame, at most */
    yk_head head;
    yk_detect_options detect;
    uint8_t *class_mask;
    yk_shape shapes[2 * YK_MAX_LEVELS]; /* of the outputs */
    int output_count, height, width;
    seeing *seeings; /* by slot */
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
    const bool first = world.count > 0 && world.devices[0].settings.first;
    *out = (yk_probe){.available = world.count > 0, .half = half, .half_first = half, .score = first ? SCORE : 0};
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

static void device_name(int index, char *text, size_t size)
{
    snprintf(text, size, "simulated device %d", index);
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
    for (int i = 0; e->seeings && i < e->slots; i++) {
        seeing *s = &e->seeings[i];
        for (int n = 0; s->lists && n < e->batch; n++)
            yk_detections_free(&s->lists[n]);
        yk_letterbox_scratch_free(&s->scratch);
        yk_free(s->lists);
        yk_free(s->complete);
    }
    yk_free(e->seeings);
    yk_free(e->class_mask);
    yk_free(e->started_ns);
    yk_free(e);
}

/* As the device is now: what it will do by itself. */
static yolk_status open_eyes(yk_exec *e, const yk_graph *g, const yk_compile_options *options)
{
    e->head = g->head;
    e->output_count = g->output_count;
    e->height = (int)g->bound[1];
    e->width = (int)g->bound[2];
    for (int i = 0; i < g->output_count && i < (int)YK_COUNT(e->shapes); i++)
        e->shapes[i] = g->values[g->outputs[i]].shape;
    if (e->device->settings.pictures)
        e->abilities |= YK_TAKES_PICTURES;
    if (options->detect && e->device->settings.candidates > 0 &&
        yk_decode_check(&e->head, e->shapes, 0, e->width, e->height) == YOLK_OK) {
        e->abilities |= YK_FINDS_BOXES;
        e->candidates = (size_t)e->device->settings.candidates;
        e->detect = *options->detect;
        if (e->detect.class_mask) {
            e->class_mask = yk_alloc((size_t)e->head.classes);
            if (!e->class_mask)
                return YOLK_ERROR_OUT_OF_MEMORY;
            memcpy(e->class_mask, e->detect.class_mask, (size_t)e->head.classes);
            e->detect.class_mask = e->class_mask;
        }
    }
    e->seeings = yk_calloc((size_t)e->slots, sizeof *e->seeings);
    for (int i = 0; e->seeings && i < e->slots; i++) {
        e->seeings[i].lists = yk_calloc((size_t)e->batch, sizeof *e->seeings[i].lists);
        e->seeings[i].complete = yk_calloc((size_t)e->batch, sizeof *e->seeings[i].complete);
        if (!e->seeings[i].lists || !e->seeings[i].complete)
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    return e->seeings ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
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
    status = open_eyes(e, g, options);
    if (status != YOLK_OK)
        goto fail;
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

static yolk_status check(const yk_graph *g)
{
    enter();
    const char *refuses = world.count > 0 ? world.devices[0].settings.refuses : NULL;
    leave();
    for (int i = 0; refuses && i < g->node_count; i++) {
        if (strcmp(yk_op_name(g->nodes[i].op), refuses) == 0)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "layer \"%s\": there is no simulated kernel for the operator %s",
                           g->nodes[i].name, refuses);
    }
    return YOLK_OK;
}

static yolk_status compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    *out = NULL;
    const yolk_status status = check(g);
    return status == YOLK_OK ? make(g, options, NULL, 0, out) : status;
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

static unsigned abilities(const yk_exec *e)
{
    return e->abilities;
}

static yolk_status start_frames(yk_exec *e, int slot, const yk_input *frames)
{
    device *d = e->device;
    yolk_status status = YOLK_OK;
    e->seeings[slot].frames = *frames;
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

static yolk_status start(yk_exec *e, int slot)
{
    return start_frames(e, slot, &(yk_input){.count = e->batch});
}

/* Devices' memory is the processor's as well, but who does not know that is told what is wrong. */
static yolk_image mapped(const yolk_image *image)
{
    yolk_image out = *image;
    out.memory = YOLK_MEMORY_HOST;
    return out;
}

/* Pictures are on the first device, and lost with it. */
static yolk_status fetch(const yolk_image *from, const yolk_image *to)
{
    const yolk_image here = mapped(from);
    enter();
    const yolk_status status = world.devices[0].lost ? fail_lost(&world.devices[0]) : YOLK_OK;
    leave();
    if (status == YOLK_OK)
        yk_image_copy(&here, to);
    return status;
}

/* Pixels are looked at as late as may be. */
static yolk_status fit_in(yk_exec *e, int slot)
{
    seeing *s = &e->seeings[slot];
    const size_t size = (size_t)e->width * (size_t)e->height * 3;
    yolk_status status = YOLK_OK;
    for (int i = 0; s->frames.images && i < s->frames.count && status == YOLK_OK; i++) {
        const yolk_image image = mapped(&s->frames.images[i]);
        status = yk_letterbox_run(&image, &s->frames.fits[i], e->head.bgr, e->width, e->height,
                                  e->inner->input(e->computing, slot) + (size_t)i * size, &s->scratch);
    }
    return status;
}

static yolk_status find_boxes(yk_exec *e, int slot)
{
    seeing *s = &e->seeings[slot];
    const float *outputs[YK_COUNT(e->shapes)];
    yolk_status status = YOLK_OK;
    for (int i = 0; i < e->output_count && i < (int)YK_COUNT(outputs); i++)
        outputs[i] = e->inner->output(e->computing, slot, i);
    for (int i = 0; s->frames.boxes && i < s->frames.count && status == YOLK_OK; i++) {
        yk_detections *d = &s->lists[i];
        status = yk_decode(&e->head, outputs, e->shapes, i, e->width, e->height, &e->detect, d);
        s->complete[i] = d->count <= e->candidates;
        if (status == YOLK_OK)
            status = yk_suppress(&e->head, &e->detect, d);
    }
    return status;
}

static yolk_status compute(yk_exec *e, int slot)
{
    yolk_status status = fit_in(e, slot);
    if (status == YOLK_OK)
        status = e->inner->start(e->computing, slot);
    if (status == YOLK_OK)
        status = e->inner->wait(e->computing, slot);
    return status == YOLK_OK ? find_boxes(e, slot) : status;
}

static void count_frames(device *d, const seeing *s)
{
    d->figures.pictures += s->frames.images ? s->frames.count : 0;
    for (int i = 0; s->frames.boxes && i < s->frames.count; i++) {
        d->figures.found += s->complete[i];
        d->figures.left += !s->complete[i];
    }
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
    status = compute(e, slot);
    if (milliseconds > 0)
        sleep_until(e->started_ns[slot] + (uint64_t)milliseconds * 1000000);
    if (status != YOLK_OK)
        return status;
    enter();
    d->figures.finished++;
    d->figures.largest = YK_MAX(d->figures.largest, e->batch);
    count_frames(d, &e->seeings[slot]);
    leave();
    return YOLK_OK;
}

static const float *output(yk_exec *e, int slot, int index)
{
    return e->inner->output(e->computing, slot, index);
}

static yolk_status found(yk_exec *e, int slot, int index, bool *complete, yk_detections *out)
{
    const yk_detections *list = &e->seeings[slot].lists[index];
    *complete = e->seeings[slot].complete[index];
    out->count = 0;
    for (size_t i = 0; *complete && i < list->count; i++) {
        yolk_detection *to = yk_detections_next(out);
        if (!to)
            return YOLK_ERROR_OUT_OF_MEMORY;
        *to = list->items[i];
        out->count++;
    }
    return YOLK_OK;
}

const yk_backend yk_backend_dummy = {
    .api_version = YK_BACKEND_API,
    .name = "dummy",
    .kind = "dummy",
    .description = "devices that do not exist, for tests",
    .gains_from_batch = true,
    .for_tests = true,
    .score = SCORE,
    .probe = probe,
    .device_count = device_count,
    .device_name = device_name,
    .free_memory = free_memory,
    .check = check,
    .compile = compile,
    .destroy = destroy,
    .slot_count = slot_count,
    .input = input,
    .start = start,
    .wait = wait_for,
    .output = output,
    .abilities = abilities,
    .fetch = fetch,
    .start_frames = start_frames,
    .found = found,
    .save = save,
    .load = load,
    .fingerprint = fingerprint,
};
