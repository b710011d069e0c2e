/* Real checkpoints on a real picture: the figures that ultralytics' own runs gave, and backends against each other. */
#include <math.h>

#include "base/base.h"
#include "yk_test.h"
#include "yolk/yolk.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

typedef struct expected {
    const char *name;
    double confidence;
} expected;

static yolk_image *bus;

static const char *find_model(char path[1024], const char *name)
{
    snprintf(path, 1024, "%s/models/%s", yk_deps(), name);
    if (access(path, R_OK) != 0 && yk_shared())
        snprintf(path, 1024, "%s/data/weights/%s", yk_shared(), name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static int load_picture(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/images/bus.jpg", yk_deps());
    if (access(path, R_OK) != 0 && yk_shared())
        snprintf(path, sizeof path, "%s/data/images/bus.jpg", yk_shared());
    if (access(path, R_OK) == 0 && yolk_image_load(path, &bus) != YOLK_OK)
        return -1;
    return 0;
}

static int end_picture(void **state)
{
    (void)state;
    yolk_image_destroy(&bus);
    return 0;
}

static bool can_run(const char *backend)
{
    yolk_backend_info info;
    for (size_t i = 0; i < yolk_backend_count(); i++) {
        if (yolk_backend_get(i, &info) == YOLK_OK && strcmp(info.name, backend) == 0)
            return info.available;
    }
    return false;
}

static yolk_results *predict(const char *model, const char *backend, int side)
{
    yolk_config c;
    yolk_manager *m;
    yolk_results *results;
    yolk_config_defaults(&c);
    strcpy(c.backend, backend);
    c.imgsz_width = side;
    c.warmup = 0;
    c.conf = 0.1;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, model, 0));
    assert_ok(yolk_manager_predict_batch(m, bus, 1, NULL, &results));
    yolk_manager_destroy(&m);
    return results;
}

static void assert_found(const char *model, const char *backend, const expected *wanted, size_t count)
{
    yolk_results *results = predict(model, backend, 0);
    yolk_frame_detections found = yolk_results_frame(results, 0);
    size_t sure = 0;
    while (sure < found.count && found.items[sure].confidence >= 0.25f)
        sure++;
    assert_int_equal(sure, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(found.items[i].class_name, wanted[i].name);
        assert_float_equal(found.items[i].confidence, wanted[i].confidence, 0.01);
    }
    yolk_results_destroy(&results);
}

static void confidences_are_the_published_ones(void **state)
{
    (void)state;
    static const expected yolo26n[] = {
        {"bus", .925}, {"person", .915}, {"person", .899}, {"person", .860}, {"person", .525}};
    static const expected yolov8n[] = {
        {"person", .890}, {"person", .883}, {"person", .878}, {"bus", .843}, {"person", .436}};
    const struct {
        const char *file;
        const expected *wanted;
    } models[] = {
        {"yolo26n.pt", yolo26n}, {"yolo26n.onnx", yolo26n}, {"yolov8n.pt", yolov8n}, {"yolov8n.onnx", yolov8n}};
    char path[1024];
    int run = 0;
    if (!bus || !can_run("openvino"))
        YK_SKIP("needs bus.jpg and OpenVINO, which set-up fetches");
    for (size_t i = 0; i < YK_COUNT(models); i++) {
        if (!find_model(path, models[i].file))
            continue;
        assert_found(path, "openvino", models[i].wanted, 5);
        run++;
    }
    if (run == 0)
        YK_SKIP("no checkpoint is here");
}

/* Boxes of both, one to one. */
static void assert_same(yolk_frame_detections a, yolk_frame_detections b)
{
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        const yolk_detection *x = &a.items[i], *y = &b.items[i];
        assert_int_equal(x->class_id, y->class_id);
        assert_float_equal(x->confidence, y->confidence, 1e-3);
        assert_float_equal(x->x1, y->x1, 0.5);
        assert_float_equal(x->y1, y->y1, 0.5);
        assert_float_equal(x->x2, y->x2, 0.5);
        assert_float_equal(x->y2, y->y2, 0.5);
    }
}

static void openvino_agrees_with_the_reference(void **state)
{
    (void)state;
    const char *const files[] = {"yolo26n.pt", "yolov8n.pt"};
    char path[1024];
    int run = 0;
    if (!bus || !can_run("openvino"))
        YK_SKIP("needs bus.jpg and OpenVINO, which set-up fetches");
    for (size_t i = 0; i < YK_COUNT(files); i++) {
        if (!find_model(path, files[i]))
            continue;
        yolk_results *fast = predict(path, "openvino", 320), *truth = predict(path, "reference", 320);
        assert_true(yolk_results_frame(truth, 0).count >= 4);
        assert_same(yolk_results_frame(fast, 0), yolk_results_frame(truth, 0));
        yolk_results_destroy(&fast);
        yolk_results_destroy(&truth);
        run++;
    }
    if (run == 0)
        YK_SKIP("no checkpoint is here");
}

/* What it takes to have a model ready, and that running on takes no more. */
static void memory_stays_where_it_is(void **state)
{
    (void)state;
    char path[1024];
    if (!bus || !can_run("openvino") || !find_model(path, "yolo26n.pt"))
        YK_SKIP("needs bus.jpg, yolo26n.pt and OpenVINO, which set-up fetches");
    if (SANITIZED)
        YK_SKIP("sanitizers keep what is freed");
    yolk_config c;
    yolk_manager *m;
    uint64_t early, late;
    yolk_config_defaults(&c);
    c.imgsz_width = 160;
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, path, 0));
    for (int i = 0; i < 120; i++) {
        yolk_results *results;
        assert_ok(yolk_manager_predict_batch(m, bus, 1, NULL, &results));
        yolk_results_destroy(&results);
        if (i == 40)
            yolk_memory_usage(&early, NULL);
    }
    yolk_memory_usage(&late, NULL);
    assert_in_range(late, 1, early + early / 50);
    assert_in_range(late >> 20, 1, 350);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confidences_are_the_published_ones),
        cmocka_unit_test(openvino_agrees_with_the_reference),
        cmocka_unit_test(memory_stays_where_it_is),
    };
    return cmocka_run_group_tests_name("real_models", tests, load_picture, end_picture);
}
