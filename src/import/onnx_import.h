/* Shared by the files that turn an ONNX model into a graph. */
#ifndef YK_IMPORT_ONNX_IMPORT_H
#define YK_IMPORT_ONNX_IMPORT_H

#include "import/import.h"
#include "import/onnx_model.h"

/* ONNX's element types that yolk knows or names in a sentence. */
enum { YK_ONNX_FLOAT = 1, YK_ONNX_FLOAT16 = 10 };

typedef struct yk_onnx_file {
    char *name; /* as the model calls it */
    const uint8_t *data;
    size_t size;
} yk_onnx_file;

typedef struct yk_onnx_importer {
    yk_onnx_model m;
    yk_graph *g;
    const char *folder;
    yk_onnx_file *files; /* external data opened so far; the graph owns the maps */
    size_t file_count, file_capacity;
    int64_t sizes[2][3]; /* inputs (N, H, W) to find out with what the model's own arithmetic on shapes gives */
    int size_count;      /* 1 when the input's size is fixed */
    int64_t probe_cost;
} yk_onnx_importer;

/* ---- onnx_tensor.c ---- */

typedef struct yk_onnx_tensor {
    yk_type type;
    yk_shape shape;
    const void *data; /* in the file, or in memory that the graph owns */
} yk_onnx_tensor;
/* `who` names the tensor or the node it belongs to in sentences. */
yolk_status yk_onnx_read_tensor(yk_onnx_importer *im, yk_span body, const char *who, yk_onnx_tensor *out);
bool yk_onnx_element_type(int64_t type, yk_type *out);

/* ---- onnx_attribute.c ---- */

typedef struct yk_onnx_attribute {
    yk_span body; /* AttributeProto; empty when there is none */
    float number;
    int64_t integer;
    yk_span text, tensor;
} yk_onnx_attribute;
bool yk_onnx_attribute_find(const yk_onnx_node *n, const char *name, yk_onnx_attribute *out);
int64_t yk_onnx_attribute_int(const yk_onnx_node *n, const char *name, int64_t otherwise);
float yk_onnx_attribute_float(const yk_onnx_node *n, const char *name, float otherwise);
bool yk_onnx_attribute_is(const yk_onnx_node *n, const char *name, const char *text); /* present and equal */
/* Number of integers (-1 when there is no such attribute, `most` + 1 when there are more). */
int yk_onnx_attribute_ints(const yk_onnx_node *n, const char *name, int64_t *out, int most);
int yk_onnx_attribute_floats(const yk_onnx_node *n, const char *name, float *out, int most);

/* ---- onnx_value.c ---- */

/* Fails with a sentence that names the node. */
yolk_status yk_onnx_fail(const yk_onnx_importer *im, const yk_onnx_node *n, const char *format, ...) YK_PRINTF(3, 4);
bool yk_onnx_has_input(const yk_onnx_node *n, int index);
/* Value of the graph for input `index` of a node; YK_NONE after failing. */
yk_id yk_onnx_input(yk_onnx_importer *im, const yk_onnx_node *n, int index);
/* Integers of input `index`, which the model may compute from shapes as long as they do not depend on the size. */
yolk_status yk_onnx_input_ints(yk_onnx_importer *im, const yk_onnx_node *n, int index, int64_t *out, int most,
                               int *count);
yolk_status yk_onnx_input_floats(yk_onnx_importer *im, const yk_onnx_node *n, int index, float *out, int most,
                                 int *count);
/* Integers from an attribute (until some operator set) or input `index` (since then); count 0 when there is neither. */
yolk_status yk_onnx_ints(yk_onnx_importer *im, const yk_onnx_node *n, const char *attribute, int index, int64_t *out,
                         int most, int *count);
/* What integers input `index` has for each probing size, one list of `most` after the other. */
yolk_status yk_onnx_probe_ints(yk_onnx_importer *im, const yk_onnx_node *n, int index, int64_t *out, int most,
                               int *count);
/* Shapes of a value for both probing sizes. */
yolk_status yk_onnx_probe_shapes(yk_onnx_importer *im, yk_id value, yk_shape out[2]);

/* ---- onnx_nodes.c ---- */

yolk_status yk_onnx_convert_node(yk_onnx_importer *im, const yk_onnx_node *n);
/* Adds a node to the graph that gives the ONNX node's result, or, with `out`, a part of it. */
yolk_status yk_onnx_add(yk_onnx_importer *im, const yk_onnx_node *n, yk_op op, const yk_id *inputs, int count,
                        const yk_attrs *attrs, yk_id *out);
/* Names `id` as output `index` of the node. */
void yk_onnx_result(yk_onnx_importer *im, const yk_onnx_node *n, int index, yk_id id);

typedef yolk_status (*yk_onnx_converter)(yk_onnx_importer *im, const yk_onnx_node *n);
/* onnx_layers.c, onnx_parts.c: how an operator that differs from the graph's is converted; NULL when it has none. */
yk_onnx_converter yk_onnx_layer_converter(yk_span op);
yk_onnx_converter yk_onnx_parts_converter(yk_span op);

#endif
