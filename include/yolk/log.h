/** @file log.h
 *  Where the library reports what it does. It never prints by itself.
 */
#ifndef YOLK_LOG_H
#define YOLK_LOG_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Importance of a message. */
typedef enum yolk_log_level {
    YOLK_LOG_ERROR = 0, /**< something asked for was not done */
    YOLK_LOG_WARNING,   /**< done, but not as one might expect */
    YOLK_LOG_INFO,      /**< choices made: backend, shapes, batch size */
    YOLK_LOG_DEBUG      /**< every step, for developers */
} yolk_log_level;

/** Receives one message: a single line without a line end, valid during the call only. May be called from any thread,
 *  never from two at once. It must not call back into yolk. */
typedef void (*yolk_log_callback)(void *user, yolk_log_level level, const char *message);

/** Sets the process-wide log callback. NULL, the default, means silence. Messages above `level` are not formatted at
 * all. Thread-safe; after it returns, the old callback is no longer running. */
YOLK_API void yolk_log_set(yolk_log_callback callback, void *user, yolk_log_level level);

#ifdef __cplusplus
}
#endif
#endif
