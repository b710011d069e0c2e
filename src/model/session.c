/* A model compiled for one size and batch, and the way of a batch through it. */
#include <string.h>

#include "model/model.h"

typedef struct slot {
    bool taken, running;
    int count; /* frames that were started */
    uint64_t fill_ns, started_ns;
    yk_letterbox *fits;    /* one a frame of the batch */
    const float **outputs; /* one an output of the graph */
    yk_letterbox_scratch scratch;
} slot;

struct yk_session {
    atomic_int references;
    yk_model *model;
    yk_exec *exec;
    yk_session_key key;
    int output_count;
    yk_shape *shapes; /* of the outputs */
    yk_detect_options options;
    _Atomic uint64_t idle_since_ns; /* when the last batch was found to be done */

    pthread_mutex_t mutex;
    pthread_cond_t given_back;
    int slot_count;
    slot *slots;
};

/* ---- making and ending ---- */

static void destroy(yk_session *s)
{
    for (int i = 0; s->slots && i < s->slot_count; i++) {
        yk_free(s->slots[i].fits);
        yk_free(s->slots[i].outputs);
        yk_letterbox_scratch_free(&s->slots[i].scratch);
    }
    if (s->exec)
        s->model->backend->destroy(&s->exec);
    yk_free(s->slots);
    yk_free(s->shapes);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->given_back);
    yk_model_release(&s->model);
    yk_free(s);
}

yk_session *yk_session_retain(yk_session *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void yk_session_release(yk_session **session)
{
    yk_session *s = *session;
    *session = NULL;
    if (s && atomic_fetch_sub(&s->references, 1) == 1)
        destroy(s);
}

bool yk_session_is_idle(const yk_session *s)
{
    return atomic_load(&s->references) == 1;
}

static yolk_status check_key(const yk_model *m, yk_session_key key)
{
    const yk_graph *g = m->graph;
    const int stride = YK_MAX(g->stride, 1), w = key.size.width, h = key.size.height;
    if (w < 1 || h < 1 || w > 65536 || h > 65536 || key.batch < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "input: %d frames of %dx%d are not a batch", key.batch, w, h);
    if (w == g->input_width && h == g->input_height)
        return YOLK_OK;
    if (!g->dynamic_size)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s: this model was exported for %dx%d (width x height) only and cannot run at %dx%d",
                       m->facts.path, g->input_width, g->input_height, w, h);
    if (w % stride || h % stride)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "input: sides must be multiples of %d, %dx%d are not; take %dx%d",
                       stride, w, h, (w + stride - 1) / stride * stride, (h + stride - 1) / stride * stride);
    return YOLK_OK;
}

/* Runs on grey, so that the first frame finds memory touched and threads awake. */
static yolk_status warm_up(yk_session *s)
{
    const yk_backend *b = s->model->backend;
    for (int i = 0; i < s->model->config.warmup; i++) {
        int at = i % s->slot_count;
        memset(b->input(s->exec, at), 114, (size_t)s->key.batch * s->key.size.width * s->key.size.height * 3);
        yolk_status status = b->start(s->exec, at);
        if (status == YOLK_OK)
            status = b->wait(s->exec, at);
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

static yolk_status make_slots(yk_session *s)
{
    s->slot_count = s->model->backend->slot_count(s->exec);
    s->slots = yk_calloc((size_t)s->slot_count, sizeof *s->slots);
    if (!s->slots)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < s->slot_count; i++) {
        s->slots[i].fits = yk_calloc((size_t)s->key.batch, sizeof *s->slots[i].fits);
        s->slots[i].outputs = yk_calloc((size_t)s->output_count, sizeof *s->slots[i].outputs);
        if (!s->slots[i].fits || !s->slots[i].outputs)
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    return YOLK_OK;
}

static yolk_status compile(yk_session *s)
{
    yk_model *m = s->model;
    yk_graph *g = m->graph;
    yk_compile_options options = {
        .threads = m->config.threads, .streams = m->config.streams, .latency = s->key.latency, .half = m->half};
    yolk_status status = yk_graph_bind(g, s->key.batch, s->key.size.height, s->key.size.width);
    if (status == YOLK_OK)
        status = m->backend->compile(g, &options, &s->exec);
    if (status != YOLK_OK)
        return yk_fail_prefix(status, "%s: ", m->facts.path);
    s->output_count = g->output_count;
    s->shapes = yk_calloc((size_t)g->output_count, sizeof *s->shapes);
    if (!s->shapes)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->output_count; i++)
        s->shapes[i] = g->values[g->outputs[i]].shape;
    return YOLK_OK;
}

yolk_status yk_session_create(yk_model *m, yk_session_key key, yk_session **out)
{
    *out = NULL;
    yolk_status status = check_key(m, key);
    if (status != YOLK_OK)
        return status;
    yk_session *s = yk_calloc(1, sizeof *s);
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    atomic_init(&s->references, 1);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->given_back, NULL);
    s->model = yk_model_retain(m);
    s->key = key;
    const yolk_config *c = &m->config;
    s->options = (yk_detect_options){.conf = (float)c->conf,
                                     .iou = (float)c->iou,
                                     .max_det = c->max_det,
                                     .multi_label = c->multi_label,
                                     .agnostic = c->agnostic,
                                     .class_mask = m->class_mask};
    status = compile(s);
    if (status == YOLK_OK)
        status = make_slots(s);
    if (status == YOLK_OK)
        status = warm_up(s);
    if (status != YOLK_OK) {
        yk_session_release(&s);
        return status;
    }
    *out = s;
    return YOLK_OK;
}

/* ---- slots ---- */

int yk_session_batch(const yk_session *s)
{
    return s->key.batch;
}

/* With the mutex held. */
static int take_free(yk_session *s)
{
    for (int i = 0; i < s->slot_count; i++) {
        if (!s->slots[i].taken) {
            s->slots[i].taken = true;
            s->slots[i].fill_ns = 0;
            return i;
        }
    }
    return -1;
}

int yk_session_try_take(yk_session *s)
{
    pthread_mutex_lock(&s->mutex);
    int slot = take_free(s);
    pthread_mutex_unlock(&s->mutex);
    return slot;
}

int yk_session_take(yk_session *s)
{
    int slot;
    pthread_mutex_lock(&s->mutex);
    while ((slot = take_free(s)) < 0)
        pthread_cond_wait(&s->given_back, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
    return slot;
}

void yk_session_give(yk_session *s, int slot)
{
    /* Somebody who gave up after starting. */
    if (s->slots[slot].running) {
        s->model->backend->wait(s->exec, slot);
        s->slots[slot].running = false;
    }
    pthread_mutex_lock(&s->mutex);
    s->slots[slot].taken = false;
    pthread_cond_signal(&s->given_back);
    pthread_mutex_unlock(&s->mutex);
}

/* ---- a batch ---- */

yolk_status yk_session_fill(yk_session *s, int slot, int index, const yolk_image *image)
{
    const yk_head *head = &s->model->graph->head;
    const int w = s->key.size.width, h = s->key.size.height;
    uint64_t start = yk_now_ns();
    if (image->width < 1 || image->height < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a picture cannot be %dx%d pixels", image->width, image->height);
    yk_letterbox fit = yk_letterbox_fit(image->width, image->height, w, h, head->top_left);
    uint8_t *input = s->model->backend->input(s->exec, slot) + (size_t)index * w * h * 3;
    yolk_status status = yk_letterbox_run(image, &fit, head->bgr, w, h, input, &s->slots[slot].scratch);
    s->slots[slot].fits[index] = fit;
    s->slots[slot].fill_ns += yk_now_ns() - start;
    return status;
}

yolk_status yk_session_start(yk_session *s, int slot, int count)
{
    s->slots[slot].count = count;
    s->slots[slot].started_ns = yk_now_ns();
    yolk_status status = s->model->backend->start(s->exec, slot);
    s->slots[slot].running = status == YOLK_OK;
    return status;
}

/* Time since the batch was started or, when it had to wait for others, since they were done: so that times of batches
 * that ran side by side add up to the time in which the device was busy. */
static uint64_t busy_time(yk_session *s, uint64_t started)
{
    uint64_t now = yk_now_ns(), before = atomic_exchange(&s->idle_since_ns, now);
    uint64_t since = YK_MAX(started, before);
    return now > since ? now - since : 0;
}

static yolk_status decode(yk_session *s, int slot, const float *const *outputs, int index, yk_detections *out)
{
    const yk_graph *g = s->model->graph;
    out->count = 0;
    yolk_status status =
        yk_decode(&g->head, outputs, s->shapes, index, s->key.size.width, s->key.size.height, &s->options, out);
    if (status == YOLK_OK)
        status = yk_suppress(&g->head, &s->options, out);
    if (status != YOLK_OK)
        return status;
    yk_unletterbox(&s->slots[slot].fits[index], out->items, out->count);
    for (size_t i = 0; i < out->count; i++)
        out->items[i].class_name = g->class_names[out->items[i].class_id];
    return YOLK_OK;
}

yolk_status yk_session_finish(yk_session *s, int slot, yk_detections *out)
{
    const yk_backend *b = s->model->backend;
    yk_counters *counters = s->model->counters;
    const int count = s->slots[slot].count;
    const float **outputs = s->slots[slot].outputs;
    yolk_status status = b->wait(s->exec, slot);
    s->slots[slot].running = false;
    if (status != YOLK_OK)
        return yk_fail_prefix(status, "%s: ", s->model->facts.path);
    uint64_t busy = busy_time(s, s->slots[slot].started_ns), start = yk_now_ns(), found = 0;
    for (int i = 0; i < s->output_count; i++)
        outputs[i] = b->output(s->exec, slot, i);
    for (int i = 0; i < count && status == YOLK_OK; i++) {
        status = decode(s, slot, outputs, i, &out[i]);
        found += out[i].count;
    }
    if (status != YOLK_OK)
        return status;
    yk_counters_stage(counters, YOLK_STAGE_PREPROCESS, count, s->slots[slot].fill_ns);
    yk_counters_stage(counters, YOLK_STAGE_INFER, count, busy);
    yk_counters_stage(counters, YOLK_STAGE_POSTPROCESS, count, yk_now_ns() - start);
    yk_counters_batch(counters, count, found);
    s->slots[slot].fill_ns = 0;
    return YOLK_OK;
}
