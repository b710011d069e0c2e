/* A run: one thread decodes, one fills and starts batches, one finishes them, and the caller's thread serves the sinks.
 * Items go from one to the next in order; only the caller's thread sees sinks and callbacks. */
#ifndef YK_PIPELINE_H
#define YK_PIPELINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "model/batch.h"
#include "pipeline/sink.h"
#include "video/video.h"
#include "yolk/pipeline.h"

/* ---- sources.c ---- */

typedef struct yk_source {
    char *path;
    bool still;
    char *error; /* why it is no source at all, with `status` */
    yolk_status status;
} yk_source;

typedef struct yk_sources {
    yk_source *items;
    size_t count, capacity;
} yk_sources;

/* One source an input, or an entry of a folder. An input that cannot be one is listed with its error. */
yolk_status yk_sources_expand(const char *const *inputs, size_t count, yk_sources *out);
void yk_sources_free(yk_sources *sources);

/* ---- view.c ---- */

typedef struct yk_region {
    int x, y, width, height;
} yk_region;

/* The part of width x height pixels that eye and crop leave, moved to even pixels, so that chroma stays in place; false
 * when that is nothing. */
bool yk_region_of(int width, int height, yolk_eye eye, const int crop[4], yk_region *out);
yolk_image yk_region_view(const yolk_image *image, const yk_region *region);

/* ---- items ---- */

/* A frame on its way, or the end of a source. The first item of a batch carries the batch. */
typedef struct yk_item {
    struct yk_item *next; /* in the batch */
    size_t source;
    bool end;
    bool fatal;         /* the network failed, not the source */
    yolk_status status; /* of an end, or of what is fatal */
    char *error;        /* the sentence */

    int64_t frame;
    double time;
    int fps_num, fps_den, sar_num, sar_den;
    int width, height;
    yk_region region;
    yolk_frame *decoded; /* of a video */
    yolk_image *loaded;  /* a still */
    yk_detections found;

    yk_batch *started; /* of the first item of a batch with frames */
    yolk_size input;
    int batch; /* frames that it had room for */
} yk_item;

/* What the threads share. */
typedef struct yk_run {
    yolk_manager *manager;
    yolk_pipeline_options options;
    yk_sources sources;
    size_t queue; /* frames that may wait */
    bool wants_image;

    atomic_bool stop;
    atomic_int failure; /* a yolk_status: why a thread stopped the run, when it had no item to say so */
    yk_interrupt *interrupt;
    yk_queue *decoded, *started, *finished;

    atomic_llong total;    /* frames of the sources that are known */
    atomic_size_t unknown; /* videos whose frames are not */

    pthread_mutex_t spare_mutex;
    yk_item *spare; /* items to use again */
} yk_run;

yk_item *yk_item_get(yk_run *run); /* NULL with the error set */
void yk_item_put(yk_run *run, yk_item *item);
void yk_item_drop_image(yk_item *item);
const yolk_image *yk_item_image(const yk_item *item);
/* Makes the item carry the thread's last error. */
void yk_item_fail(yk_item *item, yolk_status status);
/* Stops the run where there is no memory even for an item. */
void yk_run_fail(yk_run *run, yolk_status status);

/* The threads; `user` is the run. */
void *yk_decode_thread(void *user); /* feed.c: to `decoded` */
void *yk_start_thread(void *user);  /* infer.c: from there to `started` */
void *yk_finish_thread(void *user); /* infer.c: from there to `finished` */

#endif
