/* Convolutions of a checkpoint, and what is folded into them: batch norm, parallel branches, slicing. */
#include "import/pt.h"

#include <math.h>
#include <string.h>

typedef yk_pickle_value value;

void yk_pt_kernel_free(yk_pt_kernel *k)
{
    yk_free(k->weights);
    yk_free(k->bias);
    *k = (yk_pt_kernel){0};
}

static size_t weights_of_one(const yk_pt_kernel *k)
{
    return (size_t)k->in * (size_t)k->size[0] * (size_t)k->size[1];
}

/* One number a channel: a tensor that must hold at least `count` of them, or `otherwise` when there is none. */
static bool read_channels(yk_pt *pt, const value *module, const char *name, int count, float otherwise, float **out)
{
    yk_pt_array a;
    const value *tensor = yk_pt_tensor(module, name);
    *out = NULL;
    if (!tensor) {
        *out = yk_calloc((size_t)count, sizeof(float));
        if (!*out)
            pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        for (int i = 0; *out && i < count; i++)
            (*out)[i] = otherwise;
        return *out != NULL;
    }
    if (!yk_pt_read(pt, module, tensor, name, &a))
        return false;
    if (a.rank != 1 || a.count < count) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its %s does not have %d numbers", name, count);
        yk_free(a.data);
        return false;
    }
    *out = a.data;
    return true;
}

/* Padding is a number, a tuple, or "same". */
static bool read_padding(yk_pt *pt, const value *module, yk_pt_kernel *k)
{
    if (!yk_pickle_is_text(yk_pt_attribute(module, "padding"), "same"))
        return yk_pt_pair(pt, module, "padding", k->pad);
    for (int i = 0; i < 2; i++) {
        int reach = (k->size[i] - 1) * k->dilation;
        if (reach % 2 != 0) {
            yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its padding \"same\" would differ from side to side");
            return false;
        }
        k->pad[i] = reach / 2;
    }
    return true;
}

static bool read_conv2d(yk_pt *pt, const value *module, yk_pt_kernel *k)
{
    yk_pt_array w;
    const value *mode = yk_pt_attribute(module, "padding_mode");
    if (mode && !yk_pickle_is_text(mode, "zeros")) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "it pads with something else than zeros");
        return false;
    }
    if (!yk_pt_read(pt, module, yk_pt_tensor(module, "weight"), "weight", &w))
        return false;
    k->weights = w.data;
    if (w.rank != 4 || w.dims[0] > 1 << 20 || w.dims[1] > 1 << 20 || w.dims[2] > 1 << 10 || w.dims[3] > 1 << 10) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its weight is not one of a convolution over pictures");
        return false;
    }
    k->out = (int)w.dims[0];
    k->in = (int)w.dims[1];
    k->size[0] = (int)w.dims[2];
    k->size[1] = (int)w.dims[3];
    k->dilation = yk_pt_same(pt, module, "dilation", 1);
    int64_t groups = yk_pt_int(module, "groups", 1);
    if (groups < 1 || k->out % groups != 0 || k->dilation < 1 || k->dilation > 1 << 10) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its %d channels do not make %lld groups, or its dilation is wrong",
                   k->out, (long long)groups);
        return false;
    }
    k->groups = (int)groups;
    return yk_pt_pair(pt, module, "stride", k->stride) && read_padding(pt, module, k) &&
           read_channels(pt, module, "bias", k->out, 0, &k->bias);
}

bool yk_pt_kernel_fold(yk_pt *pt, const value *norm, int first, yk_pt_kernel *k)
{
    static const char *const names[4] = {"weight", "bias", "running_mean", "running_var"};
    static const float defaults[4] = {1, 0, 0, 1};
    float *parts[4] = {NULL};
    double eps = 1e-5;
    bool ok = pt->status == YOLK_OK;
    yk_pickle_number(yk_pt_attribute(norm, "eps"), &eps);
    for (int i = 0; ok && i < 4; i++)
        ok = read_channels(pt, norm, names[i], first + k->out, defaults[i], &parts[i]);
    size_t n = weights_of_one(k);
    for (int o = 0; ok && o < k->out; o++) {
        int c = first + o;
        double scale = parts[0][c] / sqrt(parts[3][c] + eps);
        for (size_t i = 0; i < n; i++)
            k->weights[(size_t)o * n + i] = (float)(k->weights[(size_t)o * n + i] * scale);
        k->bias[o] = (float)((k->bias[o] - parts[2][c]) * scale + parts[1][c]);
    }
    for (int i = 0; i < 4; i++)
        yk_free(parts[i]);
    return ok;
}

bool yk_pt_kernel_read(yk_pt *pt, const value *module, yk_pt_kernel *out)
{
    *out = (yk_pt_kernel){0};
    if (pt->status != YOLK_OK)
        return false;
    if (yk_pt_is(module, "torch.nn.Conv2d"))
        return read_conv2d(pt, module, out);
    const value *conv = yk_pt_child(module, "conv"), *norm = yk_pt_child(module, "bn");
    if (!yk_pt_is(conv, "torch.nn.Conv2d")) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "it holds no convolution where yolk looks for one");
        return false;
    }
    if (norm && !yk_pt_is(norm, "torch.nn.BatchNorm2d")) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, norm, "yolk folds nothing but BatchNorm2d into a convolution");
        return false;
    }
    return read_conv2d(pt, conv, out) && (!norm || yk_pt_kernel_fold(pt, norm, 0, out));
}

bool yk_pt_kernel_reorder(yk_pt *pt, yk_pt_kernel *k, const int *order, const float *scale)
{
    size_t n = weights_of_one(k);
    float *weights = yk_alloc((size_t)k->out * n * sizeof(float));
    float *bias = yk_alloc((size_t)k->out * sizeof(float));
    if (!weights || !bias) {
        yk_free(weights);
        yk_free(bias);
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        return false;
    }
    for (int o = 0; o < k->out; o++) {
        const float *from = k->weights + (size_t)order[o] * n;
        for (size_t i = 0; i < n; i++)
            weights[(size_t)o * n + i] = from[i] * scale[o];
        bias[o] = k->bias[order[o]] * scale[o];
    }
    yk_free(k->weights);
    yk_free(k->bias);
    k->weights = weights;
    k->bias = bias;
    return true;
}

bool yk_pt_kernel_add(yk_pt *pt, const value *module, yk_pt_kernel *k, const yk_pt_kernel *other)
{
    int shift[2];
    if (pt->status != YOLK_OK)
        return false;
    bool fits = k->out == other->out && k->in == other->in && k->groups == other->groups && k->dilation == 1 &&
                other->dilation == 1;
    for (int i = 0; i < 2; i++) {
        shift[i] = k->pad[i] - other->pad[i];
        fits = fits && k->stride[i] == other->stride[i] && shift[i] >= 0 && k->size[i] - other->size[i] == 2 * shift[i];
    }
    if (!fits) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its parallel convolutions do not fit onto each other");
        return false;
    }
    const float *from = other->weights;
    for (size_t plane = 0; plane < (size_t)k->out * (size_t)k->in; plane++) {
        float *to = k->weights + plane * (size_t)(k->size[0] * k->size[1]);
        for (int y = 0; y < other->size[0]; y++) {
            for (int x = 0; x < other->size[1]; x++)
                to[(y + shift[0]) * k->size[1] + x + shift[1]] += *from++;
        }
    }
    for (int o = 0; o < k->out; o++)
        k->bias[o] += other->bias[o];
    return true;
}

/* ---- building ---- */

/* Activations that a convolution does itself, and those that are a node of their own. */
static const struct {
    const char *class;
    yk_act act;
    yk_op op;
} activations[] = {
    {"torch.nn.SiLU", YK_ACT_SILU, YK_OP_SILU},
    {"torch.nn.ReLU", YK_ACT_RELU, YK_OP_RELU},
    {"torch.nn.Sigmoid", YK_ACT_SIGMOID, YK_OP_SIGMOID},
    {"torch.nn.Hardswish", YK_ACT_HARD_SWISH, YK_OP_HARD_SWISH},
    {"torch.nn.LeakyReLU", YK_ACT_NONE, YK_OP_LEAKY_RELU},
    {"torch.nn.Mish", YK_ACT_NONE, YK_OP_MISH},
    {"torch.nn.Tanh", YK_ACT_NONE, YK_OP_TANH},
};

static int find_activation(const value *act)
{
    for (size_t i = 0; i < YK_COUNT(activations); i++) {
        if (yk_pt_is(act, activations[i].class))
            return (int)i;
    }
    return -1;
}

static bool is_identity(const value *act)
{
    return !act || yk_pt_is(act, "torch.nn.Identity");
}

static yk_pt_x build_activation(yk_pt *pt, const value *act, yk_pt_x x)
{
    int i = find_activation(act);
    if (i < 0) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, act, "it is no activation that yolk knows");
        return yk_pt_none();
    }
    double slope = 0.01;
    yk_pickle_number(yk_pt_attribute(act, "negative_slope"), &slope);
    yk_attrs attrs = {.alpha = (float)slope};
    int n = yk_graph_add_node(pt->graph, activations[i].op, yk_pt_name(pt, ".act"), &x.id, 1, 1, &attrs);
    return yk_pt_result(pt, n < 0 ? YK_NONE : pt->graph->nodes[n].outputs[0], x.channels, x.stride);
}

yk_pt_x yk_pt_activation(yk_pt *pt, const value *module, yk_pt_x x)
{
    return is_identity(module) ? x : build_activation(pt, module, x);
}

yk_pt_x yk_pt_kernel_build(yk_pt *pt, yk_pt_kernel *k, const value *module, const value *act, yk_pt_x x,
                           const char *suffix)
{
    yk_pt_x y = yk_pt_none();
    if (pt->status != YOLK_OK)
        goto done;
    if ((int64_t)k->in * k->groups != x.channels) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "it takes %lld channels and is given %d",
                   (long long)k->in * k->groups, x.channels);
        goto done;
    }
    if (k->stride[0] != k->stride[1] || k->stride[0] < 1) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its stride is %dx%d; yolk knows only equal ones here",
                   k->stride[0], k->stride[1]);
        goto done;
    }
    int i = find_activation(act);
    yk_conv conv = {.out = k->out,
                    .kernel = {k->size[0], k->size[1]},
                    .stride = {k->stride[0], k->stride[1]},
                    .pad = {k->pad[0], k->pad[1], k->pad[0], k->pad[1]},
                    .dilation = k->dilation,
                    .groups = k->groups,
                    .weights = k->weights,
                    .bias = k->bias,
                    .act = i < 0 ? YK_ACT_NONE : activations[i].act};
    yk_id id = yk_build_conv(pt->graph, x.id, x.channels, &conv, yk_pt_name(pt, suffix));
    y = yk_pt_result(pt, id, k->out, x.stride * k->stride[0]);
    if (y.id != YK_NONE && conv.act == YK_ACT_NONE && !is_identity(act))
        y = build_activation(pt, act, y);

done:
    yk_pt_kernel_free(k);
    return y;
}

yk_pt_x yk_pt_conv(yk_pt *pt, const value *module, yk_pt_x x)
{
    yk_pt_kernel k;
    yk_pt_kernel_read(pt, module, &k);
    return yk_pt_kernel_build(pt, &k, module, yk_pt_child(module, "act"), x, ".conv");
}

yk_pt_x yk_pt_conv2d(yk_pt *pt, const value *module, yk_pt_x x)
{
    yk_pt_kernel k;
    yk_pt_kernel_read(pt, module, &k);
    return yk_pt_kernel_build(pt, &k, module, NULL, x, "");
}

/* A 1x1 convolution that leaves x as it is, in groups as k has them. */
static bool identity_kernel(yk_pt *pt, const yk_pt_kernel *k, yk_pt_kernel *out)
{
    *out = (yk_pt_kernel){.out = k->out,
                          .in = k->in,
                          .size = {1, 1},
                          .stride = {k->stride[0], k->stride[1]},
                          .dilation = 1,
                          .groups = k->groups};
    out->weights = yk_calloc((size_t)k->out * (size_t)k->in, sizeof(float));
    out->bias = yk_calloc((size_t)k->out, sizeof(float));
    if (!out->weights || !out->bias) {
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        return false;
    }
    for (int o = 0; o < k->out; o++)
        out->weights[(size_t)o * (size_t)k->in + (size_t)(o % k->in)] = 1;
    return true;
}

/* A 3x3 convolution, a 1x1 one and perhaps the input itself, each normalised and then added: one convolution. */
yk_pt_x yk_pt_rep_conv(yk_pt *pt, const value *module, yk_pt_x x)
{
    yk_pt_kernel k = {0}, other = {0};
    const value *act = yk_pt_child(module, "act"), *fused = yk_pt_child(module, "conv");
    const value *norm = yk_pt_child(module, "bn");
    if (fused) {
        yk_pt_kernel_read(pt, fused, &k);
        return yk_pt_kernel_build(pt, &k, module, act, x, ".conv");
    }
    if (yk_pt_kernel_read(pt, yk_pt_child(module, "conv1"), &k) &&
        yk_pt_kernel_read(pt, yk_pt_child(module, "conv2"), &other))
        yk_pt_kernel_add(pt, module, &k, &other);
    yk_pt_kernel_free(&other);
    if (norm && pt->status == YOLK_OK) {
        if (k.out != x.channels)
            yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its input cannot be added to %d channels", k.out);
        else if (identity_kernel(pt, &k, &other) && yk_pt_kernel_fold(pt, norm, 0, &other))
            yk_pt_kernel_add(pt, module, &k, &other);
        yk_pt_kernel_free(&other);
    }
    return yk_pt_kernel_build(pt, &k, module, act, x, ".conv");
}

/* A large depthwise convolution and a small one, added. A fused one has the large one only. */
yk_pt_x yk_pt_rep_vgg(yk_pt *pt, const value *module, yk_pt_x x)
{
    yk_pt_kernel k = {0}, other = {0};
    const value *small = yk_pt_child(module, "conv1");
    if (yk_pt_kernel_read(pt, yk_pt_child(module, "conv"), &k) && small && yk_pt_kernel_read(pt, small, &other))
        yk_pt_kernel_add(pt, module, &k, &other);
    yk_pt_kernel_free(&other);
    return yk_pt_kernel_build(pt, &k, module, yk_pt_child(module, "act"), x, ".conv");
}

/* Every second pixel of both directions becomes channels, then a convolution: the same as one convolution of twice the
 * kernel, stride and padding. */
yk_pt_x yk_pt_focus(yk_pt *pt, const value *module, yk_pt_x x)
{
    yk_pt_kernel k = {0}, wide;
    const value *conv = yk_pt_child(module, "conv");
    if (!yk_pt_kernel_read(pt, conv, &k))
        goto done;
    if (k.groups != 1 || k.dilation != 1 || k.in != 4 * x.channels) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its convolution does not take four times %d channels", x.channels);
        goto done;
    }
    wide = k;
    wide.in = x.channels;
    for (int i = 0; i < 2; i++) {
        wide.size[i] *= 2;
        wide.stride[i] *= 2;
        wide.pad[i] *= 2;
    }
    wide.weights = yk_calloc((size_t)k.out * weights_of_one(&wide), sizeof(float));
    if (!wide.weights) {
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        goto done;
    }
    const float *from = k.weights;
    for (int o = 0; o < k.out; o++) {
        for (int c = 0; c < k.in; c++) { /* parts in order: even rows and columns, odd rows, odd columns, both odd */
            int part = c / x.channels, dy = part % 2, dx = part / 2;
            float *to = wide.weights + ((size_t)o * (size_t)wide.in + (size_t)(c % x.channels)) *
                                           (size_t)(wide.size[0] * wide.size[1]);
            for (int y = 0; y < k.size[0]; y++) {
                for (int i = 0; i < k.size[1]; i++)
                    to[(2 * y + dy) * wide.size[1] + 2 * i + dx] = *from++;
            }
        }
    }
    yk_free(k.weights);
    k = wide;

done:
    return yk_pt_kernel_build(pt, &k, module, yk_pt_child(conv, "act"), x, ".conv");
}

/* Two branches that end in plain convolutions, joined, then normalised and activated together: since both work channel
 * by channel, each branch does its own share. */
yk_pt_x yk_pt_csp(yk_pt *pt, const value *module, yk_pt_x x)
{
    yk_pt_kernel k = {0};
    const value *norm = yk_pt_child(module, "bn"), *act = yk_pt_child(module, "act");
    yk_pt_x parts[2];
    yk_pt_x y = yk_pt_build_child(pt, module, "m", yk_pt_build_child(pt, module, "cv1", x));
    if (yk_pt_kernel_read(pt, yk_pt_child(module, "cv3"), &k))
        yk_pt_kernel_fold(pt, norm, 0, &k);
    int first = k.out;
    parts[0] = yk_pt_kernel_build(pt, &k, module, act, y, ".cv3");
    if (yk_pt_kernel_read(pt, yk_pt_child(module, "cv2"), &k))
        yk_pt_kernel_fold(pt, norm, first, &k);
    parts[1] = yk_pt_kernel_build(pt, &k, module, act, x, ".cv2");
    return yk_pt_build_child(pt, module, "cv4", yk_pt_concat(pt, parts, 2));
}
