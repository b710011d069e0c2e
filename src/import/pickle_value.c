/* Looking at what a pickle held. */
#include <stdio.h>
#include <string.h>

#include "import/pickle.h"

typedef yk_pickle_value value;

const char *yk_pickle_label(const value *v, char out[YK_PICKLE_LABEL])
{
    if (v && v->type == YK_PICKLE_OBJECT)
        v = v->called;
    if (v && v->type == YK_PICKLE_GLOBAL)
        snprintf(out, YK_PICKLE_LABEL, "%.*s.%.*s", (int)v->module_length, v->module, (int)v->name_length, v->name);
    else if (v && v->type == YK_PICKLE_TEXT)
        snprintf(out, YK_PICKLE_LABEL, "%.*s", (int)YK_MIN(v->length, (size_t)YK_PICKLE_LABEL), v->text);
    else
        snprintf(out, YK_PICKLE_LABEL, "something without a name");
    return out;
}

bool yk_pickle_is_text(const value *v, const char *text)
{
    return v && v->type == YK_PICKLE_TEXT && v->length == strlen(text) && memcmp(v->text, text, v->length) == 0;
}

bool yk_pickle_is_global(const value *v, const char *name)
{
    if (!v || v->type != YK_PICKLE_GLOBAL || strlen(name) != (size_t)v->module_length + 1 + v->name_length)
        return false;
    return memcmp(name, v->module, v->module_length) == 0 && name[v->module_length] == '.' &&
           memcmp(name + v->module_length + 1, v->name, v->name_length) == 0;
}

bool yk_pickle_is_object(const value *v, const char *name)
{
    return v && v->type == YK_PICKLE_OBJECT && yk_pickle_is_global(v->called, name);
}

bool yk_pickle_int(const value *v, int64_t *out)
{
    if (!v || (v->type != YK_PICKLE_INT && v->type != YK_PICKLE_BOOL))
        return false;
    *out = v->integer;
    return true;
}

bool yk_pickle_number(const value *v, double *out)
{
    int64_t integer;
    if (v && v->type == YK_PICKLE_FLOAT)
        *out = v->real;
    else if (yk_pickle_int(v, &integer))
        *out = (double)integer;
    else
        return false;
    return true;
}

/* torch.Size is made by calling it with one tuple. */
static const value *as_sequence(const value *v)
{
    if (yk_pickle_is_object(v, "torch.Size") && v->args && v->args->count == 1)
        v = v->args->items[0];
    return v && (v->type == YK_PICKLE_LIST || v->type == YK_PICKLE_TUPLE) ? v : NULL;
}

size_t yk_pickle_length(const value *v)
{
    v = as_sequence(v);
    return v ? v->count : 0;
}

const value *yk_pickle_at(const value *v, size_t index)
{
    v = as_sequence(v);
    return v && index < v->count ? v->items[index] : NULL;
}

/* The last of equal keys wins, as in Python. */
const value *yk_pickle_get(const value *v, const char *key)
{
    if (!v || !v->pairs)
        return NULL;
    for (uint32_t i = v->count; i >= 2; i -= 2) {
        if (yk_pickle_is_text(v->items[i - 2], key))
            return v->items[i - 1];
    }
    return NULL;
}

const value *yk_pickle_get_int(const value *v, int64_t key)
{
    int64_t number;
    if (!v || !v->pairs)
        return NULL;
    for (uint32_t i = v->count; i >= 2; i -= 2) {
        if (yk_pickle_int(v->items[i - 2], &number) && number == key)
            return v->items[i - 1];
    }
    return NULL;
}
