/* Every convolution kernel of every instruction set that this processor has, against sums in double precision, on fresh
 * random numbers: odd sizes, slices, borders, poisoned outputs, parts in any order. */
#include "backend/cpu/program.h"
#include "cpu_test.h"
#include "yk_test.h"

/* What one output is, and how large the numbers are that it is the sum of. */
static double expected(const yk_cpu_conv *c, const void *in, const float *weights, const float *bias, int n, int y,
                       int x, int o, double *size)
{
    const int per_group = c->out_channels / c->groups, channels = c->in_channels / c->groups, group = o / per_group;
    double sum = bias ? (double)bias[o] : 0;
    *size = fabs(sum) + 1e-3;
    for (int ky = 0; ky < c->kernel[0]; ky++) {
        for (int kx = 0; kx < c->kernel[1]; kx++) {
            const int in_y = y * c->stride[0] + ky * c->dilation[0] - c->pad[0];
            const int in_x = x * c->stride[1] + kx * c->dilation[1] - c->pad[1];
            if (in_y < 0 || in_y >= c->in_height || in_x < 0 || in_x >= c->in_width)
                continue;
            const int64_t at = (((int64_t)n * c->in_height + in_y) * c->in_width + in_x) * c->in_pixel;
            for (int k = 0; k < channels; k++) {
                const int64_t i = at + group * channels + k;
                const double a =
                    c->bytes ? ((const uint8_t *)in)[i] * (double)c->scale : (double)((const float *)in)[i];
                const float w = weights[((o * channels + k) * c->kernel[0] + ky) * c->kernel[1] + kx];
                sum += a * (double)w;
                *size += fabs(a * (double)w);
            }
        }
    }
    return sum;
}

typedef struct buffers {
    void *in;
    float *weights, *bias, *residual, *out, *before;
    int64_t out_count;
} buffers;

static void *noise(int64_t count, bool bytes)
{
    void *data = malloc((size_t)count * (bytes ? 1 : sizeof(float)) + 64);
    for (int64_t i = 0; i < count; i++) {
        if (bytes)
            ((uint8_t *)data)[i] = (uint8_t)next();
        else
            ((float *)data)[i] = real();
    }
    return data;
}

static buffers make_buffers(const yk_cpu_conv *c, bool bias)
{
    const int64_t in = (int64_t)c->batch * c->in_height * c->in_width,
                  out = (int64_t)c->batch * c->out_height * c->out_width;
    buffers b = {0};
    b.in = noise(in * c->in_pixel, c->bytes);
    b.weights = noise((int64_t)c->out_channels * (c->in_channels / c->groups) * c->kernel[0] * c->kernel[1], false);
    b.bias = bias ? noise(c->out_channels, false) : NULL;
    b.residual = c->residual ? noise(out * c->residual_pixel, false) : NULL;
    b.out_count = out * c->out_pixel;
    b.out = noise(b.out_count, false);
    for (int64_t i = 0; i < out; i++) {
        for (int o = 0; o < c->out_channels; o++)
            b.out[i * c->out_pixel + o] = NAN;
    }
    b.before = malloc((size_t)b.out_count * sizeof(float) + 64);
    memcpy(b.before, b.out, (size_t)b.out_count * sizeof(float));
    return b;
}

static void free_buffers(buffers *b)
{
    free(b->in);
    free(b->weights);
    free(b->bias);
    free(b->residual);
    free(b->out);
    free(b->before);
}

/* ---- feature maps of halves ---- */

/* To the nearest halves, as floats. */
static void round_all(float *values, int64_t count)
{
    for (int64_t i = 0; values && i < count; i++)
        values[i] = yk_half_to_float(yk_float_to_half(values[i]));
}

/* What a set's kernels read and write for these floats, which are halves already where it is for those. */
static void *lay_out(const yk_cpu_isa *isa, const float *values, int64_t count)
{
    void *data = malloc((size_t)count * sizeof *values + 64);
    for (int64_t i = 0; values && i < count; i++) {
        if (isa->half)
            ((uint16_t *)data)[i] = yk_float_to_half(values[i]);
        else
            ((float *)data)[i] = values[i];
    }
    return data;
}

static void take_up(const yk_cpu_isa *isa, const void *data, int64_t count, float *values)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = isa->half ? yk_half_to_float(((const uint16_t *)data)[i]) : ((const float *)data)[i];
}

static void run_parts(const yk_cpu_conv_kernel *k, const yk_cpu_conv *c, const yk_cpu_conv_data *d)
{
    const size_t scratch_bytes = k->scratch_bytes(c);
    const int parts = k->parts(c);
    assert_in_range(parts, 1, 1 << 24);
    uint8_t *scratch = yk_alloc_aligned(scratch_bytes + 64);
    /* Parts go in some order that is not theirs. */
    int step = (int)(next() % (uint32_t)parts) | 1;
    while (parts > 1 && (step % 3 == 0 && parts % 3 == 0))
        step += 2;
    bool *done = calloc((size_t)parts, sizeof *done);
    int count = 0;
    for (int i = 0, part = (int)(next() % (uint32_t)parts); i < 4 * parts && count < parts; i++) {
        if (!done[part]) {
            memset(scratch, 0xff, scratch_bytes);
            memset(scratch + scratch_bytes, 0x5a, 64);
            k->run(c, d, part, scratch);
            for (int g = 0; g < 64; g++)
                assert_int_equal(scratch[scratch_bytes + (size_t)g], 0x5a);
            done[part] = true;
            count++;
        }
        part = (part + step) % parts;
    }
    for (int part = 0; part < parts; part++) {
        if (!done[part])
            k->run(c, d, part, scratch);
    }
    free(done);
    yk_free(scratch);
}

static const char *describe(const yk_cpu_isa *isa, const yk_cpu_conv_kernel *k, const yk_cpu_conv *c)
{
    static char text[400];
    snprintf(text, sizeof text,
             "seed %llu: %s %s: %dx%dx%dx%d to %dx%dx%d, kernel %dx%d stride %dx%d pad %d,%d dilation %d,%d groups %d, "
             "pixels %d %d %d, act %d, residual %d, bytes %d",
             (unsigned long long)seed, isa->name, k->name, c->batch, c->in_height, c->in_width, c->in_channels,
             c->out_height, c->out_width, c->out_channels, c->kernel[0], c->kernel[1], c->stride[0], c->stride[1],
             c->pad[0], c->pad[1], c->dilation[0], c->dilation[1], c->groups, (int)c->in_pixel, (int)c->out_pixel,
             (int)c->residual_pixel, c->act, c->residual, c->bytes);
    return text;
}

/* How far a kernel may be off, as a share of the sum of all that it adds up. Those for halves round the result once, by
 * up to 2^-11 of it, and where they add up in halves that many times in a row besides. */
static double tolerance_of(const yk_cpu_isa *isa, const yk_cpu_conv_kernel *k)
{
    const bool in_floats = strncmp(k->name, "winograd", 8) == 0 || strcmp(k->name, "depthwise") == 0;
    if (isa->half)
        return in_floats ? 5.2e-4 : 2e-3;
    return strcmp(k->name, "winograd4") == 0 ? 2e-5 : strcmp(k->name, "winograd2") == 0 ? 4e-6 : 2e-6;
}

static void check_kernel(const yk_cpu_isa *isa, const yk_cpu_conv_kernel *k, const yk_cpu_conv *c)
{
    buffers b = make_buffers(c, next() % 4 != 0);
    const int64_t pixels_in = (int64_t)c->batch * c->in_height * c->in_width,
                  pixels_out = (int64_t)c->batch * c->out_height * c->out_width;
    const size_t size = k->packed_bytes(c);
    if (isa->half) {
        round_all(c->bytes ? NULL : b.in, pixels_in * c->in_pixel);
        round_all(b.residual, pixels_out * c->residual_pixel);
        round_all(b.out, b.out_count);
        round_all(b.before, b.out_count);
    }
    void *in = c->bytes ? NULL : lay_out(isa, b.in, pixels_in * c->in_pixel);
    void *residual = b.residual ? lay_out(isa, b.residual, pixels_out * c->residual_pixel) : NULL;
    void *out = lay_out(isa, b.out, b.out_count);
    uint8_t *packed = yk_alloc_aligned(size + 64);
    memset(packed, 0, size);
    memset(packed + size, 0x5a, 64);
    k->pack(c, b.weights, b.bias, packed);
    for (int g = 0; g < 64; g++)
        assert_int_equal(packed[size + (size_t)g], 0x5a);
    const yk_cpu_conv_data d = {.in = in ? in : b.in, .residual = residual, .out = out, .packed = packed};
    run_parts(k, c, &d);
    take_up(isa, out, b.out_count, b.out);
    for (int64_t p = 0; p < pixels_out; p++) {
        const int n = (int)(p / c->out_width / c->out_height), y = (int)(p / c->out_width % c->out_height);
        for (int o = 0; o < c->out_pixel; o++) {
            const int64_t at = p * c->out_pixel + o;
            if (o >= c->out_channels) {
                if (memcmp(&b.out[at], &b.before[at], sizeof(float)) != 0)
                    fail_msg("%s: pixel %d, channel %d is not its own", describe(isa, k, c), (int)p, o);
                continue;
            }
            double magnitude;
            double want =
                activate(c, expected(c, b.in, b.weights, b.bias, n, y, (int)(p % c->out_width), o, &magnitude));
            magnitude += fabs(want);
            if (c->residual)
                want += (double)b.residual[p * c->residual_pixel + o];
            if (!(fabs((double)b.out[at] - want) <= tolerance_of(isa, k) * (magnitude + fabs(want))))
                fail_msg("%s: pixel %d, channel %d: %.9g instead of %.9g", describe(isa, k, c), (int)p, o,
                         (double)b.out[at], want);
        }
    }
    yk_free(packed);
    free(in);
    free(residual);
    free(out);
    free_buffers(&b);
}

static void finish(yk_cpu_conv *c)
{
    const int size[2] = {c->in_height, c->in_width};
    int out[2];
    for (int i = 0; i < 2; i++) {
        const int behind = (int)(next() % (uint32_t)c->kernel[i]);
        const int room = size[i] + c->pad[i] + behind - c->dilation[i] * (c->kernel[i] - 1) - 1;
        out[i] = room < 0 ? 0 : room / c->stride[i] + 1;
    }
    c->out_height = out[0];
    c->out_width = out[1];
    c->in_pixel = c->in_channels + (c->bytes ? 0 : PICK(0, 0, 1, 8, 13));
    c->out_pixel = c->out_channels + PICK(0, 0, 3, 8);
    c->residual_pixel = c->out_channels + PICK(0, 5, 8);
    c->act = (yk_act)(next() % 6);
    c->slope = 0.1f;
    c->residual = next() % 3 == 0;
    c->scale = c->bytes ? 1 / 255.0f : 1;
}

/* Some convolution of a network, or one of which no network would think. */
static yk_cpu_conv random_conv(void)
{
    yk_cpu_conv c = {.batch = PICK(1, 1, 2, 3), .in_height = PICK(1, 5, 7, 12, 33), .in_width = PICK(1, 3, 8, 13, 40)};
    c.in_channels = PICK(1, 2, 3, 4, 8, 16, 20, 33, 64);
    c.out_channels = PICK(1, 3, 4, 8, 15, 16, 17, 24, 32, 80);
    c.groups = 1;
    const int kernel = PICK(1, 1, 3, 3, 3, 5, 6, 7);
    for (int i = 0; i < 2; i++) {
        c.kernel[i] = next() % 8 ? kernel : PICK(1, 2, 3);
        c.stride[i] = next() % 3 ? 1 : 2;
        c.dilation[i] = next() % 8 ? 1 : 2;
        c.pad[i] = next() % 4 ? c.kernel[i] / 2 : PICK(0, 1, 2);
    }
    const int kind = (int)(next() % 8);
    if (kind == 0) {
        c.groups = c.in_channels;
        c.out_channels = c.in_channels * PICK(1, 1, 1, 2);
    } else if (kind == 1) {
        c.groups = PICK(2, 4);
        c.in_channels = c.groups * PICK(1, 3, 8);
        c.out_channels = c.groups * PICK(1, 5, 8, 16);
    } else if (kind == 2) {
        c.in_channels = 3;
        c.bytes = true;
    }
    finish(&c);
    return c;
}

static void check_all(const yk_cpu_conv *c, int *checked)
{
    const yk_cpu_isa *isa;
    for (int i = 0; (isa = tested_isa(i)); i++) {
        for (const yk_cpu_conv_kernel *const *k = isa->convs; *k; k++) {
            if ((*k)->fits(c)) {
                assert_true((*k)->cost(c) > 0);
                check_kernel(isa, *k, c);
                ++*checked;
            }
        }
    }
}

static void random_convolutions(void **state)
{
    (void)state;
    int checked = 0;
    for (int i = 0; i < cases(400); i++) {
        const yk_cpu_conv c = random_conv();
        if (c.out_height > 0 && c.out_width > 0)
            check_all(&c, &checked);
    }
    assert_true(checked > cases(400));
}

/* Shapes that the networks have, with pictures that are smaller. */
static void convolutions_of_networks(void **state)
{
    (void)state;
    static const int shapes[][4] = {/* in, out, kernel, stride */
                                    {3, 16, 3, 2},    {16, 32, 3, 2},   {32, 32, 1, 1},  {16, 16, 3, 1},
                                    {64, 64, 3, 1},   {64, 80, 3, 1},   {80, 80, 3, 1},  {80, 80, 1, 1},
                                    {64, 128, 3, 2},  {128, 4, 1, 1},   {256, 64, 3, 1}, {512, 256, 1, 1},
                                    {384, 128, 1, 1}, {128, 128, 3, 1}, {256, 255, 1, 1}};
    int checked = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        yk_cpu_conv c = {.batch = 1, .in_height = 10, .in_width = 20, .groups = 1, .dilation = {1, 1}};
        c.in_channels = shapes[i][0];
        c.out_channels = shapes[i][1];
        for (int k = 0; k < 2; k++) {
            c.kernel[k] = shapes[i][2];
            c.stride[k] = shapes[i][3];
            c.pad[k] = shapes[i][2] / 2;
        }
        finish(&c);
        check_all(&c, &checked);
        if (c.in_channels == 3) {
            c.bytes = true;
            c.in_pixel = 3;
            c.scale = 1 / 255.0f;
            check_all(&c, &checked);
        }
    }
    assert_true(checked >= 16);
}

/* The same bits whatever else is computed with it: a picture in a batch is the picture alone. */
static void a_picture_is_the_same_in_any_batch(void **state)
{
    (void)state;
    const yk_cpu_isa *isa;
    for (int i = 0; (isa = tested_isa(i)); i++) {
        for (const yk_cpu_conv_kernel *const *k = isa->convs; *k; k++) {
            yk_cpu_conv c = {.batch = 3, .in_height = 19, .in_width = 13, .in_channels = 24, .out_channels = 24};
            c.out_height = 19;
            c.out_width = 13;
            for (int j = 0; j < 2; j++) {
                c.kernel[j] = 3;
                c.pad[j] = c.stride[j] = c.dilation[j] = 1;
            }
            c.in_pixel = c.out_pixel = 24;
            c.groups = 1;
            if (!(*k)->fits(&c))
                c.groups = 24;
            if (!(*k)->fits(&c)) {
                c.groups = 1;
                c.in_channels = 3;
                c.in_pixel = 3;
            }
            assert_true((*k)->fits(&c));
            buffers all = make_buffers(&c, true);
            void *packed = yk_alloc_aligned((*k)->packed_bytes(&c));
            memset(packed, 0, (*k)->packed_bytes(&c));
            (*k)->pack(&c, all.weights, all.bias, packed);
            const size_t size = isa->half ? sizeof(uint16_t) : sizeof(float);
            const size_t picture = (size_t)(19 * 13 * c.in_pixel) * size, result = (size_t)all.out_count / 3 * size;
            uint8_t *in = lay_out(isa, all.in, (int64_t)3 * 19 * 13 * c.in_pixel), *three = malloc(3 * result);
            run_parts(*k, &c, &(yk_cpu_conv_data){.in = in, .out = three, .packed = packed});
            yk_cpu_conv one = c;
            one.batch = 1;
            uint8_t *out = malloc(result);
            for (int n = 0; n < 3; n++) {
                run_parts(*k, &one, &(yk_cpu_conv_data){.in = in + n * picture, .out = out, .packed = packed});
                assert_memory_equal(out, three + n * result, result);
            }
            free(out);
            free(three);
            free(in);
            yk_free(packed);
            free_buffers(&all);
        }
    }
}

/* Maps of few pixels and many channels have something to do for several threads, and next to nothing is not cut. */
static void work_is_shared_out(void **state)
{
    (void)state;
    static const int shapes[][4] = {/* channels, height and width, kernel, parts at least */
                                    {128, 20, 1, 4},
                                    {128, 20, 3, 4},
                                    {64, 10, 3, 2},
                                    {256, 10, 1, 2},
                                    {8, 4, 1, 1}};
    const yk_cpu_isa *isa;
    for (int i = 0; (isa = tested_isa(i)); i++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            yk_cpu_conv c = {.batch = 1, .groups = 1, .act = YK_ACT_SILU};
            c.in_channels = c.out_channels = shapes[s][0];
            c.in_height = c.in_width = c.out_height = c.out_width = shapes[s][1];
            for (int k = 0; k < 2; k++) {
                c.kernel[k] = shapes[s][2];
                c.pad[k] = shapes[s][2] / 2;
                c.stride[k] = c.dilation[k] = 1;
            }
            c.in_pixel = c.out_pixel = c.in_channels;
            const int parts = yk_cpu_cheapest(isa, &c)->parts(&c);
            if (parts < shapes[s][3] || (shapes[s][3] == 1 && parts > 1))
                fail_msg("%s: %d channels of %d pixels squared in %d parts", isa->name, c.in_channels, c.in_height,
                         parts);
        }
    }
}

/* A window of one, a weight of one: what comes out is the activation of what goes in. */
static void activations_are_as_exact_as_they_say(void **state)
{
    (void)state;
    enum { COUNT = 1 << 16 };
    const yk_cpu_isa *isa;
    float *in = malloc(COUNT * sizeof *in), *out = malloc(COUNT * sizeof *out);
    for (int i = 0; i < COUNT; i++)
        in[i] = i % 4 ? 130 * real() : real() * ldexpf(1, -(int)(next() % 40));
    in[0] = NAN;
    in[1] = INFINITY;
    in[2] = -INFINITY;
    in[3] = 0;
    for (int i = 0; (isa = tested_isa(i)); i++) {
        const yk_cpu_conv_kernel *matmul = NULL;
        if (isa->half)
            round_all(in, COUNT);
        void *in_map = lay_out(isa, in, COUNT), *out_map = malloc(COUNT * sizeof *out);
        for (const yk_cpu_conv_kernel *const *k = isa->convs; *k; k++)
            matmul = strcmp((*k)->name, "matmul") == 0 ? *k : matmul;
        assert_non_null(matmul);
        for (yk_act act = YK_ACT_NONE; act <= YK_ACT_HARD_SWISH; act++) {
            yk_cpu_conv c = {.batch = 1, .in_height = 1, .in_width = COUNT, .out_height = 1, .out_width = COUNT};
            c.in_channels = c.out_channels = c.groups = 1;
            c.in_pixel = c.out_pixel = 1;
            for (int j = 0; j < 2; j++)
                c.kernel[j] = c.stride[j] = c.dilation[j] = 1;
            c.act = act;
            c.slope = 0.1f;
            const float one = 1;
            void *packed = yk_alloc_aligned(matmul->packed_bytes(&c));
            memset(packed, 0, matmul->packed_bytes(&c));
            matmul->pack(&c, &one, NULL, packed);
            run_parts(matmul, &c, &(yk_cpu_conv_data){.in = in_map, .out = out_map, .packed = packed});
            take_up(isa, out_map, COUNT, out);
            yk_free(packed);
            const bool curved = act == YK_ACT_SILU || act == YK_ACT_SIGMOID;
            for (int j = 3; j < COUNT; j++) {
                const double x = (double)in[j], want = activate(&c, x);
                const double rounded = isa->half ? 4.9e-4 * fabs(want) + 3e-8 : 0;
                const double error = rounded + fabs(want) * (curved ? 4e-7 + 7.5e-8 * fabs(x) : 3e-7) +
                                     (act == YK_ACT_HARD_SWISH ? 2e-7 * fabs(x) : 2e-36); /* 130 * 2^-126 */
                if (!(fabs((double)out[j] - want) <= error))
                    fail_msg("seed %llu: %s: activation %d of %.9g is %.9g, not %.9g", (unsigned long long)seed,
                             isa->name, act, x, (double)out[j], want);
            }
            assert_true(!curved || isnan(out[0]));
            assert_true(act == YK_ACT_SIGMOID ? out[1] == 1 : isinf(out[1]));
            assert_true(act != YK_ACT_SIGMOID || fabsf(out[2]) < 1e-30f);
        }
        free(in_map);
        free(out_map);
    }
    free(in);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_convolutions),
        cmocka_unit_test(convolutions_of_networks),
        cmocka_unit_test(a_picture_is_the_same_in_any_batch),
        cmocka_unit_test(work_is_shared_out),
        cmocka_unit_test(activations_are_as_exact_as_they_say),
    };
    begin_random();
    say_isas();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
