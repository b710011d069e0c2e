/* The table of settings, and what may stand in each. */
#include <stdio.h>
#include <string.h>

#include "config/device.h"
#include "config/ensemble.h"
#include "config/fields.h"

static const char *const backends[] = {"auto", "native", "openvino", "reference"};
static const char *const precisions[] = {"auto", "fp32", "fp16", "int8"};
static const char *const heads[] = {"auto", "v8", "v5", "end2end", "yolox"};
static const char *const ensembles[] = {"wbf", "vote"};
static const char *const votes[] = {"affirmative", "consensus", "unanimous"};
static const char *const merges[] = {"best", "average"};
static const char *const log_levels[] = {"error", "warning", "info", "debug"};

static bool accepts_device(const char *text)
{
    yk_devices devices;
    return yk_devices_parse(text, &devices);
}

/* Whether the names exist is known only with the model. */
static bool accepts_classes(const char *text)
{
    if (!*text)
        return true;
    for (;;) {
        size_t n = strcspn(text, ",");
        if (strspn(text, " ") >= n)
            return false;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

static bool accepts_weights(const char *text)
{
    float weights[YK_ENSEMBLE_MODELS];
    return yk_ensemble_weights(text, weights) >= 0;
}

static bool accepts_votes(const char *text)
{
    return yk_ensemble_votes(text, YK_ENSEMBLE_MODELS) > 0;
}

static bool accepts_something(const char *text)
{
    return *text != '\0';
}

#define TEXT(field)                                                                                                    \
    .name = #field, .kind = YK_FIELD_TEXT, .offset = offsetof(yolk_config, field),                                     \
    .size = sizeof(((yolk_config *)0)->field)
#define CHOICE(field, list) TEXT(field), .choices = (list), .choice_count = YK_COUNT(list)
#define NUMBER(type, field, low, high)                                                                                 \
    .name = #field, .kind = YK_FIELD_##type, .offset = offsetof(yolk_config, field), .least = (low), .most = (high)

const yk_field yk_fields[] = {
    {TEXT(profile), .accepts = yk_profile_exists, .allowed = "dev_pi, prod_rtx3090, debug or auto"},
    {TEXT(models_dir), .accepts = accepts_something, .allowed = "the name of a folder"},
    {TEXT(model), .accepts = accepts_something, .allowed = "the name of a model or a file"},
    {TEXT(device), .accepts = accepts_device, .allowed = "auto, cpu, cuda, cuda:N or cuda:N,M (likewise cpu:N,M)"},
    {CHOICE(backend, backends)},
    {CHOICE(precision, precisions)},
    {CHOICE(head, heads)},
    {TEXT(classes), .accepts = accepts_classes, .allowed = "names or numbers with commas between, or nothing"},
    {.name = "imgsz", .kind = YK_FIELD_IMGSZ, .least = 32, .most = 8192, .zero_is_auto = true},
    {NUMBER(REAL, conf, 0, 1)},
    {NUMBER(REAL, iou, 0, 1)},
    {NUMBER(INT, max_det, 1, 30000)},
    {NUMBER(FLAG, multi_label, 0, 1)},
    {NUMBER(FLAG, agnostic, 0, 1)},
    {CHOICE(ensemble, ensembles)},
    {NUMBER(REAL, ensemble_iou, 0, 1)},
    {TEXT(ensemble_weights), .accepts = accepts_weights,
     .allowed = "at most 8 numbers from 0.000001 to 1000000 with commas between, or nothing"},
    {TEXT(ensemble_votes), .accepts = accepts_votes,
     .allowed = "affirmative, consensus, unanimous or a whole number from 1 to 8"},
    {CHOICE(ensemble_merge, merges)},
    {NUMBER(INT, batch, 0, 1024), .zero_is_auto = true},
    {NUMBER(INT, threads, 0, 1024), .zero_is_auto = true},
    {NUMBER(INT, streams, 0, 1024), .zero_is_auto = true},
    {NUMBER(INT, warmup, 0, 1000)},
    {NUMBER(INT, queue, 1, 1024)},
    {NUMBER(INT64, memory_limit_mb, 0, 1 << 30)},
    {NUMBER(REAL, video_scale, 0.1, 1), .zero_is_auto = true},
    {CHOICE(log_level, log_levels)},
    {.name = "resolutions", .kind = YK_FIELD_RESOLUTIONS},
};
const size_t yk_field_count = YK_COUNT(yk_fields);

static bool same_name(const char *a, const char *b)
{
    for (; *a && (*a == *b || (*a == '_' && *b == '-')); a++, b++)
        ;
    return *a == *b;
}

const char *yk_field_nearest(const char *name)
{
    const char *names[YK_COUNT(yk_fields)];
    for (size_t i = 0; i < yk_field_count; i++)
        names[i] = yk_fields[i].name;
    return yk_nearest(name, names, yk_field_count);
}

const yk_field *yk_field_find(const char *name)
{
    for (size_t i = 0; i < yk_field_count; i++) {
        if (same_name(yk_fields[i].name, name))
            return &yk_fields[i];
    }
    const char *nearest = yk_field_nearest(name);
    yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "there is no setting '%s'%s%s%s", name, nearest ? ", did you mean '" : "",
            nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

void yk_field_allowed(const yk_field *f, yk_buffer *out)
{
    switch (f->kind) {
    case YK_FIELD_TEXT:
        for (size_t i = 0; i < f->choice_count; i++)
            yk_buffer_format(out, "%s%s", i == 0 ? "" : i + 1 == f->choice_count ? " or " : ", ", f->choices[i]);
        if (f->allowed)
            yk_buffer_text(out, f->allowed);
        break;
    case YK_FIELD_FLAG:
        yk_buffer_text(out, "true or false");
        break;
    case YK_FIELD_IMGSZ:
        yk_buffer_format(out, "N or HxW with sides from %.0f to %.0f, or auto", f->least, f->most);
        break;
    case YK_FIELD_RESOLUTIONS:
        yk_buffer_format(out,
                         "1 to %d rows WIDTHxHEIGHT:BATCH:SCALE with commas between, by rising number of pixels, each "
                         "with sides from 1 to 65536, a batch from 1 to 1024 and a scale from 0.1 to 1",
                         YOLK_CONFIG_RESOLUTIONS);
        break;
    case YK_FIELD_INT:
    case YK_FIELD_INT64:
    case YK_FIELD_REAL:
        yk_buffer_text(out, f->kind == YK_FIELD_REAL ? "a number from " : "a whole number from ");
        /* Where 0 means auto, the range of the others starts above it. */
        yk_real_text(f->zero_is_auto && f->least <= 0 ? 1 : f->least, out);
        yk_buffer_text(out, " to ");
        yk_real_text(f->most, out);
        if (f->zero_is_auto)
            yk_buffer_text(out, ", or 0 or auto");
        break;
    }
}

/* What people write who come from other programs. */
static const char *device_hint(const char *value)
{
    if (yk_equal_ignoring_case(value, "gpu") || yk_equal_ignoring_case(value, "nvidia"))
        return "cuda";
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && !value[digits])
        return "cuda:N";
    static const char *const devices[] = {"auto", "cpu", "cuda"};
    return yk_nearest(value, devices, YK_COUNT(devices));
}

void yk_field_fault(const yk_field *f, const char *value, yk_buffer *faults)
{
    char shown[80];
    snprintf(shown, sizeof shown, "%s", value);
    for (char *c = shown; *c; c++) {
        if ((unsigned char)*c < 0x20)
            *c = '?'; /* a fault is one line */
    }
    yk_buffer_format(faults, "%s: '%s%s' is not allowed; it must be ", f->name, shown,
                     strlen(value) < sizeof shown ? "" : "...");
    yk_field_allowed(f, faults);
    const char *nearest = NULL;
    if (f->choice_count)
        nearest = yk_nearest(value, f->choices, f->choice_count);
    else if (f->accepts == accepts_device)
        nearest = device_hint(value);
    else if (f->accepts == accepts_votes)
        nearest = yk_nearest(value, votes, YK_COUNT(votes));
    else if (f->accepts == yk_profile_exists)
        nearest = yk_profile_nearest(value);
    if (nearest)
        yk_buffer_format(faults, " (did you mean '%s'?)", nearest);
    yk_buffer_text(faults, "\n");
}

static void check_text(const yk_field *f, const yolk_config *config, yk_buffer *faults)
{
    const char *text = (const char *)config + f->offset;
    if (!memchr(text, '\0', f->size)) {
        yk_buffer_format(faults, "%s: the text does not end; it must take at most %zu bytes\n", f->name, f->size - 1);
        return;
    }
    bool good = f->choice_count == 0;
    for (size_t i = 0; i < f->choice_count && !good; i++)
        good = strcmp(text, f->choices[i]) == 0;
    if (!good || (f->accepts && !f->accepts(text)))
        yk_field_fault(f, text, faults);
}

static bool side_is_allowed(const yk_field *f, int side)
{
    return side >= f->least && side <= f->most;
}

static bool rows_are_allowed(const yolk_config *c)
{
    if (c->resolution_count < 1 || c->resolution_count > YOLK_CONFIG_RESOLUTIONS)
        return false;
    int64_t pixels = 0;
    for (int i = 0; i < c->resolution_count; i++) {
        const yolk_resolution_setting *r = &c->resolutions[i];
        if (r->width < 1 || r->width > 65536 || r->height < 1 || r->height > 65536 || r->batch < 1 || r->batch > 1024)
            return false;
        if (!(r->scale >= 0.1 && r->scale <= 1) || (int64_t)r->width * r->height <= pixels)
            return false;
        pixels = (int64_t)r->width * r->height;
    }
    return true;
}

void yk_field_check(const yk_field *f, const yolk_config *config, yk_buffer *faults)
{
    const char *at = (const char *)config + f->offset;
    bool good = true;
    double number;
    switch (f->kind) {
    case YK_FIELD_TEXT:
        check_text(f, config, faults);
        return;
    case YK_FIELD_IMGSZ:
        if (config->imgsz_height == 0)
            good = config->imgsz_width == 0 || side_is_allowed(f, config->imgsz_width);
        else
            good = side_is_allowed(f, config->imgsz_height) && side_is_allowed(f, config->imgsz_width);
        break;
    case YK_FIELD_RESOLUTIONS:
        good = rows_are_allowed(config);
        break;
    case YK_FIELD_INT:
    case YK_FIELD_FLAG:
    case YK_FIELD_INT64:
    case YK_FIELD_REAL:
        if (f->kind == YK_FIELD_REAL)
            number = *(const double *)(const void *)at;
        else if (f->kind == YK_FIELD_INT64)
            number = (double)*(const int64_t *)(const void *)at;
        else
            number = *(const int *)(const void *)at;
        /* Written so that NaN is refused. */
        good = (number >= f->least && number <= f->most) || (f->zero_is_auto && number == 0);
        break;
    }
    if (!good) {
        yk_buffer value = {0};
        yk_field_to_text(f, config, &value);
        yk_field_fault(f, value.data ? (const char *)value.data : "", faults);
        if (yk_buffer_status(&value) != YOLK_OK)
            faults->failed = true;
        yk_buffer_free(&value);
    }
}

yolk_status yk_field_fail(const char *prefix, const yk_buffer *faults)
{
    if (yk_buffer_status(faults) != YOLK_OK)
        return YOLK_ERROR_OUT_OF_MEMORY;
    if (faults->size == 0)
        return YOLK_OK;
    yk_buffer sentence = {0};
    yk_buffer_text(&sentence, prefix);
    for (size_t i = 0; i + 1 < faults->size; i++) {
        if (faults->data[i] == '\n')
            yk_buffer_text(&sentence, "; ");
        else
            yk_buffer_add(&sentence, &faults->data[i], 1);
    }
    yolk_status status = yk_buffer_status(&sentence);
    if (status == YOLK_OK)
        status = yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s", (const char *)sentence.data);
    yk_buffer_free(&sentence);
    return status;
}
