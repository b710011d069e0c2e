/* Opening an engine file: nothing of it is used before its hash was found right. */
#include <pthread.h>
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
    pthread_mutex_t mutex;               /* guards what follows */
    uint8_t *whole[YK_ENGINE_FORMS + 1]; /* forms that were put together; NULL */
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

/* Each inside the section itself or one before it. */
static bool pieces_fit(const yk_engine_table *t, int index)
{
    const yk_engine_place *p = &t->places[index];
    uint64_t total = 0;
    for (int i = 0; i < p->piece_count; i++) {
        const yk_engine_piece *piece = &p->pieces[i];
        int in = 0;
        while (in <= index &&
               !(piece->offset >= t->places[in].offset && piece->offset - t->places[in].offset < t->places[in].size))
            in++;
        if (in > index || piece->size < 1 ||
            piece->size > t->places[in].size - (piece->offset - t->places[in].offset) ||
            piece->size > YK_ENGINE_FORM_LIMIT - total)
            return false;
        total += piece->size;
    }
    return true;
}

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
    for (int i = 0; i <= t->form_count; i++) {
        if (!pieces_fit(t, i))
            return false;
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
    pthread_mutex_init(&e->mutex, NULL);
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

/* Lets go of what was put together. */
static void forget(yk_engine *e)
{
    pthread_mutex_lock(&e->mutex);
    for (int i = 0; i <= YK_ENGINE_FORMS; i++) {
        yk_free(e->whole[i]);
        e->whole[i] = NULL;
    }
    pthread_mutex_unlock(&e->mutex);
}

void yk_engine_idle(const yk_engine *e)
{
    forget((yk_engine *)e);
    yk_map_idle(&e->map);
}

void yk_engine_close(yk_engine **engine)
{
    yk_engine *e = *engine;
    *engine = NULL;
    if (!e)
        return;
    forget(e);
    pthread_mutex_destroy(&e->mutex);
    yk_engine_places_free(&e->table);
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

/* Of the section at places[index]. */
static yolk_status verify(yk_engine *e, int index)
{
    const yk_engine_place *p = &e->table.places[index];
    const uint8_t *bytes = e->sections + p->offset;
    char hex[65];
    if (atomic_load(&e->verified[index]))
        return YOLK_OK;
    yk_sha256_hex(bytes, (size_t)p->size, hex);
    /* Bytes that only fill up are looked at too, so that any change of the file is noticed. */
    const bool last = index == e->table.form_count;
    uint64_t filled = p->size;
    while (!last && filled < YK_ENGINE_ALIGN(p->size) && bytes[filled] == 0)
        filled++;
    if (strcmp(hex, p->sha256) != 0 || (!last && filled != YK_ENGINE_ALIGN(p->size)))
        return yk_fail(YOLK_ERROR_DAMAGED, "%s: the engine is damaged: %s is not as it was written", e->name,
                       index == 0 ? "the model in it" : "a compiled form in it");
    atomic_store(&e->verified[index], true);
    return YOLK_OK;
}

static uint64_t whole_size(const yk_engine_place *p)
{
    uint64_t size = p->piece_count > 0 ? 0 : p->size;
    for (int i = 0; i < p->piece_count; i++)
        size += p->pieces[i].size;
    return size;
}

/* Puts a form together, with the mutex held. */
static yolk_status put_together(yk_engine *e, int index)
{
    const yk_engine_place *p = &e->table.places[index];
    uint8_t *to = e->whole[index] = yk_alloc((size_t)whole_size(p));
    if (!to)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < p->piece_count; i++) {
        memcpy(to, e->sections + p->pieces[i].offset, (size_t)p->pieces[i].size);
        to += p->pieces[i].size;
    }
    return YOLK_OK;
}

/* Whether a piece of it lies in the section at places[other]. */
static bool borrows(const yk_engine_table *t, int index, int other)
{
    const yk_engine_place *p = &t->places[index], *o = &t->places[other];
    for (int i = 0; i < p->piece_count; i++) {
        if (p->pieces[i].offset >= o->offset && p->pieces[i].offset - o->offset < o->size)
            return true;
    }
    return index == other;
}

yolk_status yk_engine_bytes(const yk_engine *engine, int index, const uint8_t **bytes, size_t *size)
{
    yk_engine *e = (yk_engine *)engine; /* whose marks change */
    const int place = index + 1;
    const yk_engine_place *p = &e->table.places[place];
    yolk_status status = YOLK_OK;
    *bytes = e->sections + p->offset;
    *size = (size_t)whole_size(p);
    for (int i = 0; i <= place && status == YOLK_OK; i++) {
        if (borrows(&e->table, place, i))
            status = verify(e, i);
    }
    if (status != YOLK_OK || p->piece_count == 0)
        return status;
    pthread_mutex_lock(&e->mutex);
    if (!e->whole[place])
        status = put_together(e, place);
    *bytes = e->whole[place];
    pthread_mutex_unlock(&e->mutex);
    return status;
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

yolk_status yk_engine_source_read(const char *path, yk_engine_source *out)
{
    struct stat s;
    *out = (yk_engine_source){0};
    yolk_status status = look(path, &s);
    if (status == YOLK_OK)
        status = yk_sha256_file(path, out->sha256);
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
    status = yk_sha256_file(path, hex);
    *same = status == YOLK_OK && strcmp(hex, source->sha256) == 0;
    return status;
}
