/* ONNX models in. */
#include "import/onnx_import.h"

#include <string.h>

enum { DEFAULT_SIDE = 640, DEFAULT_STRIDE = 32, MAX_SIDE = 1 << 15, MAX_BATCH = 1 << 12 };

/* ---- the input ---- */

static const yk_onnx_value *one_input(const yk_onnx_model *m)
{
    if (m->input_count == 1)
        return &m->values[m->inputs[0]];
    if (m->input_count == 0)
        yk_fail(YOLK_ERROR_DAMAGED, "the ONNX model has no input");
    else
        yk_fail(YOLK_ERROR_UNSUPPORTED,
                "the ONNX model has %d inputs (\"%s\", \"%s\", ...); yolk runs detectors that take one picture",
                m->input_count, yk_onnx_text_of(m->values[m->inputs[0]].name).text,
                yk_onnx_text_of(m->values[m->inputs[1]].name).text);
    return NULL;
}

static yolk_status check_input(const yk_onnx_value *v, yk_onnx_type_info *info)
{
    yk_onnx_text name = yk_onnx_text_of(v->name);
    char text[96];
    yolk_status status = yk_onnx_value_type(v, info);
    if (status != YOLK_OK)
        return status;
    if (info->type != YK_ONNX_FLOAT && info->type != YK_ONNX_FLOAT16)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "input \"%s\" of the ONNX model is not float32 or float16", name.text);
    yk_shape *s = &info->shape;
    if (s->rank < 0)
        *s = (yk_shape){.rank = 4, .dims = {-1, 3, -1, -1}};
    yk_shape_text(s, text);
    if (s->rank == 4 && s->dims[3] == 3 && s->dims[1] != 3)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "input \"%s\" of the ONNX model is %s, channels last; export the model with channels first",
                       name.text, text);
    if (s->rank != 4 || (s->dims[1] != 3 && s->dims[1] != -1))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "input \"%s\" of the ONNX model is %s; yolk needs N x 3 x H x W",
                       name.text, text);
    if (s->dims[0] > MAX_BATCH || s->dims[2] > MAX_SIDE || s->dims[3] > MAX_SIDE)
        return yk_fail(YOLK_ERROR_LIMIT, "input \"%s\" of the ONNX model is %s, which is too large", name.text, text);
    return YOLK_OK;
}

/* The size that the model is for, and those at which its arithmetic on shapes is looked at. */
static void choose_sizes(yk_onnx_importer *im, const yk_shape *s)
{
    int64_t size[2] = {DEFAULT_SIDE, DEFAULT_SIDE};
    int count = yk_python_ints(yk_onnx_metadata(&im->m, "imgsz"), size, 2);
    if (count == 1)
        size[1] = size[0];
    for (int i = 0; i < 2; i++) {
        if (size[i] < 1 || size[i] > MAX_SIDE)
            size[i] = DEFAULT_SIDE;
        if (s->dims[2 + i] > 0)
            size[i] = s->dims[2 + i];
    }
    im->g->input_height = (int)size[0];
    im->g->input_width = (int)size[1];
    /* Multiples of 128 suit every network: strides of 64 and attention that cuts a map in four. */
    const int64_t other[3] = {2, 384, 256};
    for (int i = 0; i < 3; i++) {
        bool open = s->dims[i ? i + 1 : 0] < 0;
        im->sizes[0][i] = i ? size[i - 1] : open ? 1 : s->dims[0];
        im->sizes[1][i] = open ? other[i] : im->sizes[0][i];
    }
    im->size_count = memcmp(im->sizes[0], im->sizes[1], sizeof im->sizes[0]) ? 2 : 1;
}

static yolk_status add_input(yk_onnx_importer *im)
{
    const yk_onnx_value *input = one_input(&im->m);
    yk_onnx_type_info info = {0};
    yolk_status status = input ? check_input(input, &info) : yk_last_status();
    if (status != YOLK_OK)
        return status;
    choose_sizes(im, &info.shape);
    im->m.values[im->m.inputs[0]].id = yk_graph_add_input(im->g, yk_onnx_text_of(input->name).text);
    return im->m.values[im->m.inputs[0]].id == YK_NONE ? yk_last_status() : YOLK_OK;
}

/* ---- metadata ---- */

static yolk_status check_task(const yk_onnx_model *m)
{
    yk_span task = yk_onnx_metadata(m, "task");
    if (task.size == 0 || yk_span_is(task, "detect"))
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "the model is for the task \"%s\"; yolk runs detection models",
                   yk_onnx_text_of(task).text);
}

/* "Ultralytics YOLOv8n model trained on ..." is a yolov8n. */
static char *family_of(const yk_onnx_model *m)
{
    static const char prefix[] = "Ultralytics ";
    yk_span own = yk_onnx_metadata(m, "yolk_family"), description = yk_onnx_metadata(m, "description");
    if (own.size > 0)
        return yk_strdup(yk_onnx_text_of(own).text);
    yk_onnx_text text = yk_onnx_text_of(description);
    if (strncmp(text.text, prefix, sizeof prefix - 1) != 0)
        return yk_strdup("");
    char *word = text.text + sizeof prefix - 1;
    size_t length = strcspn(word, " ");
    for (size_t i = 0; i < length; i++)
        word[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] | 32) : word[i];
    return yk_strndup(word, length);
}

static yolk_status read_metadata(yk_onnx_importer *im)
{
    int64_t stride = DEFAULT_STRIDE;
    yk_python_ints(yk_onnx_metadata(&im->m, "stride"), &stride, 1);
    im->g->stride = stride > 0 && stride <= 1024 ? (int)stride : DEFAULT_STRIDE;
    yk_onnx_read_head(&im->m, &im->g->head);
    char *family = family_of(&im->m);
    if (!family)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_free(im->g->family);
    im->g->family = family;
    yk_span check = yk_onnx_metadata(&im->m, "yolk_check");
    if (check.size == 0)
        return YOLK_OK;
    im->g->check = yk_strdup(yk_onnx_text_of(check).text);
    return im->g->check ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

/* The head by its output and the number of names, then the names. */
static yolk_status recognise_head(yk_onnx_importer *im, const char *wanted)
{
    yk_graph *g = im->g;
    char **found;
    int count;
    yolk_status status = yk_python_names(yk_onnx_metadata(&im->m, "names"), &found, &count);
    if (status != YOLK_OK)
        return status;
    if (count > 0)
        g->head.classes = count;
    status = yk_head_recognise(g, wanted);
    if (status != YOLK_OK) {
        yk_python_names_free(found, count);
        return status;
    }
    g->class_names = yk_calloc((size_t)g->head.classes, sizeof *g->class_names);
    for (int i = 0; i < YK_MIN(count, g->head.classes) && g->class_names; i++) {
        g->class_names[i] = found[i];
        found[i] = NULL;
    }
    yk_python_names_free(found, count);
    return g->class_names ? yk_import_fill_names(g) : YOLK_ERROR_OUT_OF_MEMORY;
}

/* ---- the network ---- */

static yolk_status add_nodes(yk_onnx_importer *im)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < im->m.order_count && status == YOLK_OK; i++)
        status = yk_onnx_convert_node(im, &im->m.nodes[im->m.order[i]]);
    return status;
}

static yolk_status add_outputs(yk_onnx_importer *im)
{
    if (im->m.output_count == 0)
        return yk_fail(YOLK_ERROR_DAMAGED, "the ONNX model has no output");
    for (int i = 0; i < im->m.output_count; i++) {
        const yk_onnx_value *v = &im->m.values[im->m.outputs[i]];
        yk_onnx_text name = yk_onnx_text_of(v->name);
        if (v->source != YK_ONNX_NODE || v->id == YK_NONE)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "output \"%s\" of the ONNX model is not computed from the picture",
                           name.text);
        yolk_status status = yk_graph_add_output(im->g, v->id);
        if (status == YOLK_OK)
            status = yk_graph_rename(im->g, v->id, name.text);
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

/* What can be said of weights only before they are float32. */
static void note_source_type(yk_graph *g)
{
    int64_t half = 0, single = 0;
    for (int i = 0; i < g->value_count; i++) {
        const yk_value *v = &g->values[i];
        if (v->data && v->type == YK_F16)
            half += yk_shape_count(&v->shape);
        else if (v->data && v->type == YK_F32)
            single += yk_shape_count(&v->shape);
    }
    g->fp16_source = half > single;
}

static yolk_status build(yk_onnx_importer *im, const yk_import_options *options)
{
    const int64_t *size = im->sizes[0];
    yolk_status status = check_task(&im->m);
    if (status == YOLK_OK)
        status = add_input(im);
    if (status == YOLK_OK)
        status = read_metadata(im);
    if (status == YOLK_OK)
        status = add_nodes(im);
    if (status == YOLK_OK)
        status = add_outputs(im);
    if (status != YOLK_OK)
        return status;
    note_source_type(im->g);
    status = yk_pass_to_f32(im->g);
    if (status == YOLK_OK)
        status = yk_pass_simplify(im->g);
    if (status == YOLK_OK)
        status = yk_graph_bind(im->g, size[0], size[1], size[2]);
    if (status == YOLK_OK)
        status = recognise_head(im, options ? options->head : NULL);
    if (status == YOLK_OK)
        status = yk_pass_simplify(im->g);
    if (status == YOLK_OK)
        status = yk_graph_bind(im->g, size[0], size[1], size[2]);
    return status == YOLK_OK ? yk_pass_free_shapes(im->g) : status;
}

yolk_status yk_import_onnx(const uint8_t *data, size_t size, const char *folder, const yk_import_options *options,
                           yk_graph **out)
{
    yk_onnx_importer im = {.folder = folder};
    *out = NULL;
    yolk_status status = yk_onnx_model_parse((yk_span){data, size}, &im.m);
    if (status == YOLK_OK)
        status = yk_graph_create(&im.g);
    if (status == YOLK_OK)
        status = build(&im, options);
    for (size_t i = 0; i < im.file_count; i++)
        yk_free(im.files[i].name);
    yk_free(im.files);
    yk_onnx_model_free(&im.m);
    if (status != YOLK_OK) {
        yk_graph_destroy(&im.g);
        return status;
    }
    *out = im.g;
    return YOLK_OK;
}
