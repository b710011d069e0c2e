#include "video/ffmpeg.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/log.h>

enum { MESSAGE_SIZE = 256 };

static _Thread_local char last_message[MESSAGE_SIZE];

/* FFmpeg knows one callback a process and no way to ask for the one before, so yolk's stays. Its errors are details of
 * failures that yolk reports in words of its own; they go out as information. */
static void take_message(void *context, int level, const char *format, va_list arguments)
{
    if (level > AV_LOG_INFO)
        return;
    yolk_log_level to = level <= AV_LOG_ERROR ? YOLK_LOG_INFO : YOLK_LOG_DEBUG;
    if (level > AV_LOG_ERROR && !yk_log_wants(to))
        return;
    char line[MESSAGE_SIZE];
    vsnprintf(line, sizeof(line), format, arguments);
    size_t length = strlen(line);
    while (length > 0 && (unsigned char)line[length - 1] <= ' ')
        line[--length] = '\0';
    if (length == 0)
        return;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    const AVClass *class = context ? *(const AVClass *const *)context : NULL;
    const char *name = class && class->item_name ? class->item_name(context) : "ffmpeg";
    if (level <= AV_LOG_ERROR)
        memcpy(last_message, line, length + 1);
    yk_log(to, "%s: %s", name, line);
}

static void install(void)
{
    av_log_set_callback(take_message);
}

void yk_ffmpeg_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}

const char *yk_ffmpeg_message(void)
{
    return last_message;
}

void yk_ffmpeg_forget(void)
{
    last_message[0] = '\0';
}

bool yk_ffmpeg_too_large(void)
{
    return strstr(last_message, "exceeds specified max pixel count") || strstr(last_message, "Picture size ");
}

static yolk_status status_of(int error)
{
    switch (error) {
    case AVERROR_INVALIDDATA:
    case AVERROR_EOF:
        return YOLK_ERROR_DAMAGED;
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_MUXER_NOT_FOUND:
    case AVERROR_STREAM_NOT_FOUND:
    case AVERROR_PROTOCOL_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR_EXPERIMENTAL:
    case AVERROR(ENOSYS):
        return YOLK_ERROR_UNSUPPORTED;
    case AVERROR(ENOENT):
        return YOLK_ERROR_NOT_FOUND;
    case AVERROR(ENOMEM):
        return YOLK_ERROR_OUT_OF_MEMORY;
    case AVERROR(ENOSPC):
    case AVERROR(EDQUOT):
        return YOLK_ERROR_NO_SPACE;
    case AVERROR(EPIPE):
        return YOLK_ERROR_CLOSED;
    case AVERROR(EINVAL):
        return YOLK_ERROR_INVALID_ARGUMENT;
    default:
        return YOLK_ERROR_IO;
    }
}

yolk_status yk_fail_ffmpeg(int error, const char *format, ...)
{
    char text[512], words[AV_ERROR_MAX_STRING_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    av_strerror(error, words, sizeof(words));
    if (last_message[0])
        return yk_fail(status_of(error), "%s: %s (%s)", text, words, last_message);
    return yk_fail(status_of(error), "%s: %s", text, words);
}

char *yk_file_url(const char *path)
{
    return yk_format("file:%s", path);
}
