/* Engines of TensorRT. */
#include "convert/tensorrt.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "convert/child.h"
#include "yolk/yolk.h"

#define INSTALL "-m pip install " YK_TENSORRT_PACKAGES

typedef struct building {
    yk_job *job;
    yk_tensorrt *result;
    double share;
    bool missing;
    long long done;  /* bytes that were announced, or -1 */
    char error[512]; /* what it said about its failure */
    char other[512]; /* last line that was not meant for us */
} building;

/* "sm_86": two or three digits. */
static bool names_gpu(const char *text)
{
    if (strncmp(text, "sm_", 3) != 0)
        return false;
    size_t digits = strspn(text + 3, "0123456789");
    return digits >= 2 && digits <= 3 && text[3 + digits] == 0;
}

yolk_status yk_tensorrt_check(const yolk_convert_options *o)
{
    if (o->gpu && !names_gpu(o->gpu))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "gpu '%s': a GPU is named by its compute capability, as sm_86 for an RTX 3090 or sm_89 for an "
                       "RTX 4090",
                       o->gpu);
    if (o->batch_least < 1 || o->batch_usual < o->batch_least || o->batch_most < o->batch_usual || o->batch_most > 1024)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "batches %d, %d, %d: they are the smallest, the usual and the largest, from 1 to 1024",
                       o->batch_least, o->batch_usual, o->batch_most);
    if (o->dynamic)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "an engine of TensorRT has one input size; leave out --dynamic, its batch is open by itself");
    return YOLK_OK;
}

/* ---- building ---- */

static yolk_status take_plan(void *user, const void *bytes, size_t size)
{
    building *b = user;
    yk_buffer_add(&b->result->plan, bytes, size);
    return yk_buffer_status(&b->result->plan);
}

static yolk_status take_line(void *user, const char *line)
{
    building *b = user;
    const char *text = strchr(line, ' ');
    text = text ? text + 1 : "";
    if (strncmp(line, "@progress ", 10) == 0) {
        double share;
        if (yk_parse_double(text, &share) && share >= 0 && share <= 1)
            b->share = YK_MAX(b->share, share);
    } else if (strncmp(line, "@library ", 9) == 0) {
        /* NAME VERSION GPU */
        const char *gpu = strrchr(text, ' ');
        size_t length = gpu ? (size_t)(gpu - text) : strlen(text);
        snprintf(b->result->library, sizeof b->result->library, "%.*s", (int)YK_MIN(length, 63u), text);
        snprintf(b->result->gpu, sizeof b->result->gpu, "%s", gpu ? gpu + 1 : "");
    } else if (strcmp(line, "@missing") == 0 || strncmp(line, "@missing ", 9) == 0) {
        b->missing = true;
    } else if (strncmp(line, "@error ", 7) == 0) {
        snprintf(b->error, sizeof b->error, "%s", text);
    } else if (strncmp(line, "@done ", 6) == 0) {
        int64_t size;
        b->done = yk_parse_int(text, &size) ? size : -1;
    } else if (line[strspn(line, " \t\r")]) {
        snprintf(b->other, sizeof b->other, "%s", line);
    }
    return YOLK_OK;
}

static yolk_status step(void *user)
{
    building *b = user;
    return yk_job_step(b->job, "building with TensorRT", b->share, 1);
}

static yolk_status judge(const building *b, const char *python, int end, bool built)
{
    const char *source = b->job->source;
    if (b->missing)
        return yk_fail(YOLK_ERROR_BACKEND,
                       "%s: %s has no TensorRT-RTX to build with; install NVIDIA's package: %s " INSTALL
                       " (or name another Python with YOLK_PYTHON)",
                       source, python, python);
    if (b->error[0])
        return yk_fail(YOLK_ERROR_BACKEND, "%s: TensorRT: %s", source, b->error);
    if (!built && end == 0 && b->result->library[0])
        return YOLK_OK;
    if (b->done >= 0 && (size_t)b->done == b->result->plan.size && b->done > 0)
        return YOLK_OK;
    if (end > 128)
        return yk_fail(YOLK_ERROR_BACKEND,
                       "%s: TensorRT's build was ended by signal %d; memory may be short (%s says: %s)", source,
                       end - 128, python, b->other[0] ? b->other : "nothing");
    return yk_fail(YOLK_ERROR_BACKEND, "%s: TensorRT's build failed: %s ended with status %d and says: %s", source,
                   python, end, b->other[0] ? b->other : "nothing");
}

/* The interpreter to use, allocated, and the folder of modules that it finds the package in, or "". */
static yolk_status find_python(char **python, const char **folder)
{
    const char *set = getenv("YOLK_PYTHON");
    bool named = set && *set;
    *folder = !named && yk_is_directory(YOLK_TENSORRT_DIR) ? YOLK_TENSORRT_DIR : "";
    *python = yk_find_program(named ? set : "python3");
    if (*python)
        return YOLK_OK;
    if (named)
        return yk_fail(YOLK_ERROR_BACKEND, "%s, which YOLK_PYTHON names, cannot be run; it builds TensorRT engines",
                       set);
    return yk_fail(YOLK_ERROR_BACKEND, "engines of TensorRT are built by NVIDIA's Python package, and there is no "
                                       "python3; install it, then: python3 " INSTALL);
}

/* `onnx` NULL: it is only asked whether there is something to build with. */
static yolk_status run(yk_job *job, const yk_buffer *onnx, yk_tensorrt *out)
{
    const yolk_convert_options *o = &job->options;
    const int numbers[5] = {o->batch_least, o->batch_usual, o->batch_most, job->height, job->width};
    building b = {.job = job, .result = out, .done = -1};
    char texts[5][16], *python = NULL;
    const char *arguments[10] = {NULL, "-", "", o->gpu ? o->gpu : ""};
    yk_child child = {.arguments = arguments,
                      .input = yk_tensorrt_script,
                      .input_size = strlen(yk_tensorrt_script),
                      .output = take_plan,
                      .line = take_line,
                      .wait = step,
                      .user = &b};
    int end = -1;
    yolk_status status = find_python(&python, &arguments[2]);
    if (status != YOLK_OK)
        return status;
    arguments[0] = python;
    if (onnx) {
        child.extra = onnx->data;
        child.extra_size = onnx->size;
    }
    for (int i = 0; i < 5 && onnx; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", numbers[i]);
        arguments[4 + i] = texts[i];
    }
    status = yk_child_run(&child, &end);
    if (status == YOLK_OK)
        status = judge(&b, python, end, onnx != NULL);
    yk_free(python);
    return status;
}

yolk_status yk_tensorrt_find(yk_job *job)
{
    yk_tensorrt found = {.library = ""};
    yolk_status status = run(job, NULL, &found);
    if (status == YOLK_OK)
        yk_log(YOLK_LOG_INFO, "%s: to be built by %s for %s", job->source, found.library, found.gpu);
    yk_tensorrt_free(&found);
    return status;
}

yolk_status yk_tensorrt_build(yk_job *job, const yk_buffer *onnx, yk_tensorrt *out)
{
    return run(job, onnx, out);
}

void yk_tensorrt_free(yk_tensorrt *t)
{
    yk_buffer_free(&t->plan);
}

/* ---- what stands before the plan ---- */

/* Text of a file as JSON, which has to be UTF-8. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    char *plain = value ? NULL : yk_strdup(text);
    for (char *c = plain; c && *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    if (plain)
        value = json_string(plain);
    yk_free(plain);
    return value;
}

static json_t *names_json(const yk_graph *g)
{
    json_t *names = json_object();
    for (int i = 0; i < g->head.classes && g->class_names; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        json_object_set_new(names, key, text_json(g->class_names[i]));
    }
    return names;
}

static json_t *metadata(const yk_job *job, const yk_graph *g, const yk_tensorrt *t)
{
    const yolk_convert_options *o = &job->options;
    const bool half = o->precision == YOLK_PRECISION_FP16, int8 = o->precision == YOLK_PRECISION_INT8;
    const bool end2end = g->head.end2end || g->head.kind == YK_HEAD_DECODED_END2END;
    json_t *root = json_object();
    json_object_set_new(root, "yolk",
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:[i,i,i], s:o, s:I}", "version", yolk_version(),
                                  "library", t->library, "gpu", t->gpu, "precision", yolk_precision_name(o->precision),
                                  "check", job->report->public.text, "batches", o->batch_least, o->batch_usual,
                                  o->batch_most, "source", text_json(yk_base_name(job->source)), "source_bytes",
                                  (json_int_t)job->report->public.source_bytes));
    json_object_set_new(root, "description",
                        json_pack("s++", g->family && *g->family ? "" : "YOLO", g->family ? g->family : "",
                                  " model, converted by yolk"));
    json_object_set_new(root, "task", json_string("detect"));
    json_object_set_new(root, "stride", json_integer(g->stride));
    json_object_set_new(root, "batch", json_integer(o->batch_most));
    json_object_set_new(root, "imgsz", json_pack("[i,i]", job->height, job->width));
    json_object_set_new(root, "channels", json_integer(3));
    json_object_set_new(root, "end2end", json_boolean(end2end));
    json_object_set_new(root, "args",
                        json_pack("{s:b, s:i, s:b, s:b, s:b}", "dynamic", o->batch_most > o->batch_least, "batch",
                                  o->batch_most, "half", half, "int8", int8, "nms", 0));
    json_object_set_new(root, "names", names_json(g));
    return root;
}

yolk_status yk_tensorrt_header(const yk_job *job, const yk_graph *g, const yk_tensorrt *t, yk_buffer *out)
{
    json_t *root = metadata(job, g, t);
    char *text =
        root && json_object_get(root, "yolk") &&
                json_object_size(json_object_get(root, "names")) == (size_t)(g->class_names ? g->head.classes : 0)
            ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII)
            : NULL;
    json_decref(root);
    if (!text)
        return yk_fail_memory(0);
    const size_t length = strlen(text);
    const uint8_t bytes[4] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16),
                              (uint8_t)(length >> 24)};
    yk_buffer_add(out, bytes, sizeof bytes);
    yk_buffer_text(out, text);
    free(text);
    return yk_buffer_status(out);
}
