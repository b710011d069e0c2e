/* A comparison as HTML. */
#include <stdio.h>
#include <string.h>

#include "convert/report.h"

static const double MIB = 1048576;

static void tiles(yk_buffer *b, const yolk_compare_report *r)
{
    yk_buffer span = {0};
    yk_buffer_text(&span, "times A's; ");
    yk_html_number(&span, r->speedup_low, 2);
    yk_buffer_text(&span, " to ");
    yk_html_number(&span, r->speedup_high, 2);
    yk_buffer_text(&span, " with 95 % confidence");
    yk_buffer_text(b, "<div class=\"tiles\">\n");
    yk_html_tile(b, "Speed of B", r->speedup, 2, "x", span.data ? (const char *)span.data : NULL);
    b->failed = b->failed || span.failed;
    yk_buffer_free(&span);
    yk_html_tile(b, "A", r->a.call.p50, yk_html_decimals(r->a.call.p50), "ms", "median run");
    yk_html_tile(b, "B", r->b.call.p50, yk_html_decimals(r->b.call.p50), "ms", "median run");
    if (r->check != YOLK_CHECK_NONE) {
        char note[64];
        snprintf(note, sizeof note, "of %d boxes on %d pictures", r->boxes, r->pictures);
        yk_html_tile(b, "Agreement", 100 * r->agreement, 1, "%", note);
        yk_html_tile(b, "Score difference", r->score_difference, 3, "", "mean, where both found it");
    }
    if (r->check == YOLK_CHECK_PRECISION)
        yk_html_tile(b, "AP50-95 of B", r->b.ap, 3, "", "against ground truth");
    yk_buffer_text(b, "</div>\n");
}

/* Names of models may be long, and the same. */
static void name_bar(yk_bar *bar, const char *letter, double value, int color)
{
    *bar = (yk_bar){.value = value, .color = color};
    snprintf(bar->label, sizeof bar->label, "%s", letter);
}

static void chart_pair(yk_buffer *b, const char *title, const char *note, const char *unit, double a, double second)
{
    const yk_chart chart = {.title = title, .note = note, .unit = unit};
    yk_bar bars[2];
    name_bar(&bars[0], "A", a, 0);
    name_bar(&bars[1], "B", second, 1);
    yk_chart_bars(b, &chart, bars, 2);
}

static void chart_latency(yk_buffer *b, const yolk_compare_report *r)
{
    const yk_chart chart = {.title = "Latency",
                            .note = "bar: median; line: fastest run to 99th percentile, with the 95th across it",
                            .unit = "ms a run"};
    yk_bar bars[2];
    name_bar(&bars[0], "A", r->a.call.p50, 0);
    name_bar(&bars[1], "B", r->b.call.p50, 1);
    for (int i = 0; i < 2; i++) {
        const yolk_times *t = i == 0 ? &r->a.call : &r->b.call;
        bars[i].low = t->min;
        bars[i].high = t->p99;
        bars[i].tick = t->p95;
    }
    yk_chart_bars(b, &chart, bars, 2);
}

static void speed_charts(yk_buffer *b, const yolk_compare_report *r)
{
    static const char *const names[] = {"A", "B"};
    const yk_chart times = {.title = "Times of the runs",
                            .note = "broken lines: medians; the last column holds all that is slower",
                            .unit = "ms a run"};
    const yk_chart rounds = {.title = "Speed-up by round",
                             .note = "broken line: median; band: what it lies in with 95 % confidence",
                             .unit = "time of A / time of B"};
    const double *values[] = {r->a.calls_ms, r->b.calls_ms};
    const int counts[] = {r->a.call.runs, r->b.call.runs};
    yk_buffer_text(b, "<div class=\"charts\">\n");
    chart_latency(b, r);
    yk_chart_points(b, &rounds, r->ratios, (int)r->ratio_count, r->speedup, r->speedup_low, r->speedup_high);
    yk_chart_histogram(b, &times, values, counts, 2, names);
    chart_pair(b, "Memory", "resident memory that loading and compiling added; A's holds the libraries that both use",
               "MiB", (double)r->a.memory_added / MIB, (double)r->b.memory_added / MIB);
    chart_pair(b, "File size", NULL, "MiB", (double)r->a.model.file_bytes / MIB, (double)r->b.model.file_bytes / MIB);
    yk_buffer_text(b, "</div>\n");
}

static void found_charts(yk_buffer *b, const yolk_compare_report *r)
{
    const yk_chart scores = {.title = "Confidence of each box",
                             .note = "on the line both are equally sure; on an edge only one found it"};
    yk_html_section(b, "What they find", NULL);
    yk_buffer_text(b, "<p>");
    yk_html_number(b, 100 * r->agreement, 1);
    yk_buffer_text(b, " of 100 boxes above 0.25 were found by both: same class, overlap of one half or more.</p>\n");
    yk_buffer_text(b, "<div class=\"charts\">\n");
    yk_chart_scatter(b, &scores, r->scores, r->score_count, "confidence of A", "confidence of B");
    chart_pair(b, "Boxes found", "above a confidence of 0.25", "boxes", r->a.boxes, r->b.boxes);
    if (r->check == YOLK_CHECK_PRECISION)
        chart_pair(b, "Average precision", "AP50-95 against ground truth", "AP", r->a.ap, r->b.ap);
    yk_buffer_text(b, "</div>\n");
}

static void row(yk_buffer *b, const char *name, double a, double second, int decimals)
{
    yk_buffer_text(b, "<tr>");
    yk_html_cell(b, name);
    yk_html_cell_number(b, a, decimals);
    yk_html_cell_number(b, second, decimals);
    yk_buffer_text(b, "</tr>\n");
}

static void row_bytes(yk_buffer *b, const char *name, uint64_t a, uint64_t second)
{
    yk_buffer_text(b, "<tr>");
    yk_html_cell(b, name);
    yk_html_cell_bytes(b, a);
    yk_html_cell_bytes(b, second);
    yk_buffer_text(b, "</tr>\n");
}

static void table(yk_buffer *b, const yolk_compare_report *r)
{
    static const char *const columns[] = {"", "A", "B"};
    const yolk_times *x = &r->a.call, *y = &r->b.call;
    yk_html_table_begin(b, columns, 3, 1);
    row(b, "Runs", x->runs, y->runs, 0);
    row(b, "Frames a second", r->a.fps, r->b.fps, 1);
    row(b, "Mean, ms", x->mean, y->mean, 2);
    row(b, "Standard deviation, ms", x->std, y->std, 2);
    row(b, "Fastest, ms", x->min, y->min, 2);
    row(b, "Median, ms", x->p50, y->p50, 2);
    row(b, "90th percentile, ms", x->p90, y->p90, 2);
    row(b, "95th percentile, ms", x->p95, y->p95, 2);
    row(b, "99th percentile, ms", x->p99, y->p99, 2);
    row(b, "Slowest, ms", x->max, y->max, 2);
    row(b, "Network alone, median, ms", r->a.network.p50, r->b.network.p50, 2);
    row(b, "Loading, ms", r->a.load_ms, r->b.load_ms, 1);
    row(b, "Compiling and warm-up, ms", r->a.prepare_ms, r->b.prepare_ms, 1);
    row(b, "First run, ms", r->a.first_ms, r->b.first_ms, 2);
    row_bytes(b, "Memory added", r->a.memory_added, r->b.memory_added);
    row_bytes(b, "File", r->a.model.file_bytes, r->b.model.file_bytes);
    if (r->check != YOLK_CHECK_NONE)
        row(b, "Boxes above 0.25", r->a.boxes, r->b.boxes, 0);
    if (r->check == YOLK_CHECK_PRECISION) {
        row(b, "AP50-95", r->a.ap, r->b.ap, 4);
        row(b, "AP50", r->a.ap50, r->b.ap50, 4);
    }
    yk_html_table_end(b);
    if (r->cut)
        yk_buffer_text(b, "<p>The time allowed was over before all runs were made.</p>\n");
}

static void side(yk_buffer *b, const char *title, const yolk_compare_side *s)
{
    char input[64];
    yk_html_section(b, title, NULL);
    yk_buffer_text(b, "<div class=\"scroll\"><table class=\"facts\"><tbody>\n");
    yk_html_model(b, &s->model);
    snprintf(input, sizeof input, "%d x %d (height x width)", s->input.height, s->input.width);
    yk_html_fact(b, "Input", input);
    yk_buffer_text(b, "</tbody></table></div>\n");
}

yolk_status yolk_compare_write_html(const yolk_compare_report *report, const char *path)
{
    yk_buffer b = {0};
    char *subject = yk_format("%s (A) and %s (B)", report->a.model.name, report->b.model.name);
    if (!subject)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_html_begin(&b, "Comparison", subject, &report->machine);
    yk_free(subject);
    tiles(&b, report);
    yk_html_section(&b, "Speed",
                    "Both ran in one process, in turn: A B, B A, A B, so that what else the machine did "
                    "disturbed both alike. Times are those of a call with a whole batch.");
    speed_charts(&b, report);
    if (report->check != YOLK_CHECK_NONE)
        found_charts(&b, report);
    yk_html_section(&b, "Figures", NULL);
    table(&b, report);
    side(&b, "A", &report->a);
    side(&b, "B", &report->b);
    yk_html_end(&b, &report->machine, report->seconds);
    return yk_html_write(&b, path);
}
