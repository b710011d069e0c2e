/* Still pictures out. */
#include "base/picture.h"
#include "video/ffmpeg.h"

#include <libavutil/opt.h>

static enum AVCodecID encoder_of(const char *path)
{
    const char *ending = yk_extension(path);
    if (yk_equal_ignoring_case(ending, ".jpg") || yk_equal_ignoring_case(ending, ".jpeg"))
        return AV_CODEC_ID_MJPEG;
    return yk_equal_ignoring_case(ending, ".png") ? AV_CODEC_ID_PNG : AV_CODEC_ID_NONE;
}

/* NULL with the error set. */
static AVCodecContext *start_encoder(const char *path, enum AVCodecID id, const AVFrame *frame)
{
    const AVCodec *codec = avcodec_find_encoder(id);
    AVCodecContext *context = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!codec)
        yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: this FFmpeg cannot write %s", path, avcodec_get_name(id));
    else if (!context)
        yk_fail_memory(sizeof(*context));
    if (!context)
        return NULL;
    context->width = frame->width;
    context->height = frame->height;
    context->pix_fmt = frame->format;
    context->color_range = frame->color_range;
    context->colorspace = frame->colorspace;
    context->time_base = (AVRational){1, 25};
    context->thread_count = 1;
    if (id == AV_CODEC_ID_MJPEG) {
        enum { QUALITY = 2 };
        context->flags |= AV_CODEC_FLAG_QSCALE;
        context->global_quality = FF_QP2LAMBDA * QUALITY;
    } else {
        av_opt_set(context->priv_data, "pred", "mixed", 0);
    }
    int error = avcodec_open2(context, codec, NULL);
    if (error < 0) {
        avcodec_free_context(&context);
        yk_fail_ffmpeg(error, "%s: a picture of %dx%d pixels cannot be written", path, frame->width, frame->height);
    }
    return context;
}

yolk_status yolk_image_save(const yolk_image *image, const char *path)
{
    yk_ffmpeg_init();
    yk_ffmpeg_forget();
    yolk_status status = YOLK_OK;
    enum AVCodecID id = encoder_of(path);
    if (id == AV_CODEC_ID_NONE)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: pictures are written as .jpg or .png", path);
    status = yk_image_needs_host(image, "writing");
    if (status != YOLK_OK)
        return status;
    yk_scaler scaler = {0};
    yk_frame_pool pool = {0};
    AVCodecContext *encoder = NULL;
    AVFrame *frame = av_frame_alloc(), view;
    AVPacket *packet = av_packet_alloc();
    if (!frame || !packet) {
        status = yk_fail_memory(sizeof(*frame));
        goto end;
    }
    yk_frame_of_image(image, &view);
    bool rgb = image->format == YOLK_PIXEL_BGR24 || image->format == YOLK_PIXEL_RGB24;
    /* Halved chroma stays as it is; thin lines and text on a picture in RGB keep theirs. */
    enum AVPixelFormat format = id == AV_CODEC_ID_PNG ? AV_PIX_FMT_RGB24
                                : rgb                 ? AV_PIX_FMT_YUVJ444P
                                                      : AV_PIX_FMT_YUVJ420P;
    status = yk_frame_pool_get(&pool, format, image->width, image->height, frame);
    if (status != YOLK_OK)
        goto end;
    frame->color_range = AVCOL_RANGE_JPEG;
    frame->colorspace = id == AV_CODEC_ID_PNG ? AVCOL_SPC_RGB : AVCOL_SPC_BT470BG;
    status = yk_scaler_run(&scaler, &view, frame, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT);
    if (status != YOLK_OK)
        goto end;
    encoder = start_encoder(path, id, frame);
    if (!encoder) {
        status = yk_last_status();
        goto end;
    }
    frame->pts = 0;
    frame->quality = encoder->global_quality;
    int error = avcodec_send_frame(encoder, frame);
    if (error >= 0)
        error = avcodec_send_frame(encoder, NULL);
    if (error >= 0)
        error = avcodec_receive_packet(encoder, packet);
    if (error < 0)
        status = yk_fail_ffmpeg(error, "%s: the picture cannot be encoded", path);
    else
        status = yk_write_file(path, packet->data, (size_t)packet->size);
end:
    av_packet_free(&packet);
    av_frame_free(&frame);
    avcodec_free_context(&encoder);
    yk_scaler_free(&scaler);
    yk_frame_pool_free(&pool);
    return status;
}
