/* How pictures of the known formats lie in memory. */
#ifndef YK_PICTURE_H
#define YK_PICTURE_H

#include "base/base.h"
#include "yolk/image.h"

typedef struct yk_plane {
    size_t row, rows; /* bytes of a row without what follows it, number of rows */
} yk_plane;
int yk_image_planes(const yolk_image *image, yk_plane out[3]); /* how many there are */
size_t yk_image_bytes(const yolk_image *image);                /* of all rows */
/* The same picture as it is at `memory` when its rows and planes follow each other without gaps. */
yolk_image yk_image_at(const yolk_image *image, uint8_t *memory);
/* Fills in the planes of such a one. Both are in the processor's memory. */
void yk_image_copy(const yolk_image *from, const yolk_image *to);
/* YOLK_ERROR_UNSUPPORTED with a sentence for a picture that is elsewhere, which `who` cannot look at. */
yolk_status yk_image_needs_host(const yolk_image *image, const char *who);

#endif
