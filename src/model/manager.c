/* The public model manager. */
#include <string.h>

#include "model/model.h"

struct yolk_manager {
    yolk_config config;
    pthread_mutex_t load_mutex; /* one load at a time */
    pthread_mutex_t mutex;      /* guards `set`, held shortly */
    yk_set *set;                /* the models; NULL before the first load */
    yk_counters counters;
};

yolk_status yolk_manager_create(const yolk_config *config, yolk_manager **out)
{
    *out = NULL;
    yolk_manager *manager = yk_calloc(1, sizeof *manager);
    if (!manager)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (config)
        manager->config = *config;
    else
        yolk_config_global_get(&manager->config);
    yolk_status status = yolk_config_validate(&manager->config, NULL);
    if (status != YOLK_OK) {
        yk_free(manager);
        return status;
    }
    pthread_mutex_init(&manager->load_mutex, NULL);
    pthread_mutex_init(&manager->mutex, NULL);
    *out = manager;
    return YOLK_OK;
}

/* Ends with the manager's own reference; users of the models keep theirs. */
static void drop(yk_set **set)
{
    if (*set)
        yk_set_retire(*set);
    yk_set_release(set);
}

void yolk_manager_destroy(yolk_manager **manager)
{
    yolk_manager *m = *manager;
    *manager = NULL;
    if (!m)
        return;
    drop(&m->set);
    pthread_mutex_destroy(&m->load_mutex);
    pthread_mutex_destroy(&m->mutex);
    yk_free(m);
}

/* The models served now, or NULL, with a reference for the caller. */
static yk_set *served(const yolk_manager *manager)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)&manager->mutex;
    pthread_mutex_lock(mutex);
    yk_set *set = manager->set ? yk_set_retain(manager->set) : NULL;
    pthread_mutex_unlock(mutex);
    return set;
}

yk_set *yk_manager_set(const yolk_manager *manager)
{
    yk_set *set = served(manager);
    if (!set)
        yk_fail(YOLK_ERROR_NOT_FOUND, "no model is loaded; call yolk_manager_load() first");
    return set;
}

yolk_status yolk_manager_load(yolk_manager *manager, const char *model, int optimize)
{
    yk_set *fresh = NULL, *old = NULL;
    pthread_mutex_lock(&manager->load_mutex);
    yolk_status status =
        yk_set_load(model ? model : manager->config.model, &manager->config, optimize != 0, &manager->counters, &fresh);
    /* What runs now keeps running until the new one can take over without a pause. */
    old = served(manager);
    if (status == YOLK_OK && old)
        status = yk_set_prepare_as(fresh, old);
    yk_set_release(&old);
    if (status == YOLK_OK) {
        pthread_mutex_lock(&manager->mutex);
        old = manager->set;
        manager->set = fresh;
        pthread_mutex_unlock(&manager->mutex);
        yk_counters_reset(&manager->counters);
        fresh = NULL;
    }
    drop(&old);
    drop(&fresh);
    pthread_mutex_unlock(&manager->load_mutex);
    return status;
}

size_t yolk_manager_model_count(const yolk_manager *manager)
{
    yk_set *set = served(manager);
    size_t count = set ? (size_t)set->count : 0;
    yk_set_release(&set);
    return count;
}

yolk_status yolk_manager_info_at(const yolk_manager *manager, size_t index, yolk_model_info *info)
{
    yk_set *set = yk_manager_set(manager);
    yolk_status status = YOLK_OK;
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    if (index < (size_t)set->count)
        *info = set->models[index]->facts.info;
    else
        status = yk_fail(YOLK_ERROR_NOT_FOUND, "there is no model %zu, only %d of them", index, set->count);
    yk_set_release(&set);
    return status;
}

yolk_status yolk_manager_info(const yolk_manager *manager, yolk_model_info *info)
{
    return yolk_manager_info_at(manager, 0, info);
}

yolk_status yolk_manager_input_size(const yolk_manager *manager, int width, int height, int still, yolk_size *out)
{
    yk_set *set = yk_manager_set(manager);
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    yolk_status status = yk_model_input_size(set->models[0], width, height, still, out);
    yk_set_release(&set);
    return status;
}

yolk_status yolk_manager_prepare(yolk_manager *manager, yolk_size input, int batch)
{
    if (batch < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "batch: %d is not allowed; it must be 1 or more", batch);
    yk_set *set = yk_manager_set(manager);
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    int usual = yk_set_batch(set, input.width, input.height);
    yk_session_key key = yk_set_choose(set, input, usual, (size_t)batch);
    yolk_status status = yk_model_prepare(set->models[0], key);
    for (int i = 1; i < set->count && status == YOLK_OK; i++) {
        yk_session_key own = key;
        own.size = yk_model_own_size(set->models[i], key.size);
        status = yk_model_prepare(set->models[i], own);
    }
    yk_set_release(&set);
    return status;
}

yolk_status yolk_manager_stats(const yolk_manager *manager, yolk_stats *out)
{
    yk_counters_read((yk_counters *)&manager->counters, out);
    out->memory.limit = (uint64_t)manager->config.memory_limit_mb << 20;
    yk_set *set = served(manager);
    if (set)
        yk_set_devices(set, out);
    yk_set_release(&set);
    return YOLK_OK;
}

/* ---- for the pipeline ---- */

void yk_manager_note(yolk_manager *manager, yolk_stage stage, int frames, uint64_t nanoseconds)
{
    yk_counters_stage(&manager->counters, stage, frames, nanoseconds);
}

int yk_manager_batch(const yolk_manager *manager, int width, int height)
{
    yk_set *set = served(manager);
    int batch = set ? yk_set_batch(set, width, height) : 1;
    yk_set_release(&set);
    return batch;
}

bool yk_manager_needs_processor(const yolk_manager *manager)
{
    yk_set *set = served(manager);
    bool needs = false;
    for (int i = 0; set && i < set->count; i++)
        needs = needs || strcmp(set->models[i]->backend->kind, "cpu") == 0;
    yk_set_release(&set);
    return needs;
}

void yk_manager_config(const yolk_manager *manager, yolk_config *out)
{
    *out = manager->config;
}
