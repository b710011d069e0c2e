/* An ONNX model from memory: what loads must bind to its own size, and survive being written and read again. */
#include <stdlib.h>

#include "export/export.h"
#include "import/import.h"

/* More than this is right to refuse here: the point is what the reader does, not how long the rest takes. */
enum { MOST_NODES = 2000, LARGEST_SIDE = 512 };

static void write_and_read(yk_graph *g)
{
    const yk_onnx_options options = {.dynamic = g->dynamic_size && g->dynamic_batch, .metadata = true};
    yk_buffer bytes = {0};
    yk_graph *back = NULL;
    if (yk_head_append_decode(g) != YOLK_OK || yk_graph_bind(g, 1, g->input_height, g->input_width) != YOLK_OK)
        return;
    if (yk_export_onnx(g, &options, &bytes) != YOLK_OK)
        abort();
    yk_import_onnx(bytes.data, bytes.size, NULL, NULL, &back);
    yk_graph_destroy(&back);
    yk_buffer_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yk_graph *g = NULL;
    if (yk_import_onnx(data, size, NULL, NULL, &g) == YOLK_OK && g->node_count <= MOST_NODES &&
        g->input_height <= LARGEST_SIDE && g->input_width <= LARGEST_SIDE)
        write_and_read(g);
    yk_graph_destroy(&g);
    return 0;
}
