/* A conversion under way, shared by the files of this room. */
#ifndef YK_JOB_H
#define YK_JOB_H

#include <string.h>

#include "backend/backend.h"
#include "convert/pictures.h"
#include "convert/runner.h"
#include "yolk/convert.h"

typedef struct yk_job {
    yolk_convert_options options;
    const char *source, *destination;
    const yk_backend *backend; /* NULL when nothing has to be run */
    int width, height;         /* network input that everything is measured at */
    uint64_t start_ns;
    double from, span; /* of the whole, what the stage under way is */
    struct yk_report *report;
} yk_job;

/* A report with the memory that it points into. */
typedef struct yk_report {
    yolk_convert_report public;
    yolk_kept_layer *kept;
    size_t kept_capacity;
    char *text;
    char calibration[65]; /* int8: SHA-256 of the pictures that ranges were measured on */
} yk_report;
yolk_status yk_report_keep(yk_report *r, const char *name, const char *format, ...) YK_PRINTF(3, 4);

/* The caller's options, checked; an older program may know the first ones only. NULL: the defaults. */
yolk_status yk_convert_options_take(const yolk_convert_options *given, yolk_convert_options *out);

/* What the result must come up to. */
typedef struct yk_limits {
    double agreement, difference, ap_loss;
} yk_limits;
yk_limits yk_convert_limits(const yolk_convert_options *o);

/* The stage under way is done to done/total. YOLK_ERROR_CANCELED when the caller wants to stop. */
yolk_status yk_job_step(yk_job *job, const char *stage, double done, double total);
/* Whether the caller has named a backend; else it is yolk's choice. */
static inline bool yk_names_backend(const yolk_convert_options *o)
{
    return o->backend && strcmp(o->backend, "auto") != 0;
}
/* The next stage is `span` (0..1) of the whole. */
void yk_job_stage(yk_job *job, double span);

/* ---- samples.c: pictures letterboxed for the network and kept ---- */
typedef struct yk_samples {
    uint8_t *bytes; /* count x height x width x 3 */
    yk_letterbox *fits;
    int count;
    size_t each; /* bytes a picture */
} yk_samples;
yolk_status yk_samples_load(yk_job *job, const char *path, int count, const yk_head *head, yk_samples *out);
void yk_samples_free(yk_samples *s);
/* How many of `count` calibration pictures are measured; the rest, at the end, is kept to check on. */
int yk_calibration_part(int count);

/* ---- calibrate.c ---- */

/* For each value of the graph how far from zero it goes, by the two ways and at most, and its least value. */
typedef struct yk_ranges {
    float *percentile, *squares, *least, *most;
} yk_ranges;
/* Runs `g` on the first `count` samples. `group` as yk_quantize_groups() gives it. */
yolk_status yk_calibrate(yk_job *job, const yk_graph *g, const int *group, const yk_samples *samples, int count,
                         bool symmetric, yk_ranges *out);
void yk_ranges_free(yk_ranges *r);

/* ---- correct.c ---- */

/* For each chosen node what to add to its biases, channel by channel; `shift` has a place for each node. Runs on the
 * first `count` samples. */
yolk_status yk_correct_biases(yk_job *job, const yk_graph *g, const yk_quantization *q, const yk_samples *samples,
                              int count, float **shift);
void yk_shifts_clear(float **shift, int count);

/* ---- output_error.c ---- */
typedef struct yk_output_sums {
    double error, total; /* squared */
} yk_output_sums;
/* Adds one picture's; false for heads whose outputs it does not know. */
bool yk_output_error(const yk_head *head, const yk_shape *shapes, const float *const *expected,
                     const float *const *found, yk_output_sums *sums);

/* ---- quantize.c, half.c: change `g`, and say in the report what stayed float ---- */
yolk_status yk_convert_int8(yk_job *job, yk_graph **g);
yolk_status yk_convert_fp16(yk_job *job, yk_graph **g);

/* ---- convert.c ---- */
bool yk_is_checked(const yolk_convert_options *o);
/* Reads back what was written to `file`, NULL: only to `bytes`, and checks it. That is `share` of what is left to do.
 */
yolk_status yk_check_written(yk_job *job, yk_graph *source, const yk_atomic *file, const yk_buffer *bytes,
                             double share);
yolk_status yk_say_unchecked(yk_report *report);

/* ---- engine.c ---- */
yolk_status yk_convert_engine(yk_job *job, yk_graph *source, yk_graph *g);

/* ---- validate.c ---- */

/* Runs both graphs (unbound, in any order of outputs that their heads say) on the pictures to check on and fills in the
 * report. YOLK_ERROR_INACCURATE when `made` is not good enough. */
yolk_status yk_validate(yk_job *job, yk_graph *source, yk_graph *made);

#endif
