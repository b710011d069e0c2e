/* Two models side by side: their speed in turn, and what they find. */
#include <stdio.h>
#include <string.h>

#include "convert/check.h"
#include "convert/compare.h"

/* Runs of one model before it is the other one's turn: enough that its weights are back in the processor's cache. */
enum { RUNS_A_TURN = 4, NOISE_FRAMES = 4, WARMUP = 3, MOST_BATCH = 1024, MOST_SCORES = 5000 };

typedef struct comparison {
    yolk_compare_options options;
    yolk_config config;
    yk_compare_report *report;
    yk_clock clock;
    yk_frames frames;
    yolk_manager *managers[2];
    yolk_manager *all[2]; /* with ground truth: the same, for all that average precision counts */
    yk_series series[2];
    double *ratios;
    size_t round_count;
    double call_work, picture_work; /* shares of the clock's total */
} comparison;

void yolk_compare_options_defaults(yolk_compare_options *options)
{
    *options = (yolk_compare_options){.struct_size = sizeof *options, .batch = 1, .runs = 100};
}

static yolk_status take_options(const yolk_compare_options *given, yolk_compare_options *out)
{
    yolk_compare_options_defaults(out);
    if (given && given->struct_size < sizeof given->struct_size)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the options were not filled by yolk_compare_options_defaults()");
    if (given)
        memcpy(out, given, YK_MIN(given->struct_size, sizeof *out));
    if (out->batch < 1 || out->batch > MOST_BATCH)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "batch: %d is not a whole number from 1 to %d", out->batch,
                       MOST_BATCH);
    if (out->runs < 1 || out->val_count < 0 || !(out->max_seconds >= 0))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%d runs in %g seconds and %d pictures cannot be compared; take 1 "
                       "run or more",
                       out->runs, out->max_seconds, out->val_count);
    if (out->labels && !out->val)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: ground truth needs its pictures; name their folder with --val",
                       out->labels);
    return YOLK_OK;
}

/* ---- getting ready ---- */

/* The same for everybody, so that figures can be compared. */
static void set_thresholds(yolk_config *config, const yk_detect_options *o)
{
    config->conf = (double)o->conf;
    config->iou = (double)o->iou;
    config->max_det = o->max_det;
    config->multi_label = o->multi_label;
    config->agnostic = o->agnostic;
}

static yolk_status open_side(comparison *c, const char *model, int which)
{
    yolk_compare_side *side = which == 0 ? &c->report->public.a : &c->report->public.b;
    yolk_config config = c->config;
    uint64_t before, after;
    config.batch = c->options.batch;
    set_thresholds(&config, &yk_check_sure);
    yolk_memory_usage(&before, NULL);
    yolk_status status = yk_measure_load(&config, model, &c->managers[which], &side->load_ms);
    if (status == YOLK_OK)
        status = yk_measure_model(&c->report->texts, c->managers[which], &side->model);
    if (status == YOLK_OK)
        status = yolk_manager_input_size(c->managers[which], 1, 1, 1, &side->input);
    uint64_t start = yk_now_ns();
    if (status == YOLK_OK)
        status = yolk_manager_prepare(c->managers[which], side->input, c->options.batch);
    side->prepare_ms = yk_ms_since(start);
    yolk_memory_usage(&after, NULL);
    side->memory_added = after > before ? after - before : 0;
    return status;
}

/* What `which` finds by the thresholds of yk_check_all, in a manager of its own. */
static yolk_status open_all(comparison *c, const char *model, int which)
{
    yolk_config config = c->config;
    double ms;
    config.batch = 1;
    set_thresholds(&config, &yk_check_all);
    return yk_measure_load(&config, model, &c->all[which], &ms);
}

static yolk_status check_pair(const yolk_compare_report *r, bool pictures)
{
    if (!pictures || r->a.model.class_count == r->b.model.class_count)
        return YOLK_OK;
    return yk_fail(
        YOLK_ERROR_INVALID_ARGUMENT,
        "%s has %d classes and %s has %d: what they find cannot be compared; leave --val out to compare their "
        "speed",
        r->a.model.path, r->a.model.class_count, r->b.model.path, r->b.model.class_count);
}

static yolk_status load_frames(comparison *c)
{
    const yolk_compare_report *r = &c->report->public;
    const yolk_size *size = r->a.input.width > r->b.input.width ? &r->a.input : &r->b.input;
    return c->options.val ? yk_frames_load(c->options.val, 16, &c->frames)
                          : yk_frames_noise(*size, NOISE_FRAMES, &c->frames);
}

/* ---- speed ---- */

static yolk_status take_turn(comparison *c, int which, int runs, bool counted)
{
    char stage[128];
    yolk_status status = YOLK_OK;
    snprintf(stage, sizeof stage, "timing %.100s",
             which == 0 ? c->report->public.a.model.name : c->report->public.b.model.name);
    for (int i = 0; i < runs && status == YOLK_OK; i++) {
        status = yk_series_call(&c->series[which], counted);
        if (status == YOLK_OK)
            status = yk_clock_step(&c->clock, stage, c->call_work);
    }
    return status;
}

static double turn_ms(const yk_series *s)
{
    double sum = 0;
    for (int i = s->count - RUNS_A_TURN; i < s->count; i++)
        sum += s->calls[i];
    return sum;
}

/* Rounds are a b, b a, a b, ...: whatever drifts meanwhile does so for both. */
static yolk_status time_both(comparison *c)
{
    yolk_compare_report *r = &c->report->public;
    const size_t rounds = ((size_t)c->options.runs + RUNS_A_TURN - 1) / RUNS_A_TURN;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < 2 && status == YOLK_OK; i++) {
        yolk_compare_side *side = i == 0 ? &r->a : &r->b;
        status = yk_series_open(&c->series[i], c->managers[i], side->input, c->options.batch, &c->frames);
        if (status == YOLK_OK)
            status = take_turn(c, i, 1, false);
        side->first_ms = c->series[i].last_call_ms;
        if (status == YOLK_OK)
            status = take_turn(c, i, WARMUP, false);
    }
    c->ratios = yk_calloc(rounds, sizeof *c->ratios);
    if (!c->ratios)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_texts_take(&c->report->texts, (char *)c->ratios); /* ends with the report */
    uint64_t start = yk_now_ns();
    for (size_t round = 0; round < rounds && status == YOLK_OK; round++) {
        const int first = (int)(round % 2);
        status = take_turn(c, first, RUNS_A_TURN, true);
        if (status == YOLK_OK)
            status = take_turn(c, 1 - first, RUNS_A_TURN, true);
        if (status == YOLK_OK)
            c->ratios[c->round_count++] = turn_ms(&c->series[0]) / YK_MAX(turn_ms(&c->series[1]), 1e-6);
        if (c->options.max_seconds > 0 && round + 1 < rounds && yk_ms_since(start) >= 1e3 * c->options.max_seconds) {
            r->cut = 1;
            c->clock.done += c->call_work * 2 * RUNS_A_TURN * (double)(rounds - round - 1);
            break;
        }
    }
    return status;
}

static yolk_status sum_up_side(yk_texts *texts, const yk_series *s, yolk_compare_side *side)
{
    yolk_status status = yk_times_make(s->calls, s->count, &side->call);
    if (status == YOLK_OK)
        status = yk_times_make(s->network, s->count, &side->network);
    double *calls = status == YOLK_OK ? yk_calloc((size_t)s->count, sizeof *calls) : NULL;
    if (!calls)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(calls, s->calls, (size_t)s->count * sizeof *calls);
    yk_texts_take(texts, (char *)calls);
    side->calls_ms = calls;
    side->fps = s->total_ms > 0 ? 1e3 * s->count * s->frame_count / s->total_ms : 0;
    return yk_texts_status(texts);
}

static yolk_status sum_up(comparison *c)
{
    yolk_compare_report *r = &c->report->public;
    r->batch = c->options.batch;
    r->ratios = c->ratios;
    r->ratio_count = c->round_count;
    yolk_status status = sum_up_side(&c->report->texts, &c->series[0], &r->a);
    if (status == YOLK_OK)
        status = sum_up_side(&c->report->texts, &c->series[1], &r->b);
    if (status == YOLK_OK)
        status = yk_median_interval(r->ratios, (int)r->ratio_count, &r->speedup, &r->speedup_low, &r->speedup_high);
    return status;
}

/* ---- what they find ---- */

static yolk_status predict(yolk_manager *manager, const yolk_image *image, const yolk_size *input, yk_detections *out)
{
    yolk_results *results;
    yolk_status status = yolk_manager_predict_batch(manager, image, 1, input, &results);
    if (status != YOLK_OK)
        return status;
    yolk_frame_detections found = yolk_results_frame(results, 0);
    status = yk_grow(&out->items, &out->capacity, found.count, sizeof *out->items);
    if (status == YOLK_OK && found.count > 0)
        memcpy(out->items, found.items, found.count * sizeof *found.items);
    out->count = status == YOLK_OK ? found.count : 0;
    for (size_t i = 0; i < out->count; i++)
        out->items[i].class_name = ""; /* which is the results' */
    yolk_results_destroy(&results);
    return status;
}

static yolk_status find(void *user, int which, const yolk_image *image, yk_detections *sure, yk_detections *all)
{
    comparison *c = user;
    const yolk_size *input = which == 0 ? &c->report->public.a.input : &c->report->public.b.input;
    yolk_status status = predict(c->managers[which], image, input, sure);
    if (status == YOLK_OK && all)
        status = predict(c->all[which], image, input, all);
    return status;
}

static yolk_status add_score(yk_compare_report *r, float a, float b)
{
    const size_t count = r->public.score_count;
    if (count >= MOST_SCORES)
        return YOLK_OK;
    yolk_status status = yk_grow(&r->scores, &r->score_capacity, count + 1, sizeof *r->scores);
    if (status != YOLK_OK)
        return status;
    r->scores[count] = (yolk_score_pair){a, b};
    r->public.scores = r->scores;
    r->public.score_count = count + 1;
    return YOLK_OK;
}

static yolk_status look(void *user, const yk_detections *first, const yk_detections *second)
{
    comparison *c = user;
    int *match = yk_calloc(first->count, sizeof *match);
    bool *matched = yk_calloc(second->count, sizeof *matched);
    yolk_status status = match && matched ? yk_match(first, second, match) : YOLK_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < first->count && status == YOLK_OK; i++) {
        if (match[i] >= 0)
            matched[match[i]] = true;
        status =
            add_score(c->report, first->items[i].confidence, match[i] >= 0 ? second->items[match[i]].confidence : 0);
    }
    for (size_t i = 0; i < second->count && status == YOLK_OK; i++)
        status = matched[i] ? YOLK_OK : add_score(c->report, 0, second->items[i].confidence);
    yk_free(match);
    yk_free(matched);
    return status;
}

static yolk_status step(void *user, double done, double total)
{
    comparison *c = user;
    (void)done;
    return yk_clock_step(&c->clock, "comparing what they find", c->picture_work / total);
}

static void describe(comparison *c, const yk_check *check)
{
    yolk_compare_report *r = &c->report->public;
    r->check = check->truth ? YOLK_CHECK_PRECISION : YOLK_CHECK_AGREEMENT;
    r->pictures = check->count;
    r->a.boxes = (int)YK_MIN(check->agreement.first, INT32_MAX);
    r->b.boxes = (int)YK_MIN(check->agreement.second, INT32_MAX);
    r->boxes = (int)YK_MIN(check->agreement.first + check->agreement.second - check->agreement.both, INT32_MAX);
    r->agreement = yk_agreement_share(&check->agreement);
    r->score_difference = yk_agreement_difference(&check->agreement);
    r->a.ap = check->ap[0];
    r->b.ap = check->ap[1];
    r->a.ap50 = check->ap50[0];
    r->b.ap50 = check->ap50[1];
}

/* Class names belong to the manager's info. */
static yolk_status open_truth(comparison *c, yk_check *check)
{
    yolk_model_info info;
    yolk_status status = yolk_manager_info(c->managers[0], &info);
    if (status == YOLK_OK)
        status = yk_truth_open(c->options.labels, info.class_names, info.class_count, &check->truth);
    return status;
}

static yolk_status compare_findings(comparison *c, const char *const models[2])
{
    const yolk_compare_options *o = &c->options;
    yk_check check = {.find = find, .look = look, .step = step, .user = c};
    const int class_count = c->report->public.a.model.class_count;
    int count = o->val_count > 0 ? o->val_count : o->labels ? 0 : 64;
    yolk_status status = yk_pictures_open(o->val, count, &check.pictures);
    if (status == YOLK_OK && o->labels)
        status = open_truth(c, &check);
    for (int i = 0; i < 2 && o->labels && status == YOLK_OK; i++)
        status = open_all(c, models[i], i);
    if (status == YOLK_OK)
        status = yk_check_run(&check, class_count);
    if (status == YOLK_OK && check.count == 0)
        status = yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the ground truth in %s speaks of none of these pictures", o->val,
                         o->labels);
    if (status == YOLK_OK)
        describe(c, &check);
    yk_truth_close(&check.truth);
    yk_pictures_close(&check.pictures);
    return status;
}

/* ---- all together ---- */

static yolk_status compare(comparison *c, const char *const models[2])
{
    yk_compare_report *r = c->report;
    const char *val = c->options.val;
    r->public.val = val ? yk_texts_add(&r->texts, val) : "";
    yolk_status status = yk_measure_machine(&r->texts, &r->public.machine);
    for (int i = 0; i < 2 && status == YOLK_OK; i++)
        status = open_side(c, models[i], i);
    if (status == YOLK_OK)
        status = check_pair(&r->public, val != NULL);
    if (status == YOLK_OK)
        status = load_frames(c);
    if (status == YOLK_OK)
        status = time_both(c);
    if (status == YOLK_OK)
        status = sum_up(c);
    if (status == YOLK_OK && val)
        status = compare_findings(c, models);
    return status;
}

static void set_work(comparison *c)
{
    const yolk_compare_options *o = &c->options;
    const int rounds = (o->runs + RUNS_A_TURN - 1) / RUNS_A_TURN;
    const double calls = 2.0 * (1 + WARMUP + (double)rounds * RUNS_A_TURN);
    c->call_work = o->batch;
    c->picture_work = !o->val ? 0 : (o->labels ? 4.0 : 2.0) * (o->val_count > 0 ? o->val_count : 64);
    c->clock.total = calls * c->call_work + c->picture_work;
}

yolk_status yolk_compare(const char *a, const char *b, const yolk_compare_options *options,
                         yolk_compare_report **report)
{
    const char *const models[2] = {a, b};
    comparison c = {.ratios = NULL};
    *report = NULL;
    yolk_status status = take_options(options, &c.options);
    if (status != YOLK_OK)
        return status;
    c.report = yk_calloc(1, sizeof *c.report);
    if (!c.report)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_compare_report *made = &c.report->public;
    yk_measure_config(c.options.config, &c.config);
    c.clock = (yk_clock){.callback = c.options.progress, .user = c.options.user, .start_ns = yk_now_ns()};
    set_work(&c);
    status = compare(&c, models);
    for (int i = 0; i < 2; i++) {
        yk_series_close(&c.series[i]);
        yolk_manager_destroy(&c.managers[i]);
        yolk_manager_destroy(&c.all[i]);
    }
    yk_frames_free(&c.frames);
    made->seconds = yk_clock_seconds(&c.clock);
    if (status == YOLK_OK)
        status = yk_compare_finish(c.report);
    if (status == YOLK_OK)
        *report = made;
    else
        yolk_compare_report_destroy(&made);
    return status;
}
