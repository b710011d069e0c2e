/* The report of a benchmark as JSON, and its end. */
#include "convert/bench_report.h"

static json_t *row_json(const yolk_benchmark_row *r)
{
    if (r->skipped)
        return json_pack("{s:o, s:i, s:o}", "input", yk_json_size(r->input), "batch", r->batch, "skipped",
                         yk_json_text(r->skipped));
    json_t *row = json_pack("{s:o, s:i, s:i, s:b, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:f, s:f, s:o}", "input",
                            yk_json_size(r->input), "batch", r->batch, "runs", r->call.runs, "cut", r->cut, "fps",
                            r->fps, "ms_per_frame", r->ms_per_frame, "prepare_ms", r->prepare_ms, "first_ms",
                            r->first_ms, "first_ratio", r->first_ratio, "call_ms", yk_json_times(&r->call),
                            "network_ms", yk_json_times(&r->network), "network_runs", r->network_runs, "detections",
                            r->detections, "calls_ms", yk_json_numbers(r->calls_ms, r->call.runs));
    json_t *memory = json_pack("{s:I, s:I, s:I, s:I, s:I}", "before", (json_int_t)r->memory_before, "loaded",
                               (json_int_t)r->memory_loaded, "ready", (json_int_t)r->memory_ready, "after",
                               (json_int_t)r->memory_after, "peak", (json_int_t)r->memory_peak);
    if (json_object_set_new(row, "memory_bytes", memory) == 0)
        return row;
    json_decref(row);
    return NULL;
}

static json_t *step_json(const yolk_benchmark_step *s)
{
    return json_pack("{s:s, s:f, s:I, s:I}", "name", s->name, "ms", s->ms, "memory_added_bytes",
                     (json_int_t)s->memory_added, "memory_bytes", (json_int_t)s->memory);
}

static json_t *layer_json(const yolk_benchmark_layer *l)
{
    return json_pack("{s:o, s:s, s:s, s:I, s:I}", "name", yk_json_text(l->name), "operation", l->operation, "shape",
                     l->shape, "output_bytes", (json_int_t)l->output_bytes, "live_bytes", (json_int_t)l->live_bytes);
}

/* False when something was lost for lack of memory. */
static bool add_lists(const yolk_benchmark_report *p, json_t *root)
{
    json_t *rows = json_array(), *steps = json_array(), *layers = json_array();
    int lost = 0;
    for (size_t i = 0; i < p->row_count; i++)
        lost |= json_array_append_new(rows, row_json(&p->rows[i]));
    for (size_t i = 0; i < p->step_count; i++)
        lost |= json_array_append_new(steps, step_json(&p->steps[i]));
    for (size_t i = 0; i < p->layer_count; i++)
        lost |= json_array_append_new(layers, layer_json(&p->layers[i]));
    lost |= json_object_set_new(root, "rows", rows);
    if (p->step_count > 0) {
        json_t *memory = json_pack("{s:o, s:o, s:I, s:I}", "steps", steps, "largest_layers", layers, "live_peak_bytes",
                                   (json_int_t)p->live_peak_bytes, "weight_bytes", (json_int_t)p->weight_bytes);
        lost |= json_object_set_new(root, "memory", memory);
    } else {
        json_decref(steps);
        json_decref(layers);
    }
    return lost == 0;
}

yolk_status yk_bench_finish(yk_bench_report *r)
{
    const yolk_benchmark_report *p = &r->public;
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:f, s:i, s:f, s:f, s:{s:o, s:i}}", "kind", "benchmark", "yolk",
                  p->machine.version, "when", p->machine.when, "machine", yk_json_machine(&p->machine), "model",
                  yk_json_model(&p->model), "load_ms", p->load_ms, "runs", p->runs, "max_seconds", p->max_seconds,
                  "seconds", p->seconds, "pictures", "path", yk_json_text(p->pictures), "count", p->picture_count);
    if (root && !add_lists(p, root)) {
        json_decref(root);
        root = NULL;
    }
    return yk_json_keep(&r->texts, root, &r->public.json);
}

void yolk_benchmark_report_destroy(yolk_benchmark_report **report)
{
    yk_bench_report *r = (yk_bench_report *)*report;
    *report = NULL;
    if (!r)
        return;
    yk_texts_free(&r->texts);
    yk_free(r->rows);
    yk_free(r);
}
