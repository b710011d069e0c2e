/* Making a model ready to run: from what an engine holds, or by compiling it, after which it may be kept. */
#include <string.h>

#include "export/export.h"
#include "import/import.h"
#include "model/model.h"

/* The model inside the engine, or, when that is damaged, what it was made from. */
static yolk_status read_network(yk_compiled *c)
{
    const yk_import_options options = {0};
    const uint8_t *bytes;
    size_t size;
    yolk_status status = yk_engine_bytes(c->engine, -1, &bytes, &size);
    if (status == YOLK_OK)
        status = yk_import_onnx(bytes, size, NULL, &options, &c->network);
    if (status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY)
        return status == YOLK_OK ? status : yk_fail_prefix(status, "%s: ", c->path);
    if (!c->source || yk_engine_header_of(c->engine)->converted)
        return status;
    yk_log(YOLK_LOG_WARNING, "%s; it is read from %s", yolk_last_error(), c->source);
    return yk_import_file(c->source, &options, &c->network);
}

yolk_status yk_model_network(yk_model *m, yk_graph **out)
{
    yk_compiled *c = &m->compiled;
    yolk_status status = c->network ? YOLK_OK : read_network(c);
    *out = c->network;
    return status;
}

/* ---- keeping ---- */

/* The model as yolk itself writes it, so that every size can be compiled from it. */
static yolk_status write_network(void *model, yk_buffer *out)
{
    yk_graph *g = ((yk_model *)model)->compiled.network;
    const yk_onnx_options options = {.dynamic = g->dynamic_size, .metadata = true};
    const int64_t bound[3] = {g->bound[0], g->bound[1], g->bound[2]};
    const int batch = YK_MAX(((yk_model *)model)->compiled.fixed_batch, 1);
    yolk_status status = yk_graph_bind(g, batch, g->input_height, g->input_width);
    if (status == YOLK_OK)
        status = yk_export_onnx(g, &options, out);
    yolk_status again = yk_graph_bind(g, bound[0], bound[1], bound[2]);
    return status == YOLK_OK ? again : status;
}

static yolk_status keep(yk_model *m, const yk_graph *g, yk_exec *exec)
{
    yk_compiled *c = &m->compiled;
    yk_engine_form form;
    yk_buffer bytes = {0};
    yolk_status status = yk_engine_form_of(g, m->half, &form);
    if (status == YOLK_OK)
        status = m->backend->save(exec, &bytes);
    if (status == YOLK_OK) {
        const yk_engine_part part = {&form, bytes.data, bytes.size};
        status = yk_engine_add(c->keep, &c->header, write_network, m, &part);
    }
    if (status == YOLK_OK)
        yk_log(YOLK_LOG_INFO, "%s: keeps %d frames of %dx%d as compiled", c->keep, form.batch, form.width, form.height);
    yk_buffer_free(&bytes);
    return status;
}

/* A file that cannot be written is no reason not to run; one warning is enough. */
static void try_to_keep(yk_model *m, const yk_graph *g, yk_exec *exec)
{
    yk_compiled *c = &m->compiled;
    if (!c->keep || keep(m, g, exec) == YOLK_OK)
        return;
    yk_log(YOLK_LOG_WARNING, "what is compiled cannot be kept: %s", yolk_last_error());
    yk_free(c->keep);
    c->keep = NULL;
}

/* ---- compiling ---- */

/* From what the engine holds; `*exec` stays NULL when it has nothing that can be used. */
static yolk_status load_form(yk_model *m, yk_session_key key, const yk_compile_options *options, yk_exec **exec)
{
    yk_compiled *c = &m->compiled;
    const yk_engine_form wanted = {
        .batch = key.batch, .height = key.size.height, .width = key.size.width, .half = m->half};
    const int index = c->engine && c->fits && m->backend->load ? yk_engine_find(c->engine, &wanted) : -1;
    const uint8_t *bytes;
    size_t size;
    if (index < 0)
        return YOLK_OK;
    yolk_status status = yk_engine_bytes(c->engine, index, &bytes, &size);
    if (status == YOLK_OK) {
        yk_engine_bind(c->engine, (size_t)index);
        status = m->backend->load(bytes, size, c->graph, options, exec);
        yk_engine_idle(c->engine);
    }
    if (status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY || status == YOLK_ERROR_DEVICE_LOST)
        return status;
    yk_log(YOLK_LOG_WARNING, "%s: a compiled form cannot be used and is passed over: %s", c->path, yolk_last_error());
    return YOLK_OK;
}

yolk_status yk_model_compile(yk_model *m, yk_session_key key, const yk_compile_options *options, const yk_graph **bound,
                             yk_exec **exec)
{
    yk_graph *g = NULL;
    *exec = NULL;
    *bound = m->graph;
    yolk_status status = load_form(m, key, options, exec);
    if (status != YOLK_OK || *exec)
        return status;
    status = yk_model_network(m, &g);
    if (status == YOLK_OK)
        status = yk_graph_bind(g, key.batch, key.size.height, key.size.width);
    yk_compile_options wanted = *options;
    wanted.tune = m->compiled.keep != NULL;
    if (status == YOLK_OK)
        status = m->backend->compile(g, &wanted, exec);
    if (status != YOLK_OK)
        return status;
    *bound = g;
    try_to_keep(m, g, *exec);
    return YOLK_OK;
}
