/* What ultralytics writes beside a network: Python literals under keys. */
#include "import/onnx_model.h"

#include <string.h>

enum { MODEL_METADATA = 14, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
/* More classes than any data set has; a hostile index must not make a large table. */
enum { MAX_NAMES = 20000, MAX_NAME = 1024 };

yk_span yk_onnx_metadata(const yk_onnx_model *m, const char *key)
{
    yk_pb_reader r = yk_pb_reader_of(m->body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == MODEL_METADATA && f.wire == YK_PB_BYTES && yk_span_is(yk_onnx_field(f.bytes, ENTRY_KEY), key))
            return yk_onnx_field(f.bytes, ENTRY_VALUE);
    }
    return (yk_span){0};
}

int yk_python_ints(yk_span text, int64_t *out, int most)
{
    int count = 0;
    size_t i = 0;
    while (i < text.size && count < most) {
        int64_t value = 0;
        bool any = false, negative = i > 0 && text.data[i - 1] == '-';
        for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
            any = true;
            value = value < INT32_MAX ? value * 10 + (text.data[i] - '0') : value;
        }
        if (any)
            out[count++] = negative ? -value : value;
        else
            i++;
    }
    return count;
}

/* ---- names ---- */

typedef struct literal {
    const uint8_t *at, *end;
} literal;

static void skip_space(literal *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t' || *t->at == '\r'))
        t->at++;
}

static bool take(literal *t, char c)
{
    skip_space(t);
    if (t->at == t->end || *t->at != (uint8_t)c)
        return false;
    t->at++;
    return true;
}

static bool take_index(literal *t, int *out)
{
    skip_space(t);
    int value = 0;
    bool any = false;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
        value = value * 10 + (*t->at - '0');
        any = true;
        if (value >= MAX_NAMES)
            return false;
    }
    *out = value;
    return any;
}

static void add_code(yk_buffer *b, uint32_t code)
{
    uint8_t bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; code >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    bytes[0] = (uint8_t)(lead[n] | code);
    if (yk_utf8_length(bytes, n) == n)
        yk_buffer_add(b, bytes, n);
    else
        yk_buffer_text(b, "_");
}

/* After a backslash. */
static bool take_escape(literal *t, yk_buffer *b)
{
    static const char plain[] = "\\'\"ntr";
    static const char meaning[] = "\\'\"\n\t\r";
    if (t->at == t->end)
        return false;
    uint8_t c = *t->at++;
    const char *known = strchr(plain, c);
    if (c && known) {
        yk_buffer_add(b, &meaning[known - plain], 1);
        return true;
    }
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = 0;
    if (digits == 0 || t->end - t->at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        uint8_t d = *t->at++;
        int value = d >= '0' && d <= '9' ? d - '0' : (d | 32) >= 'a' && (d | 32) <= 'f' ? (d | 32) - 'a' + 10 : -1;
        if (value < 0)
            return false;
        code = code << 4 | (uint32_t)value;
    }
    add_code(b, code > 0x10ffff ? 0xfffd : code);
    return true;
}

/* A string literal as text of its own; control characters become spaces. False when there is none; `*out` is NULL when
 * memory is short. */
static bool take_text(literal *t, char **out)
{
    yk_buffer b = {0};
    bool closed = false;
    skip_space(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"'))
        return false;
    uint8_t quote = *t->at++;
    yk_buffer_text(&b, "");
    while (t->at < t->end && b.size < MAX_NAME) {
        if (*t->at == quote) {
            t->at++;
            closed = true;
            break;
        }
        if (*t->at == '\\') {
            t->at++;
            if (!take_escape(t, &b))
                break;
            continue;
        }
        size_t n = yk_utf8_length(t->at, (size_t)(t->end - t->at));
        yk_buffer_add(&b, n ? (const void *)t->at : "_", YK_MAX(n, 1));
        t->at += YK_MAX(n, 1);
    }
    for (size_t i = 0; i < b.size; i++) {
        if (b.data[i] < 0x20 || b.data[i] == 0x7f)
            b.data[i] = ' ';
    }
    *out = closed && b.data && !b.failed ? yk_strndup((const char *)b.data, b.size) : NULL;
    yk_buffer_free(&b);
    return closed;
}

void yk_python_names_free(char **names, int count)
{
    for (int i = 0; names && i < count; i++)
        yk_free(names[i]);
    yk_free(names);
}

/* One "0: 'person'" of a dict or 'person' of a list. */
static bool take_entry(literal *t, bool dict, int *index, char **name)
{
    char *key = NULL;
    if (dict && take_text(t, &key)) {
        literal digits = {(const uint8_t *)key, (const uint8_t *)key + (key ? strlen(key) : 0)};
        bool number = key && take_index(&digits, index) && digits.at == digits.end;
        yk_free(key);
        if (!number)
            return false;
    } else if (dict && !take_index(t, index)) {
        return false;
    }
    if (dict && !take(t, ':'))
        return false;
    return take_text(t, name);
}

yolk_status yk_python_names(yk_span text, char ***names, int *count)
{
    size_t capacity = 0;
    char **found = NULL;
    *names = NULL;
    *count = 0;
    if (text.size == 0)
        return YOLK_OK;
    literal t = {text.data, text.data + text.size};
    bool dict = take(&t, '{');
    if (!dict && !take(&t, '['))
        return YOLK_OK;
    int used = 0;
    for (int index = 0; index < MAX_NAMES; index++) {
        char *name = NULL;
        if (!take_entry(&t, dict, &index, &name))
            break;
        size_t before = capacity;
        yolk_status status =
            name ? yk_grow(&found, &capacity, (size_t)index + 1, sizeof *found) : YOLK_ERROR_OUT_OF_MEMORY;
        if (status != YOLK_OK) {
            yk_free(name);
            yk_python_names_free(found, used);
            return status;
        }
        memset(found + before, 0, (capacity - before) * sizeof *found);
        used = YK_MAX(used, index + 1);
        yk_free(found[index]);
        found[index] = name;
        if (!take(&t, ','))
            break;
    }
    *names = found;
    *count = used;
    return YOLK_OK;
}

/* ---- the head of yolk's own files ---- */

/* Numbers separated by commas; returns how many, -1 when one is none. */
static int read_list(char *text, double *out, int most)
{
    int count = 0;
    for (char *next = text; next && count < most; count++) {
        char *comma = strchr(next, ',');
        if (comma)
            *comma = 0;
        if (!yk_parse_double(next, &out[count]))
            return -1;
        next = comma ? comma + 1 : NULL;
    }
    return count;
}

static void set_anchors(yk_head *head, const double *values, int count)
{
    int each = head->levels > 0 ? count / (2 * head->levels) : 0;
    if (each < 1 || each > YK_MAX_ANCHORS || each * 2 * head->levels != count)
        return;
    head->anchors_per_level = each;
    for (int i = 0; i < count; i++)
        head->anchors[i / (2 * each)][i / 2 % each][i % 2] = (float)values[i];
}

static void set_head_field(yk_head *head, const char *key, char *text)
{
    const struct {
        const char *key;
        int *number;
        bool *flag;
    } fields[] = {
        {"classes", &head->classes, NULL},   {"reg_max", &head->reg_max, NULL}, {"max_det", &head->max_det, NULL},
        {"end2end", NULL, &head->end2end},   {"bgr", NULL, &head->bgr},         {"unit_range", NULL, &head->unit_range},
        {"top_left", NULL, &head->top_left},
    };
    double values[2 * YK_MAX_LEVELS * YK_MAX_ANCHORS];
    if (strcmp(key, "kind") == 0) {
        for (yk_head_kind k = YK_HEAD_UNKNOWN; k <= YK_HEAD_DECODED_END2END; k++) {
            if (strcmp(text, yk_head_kind_name(k)) == 0)
                head->kind = k;
        }
        return;
    }
    int count = read_list(text, values, (int)YK_COUNT(values));
    if (strcmp(key, "anchors") == 0)
        set_anchors(head, values, count);
    if (strcmp(key, "strides") == 0 && count <= YK_MAX_LEVELS) {
        for (head->levels = 0; head->levels < count; head->levels++)
            head->strides[head->levels] = (int)YK_MIN(YK_MAX(values[head->levels], 0), 1 << 16);
    }
    for (size_t i = 0; i < YK_COUNT(fields) && count == 1; i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        if (fields[i].number)
            *fields[i].number = (int)YK_MIN(YK_MAX(values[0], 0), MAX_NAMES);
        else
            *fields[i].flag = values[0] != 0;
    }
}

void yk_onnx_read_head(const yk_onnx_model *m, yk_head *head)
{
    char text[1024];
    yk_span s = yk_onnx_metadata(m, "yolk_head");
    *head = (yk_head){.unit_range = true};
    if (s.size >= sizeof text)
        return;
    memcpy(text, s.data ? (const void *)s.data : "", s.size);
    text[s.size] = 0;
    for (char *next = text; next;) {
        char *space = strchr(next, ' ');
        if (space)
            *space = 0;
        char *equals = strchr(next, '=');
        if (equals) {
            *equals = 0;
            set_head_field(head, next, equals + 1);
        }
        next = space ? space + 1 : NULL;
    }
}
