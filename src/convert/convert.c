/* One model file into another: what is written is the graph that yolk itself runs. */
#include <string.h>
#include <sys/stat.h>

#include "convert/job.h"
#include "convert/tensorrt.h"
#include "export/export.h"
#include "import/import.h"

const char *yolk_precision_name(yolk_precision precision)
{
    static const char *const names[] = {"fp32", "fp16", "int8"};
    return (unsigned)precision < YK_COUNT(names) ? names[precision] : NULL;
}

const char *yolk_target_name(yolk_target target)
{
    static const char *const names[] = {"auto", "onnx", "engine", "tensorrt"};
    return (unsigned)target < YK_COUNT(names) ? names[target] : NULL;
}

void yolk_convert_options_defaults(yolk_convert_options *options)
{
    *options = (yolk_convert_options){.struct_size = sizeof *options,
                                      .calib_count = 64,
                                      .search_seconds = 600,
                                      .batch_least = 1,
                                      .batch_usual = 8,
                                      .batch_most = 16};
}

/* ---- what is asked for ---- */

static yolk_status check_ranges(const yolk_convert_options *o)
{
    if (o->input_height < 0 || o->input_width < 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "input size %dx%d: sides cannot be negative", o->input_width,
                       o->input_height);
    if (!yolk_precision_name(o->precision))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "precision %d does not exist; it is fp32, fp16 or int8",
                       (int)o->precision);
    if (o->calib_count < 1 || o->calib_count > 100000 || o->val_count < 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%d pictures cannot be taken; calibration takes 1 to 100000",
                       o->calib_count < 1 || o->calib_count > 100000 ? o->calib_count : o->val_count);
    if (!(o->min_agreement >= 0 && o->min_agreement <= 1) || !(o->max_score_difference >= 0) || !(o->max_ap_loss >= 0))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "what the result must come up to is given in shares of 0 to 1");
    return YOLK_OK;
}

static yolk_status check_needs(const yolk_convert_options *o)
{
    if (o->precision == YOLK_PRECISION_INT8 && !o->calib)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "int8 needs pictures to measure ranges on: name a folder or a video of what the model will see "
                       "with --calib");
    if (o->precision == YOLK_PRECISION_FP16 && !o->no_validate && !o->val && !o->calib)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "the result is checked on pictures: name a folder or a video of them with --val, or leave the "
                       "check out with --no-validate");
    if (o->labels && !o->val)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: ground truth needs its pictures; name their folder with --val",
                       o->labels);
    return YOLK_OK;
}

yolk_status yk_convert_options_take(const yolk_convert_options *given, yolk_convert_options *out)
{
    yolk_convert_options_defaults(out);
    if (!given)
        return YOLK_OK;
    if (given->struct_size < sizeof given->struct_size)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the options were not filled by yolk_convert_options_defaults()");
    memcpy(out, given, YK_MIN(given->struct_size, sizeof *out));
    yolk_status status = check_ranges(out);
    return status == YOLK_OK ? check_needs(out) : status;
}

/* What kind of file it is to be, and whether its name says so. */
static yolk_status choose_target(yk_job *job)
{
    yolk_convert_options *o = &job->options;
    const bool engine = yk_equal_ignoring_case(yk_extension(job->destination), ".engine");
    const bool onnx = yk_equal_ignoring_case(yk_extension(job->destination), ".onnx");
    if (!yolk_target_name(o->target))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "target %d does not exist; it is onnx, engine or tensorrt",
                       (int)o->target);
    if (o->target == YOLK_TARGET_AUTO)
        o->target = engine ? YOLK_TARGET_ENGINE : YOLK_TARGET_ONNX;
    if (o->target != YOLK_TARGET_TENSORRT && o->gpu)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "gpu '%s': only engines of TensorRT are built for a GPU; add --to tensorrt", o->gpu);
    if (o->target == YOLK_TARGET_TENSORRT && engine) {
        o->symmetric = 1; /* it knows no other integers */
        return yk_tensorrt_check(o);
    }
    if (o->target == YOLK_TARGET_ONNX ? onnx : engine)
        return YOLK_OK;
    if (o->target != YOLK_TARGET_ONNX)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: an engine's name ends with .engine", job->destination);
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: yolk writes .onnx and .engine files; end the name with one of these",
                   job->destination);
}

static yolk_status check_size(yk_graph *g, const yk_job *job)
{
    const long long height = job->height, width = job->width;
    if (!yk_graph_accepts(g, 1, height, width)) {
        /* The answer is no when memory is short, too. */
        if (yk_graph_bind(g, 1, height, width) == YOLK_ERROR_OUT_OF_MEMORY)
            return YOLK_ERROR_OUT_OF_MEMORY;
        if (!g->dynamic_batch && height == g->input_height && width == g->input_width)
            return yk_fail(YOLK_ERROR_UNSUPPORTED,
                           "%s: the model was made for batches of another size than 1; convert its .pt file instead",
                           job->source);
        if (!g->dynamic_size)
            return yk_fail(YOLK_ERROR_UNSUPPORTED,
                           "%s: the model works for %dx%d (height x width) only, not for %lldx%lld", job->source,
                           g->input_height, g->input_width, height, width);
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s: the model cannot take %lldx%lld (height x width); sides are multiples of %d", job->source,
                       height, width, g->stride);
    }
    if (job->options.dynamic && !(g->dynamic_size && g->dynamic_batch))
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s: the model was made for a fixed %s, which cannot be left open; convert its .pt file instead",
                       job->source, g->dynamic_size ? "batch" : "size");
    if (job->options.target == YOLK_TARGET_TENSORRT && job->options.batch_most > 1 && !g->dynamic_batch)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "%s: the model was made for a fixed batch; convert its .pt file instead, or give --batch 1",
                       job->source);
    return YOLK_OK;
}

static yolk_status check_source(const yk_graph *g, const yk_job *job)
{
    for (int i = 0; i < g->node_count && job->options.precision != YOLK_PRECISION_FP32; i++) {
        if (g->nodes[i].op == YK_OP_QUANTIZE || g->nodes[i].op == YK_OP_DEQUANTIZE)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the model is int8 already; convert the one that it was made of",
                           job->source);
    }
    return YOLK_OK;
}

static yolk_status prepare_head(yk_graph *g, const yk_job *job)
{
    bool raw = g->head.kind == YK_HEAD_ANCHOR_FREE || g->head.kind == YK_HEAD_ANCHORS;
    if (!job->options.raw_head)
        return yk_head_append_decode(g);
    if (raw || g->head.kind == YK_HEAD_YOLOX)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the head's decoding cannot be told from the rest and left out",
                   job->source);
}

/* ---- the file ---- */

bool yk_is_checked(const yolk_convert_options *o)
{
    return !o->no_validate && (o->precision != YOLK_PRECISION_FP32 || o->val);
}

/* What was written, read as anybody would read it; `file` NULL: out of memory. */
static yolk_status read_back(yk_job *job, const yk_atomic *file, const yk_buffer *bytes, yk_graph **out)
{
    const char *path = file ? yk_atomic_temporary(file) : NULL;
    const yk_import_options options = {.head = NULL};
    yk_map map = {0};
    yk_graph *g = NULL;
    const uint8_t *data = bytes->data;
    size_t size = bytes->size;
    *out = NULL;
    yolk_status status = path ? yk_map_open(path, &map) : YOLK_OK;
    if (path && status == YOLK_OK) {
        data = map.data;
        size = map.size;
    }
    if (status == YOLK_OK)
        status = yk_import_onnx(data, size, NULL, &options, &g);
    if (status == YOLK_OK && path)
        status = yk_graph_own_map(g, &map);
    yk_map_close(&map);
    if (status != YOLK_OK) {
        yk_graph_destroy(&g);
        return yk_fail_prefix(status, "%s: what was written cannot be read back: ", job->destination);
    }
    *out = g;
    return YOLK_OK;
}

/* The check is `share` of what is left to do. */
yolk_status yk_check_written(yk_job *job, yk_graph *source, const yk_atomic *file, const yk_buffer *bytes, double share)
{
    yk_graph *made = NULL;
    yolk_status status = read_back(job, file, bytes, &made);
    yk_job_stage(job, (1 - job->from - job->span) * share);
    if (status == YOLK_OK)
        status = yk_validate(job, source, made);
    yk_graph_destroy(&made);
    return status;
}

yolk_status yk_say_unchecked(yk_report *report)
{
    report->text = yk_strdup("not checked");
    if (!report->text)
        return YOLK_ERROR_OUT_OF_MEMORY;
    report->public.text = report->text;
    return YOLK_OK;
}

/* How it was checked comes after all else in the file, so that the bytes that were checked are those that stay. */
static yolk_status write_check(yk_job *job, yk_atomic *file)
{
    yk_report *report = job->report;
    yk_buffer entry = {0};
    if (!yk_is_checked(&job->options)) {
        if (job->options.precision == YOLK_PRECISION_FP32)
            return YOLK_OK;
        yolk_status status = yk_say_unchecked(report);
        if (status != YOLK_OK)
            return status;
    }
    yk_export_onnx_entry(&entry, "yolk_check", report->public.text);
    yolk_status status = yk_buffer_status(&entry);
    if (status == YOLK_OK)
        status = yk_atomic_write(file, entry.data, entry.size);
    report->public.bytes += entry.size;
    yk_buffer_free(&entry);
    return status;
}

/* The graph as ONNX in memory, and the file that the result will be. */
static yolk_status begin_file(const yk_job *job, yk_graph *g, const yk_onnx_options *onnx, yk_buffer *bytes,
                              yk_atomic **file)
{
    yolk_status status = prepare_head(g, job);
    if (status == YOLK_OK)
        status = yk_graph_bind(g, 1, job->height, job->width);
    if (status == YOLK_OK)
        status = yk_export_onnx(g, onnx, bytes);
    return status == YOLK_OK ? yk_atomic_open(job->destination, file) : status;
}

static yolk_status write_model(yk_job *job, yk_graph *source, yk_graph *g)
{
    const yk_onnx_options onnx = {.dynamic = job->options.dynamic != 0, .metadata = true};
    yk_buffer bytes = {0};
    yk_atomic *file = NULL;
    yolk_status status = begin_file(job, g, &onnx, &bytes, &file);
    if (status == YOLK_OK)
        status = yk_atomic_write(file, bytes.data, bytes.size);
    job->report->public.bytes = bytes.size;
    if (status == YOLK_OK && yk_is_checked(&job->options))
        status = yk_check_written(job, source, file, &bytes, 1);
    if (status == YOLK_OK)
        status = write_check(job, file);
    if (status == YOLK_OK)
        status = yk_atomic_commit(&file);
    yk_atomic_abort(&file);
    yk_buffer_free(&bytes);
    return status;
}

/* TensorRT gets the model as ONNX. That is what is checked, here, where the GPU need not be. */
static yolk_status write_tensorrt(yk_job *job, yk_graph *source, yk_graph *g)
{
    const yk_onnx_options onnx = {.dynamic = g->dynamic_batch, .fixed_size = true, .metadata = true};
    yk_report *report = job->report;
    yk_buffer bytes = {0}, header = {0};
    yk_tensorrt built = {.library = ""};
    yk_atomic *file = NULL;
    yolk_status status = begin_file(job, g, &onnx, &bytes, &file);
    if (status == YOLK_OK && yk_is_checked(&job->options))
        status = yk_check_written(job, source, NULL, &bytes, 0.7);
    else if (status == YOLK_OK)
        status = yk_say_unchecked(report);
    if (status == YOLK_OK && yk_is_checked(&job->options)) {
        char *text = yk_format("%s, as ONNX on the processor", report->text);
        status = text ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
        yk_free(text ? report->text : NULL);
        report->public.text = report->text = text ? text : report->text;
    }
    yk_job_stage(job, 1 - job->from - job->span);
    if (status == YOLK_OK)
        status = yk_tensorrt_build(job, &bytes, &built);
    if (status == YOLK_OK)
        status = yk_tensorrt_header(job, g, &built, &header);
    if (status == YOLK_OK)
        status = yk_atomic_write(file, header.data, header.size);
    if (status == YOLK_OK)
        status = yk_atomic_write(file, built.plan.data, built.plan.size);
    report->public.bytes = header.size + built.plan.size;
    if (status == YOLK_OK)
        status = yk_atomic_commit(&file);
    yk_atomic_abort(&file);
    yk_tensorrt_free(&built);
    yk_buffer_free(&header);
    yk_buffer_free(&bytes);
    return status;
}

/* ---- all together ---- */

static yolk_status open_source(yk_job *job, yk_graph **out)
{
    const yolk_convert_options *o = &job->options;
    const yk_import_options import = {.head = o->head};
    struct stat s;
    yolk_status status = choose_target(job);
    if (status == YOLK_OK)
        status = yk_import_file(job->source, &import, out);
    if (status != YOLK_OK)
        return status;
    job->report->public.source_bytes = stat(job->source, &s) == 0 ? (uint64_t)s.st_size : 0;
    job->height = o->input_height ? o->input_height : (*out)->input_height;
    job->width = o->input_width ? o->input_width : (*out)->input_width;
    status = check_size(*out, job);
    if (status == YOLK_OK)
        status = check_source(*out, job);
    if (status == YOLK_OK && o->target == YOLK_TARGET_TENSORRT)
        status = yk_tensorrt_find(job);
    if (status == YOLK_OK && (o->precision == YOLK_PRECISION_INT8 || yk_is_checked(o)))
        status = yk_backend_choose(o->backend, o->device || yk_names_backend(o) ? o->device : "cpu", &job->backend);
    return status;
}

static yolk_status convert(yk_job *job)
{
    yk_graph *source = NULL, *g = NULL;
    yolk_status status = open_source(job, &g);
    if (status == YOLK_OK && yk_is_checked(&job->options))
        status = yk_graph_copy(g, &source);
    if (status == YOLK_OK && job->options.precision == YOLK_PRECISION_FP16)
        status = yk_convert_fp16(job, &g);
    if (status == YOLK_OK && job->options.precision == YOLK_PRECISION_INT8)
        status = yk_convert_int8(job, &g);
    if (status == YOLK_OK && job->options.target == YOLK_TARGET_TENSORRT)
        status = write_tensorrt(job, source, g);
    else if (status == YOLK_OK && job->options.target == YOLK_TARGET_ENGINE)
        status = yk_convert_engine(job, source, g);
    else if (status == YOLK_OK)
        status = write_model(job, source, g);
    yk_graph_destroy(&source);
    yk_graph_destroy(&g);
    return status;
}

yolk_status yolk_convert(const char *source, const char *destination, const yolk_convert_options *options,
                         yolk_convert_report **report)
{
    yk_job job = {.source = source, .destination = destination, .start_ns = yk_now_ns()};
    if (report)
        *report = NULL;
    if (!source || !destination)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a conversion needs a source and a destination");
    yolk_status status = yk_convert_options_take(options, &job.options);
    if (status != YOLK_OK)
        return status;
    job.report = yk_calloc(1, sizeof *job.report);
    if (!job.report)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_convert_report *made = &job.report->public;
    made->ranges = made->text = "";
    made->precision = job.options.precision;
    status = convert(&job);
    made->seconds = (double)(yk_now_ns() - job.start_ns) / 1e9;
    if (report && (status == YOLK_OK || status == YOLK_ERROR_INACCURATE))
        *report = made;
    else
        yolk_convert_report_destroy(&made);
    return status;
}
