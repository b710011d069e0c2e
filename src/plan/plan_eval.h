/* Inside the plan room: one step at work. */
#ifndef YK_PLAN_EVAL_H
#define YK_PLAN_EVAL_H

#include "graph/call.h"
#include "plan/plan.h"

/* plan_eval_quantized.c: what is computed on 8-bit tensors otherwise than the graph would. */
bool yk_plan_is_quantized(const yk_step *s, const yk_call *c);
yolk_status yk_plan_eval_quantized(const yk_plan *p, const yk_step *s, yk_call *c, const yk_tensor *residual);

/* plan_attention.c: of a map of this shape, as the graph has it. */
yolk_status yk_plan_eval_attention(const yk_attention *a, const yk_shape *shape, const float *in, float *out);

#endif
