/* Shared by the files that read pickles: a stack, marks on it, and a memo. */
#ifndef YK_PICKLE_MACHINE_H
#define YK_PICKLE_MACHINE_H

#include "import/pickle.h"

/* Functions do nothing once `status` is a failure, so that an opcode is checked once, at its end; those that give a
 * pointer give NULL then. */
typedef struct yk_machine {
    const uint8_t *begin, *p, *end;
    const char *const *callable;
    size_t callable_count;
    yk_pickle *out;
    size_t made;
    yk_pickle_value **stack;
    size_t count, capacity;
    size_t *marks;
    size_t mark_count, mark_capacity;
    yk_pickle_value **memo;
    size_t memo_count, memo_capacity;
    yolk_status status; /* of the first failure */
} yk_machine;

/* ---- pickle_machine.c ---- */

void yk_machine_damaged(yk_machine *m, const char *what);

void yk_machine_push(yk_machine *m, yk_pickle_value *v);
void yk_machine_push_new(yk_machine *m, const yk_pickle_value *like); /* a new value with what `like` holds */
void yk_machine_push_type(yk_machine *m, yk_pickle_type type);
void yk_machine_push_int(yk_machine *m, yk_pickle_type type, int64_t integer);
yk_pickle_value *yk_machine_pop(yk_machine *m);
yk_pickle_value *yk_machine_top(yk_machine *m);
/* Number of stack elements that may be popped now: what lies under a mark belongs to the mark. */
size_t yk_machine_poppable(const yk_machine *m);
void yk_machine_push_mark(yk_machine *m);
/* Takes off the last mark and gives the number of stack elements above it. */
size_t yk_machine_pop_mark(yk_machine *m);

void yk_machine_add_items(yk_machine *m, yk_pickle_value *v, yk_pickle_value *const *items, size_t count);
/* A container of the `count` topmost elements. */
void yk_machine_push_container(yk_machine *m, size_t count, yk_pickle_type type);
/* Adds the `count` topmost elements to the container under them. */
void yk_machine_extend(yk_machine *m, size_t count, yk_pickle_type type);
void yk_machine_memo_put(yk_machine *m, uint64_t index);
void yk_machine_memo_get(yk_machine *m, uint64_t index);

/* ---- pickle_stream.c ---- */

uint64_t yk_machine_read_number(yk_machine *m, int width); /* unsigned, little-endian, of `width` bytes */
const char *yk_machine_read_line(yk_machine *m, size_t *length);
void yk_machine_push_unsigned(yk_machine *m, int width);
void yk_machine_push_long(yk_machine *m, int width);        /* two's complement; its length has `width` bytes */
void yk_machine_push_number_line(yk_machine *m, char kind); /* protocol 0: 'I', 'L' or 'F' */
void yk_machine_push_double(yk_machine *m);
void yk_machine_push_text(yk_machine *m, yk_pickle_type type, int width); /* its length has `width` bytes */
void yk_machine_push_text_line(yk_machine *m, bool quoted);

#endif
