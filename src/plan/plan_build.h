/* Inside the plan room: a plan that is being made. */
#ifndef YK_PLAN_BUILD_H
#define YK_PLAN_BUILD_H

#include "plan/plan.h"

typedef struct yk_plan_build {
    const yk_graph *graph;
    const yk_plan_options *options;
    yk_plan *plan;
    size_t tensor_capacity, step_capacity;
    int *tensors; /* by value of the graph: its tensor in each layout, or YK_NONE */
} yk_plan_build;

/* plan.c */
yolk_status yk_plan_add_tensor(yk_plan_build *b, const yk_plan_tensor *t, int *out); /* a root */
/* A step without inputs, which `count` of them can be put into; it comes last. */
yolk_status yk_plan_add_step(yk_plan_build *b, yk_step_kind kind, const char *name, int count, yk_step **out);
/* A step that copies one tensor into another comes last; it can be moved to where it belongs. */
yolk_status yk_plan_add_copy(yk_plan_build *b, const char *name, int from, int to);
void yk_plan_drop_step(yk_plan *p, int index);

/* plan_quantized.c: makes steps on 8-bit tensors where the graph says so with pairs of QuantizeLinear and
 * DequantizeLinear. Comes before anything has a place. */
yolk_status yk_plan_quantized(yk_plan_build *b);

/* plan_attention.c: makes steps ATTENTION of what is one. Comes before anything has a place. */
void yk_plan_fuse_attention(yk_plan *p);

/* plan_places.c */
/* Turns concatenations and slices along channels into views, and what only gives PLAIN tensors other shapes. */
yolk_status yk_plan_place_views(yk_plan_build *b);
/* Sets pixel, bytes, first, last, offset and the plan's arena. */
yolk_status yk_plan_place_memory(yk_plan *p, const yk_plan_options *options);

#endif
