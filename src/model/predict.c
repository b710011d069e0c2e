/* Frames in, detections out: the manager's predict_batch(). */
#include "model/model.h"

struct yolk_results {
    yk_set *set; /* keeps the class names */
    size_t count;
    yk_detections frames[];
};

/* Fills and starts a batch with the first of `count` frames. `*taken` gets how many. */
static yolk_status launch(yk_set *set, yk_session_key key, const yolk_image *frames, size_t first, size_t count,
                          yk_batch **out, size_t *taken)
{
    yolk_status status = yk_batch_open_as(set, key, out);
    if (status != YOLK_OK)
        return status;
    *taken = YK_MIN((size_t)yk_batch_room(*out), count);
    for (size_t i = 0; i < *taken && status == YOLK_OK; i++) {
        status = yk_batch_fill(*out, (int)i, &frames[first + i]);
        if (status != YOLK_OK)
            yk_fail_prefix(status, "frame %zu: ", first + i);
    }
    if (status == YOLK_OK)
        yk_batch_start(*out, (int)*taken);
    else
        yk_batch_close(out);
    return status;
}

/* Keeps batches under way on every device and collects them in order. */
static yolk_status predict(yk_set *set, yk_session_key key, const yolk_image *frames, size_t count, yk_detections *out)
{
    enum { MOST = 32 };
    yk_batch *batches[MOST] = {NULL}; /* a ring, from `oldest` */
    size_t oldest = 0, under_way = 0, next = 0, taken;
    yolk_status status = YOLK_OK;
    while (under_way > 0 || (next < count && status == YOLK_OK)) {
        if (status == YOLK_OK && next < count && under_way < MOST) {
            size_t place = (oldest + under_way) % MOST;
            status = launch(set, key, frames, next, count - next, &batches[place], &taken);
            if (status == YOLK_OK) {
                next += taken;
                under_way++;
            }
            continue;
        }
        yk_batch *b = batches[oldest];
        oldest = (oldest + 1) % MOST;
        under_way--;
        if (status == YOLK_OK) {
            status = yk_batch_finish(b, out);
            out += yk_batch_count(b);
        }
        yk_batch_close(&b);
    }
    return status;
}

/* Width and height of the largest frame, for the batch that suits it. */
static yolk_size largest(const yolk_image *frames, size_t count)
{
    yolk_size size = {1, 1};
    for (size_t i = 0; i < count; i++) {
        if ((int64_t)frames[i].width * frames[i].height > (int64_t)size.width * size.height)
            size = (yolk_size){frames[i].width, frames[i].height};
    }
    return size;
}

yolk_status yolk_manager_predict_batch(yolk_manager *manager, const yolk_image *frames, size_t count,
                                       const yolk_size *input, yolk_results **out)
{
    yolk_size size;
    size_t bytes;
    yolk_status status = YOLK_OK;
    *out = NULL;
    yk_set *set = yk_manager_set(manager);
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    yolk_results *results = NULL;
    if (__builtin_mul_overflow(count, sizeof *results->frames, &bytes) ||
        __builtin_add_overflow(bytes, sizeof *results, &bytes))
        bytes = SIZE_MAX;
    results = yk_calloc(1, bytes);
    if (!results) {
        yk_set_release(&set);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    results->set = set;
    results->count = count;
    if (input)
        size = *input;
    else
        status = yk_model_input_size(set->models[0], 1, 1, true, &size);
    if (status == YOLK_OK && count > 0) {
        yolk_size frame = largest(frames, count);
        yk_session_key key = yk_set_choose(set, size, yk_set_batch(set, frame.width, frame.height), count);
        status = predict(set, key, frames, count, results->frames);
    }
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
    yk_set_release(&r->set);
    yk_free(r);
}
