/* One model file into another: what is written is the graph that yolk itself runs. */
#include "yolk/convert.h"

#include <string.h>

#include "export/export.h"
#include "import/import.h"

void yolk_convert_options_defaults(yolk_convert_options *options)
{
    *options = (yolk_convert_options){.struct_size = sizeof *options, .calib_count = 64, .search_seconds = 600};
}

/* The caller's options, of which an older program may know the first ones only. */
static yolk_status take_options(const yolk_convert_options *given, yolk_convert_options *out)
{
    yolk_convert_options_defaults(out);
    if (!given)
        return YOLK_OK;
    if (given->struct_size < sizeof given->struct_size)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the options were not filled by yolk_convert_options_defaults()");
    memcpy(out, given, YK_MIN(given->struct_size, sizeof *out));
    if (out->input_height < 0 || out->input_width < 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "input size %dx%d: sides cannot be negative", out->input_width,
                       out->input_height);
    return YOLK_OK;
}

static yolk_status check_destination(const char *path)
{
    if (yk_equal_ignoring_case(yk_extension(path), ".onnx"))
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: yolk writes .onnx files; end the name with .onnx", path);
}

static yolk_status check_size(yk_graph *g, const char *source, const yolk_convert_options *o, int64_t height,
                              int64_t width)
{
    if (!yk_graph_accepts(g, 1, height, width)) {
        /* The answer is no when memory is short, too. */
        if (yk_graph_bind(g, 1, height, width) == YOLK_ERROR_OUT_OF_MEMORY)
            return YOLK_ERROR_OUT_OF_MEMORY;
        if (!g->dynamic_size)
            return yk_fail(YOLK_ERROR_UNSUPPORTED,
                           "%s: the model works for %dx%d (height x width) only, not for "
                           "%lldx%lld",
                           source, g->input_height, g->input_width, (long long)height, (long long)width);
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s: the model cannot take %lldx%lld (height x width); sides are multiples of %d", source,
                       (long long)height, (long long)width, g->stride);
    }
    if (o->dynamic && !(g->dynamic_size && g->dynamic_batch))
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s: the model was made for a fixed %s, which cannot be left open; convert its .pt file instead",
                       source, g->dynamic_size ? "batch" : "size");
    return YOLK_OK;
}

static yolk_status prepare_head(yk_graph *g, const char *source, const yolk_convert_options *o)
{
    bool raw = g->head.kind == YK_HEAD_ANCHOR_FREE || g->head.kind == YK_HEAD_ANCHORS;
    if (!o->raw_head)
        return yk_head_append_decode(g);
    if (raw || g->head.kind == YK_HEAD_YOLOX)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the head's decoding cannot be told from the rest and left out", source);
}

static yolk_status write_model(yk_graph *g, const char *source, const char *destination, const yolk_convert_options *o)
{
    const yk_onnx_options onnx = {.dynamic = o->dynamic != 0, .metadata = true};
    int64_t height = o->input_height ? o->input_height : g->input_height;
    int64_t width = o->input_width ? o->input_width : g->input_width;
    yk_buffer bytes = {0};
    yolk_status status = check_size(g, source, o, height, width);
    if (status == YOLK_OK)
        status = prepare_head(g, source, o);
    if (status == YOLK_OK)
        status = yk_graph_bind(g, 1, height, width);
    if (status == YOLK_OK)
        status = yk_export_onnx(g, &onnx, &bytes);
    if (status == YOLK_OK)
        status = yk_write_file(destination, bytes.data, bytes.size);
    yk_buffer_free(&bytes);
    return status;
}

const char *yolk_precision_name(yolk_precision precision)
{
    static const char *const names[] = {"fp32", "fp16", "int8"};
    return (unsigned)precision < YK_COUNT(names) ? names[precision] : NULL;
}

void yolk_convert_report_destroy(yolk_convert_report **report)
{
    yk_free(*report);
    *report = NULL;
}

yolk_status yolk_convert(const char *source, const char *destination, const yolk_convert_options *options,
                         yolk_convert_report **report)
{
    yolk_convert_options o;
    yk_graph *g = NULL;
    if (report)
        *report = NULL;
    if (!source || !destination)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a conversion needs a source and a destination");
    yolk_status status = take_options(options, &o);
    if (status == YOLK_OK)
        status = check_destination(destination);
    if (status == YOLK_OK && o.precision != YOLK_PRECISION_FP32)
        status = yk_fail(YOLK_ERROR_UNSUPPORTED, "yolk writes fp32 only");
    const yk_import_options import = {.head = o.head};
    if (status == YOLK_OK)
        status = yk_import_file(source, &import, &g);
    if (status == YOLK_OK)
        status = write_model(g, source, destination, &o);
    yk_graph_destroy(&g);
    if (status == YOLK_OK && report) {
        *report = yk_calloc(1, sizeof **report);
        if (*report)
            (*report)->ranges = (*report)->text = "";
        else
            status = YOLK_ERROR_OUT_OF_MEMORY;
    }
    return status;
}
