/* The thread that reads the sources. */
#include "pipeline/pipeline.h"

#include <string.h>

/* Bytes of frames that may wait between two threads, however many frames that is. */
enum { WAITING_BYTES = 96 << 20 };
/* Of a decoder that has the processor to itself; each holds a frame, and more are seldom of use. */
enum { MOST_THREADS = 16 };

/* Gives an item to the next thread; false when the run is stopped. */
static bool push(yk_run *run, yk_item *item)
{
    if (!atomic_load(&run->stop) && yk_queue_push(run->decoded, item))
        return true;
    yk_item_put(run, item);
    return false;
}

/* Tells that a source has ended, with the thread's last error unless it ended well. */
static bool push_end(yk_run *run, size_t source, yolk_status status)
{
    yk_item *item = yk_item_get(run);
    if (!item) {
        yk_run_fail(run, YOLK_ERROR_OUT_OF_MEMORY);
        return false;
    }
    item->source = source;
    item->end = true;
    if (status != YOLK_OK)
        yk_item_fail(item, status);
    return push(run, item);
}

/* Chooses the part to look at. */
static yolk_status place(const yk_run *run, yk_item *item, const yolk_image *image)
{
    const yolk_pipeline_options *o = &run->options;
    item->width = image->width;
    item->height = image->height;
    if (yk_region_of(image->width, image->height, o->eye, o->crop, &item->region))
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: the crop %d,%d,%d,%d lies outside its frames of %dx%d pixels",
                   run->sources.items[item->source].path, o->crop[0], o->crop[1], o->crop[2], o->crop[3], image->width,
                   image->height);
}

static void limit_queues(yk_run *run, int64_t frame_bytes)
{
    size_t limit = (size_t)YK_MAX(2, YK_MIN((int64_t)run->queue, WAITING_BYTES / YK_MAX(frame_bytes, 1)));
    yk_queue_limit(run->decoded, limit);
    yk_queue_limit(run->finished, limit);
}

static yolk_status read_still(yk_run *run, size_t source)
{
    yk_item *item = yk_item_get(run);
    if (!item)
        return YOLK_ERROR_OUT_OF_MEMORY;
    uint64_t start = yk_now_ns();
    item->source = source;
    yolk_status status = yolk_image_load(run->sources.items[source].path, &item->loaded);
    if (status == YOLK_OK)
        status = place(run, item, item->loaded);
    if (status != YOLK_OK) {
        yk_item_put(run, item);
        return status;
    }
    yk_manager_note(run->manager, YOLK_STAGE_DECODE, 1, yk_now_ns() - start);
    limit_queues(run, (int64_t)item->width * item->height * 3);
    push(run, item);
    return YOLK_OK;
}

/* ---- videos ---- */

/* Where a video that may be read several times has got to. */
typedef struct progress {
    int64_t frames;
    double offset; /* seconds of the readings before this one */
    double next;   /* where the frame after the last one would be */
} progress;

static int64_t at_most(const yk_run *run, int64_t frames)
{
    return run->options.max_frames > 0 ? YK_MIN(frames, run->options.max_frames) : frames;
}

static int64_t expected_frames(const yk_run *run, const yolk_video_info *info)
{
    return info->frame_count > 0 ? at_most(run, info->frame_count * YK_MAX(run->options.loop, 1)) : 0;
}

static yolk_status read_frame(yk_run *run, yolk_video *video, size_t source, progress *p)
{
    yk_item *item = yk_item_get(run);
    if (!item)
        return YOLK_ERROR_OUT_OF_MEMORY;
    const yolk_video_info *info = yolk_video_get_info(video);
    uint64_t start = yk_now_ns();
    item->source = source;
    yolk_status status = yolk_video_read(video, &item->decoded);
    if (status == YOLK_OK)
        status = place(run, item, &item->decoded->image);
    if (status != YOLK_OK) {
        yk_item_put(run, item);
        return status;
    }
    yk_manager_note(run->manager, YOLK_STAGE_DECODE, 1, yk_now_ns() - start);
    item->frame = p->frames++;
    item->time = p->offset + item->decoded->time;
    item->fps_num = info->fps_num;
    item->fps_den = info->fps_den;
    item->sar_num = info->sar_num;
    item->sar_den = info->sar_den;
    p->next = item->time + (info->fps > 0 ? 1 / info->fps : 0.04);
    return push(run, item) ? YOLK_OK : YOLK_ERROR_CANCELED;
}

/* Once from beginning to end, or as far as wanted. */
static yolk_status read_once(yk_run *run, size_t source, progress *p, int64_t *expected)
{
    yolk_video *video = NULL;
    yolk_video_options options;
    yolk_video_options_defaults(&options);
    if (!yk_manager_needs_processor(run->manager))
        options.threads = YK_MIN(yk_physical_cores(), MOST_THREADS);
    yolk_status status = yk_video_open(run->sources.items[source].path, &options, run->interrupt, &video);
    if (status != YOLK_OK)
        return status;
    const yolk_video_info *info = yolk_video_get_info(video);
    if (*expected < 0) {
        *expected = expected_frames(run, info);
        atomic_fetch_add(&run->total, *expected);
        if (*expected > 0)
            atomic_fetch_sub(&run->unknown, 1);
    }
    if (p->frames == 0)
        limit_queues(run, (int64_t)info->width * info->height * 3 / 2);
    while (status == YOLK_OK && at_most(run, p->frames + 1) == p->frames + 1)
        status = read_frame(run, video, source, p);
    yolk_video_close(&video);
    p->offset = p->next;
    return status;
}

static yolk_status read_video(yk_run *run, size_t source, int64_t expected)
{
    progress p = {0};
    yolk_status status = YOLK_END;
    for (int i = 0; i < YK_MAX(run->options.loop, 1) && status == YOLK_END; i++)
        status = read_once(run, source, &p, &expected);
    /* From here on its length is a fact. */
    if (expected <= 0)
        atomic_fetch_sub(&run->unknown, 1);
    atomic_fetch_add(&run->total, p.frames - YK_MAX(expected, 0));
    return status == YOLK_END ? YOLK_OK : status;
}

/* ---- the thread ---- */

/* Frames of each video, or -1, so that the first frame's progress knows about the last source. Opening a few videos
 * twice is quick; opening a thousand is not, and nobody looks at their sum. */
static void count_frames(yk_run *run, int64_t *expected)
{
    enum { FEW = 32 };
    size_t videos = 0, unknown = 0;
    for (size_t i = 0; i < run->sources.count; i++) {
        const yk_source *s = &run->sources.items[i];
        expected[i] = -1;
        if (s->still && !s->error)
            atomic_fetch_add(&run->total, 1);
        else if (!s->error)
            videos++;
    }
    unknown = videos;
    for (size_t i = 0; run->options.progress && videos > 1 && videos <= FEW && i < run->sources.count; i++) {
        const yk_source *s = &run->sources.items[i];
        yolk_video *video = NULL;
        /* What is no file, such as a pipe, can be read once only. */
        if (s->error || s->still || strcmp(s->path, "-") == 0 || !yk_is_file(s->path) ||
            yolk_video_open(s->path, NULL, &video) != YOLK_OK)
            continue;
        expected[i] = expected_frames(run, yolk_video_get_info(video));
        yolk_video_close(&video);
        atomic_fetch_add(&run->total, expected[i]);
        unknown -= expected[i] > 0;
    }
    atomic_store(&run->unknown, unknown);
}

static yolk_status read_source(yk_run *run, size_t source, int64_t expected)
{
    const yk_source *s = &run->sources.items[source];
    if (s->error)
        return yk_fail(s->status, "%s", s->error);
    return s->still ? read_still(run, source) : read_video(run, source, expected);
}

void *yk_decode_thread(void *user)
{
    yk_run *run = user;
    int64_t *expected = yk_calloc(run->sources.count, sizeof(*expected));
    if (!expected)
        push_end(run, 0, YOLK_ERROR_OUT_OF_MEMORY);
    else
        count_frames(run, expected);
    for (size_t i = 0; expected && i < run->sources.count && !atomic_load(&run->stop); i++) {
        yolk_status status = read_source(run, i, expected[i]);
        /* A picture is all there is of its source; batches go on over it. */
        bool still = run->sources.items[i].still && !run->sources.items[i].error;
        if (still && status == YOLK_OK)
            continue;
        if (still)
            atomic_fetch_sub(&run->total, 1);
        if (!push_end(run, i, status))
            break;
    }
    yk_free(expected);
    yk_queue_close(run->decoded);
    return NULL;
}
