/* Compiled networks as bytes. */
#include "plan/saved.h"

#include <string.h>

typedef struct head {
    char magic[8];
    char target[YK_SAVED_NAME];
    uint64_t plan, steps, weights; /* bytes of the plan, number of names, bytes of weights, in this order */
} head;

yolk_status yk_saved_begin(const char *magic, const char *target, const yk_plan *plan, size_t weights, yk_buffer *out)
{
    yk_buffer bytes = {0};
    const yolk_status status = yk_plan_write(plan, &bytes);
    if (status == YOLK_OK) {
        head h = {.plan = bytes.size, .steps = (uint64_t)plan->step_count, .weights = weights};
        memcpy(h.magic, magic, sizeof h.magic);
        strncpy(h.target, target, YK_SAVED_NAME - 1);
        yk_buffer_add(out, &h, sizeof h);
        yk_buffer_add(out, bytes.data, bytes.size);
    }
    yk_buffer_free(&bytes);
    return status;
}

void yk_saved_add_name(yk_buffer *out, const char *name)
{
    char padded[YK_SAVED_NAME] = "";
    strncpy(padded, name ? name : "", YK_SAVED_NAME - 1);
    yk_buffer_add(out, padded, sizeof padded);
}

yolk_status yk_saved_damaged(const char *what)
{
    return yk_fail(YOLK_ERROR_DAMAGED, "a compiled network is damaged: %s", what);
}

bool yk_saved_is_for(const char *target, const void *bytes, size_t size)
{
    head h;
    if (size < sizeof h)
        return false;
    memcpy(&h, bytes, sizeof h);
    return strncmp(h.target, target, YK_SAVED_NAME) == 0;
}

yolk_status yk_saved_read(const char *magic, const char *target, const void *bytes, size_t size, yk_plan **plan,
                          yk_saved *out)
{
    const uint8_t *at = bytes;
    head h;
    if (size < sizeof h)
        return yk_saved_damaged("it is cut short");
    memcpy(&h, at, sizeof h);
    h.target[YK_SAVED_NAME - 1] = '\0';
    if (memcmp(h.magic, magic, sizeof h.magic) != 0)
        return yk_saved_damaged("it is none");
    if (strcmp(h.target, target) != 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "a compiled network is for %s, this is %s", h.target, target);
    at += sizeof h;
    const size_t left = size - sizeof h;
    if (h.plan > left || h.steps > (left - h.plan) / YK_SAVED_NAME ||
        h.weights != left - h.plan - h.steps * YK_SAVED_NAME)
        return yk_saved_damaged("its parts do not add up");
    const yolk_status status = yk_plan_read(at, (size_t)h.plan, plan);
    if (status != YOLK_OK)
        return status;
    if (h.steps != (uint64_t)(*plan)->step_count)
        return yk_saved_damaged("it has another number of steps than its plan");
    out->names = (const char *)at + h.plan;
    for (uint64_t i = 1; i <= h.steps; i++) {
        if (out->names[i * YK_SAVED_NAME - 1] != '\0')
            return yk_saved_damaged("a kernel's name has no end");
    }
    out->weights = at + h.plan + h.steps * YK_SAVED_NAME;
    out->weight_bytes = (size_t)h.weights;
    return YOLK_OK;
}
