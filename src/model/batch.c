/* A batch of all models, and running again what a device could not do. */
#include "model/batch.h"

#include <string.h>

#include "model/model.h"

/* A network run that went well. */
typedef struct run {
    int place, frames; /* place: of the device among the model's replicas */
    uint64_t ns;
    bool first; /* of the first model */
} run;

struct yk_batch {
    yk_batch *next; /* among the spare ones */
    yk_set *set;
    int room, count;
    run *runs; /* those of the first model in the order of their frames */
    size_t run_count, run_capacity;
    yk_flight flights[YK_ENSEMBLE_MODELS]; /* one a model */
};

/* ---- open and close ---- */

static void free_batch(yk_batch *b)
{
    for (int i = 0; i < YK_ENSEMBLE_MODELS; i++)
        yk_flight_free(&b->flights[i]);
    yk_free(b->runs);
    yk_free(b);
}

void yk_batch_free_spare(yk_set *set)
{
    for (yk_batch *next; set->spare; set->spare = next) {
        next = set->spare->next;
        free_batch(set->spare);
    }
}

void yk_batch_close(yk_batch **batch)
{
    yk_batch *b = *batch;
    *batch = NULL;
    if (!b)
        return;
    yk_set *set = b->set;
    for (int i = 0; i < set->count; i++)
        yk_flight_end(&b->flights[i]);
    pthread_mutex_lock(&set->mutex);
    b->next = set->spare;
    set->spare = b;
    pthread_mutex_unlock(&set->mutex);
    yk_set_release(&set);
}

/* Room for what a flight of so many frames finds. */
static yolk_status reserve(yk_flight *f, int frames)
{
    yolk_status status = yk_grow(&f->fits, &f->capacity, (size_t)frames, sizeof *f->fits);
    size_t had = f->list_capacity;
    if (status == YOLK_OK)
        status = yk_grow(&f->images, &f->image_capacity, (size_t)frames, sizeof *f->images);
    if (status == YOLK_OK)
        status = yk_grow(&f->lists, &f->list_capacity, (size_t)frames, sizeof *f->lists);
    for (; had < f->list_capacity; had++)
        f->lists[had] = (yk_detections){0};
    return status;
}

/* `key` is for the first model; the others take what is nearest to it. */
static yolk_status open_flights(yk_batch *b, yk_session_key key)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < b->set->count && status == YOLK_OK; i++) {
        yk_model *m = b->set->models[i];
        yk_flight *f = &b->flights[i];
        yk_session_key own = key;
        if (i > 0)
            own.size = yk_model_own_size(m, key.size);
        if (m->fixed_batch)
            own.batch = m->fixed_batch;
        status = yk_flight_open(f, m, own, 0);
        if (status == YOLK_OK)
            status = reserve(f, f->room);
        f->keep = true;
        b->room = i == 0 ? f->room : YK_MIN(b->room, f->room);
    }
    return status;
}

yolk_status yk_batch_open_as(yk_set *set, yk_session_key key, yk_batch **out)
{
    *out = NULL;
    pthread_mutex_lock(&set->mutex);
    yk_batch *b = set->spare;
    if (b)
        set->spare = b->next;
    pthread_mutex_unlock(&set->mutex);
    if (!b)
        b = yk_calloc(1, sizeof *b);
    if (!b)
        return YOLK_ERROR_OUT_OF_MEMORY;
    b->set = yk_set_retain(set);
    b->count = 0;
    b->run_count = 0;
    yolk_status status = open_flights(b, key);
    if (status != YOLK_OK) {
        yk_batch_close(&b);
        return status;
    }
    *out = b;
    return YOLK_OK;
}

static yolk_status open_loaded(yolk_manager *manager, yk_session_key key, yk_batch **out)
{
    *out = NULL;
    yk_set *set = yk_manager_set(manager);
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    yolk_status status = yk_batch_open_as(set, key, out);
    yk_set_release(&set);
    return status;
}

yolk_status yk_batch_open(yolk_manager *manager, yolk_size input, int batch, yk_batch **out)
{
    return open_loaded(manager, (yk_session_key){.size = input, .batch = batch}, out);
}

yolk_status yk_batch_open_once(yolk_manager *manager, yolk_size input, yk_batch **out)
{
    return open_loaded(manager, (yk_session_key){.size = input, .batch = 1, .latency = true, .once = true}, out);
}

int yk_batch_room(const yk_batch *b)
{
    return b->room;
}

int yk_batch_count(const yk_batch *b)
{
    return b->count;
}

/* ---- the round ---- */

yolk_status yk_batch_fill(yk_batch *b, int index, const yolk_image *image)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < b->set->count && status == YOLK_OK; i++)
        status = yk_flight_fill(&b->flights[i], index, image);
    return status;
}

bool yk_batch_sees(const yk_batch *b)
{
    bool sees = false;
    for (int i = 0; i < b->set->count; i++)
        sees = sees || yk_flight_sees(&b->flights[i]);
    return sees;
}

void yk_batch_start(yk_batch *b, int count)
{
    b->count = count;
    for (int i = 0; i < b->set->count; i++)
        yk_flight_start(&b->flights[i], count);
}

static yolk_status note_run(yk_batch *b, const yk_flight *f, const yk_flight *part)
{
    yolk_status status = yk_grow(&b->runs, &b->run_capacity, b->run_count + 1, sizeof *b->runs);
    if (status == YOLK_OK)
        b->runs[b->run_count++] = (run){part->place, part->count, part->run_ns, f == &b->flights[0]};
    return status;
}

/* Runs frames from `first` on again, as many as have room in the place that is found. Returns their number, or 0 after
 * setting `*status`; both are 0 and YOLK_OK when there may be another place. */
static int run_part(yk_batch *b, yk_flight *f, int first, uint32_t *avoid, yolk_status *status)
{
    yk_session_key key = f->key;
    yk_flight part = {0};
    while (!f->model->fixed_batch && key.batch / 2 >= f->count - first)
        key.batch /= 2; /* a size that others take as well */
    *status = yk_flight_open(&part, f->model, key, *avoid);
    if (*status != YOLK_OK)
        return 0;
    const yk_session *s = part.session;
    const int count = YK_MIN(part.room, f->count - first), batch = s->key.batch;
    const int place = (int)(s->replica - f->model->replicas);
    memcpy(yk_flight_input(&part), f->kept + s->frame_input * (size_t)first, s->frame_input * (size_t)count);
    part.fits = f->fits + first;
    part.lists = f->lists + first;
    yk_flight_start(&part, count);
    yk_flight_wait(&part);
    f->run_ns += part.run_ns;
    f->decode_ns += part.decode_ns;
    if (part.status != YOLK_OK) {
        /* A device that has no memory for one frame is not asked again for this batch. */
        if (part.status == YOLK_ERROR_OUT_OF_MEMORY && (batch == 1 || f->model->fixed_batch))
            *avoid |= UINT32_C(1) << place;
        else if (part.status != YOLK_ERROR_OUT_OF_MEMORY && part.status != YOLK_ERROR_DEVICE_LOST)
            *status = part.status;
        yk_fail(part.status, "%s", part.error);
    }
    const bool done = part.status == YOLK_OK;
    if (done)
        *status = note_run(b, f, &part);
    yk_flight_end(&part);
    return done ? count : 0;
}

static yolk_status run_again(yk_batch *b, yk_flight *f)
{
    uint32_t avoid = 0;
    yolk_status status = YOLK_OK;
    for (int done = 0; done < f->count && status == YOLK_OK;)
        done += run_part(b, f, done, &avoid, &status);
    return status;
}

static yolk_status complete(yk_batch *b, yk_flight *f)
{
    yk_flight_wait(f);
    if (f->status == YOLK_OK)
        return note_run(b, f, f);
    if (f->kept)
        return run_again(b, f);
    yk_fail(f->status, "%s", f->error);
    return yk_fail_prefix(f->status, "%s: ", f->model->facts.path);
}

/* The lists of all models for each frame become one. */
static yolk_status fuse(yk_batch *b, yk_detections *out)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < b->count && status == YOLK_OK; i++) {
        yk_detections lists[YK_ENSEMBLE_MODELS];
        for (int k = 0; k < b->set->count; k++)
            lists[k] = b->flights[k].lists[i];
        status = yk_fuse(&b->set->fuse, lists, b->set->count, &out[i]);
    }
    return status;
}

/* The only one's lists change places with the caller's: their memory goes round. */
static void hand_over(yk_batch *b, yk_detections *out)
{
    for (int i = 0; i < b->count; i++) {
        yk_detections used = out[i];
        out[i] = b->flights[0].lists[i];
        b->flights[0].lists[i] = used;
    }
}

static void add_to_counters(const yk_batch *b, const yk_detections *out, uint64_t fuse_ns)
{
    uint64_t fill = 0, ns = 0, decode = fuse_ns;
    for (int i = 0; i < b->set->count; i++) {
        fill += b->flights[i].fill_ns;
        ns += b->flights[i].run_ns;
        decode += b->flights[i].decode_ns;
    }
    yk_counts *counts = yk_counters_begin(b->set->counters);
    yk_counts_stage(counts, YOLK_STAGE_PREPROCESS, b->count, fill);
    yk_counts_stage(counts, YOLK_STAGE_INFER, b->count, ns);
    yk_counts_stage(counts, YOLK_STAGE_POSTPROCESS, b->count, decode);
    for (size_t i = 0; i < b->run_count; i++) {
        const run *r = &b->runs[i];
        yk_counts_device(counts, r->place, r->frames, r->ns);
        uint64_t found = 0;
        for (int k = 0; r->first && k < r->frames; k++)
            found += out++->count;
        if (r->first)
            yk_counts_batch(counts, r->frames, found);
    }
    yk_counters_end(counts);
}

yolk_status yk_batch_finish(yk_batch *b, yk_detections *out)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < b->set->count && status == YOLK_OK; i++)
        status = complete(b, &b->flights[i]);
    if (status != YOLK_OK)
        return status;
    uint64_t start = yk_now_ns();
    if (b->set->count > 1)
        status = fuse(b, out);
    else
        hand_over(b, out);
    if (status == YOLK_OK)
        add_to_counters(b, out, yk_now_ns() - start);
    return status;
}
