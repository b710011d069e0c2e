/* One setting from and to text and JSON. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/fields.h"

static void *at(const yk_field *f, yolk_config *config)
{
    return (char *)config + f->offset;
}

static bool refuse(const yk_field *f, const char *value, yk_buffer *faults)
{
    yk_field_fault(f, value, faults);
    return false;
}

static bool store_text(const yk_field *f, const char *text, yolk_config *config, yk_buffer *faults)
{
    size_t n = strlen(text);
    if (n >= f->size) {
        yk_buffer_format(faults, "%s: the text takes %zu bytes; it must take at most %zu\n", f->name, n, f->size - 1);
        return false;
    }
    memset(at(f, config), 0, f->size); /* so that equal settings are equal bytes */
    memcpy(at(f, config), text, n);
    return true;
}

/* Values that the field's type cannot hold are refused here, others left to yk_field_check(). */
static bool store_integer(const yk_field *f, int64_t value, yolk_config *config)
{
    if (f->kind == YK_FIELD_INT64) {
        *(int64_t *)at(f, config) = value;
        return true;
    }
    if (value < INT_MIN || value > INT_MAX)
        return false;
    *(int *)at(f, config) = (int)value;
    return true;
}

static bool parse_side(const char *text, size_t length, int *out)
{
    char number[16];
    int64_t value;
    if (length >= sizeof number)
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (!yk_parse_int(number, &value) || value < 0 || value > INT_MAX)
        return false;
    *out = (int)value;
    return true;
}

/* "N" or "HxW". */
static bool parse_imgsz(const char *text, yolk_config *config)
{
    int height = 0, width;
    size_t n = strcspn(text, "xX");
    if (text[n] && (!parse_side(text, n, &height) || height == 0))
        return false;
    const char *last = text[n] ? text + n + 1 : text;
    if (!parse_side(last, strlen(last), &width) || (height != 0 && width == 0))
        return false;
    config->imgsz_height = height;
    config->imgsz_width = width;
    return true;
}

/* "WIDTHxHEIGHT:BATCH:SCALE" of `length` bytes. */
static bool parse_row(const char *text, size_t length, yolk_resolution_setting *row)
{
    char copy[80];
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *height = strpbrk(copy, "xX"), *batch = strchr(copy, ':');
    char *scale = batch ? strchr(batch + 1, ':') : NULL;
    if (!height || !scale || height > batch)
        return false;
    *height++ = *batch++ = *scale++ = '\0';
    return parse_side(copy, strlen(copy), &row->width) && parse_side(height, strlen(height), &row->height) &&
           parse_side(batch, strlen(batch), &row->batch) && yk_parse_double(scale, &row->scale);
}

static bool parse_resolutions(const char *text, yolk_config *config)
{
    yolk_resolution_setting rows[YOLK_CONFIG_RESOLUTIONS];
    int count = 0;
    memset(rows, 0, sizeof rows); /* padding too */
    for (;;) {
        size_t n = strcspn(text, ",");
        if (count == YOLK_CONFIG_RESOLUTIONS || !parse_row(text, n, &rows[count]))
            return false;
        count++;
        if (!text[n])
            break;
        text += n + 1;
    }
    memcpy(config->resolutions, rows, sizeof rows);
    config->resolution_count = count;
    return true;
}

static bool parse_flag(const char *text, int *out)
{
    static const char *const words[][2] = {{"false", "true"}, {"0", "1"}, {"no", "yes"}, {"off", "on"}};
    for (size_t i = 0; i < YK_COUNT(words); i++) {
        for (int value = 0; value < 2; value++) {
            if (yk_equal_ignoring_case(text, words[i][value])) {
                *out = value;
                return true;
            }
        }
    }
    return false;
}

bool yk_field_from_text(const yk_field *f, const char *text, yolk_config *config, yk_buffer *faults)
{
    int64_t integer;
    double real;
    bool good = false;
    if (f->zero_is_auto && yk_equal_ignoring_case(text, "auto"))
        text = "0";
    switch (f->kind) {
    case YK_FIELD_TEXT:
        return store_text(f, text, config, faults);
    case YK_FIELD_INT:
    case YK_FIELD_INT64:
        good = yk_parse_int(text, &integer) && store_integer(f, integer, config);
        break;
    case YK_FIELD_REAL:
        good = yk_parse_double(text, &real);
        if (good)
            *(double *)at(f, config) = real;
        break;
    case YK_FIELD_FLAG:
        good = parse_flag(text, at(f, config));
        break;
    case YK_FIELD_IMGSZ:
        good = parse_imgsz(text, config);
        break;
    case YK_FIELD_RESOLUTIONS:
        good = parse_resolutions(text, config);
        break;
    }
    return good || refuse(f, text, faults);
}

static bool holds_list(const yk_field *f)
{
    return f->offset == offsetof(yolk_config, classes) || f->offset == offsetof(yolk_config, ensemble_weights);
}

/* A list of names and numbers, joined with commas. */
static bool list_from_json(const yk_field *f, const json_t *list, yolk_config *config, yk_buffer *faults)
{
    yk_buffer joined = {0};
    bool good = true;
    for (size_t i = 0; i < json_array_size(list) && good; i++) {
        const json_t *item = json_array_get(list, i);
        if (i > 0)
            yk_buffer_text(&joined, ",");
        if (json_is_string(item))
            yk_buffer_text(&joined, json_string_value(item));
        else if (json_is_integer(item))
            yk_buffer_format(&joined, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
        else if (json_is_real(item) && f->offset == offsetof(yolk_config, ensemble_weights))
            yk_real_text(json_real_value(item), &joined);
        else
            good = refuse(f, "a list of something else", faults);
    }
    if (yk_buffer_status(&joined) != YOLK_OK) {
        faults->failed = true;
        good = false;
    }
    good = good && store_text(f, joined.data ? (const char *)joined.data : "", config, faults);
    yk_buffer_free(&joined);
    return good;
}

static bool imgsz_from_json(const json_t *value, yolk_config *config)
{
    const json_t *height = json_array_get(value, 0), *width = json_array_get(value, 1);
    char text[64];
    if (json_is_integer(value)) {
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        if (json_array_size(value) != 2 || !json_is_integer(height) || !json_is_integer(width))
            return false;
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT "x%" JSON_INTEGER_FORMAT, json_integer_value(height),
                 json_integer_value(width));
    }
    return parse_imgsz(text, config);
}

static bool row_from_json(json_t *value, yolk_resolution_setting *row)
{
    json_int_t width, height, batch;
    if (json_unpack(value, "{s:I,s:I,s:I,s:F!}", "width", &width, "height", &height, "batch", &batch, "scale",
                    &row->scale) != 0)
        return false;
    if (width < 0 || width > INT_MAX || height < 0 || height > INT_MAX || batch < 0 || batch > INT_MAX)
        return false;
    row->width = (int)width;
    row->height = (int)height;
    row->batch = (int)batch;
    return true;
}

static bool resolutions_from_json(const json_t *list, yolk_config *config)
{
    yolk_resolution_setting rows[YOLK_CONFIG_RESOLUTIONS];
    size_t count = json_array_size(list);
    memset(rows, 0, sizeof rows); /* padding too */
    if (!json_is_array(list) || count > YOLK_CONFIG_RESOLUTIONS)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!row_from_json(json_array_get(list, i), &rows[i]))
            return false;
    }
    memcpy(config->resolutions, rows, sizeof rows);
    config->resolution_count = (int)count;
    return true;
}

static int append(const char *text, size_t size, void *buffer)
{
    yk_buffer_add(buffer, text, size);
    return 0;
}

bool yk_field_from_json(const yk_field *f, const json_t *value, yolk_config *config, yk_buffer *faults)
{
    if (json_is_string(value))
        return yk_field_from_text(f, json_string_value(value), config, faults);
    bool good = false;
    switch (f->kind) {
    case YK_FIELD_TEXT:
        if (json_is_array(value) && holds_list(f))
            return list_from_json(f, value, config, faults);
        break;
    case YK_FIELD_INT:
    case YK_FIELD_INT64:
        good = json_is_integer(value) && store_integer(f, json_integer_value(value), config);
        break;
    case YK_FIELD_REAL:
        good = json_is_number(value);
        if (good)
            *(double *)at(f, config) = json_number_value(value);
        break;
    case YK_FIELD_FLAG:
        good =
            json_is_boolean(value) || (json_is_integer(value) && store_integer(f, json_integer_value(value), config));
        if (json_is_boolean(value))
            *(int *)at(f, config) = json_is_true(value);
        break;
    case YK_FIELD_IMGSZ:
        good = imgsz_from_json(value, config);
        break;
    case YK_FIELD_RESOLUTIONS:
        good = resolutions_from_json(value, config);
        break;
    }
    if (good)
        return true;
    yk_buffer shown = {0};
    json_dump_callback(value, append, &shown, JSON_ENCODE_ANY | JSON_COMPACT);
    refuse(f, shown.data ? (const char *)shown.data : "", faults);
    yk_buffer_free(&shown);
    return false;
}

static void format_real(double value, int digits, char text[40])
{
    if (value == floor(value) && fabs(value) < 1e15)
        snprintf(text, 40, "%.0f", value); /* 30000, not 3e+04 */
    else
        snprintf(text, 40, "%.*g", digits, value);
    for (char *c = text; *c; c++) {
        if (*c == ',')
            *c = '.';
    }
}

int yk_real_digits(double value)
{
    char text[40];
    double back;
    for (int digits = 1; digits < 17; digits++) {
        format_real(value, digits, text);
        if (yk_parse_double(text, &back) && back == value)
            return digits;
    }
    return 17;
}

void yk_real_text(double value, yk_buffer *out)
{
    char text[40];
    format_real(value, yk_real_digits(value), text);
    yk_buffer_text(out, text);
}

void yk_field_to_text(const yk_field *f, const yolk_config *config, yk_buffer *out)
{
    const void *value = (const char *)config + f->offset;
    switch (f->kind) {
    case YK_FIELD_TEXT:
        yk_buffer_format(out, "%.*s", (int)f->size, (const char *)value);
        break;
    case YK_FIELD_INT:
    case YK_FIELD_FLAG:
        yk_buffer_format(out, "%d", *(const int *)value);
        break;
    case YK_FIELD_INT64:
        yk_buffer_format(out, "%lld", (long long)*(const int64_t *)value);
        break;
    case YK_FIELD_REAL:
        yk_real_text(*(const double *)value, out);
        break;
    case YK_FIELD_IMGSZ:
        if (config->imgsz_height)
            yk_buffer_format(out, "%dx", config->imgsz_height);
        yk_buffer_format(out, "%d", config->imgsz_width);
        break;
    case YK_FIELD_RESOLUTIONS:
        for (int i = 0; i < YK_MIN(config->resolution_count, YOLK_CONFIG_RESOLUTIONS); i++) {
            const yolk_resolution_setting *r = &config->resolutions[i];
            yk_buffer_format(out, "%s%dx%d:%d:", i ? "," : "", r->width, r->height, r->batch);
            yk_real_text(r->scale, out);
        }
        break;
    }
}

static json_t *resolutions_to_json(const yolk_config *config)
{
    json_t *list = json_array();
    for (int i = 0; i < YK_MIN(config->resolution_count, YOLK_CONFIG_RESOLUTIONS); i++) {
        const yolk_resolution_setting *r = &config->resolutions[i];
        if (json_array_append_new(list, json_pack("{s:i,s:i,s:i,s:f}", "width", r->width, "height", r->height, "batch",
                                                  r->batch, "scale", r->scale)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *yk_field_to_json(const yk_field *f, const yolk_config *config)
{
    const void *value = (const char *)config + f->offset;
    switch (f->kind) {
    case YK_FIELD_TEXT:
        return json_stringn(value, strnlen(value, f->size));
    case YK_FIELD_INT:
        return json_integer(*(const int *)value);
    case YK_FIELD_FLAG:
        return json_boolean(*(const int *)value);
    case YK_FIELD_INT64:
        return json_integer(*(const int64_t *)value);
    case YK_FIELD_REAL:
        return json_real(*(const double *)value);
    case YK_FIELD_IMGSZ:
        if (config->imgsz_height)
            return json_pack("[i,i]", config->imgsz_height, config->imgsz_width);
        return json_integer(config->imgsz_width);
    case YK_FIELD_RESOLUTIONS:
        return resolutions_to_json(config);
    }
    return NULL;
}
