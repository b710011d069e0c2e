/* A batch of one model on its way through a session, whose thread waits for the network, decodes what it found and
 * gives the place back at once: a device never waits for whoever collects results, nor for another device. */
#include <stdio.h>
#include <string.h>

#include "base/picture.h"
#include "model/model.h"

static yk_model *model_of(const yk_flight *f)
{
    return f->session->replica->model;
}

uint8_t *yk_flight_input(yk_flight *f)
{
    return model_of(f)->backend->input(f->session->exec, f->slot);
}

bool yk_flight_sees(const yk_flight *f)
{
    return f->images && f->session->abilities & YK_TAKES_PICTURES;
}

yolk_status yk_flight_fill(yk_flight *f, int index, const yolk_image *image)
{
    const yk_session *s = f->session;
    yolk_status status;
    const yk_head *head = &model_of(f)->graph->head;
    const int w = s->key.size.width, h = s->key.size.height;
    uint64_t start = yk_now_ns();
    if (image->width < 1 || image->height < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a picture cannot be %dx%d pixels", image->width, image->height);
    yk_letterbox fit = yk_letterbox_fit(image->width, image->height, w, h, head->top_left);
    if (image->memory != YOLK_MEMORY_HOST && !(yk_flight_sees(f) && model_of(f)->backend->fetch))
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "a picture is in a GPU's memory, of which the backend %s knows nothing; copy "
                       "it to host memory, or run the model on such a GPU",
                       model_of(f)->backend->name);
    if (yk_flight_sees(f)) {
        f->images[index] = *image;
        status = yk_letterbox_check(image, &fit, w, h);
    } else {
        uint8_t *input = yk_flight_input(f) + (size_t)index * s->frame_input;
        status = yk_letterbox_run(image, &fit, head->bgr, w, h, input, &s->slots[f->slot].scratch);
    }
    f->fits[index] = fit;
    f->fill_ns += yk_now_ns() - start;
    return status;
}

/* Gives the place back, with the model's mutex held. */
static void give_back(yk_flight *f, yk_flight_state state)
{
    yk_session *s = f->session;
    yk_model *m = s->replica->model;
    s->slots[f->slot].taken = false;
    s->replica->frames -= s->key.batch;
    f->place = (int)(s->replica - m->replicas);
    f->session = NULL;
    f->state = state;
    yk_session_leave(s);
    pthread_cond_broadcast(&m->changed);
}

/* What the device was to do with one of its pictures. */
static yolk_status fit_one(const yk_flight *f, int index, uint8_t *to)
{
    const yk_session *s = f->session;
    yolk_image image = f->images[index];
    uint8_t *copy = NULL;
    yolk_status status = YOLK_OK;
    if (image.memory != YOLK_MEMORY_HOST) {
        copy = yk_alloc(yk_image_bytes(&image));
        if (!copy)
            return YOLK_ERROR_OUT_OF_MEMORY;
        image = yk_image_at(&image, copy);
        image.memory = YOLK_MEMORY_HOST;
        status = model_of(f)->backend->fetch(&f->images[index], &image);
    }
    if (status == YOLK_OK)
        status = yk_letterbox_run(&image, &f->fits[index], model_of(f)->graph->head.bgr, s->key.size.width,
                                  s->key.size.height, to, &s->slots[f->slot].scratch);
    yk_free(copy);
    return status;
}

/* The same of all. They have been checked, so only memory can be short, or pictures be lost with the device that they
 * were on: then there is nothing to keep. */
static void fit_in(yk_flight *f, uint8_t *to)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < f->count && status == YOLK_OK; i++)
        status = fit_one(f, i, to + (size_t)i * f->session->frame_input);
    if (status != YOLK_OK) {
        yk_free(f->kept);
        f->kept = NULL;
    }
}

/* Takes down what went wrong, on the thread where it did. What can be run again elsewhere needs its input for that. */
static void note_failure(yk_flight *f, yolk_status status)
{
    yk_session *s = f->session;
    f->status = status;
    snprintf(f->error, sizeof f->error, "%s", yolk_last_error());
    if (!f->keep || (status != YOLK_ERROR_OUT_OF_MEMORY && status != YOLK_ERROR_DEVICE_LOST))
        return;
    size_t bytes = s->frame_input * (size_t)f->count;
    f->kept = yk_alloc(bytes);
    if (f->kept && yk_flight_sees(f))
        fit_in(f, f->kept);
    else if (f->kept)
        memcpy(f->kept, yk_flight_input(f), bytes);
}

/* What a failure says about the device. Not under the mutex, which the log's reader may want. */
static void note_device(yk_replica *r, yk_session_key key, yolk_status status)
{
    yk_model *m = r->model;
    if (status == YOLK_ERROR_DEVICE_LOST)
        yk_replica_lose(r);
    if (status != YOLK_ERROR_OUT_OF_MEMORY || key.batch == 1 || m->fixed_batch)
        return;
    pthread_mutex_lock(&m->mutex);
    int cap = yk_replica_short(r, key);
    pthread_mutex_unlock(&m->mutex);
    yk_log(YOLK_LOG_WARNING, "%s: device %s has not enough memory for %d frames of %dx%d at once, going on with %d",
           m->facts.path, r->name, key.batch, key.size.width, key.size.height, cap);
}

void yk_flight_start(yk_flight *f, int count)
{
    yk_session *s = f->session;
    yk_model *m = model_of(f);
    f->count = count;
    const bool sees = yk_flight_sees(f);
    const uint64_t before = yk_now_ns();
    f->status = YOLK_OK;
    yolk_status status = yk_session_start(
        s, f->slot, &(yk_input){.count = count, .images = sees ? f->images : NULL, .fits = sees ? f->fits : NULL});
    f->started_ns = yk_now_ns();
    if (sees)
        f->fill_ns += f->started_ns - before; /* handing pictures over */
    else
        f->started_ns = before;
    if (status != YOLK_OK) {
        note_failure(f, status);
        note_device(s->replica, s->key, status);
    }
    pthread_mutex_lock(&m->mutex);
    if (status == YOLK_OK) {
        f->state = YK_FLIGHT_RUNNING;
        f->next = NULL;
        if (s->last)
            s->last->next = f;
        else
            s->first = f;
        s->last = f;
        pthread_cond_signal(&s->work);
    } else {
        give_back(f, YK_FLIGHT_DONE);
    }
    pthread_mutex_unlock(&m->mutex);
}

/* From the network's outputs. */
static yolk_status decode(const yk_flight *f, int index, yk_detections *out)
{
    const yk_session *s = f->session;
    const yk_model *m = s->replica->model;
    const yk_head *head = &m->graph->head;
    for (int i = 0; i < s->output_count; i++)
        s->slots[f->slot].outputs[i] = m->backend->output(s->exec, f->slot, i);
    yolk_status status = yk_decode(head, s->slots[f->slot].outputs, s->shapes, index, s->key.size.width,
                                   s->key.size.height, &m->detect, out);
    return status == YOLK_OK ? yk_suppress(head, &m->detect, out) : status;
}

static yolk_status collect(const yk_flight *f, int index, yk_detections *out)
{
    const yk_session *s = f->session;
    const yk_graph *g = model_of(f)->graph;
    bool complete = false;
    yolk_status status = YOLK_OK;
    out->count = 0;
    if (s->abilities & YK_FINDS_BOXES)
        status = model_of(f)->backend->found(s->exec, f->slot, index, &complete, out);
    if (status == YOLK_OK && !complete)
        status = decode(f, index, out);
    if (status != YOLK_OK)
        return status;
    yk_unletterbox(&f->fits[index], out->items, out->count);
    for (size_t i = 0; i < out->count; i++)
        out->items[i].class_name = g->class_names[out->items[i].class_id];
    return YOLK_OK;
}

/* Time since the batch was started or, when it had to wait for others, since they were done: so that times of batches
 * that ran side by side add up to the time in which the device was busy. */
static void note_time(yk_flight *f, uint64_t now)
{
    yk_replica *r = f->session->replica;
    uint64_t before = atomic_load(r->idle_since_ns);
    while (before < now && !atomic_compare_exchange_weak(r->idle_since_ns, &before, now))
        ;
    uint64_t since = YK_MAX(f->started_ns, before);
    f->run_ns = now > since ? now - since : 0;
    uint64_t frame = YK_MAX(f->run_ns / (uint64_t)f->session->key.batch, 1);
    pthread_mutex_lock(&r->model->mutex);
    r->frame_ns = r->frame_ns == 0 ? frame : (r->frame_ns * 7 + frame) / 8;
    pthread_mutex_unlock(&r->model->mutex);
}

static void finish(yk_flight *f)
{
    yk_session *s = f->session;
    const yk_backend *b = model_of(f)->backend;
    yolk_status status = b->wait(s->exec, f->slot);
    uint64_t done = yk_now_ns();
    if (status != YOLK_OK) {
        note_failure(f, status);
        note_device(s->replica, s->key, status);
        return;
    }
    note_time(f, done);
    for (int i = 0; i < f->count && status == YOLK_OK; i++)
        status = collect(f, i, &f->lists[i]);
    f->decode_ns = yk_now_ns() - done;
    if (status != YOLK_OK) {
        f->keep = false; /* it is not the device that is short of memory */
        note_failure(f, status);
    }
}

void *yk_session_serve(void *session)
{
    yk_session *s = session;
    yk_replica *r = s->replica;
    yk_model *m = r->model;
    pthread_mutex_lock(&m->mutex);
    for (;;) {
        while (!s->first && !s->ending)
            pthread_cond_wait(&s->work, &m->mutex);
        yk_flight *f = s->first;
        if (!f)
            break;
        s->first = f->next;
        if (!s->first)
            s->last = NULL;
        pthread_mutex_unlock(&m->mutex);
        finish(f);
        uint64_t free_bytes = f->status == YOLK_OK ? yk_replica_free(r, s->key) : 0;
        pthread_mutex_lock(&m->mutex);
        if (f->status == YOLK_OK)
            yk_replica_well(r, s->key, free_bytes);
        give_back(f, YK_FLIGHT_DONE);
    }
    pthread_mutex_unlock(&m->mutex);
    yk_session_clear(s);
    pthread_mutex_lock(&m->mutex);
    m->sessions--;
    m->ending--;
    s->next = m->ended;
    m->ended = s;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}

void yk_flight_wait(yk_flight *f)
{
    pthread_mutex_lock(&f->model->mutex);
    while (f->state == YK_FLIGHT_RUNNING)
        pthread_cond_wait(&f->model->changed, &f->model->mutex);
    pthread_mutex_unlock(&f->model->mutex);
}

void yk_flight_end(yk_flight *f)
{
    if (!f->model)
        return;
    pthread_mutex_lock(&f->model->mutex);
    while (f->state == YK_FLIGHT_RUNNING)
        pthread_cond_wait(&f->model->changed, &f->model->mutex);
    if (f->state == YK_FLIGHT_FILLING)
        give_back(f, YK_FLIGHT_NONE);
    f->state = YK_FLIGHT_NONE;
    pthread_mutex_unlock(&f->model->mutex);
    yk_free(f->kept);
    f->kept = NULL;
    f->model = NULL;
    f->count = 0;
    f->fill_ns = f->run_ns = f->decode_ns = 0;
}

void yk_flight_free(yk_flight *f)
{
    yk_flight_end(f);
    for (size_t i = 0; i < f->list_capacity; i++)
        yk_detections_free(&f->lists[i]);
    yk_free(f->lists);
    yk_free(f->fits);
    yk_free(f->images);
}
