/* Still pictures in. */
#include "video/ffmpeg.h"
#include "video/video.h"

#include <string.h>

#include <libavcodec/codec_desc.h>
#include <libavutil/imgutils.h>

typedef struct magic {
    const char *codec; /* FFmpeg's name */
    size_t offset, length;
    const char *bytes;
} magic;

static const magic magics[] = {
    {"mjpeg", 0, 3, "\xff\xd8\xff"},
    {"png", 0, 8, "\x89PNG\r\n\x1a\n"},
    {"webp", 8, 4, "WEBP"},
    {"bmp", 0, 2, "BM"},
    {"tiff", 0, 4, "II*\0"},
    {"tiff", 0, 4, "MM\0*"},
    {"pbm", 0, 2, "P1"},
    {"pgm", 0, 2, "P2"},
    {"ppm", 0, 2, "P3"},
    {"pbm", 0, 2, "P4"},
    {"pgm", 0, 2, "P5"},
    {"ppm", 0, 2, "P6"},
    {"pam", 0, 3, "P7\n"},
    {"qoi", 0, 4, "qoif"},
    {"jpeg2000", 0, 8, "\0\0\0\x0cjP  "},
    {"exr", 0, 4, "\x76\x2f\x31\x01"},
    {"psd", 0, 4, "8BPS"},
    {"dds", 0, 4, "DDS "},
};

const char *yk_sniff_picture(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < YK_COUNT(magics); i++) {
        const magic *m = &magics[i];
        if (size < m->offset + m->length || memcmp(data + m->offset, m->bytes, m->length) != 0)
            continue;
        if (m->bytes[0] == 'P' && m->length == 2 && (size < 3 || (data[2] > ' ' && data[2] != '#')))
            continue;
        return m->codec;
    }
    return NULL;
}

static bool names_one_of(const char *path, const char *const *endings)
{
    const char *ending = yk_extension(path);
    for (; *endings; endings++)
        if (yk_equal_ignoring_case(ending, *endings))
            return true;
    return false;
}

bool yk_names_picture(const char *path)
{
    static const char *const endings[] = {".jpg",  ".jpeg", ".jpe",  ".png", ".webp", ".bmp", ".tif",
                                          ".tiff", ".pbm",  ".pgm",  ".ppm", ".pnm",  ".pam", ".qoi",
                                          ".jp2",  ".exr",  ".avif", ".psd", ".dds",  NULL};
    return names_one_of(path, endings);
}

bool yk_names_video(const char *path)
{
    static const char *const endings[] = {".mp4",  ".m4v",  ".mov",   ".mkv",  ".webm", ".avi", ".ts",  ".mts",
                                          ".m2ts", ".mpg",  ".mpeg",  ".wmv",  ".asf",  ".flv", ".3gp", ".ogv",
                                          ".y4m",  ".h264", ".264",   ".hevc", ".h265", ".265", ".ivf", ".mxf",
                                          ".vob",  ".gif",  ".mjpeg", ".dv",   NULL};
    return names_one_of(path, endings);
}

/* The image, and the planes right behind it; NULL with the error set. */
static yolk_image *make_image(const char *path, int width, int height)
{
    if (width <= 0 || height <= 0 || (int64_t)width * height > YK_MAX_PIXELS) {
        yk_fail(YOLK_ERROR_LIMIT, "%s: %dx%d pixels are more than the %d million that yolk reads", path, width, height,
                YK_MAX_PIXELS / 1000000);
        return NULL;
    }
    enum { HEAD = 128 };
    _Static_assert(sizeof(yolk_image) <= HEAD, "planes begin aligned");
    /* swscale may write a little past the end of a row. */
    size_t stride = ((size_t)width * 3 + 63) / 64 * 64;
    yolk_image *image = yk_alloc_aligned(HEAD + stride * (size_t)height + 64);
    if (!image)
        return NULL;
    *image = (yolk_image){.width = width, .height = height, .format = YOLK_PIXEL_RGB24};
    image->planes[0] = (uint8_t *)image + HEAD;
    image->strides[0] = (int)stride;
    return image;
}

void yolk_image_destroy(yolk_image **image)
{
    yk_free(*image);
    *image = NULL;
}

static yolk_status to_flat_rgb(const AVFrame *frame, yolk_image *out)
{
    if (yk_color_fits(frame))
        return yk_color_run(frame, out);
    AVFrame view;
    yk_scaler scaler = {0};
    yk_frame_of_image(out, &view);
    yolk_status status = yk_scaler_run(&scaler, frame, &view, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT);
    yk_scaler_free(&scaler);
    return status;
}

/* RGB of a decoded frame, upright. */
static yolk_status to_rgb(const char *path, const AVFrame *frame, yk_orientation orientation, yolk_image **out)
{
    yolk_image *flat = make_image(path, frame->width, frame->height);
    if (!flat)
        return yk_last_status();
    yolk_status status = to_flat_rgb(frame, flat);
    if (status == YOLK_OK && !yk_orientation_upright(orientation)) {
        bool swap = orientation.transpose;
        yolk_image *upright = make_image(path, swap ? flat->height : flat->width, swap ? flat->width : flat->height);
        if (upright)
            yk_turn(flat, upright, orientation);
        else
            status = yk_last_status();
        yolk_image_destroy(&flat);
        flat = upright;
    }
    if (status != YOLK_OK)
        yolk_image_destroy(&flat);
    *out = flat;
    return status;
}

yolk_status yk_image_scaled(const yolk_image *image, double scale, yolk_image **out)
{
    AVFrame from, to;
    yk_scaler scaler = {0};
    *out = make_image("the picture", (int)YK_MAX(1, image->width * scale), (int)YK_MAX(1, image->height * scale));
    if (!*out)
        return yk_last_status();
    yk_frame_of_image(image, &from);
    yk_frame_of_image(*out, &to);
    yolk_status status = yk_scaler_run(&scaler, &from, &to, SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT);
    yk_scaler_free(&scaler);
    if (status != YOLK_OK)
        yolk_image_destroy(out);
    return status;
}

static yolk_status fail_picture(const char *path, int error)
{
    if (yk_ffmpeg_too_large())
        return yk_fail(YOLK_ERROR_LIMIT, "%s: is larger than the %d million pixels that yolk reads", path,
                       YK_MAX_PIXELS / 1000000);
    return yk_fail_ffmpeg(error, "%s: is a damaged or cut picture", path);
}

/* Gives the whole file to the codec as one packet: pictures have no container. */
static yolk_status decode(const char *path, const AVCodec *codec, const yk_map *file, AVFrame *frame)
{
    yolk_status status = YOLK_OK;
    AVCodecContext *context = avcodec_alloc_context3(codec);
    AVPacket *packet = av_packet_alloc();
    if (!context || !packet || av_new_packet(packet, (int)file->size) < 0) {
        status = yk_fail_memory(file->size);
        goto end;
    }
    memcpy(packet->data, file->data, file->size);
    context->max_pixels = YK_MAX_PIXELS;
    context->thread_count = 1;
    context->idct_algo = FF_IDCT_INT; /* libjpeg's own */
    /* Without it these give the part before a cut as a picture; others then refuse what they merely do not know. */
    if (codec->id == AV_CODEC_ID_MJPEG || codec->id == AV_CODEC_ID_PNG)
        context->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK;
    int error = avcodec_open2(context, codec, NULL);
    if (error >= 0)
        error = avcodec_send_packet(context, packet);
    if (error >= 0)
        error = avcodec_send_packet(context, NULL);
    if (error >= 0)
        error = avcodec_receive_frame(context, frame);
    if (error < 0)
        status = fail_picture(path, error);
end:
    av_packet_free(&packet);
    avcodec_free_context(&context);
    return status;
}

static uint32_t number(const uint8_t *bytes, int count, bool big)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++)
        value |= (uint32_t)bytes[i] << 8 * (big ? count - 1 - i : i);
    return value;
}

/* Orientation in a block of Exif, 0 without. */
static int exif_orientation(const uint8_t *data, size_t size)
{
    enum { ENTRY = 12, TAG = 0x112 };
    if (size < 8 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0))
        return 0;
    bool big = data[0] == 'M';
    size_t at = number(data + 4, 4, big);
    if (at > size - 2)
        return 0;
    size_t entries = number(data + at, 2, big);
    for (at += 2; entries > 0 && at + ENTRY <= size; at += ENTRY, entries--)
        if (number(data + at, 2, big) == TAG)
            return (int)number(data + at + 8, 2, big);
    return 0;
}

/* FFmpeg finds the orientation of JPEG and WebP, but does not look into PNG. */
static yk_orientation png_orientation(const yk_map *file)
{
    enum { SIGNATURE = 8, HEAD = 8, CHECK = 4 };
    size_t at = SIGNATURE;
    while (at + HEAD <= file->size) {
        const uint8_t *chunk = file->data + at;
        size_t length = number(chunk, 4, true);
        if (length > file->size - at - HEAD)
            break;
        if (memcmp(chunk + 4, "eXIf", 4) == 0)
            return yk_orientation_of_exif(exif_orientation(chunk + HEAD, length));
        at += HEAD + length + CHECK;
    }
    return (yk_orientation){0};
}

/* The first frame of what is not a plain picture: GIF, AVIF, a video. */
static yolk_status first_frame(const char *path, yolk_image **out)
{
    yolk_video *video = NULL;
    yolk_frame *frame = NULL;
    yolk_status status = yolk_video_open(path, NULL, &video);
    if (status != YOLK_OK)
        return status;
    status = yolk_video_read(video, &frame);
    if (status == YOLK_OK) {
        AVFrame view;
        yk_frame_of_image(&frame->image, &view);
        status = to_rgb(path, &view, (yk_orientation){0}, out);
    }
    yolk_frame_release(&frame);
    yolk_video_close(&video);
    return status;
}

yolk_status yolk_image_load(const char *path, yolk_image **out)
{
    *out = NULL;
    yk_ffmpeg_init();
    yk_ffmpeg_forget();
    yk_map file = {0};
    yolk_status status = yk_map_open(path, &file);
    if (status != YOLK_OK)
        return status;
    AVFrame *frame = NULL;
    const char *name = yk_sniff_picture(file.data, file.size);
    if (!name) {
        yk_map_close(&file);
        return first_frame(path, out);
    }
    const AVCodecDescriptor *descriptor = avcodec_descriptor_get_by_name(name);
    const AVCodec *codec = descriptor ? avcodec_find_decoder(descriptor->id) : NULL;
    if (!codec) {
        status = yk_fail(YOLK_ERROR_UNSUPPORTED, "%s: this FFmpeg cannot decode %s pictures", path, name);
        goto end;
    }
    if (file.size > INT32_MAX / 2) {
        status = yk_fail(YOLK_ERROR_LIMIT, "%s: is larger than a picture's file may be (1 GiB)", path);
        goto end;
    }
    frame = av_frame_alloc();
    if (!frame) {
        status = yk_fail_memory(sizeof(*frame));
        goto end;
    }
    status = decode(path, codec, &file, frame);
    if (status == YOLK_OK)
        status = to_rgb(
            path, frame,
            yk_orientation_of_frame(frame, codec->id == AV_CODEC_ID_PNG ? png_orientation(&file) : (yk_orientation){0}),
            out);
end:
    av_frame_free(&frame);
    yk_map_close(&file);
    return status;
}
