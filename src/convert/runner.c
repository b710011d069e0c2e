/* One network at one input size. */
#include "convert/runner.h"

#include <string.h>

yolk_status yk_runner_open(yk_graph *g, int width, int height, const yk_backend *backend, int threads, yk_runner *out)
{
    const yk_compile_options options = {.threads = threads, .streams = 1, .slots = 1, .latency = true};
    *out = (yk_runner){.backend = backend, .head = g->head, .width = width, .height = height};
    yolk_status status = yk_graph_bind(g, 1, height, width);
    if (status == YOLK_OK)
        status = backend->compile(g, &options, &out->exec);
    if (status != YOLK_OK)
        return status;
    out->output_count = g->output_count;
    out->outputs = yk_calloc((size_t)g->output_count, sizeof *out->outputs);
    out->shapes = yk_calloc((size_t)g->output_count, sizeof *out->shapes);
    if (!out->outputs || !out->shapes) {
        yk_runner_close(out);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    for (int i = 0; i < g->output_count; i++)
        out->shapes[i] = g->values[g->outputs[i]].shape;
    return YOLK_OK;
}

yolk_status yk_runner_run(yk_runner *r, const uint8_t *bytes)
{
    memcpy(r->backend->input(r->exec, 0), bytes, (size_t)r->width * (size_t)r->height * 3);
    yolk_status status = r->backend->start(r->exec, 0);
    if (status == YOLK_OK)
        status = r->backend->wait(r->exec, 0);
    for (int i = 0; i < r->output_count && status == YOLK_OK; i++)
        r->outputs[i] = r->backend->output(r->exec, 0, i);
    return status;
}

yolk_status yk_runner_detect(yk_runner *r, const yk_letterbox *fit, const yk_detect_options *options,
                             yk_detections *out)
{
    out->count = 0;
    yolk_status status = yk_decode(&r->head, r->outputs, r->shapes, 0, r->width, r->height, options, out);
    if (status == YOLK_OK)
        status = yk_suppress(&r->head, options, out);
    if (status == YOLK_OK)
        yk_unletterbox(fit, out->items, out->count);
    return status;
}

void yk_runner_close(yk_runner *r)
{
    if (r->exec)
        r->backend->destroy(&r->exec);
    yk_free(r->outputs);
    yk_free(r->shapes);
    *r = (yk_runner){0};
}
