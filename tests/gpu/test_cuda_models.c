/* Whole networks on the GPU: the models in YOLK_GPU_MODELS (a folder) and small made-up ones, compared with the
 * reference backend and, where that would take minutes, with the native one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/cuda.h"
#include "gpu_memory.h"
#include "import/import.h"

static void must(yolk_status status)
{
    if (status != YOLK_OK)
        fail_msg("%s", yolk_last_error());
}

static uint32_t state = 1;

static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        /* Like a picture: neighbours are alike. */
        bytes[i] =
            i >= 3 && state >> 30 ? (uint8_t)(bytes[i - 3] + (int)(state >> 16 & 15) - 7) : (uint8_t)(state >> 24);
    }
}

/* ||a - b|| / ||b|| over all outputs. */
static double distance(const yk_graph *g, const yk_backend *a, yk_exec *ea, int slot, const yk_backend *b, yk_exec *eb)
{
    double difference = 0, norm = 0;
    for (int i = 0; i < g->output_count; i++) {
        const int64_t count = yk_shape_count(&g->values[g->outputs[i]].shape);
        const float *x = a->output(ea, slot, i), *y = b->output(eb, 0, i);
        for (int64_t k = 0; k < count; k++) {
            difference += ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
            norm += (double)y[k] * (double)y[k];
        }
    }
    return sqrt(difference / norm);
}

static bool same(const yk_graph *g, yk_exec *a, int slot, yk_exec *b, int other)
{
    for (int i = 0; i < g->output_count; i++) {
        const size_t size = (size_t)yk_shape_count(&g->values[g->outputs[i]].shape) * sizeof(float);
        if (memcmp(yk_backend_cuda.output(a, slot, i), yk_backend_cuda.output(b, other, i), size) != 0)
            return false;
    }
    return true;
}

static void run(const yk_backend *b, yk_exec *e, int slot)
{
    must(b->start(e, slot));
    must(b->wait(e, slot));
}

static void check_model(const char *path, int batch, int height, int width)
{
    const yk_backend *gpu = &yk_backend_cuda, *cpu = &yk_backend_native;
    yk_graph *g;
    yk_exec *truth, *e, *tuned, *loaded;
    yk_buffer saved = {0};
    const size_t size = (size_t)batch * (size_t)height * (size_t)width * 3;
    must(yk_import_file(path, NULL, &g));
    must(yk_graph_bind(g, batch, height, width));
    must(cpu->compile(g, &(yk_compile_options){.latency = true}, &truth));
    fill(cpu->input(truth, 0), size);
    run(cpu, truth, 0);

    must(gpu->compile(g, &(yk_compile_options){0}, &e));
    memcpy(gpu->input(e, 0), cpu->input(truth, 0), size);
    run(gpu, e, 0);
    const double floats = distance(g, gpu, e, 0, cpu, truth);
    gpu->destroy(&e);

    must(gpu->compile(g, &(yk_compile_options){.half = true, .slots = 3}, &e));
    for (int i = 0; i < 3; i++)
        memcpy(gpu->input(e, i), cpu->input(truth, 0), size);
    for (int i = 0; i < 3; i++)
        must(gpu->start(e, i));
    for (int i = 0; i < 3; i++)
        must(gpu->wait(e, i));
    const double halves = distance(g, gpu, e, 0, cpu, truth);
    assert_true(same(g, e, 0, e, 1));
    assert_true(same(g, e, 0, e, 2));

    must(gpu->compile(g, &(yk_compile_options){.half = true, .tune = true}, &tuned));
    memcpy(gpu->input(tuned, 0), cpu->input(truth, 0), size);
    run(gpu, tuned, 0);
    const double chosen = distance(g, gpu, tuned, 0, cpu, truth);
    must(gpu->save(tuned, &saved));
    must(gpu->load(saved.data, saved.size, g, &(yk_compile_options){.half = true}, &loaded));
    memcpy(gpu->input(loaded, 0), cpu->input(truth, 0), size);
    run(gpu, loaded, 0);
    assert_true(same(g, loaded, 0, tuned, 0));

    printf("# %s, %dx%dx%d: fp32 %.1e, fp16 %.1e, tuned %.1e\n", yk_base_name(path), batch, height, width, floats,
           halves, chosen);
    assert_true(floats < 2e-5);
    assert_true(halves < 1e-2);
    assert_true(chosen < 1e-2);
    gpu->destroy(&e);
    gpu->destroy(&tuned);
    gpu->destroy(&loaded);
    cpu->destroy(&truth);
    yk_buffer_free(&saved);
    yk_graph_destroy(&g);
}

static void real_models(void **unused)
{
    (void)unused;
    gpu_needed();
    const char *folder = getenv("YOLK_GPU_MODELS");
    char **names;
    size_t count;
    if (!folder)
        skip();
    must(yk_list_directory(folder, &names, &count));
    size_t checked = 0;
    for (size_t i = 0; i < count; i++) {
        const char *ending = yk_extension(names[i]);
        if (strcmp(ending, ".pt") != 0 && strcmp(ending, ".onnx") != 0)
            continue;
        char *path = yk_path_join(folder, names[i]);
        yk_graph *g;
        must(yk_import_file(path, NULL, &g));
        const bool batches = g->dynamic_batch, sizes = g->dynamic_size;
        const bool bytes = strcmp(yk_graph_precision(g), "int8") == 0; /* for test_cuda_int8 */
        const int height = g->input_height, width = g->input_width;
        yk_graph_destroy(&g);
        if (bytes) {
            yk_free(path);
            continue;
        }
        check_model(path, 1, height, width);
        if (sizes)
            check_model(path, 1, 384, 640);
        if (batches && sizes)
            check_model(path, 3, 192, 320);
        yk_free(path);
        checked++;
    }
    yk_names_free(names);
    assert_true(checked > 0);
}

/* ---- small networks of layers that detectors have and the real ones above have not ---- */

typedef yk_id (*build)(yk_graph *g, yk_id x);

static yk_id conv(yk_graph *g, yk_id x, int in, int out, int kernel, int stride, int groups, yk_act act,
                  const char *name)
{
    const size_t count = (size_t)out * (size_t)(in / groups * kernel * kernel);
    float *weights = yk_calloc(count, sizeof *weights), bias[256];
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        weights[i] = ((float)(state >> 8) / 8388608.0f - 1) * sqrtf(3.0f / (float)(in / groups * kernel * kernel));
    }
    for (int i = 0; i < out; i++)
        bias[i] = 0.1f * (float)(i % 5);
    const yk_conv c = {.out = out,
                       .kernel = {kernel, kernel},
                       .stride = {stride, stride},
                       .pad = {kernel / 2, kernel / 2, kernel / 2, kernel / 2},
                       .dilation = 1,
                       .groups = groups,
                       .weights = weights,
                       .bias = bias,
                       .act = act};
    const yk_id y = yk_build_conv(g, x, in, &c, name);
    yk_free(weights);
    return y;
}

static yk_id pools(yk_graph *g, yk_id x)
{
    x = conv(g, x, 3, 24, 3, 2, 1, YK_ACT_SILU, "a");
    const yk_id parts[] = {yk_build_max_pool(g, x, 3, 1, 1, "m"), yk_build_average_pool(g, x, 3, 1, 1, "v"), x};
    x = yk_build_concat(g, parts, 3, 1, "c");
    return conv(g, yk_build_average_pool(g, x, 2, 2, 0, "w"), 72, 12, 3, 1, 1, YK_ACT_NONE, "b");
}

static yk_id gates(yk_graph *g, yk_id x)
{
    x = conv(g, x, 3, 16, 3, 2, 1, YK_ACT_RELU, "a");
    const yk_id gate = yk_build_unary(g, YK_OP_SIGMOID, conv(g, x, 16, 16, 1, 1, 1, YK_ACT_NONE, "b"), "s");
    x = yk_build_binary(g, YK_OP_MUL, x, gate, "m");
    x = yk_build_binary(g, YK_OP_MUL, x, yk_build_scalar(g, 0.5f), "h");
    return yk_build_unary(g, YK_OP_MISH, conv(g, x, 16, 8, 3, 1, 1, YK_ACT_LEAKY_RELU, "c"), "i");
}

/* Channels that are no multiple of 8 anywhere, groups, and slices in odd places. */
static yk_id odd(yk_graph *g, yk_id x)
{
    x = conv(g, x, 3, 18, 3, 1, 1, YK_ACT_SILU, "a");
    const yk_id low = yk_build_slice(g, x, 1, 0, 7, "l"), high = yk_build_slice(g, x, 1, 7, 18, "u");
    const yk_id parts[] = {yk_build_upsample(g, high, 2, "x"), yk_build_upsample(g, low, 2, "y")};
    x = yk_build_concat(g, parts, 2, 1, "c");
    return conv(g, conv(g, x, 18, 18, 3, 2, 6, YK_ACT_SILU, "b"), 18, 5, 1, 1, 1, YK_ACT_NONE, "d");
}

static yk_id softmaxes(yk_graph *g, yk_id x)
{
    x = conv(g, x, 3, 16, 3, 2, 1, YK_ACT_SILU, "a");
    const yk_id rows = yk_build_reshape(g, x, (const int64_t[]){0, 16, -1}, 3, 1, "r");
    const yk_id turned = yk_build_transpose(g, rows, (const int[]){0, 2, 1}, 3, "t");
    const yk_id scores = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, rows, turned, "s"), -1, "o");
    return yk_build_binary(g, YK_OP_MATMUL, scores, rows, "v");
}

static void check_small(const char *name, build make, int batch, int height, int width)
{
    const yk_backend *gpu = &yk_backend_cuda, *cpu = &yk_backend_reference;
    yk_graph *g;
    must(yk_graph_create(&g));
    const yk_id out = make(g, yk_graph_add_input(g, "x"));
    if (out == YK_NONE)
        fail_msg("%s", yolk_last_error());
    must(yk_graph_add_output(g, out));
    g->head.unit_range = true;
    must(yk_graph_bind(g, batch, height, width));
    yk_exec *truth, *e;
    const size_t size = (size_t)batch * (size_t)height * (size_t)width * 3;
    must(cpu->compile(g, &(yk_compile_options){0}, &truth));
    fill(cpu->input(truth, 0), size);
    run(cpu, truth, 0);
    for (int half = 0; half < 2; half++) {
        must(gpu->compile(g, &(yk_compile_options){.half = half}, &e));
        memcpy(gpu->input(e, 0), cpu->input(truth, 0), size);
        run(gpu, e, 0);
        const double d = distance(g, gpu, e, 0, cpu, truth);
        if (!(d < (half ? 5e-3 : 1e-5)))
            fail_msg("%s, %dx%dx%d, %s: off by %g", name, batch, height, width, half ? "fp16" : "fp32", d);
        gpu->destroy(&e);
    }
    cpu->destroy(&truth);
    yk_graph_destroy(&g);
}

static void small_networks(void **unused)
{
    static const struct {
        const char *name;
        build make;
    } all[] = {{"pools", pools}, {"gates", gates}, {"odd", odd}, {"softmaxes", softmaxes}};
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(all); i++) {
        check_small(all[i].name, all[i].make, 1, 32, 32);
        check_small(all[i].name, all[i].make, 3, 33, 47);
        check_small(all[i].name, all[i].make, 2, 96, 16);
    }
}

static void what_cannot_be_is_said(void **unused)
{
    (void)unused;
    gpu_needed();
    yk_graph *g;
    yk_exec *e;
    must(yk_graph_create(&g));
    const yk_id x = yk_graph_add_input(g, "x");
    const yk_id floor = yk_build_unary(g, YK_OP_FLOOR, conv(g, x, 3, 8, 3, 1, 1, YK_ACT_NONE, "a"), "steps");
    must(yk_graph_add_output(g, floor));
    must(yk_graph_bind(g, 1, 32, 32));
    assert_int_equal(yk_backend_cuda.compile(g, &(yk_compile_options){.half = true}, &e), YOLK_ERROR_UNSUPPORTED);
    assert_non_null(strstr(yolk_last_error(), "\"steps\""));
    assert_non_null(strstr(yolk_last_error(), "Floor"));
    assert_null(e);
    yk_graph_destroy(&g);
}

static void damaged_bytes_are_refused(void **unused)
{
    (void)unused;
    gpu_needed();
    yk_graph *g;
    yk_exec *e, *other;
    yk_buffer saved = {0};
    must(yk_graph_create(&g));
    must(yk_graph_add_output(g, pools(g, yk_graph_add_input(g, "x"))));
    must(yk_graph_bind(g, 1, 32, 32));
    must(yk_backend_cuda.compile(g, &(yk_compile_options){.half = true}, &e));
    must(yk_backend_cuda.save(e, &saved));
    for (size_t cut = 0; cut < saved.size; cut += 1 + saved.size / 37) {
        assert_int_not_equal(yk_backend_cuda.load(saved.data, cut, g, &(yk_compile_options){.half = true}, &other),
                             YOLK_OK);
        assert_null(other);
    }
    yk_backend_cuda.destroy(&e);
    yk_buffer_free(&saved);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_networks),
        cmocka_unit_test(what_cannot_be_is_said),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
