/* Video out: frames in any format and size, encoded and muxed beside the source's audio. */
#include "base/picture.h"
#include "video/audio.h"
#include "video/video.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/opt.h>

struct yolk_video_writer {
    char *path;
    yk_atomic *file;
    yolk_video_writer_options options; /* its strings: see `texts` */
    char *texts[3];
    const AVCodec *encoder;
    AVCodecContext *codec; /* from the first frame on */
    AVFormatContext *format;
    AVStream *stream;
    yk_audio *audio;
    AVFrame *frame;
    AVPacket *packet;
    yk_frame_pool pool;
    yk_scaler scaler;
    int width, height; /* written */
    AVRational time_base;
    int64_t frame_ticks, last_pts;
};

void yolk_video_writer_options_defaults(yolk_video_writer_options *options)
{
    *options = (yolk_video_writer_options){.struct_size = sizeof(*options),
                                           .scale = 1,
                                           .fps_num = 25,
                                           .fps_den = 1,
                                           .crf = 23,
                                           .preset = "veryfast",
                                           .sar_num = 1,
                                           .sar_den = 1};
}

/* ---- opening ---- */

static yolk_status copy_options(yolk_video_writer *w, const yolk_video_writer_options *options)
{
    yolk_video_writer_options_defaults(&w->options);
    memcpy(&w->options, options, YK_MIN(options->struct_size, sizeof(w->options)));
    options = &w->options;
    const char **members[] = {&w->options.audio_from, &w->options.encoder, &w->options.preset};
    for (size_t i = 0; i < YK_COUNT(members); i++) {
        if (!*members[i])
            continue;
        w->texts[i] = yk_strdup(*members[i]);
        if (!w->texts[i])
            return YOLK_ERROR_OUT_OF_MEMORY;
        *members[i] = w->texts[i];
    }
    if (options->width <= 0 || options->height <= 0 || (int64_t)options->width * options->height > YK_MAX_PIXELS)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: a video cannot have %dx%d pixels", w->path, options->width,
                       options->height);
    if (!(options->scale >= 0.1 && options->scale <= 1))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: scale %g is not within 0.1..1", w->path, options->scale);
    if (options->crf < 0 || options->crf > 51)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: crf %d is not within 0..51", w->path, options->crf);
    if (options->fps_num <= 0 || options->fps_den <= 0) {
        w->options.fps_num = 25;
        w->options.fps_den = 1;
    }
    if (options->sar_num <= 0 || options->sar_den <= 0)
        w->options.sar_num = w->options.sar_den = 1;
    /* Encoders of halved chroma need even sides. */
    w->width = YK_MAX(2, (int)(options->width * options->scale) & ~1);
    w->height = YK_MAX(2, (int)(options->height * options->scale) & ~1);
    return YOLK_OK;
}

/* So fine that frames of a steady rate fall on whole ticks and those of a changing one nearly; MPEG-4 allows no more
 * than 65535 ticks a second. */
static void choose_time_base(yolk_video_writer *w)
{
    int64_t num = w->options.fps_num, den = w->options.fps_den;
    if (strcmp(w->format->oformat->name, "avi") == 0) { /* counts frames, not time */
        w->time_base = (AVRational){(int)den, (int)num};
        w->frame_ticks = 1;
        return;
    }
    if (num > 65535) {
        w->time_base = (AVRational){1, 60000};
        w->frame_ticks = YK_MAX(1, 60000 * den / num);
        return;
    }
    while (num < 12000) {
        num *= 2;
        den *= 2;
    }
    w->time_base = (AVRational){1, (int)num};
    w->frame_ticks = den;
}

static yolk_status choose_encoder(yolk_video_writer *w)
{
    if (w->options.encoder) {
        w->encoder = avcodec_find_encoder_by_name(w->options.encoder);
        if (!w->encoder || w->encoder->type != AVMEDIA_TYPE_VIDEO)
            return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: this FFmpeg has no video encoder \"%s\"", w->path,
                           w->options.encoder);
    } else {
        static const char *const names[] = {"libx264", "libopenh264", "mpeg4"};
        for (size_t i = 0; i < YK_COUNT(names) && !w->encoder; i++)
            w->encoder = avcodec_find_encoder_by_name(names[i]);
        if (!w->encoder)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: this FFmpeg has no encoder for video", w->path);
        if (w->encoder->id == AV_CODEC_ID_MPEG4)
            yk_log(YOLK_LOG_WARNING, "%s: this FFmpeg cannot encode H.264, MPEG-4 is written", w->path);
    }
    if (avformat_query_codec(w->format->oformat, w->encoder->id, FF_COMPLIANCE_NORMAL) == 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: files of this kind cannot hold %s video; use .mp4 or .mkv",
                       w->path, avcodec_get_name(w->encoder->id));
    return YOLK_OK;
}

static yolk_status choose_format(const char *path, const char **name)
{
    const AVOutputFormat *kind = av_guess_format(NULL, path, NULL);
    if (!kind || kind->video_codec == AV_CODEC_ID_NONE || kind->flags & AVFMT_NOFILE)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s: \"%s\" is not the ending of a video file; use .mp4, .mkv or .mov", path,
                       yk_extension(path));
    *name = kind->name;
    return YOLK_OK;
}

yolk_status yk_writer_check(const char *path)
{
    const char *name;
    yk_atomic *file = NULL;
    struct stat facts;
    yolk_status status = choose_format(path, &name);
    /* Opening and closing a pipe would end its reader. */
    if (status == YOLK_OK && stat(path, &facts) == 0 && S_ISFIFO(facts.st_mode))
        return YOLK_OK;
    if (status == YOLK_OK)
        status = yk_atomic_open(path, &file);
    yk_atomic_abort(&file);
    return status;
}

static yolk_status open_container(yolk_video_writer *w)
{
    const char *name = NULL;
    yolk_status status = choose_format(w->path, &name);
    if (status == YOLK_OK)
        status = yk_atomic_open(w->path, &w->file);
    if (status != YOLK_OK)
        return status;
    const char *temporary = yk_atomic_temporary(w->file);
    char *url = yk_file_url(temporary ? temporary : w->path);
    if (!url)
        return YOLK_ERROR_OUT_OF_MEMORY;
    int error = avformat_alloc_output_context2(&w->format, NULL, name, url);
    if (error >= 0)
        error = avio_open(&w->format->pb, url, AVIO_FLAG_WRITE);
    yk_free(url);
    return error < 0 ? yk_fail_ffmpeg(error, "%s: cannot be written", w->path) : YOLK_OK;
}

static void release(yolk_video_writer **writer)
{
    yolk_video_writer *w = *writer;
    yk_audio_close(&w->audio);
    av_packet_free(&w->packet);
    av_frame_free(&w->frame);
    avcodec_free_context(&w->codec);
    if (w->format)
        avio_closep(&w->format->pb);
    avformat_free_context(w->format);
    yk_scaler_free(&w->scaler);
    yk_frame_pool_free(&w->pool);
    yk_atomic_abort(&w->file);
    for (size_t i = 0; i < YK_COUNT(w->texts); i++)
        yk_free(w->texts[i]);
    yk_free(w->path);
    yk_free(w);
    *writer = NULL;
}

yolk_status yolk_video_writer_open(const char *path, const yolk_video_writer_options *options, yolk_video_writer **out)
{
    *out = NULL;
    yk_ffmpeg_init();
    yk_ffmpeg_forget();
    yolk_video_writer *w = yk_calloc(1, sizeof(*w));
    if (!w)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    w->last_pts = -1;
    w->path = yk_strdup(path);
    if (!w->path)
        goto fail;
    if ((status = copy_options(w, options)) != YOLK_OK || (status = open_container(w)) != YOLK_OK ||
        (status = choose_encoder(w)) != YOLK_OK)
        goto fail;
    choose_time_base(w);
    w->frame = av_frame_alloc();
    w->packet = av_packet_alloc();
    w->stream = avformat_new_stream(w->format, NULL);
    if (!w->frame || !w->packet || !w->stream) {
        status = yk_fail_memory(sizeof(*w->frame));
        goto fail;
    }
    if (w->options.audio_from)
        status = yk_audio_open(w->options.audio_from, w->format, &w->audio);
    if (status != YOLK_OK)
        goto fail;
    *out = w;
    return YOLK_OK;
fail:
    release(&w);
    return status;
}

/* ---- the first frame ---- */

static void set_rate(yolk_video_writer *w)
{
    AVCodecContext *c = w->codec;
    if (w->options.preset)
        av_opt_set(c->priv_data, "preset", w->options.preset, 0);
    /* It would print by itself. */
    av_opt_set(c->priv_data, "x265-params", "log-level=none", 0);
    if (av_opt_set_int(c->priv_data, "crf", w->options.crf, 0) >= 0)
        return;
    if (w->encoder->id == AV_CODEC_ID_MPEG4) {
        enum { QUALITY = 4 };
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = FF_QP2LAMBDA * QUALITY;
        return;
    }
    c->bit_rate = (int64_t)(0.1 * w->width * w->height * w->options.fps_num / w->options.fps_den);
}

static yolk_status open_encoder(yolk_video_writer *w, const AVFrame *first)
{
    AVCodecContext *c = w->codec = avcodec_alloc_context3(w->encoder);
    if (!c)
        return yk_fail_memory(sizeof(*c));
    c->width = w->width;
    c->height = w->height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = w->time_base;
    c->framerate = (AVRational){w->options.fps_num, w->options.fps_den};
    c->sample_aspect_ratio = (AVRational){w->options.sar_num, w->options.sar_den};
    c->color_range = first->color_range;
    c->colorspace = first->colorspace;
    if (first->colorspace == AVCOL_SPC_BT709) {
        c->color_primaries = AVCOL_PRI_BT709;
        c->color_trc = AVCOL_TRC_BT709;
    }
    c->thread_count = YK_MIN(yk_physical_cores(), 8); /* each holds a frame */
    if (w->format->oformat->flags & AVFMT_GLOBALHEADER)
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    set_rate(w);
    int error = avcodec_open2(c, w->encoder, NULL);
    if (error < 0)
        return yk_fail_ffmpeg(error, "%s: encoder %s cannot be started", w->path, w->encoder->name);
    if (avcodec_parameters_from_context(w->stream->codecpar, c) < 0)
        return yk_fail_memory(sizeof(*w->stream->codecpar));
    w->stream->time_base = w->time_base;
    w->stream->avg_frame_rate = c->framerate;
    w->stream->sample_aspect_ratio = c->sample_aspect_ratio;
    AVDictionary *options = NULL;
    if (yk_atomic_temporary(w->file))
        av_dict_set(&options, "movflags", "+faststart", 0);
    error = avformat_write_header(w->format, &options);
    av_dict_free(&options);
    return error < 0 ? yk_fail_ffmpeg(error, "%s: cannot be written", w->path) : YOLK_OK;
}

/* Frames keep the colours that they came in; RGB becomes what its size suggests. */
static void set_colors(const yolk_video_writer *w, const AVFrame *view, AVFrame *frame)
{
    if (w->codec) {
        frame->colorspace = w->codec->colorspace;
        frame->color_range = w->codec->color_range;
    } else if (view->colorspace == AVCOL_SPC_RGB) {
        frame->colorspace = w->height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
        frame->color_range = AVCOL_RANGE_MPEG;
    } else {
        frame->colorspace = view->colorspace;
        frame->color_range = view->color_range;
    }
}

yolk_status yk_writer_begin(yolk_video_writer *w, const yolk_image *image, yolk_image *canvas)
{
    AVFrame view;
    yolk_status status = yk_image_needs_host(image, "a video's writer");
    if (status != YOLK_OK)
        return status;
    yk_ffmpeg_forget();
    yk_frame_of_image(image, &view);
    av_frame_unref(w->frame);
    status = yk_frame_pool_get(&w->pool, AV_PIX_FMT_YUV420P, w->width, w->height, w->frame);
    if (status != YOLK_OK)
        return status;
    set_colors(w, &view, w->frame);
    /* A last odd row or column is left out rather than the picture scaled by a hair. */
    if (w->width == (view.width & ~1) && w->height == (view.height & ~1)) {
        view.width = w->width;
        view.height = w->height;
    }
    status = yk_scaler_run(&w->scaler, &view, w->frame, SWS_BICUBIC);
    if (status == YOLK_OK && !w->codec && (status = open_encoder(w, w->frame)) != YOLK_OK)
        avcodec_free_context(&w->codec);
    if (status == YOLK_OK && canvas)
        yk_image_of_frame(w->frame, canvas);
    return status;
}

/* ---- encoding ---- */

static yolk_status fail_write(const yolk_video_writer *w, int error)
{
    return yk_fail_ffmpeg(error, "%s: writing failed", w->path);
}

/* Writes what the encoder has ready, and the audio up to there. */
static yolk_status write_packets(yolk_video_writer *w)
{
    for (;;) {
        int error = avcodec_receive_packet(w->codec, w->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF)
            return YOLK_OK;
        if (error < 0)
            return yk_fail_ffmpeg(error, "%s: encoding failed", w->path);
        double time = (double)w->packet->dts * av_q2d(w->time_base);
        if (w->packet->duration == 0)
            w->packet->duration = w->frame_ticks;
        av_packet_rescale_ts(w->packet, w->time_base, w->stream->time_base);
        w->packet->stream_index = w->stream->index;
        error = yk_audio_write(w->audio, w->format, time);
        if (error >= 0)
            error = av_interleaved_write_frame(w->format, w->packet);
        if (error < 0)
            return fail_write(w, error);
    }
}

yolk_status yk_writer_end(yolk_video_writer *w, double time)
{
    int64_t pts = llround(time / av_q2d(w->time_base));
    w->frame->pts = w->last_pts = YK_MAX(pts, w->last_pts + 1);
    int error = avcodec_send_frame(w->codec, w->frame);
    av_frame_unref(w->frame);
    if (error < 0)
        return yk_fail_ffmpeg(error, "%s: encoding failed", w->path);
    return write_packets(w);
}

yolk_status yolk_video_writer_write(yolk_video_writer *writer, const yolk_image *image, double time)
{
    yolk_status status = yk_writer_begin(writer, image, NULL);
    return status == YOLK_OK ? yk_writer_end(writer, time) : status;
}

static yolk_status complete(yolk_video_writer *w)
{
    yk_ffmpeg_forget();
    int error = avcodec_send_frame(w->codec, NULL);
    if (error < 0)
        return yk_fail_ffmpeg(error, "%s: encoding failed", w->path);
    yolk_status status = write_packets(w);
    if (status != YOLK_OK)
        return status;
    error = yk_audio_write(w->audio, w->format, (double)(w->last_pts + w->frame_ticks) * av_q2d(w->time_base));
    if (error >= 0)
        error = av_write_trailer(w->format);
    if (error >= 0)
        error = w->format->pb->error;
    int closed = avio_closep(&w->format->pb);
    if (error >= 0)
        error = closed;
    if (error < 0)
        return fail_write(w, error);
    return yk_atomic_commit(&w->file);
}

yolk_status yolk_video_writer_finish(yolk_video_writer **writer)
{
    yolk_status status = (*writer)->last_pts >= 0 ? complete(*writer) : YOLK_OK;
    release(writer);
    return status;
}

void yolk_video_writer_abort(yolk_video_writer **writer)
{
    if (*writer)
        release(writer);
}
