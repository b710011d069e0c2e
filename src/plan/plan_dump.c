/* A plan as text, for people and for tests that compare it with what it was. */
#include "plan/plan.h"

#include <inttypes.h>

static void add_place(const yk_plan *p, int tensor, yk_buffer *out)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    if (t->layout == YK_LAYOUT_NHWC)
        yk_buffer_format(out, "nhwc/%" PRId64 " ", t->pixel);
    if (tensor == p->input)
        yk_buffer_text(out, "input");
    else if (yk_plan_is_output(p, tensor))
        yk_buffer_text(out, "output");
    else if (t->root != tensor)
        yk_buffer_format(out, "t%d+%" PRId64, t->root, t->start);
    else if (t->offset >= 0)
        yk_buffer_format(out, "@%" PRId64, t->offset);
    else
        yk_buffer_text(out, "constant");
    if (t->scale > 0)
        yk_buffer_format(out, " (x-%d)*%g", t->zero, (double)t->scale);
}

static void add_tensor(const yk_plan *p, int tensor, yk_buffer *out)
{
    char shape[96];
    if (tensor == YK_NONE) {
        yk_buffer_text(out, "-");
        return;
    }
    const yk_plan_tensor *t = &p->tensors[tensor];
    yk_shape_text(&t->shape, shape);
    yk_buffer_format(out, "t%d:%s", tensor, shape);
    if (t->type != YK_F32)
        yk_buffer_format(out, ":%s", yk_type_name(t->type));
    yk_buffer_text(out, "[");
    add_place(p, tensor, out);
    yk_buffer_text(out, "]");
}

static void add_attention(const yk_attention *a, yk_buffer *out)
{
    if (a->areas > 1)
        yk_buffer_format(out, " areas=%d", a->areas);
    yk_buffer_format(out, " heads=%d depth=%d,%d q=%d k=%d v=%d apart=%d,%d scale=%g", a->heads, a->depth,
                     a->value_depth, a->q, a->k, a->v, a->head, a->value_head, (double)a->scale);
}

static void add_step(const yk_plan *p, const yk_step *s, yk_buffer *out)
{
    static const char *const kinds[] = {
        [YK_STEP_INPUT] = "input", [YK_STEP_COPY] = "copy", [YK_STEP_ATTENTION] = "attention"};
    yk_buffer_format(out, "%s: ", s->name);
    for (int i = 0; i < s->output_count; i++) {
        yk_buffer_text(out, i ? ", " : "");
        add_tensor(p, s->outputs[i], out);
    }
    yk_buffer_format(out, " = %s(", s->kind == YK_STEP_NODE ? yk_op_name(s->op) : kinds[s->kind]);
    for (int i = 0; i < s->input_count; i++) {
        yk_buffer_text(out, i ? ", " : "");
        add_tensor(p, s->inputs[i], out);
    }
    yk_buffer_text(out, ")");
    if (s->kind == YK_STEP_NODE)
        yk_attrs_dump(s->op, &s->attrs, s->input_count, out);
    else if (s->kind == YK_STEP_ATTENTION)
        add_attention(&s->attention, out);
    if (s->residual != YK_NONE) {
        yk_buffer_text(out, " + ");
        add_tensor(p, s->residual, out);
    }
    yk_buffer_text(out, "\n");
}

yolk_status yk_plan_dump(const yk_plan *p, yk_buffer *out)
{
    for (int i = 0; i < p->step_count; i++)
        add_step(p, &p->steps[i], out);
    for (int i = 0; i < p->output_count; i++) {
        yk_buffer_text(out, "output ");
        add_tensor(p, p->outputs[i], out);
        yk_buffer_text(out, "\n");
    }
    yk_buffer_format(out, "arena %" PRId64 "%s\n", p->arena, p->float_bytes == 2 ? ", floats as halves" : "");
    return yk_buffer_status(out);
}
