/* Pickles: whatever is read can be walked. */
#include <stdlib.h>

#include "import/pickle.h"

/* Values may be shared and may hold themselves, hence the two limits. */
static void walk(const yk_pickle_value *v, int depth, int *left)
{
    char label[YK_PICKLE_LABEL];
    double number;
    if (!v || depth > 50 || --*left < 0)
        return;
    yk_pickle_label(v, label);
    yk_pickle_number(v, &number);
    yk_pickle_get(v, "state");
    yk_pickle_get_int(v, 1);
    yk_pickle_at(v, yk_pickle_length(v));
    yk_pickle_is_text(v, "text");
    yk_pickle_is_object(v, "torch.Size");
    if (v->pairs && v->count % 2 != 0)
        abort();
    for (uint32_t i = 0; i < v->count; i++)
        walk(v->items[i], depth + 1, left);
    if (v->type == YK_PICKLE_OBJECT) {
        walk(v->called, depth + 1, left);
        walk(v->args, depth + 1, left);
        walk(v->state, depth + 1, left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const callable[] = {"collections.OrderedDict", "torch.Size", "torch._utils._rebuild_tensor_v2"};
    yk_pickle pickle;
    int left = 10000;
    if (yk_pickle_read(data, size, callable, YK_COUNT(callable), &pickle) != YOLK_OK)
        return 0;
    if (!pickle.root)
        abort();
    walk(pickle.root, 0, &left);
    yk_pickle_free(&pickle);
    return 0;
}
