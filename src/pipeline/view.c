/* Parts of a frame looked at without copying them. */
#include "pipeline/pipeline.h"

/* Halves an even number of pixels wide where there are so many. */
static void take_eye(yk_region *r, yolk_eye eye)
{
    int half_width = YK_MAX(r->width / 2 & ~1, 1), half_height = YK_MAX(r->height / 2 & ~1, 1);
    switch (eye) {
    case YOLK_EYE_LEFT:
        r->width = half_width;
        break;
    case YOLK_EYE_RIGHT:
        r->x = r->width > 1 ? (r->width + 1) / 2 & ~1 : 0;
        r->width -= r->x;
        break;
    case YOLK_EYE_TOP:
        r->height = half_height;
        break;
    case YOLK_EYE_BOTTOM:
        r->y = r->height > 1 ? (r->height + 1) / 2 & ~1 : 0;
        r->height -= r->y;
        break;
    default:
        break;
    }
}

bool yk_region_of(int width, int height, yolk_eye eye, const int crop[4], yk_region *out)
{
    *out = (yk_region){0, 0, width, height};
    take_eye(out, eye);
    if (crop[2] == 0)
        return true;
    if (crop[0] >= out->width || crop[1] >= out->height)
        return false;
    int x = crop[0] & ~1, y = crop[1] & ~1;
    int64_t right = (int64_t)crop[0] + crop[2], bottom = (int64_t)crop[1] + crop[3];
    out->width = (int)YK_MIN(right, out->width) - x;
    out->height = (int)YK_MIN(bottom, out->height) - y;
    out->x += x;
    out->y += y;
    return true;
}

yolk_image yk_region_view(const yolk_image *image, const yk_region *region)
{
    yolk_image view = *image;
    ptrdiff_t x = region->x, y = region->y;
    view.width = region->width;
    view.height = region->height;
    bool packed = image->format == YOLK_PIXEL_BGR24 || image->format == YOLK_PIXEL_RGB24;
    view.planes[0] += y * image->strides[0] + (packed ? 3 * x : x);
    if (image->format == YOLK_PIXEL_I420)
        for (int i = 1; i < 3; i++)
            view.planes[i] += y / 2 * image->strides[i] + x / 2;
    else if (image->format == YOLK_PIXEL_NV12)
        view.planes[1] += y / 2 * image->strides[1] + x / 2 * 2;
    return view;
}
