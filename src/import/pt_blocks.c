/* What each class of module computes. A class that is not in the table at the end is refused by name. */
#include "import/pt.h"

#include <string.h>

typedef yk_pickle_value value;

/* Shorter names, since these functions are little else. */
static yk_pt_x child(yk_pt *pt, const value *m, const char *name, yk_pt_x x)
{
    return yk_pt_build_child(pt, m, name, x);
}

static bool flag(const value *m, const char *name)
{
    return yk_pt_int(m, name, 0) != 0;
}

/* ---- tensors that are gathered and then joined ---- */

typedef struct parts {
    yk_pt_x x[YK_PT_PARTS];
    int count;
} parts;

static void keep(yk_pt *pt, parts *p, yk_pt_x x)
{
    if (p->count == YK_PT_PARTS && pt->status == YOLK_OK)
        pt->status = yk_fail(YOLK_ERROR_LIMIT, "layer %s joins more than %d tensors", pt->path, YK_PT_PARTS);
    if (pt->status == YOLK_OK)
        p->x[p->count++] = x;
}

static yk_pt_x last(const parts *p)
{
    return p->count > 0 ? p->x[p->count - 1] : yk_pt_none();
}

/* Both halves of the channels. */
static void keep_halves(yk_pt *pt, parts *p, yk_pt_x x)
{
    keep(pt, p, yk_pt_slice(pt, x, 0, x.channels / 2));
    keep(pt, p, yk_pt_slice(pt, x, x.channels / 2, x.channels / 2 * 2));
}

/* Runs each module of list `name` on what the one before it gave, and keeps every result. */
static void keep_each(yk_pt *pt, parts *p, const value *m, const char *name)
{
    const value *list = yk_pt_child(m, name);
    if (!list)
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "its part \"%s\" is missing", name);
    size_t before = yk_pt_enter(pt, name);
    for (size_t i = 0; i < yk_pt_child_count(list) && pt->status == YOLK_OK; i++)
        keep(pt, p, yk_pt_build_at(pt, list, i, last(p)));
    yk_pt_leave(pt, before);
}

static yk_pt_x join(yk_pt *pt, const parts *p)
{
    return yk_pt_concat(pt, p->x, p->count);
}

/* ---- bottlenecks ---- */

static yk_pt_x build_bottleneck(yk_pt *pt, const value *m, yk_pt_x x)
{
    yk_pt_x y = child(pt, m, "cv2", child(pt, m, "cv1", x));
    return flag(m, "add") ? yk_pt_add(pt, x, y) : y;
}

static yk_pt_x build_ghost_conv(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep(pt, &p, child(pt, m, "cv1", x));
    keep(pt, &p, child(pt, m, "cv2", last(&p)));
    return join(pt, &p);
}

static yk_pt_x build_ghost_bottleneck(yk_pt *pt, const value *m, yk_pt_x x)
{
    return yk_pt_add(pt, child(pt, m, "conv", x), child(pt, m, "shortcut", x));
}

static yk_pt_x build_cib(yk_pt *pt, const value *m, yk_pt_x x)
{
    yk_pt_x y = child(pt, m, "cv1", x);
    return flag(m, "add") ? yk_pt_add(pt, x, y) : y;
}

/* ---- blocks that split, work on a part, and join ---- */

static yk_pt_x build_c1(yk_pt *pt, const value *m, yk_pt_x x)
{
    yk_pt_x y = child(pt, m, "cv1", x);
    return yk_pt_add(pt, child(pt, m, "m", y), y);
}

/* C2, C2PSA: half of the channels goes through the modules, half passes by. */
static yk_pt_x build_c2(yk_pt *pt, const value *m, yk_pt_x x, bool second)
{
    parts p = {.count = 0};
    keep_halves(pt, &p, child(pt, m, "cv1", x));
    if (p.count == 2)
        p.x[second] = child(pt, m, "m", p.x[second]);
    return child(pt, m, "cv2", join(pt, &p));
}

static yk_pt_x build_c2_first(yk_pt *pt, const value *m, yk_pt_x x)
{
    return build_c2(pt, m, x, false);
}

static yk_pt_x build_c2_second(yk_pt *pt, const value *m, yk_pt_x x)
{
    return build_c2(pt, m, x, true);
}

static yk_pt_x build_c2f(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep_halves(pt, &p, child(pt, m, "cv1", x));
    keep_each(pt, &p, m, "m");
    return child(pt, m, "cv2", join(pt, &p));
}

static yk_pt_x build_c3(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep(pt, &p, child(pt, m, "m", child(pt, m, "cv1", x)));
    keep(pt, &p, child(pt, m, "cv2", x));
    return child(pt, m, "cv3", join(pt, &p));
}

static yk_pt_x build_c3f(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep(pt, &p, child(pt, m, "cv2", x));
    keep(pt, &p, child(pt, m, "cv1", x));
    keep_each(pt, &p, m, "m");
    return child(pt, m, "cv3", join(pt, &p));
}

static yk_pt_x build_rep_c3(yk_pt *pt, const value *m, yk_pt_x x)
{
    yk_pt_x y = child(pt, m, "m", child(pt, m, "cv1", x));
    return child(pt, m, "cv3", yk_pt_add(pt, y, child(pt, m, "cv2", x)));
}

/* RepNCSPELAN4, ELAN1 */
static yk_pt_x build_elan(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep_halves(pt, &p, child(pt, m, "cv1", x));
    keep(pt, &p, child(pt, m, "cv2", last(&p)));
    keep(pt, &p, child(pt, m, "cv3", last(&p)));
    return child(pt, m, "cv4", join(pt, &p));
}

/* ---- attention blocks ---- */

static yk_pt_x build_psa_block(yk_pt *pt, const value *m, yk_pt_x x)
{
    bool add = flag(m, "add");
    yk_pt_x y = child(pt, m, "attn", x);
    if (add)
        y = yk_pt_add(pt, x, y);
    yk_pt_x z = child(pt, m, "ffn", y);
    return add ? yk_pt_add(pt, y, z) : z;
}

static yk_pt_x build_psa(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep_halves(pt, &p, child(pt, m, "cv1", x));
    if (p.count == 2) {
        yk_pt_x y = yk_pt_add(pt, p.x[1], child(pt, m, "attn", p.x[1]));
        p.x[1] = yk_pt_add(pt, y, child(pt, m, "ffn", y));
    }
    return child(pt, m, "cv2", join(pt, &p));
}

static yk_pt_x build_area_block(yk_pt *pt, const value *m, yk_pt_x x)
{
    yk_pt_x y = yk_pt_add(pt, x, child(pt, m, "attn", x));
    return yk_pt_add(pt, y, child(pt, m, "mlp", y));
}

/* Multiplies by one number a channel, parameter `name`. */
static yk_pt_x scale_channels(yk_pt *pt, const value *m, const char *name, yk_pt_x x)
{
    yk_pt_array a;
    if (!yk_pt_read(pt, m, yk_pt_tensor(m, name), name, &a))
        return yk_pt_none();
    if (a.count != x.channels)
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "its %s does not have %d numbers", name, x.channels);
    yk_id scale = YK_NONE;
    if (pt->status == YOLK_OK)
        scale = yk_graph_add_constant_copy(pt->graph, yk_pt_name(pt, ".scale"), YK_F32,
                                           (yk_shape){.rank = 4, .dims = {1, x.channels, 1, 1}}, a.data);
    yk_free(a.data);
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    yk_id y = yk_build_binary(pt->graph, YK_OP_MUL, x.id, scale, yk_pt_name(pt, ".mul"));
    return yk_pt_result(pt, y, x.channels, x.stride);
}

static yk_pt_x build_a2c2f(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep(pt, &p, child(pt, m, "cv1", x));
    keep_each(pt, &p, m, "m");
    yk_pt_x y = child(pt, m, "cv2", join(pt, &p));
    return yk_pt_tensor(m, "gamma") ? yk_pt_add(pt, x, scale_channels(pt, m, "gamma", y)) : y;
}

/* ---- pooling and sampling ---- */

static yk_pt_x build_max_pool(yk_pt *pt, const value *m, yk_pt_x x)
{
    int kernel = yk_pt_same(pt, m, "kernel_size", 0), stride = yk_pt_same(pt, m, "stride", kernel);
    int pad = yk_pt_same(pt, m, "padding", 0), dilation = yk_pt_same(pt, m, "dilation", 1);
    if (kernel < 1 || stride < 1 || dilation != 1 || flag(m, "ceil_mode"))
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, m, "yolk does not know pooling with these settings");
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    yk_id y = yk_build_max_pool(pt->graph, x.id, kernel, stride, pad, yk_pt_name(pt, ""));
    return yk_pt_result(pt, y, x.channels, x.stride * stride);
}

static yk_pt_x build_upsample(yk_pt *pt, const value *m, yk_pt_x x)
{
    int factor = yk_pt_same(pt, m, "scale_factor", 0);
    if (factor < 1 || yk_pt_attribute(m, "size") || !yk_pickle_is_text(yk_pt_attribute(m, "mode"), "nearest"))
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, m, "yolk knows only nearest-neighbour sampling by a whole factor");
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    yk_id y = yk_build_upsample(pt->graph, x.id, factor, yk_pt_name(pt, ""));
    return yk_pt_result(pt, y, x.channels, x.stride / factor);
}

/* Padding is given as left, right, top, bottom. */
static yk_pt_x build_zero_pad(yk_pt *pt, const value *m, yk_pt_x x)
{
    const value *padding = yk_pt_attribute(m, "padding");
    int64_t sides[4];
    for (size_t i = 0; i < 4; i++) {
        if (!yk_pickle_int(yk_pickle_at(padding, i), &sides[i]) || sides[i] < 0 || sides[i] > 1024)
            yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, m, "its padding is not four small numbers");
    }
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    yk_attrs attrs = {.axes_count = 4, .axes = {0, 0, sides[2], sides[0]}, .ends = {0, 0, sides[3], sides[1]}};
    int n = yk_graph_add_node(pt->graph, YK_OP_PAD, yk_pt_name(pt, ""), &x.id, 1, 1, &attrs);
    return yk_pt_result(pt, n < 0 ? YK_NONE : pt->graph->nodes[n].outputs[0], x.channels, x.stride);
}

static yk_pt_x build_spp(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    const value *pools = yk_pt_child(m, "m");
    keep(pt, &p, child(pt, m, "cv1", x));
    yk_pt_x y = last(&p);
    size_t before = yk_pt_enter(pt, "m");
    for (size_t i = 0; i < yk_pt_child_count(pools) && pt->status == YOLK_OK; i++)
        keep(pt, &p, yk_pt_build_at(pt, pools, i, y));
    yk_pt_leave(pt, before);
    return child(pt, m, "cv2", join(pt, &p));
}

static yk_pt_x build_sppf(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    int64_t pools = yk_pt_int(m, "n", 3);
    keep(pt, &p, child(pt, m, "cv1", x));
    for (int64_t i = 0; i < pools && pt->status == YOLK_OK; i++)
        keep(pt, &p, child(pt, m, "m", last(&p)));
    yk_pt_x y = child(pt, m, "cv2", join(pt, &p));
    return flag(m, "add") ? yk_pt_add(pt, y, x) : y;
}

static yk_pt_x build_sppelan(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep(pt, &p, child(pt, m, "cv1", x));
    keep(pt, &p, child(pt, m, "cv2", last(&p)));
    keep(pt, &p, child(pt, m, "cv3", last(&p)));
    keep(pt, &p, child(pt, m, "cv4", last(&p)));
    return child(pt, m, "cv5", join(pt, &p));
}

/* The mean of each 2x2 pixels, one step at a time. */
static yk_pt_x smooth(yk_pt *pt, yk_pt_x x)
{
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    yk_id y = yk_build_average_pool(pt->graph, x.id, 2, 1, 0, yk_pt_name(pt, ".pool"));
    return yk_pt_result(pt, y, x.channels, x.stride);
}

static yk_pt_x build_aconv(yk_pt *pt, const value *m, yk_pt_x x)
{
    return child(pt, m, "cv1", smooth(pt, x));
}

static yk_pt_x build_adown(yk_pt *pt, const value *m, yk_pt_x x)
{
    parts p = {.count = 0};
    keep_halves(pt, &p, smooth(pt, x));
    if (p.count == 2) {
        p.x[0] = child(pt, m, "cv1", p.x[0]);
        yk_id pooled = yk_build_max_pool(pt->graph, p.x[1].id, 3, 2, 1, yk_pt_name(pt, ".max"));
        p.x[1] = child(pt, m, "cv2", yk_pt_result(pt, pooled, p.x[1].channels, p.x[1].stride * 2));
    }
    return join(pt, &p);
}

static yk_pt_x build_scdown(yk_pt *pt, const value *m, yk_pt_x x)
{
    return child(pt, m, "cv2", child(pt, m, "cv1", x));
}

static yk_pt_x build_identity(yk_pt *pt, const value *m, yk_pt_x x)
{
    (void)pt, (void)m;
    return x;
}

/* ---- layers with several inputs ---- */

static yk_pt_x join_concat(yk_pt *pt, const value *m, const yk_pt_x *inputs, int count)
{
    if (yk_pt_int(m, "d", 1) != 1 || count < 1 || count > YK_PT_PARTS)
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, m, "yolk joins 1 to %d tensors along their channels only", YK_PT_PARTS);
    for (int i = 0; i < count; i++) {
        if (inputs[i].splits)
            yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "one of its inputs is several tensors");
    }
    return pt->status == YOLK_OK ? yk_pt_concat(pt, inputs, count) : yk_pt_none();
}

/* Several tensors that are one for now: CBFuse takes the part that it wants. */
static yk_pt_x build_cb_linear(yk_pt *pt, const value *m, yk_pt_x x)
{
    yk_pt_x y = child(pt, m, "conv", x);
    y.splits = yk_pt_attribute(m, "c2s");
    if (!y.splits)
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "its channels of each part are missing");
    return y;
}

/* Part `index` of a CBLinear's result. */
static yk_pt_x take_part(yk_pt *pt, const value *m, yk_pt_x x, int64_t index)
{
    int64_t begin = 0, size = 0;
    for (int64_t i = 0; i <= index && i < YK_PT_PARTS; i++) {
        begin += size;
        if (!yk_pickle_int(yk_pickle_at(x.splits, (size_t)i), &size) || size < 1 || size > x.channels - begin)
            size = 0;
    }
    if (index < 0 || index >= YK_PT_PARTS || size == 0) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "part %lld of an input is not there", (long long)index);
        return yk_pt_none();
    }
    return yk_pt_slice(pt, x, (int)begin, (int)(begin + size));
}

/* Adds parts of other layers, scaled up, to the last input. */
static yk_pt_x join_cb_fuse(yk_pt *pt, const value *m, const yk_pt_x *inputs, int count)
{
    const value *indices = yk_pt_attribute(m, "idx");
    if (count < 1 || inputs[count - 1].splits || yk_pickle_length(indices) + 1 < (size_t)count)
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "its inputs and indices do not fit together");
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    yk_pt_x sum = inputs[count - 1];
    for (int i = 0; i < count - 1 && pt->status == YOLK_OK; i++) {
        int64_t index = -1;
        yk_pickle_int(yk_pickle_at(indices, (size_t)i), &index);
        yk_pt_x part = take_part(pt, m, inputs[i], index);
        double factor = part.stride / sum.stride;
        if (pt->status == YOLK_OK && (factor < 1 || factor > 1024 || factor != (int)factor))
            yk_pt_fail(pt, YOLK_ERROR_DAMAGED, m, "an input is not a whole multiple of another's size");
        if (pt->status == YOLK_OK && factor > 1)
            part = yk_pt_result(pt, yk_build_upsample(pt->graph, part.id, (int)factor, yk_pt_name(pt, ".up")),
                                part.channels, sum.stride);
        sum = yk_pt_add(pt, sum, part);
    }
    return sum;
}

/* ---- the table ---- */

static const yk_pt_class classes[] = {
    {"A2C2f", build_a2c2f, NULL},
    {"AAttn", yk_pt_area_attention, NULL},
    {"ABlock", build_area_block, NULL},
    {"AConv", build_aconv, NULL},
    {"ADown", build_adown, NULL},
    {"Attention", yk_pt_attention, NULL},
    {"Bottleneck", build_bottleneck, NULL},
    {"BottleneckCSP", yk_pt_csp, NULL},
    {"C1", build_c1, NULL},
    {"C2", build_c2_first, NULL},
    {"C2PSA", build_c2_second, NULL},
    {"C2f", build_c2f, NULL},
    {"C2fCIB", build_c2f, NULL},
    {"C2fPSA", build_c2f, NULL},
    {"C3", build_c3, NULL},
    {"C3Ghost", build_c3, NULL},
    {"C3f", build_c3f, NULL},
    {"C3k", build_c3, NULL},
    {"C3k2", build_c2f, NULL},
    {"C3x", build_c3, NULL},
    {"CBFuse", NULL, join_cb_fuse},
    {"CBLinear", build_cb_linear, NULL},
    {"CIB", build_cib, NULL},
    {"Concat", NULL, join_concat},
    {"Conv", yk_pt_conv, NULL},
    {"DWConv", yk_pt_conv, NULL},
    {"ELAN1", build_elan, NULL},
    {"Focus", yk_pt_focus, NULL},
    {"GhostBottleneck", build_ghost_bottleneck, NULL},
    {"GhostConv", build_ghost_conv, NULL},
    {"PSA", build_psa, NULL},
    {"PSABlock", build_psa_block, NULL},
    {"RepBottleneck", build_bottleneck, NULL},
    {"RepC3", build_rep_c3, NULL},
    {"RepCSP", build_c3, NULL},
    {"RepConv", yk_pt_rep_conv, NULL},
    {"RepConvN", yk_pt_rep_conv, NULL},
    {"RepNBottleneck", build_bottleneck, NULL},
    {"RepNCSP", build_c3, NULL},
    {"RepNCSPELAN4", build_elan, NULL},
    {"RepVGGDW", yk_pt_rep_vgg, NULL},
    {"SCDown", build_scdown, NULL},
    {"SPP", build_spp, NULL},
    {"SPPELAN", build_sppelan, NULL},
    {"SPPF", build_sppf, NULL},
    {"Silence", build_identity, NULL},
    {"torch.nn.Conv2d", yk_pt_conv2d, NULL},
    {"torch.nn.Dropout", build_identity, NULL},
    {"torch.nn.Hardswish", yk_pt_activation, NULL},
    {"torch.nn.Identity", build_identity, NULL},
    {"torch.nn.LeakyReLU", yk_pt_activation, NULL},
    {"torch.nn.MaxPool2d", build_max_pool, NULL},
    {"torch.nn.Mish", yk_pt_activation, NULL},
    {"torch.nn.ReLU", yk_pt_activation, NULL},
    {"torch.nn.SiLU", yk_pt_activation, NULL},
    {"torch.nn.Sequential", yk_pt_sequence, NULL},
    {"torch.nn.Sigmoid", yk_pt_activation, NULL},
    {"torch.nn.Upsample", build_upsample, NULL},
    {"torch.nn.ZeroPad2d", build_zero_pad, NULL},
};

const yk_pt_class *yk_pt_class_of(const value *module)
{
    for (size_t i = 0; i < YK_COUNT(classes); i++) {
        if (yk_pt_is(module, classes[i].name))
            return &classes[i];
    }
    return NULL;
}
