/* The .engine container: a model together with what devices have compiled of it, so that it need not be compiled again.
 *
 * A file is a block of 64 bytes (magic, version, sizes, the header's SHA-256), a header in JSON, and sections, each at
 * a multiple of 64 bytes and with its own SHA-256 in the header. docs/engine.md has the details. The hashes find
 * damage; they do not prove where a file comes from. */
#ifndef YK_ENGINE_H
#define YK_ENGINE_H

#include "graph/graph.h"

enum {
    YK_ENGINE_VERSION = 1,
    YK_ENGINE_FORMS = 8,    /* compiled forms that a file keeps; the oldest gives way */
    YK_ENGINE_OUTPUTS = 12, /* of a network */
};

/* The file that a model was made from, as it was then. */
typedef struct yk_engine_source {
    char *name; /* without its folder */
    char sha256[65];
    uint64_t bytes;
    int64_t mtime_ns;
} yk_engine_source;
/* Reads size, time and hash of a plain file. */
yolk_status yk_engine_source_read(const char *path, yk_engine_source *out);
void yk_engine_source_free(yk_engine_source *s);
/* Whether `path` is that file still: of the same size and time, or of the same content. `*same` is false when it is
 * not; a failure means that it cannot be read. */
yolk_status yk_engine_source_same(const yk_engine_source *s, const char *path, bool *same);

/* What a network was compiled for. */
typedef struct yk_engine_form {
    int batch, height, width;
    bool half; /* computes in 16-bit floats */
    int output_count;
    yk_shape outputs[YK_ENGINE_OUTPUTS];
} yk_engine_form;
bool yk_engine_form_equal(const yk_engine_form *a, const yk_engine_form *b); /* what it was compiled for, not outputs */
/* From a bound graph. */
yolk_status yk_engine_form_of(const yk_graph *g, bool half, yk_engine_form *out);

/* What a file says about itself. Text is never NULL. */
typedef struct yk_engine_header {
    char *yolk; /* version that wrote it */
    yk_engine_source source;
    char *precision;                      /* of the model inside: "fp32", "fp16", "int8" */
    bool converted;                       /* which is not the source's own */
    char *check;                          /* how the conversion was checked, or "" */
    char *calibration;                    /* int8: SHA-256 over the pictures that it was calibrated on, or "" */
    char *backend, *device, *fingerprint; /* of the compiled forms */
    uint64_t parameters;
    int fixed_batch; /* 0: any */
    /* Head, classes, sizes: the model without its layers, whose outputs are those of the form that it was bound to. */
    yk_graph *graph;
} yk_engine_header;

/* Bytes that go into a file. */
/* What forms have in common is stored once. */
typedef struct yk_engine_part {
    const yk_engine_form *form; /* NULL: the model as ONNX, which comes first */
    const void *bytes;
    size_t size;
} yk_engine_part;

/* Writes a file that appears whole or not at all. `header->graph` may be any graph of the model. */
yolk_status yk_engine_write(const char *path, const yk_engine_header *header, const yk_engine_part *parts,
                            size_t part_count);

/* An open file. May be read from several threads. */
typedef struct yk_engine yk_engine;

bool yk_engine_matches(const void *bytes, size_t size); /* by its first 8 bytes */
/* Maps the file and verifies the header and where the sections lie, but not what is in them. */
yolk_status yk_engine_open(const char *path, yk_engine **out);
/* The same for bytes that stay the caller's; `name` is for sentences. */
yolk_status yk_engine_open_memory(const char *name, const void *bytes, size_t size, yk_engine **out);
void yk_engine_idle(const yk_engine *e);  /* nobody will look at its bytes for a while: their memory is given back */
void yk_engine_close(yk_engine **engine); /* &NULL allowed */

const yk_engine_header *yk_engine_header_of(const yk_engine *e);
size_t yk_engine_form_count(const yk_engine *e);
const yk_engine_form *yk_engine_form_at(const yk_engine *e, size_t index);
/* Index of the form that was compiled for what `wanted` says, or -1. */
int yk_engine_find(const yk_engine *e, const yk_engine_form *wanted);

/* A section's bytes, verified: the form at `index`, or the model for -1. They live until yk_engine_idle() or the
 * engine's end. */
yolk_status yk_engine_bytes(const yk_engine *e, int index, const uint8_t **bytes, size_t *size);
/* Sets shapes of the header's graph as the form has them, as if it was bound. Not while others read them. */
void yk_engine_bind(const yk_engine *e, size_t index);

/* The model as ONNX, for a file that has to be begun anew. */
typedef yolk_status (*yk_engine_model)(void *user, yk_buffer *out);
/* Adds a form to the file at `path`. What is there stays when it fits: the model when it is of the same source and
 * precision, the other forms when they have the same fingerprint too. Else the file is begun anew. Several processes
 * may do this at once: none sees a half-written file, and no form is lost. */
yolk_status yk_engine_add(const char *path, const yk_engine_header *header, yk_engine_model model, void *user,
                          const yk_engine_part *form);

void yk_engine_header_free(yk_engine_header *h);
/* What compiled forms depend on: this yolk, the backend, and what the backend says. */
void yk_engine_fingerprint(const char *backend, const char *text, char *out, size_t size);
int yk_engine_fixed_batch(yk_graph *g); /* the one batch that the model can run; 0: any */

#endif
