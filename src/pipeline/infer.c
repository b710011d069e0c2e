/* The threads around the network: one fills and starts batches, one collects them in order. */
#include "pipeline/pipeline.h"

/* ---- filling ---- */

/* The batch being filled: a chain of items in order, ends of sources among them. */
typedef struct filling {
    yk_item *first, *last;
    yk_batch *batch; /* NULL while there is no frame in it */
    int frames;
    yolk_size input;
    int wanted; /* frames a batch, as asked for */
} filling;

static void append(filling *f, yk_item *item)
{
    item->next = NULL;
    if (f->last)
        f->last->next = item;
    else
        f->first = item;
    f->last = item;
}

/* Makes the run end with the thread's last error. */
static void append_fatal(yk_run *run, filling *f, yolk_status status)
{
    yk_item *item = yk_item_get(run);
    if (item) {
        item->fatal = true;
        yk_item_fail(item, status);
        append(f, item);
    } else {
        yk_run_fail(run, status);
    }
}

static void drop(yk_run *run, filling *f)
{
    yk_batch_close(&f->batch);
    for (yk_item *next; f->first; f->first = next) {
        next = f->first->next;
        yk_item_put(run, f->first);
    }
    *f = (filling){0};
}

/* Starts the network on what is there and hands the batch on. */
static void flush(yk_run *run, filling *f)
{
    if (!f->first)
        return;
    if (f->batch && f->frames == 0)
        yk_batch_close(&f->batch);
    if (f->batch)
        yk_batch_start(f->batch, f->frames);
    yk_item *first = f->first;
    first->started = f->batch;
    *f = (filling){0};
    if (!yk_queue_push(run->started, first)) {
        filling back = {.first = first, .batch = first->started};
        first->started = NULL;
        drop(run, &back);
    }
}

static yolk_status fill(yk_run *run, filling *f, yk_item *item)
{
    const yk_region *r = &item->region;
    bool still = item->loaded && !run->options.rect;
    yolk_size input;
    yolk_status status = yolk_manager_input_size(run->manager, r->width, r->height, still, &input);
    if (status != YOLK_OK)
        return status;
    int wanted = yk_manager_batch(run->manager, r->width, r->height);
    if (f->batch && (f->input.width != input.width || f->input.height != input.height || f->wanted != wanted))
        flush(run, f);
    if (!f->batch) {
        const bool once = run->sources.count == 1 && run->sources.items[0].still;
        status = once ? yk_batch_open_once(run->manager, input, &f->batch)
                      : yk_batch_open(run->manager, input, wanted, &f->batch);
        f->input = input;
        f->wanted = wanted;
    }
    if (status != YOLK_OK)
        return status;
    yolk_image view = yk_region_view(yk_item_image(item), r);
    status = yk_batch_fill(f->batch, f->frames, &view);
    if (status != YOLK_OK)
        return status;
    f->frames++;
    item->input = input;
    item->batch = yk_batch_room(f->batch);
    return YOLK_OK;
}

static void take_frame(yk_run *run, filling *f, yk_item *item)
{
    yolk_status status = fill(run, f, item);
    if (status != YOLK_OK) {
        yk_item_put(run, item);
        append_fatal(run, f, status);
        flush(run, f);
        return;
    }
    /* The pixels have been used: only drawing, or a device that looks at them itself, needs them further on. */
    if (!run->wants_image && !yk_batch_sees(f->batch))
        yk_item_drop_image(item);
    append(f, item);
    if (f->frames == yk_batch_room(f->batch))
        flush(run, f);
}

void *yk_start_thread(void *user)
{
    yk_run *run = user;
    filling f = {0};
    void *next;
    while (yk_queue_pop(run->decoded, &next)) {
        yk_item *item = next;
        if (atomic_load(&run->stop)) {
            yk_item_put(run, item);
        } else if (item->end) {
            append(&f, item);
            /* What was found so far need not wait for the next source, but pictures one after another share batches. */
            if (!f.batch || !run->sources.items[item->source].still)
                flush(run, &f);
        } else {
            take_frame(run, &f, item);
        }
    }
    if (atomic_load(&run->stop))
        drop(run, &f);
    else
        flush(run, &f);
    yk_queue_close(run->started);
    return NULL;
}

/* ---- finishing ---- */

static void move_to_frame(yk_detections *found, const yk_region *region)
{
    for (size_t i = 0; i < found->count; i++) {
        yolk_detection *d = &found->items[i];
        d->x1 += (float)region->x;
        d->x2 += (float)region->x;
        d->y1 += (float)region->y;
        d->y2 += (float)region->y;
    }
}

typedef struct lists {
    yk_detections *items;
    size_t count, capacity;
} lists;

/* Detections of all frames of a batch into its items, whose lists' memory goes round. */
static yolk_status finish(yk_item *first, lists *l)
{
    const size_t frames = (size_t)yk_batch_count(first->started);
    yolk_status status = yk_grow(&l->items, &l->capacity, frames, sizeof(*l->items));
    for (; status == YOLK_OK && l->count < frames; l->count++)
        l->items[l->count] = (yk_detections){0};
    if (status == YOLK_OK)
        status = yk_batch_finish(first->started, l->items);
    if (status != YOLK_OK)
        return status;
    size_t at = 0;
    for (yk_item *item = first; item; item = item->next) {
        if (item->end || item->fatal)
            continue;
        yk_detections used = item->found;
        item->found = l->items[at];
        l->items[at++] = used;
        move_to_frame(&item->found, &item->region);
    }
    return YOLK_OK;
}

void *yk_finish_thread(void *user)
{
    yk_run *run = user;
    lists l = {0};
    void *next;
    while (yk_queue_pop(run->started, &next)) {
        yk_item *first = next;
        if (first->started && !atomic_load(&run->stop)) {
            yolk_status status = finish(first, &l);
            if (status != YOLK_OK) {
                first->fatal = true;
                yk_item_fail(first, status);
            }
        }
        yk_batch_close(&first->started);
        for (yk_item *item = first, *after; item; item = after) {
            after = item->next;
            if (!run->wants_image)
                yk_item_drop_image(item);
            if (atomic_load(&run->stop) || !yk_queue_push(run->finished, item))
                yk_item_put(run, item);
        }
    }
    for (size_t i = 0; i < l.count; i++)
        yk_detections_free(&l.items[i]);
    yk_free(l.items);
    yk_queue_close(run->finished);
    return NULL;
}
