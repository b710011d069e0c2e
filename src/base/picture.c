#include "base/picture.h"

#include <string.h>

int yk_image_planes(const yolk_image *image, yk_plane out[3])
{
    const size_t width = (size_t)image->width, height = (size_t)image->height;
    const size_t half_width = width / 2 + width % 2, half_height = height / 2 + height % 2;
    switch (image->format) {
    case YOLK_PIXEL_NV12:
        out[0] = (yk_plane){width, height};
        out[1] = (yk_plane){2 * half_width, half_height};
        return 2;
    case YOLK_PIXEL_I420:
        out[0] = (yk_plane){width, height};
        out[1] = out[2] = (yk_plane){half_width, half_height};
        return 3;
    default:
        out[0] = (yk_plane){3 * width, height};
        return 1;
    }
}

size_t yk_image_bytes(const yolk_image *image)
{
    yk_plane planes[3];
    size_t bytes = 0;
    for (int i = yk_image_planes(image, planes); i-- > 0;)
        bytes += planes[i].row * planes[i].rows;
    return bytes;
}

yolk_image yk_image_at(const yolk_image *image, uint8_t *memory)
{
    yk_plane planes[3];
    const int count = yk_image_planes(image, planes);
    yolk_image out = *image;
    for (int i = 0; i < 3; i++) {
        out.planes[i] = i < count ? memory : NULL;
        out.strides[i] = i < count ? (int)planes[i].row : 0;
        memory += i < count ? planes[i].row * planes[i].rows : 0;
    }
    return out;
}

void yk_image_copy(const yolk_image *from, const yolk_image *to)
{
    yk_plane planes[3];
    for (int i = yk_image_planes(from, planes); i-- > 0;) {
        const yk_plane p = planes[i];
        if (from->strides[i] == to->strides[i] && from->strides[i] == (int)p.row) {
            memcpy(to->planes[i], from->planes[i], p.row * p.rows);
            continue;
        }
        for (size_t y = 0; y < p.rows; y++)
            memcpy(to->planes[i] + (ptrdiff_t)y * to->strides[i], from->planes[i] + (ptrdiff_t)y * from->strides[i],
                   p.row);
    }
}

yolk_status yk_image_needs_host(const yolk_image *image, const char *who)
{
    if (image->memory == YOLK_MEMORY_HOST)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED,
                   "the picture is in a GPU's memory, where %s cannot look at it; copy it to host "
                   "memory first",
                   who);
}
