/* What a pickle's opcodes work on: values, a stack with marks, and a memo. */
#include "import/pickle_machine.h"

#include <string.h>

enum {
    VALUE_LIMIT = 4 << 20, /* the largest checkpoints have some hundred thousand */
    BLOCK_SIZE = 64 << 10,
};

struct yk_pickle_block {
    yk_pickle_block *next;
    size_t used, size;
    max_align_t memory[];
};

typedef yk_pickle_value value;

void yk_machine_damaged(yk_machine *m, const char *what)
{
    m->status = yk_fail(YOLK_ERROR_DAMAGED, "the pickle is damaged or cut short at byte %zu: %s",
                        (size_t)(m->p - m->begin), what);
}

/* ---- memory: released with the pickle, all at once ---- */

static void *take(yk_machine *m, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    yk_pickle_block *b = m->out->blocks;
    if (!b || b->size - b->used < size) {
        size_t capacity = YK_MAX(size, (size_t)BLOCK_SIZE);
        b = yk_alloc(sizeof(*b) + capacity);
        if (!b) {
            m->status = YOLK_ERROR_OUT_OF_MEMORY;
            return NULL;
        }
        *b = (yk_pickle_block){.next = m->out->blocks, .size = capacity};
        m->out->blocks = b;
    }
    void *p = (char *)b->memory + b->used;
    b->used += size;
    return p;
}

void yk_pickle_free(yk_pickle *pickle)
{
    while (pickle->blocks) {
        yk_pickle_block *next = pickle->blocks->next;
        yk_free(pickle->blocks);
        pickle->blocks = next;
    }
    *pickle = (yk_pickle){0};
}

void yk_machine_add_items(yk_machine *m, value *v, value *const *items, size_t count)
{
    if (count > UINT32_MAX / 4 - v->count) {
        yk_machine_damaged(m, "a container is too large");
        return;
    }
    uint32_t needed = v->count + (uint32_t)count;
    if (needed > v->capacity) {
        uint32_t capacity = YK_MAX(needed, v->capacity * 2);
        value **grown = take(m, capacity * sizeof(*grown));
        if (!grown)
            return;
        if (v->count > 0)
            memcpy(grown, v->items, v->count * sizeof(*grown));
        v->items = grown;
        v->capacity = capacity;
    }
    if (count > 0)
        memcpy(v->items + v->count, items, count * sizeof(*items));
    v->count = needed;
}

/* ---- stack ---- */

void yk_machine_push(yk_machine *m, value *v)
{
    yolk_status status = yk_grow(&m->stack, &m->capacity, m->count + 1, sizeof(*m->stack));
    if (status == YOLK_OK)
        m->stack[m->count++] = v;
    else
        m->status = status;
}

/* Pushes a new value with what `like` holds. */
void yk_machine_push_new(yk_machine *m, const value *like)
{
    if (m->status != YOLK_OK)
        return;
    if (m->made >= VALUE_LIMIT) {
        m->status = yk_fail(YOLK_ERROR_LIMIT, "the pickle makes more than %d values, far more than a checkpoint needs",
                            VALUE_LIMIT);
        return;
    }
    m->made++;
    value *v = take(m, sizeof(*v));
    if (!v)
        return;
    *v = *like;
    yk_machine_push(m, v);
}

void yk_machine_push_type(yk_machine *m, yk_pickle_type type)
{
    yk_machine_push_new(m, &(value){.type = type, .pairs = type == YK_PICKLE_DICT});
}

void yk_machine_push_int(yk_machine *m, yk_pickle_type type, int64_t integer)
{
    yk_machine_push_new(m, &(value){.type = type, .integer = integer});
}

/* Number of stack elements that may be popped now: what lies under a mark belongs to the mark. */
size_t yk_machine_poppable(const yk_machine *m)
{
    return m->count - (m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0);
}

value *yk_machine_pop(yk_machine *m)
{
    if (m->status != YOLK_OK)
        return NULL;
    if (!m->stack || yk_machine_poppable(m) == 0) {
        yk_machine_damaged(m, "the stack is empty");
        return NULL;
    }
    return m->stack[--m->count];
}

value *yk_machine_top(yk_machine *m)
{
    value *v = yk_machine_pop(m);
    if (v)
        m->count++;
    return v;
}

void yk_machine_push_mark(yk_machine *m)
{
    m->status = yk_grow(&m->marks, &m->mark_capacity, m->mark_count + 1, sizeof(*m->marks));
    if (m->status == YOLK_OK)
        m->marks[m->mark_count++] = m->count;
}

/* Takes off the last mark and gives the number of stack elements above it. */
size_t yk_machine_pop_mark(yk_machine *m)
{
    if (m->mark_count == 0) {
        yk_machine_damaged(m, "a mark is missing");
        return 0;
    }
    return m->count - m->marks[--m->mark_count];
}

/* ---- containers ---- */

/* A container of the `count` topmost elements. */
void yk_machine_push_container(yk_machine *m, size_t count, yk_pickle_type type)
{
    value v = {.type = type, .pairs = type == YK_PICKLE_DICT};
    if (m->status != YOLK_OK)
        return;
    if (yk_machine_poppable(m) < count) {
        yk_machine_damaged(m, "the stack is empty");
    } else if (v.pairs && count % 2 != 0) {
        yk_machine_damaged(m, "a key has no value");
    } else {
        m->count -= count;
        yk_machine_add_items(m, &v, count > 0 ? m->stack + m->count : NULL, count);
        yk_machine_push_new(m, &v);
    }
}

/* Adds the `count` topmost elements to the container under them. */
void yk_machine_extend(yk_machine *m, size_t count, yk_pickle_type type)
{
    bool pairs = type == YK_PICKLE_DICT;
    if (m->status != YOLK_OK)
        return;
    if (yk_machine_poppable(m) < count + 1) {
        yk_machine_damaged(m, "the stack is empty");
        return;
    }
    m->count -= count;
    value *v = m->stack[m->count - 1];
    if (v->type == YK_PICKLE_OBJECT && type != YK_PICKLE_SET && (v->count == 0 || v->pairs == pairs))
        v->pairs = pairs;
    else if (v->type != type)
        yk_machine_damaged(m, "something is added to what does not hold such things");
    if (pairs && count % 2 != 0)
        yk_machine_damaged(m, "a key has no value");
    if (m->status == YOLK_OK)
        yk_machine_add_items(m, v, m->stack + m->count, count);
}

/* ---- memo ---- */

void yk_machine_memo_put(yk_machine *m, uint64_t index)
{
    value *v = yk_machine_top(m);
    if (!v)
        return;
    /* Writers count up from 0, so that no index can pass the number of bytes. */
    if (index > (uint64_t)(m->end - m->begin)) {
        yk_machine_damaged(m, "a memo number is larger than the file can have");
        return;
    }
    size_t needed = (size_t)index + 1;
    if (needed > m->memo_count) {
        m->status = yk_grow(&m->memo, &m->memo_capacity, needed, sizeof(*m->memo));
        if (m->status != YOLK_OK)
            return;
        memset(m->memo + m->memo_count, 0, (needed - m->memo_count) * sizeof(*m->memo));
        m->memo_count = needed;
    }
    m->memo[index] = v;
}

void yk_machine_memo_get(yk_machine *m, uint64_t index)
{
    if (m->status != YOLK_OK)
        return;
    if (index < m->memo_count && m->memo[index])
        yk_machine_push(m, m->memo[index]);
    else
        yk_machine_damaged(m, "a memo number was never given");
}
