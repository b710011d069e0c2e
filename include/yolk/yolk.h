/** @file yolk.h
 *  All of yolk's public interface.
 */
#ifndef YOLK_H
#define YOLK_H

#include "bench.h"
#include "config.h"
#include "convert.h"
#include "image.h"
#include "log.h"
#include "model.h"
#include "pipeline.h"
#include "sink.h"
#include "stats.h"
#include "status.h"
#include "video.h"

#ifdef __cplusplus
extern "C" {
#endif

#define YOLK_VERSION_MAJOR 0       /**< changes when programs must be changed */
#define YOLK_VERSION_MINOR 1       /**< changes when something is added */
#define YOLK_VERSION_PATCH 0       /**< changes when something is mended */
#define YOLK_VERSION       "0.1.0" /**< the three as text */

/** Version of the library that is running, which may differ from the headers': "major.minor.patch". Static string. */
YOLK_API const char *yolk_version(void);

#ifdef __cplusplus
}
#endif
#endif
