/* Each block of the networks that checkpoints hold, with random weights: emit_*() writes one from C to C channels. */
#ifndef YK_PT_BLOCKS_H
#define YK_PT_BLOCKS_H

#include <math.h>

#include "yk_pt_fixture.h"

#define BLOCK "ultralytics.nn.modules.block."

enum { C = 16 }; /* channels */

/* ---- parts that several blocks have ---- */

static inline void part_conv(fx *f, const char *name, int in, int out, int k)
{
    fx_part(f, name);
    fx_conv(f, in, out, k, 1);
}

/* A convolution of 3x3, one of 1x1 and the input itself. */
static inline void rep_conv(fx *f, int c)
{
    fx_parts(f, "ultralytics.nn.modules.conv.RepConv");
    fx_part(f, "conv1");
    fx_conv_as(f, FX_CONV, c, c, 3, 1, 1, NULL);
    fx_part(f, "conv2");
    fx_conv_as(f, FX_CONV, c, c, 1, 1, 1, NULL);
    fx_part(f, "bn");
    fx_norm(f, c);
    fx_part(f, "act");
    fx_leaf(f, "torch.nn.modules.activation.SiLU");
    fx_end_module(f);
}

static inline void bottleneck_as(fx *f, const char *class, int c, bool rep)
{
    fx_parts(f, class);
    fx_part(f, "cv1");
    if (rep)
        rep_conv(f, c);
    else
        fx_conv(f, c, c, 3, 1);
    part_conv(f, "cv2", c, c, 3);
    fx_end_dict(f);
    fx_attr_bool(f, "add", true);
    fx_end(f);
}

static inline void sequential(fx *f)
{
    fx_parts(f, "torch.nn.modules.container.Sequential");
}

static inline void module_list(fx *f)
{
    fx_parts(f, "torch.nn.modules.container.ModuleList");
}

static inline void max_pool(fx *f, int k)
{
    fx_module(f, "torch.nn.modules.pooling.MaxPool2d");
    fx_no_tensors(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_attr_int(f, "kernel_size", k);
    fx_attr_int(f, "stride", 1);
    fx_attr_int(f, "padding", k / 2);
    fx_attr_int(f, "dilation", 1);
    fx_attr_bool(f, "ceil_mode", false);
    fx_attr_bool(f, "return_indices", false);
    fx_end(f);
}

static inline void c3_as(fx *f, const char *class, int c, bool rep)
{
    fx_parts(f, class);
    part_conv(f, "cv1", c, c / 2, 1);
    part_conv(f, "cv2", c, c / 2, 1);
    part_conv(f, "cv3", c, c, 1);
    fx_part(f, "m");
    sequential(f);
    fx_part(f, "0");
    bottleneck_as(f, rep ? BLOCK "RepBottleneck" : BLOCK "Bottleneck", c / 2, rep);
    fx_end_module(f);
    fx_end_module(f);
}

/* ---- blocks from C channels to C channels, same size ---- */

static inline void emit_conv(fx *f)
{
    fx_conv(f, C, C, 3, 1);
}

static inline void emit_c3(fx *f)
{
    c3_as(f, BLOCK "C3", C, false);
}

static inline void emit_rep_csp(fx *f)
{
    c3_as(f, BLOCK "RepCSP", C, true);
}

/* As a fused checkpoint has it: one convolution is left of three. */
static inline void emit_rep_fused(fx *f)
{
    fx_parts(f, "ultralytics.nn.modules.conv.RepConv");
    fx_part(f, "conv");
    fx_conv2d(f, C, C, 3, 1, 1, 1, true);
    fx_part(f, "act");
    fx_leaf(f, "torch.nn.modules.activation.ReLU");
    fx_end_module(f);
}

static inline void c2f_as(fx *f, const char *class, void (*inner)(fx *f, int c))
{
    fx_parts(f, class);
    part_conv(f, "cv1", C, C, 1);
    part_conv(f, "cv2", 2 * C, C, 1);
    fx_part(f, "m");
    module_list(f);
    for (int i = 0; i < 2; i++) {
        fx_part(f, i ? "1" : "0");
        inner(f, C / 2);
    }
    fx_end_module(f);
    fx_end_dict(f);
    fx_attr_int(f, "c", C / 2);
    fx_end(f);
}

static inline void inner_bottleneck(fx *f, int c)
{
    bottleneck_as(f, BLOCK "Bottleneck", c, false);
}

static inline void inner_c3k(fx *f, int c)
{
    c3_as(f, BLOCK "C3k", c, false);
}

/* Depthwise, pointwise, a depthwise one of two kernels, pointwise, depthwise. */
static inline void inner_cib(fx *f, int c)
{
    fx_parts(f, BLOCK "CIB");
    fx_part(f, "cv1");
    sequential(f);
    fx_part(f, "0");
    fx_conv_as(f, FX_CONV, c, c, 3, 1, c, "SiLU");
    fx_part(f, "1");
    fx_conv(f, c, 2 * c, 1, 1);
    fx_part(f, "2");
    fx_parts(f, BLOCK "RepVGGDW");
    fx_part(f, "conv");
    fx_conv_as(f, FX_CONV, 2 * c, 2 * c, 7, 1, 2 * c, NULL);
    fx_part(f, "conv1");
    fx_conv_as(f, FX_CONV, 2 * c, 2 * c, 3, 1, 2 * c, NULL);
    fx_part(f, "act");
    fx_leaf(f, "torch.nn.modules.activation.SiLU");
    fx_end_module(f);
    fx_part(f, "3");
    fx_conv(f, 2 * c, c, 1, 1);
    fx_part(f, "4");
    fx_conv_as(f, FX_CONV, c, c, 3, 1, c, "SiLU");
    fx_end_module(f);
    fx_end_dict(f);
    fx_attr_bool(f, "add", true);
    fx_end(f);
}

static inline void emit_c2f(fx *f)
{
    c2f_as(f, BLOCK "C2f", inner_bottleneck);
}

static inline void emit_c3k2(fx *f)
{
    c2f_as(f, BLOCK "C3k2", inner_c3k);
}

static inline void emit_c2f_cib(fx *f)
{
    c2f_as(f, BLOCK "C2fCIB", inner_cib);
}

static inline void attention(fx *f, int c, int heads)
{
    int head = c / heads, key = head / 2;
    fx_parts(f, BLOCK "Attention");
    fx_part(f, "qkv");
    fx_conv_as(f, FX_CONV, c, heads * (2 * key + head), 1, 1, 1, NULL);
    fx_part(f, "proj");
    fx_conv_as(f, FX_CONV, c, c, 1, 1, 1, NULL);
    fx_part(f, "pe");
    fx_conv_as(f, FX_CONV, c, c, 3, 1, c, NULL);
    fx_end_dict(f);
    fx_attr_int(f, "num_heads", heads);
    fx_attr_int(f, "head_dim", head);
    fx_attr_int(f, "key_dim", key);
    fx_attr_double(f, "scale", pow(key, -0.5));
    fx_end(f);
}

static inline void attention_parts(fx *f, int c)
{
    fx_part(f, "attn");
    attention(f, c, 2);
    fx_part(f, "ffn");
    sequential(f);
    fx_part(f, "0");
    fx_conv(f, c, 2 * c, 1, 1);
    fx_part(f, "1");
    fx_conv_as(f, FX_CONV, 2 * c, c, 1, 1, 1, NULL);
    fx_end_module(f);
}

static inline void emit_c2psa(fx *f)
{
    fx_parts(f, BLOCK "C2PSA");
    part_conv(f, "cv1", C, C, 1);
    part_conv(f, "cv2", C, C, 1);
    fx_part(f, "m");
    sequential(f);
    fx_part(f, "0");
    fx_parts(f, BLOCK "PSABlock");
    attention_parts(f, C / 2);
    fx_end_dict(f);
    fx_attr_bool(f, "add", true);
    fx_end(f);
    fx_end_module(f);
    fx_end_dict(f);
    fx_attr_int(f, "c", C / 2);
    fx_end(f);
}

static inline void emit_psa(fx *f)
{
    fx_parts(f, BLOCK "PSA");
    part_conv(f, "cv1", C, C, 1);
    part_conv(f, "cv2", C, C, 1);
    attention_parts(f, C / 2);
    fx_end_dict(f);
    fx_attr_int(f, "c", C / 2);
    fx_end(f);
}

static inline void area_block(fx *f, int c, int area)
{
    fx_parts(f, BLOCK "ABlock");
    fx_part(f, "attn");
    fx_parts(f, BLOCK "AAttn");
    fx_part(f, "qkv");
    fx_conv_as(f, FX_CONV, c, 3 * c, 1, 1, 1, NULL);
    fx_part(f, "proj");
    fx_conv_as(f, FX_CONV, c, c, 1, 1, 1, NULL);
    fx_part(f, "pe");
    fx_conv_as(f, FX_CONV, c, c, 7, 1, c, NULL);
    fx_end_dict(f);
    fx_attr_int(f, "area", area);
    fx_attr_int(f, "num_heads", 2);
    fx_attr_int(f, "head_dim", c / 2);
    fx_attr_int(f, "all_head_dim", c);
    fx_end(f);
    fx_part(f, "mlp");
    sequential(f);
    fx_part(f, "0");
    fx_conv(f, c, 2 * c, 1, 1);
    fx_part(f, "1");
    fx_conv_as(f, FX_CONV, 2 * c, c, 1, 1, 1, NULL);
    fx_end_module(f);
    fx_end_module(f);
}

/* One strip, then four, and a learnt factor a channel. */
static inline void emit_a2c2f(fx *f)
{
    fx_module(f, BLOCK "A2C2f");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "gamma", (int[]){C}, 1, 0.5f, 1.5f);
    fx_end_dict(f);
    fx_begin_dict(f, "_buffers");
    fx_end_dict(f);
    fx_begin_dict(f, "_modules");
    part_conv(f, "cv1", C, C / 2, 1);
    part_conv(f, "cv2", C, C, 1);
    fx_part(f, "m");
    module_list(f);
    fx_part(f, "0");
    sequential(f);
    fx_part(f, "0");
    area_block(f, C / 2, 4);
    fx_part(f, "1");
    area_block(f, C / 2, 1);
    fx_end_module(f);
    fx_end_module(f);
    fx_end_dict(f);
    fx_end(f);
}

static inline void emit_c1(fx *f)
{
    fx_parts(f, BLOCK "C1");
    part_conv(f, "cv1", C, C, 1);
    fx_part(f, "m");
    sequential(f);
    part_conv(f, "0", C, C, 3);
    fx_end_module(f);
    fx_end_module(f);
}

static inline void emit_c2(fx *f)
{
    fx_parts(f, BLOCK "C2");
    part_conv(f, "cv1", C, C, 1);
    part_conv(f, "cv2", C, C, 1);
    fx_part(f, "m");
    sequential(f);
    fx_part(f, "0");
    inner_bottleneck(f, C / 2);
    fx_end_module(f);
    fx_end_module(f);
}

static inline void emit_c3f(fx *f)
{
    fx_parts(f, BLOCK "C3f");
    part_conv(f, "cv1", C, C / 2, 1);
    part_conv(f, "cv2", C, C / 2, 1);
    part_conv(f, "cv3", C / 2 * 3, C, 1);
    fx_part(f, "m");
    module_list(f);
    fx_part(f, "0");
    inner_bottleneck(f, C / 2);
    fx_end_module(f);
    fx_end_module(f);
}

static inline void emit_rep_c3(fx *f)
{
    fx_parts(f, BLOCK "RepC3");
    part_conv(f, "cv1", C, C / 2, 1);
    part_conv(f, "cv2", C, C / 2, 1);
    part_conv(f, "cv3", C / 2, C, 1);
    fx_part(f, "m");
    sequential(f);
    fx_part(f, "0");
    rep_conv(f, C / 2);
    fx_end_module(f);
    fx_end_module(f);
}

static inline void emit_sppf(fx *f)
{
    fx_parts(f, BLOCK "SPPF");
    fx_part(f, "cv1");
    fx_conv_as(f, FX_CONV, C, C / 2, 1, 1, 1, NULL);
    part_conv(f, "cv2", C / 2 * 4, C, 1);
    fx_part(f, "m");
    max_pool(f, 5);
    fx_end_dict(f);
    fx_attr_int(f, "n", 3);
    fx_attr_bool(f, "add", true);
    fx_end(f);
}

static inline void emit_spp(fx *f)
{
    fx_parts(f, BLOCK "SPP");
    part_conv(f, "cv1", C, C / 2, 1);
    part_conv(f, "cv2", C / 2 * 3, C, 1);
    fx_part(f, "m");
    module_list(f);
    fx_part(f, "0");
    max_pool(f, 5);
    fx_part(f, "1");
    max_pool(f, 9);
    fx_end_module(f);
    fx_end_module(f);
}

static inline void emit_sppelan(fx *f)
{
    fx_parts(f, BLOCK "SPPELAN");
    part_conv(f, "cv1", C, C / 2, 1);
    for (int i = 2; i <= 4; i++) {
        fx_part(f, i == 2 ? "cv2" : i == 3 ? "cv3" : "cv4");
        max_pool(f, 5);
    }
    part_conv(f, "cv5", C / 2 * 4, C, 1);
    fx_end_module(f);
}

static inline void emit_elan1(fx *f)
{
    fx_parts(f, BLOCK "ELAN1");
    part_conv(f, "cv1", C, C, 1);
    part_conv(f, "cv2", C / 2, 8, 3);
    part_conv(f, "cv3", 8, 8, 3);
    part_conv(f, "cv4", C + 16, C, 1);
    fx_end_module(f);
}

static inline void emit_csp(fx *f)
{
    int c = C / 2;
    fx_parts(f, BLOCK "BottleneckCSP");
    part_conv(f, "cv1", C, c, 1);
    fx_part(f, "cv2");
    fx_conv2d(f, C, c, 1, 1, 0, 1, false);
    fx_part(f, "cv3");
    fx_conv2d(f, c, c, 1, 1, 0, 1, false);
    part_conv(f, "cv4", 2 * c, C, 1);
    fx_part(f, "bn");
    fx_norm(f, 2 * c);
    fx_part(f, "act");
    fx_leaf(f, "torch.nn.modules.activation.Hardswish");
    fx_part(f, "m");
    sequential(f);
    fx_part(f, "0");
    bottleneck_as(f, BLOCK "Bottleneck", c, false);
    fx_end_module(f);
    fx_end_module(f);
}

static inline void ghost_conv(fx *f, int c, const char *act)
{
    fx_parts(f, "ultralytics.nn.modules.conv.GhostConv");
    fx_part(f, "cv1");
    fx_conv_as(f, FX_CONV, c, c / 2, 1, 1, 1, act);
    fx_part(f, "cv2");
    fx_conv_as(f, FX_CONV, c / 2, c / 2, 5, 1, c / 2, act);
    fx_end_module(f);
}

static inline void emit_ghost(fx *f)
{
    fx_parts(f, BLOCK "GhostBottleneck");
    fx_part(f, "conv");
    sequential(f);
    fx_part(f, "0");
    ghost_conv(f, C, "Mish");
    fx_part(f, "1");
    fx_leaf(f, "torch.nn.modules.linear.Identity");
    fx_part(f, "2");
    ghost_conv(f, C, NULL);
    fx_end_module(f);
    fx_part(f, "shortcut");
    fx_leaf(f, "torch.nn.modules.linear.Identity");
    fx_end_module(f);
}

/* Pooling of 2x2 that keeps the size, thanks to padding at one side. */
static inline void emit_padded_pool(fx *f)
{
    sequential(f);
    fx_part(f, "0");
    fx_module(f, "torch.nn.modules.padding.ZeroPad2d");
    fx_no_tensors(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_attr_ints(f, "padding", (int[]){0, 1, 0, 1}, 4, false);
    fx_attr_double(f, "value", 0);
    fx_end(f);
    fx_part(f, "1");
    fx_module(f, "torch.nn.modules.pooling.MaxPool2d");
    fx_no_tensors(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_attr_ints(f, "kernel_size", (int[]){2, 2}, 2, false);
    fx_attr_int(f, "stride", 1);
    fx_attr_int(f, "padding", 0);
    fx_attr_int(f, "dilation", 1);
    fx_attr_bool(f, "ceil_mode", false);
    fx_attr_bool(f, "return_indices", false);
    fx_end(f);
    fx_end_module(f);
}

/* ---- blocks that halve the size ---- */

static inline void emit_adown(fx *f)
{
    fx_parts(f, BLOCK "ADown");
    fx_part(f, "cv1");
    fx_conv(f, C / 2, C / 2, 3, 2);
    part_conv(f, "cv2", C / 2, C / 2, 1);
    fx_end_dict(f);
    fx_attr_int(f, "c", C / 2);
    fx_end(f);
}

static inline void emit_aconv(fx *f)
{
    fx_parts(f, BLOCK "AConv");
    fx_part(f, "cv1");
    fx_conv(f, C, C, 3, 2);
    fx_end_module(f);
}

static inline void emit_scdown(fx *f)
{
    fx_parts(f, BLOCK "SCDown");
    part_conv(f, "cv1", C, C, 1);
    fx_part(f, "cv2");
    fx_conv_as(f, FX_CONV, C, C, 3, 2, C, NULL);
    fx_end_module(f);
}

static inline void emit_focus(fx *f)
{
    fx_parts(f, "ultralytics.nn.modules.conv.Focus");
    fx_part(f, "conv");
    fx_conv(f, 4 * C, C, 3, 1);
    fx_end_module(f);
}

/* ---- layers with several inputs; written from layer 1 on, after a convolution of stride 2; gives the next one ---- */

static inline int emit_fuse(fx *f)
{
    fx_layer(f, 1);
    fx_conv(f, C, C, 3, 2);
    fx_layer(f, 2);
    fx_parts(f, BLOCK "CBLinear");
    fx_part(f, "conv");
    fx_conv2d(f, C, 8 + C, 1, 1, 0, 1, true);
    fx_end_dict(f);
    fx_attr_ints(f, "c2s", (int[]){8, C}, 2, true);
    fx_end(f);
    fx_layer_from(f, 3, (int[]){2, 0}, 2);
    fx_parts(f, BLOCK "CBFuse");
    fx_end_dict(f);
    fx_attr_ints(f, "idx", (int[]){1}, 1, true);
    fx_end(f);
    return 4;
}

static inline int emit_concat(fx *f)
{
    fx_layer(f, 1);
    fx_conv(f, C, C, 3, 2);
    fx_layer(f, 2);
    fx_module(f, "torch.nn.modules.upsampling.Upsample");
    fx_no_tensors(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_text(f, "size");
    fx_op(f, 'N');
    fx_attr_double(f, "scale_factor", 2);
    fx_attr_text(f, "mode", "nearest");
    fx_text(f, "align_corners");
    fx_op(f, 'N');
    fx_text(f, "recompute_scale_factor");
    fx_op(f, 'N');
    fx_end(f);
    fx_layer_from(f, 3, (int[]){-1, 0}, 2);
    fx_parts(f, "ultralytics.nn.modules.conv.Concat");
    fx_end_dict(f);
    fx_attr_int(f, "d", 1);
    fx_end(f);
    fx_layer(f, 4);
    fx_conv(f, 2 * C, C, 1, 1);
    return 5;
}

#endif
