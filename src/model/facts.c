/* Facts about a model file. */
#include <string.h>
#include <sys/stat.h>

#include "model/model.h"

static const char *head_name(const yk_head *head)
{
    if (head->kind == YK_HEAD_DECODED_END2END || (head->kind == YK_HEAD_ANCHOR_FREE && head->end2end))
        return "end-to-end";
    return yk_head_kind_name(head->kind);
}

static bool copy_classes(const yk_graph *g, yk_facts *out)
{
    out->class_names = yk_calloc((size_t)g->head.classes, sizeof *out->class_names);
    if (!out->class_names)
        return false;
    out->info.class_count = g->head.classes;
    for (int i = 0; i < g->head.classes; i++) {
        out->class_names[i] = yk_strdup(g->class_names[i]);
        if (!out->class_names[i])
            return false;
    }
    out->info.class_names = (const char *const *)out->class_names;
    return true;
}

yolk_status yk_facts_make(const char *path, const yk_graph *g, yk_facts *out)
{
    struct stat s;
    *out = (yk_facts){0};
    out->error = yk_strdup(g ? "" : yolk_last_error());
    out->name = yk_path_stem(path);
    out->path = yk_strdup(path);
    out->family = yk_strdup(g ? g->family : "");
    out->check = yk_strdup(g && g->check ? g->check : "");
    if (!out->name || !out->path || !out->family || !out->check || !out->error || (g && !copy_classes(g, out))) {
        yk_facts_free(out);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    yolk_model_info *info = &out->info;
    info->name = out->name;
    info->path = out->path;
    info->family = out->family;
    info->check = out->check;
    info->error = out->error;
    info->format = yk_model_format(out->path);
    info->head = info->precision = info->backend = info->device = "";
    info->file_bytes = stat(path, &s) == 0 ? (uint64_t)s.st_size : 0;
    if (g) {
        info->head = head_name(&g->head);
        info->precision = yk_graph_precision(g);
        info->stride = g->stride;
        info->input_height = g->input_height;
        info->input_width = g->input_width;
        info->dynamic_size = g->dynamic_size;
        info->dynamic_batch = g->dynamic_batch;
        info->parameters = yk_graph_parameters(g);
    }
    return YOLK_OK;
}

yolk_status yk_facts_of_engine(const char *path, const yk_engine *engine, yk_facts *out)
{
    const yk_engine_header *h = yk_engine_header_of(engine);
    yolk_status status = yk_facts_make(path, h->graph, out);
    if (status != YOLK_OK)
        return status;
    yk_free(out->check);
    out->check = yk_strdup(h->check);
    out->precision = yk_strdup(h->precision);
    out->backend = yk_strdup(h->backend);
    out->device = yk_strdup(h->device);
    if (!out->check || !out->precision || !out->backend || !out->device) {
        yk_facts_free(out);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    out->info.check = out->check;
    out->info.precision = out->precision;
    out->info.backend = out->backend;
    out->info.device = out->device;
    out->info.parameters = h->parameters;
    return YOLK_OK;
}

void yk_facts_free(yk_facts *facts)
{
    for (int i = 0; facts->class_names && i < facts->info.class_count; i++)
        yk_free(facts->class_names[i]);
    yk_free(facts->class_names);
    yk_free(facts->name);
    yk_free(facts->path);
    yk_free(facts->family);
    yk_free(facts->check);
    yk_free(facts->error);
    yk_free(facts->precision);
    yk_free(facts->backend);
    yk_free(facts->device);
    *facts = (yk_facts){0};
}
