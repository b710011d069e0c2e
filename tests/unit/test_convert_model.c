/* One model file into another: options, refusals, and the same network on the other side. */
#include "export/export.h"
#include "head_test.h"
#include "import/import.h"
#include "yk_temp.h"
#include "yolk/yolk.h"

/* Writes a graph as a raw ONNX model, which yolk reads back by what it says of its head. */
static const char *write_graph(yk_graph *g, const char *name, bool dynamic)
{
    yk_buffer bytes = {0};
    g->class_names = yk_calloc((size_t)g->head.classes, sizeof *g->class_names);
    for (int i = 0; i < g->head.classes; i++)
        g->class_names[i] = yk_format("it's \"%d\"\\\n\xc3\xa9", i);
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    assert_ok(yk_export_onnx(g, &(yk_onnx_options){.dynamic = dynamic, .metadata = true}, &bytes));
    const char *path = yk_temp_write(name, bytes.data, bytes.size);
    yk_buffer_free(&bytes);
    return path;
}

static const char *source(yk_graph *g, const char *name)
{
    const char *path = write_graph(g, name, true);
    yk_graph_destroy(&g);
    return path;
}

static yk_graph *import(const char *path)
{
    yk_graph *g;
    assert_ok(yk_import_file(path, NULL, &g));
    return g;
}

/* Both files decode a picture to the same boxes. */
static void same_network(const char *a, const char *b, int64_t height, int64_t width)
{
    int64_t count, again;
    yk_graph *first = import(a), *second = import(b);
    assert_int_equal(first->head.kind, second->head.kind);
    assert_int_equal(first->stride, second->stride);
    assert_ok(yk_head_append_decode(first));
    assert_ok(yk_head_append_decode(second));
    float *x = head_run(first, height, width, &count), *y = head_run(second, height, width, &again);
    assert_int_equal(count, again);
    head_same(x, y, count, 1e-5f);
    free(x);
    free(y);
    yk_graph_destroy(&first);
    yk_graph_destroy(&second);
}

static void heads_of_every_kind(void **state)
{
    (void)state;
    yk_graph *graphs[] = {head_anchor_free(3, 4, 0), head_anchor_free(3, 1, 10), head_anchors(2), head_yolox(3, false)};
    static const int kinds[] = {YK_HEAD_ANCHOR_FREE, YK_HEAD_ANCHOR_FREE, YK_HEAD_ANCHORS, YK_HEAD_YOLOX};
    graphs[3]->head.kind = YK_HEAD_YOLOX;
    graphs[3]->head.classes = 3;
    for (int i = 0; i < 4; i++) {
        const char *from = i == 3 ? write_graph(graphs[3], "in.onnx", false) : source(graphs[i], "in.onnx");
        const char *to = yk_temp_path("out.onnx");
        assert_ok(yolk_convert(from, to, NULL, NULL));
        same_network(from, to, HEAD_SIDE, HEAD_SIDE);
        yk_graph *g = import(to);
        assert_int_equal(g->head.kind, kinds[i]);
        assert_int_equal(g->input_height, HEAD_SIDE);
        assert_string_equal(g->class_names[1], "it's \"1\"\\ \xc3\xa9"); /* a line end is no part of a name */
        assert_true(yk_graph_accepts(g, 1, 96, 160));
        yk_graph_destroy(&g);
    }
    yk_graph_destroy(&graphs[3]);
}

static void another_size(void **state)
{
    (void)state;
    const char *from = source(head_anchor_free(3, 4, 0), "in.onnx"), *to = yk_temp_path("wide.onnx");
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.input_height = 96;
    o.input_width = 160;
    assert_ok(yolk_convert(from, to, &o, NULL));
    same_network(from, to, 96, 160);
    yk_graph *g = import(to);
    assert_int_equal(g->input_height, 96);
    assert_int_equal(g->input_width, 160);
    yk_graph_destroy(&g);
    o.input_width = 100;
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_INVALID_ARGUMENT,
                 "in.onnx: the model cannot take 96x100");
    assert_non_null(strstr(yolk_last_error(), "multiples of 32"));
    o.input_width = -1;
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "sides cannot be negative");
}

static void open_sizes(void **state)
{
    (void)state;
    yk_graph *graphs[] = {head_anchor_free(3, 4, 0), head_anchor_free(3, 1, 10), head_anchors(2)};
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.dynamic = 1;
    for (int i = 0; i < 3; i++) {
        const char *from = source(graphs[i], "in.onnx"), *to = yk_temp_path("open.onnx");
        assert_ok(yolk_convert(from, to, &o, NULL));
        same_network(from, to, HEAD_SIDE, HEAD_SIDE);
        same_network(from, to, 96, 160);
        yk_graph *g = import(to);
        assert_true(g->dynamic_size && g->dynamic_batch);
        yk_graph_destroy(&g);
    }
}

static void raw_heads(void **state)
{
    (void)state;
    yk_graph *graphs[] = {head_anchor_free(3, 4, 0), head_anchor_free(3, 1, 10), head_anchors(2)};
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.raw_head = 1;
    for (int i = 0; i < 3; i++) {
        const char *from = source(graphs[i], "in.onnx"), *to = yk_temp_path("raw.onnx");
        assert_ok(yolk_convert(from, to, &o, NULL));
        same_network(from, to, HEAD_SIDE, HEAD_SIDE);
    }
}

/* A model that has a fixed size for good, and a head that cannot be cut off. */
static const char *fixed_model(void)
{
    yk_graph *g = head_anchor_free(3, 1, 0);
    assert_ok(yk_head_append_decode(g));
    assert_ok(yk_graph_bind(g, 1, HEAD_SIDE, HEAD_SIDE));
    yk_id fixed = graph_noise(g, "fixed", DIMS(1, 7, 84), 1);
    g->outputs[0] = yk_build_binary(g, YK_OP_ADD, g->outputs[0], fixed, "moved");
    const char *path = write_graph(g, "fixed.onnx", false);
    yk_graph_destroy(&g);
    return path;
}

static void what_cannot_be(void **state)
{
    (void)state;
    const char *from = fixed_model(), *to = yk_temp_path("never.onnx");
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    assert_fails(yolk_convert(NULL, to, NULL, NULL), YOLK_ERROR_INVALID_ARGUMENT, "needs a source");
    assert_fails(yolk_convert(from, NULL, NULL, NULL), YOLK_ERROR_INVALID_ARGUMENT, "destination");
    assert_fails(yolk_convert(from, "model.engine", NULL, NULL), YOLK_ERROR_UNSUPPORTED,
                 "model.engine: yolk writes .onnx");
    assert_fails(yolk_convert(yk_temp_path("gone.pt"), to, NULL, NULL), YOLK_ERROR_NOT_FOUND, "gone.pt");
    o.input_height = o.input_width = 96;
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_UNSUPPORTED,
                 "works for 64x64 (height x width) only, not for 96x96");
    yolk_convert_options_defaults(&o);
    o.dynamic = 1;
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_UNSUPPORTED,
                 "fixed.onnx: the model was made for a fixed size");
    yolk_convert_options_defaults(&o);
    o.raw_head = 1;
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_UNSUPPORTED, "cannot be told from the rest");
    o.head = "v10";
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "there is no head \"v10\"");
    o.struct_size = 0;
    assert_fails(yolk_convert(from, to, &o, NULL), YOLK_ERROR_INVALID_ARGUMENT, "yolk_convert_options_defaults()");
    assert_int_not_equal(access(to, F_OK), 0);
    assert_fails(yolk_convert(from, yk_temp_path("no/such/folder.onnx"), NULL, NULL), YOLK_ERROR_NOT_FOUND,
                 "folder.onnx");
}

static void options_of_an_older_program(void **state)
{
    (void)state;
    const char *from = source(head_anchor_free(3, 1, 0), "in.onnx"), *to = yk_temp_path("old.onnx");
    yolk_convert_options o;
    memset(&o, 0xee, sizeof o); /* what it does not know is not looked at */
    o.struct_size = offsetof(yolk_convert_options, dynamic);
    o.input_height = o.input_width = 96;
    assert_ok(yolk_convert(from, to, &o, NULL));
    yk_graph *g = import(to);
    assert_int_equal(g->input_height, 96);
    yk_graph_destroy(&g);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    const char *from = source(head_anchor_free(2, 4, 0), "in.onnx"), *to = yk_temp_path("memory.onnx");
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    long n = 1;
    for (; status != YOLK_OK && n < 5000; n++) {
        yk_alloc_fail_at(n);
        status = yolk_convert(from, to, NULL, NULL);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK)
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        assert_int_equal(access(to, F_OK) == 0, status == YOLK_OK);
    }
    assert_int_equal(status, YOLK_OK);
    assert_true(n > 100);
}

static void checkpoints_and_exports_of_the_same_model(void **state)
{
    (void)state;
    static const char *const models[] = {"yolo26n", "yolov8n"};
    if (!yk_shared())
        YK_SKIP("the folder of test data is not there");
    for (int i = 0; i < 2; i++) {
        char pt[1024], onnx[1024];
        snprintf(pt, sizeof pt, "%s/data/weights/%s.pt", yk_shared(), models[i]);
        snprintf(onnx, sizeof onnx, "%s/data/weights/%s.onnx", yk_shared(), models[i]);
        const char *to = yk_temp_path("converted.onnx");
        assert_ok(yolk_convert(pt, to, NULL, NULL));
        yk_graph *a = import(to), *b = import(onnx);
        assert_string_equal(a->family, models[i]);
        assert_string_equal(b->family, models[i]);
        assert_string_equal(a->class_names[79], b->class_names[79]);
        assert_int_equal(a->head.kind, YK_HEAD_ANCHOR_FREE);
        assert_memory_equal(&a->head, &b->head, sizeof a->head);
        /* Raw outputs on a small picture: the reference is slow. */
        for (int output = 0; output < 6; output++) {
            int64_t count, again;
            assert_ok(yk_graph_bind(a, 1, 64, 64));
            assert_ok(yk_graph_bind(b, 1, 64, 64));
            float *x = graph_run(a, output, &count), *y = graph_run(b, output, &again);
            assert_int_equal(count, again);
            head_same(x, y, count, 2e-3f);
            free(x);
            free(y);
        }
        yk_graph_destroy(&a);
        yk_graph_destroy(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_every_kind),  cmocka_unit_test(another_size),
        cmocka_unit_test(open_sizes),           cmocka_unit_test(raw_heads),
        cmocka_unit_test(what_cannot_be),       cmocka_unit_test(options_of_an_older_program),
        cmocka_unit_test(memory_that_runs_out), cmocka_unit_test(checkpoints_and_exports_of_the_same_model),
    };
    return cmocka_run_group_tests_name("convert_model", tests, yk_temp_make, yk_temp_remove);
}
