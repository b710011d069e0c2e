/* Defaults, single settings, validation, settings by resolution, the process-wide settings. */
#include <pthread.h>
#include <string.h>

#include "config/fields.h"

/* Copied as bytes, so that equal settings are equal bytes, padding included. */
static const yolk_config default_values = {
    .struct_size = sizeof(yolk_config),
    .profile = "auto",
    .models_dir = "models",
    .model = "yolo26n",
    .device = "auto",
    .backend = "auto",
    .precision = "auto",
    .head = "auto",
    .conf = 0.25,
    .iou = 0.45,
    .max_det = 300,
    .ensemble = "wbf",
    .ensemble_iou = 0.7,
    .ensemble_votes = "consensus",
    .ensemble_merge = "best",
    .warmup = 2,
    .queue = 8,
    .video_scale = 1,
    .log_level = "warning",
    .resolutions = {{1920, 1080, 8, 1.0}, {3840, 2160, 4, 0.75}, {7680, 4320, 2, 0.5}},
    .resolution_count = 3,
};

void yolk_config_defaults(yolk_config *config)
{
    memcpy(config, &default_values, sizeof *config);
}

yolk_status yolk_config_set(yolk_config *config, const char *field, const char *value)
{
    const yk_field *f = yk_field_find(field);
    if (!f)
        return YOLK_ERROR_INVALID_ARGUMENT;
    yk_buffer faults = {0};
    yolk_config changed = *config;
    if (yk_field_from_text(f, value, &changed, &faults))
        yk_field_check(f, &changed, &faults);
    yolk_status status = yk_field_fail("", &faults);
    yk_buffer_free(&faults);
    if (status == YOLK_OK)
        *config = changed;
    return status;
}

yolk_status yolk_config_get(const yolk_config *config, const char *field, char *out, size_t size)
{
    if (size > 0)
        out[0] = '\0';
    const yk_field *f = yk_field_find(field);
    if (!f)
        return YOLK_ERROR_INVALID_ARGUMENT;
    yk_buffer text = {0};
    yk_buffer_text(&text, "");
    yk_field_to_text(f, config, &text);
    yolk_status status = yk_buffer_status(&text);
    if (status == YOLK_OK && size > 0) {
        size_t n = YK_MIN(text.size, size - 1);
        memcpy(out, text.data, n);
        out[n] = '\0';
    }
    if (status == YOLK_OK && text.size >= size)
        status = yk_fail(YOLK_ERROR_LIMIT, "%s: the text takes %zu bytes and the caller has room for %zu", f->name,
                         text.size + 1, size);
    yk_buffer_free(&text);
    return status;
}

yolk_status yolk_config_validate(const yolk_config *config, char **faults)
{
    yk_buffer lines = {0};
    if (faults)
        *faults = NULL;
    if (config->struct_size == sizeof *config) {
        for (size_t i = 0; i < yk_field_count; i++)
            yk_field_check(&yk_fields[i], config, &lines);
    } else {
        yk_buffer_format(&lines, "struct_size: %zu is not allowed; it must be %zu, as yolk_config_defaults() sets it\n",
                         config->struct_size, sizeof *config);
    }
    yolk_status status = yk_field_fail("", &lines);
    if (faults && status == YOLK_ERROR_INVALID_ARGUMENT)
        *faults = (char *)lines.data;
    else
        yk_buffer_free(&lines);
    return status;
}

void yolk_config_text_free(char *text)
{
    yk_free(text);
}

static double pixels_of(int width, int height)
{
    return (double)width * height;
}

yolk_resolution_choice yolk_config_for_resolution(const yolk_config *config, int width, int height)
{
    int count = YK_MIN(config->resolution_count, YOLK_CONFIG_RESOLUTIONS);
    if (count < 1)
        return (yolk_resolution_choice){1, 1.0};
    const yolk_resolution_setting *rows = config->resolutions;
    double pixels = pixels_of(YK_MAX(width, 0), YK_MAX(height, 0));
    int next = 0; /* first row with as many pixels or more */
    while (next < count && pixels_of(rows[next].width, rows[next].height) < pixels)
        next++;
    const yolk_resolution_setting *high = &rows[YK_MIN(next, count - 1)];
    double top = pixels_of(high->width, high->height);
    if (next == 0 || next == count || top == pixels)
        return (yolk_resolution_choice){YK_MAX(high->batch, 1), high->scale};
    const yolk_resolution_setting *low = high - 1;
    double bottom = pixels_of(low->width, low->height);
    /* Products first: the quotient is exact where it is whole. */
    double batch = (low->batch * (top - pixels) + high->batch * (pixels - bottom)) / (top - bottom);
    double scale = (low->scale * (top - pixels) + high->scale * (pixels - bottom)) / (top - bottom);
    return (yolk_resolution_choice){batch >= 1 ? (int)batch : 1, scale};
}

static pthread_mutex_t global_mutex = PTHREAD_MUTEX_INITIALIZER;
static yolk_config global; /* struct_size 0 until first set */

void yolk_config_global_get(yolk_config *config)
{
    pthread_mutex_lock(&global_mutex);
    if (global.struct_size == 0)
        yolk_config_defaults(&global);
    *config = global;
    pthread_mutex_unlock(&global_mutex);
}

yolk_status yolk_config_global_set(const yolk_config *config)
{
    yolk_status status = yolk_config_validate(config, NULL);
    if (status != YOLK_OK)
        return status;
    pthread_mutex_lock(&global_mutex);
    global = *config;
    pthread_mutex_unlock(&global_mutex);
    return YOLK_OK;
}

void yolk_config_global_reset(void)
{
    pthread_mutex_lock(&global_mutex);
    yolk_config_defaults(&global);
    pthread_mutex_unlock(&global_mutex);
}
