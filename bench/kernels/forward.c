/* What a network computes for one picture by the native backend: every number of its outputs, one a line, to be
 * compared with what another processor computes.
 *
 * usage: forward MODEL HEIGHT WIDTH PIXELS [half] (HEIGHT x WIDTH x 3 bytes, red first; in halves) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "import/import.h"

static int fail(const char *what)
{
    fprintf(stderr, "forward: %s\n", what);
    return 1;
}

int main(int argc, char **argv)
{
    const yk_backend *b = &yk_backend_native;
    yk_graph *g;
    yk_exec *e;
    const bool half = argc == 6 && strcmp(argv[5], "half") == 0;
    if (argc != 5 && !half)
        return fail("usage: forward MODEL HEIGHT WIDTH PIXELS [half]");
    const int height = atoi(argv[2]), width = atoi(argv[3]);
    if (yk_import_file(argv[1], NULL, &g) != YOLK_OK || yk_graph_bind(g, 1, height, width) != YOLK_OK ||
        b->compile(g, &(yk_compile_options){.threads = 2, .latency = true, .half = half}, &e) != YOLK_OK)
        return fail(yolk_last_error());
    FILE *pixels = fopen(argv[4], "rb");
    const size_t size = (size_t)height * (size_t)width * 3;
    if (!pixels || fread(b->input(e, 0), 1, size, pixels) != size)
        return fail("the picture cannot be read, or it is smaller than that");
    fclose(pixels);
    if (b->start(e, 0) != YOLK_OK || b->wait(e, 0) != YOLK_OK)
        return fail(yolk_last_error());
    for (int i = 0; i < g->output_count; i++) {
        const int64_t count = yk_shape_count(&g->values[g->outputs[i]].shape);
        for (int64_t k = 0; k < count; k++)
            printf("%.7g\n", (double)b->output(e, 0, i)[k]);
    }
    b->destroy(&e);
    yk_graph_destroy(&g);
    return 0;
}
