/* Where a model comes from: a source file, or an engine that fits what is asked for, and where what is compiled is
 * kept.
 */
#ifndef YK_COMPILED_H
#define YK_COMPILED_H

#include "backend/backend.h"
#include "plan/engine.h"
#include "yolk/config.h"

typedef struct yk_compiled {
    char *path;              /* of the file that the model comes from */
    yk_engine *engine;       /* or NULL */
    yk_graph *graph;         /* the engine's, or `network` */
    yk_graph *network;       /* with its layers; NULL until it is needed */
    int fixed_batch;         /* 0 when any batch can be run */
    bool fits;               /* the engine's compiled forms are for this device */
    char *source;            /* of an engine, when it is there: what it was made from */
    char *keep;              /* engine file to keep what is compiled in; NULL: nowhere */
    yk_engine_header header; /* for it; text that the engine owns when there is one, else its own */
    char fingerprint[512], device[128];
} yk_compiled;

/* Finds the model that `name` stands for and reads it. An engine of another source or precision is passed over for its
 * source with a reason in the log. */
yolk_status yk_compiled_open(const char *name, const yolk_config *config, bool optimize, yk_compiled *out);
/* Whether the engine holds compiled forms that the backend can run on this machine. */
bool yk_compiled_is_for(const yk_compiled *c, const yk_backend *backend);
/* Of the processor's backends the one that they are for: it was measured to be the fastest when they were made. NULL
 * when there is none. */
const yk_backend *yk_compiled_backend(const yk_compiled *c);
/* Who will run it, which comes before anything is compiled. Forms in the engine that are of no use there are passed
 * over with a reason in the log. */
yolk_status yk_compiled_place(yk_compiled *c, const yolk_config *config, const yk_backend *backend, int device);
/* What will be kept is for another backend than the one it was opened for. */
void yk_compiled_move(yk_compiled *c, const yk_backend *backend, int device);
void yk_compiled_close(yk_compiled *c);

#endif
