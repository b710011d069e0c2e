/* Runs graphs on the processor by yolk's own kernels.
 *
 * A slot holds an input and what came of it. A stream is memory for one run: as many runs as there are streams go on at
 * once, each on its share of the threads; slots that were started beyond that wait for a stream. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/cpu/program.h"
#include "backend/cpu/saved.h"
#include "backend/cpu/tune.h"
#include "yolk/yolk.h"

typedef struct stream {
    yk_exec *exec;
    yk_pool_job *job;
    uint8_t *arena, *scratch;
    uint8_t *at[YK_POOL_THREADS]; /* scratch of each thread */
    void **data;
    int slot; /* that it runs; -1: none */
} stream;

typedef struct slot {
    uint8_t *input;
    float **outputs;
    bool busy;
    int next; /* in the queue of those that wait for a stream */
    yolk_status status;
    char *error; /* sentence of a failed run */
} slot;

struct yk_exec {
    yk_cpu_program *program;
    int threads; /* of the pool */
    bool acquired;
    pthread_mutex_t lock;
    pthread_cond_t done;
    stream *streams;
    int stream_count;
    slot *slots;
    int slot_count;
    int first, last; /* of the queue; -1: none */
};

enum { MOST_STREAMS = 4, SCORE = 110 };

static const yk_cpu_isa *best_isa(void)
{
    int count;
    return yk_cpu_isas(&count)[0];
}

/* The kernels for halves are for networks without 8-bit numbers. */
static const yk_cpu_isa *isa_of(const yk_graph *g, const yk_compile_options *options)
{
    const yk_cpu_isa *half = options->half ? yk_cpu_half() : NULL;
    for (int i = 0; i < g->node_count && half; i++) {
        if (g->nodes[i].op == YK_OP_QUANTIZE || g->nodes[i].op == YK_OP_DEQUANTIZE)
            half = NULL;
    }
    return half ? half : best_isa();
}

static void probe(yk_probe *out)
{
    const yk_cpu_isa *isa = best_isa();
    *out = (yk_probe){.available = true, .half = yk_cpu_half() != NULL};
    /* OpenVINO's is 100. What was measured is in bench/results/peers_cpu.json. */
    out->score = strcmp(isa->name, "portable") == 0 ? 50 : SCORE;
    snprintf(out->version, sizeof out->version, "%s", yolk_version());
    snprintf(out->device, sizeof out->device, "%.100s, %s", yk_cpu_name(), isa->name);
    out->free_memory = yk_memory_available();
}

/* The processor can be shared out among as many replicas as anybody asks for. */
static int device_count(void)
{
    return YK_MAX_DEVICES;
}

static uint64_t free_memory(int device)
{
    (void)device;
    return yk_memory_available();
}

/* ---- running ---- */

/* Lets a free stream do what has waited longest. */
static void dispatch(yk_exec *e) /* locked */
{
    for (int i = 0; i < e->stream_count && e->first >= 0; i++) {
        stream *s = &e->streams[i];
        if (s->slot >= 0)
            continue;
        const int index = e->first;
        e->first = e->slots[index].next;
        if (e->first < 0)
            e->last = -1;
        s->slot = index;
        yk_pool_job_start(s->job);
    }
}

static void run(yk_pool_job *job, void *user)
{
    stream *s = user;
    yk_exec *e = s->exec;
    slot *t = &e->slots[s->slot];
    const yk_cpu_memory memory = {.data = s->data, .scratch = s->at};
    yk_plan_bind(e->program->plan, s->arena, t->input, t->outputs, s->data);
    const yolk_status status = yk_cpu_program_run(e->program, job, &memory);
    char *error = status == YOLK_OK ? NULL : yk_strdup(yolk_last_error());
    pthread_mutex_lock(&e->lock);
    t->status = status;
    yk_free(t->error);
    t->error = error;
    t->busy = false;
    s->slot = -1;
    dispatch(e);
    pthread_cond_broadcast(&e->done);
    pthread_mutex_unlock(&e->lock);
}

static yolk_status start(yk_exec *e, int index)
{
    slot *t = &e->slots[index];
    pthread_mutex_lock(&e->lock);
    t->busy = true;
    t->next = -1;
    if (e->last >= 0)
        e->slots[e->last].next = index;
    else
        e->first = index;
    e->last = index;
    dispatch(e);
    pthread_mutex_unlock(&e->lock);
    return YOLK_OK;
}

static yolk_status wait_for(yk_exec *e, int index)
{
    slot *t = &e->slots[index];
    pthread_mutex_lock(&e->lock);
    while (t->busy)
        pthread_cond_wait(&e->done, &e->lock);
    const yolk_status status = t->status;
    if (status != YOLK_OK)
        yk_fail(status, "%s", t->error ? t->error : "the network could not be run");
    pthread_mutex_unlock(&e->lock);
    return status;
}

/* ---- making ---- */

static void destroy_stream(stream *s)
{
    yk_pool_job_destroy(&s->job);
    yk_free(s->arena);
    yk_free(s->scratch);
    yk_free(s->data);
}

static void destroy_slot(const yk_exec *e, slot *t)
{
    for (int i = 0; t->outputs && i < e->program->plan->output_count; i++)
        yk_free(t->outputs[i]);
    yk_free(t->outputs);
    yk_free(t->input);
    yk_free(t->error);
}

static void destroy(yk_exec **exec)
{
    yk_exec *e = *exec;
    *exec = NULL;
    if (!e)
        return;
    for (int i = 0; e->slots && i < e->slot_count; i++) {
        if (e->slots[i].busy)
            wait_for(e, i);
    }
    for (int i = 0; e->streams && i < e->stream_count; i++)
        destroy_stream(&e->streams[i]);
    for (int i = 0; e->slots && i < e->slot_count; i++)
        destroy_slot(e, &e->slots[i]);
    yk_free(e->streams);
    yk_free(e->slots);
    yk_cpu_program_destroy(&e->program);
    if (e->acquired)
        yk_pool_release(e->threads);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->done);
    yk_free(e);
}

static yolk_status make_stream(yk_exec *e, stream *s, int threads)
{
    const yk_cpu_program *p = e->program;
    s->exec = e;
    s->slot = -1;
    /* Kernels read whole vectors at the end of what is theirs. */
    s->arena = yk_alloc_aligned((size_t)p->plan->arena + 256);
    s->scratch = yk_alloc_aligned((p->scratch + 64) * (size_t)threads);
    s->data = yk_calloc((size_t)p->plan->tensor_count, sizeof *s->data);
    if (!s->arena || !s->scratch || !s->data)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < threads; i++)
        s->at[i] = s->scratch + (p->scratch + 64) * (size_t)i;
    return yk_pool_job_create(threads, run, s, &s->job);
}

static yolk_status make_slot(const yk_plan *p, slot *t)
{
    t->input = yk_calloc((size_t)p->tensors[p->input].bytes + 64, 1);
    t->outputs = yk_calloc((size_t)YK_MAX(p->output_count, 1), sizeof *t->outputs);
    if (!t->input || !t->outputs)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < p->output_count; i++) {
        t->outputs[i] = yk_alloc_aligned((size_t)p->tensors[p->outputs[i]].bytes + 64);
        if (!t->outputs[i])
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    return YOLK_OK;
}

static yolk_status make_exec(const yk_compile_options *options, yk_exec **out)
{
    yk_exec *e = yk_calloc(1, sizeof *e);
    *out = e;
    if (!e)
        return YOLK_ERROR_OUT_OF_MEMORY;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->done, NULL);
    e->first = e->last = -1;
    e->threads = YK_MIN(options->threads > 0 ? options->threads : yk_physical_cores(), YK_POOL_THREADS);
    const yolk_status status = yk_pool_acquire(e->threads);
    e->acquired = status == YOLK_OK;
    return status;
}

/* Streams and slots for a program that is there. */
static yolk_status finish(yk_exec *e, const yk_compile_options *options, const char *how)
{
    const int64_t *size = e->program->plan->size;
    int streams = options->latency ? 1 : options->streams > 0 ? options->streams : MOST_STREAMS;
    streams = YK_MIN(streams, e->threads);
    e->stream_count = streams;
    e->slot_count = options->slots > 0 ? options->slots : streams + 1;
    e->streams = yk_calloc((size_t)e->stream_count, sizeof *e->streams);
    e->slots = yk_calloc((size_t)e->slot_count, sizeof *e->slots);
    yolk_status status = e->streams && e->slots ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    for (int i = 0; i < e->stream_count && status == YOLK_OK; i++)
        status = make_stream(e, &e->streams[i], e->threads / streams);
    for (int i = 0; i < e->slot_count && status == YOLK_OK; i++)
        status = make_slot(e->program->plan, &e->slots[i]);
    if (status == YOLK_OK)
        yk_log(YOLK_LOG_INFO,
               "native: %lldx%lldx%lld, %s, %d threads in %d streams%s; %.1f MB of weights, %.1f MB a stream",
               (long long)size[0], (long long)size[1], (long long)size[2], e->program->isa->name, e->threads, streams,
               how, 1e-6 * (double)e->program->packed_bytes, 1e-6 * (double)e->program->plan->arena);
    return status;
}

static yolk_status compile(const yk_graph *g, const yk_compile_options *options, yk_exec **out)
{
    yk_exec *e;
    yolk_status status = make_exec(options, &e);
    *out = NULL;
    if (status == YOLK_OK)
        status = yk_cpu_program_make(g, isa_of(g, options), &e->program);
    if (status == YOLK_OK && options->tune)
        status = yk_cpu_tune(e->program, e->threads);
    if (status == YOLK_OK)
        status = yk_cpu_program_settle(e->program);
    if (status == YOLK_OK)
        status = finish(e, options, options->tune ? ", tuned" : "");
    if (status != YOLK_OK)
        destroy(&e);
    *out = e;
    return status;
}

static yolk_status save(yk_exec *e, yk_buffer *out)
{
    return yk_cpu_save(e->program, out);
}

static yolk_status load(const void *bytes, size_t size, const yk_graph *g, const yk_compile_options *options,
                        yk_exec **out)
{
    yk_exec *e;
    const yk_cpu_isa *half = options->half ? yk_cpu_half() : NULL;
    const bool is_half = half && yk_cpu_is_saved_for(bytes, size, half);
    yolk_status status = make_exec(options, &e);
    *out = NULL;
    if (status == YOLK_OK)
        status = yk_cpu_load(bytes, size, is_half ? half : best_isa(), &e->program);
    if (status == YOLK_OK && !yk_plan_is_of_graph(e->program->plan, g))
        status =
            yk_fail(YOLK_ERROR_DAMAGED, "a compiled network is of another size or has other outputs than the engine");
    if (status == YOLK_OK)
        status = finish(e, options, ", saved");
    if (status != YOLK_OK)
        destroy(&e);
    *out = e;
    return status;
}

static void fingerprint(int device, const yk_compile_options *options, char *text, size_t size)
{
    (void)device, (void)options;
    snprintf(text, size, "yolk %s, %s, %s", yolk_version(), yk_cpu_name(), best_isa()->name);
}

static int slot_count(const yk_exec *e)
{
    return e->slot_count;
}

static uint8_t *input(yk_exec *e, int index)
{
    return e->slots[index].input;
}

static const float *output(yk_exec *e, int index, int which)
{
    return e->slots[index].outputs[which];
}

const yk_backend yk_backend_native = {
    .api_version = YK_BACKEND_API,
    .name = "native",
    .kind = "cpu",
    .description = "yolk's own kernels on the processor",
    .score = SCORE,
    .probe = probe,
    .device_count = device_count,
    .free_memory = free_memory,
    .compile = compile,
    .destroy = destroy,
    .slot_count = slot_count,
    .input = input,
    .start = start,
    .wait = wait_for,
    .output = output,
    .save = save,
    .load = load,
    .fingerprint = fingerprint,
};
