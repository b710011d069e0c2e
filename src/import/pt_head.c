/* The detection head: its raw outputs, and how they become boxes. */
#include "import/pt.h"

#include <stdio.h>
#include <string.h>

typedef yk_pickle_value value;

/* Heads of what yolk does not run, so that the refusal can say what the model is for. */
static const struct {
    const char *class, *task;
} other_heads[] = {
    {"Classify", "classification"},
    {"Classification", "classification"},
    {"Depth", "depth estimation"},
    {"OBB", "oriented boxes"},
    {"OBB26", "oriented boxes"},
    {"Pose", "pose estimation"},
    {"Pose26", "pose estimation"},
    {"RTDETRDecoder", "detection with a transformer decoder (RT-DETR)"},
    {"Segment", "instance segmentation"},
    {"Segment26", "instance segmentation"},
    {"SemanticSegment", "semantic segmentation"},
    {"WorldDetect", "detection of classes named by text (YOLO-World)"},
    {"YOLOEDetect", "detection of classes named by text (YOLOE)"},
    {"YOLOESegment", "segmentation of classes named by text (YOLOE)"},
    {"YOLOESegment26", "segmentation of classes named by text (YOLOE)"},
};

const char *yk_pt_other_task(const value *module)
{
    for (size_t i = 0; i < YK_COUNT(other_heads); i++) {
        if (yk_pt_is(module, other_heads[i].class))
            return other_heads[i].task;
    }
    return NULL;
}

bool yk_pt_is_head(const value *module)
{
    return yk_pt_is(module, "Detect") || yk_pt_is(module, "v10Detect");
}

/* Strides come from the checkpoint, and must be what the layers before the head amount to. */
static bool read_strides(yk_pt *pt, const value *module, const yk_pt_x *inputs, int count)
{
    yk_pt_array a;
    yk_head *head = &pt->graph->head;
    if (count < 1 || count > YK_MAX_LEVELS) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "it has %d levels; yolk knows 1 to %d", count, YK_MAX_LEVELS);
        return false;
    }
    if (!yk_pt_read(pt, module, yk_pt_attribute(module, "stride"), "stride", &a))
        return false;
    if (a.count != count)
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "it has %d inputs and %lld strides", count, (long long)a.count);
    head->levels = count;
    for (int i = 0; i < count && pt->status == YOLK_OK; i++) {
        double stride = inputs[i].stride;
        if (inputs[i].splits || stride < 1 || stride > 4096 || stride != (int)stride || a.data[i] != (float)stride)
            yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its stride %g is not that of its input, %g", a.data[i], stride);
        else
            head->strides[i] = (int)stride;
    }
    yk_free(a.data);
    return pt->status == YOLK_OK;
}

static bool add_output(yk_pt *pt, yk_pt_x x)
{
    if (pt->status == YOLK_OK)
        pt->status = yk_graph_add_output(pt->graph, x.id);
    return pt->status == YOLK_OK;
}

/* Module `index` of list `name`, on input `x`. */
static yk_pt_x build_level(yk_pt *pt, const value *module, const char *name, int index, yk_pt_x x)
{
    const value *list = yk_pt_child(module, name);
    size_t before = yk_pt_enter(pt, name);
    yk_pt_x y = yk_pt_none();
    if ((size_t)index >= yk_pt_child_count(list))
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its part for level %d is missing", index);
    else
        y = yk_pt_build_at(pt, list, (size_t)index, x);
    yk_pt_leave(pt, before);
    return y;
}

/* A model that is end to end has a second pair of branches, of which each object gets one box only. They are the ones
 * to use unless the model says otherwise; a fused one has no others. */
static bool is_end2end(const value *module, const value *yaml)
{
    int64_t wanted;
    if (!yk_pt_child(module, "one2one_cv2"))
        return false;
    return yk_pt_is(module, "v10Detect") || !yk_pt_child(module, "cv2") ||
           !yk_pickle_int(yk_pickle_get(yaml, "end2end"), &wanted) || wanted != 0;
}

static bool build_anchor_free(yk_pt *pt, const value *module, const value *yaml, const yk_pt_x *inputs, int count)
{
    yk_head *head = &pt->graph->head;
    head->kind = YK_HEAD_ANCHOR_FREE;
    head->end2end = is_end2end(module, yaml);
    const char *boxes = head->end2end ? "one2one_cv2" : "cv2", *scores = head->end2end ? "one2one_cv3" : "cv3";
    int64_t max_det = yk_pt_int(module, "max_det", 300);
    head->max_det = max_det >= 1 && max_det <= 30000 ? (int)max_det : 300;
    for (int i = 0; i < count; i++) {
        yk_pt_x box = build_level(pt, module, boxes, i, inputs[i]),
                score = build_level(pt, module, scores, i, inputs[i]);
        if (pt->status != YOLK_OK)
            return false;
        if (i == 0) {
            head->reg_max = (int)yk_pt_int(module, "reg_max", 16);
            head->classes = score.channels;
        }
        if (score.channels != head->classes || head->classes != yk_pt_int(module, "nc", 0) || head->reg_max < 1 ||
            head->reg_max > 256 || box.channels != 4 * head->reg_max || box.stride != head->strides[i] ||
            score.stride != head->strides[i]) {
            yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module,
                       "level %d gives %d channels of boxes and %d of classes, which does not fit its own numbers", i,
                       box.channels, score.channels);
            return false;
        }
        if (!add_output(pt, box) || !add_output(pt, score))
            return false;
    }
    return true;
}

/* Anchors are kept in steps of their level. */
static bool read_anchors(yk_pt *pt, const value *module, int count)
{
    yk_pt_array a;
    yk_head *head = &pt->graph->head;
    if (!yk_pt_read(pt, module, yk_pt_tensor(module, "anchors"), "anchors", &a))
        return false;
    if (a.rank != 3 || a.dims[0] != count || a.dims[1] > YK_MAX_ANCHORS || a.dims[2] != 2) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its anchors are not at most %d pairs of numbers a level",
                   YK_MAX_ANCHORS);
    } else {
        head->anchors_per_level = (int)a.dims[1];
        const float *from = a.data;
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < head->anchors_per_level; j++) {
                for (int side = 0; side < 2; side++)
                    head->anchors[i][j][side] = *from++ * (float)head->strides[i];
            }
        }
    }
    yk_free(a.data);
    return pt->status == YOLK_OK;
}

static bool build_anchors(yk_pt *pt, const value *module, const yk_pt_x *inputs, int count)
{
    yk_head *head = &pt->graph->head;
    int64_t classes = yk_pt_int(module, "nc", 0);
    head->kind = YK_HEAD_ANCHORS;
    if (!read_anchors(pt, module, count))
        return false;
    for (int i = 0; i < count; i++) {
        yk_pt_x y = build_level(pt, module, "m", i, inputs[i]);
        if (pt->status != YOLK_OK)
            return false;
        if (classes < 1 || y.channels / head->anchors_per_level - 5 != classes ||
            y.channels % head->anchors_per_level != 0 || y.stride != head->strides[i]) {
            yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "level %d gives %d channels for %d anchors and %lld classes", i,
                       y.channels, head->anchors_per_level, (long long)classes);
            return false;
        }
        head->classes = (int)classes;
        if (!add_output(pt, y))
            return false;
    }
    return true;
}

bool yk_pt_head(yk_pt *pt, const value *module, const value *yaml, const yk_pt_x *inputs, int count)
{
    yk_head *head = &pt->graph->head;
    head->unit_range = true;
    if (!read_strides(pt, module, inputs, count))
        return false;
    if (yk_pt_tensor(module, "anchors"))
        return build_anchors(pt, module, inputs, count);
    return build_anchor_free(pt, module, yaml, inputs, count);
}
