/* Saved programs of the processor's own backend. Few bytes would get past the checks as they are, so the input says
 * what to change in a good one: which (network and instruction set, a byte), then words of 4 bytes, each behind the
 * 2 bytes that say which one. An input that begins with 255 is a saved program itself. */
#include "../saved_program.h"

enum { KINDS = 8 };

static const yk_buffer *base(int network, const yk_cpu_isa *isa, int index)
{
    static yk_buffer made[KINDS];
    yk_buffer *b = &made[index % KINDS];
    if (!b->data)
        saved_make(network, isa, b);
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    if (size == 0)
        return 0;
    count = YK_MIN(count, KINDS / SAVED_NETWORKS);
    if (data[0] == 255) {
        for (int i = 0; i < count; i++)
            saved_run(data + 1, size - 1, isas[i]);
        return 0;
    }
    const int which = data[0] % (count * SAVED_NETWORKS);
    const yk_cpu_isa *isa = isas[which / SAVED_NETWORKS];
    const yk_buffer *good = base(which % SAVED_NETWORKS, isa, which);
    uint8_t *bytes = malloc(good->size);
    saved_need(bytes);
    memcpy(bytes, good->data, good->size);
    for (size_t i = 1; i + 6 <= size; i += 6) {
        const size_t at = 4 * (size_t)(data[i] | data[i + 1] << 8);
        if (at + 4 <= good->size)
            memcpy(bytes + at, data + i + 2, 4);
    }
    saved_run(bytes, good->size, isa);
    free(bytes);
    return 0;
}
