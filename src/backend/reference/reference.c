/* The reference backend: every node in order, by the plain loops that all backends are compared with. */
#include "backend/backend.h"

#include <stdio.h>
#include <string.h>

typedef struct slot {
    uint8_t *input;  /* N x H x W x 3 */
    void **data;     /* for each value its elements while they are needed */
    float **outputs; /* for each output its result */
    yolk_status status;
} slot;

struct yk_exec {
    yk_graph *g;   /* a copy */
    int *last_use; /* for each value the last node that reads it; node_count for outputs */
    slot *slots;
    int slot_count;
};

static void reference_probe(yk_probe *out)
{
    memset(out, 0, sizeof(*out));
    out->available = true;
    out->score = yk_backend_reference.score;
    snprintf(out->version, sizeof(out->version), "plain C");
    snprintf(out->device, sizeof(out->device), "%s", yk_cpu_name());
    out->free_memory = yk_memory_available();
}

/* The processor can be shared out among as many replicas as anybody asks for. */
static int reference_device_count(void)
{
    return YK_MAX_DEVICES;
}

static uint64_t reference_free_memory(int device)
{
    (void)device;
    return yk_memory_available();
}

static void reference_destroy(yk_exec **exec)
{
    yk_exec *e = *exec;
    if (!e)
        return;
    *exec = NULL;
    for (int i = 0; e->slots && i < e->slot_count; i++) {
        slot *s = &e->slots[i];
        for (int k = 0; s->outputs && k < e->g->output_count; k++)
            yk_free(s->outputs[k]);
        yk_free(s->outputs);
        yk_free(s->data);
        yk_free(s->input);
    }
    yk_free(e->slots);
    yk_free(e->last_use);
    yk_graph_destroy(&e->g);
    yk_free(e);
}

static size_t count_of(const yk_graph *g, yk_id id)
{
    return (size_t)yk_shape_count(&g->values[id].shape);
}

static yolk_status make_slot(const yk_graph *g, slot *s)
{
    s->input = yk_calloc(count_of(g, g->input), 1);
    s->data = yk_calloc((size_t)g->value_count, sizeof(*s->data));
    s->outputs = yk_calloc((size_t)g->output_count, sizeof(*s->outputs));
    if (!s->input || !s->data || !s->outputs)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int k = 0; k < g->output_count; k++) {
        s->outputs[k] = yk_calloc(count_of(g, g->outputs[k]), sizeof(float));
        if (!s->outputs[k])
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    return YOLK_OK;
}

static yolk_status reference_compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    *out = NULL;
    if (g->bound[0] == 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "the network is not bound to an input size yet");
    yk_exec *e = yk_calloc(1, sizeof(*e));
    if (!e)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = yk_graph_copy(g, &e->g);
    if (status != YOLK_OK)
        goto fail;
    status = YOLK_ERROR_OUT_OF_MEMORY;
    e->slot_count = YK_MAX(options->slots, 1);
    e->last_use = yk_calloc((size_t)g->value_count, sizeof(*e->last_use));
    e->slots = yk_calloc((size_t)e->slot_count, sizeof(*e->slots));
    if (!e->last_use || !e->slots)
        goto fail;
    for (int i = 0; i < g->value_count; i++)
        e->last_use[i] = -1;
    for (int i = 0; i < g->node_count; i++) {
        for (int k = 0; k < g->nodes[i].input_count; k++) {
            if (g->nodes[i].inputs[k] != YK_NONE)
                e->last_use[g->nodes[i].inputs[k]] = i;
        }
    }
    for (int i = 0; i < g->output_count; i++)
        e->last_use[g->outputs[i]] = g->node_count;
    for (int i = 0; i < e->slot_count; i++) {
        status = make_slot(e->g, &e->slots[i]);
        if (status != YOLK_OK)
            goto fail;
    }
    *out = e;
    return YOLK_OK;

fail:
    reference_destroy(&e);
    return status;
}

static int reference_slot_count(const yk_exec *e)
{
    return e->slot_count;
}

static uint8_t *reference_input(yk_exec *e, int index)
{
    return e->slots[index].input;
}

/* Bytes N x H x W x 3 to floats N x 3 x H x W in the network's range. */
static yolk_status load_input(const yk_graph *g, slot *s)
{
    const int64_t *dims = g->values[g->input].shape.dims;
    int64_t plane = dims[2] * dims[3];
    float *to = yk_calloc(count_of(g, g->input), sizeof(*to));
    if (!to)
        return YOLK_ERROR_OUT_OF_MEMORY;
    float range = g->head.unit_range ? 255.0f : 1.0f;
    for (int64_t n = 0; n < dims[0]; n++) {
        for (int64_t c = 0; c < 3; c++) {
            const uint8_t *from = s->input + n * 3 * plane + c;
            float *row = to + (n * 3 + c) * plane;
            for (int64_t i = 0; i < plane; i++)
                row[i] = (float)from[3 * i] / range;
        }
    }
    s->data[g->input] = to;
    return YOLK_OK;
}

static bool is_known(const yk_graph *g, yk_id id)
{
    return g->values[id].data != NULL;
}

static void release(const yk_graph *g, slot *s, yk_id id)
{
    if (!is_known(g, id)) {
        yk_free(s->data[id]);
        s->data[id] = NULL;
    }
}

static yolk_status run_node(const yk_exec *e, slot *s, int index)
{
    const yk_graph *g = e->g;
    const yk_node *n = &g->nodes[index];
    for (int k = 0; k < n->output_count; k++) {
        yk_id id = n->outputs[k];
        s->data[id] = yk_calloc(count_of(g, id), yk_type_size(g->values[id].type));
        if (!s->data[id])
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    yolk_status status = yk_eval_node(g, n, s->data);
    for (int k = 0; k < n->input_count; k++) {
        if (n->inputs[k] != YK_NONE && e->last_use[n->inputs[k]] == index)
            release(g, s, n->inputs[k]);
    }
    for (int k = 0; k < n->output_count; k++) {
        if (e->last_use[n->outputs[k]] < 0)
            release(g, s, n->outputs[k]);
    }
    return status;
}

static yolk_status run(yk_exec *e, slot *s)
{
    const yk_graph *g = e->g;
    for (yk_id id = 0; id < g->value_count; id++)
        s->data[id] = (void *)g->values[id].data;
    yolk_status status = load_input(g, s);
    for (int i = 0; i < g->node_count && status == YOLK_OK; i++) {
        if (!is_known(g, g->nodes[i].outputs[0]))
            status = run_node(e, s, i);
    }
    for (int k = 0; k < g->output_count && status == YOLK_OK; k++) {
        yk_id id = g->outputs[k];
        yk_convert(g->values[id].type, s->data[id], YK_F32, s->outputs[k], (int64_t)count_of(g, id));
    }
    for (yk_id id = 0; id < g->value_count; id++)
        release(g, s, id);
    return status;
}

/* Runs at once: the caller's thread is the one that a slow runner would take anyway. */
static yolk_status reference_start(yk_exec *e, int index)
{
    e->slots[index].status = run(e, &e->slots[index]);
    return e->slots[index].status;
}

static yolk_status reference_wait(yk_exec *e, int index)
{
    return e->slots[index].status;
}

static const float *reference_output(yk_exec *e, int index, int output)
{
    return e->slots[index].outputs[output];
}

const yk_backend yk_backend_reference = {
    .api_version = YK_BACKEND_API,
    .name = "reference",
    .kind = "cpu",
    .description = "plain C on one core: slow, and what every other backend is compared with",
    .probe = reference_probe,
    .device_count = reference_device_count,
    .free_memory = reference_free_memory,
    .compile = reference_compile,
    .destroy = reference_destroy,
    .slot_count = reference_slot_count,
    .input = reference_input,
    .start = reference_start,
    .wait = reference_wait,
    .output = reference_output,
};
