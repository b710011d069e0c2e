/* Inside the model room: a model compiled for one size and batch on one device, and batches on their way through it. */
#ifndef YK_SESSION_H
#define YK_SESSION_H

#include <pthread.h>

#include "backend/backend.h"
#include "detect/detect.h"
#include "yolk/model.h"

struct yk_model;
struct yk_replica;

typedef struct yk_session_key {
    yolk_size size;
    int batch;
    bool latency; /* one batch as fast as can be, rather than many side by side */
    bool once;    /* for one batch and no more: not worth a warm-up. Others may use the session after it. */
} yk_session_key;

typedef struct yk_slot {
    bool taken;
    const float **outputs; /* one an output of the graph */
    yk_letterbox_scratch scratch;
} yk_slot;

/* Ends by itself, on its own thread, once it is neither kept nor in use. */
typedef struct yk_session {
    struct yk_replica *replica;
    yk_session_key key;
    yk_exec *exec;
    unsigned abilities; /* of the network's backend */
    int output_count, slot_count;
    yk_shape *shapes; /* of the outputs */
    yk_slot *slots;
    uint64_t bytes;       /* of memory that it took, as measured or else as estimated */
    uint64_t frame_input; /* bytes of a frame's input */

    pthread_t thread; /* waits for the networks, decodes and suppresses */
    pthread_cond_t work;
    /* Guarded by the model's mutex. */
    bool kept, ending;
    int users;                      /* flights */
    uint64_t used;                  /* the larger the later */
    struct yk_flight *first, *last; /* started, in order */
    struct yk_session *next;        /* among those that have ended */
} yk_session;

typedef enum yk_flight_state { YK_FLIGHT_NONE, YK_FLIGHT_FILLING, YK_FLIGHT_RUNNING, YK_FLIGHT_DONE } yk_flight_state;

/* One batch of one model. */
typedef struct yk_flight {
    struct yk_flight *next; /* in its session's line */
    struct yk_model *model;
    yk_session_key key; /* as asked for */
    yk_session *session;
    yk_flight_state state; /* guarded by the model's mutex from start() on */
    int slot, room, count;
    int place;            /* of the device that ran it among the model's replicas, once it is done */
    yk_letterbox *fits;   /* one a frame */
    yolk_image *images;   /* likewise, where the device fits them in; the pixels are the caller's */
    yk_detections *lists; /* likewise */
    size_t capacity, image_capacity, list_capacity;
    bool keep; /* when it fails for want of memory or device, `kept` gets its input */
    uint8_t *kept;
    yolk_status status;
    char error[512];
    uint64_t started_ns, fill_ns, run_ns, decode_ns;
} yk_flight;

/* ---- session.c ---- */

yolk_status yk_session_check_key(const struct yk_model *m, yk_session_key key);
/* Compiles the bound graph of the replica's model and warms up; under compile_mutex. Not kept, with one user. */
yolk_status yk_session_create(struct yk_replica *r, yk_session_key key, yk_session **out);
void yk_session_clear(yk_session *s); /* frees what it holds */
/* Starts the network on these frames, for detections where the device finds them. */
yolk_status yk_session_start(yk_session *s, int slot, const yk_input *frames);
/* The following three with the model's mutex held. */
int yk_session_take(yk_session *s);   /* a slot, or -1 */
void yk_session_leave(yk_session *s); /* one user less */
void yk_session_drop(yk_session *s);  /* no longer kept */

/* ---- flight.c ---- */

void *yk_session_serve(void *session); /* the session's thread */
yolk_status yk_flight_fill(yk_flight *f, int index, const yolk_image *image);
bool yk_flight_sees(const yk_flight *f); /* its device takes pictures, which have to stay until it has ended */
uint8_t *yk_flight_input(yk_flight *f);
void yk_flight_start(yk_flight *f, int count); /* what goes wrong is in `status` once it is done */
void yk_flight_wait(yk_flight *f);
/* Gives its place back, wherever it is; its memory stays for the next one. */
void yk_flight_end(yk_flight *f);
void yk_flight_free(yk_flight *f);

/* ---- place.c ---- */

/* Finds the flight a place for a batch of this key, or of a smaller one, on the live device that will be done first,
 * waiting for one. `avoid` has a bit for each replica that is not to be taken. */
yolk_status yk_flight_open(yk_flight *f, struct yk_model *m, yk_session_key key, uint32_t avoid);

#endif
