/* The one table of settings, which set, get, JSON, environment and validation all work from. */
#ifndef YK_FIELDS_H
#define YK_FIELDS_H

#include <jansson.h>

#include "base/base.h"
#include "yolk/config.h"

typedef enum yk_field_kind {
    YK_FIELD_TEXT,
    YK_FIELD_INT,
    YK_FIELD_INT64,
    YK_FIELD_REAL,
    YK_FIELD_FLAG,
    YK_FIELD_IMGSZ,      /* imgsz_height and imgsz_width: "640" or "384x640" */
    YK_FIELD_RESOLUTIONS /* resolutions and resolution_count: "1920x1080:8:1,3840x2160:4:0.75" */
} yk_field_kind;

typedef struct yk_field {
    const char *name;
    yk_field_kind kind;
    size_t offset;
    size_t size;        /* TEXT: bytes of the array */
    double least, most; /* numbers */
    bool zero_is_auto;  /* numbers: 0 may be written "auto" */
    const char *const *choices;
    size_t choice_count;               /* TEXT: when not 0, the only values */
    bool (*accepts)(const char *text); /* TEXT: when not NULL, the values that it says yes to */
    const char *allowed;               /* TEXT with accepts(): what is allowed, in words */
} yk_field;

extern const yk_field yk_fields[];
extern const size_t yk_field_count;

/* By name, '-' standing for '_' too; NULL after setting the last error, with the nearest name in it. */
const yk_field *yk_field_find(const char *name);
const char *yk_field_nearest(const char *name); /* or NULL */

/* What is allowed in a field, e.g. "a number from 0 to 1", as the end of "it must be ...". */
void yk_field_allowed(const yk_field *f, yk_buffer *out);

/* Stores a value without looking at its range; on failure adds a line to `faults` and stores nothing. */
bool yk_field_from_text(const yk_field *f, const char *text, yolk_config *config, yk_buffer *faults);
bool yk_field_from_json(const yk_field *f, const json_t *value, yolk_config *config, yk_buffer *faults);
void yk_field_to_text(const yk_field *f, const yolk_config *config, yk_buffer *out);
json_t *yk_field_to_json(const yk_field *f, const yolk_config *config); /* NULL: not UTF-8 text, or no memory */

/* Adds a line to `faults` for each thing that is wrong with the stored value. */
void yk_field_check(const yk_field *f, const yolk_config *config, yk_buffer *faults);

/* Adds "FIELD: VALUE is not allowed; it must be ..." with the nearest choice when there is one. */
void yk_field_fault(const yk_field *f, const char *value, yk_buffer *faults);

/* Turns the lines of `faults` into the last error, as one sentence after "PREFIX", and returns
 * YOLK_ERROR_INVALID_ARGUMENT, or YOLK_OK without lines. `faults` stays the caller's. */
yolk_status yk_field_fail(const char *prefix, const yk_buffer *faults);

/* Shortest text that reads back as the same number, with a point in every locale. */
void yk_real_text(double value, yk_buffer *out);
int yk_real_digits(double value); /* that it takes */

/* Name of the profile for such a machine; `arm` by processor, `board` by device tree. */
const char *yk_profile_choose(bool nvidia, bool arm, const char *board, uint64_t memory);
/* The nearest profile's name, or NULL. */
const char *yk_profile_nearest(const char *name);
bool yk_profile_exists(const char *name);

#endif
