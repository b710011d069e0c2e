/* Float16, and which layers it does not hold. */
#include <string.h>

#include "convert/job.h"

/* Half of what float16 holds, because other pictures have other values. */
static const float MOST = 32752;
enum { PICTURES = 16 };

static bool is_layer(const yk_node *n)
{
    return n->op == YK_OP_CONV || n->op == YK_OP_CONV_TRANSPOSE;
}

/* Largest values on pictures, by value; 0 for what is not float. */
static yolk_status measure(yk_job *job, const yk_graph *g, const char *pictures, float *most)
{
    yk_samples samples = {0};
    yk_ranges ranges = {0};
    int *group = yk_calloc((size_t)g->value_count, sizeof *group);
    yolk_status status = group ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < g->value_count && status == YOLK_OK; i++) {
        const yk_value *v = &g->values[i];
        group[i] = v->producer >= 0 && v->type == YK_F32 ? i : -1;
    }
    if (status == YOLK_OK)
        status = yk_samples_load(job, pictures, PICTURES, &g->head, &samples);
    if (status == YOLK_OK)
        status = yk_calibrate(job, g, group, &samples, samples.count, true, &ranges);
    if (status == YOLK_OK)
        memcpy(most, ranges.most, (size_t)g->value_count * sizeof *most);
    yk_samples_free(&samples);
    yk_ranges_free(&ranges);
    yk_free(group);
    return status;
}

static yolk_status name_kept(yk_job *job, const yk_graph *g, const bool *kept, const float *most)
{
    yk_report *report = job->report;
    for (int i = 0; i < g->node_count; i++) {
        const yk_node *n = &g->nodes[i];
        report->public.layers += is_layer(n);
        report->public.converted += is_layer(n) && !kept[i];
        if (!kept[i])
            continue;
        float value = most[n->outputs[0]];
        yolk_status status = value > MOST ? yk_report_keep(report, n->name, "its values reach %g", (double)value)
                                          : yk_report_keep(report, n->name, "it reads values beyond 65504");
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

yolk_status yk_convert_fp16(yk_job *job, yk_graph **graph)
{
    yk_graph *g = *graph, *before = NULL;
    const char *pictures = job->options.val ? job->options.val : job->options.calib;
    const size_t nodes = (size_t)g->node_count, values = (size_t)g->value_count;
    bool *large = yk_calloc(nodes, sizeof *large), *kept = yk_calloc(nodes, sizeof *kept);
    float *most = yk_calloc(values, sizeof *most);
    yolk_status status = large && kept && most ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    yk_job_stage(job, 0.4);
    if (status == YOLK_OK && pictures && job->backend)
        status = measure(job, g, pictures, most);
    /* Who makes large values and who reads them. */
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++) {
        const yk_node *n = &g->nodes[i];
        large[i] = most[n->outputs[0]] > MOST;
        for (int k = 0; k < n->input_count; k++)
            large[i] = large[i] || (n->inputs[k] != YK_NONE && most[n->inputs[k]] > MOST);
    }
    if (status == YOLK_OK)
        status = yk_graph_copy(g, &before); /* whose nodes keep their places */
    if (status == YOLK_OK)
        status = yk_pass_to_f16(g, large, kept);
    if (status == YOLK_OK)
        status = name_kept(job, before, kept, most);
    yk_graph_destroy(&before);
    yk_free(large);
    yk_free(kept);
    yk_free(most);
    return status;
}
