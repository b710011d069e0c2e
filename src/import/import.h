/* Model files in. */
#ifndef YK_IMPORT_H
#define YK_IMPORT_H

#include "graph/graph.h"

/* Options of the importers; zero is the default. */
typedef struct yk_import_options {
    const char *head; /* how an ONNX output is laid out (yk_head_kind_name()), or NULL to find out */
} yk_import_options;

/* Reads a model by its content (a zip is a checkpoint, a protobuf an ONNX model), not its name. Gives a graph with raw
 * outputs where possible, simplified, float32, unbound. A failure's sentence begins with the path. */
yolk_status yk_import_file(const char *path, const yk_import_options *options, yk_graph **out);

/* The same from memory, which must stay until the graph ends unless it is handed over with yk_graph_own*(). */
yolk_status yk_import_pt(const uint8_t *data, size_t size, yk_graph **out);
/* `folder`: where external data files are looked up; NULL: external data is refused. */
yolk_status yk_import_onnx(const uint8_t *data, size_t size, const char *folder, const yk_import_options *options,
                           yk_graph **out);

/* names.c: names for the entries of g->class_names that are NULL: COCO's when all 80 are, else their numbers. */
yolk_status yk_import_fill_names(yk_graph *g);

#endif
