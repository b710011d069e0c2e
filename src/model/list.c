/* What models a folder holds. */
#include "import/import.h"
#include "model/model.h"

struct yolk_model_list {
    yk_facts *models;
    size_t count, capacity;
};

/* With all that is in it verified. */
static yolk_status open_engine(const char *path, yk_engine **out)
{
    const uint8_t *bytes;
    size_t size;
    yolk_status status = yk_engine_open(path, out);
    for (int i = -1; status == YOLK_OK && i < (int)yk_engine_form_count(*out); i++)
        status = yk_engine_bytes(*out, i, &bytes, &size);
    if (status != YOLK_OK)
        yk_engine_close(out);
    return status;
}

/* A file that cannot be used is in the list too, with the reason. */
static yolk_status add_file(yolk_model_list *list, const char *path)
{
    yk_graph *graph = NULL;
    yk_engine *engine = NULL;
    yolk_status status = yk_grow(&list->models, &list->capacity, list->count + 1, sizeof *list->models);
    if (status != YOLK_OK)
        return status;
    status = yk_model_refuse_engine(path);
    if (status == YOLK_OK && yk_model_is_engine(path))
        status = open_engine(path, &engine);
    else if (status == YOLK_OK)
        status = yk_import_file(path, &(yk_import_options){0}, &graph);
    if (engine)
        status = yk_facts_of_engine(path, engine, &list->models[list->count]);
    else if (status != YOLK_ERROR_OUT_OF_MEMORY)
        status = yk_facts_make(path, graph, &list->models[list->count]);
    if (status == YOLK_OK)
        list->count++;
    yk_engine_close(&engine);
    yk_graph_destroy(&graph);
    return status;
}

yolk_status yolk_model_list_create(const char *dir, yolk_model_list **out)
{
    char **names = NULL;
    size_t name_count = 0;
    *out = NULL;
    yolk_model_list *list = yk_calloc(1, sizeof *list);
    if (!list)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = yk_list_directory(dir, &names, &name_count);
    for (size_t i = 0; i < name_count && status == YOLK_OK; i++) {
        if (!yk_is_model_name(names[i]))
            continue;
        char *path = yk_path_join(dir, names[i]);
        status = path ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
        if (path && !yk_is_directory(path))
            status = add_file(list, path);
        yk_free(path);
    }
    yk_names_free(names);
    if (status != YOLK_OK) {
        yolk_model_list_destroy(&list);
        return status;
    }
    *out = list;
    return YOLK_OK;
}

yolk_status yolk_model_list_create_file(const char *path, yolk_model_list **out)
{
    yk_map map;
    *out = NULL;
    /* What is not there is an error, not an entry. */
    yolk_status status = yk_map_open(path, &map);
    if (status == YOLK_ERROR_NOT_FOUND || yk_is_directory(path))
        return status;
    if (status == YOLK_OK)
        yk_map_close(&map);
    yolk_model_list *list = yk_calloc(1, sizeof *list);
    status = list ? add_file(list, path) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status != YOLK_OK) {
        yolk_model_list_destroy(&list);
        return status;
    }
    *out = list;
    return YOLK_OK;
}

size_t yolk_model_list_count(const yolk_model_list *list)
{
    return list->count;
}

const yolk_model_info *yolk_model_list_get(const yolk_model_list *list, size_t index)
{
    return index < list->count ? &list->models[index].info : NULL;
}

void yolk_model_list_destroy(yolk_model_list **list)
{
    if (!*list)
        return;
    for (size_t i = 0; i < (*list)->count; i++)
        yk_facts_free(&(*list)->models[i]);
    yk_free((*list)->models);
    yk_free(*list);
    *list = NULL;
}
