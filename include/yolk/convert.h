/** @file convert.h
 *  Turning one model file into another, and proving that the new one still finds what the old one finds.
 */
#ifndef YOLK_CONVERT_H
#define YOLK_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a written model's weights are and what it is computed in. */
typedef enum yolk_precision {
    YOLK_PRECISION_FP32 = 0, /**< float32 */
    YOLK_PRECISION_FP16,     /**< float16 inside, float32 at the input and the outputs */
    YOLK_PRECISION_INT8 /**< 8-bit integers (QuantizeLinear, DequantizeLinear), float32 where those cost accuracy */
} yolk_precision;

/** Lower-case name, e.g. "int8"; NULL outside the list. Static string. */
YOLK_API const char *yolk_precision_name(yolk_precision precision);

/** What kind of file a conversion writes. */
typedef enum yolk_target {
    YOLK_TARGET_AUTO = 0, /**< as the destination's ending says: .onnx or .engine */
    YOLK_TARGET_ONNX,     /**< ONNX, for yolk, OpenVINO, onnxruntime and TensorRT */
    YOLK_TARGET_ENGINE,   /**< yolk's own .engine, compiled for this machine */
    YOLK_TARGET_TENSORRT  /**< an .engine of TensorRT for a GPU that need not be here, as ultralytics reads it; yolk
                             itself does not run it */
} yolk_target;

/** Lower-case name, e.g. "tensorrt"; NULL outside the list. Static string. */
YOLK_API const char *yolk_target_name(yolk_target target);

/** How far a conversion is. */
typedef struct yolk_convert_progress {
    const char *stage;  /**< what is being done, e.g. "calibrating"; static string */
    double fraction;    /**< of the whole conversion, 0..1 */
    double seconds;     /**< since its start */
    double eta;         /**< seconds that it will still take, at most; negative while unknown */
    const char *source; /**< the file that is being converted */
    int index;          /**< of a folder: its place among the models, from 0; else 0 */
    int count;          /**< of a folder: models in it; else 1 */
} yolk_convert_progress;

/** Is told now and then, on the thread that converts. Anything but 0 stops the conversion, which then fails with
 *  YOLK_ERROR_CANCELED and leaves no file. */
typedef int (*yolk_convert_callback)(void *user, const yolk_convert_progress *progress);

/** Options of yolk_convert(). Strings are read during the call only. */
typedef struct yolk_convert_options {
    size_t struct_size; /**< set by yolk_convert_options_defaults() */
    int input_height;   /**< input height of the result; 0: the model's own; default 0 */
    int input_width;    /**< input width of the result; 0: the model's own; default 0 */
    int dynamic;        /**< 1: batch, height and width of the result stay open; default 0 */
    int raw_head;       /**< 1: leave the head's decoding out of the result (one output a level); default 0 */
    const char
        *head; /**< how the source's output is laid out when it cannot be recognised; NULL: recognise; default NULL */

    yolk_precision precision; /**< default YOLK_PRECISION_FP32 */
    const char *calib; /**< int8: folder of pictures, or a video, like those the model will see; needed; default NULL */
    int calib_count;   /**< pictures or frames taken from it, evenly; default 64 */
    int symmetric;     /**< int8: 1: values between layers are int8 around zero, as TensorRT wants them, 0: uint8 with a
                          zero     of their own, which is more accurate; default 0 */
    double search_seconds; /**< int8: time to look for layers that must stay in float; default 600 */

    const char *val;      /**< pictures to check the result on: a folder or a video; NULL: a part of
 `calib` that calibration did not see; default NULL */
    int val_count;        /**< pictures checked, evenly; 0: all; default 0 with labels, 64 without */
    const char *labels;   /**< ground truth for `val`: a folder of YOLO labels (NAME.txt beside NAME.jpg) or a file in
                             COCO's format; the result is then judged by average precision; NULL: by agreement with the
                             source; default NULL */
    int no_validate;      /**< 1: do not check; the file says so; default 0 */
    double min_agreement; /**< share of boxes above 0.25 that both must find, 0..1; 0: 0.99, or 0.97 for int8;
                             default 0 */
    double max_score_difference; /**< mean difference of their confidences; 0: 0.01, or 0.03 for int8; default 0 */
    double max_ap_loss;          /**< average precision that may be lost; 0: 0.003, or 0.01 for int8; default 0 */

    const char *backend; /**< what runs the models meanwhile, and what yolk's own engine is for, as in the settings;
                            NULL: the best there is */
    int threads;         /**< its threads; 0: the physical cores; default 0 */

    yolk_convert_callback progress; /**< NULL: none; default NULL */
    void *user;                     /**< handed to `progress`; default NULL */

    yolk_target target; /**< default YOLK_TARGET_AUTO */
    const char *gpu; /**< tensorrt: compute capability that the engine is built for, e.g. "sm_86"; NULL: this machine's
                        GPU; default NULL */
    int batch_least; /**< tensorrt: smallest batch that the engine takes; default 1 */
    int batch_usual; /**< tensorrt: batch that it is made for; default 8 */
    int batch_most;  /**< tensorrt: largest batch; default 16 */
    const char *device; /**< what runs the models meanwhile, and what yolk's own engine is for, as in the settings;
                           NULL: the processor, and for an engine what detection would run on; default NULL */
} yolk_convert_options;

/** Fills in every default. */
YOLK_API void yolk_convert_options_defaults(yolk_convert_options *options);

/** A layer that was not converted. */
typedef struct yolk_kept_layer {
    const char *name; /**< as in the source */
    const char *why;  /**< one phrase with the figure that decided */
} yolk_kept_layer;

/** How the result was checked. */
typedef enum yolk_check_kind {
    YOLK_CHECK_NONE = 0,  /**< it was not, as asked for */
    YOLK_CHECK_AGREEMENT, /**< against what the source finds */
    YOLK_CHECK_PRECISION  /**< by average precision against ground truth, and agreement */
} yolk_check_kind;

/** What a conversion did. Strings and arrays live as long as the report. */
typedef struct yolk_convert_report {
    yolk_precision precision;    /**< of the result */
    int layers;                  /**< convolutions in all */
    int converted;               /**< of them, those in the result's precision */
    const yolk_kept_layer *kept; /**< the others, the costliest first */
    size_t kept_count;           /**< number of those */
    const char *ranges;          /**< int8: how the ranges were chosen: "percentile", "least squares", between the two
                                    "percentile and least squares", or ""  */
    int calib_pictures;          /**< pictures that ranges were measured on */

    yolk_check_kind check;   /**< how it was checked */
    int passed;              /**< 1 when the check was passed */
    int pictures;            /**< pictures that it was checked on */
    int boxes;               /**< boxes above 0.25 that either found */
    double agreement;        /**< share of them that both found: same class, overlap of 0.5 or more; 0..1 */
    double score_difference; /**< mean difference of confidence over those */
    double source_ap;        /**< the source's AP50-95; 0 without ground truth */
    double ap;               /**< the result's AP50-95; 0 without ground truth */
    const char *text;        /**< the same in one phrase, as it stands in the file and yolk_model_info.check */

    double source_ms; /**< median time of the source's network on those pictures; 0 without a check */
    double ms;        /**< the same of the result's, run in turn with it on this machine */

    uint64_t source_bytes; /**< size of the source file */
    uint64_t bytes;        /**< size of the result */
    double seconds;        /**< that it all took */
} yolk_convert_report;

/** Converts `source` (.pt or .onnx) to `destination` (.onnx or .engine). The result is written under a temporary name,
 * read back, checked (fp16 and int8) and then given its name: it appears whole and right, or not at all. `options`
 * NULL: defaults. `*report` (when `report` is not NULL) is set on success and when the check was not passed, to be
 * ended with yolk_convert_report_destroy(), and is NULL on other failures. Thread-safe.
 *  @return YOLK_ERROR_INACCURATE when the check was not passed, YOLK_ERROR_CANCELED, YOLK_ERROR_NOT_FOUND, ... */
YOLK_API yolk_status yolk_convert(const char *source, const char *destination, const yolk_convert_options *options,
                                  yolk_convert_report **report);

/** Ends a report and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_convert_report_destroy(yolk_convert_report **report);

/** What became of one model of a folder. Strings live as long as the report. */
typedef struct yolk_folder_item {
    const char *name;         /**< file name without its ending */
    const char *source;       /**< the file that it is made from */
    const char *destination;  /**< the file that it becomes */
    yolk_status status;       /**< YOLK_OK when the destination is there and as it should be */
    const char *error;        /**< the sentence when it is not; "" */
    int unchanged;            /**< 1: it was there, and nothing that it depends on has changed since */
    yolk_precision precision; /**< of the destination */
    const char *check;        /**< how it was checked, in one phrase; "" */
    uint64_t bytes;           /**< size of the destination */
    double speed_up;          /**< the source network's time over the result's, during the check; 0: not measured */
    double seconds;           /**< that making it took */
} yolk_folder_item;

/** What became of a folder of models. */
typedef struct yolk_folder_report {
    const yolk_folder_item *items; /**< by name */
    size_t count;                  /**< number of those */
    size_t made;                   /**< that were converted */
    size_t unchanged;              /**< that were there already */
    size_t failed;                 /**< that could not be converted, or were not reached any more */
    const char *output;            /**< the folder of the destinations */
    double seconds;                /**< that it all took */
} yolk_folder_report;

/** Converts every model of a folder: each name once, from its .pt file or else its .onnx file. `output` (NULL: a folder
 *  in `folder` that is named after target and precision, such as "onnx-int8") is made when it does not exist; a file
 *  `.yolk-convert.json` in it remembers what each result was made from, so that another call makes only what has
 *  changed: the source, the options, the pictures, yolk, or the result itself. A model that fails does not stop the
 *  others; a full disk does. Whatever ends the call, no result is there in part. Progress is that of the whole folder.
 *  `options` as for yolk_convert(). `*report` (when `report` is not NULL) is set whenever the folder could be read, to
 *  be ended with yolk_folder_report_destroy(), else NULL. Thread-safe, one call at a time for an output folder.
 *  @return YOLK_OK when every result is there; else the status of the first that is not, and its sentence */
YOLK_API yolk_status yolk_convert_folder(const char *folder, const char *output, const yolk_convert_options *options,
                                         yolk_folder_report **report);

/** Ends a report and sets the pointer to NULL. `&NULL` is allowed. */
YOLK_API void yolk_folder_report_destroy(yolk_folder_report **report);

#ifdef __cplusplus
}
#endif
#endif
