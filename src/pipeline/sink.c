/* Sinks in general, and the one that calls a function. */
#include "pipeline/sink.h"

yolk_status yolk_sink_write(yolk_sink *sink, const yolk_result *result)
{
    yolk_status status = sink->class->write(sink, result);
    if (status != YOLK_OK)
        sink->failed = true;
    return status;
}

yolk_status yolk_sink_finish(yolk_sink **sink)
{
    yolk_sink *s = *sink;
    *sink = NULL;
    return s ? s->class->finish(s, s->failed) : YOLK_OK;
}

typedef struct callback_sink {
    yolk_sink base;
    yolk_sink_callback callback;
    void *user;
} callback_sink;

static yolk_status call(yolk_sink *sink, const yolk_result *result)
{
    callback_sink *s = (callback_sink *)sink;
    yolk_status status = s->callback(s->user, result);
    /* It may have no sentence to leave, and an older one would be about something else. */
    if (status != YOLK_OK && yk_last_status() != status)
        return yk_fail(status, "%s: the program ended the run at frame %lld: %s", result->source,
                       (long long)result->frame, yolk_status_sentence(status));
    return status;
}

static yolk_status end_calls(yolk_sink *sink, bool failed)
{
    (void)failed;
    yk_free(sink);
    return YOLK_OK;
}

yolk_status yolk_sink_open_callback(yolk_sink_callback callback, void *user, int wants_image, yolk_sink **out)
{
    static const yk_sink_class class = {call, end_calls};
    *out = NULL;
    callback_sink *s = yk_calloc(1, sizeof(*s));
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    s->base = (yolk_sink){.class = &class, .wants_image = wants_image != 0};
    s->callback = callback;
    s->user = user;
    *out = &s->base;
    return YOLK_OK;
}
