/* What benchmarks and comparisons share: a clock with progress, timed calls of a manager, frames to run on, and the
 * facts that every report begins with. */
#ifndef YK_MEASURE_H
#define YK_MEASURE_H

#include <jansson.h>

#include "base/base.h"
#include "yolk/bench.h"

/* ---- times ---- */

void yk_sort(double *values, int count); /* rising */
/* The value below which `share` (0..1) of the sorted values lie, interpolated. */
double yk_percentile(const double *sorted, int count, double share);
yolk_status yk_times_make(const double *ms, int count, yolk_times *out);
/* The median and, by 2000 resamples that are the same every time, what it lies between with a confidence of 95 %. */
yolk_status yk_median_interval(const double *values, int count, double *median, double *low, double *high);

/* ---- texts that live as long as a report ---- */

typedef struct yk_texts {
    char **items;
    size_t count, capacity;
    bool failed; /* memory was short, once and for all */
} yk_texts;
const char *yk_texts_take(yk_texts *t, char *text); /* from yk_alloc() and its kin, or NULL when that failed */
const char *yk_texts_add(yk_texts *t, const char *text);
yolk_status yk_texts_status(const yk_texts *t);
void yk_texts_free(yk_texts *t);

/* ---- progress ---- */

typedef struct yk_clock {
    yolk_bench_callback callback; /* or NULL */
    void *user;
    uint64_t start_ns;
    double done, total; /* work, in any unit */
} yk_clock;
/* `work` more is done. YOLK_ERROR_CANCELED when the caller wants to stop. */
yolk_status yk_clock_step(yk_clock *c, const char *stage, double work);
double yk_clock_seconds(const yk_clock *c);
double yk_ms_since(uint64_t start_ns);

/* ---- frames ---- */

typedef struct yk_frames {
    yolk_image *images;
    int count;
} yk_frames;
/* Copies `count` pictures of a folder or frames of a video. */
yolk_status yk_frames_load(const char *path, int count, yk_frames *out);
/* Pictures of noise, the same every time. */
yolk_status yk_frames_noise(yolk_size size, int count, yk_frames *out);
/* One copy of a picture more. */
yolk_status yk_frames_add(yk_frames *f, const yolk_image *image);
void yk_frames_free(yk_frames *f);

/* ---- timed calls ---- */

typedef struct yk_series {
    double *calls, *network; /* milliseconds a call; in the network alone */
    int count;
    size_t call_capacity, network_capacity;
    double total_ms;           /* of the calls */
    uint64_t runs, detections; /* of the network, found */
    double last_call_ms;       /* counted or not */
    const yk_frames *frames;   /* they take turns */
    int next;                  /* frame */
    yolk_image *batch;         /* room for those of one call */
    yolk_manager *manager;
    yolk_size input;
    int frame_count; /* a call */
} yk_series;
yolk_status yk_series_open(yk_series *s, yolk_manager *manager, yolk_size input, int batch, const yk_frames *frames);
yolk_status yk_series_call(yk_series *s, bool counted);
void yk_series_close(yk_series *s);

/* ---- managers and facts ---- */

/* A manager with the model loaded, and the time that took. */
yolk_status yk_measure_load(const yolk_config *config, const char *model, yolk_manager **out, double *ms);
/* The caller's settings, or the process-wide ones. */
void yk_measure_config(const yolk_config *given, yolk_config *out);
yolk_status yk_measure_model(yk_texts *texts, const yolk_manager *manager, yolk_bench_model *out);
yolk_status yk_measure_machine(yk_texts *texts, yolk_bench_machine *out);

/* ---- JSON; NULL when memory is short ---- */

json_t *yk_json_text(const char *text); /* whatever its bytes are */
json_t *yk_json_machine(const yolk_bench_machine *m);
json_t *yk_json_model(const yolk_bench_model *m);
json_t *yk_json_times(const yolk_times *t);
json_t *yk_json_size(yolk_size size);
json_t *yk_json_numbers(const double *values, int count);
/* Gives `root` up. */
yolk_status yk_json_keep(yk_texts *texts, json_t *root, const char **out);

#endif
