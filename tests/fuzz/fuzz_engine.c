/* Engine files. Random bytes do not hash right, so the input is taken twice: as it is, and as the header of a file
 * whose sizes and hash are made right. What opens can be walked, and its sections lie inside. */
#include <stdlib.h>
#include <string.h>

#include "plan/engine.h"

enum { START = 64, SECTIONS = 1024 };

static void walk(const uint8_t *data, size_t size)
{
    yk_engine *e;
    if (yk_engine_open_memory("fuzz.engine", data, size, &e) != YOLK_OK) {
        if (e || yolk_last_error()[0] == '\0')
            abort();
        return;
    }
    const yk_engine_header *h = yk_engine_header_of(e);
    if (!h->graph || h->graph->head.classes < 1 || !h->graph->class_names || strlen(h->source.sha256) != 64)
        abort();
    for (int i = -1; i < (int)yk_engine_form_count(e); i++) {
        const uint8_t *bytes;
        size_t length;
        yolk_status status = yk_engine_bytes(e, i, &bytes, &length);
        /* What was put together lies elsewhere. */
        volatile uint8_t last = status == YOLK_OK && length > 0 ? bytes[length - 1] : 0;
        (void)last;
        if ((status != YOLK_OK && !*yolk_last_error()))
            abort();
        if (i < 0)
            continue;
        yk_engine_bind(e, (size_t)i);
        if (yk_engine_find(e, yk_engine_form_at(e, (size_t)i)) < 0)
            abort();
    }
    yk_engine_close(&e);
}

static void walk_as_header(const uint8_t *data, size_t size)
{
    const size_t header = (size + 63) / 64 * 64, total = START + header + SECTIONS;
    uint8_t *file = calloc(1, total);
    yk_sha256 s;
    if (!file)
        abort();
    memcpy(file, "\x89YOLK\r\n\x1a", 8);
    file[8] = YK_ENGINE_VERSION;
    for (int i = 0; i < 4; i++)
        file[12 + i] = (uint8_t)(header >> (8 * i));
    for (int i = 0; i < 8; i++)
        file[16 + i] = (uint8_t)((uint64_t)total >> (8 * i));
    memset(file + START, ' ', header);
    if (size)
        memcpy(file + START, data, size);
    yk_sha256_init(&s);
    yk_sha256_add(&s, file, 32);
    yk_sha256_add(&s, file + START, header);
    yk_sha256_end(&s, file + 32);
    walk(file, total);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(data, size);
    walk_as_header(data, size);
    return 0;
}
