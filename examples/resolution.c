/* Settings by resolution: what the table says, what lies between its rows, and a table of one's own. */
#include <stdio.h>

#include <yolk/yolk.h>

static void print_choices(const yolk_config *config)
{
    static const struct {
        const char *name;
        int width, height;
    } sizes[] = {
        {"720p", 1280, 720}, {"1080p", 1920, 1080}, {"1440p", 2560, 1440},
        {"4K", 3840, 2160},  {"6K", 5760, 3240},    {"8K", 7680, 4320},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        yolk_resolution_choice c = yolk_config_for_resolution(config, sizes[i].width, sizes[i].height);
        printf("  %-6s %4dx%-4d  batch %2d, annotated video at %3.0f %%\n", sizes[i].name, sizes[i].width,
               sizes[i].height, c.batch, c.scale * 100);
    }
}

int main(void)
{
    yolk_config config;
    yolk_config_defaults(&config);
    printf("defaults\n");
    print_choices(&config);

    static const char table[] = "{\"resolutions\": [{\"width\": 1920, \"height\": 1080, \"batch\": 32, \"scale\": 1.0},"
                                "{\"width\": 7680, \"height\": 4320, \"batch\": 4, \"scale\": 0.25}]}";
    if (yolk_config_load_text(&config, table, sizeof(table) - 1) != YOLK_OK) {
        fprintf(stderr, "resolution: %s\n", yolk_last_error());
        return 1;
    }
    printf("a table for a machine with more memory\n");
    print_choices(&config);
    return 0;
}
