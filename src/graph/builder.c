/* The layers that importers make. */
#include "graph/graph.h"

#include <string.h>

/* The result of a node with one output. An input that could not be made has set the error already. */
static yk_id build(yk_graph *g, yk_op op, const char *name, const yk_id *inputs, int input_count, const yk_attrs *attrs)
{
    for (int i = 0; i < input_count; i++) {
        if (inputs[i] == YK_NONE)
            return YK_NONE;
    }
    int n = yk_graph_add_node(g, op, name, inputs, input_count, 1, attrs);
    return n < 0 ? YK_NONE : g->nodes[n].outputs[0];
}

static yk_id build_part(yk_graph *g, const char *name, const char *part, yk_shape shape, const float *data)
{
    char *full = yk_format("%s.%s", name ? name : "conv", part);
    if (!full)
        return YK_NONE;
    yk_id id = yk_graph_add_constant_copy(g, full, YK_F32, shape, data);
    yk_free(full);
    return id;
}

yk_id yk_build_conv(yk_graph *g, yk_id x, int in, const yk_conv *conv, const char *name)
{
    if (x == YK_NONE)
        return YK_NONE;
    int groups = conv->groups > 0 ? conv->groups : 1;
    if (in <= 0 || conv->out <= 0 || conv->kernel[0] <= 0 || conv->kernel[1] <= 0 || in % groups != 0 ||
        conv->out % groups != 0) {
        yk_fail(YOLK_ERROR_DAMAGED,
                "layer \"%s\": %d to %d channels in %d groups with a %dx%d kernel make no convolution",
                name ? name : "", in, conv->out, groups, conv->kernel[0], conv->kernel[1]);
        return YK_NONE;
    }
    yk_attrs a = {.groups = groups, .act = conv->act};
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = conv->kernel[i];
        a.stride[i] = conv->stride[i];
        a.dilation[i] = conv->dilation;
    }
    memcpy(a.pads, conv->pad, sizeof(a.pads));
    yk_shape shape = {.rank = 4, .dims = {conv->out, in / groups, conv->kernel[0], conv->kernel[1]}};
    yk_id inputs[3] = {x, build_part(g, name, "weight", shape, conv->weights), YK_NONE};
    if (conv->bias)
        inputs[2] = build_part(g, name, "bias", (yk_shape){.rank = 1, .dims = {conv->out}}, conv->bias);
    return build(g, YK_OP_CONV, name, inputs, conv->bias ? 3 : 2, &a);
}

yk_id yk_build_unary(yk_graph *g, yk_op op, yk_id x, const char *name)
{
    return build(g, op, name, &x, 1, NULL);
}

yk_id yk_build_binary(yk_graph *g, yk_op op, yk_id a, yk_id b, const char *name)
{
    return build(g, op, name, (yk_id[]){a, b}, 2, NULL);
}

yk_id yk_build_concat(yk_graph *g, const yk_id *parts, int count, int axis, const char *name)
{
    return build(g, YK_OP_CONCAT, name, parts, count, &(yk_attrs){.axis = axis});
}

yk_id yk_build_slice(yk_graph *g, yk_id x, int axis, int64_t start, int64_t end, const char *name)
{
    yk_attrs a = {.axes_count = 1, .axes = {axis}, .starts = {start}, .ends = {end}, .steps = {1}};
    return build(g, YK_OP_SLICE, name, &x, 1, &a);
}

yk_id yk_build_reshape(yk_graph *g, yk_id x, const int64_t *target, int rank, int stride, const char *name)
{
    yk_attrs a = {.axes_count = rank, .reshape_stride = stride};
    for (int i = 0; i < rank && i < YK_MAX_RANK; i++)
        a.axes[i] = target[i];
    return build(g, YK_OP_RESHAPE, name, &x, 1, &a);
}

yk_id yk_build_transpose(yk_graph *g, yk_id x, const int *perm, int rank, const char *name)
{
    yk_attrs a = {.axes_count = rank};
    for (int i = 0; i < rank && i < YK_MAX_RANK; i++)
        a.axes[i] = perm[i];
    return build(g, YK_OP_TRANSPOSE, name, &x, 1, &a);
}

static yk_id build_pool(yk_graph *g, yk_op op, yk_id x, int kernel, int stride, int pad, const char *name)
{
    yk_attrs a = {.kernel = {kernel, kernel},
                  .stride = {stride, stride},
                  .pads = {pad, pad, pad, pad},
                  .count_include_pad = op == YK_OP_AVERAGE_POOL};
    return build(g, op, name, &x, 1, &a);
}

yk_id yk_build_max_pool(yk_graph *g, yk_id x, int kernel, int stride, int pad, const char *name)
{
    return build_pool(g, YK_OP_MAX_POOL, x, kernel, stride, pad, name);
}

yk_id yk_build_average_pool(yk_graph *g, yk_id x, int kernel, int stride, int pad, const char *name)
{
    return build_pool(g, YK_OP_AVERAGE_POOL, x, kernel, stride, pad, name);
}

yk_id yk_build_upsample(yk_graph *g, yk_id x, int factor, const char *name)
{
    yk_attrs a = {.scale_h = (float)factor, .scale_w = (float)factor};
    return build(g, YK_OP_RESIZE, name, &x, 1, &a);
}

yk_id yk_build_softmax(yk_graph *g, yk_id x, int axis, const char *name)
{
    return build(g, YK_OP_SOFTMAX, name, &x, 1, &(yk_attrs){.axis = axis});
}

yk_id yk_build_scalar(yk_graph *g, float value)
{
    return yk_graph_add_constant_copy(g, NULL, YK_F32, (yk_shape){.rank = 0}, &value);
}
