/* Progress and report of a conversion. */
#include "convert/job.h"

#include <stdio.h>

void yk_job_stage(yk_job *job, double span)
{
    job->from += job->span;
    job->span = span;
}

yolk_status yk_job_step(yk_job *job, const char *stage, double done, double total)
{
    yolk_convert_progress p = {.stage = stage, .source = job->source, .count = 1};
    if (!job->options.progress)
        return YOLK_OK;
    p.fraction = YK_MIN(job->from + (total > 0 ? job->span * YK_MIN(done / total, 1) : 0), 1);
    p.seconds = (double)(yk_now_ns() - job->start_ns) / 1e9;
    p.eta = p.fraction > 0.02 ? p.seconds / p.fraction - p.seconds : -1;
    if (job->options.progress(job->options.user, &p) == 0)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_CANCELED, "%s: the conversion was stopped; nothing was written", job->source);
}

yolk_status yk_report_keep(yk_report *r, const char *name, const char *format, ...)
{
    char why[160];
    va_list list;
    va_start(list, format);
    vsnprintf(why, sizeof why, format, list);
    va_end(list);
    yolk_convert_report *p = &r->public;
    yolk_status status = yk_grow(&r->kept, &r->kept_capacity, p->kept_count + 1, sizeof *r->kept);
    if (status != YOLK_OK)
        return status;
    p->kept = r->kept;
    yolk_kept_layer *k = &r->kept[p->kept_count];
    *k = (yolk_kept_layer){yk_strdup(name), yk_strdup(why)};
    p->kept_count++;
    return k->name && k->why ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

void yolk_convert_report_destroy(yolk_convert_report **report)
{
    yk_report *r = (yk_report *)*report;
    *report = NULL;
    if (!r)
        return;
    for (size_t i = 0; i < r->public.kept_count; i++) {
        yk_free((void *)r->kept[i].name);
        yk_free((void *)r->kept[i].why);
    }
    yk_free(r->kept);
    yk_free(r->text);
    yk_free(r);
}
