/* What the results in a folder were made from. */
#include "convert/record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "yolk/yolk.h"

#define NAME ".yolk-convert.json"

bool yk_look_at(const char *path, yk_look *out)
{
    struct stat s;
    *out = (yk_look){0, 0};
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode))
        return false;
    *out = (yk_look){s.st_size, (json_int_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec};
    return true;
}

yolk_status yk_record_open(const char *folder, yk_record *out)
{
    yk_map map = {0};
    *out = (yk_record){.path = yk_path_join(folder, NAME)};
    if (!out->path)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (yk_is_file(out->path) && yk_map_open(out->path, &map) == YOLK_OK) {
        out->root = json_loadb((const char *)map.data, map.size, 0, NULL);
        if (!out->root)
            yk_log(YOLK_LOG_WARNING, "%s: this is not what yolk wrote; every model is converted anew", out->path);
        yk_map_close(&map);
    }
    if (!json_is_object(json_object_get(out->root, "made"))) {
        json_decref(out->root);
        out->root = json_pack("{s:i, s:{}}", "version", 1, "made");
    }
    if (out->root)
        return YOLK_OK;
    yk_record_close(out);
    return yk_fail_memory(0);
}

void yk_record_close(yk_record *r)
{
    json_decref(r->root);
    yk_free(r->path);
    *r = (yk_record){0};
}

/* ---- what a result depends on ---- */

static void add_look(yk_buffer *b, const char *path)
{
    yk_look l;
    yk_look_at(path, &l);
    yk_buffer_format(b, "%s %lld %lld\n", path, (long long)l.bytes, (long long)l.mtime_ns);
}

/* A file, or a folder with what is in it. */
static yolk_status add_path(yk_buffer *b, const char *what, const char *path)
{
    char **names = NULL;
    size_t count = 0;
    yolk_status status = YOLK_OK;
    yk_buffer_format(b, "%s ", what);
    add_look(b, path ? path : "");
    if (!path || !yk_is_directory(path))
        return YOLK_OK;
    status = yk_list_directory(path, &names, &count);
    for (size_t i = 0; i < count && status == YOLK_OK; i++) {
        char *full = yk_path_join(path, names[i]);
        if (full)
            add_look(b, full);
        else
            status = YOLK_ERROR_OUT_OF_MEMORY;
        yk_free(full);
    }
    yk_names_free(names);
    return status;
}

static const char *text_or(const char *text)
{
    return text ? text : "-";
}

yolk_status yk_record_key(const yolk_convert_options *o, char hex[65])
{
    yk_buffer b = {0};
    yk_buffer_format(&b, "yolk %s\ntarget %d gpu %s batches %d %d %d\n", yolk_version(), (int)o->target,
                     text_or(o->gpu), o->batch_least, o->batch_usual, o->batch_most);
    yk_buffer_format(&b, "input %dx%d dynamic %d raw %d head %s precision %d\n", o->input_height, o->input_width,
                     o->dynamic, o->raw_head, text_or(o->head), (int)o->precision);
    yk_buffer_format(&b,
                     "calib %d symmetric %d search %g val %d unchecked %d limits %g %g %g backend %s "
                     "device %s\n",
                     o->calib_count, o->symmetric, o->search_seconds, o->val_count, o->no_validate, o->min_agreement,
                     o->max_score_difference, o->max_ap_loss, text_or(o->backend), text_or(o->device));
    yolk_status status = add_path(&b, "calib", o->calib);
    if (status == YOLK_OK)
        status = add_path(&b, "val", o->val);
    if (status == YOLK_OK)
        status = add_path(&b, "labels", o->labels);
    if (status == YOLK_OK)
        status = yk_buffer_status(&b);
    if (status == YOLK_OK)
        yk_sha256_hex(b.data, b.size, hex);
    yk_buffer_free(&b);
    return status;
}

/* ---- results ---- */

static json_t *entry_of(const yk_record *r, const char *destination)
{
    return json_object_get(json_object_get(r->root, "made"), yk_base_name(destination));
}

bool yk_record_has(const yk_record *r, const char *destination)
{
    return entry_of(r, destination) != NULL;
}

static bool same(const json_t *entry, const char *bytes, const char *time, const yk_look *l)
{
    return json_integer_value(json_object_get(entry, bytes)) == l->bytes &&
           json_integer_value(json_object_get(entry, time)) == l->mtime_ns;
}

static bool says(const json_t *entry, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(entry, key));
    return text && strcmp(text, value) == 0;
}

/* Size and time tell that nothing has happened; when they do not, the bytes may still be the same. */
static bool source_is_same(const json_t *entry, const yolk_folder_item *item)
{
    yk_look l;
    char hex[65];
    if (!yk_look_at(item->source, &l) || !says(entry, "source", yk_base_name(item->source)))
        return false;
    if (same(entry, "source_bytes", "source_mtime_ns", &l))
        return true;
    return json_integer_value(json_object_get(entry, "source_bytes")) == l.bytes &&
           yk_sha256_file(item->source, hex) == YOLK_OK && says(entry, "source_sha256", hex);
}

bool yk_record_matches(const yk_record *r, const char *key, yolk_folder_item *item, const char **check)
{
    const json_t *entry = entry_of(r, item->destination);
    yk_look l;
    if (!entry || !says(entry, "key", key) || !yk_look_at(item->destination, &l) ||
        !same(entry, "bytes", "mtime_ns", &l) || !source_is_same(entry, item))
        return false;
    const char *text = json_string_value(json_object_get(entry, "check"));
    *check = text ? text : "";
    item->bytes = (uint64_t)l.bytes;
    item->speed_up = json_number_value(json_object_get(entry, "speed_up"));
    item->seconds = json_number_value(json_object_get(entry, "seconds"));
    return true;
}

yolk_status yk_record_keep(yk_record *r, const char *key, const yk_look *before, const yolk_folder_item *item)
{
    yk_look source, made;
    char hex[65];
    if (!yk_look_at(item->source, &source) || source.bytes != before->bytes || source.mtime_ns != before->mtime_ns)
        return YOLK_OK;
    yolk_status status = yk_sha256_file(item->source, hex);
    if (status != YOLK_OK)
        return status;
    yk_look_at(item->destination, &made);
    json_t *entry = json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:f, s:f}", "key", key, "source",
                              yk_base_name(item->source), "source_bytes", source.bytes, "source_mtime_ns",
                              source.mtime_ns, "source_sha256", hex, "bytes", made.bytes, "mtime_ns", made.mtime_ns,
                              "check", item->check, "speed_up", item->speed_up, "seconds", item->seconds);
    /* A name that is not UTF-8 has no place in JSON: it is made anew every time. */
    if (!entry || json_object_set_new(json_object_get(r->root, "made"), yk_base_name(item->destination), entry) != 0)
        return YOLK_OK;
    char *text = json_dumps(r->root, JSON_INDENT(1));
    status = text ? yk_write_file(r->path, text, strlen(text)) : yk_fail_memory(0);
    free(text);
    return status;
}
