/* Settings as JSON text: what loads must validate or list its faults, and survive being written and read. */
#include <stdlib.h>
#include <string.h>

#include "yolk/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yolk_config config, back;
    char *faults = NULL, *text;
    yolk_config_defaults(&config);
    if (yolk_config_load_text(&config, (const char *)data, size) != YOLK_OK)
        return 0;
    yolk_status valid = yolk_config_validate(&config, &faults);
    if ((valid == YOLK_OK) != (faults == NULL))
        abort();
    yolk_config_text_free(faults);
    yolk_config_for_resolution(&config, 1280, 720);
    text = yolk_config_to_text(&config);
    if (!text)
        abort();
    yolk_config_defaults(&back);
    if (yolk_config_load_text(&back, text, strlen(text)) != YOLK_OK)
        abort();
    yolk_config_text_free(text);
    text = NULL;
    if (valid == YOLK_OK && memcmp(&config, &back, sizeof config) != 0)
        abort();
    return 0;
}
