/* Pictures to calibrate and check on, one after the other. */
#ifndef YK_PICTURES_H
#define YK_PICTURES_H

#include "base/base.h"
#include "yolk/image.h"
#include "yolk/video.h"

typedef struct yk_pictures yk_pictures;

/* Takes `count` pictures (0: all) of a folder, or frames of a video, evenly. */
yolk_status yk_pictures_open(const char *path, int count, yk_pictures **out);
/* How many there will be; of a video an estimate. */
int yk_pictures_count(const yk_pictures *p);
/* The next one, which lives until the call after; its name is the file's, or the frame's number. YOLK_END after the
 * last. */
yolk_status yk_pictures_next(yk_pictures *p, const yolk_image **image, const char **name);
void yk_pictures_close(yk_pictures **p); /* &NULL allowed */

#endif
