/* The pickle machine: a stack, marks on it, and a memo. */
#include "import/pickle.h"

#include <string.h>

enum {
    VALUE_LIMIT = 4 << 20, /* the largest checkpoints have some hundred thousand */
    BLOCK_SIZE = 64 << 10,
    PROTOCOL = 5,
};

struct yk_pickle_block {
    yk_pickle_block *next;
    size_t used, size;
    max_align_t memory[];
};

typedef yk_pickle_value value;

typedef struct machine {
    const uint8_t *begin, *p, *end;
    const char *const *callable;
    size_t callable_count;
    yk_pickle *out;
    size_t made;
    value **stack;
    size_t count, capacity;
    size_t *marks;
    size_t mark_count, mark_capacity;
    value **memo;
    size_t memo_count, memo_capacity;
    yolk_status status; /* of the first failure; functions that give a pointer give NULL then */
} machine;

static void damaged(machine *m, const char *what)
{
    m->status = yk_fail(YOLK_ERROR_DAMAGED, "the pickle is damaged or cut short at byte %zu: %s",
                        (size_t)(m->p - m->begin), what);
}

/* ---- memory: released with the pickle, all at once ---- */

static void *take(machine *m, size_t size)
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

static void add_items(machine *m, value *v, value *const *items, size_t count)
{
    if (count > UINT32_MAX / 4 - v->count) {
        damaged(m, "a container is too large");
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

static void push(machine *m, value *v)
{
    yolk_status status = yk_grow(&m->stack, &m->capacity, m->count + 1, sizeof(*m->stack));
    if (status == YOLK_OK)
        m->stack[m->count++] = v;
    else
        m->status = status;
}

/* Pushes a new value with what `like` holds. */
static void push_new(machine *m, const value *like)
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
    push(m, v);
}

static void push_type(machine *m, yk_pickle_type type)
{
    push_new(m, &(value){.type = type, .pairs = type == YK_PICKLE_DICT});
}

static void push_int(machine *m, yk_pickle_type type, int64_t integer)
{
    push_new(m, &(value){.type = type, .integer = integer});
}

/* Number of stack elements that may be popped now: what lies under a mark belongs to the mark. */
static size_t poppable(const machine *m)
{
    return m->count - (m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0);
}

static value *pop(machine *m)
{
    if (m->status != YOLK_OK)
        return NULL;
    if (!m->stack || poppable(m) == 0) {
        damaged(m, "the stack is empty");
        return NULL;
    }
    return m->stack[--m->count];
}

static value *top(machine *m)
{
    value *v = pop(m);
    if (v)
        m->count++;
    return v;
}

static void push_mark(machine *m)
{
    m->status = yk_grow(&m->marks, &m->mark_capacity, m->mark_count + 1, sizeof(*m->marks));
    if (m->status == YOLK_OK)
        m->marks[m->mark_count++] = m->count;
}

/* Takes off the last mark and gives the number of stack elements above it. */
static size_t pop_mark(machine *m)
{
    if (m->mark_count == 0) {
        damaged(m, "a mark is missing");
        return 0;
    }
    return m->count - m->marks[--m->mark_count];
}

/* ---- arguments in the stream ---- */

static const uint8_t *read_bytes(machine *m, uint64_t size)
{
    if (m->status == YOLK_OK && size > (uint64_t)(m->end - m->p))
        damaged(m, "it ends in the middle of a value");
    if (m->status != YOLK_OK)
        return NULL;
    m->p += size;
    return m->p - size;
}

/* Unsigned little-endian number of `width` bytes. */
static uint64_t read_number(machine *m, int width)
{
    const uint8_t *p = read_bytes(m, (uint64_t)width);
    uint64_t number = 0;
    for (int i = 0; p && i < width; i++)
        number |= (uint64_t)p[i] << 8 * i;
    return number;
}

static const char *read_line(machine *m, size_t *length)
{
    *length = 0;
    const uint8_t *end = m->p < m->end ? memchr(m->p, '\n', (size_t)(m->end - m->p)) : NULL;
    if (!end) {
        damaged(m, "a line does not end");
        return NULL;
    }
    const char *line = (const char *)m->p;
    *length = (size_t)(end - m->p);
    m->p = end + 1;
    return line;
}

/* ---- numbers and text ---- */

static void push_unsigned(machine *m, int width)
{
    uint64_t number = read_number(m, width);
    push_int(m, YK_PICKLE_INT, width == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

/* Two's complement of any length. */
static void push_long(machine *m, int width)
{
    uint64_t size = read_number(m, width);
    const uint8_t *p = read_bytes(m, size);
    if (!p)
        return;
    if (size > 8) {
        push_type(m, YK_PICKLE_LONG);
        return;
    }
    uint64_t number = size > 0 && p[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = size; i-- > 0;)
        number = number << 8 | p[i];
    push_int(m, YK_PICKLE_INT, (int64_t)number);
}

/* Protocol 0 writes numbers as lines: "I12", "I01" for True, "L12L", "F0.5". */
static void push_number_line(machine *m, char kind)
{
    size_t length;
    const char *text = read_line(m, &length);
    if (!text)
        return;
    if (kind == 'L' && length > 0 && text[length - 1] == 'L')
        length--;
    char copy[64] = "";
    if (length < sizeof(copy)) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    value v = {.type = kind == 'F' ? YK_PICKLE_FLOAT : YK_PICKLE_INT};
    if (kind == 'I' && (strcmp(copy, "00") == 0 || strcmp(copy, "01") == 0))
        push_int(m, YK_PICKLE_BOOL, copy[1] == '1');
    else if (kind == 'F' ? yk_parse_double(copy, &v.real) : yk_parse_int(copy, &v.integer))
        push_new(m, &v);
    else if (kind == 'L')
        push_type(m, YK_PICKLE_LONG);
    else
        damaged(m, "a number is not one");
}

static void push_double(machine *m)
{
    const uint8_t *p = read_bytes(m, 8);
    uint64_t bits = 0;
    for (int i = 0; p && i < 8; i++)
        bits = bits << 8 | p[i];
    value v = {.type = YK_PICKLE_FLOAT};
    memcpy(&v.real, &bits, sizeof(v.real));
    push_new(m, &v);
}

static void push_text(machine *m, yk_pickle_type type, int width)
{
    uint64_t size = read_number(m, width);
    const char *text = (const char *)read_bytes(m, size);
    push_new(m, &(value){.type = type, .text = text, .length = (size_t)size});
}

/* Protocol 0's text; escapes in it are left as they are, since nothing that is looked at has any. */
static void push_text_line(machine *m, bool quoted)
{
    value v = {.type = YK_PICKLE_TEXT};
    v.text = read_line(m, &v.length);
    if (!v.text)
        return;
    if (quoted) {
        if (v.length < 2 || v.text[0] != v.text[v.length - 1] || (v.text[0] != '\'' && v.text[0] != '"')) {
            damaged(m, "a text has no quotes");
            return;
        }
        v.text++;
        v.length -= 2;
    }
    push_new(m, &v);
}

/* ---- containers ---- */

/* A container of the `count` topmost elements. */
static void push_container(machine *m, size_t count, yk_pickle_type type)
{
    value v = {.type = type, .pairs = type == YK_PICKLE_DICT};
    if (m->status != YOLK_OK)
        return;
    if (poppable(m) < count) {
        damaged(m, "the stack is empty");
    } else if (v.pairs && count % 2 != 0) {
        damaged(m, "a key has no value");
    } else {
        m->count -= count;
        add_items(m, &v, count > 0 ? m->stack + m->count : NULL, count);
        push_new(m, &v);
    }
}

/* Adds the `count` topmost elements to the container under them. */
static void extend(machine *m, size_t count, yk_pickle_type type)
{
    bool pairs = type == YK_PICKLE_DICT;
    if (m->status != YOLK_OK)
        return;
    if (poppable(m) < count + 1) {
        damaged(m, "the stack is empty");
        return;
    }
    m->count -= count;
    value *v = m->stack[m->count - 1];
    if (v->type == YK_PICKLE_OBJECT && type != YK_PICKLE_SET && (v->count == 0 || v->pairs == pairs))
        v->pairs = pairs;
    else if (v->type != type)
        damaged(m, "something is added to what does not hold such things");
    if (pairs && count % 2 != 0)
        damaged(m, "a key has no value");
    if (m->status == YOLK_OK)
        add_items(m, v, m->stack + m->count, count);
}

/* ---- memo ---- */

static void memo_put(machine *m, uint64_t index)
{
    value *v = top(m);
    if (!v)
        return;
    /* Writers count up from 0, so that no index can pass the number of bytes. */
    if (index > (uint64_t)(m->end - m->begin)) {
        damaged(m, "a memo number is larger than the file can have");
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

static void memo_get(machine *m, uint64_t index)
{
    if (m->status != YOLK_OK)
        return;
    if (index < m->memo_count && m->memo[index])
        push(m, m->memo[index]);
    else
        damaged(m, "a memo number was never given");
}

static uint64_t read_memo_line(machine *m)
{
    push_number_line(m, 'L');
    const value *v = pop(m);
    if (v && v->type == YK_PICKLE_INT && v->integer >= 0)
        return (uint64_t)v->integer;
    if (v)
        damaged(m, "a memo number is not one");
    return 0;
}

/* ---- names and what they would make ---- */

static void push_global(machine *m, const char *module, size_t module_length, const char *name, size_t name_length)
{
    if (m->status == YOLK_OK && (module_length == 0 || name_length == 0 || module_length > 1024 || name_length > 1024))
        damaged(m, "a global has no proper name");
    push_new(m, &(value){.type = YK_PICKLE_GLOBAL,
                         .module = module,
                         .name = name,
                         .module_length = (uint32_t)module_length,
                         .name_length = (uint32_t)name_length});
}

static void push_global_lines(machine *m)
{
    size_t module_length, name_length = 0;
    const char *module = read_line(m, &module_length);
    const char *name = module ? read_line(m, &name_length) : NULL;
    push_global(m, module, module_length, name, name_length);
}

static void push_global_texts(machine *m)
{
    const value *name = pop(m), *module = pop(m);
    if (!name || !module)
        return;
    if (name->type == YK_PICKLE_TEXT && module->type == YK_PICKLE_TEXT)
        push_global(m, module->text, module->length, name->text, name->length);
    else
        damaged(m, "a global has no proper name");
}

static void check_call(machine *m, const value *called)
{
    char label[YK_PICKLE_LABEL];
    if (called->type != YK_PICKLE_GLOBAL) {
        m->status = yk_fail(YOLK_ERROR_UNSUPPORTED, "the checkpoint calls something that is not a plain name; yolk "
                                                    "reads data only and refuses it");
        return;
    }
    for (size_t i = 0; i < m->callable_count; i++) {
        if (yk_pickle_is_global(called, m->callable[i]))
            return;
    }
    m->status = yk_fail(YOLK_ERROR_UNSUPPORTED, "the checkpoint calls %s; yolk reads data only and refuses it",
                        yk_pickle_label(called, label));
}

static void push_object(machine *m, const value *called, const value *args)
{
    push_new(m, &(value){.type = YK_PICKLE_OBJECT, .called = called, .args = args});
}

/* Takes a call's name and arguments off the stack. A REDUCE would run code of the file's choice; the others only make
 * an object of a class. */
static void reduce(machine *m, bool call)
{
    const value *args = pop(m), *called = pop(m);
    if (!args || !called)
        return;
    if (args->type != YK_PICKLE_TUPLE)
        damaged(m, "a call has no arguments");
    else if (call)
        check_call(m, called);
    else if (called->type != YK_PICKLE_GLOBAL)
        damaged(m, "an object has no class");
    push_object(m, called, args);
}

/* INST and OBJ of protocols 0 and 1: a call with what lies above the mark. */
static void reduce_marked(machine *m, bool name_in_stream)
{
    value *called = NULL;
    if (name_in_stream) {
        push_global_lines(m);
        called = pop(m);
    }
    push_container(m, pop_mark(m), YK_PICKLE_TUPLE);
    value *args = pop(m);
    if (!args)
        return;
    if (!name_in_stream) {
        if (args->count == 0) {
            damaged(m, "an object has no class");
            return;
        }
        called = args->items[0];
        args->items++;
        args->count--;
        args->capacity--;
    }
    if (called)
        check_call(m, called);
    push_object(m, called, args);
}

static void build(machine *m)
{
    const value *state = pop(m);
    value *v = top(m);
    if (!state || !v)
        return;
    if (v->type == YK_PICKLE_OBJECT)
        v->state = state;
    else
        damaged(m, "a state is given to what is no object");
}

static void push_persistent(machine *m)
{
    value *id = pop(m);
    value v = {.type = YK_PICKLE_PERSISTENT};
    if (id)
        add_items(m, &v, &id, 1);
    push_new(m, &v);
}

/* ---- the opcodes ---- */

/* Names are those of Python's pickletools, where a letter does not say it. */
static void step(machine *m, uint8_t op)
{
    size_t count;
    uint64_t number;
    switch (op) {
    case 0x80: /* PROTO */
        number = read_number(m, 1);
        if (number > PROTOCOL)
            m->status = yk_fail(YOLK_ERROR_UNSUPPORTED, "the pickle is of protocol %d; yolk reads 0 to %d", (int)number,
                                PROTOCOL);
        break;
    case 0x95: /* FRAME: only a hint for readers of streams */
        read_number(m, 8);
        break;
    case 'N':
        push_type(m, YK_PICKLE_NONE);
        break;
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        push_int(m, YK_PICKLE_BOOL, op == 0x88);
        break;
    case 'K': /* BININT1 */
        push_unsigned(m, 1);
        break;
    case 'M': /* BININT2 */
        push_unsigned(m, 2);
        break;
    case 'J': /* BININT */
        push_unsigned(m, 4);
        break;
    case 0x8a: /* LONG1 */
        push_long(m, 1);
        break;
    case 0x8b: /* LONG4 */
        push_long(m, 4);
        break;
    case 'I':
    case 'L':
    case 'F':
        push_number_line(m, (char)op);
        break;
    case 'G': /* BINFLOAT */
        push_double(m);
        break;
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING */
        push_text(m, YK_PICKLE_TEXT, 4);
        break;
    case 0x8c: /* SHORT_BINUNICODE */
    case 'U':  /* SHORT_BINSTRING */
        push_text(m, YK_PICKLE_TEXT, 1);
        break;
    case 0x8d: /* BINUNICODE8 */
        push_text(m, YK_PICKLE_TEXT, 8);
        break;
    case 'C': /* SHORT_BINBYTES */
        push_text(m, YK_PICKLE_BYTES, 1);
        break;
    case 'B': /* BINBYTES */
        push_text(m, YK_PICKLE_BYTES, 4);
        break;
    case 0x8e: /* BINBYTES8 */
    case 0x96: /* BYTEARRAY8 */
        push_text(m, YK_PICKLE_BYTES, 8);
        break;
    case 'S': /* STRING */
    case 'V': /* UNICODE */
        push_text_line(m, op == 'S');
        break;
    case '(': /* MARK */
        push_mark(m);
        break;
    case '0': /* POP; takes a mark off when that is what lies on top */
        if (m->mark_count > 0 && poppable(m) == 0)
            pop_mark(m);
        else
            pop(m);
        break;
    case '1': /* POP_MARK */
        count = pop_mark(m);
        m->count -= count;
        break;
    case '2': /* DUP */
        if (top(m))
            push(m, top(m));
        break;
    case ')':
        push_type(m, YK_PICKLE_TUPLE);
        break;
    case ']':
        push_type(m, YK_PICKLE_LIST);
        break;
    case '}':
        push_type(m, YK_PICKLE_DICT);
        break;
    case 0x8f: /* EMPTY_SET */
        push_type(m, YK_PICKLE_SET);
        break;
    case 't':
        push_container(m, pop_mark(m), YK_PICKLE_TUPLE);
        break;
    case 'l':
        push_container(m, pop_mark(m), YK_PICKLE_LIST);
        break;
    case 'd':
        push_container(m, pop_mark(m), YK_PICKLE_DICT);
        break;
    case 0x91: /* FROZENSET */
        push_container(m, pop_mark(m), YK_PICKLE_SET);
        break;
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        push_container(m, (size_t)(op - 0x84), YK_PICKLE_TUPLE);
        break;
    case 'a': /* APPEND */
        extend(m, 1, YK_PICKLE_LIST);
        break;
    case 'e': /* APPENDS */
        extend(m, pop_mark(m), YK_PICKLE_LIST);
        break;
    case 's': /* SETITEM */
        extend(m, 2, YK_PICKLE_DICT);
        break;
    case 'u': /* SETITEMS */
        extend(m, pop_mark(m), YK_PICKLE_DICT);
        break;
    case 0x90: /* ADDITEMS */
        extend(m, pop_mark(m), YK_PICKLE_SET);
        break;
    case 'q': /* BINPUT */
        memo_put(m, read_number(m, 1));
        break;
    case 'r': /* LONG_BINPUT */
        memo_put(m, read_number(m, 4));
        break;
    case 'p': /* PUT */
        memo_put(m, read_memo_line(m));
        break;
    case 0x94: /* MEMOIZE */
        memo_put(m, m->memo_count);
        break;
    case 'h': /* BINGET */
        memo_get(m, read_number(m, 1));
        break;
    case 'j': /* LONG_BINGET */
        memo_get(m, read_number(m, 4));
        break;
    case 'g': /* GET */
        memo_get(m, read_memo_line(m));
        break;
    case 'c': /* GLOBAL */
        push_global_lines(m);
        break;
    case 0x93: /* STACK_GLOBAL */
        push_global_texts(m);
        break;
    case 'R': /* REDUCE */
        reduce(m, true);
        break;
    case 0x92: /* NEWOBJ_EX: keyword arguments come on top */
        pop(m);
        reduce(m, false);
        break;
    case 0x81: /* NEWOBJ */
        reduce(m, false);
        break;
    case 'i': /* INST */
    case 'o': /* OBJ */
        reduce_marked(m, op == 'i');
        break;
    case 'b': /* BUILD */
        build(m);
        break;
    case 'P': /* PERSID */
        push_text_line(m, false);
        push_persistent(m);
        break;
    case 'Q': /* BINPERSID */
        push_persistent(m);
        break;
    default:
        m->status = yk_fail(YOLK_ERROR_DAMAGED,
                            "the pickle is damaged or of an unknown kind: its byte %zu, 0x%02x, is no opcode that "
                            "makes data",
                            (size_t)(m->p - m->begin) - 1, op);
    }
}

yolk_status yk_pickle_read(const uint8_t *data, size_t size, const char *const *callable, size_t callable_count,
                           yk_pickle *out)
{
    *out = (yk_pickle){0};
    machine m = {.begin = data,
                 .p = data,
                 .end = data + size,
                 .callable = callable,
                 .callable_count = callable_count,
                 .out = out};
    while (m.status == YOLK_OK && !out->root) {
        if (m.p == m.end)
            damaged(&m, "it does not stop");
        else if (*m.p == '.')
            out->root = pop(&m);
        else
            step(&m, *m.p++);
    }
    yk_free(m.stack);
    yk_free(m.marks);
    yk_free(m.memo);
    if (m.status != YOLK_OK)
        yk_pickle_free(out);
    return m.status;
}
