/* Small checkpoints written in memory, as torch.save() lays them out: a stored zip archive with a pickle and one entry
 * a tensor. Tests and fuzz targets build their own networks from these parts; PyTorch reads them too. */
#ifndef YK_PT_FIXTURE_H
#define YK_PT_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "import/zip.h"

typedef struct fx {
    yk_buffer pickle, zip, directory;
    int entries, storages;
    uint32_t seed;
    bool big_endian;                /* tensors are written so; the archive must say it */
    int layer, from[8], from_count; /* of the next module, when from_count is not 0 */
} fx;

/* ---- the archive ---- */

static inline void fx_number(yk_buffer *b, uint64_t number, int width)
{
    for (int i = 0; i < width; i++)
        yk_buffer_add(b, &(uint8_t){(uint8_t)(i < 8 ? number >> 8 * i : 0)}, 1);
}

/* The part that a local header and a directory record have in common. */
static inline void fx_common(yk_buffer *b, const char *name, const void *bytes, size_t size)
{
    fx_number(b, 0, 2); /* version */
    fx_number(b, 0, 2); /* flags */
    fx_number(b, 0, 2); /* stored */
    fx_number(b, 0, 4); /* time */
    fx_number(b, yk_zip_crc(bytes, size), 4);
    fx_number(b, size, 4);
    fx_number(b, size, 4);
    fx_number(b, strlen(name), 2);
    fx_number(b, 0, 2); /* extra */
}

static inline void fx_entry(fx *f, const char *name, const void *bytes, size_t size)
{
    size_t at = f->zip.size;
    yk_buffer_add(&f->zip, "PK\3\4", 4);
    fx_common(&f->zip, name, bytes, size);
    yk_buffer_text(&f->zip, name);
    yk_buffer_add(&f->zip, bytes, size);
    yk_buffer_add(&f->directory, "PK\1\2\0", 6);
    fx_common(&f->directory, name, bytes, size);
    fx_number(&f->directory, 0, 2 + 2 + 2 + 4); /* comment, disk, attributes */
    fx_number(&f->directory, at, 4);
    yk_buffer_text(&f->directory, name);
    f->entries++;
}

/* Ends the archive; its bytes are in f->zip. */
static inline void fx_finish_zip(fx *f)
{
    size_t at = f->zip.size;
    yk_buffer_add(&f->zip, f->directory.data, f->directory.size);
    yk_buffer_add(&f->zip, "PK\5\6\0\0\0", 8);
    fx_number(&f->zip, (uint64_t)f->entries, 2);
    fx_number(&f->zip, (uint64_t)f->entries, 2);
    fx_number(&f->zip, f->directory.size, 4);
    fx_number(&f->zip, at, 4);
    fx_number(&f->zip, 0, 2);
}

static inline void fx_free(fx *f)
{
    yk_buffer_free(&f->pickle);
    yk_buffer_free(&f->zip);
    yk_buffer_free(&f->directory);
    *f = (fx){.seed = 1};
}

/* ---- the pickle ---- */

static inline void fx_op(fx *f, int op)
{
    yk_buffer_add(&f->pickle, &(uint8_t){(uint8_t)op}, 1);
}

static inline void fx_text(fx *f, const char *text)
{
    fx_op(f, 'X');
    fx_number(&f->pickle, strlen(text), 4);
    yk_buffer_text(&f->pickle, text);
}

static inline void fx_int(fx *f, int64_t number)
{
    fx_op(f, 'J');
    fx_number(&f->pickle, (uint64_t)number, 4);
}

static inline void fx_double(fx *f, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    fx_op(f, 'G');
    for (int i = 7; i >= 0; i--)
        fx_number(&f->pickle, bits >> 8 * i, 1);
}

static inline void fx_bool(fx *f, bool b)
{
    fx_op(f, b ? 0x88 : 0x89);
}

/* "torch.nn.modules.conv.Conv2d": the name is what follows the last dot. */
static inline void fx_global(fx *f, const char *name)
{
    const char *dot = strrchr(name, '.');
    yk_buffer_format(&f->pickle, "c%.*s\n%s\n", (int)(dot - name), name, dot + 1);
}

/* An object of a class; attributes follow, then fx_end(). */
static inline void fx_begin(fx *f, const char *class)
{
    fx_global(f, class);
    yk_buffer_add(&f->pickle, ")\x81}(", 4);
}

static inline void fx_end(fx *f)
{
    yk_buffer_text(&f->pickle, "ub");
}

/* A dictionary as the value of `key`, ended by fx_end_dict(). */
static inline void fx_begin_dict(fx *f, const char *key)
{
    if (key)
        fx_text(f, key);
    yk_buffer_text(&f->pickle, "}(");
}

static inline void fx_end_dict(fx *f)
{
    fx_op(f, 'u');
}

static inline void fx_attr_int(fx *f, const char *key, int64_t number)
{
    fx_text(f, key);
    fx_int(f, number);
}

static inline void fx_attr_bool(fx *f, const char *key, bool b)
{
    fx_text(f, key);
    fx_bool(f, b);
}

static inline void fx_attr_text(fx *f, const char *key, const char *text)
{
    fx_text(f, key);
    fx_text(f, text);
}

static inline void fx_attr_double(fx *f, const char *key, double number)
{
    fx_text(f, key);
    fx_double(f, number);
}

static inline void fx_ints(fx *f, const int *numbers, int count, bool list)
{
    yk_buffer_text(&f->pickle, list ? "](" : "(");
    for (int i = 0; i < count; i++)
        fx_int(f, numbers[i]);
    fx_op(f, list ? 'e' : 't');
}

static inline void fx_attr_ints(fx *f, const char *key, const int *numbers, int count, bool list)
{
    fx_text(f, key);
    fx_ints(f, numbers, count, list);
}

/* ---- tensors ---- */

static inline float fx_random(fx *f, float low, float high)
{
    f->seed = f->seed * 1664525u + 1013904223u;
    return low + (high - low) * (float)(f->seed >> 8) / (float)(1 << 24);
}

/* What _rebuild_tensor_v2 is called with; the storage has `bytes` of class "FloatStorage" and the like. */
static inline void fx_tensor_of(fx *f, const char *storage, const void *bytes, size_t size, int64_t offset,
                                const int *dims, const int *steps, int rank)
{
    char key[32], name[64];
    snprintf(key, sizeof key, "%d", f->storages++);
    snprintf(name, sizeof name, "m/data/%s", key);
    fx_entry(f, name, bytes, size);
    snprintf(name, sizeof name, "torch.%s", storage);
    fx_global(f, "torch._utils._rebuild_tensor_v2");
    yk_buffer_text(&f->pickle, "((");
    fx_text(f, "storage");
    fx_global(f, name);
    fx_text(f, key);
    fx_text(f, "cpu");
    fx_int(f, (int64_t)size / 4);
    yk_buffer_text(&f->pickle, "tQ");
    fx_int(f, offset);
    fx_ints(f, dims, rank, false);
    fx_ints(f, steps, rank, false);
    fx_bool(f, false);
    fx_global(f, "collections.OrderedDict");
    yk_buffer_text(&f->pickle, ")RtR");
}

static inline void fx_floats(fx *f, const float *values, const int *dims, int rank)
{
    int steps[6] = {1, 1, 1, 1, 1, 1};
    size_t count = 1;
    yk_buffer swapped = {0};
    for (int i = rank - 1; i >= 0; i--) {
        steps[i] = (int)count;
        count *= (size_t)dims[i];
    }
    for (size_t i = 0; f->big_endian && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        fx_number(&swapped, __builtin_bswap32(bits), 4);
    }
    fx_tensor_of(f, "FloatStorage", f->big_endian ? (const void *)swapped.data : values, count * sizeof *values, 0,
                 dims, steps, rank);
    yk_buffer_free(&swapped);
}

static inline void fx_random_tensor(fx *f, const char *key, const int *dims, int rank, float low, float high)
{
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] = fx_random(f, low, high);
    fx_text(f, key);
    fx_floats(f, values, dims, rank);
    free(values);
}

/* ---- modules ---- */

/* A module with what PyTorch itself needs; its attributes follow, then fx_end(). */
static inline void fx_module(fx *f, const char *class)
{
    static const char *const empty[] = {"_forward_hooks", "_backward_hooks", "_forward_pre_hooks"};
    fx_begin(f, class);
    fx_attr_bool(f, "training", false);
    for (size_t i = 0; i < YK_COUNT(empty); i++) {
        fx_text(f, empty[i]);
        fx_op(f, '}');
    }
    if (f->from_count > 0) {
        fx_attr_int(f, "i", f->layer);
        fx_text(f, "f");
        if (f->from_count == 1)
            fx_int(f, f->from[0]);
        else
            fx_ints(f, f->from, f->from_count, true);
        f->from_count = 0;
    }
}

/* For a module without parameters: */
static inline void fx_no_tensors(fx *f)
{
    fx_text(f, "_parameters");
    fx_op(f, '}');
    fx_text(f, "_buffers");
    fx_op(f, '}');
}

static inline void fx_leaf(fx *f, const char *class)
{
    fx_module(f, class);
    fx_no_tensors(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_attr_bool(f, "inplace", false);
    fx_end(f);
}

static inline void fx_conv2d(fx *f, int in, int out, int k, int s, int p, int g, bool bias)
{
    float reach = 0.8f / sqrtf((float)(in / g * k * k)); /* so that numbers keep their size from layer to layer */
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", (int[]){out, in / g, k, k}, 4, -reach, reach);
    if (bias) {
        fx_random_tensor(f, "bias", &out, 1, -0.5f, 0.5f);
    } else {
        fx_text(f, "bias");
        fx_op(f, 'N');
    }
    fx_end_dict(f);
    fx_begin_dict(f, "_buffers");
    fx_end_dict(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_attr_int(f, "in_channels", in);
    fx_attr_int(f, "out_channels", out);
    fx_attr_ints(f, "kernel_size", (int[]){k, k}, 2, false);
    fx_attr_ints(f, "stride", (int[]){s, s}, 2, false);
    fx_attr_ints(f, "padding", (int[]){p, p}, 2, false);
    fx_attr_ints(f, "dilation", (int[]){1, 1}, 2, false);
    fx_attr_int(f, "groups", g);
    fx_attr_text(f, "padding_mode", "zeros");
    fx_end(f);
}

static inline void fx_norm(fx *f, int channels)
{
    fx_module(f, "torch.nn.modules.batchnorm.BatchNorm2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", &channels, 1, 0.5f, 1.5f);
    fx_random_tensor(f, "bias", &channels, 1, -0.3f, 0.3f);
    fx_end_dict(f);
    fx_begin_dict(f, "_buffers");
    fx_random_tensor(f, "running_mean", &channels, 1, -0.3f, 0.3f);
    fx_random_tensor(f, "running_var", &channels, 1, 0.1f, 0.4f);
    fx_text(f, "num_batches_tracked");
    fx_op(f, 'N');
    fx_end_dict(f);
    fx_begin_dict(f, "_modules");
    fx_end_dict(f);
    fx_attr_double(f, "eps", 0.001);
    fx_attr_double(f, "momentum", 0.03);
    fx_attr_bool(f, "affine", true);
    fx_attr_bool(f, "track_running_stats", true);
    fx_attr_int(f, "num_features", channels);
    fx_end(f);
}

/* Opens a module whose submodules come next: fx_part() and a module for each, then fx_end_module(). Attributes may
 * stand between the two. */
static inline void fx_parts(fx *f, const char *class)
{
    fx_module(f, class);
    fx_no_tensors(f);
    fx_begin_dict(f, "_modules");
}

static inline void fx_part(fx *f, const char *name)
{
    fx_text(f, name);
}

static inline void fx_end_module(fx *f)
{
    fx_end_dict(f);
    fx_end(f);
}

#define FX_CONV "ultralytics.nn.modules.conv.Conv"

/* Convolution, batch norm and activation ("SiLU" and the like; NULL for none). */
static inline void fx_conv_as(fx *f, const char *class, int in, int out, int k, int s, int g, const char *act)
{
    char name[64];
    fx_parts(f, class);
    fx_part(f, "conv");
    fx_conv2d(f, in, out, k, s, k / 2, g, false);
    fx_part(f, "bn");
    fx_norm(f, out);
    fx_part(f, "act");
    snprintf(name, sizeof name, "torch.nn.modules.activation.%s", act ? act : "");
    fx_leaf(f, act ? name : "torch.nn.modules.linear.Identity");
    fx_end_module(f);
}

static inline void fx_conv(fx *f, int in, int out, int k, int s)
{
    fx_conv_as(f, FX_CONV, in, out, k, s, 1, "SiLU");
}

/* ---- the whole ---- */

/* Opens the checkpoint and its network; layers follow, each of them opened with fx_layer(). */
static inline void fx_begin_model(fx *f)
{
    fx_free(f);
    yk_buffer_add(&f->pickle, "\x80\x02", 2);
    fx_begin_dict(f, NULL);
    fx_text(f, "ema");
    fx_op(f, 'N');
    fx_text(f, "model");
    fx_parts(f, "ultralytics.nn.tasks.DetectionModel");
    fx_part(f, "model");
    fx_parts(f, "torch.nn.modules.container.Sequential");
}

/* The next module is layer `index` of the network and takes what `count` other layers give; -1 is the one before. */
static inline void fx_layer_from(fx *f, int index, const int *from, int count)
{
    char name[16];
    snprintf(name, sizeof name, "%d", index);
    fx_part(f, name);
    f->layer = index;
    f->from_count = count;
    memcpy(f->from, from, (size_t)count * sizeof *from);
}

static inline void fx_layer(fx *f, int index)
{
    fx_layer_from(f, index, (int[]){-1}, 1);
}

/* Closes the network; `names` are the classes'. Then the archive is complete. */
static inline void fx_end_model(fx *f, const char *const *names, int count)
{
    fx_end_module(f); /* Sequential */
    fx_end_dict(f);
    fx_begin_dict(f, "names");
    for (int i = 0; i < count; i++) {
        fx_int(f, i);
        fx_text(f, names[i]);
    }
    fx_end_dict(f);
    fx_begin_dict(f, "yaml");
    fx_attr_text(f, "yaml_file", "cfg/tiny.yaml");
    fx_end_dict(f);
    fx_end(f); /* DetectionModel */
    fx_begin_dict(f, "train_args");
    fx_attr_int(f, "imgsz", 60);
    fx_end_dict(f);
    fx_end_dict(f);
    fx_op(f, '.');
    fx_entry(f, "m/version", "3\n", 2);
    fx_entry(f, "m/data.pkl", f->pickle.data, f->pickle.size);
    fx_finish_zip(f);
}

#endif
