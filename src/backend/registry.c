/* The backends there are, and which of them to use. */
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "yolk/model.h"

static const yk_backend *const backends[] = {&yk_backend_openvino, &yk_backend_reference};

const yk_backend *const *yk_backends(size_t *count)
{
    *count = YK_COUNT(backends);
    return backends;
}

static yolk_status check_device(const char *device)
{
    static const char *const known[] = {"auto", "cpu"};
    if (!device || strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0)
        return YOLK_OK;
    if (strncmp(device, "cuda", 4) == 0)
        return yk_fail(YOLK_ERROR_BACKEND,
                       "device '%s': this build runs on the processor only, use --device cpu or auto", device);
    const char *nearest = yk_nearest(device, known, YK_COUNT(known));
    return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no device '%s'%s%s%s (auto, cpu)", device,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static yolk_status choose_named(const char *name, const yk_backend **out)
{
    const char *names[YK_COUNT(backends) + 1] = {"auto"};
    for (size_t i = 0; i < YK_COUNT(backends); i++) {
        names[i + 1] = backends[i]->name;
        if (strcmp(name, backends[i]->name) != 0)
            continue;
        yk_probe probe;
        backends[i]->probe(&probe);
        if (!probe.available)
            return yk_fail(YOLK_ERROR_BACKEND, "backend '%s' cannot run here: %s", name, probe.reason);
        *out = backends[i];
        return YOLK_OK;
    }
    const char *nearest = yk_nearest(name, names, YK_COUNT(names));
    return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no backend '%s'%s%s%s (auto, openvino, reference)", name,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

yolk_status yk_backend_choose(const char *name, const char *device, const yk_backend **out)
{
    *out = NULL;
    yolk_status status = check_device(device);
    if (status != YOLK_OK)
        return status;
    if (name && strcmp(name, "auto") != 0)
        return choose_named(name, out);
    int best = 0;
    for (size_t i = 0; i < YK_COUNT(backends); i++) {
        yk_probe probe;
        backends[i]->probe(&probe);
        if (probe.available && (!*out || probe.score > best)) {
            *out = backends[i];
            best = probe.score;
        } else if (!probe.available) {
            yk_log(YOLK_LOG_WARNING, "backend '%s' cannot run here: %s", backends[i]->name, probe.reason);
        }
    }
    return *out ? YOLK_OK : yk_fail(YOLK_ERROR_BACKEND, "no backend can run here: see 'yolk info'");
}

size_t yolk_backend_count(void)
{
    return YK_COUNT(backends);
}

yolk_status yolk_backend_get(size_t index, yolk_backend_info *out)
{
    static _Thread_local yk_probe probe;
    *out = (yolk_backend_info){0};
    if (index >= YK_COUNT(backends))
        return yk_fail(YOLK_ERROR_NOT_FOUND, "there is no backend %zu, only %zu of them", index, YK_COUNT(backends));
    backends[index]->probe(&probe);
    *out = (yolk_backend_info){
        .name = backends[index]->name,
        .description = backends[index]->description,
        .available = probe.available,
        .version = probe.version,
        .device = probe.device,
        .reason = probe.available ? "" : probe.reason,
    };
    return YOLK_OK;
}
