/* Every kernel for 8-bit convolutions of every instruction set that this processor has, on fresh random numbers: sums
 * are exact, what follows is right within float rounding, and nothing else is written. */
#include "cpu_test.h"
#include "yk_test.h"

typedef struct buffers {
    uint8_t *in, *residual, *out, *before;
    int8_t *weights;
    float *scales, *bias;
} buffers;

static int64_t pixels_in(const yk_cpu_conv *c)
{
    return (int64_t)c->batch * c->in_height * c->in_width;
}

static int64_t pixels_out(const yk_cpu_conv *c)
{
    return (int64_t)c->batch * c->out_height * c->out_width;
}

static size_t size_of(const yk_cpu_number *n)
{
    return yk_type_size(n->type);
}

/* Bytes of all kinds, the ends of their range above all, which are what overflows. */
static uint8_t *some_bytes(int64_t count)
{
    uint8_t *data = malloc((size_t)count + 64);
    const int kind = PICK(0, 0, 1, 2);
    for (int64_t i = 0; i < count; i++)
        data[i] = (uint8_t)(kind == 0 ? (int)next() : kind == 1 ? PICK(0, 127, 128, 255) : 255);
    return data;
}

static int8_t *some_weights(int64_t count)
{
    int8_t *data = malloc((size_t)count + 64);
    const int kind = PICK(0, 1, 1, 2, 3);
    for (int64_t i = 0; i < count; i++) {
        const int any = (int)(next() % 255) - 127;
        data[i] = (int8_t)(kind == 0   ? any
                           : kind == 1 ? any / PICK(1, 3, 9)
                           : kind == 2 ? PICK(-128, 127, 0, 64)
                                       : 127);
    }
    return data;
}

static float *some_floats(int64_t count, double low, double high)
{
    float *data = malloc((size_t)count * sizeof *data + 64);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(low + (high - low) * (double)(next() % 10001) / 10000);
    return data;
}

/* Plain sums come out as they are. */
static bool is_plain(const yk_cpu_conv *c)
{
    return c->in8.scale == 1;
}

static buffers make_buffers(const yk_cpu_conv *c)
{
    buffers b = {0};
    const int64_t each = (int64_t)c->in_channels / c->groups * c->kernel[0] * c->kernel[1];
    /* Not a byte behind the last pixel's last channel may be read. */
    b.in = some_bytes((pixels_in(c) - 1) * c->in_pixel + c->in_channels);
    b.weights = some_weights(c->out_channels * each);
    b.scales = some_floats(c->out_channels, is_plain(c) ? 1 : 0.001, is_plain(c) ? 1 : 0.02);
    b.bias = is_plain(c) || next() % 4 == 0 ? NULL : some_floats(c->out_channels, -2, 2);
    if (c->residual)
        b.residual = c->residual8.type == YK_F32 ? (uint8_t *)some_floats(pixels_out(c) * c->residual_pixel, -2, 2)
                                                 : some_bytes(pixels_out(c) * c->residual_pixel);
    const size_t size = (size_t)(pixels_out(c) * c->out_pixel) * size_of(&c->out8);
    b.out = malloc(size + 64);
    b.before = malloc(size + 64);
    for (size_t i = 0; i < size; i++)
        b.out[i] = (uint8_t)next();
    memcpy(b.before, b.out, size);
    return b;
}

static void free_buffers(buffers *b)
{
    free(b->in);
    free(b->residual);
    free(b->out);
    free(b->before);
    free(b->weights);
    free(b->scales);
    free(b->bias);
}

static int number_at(const yk_cpu_number *n, const uint8_t *data, int64_t i)
{
    return n->type == YK_I8 ? ((const int8_t *)data)[i] : data[i];
}

static int64_t sum_of(const yk_cpu_conv *c, const buffers *b, int n, int y, int x, int o, int64_t *magnitude)
{
    const int channels = c->in_channels / c->groups, group = o / (c->out_channels / c->groups);
    int64_t sum = 0;
    *magnitude = 0;
    for (int ky = 0; ky < c->kernel[0]; ky++) {
        for (int kx = 0; kx < c->kernel[1]; kx++) {
            const int in_y = y * c->stride[0] + ky * c->dilation[0] - c->pad[0];
            const int in_x = x * c->stride[1] + kx * c->dilation[1] - c->pad[1];
            if (in_y < 0 || in_y >= c->in_height || in_x < 0 || in_x >= c->in_width)
                continue;
            const int64_t at =
                (((int64_t)n * c->in_height + in_y) * c->in_width + in_x) * c->in_pixel + group * channels;
            for (int k = 0; k < channels; k++) {
                const int product = (number_at(&c->in8, b->in, at + k) - c->in8.zero) *
                                    b->weights[((o * channels + k) * c->kernel[0] + ky) * c->kernel[1] + kx];
                sum += product;
                *magnitude += abs(product);
            }
        }
    }
    return sum;
}

/* Of the tile of 4x4 outputs in which this one is: Winograd's sums go over all of its inputs, whose rounding stays
 * where they cancel out, so that beside the padding it is more than the output's own magnitude tells. */
static int64_t tile_magnitude(const yk_cpu_conv *c, const buffers *b, int n, int y, int x, int o)
{
    int64_t sum = 0;
    for (int k = 0; k < c->in_channels; k++) {
        int most = 0, weights = 0;
        for (int i = 0; i < 36; i++) {
            const int in_y = y / 4 * 4 + i / 6 - c->pad[0], in_x = x / 4 * 4 + i % 6 - c->pad[1];
            if (in_y < 0 || in_y >= c->in_height || in_x < 0 || in_x >= c->in_width)
                continue;
            const int64_t at = (((int64_t)n * c->in_height + in_y) * c->in_width + in_x) * c->in_pixel + k;
            most = YK_MAX(most, abs(number_at(&c->in8, b->in, at) - c->in8.zero));
        }
        for (int i = 0; i < 9; i++)
            weights += abs(b->weights[(o * c->in_channels + k) * 9 + i]);
        sum += (int64_t)most * weights;
    }
    return sum;
}

static double real_of(const yk_cpu_number *n, const uint8_t *data, int64_t i)
{
    if (n->type == YK_F32)
        return (double)((const float *)data)[i];
    return (double)(number_at(n, data, i) - n->zero) * (double)n->scale;
}

static const char *describe(const yk_cpu_isa *isa, const yk_cpu_conv_kernel *k, const yk_cpu_conv *c)
{
    static char text[500];
    snprintf(text, sizeof text,
             "seed %llu: %s %s: %dx%dx%dx%d to %dx%dx%d, kernel %dx%d stride %dx%d pad %d,%d dilation %d,%d groups %d, "
             "pixels %d %d %d, act %d, residual %d, types %d %d %d, zeros %d %d %d, scale %g",
             (unsigned long long)seed, isa->name, k->name, c->batch, c->in_height, c->in_width, c->in_channels,
             c->out_height, c->out_width, c->out_channels, c->kernel[0], c->kernel[1], c->stride[0], c->stride[1],
             c->pad[0], c->pad[1], c->dilation[0], c->dilation[1], c->groups, (int)c->in_pixel, (int)c->out_pixel,
             (int)c->residual_pixel, c->act, c->residual, c->in8.type, c->residual8.type, c->out8.type, c->in8.zero,
             c->residual8.zero, c->out8.zero, (double)c->in8.scale);
    return text;
}

/* Of one result: exact where it is a sum as it is; a float within rounding; a byte that is the nearest one, or the one
 * beside where what is rounded lies so near to the middle that rounding decides. */
static bool is_right(const yk_cpu_conv_kernel *k, const yk_cpu_conv *c, const buffers *b, int64_t pixel, int o,
                     int64_t sum, int64_t magnitude)
{
    const bool exact = strcmp(k->name, "qwinograd4") != 0;
    const int64_t at = pixel * c->out_pixel + o;
    const double scaled = (double)sum * (double)c->in8.scale * (double)b->scales[o];
    const double bias = b->bias ? (double)b->bias[o] : 0;
    const double added = c->residual ? real_of(&c->residual8, b->residual, pixel * c->residual_pixel + o) : 0;
    const double want = activate(c, scaled + bias) + added;
    const double turned = exact ? 0 : 2e-6 * (double)magnitude * (double)c->in8.scale * (double)b->scales[o];
    const double error = turned + 2e-6 * (fabs(scaled) + fabs(bias) + fabs(added)) + 1e-6;
    if (c->out8.type == YK_F32) {
        const double got = (double)((const float *)b->out)[at];
        return exact && is_plain(c) && llabs(sum) < 1 << 24 ? got == (double)sum : fabs(got - want) <= error;
    }
    const double low = c->out8.type == YK_I8 ? -128 : 0, place = want / (double)c->out8.scale;
    const double slack = error / (double)c->out8.scale;
    const double least = fmin(fmax(nearbyint(place - slack) + c->out8.zero, low), low + 255);
    const double most = fmin(fmax(nearbyint(place + slack) + c->out8.zero, low), low + 255);
    const int got = number_at(&c->out8, b->out, at);
    return got >= least && got <= most;
}

static void run_parts(const yk_cpu_conv_kernel *k, const yk_cpu_conv *c, const yk_cpu_conv_data *d)
{
    const size_t scratch_bytes = k->scratch_bytes(c);
    const int parts = k->parts(c);
    assert_in_range(parts, 1, 1 << 24);
    uint8_t *scratch = yk_alloc_aligned(scratch_bytes + 64);
    for (int i = 0; i < parts; i++) {
        memset(scratch, 0xff, scratch_bytes);
        memset(scratch + scratch_bytes, 0x5a, 64);
        k->run(c, d, i % 2 ? i : (parts - 1) / 2 * 2 - i, scratch);
        for (int g = 0; g < 64; g++)
            assert_int_equal(scratch[scratch_bytes + (size_t)g], 0x5a);
    }
    yk_free(scratch);
}

static void check_kernel(const yk_cpu_isa *isa, const yk_cpu_conv_kernel *k, const yk_cpu_conv *c)
{
    buffers b = make_buffers(c);
    const size_t size = k->packed_bytes(c);
    uint8_t *packed = yk_alloc_aligned(size + 64);
    memset(packed, 0, size);
    memset(packed + size, 0x5a, 64);
    k->pack8(c, b.weights, b.scales, b.bias, packed);
    for (int g = 0; g < 64; g++)
        assert_int_equal(packed[size + (size_t)g], 0x5a);
    const yk_cpu_conv_data d = {.in = b.in, .residual = b.residual, .out = b.out, .packed = packed};
    run_parts(k, c, &d);
    for (int64_t p = 0; p < pixels_out(c); p++) {
        const int n = (int)(p / c->out_width / c->out_height), y = (int)(p / c->out_width % c->out_height);
        for (int o = 0; o < c->out_channels; o++) {
            int64_t magnitude;
            const int x = (int)(p % c->out_width);
            const int64_t sum = sum_of(c, &b, n, y, x, o, &magnitude);
            if (strcmp(k->name, "qwinograd4") == 0)
                magnitude = tile_magnitude(c, &b, n, y, x, o);
            if (!is_right(k, c, &b, p, o, sum, magnitude))
                fail_msg("%s: pixel %d, channel %d, of sum %lld", describe(isa, k, c), (int)p, o, (long long)sum);
        }
        const size_t from = (size_t)(p * c->out_pixel + c->out_channels) * size_of(&c->out8);
        if (memcmp(b.out + from, b.before + from, (size_t)(c->out_pixel - c->out_channels) * size_of(&c->out8)) != 0)
            fail_msg("%s: pixel %d, behind its channels", describe(isa, k, c), (int)p);
    }
    yk_free(packed);
    free_buffers(&b);
}

static yk_cpu_number some_number(bool floats)
{
    yk_cpu_number n = {.type = floats ? YK_F32 : next() % 3 ? YK_U8 : YK_I8, .scale = 1};
    if (floats)
        return n;
    n.scale = (float)PICK(4, 9, 20, 77, 301) / 1000;
    n.zero = n.type == YK_U8 ? PICK(0, 7, 11, 128, 255) : PICK(0, 0, -128, 5);
    return n;
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
    c->in_pixel = c->in_channels + PICK(0, 0, 1, 8, 13);
    c->out_pixel = c->out_channels + PICK(0, 0, 3, 8);
    c->residual_pixel = c->out_channels + PICK(0, 5, 8);
    c->act = (yk_act)(next() % 6);
    c->slope = 0.1f;
    c->residual = next() % 3 == 0;
    c->int8 = true;
    c->in8 = some_number(false);
    c->out8 = some_number(next() % 3 == 0);
    c->residual8 = some_number(next() % 3 == 0);
    if (next() % 4 == 0) {
        c->in8.scale = 1;
        c->out8 = (yk_cpu_number){.type = YK_F32, .scale = 1};
        c->act = YK_ACT_NONE;
        c->residual = false;
    }
}

/* Some convolution of a network, or one of which no network would think. */
static yk_cpu_conv random_conv(void)
{
    yk_cpu_conv c = {.batch = PICK(1, 1, 2, 3), .in_height = PICK(1, 5, 7, 12, 33), .in_width = PICK(1, 3, 8, 13, 40)};
    c.in_channels = PICK(1, 2, 3, 4, 8, 16, 20, 33, 64, 144);
    c.out_channels = PICK(1, 3, 4, 8, 15, 16, 17, 24, 32, 80);
    c.groups = 1;
    const int kernel = PICK(1, 1, 3, 3, 3, 5, 6, 7), kind = (int)(next() % 8);
    for (int i = 0; i < 2; i++) {
        c.kernel[i] = next() % 8 ? kernel : PICK(1, 2, 3);
        c.stride[i] = next() % 3 ? 1 : 2;
        c.dilation[i] = next() % 8 ? 1 : 2;
        c.pad[i] = next() % 4 ? c.kernel[i] / 2 : PICK(0, 1, 2);
    }
    if (kind < 2) {
        c.groups = c.in_channels;
        c.out_channels = c.in_channels * PICK(1, 1, 1, 2);
    } else if (kind == 2) {
        c.groups = PICK(2, 4);
        c.in_channels = c.groups * PICK(1, 3, 8);
        c.out_channels = c.groups * PICK(1, 5, 8, 16);
    }
    finish(&c);
    return c;
}

static void check_all(const yk_cpu_conv *c, int *checked)
{
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    for (int i = 0; i < count; i++) {
        int fits = 0;
        for (const yk_cpu_conv_kernel *const *k = isas[i]->qconvs; *k; k++) {
            if (!(*k)->fits(c))
                continue;
            assert_true((*k)->cost(c) > 0);
            check_kernel(isas[i], *k, c);
            fits++;
        }
        assert_true(fits > 0);
        *checked += fits;
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
    }
    assert_true(checked >= 15);
}

/* Float kernels leave these alone, and the other way round. */
static void each_table_has_its_own(void **state)
{
    (void)state;
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    yk_cpu_conv c = random_conv();
    c.int8 = false;
    for (int i = 0; i < count; i++) {
        for (const yk_cpu_conv_kernel *const *k = isas[i]->qconvs; *k; k++) {
            assert_false((*k)->fits(&c));
            assert_null((*k)->pack);
            assert_non_null((*k)->pack8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_convolutions),
        cmocka_unit_test(convolutions_of_networks),
        cmocka_unit_test(each_table_has_its_own),
    };
    begin_random();
    say_isas();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
