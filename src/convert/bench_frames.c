/* Frames kept in memory for measuring: copies of pictures, or noise. */
#include <string.h>

#include "base/picture.h"
#include "convert/measure.h"
#include "convert/pictures.h"

/* The copy's planes are one block, which begins with the first of them. */
static yolk_status copy_image(const yolk_image *image, yolk_image *out)
{
    uint8_t *memory = yk_alloc(yk_image_bytes(image));
    if (!memory)
        return YOLK_ERROR_OUT_OF_MEMORY;
    *out = yk_image_at(image, memory);
    yk_image_copy(image, out);
    return YOLK_OK;
}

yolk_status yk_frames_add(yk_frames *f, const yolk_image *image)
{
    yolk_image *grown = yk_realloc(f->images, (size_t)f->count + 1, sizeof *grown);
    if (!grown)
        return YOLK_ERROR_OUT_OF_MEMORY;
    f->images = grown;
    yolk_status status = copy_image(image, &grown[f->count]);
    if (status == YOLK_OK)
        f->count++;
    return status;
}

yolk_status yk_frames_load(const char *path, int count, yk_frames *out)
{
    yk_pictures *pictures = NULL;
    const yolk_image *image;
    const char *name;
    yolk_status status = yk_pictures_open(path, count, &pictures);
    while (status == YOLK_OK) {
        status = yk_pictures_next(pictures, &image, &name);
        if (status == YOLK_OK)
            status = yk_frames_add(out, image);
    }
    yk_pictures_close(&pictures);
    if (status != YOLK_END)
        return status;
    return out->count > 0 ? YOLK_OK : yk_fail(YOLK_ERROR_NOT_FOUND, "%s: there is no frame in it", path);
}

yolk_status yk_frames_noise(yolk_size size, int count, yk_frames *out)
{
    size_t bytes = (size_t)size.width * (size_t)size.height * 3;
    uint8_t *pixels = yk_alloc(bytes);
    uint32_t state = 2463534242u;
    yolk_image image = {.width = size.width,
                        .height = size.height,
                        .format = YOLK_PIXEL_RGB24,
                        .planes = {pixels},
                        .strides = {size.width * 3}};
    yolk_status status = pixels ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    for (int n = 0; n < count && status == YOLK_OK; n++) {
        for (size_t i = 0; i < bytes; i++) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            pixels[i] = (uint8_t)(state >> 24);
        }
        status = yk_frames_add(out, &image);
    }
    yk_free(pixels);
    return status;
}

void yk_frames_free(yk_frames *f)
{
    for (int i = 0; i < f->count; i++)
        yk_free(f->images[i].planes[0]);
    yk_free(f->images);
    *f = (yk_frames){0};
}
