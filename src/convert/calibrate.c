/* The ranges of a network's values, measured on pictures. */
#include <string.h>

#include "convert/histogram.h"
#include "convert/job.h"

/* Values read out of one compilation, by their size in all. */
enum { READ_BYTES = 1 << 29 };
static const double PERCENTILE = 0.9999;

typedef struct taps {
    yk_id *values;
    int *outputs; /* for each the output of the graph that gives it */
    int count;
} taps;

/* One value of each chain of operators that only move values is enough: those that something computes. */
static bool is_computed(const yk_graph *g, const int *group, yk_id v)
{
    int p = g->values[v].producer;
    return group[v] >= 0 && p >= 0 && !yk_moves_values(g, &g->nodes[p]);
}

/* Makes the values from `*next` on outputs of the graph, as many as are read at once. */
static yolk_status add_taps(yk_graph *g, const int *group, yk_id *next, int values, taps *t)
{
    int64_t bytes = 0;
    t->count = 0;
    for (; *next < values && bytes < READ_BYTES; ++*next) {
        yk_id v = *next;
        int at = 0;
        if (!is_computed(g, group, v))
            continue;
        while (at < g->output_count && g->outputs[at] != v)
            at++;
        yolk_status status = at == g->output_count ? yk_graph_add_output(g, v) : YOLK_OK;
        if (status != YOLK_OK)
            return status;
        t->values[t->count] = v;
        t->outputs[t->count++] = at;
        bytes += yk_shape_count(&g->values[v].shape) * 4;
    }
    return YOLK_OK;
}

/* One pass over the pictures for the values of `t`. */
static yolk_status measure(yk_job *job, yk_graph *g, const int *group, const taps *t, const yk_samples *samples,
                           int count, yk_histogram *histograms)
{
    yk_runner r = {0};
    yolk_status status = yk_runner_open(g, job->width, job->height, job->backend, job->options.threads, &r);
    for (int i = 0; i < count && status == YOLK_OK; i++) {
        status = yk_runner_run(&r, samples->bytes + (size_t)i * samples->each);
        for (int k = 0; k < t->count && status == YOLK_OK; k++) {
            int at = t->outputs[k];
            yk_histogram_add(&histograms[group[t->values[k]]], r.outputs[at], yk_shape_count(&r.shapes[at]));
        }
        if (status == YOLK_OK)
            status = yk_job_step(job, "measuring ranges", i + 1, count);
    }
    yk_runner_close(&r);
    return status;
}

/* Groups numbered from 0 on. */
static int number_groups(const yk_graph *g, const int *group, int *numbers)
{
    int count = 0;
    for (int i = 0; i < g->value_count; i++)
        numbers[i] = group[i] == i ? count++ : -1;
    for (int i = 0; i < g->value_count; i++) {
        if (group[i] >= 0 && group[i] != i)
            numbers[i] = numbers[group[i]];
    }
    return count;
}

yolk_status yk_calibrate(yk_job *job, const yk_graph *g, const int *group, const yk_samples *samples, int count,
                         bool symmetric, yk_ranges *out)
{
    const size_t values = (size_t)g->value_count;
    yk_graph *copy = NULL;
    yk_histogram *histograms = NULL;
    taps t = {yk_calloc(values, sizeof(yk_id)), yk_calloc(values, sizeof(int)), 0};
    int *numbers = yk_calloc(values, sizeof *numbers);
    *out = (yk_ranges){yk_calloc(values, sizeof(float)), yk_calloc(values, sizeof(float)),
                       yk_calloc(values, sizeof(float)), yk_calloc(values, sizeof(float))};
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    if (!t.values || !t.outputs || !numbers || !out->percentile || !out->squares || !out->least || !out->most)
        goto fail;
    const int groups = number_groups(g, group, numbers);
    histograms = yk_calloc((size_t)groups, sizeof *histograms);
    if (!histograms)
        goto fail;
    status = yk_graph_copy(g, &copy);
    for (yk_id next = 0; next < g->value_count && status == YOLK_OK;) {
        copy->output_count = g->output_count;
        status = yk_graph_bind(copy, 1, job->height, job->width);
        if (status == YOLK_OK)
            status = add_taps(copy, numbers, &next, g->value_count, &t);
        if (status == YOLK_OK && t.count > 0)
            status = measure(job, copy, numbers, &t, samples, count, histograms);
    }
    if (status != YOLK_OK)
        goto fail;
    for (int i = 0; i < g->value_count; i++) {
        if (numbers[i] < 0)
            continue;
        const yk_histogram *h = &histograms[numbers[i]];
        out->percentile[i] = yk_histogram_percentile(h, PERCENTILE);
        out->squares[i] = yk_histogram_least_squares(h, symmetric);
        out->least[i] = h->least;
        out->most[i] = h->most;
    }
    /* The picture's own range is known, and what is moved together with it shares it. */
    for (int i = 0; i < g->value_count && group[g->input] >= 0; i++) {
        const float full = g->head.unit_range ? 1 : 255;
        if (group[i] != group[g->input])
            continue;
        out->percentile[i] = YK_MAX(out->percentile[i], full);
        out->squares[i] = YK_MAX(out->squares[i], full);
    }
fail:
    yk_graph_destroy(&copy);
    yk_free(histograms);
    yk_free(t.values);
    yk_free(t.outputs);
    yk_free(numbers);
    if (status != YOLK_OK)
        yk_ranges_free(out);
    return status;
}

void yk_ranges_free(yk_ranges *r)
{
    yk_free(r->percentile);
    yk_free(r->squares);
    yk_free(r->least);
    yk_free(r->most);
    *r = (yk_ranges){0};
}
