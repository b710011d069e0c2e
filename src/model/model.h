/* A loaded model: what the manager serves, shared by its sessions; and facts about model files. */
#ifndef YK_MODEL_H
#define YK_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "detect/detect.h"
#include "model/counters.h"
#include "model/session.h"

/* ---- find.c ---- */

/* Path of the model that `name` stands for, allocated: a file, else NAME.onnx, NAME.pt or NAME.engine in `folder` or
 * the working folder. An engine is taken only when there is no source beside it. */
yolk_status yk_model_find(const char *folder, const char *name, char **out);
/* The sentence about engine files, for one that is there. YOLK_OK when the file is not an engine. */
yolk_status yk_model_refuse_engine(const char *path);
/* "pt", "onnx" or "engine" by content, or by name where the content does not say. Lives as long as `path`. */
const char *yk_model_format(const char *path);
bool yk_is_model_name(const char *name); /* ends in .onnx, .pt or .engine */

/* ---- facts.c ---- */

/* A yolk_model_info that owns its strings. */
typedef struct yk_facts {
    yolk_model_info info;
    char *name, *path, *family, *check, *error;
    char **class_names;
} yk_facts;
/* From an imported graph, or from the last error when `g` is NULL. */
yolk_status yk_facts_make(const char *path, const yk_graph *g, yk_facts *out);
void yk_facts_free(yk_facts *facts);

/* ---- model.c ---- */

enum { YK_CACHED_SESSIONS = 4 };

typedef struct yk_session_key {
    yolk_size size;
    int batch;
    bool latency; /* one batch as fast as can be, rather than many side by side */
} yk_session_key;

typedef struct yk_model {
    atomic_int references;
    yolk_config config;
    yk_graph *graph; /* bound anew for each session, under `compile_mutex` */
    yk_facts facts;
    const yk_backend *backend;
    bool half;             /* computes in 16-bit floats */
    uint8_t *class_mask;   /* NULL: all */
    int fixed_batch;       /* 0 when any batch can be run */
    yk_counters *counters; /* the manager's */

    pthread_mutex_t compile_mutex; /* one compilation at a time */
    pthread_mutex_t cache_mutex;   /* held shortly */
    bool retired;                  /* no longer served: its sessions end with their last user */
    struct {
        yk_session_key key;
        yk_session *session;
        uint64_t used; /* the larger the later */
    } cache[YK_CACHED_SESSIONS];
    uint64_t uses;
} yk_model;

/* Imports `path` for these settings, with one reference for the caller. Nothing is compiled yet. */
yolk_status yk_model_load(const char *path, const yolk_config *config, yk_counters *counters, yk_model **out);
yk_model *yk_model_retain(yk_model *m);
void yk_model_release(yk_model **m);
void yk_model_retire(yk_model *m); /* forgets the cached sessions and caches no more */
/* Makes sessions ready for what `from` has ready, where the model can run it. */
yolk_status yk_model_prepare_as(yk_model *m, yk_model *from);
/* The session for this key, compiled when it is not there yet; to be released by the caller. */
yolk_status yk_model_session(yk_model *m, yk_session_key key, yk_session **out);
/* Frames a batch and way of running for `count` frames at hand. */
yk_session_key yk_model_choose(const yk_model *m, yolk_size size, int count);
yolk_status yk_model_input_size(const yk_model *m, int width, int height, bool still, yolk_size *out);

/* ---- session.c ---- */

/* Compiles the bound graph of `m`; under compile_mutex. One reference for the caller. */
yolk_status yk_session_create(yk_model *m, yk_session_key key, yk_session **out);
yk_session *yk_session_retain(yk_session *s);
bool yk_session_is_idle(const yk_session *s); /* nobody but the cache holds it */
int yk_session_try_take(yk_session *s);       /* -1 when no slot is free */

/* ---- manager.c ---- */
yk_model *yk_manager_model(const yolk_manager *manager); /* retained; NULL after setting the last error */

#endif
