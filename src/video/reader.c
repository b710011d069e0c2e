/* Opening a video: finding its stream, decoder, times and orientation. */
#include "video/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/parseutils.h>

enum { MAX_FRAMES = INT32_MAX }; /* years of video: what claims more is not believed */

void yolk_video_options_defaults(yolk_video_options *options)
{
    *options = (yolk_video_options){.struct_size = sizeof(*options)};
}

/* FFmpeg would take a folder for a list of pictures and a text file for a terminal's screen. */
static yolk_status check_path(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) < 0) {
        if (errno == ENOENT && strstr(path, "://"))
            return yk_fail(YOLK_ERROR_UNSUPPORTED,
                           "%s: yolk reads files only; pipe a stream in: ffmpeg -i URL -f yuv4mpegpipe - | yolk ... -",
                           path);
        return yk_fail_errno(errno, "%s", path);
    }
    if (S_ISDIR(facts.st_mode))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: is a folder, not a video file", path);
    if (S_ISREG(facts.st_mode) && facts.st_size == 0)
        return yk_fail(YOLK_ERROR_DAMAGED, "%s: is empty", path);
    return YOLK_OK;
}

static yolk_status fail_open(const yolk_video *v, int error)
{
    if (strstr(yk_ffmpeg_message(), "moov atom not found"))
        return yk_fail(YOLK_ERROR_DAMAGED, "%s: is cut short or not a video: its index (moov) is missing", v->name);
    if (yk_ffmpeg_too_large())
        return yk_fail(YOLK_ERROR_LIMIT, "%s: its frames are larger than the %d million pixels that yolk reads: %s",
                       v->name, YK_MAX_PIXELS / 1000000, yk_ffmpeg_message());
    return yk_fail_ffmpeg(error, "%s: is not a video that FFmpeg knows, or its beginning is damaged", v->name);
}

static yolk_status open_container(yolk_video *v, const char *path)
{
    struct stat facts;
    bool standard = strcmp(path, "-") == 0;
    bool piped = standard || (stat(path, &facts) == 0 && S_ISFIFO(facts.st_mode));
    char *url = NULL;
    AVDictionary *options = NULL;
    yolk_status status;
    v->format = avformat_alloc_context();
    if (!v->format)
        return yk_fail_memory(sizeof(*v->format));
    if (piped) {
        status = yk_stream_open(standard ? NULL : path, v->interrupt, &v->input);
        if (status != YOLK_OK)
            return status;
        v->format->pb = v->input;
        v->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    }
    if (!standard) {
        url = yk_file_url(path);
        if (!url)
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    /* A hostile playlist must not make yolk fetch from the network. */
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    int error = avformat_open_input(&v->format, url, NULL, &options);
    av_dict_free(&options);
    yk_free(url);
    if (yk_interrupt_raised(v->interrupt))
        return yk_fail(YOLK_ERROR_CANCELED, "%s: reading was stopped", v->name);
    if (error < 0)
        return fail_open(v, error);
    if (strcmp(v->format->iformat->name, "tty") == 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: is a text file, not a video", v->name);
    return YOLK_OK;
}

/* Duration that a demuxer read from a header, before FFmpeg estimates one from what is there. */
static void note_declared(yolk_video *v)
{
    const AVStream *stream = v->stream;
    int64_t duration = stream->duration;
    /* The demuxer takes back what an AVI's header says, a number of frames, to what a cut file holds. */
    if (strcmp(v->format->iformat->name, "avi") == 0)
        duration = YK_MAX(duration, stream->nb_frames);
    /* Matroska's writers leave the length of each stream as text. */
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "DURATION", NULL, 0);
    int64_t tagged = 0;
    if (tag && av_parse_time(&tagged, tag->value, 1) < 0)
        tagged = 0;
    if (duration > 0) {
        v->declared = av_rescale_q(duration, stream->time_base, AV_TIME_BASE_Q);
    } else if (tagged > 0) {
        v->declared = tagged;
        v->declared_end = true;
    } else if (v->format->duration > 0) {
        v->declared = v->format->duration;
        v->declared_all = v->declared_end = true;
    }
}

static AVStream *choose_stream(const AVFormatContext *format)
{
    int index = av_find_best_stream((AVFormatContext *)format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (index < 0 || format->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC)
        return NULL; /* a song's cover is not a video */
    return format->streams[index];
}

static yolk_status fail_limit(const yolk_video *v, int width, int height)
{
    return yk_fail(YOLK_ERROR_LIMIT, "%s: its frames of %dx%d pixels are larger than the %d million pixels yolk reads",
                   v->name, width, height, YK_MAX_PIXELS / 1000000);
}

static yolk_status find_stream(yolk_video *v)
{
    AVFormatContext *format = v->format;
    unsigned count = format->nb_streams;
    AVDictionary **options = yk_calloc(count + 1, sizeof(*options));
    if (!options)
        return YOLK_ERROR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < count; i++)
        av_dict_set_int(&options[i], "max_pixels", YK_MAX_PIXELS, 0);
    v->stream = choose_stream(format);
    if (v->stream)
        note_declared(v);
    int error = avformat_find_stream_info(format, options);
    for (unsigned i = 0; i < count; i++)
        av_dict_free(&options[i]);
    yk_free(options);
    if (yk_interrupt_raised(v->interrupt))
        return yk_fail(YOLK_ERROR_CANCELED, "%s: reading was stopped", v->name);
    AVStream *stream = choose_stream(format);
    if (stream != v->stream) {
        v->declared = AV_NOPTS_VALUE;
        v->declared_all = v->declared_end = false;
    }
    v->stream = stream;
    /* FLV's demuxer has read its header's length only now. */
    if (v->declared == AV_NOPTS_VALUE && format->duration > 0 &&
        format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM) {
        v->declared = format->duration;
        v->declared_all = v->declared_end = true;
    }
    if (!stream && error < 0)
        return fail_open(v, error);
    if (!stream)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: has no video stream", v->name);
    const AVCodecParameters *parameters = stream->codecpar;
    if ((int64_t)parameters->width * parameters->height > YK_MAX_PIXELS)
        return fail_limit(v, parameters->width, parameters->height);
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (format->streams[i] != stream && !v->declared_all)
            format->streams[i]->discard = AVDISCARD_ALL;
    return YOLK_OK;
}

/* More threads than the frames' size asks for cost memory and time that inference could use. */
static int choose_threads(const AVCodecParameters *parameters)
{
    int cores = yk_physical_cores();
    int64_t pixels = (int64_t)parameters->width * parameters->height;
    int64_t wanted = 1 + pixels / 4000000 + cores / 8;
    return (int)YK_MIN(wanted, YK_MIN(cores, 16));
}

static yolk_status open_decoder(yolk_video *v, int threads)
{
    const AVCodecParameters *parameters = v->stream->codecpar;
    const AVCodec *decoder = avcodec_find_decoder(parameters->codec_id);
    if (!decoder) {
        char tag[AV_FOURCC_MAX_STRING_SIZE];
        if (parameters->codec_id == AV_CODEC_ID_NONE)
            return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: its video is coded in an unknown way (tag %s)", v->name,
                           av_fourcc_make_string(tag, parameters->codec_tag));
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: its video is coded as %s, which this FFmpeg cannot decode", v->name,
                       avcodec_get_name(parameters->codec_id));
    }
    v->codec = avcodec_alloc_context3(decoder);
    if (!v->codec || avcodec_parameters_to_context(v->codec, parameters) < 0)
        return yk_fail_memory(sizeof(*v->codec));
    v->codec->pkt_timebase = v->stream->time_base;
    v->codec->max_pixels = YK_MAX_PIXELS;
    v->codec->thread_count = threads > 0 ? threads : choose_threads(parameters);
    int error = avcodec_open2(v->codec, decoder, NULL);
    if (error < 0)
        return yk_fail_ffmpeg(error, "%s: its %s decoder cannot be started", v->name, decoder->name);
    return YOLK_OK;
}

static void find_orientation(yolk_video *v)
{
    const uint8_t *data = NULL;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    const AVCodecParameters *parameters = v->stream->codecpar;
    const AVPacketSideData *side =
        av_packet_side_data_get(parameters->coded_side_data, parameters->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (side && side->size >= 9 * sizeof(int32_t))
        data = side->data;
#elif LIBAVFORMAT_VERSION_MAJOR >= 59
    size_t size = 0;
    data = av_stream_get_side_data(v->stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (size < 9 * sizeof(int32_t))
        data = NULL;
#else
    int size = 0;
    data = av_stream_get_side_data(v->stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (size < (int)(9 * sizeof(int32_t)))
        data = NULL;
#endif
    if (!data)
        return;
    int32_t matrix[9];
    memcpy(matrix, data, sizeof(matrix));
    v->orientation = yk_orientation_of_matrix(matrix);
}

/* Where the header states where the video ends, that is counted from the container's beginning, not the video's. */
static double duration_of(const yolk_video *v)
{
    const AVStream *stream = v->stream;
    double seconds = 0;
    if (v->declared_end) {
        seconds = (double)v->declared / AV_TIME_BASE;
        if (stream->start_time != AV_NOPTS_VALUE)
            seconds -= YK_MAX(0, (double)stream->start_time * av_q2d(stream->time_base));
    } else if (stream->duration > 0) {
        seconds = (double)stream->duration * av_q2d(stream->time_base);
    } else if (v->format->duration > 0) {
        seconds = (double)v->format->duration / AV_TIME_BASE;
    }
    return YK_MAX(seconds, 0);
}

static void fill_info(yolk_video *v)
{
    const AVStream *stream = v->stream;
    yolk_video_info *info = &v->info;
    bool lying = v->orientation.transpose;
    info->width = lying ? stream->codecpar->height : stream->codecpar->width;
    info->height = lying ? stream->codecpar->width : stream->codecpar->height;
    info->rotation = yk_orientation_degrees(v->orientation);
    AVRational pixel = av_guess_sample_aspect_ratio(v->format, v->stream, NULL);
    if (pixel.num <= 0 || pixel.den <= 0)
        pixel = (AVRational){1, 1};
    info->sar_num = lying ? pixel.den : pixel.num;
    info->sar_den = lying ? pixel.num : pixel.den;
    /* Fields counted as frames make an average that is above the finest step between time stamps. */
    AVRational rate = stream->avg_frame_rate, finest = stream->r_frame_rate;
    if (rate.num <= 0 || rate.den <= 0 || (finest.num > 0 && finest.den > 0 && av_q2d(rate) > 1.5 * av_q2d(finest)))
        rate = finest;
    if (rate.num > 0 && rate.den > 0) {
        info->fps_num = rate.num;
        info->fps_den = rate.den;
        info->fps = av_q2d(rate);
    }
    info->duration = duration_of(v);
    double estimate = YK_MIN(info->duration * info->fps, MAX_FRAMES);
    info->frame_count = stream->nb_frames;
    if (info->frame_count <= 0 || (estimate > 0 && (double)info->frame_count > 1.5 * estimate))
        info->frame_count = (int64_t)(estimate + 0.5);
    info->frame_count = YK_MIN(info->frame_count, MAX_FRAMES);
    info->codec = avcodec_get_name(stream->codecpar->codec_id);
    info->format = v->format->iformat->name;
    for (unsigned i = 0; i < v->format->nb_streams; i++)
        if (v->format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            info->has_audio = 1;
    v->start = stream->start_time;
}

yolk_status yk_video_open(const char *path, const yolk_video_options *options, yk_interrupt *interrupt,
                          yolk_video **out)
{
    *out = NULL;
    yk_ffmpeg_init();
    yk_ffmpeg_forget();
    yolk_video_options chosen;
    yolk_video_options_defaults(&chosen);
    if (options)
        memcpy(&chosen, options, YK_MIN(options->struct_size, sizeof(chosen)));
    bool standard = strcmp(path, "-") == 0;
    yolk_status status = standard ? YOLK_OK : check_path(path);
    if (status != YOLK_OK)
        return status;
    yolk_video *v = yk_calloc(1, sizeof(*v));
    if (!v)
        return YOLK_ERROR_OUT_OF_MEMORY;
    v->declared = AV_NOPTS_VALUE;
    v->last_time = -1;
    v->interrupt = interrupt;
    status = YOLK_ERROR_OUT_OF_MEMORY;
    v->name = yk_strdup(standard ? "standard input" : path);
    if (!v->name)
        goto fail;
    if ((status = open_container(v, path)) != YOLK_OK || (status = find_stream(v)) != YOLK_OK ||
        (status = open_decoder(v, chosen.threads)) != YOLK_OK)
        goto fail;
    v->packet = av_packet_alloc();
    v->frame = av_frame_alloc();
    if (!v->packet || !v->frame) {
        status = yk_fail_memory(sizeof(*v->frame));
        goto fail;
    }
    find_orientation(v);
    fill_info(v);
    *out = v;
    return YOLK_OK;
fail:
    yolk_video_close(&v);
    return status;
}

yolk_status yolk_video_open(const char *path, const yolk_video_options *options, yolk_video **out)
{
    return yk_video_open(path, options, NULL, out);
}

const yolk_video_info *yolk_video_get_info(const yolk_video *video)
{
    return &video->info;
}

void yolk_video_close(yolk_video **video)
{
    yolk_video *v = *video;
    if (!v)
        return;
    av_frame_free(&v->frame);
    av_packet_free(&v->packet);
    avcodec_free_context(&v->codec);
    avformat_close_input(&v->format);
    yk_stream_close(&v->input);
    yk_scaler_free(&v->scaler);
    yk_frame_pool_free(&v->converted);
    yk_frame_pool_free(&v->turned);
    yk_free(v->name);
    yk_free(v);
    *video = NULL;
}
