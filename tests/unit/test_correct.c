/* Biases that make up for what rounding does to a layer's mean. */
#include <math.h>

#include "convert/job.h"
#include "yk_tiny.h"

enum { SIDE = YK_TINY_SIDE, PICTURES = 3 };

static const char *const names[3] = {"red", "green", "blue"};

typedef struct setting {
    yk_job job;
    yk_graph *g;
    yk_samples samples;
    bool chosen[8];
    float low[64], high[64];
    float *shift[8];
    yk_quantization q;
} setting;

/* The network with weights that eight bits hold badly, and grey pictures. */
static void make(setting *s, bool symmetric)
{
    static uint8_t bytes[PICTURES * SIDE * SIDE * 3];
    *s = (setting){.g = yk_tiny_graph(names)};
    s->job = (yk_job){.source = "tiny", .width = SIDE, .height = SIDE, .start_ns = yk_now_ns()};
    yolk_convert_options_defaults(&s->job.options);
    s->job.options.threads = 1;
    assert_ok(yk_backend_choose("reference", "cpu", &s->job.backend));
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(100 + 40 * (i / (SIDE * SIDE * 3)) + i % 3);
    s->samples = (yk_samples){.bytes = bytes, .count = PICTURES, .each = SIDE * SIDE * 3};
    float *w = (float *)s->g->values[s->g->nodes[1].inputs[1]].data;
    const int each = 3 * YK_TINY_CELL * YK_TINY_CELL;
    for (int i = 0; i < YK_TINY_CLASSES * each; i++)
        w[i] = i % each == 0 ? 1.27f : 0.0149f; /* steps of 0.01 */
    assert_true(s->g->node_count <= 8 && s->g->value_count <= 64);
    for (int i = 0; i < s->g->value_count; i++)
        s->high[i] = 1;
    for (int i = 0; i < s->g->node_count; i++)
        s->chosen[i] = true;
    s->q = (yk_quantization){s->chosen, s->low, s->high, symmetric, NULL};
}

static void unmake(setting *s)
{
    yk_shifts_clear(s->shift, 8);
    yk_graph_destroy(&s->g);
}

/* Mean of the class output's first channel over the pictures. */
static double mean_of(setting *s, yk_graph *g)
{
    yk_runner r;
    double sum = 0;
    assert_ok(yk_runner_open(g, SIDE, SIDE, s->job.backend, 1, &r));
    for (int i = 0; i < PICTURES; i++) {
        assert_ok(yk_runner_run(&r, s->samples.bytes + i * s->samples.each));
        for (int k = 0; k < 64; k++)
            sum += (double)r.outputs[1][k] / 64 / PICTURES;
    }
    yk_runner_close(&r);
    return sum;
}

static double mean_in_int8(setting *s, float *const *shift)
{
    yk_graph *g;
    yk_quantization q = s->q;
    q.shift = shift;
    assert_ok(yk_graph_copy(s->g, &g));
    assert_ok(yk_pass_quantize(g, &q));
    double mean = mean_of(s, g);
    yk_graph_destroy(&g);
    return mean;
}

static void the_mean_is_moved_back(void **state)
{
    (void)state;
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        setting s;
        yk_graph *copy;
        make(&s, symmetric);
        assert_ok(yk_graph_copy(s.g, &copy));
        const double exact = mean_of(&s, copy);
        const double before = mean_in_int8(&s, NULL);
        assert_true(fabs(before - exact) > 0.4);
        assert_ok(yk_correct_biases(&s.job, s.g, &s.q, &s.samples, PICTURES, s.shift));
        const double after = mean_in_int8(&s, s.shift);
        if (fabs(after - exact) > 1e-3)
            fail_msg("%g before, %g after, %g is right", before, after, exact);
        yk_graph_destroy(&copy);
        unmake(&s);
    }
}

static void layers_that_stay_float_are_left_alone(void **state)
{
    (void)state;
    setting s;
    make(&s, false);
    s.chosen[1] = false;
    assert_ok(yk_correct_biases(&s.job, s.g, &s.q, &s.samples, PICTURES, s.shift));
    assert_non_null(s.shift[0]);
    assert_null(s.shift[1]);
    /* Weights of zero have nothing to lose. */
    for (int c = 0; c < 4; c++)
        assert_true(s.shift[0][c] == 0);
    unmake(&s);
}

/* Clipping is a loss of the mean, too: here it is that of a layer before. */
static void clipped_values_are_made_up_for(void **state)
{
    (void)state;
    setting s;
    make(&s, false);
    static float weights[3 * 4], half[3 * 3];
    for (int i = 0; i < 12; i++)
        weights[i] = 0.5f;
    for (int i = 0; i < 3; i++)
        half[i * 3 + i] = 1;
    yk_conv conv = {.out = 3, .kernel = {1, 1}, .stride = {1, 1}, .dilation = 1, .groups = 1, .weights = half};
    yk_id x = yk_build_conv(s.g, s.g->input, 3, &conv, "first");
    conv.out = 4, conv.weights = weights;
    yk_id y = yk_build_conv(s.g, x, 3, &conv, "second");
    assert_true(x != YK_NONE && y != YK_NONE);
    s.chosen[2] = s.chosen[3] = true;
    s.high[s.g->input] = 1;
    s.high[x] = 0.25f; /* all are larger */
    s.g->outputs[1] = y;
    assert_ok(yk_correct_biases(&s.job, s.g, &s.q, &s.samples, PICTURES, s.shift));
    /* 0.5 times what three channels of about 0.55 lose above 0.25. */
    assert_non_null(s.shift[3]);
    assert_true(s.shift[3][0] > 0.4f && s.shift[3][0] < 0.5f);
    unmake(&s);
}

static int stop(void *user, const yolk_convert_progress *p)
{
    (void)user;
    return strcmp(p->stage, "correcting biases") == 0;
}

static void it_fails_cleanly(void **state)
{
    (void)state;
    setting s;
    make(&s, false);
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n++) {
        yk_alloc_fail_at(n);
        status = yk_correct_biases(&s.job, s.g, &s.q, &s.samples, PICTURES, s.shift);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK) {
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
            assert_null(s.shift[0]);
        }
    }
    /* Only what is computed has to be run, and can be stopped. */
    static float half[3 * 3];
    yk_conv conv = {.out = 3, .kernel = {1, 1}, .stride = {1, 1}, .dilation = 1, .groups = 1, .weights = half};
    yk_id x = yk_build_conv(s.g, s.g->input, 3, &conv, "first"), y = yk_build_conv(s.g, x, 3, &conv, "second");
    s.g->outputs[1] = y;
    s.chosen[2] = s.chosen[3] = true;
    s.job.options.progress = stop;
    assert_fails(yk_correct_biases(&s.job, s.g, &s.q, &s.samples, PICTURES, s.shift), YOLK_ERROR_CANCELED, "stopped");
    assert_null(s.shift[0]);
    unmake(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_is_moved_back),
        cmocka_unit_test(layers_that_stay_float_are_left_alone),
        cmocka_unit_test(clipped_values_are_made_up_for),
        cmocka_unit_test(it_fails_cleanly),
    };
    return cmocka_run_group_tests_name("corrected biases", tests, NULL, NULL);
}
