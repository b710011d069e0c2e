/* Checkpoints that yolk does not run: each refusal names the layer or the part at fault. */
#include "yk_test.h"

#include "import/import.h"
#include "yk_pt_blocks.h"
#include "yk_pt_tiny.h"

#define BLOCK "ultralytics.nn.modules.block."

static void check(const tiny *t, yolk_status status, const char *words)
{
    fx f = {.seed = 1};
    yk_graph *g;
    tiny_make(&f, t);
    assert_fails(yk_import_pt(f.zip.data, f.zip.size, &g), status, words);
    assert_null(g);
    fx_free(&f);
}

/* ---- other tasks and unknown modules ---- */

static const char *class_of_head;

static void other_head(fx *f)
{
    fx_parts(f, class_of_head);
    tiny_branches(f, "cv2", 8);
    tiny_branches(f, "cv3", 2);
    fx_end_dict(f);
    tiny_numbers(f);
    fx_end(f);
}

static void other_tasks_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *class, *words;
    } cases[] = {
        {"ultralytics.nn.modules.head.Segment",
         "ultralytics.nn.modules.head.Segment, is for instance segmentation; yolk"},
        {"ultralytics.nn.modules.head.Pose", "is for pose estimation"},
        {"ultralytics.nn.modules.head.OBB", "is for oriented boxes"},
        {"ultralytics.nn.modules.head.Classify", "is for classification"},
        {"ultralytics.nn.modules.head.RTDETRDecoder", "(RT-DETR)"},
        {"ultralytics.nn.modules.head.WorldDetect", "(YOLO-World)"},
        {"ultralytics.nn.modules.head.YOLOESegment", "(YOLOE)"},
        {"models.yolo.Segment", "models.yolo.Segment, is for instance segmentation"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        class_of_head = cases[i].class;
        check(&(tiny){.head = other_head}, YOLK_ERROR_UNSUPPORTED, cases[i].words);
    }
    class_of_head = "models.yolo.DualDDetect";
    check(&(tiny){.head = other_head}, YOLK_ERROR_UNSUPPORTED,
          "layer model.2 is a models.yolo.DualDDetect, a kind of module that yolk does not know");
    class_of_head = "torch.nn.modules.linear.Identity";
    check(&(tiny){.head = other_head}, YOLK_ERROR_UNSUPPORTED, "does not end in a detection head");
}

static const char *class_of_body;

static void strange_body(fx *f)
{
    fx_leaf(f, class_of_body);
}

static void unknown_modules_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *class, *words;
    } cases[] = {
        {BLOCK "Ponder", "layer model.1 is a " BLOCK "Ponder, a kind of module"},
        {"torch.nn.modules.conv.Conv3d", "layer model.1 is a torch.nn.modules.conv.Conv3d"},
        {"evil.nn.Conv", "layer model.1 is a evil.nn.Conv"},
        {"torch.nn.modules.conv.Conv", "layer model.1 is a torch.nn.modules.conv.Conv,"},
        {FX_CONV, "layer model.1 (" FX_CONV "): it holds no convolution"},
        {BLOCK "C3", "its part \"cv1\" is missing"},
        {BLOCK "SPPF", "its part \"cv1\" is missing"},
        {"ultralytics.nn.modules.conv.RepConv", "it holds no convolution"},
        {BLOCK "Attention", "0 heads of 0 and 0 channels do not make its 4 channels"},
        {BLOCK "AAttn", "do not make its 4 channels"},
        {BLOCK "CBLinear", "its part \"conv\" is missing"},
        {"torch.nn.modules.pooling.MaxPool2d", "does not know pooling with these settings"},
        {"torch.nn.modules.upsampling.Upsample", "nearest-neighbour"},
        {"torch.nn.modules.conv.Conv2d", "its weight is missing"},
        {"torch.nn.modules.linear.Identity", "its stride 4 is not that of its input, 2"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        fx f = {.seed = 1};
        yk_graph *g;
        class_of_body = cases[i].class;
        tiny_make(&f, &(tiny){.body = strange_body});
        yolk_status status = yk_import_pt(f.zip.data, f.zip.size, &g);
        if (status == YOLK_OK || !strstr(yolk_last_error(), cases[i].words))
            fail_msg("%s: %s: %s", cases[i].class, yolk_status_name(status), yolk_last_error());
        fx_free(&f);
    }
}

/* ---- layers that do not fit ---- */

static void wide_body(fx *f)
{
    fx_conv(f, 2 * TINY_C, TINY_C, 3, 2);
}

static void grouped_body(fx *f)
{
    fx_conv_as(f, FX_CONV, TINY_C * 3, TINY_C, 3, 2, 3, NULL);
}

static void strange_act_body(fx *f)
{
    fx_conv_as(f, FX_CONV, TINY_C, TINY_C, 3, 2, 1, "Threshold");
}

static void softly_padded_body(fx *f)
{
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_attr_text(f, "padding_mode", "reflect");
    fx_end(f);
}

static void uneven_body(fx *f)
{
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", (int[]){TINY_C, TINY_C, 2, 2}, 4, -1, 1);
    fx_end_dict(f);
    fx_attr_ints(f, "stride", (int[]){2, 1}, 2, false);
    fx_attr_int(f, "padding", 0);
    fx_end(f);
}

static void same_body(fx *f)
{
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", (int[]){TINY_C, TINY_C, 2, 2}, 4, -1, 1);
    fx_end_dict(f);
    fx_attr_int(f, "stride", 2);
    fx_attr_text(f, "padding", "same");
    fx_end(f);
}

static void flat_body(fx *f)
{
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", (int[]){TINY_C, TINY_C}, 2, -1, 1);
    fx_end_dict(f);
    fx_end(f);
}

static void negative_body(fx *f)
{
    fx_module(f, "torch.nn.modules.conv.Conv2d");
    fx_begin_dict(f, "_parameters");
    fx_random_tensor(f, "weight", (int[]){TINY_C, TINY_C, 1, 1}, 4, -1, 1);
    fx_end_dict(f);
    fx_attr_int(f, "stride", -2);
    fx_end(f);
}

static void from_later(fx *f)
{
    f->from[0] = 2;
    f->from_count = 1;
    fx_conv(f, TINY_C, TINY_C, 3, 2);
}

static void from_two(fx *f)
{
    f->from[0] = f->from[1] = 0;
    f->from_count = 2;
    fx_conv(f, TINY_C, TINY_C, 3, 2);
}

static void unequal_sum(fx *f)
{
    fx_parts(f, BLOCK "Bottleneck");
    fx_part(f, "cv1");
    fx_conv(f, TINY_C, TINY_C, 3, 2);
    fx_part(f, "cv2");
    fx_conv(f, TINY_C, TINY_C, 3, 1);
    fx_end_dict(f);
    fx_attr_bool(f, "add", true);
    fx_end(f);
}

static void layers_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        void (*body)(fx *f);
        yolk_status status;
        const char *words;
    } cases[] = {
        {wide_body, YOLK_ERROR_DAMAGED, "it takes 8 channels and is given 4"},
        {grouped_body, YOLK_ERROR_DAMAGED, "its 4 channels do not make 3 groups"},
        {strange_act_body, YOLK_ERROR_UNSUPPORTED, "(torch.nn.modules.activation.Threshold): it is no activation"},
        {softly_padded_body, YOLK_ERROR_UNSUPPORTED, "pads with something else"},
        {uneven_body, YOLK_ERROR_UNSUPPORTED, "its stride is 2x1"},
        {same_body, YOLK_ERROR_UNSUPPORTED, "\"same\" would differ"},
        {flat_body, YOLK_ERROR_DAMAGED, "not one of a convolution over pictures"},
        {negative_body, YOLK_ERROR_UNSUPPORTED, "its stride is missing or not of a kind"},
        {from_later, YOLK_ERROR_DAMAGED, "not a layer before it"},
        {from_two, YOLK_ERROR_DAMAGED, "it takes one input and is given several"},
        {unequal_sum, YOLK_ERROR_DAMAGED, "layer model.1: tensors at strides 2 and 4 cannot be added"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++)
        check(&(tiny){.body = cases[i].body}, cases[i].status, cases[i].words);
}

/* ---- heads that do not fit ---- */

static int head_classes, head_reg_max, head_box, head_levels;
static float head_stride;

static void odd_head(fx *f)
{
    fx_parts(f, "ultralytics.nn.modules.head.Detect");
    tiny_branches(f, "cv2", head_box);
    if (head_levels > 0)
        tiny_branches(f, "cv3", 2);
    fx_end_dict(f);
    fx_attr_int(f, "nc", head_classes);
    fx_attr_int(f, "reg_max", head_reg_max);
    tiny_stride(f, head_stride);
    fx_end(f);
}

static void heads_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        int classes, reg_max, box, levels;
        float stride;
        const char *words;
    } cases[] = {
        {3, 2, 8, 1, 4, "level 0 gives 8 channels of boxes and 2 of classes"},
        {2, 4, 8, 1, 4, "level 0 gives 8 channels of boxes"},
        {2, 0, 8, 1, 4, "level 0 gives 8 channels of boxes"},
        {2, 2, 8, 1, 8, "its stride 8 is not that of its input, 4"},
        {2, 2, 8, 0, 4, "part for level 0 is missing"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        head_classes = cases[i].classes;
        head_reg_max = cases[i].reg_max;
        head_box = cases[i].box;
        head_levels = cases[i].levels;
        head_stride = cases[i].stride;
        check(&(tiny){.head = odd_head}, YOLK_ERROR_DAMAGED, cases[i].words);
    }
}

static void head_from_two(fx *f)
{
    f->from[0] = f->from[1] = 1;
    f->from_count = 2;
    tiny_head(f);
}

static void anchors_of(fx *f, const int *dims, int rank, int channels)
{
    static const float numbers[32] = {1};
    fx_module(f, "models.yolo.Detect");
    fx_begin_dict(f, "_buffers");
    fx_text(f, "anchors");
    fx_floats(f, numbers, dims, rank);
    fx_end_dict(f);
    fx_begin_dict(f, "_modules");
    tiny_branches(f, "m", channels);
    fx_end_dict(f);
    fx_attr_int(f, "nc", 2);
    tiny_stride(f, 4);
    fx_end(f);
}

static void head_of_five_anchors(fx *f)
{
    anchors_of(f, (int[]){1, 5, 2}, 3, 35);
}

static void head_of_flat_anchors(fx *f)
{
    anchors_of(f, (int[]){6}, 1, 21);
}

static void head_of_odd_channels(fx *f)
{
    anchors_of(f, (int[]){1, 3, 2}, 3, 22);
}

static void anchors_that_do_not_fit(void **state)
{
    (void)state;
    check(&(tiny){.head = head_from_two}, YOLK_ERROR_DAMAGED, "it has 2 inputs and 1 strides");
    check(&(tiny){.head = head_of_five_anchors}, YOLK_ERROR_UNSUPPORTED, "not at most 4 pairs");
    check(&(tiny){.head = head_of_flat_anchors}, YOLK_ERROR_UNSUPPORTED, "not at most 4 pairs");
    check(&(tiny){.head = head_of_odd_channels}, YOLK_ERROR_DAMAGED, "gives 22 channels for 3 anchors and 2 classes");
}

/* ---- networks that no training made ---- */

static void joined_without_end(fx *f)
{
    for (int i = 0; i < 7; i++) {
        if (i > 0)
            fx_layer(f, 100 + i);
        memcpy(f->from, (int[8]){-1, -1, -1, -1, -1, -1, -1, -1}, sizeof(f->from));
        f->from_count = 8;
        fx_parts(f, "ultralytics.nn.modules.conv.Concat");
        fx_end_dict(f);
        fx_attr_int(f, "d", 1);
        fx_end(f);
    }
}

static void attention_of_giants(fx *f)
{
    fx_conv(f, TINY_C, TINY_C, 1, 1 << 20);
    fx_layer(f, 100);
    attention(f, TINY_C, 2);
}

/* The head stands among the layers as well, and a layer reads from it there. */
static void head_that_is_there_twice(fx *f)
{
    enum { MEMO = 200 };
    tiny_head(f);
    fx_op(f, 'q');
    fx_op(f, MEMO);
    fx_layer(f, 3);
    fx_conv(f, TINY_C, TINY_C, 1, 1);
    fx_part(f, "4");
    fx_op(f, 'h');
    fx_op(f, MEMO);
}

static void networks_that_no_training_made(void **state)
{
    (void)state;
    check(&(tiny){.body = joined_without_end}, YOLK_ERROR_LIMIT, "more than 1048576 channels are joined");
    check(&(tiny){.body = attention_of_giants}, YOLK_ERROR_DAMAGED, "attention at a stride of 2.09715e+06 pixels");
    check(&(tiny){.head = head_that_is_there_twice}, YOLK_ERROR_UNSUPPORTED,
          "layer model.2 is a ultralytics.nn.modules.head.Detect, a kind of module that yolk does not know");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_tasks_are_named),   cmocka_unit_test(unknown_modules_are_named),
        cmocka_unit_test(layers_that_do_not_fit),  cmocka_unit_test(heads_that_do_not_fit),
        cmocka_unit_test(anchors_that_do_not_fit), cmocka_unit_test(networks_that_no_training_made),
    };
    return cmocka_run_group_tests_name("pt_errors", tests, NULL, NULL);
}
