/* Settings from JSON files and from the environment, and into JSON. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/fields.h"

enum { FILE_LIMIT = 1 << 20 };

static yolk_status parse(const char *text, size_t length, json_t **out)
{
    json_error_t error;
    *out = NULL;
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark, as some editors write it */
        text += 3;
        length -= 3;
    }
    if (length > FILE_LIMIT)
        return yk_fail(YOLK_ERROR_LIMIT, "the settings take %zu bytes, more than the %d allowed", length, FILE_LIMIT);
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return yk_fail(json_error_code(&error) == json_error_out_of_memory ? YOLK_ERROR_OUT_OF_MEMORY
                                                                           : YOLK_ERROR_DAMAGED,
                       "line %d, column %d: this is not JSON: %s", error.line, error.column, error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "settings must be one JSON object, as {\"conf\": 0.3}");
    }
    *out = root;
    return YOLK_OK;
}

/* Ranges are yolk_config_validate()'s; but where names or types are wrong, all that is wrong is reported at once. */
static yolk_status apply(json_t *root, yolk_config *config)
{
    const char *name;
    json_t *value;
    yk_buffer faults = {0};
    yolk_config changed = *config;
    json_object_foreach(root, name, value)
    {
        const yk_field *f = yk_field_find(name);
        if (f)
            yk_field_from_json(f, value, &changed, &faults);
        else
            yk_buffer_format(&faults, "%s\n", yolk_last_error());
    }
    for (size_t i = 0; faults.size > 0 && i < yk_field_count; i++) {
        if (json_object_get(root, yk_fields[i].name))
            yk_field_check(&yk_fields[i], &changed, &faults);
    }
    yolk_status status = yk_field_fail("", &faults);
    yk_buffer_free(&faults);
    if (status == YOLK_OK)
        *config = changed;
    return status;
}

yolk_status yolk_config_load_text(yolk_config *config, const char *text, size_t length)
{
    json_t *root;
    yolk_status status = parse(text, length, &root);
    if (status == YOLK_OK)
        status = apply(root, config);
    json_decref(root);
    return status;
}

static yolk_status load_file(const char *path, json_t **out)
{
    yk_map map;
    yolk_status status = yk_map_open(path, &map);
    if (status != YOLK_OK)
        return status;
    status = parse((const char *)map.data, map.size, out);
    yk_map_close(&map);
    return status == YOLK_OK ? YOLK_OK : yk_fail_prefix(status, "%s: ", path);
}

static yolk_status apply_file(json_t *root, const char *path, yolk_config *config)
{
    yolk_status status = apply(root, config);
    return status == YOLK_OK ? YOLK_OK : yk_fail_prefix(status, "%s: ", path);
}

yolk_status yolk_config_load(yolk_config *config, const char *path)
{
    json_t *root = NULL;
    yolk_status status = load_file(path, &root);
    if (status == YOLK_OK)
        status = apply_file(root, path, config);
    json_decref(root);
    return status;
}

/* Variables that are not settings: of resolving, of set-up and of the tests. */
static bool is_other_variable(const char *name)
{
    static const char *const others[] = {"profile", "config", "openvino", "dummy", "python",
                                         "cpu",     "deps",   "shared",   "build"};
    for (size_t i = 0; i < YK_COUNT(others); i++) {
        if (strcmp(name, others[i]) == 0)
            return true;
    }
    return false;
}

/* "YOLK_MAX_DET=5" to "max_det" and a pointer to "5"; false for any other variable. */
static bool take_apart(const char *variable, char *name, size_t size, const char **value)
{
    const char *equals = strchr(variable, '=');
    if (strncmp(variable, "YOLK_", 5) != 0 || !equals || equals[1] == '\0')
        return false;
    size_t n = (size_t)(equals - variable) - 5;
    if (n >= size)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = variable[5 + i];
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    name[n] = '\0';
    *value = equals + 1;
    return true;
}

yolk_status yolk_config_apply_environment(yolk_config *config)
{
    yk_buffer faults = {0};
    yolk_config changed = *config;
    for (char **variable = environ; variable && *variable; variable++) {
        char name[64];
        const char *value;
        if (!take_apart(*variable, name, sizeof name, &value) || is_other_variable(name))
            continue;
        size_t i = 0;
        while (i < yk_field_count && strcmp(yk_fields[i].name, name) != 0)
            i++;
        if (i < yk_field_count) {
            if (yk_field_from_text(&yk_fields[i], value, &changed, &faults))
                yk_field_check(&yk_fields[i], &changed, &faults);
            continue;
        }
        const char *nearest = yk_field_nearest(name);
        yk_log(YOLK_LOG_WARNING, "the environment variable %.*s has no effect: there is no setting '%s'%s%s%s",
               (int)strcspn(*variable, "="), *variable, name, nearest ? ", did you mean '" : "", nearest ? nearest : "",
               nearest ? "'?" : "");
    }
    yolk_status status = yk_field_fail("environment: ", &faults);
    yk_buffer_free(&faults);
    if (status == YOLK_OK)
        *config = changed;
    return status;
}

yolk_status yolk_config_resolve(yolk_config *config, const char *profile, const char *path)
{
    yolk_config resolved;
    json_t *root = NULL;
    char name[YOLK_CONFIG_TEXT];
    yolk_status status;
    yolk_config_defaults(&resolved);
    if (path && (status = load_file(path, &root)) != YOLK_OK)
        return status;
    const char *variable = getenv("YOLK_PROFILE");
    const char *in_file = json_string_value(json_object_get(root, "profile"));
    if (!profile)
        profile = variable && *variable ? variable : in_file ? in_file : "auto";
    if ((status = yolk_config_apply_profile(&resolved, profile)) != YOLK_OK) {
        if (profile == in_file)
            yk_fail_prefix(status, "%s: ", path);
        goto end;
    }
    memcpy(name, resolved.profile, sizeof name);
    if (root && (status = apply_file(root, path, &resolved)) != YOLK_OK)
        goto end;
    memcpy(resolved.profile, name, sizeof name);
    if ((status = yolk_config_apply_environment(&resolved)) != YOLK_OK)
        goto end;
    status = yolk_config_validate(&resolved, NULL);
    if (status == YOLK_OK)
        *config = resolved;
end:
    json_decref(root);
    return status;
}

static int append(const char *text, size_t size, void *buffer)
{
    yk_buffer_add(buffer, text, size);
    return ((yk_buffer *)buffer)->failed ? -1 : 0;
}

/* Digits that make every fraction read back as it was, and 0.45 look like 0.45. */
static int digits_needed(const yolk_config *config)
{
    int digits = 1;
    for (size_t i = 0; i < yk_field_count; i++) {
        if (yk_fields[i].kind == YK_FIELD_REAL) {
            const void *value = (const char *)config + yk_fields[i].offset;
            digits = YK_MAX(digits, yk_real_digits(*(const double *)value));
        }
    }
    for (int i = 0; i < YK_MIN(config->resolution_count, YOLK_CONFIG_RESOLUTIONS); i++)
        digits = YK_MAX(digits, yk_real_digits(config->resolutions[i].scale));
    return digits;
}

static yolk_status write_text(const yolk_config *config, yk_buffer *out)
{
    json_t *root = json_object();
    yolk_status status = root ? YOLK_OK : yk_fail_memory(0);
    for (size_t i = 0; i < yk_field_count && status == YOLK_OK; i++) {
        /* Infinity, or text that is not UTF-8. */
        if (json_object_set_new(root, yk_fields[i].name, yk_field_to_json(&yk_fields[i], config)) != 0)
            status = yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: the value cannot be written as JSON", yk_fields[i].name);
    }
    if (status == YOLK_OK) {
        size_t flags = JSON_INDENT(4) | JSON_REAL_PRECISION((size_t)digits_needed(config));
        if (json_dump_callback(root, append, out, flags) != 0)
            status = yk_fail_memory(out->size);
        yk_buffer_text(out, "\n");
    }
    json_decref(root);
    return status == YOLK_OK ? yk_buffer_status(out) : status;
}

char *yolk_config_to_text(const yolk_config *config)
{
    yk_buffer text = {0};
    if (write_text(config, &text) == YOLK_OK)
        return (char *)text.data;
    yk_buffer_free(&text);
    return NULL;
}

yolk_status yolk_config_save(const yolk_config *config, const char *path)
{
    yk_buffer text = {0};
    yolk_status status = write_text(config, &text);
    if (status == YOLK_OK)
        status = yk_write_file(path, text.data, text.size);
    yk_buffer_free(&text);
    return status;
}
