/* What the sinks share. */
#ifndef YK_SINK_H
#define YK_SINK_H

#include "base/base.h"
#include "yolk/sink.h"

typedef struct yk_sink_class {
    yolk_status (*write)(yolk_sink *sink, const yolk_result *result);
    /* Completes and frees the sink. After a write that failed, `failed` is true and what cannot be whole is thrown
     * away. */
    yolk_status (*finish)(yolk_sink *sink, bool failed);
} yk_sink_class;

/* First member of every sink. */
struct yolk_sink {
    const yk_sink_class *class;
    bool wants_image;
    bool failed;
};

/* ---- output.c: text files ---- */

/* A text file that appears whole on commit, or standard output for "-". */
typedef struct yk_output {
    yk_atomic *file; /* NULL for standard output */
    yk_buffer text;  /* not written yet */
} yk_output;
yolk_status yk_output_open(const char *path, yk_output *out);
/* Writes the text out when there is much of it. */
yolk_status yk_output_flush(yk_output *out, bool all);
yolk_status yk_output_close(yk_output *out, bool commit);
/* All of it; a sentence that begins with `name`. `*written` gets what was written in any case. */
yolk_status yk_write_all(int fd, const char *name, const void *bytes, size_t size, size_t *written);

/* Numbers and text in the C locale's form, whatever the locale. */
void yk_put_int(yk_buffer *b, int64_t value);
void yk_put_fixed(yk_buffer *b, double value, int decimals); /* NaN is 0 */
void yk_put_seconds(yk_buffer *b, double value);             /* up to 6 decimals, at least 1 */
void yk_put_json(yk_buffer *b, const char *text);            /* with the quotes; what is not UTF-8 becomes U+FFFD */

#endif
