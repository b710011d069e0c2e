/* What stands beside the network in an ONNX file: names, sizes, family, the head; and texts that are not text. */
#include "import/onnx_model.h"
#include "onnx_test.h"

static yk_span span(const char *text)
{
    return (yk_span){(const uint8_t *)text, strlen(text)};
}

/* Names as "0=a 3=b". */
static const char *names(const char *text)
{
    static char out[256];
    char **found;
    int count;
    assert_ok(yk_python_names(span(text), &found, &count));
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        size_t used = strlen(out);
        if (found[i])
            snprintf(out + used, sizeof out - used, "%s%d=%s", used ? " " : "", i, found[i]);
    }
    yk_python_names_free(found, count);
    return out;
}

static void names_of_a_dict_or_a_list(void **state)
{
    (void)state;
    assert_string_equal(names("{0: 'person', 1: \"it's\"}"), "0=person 1=it's");
    assert_string_equal(names("{3:'c',1 : 'a' ,}"), "1=a 3=c");
    assert_string_equal(names("['a', 'b']"), "0=a 1=b");
    assert_string_equal(names(" { \"0\" : \"json\", \"2\": \"two\" } "), "0=json 2=two");
    assert_string_equal(names("{0: 'a', 0: 'again'}"), "0=again");
    assert_string_equal(names("{}"), "");
    assert_string_equal(names(""), "");
    assert_string_equal(names("person, car"), "");
}

static void escapes_and_letters(void **state)
{
    (void)state;
    assert_string_equal(names("['a\\'b\\\\c\\x41\\u00e9\\U0001F95A']"), "0=a'b\\cA\xc3\xa9\xf0\x9f\xa5\x9a");
    assert_string_equal(names("['\xc3\xa9', 'a\xff"
                              "b', 'tab\\tline\\n']"),
                        "0=\xc3\xa9 1=a_b 2=tab line ");
    assert_string_equal(names("['\\ud800', '\\U00110000', '\x01']"), "0=_ 1=\xef\xbf\xbd 2= ");
}

static void what_is_cut_or_wrong_ends_the_list(void **state)
{
    (void)state;
    assert_string_equal(names("{0: 'a', 1: 'b"), "0=a");
    assert_string_equal(names("{0: 'a', 1: 'b\\"), "0=a");
    assert_string_equal(names("{0: 'a', 1: 'b\\x4"), "0=a");
    assert_string_equal(names("{0: 'a', 1: 'b\\q'}"), "0=a");
    assert_string_equal(names("{0: 'a', 1: 'b\\xzz'}"), "0=a");
    assert_string_equal(names("{0: 'a', 1 'b'}"), "0=a");
    assert_string_equal(names("{0: 'a', 'x': 'b'}"), "0=a");
    assert_string_equal(names("{0: 'a', 'x"), "0=a");
    assert_string_equal(names("{0: 'a', 99999: 'b'}"), "0=a");
    assert_string_equal(names("{0: 'a', 1: None}"), "0=a");
    assert_string_equal(names("{0: 'a'; 1: 'b'}"), "0=a");
    char *long_name = calloc(1, 3000);
    snprintf(long_name, 3000, "['a', '%02000d']", 1);
    assert_string_equal(names(long_name), "0=a");
    free(long_name);
}

static void numbers_of_a_list(void **state)
{
    (void)state;
    int64_t n[3] = {0};
    assert_int_equal(yk_python_ints(span("[640, 384]"), n, 3), 2);
    assert_true(n[0] == 640 && n[1] == 384);
    assert_int_equal(yk_python_ints(span("32"), n, 3), 1);
    assert_int_equal(n[0], 32);
    assert_int_equal(yk_python_ints(span("(-1, 2, 3, 4)"), n, 3), 3);
    assert_true(n[0] == -1 && n[2] == 3);
    assert_int_equal(yk_python_ints(span("99999999999999999999999"), n, 1), 1);
    assert_true(n[0] > INT32_MAX);
    assert_int_equal(yk_python_ints(span("None"), n, 3), 0);
}

static void texts_are_made_printable(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {'a',  0,    0xc3, 0xa9, 0xc3, 0x28, 0xed, 0xa0,
                                    0x80, 0xf4, 0x90, 0x80, 0x80, 0x7f, 0xe2};
    assert_string_equal(yk_onnx_text_of((yk_span){bytes, sizeof bytes}).text, "a_\xc3\xa9_(_________");
    char many[600];
    memset(many, 'x', sizeof many);
    assert_int_equal(strlen(yk_onnx_text_of((yk_span){(uint8_t *)many, sizeof many}).text), 255);
}

static yk_graph *import_with(const char *const (*entries)[2], int count)
{
    onnx_model m = onnx_small();
    onnx_node(&m, "Relu", "x", "y");
    for (int i = 0; i < count; i++)
        onnx_metadata(&m, entries[i][0], entries[i][1]);
    yk_graph *g;
    assert_ok(onnx_import(&m, "end2end", &g));
    return g;
}

static void ultralytics_metadata(void **state)
{
    (void)state;
    static const char *const entries[][2] = {{"description", "Ultralytics YOLO11n model trained on coco.yaml"},
                                             {"stride", "16"},
                                             {"task", "detect"},
                                             {"imgsz", "[96, 128]"},
                                             {"names", "{0: 'cat', 2: 'dog'}"}};
    yk_graph *g = import_with(entries, 5);
    assert_string_equal(g->family, "yolo11n");
    assert_int_equal(g->stride, 16);
    assert_int_equal(g->input_height, 4); /* the file's own shape wins over imgsz */
    assert_int_equal(g->input_width, 6);
    assert_int_equal(g->head.classes, 3);
    assert_string_equal(g->class_names[0], "cat");
    assert_string_equal(g->class_names[1], "class1");
    assert_string_equal(g->class_names[2], "dog");
    assert_true(g->head.unit_range && !g->head.bgr && !g->head.top_left);
    yk_graph_destroy(&g);
}

static void without_metadata_or_with_nonsense(void **state)
{
    (void)state;
    static const char *const entries[][2] = {
        {"stride", "-5"}, {"imgsz", "large"}, {"description", "A model"}, {"yolk_head", "kind= =1 bgr classes=x"}};
    yk_graph *g = import_with(entries, 4);
    assert_string_equal(g->family, "");
    assert_int_equal(g->stride, 32);
    assert_string_equal(g->class_names[0], "class0");
    assert_true(g->head.unit_range);
    yk_graph_destroy(&g);
}

static void yolks_own_head(void **state)
{
    (void)state;
    onnx_model m = {0};
    onnx_metadata(&m, "yolk_head",
                  "kind=anchors classes=2 reg_max=0 end2end=0 max_det=7 bgr=1 unit_range=0 top_left=1 "
                  "strides=8,16 anchors=10,13.5,1e2,3,4,5,6,7");
    yk_buffer b = onnx_finish(&m);
    yk_onnx_model model = {.body = {b.data, b.size}};
    yk_head h;
    yk_onnx_read_head(&model, &h);
    assert_int_equal(h.kind, YK_HEAD_ANCHORS);
    assert_int_equal(h.classes, 2);
    assert_int_equal(h.max_det, 7);
    assert_true(h.bgr && !h.unit_range && h.top_left && !h.end2end);
    assert_int_equal(h.levels, 2);
    assert_int_equal(h.strides[1], 16);
    assert_int_equal(h.anchors_per_level, 2);
    assert_true(h.anchors[0][0][1] == 13.5f && h.anchors[0][1][0] == 100 && h.anchors[1][1][1] == 7);
    yk_buffer_free(&b);
    onnx_metadata(&m, "yolk_head", "kind=anchors strides=8,x,16 anchors=1,2,3 classes=99999999999");
    b = onnx_finish(&m);
    model.body = (yk_span){b.data, b.size};
    yk_onnx_read_head(&model, &h);
    assert_int_equal(h.levels, 0);
    assert_int_equal(h.anchors_per_level, 0);
    assert_int_equal(h.classes, 20000);
    yk_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_a_dict_or_a_list),          cmocka_unit_test(escapes_and_letters),
        cmocka_unit_test(what_is_cut_or_wrong_ends_the_list), cmocka_unit_test(numbers_of_a_list),
        cmocka_unit_test(texts_are_made_printable),           cmocka_unit_test(ultralytics_metadata),
        cmocka_unit_test(without_metadata_or_with_nonsense),  cmocka_unit_test(yolks_own_head),
    };
    return cmocka_run_group_tests_name("onnx_metadata", tests, NULL, NULL);
}
