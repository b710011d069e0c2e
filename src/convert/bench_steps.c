/* What getting a model to run takes, step by step, and which layers need the most memory. */
#include <stdio.h>
#include <stdlib.h>

#include "convert/bench_report.h"
#include "model/model.h"

enum { OTHER_RUNS = 10 };

/* ---- layers ---- */

static uint64_t value_bytes(const yk_graph *g, yk_id id)
{
    int64_t count = yk_shape_count(&g->values[id].shape);
    return count > 0 ? (uint64_t)count * yk_type_size(g->values[id].type) : 0;
}

/* Index of the last node that reads each value; outputs of the graph are read after the last one. */
static void find_last_uses(const yk_graph *g, int *last)
{
    for (int v = 0; v < g->value_count; v++)
        last[v] = -1;
    for (int n = 0; n < g->node_count; n++) {
        for (int i = 0; i < g->nodes[n].input_count; i++) {
            if (g->nodes[n].inputs[i] >= 0)
                last[g->nodes[n].inputs[i]] = n;
        }
    }
    for (int i = 0; i < g->output_count; i++)
        last[g->outputs[i]] = g->node_count;
}

/* Bytes alive while each node runs: what was computed before it or by it and is read by it or later. */
static void find_live_bytes(const yk_graph *g, const int *last, uint64_t *live)
{
    for (int v = 0; v < g->value_count; v++) {
        const yk_value *value = &g->values[v];
        if (value->data || (value->producer < 0 && v != g->input))
            continue;
        int first = YK_MAX(value->producer, 0);
        for (int n = first; n <= YK_MIN(YK_MAX(last[v], first), g->node_count - 1); n++)
            live[n] += value_bytes(g, v);
    }
}

static uint64_t output_bytes(const yk_graph *g, const yk_node *n)
{
    uint64_t bytes = 0;
    for (int i = 0; i < n->output_count; i++)
        bytes += g->values[n->outputs[i]].data ? 0 : value_bytes(g, n->outputs[i]);
    return bytes;
}

static void keep_largest(yk_bench_report *r, const yk_graph *g, const uint64_t *live, bool *taken)
{
    yolk_benchmark_report *p = &r->public;
    while (p->layer_count < YK_BENCH_LAYERS) {
        int largest = -1;
        for (int n = 0; n < g->node_count; n++) {
            if (!taken[n] && output_bytes(g, &g->nodes[n]) > 0 &&
                (largest < 0 || output_bytes(g, &g->nodes[n]) > output_bytes(g, &g->nodes[largest])))
                largest = n;
        }
        if (largest < 0)
            return;
        const yk_node *n = &g->nodes[largest];
        char shape[96];
        taken[largest] = true;
        yk_shape_text(&g->values[n->outputs[0]].shape, shape);
        r->layers[p->layer_count++] = (yolk_benchmark_layer){.name = yk_texts_add(&r->texts, n->name),
                                                             .operation = yk_op_name(n->op),
                                                             .shape = yk_texts_add(&r->texts, shape),
                                                             .output_bytes = output_bytes(g, n),
                                                             .live_bytes = live[largest]};
    }
}

/* Bytes alive while each node runs, allocated, and the most of them. */
static yolk_status make_live(const yk_graph *g, uint64_t **out, uint64_t *peak)
{
    int *last = yk_calloc((size_t)g->value_count, sizeof *last);
    *out = yk_calloc((size_t)g->node_count, sizeof **out);
    yolk_status status = last && *out ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    *peak = 0;
    if (status == YOLK_OK) {
        find_last_uses(g, last);
        find_live_bytes(g, last, *out);
        for (int n = 0; n < g->node_count; n++)
            *peak = YK_MAX(*peak, (*out)[n]);
    }
    yk_free(last);
    return status;
}

static yolk_status list_layers(yk_bench_report *r, const yk_graph *g)
{
    yolk_benchmark_report *p = &r->public;
    uint64_t *live;
    bool *taken = yk_calloc((size_t)g->node_count, sizeof *taken);
    yolk_status status = make_live(g, &live, &p->live_peak_bytes);
    if (!taken)
        status = YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK) {
        keep_largest(r, g, live, taken);
        for (int v = 0; v < g->value_count; v++)
            p->weight_bytes += g->values[v].data && !g->values[v].bound ? value_bytes(g, v) : 0;
        p->layers = r->layers;
        status = yk_texts_status(&r->texts);
    }
    yk_free(live);
    yk_free(taken);
    return status;
}

/* The manager's network bound to a size: a copy, as its own may be bound anew at any time. */
static yolk_status copy_graph(const yolk_manager *manager, yolk_size size, int batch, yk_graph **out)
{
    yk_set *set = yk_manager_set(manager);
    *out = NULL;
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    yk_model *m = set->models[0];
    pthread_mutex_lock(&m->compile_mutex);
    yk_graph *network;
    yolk_status status = yk_model_network(m, &network);
    if (status == YOLK_OK)
        status = yk_graph_copy(network, out);
    pthread_mutex_unlock(&m->compile_mutex);
    if (status == YOLK_OK)
        status = yk_graph_bind(*out, batch, size.height, size.width);
    if (status != YOLK_OK)
        yk_graph_destroy(out);
    yk_set_release(&set);
    return status;
}

static yolk_status look_at_layers(yk_bench_report *r, const yolk_manager *manager, yolk_size size, int batch)
{
    yk_graph *g;
    yolk_status status = copy_graph(manager, size, batch, &g);
    if (status == YOLK_OK)
        status = list_layers(r, g);
    yk_graph_destroy(&g);
    return status;
}

yolk_status yk_bench_live_peak(const yolk_manager *manager, yolk_size size, int batch, uint64_t *bytes)
{
    yk_graph *g;
    uint64_t *live = NULL;
    *bytes = 0;
    yolk_status status = copy_graph(manager, size, batch, &g);
    if (status == YOLK_OK)
        status = make_live(g, &live, bytes);
    yk_free(live);
    yk_graph_destroy(&g);
    return status;
}

/* ---- steps ---- */

static void add_step(yk_bench_report *r, const char *name, double ms, uint64_t *memory)
{
    uint64_t now;
    yolk_memory_usage(&now, NULL);
    r->steps[r->public.step_count++] =
        (yolk_benchmark_step){.name = name, .ms = ms, .memory = now, .memory_added = (int64_t)(now - *memory)};
    r->public.steps = r->steps;
    *memory = now;
}

yolk_status yk_bench_steps(yk_bench_report *r, const yolk_config *config, const char *model, yk_clock *clock)
{
    const yolk_size size = {config->imgsz_width, config->imgsz_height};
    yolk_config cold = *config;
    yk_frames noise = {0};
    yk_series series = {0};
    yolk_manager *manager = NULL;
    uint64_t memory;
    double ms;
    cold.warmup = 0; /* so that the first run is the first one */
    yolk_status status = yk_frames_noise(size, 1, &noise);
    yolk_memory_usage(&memory, NULL);
    if (status == YOLK_OK)
        status = yk_measure_load(&cold, model, &manager, &ms);
    if (status != YOLK_OK)
        goto done;
    add_step(r, "import", ms, &memory);
    uint64_t start = yk_now_ns();
    status = yolk_manager_prepare(manager, size, cold.batch);
    if (status != YOLK_OK)
        goto done;
    add_step(r, "compile", yk_ms_since(start), &memory);
    status = yk_series_open(&series, manager, size, cold.batch, &noise);
    if (status == YOLK_OK)
        status = yk_series_call(&series, true);
    if (status != YOLK_OK)
        goto done;
    add_step(r, "first run", series.last_call_ms, &memory);
    for (int i = 0; i < OTHER_RUNS && status == YOLK_OK; i++) {
        status = yk_series_call(&series, true);
        if (status == YOLK_OK)
            status = yk_clock_step(clock, "step by step", 0);
    }
    if (status != YOLK_OK)
        goto done;
    add_step(r, "other runs", (series.total_ms - series.calls[0]) / OTHER_RUNS, &memory);
    status = look_at_layers(r, manager, size, cold.batch);
done:
    yk_series_close(&series);
    yk_frames_free(&noise);
    yolk_manager_destroy(&manager);
    return status;
}
