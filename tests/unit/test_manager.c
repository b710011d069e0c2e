#include "model/model.h"
#include "yk_temp.h"
#include "yk_tiny.h"

static const char *const colours[] = {"red", "green", "blue"};
static const char *const others[] = {"rot", "gruen", "blau"};
static char models[512];

static int make(void **state)
{
    if (yk_temp_make(state) != 0)
        return -1;
    snprintf(models, sizeof models, "%s", yk_temp_folder);
    yk_tiny_write(yk_temp_path("tiny.onnx"), 0, colours);
    yk_tiny_write(yk_temp_path("other.onnx"), 0, others);
    yk_tiny_write(yk_temp_path("fixed.onnx"), 1, colours);
    yk_tiny_write(yk_temp_path("pairs.onnx"), 2, colours);
    yk_temp_text("damaged.onnx", "this is no model");
    return 0;
}

static yolk_config settings(void)
{
    yolk_config c;
    yolk_config_defaults(&c);
    strcpy(c.models_dir, models);
    strcpy(c.model, "tiny");
    strcpy(c.backend, "reference");
    c.warmup = 1;
    return c;
}

static yolk_manager *loaded(const yolk_config *c)
{
    yolk_manager *m;
    assert_ok(yolk_manager_create(c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    return m;
}

static void assert_detection(const yolk_detection *d, const char *name, float x1, float y1, float x2, float y2)
{
    assert_string_equal(d->class_name, name);
    assert_float_equal(d->x1, x1, 0.01);
    assert_float_equal(d->y1, y1, 0.01);
    assert_float_equal(d->x2, x2, 0.01);
    assert_float_equal(d->y2, y2, 0.01);
    assert_true(d->confidence > 0.9f && d->confidence <= 1);
    assert_int_equal(d->track_id, 0);
}

static void nothing_works_before_a_model_is_loaded(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m;
    yolk_model_info info;
    yolk_size size = {64, 64};
    yolk_results *results;
    yolk_stats stats;
    assert_ok(yolk_manager_create(&c, &m));
    assert_fails(yolk_manager_info(m, &info), YOLK_ERROR_NOT_FOUND, "no model is loaded");
    assert_fails(yolk_manager_input_size(m, 8, 8, 0, &size), YOLK_ERROR_NOT_FOUND, "no model is loaded");
    assert_fails(yolk_manager_prepare(m, size, 1), YOLK_ERROR_NOT_FOUND, "no model is loaded");
    assert_fails(yolk_manager_predict_batch(m, NULL, 0, NULL, &results), YOLK_ERROR_NOT_FOUND, "no model is loaded");
    assert_null(results);
    assert_ok(yolk_manager_stats(m, &stats));
    assert_int_equal(stats.frames, 0);
    assert_int_equal(yk_manager_batch(m, 1920, 1080), 1);
    yolk_manager_destroy(&m);
    assert_null(m);
    yolk_manager_destroy(&m);
    c.conf = 2;
    assert_fails(yolk_manager_create(&c, &m), YOLK_ERROR_INVALID_ARGUMENT, "conf: '2'");
    assert_null(m);
    assert_ok(yolk_manager_create(NULL, &m));
    yolk_manager_destroy(&m);
}

static void a_cell_is_found_where_it_is(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c);
    static uint8_t pixels[2][128 * 128 * 3];
    yolk_image frames[2] = {yk_tiny_picture(pixels[0], 64, 64, 2, 1, 0), yk_tiny_picture(pixels[1], 64, 64, 7, 7, 2)};
    yolk_results *results;
    assert_ok(yolk_manager_predict_batch(m, frames, 2, NULL, &results));
    assert_int_equal(yolk_results_count(results), 2);
    assert_int_equal(yolk_results_frame(results, 0).count, 1);
    assert_detection(yolk_results_frame(results, 0).items, "red", 16, 8, 24, 16);
    assert_int_equal(yolk_results_frame(results, 1).count, 1);
    assert_detection(yolk_results_frame(results, 1).items, "blue", 56, 56, 64, 64);
    assert_int_equal(yolk_results_frame(results, 2).count, 0);
    assert_null(yolk_results_frame(results, 2).items);
    yolk_results_destroy(&results);
    assert_null(results);
    yolk_results_destroy(&results);
    /* Larger pictures are scaled to the input and the boxes back. */
    frames[0] = yk_tiny_picture(pixels[0], 128, 64, 4, 2, 1);
    yolk_size size = {128, 64};
    assert_ok(yolk_manager_predict_batch(m, frames, 1, &size, &results));
    assert_int_equal(yolk_results_frame(results, 0).count, 1);
    assert_detection(yolk_results_frame(results, 0).items, "green", 32, 16, 40, 24);
    yolk_results_destroy(&results);
    assert_ok(yolk_manager_predict_batch(m, frames, 0, NULL, &results));
    assert_int_equal(yolk_results_count(results), 0);
    yolk_results_destroy(&results);
    yolk_manager_destroy(&m);
}

/* More frames than fit in a batch, and than there are slots, come back in order. */
static void many_frames_come_back_in_order(void **state)
{
    (void)state;
    static uint8_t pixels[21][64 * 64 * 3];
    static const int batches[] = {0, 1, 2, 5, 64};
    const char *const model_names[] = {"tiny", "fixed", "pairs"};
    for (size_t k = 0; k < YK_COUNT(batches) + 2; k++) {
        yolk_config c = settings();
        c.batch = k < YK_COUNT(batches) ? batches[k] : 0;
        strcpy(c.model, model_names[k < YK_COUNT(batches) ? 0 : k - YK_COUNT(batches) + 1]);
        yolk_manager *m = loaded(&c);
        yolk_image frames[21];
        for (int i = 0; i < 21; i++)
            frames[i] = yk_tiny_picture(pixels[i], 64, 64, i % 8, i / 8, i % 3);
        for (size_t count = 1; count <= 21; count += 10) {
            yolk_results *results;
            assert_ok(yolk_manager_predict_batch(m, frames, count, NULL, &results));
            for (size_t i = 0; i < count; i++) {
                yolk_frame_detections found = yolk_results_frame(results, i);
                assert_int_equal(found.count, 1);
                float x = (float)(i % 8 * 8), y = (float)(i / 8 * 8);
                assert_detection(found.items, colours[i % 3], x, y, x + 8, y + 8);
            }
            yolk_results_destroy(&results);
        }
        yolk_stats stats;
        assert_ok(yolk_manager_stats(m, &stats));
        assert_int_equal(stats.frames, 1 + 11 + 21);
        assert_int_equal(stats.detections, 33);
        assert_int_equal(stats.stages[YOLK_STAGE_INFER].frames, 33);
        assert_int_equal(stats.stages[YOLK_STAGE_PREPROCESS].frames, 33);
        assert_int_equal(stats.stages[YOLK_STAGE_POSTPROCESS].frames, 33);
        assert_true(stats.batches <= 33 && stats.batches >= 3);
        assert_true(stats.fps > 0 && stats.seconds > 0);
        yolk_manager_destroy(&m);
    }
}

static void pictures_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c);
    static uint8_t pixels[3][64 * 64 * 3];
    yolk_image frames[3];
    yolk_results *results;
    for (int i = 0; i < 3; i++)
        frames[i] = yk_tiny_picture(pixels[i], 64, 64, 0, 0, 0);
    frames[1].width = 0;
    assert_fails(yolk_manager_predict_batch(m, frames, 3, NULL, &results), YOLK_ERROR_INVALID_ARGUMENT, "frame 1: ");
    assert_null(results);
    frames[1].width = 64;
    frames[2].planes[0] = NULL;
    assert_fails(yolk_manager_predict_batch(m, frames, 3, NULL, &results), YOLK_ERROR_INVALID_ARGUMENT, "frame 2: ");
    frames[2].planes[0] = pixels[2];
    yolk_size odd = {60, 64}, none = {0, 64};
    assert_fails(yolk_manager_predict_batch(m, frames, 3, &odd, &results), YOLK_ERROR_INVALID_ARGUMENT,
                 "sides must be multiples of 8, 60x64 are not; take 64x64");
    assert_fails(yolk_manager_predict_batch(m, frames, 3, &none, &results), YOLK_ERROR_INVALID_ARGUMENT, "0x64");
    assert_fails(yolk_manager_prepare(m, odd, 1), YOLK_ERROR_INVALID_ARGUMENT, "multiples of 8");
    assert_fails(yolk_manager_prepare(m, odd, 0), YOLK_ERROR_INVALID_ARGUMENT, "batch: 0 is not allowed");
    assert_ok(yolk_manager_predict_batch(m, frames, 3, NULL, &results));
    yolk_results_destroy(&results);
    yolk_manager_destroy(&m);
}

static void classes_can_be_chosen(void **state)
{
    (void)state;
    static uint8_t pixels[64 * 64 * 3];
    const char *const lists[][2] = {{"red", "1"}, {"green, BLUE", "2"}, {"0,2", "2"}, {" Red ,1,2", "3"}, {"2", "1"}};
    for (size_t k = 0; k < YK_COUNT(lists); k++) {
        yolk_config c = settings();
        strcpy(c.classes, lists[k][0]);
        yolk_manager *m = loaded(&c);
        size_t found = 0;
        for (int id = 0; id < 3; id++) {
            yolk_image frame = yk_tiny_picture(pixels, 64, 64, 3, 3, id);
            yolk_results *results;
            assert_ok(yolk_manager_predict_batch(m, &frame, 1, NULL, &results));
            found += yolk_results_frame(results, 0).count;
            yolk_results_destroy(&results);
        }
        assert_int_equal(found, atoi(lists[k][1]));
        yolk_manager_destroy(&m);
    }
    const char *const bad[][2] = {{"gren", "classes: the model has no class 'gren', did you mean 'green'?"},
                                  {"red,elephant", "has no class 'elephant'"},
                                  {"3", "has no class 3, its classes are 0 to 2"},
                                  {"-1", "has no class -1"}};
    for (size_t k = 0; k < YK_COUNT(bad); k++) {
        yolk_config c = settings();
        yolk_manager *m;
        strcpy(c.classes, bad[k][0]);
        assert_ok(yolk_manager_create(&c, &m));
        assert_fails(yolk_manager_load(m, NULL, 0), YOLK_ERROR_NOT_FOUND, bad[k][1]);
        yolk_manager_destroy(&m);
    }
}

static void what_this_build_lacks_is_said(void **state)
{
    (void)state;
    const char *const bad[][3] = {
        {"precision", "int8", "convert the model first"}, {"device", "cuda", "cuda"}, {"device", "cuda:1", "cuda:1"}};
    for (size_t k = 0; k < YK_COUNT(bad); k++) {
        yolk_config c = settings();
        yolk_manager *m;
        assert_ok(yolk_config_set(&c, bad[k][0], bad[k][1]));
        assert_ok(yolk_manager_create(&c, &m));
        yolk_status status = yolk_manager_load(m, NULL, 0);
        assert_true(status == YOLK_ERROR_UNSUPPORTED || status == YOLK_ERROR_BACKEND);
        assert_non_null(strstr(yolk_last_error(), bad[k][2]));
        yolk_manager_destroy(&m);
    }
    yolk_config c = settings();
    strcpy(c.device, "cpu");
    strcpy(c.precision, "fp32");
    yolk_manager *m = loaded(&c);
    yolk_manager_destroy(&m);
}

static void half_precision_without_arithmetic_for_it_is_fp32(void **state)
{
    (void)state;
    yolk_config c = settings();
    strcpy(c.precision, "fp16");
    yolk_manager *m = loaded(&c); /* on the reference backend, which has none */
    yolk_model_info info;
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.precision, "fp32");
    yolk_manager_destroy(&m);
}

static void facts_are_given(void **state)
{
    (void)state;
    yolk_config c = settings();
    yolk_manager *m = loaded(&c);
    yolk_model_info info;
    assert_ok(yolk_manager_info(m, &info));
    assert_string_equal(info.name, "tiny");
    assert_string_equal(yk_base_name(info.path), "tiny.onnx");
    assert_string_equal(info.format, "onnx");
    assert_string_equal(info.family, "tiny");
    assert_string_equal(info.precision, "fp32");
    assert_string_equal(info.backend, "reference");
    assert_string_equal(info.device, "cpu");
    assert_string_equal(info.error, "");
    assert_int_equal(info.class_count, 3);
    assert_string_equal(info.class_names[2], "blue");
    assert_int_equal(info.stride, 8);
    assert_int_equal(info.dynamic_size, 1);
    assert_int_equal(info.dynamic_batch, 1);
    assert_true(info.parameters >= 7 * 3 * 64 + 7);
    assert_true(info.file_bytes > 5000);
    yolk_manager_destroy(&m);
}

static void short_memory_fails_and_leaks_nothing(void **state)
{
    (void)state;
    static uint8_t pixels[64 * 64 * 3];
    yolk_image frame = yk_tiny_picture(pixels, 64, 64, 1, 1, 1);
    yolk_config c = settings();
    yolk_manager *m;
    long n = 0;
    bool enough = false;
    while (!enough) {
        yolk_results *results = NULL;
        yk_alloc_fail_at(++n);
        yolk_status status = yolk_manager_create(&c, &m);
        if (status == YOLK_OK)
            status = yolk_manager_load(m, "tiny", 0);
        if (status == YOLK_OK)
            status = yolk_manager_predict_batch(m, &frame, 1, NULL, &results);
        enough = yk_alloc_count() < n;
        yk_alloc_fail_at(0);
        if (status != YOLK_OK) {
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
            assert_null(results);
        }
        if (enough) {
            assert_int_equal(status, YOLK_OK);
            assert_int_equal(yolk_results_frame(results, 0).count, 1);
        }
        yolk_results_destroy(&results);
        yolk_manager_destroy(&m);
    }
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_works_before_a_model_is_loaded),
        cmocka_unit_test(a_cell_is_found_where_it_is),
        cmocka_unit_test(many_frames_come_back_in_order),
        cmocka_unit_test(pictures_that_make_no_sense_are_refused),
        cmocka_unit_test(classes_can_be_chosen),
        cmocka_unit_test(what_this_build_lacks_is_said),
        cmocka_unit_test(half_precision_without_arithmetic_for_it_is_fp32),
        cmocka_unit_test(facts_are_given),
        cmocka_unit_test(short_memory_fails_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("manager", tests, make, yk_temp_remove);
}
