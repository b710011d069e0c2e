/* Pictures of a folder or frames of a video. */
#include "convert/pictures.h"

#include <stdio.h>

#include "video/video.h"

struct yk_pictures {
    char *path;
    char **names; /* of a folder's pictures; NULL for a video */
    int total;    /* pictures that are there */
    int count;    /* that are taken */
    int taken;
    yolk_video *video;
    int64_t frame; /* of the video, the next one that it gives */
    yolk_image *loaded;
    yolk_frame *decoded;
    char number[32];
};

static yolk_status list_folder(yk_pictures *p)
{
    size_t count = 0, kept = 0;
    yolk_status status = yk_list_directory(p->path, &p->names, &count);
    if (status != YOLK_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        char *name = p->names[i];
        if (yk_names_picture(name))
            p->names[kept++] = name;
        else
            yk_free(name);
    }
    p->names[kept] = NULL;
    if (kept == 0)
        return yk_fail(YOLK_ERROR_NOT_FOUND, "%s: there is no picture in this folder", p->path);
    p->total = (int)YK_MIN(kept, (size_t)INT32_MAX);
    return YOLK_OK;
}

static yolk_status open_video(yk_pictures *p)
{
    yolk_status status = yk_video_open(p->path, NULL, NULL, &p->video);
    if (status != YOLK_OK)
        return status;
    int64_t frames = yolk_video_get_info(p->video)->frame_count;
    p->total = (int)YK_MIN(YK_MAX(frames, 1), INT32_MAX);
    return YOLK_OK;
}

yolk_status yk_pictures_open(const char *path, int count, yk_pictures **out)
{
    *out = NULL;
    yk_pictures *p = yk_calloc(1, sizeof *p);
    if (!p)
        return YOLK_ERROR_OUT_OF_MEMORY;
    p->path = yk_strdup(path);
    yolk_status status = !p->path ? YOLK_ERROR_OUT_OF_MEMORY : yk_is_directory(path) ? list_folder(p) : open_video(p);
    if (status != YOLK_OK) {
        yk_pictures_close(&p);
        return status;
    }
    p->count = count > 0 ? YK_MIN(count, p->total) : p->total;
    *out = p;
    return YOLK_OK;
}

int yk_pictures_count(const yk_pictures *p)
{
    return p->count;
}

static yolk_status next_frame(yk_pictures *p, int64_t wanted)
{
    while (p->frame <= wanted) {
        yolk_frame_release(&p->decoded);
        yolk_status status = yolk_video_read(p->video, &p->decoded);
        if (status != YOLK_OK)
            return status;
        p->frame++;
    }
    return YOLK_OK;
}

yolk_status yk_pictures_next(yk_pictures *p, const yolk_image **image, const char **name)
{
    yolk_image_destroy(&p->loaded);
    if (p->taken >= p->count)
        return YOLK_END;
    int64_t at = (int64_t)p->taken++ * p->total / p->count;
    if (p->video) {
        yolk_status status = next_frame(p, at);
        if (status != YOLK_OK)
            return status;
        snprintf(p->number, sizeof p->number, "%lld", (long long)at);
        *image = &p->decoded->image;
        *name = p->number;
        return YOLK_OK;
    }
    char *path = yk_path_join(p->path, p->names[at]);
    yolk_status status = path ? yolk_image_load(path, &p->loaded) : YOLK_ERROR_OUT_OF_MEMORY;
    yk_free(path);
    *image = p->loaded;
    *name = p->names[at];
    return status;
}

void yk_pictures_close(yk_pictures **pictures)
{
    yk_pictures *p = *pictures;
    *pictures = NULL;
    if (!p)
        return;
    yolk_image_destroy(&p->loaded);
    yolk_frame_release(&p->decoded);
    yolk_video_close(&p->video);
    yk_names_free(p->names);
    yk_free(p->path);
    yk_free(p);
}
