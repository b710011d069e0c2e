/* The module tree of a checkpoint: attributes, submodules, and building them in turn. */
#include "import/pt.h"

#include <stdio.h>
#include <string.h>

enum {
    DEPTH_LIMIT = 32,        /* real networks nest 8 deep */
    CHANNEL_LIMIT = 1 << 20, /* so that a few times as many still fit an int */
    ATTRIBUTE_LIMIT = 2048,  /* a module has some thirty */
};

typedef yk_pickle_value value;

void yk_pt_fail(yk_pt *pt, yolk_status status, const value *module, const char *format, ...)
{
    char words[512], label[YK_PICKLE_LABEL];
    if (pt->status != YOLK_OK)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    pt->status = yk_fail(status, "layer %s (%s): %s", pt->path_length > 0 ? pt->path : "model",
                         yk_pickle_label(module, label), words);
}

yk_pt_x yk_pt_none(void)
{
    return (yk_pt_x){.id = YK_NONE, .stride = 1};
}

yk_pt_x yk_pt_result(yk_pt *pt, yk_id id, int channels, double stride)
{
    if (id != YK_NONE)
        return (yk_pt_x){.id = id, .channels = channels, .stride = stride};
    if (pt->status == YOLK_OK)
        pt->status = yk_last_status();
    return yk_pt_none();
}

/* ---- what a module holds ---- */

/* Value of a key in a mapping of a module's size; None counts as missing. */
static const value *find(const value *mapping, const char *key)
{
    if (!mapping || mapping->count > 2 * ATTRIBUTE_LIMIT)
        return NULL;
    const value *v = yk_pickle_get(mapping, key);
    return v && v->type != YK_PICKLE_NONE ? v : NULL;
}

const value *yk_pt_attribute(const value *module, const char *name)
{
    const value *state = module && module->type == YK_PICKLE_OBJECT ? module->state : NULL;
    if (state && state->type == YK_PICKLE_TUPLE) /* with __slots__ */
        state = yk_pickle_at(state, 0);
    return find(state, name);
}

int64_t yk_pt_int(const value *module, const char *name, int64_t otherwise)
{
    int64_t number;
    return yk_pickle_int(yk_pt_attribute(module, name), &number) ? number : otherwise;
}

/* A number that a layer's size may be: far larger ones are mistakes, and would not fit where they are multiplied. */
static bool small_number(const value *v, int *out)
{
    double number;
    if (!yk_pickle_number(v, &number) || !(number >= 0 && number <= 1 << 20) || number != (int)number)
        return false;
    *out = (int)number;
    return true;
}

bool yk_pt_pair(yk_pt *pt, const value *module, const char *name, int out[2])
{
    const value *v = yk_pt_attribute(module, name);
    if (small_number(v, &out[0])) {
        out[1] = out[0];
        return true;
    }
    if (yk_pickle_length(v) == 2 && small_number(yk_pickle_at(v, 0), &out[0]) &&
        small_number(yk_pickle_at(v, 1), &out[1]))
        return true;
    yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its %s is missing or not of a kind that yolk knows", name);
    return false;
}

int yk_pt_same(yk_pt *pt, const value *module, const char *name, int otherwise)
{
    int pair[2];
    if (!yk_pt_attribute(module, name))
        return otherwise;
    if (!yk_pt_pair(pt, module, name, pair))
        return otherwise;
    if (pair[0] != pair[1])
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its %s is %dx%d; yolk knows only equal ones here", name,
                   pair[0], pair[1]);
    return pair[0];
}

const value *yk_pt_tensor(const value *module, const char *name)
{
    const value *v = find(yk_pt_attribute(module, "_parameters"), name);
    return v ? v : find(yk_pt_attribute(module, "_buffers"), name);
}

const value *yk_pt_child(const value *module, const char *name)
{
    return find(yk_pt_attribute(module, "_modules"), name);
}

static const value *children(const value *module)
{
    const value *modules = yk_pt_attribute(module, "_modules");
    return modules && modules->pairs ? modules : NULL;
}

size_t yk_pt_child_count(const value *module)
{
    const value *modules = children(module);
    return modules ? modules->count / 2 : 0;
}

const value *yk_pt_child_at(const value *module, size_t index)
{
    const value *modules = children(module);
    return modules && index < modules->count / 2 ? modules->items[2 * index + 1] : NULL;
}

static bool begins(const value *v, const char *prefix)
{
    size_t length = strlen(prefix);
    return v->module_length >= length && memcmp(v->module, prefix, length) == 0;
}

bool yk_pt_is(const value *module, const char *name)
{
    static const char torch[] = "torch.nn.";
    const value *class = module && module->type == YK_PICKLE_OBJECT ? module->called : NULL;
    if (!class)
        return false;
    if (strncmp(name, torch, sizeof(torch) - 1) == 0) {
        if (!begins(class, torch))
            return false;
        name += sizeof(torch) - 1;
    } else if (!begins(class, "ultralytics.") && !begins(class, "models.") && !begins(class, "yolov5.models.")) {
        return false;
    }
    return class->name_length == strlen(name) && memcmp(class->name, name, class->name_length) == 0;
}

/* ---- the path ---- */

size_t yk_pt_enter(yk_pt *pt, const char *name)
{
    size_t before = pt->path_length;
    int n = snprintf(pt->path + before, sizeof(pt->path) - before, "%s%s", before > 0 ? "." : "", name);
    pt->path_length = YK_MIN(before + (size_t)YK_MAX(n, 0), sizeof(pt->path) - 1);
    return before;
}

void yk_pt_leave(yk_pt *pt, size_t before)
{
    pt->path_length = before;
    pt->path[before] = '\0';
}

const char *yk_pt_name(yk_pt *pt, const char *suffix)
{
    snprintf(pt->name, sizeof(pt->name), "%s%s", pt->path, suffix);
    return pt->name;
}

/* ---- building ---- */

yk_pt_x yk_pt_build(yk_pt *pt, const value *module, const yk_pt_x *inputs, int count)
{
    char label[YK_PICKLE_LABEL];
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    if (pt->depth >= DEPTH_LIMIT || pt->modules_left <= 0) {
        yk_pt_fail(pt, YOLK_ERROR_LIMIT, module,
                   "the network has more modules, or nests them deeper, than any detector");
        return yk_pt_none();
    }
    const yk_pt_class *class = yk_pt_class_of(module);
    if (!class) {
        pt->status = yk_fail(YOLK_ERROR_UNSUPPORTED,
                             "layer %s is a %s, a kind of module that yolk does not know; export the model to ONNX "
                             "and use that",
                             pt->path, yk_pickle_label(module, label));
        return yk_pt_none();
    }
    if (!class->join && (count != 1 || inputs[0].splits)) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "it takes one input and is given several");
        return yk_pt_none();
    }
    pt->depth++;
    pt->modules_left--;
    yk_pt_x result = class->join ? class->join(pt, module, inputs, count) : class->build(pt, module, inputs[0]);
    pt->depth--;
    return result;
}

yk_pt_x yk_pt_build_child(yk_pt *pt, const value *module, const char *name, yk_pt_x x)
{
    const value *child = yk_pt_child(module, name);
    if (!child) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its part \"%s\" is missing", name);
        return yk_pt_none();
    }
    size_t before = yk_pt_enter(pt, name);
    yk_pt_x result = yk_pt_build(pt, child, &x, 1);
    yk_pt_leave(pt, before);
    return result;
}

yk_pt_x yk_pt_build_at(yk_pt *pt, const value *module, size_t index, yk_pt_x x)
{
    char name[24];
    snprintf(name, sizeof(name), "%zu", index);
    size_t before = yk_pt_enter(pt, name);
    yk_pt_x result = yk_pt_build(pt, yk_pt_child_at(module, index), &x, 1);
    yk_pt_leave(pt, before);
    return result;
}

yk_pt_x yk_pt_sequence(yk_pt *pt, const value *module, yk_pt_x x)
{
    size_t count = yk_pt_child_count(module);
    for (size_t i = 0; i < count && pt->status == YOLK_OK; i++)
        x = yk_pt_build_at(pt, module, i, x);
    return pt->status == YOLK_OK ? x : yk_pt_none();
}

yk_pt_x yk_pt_add(yk_pt *pt, yk_pt_x a, yk_pt_x b)
{
    if (pt->status == YOLK_OK && a.channels != b.channels)
        pt->status = yk_fail(YOLK_ERROR_DAMAGED, "layer %s: %d channels cannot be added to %d", pt->path, b.channels,
                             a.channels);
    if (pt->status == YOLK_OK && a.stride != b.stride)
        pt->status = yk_fail(YOLK_ERROR_DAMAGED, "layer %s: tensors at strides %g and %g cannot be added", pt->path,
                             a.stride, b.stride);
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    return yk_pt_result(pt, yk_build_binary(pt->graph, YK_OP_ADD, a.id, b.id, yk_pt_name(pt, ".add")), a.channels,
                        a.stride);
}

yk_pt_x yk_pt_slice(yk_pt *pt, yk_pt_x x, int begin, int end)
{
    if (pt->status == YOLK_OK && (begin < 0 || begin >= end || end > x.channels))
        pt->status = yk_fail(YOLK_ERROR_DAMAGED, "layer %s: of %d channels none can be %d to %d", pt->path, x.channels,
                             begin, end);
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    return yk_pt_result(pt, yk_build_slice(pt->graph, x.id, 1, begin, end, yk_pt_name(pt, ".slice")), end - begin,
                        x.stride);
}

yk_pt_x yk_pt_concat(yk_pt *pt, const yk_pt_x *parts, int count)
{
    yk_id ids[YK_PT_PARTS];
    int channels = 0;
    for (int i = 0; i < count && pt->status == YOLK_OK; i++) {
        ids[i] = parts[i].id;
        channels += parts[i].channels;
        if (parts[i].stride != parts[0].stride)
            pt->status = yk_fail(YOLK_ERROR_DAMAGED, "layer %s: tensors of different sizes cannot be joined", pt->path);
        else if (channels > CHANNEL_LIMIT)
            pt->status =
                yk_fail(YOLK_ERROR_LIMIT, "layer %s: more than %d channels are joined", pt->path, CHANNEL_LIMIT);
    }
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    return yk_pt_result(pt, yk_build_concat(pt->graph, ids, count, 1, yk_pt_name(pt, ".concat")), channels,
                        parts[0].stride);
}
