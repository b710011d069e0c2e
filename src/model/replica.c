/* The sessions that a model keeps on one device, and making them where memory is short. */
#include "model/replica.h"

#include <string.h>

#include "model/memory.h"
#include "model/model.h"

/* ---- with the model's mutex held ---- */

static bool same_way(yk_session_key a, yk_session_key b)
{
    return a.size.width == b.size.width && a.size.height == b.size.height && a.latency == b.latency;
}

yk_sizing *yk_replica_sizing(yk_replica *r, yk_session_key key)
{
    int oldest = 0;
    for (int i = 0; i < YK_SIZINGS; i++) {
        if (r->sizings[i].used > 0 && same_way(r->sizings[i].key, key)) {
            r->sizings[i].used = ++r->model->uses;
            return &r->sizings[i].sizing;
        }
        if (r->sizings[i].used < r->sizings[oldest].used)
            oldest = i;
    }
    r->sizings[oldest].key = key;
    r->sizings[oldest].used = ++r->model->uses;
    r->sizings[oldest].sizing = (yk_sizing){0};
    return &r->sizings[oldest].sizing;
}

yk_session *yk_replica_find(const yk_replica *r, yk_session_key key)
{
    for (int i = 0; i < YK_KEPT_SESSIONS; i++) {
        yk_session *s = r->kept[i];
        if (s && same_way(s->key, key) && s->key.batch == key.batch)
            return s;
    }
    return NULL;
}

/* What is free, with what the kept sessions of this way hold: they would make room for another. */
static uint64_t available(const yk_replica *r, yk_session_key key, uint64_t free_bytes)
{
    uint64_t held = 0;
    for (int i = 0; i < YK_KEPT_SESSIONS; i++) {
        const yk_session *s = r->kept[i];
        if (s && same_way(s->key, key))
            held += s->bytes;
    }
    return free_bytes > 0 ? free_bytes + held : 0;
}

yk_session_key yk_replica_fit(yk_replica *r, yk_session_key key, uint64_t free_bytes)
{
    if (!r->model->fixed_batch && key.batch > 1)
        key.batch = yk_sizing_batch(yk_replica_sizing(r, key), key.batch, available(r, key, free_bytes));
    return key;
}

static void forget(yk_replica *r, int place)
{
    yk_session_drop(r->kept[place]);
    r->kept[place] = NULL;
}

int yk_replica_short(yk_replica *r, yk_session_key key)
{
    int cap = yk_sizing_short(yk_replica_sizing(r, key), key.batch);
    for (int i = 0; i < YK_KEPT_SESSIONS; i++) {
        if (r->kept[i] && same_way(r->kept[i]->key, key) && r->kept[i]->key.batch > cap)
            forget(r, i);
    }
    return cap;
}

void yk_replica_well(yk_replica *r, yk_session_key key, uint64_t free_bytes)
{
    yk_sizing_well(yk_replica_sizing(r, key), key.batch, available(r, key, free_bytes));
}

bool yk_replica_drop_idle(yk_replica *r)
{
    bool dropped = false;
    for (int i = 0; i < YK_KEPT_SESSIONS; i++) {
        if (r->kept[i] && r->kept[i]->users == 0) {
            forget(r, i);
            dropped = true;
        }
    }
    return dropped;
}

/* Keeps the session for the next one who wants it, unless every place is in use. */
static void keep(yk_replica *r, yk_session *s)
{
    int place = -1;
    for (int i = 0; i < YK_KEPT_SESSIONS && !r->model->retired && !r->lost; i++) {
        const yk_session *old = r->kept[i];
        if (!old) {
            place = i;
            break;
        }
        if (old->users == 0 && (place < 0 || old->used < r->kept[place]->used))
            place = i;
    }
    if (place < 0)
        return;
    if (r->kept[place])
        forget(r, place);
    r->kept[place] = s;
    s->kept = true;
}

/* ---- without it ---- */

void yk_replica_lose(yk_replica *r)
{
    yk_model *m = r->model;
    pthread_mutex_lock(&m->mutex);
    bool first = !r->lost;
    r->lost = true;
    for (int i = 0; i < YK_KEPT_SESSIONS; i++) {
        if (r->kept[i])
            forget(r, i);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
    if (first)
        yk_log(YOLK_LOG_WARNING, "%s: device %s stopped answering and is used no more", m->facts.path, r->name);
}

uint64_t yk_replica_free(const yk_replica *r, yk_session_key key)
{
    /* Where nothing depends on it, not even a few microseconds are spent. */
    if (key.batch == 1 && !r->model->backend->gains_from_batch)
        return 0;
    return r->model->fixed_batch ? 0 : r->model->backend->free_memory(r->device);
}

/* What was given up is back once its thread has ended. With the mutex held. */
static void wait_for_endings(yk_model *m)
{
    while (m->ending > 0)
        pthread_cond_wait(&m->changed, &m->mutex);
}

/* Gets memory back from what is kept but not in use, or else from what is under way, which ends by itself while nothing
 * new is given to the device. With the mutex held; false when there is nothing to be had. */
static bool find_memory(yk_replica *r)
{
    bool found = yk_replica_drop_idle(r) || r->model->ending > 0;
    if (!found && r->frames > 0) {
        found = true;
        r->draining = true;
        while (r->frames > 0)
            pthread_cond_wait(&r->model->changed, &r->model->mutex);
        yk_replica_drop_idle(r);
    }
    wait_for_endings(r->model);
    return found;
}

/* Bytes that making this session will take, by what is known before. */
static yolk_status predict(yk_replica *r, yk_session_key key, uint64_t *out)
{
    /* What OpenVINO takes for itself with the first network, and what is decoded meanwhile: 30 to 35 MB were seen. */
    enum { SPARE = 48 << 20 };
    yk_model *m = r->model;
    yk_need need;
    *out = 0;
    if (m->config.memory_limit_mb == 0 || strcmp(m->backend->kind, "cpu") != 0)
        return YOLK_OK;
    yk_graph *g;
    yolk_status status = yk_model_network(m, &g);
    if (status == YOLK_OK)
        status = yk_graph_bind(g, key.batch, key.size.height, key.size.width);
    if (status == YOLK_OK)
        status = yk_memory_estimate(g, &need);
    if (status != YOLK_OK)
        return yk_fail_prefix(status, "%s: ", m->facts.path);
    int slots = yk_expected_slots(m, key.latency);
    /* While it is compiled a network exists three times: as handed over, as read, and as laid out for the processor. */
    *out = 3 * need.network + need.frame * (uint64_t)key.batch * (uint64_t)slots + SPARE;
    uint64_t network, frame;
    pthread_mutex_lock(&m->mutex);
    frame = yk_sizing_frame_bytes(yk_replica_sizing(r, key), &network);
    pthread_mutex_unlock(&m->mutex);
    *out = YK_MAX(*out, network + frame * (uint64_t)key.batch);
    return YOLK_OK;
}

static yolk_status create(yk_replica *r, yk_session_key key, yk_session **out)
{
    uint64_t need;
    *out = NULL;
    yolk_status status = predict(r, key, &need);
    if (status == YOLK_OK)
        status = yk_model_make_room(r->model, need);
    if (status == YOLK_OK)
        status = yk_session_create(r, key, out);
    if (status != YOLK_OK)
        return status;
    status = yk_model_make_room(r->model, 0);
    if (status != YOLK_OK) {
        pthread_mutex_lock(&r->model->mutex);
        yk_session_leave(*out);
        pthread_mutex_unlock(&r->model->mutex);
        *out = NULL;
    }
    return status;
}

/* Under compile_mutex. Gives up what is idle, then waits for what is under way, then takes a smaller batch. */
static yolk_status make(yk_replica *r, yk_session_key key, yk_session **out)
{
    yk_model *m = r->model;
    for (;;) {
        yolk_status status = create(r, key, out);
        if (status != YOLK_ERROR_OUT_OF_MEMORY && status != YOLK_ERROR_LIMIT)
            return status;
        int cap = 0;
        pthread_mutex_lock(&m->mutex);
        bool again = find_memory(r);
        if (!again && key.batch > 1 && !m->fixed_batch)
            cap = yk_replica_short(r, key);
        pthread_mutex_unlock(&m->mutex);
        if (cap > 0)
            yk_log(YOLK_LOG_WARNING, "%s: device %s: batches of %d frames instead of %d: %s", m->facts.path, r->name,
                   cap, key.batch, yolk_last_error());
        else if (!again)
            return status;
        key.batch = cap > 0 ? cap : key.batch;
    }
}

yolk_status yk_replica_make(yk_replica *r, yk_session_key key, yk_session **out)
{
    yk_model *m = r->model;
    yolk_status status = YOLK_OK;
    pthread_mutex_lock(&m->compile_mutex);
    yk_model_reap(m);
    pthread_mutex_lock(&m->mutex);
    wait_for_endings(m);
    *out = yk_replica_find(r, key);
    if (*out)
        (*out)->users++;
    pthread_mutex_unlock(&m->mutex);
    if (!*out) {
        status = make(r, key, out);
        pthread_mutex_lock(&m->mutex);
        if (status == YOLK_OK)
            keep(r, *out);
        if (r->draining)
            pthread_cond_broadcast(&m->changed);
        r->draining = false;
        pthread_mutex_unlock(&m->mutex);
    }
    if (status == YOLK_ERROR_DEVICE_LOST)
        yk_replica_lose(r);
    pthread_mutex_unlock(&m->compile_mutex);
    return status;
}
