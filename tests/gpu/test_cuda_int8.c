/* 8-bit networks on the GPU: each kernel against sums of whole numbers, on fresh random bytes, with views in wider
 * pixels and poisoned results; each step of a plan as the plan's own evaluation has it; whole models. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cuda/cuda.h"
#include "gpu_memory.h"
#include "import/import.h"
#include "int8_test.h"
#include "plan_test.h"

static uint32_t state;

static uint32_t noise(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

/* ---- kernels ---- */

typedef struct shape {
    int batch, height, width, in, out, kernel, stride, pad, groups;
    bool residual;
    yk_act act;
} shape;

typedef struct operands {
    uint8_t *in, *residual;
    uint16_t *halves; /* instead of the residual's bytes */
    int8_t *weights;
    float *scales, *bias;
} operands;

static double activate(yk_act act, double x)
{
    switch (act) {
    case YK_ACT_SILU:
        return x / (1 + exp(-x));
    case YK_ACT_RELU:
        return x > 0 ? x : 0;
    case YK_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.1 * x;
    case YK_ACT_HARD_SWISH:
        return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    default:
        return x;
    }
}

static double expected(const shape *s, const yk_cuda_conv *c, const operands *d, size_t pixel, int o)
{
    const int per_group = s->in / s->groups, group = o / (s->out / s->groups);
    const int x = (int)(pixel % (size_t)c->out_width), y = (int)(pixel / (size_t)c->out_width) % c->out_height;
    const int n = (int)(pixel / (size_t)c->out_width) / c->out_height;
    int sum = 0;
    for (int ky = 0; ky < s->kernel; ky++) {
        for (int kx = 0; kx < s->kernel; kx++) {
            const int iy = y * s->stride - s->pad + ky, ix = x * s->stride - s->pad + kx;
            if (iy < 0 || iy >= s->height || ix < 0 || ix >= s->width)
                continue;
            const uint8_t *from = d->in + (size_t)((n * s->height + iy) * s->width + ix) * (size_t)c->in_pixel;
            for (int i = 0; i < per_group; i++)
                sum += (from[group * per_group + i] - c->in_number.zero) *
                       d->weights[((o * per_group + i) * s->kernel + ky) * s->kernel + kx];
        }
    }
    const double scale = (double)c->in_number.scale * (double)d->scales[o];
    double v = activate(s->act, sum * scale + (double)d->bias[o]);
    if (d->halves)
        v += (double)yk_half_to_float(d->halves[pixel * (size_t)c->residual_pixel + (size_t)o]);
    else if (d->residual)
        v += (d->residual[pixel * (size_t)c->residual_pixel + (size_t)o] - c->residual_number.zero) *
             (double)c->residual_number.scale;
    return v;
}

static size_t size_of(yk_cuda_type type)
{
    return type == YK_CUDA_BYTE ? 1 : type == YK_CUDA_HALF ? 2 : 4;
}

static double value_of(const yk_cuda_conv *c, const uint8_t *at)
{
    uint16_t half;
    float value;
    memcpy(&half, at, size_of(c->out_type) < 2 ? 1 : 2);
    if (c->out_type == YK_CUDA_BYTE)
        return *at;
    if (c->out_type == YK_CUDA_HALF)
        return (double)yk_half_to_float(half);
    memcpy(&value, at, sizeof value);
    return (double)value;
}

/* Every byte is written to twice, over different poison: what keeps the poison was not written. */
static void check(const yk_cuda_conv_kernel *k, const shape *s, yk_cuda_conv c, const operands *d)
{
    const size_t pixels = (size_t)(s->batch * c.out_height * c.out_width), count = pixels * (size_t)c.out_pixel;
    const size_t size = size_of(c.out_type), packed = k->packed_bytes(&c), kept = yk_cuda_conv_channel_bytes(&c);
    uint8_t *weights = yk_calloc(YK_MAX(packed, 1), 1), *channels = yk_calloc(kept, 1);
    k->pack(&c, d->weights, weights);
    yk_cuda_conv_pack_channels(&c, d->weights, d->scales, d->bias, channels);
    c.weights = gpu_copy(weights, packed);
    void *device_channels = gpu_copy(channels, kept);
    yk_cuda_conv_channels(&c, device_channels);
    size_t beside = 0, compared = 0;
    for (int poison = 0x35; poison <= 0xca; poison += 0x95) {
        c.out = gpu_filled(count * size, poison);
        assert_int_equal(k->run(&c, NULL), cudaSuccess);
        uint8_t *result = gpu_fetch(c.out, count * size);
        for (size_t i = 0; i < count; i++) {
            const int channel = (int)(i % (size_t)c.out_pixel);
            for (size_t b = 0; b < size && channel >= s->out; b++) {
                if (result[i * size + b] != poison)
                    fail_msg("%s wrote beside its channels", k->name);
            }
            if (channel >= s->out || (count > 100000 && i % 7 != 0))
                continue;
            const double got = value_of(&c, result + i * size);
            double want = expected(s, &c, d, i / (size_t)c.out_pixel, channel), most = 2e-3 * (1 + fabs(want));
            if (c.out_type == YK_CUDA_BYTE) {
                want = rint(want / (double)c.out_number.scale) + c.out_number.zero;
                want = fmin(fmax(want, 0), 255);
                most = 1;
                beside += got != want;
                compared++;
            }
            if (!(fabs(got - want) <= most))
                fail_msg("%s: %dx%dx%dx%d to %d, %dx%d/%d, groups %d: element %zu is %g, not %g", k->name, s->batch,
                         s->in, s->height, s->width, s->out, s->kernel, s->kernel, s->stride, s->groups, i, got, want);
        }
        free(result);
        cudaFree(c.out);
    }
    if (beside > compared / 50 + 2)
        fail_msg("%s: %zu of %zu bytes are the number beside", k->name, beside, compared);
    cudaFree((void *)(uintptr_t)c.weights);
    cudaFree(device_channels);
    yk_free(weights);
    yk_free(channels);
}

static uint8_t *random_bytes(size_t count)
{
    uint8_t *bytes = yk_calloc(count, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)noise();
    return bytes;
}

static float number(float low, float high)
{
    return low + (high - low) * (float)noise() / 16777216.0f;
}

/* Every kernel that fits; how many there were. What is added is bytes or halves. */
static int check_all(const shape *s, yk_cuda_type out_type, int in_more, int out_more)
{
    const bool halves = s->residual && noise() % 2 == 0;
    yk_cuda_conv c = {.batch = s->batch,
                      .in_height = s->height,
                      .in_width = s->width,
                      .in_channels = s->in,
                      .in_pixel = s->in + in_more,
                      .out_height = (s->height + 2 * s->pad - s->kernel) / s->stride + 1,
                      .out_width = (s->width + 2 * s->pad - s->kernel) / s->stride + 1,
                      .out_channels = s->out,
                      .out_pixel = s->out + out_more,
                      .residual_pixel = s->residual ? (s->out + 31) / 16 * 16 : 0,
                      .kernel = {s->kernel, s->kernel},
                      .stride = {s->stride, s->stride},
                      .pad = {s->pad, s->pad},
                      .dilation = {1, 1},
                      .groups = s->groups,
                      .act = s->act,
                      .slope = 0.1f,
                      .scale = 1,
                      .in_type = YK_CUDA_BYTE,
                      .out_type = out_type,
                      .residual_type = halves ? YK_CUDA_HALF : YK_CUDA_BYTE,
                      .int8 = true};
    const int sum = s->in / s->groups * s->kernel * s->kernel;
    const size_t in_count = (size_t)(s->batch * s->height * s->width) * (size_t)c.in_pixel;
    const size_t pixels = (size_t)(s->batch * c.out_height * c.out_width);
    operands d = {.in = random_bytes(in_count), .weights = (int8_t *)random_bytes((size_t)(s->out * sum))};
    d.scales = yk_calloc((size_t)s->out, sizeof(float));
    d.bias = yk_calloc((size_t)s->out, sizeof(float));
    for (int o = 0; o < s->out; o++) {
        d.scales[o] = number(0.5f, 2) / sqrtf((float)sum) / 100;
        d.bias[o] = number(-1, 1);
    }
    const int zeros[] = {0, 7, 128, 255};
    c.in_number = yk_cuda_number_of(0.03f, zeros[noise() % 4]);
    c.out_number = yk_cuda_number_of(0.041f, zeros[noise() % 3]);
    c.residual_number = yk_cuda_number_of(0.02f, zeros[noise() % 4]);
    if (halves) {
        const size_t more = pixels * (size_t)c.residual_pixel;
        d.halves = yk_calloc(more, sizeof *d.halves);
        for (size_t i = 0; i < more; i++)
            d.halves[i] = yk_float_to_half(number(-3, 3));
        c.residual = gpu_copy(d.halves, more * sizeof *d.halves);
    } else if (s->residual) {
        d.residual = random_bytes(pixels * (size_t)c.residual_pixel);
        c.residual = gpu_copy(d.residual, pixels * (size_t)c.residual_pixel);
    }
    c.in = gpu_copy(d.in, in_count);
    c.out = (void *)(uintptr_t)256;
    int count = 0;
    for (const yk_cuda_conv_kernel *const *k = yk_cuda_conv_kernels; *k; k++) {
        if (!(*k)->fits(&c))
            continue;
        check(*k, s, c, &d);
        count++;
    }
    cudaFree((void *)(uintptr_t)c.in);
    cudaFree((void *)(uintptr_t)c.residual);
    yk_free(d.in);
    yk_free(d.residual);
    yk_free(d.halves);
    yk_free(d.weights);
    yk_free(d.scales);
    yk_free(d.bias);
    return count;
}

static int to_multiple(int n)
{
    return (n + 15) / 16 * 16 - n;
}

static void matrix_products(void **unused)
{
    static const shape shapes[] = {
        {1, 1, 1, 8, 8, 1, 1, 0, 1, false, YK_ACT_NONE},
        {1, 33, 97, 16, 80, 1, 1, 0, 1, false, YK_ACT_SILU},
        {3, 13, 17, 24, 40, 3, 1, 1, 1, true, YK_ACT_SILU},
        {2, 20, 20, 64, 128, 3, 2, 1, 1, false, YK_ACT_RELU},
        {1, 21, 19, 128, 255, 1, 1, 0, 1, true, YK_ACT_NONE},
        {1, 40, 41, 72, 3, 3, 1, 1, 1, false, YK_ACT_SILU},
        {1, 1, 1, 1, 1000, 3, 1, 1, 1, false, YK_ACT_NONE},
        {32, 5, 7, 48, 64, 3, 1, 1, 1, true, YK_ACT_SILU},
        {1, 64, 64, 3, 16, 6, 2, 2, 1, false, YK_ACT_SILU},
        {1, 19, 23, 320, 136, 1, 2, 0, 1, false, YK_ACT_SILU},
        {2, 16, 16, 256, 192, 3, 1, 1, 1, true, YK_ACT_LEAKY_RELU},
        {2, 33, 37, 64, 64, 3, 1, 1, 1, true, YK_ACT_SILU},
        {1, 33, 97, 32, 40, 3, 1, 1, 1, false, YK_ACT_SILU},
        {3, 17, 35, 80, 72, 3, 2, 1, 1, true, YK_ACT_SILU},
        {1, 33, 31, 16, 8, 3, 1, 1, 1, false, YK_ACT_SILU},
        {5, 9, 31, 8, 4, 3, 2, 1, 1, true, YK_ACT_SILU},
        {2, 19, 37, 80, 80, 3, 1, 1, 1, false, YK_ACT_SILU},
        {1, 20, 33, 64, 80, 3, 1, 1, 1, true, YK_ACT_HARD_SWISH},
        {1, 9, 17, 96, 100, 3, 1, 1, 1, true, YK_ACT_SILU},
        {3, 7, 9, 80, 160, 1, 1, 0, 1, false, YK_ACT_HARD_SWISH},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++) {
        const int in = shapes[i].in, out = shapes[i].out;
        assert_true(check_all(&shapes[i], YK_CUDA_BYTE, to_multiple(in) + 16, to_multiple(out) + 16) >= 8);
        assert_true(check_all(&shapes[i], YK_CUDA_HALF, to_multiple(in), to_multiple(out) + 16) >= 8);
    }
}

static void depthwise(void **unused)
{
    static const shape shapes[] = {
        {1, 33, 97, 80, 80, 3, 1, 1, 80, true, YK_ACT_SILU},     {3, 20, 21, 64, 64, 5, 2, 2, 64, false, YK_ACT_NONE},
        {2, 7, 6, 8, 8, 7, 1, 3, 8, false, YK_ACT_SILU},         {1, 1, 1, 16, 16, 3, 1, 1, 16, true, YK_ACT_RELU},
        {1, 40, 40, 128, 128, 3, 2, 1, 128, false, YK_ACT_SILU}, {2, 15, 18, 24, 24, 5, 1, 2, 24, true, YK_ACT_SILU},
        {1, 21, 17, 40, 40, 7, 2, 3, 40, false, YK_ACT_SILU},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++) {
        const int more = to_multiple(shapes[i].in);
        assert_true(check_all(&shapes[i], YK_CUDA_BYTE, more + 16, more) >= 2);
        assert_true(check_all(&shapes[i], YK_CUDA_HALF, more, more + 16) >= 2);
    }
}

static void first_of_bytes(void **unused)
{
    static const shape shapes[] = {
        {1, 64, 64, 3, 16, 3, 2, 1, 1, false, YK_ACT_SILU}, {3, 33, 97, 3, 80, 3, 2, 1, 1, false, YK_ACT_SILU},
        {2, 32, 62, 3, 32, 6, 2, 2, 1, false, YK_ACT_SILU}, {1, 32, 32, 3, 24, 3, 1, 1, 1, false, YK_ACT_NONE},
        {1, 31, 36, 3, 1, 3, 2, 1, 1, true, YK_ACT_SILU},   {2, 33, 100, 3, 40, 3, 2, 1, 1, false, YK_ACT_SILU},
        {1, 7, 4, 3, 80, 6, 2, 2, 1, false, YK_ACT_RELU},   {1, 9, 68, 3, 24, 3, 1, 1, 1, true, YK_ACT_SILU},
    };
    (void)unused;
    gpu_needed();
    for (size_t i = 0; i < YK_COUNT(shapes); i++) {
        const int more = to_multiple(shapes[i].out);
        assert_true(check_all(&shapes[i], YK_CUDA_BYTE, 0, more + 16) >= 2);
        assert_true(check_all(&shapes[i], YK_CUDA_HALF, 0, more) >= 2);
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
        for (yk_cuda_type type = YK_CUDA_HALF; type <= YK_CUDA_BYTE; type++)
            assert_true(check_all(&shapes[i], type, 3, 5) >= 1);
    }
}

/* ---- steps of a plan, each of which begins with the same memory there and here ---- */

typedef struct device_memory {
    uint8_t *arena, *input;
    float *outputs[YK_CUDA_OUTPUTS];
    void **data;
} device_memory;

/* Where element i of a tensor lies, in elements from its root's first one. */
static int64_t element_at(const yk_plan_tensor *t, int64_t i)
{
    const int64_t *d = t->shape.dims, area = t->layout == YK_LAYOUT_NHWC ? d[2] * d[3] : 0;
    return t->start + (area == 0 ? i : (i / area / d[1] * area + i % area) * t->pixel + i / area % d[1]);
}

/* A root between here and there, where bytes with a sign have 128 added. */
static void move_root(const yk_plan *p, int tensor, const device_memory *m, uint8_t *here, bool up)
{
    const yk_plan_tensor *root = &p->tensors[p->tensors[tensor].root];
    const size_t size = (size_t)yk_plan_root_bytes(p, root, root->offset >= 0);
    uint8_t *copy = yk_alloc(size);
    if (up)
        memcpy(copy, here, size);
    else
        assert_cuda(cudaMemcpy(copy, m->data[p->tensors[tensor].root], size, cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < size && root->type == YK_I8; i++)
        copy[i] ^= 0x80;
    if (up)
        assert_cuda(cudaMemcpy(m->data[p->tensors[tensor].root], copy, size, cudaMemcpyHostToDevice));
    else
        memcpy(here, copy, size);
    yk_free(copy);
}

typedef struct tally {
    size_t compared, beside; /* bytes, and those that are the number beside */
} tally;

static void compare(const yk_plan *p, int step, const uint8_t *got, const uint8_t *want, tally *sum)
{
    const yk_step *s = &p->steps[step];
    const yk_plan_tensor *t = &p->tensors[s->outputs[0]];
    const size_t size = yk_type_size(t->type), bytes = (size_t)yk_plan_root_bytes(p, &p->tensors[t->root], true);
    uint8_t *is_own = yk_calloc(bytes, 1);
    double largest = 0;
    for (int64_t i = 0; i < yk_shape_count(&t->shape) && t->type == YK_F32; i++)
        largest = fmax(largest, fabs((double)((const float *)want)[element_at(t, i)]));
    for (int64_t i = 0; i < yk_shape_count(&t->shape); i++) {
        const int64_t at = element_at(t, i);
        memset(is_own + at * (int64_t)size, 1, size);
        const double a = t->type == YK_F32  ? (double)((const float *)got)[at]
                         : t->type == YK_I8 ? ((const int8_t *)got)[at]
                                            : got[at];
        const double b = t->type == YK_F32  ? (double)((const float *)want)[at]
                         : t->type == YK_I8 ? ((const int8_t *)want)[at]
                                            : want[at];
        sum->compared += t->type != YK_F32;
        sum->beside += t->type != YK_F32 && a != b;
        if (!(fabs(a - b) <= (t->type == YK_F32 ? 2e-5 * largest + 1e-6 : 1)))
            fail_msg("step %d (%s), element %d: %.9g instead of %.9g", step, s->name, (int)i, a, b);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (!is_own[i] && got[i] != want[i])
            fail_msg("step %d (%s) wrote beside its result", step, s->name);
    }
    yk_free(is_own);
}

/* What a step is to write over. */
static void poison(const yk_plan_tensor *t, uint8_t *root)
{
    const size_t size = yk_type_size(t->type);
    for (int64_t i = 0; i < yk_shape_count(&t->shape); i++) {
        uint8_t *at = root + element_at(t, i) * (int64_t)size;
        if (t->type == YK_F32)
            memset(at, 0xff, size);
        else
            *at ^= 0x91;
    }
}

static void check_step(const yk_cuda_program *program, int step, const device_memory *m, const plan_memory *truth,
                       tally *sum)
{
    const yk_plan *p = program->plan;
    const yk_step *s = &p->steps[step];
    const int out = s->outputs[0], root = p->tensors[out].root;
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] != YK_NONE && !p->tensors[s->inputs[i]].data)
            move_root(p, s->inputs[i], m, truth->data[p->tensors[s->inputs[i]].root], true);
    }
    if (s->residual != YK_NONE)
        move_root(p, s->residual, m, truth->data[p->tensors[s->residual].root], true);
    assert_ok(yk_plan_eval(p, s, truth->data));
    const size_t size = (size_t)yk_plan_root_bytes(p, &p->tensors[root], true);
    uint8_t *got = yk_alloc(size);
    memcpy(got, truth->data[root], size);
    poison(&p->tensors[out], got);
    move_root(p, out, m, got, true);
    assert_ok(yk_cuda_program_step(program, step, m->data, NULL));
    assert_cuda(cudaDeviceSynchronize());
    move_root(p, out, m, got, false);
    compare(p, step, got, truth->data[root], sum);
    yk_free(got);
}

static tally check_steps(const yk_graph *g)
{
    yk_cuda_program *program;
    assert_ok(yk_cuda_program_make(g, false, &program));
    const yk_plan *p = program->plan;
    plan_memory truth = plan_memory_make(p);
    device_memory m = {.data = yk_calloc((size_t)p->tensor_count, sizeof(void *))};
    assert_ok(yk_cuda_memory(p, &m.arena, &m.input, m.outputs));
    yk_cuda_program_bind(program, m.arena, m.input, m.outputs, m.data);
    tally sum = {0};
    for (int i = 0; i < p->step_count; i++)
        check_step(program, i, &m, &truth, &sum);
    yk_cuda_memory_free(p, &m.arena, &m.input, m.outputs);
    yk_free(m.data);
    plan_memory_free(p, &truth);
    yk_cuda_program_destroy(&program);
    return sum;
}

/* Everything that 8-bit networks do: bytes cut, added, pooled, joined and enlarged, several at once of each kind of
 * convolution, floats in between where `floats` says so. */
static yk_graph *block(bool symmetric, const int *floats)
{
    yk_id x;
    yk_graph *g = int8_begin(&x);
    yk_id y = int8_conv(g, int8_conv(g, x, 3, 16, 3, 2, 1, 1), 16, 36, 3, 2, 1, 2);
    y = int8_conv(g, y, 36, 48, 1, 1, 1, 3);
    yk_id parts[4] = {yk_build_slice(g, y, 1, 0, 16, "a"), yk_build_slice(g, y, 1, 16, 48, "b")};
    yk_id m = int8_conv(g, int8_conv(g, parts[1], 32, 32, 3, 1, 1, 4), 32, 32, 3, 1, 32, 5);
    parts[2] = yk_build_binary(g, YK_OP_ADD, m, parts[1], "sum");
    parts[3] = yk_build_max_pool(g, parts[2], 5, 1, 2, "pool");
    yk_id wide = yk_build_upsample(g, yk_build_concat(g, parts, 4, 1, "joined"), 2, "wide");
    y = int8_conv(g, int8_conv(g, wide, 112, 24, 5, 1, 1, 6), 24, 24, 3, 2, 24, 7);
    assert_ok(yk_graph_add_output(g, int8_conv(g, int8_conv(g, y, 24, 20, 3, 1, 2, 8), 20, 5, 1, 1, 1, 9)));
    int8_quantize(g, symmetric, floats);
    return g;
}

static const int some[] = {0, 3, 7, -1}, others[] = {1, 4, -1};
static const int *const choices[] = {NULL, some, others};

static void every_step_is_right(void **unused)
{
    static const int sizes[][3] = {{1, 32, 48}, {2, 12, 20}, {3, 40, 8}, {1, 8, 8}};
    (void)unused;
    gpu_needed();
    tally all = {0};
    for (int i = 0; i < 6; i++) {
        yk_graph *g = block(i % 2 == 1, choices[i / 2]);
        for (size_t k = 0; k < YK_COUNT(sizes); k++) {
            assert_ok(yk_graph_bind(g, sizes[k][0], sizes[k][1], sizes[k][2]));
            const tally one = check_steps(g);
            all.compared += one.compared;
            all.beside += one.beside;
        }
        yk_graph_destroy(&g);
    }
    assert_true(all.compared > 0 && all.beside <= all.compared / 100);
}

/* ---- the backend ---- */

static void run(const yk_backend *b, yk_exec *e, const yk_graph *g)
{
    uint8_t *input = b->input(e, 0);
    for (int64_t i = 0; i < yk_shape_count(&g->values[g->input].shape); i++)
        input[i] = (uint8_t)((i * 37 + i / 11 * 5) % 251);
    assert_ok(b->start(e, 0));
    assert_ok(b->wait(e, 0));
}

/* ||a - b|| / ||b|| over all outputs. */
static double distance(const yk_graph *g, const yk_backend *a, yk_exec *ea, const yk_backend *b, yk_exec *eb)
{
    double difference = 0, norm = 0;
    for (int i = 0; i < g->output_count; i++) {
        const float *x = a->output(ea, 0, i), *y = b->output(eb, 0, i);
        for (int64_t k = 0; k < yk_shape_count(&g->values[g->outputs[i]].shape); k++) {
            difference += ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
            norm += (double)y[k] * (double)y[k];
        }
    }
    return sqrt(difference / norm);
}

/* In 32 and in 16 bits between the 8-bit layers, and out of a saved form. How far off it is from the processor, at most
 * so far in 32 bits, and five times that in 16, which are rounded to other bytes further on. */
static double check_network(const yk_graph *g, double most)
{
    const yk_backend *gpu = &yk_backend_cuda, *cpu = &yk_backend_native;
    yk_exec *truth, *e, *loaded;
    double off = 0;
    assert_ok(cpu->compile(g, &(yk_compile_options){.latency = true}, &truth));
    run(cpu, truth, g);
    for (int half = 0; half < 2; half++) {
        yk_buffer saved = {0};
        assert_ok(gpu->compile(g, &(yk_compile_options){.half = half, .tune = half}, &e));
        run(gpu, e, g);
        off = distance(g, gpu, e, cpu, truth);
        if (!(off < (half ? 5 * most : most)))
            fail_msg("%s: off by %g", half ? "fp16" : "fp32", off);
        assert_ok(gpu->save(e, &saved));
        assert_ok(gpu->load(saved.data, saved.size, g, &(yk_compile_options){.half = half}, &loaded));
        run(gpu, loaded, g);
        assert_true(distance(g, gpu, loaded, gpu, e) == 0);
        yk_buffer_free(&saved);
        gpu->destroy(&loaded);
        gpu->destroy(&e);
    }
    cpu->destroy(&truth);
    return off;
}

static void networks_run(void **unused)
{
    (void)unused;
    gpu_needed();
    for (int i = 0; i < 6; i++) {
        yk_graph *g = block(i % 2 == 1, choices[i / 2]);
        assert_ok(yk_graph_bind(g, 2, 32, 48));
        check_network(g, 2e-2);
        yk_graph_destroy(&g);
    }
}

/* The 8-bit models in YOLK_GPU_MODELS. */
static void real_models(void **unused)
{
    (void)unused;
    gpu_needed();
    const char *folder = getenv("YOLK_GPU_MODELS");
    char **names;
    size_t count;
    if (!folder)
        skip();
    assert_ok(yk_list_directory(folder, &names, &count));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(yk_extension(names[i]), ".onnx") != 0)
            continue;
        char *path = yk_path_join(folder, names[i]);
        yk_graph *g;
        assert_ok(yk_import_file(path, NULL, &g));
        if (strcmp(yk_graph_precision(g), "int8") == 0) {
            assert_ok(yk_graph_bind(g, 1, g->input_height, g->input_width));
            const tally sum = check_steps(g);
            printf("# %s: %zu of %zu bytes are the number beside; off by %.1e\n", names[i], sum.beside, sum.compared,
                   check_network(g, 1e-2));
            assert_true(sum.compared > 0 && sum.beside <= sum.compared / 100);
        }
        yk_graph_destroy(&g);
        yk_free(path);
    }
    yk_names_free(names);
}

int main(void)
{
    state = (uint32_t)time(NULL);
    fprintf(stderr, "# seed %u\n", state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_products), cmocka_unit_test(depthwise),           cmocka_unit_test(first_of_bytes),
        cmocka_unit_test(any_at_all),      cmocka_unit_test(every_step_is_right), cmocka_unit_test(networks_run),
        cmocka_unit_test(real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
