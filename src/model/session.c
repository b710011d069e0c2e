/* Making a model ready for one size and batch on one device, and ending that. */
#include <string.h>

#include "model/memory.h"
#include "model/model.h"

/* ---- making ---- */

yolk_status yk_session_check_key(const yk_model *m, yk_session_key key)
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

yolk_status yk_session_start(yk_session *s, int slot, const yk_input *frames)
{
    const yk_backend *b = s->replica->model->backend;
    yk_input f = *frames;
    f.boxes = s->abilities & YK_FINDS_BOXES;
    return s->abilities ? b->start_frames(s->exec, slot, &f) : b->start(s->exec, slot);
}

/* Runs on grey, so that the first frame finds memory touched and threads awake: every slot once at least. */
static yolk_status warm_up(yk_session *s)
{
    const yk_backend *b = s->replica->model->backend;
    const int rounds = s->key.once ? 0 : s->replica->model->config.warmup;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < s->slot_count; i++)
        memset(b->input(s->exec, i), 114, s->frame_input * (size_t)s->key.batch);
    for (int done = 0; done < rounds && status == YOLK_OK; done += s->slot_count) {
        int started = 0;
        while (started < s->slot_count && status == YOLK_OK) {
            status = yk_session_start(s, started, &(yk_input){.count = s->key.batch});
            started += status == YOLK_OK;
        }
        for (int i = 0; i < started; i++) {
            yolk_status ended = b->wait(s->exec, i);
            status = status == YOLK_OK ? ended : status;
        }
    }
    return status;
}

static yolk_status make_slots(yk_session *s)
{
    s->slot_count = s->replica->model->backend->slot_count(s->exec);
    s->slots = yk_calloc((size_t)s->slot_count, sizeof *s->slots);
    if (!s->slots)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < s->slot_count; i++) {
        s->slots[i].outputs = yk_calloc((size_t)s->output_count, sizeof *s->slots[i].outputs);
        if (!s->slots[i].outputs)
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    return YOLK_OK;
}

/* Replicas on the processor share its threads out. */
static yk_compile_options options_of(const yk_session *s)
{
    const yk_model *m = s->replica->model;
    yk_compile_options o = {.device = s->replica->device,
                            .threads = m->config.threads,
                            .streams = m->config.streams,
                            .latency = s->key.latency,
                            .half = m->half,
                            .detect = &m->detect};
    if (m->replica_count > 1 && strcmp(m->backend->kind, "cpu") == 0) {
        int threads = o.threads > 0 ? o.threads : yk_physical_cores();
        o.threads = YK_MAX(threads / m->replica_count, 1);
        o.streams = o.streams > 0 ? YK_MAX(o.streams / m->replica_count, 1) : 0;
    }
    return o;
}

static yolk_status compile(yk_session *s)
{
    yk_model *m = s->replica->model;
    const yk_graph *g;
    yk_compile_options options = options_of(s);
    yolk_status status = yk_model_compile(m, s->key, &options, &g, &s->exec);
    if (status != YOLK_OK)
        return yk_fail_prefix(status, "%s: ", m->facts.path);
    s->abilities = m->backend->abilities ? m->backend->abilities(s->exec) : 0;
    s->output_count = g->output_count;
    s->shapes = yk_calloc((size_t)g->output_count, sizeof *s->shapes);
    if (!s->shapes)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->output_count; i++)
        s->shapes[i] = g->values[g->outputs[i]].shape;
    return YOLK_OK;
}

void yk_session_clear(yk_session *s)
{
    for (int i = 0; s->slots && i < s->slot_count; i++) {
        yk_free(s->slots[i].outputs);
        yk_letterbox_scratch_free(&s->slots[i].scratch);
    }
    if (s->exec)
        s->replica->model->backend->destroy(&s->exec);
    yk_free(s->slots);
    yk_free(s->shapes);
    s->slots = NULL;
    s->shapes = NULL;
}

/* Bytes that are taken now where the replica's sessions take theirs; grows as they are made. */
static uint64_t taken(const yk_replica *r)
{
    const yk_backend *b = r->model->backend;
    uint64_t resident;
    if (strcmp(b->kind, "cpu") != 0)
        return UINT64_MAX - b->free_memory(r->device);
    yolk_memory_usage(&resident, NULL);
    return resident;
}

/* What the session took, if that is to be believed: on the processor others take and give memory meanwhile, and what
 * was left over from before is used again. */
static void measure(yk_session *s, uint64_t before)
{
    yk_model *m = s->replica->model;
    yk_need need;
    uint64_t after = taken(s->replica), bytes = after > before ? after - before : 0;
    if (yk_memory_estimate(m->graph, &need) != YOLK_OK)
        need = (yk_need){0};
    uint64_t least = s->frame_input * (uint64_t)s->key.batch * (uint64_t)s->slot_count;
    bool known = bytes > 0 && (strcmp(m->backend->kind, "cpu") != 0 || bytes >= least);
    s->bytes = known ? bytes : need.network + need.frame * (uint64_t)s->key.batch * (uint64_t)s->slot_count;
    if (known) {
        pthread_mutex_lock(&m->mutex);
        yk_sizing_measure(yk_replica_sizing(s->replica, s->key), s->key.batch, bytes);
        pthread_mutex_unlock(&m->mutex);
    }
}

yolk_status yk_session_create(yk_replica *r, yk_session_key key, yk_session **out)
{
    yk_model *m = r->model;
    *out = NULL;
    yolk_status status = yk_session_check_key(m, key);
    if (status != YOLK_OK)
        return status;
    yk_session *s = yk_calloc(1, sizeof *s);
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    s->replica = r;
    s->key = key;
    s->users = 1;
    s->frame_input = (uint64_t)key.size.width * (uint64_t)key.size.height * 3;
    pthread_cond_init(&s->work, NULL);
    uint64_t before = taken(r);
    status = compile(s);
    if (status == YOLK_OK)
        status = make_slots(s);
    if (status == YOLK_OK)
        status = warm_up(s);
    if (status != YOLK_OK)
        goto fail;
    measure(s, before);
    pthread_mutex_lock(&m->mutex);
    bool runs = pthread_create(&s->thread, NULL, yk_session_serve, s) == 0;
    m->sessions += runs;
    pthread_mutex_unlock(&m->mutex);
    if (!runs) {
        status = yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "%s: no thread can be started", m->facts.path);
        goto fail;
    }
    *out = s;
    return YOLK_OK;
fail:
    yk_session_clear(s);
    pthread_cond_destroy(&s->work);
    yk_free(s);
    return status;
}

/* ---- use and end; with the model's mutex held ---- */

static void end_unused(yk_session *s)
{
    if (s->kept || s->users > 0 || s->ending)
        return;
    s->ending = true;
    s->replica->model->ending++;
    pthread_cond_signal(&s->work);
}

void yk_session_leave(yk_session *s)
{
    s->users--;
    end_unused(s);
}

void yk_session_drop(yk_session *s)
{
    s->kept = false;
    end_unused(s);
}

int yk_session_take(yk_session *s)
{
    for (int i = 0; i < s->slot_count; i++) {
        if (!s->slots[i].taken) {
            s->slots[i].taken = true;
            return i;
        }
    }
    return -1;
}
