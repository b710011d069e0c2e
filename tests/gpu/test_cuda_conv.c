/* Each convolution kernel of the GPU against plain sums in double precision, on fresh random numbers that halves hold:
 * views in wider pixels, poisoned results, odd sizes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cuda/program.h"
#include "gpu_memory.h"
#include "graph/graph.h"

typedef struct shape {
    int batch, height, width, in, out, kernel, stride, pad, groups;
    bool residual;
    yk_act act;
} shape;

static uint32_t state;

/* -1 to 1, as a half holds it. */
static float number(void)
{
    state = state * 1664525u + 1013904223u;
    return yk_half_to_float(yk_float_to_half((float)(state >> 8) / 8388608.0f - 1.0f));
}

static double activate(yk_act act, double x)
{
    switch (act) {
    case YK_ACT_SILU:
        return x / (1 + exp(-x));
    case YK_ACT_RELU:
        return x > 0 ? x : 0;
    case YK_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.1f * x;
    case YK_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case YK_ACT_HARD_SWISH:
        return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    default:
        return x;
    }
}

static double expected(const shape *s, const yk_cuda_conv *c, const float *in, const float *weights, const float *bias,
                       const float *residual, int n, int y, int x, int o)
{
    const int per_group = s->in / s->groups, group = o / (s->out / s->groups);
    double sum = bias[o];
    for (int ky = 0; ky < s->kernel; ky++) {
        for (int kx = 0; kx < s->kernel; kx++) {
            const int iy = y * s->stride - s->pad + ky, ix = x * s->stride - s->pad + kx;
            if (iy < 0 || iy >= s->height || ix < 0 || ix >= s->width)
                continue;
            for (int i = 0; i < per_group; i++)
                sum += (double)c->scale *
                       (double)in[((size_t)(n * s->height + iy) * (size_t)s->width + (size_t)ix) * (size_t)c->in_pixel +
                                  (size_t)(group * per_group + i)] *
                       (double)weights[(((size_t)o * (size_t)per_group + (size_t)i) * (size_t)s->kernel + (size_t)ky) *
                                           (size_t)s->kernel +
                                       (size_t)kx];
        }
    }
    sum = activate(s->act, sum);
    const size_t pixel = (size_t)(n * c->out_height + y) * (size_t)c->out_width + (size_t)x;
    return residual ? sum + (double)residual[pixel * (size_t)c->residual_pixel + (size_t)o] : sum;
}

/* In halves, floats or bytes; all elements of the pixels, those of other tensors too. */
static void *upload_as(yk_cuda_type type, const float *values, size_t count)
{
    const size_t size = type == YK_CUDA_HALF ? 2 : type == YK_CUDA_FLOAT ? 4 : 1;
    uint8_t *host = yk_calloc(count, size);
    assert_non_null(host);
    for (size_t i = 0; i < count; i++) {
        const uint16_t half = yk_float_to_half(values[i]);
        const uint8_t byte = (uint8_t)values[i];
        memcpy(host + i * size,
               type == YK_CUDA_HALF    ? (const void *)&half
               : type == YK_CUDA_FLOAT ? (const void *)&values[i]
                                       : &byte,
               size);
    }
    void *device = gpu_copy(host, count * size);
    yk_free(host);
    return device;
}

static float *numbers(size_t count, bool bytes, float scale)
{
    float *v = yk_calloc(count, sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < count; i++)
        v[i] = bytes ? floorf((number() + 1) * 127.9f) : yk_half_to_float(yk_float_to_half(number() * scale));
    return v;
}

enum { POISON = 0x7e77 }; /* a NaN */

static void check(const yk_cuda_conv_kernel *k, const shape *s, yk_cuda_conv c, yk_cuda_type out_type, const float *in,
                  const float *weights, const float *bias, const float *residual)
{
    const size_t pixels = (size_t)(s->batch * c.out_height * c.out_width), count = pixels * (size_t)c.out_pixel;
    const size_t size = out_type == YK_CUDA_HALF ? 2 : 4, packed = k->packed_bytes(&c);
    uint8_t *host = yk_calloc(YK_MAX(packed, 1), 1), *result = yk_calloc(count, size);
    for (size_t i = 0; i < count * size / 2; i++)
        memcpy(result + 2 * i, &(uint16_t){POISON}, 2);
    k->pack(&c, weights, host);
    c.weights = gpu_copy(host, packed);
    c.bias = gpu_copy(bias, (size_t)s->out * sizeof *bias);
    c.out = gpu_copy(result, count * size);
    assert_true(k->fits(&c));
    assert_int_equal(k->run(&c, NULL), cudaSuccess);
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    assert_int_equal(cudaMemcpy(result, c.out, count * size, cudaMemcpyDeviceToHost), cudaSuccess);
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        const int channel = (int)(i % (size_t)c.out_pixel);
        uint16_t half;
        float value;
        memcpy(&half, result + i * size, 2);
        if (channel >= s->out) {
            if (half != POISON)
                fail_msg("%s wrote beside its channels", k->name);
            continue;
        }
        if (size == 4)
            memcpy(&value, result + i * size, 4);
        else
            value = yk_half_to_float(half);
        /* All of a few, and every 7th of many. */
        if (count > 100000 && i % 7 != 0 && !isnan(value))
            continue;
        const size_t pixel = i / (size_t)c.out_pixel;
        const double want = expected(
            s, &c, in, weights, bias, residual, (int)(pixel / (size_t)(c.out_height * c.out_width)),
            (int)(pixel / (size_t)c.out_width % (size_t)c.out_height), (int)(pixel % (size_t)c.out_width), channel);
        const double error = fabs((double)value - want) / (1 + fabs(want));
        if (!(error < (size == 4 ? 1e-5 : 2e-3)))
            fail_msg("%s: %dx%dx%dx%d to %d, %dx%d/%d, groups %d: element %zu is %g, not %g", k->name, s->batch, s->in,
                     s->height, s->width, s->out, s->kernel, s->kernel, s->stride, s->groups, i, (double)value, want);
        most = fmax(most, error);
    }
    cudaFree((void *)(uintptr_t)c.weights);
    cudaFree((void *)(uintptr_t)c.bias);
    cudaFree((void *)(uintptr_t)c.out);
    yk_free(host);
    yk_free(result);
    (void)most;
}

/* Every kernel that fits; how many there were. */
static int check_all(const shape *s, yk_cuda_type in_type, yk_cuda_type out_type, int in_more, int out_more)
{
    yk_cuda_conv c = {.batch = s->batch,
                      .in_height = s->height,
                      .in_width = s->width,
                      .in_channels = s->in,
                      .in_pixel = s->in + in_more,
                      .out_height = (s->height + 2 * s->pad - s->kernel) / s->stride + 1,
                      .out_width = (s->width + 2 * s->pad - s->kernel) / s->stride + 1,
                      .out_channels = s->out,
                      .out_pixel = s->out + out_more,
                      .residual_pixel = s->residual ? (s->out + 15) / 8 * 8 : 0,
                      .kernel = {s->kernel, s->kernel},
                      .stride = {s->stride, s->stride},
                      .pad = {s->pad, s->pad},
                      .dilation = {1, 1},
                      .groups = s->groups,
                      .act = s->act,
                      .slope = 0.1f,
                      .scale = in_type == YK_CUDA_BYTE ? 1.0f / 255 : 1,
                      .in_type = in_type,
                      .out_type = out_type};
    const size_t in_count = (size_t)(s->batch * s->height * s->width) * (size_t)c.in_pixel;
    const size_t pixels = (size_t)(s->batch * c.out_height * c.out_width);
    const size_t sum = (size_t)(s->in / s->groups * s->kernel * s->kernel);
    float *in = numbers(in_count, in_type == YK_CUDA_BYTE, 1);
    float *weights = numbers((size_t)s->out * sum, false, 1 / sqrtf((float)sum)),
          *bias = numbers((size_t)s->out, false, 1);
    float *residual = s->residual ? numbers(pixels * (size_t)c.residual_pixel, false, 1) : NULL;
    c.in = upload_as(in_type, in, in_count);
    c.residual = residual ? upload_as(out_type, residual, pixels * (size_t)c.residual_pixel) : NULL;
    c.out = (void *)(uintptr_t)256;
    int count = 0;
    for (const yk_cuda_conv_kernel *const *k = yk_cuda_conv_kernels; *k; k++) {
        if (!(*k)->fits(&c))
            continue;
        check(*k, s, c, out_type, in, weights, bias, residual);
        count++;
    }
    cudaFree((void *)(uintptr_t)c.in);
    cudaFree((void *)(uintptr_t)c.residual);
    yk_free(in);
    yk_free(weights);
    yk_free(bias);
    yk_free(residual);
    return count;
}

static void matrix_products(void **unused)
{
    static const shape shapes[] = {
        {1, 1, 1, 8, 8, 1, 1, 0, 1, false, YK_ACT_NONE},
        {1, 33, 97, 16, 80, 1, 1, 0, 1, false, YK_ACT_SILU},
        {3, 13, 17, 24, 40, 3, 1, 1, 1, true, YK_ACT_SILU},
        {2, 20, 20, 64, 128, 3, 2, 1, 1, false, YK_ACT_RELU},
        {1, 21, 19, 128, 255, 1, 1, 0, 1, true, YK_ACT_NONE},
        {1, 40, 41, 72, 3, 3, 1, 1, 1, false, YK_ACT_SIGMOID},
        {1, 1, 1, 8, 1000, 3, 1, 1, 1, false, YK_ACT_NONE},
        {64, 5, 7, 48, 64, 3, 1, 1, 1, true, YK_ACT_SILU},
        {1, 64, 64, 16, 16, 6, 2, 2, 1, false, YK_ACT_SILU},
        {1, 19, 23, 320, 136, 1, 2, 0, 1, false, YK_ACT_HARD_SWISH},
        {2, 16, 16, 256, 192, 3, 1, 1, 1, true, YK_ACT_LEAKY_RELU},
        {2, 33, 37, 64, 64, 3, 1, 1, 1, true, YK_ACT_SILU},
        {1, 33, 97, 32, 40, 3, 1, 1, 1, false, YK_ACT_SILU},
        {3, 17, 35, 96, 72, 3, 2, 1, 1, true, YK_ACT_SILU},
        {1, 20, 20, 128, 200, 3, 1, 1, 1, false, YK_ACT_NONE},
        {5, 9, 31, 8, 4, 3, 2, 1, 1, true, YK_ACT_SILU},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++)
        assert_true(check_all(&shapes[i], YK_CUDA_HALF, YK_CUDA_HALF, 8, 24 - shapes[i].out % 8) >= 10);
}

static void depthwise(void **unused)
{
    static const shape shapes[] = {
        {1, 33, 97, 80, 80, 3, 1, 1, 80, true, YK_ACT_SILU},     {3, 20, 21, 64, 64, 5, 2, 2, 64, false, YK_ACT_NONE},
        {2, 7, 6, 8, 8, 7, 1, 3, 8, false, YK_ACT_SILU},         {1, 1, 1, 16, 16, 3, 1, 1, 16, true, YK_ACT_RELU},
        {1, 40, 40, 128, 128, 3, 2, 1, 128, false, YK_ACT_SILU},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++)
        assert_true(check_all(&shapes[i], YK_CUDA_HALF, YK_CUDA_HALF, 16, 8) >= 3);
}

static void first_of_bytes(void **unused)
{
    static const shape shapes[] = {
        {1, 64, 64, 3, 16, 3, 2, 1, 1, false, YK_ACT_SILU},
        {3, 33, 97, 3, 80, 3, 2, 1, 1, false, YK_ACT_SILU},
        {2, 32, 62, 3, 32, 6, 2, 2, 1, false, YK_ACT_SILU},
        {1, 32, 32, 3, 24, 3, 1, 1, 1, false, YK_ACT_NONE},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++) {
        assert_true(check_all(&shapes[i], YK_CUDA_BYTE, YK_CUDA_HALF, 0, 8) >= 2);
        assert_true(check_all(&shapes[i], YK_CUDA_BYTE, YK_CUDA_FLOAT, 0, 8) >= 1);
    }
}

static void any_at_all(void **unused)
{
    static const shape shapes[] = {
        {1, 9, 8, 6, 9, 3, 1, 1, 3, true, YK_ACT_SILU},
        {2, 5, 5, 7, 5, 5, 2, 2, 1, false, YK_ACT_LEAKY_RELU},
        {1, 12, 13, 12, 24, 3, 1, 1, 1, true, YK_ACT_SILU},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++) {
        assert_true(check_all(&shapes[i], YK_CUDA_FLOAT, YK_CUDA_FLOAT, 3, 5) >= 1);
        assert_true(check_all(&shapes[i], YK_CUDA_HALF, YK_CUDA_HALF, 3, 5) >= 1);
    }
}

int main(void)
{
    state = (uint32_t)time(NULL);
    fprintf(stderr, "# seed %u\n", state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_products),
        cmocka_unit_test(depthwise),
        cmocka_unit_test(first_of_bytes),
        cmocka_unit_test(any_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
