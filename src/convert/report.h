/* HTML reports: one file that needs nothing else, and charts in SVG. Everything is appended to a buffer, whose status
 * is looked at once, at the end. */
#ifndef YK_REPORT_H
#define YK_REPORT_H

#include "base/base.h"
#include "yolk/bench.h"

/* ---- report.c: text and tables ---- */

void yk_html_text(yk_buffer *b, const char *text); /* escaped, whatever its bytes are */
/* With a decimal point whatever the locale is; "-" for what is no number. */
void yk_html_number(yk_buffer *b, double value, int decimals);
void yk_html_bytes(yk_buffer *b, uint64_t bytes); /* "12.3 MiB" */
int yk_html_decimals(double value);               /* that show three digits of it */

void yk_html_begin(yk_buffer *b, const char *kind, const char *subject, const yolk_bench_machine *machine);
void yk_html_end(yk_buffer *b, const yolk_bench_machine *machine, double seconds);
yolk_status yk_html_write(yk_buffer *b, const char *path); /* ends the buffer */

/* A figure to be seen first; `note` NULL: none. Between <div class="tiles"> and </div>. */
void yk_html_tile(yk_buffer *b, const char *name, double value, int decimals, const char *unit, const char *note);
void yk_html_section(yk_buffer *b, const char *title, const char *note); /* heading, and a paragraph when not NULL */
void yk_html_table_begin(yk_buffer *b, const char *const *columns, int count, unsigned left); /* bit: text column */
void yk_html_table_end(yk_buffer *b);
void yk_html_cell(yk_buffer *b, const char *text);
void yk_html_cell_number(yk_buffer *b, double value, int decimals);
void yk_html_cell_bytes(yk_buffer *b, uint64_t bytes);
/* A row of two cells, of a table of facts. */
void yk_html_fact(yk_buffer *b, const char *name, const char *text);
void yk_html_model(yk_buffer *b, const yolk_bench_model *model); /* rows of facts */
void yk_html_machine(yk_buffer *b, const yolk_bench_machine *machine);

/* ---- report_chart.c ---- */

typedef struct yk_chart {
    const char *title;
    const char *note;   /* how to read it; NULL: nothing */
    const char *unit;   /* of the axis */
    const char *across; /* what bars stand for; NULL: their labels say it */
} yk_chart;

enum { YK_CHART_BARS = 16, YK_CHART_PARTS = 4 };

typedef struct yk_bar {
    char label[24];
    double value;
    double low, high; /* of a line over the bar; both 0: none */
    double tick;      /* across that line; 0: none */
    int color;        /* 0 or 1 */
} yk_bar;
void yk_chart_bars(yk_buffer *b, const yk_chart *c, const yk_bar *bars, int count);

typedef struct yk_stack {
    char label[24];
    double parts[YK_CHART_PARTS];
} yk_stack;
void yk_chart_stacks(yk_buffer *b, const yk_chart *c, const yk_stack *stacks, int count, const char *const *names,
                     int parts);

/* How often values of up to two series fall between what; names NULL for one. */
void yk_chart_histogram(yk_buffer *b, const yk_chart *c, const double *const *values, const int *counts, int series,
                        const char *const *names);
/* Pairs of 0..1. */
void yk_chart_scatter(yk_buffer *b, const yk_chart *c, const yolk_score_pair *pairs, size_t count, const char *x,
                      const char *y);
/* Values in order, the middle one and what it lies between. */
void yk_chart_points(yk_buffer *b, const yk_chart *c, const double *values, int count, double middle, double low,
                     double high);
/* A step of 1, 2 or 5 times a power of ten that divides `range` into `parts` at most. */
double yk_chart_step(double range, int parts);

#endif
