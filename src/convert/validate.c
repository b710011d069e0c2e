/* Does the new model find what its source finds? */
#include <string.h>

#include "convert/agree.h"
#include "convert/ap.h"
#include "convert/job.h"

/* Boxes that agreement is about, and what published average precision counts. */
static const yk_detect_options sure = {.conf = 0.25f, .iou = 0.45f, .max_det = 300};
static const yk_detect_options all = {.conf = 0.001f, .iou = 0.7f, .max_det = 300, .multi_label = true};

typedef struct checked {
    yk_runner runner;
    yk_detections sure, all;
    yk_ap *ap;
} checked;

typedef struct checking {
    yk_job *job;
    yk_pictures *pictures;
    yk_truth *truth; /* or NULL */
    checked source, made;
    yk_agreement agreement;
    uint8_t *bytes;
    yk_letterbox_scratch scratch;
    int count;
    int64_t true_boxes;
} checking;

static yolk_status open_checked(yk_job *job, yk_graph *g, bool truth, checked *c)
{
    yolk_status status = yk_runner_open(g, job->width, job->height, job->backend, job->options.threads, &c->runner);
    if (status == YOLK_OK && truth)
        status = yk_ap_create(g->head.classes, &c->ap);
    return status;
}

static void close_checked(checked *c)
{
    yk_runner_close(&c->runner);
    yk_detections_free(&c->sure);
    yk_detections_free(&c->all);
    yk_ap_destroy(&c->ap);
}

static yolk_status run(checked *c, const uint8_t *bytes, const yk_letterbox *fit, const yk_true_box *truth,
                       size_t truth_count)
{
    yolk_status status = yk_runner_run(&c->runner, bytes);
    if (status == YOLK_OK)
        status = yk_runner_detect(&c->runner, fit, &sure, &c->sure);
    if (status == YOLK_OK && c->ap)
        status = yk_runner_detect(&c->runner, fit, &all, &c->all);
    if (status == YOLK_OK && c->ap)
        status = yk_ap_add(c->ap, truth, truth_count, c->all.items, c->all.count);
    return status;
}

static yolk_status check_picture(checking *c, const yolk_image *image, const char *name)
{
    const yk_head *head = &c->source.runner.head;
    const int w = c->job->width, h = c->job->height;
    const yk_true_box *truth = NULL;
    size_t truth_count = 0;
    bool known = true;
    yolk_status status = YOLK_OK;
    if (c->truth)
        status = yk_truth_find(c->truth, name, image->width, image->height, &truth, &truth_count, &known);
    if (status != YOLK_OK || !known)
        return status;
    yk_letterbox fit = yk_letterbox_fit(image->width, image->height, w, h, head->top_left);
    status = yk_letterbox_run(image, &fit, head->bgr, w, h, c->bytes, &c->scratch);
    if (status == YOLK_OK)
        status = run(&c->source, c->bytes, &fit, truth, truth_count);
    if (status == YOLK_OK)
        status = run(&c->made, c->bytes, &fit, truth, truth_count);
    if (status == YOLK_OK)
        status = yk_agreement_add(&c->agreement, &c->source.sure, &c->made.sure, sure.conf);
    c->count++;
    c->true_boxes += (int64_t)truth_count;
    return status;
}

static yolk_status check_all(checking *c, int skip)
{
    const int total = yk_pictures_count(c->pictures);
    yolk_status status = YOLK_OK;
    for (int i = 0; status == YOLK_OK; i++) {
        const yolk_image *image;
        const char *name;
        status = yk_pictures_next(c->pictures, &image, &name);
        if (status == YOLK_OK && i >= skip)
            status = check_picture(c, image, name);
        if (status == YOLK_OK)
            status = yk_job_step(c->job, "checking", i + 1, total);
    }
    if (status != YOLK_END)
        return status;
    if (c->count == 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the ground truth in %s speaks of none of these pictures",
                       c->job->options.val, c->job->options.labels);
    return YOLK_OK;
}

/* ---- the verdict ---- */

static double limit(double given, double half, double bytes, yolk_precision precision)
{
    return given > 0 ? given : precision == YOLK_PRECISION_INT8 ? bytes : half;
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
    const yolk_convert_options *o = &job->options;
    yolk_convert_report *r = &job->report->public;
    const double share = limit(o->min_agreement, 0.99, 0.97, o->precision);
    const double difference = limit(o->max_score_difference, 0.01, 0.03, o->precision);
    const double loss = limit(o->max_ap_loss, 0.003, 0.01, o->precision);
    if (r->check == YOLK_CHECK_PRECISION && r->ap < r->source_ap - loss)
        return inaccurate(job, r->text, "an AP50-95 that is lower by at most", loss);
    if (r->check == YOLK_CHECK_AGREEMENT && r->agreement < share)
        return inaccurate(job, r->text, "a share of at least", share);
    if (r->check == YOLK_CHECK_AGREEMENT && r->score_difference > difference)
        return inaccurate(job, r->text, "a mean difference of at most", difference);
    r->passed = 1;
    return YOLK_OK;
}

static yolk_status describe(checking *c)
{
    yk_report *report = c->job->report;
    yolk_convert_report *r = &report->public;
    yolk_status status = YOLK_OK;
    r->check = c->truth ? YOLK_CHECK_PRECISION : YOLK_CHECK_AGREEMENT;
    r->pictures = c->count;
    r->boxes = (int)YK_MIN(c->agreement.first + c->agreement.second - c->agreement.both, INT32_MAX);
    r->agreement = yk_agreement_share(&c->agreement);
    r->score_difference = yk_agreement_difference(&c->agreement);
    if (c->truth)
        status = yk_ap_result(c->source.ap, &r->source_ap, NULL);
    if (c->truth && status == YOLK_OK)
        status = yk_ap_result(c->made.ap, &r->ap, NULL);
    if (status != YOLK_OK)
        return status;
    yk_free(report->text);
    report->text = c->truth ? yk_format("AP50-95 %.4f, source %.4f, on %d pictures", r->ap, r->source_ap, r->pictures)
                            : yk_format("%.1f%% of %d boxes agree, scores within %.3f, on %d pictures",
                                        100 * r->agreement, r->boxes, r->score_difference, r->pictures);
    r->text = report->text ? report->text : "";
    return report->text ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

/* Finding nothing where there is nothing to be found proves nothing. */
static yolk_status check_substance(const checking *c)
{
    const char *where = c->job->options.val ? c->job->options.val : c->job->options.calib;
    if (c->truth && c->true_boxes == 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: the ground truth has no box for the pictures in %s",
                       c->job->options.labels, where);
    if (!c->truth && c->agreement.first == 0)
        return yk_fail(YOLK_ERROR_INACCURATE,
                       "%s: the source finds nothing in these pictures, so the result cannot be checked on them; name "
                       "others with --val",
                       where);
    return YOLK_OK;
}

yolk_status yk_validate(yk_job *job, yk_graph *source, yk_graph *made)
{
    const yolk_convert_options *o = &job->options;
    checking c = {.job = job};
    int skip = 0;
    yolk_status status = YOLK_OK;
    if (o->labels)
        status = yk_truth_open(o->labels, (const char *const *)source->class_names, source->head.classes, &c.truth);
    if (status == YOLK_OK && o->val) {
        status = yk_pictures_open(o->val, o->val_count > 0 ? o->val_count : o->labels ? 0 : 64, &c.pictures);
    } else if (status == YOLK_OK) {
        /* The end of the calibration pictures was kept out of calibration. */
        status = yk_pictures_open(o->calib, o->calib_count, &c.pictures);
        int count = status == YOLK_OK ? yk_pictures_count(c.pictures) : 0, measured = yk_calibration_part(count);
        skip = measured < count ? measured : 0;
    }
    if (status == YOLK_OK) {
        c.bytes = yk_alloc((size_t)job->width * (size_t)job->height * 3);
        status = c.bytes ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    }
    if (status == YOLK_OK)
        status = open_checked(job, source, c.truth != NULL, &c.source);
    if (status == YOLK_OK)
        status = open_checked(job, made, c.truth != NULL, &c.made);
    if (status == YOLK_OK)
        status = check_all(&c, skip);
    if (status == YOLK_OK)
        status = describe(&c);
    if (status == YOLK_OK)
        status = check_substance(&c);
    if (status == YOLK_OK)
        status = judge(job);
    close_checked(&c.source);
    close_checked(&c.made);
    yk_letterbox_scratch_free(&c.scratch);
    yk_truth_close(&c.truth);
    yk_pictures_close(&c.pictures);
    yk_free(c.bytes);
    return status;
}
