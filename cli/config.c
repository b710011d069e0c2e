/* yolk config: settings shown, checked and saved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *profile_description(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = yolk_config_profile_name(i)); i++)
        if (strcmp(known, name) == 0)
            return yolk_config_profile_description(i);
    return "";
}

static int detect_profile(const arguments *args)
{
    const char *name = yolk_config_detect();
    if (args->values[OPT_JSON])
        return write_json(json_pack("{s:s, s:s}", "profile", name, "description", profile_description(name)), "-");
    printf("%s: %s\n", name, profile_description(name));
    return STATUS_DONE;
}

static int list_profiles(const arguments *args)
{
    const char *name;
    if (args->values[OPT_JSON]) {
        json_t *list = json_array();
        for (size_t i = 0; (name = yolk_config_profile_name(i)); i++)
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "name", name, "description", yolk_config_profile_description(i)));
        return write_json(list, "-");
    }
    table t = {.columns = 2};
    for (size_t i = 0; (name = yolk_config_profile_name(i)); i++) {
        table_add(&t, "%s", name);
        table_add(&t, "%s", yolk_config_profile_description(i));
    }
    return table_print(&t, 0);
}

static int show(const arguments *args)
{
    yolk_config config;
    int status = arguments_settings(args, &config);
    if (status != STATUS_DONE)
        return status;
    if (args->input_count > 1) {
        char value[YOLK_CONFIG_PATH];
        if (yolk_config_get(&config, args->inputs[1], value, sizeof(value)) != YOLK_OK)
            return fail_last();
        puts(value);
        return STATUS_DONE;
    }
    char *text = yolk_config_to_text(&config);
    if (!text)
        return fail_last();
    fputs(text, stdout);
    yolk_config_text_free(text);
    return STATUS_DONE;
}

/* Every fault on a line of its own. */
static int tell_faults(const char *path, char *faults)
{
    char *next = NULL;
    for (char *line = strtok_r(faults, "\n", &next); line; line = strtok_r(NULL, "\n", &next))
        fail("%s: %s", path, line);
    return STATUS_FAILED;
}

static int validate(const arguments *args)
{
    yolk_config config;
    char *faults = NULL;
    const char *path = args->input_count > 1 ? args->inputs[1] : args->values[OPT_CONFIG];
    if (!path)
        return fail_usage(args->command, "config validate needs a file");
    yolk_config_defaults(&config);
    if (yolk_config_load(&config, path) != YOLK_OK)
        return fail_last();
    int status = STATUS_DONE;
    if (yolk_config_validate(&config, &faults) != YOLK_OK)
        status = faults ? tell_faults(path, faults) : fail_last();
    else if (!args->values[OPT_QUIET])
        printf("%s: valid\n", path);
    yolk_config_text_free(faults);
    return status;
}

static int save(const arguments *args)
{
    yolk_config config;
    if (args->input_count < 2)
        return fail_usage(args->command, "config save needs a file to write");
    int status = arguments_settings(args, &config);
    if (status == STATUS_DONE && yolk_config_save(&config, args->inputs[1]) != YOLK_OK)
        status = fail_last();
    return status;
}

int command_config(const arguments *args)
{
    static const struct {
        const char *name;
        size_t words; /* most that may follow */
        int (*run)(const arguments *args);
    } actions[] = {
        {"detect", 0, detect_profile},  {"show", 1, show}, {"validate", 1, validate}, {"save", 1, save},
        {"profiles", 0, list_profiles},
    };
    const char *names[COUNT(actions)], *word = args->inputs[0];
    for (size_t i = 0; i < COUNT(actions); i++) {
        names[i] = actions[i].name;
        if (strcmp(word, names[i]) != 0)
            continue;
        if (args->input_count > 1 + actions[i].words)
            return fail_usage(args->command, "config %s does not know what to do with '%s'", word,
                              args->inputs[1 + actions[i].words]);
        return actions[i].run(args);
    }
    const char *meant = suggest(word, names, COUNT(actions));
    return meant
               ? fail_usage(args->command, "unknown action '%s'; did you mean 'config %s'?", word, meant)
               : fail_usage(args->command, "unknown action '%s'; it is detect, show, validate, save or profiles", word);
}
