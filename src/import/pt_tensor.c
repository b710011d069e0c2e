/* Tensors of a checkpoint: where they lie in its storages, and their elements as float32. */
#include "import/pt.h"

#include <stdio.h>
#include <string.h>

typedef yk_pickle_value value;

/* X(NAME, bytes an element, class of the storage) */
#define STORAGE_MAP(X)                                                                                                 \
    X(FLOAT, 4, "torch.FloatStorage")                                                                                  \
    X(HALF, 2, "torch.HalfStorage")                                                                                    \
    X(BFLOAT16, 2, "torch.BFloat16Storage")                                                                            \
    X(DOUBLE, 8, "torch.DoubleStorage")                                                                                \
    X(LONG, 8, "torch.LongStorage")                                                                                    \
    X(INT, 4, "torch.IntStorage")
typedef enum storage_type {
#define STORAGE_ENUM(name, size, text) STORAGE_##name,
    STORAGE_MAP(STORAGE_ENUM)
#undef STORAGE_ENUM
        STORAGE_COUNT
} storage_type;

static const struct {
    size_t size;
    const char *class;
} storages[STORAGE_COUNT] = {
#define STORAGE_ROW(name, size, text) {size, text},
    STORAGE_MAP(STORAGE_ROW)
#undef STORAGE_ROW
};

/* A tensor's elements where they lie in the file. */
typedef struct view {
    storage_type type;
    const uint8_t *data; /* of the first element */
    int rank;
    int64_t dims[YK_MAX_RANK], steps[YK_MAX_RANK]; /* steps in elements */
    int64_t count;
} view;

/* Numbers as they lie in the file, on machines of either byte order. Compilers make one load of each. */
static uint16_t load16(const uint8_t *p, bool big_endian)
{
    return (uint16_t)(big_endian ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

static uint32_t load32(const uint8_t *p, bool big_endian)
{
    uint32_t first = load16(p, big_endian), second = load16(p + 2, big_endian);
    return big_endian ? first << 16 | second : second << 16 | first;
}

static uint64_t load64(const uint8_t *p, bool big_endian)
{
    uint64_t first = load32(p, big_endian), second = load32(p + 4, big_endian);
    return big_endian ? first << 32 | second : second << 32 | first;
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* The same as yk_half_to_float() without a branch, since a large network has a hundred million of them: exponents are
 * shifted by a multiplication, which is exact, and the one that means infinity is put in its place. */
static float float_of_half(uint16_t half)
{
    uint32_t magnitude = half & 0x7fffu;
    float f = float_of(magnitude << 13) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return float_of(bits | (magnitude >= 0x7c00u ? 0x7f800000u : 0) | (half & 0x8000u) << 16);
}

static float load(storage_type type, const uint8_t *p, bool big_endian)
{
    uint64_t bits;
    double d;
    switch (type) {
    case STORAGE_HALF:
        return float_of_half(load16(p, big_endian));
    case STORAGE_BFLOAT16:
        return float_of((uint32_t)load16(p, big_endian) << 16);
    case STORAGE_DOUBLE:
        bits = load64(p, big_endian);
        memcpy(&d, &bits, sizeof(d));
        return (float)d;
    case STORAGE_LONG:
        return (float)(int64_t)load64(p, big_endian);
    case STORAGE_INT:
        return (float)(int32_t)load32(p, big_endian);
    default:
        return float_of(load32(p, big_endian));
    }
}

/* A row of elements that lie `step` apart. The loop is there once for each type and, for what nearly all tensors are,
 * without decisions inside. */
static void load_row(storage_type type, const uint8_t *p, int64_t step, bool big_endian, float *out, int64_t count)
{
    switch (type) {
#define STORAGE_CASE(name, size, text)                                                                                 \
    case STORAGE_##name:                                                                                               \
        if (step == 1 && !big_endian) {                                                                                \
            for (int64_t i = 0; i < count; i++)                                                                        \
                out[i] = load(STORAGE_##name, p + i * size, false);                                                    \
        } else {                                                                                                       \
            for (int64_t i = 0; i < count; i++)                                                                        \
                out[i] = load(STORAGE_##name, p + i * step * size, big_endian);                                        \
        }                                                                                                              \
        break;
        STORAGE_MAP(STORAGE_CASE)
#undef STORAGE_CASE
    default:
        break;
    }
}

/* Leaves out dimensions of one element and joins those that lie one behind the other: a plain tensor is one row. */
static void flatten(view *v)
{
    int rank = 0;
    for (int i = 0; i < v->rank; i++) {
        if (v->dims[i] == 1)
            continue;
        if (rank > 0 && v->steps[rank - 1] == v->steps[i] * v->dims[i]) {
            v->dims[rank - 1] *= v->dims[i];
            v->steps[rank - 1] = v->steps[i];
        } else {
            v->dims[rank] = v->dims[i];
            v->steps[rank++] = v->steps[i];
        }
    }
    v->rank = rank;
}

static void load_all(const view *v, bool big_endian, float *out)
{
    int64_t at[YK_MAX_RANK] = {0};
    int last = v->rank - 1;
    int64_t row = v->rank > 0 ? v->dims[last] : 1;
    int64_t offset = 0;
    for (int64_t done = 0; done < v->count; done += row) {
        load_row(v->type, v->data + offset * (int64_t)storages[v->type].size, v->rank > 0 ? v->steps[last] : 1,
                 big_endian, out + done, row);
        for (int d = last - 1; d >= 0; d--) {
            offset += v->steps[d];
            if (++at[d] < v->dims[d])
                break;
            offset -= v->steps[d] * v->dims[d];
            at[d] = 0;
        }
    }
}

/* ---- finding it ---- */

/* What a tensor is made of is wrapped by how it is made; gives the arguments of _rebuild_tensor_v2, or NULL. */
static const value *unwrap(const value *tensor)
{
    if (yk_pickle_is_object(tensor, "torch._utils._rebuild_parameter") ||
        yk_pickle_is_object(tensor, "torch._utils._rebuild_parameter_with_state"))
        tensor = yk_pickle_at(tensor->args, 0);
    if (yk_pickle_is_object(tensor, "torch._tensor._rebuild_from_type_v2") &&
        yk_pickle_is_global(yk_pickle_at(tensor->args, 0), "torch._utils._rebuild_tensor_v2"))
        return yk_pickle_at(tensor->args, 2);
    return yk_pickle_is_object(tensor, "torch._utils._rebuild_tensor_v2") ? tensor->args : NULL;
}

/* The entry of the archive that holds a storage: ("storage", class, key, device, elements). */
static const yk_zip_entry *find_storage(yk_pt *pt, const value *storage, storage_type *type, char label[64])
{
    char name[512];
    const value *id = storage && storage->type == YK_PICKLE_PERSISTENT ? storage->items[0] : NULL;
    const value *class = yk_pickle_at(id, 1), *key = yk_pickle_at(id, 2);
    if (!yk_pickle_is_text(yk_pickle_at(id, 0), "storage") || !class || !key || key->type != YK_PICKLE_TEXT ||
        key->length > 64)
        return NULL;
    snprintf(label, 64, "data/%.*s", (int)key->length, key->text);
    for (*type = 0; *type < STORAGE_COUNT; ++*type) {
        if (yk_pickle_is_global(class, storages[*type].class))
            break;
    }
    int n =
        snprintf(name, sizeof(name), "%.*sdata/%.*s", (int)pt->folder_length, pt->folder, (int)key->length, key->text);
    return n > 0 && (size_t)n < sizeof(name) ? yk_zip_find(&pt->zip, name, (size_t)n) : NULL;
}

static bool check_entry(yk_pt *pt, const yk_zip_entry *entry)
{
    bool *checked = &pt->checked[entry - pt->zip.entries];
    if (!*checked)
        pt->status = yk_zip_check(entry);
    *checked = pt->status == YOLK_OK;
    return *checked;
}

/* Reads sizes and steps and finds that all elements lie inside `bytes`. */
static bool read_layout(const value *args, size_t bytes, view *out, int64_t *offset)
{
    const value *dims = yk_pickle_at(args, 2), *steps = yk_pickle_at(args, 3);
    size_t rank = yk_pickle_length(dims);
    int64_t last;
    if (!dims || !steps || rank > YK_MAX_RANK || yk_pickle_length(steps) != rank ||
        !yk_pickle_int(yk_pickle_at(args, 1), offset) || *offset < 0)
        return false;
    out->rank = (int)rank;
    out->count = 1;
    last = *offset;
    for (size_t i = 0; i < rank; i++) {
        int64_t reach;
        if (!yk_pickle_int(yk_pickle_at(dims, i), &out->dims[i]) || out->dims[i] < 1 ||
            !yk_pickle_int(yk_pickle_at(steps, i), &out->steps[i]) || out->steps[i] < 0 ||
            __builtin_mul_overflow(out->count, out->dims[i], &out->count) ||
            __builtin_mul_overflow(out->dims[i] - 1, out->steps[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
    }
    return (uint64_t)last < bytes / storages[out->type].size;
}

bool yk_pt_read(yk_pt *pt, const value *module, const value *tensor, const char *what, yk_pt_array *out)
{
    char label[64] = "?";
    view v = {.type = STORAGE_COUNT};
    int64_t offset;
    *out = (yk_pt_array){0};
    if (pt->status != YOLK_OK)
        return false;
    const value *args = unwrap(tensor);
    if (!args) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its %s is missing or not a plain tensor", what);
        return false;
    }
    const yk_zip_entry *entry = find_storage(pt, yk_pickle_at(args, 0), &v.type, label);
    if (v.type == STORAGE_COUNT && entry) {
        yk_pt_fail(pt, YOLK_ERROR_UNSUPPORTED, module, "its %s is of a number type that yolk does not know", what);
        return false;
    }
    if (!entry) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "the numbers of its %s (%s) are missing in the archive", what,
                   label);
        return false;
    }
    if (!read_layout(args, entry->size, &v, &offset)) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "the size of its %s does not fit the %zu bytes of %s", what,
                   entry->size, label);
        return false;
    }
    /* Steps of 0 and shared storages let a small file ask for any amount of memory. */
    if ((uint64_t)v.count > pt->elements_left) {
        yk_pt_fail(pt, YOLK_ERROR_LIMIT, module, "the tensors claim more numbers than the file holds");
        return false;
    }
    pt->elements_left -= (uint64_t)v.count;
    if (!check_entry(pt, entry))
        return false;
    v.data = entry->data + offset * (int64_t)storages[v.type].size;
    pt->graph->fp16_source |= v.type == STORAGE_HALF;
    out->rank = v.rank;
    out->count = v.count;
    memcpy(out->dims, v.dims, sizeof(out->dims));
    size_t size;
    if (__builtin_mul_overflow((size_t)v.count, sizeof(float), &size))
        size = SIZE_MAX;
    out->data = yk_alloc(size);
    if (!out->data) {
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        return false;
    }
    flatten(&v);
    load_all(&v, pt->big_endian, out->data);
    return true;
}
