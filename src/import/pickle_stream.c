/* What a pickle's opcodes read from the bytes that follow them. */
#include "import/pickle_machine.h"

#include <string.h>

typedef yk_pickle_value value;

/* ---- arguments in the stream ---- */

static const uint8_t *read_bytes(yk_machine *m, uint64_t size)
{
    if (m->status == YOLK_OK && size > (uint64_t)(m->end - m->p))
        yk_machine_damaged(m, "it ends in the middle of a value");
    if (m->status != YOLK_OK)
        return NULL;
    m->p += size;
    return m->p - size;
}

/* Unsigned little-endian number of `width` bytes. */
uint64_t yk_machine_read_number(yk_machine *m, int width)
{
    const uint8_t *p = read_bytes(m, (uint64_t)width);
    uint64_t number = 0;
    for (int i = 0; p && i < width; i++)
        number |= (uint64_t)p[i] << 8 * i;
    return number;
}

const char *yk_machine_read_line(yk_machine *m, size_t *length)
{
    *length = 0;
    const uint8_t *end = m->p < m->end ? memchr(m->p, '\n', (size_t)(m->end - m->p)) : NULL;
    if (!end) {
        yk_machine_damaged(m, "a line does not end");
        return NULL;
    }
    const char *line = (const char *)m->p;
    *length = (size_t)(end - m->p);
    m->p = end + 1;
    return line;
}

/* ---- numbers and text ---- */

void yk_machine_push_unsigned(yk_machine *m, int width)
{
    uint64_t number = yk_machine_read_number(m, width);
    yk_machine_push_int(m, YK_PICKLE_INT, width == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

/* Two's complement of any length. */
void yk_machine_push_long(yk_machine *m, int width)
{
    uint64_t size = yk_machine_read_number(m, width);
    const uint8_t *p = read_bytes(m, size);
    if (!p)
        return;
    if (size > 8) {
        yk_machine_push_type(m, YK_PICKLE_LONG);
        return;
    }
    uint64_t number = size > 0 && p[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = size; i-- > 0;)
        number = number << 8 | p[i];
    yk_machine_push_int(m, YK_PICKLE_INT, (int64_t)number);
}

/* Protocol 0 writes numbers as lines: "I12", "I01" for True, "L12L", "F0.5". */
void yk_machine_push_number_line(yk_machine *m, char kind)
{
    size_t length;
    const char *text = yk_machine_read_line(m, &length);
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
        yk_machine_push_int(m, YK_PICKLE_BOOL, copy[1] == '1');
    else if (kind == 'F' ? yk_parse_double(copy, &v.real) : yk_parse_int(copy, &v.integer))
        yk_machine_push_new(m, &v);
    else if (kind == 'L')
        yk_machine_push_type(m, YK_PICKLE_LONG);
    else
        yk_machine_damaged(m, "a number is not one");
}

void yk_machine_push_double(yk_machine *m)
{
    const uint8_t *p = read_bytes(m, 8);
    uint64_t bits = 0;
    for (int i = 0; p && i < 8; i++)
        bits = bits << 8 | p[i];
    value v = {.type = YK_PICKLE_FLOAT};
    memcpy(&v.real, &bits, sizeof(v.real));
    yk_machine_push_new(m, &v);
}

void yk_machine_push_text(yk_machine *m, yk_pickle_type type, int width)
{
    uint64_t size = yk_machine_read_number(m, width);
    const char *text = (const char *)read_bytes(m, size);
    yk_machine_push_new(m, &(value){.type = type, .text = text, .length = (size_t)size});
}

/* Protocol 0's text; escapes in it are left as they are, since nothing that is looked at has any. */
void yk_machine_push_text_line(yk_machine *m, bool quoted)
{
    value v = {.type = YK_PICKLE_TEXT};
    v.text = yk_machine_read_line(m, &v.length);
    if (!v.text)
        return;
    if (quoted) {
        if (v.length < 2 || v.text[0] != v.text[v.length - 1] || (v.text[0] != '\'' && v.text[0] != '"')) {
            yk_machine_damaged(m, "a text has no quotes");
            return;
        }
        v.text++;
        v.length -= 2;
    }
    yk_machine_push_new(m, &v);
}
