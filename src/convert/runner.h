/* One network at one input size, run on letterboxed pictures one at a time. */
#ifndef YK_RUNNER_H
#define YK_RUNNER_H

#include "backend/backend.h"
#include "detect/detect.h"

typedef struct yk_runner {
    const yk_backend *backend;
    yk_exec *exec;
    yk_head head;
    int width, height;
    int output_count;
    const float **outputs; /* of the last run */
    yk_shape *shapes;
} yk_runner;

/* Binds and compiles `g`, which is not needed afterwards; `threads` 0: the physical cores. */
yolk_status yk_runner_open(yk_graph *g, int width, int height, const yk_backend *backend, int threads, yk_runner *out);
/* Runs on width x height x 3 bytes; the outputs are valid until the next run. */
yolk_status yk_runner_run(yk_runner *r, const uint8_t *bytes);
/* What the last run found, in pixels of the picture that `fit` fitted. */
yolk_status yk_runner_detect(yk_runner *r, const yk_letterbox *fit, const yk_detect_options *options,
                             yk_detections *out);
void yk_runner_close(yk_runner *r);

#endif
