/* yolk convert: a model file into another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* The source with another ending, to be freed; NULL when memory is short. */
static char *default_destination(const char *source)
{
    size_t stem = strlen(source) - strlen(path_ending(source));
    char *path = NULL;
    return asprintf(&path, "%.*s.onnx", (int)stem, source) < 0 ? NULL : path;
}

static int read_options(const arguments *args, yolk_convert_options *out)
{
    yolk_config sizes; /* reads --imgsz as everywhere else */
    yolk_convert_options_defaults(out);
    yolk_config_defaults(&sizes);
    if (!arguments_setting(args, OPT_IMGSZ, &sizes) || !arguments_setting(args, OPT_HEAD, &sizes))
        return STATUS_USAGE;
    out->input_width = sizes.imgsz_width;
    out->input_height = sizes.imgsz_height ? sizes.imgsz_height : sizes.imgsz_width;
    out->dynamic = args->values[OPT_DYNAMIC] != NULL;
    out->raw_head = args->values[OPT_RAW_HEAD] != NULL;
    out->head = args->values[OPT_HEAD];
    return STATUS_DONE;
}

static void say_what_was_written(const char *path)
{
    struct stat s;
    char size[32];
    if (stat(path, &s) != 0)
        return;
    format_bytes(size, sizeof(size), (unsigned long long)s.st_size);
    say("%s: %s", path, size);
}

int command_convert(const arguments *args)
{
    const char *source = args->inputs[0], *destination = args->values[OPT_OUTPUT];
    char *made = NULL;
    yolk_convert_options options;
    int status = read_options(args, &options);
    if (status != STATUS_DONE)
        return status;
    arguments_logging(args);
    if (!destination)
        destination = made = default_destination(source);
    if (!destination)
        status = fail("not enough memory");
    else if (path_same(source, destination))
        status = fail("%s would replace the model that it is made from; name another file with -o", destination);
    else if (yolk_convert(source, destination, &options, NULL) != YOLK_OK)
        status = fail_last();
    else if (!args->values[OPT_QUIET])
        say_what_was_written(destination);
    free(made);
    return status;
}
