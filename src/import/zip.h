/* A zip archive in memory, read without copying anything: what torch.save() writes.
 *
 * Entries must be stored, not compressed: weights are used where they lie, and nothing can swell. */
#ifndef YK_ZIP_H
#define YK_ZIP_H

#include "base/base.h"

typedef struct yk_zip_entry {
    const char *name; /* in the archive's bytes, not NUL-terminated */
    size_t name_length;
    const uint8_t *data; /* in the archive's bytes */
    size_t size;
    uint32_t crc; /* as the directory gives it */
} yk_zip_entry;

typedef struct yk_zip {
    yk_zip_entry *entries; /* by name */
    size_t count;
} yk_zip;

/* True when the bytes begin as a zip archive does. */
bool yk_zip_matches(const uint8_t *data, size_t size);
/* Reads the directory of an archive whose bytes stay where they are. Refuses what is cut, compressed, encrypted or
 * split, names that come twice, and entries that overlap. */
yolk_status yk_zip_open(const uint8_t *data, size_t size, yk_zip *out);
void yk_zip_close(yk_zip *zip);
/* NULL when there is no such entry; that is no failure. */
const yk_zip_entry *yk_zip_find(const yk_zip *zip, const char *name, size_t length);
/* CRC-32 as zip archives use it. */
uint32_t yk_zip_crc(const uint8_t *p, size_t size);
/* Compares an entry's bytes with its checksum. */
yolk_status yk_zip_check(const yk_zip_entry *entry);

#endif
