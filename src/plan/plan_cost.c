/* What a step costs at least on any device: the bytes that it has to move and the operations that it has to do. */
#include "base/base.h"
#include "plan/plan.h"

static double elements(const yk_plan *p, int tensor)
{
    return (double)yk_shape_count(&p->tensors[tensor].shape);
}

static double bytes_of(const yk_plan *p, int tensor)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    const bool half = t->type == YK_F32 && !yk_plan_is_output(p, tensor) && p->float_bytes == 2;
    return (half ? 2 : (double)yk_type_size(t->type)) * elements(p, tensor);
}

/* A multiplication and an addition are two. */
static double operations(const yk_plan *p, const yk_step *s)
{
    const yk_shape *x = &p->tensors[s->inputs[0]].shape;
    if (s->kind == YK_STEP_ATTENTION) {
        const yk_attention *a = &s->attention;
        const double pixels = (double)(x->dims[2] * x->dims[3]);
        return 2 * (double)x->dims[0] * a->heads * pixels * (pixels / a->areas) * (a->depth + a->value_depth);
    }
    if (s->kind != YK_STEP_NODE)
        return 0;
    const double taps = (double)s->attrs.kernel[0] * s->attrs.kernel[1];
    int64_t depth = 0; /* what one of the larger side's numbers is multiplied with, in channels */
    switch (s->op) {
    case YK_OP_CONV:
        depth = x->dims[1] / s->attrs.groups;
        return 2 * elements(p, s->outputs[0]) * (double)depth * taps;
    case YK_OP_CONV_TRANSPOSE:
        depth = p->tensors[s->outputs[0]].shape.dims[1] / s->attrs.groups;
        return 2 * elements(p, s->inputs[0]) * (double)depth * taps;
    case YK_OP_MATMUL:
        return 2 * elements(p, s->outputs[0]) * (double)x->dims[x->rank - 1];
    default:
        return 0;
    }
}

yk_step_cost yk_plan_step_cost(const yk_plan *p, const yk_step *s)
{
    yk_step_cost cost = {.operations = operations(p, s)};
    for (int i = 0; i < s->input_count; i++) {
        if (s->inputs[i] != YK_NONE)
            cost.bytes += bytes_of(p, s->inputs[i]);
    }
    if (s->residual != YK_NONE)
        cost.bytes += bytes_of(p, s->residual);
    for (int i = 0; i < s->output_count; i++)
        cost.bytes += bytes_of(p, s->outputs[i]);
    cost.in_bytes = s->kind == YK_STEP_NODE && s->input_count > 1 && p->tensors[s->inputs[1]].type == YK_I8;
    return cost;
}

double yk_step_seconds(yk_step_cost c, const yk_device_peak *peak)
{
    const double moving = c.bytes / peak->bytes;
    const double computing = c.operations / (c.in_bytes ? peak->byte_operations : peak->operations);
    return YK_MAX(moving, computing);
}

double yk_plan_seconds(const yk_plan *p, const yk_device_peak *peak)
{
    double sum = 0;
    for (int i = 0; i < p->step_count; i++)
        sum += yk_step_seconds(yk_plan_step_cost(p, &p->steps[i]), peak);
    return sum;
}
