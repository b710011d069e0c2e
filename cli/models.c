/* yolk models: what lies in a folder of models. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static json_t *model_json(const yolk_model_info *m)
{
    json_t *names = json_array();
    for (int i = 0; i < m->class_count; i++)
        json_array_append_new(names, json_text(m->class_names[i]));
    json_t *root = json_pack("{s:o, s:o, s:s, s:I, s:o, s:s, s:s, s:o, s:i, s:{s:i, s:i}, s:b, s:b, s:I}", "name",
                             json_text(m->name), "path", json_text(m->path), "format", m->format, "bytes",
                             (json_int_t)m->file_bytes, "family", json_text(m->family), "head", m->head, "precision",
                             m->precision, "classes", names, "stride", m->stride, "input", "width", m->input_width,
                             "height", m->input_height, "dynamic_size", m->dynamic_size, "dynamic_batch",
                             m->dynamic_batch, "parameters", (json_int_t)m->parameters);
    if (root && *m->device) {
        json_object_set_new(root, "backend", json_text(m->backend));
        json_object_set_new(root, "device", json_text(m->device));
    }
    if (root && *m->check)
        json_object_set_new(root, "check", json_text(m->check));
    if (root && *m->error)
        json_object_set_new(root, "error", json_text(m->error));
    return root;
}

static int print_json(const yolk_model_list *list)
{
    json_t *root = json_array();
    for (size_t i = 0; i < yolk_model_list_count(list); i++)
        json_array_append_new(root, model_json(yolk_model_list_get(list, i)));
    return write_json(root, "-");
}

static bool any_usable(const yolk_model_list *list)
{
    for (size_t i = 0; i < yolk_model_list_count(list); i++)
        if (!*yolk_model_list_get(list, i)->error)
            return true;
    return false;
}

static int print_table(const yolk_model_list *list)
{
    static const char *const heading[] = {"NAME",  "FORMAT",    "FAMILY",  "HEAD", "CLASSES",
                                          "INPUT", "PRECISION", "WEIGHTS", "SIZE"};
    table t = {.columns = COUNT(heading)};
    for (size_t i = 0; i < COUNT(heading); i++)
        table_add(&t, "%s", heading[i]);
    for (size_t i = 0; i < yolk_model_list_count(list); i++) {
        const yolk_model_info *m = yolk_model_list_get(list, i);
        char size[32];
        if (*m->error)
            continue;
        format_bytes(size, sizeof(size), m->file_bytes);
        table_add(&t, "%s", m->name);
        table_add(&t, "%s", m->format);
        table_add(&t, "%s", *m->family ? m->family : "-");
        table_add(&t, "%s", m->head);
        table_add(&t, "%d", m->class_count);
        table_add(&t, "%dx%d%s", m->input_height, m->input_width, m->dynamic_size ? " (any)" : "");
        table_add(&t, "%s", m->precision);
        table_add(&t, "%.1fM", (double)m->parameters / 1e6);
        table_add(&t, "%s", size);
    }
    return table_print(&t, 1 << 4 | 1 << 7 | 1 << 8);
}

static void tell_more(const yolk_model_list *list)
{
    for (size_t i = 0; i < yolk_model_list_count(list); i++) {
        const yolk_model_info *m = yolk_model_list_get(list, i);
        if (*m->device)
            printf("%s.%s: compiled for %s (%s)\n", m->name, m->format, m->device, m->backend);
        if (*m->check)
            printf("%s: %s\n", m->name, m->check);
    }
}

/* One that cannot be used is told about, but only a file that was asked for by name makes a failure of it. */
static int tell_faults(const yolk_model_list *list, bool named)
{
    int status = STATUS_DONE;
    for (size_t i = 0; i < yolk_model_list_count(list); i++) {
        const yolk_model_info *m = yolk_model_list_get(list, i);
        if (!*m->error)
            continue;
        if (named)
            status = fail("%s", m->error);
        else
            say("cannot be used: %s", m->error);
    }
    return status;
}

int command_models(const arguments *args)
{
    yolk_config config;
    yolk_model_list *list = NULL;
    int status = arguments_settings(args, &config);
    if (status != STATUS_DONE)
        return status;
    const char *where = args->input_count ? args->inputs[0] : config.models_dir;
    bool folder = path_is_folder(where);
    if (!path_exists(where))
        return fail("%s: there is no such folder; name one, or set it with --models", where);
    if ((folder ? yolk_model_list_create(where, &list) : yolk_model_list_create_file(where, &list)) != YOLK_OK)
        return fail_last();
    if (yolk_model_list_count(list) == 0 && !args->values[OPT_JSON])
        say("%s: no .engine, .onnx or .pt file in it", where);
    if (args->values[OPT_JSON])
        status = print_json(list);
    else if (any_usable(list))
        status = print_table(list);
    if (!args->values[OPT_JSON])
        tell_more(list);
    int faults = tell_faults(list, !folder);
    yolk_model_list_destroy(&list);
    return status != STATUS_DONE ? status : faults;
}
