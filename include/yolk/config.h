/** @file config.h
 *  Settings: defaults, hardware profiles, files, environment and validation.
 *
 *  The order in which settings win: defaults < profile < file < YOLK_* environment < what the program sets itself
 *  (for the command line tool: its options). yolk_config_resolve() applies the first four.
 */
#ifndef YOLK_CONFIG_H
#define YOLK_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define YOLK_CONFIG_TEXT        256  /**< bytes a text setting may take, the closing NUL included */
#define YOLK_CONFIG_PATH        1024 /**< bytes a path setting may take, the closing NUL included */
#define YOLK_CONFIG_RESOLUTIONS 8    /**< rows of the table of settings by resolution */

/** What suits frames of one resolution; what lies between two rows is interpolated by number of pixels. */
typedef struct yolk_resolution_setting {
    int width;    /**< frame width in pixels */
    int height;   /**< frame height in pixels */
    int batch;    /**< frames a batch, 1 or more */
    double scale; /**< size of annotated pictures and video against the frame's, 0.1..1; counts where
                       yolk_config.video_scale is 0. What is detected does not depend on it: the network always gets
                       frames as they were decoded */
} yolk_resolution_setting;

/** All settings. Plain data: copy it freely. Fill it with yolk_config_defaults() or yolk_config_resolve() first. */
typedef struct yolk_config {
    size_t struct_size;                /**< set by yolk_config_defaults(); tells the library which fields exist */
    char profile[YOLK_CONFIG_TEXT];    /**< profile these settings started from; default "auto" */
    char models_dir[YOLK_CONFIG_PATH]; /**< folder of model files; default "models" */
    char model[YOLK_CONFIG_PATH];      /**< model name or file, or several with commas between; default "yolo26n" */
    char device[YOLK_CONFIG_TEXT];     /**< auto, cpu, cuda, or numbers of devices that share the frames: cuda:0,1 or
                                            cpu:0,1 (so many replicas of the model share the processor); default "auto" */
    char backend[YOLK_CONFIG_TEXT];    /**< auto, native, openvino or reference; default "auto" */
    char precision[YOLK_CONFIG_TEXT];  /**< auto, fp32, fp16 (16-bit floats of the
                                             processor's own kind, where it has them) or int8; default "auto": fp32 */
    char head[YOLK_CONFIG_TEXT]; /**< how an ONNX model's output is laid out, when it is not recognised: auto, v8, v5,
                                      end2end or yolox; default "auto" */
    char classes[YOLK_CONFIG_PATH]; /**< comma-separated names or numbers to keep; default "" (all) */
    int imgsz_height;               /**< network input height; 0: follows imgsz_width and the aspect; default 0 */
    int imgsz_width; /**< network input width, or the long side when imgsz_height is 0; 0: the model's own; default 0 */
    double conf;     /**< confidence threshold 0..1; default 0.25 */
    double iou;      /**< suppression threshold 0..1; default 0.45 */
    int max_det;     /**< detections kept a frame, 1..30000; default 300 */
    int multi_label; /**< 1: a box may carry several classes; default 0 */
    int agnostic;    /**< 1: boxes of different classes suppress each other; default 0 */
    char ensemble[YOLK_CONFIG_TEXT]; /**< how several models' detections become one list: wbf (weighted box fusion) or
                                          vote (what enough of them found); default "wbf" */
    double ensemble_iou; /**< overlap 0..1 above which boxes of several models are one object; default 0.7 */
    char ensemble_weights[YOLK_CONFIG_TEXT]; /**< comma-separated numbers above 0, what each model counts;
                                                  default "" (all the same) */
    char ensemble_votes[YOLK_CONFIG_TEXT];   /**< models that have to find an object, with vote: affirmative (one),
                                                  consensus (more than half), unanimous (all) or a number 1..8;
                                                  default "consensus" */
    char ensemble_merge[YOLK_CONFIG_TEXT];   /**< what becomes of their boxes, with vote: best (the most confident
                                                  stays) or average; default "best" */
    int batch;                               /**< frames a batch; 0: chosen by resolution and memory; default 0 */
    int threads;                             /**< inference threads; 0: the physical cores; default 0 */
    int streams;             /**< inference requests run side by side; 0: chosen by the backend; default 0 */
    int warmup;              /**< runs before the first frame, unless that is all there is; default 2 */
    int queue;               /**< frames that may wait between two stages, 1..1024; default 8 */
    int64_t memory_limit_mb; /**< resident memory not to pass, in MiB; 0: no limit; default 0 */
    double video_scale;      /**< size of annotated video against the input's, 0.1..1; 0: by resolution; default 1 */
    char log_level[YOLK_CONFIG_TEXT]; /**< error, warning, info or debug; default "warning" */
    yolk_resolution_setting resolutions[YOLK_CONFIG_RESOLUTIONS]; /**< rows in use come first, by rising pixels;
                                            default 1920x1080: 8, 1.0; 3840x2160: 4, 0.75; 7680x4320: 2, 0.5 */
    int resolution_count;                                         /**< rows of `resolutions` in use; default 3 */
} yolk_config;

/** Batch size and scale for one frame size; see yolk_config_for_resolution(). */
typedef struct yolk_resolution_choice {
    int batch;    /**< frames a batch, 1 or more */
    double scale; /**< of annotated pictures and video, 0.1..1 */
} yolk_resolution_choice;

/** Fills in every default. `config` must not be NULL. */
YOLK_API void yolk_config_defaults(yolk_config *config);

/** Number of built-in profiles: dev_pi, prod_rtx3090, debug and auto. */
YOLK_API size_t yolk_config_profile_count(void);

/** Name of profile `index`, or NULL past the end. Static string. */
YOLK_API const char *yolk_config_profile_name(size_t index);

/** One sentence about profile `index`, or NULL past the end. Static string. */
YOLK_API const char *yolk_config_profile_description(size_t index);

/** Name of the profile that suits this machine, by its processor, memory and GPU. Static string. Thread-safe. */
YOLK_API const char *yolk_config_detect(void);

/** Applies a profile's settings over `config`; "auto" takes the one of yolk_config_detect().
 *  @return YOLK_ERROR_NOT_FOUND with the nearest name in yolk_last_error() */
YOLK_API yolk_status yolk_config_apply_profile(yolk_config *config, const char *name);

/** Applies the settings of a JSON file over `config`; fields that the file lacks stay. An unknown field is an error
 * that names the nearest known one. On failure `config` is unchanged. */
YOLK_API yolk_status yolk_config_load(yolk_config *config, const char *path);

/** Same as yolk_config_load() from `length` bytes of JSON text. */
YOLK_API yolk_status yolk_config_load_text(yolk_config *config, const char *text, size_t length);

/** Applies YOLK_<FIELD> variables (YOLK_CONF=0.4, YOLK_IMGSZ=384x640, YOLK_DEVICE=cpu, ...) over `config`.
 *  On failure `config` is unchanged. Not safe against a concurrent setenv(). */
YOLK_API yolk_status yolk_config_apply_environment(yolk_config *config);

/** Sets one field from text, as the environment and the command line do: "conf" "0.4", "imgsz" "384x640".
 *  On failure `config` is unchanged and the sentence names field, value and what is allowed. */
YOLK_API yolk_status yolk_config_set(yolk_config *config, const char *field, const char *value);

/** Text of one field as yolk_config_set() would take it. `out` gets at most `size` bytes, always NUL-terminated. */
YOLK_API yolk_status yolk_config_get(const yolk_config *config, const char *field, char *out, size_t size);

/** Defaults, then profile (NULL: YOLK_PROFILE or the file's "profile" or "auto"), then file (NULL: none), then the
 *  environment, then validation. */
YOLK_API yolk_status yolk_config_resolve(yolk_config *config, const char *profile, const char *path);

/** Writes all settings as JSON. The file appears whole or not at all. */
YOLK_API yolk_status yolk_config_save(const yolk_config *config, const char *path);

/** All settings as JSON text, to be released with yolk_config_text_free(); NULL when memory is short. */
YOLK_API char *yolk_config_to_text(const yolk_config *config);

/** Releases text from yolk_config_to_text() or yolk_config_validate(). NULL is allowed. */
YOLK_API void yolk_config_text_free(char *text);

/** Checks every field. With faults, `*faults` (when `faults` is not NULL) is set to one line a fault, each naming
 * field, value and what is allowed, to be released with yolk_config_text_free(); without, it is set to NULL.
 *  @return YOLK_OK or YOLK_ERROR_INVALID_ARGUMENT */
YOLK_API yolk_status yolk_config_validate(const yolk_config *config, char **faults);

/** Settings for frames of width x height: the row of that size, between two rows interpolated by number of pixels
 *  (batch rounded down, at least 1), outside the table its first or last row. */
YOLK_API yolk_resolution_choice yolk_config_for_resolution(const yolk_config *config, int width, int height);

/** Copies the process-wide default settings, which start as yolk_config_defaults(). Thread-safe. */
YOLK_API void yolk_config_global_get(yolk_config *config);

/** Replaces the process-wide default settings after validating them. Thread-safe. */
YOLK_API yolk_status yolk_config_global_set(const yolk_config *config);

/** Puts the process-wide default settings back to yolk_config_defaults(). Thread-safe. */
YOLK_API void yolk_config_global_reset(void);

#ifdef __cplusplus
}
#endif
#endif
