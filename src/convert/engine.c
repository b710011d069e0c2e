/* A conversion to yolk's own .engine: the model as ONNX, and what a backend makes of it for its device. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/job.h"
#include "export/export.h"
#include "plan/engine.h"
#include "yolk/yolk.h"

/* What detection asks for: squares for pictures, and a size for 16:9 video; one frame, and where more at once gain
 * something as many as it takes of 1080p. */
enum { MOST_FORMS = 4 };

typedef struct made {
    int device;
    bool half; /* what the device computes in where nothing else is asked for */
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
    const yk_compile_options options = {
        .device = m->device, .threads = job->options.threads, .latency = true, .tune = true, .half = m->half};
    yk_exec *compiled = NULL, *loaded = NULL;
    yk_buffer *bytes = &m->bytes[m->count];
    yolk_status status = yk_graph_bind(g, batch, height, width);
    if (status == YOLK_OK)
        status = b->compile(g, &options, &compiled);
    if (status == YOLK_OK)
        status = yk_engine_form_of(g, m->half, &m->forms[m->count++]);
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
    const int sizes = g->dynamic_size && job->width == job->height && video < job->height ? 2 : 1;
    yolk_config usual;
    yolk_config_defaults(&usual);
    const int many = yolk_config_for_resolution(&usual, 1920, 1080).batch;
    const int batches[] = {batch, many};
    const int count = sizes * (g->dynamic_batch && job->backend->gains_from_batch && many > batch ? 2 : 1);
    yolk_status status = YOLK_OK;
    for (int i = 0; i < count && status == YOLK_OK; i++) {
        status = yk_job_step(job, "compiling", i, count);
        if (status == YOLK_OK)
            status = make_form(job, g, batches[i / sizes], i % sizes ? video : job->height, job->width, m);
    }
    return status == YOLK_OK ? yk_job_step(job, "compiling", 1, 1) : status;
}

static yolk_status write_file(yk_job *job, yk_graph *g, int batch, const yk_buffer *onnx, made *m)
{
    const yk_backend *b = job->backend;
    yk_report *report = job->report;
    char device[128], library[400] = "", fingerprint[512];
    yk_engine_part parts[MOST_FORMS + 1] = {{NULL, onnx->data, onnx->size}};
    yk_backend_device_name(b, m->device, device, sizeof device);
    b->fingerprint(m->device, &(yk_compile_options){.device = m->device}, library, sizeof library);
    yk_engine_fingerprint(b->name, library, fingerprint, sizeof fingerprint);
    yk_engine_header h = {.yolk = (char *)yolk_version(),
                          .precision = (char *)yolk_precision_name(job->options.precision),
                          .converted = job->options.precision != YOLK_PRECISION_FP32,
                          .check = report->text ? report->text : (char *)"",
                          .calibration = report->calibration,
                          .backend = (char *)b->name,
                          .device = device,
                          .fingerprint = fingerprint,
                          .parameters = yk_graph_parameters(g),
                          .fixed_batch = g->dynamic_batch ? 0 : batch,
                          .graph = g};
    if (!h.converted)
        h.precision = (char *)yk_graph_precision(g);
    for (int i = 0; i < m->count; i++)
        parts[i + 1] = (yk_engine_part){&m->forms[i], m->bytes[i].data, m->bytes[i].size};
    yolk_status status = yk_engine_source_read(job->source, &h.source);
    if (status == YOLK_OK)
        status = yk_engine_write(job->destination, &h, parts, (size_t)m->count + 1);
    struct stat s;
    if (status == YOLK_OK && stat(job->destination, &s) == 0)
        report->public.bytes = (uint64_t)s.st_size;
    yk_engine_source_free(&h.source);
    return status;
}

/* As detection would choose for the bound graph: by name, or the best that has kernels for it. Among those of the
 * processor it is measured later. */
static yolk_status choose_backend(const yk_job *job, const yk_graph *g, const yk_backend **backend, made *m)
{
    const yolk_convert_options *o = &job->options;
    yk_devices devices;
    yk_probe probe;
    yolk_status status = yk_backend_choose(o->backend, o->device, backend);
    if (status == YOLK_OK && yk_backend_is_open(o->backend, o->device))
        status = yk_backend_settle(g, backend);
    if (status == YOLK_OK)
        status = yk_backend_devices(*backend, o->device, &devices);
    if (status != YOLK_OK)
        return status;
    if (!(*backend)->save && (yk_names_backend(o) || strcmp((*backend)->kind, "cpu") != 0))
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: the %s backend compiles nothing that could be kept in an engine",
                       job->destination, (*backend)->name);
    (*backend)->probe(&probe);
    m->device = devices.index[0];
    m->half = probe.half_first;
    return YOLK_OK;
}

yolk_status yk_convert_engine(yk_job *job, yk_graph *source, yk_graph *g)
{
    const yk_onnx_options onnx = {.dynamic = g->dynamic_size && g->dynamic_batch, .metadata = true};
    const int batch = yk_engine_fixed_batch(g) ? yk_engine_fixed_batch(g) : 1;
    yk_buffer bytes = {0};
    const yk_backend *backend = NULL;
    made m = {.count = 0};
    yolk_status status;
    if (job->options.raw_head || job->options.dynamic)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s: an engine has its head and its open sizes by itself; leave out raw_head and dynamic "
                       "(--raw-head, --dynamic)",
                       job->destination);
    /* What is half open is written closed. */
    g->dynamic_size = g->dynamic_batch = onnx.dynamic;
    g->input_height = job->height;
    g->input_width = job->width;
    status = yk_graph_bind(g, batch, job->height, job->width);
    if (status == YOLK_OK)
        status = choose_backend(job, g, &backend, &m);
    if (status == YOLK_OK)
        status = yk_export_onnx(g, &onnx, &bytes);
    job->report->public.bytes = bytes.size;
    if (status == YOLK_OK && yk_is_checked(&job->options))
        status = yk_check_written(job, source, NULL, &bytes, 0.7);
    else if (status == YOLK_OK && job->options.precision != YOLK_PRECISION_FP32)
        status = yk_say_unchecked(job->report);
    yk_job_stage(job, 1 - job->from - job->span);
    if (status == YOLK_OK && !yk_names_backend(&job->options) && strcmp(backend->kind, "cpu") == 0)
        status = yk_backend_measure(g, job->options.threads, &backend);
    job->backend = backend;
    if (status == YOLK_OK)
        status = make_forms(job, g, batch, &m);
    if (status == YOLK_OK)
        status = write_file(job, g, batch, &bytes, &m);
    for (int i = 0; i < MOST_FORMS; i++)
        yk_buffer_free(&m.bytes[i]);
    yk_buffer_free(&bytes);
    return status;
}
