/* Inside the model room: a model on one device, with the sessions that it keeps there. */
#ifndef YK_REPLICA_H
#define YK_REPLICA_H

#include <stdatomic.h>

#include "model/session.h"
#include "model/sizing.h"

enum { YK_KEPT_SESSIONS = 4, YK_SIZINGS = 16 };

typedef struct yk_replica {
    struct yk_model *model;
    int device;
    char name[16]; /* "cpu:1" */
    /* When the device's last batch was found to be done; models that run together share the first one's. */
    _Atomic uint64_t *idle_since_ns, own_idle_ns;
    /* Guarded by the model's mutex. */
    bool lost;
    bool draining;     /* gets no more batches until memory has been found for a session */
    int frames;        /* of batches that have a place */
    uint64_t frame_ns; /* mean time a frame of late; 0 before the first batch */
    yk_session *kept[YK_KEPT_SESSIONS];
    struct {
        yk_session_key key; /* its batch does not count */
        yk_sizing sizing;
        uint64_t used; /* the larger the later; 0: free */
    } sizings[YK_SIZINGS];
} yk_replica;

/* How busy a device is. */
typedef struct yk_load {
    bool live, free;   /* free: a batch can have a place at once */
    int frames;        /* under way */
    uint64_t frame_ns; /* mean time a frame; 0: unknown */
} yk_load;
enum { YK_LOAD_WAIT = -1, YK_LOAD_NONE = -2 };
/* Which device to give `batch` frames: the one that will be done with them first. YK_LOAD_WAIT when that is worth
 * waiting for, YK_LOAD_NONE when none is live. */
int yk_load_pick(const yk_load *loads, int count, int batch);

/* ---- replica.c; with the model's mutex held, but for the last three ---- */

yk_sizing *yk_replica_sizing(yk_replica *r, yk_session_key key);
yk_session *yk_replica_find(const yk_replica *r, yk_session_key key); /* kept; NULL */
/* The key with the batch that memory allows; `free_bytes` 0: unknown. */
yk_session_key yk_replica_fit(yk_replica *r, yk_session_key key, uint64_t free_bytes);
/* Memory ran out with a batch of this session's: smaller ones from now on. */
int yk_replica_short(yk_replica *r, yk_session_key key); /* returns how many */
/* A batch of this session went well. */
void yk_replica_well(yk_replica *r, yk_session_key key, uint64_t free_bytes);
/* Drops every kept session that nobody uses; false when there is none. */
bool yk_replica_drop_idle(yk_replica *r);
/* A session for this key or a smaller batch, with one more user: the one that is there, or a new one. */
yolk_status yk_replica_make(yk_replica *r, yk_session_key key, yk_session **out);
/* The device is gone: no more batches for it. */
void yk_replica_lose(yk_replica *r);
/* Bytes that may still be taken on its device, 0 where that is unknown or nothing is decided by it. */
uint64_t yk_replica_free(const yk_replica *r, yk_session_key key);

#endif
