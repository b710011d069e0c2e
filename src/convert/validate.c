/* Does the new model find what its source finds? */

#include "convert/check.h"
#include "convert/job.h"
#include "convert/measure.h"

typedef struct checking {
    yk_job *job;
    yk_runner runners[2]; /* of the source, and of what was made */
    uint8_t *bytes;       /* the picture under way, letterboxed */
    yk_letterbox fit;
    yk_letterbox_scratch scratch;
    double *ms[2]; /* that each run of the two took */
    size_t runs[2], capacity[2];
} checking;

static yolk_status run_timed(checking *c, int which)
{
    yolk_status status = yk_grow(&c->ms[which], &c->capacity[which], c->runs[which] + 1, sizeof *c->ms[which]);
    const uint64_t start = yk_now_ns();
    if (status == YOLK_OK)
        status = yk_runner_run(&c->runners[which], c->bytes);
    if (status == YOLK_OK)
        c->ms[which][c->runs[which]++] = (double)(yk_now_ns() - start) / 1e6;
    return status;
}

/* The first run of each, which is slower, is as good as lost in a median. */
static double median(double *values, size_t count)
{
    yk_sort(values, (int)count);
    return yk_percentile(values, (int)count, 0.5);
}

static yolk_status find(void *user, int which, const yolk_image *image, yk_detections *sure, yk_detections *all)
{
    checking *c = user;
    yk_runner *r = &c->runners[which];
    const int w = c->job->width, h = c->job->height;
    yolk_status status = YOLK_OK;
    if (which == 0) {
        c->fit = yk_letterbox_fit(image->width, image->height, w, h, r->head.top_left);
        status = yk_letterbox_run(image, &c->fit, r->head.bgr, w, h, c->bytes, &c->scratch);
    }
    if (status == YOLK_OK)
        status = run_timed(c, which);
    if (status == YOLK_OK)
        status = yk_runner_detect(r, &c->fit, &yk_check_sure, sure);
    if (status == YOLK_OK && all)
        status = yk_runner_detect(r, &c->fit, &yk_check_all, all);
    return status;
}

static yolk_status step(void *user, double done, double total)
{
    const checking *c = user;
    return yk_job_step(c->job, "checking", done, total);
}

/* ---- the verdict ---- */

static double limit(double given, double half, double bytes, yolk_precision precision)
{
    return given > 0 ? given : precision == YOLK_PRECISION_INT8 ? bytes : half;
}

yk_limits yk_convert_limits(const yolk_convert_options *o)
{
    return (yk_limits){.agreement = limit(o->min_agreement, 0.99, 0.97, o->precision),
                       .difference = limit(o->max_score_difference, 0.01, 0.03, o->precision),
                       .ap_loss = limit(o->max_ap_loss, 0.003, 0.01, o->precision)};
}

static yolk_status inaccurate(const yk_job *job, const char *text, const char *wanted, double limit_value)
{
    return yk_fail(YOLK_ERROR_INACCURATE,
                   "%s: as %s it does not find enough of what the source finds (%s; %s %g is wanted); nothing was "
                   "written; give more pictures with --calib, or leave the check out with --no-validate",
                   job->source, yolk_precision_name(job->options.precision), text, wanted, limit_value);
}

static yolk_status judge(yk_job *job)
{
    const yk_limits l = yk_convert_limits(&job->options);
    yolk_convert_report *r = &job->report->public;
    if (r->check == YOLK_CHECK_PRECISION && r->ap < r->source_ap - l.ap_loss)
        return inaccurate(job, r->text, "an AP50-95 that is lower by at most", l.ap_loss);
    if (r->check == YOLK_CHECK_AGREEMENT && r->agreement < l.agreement)
        return inaccurate(job, r->text, "a share of at least", l.agreement);
    if (r->check == YOLK_CHECK_AGREEMENT && r->score_difference > l.difference)
        return inaccurate(job, r->text, "a mean difference of at most", l.difference);
    r->passed = 1;
    return YOLK_OK;
}

static yolk_status describe(yk_job *job, const yk_check *c)
{
    yk_report *report = job->report;
    yolk_convert_report *r = &report->public;
    const bool truth = c->truth != NULL;
    r->check = truth ? YOLK_CHECK_PRECISION : YOLK_CHECK_AGREEMENT;
    r->pictures = c->count;
    r->boxes = (int)YK_MIN(c->agreement.first + c->agreement.second - c->agreement.both, INT32_MAX);
    r->agreement = yk_agreement_share(&c->agreement);
    r->score_difference = yk_agreement_difference(&c->agreement);
    r->source_ap = c->ap[0];
    r->ap = c->ap[1];
    yk_free(report->text);
    report->text = truth ? yk_format("AP50-95 %.4f, source %.4f, on %d pictures", r->ap, r->source_ap, r->pictures)
                         : yk_format("%.1f%% of %d boxes agree, scores within %.3f, on %d pictures", 100 * r->agreement,
                                     r->boxes, r->score_difference, r->pictures);
    r->text = report->text ? report->text : "";
    return report->text ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

/* Finding nothing where there is nothing to be found proves nothing. */
static yolk_status check_substance(const yk_job *job, const yk_check *c)
{
    const char *where = job->options.val ? job->options.val : job->options.calib;
    if (c->count == 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the ground truth in %s speaks of none of these pictures", where,
                       job->options.labels);
    if (c->truth && c->true_boxes == 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the ground truth has no box for the pictures in %s",
                       job->options.labels, where);
    if (!c->truth && c->agreement.first == 0)
        return yk_fail(YOLK_ERROR_INACCURATE,
                       "%s: the source finds nothing in these pictures, so the result cannot be checked on them; name "
                       "others with --val",
                       where);
    return YOLK_OK;
}

static yolk_status open_pictures(const yk_job *job, yk_check *c)
{
    const yolk_convert_options *o = &job->options;
    if (o->val)
        return yk_pictures_open(o->val, o->val_count > 0 ? o->val_count : o->labels ? 0 : 64, &c->pictures);
    /* The end of the calibration pictures was kept out of calibration. */
    yolk_status status = yk_pictures_open(o->calib, o->calib_count, &c->pictures);
    int count = status == YOLK_OK ? yk_pictures_count(c->pictures) : 0, measured = yk_calibration_part(count);
    c->skip = measured < count ? measured : 0;
    return status;
}

yolk_status yk_validate(yk_job *job, yk_graph *source, yk_graph *made)
{
    const yolk_convert_options *o = &job->options;
    checking checking = {.job = job};
    yk_check c = {.find = find, .step = step, .user = &checking};
    yk_graph *const graphs[2] = {source, made};
    yolk_status status = YOLK_OK;
    if (o->labels)
        status = yk_truth_open(o->labels, (const char *const *)source->class_names, source->head.classes, &c.truth);
    if (status == YOLK_OK)
        status = open_pictures(job, &c);
    if (status == YOLK_OK) {
        checking.bytes = yk_alloc((size_t)job->width * (size_t)job->height * 3);
        status = checking.bytes ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    }
    for (int i = 0; i < 2 && status == YOLK_OK; i++)
        status = yk_runner_open(graphs[i], job->width, job->height, job->backend, o->threads, &checking.runners[i]);
    if (status == YOLK_OK)
        status = yk_check_run(&c, source->head.classes);
    job->report->public.source_ms = median(checking.ms[0], checking.runs[0]);
    job->report->public.ms = median(checking.ms[1], checking.runs[1]);
    if (status == YOLK_OK)
        status = describe(job, &c);
    if (status == YOLK_OK)
        status = check_substance(job, &c);
    if (status == YOLK_OK)
        status = judge(job);
    for (int i = 0; i < 2; i++) {
        yk_runner_close(&checking.runners[i]);
        yk_free(checking.ms[i]);
    }
    yk_letterbox_scratch_free(&checking.scratch);
    yk_truth_close(&c.truth);
    yk_pictures_close(&c.pictures);
    yk_free(checking.bytes);
    return status;
}
