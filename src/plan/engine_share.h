/* What the forms of an engine have in common is stored once. Used inside src/plan only. */
#ifndef YK_ENGINE_SHARE_H
#define YK_ENGINE_SHARE_H

#include "plan/engine_header.h"

typedef struct yk_engine_share yk_engine_share;

/* `room`: of all bytes that will be stored. */
yolk_status yk_engine_share_make(uint64_t room, yk_engine_share **out);
/* What has to be stored of a form whose own bytes begin at place->offset: all of it, or what goes to `own` when longer
 * runs of it are stored already, and then place->pieces says how it is put together. What it gave must stay as it is
 * until the end. */
yolk_status yk_engine_share_form(yk_engine_share *s, const uint8_t *bytes, uint64_t size, yk_engine_place *place,
                                 yk_buffer *own);
void yk_engine_share_end(yk_engine_share **share); /* &NULL allowed */

#endif
