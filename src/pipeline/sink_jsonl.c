/* One JSON object a line, each written whole and at once. */
#include "pipeline/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct jsonl_sink {
    yolk_sink base;
    char *name; /* for sentences */
    int fd;
    bool regular; /* a line that was half written can be taken back */
    bool with_source;
    off_t size; /* of the whole lines */
    yk_buffer line;
} jsonl_sink;

static void put_detection(yk_buffer *b, const yolk_detection *d)
{
    const float box[] = {d->x1, d->y1, d->x2, d->y2};
    for (int i = 0; i < 4; i++) {
        yk_buffer_text(b, i == 0 ? "{\"box\":[" : ",");
        yk_put_fixed(b, box[i], 2);
    }
    yk_buffer_text(b, "],\"confidence\":");
    yk_put_fixed(b, d->confidence, 5);
    yk_buffer_text(b, ",\"class\":");
    yk_put_int(b, d->class_id);
    yk_buffer_text(b, ",\"name\":");
    yk_put_json(b, d->class_name);
    if (d->track_id > 0) {
        yk_buffer_text(b, ",\"track\":");
        yk_put_int(b, d->track_id);
    }
    yk_buffer_text(b, "}");
}

static yolk_status write_line(yolk_sink *sink, const yolk_result *result)
{
    jsonl_sink *s = (jsonl_sink *)sink;
    yk_buffer *b = &s->line;
    b->size = 0;
    yk_buffer_text(b, "{");
    if (s->with_source) {
        yk_buffer_text(b, "\"source\":");
        yk_put_json(b, result->source);
        yk_buffer_text(b, ",");
    }
    yk_buffer_text(b, "\"frame\":");
    yk_put_int(b, result->frame);
    yk_buffer_text(b, ",\"time\":");
    yk_put_seconds(b, result->time);
    yk_buffer_text(b, ",\"detections\":[");
    for (size_t i = 0; i < result->count; i++) {
        if (i > 0)
            yk_buffer_text(b, ",");
        put_detection(b, &result->detections[i]);
    }
    yk_buffer_text(b, "]}\n");
    yolk_status status = yk_buffer_status(b);
    if (status != YOLK_OK)
        return status;
    size_t written;
    status = yk_write_all(s->fd, s->name, b->data, b->size, &written);
    if (status == YOLK_OK)
        s->size += (off_t)written;
    else if (s->regular && written > 0 && ftruncate(s->fd, s->size) < 0)
        yk_log(YOLK_LOG_WARNING, "%s: its last line is cut", s->name);
    return status;
}

static yolk_status end_lines(yolk_sink *sink, bool failed)
{
    jsonl_sink *s = (jsonl_sink *)sink;
    yolk_status status = YOLK_OK;
    /* Some file systems tell of a full disk only now. */
    if (s->fd != STDOUT_FILENO && s->fd >= 0 && close(s->fd) < 0 && !failed)
        status = yk_fail_errno(errno, "%s", s->name);
    yk_buffer_free(&s->line);
    yk_free(s->name);
    yk_free(s);
    return status;
}

yolk_status yolk_sink_open_jsonl(const char *path, int with_source, yolk_sink **out)
{
    static const yk_sink_class class = {write_line, end_lines};
    *out = NULL;
    bool standard = strcmp(path, "-") == 0;
    jsonl_sink *s = yk_calloc(1, sizeof(*s));
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status;
    s->base.class = &class;
    s->with_source = with_source != 0;
    s->fd = -1;
    s->name = yk_strdup(standard ? "standard output" : path);
    if (!s->name) {
        status = YOLK_ERROR_OUT_OF_MEMORY;
        goto fail;
    }
    s->fd = standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0) {
        status = errno == ENOENT ? yk_fail(YOLK_ERROR_NOT_FOUND, "%s: its folder does not exist; make it first", path)
                                 : yk_fail_errno(errno, "%s", path);
        goto fail;
    }
    struct stat facts;
    s->regular = !standard && fstat(s->fd, &facts) == 0 && S_ISREG(facts.st_mode);
    *out = &s->base;
    return YOLK_OK;
fail:
    end_lines(&s->base, true);
    return status;
}
