/* Two models side by side, on the reference backend. */
#include <math.h>

#include "bench_test.h"

enum { RUNS_A_TURN = 4, BEFORE = 4 /* the first run, and three to warm up */ };

static yolk_compare_options quick(const yolk_config *config)
{
    yolk_compare_options o;
    yolk_compare_options_defaults(&o);
    o.config = config;
    o.runs = 8;
    return o;
}

/* The same network, but what it makes of green is worth half, and blue it does not see. */
static const char *damaged(void)
{
    const char *path = bench_path("damaged.onnx");
    yk_graph *g = yk_tiny_graph(bench_names);
    yk_buffer onnx = {0};
    for (int v = 0; v < g->value_count; v++) {
        enum { EACH = 3 * YK_TINY_CELL * YK_TINY_CELL };
        if (!g->values[v].data || g->values[v].shape.rank != 4 || g->values[v].shape.dims[0] != YK_TINY_CLASSES)
            continue;
        float *weights = (float *)g->values[v].data;
        for (int i = 0; i < EACH; i++) {
            weights[EACH + i] *= 0.74f; /* 14.8 - 14 in place of 20 - 14 */
            weights[2 * EACH + i] = 0;
        }
    }
    assert_ok(yk_graph_bind(g, 1, YK_TINY_SIDE, YK_TINY_SIDE));
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = true, .metadata = true}, &onnx));
    assert_ok(yk_write_file(path, onnx.data, onnx.size));
    yk_buffer_free(&onnx);
    yk_graph_destroy(&g);
    return path;
}

static void a_model_agrees_with_itself(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    o.val = bench_pictures("val", 12);
    assert_ok(yolk_compare(bench_model("one.onnx"), bench_model("two.onnx"), &o, &r));
    assert_int_equal(r->check, YOLK_CHECK_AGREEMENT);
    assert_int_equal(r->pictures, 12);
    assert_int_equal(r->boxes, 12);
    assert_int_equal(r->a.boxes, 12);
    assert_true(r->agreement == 1 && r->score_difference == 0);
    assert_int_equal(r->score_count, 12);
    for (size_t i = 0; i < r->score_count; i++)
        assert_true(r->scores[i].a > 0.9f && r->scores[i].a == r->scores[i].b);
    assert_int_equal(r->ratio_count, 2);
    assert_int_equal(r->a.call.runs, 8);
    assert_int_equal(r->b.call.runs, 8);
    assert_true(r->speedup_low <= r->speedup && r->speedup <= r->speedup_high && r->speedup_low > 0);
    assert_true(r->a.fps > 0 && r->a.first_ms > 0 && r->b.load_ms > 0);
    assert_string_equal(r->a.model.name, "one");
    assert_string_equal(r->b.model.name, "two");
    assert_int_equal(r->a.model.file_bytes, r->b.model.file_bytes);
    yolk_compare_report_destroy(&r);
    assert_null(r);
}

static void a_damaged_copy_does_not(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    int missed = 0;
    o.val = bench_pictures("val", 12); /* four of each class */
    assert_ok(yolk_compare(bench_model("one.onnx"), damaged(), &o, &r));
    assert_int_equal(r->a.boxes, 12);
    assert_int_equal(r->b.boxes, 8);
    assert_int_equal(r->boxes, 12);
    assert_true(fabs(r->agreement - 2.0 * 8 / 20) < 1e-9);
    /* Red as before, green from 0.9975 to 0.69. */
    assert_true(fabs(r->score_difference - (0.9975 - 0.69) / 2) < 0.01);
    for (size_t i = 0; i < r->score_count; i++)
        missed += r->scores[i].b == 0;
    assert_int_equal(missed, 4);
    yolk_compare_report_destroy(&r);
    /* The other way round it is the first that misses them. */
    assert_ok(yolk_compare(damaged(), bench_model("one.onnx"), &o, &r));
    assert_int_equal(r->a.boxes, 8);
    missed = 0;
    for (size_t i = 0; i < r->score_count; i++)
        missed += r->scores[i].a == 0;
    assert_int_equal(missed, 4);
    yolk_compare_report_destroy(&r);
}

static void ground_truth_gives_average_precision(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    char name[64], text[96];
    o.val = bench_pictures("val", 12);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "labels/%03d.txt", i);
        snprintf(text, sizeof text, "%d %.6f %.6f 0.125 0.125\n", i % 3, (i % 8 + 0.5) / 8, (i / 8 % 8 + 0.5) / 8);
        yk_temp_text(name, text);
    }
    o.labels = bench_path("labels");
    assert_ok(yolk_compare(bench_model("one.onnx"), damaged(), &o, &r));
    assert_int_equal(r->check, YOLK_CHECK_PRECISION);
    assert_true(r->a.ap > 0.99 && r->a.ap50 > 0.99);
    assert_true(r->b.ap > 0.6 && r->b.ap < 0.7); /* two classes of three */
    json_t *root = bench_json(r->json);
    assert_true(json_real_value(bench_find(root, "b/ap50_95")) < 0.7);
    json_decref(root);
    yolk_compare_report_destroy(&r);
    o.labels = yk_temp_text("other.json", "{\"images\": [], \"annotations\": [], \"categories\": []}");
    assert_fails(yolk_compare(bench_model("one.onnx"), damaged(), &o, &r), YOLK_ERROR_NOT_FOUND, "none of these");
    assert_null(r);
}

static void they_take_turns(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    static watcher w;
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    o.runs = 9; /* up to whole rounds: 12 */
    o.progress = watch;
    o.user = &w;
    w = (watcher){.stop_at = 0};
    assert_ok(yolk_compare(bench_model("one.onnx"), bench_model("two.onnx"), &o, &r));
    assert_int_equal(r->a.call.runs, 12);
    assert_int_equal(r->ratio_count, 3);
    assert_int_equal(w.calls, 2 * (BEFORE + 12));
    assert_true(w.fraction > 0.999);
    static const char order[] = "abbaab";
    for (int i = 0; i < w.calls; i++) {
        char turn = i < BEFORE ? 'a' : i < 2 * BEFORE ? 'b' : order[(i - 2 * BEFORE) / RUNS_A_TURN];
        assert_string_equal(w.stages[i], turn == 'a' ? "timing one" : "timing two");
    }
    yolk_compare_report_destroy(&r);
}

static void stopping_gives_no_report(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    static const int places[] = {1, 7, 20, 26};
    static watcher w;
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    o.val = bench_pictures("val", 12);
    o.progress = watch;
    o.user = &w;
    for (size_t i = 0; i < YK_COUNT(places); i++) {
        w = (watcher){.stop_at = places[i]};
        assert_fails(yolk_compare(bench_model("one.onnx"), bench_model("two.onnx"), &o, &r), YOLK_ERROR_CANCELED,
                     "stopped");
        assert_null(r);
    }
    assert_string_equal(w.stages[25], "comparing what they find");
}

static void speed_alone_and_short_of_time(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    o.batch = 3;
    o.runs = 1000000;
    o.max_seconds = 0.02;
    assert_ok(yolk_compare(bench_model("one.onnx"), bench_model("two.onnx"), &o, &r));
    assert_int_equal(r->check, YOLK_CHECK_NONE);
    assert_string_equal(r->val, "");
    assert_true(r->cut && r->ratio_count >= 1 && r->a.call.runs == 4 * (int)r->ratio_count);
    assert_int_equal(r->batch, 3);
    json_t *root = bench_json(r->json);
    assert_null(json_object_get(root, "found"));
    assert_true(json_is_true(bench_find(root, "cut")));
    json_decref(root);
    yolk_compare_report_destroy(&r);
}

static void the_report_as_json(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    o.val = bench_pictures("val", 12);
    o.val_count = 6;
    assert_ok(yolk_compare(bench_model("one.onnx"), damaged(), &o, &r));
    json_t *root = bench_json(r->json);
    assert_string_equal(json_string_value(bench_find(root, "kind")), "comparison");
    assert_string_equal(json_string_value(bench_find(root, "a/model/name")), "one");
    assert_int_equal(json_integer_value(bench_find(root, "b/input/width")), YK_TINY_SIDE);
    assert_int_equal(json_array_size(bench_find(root, "b/calls_ms")), 8);
    assert_int_equal(json_array_size(bench_find(root, "speedup/ratios")), 2);
    assert_true(json_real_value(bench_find(root, "speedup/low")) <= json_real_value(bench_find(root, "speedup/high")));
    assert_int_equal(json_integer_value(bench_find(root, "found/count")), 6);
    assert_int_equal(json_integer_value(bench_find(root, "found/boxes")), 6);
    assert_true(json_is_number(bench_find(root, "found/agreement")));
    json_decref(root);
    yolk_compare_report_destroy(&r);
}

static void what_cannot_be_compared(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *one = bench_model("one.onnx");
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    o.batch = 0;
    assert_fails(yolk_compare(one, one, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "batch: 0");
    o = quick(&config);
    o.runs = -1;
    assert_fails(yolk_compare(one, one, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "-1 runs");
    o = quick(&config);
    o.labels = "labels";
    assert_fails(yolk_compare(one, one, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "--val");
    o = (yolk_compare_options){.struct_size = 1};
    assert_fails(yolk_compare(one, one, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "_defaults()");
    o = quick(&config);
    assert_fails(yolk_compare(one, yk_temp_path("absent.onnx"), &o, &r), YOLK_ERROR_NOT_FOUND, "absent.onnx");
    o.val = yk_temp_path("nowhere");
    assert_fails(yolk_compare(one, one, &o, &r), YOLK_ERROR_NOT_FOUND, "nowhere");
    assert_null(r);
}

static void other_classes_are_not_compared(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *path = bench_path("fewer.onnx");
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r;
    yk_graph *g = yk_tiny_graph(bench_names);
    yk_buffer onnx = {0};
    g->head.classes = 2; /* of the three that it computes */
    g->outputs[1] = yk_build_slice(g, g->outputs[1], 1, 0, 2, "two");
    yk_free(g->class_names[2]);
    g->class_names[2] = NULL;
    assert_ok(yk_graph_bind(g, 1, YK_TINY_SIDE, YK_TINY_SIDE));
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = true, .metadata = true}, &onnx));
    assert_ok(yk_write_file(path, onnx.data, onnx.size));
    yk_buffer_free(&onnx);
    yk_graph_destroy(&g);
    assert_ok(yolk_compare(bench_model("one.onnx"), path, &o, &r)); /* their speed can be */
    yolk_compare_report_destroy(&r);
    o.val = bench_pictures("val", 12);
    assert_fails(yolk_compare(bench_model("one.onnx"), path, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "has 3 classes");
    assert_null(r);
}

static void memory_may_be_short(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *one = bench_model("one.onnx");
    yolk_compare_options o = quick(&config);
    yolk_compare_report *r = NULL;
    o.runs = 1;
    o.val = bench_pictures("few", 2);
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n += 13) {
        yk_alloc_fail_at(n);
        status = yolk_compare(one, one, &o, &r);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK) {
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
            assert_null(r);
        }
    }
    yolk_compare_report_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_agrees_with_itself),
        cmocka_unit_test(a_damaged_copy_does_not),
        cmocka_unit_test(ground_truth_gives_average_precision),
        cmocka_unit_test(they_take_turns),
        cmocka_unit_test(stopping_gives_no_report),
        cmocka_unit_test(speed_alone_and_short_of_time),
        cmocka_unit_test(the_report_as_json),
        cmocka_unit_test(what_cannot_be_compared),
        cmocka_unit_test(other_classes_are_not_compared),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests_name("comparison", tests, yk_temp_make, yk_temp_remove);
}
