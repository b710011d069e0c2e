#include "video/audio.h"

typedef struct stream {
    int target;   /* its number in the output, or -1 */
    int64_t last; /* decoding time written last, in the output's units */
} stream;

struct yk_audio {
    AVFormatContext *in;
    AVPacket *packet; /* the next one, when `pending` */
    bool pending, ended;
    int64_t start; /* microseconds: when the video begins */
    int count;     /* of streams that were there at first */
    stream *streams;
};

static int64_t video_start(const AVFormatContext *in)
{
    int video = av_find_best_stream((AVFormatContext *)in, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    const AVStream *stream = video >= 0 ? in->streams[video] : NULL;
    if (stream && stream->start_time != AV_NOPTS_VALUE)
        return av_rescale_q(stream->start_time, stream->time_base, AV_TIME_BASE_Q);
    return in->start_time != AV_NOPTS_VALUE ? in->start_time : 0;
}

static yolk_status add_streams(yk_audio *a, const char *path, AVFormatContext *out, int *count)
{
    for (int i = 0; i < a->count; i++) {
        AVStream *from = a->in->streams[i];
        a->streams[i] = (stream){.target = -1, .last = -1};
        if (from->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
            avformat_query_codec(out->oformat, from->codecpar->codec_id, FF_COMPLIANCE_NORMAL) != 0) {
            AVStream *to = avformat_new_stream(out, NULL);
            if (!to || avcodec_parameters_copy(to->codecpar, from->codecpar) < 0)
                return yk_fail_memory(sizeof(*to));
            to->codecpar->codec_tag = 0;
            to->time_base = from->time_base;
            av_dict_copy(&to->metadata, from->metadata, 0);
            a->streams[i].target = to->index;
            ++*count;
            continue;
        }
        if (from->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            yk_log(YOLK_LOG_WARNING, "%s: its %s audio is left out, which %s files cannot hold", path,
                   avcodec_get_name(from->codecpar->codec_id), out->oformat->name);
        from->discard = AVDISCARD_ALL;
    }
    return YOLK_OK;
}

yolk_status yk_audio_open(const char *path, AVFormatContext *out, yk_audio **audio)
{
    *audio = NULL;
    yk_audio *a = yk_calloc(1, sizeof(*a));
    char *url = a ? yk_file_url(path) : NULL;
    AVDictionary *options = NULL;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    int count = 0;
    if (!url)
        goto fail;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    int error = avformat_open_input(&a->in, url, NULL, &options);
    av_dict_free(&options);
    if (error >= 0)
        error = avformat_find_stream_info(a->in, NULL);
    if (error < 0) {
        status = yk_fail_ffmpeg(error, "%s: audio cannot be read from it", path);
        goto fail;
    }
    a->start = video_start(a->in);
    a->count = (int)a->in->nb_streams;
    a->streams = yk_calloc(a->in->nb_streams, sizeof(*a->streams));
    a->packet = av_packet_alloc();
    if (!a->streams)
        goto fail;
    status = a->packet ? add_streams(a, path, out, &count) : yk_fail_memory(sizeof(AVPacket));
    if (status != YOLK_OK || count == 0)
        goto fail;
    yk_free(url);
    *audio = a;
    return YOLK_OK;
fail:
    yk_free(url);
    yk_audio_close(&a);
    return status;
}

/* Puts the next packet to copy into a->packet, with its times counted from the start of the video. */
static bool read_next(yk_audio *a)
{
    while (av_read_frame(a->in, a->packet) >= 0) {
        AVPacket *p = a->packet;
        if (p->stream_index < a->count && a->streams[p->stream_index].target >= 0 && p->pts != AV_NOPTS_VALUE) {
            int64_t shift = av_rescale_q(a->start, AV_TIME_BASE_Q, a->in->streams[p->stream_index]->time_base);
            bool fits = !__builtin_sub_overflow(p->pts, shift, &p->pts);
            if (p->dts == AV_NOPTS_VALUE)
                p->dts = p->pts;
            else
                fits = !__builtin_sub_overflow(p->dts, shift, &p->dts) && fits;
            if (fits && p->pts >= 0 && p->dts >= 0)
                return true;
        }
        av_packet_unref(p);
    }
    return false;
}

int yk_audio_write(yk_audio *a, AVFormatContext *out, double until)
{
    while (a && !a->ended) {
        if (!a->pending && !read_next(a)) {
            a->ended = true;
            break;
        }
        a->pending = true;
        AVPacket *p = a->packet;
        const AVStream *from = a->in->streams[p->stream_index];
        if ((double)p->pts * av_q2d(from->time_base) >= until)
            break;
        stream *s = &a->streams[p->stream_index];
        av_packet_rescale_ts(p, from->time_base, out->streams[s->target]->time_base);
        a->pending = false;
        /* Where recordings were joined or damaged times go back, which files cannot hold: that sound is left out. */
        bool strict = !(out->oformat->flags & AVFMT_TS_NONSTRICT);
        if (p->dts < s->last + strict || p->pts < p->dts) {
            av_packet_unref(p);
            continue;
        }
        s->last = p->dts;
        p->stream_index = s->target;
        p->pos = -1;
        int error = av_interleaved_write_frame(out, p);
        if (error < 0)
            return error;
    }
    return 0;
}

void yk_audio_close(yk_audio **audio)
{
    yk_audio *a = *audio;
    if (!a)
        return;
    av_packet_free(&a->packet);
    avformat_close_input(&a->in);
    yk_free(a->streams);
    yk_free(a);
    *audio = NULL;
}
