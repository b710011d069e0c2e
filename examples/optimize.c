/* Makes a model faster and proves that it is: converts it, checks it on pictures, then runs both in turn.
 *   optimize MODEL PICTURES RESULT.onnx [fp16|int8] [REPORT.html] */
#include <stdio.h>
#include <string.h>

#include <yolk/yolk.h>

static int on_convert(void *user, const yolk_convert_progress *progress)
{
    const char **last = user;
    if (*last != progress->stage)
        fprintf(stderr, "%3.0f %% %s\n", progress->fraction * 100, progress->stage);
    *last = progress->stage;
    return 0; /* anything else would stop it, and no file would be left */
}

static int convert(const char *model, const char *pictures, const char *result, yolk_precision precision)
{
    yolk_convert_options options;
    yolk_convert_report *report = NULL;
    const char *stage = NULL;

    yolk_convert_options_defaults(&options);
    options.precision = precision;
    options.calib = pictures; /* ranges are measured on these, and what is left over is for the check */
    options.progress = on_convert;
    options.user = &stage;
    yolk_status status = yolk_convert(model, result, &options, &report);
    if (report) /* there is one when the check was not passed, too */
        printf("%d of %d layers in %s, %.1f MB instead of %.1f; %s\n", report->converted, report->layers,
               yolk_precision_name(precision), (double)report->bytes / 1e6, (double)report->source_bytes / 1e6,
               report->text);
    yolk_convert_report_destroy(&report);
    return status == YOLK_OK;
}

static int compare(const char *model, const char *result, const char *pictures, const char *html)
{
    yolk_compare_options options;
    yolk_compare_report *report = NULL;

    yolk_compare_options_defaults(&options);
    options.runs = 20;
    options.val = pictures;
    if (yolk_compare(model, result, &options, &report) != YOLK_OK)
        return 0;
    printf("%.2f times as fast (%.2f to %.2f), %.1f %% of %d boxes found by both, confidence differs by %.3f\n",
           report->speedup, report->speedup_low, report->speedup_high, report->agreement * 100, report->boxes,
           report->score_difference);
    int written = !html || yolk_compare_write_html(report, html) == YOLK_OK;
    yolk_compare_report_destroy(&report);
    return written;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: optimize MODEL PICTURES RESULT.onnx [fp16|int8] [REPORT.html]\n");
        return 2;
    }
    yolk_precision precision = argc > 4 && strcmp(argv[4], "int8") == 0 ? YOLK_PRECISION_INT8 : YOLK_PRECISION_FP16;
    if (!convert(argv[1], argv[2], argv[3], precision) ||
        !compare(argv[1], argv[3], argv[2], argc > 5 ? argv[5] : NULL)) {
        fprintf(stderr, "optimize: %s\n", yolk_last_error());
        return 1;
    }
    return 0;
}
