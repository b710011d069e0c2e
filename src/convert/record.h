/* What the results in a folder were made from, kept in one small file beside them. */
#ifndef YK_RECORD_H
#define YK_RECORD_H

#include <jansson.h>

#include "base/base.h"
#include "yolk/convert.h"

typedef struct yk_record {
    char *path;
    json_t *root; /* "made": by file name */
} yk_record;

/* A file as far as it can be told without reading it. */
typedef struct yk_look {
    json_int_t bytes, mtime_ns;
} yk_look;
bool yk_look_at(const char *path, yk_look *out); /* false, and zeros, when it is no regular file */

/* A record that is not there, or that cannot be read, is empty: then all is made anew. */
yolk_status yk_record_open(const char *folder, yk_record *out);
void yk_record_close(yk_record *r);

/* What a result depends on besides its source, as a hash: the options, the pictures that they name, and yolk. */
yolk_status yk_record_key(const yolk_convert_options *o, char hex[65]);

bool yk_record_has(const yk_record *r, const char *destination);
/* Whether `item` is what its source, these options and this yolk made; then its figures are filled in. `*check` lives
 * as long as the record. */
bool yk_record_matches(const yk_record *r, const char *key, yolk_folder_item *item, const char **check);
/* Notes how `item` was made, and writes the file; not when its source is no longer what it was `before` that. */
yolk_status yk_record_keep(yk_record *r, const char *key, const yk_look *before, const yolk_folder_item *item);

#endif
