/* ONNX nodes as nodes of the graph: the operators that both have. */
#include "import/onnx_import.h"

#include <string.h>

yolk_status yk_onnx_add(yk_onnx_importer *im, const yk_onnx_node *n, yk_op op, const yk_id *inputs, int count,
                        const yk_attrs *attrs, yk_id *out)
{
    yk_onnx_text name = yk_onnx_node_text(&im->m, n);
    int index = yk_graph_add_node(im->g, op, name.text, inputs, count, op == YK_OP_TOPK ? 2 : 1, attrs);
    if (index < 0)
        return yk_last_status();
    const yk_node *node = &im->g->nodes[index];
    if (out) {
        *out = node->outputs[0];
        return YOLK_OK;
    }
    for (int i = 0; i < node->output_count; i++)
        yk_onnx_result(im, n, i, node->outputs[i]);
    return YOLK_OK;
}

void yk_onnx_result(yk_onnx_importer *im, const yk_onnx_node *n, int index, yk_id id)
{
    if (index < n->output_count && n->outputs[index] >= 0)
        im->m.values[n->outputs[index]].id = id;
}

static yolk_status axis_of(yk_onnx_importer *im, const yk_onnx_node *n, int64_t otherwise, int *out)
{
    int64_t axis = yk_onnx_attribute_int(n, "axis", otherwise);
    if (axis < -YK_MAX_RANK || axis > YK_MAX_RANK)
        return yk_onnx_fail(im, n, "axis %lld is out of range", (long long)axis);
    *out = (int)axis;
    return YOLK_OK;
}

/* Until operator set 12 Softmax went over all dimensions from its axis on. */
static yolk_status softmax_axis(yk_onnx_importer *im, const yk_onnx_node *n, yk_id input, int *axis)
{
    yolk_status status = axis_of(im, n, im->m.opset < 13 ? 1 : -1, axis);
    if (status != YOLK_OK || im->m.opset >= 13 || *axis == -1)
        return status;
    yk_shape shapes[2];
    status = yk_onnx_probe_shapes(im, input, shapes);
    if (status == YOLK_OK && *axis != shapes[0].rank - 1)
        return yk_onnx_fail(im, n, "it goes over several dimensions at once; export the model with opset=13 or later");
    return status;
}

/* Attributes that have the same meaning in the graph. */
static yolk_status read_attributes(yk_onnx_importer *im, const yk_onnx_node *n, yk_op op, yk_id input, yk_attrs *a)
{
    int64_t type;
    switch (op) {
    case YK_OP_CONCAT:
    case YK_OP_GATHER:
    case YK_OP_GATHER_ELEMENTS:
        return axis_of(im, n, 0, &a->axis);
    case YK_OP_FLATTEN:
    case YK_OP_QUANTIZE:
    case YK_OP_DEQUANTIZE:
        return axis_of(im, n, 1, &a->axis);
    case YK_OP_SOFTMAX:
        return softmax_axis(im, n, input, &a->axis);
    case YK_OP_TOPK:
        a->largest = yk_onnx_attribute_int(n, "largest", 1) != 0;
        a->sorted = yk_onnx_attribute_int(n, "sorted", 1) != 0;
        return axis_of(im, n, -1, &a->axis);
    case YK_OP_ARG_MAX:
        if (yk_onnx_attribute_int(n, "select_last_index", 0))
            return yk_onnx_fail(im, n, "it takes the last of equals, which yolk does not");
        a->keepdims = yk_onnx_attribute_int(n, "keepdims", 1) != 0;
        return axis_of(im, n, 0, &a->axis);
    case YK_OP_GATHER_ND:
        if (yk_onnx_attribute_int(n, "batch_dims", 0))
            return yk_onnx_fail(im, n, "batch_dims is not 0, which yolk does not do");
        return YOLK_OK;
    case YK_OP_MOD:
        a->fmod = yk_onnx_attribute_int(n, "fmod", 0) != 0;
        return YOLK_OK;
    case YK_OP_CAST:
        type = yk_onnx_attribute_int(n, "to", 0);
        if (!yk_onnx_element_type(type, &a->to))
            return yk_onnx_fail(im, n, "element type %lld is not one that yolk knows", (long long)type);
        return YOLK_OK;
    case YK_OP_LEAKY_RELU:
        a->alpha = yk_onnx_attribute_float(n, "alpha", 0.01f);
        return YOLK_OK;
    case YK_OP_ELU:
        a->alpha = yk_onnx_attribute_float(n, "alpha", 1.0f);
        return YOLK_OK;
    case YK_OP_HARD_SIGMOID:
        a->alpha = yk_onnx_attribute_float(n, "alpha", 0.2f);
        a->beta = yk_onnx_attribute_float(n, "beta", 0.5f);
        return YOLK_OK;
    case YK_OP_BATCH_NORM:
        a->alpha = yk_onnx_attribute_float(n, "epsilon", 1e-5f);
        return YOLK_OK;
    case YK_OP_GELU:
        a->approximate = yk_onnx_attribute_is(n, "approximate", "tanh");
        return YOLK_OK;
    case YK_OP_GEMM:
        a->alpha = yk_onnx_attribute_float(n, "alpha", 1.0f);
        a->beta = yk_onnx_attribute_float(n, "beta", 1.0f);
        a->transpose_a = yk_onnx_attribute_int(n, "transA", 0) != 0;
        a->transpose_b = yk_onnx_attribute_int(n, "transB", 0) != 0;
        return YOLK_OK;
    case YK_OP_SPACE_TO_DEPTH:
    case YK_OP_DEPTH_TO_SPACE:
        if (yk_onnx_attribute_is(n, "mode", "CRD"))
            return yk_onnx_fail(im, n, "mode CRD is not one that yolk does");
        type = yk_onnx_attribute_int(n, "blocksize", 0);
        a->block = type > 0 && type < 1024 ? (int)type : 0;
        return YOLK_OK;
    case YK_OP_TRANSPOSE:
        a->axes_count = yk_onnx_attribute_ints(n, "perm", a->axes, YK_MAX_RANK);
        if (a->axes_count > YK_MAX_RANK)
            return yk_onnx_fail(im, n, "it has more than %d dimensions", YK_MAX_RANK);
        a->axes_count = YK_MAX(a->axes_count, 0);
        return YOLK_OK;
    default:
        return YOLK_OK;
    }
}

static yolk_status convert_plain(yk_onnx_importer *im, const yk_onnx_node *n, yk_op op)
{
    enum { MOST = 64 };
    yk_id inputs[MOST] = {YK_NONE};
    int count = n->input_count;
    while (count > 0 && n->inputs[count - 1] < 0)
        count--;
    if (count > MOST)
        return yk_onnx_fail(im, n, "it has %d inputs; yolk takes up to %d", count, MOST);
    if (count == 0)
        return yk_onnx_fail(im, n, "it has no input");
    for (int i = 0; i < count; i++) {
        inputs[i] = YK_NONE;
        if (!yk_onnx_has_input(n, i))
            continue;
        inputs[i] = yk_onnx_input(im, n, i);
        if (inputs[i] == YK_NONE)
            return yk_last_status();
    }
    yk_attrs attrs = {0};
    yolk_status status = read_attributes(im, n, op, inputs[0], &attrs);
    return status == YOLK_OK ? yk_onnx_add(im, n, op, inputs, count, &attrs, NULL) : status;
}

static yolk_status unknown_operator(const yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_onnx_text op = yk_onnx_text_of(n->op), domain = yk_onnx_text_of(n->domain);
    if (yk_span_is(n->op, "NonMaxSuppression") || strstr(op.text, "NMS"))
        return yk_onnx_fail(im, n,
                            "the model suppresses boxes itself, which yolk does better: export it with nms=False");
    return yk_onnx_fail(im, n, "yolk does not know the operator %s%s%s", domain.text, domain.text[0] ? "." : "",
                        op.text);
}

yolk_status yk_onnx_convert_node(yk_onnx_importer *im, const yk_onnx_node *n)
{
    if (n->domain.size != 0 && !yk_span_is(n->domain, "ai.onnx"))
        return unknown_operator(im, n);
    yk_onnx_converter convert = yk_onnx_layer_converter(n->op);
    if (!convert)
        convert = yk_onnx_parts_converter(n->op);
    if (convert)
        return convert(im, n);
    yk_op op;
    if (!yk_op_find(yk_onnx_text_of(n->op).text, &op))
        return unknown_operator(im, n);
    return convert_plain(im, n, op);
}
