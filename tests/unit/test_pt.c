/* What is read from a checkpoint besides its layers: heads, names, sizes, kinds of numbers. */
#include "yk_test.h"

#include <math.h>

#include "import/import.h"
#include "yk_pt_tiny.h"

static yk_graph *import(const tiny *t)
{
    fx f = {.seed = 1};
    yk_graph *g;
    tiny_make(&f, t);
    assert_ok(yk_import_pt(f.zip.data, f.zip.size, &g));
    fx_free(&f);
    return g;
}

static void the_usual_checkpoint(void **state)
{
    (void)state;
    yk_graph *g = import(&(tiny){0});
    assert_int_equal(g->head.kind, YK_HEAD_ANCHOR_FREE);
    assert_int_equal(g->head.classes, 2);
    assert_int_equal(g->head.reg_max, 2);
    assert_false(g->head.end2end);
    assert_int_equal(g->head.levels, 1);
    assert_int_equal(g->head.strides[0], 4);
    assert_true(g->head.unit_range && !g->head.bgr && !g->head.top_left);
    assert_string_equal(g->class_names[0], "cat");
    assert_string_equal(g->class_names[1], "dog");
    assert_string_equal(g->family, "tiny");
    assert_int_equal(g->stride, 4);
    assert_int_equal(g->input_height, 640);
    assert_true(g->dynamic_size && g->dynamic_batch && !g->fp16_source);
    assert_int_equal(g->output_count, 2);
    assert_int_equal(g->node_count, 4); /* batch norm and activation are in the convolutions */
    assert_ok(yk_graph_bind(g, 2, 32, 16));
    assert_int_equal(g->values[g->outputs[0]].shape.dims[1], 8);
    assert_int_equal(g->values[g->outputs[1]].shape.dims[1], 2);
    assert_int_equal(g->values[g->outputs[1]].shape.dims[2], 8);
    yk_graph_destroy(&g);
}

/* ---- names, sizes, family ---- */

static void named_by_list(fx *f)
{
    fx_text(f, "names");
    yk_buffer_text(&f->pickle, "](");
    fx_text(f, "Katze");
    yk_buffer_text(&f->pickle, "Ne"); /* and None, which is no name */
    fx_attr_text(f, "yaml_file", "C:\\cfg\\yolov5s.yaml");
}

static void sized_by_list(fx *f)
{
    fx_begin_dict(f, "train_args");
    fx_attr_ints(f, "imgsz", (int[]){250, 641}, 2, true);
    fx_end_dict(f);
}

static void names_in_a_list(void **state)
{
    (void)state;
    yk_graph *g = import(&(tiny){.attributes = named_by_list, .top = sized_by_list});
    assert_string_equal(g->class_names[0], "Katze");
    assert_string_equal(g->class_names[1], "class1");
    assert_string_equal(g->family, "yolov5s");
    assert_int_equal(g->input_height, 252); /* up to the next multiple of the stride */
    assert_int_equal(g->input_width, 644);
    yk_graph_destroy(&g);
}

/* Settings in an object's attributes, no names, a family by the file that training began with. */
static void sparse_attributes(fx *f)
{
    fx_text(f, "args");
    fx_begin(f, "ultralytics.utils.IterableSimpleNamespace");
    fx_attr_int(f, "imgsz", 320);
    fx_attr_text(f, "model", "runs/yolo11.pt");
    fx_end(f);
    fx_begin_dict(f, "yaml");
    fx_attr_text(f, "scale", "s");
    fx_end_dict(f);
}

static void hardly_any_attributes(void **state)
{
    (void)state;
    yk_graph *g = import(&(tiny){.attributes = sparse_attributes});
    assert_string_equal(g->class_names[1], "class1");
    assert_string_equal(g->family, "yolo11s");
    assert_int_equal(g->input_height, 320);
    yk_graph_destroy(&g);
}

static void no_attributes(fx *f)
{
    fx_attr_int(f, "names", 5);
}

static void absurd_size(fx *f)
{
    fx_begin_dict(f, "train_args");
    fx_attr_int(f, "imgsz", -3);
    fx_end_dict(f);
}

static void absurd_attributes(void **state)
{
    (void)state;
    yk_graph *g = import(&(tiny){.attributes = no_attributes, .top = absurd_size});
    assert_string_equal(g->class_names[0], "class0");
    assert_string_equal(g->family, "");
    assert_int_equal(g->input_width, 640);
    yk_graph_destroy(&g);
}

/* A network that says nothing about itself is known by its layers. */
static void c2f_body(fx *f)
{
    fx_parts(f, "ultralytics.nn.modules.block.C2f");
    fx_part(f, "cv1");
    fx_conv(f, TINY_C, TINY_C, 1, 2);
    fx_part(f, "cv2");
    fx_conv(f, TINY_C, TINY_C, 1, 1);
    fx_part(f, "m");
    fx_leaf(f, "torch.nn.modules.container.ModuleList");
    fx_end_module(f);
}

static void family_by_layers(void **state)
{
    (void)state;
    yk_graph *g = import(&(tiny){.body = c2f_body, .attributes = no_attributes});
    assert_string_equal(g->family, "yolov8");
    yk_graph_destroy(&g);
}

/* ---- where the network is ---- */

static void the_mean_of_training_is_preferred(void **state)
{
    (void)state;
    fx f = {.seed = 1};
    yk_graph *g;
    yk_buffer_text(&f.pickle, "}(");
    fx_text(&f, "model");
    fx_op(&f, 'N');
    fx_text(&f, "ema");
    tiny_network(&f, &(tiny){0});
    fx_end_dict(&f);
    tiny_finish(&f);
    assert_ok(yk_import_pt(f.zip.data, f.zip.size, &g));
    yk_graph_destroy(&g);
    fx_free(&f);
    tiny_network(&f, &(tiny){0}); /* the network itself, in no dictionary */
    tiny_finish(&f);
    assert_ok(yk_import_pt(f.zip.data, f.zip.size, &g));
    yk_graph_destroy(&g);
    fx_free(&f);
}

/* ---- heads ---- */

static void head_of(fx *f, const char *class, bool one2many, bool one2one)
{
    fx_parts(f, class);
    if (one2many) {
        tiny_branches(f, "cv2", 8);
        tiny_branches(f, "cv3", 2);
    }
    if (one2one) {
        tiny_branches(f, "one2one_cv2", 8);
        tiny_branches(f, "one2one_cv3", 2);
    }
    fx_end_dict(f);
    tiny_numbers(f);
    fx_attr_int(f, "max_det", 50);
    fx_end(f);
}

static void head_v10(fx *f)
{
    head_of(f, "ultralytics.nn.modules.head.v10Detect", true, true);
}

static void head_both(fx *f)
{
    head_of(f, "ultralytics.nn.modules.head.Detect", true, true);
}

static void head_fused(fx *f)
{
    head_of(f, "ultralytics.nn.modules.head.Detect", false, true);
}

static void not_end2end(fx *f)
{
    fx_begin_dict(f, "yaml");
    fx_attr_bool(f, "end2end", false);
    fx_end_dict(f);
}

static void end_to_end_heads(void **state)
{
    (void)state;
    static const struct {
        tiny t;
        bool end2end;
        const char *branch;
    } cases[] = {
        {{.head = head_v10}, true, "model.2.one2one_cv2.0"},
        {{.head = head_both}, true, "model.2.one2one_cv2.0"},
        {{.head = head_fused}, true, "model.2.one2one_cv2.0"},
        {{.head = head_both, .attributes = not_end2end}, false, "model.2.cv2.0"},
        {{.head = head_v10, .attributes = not_end2end}, true, "model.2.one2one_cv2.0"},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        yk_graph *g = import(&cases[i].t);
        assert_true(g->head.end2end == cases[i].end2end);
        assert_int_equal(g->head.max_det, 50);
        assert_string_equal(g->nodes[g->values[g->outputs[0]].producer].name, cases[i].branch);
        yk_graph_destroy(&g);
    }
}

static void head_with_anchors(fx *f)
{
    fx_module(f, "models.yolo.Detect");
    fx_begin_dict(f, "_parameters");
    fx_end_dict(f);
    fx_begin_dict(f, "_buffers");
    fx_text(f, "anchors");
    fx_floats(f, (const float[]){2.5f, 3.25f, 4, 7.5f, 8.25f, 5.75f}, (int[]){1, 3, 2}, 3);
    fx_end_dict(f);
    fx_begin_dict(f, "_modules");
    tiny_branches(f, "m", 3 * (5 + 2));
    fx_end_dict(f);
    fx_attr_int(f, "nc", 2);
    tiny_stride(f, 4);
    fx_end(f);
}

static void anchors_are_in_pixels(void **state)
{
    (void)state;
    yk_graph *g = import(&(tiny){.head = head_with_anchors});
    assert_int_equal(g->head.kind, YK_HEAD_ANCHORS);
    assert_int_equal(g->head.classes, 2);
    assert_int_equal(g->head.anchors_per_level, 3);
    assert_true(g->head.anchors[0][0][0] == 10 && g->head.anchors[0][0][1] == 13);
    assert_true(g->head.anchors[0][2][0] == 33 && g->head.anchors[0][2][1] == 23);
    assert_int_equal(g->output_count, 1);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_checkpoint),  cmocka_unit_test(names_in_a_list),
        cmocka_unit_test(hardly_any_attributes), cmocka_unit_test(absurd_attributes),
        cmocka_unit_test(family_by_layers),      cmocka_unit_test(the_mean_of_training_is_preferred),
        cmocka_unit_test(end_to_end_heads),      cmocka_unit_test(anchors_are_in_pixels),
    };
    return cmocka_run_group_tests_name("pt", tests, NULL, NULL);
}
