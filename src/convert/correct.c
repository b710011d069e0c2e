/* Rounding weights and clipping values moves the mean of what a layer gives: the error of each product by the mean of
 * what is multiplied. The layer's bias moves it back. Only a layer's own error is corrected, not what reaches it from
 * the layers before, which are corrected too: so one look at the float network is enough, and nothing is counted
 * twice. */
#include <math.h>
#include <string.h>

#include "convert/job.h"

/* Layers whose inputs are read out together; pictures that are looked at. */
enum { TOGETHER = 24, PICTURES = 16 };

/* Means of a value's channels, as floats and as eight bits hold them. */
typedef struct means {
    double *exact, *rounded;
} means;

typedef struct correction {
    yk_job *job;
    const yk_graph *g;
    const yk_quantization *q;
    const yk_samples *samples;
    int pictures;
    means *means; /* by value; those that chosen layers read */
} correction;

/* A value as the pair of QuantizeLinear and DequantizeLinear gives it back. */
static double rounded(const yk_eight_bits *s, float x)
{
    const float low = s->is_signed ? -127 : 0, high = s->is_signed ? 127 : 255;
    float v = rintf(x / s->scale) + (float)s->zero;
    v = v > high ? high : v > low ? v : low;
    return (double)((v - (float)s->zero) * s->scale);
}

static yolk_status make_means(means *m, int64_t channels)
{
    m->exact = yk_calloc((size_t)channels, sizeof *m->exact);
    m->rounded = yk_calloc((size_t)channels, sizeof *m->rounded);
    return m->exact && m->rounded ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

/* The picture's bytes are the only values that are not computed. */
static void look_at_pictures(const correction *c, means *m)
{
    const yk_eight_bits s = yk_eight_bits_of(c->q, c->g->input);
    const float unit = c->g->head.unit_range ? 1 / 255.0f : 1;
    const size_t pixels = c->samples->each / 3;
    for (int i = 0; i < c->pictures; i++) {
        const uint8_t *bytes = c->samples->bytes + (size_t)i * c->samples->each;
        for (size_t at = 0; at < c->samples->each; at++) {
            const float x = (float)bytes[at] * unit;
            m->exact[at % 3] += (double)x / (double)pixels / c->pictures;
            m->rounded[at % 3] += rounded(&s, x) / (double)pixels / c->pictures;
        }
    }
}

static yolk_status look_at_outputs(const correction *c, const yk_runner *r, const yk_id *values, int count)
{
    for (int k = 0; k < count; k++) {
        const yk_eight_bits s = yk_eight_bits_of(c->q, values[k]);
        const int64_t channels = r->shapes[k].dims[1], cells = channels ? yk_shape_count(&r->shapes[k]) / channels : 0;
        means *m = &c->means[values[k]];
        yolk_status status = m->exact ? YOLK_OK : make_means(m, channels);
        if (status != YOLK_OK)
            return status;
        for (int64_t i = 0; i < channels && cells > 0; i++) {
            double exact = 0, eight = 0;
            for (int64_t at = i * cells; at < (i + 1) * cells; at++) {
                exact += (double)r->outputs[k][at];
                eight += rounded(&s, r->outputs[k][at]);
            }
            m->exact[i] += exact / (double)cells / c->pictures;
            m->rounded[i] += eight / (double)cells / c->pictures;
        }
    }
    return YOLK_OK;
}

/* Runs what leads to these values over the pictures. */
static yolk_status measure(correction *c, const yk_id *values, int count)
{
    const yk_job *job = c->job;
    yk_graph *g = NULL;
    yk_runner r = {0};
    yolk_status status = yk_graph_copy(c->g, &g);
    if (status == YOLK_OK)
        g->output_count = 0;
    for (int i = 0; i < count && status == YOLK_OK; i++)
        status = yk_graph_add_output(g, values[i]);
    if (status == YOLK_OK)
        status = yk_pass_prune(g);
    if (status == YOLK_OK)
        status = yk_runner_open(g, job->width, job->height, job->backend, job->options.threads, &r);
    for (int i = 0; i < c->pictures && status == YOLK_OK; i++) {
        status = yk_runner_run(&r, c->samples->bytes + (size_t)i * c->samples->each);
        if (status == YOLK_OK)
            status = look_at_outputs(c, &r, values, count);
        if (status == YOLK_OK)
            status = yk_job_step(c->job, "correcting biases", 0, 1);
    }
    yk_runner_close(&r);
    yk_graph_destroy(&g);
    return status;
}

static yolk_status measure_all(correction *c, const bool *chosen)
{
    const yk_graph *g = c->g;
    yk_id values[TOGETHER];
    int count = 0;
    yolk_status status = YOLK_OK;
    bool *wanted = yk_calloc((size_t)g->value_count, sizeof *wanted);
    if (!wanted)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->node_count; i++) {
        if (chosen[i] && yk_can_quantize(g, &g->nodes[i]))
            wanted[g->nodes[i].inputs[0]] = true;
    }
    if (wanted[g->input]) {
        status = make_means(&c->means[g->input], 3);
        if (status == YOLK_OK)
            look_at_pictures(c, &c->means[g->input]);
    }
    for (int v = 0; v < g->value_count && status == YOLK_OK; v++) {
        if (wanted[v] && v != g->input)
            values[count++] = v;
        if (count == TOGETHER || (count > 0 && v == g->value_count - 1)) {
            status = measure(c, values, count);
            count = 0;
        }
    }
    yk_free(wanted);
    return status;
}

/* What a layer's outputs lack on average. At the picture's edge fewer products count, which is left out of account. */
static yolk_status correct(const correction *c, const yk_node *n, float **shift)
{
    const yk_value *w = &c->g->values[n->inputs[1]];
    const means *m = &c->means[n->inputs[0]];
    const int64_t outputs = w->shape.dims[0], inputs = w->shape.dims[1];
    const int64_t cells = w->shape.dims[2] * w->shape.dims[3], each = inputs * cells;
    const int64_t groups = n->attrs.groups > 0 ? n->attrs.groups : 1;
    int8_t *bytes = yk_alloc((size_t)each + 1);
    *shift = yk_calloc((size_t)outputs, sizeof **shift);
    for (int64_t o = 0; o < outputs && bytes && *shift; o++) {
        const float *row = (const float *)w->data + o * each;
        const float scale = yk_quantize_row(row, each, bytes);
        const int64_t first = o / (outputs / groups) * inputs;
        double lost = 0;
        for (int64_t i = 0; i < each; i++)
            lost += (double)row[i] * m->exact[first + i / cells] -
                    (double)((float)bytes[i] * scale) * m->rounded[first + i / cells];
        (*shift)[o] = isfinite(lost) ? (float)lost : 0;
    }
    yolk_status status = bytes && *shift ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    yk_free(bytes);
    return status;
}

yolk_status yk_correct_biases(yk_job *job, const yk_graph *g, const yk_quantization *q, const yk_samples *samples,
                              int count, float **shift)
{
    correction c = {.job = job, .g = g, .q = q, .samples = samples, .pictures = YK_MIN(count, PICTURES)};
    yk_shifts_clear(shift, g->node_count);
    c.means = yk_calloc((size_t)g->value_count, sizeof *c.means);
    yolk_status status = c.means ? measure_all(&c, q->chosen) : YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++) {
        if (q->chosen[i] && yk_can_quantize(g, &g->nodes[i]))
            status = correct(&c, &g->nodes[i], &shift[i]);
    }
    for (int v = 0; v < g->value_count && c.means; v++) {
        yk_free(c.means[v].exact);
        yk_free(c.means[v].rounded);
    }
    yk_free(c.means);
    if (status != YOLK_OK)
        yk_shifts_clear(shift, g->node_count);
    return status;
}

void yk_shifts_clear(float **shift, int count)
{
    for (int i = 0; i < count && shift; i++) {
        yk_free(shift[i]);
        shift[i] = NULL;
    }
}
