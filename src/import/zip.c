/* Zip archives (PKWARE's APPNOTE 6.3), ZIP64 included. */
#include "import/zip.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_SIZE = 30,
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR64_SIZE = 20,
    COMMENT_LIMIT = 65535,
    FLAG_ENCRYPTED = 1,
};

static uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t read32(const uint8_t *p)
{
    return read16(p) | (uint32_t)read16(p + 2) << 16;
}

static uint64_t read64(const uint8_t *p)
{
    return read32(p) | (uint64_t)read32(p + 4) << 32;
}

static bool has_signature(const uint8_t *p, int a, int b)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == a && p[3] == b;
}

bool yk_zip_matches(const uint8_t *data, size_t size)
{
    return size >= 4 && (has_signature(data, 3, 4) || has_signature(data, 5, 6));
}

/* Where the directory lies and how many entries it has. */
typedef struct directory {
    uint64_t offset, size, count;
} directory;

static yolk_status damaged(const char *what)
{
    yk_fail(YOLK_ERROR_DAMAGED, "the zip archive is damaged or cut short: %s", what);
    return YOLK_ERROR_DAMAGED;
}

/* The end record is the last thing in the file, but for a comment that tells its own length. */
static const uint8_t *find_end(const uint8_t *data, size_t size)
{
    if (size < END_SIZE)
        return NULL;
    size_t lowest = size - END_SIZE > COMMENT_LIMIT ? size - END_SIZE - COMMENT_LIMIT : 0;
    for (size_t at = size - END_SIZE;; at--) {
        if (has_signature(data + at, 5, 6) && read16(data + at + 20) == size - END_SIZE - at)
            return data + at;
        if (at == lowest)
            return NULL;
    }
}

static yolk_status find_directory(const uint8_t *data, size_t size, directory *out)
{
    const uint8_t *end = find_end(data, size);
    if (!end)
        return damaged("its directory is missing at the end");
    *out = (directory){.count = read16(end + 10), .size = read32(end + 12), .offset = read32(end + 16)};
    uint32_t disks = read16(end + 4) | read16(end + 6);
    uint64_t limit = (uint64_t)(end - data);
    bool wide = out->count == UINT16_MAX || out->size == UINT32_MAX || out->offset == UINT32_MAX;
    if (wide && limit >= LOCATOR64_SIZE && has_signature(end - LOCATOR64_SIZE, 6, 7)) {
        uint64_t at = read64(end - LOCATOR64_SIZE + 8);
        limit -= LOCATOR64_SIZE;
        if (limit < END64_SIZE || at > limit - END64_SIZE || !has_signature(data + at, 6, 6))
            return damaged("its 64-bit end record is not where it should be");
        const uint8_t *end64 = data + at;
        *out = (directory){.count = read64(end64 + 32), .size = read64(end64 + 40), .offset = read64(end64 + 48)};
        disks = read32(end64 + 16) | read32(end64 + 20);
        limit = at;
    }
    if (disks != 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "the zip archive is split over several files");
    if (out->offset > limit || out->size > limit - out->offset || out->count > out->size / CENTRAL_SIZE)
        return damaged("its directory does not fit into the file");
    return YOLK_OK;
}

/* One record of the directory with the sizes that it claims. */
typedef struct record {
    yk_zip_entry entry;
    uint64_t size, packed, local;
    int method, flags;
} record;

/* Takes the values that were too wide for the record from its ZIP64 field, in their fixed order. */
static yolk_status read_wide(record *r, const uint8_t *extra, size_t length)
{
    uint64_t *fields[3] = {&r->size, &r->packed, &r->local};
    if (r->size != UINT32_MAX && r->packed != UINT32_MAX && r->local != UINT32_MAX)
        return YOLK_OK;
    while (length >= 4) {
        size_t part = read16(extra + 2);
        if (part > length - 4)
            break;
        if (read16(extra) == 1) {
            const uint8_t *p = extra + 4;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != UINT32_MAX)
                    continue;
                if (part < 8)
                    return damaged("a 64-bit size is missing");
                *fields[i] = read64(p);
                p += 8;
                part -= 8;
            }
            return YOLK_OK;
        }
        extra += 4 + part;
        length -= 4 + part;
    }
    return YOLK_OK;
}

/* Reads the record at `p` of `left` bytes; `*used` is its length. */
static yolk_status read_record(const uint8_t *p, size_t left, record *out, size_t *used)
{
    if (left < CENTRAL_SIZE || !has_signature(p, 1, 2))
        return damaged("a record of its directory is broken");
    size_t name = read16(p + 28), extra = read16(p + 30), comment = read16(p + 32);
    *used = CENTRAL_SIZE + name + extra + comment;
    if (*used > left)
        return damaged("a record of its directory is cut");
    *out = (record){.flags = read16(p + 8),
                    .method = read16(p + 10),
                    .packed = read32(p + 20),
                    .size = read32(p + 24),
                    .local = read32(p + 42)};
    out->entry = (yk_zip_entry){.name = (const char *)p + CENTRAL_SIZE, .name_length = name, .crc = read32(p + 16)};
    return read_wide(out, p + CENTRAL_SIZE + name, extra);
}

/* Finds the bytes of an entry, which lie before `limit`. `*begin` is where its own header starts. */
static yolk_status locate(const uint8_t *data, uint64_t limit, const record *r, yk_zip_entry *out, uint64_t *begin)
{
    const yk_zip_entry *e = &r->entry;
    int length = (int)YK_MIN(e->name_length, 100);
    if (r->flags & FLAG_ENCRYPTED)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "the zip archive's entry \"%.*s\" is encrypted", length, e->name);
    if (r->method != 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "the zip archive's entry \"%.*s\" is compressed, which checkpoints never are; store it "
                       "uncompressed (zip -0) or save the model again with torch.save()",
                       length, e->name);
    if (r->size != r->packed)
        return yk_fail(YOLK_ERROR_DAMAGED, "the zip archive is damaged: entry \"%.*s\" is stored but claims two sizes",
                       length, e->name);
    if (r->local > limit || limit - r->local < LOCAL_SIZE || !has_signature(data + r->local, 3, 4))
        return yk_fail(YOLK_ERROR_DAMAGED, "the zip archive is damaged: entry \"%.*s\" is not where the directory says",
                       length, e->name);
    const uint8_t *local = data + r->local;
    uint64_t header = LOCAL_SIZE + (uint64_t)read16(local + 26) + read16(local + 28);
    if (header > limit - r->local || read16(local + 26) != e->name_length ||
        memcmp(local + LOCAL_SIZE, e->name, e->name_length) != 0 || read16(local + 8) != r->method)
        return yk_fail(YOLK_ERROR_DAMAGED,
                       "the zip archive is damaged: entry \"%.*s\" has another name or form in its own header", length,
                       e->name);
    if (r->size > limit - r->local - header)
        return yk_fail(YOLK_ERROR_DAMAGED,
                       "the zip archive is damaged or cut short: entry \"%.*s\" claims %llu bytes, more than there are",
                       length, e->name, (unsigned long long)r->size);
    *out = *e;
    out->data = local + header;
    out->size = (size_t)r->size;
    *begin = r->local;
    return YOLK_OK;
}

static int compare_names(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, YK_MIN(a_length, b_length));
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int by_name(const void *a, const void *b)
{
    const yk_zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_length, y->name, y->name_length);
}

/* What an entry takes up in the file, its header included. */
typedef struct extent {
    uint64_t begin, end;
} extent;

static int by_begin(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Two entries that share bytes are how a small file pretends to be a huge one. */
static yolk_status check_overlap(extent *extents, size_t count)
{
    qsort(extents, count, sizeof(*extents), by_begin);
    for (size_t i = 1; i < count; i++) {
        if (extents[i].begin < extents[i - 1].end)
            return damaged("two of its entries overlap");
    }
    return YOLK_OK;
}

yolk_status yk_zip_open(const uint8_t *data, size_t size, yk_zip *out)
{
    *out = (yk_zip){0};
    extent *extents = NULL;
    directory d = {0};
    yolk_status status = find_directory(data, size, &d);
    if (status != YOLK_OK)
        return status;
    out->entries = yk_calloc((size_t)d.count, sizeof(*out->entries));
    extents = yk_calloc((size_t)d.count, sizeof(*extents));
    if (!out->entries || !extents) {
        status = YOLK_ERROR_OUT_OF_MEMORY;
        goto fail;
    }
    const uint8_t *p = data + d.offset;
    size_t left = (size_t)d.size;
    for (uint64_t i = 0; i < d.count; i++) {
        record r = {0};
        size_t used = 0;
        status = read_record(p, left, &r, &used);
        if (status == YOLK_OK)
            status = locate(data, d.offset, &r, &out->entries[i], &extents[i].begin);
        if (status != YOLK_OK)
            goto fail;
        extents[i].end = (uint64_t)(out->entries[i].data - data) + out->entries[i].size;
        p += used;
        left -= used;
    }
    out->count = (size_t)d.count;
    status = check_overlap(extents, out->count);
    if (status != YOLK_OK)
        goto fail;
    qsort(out->entries, out->count, sizeof(*out->entries), by_name);
    for (size_t i = 1; i < out->count; i++) {
        const yk_zip_entry *e = &out->entries[i];
        if (by_name(e - 1, e) == 0) {
            status = yk_fail(YOLK_ERROR_DAMAGED, "the zip archive is damaged: it has two entries named \"%.*s\"",
                             (int)YK_MIN(e->name_length, 100), e->name);
            goto fail;
        }
    }
    yk_free(extents);
    return YOLK_OK;

fail:
    yk_free(extents);
    yk_zip_close(out);
    return status;
}

void yk_zip_close(yk_zip *zip)
{
    yk_free(zip->entries);
    *zip = (yk_zip){0};
}

const yk_zip_entry *yk_zip_find(const yk_zip *zip, const char *name, size_t length)
{
    size_t low = 0, high = zip->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const yk_zip_entry *e = &zip->entries[middle];
        int order = compare_names(name, length, e->name, e->name_length);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* tables[k][b]: the checksum of byte b followed by k zero bytes, so that eight bytes are taken at a time. */
static uint32_t crc_tables[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void fill_crc_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        crc_tables[0][b] = c;
    }
    for (int k = 1; k < 8; k++) {
        for (int b = 0; b < 256; b++) {
            uint32_t c = crc_tables[k - 1][b];
            crc_tables[k][b] = c >> 8 ^ crc_tables[0][c & 255];
        }
    }
}

uint32_t yk_zip_crc(const uint8_t *p, size_t size)
{
    pthread_once(&crc_once, fill_crc_tables);
    uint32_t c = UINT32_MAX;
    for (; size >= 8; size -= 8, p += 8) {
        uint32_t low = c ^ read32(p), high = read32(p + 4);
        c = crc_tables[7][low & 255] ^ crc_tables[6][low >> 8 & 255] ^ crc_tables[5][low >> 16 & 255] ^
            crc_tables[4][low >> 24] ^ crc_tables[3][high & 255] ^ crc_tables[2][high >> 8 & 255] ^
            crc_tables[1][high >> 16 & 255] ^ crc_tables[0][high >> 24];
    }
    for (; size > 0; size--, p++)
        c = c >> 8 ^ crc_tables[0][(c ^ *p) & 255];
    return ~c;
}

yolk_status yk_zip_check(const yk_zip_entry *e)
{
    if (yk_zip_crc(e->data, e->size) == e->crc)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_DAMAGED,
                   "the zip archive is damaged: the bytes of \"%.*s\" do not match their checksum; get the file again",
                   (int)YK_MIN(e->name_length, 100), e->name);
}
