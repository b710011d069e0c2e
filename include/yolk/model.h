/** @file model.h
 *  The model manager: finds a model, makes it ready for a device, and predicts batches of frames.
 */
#ifndef YOLK_MODEL_H
#define YOLK_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "image.h"
#include "stats.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A model that is ready to predict, and what it takes to find, load and run it. Opaque. */
typedef struct yolk_manager yolk_manager;

/** Facts about a loaded model or a model file. Strings belong to whoever gave the struct out. */
typedef struct yolk_model_info {
    const char *name;      /**< file name without its ending */
    const char *path;      /**< the file */
    const char *format;    /**< "pt", "onnx" or "engine" */
    const char *family;    /**< e.g. "yolo26n", "yolov8", "yolox"; "" when unknown */
    const char *head;      /**< how its output is decoded, e.g. "anchor-free", "anchors", "end-to-end", "yolox" */
    const char *precision; /**< "fp32", "fp16" or "int8" */
    int class_count;       /**< number of classes */
    const char *const *class_names; /**< class_count names */
    int stride;                     /**< largest stride; input sides are multiples of it */
    int input_height;               /**< size it was made for; yolk may run others, see dynamic_size */
    int input_width;                /**< likewise */
    int dynamic_size;               /**< 1 when any multiple of the stride can be run */
    int dynamic_batch;              /**< 1 when any batch size can be run */
    uint64_t parameters;            /**< number of weights */
    uint64_t file_bytes;            /**< size of the file */
    const char *backend; /**< backend it runs on, or an engine is for; "" for other files that are not loaded */
    const char *device;  /**< device it runs on, or an engine is for; "" for other files that are not loaded */
    const char *check;   /**< how its conversion checked it, with the figures, e.g. "AP50-95 0.471, source 0.476"; "" */
    const char *error;   /**< why the file cannot be used, or "" */
} yolk_model_info;

/** A network input size. */
typedef struct yolk_size {
    int width;  /**< pixels */
    int height; /**< pixels */
} yolk_size;

/** Detections of one frame. */
typedef struct yolk_frame_detections {
    const yolk_detection *items; /**< by falling confidence */
    size_t count;                /**< number of items */
} yolk_frame_detections;

/** Detections of one batch. Opaque; owns what it gives out. */
typedef struct yolk_results yolk_results;

/** Makes a manager with a copy of `config` (NULL: the process-wide defaults). No model is loaded yet.
 *  `*out` is set on success, to be ended with yolk_manager_destroy(), and is NULL on failure. Thread-safe. */
YOLK_API yolk_status yolk_manager_create(const yolk_config *config, yolk_manager **out);

/** Loads a model: a file, or a name looked up in the models folder as NAME.engine, NAME.onnx, NAME.pt (then in the
 *  working folder). NULL: the config's model. Up to eight names or files with commas between are loaded together: they
 *  must have the same classes, and what they find in a frame becomes one list as the settings `ensemble...` say. An
 * engine that was made for another device, by another yolk, from another source file, or that is damaged, is passed
 * over for the source beside it, and the log says why. `optimize` 1: what is compiled is kept in NAME.engine beside the
 * source, so that it is there the next time; an engine that does not fit is replaced. 0: no file is written. On success
 * the model replaces the one served so far; on failure that one stays. Do not call it while another thread predicts
 * with detections of the old model still in use. Thread-safe otherwise.
 *  @return YOLK_ERROR_NOT_FOUND, YOLK_ERROR_DAMAGED, YOLK_ERROR_UNSUPPORTED, YOLK_ERROR_LIMIT, YOLK_ERROR_BACKEND, ...
 */
YOLK_API yolk_status yolk_manager_load(yolk_manager *manager, const char *model, int optimize);

/** Facts about the loaded model, the first one where there are several. What `info` points to lives until the next load
 * or destroy. Thread-safe.
 *  @return YOLK_ERROR_NOT_FOUND when none is loaded */
YOLK_API yolk_status yolk_manager_info(const yolk_manager *manager, yolk_model_info *info);

/** Number of models that are loaded together; 0 when none is. Thread-safe. */
YOLK_API size_t yolk_manager_model_count(const yolk_manager *manager);

/** Facts about loaded model `index`, as yolk_manager_info(). @return YOLK_ERROR_NOT_FOUND past the end */
YOLK_API yolk_status yolk_manager_info_at(const yolk_manager *manager, size_t index, yolk_model_info *info);

/** Network input size that frames of width x height will be letterboxed to. `still` is 1 for a still picture, which
 * gets a square unless the config names height and width, 0 for video, which keeps its aspect. */
YOLK_API yolk_status yolk_manager_input_size(const yolk_manager *manager, int width, int height, int still,
                                             yolk_size *out);

/** Compiles and warms up for frames of width x height in batches of `batch`, so that the first real batch is not slower
 *  than the next. Optional. Thread-safe. */
YOLK_API yolk_status yolk_manager_prepare(yolk_manager *manager, yolk_size input, int batch);

/** What batch suits the memory, and why. */
typedef struct yolk_batch_choice {
    int batch;                /**< frames, 1 or more */
    uint64_t bytes_per_frame; /**< memory that each frame of a batch takes, of all models together */
    uint64_t network_bytes;   /**< memory that they take besides, whatever the batch; 0 when not told apart */
    uint64_t available;       /**< memory that this was chosen for, in bytes; 0: unknown */
    int measured;     /**< 1: bytes were measured when the models were warmed up; 0: estimated by their layers */
    char reason[320]; /**< one sentence with the figures */
} yolk_batch_choice;

/** Says which batch would be chosen for frames at this network input size if `available` bytes were free (0: what is
 *  free now on the device that has the least): at most 80 % of them, at most the settings' table for frames of that
 *  size, and what `batch` in the settings says. Thread-safe.
 *  @return YOLK_ERROR_NOT_FOUND when no model is loaded, YOLK_ERROR_INVALID_ARGUMENT, YOLK_ERROR_UNSUPPORTED, ... */
YOLK_API yolk_status yolk_manager_optimal_batch(yolk_manager *manager, yolk_size input, uint64_t available,
                                                yolk_batch_choice *out);

/** Finds objects in `count` frames, of any sizes and formats, in order, in the processor's memory or, for models on
 * GPUs, in that of any of those (yolk_image.memory). Blocks until all are done. `input` (NULL: a square of the config's
 * or the model's size) is the size they are letterboxed to. `*out` is set on success, to be ended with
 * yolk_results_destroy(), and is NULL on failure. Class names in it live until the next load or destroy. Thread-safe.
 */
YOLK_API yolk_status yolk_manager_predict_batch(yolk_manager *manager, const yolk_image *frames, size_t count,
                                                const yolk_size *input, yolk_results **out);

/** Number of frames in `results`. */
YOLK_API size_t yolk_results_count(const yolk_results *results);

/** Detections of frame `index`; none past the end. They live as long as `results`. */
YOLK_API yolk_frame_detections yolk_results_frame(const yolk_results *results, size_t index);

/** Ends results and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_results_destroy(yolk_results **results);

/** Statistics since the last load. Thread-safe. */
YOLK_API yolk_status yolk_manager_stats(const yolk_manager *manager, yolk_stats *out);

/** Ends a manager and sets the pointer to NULL. `&NULL` is allowed. No other call may be using it. */
YOLK_API void yolk_manager_destroy(yolk_manager **manager);

/** Models found in a folder. Opaque. */
typedef struct yolk_model_list yolk_model_list;

/** Looks at every .engine, .onnx and .pt file directly in `dir`, by name. A file that cannot be used is listed with its
 *  `error`. `*out` is to be ended with yolk_model_list_destroy(). */
YOLK_API yolk_status yolk_model_list_create(const char *dir, yolk_model_list **out);

/** Facts about one model file, without making it ready to run. As a list of one. */
YOLK_API yolk_status yolk_model_list_create_file(const char *path, yolk_model_list **out);

/** Number of models in the list. */
YOLK_API size_t yolk_model_list_count(const yolk_model_list *list);

/** Facts about model `index`, living as long as the list; NULL past the end. */
YOLK_API const yolk_model_info *yolk_model_list_get(const yolk_model_list *list, size_t index);

/** Ends a list and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_model_list_destroy(yolk_model_list **list);

/** What a backend needs and whether it can run here. */
typedef struct yolk_backend_info {
    const char *name;        /**< e.g. "openvino" */
    const char *description; /**< one phrase */
    int available;           /**< 1 when it can run here */
    const char *version;     /**< its library's version, or "" */
    const char *device;      /**< what it runs on, e.g. a processor's name, or "" */
    const char *reason;      /**< when not available: what is missing and how to get it; else "" */
} yolk_backend_info;

/** Number of backends this library was built with or knows of. */
YOLK_API size_t yolk_backend_count(void);

/** Fills in facts about backend `index`; strings live until the thread's next call of this function.
 *  Loads the backend's library to ask. @return YOLK_ERROR_NOT_FOUND past the end */
YOLK_API yolk_status yolk_backend_get(size_t index, yolk_backend_info *out);

#ifdef __cplusplus
}
#endif
#endif
