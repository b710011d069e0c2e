/* Which kernel does what, and the weights laid out for it. */
#include "backend/cpu/program.h"

#include <math.h>
#include <string.h>

enum { ALIGN = 64 };

static size_t aligned(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- convolutions ---- */

/* Floats, which are halves in a plan of those. */
static bool is_floats(const yk_plan *p, int tensor)
{
    const bool as_planned = p->float_bytes == (int)sizeof(float) || yk_plan_is_half(p, tensor);
    return p->tensors[tensor].type == YK_F32 && p->tensors[tensor].layout == YK_LAYOUT_NHWC && as_planned;
}

/* Whether a tensor is a constant, which is still so when what it held has been packed and let go of. */
static bool is_constant(const yk_plan *p, int tensor, yk_type type)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    const bool computed = t->root != tensor || t->offset >= 0 || tensor == p->input || yk_plan_is_output(p, tensor);
    return !computed && t->type == type;
}

/* What the elements of a feature map stand for. */
static bool find_number(const yk_plan *p, int tensor, yk_cpu_number *out)
{
    const yk_plan_tensor *t = &p->tensors[tensor];
    const int low = t->type == YK_I8 ? -128 : 0;
    *out = (yk_cpu_number){.type = t->type, .scale = 1};
    if (is_floats(p, tensor))
        return true;
    out->scale = t->scale;
    out->zero = t->zero;
    return (t->type == YK_U8 || t->type == YK_I8) && t->layout == YK_LAYOUT_NHWC && t->scale > 0 &&
           isfinite(t->scale) && t->zero >= low && t->zero <= low + 255;
}

/* Whether floats, or with 8-bit weights bytes, are all that a convolution works on. */
static bool describe_numbers(const yk_plan *p, const yk_step *s, yk_cpu_conv *c)
{
    const bool bias = s->input_count > 2 && s->inputs[2] != YK_NONE;
    c->int8 = p->tensors[s->inputs[1]].type == YK_I8;
    if (!is_constant(p, s->inputs[1], c->int8 ? YK_I8 : YK_F32) || (bias && !is_constant(p, s->inputs[2], YK_F32)))
        return false;
    if (c->int8)
        return s->input_count == 4 && is_constant(p, s->inputs[3], YK_F32) && find_number(p, s->inputs[0], &c->in8) &&
               c->in8.type != YK_F32 && find_number(p, s->outputs[0], &c->out8) &&
               (s->residual == YK_NONE || find_number(p, s->residual, &c->residual8));
    c->bytes = s->inputs[0] == p->input;
    return (c->bytes || is_floats(p, s->inputs[0])) && is_floats(p, s->outputs[0]) &&
           (s->residual == YK_NONE || is_floats(p, s->residual));
}

bool yk_cpu_describe(const yk_plan *p, const yk_step *s, yk_cpu_conv *c)
{
    if (s->kind != YK_STEP_NODE || s->op != YK_OP_CONV)
        return false;
    memset(c, 0, sizeof *c); /* padding too: descriptions are compared as bytes */
    if (!describe_numbers(p, s, c))
        return false;
    const yk_plan_tensor *x = &p->tensors[s->inputs[0]], *y = &p->tensors[s->outputs[0]];
    const yk_attrs *a = &s->attrs;
    c->batch = (int)x->shape.dims[0];
    c->in_channels = (int)x->shape.dims[1];
    c->in_height = (int)x->shape.dims[2];
    c->in_width = (int)x->shape.dims[3];
    c->out_channels = (int)y->shape.dims[1];
    c->out_height = (int)y->shape.dims[2];
    c->out_width = (int)y->shape.dims[3];
    for (int i = 0; i < 2; i++) {
        c->kernel[i] = a->kernel[i];
        c->stride[i] = a->stride[i];
        c->pad[i] = a->pads[i];
        c->dilation[i] = a->dilation[i];
    }
    c->groups = a->groups;
    c->in_pixel = x->pixel;
    c->out_pixel = y->pixel;
    c->residual = s->residual != YK_NONE;
    c->residual_pixel = c->residual ? p->tensors[s->residual].pixel : 0;
    c->act = a->act;
    c->slope = a->alpha;
    c->scale = c->bytes ? 1 / p->input_divisor : 1;
    return true;
}

const yk_cpu_conv_kernel *const *yk_cpu_convs(const yk_cpu_isa *isa, const yk_cpu_conv *c)
{
    return c->int8 ? isa->qconvs : isa->convs;
}

const yk_cpu_conv_kernel *yk_cpu_cheapest(const yk_cpu_isa *isa, const yk_cpu_conv *c)
{
    const yk_cpu_conv_kernel *best = NULL;
    double least = 0;
    for (const yk_cpu_conv_kernel *const *k = yk_cpu_convs(isa, c); *k; k++) {
        if (!(*k)->fits(c))
            continue;
        const double cost = (*k)->cost(c);
        if (!best || cost < least) {
            best = *k;
            least = cost;
        }
    }
    return best;
}

const yk_cpu_conv_kernel *yk_cpu_find_conv(const yk_cpu_isa *isa, const yk_cpu_conv *c, const char *name)
{
    for (const yk_cpu_conv_kernel *const *k = yk_cpu_convs(isa, c); *k; k++) {
        if (strcmp((*k)->name, name) == 0)
            return (*k)->fits(c) ? *k : NULL;
    }
    return NULL;
}

/* ---- the program ---- */

bool yk_cpu_program_choose(yk_cpu_program *p, const char *const *names)
{
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        yk_cpu_action *a = &p->actions[i];
        if (yk_cpu_describe(p->plan, s, &a->shape)) {
            const bool loops = names && a->shape.int8 && !names[i][0];
            a->conv = names ? yk_cpu_find_conv(p->isa, &a->shape, names[i]) : yk_cpu_cheapest(p->isa, &a->shape);
            if (!a->conv && !loops && (names || !a->shape.int8))
                return false;
            continue;
        }
        for (const yk_cpu_step_kernel *const *k = p->isa->steps; *k && !a->other; k++) {
            if ((*k)->fits(p->plan, s))
                a->other = *k;
        }
    }
    return true;
}

void yk_cpu_program_lay_out(yk_cpu_program *p)
{
    p->packed_bytes = 0;
    p->scratch = 0;
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        yk_cpu_action *a = &p->actions[i];
        size_t scratch = 0;
        if (a->conv) {
            a->packed = p->packed_bytes;
            a->packed_bytes = a->conv->packed_bytes(&a->shape);
            a->parts = a->conv->parts(&a->shape);
            p->packed_bytes += aligned(a->packed_bytes);
            scratch = a->conv->scratch_bytes(&a->shape);
        } else if (a->other) {
            a->parts = a->other->parts(p->plan, s);
            scratch = a->other->scratch_bytes ? a->other->scratch_bytes(p->plan, s) : 0;
        }
        p->scratch = YK_MAX(p->scratch, aligned(scratch));
    }
}

void yk_cpu_pack(const yk_plan *p, int index, const yk_cpu_conv *c, const yk_cpu_conv_kernel *kernel, void *to)
{
    const yk_step *s = &p->steps[index];
    const void *weights = p->tensors[s->inputs[1]].data;
    const float *bias = s->input_count > 2 && s->inputs[2] != YK_NONE ? p->tensors[s->inputs[2]].data : NULL;
    if (c->int8)
        kernel->pack8(c, weights, p->tensors[s->inputs[3]].data, bias, to);
    else
        kernel->pack(c, weights, bias, to);
}

yolk_status yk_cpu_program_pack(yk_cpu_program *p)
{
    yk_cpu_program_lay_out(p);
    const size_t size = p->packed_bytes;
    uint8_t *packed = yk_alloc_aligned(YK_MAX(size, ALIGN));
    if (!packed)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memset(packed, 0, size);
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_cpu_action *a = &p->actions[i];
        if (a->conv)
            yk_cpu_pack(p->plan, i, &a->shape, a->conv, packed + a->packed);
    }
    yk_free(p->packed);
    p->packed = packed;
    return YOLK_OK;
}

/* Marks the constants that steps read besides what is packed. */
static void mark_read(const yk_cpu_program *p, bool *read)
{
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_step *s = &p->plan->steps[i];
        for (int k = 0; k < s->input_count; k++) {
            const bool packed = p->actions[i].conv && k > 0;
            if (s->inputs[k] != YK_NONE && !packed)
                read[s->inputs[k]] = true;
        }
    }
}

yolk_status yk_cpu_program_settle(yk_cpu_program *p)
{
    yk_plan *plan = p->plan;
    bool *read = yk_calloc((size_t)plan->tensor_count, sizeof *read);
    yolk_status status = read ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (read)
        mark_read(p, read);
    for (int i = 0; i < plan->tensor_count && status == YOLK_OK; i++) {
        yk_plan_tensor *t = &plan->tensors[i];
        if (!t->data || t->owned)
            continue;
        const size_t size = (size_t)yk_shape_count(&t->shape) * yk_type_size(t->type);
        if (read[i]) {
            t->owned = yk_alloc_aligned(YK_MAX(size, 1));
            if (t->owned)
                memcpy(t->owned, t->data, size);
            else
                status = YOLK_ERROR_OUT_OF_MEMORY;
        }
        t->data = t->owned;
    }
    yk_free(read);
    return status;
}

void yk_cpu_program_destroy(yk_cpu_program **program)
{
    yk_cpu_program *p = *program;
    *program = NULL;
    if (!p)
        return;
    yk_plan_destroy(&p->plan);
    yk_free(p->actions);
    yk_free(p->packed);
    yk_free(p);
}

yolk_status yk_cpu_program_make(const yk_graph *g, const yk_cpu_isa *isa, yk_cpu_program **out)
{
    const yk_plan_options options = {.align = ALIGN,
                                     .channels = isa->lanes,
                                     .half = isa->half,
                                     .layout = yk_plan_layout,
                                     .takes_bytes = yk_plan_takes_bytes};
    yk_cpu_program *p = yk_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return YOLK_ERROR_OUT_OF_MEMORY;
    p->isa = isa;
    yolk_status status = yk_plan_make(g, &options, &p->plan);
    if (status != YOLK_OK)
        goto fail;
    p->actions = yk_calloc((size_t)YK_MAX(p->plan->step_count, 1), sizeof *p->actions);
    if (!p->actions) {
        status = YOLK_ERROR_OUT_OF_MEMORY;
        goto fail;
    }
    if (!yk_cpu_program_choose(p, NULL)) {
        status = yk_fail(YOLK_ERROR_BACKEND, "there is no kernel for one of the network's convolutions");
        goto fail;
    }
    status = yk_cpu_program_pack(p);
    if (status != YOLK_OK)
        goto fail;
    *out = p;
    return YOLK_OK;
fail:
    yk_cpu_program_destroy(&p);
    return status;
}

/* ---- running ---- */

typedef struct turn {
    const yk_cpu_program *program;
    const yk_cpu_memory *memory;
    int step;
    yk_cpu_conv_data conv;
} turn;

static void do_conv(void *user, int part, int thread)
{
    const turn *t = user;
    const yk_cpu_action *a = &t->program->actions[t->step];
    a->conv->run(&a->shape, &t->conv, part, t->memory->scratch[thread]);
}

static void do_other(void *user, int part, int thread)
{
    const turn *t = user;
    const yk_cpu_call call = {
        .plan = t->program->plan, .step = &t->program->plan->steps[t->step], .data = t->memory->data};
    t->program->actions[t->step].other->run(&call, part, t->memory->scratch[thread]);
}

yolk_status yk_cpu_program_step(const yk_cpu_program *p, int index, yk_pool_job *job, const yk_cpu_memory *m)
{
    const yk_cpu_action *a = &p->actions[index];
    const yk_step *s = &p->plan->steps[index];
    turn t = {.program = p, .memory = m, .step = index};
    if (a->conv) {
        t.conv = (yk_cpu_conv_data){.in = m->data[s->inputs[0]],
                                    .residual = s->residual == YK_NONE ? NULL : m->data[s->residual],
                                    .out = m->data[s->outputs[0]],
                                    .packed = p->packed + a->packed};
        yk_pool_job_phase(job, a->parts, do_conv, &t);
        return YOLK_OK;
    }
    if (a->other) {
        yk_pool_job_phase(job, a->parts, do_other, &t);
        return YOLK_OK;
    }
    return yk_plan_eval(p->plan, s, m->data);
}

yolk_status yk_cpu_program_run(const yk_cpu_program *p, yk_pool_job *job, const yk_cpu_memory *m)
{
    yolk_status status = YOLK_OK;
    for (int i = 0; i < p->plan->step_count && status == YOLK_OK; i++)
        status = yk_cpu_program_step(p, i, job, m);
    return status;
}
