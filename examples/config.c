/* Settings from every layer, changed, checked, saved and read again:  config FILE.json [FIELD VALUE]... */
#include <stdio.h>

#include <yolk/yolk.h>

int main(int argc, char **argv)
{
    yolk_config config, again;
    char *faults = NULL, value[YOLK_CONFIG_TEXT];

    if (argc < 2 || argc % 2 != 0) {
        fprintf(stderr, "usage: config FILE.json [FIELD VALUE]...\n");
        return 2;
    }
    printf("profile for this machine: %s\n", yolk_config_detect());

    /* Defaults, the profile, no file, and YOLK_* variables. */
    if (yolk_config_resolve(&config, NULL, NULL) != YOLK_OK)
        goto fail;
    for (int i = 2; i + 1 < argc; i += 2)
        if (yolk_config_set(&config, argv[i], argv[i + 1]) != YOLK_OK)
            goto fail;

    /* A program may also write to the fields; validation finds every fault at once. */
    config.queue = 16;
    if (yolk_config_validate(&config, &faults) != YOLK_OK) {
        fprintf(stderr, "%s\n", faults ? faults : yolk_last_error());
        yolk_config_text_free(faults);
        return 1;
    }
    if (yolk_config_save(&config, argv[1]) != YOLK_OK)
        goto fail;

    yolk_config_defaults(&again);
    if (yolk_config_load(&again, argv[1]) != YOLK_OK ||
        yolk_config_get(&again, "conf", value, sizeof(value)) != YOLK_OK)
        goto fail;
    printf("saved to %s; its conf is %s\n", argv[1], value);

    /* What a manager made with NULL uses. */
    if (yolk_config_global_set(&again) != YOLK_OK)
        goto fail;
    yolk_config_global_reset();
    return 0;

fail:
    fprintf(stderr, "config: %s\n", yolk_last_error());
    return 1;
}
