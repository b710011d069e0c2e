/* What an engine file says about itself, as JSON and back. */
#include "plan/engine_header.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 20000, MOST_SIDE = 1 << 16, MOST_BATCH = 1 << 16, MOST_BINS = 256, MOST_STRIDE = 1 << 12 };

void yk_engine_source_free(yk_engine_source *s)
{
    yk_free(s->name);
    *s = (yk_engine_source){0};
}

void yk_engine_header_free(yk_engine_header *h)
{
    yk_free(h->yolk);
    yk_engine_source_free(&h->source);
    yk_free(h->precision);
    yk_free(h->check);
    yk_free(h->calibration);
    yk_free(h->backend);
    yk_free(h->device);
    yk_free(h->fingerprint);
    yk_graph_destroy(&h->graph);
    *h = (yk_engine_header){0};
}

bool yk_engine_form_equal(const yk_engine_form *a, const yk_engine_form *b)
{
    return a->batch == b->batch && a->height == b->height && a->width == b->width && a->half == b->half;
}

yolk_status yk_engine_form_of(const yk_graph *g, bool half, yk_engine_form *out)
{
    *out = (yk_engine_form){
        .batch = (int)g->bound[0], .height = (int)g->bound[1], .width = (int)g->bound[2], .half = half};
    if (g->output_count > YK_ENGINE_OUTPUTS)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "an engine holds networks of at most %d outputs, this one has %d",
                       YK_ENGINE_OUTPUTS, g->output_count);
    out->output_count = g->output_count;
    for (int i = 0; i < g->output_count; i++)
        out->outputs[i] = g->values[g->outputs[i]].shape;
    return YOLK_OK;
}

yolk_status yk_engine_shell(const yk_graph *g, int outputs, yk_graph **out)
{
    yk_graph *to = NULL;
    *out = NULL;
    yolk_status status = yk_graph_create(&to);
    if (status != YOLK_OK)
        return status;
    status = yk_graph_copy_facts(to, g);
    if (status != YOLK_OK)
        goto fail;
    to->input = yk_graph_add_input(to, "images");
    if (to->input == YK_NONE)
        goto fail;
    for (int i = 0; i < outputs; i++) {
        yk_id id = yk_graph_add_value(to, "output", YK_F32);
        if (id == YK_NONE || yk_graph_add_output(to, id) != YOLK_OK)
            goto fail;
    }
    *out = to;
    return YOLK_OK;
fail:
    status = yk_last_status();
    yk_graph_destroy(&to);
    return status;
}

/* ---- writing ---- */

/* JSON is UTF-8; bytes that are not become U+FFFD. NULL when memory is short. */
static json_t *text_json(const char *text)
{
    yk_buffer clean = {0};
    yk_buffer_text(&clean, "");
    for (const char *at = text, *next = text; *at; at = next) {
        if (yk_utf8_next(&next) == 0xfffd)
            yk_buffer_text(&clean, "\xef\xbf\xbd");
        else
            yk_buffer_add(&clean, at, (size_t)(next - at));
    }
    json_t *made = clean.failed ? NULL : json_stringn_nocheck((const char *)clean.data, clean.size);
    yk_buffer_free(&clean);
    return made;
}

static json_t *shape_json(const yk_shape *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->rank; i++)
        json_array_append_new(list, json_integer(s->dims[i]));
    return list;
}

static json_t *head_json(const yk_head *h)
{
    json_t *strides = json_array(), *anchors = json_array();
    for (int l = 0; l < h->levels; l++)
        json_array_append_new(strides, json_integer(h->strides[l]));
    for (int l = 0; l < h->levels && h->kind == YK_HEAD_ANCHORS; l++) {
        for (int a = 0; a < h->anchors_per_level; a++) {
            json_array_append_new(anchors, json_real((double)h->anchors[l][a][0]));
            json_array_append_new(anchors, json_real((double)h->anchors[l][a][1]));
        }
    }
    return json_pack("{s:s, s:i, s:b, s:i, s:o, s:o, s:b, s:b, s:b}", "kind", yk_head_kind_name(h->kind), "reg_max",
                     h->reg_max, "end2end", (int)h->end2end, "max_det", h->max_det, "strides", strides, "anchors",
                     anchors, "bgr", (int)h->bgr, "unit_range", (int)h->unit_range, "top_left", (int)h->top_left);
}

static json_t *model_json(const yk_graph *g)
{
    json_t *classes = json_array();
    for (int i = 0; i < g->head.classes; i++)
        json_array_append_new(classes, text_json(g->class_names[i]));
    return json_pack("{s:o, s:o, s:o, s:i, s:i, s:i, s:b, s:b, s:b}", "family", text_json(g->family ? g->family : ""),
                     "head", head_json(&g->head), "classes", classes, "stride", g->stride, "height", g->input_height,
                     "width", g->input_width, "dynamic_size", (int)g->dynamic_size, "dynamic_batch",
                     (int)g->dynamic_batch, "fp16_weights", (int)g->fp16_source);
}

void yk_engine_places_free(yk_engine_table *t)
{
    for (int i = 0; i <= YK_ENGINE_FORMS; i++) {
        yk_free(t->places[i].pieces);
        t->places[i].pieces = NULL;
        t->places[i].piece_count = 0;
    }
}

/* Offset and size of one after the other. */
static json_t *pieces_json(const yk_engine_place *p)
{
    json_t *list = json_array();
    for (int i = 0; i < p->piece_count; i++) {
        json_array_append_new(list, json_integer((json_int_t)p->pieces[i].offset));
        json_array_append_new(list, json_integer((json_int_t)p->pieces[i].size));
    }
    /* One that lost a member for want of memory is no list. */
    if (json_array_size(list) == 2 * (size_t)p->piece_count)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *place_json(const char *name, const yk_engine_place *p)
{
    return json_pack("{s:s, s:I, s:I, s:s}", "section", name, "offset", (json_int_t)p->offset, "bytes",
                     (json_int_t)p->size, "sha256", p->sha256);
}

static json_t *form_json(const yk_engine_form *f, const yk_engine_place *p)
{
    json_t *outputs = json_array(), *root = place_json("compiled", p);
    for (int i = 0; i < f->output_count; i++)
        json_array_append_new(outputs, shape_json(&f->outputs[i]));
    json_t *rest = json_pack("{s:i, s:i, s:i, s:b, s:o}", "batch", f->batch, "height", f->height, "width", f->width,
                             "half", (int)f->half, "outputs", outputs);
    int failed = json_object_update(root, rest);
    json_decref(rest);
    if (p->piece_count > 0)
        failed |= json_object_set_new(root, "pieces", pieces_json(p));
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static int append(const char *text, size_t size, void *buffer)
{
    yk_buffer_add(buffer, text, size);
    return yk_buffer_status(buffer) == YOLK_OK ? 0 : -1;
}

yolk_status yk_engine_table_write(const yk_engine_table *t, yk_buffer *out)
{
    const yk_engine_header *h = &t->header;
    json_t *sections = json_array();
    json_array_append_new(sections, place_json("model", &t->places[0]));
    for (int i = 0; i < t->form_count; i++)
        json_array_append_new(sections, form_json(&t->forms[i], &t->places[i + 1]));
    json_t *source = json_pack("{s:o, s:s, s:I, s:I}", "name", text_json(h->source.name), "sha256", h->source.sha256,
                               "bytes", (json_int_t)h->source.bytes, "mtime_ns", (json_int_t)h->source.mtime_ns);
    json_t *root =
        json_pack("{s:s, s:o, s:s, s:b, s:o, s:s, s:s, s:o, s:o, s:I, s:i, s:o, s:o}", "yolk", h->yolk, "source",
                  source, "precision", h->precision, "converted", (int)h->converted, "check", text_json(h->check),
                  "calibration", h->calibration, "backend", h->backend, "device", text_json(h->device), "fingerprint",
                  text_json(h->fingerprint), "parameters", (json_int_t)h->parameters, "fixed_batch", h->fixed_batch,
                  "model", model_json(h->graph), "sections", sections);
    /* A list that lost a member for want of memory is shorter than it should be. */
    bool whole =
        root && json_array_size(sections) == (size_t)t->form_count + 1 &&
        json_array_size(json_object_get(json_object_get(root, "model"), "classes")) == (size_t)h->graph->head.classes;
    if (!whole || json_dump_callback(root, append, out, JSON_COMPACT) != 0)
        out->failed = true;
    json_decref(root);
    return out->failed ? yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "not enough memory for an engine's header") : YOLK_OK;
}

/* ---- reading: each says false for what is not there or not possible ---- */

static bool get_int(const json_t *object, const char *key, int64_t least, int64_t most, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= least && *out <= most;
}

static bool get_small(const json_t *object, const char *key, int least, int most, int *out)
{
    int64_t value;
    bool good = get_int(object, key, least, most, &value);
    *out = good ? (int)value : 0;
    return good;
}

static bool get_flag(const json_t *object, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_is_true(value);
    return json_is_boolean(value);
}

/* `*out` stays NULL when memory is short. */
static bool get_text(const json_t *object, const char *key, char **out)
{
    const char *value = json_string_value(json_object_get(object, key));
    *out = value ? yk_strdup(value) : NULL;
    return value != NULL;
}

static bool get_hash(const json_t *object, const char *key, char out[65])
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) != 64 || strspn(text, "0123456789abcdef") != 64)
        return false;
    memcpy(out, text, 65);
    return true;
}

static bool read_shape(const json_t *list, yk_shape *out)
{
    const size_t rank = json_array_size(list);
    if (!json_is_array(list) || rank < 1 || rank > YK_MAX_RANK)
        return false;
    out->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(list, i);
        out->dims[i] = json_integer_value(dim);
        if (!json_is_integer(dim) || out->dims[i] < 1 || out->dims[i] > INT32_MAX)
            return false;
    }
    const int64_t count = yk_shape_count(out);
    return count > 0 && count <= INT32_MAX;
}

static bool read_form(const json_t *object, yk_engine_form *out)
{
    const json_t *outputs = json_object_get(object, "outputs");
    const size_t count = json_array_size(outputs);
    if (!get_small(object, "batch", 1, MOST_BATCH, &out->batch) ||
        !get_small(object, "height", 1, MOST_SIDE, &out->height) ||
        !get_small(object, "width", 1, MOST_SIDE, &out->width) || !get_flag(object, "half", &out->half) || count < 1 ||
        count > YK_ENGINE_OUTPUTS)
        return false;
    out->output_count = (int)count;
    for (size_t i = 0; i < count; i++) {
        if (!read_shape(json_array_get(outputs, i), &out->outputs[i]) || out->outputs[i].dims[0] != out->batch)
            return false;
    }
    return true;
}

static bool read_place(const json_t *object, const char *name, yk_engine_place *out)
{
    const char *given = json_string_value(json_object_get(object, "section"));
    int64_t offset, size;
    if (!given || strcmp(given, name) != 0 || !get_int(object, "offset", 0, INT64_MAX / 2, &offset) ||
        !get_int(object, "bytes", 1, INT64_MAX / 2, &size) || !get_hash(object, "sha256", out->sha256))
        return false;
    out->offset = (uint64_t)offset;
    out->size = (uint64_t)size;
    return true;
}

/* Whether they can be followed is seen when all places are known. */
static bool read_pieces(const json_t *list, yk_engine_place *out)
{
    const size_t count = json_array_size(list) / 2;
    if (!list)
        return true;
    if (!json_is_array(list) || count < 1 || count > YK_ENGINE_PIECES || json_array_size(list) % 2 != 0)
        return false;
    for (size_t i = 0; i < 2 * count; i++) {
        const json_t *number = json_array_get(list, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0 || json_integer_value(number) > INT64_MAX / 2)
            return false;
    }
    out->pieces = yk_calloc(count, sizeof *out->pieces);
    for (size_t i = 0; out->pieces && i < count; i++)
        out->pieces[i] = (yk_engine_piece){(uint64_t)json_integer_value(json_array_get(list, 2 * i)),
                                           (uint64_t)json_integer_value(json_array_get(list, 2 * i + 1))};
    out->piece_count = (int)count;
    return true;
}

static bool read_anchors(const json_t *list, yk_head *h)
{
    const size_t count = json_array_size(list), each = h->levels > 0 ? count / (2 * (size_t)h->levels) : 0;
    if (h->kind != YK_HEAD_ANCHORS)
        return json_is_array(list);
    if (each < 1 || each > YK_MAX_ANCHORS || each * 2 * (size_t)h->levels != count)
        return false;
    h->anchors_per_level = (int)each;
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, i);
        if (!json_is_number(number))
            return false;
        h->anchors[i / (2 * each)][i / 2 % each][i % 2] = (float)json_number_value(number);
    }
    return true;
}

static bool read_head(const json_t *object, yk_head *h)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const json_t *strides = json_object_get(object, "strides");
    for (yk_head_kind k = YK_HEAD_UNKNOWN + 1; k <= YK_HEAD_DECODED_END2END; k++) {
        if (kind && strcmp(kind, yk_head_kind_name(k)) == 0)
            h->kind = k;
    }
    if (h->kind == YK_HEAD_UNKNOWN || !get_small(object, "reg_max", 0, MOST_BINS, &h->reg_max) ||
        !get_flag(object, "end2end", &h->end2end) || !get_small(object, "max_det", 0, INT16_MAX, &h->max_det) ||
        !get_flag(object, "bgr", &h->bgr) || !get_flag(object, "unit_range", &h->unit_range) ||
        !get_flag(object, "top_left", &h->top_left) || !json_is_array(strides) ||
        json_array_size(strides) > YK_MAX_LEVELS)
        return false;
    h->levels = (int)json_array_size(strides);
    for (int l = 0; l < h->levels; l++) {
        const json_t *stride = json_array_get(strides, (size_t)l);
        if (!json_is_integer(stride) || json_integer_value(stride) < 1 || json_integer_value(stride) > MOST_STRIDE)
            return false;
        h->strides[l] = (int)json_integer_value(stride);
    }
    return read_anchors(json_object_get(object, "anchors"), h);
}

/* Outputs that decoding looks at: it checks their shapes itself, but not how many there are. */
static int outputs_needed(const yk_head *h)
{
    switch (h->kind) {
    case YK_HEAD_ANCHOR_FREE:
        return h->levels > 0 && h->reg_max > 0 ? 2 * h->levels : INT32_MAX;
    case YK_HEAD_ANCHORS:
        return h->levels > 0 ? h->levels : INT32_MAX;
    case YK_HEAD_YOLOX:
        return h->levels > 0 ? 1 : INT32_MAX;
    default:
        return 1;
    }
}

static bool read_model(const json_t *object, yk_engine_table *t)
{
    const json_t *names = json_object_get(object, "classes");
    const size_t classes = json_array_size(names);
    yk_graph g = {.head = {.classes = (int)YK_MIN(classes, (size_t)MOST_CLASSES)}};
    if (!json_is_array(names) || classes < 1 || classes > MOST_CLASSES ||
        !read_head(json_object_get(object, "head"), &g.head) ||
        !get_small(object, "stride", 1, MOST_STRIDE, &g.stride) ||
        !get_small(object, "height", 1, MOST_SIDE, &g.input_height) ||
        !get_small(object, "width", 1, MOST_SIDE, &g.input_width) ||
        !get_flag(object, "dynamic_size", &g.dynamic_size) || !get_flag(object, "dynamic_batch", &g.dynamic_batch) ||
        !get_flag(object, "fp16_weights", &g.fp16_source))
        return false;
    const int outputs = t->form_count > 0 ? t->forms[0].output_count : 1;
    for (int i = 0; i < t->form_count; i++) {
        if (t->forms[i].output_count != outputs || outputs < outputs_needed(&g.head))
            return false;
    }
    const char *family = json_string_value(json_object_get(object, "family"));
    const char **texts = yk_calloc(classes, sizeof *texts);
    bool good = family != NULL;
    for (size_t i = 0; texts && i < classes; i++) {
        texts[i] = json_string_value(json_array_get(names, i));
        good = good && texts[i];
    }
    g.family = (char *)family;
    g.class_names = (char **)texts;
    if (good && texts)
        yk_engine_shell(&g, outputs, &t->header.graph);
    yk_free(texts);
    return good;
}

static bool read_sections(const json_t *list, yk_engine_table *t)
{
    const size_t count = json_array_size(list);
    if (!json_is_array(list) || count < 1 || count > YK_ENGINE_FORMS + 1 ||
        !read_place(json_array_get(list, 0), "model", &t->places[0]))
        return false;
    for (size_t i = 1; i < count; i++) {
        const json_t *section = json_array_get(list, i);
        if (!read_place(section, "compiled", &t->places[i]) || !read_form(section, &t->forms[i - 1]) ||
            !read_pieces(json_object_get(section, "pieces"), &t->places[i]))
            return false;
        t->form_count = (int)i;
    }
    return true;
}

static bool read_precision(const json_t *root, char **out)
{
    static const char *const known[] = {"fp32", "fp16", "int8"};
    const char *text = json_string_value(json_object_get(root, "precision"));
    bool good = false;
    for (size_t i = 0; text && i < YK_COUNT(known); i++)
        good = good || strcmp(text, known[i]) == 0;
    return good && get_text(root, "precision", out);
}

static bool read_root(const json_t *root, yk_engine_table *t)
{
    yk_engine_header *h = &t->header;
    const json_t *source = json_object_get(root, "source");
    int64_t bytes, mtime, parameters;
    if (!get_text(root, "yolk", &h->yolk) || !get_text(source, "name", &h->source.name) ||
        !get_hash(source, "sha256", h->source.sha256) || !get_int(source, "bytes", 0, INT64_MAX, &bytes) ||
        !get_int(source, "mtime_ns", INT64_MIN, INT64_MAX, &mtime) || !read_precision(root, &h->precision) ||
        !get_flag(root, "converted", &h->converted) || !get_text(root, "check", &h->check) ||
        !get_text(root, "calibration", &h->calibration) || !get_text(root, "backend", &h->backend) ||
        !get_text(root, "device", &h->device) || !get_text(root, "fingerprint", &h->fingerprint) ||
        !get_int(root, "parameters", 0, INT64_MAX, &parameters) ||
        !get_small(root, "fixed_batch", 0, MOST_BATCH, &h->fixed_batch))
        return false;
    h->source.bytes = (uint64_t)bytes;
    h->source.mtime_ns = mtime;
    h->parameters = (uint64_t)parameters;
    return read_sections(json_object_get(root, "sections"), t) && read_model(json_object_get(root, "model"), t);
}

yolk_status yk_engine_table_read(const char *text, size_t size, yk_engine_table *out)
{
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return yk_fail(YOLK_ERROR_OUT_OF_MEMORY, "not enough memory for an engine's header");
    bool good = root && read_root(root, out);
    json_decref(root);
    if (!good)
        return yk_fail(YOLK_ERROR_DAMAGED, "the engine's header is not one that yolk writes");
    const yk_engine_header *h = &out->header;
    for (int i = 0; i <= out->form_count; i++) {
        if (out->places[i].piece_count > 0 && !out->places[i].pieces)
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    bool whole = h->yolk && h->source.name && h->precision && h->check && h->calibration && h->backend && h->device &&
                 h->fingerprint && h->graph;
    return whole ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}
