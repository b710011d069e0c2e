/* OpenVINO's C library, opened at run time.
 *
 * Only functions that deal in opaque handles, text and pointers are used, none that takes one of OpenVINO's
 * enumerators: those have been renumbered between releases. So one binary runs with any release, and building needs no
 * headers. */
#ifndef YK_OPENVINO_LIBRARY_H
#define YK_OPENVINO_LIBRARY_H

#include "base/base.h"

typedef int ov_status_e; /* 0 is success */
typedef struct ov_core ov_core_t;
typedef struct ov_model ov_model_t;
typedef struct ov_compiled_model ov_compiled_model_t;
typedef struct ov_infer_request ov_infer_request_t;
typedef struct ov_tensor ov_tensor_t;
typedef struct {
    const char *buildNumber;
    const char *description;
} ov_version_t;

/* X(result, name without ov_, parameters) */
#define YK_OV_FUNCTIONS(X)                                                                                             \
    X(ov_status_e, get_openvino_version, (ov_version_t *))                                                             \
    X(void, version_free, (ov_version_t *))                                                                            \
    X(const char *, get_error_info, (ov_status_e))                                                                     \
    X(const char *, get_last_err_msg, (void))                                                                          \
    X(void, free, (const char *))                                                                                      \
    X(ov_status_e, core_create, (ov_core_t **))                                                                        \
    X(void, core_free, (ov_core_t *))                                                                                  \
    X(ov_status_e, core_get_property, (const ov_core_t *, const char *, const char *, char **))                        \
    X(ov_status_e, core_set_property, (const ov_core_t *, const char *, ...))                                          \
    X(ov_status_e, core_read_model_from_memory_buffer,                                                                 \
      (const ov_core_t *, const char *, size_t, const ov_tensor_t *, ov_model_t **))                                   \
    X(ov_status_e, core_compile_model,                                                                                 \
      (const ov_core_t *, const ov_model_t *, const char *, size_t, ov_compiled_model_t **, ...))                      \
    X(ov_status_e, core_import_model, (const ov_core_t *, const char *, size_t, const char *, ov_compiled_model_t **)) \
    X(ov_status_e, compiled_model_export_model, (const ov_compiled_model_t *, const char *))                           \
    X(void, model_free, (ov_model_t *))                                                                                \
    X(ov_status_e, compiled_model_create_infer_request, (const ov_compiled_model_t *, ov_infer_request_t **))          \
    X(void, compiled_model_free, (ov_compiled_model_t *))                                                              \
    X(ov_status_e, infer_request_get_input_tensor_by_index, (const ov_infer_request_t *, size_t, ov_tensor_t **))      \
    X(ov_status_e, infer_request_get_output_tensor_by_index, (const ov_infer_request_t *, size_t, ov_tensor_t **))     \
    X(ov_status_e, infer_request_start_async, (ov_infer_request_t *))                                                  \
    X(ov_status_e, infer_request_wait, (ov_infer_request_t *))                                                         \
    X(void, infer_request_free, (ov_infer_request_t *))                                                                \
    X(ov_status_e, tensor_get_byte_size, (const ov_tensor_t *, size_t *))                                              \
    X(ov_status_e, tensor_data, (const ov_tensor_t *, void **))                                                        \
    X(void, tensor_free, (ov_tensor_t *))

typedef struct yk_ov {
#define YK_OV_POINTER(result, name, parameters) result(*name) parameters;
    YK_OV_FUNCTIONS(YK_OV_POINTER)
#undef YK_OV_POINTER
    void *handle;
    ov_core_t *core;
} yk_ov;

/* Opens the library in `folder`, or, when that is NULL or "", in the first of the usual places that has it, and makes
 * its core. A failure says what was looked for where. */
yolk_status yk_ov_open(const char *folder, yk_ov *out);
void yk_ov_close(yk_ov *ov);

/* The process's own, opened on first use with $YOLK_OPENVINO as the folder and kept until the process ends, because
 * OpenVINO's threads do not survive an unloading. Thread-safe. */
yolk_status yk_ov_get(const yk_ov **out);

/* Fails with OpenVINO's own words after `what`: "cannot compile the network". */
yolk_status yk_ov_fail(const yk_ov *ov, ov_status_e status, const char *what);

/* saved.c */
yolk_status yk_ov_export(const yk_ov *ov, const ov_compiled_model_t *compiled, yk_buffer *out);
/* `properties` are `count` pairs of name and value. */
yolk_status yk_ov_import(const yk_ov *ov, const void *bytes, size_t size, const char *const *properties, size_t count,
                         ov_compiled_model_t **out);

#endif
