/* Small networks of many kinds of steps, and saved programs that are loaded and run on one thread in memory of just
 * their size, for tests of what loading lets through. Knows nothing of cmocka: fuzz targets use it too. */
#ifndef YK_SAVED_PROGRAM_H
#define YK_SAVED_PROGRAM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "backend/cpu/saved.h"

static inline void saved_need(bool what)
{
    if (!what) {
        fprintf(stderr, "saved_program.h: %s\n", yolk_last_error());
        abort();
    }
}

static inline yk_id saved_numbers(yk_graph *g, int64_t count, float from, float step)
{
    float values[4096];
    saved_need(count <= 4096);
    for (int64_t i = 0; i < count; i++)
        values[i] = from + step * (float)(i * 7 % 13);
    const yk_shape shape = {.rank = count > 1 ? 1 : 0, .dims = {count}};
    return yk_graph_add_constant_copy(g, NULL, YK_F32, shape, values);
}

static inline yk_id saved_conv(yk_graph *g, yk_id x, int in, int out, int kernel, int stride, int groups)
{
    float weights[8192], bias[64];
    saved_need(out * in / groups * kernel * kernel <= 8192 && out <= 64);
    for (int i = 0; i < 8192; i++)
        weights[i] = 0.02f * (float)(i * 5 % 11 - 5);
    for (int i = 0; i < 64; i++)
        bias[i] = 0.01f * (float)i;
    yk_conv c = {.out = out,
                 .kernel = {kernel, kernel},
                 .stride = {stride, stride},
                 .pad = {kernel / 2, kernel / 2, kernel / 2, kernel / 2},
                 .dilation = 1,
                 .groups = groups,
                 .act = YK_ACT_SILU,
                 .weights = weights,
                 .bias = bias};
    return yk_build_conv(g, x, in, &c, "conv");
}

/* Convolutions of all kinds, views, attention, and what plain loops do. */
static inline void saved_floats(yk_graph *g, yk_id x)
{
    yk_id a = saved_conv(g, x, 3, 8, 3, 2, 1), b = saved_conv(g, a, 8, 8, 3, 1, 1), d = saved_conv(g, b, 8, 8, 3, 1, 8);
    yk_id sum = yk_build_binary(g, YK_OP_ADD, saved_conv(g, d, 8, 8, 1, 1, 1), a, "sum");
    yk_id up = yk_build_upsample(g, yk_build_max_pool(g, sum, 2, 2, 0, "half"), 2, "up");
    yk_id e = saved_conv(g, yk_build_concat(g, (yk_id[]){sum, up, a}, 3, 1, "joined"), 24, 12, 1, 1, 1);
    yk_id halves[2] = {yk_build_slice(g, e, 1, 0, 6, "left"), yk_build_slice(g, e, 1, 6, 12, "right")};
    yk_id gated =
        yk_build_binary(g, YK_OP_MUL, halves[0], yk_build_unary(g, YK_OP_SIGMOID, halves[1], "gate"), "gated");
    yk_id rows = yk_build_reshape(g, gated, (int64_t[]){YK_DIM_COPY, 6, YK_DIM_INFER}, 3, 0, "rows");
    yk_id turned = yk_build_transpose(g, rows, (int[]){0, 2, 1}, 3, "turned");
    yk_id scores = yk_build_softmax(g, yk_build_binary(g, YK_OP_MATMUL, turned, rows, "scores"), 2, "softmax");
    const int64_t best = 3;
    yk_id inputs[2] = {scores, yk_graph_add_constant_copy(g, NULL, YK_I64, (yk_shape){.rank = 0}, &best)};
    const int top =
        yk_graph_add_node(g, YK_OP_TOPK, "top", inputs, 2, 2, &(yk_attrs){.axis = 1, .largest = 1, .sorted = 1});
    saved_need(top >= 0);
    const yk_id indices = g->nodes[top].outputs[1];
    const yk_id pick[2] = {scores, indices};
    const int picked = yk_graph_add_node(g, YK_OP_GATHER_ELEMENTS, "pick", pick, 2, 1, &(yk_attrs){.axis = 1});
    saved_need(picked >= 0);
    saved_need(yk_graph_add_output(g, g->nodes[picked].outputs[0]) == YOLK_OK);
    saved_need(yk_graph_add_output(g, gated) == YOLK_OK);
}

static inline yk_id saved_pair(yk_graph *g, yk_id x, float scale)
{
    const int8_t zero = -3;
    yk_id z = yk_graph_add_constant_copy(g, NULL, YK_I8, (yk_shape){.rank = 0}, &zero),
          s = saved_numbers(g, 1, scale, 0);
    int q = yk_graph_add_node(g, YK_OP_QUANTIZE, "q", (yk_id[]){x, s, z}, 3, 1, NULL);
    saved_need(q >= 0);
    int d = yk_graph_add_node(g, YK_OP_DEQUANTIZE, "d", (yk_id[]){g->nodes[q].outputs[0], s, z}, 3, 1, NULL);
    saved_need(d >= 0);
    return g->nodes[d].outputs[0];
}

/* A convolution with 8-bit weights. */
static inline yk_id saved_conv8(yk_graph *g, yk_id x, int in, int out, int kernel)
{
    int8_t weights[4096], zeros[64] = {0};
    saved_need(out * in * kernel * kernel <= 4096 && out <= 64);
    for (int i = 0; i < 4096; i++)
        weights[i] = (int8_t)(i * 37 % 255 - 127);
    const yk_shape shape = {.rank = 4, .dims = {out, in, kernel, kernel}}, per = {.rank = 1, .dims = {out}};
    yk_id w = yk_graph_add_constant_copy(g, NULL, YK_I8, shape, weights), s = saved_numbers(g, out, 0.001f, 0.0001f),
          z = yk_graph_add_constant_copy(g, NULL, YK_I8, per, zeros);
    int d = yk_graph_add_node(g, YK_OP_DEQUANTIZE, "w", (yk_id[]){w, s, z}, 3, 1, &(yk_attrs){.axis = 0});
    saved_need(d >= 0);
    const int pad = kernel / 2;
    int c = yk_graph_add_node(
        g, YK_OP_CONV, "conv8", (yk_id[]){x, g->nodes[d].outputs[0], saved_numbers(g, out, 0, 0.1f)}, 3, 1,
        &(yk_attrs){.kernel = {kernel, kernel}, .pads = {pad, pad, pad, pad}, .act = YK_ACT_RELU});
    saved_need(c >= 0);
    return g->nodes[c].outputs[0];
}

static inline void saved_bytes(yk_graph *g, yk_id x)
{
    yk_id a = saved_pair(g, saved_conv8(g, saved_pair(g, x, 0.01f), 3, 8, 3), 0.02f);
    yk_id b =
        saved_pair(g, yk_build_max_pool(g, saved_pair(g, saved_conv8(g, a, 8, 8, 3), 0.03f), 3, 1, 1, "pool"), 0.03f);
    yk_id up = yk_build_upsample(g, yk_build_max_pool(g, b, 2, 2, 0, "half"), 2, "up");
    yk_id joined = yk_build_concat(g, (yk_id[]){b, saved_pair(g, up, 0.03f)}, 2, 1, "joined");
    saved_need(yk_graph_add_output(g, saved_conv8(g, joined, 16, 4, 1)) == YOLK_OK);
}

enum { SAVED_NETWORKS = 2 };

/* One of the networks as it lies in engines; the caller frees what is in `out`. */
static inline void saved_make(int network, const yk_cpu_isa *isa, yk_buffer *out)
{
    yk_graph *g;
    yk_cpu_program *p;
    saved_need(yk_graph_create(&g) == YOLK_OK);
    yk_id x = yk_graph_add_input(g, "images");
    (network == 0 ? saved_floats : saved_bytes)(g, x);
    g->head.unit_range = true;
    saved_need(yk_graph_bind(g, 1, 8, 12) == YOLK_OK);
    saved_need(yk_cpu_program_make(g, isa, &p) == YOLK_OK);
    saved_need(yk_cpu_program_settle(p) == YOLK_OK);
    yk_graph_destroy(&g);
    saved_need(yk_cpu_save(p, out) == YOLK_OK);
    yk_cpu_program_destroy(&p);
}

/* Whether it is done soon, which no rule of the format says. */
static inline bool saved_is_small(const yk_cpu_program *p)
{
    const yk_plan *plan = p->plan;
    double work = 0, bytes = (double)plan->arena + (double)p->scratch;
    for (int i = 0; i < plan->output_count; i++)
        bytes += (double)plan->tensors[plan->outputs[i]].bytes;
    bytes += (double)plan->tensors[plan->input].bytes;
    for (int i = 0; i < plan->step_count; i++) {
        const yk_step *s = &plan->steps[i];
        double each = (double)s->attrs.kernel[0] * s->attrs.kernel[1];
        if (s->kind == YK_STEP_NODE && s->op == YK_OP_CONV)
            each *= (double)plan->tensors[s->inputs[1]].shape.dims[1];
        work += (double)yk_shape_count(&plan->tensors[s->outputs[0]].shape) * (each > 1 ? each : 1);
    }
    return bytes < 4e6 && work < 4e6;
}

static inline void saved_step(const yk_cpu_program *p, int index, void **data, void *scratch)
{
    const yk_cpu_action *a = &p->actions[index];
    const yk_step *s = &p->plan->steps[index];
    const yk_cpu_conv_data conv = {.in = data[s->inputs[0]],
                                   .packed = p->packed + a->packed,
                                   .out = data[s->outputs[0]],
                                   .residual = s->residual == YK_NONE ? NULL : data[s->residual]};
    for (int part = 0; part < a->parts; part++) {
        if (a->conv)
            a->conv->run(&a->shape, &conv, part, scratch);
        else
            a->other->run(&(yk_cpu_call){p->plan, s, data}, part, scratch);
    }
    if (!a->conv && !a->other)
        (void)yk_plan_eval(p->plan, s, data);
}

/* Loads it, and runs it once when it is taken and small. Memory is as large as the backend's. */
static inline bool saved_run(const void *bytes, size_t size, const yk_cpu_isa *isa)
{
    yk_cpu_program *p;
    if (yk_cpu_load(bytes, size, isa, &p) != YOLK_OK) {
        saved_need(!p && yolk_last_error()[0]);
        return false;
    }
    if (saved_is_small(p)) {
        const yk_plan *plan = p->plan;
        uint8_t *arena = yk_alloc_aligned((size_t)plan->arena + 256), *scratch = yk_alloc_aligned(p->scratch + 64);
        uint8_t *input = yk_calloc((size_t)plan->tensors[plan->input].bytes + 64, 1);
        float **outputs = yk_calloc((size_t)plan->output_count + 1, sizeof *outputs);
        void **data = yk_calloc((size_t)plan->tensor_count, sizeof *data);
        saved_need(arena && scratch && input && outputs && data);
        memset(arena, 0x3e, (size_t)plan->arena + 256);
        for (int i = 0; i < plan->output_count; i++) {
            outputs[i] = yk_alloc_aligned((size_t)plan->tensors[plan->outputs[i]].bytes + 64);
            saved_need(outputs[i]);
            memset(outputs[i], 0, (size_t)plan->tensors[plan->outputs[i]].bytes + 64);
        }
        yk_plan_bind(plan, arena, input, outputs, data);
        for (int i = 0; i < plan->step_count; i++)
            saved_step(p, i, data, scratch);
        for (int i = 0; i < plan->output_count; i++)
            yk_free(outputs[i]);
        yk_free(arena);
        yk_free(scratch);
        yk_free(input);
        yk_free(outputs);
        yk_free(data);
    }
    yk_cpu_program_destroy(&p);
    return true;
}

#endif
