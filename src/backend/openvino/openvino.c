/* Runs graphs on the processor by OpenVINO.
 *
 * The bound graph is handed over as an ONNX model in memory whose input is bytes, so that nothing but names and
 * pointers crosses the boundary. A slot is an inference request; requests beyond the number of streams wait inside
 * OpenVINO, so that a stream which has finished finds its next one there. */
#include "backend/backend.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "backend/openvino/library.h"
#include "export/export.h"

typedef struct slot {
    ov_infer_request_t *request;
    ov_tensor_t *input;
    ov_tensor_t **outputs; /* owned, output_count of them */
    uint8_t *bytes;
    const float **floats; /* owned, output_count of them */
    bool running;
} slot;

struct yk_exec {
    const yk_ov *ov;
    ov_compiled_model_t *compiled;
    slot *slots;
    int slot_count, output_count;
};

enum { MOST_STREAMS = 4, SCORE = 100 };

/* Whether the processor computes in `capability` ("BF16", "FP16") faster than in float32. */
static bool capable(const yk_ov *ov, const char *capability)
{
    char *list = NULL;
    if (ov->core_get_property(ov->core, "CPU", "OPTIMIZATION_CAPABILITIES", &list) != 0)
        return false;
    bool found = strstr(list, capability) != NULL;
    ov->free(list);
    return found;
}

static void probe(yk_probe *out)
{
    *out = (yk_probe){.score = SCORE};
    const yk_ov *ov;
    ov_version_t version = {0};
    char *device = NULL;
    ov_status_e status;
    if (yk_ov_get(&ov) != YOLK_OK)
        goto missing;
    status = ov->core_get_property(ov->core, "CPU", "FULL_DEVICE_NAME", &device);
    if (status != 0) {
        yk_ov_fail(ov, status, "has no plugin for the processor");
        goto missing;
    }
    snprintf(out->device, sizeof out->device, "%s", device);
    ov->free(device);
    if (ov->get_openvino_version(&version) == 0) {
        /* "2026.4.0-22149-47b7eba5f47": the part before the first '-' says enough. */
        snprintf(out->version, sizeof out->version, "%.*s", (int)strcspn(version.buildNumber, "-"),
                 version.buildNumber);
        ov->version_free(&version);
    }
    out->free_memory = yk_memory_available();
    out->half = capable(ov, "FP16") || capable(ov, "BF16");
    out->available = true;
    return;
missing:
    snprintf(out->reason, sizeof out->reason, "%s", yolk_last_error());
}

/* The processor can be shared out among as many replicas as anybody asks for. */
static int device_count(void)
{
    return YK_MAX_DEVICES;
}

static uint64_t free_memory(int device)
{
    (void)device;
    return yk_memory_available();
}

/* OpenVINO by itself takes 16 bits where it can; here that is the caller's choice. Processors that have both kinds
 * multiply matrices of bfloat16 (AMX) and only vectors of float16. */
static const char *precision(const yk_ov *ov, bool half)
{
    if (half && capable(ov, "BF16"))
        return "bf16";
    return half && capable(ov, "FP16") ? "f16" : "f32";
}

/* How a network is to run, as OpenVINO is told: pairs of name and value. */
typedef struct settings {
    char threads[16], streams[16];
    const char *pairs[8];
} settings;
enum { SETTINGS = 4 };

static void make_settings(const yk_ov *ov, bool half, int threads, int streams, settings *out)
{
    snprintf(out->threads, sizeof out->threads, "%d", threads);
    snprintf(out->streams, sizeof out->streams, "%d", streams);
    const char *const pairs[2 * SETTINGS] = {
        "INFERENCE_NUM_THREADS",
        out->threads,
        "NUM_STREAMS",
        out->streams,
        "INFERENCE_PRECISION_HINT",
        precision(ov, half),
        /* Threads that are not pinned give way to decoding and encoding, which run on the same cores. */
        "ENABLE_CPU_PINNING",
        "NO",
    };
    memcpy(out->pairs, pairs, sizeof pairs);
}

static yolk_status compile_network(const yk_graph *g, const settings *s, yk_exec *exec)
{
    const yk_ov *ov = exec->ov;
    const char *const *p = s->pairs;
    yk_buffer onnx = {0};
    ov_model_t *model = NULL;
    ov_status_e error;
    yolk_status status = yk_export_onnx(g, &(yk_onnx_options){.u8_input = true}, &onnx);
    if (status != YOLK_OK)
        goto fail;
    error = ov->core_read_model_from_memory_buffer(ov->core, (const char *)onnx.data, onnx.size, NULL, &model);
    if (error != 0) {
        status = yk_ov_fail(ov, error, "cannot read the network");
        goto fail;
    }
    error = ov->core_compile_model(ov->core, model, "CPU", (size_t)2 * SETTINGS, &exec->compiled, p[0], p[1], p[2],
                                   p[3], p[4], p[5], p[6], p[7]);
    if (error != 0)
        status = yk_ov_fail(ov, error, "cannot compile the network");
fail:
    if (model)
        ov->model_free(model);
    yk_buffer_free(&onnx);
    return status;
}

static yolk_status tensor_pointer(const yk_ov *ov, const ov_tensor_t *tensor, size_t expected, void **out)
{
    size_t bytes = 0;
    ov_status_e error = ov->tensor_get_byte_size(tensor, &bytes);
    if (error == 0)
        error = ov->tensor_data(tensor, out);
    if (error != 0)
        return yk_ov_fail(ov, error, "does not give its tensors out");
    if (bytes != expected)
        return yk_fail(YOLK_ERROR_BACKEND, "OpenVINO made a tensor of %zu bytes where the graph has %zu", bytes,
                       expected);
    return YOLK_OK;
}

static yolk_status make_slot(const yk_graph *g, yk_exec *exec, slot *s)
{
    const yk_ov *ov = exec->ov;
    void *pointer = NULL;
    s->outputs = yk_calloc((size_t)exec->output_count, sizeof(*s->outputs));
    s->floats = yk_calloc((size_t)exec->output_count, sizeof(*s->floats));
    if (!s->outputs || !s->floats)
        return YOLK_ERROR_OUT_OF_MEMORY;
    ov_status_e error = ov->compiled_model_create_infer_request(exec->compiled, &s->request);
    if (error == 0)
        error = ov->infer_request_get_input_tensor_by_index(s->request, 0, &s->input);
    for (int i = 0; i < exec->output_count && error == 0; i++)
        error = ov->infer_request_get_output_tensor_by_index(s->request, (size_t)i, &s->outputs[i]);
    if (error != 0)
        return yk_ov_fail(ov, error, "cannot make a request");
    yolk_status status = tensor_pointer(ov, s->input, (size_t)(g->bound[0] * g->bound[1] * g->bound[2] * 3), &pointer);
    s->bytes = pointer;
    for (int i = 0; i < exec->output_count && status == YOLK_OK; i++) {
        int64_t count = yk_shape_count(&g->values[g->outputs[i]].shape);
        status = tensor_pointer(ov, s->outputs[i], (size_t)count * sizeof(float), &pointer);
        s->floats[i] = pointer;
    }
    return status;
}

static void destroy(yk_exec **exec)
{
    yk_exec *e = *exec;
    *exec = NULL;
    if (!e)
        return;
    for (int i = 0; e->slots && i < e->slot_count; i++) {
        slot *s = &e->slots[i];
        if (s->running)
            e->ov->infer_request_wait(s->request);
        if (s->input)
            e->ov->tensor_free(s->input);
        for (int k = 0; s->outputs && k < e->output_count; k++) {
            if (s->outputs[k])
                e->ov->tensor_free(s->outputs[k]);
        }
        if (s->request)
            e->ov->infer_request_free(s->request);
        yk_free(s->outputs);
        yk_free(s->floats);
    }
    if (e->compiled)
        e->ov->compiled_model_free(e->compiled);
    yk_free(e->slots);
    yk_free(e);
}

/* From saved bytes, or, when they are NULL, from the graph. */
static yolk_status open_exec(const yk_graph *g, const yk_compile_options *options, const void *bytes, size_t size,
                             yk_exec **out)
{
    settings set;
    *out = NULL;
    yk_exec *exec = yk_calloc(1, sizeof(*exec));
    if (!exec)
        return YOLK_ERROR_OUT_OF_MEMORY;
    int threads = options->threads > 0 ? options->threads : yk_physical_cores();
    int streams = options->latency ? 1 : options->streams > 0 ? options->streams : MOST_STREAMS;
    streams = YK_MIN(streams, threads);
    exec->slot_count = options->slots > 0 ? options->slots : streams + 1;
    exec->output_count = g->output_count;
    yolk_status status = yk_ov_get(&exec->ov);
    if (status != YOLK_OK)
        goto fail;
    make_settings(exec->ov, options->half, threads, streams, &set);
    status = bytes ? yk_ov_import(exec->ov, bytes, size, set.pairs, SETTINGS, &exec->compiled)
                   : compile_network(g, &set, exec);
    if (status != YOLK_OK)
        goto fail;
    exec->slots = yk_calloc((size_t)exec->slot_count, sizeof(*exec->slots));
    if (!exec->slots) {
        status = YOLK_ERROR_OUT_OF_MEMORY;
        goto fail;
    }
    for (int i = 0; i < exec->slot_count && status == YOLK_OK; i++)
        status = make_slot(g, exec, &exec->slots[i]);
    if (status != YOLK_OK)
        goto fail;
    yk_log(YOLK_LOG_INFO, "openvino: %lldx%lldx%lld, %d threads in %d streams, %d requests, %s%s",
           (long long)g->bound[0], (long long)g->bound[1], (long long)g->bound[2], threads, streams, exec->slot_count,
           precision(exec->ov, options->half), bytes ? ", saved" : "");
    *out = exec;
fail:
    if (status != YOLK_OK)
        destroy(&exec);
    return status;
}

static yolk_status compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    yolk_status status = open_exec(g, options, NULL, 0, out);
#ifdef __GLIBC__
    malloc_trim(0); /* compiling leaves more free memory behind than running needs */
#endif
    return status;
}

static yolk_status save(yk_exec *exec, yk_buffer *out)
{
    return yk_ov_export(exec->ov, exec->compiled, out);
}

static yolk_status load(const void *bytes, size_t size, const yk_graph *g, const yk_compile_options *options,
                        yk_exec **out)
{
    return open_exec(g, options, bytes, size, out);
}

/* Saved bytes hold the network after OpenVINO's rewriting, which depends on its version and on what the processor can
 * do; machine code is made anew by load(). */
static void fingerprint(int device, const yk_compile_options *options, char *text, size_t size)
{
    const yk_ov *ov;
    ov_version_t version = {0};
    char *name = NULL, *abilities = NULL;
    (void)device, (void)options;
    text[0] = '\0';
    if (yk_ov_get(&ov) != YOLK_OK)
        return;
    if (ov->get_openvino_version(&version) == 0 &&
        ov->core_get_property(ov->core, "CPU", "FULL_DEVICE_NAME", &name) == 0 &&
        ov->core_get_property(ov->core, "CPU", "OPTIMIZATION_CAPABILITIES", &abilities) == 0)
        snprintf(text, size, "OpenVINO %s, %s, %s", version.buildNumber, name, abilities);
    if (version.buildNumber)
        ov->version_free(&version);
    if (name)
        ov->free(name);
    if (abilities)
        ov->free(abilities);
}

static int slot_count(const yk_exec *exec)
{
    return exec->slot_count;
}

static uint8_t *input(yk_exec *exec, int index)
{
    return exec->slots[index].bytes;
}

static yolk_status start(yk_exec *exec, int index)
{
    slot *s = &exec->slots[index];
    ov_status_e error = exec->ov->infer_request_start_async(s->request);
    if (error != 0)
        return yk_ov_fail(exec->ov, error, "cannot start a request");
    s->running = true;
    return YOLK_OK;
}

static yolk_status wait_for(yk_exec *exec, int index)
{
    slot *s = &exec->slots[index];
    ov_status_e error = exec->ov->infer_request_wait(s->request);
    s->running = false;
    return error == 0 ? YOLK_OK : yk_ov_fail(exec->ov, error, "failed while it ran the network");
}

static const float *output(yk_exec *exec, int index, int which)
{
    return exec->slots[index].floats[which];
}

const yk_backend yk_backend_openvino = {
    .api_version = YK_BACKEND_API,
    .name = "openvino",
    .kind = "cpu",
    .description = "Intel's OpenVINO on the processor",
    .score = SCORE,
    .probe = probe,
    .device_count = device_count,
    .free_memory = free_memory,
    .compile = compile,
    .destroy = destroy,
    .slot_count = slot_count,
    .input = input,
    .start = start,
    .wait = wait_for,
    .output = output,
    .save = save,
    .load = load,
    .fingerprint = fingerprint,
};
