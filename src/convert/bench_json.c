/* JSON of what all reports have. */
#include <stdlib.h>

#include "convert/measure.h"

/* JSON is UTF-8, and file names are bytes: what is not UTF-8 becomes U+FFFD. */
json_t *yk_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    yk_buffer clean = {0};
    yk_buffer_text(&clean, "");
    for (const char *at = text; *at;) {
        const char *start = at;
        uint32_t c = yk_utf8_next(&at);
        if (c == 0xfffd)
            yk_buffer_text(&clean, "\xef\xbf\xbd");
        else
            yk_buffer_add(&clean, start, (size_t)(at - start));
    }
    value = yk_buffer_status(&clean) == YOLK_OK ? json_string((const char *)clean.data) : NULL;
    yk_buffer_free(&clean);
    return value;
}

json_t *yk_json_machine(const yolk_bench_machine *m)
{
    return json_pack("{s:o, s:i, s:I}", "processor", yk_json_text(m->processor), "cores", m->cores, "memory_bytes",
                     (json_int_t)m->memory_bytes);
}

json_t *yk_json_model(const yolk_bench_model *m)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:s, s:s, s:s, s:o, s:i, s:I, s:I}", "name", yk_json_text(m->name), "path",
                     yk_json_text(m->path), "format", m->format, "family", yk_json_text(m->family), "precision",
                     m->precision, "backend", m->backend, "device", m->device, "check", yk_json_text(m->check),
                     "classes", m->class_count, "parameters", (json_int_t)m->parameters, "bytes",
                     (json_int_t)m->file_bytes);
}

json_t *yk_json_times(const yolk_times *t)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "mean", t->mean, "std", t->std, "min", t->min, "max",
                     t->max, "p50", t->p50, "p90", t->p90, "p95", t->p95, "p99", t->p99);
}

json_t *yk_json_size(yolk_size size)
{
    return json_pack("{s:i, s:i}", "width", size.width, "height", size.height);
}

json_t *yk_json_numbers(const double *values, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real(values[i]));
    return list;
}

yolk_status yk_json_keep(yk_texts *texts, json_t *root, const char **out)
{
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(root);
    if (!text)
        return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "not enough memory to write the report down");
    *out = yk_texts_add(texts, text);
    free(text);
    return yk_texts_status(texts);
}
