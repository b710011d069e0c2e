/* The backends there are, and which of them to use. */
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "yolk/model.h"

static const yk_backend *const backends[] = {&yk_backend_cuda, &yk_backend_native, &yk_backend_openvino,
                                             &yk_backend_reference, &yk_backend_dummy};

const yk_backend *const *yk_backends(size_t *count)
{
    *count = YK_COUNT(backends);
    return backends;
}

static yolk_status parse(const char *device, yk_devices *out)
{
    static const char *const known[] = {"auto", "cpu", "cuda"};
    if (!device)
        device = "auto";
    if (yk_devices_parse(device, out))
        return YOLK_OK;
    const char *nearest = yk_nearest(device, known, YK_COUNT(known));
    return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no device '%s'%s%s%s (auto, cpu, cpu:0,1, cuda, cuda:0,1)", device,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool leaves_open(const char *text)
{
    return !text || strcmp(text, "auto") == 0;
}

/* Whether the backend's devices are of the kind asked for. */
static bool suits(const yk_backend *b, const yk_devices *devices)
{
    return strcmp(devices->kind, b->kind) == 0 || strcmp(devices->kind, "auto") == 0;
}

static yolk_status choose_named(const char *name, const char *device, const yk_devices *devices, const yk_backend **out)
{
    const char *names[YK_COUNT(backends) + 1] = {"auto"};
    size_t count = 1;
    for (size_t i = 0; i < YK_COUNT(backends); i++) {
        if (!backends[i]->for_tests)
            names[count++] = backends[i]->name;
        if (strcmp(name, backends[i]->name) != 0)
            continue;
        yk_probe probe;
        backends[i]->probe(&probe);
        if (!probe.available)
            return yk_fail(YOLK_ERROR_BACKEND, "backend '%s' cannot run here: %s", name, probe.reason);
        if (!suits(backends[i], devices))
            return yk_fail(YOLK_ERROR_BACKEND, "backend '%s' has no device '%s': leave the backend or the device out",
                           name, device);
        *out = backends[i];
        return YOLK_OK;
    }
    const char *nearest = yk_nearest(name, names, count);
    return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no backend '%s'%s%s%s (auto, cuda, native, openvino, reference)",
                   name, nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* Among those whose bit in `passed` is not set. */
static yolk_status choose_best(const char *device, const yk_devices *devices, uint32_t passed, const yk_backend **out)
{
    int best = 0, missed = 0;
    bool known = false;
    yk_probe probe, missing = {0};
    const char *missing_name = "";
    const bool any = strcmp(devices->kind, "auto") == 0;
    for (size_t i = 0; i < YK_COUNT(backends); i++) {
        const yk_backend *b = backends[i];
        if (!suits(b, devices) || passed >> i & 1)
            continue;
        if (*out && b->score <= best)
            continue;
        b->probe(&probe);
        if (any && b->for_tests && probe.score == 0)
            continue;
        known = true;
        if (probe.available && (!*out || probe.score > best)) {
            *out = b;
            best = probe.score;
        } else if (!probe.available && probe.score >= missed) {
            missing = probe;
            missing_name = b->name;
            missed = probe.score;
        }
    }
    if (!known)
        return yk_fail(YOLK_ERROR_BACKEND, "device '%s': no backend has such devices, use --device cpu or auto",
                       device);
    if (!*out && any)
        return yk_fail(YOLK_ERROR_BACKEND, "no backend can run here: %s; see 'yolk info'", missing.reason);
    if (!*out)
        return yk_fail(YOLK_ERROR_BACKEND, "device '%s' cannot be used: %s; see 'yolk info'", device, missing.reason);
    if (missed > best)
        yk_log(YOLK_LOG_WARNING, "backend '%s', which would be faster than '%s', cannot run here: %s", missing_name,
               (*out)->name, missing.reason);
    return YOLK_OK;
}

yolk_status yk_backend_choose(const char *name, const char *device, const yk_backend **out)
{
    yk_devices devices;
    *out = NULL;
    yolk_status status = parse(device, &devices);
    if (status != YOLK_OK)
        return status;
    if (leaves_open(name))
        status = choose_best(device, &devices, 0, out);
    else
        status = choose_named(name, device, &devices, out);
    return status == YOLK_OK && *out ? yk_backend_devices(*out, device, &devices) : status;
}

bool yk_backend_is_open(const char *name, const char *device)
{
    return leaves_open(name) && leaves_open(device);
}

yolk_status yk_backend_settle(const yk_graph *g, const yk_backend **backend)
{
    const yk_devices any = {.kind = "auto"};
    uint32_t passed = 0;
    while ((*backend)->check) {
        const yk_backend *unable = *backend;
        char why[512];
        yolk_status status = unable->check(g);
        if (status != YOLK_ERROR_UNSUPPORTED)
            return status;
        snprintf(why, sizeof why, "%s", yolk_last_error());
        for (size_t i = 0; i < YK_COUNT(backends); i++)
            passed |= backends[i] == unable ? UINT32_C(1) << i : 0;
        *backend = NULL;
        status = choose_best("auto", &any, passed, backend);
        if (status != YOLK_OK)
            return status;
        yk_log(YOLK_LOG_WARNING, "%s is passed over for %s: %s", unable->name, (*backend)->name, why);
    }
    return YOLK_OK;
}

yolk_status yk_backend_devices(const yk_backend *backend, const char *device, yk_devices *out)
{
    yolk_status status = parse(device, out);
    if (status != YOLK_OK)
        return status;
    memcpy(out->kind, backend->kind, strlen(backend->kind) + 1);
    if (out->count == 0)
        out->index[out->count++] = 0;
    const int count = backend->device_count();
    for (int i = 0; i < out->count; i++) {
        if (out->index[i] >= count)
            return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no device '%s:%d', the last one is %s:%d", out->kind,
                           out->index[i], out->kind, count - 1);
    }
    return YOLK_OK;
}

void yk_backend_device_name(const yk_backend *backend, int device, char *text, size_t size)
{
    if (backend->device_name) {
        backend->device_name(device, text, size);
    } else {
        yk_probe probe;
        backend->probe(&probe);
        snprintf(text, size, "%s", probe.device);
    }
}

/* The backends that are told of in public. */
static const yk_backend *listed(size_t index)
{
    for (size_t i = 0; i < YK_COUNT(backends); i++) {
        if (!backends[i]->for_tests && index-- == 0)
            return backends[i];
    }
    return NULL;
}

size_t yolk_backend_count(void)
{
    size_t count = 0;
    while (listed(count))
        count++;
    return count;
}

yolk_status yolk_backend_get(size_t index, yolk_backend_info *out)
{
    static _Thread_local yk_probe probe;
    const yk_backend *b = listed(index);
    *out = (yolk_backend_info){0};
    if (!b)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no backend %zu, only %zu of them", index, yolk_backend_count());
    b->probe(&probe);
    *out = (yolk_backend_info){
        .name = b->name,
        .description = b->description,
        .available = probe.available,
        .version = probe.version,
        .device = probe.device,
        .reason = probe.available ? "" : probe.reason,
    };
    return YOLK_OK;
}
