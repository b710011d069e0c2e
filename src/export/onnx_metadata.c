/* What ultralytics writes beside the network and reads again (all values are Python literals), and the head, which yolk
 * needs to take its own files back. */
#include "export/onnx_writer.h"

#include <stdio.h>

#include "export/wire.h"

static size_t begin_entry(yk_buffer *b, const char *key)
{
    size_t mark = yk_pb_begin(b, PB_MODEL_METADATA);
    yk_pb_text(b, PB_ENTRY_KEY, key);
    return mark;
}

void yk_export_onnx_entry(yk_buffer *b, const char *key, const char *value)
{
    size_t mark = begin_entry(b, key);
    yk_pb_text(b, PB_ENTRY_VALUE, value);
    yk_pb_end(b, mark);
}

static void add_quoted(yk_buffer *b, const char *text)
{
    yk_buffer_text(b, "'");
    for (const char *c = text; *c; c++) {
        if (*c == '\'' || *c == '\\')
            yk_buffer_format(b, "\\%c", *c);
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            yk_buffer_format(b, "\\x%02x", (unsigned char)*c);
        else
            yk_buffer_add(b, c, 1);
    }
    yk_buffer_text(b, "'");
}

static void write_names(yk_buffer *b, const yk_graph *g)
{
    size_t mark = begin_entry(b, "names");
    size_t value = yk_pb_begin(b, PB_ENTRY_VALUE);
    yk_buffer_text(b, "{");
    for (int i = 0; i < g->head.classes; i++) {
        yk_buffer_format(b, i ? ", %d: " : "%d: ", i);
        add_quoted(b, g->class_names[i]);
    }
    yk_buffer_text(b, "}");
    yk_pb_end(b, value);
    yk_pb_end(b, mark);
}

/* With a point whatever the locale is. */
static void add_number(yk_buffer *b, float value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", (double)value);
    for (char *c = text; *c; c++) {
        if (*c == ',')
            *c = '.';
    }
    yk_buffer_text(b, text);
}

static void write_head(yk_buffer *b, const yk_head *head)
{
    size_t mark = begin_entry(b, "yolk_head");
    size_t value = yk_pb_begin(b, PB_ENTRY_VALUE);
    yk_buffer_format(b, "kind=%s classes=%d reg_max=%d end2end=%d max_det=%d bgr=%d unit_range=%d top_left=%d",
                     yk_head_kind_name(head->kind), head->classes, head->reg_max, head->end2end, head->max_det,
                     head->bgr, head->unit_range, head->top_left);
    for (int l = 0; l < head->levels; l++)
        yk_buffer_format(b, l ? ",%d" : " strides=%d", head->strides[l]);
    for (int l = 0; l < head->levels && head->kind == YK_HEAD_ANCHORS; l++) {
        for (int a = 0; a < head->anchors_per_level; a++) {
            yk_buffer_text(b, l || a ? "," : " anchors=");
            add_number(b, head->anchors[l][a][0]);
            yk_buffer_text(b, ",");
            add_number(b, head->anchors[l][a][1]);
        }
    }
    yk_pb_end(b, value);
    yk_pb_end(b, mark);
}

void yk_onnx_write_metadata(yk_buffer *b, const yk_graph *g, const yk_onnx_options *options)
{
    char text[64];
    bool end2end = g->head.end2end || g->head.kind == YK_HEAD_DECODED_END2END;
    yk_export_onnx_entry(b, "task", "detect");
    snprintf(text, sizeof text, "%d", g->stride);
    yk_export_onnx_entry(b, "stride", text);
    snprintf(text, sizeof text, "%lld", (long long)g->bound[0]);
    yk_export_onnx_entry(b, "batch", text);
    snprintf(text, sizeof text, "[%lld, %lld]", (long long)g->bound[1], (long long)g->bound[2]);
    yk_export_onnx_entry(b, "imgsz", text);
    yk_export_onnx_entry(b, "channels", "3");
    yk_export_onnx_entry(b, "end2end", end2end ? "True" : "False");
    yk_export_onnx_entry(b, "args", options->dynamic ? "{'dynamic': True}" : "{'dynamic': False}");
    if (g->class_names)
        write_names(b, g);
    if (g->family && g->family[0])
        yk_export_onnx_entry(b, "yolk_family", g->family);
    write_head(b, &g->head);
}
