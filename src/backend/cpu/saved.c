/* A program as bytes: its plan, the names of its kernels, and the packed weights. */
#include "backend/cpu/saved.h"

#include <stddef.h>
#include <string.h>

static const char magic[8] = "yolkcpu1";
enum { NAME = 24 };

typedef struct head {
    char magic[8];
    char isa[NAME];
    uint64_t plan, steps, packed; /* bytes of the plan, number of names, bytes of weights, in this order */
} head;

yolk_status yk_cpu_save(const yk_cpu_program *p, yk_buffer *out)
{
    yk_buffer plan = {0};
    yolk_status status = yk_plan_write(p->plan, &plan);
    if (status == YOLK_OK) {
        head h = {.plan = plan.size, .steps = (uint64_t)p->plan->step_count, .packed = p->packed_bytes};
        memcpy(h.magic, magic, sizeof magic);
        strncpy(h.isa, p->isa->name, NAME - 1);
        yk_buffer_add(out, &h, sizeof h);
        yk_buffer_add(out, plan.data, plan.size);
        for (int i = 0; i < p->plan->step_count; i++) {
            char name[NAME] = "";
            if (p->actions[i].conv)
                strncpy(name, p->actions[i].conv->name, NAME - 1);
            yk_buffer_add(out, name, NAME);
        }
        yk_buffer_add(out, p->packed, p->packed_bytes);
        status = yk_buffer_status(out);
    }
    yk_buffer_free(&plan);
    return status;
}

static yolk_status damaged(const char *what)
{
    return yk_fail(YOLK_ERROR_DAMAGED, "a compiled network is damaged: %s", what);
}

/* Kernels by name; the program's plan is there. */
static yolk_status choose(yk_cpu_program *p, const char *names)
{
    const char **name = yk_calloc((size_t)YK_MAX(p->plan->step_count, 1), sizeof *name);
    p->actions = yk_calloc((size_t)YK_MAX(p->plan->step_count, 1), sizeof *p->actions);
    bool known = name && p->actions;
    if (!known) {
        yk_free(name);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    for (int i = 0; i < p->plan->step_count; i++) {
        name[i] = names + (size_t)i * NAME;
        known = known && name[i][NAME - 1] == '\0';
    }
    known = known && yk_cpu_program_choose(p, name);
    yk_free(name);
    return known ? YOLK_OK : damaged("it names kernels that do not fit");
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
    head h;
    if (size < sizeof h)
        return damaged("it is cut short");
    memcpy(&h, bytes, sizeof h);
    h.isa[NAME - 1] = '\0';
    if (memcmp(h.magic, magic, sizeof magic) != 0)
        return damaged("it is none");
    if (strcmp(h.isa, p->isa->name) != 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "a compiled network is for the instruction set %s, this is %s", h.isa,
                       p->isa->name);
    const size_t left = size - sizeof h;
    if (h.plan > left || h.steps > (left - h.plan) / NAME || h.packed != left - h.plan - h.steps * NAME)
        return damaged("its parts do not add up");
    bytes += sizeof h;
    yolk_status status = yk_plan_read(bytes, (size_t)h.plan, &p->plan);
    if (status != YOLK_OK)
        return status;
    if (p->plan->float_bytes != (p->isa->half ? 2 : 4))
        return damaged("it is for another kind of device");
    if (h.steps != (uint64_t)p->plan->step_count)
        return damaged("it has another number of steps than its plan");
    status = choose(p, (const char *)bytes + h.plan);
    if (status != YOLK_OK)
        return status;
    if (!has_constants(p))
        return damaged("a constant holds nothing");
    yk_cpu_program_lay_out(p);
    if (!parts_are_right(p))
        return damaged("a step of it is too large");
    if (p->packed_bytes != h.packed)
        return damaged("its weights have another size than its kernels want");
    p->packed = yk_alloc_aligned((size_t)YK_MAX(h.packed, 64));
    if (!p->packed)
        return YOLK_ERROR_OUT_OF_MEMORY;
    memcpy(p->packed, bytes + h.plan + h.steps * NAME, (size_t)h.packed);
    return weights_are_sound(p) ? YOLK_OK : damaged("its weights lead outside of them");
}

bool yk_cpu_is_saved_for(const void *bytes, size_t size, const yk_cpu_isa *isa)
{
    return size >= sizeof(head) && strncmp((const char *)bytes + offsetof(head, isa), isa->name, NAME) == 0;
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
