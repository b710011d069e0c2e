/* Times what comes before and after the network on the GPU: the letterbox of 1080p frames, and detection from the
 * outputs of a YOLO11 head of 80 classes at 640x640 in 16-bit floats, each as a graph of 20 in a row.
 *
 * usage: detect_gpu
 * Prints one JSON object a line: what, batch, the least and the median time of one in microseconds, and the bytes that
 * it has to move at least, as a share of what it took in GB/s. */
#include <stdio.h>
#include <stdlib.h>

#include <cuda_runtime_api.h>

#include "backend/cuda/detect.h"

enum { TIMES = 20, RUNS = 50, SIDE = 640, CLASSES = 80, BINS = 16, MAX_DET = 300, LEVELS = 3, MOST = 32, BUSY = 100 };

typedef struct network {
    yk_head head;
    yk_shape shapes[2 * LEVELS];
    yk_cuda_tensor tensors[2 * LEVELS];
    void *workspace, *results;
} network;

typedef struct frames {
    yolk_image images[MOST];
    yk_letterbox fits[MOST];
    uint8_t *input;
} frames;

static void check(cudaError_t error)
{
    if (error == cudaSuccess)
        return;
    fprintf(stderr, "detect_gpu: %s\n", cudaGetErrorString(error));
    exit(1);
}

static void check_status(yolk_status status)
{
    if (status == YOLK_OK)
        return;
    fprintf(stderr, "detect_gpu: %s\n", yolk_last_error());
    exit(1);
}

static uint32_t noise(uint32_t below)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static void *device_memory(size_t size)
{
    void *p = NULL;
    check(cudaMalloc(&p, size));
    check(cudaMemset(p, 0, size));
    return p;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Everything of `put` for a batch, `TIMES` times in a graph. */
static void measure(const char *what, void (*put)(const void *job, int batch, void *stream), const void *job, int batch,
                    double bytes)
{
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaEvent_t before, after;
    float us[RUNS];
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    check(cudaEventCreate(&before));
    check(cudaEventCreate(&after));
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < TIMES; i++)
        put(job, batch, stream);
    check(cudaStreamEndCapture(stream, &graph));
    check(cudaGraphInstantiate(&exec, graph, 0));
    for (int i = -2; i < RUNS; i++) {
        check(cudaEventRecord(before, stream));
        check(cudaGraphLaunch(exec, stream));
        check(cudaEventRecord(after, stream));
        check(cudaEventSynchronize(after));
        float ms;
        check(cudaEventElapsedTime(&ms, before, after));
        if (i >= 0)
            us[i] = ms * 1000 / TIMES;
    }
    qsort(us, RUNS, sizeof *us, ascending);
    printf("{\"what\": \"%s\", \"batch\": %d, \"median_us\": %.2f, \"least_us\": %.2f, \"megabytes\": %.2f, "
           "\"gb_s\": %.0f}\n",
           what, batch, (double)us[RUNS / 2], (double)us[0], bytes / 1e6, bytes / 1e3 / (double)us[0]);
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    cudaEventDestroy(before);
    cudaEventDestroy(after);
    cudaStreamDestroy(stream);
}

/* Class logits far below any threshold, but for some busy cells; boxes are noise. */
static void make_network(network *n)
{
    n->head = (yk_head){
        .kind = YK_HEAD_ANCHOR_FREE, .classes = CLASSES, .reg_max = BINS, .levels = LEVELS, .strides = {8, 16, 32}};
    for (int l = 0; l < LEVELS; l++) {
        const int64_t side = SIDE / n->head.strides[l], cells = side * side;
        for (int part = 0; part < 2; part++) {
            const int64_t channels = part ? CLASSES : 4 * BINS, count = MOST * cells * channels;
            uint16_t *halves = malloc((size_t)count * sizeof *halves);
            if (!halves)
                exit(1);
            for (int64_t i = 0; i < count; i++)
                halves[i] = yk_float_to_half(part ? -9 : (float)noise(8) - 4);
            for (int64_t i = 0; part && i < (int64_t)MOST * BUSY * cells / 8400; i++)
                halves[noise((uint32_t)count)] = yk_float_to_half((float)noise(3000) / 1000);
            void *there = device_memory((size_t)count * sizeof *halves);
            check(cudaMemcpy(there, halves, (size_t)count * sizeof *halves, cudaMemcpyHostToDevice));
            free(halves);
            n->shapes[2 * l + part] = (yk_shape){4, {MOST, channels, side, side}};
            n->tensors[2 * l + part] = (yk_cuda_tensor){there, true, cells * channels, 1, channels};
        }
    }
    n->workspace = device_memory(yk_cuda_workspace_bytes(MOST));
    n->results = device_memory(yk_cuda_results_bytes(MOST, MAX_DET));
}

static void put_detection(const void *job, int batch, void *stream)
{
    const network *n = job;
    const yk_cuda_outputs outputs = {&n->head, n->tensors, n->shapes, batch, SIDE, SIDE};
    const yk_detect_options options = {.conf = 0.25f, .iou = 0.45f, .max_det = MAX_DET};
    check_status(yk_cuda_detect(&outputs, &options, n->workspace, n->results, stream));
}

static void make_frames(frames *f, yolk_pixel_format format)
{
    const int width = 1920, height = 1080, row = format == YOLK_PIXEL_NV12 ? width : 3 * width;
    for (int i = 0; i < MOST; i++) {
        uint8_t *there = device_memory((size_t)row * (size_t)height * (format == YOLK_PIXEL_NV12 ? 3 : 2) / 2);
        f->images[i] = (yolk_image){.width = width,
                                    .height = height,
                                    .format = format,
                                    .matrix = YOLK_MATRIX_BT709,
                                    .planes = {there, there + (size_t)row * (size_t)height},
                                    .strides = {row, row}};
        f->fits[i] = yk_letterbox_fit(width, height, SIDE, 384, false);
    }
    f->input = device_memory((size_t)MOST * SIDE * 384 * 3);
}

static void put_letterbox(const void *job, int batch, void *stream)
{
    const frames *f = job;
    check_status(yk_cuda_letterbox(f->images, f->fits, batch, false, SIDE, 384, f->input, stream));
}

int main(void)
{
    static network n;
    static frames nv12, rgb;
    static const int batches[] = {1, 4, 16, 32};
    make_network(&n);
    make_frames(&nv12, YOLK_PIXEL_NV12);
    make_frames(&rgb, YOLK_PIXEL_RGB24);
    for (size_t i = 0; i < YK_COUNT(batches); i++) {
        /* At a scale of a third two of three rows are read, and every row of the chroma. */
        const double b = batches[i], written = SIDE * 384 * 3.0;
        measure("letterbox nv12", put_letterbox, &nv12, batches[i], b * (1920 * 720 + 1920 * 540 + written));
        measure("letterbox rgb", put_letterbox, &rgb, batches[i], b * (3 * 1920 * 720 + written));
        measure("detect", put_detection, &n, batches[i], b * 8400 * CLASSES * 2);
    }
    return 0;
}
