/* A video from end to end as HTML. */
#include <stdio.h>

#include "convert/report.h"

static void tiles(yk_buffer *b, const yolk_video_benchmark_report *r)
{
    yk_buffer_text(b, "<div class=\"tiles\">\n");
    yk_html_tile(b, "Whole pipeline", r->pipeline.fps, yk_html_decimals(r->pipeline.fps), "fps", "median round");
    yk_html_tile(b, "Decoding alone", r->decode.fps, yk_html_decimals(r->decode.fps), "fps", "median round");
    yk_html_tile(b, "Network alone", r->network.fps, yk_html_decimals(r->network.fps), "fps", "median round");
    yk_html_tile(b, "Pipeline against the slower", 100 * r->bound_share, 0, "%", "of the two alone");
    yk_html_tile(b, "Memory", (double)r->memory_peak_bytes / 1048576, 0, "MiB", "resident, at most");
    yk_buffer_text(b, "</div>\n");
}

static yk_bar rate_bar(const char *name, const yolk_rate *rate, int color)
{
    yk_bar bar = {.value = rate->fps, .low = rate->low, .high = rate->high, .color = color};
    snprintf(bar.label, sizeof bar.label, "%s", name);
    return bar;
}

static void charts(yk_buffer *b, const yolk_video_benchmark_report *r)
{
    const yk_chart rates = {.title = "Frames a second",
                            .note = "bar: median round; line: slowest to fastest round",
                            .unit = "frames a second"};
    const yk_chart times = {
        .title = "Time by stage", .note = "milliseconds a frame, mean; stages work side by side", .unit = "ms a frame"};
    const yk_bar bars[] = {rate_bar("decoding", &r->decode, 0), rate_bar("network", &r->network, 0),
                           rate_bar("pipeline", &r->pipeline, 1)};
    yk_bar stages[YOLK_STAGE_COUNT];
    for (int i = 0; i < YOLK_STAGE_COUNT; i++) {
        stages[i] = (yk_bar){.value = r->stages[i].mean_ms};
        snprintf(stages[i].label, sizeof stages[i].label, "%s", yolk_stage_name((yolk_stage)i));
    }
    yk_buffer_text(b, "<div class=\"charts\">\n");
    yk_chart_bars(b, &rates, bars, YK_COUNT(bars));
    yk_chart_bars(b, &times, stages, YOLK_STAGE_COUNT);
    yk_buffer_text(b, "</div>\n");
}

static void table(yk_buffer *b, const yolk_video_benchmark_report *r)
{
    static const char *const columns[] = {"Stage", "Frames", "Mean", "p50", "p95", "p99", "In all, s"};
    yk_html_table_begin(b, columns, YK_COUNT(columns), 1);
    for (int i = 0; i < YOLK_STAGE_COUNT; i++) {
        const yolk_stage_stats *s = &r->stages[i];
        yk_buffer_text(b, "<tr>");
        yk_html_cell(b, yolk_stage_name((yolk_stage)i));
        yk_html_cell_number(b, (double)s->frames, 0);
        yk_html_cell_number(b, s->mean_ms, 2);
        yk_html_cell_number(b, s->p50_ms, 2);
        yk_html_cell_number(b, s->p95_ms, 2);
        yk_html_cell_number(b, s->p99_ms, 2);
        yk_html_cell_number(b, s->total_ms / 1e3, 2);
        yk_buffer_text(b, "</tr>\n");
    }
    yk_html_table_end(b);
}

static void facts(yk_buffer *b, const yolk_video_benchmark_report *r)
{
    char text[96];
    yk_buffer_text(b, "<div class=\"scroll\"><table class=\"facts\"><tbody>\n");
    yk_html_fact(b, "Video", r->video);
    yk_buffer_format(b, "<tr><th>Frames</th><td>%lld of %d x %d, ", (long long)r->frames, r->width, r->height);
    yk_html_text(b, r->codec);
    yk_buffer_format(b, ", in each of %d round%s</td></tr>\n", r->rounds, r->rounds == 1 ? "" : "s");
    snprintf(text, sizeof text, "%d x %d (height x width), batch %d", r->input.height, r->input.width, r->batch);
    yk_html_fact(b, "Network input", text);
    yk_html_model(b, &r->model);
    yk_html_machine(b, &r->machine);
    yk_buffer_text(b, "</tbody></table></div>\n");
}

yolk_status yolk_video_benchmark_write_html(const yolk_video_benchmark_report *report, const char *path)
{
    yk_buffer b = {0};
    char *subject = yk_format("%s over %s", report->model.name, yk_base_name(report->video));
    if (!subject)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yk_html_begin(&b, "End to end", subject, &report->machine);
    yk_free(subject);
    tiles(&b, report);
    yk_html_section(&b, "Speed",
                    "Decoding alone, the network alone (on frames that are in memory at its input size) and everything "
                    "together were measured in turn, round by round.");
    charts(&b, report);
    yk_html_section(&b, "Stages", "Milliseconds a frame of the whole pipeline, all rounds together.");
    table(&b, report);
    yk_html_section(&b, "Measured", NULL);
    facts(&b, report);
    yk_html_end(&b, &report->machine, report->seconds);
    return yk_html_write(&b, path);
}
