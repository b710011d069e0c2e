/* What runs a graph. A backend is a table of functions; vendor libraries are opened at run time. */
#ifndef YK_BACKEND_H
#define YK_BACKEND_H

#include "config/device.h"
#include "detect/detect.h"
#include "graph/graph.h"

enum { YK_BACKEND_API = 4 };

typedef struct yk_probe {
    bool available;
    bool half;       /* has arithmetic for 16-bit floats: see yk_compile_options.half */
    bool half_first; /* and computes in them where nothing else is asked for */
    int score;       /* among available ones the highest wins for "auto"; what it would be where it is not available */
    char version[64];
    char device[128];     /* e.g. the processor's name */
    char reason[512];     /* when not available: what is missing and how to get it */
    uint64_t free_memory; /* bytes, 0 when unknown */
} yk_probe;

typedef struct yk_compile_options {
    int device;   /* 0 to device_count() - 1 */
    int threads;  /* 0: physical cores */
    int streams;  /* requests run side by side; 0: the backend's choice */
    int slots;    /* requests that may be in flight at once, at least 1; 0: the backend's choice */
    bool latency; /* choose for the time of one request rather than for throughput */
    bool tune;    /* take time to find the fastest way: what is compiled will be kept */
    bool half;    /* compute in 16-bit floats where the device is faster so; results then differ in the third digit */
    /* What found() looks for; NULL: it will not be asked. Not needed afterwards. */
    const yk_detect_options *detect;
} yk_compile_options;

/* What a device does by itself around a network, for start_frames(). */
enum {
    YK_TAKES_PICTURES = 1, /* the letterbox: pictures instead of bytes that are fitted already */
    YK_FINDS_BOXES = 2     /* decoding and suppression: detections instead of outputs */
};

typedef struct yk_input {
    int count; /* the first ones of the batch; what the others are does not matter */
    /* One a frame; both NULL when they are bytes in input(). They have passed yk_letterbox_check(), and pixels have to
     * stay until wait() has returned. Elsewhere than in the processor's memory only where there is fetch(). */
    const yolk_image *images;
    const yk_letterbox *fits;
    bool boxes; /* for found() rather than for output() */
} yk_input;

/* A graph compiled for one shape. */
typedef struct yk_exec yk_exec;

/* compile(), load(), start() and wait() answer YOLK_ERROR_OUT_OF_MEMORY when the device is short of memory, after which
 * smaller batches may still run, and YOLK_ERROR_DEVICE_LOST when nothing will run there any more. */
typedef struct yk_backend {
    int api_version;
    const char *name;
    const char *kind; /* of its devices: the word before the ':' in "cpu:0,1" */
    const char *description;
    bool gains_from_batch; /* takes less time a frame in larger batches */
    bool for_tests;        /* never chosen by itself, and not told of in public */
    int score;             /* the highest that probe() gives: what cannot win is not even loaded */
    void (*probe)(yk_probe *out);
    int (*device_count)(void);
    /* What one of them is, where they differ; NULL: all are what probe() says. */
    void (*device_name)(int device, char *text, size_t size);
    /* Bytes that may still be taken on a device now; 0 when unknown. */
    uint64_t (*free_memory)(int device);
    /* Whether it has kernels for every layer of a bound graph, found out without the device: YOLK_ERROR_UNSUPPORTED
     * with a sentence that names what it has none for. NULL where there is nothing that it could not run. */
    yolk_status (*check)(const yk_graph *g);
    /* Compiles a bound graph. The input is bytes, N x H x W x 3, in the head's channel order; conversion to float and
     * to the head's range is the backend's work. The graph is not needed afterwards. */
    yolk_status (*compile)(const yk_graph *g, const yk_compile_options *options, yk_exec **out);
    void (*destroy)(yk_exec **exec); /* waits for what is in flight; &NULL allowed */
    int (*slot_count)(const yk_exec *exec);
    uint8_t *(*input)(yk_exec *exec, int slot); /* to be filled before start() */
    yolk_status (*start)(yk_exec *exec, int slot);
    yolk_status (*wait)(yk_exec *exec, int slot);
    /* After wait(): float elements of output `index`, of the shape that the graph's output was bound to; valid until
     * the slot's next start(). Different slots may be used from different threads. */
    const float *(*output)(yk_exec *exec, int slot, int index);
    /* The following three belong together; NULL where there are none.
     * What start_frames() can be asked for with this network: YK_TAKES_PICTURES, YK_FINDS_BOXES, both or 0. */
    unsigned (*abilities)(const yk_exec *exec);
    /* start() in another way. It may fill input() itself. */
    yolk_status (*start_frames)(yk_exec *exec, int slot, const yk_input *frames);
    /* Copies a picture in devices' memory to one in the processor's, which yk_image_at() laid out. NULL where devices
     * have none that pictures could be in. */
    yolk_status (*fetch)(const yolk_image *from, const yolk_image *to);
    /* After wait() for boxes: what yk_decode() and yk_suppress() find in frame `index`. Where that was too much for the
     * device `*complete` is false, and output() has what it has after start(). */
    yolk_status (*found)(yk_exec *exec, int slot, int index, bool *complete, yk_detections *out);
    /* A compiled network as bytes and back, so that it need not be compiled again; NULL where there is no such form.
     * load() gets the graph bound as it was for compile() and the same options; the bytes are not needed afterwards. */
    yolk_status (*save)(yk_exec *exec, yk_buffer *out);
    yolk_status (*load)(const void *bytes, size_t size, const yk_graph *g, const yk_compile_options *options,
                        yk_exec **out);
    /* What saved bytes depend on, as one line of text: the library's version, the device's name. NULL with save(). */
    void (*fingerprint)(int device, const yk_compile_options *options, char *text, size_t size);
} yk_backend;

extern const yk_backend yk_backend_native;
extern const yk_backend yk_backend_reference;
extern const yk_backend yk_backend_openvino;
extern const yk_backend yk_backend_dummy;
extern const yk_backend yk_backend_cuda;

/* registry.c */
const yk_backend *const *yk_backends(size_t *count); /* in order of preference */
/* By name, or the best available for "auto" or NULL, that has the devices which `device` asks for: "auto" or NULL,
 * "cpu", "cuda:0,1". A failure names what is missing or the nearest name. */
yolk_status yk_backend_choose(const char *name, const char *device, const yk_backend **out);
/* Whether they leave everything to yolk. */
bool yk_backend_is_open(const char *name, const char *device);
/* For such: another backend in place of `*backend` when that one has no kernel for a layer of the bound graph, as the
 * log then says. */
yolk_status yk_backend_settle(const yk_graph *g, const yk_backend **backend);
/* What the device is: "NVIDIA H100 80GB HBM3, sm_90". */
void yk_backend_device_name(const yk_backend *backend, int device, char *text, size_t size);
/* The numbers of the backend's devices that `device` asks for: the first one where it gives none. */
yolk_status yk_backend_devices(const yk_backend *backend, const char *device, yk_devices *out);

/* fastest.c */
/* The available ones with devices of a kind whose compiled networks can be kept, in order of preference. */
size_t yk_backend_candidates(const char *kind, const yk_backend **out, size_t room);
/* Compiles a bound graph with each of at least one candidate and measures them in turn: the fastest one, or the first
 * one where the difference is noise. Those that fail are passed over; when all do, it fails. */
yolk_status yk_backend_fastest(const yk_backend *const *candidates, size_t count, const yk_graph *g,
                               const yk_compile_options *options, const yk_backend **out);
/* The same among all candidates of the processor, tuned, one frame at a time on so many threads. */
yolk_status yk_backend_measure(const yk_graph *g, int threads, const yk_backend **out);

#endif
