/* Ways to compute SHA-256. Used inside src/base and by its tests only. */
#ifndef YK_SHA256_H
#define YK_SHA256_H

#include "base/base.h"

/* Takes `count` blocks of 64 bytes into the state. */
typedef void (*yk_sha256_fn)(uint32_t state[8], const uint8_t *blocks, size_t count);

extern const uint32_t yk_sha256_constants[64];
yk_sha256_fn yk_sha256_plain(void);
/* sha256_x86.c: by the processor's own instructions; NULL when it has none. */
yk_sha256_fn yk_sha256_accelerated(void);

#endif
