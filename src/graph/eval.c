/* Evaluation of one node: the truth for all backends. */
#include "graph/call.h"

/* Which function computes an operator, and whether it wants its numbers as float32 and int64 only. */
static const struct {
    yk_eval_fn run;
    bool widens;
} evaluators[YK_OP_COUNT] = {
    [YK_OP_CONV] = {yk_eval_conv, true},
    [YK_OP_CONV_TRANSPOSE] = {yk_eval_conv_transpose, true},
    [YK_OP_BATCH_NORM] = {yk_eval_batch_norm, true},
    [YK_OP_SIGMOID] = {yk_eval_unary, true},
    [YK_OP_SILU] = {yk_eval_unary, true},
    [YK_OP_RELU] = {yk_eval_unary, true},
    [YK_OP_LEAKY_RELU] = {yk_eval_unary, true},
    [YK_OP_HARD_SWISH] = {yk_eval_unary, true},
    [YK_OP_HARD_SIGMOID] = {yk_eval_unary, true},
    [YK_OP_TANH] = {yk_eval_unary, true},
    [YK_OP_MISH] = {yk_eval_unary, true},
    [YK_OP_GELU] = {yk_eval_unary, true},
    [YK_OP_ERF] = {yk_eval_unary, true},
    [YK_OP_SOFTPLUS] = {yk_eval_unary, true},
    [YK_OP_ELU] = {yk_eval_unary, true},
    [YK_OP_EXP] = {yk_eval_unary, true},
    [YK_OP_LOG] = {yk_eval_unary, true},
    [YK_OP_SQRT] = {yk_eval_unary, true},
    [YK_OP_NEG] = {yk_eval_unary, true},
    [YK_OP_ABS] = {yk_eval_unary, true},
    [YK_OP_FLOOR] = {yk_eval_unary, true},
    [YK_OP_CEIL] = {yk_eval_unary, true},
    [YK_OP_ROUND] = {yk_eval_unary, true},
    [YK_OP_RECIPROCAL] = {yk_eval_unary, true},
    [YK_OP_NOT] = {yk_eval_unary, true},
    [YK_OP_ADD] = {yk_eval_binary, true},
    [YK_OP_SUB] = {yk_eval_binary, true},
    [YK_OP_MUL] = {yk_eval_binary, true},
    [YK_OP_DIV] = {yk_eval_binary, true},
    [YK_OP_POW] = {yk_eval_binary, true},
    [YK_OP_MIN] = {yk_eval_binary, true},
    [YK_OP_MAX] = {yk_eval_binary, true},
    [YK_OP_MOD] = {yk_eval_binary, true},
    [YK_OP_EQUAL] = {yk_eval_binary, true},
    [YK_OP_GREATER] = {yk_eval_binary, true},
    [YK_OP_LESS] = {yk_eval_binary, true},
    [YK_OP_AND] = {yk_eval_binary, true},
    [YK_OP_OR] = {yk_eval_binary, true},
    [YK_OP_WHERE] = {yk_eval_where, false},
    [YK_OP_CLIP] = {yk_eval_clip, true},
    [YK_OP_CAST] = {yk_eval_cast, false},
    [YK_OP_MAX_POOL] = {yk_eval_max_pool, true},
    [YK_OP_AVERAGE_POOL] = {yk_eval_average_pool, true},
    [YK_OP_GLOBAL_AVERAGE_POOL] = {yk_eval_global_average_pool, true},
    [YK_OP_RESIZE] = {yk_eval_resize, true},
    [YK_OP_CONCAT] = {yk_eval_concat, false},
    [YK_OP_SLICE] = {yk_eval_slice, false},
    [YK_OP_PAD] = {yk_eval_pad, false},
    [YK_OP_RESHAPE] = {yk_eval_copy, false},
    [YK_OP_TRANSPOSE] = {yk_eval_transpose, false},
    [YK_OP_EXPAND] = {yk_eval_expand, false},
    [YK_OP_TILE] = {yk_eval_tile, false},
    [YK_OP_SQUEEZE] = {yk_eval_copy, false},
    [YK_OP_UNSQUEEZE] = {yk_eval_copy, false},
    [YK_OP_FLATTEN] = {yk_eval_copy, false},
    [YK_OP_MATMUL] = {yk_eval_matmul, true},
    [YK_OP_GEMM] = {yk_eval_gemm, true},
    [YK_OP_SOFTMAX] = {yk_eval_softmax, true},
    [YK_OP_REDUCE_MEAN] = {yk_eval_reduce, true},
    [YK_OP_REDUCE_MAX] = {yk_eval_reduce, true},
    [YK_OP_REDUCE_MIN] = {yk_eval_reduce, true},
    [YK_OP_REDUCE_SUM] = {yk_eval_reduce, true},
    [YK_OP_ARG_MAX] = {yk_eval_arg_max, true},
    [YK_OP_TOPK] = {yk_eval_topk, true},
    [YK_OP_GATHER] = {yk_eval_gather, false},
    [YK_OP_GATHER_ELEMENTS] = {yk_eval_gather_elements, false},
    [YK_OP_GATHER_ND] = {yk_eval_gather_nd, false},
    [YK_OP_SHAPE] = {yk_eval_shape, false},
    [YK_OP_RANGE] = {yk_eval_range, true},
    [YK_OP_CONSTANT_OF_SHAPE] = {yk_eval_constant_of_shape, false},
    [YK_OP_SPACE_TO_DEPTH] = {yk_eval_space_to_depth, false},
    [YK_OP_DEPTH_TO_SPACE] = {yk_eval_depth_to_space, false},
    [YK_OP_QUANTIZE] = {yk_eval_quantize, false},
    [YK_OP_DEQUANTIZE] = {yk_eval_dequantize, false},
};

static yk_type wide_type(yk_type type)
{
    switch (type) {
    case YK_F16:
    case YK_F64:
        return YK_F32;
    case YK_I32:
    case YK_I8:
    case YK_U8:
        return YK_I64;
    default:
        return type;
    }
}

/* Replaces a tensor by one of `type` in fresh memory, converted when it holds something already. */
static yolk_status replace(yk_tensor *t, yk_type type, bool filled)
{
    void *memory = yk_calloc((size_t)t->count, yk_type_size(type));
    if (!memory)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (filled)
        yk_convert(t->type, t->data, type, memory, t->count);
    t->type = type;
    t->data = memory;
    return YOLK_OK;
}

/* The type that input i is computed in. A power's exponent may be of another kind than its base, and follows it. */
static yk_type input_type(const yk_call *c, int i)
{
    return wide_type(c->in[c->op == YK_OP_POW ? 0 : i].type);
}

static bool needs_widening(const yk_call *c)
{
    for (int i = 0; i < c->input_count; i++) {
        if (c->in[i].given && input_type(c, i) != c->in[i].type)
            return true;
    }
    for (int i = 0; i < c->output_count; i++) {
        if (wide_type(c->out[i].type) != c->out[i].type)
            return true;
    }
    return false;
}

/* Evaluates a copy of the call with every number widened, and converts the results back. */
static yolk_status eval_widened(const yk_call *c)
{
    yk_call wide = *c;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < c->input_count && status == YOLK_OK; i++) {
        if (c->in[i].given && input_type(c, i) != c->in[i].type)
            status = replace(&wide.in[i], input_type(c, i), true);
    }
    for (int i = 0; i < c->output_count && status == YOLK_OK; i++) {
        if (wide_type(c->out[i].type) != c->out[i].type)
            status = replace(&wide.out[i], wide_type(c->out[i].type), false);
    }
    if (status == YOLK_OK)
        status = evaluators[c->op].run(&wide);
    for (int i = 0; i < c->output_count; i++) {
        if (wide.out[i].data == c->out[i].data)
            continue;
        if (status == YOLK_OK)
            yk_convert(wide.out[i].type, wide.out[i].data, c->out[i].type, c->out[i].data, c->out[i].count);
        yk_free(wide.out[i].data);
    }
    for (int i = 0; i < c->input_count; i++) {
        if (wide.in[i].data != c->in[i].data)
            yk_free(wide.in[i].data);
    }
    return status;
}

yolk_status yk_eval(const yk_call *c)
{
    return evaluators[c->op].widens && needs_widening(c) ? eval_widened(c) : evaluators[c->op].run(c);
}

yolk_status yk_eval_node(const yk_graph *g, const yk_node *n, void *const *data)
{
    yk_call c;
    yk_call_begin(&c, n, g->bound);
    for (int i = 0; i < n->input_count; i++) {
        yk_id id = n->inputs[i];
        if (id != YK_NONE)
            c.in[i] = yk_call_tensor(g->values[id].type, &g->values[id].shape, data[id]);
    }
    for (int i = 0; i < n->output_count; i++) {
        yk_id id = n->outputs[i];
        c.out[i] = yk_call_tensor(g->values[id].type, &g->values[id].shape, data[id]);
    }
    return yk_eval(&c);
}
