/* What every room uses: failing with a sentence, logging, checked allocation, files, bytes, text, time.
 *
 * Names that begin with yk_ are yolk's own between its source files and are hidden in the shared library. */
#ifndef YK_BASE_H
#define YK_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yolk/log.h"
#include "yolk/status.h"

#define YK_COUNT(array)        (sizeof(array) / sizeof((array)[0]))
#define YK_MIN(a, b)           ((a) < (b) ? (a) : (b))
#define YK_MAX(a, b)           ((a) > (b) ? (a) : (b))
#define YK_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* ---- error.c: the thread's last error ---- */

/* Sets yolk_last_error() and returns `status`: `return yk_fail(YOLK_ERROR_DAMAGED, "%s: ...", path);` */
yolk_status yk_fail(yolk_status status, const char *format, ...) YK_PRINTF(2, 3);
/* The status that went with yolk_last_error(), for those who learn of a failure by a NULL or a YK_NONE. */
yolk_status yk_last_status(void);
/* Puts text before the sentence that is there, for a caller that knows the file's name: "model.pt: ". Returns `status`.
 */
yolk_status yk_fail_prefix(yolk_status status, const char *format, ...) YK_PRINTF(2, 3);
/* yk_fail() with the status and the words of errno value `error`: "PATH: No such file or directory". ENOENT is
 * YOLK_ERROR_NOT_FOUND, ENOSPC and EDQUOT YOLK_ERROR_NO_SPACE, EPIPE YOLK_ERROR_CLOSED, ENOMEM ..., the rest
 * YOLK_ERROR_IO. */
yolk_status yk_fail_errno(int error, const char *format, ...) YK_PRINTF(2, 3);
/* "not enough memory for SIZE bytes" */
yolk_status yk_fail_memory(size_t size);

/* ---- log.c ---- */

void yk_log(yolk_log_level level, const char *format, ...) YK_PRINTF(2, 3);
bool yk_log_wants(yolk_log_level level);

/* ---- alloc.c: memory that can be made to fail ----
 * All return NULL on failure after setting the last error. Sizes are checked for overflow; size 0 gives a valid
 * pointer. */
void *yk_alloc(size_t size);
void *yk_calloc(size_t count, size_t size);             /* zeroed */
void *yk_realloc(void *old, size_t count, size_t size); /* `old` stays valid on failure */
void *yk_alloc_aligned(size_t size);                    /* 64-byte aligned; released with yk_free() too */
char *yk_strdup(const char *text);
char *yk_strndup(const char *text, size_t length);
char *yk_format(const char *format, ...) YK_PRINTF(1, 2); /* allocated text */
void yk_free(void *p);
/* Grows array *p (element size `size`, *capacity elements) to hold at least `needed`. */
yolk_status yk_grow(void *p, size_t *capacity, size_t needed, size_t size);
/* For tests: the n-th allocation from now (1 = next), and every later one, fails on this thread's process; 0 = never.
 */
void yk_alloc_fail_at(long n);
long yk_alloc_count(void); /* allocations since the last yk_alloc_fail_at() */

/* ---- buffer.c: bytes that grow ----
 * A failed append marks the buffer and later appends do nothing: check once at the end with yk_buffer_status(). */
typedef struct yk_buffer {
    uint8_t *data; /* always NUL-terminated once something was appended */
    size_t size;
    size_t capacity;
    bool failed;
} yk_buffer;
void yk_buffer_add(yk_buffer *b, const void *bytes, size_t size);
void yk_buffer_text(yk_buffer *b, const char *text);
void yk_buffer_format(yk_buffer *b, const char *format, ...) YK_PRINTF(2, 3);
yolk_status yk_buffer_status(const yk_buffer *b);
void yk_buffer_free(yk_buffer *b);

/* ---- file.c ---- */

/* A file's bytes, read-only, mapped where possible. */
typedef struct yk_map {
    const uint8_t *data;
    size_t size;
    void *address; /* what to unmap; NULL when there is nothing to */
    bool backed;   /* by the file, from which pages can be read again */
} yk_map;
yolk_status yk_map_open(const char *path, yk_map *out); /* refuses directories and empty files with a sentence */
void yk_map_idle(const yk_map *map);                    /* gives its pages back until they are looked at again */
void yk_map_close(yk_map *map);

/* A file that appears whole or not at all: written under a temporary name, synced, renamed. */
typedef struct yk_atomic yk_atomic;
yolk_status yk_atomic_open(const char *path, yk_atomic **out);
yolk_status yk_atomic_write(yk_atomic *file, const void *bytes, size_t size);
/* The name it is written under until then, for who must open it by name; NULL when it is written in place. */
const char *yk_atomic_temporary(const yk_atomic *file);
yolk_status yk_atomic_commit(yk_atomic **file);                              /* ends it, even on failure */
void yk_atomic_abort(yk_atomic **file);                                      /* &NULL allowed */
yolk_status yk_write_file(const char *path, const void *bytes, size_t size); /* the four above in one */
/* Removes what writers that were killed have left in a folder. */
void yk_atomic_sweep(const char *folder);

bool yk_is_directory(const char *path);
bool yk_is_file(const char *path);
/* Names in a folder sorted as bytes, NULL-terminated, released with yk_names_free(); hidden ones left out. */
yolk_status yk_list_directory(const char *path, char ***names, size_t *count);
void yk_names_free(char **names);
const char *yk_base_name(const char *path);               /* part after the last '/' */
const char *yk_extension(const char *path);               /* ".pt", or "" */
char *yk_path_join(const char *folder, const char *name); /* allocated */
char *yk_path_stem(const char *path);                     /* base name without its ending, allocated */

/* ---- text.c ---- */

/* The candidate nearest to `word` by edit distance ignoring case, or NULL when none is near enough to suggest. */
const char *yk_nearest(const char *word, const char *const *candidates, size_t count);
/* Number from the whole of `text`, in the C locale's form whatever the locale is. */
bool yk_parse_double(const char *text, double *out);
bool yk_parse_int(const char *text, int64_t *out);
bool yk_equal_ignoring_case(const char *a, const char *b);
/* The next character of UTF-8 text, which is moved on; U+FFFD for what is not UTF-8; 0 at the end. */
uint32_t yk_utf8_next(const char **text);

/* ---- sha256.c (FIPS 180-4) ---- */

typedef struct yk_sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} yk_sha256;
void yk_sha256_init(yk_sha256 *s);
void yk_sha256_add(yk_sha256 *s, const void *bytes, size_t size);
void yk_sha256_end(yk_sha256 *s, uint8_t digest[32]);
void yk_sha256_hex(const void *bytes, size_t size, char hex[65]);
yolk_status yk_sha256_file(const char *path, char hex[65]); /* of a whole file */

/* ---- clock.c ---- */

uint64_t yk_now_ns(void); /* monotonic */

/* ---- cpu.c: what machine this is ---- */
int yk_physical_cores(void);        /* that this process may run on, at least 1 */
const char *yk_cpu_name(void);      /* model name, "" when unknown */
uint64_t yk_memory_available(void); /* bytes free for use, cgroup limit included; 0 when unknown */
uint64_t yk_memory_total(void);

/* ---- queue.c: bounded queue of pointers between threads ---- */

typedef struct yk_queue yk_queue;
yolk_status yk_queue_create(size_t capacity, yk_queue **out);
bool yk_queue_push(yk_queue *q, void *item);     /* waits for room; false when closed (the item stays the caller's) */
bool yk_queue_pop(yk_queue *q, void **item);     /* waits for an item; false when closed and empty */
bool yk_queue_try_pop(yk_queue *q, void **item); /* false when empty */
/* Waits so long at most: true with an item, or with NULL when time is up; false when closed and empty. */
bool yk_queue_pop_within(yk_queue *q, void **item, int milliseconds);
/* Lets only `limit` items, 1..capacity, wait from now on. */
void yk_queue_limit(yk_queue *q, size_t limit);
void yk_queue_close(yk_queue *q);    /* no more pushes; what is in it can still be popped */
void yk_queue_destroy(yk_queue **q); /* items left in it are the caller's business; &NULL allowed */

#endif
