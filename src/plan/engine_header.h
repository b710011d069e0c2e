/* The JSON of an engine file. Used inside src/plan only. */
#ifndef YK_ENGINE_HEADER_H
#define YK_ENGINE_HEADER_H

#include <jansson.h>

#include "plan/engine.h"

enum { YK_ENGINE_PIECES = 8192 }; /* of a form, at most */

/* A range of the sections. */
typedef struct yk_engine_piece {
    uint64_t offset, size; /* from the first section */
} yk_engine_piece;

/* Where a section lies. */
typedef struct yk_engine_place {
    uint64_t offset, size; /* of its own bytes, from the first section */
    char sha256[65];       /* of them */
    /* Owned: what a form is put together from where some of it lies in sections before it; NULL: its own bytes are all.
     */
    yk_engine_piece *pieces;
    int piece_count;
} yk_engine_place;

/* All of a file's header. forms[i] lies at places[i + 1], the model at places[0]. */
typedef struct yk_engine_table {
    yk_engine_header header;
    yk_engine_form forms[YK_ENGINE_FORMS];
    yk_engine_place places[YK_ENGINE_FORMS + 1];
    int form_count;
} yk_engine_table;

/* Refuses whatever could not have been written here. What it has read so far is in `out` even then. */
yolk_status yk_engine_table_read(const char *text, size_t size, yk_engine_table *out);
void yk_engine_places_free(yk_engine_table *t); /* frees their pieces */
yolk_status yk_engine_table_write(const yk_engine_table *t, yk_buffer *out);
/* A graph with the head, classes and sizes of `g`, its input, and `outputs` outputs. */
yolk_status yk_engine_shell(const yk_graph *g, int outputs, yk_graph **out);

#endif
