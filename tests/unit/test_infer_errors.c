/* What does not fit together: each case names a sentence that binding must give. */
#include "eval_cases.h"

typedef struct bad_case {
    eval_case node;
    const char *words;
    yolk_status status;
} bad_case;

/* clang-format off */
#define A(...)  {__VA_ARGS__}
#define IN(...) {__VA_ARGS__}
#define BAD(title, operator, attributes, count, tensors, code, sentence) \
    {.node = {.name = title, .op = YK_OP_##operator, .attrs = attributes, .inputs = count, .in = tensors, \
              .outputs = YK_OP_##operator == YK_OP_TOPK ? 2 : 1}, \
     .words = sentence, .status = YOLK_ERROR_##code}
/* Tensors: floats of a rank and dimensions, a list of int64, a number, two elements of a type, one row of indices. */
#define F(dimensions, ...) {.type = YK_F32, .shape = {.rank = dimensions, .dims = {__VA_ARGS__}}, .seed = 1}
#define I(count, ...)      {.type = YK_I64, .shape = {.rank = 1, .dims = {count}}, .values = (const double[]){__VA_ARGS__}}
#define N(number)          {.type = YK_I64, .values = (const double[]){number}}
#define PAIR(kind)         {.type = YK_##kind, .shape = {.rank = 1, .dims = {2}}, .seed = 1}
#define ROW(count)         {.type = YK_I64, .shape = {.rank = 2, .dims = {1, count}}, .values = (const double[]){0, 0}}
#define NOTHING            {.left_out = true}
/* clang-format on */

static const bad_case cases[] = {
    BAD("conv without channels", CONV, A(.kernel = {3, 3}), 2, IN(F(2, 4, 4), F(4, 1, 1, 3, 3)), DAMAGED,
        "is not N x C x H x W"),
    BAD("conv of other channels", CONV, A(.kernel = {3, 3}), 2, IN(F(4, 1, 3, 4, 4), F(4, 2, 4, 3, 3)), DAMAGED,
        "the weights are for 4 channels, the input has 3"),
    BAD("conv with flat weights", CONV, A(.kernel = {3, 3}), 2, IN(F(4, 1, 3, 4, 4), F(2, 2, 4)), DAMAGED,
        "not O x I x H x W"),
    BAD("conv in uneven groups", CONV, A(.kernel = {3, 3}, .groups = 2), 2, IN(F(4, 1, 2, 4, 4), F(4, 3, 1, 3, 3)),
        DAMAGED, "in 2 groups"),
    BAD("conv with another kernel", CONV, A(.kernel = {1, 3}), 2, IN(F(4, 1, 3, 4, 4), F(4, 2, 3, 3, 3)), DAMAGED,
        "said to be 1x3"),
    BAD("conv with a short bias", CONV, A(.kernel = {3, 3}), 3, IN(F(4, 1, 3, 4, 4), F(4, 2, 3, 3, 3), F(1, 1)),
        DAMAGED, "the bias does not have 2 values"),
    BAD("conv with negative stride", CONV, A(.kernel = {3, 3}, .stride = {-1, 1}), 2,
        IN(F(4, 1, 1, 4, 4), F(4, 1, 1, 3, 3)), DAMAGED, "make no window"),
    BAD("conv of integers", CONV, A(.kernel = {3, 3}), 2, IN(I(1, 4), F(4, 1, 1, 3, 3)), DAMAGED,
        "it does not take int64"),
    BAD("transposed in uneven groups", CONV_TRANSPOSE, A(.kernel = {3, 3}, .groups = 2), 2,
        IN(F(4, 1, 3, 4, 4), F(4, 3, 1, 3, 3)), DAMAGED, "in 2 groups"),
    BAD("transposed, padded away", CONV_TRANSPOSE, A(.kernel = {3, 3}, .pads = {9, 0, 9, 0}), 2,
        IN(F(4, 1, 1, 1, 4), F(4, 1, 1, 3, 3)), DAMAGED, "nothing or too much is left"),
    BAD("transposed without channels", CONV_TRANSPOSE, A(.kernel = {3, 3}), 2, IN(F(1, 4), F(4, 1, 1, 3, 3)), DAMAGED,
        "is not N x C x H x W"),
    BAD("pool padded too far", MAX_POOL, A(.kernel = {2, 2}, .pads = {2, 0, 0, 0}), 1, IN(F(4, 1, 1, 4, 4)), DAMAGED,
        "the padding is as large as the window"),
    BAD("pool without kernel", AVERAGE_POOL, A(.ceil_mode = 1), 1, IN(F(4, 1, 1, 4, 4)), DAMAGED, "make no window"),
    BAD("global pool of a line", GLOBAL_AVERAGE_POOL, A(.axis = 0), 1, IN(F(2, 1, 4)), DAMAGED, "is not N x C x H x W"),
    BAD("resize of a line", RESIZE, A(.scale_h = 2), 1, IN(F(1, 4)), DAMAGED, "is not N x C x H x W"),
    BAD("resize by nothing", RESIZE, A(.scale_h = 2), 1, IN(F(4, 1, 1, 2, 2)), DAMAGED, "cannot be resized by 2x0"),
    BAD("resize by infinity", RESIZE, A(.scale_h = INFINITY, .scale_w = 1), 1, IN(F(4, 1, 1, 2, 2)), DAMAGED,
        "cannot be resized"),
    BAD("resize in an unknown mode", RESIZE, A(.scale_h = 2, .scale_w = 2, .coordinate_mode = 7), 1,
        IN(F(4, 1, 1, 2, 2)), DAMAGED, "coordinate mode 7"),
    BAD("norm of a line", BATCH_NORM, A(.alpha = 1), 5, IN(F(1, 2), F(1, 2), F(1, 2), F(1, 2), F(1, 2)), DAMAGED,
        "the input has no channels"),
    BAD("norm of other channels", BATCH_NORM, A(.alpha = 1), 5, IN(F(2, 1, 2), F(1, 2), F(1, 2), F(1, 3), F(1, 2)),
        DAMAGED, "input 3 does not have one value for each of 2"),
    BAD("add of two kinds", ADD, A(.axis = 0), 2, IN(F(1, 2), I(2, 1, 2)), DAMAGED, "float32 and int64 do not mix"),
    BAD("add that does not broadcast", ADD, A(.axis = 0), 2, IN(F(2, 2, 3), F(1, 2)), DAMAGED,
        "(Add of 2x3, 2): the shapes"),
    BAD("and of numbers", AND, A(.axis = 0), 2, IN(F(1, 2), F(1, 2)), DAMAGED, "it does not take float32"),
    BAD("where by numbers", WHERE, A(.axis = 0), 3, IN(F(1, 2), F(1, 2), F(1, 2)), DAMAGED, "it chooses by float32"),
    BAD("power of integers by floats", POW, A(.axis = 0), 2, IN(I(1, 2), F(1, 1)), UNSUPPORTED, "does not raise int64"),
    BAD("division by zero", DIV, A(.axis = 0), 2, IN(I(2, 4, 5), I(2, 1, 0)), DAMAGED, "an integer is divided by zero"),
    BAD("clip by a list", CLIP, A(.axis = 0), 3, IN(F(1, 2), NOTHING, F(1, 2)), DAMAGED,
        "(Clip of 2, nothing, 2): limit 2 is not a single number"),
    BAD("concat without the axis", CONCAT, A(.axis = 2), 2, IN(F(2, 1, 2), F(2, 1, 2)), DAMAGED, "no axis 2"),
    BAD("concat of two ranks", CONCAT, A(.axis = 0), 2, IN(F(2, 1, 2), F(1, 2)), DAMAGED,
        "another number of dimensions"),
    BAD("concat of two heights", CONCAT, A(.axis = 1), 2, IN(F(3, 1, 2, 4), F(3, 1, 2, 5)), DAMAGED,
        "input 1 differs from input 0 in dimension 2, not only in 1"),
    BAD("slice twice", SLICE, A(.axes_count = 2, .axes = {0, -1}), 1, IN(F(1, 4)), DAMAGED,
        "axis -1 is missing or given"),
    BAD("pad of other rank", PAD, A(.axes_count = 2), 1, IN(F(1, 4)), DAMAGED,
        "2 dimensions are padded, the input has 1"),
    BAD("pad below nothing", PAD, A(.axes_count = 1, .axes = {-3}, .ends = {-3}), 1, IN(F(1, 4)), DAMAGED,
        "cannot be padded by -3 and -3"),
    BAD("pad past all numbers", PAD, A(.axes_count = 1, .axes = {INT64_MAX}), 1, IN(F(1, 4)), DAMAGED,
        "cannot be padded"),
    BAD("reshape that does not fit", RESHAPE, A(.axes_count = 2, .axes = {4, -1}), 1, IN(F(1, 6)), DAMAGED,
        "6 elements do not fill 4x1"),
    BAD("reshape open twice", RESHAPE, A(.axes_count = 2, .axes = {-1, -1}), 1, IN(F(1, 6)), DAMAGED, "two dimensions"),
    BAD("reshape to negatives", RESHAPE, A(.axes_count = 1, .axes = {-9}), 1, IN(F(1, 6)), DAMAGED,
        "-9 is no dimension"),
    BAD("reshape by symbols from a file", RESHAPE, A(.axis = 0), 2, IN(F(1, 6), I(1, -2)), DAMAGED,
        "-2 is no dimension"),
    BAD("reshape that copies what is not", RESHAPE, A(.axes_count = 2, .axes = {6, 0}), 1, IN(F(1, 6)), DAMAGED,
        "no dimension 1 to copy"),
    BAD("reshape past all numbers", RESHAPE, A(.axes_count = 2, .axes = {INT64_MAX, 3}), 1, IN(F(1, 6)), DAMAGED,
        "the target is too large"),
    BAD("reshape by floats", RESHAPE, A(.axis = 0), 2, IN(F(1, 6), F(1, 1)), DAMAGED, "not a list of at most 6"),
    BAD("transpose in half an order", TRANSPOSE, A(.axes_count = 1), 1, IN(F(2, 2, 3)), DAMAGED, "the order of axes"),
    BAD("transpose with an axis twice", TRANSPOSE, A(.axes_count = 2), 1, IN(F(2, 2, 3)), DAMAGED, "the order of axes"),
    BAD("expand to less", EXPAND, A(.axis = 0), 2, IN(F(1, 6), I(1, 3)), DAMAGED, "cannot be expanded to 3"),
    BAD("expand by floats", EXPAND, A(.axis = 0), 2, IN(F(1, 6), F(1, 1)), DAMAGED, "not a list"),
    BAD("tile of other rank", TILE, A(.axis = 0), 2, IN(F(2, 6, 1), I(1, 3)), DAMAGED, "each of 2 dimensions"),
    BAD("tile backwards", TILE, A(.axis = 0), 2, IN(F(1, 6), I(1, -3)), DAMAGED, "cannot be repeated -3 times"),
    BAD("squeeze of more than one", SQUEEZE, A(.axes_count = 1), 1, IN(F(1, 6)), DAMAGED, "not there or not 1"),
    BAD("unsqueeze twice", UNSQUEEZE, A(.axes_count = 2), 1, IN(F(1, 6)), DAMAGED, "given twice"),
    BAD("unsqueeze past six", UNSQUEEZE, A(.axes_count = 6), 1, IN(F(1, 6)), UNSUPPORTED, "7 dimensions are more"),
    BAD("flatten at no axis", FLATTEN, A(.axis = 3), 1, IN(F(2, 2, 3)), DAMAGED, "no axis 3"),
    BAD("product that does not meet", MATMUL, A(.axis = 0), 2, IN(F(2, 2, 3), F(2, 2, 3)), DAMAGED,
        "3 columns do not meet 2"),
    BAD("product of stacks", MATMUL, A(.axis = 0), 2, IN(F(3, 2, 1, 1), F(3, 3, 1, 1)), DAMAGED, "cannot be broadcast"),
    BAD("product of a scalar", MATMUL, A(.axis = 0), 2, IN(F(0, 0), F(2, 2, 3)), DAMAGED, "a scalar is no matrix"),
    BAD("gemm of vectors", GEMM, A(.alpha = 1), 2, IN(F(1, 2), F(2, 2, 3)), DAMAGED, "not two matrices"),
    BAD("gemm that does not meet", GEMM, A(.alpha = 1), 2, IN(F(2, 2, 2), F(2, 3, 3)), DAMAGED, "inner dimensions"),
    BAD("gemm with odd addition", GEMM, A(.alpha = 1), 3, IN(F(2, 2, 2), F(2, 2, 3), F(1, 2)), DAMAGED,
        "broadcast to 2x3"),
    BAD("softmax at no axis", SOFTMAX, A(.axis = -3), 1, IN(F(2, 2, 3)), DAMAGED, "no axis -3"),
    BAD("mean over no axis", REDUCE_MEAN, A(.axes_count = 1, .axes = {2}), 1, IN(F(2, 2, 3)), DAMAGED, "no axis 2"),
    BAD("best of none", ARG_MAX, A(.axis = 0), 1, IN(F(1, 0)), DAMAGED, "axis 0 is empty"),
    BAD("more than there are", TOPK, A(.axis = 0), 2, IN(F(1, 2), I(1, 3)), DAMAGED, "3 values are wanted of 2"),
    BAD("top by floats", TOPK, A(.axis = 0), 2, IN(F(1, 2), F(1, 1)), DAMAGED, "not known beforehand"),
    BAD("top along no axis", TOPK, A(.axis = 1), 2, IN(F(1, 2), I(1, 1)), DAMAGED, "no axis 1"),
    BAD("gather by floats", GATHER, A(.axis = 0), 2, IN(F(1, 2), F(1, 1)), DAMAGED, "indices are float32"),
    BAD("gather outside", GATHER, A(.axis = 0), 2, IN(F(1, 2), I(1, -3)), DAMAGED, "index -3 lies outside 2 places"),
    BAD("gather along no axis", GATHER, A(.axis = 1), 2, IN(F(1, 2), I(1, 0)), DAMAGED, "no axis 1"),
    BAD("gather past six dimensions", GATHER, A(.axis = 0), 2, IN(F(6, 1, 1, 1, 1, 1, 1), ROW(1)), UNSUPPORTED,
        "7 dimensions are more"),
    BAD("elements of other rank", GATHER_ELEMENTS, A(.axis = 0), 2, IN(F(2, 1, 2), I(1, 0)), DAMAGED, "differ in rank"),
    BAD("elements outside", GATHER_ELEMENTS, A(.axis = 0), 2, IN(F(1, 2), I(1, 5)), DAMAGED, "index 5 lies outside"),
    BAD("elements past the other axis", GATHER_ELEMENTS, A(.axis = 0), 2, IN(F(2, 1, 1), ROW(2)), DAMAGED,
        "reach past dimension 1"),
    BAD("deep indices", GATHER_ND, A(.axis = 0), 2, IN(F(1, 2), I(2, 0, 0)), DAMAGED, "indices of 2 numbers"),
    BAD("deep indices outside", GATHER_ND, A(.axis = 0), 2, IN(F(1, 2), I(1, 2)), DAMAGED, "index 2 lies outside"),
    BAD("range without end", RANGE, A(.axis = 0), 3, IN(N(0), N(4), N(0)), DAMAGED,
        "from 0 to 4 in steps of 0 there is no end"),
    BAD("range of lists", RANGE, A(.axis = 0), 3, IN(I(2, 0, 1), N(4), N(1)), DAMAGED, "not numbers known"),
    BAD("constant of negatives", CONSTANT_OF_SHAPE, A(.axis = 0), 1, IN(I(1, -1)), DAMAGED, "dimension 0 is negative"),
    BAD("constant of floats", CONSTANT_OF_SHAPE, A(.axis = 0), 1, IN(F(1, 2)), DAMAGED, "not a list"),
    BAD("blocks of a line", SPACE_TO_DEPTH, A(.block = 2), 1, IN(F(1, 2)), DAMAGED, "blocks of 2 make no sense"),
    BAD("blocks that are left over", SPACE_TO_DEPTH, A(.block = 2), 1, IN(F(4, 1, 1, 2, 3)), DAMAGED, "not multiples"),
    BAD("channels that are left over", DEPTH_TO_SPACE, A(.block = 2), 1, IN(F(4, 1, 6, 2, 2)), DAMAGED,
        "no multiple of 4"),
    BAD("quantize integers", QUANTIZE, A(.axis = 0), 2, IN(I(1, 3), F(1, 1)), DAMAGED, "it makes uint8 of int64"),
    BAD("quantize by a matrix", QUANTIZE, A(.axis = 0), 2, IN(F(1, 1), F(2, 1, 1)), DAMAGED,
        "neither one number nor one for each"),
    BAD("dequantize floats", DEQUANTIZE, A(.axis = 0), 2, IN(F(1, 1), F(1, 1)), DAMAGED, "it makes float32 of float32"),
    BAD("dequantize with two zero points", DEQUANTIZE, A(.axis = 0), 3, IN(PAIR(I8), F(1, 1), PAIR(I8)), DAMAGED,
        "scale and zero point differ in number"),
    BAD("dequantize with a zero of another type", DEQUANTIZE, A(.axis = 0), 3, IN(PAIR(I8), F(1, 1), F(1, 1)), DAMAGED,
        "a zero point of float32"),
    BAD("top of truths", TOPK, A(.axis = 0), 2, IN(PAIR(BOOL), I(1, 1)), DAMAGED, "it does not take bool"),
    BAD("power of truths", POW, A(.axis = 0), 2, IN(PAIR(BOOL), I(1, 1)), DAMAGED, "it does not take bool"),
};

static void fails_with_its_sentence(void **state)
{
    const bad_case *c = *state;
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    assert_true(eval_build(g, &c->node) >= 0);
    assert_fails(yk_graph_bind(g, 1, 8, 8), c->status, c->words);
    char layer[100];
    snprintf(layer, sizeof(layer), "layer \"%s\" (%s of ", c->node.name, yk_op_name(c->node.op));
    assert_non_null(strstr(yolk_last_error(), layer));
    yk_graph_destroy(&g);
}

/* What depends on the picture cannot be a shape. */
static void shapes_from_the_picture(void **state)
{
    (void)state;
    const struct {
        yk_op op;
        yk_type type;
        const char *words;
    } ops[] = {{YK_OP_RESHAPE, YK_I64, "the target depends on the picture"},
               {YK_OP_EXPAND, YK_I64, "the target depends on the picture"},
               {YK_OP_TILE, YK_I64, "the repetitions depend on the picture"}};
    for (size_t i = 0; i < YK_COUNT(ops); i++) {
        yk_graph *g;
        assert_ok(yk_graph_create(&g));
        yk_id x = yk_graph_add_input(g, NULL), sum, list[2];
        int n =
            yk_graph_add_node(g, YK_OP_REDUCE_SUM, "sum", &x, 1, 1, &(yk_attrs){.axes_count = 3, .axes = {1, 2, 3}});
        sum = g->nodes[n].outputs[0];
        n = yk_graph_add_node(g, YK_OP_CAST, "cast", &sum, 1, 1, &(yk_attrs){.to = ops[i].type});
        list[0] = sum;
        list[1] = g->nodes[n].outputs[0];
        assert_true(yk_graph_add_node(g, ops[i].op, "last", list, 2, 1, NULL) >= 0);
        assert_fails(yk_graph_bind(g, 1, 8, 8), YOLK_ERROR_DAMAGED, ops[i].words);
        yk_graph_destroy(&g);
    }
}

int main(void)
{
    struct CMUnitTest tests[YK_COUNT(cases) + 1];
    for (size_t i = 0; i < YK_COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].node.name, .test_func = fails_with_its_sentence, .initial_state = (void *)&cases[i]};
    tests[YK_COUNT(cases)] = (struct CMUnitTest)cmocka_unit_test(shapes_from_the_picture);
    return cmocka_run_group_tests_name("infer_errors", tests, NULL, NULL);
}
