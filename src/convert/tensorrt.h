/* Engines of TensorRT, built by NVIDIA's Python package in a process of its own. */
#ifndef YK_TENSORRT_H
#define YK_TENSORRT_H

#include "convert/job.h"

/* The wheels that were tried, for the sentence that says how to get them. */
#define YK_TENSORRT_PACKAGES "tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116"

typedef struct yk_tensorrt {
    yk_buffer plan;
    char library[64]; /* name and version of what built it */
    char gpu[16];     /* what for: "sm_86" */
} yk_tensorrt;

/* What of the options does not go with TensorRT. */
yolk_status yk_tensorrt_check(const yolk_convert_options *o);
/* Whether there is something to build with, asked before the work that leads to it. */
yolk_status yk_tensorrt_find(yk_job *job);
yolk_status yk_tensorrt_build(yk_job *job, const yk_buffer *onnx, yk_tensorrt *out);
/* What stands before the plan: a length and that many bytes of JSON, as ultralytics writes and reads them. */
yolk_status yk_tensorrt_header(const yk_job *job, const yk_graph *g, const yk_tensorrt *t, yk_buffer *out);
void yk_tensorrt_free(yk_tensorrt *t);

/* tensorrt.py */
extern const char yk_tensorrt_script[];

#endif
