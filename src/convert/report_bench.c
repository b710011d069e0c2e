/* A benchmark as HTML. */
#include <stdio.h>
#include <string.h>

#include "convert/report.h"

static const double MIB = 1048576;

static bool same_size(yolk_size a, yolk_size b)
{
    return a.width == b.width && a.height == b.height;
}

/* The row with the most frames a second; NULL when none was run. */
static const yolk_benchmark_row *fastest(const yolk_benchmark_report *r)
{
    const yolk_benchmark_row *best = NULL;
    for (size_t i = 0; i < r->row_count; i++) {
        if (!r->rows[i].skipped && (!best || r->rows[i].fps > best->fps))
            best = &r->rows[i];
    }
    return best;
}

static void tiles(yk_buffer *b, const yolk_benchmark_report *r)
{
    const yolk_benchmark_row *best = fastest(r), *first = NULL;
    uint64_t peak = 0;
    char note[64];
    for (size_t i = 0; i < r->row_count; i++) {
        if (!first && !r->rows[i].skipped)
            first = &r->rows[i];
        peak = YK_MAX(peak, r->rows[i].memory_peak);
    }
    if (!best || !first)
        return;
    yk_buffer_text(b, "<div class=\"tiles\">\n");
    snprintf(note, sizeof note, "median, batch %d, %dx%d", first->batch, first->input.height, first->input.width);
    yk_html_tile(b, "Time of a run", first->call.p50, yk_html_decimals(first->call.p50), "ms", note);
    snprintf(note, sizeof note, "batch %d, %dx%d", best->batch, best->input.height, best->input.width);
    yk_html_tile(b, "Most frames a second", best->fps, yk_html_decimals(best->fps), "fps", note);
    yk_html_tile(b, "First frame", first->first_ratio, 2, "x", "of the median run");
    yk_html_tile(b, "Loading", r->load_ms, yk_html_decimals(r->load_ms), "ms", "finding and reading the file");
    yk_html_tile(b, "Compiling", first->prepare_ms, yk_html_decimals(first->prepare_ms), "ms", "with the warm-up");
    yk_html_tile(b, "Memory", (double)peak / MIB, 0, "MiB", "resident, at most");
    yk_buffer_text(b, "</div>\n");
}

/* Rows of one size that were run; at most as many as a chart has room for. */
static int collect(const yolk_benchmark_report *r, yolk_size size, const yolk_benchmark_row **out)
{
    int count = 0;
    for (size_t i = 0; i < r->row_count && count < YK_CHART_BARS; i++) {
        if (!r->rows[i].skipped && same_size(r->rows[i].input, size))
            out[count++] = &r->rows[i];
    }
    return count;
}

static void chart_latency(yk_buffer *b, const yolk_benchmark_row *const *rows, int count)
{
    const yk_chart chart = {.title = "Latency by batch",
                            .note = "bar: median; line: fastest run to 99th percentile, with the 95th across it",
                            .unit = "ms a run",
                            .across = "batch"};
    yk_bar bars[YK_CHART_BARS];
    for (int i = 0; i < count; i++) {
        const yolk_times *t = &rows[i]->call;
        bars[i] = (yk_bar){.value = t->p50, .low = t->min, .high = t->p99, .tick = t->p95};
        snprintf(bars[i].label, sizeof bars[i].label, "%d", rows[i]->batch);
    }
    yk_chart_bars(b, &chart, bars, count);
}

static void chart_throughput(yk_buffer *b, const yolk_benchmark_row *const *rows, int count)
{
    const yk_chart chart = {.title = "Throughput by batch",
                            .note = "frames in all runs against the time of all runs",
                            .unit = "frames a second",
                            .across = "batch"};
    yk_bar bars[YK_CHART_BARS];
    for (int i = 0; i < count; i++) {
        bars[i] = (yk_bar){.value = rows[i]->fps, .color = 1};
        snprintf(bars[i].label, sizeof bars[i].label, "%d", rows[i]->batch);
    }
    yk_chart_bars(b, &chart, bars, count);
}

static double difference(uint64_t after, uint64_t before)
{
    return after > before ? (double)(after - before) / MIB : 0;
}

static void chart_memory(yk_buffer *b, const yolk_benchmark_row *const *rows, int count)
{
    static const char *const names[] = {"before", "model", "compiled", "running"};
    const yk_chart chart = {.title = "Memory by batch",
                            .note = "resident memory of the process at most, by what added it",
                            .unit = "MiB",
                            .across = "batch"};
    yk_stack stacks[YK_CHART_BARS];
    for (int i = 0; i < count; i++) {
        const yolk_benchmark_row *r = rows[i];
        stacks[i] = (yk_stack){.parts = {(double)r->memory_before / MIB, difference(r->memory_loaded, r->memory_before),
                                         difference(r->memory_ready, r->memory_loaded),
                                         difference(r->memory_peak, YK_MAX(r->memory_ready, r->memory_loaded))}};
        snprintf(stacks[i].label, sizeof stacks[i].label, "%d", r->batch);
    }
    yk_chart_stacks(b, &chart, stacks, count, names, 4);
}

static void chart_times(yk_buffer *b, const yolk_benchmark_row *row)
{
    const double *values[] = {row->calls_ms};
    const int counts[] = {row->call.runs};
    char title[64];
    snprintf(title, sizeof title, "Times of the runs, batch %d", row->batch);
    const yk_chart chart = {
        .title = title, .note = "broken line: median; the last column holds all that is slower", .unit = "ms a run"};
    yk_chart_histogram(b, &chart, values, counts, 1, NULL);
}

static void charts(yk_buffer *b, const yolk_benchmark_report *r, yolk_size size)
{
    const yolk_benchmark_row *rows[YK_CHART_BARS];
    const int count = collect(r, size, rows);
    if (count == 0)
        return;
    yk_buffer_text(b, "<div class=\"charts\">\n");
    chart_latency(b, rows, count);
    chart_throughput(b, rows, count);
    chart_memory(b, rows, count);
    for (int i = 0; i < count; i++)
        chart_times(b, rows[i]);
    yk_buffer_text(b, "</div>\n");
}

static void table(yk_buffer *b, const yolk_benchmark_report *r, yolk_size size)
{
    static const char *const columns[] = {"Batch",   "Runs",  "Frames/s", "ms/frame", "Mean", "Std",
                                          "Min",     "p50",   "p90",      "p95",      "p99",  "Max",
                                          "Network", "First", "Compile",  "Memory"};
    yk_html_table_begin(b, columns, YK_COUNT(columns), 0);
    for (size_t i = 0; i < r->row_count; i++) {
        const yolk_benchmark_row *row = &r->rows[i];
        const yolk_times *t = &row->call;
        if (!same_size(row->input, size))
            continue;
        yk_buffer_text(b, "<tr>");
        yk_html_cell_number(b, row->batch, 0);
        if (row->skipped) {
            yk_buffer_format(b, "<td class=\"l\" colspan=\"%d\">not run: ", (int)YK_COUNT(columns) - 1);
            yk_html_text(b, row->skipped);
            yk_buffer_text(b, "</td></tr>\n");
            continue;
        }
        const double times[] = {t->mean, t->std, t->min, t->p50, t->p90, t->p95, t->p99, t->max, row->network.p50};
        yk_buffer_format(b, "<td>%d%s</td>", t->runs, row->cut ? "*" : "");
        yk_html_cell_number(b, row->fps, 1);
        yk_html_cell_number(b, row->ms_per_frame, 2);
        for (size_t k = 0; k < YK_COUNT(times); k++)
            yk_html_cell_number(b, times[k], 2);
        yk_html_cell_number(b, row->first_ms, 1);
        yk_html_cell_number(b, row->prepare_ms, 0);
        yk_html_cell_bytes(b, row->memory_peak);
        yk_buffer_text(b, "</tr>\n");
    }
    yk_html_table_end(b);
}

static bool any_cut(const yolk_benchmark_report *r)
{
    for (size_t i = 0; i < r->row_count; i++) {
        if (r->rows[i].cut)
            return true;
    }
    return false;
}

/* Each input size once, in the order of the rows. */
static void sizes(yk_buffer *b, const yolk_benchmark_report *r)
{
    for (size_t i = 0; i < r->row_count; i++) {
        const yolk_size size = r->rows[i].input;
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = same_size(r->rows[k].input, size);
        if (seen)
            continue;
        char title[64];
        snprintf(title, sizeof title, "Input %d x %d (height x width)", size.height, size.width);
        yk_html_section(b, title, NULL);
        charts(b, r, size);
        table(b, r, size);
    }
    yk_buffer_text(b, "<p>Times are milliseconds of a call with a whole batch: letterbox, network and boxes. ");
    if (any_cut(r)) {
        yk_buffer_text(b, "* Fewer than the ");
        yk_html_number(b, r->runs, 0);
        yk_buffer_text(b, " runs asked for: the time allowed, ");
        yk_html_number(b, r->max_seconds, 1);
        yk_buffer_text(b, " s, was over. ");
    }
    if (*r->pictures) {
        yk_buffer_format(b, "Run on %d pictures of ", r->picture_count);
        yk_html_text(b, r->pictures);
        yk_buffer_text(b, " in turn.</p>\n");
    } else {
        yk_buffer_text(b, "Run on noise, in which there is next to nothing to find.</p>\n");
    }
}

static void steps(yk_buffer *b, const yolk_benchmark_report *r)
{
    static const char *const columns[] = {"Step", "ms", "Memory added", "Memory after"};
    static const char *const layers[] = {"Layer", "Operation", "Output", "Bytes", "Alive meanwhile"};
    const yk_chart times = {.title = "Time by step", .note = "other runs: one of them", .unit = "ms"};
    const yk_chart memory = {.title = "Memory by step", .note = "what each added to resident memory", .unit = "MiB"};
    yk_bar bars[YK_CHART_BARS], added[YK_CHART_BARS];
    yk_html_section(b, "Step by step", NULL);
    yk_buffer_text(b, "<div class=\"charts\">\n");
    for (size_t i = 0; i < r->step_count; i++) {
        bars[i] = (yk_bar){.value = r->steps[i].ms};
        added[i] = (yk_bar){.value = YK_MAX((double)r->steps[i].memory_added / MIB, 0), .color = 1};
        snprintf(bars[i].label, sizeof bars[i].label, "%s", r->steps[i].name);
        snprintf(added[i].label, sizeof added[i].label, "%s", r->steps[i].name);
    }
    yk_chart_bars(b, &times, bars, (int)r->step_count);
    yk_chart_bars(b, &memory, added, (int)r->step_count);
    yk_buffer_text(b, "</div>\n");
    yk_html_table_begin(b, columns, YK_COUNT(columns), 1);
    for (size_t i = 0; i < r->step_count; i++) {
        const yolk_benchmark_step *s = &r->steps[i];
        yk_buffer_text(b, "<tr>");
        yk_html_cell(b, s->name);
        yk_html_cell_number(b, s->ms, 2);
        yk_buffer_text(b, "<td>");
        if (s->memory_added < 0)
            yk_buffer_text(b, "\xe2\x88\x92");
        yk_html_bytes(b, (uint64_t)(s->memory_added < 0 ? -s->memory_added : s->memory_added));
        yk_buffer_text(b, "</td>");
        yk_html_cell_bytes(b, s->memory);
        yk_buffer_text(b, "</tr>\n");
    }
    yk_html_table_end(b);
    yk_html_section(b, "Largest layers",
                    "Values of the network as it was imported; a backend that fuses layers needs less.");
    yk_html_table_begin(b, layers, YK_COUNT(layers), 7);
    for (size_t i = 0; i < r->layer_count; i++) {
        const yolk_benchmark_layer *l = &r->layers[i];
        yk_buffer_text(b, "<tr>");
        yk_html_cell(b, l->name);
        yk_html_cell(b, l->operation);
        yk_html_cell(b, l->shape);
        yk_html_cell_bytes(b, l->output_bytes);
        yk_html_cell_bytes(b, l->live_bytes);
        yk_buffer_text(b, "</tr>\n");
    }
    yk_html_table_end(b);
    yk_buffer_text(b, "<p>At most ");
    yk_html_bytes(b, r->live_peak_bytes);
    yk_buffer_text(b, " are alive at once, beside ");
    yk_html_bytes(b, r->weight_bytes);
    yk_buffer_text(b, " of weights.</p>\n");
}

yolk_status yolk_benchmark_write_html(const yolk_benchmark_report *report, const char *path)
{
    yk_buffer b = {0};
    yk_html_begin(&b, "Benchmark", report->model.name, &report->machine);
    tiles(&b, report);
    sizes(&b, report);
    if (report->step_count > 0)
        steps(&b, report);
    yk_html_section(&b, "Measured", NULL);
    yk_buffer_text(&b, "<div class=\"scroll\"><table class=\"facts\"><tbody>\n");
    yk_html_model(&b, &report->model);
    yk_html_machine(&b, &report->machine);
    yk_buffer_text(&b, "</tbody></table></div>\n");
    yk_html_end(&b, &report->machine, report->seconds);
    return yk_html_write(&b, path);
}
