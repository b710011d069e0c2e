/* COCO's results: one array of boxes with the numbers of their images. */
#include "pipeline/sink.h"

#include <ctype.h>
#include <string.h>

typedef struct coco_sink {
    yolk_sink base;
    yk_output output;
    int64_t stills; /* seen so far */
    bool any;
} coco_sink;

/* The last run of digits in a picture's name, as in COCO_val2014_000000000139.jpg; `otherwise` without one. */
static int64_t number_in_name(const char *path, int64_t otherwise)
{
    const char *name = yk_base_name(path);
    size_t end = strlen(name) - strlen(yk_extension(name));
    while (end > 0 && !isdigit((unsigned char)name[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && isdigit((unsigned char)name[start - 1]))
        start--;
    if (start == end)
        return otherwise;
    int64_t number = 0;
    for (; start < end; start++) {
        int64_t tens;
        if (__builtin_mul_overflow(number, 10, &tens) || __builtin_add_overflow(tens, name[start] - '0', &number))
            return otherwise;
    }
    return number;
}

static yolk_status write_boxes(yolk_sink *sink, const yolk_result *result)
{
    coco_sink *s = (coco_sink *)sink;
    yk_buffer *b = &s->output.text;
    int64_t image = result->still ? number_in_name(result->source, s->stills) : result->frame;
    s->stills += result->still != 0;
    for (size_t i = 0; i < result->count; i++) {
        const yolk_detection *d = &result->detections[i];
        const double box[] = {d->x1, d->y1, (double)d->x2 - d->x1, (double)d->y2 - d->y1};
        yk_buffer_text(b, s->any ? ",\n{\"image_id\":" : "[{\"image_id\":");
        yk_put_int(b, image);
        yk_buffer_text(b, ",\"category_id\":");
        yk_put_int(b, d->class_id);
        for (int k = 0; k < 4; k++) {
            yk_buffer_text(b, k == 0 ? ",\"bbox\":[" : ",");
            yk_put_fixed(b, box[k], 3);
        }
        yk_buffer_text(b, "],\"score\":");
        yk_put_fixed(b, d->confidence, 6);
        yk_buffer_text(b, "}");
        s->any = true;
    }
    return yk_output_flush(&s->output, false);
}

static yolk_status end_array(yolk_sink *sink, bool failed)
{
    coco_sink *s = (coco_sink *)sink;
    yk_buffer_text(&s->output.text, s->any ? "]\n" : "[]\n");
    yolk_status status = yk_output_close(&s->output, !failed);
    yk_free(s);
    return status;
}

yolk_status yolk_sink_open_coco(const char *path, yolk_sink **out)
{
    static const yk_sink_class class = {write_boxes, end_array};
    *out = NULL;
    coco_sink *s = yk_calloc(1, sizeof(*s));
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    s->base.class = &class;
    yolk_status status = yk_output_open(path, &s->output);
    if (status != YOLK_OK) {
        yk_free(s);
        return status;
    }
    *out = &s->base;
    return YOLK_OK;
}
