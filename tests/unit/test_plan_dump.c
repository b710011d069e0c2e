/* The text form of a plan. */
#include "int8_test.h"
#include "plan_test.h"

static void expect(yk_graph *g, const char *want)
{
    const yk_plan_options options = {
        .align = 64, .channels = 8, .attention = true, .layout = plan_nhwc, .takes_bytes = plan_convolution};
    yk_plan *p;
    yk_buffer text = {0};
    assert_ok(yk_graph_bind(g, 1, 4, 8));
    assert_ok(yk_plan_make(g, &options, &p));
    assert_ok(yk_plan_dump(p, &text));
    yk_buffer_add(&text, "", 1);
    assert_string_equal((const char *)text.data, want);
    yk_buffer_free(&text);
    yk_plan_destroy(&p);
    yk_graph_destroy(&g);
}

/* A convolution that takes bytes, one that adds what came before it, views of both layouts, and copies. */
static void floats(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = int8_begin(&x);
    yk_id a = int8_conv(g, x, 3, 8, 3, 2, 1, 1);
    yk_id b = yk_build_binary(g, YK_OP_ADD, a, int8_conv(g, a, 8, 8, 1, 1, 8, 2), "sum");
    yk_id both = yk_build_concat(g, (yk_id[]){b, yk_build_max_pool(g, a, 3, 1, 1, "pool")}, 2, 1, "both");
    yk_id part = yk_build_slice(g, both, 1, 5, 9, "part");
    yk_id flat = yk_build_reshape(g, part, (const int64_t[]){1, 4, 8}, 3, 0, "flat");
    yk_id rows = yk_build_slice(g, yk_build_unary(g, YK_OP_SIGMOID, flat, "gate"), 1, 1, 4, "rows");
    assert_ok(yk_graph_add_output(g, yk_build_softmax(g, rows, -1, "softmax")));
    assert_ok(yk_graph_add_output(g, yk_build_unary(g, YK_OP_SILU, x, "picture")));
    expect(g, "Conv: t3:1x8x2x4[nhwc/8 @512]"
              " = Conv(t0:1x3x4x8:uint8[nhwc/3 input], t1:8x3x3x3[constant], t2:8[constant])"
              " kernel=3x3 stride=2x2 pads=1,1,1,1 act=silu\n"
              "Conv_6: t7:1x8x2x4[nhwc/16 t9+0]"
              " = Conv(t3:1x8x2x4[nhwc/8 @512], t4:8x1x1x1[constant], t5:8[constant])"
              " kernel=1x1 stride=1x1 pads=0,0,0,0 groups=8 act=silu + t3:1x8x2x4[nhwc/8 @512]\n"
              "pool: t8:1x8x2x4[nhwc/16 t9+8] = MaxPool(t3:1x8x2x4[nhwc/8 @512]) kernel=3x3 stride=1x1 pads=1,1,1,1\n"
              "part: t11:1x4x2x4[@512] = copy(t10:1x4x2x4[nhwc/16 t9+5])\n"
              "gate: t13:1x4x8[@0] = Sigmoid(t12:1x4x8[t11+0])\n"
              "softmax: t15:1x3x8[output] = Softmax(t14:1x3x8[t13+8]) axis=-1\n"
              "images: t16:1x3x4x8[nhwc/8 @0] = input(t0:1x3x4x8:uint8[nhwc/3 input])\n"
              "picture: t17:1x3x4x8[nhwc/8 @1024] = SiLU(t16:1x3x4x8[nhwc/8 @0])\n"
              "picture: t18:1x3x4x8[output] = copy(t17:1x3x4x8[nhwc/8 @1024])\n"
              "output t15:1x3x8[output]\n"
              "output t18:1x3x4x8[output]\n"
              "arena 2048\n");
}

/* One head of the first two channels, the next two and the last three. */
static void attention(void **state)
{
    (void)state;
    yk_id x, parts[3];
    yk_graph *g = int8_begin(&x);
    const yk_id map = int8_conv(g, x, 3, 7, 1, 1, 1, 1);
    const int ends[] = {0, 2, 4, 7}, turn[] = {0, 1, 3, 2};
    for (int i = 0; i < 3; i++) {
        const yk_id part = yk_build_slice(g, map, 1, ends[i], ends[i + 1], "part");
        parts[i] = yk_build_reshape(g, part, (const int64_t[]){1, 1, ends[i + 1] - ends[i], 32}, 4, 0, "rows");
        if (i != 1)
            parts[i] = yk_build_transpose(g, parts[i], turn, 4, "turned");
    }
    const yk_id scores = yk_build_binary(g, YK_OP_MATMUL, parts[0], parts[1], "scores");
    const yk_id rows = yk_build_binary(g, YK_OP_MATMUL, yk_build_softmax(g, scores, 3, "chances"), parts[2], "values");
    const yk_id turned = yk_build_transpose(g, rows, turn, 4, "turned");
    const yk_id joined = yk_build_reshape(g, turned, (const int64_t[]){1, 3, 4, 8}, 4, 0, "joined");
    assert_ok(yk_graph_add_output(g, yk_build_unary(g, YK_OP_SILU, joined, "silu")));
    expect(g, "Conv: t3:1x7x4x8[nhwc/8 @0]"
              " = Conv(t0:1x3x4x8:uint8[nhwc/3 input], t1:7x3x1x1[constant], t2:7[constant])"
              " kernel=1x1 stride=1x1 pads=0,0,0,0 act=silu\n"
              "joined: t20:1x3x4x8[nhwc/8 @1024] = attention(t3:1x7x4x8[nhwc/8 @0])"
              " heads=1 depth=2,3 q=0 k=2 v=4 apart=0,0 scale=1\n"
              "silu: t21:1x3x4x8[nhwc/8 @0] = SiLU(t20:1x3x4x8[nhwc/8 @1024])\n"
              "silu: t22:1x3x4x8[output] = copy(t21:1x3x4x8[nhwc/8 @0])\n"
              "output t22:1x3x4x8[output]\n"
              "arena 2048\n");
}

static void bytes(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = int8_begin(&x);
    assert_ok(yk_graph_add_output(g, int8_conv(g, int8_conv(g, x, 3, 8, 3, 2, 1, 1), 8, 4, 1, 1, 1, 2)));
    int8_quantize(g, false, NULL);
    expect(g, "Conv: t13:1x8x2x4:uint8[nhwc/8 @256 (x-13)*0.0372549]"
              " = Conv(t0:1x3x4x8:uint8[nhwc/3 input (x-0)*0.00392157], t6:8x3x3x3:int8[constant], t9:8[constant], "
              "t7:8[constant])"
              " kernel=3x3 stride=2x2 pads=1,1,1,1 act=silu\n"
              "Conv_6: t19:1x4x2x4[nhwc/8 @0]"
              " = Conv(t13:1x8x2x4:uint8[nhwc/8 @256 (x-13)*0.0372549], t15:4x8x1x1:int8[constant], t18:4[constant], "
              "t16:4[constant])"
              " kernel=1x1 stride=1x1 pads=0,0,0,0 act=silu\n"
              "Conv_6: t20:1x4x2x4[output] = copy(t19:1x4x2x4[nhwc/8 @0])\n"
              "output t20:1x4x2x4[output]\n"
              "arena 320\n");
}

/* Two results, and an input that is left out. */
static void integers(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = int8_begin(&x);
    const yk_id clipped[3] = {x, YK_NONE, yk_build_scalar(g, 0.5f)};
    const yk_id most[2] = {graph_node(g, YK_OP_CLIP, NULL, clipped, 3), INTEGERS(g, DIMS(1), 2)};
    const int top = yk_graph_add_node(g, YK_OP_TOPK, "top", most, 2, 2, &(yk_attrs){.axis = 3, .largest = 1});
    assert_true(top >= 0);
    assert_ok(yk_graph_add_output(g, g->nodes[top].outputs[1]));
    expect(g, "images: t1:1x3x4x8[nhwc/8 @0] = input(t0:1x3x4x8:uint8[nhwc/3 input])\n"
              "Clip: t3:1x3x4x8[nhwc/8 @1024] = Clip(t1:1x3x4x8[nhwc/8 @0], -, t2:scalar[constant])\n"
              "top: t5:1x3x4x2[nhwc/8 @512], t6:1x3x4x2:int64[nhwc/8 @0]"
              " = TopK(t3:1x3x4x8[nhwc/8 @1024], t4:1:int64[constant]) axis=3 largest\n"
              "top_5: t7:1x3x4x2[output] = copy(t6:1x3x4x2:int64[nhwc/8 @0])\n"
              "output t7:1x3x4x2[output]\n"
              "arena 2048\n");
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    yk_id x;
    yk_graph *g = int8_begin(&x);
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = plan_nhwc};
    yk_plan *p;
    yk_buffer text = {0};
    assert_ok(yk_graph_add_output(g, yk_build_unary(g, YK_OP_SILU, x, "picture")));
    assert_ok(yk_graph_bind(g, 1, 4, 8));
    assert_ok(yk_plan_make(g, &options, &p));
    yk_alloc_fail_at(1);
    assert_int_equal(yk_plan_dump(p, &text), YOLK_ERROR_OUT_OF_MEMORY);
    yk_alloc_fail_at(0);
    yk_buffer_free(&text);
    yk_plan_destroy(&p);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats),
        cmocka_unit_test(attention),
        cmocka_unit_test(bytes),
        cmocka_unit_test(integers),
        cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
