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
/* onnx_nodes.c: one node of the graph as one or more of ONNX. */
void yk_onnx_write_node(yk_onnx_writer *w, const yk_node *n);
/* The nodes that turn N x H x W x 3 bytes into what the graph takes. */
void yk_onnx_write_byte_input(yk_onnx_writer *w);
/* onnx_metadata.c */
void yk_onnx_write_metadata(yk_buffer *b, const yk_graph *g, const yk_onnx_options *options);

#endif
