/* A graph made ready for one device: its steps in order, and where each tensor lies.
 *
 * A plan knows shapes, layouts, views and the time between which memory is needed, and nothing that only one kind of
 * device understands: every runner that has kernels runs plans. What the graph says with Concat and Slice costs nothing
 * where it can be said with places: the parts of a concatenation are written into one root, and a slice is read out of
 * it. A plan is on its own, but for the constants, which stay the graph's. It may be read from several threads. */
#ifndef YK_PLAN_H
#define YK_PLAN_H

#include "graph/graph.h"

enum { YK_STEP_INPUTS = 64 }; /* of a step, at most */

typedef enum yk_layout {
    YK_LAYOUT_PLAIN, /* row-major, as the graph has it */
    YK_LAYOUT_NHWC   /* for rank 4: the channels of a pixel side by side, pixels row by row, pictures one by one */
} yk_layout;

typedef struct yk_plan_tensor {
    yk_type type;
    yk_shape shape;   /* the graph's: N x C x H x W in either layout */
    yk_layout layout; /* constants are PLAIN */
    const void *data; /* of a constant; NULL */
    void *owned;      /* that data when it is the plan's own, NULL when it is the graph's */
    /* Whose memory it lies in: its own index for a root, else a root's. An NHWC view is a range of the root's channels;
     * a PLAIN one is `start` elements into it, end to end. */
    int root;
    int64_t start; /* elements from the root's first one: for NHWC the first channel */
    int64_t pixel; /* NHWC: elements from one pixel to the next, the same for all views of a root */
    /* Of roots. Input, outputs and constants have no place in the arena: -1. */
    int64_t offset, bytes;
    int first, last; /* of roots: the first step that writes it and the last one that uses it, its views included */
    /* Of an 8-bit tensor that stands for real numbers: (element - zero) * scale. Scale 0: it is just numbers. */
    float scale;
    int zero;
} yk_plan_tensor;

typedef enum yk_step_kind {
    YK_STEP_NODE,  /* a node of the graph, or what was fused into one */
    YK_STEP_INPUT, /* the input's bytes, N x H x W x 3, as floats in the head's range */
    YK_STEP_COPY,  /* the same numbers at another place, in another layout or type */
    YK_STEP_ATTENTION
} yk_step_kind;

/* Of the pixels of each picture to one another: from a feature map whose channels are queries, keys and values to one
 * of heads * value_depth channels. For each head softmax(scale * q^T k) v. All in channels. The pixels are cut into
 * areas one after the other, each of which attends to itself only. */
typedef struct yk_attention {
    int areas;                     /* 1: all pixels are one */
    int heads, depth, value_depth; /* depth: of a query and of a key */
    int q, k, v;                   /* where those of the first head begin */
    int head, value_head;          /* from those of one head to those of the next one */
    float scale;
} yk_attention;

typedef struct yk_step {
    yk_step_kind kind;
    yk_op op;   /* of a NODE */
    char *name; /* owned: the node's, for messages */
    yk_attrs attrs;
    int *inputs; /* owned: tensors; YK_NONE for what is left out */
    int input_count;
    int outputs[2];
    int output_count;
    /* CONV: a tensor that is added after the activation; YK_NONE. One whose weights are 8-bit (plan_quantized.c) has
     * inputs x, weights, bias or YK_NONE, and a scale for each output channel. */
    int residual;
    yk_attention attention; /* of an ATTENTION, whose input and output are NHWC */
} yk_step;

typedef struct yk_plan {
    yk_plan_tensor *tensors;
    int tensor_count;
    yk_step *steps;
    int step_count;
    int input;    /* U8, NHWC, three channels, pixel 3 */
    int *outputs; /* owned: F32, PLAIN, roots, each written by some step */
    int output_count;
    int64_t arena;       /* bytes that the offsets lie in */
    int float_bytes;     /* that a float takes there: 4, or 2 where the runner holds them as halves */
    float input_divisor; /* bytes are divided by it: 255 or 1 */
    int64_t size[3];     /* N, H, W of the input, as bound */
} yk_plan;

typedef struct yk_plan_options {
    int align;    /* bytes that offsets are a multiple of */
    int channels; /* pixels of NHWC roots take a multiple of so many elements */
    int bytes;    /* likewise those of 8-bit roots; 0: as many */
    bool half;    /* floats take 2 bytes in the arena */
    /* The layout in which the runner wants the rank-4 operands of a node. */
    yk_layout (*layout)(const yk_graph *g, const yk_node *n);
    bool attention; /* it has a kernel for ATTENTION */
    /* Whether it takes the input's bytes as they are for this convolution, which divides by input_divisor then. NULL:
     * for none. */
    bool (*takes_bytes)(const yk_graph *g, const yk_node *n);
} yk_plan_options;

/* ---- plan_layout.c: what a runner may name in its options ---- */
yk_layout yk_plan_layout(const yk_graph *g, const yk_node *n);
bool yk_plan_takes_bytes(const yk_graph *g, const yk_node *n);

/* ---- plan.c ---- */
/* Of a bound graph. The plan's constants point into the graph's. */
yolk_status yk_plan_make(const yk_graph *g, const yk_plan_options *options, yk_plan **out);
void yk_plan_destroy(yk_plan **plan);             /* &NULL allowed */
int yk_plan_writer(const yk_plan *p, int tensor); /* the step that computes it, or YK_NONE */
int yk_plan_uses(const yk_plan *p, int tensor);   /* how often steps and outputs use it */
bool yk_plan_is_output(const yk_plan *p, int tensor);
/* Whether it is of the size that the graph is bound to and has its outputs, as those who read them think. */
bool yk_plan_is_of_graph(const yk_plan *p, const yk_graph *g);
/* Elements from the beginning of a root to its end, padding included, and the bytes that they take. */
int64_t yk_plan_root_count(const yk_plan_tensor *root);
/* Whether it holds halves for floats: in the arena of a plan of those. */
bool yk_plan_is_half(const yk_plan *p, int tensor);
int64_t yk_plan_root_bytes(const yk_plan *p, const yk_plan_tensor *root, bool in_arena);

/* ---- plan_dump.c ---- */
/* One step a line, for people and golden tests. A tensor is its number, its shape and where it lies:
 * t5:1x8x4x4[nhwc/24 @512] has pixels of 24 elements from byte 512 of the arena, t6:1x3x4x4[nhwc/24 t5+8] is three
 * channels of it. The arena's size comes last. */
/* Whether step `b`, which comes after step `a`, has to wait for it: it reads what `a` writes, or writes what `a` reads
 * or writes. Views of a root that have no channel or element in common do not meet. */
bool yk_plan_depends(const yk_plan *p, int b, int a);
yolk_status yk_plan_dump(const yk_plan *p, yk_buffer *out);

/* ---- plan_cost.c: a lower bound, to judge kernels by ---- */

typedef struct yk_step_cost {
    double bytes, operations; /* each input read and each output written once; a multiplication and an addition are 2 */
    bool in_bytes;            /* 8-bit numbers are multiplied */
} yk_step_cost;
yk_step_cost yk_plan_step_cost(const yk_plan *p, const yk_step *s);

/* What a device can do in a second. */
typedef struct yk_device_peak {
    double bytes, operations, byte_operations; /* of 8-bit numbers */
} yk_device_peak;
/* The larger of the time for moving and that for computing; for a plan the sum over its steps. */
double yk_step_seconds(yk_step_cost cost, const yk_device_peak *peak);
double yk_plan_seconds(const yk_plan *p, const yk_device_peak *peak);

/* ---- plan_eval.c: steps by plain loops, the truth for all runners ---- */
/* Computes one step. data[i] is where tensor i's first element is; views have their own pointer into their root. */
yolk_status yk_plan_eval(const yk_plan *p, const yk_step *s, void *const *data);
/* Sets data[] for every tensor: in the arena, the input, the outputs, the constants. */
void yk_plan_bind(const yk_plan *p, void *arena, const uint8_t *input, float *const *outputs, void **data);

/* ---- plan_file.c: a plan as bytes and back ---- */
/* Constants with what they hold, as far as they have data. */
yolk_status yk_plan_write(const yk_plan *p, yk_buffer *out);
/* Everything that is read is checked, so that running it touches no memory but its own: shapes and types by inference,
 * no place outside of its root or of the arena, no step that writes what it reads or what is constant. Whether
 * constants are there is for the caller to see, who may keep them elsewhere. Only bytes of the same build of yolk are
 * understood. */
yolk_status yk_plan_read(const void *bytes, size_t size, yk_plan **out);

#endif
