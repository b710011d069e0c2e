/* A loaded model: what the manager serves, shared by its sessions; and facts about model files. */
#ifndef YK_MODEL_H
#define YK_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "detect/detect.h"
#include "detect/fuse.h"
#include "model/batch.h"
#include "model/compiled.h"
#include "model/counters.h"
#include "model/replica.h"

/* ---- find.c ---- */

/* Path of the model that `name` stands for, allocated: a file, else NAME.engine, NAME.onnx or NAME.pt in `folder` or
 * the working folder. */
yolk_status yk_model_find(const char *folder, const char *name, char **out);
/* Path of the .onnx or .pt that stands in for an engine which cannot be used: beside it, or, for a name that was looked
 * up, wherever that is found. NULL when there is none. */
yolk_status yk_model_find_source(const char *folder, const char *name, const char *engine, char **out);
bool yk_model_is_engine(const char *path);         /* of yolk's own, by its first bytes */
bool yk_model_is_foreign_engine(const char *path); /* TensorRT's */
/* The sentence about engine files of others, for one that is there. YOLK_OK when the file is none. */
yolk_status yk_model_refuse_engine(const char *path);
/* "pt", "onnx" or "engine" by content, or by name where the content does not say. Lives as long as `path`. */
const char *yk_model_format(const char *path);
bool yk_is_model_name(const char *name); /* ends in .onnx, .pt or .engine */

/* ---- facts.c ---- */

/* A yolk_model_info that owns its strings. */
typedef struct yk_facts {
    yolk_model_info info;
    char *name, *path, *family, *check, *error, *precision, *backend, *device;
    char **class_names;
} yk_facts;
/* From an imported graph, or from the last error when `g` is NULL. */
yolk_status yk_facts_make(const char *path, const yk_graph *g, yk_facts *out);
yolk_status yk_facts_of_engine(const char *path, const yk_engine *engine, yk_facts *out);
void yk_facts_free(yk_facts *facts);

/* ---- model.c ---- */

typedef struct yk_model {
    atomic_int references;
    yolk_config config;
    yk_graph *graph; /* head, classes, sizes; without layers when it comes from an engine */
    yk_compiled compiled;
    yk_facts facts;
    const yk_backend *backend;
    bool half;                      /* computes in 16-bit floats */
    uint8_t *class_mask;            /* NULL: all */
    yk_detect_options detect;       /* of every session */
    int fixed_batch;                /* 0 when any batch can be run */
    char devices[YOLK_CONFIG_TEXT]; /* "cpu", "cuda:0,1" */

    pthread_mutex_t compile_mutex; /* one compilation at a time */
    pthread_mutex_t mutex;         /* guards what follows and replicas, sessions and flights; held shortly */
    pthread_cond_t changed;        /* a place was given back, a flight done, a session ended */
    bool retired;                  /* no longer served: its sessions end with their last user */
    int sessions, ending;          /* that have not ended; of them, those that are about to */
    yk_session *ended;             /* whose threads are to be joined */
    uint64_t uses;
    int replica_count;
    yk_replica replicas[YK_MAX_DEVICES];
} yk_model;

/* Loads the model that `name` stands for, with one reference for the caller. Nothing is compiled yet. */
yolk_status yk_model_load(const char *name, const yolk_config *config, bool optimize, yk_model **out);
yk_model *yk_model_retain(yk_model *m);
void yk_model_release(yk_model **m);
void yk_model_retire(yk_model *m); /* forgets the kept sessions and keeps no more */
/* Makes a session for this key ready on every device. */
yolk_status yk_model_prepare(yk_model *m, yk_session_key key);
/* Makes sessions ready for what `from` has ready, where the model can run it. */
yolk_status yk_model_prepare_as(yk_model *m, yk_model *from);
/* Joins the threads of sessions that have ended. */
void yk_model_reap(yk_model *m);
yolk_status yk_model_input_size(const yk_model *m, int width, int height, bool still, yolk_size *out);
/* The size nearest to `size` that the model can run: for the second and further models of an ensemble. */
yolk_size yk_model_own_size(const yk_model *m, yolk_size size);

/* ---- compiled.c; all under compile_mutex ---- */

/* Makes the model ready to run, from what the engine holds or by compiling it. `*bound` is a graph of the model's whose
 * outputs have the shapes that they have then. */
yolk_status yk_model_compile(yk_model *m, yk_session_key key, const yk_compile_options *options, const yk_graph **bound,
                             yk_exec **exec);
/* The model with its layers, to be bound as its user likes. Read when it is asked for first. */
yolk_status yk_model_network(yk_model *m, yk_graph **out);

/* ---- limit.c ---- */

/* Places that a session will have, before it is there. */
int yk_expected_slots(const yk_model *m, bool latency);
/* Gives up idle sessions until `need` more bytes fit below the settings' limit. Not under the model's mutex. */
yolk_status yk_model_make_room(yk_model *m, uint64_t need);

/* ---- set.c ---- */

/* The models that are served together, and what their batches share. */
typedef struct yk_set {
    atomic_int references;
    int count;
    yk_model *models[YK_ENSEMBLE_MODELS];
    yk_fuse_options fuse;
    yk_counters *counters; /* the manager's */
    pthread_mutex_t mutex;
    yk_batch *spare; /* guarded by it */
} yk_set;

/* Loads the models that `names` lists with commas between, or the one file of that very name. */
yolk_status yk_set_load(const char *names, const yolk_config *config, bool optimize, yk_counters *counters,
                        yk_set **out);
yk_set *yk_set_retain(yk_set *set);
void yk_set_release(yk_set **released);
void yk_set_retire(yk_set *set);
yolk_status yk_set_prepare_as(yk_set *set, yk_set *from);
/* Frames a batch that are worth it for frames of this size, as yk_manager_batch(). */
int yk_set_batch(const yk_set *set, int width, int height);
/* Frames a batch and way of running for `count` frames at hand. */
yk_session_key yk_set_choose(const yk_set *set, yolk_size size, int batch, size_t count);

/* Adds names, memory and loss of the devices. */
void yk_set_devices(yk_set *set, yolk_stats *out);

/* ---- batch.c ---- */
yolk_status yk_batch_open_as(yk_set *set, yk_session_key key, yk_batch **out);
void yk_batch_free_spare(yk_set *set);

/* ---- manager.c ---- */
yk_set *yk_manager_set(const yolk_manager *manager); /* retained; NULL after setting the last error */

#endif
