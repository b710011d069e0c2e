/* The models that are served together. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "model/model.h"

_Static_assert((int)YK_MAX_DEVICES <= (int)YOLK_STATS_DEVICES, "statistics have room for every device");

yk_set *yk_set_retain(yk_set *set)
{
    atomic_fetch_add(&set->references, 1);
    return set;
}

void yk_set_release(yk_set **released)
{
    yk_set *set = *released;
    *released = NULL;
    if (!set || atomic_fetch_sub(&set->references, 1) != 1)
        return;
    yk_batch_free_spare(set);
    for (int i = 0; i < set->count; i++)
        yk_model_release(&set->models[i]);
    pthread_mutex_destroy(&set->mutex);
    yk_free(set);
}

void yk_set_retire(yk_set *set)
{
    for (int i = 0; i < set->count; i++)
        yk_model_retire(set->models[i]);
}

/* ---- loading ---- */

/* Models whose detections are put together must mean the same by a class's number. */
static yolk_status check_classes(const yk_model *first, const yk_model *other)
{
    const yolk_model_info *a = &first->facts.info, *b = &other->facts.info;
    if (a->class_count != b->class_count)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s has %d classes and %s has %d: models that run together must have the "
                       "same classes",
                       b->path, b->class_count, a->path, a->class_count);
    for (int i = 0; i < a->class_count; i++) {
        if (strcmp(a->class_names[i], b->class_names[i]) != 0)
            return yk_fail(YOLK_ERROR_UNSUPPORTED,
                           "class %d is '%s' in %s and '%s' in %s: models that run together "
                           "must have the same classes",
                           i, b->class_names[i], b->path, a->class_names[i], a->path);
    }
    return YOLK_OK;
}

static yolk_status add(yk_set *set, const char *name, const yolk_config *config, bool optimize)
{
    if (set->count == YK_ENSEMBLE_MODELS)
        return yk_fail(YOLK_ERROR_LIMIT, "model: at most %d models can run together", YK_ENSEMBLE_MODELS);
    yolk_status status = yk_model_load(name, config, optimize, &set->models[set->count]);
    if (status != YOLK_OK)
        return status;
    yk_model *first = set->models[0], *m = set->models[set->count++];
    for (int i = 0; i < m->replica_count; i++)
        m->replicas[i].idle_since_ns = &first->replicas[i].own_idle_ns;
    return check_classes(first, m);
}

static yolk_status add_all(yk_set *set, const char *names, const yolk_config *config, bool optimize)
{
    /* A file may have a comma in its name. */
    if (!strchr(names, ',') || yk_is_file(names))
        return add(set, names, config, optimize);
    for (const char *p = names;; p++) {
        while (*p == ' ')
            p++;
        size_t length = strcspn(p, ",");
        char *name = yk_strndup(p, length);
        if (!name)
            return YOLK_ERROR_OUT_OF_MEMORY;
        for (char *end = name + length; end > name && end[-1] == ' ';)
            *--end = '\0';
        yolk_status status = add(set, name, config, optimize);
        yk_free(name);
        p += length;
        if (status != YOLK_OK || !*p)
            return status;
    }
}

yolk_status yk_set_load(const char *names, const yolk_config *config, bool optimize, yk_counters *counters,
                        yk_set **out)
{
    *out = NULL;
    yk_set *set = yk_calloc(1, sizeof *set);
    if (!set)
        return YOLK_ERROR_OUT_OF_MEMORY;
    atomic_init(&set->references, 1);
    pthread_mutex_init(&set->mutex, NULL);
    set->counters = counters;
    yolk_status status = add_all(set, names, config, optimize);
    if (status == YOLK_OK)
        status = yk_fuse_configure(config, set->count, &set->fuse);
    for (int i = 0; status == YOLK_OK && set->count > 1 && i < set->count; i++)
        set->models[i]->detect.conf = yk_fuse_least(&set->fuse, set->count);
    if (status != YOLK_OK) {
        yk_set_release(&set);
        return status;
    }
    *out = set;
    return YOLK_OK;
}

yolk_status yk_set_prepare_as(yk_set *set, yk_set *from)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < set->count && status == YOLK_OK; i++)
        status = yk_model_prepare_as(set->models[i], from->models[YK_MIN(i, from->count - 1)]);
    return status;
}

/* ---- choices ---- */

int yk_set_batch(const yk_set *set, int width, int height)
{
    const yk_model *m = set->models[0];
    if (m->fixed_batch)
        return m->fixed_batch;
    if (m->config.batch > 0)
        return m->config.batch;
    /* On the processor larger batches gain nothing and cost memory. */
    return m->backend->gains_from_batch ? yolk_config_for_resolution(&m->config, width, height).batch : 1;
}

yk_session_key yk_set_choose(const yk_set *set, yolk_size size, int batch, size_t count)
{
    yk_model *m = set->models[0];
    if (m->fixed_batch)
        batch = m->fixed_batch;
    else if (count == 1)
        batch = 1;
    else if (m->backend->gains_from_batch) {
        /* A share for each device, in one of the sizes that memory may lead to as well. */
        int live = 0;
        pthread_mutex_lock(&m->mutex);
        for (int i = 0; i < m->replica_count; i++)
            live += !m->replicas[i].lost;
        pthread_mutex_unlock(&m->mutex);
        size_t share = (count + (size_t)YK_MAX(live, 1) - 1) / (size_t)YK_MAX(live, 1);
        while (batch > 1 && (size_t)batch / 2 >= share)
            batch /= 2;
    }
    return (yk_session_key){.size = size, .batch = batch, .latency = count <= (size_t)batch};
}

void yk_set_devices(yk_set *set, yolk_stats *out)
{
    for (int i = 0; i < set->count; i++) {
        yk_model *m = set->models[i];
        pthread_mutex_lock(&m->mutex);
        for (int k = 0; k < m->replica_count; k++) {
            const yk_replica *r = &m->replicas[k];
            yolk_device_stats *d = &out->devices[k];
            snprintf(d->name, sizeof d->name, "%s", r->name);
            d->lost = d->lost || r->lost;
            for (int s = 0; s < YK_KEPT_SESSIONS; s++)
                d->memory_bytes += r->kept[s] ? r->kept[s]->bytes : 0;
        }
        out->device_count = YK_MAX(out->device_count, m->replica_count);
        pthread_mutex_unlock(&m->mutex);
    }
}
