/* An ONNX model as it lies in memory: who computes what, in which order. Knows nothing of operators. */
#ifndef YK_IMPORT_ONNX_MODEL_H
#define YK_IMPORT_ONNX_MODEL_H

#include "graph/graph.h"
#include "import/onnx_wire.h"

/* Where a value comes from. */
typedef enum yk_onnx_source { YK_ONNX_NOWHERE, YK_ONNX_INPUT, YK_ONNX_INITIALIZER, YK_ONNX_NODE } yk_onnx_source;

typedef struct yk_onnx_value {
    yk_span name;
    yk_onnx_source source;
    int index;     /* of the node, initializer or input */
    yk_span shape; /* ValueInfoProto of an input or output */
    int uses;      /* inputs of nodes and outputs of the model that read it */
    yk_id id;      /* in the graph, once it is there */
} yk_onnx_value;

typedef struct yk_onnx_node {
    yk_span name, op, domain;
    yk_span body;      /* NodeProto, for its attributes */
    const int *inputs; /* indices of values, -1 where left out */
    int input_count;
    const int *outputs;
    int output_count;
} yk_onnx_node;

typedef struct yk_onnx_model {
    yk_span body; /* ModelProto */
    int64_t opset;
    yk_onnx_node *nodes;
    int node_count;
    yk_span *tensors; /* TensorProto of the initializers */
    int tensor_count;
    int *inputs, *outputs; /* indices of values */
    int input_count, output_count;
    yk_onnx_value *values;
    int value_count;
    int *order; /* nodes that the outputs need, producers first */
    int order_count;

    int *links; /* what yk_onnx_node.inputs and outputs point into */
    int link_count;
    int *table; /* value indices by hash of their names */
    size_t table_size;
} yk_onnx_model;

/* Names are checked, sorted and linked: an input that nothing computes, two nodes with one output and a cycle fail. */
yolk_status yk_onnx_model_parse(yk_span body, yk_onnx_model *m);
void yk_onnx_model_free(yk_onnx_model *m);
/* The last string, bytes or message with this field number in a message; empty when there is none. */
yk_span yk_onnx_field(yk_span message, int number);

/* Element type (0 when unknown) and dims (-1 for an open one) of an input or output; rank -1 when not given. */
typedef struct yk_onnx_type_info {
    int64_t type;
    yk_shape shape;
} yk_onnx_type_info;
yolk_status yk_onnx_value_type(const yk_onnx_value *v, yk_onnx_type_info *out);

/* ---- onnx_text.c ---- */

/* Text from a file as it can stand in a sentence or a name: no control characters, valid UTF-8, not too long. */
typedef struct yk_onnx_text {
    char text[256];
} yk_onnx_text;
yk_onnx_text yk_onnx_text_of(yk_span s);
/* The node's name, or its first output's where it has none. */
yk_onnx_text yk_onnx_node_text(const yk_onnx_model *m, const yk_onnx_node *n);
/* Bytes of the valid UTF-8 sequence at the start of `s`, or 0. */
size_t yk_utf8_length(const uint8_t *s, size_t size);

/* ---- onnx_metadata.c ---- */

/* Value of a metadata key; empty when there is none. */
yk_span yk_onnx_metadata(const yk_onnx_model *m, const char *key);
/* Numbers of a Python list, "[640, 640]", or a single one; returns how many, at most `most`. */
int yk_python_ints(yk_span text, int64_t *out, int most);
/* Strings of a Python dict {0: 'person', ...} or list, by their index; those left out are NULL. `*count` is the largest
 * index + 1. Text that is neither gives none. To be released with yk_python_names_free(). */
yolk_status yk_python_names(yk_span text, char ***names, int *count);
void yk_python_names_free(char **names, int count);
/* The head as yolk wrote it beside its own files; else one of kind unknown that takes RGB in 0..1, centred. */
void yk_onnx_read_head(const yk_onnx_model *m, yk_head *head);

#endif
