/* The public model manager. */
#include <limits.h>

#include "model/model.h"

struct yolk_manager {
    yolk_config config;
    pthread_mutex_t load_mutex; /* one load at a time */
    pthread_mutex_t mutex;      /* guards `model`, held shortly */
    yk_model *model;            /* NULL before the first load */
    yk_counters counters;
};

struct yolk_results {
    yk_model *model; /* keeps the class names */
    size_t count;
    yk_detections frames[];
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

/* Ends with the manager's own reference; users of the model keep theirs. */
static void drop(yk_model **model)
{
    if (*model)
        yk_model_retire(*model);
    yk_model_release(model);
}

void yolk_manager_destroy(yolk_manager **manager)
{
    yolk_manager *m = *manager;
    *manager = NULL;
    if (!m)
        return;
    drop(&m->model);
    pthread_mutex_destroy(&m->load_mutex);
    pthread_mutex_destroy(&m->mutex);
    yk_free(m);
}

/* The model served now, or NULL, with a reference for the caller. */
static yk_model *served(const yolk_manager *manager)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)&manager->mutex;
    pthread_mutex_lock(mutex);
    yk_model *model = manager->model ? yk_model_retain(manager->model) : NULL;
    pthread_mutex_unlock(mutex);
    return model;
}

yk_model *yk_manager_model(const yolk_manager *manager)
{
    yk_model *model = served(manager);
    if (!model)
        yk_fail(YOLK_ERROR_NOT_FOUND, "no model is loaded; call yolk_manager_load() first");
    return model;
}

yolk_status yolk_manager_load(yolk_manager *manager, const char *model, int optimize)
{
    (void)optimize;
    char *path = NULL;
    yk_model *fresh = NULL, *old = NULL;
    pthread_mutex_lock(&manager->load_mutex);
    yolk_status status = yk_model_find(manager->config.models_dir, model ? model : manager->config.model, &path);
    if (status == YOLK_OK)
        status = yk_model_load(path, &manager->config, &manager->counters, &fresh);
    /* What runs now keeps running until the new one can take over without a pause. */
    old = served(manager);
    if (status == YOLK_OK && old)
        status = yk_model_prepare_as(fresh, old);
    yk_model_release(&old);
    if (status == YOLK_OK) {
        pthread_mutex_lock(&manager->mutex);
        old = manager->model;
        manager->model = fresh;
        pthread_mutex_unlock(&manager->mutex);
        yk_counters_reset(&manager->counters);
        fresh = NULL;
    }
    drop(&old);
    drop(&fresh);
    yk_free(path);
    pthread_mutex_unlock(&manager->load_mutex);
    return status;
}

yolk_status yolk_manager_info(const yolk_manager *manager, yolk_model_info *info)
{
    yk_model *model = yk_manager_model(manager);
    if (!model)
        return YOLK_ERROR_NOT_FOUND;
    *info = model->facts.info;
    yk_model_release(&model);
    return YOLK_OK;
}

yolk_status yolk_manager_input_size(const yolk_manager *manager, int width, int height, int still, yolk_size *out)
{
    yk_model *model = yk_manager_model(manager);
    if (!model)
        return YOLK_ERROR_NOT_FOUND;
    yolk_status status = yk_model_input_size(model, width, height, still, out);
    yk_model_release(&model);
    return status;
}

yolk_status yolk_manager_prepare(yolk_manager *manager, yolk_size input, int batch)
{
    if (batch < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "batch: %d is not allowed; it must be 1 or more", batch);
    yk_model *model = yk_manager_model(manager);
    if (!model)
        return YOLK_ERROR_NOT_FOUND;
    yk_session *session = NULL;
    yolk_status status = yk_model_session(model, yk_model_choose(model, input, batch), &session);
    yk_session_release(&session);
    yk_model_release(&model);
    return status;
}

yolk_status yolk_manager_stats(const yolk_manager *manager, yolk_stats *out)
{
    yk_counters_read((yk_counters *)&manager->counters, out);
    return YOLK_OK;
}

/* ---- for the pipeline ---- */

yolk_status yk_session_acquire(yolk_manager *manager, yolk_size input, int batch, yk_session **out)
{
    *out = NULL;
    yk_model *model = yk_manager_model(manager);
    if (!model)
        return YOLK_ERROR_NOT_FOUND;
    yk_session_key key = {.size = input, .batch = model->fixed_batch ? model->fixed_batch : batch};
    yolk_status status = yk_model_session(model, key, out);
    yk_model_release(&model);
    return status;
}

void yk_manager_note(yolk_manager *manager, yolk_stage stage, int frames, uint64_t nanoseconds)
{
    yk_counters_stage(&manager->counters, stage, frames, nanoseconds);
}

int yk_manager_batch(const yolk_manager *manager, int width, int height)
{
    yk_model *model = served(manager);
    int most = yolk_config_for_resolution(&manager->config, width, height).batch;
    int batch = model ? yk_model_choose(model, (yolk_size){width, height}, INT_MAX).batch : 1;
    bool ours = model && !model->fixed_batch && manager->config.batch == 0;
    yk_model_release(&model);
    return ours ? YK_MIN(batch, most) : batch;
}

void yk_manager_config(const yolk_manager *manager, yolk_config *out)
{
    *out = manager->config;
}

/* ---- predicting ---- */

/* One batch on its way through a session. */
typedef struct flight {
    int slot;
    size_t first;
} flight;

static yolk_status launch(yk_session *session, const yolk_image *frames, size_t count, flight f)
{
    yolk_status status;
    for (size_t i = 0; i < count; i++) {
        status = yk_session_fill(session, f.slot, (int)i, &frames[f.first + i]);
        if (status != YOLK_OK)
            return yk_fail_prefix(status, "frame %zu: ", f.first + i);
    }
    return yk_session_start(session, f.slot, (int)count);
}

/* Keeps as many batches under way as there are slots free, but waits for a slot only while holding none: two callers
 * that each hold some would wait for each other. */
static yolk_status predict(yk_session *session, const yolk_image *frames, size_t count, yk_detections *out)
{
    enum { MOST = 16 };
    flight flights[MOST]; /* a ring, from `oldest` */
    size_t oldest = 0, under_way = 0, next = 0;
    const size_t batch = (size_t)yk_session_batch(session);
    yolk_status status = YOLK_OK;
    for (;;) {
        bool more = status == YOLK_OK && next < count && under_way < MOST;
        int slot = !more ? -1 : under_way == 0 ? yk_session_take(session) : yk_session_try_take(session);
        if (slot >= 0) {
            flight f = {slot, next};
            flights[(oldest + under_way) % MOST] = f;
            under_way++;
            next += batch;
            status = launch(session, frames, YK_MIN(batch, count - f.first), f);
        } else if (under_way > 0) {
            flight f = flights[oldest];
            oldest = (oldest + 1) % MOST;
            under_way--;
            if (status == YOLK_OK)
                status = yk_session_finish(session, f.slot, out + f.first);
            yk_session_give(session, f.slot);
        } else {
            return status;
        }
    }
}

yolk_status yolk_manager_predict_batch(yolk_manager *manager, const yolk_image *frames, size_t count,
                                       const yolk_size *input, yolk_results **out)
{
    yk_session *session = NULL;
    yolk_size size;
    size_t bytes;
    yolk_status status = YOLK_OK;
    *out = NULL;
    yk_model *model = yk_manager_model(manager);
    if (!model)
        return YOLK_ERROR_NOT_FOUND;
    yolk_results *results = NULL;
    if (__builtin_mul_overflow(count, sizeof *results->frames, &bytes) ||
        __builtin_add_overflow(bytes, sizeof *results, &bytes))
        bytes = SIZE_MAX;
    results = yk_calloc(1, bytes);
    if (!results) {
        yk_model_release(&model);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    results->model = model;
    results->count = count;
    if (input)
        size = *input;
    else
        status = yk_model_input_size(model, 1, 1, true, &size);
    if (status == YOLK_OK && count > 0)
        status = yk_model_session(model, yk_model_choose(model, size, (int)YK_MIN(count, INT_MAX)), &session);
    if (status == YOLK_OK && count > 0)
        status = predict(session, frames, count, results->frames);
    yk_session_release(&session);
    if (status != YOLK_OK) {
        yolk_results_destroy(&results);
        return status;
    }
    *out = results;
    return YOLK_OK;
}

size_t yolk_results_count(const yolk_results *results)
{
    return results->count;
}

yolk_frame_detections yolk_results_frame(const yolk_results *results, size_t index)
{
    if (index >= results->count)
        return (yolk_frame_detections){NULL, 0};
    return (yolk_frame_detections){results->frames[index].items, results->frames[index].count};
}

void yolk_results_destroy(yolk_results **results)
{
    yolk_results *r = *results;
    *results = NULL;
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        yk_detections_free(&r->frames[i]);
    yk_model_release(&r->model);
    yk_free(r);
}
