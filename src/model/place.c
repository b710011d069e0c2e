/* Which device a batch goes to. */
#include "model/model.h"

/* A slower device is left alone while a faster one would be done so many times sooner: results come out in order, so
 * that a batch which takes that much longer would soon hold up all that were started after it. */
enum { FASTER = 8 };

/* Nanoseconds until the device would be done with what it has and this. */
static double done_after(const yk_load *load, uint64_t frame_ns, int batch)
{
    return (double)(load->frames + batch) * (double)(load->frame_ns > 0 ? load->frame_ns : frame_ns);
}

int yk_load_pick(const yk_load *loads, int count, int batch)
{
    uint64_t fastest = 0; /* what nothing is known of yet is thought to be as fast as the fastest */
    int best = YK_LOAD_NONE;
    double soonest = 0, soonest_free = 0;
    for (int i = 0; i < count; i++) {
        if (loads[i].live && loads[i].frame_ns > 0 && (fastest == 0 || loads[i].frame_ns < fastest))
            fastest = loads[i].frame_ns;
    }
    fastest = YK_MAX(fastest, 1);
    for (int i = 0; i < count; i++) {
        if (!loads[i].live)
            continue;
        double after = done_after(&loads[i], fastest, batch);
        if (soonest == 0 || after < soonest)
            soonest = after;
        if (best == YK_LOAD_NONE)
            best = YK_LOAD_WAIT;
        if (loads[i].free && (best < 0 || after < soonest_free)) {
            best = i;
            soonest_free = after;
        }
    }
    return best >= 0 && soonest_free > FASTER * soonest ? YK_LOAD_WAIT : best;
}

/* With the mutex held: the device for this batch, and its session when there is one. */
static int pick(yk_model *m, yk_session_key key, uint32_t avoid, const uint64_t *free_bytes, yk_session_key *fit,
                yk_session **session)
{
    yk_load loads[YK_MAX_DEVICES];
    yk_session_key fits[YK_MAX_DEVICES];
    yk_session *sessions[YK_MAX_DEVICES];
    for (int i = 0; i < m->replica_count; i++) {
        yk_replica *r = &m->replicas[i];
        fits[i] = yk_replica_fit(r, key, free_bytes[i]);
        sessions[i] = yk_replica_find(r, fits[i]);
        bool free_place = !sessions[i] && !r->draining;
        for (int k = 0; sessions[i] && !r->draining && k < sessions[i]->slot_count; k++)
            free_place = free_place || !sessions[i]->slots[k].taken;
        loads[i] = (yk_load){
            .live = !r->lost && !(avoid >> i & 1), .free = free_place, .frames = r->frames, .frame_ns = r->frame_ns};
    }
    int picked = yk_load_pick(loads, m->replica_count, key.batch);
    if (picked >= 0) {
        *fit = fits[picked];
        *session = sessions[picked];
    }
    return picked;
}

/* `failure` is why the last session could not be made. Where memory was short the last error says so already. */
static yolk_status fail_none(const yk_model *m, yolk_status failure, uint32_t avoid)
{
    if (failure == YOLK_ERROR_OUT_OF_MEMORY || (failure == YOLK_OK && avoid != 0))
        return YOLK_ERROR_OUT_OF_MEMORY;
    return yk_fail(YOLK_ERROR_DEVICE_LOST, "%s: %s lost (%s): load the model again once it answers", m->facts.path,
                   m->replica_count > 1 ? "every device is" : "the device is", m->devices);
}

/* Nobody who has a place that is not started waits here for another one of the same model, and what is started gives
 * its place back without anybody's help: so every place that is waited for becomes free. Batches of several models take
 * their places in the order of the models, all of them, so that they do not wait for each other in a circle. */
yolk_status yk_flight_open(yk_flight *f, yk_model *m, yk_session_key key, uint32_t avoid)
{
    uint64_t free_bytes[YK_MAX_DEVICES] = {0};
    yolk_status failure = YOLK_OK;
    for (int i = 0; i < m->replica_count; i++)
        free_bytes[i] = yk_replica_free(&m->replicas[i], key);
    pthread_mutex_lock(&m->mutex);
    for (;;) {
        yk_session_key fit = key;
        yk_session *s = NULL;
        int picked = pick(m, key, avoid, free_bytes, &fit, &s);
        if (picked == YK_LOAD_NONE) {
            pthread_mutex_unlock(&m->mutex);
            return fail_none(m, failure, avoid);
        }
        if (picked == YK_LOAD_WAIT) {
            pthread_cond_wait(&m->changed, &m->mutex);
            continue;
        }
        yk_replica *r = &m->replicas[picked];
        if (s) {
            s->users++;
        } else {
            pthread_mutex_unlock(&m->mutex);
            failure = yk_replica_make(r, fit, &s);
            pthread_mutex_lock(&m->mutex);
            if (failure == YOLK_ERROR_OUT_OF_MEMORY) /* another device may have more */
                avoid |= UINT32_C(1) << picked;
            if (failure != YOLK_OK && failure != YOLK_ERROR_OUT_OF_MEMORY && failure != YOLK_ERROR_DEVICE_LOST) {
                pthread_mutex_unlock(&m->mutex);
                return failure;
            }
            if (failure != YOLK_OK)
                continue;
        }
        int slot = yk_session_take(s);
        if (slot < 0) { /* somebody was quicker */
            yk_session_leave(s);
            continue;
        }
        s->used = ++m->uses;
        r->frames += s->key.batch;
        f->model = m;
        f->session = s;
        f->slot = slot;
        f->room = s->key.batch;
        f->key = key;
        f->state = YK_FLIGHT_FILLING;
        pthread_mutex_unlock(&m->mutex);
        return YOLK_OK;
    }
}
