/* Boxes drawn on pictures and videos, written as files of their own. */
#include "pipeline/sink.h"

#include <string.h>
#include <sys/stat.h>

#include "video/video.h"
#include "yolk/config.h"

typedef struct annotated_sink {
    yolk_sink base;
    char *path;
    bool folder; /* `path` is one, and files in it take the sources' names */
    double scale;
    yk_drawer *drawer;
    yolk_video_writer *writer; /* of the video being written */
    char *source;              /* of it */
    char **written;            /* paths of all files so far */
    size_t count, capacity;
} annotated_sink;

static bool is_picture(const char *path)
{
    const char *ending = yk_extension(path);
    return yk_equal_ignoring_case(ending, ".jpg") || yk_equal_ignoring_case(ending, ".jpeg") ||
           yk_equal_ignoring_case(ending, ".png");
}

static bool is_video(const char *path)
{
    static const char *const endings[] = {".mp4", ".m4v", ".mov", ".mkv", ".avi"};
    for (size_t i = 0; i < YK_COUNT(endings); i++)
        if (yk_equal_ignoring_case(yk_extension(path), endings[i]))
            return true;
    return false;
}

/* ---- where to ---- */

/* A path in the folder that no source of this run has taken yet. */
static char *path_in_folder(const annotated_sink *s, const yolk_result *result)
{
    bool standard = strcmp(result->source, "-") == 0;
    char *stem = standard ? yk_strdup("stdin") : yk_path_stem(result->source);
    const char *ending = yk_extension(result->source);
    if (result->still)
        ending = is_picture(result->source) ? ending : ".jpg";
    else
        ending = is_video(result->source) ? ending : ".mp4";
    char *path = NULL;
    for (int turn = 1; stem; turn++) {
        char *name = turn == 1 ? yk_format("%s%s", stem, ending) : yk_format("%s-%d%s", stem, turn, ending);
        path = name ? yk_path_join(s->path, name) : NULL;
        yk_free(name);
        size_t same = 0;
        while (path && same < s->count && strcmp(path, s->written[same]) != 0)
            same++;
        if (!path || same == s->count)
            break;
        yk_free(path);
    }
    yk_free(stem);
    return path;
}

/* Chooses the file for a new source and remembers it; owned by the sink. */
static yolk_status choose_target(annotated_sink *s, const yolk_result *result, const char **out)
{
    if (!s->folder && s->count > 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: is one file but there are several inputs; name a folder",
                       s->path);
    if (!s->folder && result->still && !is_picture(s->path))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "%s: is not the name of a picture but %s is one; name a .jpg, a .png or a folder", s->path,
                       result->source);
    if (!s->folder && !result->still && is_picture(s->path))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: is the name of a picture but %s is a video; name an .mp4",
                       s->path, result->source);
    yolk_status status = yk_grow(&s->written, &s->capacity, s->count + 1, sizeof(*s->written));
    if (status != YOLK_OK)
        return status;
    char *path = s->folder ? path_in_folder(s, result) : yk_strdup(s->path);
    if (!path)
        return YOLK_ERROR_OUT_OF_MEMORY;
    s->written[s->count++] = path;
    struct stat from, to;
    if (stat(result->source, &from) == 0 && stat(path, &to) == 0 && from.st_dev == to.st_dev &&
        from.st_ino == to.st_ino)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: is the input itself, which would be lost; name another file",
                       path);
    *out = path;
    return YOLK_OK;
}

static double scale_of(const annotated_sink *s, const yolk_image *image)
{
    if (s->scale > 0)
        return s->scale;
    yolk_config config;
    yolk_config_global_get(&config);
    return yolk_config_for_resolution(&config, image->width, image->height).scale;
}

/* ---- pictures ---- */

static yolk_status write_still(annotated_sink *s, const yolk_result *result)
{
    const char *path = NULL;
    yolk_image *canvas = NULL;
    yolk_status status = choose_target(s, result, &path);
    if (status == YOLK_OK)
        status = yk_image_scaled(result->image, scale_of(s, result->image), &canvas);
    if (status == YOLK_OK)
        status = yk_drawer_draw(s->drawer, canvas, result->detections, result->count,
                                (double)canvas->width / result->width, (double)canvas->height / result->height);
    if (status == YOLK_OK)
        status = yolk_image_save(canvas, path);
    yolk_image_destroy(&canvas);
    return status;
}

/* ---- videos ---- */

static yolk_status finish_video(annotated_sink *s)
{
    return s->writer ? yolk_video_writer_finish(&s->writer) : YOLK_OK;
}

static yolk_status begin_video(annotated_sink *s, const yolk_result *result)
{
    const char *path = NULL;
    yolk_status status = finish_video(s);
    if (status == YOLK_OK)
        status = choose_target(s, result, &path);
    if (status != YOLK_OK)
        return status;
    yolk_video_writer_options options;
    yolk_video_writer_options_defaults(&options);
    options.width = result->width;
    options.height = result->height;
    options.scale = scale_of(s, result->image);
    options.fps_num = result->fps_num;
    options.fps_den = result->fps_den;
    options.sar_num = result->sar_num;
    options.sar_den = result->sar_den;
    /* What is no file, such as a pipe, can be read once only. */
    bool again = strcmp(result->source, "-") != 0 && yk_is_file(result->source);
    options.audio_from = again ? result->source : NULL;
    status = yolk_video_writer_open(path, &options, &s->writer);
    if (status == YOLK_OK || !options.audio_from)
        return status;
    /* When it was the audio's fault the pictures are still worth having. */
    char *reason = yk_strdup(yolk_last_error());
    options.audio_from = NULL;
    status = yolk_video_writer_open(path, &options, &s->writer);
    if (status == YOLK_OK && reason)
        yk_log(YOLK_LOG_WARNING, "%s: is written without audio: %s", path, reason);
    yk_free(reason);
    return status;
}

/* An odd last pixel is left out of videos, not squeezed in. */
static double side_scale(int written, int original)
{
    return written == (original & ~1) ? 1 : (double)written / original;
}

static yolk_status write_frame(annotated_sink *s, const yolk_result *result)
{
    yolk_image canvas;
    yolk_status status = yk_writer_begin(s->writer, result->image, &canvas);
    if (status == YOLK_OK)
        status = yk_drawer_draw(s->drawer, &canvas, result->detections, result->count,
                                side_scale(canvas.width, result->width), side_scale(canvas.height, result->height));
    return status == YOLK_OK ? yk_writer_end(s->writer, result->time) : status;
}

/* ---- the sink ---- */

static yolk_status write_result(yolk_sink *sink, const yolk_result *result)
{
    annotated_sink *s = (annotated_sink *)sink;
    if (!result->image)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: there is no picture to draw on", s->path);
    if (result->still)
        return write_still(s, result);
    yolk_status status = YOLK_OK;
    if (!s->writer || result->frame == 0 || strcmp(s->source, result->source) != 0) {
        yk_free(s->source);
        s->source = yk_strdup(result->source);
        status = s->source ? begin_video(s, result) : YOLK_ERROR_OUT_OF_MEMORY;
    }
    return status == YOLK_OK ? write_frame(s, result) : status;
}

static yolk_status end_annotated(yolk_sink *sink, bool failed)
{
    annotated_sink *s = (annotated_sink *)sink;
    yolk_status status = YOLK_OK;
    if (failed)
        yolk_video_writer_abort(&s->writer);
    else
        status = finish_video(s);
    yk_drawer_destroy(&s->drawer);
    for (size_t i = 0; i < s->count; i++)
        yk_free(s->written[i]);
    yk_free(s->written);
    yk_free(s->source);
    yk_free(s->path);
    yk_free(s);
    return status;
}

/* Says now what would otherwise be found out after the first batch. */
static yolk_status check_path(annotated_sink *s)
{
    size_t length = strlen(s->path);
    s->folder = yk_is_directory(s->path);
    if (s->folder)
        return YOLK_OK;
    if (length == 0 || s->path[length - 1] == '/')
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: this folder does not exist; make it first", s->path);
    if (!is_picture(s->path))
        return yk_writer_check(s->path);
    yk_atomic *file = NULL;
    yolk_status status = yk_atomic_open(s->path, &file);
    yk_atomic_abort(&file);
    return status;
}

yolk_status yolk_sink_open_annotated(const char *path, double scale, yolk_sink **out)
{
    static const yk_sink_class class = {write_result, end_annotated};
    *out = NULL;
    if (scale != 0 && !(scale >= 0.1 && scale <= 1))
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%s: scale %g is not within 0.1..1", path, scale);
    annotated_sink *s = yk_calloc(1, sizeof(*s));
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    s->base = (yolk_sink){.class = &class, .wants_image = true};
    s->scale = scale;
    s->path = yk_strdup(path);
    yolk_status status = s->path ? check_path(s) : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = yk_drawer_create(&s->drawer);
    if (status != YOLK_OK) {
        end_annotated(&s->base, true);
        return status;
    }
    *out = &s->base;
    return YOLK_OK;
}
