/* Whether what an engine holds is for the device that will run it, and what is kept of what is compiled for it. */
#include <stdio.h>
#include <string.h>

#include "model/model.h"
#include "yolk/yolk.h"

static void describe_device(yk_compiled *c, const yk_backend *backend, int device)
{
    char text[400] = "";
    yk_backend_device_name(backend, device, c->device, sizeof c->device);
    c->fingerprint[0] = '\0';
    if (backend->fingerprint)
        backend->fingerprint(device, &(yk_compile_options){.device = device}, text, sizeof text);
    if (text[0])
        yk_engine_fingerprint(backend->name, text, c->fingerprint, sizeof c->fingerprint);
}

/* ---- what is in an engine ---- */

bool yk_compiled_is_for(const yk_compiled *c, const yk_backend *backend)
{
    yk_compiled here = {0};
    if (!c->engine || yk_engine_form_count(c->engine) == 0)
        return false;
    const yk_engine_header *h = yk_engine_header_of(c->engine);
    if (strcmp(h->backend, backend->name) != 0)
        return false;
    describe_device(&here, backend, 0);
    return here.fingerprint[0] && strcmp(here.fingerprint, h->fingerprint) == 0;
}

const yk_backend *yk_compiled_backend(const yk_compiled *c)
{
    size_t count;
    const yk_backend *const *backends = yk_backends(&count);
    for (size_t i = 0; i < count; i++) {
        if (!backends[i]->for_tests && strcmp(backends[i]->kind, "cpu") == 0 && yk_compiled_is_for(c, backends[i]))
            return backends[i];
    }
    return NULL;
}

/* Whether what is compiled in it is for this device, by this yolk and its libraries; the log says why not. */
static bool forms_fit(const yk_compiled *c, const yk_backend *backend)
{
    const yk_engine_header *h = yk_engine_header_of(c->engine);
    if (strcmp(h->fingerprint, c->fingerprint) == 0)
        return true;
    if (yk_engine_form_count(c->engine) == 0)
        return false;
    if (strcmp(h->backend, backend->name) != 0)
        yk_log(YOLK_LOG_WARNING, "%s: what is compiled in the engine is for %s and passed over: %s runs it now",
               c->path, h->backend, backend->name);
    else if (strcmp(h->device, c->device) != 0)
        yk_log(YOLK_LOG_WARNING,
               "%s: what is compiled in the engine is for another device (%s) and passed over: this is %s", c->path,
               h->device, c->device);
    else if (strcmp(h->yolk, yolk_version()) != 0)
        yk_log(YOLK_LOG_WARNING,
               "%s: what is compiled in the engine is of another yolk (%s) and passed over: this is %s", c->path,
               h->yolk, yolk_version());
    else
        yk_log(YOLK_LOG_WARNING,
               "%s: what is compiled in the engine is of another library (%s) and passed over: this is %s", c->path,
               h->fingerprint, c->fingerprint);
    return false;
}

/* ---- what is kept ---- */

/* Whether an engine can be made of this, to be said once and early. */
static bool can_keep(const yk_compiled *c, const yolk_config *config, const yk_backend *backend)
{
    const char *why = !backend->save                      ? "the backend has no form that could be kept"
                      : !c->fingerprint[0]                ? "the backend does not say what it depends on"
                      : strcmp(config->head, "auto") != 0 ? "its head was given"
                      : c->graph->dynamic_size != c->graph->dynamic_batch ? "only one of its size and batch is open"
                      : !yk_is_file(c->path)                              ? "it is no plain file"
                                                                          : NULL;
    if (why)
        yk_log(YOLK_LOG_WARNING, "%s: nothing is kept in an engine: %s", c->path, why);
    return !why;
}

static yolk_status prepare_keeping(yk_compiled *c, const yk_backend *backend)
{
    yk_engine_header *h = &c->header;
    if (c->engine) {
        *h = *yk_engine_header_of(c->engine);
    } else {
        yolk_status status = yk_engine_source_read(c->path, &h->source);
        if (status != YOLK_OK)
            return status;
        h->precision = (char *)yk_graph_precision(c->graph);
        h->check = c->graph->check ? c->graph->check : (char *)"";
        h->calibration = "";
        h->parameters = yk_graph_parameters(c->graph);
        h->fixed_batch = c->fixed_batch;
    }
    h->graph = c->graph;
    h->yolk = (char *)yolk_version();
    h->backend = (char *)backend->name;
    h->device = c->device;
    h->fingerprint = c->fingerprint;
    return YOLK_OK;
}

yolk_status yk_compiled_place(yk_compiled *c, const yolk_config *config, const yk_backend *backend, int device)
{
    describe_device(c, backend, device);
    c->fits = c->engine && forms_fit(c, backend);
    if (c->keep && can_keep(c, config, backend))
        return prepare_keeping(c, backend);
    yk_free(c->keep);
    c->keep = NULL;
    return YOLK_OK;
}

void yk_compiled_move(yk_compiled *c, const yk_backend *backend, int device)
{
    describe_device(c, backend, device);
    c->header.backend = (char *)backend->name;
}
