/* The network as data: values, nodes, and what is known about its detection head.
 *
 * A graph is made by an importer, changed by passes, bound to one input shape, and then run or written by whoever
 * wants to. It has one input, NCHW float in 0..1 or 0..255 (see yk_head), and one or more outputs. Nodes are in
 * topological order. A graph is not thread-safe; a bound one may be read from several threads. */
#ifndef YK_GRAPH_H
#define YK_GRAPH_H

#include "base/base.h"

enum { YK_MAX_RANK = 6, YK_MAX_LEVELS = 6, YK_MAX_ANCHORS = 4 };

/* X(NAME, bytes an element, text) */
/* clang-format off */
#define YK_TYPE_MAP(X) \
    X(F32, 4, "float32") \
    X(F16, 2, "float16") \
    X(F64, 8, "float64") \
    X(I64, 8, "int64") \
    X(I32, 4, "int32") \
    X(I8, 1, "int8") \
    X(U8, 1, "uint8") \
    X(BOOL, 1, "bool")
/* clang-format on */
typedef enum yk_type {
#define YK_TYPE_ENUM(name, size, text) YK_##name,
    YK_TYPE_MAP(YK_TYPE_ENUM)
#undef YK_TYPE_ENUM
        YK_TYPE_COUNT
} yk_type;
size_t yk_type_size(yk_type type);
const char *yk_type_name(yk_type type);

typedef struct yk_shape {
    int rank; /* 0 for a scalar; -1 while unknown */
    int64_t dims[YK_MAX_RANK];
} yk_shape;
int64_t yk_shape_count(const yk_shape *s); /* product of the dims; -1 on overflow or when unknown */
bool yk_shape_equal(const yk_shape *a, const yk_shape *b);
void yk_shape_text(const yk_shape *s, char out[96]); /* "1x3x640x640" */

/* X(NAME, text, inputs at least, inputs at most). Texts are ONNX's operator names where ONNX has the operator. */
/* clang-format off */
#define YK_OP_MAP(X) \
    X(CONV, "Conv", 2, 3) /* x, weights OIHW (O, I/groups, kh, kw), bias; fused activation */ \
    X(CONV_TRANSPOSE, "ConvTranspose", 2, 3) \
    X(BATCH_NORM, "BatchNormalization", 5, 5) /* x, scale, bias, mean, variance */ \
    X(SIGMOID, "Sigmoid", 1, 1) \
    X(SILU, "SiLU", 1, 1) \
    X(RELU, "Relu", 1, 1) \
    X(LEAKY_RELU, "LeakyRelu", 1, 1) \
    X(HARD_SWISH, "HardSwish", 1, 1) \
    X(HARD_SIGMOID, "HardSigmoid", 1, 1) \
    X(TANH, "Tanh", 1, 1) \
    X(MISH, "Mish", 1, 1) \
    X(GELU, "Gelu", 1, 1) \
    X(ERF, "Erf", 1, 1) \
    X(SOFTPLUS, "Softplus", 1, 1) \
    X(ELU, "Elu", 1, 1) \
    X(EXP, "Exp", 1, 1) \
    X(LOG, "Log", 1, 1) \
    X(SQRT, "Sqrt", 1, 1) \
    X(NEG, "Neg", 1, 1) \
    X(ABS, "Abs", 1, 1) \
    X(FLOOR, "Floor", 1, 1) \
    X(CEIL, "Ceil", 1, 1) \
    X(ROUND, "Round", 1, 1) \
    X(RECIPROCAL, "Reciprocal", 1, 1) \
    X(NOT, "Not", 1, 1) \
    X(ADD, "Add", 2, 2) \
    X(SUB, "Sub", 2, 2) \
    X(MUL, "Mul", 2, 2) \
    X(DIV, "Div", 2, 2) \
    X(POW, "Pow", 2, 2) \
    X(MIN, "Min", 2, 2) \
    X(MAX, "Max", 2, 2) \
    X(MOD, "Mod", 2, 2) \
    X(EQUAL, "Equal", 2, 2) \
    X(GREATER, "Greater", 2, 2) \
    X(LESS, "Less", 2, 2) \
    X(AND, "And", 2, 2) \
    X(OR, "Or", 2, 2) \
    X(WHERE, "Where", 3, 3) \
    X(CLIP, "Clip", 1, 3) \
    X(CAST, "Cast", 1, 1) \
    X(MAX_POOL, "MaxPool", 1, 1) \
    X(AVERAGE_POOL, "AveragePool", 1, 1) \
    X(GLOBAL_AVERAGE_POOL, "GlobalAveragePool", 1, 1) \
    X(RESIZE, "Resize", 1, 1) /* by attributes scale_h, scale_w, or size_h, size_w; nearest or linear */ \
    X(CONCAT, "Concat", 1, 64) \
    X(SLICE, "Slice", 1, 1) \
    X(PAD, "Pad", 1, 1) \
    X(RESHAPE, "Reshape", 1, 2) \
    X(TRANSPOSE, "Transpose", 1, 1) \
    X(EXPAND, "Expand", 2, 2) \
    X(TILE, "Tile", 2, 2) \
    X(SQUEEZE, "Squeeze", 1, 1) \
    X(UNSQUEEZE, "Unsqueeze", 1, 1) \
    X(FLATTEN, "Flatten", 1, 1) \
    X(MATMUL, "MatMul", 2, 2) \
    X(GEMM, "Gemm", 2, 3) \
    X(SOFTMAX, "Softmax", 1, 1) \
    X(REDUCE_MEAN, "ReduceMean", 1, 1) \
    X(REDUCE_MAX, "ReduceMax", 1, 1) \
    X(REDUCE_MIN, "ReduceMin", 1, 1) \
    X(REDUCE_SUM, "ReduceSum", 1, 1) \
    X(ARG_MAX, "ArgMax", 1, 1) \
    X(TOPK, "TopK", 2, 2) /* two outputs */ \
    X(GATHER, "Gather", 2, 2) \
    X(GATHER_ELEMENTS, "GatherElements", 2, 2) \
    X(GATHER_ND, "GatherND", 2, 2) \
    X(SHAPE, "Shape", 1, 1) \
    X(RANGE, "Range", 3, 3) \
    X(CONSTANT_OF_SHAPE, "ConstantOfShape", 1, 1) \
    X(SPACE_TO_DEPTH, "SpaceToDepth", 1, 1) \
    X(DEPTH_TO_SPACE, "DepthToSpace", 1, 1) \
    X(QUANTIZE, "QuantizeLinear", 2, 3) \
    X(DEQUANTIZE, "DequantizeLinear", 2, 3)
/* clang-format on */
typedef enum yk_op {
#define YK_OP_ENUM(name, text, least, most) YK_OP_##name,
    YK_OP_MAP(YK_OP_ENUM)
#undef YK_OP_ENUM
        YK_OP_COUNT
} yk_op;
const char *yk_op_name(yk_op op);
bool yk_op_find(const char *name, yk_op *out); /* by its text */

/* Activation done inside a convolution. */
typedef enum yk_act {
    YK_ACT_NONE,
    YK_ACT_SILU,
    YK_ACT_RELU,
    YK_ACT_LEAKY_RELU,
    YK_ACT_SIGMOID,
    YK_ACT_HARD_SWISH
} yk_act;

/* A dimension in a Reshape's target that is not simply a number: so that one graph serves every input size. */
enum {
    YK_DIM_INFER = -1,  /* what is left over; at most one a target */
    YK_DIM_COPY = 0,    /* the input's dimension at the same place (ONNX's 0) */
    YK_DIM_BATCH = -2,  /* batch of the graph's input */
    YK_DIM_HEIGHT = -3, /* height of the graph's input / attrs.reshape_stride */
    YK_DIM_WIDTH = -4   /* width of the graph's input / attrs.reshape_stride */
};

/* Attributes of all operators; each uses those it needs, the rest is zero. Names are ONNX's. A stride, dilation,
 * groups, step or convolution's kernel of 0 is filled in by yk_graph_add_node(); GEMM's alpha and beta are not. */
typedef struct yk_attrs {
    int kernel[2], stride[2], dilation[2]; /* h, w */
    int pads[4];                           /* top, left, bottom, right */
    int groups;
    int ceil_mode, count_include_pad;
    yk_act act;        /* CONV */
    float alpha, beta; /* LEAKY_RELU, ELU, HARD_SIGMOID, GEMM; epsilon of BATCH_NORM in alpha; PAD's value in alpha */
    int axis;          /* CONCAT, SOFTMAX, SPLIT, GATHER, TOPK, FLATTEN, (DE)QUANTIZE */
    int keepdims, largest, sorted, transpose_a, transpose_b, fmod, approximate;
    int axes_count;
    int64_t
        axes[YK_MAX_RANK]; /* SLICE, SQUEEZE, UNSQUEEZE, REDUCE_*; TRANSPOSE's perm; RESHAPE's target; PAD's begins */
    int64_t starts[YK_MAX_RANK], ends[YK_MAX_RANK], steps[YK_MAX_RANK]; /* SLICE; PAD's ends in ends */
    int reshape_stride;          /* RESHAPE: what YK_DIM_HEIGHT and YK_DIM_WIDTH are divided by */
    float scale_h, scale_w;      /* RESIZE by factor, when size_h is 0 */
    int size_h, size_w;          /* RESIZE to a size */
    int linear, coordinate_mode; /* RESIZE: 0 nearest, 1 linear; 0 asymmetric, 1 half_pixel, 2 align_corners, 3
                                    pytorch_half_pixel. Nearest is floor when asymmetric, else round_prefer_floor */
    yk_type to;                  /* CAST; CONSTANT_OF_SHAPE's type */
    int block;                   /* SPACE_TO_DEPTH, DEPTH_TO_SPACE */
} yk_attrs;

typedef int yk_id; /* index of a value in a graph; YK_NONE for an input that is left out */
enum { YK_NONE = -1 };

typedef struct yk_value {
    char *name; /* owned, unique, never NULL; changed by yk_graph_rename() only */
    yk_type type;
    yk_shape shape;   /* known for constants at once, for others after yk_graph_bind() */
    const void *data; /* elements of a constant, row-major; NULL for a computed value */
    int producer;     /* index of the node that computes it, or -1 */
    bool bound;       /* its data was found by yk_graph_bind() and goes away with the next binding */
} yk_value;

typedef struct yk_node {
    yk_op op;
    char *name;    /* owned, never NULL: for messages, e.g. "model.22.cv2.0.0.conv" */
    yk_id *inputs; /* owned */
    int input_count;
    yk_id outputs[2];
    int output_count;
    yk_attrs attrs;
} yk_node;

/* How the outputs of a graph become boxes. */
typedef enum yk_head_kind {
    YK_HEAD_UNKNOWN,
    /* Raw, one pair of outputs a level, in order of stride: boxes N x 4*reg_max x H x W (left, top, right, bottom
     * distances in strides, as distributions when reg_max > 1) and class logits N x classes x H x W. YOLOv8-12, 26. */
    YK_HEAD_ANCHOR_FREE,
    /* Raw, one output a level: N x anchors*(5+classes) x H x W logits. YOLOv5 with anchors. */
    YK_HEAD_ANCHORS,
    /* One output N x A x (5+classes): xy offsets in cells, log wh in strides, objectness and classes as probabilities.
     */
    YK_HEAD_YOLOX,
    YK_HEAD_DECODED_V8,     /* one output N x (4+classes) x A: centre xywh in pixels, class probabilities */
    YK_HEAD_DECODED_V5,     /* one output N x A x (5+classes): centre xywh in pixels, objectness, class probabilities */
    YK_HEAD_DECODED_END2END /* one output N x K x 6: x1 y1 x2 y2 in pixels, score, class; no suppression needed */
} yk_head_kind;
const char *
yk_head_kind_name(yk_head_kind kind); /* "anchor-free", "anchors", "yolox", "v8", "v5", "end2end", "unknown" */

typedef struct yk_head {
    yk_head_kind kind;
    int classes;
    int reg_max;  /* ANCHOR_FREE: bins a side, 1 when distances are predicted directly */
    bool end2end; /* ANCHOR_FREE: one-to-one head: the best `max_det` (anchor, class) pairs, no suppression */
    int max_det;  /* end2end: 300 */
    int levels;
    int strides[YK_MAX_LEVELS];
    int anchors_per_level;
    float anchors[YK_MAX_LEVELS][YK_MAX_ANCHORS][2]; /* ANCHORS: width, height in pixels */
    bool bgr;                                        /* the input's channel order */
    bool unit_range;                                 /* input is 0..1 (else 0..255) */
    bool top_left;                                   /* letterbox puts the picture top left (else centred) */
} yk_head;

typedef struct yk_graph {
    yk_value *values;
    int value_count;
    size_t value_capacity;
    yk_node *nodes;
    int node_count;
    size_t node_capacity;
    yk_id input;
    yk_id *outputs; /* owned */
    int output_count;
    size_t output_capacity;

    yk_head head;
    char **class_names;            /* owned, head.classes of them */
    char *family;                  /* owned: "yolo26n", "yolox", "" */
    int stride;                    /* largest */
    int input_height, input_width; /* size the model was made for */
    bool dynamic_size;             /* any multiple of the stride can be bound */
    bool dynamic_batch;
    bool fp16_source; /* weights were stored as float16 */
    char *check;      /* owned: how the file was checked when it was converted; NULL: it says nothing */

    int64_t bound[3]; /* N, H, W of the current binding; 0 when unbound */

    void **owned; /* memory that constants point into, freed with the graph */
    size_t owned_count, owned_capacity;
    yk_map *maps; /* files that constants point into */
    size_t map_count, map_capacity;

    yk_id *index; /* owned: values by name, for yk_graph_find() */
    size_t index_capacity;
} yk_graph;

/* ---- graph.c: building ----
 * Functions that return yk_id or a pointer give YK_NONE or NULL after setting the last error. */
yolk_status yk_graph_create(yk_graph **out);
void yk_graph_destroy(yk_graph **graph); /* &NULL allowed */
/* Hands memory from yk_alloc() (or a map) over to the graph; on failure it is released at once. */
yolk_status yk_graph_own(yk_graph *g, void *memory);
yolk_status yk_graph_own_map(yk_graph *g, yk_map *map);
/* Names may be NULL or taken already: a unique one is made. */
yk_id yk_graph_add_input(yk_graph *g, const char *name);               /* NCHW F32 */
yk_id yk_graph_add_value(yk_graph *g, const char *name, yk_type type); /* computed */
yk_id yk_graph_add_constant(yk_graph *g, const char *name, yk_type type, yk_shape shape,
                            const void *data); /* data stays the caller's or the graph's; unaligned data is copied */
yk_id yk_graph_add_constant_copy(yk_graph *g, const char *name, yk_type type, yk_shape shape, const void *data);
/* Appends a node with new output values, named after the node; returns its index, or -1. */
int yk_graph_add_node(yk_graph *g, yk_op op, const char *name, const yk_id *inputs, int input_count, int output_count,
                      const yk_attrs *attrs);
yolk_status yk_graph_add_output(yk_graph *g, yk_id value);
/* For passes that make all nodes anew: the list of them, which the graph has no more, to be ended with yk_nodes_free().
 * A graph whose pass then fails is only good for being destroyed. */
yk_node *yk_graph_take_nodes(yk_graph *g);
void yk_nodes_free(yk_node *nodes, int count);
yk_id yk_graph_find(const yk_graph *g, const char *value_name);
/* The same graph on its own: constants and all else are copied. */
yolk_status yk_graph_copy(const yk_graph *g, yk_graph **out);
/* Of it only what is no value and no node: the head, the classes, the family, sizes. `to` has none of it yet. */
yolk_status yk_graph_copy_facts(yk_graph *to, const yk_graph *g);
yolk_status yk_graph_rename(yk_graph *g, yk_id value, const char *name);
yolk_status yk_graph_index(yk_graph *g); /* after values were moved: makes names findable again */
/* Values that are computed from nothing but constants, for importers that need them now: data or NULL. */
const int64_t *yk_graph_int64(const yk_graph *g, yk_id value, int64_t *count); /* of an I64 constant */
uint64_t yk_graph_parameters(const yk_graph *g);
const char *yk_graph_precision(const yk_graph *g); /* of its weights: "fp32", "fp16", "int8" */

/* ---- builder.c: the layers that importers make. x is NCHW; `name` names the nodes; all return the result's id ----
 * An input that is YK_NONE gives YK_NONE and leaves the last error as it is: a chain of calls is checked at its end. */
typedef struct yk_conv {
    int out, kernel[2], stride[2], pad[4], dilation, groups; /* pad: top, left, bottom, right */
    const float *weights;                                    /* OIHW; copied */
    const float *bias;                                       /* out values, or NULL; copied */
    yk_act act;
} yk_conv;
yk_id yk_build_conv(yk_graph *g, yk_id x, int in, const yk_conv *conv, const char *name);
yk_id yk_build_unary(yk_graph *g, yk_op op, yk_id x, const char *name);
yk_id yk_build_binary(yk_graph *g, yk_op op, yk_id a, yk_id b, const char *name);
yk_id yk_build_concat(yk_graph *g, const yk_id *parts, int count, int axis, const char *name);
yk_id yk_build_slice(yk_graph *g, yk_id x, int axis, int64_t start, int64_t end, const char *name);
yk_id yk_build_reshape(yk_graph *g, yk_id x, const int64_t *target, int rank, int stride,
                       const char *name); /* YK_DIM_* allowed */
yk_id yk_build_transpose(yk_graph *g, yk_id x, const int *perm, int rank, const char *name);
yk_id yk_build_max_pool(yk_graph *g, yk_id x, int kernel, int stride, int pad, const char *name);
yk_id yk_build_average_pool(yk_graph *g, yk_id x, int kernel, int stride, int pad,
                            const char *name);                               /* counts padding */
yk_id yk_build_upsample(yk_graph *g, yk_id x, int factor, const char *name); /* nearest */
yk_id yk_build_softmax(yk_graph *g, yk_id x, int axis, const char *name);
yk_id yk_build_scalar(yk_graph *g, float value); /* constant of rank 0 */

/* ---- bind.c: shapes for one input size ----
 * Infers every value's shape and evaluates what depends on shapes and constants only (yk_value.bound). May be called
 * again with other sizes. A failure names the node, its inputs' shapes and what does not fit. */
yolk_status yk_graph_bind(yk_graph *g, int64_t batch, int64_t height, int64_t width);
/* True when `size` can be bound, without binding. */
bool yk_graph_accepts(const yk_graph *g, int64_t batch, int64_t height, int64_t width);
void yk_graph_unbind(yk_graph *g);

/* ---- eval.c: every operator as plain loops, the truth for all backends ----
 * Computes node `n` of bound graph `g`; data[id] points to value id's elements for inputs and outputs. */
yolk_status yk_eval_node(const yk_graph *g, const yk_node *n, void *const *data);

/* ---- convert.c: elements of one type into another, as CAST does ---- */
void yk_convert(yk_type from, const void *source, yk_type to, void *target, int64_t count);
float yk_half_to_float(uint16_t half);
uint16_t yk_float_to_half(float value);

/* ---- passes.c: each leaves the graph computing the same, and unbound; ids of values and nodes change ---- */
yolk_status
yk_pass_simplify(yk_graph *g);           /* identities gone, constants folded, x*sigmoid(x) to SiLU, batch norm into the
                                            convolution before it, activation into its convolution, dead nodes gone */
yolk_status yk_pass_prune(yk_graph *g);  /* nodes and constants that no output needs */
yolk_status yk_pass_to_f32(yk_graph *g); /* float16 and float64 constants and casts to float32 */
/* Reads of a fixed-size graph where a Reshape's numbers stand for batch, height or width, and says so with YK_DIM_*,
 * when that is unambiguous and holds at two further sizes; sets dynamic_size and dynamic_batch. Never fails for being
 * unsure. */
yolk_status yk_pass_free_shapes(yk_graph *g);

/* pass_half.c: convolutions and what leads to them in float16, with casts where float32 begins and ends. Nodes of
 * `float32` (by index; NULL: none) and constants that float16 cannot hold stay; `kept` (NULL: not wanted) gets 1 for
 * the nodes that stay though they could be float16. */
yolk_status yk_pass_to_f16(yk_graph *g, const bool *float32, bool *kept);
bool yk_half_holds(const yk_value *v); /* false for a constant with numbers that are too large */

/* pass_quantize.c */
typedef struct yk_quantization {
    const bool *chosen;      /* by node: convolutions to compute in int8 */
    const float *low, *high; /* by value: what 8 bits must hold, low <= 0 <= high; the same for all of a group */
    bool symmetric;          /* values are int8 around zero, as TensorRT wants them; else uint8 */
    float *const *shift;     /* by node: added to the biases of a chosen one, or NULL; NULL: none at all */
} yk_quantization;
/* How a value is held in eight bits: (bits - zero) * scale. */
typedef struct yk_eight_bits {
    float scale;
    int zero;
    bool is_signed;
} yk_eight_bits;
yk_eight_bits yk_eight_bits_of(const yk_quantization *q, yk_id value);
/* One output channel's weights around zero; returns their scale. */
float yk_quantize_row(const float *row, int64_t count, int8_t *out);
bool yk_moves_values(const yk_graph *g, const yk_node *n); /* computes nothing, so bytes do as well as floats */
bool yk_can_quantize(const yk_graph *g, const yk_node *n);
/* For each value the group whose range it shares, -1 when it is never quantized. */
yolk_status yk_quantize_groups(const yk_graph *g, int *group);
/* A graph for which this fails can only be destroyed. */
yolk_status yk_pass_quantize(yk_graph *g, const yk_quantization *q);

/* ---- head.c: the detection head ---- */
/* Finds how the outputs decode. When the decoding is part of the graph and recognised, cuts it off so that the outputs
 * are the raw ones; else names the decoded layout from the shapes, or by `wanted` (a yk_head_kind_name(), NULL: find
 * out). A failure says what the outputs look like and how to name the head. */
yolk_status yk_head_recognise(yk_graph *g, const char *wanted);
/* Appends the decoding to a graph with raw outputs, so that it has the output that ultralytics' exports have:
 * N x (4+classes) x A, N x A x (5+classes), or N x 300 x 6 when end to end. */
yolk_status yk_head_append_decode(yk_graph *g);

/* ---- dump.c ---- */
yolk_status yk_graph_dump(const yk_graph *g, yk_buffer *out); /* one node a line, for people and golden tests */
/* What an operator uses of its attributes, each after a space. */
void yk_attrs_dump(yk_op op, const yk_attrs *a, int input_count, yk_buffer *out);

#endif
