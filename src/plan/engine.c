/* Opening an engine file: nothing of it is used before its hash was found right. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plan/engine_file.h"

struct yk_engine {
    char *name;
    yk_map map; /* empty when the bytes are the caller's */
    const uint8_t *sections;
    yk_engine_table table;
    _Atomic bool verified[YK_ENGINE_FORMS + 1];
};

const uint8_t yk_engine_magic[8] = {0x89, 'Y', 'O', 'L', 'K', '\r', '\n', 0x1a};

bool yk_engine_matches(const void *bytes, size_t size)
{
    return size >= sizeof yk_engine_magic && memcmp(bytes, yk_engine_magic, sizeof yk_engine_magic) == 0;
}

static uint64_t get_le(const uint8_t *p, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

void yk_engine_hash(const uint8_t start[YK_ENGINE_HASHED], const void *header, size_t size, uint8_t digest[32])
{
    yk_sha256 s;
    yk_sha256_init(&s);
    yk_sha256_add(&s, start, YK_ENGINE_HASHED);
    yk_sha256_add(&s, header, size);
    yk_sha256_end(&s, digest);
}

/* ---- opening ---- */

/* One after the other, with zeros between, to the very end: no byte of the file lies outside. */
static bool places_fit(const yk_engine_table *t, uint64_t total)
{
    uint64_t end = 0;
    for (int i = 0; i <= t->form_count; i++) {
        const yk_engine_place *p = &t->places[i];
        if (p->offset != YK_ENGINE_ALIGN(end) || p->size > total || p->offset > total - p->size)
            return false;
        end = p->offset + p->size;
    }
    return end == total;
}

static yolk_status read_start(const uint8_t *bytes, size_t size, size_t *header_size)
{
    if (size < YK_ENGINE_START)
        return yk_fail(YOLK_ERROR_DAMAGED, "the engine is cut off: it has %zu bytes", size);
    if (!yk_engine_matches(bytes, size))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "this is not an engine of yolk's");
    const uint64_t version = get_le(bytes + 8, 4), header = get_le(bytes + 12, 4), total = get_le(bytes + 16, 8);
    if (version != YK_ENGINE_VERSION)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "the engine is of format %llu and this yolk (%s) reads format %d: it was made by another yolk",
                       (unsigned long long)version, yolk_version(), YK_ENGINE_VERSION);
    if (total != size)
        return yk_fail(YOLK_ERROR_DAMAGED, "the engine is damaged: it has %zu bytes, %llu were written", size,
                       (unsigned long long)total);
    if (header < 2 || header % 64 != 0 || header > YK_ENGINE_HEADER_LIMIT || header > size - YK_ENGINE_START)
        return yk_fail(YOLK_ERROR_DAMAGED, "the engine is damaged: its header cannot take %llu bytes",
                       (unsigned long long)header);
    *header_size = (size_t)header;
    return YOLK_OK;
}

static yolk_status read_file(yk_engine *e, const uint8_t *bytes, size_t size)
{
    uint8_t digest[32];
    size_t header_size = 0;
    yolk_status status = read_start(bytes, size, &header_size);
    if (status != YOLK_OK)
        return status;
    yk_engine_hash(bytes, bytes + YK_ENGINE_START, header_size, digest);
    if (memcmp(digest, bytes + YK_ENGINE_HASHED, 32) != 0)
        return yk_fail(YOLK_ERROR_DAMAGED, "the engine is damaged: its header is not as it was written");
    status = yk_engine_table_read((const char *)bytes + YK_ENGINE_START, header_size, &e->table);
    if (status != YOLK_OK)
        return status;
    e->sections = bytes + YK_ENGINE_START + header_size;
    if (!places_fit(&e->table, size - YK_ENGINE_START - header_size))
        return yk_fail(YOLK_ERROR_DAMAGED, "the engine is damaged: its sections do not lie where they should");
    return YOLK_OK;
}

yolk_status yk_engine_open_memory(const char *name, const void *bytes, size_t size, yk_engine **out)
{
    *out = NULL;
    yk_engine *e = yk_calloc(1, sizeof *e);
    if (!e)
        return YOLK_ERROR_OUT_OF_MEMORY;
    e->name = yk_strdup(name);
    yolk_status status = e->name ? read_file(e, bytes, size) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status != YOLK_OK) {
        yk_fail_prefix(status, "%s: ", name);
        yk_engine_close(&e);
        return status;
    }
    *out = e;
    return YOLK_OK;
}

yolk_status yk_engine_open(const char *path, yk_engine **out)
{
    yk_map map;
    *out = NULL;
    yolk_status status = yk_map_open(path, &map);
    if (status == YOLK_OK)
        status = yk_engine_open_memory(path, map.data, map.size, out);
    if (status == YOLK_OK)
        (*out)->map = map;
    else
        yk_map_close(&map);
    return status;
}

void yk_engine_idle(const yk_engine *e)
{
    yk_map_idle(&e->map);
}

void yk_engine_close(yk_engine **engine)
{
    yk_engine *e = *engine;
    *engine = NULL;
    if (!e)
        return;
    yk_engine_header_free(&e->table.header);
    yk_map_close(&e->map);
    yk_free(e->name);
    yk_free(e);
}

/* ---- what is in it ---- */

const yk_engine_header *yk_engine_header_of(const yk_engine *e)
{
    return &e->table.header;
}

size_t yk_engine_form_count(const yk_engine *e)
{
    return (size_t)e->table.form_count;
}

const yk_engine_form *yk_engine_form_at(const yk_engine *e, size_t index)
{
    return &e->table.forms[index];
}

int yk_engine_find(const yk_engine *e, const yk_engine_form *wanted)
{
    for (int i = 0; i < e->table.form_count; i++) {
        if (yk_engine_form_equal(&e->table.forms[i], wanted))
            return i;
    }
    return -1;
}

yolk_status yk_engine_bytes(const yk_engine *engine, int index, const uint8_t **bytes, size_t *size)
{
    yk_engine *e = (yk_engine *)engine; /* whose marks change */
    const yk_engine_place *p = &e->table.places[index + 1];
    char hex[65];
    *bytes = e->sections + p->offset;
    *size = (size_t)p->size;
    if (atomic_load(&e->verified[index + 1]))
        return YOLK_OK;
    yk_sha256_hex(*bytes, *size, hex);
    /* Bytes that only fill up are looked at too, so that any change of the file is noticed. */
    const bool last = index + 1 == e->table.form_count;
    uint64_t filled = p->size;
    while (!last && filled < YK_ENGINE_ALIGN(p->size) && (*bytes)[filled] == 0)
        filled++;
    if (strcmp(hex, p->sha256) != 0 || (!last && filled != YK_ENGINE_ALIGN(p->size)))
        return yk_fail(YOLK_ERROR_DAMAGED, "%s: the engine is damaged: %s is not as it was written", e->name,
                       index < 0 ? "the model in it" : "a compiled form in it");
    atomic_store(&e->verified[index + 1], true);
    return YOLK_OK;
}

void yk_engine_bind(const yk_engine *e, size_t index)
{
    const yk_engine_form *f = &e->table.forms[index];
    yk_graph *g = e->table.header.graph;
    g->bound[0] = f->batch;
    g->bound[1] = f->height;
    g->bound[2] = f->width;
    g->values[g->input].shape = (yk_shape){.rank = 4, .dims = {f->batch, 3, f->height, f->width}};
    for (int i = 0; i < g->output_count; i++)
        g->values[g->outputs[i]].shape = f->outputs[i];
}

void yk_engine_fingerprint(const char *backend, const char *text, char *out, size_t size)
{
    snprintf(out, size, "yolk %s, %s, %s", yolk_version(), backend, text);
}

int yk_engine_fixed_batch(yk_graph *g)
{
    enum { LARGEST = 256 };
    if (g->dynamic_batch)
        return 0;
    for (int batch = 1; batch <= LARGEST; batch++) {
        if (yk_graph_accepts(g, batch, g->input_height, g->input_width))
            return batch;
    }
    return 1; /* whose binding says what does not fit */
}

/* ---- the source ---- */

static yolk_status look(const char *path, struct stat *s)
{
    if (stat(path, s) != 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the file cannot be found", path);
    if (!S_ISREG(s->st_mode))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: this is not a plain file", path);
    return YOLK_OK;
}

static int64_t mtime_of(const struct stat *s)
{
    return (int64_t)s->st_mtim.tv_sec * 1000000000 + s->st_mtim.tv_nsec;
}

static yolk_status hash_file(const char *path, char hex[65])
{
    yk_map map;
    yolk_status status = yk_map_open(path, &map);
    if (status != YOLK_OK)
        return status;
    yk_sha256_hex(map.data, map.size, hex);
    yk_map_close(&map);
    return YOLK_OK;
}

yolk_status yk_engine_source_read(const char *path, yk_engine_source *out)
{
    struct stat s;
    *out = (yk_engine_source){0};
    yolk_status status = look(path, &s);
    if (status == YOLK_OK)
        status = hash_file(path, out->sha256);
    if (status != YOLK_OK)
        return status;
    out->bytes = (uint64_t)s.st_size;
    out->mtime_ns = mtime_of(&s);
    out->name = yk_strdup(yk_base_name(path));
    return out->name ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

yolk_status yk_engine_source_same(const yk_engine_source *source, const char *path, bool *same)
{
    struct stat s;
    char hex[65] = "";
    *same = false;
    yolk_status status = look(path, &s);
    if (status != YOLK_OK)
        return status;
    if ((uint64_t)s.st_size != source->bytes)
        return YOLK_OK;
    *same = mtime_of(&s) == source->mtime_ns;
    if (*same)
        return YOLK_OK;
    status = hash_file(path, hex);
    *same = status == YOLK_OK && strcmp(hex, source->sha256) == 0;
    return status;
}
