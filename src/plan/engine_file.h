/* How an engine file is laid out. Used inside src/plan only. */
#ifndef YK_ENGINE_FILE_H
#define YK_ENGINE_FILE_H

#include "plan/engine_header.h"
#include "yolk/yolk.h"

/* 0 magic, 8 version, 12 size of the header, 16 size of the file, 24 zeros, 32 SHA-256 of the bytes before it and of
 * the header, which follows at 64 and is filled up with spaces. Numbers are little-endian. */
enum {
    YK_ENGINE_HASHED = 32,
    YK_ENGINE_START = 64,
    YK_ENGINE_HEADER_LIMIT = 16 << 20,
};
#define YK_ENGINE_FORM_LIMIT (UINT64_C(1) << 34) /* bytes of a form that is put together */
#define YK_ENGINE_ALIGN(n)   (((uint64_t)(n) + 63) / 64 * 64)

extern const uint8_t yk_engine_magic[8];
void yk_engine_hash(const uint8_t start[YK_ENGINE_HASHED], const void *header, size_t size, uint8_t digest[32]);

#endif
