/* TensorProto: weights in the file, in typed fields or in files beside it. */
#include "import/onnx_import.h"

#include <string.h>

enum {
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_INT64S = 7,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2
};

bool yk_onnx_element_type(int64_t type, yk_type *out)
{
    static const struct {
        int64_t onnx;
        yk_type type;
    } types[] = {{1, YK_F32}, {2, YK_U8},   {3, YK_I8},   {6, YK_I32},
                 {7, YK_I64}, {9, YK_BOOL}, {10, YK_F16}, {11, YK_F64}};
    for (size_t i = 0; i < YK_COUNT(types); i++) {
        if (types[i].onnx == type) {
            *out = types[i].type;
            return true;
        }
    }
    return false;
}

/* ---- external data ---- */

/* A plain relative path that stays below the folder. */
static bool path_stays_inside(const char *path)
{
    if (path[0] == '/' || path[0] == 0 || strchr(path, '\\'))
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return false;
    }
    return true;
}

static yolk_status open_file(yk_onnx_importer *im, const char *who, const char *name, const yk_onnx_file **out)
{
    for (size_t i = 0; i < im->file_count; i++) {
        if (strcmp(im->files[i].name, name) == 0) {
            *out = &im->files[i];
            return YOLK_OK;
        }
    }
    yk_map map = {0};
    char *path = yk_path_join(im->folder, name), *copy = yk_strdup(name);
    yolk_status status = path && copy ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = yk_grow(&im->files, &im->file_capacity, im->file_count + 1, sizeof *im->files);
    if (status == YOLK_OK) {
        status = yk_map_open(path, &map);
        if (status != YOLK_OK)
            yk_fail_prefix(status, "the weights of \"%s\" lie in another file, which cannot be read: ", who);
    }
    if (status == YOLK_OK) {
        im->files[im->file_count] = (yk_onnx_file){copy, map.data, map.size};
        status = yk_graph_own_map(im->g, &map);
    }
    yk_free(path);
    if (status != YOLK_OK) {
        yk_free(copy);
        return status;
    }
    *out = &im->files[im->file_count++];
    return YOLK_OK;
}

static bool entry_number(yk_span value, size_t *out)
{
    char text[24];
    int64_t number;
    if (value.size >= sizeof text)
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = 0;
    if (!yk_parse_int(text, &number) || number < 0)
        return false;
    *out = (size_t)number;
    return true;
}

static yolk_status external_data(yk_onnx_importer *im, yk_span body, const char *who, yk_span *out)
{
    yk_span location = {0};
    size_t offset = 0, length = SIZE_MAX;
    bool valid = true;
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number != TENSOR_EXTERNAL || f.wire != YK_PB_BYTES)
            continue;
        yk_span key = yk_onnx_field(f.bytes, ENTRY_KEY), value = yk_onnx_field(f.bytes, ENTRY_VALUE);
        if (yk_span_is(key, "location"))
            location = value;
        else if (yk_span_is(key, "offset"))
            valid = valid && entry_number(value, &offset);
        else if (yk_span_is(key, "length"))
            valid = valid && entry_number(value, &length);
    }
    yk_onnx_text name = yk_onnx_text_of(location);
    if (!valid || !yk_span_is(location, name.text))
        return yk_fail(YOLK_ERROR_DAMAGED, "the weights of \"%s\" lie in another file, but where is not readable", who);
    if (!im->folder)
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "the weights of \"%s\" lie in the file \"%s\", which cannot be found from a model in memory",
                       who, name.text);
    if (!path_stays_inside(name.text))
        return yk_fail(YOLK_ERROR_DAMAGED,
                       "the weights of \"%s\" point to \"%s\"; only files in the model's own folder are read", who,
                       name.text);
    const yk_onnx_file *file;
    yolk_status status = open_file(im, who, name.text, &file);
    if (status != YOLK_OK)
        return status;
    if (length == SIZE_MAX && offset <= file->size)
        length = file->size - offset;
    if (offset > file->size || length > file->size - offset)
        return yk_fail(YOLK_ERROR_DAMAGED, "\"%s\" is cut short: \"%s\" needs %zu bytes at %zu of its %zu", name.text,
                       who, length, offset, file->size);
    *out = (yk_span){file->data + offset, length};
    return YOLK_OK;
}

/* ---- typed fields ---- */

static void store(uint8_t *out, yk_type type, uint64_t bits)
{
    /* The low bytes of a number are its bits in every smaller integer type. */
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    memcpy(out, bytes, yk_type_size(type));
}

/* Field number that holds values of this type, and how they are written. */
static int typed_field(yk_type type, int *wire)
{
    *wire = type == YK_F32 ? YK_PB_FIXED32 : type == YK_F64 ? YK_PB_FIXED64 : YK_PB_VARINT;
    return type == YK_F32   ? TENSOR_FLOATS
           : type == YK_F64 ? TENSOR_DOUBLES
           : type == YK_I64 ? TENSOR_INT64S
                            : TENSOR_INT32S;
}

/* Writes up to `count` values to `out`; returns how many the fields hold. */
static int64_t read_typed(yk_span body, yk_type type, int64_t count, uint8_t *out)
{
    int wire, number = typed_field(type, &wire);
    size_t size = yk_type_size(type);
    int64_t found = 0;
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number != number)
            continue;
        if (f.wire == wire) {
            if (found < count)
                store(out + (size_t)found * size, type, f.value);
            found++;
        } else if (f.wire == YK_PB_BYTES && wire == YK_PB_VARINT) {
            yk_pb_reader packed = yk_pb_reader_of(f.bytes);
            uint64_t value;
            for (; yk_pb_next_varint(&packed, &value); found++) {
                if (found < count)
                    store(out + (size_t)found * size, type, value);
            }
        } else if (f.wire == YK_PB_BYTES) {
            int64_t here = (int64_t)(f.bytes.size / size), fits = YK_MIN(here, count - YK_MIN(found, count));
            if (fits > 0)
                memcpy(out + (size_t)found * size, f.bytes.data, (size_t)fits * size);
            found += here;
        }
    }
    return found;
}

static yolk_status typed_data(yk_onnx_importer *im, yk_span body, const char *who, int64_t count, yk_onnx_tensor *t)
{
    /* Every value takes at least a byte of the file, so this also bounds the allocation. */
    int64_t found = -1;
    uint8_t *data = NULL;
    if ((uint64_t)count <= body.size) {
        data = yk_alloc_aligned((size_t)count * yk_type_size(t->type));
        if (!data)
            return YOLK_ERROR_OUT_OF_MEMORY;
        found = read_typed(body, t->type, count, data);
    }
    if (found != count) {
        char shape[96];
        yk_shape_text(&t->shape, shape);
        yk_free(data);
        return yk_fail(YOLK_ERROR_DAMAGED,
                       "tensor \"%s\" of the ONNX model does not hold as many values as its shape "
                       "%s says",
                       who, shape);
    }
    t->data = data;
    return yk_graph_own(im->g, data);
}

/* ---- the tensor ---- */

static yolk_status add_dim(yk_shape *shape, const char *who, uint64_t dim)
{
    if (shape->rank == YK_MAX_RANK)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "tensor \"%s\" of the ONNX model has more than %d dimensions", who,
                       YK_MAX_RANK);
    shape->dims[shape->rank++] = (int64_t)dim;
    return YOLK_OK;
}

static yolk_status read_dims(yk_span body, const char *who, yk_shape *shape)
{
    yolk_status status = YOLK_OK;
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (status == YOLK_OK && yk_pb_next(&r, &f)) {
        if (f.number != TENSOR_DIMS)
            continue;
        if (f.wire == YK_PB_VARINT) {
            status = add_dim(shape, who, f.value);
        } else if (f.wire == YK_PB_BYTES) {
            yk_pb_reader packed = yk_pb_reader_of(f.bytes);
            uint64_t value;
            while (status == YOLK_OK && yk_pb_next_varint(&packed, &value))
                status = add_dim(shape, who, value);
        }
    }
    if (status != YOLK_OK)
        return status;
    int64_t count = yk_shape_count(shape);
    for (int i = 0; i < shape->rank; i++)
        count = shape->dims[i] < 0 ? -1 : count;
    if (r.damaged || count < 0 || count > INT64_MAX / 8)
        return yk_fail(YOLK_ERROR_DAMAGED, "tensor \"%s\" of the ONNX model has an impossible shape", who);
    return YOLK_OK;
}

yolk_status yk_onnx_read_tensor(yk_onnx_importer *im, yk_span body, const char *who, yk_onnx_tensor *out)
{
    int64_t type = 0;
    bool external = false, raw_given = false;
    yk_span raw = {0};
    *out = (yk_onnx_tensor){.shape.rank = 0};
    yk_pb_reader r = yk_pb_reader_of(body);
    yk_pb_field f;
    while (yk_pb_next(&r, &f)) {
        if (f.number == TENSOR_TYPE && f.wire == YK_PB_VARINT) {
            type = (int64_t)f.value;
        } else if (f.number == TENSOR_RAW && f.wire == YK_PB_BYTES) {
            raw = f.bytes;
            raw_given = true;
        } else if (f.number == TENSOR_LOCATION && f.wire == YK_PB_VARINT) {
            external = f.value == 1;
        } else if (f.number == TENSOR_SEGMENT) {
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "tensor \"%s\" of the ONNX model is split in segments", who);
        }
    }
    yolk_status status = read_dims(body, who, &out->shape);
    if (status != YOLK_OK)
        return status;
    if (!yk_onnx_element_type(type, &out->type))
        return yk_fail(YOLK_ERROR_UNSUPPORTED,
                       "tensor \"%s\" of the ONNX model has element type %lld, which yolk does not read", who,
                       (long long)type);
    int64_t count = yk_shape_count(&out->shape);
    if (external) {
        status = external_data(im, body, who, &raw);
        if (status != YOLK_OK)
            return status;
    } else if (!raw_given) {
        return typed_data(im, body, who, count, out);
    }
    if ((uint64_t)count * yk_type_size(out->type) != raw.size) {
        char shape[96];
        yk_shape_text(&out->shape, shape);
        return yk_fail(YOLK_ERROR_DAMAGED, "tensor \"%s\" of the ONNX model has %zu bytes; its shape %s needs %llu",
                       who, raw.size, shape, (unsigned long long)count * yk_type_size(out->type));
    }
    out->data = raw.data;
    return YOLK_OK;
}
