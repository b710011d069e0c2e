/* A conversion to yolk's own .engine: the model as ONNX, and what the processor's backend makes of it. */
#include <math.h>
#include <string.h>

#include "convert/job.h"
#include "export/export.h"
#include "plan/engine.h"
#include "yolk/yolk.h"

/* What detection asks for: squares for pictures, and a size for 16:9 video. */
enum { MOST_FORMS = 2 };

typedef struct made {
    yk_engine_form forms[MOST_FORMS];
    yk_buffer bytes[MOST_FORMS];
    int count;
} made;

static void fill_with_noise(uint8_t *bytes, size_t size)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static yolk_status run(const yk_backend *b, yk_exec *exec, size_t size)
{
    fill_with_noise(b->input(exec, 0), size);
    yolk_status status = b->start(exec, 0);
    return status == YOLK_OK ? b->wait(exec, 0) : status;
}

/* What was saved and taken back has to compute what was saved. */
static yolk_status compare(const yk_job *job, const yk_graph *g, yk_exec *first, yk_exec *second)
{
    const yk_backend *b = job->backend;
    const size_t size = (size_t)(g->bound[0] * g->bound[1] * g->bound[2]) * 3;
    yolk_status status = run(b, first, size);
    if (status == YOLK_OK)
        status = run(b, second, size);
    for (int o = 0; o < g->output_count && status == YOLK_OK; o++) {
        const float *x = b->output(first, 0, o), *y = b->output(second, 0, o);
        const int64_t count = yk_shape_count(&g->values[g->outputs[o]].shape);
        double worst = 0, largest = 1;
        for (int64_t i = 0; i < count; i++) {
            worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
            largest = fmax(largest, fabs((double)x[i]));
        }
        if (!(worst <= 1e-4 * largest))
            status = yk_fail(YOLK_ERROR_INACCURATE,
                             "%s: what was compiled computes something else once it was saved and taken back (%g)",
                             job->destination, worst);
    }
    return status;
}

static yolk_status make_form(yk_job *job, yk_graph *g, int batch, int height, int width, made *m)
{
    const yk_backend *b = job->backend;
    const yk_compile_options options = {.threads = job->options.threads, .latency = true};
    yk_exec *compiled = NULL, *loaded = NULL;
    yk_buffer *bytes = &m->bytes[m->count];
    yolk_status status = yk_graph_bind(g, batch, height, width);
    if (status == YOLK_OK)
        status = b->compile(g, &options, &compiled);
    if (status == YOLK_OK)
        status = yk_engine_form_of(g, false, &m->forms[m->count++]);
    if (status == YOLK_OK)
        status = b->save(compiled, bytes);
    if (status == YOLK_OK)
        status = b->load(bytes->data, bytes->size, g, &options, &loaded);
    if (status == YOLK_OK)
        status = compare(job, g, compiled, loaded);
    b->destroy(&compiled);
    b->destroy(&loaded);
    return status;
}

static yolk_status make_forms(yk_job *job, yk_graph *g, int batch, made *m)
{
    const int stride = g->stride > 0 ? g->stride : 1;
    const int video = (job->width * 9 / 16 + stride - 1) / stride * stride;
    const bool two = g->dynamic_size && job->width == job->height && video < job->height;
    yolk_status status = yk_job_step(job, "compiling", 0, 1);
    if (status == YOLK_OK)
        status = make_form(job, g, batch, job->height, job->width, m);
    if (status == YOLK_OK && two)
        status = yk_job_step(job, "compiling", 1, 2);
    if (status == YOLK_OK && two)
        status = make_form(job, g, batch, video, job->width, m);
    return status == YOLK_OK ? yk_job_step(job, "compiling", 1, 1) : status;
}

static yolk_status write_file(yk_job *job, yk_graph *g, int batch, const yk_buffer *onnx, made *m)
{
    const yk_backend *b = job->backend;
    yk_report *report = job->report;
    yk_probe probe;
    char library[400] = "", fingerprint[512];
    yk_engine_part parts[MOST_FORMS + 1] = {{NULL, onnx->data, onnx->size}};
    b->probe(&probe);
    b->fingerprint(0, &(yk_compile_options){0}, library, sizeof library);
    yk_engine_fingerprint(b->name, library, fingerprint, sizeof fingerprint);
    yk_engine_header h = {.yolk = (char *)yolk_version(),
                          .precision = (char *)yolk_precision_name(job->options.precision),
                          .converted = job->options.precision != YOLK_PRECISION_FP32,
                          .check = report->text ? report->text : (char *)"",
                          .calibration = report->calibration,
                          .backend = (char *)b->name,
                          .device = probe.device,
                          .fingerprint = fingerprint,
                          .parameters = yk_graph_parameters(g),
                          .fixed_batch = g->dynamic_batch ? 0 : batch,
                          .graph = g};
    if (!h.converted)
        h.precision = (char *)yk_graph_precision(g);
    for (int i = 0; i < m->count; i++) {
        parts[i + 1] = (yk_engine_part){&m->forms[i], m->bytes[i].data, m->bytes[i].size};
        report->public.bytes += m->bytes[i].size;
    }
    yolk_status status = yk_engine_source_read(job->source, &h.source);
    if (status == YOLK_OK)
        status = yk_engine_write(job->destination, &h, parts, (size_t)m->count + 1);
    yk_engine_source_free(&h.source);
    return status;
}

yolk_status yk_convert_engine(yk_job *job, yk_graph *source, yk_graph *g)
{
    const yk_onnx_options onnx = {.dynamic = g->dynamic_size && g->dynamic_batch, .metadata = true};
    const int batch = yk_engine_fixed_batch(g) ? yk_engine_fixed_batch(g) : 1;
    yk_buffer bytes = {0};
    made m = {.count = 0};
    yolk_status status = YOLK_OK;
    if (job->options.raw_head || job->options.dynamic)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s: an engine has its head and its open sizes by itself; leave out raw_head and dynamic "
                       "(--raw-head, --dynamic)",
                       job->destination);
    if (!job->backend)
        status = yk_backend_choose(job->options.backend, "cpu", &job->backend);
    if (status == YOLK_OK && !job->backend->save)
        status = yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the %s backend compiles nothing that could be kept in an engine",
                         job->destination, job->backend->name);
    /* What is half open is written closed. */
    g->dynamic_size = g->dynamic_batch = onnx.dynamic;
    g->input_height = job->height;
    g->input_width = job->width;
    if (status == YOLK_OK)
        status = yk_graph_bind(g, batch, job->height, job->width);
    if (status == YOLK_OK)
        status = yk_export_onnx(g, &onnx, &bytes);
    job->report->public.bytes = bytes.size;
    if (status == YOLK_OK && yk_is_checked(&job->options))
        status = yk_check_written(job, source, NULL, &bytes, 0.7);
    else if (status == YOLK_OK && job->options.precision != YOLK_PRECISION_FP32)
        status = yk_say_unchecked(job->report);
    yk_job_stage(job, 1 - job->from - job->span);
    if (status == YOLK_OK)
        status = make_forms(job, g, batch, &m);
    if (status == YOLK_OK)
        status = write_file(job, g, batch, &bytes, &m);
    for (int i = 0; i < MOST_FORMS; i++)
        yk_buffer_free(&m.bytes[i]);
    yk_buffer_free(&bytes);
    return status;
}
