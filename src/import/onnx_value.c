/* Inputs of nodes as values of the graph, or as the numbers that they are. */
#include "import/onnx_import.h"

#include <stdio.h>
#include <string.h>

/* Nodes that may be gone through again to find numbers that a model computes from shapes, a few hundred elements that
 * are computed on the way counting as one. A model of 500 nodes may ask thousands of times; a hostile one must not ask
 * for ever. */
enum { MAX_PROBE_COST = 4000000, ELEMENTS_OF_A_NODE = 256 };

yolk_status yk_onnx_fail(const yk_onnx_importer *im, const yk_onnx_node *n, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "node \"%s\" (%s): %s", yk_onnx_node_text(&im->m, n).text,
                   yk_onnx_text_of(n->op).text, why);
}

bool yk_onnx_has_input(const yk_onnx_node *n, int index)
{
    return index < n->input_count && n->inputs[index] >= 0;
}

yk_id yk_onnx_input(yk_onnx_importer *im, const yk_onnx_node *n, int index)
{
    if (!yk_onnx_has_input(n, index)) {
        yk_fail(YOLK_ERROR_DAMAGED, "node \"%s\" (%s): input %d is missing", yk_onnx_node_text(&im->m, n).text,
                yk_onnx_text_of(n->op).text, index);
        return YK_NONE;
    }
    yk_onnx_value *v = &im->m.values[n->inputs[index]];
    if (v->id != YK_NONE)
        return v->id;
    yk_onnx_text name = yk_onnx_text_of(v->name);
    if (v->source == YK_ONNX_INITIALIZER) {
        yk_onnx_tensor t;
        if (yk_onnx_read_tensor(im, im->m.tensors[v->index], name.text, &t) == YOLK_OK)
            v->id = yk_graph_add_constant(im->g, name.text, t.type, t.shape, t.data);
    } else {
        /* Everything else was converted before; what is not there is an output that yolk leaves out. */
        yk_fail(YOLK_ERROR_UNSUPPORTED, "node \"%s\" (%s) reads \"%s\", a second result that yolk does not compute",
                yk_onnx_node_text(&im->m, n).text, yk_onnx_text_of(n->op).text, name.text);
    }
    return v->id;
}

/* ---- numbers ---- */

static yolk_status bind_probe(yk_onnx_importer *im, int which)
{
    if (im->probe_cost > MAX_PROBE_COST)
        return yk_fail(YOLK_ERROR_LIMIT, "the ONNX model computes too much from shapes; export it again with simplify");
    const int64_t *s = im->sizes[which];
    yolk_status status = yk_graph_bind(im->g, s[0], s[1], s[2]);
    im->probe_cost += im->g->node_count + 1;
    for (int i = 0; i < im->g->value_count && status == YOLK_OK; i++) {
        const yk_value *v = &im->g->values[i];
        im->probe_cost += v->bound ? yk_shape_count(&v->shape) / ELEMENTS_OF_A_NODE : 0;
    }
    return status;
}

/* Copies a list of numbers as `type` (I64 or F32). False when it is not known, too long or of another kind. */
static bool copy_numbers(const yk_value *v, yk_type type, void *out, int most, int *count)
{
    int64_t n = yk_shape_count(&v->shape);
    if (!v->data || v->shape.rank > 1 || n < 0 || n > most)
        return false;
    *count = (int)n;
    for (int i = 0; i < *count; i++) {
        if (type == YK_F32 && v->type == YK_F32)
            ((float *)out)[i] = ((const float *)v->data)[i];
        else if (type == YK_F32 && v->type == YK_F64)
            ((float *)out)[i] = (float)((const double *)v->data)[i];
        else if (type == YK_I64 && v->type == YK_I64)
            ((int64_t *)out)[i] = ((const int64_t *)v->data)[i];
        else if (type == YK_I64 && v->type == YK_I32)
            ((int64_t *)out)[i] = ((const int32_t *)v->data)[i];
        else
            return false;
    }
    return true;
}

/* Numbers that every probing size gives, one list of `most` after the other. */
static yolk_status probe_numbers(yk_onnx_importer *im, const yk_onnx_node *n, int index, yk_type type, void *out,
                                 int most, int *count)
{
    yk_id id = yk_onnx_input(im, n, index);
    if (id == YK_NONE)
        return yk_last_status();
    int counts[2] = {0, 0};
    for (int i = 0; i < im->size_count; i++) {
        yolk_status status = bind_probe(im, i);
        if (status != YOLK_OK)
            return status;
        void *list = (uint8_t *)out + (size_t)i * (size_t)most * yk_type_size(type);
        if (!copy_numbers(&im->g->values[id], type, list, most, &counts[i]) || counts[i] != counts[0])
            return yk_onnx_fail(im, n, "input %d is not a list of at most %d numbers of type %s known beforehand",
                                index, most, yk_type_name(type));
    }
    *count = counts[0];
    return YOLK_OK;
}

static yolk_status input_numbers(yk_onnx_importer *im, const yk_onnx_node *n, int index, yk_type type, void *out,
                                 int most, int *count)
{
    enum { LONGEST = 64 };
    yk_id id = yk_onnx_input(im, n, index);
    if (id == YK_NONE)
        return yk_last_status();
    if (im->g->values[id].data && !im->g->values[id].bound) {
        if (copy_numbers(&im->g->values[id], type, out, most, count))
            return YOLK_OK;
        return yk_onnx_fail(im, n, "input %d is not a list of at most %d numbers of type %s", index, most,
                            yk_type_name(type));
    }
    int64_t lists[2 * LONGEST];
    most = YK_MIN(most, LONGEST);
    yolk_status status = probe_numbers(im, n, index, type, lists, most, count);
    if (status != YOLK_OK)
        return status;
    size_t used = (size_t)*count * yk_type_size(type), second = (size_t)most * yk_type_size(type);
    if (im->size_count > 1 && memcmp(lists, (uint8_t *)lists + second, used) != 0)
        return yk_onnx_fail(im, n,
                            "input %d changes with the picture's size; export the model again with a fixed size "
                            "or with simplify",
                            index);
    memcpy(out, lists, used);
    return YOLK_OK;
}

yolk_status yk_onnx_probe_ints(yk_onnx_importer *im, const yk_onnx_node *n, int index, int64_t *out, int most,
                               int *count)
{
    return probe_numbers(im, n, index, YK_I64, out, most, count);
}

yolk_status yk_onnx_input_ints(yk_onnx_importer *im, const yk_onnx_node *n, int index, int64_t *out, int most,
                               int *count)
{
    return input_numbers(im, n, index, YK_I64, out, most, count);
}

yolk_status yk_onnx_input_floats(yk_onnx_importer *im, const yk_onnx_node *n, int index, float *out, int most,
                                 int *count)
{
    return input_numbers(im, n, index, YK_F32, out, most, count);
}

yolk_status yk_onnx_ints(yk_onnx_importer *im, const yk_onnx_node *n, const char *attribute, int index, int64_t *out,
                         int most, int *count)
{
    *count = yk_onnx_attribute_ints(n, attribute, out, most);
    if (*count > most)
        return yk_onnx_fail(im, n, "%s has more than %d numbers", attribute, most);
    if (*count >= 0)
        return YOLK_OK;
    *count = 0;
    return yk_onnx_has_input(n, index) ? yk_onnx_input_ints(im, n, index, out, most, count) : YOLK_OK;
}

yolk_status yk_onnx_probe_shapes(yk_onnx_importer *im, yk_id value, yk_shape out[2])
{
    for (int i = 0; i < im->size_count; i++) {
        yolk_status status = bind_probe(im, i);
        if (status != YOLK_OK)
            return status;
        out[i] = im->g->values[value].shape;
    }
    if (im->size_count == 1)
        out[1] = out[0];
    return YOLK_OK;
}
