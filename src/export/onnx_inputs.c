/* Operators whose attributes are inputs in ONNX. */
#include <string.h>

#include "export/onnx_writer.h"
#include "export/wire.h"

/* Dimension 0, 2 or 3 of the graph's input as a tensor of one element. */
static yk_onnx_name input_dim(yk_onnx_writer *w, int dim)
{
    static const char *const suffixes[4] = {"batch", "channels", "height", "width"};
    static const char *const places[4] = {"batch.place", "channels.place", "height.place", "width.place"};
    const char *input = w->g->values[w->g->input].name;
    if (!w->have_dim[dim]) {
        bool first = !(w->have_dim[0] || w->have_dim[2] || w->have_dim[3]);
        if (first)
            yk_onnx_simple(w, "Shape", yk_onnx_derived(input, "shape"), yk_onnx_value_name(w, w->g->input),
                           yk_onnx_no_name, yk_onnx_derived(input, "shape"));
        int64_t place = dim;
        yk_onnx_simple(w, "Gather", yk_onnx_derived(input, suffixes[dim]), yk_onnx_derived(input, "shape"),
                       yk_onnx_constant_ints(w, input, places[dim], &place, 1), yk_onnx_derived(input, suffixes[dim]));
        w->have_dim[dim] = true;
    }
    return yk_onnx_derived(input, suffixes[dim]);
}

static bool depends_on_input(int64_t dim)
{
    return dim == YK_DIM_BATCH || dim == YK_DIM_HEIGHT || dim == YK_DIM_WIDTH;
}

/* A target of a model whose input size is open, as numbers if they can say it. */
static bool open_target(const yk_onnx_writer *w, const yk_node *n, int64_t *target)
{
    const yk_shape *in = &w->g->values[n->inputs[0]].shape;
    int rank = n->attrs.axes_count, infer = -1, open = 0;
    for (int i = 0; i < rank; i++) {
        if (target[i] == YK_DIM_BATCH && i == 0 && in->rank > 0 && in->dims[0] == w->g->bound[0])
            target[i] = YK_DIM_COPY;
        open += depends_on_input(target[i]);
        if (target[i] == YK_DIM_INFER)
            infer = i;
    }
    for (int i = 0; i < rank && open == 1 && infer < 0; i++) {
        if (depends_on_input(target[i])) {
            target[i] = YK_DIM_INFER;
            open = 0;
        }
    }
    return open == 0;
}

static yk_onnx_name computed_target(yk_onnx_writer *w, const yk_node *n, const int64_t *target)
{
    static const char *const parts[YK_MAX_RANK] = {"dim0", "dim1", "dim2", "dim3", "dim4", "dim5"};
    const char *out = w->g->values[n->outputs[0]].name;
    int64_t divisor = YK_MAX(1, n->attrs.reshape_stride);
    yk_onnx_name stride = yk_onnx_no_name;
    yk_onnx_name names[YK_MAX_RANK];
    for (int i = 0; i < n->attrs.axes_count; i++) {
        int dim = target[i] == YK_DIM_BATCH ? 0 : target[i] == YK_DIM_HEIGHT ? 2 : 3;
        if (!depends_on_input(target[i])) {
            names[i] = yk_onnx_constant_ints(w, out, parts[i], &target[i], 1);
        } else if (dim == 0 || divisor == 1) {
            names[i] = input_dim(w, dim);
        } else {
            if (!stride.base)
                stride = yk_onnx_constant_ints(w, out, "stride", &divisor, 1);
            names[i] = yk_onnx_derived(out, parts[i]);
            yk_onnx_simple(w, "Div", yk_onnx_derived(n->name, parts[i]), input_dim(w, dim), stride, names[i]);
        }
    }
    size_t mark = yk_onnx_begin(w, "Concat", yk_onnx_derived(n->name, "target"), names, n->attrs.axes_count,
                                yk_onnx_derived(out, "target"));
    yk_onnx_put_int(w, "axis", 0);
    yk_onnx_end(w, mark);
    return yk_onnx_derived(out, "target");
}

void yk_onnx_write_reshape(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    int64_t target[YK_MAX_RANK];
    int rank = n->attrs.axes_count;
    memcpy(target, n->attrs.axes, sizeof target);
    yk_onnx_name shape;
    if (w->options->dynamic && !open_target(w, n, target)) {
        shape = computed_target(w, n, target);
    } else {
        int64_t divisor = YK_MAX(1, n->attrs.reshape_stride);
        for (int i = 0; i < rank; i++) {
            if (target[i] == YK_DIM_BATCH)
                target[i] = w->g->bound[0];
            else if (target[i] == YK_DIM_HEIGHT)
                target[i] = w->g->bound[1] / divisor;
            else if (target[i] == YK_DIM_WIDTH)
                target[i] = w->g->bound[2] / divisor;
        }
        shape = yk_onnx_constant_ints(w, y.base, "shape", target, rank);
    }
    yk_onnx_simple(w, "Reshape", yk_onnx_derived(n->name, NULL), x, shape, y);
}

void yk_onnx_write_slice(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const yk_attrs *a = &n->attrs;
    const yk_onnx_name inputs[5] = {x, yk_onnx_constant_ints(w, y.base, "starts", a->starts, a->axes_count),
                                    yk_onnx_constant_ints(w, y.base, "ends", a->ends, a->axes_count),
                                    yk_onnx_constant_ints(w, y.base, "axes", a->axes, a->axes_count),
                                    yk_onnx_constant_ints(w, y.base, "steps", a->steps, a->axes_count)};
    yk_onnx_end(w, yk_onnx_begin(w, "Slice", yk_onnx_derived(n->name, NULL), inputs, 5, y));
}

void yk_onnx_write_pad(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    int64_t pads[2 * YK_MAX_RANK];
    int rank = n->attrs.axes_count;
    for (int i = 0; i < rank; i++) {
        pads[i] = n->attrs.axes[i];
        pads[rank + i] = n->attrs.ends[i];
    }
    const yk_onnx_name inputs[3] = {x, yk_onnx_constant_ints(w, y.base, "pads", pads, 2 * rank),
                                    yk_onnx_constant_float(w, y.base, "value", n->attrs.alpha)};
    yk_onnx_end(w, yk_onnx_begin(w, "Pad", yk_onnx_derived(n->name, NULL), inputs, 3, y));
}

void yk_onnx_write_resize(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    static const char *const modes[] = {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"};
    const yk_attrs *a = &n->attrs;
    yk_onnx_name inputs[4] = {x, yk_onnx_no_name, yk_onnx_no_name, yk_onnx_no_name};
    int count;
    if (a->size_h > 0) {
        const yk_shape *in = &w->g->values[n->inputs[0]].shape;
        const int64_t sizes[4] = {in->dims[0], in->dims[1], a->size_h, a->size_w};
        inputs[3] = yk_onnx_constant_ints(w, y.base, "sizes", sizes, 4);
        count = 4;
    } else {
        const float scales[4] = {1.0f, 1.0f, a->scale_h, a->scale_w};
        inputs[2] = yk_onnx_constant(w, y.base, "scales", YK_F32, 4, scales);
        count = 3;
    }
    size_t mark = yk_onnx_begin(w, "Resize", yk_onnx_derived(n->name, NULL), inputs, count, y);
    yk_onnx_put_text(w, "mode", a->linear ? "linear" : "nearest");
    yk_onnx_put_text(w, "coordinate_transformation_mode", modes[a->coordinate_mode & 3]);
    if (!a->linear)
        yk_onnx_put_text(w, "nearest_mode", a->coordinate_mode == 0 ? "floor" : "round_prefer_floor");
    yk_onnx_end(w, mark);
}

void yk_onnx_write_constant_of_shape(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y)
{
    const yk_attrs *a = &n->attrs;
    uint64_t value = 0; /* room for one of any type */
    yk_convert(YK_F32, &a->alpha, a->to, &value, 1);
    const int64_t one = 1;
    size_t mark = yk_onnx_begin(w, "ConstantOfShape", yk_onnx_derived(n->name, NULL), &x, 1, y);
    size_t attribute = yk_onnx_begin_attribute(w, "value", PB_IS_TENSOR);
    yk_onnx_write_tensor(w->out, PB_ATTRIBUTE_TENSOR, "value", a->to, &one, 1, &value, yk_type_size(a->to));
    yk_pb_end(w->out, attribute);
    yk_onnx_end(w, mark);
}
