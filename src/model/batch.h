/* A batch on its way through the loaded models: what the manager's predict_batch() and the pipeline share.
 *
 * A batch goes round once: open() takes a free place on the device that will be done with it first, fill() every frame,
 * start(), finish(), close(). Several may be on their way at the same time, and different ones may be at different
 * points in different threads; a thread has at most one that is open and not started. Whoever wants results in order
 * finishes batches in the order in which they were started: devices do not wait for that. */
#ifndef YK_BATCH_H
#define YK_BATCH_H

#include "detect/detect.h"
#include "yolk/model.h"

typedef struct yk_batch yk_batch;

/* Room for at most `batch` frames, which `input` says the first model's input size for, in each of the manager's
 * models. Compiles and warms up on first use, and waits while every place is taken. A later load of another model does
 * not disturb it. Thread-safe. */
yolk_status yk_batch_open(yolk_manager *manager, yolk_size input, int batch, yk_batch **out);
/* The same for the only frame of a run: on all threads, and without a warm-up, which would cost more than it saves. */
yolk_status yk_batch_open_once(yolk_manager *manager, yolk_size input, yk_batch **out);
int yk_batch_room(const yk_batch *b);  /* frames that it has room for: what was asked for, or less, or a model's own */
int yk_batch_count(const yk_batch *b); /* frames that were started */
/* Letterboxes `image` into place `index` of every model's input. Where yk_batch_sees(), devices do that later: the
 * pixels have to stay until finish() or close(). */
yolk_status yk_batch_fill(yk_batch *b, int index, const yolk_image *image);
bool yk_batch_sees(const yk_batch *b); /* of a batch that is open and not started */
/* Starts the networks on the first `count` frames. What goes wrong is told by finish(). */
void yk_batch_start(yk_batch *b, int count);
/* Waits for the networks: out[i] gets the detections of frame i in pixels of the picture given to fill(), by falling
 * confidence, with class names, which live until close(). What a device had no memory for has been run again in
 * smaller batches, and what was on a lost device on another one. Adds to the manager's statistics. */
yolk_status yk_batch_finish(yk_batch *b, yk_detections *out);
void yk_batch_close(yk_batch **batch); /* at any point; &NULL allowed */

/* Adds time to a stage of the manager's statistics; used for the stages outside the network. Thread-safe, no locks. */
void yk_manager_note(yolk_manager *manager, yolk_stage stage, int frames, uint64_t nanoseconds);
/* Frames a batch for frames of width x height: the config's `batch`, or, when that is 0, what is worth it on the loaded
 * model's device, at most what yolk_config_for_resolution() says. At least 1; 1 when no model is loaded. */
int yk_manager_batch(const yolk_manager *manager, int width, int height);
/* Whether networks run on the processor, which other work should then leave cores to. */
bool yk_manager_needs_processor(const yolk_manager *manager);
/* A copy of the manager's settings. */
void yk_manager_config(const yolk_manager *manager, yolk_config *out);

#endif
