/* A program as bytes: its plan, the names of its kernels, and the packed weights. */
#include "backend/cpu/saved.h"

#include <string.h>

#include "plan/saved.h"

static const char magic[8] = "yolkcpu1";

yolk_status yk_cpu_save(const yk_cpu_program *p, yk_buffer *out)
{
    const yolk_status status = yk_saved_begin(magic, p->isa->name, p->plan, p->packed_bytes, out);
    if (status != YOLK_OK)
        return status;
    for (int i = 0; i < p->plan->step_count; i++)
        yk_saved_add_name(out, p->actions[i].conv ? p->actions[i].conv->name : NULL);
    yk_buffer_add(out, p->packed, p->packed_bytes);
    return yk_buffer_status(out);
}

/* Kernels by name; the program's plan is there. */
static yolk_status choose(yk_cpu_program *p, const char *names)
{
    const char **name = yk_calloc((size_t)YK_MAX(p->plan->step_count, 1), sizeof *name);
    p->actions = yk_calloc((size_t)YK_MAX(p->plan->step_count, 1), sizeof *p->actions);
    if (!name || !p->actions) {
        yk_free(name);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    for (int i = 0; i < p->plan->step_count; i++)
        name[i] = names + (size_t)i * YK_SAVED_NAME;
    const bool known = yk_cpu_program_choose(p, name);
    yk_free(name);
    return known ? YOLK_OK : yk_saved_damaged("it names kernels that do not fit");
}

static bool has_place(const yk_plan *p, int tensor)
{
    const int root = p->tensors[tensor].root;
    return p->tensors[root].offset >= 0 || p->tensors[root].data || root == p->input || yk_plan_is_output(p, root);
}

/* What is not packed must be somewhere. */
static bool has_constants(const yk_cpu_program *p)
{
    const yk_plan *plan = p->plan;
    for (int i = 0; i < plan->step_count; i++) {
        const yk_step *s = &plan->steps[i];
        for (int k = 0; k < s->input_count; k++) {
            const bool packed = p->actions[i].conv && k > 0;
            if (s->inputs[k] != YK_NONE && !packed && !has_place(plan, s->inputs[k]))
                return false;
        }
        if (s->residual != YK_NONE && !has_place(plan, s->residual))
            return false;
    }
    return true;
}

/* As many parts as the pool takes. */
static bool parts_are_right(const yk_cpu_program *p)
{
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_cpu_action *a = &p->actions[i];
        if ((a->conv || a->other) && (a->parts < 1 || a->parts > YK_POOL_PARTS))
            return false;
    }
    return true;
}

/* Weights that say where to read say it rightly. */
static bool weights_are_sound(const yk_cpu_program *p)
{
    for (int i = 0; i < p->plan->step_count; i++) {
        const yk_cpu_action *a = &p->actions[i];
        if (a->conv && a->conv->sound && !a->conv->sound(&a->shape, p->packed + a->packed))
            return false;
    }
    return true;
}

static yolk_status load_all(const uint8_t *bytes, size_t size, yk_cpu_program *p)
{
    yk_saved saved;
    yolk_status status = yk_saved_read(magic, p->isa->name, bytes, size, &p->plan, &saved);
    if (status != YOLK_OK)
        return status;
    if (p->plan->float_bytes != (p->isa->half ? 2 : 4))
        return yk_saved_damaged("it is for another kind of device");
    status = choose(p, saved.names);
    if (status != YOLK_OK)
        return status;
    if (!has_constants(p))
        return yk_saved_damaged("a constant holds nothing");
    yk_cpu_program_lay_out(p);
    if (!parts_are_right(p))
        return yk_saved_damaged("a step of it is too large");
    if (p->packed_bytes != saved.weight_bytes)
        return yk_saved_damaged("its weights have another size than its kernels want");
    p->packed = yk_alloc_aligned(YK_MAX(saved.weight_bytes, 64));
    if (!p->packed)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(p->packed, saved.weights, saved.weight_bytes);
    return weights_are_sound(p) ? YOLK_OK : yk_saved_damaged("its weights lead outside of them");
}

bool yk_cpu_is_saved_for(const void *bytes, size_t size, const yk_cpu_isa *isa)
{
    return yk_saved_is_for(isa->name, bytes, size);
}

yolk_status yk_cpu_load(const void *bytes, size_t size, const yk_cpu_isa *isa, yk_cpu_program **out)
{
    yk_cpu_program *p = yk_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return YOLK_ERROR_OUT_OF_MEMORY;
    p->isa = isa;
    const yolk_status status = load_all(bytes, size, p);
    if (status != YOLK_OK)
        yk_cpu_program_destroy(&p);
    *out = p;
    return status;
}
