/** @file status.h
 *  Error codes and the sentence that goes with the last failure.
 */
#ifndef YOLK_STATUS_H
#define YOLK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/** Marks a symbol of the public interface; everything else is hidden in the shared library. */
#if defined(_WIN32)
#define YOLK_API
#else
#define YOLK_API __attribute__((visibility("default")))
#endif

/** The one list of status codes: X(NAME, value, sentence). Every function that can fail returns one of these. */
#define YOLK_STATUS_MAP(X)                                                                                             \
    X(OK, 0, "success")                                                                                                \
    X(ERROR_INVALID_ARGUMENT, -1, "an argument or option has a value that is not allowed")                             \
    X(ERROR_OUT_OF_MEMORY, -2, "not enough memory")                                                                    \
    X(ERROR_NOT_FOUND, -3, "the file, model, device or name does not exist")                                           \
    X(ERROR_IO, -4, "reading or writing failed")                                                                       \
    X(ERROR_NO_SPACE, -5, "no space is left on the device that is written to")                                         \
    X(ERROR_DAMAGED, -6, "the file is damaged, cut short or not of the format it claims")                              \
    X(ERROR_UNSUPPORTED, -7, "the file or request is valid but uses something yolk does not")                          \
    X(ERROR_LIMIT, -8, "a limit that protects against hostile or mistaken input was reached")                          \
    X(ERROR_BACKEND, -9, "an inference backend is missing or failed")                                                  \
    X(ERROR_CLOSED, -10, "the reader of an output pipe has gone away")                                                 \
    X(ERROR_CANCELED, -11, "stopped on request")                                                                       \
    X(END, -12, "no more frames")                                                                                      \
    X(ERROR_INACCURATE, -13, "the converted model does not find what its source finds")                                \
    X(ERROR_DEVICE_LOST, -14, "the device stopped answering and is no longer used")

/** Result of a yolk function: YOLK_OK (0) or a negative code of YOLK_STATUS_MAP. */
typedef enum yolk_status {
#define YOLK_STATUS_ENUM(name, value, sentence) YOLK_##name = (value), /**< see YOLK_STATUS_MAP */
    YOLK_STATUS_MAP(YOLK_STATUS_ENUM)
#undef YOLK_STATUS_ENUM
} yolk_status;

/** Name of a status code without the prefix, e.g. "ERROR_DAMAGED"; "UNKNOWN" for a value outside the list.
 *  The string is static. Thread-safe. */
YOLK_API const char *yolk_status_name(yolk_status status);

/** General sentence for a status code. The string is static. Thread-safe. */
YOLK_API const char *yolk_status_sentence(yolk_status status);

/** What went wrong in the last call that failed on this thread: one sentence that names the file, layer or option
 *  at fault and what to do about it. Never NULL; "" when nothing has failed yet. The string belongs to the thread and
 *  is overwritten by the next failure on it. */
YOLK_API const char *yolk_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
