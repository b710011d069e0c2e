/** @file convert.h
 *  Turning one model file into another.
 */
#ifndef YOLK_CONVERT_H
#define YOLK_CONVERT_H

#include <stddef.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of yolk_convert(). */
typedef struct yolk_convert_options {
    size_t struct_size; /**< set by yolk_convert_options_defaults() */
    int input_height;   /**< input height of the result; 0: the model's own; default 0 */
    int input_width;    /**< input width of the result; 0: the model's own; default 0 */
    int dynamic;        /**< 1: batch, height and width of the result stay open; default 0 */
    int raw_head;       /**< 1: leave the head's decoding out of the result (one output a level); default 0 */
    const char
        *head; /**< how the source's output is laid out when it cannot be recognised; NULL: recognise; default NULL */
} yolk_convert_options;

/** Fills in every default. */
YOLK_API void yolk_convert_options_defaults(yolk_convert_options *options);

/** Converts `source` (.pt or .onnx) to `destination` (.onnx, fp32). The file appears whole or not at all.
 *  `options` NULL: defaults. Thread-safe. */
YOLK_API yolk_status yolk_convert(const char *source, const char *destination, const yolk_convert_options *options);

#ifdef __cplusplus
}
#endif
#endif
