/* The smallest checkpoint that is a detector: two convolutions of stride 2 and a head of one level at stride 4. Each
 * test changes something in it. */
#ifndef YK_PT_TINY_H
#define YK_PT_TINY_H

#include "yk_pt_fixture.h"

enum { TINY_C = 4 };

/* What a test may put in place of the usual; NULL leaves it. */
typedef struct tiny {
    void (*body)(fx *f);       /* layer 1, from TINY_C to TINY_C channels at stride 2 */
    void (*head)(fx *f);       /* layer 2 */
    void (*attributes)(fx *f); /* of the network: names, yaml, ... */
    void (*top)(fx *f);        /* of the checkpoint's dictionary, after the network */
} tiny;

static inline void tiny_branches(fx *f, const char *name, int channels)
{
    fx_part(f, name);
    fx_parts(f, "torch.nn.modules.container.ModuleList");
    fx_part(f, "0");
    fx_conv2d(f, TINY_C, channels, 1, 1, 0, 1, true);
    fx_end_module(f);
}

static inline void tiny_stride(fx *f, float stride)
{
    fx_text(f, "stride");
    fx_floats(f, &stride, (int[]){1}, 1);
}

static inline void tiny_numbers(fx *f)
{
    fx_attr_int(f, "nc", 2);
    fx_attr_int(f, "reg_max", 2);
    tiny_stride(f, 4);
}

static inline void tiny_head(fx *f)
{
    fx_parts(f, "ultralytics.nn.modules.head.Detect");
    tiny_branches(f, "cv2", 8);
    tiny_branches(f, "cv3", 2);
    fx_end_dict(f);
    tiny_numbers(f);
    fx_end(f);
}

static inline void tiny_attributes(fx *f)
{
    fx_begin_dict(f, "names");
    fx_int(f, 1);
    fx_text(f, "dog");
    fx_int(f, 0);
    fx_text(f, "cat");
    fx_end_dict(f);
    fx_begin_dict(f, "yaml");
    fx_attr_text(f, "yaml_file", "cfg/models/tiny.yaml");
    fx_end_dict(f);
}

static inline void tiny_network(fx *f, const tiny *t)
{
    fx_parts(f, "ultralytics.nn.tasks.DetectionModel");
    fx_part(f, "model");
    fx_parts(f, "torch.nn.modules.container.Sequential");
    fx_layer(f, 0);
    fx_conv(f, 3, TINY_C, 3, 2);
    fx_layer(f, 1);
    if (t->body)
        t->body(f);
    else
        fx_conv(f, TINY_C, TINY_C, 3, 2);
    fx_layer(f, 2);
    (t->head ? t->head : tiny_head)(f);
    f->from_count = 0;
    fx_end_module(f);
    fx_end_dict(f);
    (t->attributes ? t->attributes : tiny_attributes)(f);
    fx_end(f);
}

/* Ends the pickle and the archive. */
static inline void tiny_finish(fx *f)
{
    fx_op(f, '.');
    fx_entry(f, "m/data.pkl", f->pickle.data, f->pickle.size);
    fx_finish_zip(f);
}

static inline void tiny_make(fx *f, const tiny *t)
{
    fx_free(f);
    yk_buffer_add(&f->pickle, "\x80\x02", 2);
    fx_begin_dict(f, NULL);
    fx_text(f, "ema");
    fx_op(f, 'N');
    fx_text(f, "model");
    tiny_network(f, t);
    if (t->top)
        t->top(f);
    fx_end_dict(f);
    tiny_finish(f);
}

#endif
