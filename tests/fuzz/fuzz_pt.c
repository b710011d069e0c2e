/* Checkpoints: the input is the pickle of one, put into a sound archive with storages m/data/0, m/data/1, ... for its
 * tensors; an input that is an archive is taken as it is. What is imported must be a network that can be bound, or fail
 * to be, with a sentence. */
#include <stdlib.h>

#include "../yk_pt_fixture.h"
#include "import/import.h"

enum { STORAGES = 128, STORAGE_SIZE = 9216 };

static yolk_status import_pickle(const uint8_t *data, size_t size, yk_graph **out)
{
    static fx f;
    static size_t zip_size, directory_size;
    if (zip_size == 0) {
        static float numbers[STORAGE_SIZE / sizeof(float)];
        for (size_t i = 0; i < YK_COUNT(numbers); i++)
            numbers[i] = fx_random(&f, 0, 1);
        for (int i = 0; i < STORAGES; i++) {
            char name[32];
            snprintf(name, sizeof name, "m/data/%d", i);
            numbers[0] = 2; /* one of them is the stride of a head */
            fx_entry(&f, name, numbers, sizeof numbers);
        }
        zip_size = f.zip.size;
        directory_size = f.directory.size;
    }
    f.zip.size = zip_size;
    f.directory.size = directory_size;
    f.entries = STORAGES;
    fx_entry(&f, "m/data.pkl", data, size);
    fx_finish_zip(&f);
    if (yk_buffer_status(&f.zip) != YOLK_OK)
        abort();
    return yk_import_pt(f.zip.data, f.zip.size, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yk_graph *g;
    yolk_status status = yk_zip_matches(data, size) ? yk_import_pt(data, size, &g) : import_pickle(data, size, &g);
    if (status != YOLK_OK) {
        if (g || yolk_last_error()[0] == '\0')
            abort();
        return 0;
    }
    if (g->output_count < 1 || g->head.classes < 1 || !g->class_names)
        abort();
    yk_graph_bind(g, 1, g->stride, g->stride);
    yk_graph_destroy(&g);
    return 0;
}
