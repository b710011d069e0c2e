/* One operator at work: what shape inference and evaluation see of a node. Used inside src/graph only. */
#ifndef YK_GRAPH_CALL_H
#define YK_GRAPH_CALL_H

#include "graph/graph.h"

enum { YK_MAX_INPUTS = 64 };

typedef struct yk_tensor {
    bool given; /* false for an optional input that is left out */
    yk_type type;
    yk_shape shape;
    int64_t count;
    void *data; /* while shapes are inferred: NULL unless known; else never NULL */
} yk_tensor;

typedef struct yk_call {
    yk_op op;
    const char *name;
    const yk_attrs *attrs;
    const int64_t *size; /* N, H, W of the graph's input */
    int input_count, output_count;
    yk_tensor in[YK_MAX_INPUTS], out[2];
} yk_call;

/* Fills in all but the tensors; inputs are left out until they are set. */
void yk_call_begin(yk_call *c, const yk_node *n, const int64_t *size);
yk_tensor yk_call_tensor(yk_type type, const yk_shape *shape, const void *data);

/* Fails with the node's name, its operator and its inputs' shapes before the words. Returns `status`. */
yolk_status yk_call_fail(const yk_call *c, yolk_status status, const char *format, ...) YK_PRINTF(3, 4);
/* Fails for what does not fit together. */
#define YK_MISFIT(c, ...) yk_call_fail(c, YOLK_ERROR_DAMAGED, __VA_ARGS__)

/* tables.c. An input that is left out has type YK_TYPE_COUNT. */
yk_type yk_output_type(yk_op op, const yk_attrs *attrs, const yk_type *types, int count, int output);

void yk_op_inputs(yk_op op, int *least, int *most); /* graph.c */
/* infer*.c: sets out[].type, shape and count. */
yolk_status yk_infer(yk_call *c);
/* False for what no tensor may be, so that sizes and strides of those that pass cannot wrap. */
bool yk_shape_sane(const yk_shape *s);
/* Multiplications and additions, roughly, that evaluating takes; for limiting what binding computes. */
double yk_call_work(const yk_call *c);
/* Index of an axis that may count from the end, or -1. */
int yk_axis(int64_t axis, int rank);
/* SLICE: elements taken along a dimension, and the first one. */
int64_t yk_slice_range(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *first);

typedef yolk_status (*yk_infer_fn)(yk_call *c);
yk_infer_fn yk_infer_layer(yk_op op);    /* infer_layer.c: convolution, pooling, products; NULL for others */
yk_infer_fn yk_infer_movement(yk_op op); /* infer_movement.c: what moves elements */

/* eval.c */
yolk_status yk_eval(const yk_call *c);

typedef yolk_status (*yk_eval_fn)(const yk_call *c);
yolk_status yk_eval_conv(const yk_call *c); /* eval_conv.c */
yolk_status yk_eval_conv_transpose(const yk_call *c);
/* Applies an activation to n elements; `slope` is the leaky one's. */
void yk_activate(yk_act act, float slope, float *row, int64_t n);
yolk_status yk_eval_max_pool(const yk_call *c); /* eval_pool.c */
yolk_status yk_eval_average_pool(const yk_call *c);
yolk_status yk_eval_global_average_pool(const yk_call *c);
yolk_status yk_eval_resize(const yk_call *c);
yolk_status yk_eval_unary(const yk_call *c); /* eval_unary.c */
yolk_status yk_eval_batch_norm(const yk_call *c);
yolk_status yk_eval_clip(const yk_call *c);
yolk_status yk_eval_binary(const yk_call *c); /* eval_binary.c */
yolk_status yk_eval_where(const yk_call *c);
yolk_status yk_eval_matmul(const yk_call *c); /* eval_matmul.c */
yolk_status yk_eval_gemm(const yk_call *c);
yolk_status yk_eval_softmax(const yk_call *c); /* eval_reduce.c */
yolk_status yk_eval_reduce(const yk_call *c);
yolk_status yk_eval_arg_max(const yk_call *c);
yolk_status yk_eval_topk(const yk_call *c);
yolk_status yk_eval_concat(const yk_call *c); /* eval_move.c */
yolk_status yk_eval_slice(const yk_call *c);
yolk_status yk_eval_pad(const yk_call *c);
yolk_status yk_eval_copy(const yk_call *c);
yolk_status yk_eval_transpose(const yk_call *c);
yolk_status yk_eval_expand(const yk_call *c);
yolk_status yk_eval_tile(const yk_call *c);
yolk_status yk_eval_space_to_depth(const yk_call *c);
yolk_status yk_eval_depth_to_space(const yk_call *c);
yolk_status yk_eval_gather(const yk_call *c); /* eval_gather.c */
yolk_status yk_eval_gather_elements(const yk_call *c);
yolk_status yk_eval_gather_nd(const yk_call *c);
yolk_status yk_eval_shape(const yk_call *c); /* eval_make.c */
yolk_status yk_eval_range(const yk_call *c);
yolk_status yk_eval_constant_of_shape(const yk_call *c);
yolk_status yk_eval_cast(const yk_call *c);
yolk_status yk_eval_quantize(const yk_call *c);
yolk_status yk_eval_dequantize(const yk_call *c);

/* rows.c: walks several tensors at once, row by row, each with its own strides (0 repeats). Tensor k's current row
 * begins at element offset[k] and moves by step[k] for each of `length` elements. */
enum { YK_MAX_OPERANDS = 4, YK_ROWS_RANK = 2 * YK_MAX_RANK };
typedef struct yk_rows {
    int64_t length;
    int64_t offset[YK_MAX_OPERANDS], step[YK_MAX_OPERANDS];
    int operands, rank;
    int64_t dims[YK_ROWS_RANK], strides[YK_MAX_OPERANDS][YK_ROWS_RANK], at[YK_ROWS_RANK];
    bool more;
} yk_rows;
/* Set rank, dims, operands, strides and offset first; dimensions that lie end to end are then merged. */
void yk_rows_begin(yk_rows *r); /* for (yk_rows_begin(&r); r.more; yk_rows_next(&r)) */
void yk_rows_next(yk_rows *r);
/* Row-major strides of `shape`, broadcast to the walk's dims. */
void yk_rows_operand(yk_rows *r, int operand, const yk_shape *shape);
void yk_rows_shape(yk_rows *r, const yk_shape *shape, int operands); /* dims of the walk */
/* Copies elements of `size` bytes from operand 1 to operand 0. */
void yk_rows_copy(yk_rows *r, size_t size, void *target, const void *source);

#endif
