/* yolk compare: two models side by side. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void add_numbers(table *t, const char *name, int decimals, double a, double b)
{
    table_add(t, "%s", name);
    table_add(t, "%.*f", decimals, a);
    table_add(t, "%.*f", decimals, b);
}

static void add_bytes(table *t, const char *name, unsigned long long a, unsigned long long b)
{
    char text[32];
    table_add(t, "%s", name);
    format_bytes(text, sizeof(text), a);
    table_add(t, "%s", text);
    format_bytes(text, sizeof(text), b);
    table_add(t, "%s", text);
}

static int print_table(const yolk_compare_report *r)
{
    const yolk_times *a = &r->a.call, *b = &r->b.call;
    table t = {.columns = 3};
    table_add(&t, "MS A RUN");
    table_add(&t, "A");
    table_add(&t, "B");
    add_numbers(&t, "runs", 0, a->runs, b->runs);
    add_numbers(&t, "median", 2, a->p50, b->p50);
    add_numbers(&t, "mean", 2, a->mean, b->mean);
    add_numbers(&t, "standard deviation", 2, a->std, b->std);
    add_numbers(&t, "fastest", 2, a->min, b->min);
    add_numbers(&t, "95th percentile", 2, a->p95, b->p95);
    add_numbers(&t, "99th percentile", 2, a->p99, b->p99);
    add_numbers(&t, "network alone, median", 2, r->a.network.p50, r->b.network.p50);
    add_numbers(&t, "first run", 2, r->a.first_ms, r->b.first_ms);
    add_numbers(&t, "loading", 1, r->a.load_ms, r->b.load_ms);
    add_numbers(&t, "compiling", 1, r->a.prepare_ms, r->b.prepare_ms);
    add_numbers(&t, "frames a second", 1, r->a.fps, r->b.fps);
    add_bytes(&t, "memory added (A: with libraries)", r->a.memory_added, r->b.memory_added);
    add_bytes(&t, "file", r->a.model.file_bytes, r->b.model.file_bytes);
    if (r->check != YOLK_CHECK_NONE)
        add_numbers(&t, "boxes above 0.25", 0, r->a.boxes, r->b.boxes);
    if (r->check == YOLK_CHECK_PRECISION) {
        add_numbers(&t, "AP50-95", 4, r->a.ap, r->b.ap);
        add_numbers(&t, "AP50", 4, r->a.ap50, r->b.ap50);
    }
    return table_print(&t, ~1u);
}

static void print_side(const char *letter, const yolk_compare_side *s)
{
    printf("%s: %s, %s by %s on %s, input %dx%d\n", letter, s->model.path, s->model.precision, s->model.backend,
           s->model.device, s->input.height, s->input.width);
}

static int print_report(const yolk_compare_report *r)
{
    print_side("A", &r->a);
    print_side("B", &r->b);
    putchar('\n');
    int status = print_table(r);
    printf("\nB is %.2f times as fast as A (%.2f to %.2f with 95 %% confidence, %zu rounds%s)\n", r->speedup,
           r->speedup_low, r->speedup_high, r->ratio_count, r->cut ? ", cut short by --seconds" : "");
    if (r->check != YOLK_CHECK_NONE)
        printf("%.1f%% of %d boxes agree, scores within %.3f, on %d pictures\n", 100 * r->agreement, r->boxes,
               r->score_difference, r->pictures);
    return status;
}

int command_compare(const arguments *args)
{
    yolk_config config;
    yolk_compare_options o;
    yolk_compare_report *report = NULL;
    bool draw = measure_draws(args);
    long long runs;
    yolk_compare_options_defaults(&o);
    int status = measure_outputs(args);
    if (status == STATUS_DONE)
        status = measure_settings(args, false, &config);
    if (status != STATUS_DONE)
        return status;
    if (!arguments_integer(args, OPT_RUNS, 1, 1000000, o.runs, &runs) || !measure_seconds(args, &o.max_seconds))
        return STATUS_USAGE;
    o.config = &config;
    o.batch = config.batch > 0 ? config.batch : 1;
    o.runs = (int)runs;
    o.val = args->values[OPT_PICTURES];
    o.labels = args->values[OPT_LABELS];
    o.progress = measure_progress;
    o.user = &draw;
    status = measure_ended(yolk_compare(args->inputs[0], args->inputs[1], &o, &report));
    if (report) {
        int told = measure_prints_table(args) ? print_report(report) : STATUS_DONE;
        int written = measure_write_json(args, report->json);
        if (args->values[OPT_REPORT] && yolk_compare_write_html(report, args->values[OPT_REPORT]) != YOLK_OK)
            written = fail_last();
        status = told != STATUS_DONE ? told : written;
    }
    yolk_compare_report_destroy(&report);
    return status;
}
