/* Conversions whole, of a network that finds cells of pure colour, on the reference backend. */
#include <dirent.h>

#include "convert/job.h"
#include "yk_temp.h"
#include "yk_tiny.h"
#include "yolk/yolk.h"

static const char *const names[3] = {"red", "green", "blue"};

/* A path that stays, where those of yk_temp_path() are used in turn. */
static const char *at(const char *name)
{
    static char paths[64][300];
    static int used;
    for (int i = 0; i < used; i++) {
        if (strcmp(strrchr(paths[i], '/') + 1, name) == 0)
            return paths[i];
    }
    assert_true(used < 64);
    snprintf(paths[used], sizeof paths[0], "%s/%s", yk_temp_folder, name);
    return paths[used++];
}

static const char *source(void)
{
    const char *path = at("tiny.onnx");
    if (access(path, R_OK) != 0)
        yk_tiny_write(path, 0, names);
    return path;
}

/* A folder of `count` pictures with one cell each. */
static const char *pictures(const char *folder, int count)
{
    static uint8_t pixels[YK_TINY_SIDE * YK_TINY_SIDE * 3];
    char name[64];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%03d.png", folder, i);
        const char *path = yk_temp_text(name, "");
        yolk_image image = yk_tiny_picture(pixels, YK_TINY_SIDE, YK_TINY_SIDE, i % 8, i / 8 % 8, i % 3);
        assert_ok(yolk_image_save(&image, path));
    }
    return at(folder);
}

static yolk_convert_options options_for(yolk_precision precision)
{
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.precision = precision;
    o.backend = "reference";
    o.threads = 1;
    return o;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Files in the test's folder that a conversion left under way. */
static int left_over(void)
{
    DIR *d = opendir(yk_temp_folder);
    int count = 0;
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        count += strstr(e->d_name, ".tmp") != NULL;
    closedir(d);
    return count;
}

static void check_file(const char *path, const char *precision, const char *words)
{
    yolk_model_list *list;
    assert_ok(yolk_model_list_create_file(path, &list));
    const yolk_model_info *m = yolk_model_list_get(list, 0);
    assert_string_equal(m->error, "");
    assert_string_equal(m->precision, precision);
    assert_string_equal(m->head, "anchor-free");
    if (!strstr(m->check, words))
        fail_msg("'%s' is not in '%s'", words, m->check);
    yolk_model_list_destroy(&list);
}

static void int8_is_calibrated_and_checked(void **state)
{
    (void)state;
    const char *made = at("int8.onnx");
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
        yolk_convert_report *r;
        o.calib = pictures("calib", 12);
        o.symmetric = symmetric;
        assert_ok(yolk_convert(source(), made, &o, &r));
        assert_int_equal(r->layers, 2);
        assert_int_equal(r->converted, 2);
        assert_int_equal(r->kept_count, 0);
        assert_int_equal(r->calib_pictures, 9);
        assert_int_equal(r->check, YOLK_CHECK_AGREEMENT);
        assert_int_equal(r->pictures, 3);
        assert_int_equal(r->boxes, 3);
        assert_true(r->passed && r->agreement == 1 && r->score_difference < 0.03);
        assert_true(r->bytes > 0 && r->source_bytes > r->bytes / 4);
        check_file(made, "int8", r->text);
        check_file(made, "int8", "100.0% of 3 boxes agree");
        yolk_convert_report_destroy(&r);
        assert_null(r);
    }
    assert_int_equal(left_over(), 0);
}

static void fp16_is_checked(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    yolk_convert_report *r;
    const char *made = at("fp16.onnx");
    o.val = pictures("val", 5);
    assert_ok(yolk_convert(source(), made, &o, &r));
    assert_int_equal(r->converted, 2);
    assert_int_equal(r->pictures, 5);
    assert_true(r->passed && r->agreement == 1);
    check_file(made, "fp16", "on 5 pictures");
    yolk_convert_report_destroy(&r);
}

/* Cell (i % 8, i / 8), class i % 3, as YOLO labels say it; `off` moves them away. */
static const char *labels(const char *folder, int count, double off)
{
    char name[64], text[96];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%03d.txt", folder, i);
        snprintf(text, sizeof text, "%d %.6f %.6f 0.125 0.125\n", i % 3, (i % 8 + 0.5) / 8 + off,
                 (i / 8 % 8 + 0.5) / 8);
        yk_temp_text(name, text);
    }
    return at(folder);
}

static void ground_truth_gives_average_precision(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_convert_report *r;
    o.calib = pictures("calib", 12);
    o.val = pictures("val", 6);
    o.labels = labels("labels", 6, 0);
    assert_ok(yolk_convert(source(), at("truth.onnx"), &o, &r));
    assert_int_equal(r->check, YOLK_CHECK_PRECISION);
    assert_true(r->source_ap > 0.99 && r->ap > 0.99);
    check_file(at("truth.onnx"), "int8", "AP50-95 1.0000, source 1.0000, on 6 pictures");
    yolk_convert_report_destroy(&r);
}

/* Where nothing is found nothing can be checked: nothing is left of the conversion. */
static void a_bad_calibration_leaves_no_file(void **state)
{
    (void)state;
    static uint8_t black[YK_TINY_SIDE * YK_TINY_SIDE * 3];
    yolk_image image = yk_tiny_picture(black, YK_TINY_SIDE, YK_TINY_SIDE, 0, 0, 0);
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_convert_report *r;
    const char *made = at("bad.onnx");
    memset(black, 0, sizeof black);
    assert_ok(yolk_image_save(&image, yk_temp_text("black/a.png", "")));
    o.calib = at("black");
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_INACCURATE, "finds nothing in these pictures");
    assert_non_null(r);
    assert_false(r->passed);
    yolk_convert_report_destroy(&r);
    assert_false(exists(made));
    assert_int_equal(left_over(), 0);
}

/* A network that has lost a class is not let through, whatever it is judged by. */
static void what_finds_less_is_refused(void **state)
{
    (void)state;
    yk_report report = {0};
    yk_job job = {.source = "tiny", .report = &report, .width = YK_TINY_SIDE, .height = YK_TINY_SIDE};
    job.options = options_for(YOLK_PRECISION_INT8);
    job.options.val = pictures("val", 6);
    assert_ok(yk_backend_choose("reference", "cpu", &job.backend));
    yk_graph *whole = yk_tiny_graph(names), *less = yk_tiny_graph(names);
    ((float *)less->values[yk_graph_find(less, "classes.bias")].data)[1] = -1000;
    assert_ok(yk_validate(&job, whole, whole));
    assert_true(report.public.passed);
    assert_fails(yk_validate(&job, whole, less), YOLK_ERROR_INACCURATE, "a share of at least 0.97");
    assert_true(report.public.agreement < 0.9);
    job.options.labels = labels("labels", 6, 0);
    assert_fails(yk_validate(&job, whole, less), YOLK_ERROR_INACCURATE, "lower by at most 0.01");
    assert_true(report.public.ap < 0.7 && report.public.source_ap > 0.99);
    job.options.max_ap_loss = 0.9;
    assert_ok(yk_validate(&job, whole, less));
    yk_graph_destroy(&whole);
    yk_graph_destroy(&less);
    yk_free(report.text);
}

static void without_a_check_the_file_says_so(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    const char *made = at("unchecked.onnx");
    o.no_validate = 1;
    assert_ok(yolk_convert(source(), made, &o, NULL));
    check_file(made, "fp16", "not checked");
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    const char *made = at("missing.onnx");
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_convert_report *r;
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "--calib");
    assert_null(r);
    o.calib = at("nowhere");
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_NOT_FOUND, "nowhere");
    yk_temp_text("empty/readme", "");
    o.calib = at("empty");
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_NOT_FOUND, "no picture");
    o = options_for(YOLK_PRECISION_FP16);
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "--val");
    o.calib = pictures("val", 5);
    o.labels = "labels";
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "--val");
    o = options_for((yolk_precision)7);
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "precision 7");
    o = options_for(YOLK_PRECISION_INT8);
    o.calib = at("val");
    o.calib_count = 0;
    assert_fails(yolk_convert(source(), made, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "0 pictures");
    assert_fails(yolk_convert(at("int8.onnx"), made, &(yolk_convert_options){0}, &r), YOLK_ERROR_INVALID_ARGUMENT,
                 "defaults");
    assert_false(exists(made));
}

/* The network behind a layer that adds a channel of very large values, which nobody reads: in int8 they leave no room
 * for the others. */
static const char *with_outliers(void)
{
    enum { SIDE = 5, AREA = YK_TINY_CELL * YK_TINY_CELL };
    static float mix[4 * 3 * SIDE * SIDE], class_weights[3 * 4 * AREA], box_weights[4 * 4 * AREA];
    const float mix_bias[4] = {0, 0, 0, 1000}, box_bias[4] = {0.5f, 0.5f, 0.5f, 0.5f}, class_bias[3] = {-14, -14, -14};
    yk_graph *g = yk_tiny_graph(names);
    yk_buffer bytes = {0};
    for (int c = 0; c < 3; c++) {
        mix[(c * 3 + c) * SIDE * SIDE + SIDE * SIDE / 2] = 1;
        for (int i = 0; i < AREA; i++)
            class_weights[(c * 4 + c) * AREA + i] = 20.0f / AREA;
    }
    yk_conv conv = {
        .out = 4, .kernel = {SIDE, SIDE}, .stride = {1, 1}, .pad = {2, 2, 2, 2}, .dilation = 1, .groups = 1};
    conv.weights = mix, conv.bias = mix_bias;
    yk_id x = yk_build_conv(g, g->input, 3, &conv, "mix");
    yk_conv last = {.kernel = {8, 8}, .stride = {8, 8}, .dilation = 1, .groups = 1};
    last.out = 4, last.weights = box_weights, last.bias = box_bias;
    g->outputs[0] = yk_build_conv(g, x, 4, &last, "boxes2");
    last.out = 3, last.weights = class_weights, last.bias = class_bias;
    g->outputs[1] = yk_build_conv(g, x, 4, &last, "classes2");
    assert_ok(yk_pass_prune(g));
    assert_ok(yk_graph_bind(g, 1, YK_TINY_SIDE, YK_TINY_SIDE));
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = true, .metadata = true}, &bytes));
    const char *path = yk_temp_write("outliers.onnx", bytes.data, bytes.size);
    yk_buffer_free(&bytes);
    yk_graph_destroy(&g);
    return path;
}

static void costly_layers_stay_float(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_convert_report *r;
    o.calib = pictures("calib", 12);
    assert_ok(yolk_convert(with_outliers(), at("kept.onnx"), &o, &r));
    assert_int_equal(r->layers, 3);
    assert_int_equal(r->converted, 1);
    assert_int_equal(r->kept_count, 2);
    assert_non_null(strstr(r->kept[0].name, "2"));
    assert_non_null(strstr(r->kept[0].why, "1 neighbours alone in int8"));
    assert_true(r->passed && r->agreement == 1);
    yolk_convert_report_destroy(&r);
    /* Without the time to look for them the check says what is wrong. */
    o.search_seconds = 0;
    assert_fails(yolk_convert(with_outliers(), at("late.onnx"), &o, &r), YOLK_ERROR_INACCURATE, "a share of at least");
    assert_int_equal(r->kept_count, 0);
    yolk_convert_report_destroy(&r);
    assert_false(exists(at("late.onnx")));
}

static void outputs_are_compared_smoothly(void **state)
{
    (void)state;
    enum { BINS = 4, CELLS = 4 };
    const yk_head head = {.kind = YK_HEAD_ANCHOR_FREE, .classes = 1, .reg_max = BINS, .levels = 1};
    const yk_shape shapes[2] = {{.rank = 4, .dims = {1, 4 * BINS, 2, 2}}, {.rank = 4, .dims = {1, 1, 2, 2}}};
    float boxes[4 * BINS * CELLS] = {0}, moved[4 * BINS * CELLS] = {0};
    const float classes[CELLS] = {2, -9, -9, -9}, weaker[CELLS] = {1, -9, -9, -9};
    const float *a[2] = {boxes, classes}, *b[2] = {boxes, weaker}, *c[2] = {moved, classes};
    yk_output_sums same = {0}, score = {0}, box = {0};
    for (int side = 0; side < 4; side++)
        moved[(side * BINS + 3) * CELLS] = 2;
    assert_true(yk_output_error(&head, shapes, a, a, &same));
    assert_true(same.error == 0 && same.total > 0.7);
    assert_true(yk_output_error(&head, shapes, a, b, &score));
    assert_true(score.error > 0.02 && score.error < 0.025);
    assert_true(yk_output_error(&head, shapes, a, c, &box));
    assert_true(box.error > 0.01 && box.error < 0.8);
    const yk_head other = {.kind = YK_HEAD_YOLOX};
    assert_false(yk_output_error(&other, shapes, a, a, &same));
}

static void int8_is_not_converted_again(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    const char *first = at("first.onnx");
    o.calib = pictures("calib", 12);
    assert_ok(yolk_convert(source(), first, &o, NULL));
    assert_fails(yolk_convert(first, at("second.onnx"), &o, NULL), YOLK_ERROR_UNSUPPORTED, "int8 already");
}

static int stop_at_third(void *user, const yolk_convert_progress *p)
{
    int *calls = user;
    assert_true(p->fraction >= 0 && p->fraction <= 1 && p->stage);
    return ++*calls == 3;
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    int calls = 0;
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_convert_report *r;
    o.calib = pictures("calib", 12);
    o.progress = stop_at_third;
    o.user = &calls;
    assert_fails(yolk_convert(source(), at("stopped.onnx"), &o, &r), YOLK_ERROR_CANCELED, "was stopped");
    assert_int_equal(calls, 3);
    assert_null(r);
    assert_false(exists(at("stopped.onnx")));
}

/* Every seventh allocation of a conversion fails in turn. */
static void memory_may_be_short(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    const char *made = at("short.onnx"), *from = source();
    o.calib = pictures("few", 4);
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n += 7) {
        yk_alloc_fail_at(n);
        status = yolk_convert(from, made, &o, NULL);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK) {
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
            assert_false(exists(made));
        }
    }
    assert_int_equal(left_over(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_is_calibrated_and_checked),
        cmocka_unit_test(fp16_is_checked),
        cmocka_unit_test(ground_truth_gives_average_precision),
        cmocka_unit_test(a_bad_calibration_leaves_no_file),
        cmocka_unit_test(what_finds_less_is_refused),
        cmocka_unit_test(without_a_check_the_file_says_so),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(costly_layers_stay_float),
        cmocka_unit_test(outputs_are_compared_smoothly),
        cmocka_unit_test(int8_is_not_converted_again),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests_name("conversion", tests, yk_temp_make, yk_temp_remove);
}
