/* A compiled network as bytes: its plan, the name of each step's kernel, and the weights as those kernels read them. */
#ifndef YK_SAVED_H
#define YK_SAVED_H

#include "plan/plan.h"

enum { YK_SAVED_NAME = 24 }; /* bytes of a name with its end */

/* Writing: a beginning, a name for each step (NULL: none) and then `weights` bytes, which the caller adds. `magic` are
 * the 8 bytes of a backend's own form, `target` is what it is for besides, and fits into a name. */
yolk_status yk_saved_begin(const char *magic, const char *target, const yk_plan *plan, size_t weights, yk_buffer *out);
void yk_saved_add_name(yk_buffer *out, const char *name);

typedef struct yk_saved {
    const char *names; /* YK_SAVED_NAME bytes each, as many as the plan has steps; each has its end */
    const uint8_t *weights;
    size_t weight_bytes;
} yk_saved;

/* Reading: `*out` points into the bytes, `*plan` is the caller's also where a later part is damaged. Bytes that are for
 * another target are refused as such. What weights and names mean is for the caller to check. */
yolk_status yk_saved_read(const char *magic, const char *target, const void *bytes, size_t size, yk_plan **plan,
                          yk_saved *out);
bool yk_saved_is_for(const char *target, const void *bytes, size_t size);
yolk_status yk_saved_damaged(const char *what); /* the failure that says so */

#endif
