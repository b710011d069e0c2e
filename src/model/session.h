/* A loaded model compiled for one input size and batch: what the manager's predict_batch() and the pipeline share.
 *
 * A session has a few slots. Each slot goes round: fill() every frame of the batch, start(), finish(). Different slots
 * may be at different points at the same time, so that one thread fills, the device computes and another finishes. */
#ifndef YK_SESSION_H
#define YK_SESSION_H

#include "backend/backend.h"
#include "detect/detect.h"
#include "yolk/model.h"

typedef struct yk_session yk_session;

/* The manager's session for this size and batch, compiled and warmed up on first use, with its thresholds and classes
 * from the manager's config. Held until yk_session_release(); a later load of another model does not disturb it.
 * Thread-safe. */
yolk_status yk_session_acquire(yolk_manager *manager, yolk_size input, int batch, yk_session **out);
void yk_session_release(yk_session **session); /* &NULL allowed */

int yk_session_batch(const yk_session *s);
/* Takes a free slot, waiting for one; gives it back. Thread-safe. Taking sees no other user's half-filled slot. */
int yk_session_take(yk_session *s);
void yk_session_give(yk_session *s, int slot);

/* Letterboxes `image` into place `index` of the slot's input. Different slots may be filled from different threads. */
yolk_status yk_session_fill(yk_session *s, int slot, int index, const yolk_image *image);
/* Starts the network on the first `count` frames of the slot. */
yolk_status yk_session_start(yk_session *s, int slot, int count);
/* Waits for the network, decodes and suppresses: out[i] gets the detections of frame i in pixels of the picture given
 * to fill(), by falling confidence, with class names. Adds to the manager's statistics. */
yolk_status yk_session_finish(yk_session *s, int slot, yk_detections *out);

/* Adds time to a stage of the manager's statistics; used for the stages outside the session. Thread-safe, no locks. */
void yk_manager_note(yolk_manager *manager, yolk_stage stage, int frames, uint64_t nanoseconds);
/* Frames a batch for frames of width x height: the config's `batch`, or, when that is 0, what is worth it on the loaded
 * model's device, at most what yolk_config_for_resolution() says. At least 1; 1 when no model is loaded. */
int yk_manager_batch(const yolk_manager *manager, int width, int height);
/* A copy of the manager's settings. */
void yk_manager_config(const yolk_manager *manager, yolk_config *out);

#endif
