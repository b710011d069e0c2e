/* Ultralytics checkpoints: opening one, walking its layers, and what it says about itself. */
#include "import/pt.h"
#include "import/import.h"

#include <stdio.h>
#include <string.h>

enum {
    LAYER_LIMIT = 1024,
    INPUT_LIMIT = 64, /* of one layer */
    MODULE_LIMIT = 20000,
    PICKLE_LIMIT = 256 << 20,
};

typedef yk_pickle_value value;

/* What checkpoints call to make data. None of it is run: each call is kept as an object of that name. */
static const char *const callable[] = {
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "collections.deque",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.Size",
    "torch.device",
    "torch.dtype",
    "__builtin__.set",
    "builtins.set",
    "__builtin__.frozenset",
    "builtins.frozenset",
    "__builtin__.slice",
    "builtins.slice",
    "__builtin__.complex",
    "builtins.complex",
    "__builtin__.bytearray",
    "builtins.bytearray",
    "__builtin__.getattr", /* a bound method, which a fused model has in place of forward() */
    "builtins.getattr",
    "_codecs.encode",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "datetime.timezone",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.numeric._frombuffer",
    "numpy._core.numeric._frombuffer",
    "types.SimpleNamespace",
    "ultralytics.utils.IterableSimpleNamespace",
    "ultralytics.yolo.utils.IterableSimpleNamespace",
    "torchvision.transforms.functional.InterpolationMode", /* in classifiers, which are told apart later */
};

/* ---- opening ---- */

static bool ends_with(const yk_zip_entry *e, const char *ending)
{
    size_t length = strlen(ending);
    return e->name_length >= length && memcmp(e->name + e->name_length - length, ending, length) == 0;
}

/* The folder that everything is in has any name; it is where data.pkl lies. */
static const yk_zip_entry *find_pickle(yk_pt *pt)
{
    const yk_zip_entry *found = NULL;
    for (size_t i = 0; i < pt->zip.count; i++) {
        const yk_zip_entry *e = &pt->zip.entries[i];
        if (ends_with(e, "/data.pkl") && (!found || e->name_length < found->name_length))
            found = e;
    }
    if (found) {
        pt->folder = found->name;
        pt->folder_length = found->name_length - strlen("data.pkl");
    }
    return found;
}

static const yk_zip_entry *find_entry(const yk_pt *pt, const char *name)
{
    char full[1024];
    int n = snprintf(full, sizeof(full), "%.*s%s", (int)YK_MIN(pt->folder_length, 900u), pt->folder, name);
    return yk_zip_find(&pt->zip, full, (size_t)n);
}

static yolk_status open_archive(yk_pt *pt, const uint8_t *data, size_t size)
{
    yolk_status status = yk_zip_open(data, size, &pt->zip);
    if (status != YOLK_OK)
        return status;
    pt->checked = yk_calloc(pt->zip.count, sizeof(*pt->checked));
    if (!pt->checked)
        return YOLK_ERROR_OUT_OF_MEMORY;
    const yk_zip_entry *pickle = find_pickle(pt);
    if (!pickle)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "the zip archive holds no data.pkl, so it is no checkpoint of PyTorch");
    if (pickle->size > PICKLE_LIMIT)
        return yk_fail(YOLK_ERROR_LIMIT, "the checkpoint's pickle has %zu bytes, far more than one of a detector",
                       pickle->size);
    if (find_entry(pt, "constants.pkl"))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "it is a TorchScript program, not a checkpoint; use the checkpoint "
                                               "(.pt) that it was exported from");
    const yk_zip_entry *order = find_entry(pt, "byteorder");
    pt->big_endian = order && order->size == 3 && memcmp(order->data, "big", 3) == 0;
    status = yk_zip_check(pickle);
    if (status != YOLK_OK)
        return status;
    return yk_pickle_read(pickle->data, pickle->size, callable, YK_COUNT(callable), &pt->pickle);
}

static bool is_module(const value *v)
{
    return yk_pt_attribute(v, "_modules") != NULL;
}

static const value *not_none(const value *v)
{
    return v && v->type != YK_PICKLE_NONE ? v : NULL;
}

/* The network: what was saved itself, or what a dictionary holds as "ema" or else "model". */
static const value *find_model(yk_pt *pt)
{
    const value *root = pt->pickle.root, *model = root;
    if (!is_module(root)) {
        model = not_none(yk_pickle_get(root, "ema"));
        if (!model)
            model = not_none(yk_pickle_get(root, "model"));
    }
    if (is_module(model))
        return model;
    bool weights = (model && model->pairs) || yk_pickle_get(root, "state_dict") || (root && root->pairs && !model);
    pt->status =
        yk_fail(YOLK_ERROR_UNSUPPORTED,
                weights ? "the checkpoint holds weights only (a state_dict) and not the network they belong to; "
                          "save the whole model with torch.save()"
                        : "the checkpoint holds no network");
    return NULL;
}

/* ---- layers ---- */

/* Output number `from` as seen by layer `index`: -1 is the layer before, -2 the one before that. */
static bool resolve(const value *from, int index, const yk_pt_x *outputs, yk_pt_x input, yk_pt_x *out)
{
    int64_t at;
    if (!yk_pickle_int(from, &at))
        return false;
    if (at < 0)
        at += index;
    if (at == -1 && index == 0) {
        *out = input;
        return true;
    }
    if (at < 0 || at >= index)
        return false;
    *out = outputs[at];
    return true;
}

static bool collect_inputs(yk_pt *pt, const value *module, int index, const yk_pt_x *outputs, yk_pt_x input,
                           yk_pt_x *inputs, int *count)
{
    const value *from = yk_pt_attribute(module, "f");
    size_t length = yk_pickle_length(from);
    bool ok;
    if (length > 0) {
        ok = length <= INPUT_LIMIT;
        for (size_t i = 0; ok && i < length; i++)
            ok = resolve(yk_pickle_at(from, i), index, outputs, input, &inputs[i]);
        *count = (int)length;
    } else {
        ok = resolve(from, index, outputs, input, &inputs[0]);
        *count = 1;
    }
    if (!ok)
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "where its input comes from is missing or not a layer before it");
    return ok;
}

static void check_head(yk_pt *pt, const value *module)
{
    char label[YK_PICKLE_LABEL];
    const char *task = yk_pt_other_task(module);
    if (task)
        pt->status =
            yk_fail(YOLK_ERROR_UNSUPPORTED, "the model's head, %s, is for %s; yolk runs models of the detection task",
                    yk_pickle_label(module, label), task);
}

static void build_layers(yk_pt *pt, const value *model)
{
    yk_pt_x outputs[LAYER_LIMIT], inputs[INPUT_LIMIT];
    const value *layers = yk_pt_child(model, "model"), *last;
    size_t count = yk_pt_child_count(layers);
    if (!yk_pt_is(layers, "torch.nn.Sequential") || count == 0 || count > LAYER_LIMIT) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, model, "it is no network of 1 to %d layers", LAYER_LIMIT);
        return;
    }
    last = yk_pt_child_at(layers, count - 1);
    check_head(pt, last);
    yk_pt_x input = yk_pt_result(pt, yk_graph_add_input(pt->graph, "images"), 3, 1);
    yk_pt_enter(pt, "model");
    for (size_t i = 0; i < count && pt->status == YOLK_OK; i++) {
        const value *layer = yk_pt_child_at(layers, i);
        char name[24];
        int input_count;
        snprintf(name, sizeof(name), "%zu", i);
        size_t before = yk_pt_enter(pt, name);
        if (collect_inputs(pt, layer, (int)i, outputs, input, inputs, &input_count)) {
            if (i + 1 == count && yk_pt_is_head(layer))
                yk_pt_head(pt, layer, yk_pt_attribute(model, "yaml"), inputs, input_count);
            else
                outputs[i] = yk_pt_build(pt, layer, inputs, input_count);
        }
        yk_pt_leave(pt, before);
    }
    if (pt->status == YOLK_OK && pt->graph->output_count == 0)
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, last, "the model does not end in a detection head");
    yk_pt_leave(pt, 0);
}

/* ---- what the model says about itself ---- */

static void read_names(yk_pt *pt, const value *model)
{
    yk_graph *g = pt->graph;
    const value *names = yk_pt_attribute(model, "names");
    size_t count = (size_t)g->head.classes, listed = yk_pickle_length(names);
    g->class_names = yk_calloc(count, sizeof(*g->class_names));
    const value **found = yk_calloc(count, sizeof(*found));
    if (!g->class_names || !found) {
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < listed && i < count; i++)
        found[i] = yk_pickle_at(names, i);
    for (uint32_t i = 0; names && names->pairs && i + 1 < names->count; i += 2) {
        int64_t number;
        if (yk_pickle_int(names->items[i], &number) && number >= 0 && (uint64_t)number < count)
            found[number] = names->items[i + 1];
    }
    for (size_t i = 0; i < count && pt->status == YOLK_OK; i++) {
        if (!found[i] || found[i]->type != YK_PICKLE_TEXT || found[i]->length == 0)
            continue;
        g->class_names[i] = yk_strndup(found[i]->text, found[i]->length);
        if (!g->class_names[i])
            pt->status = YOLK_ERROR_OUT_OF_MEMORY;
    }
    if (pt->status == YOLK_OK)
        pt->status = yk_import_fill_names(g);

done:
    yk_free(found);
}

/* The settings it was trained with: a dictionary, or an object with attributes. */
static const value *find_setting(const value *root, const value *model, const char *name)
{
    const value *places[2] = {yk_pickle_get(root, "train_args"), yk_pt_attribute(model, "args")};
    for (int i = 0; i < 2; i++) {
        const value *v = not_none(yk_pickle_get(places[i], name));
        if (!v)
            v = yk_pt_attribute(places[i], name);
        if (v)
            return v;
    }
    return NULL;
}

/* Sizes are rounded up to what the strides allow. */
static void read_size(yk_pt *pt, const value *model)
{
    yk_graph *g = pt->graph;
    const value *size = find_setting(pt->pickle.root, model, "imgsz");
    int64_t sides[2] = {640, 640};
    if (yk_pickle_int(size, &sides[0]))
        sides[1] = sides[0];
    else if (yk_pickle_length(size) != 2 || !yk_pickle_int(yk_pickle_at(size, 0), &sides[0]) ||
             !yk_pickle_int(yk_pickle_at(size, 1), &sides[1]))
        sides[0] = sides[1] = 640;
    g->stride = 1;
    for (int i = 0; i < g->head.levels; i++)
        g->stride = YK_MAX(g->stride, g->head.strides[i]);
    for (int i = 0; i < 2; i++) {
        if (sides[i] < 1 || sides[i] > 1 << 14)
            sides[i] = 640;
        sides[i] = (sides[i] + g->stride - 1) / g->stride * g->stride;
    }
    g->input_height = (int)sides[0];
    g->input_width = (int)sides[1];
    g->dynamic_size = g->dynamic_batch = true;
}

/* Name of a file without folders and ending; an empty one for what is no name. */
static void stem_of(const value *path, char out[64])
{
    out[0] = '\0';
    if (!path || path->type != YK_PICKLE_TEXT)
        return;
    size_t begin = 0, end = path->length;
    for (size_t i = 0; i < path->length; i++) {
        if (path->text[i] == '/' || path->text[i] == '\\')
            begin = i + 1;
    }
    for (size_t i = end; i > begin + 1; i--) {
        if (path->text[i - 1] == '.') {
            end = i - 1;
            break;
        }
    }
    snprintf(out, 64, "%.*s", (int)YK_MIN(end - begin, (size_t)63), path->text + begin);
}

/* Which family has such layers; only for a model that does not say. */
static const char *guess_family(const value *layers)
{
    static const struct {
        const char *class, *family;
    } signs[] = {
        {"v10Detect", "yolov10"}, {"A2C2f", "yolo12"}, {"C3k2", "yolo11"},  {"RepNCSPELAN4", "yolov9"},
        {"C2f", "yolov8"},        {"C3", "yolov5"},    {"Focus", "yolov5"}, {"BottleneckCSP", "yolov5"},
    };
    for (size_t i = 0; i < YK_COUNT(signs); i++) {
        for (size_t j = 0; j < yk_pt_child_count(layers); j++) {
            if (yk_pt_is(yk_pt_child_at(layers, j), signs[i].class))
                return signs[i].family;
        }
    }
    return "";
}

static void read_family(yk_pt *pt, const value *model)
{
    yk_graph *g = pt->graph;
    const value *yaml = yk_pt_attribute(model, "yaml"), *scale = yk_pickle_get(yaml, "scale");
    char stem[64], family[80];
    stem_of(yk_pickle_get(yaml, "yaml_file"), stem);
    if (!stem[0])
        stem_of(yk_pt_attribute(model, "yaml_file"), stem);
    if (!stem[0])
        stem_of(find_setting(pt->pickle.root, model, "model"), stem);
    size_t n = strlen(stem);
    bool scaled = n > 0 && stem[n - 1] >= '0' && stem[n - 1] <= '9' && scale && scale->type == YK_PICKLE_TEXT &&
                  scale->length == 1;
    if (n > 0)
        snprintf(family, sizeof(family), "%s%.*s", stem, scaled ? 1 : 0, scaled ? scale->text : "");
    else if (g->head.end2end && g->head.reg_max == 1)
        snprintf(family, sizeof(family), "yolo26");
    else
        snprintf(family, sizeof(family), "%s", guess_family(yk_pt_child(model, "model")));
    yk_free(g->family);
    g->family = yk_strdup(family);
    if (!g->family)
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
}

/* ---- the whole ---- */

/* Before torch 1.6 there was no archive, only pickles one after the other, the first of them a fixed number. */
static bool is_old_format(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    return size >= 2 + sizeof(magic) && data[0] == 0x80 && memcmp(data + 2, magic, sizeof(magic)) == 0;
}

yolk_status yk_import_pt(const uint8_t *data, size_t size, yk_graph **out)
{
    /* Every element is used once, or twice where layers share weights; an element takes at least two bytes. */
    yk_pt pt = {.elements_left = (uint64_t)size + 4096, .modules_left = MODULE_LIMIT};
    *out = NULL;
    if (is_old_format(data, size))
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "the checkpoint is in the format of PyTorch before 1.6; load it there and "
                       "save it again with torch.save()");
    if (!yk_zip_matches(data, size))
        return yk_fail(YOLK_ERROR_DAMAGED, "it is no checkpoint: those begin as zip archives do");
    pt.status = open_archive(&pt, data, size);
    const value *model = pt.status == YOLK_OK ? find_model(&pt) : NULL;
    if (pt.status == YOLK_OK)
        pt.status = yk_graph_create(&pt.graph);
    if (pt.status == YOLK_OK)
        build_layers(&pt, model);
    if (pt.status == YOLK_OK)
        read_names(&pt, model);
    if (pt.status == YOLK_OK)
        read_size(&pt, model);
    if (pt.status == YOLK_OK)
        read_family(&pt, model);
    if (pt.status == YOLK_OK)
        pt.status = yk_pass_simplify(pt.graph);
    if (pt.status == YOLK_OK)
        *out = pt.graph;
    else
        yk_graph_destroy(&pt.graph);
    yk_pickle_free(&pt.pickle);
    yk_free(pt.checked);
    yk_zip_close(&pt.zip);
    return pt.status;
}
