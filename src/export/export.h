/* Model files out. */
#ifndef YK_EXPORT_H
#define YK_EXPORT_H

#include "graph/graph.h"

typedef struct yk_onnx_options {
    bool dynamic;    /* batch, height and width are left open ("batch", "height", "width") instead of the binding's */
    bool fixed_size; /* with `dynamic`: the batch alone is left open */
    bool metadata;   /* write ultralytics' metadata: names, stride, task, imgsz, and yolk's own: family, head */
    bool u8_input;   /* not used by files: the input is N x H x W x 3 bytes and the first nodes convert it */
} yk_onnx_options;

/* Writes a bound graph as an ONNX model (opset 17, IR 8) into `out`. Fused activations become their ONNX nodes. */
yolk_status yk_export_onnx(const yk_graph *g, const yk_onnx_options *options, yk_buffer *out);

/* One more entry of a written model's metadata, to be appended to its bytes. */
void yk_export_onnx_entry(yk_buffer *b, const char *key, const char *value);

#endif
