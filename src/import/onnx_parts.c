/* ONNX operators that the graph has not: said with several nodes, or with none. */
#include "import/onnx_import.h"

static yolk_status convert_identity(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE)
        return yk_last_status();
    yk_onnx_result(im, n, 0, x);
    return YOLK_OK;
}

/* ---- Split ---- */

static yolk_status split_sizes(yk_onnx_importer *im, const yk_onnx_node *n, yk_id x, int64_t axis, int64_t *sizes,
                               int parts)
{
    int count;
    yolk_status status = yk_onnx_ints(im, n, "split", 1, sizes, parts, &count);
    if (status != YOLK_OK)
        return status;
    if (count == parts)
        return YOLK_OK;
    if (count != 0)
        return yk_onnx_fail(im, n, "it has %d outputs and %d sizes", parts, count);
    yk_shape shapes[2];
    status = yk_onnx_probe_shapes(im, x, shapes);
    if (status != YOLK_OK)
        return status;
    int64_t place = axis < 0 ? axis + shapes[0].rank : axis;
    if (place < 0 || place >= shapes[0].rank || shapes[0].dims[place] != shapes[1].dims[place])
        return yk_onnx_fail(im, n, "it splits a dimension that changes with the picture's size");
    /* In equal parts, of which the last may be smaller. */
    int64_t size = (shapes[0].dims[place] + parts - 1) / parts;
    for (int i = 0; i < parts; i++)
        sizes[i] = YK_MAX(0, YK_MIN(size, shapes[0].dims[place] - i * size));
    return YOLK_OK;
}

static yolk_status convert_split(yk_onnx_importer *im, const yk_onnx_node *n)
{
    enum { MOST = 64 };
    int64_t sizes[MOST], at = 0, axis = yk_onnx_attribute_int(n, "axis", 0);
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE)
        return yk_last_status();
    if (n->output_count < 1 || n->output_count > MOST)
        return yk_onnx_fail(im, n, "it has %d outputs; yolk takes up to %d", n->output_count, MOST);
    yolk_status status = split_sizes(im, n, x, axis, sizes, n->output_count);
    for (int i = 0; i < n->output_count && status == YOLK_OK; i++) {
        yk_id part;
        if (sizes[i] < 0 || sizes[i] > INT32_MAX)
            return yk_onnx_fail(im, n, "a part of %lld makes no sense", (long long)sizes[i]);
        yk_attrs a = {.axes_count = 1, .axes = {axis}, .starts = {at}, .ends = {at + sizes[i]}, .steps = {1}};
        at += sizes[i];
        status = yk_onnx_add(im, n, YK_OP_SLICE, &x, 1, &a, &part);
        if (status == YOLK_OK)
            yk_onnx_result(im, n, i, part);
    }
    return status;
}

/* ---- Resize ---- */

static yolk_status read_resize_mode(yk_onnx_importer *im, const yk_onnx_node *n, yk_attrs *a)
{
    static const char *const modes[] = {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"};
    yk_onnx_attribute mode, place, nearest;
    bool upsample = yk_span_is(n->op, "Upsample");
    yk_onnx_attribute_find(n, "mode", &mode);
    if (yk_span_is(mode.text, "linear"))
        a->linear = 1;
    else if (mode.body.size != 0 && !yk_span_is(mode.text, "nearest"))
        return yk_onnx_fail(im, n, "mode %s is not done by yolk", yk_onnx_text_of(mode.text).text);
    a->coordinate_mode = upsample ? 0 : 1;
    if (yk_onnx_attribute_find(n, "coordinate_transformation_mode", &place)) {
        size_t i = 0;
        while (i < YK_COUNT(modes) && !yk_span_is(place.text, modes[i]))
            i++;
        if (i == YK_COUNT(modes))
            return yk_onnx_fail(im, n, "coordinates %s are not done by yolk", yk_onnx_text_of(place.text).text);
        a->coordinate_mode = (int)i;
    }
    if (yk_onnx_attribute_int(n, "antialias", 0) || yk_onnx_attribute_find(n, "keep_aspect_ratio_policy", &place))
        return yk_onnx_fail(im, n, "antialias and keep_aspect_ratio_policy are not done by yolk");
    /* The graph rounds down from asymmetric coordinates and to the nearest, halves down, from the others. */
    bool down = yk_onnx_attribute_is(n, "nearest_mode", "floor") || upsample;
    bool halves_down =
        !yk_onnx_attribute_find(n, "nearest_mode", &nearest) || yk_span_is(nearest.text, "round_prefer_floor");
    if (!a->linear && (a->coordinate_mode == 0 ? !down : !halves_down) &&
        !(a->coordinate_mode == 0 && halves_down && a->scale_h == 2 && a->scale_w == 2))
        return yk_onnx_fail(im, n, "this rounding of nearest pixels is not done by yolk");
    return YOLK_OK;
}

/* Scales for height and width, the others being 1. */
static bool scales_of(const float *values, int count, yk_attrs *a)
{
    if (count == 4 && (values[0] != 1 || values[1] != 1))
        return false;
    if (count != 2 && count != 4)
        return false;
    a->scale_h = values[count - 2];
    a->scale_w = values[count - 1];
    return a->scale_h > 0 && a->scale_w > 0;
}

/* Sizes: one that is the same for every picture stays one, one that follows the input's becomes a factor. */
static yolk_status read_sizes(yk_onnx_importer *im, const yk_onnx_node *n, yk_id x, int index, yk_attrs *a)
{
    enum { MOST = 4, MAX_SIDE = 1 << 20 };
    yk_shape in[2];
    int64_t sizes[2 * MOST];
    int count;
    yolk_status status = yk_onnx_probe_shapes(im, x, in);
    if (status == YOLK_OK)
        status = yk_onnx_probe_ints(im, n, index, sizes, MOST, &count);
    if (status != YOLK_OK)
        return status;
    if ((count != 2 && count != 4) || in[0].rank != 4)
        return yk_onnx_fail(im, n, "its sizes are not those of a picture");
    const int64_t *first = sizes + count - 2, *second = im->size_count > 1 ? first + MOST : first;
    for (int i = 0; i < 2; i++) {
        if (first[i] < 1 || first[i] > MAX_SIDE || second[i] < 1 || second[i] > MAX_SIDE)
            return yk_onnx_fail(im, n, "its sizes are not those of a picture");
    }
    if (first[0] == second[0] && first[1] == second[1]) {
        a->size_h = (int)first[0];
        a->size_w = (int)first[1];
        return YOLK_OK;
    }
    for (int i = 0; i < 2; i++) {
        int64_t factor = first[i] / YK_MAX(in[0].dims[2 + i], 1);
        if (factor * in[0].dims[2 + i] != first[i] || factor * in[1].dims[2 + i] != second[i])
            return yk_onnx_fail(im, n, "its sizes follow the picture's in a way that yolk does not know");
        *(i ? &a->scale_w : &a->scale_h) = (float)factor;
    }
    return YOLK_OK;
}

static yolk_status convert_resize(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_attrs a = {0};
    float scales[4] = {0};
    int count = 0, scales_index = yk_span_is(n->op, "Upsample") ? 1 : 2;
    int64_t axes[4];
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE)
        return yk_last_status();
    int axes_count = yk_onnx_attribute_ints(n, "axes", axes, 4);
    if (axes_count >= 0 && (axes_count != 2 || axes[0] != 2 || axes[1] != 3))
        return yk_onnx_fail(im, n, "it resizes other axes than height and width");
    yolk_status status = YOLK_OK;
    if (yk_onnx_has_input(n, scales_index))
        status = yk_onnx_input_floats(im, n, scales_index, scales, 4, &count);
    if (status == YOLK_OK && count == 0 && yk_onnx_has_input(n, 3))
        status = read_sizes(im, n, x, 3, &a);
    else if (status == YOLK_OK && !scales_of(scales, count, &a))
        return yk_onnx_fail(im, n, "its scales are not those of a picture");
    if (status == YOLK_OK)
        status = read_resize_mode(im, n, &a);
    return status == YOLK_OK ? yk_onnx_add(im, n, YK_OP_RESIZE, &x, 1, &a, NULL) : status;
}

/* ---- elementwise ---- */

/* Sum, Max and Min of any number of inputs. */
static yolk_status convert_many(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_op op = yk_span_is(n->op, "Max") ? YK_OP_MAX : yk_span_is(n->op, "Min") ? YK_OP_MIN : YK_OP_ADD;
    yk_id sum = yk_onnx_input(im, n, 0);
    yolk_status status = sum == YK_NONE ? yk_last_status() : YOLK_OK;
    for (int i = 1; i < n->input_count && status == YOLK_OK; i++) {
        yk_id pair[2] = {sum, yk_onnx_input(im, n, i)};
        status = pair[1] == YK_NONE ? yk_last_status() : yk_onnx_add(im, n, op, pair, 2, NULL, &sum);
    }
    if (status == YOLK_OK)
        yk_onnx_result(im, n, 0, sum);
    return status;
}

/* a >= b is not a < b. */
static yolk_status convert_or_equal(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_op op = yk_span_is(n->op, "GreaterOrEqual") ? YK_OP_LESS : YK_OP_GREATER;
    yk_id pair[2] = {yk_onnx_input(im, n, 0), YK_NONE}, opposite;
    if (pair[0] != YK_NONE)
        pair[1] = yk_onnx_input(im, n, 1);
    if (pair[1] == YK_NONE)
        return yk_last_status();
    yolk_status status = yk_onnx_add(im, n, op, pair, 2, NULL, &opposite);
    return status == YOLK_OK ? yk_onnx_add(im, n, YK_OP_NOT, &opposite, 1, NULL, NULL) : status;
}

/* max(x, 0) + slope * min(x, 0) */
static yolk_status convert_prelu(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_id x = yk_onnx_input(im, n, 0), slope = x == YK_NONE ? YK_NONE : yk_onnx_input(im, n, 1);
    yk_id zero = slope == YK_NONE ? YK_NONE : yk_build_scalar(im->g, 0.0f), above, below, sloped;
    if (zero == YK_NONE)
        return yk_last_status();
    yolk_status status = yk_onnx_add(im, n, YK_OP_MAX, (yk_id[]){x, zero}, 2, NULL, &above);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_MIN, (yk_id[]){x, zero}, 2, NULL, &below);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_MUL, (yk_id[]){below, slope}, 2, NULL, &sloped);
    return status == YOLK_OK ? yk_onnx_add(im, n, YK_OP_ADD, (yk_id[]){above, sloped}, 2, NULL, NULL) : status;
}

/* Limits as inputs or, in older files, as attributes. */
static yolk_status convert_clip(yk_onnx_importer *im, const yk_onnx_node *n)
{
    static const char *const names[3] = {"", "min", "max"};
    yk_id inputs[3] = {yk_onnx_input(im, n, 0), YK_NONE, YK_NONE};
    if (inputs[0] == YK_NONE)
        return yk_last_status();
    for (int i = 1; i < 3; i++) {
        yk_onnx_attribute limit;
        bool given = yk_onnx_has_input(n, i);
        if (given)
            inputs[i] = yk_onnx_input(im, n, i);
        else if (yk_onnx_attribute_find(n, names[i], &limit))
            inputs[i] = yk_build_scalar(im->g, limit.number);
        else
            continue;
        if (inputs[i] == YK_NONE)
            return yk_last_status();
    }
    return yk_onnx_add(im, n, YK_OP_CLIP, inputs, inputs[2] != YK_NONE ? 3 : inputs[1] != YK_NONE ? 2 : 1, NULL, NULL);
}

static yolk_status convert_swish(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_id x = yk_onnx_input(im, n, 0);
    if (x == YK_NONE)
        return yk_last_status();
    if (yk_onnx_attribute_float(n, "alpha", 1.0f) != 1.0f)
        return yk_onnx_fail(im, n, "an alpha that is not 1 is not done by yolk");
    return yk_onnx_add(im, n, YK_OP_SILU, &x, 1, NULL, NULL);
}

static yolk_status convert_global_max(yk_onnx_importer *im, const yk_onnx_node *n)
{
    yk_id x = yk_onnx_input(im, n, 0);
    const yk_attrs a = {.axes_count = 2, .axes = {2, 3}, .keepdims = 1};
    return x == YK_NONE ? yk_last_status() : yk_onnx_add(im, n, YK_OP_REDUCE_MAX, &x, 1, &a, NULL);
}

/* (x - mean) / sqrt(variance + epsilon) * scale + bias over the last dimension */
static yolk_status convert_layer_norm(yk_onnx_importer *im, const yk_onnx_node *n)
{
    const yk_attrs mean = {.axes_count = 1, .axes = {-1}, .keepdims = 1};
    yk_id x = yk_onnx_input(im, n, 0), scale = x == YK_NONE ? YK_NONE : yk_onnx_input(im, n, 1), bias = YK_NONE;
    if (scale == YK_NONE)
        return yk_last_status();
    if (yk_onnx_attribute_int(n, "axis", -1) != -1)
        return yk_onnx_fail(im, n, "only the last dimension is normalised by yolk");
    if (yk_onnx_has_input(n, 2) && (bias = yk_onnx_input(im, n, 2)) == YK_NONE)
        return yk_last_status();
    yk_id epsilon = yk_build_scalar(im->g, yk_onnx_attribute_float(n, "epsilon", 1e-5f));
    yk_id two = epsilon == YK_NONE ? YK_NONE : yk_build_scalar(im->g, 2.0f), v = YK_NONE, centred = YK_NONE;
    if (two == YK_NONE)
        return yk_last_status();
    yolk_status status = yk_onnx_add(im, n, YK_OP_REDUCE_MEAN, &x, 1, &mean, &v);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_SUB, (yk_id[]){x, v}, 2, NULL, &centred);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_POW, (yk_id[]){centred, two}, 2, NULL, &v);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_REDUCE_MEAN, (yk_id[]){v}, 1, &mean, &v);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_ADD, (yk_id[]){v, epsilon}, 2, NULL, &v);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_SQRT, (yk_id[]){v}, 1, NULL, &v);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_DIV, (yk_id[]){centred, v}, 2, NULL, &v);
    if (status == YOLK_OK)
        status = yk_onnx_add(im, n, YK_OP_MUL, (yk_id[]){v, scale}, 2, NULL, &v);
    if (status == YOLK_OK && bias != YK_NONE)
        status = yk_onnx_add(im, n, YK_OP_ADD, (yk_id[]){v, bias}, 2, NULL, &v);
    if (status == YOLK_OK)
        yk_onnx_result(im, n, 0, v);
    return status;
}

yk_onnx_converter yk_onnx_parts_converter(yk_span op)
{
    static const struct {
        const char *op;
        yk_onnx_converter convert;
    } table[] = {
        {"Identity", convert_identity},
        {"Dropout", convert_identity},
        {"Split", convert_split},
        {"Resize", convert_resize},
        {"Upsample", convert_resize},
        {"Sum", convert_many},
        {"Max", convert_many},
        {"Min", convert_many},
        {"GreaterOrEqual", convert_or_equal},
        {"LessOrEqual", convert_or_equal},
        {"PRelu", convert_prelu},
        {"Clip", convert_clip},
        {"Swish", convert_swish},
        {"GlobalMaxPool", convert_global_max},
        {"LayerNormalization", convert_layer_norm},
    };
    for (size_t i = 0; i < YK_COUNT(table); i++) {
        if (yk_span_is(op, table[i].op))
            return table[i].convert;
    }
    return NULL;
}
