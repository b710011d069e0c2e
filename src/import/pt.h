/* A checkpoint being turned into a graph: what the files pt*.c share.
 *
 * A checkpoint is a zip archive with one pickle (the module tree) and the storages of its tensors. Each class of module
 * has a small function that builds what the module computes. The first failure is kept: whoever gets YK_NONE, NULL or
 * false passes it on, and the one who began looks at `status`. */
#ifndef YK_PT_H
#define YK_PT_H

#include "graph/graph.h"
#include "import/pickle.h"
#include "import/zip.h"

typedef struct yk_pt {
    yk_zip zip;
    bool *checked; /* entries of `zip` whose checksum was compared */
    yk_pickle pickle;
    const char *folder; /* what the archive's names begin with: "best/" */
    size_t folder_length;
    bool big_endian;
    yk_graph *graph;
    yolk_status status;     /* of the first failure */
    uint64_t elements_left; /* tensor elements that may still be read */
    int modules_left;       /* modules that may still be built */
    int depth;
    char path[256]; /* of the module at hand: "model.22.cv2.0.0" */
    size_t path_length;
    char name[280]; /* of yk_pt_name() */
} yk_pt;

enum { YK_PT_PARTS = 64 }; /* tensors that can be joined at once */

/* A tensor that the network computes, on its way from module to module. */
typedef struct yk_pt_x {
    yk_id id;
    int channels;
    double stride;                 /* pixels of the input a step */
    const yk_pickle_value *splits; /* after CBLinear: channels of each part, a list; else NULL */
} yk_pt_x;

/* ---- pt_module.c: the module tree ---- */

/* Fails for the module at hand: "model.9 (ultralytics.nn.modules.block.SPPF): ..." */
void yk_pt_fail(yk_pt *pt, yolk_status status, const yk_pickle_value *module, const char *format, ...) YK_PRINTF(4, 5);
/* A result that tells of a failure. */
yk_pt_x yk_pt_none(void);
/* The result of a yk_build_*() call, with its failure noted. */
yk_pt_x yk_pt_result(yk_pt *pt, yk_id id, int channels, double stride);
/* What a module's __dict__ holds: plain attributes, or NULL. */
const yk_pickle_value *yk_pt_attribute(const yk_pickle_value *module, const char *name);
int64_t yk_pt_int(const yk_pickle_value *module, const char *name, int64_t otherwise);
/* One number, or the one that a tuple of two repeats: (3, 3). Fails for anything else. */
int yk_pt_same(yk_pt *pt, const yk_pickle_value *module, const char *name, int otherwise);
/* Height and width from one number or a tuple of two. */
bool yk_pt_pair(yk_pt *pt, const yk_pickle_value *module, const char *name, int out[2]);
/* Parameter or buffer, or NULL; None counts as missing. */
const yk_pickle_value *yk_pt_tensor(const yk_pickle_value *module, const char *name);
/* Submodule, or NULL; None counts as missing. */
const yk_pickle_value *yk_pt_child(const yk_pickle_value *module, const char *name);
size_t yk_pt_child_count(const yk_pickle_value *module);
const yk_pickle_value *yk_pt_child_at(const yk_pickle_value *module, size_t index);
/* True for an instance of network class `name` ("Conv", in whichever package), or of PyTorch's "torch.nn.Conv2d". */
bool yk_pt_is(const yk_pickle_value *module, const char *name);
/* Puts a name on the path while a submodule is looked at. */
size_t yk_pt_enter(yk_pt *pt, const char *name);
void yk_pt_leave(yk_pt *pt, size_t before);
/* The path and a suffix, valid until the next call. */
const char *yk_pt_name(yk_pt *pt, const char *suffix);
/* Builds a submodule; a missing one is a failure. */
yk_pt_x yk_pt_build_child(yk_pt *pt, const yk_pickle_value *module, const char *name, yk_pt_x x);
yk_pt_x yk_pt_build_at(yk_pt *pt, const yk_pickle_value *module, size_t index, yk_pt_x x);
/* Builds all submodules, one after the other: Sequential. */
yk_pt_x yk_pt_sequence(yk_pt *pt, const yk_pickle_value *module, yk_pt_x x);
/* Builds a module from its inputs. */
yk_pt_x yk_pt_build(yk_pt *pt, const yk_pickle_value *module, const yk_pt_x *inputs, int count);
yk_pt_x yk_pt_add(yk_pt *pt, yk_pt_x a, yk_pt_x b);
/* Channels begin..end of x. */
yk_pt_x yk_pt_slice(yk_pt *pt, yk_pt_x x, int begin, int end);
yk_pt_x yk_pt_concat(yk_pt *pt, const yk_pt_x *parts, int count);

/* ---- pt_tensor.c: weights ---- */

typedef struct yk_pt_array {
    int rank;
    int64_t dims[YK_MAX_RANK];
    int64_t count;
    float *data; /* yk_free() */
} yk_pt_array;

/* Reads a tensor's elements as float32; fails with `what` in the sentence. */
bool yk_pt_read(yk_pt *pt, const yk_pickle_value *module, const yk_pickle_value *tensor, const char *what,
                yk_pt_array *out);

/* ---- pt_conv.c: convolutions and what is folded into them ---- */

typedef struct yk_pt_kernel {
    int out, in; /* `in`: of one group */
    int size[2], stride[2], pad[2];
    int dilation, groups;
    float *weights; /* OIHW */
    float *bias;    /* always there */
} yk_pt_kernel;

/* Reads a Conv2d, or a Conv with its batch norm folded. */
bool yk_pt_kernel_read(yk_pt *pt, const yk_pickle_value *module, yk_pt_kernel *out);
void yk_pt_kernel_free(yk_pt_kernel *k);
/* Folds channels first..first+out of a batch norm that follows. */
bool yk_pt_kernel_fold(yk_pt *pt, const yk_pickle_value *norm, int first, yk_pt_kernel *k);
/* Output channel i becomes what was order[i], times scale[i]. */
bool yk_pt_kernel_reorder(yk_pt *pt, yk_pt_kernel *k, const int *order, const float *scale);
/* Adds a convolution that runs beside, its kernel not larger, centred in k's. */
bool yk_pt_kernel_add(yk_pt *pt, const yk_pickle_value *module, yk_pt_kernel *k, const yk_pt_kernel *other);
/* Builds the convolution with the activation (a module or NULL) after it, and frees it. */
yk_pt_x yk_pt_kernel_build(yk_pt *pt, yk_pt_kernel *k, const yk_pickle_value *module, const yk_pickle_value *act,
                           yk_pt_x x, const char *suffix);

/* Builders of one module each. */
typedef yk_pt_x yk_pt_builder(yk_pt *pt, const yk_pickle_value *module, yk_pt_x x);
typedef yk_pt_x yk_pt_joiner(yk_pt *pt, const yk_pickle_value *module, const yk_pt_x *inputs, int count);

yk_pt_builder yk_pt_conv, yk_pt_conv2d, yk_pt_rep_conv, yk_pt_rep_vgg, yk_pt_focus, yk_pt_csp; /* pt_conv.c */
yk_pt_builder yk_pt_activation;
yk_pt_builder yk_pt_attention, yk_pt_area_attention; /* pt_attention.c */

/* pt_blocks.c: the function for a class, or NULL. */
typedef struct yk_pt_class {
    const char *name; /* "C2f"; PyTorch's own with "torch.nn." before it */
    yk_pt_builder *build;
    yk_pt_joiner *join; /* instead, for those with several inputs */
} yk_pt_class;
const yk_pt_class *yk_pt_class_of(const yk_pickle_value *module);

/* ---- pt_head.c ---- */

bool yk_pt_is_head(const yk_pickle_value *module);
/* What kind of task a head that yolk does not run is for ("instance segmentation"), or NULL. */
const char *yk_pt_other_task(const yk_pickle_value *module);
/* Builds the head, makes its raw outputs those of the graph and fills in graph->head. `yaml`: of the model, or NULL. */
bool yk_pt_head(yk_pt *pt, const yk_pickle_value *module, const yk_pickle_value *yaml, const yk_pt_x *inputs,
                int count);

#endif
