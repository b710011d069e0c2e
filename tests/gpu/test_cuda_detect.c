/* The GPU finds the boxes that the CPU finds, in the same order. */
#include "gpu_net.h"

/* What share of the cells holds something, in percent. Confidences have few different values, so that many are equal,
 * or as many as halves have. */
typedef struct noise {
    uint32_t busy;
    bool ties;
} noise;

static float logit_of(noise k)
{
    if (net_noise(100) >= k.busy)
        return net_value(-12, -8);
    return k.ties ? (float)net_noise(8) / 2 - 2 : net_value(-2.5f, 4);
}

static net anchor_free(int batch, int width, int height, int classes, int bins, noise k)
{
    net n = {.batch = batch,
             .width = width,
             .height = height,
             .head = {.kind = YK_HEAD_ANCHOR_FREE,
                      .classes = classes,
                      .reg_max = bins,
                      .max_det = 300,
                      .levels = 3,
                      .strides = {8, 16, 32}}};
    for (int l = 0; l < 3; l++) {
        const int64_t h = height / n.head.strides[l], w = width / n.head.strides[l], pixels = h * w;
        float *boxes = net_add(&n, (yk_shape){4, {batch, 4 * bins, h, w}});
        for (int64_t i = 0; i < batch * 4 * bins * pixels; i++)
            boxes[i] = bins == 1 ? net_value(-0.5f, 6) : net_value(-4, 4);
        float *classes_at = net_add(&n, (yk_shape){4, {batch, classes, h, w}});
        for (int64_t i = 0; i < batch * classes * pixels; i++)
            classes_at[i] = net_value(-12, -8);
        /* A busy cell has one, two or three classes. */
        for (int64_t i = 0; i < batch * pixels; i++) {
            for (uint32_t many = net_noise(100) < k.busy ? 1 + net_noise(3) : 0; many > 0; many--)
                classes_at[(i / pixels * classes + net_noise((uint32_t)classes)) * pixels + i % pixels] =
                    logit_of((noise){100, k.ties});
        }
    }
    return n;
}

static void anchor_free_heads_in_every_layout(void **state)
{
    (void)state;
    gpu_needed();
    static const struct {
        int batch, classes, bins;
        noise noise;
    } cases[] = {{1, 80, 16, {10, false}}, {3, 80, 16, {40, true}}, {2, 1, 16, {50, false}}, {2, 3, 1, {50, true}},
                 {3, 81, 1, {20, false}},  {2, 8, 16, {90, true}},  {1, 365, 4, {60, false}}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        net n = anchor_free(cases[i].batch, 160, 96, cases[i].classes, cases[i].bins, cases[i].noise);
        for (int layout = 0; layout < NET_LAYOUTS; layout++) {
            const yk_detect_options o = {.conf = 0.25f, .iou = 0.4567f, .max_det = 300};
            const net_found found = net_compare(&n, (net_layout)layout, &o, false);
            assert_true(found.detections > 0 && found.candidates < (size_t)cases[i].batch * YK_CUDA_CANDIDATES);
            assert_true(found.detections < found.candidates || cases[i].classes > 8);
        }
        net_free(&n);
    }
}

static void thresholds_that_leave_none_few_many_and_too_many(void **state)
{
    (void)state;
    gpu_needed();
    net n = anchor_free(2, 640, 384, 80, 16, (noise){60, false});
    static const struct {
        float conf;
        size_t least, most; /* candidates a frame */
    } cases[] = {{1, 0, 0}, {0.98f, 1, 300}, {0.5f, 1000, 4096}, {0, 5000, 6000}};
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        for (int layout = NET_PLANES_FLOAT; layout <= NET_PIXELS_HALF; layout += 3) {
            const yk_detect_options o = {.conf = cases[i].conf, .iou = 0.4567f, .max_det = 300};
            const net_found found = net_compare(&n, (net_layout)layout, &o, false);
            assert_in_range(found.candidates, 2 * cases[i].least, 2 * cases[i].most);
            assert_int_equal(found.left, found.candidates > 2 * YK_CUDA_CANDIDATES ? 2 : 0);
        }
    }
    net_free(&n);
}

static void options_count(void **state)
{
    (void)state;
    gpu_needed();
    uint8_t mask[80];
    for (int c = 0; c < 80; c++)
        mask[c] = (uint8_t)net_noise(2);
    const yk_detect_options cases[] = {
        {.conf = 0.25f, .iou = 0.4567f, .max_det = 300, .multi_label = true},
        {.conf = 0.25f, .iou = 0.4567f, .max_det = 300, .agnostic = true},
        {.conf = 0.25f, .iou = 0.4567f, .max_det = 300, .class_mask = mask},
        {.conf = 0.25f, .iou = 0.7123f, .max_det = 300, .class_mask = mask, .multi_label = true, .agnostic = true},
        {.conf = 0.25f, .iou = 0, .max_det = 300},
        {.conf = 0.25f, .iou = 1, .max_det = 300},
        {.conf = 0.25f, .iou = 1, .max_det = 1024},
        {.conf = 0.25f, .iou = 0.4567f, .max_det = 33},
        {.conf = 0.25f, .iou = 0.4567f, .max_det = 1},
        {.conf = 0.25f, .iou = 0.4567f, .max_det = 0},
    };
    net n = anchor_free(3, 320, 192, 80, 16, (noise){70, true});
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        const net_layout layout = i % 2 ? NET_PLANES_FLOAT : NET_PIXELS_HALF;
        net_compare(&n, layout, &cases[i], false);
    }
    net_free(&n);
}

static void a_batch_of_32_and_a_part_of_a_batch(void **state)
{
    (void)state;
    gpu_needed();
    net n = anchor_free(32, 160, 96, 80, 16, (noise){15, false});
    const yk_detect_options o = {.conf = 0.25f, .iou = 0.4567f, .max_det = 300};
    assert_true(net_compare(&n, NET_PIXELS_HALF, &o, false).detections > 0);
    n.batch = 7;
    assert_true(net_compare(&n, NET_PIXELS_HALF, &o, false).detections > 0);
    net_free(&n);
}

static void one_to_one_heads_give_the_best_pairs(void **state)
{
    (void)state;
    gpu_needed();
    uint8_t mask[80];
    for (int c = 0; c < 80; c++)
        mask[c] = (uint8_t)net_noise(2);
    for (int i = 0; i < 6; i++) {
        const int classes = i % 3 == 2 ? 3 : 80;
        net n = anchor_free(2, 320, 192, classes, i < 3 ? 1 : 16, (noise){i == 0 ? 2 : 60, i % 2 != 0});
        n.head.end2end = true;
        n.head.max_det = i == 4 ? 7 : 300;
        for (int layout = NET_PLANES_FLOAT; layout < NET_LAYOUTS; layout++) {
            const yk_detect_options cases[] = {
                {.conf = 0.25f, .iou = 0.5f, .max_det = 300},
                {.conf = 0.01f, .iou = 0.5f, .max_det = 100, .class_mask = mask},
                {.conf = 0, .iou = 0.5f, .max_det = 300},
                {.conf = 1, .iou = 0.5f, .max_det = 300},
            };
            for (size_t k = 0; k < YK_COUNT(cases); k++) {
                const net_found found = net_compare(&n, (net_layout)layout, &cases[k], true);
                assert_int_equal(found.left, 0);
                assert_true((found.detections > 0) == (cases[k].conf < 1));
            }
        }
        net_free(&n);
    }
}

static void one_to_one_heads_with_too_many_are_left(void **state)
{
    (void)state;
    gpu_needed();
    net n = anchor_free(2, 640, 384, 2, 1, (noise){60, false});
    n.head.end2end = true;
    const yk_detect_options o = {.conf = 0, .iou = 0.5f, .max_det = 300};
    assert_int_equal(net_compare(&n, NET_PIXELS_HALF, &o, true).left, 2);
    net_free(&n);
    /* Few anchors, whose pairs are all equal and too many. */
    n = anchor_free(1, 320, 192, 80, 1, (noise){0, false});
    n.head.end2end = true;
    for (int l = 0; l < 3; l++) {
        const int64_t count = yk_shape_count(&n.shapes[2 * l + 1]);
        for (int64_t i = 0; i < count; i++)
            n.values[2 * l + 1][i] = 1;
    }
    assert_int_equal(net_compare(&n, NET_PIXELS_HALF, &o, true).left, 1);
    net_free(&n);
}

/* Rows or planes of box, objectness and classes, as the kind of head has them. */
static net with_objectness(yk_head_kind kind, int batch, int classes, noise k)
{
    net n = {.batch = batch,
             .width = 160,
             .height = 96,
             .head = {.kind = kind,
                      .classes = classes,
                      .levels = kind == YK_HEAD_DECODED_V5 ? 0 : 3,
                      .strides = {8, 16, 32},
                      .anchors_per_level = kind == YK_HEAD_ANCHORS ? 3 : 0}};
    const bool anchors = kind == YK_HEAD_ANCHORS;
    for (int l = 0; l < 3 && anchors; l++) {
        for (int a = 0; a < 3; a++) {
            n.head.anchors[l][a][0] = (float)((12 + 9 * a) << l);
            n.head.anchors[l][a][1] = (float)((25 - 6 * a) << l);
        }
        net_add(&n, (yk_shape){4, {batch, 3 * (5 + classes), 96 / n.head.strides[l], 160 / n.head.strides[l]}});
    }
    if (!anchors)
        net_add(&n, (yk_shape){3, {batch, kind == YK_HEAD_YOLOX ? 315 : 333, 5 + classes}});
    for (int t = 0; t < n.count; t++) {
        const net_form f = net_form_of(&n, t);
        for (int64_t i = 0; i < f.frames * f.pixels * f.channels; i++) {
            const int64_t frame = i / f.channels / f.pixels, pixel = i / f.channels % f.pixels, c = i % f.channels;
            const int value = (int)(c % (5 + classes));
            float x = value < 4 ? net_value(-1.5f, 1.5f) : logit_of((noise){value == 4 ? k.busy : 20, k.ties});
            if (!anchors && value >= 4)
                x = yk_half_to_float(yk_float_to_half(1 / (1 + expf(-x))));
            if (kind == YK_HEAD_DECODED_V5 && value < 4)
                x = value < 2 ? net_value(0, 160) : net_value(10, 60);
            n.values[t][frame * f.frame + c * f.channel + pixel * f.pixel] = x;
        }
    }
    return n;
}

static void heads_with_objectness_in_every_layout(void **state)
{
    (void)state;
    gpu_needed();
    static const yk_head_kind kinds[] = {YK_HEAD_ANCHORS, YK_HEAD_YOLOX, YK_HEAD_DECODED_V5};
    for (size_t i = 0; i < 3 * YK_COUNT(kinds); i++) {
        static const int classes[] = {80, 1, 37};
        net n = with_objectness(kinds[i / 3], 1 + (int)i % 3, classes[i % 3], (noise){i % 2 ? 60 : 15, i % 4 == 3});
        for (int layout = 0; layout < NET_LAYOUTS; layout++) {
            for (int several = 0; several < 2; several++) {
                const yk_detect_options o = {
                    .conf = 0.25f, .iou = 0.4567f, .max_det = 300, .multi_label = several != 0};
                assert_true(net_compare(&n, (net_layout)layout, &o, false).detections > 0);
            }
        }
        const yk_detect_options all = {.conf = 0, .iou = 0.4567f, .max_det = 300, .multi_label = true};
        net_compare(&n, NET_PLANES_FLOAT, &all, false);
        net_free(&n);
    }
}

static void decoded_heads_in_every_layout(void **state)
{
    (void)state;
    gpu_needed();
    for (int i = 0; i < 4; i++) {
        const bool rows = i >= 2;
        const int classes = i % 2 ? 5 : 80, count = 300 + 7 * i;
        net n = {.batch = 3,
                 .width = 160,
                 .height = 96,
                 .head = {.kind = rows ? YK_HEAD_DECODED_END2END : YK_HEAD_DECODED_V8, .classes = classes}};
        net_add(&n, rows ? (yk_shape){3, {3, count, 6}} : (yk_shape){3, {3, 4 + classes, count}});
        const net_form f = net_form_of(&n, 0);
        for (int64_t k = 0; k < f.frames * f.pixels * f.channels; k++) {
            const int64_t c = k % f.channels, pixel = k / f.channels % f.pixels, frame = k / f.channels / f.pixels;
            float x = c < 2 ? net_value(0, 160) : c < 4 ? net_value(5, 80) : net_value(0, 1);
            if (!rows && c >= 4 && net_noise(100) < 95)
                x = net_value(0, 0.01f);
            if (rows && c == 5)
                x = net_value(-1, (float)classes + 1);
            n.values[0][frame * f.frame + c * f.channel + pixel * f.pixel] = x;
        }
        for (int layout = 0; layout < NET_LAYOUTS; layout++) {
            for (int several = 0; several < 2; several++) {
                const yk_detect_options o = {
                    .conf = 0.25f, .iou = 0.4567f, .max_det = 200, .multi_label = several != 0};
                assert_true(net_compare(&n, (net_layout)layout, &o, false).detections > 0);
            }
        }
        net_free(&n);
    }
}

static void what_is_not_finite_is_no_box(void **state)
{
    (void)state;
    gpu_needed();
    net n = anchor_free(2, 160, 96, 3, 1, (noise){80, false});
    for (int t = 0; t < n.count; t++) {
        static const float odd[] = {NAN, INFINITY, -INFINITY, 65504, -0.0f};
        const int64_t count = yk_shape_count(&n.shapes[t]);
        for (int64_t i = 0; i < count; i++) {
            if (net_noise(10) == 0)
                n.values[t][i] = odd[net_noise(YK_COUNT(odd))];
        }
    }
    for (int layout = 0; layout < NET_LAYOUTS; layout++) {
        for (int several = 0; several < 2; several++) {
            const yk_detect_options o = {.conf = 0.25f, .iou = 0.4567f, .max_det = 300, .multi_label = several != 0};
            assert_true(net_compare(&n, (net_layout)layout, &o, false).detections > 0);
        }
    }
    net_free(&n);
}

static void a_captured_launch_runs_again(void **state)
{
    (void)state;
    gpu_needed();
    net n = anchor_free(2, 160, 96, 80, 16, (noise){30, false});
    const yk_detect_options o = {.conf = 0.25f, .iou = 0.4567f, .max_det = 300};
    const size_t size = yk_cuda_results_bytes(2, 300) + NET_GUARD;
    yk_cuda_tensor tensors[NET_OUTPUTS];
    for (int t = 0; t < n.count; t++)
        tensors[t] = net_upload(&n, t, NET_PIXELS_HALF);
    void *workspace = gpu_filled(yk_cuda_workspace_bytes(2), NET_POISON), *results = gpu_filled(size, NET_POISON);
    const yk_cuda_outputs outputs = {&n.head, tensors, n.shapes, 2, n.width, n.height};
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    assert_cuda(cudaStreamCreate(&stream));
    assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    assert_ok(yk_cuda_detect(&outputs, &o, workspace, results, stream));
    assert_cuda(cudaStreamEndCapture(stream, &graph));
    assert_cuda(cudaGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++) {
        assert_cuda(cudaMemset(results, NET_POISON, size));
        assert_cuda(cudaGraphLaunch(exec, stream));
        void *bytes = gpu_fetch(results, size);
        assert_true(net_check(&n, &o, bytes, false).detections > 0);
        free(bytes);
    }
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
    cudaFree(results);
    cudaFree(workspace);
    for (int t = 0; t < n.count; t++)
        cudaFree((void *)(uintptr_t)tensors[t].data);
    net_free(&n);
}

/* No GPU is needed to see that. */
static void what_the_gpu_leaves_gets_a_sentence(void **state)
{
    (void)state;
    net n = anchor_free(1, 64, 64, 2, 1, (noise){0, false});
    yk_cuda_tensor tensors[NET_OUTPUTS] = {{NULL, false, 0, 0, 0}};
    yk_cuda_outputs outputs = {&n.head, tensors, n.shapes, 1, 64, 64};
    yk_detect_options o = {.conf = 0.25f, .iou = 0.5f, .max_det = 2000};
    assert_fails(yk_cuda_detect_check(&outputs, &o), YOLK_ERROR_UNSUPPORTED, "max_det is 2000");
    o.max_det = 300;
    assert_fails(yk_cuda_detect_check(&outputs, &o), YOLK_ERROR_INVALID_ARGUMENT, "output 0");
    outputs.batch = 2;
    assert_fails(yk_cuda_detect_check(&outputs, &o), YOLK_ERROR_INVALID_ARGUMENT, "output 0");
    outputs.batch = 0;
    assert_fails(yk_cuda_detect_check(&outputs, &o), YOLK_ERROR_INVALID_ARGUMENT, "0 frames");
    n.head.kind = YK_HEAD_UNKNOWN;
    outputs.batch = 1;
    assert_fails(yk_cuda_detect_check(&outputs, &o), YOLK_ERROR_UNSUPPORTED, "--head");
    const int results[2] = {301, 0};
    bool complete;
    yk_detections d = {0};
    assert_fails(yk_cuda_detections(results, 1, 300, 0, &complete, &d), YOLK_ERROR_BACKEND, "301");
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchor_free_heads_in_every_layout),
        cmocka_unit_test(thresholds_that_leave_none_few_many_and_too_many),
        cmocka_unit_test(options_count),
        cmocka_unit_test(a_batch_of_32_and_a_part_of_a_batch),
        cmocka_unit_test(one_to_one_heads_give_the_best_pairs),
        cmocka_unit_test(one_to_one_heads_with_too_many_are_left),
        cmocka_unit_test(heads_with_objectness_in_every_layout),
        cmocka_unit_test(decoded_heads_in_every_layout),
        cmocka_unit_test(what_is_not_finite_is_no_box),
        cmocka_unit_test(a_captured_launch_runs_again),
        cmocka_unit_test(what_the_gpu_leaves_gets_a_sentence),
    };
    return cmocka_run_group_tests_name("cuda detect", tests, NULL, NULL);
}
