/* Which layers are computed in int8, and with which ranges: found by measuring what it costs.
 *
 * All layers start in int8, with biases that make up for it. When that loses too much of what the source finds on
 * pictures that calibration did not see, runs of neighbouring layers are put into int8, each by itself, to learn what
 * each costs; then those that cost most for the time that they take stay in float, one after the other, until little
 * enough is lost. */
#include <stdlib.h>
#include <string.h>

#include "convert/agree.h"
#include "convert/job.h"

enum { MOST_PARTS = 24 };
static const double ENOUGH = 0.05;     /* loss that is not worth a search */
static const double MOST_FLOAT = 0.35; /* share of the work that may stay in float */
static const double LITTLE = 0.02;     /* share of the work that is as good as none */
static const double MARGIN = 0.8; /* part of what may be lost that is used up before other pictures are looked at */

static const yk_detect_options found_all = {.conf = 0.05f, .iou = 0.45f, .max_det = 300};

/* Neighbouring layers that are tried together. */
typedef struct part {
    int *nodes;
    int count;
    double work;  /* share of all layers' */
    double error; /* in the outputs when this part alone is in int8; negative: not measured */
    bool last;    /* the layers at the outputs, which cost little time and show every error */
    bool kept;    /* in float */
} part;

/* What a choice of layers costs. */
typedef struct cost {
    double loss;       /* of what is found, 0..1 */
    double error;      /* of the raw outputs, or the loss where those are not known */
    double agreement;  /* as the check will see them */
    double difference; /* likewise */
} cost;

/* What the source makes of a picture. */
typedef struct expectation {
    yk_detections found;
    float **outputs; /* copies */
} expectation;

typedef struct search {
    yk_job *job;
    yk_graph *g; /* the source, unbound, with its raw head */
    const yk_samples *samples;
    int measured; /* samples that ranges were measured on */
    int first;    /* of the samples that are kept for measuring costs */
    expectation *expected;
    int expected_count;
    const float *low, *high;
    float **shift; /* by node: what is added to the biases of those in int8 */
    bool *chosen;
    int *nodes; /* of all layers, in order; the parts point into it */
    int node_count;
    part parts[MOST_PARTS];
    int part_count;
    int done; /* of them measured, for the progress */
    uint64_t deadline_ns;
} search;

/* ---- measuring ---- */

static yolk_status build(const search *s, const bool *chosen, yk_graph **out)
{
    const yk_quantization q = {chosen, s->low, s->high, s->job->options.symmetric != 0, s->shift};
    yolk_status status = yk_graph_copy(s->g, out);
    if (status == YOLK_OK)
        status = yk_pass_quantize(*out, &q);
    if (status != YOLK_OK)
        yk_graph_destroy(out);
    return status;
}

static yolk_status detect(search *s, yk_runner *r, int index, yk_detections *out)
{
    const yk_samples *p = s->samples;
    yolk_status status = yk_runner_run(r, p->bytes + (size_t)(s->first + index) * p->each);
    return status == YOLK_OK ? yk_runner_detect(r, &p->fits[s->first + index], &found_all, out) : status;
}

static yolk_status copy_outputs(const yk_runner *r, expectation *e)
{
    e->outputs = yk_calloc((size_t)r->output_count, sizeof *e->outputs);
    for (int i = 0; e->outputs && i < r->output_count; i++) {
        size_t size = (size_t)yk_shape_count(&r->shapes[i]) * sizeof(float);
        e->outputs[i] = yk_alloc(size);
        if (!e->outputs[i])
            return YOLK_ERROR_OUT_OF_MEMORY;
        memcpy(e->outputs[i], r->outputs[i], size);
    }
    return e->outputs ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

static yolk_status expect(search *s)
{
    yk_graph *copy = NULL;
    yk_runner r = {0};
    s->expected = yk_calloc((size_t)s->expected_count, sizeof *s->expected);
    yolk_status status = s->expected ? yk_graph_copy(s->g, &copy) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = yk_runner_open(copy, s->job->width, s->job->height, s->job->backend, s->job->options.threads, &r);
    for (int i = 0; i < s->expected_count && status == YOLK_OK; i++) {
        status = detect(s, &r, i, &s->expected[i].found);
        if (status == YOLK_OK)
            status = copy_outputs(&r, &s->expected[i]);
    }
    yk_runner_close(&r);
    yk_graph_destroy(&copy);
    return status;
}

static yolk_status measure(search *s, const bool *chosen, cost *out)
{
    yk_graph *g = NULL;
    yk_runner r = {0};
    yk_detections found = {0};
    yk_agreement a = {0};
    yk_output_sums sums = {0};
    bool known = true;
    yolk_status status = build(s, chosen, &g);
    if (status == YOLK_OK)
        status = yk_runner_open(g, s->job->width, s->job->height, s->job->backend, s->job->options.threads, &r);
    yk_graph_destroy(&g);
    for (int i = 0; i < s->expected_count && status == YOLK_OK; i++) {
        const expectation *e = &s->expected[i];
        status = detect(s, &r, i, &found);
        if (status == YOLK_OK)
            status = yk_agreement_add(&a, &e->found, &found, 0.25f);
        known = known && status == YOLK_OK &&
                yk_output_error(&r.head, r.shapes, (const float *const *)e->outputs, r.outputs, &sums);
        if (status == YOLK_OK)
            status = yk_job_step(s->job, "measuring layers", s->done, s->part_count + 1);
    }
    out->loss = yk_agreement_loss(&a);
    out->agreement = yk_agreement_share(&a);
    out->difference = yk_agreement_difference(&a);
    out->error = known && sums.total > 0 ? sums.error / sums.total : out->loss;
    yk_runner_close(&r);
    yk_detections_free(&found);
    return status;
}

/* Little is lost, and the check will not find otherwise; by ground truth it sees the loss alone. */
static bool good_enough(const search *s, const cost *c)
{
    const yk_limits limits = yk_convert_limits(&s->job->options);
    if (c->loss > ENOUGH || s->job->options.labels)
        return c->loss <= ENOUGH;
    const double margin = s->job->options.val ? MARGIN : 1;
    return 1 - c->agreement <= margin * (1 - limits.agreement) && c->difference <= margin * limits.difference;
}

/* ---- parts ---- */

static double work_of(const yk_graph *g, const yk_node *n)
{
    const yk_value *w = &g->values[n->inputs[1]], *y = &g->values[n->outputs[0]];
    int64_t channels = w->shape.dims[0];
    return channels > 0 ? (double)yk_shape_count(&w->shape) / (double)channels * (double)yk_shape_count(&y->shape) : 0;
}

static bool is_last(const yk_graph *g, const yk_node *n)
{
    for (int i = 0; i < g->output_count; i++) {
        if (g->outputs[i] == n->outputs[0])
            return true;
    }
    return false;
}

static void add_part(search *s, int first, int count)
{
    if (count > 0)
        s->parts[s->part_count++] = (part){.nodes = s->nodes + first, .count = count};
}

/* The layer at the picture, those at the outputs, and runs of the others of about the same length. */
static yolk_status divide(search *s)
{
    const yk_graph *g = s->g;
    int middle = 0, total = 0, at = 0;
    double all = 0;
    s->nodes = yk_calloc((size_t)g->node_count, sizeof *s->nodes);
    if (!s->nodes)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int pass = 0; pass < 3; pass++) {
        for (int i = 0; i < g->node_count; i++) {
            const yk_node *n = &g->nodes[i];
            int place = is_last(g, n) ? 2 : n->inputs[0] == g->input ? 0 : 1;
            if (s->chosen[i] && place == pass)
                s->nodes[total++] = i;
        }
        if (pass == 0)
            add_part(s, 0, total);
        if (pass == 1)
            middle = total;
    }
    at = s->part_count ? s->parts[0].count : 0;
    const int runs = MOST_PARTS - 2;
    for (int k = 0, begin = at; k < runs; k++) {
        int end = begin + (int)((int64_t)(middle - begin) / (runs - k));
        if (middle - at >= runs || end > at)
            add_part(s, at, end - at), at = end;
        begin = at;
    }
    add_part(s, middle, total - middle);
    if (total > middle)
        s->parts[s->part_count - 1].last = true;
    s->node_count = total;
    for (int i = 0; i < total; i++)
        all += work_of(g, &g->nodes[s->nodes[i]]);
    for (int i = 0; i < s->part_count; i++) {
        for (int k = 0; k < s->parts[i].count && all > 0; k++)
            s->parts[i].work += work_of(g, &g->nodes[s->parts[i].nodes[k]]) / all;
    }
    return YOLK_OK;
}

static void choose_part(search *s, const part *p, bool int8)
{
    for (int i = 0; i < p->count; i++)
        s->chosen[p->nodes[i]] = int8;
}

/* The layers at the outputs first, then by the error that goes for the time that is lost. */
static int by_worth(const void *a, const void *b)
{
    const part *p = a, *q = b;
    const double x = p->error / (p->work + LITTLE), y = q->error / (q->work + LITTLE);
    if (p->last != q->last)
        return p->last ? -1 : 1;
    return x > y ? -1 : x < y;
}

/* ---- the search ---- */

/* Each part in int8 by itself: so small a disturbance adds up with others, where a large one would drown in chance.
 * From the outputs on, where most is lost as a rule, in two thirds of the time. */
static yolk_status rank_parts(search *s)
{
    const uint64_t now = yk_now_ns(), end = s->deadline_ns > now ? now + (s->deadline_ns - now) / 3 * 2 : now;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < s->part_count; i++)
        choose_part(s, &s->parts[i], false);
    for (int i = s->part_count - 1; i >= 0 && status == YOLK_OK; i--) {
        part *p = &s->parts[i];
        cost c = {.loss = 0};
        p->error = -1;
        if (p->work > MOST_FLOAT || yk_now_ns() > end)
            continue;
        choose_part(s, p, true);
        status = measure(s, s->chosen, &c);
        choose_part(s, p, false);
        p->error = c.error;
        s->done++;
    }
    for (int i = 0; i < s->part_count; i++)
        choose_part(s, &s->parts[i], true);
    qsort(s->parts, (size_t)s->part_count, sizeof *s->parts, by_worth);
    return status;
}

static yolk_status keep(search *s, const part *p)
{
    for (int i = 0; i < p->count; i++) {
        const char *name = s->g->nodes[p->nodes[i]].name;
        yolk_status status =
            p->count > 1 ? yk_report_keep(s->job->report, name,
                                          "it and %d neighbours alone in int8 give an error of %.5f in the outputs",
                                          p->count - 1, p->error)
                         : yk_report_keep(s->job->report, name,
                                          "alone in int8 it gives an error of %.5f in the outputs", p->error);
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

/* What is lost against what may be. The agreement is left out: on few pictures it hangs on single boxes, and the loss
 * says the same more smoothly. */
static double weight_of(const search *s, const cost *c)
{
    return c->loss / ENOUGH + c->difference / yk_convert_limits(&s->job->options).difference;
}

/* Puts a part into float, and back when nothing is gained by it. */
static yolk_status try_part(search *s, part *p, cost *now)
{
    cost next = {.loss = 0};
    choose_part(s, p, false);
    yolk_status status = measure(s, s->chosen, &next);
    p->kept = status == YOLK_OK && weight_of(s, &next) < weight_of(s, now);
    yk_log(YOLK_LOG_INFO,
           "%s: with %d layers from %s on in float32 too (error %.5f): %.1f%% is lost, %.1f%% agree within %.3f%s",
           s->job->source, p->count, s->g->nodes[p->nodes[0]].name, p->error, 100 * next.loss, 100 * next.agreement,
           next.difference, p->kept ? "" : "; back to int8");
    if (!p->kept) {
        choose_part(s, p, true);
        return status;
    }
    *now = next;
    return keep(s, p);
}

/* What did not help at first may do so once others are in float: twice over all parts. */
static yolk_status keep_costly(search *s, cost now)
{
    double work = 0;
    yolk_status status = rank_parts(s);
    for (int i = 0; i < 2 * s->part_count && status == YOLK_OK && !good_enough(s, &now); i++) {
        part *p = &s->parts[i % s->part_count];
        if (p->kept || p->error < 0 || work + p->work > MOST_FLOAT || yk_now_ns() > s->deadline_ns)
            continue;
        status = try_part(s, p, &now);
        work += p->kept ? p->work : 0;
    }
    return status;
}

enum { WAYS = 3 };
static const char *const way_names[WAYS] = {"percentile", "least squares", "percentile and least squares"};

static void take_way(search *s, const yk_ranges *r, int way, float *low, float *high)
{
    for (int i = 0; i < s->g->value_count; i++) {
        const float ways[WAYS] = {r->percentile[i], r->squares[i], (r->percentile[i] + r->squares[i]) / 2};
        high[i] = ways[way];
        low[i] = YK_MAX(r->least[i], -high[i]);
    }
    s->low = low;
    s->high = high;
}

/* Each way of choosing ranges is tried on the whole network, and what lies between the two. */
static yolk_status choose_ranges(search *s, const yk_ranges *r, float *low, float *high, cost *out)
{
    yolk_status status = YOLK_OK;
    int best = 0;
    for (int way = 0; way < WAYS && status == YOLK_OK; way++) {
        cost c = {.loss = 0};
        take_way(s, r, way, low, high);
        status = measure(s, s->chosen, &c);
        if (way == 0 || c.loss < out->loss) {
            best = way;
            *out = c;
        }
    }
    take_way(s, r, best, low, high);
    s->job->report->public.ranges = way_names[best];
    return status;
}

/* What a layer loses by itself does not depend on the others: the corrections stay when some go back to float. */
static yolk_status correct(search *s, cost *now)
{
    const yk_quantization q = {s->chosen, s->low, s->high, s->job->options.symmetric != 0, NULL};
    cost after = {.loss = 0};
    yolk_status status = yk_correct_biases(s->job, s->g, &q, s->samples, s->measured, s->shift);
    if (status == YOLK_OK)
        status = measure(s, s->chosen, &after);
    yk_log(YOLK_LOG_INFO, "%s: corrected biases: %.1f%% is lost instead of %.1f%%", s->job->source, 100 * after.loss,
           100 * now->loss);
    if (after.loss < now->loss)
        *now = after;
    else
        yk_shifts_clear(s->shift, s->g->node_count);
    return status;
}

static void expectation_free(expectation *e, int outputs)
{
    for (int i = 0; e->outputs && i < outputs; i++)
        yk_free(e->outputs[i]);
    yk_free(e->outputs);
    yk_detections_free(&e->found);
}

static void search_free(search *s)
{
    for (int i = 0; s->expected && i < s->expected_count; i++)
        expectation_free(&s->expected[i], s->g->output_count);
    yk_free(s->expected);
    yk_free(s->chosen);
    yk_free(s->nodes);
    yk_shifts_clear(s->shift, s->g->node_count);
    yk_free(s->shift);
}

static yolk_status run_search(search *s, const yk_ranges *ranges, float *low, float *high, yk_graph **out)
{
    yolk_convert_report *report = &s->job->report->public;
    cost all = {.loss = 0};
    yolk_status status = expect(s);
    if (status == YOLK_OK)
        status = choose_ranges(s, ranges, low, high, &all);
    if (status == YOLK_OK && !good_enough(s, &all))
        status = correct(s, &all);
    if (status == YOLK_OK)
        status = yk_graph_bind(s->g, 1, s->job->height, s->job->width);
    if (status == YOLK_OK)
        status = divide(s);
    report->layers = s->node_count;
    yk_log(YOLK_LOG_INFO, "%s: all of %d layers in int8, ranges by %s, cost %.1f%% of what is found", s->job->source,
           s->node_count, report->ranges, 100 * all.loss);
    if (status == YOLK_OK && !good_enough(s, &all))
        status = keep_costly(s, all);
    yk_graph_unbind(s->g);
    report->converted = s->node_count - (int)report->kept_count;
    return status == YOLK_OK ? build(s, s->chosen, out) : status;
}

yolk_status yk_convert_int8(yk_job *job, yk_graph **graph)
{
    yk_graph *made = NULL;
    yk_samples samples = {0};
    yk_ranges ranges = {0};
    search s = {.job = job, .g = *graph, .samples = &samples};
    int *group = yk_calloc((size_t)s.g->value_count, sizeof *group);
    float *low = yk_calloc((size_t)s.g->value_count, sizeof *low);
    float *high = yk_calloc((size_t)s.g->value_count, sizeof *high);
    s.chosen = yk_calloc((size_t)s.g->node_count, sizeof *s.chosen);
    s.shift = yk_calloc((size_t)s.g->node_count, sizeof *s.shift);
    yolk_status status = group && low && high && s.chosen && s.shift ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < s.g->node_count && status == YOLK_OK; i++)
        s.chosen[i] = yk_can_quantize(s.g, &s.g->nodes[i]);
    if (status == YOLK_OK)
        status = yk_quantize_groups(s.g, group);
    yk_job_stage(job, 0.15);
    if (status == YOLK_OK)
        status = yk_samples_load(job, job->options.calib, job->options.calib_count, &s.g->head, &samples);
    s.measured = s.first = yk_calibration_part(samples.count);
    if (status == YOLK_OK)
        yk_sha256_hex(samples.bytes, (size_t)s.first * samples.each, job->report->calibration);
    job->report->public.calib_pictures = s.first;
    if (status == YOLK_OK)
        status = yk_calibrate(job, s.g, group, &samples, s.first, job->options.symmetric != 0, &ranges);
    /* So few pictures that none could be left out are measured on themselves. */
    s.first = s.first < samples.count ? s.first : 0;
    s.expected_count = samples.count - s.first;
    s.deadline_ns = yk_now_ns() + (uint64_t)(YK_MAX(job->options.search_seconds, 0) * 1e9);
    yk_job_stage(job, 0.6);
    if (status == YOLK_OK)
        status = run_search(&s, &ranges, low, high, &made);
    search_free(&s);
    if (status == YOLK_OK) {
        yk_graph_destroy(graph);
        *graph = made;
    }
    yk_ranges_free(&ranges);
    yk_samples_free(&samples);
    yk_free(group);
    yk_free(low);
    yk_free(high);
    return status;
}
