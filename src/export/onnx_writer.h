/* Shared by the files of the ONNX exporter. */
#ifndef YK_EXPORT_ONNX_WRITER_H
#define YK_EXPORT_ONNX_WRITER_H

#include "export/export.h"

/* Field numbers of onnx.proto, version 1. */
enum {
    PB_MODEL_IR_VERSION = 1,
    PB_MODEL_PRODUCER = 2,
    PB_MODEL_PRODUCER_VERSION = 3,
    PB_MODEL_GRAPH = 7,
    PB_MODEL_OPSET = 8,
    PB_MODEL_METADATA = 14,
    PB_OPSET_VERSION = 2,
    PB_ENTRY_KEY = 1,
    PB_ENTRY_VALUE = 2,
    PB_GRAPH_NODE = 1,
    PB_GRAPH_NAME = 2,
    PB_GRAPH_INITIALIZER = 5,
    PB_GRAPH_INPUT = 11,
    PB_GRAPH_OUTPUT = 12,
    PB_NODE_INPUT = 1,
    PB_NODE_OUTPUT = 2,
    PB_NODE_NAME = 3,
    PB_NODE_OP = 4,
    PB_NODE_ATTRIBUTE = 5,
    PB_ATTRIBUTE_NAME = 1,
    PB_ATTRIBUTE_FLOAT = 2,
    PB_ATTRIBUTE_INT = 3,
    PB_ATTRIBUTE_TEXT = 4,
    PB_ATTRIBUTE_TENSOR = 5,
    PB_ATTRIBUTE_INTS = 8,
    PB_ATTRIBUTE_TYPE = 20,
    PB_TENSOR_DIMS = 1,
    PB_TENSOR_TYPE = 2,
    PB_TENSOR_NAME = 8,
    PB_TENSOR_RAW = 9,
    PB_VALUE_NAME = 1,
    PB_VALUE_TYPE = 2,
    PB_TYPE_TENSOR = 1,
    PB_TENSOR_TYPE_ELEMENT = 1,
    PB_TENSOR_TYPE_SHAPE = 2,
    PB_SHAPE_DIM = 1,
    PB_DIM_VALUE = 1,
    PB_DIM_PARAM = 2
};

/* What an attribute holds (AttributeProto.AttributeType). */
enum { PB_IS_FLOAT = 1, PB_IS_INT = 2, PB_IS_TEXT = 3, PB_IS_TENSOR = 4, PB_IS_INTS = 7 };

/* A name in the file: a value's or a node's own, or one derived from it for a node that the graph has as part of
 * another. */
typedef struct yk_onnx_name {
    const char *base, *suffix; /* suffix NULL: the base alone; base NULL: left out */
} yk_onnx_name;

typedef struct yk_onnx_writer {
    const yk_graph *g;
    const yk_onnx_options *options;
    yk_buffer *out;
    yk_type real;       /* float type of the node that is being written */
    bool *used;         /* values that nodes written so far read */
    char separator[24]; /* between base and suffix; no value's name has it inside */
    bool have_dim[4];   /* dimensions of the input that nodes written so far give as a tensor */
} yk_onnx_writer;

int yk_onnx_type(yk_type type);
void yk_onnx_write_tensor(yk_buffer *b, int field, const char *name, yk_type type, const int64_t *dims, int rank,
                          const void *data, size_t size);

/* ---- onnx_pieces.c ---- */

extern const yk_onnx_name yk_onnx_no_name;
yk_onnx_name yk_onnx_value_name(yk_onnx_writer *w, yk_id id);
yk_onnx_name yk_onnx_derived(const char *base, const char *suffix);
void yk_onnx_add_name(yk_onnx_writer *w, int field, yk_onnx_name name);
/* A node: what is put between the two calls are its attributes. */
size_t yk_onnx_begin(yk_onnx_writer *w, const char *op, yk_onnx_name name, const yk_onnx_name *inputs, int input_count,
                     yk_onnx_name output);
void yk_onnx_end(yk_onnx_writer *w, size_t mark);
/* A node of one input or two, without attributes. */
void yk_onnx_simple(yk_onnx_writer *w, const char *op, yk_onnx_name name, yk_onnx_name a, yk_onnx_name b,
                    yk_onnx_name output);
size_t yk_onnx_begin_attribute(yk_onnx_writer *w, const char *name, int type); /* to be ended with yk_pb_end() */
void yk_onnx_put_int(yk_onnx_writer *w, const char *name, int64_t value);
void yk_onnx_put_float(yk_onnx_writer *w, const char *name, float value);
void yk_onnx_put_text(yk_onnx_writer *w, const char *name, const char *value);
void yk_onnx_put_ints(yk_onnx_writer *w, const char *name, const int64_t *values, int count);
/* A constant that the graph keeps in a node's attributes and ONNX in an input; a scalar where `count` is negative. */
yk_onnx_name yk_onnx_constant(yk_onnx_writer *w, const char *base, const char *suffix, yk_type type, int64_t count,
                              const void *data);
yk_onnx_name yk_onnx_constant_ints(yk_onnx_writer *w, const char *base, const char *suffix, const int64_t *values,
                                   int count);
/* In the float type of the node that is being written. */
yk_onnx_name yk_onnx_constant_float(yk_onnx_writer *w, const char *base, const char *suffix, float value);

/* ---- onnx_inputs.c ---- */

void yk_onnx_write_reshape(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y);
void yk_onnx_write_slice(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y);
void yk_onnx_write_pad(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y);
void yk_onnx_write_resize(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y);
void yk_onnx_write_constant_of_shape(yk_onnx_writer *w, const yk_node *n, yk_onnx_name x, yk_onnx_name y);

/* ---- onnx_nodes.c ---- */

/* One node of the graph as one or more of ONNX. */
void yk_onnx_write_node(yk_onnx_writer *w, const yk_node *n);
/* The nodes that turn N x H x W x 3 bytes into what the graph takes. */
void yk_onnx_write_byte_input(yk_onnx_writer *w);

/* onnx_metadata.c */
void yk_onnx_write_metadata(yk_buffer *b, const yk_graph *g, const yk_onnx_options *options);

#endif
