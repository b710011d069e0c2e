/* Reading a video: packets in, upright frames with their times out, and what is wrong with the file at the end. */
#include "video/reader.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include <libavutil/pixdesc.h>

typedef struct frame {
    yolk_frame public; /* first: what users hold */
    atomic_int references;
    AVFrame *av;
} frame;

yolk_frame *yolk_frame_retain(yolk_frame *f)
{
    atomic_fetch_add_explicit(&((frame *)f)->references, 1, memory_order_relaxed);
    return f;
}

void yolk_frame_release(yolk_frame **f)
{
    frame *held = (frame *)*f;
    *f = NULL;
    if (held && atomic_fetch_sub_explicit(&held->references, 1, memory_order_acq_rel) == 1) {
        av_frame_free(&held->av);
        yk_free(held);
    }
}

/* ---- times ---- */

static double frame_seconds(const yolk_video *v)
{
    return v->info.fps > 0 ? 1 / v->info.fps : 1 / 25.0;
}

/* Seconds from the start of the video. Times rise whatever the stamps do: a stamp that is missing or does not rise is
 * put after the one before, and after a jump back (recordings joined together) time goes on from there. */
static double time_of(yolk_video *v, const AVFrame *av)
{
    int64_t stamp = av->best_effort_timestamp;
    double after = v->last_time < 0 ? 0 : v->last_time + frame_seconds(v);
    if (stamp == AV_NOPTS_VALUE)
        return after;
    /* Where only decoding times are known (AVI) they begin late by the decoder's delay. */
    if (v->start == AV_NOPTS_VALUE || (v->last_time < 0 && (stamp < v->start || av->pts == AV_NOPTS_VALUE)))
        v->start = stamp;
    int64_t since;
    if (__builtin_sub_overflow(stamp, v->start, &since))
        return after;
    double time = (double)since * av_q2d(v->stream->time_base) + v->jump;
    if (time > v->last_time)
        return time;
    if (v->last_time - time > 1) {
        v->jump += after - time;
        return after;
    }
    return v->last_time + av_q2d(v->stream->time_base);
}

/* ---- pictures ---- */

static bool is_direct(const AVFrame *av)
{
    return (av->format == AV_PIX_FMT_YUV420P || av->format == AV_PIX_FMT_YUVJ420P || av->format == AV_PIX_FMT_NV12) &&
           av->linesize[0] > 0;
}

/* 8-bit 4:2:0 for what is luma and chroma, RGB for the rest: gray, palettes, RGB with and without alpha. */
static yolk_status convert(yolk_video *v, AVFrame *av)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(av->format);
    if (!format)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: its frames have an unknown pixel format", v->name);
    bool color = format->nb_components >= 3 && !(format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
    AVFrame *to = av_frame_alloc();
    if (!to)
        return yk_fail_memory(sizeof(*to));
    yolk_status status =
        yk_frame_pool_get(&v->converted, color ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_RGB24, av->width, av->height, to);
    if (status == YOLK_OK) {
        to->colorspace = color ? av->colorspace : AVCOL_SPC_RGB;
        to->color_range = color ? av->color_range : AVCOL_RANGE_JPEG;
        if (color && strstr(format->name, "yuvj"))
            to->color_range = AVCOL_RANGE_JPEG;
        status = yk_scaler_run(&v->scaler, av, to, SWS_BILINEAR | SWS_ACCURATE_RND);
    }
    if (status == YOLK_OK) {
        av_frame_unref(av);
        av_frame_move_ref(av, to);
    }
    av_frame_free(&to);
    return status;
}

static yolk_status turn(yolk_video *v, AVFrame *av, yk_orientation orientation)
{
    AVFrame *to = av_frame_alloc();
    if (!to)
        return yk_fail_memory(sizeof(*to));
    bool swap = orientation.transpose;
    enum AVPixelFormat format = av->format == AV_PIX_FMT_YUVJ420P ? AV_PIX_FMT_YUV420P : av->format;
    yolk_status status =
        yk_frame_pool_get(&v->turned, format, swap ? av->height : av->width, swap ? av->width : av->height, to);
    if (status == YOLK_OK) {
        yolk_image from, upright;
        yk_image_of_frame(av, &from);
        to->colorspace = av->colorspace;
        to->color_range = from.full_range ? AVCOL_RANGE_JPEG : av->color_range;
        yk_image_of_frame(to, &upright);
        yk_turn(&from, &upright, orientation);
        av_frame_unref(av);
        av_frame_move_ref(av, to);
    }
    av_frame_free(&to);
    return status;
}

static void note_bad(yolk_video *v, int error)
{
    if (error == AVERROR(ENOMEM))
        v->read_error = error;
    if (v->bad_packets++ > 0)
        return;
    av_strerror(error, v->bad_words, sizeof(v->bad_words));
    v->bad_time = YK_MAX(v->last_time, 0);
}

/* Once there is a frame after it: what ends with a bad packet fails with a sentence of its own. */
static void tell_bad(yolk_video *v)
{
    yk_log(YOLK_LOG_WARNING, "%s: is damaged at %.2f s: %s; going on", v->name, v->bad_time, v->bad_words);
    v->bad_words[0] = '\0';
}

/* Gives out the frame that was just decoded. */
static yolk_status give(yolk_video *v, yolk_frame **out)
{
    AVFrame *av = v->frame;
    double time = time_of(v, av);
    yk_orientation orientation = yk_orientation_of_frame(av, v->orientation);
    yolk_status status = YOLK_OK;
    if (!is_direct(av))
        status = convert(v, av);
    if (status == YOLK_OK && !yk_orientation_upright(orientation))
        status = turn(v, av, orientation);
    frame *f = status == YOLK_OK ? yk_calloc(1, sizeof(*f)) : NULL;
    if (!f) {
        av_frame_unref(av);
        return status == YOLK_OK ? YOLK_ERROR_OUT_OF_MEMORY : status;
    }
    f->av = av_frame_alloc();
    if (!f->av) {
        yk_free(f);
        av_frame_unref(av);
        return yk_fail_memory(sizeof(*av));
    }
    av_frame_move_ref(f->av, av);
    atomic_init(&f->references, 1);
    yk_image_of_frame(f->av, &f->public.image);
    f->public.index = v->next_index++;
    f->public.time = time;
    v->last_time = time;
    if (v->bad_words[0])
        tell_bad(v);
    *out = &f->public;
    return YOLK_OK;
}

/* ---- packets ---- */

static void note_packet(yolk_video *v, const AVPacket *packet)
{
    const AVStream *stream = v->format->streams[packet->stream_index];
    int64_t stamp = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (stamp != AV_NOPTS_VALUE && (packet->stream_index == v->stream->index || v->declared_all)) {
        int64_t after;
        if (!__builtin_add_overflow(stamp, YK_MAX(packet->duration, 0), &after))
            v->end = YK_MAX(v->end, av_rescale_q(after, stream->time_base, AV_TIME_BASE_Q));
    }
    v->position = avio_tell(v->format->pb);
}

/* The next packet of the video in v->packet, or an error of FFmpeg. */
static int next_packet(yolk_video *v)
{
    for (;;) {
        int error = av_read_frame(v->format, v->packet);
        if (error < 0)
            return error;
        note_packet(v, v->packet);
        if (v->packet->stream_index == v->stream->index) {
            v->packets++;
            v->partial = v->packet->flags & AV_PKT_FLAG_CORRUPT && v->format->pb->eof_reached;
            if (!v->partial)
                return 0;
            v->packets--;
        }
        av_packet_unref(v->packet);
    }
}

static void feed(yolk_video *v)
{
    int error = next_packet(v);
    if (error < 0) {
        if (error != AVERROR_EOF)
            v->read_error = error;
        v->state = YK_DRAINING;
        avcodec_send_packet(v->codec, NULL);
        return;
    }
    error = avcodec_send_packet(v->codec, v->packet);
    if (error < 0)
        note_bad(v, error);
    av_packet_unref(v->packet);
}

/* ---- the end ---- */

/* Samples that an index at the front of the file promises, or 0. */
static int64_t promised_samples(const yolk_video *v)
{
#if LIBAVFORMAT_VERSION_MAJOR >= 59
    if (strncmp(v->info.format, "mov,", 4) == 0)
        return avformat_index_get_entries_count(v->stream);
#endif
    (void)v;
    return 0;
}

static yolk_status fail_cut(const yolk_video *v)
{
    double at = YK_MAX(v->last_time, 0);
    double all = v->declared != AV_NOPTS_VALUE ? (double)v->declared / AV_TIME_BASE : v->info.duration;
    if (all > at)
        return yk_fail(YOLK_ERROR_DAMAGED,
                       "%s: is cut or damaged at %.2f s of %.2f s; the frames before that were read", v->name, at, all);
    return yk_fail(YOLK_ERROR_DAMAGED, "%s: is cut or damaged at %.2f s; the frames before that were read", v->name,
                   at);
}

static bool is_cut(const yolk_video *v)
{
    if (v->partial || v->packets < promised_samples(v))
        return true;
    /* A raw stream that ends inside a frame. */
    if (strcmp(v->info.format, "yuv4mpegpipe") == 0 && avio_tell(v->format->pb) > v->position)
        return true;
    if (v->declared == AV_NOPTS_VALUE || promised_samples(v) > 0)
        return false;
    double missing = (double)(v->declared - v->end) / AV_TIME_BASE;
    double tolerance = 2 * frame_seconds(v) + YK_MIN(0.5, 0.05 * (double)v->declared / AV_TIME_BASE);
    return missing > tolerance;
}

/* The whole stream was read: says once what was wrong with it. */
static yolk_status end(yolk_video *v)
{
    v->state = YK_ENDED;
    if (yk_interrupt_raised(v->interrupt))
        return yk_fail(YOLK_ERROR_CANCELED, "%s: reading was stopped", v->name);
    int error = v->read_error;
    if (error == AVERROR(ENOMEM) || (error && error != AVERROR_INVALIDDATA && v->format->pb->error == error))
        return yk_fail_ffmpeg(error, "%s: reading failed at %.2f s", v->name, YK_MAX(v->last_time, 0));
    if (v->next_index == 0)
        return yk_fail_ffmpeg(AVERROR_INVALIDDATA, "%s: holds no frame that can be decoded", v->name);
    if (error || is_cut(v))
        return fail_cut(v);
    if (v->bad_packets > 0)
        return yk_fail(YOLK_ERROR_DAMAGED, "%s: %lld of %lld packets could not be decoded, the first at %.2f s",
                       v->name, (long long)v->bad_packets, (long long)v->packets, v->bad_time);
    return YOLK_END;
}

yolk_status yolk_video_read(yolk_video *v, yolk_frame **out)
{
    *out = NULL;
    while (v->state != YK_ENDED) {
        int error = avcodec_receive_frame(v->codec, v->frame);
        if (error >= 0)
            return give(v, out);
        if (error == AVERROR_EOF)
            return end(v);
        if (error != AVERROR(EAGAIN))
            note_bad(v, error);
        else if (v->state == YK_READING)
            feed(v);
        else
            return end(v); /* a decoder that wants more after its end */
    }
    return YOLK_END;
}
