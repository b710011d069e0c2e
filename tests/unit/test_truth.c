/* Ground truth from label folders and COCO files. */
#include "base/base.h"
#include "convert/truth.h"
#include "yk_temp.h"

static const char *const names[3] = {"person", "bicycle", "Car"};

static size_t find(yk_truth *t, const char *picture, const yk_true_box **boxes, bool *known)
{
    size_t count;
    assert_ok(yk_truth_find(t, picture, 200, 100, boxes, &count, known));
    return count;
}

static void yolo_labels(void **state)
{
    (void)state;
    yk_truth *t;
    const yk_true_box *boxes;
    bool known;
    yk_temp_text("labels/a.txt", "0 0.5 0.5 0.5 0.5\n\n2 0.1 0.2 0.2 0.4\r\n");
    yk_temp_text("labels/empty.txt", "");
    assert_ok(yk_truth_open(yk_temp_path("labels"), names, 3, &t));
    assert_int_equal(find(t, "a.jpg", &boxes, &known), 2);
    assert_true(boxes[0].x1 == 50 && boxes[0].y1 == 25 && boxes[0].x2 == 150 && boxes[0].y2 == 75);
    assert_int_equal(boxes[1].class_id, 2);
    assert_int_equal(find(t, "empty.png", &boxes, &known), 0);
    assert_true(known);
    assert_int_equal(find(t, "none.png", &boxes, &known), 0);
    yk_truth_close(&t);
    assert_null(t);
}

static void faulty_labels_are_named(void **state)
{
    (void)state;
    yk_truth *t;
    const yk_true_box *boxes;
    size_t count;
    bool known;
    yk_temp_text("bad/words.txt", "0 0.5 0.5 0.5 0.5\nperson 0 0 1 1\n");
    yk_temp_text("bad/short.txt", "0 0.5 0.5\n");
    yk_temp_text("bad/class.txt", "3 0.5 0.5 0.5 0.5\n");
    assert_ok(yk_truth_open(yk_temp_path("bad"), names, 3, &t));
    assert_fails(yk_truth_find(t, "words.jpg", 10, 10, &boxes, &count, &known), YOLK_ERROR_DAMAGED,
                 "words.txt, line 2");
    assert_fails(yk_truth_find(t, "short.jpg", 10, 10, &boxes, &count, &known), YOLK_ERROR_DAMAGED, "line 1");
    assert_fails(yk_truth_find(t, "class.jpg", 10, 10, &boxes, &count, &known), YOLK_ERROR_DAMAGED,
                 "there is no class 3");
    yk_truth_close(&t);
}

static const char coco[] =
    "{\"images\": [{\"id\": 7, \"file_name\": \"val/b.jpg\"}, {\"id\": 3, \"file_name\": \"a.jpg\"}],"
    " \"categories\": [{\"id\": 1, \"name\": \"person\"}, {\"id\": 9, \"name\": \"car\"}, {\"id\": 5, \"name\": "
    "\"kite\"}],"
    " \"annotations\": [{\"image_id\": 7, \"category_id\": 9, \"bbox\": [1, 2, 3, 4.5]},"
    "  {\"image_id\": 3, \"category_id\": 1, \"bbox\": [0, 0, 5, 5], \"iscrowd\": 1},"
    "  {\"image_id\": 7, \"category_id\": 5, \"bbox\": [1, 1, 1, 1]},"
    "  {\"image_id\": 7, \"category_id\": 1, \"bbox\": [9, 9, 1, 1]}]}";

static void coco_by_name(void **state)
{
    (void)state;
    yk_truth *t;
    const yk_true_box *boxes;
    bool known;
    assert_ok(yk_truth_open(yk_temp_text("coco.json", coco), names, 3, &t));
    assert_int_equal(find(t, "b.jpg", &boxes, &known), 2); /* the model has no kites */
    assert_int_equal(boxes[0].class_id, 2);
    assert_true(boxes[0].x2 == 4 && boxes[0].y2 == 6.5f);
    assert_int_equal(boxes[1].class_id, 0);
    assert_int_equal(find(t, "a.jpg", &boxes, &known), 1);
    assert_true(boxes[0].crowd && known);
    find(t, "c.jpg", &boxes, &known);
    assert_false(known);
    yk_truth_close(&t);
}

static void coco_by_number(void **state)
{
    (void)state;
    yk_truth *t;
    const yk_true_box *boxes;
    bool known;
    static const char text[] = "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}], \"annotations\":"
                               " [{\"image_id\": 1, \"category_id\": 2, \"bbox\": [0, 0, 2, 2]},"
                               "  {\"image_id\": 1, \"category_id\": 90, \"bbox\": [0, 0, 2, 2]}]}";
    assert_ok(yk_truth_open(yk_temp_text("numbers.json", text), names, 3, &t));
    assert_int_equal(find(t, "a.jpg", &boxes, &known), 1);
    assert_int_equal(boxes[0].class_id, 2);
    yk_truth_close(&t);
}

static void faulty_files_are_refused(void **state)
{
    (void)state;
    yk_truth *t;
    assert_fails(yk_truth_open(yk_temp_path("nowhere.json"), names, 3, &t), YOLK_ERROR_NOT_FOUND, "nowhere.json");
    assert_null(t);
    assert_fails(yk_truth_open(yk_temp_text("x.json", "{\n"), names, 3, &t), YOLK_ERROR_DAMAGED, "x.json, line 2");
    assert_fails(yk_truth_open(yk_temp_text("x.json", "[]"), names, 3, &t), YOLK_ERROR_DAMAGED, "no images");
    assert_fails(yk_truth_open(yk_temp_text("x.json", "{\"images\": [{}], \"annotations\": []}"), names, 3, &t),
                 YOLK_ERROR_DAMAGED, "file_name");
    assert_fails(
        yk_truth_open(yk_temp_text("x.json", "{\"images\": [], \"annotations\": [{\"image_id\": 1}]}"), names, 3, &t),
        YOLK_ERROR_DAMAGED, "bbox");
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const char *file = yk_temp_text("memory.json", coco), *folder = yk_temp_path("labels");
    for (int kind = 0; kind < 2; kind++) {
        yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
        for (long n = 1; status != YOLK_OK; n++) {
            yk_truth *t;
            const yk_true_box *boxes;
            size_t count;
            bool known;
            yk_alloc_fail_at(n);
            status = yk_truth_open(kind ? folder : file, names, 3, &t);
            if (status == YOLK_OK)
                status = yk_truth_find(t, "a.jpg", 10, 10, &boxes, &count, &known);
            yk_alloc_fail_at(0);
            assert_true(status == YOLK_OK || status == YOLK_ERROR_OUT_OF_MEMORY);
            yk_truth_close(&t);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolo_labels),
        cmocka_unit_test(faulty_labels_are_named),
        cmocka_unit_test(coco_by_name),
        cmocka_unit_test(coco_by_number),
        cmocka_unit_test(faulty_files_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("ground truth", tests, yk_temp_make, yk_temp_remove);
}
