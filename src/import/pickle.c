/* The opcodes of a pickle. */
#include "import/pickle_machine.h"

enum { PROTOCOL = 5 };

typedef yk_pickle_value value;

static uint64_t read_memo_line(yk_machine *m)
{
    yk_machine_push_number_line(m, 'L');
    const value *v = yk_machine_pop(m);
    if (v && v->type == YK_PICKLE_INT && v->integer >= 0)
        return (uint64_t)v->integer;
    if (v)
        yk_machine_damaged(m, "a memo number is not one");
    return 0;
}

/* ---- names and what they would make ---- */

static void push_global(yk_machine *m, const char *module, size_t module_length, const char *name, size_t name_length)
{
    if (m->status == YOLK_OK && (module_length == 0 || name_length == 0 || module_length > 1024 || name_length > 1024))
        yk_machine_damaged(m, "a global has no proper name");
    yk_machine_push_new(m, &(value){.type = YK_PICKLE_GLOBAL,
                                    .module = module,
                                    .name = name,
                                    .module_length = (uint32_t)module_length,
                                    .name_length = (uint32_t)name_length});
}

static void push_global_lines(yk_machine *m)
{
    size_t module_length, name_length = 0;
    const char *module = yk_machine_read_line(m, &module_length);
    const char *name = module ? yk_machine_read_line(m, &name_length) : NULL;
    push_global(m, module, module_length, name, name_length);
}

static void push_global_texts(yk_machine *m)
{
    const value *name = yk_machine_pop(m), *module = yk_machine_pop(m);
    if (!name || !module)
        return;
    if (name->type == YK_PICKLE_TEXT && module->type == YK_PICKLE_TEXT)
        push_global(m, module->text, module->length, name->text, name->length);
    else
        yk_machine_damaged(m, "a global has no proper name");
}

static void check_call(yk_machine *m, const value *called)
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

static void push_object(yk_machine *m, const value *called, const value *args)
{
    yk_machine_push_new(m, &(value){.type = YK_PICKLE_OBJECT, .called = called, .args = args});
}

/* Takes a call's name and arguments off the stack. A REDUCE would run code of the file's choice; the others only make
 * an object of a class. */
static void reduce(yk_machine *m, bool call)
{
    const value *args = yk_machine_pop(m), *called = yk_machine_pop(m);
    if (!args || !called)
        return;
    if (args->type != YK_PICKLE_TUPLE)
        yk_machine_damaged(m, "a call has no arguments");
    else if (call)
        check_call(m, called);
    else if (called->type != YK_PICKLE_GLOBAL)
        yk_machine_damaged(m, "an object has no class");
    push_object(m, called, args);
}

/* INST and OBJ of protocols 0 and 1: a call with what lies above the mark. */
static void reduce_marked(yk_machine *m, bool name_in_stream)
{
    value *called = NULL;
    if (name_in_stream) {
        push_global_lines(m);
        called = yk_machine_pop(m);
    }
    yk_machine_push_container(m, yk_machine_pop_mark(m), YK_PICKLE_TUPLE);
    value *args = yk_machine_pop(m);
    if (!args)
        return;
    if (!name_in_stream) {
        if (args->count == 0) {
            yk_machine_damaged(m, "an object has no class");
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

static void build(yk_machine *m)
{
    const value *state = yk_machine_pop(m);
    value *v = yk_machine_top(m);
    if (!state || !v)
        return;
    if (v->type == YK_PICKLE_OBJECT)
        v->state = state;
    else
        yk_machine_damaged(m, "a state is given to what is no object");
}

static void push_persistent(yk_machine *m)
{
    value *id = yk_machine_pop(m);
    value v = {.type = YK_PICKLE_PERSISTENT};
    if (id)
        yk_machine_add_items(m, &v, &id, 1);
    yk_machine_push_new(m, &v);
}

/* ---- the opcodes ---- */

/* Names are those of Python's pickletools, where a letter does not say it. */
static void step(yk_machine *m, uint8_t op)
{
    size_t count;
    uint64_t number;
    switch (op) {
    case 0x80: /* PROTO */
        number = yk_machine_read_number(m, 1);
        if (number > PROTOCOL)
            m->status = yk_fail(YOLK_ERROR_UNSUPPORTED, "the pickle is of protocol %d; yolk reads 0 to %d", (int)number,
                                PROTOCOL);
        break;
    case 0x95: /* FRAME: only a hint for readers of streams */
        yk_machine_read_number(m, 8);
        break;
    case 'N':
        yk_machine_push_type(m, YK_PICKLE_NONE);
        break;
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        yk_machine_push_int(m, YK_PICKLE_BOOL, op == 0x88);
        break;
    case 'K': /* BININT1 */
        yk_machine_push_unsigned(m, 1);
        break;
    case 'M': /* BININT2 */
        yk_machine_push_unsigned(m, 2);
        break;
    case 'J': /* BININT */
        yk_machine_push_unsigned(m, 4);
        break;
    case 0x8a: /* LONG1 */
        yk_machine_push_long(m, 1);
        break;
    case 0x8b: /* LONG4 */
        yk_machine_push_long(m, 4);
        break;
    case 'I':
    case 'L':
    case 'F':
        yk_machine_push_number_line(m, (char)op);
        break;
    case 'G': /* BINFLOAT */
        yk_machine_push_double(m);
        break;
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING */
        yk_machine_push_text(m, YK_PICKLE_TEXT, 4);
        break;
    case 0x8c: /* SHORT_BINUNICODE */
    case 'U':  /* SHORT_BINSTRING */
        yk_machine_push_text(m, YK_PICKLE_TEXT, 1);
        break;
    case 0x8d: /* BINUNICODE8 */
        yk_machine_push_text(m, YK_PICKLE_TEXT, 8);
        break;
    case 'C': /* SHORT_BINBYTES */
        yk_machine_push_text(m, YK_PICKLE_BYTES, 1);
        break;
    case 'B': /* BINBYTES */
        yk_machine_push_text(m, YK_PICKLE_BYTES, 4);
        break;
    case 0x8e: /* BINBYTES8 */
    case 0x96: /* BYTEARRAY8 */
        yk_machine_push_text(m, YK_PICKLE_BYTES, 8);
        break;
    case 'S': /* STRING */
    case 'V': /* UNICODE */
        yk_machine_push_text_line(m, op == 'S');
        break;
    case '(': /* MARK */
        yk_machine_push_mark(m);
        break;
    case '0': /* POP; takes a mark off when that is what lies on top */
        if (m->mark_count > 0 && yk_machine_poppable(m) == 0)
            yk_machine_pop_mark(m);
        else
            yk_machine_pop(m);
        break;
    case '1': /* POP_MARK */
        count = yk_machine_pop_mark(m);
        m->count -= count;
        break;
    case '2': /* DUP */
        if (yk_machine_top(m))
            yk_machine_push(m, yk_machine_top(m));
        break;
    case ')':
        yk_machine_push_type(m, YK_PICKLE_TUPLE);
        break;
    case ']':
        yk_machine_push_type(m, YK_PICKLE_LIST);
        break;
    case '}':
        yk_machine_push_type(m, YK_PICKLE_DICT);
        break;
    case 0x8f: /* EMPTY_SET */
        yk_machine_push_type(m, YK_PICKLE_SET);
        break;
    case 't':
        yk_machine_push_container(m, yk_machine_pop_mark(m), YK_PICKLE_TUPLE);
        break;
    case 'l':
        yk_machine_push_container(m, yk_machine_pop_mark(m), YK_PICKLE_LIST);
        break;
    case 'd':
        yk_machine_push_container(m, yk_machine_pop_mark(m), YK_PICKLE_DICT);
        break;
    case 0x91: /* FROZENSET */
        yk_machine_push_container(m, yk_machine_pop_mark(m), YK_PICKLE_SET);
        break;
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        yk_machine_push_container(m, (size_t)(op - 0x84), YK_PICKLE_TUPLE);
        break;
    case 'a': /* APPEND */
        yk_machine_extend(m, 1, YK_PICKLE_LIST);
        break;
    case 'e': /* APPENDS */
        yk_machine_extend(m, yk_machine_pop_mark(m), YK_PICKLE_LIST);
        break;
    case 's': /* SETITEM */
        yk_machine_extend(m, 2, YK_PICKLE_DICT);
        break;
    case 'u': /* SETITEMS */
        yk_machine_extend(m, yk_machine_pop_mark(m), YK_PICKLE_DICT);
        break;
    case 0x90: /* ADDITEMS */
        yk_machine_extend(m, yk_machine_pop_mark(m), YK_PICKLE_SET);
        break;
    case 'q': /* BINPUT */
        yk_machine_memo_put(m, yk_machine_read_number(m, 1));
        break;
    case 'r': /* LONG_BINPUT */
        yk_machine_memo_put(m, yk_machine_read_number(m, 4));
        break;
    case 'p': /* PUT */
        yk_machine_memo_put(m, read_memo_line(m));
        break;
    case 0x94: /* MEMOIZE */
        yk_machine_memo_put(m, m->memo_count);
        break;
    case 'h': /* BINGET */
        yk_machine_memo_get(m, yk_machine_read_number(m, 1));
        break;
    case 'j': /* LONG_BINGET */
        yk_machine_memo_get(m, yk_machine_read_number(m, 4));
        break;
    case 'g': /* GET */
        yk_machine_memo_get(m, read_memo_line(m));
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
        yk_machine_pop(m);
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
        yk_machine_push_text_line(m, false);
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
    yk_machine m = {.begin = data,
                    .p = data,
                    .end = data + size,
                    .callable = callable,
                    .callable_count = callable_count,
                    .out = out};
    while (m.status == YOLK_OK && !out->root) {
        if (m.p == m.end)
            yk_machine_damaged(&m, "it does not stop");
        else if (*m.p == '.')
            out->root = yk_machine_pop(&m);
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
