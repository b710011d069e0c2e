/* MOTChallenge's lines: frame,id,x,y,w,h,confidence,-1,-1,-1, frames from 1. */
#include "pipeline/sink.h"

typedef struct mot_sink {
    yolk_sink base;
    yk_output output;
} mot_sink;

static yolk_status write_lines(yolk_sink *sink, const yolk_result *result)
{
    mot_sink *s = (mot_sink *)sink;
    yk_buffer *b = &s->output.text;
    for (size_t i = 0; i < result->count; i++) {
        const yolk_detection *d = &result->detections[i];
        const double box[] = {d->x1, d->y1, (double)d->x2 - d->x1, (double)d->y2 - d->y1};
        yk_put_int(b, result->frame + 1);
        yk_buffer_add(b, ",", 1);
        yk_put_int(b, d->track_id > 0 ? d->track_id : -1);
        for (int k = 0; k < 4; k++) {
            yk_buffer_add(b, ",", 1);
            yk_put_fixed(b, box[k], 2);
        }
        yk_buffer_add(b, ",", 1);
        yk_put_fixed(b, d->confidence, 5);
        yk_buffer_text(b, ",-1,-1,-1\n");
    }
    return yk_output_flush(&s->output, false);
}

static yolk_status end_lines(yolk_sink *sink, bool failed)
{
    mot_sink *s = (mot_sink *)sink;
    yolk_status status = yk_output_close(&s->output, !failed);
    yk_free(s);
    return status;
}

yolk_status yolk_sink_open_mot(const char *path, yolk_sink **out)
{
    static const yk_sink_class class = {write_lines, end_lines};
    *out = NULL;
    mot_sink *s = yk_calloc(1, sizeof(*s));
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
