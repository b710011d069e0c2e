/* The reports of benchmarks with the memory that they point into, and the files that fill them. */
#ifndef YK_BENCH_REPORT_H
#define YK_BENCH_REPORT_H

#include "convert/measure.h"

enum { YK_BENCH_STEPS = 4, YK_BENCH_LAYERS = 10 };

typedef struct yk_bench_report {
    yolk_benchmark_report public;
    yk_texts texts;
    yolk_benchmark_row *rows;
    yolk_benchmark_step steps[YK_BENCH_STEPS];
    yolk_benchmark_layer layers[YK_BENCH_LAYERS];
} yk_bench_report;

/* bench.c: bytes that a row will add, by what the rows before it of the same size have added; with less than two such
 * rows by what a frame of that size keeps alive. */
double yk_bench_expected(const yolk_benchmark_row *rows, const yolk_benchmark_row *row, double frame_bytes);

/* bench_steps.c: fills in steps and layers; `config` has the batch and input size that everything is measured at. */
yolk_status yk_bench_steps(yk_bench_report *r, const yolk_config *config, const char *model, yk_clock *clock);

/* Bytes of values that are alive at once in a run of a whole batch, as the network was imported. */
yolk_status yk_bench_live_peak(const yolk_manager *manager, yolk_size size, int batch, uint64_t *bytes);

/* bench_report.c */
yolk_status yk_bench_finish(yk_bench_report *r); /* writes its JSON */

#endif
