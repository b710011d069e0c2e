/* A network on a GPU and the places of its batches, inside the backend. */
#ifndef YK_CUDA_EXEC_H
#define YK_CUDA_EXEC_H

#include <pthread.h>

#include "backend/backend.h"
#include "backend/cuda/detect.h"
#include "backend/cuda/program.h"

/* What finds boxes behind the network, as the graphs' last work. One slot's graph runs after another's, so all of them
 * share it. */
typedef struct yk_cuda_finder {
    bool able; /* else nothing of the following is there, and the processor has to do it */
    yk_head head;
    yk_detect_options options; /* their class_mask is the device's */
    yk_shape shapes[YK_CUDA_OUTPUTS];
    int sources[YK_CUDA_OUTPUTS];    /* the tensor that an output is a copy of and that is read instead; YK_NONE */
    float *outputs[YK_CUDA_OUTPUTS]; /* on the device; those without a source */
    uint8_t *class_mask;
    void *workspace;
} yk_cuda_finder;

/* A batch. What only one way of running needs is made when it is first run so. */
typedef struct yk_cuda_slot {
    uint8_t *input; /* pinned */
    uint8_t *device_input;
    uint8_t *staged, *device_staged; /* planes of pictures; pinned */
    size_t staged_size;
    yk_letterbox_scratch scratch;
    yk_letterbox *fits; /* one a frame of a batch, as are the pictures on the device */
    yolk_image *images;
    float *outputs[YK_CUDA_OUTPUTS]; /* pinned */
    float *device_outputs[YK_CUDA_OUTPUTS];
    void *results; /* pinned; the device writes there */
    cudaGraphExec_t to_outputs, to_boxes;
    cudaStream_t copies;
    cudaEvent_t copied, computed, done;
    int count; /* of the batch that runs */
    bool boxes;
} yk_cuda_slot;

struct yk_exec {
    yk_cuda_program *program;
    int device;
    bool bgr;
    uint8_t *arena;
    cudaStream_t stream;
    pthread_mutex_t lock; /* one start at a time */
    yk_cuda_finder finder;
    yk_cuda_slot *slots;
    int slot_count;
};

/* ---- finder.c ---- */

/* For the network of a bound graph, whose program is there. Where boxes have to be found by the processor it is not
 * able, which is no failure. */
yolk_status yk_cuda_finder_make(yk_exec *e, const yk_graph *g, const yk_detect_options *options);
void yk_cuda_finder_free(yk_cuda_finder *f);
/* Whether a step is not worth running: it copies what is read where it lies. */
bool yk_cuda_finder_skips(const yk_exec *e, int step);
/* Puts it into the stream. data[] as yk_cuda_program_bind() leaves it. */
yolk_status yk_cuda_finder_run(const yk_exec *e, void *const *data, void *results, cudaStream_t stream);

/* ---- graph.c ---- */

/* All steps as one graph, which costs the processor one call. With boxes, they are found in the end, and outputs need
 * not be written. */
yolk_status yk_cuda_capture(const yk_exec *e, const yk_cuda_slot *t, bool boxes, cudaGraphExec_t *out);

/* ---- slot.c ---- */

yolk_status yk_cuda_slot_make(const yk_exec *e, yk_cuda_slot *t);
void yk_cuda_slot_destroy(const yk_exec *e, yk_cuda_slot *t);
yolk_status yk_cuda_slot_start(yk_exec *e, yk_cuda_slot *t, const yk_input *frames);
yolk_status yk_cuda_slot_wait(yk_exec *e, yk_cuda_slot *t);
/* For the backend's table. */
yolk_status yk_cuda_fetch(const yolk_image *from, const yolk_image *to);

#endif
