/* Writing engine files. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "plan/engine_file.h"
#include "plan/engine_share.h"

static void put_le(uint8_t *p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        p[i] = (uint8_t)value;
}

/* Bytes of a part that are stored, in its own memory or in `own`. */
typedef struct section {
    const void *bytes;
    yk_buffer own;
} section;

/* Where each part will lie and what of it; `*end` is where the last one ends. */
static yolk_status place_parts(const yk_engine_part *parts, size_t count, yk_engine_table *t, section *sections,
                               uint64_t *end)
{
    yk_engine_share *share = NULL;
    uint64_t forms = 0;
    *end = 0;
    for (size_t i = 0; i < count; i++)
        forms += parts[i].form ? parts[i].size : 0;
    yolk_status status = yk_engine_share_make(forms, &share);
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        yk_engine_place *p = &t->places[i];
        p->offset = YK_ENGINE_ALIGN(*end);
        p->size = parts[i].size;
        if (parts[i].form) {
            t->forms[t->form_count++] = *parts[i].form;
            status = yk_engine_share_form(share, parts[i].bytes, parts[i].size, p, &sections[i].own);
        }
        sections[i].bytes = p->piece_count > 0 ? sections[i].own.data : parts[i].bytes;
        if (status == YOLK_OK)
            yk_sha256_hex(sections[i].bytes, (size_t)p->size, p->sha256);
        *end = p->offset + p->size;
    }
    yk_engine_share_end(&share);
    return status;
}

static yolk_status write_sections(yk_atomic *file, const section *sections, const yk_engine_table *t, size_t count)
{
    static const uint8_t zeros[64];
    yolk_status status = YOLK_OK;
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        const uint64_t size = t->places[i].size;
        status = yk_atomic_write(file, sections[i].bytes, (size_t)size);
        if (status == YOLK_OK && i + 1 < count)
            status = yk_atomic_write(file, zeros, (size_t)(YK_ENGINE_ALIGN(size) - size));
    }
    return status;
}

yolk_status yk_engine_write(const char *path, const yk_engine_header *header, const yk_engine_part *parts, size_t count)
{
    yk_engine_table table = {.header = *header};
    yk_buffer text = {0};
    yk_atomic *file = NULL;
    uint8_t start[YK_ENGINE_START] = {0};
    section sections[YK_ENGINE_FORMS + 1] = {{.bytes = NULL}};
    uint64_t end;
    yolk_status status = place_parts(parts, count, &table, sections, &end);
    if (status == YOLK_OK)
        status = yk_engine_table_write(&table, &text);
    if (status != YOLK_OK)
        goto fail;
    while (text.size % 64 != 0 && !text.failed)
        yk_buffer_text(&text, " ");
    if ((status = yk_buffer_status(&text)) != YOLK_OK)
        goto fail;
    if (text.size > YK_ENGINE_HEADER_LIMIT) {
        status = yk_fail(YOLK_ERROR_LIMIT, "%s: the engine's header would take %zu bytes, more than the %d allowed",
                         path, text.size, YK_ENGINE_HEADER_LIMIT);
        goto fail;
    }
    memcpy(start, yk_engine_magic, sizeof yk_engine_magic);
    put_le(start + 8, YK_ENGINE_VERSION, 4);
    put_le(start + 12, text.size, 4);
    put_le(start + 16, YK_ENGINE_START + text.size + end, 8);
    yk_engine_hash(start, text.data, text.size, start + YK_ENGINE_HASHED);
    status = yk_atomic_open(path, &file);
    if (status == YOLK_OK)
        status = yk_atomic_write(file, start, sizeof start);
    if (status == YOLK_OK)
        status = yk_atomic_write(file, text.data, text.size);
    if (status == YOLK_OK)
        status = write_sections(file, sections, &table, count);
    if (status == YOLK_OK)
        status = yk_atomic_commit(&file);
fail:
    yk_atomic_abort(&file);
    yk_buffer_free(&text);
    for (size_t i = 0; i < count; i++)
        yk_buffer_free(&sections[i].own);
    yk_engine_places_free(&table);
    return status;
}

/* ---- adding ---- */

/* A lock on the folder, which leaves no file behind. Where the file system has none, the last writer wins: what is
 * there is whole all the same. */
static int lock_folder(const char *path)
{
    const char *name = yk_base_name(path);
    char *folder = name == path ? yk_strdup(".") : yk_strndup(path, (size_t)(name - path));
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    yk_free(folder);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

static bool same_model(const yk_engine_header *a, const yk_engine_header *b)
{
    return strcmp(a->source.sha256, b->source.sha256) == 0 && strcmp(a->precision, b->precision) == 0;
}

/* The parts of an open engine that can stay beside `form`, the newest of its forms at the end. */
static yolk_status keep_parts(const yk_engine *e, const yk_engine_header *header, const yk_engine_part *form,
                              yk_engine_part *parts, size_t *count)
{
    const yk_engine_header *old = yk_engine_header_of(e);
    const size_t forms = yk_engine_form_count(e);
    const uint8_t *bytes;
    size_t size;
    yolk_status status = yk_engine_bytes(e, -1, &bytes, &size);
    if (status != YOLK_OK)
        return status;
    parts[(*count)++] = (yk_engine_part){NULL, bytes, size};
    if (strcmp(old->fingerprint, header->fingerprint) != 0)
        return YOLK_OK;
    for (size_t i = forms + 1 > YK_ENGINE_FORMS ? 1 : 0; i < forms; i++) {
        const yk_engine_form *f = yk_engine_form_at(e, i);
        /* One that is damaged is left out. */
        if (!yk_engine_form_equal(f, form->form) && yk_engine_bytes(e, (int)i, &bytes, &size) == YOLK_OK)
            parts[(*count)++] = (yk_engine_part){f, bytes, size};
    }
    return YOLK_OK;
}

yolk_status yk_engine_add(const char *path, const yk_engine_header *header, yk_engine_model model, void *user,
                          const yk_engine_part *form)
{
    yk_engine_part parts[YK_ENGINE_FORMS + 1];
    size_t count = 0;
    yk_engine *old = NULL;
    yk_buffer fresh = {0};
    yk_engine_header whole = *header;
    int lock = lock_folder(path);
    yolk_status status = yk_is_file(path) ? yk_engine_open(path, &old) : YOLK_ERROR_NOT_FOUND;
    if (status == YOLK_OK && same_model(yk_engine_header_of(old), header)) {
        /* How it was checked stays with the model. */
        whole.check = yk_engine_header_of(old)->check;
        whole.calibration = yk_engine_header_of(old)->calibration;
        status = keep_parts(old, header, form, parts, &count);
    }
    if (status == YOLK_ERROR_OUT_OF_MEMORY)
        goto end;
    if (count == 0) {
        status = model(user, &fresh);
        if (status != YOLK_OK)
            goto end;
        parts[count++] = (yk_engine_part){NULL, fresh.data, fresh.size};
    }
    parts[count++] = *form;
    status = yk_engine_write(path, &whole, parts, count);
end:
    yk_engine_close(&old);
    yk_buffer_free(&fresh);
    if (lock >= 0)
        close(lock);
    return status;
}
