/* Which of OpenVINO's settings has the highest rate for one network at one shape, all interleaved in one run.
 *
 * usage: openvino_streams MODEL HEIGHT WIDTH THREADS ROUNDS
 * Prints one JSON object a setting: its name, properties, requests in flight, ms a frame (best and median round), and
 * the resident memory that it added. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/openvino/library.h"
#include "export/export.h"
#include "import/import.h"
#include "yolk/stats.h"

enum { PROPERTIES = 4, MOST_REQUESTS = 8, MOST_ROUNDS = 64, FRAMES = 24 };

typedef struct setting {
    const char *name;
    int requests;
    const char *properties[PROPERTIES][2]; /* "N" stands for the threads */
    ov_compiled_model_t *compiled;
    ov_infer_request_t *running[MOST_REQUESTS];
    double ms[MOST_ROUNDS];
    uint64_t memory;
} setting;

#define THREADS(streams)                                                                                               \
    {"INFERENCE_NUM_THREADS", "N"},                                                                                    \
    {                                                                                                                  \
        "NUM_STREAMS", streams                                                                                         \
    }
#define F32                                                                                                            \
    {                                                                                                                  \
        "INFERENCE_PRECISION_HINT", "f32"                                                                              \
    }
#define PINNING(text)                                                                                                  \
    {                                                                                                                  \
        "ENABLE_CPU_PINNING", text                                                                                     \
    }

static setting settings[] = {
    {.name = "one stream, one request", .requests = 1, .properties = {THREADS("1"), F32, PINNING("NO")}},
    {.name = "one stream", .requests = 2, .properties = {THREADS("1"), F32, PINNING("NO")}},
    {.name = "one stream, pinned", .requests = 2, .properties = {THREADS("1"), F32, PINNING("YES")}},
    {.name = "a stream a thread, two requests", .requests = 2, .properties = {THREADS("N"), F32, PINNING("NO")}},
    {.name = "a stream a thread", .requests = 3, .properties = {THREADS("N"), F32, PINNING("NO")}},
    {.name = "a stream a thread, pinned", .requests = 3, .properties = {THREADS("N"), F32, PINNING("YES")}},
    {.name = "throughput hint", .requests = 3, .properties = {{"PERFORMANCE_HINT", "THROUGHPUT"}, F32}},
    {.name = "latency hint", .requests = 1, .properties = {{"PERFORMANCE_HINT", "LATENCY"}, F32}},
    {.name = "a stream a thread, precision left to OpenVINO",
     .requests = 3,
     .properties = {THREADS("N"), PINNING("NO")}},
};

static bool ok(const yk_ov *ov, ov_status_e error, const char *what)
{
    if (error != 0)
        yk_ov_fail(ov, error, what);
    return error == 0;
}

static bool prepare(const yk_ov *ov, const ov_model_t *model, const char *threads, setting *s)
{
    const char *p[2 * PROPERTIES];
    size_t n = 0;
    for (size_t i = 0; i < PROPERTIES && s->properties[i][0]; i++) {
        p[n++] = s->properties[i][0];
        p[n++] = strcmp(s->properties[i][1], "N") == 0 ? threads : s->properties[i][1];
    }
    for (size_t i = n; i < YK_COUNT(p); i++)
        p[i] = NULL;
    uint64_t before, after;
    yolk_memory_usage(&before, NULL);
    if (!ok(ov,
            ov->core_compile_model(ov->core, model, "CPU", n, &s->compiled, p[0], p[1], p[2], p[3], p[4], p[5], p[6],
                                   p[7]),
            "cannot compile"))
        return false;
    for (int r = 0; r < s->requests; r++) {
        ov_tensor_t *input;
        void *bytes;
        size_t size;
        if (!ok(ov, ov->compiled_model_create_infer_request(s->compiled, &s->running[r]), "cannot make a request") ||
            !ok(ov, ov->infer_request_get_input_tensor_by_index(s->running[r], 0, &input), "has no input") ||
            !ok(ov, ov->tensor_data(input, &bytes), "has no input") ||
            !ok(ov, ov->tensor_get_byte_size(input, &size), "has no input"))
            return false;
        /* Noise, not zeros: zeros can run faster than pictures do. */
        for (size_t i = 0; i < size; i++)
            ((uint8_t *)bytes)[i] = (uint8_t)(i * 2654435761u >> 16);
        ov->tensor_free(input);
    }
    malloc_trim(0);
    yolk_memory_usage(&after, NULL);
    s->memory = after > before ? after - before : 0;
    return true;
}

static bool run(const yk_ov *ov, setting *s, double *ms)
{
    for (int r = 0; r < s->requests; r++) {
        if (!ok(ov, ov->infer_request_start_async(s->running[r]), "cannot start"))
            return false;
    }
    const uint64_t start = yk_now_ns();
    for (int i = 0; i < FRAMES; i++) {
        ov_infer_request_t *request = s->running[i % s->requests];
        if (!ok(ov, ov->infer_request_wait(request), "failed") ||
            !ok(ov, ov->infer_request_start_async(request), "cannot start"))
            return false;
    }
    *ms = (double)(yk_now_ns() - start) / 1e6 / FRAMES;
    for (int r = 0; r < s->requests; r++) {
        if (!ok(ov, ov->infer_request_wait(s->running[r]), "failed"))
            return false;
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(setting *s, int rounds)
{
    qsort(s->ms, (size_t)rounds, sizeof(s->ms[0]), by_value);
    printf("{\"setting\": \"%s\", \"properties\": {", s->name);
    for (size_t i = 0; i < PROPERTIES && s->properties[i][0]; i++)
        printf("%s\"%s\": \"%s\"", i ? ", " : "", s->properties[i][0], s->properties[i][1]);
    printf("}, \"requests\": %d, \"best_ms\": %.3f, \"median_ms\": %.3f, \"memory_mb\": %.1f}\n", s->requests, s->ms[0],
           s->ms[rounds / 2], (double)s->memory / 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 6 || atoi(argv[5]) < 1) {
        fprintf(stderr, "usage: openvino_streams MODEL HEIGHT WIDTH THREADS ROUNDS\n");
        return 2;
    }
    const int rounds = YK_MIN(atoi(argv[5]), (int)MOST_ROUNDS);
    const yk_ov *ov = NULL;
    yk_graph *g = NULL;
    ov_model_t *model = NULL;
    yk_buffer onnx = {0};
    double warm;
    int status = 1;
    if (yk_ov_get(&ov) || yk_import_file(argv[1], &(yk_import_options){0}, &g) ||
        yk_graph_bind(g, 1, atoi(argv[2]), atoi(argv[3])) ||
        yk_export_onnx(g, &(yk_onnx_options){.u8_input = true}, &onnx) ||
        !ok(ov, ov->core_read_model_from_memory_buffer(ov->core, (const char *)onnx.data, onnx.size, NULL, &model),
            "cannot read"))
        goto fail;
    for (size_t i = 0; i < YK_COUNT(settings); i++) {
        if (!prepare(ov, model, argv[4], &settings[i]) || !run(ov, &settings[i], &warm))
            goto fail;
    }
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; i < YK_COUNT(settings); i++) {
            if (!run(ov, &settings[i], &settings[i].ms[r]))
                goto fail;
        }
    }
    for (size_t i = 0; i < YK_COUNT(settings); i++)
        print(&settings[i], rounds);
    status = 0;
fail:
    if (status)
        fprintf(stderr, "openvino_streams: %s\n", yolk_last_error());
    for (size_t i = 0; ov && i < YK_COUNT(settings); i++) {
        for (int r = 0; r < settings[i].requests && settings[i].running[r]; r++)
            ov->infer_request_free(settings[i].running[r]);
        if (settings[i].compiled)
            ov->compiled_model_free(settings[i].compiled);
    }
    if (model)
        ov->model_free(model);
    yk_buffer_free(&onnx);
    yk_graph_destroy(&g);
    return status;
}
